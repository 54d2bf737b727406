//! What becomes of old files of the log: of each that has to go for want of space, the lines that matter most stay
//! for longer, and each account and session has its share of that.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustc_hash::FxHashMap;

use super::log::{names, text};
use super::{log::DAY, stored};
use crate::base::{Limits, Notice, Reason, Removed, SUMMARY, named};
use crate::event::Class;
use crate::family::EventType;

/// What stays takes one part in so many: of a file, and of all that is kept.
const PART: u64 = 4;

/// How much is read at a time, so that lines that come meanwhile don't wait. Bytes.
const SLICE: u64 = 256 << 10;

/// How many sessions of a file are named.
const NAMED: usize = 100;

/// Sees to it that files go.
pub struct Retention {
    folder: PathBuf,
    /// Whether there may be something to remove.
    is_due: bool,
    job: Option<Job>,
}

impl Retention {
    /// For the files in this folder; looks at them when asked for the first time.
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            is_due: true,
            job: None,
        }
    }

    /// Has it look at the files again.
    pub fn look(&mut self) {
        self.is_due = true;
    }

    /// Does a little of what is due, but for the file `current`. Tells whether there is more to do.
    pub fn step(&mut self, limits: &Limits, current: &str, notices: &mut Vec<Notice>) -> bool {
        let Some(job) = &mut self.job else {
            let victim = self.is_due.then(|| self.victim(limits, current)).flatten();
            self.is_due = victim.is_some();
            self.job = victim.and_then(Job::begin);
            return self.job.is_some();
        };
        let done = match job.step() {
            Ok(false) => return true,
            done => done.err(),
        };
        let job = self.job.take();
        let notice = job.and_then(|job| job.end(done));
        // What can't be removed would be tried without an end.
        self.is_due = notice.is_some();
        notices.extend(notice);
        self.is_due
    }

    /// The next file that has to go.
    fn victim(&self, limits: &Limits, current: &str) -> Option<Victim> {
        let Limits {
            days, total_size, ..
        } = *limits;
        if (days, total_size) == (0, 0) {
            return None;
        }
        let files = list(&self.folder);
        let summary = self.folder.join(SUMMARY);
        let summaries = list(&summary);
        let size = |files: &[Victim]| files.iter().map(|file| file.size).sum::<u64>();
        let (all, kept) = (size(&files), size(&summaries));
        let old: Vec<_> = files
            .into_iter()
            .filter(|file| !file.path.ends_with(current))
            .collect();
        let age = Duration::from_secs(days.saturating_mul(DAY));
        let oldest = SystemTime::now().checked_sub(age).filter(|_| days > 0);
        let is_old = |file: &&Victim| oldest.is_some_and(|oldest| file.modified < oldest);
        if let Some(file) = old.iter().chain(&summaries).find(is_old) {
            return Some(file.clone());
        }
        if total_size > 0 && kept > total_size / PART {
            return summaries.into_iter().next();
        }
        let first = old.into_iter().next()?;
        let file = Victim {
            summary: Some(summary),
            ..first
        };
        (total_size > 0 && all + kept > total_size).then_some(file)
    }
}

/// A file that has to go.
#[derive(Clone)]
struct Victim {
    path: PathBuf,
    size: u64,
    modified: SystemTime,
    /// Where something of it stays.
    summary: Option<PathBuf>,
}

/// The files of the log in a folder, oldest first.
fn list(folder: &Path) -> Vec<Victim> {
    let files = names(folder).into_iter().filter_map(|name| {
        let path = folder.join(text(name));
        let metadata = fs::symlink_metadata(&path).ok()?;
        Some(Victim {
            path,
            size: metadata.len(),
            modified: metadata.modified().ok()?,
            summary: None,
        })
    });
    files.collect()
}

/// Bytes of lines of a session, by what they are worth.
#[derive(Clone, Copy, Default)]
struct Bytes {
    /// How it began and ended, and what was lost.
    frames: u64,
    /// What it did, but for the bulk.
    acts: u64,
}

