//! Who it is, which processes, birth and end.

mod cgroup;
mod identity;
mod job;
mod kernel;
mod table;
mod unwritten;
mod work;

pub use cgroup::Cgroups;
pub use kernel::Kernel;
pub use table::Table;

use unwritten::Unwritten;
use work::Work;

use crate::abi::{CAUSES, Counts, Endpoint, Family, LOGINS, Losses, MissedCounts, login};
use crate::base::{Ledger, Names, login_name};
use crate::event::{Origin, Subject, Uuid, Writer, address};
use crate::family::{
    Body, Command, Context, End, Held, Lost, Pending, Record, Share, Start, decode, is_for_channel,
    strings, terminal_size,
};

/// How long session.start waits for the first program or connection, which tell the terminal, the
/// command and the identity; a client on a slow line takes that long to ask. Nanoseconds.
const PATIENCE: u64 = 3_000_000_000;

/// Records of a session that wait for its start take at most this much memory. Bytes.
const BACKLOG: usize = 1 << 20;

/// What is known of a session from the beginning.
pub struct Birth {
    /// Nanoseconds since boot.
    pub time: u64,
    /// Whose, as far as the kernel knows.
    pub uid: u32,
    /// The account's name, as the login server has told it.
    pub name: Option<String>,
    /// The process that was seen first: of an unprivileged login, sshd's on the user's side.
    pub pid: u32,
    /// Ends of the connection; version 0 where there is none.
    pub connection: (Endpoint, Endpoint),
    /// The session from which the login came.
    pub parent: Option<Uuid>,
    /// Since when all of it is recorded, if it began before: nanoseconds since boot.
    pub recorded_since: Option<u64>,
    /// How somebody logged in: of [`login`].
    pub login: u32,
}

/// One login and every process that descends from it, until the last one exits.
pub struct Session {
    sid: Uuid,
    birth: Birth,
    /// `None` where the host does not know the uid.
    login: Option<String>,
    /// The key id of the certificate, or the fingerprint of the key, by which somebody logged in.
    identity: Option<String>,
    terminal: Option<(u16, u16)>,
    initial_command: Vec<Vec<u8>>,
    ledger: Ledger,
    unwritten: Unwritten,
    /// How it was held since that was told last.
    held: Option<Box<Held>>,
    /// Since when it is held now. Nanoseconds since boot.
    holding: Option<u64>,
    /// Since session.start was written.
    subject: Option<Subject>,
    /// Records that came before that, each behind its length.
    backlog: Vec<u8>,
    /// What later events refer to.
    pending: Pending,
    /// Of the last record that was written. Nanoseconds since boot.
    latest: u64,
    /// How often each probe had been skipped when it began.
    missed_before: MissedCounts,
    /// Since when the kernel has no process of it any more. Nanoseconds since boot.
    gone: Option<u64>,
}

impl Session {
    /// A session that has yet to write its start.
    pub fn new(sid: Uuid, birth: Birth, share: Share) -> Self {
        let login = birth.name.clone().or_else(|| login_name(birth.uid));
        Self {
            sid,
            birth,
            login,
            identity: None,
            terminal: None,
            initial_command: Vec::new(),
            ledger: Ledger::default(),
            unwritten: Unwritten::default(),
            held: None,
            holding: None,
            subject: None,
            backlog: Vec::new(),
            pending: Pending::new(share),
            latest: 0,
            missed_before: MissedCounts::default(),
            gone: None,
        }
    }

    /// When to stop waiting for what session.start still lacks; `None` once it is written.
    pub fn deadline(&self) -> Option<u64> {
        let since = self.waits_since()?;
        let since = since.max(self.birth.recorded_since.unwrap_or_default());
        Some(since.saturating_add(PATIENCE))
    }

    /// Since when it waits to be begun; `None` once it is written.
    pub fn waits_since(&self) -> Option<u64> {
        match self.subject {
            None => Some(self.birth.time),
            Some(_) => None,
        }
    }

    /// How somebody logged in: a place in [`LOGINS`]. What is not known to be otherwise is by SSH.
    pub fn login_type(&self) -> usize {
        let login = self.birth.login.max(login::SSH) as usize;
        login.min(LOGINS.len() - 1)
    }

