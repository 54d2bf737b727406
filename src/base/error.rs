//! Errors of the operating system, with what they are about.

use std::io;
use std::path::Path;

/// The same error, with the name of the file in front.
pub fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
