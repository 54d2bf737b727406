//! Datagrams without an event of their own: the kernel counts them, and the count is fetched when
//! nothing is added to it any more.

use std::collections::BTreeMap;

use crate::abi::{Head, Send, SendsKey};
use crate::event::Uuid;

/// How long after the end of a period a probe may still be counting for it. Nanoseconds.
const GRACE: u64 = 1_000_000_000;

/// One process and one peer in one period.
pub struct Sends {
    /// The kernel's name for it.
    pub key: SendsKey,
    /// Of the first datagram.
    pub head: Head,
    /// The id of its event; `None` if that was lost.
    pub begun: Option<Uuid>,
}

/// Those of a session of which the kernel counts more, by the end of their period and as they came.
/// They are as many as the kernel has room for.
#[derive(Default)]
pub struct Counted {
    sends: BTreeMap<(u64, u64), Sends>,
    next: u64,
}

impl Counted {
    /// Takes note of those that `send`, whose event has the id `begun`, is the first of.
    pub fn begin(&mut self, send: &Send, begun: Option<Uuid>) {
        if send.is_counted != 0 {
            self.add(send.key, send.record, begun);
        }
    }

    fn add(&mut self, key: SendsKey, head: Head, begun: Option<Uuid>) {
        self.sends
            .insert((key.ends, self.next), Sends { key, head, begun });
        self.next += 1;
    }

    /// Takes note of those whose first event was lost. The kernel's count does not have the
    /// program's name.
    pub fn find(&mut self, key: SendsKey) {
        let head = Head {
            session: key.session,
            pid: key.pid,
            audit_session_id: crate::abi::AUDIT_UNSET,
            ..Head::default()
        };
        self.add(key, head, None);
    }

    /// Takes out those whose count is final at the time `now`, in nanoseconds since boot, if there
    /// are any.
    pub fn take_over(&mut self, now: u64) -> Option<Sends> {
        let first = self.sends.first_entry()?;
        let (ends, _) = *first.key();
        (ends.saturating_add(GRACE) <= now).then(|| first.remove())
    }
}
