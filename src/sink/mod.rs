//! Where events go, and what waits to go there.

mod disk;
mod file;
mod heartbeat;
mod log;

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;

use crate::event::Moment;

pub use heartbeat::{Before, Heartbeat};
pub use log::{Limits, Log};

/// What is kept in memory while nothing can be written: so much, then only how sessions begin and
/// end and what they lost, then nothing. Bytes.
const KEPT: usize = 16 << 20;
const KEPT_MOST: usize = 2 * KEPT;

/// How long to wait before trying again to write. Nanoseconds.
const AGAIN: u64 = 250_000_000;

/// How long lines may wait to be brought to the disk. Nanoseconds.
const INTERVAL: u64 = 1_000_000_000;

/// When lines are brought from the kernel's memory to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sync {
    /// With every write.
    PerEvent,
    /// Within a second.
    Interval,
    /// When a session has ended.
    SessionEnd,
}

/// Something that happened to the log, to be told in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notice {
    /// As docs/events.md has it.
    pub reason: &'static str,
    /// What the operating system said.
    pub error: Option<String>,
    /// How many bytes it concerns.
    pub bytes: Option<u64>,
    /// How many files it concerns.
    pub files: Option<u64>,
    /// Since when, in nanoseconds since boot.
    pub since: Option<u64>,
}

impl Notice {
    /// Of which only the reason is known.
    pub fn of(reason: &'static str) -> Self {
        Self {
            reason,
            ..Self::default()
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.reason {
            "write_failed" => "the log can't be written; events are kept in memory, 16 MiB of them",
            "write_resumed" => "the log is written again",
            "sync_failed" => "the log can't be brought to the disk",
            "rotation_failed" => "no new file can be made for the log; the old one goes on",
            "log_moved" => "the log was moved; a new file is made",
            "log_removed" => "the log was removed; a new file is made",
            "log_truncated" => "something else has cut the log",
            "line_cut" => "a part of a line at the end of the log was cut off",
            "log_expired" => "old files of the log are removed",
            other => other,
        })?;
        if let Some(error) = &self.error {
            write!(f, ": {error}")?;
        }
        if let Some(files) = self.files {
            write!(f, ": {files} files")?;
        }
        if let Some(bytes) = self.bytes {
            write!(f, ": {bytes} bytes")?;
        }
        Ok(())
    }
}

enum Place {
    Log(Log),
    Stdout(File),
}

/// A place for lines.
pub struct Sink {
    place: Place,
    sync: Sync,
    /// Lines that could not be written yet.
    kept: Vec<u8>,
    /// Since when, and when to try again. Nanoseconds since boot.
    failing: Option<(u64, u64)>,
    /// Since when lines wait to be brought to the disk. Nanoseconds since boot.
    dirty: Option<u64>,
    sync_failed: bool,
    notices: Vec<Notice>,
    /// Bytes written since the start.
    pub written: u64,
    /// Lines that were given up since the start.
    pub given_up: u64,
}

impl Sink {
    /// The log in `<data_dir>/log`.
    pub fn log(log: Log, sync: Sync) -> Self {
        Self::new(Place::Log(log), sync)
    }

    /// Standard output.
    ///
    /// # Errors
    /// It is closed.
    pub fn stdout() -> io::Result<Self> {
        let stdout = io::stdout().as_fd().try_clone_to_owned()?;
        Ok(Self::new(Place::Stdout(stdout.into()), Sync::Interval))
    }

    fn new(place: Place, sync: Sync) -> Self {
        Self {
            place,
            sync,
            kept: Vec::new(),
            failing: None,
            dirty: None,
            sync_failed: false,
            notices: Vec::new(),
            written: 0,
            given_up: 0,
        }
    }

    /// What it is called.
    pub fn name(&self) -> String {
        match &self.place {
            Place::Log(log) => log.link().display().to_string(),
            Place::Stdout(_) => "standard output".into(),
        }
    }

    /// Writes whole lines, behind those that could not be written before. What can't be written
    /// is kept, and tried again later.
    pub fn write(&mut self, lines: &[u8], now: Moment) {
        if self.kept.is_empty() {
            let taken = self.append(lines, now, false);
            self.keep(&lines[taken..]);
        } else {
            self.keep(lines);
            if self.failing.is_none_or(|(_, again)| now.boot >= again) {
                let kept = std::mem::take(&mut self.kept);
                let taken = self.append(&kept, now, false);
                self.kept = kept;
                self.kept.drain(..taken);
                self.kept.shrink_to(2 * self.kept.len());
            }
        }
    }

    /// Writes a line that tells of a trouble, ahead of what is kept and where the log has space
    /// for it aside.
    pub fn write_urgent(&mut self, line: &[u8], now: Moment) {
        let is_ahead = matches!(self.place, Place::Log(_)) || self.kept.is_empty();
        let taken = match is_ahead {
            true => self.append(line, now, true),
            false => 0,
        };
        self.keep(&line[taken..]);
    }

