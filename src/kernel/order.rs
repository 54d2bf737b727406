//! One stream out of several rings, by kernel time.

use rustc_hash::FxHashMap;

use super::ring::{HEADER, Ring};
use super::shared::Shared;
use crate::abi::{Head, RECORD_MAX, read, via};

/// How often to look again for a record that is being written, before leaving it to the next round.
const PATIENCE: u32 = 64;

/// In how many parts the records of a round are handed on.
const PARTS: usize = 16;

/// So many records are handed on in a round, if more are there: some 20 ms of work, after which the
/// rings are looked at again.
const ROUND: usize = 4096;

/// Each session has at least so many of them.
const LEAST: usize = 16;

/// The place of what has been handed on, in a list of rings.
const NOWHERE: usize = usize::MAX;

/// The ring of what begins and ends.
const SESSIONS: usize = 0;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Waiting {
    time: u64,
    ring: usize,
    position: u64,
    session: u64,
    /// Others from after it have been handed on before it came.
    is_late: bool,
}

/// The records that have been seen and not yet handed on.
pub struct Order {
    waiting: Vec<Waiting>,
    settled: u64,
    /// Up to this time, none can be handed on any more in the order of time.
    reached: u64,
    /// One that comes late, with a mark.
    late: Vec<u8>,
    /// Records of each session, while they are counted.
    counts: FxHashMap<u64, usize>,
}

impl Order {
    /// Room for as many records as the rings can hold, so that it never grows.
    pub fn new(rings: &[Ring]) -> Self {
        let smallest = size_of::<Head>() + HEADER;
        let most = rings.iter().map(|ring| ring.size() / smallest).sum();
        Self {
            waiting: Vec::with_capacity(most),
            settled: 0,
            reached: 0,
            late: Vec::with_capacity(RECORD_MAX),
            counts: FxHashMap::default(),
        }
    }

    /// Every record up to this time has been handed on, but for those that come late. Nanoseconds
    /// since boot.
    pub fn settled(&self) -> u64 {
        self.settled
    }

    /// Whether sessions begin or end.
    pub fn has_births(&self) -> bool {
        self.waiting.iter().any(|entry| entry.ring == SESSIONS)
    }

    /// Whether records are left that were too young to be handed on.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Hands on, oldest first, every record up to the time `settled`; or where those are too many for
    /// a round, of each session as many as its share is. Those have a mark that have come behind
    /// others from after them. Returns how many there were, and whether some are left.
    pub fn drain(
        &mut self,
        rings: &mut [Ring],
        settled: u64,
        mut each: impl FnMut(&[u8]),
    ) -> (usize, bool) {
        self.waiting.sort_unstable();
        let ready = self.waiting.partition_point(|entry| entry.time <= settled);
        self.reached = self.reached.max(settled);
        if ready > ROUND {
            let first_left = self.drain_shares(rings, ready, &mut each);
            let settled = first_left.map_or(settled, |time| time.saturating_sub(1));
            self.settled = self.settled.max(settled);
            return (ready, first_left.is_some());
        }
        let mut left = ready;
        // Space is given back again and again, since it takes long to write all that a ring holds.
        loop {
            let part = left.min(ready.div_ceil(PARTS));
            for entry in &self.waiting[..part] {
                hand_on(entry, rings, &mut self.late, &mut each);
            }
            self.waiting.drain(..part);
            self.release(rings);
            left -= part;
            if left == 0 {
                break;
            }
        }
        self.settled = self.settled.max(settled);
        (ready, false)
    }

    /// Hands on, of the first `ready` records, those that are within the share of their session, so
    /// that who does much has nobody else wait for it. Returns the time of the first that is left.
    fn drain_shares(
        &mut self,
        rings: &mut [Ring],
        ready: usize,
        mut each: impl FnMut(&[u8]),
    ) -> Option<u64> {
        let Self {
            waiting,
            counts,
            late,
            ..
        } = self;
        counts.clear();
        for entry in &waiting[..ready] {
            *counts.entry(entry.session).or_default() += 1;
        }
        let most = (ROUND / counts.len()).max(LEAST);
        counts.clear();
        let mut first_left = None;
        for entry in &mut waiting[..ready] {
            let count = counts.entry(entry.session).or_default();
            if *count == most {
                first_left.get_or_insert(entry.time);
                continue;
            }
            *count += 1;
            hand_on(entry, rings, late, &mut each);
            entry.ring = NOWHERE;
        }
        waiting.retain(|entry| entry.ring != NOWHERE);
        self.release(rings);
        first_left
    }

