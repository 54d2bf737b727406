//! Why the recorder tells something of itself.

/// The reasons of recorder.status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Recording begins.
    Start,
    /// Recording ends.
    Stop,
    /// Nothing else was told for an hour.
    Hourly,
    /// Events were lost.
    Losses,
    /// The kernel has skipped probes.
    HookMissed,
    /// An output takes nothing.
    WriteFailed,
    /// It takes lines again.
    WriteResumed,
    /// Lines can't be brought to the disk.
    SyncFailed,
    /// A checkpoint can't be written.
    SealFailed,
    /// A new file was due, and can't be created.
    RotationFailed,
    /// The link in the folder of all hosts can't be created.
    LinkFailed,
    /// Somebody has moved the file.
    LogMoved,
    /// Somebody has removed the file.
    LogRemoved,
    /// Somebody has cut the file.
    LogTruncated,
    /// The last line was not whole.
    LineCut,
    /// Lines are longer than the output takes.
    LineTooLong,
    /// The config was read again.
    ConfigChanged,
    /// The config was read again, and has a mistake.
    ConfigRefused,
    /// A file is older than is to be kept.
    LogExpired,
    /// Somebody has changed the kernel's tables.
    Tampered,
}

impl Reason {
    /// As docs/events.md has it.
    pub const fn name(self) -> &'static str {
        self.texts().0
    }

    /// What is said to the operator.
    pub const fn message(self) -> &'static str {
        self.texts().1
    }

    const fn texts(self) -> (&'static str, &'static str) {
        match self {
            Self::Start => ("start", "start"),
            Self::Stop => ("stop", "stop"),
            Self::Hourly => ("hourly", "hourly"),
            Self::Losses => ("losses", "losses"),
            Self::HookMissed => ("missed_probes", "missed_probes"),
            Self::WriteFailed => (
                "write_failed",
                "the log can't be written; recorderd keeps up to 16 MiB of events in memory",
            ),
            Self::WriteResumed => ("write_resumed", "the log is written again"),
            Self::SyncFailed => ("sync_failed", "the log can't be synced to disk"),
            Self::SealFailed => (
                "seal_failed",
                "the log can't be sealed; the next checkpoint is tried again",
            ),
            Self::RotationFailed => (
                "rotation_failed",
                "the next log file can't be created; the old file continues",
            ),
            Self::LinkFailed => (
                "link_failed",
                "log/events.log can't be created; recording continues",
            ),
            Self::LogMoved => (
                "log_moved",
                "the log was moved; recorderd created a new file",
            ),
            Self::LogRemoved => (
                "log_removed",
                "the log was removed; recorderd created a new file",
            ),
            Self::LogTruncated => ("log_truncated", "another process truncated the log"),
            Self::LineCut => (
                "line_cut",
                "a partial line at the end of the log was cut off",
            ),
            Self::LineTooLong => (
                "line_too_long",
                "the output misses events that are longer than it accepts",
            ),
            Self::ConfigChanged => ("config_changed", "the config was read again"),
            Self::ConfigRefused => (
                "config_refused",
                "the config is invalid; the previous config continues",
            ),
            Self::LogExpired => ("log_expired", "an old log file was removed"),
            Self::Tampered => (
                "tampered",
                "another process changed the recorder's BPF maps or hooks",
            ),
        }
    }
}
