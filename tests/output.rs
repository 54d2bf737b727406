//! Several outputs at once: the real rsyslog and the real journal get what the log has, and one
//! that fails costs the others nothing, and is told what it lacks.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::common::{
    self, Folder, Host, ONE, Outcome, Process, binary, of_kind, patiently, schema, write_config,
};
use libtest_mimic::Trial;
use serde_json::{Value, json};

const RSYSLOGD: &str = "/usr/sbin/rsyslogd";
const JOURNALD: &str = "/lib/systemd/systemd-journald";

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    common::tests_with(
        module_path!(),
        &[
            ("rsyslog gets every event", rsyslog_gets_every_event),
            ("rsyslog is started again", rsyslog_is_started_again),
            ("a socket in another's place", a_socket_in_anothers_place),
            ("journald gets every event", journald_gets_every_event),
            ("a reader that is stuck", a_reader_that_is_stuck),
            ("longer than a datagram", longer_than_a_datagram),
            ("stdout is read at last", stdout_is_read_at_last),
            ("stdout is never read", stdout_is_never_read),
            (
                "a standard error that nobody reads",
                a_standard_error_that_nobody_reads,
            ),
            ("a config in a pipe", a_config_in_a_pipe),
        ],
        |name| match name {
            name if name.starts_with("rsyslog") && !Path::new(RSYSLOGD).exists() => Some("rsyslog"),
            name if name.starts_with("journald") && !Path::new(JOURNALD).exists() => {
                Some("journald")
            }
            _ => None,
        },
    )
}

/// The longest datagram that the kernel takes at all, however much it is allowed to. Bytes.
const LONGEST: usize = 8 << 20;

/// A session one of whose events is longer.
const TOO_LONG: &str = r"a=$(printf '\001%.0s' {1..100000}); /bin/true $a $a $a $a $a $a $a $a $a $a $a $a $a $a $a; exit";

/// A host whose daemon also writes to the socket at `path`.
fn host(output: &str, path: &Path) -> Host {
    let config = format!(
        "output: [file, {output}]\n{output}_socket: {}",
        path.display()
    );
    Host::with("", &config)
}

/// The real rsyslog, which writes its messages to `messages` in the folder.
fn rsyslog(folder: &Path) -> Process {
    let config = format!(
        r#"global(workDirectory="{0}" maxMessageSize="1m")
           module(load="imuxsock" SysSock.Use="off")
           input(type="imuxsock" Socket="{0}/socket" UseSpecialParser="off"
                 ParseHostname="on" IgnoreTimestamp="off")
           template(name="line" type="string"
                    string="%pri% %timestamp:::date-rfc3339% %hostname% %app-name% %msgid% %msg%\n")
           action(type="omfile" file="{0}/messages" template="line")"#,
        folder.display()
    );
    fs::write(folder.join("rsyslog.conf"), config).unwrap();
    let mut command = Command::new(RSYSLOGD);
    command.arg("-n").arg("-f").arg(folder.join("rsyslog.conf"));
    command.arg("-i").arg(folder.join("pid"));
    let rsyslog = Process::spawn(command.stdin(Stdio::null()));
    patiently("rsyslog's socket", || {
        let socket = UnixDatagram::unbound().unwrap();
        socket.connect(folder.join("socket")).ok()
    });
    rsyslog
}

/// Runs a session, and waits until the log has it.
fn session(host: &Host, command: &str) -> Vec<Value> {
    host.ssh(ONE, command);
    host.session(command)
}

