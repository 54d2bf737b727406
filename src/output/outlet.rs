//! One output, and what waits to go there.

use std::io;
use std::time::Duration;

use super::{Journald, Log, Patience, Stdout, Syslog};
use crate::base::{Account, Limits, Moment, Notice, Output, Reason, Sync, named};
use crate::event::{Batch, Class, Lines};
use crate::seal::Sealer;

/// What is kept in memory while nothing can be written: so much, then only how sessions begin and
/// end and what they lost, then nothing. Bytes.
pub const KEPT: usize = 16 << 20;
pub const KEPT_MOST: usize = 2 * KEPT;

/// How long to wait before trying again to write, after a fault and where somebody else is slow to
/// read. Nanoseconds.
const AGAIN: u64 = 250_000_000;
const SLOW: u64 = 20_000_000;

/// For how long somebody may be slow before that is told. Nanoseconds.
pub const SLOW_AT_ALL: u64 = 1_000_000_000;

/// How long a reader that makes progress may keep the daemon from its rings at a time.
pub const PATIENCE: Duration = Duration::from_millis(25);

/// How long lines may wait to be brought to the disk. Nanoseconds.
const INTERVAL: u64 = 1_000_000_000;

/// A place for lines.
pub enum Place {
    /// The log below `data_dir`.
    File(Log),
    /// Standard output.
    Stdout(Stdout),
    /// The local socket of a syslog daemon.
    Syslog(Syslog),
    /// The socket of systemd's journal.
    Journald(Journald),
}

impl Place {
    /// Whether a disk can hold up who writes to it.
    pub fn can_wait(&self) -> bool {
        match self {
            Self::File(_) => true,
            Self::Stdout(stdout) => stdout.can_wait(),
            Self::Syslog(_) | Self::Journald(_) => false,
        }
    }

    /// Which it is.
    pub fn output(&self) -> Output {
        match self {
            Self::File(_) => Output::File,
            Self::Stdout(_) => Output::Stdout,
            Self::Syslog(_) => Output::Syslog,
            Self::Journald(_) => Output::Journald,
        }
    }
}

/// Since when it can't be written to, and until when that is not tried again.
struct Failing {
    /// Nanoseconds since boot.
    since: u64,
    /// Nanoseconds since boot.
    again: u64,
    /// Whether that was told.
    told: bool,
}

/// An output, and the lines that it has not taken yet.
pub struct Outlet {
    place: Place,
    sync: Sync,
    /// Lines that could not be written yet.
    kept: Batch,
    failing: Option<Failing>,
    /// It took nothing the last time.
    is_stuck: bool,
    /// Since when lines wait to be brought to the disk. Nanoseconds since boot.
    dirty: Option<u64>,
    sync_failed: bool,
    notices: Vec<Notice>,
    /// Bytes written since the start.
    pub written: u64,
    /// When that was last, nanoseconds since 1970; 0 before the first time.
    pub last: u64,
    /// Lines that were given up since the start.
    pub discarded: u64,
    /// Lines that it did not get, and of which session.lost tells.
    pub excluded: u64,
}

impl Outlet {
    /// Has other limits and another policy from now on, as far as this output knows any.
    pub fn follow(&mut self, limits: Limits, sync: Sync) {
        self.sync = sync;
        if let Place::File(log) = &mut self.place {
            log.limit(limits);
        }
    }

    /// An output of which nothing is kept.
    pub fn new(place: Place, sync: Sync) -> Self {
        Self {
            place,
            sync,
            kept: Batch::default(),
            failing: None,
            is_stuck: false,
            dirty: None,
            sync_failed: false,
            notices: Vec::new(),
            written: 0,
            last: 0,
            discarded: 0,
            excluded: 0,
        }
    }

    /// Which it is.
    pub fn output(&self) -> Output {
        self.place.output()
    }

    /// What became of the lines.
    pub fn account(&self) -> Account {
        Account {
            output: self.output(),
            written: self.written,
            lost: self.discarded + self.excluded,
            last: self.last,
        }
    }

    /// Whether a disk can hold up who writes to it.
    pub fn can_wait(&self) -> bool {
        self.place.can_wait()
    }

    /// What it is called.
    pub fn name(&self) -> String {
        match &self.place {
            Place::File(log) => log.link().display().to_string(),
            Place::Stdout(_) => "standard output".into(),
            Place::Syslog(_) => "syslog".into(),
            Place::Journald(_) => "the journal".into(),
        }
    }

    /// Writes whole lines, behind those that could not be written before. What can't be written
    /// is kept, and tried again later.
    pub fn write(&mut self, lines: Lines<'_>, now: Moment) {
        if self.is_empty() {
            let taken = self.append(lines, now, false, PATIENCE);
            self.keep(lines.behind(taken));
        } else {
            self.keep(lines);
            let is_due = |failing: &Failing| now.boot >= failing.again;
            if self.failing.as_ref().is_none_or(is_due) {
                self.write_kept(now, PATIENCE);
            }
        }
    }

