//! From the rings to the sink: one round at a time.

mod inventory;
mod state;

use std::io;
use std::os::fd::RawFd;
use std::time::Duration;

use crate::abi::{Head, Kind, LOGINS, read};
use crate::base::host::Hostname;
use crate::base::{Before, Notice, boot_time, processor_time, real_time};
use crate::config::Config;
use crate::event::Writer;
use crate::kernel::{Order, ProbeError, Probes};
use crate::metrics::{Control, Facts, Latency, MetricsFile};
use crate::output::{Heartbeat, Sink};
use crate::session::Table;
use crate::terminal::{Place, Terminals};
use crate::throttle::Throttle;
use inventory::Inventory;
use state::{Parts, State};

/// Everything between the kernel and the log.
pub struct Pipeline {
    probes: Probes,
    order: Order,
    /// The sessions that are open.
    pub table: Table,
    /// Writes their events.
    pub writer: Writer,
    /// Takes them.
    pub sink: Sink,
    /// The host's own name, if the events have that.
    pub hostname: Option<Hostname>,
    /// From acts to their lines, by how somebody logged in.
    latency: [Latency; LOGINS.len()],
    /// Of the processor, for each round.
    rounds: Latency,
    /// When it began. Nanoseconds since 1970.
    started: u64,
    /// Who asks for the numbers of the recorder.
    control: Option<Control>,
    metrics_file: Option<MetricsFile>,
    /// What is told of the recorder itself; nothing where it records but one command.
    state: Option<State>,
    /// Where a session that outruns the daemon is held.
    throttle: Option<Throttle>,
    /// What is recorded of terminals, if that is.
    terminals: Option<Terminals>,
    inventory: Inventory,
    losses: u64,
    full: (u64, u64),
    malformed: u64,
    reconciled: u64,
    reconciling: bool,
    /// Whether it found nothing after it had told the probes to wake it.
    resting: bool,
}

/// How long to gather losses before they are written. Nanoseconds.
const APART: u64 = 100_000_000;

/// When to look at the rings again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Without a wait: there was more than is done in one round.
    More,
    /// At once: the record that woke the daemon was too young to be handed on, or a session
    /// has just begun.
    Now,
    /// Soon: records keep coming.
    Soon,
    /// A little later: something waits for its time.
    Later,
    /// When a probe wakes the daemon, or to look whether it was skipped.
    Watching,
    /// When a probe wakes the daemon.
    Woken,
}

impl Pipeline {
    /// Joins the parts.
    pub fn new(probes: Probes, table: Table, writer: Writer, sink: Sink) -> Self {
        Self {
            order: Order::new(&probes.rings),
            probes,
            table,
            writer,
            sink,
            hostname: None,
            latency: Default::default(),
            rounds: Latency::default(),
            started: real_time(),
            control: None,
            metrics_file: None,
            state: None,
            throttle: None,
            terminals: None,
            inventory: Inventory::default(),
            losses: 0,
            full: (0, 0),
            malformed: 0,
            reconciled: 0,
            reconciling: false,
            resting: false,
        }
    }

    /// Holds sessions from now on that outrun the daemon, instead of losing their events.
    ///
    /// # Errors
    /// The error of starting the throttle supervisor.
    pub fn throttle(&mut self) -> io::Result<()> {
        self.throttle = Some(Throttle::start(&self.probes, &self.table)?);
        Ok(())
    }

    /// Records terminals from now on.
    pub fn record(&mut self, terminals: Terminals) {
        self.terminals = Some(terminals);
    }

    /// The kernel's side.
    pub fn probes(&mut self) -> &mut Probes {
        &mut self.probes
    }

    /// What becomes readable when a probe wakes the daemon.
    pub fn descriptors(&self) -> impl Iterator<Item = RawFd> {
        self.probes.descriptors()
    }

    /// Tells of the recorder itself from now on, and of the one before it.
    pub fn tell(
        &mut self,
        heartbeat: Option<Heartbeat>,
        before: Option<Before>,
        seal_key: Option<String>,
    ) {
        self.sink.keep(heartbeat);
        self.state = Some(State::begin(before, seal_key, &mut self.split().0));
    }

    /// Gives its numbers to those who ask, and to a file.
    pub fn show(&mut self, control: Option<Control>, file: Option<MetricsFile>) {
        self.control = control;
        self.metrics_file = file;
    }

