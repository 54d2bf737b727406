//! The events of `docs/events.md`, each written as one line of JSON.

mod address;
pub mod device;
pub mod json;
mod lines;
mod parsed;
#[cfg(test)]
mod tests;

pub use address::{Address, address};
pub use line::{Buffer, Ids, Object, Uuid};
#[cfg(test)]
pub use lines::tests::{batch as lines_of, batch_of};
pub use lines::{Batch, Line, Lines};
pub use parsed::{Event, errno, is_common, is_process};

use lines::{ID_LENGTH, Label};

use crate::abi::RECORD_MAX;
use crate::base::{Clock, Outputs, TIME_LENGTH};

/// The longest line that a record can become, in bytes: each byte of a full record as `\u00XX`
/// and once more in base64, and as much again for what is the same in all lines.
pub const LINE_MAX: usize = 320 * 1024;

/// No line is shorter. Bytes.
const LINE_MIN: usize = 256;

/// What every line of this host has in common, as JSON members.
pub struct Host {
    before: Vec<u8>,
    after: Vec<u8>,
    /// Of that, what stands before the host's name, and what behind.
    around: [Vec<u8>; 2],
    /// How long the host's name is, as it is written, and so many bytes of `after` stand behind it.
    name: (usize, usize),
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
            name: (0, 0),
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

    /// The host has another name from now on.
    pub fn rename(&mut self, hostname: &str) {
        const KEY: &str = "server_hostname";
        let [before, behind] = &self.around;
        let member = optional(KEY, hostname);
        self.after = Object::bare(|object| {
            for members in [before, &member, behind] {
                object.members(members);
            }
        });
        // Around the value are the key, a colon and four quotation marks; behind it one, and a comma.
        let length = member.len().saturating_sub(KEY.len() + 5);
        self.name = (length, 2 + behind.len());
    }

    /// A line of the recorder itself that no [`Writer`] writes. `time` is RFC 3339, as text.
    pub fn line(
        &self,
        ei: u64,
        title: &Title,
        uid: &Uuid,
        time: &[u8],
        fill: impl FnOnce(&mut Object<'_>),
    ) -> Vec<u8> {
        let mut out = Buffer::with_room(LINE_MIN);
        let mut object = Object::open(&mut out);
        object.number("ei", ei);
        object.string("event", title.name.as_bytes());
        object.string("uid", uid);
        object.string("code", title.code.as_bytes());
        object.string("time", time);
        object.members(&self.before);
        object.members(&self.after);
        fill(&mut object);
        object.close();
        out.push(b'\n');
        out.bytes().to_vec()
    }

    /// Where in a line the host's name begins, if all that its lines have in common ends there at
    /// `end`, and how long it is.
    fn hostname(&self, end: usize) -> (u32, u32) {
        let (length, behind) = self.name;
        ((end - behind).saturating_sub(length) as u32, length as u32)
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
    /// So many of their bytes stand behind the id of the session.
    behind_sid: usize,
    next: u64,
}

impl Subject {
    /// `user` is the identity that logged in, `login` the Unix account, `sid` the session.
    pub fn new(user: &str, login: &str, sid: &Uuid, origin: Option<Origin<'_>>) -> Self {
        let mut until_sid = 0;
        let mut all = 0;
        let members = Object::bare(|object| {
            object.string("user", user.as_bytes());
            object.string("login", login.as_bytes());
            object.string("sid", sid);
            until_sid = object.length() - 1;
            if let Some(origin) = origin {
                object.string("origin", origin.by.as_bytes());
                object.string("origin_sid", origin.sid);
                if origin.is_inferred {
                    object.boolean("origin_inferred", true);
                }
            }
            all = object.length();
        });
        Self {
            members,
            behind_sid: all - until_sid,
            next: 0,
        }
    }
}

/// What an event is called, and what matters about its lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Title {
    /// `event`
    pub name: &'static str,
    /// `code`
    pub code: &'static str,
    /// How it is kept.
    pub class: Class,
}

impl Title {
    /// Whether it tells that something is missing.
    pub fn is_warning(&self) -> bool {
        self.code.ends_with('W')
    }
}

/// How lines are kept where there is no room for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// They tell of losses and of how sessions begin and end, and go before all others.
    Frame,
    /// They stay when a file has to go.
    Act,
    /// There are many for each command. They do not stay.
    Bulk,
}

