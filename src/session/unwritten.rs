//! What could not be written of a session, until that is told.

use crate::abi::Family;
use crate::base::{Output, Outputs};
use crate::event::{Subject, Writer};
use crate::family::Lost;

/// Takes no room while everything is written: there are thousands of sessions.
#[derive(Default)]
pub struct Unwritten(Option<Box<Missing>>);

#[derive(Default)]
struct Missing {
    /// What none of the outputs has.
    everywhere: Period,
    /// Events that only one output misses, by output.
    outputs: [Period; Output::ALL.len()],
}

/// What is missing since that was told last.
#[derive(Default)]
struct Period {
    counts: [u64; Family::COUNT],
    /// Times of the first and the last. Nanoseconds since boot.
    times: Option<(u64, u64)>,
}

impl Unwritten {
    /// Counts what nothing could take, of this family. `time` is in nanoseconds since boot.
    pub fn add(&mut self, family: Family, count: u64, time: u64) {
        let missing = self.0.get_or_insert_default();
        missing.everywhere.add(family, count, time);
    }

    /// Counts events of this family that only the full outputs miss.
    pub fn add_of(&mut self, full: Outputs, family: Family, count: u64, time: u64) {
        for output in full.iter() {
            let missing = self.0.get_or_insert_default();
            missing.outputs[output as usize].add(family, count, time);
        }
    }

    /// Writes session.lost for all of it, and forgets it.
    pub fn tell(&mut self, subject: &mut Subject, writer: &mut Writer) {
        let Some(missing) = self.0.take() else {
            return;
        };
        missing.everywhere.tell(None, subject, writer);
        for (output, period) in Output::ALL.into_iter().zip(missing.outputs) {
            period.tell(Some(output), subject, writer);
        }
    }
}

impl Period {
    fn add(&mut self, family: Family, count: u64, time: u64) {
        self.counts[family as usize] += count;
        self.times.get_or_insert((time, time)).1 = time;
    }

    fn tell(self, output: Option<Output>, subject: &mut Subject, writer: &mut Writer) {
        let Some((from, to)) = self.times else {
            return;
        };
        for (family, count) in Family::ALL.into_iter().zip(self.counts) {
            if count > 0 {
                let lost = Lost {
                    from,
                    to,
                    family,
                    cause: "write_failed",
                    count,
                    output,
                };
                writer.lost(subject, &lost);
            }
        }
    }
}