    /// Does from now on as `config` says, as far as that does not take a restart.
    ///
    /// # Errors
    /// What the kernel refuses, and why.
    pub fn follow(&mut self, config: &Config) -> Result<(), ProbeError> {
        self.probes.follow(config)?;
        self.sink.follow(config.log, config.fsync);
        if let Some(terminals) = &mut self.terminals {
            terminals.follow(config.log);
        }
        Ok(())
    }

    /// Tells of something that happened to the recorder: in the log, and to the operator.
    pub fn announce(&mut self, notice: &Notice) {
        flush(&mut self.writer, &mut self.sink);
        self.tell_of(notice);
    }

    fn tell_of(&mut self, notice: &Notice) {
        crate::report!("recorderd: {notice}");
        if let (mut parts, Some(state)) = self.split() {
            state.tell(notice, None, &mut parts);
        }
    }

    fn split(&mut self) -> (Parts<'_>, &mut Option<State>) {
        let parts = Parts {
            probes: &self.probes,
            table: &self.table,
            writer: &mut self.writer,
            sink: &mut self.sink,
        };
        (parts, &mut self.state)
    }

    /// Hooks the ends of all calls, or lets go of them, as it takes to record who is there.
    ///
    /// # Errors
    /// What keeps us from hooking them again.
    pub fn attend(&mut self) -> Result<(), ProbeError> {
        let is_idle = self.table.is_empty() && self.order.is_empty();
        self.table.seen_since = self.probes.attend(is_idle)?;
        Ok(())
    }

    /// Takes all that is complete from the rings to the sink. `woken` if a probe asked for it.
    pub fn round(&mut self, woken: bool) -> Next {
        let before = processor_time();
        let next = self.round_of(woken);
        self.rounds.note(processor_time() - before);
        next
    }

    fn round_of(&mut self, woken: bool) -> Next {
        let rested = std::mem::take(&mut self.resting) && !woken;
        if !rested {
            self.probes.shared.timed();
        }
        self.probes.shared.begin_round();
        self.writer.clock.adjust();
        if let Some(hostname) = &mut self.hostname
            && hostname.has_changed()
        {
            let name = hostname.text();
            self.writer.rename(&name);
            self.sink.rename(&name);
        }
        if let Some(state) = &mut self.state {
            state.note(&self.probes);
        }
        let Self {
            probes,
            order,
            table,
            writer,
            sink,
            latency,
            throttle,
            terminals,
            ..
        } = self;
        let known = probes.known_until();
        let settled = order.scan(&mut probes.rings, &mut probes.shared);
        let settled = settled.map(|settled| settled.min(known));
        if let Some(terminals) = terminals {
            terminals.scan(&mut probes.terminal_ring);
        }
        if let Some(throttle) = throttle {
            throttle.hold(probes, order, table);
        }
        // What begins or ends is told with what is skipped by now.
        if order.has_births() {
            table.missed = probes.missed().counts;
        }
        let kernel = &mut probes.tables;
        let terminal_ring = &mut probes.terminal_ring;
        let (count, is_left) = settled.map_or((0, false), |settled| {
            order.drain(&mut probes.rings, settled, |bytes| {
                if let Some(head) = read::<Head>(bytes) {
                    let late = boot_time().saturating_sub(head.time);
                    latency[table.login_type(head.session)].note(late);
                    if head.kind == Kind::SessionEnd as u16 {
                        let requests = &mut probes.requests;
                        for request in requests.take(head.session, head.time, &kernel.shares) {
                            table.take(&request.record, kernel, writer);
                        }
                        if let Some(terminals) = terminals {
                            let place = &mut Place {
                                table,
                                kernel,
                                writer,
                            };
                            terminals.end(head.session, head.time, terminal_ring, place);
                        }
                    }
                }
                table.take(bytes, kernel, writer);
                if writer.lines().bytes().len() > Writer::BATCH {
                    flush(writer, sink);
                }
            })
        });
        if let Some(terminals) = terminals {
            let place = &mut Place {
                table,
                kernel,
                writer,
            };
            terminals.take(order.settled(), terminal_ring, place);
            terminals.tick(boot_time(), place);
        }
        let watching = terminals.as_ref().is_some_and(|it| !it.is_empty());
        let reconciling = self.reconcile();
        for key in self.table.over() {
            self.probes.tables.forget(key);
        }
        let now = boot_time();
        let is_left = is_left
            | self
                .table
                .settle(now, &mut self.probes.tables, &mut self.writer);
        if self.table.renews(now) {
            self.probes.tables.shares.renew();
        }
        // What a session.start waits for may be in the rings, however late it is.
        let until = now.min(self.order.settled());
        let waiting = self.table.tick(until, &mut self.writer);
        let unwritten = self.take_down();
        let looking = self.take_stock(now);
        let holding = self.release();
        self.show_metrics(now, woken);
        // By now its wake-up may be gone from the ring.
        let awaited = self.probes.is_awaited();
        if is_left {
            return Next::More;
        }
        if (woken && !self.order.is_empty()) || self.table.has_newborn() || holding || awaited {
            return Next::Now;
        }
        if count > 0 || !self.order.is_empty() || reconciling || looking || watching {
            return Next::Soon;
        }
        if !rested {
            self.probes.shared.asleep();
        }
        self.resting = !self.probes.shared.busy()
            && self.probes.terminal_ring.is_empty()
            && self.probes.rings.iter().all(crate::kernel::Ring::is_empty);
        match (self.resting, waiting || unwritten) {
            (false, _) => Next::Soon,
            (true, true) => Next::Later,
            // Where CPUs order memory weakly, a probe at work may not know yet that it has to wake us.
            (true, false) if !rested => Next::Soon,
            (true, false) if self.has_to_watch() => Next::Watching,
            (true, false) => Next::Woken,
        }
    }

