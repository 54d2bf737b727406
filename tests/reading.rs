//! The commands that show a log, on what was recorded of a real session.

mod large;
mod strays;
mod tree;

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use crate::common::{self, Folder, Host, ONE, Outcome, Process, binary, patiently, text};
use libtest_mimic::Trial;
use serde_json::{Value, json};

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    let tests: &[common::Test] = &[
        ("sessions", sessions),
        ("jobs", jobs),
        ("search", search),
        ("tail", tail),
        ("show", tree::show),
        ("show what matches", tree::matching),
        ("no match", no_match),
        ("colors", colors),
        ("filters", filters),
        ("following", following),
        ("what is no event", strays::strays),
        ("lines of any kind", strays::any_lines),
        ("a large log", large::large),
        ("a terminal obeys nothing", strays::harmless),
        ("what can't be done", refused),
        ("a reader that goes away", broken_pipe),
    ];
    common::tests_with(module_path!(), tests, |name| {
        let has_room = large::has_room(&std::env::temp_dir(), 2 << 30);
        (name == "a large log" && !has_room).then_some("2 GB of disk")
    })
}

/// Removes what is static, and so not dropped.
pub fn clean_up() {
    if let Some(recorded) = RECORDED.get() {
        let _ = fs::remove_dir_all(recorded.folder.path());
    }
}

static RECORDED: OnceLock<Recorded> = OnceLock::new();

/// A log of one session, and what is known of it otherwise.
struct Recorded {
    folder: Folder,
    /// The lines of the session, as another parser reads them.
    lines: Vec<Value>,
    script: String,
    /// Where the session connected to.
    port: u16,
}

/// Records a session once for all tests.
fn recorded() -> &'static Recorded {
    RECORDED.get_or_init(|| {
        let host = Host::start();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let script = format!(
            "cd {}; /bin/echo hello > out; /bin/sh -c 'exit 3'; \
             /bin/echo '<script>x</script>' $'\\e[2J' 'a b'; exec 3<>/dev/tcp/127.0.0.1/{port}; \
             /nonexistent/x; /bin/true",
            host.folder.shared().display()
        );
        host.ssh(ONE, &script);
        let lines = host.sessions(1).remove(0);
        let Host {
            folder, mut daemon, ..
        } = host;
        daemon.stop();
        // Logins to other servers are recorded too.
        let id = fs::read_to_string(folder.path().join("host_uuid")).unwrap();
        let log = folder.path().join("log").join(id.trim()).join("events.log");
        let sid = lines[0]["sid"].as_str().unwrap();
        let all = fs::read_to_string(&log).unwrap();
        let ours = all.split_inclusive('\n').filter(|line| line.contains(sid));
        fs::write(&log, ours.collect::<String>()).unwrap();
        Recorded {
            folder,
            lines,
            script,
            port,
        }
    })
}

impl Recorded {
    fn data(&self) -> &Path {
        self.folder.path()
    }

    fn sid(&self) -> &str {
        self.lines[0]["sid"].as_str().unwrap()
    }

    /// The line of the first event of a kind for which something is so.
    fn first(&self, event: &str, is: impl Fn(&Value) -> bool) -> &Value {
        let wanted = |line: &&Value| line["event"] == event && is(line);
        self.lines.iter().find(wanted).unwrap()
    }

    /// The line that shows an event.
    fn shown(&self, event: &Value, details: &str) -> String {
        let time = event["time"].as_str().unwrap().replace('T', " ");
        let process = match event["pid"].as_u64() {
            Some(pid) => format!("{}[{pid}]", event["program"].as_str().unwrap()),
            None => String::new(),
        };
        let name = event["event"].as_str().unwrap().replace("session.", "");
        let (time, sid) = (time.trim_end_matches('Z'), &self.sid()[..8]);
        format!("{time} {sid} {ONE:10} {process:22} {name:14} {details}\n")
    }