    /// Gives back the space of what is not waiting any more.
    fn release(&self, rings: &mut [Ring]) {
        for (index, ring) in rings.iter_mut().enumerate() {
            let of_ring = self.waiting.iter().filter(|entry| entry.ring == index);
            ring.release(of_ring.map(|entry| entry.position).min());
        }
    }

    /// The sessions that fill more than an eighth of a ring that is a quarter full.
    pub fn noisy(&self, rings: &[Ring]) -> Vec<u64> {
        let mut noisy = Vec::new();
        for (index, ring) in rings.iter().enumerate() {
            if ring.used() < ring.size() / 4 {
                continue;
            }
            let mut bytes: FxHashMap<u64, usize> = FxHashMap::default();
            for entry in self.waiting.iter().filter(|entry| entry.ring == index) {
                let record = ring.record(entry.position);
                *bytes.entry(entry.session).or_default() += record.len() + HEADER;
            }
            noisy.extend(
                bytes
                    .into_iter()
                    .filter(|(_, bytes)| *bytes > ring.size() / 8)
                    .map(|(session, _)| session),
            );
        }
        noisy
    }

    /// Takes note of all new records; tells up to which time they are complete, so that no older
    /// one can follow any more. Bytes that are not a record count as of time 0.
    pub fn scan(&mut self, rings: &mut [Ring], shared: &mut Shared) -> Option<u64> {
        for _ in 0..PATIENCE {
            // What is not complete in its ring is claimed until it is.
            let settled = shared.settled();
            for (index, ring) in rings.iter_mut().enumerate() {
                ring.scan(|position, bytes| {
                    self.waiting
                        .push(waiting(index, position, bytes, self.reached));
                });
            }
            if settled.is_some() {
                return settled;
            }
            std::thread::yield_now();
        }
        None
    }
}

/// A record that has come when all up to the time `reached` could be handed on.
fn waiting(ring: usize, position: u64, bytes: &[u8], reached: u64) -> Waiting {
    let (time, session) = read::<Head>(bytes).map_or((0, 0), |head| (head.time, head.session));
    Waiting {
        time,
        ring,
        position,
        session,
        is_late: time <= reached,
    }
}

fn hand_on(entry: &Waiting, rings: &[Ring], late: &mut Vec<u8>, mut each: impl FnMut(&[u8])) {
    let record = rings[entry.ring].record(entry.position);
    if !entry.is_late {
        each(record);
    } else {
        mark_late(late, record);
        each(late);
    }
}

/// Copies the record, with its mark.
fn mark_late(copy: &mut Vec<u8>, record: &[u8]) {
    copy.clear();
    copy.extend_from_slice(record);
    let at = std::mem::offset_of!(Head, via);
    if let (Some(head), Some(place)) = (read::<Head>(record), copy.get_mut(at..at + 2)) {
        place.copy_from_slice(&(head.via | via::LATE as u16).to_ne_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::ring::tests::Producer;

    /// A record of so many nanoseconds since boot.
    fn record(time: u64) -> [u8; size_of::<Head>()] {
        let mut bytes = [0; size_of::<Head>()];
        bytes[..8].copy_from_slice(&time.to_ne_bytes());
        bytes
    }

    #[test]
    fn what_comes_behind_later_ones_is_marked() {
        let (mut producer, ring) = Producer::new();
        let mut rings = [ring];
        let mut order = Order::new(&rings);
        let places: Vec<_> = [10, 20, 30, 40]
            .map(|time| producer.reserve(&record(time)))
            .into();
        let mut take = |rings: &mut [Ring], settled| {
            for (index, ring) in rings.iter_mut().enumerate() {
                ring.scan(|position, bytes| {
                    order
                        .waiting
                        .push(waiting(index, position, bytes, order.reached));
                });
            }
            let mut taken = Vec::new();
            order.drain(rings, settled, |bytes| {
                let head = read::<Head>(bytes).unwrap();
                taken.push((head.time, u32::from(head.via)));
            });
            taken
        };
        [0, 2].iter().for_each(|it| producer.commit(places[*it]));
        assert_eq!(take(&mut rings, 30), [(10, 0), (30, 0)]);
        [1, 3].iter().for_each(|it| producer.commit(places[*it]));
        assert_eq!(take(&mut rings, 35), [(20, via::LATE)]);
        assert_eq!(take(&mut rings, 50), [(40, 0)]);
        assert_eq!(rings[0].used(), 0);
    }
}