    /// Whether a probe may be skipped that matters, or has been and that is not told.
    fn has_to_watch(&self) -> bool {
        let is_behind = |state: &State| state.is_behind(&self.probes);
        self.probes.may_skip
            && (!self.table.is_empty() || self.state.as_ref().is_some_and(is_behind))
    }

    /// Compares what is known with the kernel's tables, and tells of what somebody else has changed
    /// there. Tells whether that goes on.
    fn take_stock(&mut self, now: u64) -> bool {
        // Without the hooks, nobody who comes or goes is in the tables.
        if self.state.is_none() || !self.probes.is_attached() {
            return false;
        }
        let Self {
            inventory,
            probes,
            table,
            ..
        } = self;
        for notice in inventory.tick(now, probes, table) {
            self.announce(&notice);
        }
        self.inventory.is_under_way()
    }

    /// Lets go of the sessions that are held, once there is room again. Tells whether some still
    /// are.
    fn release(&mut self) -> bool {
        let throttle = self.throttle.as_mut();
        throttle.is_some_and(|it| it.release(&mut self.probes, &mut self.table))
    }

    /// Holds nobody any more, if the child that has ended is the guard: who is held must not hang
    /// should the recorder end as well.
    pub fn child_ended(&mut self) {
        if let Some(mut throttle) = self.throttle.take_if(|it| !it.is_guarded()) {
            self.probes.shared.throttle(false);
            throttle.let_go(&mut self.probes, &mut self.table);
            crate::report!(
                "recorderd: overload: throttle: the throttle supervisor ended; until you restart recorderd, \
                 it drops events of a session that produces too many"
            );
        }
    }

    /// Takes the lines to the sink, and tells of what happened there. Tells whether there is reason
    /// to come back soon.
    fn take_down(&mut self) -> bool {
        flush(&mut self.writer, &mut self.sink);
        if self.sink.has_recovered() {
            follow(&mut self.writer, &self.sink);
            self.table.tell_unwritten(&mut self.writer);
            flush(&mut self.writer, &mut self.sink);
        }
        let now = self.writer.clock.now();
        let again = self.sink.tick(now, self.writer.has_ended());
        while let Some(notice) = self.sink.notice() {
            self.tell_of(&notice);
        }
        let settled = self.order.settled();
        if let (mut parts, Some(state)) = self.split() {
            state.tick(settled, &mut parts);
        }
        again
    }

