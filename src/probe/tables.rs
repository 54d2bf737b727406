//! What the probes keep in the kernel.

use aya::maps::{HashMap, MapData, MapError};

use super::processes::Processes;
use crate::record::layout::{
    AUDIT_UNSET, HeldEntry, Job, JobFile, ProcessEntry, Sends, SendsKey, SessionEntry,
};

/// What the probes keep in the kernel.
pub struct Tables {
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
}

impl Tables {
    /// The session that has written a file of at or cron last.
    pub fn writer_of(&self, file: &JobFile) -> Option<u64> {
        self.job_files.get(file, 0).ok().map(|job| job.session)
    }

    /// Begins a session of ours, with the one process that its entry names.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn begin(&mut self, key: u64, session: SessionEntry) -> Result<(), MapError> {
        let session = SessionEntry {
            processes: 1,
            audit_session_id: AUDIT_UNSET,
            environment_sent: 1,
            ..session
        };
        let process = ProcessEntry {
            session: key,
            ..ProcessEntry::default()
        };
        self.sessions.insert(key, session, 0)?;
        self.processes.insert(session.pid, process)
    }
}
