//! Sessions that outrun the daemon are held until what they did is taken: first frozen in their
//! cgroup, which nobody but them notices; whoever fills half a ring is stopped by the kernel's side.

mod freezer;
mod guard;

use std::io;
use std::path::PathBuf;

use crate::base::boot_time;
use crate::kernel::{Order, Probes, Ring};
use crate::session::Table;
use freezer::{freeze, go_on};
use guard::Guard;

/// The sessions that are held, and the guard that lets go of them should the daemon not.
pub struct Throttle {
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

impl Throttle {
    /// Starts the guard, and has the probes stop who fills half a ring.
    ///
    /// # Errors
    /// What pipe(2) or fork(2) say.
    pub fn start(probes: &Probes, table: &Table) -> io::Result<Self> {
        let guard = Guard::start(probes)?;
        table.set_apart(guard.pid);
        probes.shared.watch(1, guard.pid);
        probes.shared.throttle(true);
        Ok(Self {
            frozen: Vec::new(),
            guard,
            seen: 0,
        })
    }

    /// Holds the sessions that fill the rings, and notes those that the kernel's side has stopped.
    pub fn hold(&mut self, probes: &Probes, order: &Order, table: &mut Table) {
        for (key, since) in self.stopped(probes) {
            table.hold(key, since);
        }
        for key in order.noisy(&probes.rings) {
            let cgroup = table.cgroup(key);
            if let Some(since) = cgroup.and_then(|cgroup| self.freeze(key, cgroup)) {
                table.hold(key, since);
            }
        }
    }

    /// Lets go of the sessions that are held, once there is room again. Tells whether some still
    /// are.
    pub fn release(&mut self, probes: &mut Probes, table: &mut Table) -> bool {
        if self.frozen.is_empty() && probes.shared.held() == self.seen {
            return false;
        }
        let is_full = |ring: &Ring| ring.used() > ring.size() / 8;
        if probes.rings.iter().any(is_full) {
            return true;
        }
        self.let_go(probes, table);
        false
    }

    /// Lets go of all that are held.
    pub fn let_go(&mut self, probes: &mut Probes, table: &mut Table) {
        let held = self.release_all(probes);
        for (key, since) in &held {
            table.hold(*key, *since);
        }
        for (key, _) in held {
            table.go_on(key, boot_time());
        }
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
    fn freeze(&mut self, key: u64, cgroup: PathBuf) -> Option<u64> {
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
    fn stopped(&self, probes: &Probes) -> Vec<(u64, u64)> {
        if probes.shared.held() == self.seen {
            return Vec::new();
        }
        let entries = probes.tables.held.iter().flatten();
        entries.map(|(_, held)| (held.session, held.time)).collect()
    }

    /// Lets go of all that are held; tells each session, and since when it was held, in nanoseconds
    /// since boot.
    fn release_all(&mut self, probes: &mut Probes) -> Vec<(u64, u64)> {
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
