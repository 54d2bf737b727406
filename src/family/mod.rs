//! Every event, in one table: what it is called, to which family it belongs, from which record it
//! comes, and how it is told to a person. A file for each family has the rest.

mod act;
mod arguments;
mod channel;
mod command;
mod delegate;
pub mod describe;
mod dns;
mod file;
mod members;
mod memory;
mod network;
mod path;
mod pending;
mod privilege;
mod record;
mod recorder;
mod sends;
mod session;
mod socket;
mod terminal;

use std::borrow::Cow;

pub use act::Act;
pub use channel::{Resize, Subsystem, is_for_channel, terminal_size};
pub use command::{Arguments, Command};
pub use dns::Dns;
pub use file::{Disk, Path, by_ring, changes};
pub use memory::{Memory, Share};
pub use pending::Pending;
pub use privilege::Privilege;
pub use record::{Malformed, Payload, Record, decode, strings};
pub use recorder::Status;
pub use sends::Sends;
pub use session::{Began, End, Ended, Environment, Held, Identity, Lost, Start};
pub use socket::LocalConnect;
pub use terminal::Stretch;

use describe::Members;

use crate::abi::{self, Family, Head, Kind};
use crate::base::{Clock, Text};
use crate::event::{Class, Event, Object, Subject, Title, Uuid, Writer};

/// What the events of a session are written with.
pub struct Context<'a> {
    /// Takes the lines.
    pub writer: &'a mut Writer,
    /// What all lines of the session have.
    pub subject: &'a mut Subject,
    /// What later events refer to.
    pub pending: &'a mut Pending,
}

impl Context<'_> {
    /// Writes a line of the session; returns the id of the event.
    fn line(
        &mut self,
        event: EventType,
        time: u64,
        fill: impl FnOnce(&mut Object<'_>, &mut Clock),
    ) -> Uuid {
        self.writer.line(self.subject, event.title(), time, fill)
    }
}

