//! Whether somebody is logged in or may be about to: for so long the ends of all calls are hooked.

use std::io;

use super::bpf;
use super::error::ProbeError;
use super::object::Probes;
use super::syscall::TRACEPOINT;
use crate::abi::login;
use crate::base::boot_time;

/// How long after the last one they stay so. Nanoseconds.
const AFTER: u64 = 4_000_000_000;

/// How often all processes are looked at at the start. Each time finds the children of what the time
/// before has found.
const LOOKS: usize = 16;

/// Whether these types of logins, bits of `enum login`, leave time to hook them when somebody comes. All
/// but those by SSH act within a millisecond of their first sign.
pub fn can_wait(logins: u64) -> bool {
    logins & !(1 << login::SSH) == 0
}

/// When somebody was last there. All times are in nanoseconds since boot.
pub struct Presence {
    last: u64,
    /// Since when the ends of calls are seen, if not from the start.
    seen_since: Option<u64>,
    /// When it was last looked whether somebody is there. Who has come later may not be seen yet.
    looked: u64,
}

impl Presence {
    /// Somebody may be, at the time `now`, and the ends of calls are seen from the start.
    fn new(now: u64) -> Self {
        Self {
            last: now,
            seen_since: None,
            looked: now,
        }
    }

    /// Takes note whether somebody is there at the time `now`; tells whether that is, or was not
    /// long ago.
    fn lasts(&mut self, is_there: bool, now: u64) -> bool {
        if is_there {
            self.last = now;
        }
        now < self.last + AFTER
    }
}

impl Probes {
    /// Has logins of these types, bits of `enum login`, noticed from now on, and finds the sessions
    /// that are open already. Before that, sessions are only those that were put into the kernel's
    /// table.
    ///
    /// # Errors
    /// What keeps us from finding them.
    pub fn notice_logins(&mut self, types: u64) -> Result<(), ProbeError> {
        self.shared.notice_logins(types);
        for _ in 0..LOOKS {
            let before = self.shared.found();
            self.find()?;
            if self.shared.found() == before {
                break;
            }
        }
        if can_wait(types) && self.is_hooked().is_some() {
            self.presence = Some(Presence::new(boot_time()));
        }
        Ok(())
    }

    /// Looks once at each process that there is.
    fn find(&self) -> Result<(), ProbeError> {
        let finder = self.finder.as_ref().map_err(ProbeError::clone)?;
        let looked = bpf::iterator(finder)
            .and_then(|mut processes| io::copy(&mut processes, &mut io::sink()));
        let looked = looked.map(drop);
        looked.map_err(|e| ProbeError::new("processes", e))
    }

    /// Whether the one hook of all calls is attached, which makes each of them slower; none where there
    /// is no need of it.
    pub fn is_hooked(&self) -> Option<bool> {
        self.dispatchers.as_ref()?.all.is_hooked()
    }

    /// Whether a session has a process, or a process may begin one; or a job may at any time.
    fn is_somebody(&self) -> bool {
        self.shared.jobs() || !self.tables.processes.is_empty()
    }

    /// Whether somebody has come for whom the ends of calls are not hooked yet.
    pub fn is_awaited(&self) -> bool {
        self.is_hooked() == Some(false) && self.is_somebody()
    }

    /// Up to which time the records can be handed on. While the ends of calls are not hooked, nobody
    /// knows since when those are seen who have come later: the next look tells. Nanoseconds since boot.
    pub fn known_until(&self) -> u64 {
        match (&self.presence, self.is_hooked()) {
            (Some(presence), Some(false)) => presence.looked,
            _ => u64::MAX,
        }
    }

    /// Hooks the ends of all calls if somebody may be about to log in, and lets go of them when nobody
    /// has been there for a while; `is_idle` if no session is open. Tells since when they are seen, if
    /// not from the start: nanoseconds since boot.
    ///
    /// # Errors
    /// What keeps us from hooking them again.
    pub fn attend(&mut self, is_idle: bool) -> Result<Option<u64>, ProbeError> {
        let is_there = !is_idle || (self.presence.is_some() && self.is_somebody());
        let is_hooked = self.is_hooked() == Some(true);
        let Some(presence) = &mut self.presence else {
            return Ok(None);
        };
        let now = boot_time();
        if is_hooked && presence.lasts(is_there, now) {
            return Ok(presence.seen_since);
        }
        // Who comes from here on is told as not seen, and wakes the daemon; who has come before is seen
        // here.
        self.shared.set_unhooked(true);
        let is_somebody = self.is_somebody();
        if is_hooked && is_somebody {
            self.shared.set_unhooked(false);
            return Ok(self.note(|presence| presence.last = now));
        }
        if let Some(dispatchers) = &mut self.dispatchers {
            dispatchers.all.unhook();
        }
        if is_somebody {
            return self.hook_again();
        }
        // Of those who have come and gone before that look, nothing more can be missed by now.
        let over = boot_time();
        Ok(self.note(|presence| {
            presence.looked = now;
            presence.seen_since = Some(over);
        }))
    }

    /// Takes note of something; tells since when the ends of calls are seen.
    fn note(&mut self, note: impl FnOnce(&mut Presence)) -> Option<u64> {
        let presence = self.presence.as_mut()?;
        note(presence);
        presence.seen_since
    }

    /// Tells since when the ends of calls are seen again.
    fn hook_again(&mut self) -> Result<Option<u64>, ProbeError> {
        if let Some(dispatchers) = &mut self.dispatchers {
            let hooked = dispatchers.all.hook(|| self.shared.heard());
            hooked.map_err(|e| ProbeError::new(format!("hook {TRACEPOINT}"), e))?;
        }
        let now = boot_time();
        // Who acts for a user by now may have done so before.
        self.find()?;
        self.shared.set_unhooked(false);
        Ok(self.note(|presence| {
            presence.last = now;
            presence.seen_since = Some(now);
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::{AFTER, Presence};

    #[test]
    fn it_lasts_for_a_while_after_the_last_one() {
        let mut presence = Presence::new(1);
        assert!(presence.lasts(false, AFTER));
        assert!(presence.lasts(true, 3 * AFTER));
        assert!(presence.lasts(false, 4 * AFTER - 1));
        assert!(!presence.lasts(false, 4 * AFTER));
        assert!(!presence.lasts(false, 9 * AFTER));
        assert!(presence.lasts(true, 9 * AFTER));
    }
}