/// A place in what is written, before a line of a session.
pub struct Mark(usize, usize, u64);

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
    /// What is known of each line in it.
    labels: Vec<Label>,
    /// Where the two paths of a file operation are built.
    pub(crate) rooms: [Vec<u8>; 2],
    /// Index of the next event of the recorder itself.
    next: u64,
    pub(crate) ended: bool,
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
            labels: Vec::with_capacity(Self::BATCH / LINE_MIN),
            rooms: [(); 2].map(|()| Vec::with_capacity(RECORD_MAX)),
        }
    }

    /// A new random id.
    pub fn id(&mut self) -> Uuid {
        self.ids.next()
    }

    /// The lines written since the last [`Self::clear`].
    pub fn lines(&self) -> Lines<'_> {
        Lines::new(&self.labels, self.out.bytes())
    }

    /// Forgets the lines.
    pub fn clear(&mut self) {
        self.out.truncate(0, Self::BATCH + LINE_MAX);
        self.labels.clear();
    }

    /// Whether a session has ended since the last call.
    pub fn has_ended(&mut self) -> bool {
        std::mem::take(&mut self.ended)
    }

    /// How much is written, to [go back](Self::go_back) to.
    pub fn mark(&self, subject: &Subject) -> Mark {
        Mark(self.out.length(), self.labels.len(), subject.next)
    }

    /// Takes back what was written of a session since the mark.
    pub fn go_back(&mut self, Mark(length, lines, next): Mark, subject: &mut Subject) {
        self.out.truncate(length, usize::MAX);
        self.labels.truncate(lines);
        subject.next = next;
    }

    /// A line of the recorder itself, which belongs to no session.
    pub fn host_line(
        &mut self,
        title: &'static Title,
        time: u64,
        fill: impl FnOnce(&mut Object<'_>, &mut Clock),
    ) {
        let uid = self.ids.next();
        let begin = self.out.length();
        let mut object = Object::open(&mut self.out);
        object.number("ei", self.next);
        object.string("event", title.name.as_bytes());
        object.string("uid", &uid);
        object.string("code", title.code.as_bytes());
        object.string("time", &self.clock.text(time));
        let time = object.length() - begin - 1 - TIME_LENGTH;
        object.members(&self.host.before);
        object.members(&self.host.after);
        let hostname = self.host.hostname(object.length() - begin);
        fill(&mut object, &mut self.clock);
        object.close();
        self.out.push(b'\n');
        self.labels.push(Label {
            title,
            length: (self.out.length() - begin) as u32,
            time: time as u32,
            sid: 0,
            hostname,
        });
        self.next += 1;
    }

    /// A line of a session; returns the id of the event. `time` is in nanoseconds since boot.
    pub fn line(
        &mut self,
        subject: &mut Subject,
        title: &'static Title,
        time: u64,
        fill: impl FnOnce(&mut Object<'_>, &mut Clock),
    ) -> Uuid {
        let uid = self.ids.next();
        let begin = self.out.length();
        let mut object = Object::open(&mut self.out);
        object.number("ei", subject.next);
        object.string("event", title.name.as_bytes());
        object.string("uid", &uid);
        object.string("code", title.code.as_bytes());
        object.string("time", &self.clock.text(time));
        let time = object.length() - begin - 1 - TIME_LENGTH;
        object.members(&self.host.before);
        object.members(&subject.members);
        let sid = object.length() - begin - subject.behind_sid - ID_LENGTH;
        object.members(&self.host.after);
        let hostname = self.host.hostname(object.length() - begin);
        fill(&mut object, &mut self.clock);
        object.close();
        self.out.push(b'\n');
        self.labels.push(Label {
            title,
            length: (self.out.length() - begin) as u32,
            time: time as u32,
            sid: sid as u32,
            hostname,
        });
        subject.next += 1;
        uid
    }
}
