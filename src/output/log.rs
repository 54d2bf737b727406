//! The log on disk: a file for each UTC day, or more, and a link to the one being written.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::disk::Disk;
use super::file::{Found, LogFile, piece};
use super::retention::Retention;
use crate::base::{Limits, Notice, Reason, date, instant, monotonic_time, named};
use crate::seal::{CHECKPOINT_MOST, Kind, Sealer};

/// The link to the file that is being written.
const LINK: &str = "events.log";

/// Seconds.
pub const DAY: u64 = 86_400;

/// How long to wait before a checkpoint that could not be written is tried again. Nanoseconds.
const SEAL_AGAIN: u64 = 1_000_000_000;

/// How often to ask for the lock of the folder, a millisecond apart: it is held for one write.
const ATTEMPTS: u32 = 100;

/// The log of one host.
pub struct Log {
    folder: PathBuf,
    limits: Limits,
    /// Keeps others that write here apart from one another.
    lock: File,
    file: LogFile,
    disk: Disk,
    /// The name of the file, as a time: seconds since 1970-01-01 UTC.
    name: u64,
    notices: Vec<Notice>,
    retention: Box<Retention>,
    sealer: Option<Box<Sealer>>,
    /// Bytes of checkpoints since that was asked.
    sealed: u64,
    /// Since a checkpoint could not be written: when that is tried again. Nanoseconds since boot.
    seal_again: Option<u64>,
    /// There was no new file the last time that one was due.
    stuck: bool,
}

impl Log {
    /// Opens the newest file in `<data_dir>/log/<host>`, or makes one for `now`, in seconds since
    /// 1970-01-01 UTC.
    ///
    /// # Errors
    /// What can't be created or opened, by name, and why.
    pub fn open(data_dir: &Path, host: &str, limits: Limits, now: u64) -> io::Result<Self> {
        let folder = data_dir.join("log").join(host);
        let lock = make(&folder)?;
        locked(&lock, || {
            // A crash can have left a part of a line in a file that is not the one to write to.
            let last = fs::read_link(folder.join(LINK)).ok();
            let name = choose(&folder, None, limits.of_file(), now)?;
            let mut notices = Vec::new();
            if let Some(last) = last.filter(|last| *last != Path::new(&text(name)))
                && let Ok(metadata) = fs::symlink_metadata(folder.join(&last))
                && metadata.is_file()
                && let Ok((mut file, cut)) = LogFile::open(&folder.join(last))
            {
                notice_cut(&mut notices, cut);
                file.release();
            }
            let (file, cut) = begin(&folder, name)?;
            notice_cut(&mut notices, cut);
            notices.extend(lead_to_host(&folder));
            Ok((file, name, notices))
        })
        .map(|(file, name, notices)| Self {
            retention: Box::new(Retention::new(&folder)),
            sealer: None,
            sealed: 0,
            seal_again: None,
            folder,
            limits,
            lock,
            file,
            disk: Disk::new(),
            name,
            notices,
            stuck: false,
        })
    }

    /// Has other limits from now on.
    pub fn limit(&mut self, limits: Limits) {
        self.limits = limits;
        self.retention.look();
    }

    /// The link to the file that is being written.
    pub fn link(&self) -> PathBuf {
        self.folder.join(LINK)
    }

    /// Has the log sealed from now on.
    ///
    /// # Errors
    /// The error of reading what is in the file already.
    pub fn seal(&mut self, mut sealer: Sealer) -> io::Result<()> {
        sealer.follow(&text(self.name), self.file.file(), self.file.end())?;
        self.sealer = Some(Box::new(sealer));
        Ok(())
    }

    /// The host has another name from now on.
    pub fn rename(&mut self, name: &str) {
        if let Some(sealer) = &mut self.sealer {
            sealer.rename(name);
        }
    }

    /// Bytes of checkpoints that were written since the last call.
    pub fn sealed(&mut self) -> u64 {
        std::mem::take(&mut self.sealed)
    }

    /// How long it takes until a checkpoint is due.
    pub fn rest(&self) -> Duration {
        let rest = self.sealer.as_ref().map_or(Duration::MAX, |it| it.rest());
        let again = self
            .seal_again
            .map_or(0, |again| again.saturating_sub(monotonic_time()));
        rest.max(Duration::from_nanos(again))
    }

