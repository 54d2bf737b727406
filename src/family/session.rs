//! How a session begins and ends, what it lost, and how it was held.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;

use super::act::Act;
use super::describe::{Members, losses};
use super::record::{split, take};
use super::recorder::missed;
use super::{Body, EventType, Malformed, Payload};
use crate::abi::{self, Counts, Family, Losses, MissedCounts, SessionEnd, SessionStart};
use crate::base::{Ledger, Output, Text, Weight, boot_time};
use crate::event::{Address, Object, Subject, Uuid, Writer, device};

/// A login was seen for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Began<'a> {
    /// All that is not text.
    pub fixed: SessionStart,
    /// The title of the process that serves the login; empty where it is not known.
    pub title: &'a [u8],
}

impl<'a> Payload<'a> for Began<'a> {
    fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let (fixed, rest) = split::<SessionStart>(bytes)?;
        let (title, _) = take(rest, fixed.title_length)?;
        Ok(Self { fixed, title })
    }
}

/// The last process of a session exited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// What the kernel has lost of it.
    pub lost: Losses,
    /// What the config leaves out of it.
    pub excluded: Counts,
}

impl<'a> Payload<'a> for Ended {
    fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let (end, _) = split::<SessionEnd>(bytes)?;
        Ok(Self {
            lost: end.lost,
            excluded: end.excluded,
        })
    }
}

/// What sshd gave the first program: `NAME=value` strings, each ended by a zero byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Environment<'a>(pub &'a [u8]);

impl<'a> Payload<'a> for Environment<'a> {
    fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let (fixed, rest) = split::<abi::Environment>(bytes)?;
        Ok(Self(take(rest, fixed.environment_length)?.0))
    }
}

/// What sshd writes of who has logged in, a line for each method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity<'a>(pub &'a [u8]);

impl<'a> Payload<'a> for Identity<'a> {
    fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let (fixed, rest) = split::<abi::Identity>(bytes)?;
        Ok(Self(take(rest, fixed.identity_length)?.0))
    }
}

/// How a session began.
pub struct Start<'a> {
    /// Nanoseconds since boot.
    pub time: u64,
    /// `addr.local` and `addr.remote`, where there is a connection.
    pub connection: Option<(Address, Address)>,
    /// Columns and rows of the terminal, where there is one.
    pub terminal: Option<(u16, u16)>,
    /// The command that was asked for, where there is one.
    pub initial_command: &'a [Vec<u8>],
    /// The session from which the login came, where it is known.
    pub parent: Option<&'a Uuid>,
    /// Since when it is recorded, if not from its beginning: nanoseconds since boot.
    pub recorded_since: Option<u64>,
    /// How somebody logged in, if not by SSH.
    pub login_type: Option<&'a str>,
}

/// Events that did not reach the log.
pub struct Lost<'a> {
    /// Not before this: nanoseconds since boot.
    pub from: u64,
    /// Not after this: nanoseconds since boot.
    pub to: u64,
    /// Of which family.
    pub family: Family,
    /// Why.
    pub cause: &'a str,
    /// How many.
    pub count: u64,
    /// The only one of the outputs that lacks them, if it is one.
    pub output: Option<Output>,
}

/// How a session ended, and what it was.
pub struct End<'a> {
    /// Nanoseconds since boot.
    pub start: u64,
    /// Nanoseconds since boot.
    pub stop: u64,
    /// Whether it had a terminal.
    pub interactive: bool,
    /// Whose session it was.
    pub user: &'a str,
    /// As in [`Start`].
    pub initial_command: &'a [Vec<u8>],
    /// Events written and lost.
    pub ledger: &'a Ledger,
    /// How often each probe was skipped on the host meanwhile.
    pub missed: MissedCounts,
}

/// How a session was held, in nanoseconds since boot, so that the daemon could keep up with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// When it was held first.
    pub from: u64,
    /// When it last went on.
    pub to: u64,
    /// How often.
    pub count: u64,
    /// For how long in all. Nanoseconds.
    pub time: u64,
}

impl Writer {
    /// session.start
    pub fn start(&mut self, subject: &mut Subject, start: &Start<'_>) {
        self.line(
            subject,
            EventType::Start.title(),
            start.time,
            |object, clock| {
                if let Some((local, remote)) = &start.connection {
                    object.string("addr.local", local.with_port().as_bytes());
                    object.string("addr.remote", remote.with_port().as_bytes());
                }
                if let Some((columns, rows)) = start.terminal {
                    object.string("size", &device::pair(columns.into(), rows.into()));
                }
                initial_command(object, start.initial_command);
                object.string("session_recording", b"node");
                if let Some(login_type) = start.login_type {
                    object.string("login_type", login_type.as_bytes());
                }
                if let Some(parent) = start.parent {
                    object.string("parent_sid", parent);
                }
                if let Some(since) = start.recorded_since {
                    object.string("recorded_since", &clock.text(since));
                }
            },
        );
    }

