//! Why nothing came of a command line: exit code, and what there is to say.

use std::error::Error;
use std::fmt::{self, Display, Formatter};
use std::io;

use super::mistake::Mistake;
use crate::config::Refused;
use crate::reader;

/// Exit codes.
pub const CANNOT: u8 = 1;
pub const USAGE: u8 = 2;
pub const DEGRADED: u8 = 3;

/// An exit code, or why there is another one.
pub type Done = Result<u8, Failure>;

/// Why nothing came of it.
#[derive(Debug)]
pub enum Failure {
    /// The command line is wrong.
    Mistake(Mistake),
    /// The config is.
    Config(Refused),
    /// Families that the config requires, and why each can't be recorded.
    Required(Vec<String>),
    /// It can't be done.
    Cannot(Box<dyn Error>),
}

impl Failure {
    /// The exit code.
    pub fn code(&self) -> u8 {
        match self {
            Self::Mistake(_) | Self::Config(_) => USAGE,
            Self::Required(_) | Self::Cannot(_) => CANNOT,
        }
    }

    /// Lines that say why.
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::Config(refused) => refused.lines(),
            Self::Required(lines) => lines.clone(),
            Self::Mistake(mistake) => vec![mistake.to_string()],
            Self::Cannot(error) => vec![error.to_string()],
        }
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines().join("; "))
    }
}

impl Error for Failure {}

impl From<Mistake> for Failure {
    fn from(mistake: Mistake) -> Self {
        Self::Mistake(mistake)
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        Self::Config(refused)
    }
}

impl From<reader::Fault> for Failure {
    fn from(fault: reader::Fault) -> Self {
        match fault {
            reader::Fault::Config(refused) => Self::Config(refused),
            other => cannot(other),
        }
    }
}

/// It can't be done, for this reason.
pub fn cannot(error: impl Into<Box<dyn Error>>) -> Failure {
    Failure::Cannot(error.into())
}

/// An error of the operating system, and what was being done.
#[derive(Debug)]
pub struct While {
    /// In front of the error.
    pub what: &'static str,
    pub error: io::Error,
}

impl Display for While {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.error)
    }
}

impl Error for While {}

/// Says what was being done when the operating system refused it.
pub fn during(what: &'static str) -> impl FnOnce(io::Error) -> Failure {
    move |error| cannot(While { what, error })
}
