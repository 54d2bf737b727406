//! Why a log can't be read.

use std::error::Error;
use std::fmt::{self, Display, Formatter};
use std::io;
use std::path::PathBuf;

use super::files::Source;

/// Why a log can't be read.
#[derive(Debug)]
pub enum Fault {
    /// A place that was named can't be inspected.
    Place(PathBuf, io::Error),
    /// A folder has no file of a day in it.
    Empty(PathBuf),
    /// A source can't be read.
    Source(Source, io::Error),
}

impl Display for Fault {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Place(place, error) => {
                write!(f, "{}: {error}", place.display())?;
                match error.kind() {
                    io::ErrorKind::NotFound => f.write_str("; name the log with --log"),
                    io::ErrorKind::PermissionDenied => f.write_str("; only root can read the log"),
                    _ => Ok(()),
                }
            }
            Self::Empty(place) => write!(
                f,
                "{}: has no daily log file, such as 2023-07-04.00:00:00.log; name the log with --log",
                place.display()
            ),
            Self::Source(source, error) => write!(f, "{source}: {error}"),
        }
    }
}

impl Error for Fault {}
