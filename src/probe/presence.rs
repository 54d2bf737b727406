//! Whether somebody is logged in or may be about to: for so long the ends of all calls are hooked.

use crate::record::layout::login;

/// How long after the last one they stay so. Nanoseconds.
const AFTER: u64 = 4_000_000_000;

/// Whether these types of logins, bits of `enum login`, leave time to hook them when somebody comes. All
/// but those by SSH act within a millisecond of their first sign.
pub fn can_wait(logins: u64) -> bool {
    logins & !(1 << login::SSH) == 0
}

/// When somebody was last there.
pub struct Presence {
    last: u64,
}

impl Presence {
    /// Somebody may be, at the time `now`. All times are in nanoseconds since boot.
    pub fn new(now: u64) -> Self {
        Self { last: now }
    }

    /// Takes note whether somebody is there at the time `now`; tells whether that is, or was not
    /// long ago.
    pub fn lasts(&mut self, is_there: bool, now: u64) -> bool {
        if is_there {
            self.last = now;
        }
        now < self.last + AFTER
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
