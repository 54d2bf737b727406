//! Standard error, which somebody else may be slow to read: a daemon that waited for them would not read its rings.

use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::quote::plain;

/// As much fits a pipe or socket that is said to take something. Bytes.
const PIECE: usize = 4096;

/// Whether a line is dropped rather than waited with.
static HURRIED: AtomicBool = AtomicBool::new(false);

/// A thread that does what a disk can hold up.
pub trait Chores: Send {
    /// Has something done, unless the disk does not answer.
    fn act(&self, act: Box<dyn FnOnce() + Send>);

    /// Waits until all of it is done, as long as that gets on within `patience`.
    ///
    /// # Errors
    /// That the disk does not answer.
    fn close(&mut self, patience: Duration) -> io::Result<()>;
}

/// What writes the lines instead, where a disk can hold it up.
static THREAD: Mutex<Option<Box<dyn Chores>>> = Mutex::new(None);

fn thread() -> MutexGuard<'static, Option<Box<dyn Chores>>> {
    THREAD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes a line, with escapes for what is hidden. That it can't be written must not end the daemon, as it would
/// with `eprintln`.
pub fn say(text: &str) {
    let mut line = String::with_capacity(text.len() + 1);
    plain(text, &mut line);
    line.push('\n');
    if let Some(thread) = &*thread() {
        thread.act(Box::new(move || {
            drop(io::stderr().write_all(line.as_bytes()))
        }));
    } else if HURRIED.load(Relaxed) {
        let mut pieces = line.as_bytes().chunks(PIECE);
        let _ = pieces.try_for_each(|piece| match takes_more() {
            true => io::stderr().write_all(piece),
            false => Err(io::ErrorKind::WouldBlock.into()),
        });
    } else {
        let _ = io::stderr().write_all(line.as_bytes());
    }
}

/// Never waits from now on: a reader that takes nothing misses lines, and a thread waits for a disk, which `start`
/// makes.
///
/// # Errors
/// The error of clone(2).
pub fn hurry(start: impl FnOnce() -> io::Result<Box<dyn Chores>>) -> io::Result<()> {
    HURRIED.store(true, Relaxed);
    let file = std::fs::File::from(io::stderr().as_fd().try_clone_to_owned()?);
    if file.metadata()?.is_file() {
        *thread() = Some(start()?);
    }
    Ok(())
}

/// Waits until all lines are written, as long as that gets on within `patience`.
pub fn finish(patience: Duration) {
    let thread = thread().take();
    if let Some(mut thread) = thread {
        // Of what is lost here, nobody can be told.
        let _ = thread.close(patience);
    }
}

/// Whether a write of one piece does not wait.
fn takes_more() -> bool {
    let mut poll = libc::pollfd {
        fd: io::stderr().as_raw_fd(),
        events: libc::POLLOUT,
        revents: 0,
    };
    // SAFETY: one structure is read and written.
    unsafe { libc::poll(&mut poll, 1, 0) > 0 && poll.revents & libc::POLLOUT != 0 }
}
