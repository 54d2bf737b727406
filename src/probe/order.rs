//! One stream out of several rings, by kernel time.

use super::ring::{HEADER, Ring};
use super::shared::Shared;
use crate::record::layout::{Head, read};

/// How often to look again for a record that is being written, before leaving it to the next round.
const PATIENCE: u32 = 64;

/// In how many parts the records of a round are handed on.
const PARTS: usize = 16;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Waiting {
    time: u64,
    ring: usize,
    position: u64,
}

/// The records that have been seen and not yet handed on.
pub struct Order {
    waiting: Vec<Waiting>,
    settled: u64,
}

impl Order {
    /// Room for as many records as the rings can hold, so that it never grows.
    pub fn new(rings: &[Ring]) -> Self {
        let smallest = size_of::<Head>() + HEADER;
        let most = rings.iter().map(|ring| ring.size() / smallest).sum();
        Self {
            waiting: Vec::with_capacity(most),
            settled: 0,
        }
    }

    /// Every record up to this time has been handed on. Nanoseconds since boot.
    pub fn settled(&self) -> u64 {
        self.settled
    }

    /// Whether records are left that were too young to be handed on.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Hands on, oldest first, every record up to the time `settled`; returns how many.
    pub fn drain(
        &mut self,
        rings: &mut [Ring],
        settled: u64,
        mut each: impl FnMut(&[u8]),
    ) -> usize {
        self.waiting.sort_unstable();
        let ready = self.waiting.partition_point(|entry| entry.time <= settled);
        let mut left = ready;
        // Space is given back again and again, since it takes long to write all that a ring holds.
        loop {
            let part = left.min(ready.div_ceil(PARTS));
            for entry in &self.waiting[..part] {
                each(rings[entry.ring].record(entry.position));
            }
            self.waiting.drain(..part);
            self.release(rings);
            left -= part;
            if left == 0 {
                break;
            }
        }
        self.settled = settled;
        ready
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
            let mut bytes: Vec<(u64, usize)> = Vec::new();
            for entry in self.waiting.iter().filter(|entry| entry.ring == index) {
                let record = ring.record(entry.position);
                let Some(Head { session, .. }) = read(record) else {
                    continue;
                };
                let length = record.len() + HEADER;
                match bytes.iter_mut().find(|(of, _)| *of == session) {
                    Some((_, bytes)) => *bytes += length,
                    None => bytes.push((session, length)),
                }
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
    pub fn scan(&mut self, rings: &mut [Ring], shared: &Shared) -> Option<u64> {
        for _ in 0..PATIENCE {
            let settled = shared.settled();
            let mut complete = true;
            for (index, ring) in rings.iter_mut().enumerate() {
                complete &= ring.scan(|position, bytes| {
                    self.waiting.push(Waiting {
                        time: read::<Head>(bytes).map_or(0, |head| head.time),
                        ring: index,
                        position,
                    });
                });
            }
            if complete && settled.is_some() {
                return settled;
            }
            std::thread::yield_now();
        }
        None
    }
}
