//! A forger changes a sealed log: `recorderd verify` finds each change where it is, and nothing in a log that nobody
//! has changed.
//!
//! `RECORDERD_FORGER=100000 RECORDERD_FORGER_ROUNDS=1000 cargo test --test pure forger` takes so many lines and changes;
//! `RECORDERD_SEED` begins it elsewhere.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::common::random::Random;
use crate::common::{Folder, binary};
use recorderd::base::Limits;
use recorderd::event::HostNames;
use recorderd::output::Log;
use recorderd::seal::Sealer;

/// Some day. Seconds since 1970.
const DAY: u64 = 1_700_006_400;

/// Lines between two checkpoints at most.
const BATCH: usize = 60;

const FILES: u64 = 5;

const CHECKPOINT: &str = "\"event\":\"recorder.checkpoint\"";

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().expect(variable))
}

/// A data_dir, and what a recorder would write there.
struct Host {
    folder: Folder,
    id: String,
    random: Random,
    count: u64,
}

impl Host {
    fn new(seed: u64) -> Self {
        let folder = Folder::new();
        let name = folder
            .path()
            .file_name()
            .unwrap()
            .to_string_lossy()
            .into_owned();
        Self {
            folder,
            id: format!("{name}-{seed}"),
            random: Random(seed),
            count: 0,
        }
    }

    fn logs(&self) -> PathBuf {
        self.folder.path().join("log").join(&self.id)
    }

    fn open(&self, limits: Limits, now: u64) -> Log {
        let mut log = Log::open(self.folder.path(), &self.id, limits, now).unwrap();
        let names = HostNames {
            id: &self.id,
            ..HostNames::default()
        };
        let sealer = Sealer::begin(self.folder.path(), &names, Duration::ZERO).unwrap();
        log.seal(sealer).unwrap();
        log
    }

    fn key(&self) -> String {
        recorderd::seal::find(self.folder.path()).unwrap()
    }

    fn line(&mut self) -> String {
        self.count += 1;
        let padding = "x".repeat(self.random.below(200));
        format!(
            "{{\"ei\":{},\"event\":\"session.disk\",\"server_id\":\"{}\",\"path\":\"{padding}\"}}\n",
            self.count, self.id
        )
    }

    fn batch(&mut self) -> String {
        let count = 1 + self.random.below(BATCH);
        (0..count).map(|_| self.line()).collect()
    }

    /// Writes a log of so many lines in files of some days, and ends as a recorder does.
    fn write(&mut self, lines: u64) {
        let mut log = self.open(Limits::default(), DAY);
        for file in 0..FILES {
            let until = lines * (file + 1) / FILES;
            while self.count < until {
                let batch = self.batch();
                let (taken, done) = log.append(batch.as_bytes(), DAY + file * 86_400, false);
                done.unwrap();
                assert_eq!(taken, batch.len());
            }
        }
        log.close().unwrap();
    }
}

/// The files of a log, each as its lines.
type Files = BTreeMap<String, Vec<String>>;

fn read(folder: &Path) -> Files {
    let files = fs::read_dir(folder).unwrap().flatten();
    let files = files.filter_map(|file| {
        let name = file.file_name().into_string().unwrap();
        let is_log = name.starts_with("20");
        is_log.then(|| (name, fs::read_to_string(file.path()).unwrap()))
    });
    files
        .map(|(name, text)| (name, text.lines().map(str::to_owned).collect()))
        .collect()
}

fn write(folder: &Path, files: &Files) {
    for (name, lines) in files {
        let mut text = lines.join("\n");
        if !lines.is_empty() {
            text.push('\n');
        }
        fs::write(folder.join(name), text).unwrap();
    }
}

/// What `recorderd verify` says of a folder, and its exit code.
fn verify(folder: &Path, keys: &[String]) -> (Vec<Value>, i32) {
    let mut command = Command::new(binary());
    // Long after the last checkpoint, so that a log without an end has been cut.
    command.args(["verify", "--json", "--taken", "2100-01-01", "--log"]);
    command.arg(folder);
    for key in keys {
        command.args(["--key", key.trim()]);
    }
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.is_empty(), "{errors}");
    (lines.collect(), output.status.code().unwrap())
}

