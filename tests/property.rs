//! Whatever an unprivileged user does: who descends from the login is in its session, nobody beside it
//! loses anything or waits, and no path or name is told that the kernel did not use.
//!
//! RECORDERD_SEED is where the random acts begin, and RECORDERD_ACTS how many there are;
//! docs/threat-model.md has the longer run.

mod actor;

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::common::random::Random;
use crate::common::{self, Host, ONE, Outcome, Process, TWO, printed};
use libtest_mimic::Trial;
use serde_json::Value;

/// Does what this program's own arguments ask for, if they are of this file.
pub fn act(words: &[String]) -> bool {
    let [word, folder, seed, acts] = words else {
        return false;
    };
    if word == "actor" {
        let numbers = [seed, acts].map(|number| number.parse().unwrap());
        actor::act(folder, numbers).unwrap();
    }
    word == "actor"
}

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    common::tests(
        module_path!(),
        &[("random acts beside a quiet session", random_acts)],
    )
}

/// A number from the environment.
fn setting(name: &str) -> Option<u64> {
    Some(std::env::var(name).ok()?.parse().expect(name))
}

/// Commands of the quiet session.
const COMMANDS: usize = 100;

/// A session that goes on for as long as the acts do, and the number of its commands.
struct Quiet {
    process: Process,
    stop: std::path::PathBuf,
}

impl Quiet {
    /// By su, so that the recorder's numbers tell it from the other.
    fn begin(folder: &Path) -> Self {
        let stop = folder.join("stop");
        let script = format!(
            "i=0; while [ $i -lt {COMMANDS} ] || [ ! -e {} ]; do /bin/busybox true quiet; \
             /bin/sleep 0.02; i=$((i + 1)); done; echo $i",
            stop.display()
        );
        let mut command = Command::new("su");
        command.args(["-s", "/bin/sh", "-c", &script, TWO]);
        command.stdout(std::process::Stdio::piped());
        Self {
            process: Process::spawn(&mut command),
            stop,
        }
    }

    fn end(mut self) -> usize {
        fs::write(&self.stop, "").unwrap();
        let said = common::text(self.process.child.stdout.take().unwrap());
        assert!(self.process.child.wait().unwrap().success());
        said.trim().parse().unwrap()
    }
}

