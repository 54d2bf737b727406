//! The sessions that are open, by the kernel's key.

mod birth;
mod ending;
mod loss;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::path::PathBuf;

use rustc_hash::FxHashMap;

use super::job::table_path;
use super::kernel::Kernel;
use super::work::Work;
use super::{Cgroups, Session};
use crate::abi::{AUDIT_UNSET, Head, LOGINS, MissedCounts, SessionEntry, login};
use crate::base::Ledger;
use crate::event::{Uuid, Writer};
use crate::family::{Body, Memory, Stretch, decode};
use birth::Newborn;
use ending::Ending;

/// So many paths of tables of cron are gathered before each is looked at.
const TOUCHED: usize = 32;

/// How long notes count as a session's share of tables that forget the oldest. Nanoseconds.
const NOTES: u64 = 3600 * 1_000_000_000;

/// Every session that is open.
#[derive(Default)]
pub struct Table {
    /// Boxed, so that the room for more costs little.
    sessions: FxHashMap<u64, Box<Session>>,
    /// Those that end, and have more to write than there was time for.
    ending: VecDeque<Ending>,
    /// For all that is kept on their behalf.
    memory: Memory,
    /// What is left to be done in this round.
    work: Work,
    /// Tables of cron that sessions have touched in this round.
    touched: Vec<(u64, Vec<u8>)>,
    /// Sessions that are still to be looked at for what they lost, and when that began.
    looking: Vec<u64>,
    looking_since: u64,
    /// Whether one of them ends when its last records are taken.
    is_waiting: bool,
    /// When the shares of notes were counted anew. Nanoseconds since boot.
    renewed: u64,
    cgroups: Option<Cgroups>,
    newborn: Vec<Newborn>,
    /// Sessions that have yet to write their start.
    unopened: Vec<u64>,
    /// Sessions that are over, and of which the kernel still has its entry.
    over: Vec<u64>,
    /// Of the sessions that have ended, by how somebody logged in.
    ended: [Ledger; LOGINS.len()],
    /// Sessions that have ended and whose jobs may be still to come, by their keys.
    asked: VecDeque<(u64, Uuid)>,
    /// Before this, nothing was lost that is not written yet. Nanoseconds since boot.
    checked: u64,
    /// Since when the ends of calls are seen, if not from the start. Nanoseconds since boot.
    pub seen_since: Option<u64>,
    /// How often each probe was skipped since the start.
    pub missed: MissedCounts,
    /// When complete counts were last looked for. Nanoseconds since boot.
    settled: u64,
    /// Bytes that no probe of this build sends.
    pub malformed: u64,
}

/// How long after one look for complete counts the next one begins. Nanoseconds.
const SETTLE: u64 = 1_000_000_000;

impl Table {
    /// A table that moves sessions into cgroups, where there are any.
    pub fn new(cgroups: Option<Cgroups>) -> Self {
        Self {
            cgroups,
            ..Self::default()
        }
    }

    /// How many sessions are open.
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// How many sessions are open, by how somebody logged in: [`LOGINS`].
    pub fn open(&self) -> [usize; LOGINS.len()] {
        let mut counts = [0; LOGINS.len()];
        for session in self.sessions.values() {
            counts[session.who.login_type()] += 1;
        }
        counts
    }

    /// What was written and lost since the start, by how somebody logged in.
    pub fn ledgers(&self) -> [Ledger; LOGINS.len()] {
        let mut sums = self.ended.clone();
        for session in self.sessions.values() {
            sums[session.who.login_type()].add(session.tally.ledger());
        }
        sums
    }

    /// What was written and lost since the start, of all sessions.
    pub fn ledger(&self) -> Ledger {
        let mut sum = Ledger::default();
        for ledger in self.ledgers() {
            sum.add(&ledger);
        }
        sum
    }

    /// When the first of the sessions began whose start is not written yet. Nanoseconds since boot.
    pub fn first_unopened(&self) -> Option<u64> {
        let sessions = self
            .unopened
            .iter()
            .filter_map(|key| self.sessions.get(key));
        sessions.filter_map(|session| session.waits_since()).min()
    }

