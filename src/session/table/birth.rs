//! How sessions get into the table, and into their cgroups.

use super::super::{Birth, Kernel, Session};
use super::{Table, text};
use crate::abi::{Head, SessionEntry, SessionStart, login};
use crate::base::name_in_title;
use crate::event::{Uuid, Writer};
/// So many sessions are moved into their cgroups in one round.
const MOVED: usize = 4;

/// How long after its birth a session is moved at the earliest. Nanoseconds.
const REST: u64 = 1_000_000;

/// A session that has yet to be moved into its cgroup. That takes the kernel many milliseconds, so
/// what can't wait comes first.
pub struct Newborn {
    key: u64,
    time: u64,
    pids: [u32; 2],
}

impl Table {
    /// Puts in a session that did not begin with a login.
    pub fn insert(&mut self, key: u64, birth: Birth, command: Vec<Vec<u8>>, writer: &mut Writer) {
        let share = self.memory.share(birth.uid);
        let mut session = Session::new(writer.id(), birth, share, self.missed);
        session.opening.initial_command = command;
        self.sessions.insert(key, Box::new(session));
        self.unopened.push(key);
    }

    pub(super) fn begin(
        &mut self,
        head: &Head,
        start: &SessionStart,
        title: &[u8],
        kernel: &mut impl Kernel,
        writer: &mut Writer,
    ) {
        let key = head.session;
        let is_job = start.login == login::CRON && start.parent != 0;
        let parent = match is_job && !kernel.has_table(start.parent, start.uid) {
            true => 0,
            false => start.parent,
        };
        // What another service has begun stays in that one's cgroup, by which it is ended.
        if start.login == login::SSH {
            self.newborn.push(Newborn {
                key,
                time: head.time,
                pids: [start.connection_pid, head.pid],
            });
        }
        // A record of another CPU can be older than that of the birth.
        let entry = SessionEntry {
            time: head.time,
            uid: start.uid,
            pid: head.pid,
            connection_pid: start.connection_pid,
            local: start.local,
            remote: start.remote,
            parent,
            began: start.began,
            login: start.login,
            ..SessionEntry::default()
        };
        self.born(key, || entry, name_in_title(title, true), writer);
    }

    /// The session of a record; made from what the kernel knows, if its start was lost.
    pub(super) fn session(
        &mut self,
        head: &Head,
        kernel: &mut impl Kernel,
        writer: &mut Writer,
    ) -> Option<&mut Session> {
        let unknown = || SessionEntry {
            time: head.time,
            uid: u32::MAX,
            ..SessionEntry::default()
        };
        let entry = || kernel.session(head.session).unwrap_or_else(unknown);
        self.born(head.session, entry, None, writer);
        self.sessions.get_mut(&head.session).map(Box::as_mut)
    }

    /// Makes the session with this key from its entry, if it is new.
    fn born(
        &mut self,
        key: u64,
        entry: impl FnOnce() -> SessionEntry,
        name: Option<String>,
        writer: &mut Writer,
    ) {
        if self.sessions.contains_key(&key) {
            return;
        }
        let entry = entry();
        let found = entry.began != 0;
        let birth = Birth {
            time: if found { entry.began } else { entry.time },
            uid: entry.uid,
            name: name.or_else(|| name_of_server(&entry)),
            pid: entry.pid,
            connection: (entry.local, entry.remote),
            parent: self.sid_of(entry.parent),
            // What it did before it was found was not known to be its.
            recorded_since: found.then(|| self.seen_since.unwrap_or_default().max(entry.time)),
            login: entry.login,
        };
        let share = self.memory.share(birth.uid);
        let mut session = Session::new(writer.id(), birth, share, self.missed);
        // What it was begun with is not to be seen any more, if it was there at the start.
        if found && self.seen_since.is_none() {
            session.open(writer);
        } else {
            self.unopened.push(key);
        }
        self.sessions.insert(key, Box::new(session));
    }

    /// The id of a session that is open, or has asked for jobs.
    fn sid_of(&self, key: u64) -> Option<Uuid> {
        let open = self.sessions.get(&key).map(|session| session.sid);
        open.or_else(|| {
            let mut asked = self.asked.iter();
            asked.find(|(asked, _)| *asked == key).map(|(_, sid)| *sid)
        })
    }

    pub(super) fn adopt(&mut self, now: u64) {
        let Self {
            sessions,
            cgroups,
            newborn,
            ..
        } = self;
        let mut moved = 0;
        newborn.retain(|newborn| {
            if moved == MOVED {
                return true;
            }
            let Some(session) = sessions.get(&newborn.key) else {
                return false;
            };
            if now < newborn.time.saturating_add(REST) {
                return true;
            }
            moved += 1;
            if let Some(cgroups) = cgroups
                && let Err(error) = cgroups.adopt(text(&session.sid), &newborn.pids)
            {
                crate::report!("recorderd: {error}; the session is recorded anyway");
            }
            false
        });
    }

    /// Whether a session has just begun, with a cgroup to be made.
    pub fn has_newborn(&self) -> bool {
        !self.newborn.is_empty()
    }
}

/// The name in the title of the process that serves a login, where that is sshd's. No program that the user
/// has chosen runs in it.
fn name_of_server(entry: &SessionEntry) -> Option<String> {
    if entry.login != login::SSH || entry.connection_pid == 0 {
        return None;
    }
    let title = std::fs::read(format!("/proc/{}/cmdline", entry.connection_pid)).ok()?;
    name_in_title(title.split(|byte| *byte == 0).next()?, false)
}