    /// Writes the checkpoint that is due, if one is.
    pub fn seal_due(&mut self) {
        if self.rest().is_zero() {
            let fd = self.lock.as_raw_fd();
            let done = take(fd).and_then(|()| {
                let done = self.checkpoint(Kind::Periodic);
                give_back(fd);
                done
            });
            self.note_seal(done);
        }
    }

    /// Writes a checkpoint about what is in the file.
    fn checkpoint(&mut self, kind: Kind) -> io::Result<()> {
        let Some(sealer) = &mut self.sealer else {
            return Ok(());
        };
        loop {
            // Others may have written here, too.
            let end = self.file.settle()?;
            sealer.catch_up(self.file.file(), end)?;
            let Some(line) = sealer.prepare(kind) else {
                return Ok(());
            };
            let (count, result) = self.file.append(&line, true);
            if count < line.len() {
                sealer.abort();
                return result;
            }
            self.sealed += count as u64;
            let done = sealer.commit();
            sealer.take(&line, self.file.file(), self.file.end())?;
            // The first one of a file, or of a recorder, may have gone before.
            if !kind.is_last() || done == Some(kind) {
                return result;
            }
        }
    }

    /// Has the seal follow what was written, and be written where it is due.
    fn take_in(&mut self, lines: &[u8]) {
        let Some(sealer) = &mut self.sealer else {
            return;
        };
        let taken = sealer.take(lines, self.file.file(), self.file.end());
        let is_due = sealer.rest().is_zero();
        let done = match is_due && self.rest().is_zero() {
            true => taken.and_then(|()| self.checkpoint(Kind::Periodic)),
            false => taken,
        };
        self.note_seal(done);
    }

    /// A checkpoint that could not be written is tried again.
    fn note_seal(&mut self, done: io::Result<()>) {
        let Err(error) = done else {
            self.seal_again = None;
            return;
        };
        if self
            .seal_again
            .replace(monotonic_time() + SEAL_AGAIN)
            .is_none()
        {
            self.notices.push(Notice {
                error: Some(error.to_string()),
                ..Notice::of(Reason::SealFailed)
            });
        }
    }

    /// What there is to tell since the last call.
    pub fn notices(&mut self) -> impl Iterator<Item = Notice> {
        self.notices.drain(..)
    }

    /// Appends whole lines at the time `now`, in seconds since 1970-01-01 UTC; a clock that is set
    /// back does not bring an older file back. Tells how many bytes of them are in the log, up to
    /// the end of a line. What is `urgent` may use the space that is kept aside.
    pub fn append(&mut self, lines: &[u8], now: u64, urgent: bool) -> (usize, io::Result<()>) {
        let fd = self.lock.as_raw_fd();
        if let Err(error) = take(fd) {
            return (0, Err(error));
        }
        let done = self.append_locked(lines, now, urgent);
        give_back(fd);
        done
    }

    fn append_locked(&mut self, lines: &[u8], now: u64, urgent: bool) -> (usize, io::Result<()>) {
        if let Err(error) = self.follow(now) {
            return (0, Err(error));
        }
        let mut taken = 0;
        while taken < lines.len() {
            let most = match self.limits.of_file() {
                0 => usize::MAX,
                size => size.saturating_sub(self.file.end() + self.aside()) as usize,
            };
            let next = piece(&lines[taken..], most);
            let is_full = next.len() > most && self.file.end() > 0;
            if is_full || now / DAY > self.name / DAY {
                match self.rotate(now) {
                    Ok(()) => {
                        self.stuck = false;
                        // A file of a day that is over, or full, is done with.
                        continue;
                    }
                    // Where there can be no new file, the old one goes on.
                    Err(error) if !self.stuck => {
                        self.notices.push(Notice {
                            error: Some(error.to_string()),
                            ..Notice::of(Reason::RotationFailed)
                        });
                        self.stuck = true;
                    }
                    Err(_) => {}
                }
            }
            let (count, result) = self.file.append(next, urgent);
            taken += count;
            if count > 0 {
                self.take_in(&next[..count]);
            }
            if result.is_err() {
                return (taken, result);
            }
        }
        (taken, Ok(()))
    }

