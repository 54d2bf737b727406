//! What the probes keep in the kernel.

use aya::maps::{HashMap, IterableMap, MapData, MapError};

use super::bpf;
use super::processes::Processes;
use super::share::Shares;
use crate::abi::{
    AUDIT_UNSET, HeldEntry, Job, JobFile, ProcessEntry, Sends, SendsKey, SessionEntry, Table,
    TerminalKey, TerminalState,
};

/// The keys of sessions that have no audit session id begin here: all those ids are below.
pub const OWN_KEYS: u64 = 1 << 32;

/// What the probes keep in the kernel.
pub struct Tables {
    /// How much of each table is whose.
    pub shares: Shares,
    /// Sessions that are open.
    pub sessions: HashMap<MapData, u64, SessionEntry>,
    /// Their processes.
    pub processes: Processes,
    /// Datagrams without an event of their own.
    pub sends: HashMap<MapData, SendsKey, Sends>,
    /// Files of at and cron that sessions have written.
    pub(super) job_files: HashMap<MapData, JobFile, Job>,
    /// The session that has written the table of an account, by its uid.
    pub job_tables: HashMap<MapData, u32, u64>,
    /// Processes that are stopped, by process id.
    pub held: HashMap<MapData, u32, HeldEntry>,
    /// What was left out of terminals, and what may be sent of them.
    pub(super) terminals: HashMap<MapData, TerminalKey, TerminalState>,
}

fn is_over(entry: &SessionEntry) -> bool {
    entry.processes == 0
}

/// Removes the entry of a session that nobody is in, and gives it. The kernel tells what it removes, so who
/// has joined since the caller looked is seen here, and the entry is put back, unless a probe was first.
pub fn remove_over(
    sessions: &mut HashMap<MapData, u64, SessionEntry>,
    key: u64,
) -> Option<SessionEntry> {
    match bpf::remove::<_, SessionEntry>(sessions.map().fd(), &key) {
        Ok(entry) if is_over(&entry) => Some(entry),
        Ok(entry) => {
            let _ = sessions.insert(key, entry, bpf::NOEXIST);
            None
        }
        // Before Linux 5.14, no hash table tells what it removes.
        Err(_) => {
            let entry = sessions.get(&key, 0).ok().filter(is_over)?;
            sessions.remove(&key).ok().map(|()| entry)
        }
    }
}

impl Tables {
    /// The session that has written a file of at or cron last.
    pub fn writer_of(&self, file: &JobFile) -> Option<u64> {
        self.job_files.get(file, 0).ok().map(|job| job.session)
    }

    /// Forgets what was left out of a terminal, and returns how many bytes that were; of the terminal
    /// 0, what a session may still send.
    pub fn forget_terminal(&mut self, session: u64, terminal: u64) -> u64 {
        let key = TerminalKey { session, terminal };
        let excluded = self.terminals.get(&key, 0).map(|state| state.excluded);
        let _ = self.terminals.remove(&key);
        excluded.unwrap_or_default()
    }

    /// Forgets all terminals of a session.
    pub(super) fn terminals_clear(&mut self, session: u64) {
        let keys: Vec<_> = self.terminals.keys().flatten().collect();
        for key in keys.iter().filter(|key| key.session == session) {
            let _ = self.terminals.remove(key);
        }
    }

    /// Removes the entry of a session that is over; the probes never do.
    pub fn forget(&mut self, key: u64) {
        // Most are over, but not all: who has joined since the record of the end keeps it.
        if !self.sessions.get(&key, 0).is_ok_and(|it| is_over(&it)) {
            return;
        }
        if let Some(entry) = remove_over(&mut self.sessions, key) {
            self.shares.give(key, entry.uid, Table::Sessions);
        }
    }

    /// Begins a session of ours, with the one process that its entry names, and what is known of it.
    ///
    /// # Errors
    /// The error of the system call.
    pub fn begin(
        &mut self,
        key: u64,
        session: SessionEntry,
        process: ProcessEntry,
    ) -> Result<(), MapError> {
        let session = SessionEntry {
            processes: 1,
            audit_session_id: AUDIT_UNSET,
            environment_sent: 1,
            ..session
        };
        let process = ProcessEntry {
            session: key,
            ..process
        };
        self.sessions.insert(key, session, 0)?;
        for table in [Table::Sessions, Table::Processes] {
            self.shares.take(key, session.uid, table);
        }
        self.processes.insert(session.pid, process)
    }

    /// Takes back such a session, and its one process.
    ///
    /// # Errors
    /// The error of the system call.
    pub(super) fn leave(&mut self, key: u64, pid: u32) -> Result<(), MapError> {
        self.processes.remove(pid)?;
        let session = self.sessions.get(&key, 0)?;
        self.sessions.remove(&key)?;
        for table in [Table::Sessions, Table::Processes] {
            self.shares.give(key, session.uid, table);
        }
        Ok(())
    }

    /// Removes the count of such datagrams, and returns it.
    pub fn take_sends(&mut self, key: &SendsKey) -> u64 {
        // It is gone already, where it was told of twice.
        let Ok(sends) = self.sends.get(key, 0) else {
            return 0;
        };
        if self.sends.remove(key).is_ok() {
            self.shares.give(key.session, sends.uid, Table::Sends);
        }
        sends.count
    }

    /// The processes that are stopped, which are none of those any more.
    pub fn take_held(&mut self) -> Vec<(u32, HeldEntry)> {
        let mut stopped: Vec<_> = self.held.iter().flatten().collect();
        stopped.retain(|(pid, held)| {
            let is_ours = self.held.remove(pid).is_ok();
            if is_ours {
                self.shares.give(held.session, held.uid as u32, Table::Held);
            }
            is_ours
        });
        stopped
    }
}
