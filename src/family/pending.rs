//! What later events of a session refer to.

use super::arguments::Arguments;
use super::channel::Channels;
use super::memory::{Events, Share};
use super::sends::Counted;

/// What is kept of a session's events.
pub struct Pending {
    /// The event of the last command of each process.
    pub commands: Events<u32>,
    /// Later parts of the arguments of a command that is to come.
    pub arguments: Arguments,
    /// The event of each connect whose result is to come, by the kernel's name for it.
    pub connects: Events<u64>,
    /// Datagrams of which the kernel counts more.
    pub sends: Counted,
    /// What clients have opened on the connection.
    pub channels: Channels,
    /// Of the memory for all that grows with what the session does.
    pub share: Share,
}

impl Pending {
    /// Nothing yet.
    pub fn new(share: Share) -> Self {
        Self {
            commands: Events::default(),
            arguments: Arguments::default(),
            connects: Events::default(),
            sends: Counted::default(),
            channels: Channels::default(),
            share,
        }
    }
}
