//! `recorderd record -- COMMAND`.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use super::{parts, recorderd};
use crate::common::{
    Folder, Outcome, Process, binary, log, of_kind, patiently, schema, write_config,
};

/// The events of `recorderd record` on standard output, which holds nothing else.
fn recorded(output: &Output) -> Vec<Value> {
    let (_, text, _) = parts(output);
    assert!(text.ends_with('\n'));
    let lines: Vec<_> = text.lines().map(schema::check).collect();
    for (index, line) in lines.iter().enumerate() {
        assert_eq!(
            (&line["ei"], &line["sid"]),
            (&json!(index), &lines[0]["sid"])
        );
        assert_eq!(line["login"], "root");
    }
    lines
}

/// A command is a session of its own, from its start to its end.
pub fn all_events() -> Outcome {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let script = format!("exec 3<>/dev/tcp/127.0.0.1/{port}; /bin/cat /etc/hostname; echo printed");
    let output = recorderd(&["record", "--", "bash", "-c", &script]);
    let lines = recorded(&output);
    let (code, _, errors) = parts(&output);
    let name = fs::read_to_string("/etc/hostname").unwrap();
    assert_eq!(
        (code, errors),
        (Some(0), format!("{name}printed\n").as_str())
    );
    let (first, last) = (&lines[0], lines.last().unwrap());
    assert_eq!(first["event"], "session.start");
    assert_eq!(first["initial_command"], json!(["bash", "-c", script]));
    assert_eq!(first["addr.remote"], Value::Null);
    let paths = |event| {
        let lines = of_kind(&lines, event).into_iter();
        lines
            .map(|line| line["path"].as_str().unwrap())
            .collect::<Vec<_>>()
    };
    let commands = paths("session.command");
    assert!(commands[0].ends_with("/bash"), "{commands:?}");
    assert_eq!(commands[1..], ["/bin/cat"]);
    assert!(paths("session.disk").contains(&"/etc/hostname"));
    let connected = of_kind(&lines, "session.network");
    assert_eq!(connected.len(), 1);
    assert_eq!(connected[0]["dst_addr"], "127.0.0.1");
    assert_eq!(connected[0]["dst_port"], port);
    assert_eq!(last["event"], "session.end");
    assert_eq!(last["events"]["command"], 2);
    // What bash looks up at its start may connect to a local daemon, if the host has one.
    let local = of_kind(&lines, "session.local_connect").len();
    assert_eq!(last["events"]["network"], 1 + local);
    Ok(())
}

/// They are those of the command.
pub fn exit_codes() -> Outcome {
    for (script, code) in [
        ("exit 0", 0),
        ("exit 3", 3),
        ("kill -TERM $$", 128 + libc::SIGTERM),
        ("kill -KILL $$", 128 + libc::SIGKILL),
    ] {
        let output = recorderd(&["record", "--", "/bin/sh", "-c", script]);
        assert_eq!(output.status.code(), Some(code), "{script}");
        let lines = recorded(&output);
        assert_eq!(lines.last().unwrap()["event"], "session.end");
    }
    Ok(())
}

/// They are told as a shell tells them, with a line that says what to do.
pub fn unknown_programs() -> Outcome {
    let mut command = Command::new(binary());
    command.args(["record", "--", "no-such-program"]);
    let output = command.env("PATH", "/usr/bin:/bin").output().unwrap();
    let line = "recorderd: no-such-program: no such program in PATH (/usr/bin:/bin); \
                give its path\n";
    assert_eq!(parts(&output), (Some(127), "", line));
    let output = recorderd(&["record", "--", "/no/such/program"]);
    let (code, _, errors) = parts(&output);
    let line =
        "recorderd: /no/such/program: can't be executed: No such file or directory (os error 2)\n";
    assert_eq!((code, errors), (Some(127), line));
    let lines = recorded(&output);
    let tried = of_kind(&lines, "session.command");
    assert_eq!(tried.len(), 1);
    assert_eq!(
        (&tried[0]["path"], &tried[0]["return_code"]),
        (&json!("/no/such/program"), &json!(-2))
    );
    Ok(())
}