/// Waits until every line of this server's sessions has come, in its order and once. Of others, what
/// a reader that is stopped has not read is lost with its socket.
fn holds(host: &Host, what: &str, got: impl Fn() -> Vec<String>) {
    let of_sessions = |lines: Vec<String>| -> Vec<String> {
        let sids: Vec<_> = host
            .all_sessions()
            .iter()
            .map(|lines| lines[0]["sid"].to_string())
            .collect();
        let is_ours = |line: &String| sids.iter().any(|sid| line.contains(sid));
        lines.into_iter().filter(is_ours).collect()
    };
    let mut last = (0, 0);
    let same = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        patiently(what, || {
            let expected = of_sessions(host.text().lines().map(str::to_owned).collect());
            let got = of_sessions(got());
            last = (expected.len(), got.len());
            (expected == got).then_some(())
        });
    }));
    assert!(same.is_ok(), "{what}: {last:?} lines in the log and there");
}

/// Waits until the log says why the recorder tells of itself.
fn status(host: &Host, reason: &str) -> Value {
    patiently(reason, || {
        let mut lines = host.log().into_iter();
        lines.find(|line| line["event"] == "recorder.status" && line["reason"] == reason)
    })
}

fn messages(folder: &Path) -> Vec<String> {
    let text = fs::read_to_string(folder.join("messages")).unwrap_or_default();
    let json = |line: &str| line[line.find('{').unwrap_or(0)..].to_owned();
    text.lines().map(json).collect()
}

/// As RFC 5424 has it, up to arguments of a hundred kilobytes.
fn rsyslog_gets_every_event() -> Outcome {
    let folder = Folder::new();
    let _rsyslog = rsyslog(folder.path());
    let host = host("syslog", &folder.path().join("socket"));
    session(&host, "for i in 1 2 3; do /bin/true $i; done; exit");
    session(&host, "/bin/true $(printf %0100000d 0); exit");
    holds(&host, "rsyslog", || messages(folder.path()));
    let text = fs::read_to_string(folder.path().join("messages")).unwrap();
    let name = recorderd::base::host::Hostname::now().text();
    for line in text.lines() {
        let event = schema::check(&line[line.find('{').unwrap()..]);
        let head = format!(
            "86 {} {name} recorderd {} {{",
            event["time"].as_str().unwrap(),
            event["event"].as_str().unwrap(),
        );
        // rsyslog shows the times of the host's zone; that of tests is UTC.
        let head = head.replacen("Z ", "+00:00 ", 1);
        let line = line.replacen("Z ", "+00:00 ", 1);
        assert!(line.starts_with(&head), "{line:.120}\n{head}");
    }
    Ok(())
}

/// What comes meanwhile is kept for it.
fn rsyslog_is_started_again() -> Outcome {
    let folder = Folder::new();
    let mut first = rsyslog(folder.path());
    let host = host("syslog", &folder.path().join("socket"));
    session(&host, "/bin/true 1; exit");
    holds(&host, "the first rsyslog", || messages(folder.path()));
    assert_eq!(first.stop(), Some(0));
    session(&host, "/bin/true 2; exit");
    let failed = status(&host, "write_failed");
    assert_eq!(failed["output"], "syslog");
    let _second = rsyslog(folder.path());
    session(&host, "/bin/true 3; exit");
    holds(&host, "the second rsyslog", || messages(folder.path()));
    let resumed = status(&host, "write_resumed");
    assert_eq!(resumed["output"], "syslog");
    assert_eq!(resumed["outputs"]["syslog"]["lines_lost"], 0);
    assert_eq!(resumed["outputs"]["file"]["lines_lost"], 0);
    Ok(())
}

