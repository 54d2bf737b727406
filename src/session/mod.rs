//! One login and every process that descends from it: who it is, which processes, birth and end.

mod cgroup;
mod identity;
mod job;
mod kernel;
mod opening;
mod table;
mod tally;
mod throttled;
mod unwritten;
mod who;
mod work;

pub use cgroup::Cgroups;
pub use kernel::Kernel;
pub use table::Table;
pub use who::Birth;

use opening::Opening;
use tally::Tally;
use throttled::Throttled;
use who::Who;
use work::Work;

use crate::abi::{Counts, Family, LOGINS, Losses, MissedCounts, login};
use crate::base::Ledger;
use crate::event::{Subject, Uuid, Writer, address};
use crate::family::{
    Body, Context, End, Pending, Record, Share, Start, Stretch, decode, is_for_channel,
    terminal_size,
};

/// How long session.start waits for the first program or connection, which tell the terminal, the
/// command and the identity; a client on a slow line takes that long to ask. Nanoseconds.
const PATIENCE: u64 = 3_000_000_000;

/// One login and every process that descends from it, until the last one exits.
pub struct Session {
    sid: Uuid,
    who: Who,
    opening: Opening,
    /// Since session.start was written.
    subject: Option<Subject>,
    /// What later events refer to.
    pending: Pending,
    tally: Tally,
    throttled: Throttled,
    /// Of the last record that was written. Nanoseconds since boot.
    latest: u64,
    /// Since when the kernel has no process of it any more. Nanoseconds since boot.
    gone: Option<u64>,
}

impl Session {
    /// A session that has yet to write its start. Each probe has been skipped as often as `missed` says.
    pub fn new(sid: Uuid, birth: Birth, share: Share, missed: MissedCounts) -> Self {
        Self {
            sid,
            who: Who::new(birth),
            opening: Opening::default(),
            subject: None,
            pending: Pending::new(share),
            tally: Tally::since(missed),
            throttled: Throttled::default(),
            latest: 0,
            gone: None,
        }
    }

    /// When to stop waiting for what session.start still lacks; `None` once it is written.
    pub fn deadline(&self) -> Option<u64> {
        let since = self.waits_since()?;
        let since = since.max(self.who.birth.recorded_since.unwrap_or_default());
        Some(since.saturating_add(PATIENCE))
    }

    /// Since when it waits to be begun; `None` once it is written.
    pub fn waits_since(&self) -> Option<u64> {
        match self.subject {
            None => Some(self.who.birth.time),
            Some(_) => None,
        }
    }

    /// Takes what sshd writes of who has logged in, as long as session.start can tell it.
    fn identify(&mut self, text: &[u8]) {
        if self.subject.is_none() {
            self.who.identify(text);
        }
    }

    /// Takes a record of one of the families, and writes what can be written.
    pub fn act(&mut self, bytes: &[u8], record: &Record<'_>, writer: &mut Writer) {
        if self.subject.is_some() {
            self.write(record, writer);
            return;
        }
        if !self.opening.keep(bytes, &mut self.pending.share) {
            self.open(writer);
            self.write(record, writer);
            return;
        }
        let ready = match &record.body {
            // What else sshd runs, such as ~/.ssh/rc, comes before its first channel's own.
            Body::Command(command) if command.fixed.return_code == 0 => {
                let is_first = !self.who.has_channels() || is_for_channel(command);
                if is_first {
                    self.opening.first_program(command);
                }
                is_first
            }
            Body::Subsystem(subsystem) => {
                self.opening.terminal = terminal_size(&subsystem.0);
                true
            }
            // It may be sshd's own, before there is a channel.
            Body::Network(_) => !self.who.has_channels(),
            _ => false,
        };
        if ready {
            self.open(writer);
        }
    }

    /// Writes session.start, and all that waited for it.
    pub fn open(&mut self, writer: &mut Writer) {
        if self.subject.is_some() {
            return;
        }
        let login = self.who.login();
        let (who, birth) = (&self.who, &self.who.birth);
        let mut subject = Subject::new(who.user(), &login, &self.sid, who.origin());
        let (local, remote) = &birth.connection;
        writer.start(
            &mut subject,
            &Start {
                time: birth.time,
                connection: (local.version > 0).then(|| (address(local), address(remote))),
                terminal: self.opening.terminal,
                initial_command: &self.opening.initial_command,
                parent: birth.parent.as_ref(),
                recorded_since: birth.recorded_since,
                login_type: (birth.login > login::SSH).then(|| LOGINS[who.login_type()]),
            },
        );
        self.subject = Some(subject);
        let backlog = self.opening.take(&mut self.pending.share);
        for record in backlog.records().flat_map(decode) {
            self.write(&record, writer);
        }
    }

