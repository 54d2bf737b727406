//! Why the recorder can't be installed.

use std::error::Error;
use std::fmt::{self, Display, Formatter};
use std::io;
use std::path::PathBuf;

use super::{CONFIG, FOLDERS, NAME};

/// Why it can't be put on a host, or taken away.
#[derive(Debug)]
pub enum Fault {
    /// The program that runs can't be read.
    Own(io::Error),
    /// An image can't be entered.
    Root(PathBuf, io::Error),
    /// What starts the services of the host is not known.
    NoInit,
    /// The program can be written to no folder.
    NoFolder,
    /// A file can't be inspected, written or removed, by its name.
    File(io::Error),
}

impl Display for Fault {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own(error) => write!(
                f,
                "/proc/self/exe: {error}; the program can't be copied from there"
            ),
            Self::Root(root, error) => write!(f, "--root: {}: {error}", root.display()),
            Self::NoInit => write!(
                f,
                "neither systemd, OpenRC nor busybox with an /etc/inittab starts the services of this \
                 host; have whatever does run `{NAME} --config {CONFIG}`"
            ),
            Self::NoFolder => write!(
                f,
                "neither {} can be written to; run it as root, or make one of them writable",
                FOLDERS.join(" nor ")
            ),
            Self::File(error) => error.fmt(f),
        }
    }
}

impl Error for Fault {}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::File(error)
    }
}
