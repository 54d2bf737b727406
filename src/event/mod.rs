//! The events of `docs/events.md`, each written as one line of JSON.

mod act;
mod address;
mod channel;
mod datagram;
mod device;
mod disk;
mod dns;
mod path;
mod privilege;
mod socket;
mod status;

pub use address::{Address, address};
pub use channel::{Channel, ChannelType};
pub use datagram::Sends;
pub use line::{Buffer, Ids, Object, Uuid};
pub use status::Status;

use crate::abi::{FAMILIES, MissedCounts, RECORD_MAX};
use crate::base::{Clock, Ledger, Output, Outputs};

/// The longest line that a record can become, in bytes: each byte of a full record as `\u00XX`
/// and once more in base64, and as much again for what is the same in all lines.
pub const LINE_MAX: usize = 320 * 1024;

/// What every line of this host has in common, as JSON members.
pub struct Host {
    before: Vec<u8>,
    after: Vec<u8>,
    /// Of that, what stands before the host's name, and what behind.
    around: [Vec<u8>; 2],
}

/// What tells this host from others. Empty strings are left out of the events.
#[derive(Default)]
pub struct HostNames<'a> {
    /// `cluster_name`
    pub cluster: &'a str,
    /// `server_id`
    pub id: &'a str,
    /// `server_hostname`
    pub hostname: &'a str,
    /// `server_labels`
    pub labels: &'a [(String, String)],
}

impl Host {
    /// Writes the members once, for all lines.
    pub fn new(names: &HostNames<'_>) -> Self {
        let mut host = Self {
            before: optional("cluster_name", names.cluster),
            after: Vec::new(),
            around: [
                Object::bare(|object| {
                    object.string("namespace", b"default");
                    object.string("server_id", names.id.as_bytes());
                }),
                Object::bare(|object| {
                    if !names.labels.is_empty() {
                        object.object("server_labels", |labels| {
                            for (key, value) in names.labels {
                                labels.member(key.as_bytes(), value.as_bytes());
                            }
                        });
                    }
                    object.string("server_version", env!("CARGO_PKG_VERSION").as_bytes());
                }),
            ],
        };
        host.rename(names.hostname);
        host
    }

    fn rename(&mut self, hostname: &str) {
        let [before, behind] = &self.around;
        let hostname = optional("server_hostname", hostname);
        self.after = Object::bare(|object| {
            for members in [before, &hostname, behind] {
                object.members(members);
            }
        });
    }
}

fn optional(key: &str, value: &str) -> Vec<u8> {
    Object::bare(|object| {
        if !value.is_empty() {
            object.string(key, value.as_bytes());
        }
    })
}

/// The session that has asked for what this one is: a job.
pub struct Origin<'a> {
    /// Who has begun it on request.
    pub by: &'a str,
    /// The session that has asked.
    pub sid: &'a Uuid,
    /// Whether that is not proven.
    pub is_inferred: bool,
}

/// What every line of a session has in common.
pub struct Subject {
    members: Vec<u8>,
    next: u64,
}

impl Subject {
    /// `user` is the identity that logged in, `login` the Unix account, `sid` the session.
    pub fn new(user: &str, login: &str, sid: &Uuid, origin: Option<Origin<'_>>) -> Self {
        Self {
            members: Object::bare(|object| {
                object.string("user", user.as_bytes());
                object.string("login", login.as_bytes());
                object.string("sid", sid);
                if let Some(origin) = origin {
                    object.string("origin", origin.by.as_bytes());
                    object.string("origin_sid", origin.sid);
                    if origin.is_inferred {
                        object.boolean("origin_inferred", true);
                    }
                }
            }),
            next: 0,
        }
    }
}

/// A place in what is written, before a line of a session.
pub struct Mark(usize, u64);

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
    /// One of [`FAMILIES`].
    pub family: &'a str,
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

/// Writes events to a buffer, from which a sink takes them.
pub struct Writer {
    host: Host,
    ids: Ids,
    /// Turns the kernel's time into the time of day.
    pub clock: Clock,
    /// Nothing but how sessions begin and end, and what they lost, can be taken at present.
    pub is_full: bool,
    /// The outputs of which that is true; all others get the acts as well.
    pub full: Outputs,
    out: Buffer,
    /// Where the two paths of a file operation are built.
    rooms: [Vec<u8>; 2],
    /// Index of the next event of the recorder itself.
    next: u64,
    ended: bool,
}

impl Writer {
    /// The host has another name from now on.
    pub fn rename(&mut self, name: &str) {
        self.host.rename(name);
    }

    /// Lines are gathered up to this many bytes.
    pub const BATCH: usize = 64 * 1024;

