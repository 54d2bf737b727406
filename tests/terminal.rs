//! What was on a terminal is recorded as its client received it, and nothing where there is no terminal.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use base64::engine::{Engine, general_purpose::STANDARD};
use libtest_mimic::Trial;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::channel::Master;
use crate::common::terminal::Terminal;
use crate::common::ways::place;
use crate::common::{self, Host, ONE, Openssh, Outcome, Process, Server, TWO, of_kind, patiently};

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    let on_each = common::tests_on_each(
        module_path!(),
        // Without a home, so that no startup file adds to what is shown.
        |openssh| Host::of(&Server::of(openssh), "SetEnv HOME=/nonexistent", ""),
        &[
            ("a shell", shell),
            ("a command", command),
            ("all bytes", all_bytes),
            ("programs that fill the screen", full_screen),
            ("a hundred sizes", sizes),
            ("two terminals on one connection", two),
            ("a login that is killed", killed),
            ("no terminal", none),
            ("what is typed without an echo", secret),
            ("more than is recorded", flood),
        ],
    );
    let alone = common::tests(module_path!(), &[("off", off)]);
    on_each.into_iter().chain(alone).collect()
}

/// Both kinds of logins: sshd serves root's itself, and others' in a process of theirs.
const LOGINS: [&str; 2] = [ONE, "root"];

fn ssh(host: &Host, login: &str) -> Command {
    let mut ssh = host.client("ssh");
    ssh.args(["-tt", &format!("{login}@127.0.0.1")])
        .env("TERM", "xterm")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    ssh
}

