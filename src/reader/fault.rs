//! Why a log can't be shown.

use std::error::Error;
use std::fmt::{self, Display, Formatter};
use std::io;
use std::path::PathBuf;

use crate::config::Refused;
use crate::reader::log;

/// Why a command could not do what was asked.
#[derive(Debug)]
pub enum Fault {
    /// The config is wrong.
    Config(Refused),
    /// By this config there is no log in files.
    NoFiles(PathBuf),
    /// The log can't be read.
    Log(log::Fault),
    /// No session has an id that begins so.
    NoSession(String),
    /// More than one session has: two of them.
    Sessions(String, [String; 2]),
    /// What was given as a key is none, or can't be read.
    Key(String, Option<io::Error>),
    /// The session has no recording of this terminal.
    NoRecording(String, usize),
    /// A page can't be written.
    Page(PathBuf, io::Error),
    /// Standard output can't be written.
    Output(io::Error),
}

impl Display for Fault {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(refused) => refused.fmt(f),
            Self::NoFiles(config) => write!(
                f,
                "{}: output has no file; name a log with --log",
                config.display()
            ),
            Self::Log(fault) => fault.fmt(f),
            Self::NoSession(sid) => write!(
                f,
                "{}: no session in the log has this ID prefix; `recorderd sessions` lists all",
                sid.escape_debug()
            ),
            Self::Sessions(sid, [one, other]) => write!(
                f,
                "{}: several sessions have this ID prefix: {}, {}; use a longer prefix",
                sid.escape_debug(),
                one.escape_debug(),
                other.escape_debug()
            ),
            Self::Key(text, error) => {
                write!(f, "{}: ", text.escape_debug())?;
                match error {
                    Some(error) => write!(f, "not a public key, nor a file with one: {error}")?,
                    None => f.write_str("not a file of public keys")?,
                }
                f.write_str("; `recorderd seal` prints the key of a log")
            }
            Self::NoRecording(session, terminal) => write!(
                f,
                "{}: no recording of terminal {terminal} is beside the log; `recorderd show` lists the recordings",
                session.escape_debug()
            ),
            Self::Page(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Output(error) => write!(f, "standard output: {error}"),
        }
    }
}

impl Error for Fault {}

impl From<log::Fault> for Fault {
    fn from(fault: log::Fault) -> Self {
        Self::Log(fault)
    }
}
