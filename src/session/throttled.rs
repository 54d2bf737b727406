//! How a session was throttled, until that is told.

use crate::event::{Subject, Writer};
use crate::family::Held;

/// Takes little room while it never was: there are thousands of sessions.
#[derive(Default)]
pub struct Throttled {
    /// Since that was told last.
    times: Option<Box<Held>>,
    /// Since when it is so now. Nanoseconds since boot.
    since: Option<u64>,
}

impl Throttled {
    /// It is, since a time in nanoseconds since boot.
    pub fn begin(&mut self, since: u64) {
        let first = self.since.get_or_insert(since);
        *first = since.min(*first);
    }

    /// It is no more.
    pub fn end(&mut self, now: u64) {
        let Some(since) = self.since.take() else {
            return;
        };
        let times = self.times.get_or_insert_with(|| {
            Box::new(Held {
                from: since,
                to: now,
                count: 0,
                time: 0,
            })
        });
        times.to = now;
        times.count += 1;
        times.time += now.saturating_sub(since);
    }

    /// Writes session.throttled for what was not told, not before the time `latest`.
    pub fn tell(&mut self, subject: &mut Subject, latest: u64, writer: &mut Writer) {
        if let Some(times) = self.times.take() {
            writer.held(subject, times.to.max(latest), &times);
        }
    }
}
