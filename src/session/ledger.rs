//! What was written and what was lost, by family and cause.

use crate::record::layout::{CAUSES, FAMILIES, Losses};

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
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Events written.
    pub events: [u64; FAMILIES.len()],
    /// What the kernel has counted.
    pub lost: Losses,
    /// What could not be written.
    pub unwritten: [u64; FAMILIES.len()],
    /// What the config leaves out.
    pub left_out: [u64; FAMILIES.len()],
}

impl Ledger {
    /// Adds the counts of another.
    pub fn add(&mut self, other: &Self) {
        let add = |into: &mut u64, count: &u64| *into = into.saturating_add(*count);
        for family in 0..FAMILIES.len() {
            add(&mut self.events[family], &other.events[family]);
            add(&mut self.unwritten[family], &other.unwritten[family]);
            add(&mut self.left_out[family], &other.left_out[family]);
            for (into, count) in self.lost[family].iter_mut().zip(&other.lost[family]) {
                add(into, count);
            }
        }
    }

    /// The losses of a family, in the order of [`ALL_CAUSES`].
    pub fn losses(&self, family: usize) -> impl Iterator<Item = u64> {
        let kernel = self.lost[family].iter().copied();
        kernel.chain([self.unwritten[family]])
    }

    /// All losses of a family.
    pub fn lost_of(&self, family: usize) -> u64 {
        self.losses(family).fold(0, u64::saturating_add)
    }

    /// All losses.
    pub fn lost_at_all(&self) -> u64 {
        let families = 0..FAMILIES.len();
        families.fold(0, |sum, family| sum.saturating_add(self.lost_of(family)))
    }
}