fn findings(lines: &[Value]) -> Vec<&Value> {
    lines
        .iter()
        .filter(|line| line.get("finding").is_some())
        .collect()
}

/// Copies a log, its list of checkpoints included.
fn copied(from: &Path, files: &Files) -> Folder {
    let to = Folder::new();
    write(to.path(), files);
    fs::copy(from.join("checkpoints"), to.path().join("checkpoints")).unwrap();
    to
}

/// What was changed: the files and lines (counted from 1) of which one finding each has to tell, or, with line 0, the
/// file that it has to name.
type Places = Vec<(String, u64)>;

const KINDS: [&str; 12] = [
    "a byte",
    "a line out",
    "a line in",
    "a line twice",
    "a line moved",
    "a line from another day",
    "the tail cut",
    "cut, and continued with a fresh key",
    "a checkpoint out",
    "a file out",
    "files exchanged",
    "the key exchanged",
];

/// A line that is no checkpoint.
fn victim(random: &mut Random, files: &Files) -> (String, usize) {
    loop {
        let name = files.keys().nth(random.below(files.len())).unwrap();
        let at = random.below(files[name].len());
        if !files[name][at].contains(CHECKPOINT) {
            return (name.clone(), at);
        }
    }
}

/// Which checkpoint stands behind a line: lines in front of the same one are sealed together.
fn stretch(lines: &[String], at: usize) -> usize {
    let behind = lines[at..]
        .iter()
        .position(|line| line.contains(CHECKPOINT));
    at + behind.unwrap()
}

/// Changes something; tells where.
fn forge(kind: &str, random: &mut Random, files: &mut Files) -> Places {
    let (name, at) = victim(random, files);
    let lines = files[&name].clone();
    let mut place = vec![(name.clone(), at as u64 + 1)];
    let of = |files: &mut Files, lines: Vec<String>| drop(files.insert(name.clone(), lines));
    let mut changed = lines.clone();
    match kind {
        "a byte" => {
            let mut bytes = changed[at].clone().into_bytes();
            // The text stays text, and one line.
            let byte = random.below(bytes.len());
            bytes[byte] = if bytes[byte] == b'a' { b'b' } else { b'a' };
            changed[at] = String::from_utf8(bytes).unwrap();
        }
        "a line out" => drop(changed.remove(at)),
        "a line in" => changed.insert(at, lines[at].replace("session.disk", "session.risk")),
        "a line twice" => changed.insert(at, lines[at].clone()),
        "a line moved" => {
            let line = changed.remove(at);
            let mut to = random.below(changed.len() - 1);
            // To another place, and not behind the last checkpoint.
            if to == at {
                to = (to + 1) % (changed.len() - 1);
            }
            changed.insert(to, line);
            if changed == lines {
                return Vec::new();
            }
            if stretch(&lines, at) != stretch(&changed, to) {
                place.push((name.clone(), to as u64 + 1));
            }
        }
        "a line from another day" => {
            let (other, from) = loop {
                let other = victim(random, files);
                if other.0 != name {
                    break other;
                }
            };
            changed[at] = files[&other][from].clone();
        }
        "the tail cut" => {
            // Of the last file, at any line but the last.
            let (last, lines) = files.iter_mut().next_back().unwrap();
            let left = 1 + random.below(lines.len() - 1);
            lines.truncate(left);
            return vec![(last.clone(), left as u64)];
        }
        "a checkpoint out" => {
            let checkpoints: Vec<_> = (0..lines.len())
                .filter(|at| lines[*at].contains(CHECKPOINT))
                .collect();
            let at = checkpoints[random.below(checkpoints.len())];
            changed.remove(at);
            let behind = match at == lines.len() - 1 {
                // The last one of a file is missed by the next file, or is the end of all.
                true => files.keys().find(|key| **key > name),
                false => Some(&name),
            };
            place = vec![(
                behind.unwrap_or(&name).clone(),
                if at == lines.len() - 1 {
                    0
                } else {
                    at as u64 + 1
                },
            )];
        }
        "a file out" => {
            let behind = files.keys().find(|key| **key > name).cloned();
            files.remove(&name);
            return vec![(behind.unwrap_or(name), 0)];
        }
        "files exchanged" => {
            let other = loop {
                let other = victim(random, files).0;
                if other != name {
                    break other;
                }
            };
            let theirs = files.insert(other.clone(), lines.clone()).unwrap();
            files.insert(name.clone(), theirs);
            return vec![(name, 0), (other, 0)];
        }
        _ => unreachable!("{kind}"),
    }
    of(files, changed);
    place
}