fn random_acts() -> Outcome {
    let seed = setting("RECORDERD_SEED").unwrap_or_else(|| {
        let time = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
        Random(time.as_nanos() as u64).below(usize::MAX) as u64
    });
    let acts = setting("RECORDERD_ACTS").unwrap_or(300);
    println!("RECORDERD_SEED={seed} RECORDERD_ACTS={acts}");
    let host = Host::with("", "login_types: [ssh, su]");
    // What else runs on this machine is not what is looked at.
    // SAFETY: plain numbers.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, host.daemon.child.id(), -20) };
    let folder = host.folder.shared();
    fs::copy(std::env::current_exe()?, folder.join("program"))?;
    let quiet = Quiet::begin(&folder);
    let place = folder.display();
    let lines = host.did(ONE, &format!("{place}/program actor {place} {seed} {acts}"));
    let commands = quiet.end();
    let journal = Journal::read(&folder);
    println!(
        "{} events, {} processes",
        lines.len(),
        journal.seen.len() / 2
    );

    everybody_is_there(&lines, &journal);
    nothing_else_is_told(&lines, &journal, &folder);

    let quiet = host.session_with(r#""login_type":"su""#, r#""argv":["true","quiet"]"#);
    let end = quiet.last().unwrap();
    let lost = end["losses"].as_object().unwrap().values();
    assert_eq!(lost.filter_map(Value::as_u64).sum::<u64>(), 0, "{end}");
    let told = quiet.iter().filter(|line| line["argv"][1] == "quiet");
    assert_eq!(told.count(), commands);
    not_late(&host);
    Ok(())
}

/// Each process's first and last act is on record, but for as many as are told to be lost.
fn everybody_is_there(lines: &[Value], journal: &Journal) {
    let paths: HashSet<_> = lines
        .iter()
        .filter_map(|line| line["path"].as_str())
        .collect();
    let missing: Vec<_> = journal
        .seen
        .iter()
        .filter(|path| !paths.contains(path.as_str()))
        .collect();
    let lost = lines.last().unwrap()["losses"]["disk"].as_u64().unwrap();
    println!("lost of the acts: {lost}");
    assert!(missing.len() as u64 <= lost, "{missing:?}");
}

/// What is told without a mark is what the actor knows to have happened.
fn nothing_else_is_told(lines: &[Value], journal: &Journal, folder: &Path) {
    let folder = format!("{}/", folder.display());
    let mut unmarked = 0;
    for line in lines {
        let program = line["program"].as_str().unwrap_or_default();
        assert!(
            program.is_empty() || journal.is_name(program),
            "not a name of any process: {line}"
        );
        if line["event"] != "session.disk" {
            continue;
        }
        let marks = ["racy", "unresolved", "incomplete"];
        let is_marked = |key: &str| {
            let is_there = |mark| line.get(format!("{key}_{mark}")).is_some();
            marks.iter().any(is_there)
        };
        let operation = line["operation"].as_str().unwrap_or("open");
        for key in ["path", "target"] {
            let Some(path) = line[key].as_str().filter(|path| path.starts_with(&folder)) else {
                continue;
            };
            if is_marked(key) {
                continue;
            }
            unmarked += 1;
            let is_known = match line["return_code"].as_i64() {
                Some(0) => journal.did.contains(&format!("{operation} {path}")),
                _ => journal.tried.contains(path) || journal.seen.contains(path),
            };
            assert!(is_known, "the kernel did not use {path}: {line}");
        }
    }
    assert!(unmarked > 10, "{unmarked}");
}

/// By the recorder's own numbers: how long it took from each act of the quiet session to its line.
fn not_late(host: &Host) {
    let mut command = Command::new(common::binary());
    let config = host.folder.path().join("config.yaml");
    let text = printed(command.args(["metrics", "--config"]).arg(config));
    let number = |sample: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(sample));
        value.expect(sample).trim().parse::<u64>().unwrap()
    };
    let name = "recorderd_event_latency_seconds";
    let count = number(&format!(r#"{name}_count{{login_type="su"}}"#));
    // What is not made for speed takes several times as long for a round.
    let bound = match std::env::var_os("RECORDERD") {
        Some(_) => "0.1",
        None => "0.5",
    };
    let in_time = number(&format!(r#"{name}_bucket{{login_type="su",le="{bound}"}}"#));
    println!("the quiet session: {count} events, {in_time} within {bound} s");
    assert!(count >= 2 * COMMANDS as u64);
    assert_eq!(in_time, count);
}

/// What the actor has written down.
struct Journal {
    /// Opened in vain by each process at its beginning and its end.
    seen: HashSet<String>,
    /// Done, with the operation.
    did: HashSet<String>,
    /// Not done.
    tried: HashSet<String>,
    names: HashSet<String>,
}

impl Journal {
    fn read(folder: &Path) -> Self {
        let text = fs::read_to_string(folder.join("journal")).unwrap();
        let of = |kind: &str| {
            let lines = text.lines().filter_map(|line| line.split_once(' '));
            lines
                .filter(|(of, _)| *of == kind)
                .map(|(_, rest)| rest.to_owned())
                .collect()
        };
        Self {
            seen: of("seen"),
            did: of("did"),
            tried: of("tried"),
            names: of("name"),
        }
    }

    /// Those of the login, and those that the actor gave.
    fn is_name(&self, name: &str) -> bool {
        let of_login = ["sh", "bash", "program", "busybox", "true"];
        name.starts_with("sshd") || of_login.contains(&name) || self.names.contains(name)
    }
}
