//! The memory that the daemon shares with the probes: the control page and the slots.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicU64, Ordering, fence};

use super::ring::Mapping;
use crate::record::layout::{Claim, Control, FAMILIES, reader};

/// Nanoseconds since boot, suspend included: the clock of every record.
pub fn boot_time() -> u64 {
    nanoseconds(libc::CLOCK_BOOTTIME)
}

/// Nanoseconds since 1970-01-01 UTC, as the host's clock has them.
pub fn real_time() -> u64 {
    nanoseconds(libc::CLOCK_REALTIME)
}

fn nanoseconds(clock: libc::clockid_t) -> u64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the kernel fills the structure.
    unsafe { libc::clock_gettime(clock, &mut now) };
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// A record may become visible this much later than its time says: clocks of two CPUs, and stores
/// that are still on their way. Nanoseconds.
const VISIBILITY: u64 = 1_000_000;

/// The control page and the slots.
pub struct Shared {
    control: Mapping,
    slots: Mapping,
    slot_size: usize,
    slot_count: usize,
}

impl Shared {
    /// Maps both. `slot_size` is the size of a map value, a multiple of eight.
    ///
    /// # Errors
    /// What mmap(2) says.
    pub fn map(
        control: BorrowedFd<'_>,
        slots: BorrowedFd<'_>,
        slot_size: usize,
        slot_count: usize,
    ) -> io::Result<Self> {
        Ok(Self {
            control: Mapping::new(control, size_of::<Control>(), 0, true)?,
            slots: Mapping::new(slots, slot_size * slot_count, 0, false)?,
            slot_size,
            slot_count,
        })
    }

    fn control(&self, offset: usize) -> &AtomicU64 {
        self.control.word(offset)
    }

    /// How often something was lost, since the start.
    pub fn losses(&self) -> u64 {
        self.control(std::mem::offset_of!(Control, losses))
            .load(Ordering::Relaxed)
    }

    /// Logins and processes that found no room in their tables, since the start.
    pub fn full(&self) -> (u64, u64) {
        let load = |offset| self.control(offset).load(Ordering::Relaxed);
        (
            load(std::mem::offset_of!(Control, sessions_full)),
            load(std::mem::offset_of!(Control, processes_full)),
        )
    }

    /// Begins a round of reading: from here on the sessions' shares of the rings count anew.
    pub fn begin_round(&self) {
        self.control(std::mem::offset_of!(Control, round))
            .fetch_add(1, Ordering::Relaxed);
        for family in 0..FAMILIES.len() {
            self.control(std::mem::offset_of!(Control, active) + family * size_of::<u64>())
                .store(0, Ordering::Relaxed);
        }
    }

    /// Tells the probes how large the ring of each family of records is, in bytes.
    pub(super) fn set_sizes(&self, sizes: [usize; FAMILIES.len()]) {
        for (family, size) in sizes.into_iter().enumerate() {
            self.control(std::mem::offset_of!(Control, sizes) + family * size_of::<u64>())
                .store(size as u64, Ordering::SeqCst);
        }
    }

    /// Tells the probes that sessions may go without a family of records. They go on asking: those
    /// that are open stay as they are.
    pub(super) fn set_goes_without(&self) {
        self.control(std::mem::offset_of!(Control, goes_without))
            .store(1, Ordering::SeqCst);
    }

    /// Has sends to one peer be one event for so many nanoseconds.
    pub fn set_silence(&self, silence: u64) {
        self.control(std::mem::offset_of!(Control, silence))
            .store(silence, Ordering::SeqCst);
    }

    /// Whether a process that fills a ring is to be stopped.
    pub fn throttle(&self, throttle: bool) {
        self.control(std::mem::offset_of!(Control, throttle))
            .store(throttle.into(), Ordering::SeqCst);
    }

    /// How often a process was stopped for that, since the start.
    pub fn held(&self) -> u64 {
        self.control(std::mem::offset_of!(Control, held))
            .load(Ordering::Acquire)
    }

    /// Processes that were there before they were in a session, and now are, since the start.
    pub fn found(&self) -> u64 {
        self.control(std::mem::offset_of!(Control, found))
            .load(Ordering::Relaxed)
    }

    /// Whether a session has asked for jobs, or may have, since the start.
    pub fn jobs(&self) -> bool {
        let jobs = self.control(std::mem::offset_of!(Control, jobs));
        jobs.load(Ordering::SeqCst) != 0
    }

    /// Tells the probes whether the ends of calls may not be seen. Nothing is read ahead of that.
    pub fn set_unhooked(&self, unhooked: bool) {
        self.control(std::mem::offset_of!(Control, unhooked))
            .store(unhooked.into(), Ordering::SeqCst);
        fence(Ordering::SeqCst);
    }

    /// How often the end of the call was seen by which the daemon looks for its hook, since the start.
    pub(super) fn heard(&self) -> u64 {
        self.control(std::mem::offset_of!(Control, heard))
            .load(Ordering::SeqCst)
    }

    /// Has logins of these types noticed from now on: bits of `enum login`.
    pub(super) fn notice_logins(&self, types: u64) {
        self.control(std::mem::offset_of!(Control, logins))
            .store(types, Ordering::SeqCst);
    }

    /// Tells the probes that the daemon looks at the rings by itself for now.
    pub fn timed(&self) {
        self.control(std::mem::offset_of!(Control, reader))
            .store(reader::TIMED, Ordering::SeqCst);
    }

    /// Tells the probes to wake the daemon for the next record.
    pub fn asleep(&self) {
        self.control(std::mem::offset_of!(Control, reader))
            .store(reader::ASLEEP, Ordering::SeqCst);
        fence(Ordering::SeqCst);
    }

    fn claims(&self) -> impl Iterator<Item = (u64, u64)> {
        (0..self.slot_count).map(|index| {
            let load = |offset| {
                self.slots
                    .word(index * self.slot_size + offset)
                    .load(Ordering::Acquire)
            };
            (
                load(std::mem::offset_of!(Claim, claims)),
                load(std::mem::offset_of!(Claim, time)),
            )
        })
    }

    /// Whether a probe is at work on a record.
    pub fn busy(&self) -> bool {
        self.claims().any(|(claims, _)| claims > 0)
    }

    /// The time before which every record is in its ring already, if it can be told right now.
    /// The rings are to be looked at after this call.
    pub fn settled(&self) -> Option<u64> {
        let mut settled = boot_time() - VISIBILITY;
        for (claims, time) in self.claims() {
            match (claims, time) {
                (0, _) => {}
                (_, 0) => return None,
                (_, time) => settled = settled.min(time - 1),
            }
        }
        Some(settled)
    }
}
