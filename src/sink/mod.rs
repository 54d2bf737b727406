//! Where events go.

mod file;

use std::io::{self, Write};

pub use file::Log;

/// A place for lines.
pub enum Sink {
    /// The log of `<data_dir>/log`.
    File(Log),
    /// Standard output, a line at a time.
    Stdout,
}

impl Sink {
    /// Writes whole lines. `day` counts from 1970-01-01 UTC.
    ///
    /// # Errors
    /// What the operating system says. Lines that a file did not take are kept, and written
    /// before the next ones.
    pub fn write(&mut self, lines: &[u8], day: u64) -> io::Result<()> {
        match self {
            Self::File(log) => log.write(lines, day),
            Self::Stdout => io::stdout().lock().write_all(lines),
        }
    }

    /// Opens the log again, because something else has moved it.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn reopen(&mut self) -> io::Result<()> {
        match self {
            Self::File(log) => log.reopen(),
            Self::Stdout => Ok(()),
        }
    }
}