    /// What a file of limited size keeps free for its last checkpoint. Bytes.
    fn aside(&self) -> u64 {
        match self.sealer {
            Some(_) => CHECKPOINT_MOST,
            None => 0,
        }
    }

    /// Sees to it that the file is the one that its name leads to.
    fn follow(&mut self, now: u64) -> io::Result<()> {
        let (reason, bytes) = match self.file.look()? {
            Found::Same => return Ok(()),
            Found::Truncated(bytes) => (Reason::LogTruncated, Some(bytes)),
            Found::Removed(bytes) => (Reason::LogRemoved, Some(bytes)),
            Found::Moved => (Reason::LogMoved, None),
        };
        if reason != Reason::LogTruncated {
            self.lock = make(&self.folder)?;
            self.renew(choose(&self.folder, None, self.limits.of_file(), now)?.max(self.name))?;
            self.notices.extend(lead_to_host(&self.folder));
        }
        self.notices.push(Notice {
            bytes,
            ..Notice::of(reason)
        });
        Ok(())
    }

    fn rotate(&mut self, now: u64) -> io::Result<()> {
        let name = choose(&self.folder, Some(self.name), self.limits.of_file(), now)?;
        self.renew(name)?;
        self.retention.look();
        Ok(())
    }

    fn renew(&mut self, name: u64) -> io::Result<()> {
        let closed = self.checkpoint(Kind::Close);
        self.note_seal(closed);
        let (file, cut) = begin(&self.folder, name)?;
        let mut old = std::mem::replace(&mut self.file, file);
        self.name = name;
        notice_cut(&mut self.notices, cut);
        if let Some(sealer) = &mut self.sealer {
            let followed = sealer.follow(&text(name), self.file.file(), self.file.end());
            self.note_seal(followed);
        }
        old.release();
        if let Err(error) = self.disk.begin(old.file()) {
            self.notices.push(Notice {
                error: Some(error.to_string()),
                ..Notice::of(Reason::SyncFailed)
            });
        }
        Ok(())
    }

    /// Removes a little of what is older, or more, than is to be kept. Tells whether there is more to do.
    pub fn tidy(&mut self) -> bool {
        let current = text(self.name);
        self.retention
            .step(&self.limits, &current, &mut self.notices)
    }

    /// Opens the file again by its name.
    ///
    /// # Errors
    /// What can't be created or opened, by name, and why.
    pub fn reopen(&mut self) -> io::Result<()> {
        self.lock = make(&self.folder)?;
        self.renew(self.name)
    }

    /// Begins to bring all lines to the disk, unless some are on their way.
    pub fn synchronize(&mut self) -> Option<io::Result<()>> {
        self.disk
            .is_idle()
            .then(|| self.disk.begin(self.file.file()))
    }

    /// Whether no lines are on their way to the disk.
    pub fn is_synchronized(&self) -> bool {
        self.disk.is_idle()
    }

    /// What became of lines that were on their way to the disk.
    pub fn synchronized(&mut self) -> Option<io::Result<()>> {
        self.disk.done()
    }

    /// Closes the chain of checkpoints, waits until all lines are on the disk, and gives back the space that is kept
    /// aside.
    ///
    /// # Errors
    /// What keeps the chain from being closed, and the error of fdatasync(2).
    pub fn close(&mut self) -> io::Result<()> {
        let sealed = self.seal_end();
        let before: io::Result<()> = self.disk.wait().collect();
        let last = self.file.file().sync_data();
        self.file.release();
        before.and(last).and(sealed)
    }

    fn seal_end(&mut self) -> io::Result<()> {
        let fd = self.lock.as_raw_fd();
        take(fd)?;
        let done = self.checkpoint(Kind::End);
        give_back(fd);
        self.sealer.take().map_or(Ok(()), |it| it.end()).and(done)
    }
}

fn notice_cut(notices: &mut Vec<Notice>, cut: u64) {
    if cut > 0 {
        notices.push(Notice {
            bytes: Some(cut),
            ..Notice::of(Reason::LineCut)
        });
    }
}

/// Makes the folder, and the file in it on which its writers take turns.
fn make(folder: &Path) -> io::Result<File> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o750)
        .create(folder)
        .map_err(|e| named(folder, &e))?;
    let path = folder.join(".lock");
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(|e| named(&path, &e))
}

