//! The sessions that are open, by the kernel's key.

use std::collections::HashMap;

use super::{Birth, Cgroups, Session, login_name};
use crate::event::{Uuid, Writer};
use crate::record::layout::{Head, SessionEntry};
use crate::record::{Body, Record, decode};

/// What the kernel still knows of a session, for when the record of its birth was lost.
pub trait Kernel {
    /// The kernel's entry for the session `key`, if it has one.
    fn session(&self, key: u64) -> Option<SessionEntry>;
}

/// Every session that is open.
#[derive(Default)]
pub struct Table {
    sessions: HashMap<u64, Session>,
    cgroups: Option<Cgroups>,
    newborn: Vec<Newborn>,
    /// Bytes that no probe of this build sends.
    pub malformed: u64,
}

/// A session that has yet to be moved into its cgroup. That takes the kernel many milliseconds, so
/// what can't wait comes first.
struct Newborn {
    key: u64,
    time: u64,
    pids: [u32; 2],
}

/// How long after its birth a session is moved at the earliest. Nanoseconds.
const REST: u64 = 1_000_000;

/// A session that the kernel does not know is over, if the record of its end does not come in this
/// many rounds: it was lost.
const ROUNDS: u8 = 3;

impl Table {
    /// A table that moves sessions into cgroups, where there are any.
    pub fn new(cgroups: Option<Cgroups>) -> Self {
        Self {
            cgroups,
            ..Self::default()
        }
    }

    /// Whether no session is open.
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// Puts in a session that did not begin with a login.
    pub fn insert(&mut self, key: u64, birth: Birth, command: Vec<Vec<u8>>, writer: &mut Writer) {
        let login = login_name(birth.uid);
        let mut session = Session::new(writer.id(), birth, login);
        session.initial_command = command;
        self.sessions.insert(key, session);
    }

    /// Takes one record from the rings, and writes what follows from it.
    pub fn take(&mut self, bytes: &[u8], kernel: &impl Kernel, writer: &mut Writer) {
        let Ok(record) = decode(bytes) else {
            self.malformed += 1;
            return;
        };
        let key = record.head.session;
        match record.body {
            Body::SessionStart { .. } => self.begin(&record, writer),
            Body::SessionEnd { lost } => {
                if let Some(mut session) = self.sessions.remove(&key) {
                    session.lose(&lost, record.head.time, writer);
                    self.end(session, record.head.time, writer);
                }
            }
            // It came just after the end.
            Body::NetworkResult(_) if !self.sessions.contains_key(&key) => {}
            Body::Environment(environment) => {
                let session = self.session(&record.head, kernel, writer);
                session.environment(environment, record.head.time, &writer.clock);
            }
            _ => self
                .session(&record.head, kernel, writer)
                .act(bytes, &record, writer),
        }
    }

    fn begin(&mut self, record: &Record<'_>, writer: &mut Writer) {
        let Body::SessionStart {
            local,
            remote,
            uid,
            connection_pid,
        } = record.body
        else {
            return;
        };
        let birth = Birth {
            time: record.head.time,
            uid,
            pid: record.head.pid,
            connection: (local, remote),
        };
        self.newborn.push(Newborn {
            key: record.head.session,
            time: record.head.time,
            pids: [connection_pid, record.head.pid],
        });
        // A record of another CPU can be older than that of the birth.
        self.sessions
            .entry(record.head.session)
            .or_insert_with(|| Session::new(writer.id(), birth, login_name(uid)));
    }

    /// The session of a record; made from what the kernel knows, if its start was lost.
    fn session(&mut self, head: &Head, kernel: &impl Kernel, writer: &mut Writer) -> &mut Session {
        self.sessions.entry(head.session).or_insert_with(|| {
            let entry = kernel.session(head.session).unwrap_or(SessionEntry {
                time: head.time,
                uid: u32::MAX,
                ..SessionEntry::default()
            });
            let birth = Birth {
                time: entry.time,
                uid: entry.uid,
                pid: entry.pid,
                connection: (entry.local, entry.remote),
            };
            Session::new(writer.id(), birth, login_name(entry.uid))
        })
    }

    fn adopt(&mut self, now: u64) {
        let Self {
            sessions,
            cgroups,
            newborn,
            ..
        } = self;
        newborn.retain(|newborn| {
            let Some(session) = sessions.get(&newborn.key) else {
                return false;
            };
            if now < newborn.time + REST || session.is_identifying(now) {
                return true;
            }
            if let Some(cgroups) = cgroups
                && let Err(error) = cgroups.adopt(text(&session.sid), &newborn.pids)
            {
                crate::report!("recorderd: {error}; the session is recorded all the same");
            }
            false
        });
    }

    fn end(&mut self, session: Session, time: u64, writer: &mut Writer) {
        let sid = session.sid;
        session.end(time, writer);
        if let Some(cgroups) = &mut self.cgroups {
            cgroups.end(text(&sid));
        }
    }

    /// Whether a session has just begun, with an identity to be read and a cgroup to be made.
    pub fn has_newborn(&self) -> bool {
        !self.newborn.is_empty()
    }

    /// Writes the start of sessions that have waited long enough for what it lacks, and tries
    /// again to remove cgroups. Tells whether there is reason to come back soon.
    pub fn tick(&mut self, now: u64, writer: &mut Writer) -> bool {
        let mut again = self.cgroups.as_mut().is_some_and(Cgroups::sweep);
        for session in self.sessions.values_mut() {
            match session.deadline() {
                Some(deadline) if deadline <= now => session.open(writer),
                Some(_) => {
                    session.identify(&writer.clock);
                    again = true;
                }
                None => {}
            }
        }
        self.adopt(now);
        again
    }

    /// After something was lost: writes what each session lost, and ends those whose end was lost.
    /// Tells whether to call it again in the next round.
    pub fn reconcile(&mut self, now: u64, kernel: &impl Kernel, writer: &mut Writer) -> bool {
        let mut over = Vec::new();
        let mut again = false;
        for (key, session) in &mut self.sessions {
            match kernel.session(*key) {
                Some(entry) => session.lose(&entry.lost, now, writer),
                None => {
                    session.missed += 1;
                    again = true;
                    if session.missed >= ROUNDS {
                        over.push(*key);
                    }
                }
            }
        }
        for key in over {
            if let Some(session) = self.sessions.remove(&key) {
                self.end(session, now, writer);
            }
        }
        again
    }

    /// Ends every session, for a recorder that does not outlive them.
    pub fn end_all(&mut self, time: u64, writer: &mut Writer) {
        let sessions: Vec<_> = self.sessions.drain().map(|(_, session)| session).collect();
        for session in sessions {
            self.end(session, time, writer);
        }
    }

    /// Writes the start of every session that still waits with it.
    pub fn open_all(&mut self, writer: &mut Writer) {
        for session in self.sessions.values_mut() {
            session.open(writer);
        }
    }
}

fn text(sid: &Uuid) -> &str {
    std::str::from_utf8(sid).unwrap_or_default()
}