    /// A writer with an empty buffer, which only arguments of more than one record make grow.
    pub fn new(host: Host, ids: Ids, clock: Clock) -> Self {
        Self {
            host,
            ids,
            clock,
            is_full: false,
            full: Outputs::default(),
            next: 0,
            ended: false,
            out: Buffer::with_room(Self::BATCH + LINE_MAX),
            rooms: [(); 2].map(|()| Vec::with_capacity(RECORD_MAX)),
        }
    }

    /// A new random id.
    pub fn id(&mut self) -> Uuid {
        self.ids.next()
    }

    /// The lines written since the last [`Self::clear`].
    pub fn lines(&self) -> &[u8] {
        self.out.bytes()
    }

    /// Forgets the lines.
    pub fn clear(&mut self) {
        self.out.truncate(0, Self::BATCH + LINE_MAX);
    }

    /// Whether a session has ended since the last call.
    pub fn has_ended(&mut self) -> bool {
        std::mem::take(&mut self.ended)
    }

    /// How much is written, to [go back](Self::go_back) to.
    pub fn mark(&self, subject: &Subject) -> Mark {
        Mark(self.out.length(), subject.next)
    }

    /// Takes back what was written of a session since the mark.
    pub fn go_back(&mut self, Mark(length, next): Mark, subject: &mut Subject) {
        self.out.truncate(length, usize::MAX);
        subject.next = next;
    }

    /// A line of the recorder itself, which belongs to no session.
    fn host_line(
        &mut self,
        (event, code): (&str, &str),
        time: u64,
        fill: impl FnOnce(&mut Object<'_>, &mut Clock),
    ) {
        let uid = self.ids.next();
        let mut object = Object::open(&mut self.out);
        object.number("ei", self.next);
        object.string("event", event.as_bytes());
        object.string("uid", &uid);
        object.string("code", code.as_bytes());
        object.string("time", &self.clock.text(time));
        object.members(&self.host.before);
        object.members(&self.host.after);
        fill(&mut object, &mut self.clock);
        object.close();
        self.out.push(b'\n');
        self.next += 1;
    }

    fn line(
        &mut self,
        subject: &mut Subject,
        (event, code): (&str, &str),
        time: u64,
        fill: impl FnOnce(&mut Object<'_>, &mut Clock),
    ) -> Uuid {
        let uid = self.ids.next();
        let mut object = Object::open(&mut self.out);
        object.number("ei", subject.next);
        object.string("event", event.as_bytes());
        object.string("uid", &uid);
        object.string("code", code.as_bytes());
        object.string("time", &self.clock.text(time));
        object.members(&self.host.before);
        object.members(&subject.members);
        object.members(&self.host.after);
        fill(&mut object, &mut self.clock);
        object.close();
        self.out.push(b'\n');
        subject.next += 1;
        uid
    }

    /// session.start
    pub fn start(&mut self, subject: &mut Subject, start: &Start<'_>) {
        self.line(
            subject,
            ("session.start", "T2000I"),
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
            ("session.end", "T2004I"),
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
                    for (family, count) in FAMILIES.iter().zip(end.ledger.events).skip(1) {
                        object.number(family, count);
                    }
                });
                object.object("losses", |object| {
                    for (index, family) in FAMILIES.iter().enumerate() {
                        object.number(family, end.ledger.lost_of(index));
                    }
                });
                if end.ledger.left_out().iter().any(|count| *count > 0) {
                    object.object("left_out", |object| {
                        for (family, count) in FAMILIES.iter().zip(*end.ledger.left_out()).skip(1) {
                            object.number(family, count);
                        }
                    });
                }
                if end.missed.iter().any(|count| *count > 0) {
                    status::missed(object, &end.missed);
                }
            },
        );
    }

    /// session.held
    pub fn held(&mut self, subject: &mut Subject, time: u64, held: &Held) {
        let name = ("session.held", "R2003W");
        self.line(subject, name, time, |object, clock| {
            object.number("count", held.count);
            object.number("held_us", held.time / 1000);
            object.string("from", &clock.text(held.from));
            object.string("to", &clock.text(held.to));
        });
    }

    /// session.lost
    pub fn lost(&mut self, subject: &mut Subject, lost: &Lost<'_>) {
        let name = ("session.lost", "R2001W");
        self.line(subject, name, lost.to, |object, clock| {
            object.string("family", lost.family.as_bytes());
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

fn initial_command(object: &mut Object<'_>, command: &[Vec<u8>]) {
    if !command.is_empty() {
        object.list(
            "initial_command",
            "initial_command_base64",
            command.iter().map(Vec::as_slice),
        );
    }
}