fn take(fd: i32) -> io::Result<()> {
    for _ in 0..ATTEMPTS {
        // SAFETY: takes numbers.
        if unsafe { libc::flock(fd, libc::LOCK_EX | libc::LOCK_NB) } == 0 {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Err(io::Error::last_os_error())
}

fn give_back(fd: i32) {
    // SAFETY: takes numbers; a descriptor that was closed meanwhile has given it back.
    unsafe { libc::flock(fd, libc::LOCK_UN) };
}

fn locked<T>(lock: &File, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    take(lock.as_raw_fd())?;
    let done = act();
    give_back(lock.as_raw_fd());
    done
}

/// The name of a file. Names sort by time.
pub fn text(name: u64) -> String {
    let (year, month, day) = date(name / DAY);
    let (hour, minute, second) = (name % DAY / 3600, name / 60 % 60, name % 60);
    format!("{year:04}-{month:02}-{day:02}.{hour:02}:{minute:02}:{second:02}.log")
}

/// The time that is the name of a file of the log, if it is one.
fn time(name: &str) -> Option<u64> {
    let (day, time) = (name.get(..10)?, name.get(11..19)?);
    let time = u64::try_from(instant(&format!("{day}T{time}Z"))? / 1000).ok()?;
    (text(time) == name).then_some(time)
}

/// The files in the folder whose names are text.
fn entries(folder: &Path) -> impl Iterator<Item = String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok())
}

/// The files of the log, oldest first.
pub fn names(folder: &Path) -> Vec<u64> {
    let mut names: Vec<_> = entries(folder).filter_map(|name| time(&name)).collect();
    names.sort_unstable();
    names
}

/// The newest file of the log.
fn newest(folder: &Path) -> Option<u64> {
    let later = |newest: String, name: String| match name > newest && time(&name).is_some() {
        true => name,
        false => newest,
    };
    time(&entries(folder).fold(String::new(), later))
}

/// The newest file, if it is of today, not `full`, and has room; else the name of a new one, which
/// sorts behind all others.
fn choose(folder: &Path, full: Option<u64>, size: u64, now: u64) -> io::Result<u64> {
    let today = now / DAY * DAY;
    let Some(newest) = newest(folder).max(full).filter(|name| *name >= today) else {
        return Ok(today);
    };
    let length = fs::metadata(folder.join(text(newest))).map_or(0, |file| file.len());
    match full == Some(newest) || (size > 0 && length >= size) {
        true => Ok(now.max(newest + 1)),
        false => Ok(newest),
    }
}

/// Opens a file, and has the link lead to it.
fn begin(folder: &Path, name: u64) -> io::Result<(LogFile, u64)> {
    let name = text(name);
    let path = folder.join(&name);
    let opened = LogFile::open(&path).map_err(|e| named(&path, &e))?;
    lead(folder, Path::new(&name))?;
    Ok(opened)
}

/// Has the link in `folder` lead to `target`. A new link takes the old one's place at once, so that `tail -F`
/// never finds none.
fn lead(folder: &Path, target: &Path) -> io::Result<()> {
    let link = folder.join(LINK);
    if fs::read_link(&link).is_ok_and(|now| now == target) {
        return Ok(());
    }
    let new = folder.join(".events.log");
    match fs::remove_file(&new) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(named(&new, &e)),
        _ => {}
    }
    symlink(target, &new).map_err(|e| named(&new, &e))?;
    fs::rename(&new, &link).map_err(|e| named(&link, &e))
}

/// Has a link in the folder of all hosts lead to the one of this host: its id is no path for a person.
fn lead_to_host(folder: &Path) -> Option<Notice> {
    let (all, host) = (folder.parent()?, folder.file_name()?);
    let link = all.join(LINK);
    // What is no link is somebody else's log.
    let is_free = fs::symlink_metadata(&link).map_or(true, |there| there.is_symlink());
    let error = match is_free {
        true => lead(all, &Path::new(host).join(LINK)).err()?,
        false => named(
            &link,
            &io::Error::other("it is not a symbolic link; move it away"),
        ),
    };
    Some(Notice {
        error: Some(error.to_string()),
        ..Notice::of(Reason::LinkFailed)
    })
}

#[cfg(test)]
mod tests;
