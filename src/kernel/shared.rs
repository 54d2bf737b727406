//! The memory that the daemon shares with the probes: the control page and the slots.

use std::cell::RefCell;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicU64, Ordering, fence};

use super::ring::Mapping;
use crate::abi::{Claim, Control, Family, SLOTS_PER_CPU, SPARE_SLOTS, reader};
use crate::base::{RingName, boot_time};

/// A record may become visible this much later than its time says: clocks of two CPUs, and stores
/// that are still on their way. Nanoseconds.
const VISIBILITY: u64 = 1_000_000;

/// How long a claim is waited for: who is preempted has it for as long as the scheduler likes.
/// Nanoseconds.
const PATIENCE: u64 = 50_000_000;

/// How many slots there are for so many CPUs.
pub(super) fn slots_of(cpus: usize) -> usize {
    cpus * SLOTS_PER_CPU + SPARE_SLOTS
}

/// The control page and the slots.
pub struct Shared {
    control: Mapping,
    /// What was set for good, by its place in the control page.
    set: RefCell<Vec<(usize, u64)>>,
    slots: Mapping,
    slot_size: usize,
    /// Since when each slot is seen claimed by somebody who has not said when; 0 if it is not.
    unstamped: Vec<u64>,
}

impl Shared {
    /// Maps both. `slot_size` is the size of a map value, a multiple of eight.
    ///
    /// # Errors
    /// The error of mmap(2).
    pub fn map(
        control: BorrowedFd<'_>,
        slots: BorrowedFd<'_>,
        slot_size: usize,
        slot_count: usize,
    ) -> io::Result<Self> {
        let shared = Self {
            set: RefCell::default(),
            control: Mapping::new(control, size_of::<Control>(), 0, true)?,
            slots: Mapping::new(slots, slot_size * slot_count, 0, false)?,
            slot_size,
            unstamped: vec![0; slot_count],
        };
        let spare = slot_count.saturating_sub(SPARE_SLOTS);
        shared.set(std::mem::offset_of!(Control, spare_slots), spare as u64);
        Ok(shared)
    }

    fn control(&self, offset: usize) -> &AtomicU64 {
        self.control.word(offset)
    }

    /// Sets what nobody but the daemon changes.
    fn set(&self, offset: usize, value: u64) {
        let mut set = self.set.borrow_mut();
        set.retain(|(known, _)| *known != offset);
        set.push((offset, value));
        self.control(offset).store(value, Ordering::SeqCst);
    }

    /// Sets again what somebody else has changed of that; tells whether somebody has.
    pub(super) fn restore(&self) -> bool {
        let set = self.set.borrow();
        let changed = set.iter().filter(|(offset, value)| {
            self.control(*offset).swap(*value, Ordering::SeqCst) != *value
        });
        changed.count() > 0
    }

    /// Has the next look take a process without a parent in a session for one of the session `key`, by
    /// its login; 0 for none.
    pub fn missing(&self, key: u64) {
        self.control(std::mem::offset_of!(Control, missing))
            .store(key, Ordering::SeqCst);
    }

    /// Has the next look change how many processes a session counts, unless that has changed since.
    pub fn adjust(&self, key: u64, by: i64, changes: u64) {
        let store = |offset, value| self.control(offset).store(value, Ordering::SeqCst);
        store(std::mem::offset_of!(Control, adjust_by), by as u64);
        store(std::mem::offset_of!(Control, adjust_changes), changes);
        store(std::mem::offset_of!(Control, adjust), key);
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
        for family in 0..Family::COUNT {
            self.control(std::mem::offset_of!(Control, active) + family * size_of::<u64>())
                .store(0, Ordering::Relaxed);
        }
    }

    /// Tells the probes which ring each family of records has, and how large that is, in bytes.
    pub(super) fn set_rings(&self, sizes: [usize; RingName::COUNT]) {
        for family in Family::ALL {
            let place = family as usize * size_of::<u64>();
            let ring = family.ring();
            self.set(std::mem::offset_of!(Control, rings) + place, ring as u64);
            let size = sizes[ring as usize] as u64;
            self.set(std::mem::offset_of!(Control, sizes) + place, size);
        }
    }

    /// Tells the probes how large the ring of terminals is, in bytes; 0 if none is to be recorded.
    pub(super) fn set_terminal_ring(&self, size: usize) {
        let place = std::mem::offset_of!(Control, terminal_size);
        self.set(place, size as u64);
    }

    /// Tells the probes that sessions may go without a family of records. They go on asking: those
    /// that are open stay as they are.
    pub(super) fn set_goes_without(&self) {
        self.set(std::mem::offset_of!(Control, goes_without), 1);
    }

