//! The outputs that the config can name.

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
