//! Shares of the kernel's tables, by session and account: probes/share.h.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicU64, Ordering};

use super::ring::Mapping;
use crate::abi::{SHARE_ACCOUNTS, SHARE_COUNT, SHARE_SESSIONS, Table};

/// How many entries of each table are somebody's: of all, of each account, of each session.
pub struct Shares(Mapping);

impl Shares {
    /// From the map of that name.
    ///
    /// # Errors
    /// The error of mmap(2).
    pub(super) fn map(shares: BorrowedFd<'_>) -> io::Result<Self> {
        let size = SHARE_COUNT * Table::COUNT * size_of::<u64>();
        Mapping::new(shares, size, 0, true).map(Self)
    }

    fn word(&self, number: usize, table: Table) -> &AtomicU64 {
        let place = number * Table::COUNT + table as usize;
        self.0.word(place * size_of::<u64>())
    }

    fn of_session(session: u64) -> usize {
        1 + SHARE_ACCOUNTS + session as usize % SHARE_SESSIONS
    }

    /// Those that an entry of a session counts for.
    fn words(&self, session: u64, uid: u32, table: Table) -> [&AtomicU64; 3] {
        let account = match uid as usize {
            0 => 1,
            uid => 2 + uid % (SHARE_ACCOUNTS - 1),
        };
        [0, account, Self::of_session(session)].map(|number| self.word(number, table))
    }

    /// Counts one entry more.
    pub(super) fn take(&self, session: u64, uid: u32, table: Table) {
        for word in self.words(session, uid, table) {
            word.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts one entry less.
    pub(super) fn give(&self, session: u64, uid: u32, table: Table) {
        for word in self.words(session, uid, table) {
            word.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// How many entries of a table this session has, and those that have one share with it.
    pub fn used(&self, session: u64, table: Table) -> usize {
        self.word(Self::of_session(session), table)
            .load(Ordering::Relaxed) as usize
    }

    /// Begins to count anew for the tables that forget what was not used for longest.
    pub fn renew(&self) {
        for number in 0..SHARE_COUNT {
            for table in [Table::Jobs, Table::Units] {
                self.word(number, table).store(0, Ordering::Relaxed);
            }
        }
    }
}
