//! The log of a daemon whose files may be anywhere, also while the daemon is gone.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{of_kind, patiently, schema};

/// The files of the log, oldest first.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let host = fs::read_to_string(folder.join("host_uuid")).unwrap_or_default();
    let folder = folder.join("log").join(host.trim());
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<_> = entries.map(|entry| entry.path()).collect();
    files.retain(|file| {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("20") && name.ends_with(".log")
    });
    files.sort();
    files
}

/// All whole lines, as they stand.
pub fn text(folder: &Path) -> String {
    text_from(folder, 0)
}

/// How many bytes of whole lines there are.
pub fn size(folder: &Path) -> u64 {
    text(folder).len() as u64
}

/// All whole lines behind so many bytes.
pub fn text_from(folder: &Path, mut bytes: u64) -> String {
    let mut text = Vec::new();
    for file in files(folder) {
        // One that has expired since has nothing to tell.
        let Ok(mut file) = File::open(file) else {
            continue;
        };
        let skipped = file.metadata().unwrap().len().min(bytes);
        bytes -= skipped;
        file.seek(SeekFrom::Start(skipped)).unwrap();
        file.read_to_end(&mut text).unwrap();
    }
    let whole = text.iter().rposition(|byte| *byte == b'\n');
    text.truncate(whole.map_or(0, |end| end + 1));
    String::from_utf8(text).expect("the log is UTF-8")
}

/// The whole log line by line, each held against the schema, but for what seals it.
pub fn log(folder: &Path) -> Vec<Value> {
    lines_of(&text(folder))
}

/// The lines of a log, each held against the schema, but for what seals it.
pub fn lines_of(text: &str) -> Vec<Value> {
    let lines = text.lines().map(schema::check);
    lines
        .filter(|line| line["event"] != "recorder.checkpoint")
        .collect()
}

/// What the recorder says of itself for a reason.
pub fn statuses(lines: &[Value], reason: &str) -> Vec<Value> {
    let of_reason = |line: &Value| line["event"] == "recorder.status" && line["reason"] == reason;
    lines
        .iter()
        .filter(|line| of_reason(line))
        .cloned()
        .collect()
}

/// Waits until the recorder has said it.
pub fn status(folder: &Path, reason: &str) -> Value {
    let said = format!(r#""reason":"{reason}""#);
    patiently(reason, || {
        // To check each line takes long.
        let text = text(folder);
        let lines = text.lines().filter(|line| line.contains(&said));
        statuses(&lines.map(schema::check).collect::<Vec<_>>(), reason).pop()
    })
}

/// The lines of each session, in the order in which they begin.
pub fn by_session(lines: impl IntoIterator<Item = Value>) -> Vec<Vec<Value>> {
    let mut sessions: Vec<Vec<Value>> = Vec::new();
    let mut places = HashMap::new();
    for line in lines {
        let Some(sid) = line["sid"].as_str() else {
            continue;
        };
        let place = *places.entry(sid.to_owned()).or_insert(sessions.len());
        if place == sessions.len() {
            sessions.push(Vec::new());
        }
        sessions[place].push(line);
    }
    sessions
}

/// The sessions of a server, each numbered from 0 without a gap.
pub fn sessions(lines: &[Value], port: u16) -> Vec<Vec<Value>> {
    let local = format!("127.0.0.1:{port}");
    let mut sessions = by_session(lines.iter().cloned());
    sessions.retain(|lines| {
        lines
            .iter()
            .any(|line| line["addr.local"] == local.as_str())
    });
    for (index, line) in sessions.iter().flat_map(|lines| lines.iter().enumerate()) {
        assert_eq!(line["ei"], index, "a gap before {line}");
    }
    sessions
}

/// How many sessions have ended, of any server.
pub fn count_ends(text: &str) -> usize {
    text.matches(r#""event":"session.end""#).count()
}

/// Waits until so many sessions have ended.
pub fn ended(folder: &Path, port: u16, count: usize) -> Vec<Vec<Value>> {
    ended_in(|| text(folder), port, count)
}

/// Waits until so many sessions have ended in a text that grows.
pub fn ended_in(text: impl Fn() -> String, port: u16, count: usize) -> Vec<Vec<Value>> {
    patiently(&format!("{count} sessions"), || {
        let text = text();
        // To check each line takes long.
        if count_ends(&text) < count {
            return None;
        }
        let sessions = sessions(&lines_of(&text), port);
        let has_end = |lines: &&Vec<Value>| lines.last().unwrap()["event"] == "session.end";
        (sessions.iter().filter(has_end).count() >= count).then_some(sessions)
    })
}

/// Written events and lost ones of a family, each as session.end tells them, which has to agree
/// with the lines before it.
pub fn totals(lines: &[Value], family: &str) -> (u64, u64) {
    let end = lines.last().unwrap();
    let mut written = of_kind(lines, &format!("session.{family}")).len() as u64;
    if family == "network" {
        written += of_kind(lines, "session.local_connect").len() as u64;
    }
    assert_eq!(end["events"][family], written, "{end}");
    let lost = of_kind(lines, "session.lost");
    let of_family = lost.iter().filter(|line| line["family"] == family);
    let lost = of_family.map(|line| line["count"].as_u64().unwrap()).sum();
    assert_eq!(end["losses"][family], lost, "{end}");
    (written, lost)
}

/// A script that runs so many commands, the shell that runs it included.
pub fn commands(count: usize) -> String {
    format!("for ((i = 1; i < {count}; i++)); do /bin/true; done; exit")
}

/// A script that opens a file so often.
pub fn opens(count: usize) -> String {
    format!("for ((i = 0; i < {count}; i++)); do : </etc/hostname; done; exit")
}

/// Up to when everything is on the disk. Milliseconds since 1970-01-01 UTC.
pub fn last_seen(folder: &Path) -> i64 {
    let seen = fs::metadata(folder.join("last_seen")).unwrap();
    seen.mtime() * 1000 + seen.mtime_nsec() / 1_000_000
}

/// The time of an event. Milliseconds since 1970-01-01 UTC.
pub fn milliseconds(time: &str) -> i64 {
    recorderd::base::instant(time).unwrap()
}