    /// Writes those lines that frame sessions ([`Class::Frame`]), and counts the others as left out.
    pub fn write_frames(&mut self, lines: Lines<'_>, now: Moment) {
        for (line, one) in lines.each() {
            match line.title().class {
                Class::Frame => self.write(one, now),
                Class::Act | Class::Bulk => self.excluded += 1,
            }
        }
    }

    /// Writes a line about the recorder itself: while the log can't be written, ahead of what is
    /// kept, where there is space for it aside.
    pub fn tell(&mut self, line: Lines<'_>, now: Moment) {
        match &self.place {
            Place::File(_) if self.failing.is_some() => {
                let taken = self.append(line, now, true, PATIENCE);
                self.keep(line.behind(taken));
            }
            _ => self.write(line, now),
        }
    }

    fn write_kept(&mut self, now: Moment, patience: Duration) {
        let kept = std::mem::take(&mut self.kept);
        let taken = self.append(kept.lines(), now, false, patience);
        self.kept = kept;
        self.kept.remove(taken);
    }

    fn append(&mut self, lines: Lines<'_>, now: Moment, urgent: bool, patience: Duration) -> usize {
        if lines.is_empty() {
            return 0;
        }
        // Of a reader that takes nothing at all, nothing is to be had by waiting.
        let patience = Patience::new(match self.is_stuck {
            true => patience.saturating_sub(PATIENCE),
            false => patience,
        });
        let (taken, result) = match &mut self.place {
            Place::File(log) => {
                let done = log.append(lines.bytes(), now.real / 1_000_000_000, urgent);
                self.notices.extend(log.notices());
                done
            }
            Place::Stdout(stdout) => stdout.append(lines.bytes(), &patience),
            Place::Syslog(syslog) => {
                let done = syslog.append(lines, &patience);
                let (bytes, count) = syslog.too_long();
                if count > 0 {
                    self.discarded += count;
                    self.notices.push(Notice {
                        bytes: Some(bytes),
                        ..Notice::of(Reason::LineTooLong)
                    });
                }
                done
            }
            Place::Journald(journald) => journald.append(lines, &patience),
        };
        if taken > 0 {
            self.written += taken as u64;
            self.last = now.real;
        }
        self.is_stuck = taken == 0 && result.is_err();
        self.count_seal(now);
        if taken > 0 && self.is_file() {
            self.dirty.get_or_insert(now.boot);
        }
        match result {
            // That a short line fits does not mean that the log can be written again.
            Ok(()) if urgent => {}
            Ok(()) => self.resume(),
            Err(error) => self.fail(&error, now.boot),
        }
        if self.sync == Sync::PerEvent && self.dirty.is_some() {
            self.synchronize();
        }
        taken
    }

    /// Counts what was written to seal the log.
    fn count_seal(&mut self, now: Moment) {
        if let Place::File(log) = &mut self.place {
            let bytes = log.sealed();
            if bytes > 0 {
                self.written += bytes;
                self.last = now.real;
                self.dirty.get_or_insert(now.boot);
            }
        }
    }

    /// Has the log sealed from now on.
    ///
    /// # Errors
    /// The error of reading what is in the log already.
    pub fn seal(&mut self, sealer: Sealer) -> io::Result<()> {
        match &mut self.place {
            Place::File(log) => log.seal(sealer),
            _ => Ok(()),
        }
    }

    /// The host has another name from now on.
    pub fn rename(&mut self, name: &str) {
        if let Place::File(log) = &mut self.place {
            log.rename(name);
        }
    }

    /// How long it takes until something is due that nobody orders.
    pub fn rest(&self) -> Duration {
        match (&self.place, &self.failing) {
            (Place::File(log), None) => log.rest(),
            _ => Duration::MAX,
        }
    }

    fn fail(&mut self, error: &io::Error, now: u64) {
        let is_slow = error.kind() == io::ErrorKind::WouldBlock && !self.is_file();
        let failing = self.failing.get_or_insert(Failing {
            since: now,
            again: 0,
            told: false,
        });
        failing.again = now + if is_slow { SLOW } else { AGAIN };
        let is_news = !is_slow || now >= failing.since + SLOW_AT_ALL;
        if is_news && !failing.told {
            failing.told = true;
            let error = match &mut self.place {
                Place::File(_) | Place::Stdout(_) => error.to_string(),
                Place::Syslog(syslog) => named(syslog.socket().path(), error).to_string(),
                Place::Journald(journald) => named(journald.socket().path(), error).to_string(),
            };
            self.notices.push(Notice {
                error: Some(error),
                ..Notice::of(Reason::WriteFailed)
            });
        }
    }

    fn resume(&mut self) {
        if let Some(Failing {
            since, told: true, ..
        }) = self.failing.take()
        {
            self.notices.push(Notice {
                since: Some(since),
                ..Notice::of(Reason::WriteResumed)
            });
        }
    }

    fn is_file(&self) -> bool {
        matches!(self.place, Place::File(_))
    }