/// Who reads the socket that was there goes on with it until SIGHUP; from then on it is the one that is there.
fn a_socket_in_anothers_place() -> Outcome {
    let folder = Folder::new();
    let path = folder.path().join("socket");
    let reader = || {
        let _ = fs::remove_file(&path);
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        socket
    };
    let first = reader();
    let host = host("syslog", &path);
    let second = reader();
    let mut buffer = vec![0; 1 << 20];
    let mut got = [Vec::new(), Vec::new()];
    let mut read = || {
        for (socket, got) in [&first, &second].into_iter().zip(&mut got) {
            while let Ok(length) = socket.recv(&mut buffer) {
                let text = str::from_utf8(&buffer[..length]).unwrap();
                got.push(text[text.find('{').unwrap()..].to_owned());
            }
        }
        got.each_ref().map(|got| {
            let words = ["to the first", "to the second"];
            words.map(|word| got.iter().filter(|line| line.contains(word)).count())
        })
    };
    let mut tell = |word: &str, expected: [[usize; 2]; 2]| {
        let lines = session(&host, &format!("/bin/true {word}; exit"));
        let told = lines.iter().filter(|it| it.to_string().contains(word));
        assert_eq!(told.count(), 4);
        let sum = |counts: [[usize; 2]; 2]| counts.as_flattened().iter().sum::<usize>();
        patiently(word, || (sum(read()) >= sum(expected)).then_some(()));
        assert_eq!(read(), expected);
    };
    tell("to the first", [[4, 0], [0, 0]]);
    let path = path.display();
    let config = format!("output: [file, syslog]\nsyslog_socket: {path}\nlog_file_size: 1M");
    write_config(host.folder.path(), &config);
    host.daemon.signal(libc::SIGHUP);
    status(&host, "config_changed");
    tell("to the second", [[4, 0], [0, 4]]);
    Ok(())
}

