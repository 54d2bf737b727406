//! What is recorded together.

use std::fmt;

use crate::abi;

/// What is recorded together, or not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Who belongs to a session, and its end. Without it nothing else is told.
    Session,
    /// session.command, session.channel and session.resize
    Command,
    /// session.disk
    Disk,
    /// session.network, session.network_result, session.network_sends, session.local_connect,
    /// session.local_send, session.vsock, session.packet_socket and session.dns
    Network,
    /// session.privilege
    Privilege,
}

impl Family {
    /// All of them, in the order in which they are attached.
    pub const ALL: [Self; 5] = [
        Self::Session,
        Self::Command,
        Self::Disk,
        Self::Network,
        Self::Privilege,
    ];

    /// As the config has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Command => "command",
            Self::Disk => "disk",
            Self::Network => "network",
            Self::Privilege => "privilege",
        }
    }
}

/// The one that a family of records belongs to.
impl From<abi::Family> for Family {
    fn from(family: abi::Family) -> Self {
        match family {
            abi::Family::Session => Self::Session,
            abi::Family::Command | abi::Family::ProcessExit => Self::Command,
            abi::Family::Disk => Self::Disk,
            abi::Family::Network | abi::Family::NetworkResult => Self::Network,
            abi::Family::Privilege => Self::Privilege,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
