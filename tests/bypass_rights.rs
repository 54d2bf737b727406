//! Ways to become somebody else, or to be somewhere else: what is done there is in the session, with
//! the ids it is done with.

use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use crate::common::ways::{
    KERNEL, MAPS, PYTHON_ALONE, command_of, pipe, place, ran, tampered, tell, wait_for,
};
use crate::common::{self, Folder, Host, ONE, Outcome, Process, TWO, account, of_kind};
use libtest_mimic::Trial;
use serde_json::{Value, json};

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    common::tests_on(
        module_path!(),
        // Without a home, so that no startup file adds to what is run.
        || Host::with("SetEnv HOME=/nonexistent", ""),
        &[
            ("su", su),
            ("sudo", sudo),
            ("another loginuid, without the right", loginuid_kept),
            ("another loginuid, by root", loginuid_changed),
            ("root that calls itself a login server", login_server),
            (
                "root that outlives a recorder as a login server",
                login_server_found,
            ),
            ("namespaces of an account without rights", own_namespaces),
            ("each namespace, by root", namespaces),
            ("namespaces of others", nsenter),
            ("chroot", chroot),
            ("out of the recorder's tables", out_of_tables),
            ("the recorder's tables changed", tables_changed),
            ("a recorder that ends while a look is due", ends_itself),
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

/// A process of root's that makes itself what sshd's monitor is to look at: by its name, its audit id, a
/// connection, how it hears of its children's ends, and a child that leads a session of its own. Then
/// it and the child go on as ever.
fn disguised(port: u16, name: &str, mark: &str) -> String {
    format!(
        "{PYTHON_ALONE} '{KERNEL}
import signal, socket
connection = socket.create_connection((\"127.0.0.1\", {port}))
libc.prctl(15, b\"{name}\")
if os.fork() == 0:
    open(\"/proc/self/loginuid\", \"w\").write(\"0\")
    signal.signal(signal.SIGCHLD, lambda *_: None)
    if os.fork() == 0:
        os.setsid()
        open(\"/etc/hostname\")
        if os.fork() == 0:
            os.execv(\"/bin/true\", [\"true\", \"{mark}-child\"])
        os.wait()
        os._exit(0)
    os.wait()
    open(\"/etc/os-release\")
    socket.create_connection((\"127.0.0.1\", {port}))
    if os.fork() == 0:
        os.execv(\"/bin/true\", [\"true\", \"{mark}-server\"])
    os.wait()
    os._exit(0)
os.wait()'; :"
    )
}

/// All that it does is told, and what becomes a session of its own says whence
fn login_server(host: &Host) -> Outcome {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    for name in ["sshd", "sshd-session", "dropbear", "su", "cron"] {
        let script = disguised(port, name, name);
        let outer = host.did("root", &script);
        let count = |lines: &[Value], event: &str, key: &str, value: Value| {
            let lines = of_kind(lines, event).into_iter();
            lines.filter(|line| line[key] == value).count()
        };
        let server = json!([format!("{name}-server")]);
        assert_eq!(count(&outer, "session.command", "argv", server), 1);
        assert_eq!(
            count(&outer, "session.disk", "path", json!("/usr/lib/os-release")),
            1
        );
        assert_eq!(count(&outer, "session.network", "dst_port", json!(port)), 2);
        // In the same session, or in one that says from which it came.
        let child = json!([format!("{name}-child")]);
        let text = format!(r#""argv":{child}"#);
        let inner = host.session_with("", &text);
        assert_eq!(count(&inner, "session.command", "argv", child), 1);
        assert!(count(&inner, "session.disk", "path", json!("/etc/hostname")) >= 1);
        if inner[0]["sid"] != outer[0]["sid"] {
            assert_eq!(inner[0]["parent_sid"], outer[0]["sid"]);
        }
    }
    Ok(())
}

/// What carries the audit id of a session, and is no monitor of a login, is in it also behind a restart
fn login_server_found(host: &Host) -> Outcome {
    let place = place(host, "outliving");
    pipe(&place.join("go"));
    let script = format!(
        "(setsid {PYTHON_ALONE} '{KERNEL}
libc.prctl(15, b\"sshd\")
if os.fork():
    os._exit(0)
print(\"ready\", flush=True)
open(\"{0}/go\").readline()
if os.fork() == 0:
    os.execv(\"/bin/true\", [\"true\", \"found-again\"])
os.wait()' &); read line; :",
        place.display()
    );
    let mut client = host.login("root", &script);
    let mut answer = [0; 6];
    client
        .child
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut answer)?;
    let folder = Folder::new();
    let second = common::start_daemon(folder.path(), "");
    let second = host.recorded_by(folder, second);
    tell(&place.join("go"), "go");
    drop(client.child.stdin.take());
    client.child.wait()?;
    let lines = second.session_with("", r#""argv":["found-again"]"#);
    assert_eq!(lines[0]["login"], "root");
    assert!(lines[0].get("recorded_since").is_some());
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

/// The namespaces of each call of this kind, as JSON.
fn asked_for(lines: &[Value], operation: &str) -> Vec<String> {
    of_kind(lines, "session.privilege")
        .into_iter()
        .filter(|line| line["operation"] == operation)
        .map(|line| line["namespaces"].to_string())
        .collect()
}

fn namespaces(host: &Host) -> Outcome {
    for (kind, name) in [
        ("user", "user"),
        ("pid --fork", "pid"),
        ("mount", "mnt"),
        ("net", "net"),
        ("cgroup", "cgroup"),
        ("ipc", "ipc"),
        ("uts", "uts"),
        ("time", "time"),
    ] {
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
        assert_eq!(asked_for(&lines, "unshare"), [format!("[\"{name}\"]")]);
    }
    Ok(())
}

/// Namespaces that a process can be in without a child.
const OTHERS: [&str; 6] = ["--mount", "--net", "--cgroup", "--ipc", "--uts", "--time"];

/// Those of a process that is in no session
fn nsenter(host: &Host) -> Outcome {
    let outside = Process::spawn(Command::new("unshare").args(OTHERS).args(["sleep", "1000"]));
    let pid = outside.child.id().to_string();
    common::patiently("the namespaces", || {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
        (name == "sleep\n").then_some(())
    });
    let others = OTHERS.join(" ");
    let script = format!("nsenter -t {pid} {others} /bin/true entered; :");
    let lines = host.did("root", &script);
    assert_eq!(ran(&lines).last(), Some(&json!(["/bin/true", "entered"])));
    let mut entered = asked_for(&lines, "setns");
    entered.sort();
    let kinds = ["cgroup", "ipc", "mnt", "net", "time", "uts"];
    assert_eq!(entered, kinds.map(|kind| format!("[\"{kind}\"]")));
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

/// Root takes its process out of the table: it is put back, also one that has left its parent, and the
/// session ends as it has to
fn out_of_tables(host: &Host) -> Outcome {
    let place = place(host, "tables");
    let ways = [
        ("stayed", ""),
        ("left", "if os.fork(): os._exit(0)\nos.setsid()\n"),
    ];
    // Both wait for the same looks, at the beginning and at the end.
    let logins = ways.map(|(word, leave)| {
        let (pid, go_on) = (place.join(format!("{word}-pid")), place.join(word));
        pipe(&go_on);
        let script = place.join(format!("{word}.py"));
        let text = format!(
            "{MAPS}
key = struct.pack('<I', os.getpid())
assert 0 in delete(b'processes', key)
{leave}open('{}', 'w').write(str(os.getpid()) + '.')
open('{}').readline()
os.spawnv(os.P_WAIT, '/bin/true', ['true', '{word}'])
",
            pid.display(),
            go_on.display()
        );
        fs::write(&script, text).unwrap();
        let command = format!("python3 -I {}; :", script.display());
        let client = host.login("root", &command);
        (word, pid, go_on, command, client)
    });
    let told = logins.map(|(word, pid, go_on, command, client)| {
        let pid = common::patiently("its process id", || {
            let text = fs::read_to_string(&pid).ok()?;
            Some(text.strip_suffix('.')?.to_owned())
        });
        let told = tampered(host, "processes", &format!(r#""target_pids":[{pid}]"#));
        assert_eq!(told["restored"], true);
        tell(&go_on, "on");
        (word, command, client, told)
    });
    for (word, command, mut client, told) in told {
        client.child.wait()?;
        let lines = host.session(&command);
        assert_eq!(told["target_sid"], lines[0]["sid"]);
        assert_eq!(ran(&lines).last(), Some(&json!(["/bin/true", word])));
        // What takes it out is over when nobody looks any more.
        let got = of_kind(&lines, "session.privilege")
            .into_iter()
            .filter(|line| line["operation"] == "bpf_map_get_fd_by_id")
            .filter(|line| line["name"] == "processes");
        assert!(got.count() > 0, "{lines:#?}");
    }
    Ok(())
}

/// What the daemon has set is set again; a session that is removed is known again
fn tables_changed(host: &Host) -> Outcome {
    let place = place(host, "changed");
    let (done, go_on) = (place.join("done"), place.join("go-on"));
    pipe(&go_on);
    let script = place.join("change.py");
    let openat = libc::SYS_openat;
    fs::write(
        &script,
        format!(
            "{MAPS}
audit = int(open('/proc/self/sessionid').read())
clear(b'rules', struct.pack('<I', 0))
assert 0 in delete(b'dispatch', struct.pack('<I', {openat}))
assert 0 in delete(b'sessions', struct.pack('<Q', audit))
open('{}', 'w').write('done')
open('{}').readline()
open('{}/seen', 'w')
os.spawnv(os.P_WAIT, '/bin/true', ['true', 'seen'])
",
            done.display(),
            go_on.display(),
            place.display()
        ),
    )?;
    let command = format!("python3 -I {}; :", script.display());
    let mut client = host.login("root", &command);
    wait_for(&done, "done");
    for map in ["rules", "syscall_exit", "sessions"] {
        assert_eq!(tampered(host, map, "")["restored"], true);
    }
    tell(&go_on, "on");
    client.child.wait()?;
    let lines = host.session(&command);
    assert_eq!(ran(&lines).last(), Some(&json!(["/bin/true", "seen"])));
    let seen = place.join("seen");
    let is_seen = |line: &&Value| line["path"] == seen.to_str().unwrap();
    assert_eq!(
        of_kind(&lines, "session.disk")
            .into_iter()
            .filter(is_seen)
            .count(),
        1
    );
    Ok(())
}

/// What it takes away itself, and who comes and goes behind that, is nobody else's doing
fn ends_itself(_: &Host) -> Outcome {
    let mut host = Host::start();
    let client = host.login(ONE, "/bin/true stays; read line");
    common::patiently("the session", || {
        host.text().contains("/bin/true stays").then_some(())
    });
    host.daemon.signal(libc::SIGSTOP);
    // It looks every five seconds.
    std::thread::sleep(std::time::Duration::from_secs(6));
    assert_eq!(host.daemon.stop(), Some(0));
    let told: Vec<_> = host
        .log()
        .into_iter()
        .filter(|line| line["event"] == "recorder.status")
        .map(|line| line["reason"].clone())
        .collect();
    assert_eq!(told, ["start", "stop"]);
    drop(client);
    Ok(())
}