/// By session.
type Shares = FxHashMap<Vec<u8>, Bytes>;

/// By account.
type Demand = FxHashMap<Vec<u8>, Shares>;

/// A file on its way out: read once to see whose lines it has, and again for those that stay.
struct Job {
    victim: Victim,
    lines: BufReader<File>,
    line: Vec<u8>,
    removed: Removed,
    /// What each session of each account has in it.
    demand: Demand,
    /// What stays of each session, and where; once that is known.
    copy: Option<(Shares, BufWriter<File>)>,
}

impl Job {
    fn begin(victim: Victim) -> Option<Self> {
        let file = File::open(&victim.path).ok()?;
        let parts = victim.path.iter().rev().take(2).collect::<Vec<_>>();
        let name = match parts[..] {
            [name, folder] if folder == SUMMARY => Path::new(folder).join(name),
            [name, ..] => name.into(),
            [] => PathBuf::new(),
        };
        Some(Self {
            lines: BufReader::with_capacity(64 << 10, file),
            line: Vec::new(),
            removed: Removed {
                file: name.display().to_string(),
                ..Removed::default()
            },
            demand: FxHashMap::default(),
            copy: None,
            victim,
        })
    }

    /// Reads some lines. Tells whether all is done that has to be before the file can go.
    fn step(&mut self) -> io::Result<bool> {
        let mut left = SLICE;
        while left > 0 {
            self.line.clear();
            if self.lines.read_until(b'\n', &mut self.line)? == 0 {
                return self.turn();
            }
            left = left.saturating_sub(self.line.len() as u64);
            match &mut self.copy {
                None => self.measure(),
                Some((shares, file)) => {
                    if stays(&self.line, shares) {
                        file.write_all(&self.line)?;
                        self.removed.lines_kept += 1;
                    }
                }
            }
        }
        Ok(false)
    }

    fn measure(&mut self) {
        let Self { line, removed, .. } = self;
        removed.lines += 1;
        let [time, login, sid] = ["time", "login", "sid"].map(|key| stored::value(line, key));
        let time = String::from_utf8_lossy(time);
        if removed.first.is_empty() || *time < *removed.first {
            removed.first = time.clone().into_owned();
        }
        if *time > *removed.last {
            removed.last = time.into_owned();
        }
        let account = match self.demand.get_mut(login) {
            Some(account) => account,
            None => self.demand.entry(login.to_vec()).or_default(),
        };
        let bytes = match account.get_mut(sid) {
            Some(bytes) => bytes,
            None => {
                if !sid.is_empty() {
                    removed.sessions += 1;
                    if removed.sids.len() < NAMED {
                        removed.sids.push(String::from_utf8_lossy(sid).into_owned());
                    }
                }
                account.entry(sid.to_vec()).or_default()
            }
        };
        let length = line.len() as u64;
        match class(line) {
            Class::Frame => bytes.frames += length,
            Class::Act => bytes.acts += length,
            Class::Bulk => {}
        }
    }

    /// Goes from reading to copying, or to the end.
    fn turn(&mut self) -> io::Result<bool> {
        if let Some((_, file)) = &mut self.copy {
            file.flush()?;
            let file = file.get_ref();
            file.sync_data()?;
            // By that, its age counts from its last line.
            file.set_modified(self.victim.modified)?;
            let (folder, name) = self.place().ok_or(io::ErrorKind::NotFound)?;
            let new = folder.join(NEW);
            match self.removed.lines_kept {
                0 => fs::remove_file(new)?,
                _ => fs::rename(new, folder.join(name))?,
            }
            return Ok(true);
        }
        let Some((folder, _)) = self.place() else {
            return Ok(true);
        };
        let made = DirBuilder::new().recursive(true).mode(0o750).create(folder);
        made.map_err(|e| named(folder, &e))?;
        let new = folder.join(NEW);
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o640)
            .open(&new)
            .map_err(|e| named(&new, &e))?;
        self.copy = Some((
            shares(&self.demand, self.victim.size / PART),
            BufWriter::new(file),
        ));
        self.lines.rewind()?;
        Ok(false)
    }

    /// Where something of it stays, and its name there.
    fn place(&self) -> Option<(&Path, &std::ffi::OsStr)> {
        Some((
            self.victim.summary.as_deref()?,
            self.victim.path.file_name()?,
        ))
    }

    /// Removes the file, and tells so; `None` where it can't be removed.
    fn end(mut self, fault: Option<io::Error>) -> Option<Notice> {
        if let (Some((folder, _)), true) = (self.place(), fault.is_some()) {
            let _ = fs::remove_file(folder.join(NEW));
            self.removed.lines_kept = 0;
        }
        fs::remove_file(&self.victim.path).ok()?;
        Some(Notice {
            error: fault.map(|error| error.to_string()),
            bytes: Some(self.victim.size),
            files: Some(1),
            removed: Some(Box::new(self.removed)),
            ..Notice::of(Reason::LogExpired)
        })
    }
}

