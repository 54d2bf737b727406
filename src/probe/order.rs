//! One stream out of several rings, by kernel time.

use super::ring::{HEADER, Ring};
use super::shared::Shared;
use crate::record::layout::{Head, RECORD_MAX, read, via};

/// How often to look again for a record that is being written, before leaving it to the next round.
const PATIENCE: u32 = 64;

/// In how many parts the records of a round are handed on.
const PARTS: usize = 16;

/// The ring of what begins and ends.
const SESSIONS: usize = 0;

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
    /// One that comes late, with a mark.
    late: Vec<u8>,
}

impl Order {
    /// Room for as many records as the rings can hold, so that it never grows.
    pub fn new(rings: &[Ring]) -> Self {
        let smallest = size_of::<Head>() + HEADER;
        let most = rings.iter().map(|ring| ring.size() / smallest).sum();
        Self {
            waiting: Vec::with_capacity(most),
            settled: 0,
            late: Vec::with_capacity(RECORD_MAX),
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

    /// Hands on, oldest first, every record up to the time `settled`; returns how many. Those have a
    /// mark that others from after them have been handed on before.
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
                let record = rings[entry.ring].record(entry.position);
                if entry.time > self.settled {
                    each(record);
                } else {
                    mark_late(&mut self.late, record);
                    each(&self.late);
                }
            }
            self.waiting.drain(..part);
            self.release(rings);
            left -= part;
            if left == 0 {
                break;
            }
        }
        self.settled = self.settled.max(settled);
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
    pub fn scan(&mut self, rings: &mut [Ring], shared: &mut Shared) -> Option<u64> {
        for _ in 0..PATIENCE {
            // What is not complete in its ring is claimed until it is.
            let settled = shared.settled();
            for (index, ring) in rings.iter_mut().enumerate() {
                ring.scan(|position, bytes| {
                    self.waiting.push(Waiting {
                        time: read::<Head>(bytes).map_or(0, |head| head.time),
                        ring: index,
                        position,
                    });
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
    use crate::probe::ring::tests::Producer;

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
                    order.waiting.push(Waiting {
                        time: read::<Head>(bytes).unwrap().time,
                        ring: index,
                        position,
                    });
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
