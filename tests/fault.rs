//! What goes wrong with the log or the daemon costs nothing that is not told.
//!
//! RECORDERD_KILLS is how often the daemon is killed; docs/loss.md has the longer run.

use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use crate::common::log::{
    self, commands, ended, files, log, milliseconds, opens, sessions, status, statuses, totals,
};
use crate::common::volume::Volume;
use crate::common::{
    self, Folder, Host, ONE, Outcome, Process, binary, of_kind, patiently, printed, start_daemon,
    write_config,
};
use libtest_mimic::Trial;
use recorderd::abi::FAMILIES;
use serde_json::{Value, json};

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    common::tests(
        module_path!(),
        &[
            ("a log that is removed", a_log_that_is_removed),
            ("killed under load", killed_under_load),
            ("stopped for a while under load", stopped_under_load),
            ("SIGHUP under load", hangup_under_load),
            ("a thousand rotations", a_thousand_rotations),
            ("the first status, whole", the_first_status),
            (
                "a name service that does not answer",
                a_name_service_that_does_not_answer,
            ),
            (
                "two recorders with one data_dir",
                two_recorders_with_one_data_dir,
            ),
            ("the log by a path for people", the_log_by_a_path_for_people),
        ],
    )
}

/// The log goes on in a new one, which says how much is gone.
fn a_log_that_is_removed() -> Outcome {
    let host = Host::start();
    let folder = host.folder.path();
    host.ssh(ONE, &commands(50));
    ended(folder, host.port, 1);
    let before = log(folder);
    let gone: u64 = files(folder)
        .iter()
        .map(|file| fs::metadata(file).unwrap().len())
        .sum();
    fs::remove_dir_all(folder.join("log")).unwrap();
    host.ssh(ONE, &commands(60));
    let lines = ended(folder, host.port, 1).remove(0);
    assert_eq!(totals(&lines, "command"), (60, 0));
    assert_eq!(status(folder, "log_removed")["bytes"], gone);
    assert_eq!(totals(&sessions(&before, host.port)[0], "command"), (50, 0));
    Ok(())
}

/// What is missing lies between the times that the next start tells, and nothing else is missing.
fn killed_under_load() -> Outcome {
    let rounds = std::env::var("RECORDERD_KILLS").map_or(3, |rounds| rounds.parse().unwrap());
    for round in 1..=rounds {
        killed(round);
    }
    Ok(())
}

fn killed(round: u32) {
    let mut host = Host::start();
    let folder = host.folder.path().to_owned();
    let notes = host.folder.shared().join("notes");
    let go = PathBuf::from(format!("{}.go", notes.display()));
    fs::write(&go, "").unwrap();
    fs::write(&notes, "").unwrap();
    fs::set_permissions(&notes, Permissions::from_mode(0o666)).unwrap();
    let script = format!(
        "i=0; while [ -e {0}.go ]; do i=$((i + 1)); echo $EPOCHREALTIME >>{0}; /bin/true $i; done",
        notes.display()
    );
    let mut login = host.login(ONE, &script);
    let noted = || -> Vec<f64> {
        let text = fs::read_to_string(&notes).unwrap();
        let seconds = text.lines().map(|line| line.parse::<f64>().unwrap());
        seconds.map(|seconds| seconds * 1000.0).collect()
    };
    patiently("some commands", || (noted().len() > 50).then_some(()));
    // At any moment of a second.
    let wait = u64::from(std::process::id().wrapping_mul(round * 7919) % 1000);
    println!("round {round}: killed after {wait} ms");
    sleep(Duration::from_millis(wait));
    host.daemon.signal(libc::SIGKILL);
    host.daemon.child.wait().unwrap();
    host.daemon = start_daemon(&folder, "").into();
    let again = noted().len() + 20;
    patiently("more commands", || (noted().len() > again).then_some(()));
    fs::remove_file(&go).unwrap();
    assert!(login.child.wait().unwrap().success());
    ended(&folder, host.port, 1);
    let lines = log(&folder);
    let start = statuses(&lines, "start").pop().unwrap();
    assert_eq!(start["previous"], "unclean");
    let time = |key: &str| milliseconds(start[key].as_str().unwrap()) as f64;
    let sessions = sessions(&lines, host.port);
    // The login is found open by the next daemon, which has a session of its own for it.
    let found = |lines: &&Vec<Value>| !lines[0]["recorded_since"].is_null();
    let [before, after] = [false, true].map(|since| {
        let lines = sessions.iter().find(|lines| found(lines) == since).unwrap();
        numbers(lines)
    });
    let noted = noted();
    assert_eq!(
        before,
        (1..=before.len()).collect::<Vec<_>>(),
        "round {round}"
    );
    assert_eq!(
        after,
        (noted.len() + 1 - after.len()..=noted.len()).collect::<Vec<_>>(),
        "round {round}"
    );
    // A command runs after it is noted, and before the next one is.
    let missing = before.len()..noted.len() - after.len();
    assert!(!missing.is_empty(), "a daemon starts in no time");
    for index in missing.clone() {
        assert!(noted[index + 1] >= time("from"), "round {round}: {start}");
        assert!(noted[index] <= time("to") + 1.0, "round {round}: {start}");
    }
    println!(
        "killed after {} commands: {} are missing in {:.0} ms, then {} more",
        before.len(),
        missing.len(),
        time("to") - time("from"),
        after.len()
    );
}