    /// How a program with one argument in `argv` is shown.
    fn command(&self, argument: &str, details: &str) -> String {
        let has = |line: &Value| {
            line["argv"]
                .as_array()
                .unwrap()
                .iter()
                .any(|a| a == argument)
        };
        self.shown(self.first("session.command", has), details)
    }
}

fn reads(arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.args(arguments).stdin(Stdio::null());
    command
}

/// What a command shows of the recorded log; nothing is on standard error, except that nothing matches.
fn shows(arguments: &[&str]) -> String {
    let (command, rest) = arguments.split_at(1);
    let mut reading = reads(command);
    let output = reading
        .arg("--log")
        .arg(recorded().data())
        .args(rest)
        .output()
        .unwrap();
    let is_silent = match output.stdout.is_empty() {
        true => {
            output.stderr.is_empty() || output.stderr.starts_with(b"recorderd: no event matches")
        }
        false => output.stderr.is_empty(),
    };
    assert!(
        output.status.success() && is_silent,
        "{arguments:?}: {output:?}"
    );
    String::from_utf8(output.stdout).unwrap()
}

/// The lines of JSON that a command gives.
fn gives(arguments: &[&str]) -> Vec<Value> {
    let lines = shows(&[arguments, &["--json"]].concat());
    lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn count(lines: &[Value], events: &[&str]) -> usize {
    let is = |line: &&Value| {
        events
            .iter()
            .any(|event| line["event"] == format!("session.{event}"))
    };
    lines.iter().filter(is).count()
}

/// How many connections there were: an attempt that has failed is none.
fn connected(lines: &[Value]) -> usize {
    let has_failed = |line: &Value| {
        let code = line["return_code"].as_i64();
        code.is_some_and(|code| code < 0 && code != -i64::from(libc::EINPROGRESS))
    };
    let lines: Vec<_> = lines
        .iter()
        .filter(|line| !has_failed(line))
        .cloned()
        .collect();
    count(&lines, &["network", "local_connect"])
}

/// How long a short session is shown to have lasted.
fn lasted(milliseconds: u64) -> String {
    match milliseconds {
        ..1000 => format!("{milliseconds} ms"),
        _ => format!("{}.{} s", milliseconds / 1000, milliseconds / 100 % 10),
    }
}

/// `sessions`, in both forms
fn sessions() -> Outcome {
    let recorded = recorded();
    let (first, last) = (&recorded.lines[0], recorded.lines.last().unwrap());
    let commands = count(&recorded.lines, &["command"]);
    let files = count(&recorded.lines, &["disk"]);
    let connections = connected(&recorded.lines);
    let given = gives(&["sessions"]);
    let milliseconds = given[0]["duration_ms"].as_u64().unwrap();
    let expected = serde_json::json!({
        "sid": recorded.sid(),
        "user": ONE,
        "login": ONE,
        "server_hostname": first["server_hostname"],
        "addr.remote": first["addr.remote"],
        "addr.local": first["addr.local"],
        "initial_command": [recorded.script],
        "session_start": last["session_start"],
        "session_stop": last["time"],
        "open": false,
        "start_missing": false,
        "duration_ms": milliseconds,
        "commands": commands,
        "files": files,
        "connections": connections,
        "lost": 0
    });
    assert_eq!(given, [expected]);
    let begin = last["session_start"].as_str().unwrap().replace('T', " ");
    let lasted = lasted(milliseconds);
    let from = first["addr.remote"].as_str().unwrap();
    assert_eq!(
        shows(&["sessions"]),
        format!(
            "BEGIN (UTC)         LASTED        LOGIN        FROM                  COMMANDS   FILES NETWORK   LOST SESSION                              USER\n\
             {} {lasted:13} {ONE} {from:21} {commands:8} {files:7} {connections:7}      0 {} {ONE}\n",
            &begin[..19],
            recorded.sid()
        )
    );
    // One that has no end yet, and whose beginning is in a file that is gone.
    let part = recorded.folder.path().join("part");
    let middle: Vec<String> = recorded.lines[1..3].iter().map(Value::to_string).collect();
    fs::write(&part, middle.join("\n"))?;
    let output = reads(&["sessions", "--json", "--log"])
        .arg(&part)
        .output()?;
    let open: Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!(
        [&open["open"], &open["start_missing"]],
        [true, true],
        "{open}"
    );
    fs::remove_file(part)?;
    Ok(())
}

/// What the session of a job was begun for, in `sessions` and `show`
fn jobs() -> Outcome {
    let log = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/job.json");
    let read = |arguments: &[&str]| {
        let output = reads(arguments).args(["--log", log]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let asked = "00000000-0000-4000-8000-000000000000";
    let all: Vec<Value> = read(&["sessions", "--json"])
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|session: &Value| session.get("origin").is_some())
        .collect();
    let told: Vec<_> = all
        .iter()
        .map(|job| json!([job["origin"], job["origin_sid"], job["origin_inferred"]]))
        .collect();
    let expected = [
        json!(["at", asked, null]),
        json!(["cron", asked, true]),
        json!(["systemd-run", asked, null]),
        json!(["systemd", asked, true]),
    ];
    assert_eq!(told, expected);
    let text = read(&["sessions"]);
    for (job, is_inferred) in all.iter().zip([false, true, false, true]) {
        let origin = job["origin"].as_str().unwrap();
        assert!(
            text.contains(&format!(" {origin} {} ", &asked[..8])),
            "{text}"
        );
        let shown = read(&["show", job["sid"].as_str().unwrap()]);
        let likely = if is_inferred { "likely " } else { "" };
        let line = format!("origin   {origin}, {likely}for {asked}\n");
        assert!(shown.contains(&line), "{shown}");
    }
    Ok(())
}

/// `search`, for what stands in a command, a path, an address
fn search() -> Outcome {
    let recorded = recorded();
    let echo = recorded.command(
        "<script>x</script>",
        r"/bin/echo '<script>x</script>' $'\x1b[2J' 'a b'",
    );
    for text in ["</script>", "echo <script>", "\u{1b}[2J", "[2J a b"] {
        let found = shows(&["search", "--family", "command", "--", text]);
        let expected = if text == "</script>" {
            let bash = recorded.first("session.command", |line| line["argv"][0] == "-c");
            let script = recorded.script.replace('\'', "'\\''");
            recorded.shown(bash, &format!("/bin/bash -c '{script}'")) + &echo
        } else {
            echo.clone()
        };
        assert_eq!(found, expected, "{text}");
    }
    let address = format!("127.0.0.1:{}", recorded.port);
    let connect = recorded.first("session.network", |line| line["dst_port"] == recorded.port);
    let result = recorded.first("session.network_result", |_| true);
    let found = shows(&["search", "--family", "network", &address]);
    let (before, after) = found.split_once('\n').unwrap();
    let connect_text = recorded.shown(connect, &format!("connect to {address}, tcp"));
    assert_eq!(before, connect_text.trim_end());
    let begin = recorded.shown(result, "connected after ");
    assert!(after.starts_with(begin.trim_end_matches('\n')), "{after}");
    assert!(after.ends_with(&format!(", {address}\n")), "{after}");
    // What is given is the log's own line.
    let disk = recorded.first("session.disk", |line| {
        line["path"].as_str().unwrap().ends_with("/shared/out")
    });
    assert_eq!(
        gives(&["search", "/shared/out", "--family", "disk"]),
        std::slice::from_ref(disk)
    );
    assert_eq!(shows(&["search", "no such text anywhere"]), "");
    // The last line may have no end yet.
    let folder = Folder::new();
    let log = folder.path().join("events.log");
    fs::write(&log, format!("{disk}\n{disk}"))?;
    let output = reads(&["search", "--json"])
        .arg("--log")
        .arg(&log)
        .arg("/shared/out")
        .output()?;
    assert_eq!(
        String::from_utf8(output.stdout)?,
        format!("{disk}\n{disk}\n")
    );
    Ok(())
}

/// `tail`, of a part of a file, and of several files
fn tail() -> Outcome {
    let recorded = recorded();
    let all = &recorded.lines;
    assert_eq!(gives(&["tail"]), all[all.len() - 10..]);
    assert_eq!(gives(&["tail", "-n", "100000"]), *all);
    assert!(gives(&["tail", "-n", "0"]).is_empty());
    let last = recorded.shown(all.last().unwrap(), "end of the session");
    assert_eq!(shows(&["tail", "-n1"]), last.trim_end().to_owned() + "\n");
    // More than is looked through first, in files of three days.
    let folder = Folder::new();
    let line = |day: u32, index: u32| {
        format!(
            r#"{{"event":"x.y","time":"2023-07-0{day}T00:00:00Z","ei":{index},"fill":"{}"}}"#,
            "x".repeat(1000)
        )
    };
    for day in 1..=3 {
        let name = format!("2023-07-0{day}.00:00:00.log");
        let lines: Vec<String> = (0..2000).map(|index| line(day, index)).collect();
        fs::write(folder.path().join(name), lines.join("\n") + "\n")?;
    }
    for number in [1, 1000, 1999, 2000, 2001, 5999, 6000, 6001] {
        let output = reads(&["tail", "--json", "-n", &number.to_string(), "--log"])
            .arg(folder.path())
            .output()?;
        let found = String::from_utf8(output.stdout)?;
        let expected: Vec<String> = (1..=3)
            .flat_map(|day| (0..2000).map(move |index| line(day, index)))
            .skip(6000usize.saturating_sub(number))
            .collect();
        assert!(found.lines().eq(expected.iter()), "the last {number}");
    }
    Ok(())
}

/// Each filter takes what it should, of `search` with any text
fn filters() -> Outcome {
    let recorded = recorded();
    let port = recorded.port;
    let sid = recorded.sid();
    let folder = recorded.data().join("shared");
    let folder = folder.canonicalize()?;
    let folder = folder.to_str().unwrap();
    type Takes<'a> = &'a dyn Fn(&Value) -> bool;
    let kind = |names: &'static [&'static str]| {
        move |line: &Value| {
            names
                .iter()
                .any(|name| line["event"] == format!("session.{name}"))
        }
    };
    let middle = recorded.lines[recorded.lines.len() / 2]["time"]
        .as_str()
        .unwrap();
    let in_folder = |line: &Value| {
        ["path", "exe"].iter().any(|key| {
            line[key]
                .as_str()
                .is_some_and(|path| path.starts_with(&format!("{folder}/")))
        })
    };
    let to_port = |line: &Value| line["dst_port"] == port;
    let loopback =
        |line: &Value| line["dst_addr"] == "127.0.0.1" || line["event"] == "session.start";
    let cases: [(&[&str], Takes<'_>); 13] = [
        (&["--login", ONE], &|_| true),
        (&["--user", ONE, "--login", "root"], &|_| false),
        (&["--login", ONE, "--login", "root"], &|_| true),
        (&["--session", &sid[..8]], &|_| true),
        (&["--session", "00000000-0000"], &|_| false),
        (&["--family", "disk"], &kind(&["disk"])),
        (
            &["--family", "process_exit", "--family", "session"],
            &kind(&["process_exit", "start", "channel", "end"]),
        ),
        (
            &["--family", "network"],
            &kind(&["network", "network_result", "local_connect"]),
        ),
        (&["--since", middle], &|line| {
            line["time"].as_str().unwrap() >= middle
        }),
        (&["--until", middle], &|line| {
            line["time"].as_str().unwrap() < middle
        }),
        (&["--path", folder], &in_folder),
        (&["--address", &format!("127.0.0.1:{port}")], &to_port),
        (&["--address", "127.0.0.0/8"], &loopback),
    ];
    for (options, takes) in cases {
        let expected: Vec<Value> = recorded
            .lines
            .iter()
            .filter(|line| takes(line))
            .cloned()
            .collect();
        let found = gives(&[&["search", ""], options].concat());
        assert_eq!(found, expected, "{options:?}");
        let none = expected.is_empty();
        assert_eq!(
            gives(&[&["sessions"], options].concat()).is_empty(),
            none,
            "{options:?}"
        );
    }
    assert!(gives(&["search", "", "--since", "1h"]).len() == recorded.lines.len());
    assert!(gives(&["search", "", "--until", "1h"]).is_empty());
    Ok(())
}

/// `tail -f`: over a cut line, a new day, and a file that takes the place of another
fn following() -> Outcome {
    let folder = Folder::new();
    let path = |day: u32| folder.path().join(format!("2023-07-0{day}.00:00:00.log"));
    let line =
        |index: u32| format!(r#"{{"event":"x.y","time":"2023-07-01T00:00:00Z","ei":{index}}}"#);
    let append = |path: PathBuf, text: &str| {
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .unwrap();
        file.write_all(text.as_bytes()).unwrap();
    };
    append(path(1), &format!("{}\n{}\n", line(0), line(1)));
    let mut process = Process::spawn(
        reads(&["tail", "--json", "-f", "-n", "1", "--log"])
            .arg(folder.path())
            .stdout(Stdio::piped()),
    );
    let mut shown = BufReader::new(process.child.stdout.take().unwrap()).lines();
    let mut next = || shown.next().unwrap().unwrap();
    assert_eq!(next(), line(1));
    let whole = line(2) + "\n";
    append(path(1), &whole[..10]);
    append(path(1), &whole[10..]);
    assert_eq!(next(), line(2));
    append(path(1), &line(3));
    append(path(2), &format!("{}\n", line(4)));
    append(path(3), &format!("{}\n", line(5)));
    assert_eq!([next(), next(), next()], [line(3), line(4), line(5)]);
    fs::rename(path(3), folder.path().join("moved"))?;
    append(path(3), &format!("{}\n", line(6)));
    assert_eq!(next(), line(6));
    // The daemon cuts off what it had not written to the end before it was killed.
    let length = fs::metadata(path(3))?.len();
    append(path(3), "{\"event\"");
    let end = format!("pos:\t{}\n", fs::metadata(path(3))?.len());
    patiently("the part to be read", || {
        let mut files = process.open_files();
        files.any(|file| file.starts_with(&end)).then_some(())
    });
    OpenOptions::new()
        .write(true)
        .open(path(3))?
        .set_len(length)?;
    append(path(3), &format!("{}\n", line(7)));
    assert_eq!(next(), line(7));
    // It ends by itself once nobody reads.
    drop(shown);
    patiently("the end of tail", || process.child.try_wait().unwrap());
    Ok(())
}

fn fails(arguments: &[&str], code: i32, reason: &str) {
    let output = reads(arguments).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {errors}");
    assert!(errors.contains(reason), "{arguments:?}: {errors}");
    assert!(output.stdout.is_empty());
}

/// What is wrong is told, with the exit code for it
fn refused() -> Outcome {
    let folder = Folder::new();
    let folder = folder.path().to_str().unwrap();
    fails(&["search"], 2, "no TEXT");
    fails(&["show"], 2, "show: no SID is given");
    fails(&["report", "a"], 2, "report: no file is given");
    fails(&["sessions", "--flat"], 2, "--flat");
    fails(&["search", "a", "b"], 2, "unexpected argument \"b\"");
    fails(
        &["tail", "--since", "soon"],
        2,
        "--since \"soon\" is no time",
    );
    fails(
        &["tail", "--address", "1.2.3"],
        2,
        "--address \"1.2.3\" is no address",
    );
    fails(&["tail", "--color"], 2, "--color");
    fails(
        &["tail", "--color", "red"],
        2,
        "--color \"red\" is no choice; write auto, always or never",
    );
    for family in ["commands", "exec", "session.command "] {
        fails(
            &["search", "", "--family", family],
            2,
            &format!(
                "--family \"{family}\" is no family; write session, command, disk, network or privilege, or"
            ),
        );
    }
    fails(&["sessions", "-f"], 2, "-f");
    fails(
        &["sessions", "--config", "/nonexistent"],
        2,
        "/nonexistent: cannot be read",
    );
    fails(
        &["sessions", "--log", "/nonexistent"],
        1,
        "/nonexistent: No such file or directory (os error 2); name the log with --log",
    );
    fails(&["sessions", "--log", folder], 1, "has no daily log file");
    let config = common::write_config(Path::new(folder), "output: stdout");
    fails(
        &["--config", config.to_str().unwrap(), "sessions"],
        1,
        "output has no file",
    );
    // The config names the log.
    let recorded = recorded();
    let config = recorded.data().join("config.yaml");
    let output = reads(&["--config", config.to_str().unwrap(), "sessions", "--json"]).output()?;
    let expected = gives(&["sessions"])[0].clone();
    assert_eq!(serde_json::from_slice::<Value>(&output.stdout)?, expected);
    Ok(())
}

/// That nothing matches is said, and what may have been meant
fn no_match() -> Outcome {
    let log = recorded().data();
    let hint = "; --user compares the SSH identity (a key's fingerprint, or a certificate's ID), and --login the account";
    for (arguments, hint) in [
        (&["sessions", "--login", "nobody-here"][..], ""),
        (&["tail", "--path", "/no/such"], ""),
        (&["search", "no such text anywhere"], ""),
        (&["search", "", "--user", "carol"], hint),
        (
            &["show", recorded().sid(), "--flat", "--user", "carol"],
            hint,
        ),
    ] {
        let output = reads(arguments).arg("--log").arg(log).output()?;
        let said = String::from_utf8(output.stderr)?;
        assert_eq!(
            said,
            format!("recorderd: no event matches{hint}\n"),
            "{arguments:?}"
        );
        assert!(output.status.success() && output.stdout.is_empty());
    }
    Ok(())
}

/// Text is text wherever it goes, with colors only where they are asked for
fn colors() -> Outcome {
    let log = recorded().data();
    let shown = |more: &[&str]| {
        let output = reads(&["sessions", "--log"])
            .arg(log)
            .args(more)
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let plain = shown(&[]);
    assert!(
        plain.starts_with("BEGIN (UTC) ") && !plain.contains('\u{1b}'),
        "{plain}"
    );
    assert_eq!(shown(&["--color=never"]), plain);
    assert_eq!(shown(&["--color", "auto"]), plain);
    assert!(shown(&["--color=always"]).contains("\u{1b}["));
    assert!(shown(&["--json"]).starts_with('{'));
    Ok(())
}

/// Ends quietly when nobody reads any more; says so when it can't be written
fn broken_pipe() -> Outcome {
    let log = recorded().data();
    for command in [
        &["sessions"][..],
        &["search", ""],
        &["tail", "-n", "100000"],
    ] {
        let mut reading = reads(command);
        let mut child = reading
            .args(["--color=never", "--log"])
            .arg(log)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        drop(child.stdout.take());
        let Output { status, stderr, .. } = child.wait_with_output()?;
        assert!(
            status.success() && stderr.is_empty(),
            "{command:?}: {status} {stderr:?}"
        );
        let full = File::options().write(true).open("/dev/full")?;
        let output = reads(command).arg("--log").arg(log).stdout(full).output()?;
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr[..]).contains("standard output: No space left"));
    }
    Ok(())
}
