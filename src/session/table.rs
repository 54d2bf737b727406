//! The sessions that are open, by the kernel's key.

use std::collections::VecDeque;
use std::path::PathBuf;

use rustc_hash::FxHashMap;

use super::job::table_path;
use super::kernel::Kernel;
use super::work::Work;
use super::{Birth, Cgroups, Session};
use crate::abi::{AUDIT_UNSET, Head, LOGINS, MissedCounts, SessionEntry, SessionStart, login};
use crate::base::{Ledger, name_in_title};
use crate::event::{Uuid, Writer};
use crate::family::{Body, Memory, decode};

/// Ended sessions that have asked for jobs, of which so many are remembered.
const ASKED: usize = 4096;

/// So many paths of tables of cron are gathered before each is looked at.
const TOUCHED: usize = 32;

/// So many sessions are looked at in one round for what they lost.
const LOOKED_AT: usize = 4096;

/// How long notes count as a session's share of tables that forget the oldest. Nanoseconds.
const NOTES: u64 = 3600 * 1_000_000_000;

/// So many sessions are moved into their cgroups in one round.
const MOVED: usize = 4;

/// A session whose last process is gone, with counts that are still to be written.
struct Ending {
    key: u64,
    session: Box<Session>,
    time: u64,
}

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

/// A session that has yet to be moved into its cgroup. That takes the kernel many milliseconds, so
/// what can't wait comes first.
struct Newborn {
    key: u64,
    time: u64,
    pids: [u32; 2],
}

/// How long after its birth a session is moved at the earliest. Nanoseconds.
const REST: u64 = 1_000_000;

