//! Errors of the operating system, with what they are about.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::Path;

/// The error with the name of the file in front.
pub fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// What could not be done, and what the operating system says of it.
#[derive(Debug)]
pub struct Failed {
    what: String,
    error: io::Error,
}

impl Failed {
    /// Of what is named by `what`.
    pub fn new(what: impl Into<String>, error: io::Error) -> Self {
        Self {
            what: what.into(),
            error,
        }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.error)
    }
}

impl Error for Failed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}