    fn write(&mut self, record: &Record<'_>, writer: &mut Writer) {
        let Some(subject) = &mut self.subject else {
            return;
        };
        let Record { head, body } = record;
        let mark = writer.mark(subject);
        self.latest = self.latest.max(head.time);
        let mut context = Context {
            writer,
            subject,
            pending: &mut self.pending,
        };
        let event = body.write(head, &mut context);
        let Some(family) = event.and_then(|event| event.row().family) else {
            return;
        };
        self.tally.add(family, 1, head.time, writer);
        if writer.is_full {
            writer.go_back(mark, subject);
            body.forget(head, &mut self.pending);
        }
    }

    /// Writes session.lost for what the kernel has counted beyond what is written already, between
    /// two times in nanoseconds since boot.
    pub fn lose(&mut self, total: &Losses, (from, to): (u64, u64), writer: &mut Writer) {
        if self.tally.ledger().lost() == total {
            return;
        }
        self.open(writer);
        if let Some(subject) = &mut self.subject {
            let from = from.max(self.who.birth.time).min(to);
            self.tally.lose(total, (from, to), subject, writer);
        }
    }

    /// Writes session.terminal.
    pub fn stretch(&mut self, stretch: &Stretch<'_>, writer: &mut Writer) {
        self.open(writer);
        if let Some(subject) = &mut self.subject {
            let time = stretch.times.1.max(self.latest);
            writer.stretch(subject, time, stretch);
        }
    }

    /// Writes session.throttled for how it was throttled since the last one.
    pub fn tell_held(&mut self, writer: &mut Writer) {
        if let Some(subject) = &mut self.subject {
            self.throttled.tell(subject, self.latest, writer);
        }
    }

    /// Writes session.network_sends for what is complete at the time `until`, if it is `now`, in
    /// nanoseconds since boot. As much is done as `work` allows for; tells whether that is all.
    pub fn settle(
        &mut self,
        (now, until): (u64, u64),
        work: &mut Work,
        kernel: &mut impl Kernel,
        writer: &mut Writer,
    ) -> bool {
        let Some(subject) = &mut self.subject else {
            return true;
        };
        loop {
            if !work.is_left() {
                return false;
            }
            let Some(sends) = self.pending.sends.take_over(until) else {
                return true;
            };
            work.spend(1);
            let folded = kernel.take_sends(&sends.key);
            if folded > 0 {
                let time = sends.key.ends.min(now).max(self.latest);
                let mark = writer.mark(subject);
                writer.sends(subject, time, &sends, folded);
                self.tally.add(Family::Network, folded, time, writer);
                if writer.is_full {
                    writer.go_back(mark, subject);
                }
            }
        }
    }

    /// Fetches all counts of the session, once no process of it is left.
    pub fn settle_all(
        &mut self,
        key: u64,
        now: u64,
        work: &mut Work,
        kernel: &mut impl Kernel,
        writer: &mut Writer,
    ) -> bool {
        self.open(writer);
        if !self.settle((now, u64::MAX), work, kernel, writer) {
            return false;
        }
        // Those whose first event was lost.
        if !self.tally.has_lost(Family::Network) || !kernel.counts_sends(key) {
            return true;
        }
        work.spend(Work::LOOK);
        let counted = kernel.sends(key);
        counted
            .into_iter()
            .for_each(|key| self.pending.sends.find(key));
        self.settle((now, u64::MAX), work, kernel, writer)
    }

    /// Writes session.lost for what could not be written.
    pub fn tell_unwritten(&mut self, writer: &mut Writer) {
        if let Some(subject) = &mut self.subject {
            self.tally.tell_unwritten(subject, writer);
        }
    }

    /// Takes down what the kernel has left out of the session.
    pub fn exclude(&mut self, counts: Counts) {
        self.tally.exclude(&counts);
    }

    /// Writes session.end; returns what was written and lost. `missed` is how often each probe has been
    /// skipped by now.
    pub fn end(mut self, time: u64, missed: &MissedCounts, writer: &mut Writer) -> Ledger {
        self.open(writer);
        self.tell_unwritten(writer);
        self.throttled.end(time);
        self.tell_held(writer);
        if let Some(mut subject) = self.subject.take() {
            let had_terminal = self.pending.channels.had_terminal();
            writer.end(
                &mut subject,
                &End {
                    start: self.who.birth.time,
                    stop: time,
                    interactive: self.opening.terminal.is_some() || had_terminal,
                    user: self.who.user(),
                    initial_command: &self.opening.initial_command,
                    ledger: self.tally.ledger(),
                    missed: self.tally.missed(missed),
                },
            );
        }
        self.tally.into_ledger()
    }
}
