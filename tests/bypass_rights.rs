//! Ways to become somebody else, or to be somewhere else: what is done there is in the session, with
//! the ids it is done with.

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use common::ways::{command_of, place, ran};
use common::{Host, ONE, Outcome, Process, TWO, account, of_kind};
use serde_json::{Value, json};

fn main() -> ExitCode {
    common::main_on(
        // Without a home, so that no startup file adds to what is run.
        || Host::with("SetEnv HOME=/nonexistent", ""),
        &[
            ("su", su),
            ("sudo", sudo),
            ("another loginuid, without the right", loginuid_kept),
            ("another loginuid, by root", loginuid_changed),
            ("namespaces of an account without rights", own_namespaces),
            ("each namespace, by root", namespaces),
            ("namespaces of others", nsenter),
            ("chroot", chroot),
        ],
    )
}

fn ids(login: &str) -> Value {
    let (uid, gid) = account(login);
    json!({"uid": uid, "gid": gid, "euid": uid, "egid": gid})
}

/// Holds the whole session to one login, and the last command to the ids of another account.
fn became(lines: &[Value], login: &str, other: &str, word: &str) {
    assert!(lines.iter().all(|line| line["login"] == login));
    let commands = of_kind(lines, "session.command");
    assert_eq!(commands[0]["ids"], ids(login));
    let last = command_of(lines, word);
    assert_eq!(last["ids"], ids(other));
    assert_eq!(last["audit_session_id"], commands[0]["audit_session_id"]);
}

/// A root login becomes an account without rights
fn su(host: &Host) -> Outcome {
    for options in ["", "-l"] {
        let script = format!("su {options} {TWO} -s /bin/sh -c '/bin/true other; :'");
        let lines = host.did("root", &script);
        became(&lines, "root", TWO, "other");
        let su = &of_kind(&lines, "session.command")[1];
        assert_eq!(su["path"], "/usr/bin/su");
        assert_eq!(su["ids"], ids("root"));
    }
    Ok(())
}

/// A rule of sudo's that goes with the test.
struct Rule(PathBuf);

impl Rule {
    fn new(text: &str) -> Self {
        let path = format!("/etc/sudoers.d/recorderd-test-{}", std::process::id()).into();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o440)).unwrap();
        Self(path)
    }
}

impl Drop for Rule {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// An account without rights becomes root
fn sudo(host: &Host) -> Outcome {
    let _rule = Rule::new(&format!("{ONE} ALL=(ALL) NOPASSWD: ALL\n"));
    let script = "sudo -n /bin/true raised; :";
    let lines = host.did(ONE, script);
    became(&lines, ONE, "root", "raised");
    let sudo = &of_kind(&lines, "session.command")[1];
    assert_eq!(sudo["path"], "/usr/bin/sudo");
    assert_eq!(sudo["privileged"], true);
    let (uid, gid) = account(ONE);
    assert_eq!(
        sudo["ids"],
        json!({"uid": uid, "gid": gid, "euid": 0, "egid": gid})
    );
    Ok(())
}

/// The kernel lets nobody change it who lacks CAP_AUDIT_CONTROL
fn loginuid_kept(host: &Host) -> Outcome {
    let lines = host.did(ONE, "echo 0 > /proc/self/loginuid; /bin/true kept; :");
    let commands = of_kind(&lines, "session.command");
    assert_eq!(ran(&lines)[1..], [json!(["/bin/true", "kept"])]);
    assert_eq!(
        commands[1]["audit_session_id"],
        commands[0]["audit_session_id"]
    );
    let tried = of_kind(&lines, "session.disk").into_iter().any(|line| {
        let path = line["path"].as_str().unwrap();
        path.starts_with("/proc/") && path.ends_with("/loginuid")
    });
    assert!(tried, "{lines:#?}");
    Ok(())
}

/// The audit id becomes another, the session stays the same
fn loginuid_changed(host: &Host) -> Outcome {
    let script = "echo 4711 > /proc/self/loginuid; /bin/true changed; :";
    let lines = host.did("root", script);
    let commands = of_kind(&lines, "session.command");
    assert_eq!(ran(&lines)[1..], [json!(["/bin/true", "changed"])]);
    assert_ne!(
        commands[1]["audit_session_id"],
        commands[0]["audit_session_id"]
    );
    Ok(())
}

/// Root in one's own user namespace is still the account
fn own_namespaces(host: &Host) -> Outcome {
    let script = "unshare --map-root-user --pid --fork --mount --net --cgroup \
                  /bin/sh -c 'test $(id -u) = 0 && /bin/true inside; :'; :";
    let lines = host.did(ONE, script);
    became(&lines, ONE, ONE, "inside");
    assert!(command_of(&lines, "inside")["pid"].as_u64() > Some(10));
    Ok(())
}

fn namespaces(host: &Host) -> Outcome {
    for kind in ["user", "pid --fork", "mount", "net", "cgroup"] {
        let script = format!("unshare --{kind} /bin/true in-{kind}; :");
        let lines = host.did("root", &script);
        let mut unshare = vec!["/usr/bin/unshare"];
        let option = format!("--{kind}");
        unshare.extend(option.split(' '));
        let word = format!("in-{kind}");
        let words: Vec<&str> = word.split(' ').collect();
        unshare.push("/bin/true");
        unshare.extend(&words);
        assert_eq!(
            ran(&lines)[1..],
            [
                json!(unshare),
                json!([&["/bin/true"], words.as_slice()].concat())
            ]
        );
    }
    Ok(())
}

/// Those of a process that is in no session
fn nsenter(host: &Host) -> Outcome {
    let outside = Process::spawn(
        Command::new("unshare").args(["--mount", "--net", "--cgroup", "sleep", "1000"]),
    );
    let pid = outside.child.id().to_string();
    common::patiently("the namespaces", || {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
        (name == "sleep\n").then_some(())
    });
    let script = format!("nsenter -t {pid} --mount --net --cgroup /bin/true entered; :");
    let lines = host.did("root", &script);
    assert_eq!(ran(&lines).last(), Some(&json!(["/bin/true", "entered"])));
    assert!(
        host.log()
            .iter()
            .all(|line| line["pid"] != outside.child.id())
    );
    Ok(())
}

/// The path is the one inside, the file that runs the one outside
fn chroot(host: &Host) -> Outcome {
    let place = place(host, "chroot");
    fs::copy("/usr/bin/busybox", place.join("busybox"))?;
    let script = format!("chroot {} /busybox true rooted; :", place.display());
    let lines = host.did("root", &script);
    assert_eq!(
        ran(&lines)[1..],
        [
            json!(["/usr/sbin/chroot", place, "/busybox", "true", "rooted"]),
            json!(["/busybox", "true", "rooted"]),
        ]
    );
    let rooted = command_of(&lines, "rooted");
    assert_eq!(rooted["exe"], place.join("busybox").to_str().unwrap());
    Ok(())
}