    /// session.end
    pub fn end(&mut self, subject: &mut Subject, end: &End<'_>) {
        self.ended = true;
        self.line(
            subject,
            EventType::End.title(),
            end.stop,
            |object, clock| {
                object.boolean("enhanced_recording", true);
                object.boolean("interactive", end.interactive);
                let user = [end.user.as_bytes()];
                object.list("participants", "participants_base64", user.into_iter());
                object.string("session_start", &clock.text(end.start));
                object.string("session_stop", &clock.text(end.stop));
                initial_command(object, end.initial_command);
                object.object("events", |object| {
                    for family in Family::counted() {
                        object.number(family.name(), end.ledger.events[family as usize]);
                    }
                });
                object.object("losses", |object| {
                    for family in Family::ALL {
                        object.number(family.name(), end.ledger.lost_of(family));
                    }
                });
                if end.ledger.excluded().iter().any(|count| *count > 0) {
                    object.object("excluded", |object| {
                        for family in Family::counted() {
                            object.number(family.name(), end.ledger.excluded()[family as usize]);
                        }
                    });
                }
                if end.missed.iter().any(|count| *count > 0) {
                    missed(object, &end.missed);
                }
            },
        );
    }

    /// session.throttled
    pub fn held(&mut self, subject: &mut Subject, time: u64, held: &Held) {
        let title = EventType::Held.title();
        self.line(subject, title, time, |object, clock| {
            object.number("count", held.count);
            object.number("throttled_us", held.time / 1000);
            object.string("from", &clock.text(held.from));
            object.string("to", &clock.text(held.to));
        });
    }

    /// session.lost
    pub fn lost(&mut self, subject: &mut Subject, lost: &Lost<'_>) {
        let title = EventType::Lost.title();
        self.line(subject, title, lost.to, |object, clock| {
            object.string("family", lost.family.name().as_bytes());
            object.string("cause", lost.cause.as_bytes());
            object.number("count", lost.count);
            object.string("from", &clock.text(lost.from));
            object.string("to", &clock.text(lost.to));
            if let Some(output) = lost.output {
                object.string("output", output.name().as_bytes());
            }
        });
    }
}

fn initial_command(object: &mut Object<'_>, command: &[Vec<u8>]) {
    if !command.is_empty() {
        object.list(
            "initial_command",
            "initial_command_base64",
            command.iter().map(Vec::as_slice),
        );
    }
}

pub(super) fn describe_start(members: &mut Members<'_, '_>, text: &mut Text) -> Option<()> {
    text.add(Weight::Strong, "login");
    for (key, word) in [("addr.remote", "from"), ("addr.local", "to")] {
        if let Some(end) = members.word(key) {
            text.add(Weight::Normal, format!(" {word} {end}"));
        }
    }
    if let Some(size) = members.word("size") {
        text.add(Weight::Normal, format!(", terminal {size}"));
    }
    asked(members, text);
    Some(())
}

fn asked(members: &mut Members<'_, '_>, text: &mut Text) {
    let mut words = String::new();
    members.words("initial_command", &mut words);
    if !words.is_empty() {
        text.add(Weight::Normal, format!(", to run{words}"));
    }
}

pub(super) fn describe_end(members: &mut Members<'_, '_>, text: &mut Text) -> Option<()> {
    text.add(Weight::Strong, "end of the session");
    members.shown.extend([
        "events",
        "initial_command",
        "interactive",
        "losses",
        "participants",
        "participants_base64",
        "session_start",
        "session_stop",
    ]);
    let lost = losses(members.event);
    if lost > 0 {
        text.add(Weight::Lost, format!(", {lost} events lost"));
    }
    Some(())
}

pub(super) fn describe_lost(members: &mut Members<'_, '_>, text: &mut Text) -> Option<()> {
    let (family, cause) = (members.word("family")?, members.word("cause")?);
    let count = members.number("count")?;
    text.add(Weight::Lost, format!("LOST: {count} of {family}, {cause}"));
    Some(())
}

/// What the self-test does.
pub(super) const ACTS: &[Act] = &[
    // One act for both, of which one is at work.
    Act {
        program: "identity_file",
        perform: identify,
        shows: |record| matches!(record.body, Body::Identity(_)),
    },
    Act {
        program: "identity_write",
        perform: || Ok(()),
        shows: |record| matches!(record.body, Body::Identity(_)),
    },
];

/// Writes a file as sshd does for a user, where it does.
fn identify() -> io::Result<()> {
    let path = format!("/tmp/sshauth.{}", boot_time());
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)?;
    std::fs::remove_file(path)?;
    file.write_all(b"\n")
}