    fn keep(&mut self, lines: Lines<'_>) {
        if self.kept().0 + lines.bytes().len() > KEPT_MOST {
            self.discarded += lines.count();
        } else {
            self.kept.extend(lines);
        }
    }

    /// Bytes and number of the lines that could not be written yet.
    pub fn kept(&self) -> (usize, u64) {
        let kept = self.kept.lines();
        (kept.bytes().len(), kept.count())
    }

    /// Whether so much waits to be written that no more acts can be taken.
    pub fn is_full(&self) -> bool {
        self.kept().0 >= KEPT
    }

    /// Whether everything has been written.
    pub fn is_empty(&self) -> bool {
        self.kept.lines().is_empty()
    }

    /// Does what is due: tries again what could not be written, and brings lines to the disk.
    /// `ended` if a session has ended. Tells whether there is reason to come back soon.
    pub fn tick(&mut self, now: Moment, ended: bool) -> bool {
        if !self.is_empty() {
            self.write(Lines::default(), now);
        }
        if let Place::File(log) = &mut self.place
            && self.failing.is_none()
        {
            log.seal_due();
        }
        self.count_seal(now);
        self.synchronized();
        let is_due = |since: u64| match self.sync {
            Sync::PerEvent => true,
            Sync::Interval => now.boot >= since + INTERVAL,
            Sync::SessionEnd => ended,
        };
        if self.dirty.is_some_and(is_due) {
            self.synchronize();
        }
        let is_syncing = matches!(&self.place, Place::File(log) if !log.is_synchronized());
        !self.is_empty() || is_syncing || (self.dirty.is_some() && self.sync != Sync::SessionEnd)
    }

    /// Begins to bring to the disk what is written, unless something is on its way.
    fn synchronize(&mut self) {
        if let Place::File(log) = &mut self.place
            && let Some(result) = log.synchronize()
        {
            self.dirty = None;
            if result.is_err() {
                self.note(result);
            }
        }
    }

    /// Takes note of what has come to the disk, or not.
    fn synchronized(&mut self) {
        while let Place::File(log) = &mut self.place
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
                ..Notice::of(Reason::SyncFailed)
            });
        }
        self.sync_failed = failed;
    }

    /// Does a little of what has time. Tells whether there is more of it.
    pub fn tidy(&mut self) -> bool {
        match &mut self.place {
            Place::File(log) => log.tidy(),
            _ => false,
        }
    }

    /// Something that happened since the last call.
    pub fn notice(&mut self) -> Option<Notice> {
        if let Place::File(log) = &mut self.place {
            self.notices.extend(log.notices());
        }
        (!self.notices.is_empty()).then(|| Notice {
            output: Some(self.place.output()),
            ..self.notices.remove(0)
        })
    }

    /// Opens it again, because something else has moved it.
    ///
    /// # Errors
    /// The error of opening the file.
    pub fn reopen(&mut self) -> io::Result<()> {
        match &mut self.place {
            Place::File(log) => return log.reopen(),
            Place::Stdout(_) => {}
            Place::Syslog(syslog) => syslog.socket().reopen(),
            Place::Journald(journald) => journald.socket().reopen(),
        }
        Ok(())
    }

    /// Tries a last time to write what is kept, and gives up what can't be. A reader that is slow
    /// is waited for with `patience`.
    pub fn give_up(&mut self, now: Moment, patience: Duration) {
        if !self.is_empty() {
            self.write_kept(now, patience);
        }
        self.discarded += self.kept.lines().count();
        self.kept.clear();
    }

    /// Waits until all lines are on the disk, and gives back the space that is kept aside.
    ///
    /// # Errors
    /// The error of the last sync.
    pub fn close(&mut self) -> io::Result<()> {
        match &mut self.place {
            Place::File(log) => log.close(),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::lines_of;

    /// Whether lines wait to be brought to the disk: when they are written, a second later, and when a session
    /// has ended.
    fn waits(sync: Sync) -> [bool; 3] {
        let folder = std::env::temp_dir().join(format!("recorderd-sync-{}", std::process::id()));
        let log = Log::open(&folder, "host", Limits::default(), 0).unwrap();
        let mut outlet = Outlet::new(Place::File(log), sync);
        let mut now = Moment { boot: 1, real: 1 };
        outlet.write(lines_of("{}\n").lines(), now);
        let written = outlet.dirty.is_some();
        now.boot += INTERVAL;
        let later = [false, true].map(|ended| {
            outlet.tick(now, ended);
            outlet.dirty.is_some()
        });
        std::fs::remove_dir_all(&folder).unwrap();
        [written, later[0], later[1]]
    }

    #[test]
    fn lines_come_to_the_disk_when_the_policy_says_so() {
        assert_eq!(waits(Sync::PerEvent), [false; 3]);
        assert_eq!(waits(Sync::Interval), [true, false, false]);
        assert_eq!(waits(Sync::SessionEnd), [true, true, false]);
    }
}