/// The numbers that the commands of a session were given.
fn numbers(lines: &[Value]) -> Vec<usize> {
    of_kind(lines, "session.command")
        .iter()
        .filter(|line| line["path"] == "/bin/true")
        .map(|line| line["argv"][0].as_str().unwrap().parse().unwrap())
        .collect()
}

/// Runs commands as a session while something happens to the daemon.
fn during(count: usize, config: &str, happens: impl Fn(&Host, &mut Process)) -> (Host, Vec<Value>) {
    let host = Host::with("", config);
    let mut login = host.login(ONE, &commands(count));
    let folder = host.folder.path();
    patiently("some commands", || {
        (of_kind(&log(folder), "session.command").len() > 50).then_some(())
    });
    happens(&host, &mut login);
    assert!(login.child.wait().unwrap().success());
    let lines = ended(folder, host.port, 1).remove(0);
    (host, lines)
}

/// The rings hold what happens meanwhile.
fn stopped_under_load() -> Outcome {
    let (_host, lines) = during(3000, "", |host, login| {
        host.daemon.signal(libc::SIGSTOP);
        login.child.wait().unwrap();
        host.daemon.signal(libc::SIGCONT);
    });
    for family in ["command", "process_exit"] {
        assert_eq!(totals(&lines, family), (3000, 0), "{family}");
    }
    Ok(())
}

/// However often.
fn hangup_under_load() -> Outcome {
    let (_host, lines) = during(3000, "", |host, _| {
        for _ in 0..100 {
            host.daemon.signal(libc::SIGHUP);
            sleep(Duration::from_millis(10));
        }
    });
    for family in ["command", "process_exit"] {
        assert_eq!(totals(&lines, family), (3000, 0), "{family}");
    }
    Ok(())
}

/// All files together, in the order of their names, are the log.
fn a_thousand_rotations() -> Outcome {
    let folder = Folder::within(Path::new("/dev/shm"));
    let daemon = start_daemon(folder.path(), "log_file_size: 4096");
    let host = Host::serve(folder, daemon, "");
    host.ssh(ONE, &opens(10_000));
    let folder = host.folder.path();
    let lines = ended(folder, host.port, 1).remove(0);
    assert_eq!(totals(&lines, "disk").1, 0);
    let opened = of_kind(&lines, "session.disk").into_iter();
    let opened = opened.filter(|line| line["path"] == "/etc/hostname");
    assert_eq!(opened.count(), 10_000);
    let files = files(folder);
    assert!(files.len() > 1000, "{}", files.len());
    for text in files.iter().map(|file| fs::read_to_string(file).unwrap()) {
        // A line that is longer has a file of its own.
        assert!(text.len() <= 4096 || text.lines().count() == 1, "{text}");
    }
    let link = files[0].with_file_name("events.log");
    patiently("the link to the last file", || {
        (link.canonicalize().ok() == log::files(folder).pop()).then_some(())
    });
    Ok(())
}

/// Nothing has happened yet.
fn the_first_status() -> Outcome {
    let host = Host::start();
    let mut line = log(host.folder.path()).remove(0);
    for key in [
        "uid",
        "time",
        "server_id",
        "server_hostname",
        "server_version",
        "seal_key",
    ] {
        line.as_object_mut().unwrap().shift_remove(key).unwrap();
    }
    let none: serde_json::Map<_, _> = FAMILIES[1..]
        .iter()
        .map(|family| ((*family).to_owned(), json!(0)))
        .collect();
    let expected = json!({
        "ei": 0, "event": "recorder.status", "code": "R2002I", "namespace": "default",
        "reason": "start", "schema_version": 1, "sessions": 0, "events": none, "losses": {},
        "logins_dropped": 0, "processes_dropped": 0, "missed_probes": {},
        "malformed_records": 0, "lines_discarded": 0, "bytes_written": 0,
        "ring_fill": {"session": 0, "command": 0, "disk": 0, "network": 0},
    });
    assert_eq!(line, expected);
    Ok(())
}