    /// Who asks has woken the daemon.
    fn show_metrics(&mut self, now: u64, woken: bool) {
        let (mut control, mut file) = (self.control.take(), self.metrics_file.take());
        let text = |form| {
            let coverage = self.probes.coverage.iter();
            let families: Vec<_> = coverage
                .map(|it| {
                    (
                        it.family.name(),
                        it.taken.as_ref().map(|(backend, _)| *backend),
                    )
                })
                .collect();
            let ledgers = self.table.ledgers();
            let missed = self.probes.missed().counts;
            let facts = Facts {
                sessions: self.table.open(),
                ledgers: &ledgers,
                refused: self.probes.shared.full(),
                missed: &missed,
                hooked: self.probes.is_hooked(),
                families: &families,
                started: self.started,
                fallbacks: self.state.as_ref().map_or(&[], State::fallbacks),
                malformed: self.table.malformed,
                accounts: self.sink.accounts(),
                fill: self.state.as_ref().map(State::fill).unwrap_or_default(),
                latency: &self.latency,
                rounds: &self.rounds,
            };
            facts.text(form)
        };
        if let (true, Some(control)) = (woken, &mut control) {
            control.answer(text);
        }
        if let Some(file) = &mut file {
            file.tick(now, &self.sink, text);
        }
        (self.control, self.metrics_file) = (control, file);
    }

    /// Writes down what was lost since the last round.
    fn reconcile(&mut self) -> bool {
        let now = boot_time();
        let losses = self.probes.shared.losses();
        if losses == self.losses && !self.reconciling {
            self.table.checked(now);
        } else if now >= self.reconciled + APART || self.table.is_looking() {
            self.losses = losses;
            self.reconciled = now;
            self.table.missed = self.probes.missed().counts;
            self.reconciling = self.table.reconcile(
                (now, self.order.settled()),
                &mut self.probes.tables,
                &mut self.writer,
            );
        } else {
            self.reconciling = true;
        }
        let full = self.probes.shared.full();
        if full != self.full {
            crate::report!(
                "recorderd: {} logins and {} processes found no space in the BPF maps and are \
                 not recorded",
                full.0 - self.full.0,
                full.1 - self.full.1
            );
            self.full = full;
        }
        if self.table.malformed != self.malformed {
            crate::report!(
                "recorderd: {} records couldn't be decoded; the probes are from a different version",
                self.table.malformed - self.malformed
            );
            self.malformed = self.table.malformed;
        }
        self.reconciling
    }

    /// Whether nothing is left but what was waited for long enough.
    fn is_held_up(&self) -> bool {
        let shared = &self.probes.shared;
        self.order.is_empty() && !self.reconciling && shared.busy() && !shared.is_awaited()
    }

    /// Stops the hooks, and takes what is left in the rings to the sink. An output whose reader is
    /// slow is waited for with `patience`.
    pub fn finish(&mut self, patience: Duration) {
        self.probes.shared.throttle(false);
        let is_unhooked = self.probes.is_hooked() == Some(false);
        self.probes.detach();
        if is_unhooked {
            // Nobody is seen any more who has come since the last look.
            self.table.seen_since = Some(boot_time());
        }
        while matches!(self.round(false), Next::More | Next::Now | Next::Soon) && !self.is_held_up()
        {
            std::thread::sleep(Duration::from_millis(2));
        }
        let kernel = &mut self.probes.tables;
        if let Some(terminals) = &mut self.terminals {
            let (table, writer) = (&mut self.table, &mut self.writer);
            let place = &mut Place {
                table,
                kernel,
                writer,
            };
            terminals.finish(place, patience);
        }
        self.table.leave_all(boot_time(), kernel, &mut self.writer);
        self.table.tell_unwritten(&mut self.writer);
        self.take_down();
        self.close(patience);
    }

    /// Ends all sessions, for a recorder that does not outlive them.
    pub fn end_all(&mut self, patience: Duration) {
        self.table.missed = self.probes.missed().counts;
        let kernel = &mut self.probes.tables;
        self.table.end_all(boot_time(), kernel, &mut self.writer);
        self.take_down();
        self.close(patience);
    }

    fn close(&mut self, patience: Duration) {
        self.sink.give_up(self.writer.clock.now(), patience);
        if let (mut parts, Some(state)) = self.split() {
            state.end(&mut parts);
        }
        let discarded = self.sink.discarded();
        if discarded > 0 {
            crate::report!("recorderd: {discarded} events couldn't be written and are discarded");
        }
        if let Err(error) = self.sink.close(patience) {
            crate::report!("recorderd: the log can't be synced to disk: {error}");
        }
    }
}

/// Gives the lines to the sink.
fn flush(writer: &mut Writer, sink: &mut Sink) {
    sink.write(writer.lines(), writer.clock.now());
    writer.clear();
    follow(writer, sink);
}

/// What is written next is for the outputs that have room.
fn follow(writer: &mut Writer, sink: &Sink) {
    writer.full = sink.full();
    writer.is_full = sink.is_full();
}
