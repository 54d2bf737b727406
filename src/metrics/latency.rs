//! How long it takes from an act to its line.

/// The ends of the classes: nanoseconds, and the same in seconds as text.
const CLASSES: [(u64, &str); 8] = [
    (10_000_000, "0.01"),
    (25_000_000, "0.025"),
    (50_000_000, "0.05"),
    (100_000_000, "0.1"),
    (250_000_000, "0.25"),
    (500_000_000, "0.5"),
    (1_000_000_000, "1.0"),
    (5_000_000_000, "5.0"),
];

/// Times that were measured, by classes.
#[derive(Default)]
pub struct Latency {
    counts: [u64; CLASSES.len()],
    count: u64,
    /// Nanoseconds.
    sum: u64,
}

impl Latency {
    /// Takes note of a time in nanoseconds.
    pub fn note(&mut self, time: u64) {
        self.count += 1;
        self.sum = self.sum.saturating_add(time);
        if let Some(class) = CLASSES.iter().position(|(end, _)| time <= *end) {
            self.counts[class] += 1;
        }
    }

    /// The end of each class, in seconds, and how many times were not longer.
    pub fn classes(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self.counts.iter().scan(0, |sum, count| {
            *sum += count;
            Some(*sum)
        });
        CLASSES.iter().map(|(_, end)| *end).zip(counts)
    }

    /// How many there were, and how long all took together, in nanoseconds.
    pub fn total(&self) -> (u64, u64) {
        (self.count, self.sum)
    }
}
