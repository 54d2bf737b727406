//! The log as it is read back: files in the order of their days, lines through a fixed buffer, and
//! the events in them. Needs no daemon, and takes lines of any origin: what is no event is counted
//! and left out.

mod event;
mod files;
mod filter;
pub mod json;
mod lines;
mod reader;
mod time;

pub use event::{Event, errno, is_common, is_process};
pub use files::{Source, find};
pub use filter::{Filter, Network, Text};
pub use lines::Lines;
pub use reader::{Reader, Strays, Visit};
pub use time::{instant, moment};
