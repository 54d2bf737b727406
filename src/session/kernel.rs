//! What the kernel still knows of sessions.

use super::job::{table_at, table_of};
use crate::abi::{self, SendsKey, SessionEntry};
use crate::kernel::Tables;

/// What the kernel still knows of a session, for when the record of its birth was lost.
pub trait Kernel {
    /// The kernel's entry for the session `key`, if it has one.
    fn session(&self, key: u64) -> Option<SessionEntry>;

    /// Forgets its count of such datagrams, and returns it.
    fn take_sends(&mut self, key: &SendsKey) -> u64;

    /// Whether there are some of the session `key`. It may be wrong, where there are none.
    fn counts_sends(&self, key: u64) -> bool;

    /// All of the session `key` that it counts.
    fn sends(&self, key: u64) -> Vec<SendsKey>;

    /// Has jobs from the table of cron at `path` be those of the session `key`, if that has written
    /// this file.
    fn note_table(&mut self, key: u64, path: &[u8]);

    /// Has jobs of tables that are gone be nobody's.
    fn check_tables(&mut self);

    /// Whether the session `key` has written what is now the table of the account `uid`. If not, no
    /// further job of the account is taken for one of the session's.
    fn has_table(&mut self, key: u64, uid: u32) -> bool;
}

impl Kernel for Tables {
    fn session(&self, key: u64) -> Option<SessionEntry> {
        self.sessions.get(&key, 0).ok()
    }

    fn take_sends(&mut self, key: &SendsKey) -> u64 {
        self.take_sends(key)
    }

    fn counts_sends(&self, key: u64) -> bool {
        self.shares.used(key, abi::Table::Sends) > 0
    }

    fn sends(&self, key: u64) -> Vec<SendsKey> {
        let keys = self.sends.keys().flatten();
        keys.filter(|sends| sends.session == key).collect()
    }

    fn note_table(&mut self, key: u64, path: &[u8]) {
        if let Some((uid, file)) = table_at(path)
            && self.writer_of(&file) == Some(key)
            && let Err(error) = self.job_tables.insert(uid, key, 0)
        {
            crate::report!("recorderd: map job_tables: {error}; jobs of uid {uid} have no origin");
        }
    }

    fn check_tables(&mut self) {
        let noted: Vec<_> = self.job_tables.iter().flatten().collect();
        for (uid, key) in noted {
            self.has_table(key, uid);
        }
    }

    fn has_table(&mut self, key: u64, uid: u32) -> bool {
        let writer = table_of(uid).and_then(|file| self.writer_of(&file));
        if writer == Some(key) {
            return true;
        }
        // Another session may have written one meanwhile.
        if self.job_tables.get(&uid, 0).is_ok_and(|noted| noted == key) {
            let _ = self.job_tables.remove(&uid);
        }
        false
    }
}