/// What a client receives that has a command run, or a shell without one, and types something.
fn received(ssh: &mut Command, words: &[&str], typed: &str) -> Vec<u8> {
    let mut client = Process::spawn(ssh.args(words));
    let mut keyboard = client.child.stdin.take().unwrap();
    keyboard.write_all(typed.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    let mut screen = client.child.stdout.take().unwrap();
    screen.read_to_end(&mut bytes).unwrap();
    client.child.wait().unwrap();
    bytes
}

/// A recording of a terminal, as any other program reads it.
#[derive(Debug, Default)]
struct Recording {
    header: Value,
    output: Vec<u8>,
    sizes: Vec<String>,
    /// Bytes that are marked as missing.
    missing: u64,
    /// What the log tells: bytes that are there, and that are not.
    told: (u64, u64),
}

/// The recordings of a session by its lines, by file. The log tells of each byte of them.
fn recordings(host: &Host, lines: &[Value]) -> Vec<Recording> {
    let mut files: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
    for stretch in of_kind(lines, "session.terminal") {
        let file = stretch["file"].as_str().unwrap().to_owned();
        let sid = stretch["sid"].as_str().unwrap();
        assert!(file.starts_with(&format!("sessions/{sid}-")), "{file}");
        files.entry(file).or_default().push(stretch);
    }
    files
        .into_iter()
        .map(|(file, stretches)| recording(host, &file, &stretches))
        .collect()
}

fn folder(host: &Host) -> PathBuf {
    let id = fs::read_to_string(host.folder.path().join("host_uuid")).unwrap();
    host.folder.path().join("log").join(id.trim())
}

fn recording(host: &Host, file: &str, stretches: &[&Value]) -> Recording {
    let number = |stretch: &Value, key: &str| stretch[key].as_u64().unwrap();
    let mut end = 0;
    for stretch in stretches {
        assert_eq!(number(stretch, "file_offset"), end);
        end += number(stretch, "file_length");
    }
    let path = folder(host).join(file);
    let bytes = patiently(file, || {
        let bytes = fs::read(&path).unwrap_or_default();
        (bytes.len() as u64 >= end).then_some(bytes)
    });
    assert_eq!(bytes.len() as u64, end);
    for stretch in stretches {
        let from = number(stretch, "file_offset") as usize;
        let part = &bytes[from..][..number(stretch, "file_length") as usize];
        let hash: String = Sha256::digest(part)
            .iter()
            .map(|it| format!("{it:02x}"))
            .collect();
        assert_eq!(stretch["sha256"], hash);
    }
    let mut read = read(std::str::from_utf8(&bytes).unwrap());
    let sum = |key: &str| stretches.iter().map(|it| number(it, key)).sum();
    read.told = (sum("bytes"), sum("bytes_dropped"));
    assert_eq!(read.told, (read.output.len() as u64, read.missing));
    read
}

fn read(text: &str) -> Recording {
    let mut lines = text.lines();
    let mut read = Recording {
        header: serde_json::from_str(lines.next().unwrap()).unwrap(),
        ..Recording::default()
    };
    assert_eq!(read.header["version"], 2);
    let (mut latest, mut before) = (0.0, 0);
    for line in lines {
        let (time, code, data): (f64, String, String) = serde_json::from_str(line).unwrap();
        assert!(time >= latest, "{line}");
        latest = time;
        match code.as_str() {
            "o" => {
                before = read.output.len();
                read.output.extend_from_slice(data.as_bytes());
            }
            "b" => {
                read.output.truncate(before);
                read.output.extend(STANDARD.decode(data).unwrap());
            }
            "r" => read.sizes.push(data),
            "m" => {
                let (count, _) = data
                    .split_once(" bytes of output are missing here")
                    .unwrap();
                read.missing += count.parse::<u64>().unwrap();
            }
            _ => panic!("{line}"),
        }
    }
    read
}

/// The session of a login in which `text` stands, once it has ended.
fn session(host: &Host, login: &str, text: &str) -> Vec<Value> {
    host.session_with(&format!(r#""login":"{login}""#), text)
}

/// Each recording is what one of the clients has received, in this order, without a gap.
fn assert_same(host: &Host, lines: &[Value], received: &[&[u8]]) {
    let recordings = recordings(host, lines);
    let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    for (recording, received) in recordings.iter().zip(received) {
        assert_eq!(recording.missing, 0);
        assert_eq!(lossy(&recording.output), lossy(received));
        assert!(recording.output == *received);
    }
    assert_eq!(recordings.len(), received.len());
}

fn shell(host: &Host, _: Openssh) -> Outcome {
    for login in LOGINS {
        let typed = "/bin/echo shell-$((1 + 1)) äöü€😀\ncd /usr; ls --color=always\nreset\nexit\n";
        let received = received(&mut ssh(host, login), &[], typed);
        let lines = session(host, login, r#""argv":["shell-2""#);
        assert!(String::from_utf8_lossy(&received).contains("shell-2 äöü€😀"));
        assert_same(host, &lines, &[&received]);
        let mut play = Command::new(common::binary());
        play.args(["play", lines[0]["sid"].as_str().unwrap(), "--log"]);
        let played = play
            .arg(host.folder.path().join("log"))
            .stdin(Stdio::null());
        assert!(played.output()?.stdout == received);
    }
    Ok(())
}

fn command(host: &Host, _: Openssh) -> Outcome {
    for login in LOGINS {
        let script = format!("/bin/echo {login}; seq 1 20000");
        let received = received(&mut ssh(host, login), &[&script], "");
        assert!(received.len() > 100_000);
        assert_same(host, &host.session(&script), &[&received]);
    }
    Ok(())
}

/// Also those that are no UTF-8, wherever a read has ended
fn all_bytes(host: &Host, _: Openssh) -> Outcome {
    for login in LOGINS {
        let script = format!(
            "/bin/true {login}-bytes; python3 -c 'import random, sys\n\
             random.seed(7)\n\
             sys.stdout.buffer.write(random.randbytes(200000) + (\"ä€😀\" * 9999).encode())'"
        );
        let received = received(&mut ssh(host, login), &[&script], "");
        assert!(received.len() > 280_000 && std::str::from_utf8(&received).is_err());
        let lines = session(host, login, &format!(r#""argv":["{login}-bytes"]"#));
        assert_same(host, &lines, &[&received]);
    }
    Ok(())
}

fn full_screen(host: &Host, _: Openssh) -> Outcome {
    for login in LOGINS {
        let script = format!(
            "/bin/true {login}-screen; vim -u NONE -i NONE -n +'set number' +redraw +q /etc/services; \
             TERM=xterm top -n 2 -d 0.1 </dev/tty"
        );
        let received = received(&mut ssh(host, login), &[&script], "");
        let lines = session(host, login, &format!(r#""argv":["{login}-screen"]"#));
        assert!(received.len() > 2000);
        assert_same(host, &lines, &[&received]);
    }
    Ok(())
}

fn sizes(host: &Host, openssh: Openssh) -> Outcome {
    let mut ssh = host.client("ssh");
    ssh.args(["-tt", &format!("{ONE}@127.0.0.1")]);
    let (mut terminal, mut client) = Terminal::of(&mut ssh, 80, 25);
    terminal.types("/bin/echo sizes-$((1 + 1))", "sizes-2");
    // No two of them are the same, whichever server it is.
    let first = if openssh == Openssh::Newest { 300 } else { 100 };
    let mut wanted = Vec::new();
    for number in 0..100 {
        let (columns, rows) = (first + number, 50 + number % 7);
        terminal.resize(columns, rows);
        let size = format!(r#""size":"{columns}:{rows}""#);
        patiently("the size", || host.text().contains(&size).then_some(()));
        wanted.push(format!("{columns}x{rows}"));
    }
    terminal.types("exit", "logout");
    client.child.wait()?;
    let lines = session(host, ONE, r#""argv":["sizes-2"]"#);
    let recordings = recordings(host, &lines);
    let [recording] = &recordings[..] else {
        panic!("{recordings:?}");
    };
    assert_eq!(
        (&recording.header["width"], &recording.header["height"]),
        (&80.into(), &25.into())
    );
    assert_eq!(recording.sizes, wanted);
    Ok(())
}

fn two(host: &Host, _: Openssh) -> Outcome {
    let folder = place(host, "terminals");
    for login in LOGINS {
        let script = format!("/bin/true {login}-two; read line");
        let master = Master::new(host, login, &folder, &[&script]);
        let client = |words: &str, typed: &str| {
            let mut client = master.client(host, login);
            client.stdin(Stdio::piped()).stdout(Stdio::piped());
            received(&mut client, &["-tt", words], typed)
        };
        // The second terminal has the place of the first, which is over; the third and the fourth are at once.
        let first = client("seq 1 1000", "");
        let second = client("seq 2 1001", "");
        let (third, fourth) = std::thread::scope(|scope| {
            let third = scope.spawn(|| client("seq 3 5000; read line", "\n"));
            let fourth = scope.spawn(|| client("seq 4 5001; read line", "\n"));
            (third.join().unwrap(), fourth.join().unwrap())
        });
        master.end();
        let lines = host.session(&script);
        let mut recorded: Vec<_> = recordings(host, &lines)
            .into_iter()
            .map(|recording| recording.output)
            .collect();
        let mut received = vec![first, second, third, fourth];
        recorded.sort();
        received.sort();
        for (recorded, received) in recorded.iter().zip(&received) {
            let same = recorded
                .iter()
                .zip(received)
                .take_while(|(one, other)| one == other);
            let same = same.count();
            assert!(
                recorded == received,
                "{} and {} bytes; behind {same}: {:?}, {:?}",
                recorded.len(),
                received.len(),
                String::from_utf8_lossy(&recorded[same..]),
                String::from_utf8_lossy(&received[same..])
            );
        }
        assert_eq!(recorded.len(), received.len());
    }
    Ok(())
}

/// What it has shown is there
fn killed(host: &Host, _: Openssh) -> Outcome {
    for login in LOGINS {
        let script = format!("/bin/echo {login}-killed; kill -9 $$");
        let received = received(&mut ssh(host, login), &[&script], "");
        let lines = host.session(&script);
        assert_same(host, &lines, &[&received]);
        let script = format!("/bin/echo {login}-gone; exec sleep 1000");
        let mut client = Process::spawn(ssh(host, login).arg(&script));
        patiently("the command", || {
            host.text()
                .contains(&format!(r#""argv":["{login}-gone"]"#))
                .then_some(())
        });
        let mut shown = vec![0; login.len() + "-gone\r\n".len()];
        client.child.stdout.take().unwrap().read_exact(&mut shown)?;
        client.signal(libc::SIGKILL);
        client.child.wait()?;
        assert_same(host, &host.session(&script), &[&shown]);
    }
    Ok(())
}

fn none(host: &Host, _: Openssh) -> Outcome {
    let folder = place(host, "without");
    for login in LOGINS {
        let marker = format!("{login}-without-terminal");
        let lines = host.did(login, &format!("/bin/true {marker}; seq 1 1000"));
        assert_eq!(of_kind(&lines, "session.terminal"), [&Value::Null; 0]);
        fs::write(folder.join("sent"), &marker)?;
        for copy in ["scp", "sftp"] {
            let to = format!("{login}@127.0.0.1:{}/{marker}-{copy}", folder.display());
            let mut client = host.client(copy);
            match copy {
                "scp" => client.arg(folder.join("sent")).arg(&to),
                _ => client
                    .arg(format!("{login}@127.0.0.1:{}/sent", folder.display()))
                    .arg("/dev/null"),
            };
            assert!(client.status()?.success());
        }
        let lines = session(host, login, &format!("{marker}-scp"));
        assert_eq!(of_kind(&lines, "session.terminal"), [&Value::Null; 0]);
    }
    Ok(())
}

/// It is in no file of the recorder
fn secret(host: &Host, _: Openssh) -> Outcome {
    for login in LOGINS {
        // Its halves stand apart, so that the command is not what is found.
        let script = format!(
            "stty -echo; /bin/echo {login}-asks; read secret; stty echo; test \"$secret\" = hunter\"\"two-{login} && echo known"
        );
        let mut client = Process::spawn(ssh(host, login).arg(&script));
        let mut screen = client.child.stdout.take().unwrap();
        let mut shown = vec![0; login.len() + "-asks\r\n".len()];
        screen.read_exact(&mut shown)?;
        let mut keyboard = client.child.stdin.take().unwrap();
        writeln!(keyboard, "huntertwo-{login}")?;
        screen.read_to_end(&mut shown)?;
        client.child.wait()?;
        assert!(
            shown.ends_with(b"known\r\n"),
            "{}",
            String::from_utf8_lossy(&shown)
        );
        let lines = host.session(&script);
        assert_same(host, &lines, &[&shown]);
        let mut found = Command::new("grep");
        found
            .args(["-rl", &format!("huntertwo-{login}")])
            .arg(host.folder.path());
        assert_eq!(String::from_utf8(found.output()?.stdout)?, "");
    }
    Ok(())
}

/// What is missing is marked and counted, and no event of another session is
fn flood(host: &Host, _: Openssh) -> Outcome {
    const COMMANDS: usize = 300;
    for login in LOGINS {
        let script = format!("/bin/true {login}-flood; head -c 200000000 /dev/zero | tr '\\0' x");
        let (received, other) = std::thread::scope(|scope| {
            let flood = scope.spawn(|| received(&mut ssh(host, login), &[&script], ""));
            let commands = common::log::commands(COMMANDS);
            let other = host.did(TWO, &commands);
            (flood.join().unwrap(), other)
        });
        let lines = host.session(&script);
        let recordings = recordings(host, &lines);
        let [recording] = &recordings[..] else {
            panic!("{} recordings", recordings.len());
        };
        assert_eq!(received.len(), 200_000_000);
        assert_eq!(recording.told.0 + recording.told.1, received.len() as u64);
        assert!(recording.missing > 0 && recording.output.len() >= 1_000_000);
        for (family, lost) in other.last().unwrap()["losses"].as_object().unwrap() {
            assert_eq!(lost, 0, "{family}");
        }
        let (written, lost) = common::log::totals(&other, "command");
        assert!(written >= COMMANDS as u64 && lost == 0, "{written} {lost}");
    }
    Ok(())
}

fn off() -> Outcome {
    let host = Host::with("", "terminal: off");
    let received = received(&mut ssh(&host, ONE), &["/bin/echo unseen"], "");
    assert_eq!(received, b"unseen\r\n");
    let lines = host.session("/bin/echo unseen");
    assert_eq!(of_kind(&lines, "session.terminal"), [&Value::Null; 0]);
    assert!(!folder(&host).join("sessions").exists());
    Ok(())
}