/// Also what is longer than a datagram, as a file in memory.
fn journald_gets_every_event() -> Outcome {
    let folder = Folder::new();
    let config = folder.path().join("journald.conf");
    let text = "[Journal]\nRateLimitIntervalSec=0\nReadKMsg=no\nAudit=no\nStorage=volatile\n";
    fs::write(&config, text).unwrap();
    let script = format!(
        "mount -t tmpfs tmpfs /run/systemd && mount -t tmpfs tmpfs /run/log && \
         mkdir /run/systemd/journal && mount --bind {} /etc/systemd/journald.conf && \
         exec {JOURNALD}",
        config.display()
    );
    let journald = Process::spawn(Command::new("unshare").args(["-m", "sh", "-c", &script]));
    let root = PathBuf::from(format!("/proc/{}/root", journald.child.id()));
    let socket = root.join("run/systemd/journal/socket");
    patiently("the journal's socket", || {
        UnixDatagram::unbound().unwrap().connect(&socket).ok()
    });
    let host = host("journald", &socket);
    let lines = session(&host, "/bin/true 1; exit");
    session(&host, TOO_LONG);
    let entries = |more: &str| -> Vec<Value> {
        let output = Command::new("journalctl")
            .args(["--quiet", "--all", "-o", "json", "-D"])
            .arg(root.join("run/log/journal"))
            .args(["SYSLOG_IDENTIFIER=recorderd", more])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    let message = |entry: &Value| entry["MESSAGE"].as_str().unwrap().to_owned();
    holds(&host, "the journal", || {
        entries("SYSLOG_FACILITY=10").iter().map(message).collect()
    });
    let longest = host.text().lines().map(str::len).max().unwrap();
    assert!(longest > LONGEST, "{longest}");
    let commands = entries(&format!(
        "RECORDERD_SID={}",
        lines[0]["sid"].as_str().unwrap()
    ));
    assert_eq!(commands.len(), lines.len());
    for (entry, line) in commands.iter().zip(&lines) {
        assert_eq!(entry["RECORDERD_EVENT"], line["event"]);
        assert_eq!(entry["PRIORITY"], "6");
    }
    Ok(())
}

/// Acts by family, and those that session.lost counts for an output.
fn acts(lines: &[Value], output: &str) -> BTreeMap<String, (u64, u64)> {
    let mut acts = BTreeMap::new();
    for line in lines {
        let event = line["event"].as_str().unwrap();
        let (family, written, lost) = match event.strip_prefix("session.").unwrap_or("") {
            "lost" if line["output"] == output => {
                assert_eq!(line["cause"], "write_failed");
                (
                    line["family"].as_str().unwrap(),
                    0,
                    line["count"].as_u64().unwrap(),
                )
            }
            "local_connect" | "dns" => ("network", 1, 0),
            "start" | "end" | "lost" | "delegated" | "channel" | "" => continue,
            family => (family, 1, 0),
        };
        let counts: &mut (u64, u64) = acts.entry(family.to_owned()).or_default();
        *counts = (counts.0 + written, counts.1 + lost);
    }
    acts
}

/// The log has everything; what the reader lacks is told by session and family, in both.
fn a_reader_that_is_stuck() -> Outcome {
    let folder = Folder::new();
    let path = folder.path().join("socket");
    let socket = UnixDatagram::bind(&path).unwrap();
    let config = format!(
        "output: [file, syslog]\nsyslog_socket: {}\ndisk_buffer_size: 16384",
        path.display()
    );
    let host = Host::with("", &config);
    // Paths that are too long for any file make long lines.
    let lines = session(
        &host,
        "p=$(printf 'x%.0s' {1..3900}); \
         for ((i = 0; i < 6000; i++)); do : </$p; done 2>/dev/null; exit 0",
    );
    let end = lines.last().unwrap();
    assert_eq!(
        end["losses"],
        json!({"session": 0, "command": 0, "process_exit": 0, "disk": 0,
        "network": 0, "network_result": 0, "privilege": 0})
    );
    for (family, (written, _)) in acts(&lines, "syslog") {
        assert_eq!(end["events"][&family], written, "{family}");
    }
    socket
        .set_read_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    let mut got: Vec<Value> = Vec::new();
    let mut buffer = vec![0; 1 << 20];
    patiently("all that was kept", || {
        while let Ok(length) = socket.recv(&mut buffer) {
            let text = std::str::from_utf8(&buffer[..length]).unwrap();
            got.push(serde_json::from_str(&text[text.find('{').unwrap()..]).unwrap());
        }
        let resumed = |line: &Value| line["reason"] == "write_resumed";
        got.iter().any(resumed).then_some(())
    });
    let lines = |lines: &[Value]| -> Vec<Value> {
        let mut lines = lines.to_vec();
        lines.retain(|line| line["sid"] == end["sid"]);
        lines
    };
    let (log, got) = (lines(&host.log()), lines(&got));
    let all = acts(&log, "syslog");
    assert!(all["disk"].1 > 0, "all has fitted the memory: {all:?}");
    for (family, (written, lost)) in acts(&got, "syslog") {
        assert_eq!((written + lost, lost), all[&family], "{family}");
    }
    let status = status(&host, "write_resumed");
    let lost: u64 = all.values().map(|(_, lost)| lost).sum();
    // Others on this host may have sessions too.
    assert!(status["outputs"]["syslog"]["lines_lost"].as_u64() >= Some(lost));
    assert_eq!(status["outputs"]["file"]["lines_lost"], 0);
    assert_eq!(got.last().unwrap()["event"], "session.end");
    Ok(())
}

/// Lost to the one output, and told.
fn longer_than_a_datagram() -> Outcome {
    let folder = Folder::new();
    let path = folder.path().join("socket");
    let socket = UnixDatagram::bind(&path).unwrap();
    std::thread::spawn(move || while socket.recv(&mut [0]).is_ok() {});
    let host = host("syslog", &path);
    let lines = session(&host, TOO_LONG);
    assert!(lines.iter().any(|line| line.to_string().len() > LONGEST));
    let told = status(&host, "line_too_long");
    assert!(told["bytes"].as_u64().unwrap() > LONGEST as u64, "{told}");
    assert_eq!(told["outputs"]["syslog"]["lines_lost"], 1);
    Ok(())
}

/// A host whose daemon writes to a pipe as well, and has filled it.
fn on_a_full_pipe() -> (Host, Vec<Value>) {
    let folder = Folder::new();
    let config = write_config(folder.path(), "output: [stdout, file]");
    let mut daemon = Process::spawn(
        Command::new(binary())
            .arg("--config")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::piped()),
    );
    daemon.wait_for("ready");
    let mut host = Host::serve(folder, daemon, "");
    let opens = "for ((i = 0; i < 3000; i++)); do : </etc/hostname; done; exit";
    let lines = session(&host, opens);
    assert!(of_kind(&lines, "session.disk").len() > 3000);
    host.daemon
        .wait_for("recorderd: the log can't be written; recorderd keeps");
    (host, lines)
}

