//! The files of recordings, which a thread writes: what a disk holds up is no reason not to read the rings.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use crate::base::stderr::Chores;
use crate::base::{Limits, named};
use crate::output::WriterThread;

/// The folder of recordings, in that of the host.
pub const FOLDER: &str = "sessions";

/// The end of their names.
const EXTENSION: &str = "cast";

/// So much may wait for the disk. Bytes, and parts.
const BEHIND: (usize, usize) = (8 << 20, 256);

/// So much of the disk is left to the log. Bytes.
const LEFT: u64 = 64 << 20;

/// Where recordings are kept.
pub struct Store {
    folder: PathBuf,
    thread: WriterThread,
    waiting: Arc<(AtomicUsize, AtomicUsize)>,
    limits: Limits,
}

/// A file of a recording.
#[derive(Clone)]
pub struct Recording(Arc<Shared>);

struct Shared {
    path: PathBuf,
    file: Mutex<Option<File>>,
    /// Whether something could not be written, and nothing is written any more.
    has_failed: AtomicBool,
}

impl Store {
    /// In the folder of a host, with a thread in which `first` is run before all else.
    ///
    /// # Errors
    /// The error of clone(2).
    pub fn start(host: &Path, limits: Limits, first: fn()) -> io::Result<Self> {
        let this = Self {
            folder: host.join(FOLDER),
            thread: WriterThread::start(None, None, first)?,
            waiting: Arc::default(),
            limits,
        };
        this.sweep();
        Ok(this)
    }

    /// Has other limits from now on.
    pub fn follow(&mut self, limits: Limits) {
        self.limits = limits;
        self.sweep();
    }

    /// A file of this name, which is made when there is something to write.
    pub fn create(&self, name: &str) -> Recording {
        Recording(Arc::new(Shared {
            path: self.folder.join(format!("{name}.{EXTENSION}")),
            file: Mutex::new(None),
            has_failed: AtomicBool::new(false),
        }))
    }

    /// Has more written.
    pub fn append(&self, recording: &Recording, bytes: &[u8]) {
        let shared = recording.clone();
        self.act(bytes, move |bytes| shared.write(bytes));
    }

    /// Has a file closed that is whole.
    pub fn close(&self, recording: Recording) {
        self.act(&[], move |_| recording.close());
        self.sweep();
    }

    /// Whether the disk gets on, so that more can be taken.
    pub fn has_room(&self) -> bool {
        let (bytes, parts) = &*self.waiting;
        bytes.load(Relaxed) < BEHIND.0 && parts.load(Relaxed) < BEHIND.1
    }

    /// Waits until all is written, as long as that gets on within `patience`.
    ///
    /// # Errors
    /// That the disk does not answer.
    pub fn finish(&mut self, patience: Duration) -> io::Result<()> {
        self.thread.close(patience)
    }

    fn act(&self, bytes: &[u8], act: impl FnOnce(&[u8]) + Send + 'static) {
        let bytes = bytes.to_vec();
        let waiting = self.waiting.clone();
        waiting.0.fetch_add(bytes.len(), Relaxed);
        waiting.1.fetch_add(1, Relaxed);
        self.thread.act(Box::new(move || {
            act(&bytes);
            waiting.0.fetch_sub(bytes.len(), Relaxed);
            waiting.1.fetch_sub(1, Relaxed);
        }));
    }

    /// Has recordings removed that are older than the log's files may be, or beyond their size.
    fn sweep(&self) {
        let (folder, limits) = (self.folder.clone(), self.limits);
        if limits.days > 0 || limits.total_size > 0 {
            self.act(&[], move |_| expire(&folder, &limits));
        }
    }
}

impl Recording {
    /// Whether something could not be written, and nothing is written any more.
    pub fn has_failed(&self) -> bool {
        self.0.has_failed.load(Relaxed)
    }

