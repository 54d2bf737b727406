//! Datagrams without an event of their own: the kernel counts them, and the count is fetched when
//! nothing is added to it any more.

use crate::event::Uuid;
use crate::record::layout::{Head, Send, SendsKey};

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

impl Sends {
    /// Those that `send`, whose event has the id `begun`, is the first of.
    pub fn of(send: &Send, begun: Uuid) -> Self {
        Self {
            key: send.key,
            head: send.record,
            begun: Some(begun),
        }
    }

    /// Those whose first event was lost. The kernel's count does not have the program's name.
    pub fn unknown(key: SendsKey) -> Self {
        let head = Head {
            session: key.session,
            pid: key.pid,
            audit_session_id: crate::record::layout::AUDIT_UNSET,
            ..Head::default()
        };
        Self {
            key,
            head,
            begun: None,
        }
    }

    /// Whether the count is final at the time `now`, in nanoseconds since boot.
    pub fn is_over(&self, now: u64) -> bool {
        self.key.ends.saturating_add(GRACE) <= now
    }
}
