//! How long an output may keep the daemon from its rings.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::{Duration, Instant};

/// Time that may be spent on waiting for an output that is busy.
pub struct Patience {
    until: Option<Instant>,
}

impl Patience {
    /// So long, from now on; longer than the clock goes means without an end.
    pub fn new(most: Duration) -> Self {
        Self {
            until: Instant::now().checked_add(most),
        }
    }

    /// Waits until the descriptor takes something again. Tells whether it does.
    pub fn wait(&self, descriptor: BorrowedFd<'_>) -> bool {
        let left = self.until.map(|until| {
            let left = until.saturating_duration_since(Instant::now());
            left.as_millis() as i32
        });
        if left == Some(0) {
            return false;
        }
        let mut poll = libc::pollfd {
            fd: descriptor.as_raw_fd(),
            events: libc::POLLOUT,
            revents: 0,
        };
        // SAFETY: one structure is read and written.
        unsafe { libc::poll(&mut poll, 1, left.unwrap_or(-1)) > 0 }
    }
}