    fn write(&self, bytes: &[u8]) {
        if self.has_failed() {
            return;
        }
        let mut file = self.0.file.lock().unwrap_or_else(PoisonError::into_inner);
        let opened = match file.take() {
            Some(file) => Ok(file),
            None => create(&self.0.path),
        };
        let written = opened.and_then(|opened| append(file.insert(opened), bytes));
        if let Err(error) = written {
            self.0.has_failed.store(true, Relaxed);
            crate::report!(
                "recorderd: {}; the recording of this terminal ends here, its session is recorded anyway",
                named(&self.0.path, &error)
            );
        }
    }

    fn close(self) {
        let mut file = self.0.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = file.take()
            && let Err(error) = file.sync_data()
        {
            let error = named(&self.0.path, &error);
            crate::report!("recorderd: the recording can't be synced to disk: {error}");
        }
    }
}

fn create(path: &Path) -> io::Result<File> {
    let folder = path.parent().unwrap_or(path);
    DirBuilder::new()
        .recursive(true)
        .mode(0o750)
        .create(folder)?;
    let mut options = OpenOptions::new();
    options.append(true).create_new(true).mode(0o640).open(path)
}

/// Writes all or, as far as that can be undone, nothing.
fn append(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    if free(file)? < LEFT {
        return Err(io::ErrorKind::StorageFull.into());
    }
    let end = file.metadata()?.len();
    file.write_all(bytes)
        .inspect_err(|_| drop(file.set_len(end)))
}

/// How much there is for somebody without rights. Bytes.
fn free(file: &File) -> io::Result<u64> {
    // SAFETY: plain numbers, which the call fills.
    let mut system: libc::statvfs = unsafe { std::mem::zeroed() };
    // SAFETY: as above.
    match unsafe { libc::fstatvfs(file.as_raw_fd(), &mut system) } {
        0 => Ok(system.f_bavail as u64 * system.f_frsize as u64),
        _ => Err(io::Error::last_os_error()),
    }
}

/// A recording has gone on until it was last written to. One that is still open is younger than all others.
fn expire(folder: &Path, limits: &Limits) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<_> = entries
        .filter(|entry| Path::new(&entry.file_name()).extension() == Some(EXTENSION.as_ref()))
        .filter_map(|entry| {
            let metadata = entry.metadata().ok()?;
            Some((metadata.modified().ok()?, metadata.len(), entry.path()))
        })
        .collect();
    files.sort_unstable();
    let age = Duration::from_secs(limits.days.saturating_mul(86_400));
    let oldest = SystemTime::now()
        .checked_sub(age)
        .filter(|_| limits.days > 0);
    let mut size: u64 = files.iter().map(|(_, size, _)| size).sum();
    for (modified, length, path) in files {
        let is_old = oldest.is_some_and(|oldest| modified < oldest);
        let is_much = limits.total_size > 0 && size > limits.total_size;
        if !is_old && !is_much {
            return;
        }
        size -= length;
        if let Err(error) = fs::remove_file(&path) {
            crate::report!("recorderd: {}", named(&path, &error));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go_first_and_only_recordings() {
        let folder = std::env::temp_dir().join(format!("recorderd-casts-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let now = SystemTime::now();
        let hour = |hours: u64| now - Duration::from_secs(hours * 3600);
        for (name, age) in [("a.cast", 2), ("b.cast", 30), ("c.cast", 1), ("d.log", 99)] {
            fs::write(folder.join(name), [0; 100]).unwrap();
            let file = File::options().write(true).open(folder.join(name)).unwrap();
            file.set_modified(hour(age)).unwrap();
        }
        let left = |days, total_size| {
            let limits = Limits {
                days,
                total_size,
                ..Limits::default()
            };
            expire(&folder, &limits);
            let entries = fs::read_dir(&folder).unwrap().flatten();
            let mut names: Vec<_> = entries.map(|it| it.file_name()).collect();
            names.sort();
            names
        };
        assert_eq!(left(2, 300), ["a.cast", "b.cast", "c.cast", "d.log"]);
        assert_eq!(left(1, 300), ["a.cast", "c.cast", "d.log"]);
        assert_eq!(left(0, 199), ["c.cast", "d.log"]);
        fs::remove_dir_all(folder).unwrap();
    }
}
