//! What was written of a session, and what is missing.

use super::unwritten::Unwritten;
use crate::abi::{CAUSES, Counts, Family, Losses, MissedCounts};
use crate::base::Ledger;
use crate::event::{Subject, Writer};
use crate::family::Lost;

/// Counts each event, written or lost.
#[derive(Default)]
pub struct Tally {
    ledger: Ledger,
    unwritten: Unwritten,
    /// How often each probe had been skipped when the session began.
    missed_before: MissedCounts,
}

impl Tally {
    /// Of a session that begins when each probe has been skipped so often.
    pub fn since(missed: MissedCounts) -> Self {
        Self {
            missed_before: missed,
            ..Self::default()
        }
    }

    /// What was written and lost.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// What was written and lost, once the session has ended.
    pub fn into_ledger(self) -> Ledger {
        self.ledger
    }

    /// Counts a line that stands for `count` events of a family, or those as unwritten if the writer was too full for
    /// it. `time` is in nanoseconds since boot.
    pub fn add(&mut self, family: Family, count: u64, time: u64, writer: &Writer) {
        if writer.is_full {
            self.ledger.add_unwritten(family, count);
            self.unwritten.add(family, count, time);
        } else {
            self.ledger.events[family as usize] += 1;
            self.unwritten.add_of(writer.full, family, count, time);
        }
    }

    /// Writes session.lost for what the kernel has counted beyond what is written already, between two times in
    /// nanoseconds since boot.
    pub fn lose(
        &mut self,
        total: &Losses,
        (from, to): (u64, u64),
        subject: &mut Subject,
        writer: &mut Writer,
    ) {
        for (family, causes) in Family::ALL.into_iter().zip(total) {
            for (cause, count) in causes.iter().enumerate() {
                let count = count.saturating_sub(self.ledger.lost()[family as usize][cause]);
                if count > 0 {
                    let lost = Lost {
                        from,
                        to,
                        family,
                        cause: CAUSES[cause],
                        count,
                        output: None,
                    };
                    writer.lost(subject, &lost);
                }
            }
        }
        self.ledger.set_lost(total);
    }

    /// Writes session.lost for what could not be written.
    pub fn tell_unwritten(&mut self, subject: &mut Subject, writer: &mut Writer) {
        self.unwritten.tell(subject, writer);
    }

    /// Takes down what the kernel has left out.
    pub fn exclude(&mut self, counts: &Counts) {
        self.ledger.set_excluded(counts);
    }

    /// Whether the kernel has lost anything of this family.
    pub fn has_lost(&self, family: Family) -> bool {
        let causes = self.ledger.lost()[family as usize];
        causes.iter().any(|count| *count > 0)
    }

    /// How often each probe has been skipped since the session began, when it has been so often in all.
    pub fn missed(&self, total: &MissedCounts) -> MissedCounts {
        std::array::from_fn(|probe| total[probe].saturating_sub(self.missed_before[probe]))
    }
}
