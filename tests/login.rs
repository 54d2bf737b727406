//! Logins other than by SSH: sessions that say so, if the config asks for them.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::common::ways::{place, ran, wait_for};
use crate::common::{self, Host, ONE, Outcome, Process, printed};
use libtest_mimic::Trial;
use serde_json::{Value, json};

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    common::tests_on(
        module_path!(),
        || {
            Host::with(
                "SetEnv HOME=/nonexistent",
                "login_types: [ssh, console, cron, at, su]",
            )
        },
        &[
            ("su from nowhere", su),
            ("su in a session", su_in_a_session),
            ("a console", console),
            ("cron", cron),
            ("at", at),
            ("none of them by default", by_default),
        ],
    )
}

/// The lines of the session of this type of which one holds the text, once it has ended.
fn session(host: &Host, login_type: &str, text: &str) -> Vec<Value> {
    host.session_with(&format!(r#""login_type":"{login_type}""#), text)
}

/// Holds the whole of session.start against what it is to be.
fn assert_start(lines: &[Value], login_type: &str, login: &str, command: Option<&str>) {
    let mut start = lines[0].as_object().unwrap().clone();
    for key in [
        "sid",
        "uid",
        "time",
        "server_id",
        "server_hostname",
        "server_version",
    ] {
        assert!(start.remove(key).is_some(), "{key}");
    }
    start.remove("size");
    let mut expected = json!({
        "code": "T2000I",
        "ei": 0,
        "event": "session.start",
        "login": login,
        "login_type": login_type,
        "namespace": "default",
        "session_recording": "node",
        "user": login,
    });
    if let Some(command) = command {
        expected["initial_command"] = json!([command]);
    }
    assert_eq!(Value::Object(start), expected);
}

/// Where each line of a session is: in the cgroup in which the service has begun it.
fn assert_unmoved(lines: &[Value]) {
    let own = fs::read_to_string("/proc/self/cgroup").unwrap();
    let path = own
        .lines()
        .find_map(|line| line.strip_prefix("0::"))
        .unwrap();
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let mount = mounts
        .lines()
        .map(|line| line.split(' ').collect::<Vec<_>>())
        .rfind(|words| words[2] == "cgroup2");
    let folder = PathBuf::from(format!("{}{path}", mount.unwrap()[1]));
    let id = std::os::unix::fs::MetadataExt::ino(&fs::metadata(folder).unwrap());
    let commands = lines
        .iter()
        .filter(|line| line["event"] == "session.command");
    for line in commands {
        assert_eq!(line["cgroup_id"], id);
    }
}

fn su(host: &Host) -> Outcome {
    for login in [ONE, "root"] {
        let command = format!("/bin/true su-to-{login}");
        printed(Command::new("su").args(["-s", "/bin/sh", "-c", &command, login]));
        let lines = session(host, "su", &command);
        assert_start(&lines, "su", login, Some(&command));
        assert_eq!(
            ran(&lines),
            [
                json!(["/bin/sh", "-c", command]),
                json!(["/bin/true", format!("su-to-{login}")])
            ]
        );
        assert_unmoved(&lines);
    }
    Ok(())
}

fn su_in_a_session(host: &Host) -> Outcome {
    let command = format!("su -s /bin/sh -c '/bin/true inner-su' {ONE}");
    let lines = host.did("root", &command);
    assert!(ran(&lines).contains(&json!(["/bin/true", "inner-su"])));
    assert!(lines[0].get("login_type").is_none());
    Ok(())
}

/// On a terminal that `script` makes
fn console(host: &Host) -> Outcome {
    for login in [ONE, "root"] {
        let word = format!("console-of-{login}");
        let mut script = Command::new("script");
        script.args(["-qec", &format!("login -f {login}"), "/dev/null"]);
        let mut child = script.stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
        let mut typed = child.stdin.take().unwrap();
        writeln!(typed, "/bin/true {word}; exit")?;
        child.wait()?;
        drop(typed);
        let lines = session(host, "console", &format!(r#"["{word}"]"#));
        assert!(ran(&lines).contains(&json!(["/bin/true", word])));
        assert_start(&lines, "console", login, None);
        assert!(lines[0]["size"].is_string());
    }
    Ok(())
}

/// Has a shell in a mount namespace of its own, with empty folders over these.
fn apart(folders: &[&str], script: &str) -> Process {
    let mounts: String = folders
        .iter()
        .map(|folder| format!("mkdir -p {folder} && mount -t tmpfs none {folder} && "))
        .collect();
    let mut shell = Command::new("unshare");
    shell.args(["-m", "/bin/sh", "-c", &format!("{mounts}{script}")]);
    Process::spawn(&mut shell)
}

/// A daemon of jobs, with a job of each user that is to be done at once.
fn run_cron(place: &Path, word: &str) -> Process {
    for login in [ONE, "root"] {
        let done = place.join(login);
        let job = format!("@reboot /bin/echo {word} > {}\n", done.display());
        let table = place.join(format!("{login}.cron"));
        fs::write(&table, job).unwrap();
        fs::set_permissions(&table, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let tables = "/var/spool/cron/crontabs";
    let copy = format!(
        "cp {0}/{ONE}.cron {tables}/{ONE} && cp {0}/root.cron {tables}/root && \
         chown {ONE} {tables}/{ONE} && chmod 600 {tables}/* && exec cron -f",
        place.display()
    );
    apart(&["/run", tables], &copy)
}

fn cron(host: &Host) -> Outcome {
    let place = place(host, "cron");
    let _daemon = run_cron(&place, "from-cron");
    for login in [ONE, "root"] {
        let done = place.join(login);
        wait_for(&done, "from-cron");
        let command = format!("/bin/echo from-cron > {}", done.display());
        let lines = session(host, "cron", &command);
        assert_start(&lines, "cron", login, Some(&command));
        assert_eq!(
            ran(&lines),
            [
                json!(["/bin/sh", "-c", command]),
                json!(["/bin/echo", "from-cron"])
            ]
        );
        assert_unmoved(&lines);
    }
    Ok(())
}

fn at(host: &Host) -> Outcome {
    let place = place(host, "at");
    let done = place.join("done");
    let job = place.join("job");
    fs::write(&job, format!("/bin/echo from-at > {}\n", done.display()))?;
    chown(&job, Some(0), Some(0))?;
    let spool = "/var/spool/cron";
    let script = format!(
        "mkdir -m 1770 {spool}/atjobs {spool}/atspool && touch {spool}/atjobs/.SEQ && \
         chown -R daemon:daemon {spool} && chmod 600 {spool}/atjobs/.SEQ && \
         setpriv --reuid {ONE} --regid {ONE} --init-groups at now < {} && exec atd -f",
        job.display()
    );
    let _daemon = apart(&["/run", spool], &script);
    wait_for(&done, "from-at");
    let lines = session(host, "at", r#"["from-at"]"#);
    assert_start(&lines, "at", ONE, None);
    assert_eq!(ran(&lines).last(), Some(&json!(["/bin/echo", "from-at"])));
    Ok(())
}

/// With another daemon, that was asked for nothing
fn by_default(_: &Host) -> Outcome {
    let host = Host::start();
    let place = place(&host, "quiet");
    printed(Command::new("su").args(["-s", "/bin/sh", "-c", "/bin/echo quiet-word", ONE]));
    let _daemon = run_cron(&place, "quiet-word");
    for login in [ONE, "root"] {
        wait_for(&place.join(login), "quiet-word");
    }
    let lines = host.did(ONE, "/bin/true loud-word");
    assert!(lines[0].get("login_type").is_none());
    assert!(host.text().contains("loud-word"));
    assert!(!host.text().contains("quiet-word"));
    Ok(())
}
