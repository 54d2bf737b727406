//! Sessions that outrun the daemon are held until what they did is taken: first frozen in their
//! cgroup, which nobody but them notices; whoever fills half a ring is stopped by the kernel's side.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::guard::Guard;
use crate::base::boot_time;
use crate::probe::{Probes, Shared};

/// The sessions that are held, and the guard that lets go of them should the daemon not.
pub struct Holds {
    frozen: Vec<Frozen>,
    guard: Guard,
    /// How often a process was stopped by the time of the last look at those that are.
    seen: u64,
}

/// A session that is frozen.
struct Frozen {
    key: u64,
    /// Since when, in nanoseconds since boot.
    since: u64,
    cgroup: PathBuf,
}

impl Holds {
    /// Starts the guard.
    ///
    /// # Errors
    /// What pipe(2) or fork(2) say.
    pub fn new(probes: &Probes) -> io::Result<Self> {
        Ok(Self {
            frozen: Vec::new(),
            guard: Guard::start(probes)?,
            seen: 0,
        })
    }

    /// The guard's process.
    pub fn guard(&self) -> u32 {
        self.guard.pid
    }

    /// Whether a session is held.
    pub fn any(&self, shared: &Shared) -> bool {
        !self.frozen.is_empty() || shared.held() != self.seen
    }

    /// Whether the guard still is there; if it was stopped, it goes on. To be asked when a child has
    /// ended or was stopped.
    pub fn is_guarded(&self) -> bool {
        let pid = self.guard.pid;
        // SAFETY: waits for nothing; the status is not asked for.
        let ended = unsafe { libc::waitpid(pid as i32, std::ptr::null_mut(), libc::WNOHANG) };
        if ended == 0 {
            go_on(pid);
        }
        ended == 0
    }

    /// Freezes the session `key`, all of whose processes are in `cgroup`; tells since when it is
    /// frozen, in nanoseconds since boot. Where that can't be, they are stopped one by one.
    pub fn freeze(&mut self, key: u64, cgroup: PathBuf) -> Option<u64> {
        if self.frozen.iter().any(|frozen| frozen.key == key) {
            return None;
        }
        let since = boot_time();
        self.guard.tell(b'+', &cgroup).ok()?;
        freeze(&cgroup, true).ok()?;
        self.frozen.push(Frozen { key, since, cgroup });
        Some(since)
    }

    /// The sessions of processes that are stopped, and since when, in nanoseconds since boot.
    pub fn stopped(&self, probes: &Probes) -> Vec<(u64, u64)> {
        if probes.shared.held() == self.seen {
            return Vec::new();
        }
        let entries = probes.tables.held.iter().flatten();
        entries.map(|(_, held)| (held.session, held.time)).collect()
    }

    /// Lets go of all that are held; tells each session, and since when it was held, in nanoseconds
    /// since boot.
    pub fn release(&mut self, probes: &mut Probes) -> Vec<(u64, u64)> {
        let mut held = Vec::new();
        for frozen in self.frozen.drain(..) {
            // A cgroup that is gone holds nobody; the guard being gone changes nothing.
            let _ = freeze(&frozen.cgroup, false);
            let _ = self.guard.tell(b'-', &frozen.cgroup);
            held.push((frozen.key, frozen.since));
        }
        self.seen = probes.shared.held();
        // They are out of the table before they go on: each may be stopped again at once.
        for (pid, stop) in probes.tables.take_held() {
            go_on(pid);
            held.push((stop.session, stop.time));
        }
        held
    }
}

/// Freezes all processes of a cgroup, or lets them go on.
pub fn freeze(cgroup: &Path, frozen: bool) -> io::Result<()> {
    fs::write(cgroup.join("cgroup.freeze"), if frozen { "1" } else { "0" })
}

/// Lets a process go on that was stopped.
pub fn go_on(pid: u32) {
    // SAFETY: takes numbers. A process that is gone needs nothing.
    unsafe { libc::kill(pid as i32, libc::SIGCONT) };
}
