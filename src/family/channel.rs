//! The channels of an SSH connection: what a client opens on it, each for a shell, a command or a
//! subsystem, with a terminal of its own or without one.

use std::collections::VecDeque;
use std::io;

use super::act::Act;
use super::describe::Members;
use super::members::process;
use super::record::split;
use super::{Body, Command, Context, EventType, Malformed, Payload, strings};
use crate::abi::{self, Head, command_mark};
use crate::base::{Text, Weight};
use crate::event::device;

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

/// What a channel is for.
#[derive(Clone, Copy)]
enum ChannelType {
    Shell,
    Exec,
    Subsystem,
}

impl ChannelType {
    fn name(self) -> &'static [u8] {
        match self {
            Self::Shell => b"shell",
            Self::Exec => b"exec",
            Self::Subsystem => b"subsystem",
        }
    }
}

/// What a login server runs or does for a channel.
struct Channel<'a> {
    /// What it is for.
    kind: ChannelType,
    /// The device number of its terminal; 0 where there is none.
    terminal: u32,
    /// Columns and rows of that.
    size: Option<(u16, u16)>,
    /// The command that runs; a shell has none.
    command: Option<&'a [u8]>,
    /// What the client asked for, where that is not the command; else empty.
    requested: &'a [u8],
    /// Whether its end is missing.
    is_cut: bool,
}

/// A login server serves a channel itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subsystem(pub abi::Channel);

impl<'a> Payload<'a> for Subsystem {
    fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        Ok(Self(split(bytes)?.0))
    }

    fn write(&self, head: &Head, context: &mut Context<'_>) -> Option<EventType> {
        write(head, &own(&self.0), context);
        Some(EventType::Channel)
    }
}

/// The terminal of a channel has another size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resize(pub abi::Channel);

impl<'a> Payload<'a> for Resize {
    fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        Ok(Self(split(bytes)?.0))
    }

    fn write(&self, head: &Head, context: &mut Context<'_>) -> Option<EventType> {
        let (leader, size) = (self.0.leader, (self.0.columns, self.0.rows));
        let number = context.pending.channels.resize(leader, size)?;
        context.line(EventType::Resize, head.time, |object, _| {
            process(object, head);
            object.number("channel", number);
            object.string("tty", &device::terminal(self.0.terminal));
            let (columns, rows) = size;
            object.string("size", &device::pair(columns.into(), rows.into()));
        });
        Some(EventType::Resize)
    }
}

/// session.channel of the command that a login server runs for one.
pub(super) fn write_of(head: &Head, command: &Command<'_>, argv: &[u8], context: &mut Context<'_>) {
    write(head, &of(command, argv), context);
}

fn write(head: &Head, channel: &Channel<'_>, context: &mut Context<'_>) {
    let number = context.pending.channels.begin(head.pid, channel.size);
    context.line(EventType::Channel, head.time, |object, _| {
        process(object, head);
        object.number("channel", number);
        object.string("type", channel.kind.name());
        if let Some((columns, rows)) = channel.size {
            object.string("tty", &device::terminal(channel.terminal));
            object.string("size", &device::pair(columns.into(), rows.into()));
        }
        if let Some(command) = channel.command {
            object.bytes("command", "command_base64", command);
        }
        if !channel.requested.is_empty() || channel.is_cut {
            let requested = channel.requested;
            object.bytes("requested_command", "requested_command_base64", requested);
        }
        if channel.is_cut {
            object.boolean("requested_command_incomplete", true);
        }
    });
}

/// Whether this is the program that a login server runs for a channel.
pub fn is_for_channel(command: &Command<'_>) -> bool {
    command.fixed.marks & command_mark::CHANNEL != 0
}

/// Columns and rows of the terminal, where there is one.
pub fn terminal_size(channel: &abi::Channel) -> Option<(u16, u16)> {
    (channel.terminal != 0).then_some((channel.columns, channel.rows))
}

/// sshd runs the shell alone, or `SHELL -c COMMAND`.
fn of<'a>(command: &Command<'a>, argv: &'a [u8]) -> Channel<'a> {
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
fn own(channel: &abi::Channel) -> Channel<'static> {
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

/// What the client asked for on its connection.
pub(super) fn describe_channel(members: &mut Members<'_, '_>, text: &mut Text) -> Option<()> {
    let number = members.number("channel")?;
    let kind = members.word("type")?;
    text.add(Weight::Strong, format!("channel {number}: {kind}"));
    if let Some(command) = members.word("command") {
        text.add(Weight::Normal, format!(" {command}"));
    }
    if let Some(requested) = members.word("requested_command") {
        text.add(Weight::Normal, format!(", asked for {requested}"));
    }
    if let Some(size) = members.word("size") {
        let size = if size == "0:0" {
            "of unknown size"
        } else {
            &size
        };
        text.add(Weight::Normal, format!(", terminal {size}"));
    }
    members.shown.push("command_base64");
    members.shown.push("requested_command_base64");
    Some(())
}

pub(super) fn describe_resize(members: &mut Members<'_, '_>, text: &mut Text) -> Option<()> {
    let number = members.number("channel")?;
    let size = members.word("size")?;
    text.add(
        Weight::Normal,
        format!("terminal of channel {number} is {size}"),
    );
    Some(())
}

/// What the self-test does.
pub(super) const ACTS: &[Act] = &[Act {
    program: "channel_act",
    perform: serve,
    shows: |record| matches!(&record.body, Body::Subsystem(_)),
}];

/// As sshd begins to serve files for a channel itself; nothing changes.
fn serve() -> io::Result<()> {
    // SAFETY: takes and gives numbers, and sets what is set.
    let set = unsafe {
        let dumpable = libc::prctl(libc::PR_GET_DUMPABLE);
        libc::prctl(libc::PR_SET_DUMPABLE, dumpable)
    };
    match set {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
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