    /// Tells the probes which tree of mounts the config speaks of, by the inode of its namespace.
    pub(super) fn set_mount_namespace(&self, inode: u64) {
        self.control(std::mem::offset_of!(Control, mount_namespace))
            .store(inode, Ordering::SeqCst);
    }

    /// Has sends to one peer be one event for so many nanoseconds.
    pub fn set_aggregation(&self, silence: u64) {
        self.set(std::mem::offset_of!(Control, silence), silence);
    }

    /// Whether a process that fills a ring is to be stopped.
    pub fn throttle(&self, throttle: bool) {
        self.set(std::mem::offset_of!(Control, throttle), throttle.into());
    }

    /// Has signals to a process told of, and what else is done to it: one of the recorder's own, the
    /// daemon (0) or its guard (1).
    pub fn watch(&self, which: usize, pid: u32) {
        let offset = std::mem::offset_of!(Control, recorder) + which * size_of::<u64>();
        self.set(offset, pid.into());
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

    /// Has programs say that they were run, if they have copies; and tells how many CPUs there are.
    pub(super) fn set_copies(&self, copies: bool, cpus: usize) {
        self.set(std::mem::offset_of!(Control, cpus), cpus as u64);
        self.set(std::mem::offset_of!(Control, copies), copies.into());
    }

    /// Has logins of these types noticed from now on: bits of `enum login`.
    pub(super) fn notice_logins(&self, types: u64) {
        self.set(std::mem::offset_of!(Control, logins), types);
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

    /// How often the slot is claimed, and since when.
    fn claim(&self, index: usize) -> (u64, u64) {
        let load = |offset| {
            let at = index * self.slot_size + offset;
            self.slots.word(at).load(Ordering::Acquire)
        };
        let claims = load(std::mem::offset_of!(Claim, claims));
        (claims, load(std::mem::offset_of!(Claim, time)))
    }

    /// Whether a probe is at work on a record.
    pub fn busy(&self) -> bool {
        (0..self.unstamped.len()).any(|index| self.claim(index).0 > 0)
    }

    /// Whether one is whose record is still waited for.
    pub fn is_awaited(&self) -> bool {
        let since = boot_time() - PATIENCE;
        (0..self.unstamped.len()).any(|index| match self.claim(index) {
            (0, _) => false,
            (_, time) => time.max(self.unstamped[index]) > since,
        })
    }

    /// The time before which every record is in its ring already, but for those that were waited
    /// for long enough; if it can be told right now. The rings are to be looked at after this call.
    pub fn settled(&mut self) -> Option<u64> {
        let now = boot_time();
        let mut settled = Some(now - VISIBILITY);
        for index in 0..self.unstamped.len() {
            let (claims, time) = self.claim(index);
            if claims == 0 || time != 0 {
                self.unstamped[index] = 0;
            } else if self.unstamped[index] == 0 {
                self.unstamped[index] = now;
            }
            let since = time.max(self.unstamped[index]);
            match (claims, time) {
                (0, _) => {}
                _ if since + PATIENCE <= now => {}
                (_, 0) => settled = None,
                (_, time) => settled = settled.map(|settled| settled.min(time - 1)),
            }
        }
        settled
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;
    use crate::kernel::ring::tests::memory;

    const SIZE: usize = 4096;

    #[test]
    fn a_claim_is_not_waited_for_without_limit() {
        let (control, slots) = (memory(SIZE), memory(3 * SIZE));
        let mut shared = Shared::map(control.as_fd(), slots.as_fd(), SIZE, 3).unwrap();
        let writer = Mapping::new(slots.as_fd(), 3 * SIZE, 0, true).unwrap();
        let claim = |index: usize, claims: u64, time: u64| {
            writer.word(index * SIZE).store(claims, Ordering::SeqCst);
            writer.word(index * SIZE + 8).store(time, Ordering::SeqCst);
        };
        let now = boot_time();
        claim(0, 1, now - PATIENCE / 2);
        assert_eq!(shared.settled(), Some(now - PATIENCE / 2 - 1));
        assert!(shared.is_awaited());
        // Another one is older, and was waited for.
        claim(1, 1, now - 2 * PATIENCE);
        assert_eq!(shared.settled(), Some(now - PATIENCE / 2 - 1));
        claim(0, 0, 0);
        assert!(
            shared
                .settled()
                .is_some_and(|settled| settled >= now - VISIBILITY)
        );
        assert!(shared.busy() && !shared.is_awaited());
        // Since when is not said, so that it counts from when it is seen.
        claim(2, 1, 0);
        assert_eq!(shared.settled(), None);
        assert!(shared.is_awaited());
        shared.unstamped[2] -= PATIENCE;
        assert!(shared.settled().is_some());
        claim(2, 0, 0);
        assert!(shared.settled().is_some());
        claim(2, 1, 0);
        assert_eq!(shared.settled(), None);
    }
}