    /// What was written and lost.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    fn user(&self) -> &str {
        let name = self.identity.as_deref().or(self.login.as_deref());
        name.unwrap_or_default()
    }

    /// Takes the login from the environment of the first program, where sshd has not told it in another
    /// way. What `PermitUserEnvironment` lets a user set there is no name of somebody else.
    fn environment(&mut self, environment: &[u8]) {
        // In any other login this would be the user's word.
        if self.birth.login > login::SSH || self.birth.name.is_some() {
            return;
        }
        let name = identity::variable(environment, "LOGNAME").map(String::from_utf8_lossy);
        if let Some(name) = name.filter(|name| Names::of_host().can_be(name, self.birth.uid)) {
            self.login = Some(name.into_owned());
        }
    }

    /// Takes what sshd writes of who has logged in.
    fn identify(&mut self, text: &[u8]) {
        if self.birth.login <= login::SSH && self.subject.is_none() && self.identity.is_none() {
            self.identity = identity::from_info(text);
        }
    }

    /// Takes a record of one of the families, and writes what can be written.
    pub fn act(&mut self, bytes: &[u8], record: &Record<'_>, writer: &mut Writer) {
        if self.subject.is_some() {
            self.write(record, writer);
            return;
        }
        let length = size_of::<u32>() + bytes.len();
        if self.backlog.len() + length > BACKLOG || !self.pending.share.take(length) {
            self.open(writer);
            self.write(record, writer);
            return;
        }
        self.backlog
            .extend_from_slice(&(bytes.len() as u32).to_ne_bytes());
        self.backlog.extend_from_slice(bytes);
        let ready = match &record.body {
            // What else sshd runs, such as ~/.ssh/rc, comes before its first channel's own.
            Body::Command(command) if command.fixed.return_code == 0 => {
                let is_first = !self.has_channels() || is_for_channel(command);
                if is_first {
                    self.first_program(command);
                }
                is_first
            }
            Body::Subsystem(subsystem) => {
                self.terminal = terminal_size(&subsystem.0);
                true
            }
            // It may be sshd's own, before there is a channel.
            Body::Network(_) => !self.has_channels(),
            _ => false,
        };
        if ready {
            self.open(writer);
        }
    }

    /// Whether what the session does comes by the channels of an SSH connection.
    fn has_channels(&self) -> bool {
        self.birth.login == login::SSH
    }

    /// sshd runs the shell alone for a login, and `SHELL -c COMMAND` for a command.
    fn first_program(&mut self, command: &Command<'_>) {
        self.terminal = command.terminal_size();
        let mut argv = strings(command.argv).skip(1);
        if self.initial_command.is_empty()
            && let (Some(b"-c"), Some(command), None) = (argv.next(), argv.next(), argv.next())
        {
            self.initial_command.push(command.to_vec());
        }
    }

    /// Of a job that a session has asked for.
    fn origin(&self) -> Option<Origin<'_>> {
        let sid = self.birth.parent.as_ref()?;
        let is_inferred = match self.birth.login {
            login::AT | login::SYSTEMD_RUN => false,
            login::CRON | login::SYSTEMD | login::KERNEL => true,
            _ => return None,
        };
        Some(Origin {
            by: LOGINS[self.login_type()],
            sid,
            is_inferred,
        })
    }

    /// Writes session.start, and all that waited for it.
    pub fn open(&mut self, writer: &mut Writer) {
        if self.subject.is_some() {
            return;
        }
        let login = self
            .login
            .get_or_insert_with(|| self.birth.uid.to_string())
            .clone();
        let mut subject = Subject::new(self.user(), &login, &self.sid, self.origin());
        let (local, remote) = &self.birth.connection;
        writer.start(
            &mut subject,
            &Start {
                time: self.birth.time,
                connection: (local.version > 0).then(|| (address(local), address(remote))),
                terminal: self.terminal,
                initial_command: &self.initial_command,
                parent: self.birth.parent.as_ref(),
                recorded_since: self.birth.recorded_since,
                login_type: (self.birth.login > login::SSH).then(|| LOGINS[self.login_type()]),
            },
        );
        self.subject = Some(subject);
        let backlog = std::mem::take(&mut self.backlog);
        self.pending.share.give(backlog.len());
        let mut rest = backlog.as_slice();
        while let Some((length, tail)) = rest.split_first_chunk() {
            let (bytes, tail) = tail.split_at(u32::from_ne_bytes(*length) as usize);
            if let Ok(record) = decode(bytes) {
                self.write(&record, writer);
            }
            rest = tail;
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
        if !writer.is_full {
            self.ledger.events[family as usize] += 1;
            self.unwritten.add_of(writer.full, family, 1, head.time);
            return;
        }
        writer.go_back(mark, subject);
        body.forget(head, &mut self.pending);
        self.ledger.add_unwritten(family, 1);
        self.unwritten.add(family, 1, head.time);
    }

    /// Writes session.lost for what the kernel has counted beyond what is written already, between
    /// two times in nanoseconds since boot.
    pub fn lose(&mut self, total: &Losses, (from, to): (u64, u64), writer: &mut Writer) {
        if self.ledger.lost() == total {
            return;
        }
        self.open(writer);
        let Some(subject) = &mut self.subject else {
            return;
        };
        let from = from.max(self.birth.time).min(to);
        for (family, causes) in Family::ALL.into_iter().zip(total) {
            for (cause, count) in causes.iter().enumerate() {
                let count = count.saturating_sub(self.ledger.lost()[family as usize][cause]);
                if count > 0 {
                    let lost = Lost {
                        from,
                        to,
                        family,
                        cause: CAUSES[cause],
                        count,
                        output: None,
                    };
                    writer.lost(subject, &lost);
                }
            }
        }
        self.ledger.set_lost(total);
    }

    /// Takes note that the session is held, since a time in nanoseconds since boot.
    pub fn hold(&mut self, since: u64) {
        let first = self.holding.get_or_insert(since);
        *first = since.min(*first);
    }

    /// Takes note that it goes on.
    pub fn go_on(&mut self, now: u64) {
        let Some(since) = self.holding.take() else {
            return;
        };
        let held = self.held.get_or_insert_with(|| {
            Box::new(Held {
                from: since,
                to: now,
                count: 0,
                time: 0,
            })
        });
        held.to = now;
        held.count += 1;
        held.time += now.saturating_sub(since);
    }

    /// Writes session.held for how it was held since the last one.
    pub fn tell_held(&mut self, writer: &mut Writer) {
        if let (Some(subject), Some(held)) = (&mut self.subject, self.held.take()) {
            writer.held(subject, held.to.max(self.latest), &held);
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
        let Self {
            ledger, unwritten, ..
        } = self;
        let latest = self.latest;
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
                let time = sends.key.ends.min(now).max(latest);
                let mark = writer.mark(subject);
                writer.sends(subject, time, &sends, folded);
                if writer.is_full {
                    writer.go_back(mark, subject);
                    ledger.add_unwritten(Family::Network, folded);
                    unwritten.add(Family::Network, folded, time);
                } else {
                    ledger.events[Family::Network as usize] += 1;
                    unwritten.add_of(writer.full, Family::Network, folded, time);
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
        let is_lost = self.ledger.lost()[Family::Network as usize]
            .iter()
            .any(|count| *count > 0);
        if !is_lost || !kernel.counts_sends(key) {
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
        let Some(subject) = &mut self.subject else {
            return;
        };
        self.unwritten.tell(subject, writer);
    }

    /// Takes down what the kernel has left out of the session.
    pub fn leave_out(&mut self, counts: Counts) {
        self.ledger.set_left_out(&counts);
    }

    /// Writes session.end; returns what was written and lost. `missed` is how often each probe has been
    /// skipped by now.
    pub fn end(mut self, time: u64, missed: &MissedCounts, writer: &mut Writer) -> Ledger {
        self.open(writer);
        self.tell_unwritten(writer);
        self.go_on(time);
        self.tell_held(writer);
        let Some(mut subject) = self.subject.take() else {
            return self.ledger;
        };
        writer.end(
            &mut subject,
            &End {
                start: self.birth.time,
                stop: time,
                interactive: self.terminal.is_some() || self.pending.channels.had_terminal(),
                user: self.user(),
                initial_command: &self.initial_command,
                ledger: &self.ledger,
                missed: std::array::from_fn(|probe| {
                    missed[probe].saturating_sub(self.missed_before[probe])
                }),
            },
        );
        self.ledger
    }
}
