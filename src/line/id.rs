//! Random ids for events and sessions.

/// A UUID as text.
pub type Uuid = [u8; uuid::fmt::Hyphenated::LENGTH];

const ID: usize = 16;

/// A supply of UUIDs; it asks the kernel for randomness once for every 64 of them.
pub struct Ids {
    pool: [u8; 64 * ID],
    used: usize,
    random: fn(&mut [u8]),
}

impl Ids {
    /// Version 4 UUIDs from the kernel's random numbers.
    pub fn new() -> Self {
        Self::with(fill)
    }

    /// UUIDs from another source of bytes, so that tests know them beforehand.
    pub fn with(random: fn(&mut [u8])) -> Self {
        let pool = [0; 64 * ID];
        Self {
            used: pool.len(),
            pool,
            random,
        }
    }

    /// The next one.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Uuid {
        if self.used == self.pool.len() {
            (self.random)(&mut self.pool);
            self.used = 0;
        }
        let mut bytes = [0; ID];
        bytes.copy_from_slice(&self.pool[self.used..self.used + ID]);
        self.used += ID;
        let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
        uuid::Builder::from_random_bytes(bytes)
            .into_uuid()
            .hyphenated()
            .encode_lower(&mut text);
        text
    }
}

impl Default for Ids {
    fn default() -> Self {
        Self::new()
    }
}

/// Fills `bytes` from getrandom(2), which can't fail once the host has booted.
fn fill(bytes: &mut [u8]) {
    // A signal can make it less.
    // SAFETY: the kernel writes at most the length of the slice.
    while unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) }
        < bytes.len() as isize
    {}
}
