//! How sessions get out of the table.

use super::super::work::Work;
use super::super::{Kernel, Session};
use super::{Table, text};
use crate::event::Writer;
/// Ended sessions that have asked for jobs, of which so many are remembered.
pub const ASKED: usize = 4096;

/// A session whose last process is gone, with counts that are still to be written.
pub struct Ending {
    key: u64,
    session: Box<Session>,
    time: u64,
}

impl Table {
    /// Writes the end of a session, or what there is time for before it.
    pub(super) fn end(
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
    pub(super) fn end_waiting(&mut self, kernel: &mut impl Kernel, writer: &mut Writer) {
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
        let (sid, login_type) = (session.sid, session.who.login_type());
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

    /// The keys of sessions that have ended since the last call.
    pub fn over(&mut self) -> impl Iterator<Item = u64> {
        self.over.drain(..)
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
