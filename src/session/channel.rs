//! The channels of an SSH connection: what a client opens on it, each for a shell, a command or a
//! subsystem, with a terminal of its own or without one.

use std::collections::VecDeque;

use crate::abi::{self, command_mark};
use crate::event::{Channel, ChannelType};
use crate::record::{Command, strings};

/// What sshd is told by its config to run for a subsystem that it serves itself.
const OWN_SUBSYSTEM: &[u8] = b"internal-sftp";

/// The program that it runs for the same subsystem otherwise, wherever that lies.
const SFTP_SERVER: &[u8] = b"sftp-server";

/// Terminals whose size is kept, of the latest channels: sshd allows ten at once unless it is told
/// otherwise.
const TERMINALS: usize = 256;

/// The channels of one session.
#[derive(Default)]
pub struct Channels {
    count: u64,
    /// Of those with a terminal: the process that it is for, the number, columns and rows.
    terminals: VecDeque<(u32, u64, (u16, u16))>,
}

impl Channels {
    /// Counts one more, for the process `pid`; tells its number.
    pub fn begin(&mut self, pid: u32, terminal: Option<(u16, u16)>) -> u64 {
        let number = self.count;
        self.count += 1;
        if let Some(size) = terminal {
            if self.terminals.len() == TERMINALS {
                self.terminals.pop_front();
            }
            self.terminals.push_back((pid, number, size));
        }
        number
    }

    /// The number of the channel for the process `leader`, if its terminal had another size before.
    pub fn resize(&mut self, leader: u32, size: (u16, u16)) -> Option<u64> {
        // Of two with the same process id, the first is over.
        let mut terminals = self.terminals.iter_mut().rev();
        let (_, number, known) = terminals.find(|(pid, ..)| *pid == leader)?;
        let before = std::mem::replace(known, size);
        (before != size).then_some(*number)
    }

    /// Whether one of them had a terminal.
    pub fn had_terminal(&self) -> bool {
        !self.terminals.is_empty()
    }
}

/// Whether this is the program that a login server runs for a channel.
pub fn is_of(command: &Command<'_>) -> bool {
    command.fixed.marks & command_mark::CHANNEL != 0
}

/// Columns and rows of the terminal, where there is one.
pub fn terminal_size(channel: &abi::Channel) -> Option<(u16, u16)> {
    (channel.terminal != 0).then_some((channel.columns, channel.rows))
}

/// sshd runs the shell alone, or `SHELL -c COMMAND`.
pub fn of<'a>(command: &Command<'a>, argv: &'a [u8]) -> Channel<'a> {
    let mut words = strings(argv).skip(1);
    let asked = match (words.next(), words.next(), words.next()) {
        (Some(b"-c"), Some(asked), None) => Some(asked),
        _ => None,
    };
    Channel {
        kind: match asked {
            None => ChannelType::Shell,
            Some(asked) if is_sftp_server(asked) => ChannelType::Subsystem,
            Some(_) => ChannelType::Exec,
        },
        terminal: command.fixed.terminal,
        size: command.terminal_size(),
        command: asked,
        // In place of what the client asked for, sshd never runs a shell alone: then it was the client, or
        // somebody else, that has set the variable.
        requested: asked.map_or(&[], |_| command.requested),
        is_cut: asked.is_some() && command.fixed.marks & command_mark::REQUESTED_CUT != 0,
    }
}

/// What sshd serves itself.
pub fn own(channel: &abi::Channel) -> Channel<'static> {
    Channel {
        kind: ChannelType::Subsystem,
        terminal: channel.terminal,
        size: terminal_size(channel),
        command: Some(OWN_SUBSYSTEM),
        requested: &[],
        is_cut: false,
    }
}

fn is_sftp_server(command: &[u8]) -> bool {
    let program = command.split(|byte| *byte == b' ').next();
    let name = program.and_then(|program| program.rsplit(|byte| *byte == b'/').next());
    name == Some(SFTP_SERVER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_change_of_a_known_terminal_is_one() {
        let mut channels = Channels::default();
        assert_eq!(channels.begin(7, Some((80, 25))), 0);
        assert_eq!(channels.begin(8, None), 1);
        assert_eq!(channels.resize(8, (90, 30)), None);
        assert_eq!(channels.resize(7, (80, 25)), None);
        assert_eq!(channels.resize(7, (90, 25)), Some(0));
        assert_eq!(channels.begin(7, Some((80, 25))), 2);
        assert_eq!(channels.resize(7, (80, 26)), Some(2));
    }

    #[test]
    fn terminals_are_kept_of_the_latest_channels() {
        let mut channels = Channels::default();
        for pid in 0..2 * TERMINALS as u32 {
            channels.begin(pid, Some((80, 25)));
        }
        assert_eq!(channels.terminals.len(), TERMINALS);
        assert_eq!(channels.resize(0, (1, 1)), None);
        assert!(channels.had_terminal());
    }

    #[test]
    fn the_server_of_files_is_a_subsystem() {
        assert!(is_sftp_server(b"/usr/lib/openssh/sftp-server -l INFO"));
        assert!(is_sftp_server(b"sftp-server"));
        assert!(!is_sftp_server(b"cat /usr/lib/openssh/sftp-server"));
        assert!(!is_sftp_server(b""));
    }
}