/// What stays, while it is written.
const NEW: &str = ".new";

/// How a line is kept. What this build does not write stays as other acts do.
fn class(line: &[u8]) -> Class {
    let event = EventType::named(stored::value(line, "event"));
    event.map_or(Class::Act, |event| event.title().class)
}

/// Whether a line stays, by what is left of its session's share. Of what a session did, the beginning stays.
fn stays(line: &[u8], shares: &mut Shares) -> bool {
    let Some(left) = shares.get_mut(stored::value(line, "sid")) else {
        return false;
    };
    let left = match class(line) {
        Class::Frame => &mut left.frames,
        Class::Act => &mut left.acts,
        Class::Bulk => return false,
    };
    let length = line.len() as u64;
    let fits = length <= *left;
    *left = if fits { *left - length } else { 0 };
    fits
}

/// What stays of each session where there is room for `budget` bytes: no account is cut while another one has
/// more, and no session of an account.
fn shares(demand: &Demand, budget: u64) -> Shares {
    let all = |bytes: &Bytes| bytes.frames + bytes.acts;
    let of_account = |sessions: &FxHashMap<_, _>| sessions.values().map(all).sum::<u64>();
    let most = level(demand.values().map(of_account).collect(), budget);
    let mut shares = FxHashMap::default();
    for sessions in demand.values() {
        let most = level(sessions.values().map(all).collect(), most.min(budget));
        for (sid, bytes) in sessions {
            let frames = bytes.frames.min(most);
            let acts = bytes.acts.min(most - frames);
            shares.insert(sid.clone(), Bytes { frames, acts });
        }
    }
    shares
}

/// The most that one can have, so that all together have no more than `budget`.
fn level(mut demands: Vec<u64>, budget: u64) -> u64 {
    demands.sort_unstable();
    let mut left = budget;
    let mut others = demands.len() as u64;
    for demand in demands {
        if demand > left / others {
            return left / others;
        }
        left -= demand;
        others -= 1;
    }
    u64::MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_wants_little_gets_all_of_it() {
        let of = |demands: &[u64], budget| level(demands.to_vec(), budget);
        assert_eq!(of(&[], 10), u64::MAX);
        assert_eq!(of(&[5, 5], 10), u64::MAX);
        assert_eq!(of(&[1_000, 2, 3], 10), 5);
        assert_eq!(of(&[1_000, 1_000, 1], 11), 5);
        assert_eq!(of(&[7, 7], 0), 0);
    }

    #[test]
    fn an_account_with_many_sessions_has_one_share() {
        let bytes = |frames, acts| Bytes { frames, acts };
        let many = (0..10).map(|sid| (vec![sid], bytes(10, 90))).collect();
        let one = [(vec![99], bytes(10, 40))].into_iter().collect();
        let demand = [(b"many".to_vec(), many), (b"one".to_vec(), one)];
        let shares = shares(&demand.into_iter().collect(), 250);
        let share = |sid: u8| (shares[&vec![sid]].frames, shares[&vec![sid]].acts);
        assert_eq!(share(99), (10, 40));
        assert!((0..10).all(|sid| share(sid) == (10, 10)));
    }
}
