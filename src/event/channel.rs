//! The channels of an SSH connection, as events.

use super::act::process;
use super::{Subject, Writer, device};
use crate::abi::{self, Head};

/// What a channel is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ChannelType {
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
pub struct Channel<'a> {
    /// What it is for.
    pub kind: ChannelType,
    /// The device number of its terminal; 0 where there is none.
    pub terminal: u32,
    /// Columns and rows of that.
    pub size: Option<(u16, u16)>,
    /// The command that runs; a shell has none.
    pub command: Option<&'a [u8]>,
    /// What the client asked for, where that is not the command; else empty.
    pub requested: &'a [u8],
    /// Whether its end is missing.
    pub is_cut: bool,
}

impl Writer {
    /// session.channel
    pub fn channel(
        &mut self,
        subject: &mut Subject,
        head: &Head,
        number: u64,
        channel: &Channel<'_>,
    ) {
        let name = ("session.channel", "R4013I");
        self.line(subject, name, head.time, |object, _| {
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

    /// session.resize of the channel with this number.
    pub fn resize(&mut self, subject: &mut Subject, resize: &abi::Channel, number: u64) {
        let name = ("session.resize", "R4014I");
        self.line(subject, name, resize.record.time, |object, _| {
            process(object, &resize.record);
            object.number("channel", number);
            object.string("tty", &device::terminal(resize.terminal));
            let size = device::pair(resize.columns.into(), resize.rows.into());
            object.string("size", &size);
        });
    }
}