/// The log goes on; read at last, the pipe has the same.
fn stdout_is_read_at_last() -> Outcome {
    let (mut host, _) = on_a_full_pipe();
    let mut stdout = host.daemon.child.stdout.take().unwrap();
    host.daemon.signal(libc::SIGTERM);
    let mut text = String::new();
    stdout.read_to_string(&mut text).unwrap();
    assert_eq!(host.daemon.stop(), Some(0));
    let of_sessions = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| line.contains(r#""sid":"#));
        lines.map(str::to_owned).collect()
    };
    assert_eq!(of_sessions(&text), of_sessions(&host.text()));
    Ok(())
}

/// The daemon ends all the same, and says what the pipe lacks.
fn stdout_is_never_read() -> Outcome {
    let (mut host, _) = on_a_full_pipe();
    assert_eq!(host.daemon.stop(), Some(0));
    let discarded = "events couldn't be written and are discarded";
    let errors = host.daemon.errors_at_end();
    assert!(
        errors.iter().any(|line| line.ends_with(discarded)),
        "{errors:?}"
    );
    assert_eq!(status(&host, "stop")["outputs"]["file"]["lines_lost"], 0);
    Ok(())
}

/// A pipe by a name, of the least size, with the test at its other end.
fn pipe(path: &Path) -> File {
    let name = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
    // SAFETY: a string that ends in zero.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK);
    let pipe = options.open(path).unwrap();
    // SAFETY: takes numbers.
    assert!(unsafe { libc::fcntl(pipe.as_raw_fd(), libc::F_SETPIPE_SZ, 4096) } > 0);
    pipe
}

/// It misses lines, and nothing else is held up.
fn a_standard_error_that_nobody_reads() -> Outcome {
    let folder = Folder::new();
    let mut errors = pipe(&folder.path().join("errors"));
    let config = write_config(folder.path(), "");
    let script = r#"exec "$0" --config "$1" 2>"$2""#;
    let mut command = Command::new("sh");
    command.args(["-c", script]).arg(binary()).arg(&config);
    command.arg(folder.path().join("errors"));
    let daemon = Process::spawn(command.stdin(Stdio::null()));
    let mut text = Vec::new();
    patiently("ready", || {
        let _ = errors.read_to_end(&mut text);
        text.windows(5).any(|word| word == b"ready").then_some(())
    });
    let host = Host::serve(folder, daemon, "");
    // It goes before the daemon, which could not end while it waits.
    let _errors = errors;
    let wrong: String = (0..500).map(|key| format!("wrong_{key}: 1\n")).collect();
    write_config(host.folder.path(), &wrong);
    host.daemon.signal(libc::SIGHUP);
    let refused = status(&host, "config_refused");
    assert!(refused["error"].as_str().unwrap().len() > 2 * 4096);
    let lines = session(&host, "/bin/true 1; exit");
    assert_eq!(of_kind(&lines, "session.command").len(), 2);
    Ok(())
}

/// Nothing is waited for when it is read again.
fn a_config_in_a_pipe() -> Outcome {
    let host = Host::start();
    let path = write_config(host.folder.path(), "");
    fs::remove_file(&path)?;
    let _config = pipe(&path);
    host.daemon.signal(libc::SIGHUP);
    let refused = status(&host, "config_refused");
    let error = format!(
        "{}: it is not a regular file; put the config into one to have it read again",
        path.display()
    );
    assert_eq!(refused["error"], error);
    let lines = session(&host, "/bin/true 1; exit");
    assert_eq!(of_kind(&lines, "session.command").len(), 2);
    Ok(())
}