    fn append(&mut self, lines: &[u8], now: Moment, urgent: bool) -> usize {
        if lines.is_empty() {
            return 0;
        }
        let (taken, result) = match &mut self.place {
            Place::Log(log) => {
                let done = log.append(lines, now.real / 1_000_000_000, urgent);
                self.notices.extend(log.notices());
                done
            }
            Place::Stdout(stdout) => append(stdout, lines),
        };
        self.written += taken as u64;
        if taken > 0 {
            self.dirty.get_or_insert(now.boot);
        }
        match result {
            // That a short line fits does not mean that the log can be written again.
            Ok(()) if urgent => {}
            Ok(()) => {
                if let Some((since, _)) = self.failing.take() {
                    self.notices.push(Notice {
                        since: Some(since),
                        ..Notice::of("write_resumed")
                    });
                }
            }
            Err(error) => {
                let again = now.boot + AGAIN;
                match &mut self.failing {
                    Some((_, before)) => *before = again,
                    None => {
                        self.failing = Some((now.boot, again));
                        self.notices.push(Notice {
                            error: Some(error.to_string()),
                            ..Notice::of("write_failed")
                        });
                    }
                }
            }
        }
        if self.sync == Sync::PerEvent && self.dirty.is_some() {
            self.synchronize();
        }
        taken
    }

    fn keep(&mut self, lines: &[u8]) {
        if self.kept.len() + lines.len() > KEPT_MOST {
            self.given_up += memchr::memchr_iter(b'\n', lines).count() as u64;
        } else {
            self.kept.extend_from_slice(lines);
        }
    }

    /// Whether so much waits to be written that no more acts can be taken.
    pub fn is_full(&self) -> bool {
        self.kept.len() >= KEPT
    }

    /// Whether the last try to write did not succeed.
    pub fn is_failing(&self) -> bool {
        self.failing.is_some()
    }

    /// Whether everything has been written.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Does what is due: tries again what could not be written, and brings lines to the disk.
    /// `ended` if a session has ended. Tells whether there is reason to come back soon.
    pub fn tick(&mut self, now: Moment, ended: bool) -> bool {
        if !self.kept.is_empty() {
            self.write(&[], now);
        }
        self.synchronized();
        let is_due = |since: u64| match self.sync {
            Sync::PerEvent => true,
            Sync::Interval => now.boot >= since + INTERVAL,
            Sync::SessionEnd => ended,
        };
        if self.dirty.is_some_and(is_due) {
            self.synchronize();
        }
        !self.kept.is_empty() || (self.dirty.is_some() && self.sync != Sync::SessionEnd)
    }

    /// Begins to bring to the disk what is written, unless something is on its way.
    fn synchronize(&mut self) {
        let begun = match &mut self.place {
            Place::Log(log) => log.synchronize(),
            Place::Stdout(_) => Some(Ok(())),
        };
        if let Some(result) = begun {
            self.dirty = None;
            if result.is_err() {
                self.note(result);
            }
        }
    }

    /// Takes note of what has come to the disk, or not.
    fn synchronized(&mut self) {
        while let Place::Log(log) = &mut self.place
            && let Some(result) = log.synchronized()
        {
            self.note(result);
        }
    }

    fn note(&mut self, result: io::Result<()>) {
        let failed = result.is_err();
        if let (Err(error), false) = (result, self.sync_failed) {
            self.notices.push(Notice {
                error: Some(error.to_string()),
                ..Notice::of("sync_failed")
            });
        }
        self.sync_failed = failed;
    }

    /// Something that happened since the last call.
    pub fn notice(&mut self) -> Option<Notice> {
        if let Place::Log(log) = &mut self.place {
            self.notices.extend(log.notices());
        }
        (!self.notices.is_empty()).then(|| self.notices.remove(0))
    }

    /// Opens the log again, because something else has moved it.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn reopen(&mut self) -> io::Result<()> {
        match &mut self.place {
            Place::Log(log) => log.reopen(),
            Place::Stdout(_) => Ok(()),
        }
    }

    /// Tries a last time to write what is kept, and gives up what can't be.
    pub fn give_up(&mut self, now: Moment) {
        self.failing = self.failing.map(|(since, _)| (since, 0));
        self.tick(now, false);
        self.given_up += memchr::memchr_iter(b'\n', &self.kept).count() as u64;
        self.kept.clear();
    }

    /// Waits until all lines are on the disk, and gives back the space that is kept aside.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn close(&mut self) -> io::Result<()> {
        match &mut self.place {
            Place::Log(log) => log.close(),
            Place::Stdout(_) => Ok(()),
        }
    }
}

/// Writes as much as the stream takes; tells how many bytes that was.
fn append(stream: &mut File, bytes: &[u8]) -> (usize, io::Result<()>) {
    let mut written = 0;
    while written < bytes.len() {
        match stream.write(&bytes[written..]) {
            Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
            Ok(count) => written += count,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return (written, Err(e)),
        }
    }
    (written, Ok(()))
}
