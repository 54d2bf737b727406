//! What sessions have lost, and those whose end was lost.

use super::super::Kernel;
use super::Table;
use crate::event::Writer;
/// So many sessions are looked at in one round for what they lost.
const LOOKED_AT: usize = 4096;

impl Table {
    /// Writes what each session lost because the log could not be written.
    pub fn tell_unwritten(&mut self, writer: &mut Writer) {
        for session in self.sessions.values_mut() {
            session.tell_unwritten(writer);
        }
    }

    /// Whether sessions are left to be looked at for what they lost.
    pub fn is_looking(&self) -> bool {
        !self.looking.is_empty()
    }

    /// Tells that until `time`, in nanoseconds since boot, nothing was lost that is not written.
    pub fn checked(&mut self, time: u64) {
        self.checked = time;
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
}