/// Nobody asks it, though the account is in no file.
fn a_name_service_that_does_not_answer() -> Outcome {
    let folder = Folder::new();
    let world = Volume::new(
        &folder,
        &format!(
            "mount -t tmpfs tmpfs /run && mkdir /run/nscd && grep -v ^{ONE}: /etc/passwd >$folder/accounts && \
             mount --bind $folder/accounts /etc/passwd"
        ),
    );
    let socket = UnixListener::bind(world.root().join("run/nscd/socket"))?;
    let daemon = world.daemon("");
    let host = Host::serve(folder, daemon, "");
    // It goes before the daemon, which could not end while it asks.
    let nscd = socket;
    let lines = host.did(ONE, "/bin/true asked; exit");
    // Who asks would have to know the service.
    assert!(UnixStream::connect(world.root().join("run/nscd/socket")).is_ok());
    nscd.accept()?;
    nscd.set_nonblocking(true)?;
    assert_eq!(
        nscd.accept().unwrap_err().kind(),
        ErrorKind::WouldBlock,
        "somebody has asked"
    );
    assert_eq!(totals(&lines, "command"), (2, 0));
    Ok(())
}

/// The second one is refused, and changes nothing; one that was killed leaves nothing in the way. A command
/// that is recorded by itself may be beside a daemon.
fn two_recorders_with_one_data_dir() -> Outcome {
    let folder = Folder::new();
    let mut first = start_daemon(folder.path(), "");
    let config = write_config(folder.path(), "");
    let second = || {
        // One that is not refused goes on.
        let mut command = Command::new("timeout");
        let command = command.args(["20".as_ref(), binary().as_os_str(), "--config".as_ref()]);
        let output = command.arg(&config).output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let refusal = format!(
        "recorderd: data_dir: {}: another recorderd, process {}, records to this directory already; stop that \
         one, or name another data_dir in the config\n",
        folder.path().display(),
        first.child.id()
    );
    let before = log::text(folder.path());
    assert_eq!(second(), (Some(1), refusal));
    assert_eq!(log::text(folder.path()), before);
    let mut record = Command::new(binary());
    let record = record.args(["record", "--config"]).arg(&config);
    printed(record.args(["--", "/bin/true", "beside"]));
    let lines = log(folder.path());
    let commands = of_kind(&lines, "session.command");
    assert_eq!(
        commands
            .iter()
            .filter(|line| line["argv"] == json!(["beside"]))
            .count(),
        1
    );
    first.signal(libc::SIGKILL);
    first.child.wait()?;
    let _third = start_daemon(folder.path(), "");
    let starts = statuses(&log(folder.path()), "start");
    assert_eq!(starts.len(), 2);
    assert_eq!(starts[1]["previous"], "unclean");
    Ok(())
}

/// `<data_dir>/log/events.log`, also where the directory was cloned from another host, and the link is removed;
/// somebody else's file stays.
fn the_log_by_a_path_for_people() -> Outcome {
    let folder = Folder::new();
    let all = folder.path().join("log");
    let link = all.join("events.log");
    fs::create_dir(&all)?;
    std::os::unix::fs::symlink("the-host-before/events.log", &link)?;
    let mut daemon = start_daemon(folder.path(), "");
    let id = fs::read_to_string(folder.path().join("host_uuid"))?;
    let host = PathBuf::from(id.trim());
    assert_eq!(fs::read_link(&link)?, host.join("events.log"));
    assert_eq!(fs::read_to_string(&link)?, log::text(folder.path()));
    assert_eq!(daemon.stop(), Some(0));
    fs::remove_dir_all(&all)?;
    fs::create_dir(&all)?;
    fs::write(&link, "another's")?;
    let mut daemon = start_daemon(folder.path(), "");
    let failed = status(folder.path(), "link_failed");
    let error = format!(
        "{}: it is not a symbolic link; move it away",
        link.display()
    );
    assert_eq!(failed["error"], error);
    assert_eq!(fs::read_to_string(&link)?, "another's");
    assert_eq!(daemon.stop(), Some(0));
    Ok(())
}