    /// Whether no session is open.
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty() && self.ending.is_empty()
    }

    /// Takes one record from the rings, and writes what follows from it.
    pub fn take(&mut self, bytes: &[u8], kernel: &mut impl Kernel, writer: &mut Writer) {
        let Ok(record) = decode(bytes) else {
            self.malformed += 1;
            return;
        };
        let key = record.head.session;
        match record.body {
            Body::SessionStart(start) => {
                self.begin(&record.head, &start.fixed, start.title, kernel, writer);
            }
            Body::SessionEnd(end) => {
                if let Some(mut session) = self.sessions.remove(&key) {
                    session.lose(&end.lost, (self.checked, record.head.time), writer);
                    session.exclude(end.excluded);
                    self.end((key, session), record.head.time, kernel, writer);
                } else {
                    self.over.push(key);
                }
            }
            // It came just after the end.
            Body::NetworkResult(_) if !self.sessions.contains_key(&key) => {}
            Body::Environment(environment) => {
                if let Some(session) = self.session(&record.head, kernel, writer) {
                    session.who.environment(environment.0);
                }
            }
            Body::Identity(identity) => {
                if let Some(session) = self.session(&record.head, kernel, writer) {
                    session.identify(identity.0);
                }
            }
            _ => {
                if let Body::Disk(disk) = &record.body
                    && let Some(path) = table_path(disk)
                {
                    self.touch(key, path, kernel);
                }
                if let Some(session) = self.session(&record.head, kernel, writer) {
                    session.act(bytes, &record, writer);
                }
            }
        }
    }

    /// Takes note that a session has opened, replaced or removed what may be a table of cron. Who
    /// does that again and again has the file looked at once.
    fn touch(&mut self, key: u64, path: &[u8], kernel: &mut impl Kernel) {
        let is_known = |(of, known): &(u64, Vec<u8>)| *of == key && known == path;
        if self.touched.iter().any(is_known) {
            return;
        }
        self.touched.push((key, path.to_vec()));
        if self.touched.len() == TOUCHED {
            self.note_tables(kernel);
        }
    }

    fn note_tables(&mut self, kernel: &mut impl Kernel) {
        for (key, path) in self.touched.drain(..) {
            kernel.note_table(key, &path);
        }
    }

    /// How somebody logged in to the session `key`: a place in [`LOGINS`].
    pub fn login_type(&self, key: u64) -> usize {
        let session = self.sessions.get(&key);
        session.map_or(login::SSH as usize, |session| session.who.login_type())
    }

    /// Writes session.terminal of the session `key`.
    pub fn stretch(&mut self, key: u64, stretch: &Stretch<'_>, writer: &mut Writer) {
        if let Some(session) = self.sessions.get_mut(&key) {
            session.stretch(stretch, writer);
        }
    }

    /// The id of the session of a record; made from what the kernel knows, if its start was lost.
    pub fn sid_or_new(
        &mut self,
        head: &Head,
        kernel: &mut impl Kernel,
        writer: &mut Writer,
    ) -> Option<Uuid> {
        self.session(head, kernel, writer)
            .map(|session| session.sid)
    }

    /// The keys of the sessions that are open.
    pub fn keys(&self) -> impl Iterator<Item = u64> {
        self.sessions.keys().copied()
    }

    /// The id of one of them.
    pub fn sid(&self, key: u64) -> Option<Uuid> {
        self.sessions.get(&key).map(|session| session.sid)
    }

    /// What the kernel has to know of one of them, but for its processes.
    pub fn entry(&self, key: u64) -> Option<SessionEntry> {
        let session = self.sessions.get(&key)?;
        let birth = &session.who.birth;
        Some(SessionEntry {
            time: birth.time,
            uid: birth.uid,
            audit_session_id: u32::try_from(key).unwrap_or(AUDIT_UNSET),
            pid: birth.pid,
            environment_sent: 1,
            login: birth.login,
            local: birth.connection.0,
            remote: birth.connection.1,
            lost: *session.tally.ledger().lost(),
            ..SessionEntry::default()
        })
    }

    /// The cgroup that all of a session is in, once it has one.
    pub fn cgroup(&self, key: u64) -> Option<PathBuf> {
        let session = self.sessions.get(&key)?;
        let cgroups = self.cgroups.as_ref()?;
        cgroups.of(text(&session.sid), session.who.birth.pid)
    }

    /// Moves a process of the recorder's own out of the cgroup that the service is ended by.
    pub fn set_apart(&self, pid: u32) {
        if let Some(cgroups) = &self.cgroups {
            cgroups.set_apart(pid);
        }
    }

    /// Takes note that a session is held, since a time in nanoseconds since boot.
    pub fn hold(&mut self, key: u64, since: u64) {
        if let Some(session) = self.sessions.get_mut(&key) {
            session.throttled.begin(since);
        }
    }

    /// Takes note that it goes on.
    pub fn go_on(&mut self, key: u64, now: u64) {
        if let Some(session) = self.sessions.get_mut(&key) {
            session.throttled.end(now);
        }
    }

    /// Writes the start of sessions that have waited long enough for what it lacks, and tries
    /// again to remove cgroups. Tells whether there is reason to come back soon.
    pub fn tick(&mut self, now: u64, writer: &mut Writer) -> bool {
        let again = self.cgroups.as_mut().is_some_and(Cgroups::sweep);
        let Self {
            sessions, unopened, ..
        } = self;
        unopened.retain(|key| {
            let Some(session) = sessions.get_mut(key) else {
                return false;
            };
            match session.deadline() {
                Some(deadline) if deadline <= now => {
                    session.open(writer);
                    false
                }
                Some(_) => true,
                None => false,
            }
        });
        let again = again || !unopened.is_empty();
        self.adopt(now);
        again
    }

    /// Writes the counts that are complete, and how sessions were held, and ends those that have
    /// waited for it. Tells whether there was more to do than there was time for.
    pub fn settle(&mut self, now: u64, kernel: &mut impl Kernel, writer: &mut Writer) -> bool {
        if !self.touched.is_empty() {
            self.note_tables(kernel);
            kernel.check_tables();
        }
        self.end_waiting(kernel, writer);
        let mut is_all = true;
        if now >= self.settled.saturating_add(SETTLE) {
            for session in self.sessions.values_mut() {
                is_all &= session.settle((now, now), &mut self.work, kernel, writer);
                session.tell_held(writer);
            }
            if is_all {
                self.settled = now;
            }
        }
        self.work = Work::ROUND;
        !is_all || !self.ending.is_empty()
    }

    /// Whether the shares of notes are to be counted anew.
    pub fn renews(&mut self, now: u64) -> bool {
        let renews = now >= self.renewed.saturating_add(NOTES);
        if renews {
            self.renewed = now;
        }
        renews
    }
}

fn text(sid: &Uuid) -> &str {
    std::str::from_utf8(sid).unwrap_or_default()
}