macro_rules! events {
    (
        lines { $($(#[$about:meta])* $event:ident {
            name: $name:literal, code: $code:literal, class: $class:ident
            $(, family: $family:ident)? $(, sum: $sum:ident)?
            $(, record: $body:ident($payload:ty))? $(, describe: $describe:path)?
            $(, acts: $acts:path)?
        })* }
        parts { $($(#[$part_about:meta])* $part:ident($part_payload:ty),)* }
    ) => {
        /// What a line of the log tells.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum EventType { $($(#[$about])* $event,)* }

        /// Every event, in the order of [`EventType`].
        pub const EVENTS: &[Row] = &[$(Row {
            event: EventType::$event,
            title: Title { name: $name, code: $code, class: Class::$class },
            family: events!(@some $(Family::$family)?),
            sum: events!(@some $(Sum::$sum)?),
            describe: events!(@some $($describe)?),
            acts: events!(@all $($acts)?),
        },)*];

        /// What a record tells.
        #[derive(Debug, PartialEq, Eq)]
        #[allow(missing_docs)]
        pub enum Body<'a> { $($($body($payload),)?)* $($part($part_payload),)* }

        impl<'a> Body<'a> {
            /// Reads a record of this kind.
            ///
            /// # Errors
            /// [`Malformed`] if the bytes are not what a probe of this build sends.
            fn decode(kind: u32, bytes: &'a [u8]) -> Result<Self, Malformed> {
                match Kind::of(kind).ok_or(Malformed::Kind(kind))? {
                    $($(Kind::$body => Payload::decode(bytes).map(Self::$body),)?)*
                    $(Kind::$part => Payload::decode(bytes).map(Self::$part),)*
                }
            }

            /// Writes the lines that come of it. Returns the event it counts as; nothing if it is
            /// none by itself.
            pub fn write(&self, head: &Head, context: &mut Context<'_>) -> Option<EventType> {
                match self {
                    $($(Self::$body(it) => it.write(head, context),)?)*
                    $(Self::$part(it) => it.write(head, context),)*
                }
            }

            /// Takes back what later events would refer to: its lines can't be taken by any output.
            pub fn forget(&self, head: &Head, pending: &mut Pending) {
                match self {
                    $($(Self::$body(it) => it.forget(head, pending),)?)*
                    $(Self::$part(it) => it.forget(head, pending),)*
                }
            }
        }
    };
    (@all) => { &[] };
    (@all $all:expr) => { $all };
    (@some) => { None };
    (@some $some:expr) => { Some($some) };
}

events! {
    lines {
        /// Somebody has logged in, or was found to be.
        Start {
            name: "session.start", code: "T2000I", class: Frame, family: Session,
            record: SessionStart(Began<'a>),
            describe: session::describe_start,
            acts: session::ACTS
        }
        /// The last process of a session is gone.
        End {
            name: "session.end", code: "T2004I", class: Frame, family: Session,
            record: SessionEnd(Ended),
            describe: session::describe_end
        }
        /// Events of a session are missing.
        Lost {
            name: "session.lost", code: "R2001W", class: Frame,
            describe: session::describe_lost
        }
        /// Processes of a session were stopped for a while.
        Held { name: "session.throttled", code: "R2003W", class: Act }
        /// What the recorder says of itself.
        Status { name: "recorder.status", code: "R2002I", class: Frame }
        /// What was in a file of the log, signed.
        Checkpoint { name: "recorder.checkpoint", code: "R2004I", class: Bulk }
        /// A program was run, or could not be.
        Command {
            name: "session.command", code: "T4000I", class: Act, family: Command, sum: Commands,
            record: Command(Command<'a>),
            describe: command::describe_command,
            acts: command::ACTS
        }
        /// A process that ran a command is gone.
        ProcessExit {
            name: "session.process_exit", code: "R4003I", class: Bulk, family: ProcessExit,
            record: ProcessExit(abi::ProcessExit),
            describe: command::describe_exit
        }
        /// A client has opened a channel of its connection.
        Channel {
            name: "session.channel", code: "R4013I", class: Act, family: Session,
            record: Subsystem(Subsystem),
            describe: channel::describe_channel,
            acts: channel::ACTS
        }
        /// The terminal of a channel has another size.
        Resize {
            name: "session.resize", code: "R4014I", class: Act, family: Session,
            record: Resize(Resize),
            describe: channel::describe_resize
        }
        /// A part of what was on a terminal is recorded.
        Terminal {
            name: "session.terminal", code: "R4015I", class: Act, family: Session,
            describe: terminal::describe,
            acts: terminal::ACTS
        }
        /// A file operation, or the attempt at one.
        Disk {
            name: "session.disk", code: "T4001I", class: Bulk, family: Disk, sum: Files,
            record: Disk(Disk<'a>),
            describe: file::describe,
            acts: file::ACTS
        }
        /// A connection was begun or accepted, a socket listens, or a first datagram was sent.
        Network {
            name: "session.network", code: "T4002I", class: Bulk, family: Network, sum: Connections,
            record: Network(abi::Network),
            describe: network::describe_network,
            acts: network::ACTS
        }
        /// What became of a TCP connect.
        NetworkResult {
            name: "session.network_result", code: "R4004I", class: Bulk, family: NetworkResult,
            record: NetworkResult(abi::NetworkResult),
            describe: network::describe_result
        }
        /// Datagrams that have no event of their own.
        NetworkSends { name: "session.network_sends", code: "R4008I", class: Bulk, family: Network }
        /// A local socket was connected to, or could not be.
        LocalConnect {
            name: "session.local_connect", code: "R4005I", class: Bulk, family: Network, sum: Connections,
            record: LocalConnect(LocalConnect<'a>),
            describe: socket::describe_connect,
            acts: socket::ACTS
        }
        /// A first datagram was sent to a local socket. The same record tells of one to an address.
        LocalSend {
            name: "session.local_send", code: "R4010I", class: Bulk, family: Network, sum: Connections,
            record: Send(abi::Send),
            describe: socket::describe_send
        }
        /// A name was asked for.
        Dns {
            name: "session.dns", code: "R4006I", class: Bulk, family: Network,
            record: Dns(Dns<'a>)
        }
        /// A socket for virtual machines was connected, was accepted, or listens.
        Vsock {
            name: "session.vsock", code: "R4011I", class: Bulk, family: Network, sum: Connections,
            record: Vsock(abi::Vsock)
        }
        /// A socket for frames of network devices was made, or refused.
        PacketSocket {
            name: "session.packet_socket", code: "R4012I", class: Bulk, family: Network,
            record: PacketSocket(abi::PacketSocket)
        }
        /// Rights were changed, or another process or the kernel was reached into.
        Privilege {
            name: "session.privilege", code: "R4007I", class: Act, family: Privilege,
            record: Privilege(Privilege<'a>),
            describe: privilege::describe,
            acts: privilege::ACTS
        }
        /// Somebody else can have been asked to do something.
        Delegated { name: "session.delegated", code: "R4009I", class: Act }
    }
    parts {
        /// Of a session's start: what sshd gave the first program.
        Environment(Environment<'a>),
        /// Of a session's start: what sshd writes of who has logged in.
        Identity(Identity<'a>),
        /// Of a command: more of its arguments, ahead of it.
        Arguments(Arguments<'a>),
    }
}

/// Tells what is known of an event, of which the members that it shows are noted; nothing if it is not
/// as it should be.
type Describe = fn(&mut Members<'_, '_>, &mut Text) -> Option<()>;

/// As what `recorderd sessions` counts an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Sum {
    Commands,
    Files,
    Connections,
}

/// A row of the table.
pub struct Row {
    /// Which event.
    pub event: EventType,
    /// What its lines are called, and what matters about them.
    pub title: Title,
    /// As what it is counted, where it is.
    pub family: Option<Family>,
    /// As what a summary of the session counts it.
    pub sum: Option<Sum>,
    /// In words; without it, all members are shown as they stand.
    describe: Option<Describe>,
    /// By which the self-test makes it happen; those of a row may be of others, too.
    pub acts: &'static [Act],
}

impl EventType {
    /// Its row.
    pub fn row(self) -> &'static Row {
        &EVENTS[self as usize]
    }

    /// The one of this name, as it is in `event`.
    pub fn named(name: &[u8]) -> Option<Self> {
        let row = EVENTS.iter().find(|row| row.title.name.as_bytes() == name);
        row.map(|row| row.event)
    }

    /// What a line of the log tells, if that is known.
    pub fn of(event: &Event<'_>) -> Option<Self> {
        Self::named(event.text("event")?.as_bytes())
    }

    /// What its lines are called, and what matters about them.
    pub fn title(self) -> &'static Title {
        &self.row().title
    }
}

/// The family an event belongs to, as the config has it: `session`, `command`, `disk`, `network`,
/// `privilege`; else its own name. A loss belongs to what was lost.
pub fn family<'a>(event: &Event<'a>) -> Cow<'a, str> {
    let (family, name) = match EventType::of(event) {
        Some(EventType::Lost) => {
            let name = event.text("family").unwrap_or_default();
            let mut all = Family::ALL.into_iter();
            (all.find(|family| family.name() == name), name)
        }
        known => (known.and_then(|it| it.row().family), event.name()),
    };
    family.map_or(name, |family| family.choice().name().into())
}

/// Whether an event tells of events that are not in the log.
pub fn is_loss(event: &Event<'_>) -> bool {
    EventType::of(event) == Some(EventType::Lost)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_belongs_to_what_was_lost() {
        let family = |name: &str, lost: &str| {
            let line = format!(r#"{{"event":"{name}","time":"2023-07-04","family":"{lost}"}}"#);
            super::family(&Event::parse(line.as_bytes()).unwrap()).into_owned()
        };
        assert_eq!(family("session.lost", "process_exit"), "command");
        assert_eq!(family("session.lost", "disk"), "disk");
        assert_eq!(family("session.local_connect", ""), "network");
        assert_eq!(family("session.end", ""), "session");
        assert_eq!(family("session.novel", ""), "novel");
        assert_eq!(family("recorder.status", ""), "recorder.status");
    }

    #[test]
    fn each_row_is_found_by_its_number_and_its_name() {
        for (index, row) in EVENTS.iter().enumerate() {
            assert_eq!(row.event as usize, index);
            assert_eq!(EventType::named(row.title.name.as_bytes()), Some(row.event));
            let same = |other: &&Row| other.title.code == row.title.code;
            assert_eq!(EVENTS.iter().filter(same).count(), 1, "{}", row.title.code);
        }
        assert_eq!(EventType::named(b"session.novel"), None);
    }
}
