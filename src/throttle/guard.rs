//! A process that lets go of the sessions that are held when the daemon is gone.

use std::io::{self, BufRead, BufReader, PipeReader, PipeWriter, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::freezer::{freeze, go_on};
use crate::confine::confine;
use crate::kernel::Probes;

/// How long after the daemon's end its probes may still be at work.
const LAST: Duration = Duration::from_millis(100);

/// More descriptors than the daemon can have at its start.
const OPEN: RawFd = 4096;

/// The daemon's side of its guard.
pub struct Guard {
    messages: PipeWriter,
    /// The process.
    pub pid: u32,
}

impl Guard {
    /// Starts the guard, which lives as long as the daemon does. To be called while the process has
    /// one thread.
    ///
    /// # Errors
    /// What pipe(2) or fork(2) say.
    pub fn start(probes: &Probes) -> io::Result<Self> {
        let (reader, messages) = io::pipe()?;
        // SAFETY: this process has one thread.
        match unsafe { libc::fork() } {
            -1 => Err(io::Error::last_os_error()),
            0 => {
                drop(messages);
                watch(reader, probes)
            }
            pid => Ok(Self {
                messages,
                pid: pid as u32,
            }),
        }
    }

    /// Tells that all in a cgroup are frozen (`+`), or no longer are (`-`).
    ///
    /// # Errors
    /// The error of write(2).
    pub fn tell(&mut self, sign: u8, cgroup: &Path) -> io::Result<()> {
        let message = [&[sign], cgroup.as_os_str().as_bytes(), b"\n"].concat();
        self.messages.write_all(&message)
    }
}

/// What the guard does: it keeps the list of who is frozen, until the daemon is gone.
fn watch(messages: PipeReader, probes: &Probes) -> ! {
    // SAFETY: a session of its own, so that a terminal's signals don't reach it before the daemon.
    unsafe {
        libc::setsid();
        libc::signal(libc::SIGTERM, libc::SIG_IGN);
        libc::prctl(libc::PR_SET_NAME, c"recorderd-guard".as_ptr());
    }
    close_all_but(&[0, 1, 2, messages.as_raw_fd(), probes.held_descriptor()]);
    // The daemon says so of itself, where it can't be.
    let _ = confine();
    let mut frozen: Vec<PathBuf> = Vec::new();
    let messages = BufReader::new(messages).split(b'\n');
    for mut message in messages.map_while(Result::ok) {
        let is_frozen = message.remove(0) == b'+';
        let cgroup = PathBuf::from(std::ffi::OsString::from_vec(message));
        frozen.retain(|other| *other != cgroup);
        if is_frozen {
            frozen.push(cgroup);
        }
    }
    probes.shared.throttle(false);
    for cgroup in frozen {
        let _ = freeze(&cgroup, false);
    }
    probes.tables.held.keys().flatten().for_each(go_on);
    std::thread::sleep(LAST);
    probes.tables.held.keys().flatten().for_each(go_on);
    std::process::exit(0)
}

/// Closes what the daemon has open, so that nothing of it outlives the daemon.
fn close_all_but(kept: &[RawFd]) {
    for descriptor in (0..OPEN).filter(|one| !kept.contains(one)) {
        // SAFETY: the guard uses none of them.
        unsafe { libc::close(descriptor) };
    }
}
