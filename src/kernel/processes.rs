//! The kernel's table of processes that are in a session, or may begin one.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicU64, Ordering};

use aya::maps::{HashMap, MapData, MapError};

use super::bpf;
use super::ring::Mapping;
use crate::abi::{PROCESS_COUNTS, ProcessEntry};

/// The table, and how many entries have process ids that end in the same bits: the probes look there
/// first.
pub struct Processes {
    table: HashMap<MapData, u32, ProcessEntry>,
    counts: Mapping,
}

impl Processes {
    /// From the table and the map of counts.
    ///
    /// # Errors
    /// The error of mmap(2).
    pub(super) fn new(
        table: HashMap<MapData, u32, ProcessEntry>,
        counts: BorrowedFd<'_>,
    ) -> io::Result<Self> {
        let counts = Mapping::new(counts, PROCESS_COUNTS * size_of::<u64>(), 0, true)?;
        Ok(Self { table, counts })
    }

    fn count(&self, pid: u32) -> &AtomicU64 {
        let number = pid as usize % PROCESS_COUNTS;
        self.counts.word(number * size_of::<u64>())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.table.keys().next().is_none()
    }

    /// Whether this process has an entry.
    pub(super) fn holds(&self, pid: u32) -> bool {
        self.table.get(&pid, 0).is_ok()
    }

    /// Puts one in that has none.
    ///
    /// # Errors
    /// The error of the system call, also where it has one.
    pub(super) fn insert(&mut self, pid: u32, entry: ProcessEntry) -> Result<(), MapError> {
        // Ahead of the entry, so that no probe overlooks it.
        self.count(pid).fetch_add(1, Ordering::SeqCst);
        let inserted = self.table.insert(pid, entry, bpf::NOEXIST);
        if inserted.is_err() {
            self.count(pid).fetch_sub(1, Ordering::SeqCst);
        }
        inserted
    }

    /// Takes one out.
    ///
    /// # Errors
    /// The error of the system call, also where there is none.
    pub(super) fn remove(&mut self, pid: u32) -> Result<(), MapError> {
        self.table.remove(&pid)?;
        self.count(pid).fetch_sub(1, Ordering::SeqCst);
        Ok(())
    }
}
