//! What the commands that show a log are asked for.

use std::path::PathBuf;

use super::output::Form;
use super::play::Play;
use crate::reader::log::Filter;

/// What to show of a log, and how.
pub struct Request {
    /// In what manner.
    pub command: Command,
    /// Where the log is: folders, files, or `-`; else as the config says.
    pub places: Vec<PathBuf>,
    /// The config to go by.
    pub config: Option<PathBuf>,
    /// Which events.
    pub filter: Filter,
    /// As text or JSON.
    pub form: Form,
    /// A session by event, instead of its tree.
    pub flat: bool,
    /// Each further event, too.
    pub follow: bool,
    /// How many of the last events.
    pub count: usize,
    /// How to play a terminal.
    pub play: Play,
}

/// A manner to show a log.
#[derive(PartialEq)]
pub enum Command {
    /// A line for each session.
    Sessions,
    /// One session, by the beginning of its `sid`.
    Show(String),
    /// A terminal of one session.
    Play(String),
    /// One session as a page, and where that goes.
    Report(String, PathBuf),
    /// The last events.
    Tail,
    /// All events.
    Search,
    /// Nothing: it is verified.
    Verify,
}