/// Has the log continued from somewhere by a recorder that has another key. Tells in which file.
fn reseal(from: Option<(String, usize)>, files: &Files, host: &Host) -> (Files, Places) {
    let forger = Host {
        folder: Folder::new(),
        id: host.id.clone(),
        random: Random(1),
        count: 0,
    };
    fs::create_dir_all(forger.logs()).unwrap();
    let mut kept = Files::new();
    if let Some((name, at)) = &from {
        kept.extend(
            files
                .range(..name.clone())
                .map(|(name, lines)| (name.clone(), lines.clone())),
        );
        kept.insert(name.clone(), files[name][..*at].to_vec());
    }
    write(&forger.logs(), &kept);
    let day = |name: &str| {
        let place = files.keys().position(|key| key == name).unwrap();
        DAY + place as u64 * 86_400
    };
    let first = from
        .as_ref()
        .map_or(files.keys().next().unwrap(), |(name, _)| name);
    let mut log = forger.open(Limits::default(), day(first));
    for (name, lines) in files.range(first.clone()..) {
        let skip = from
            .as_ref()
            .filter(|it| it.0 == *name)
            .map_or(0, |it| it.1);
        for line in lines[skip..]
            .iter()
            .filter(|line| !line.contains(CHECKPOINT))
        {
            let (_, done) = log.append(format!("{line}\n").as_bytes(), day(name), false);
            done.unwrap();
        }
    }
    log.close().unwrap();
    (
        read(&forger.logs()),
        vec![(first.clone(), from.map_or(1, |it| it.1 as u64 + 1))],
    )
}

#[test]
fn each_change_is_found_where_it_is() {
    let seed = number("RECORDERD_SEED", 1);
    println!("RECORDERD_SEED={seed}");
    let mut host = Host::new(seed);
    host.write(number("RECORDERD_FORGER", 3000));
    let (all, key) = (read(&host.logs()), host.key());
    let (lines, code) = verify(&host.logs(), std::slice::from_ref(&key));
    assert_eq!((findings(&lines), code), (vec![], 0));
    assert_eq!(all.len() as u64, FILES);
    let mut random = Random(seed);
    let mut found = 0;
    let rounds = number("RECORDERD_FORGER_ROUNDS", 240);
    for round in 0..rounds as usize {
        let kind = KINDS[round % KINDS.len()];
        let mut files = all.clone();
        let places = match kind {
            "cut, and continued with a fresh key" => {
                let from = victim(&mut random, &files);
                let (forged, places) = reseal(Some(from), &files, &host);
                files = forged;
                places
            }
            // It is as much work as all others, and has one form.
            "the key exchanged" if round >= KINDS.len() => continue,
            "the key exchanged" => {
                let (forged, places) = reseal(None, &files, &host);
                files = forged;
                places
            }
            _ => forge(kind, &mut random, &mut files),
        };
        if places.is_empty() {
            continue;
        }
        let copy = copied(&host.logs(), &files);
        let (lines, code) = verify(copy.path(), std::slice::from_ref(&key));
        let findings = findings(&lines);
        assert_eq!(code, 1, "round {round}: {kind} at {places:?}: {lines:#?}");
        for (file, line) in &places {
            let tells = |finding: &&&Value| {
                let [from, to] = ["from_line", "to_line"].map(|key| finding[key].as_u64().unwrap());
                finding["file"] == file.as_str() && (*line == 0 || (from..=to + 1).contains(line))
            };
            assert!(
                findings.iter().any(|finding| tells(&finding)),
                "round {round}: {kind} at {places:?}: {findings:#?}"
            );
        }
        // What is right elsewhere is not doubted.
        if KINDS[..6].contains(&kind) {
            assert_eq!(
                findings.len(),
                places.len(),
                "round {round}: {kind} at {places:?}: {findings:#?}"
            );
        }
        found += 1;
    }
    assert!(found > rounds * 4 / 5, "{found}");
}

