//! What was written and what was lost, by family and cause.

use crate::abi::{CAUSES, Counts, Family, Losses};

/// Every reason for which an event can be missing: those of the probes, and that the log could not
/// be written.
pub const ALL_CAUSES: [&str; CAUSES.len() + 1] = {
    let mut causes = ["write_failed"; CAUSES.len() + 1];
    let mut index = 0;
    while index < CAUSES.len() {
        causes[index] = CAUSES[index];
        index += 1;
    }
    causes
};

/// The counts of one session, or of all.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    /// Events written.
    pub events: Counts,
    /// Takes no room where nothing is missing: there are thousands of sessions.
    missing: Option<Box<Missing>>,
}

#[derive(Debug, Clone)]
struct Missing {
    lost: Losses,
    unwritten: Counts,
    excluded: Counts,
}

static NOTHING: Missing = Missing {
    lost: [[0; CAUSES.len()]; Family::COUNT],
    unwritten: [0; Family::COUNT],
    excluded: [0; Family::COUNT],
};

impl Ledger {
    fn missing(&self) -> &Missing {
        self.missing.as_deref().unwrap_or(&NOTHING)
    }

    fn missing_mut(&mut self) -> &mut Missing {
        self.missing
            .get_or_insert_with(|| Box::new(NOTHING.clone()))
    }

    /// What the kernel has counted as lost.
    pub fn lost(&self) -> &Losses {
        &self.missing().lost
    }

    /// Takes down what the kernel has counted as lost.
    pub fn set_lost(&mut self, total: &Losses) {
        if total != self.lost() {
            self.missing_mut().lost = *total;
        }
    }

    /// Counts what could not be written, of this family.
    pub fn add_unwritten(&mut self, family: Family, count: u64) {
        self.missing_mut().unwritten[family as usize] += count;
    }

    /// What the config leaves out.
    pub fn excluded(&self) -> &Counts {
        &self.missing().excluded
    }

    /// Takes down what the kernel has left out.
    pub fn set_excluded(&mut self, counts: &Counts) {
        if counts != self.excluded() {
            self.missing_mut().excluded = *counts;
        }
    }

    /// Adds the counts of another.
    pub fn add(&mut self, other: &Self) {
        add(&mut self.events, &other.events);
        let Some(other) = &other.missing else {
            return;
        };
        let missing = self.missing_mut();
        add(&mut missing.unwritten, &other.unwritten);
        add(&mut missing.excluded, &other.excluded);
        add(missing.lost.as_flattened_mut(), other.lost.as_flattened());
    }

    /// The losses of a family, in the order of [`ALL_CAUSES`].
    pub fn losses(&self, family: Family) -> impl Iterator<Item = u64> {
        let missing = self.missing();
        let kernel = missing.lost[family as usize].iter().copied();
        kernel.chain([missing.unwritten[family as usize]])
    }

    /// All losses of a family.
    pub fn lost_of(&self, family: Family) -> u64 {
        self.losses(family).fold(0, u64::saturating_add)
    }

    /// All losses.
    pub fn lost_at_all(&self) -> u64 {
        let families = Family::ALL.into_iter();
        families.fold(0, |sum, family| sum.saturating_add(self.lost_of(family)))
    }
}

fn add(into: &mut [u64], counts: &[u64]) {
    for (into, count) in into.iter_mut().zip(counts) {
        *into = into.saturating_add(*count);
    }
}
