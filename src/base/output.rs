//! The outputs that the config can name, and what it says of them.

/// A place for events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// The log below `data_dir`.
    File,
    /// Standard output.
    Stdout,
    /// The local socket of a syslog daemon.
    Syslog,
    /// The socket of systemd's journal.
    Journald,
}

impl Output {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::File, Self::Stdout, Self::Syslog, Self::Journald];

    /// As the config has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Stdout => "stdout",
            Self::Syslog => "syslog",
            Self::Journald => "journald",
        }
    }
}

/// A set of outputs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outputs(u8);

impl Outputs {
    /// Puts one in.
    pub fn insert(&mut self, output: Output) {
        self.0 |= 1 << output as u8;
    }

    /// Whether it is in.
    pub fn contains(self, output: Output) -> bool {
        self.0 & 1 << output as u8 != 0
    }

    /// Those that are in.
    pub fn iter(self) -> impl Iterator<Item = Output> {
        let all = Output::ALL.into_iter();
        all.filter(move |output| self.contains(*output))
    }
}

/// When lines are brought from the kernel's memory to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sync {
    /// With every write.
    PerEvent,
    /// Within a second.
    Interval,
    /// When a session has ended.
    SessionEnd,
}

/// What became of the lines for one output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// Which.
    pub output: Output,
    /// Bytes that it took.
    pub written: u64,
    /// Lines that it did not get.
    pub lost: u64,
    /// When it was written to last, nanoseconds since 1970; 0 before the first time.
    pub last: u64,
}

/// When a file is full, and how long files are kept. 0: no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Limits {
    /// Largest size of one file, in bytes. A line that is longer has a file of its own.
    pub file_size: u64,
    /// How long a file is kept after its last line, in days.
    pub days: u64,
    /// How much all files take together, in bytes; the one being written is never removed.
    pub total_size: u64,
}

/// No file is full before that. Bytes.
const SMALLEST: u64 = 4096;

impl Limits {
    /// Where only the size of all is limited, a file is an eighth of that: nothing can go that is being written.
    pub fn of_file(&self) -> u64 {
        match (self.file_size, self.total_size) {
            (0, 0) => 0,
            (0, total) => (total / 8).max(SMALLEST),
            (size, _) => size,
        }
    }
}

/// The folder of a host with what is kept of files that were removed.
pub const SUMMARY: &str = "summary";