/// Restarted, killed, rotated, with files that have expired: all that is there is proven.
#[test]
fn a_log_that_nobody_changed_is_proven() {
    let seed = number("RECORDERD_SEED", 1);
    println!("RECORDERD_SEED={seed}");
    let is_root = unsafe { libc::geteuid() } == 0;
    let mut expired = 0;
    for round in 0..number("RECORDERD_FORGER_ROUNDS", 240) / 4 {
        let mut host = Host::new(seed + round);
        let limits = Limits {
            file_size: [0, 8000, 20_000][host.random.below(3)],
            total_size: [0, 60_000][host.random.below(2)],
            ..Limits::default()
        };
        let mut now = DAY;
        let mut log = host.open(limits, now);
        let mut did = Vec::new();
        for _ in 0..30 {
            while log.tidy() {}
            // The recorder tells of what it has removed.
            let notices: Vec<_> = log.notices().collect();
            for removed in notices.iter().filter_map(|notice| notice.removed.as_ref()) {
                did.push("expired");
                expired += 1;
                let line = format!(
                    "{{\"ei\":0,\"event\":\"recorder.status\",\"reason\":\"log_expired\",\"time\":\"2023-11-15T00:00:00Z\",\
                     \"server_id\":\"{}\",\"file\":\"{}\"}}\n",
                    host.id, removed.file
                );
                log.append(line.as_bytes(), now, false).1.unwrap();
            }
            match host.random.below(8) {
                0 => {
                    did.push("stop");
                    log.close().unwrap();
                    drop(log);
                    log = host.open(limits, now);
                }
                1 if is_root => {
                    did.push("kill");
                    drop(log);
                    log = host.open(limits, now);
                }
                2 => {
                    did.push("reopen");
                    log.reopen().unwrap();
                }
                // Where files have a size, the other one begins files of its own, which nobody seals.
                3 if limits.file_size == 0 => {
                    did.push("another");
                    // As `recorderd record` does.
                    let line = host.batch();
                    let mut other = Log::open(host.folder.path(), &host.id, limits, now).unwrap();
                    other.append(line.as_bytes(), now, false).1.unwrap();
                    let batch = host.batch();
                    log.append(batch.as_bytes(), now, false).1.unwrap();
                }
                4 => {
                    did.push("day");
                    now += 86_400;
                }
                _ => {
                    did.push("lines");
                    let batch = host.batch();
                    log.append(batch.as_bytes(), now, false).1.unwrap();
                }
            }
        }
        let batch = host.batch();
        log.append(batch.as_bytes(), now, false).1.unwrap();
        log.close().unwrap();
        let (lines, code) = verify(&host.logs(), &[host.key()]);
        assert_eq!(code, 0, "round {round}: {did:?}: {lines:#?}");
        if did.contains(&"expired") {
            continue;
        }
        // The same as one stream.
        let all: Vec<_> = read(&host.logs()).into_values().flatten().collect();
        let stream = host.folder.path().join("stream");
        fs::write(&stream, all.join("\n") + "\n").unwrap();
        let (lines, code) = verify(&stream, &[host.key()]);
        assert_eq!(code, 0, "round {round}: {did:?}: {lines:#?}");
    }
    assert!(expired > 20, "{expired}");
}
