//! How much is done in one round for what can wait, so that the rings are read again soon.

/// What is left of it in this round: a count that is fetched and written is one.
pub struct Work(usize);

impl Default for Work {
    fn default() -> Self {
        Self::ROUND
    }
}

impl Work {
    /// To look for all counts of a session in the kernel's table.
    pub const LOOK: usize = 1024;

    /// For one round: some 10 ms.
    pub const ROUND: Self = Self(2048);

    /// Where there will be no other round.
    pub const ENDLESS: Self = Self(usize::MAX);

    /// Whether something is left.
    pub fn is_left(&self) -> bool {
        self.0 > 0
    }

    /// Uses some of it.
    pub fn spend(&mut self, work: usize) {
        self.0 = self.0.saturating_sub(work);
    }
}