/// How long after that they are looked for again. Nanoseconds.
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
            counts[session.login_type()] += 1;
        }
        counts
    }

    /// What was written and lost since the start, by how somebody logged in.
    pub fn ledgers(&self) -> [Ledger; LOGINS.len()] {
        let mut sums = self.ended.clone();
        for session in self.sessions.values() {
            sums[session.login_type()].add(session.ledger());
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

    /// Writes what each session lost because the log could not be written.
    pub fn tell_unwritten(&mut self, writer: &mut Writer) {
        for session in self.sessions.values_mut() {
            session.tell_unwritten(writer);
        }
    }

    /// Whether no session is open.
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty() && self.ending.is_empty()
    }

    /// Puts in a session that did not begin with a login.
    pub fn insert(&mut self, key: u64, birth: Birth, command: Vec<Vec<u8>>, writer: &mut Writer) {
        let share = self.memory.share(birth.uid);
        let mut session = Session::new(writer.id(), birth, share);
        session.initial_command = command;
        session.missed_before = self.missed;
        self.sessions.insert(key, Box::new(session));
        self.unopened.push(key);
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
                    session.leave_out(end.left_out);
                    self.end((key, session), record.head.time, kernel, writer);
                } else {
                    self.over.push(key);
                }
            }
            // It came just after the end.
            Body::NetworkResult(_) if !self.sessions.contains_key(&key) => {}
            Body::Environment(environment) => {
                if let Some(session) = self.session(&record.head, kernel, writer) {
                    session.environment(environment.0);
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
        session.map_or(login::SSH as usize, |session| session.login_type())
    }

    fn begin(
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
    fn session(
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
        let mut session = Session::new(writer.id(), birth, share);
        session.missed_before = self.missed;
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
        let birth = &session.birth;
        Some(SessionEntry {
            time: birth.time,
            uid: birth.uid,
            audit_session_id: u32::try_from(key).unwrap_or(AUDIT_UNSET),
            pid: birth.pid,
            environment_sent: 1,
            login: birth.login,
            local: birth.connection.0,
            remote: birth.connection.1,
            lost: *session.ledger().lost(),
            ..SessionEntry::default()
        })
    }

    fn adopt(&mut self, now: u64) {
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

    /// Writes the end of a session, or what there is time for before it.
    fn end(
        &mut self,
        (key, session): (u64, Box<Session>),
        time: u64,
        kernel: &mut impl Kernel,
        writer: &mut Writer,
    ) {
        let mut ending = Ending { key, session, time };
        let work = &mut self.work;
        match ending.session.settle_all(key, time, work, kernel, writer) {
            true => self.finish(ending, kernel, writer),
            false => self.ending.push_back(ending),
        }
    }

    /// Ends the waiting sessions, as far as there is time.
    fn end_waiting(&mut self, kernel: &mut impl Kernel, writer: &mut Writer) {
        while let Some(ending) = self.ending.front_mut() {
            let (key, time) = (ending.key, ending.time);
            let session = &mut ending.session;
            if !session.settle_all(key, time, &mut self.work, kernel, writer) {
                return;
            }
            if let Some(ending) = self.ending.pop_front() {
                self.finish(ending, kernel, writer);
            }
        }
    }

    fn finish(&mut self, ending: Ending, kernel: &mut impl Kernel, writer: &mut Writer) {
        let Ending { key, session, time } = ending;
        let (sid, login_type) = (session.sid, session.login_type());
        if kernel.session(key).is_some_and(|entry| entry.jobs != 0) {
            if self.asked.len() == ASKED {
                self.asked.pop_front();
            }
            self.asked.push_back((key, sid));
        }
        let ledger = session.end(time, &self.missed, writer);
        self.ended[login_type].add(&ledger);
        self.over.push(key);
        if let Some(cgroups) = &mut self.cgroups {
            cgroups.end(text(&sid));
        }
    }

    /// The cgroup that all of a session is in, once it has one.
    pub fn cgroup(&self, key: u64) -> Option<PathBuf> {
        let session = self.sessions.get(&key)?;
        let cgroups = self.cgroups.as_ref()?;
        cgroups.of(text(&session.sid), session.birth.pid)
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
            session.hold(since);
        }
    }

    /// Takes note that it goes on.
    pub fn go_on(&mut self, key: u64, now: u64) {
        if let Some(session) = self.sessions.get_mut(&key) {
            session.go_on(now);
        }
    }

    /// Whether a session has just begun, with a cgroup to be made.
    pub fn has_newborn(&self) -> bool {
        !self.newborn.is_empty()
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

    /// Whether sessions are left to be looked at for what they lost.
    pub fn is_looking(&self) -> bool {
        !self.looking.is_empty()
    }

    /// Tells that until `time`, in nanoseconds since boot, nothing was lost that is not written.
    pub fn checked(&mut self, time: u64) {
        self.checked = time;
    }

    /// The keys of sessions that have ended since the last call.
    pub fn over(&mut self) -> impl Iterator<Item = u64> {
        self.over.drain(..)
    }

    /// After something was lost: writes what each session lost, and ends those whose end was lost.
    /// All records before the time `settled` have been taken. Tells whether to call it again in the
    /// next round.
    pub fn reconcile(
        &mut self,
        (now, settled): (u64, u64),
        kernel: &mut impl Kernel,
        writer: &mut Writer,
    ) -> bool {
        let since = self.checked;
        let mut over = Vec::new();
        if self.looking.is_empty() {
            self.looking.extend(self.sessions.keys());
            self.looking_since = now;
        }
        let rest = self.looking.len().saturating_sub(LOOKED_AT);
        for key in self.looking.drain(rest..) {
            let Some(session) = self.sessions.get_mut(&key) else {
                continue;
            };
            let entry = kernel.session(key);
            if let Some(entry) = &entry {
                // It may have been lost while the daemon came here.
                let read = now.max(writer.clock.now().boot);
                session.lose(&entry.lost, (since, read), writer);
            }
            if entry.is_some_and(|entry| entry.ended == 0 || entry.processes > 0) {
                session.gone = None;
            } else if *session.gone.get_or_insert(now) <= settled {
                over.push(key);
            } else {
                self.is_waiting = true;
            }
        }
        for key in over {
            if let Some(session) = self.sessions.remove(&key) {
                self.end((key, session), now, kernel, writer);
            }
        }
        if !self.looking.is_empty() {
            return true;
        }
        self.checked = self.looking_since;
        std::mem::take(&mut self.is_waiting)
    }

    /// Ends every session, for a recorder that does not outlive them.
    pub fn end_all(&mut self, time: u64, kernel: &mut impl Kernel, writer: &mut Writer) {
        self.work = Work::ENDLESS;
        self.end_waiting(kernel, writer);
        let sessions: Vec<_> = self.sessions.drain().collect();
        for session in sessions {
            self.end(session, time, kernel, writer);
        }
    }

    /// Writes what waits of sessions that outlive the recorder.
    pub fn leave_all(&mut self, time: u64, kernel: &mut impl Kernel, writer: &mut Writer) {
        self.work = Work::ENDLESS;
        self.end_waiting(kernel, writer);
        for (key, session) in &mut self.sessions {
            session.settle_all(*key, time, &mut self.work, kernel, writer);
            session.tell_held(writer);
        }
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

fn text(sid: &Uuid) -> &str {
    std::str::from_utf8(sid).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::SendsKey;
    use crate::base::Clock;
    use crate::event::{Host, HostNames, Ids};

    struct Known(SessionEntry);

    impl Kernel for Known {
        fn session(&self, _: u64) -> Option<SessionEntry> {
            Some(self.0)
        }

        fn take_sends(&mut self, _: &SendsKey) -> u64 {
            0
        }

        fn counts_sends(&self, _: u64) -> bool {
            false
        }

        fn sends(&self, _: u64) -> Vec<SendsKey> {
            Vec::new()
        }

        fn note_table(&mut self, _: u64, _: &[u8]) {}

        fn check_tables(&mut self) {}

        fn has_table(&mut self, _: u64, _: u32) -> bool {
            true
        }
    }

    fn begun() -> (Table, Writer) {
        let host = Host::new(&HostNames::default());
        let mut writer = Writer::new(host, Ids::with(|pool| pool.fill(1)), Clock::fixed(0));
        let mut table = Table::default();
        let birth = Birth {
            time: 1,
            uid: 0,
            name: None,
            pid: 1,
            connection: Default::default(),
            parent: None,
            recorded_since: None,
            login: login::NONE,
        };
        table.insert(7, birth, Vec::new(), &mut writer);
        (table, writer)
    }

    fn text_of(writer: &Writer) -> String {
        String::from_utf8(writer.lines().bytes().to_vec()).unwrap()
    }

    #[test]
    fn a_session_whose_end_was_lost_ends_when_its_records_are_taken() {
        let (mut table, mut writer) = begun();
        let mut entry = SessionEntry {
            processes: 1,
            ..SessionEntry::default()
        };
        assert!(!table.reconcile((100, 99), &mut Known(entry), &mut writer));
        (entry.processes, entry.ended) = (0, 1);
        entry.lost[1][0] = 3;
        for round in 200..300 {
            // The rings are held back.
            assert!(table.reconcile((round, 150), &mut Known(entry), &mut writer));
            assert!(!table.is_empty() && table.over().next().is_none());
        }
        assert!(!table.reconcile((301, 300), &mut Known(entry), &mut writer));
        assert!(table.is_empty());
        assert_eq!(table.over().collect::<Vec<_>>(), [7]);
        let lines = text_of(&writer);
        let lost = r#""family":"command","cause":"ring_full","count":3,"#;
        assert_eq!(lines.matches(lost).count(), 1, "{lines}");
        assert!(lines.lines().last().unwrap().contains("session.end"));
    }

    #[test]
    fn a_session_that_lives_again_is_not_over() {
        let (mut table, mut writer) = begun();
        let ended = SessionEntry {
            ended: 1,
            ..SessionEntry::default()
        };
        assert!(table.reconcile((200, 150), &mut Known(ended), &mut writer));
        let alive = SessionEntry {
            processes: 1,
            ..ended
        };
        assert!(!table.reconcile((300, 299), &mut Known(alive), &mut writer));
        assert!(table.reconcile((400, 399), &mut Known(ended), &mut writer));
        assert!(!table.is_empty());
    }

    /// Ends session 7, which has asked for `jobs`, and begins one; how many of its lines say so.
    fn told(table: &mut Table, writer: &mut Writer, jobs: u32) -> usize {
        let mut kernel = Known(SessionEntry {
            jobs,
            ..SessionEntry::default()
        });
        let session = table.sessions.remove(&7).unwrap();
        let origin = format!(r#""origin":"at","origin_sid":"{}""#, text(&session.sid));
        table.end((7, session), 10, &mut kernel, writer);
        let head = Head {
            session: 8,
            time: 20,
            ..Head::default()
        };
        let start = SessionStart {
            parent: 7,
            login: login::AT,
            ..SessionStart::default()
        };
        table.begin(&head, &start, b"", &mut kernel, writer);
        table.end_all(30, &mut kernel, writer);
        text_of(writer).matches(&origin).count()
    }

    /// Begins a session that was there at 10, and seen at 20; its start if that is written at once.
    fn found(seen_since: Option<u64>) -> (Table, Option<String>) {
        let (mut table, mut writer) = begun();
        table.seen_since = seen_since;
        let head = Head {
            session: 8,
            time: 20_000_000,
            ..Head::default()
        };
        let start = SessionStart {
            began: 10_000_000,
            login: login::SSH,
            ..SessionStart::default()
        };
        let mut kernel = Known(SessionEntry::default());
        table.begin(&head, &start, b"", &mut kernel, &mut writer);
        let lines = text_of(&writer);
        (table, lines.lines().last().map(str::to_owned))
    }

    #[test]
    fn a_session_that_was_there_tells_since_when_it_is_recorded() {
        let (_, start) = found(None);
        let times = r#""recorded_since":"1970-01-01T00:00:00.020Z""#;
        assert!(start.unwrap().contains(times));
        // Its first program is still to be seen.
        let (mut table, start) = found(Some(30_000_000));
        assert_eq!(start, None);
        let session = &table.sessions[&8];
        assert_eq!(session.deadline(), Some(3_030_000_000));
        assert_eq!(table.first_unopened(), Some(1));
        let (_, mut writer) = begun();
        table.end_all(40_000_000, &mut Known(SessionEntry::default()), &mut writer);
        let times = r#""recorded_since":"1970-01-01T00:00:00.030Z""#;
        assert!(text_of(&writer).contains(times));
    }

    #[test]
    fn who_has_asked_for_jobs_is_remembered() {
        let (mut table, mut writer) = begun();
        assert_eq!(told(&mut table, &mut writer, 1), 2);
        let (mut table, mut writer) = begun();
        assert_eq!(told(&mut table, &mut writer, 0), 0);
        let (mut table, mut writer) = begun();
        table.asked = (100..100 + ASKED as u64)
            .map(|key| (key, writer.id()))
            .collect();
        assert_eq!(told(&mut table, &mut writer, 1), 2);
        assert_eq!(table.asked.len(), ASKED);
    }

    #[test]
    fn a_session_that_ends_while_it_is_held_tells_so() {
        let (mut table, mut writer) = begun();
        for (since, until) in [(100_000_000, 100_007_000), (300_000_000, 300_000_500)] {
            table.hold(7, since);
            table.hold(7, since + 3);
            table.go_on(7, until);
        }
        table.go_on(7, 400_000_000);
        table.hold(7, 500_000_000);
        table.end_all(
            500_001_000,
            &mut Known(SessionEntry::default()),
            &mut writer,
        );
        let lines = text_of(&writer);
        let held = r#""event":"session.held""#;
        let held: Vec<_> = lines.lines().filter(|line| line.contains(held)).collect();
        let tail = r#","count":3,"held_us":8,"from":"1970-01-01T00:00:00.100Z","to":"1970-01-01T00:00:00.500Z"}"#;
        assert!(held.len() == 1 && held[0].ends_with(tail), "{lines}");
    }

    #[test]
    fn what_has_begun_is_not_looked_at_again() {
        let (mut table, mut writer) = begun();
        assert!(table.tick(2, &mut writer));
        assert!(!table.tick(10_000_000_000, &mut writer));
        assert!(table.unopened.is_empty());
    }
}
