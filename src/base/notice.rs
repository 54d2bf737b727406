//! What happens to an output, told in the log and to the operator.

use std::fmt;

use line::Uuid;

use super::{Output, Reason};

/// Something that happened to an output, to be told in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What it is.
    pub reason: Reason,
    /// To which output.
    pub output: Option<Output>,
    /// The message of the error.
    pub error: Option<String>,
    /// How many bytes it concerns.
    pub bytes: Option<u64>,
    /// How many files it concerns.
    pub files: Option<u64>,
    /// The file of the log that was removed.
    pub removed: Option<Box<Removed>>,
    /// Keys of the config that differ, and count only from the next start.
    pub needs_restart: Vec<&'static str>,
    /// Since when, in nanoseconds since boot.
    pub since: Option<u64>,
    /// What somebody else has changed.
    pub tampered: Option<Tampered>,
}

/// A table of the kernel that somebody else has changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tampered {
    /// Its name.
    pub map: &'static str,
    /// The session that it is about.
    pub sid: Option<Uuid>,
    /// Processes of it.
    pub pids: Vec<u32>,
    /// How many entries; 0 where that is not known.
    pub count: u64,
    /// Whether it is now as it was.
    pub is_restored: bool,
}

/// What was in a file of the log that was removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removed {
    /// Its name, in the folder of the host.
    pub file: String,
    /// The times of the first and the last of its events, as they were written; empty where there were none.
    pub first: String,
    /// See there.
    pub last: String,
    /// How many lines it had.
    pub lines: u64,
    /// How many of them are kept elsewhere.
    pub lines_kept: u64,
    /// How many sessions had lines in it.
    pub sessions: u64,
    /// The first of those.
    pub sids: Vec<String>,
}

/// How the recorder before this one ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Before {
    /// Up to when it wrote everything: nanoseconds since 1970-01-01 UTC.
    pub until: u64,
    /// Whether it was stopped as it should be.
    pub stopped: bool,
}

impl Notice {
    /// Of which only the reason is known.
    pub fn of(reason: Reason) -> Self {
        Self {
            reason,
            output: None,
            error: None,
            bytes: None,
            files: None,
            removed: None,
            needs_restart: Vec::new(),
            since: None,
            tampered: None,
        }
    }

    /// That somebody else has changed a table of the kernel.
    pub fn tampered(tampered: Tampered) -> Self {
        Self {
            tampered: Some(tampered),
            ..Self::of(Reason::Tampered)
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason.message())?;
        if let Some(tampered) = &self.tampered {
            write!(f, ": {}", tampered.map)?;
            for pid in &tampered.pids {
                write!(f, " {pid}")?;
            }
        }
        // The log as such is the one on disk.
        if let Some(output) = self.output.filter(|output| *output != Output::File) {
            write!(f, ": {}", output.name())?;
        }
        if let Some(error) = &self.error {
            write!(f, ": {error}")?;
        }
        if let Some(removed) = &self.removed {
            let Removed {
                file,
                lines,
                lines_kept,
                ..
            } = &**removed;
            write!(f, ": {file}: {lines} lines, {lines_kept} kept in summary/")?;
        }
        if let Some(bytes) = self.bytes {
            write!(f, ": {bytes} bytes")?;
        }
        if !self.needs_restart.is_empty() {
            let keys = self.needs_restart.join(", ");
            write!(f, "; restart recorderd to apply: {keys}")?;
        }
        Ok(())
    }
}