/// It goes without what the config leaves out of the user's sessions, and says how much that was.
pub fn excluded() -> Outcome {
    let folder = Folder::new();
    let config = write_config(folder.path(), "record: {families: [command]}")
        .display()
        .to_string();
    let output = recorderd(&[
        "record",
        "--config",
        &config,
        "--",
        "/bin/cat",
        "/etc/hostname",
    ]);
    assert!(output.status.success());
    let lines = log::log(folder.path());
    assert_eq!(of_kind(&lines, "session.command").len(), 1);
    assert!(of_kind(&lines, "session.disk").is_empty());
    let end = lines.last().unwrap();
    assert_eq!(end["events"]["disk"], 0);
    assert!(end["excluded"]["disk"].as_u64() > Some(0));
    Ok(())
}

/// With a config, the events go where it says, and the command prints where it would.
pub fn into_the_log() -> Outcome {
    let folder = Folder::new();
    let config = write_config(folder.path(), "cluster_name: purple")
        .display()
        .to_string();
    let output = recorderd(&["record", "--config", &config, "--", "/bin/echo", "printed"]);
    assert_eq!(parts(&output), (Some(0), "printed\n", ""));
    let lines = log::log(folder.path());
    assert_eq!(of_kind(&lines, "session.command").len(), 1);
    assert_eq!(lines.last().unwrap()["event"], "session.end");
    assert!(lines.iter().all(|line| line["cluster_name"] == "purple"));
    Ok(())
}

/// A recorder of a shell that has this script, and what it has written so far.
fn recording(folder: &Path, shell: &[&str]) -> (Process, impl Fn() -> String + use<>) {
    let config = write_config(folder, "");
    let mut command = Command::new(binary());
    command
        .args(["record", "--config"])
        .arg(config)
        .arg("--")
        .args(shell);
    let folder = folder.to_owned();
    (Process::spawn(&mut command), move || log::text(&folder))
}

fn tell(process: &Process, signal: i32) {
    // SAFETY: takes numbers; our own child.
    unsafe { libc::kill(process.child.id() as i32, signal) };
}

/// What it does is recorded until a second signal ends it
pub fn ignored() -> Outcome {
    let folder = Folder::new();
    let path = folder.path().display();
    let script = format!(
        "trap '' TERM; /bin/echo begun; while ! [ -e {path}/go ] && [ -e {path} ]; do :; done; \
         /bin/echo went; while [ -e {path} ]; do :; done"
    );
    let (mut recorder, written) = recording(folder.path(), &["/bin/sh", "-c", &script]);
    let has = |word: &str| {
        let word = format!("[\"{word}\"]");
        patiently(&word, || written().contains(&word).then_some(()));
    };
    has("begun");
    tell(&recorder, libc::SIGTERM);
    patiently("the recorder to hear of it", || {
        let status = fs::read_to_string(format!("/proc/{}/status", recorder.child.id())).unwrap();
        let pending = status
            .lines()
            .find(|line| line.starts_with("ShdPnd:"))
            .unwrap();
        pending.ends_with("0000000000000000").then_some(())
    });
    fs::write(folder.path().join("go"), "").unwrap();
    has("went");
    assert_eq!(recorder.child.try_wait().unwrap(), None);
    tell(&recorder, libc::SIGTERM);
    let code = recorder.child.wait().unwrap().code();
    assert_eq!(code, Some(128 + libc::SIGKILL));
    let lines = log::log(folder.path());
    assert_eq!(lines.last().unwrap()["event"], "session.end");
    Ok(())
}

/// It ignores SIGTERM, and is ended a while later
pub fn interactive() -> Outcome {
    let folder = Folder::new();
    let pipe = folder.path().join("pipe").display().to_string();
    let script = format!("mkfifo {pipe}; /bin/echo begun; read <{pipe}");
    let shell = ["bash", "--norc", "-i", "-c", &script];
    let (mut recorder, written) = recording(folder.path(), &shell);
    patiently("a command", || {
        written().contains("[\"begun\"]").then_some(())
    });
    tell(&recorder, libc::SIGTERM);
    let ended = patiently("the end", || recorder.child.try_wait().unwrap());
    assert_eq!(ended.code(), Some(128 + libc::SIGKILL));
    let lines = log::log(folder.path());
    assert_eq!(lines.last().unwrap()["event"], "session.end");
    Ok(())
}
