//! A thread that does what a disk can hold up for as long as it likes, so that the daemon goes on reading its
//! rings. It owns its output and the files beside it, and nothing else.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Heartbeat;
use super::outlet::{KEPT, KEPT_MOST, Outlet, PATIENCE, SLOW_AT_ALL};
use crate::base::stderr::Chores;
use crate::base::{Account, Clock, Limits, Moment, Notice, Output, Reason, Sync, boot_time};
use crate::event::{Batch, Class, Lines};

/// Lines that wait are put together up to so many bytes.
const BATCH: usize = 64 << 10;

/// How far the thread may be behind before it is waited for, as any other reader that is slow. Bytes.
const BEHIND: usize = 4 << 20;

/// How many buffers are kept for lines to come.
const SPARE: usize = 4;

/// How many orders beside lines may wait: a disk that does not answer must not let them pile up.
const ORDERS: usize = 1024;

/// How long the thread rests while something waits for its time.
const LATER: Duration = Duration::from_millis(250);

/// Its stack. It calls nothing that is deep. Bytes.
const STACK: usize = 256 << 10;

/// Nanoseconds of a day.
const DAY: u64 = 86_400_000_000_000;

/// What the thread has to do, in this order.
enum Order {
    /// To write whole lines; ahead of what is kept, if they are of the recorder itself.
    Lines {
        batch: Batch,
        now: Moment,
        ahead: bool,
    },
    /// To bring lines to the disk, as a session has ended.
    Ended,
    Follow(Limits, Sync),
    Rename(String),
    Reopen,
    /// Everything up to this time is in the log, once what was ordered before is. Nanoseconds since 1970.
    Beat(u64),
    /// Everything up to this time is in the log, and the daemon exits. Nanoseconds since 1970.
    End(u64),
    /// Something else that a disk can hold up.
    Do(Box<dyn FnOnce() + Send>),
    GiveUp(Moment, Duration),
    Close,
}

/// What both sides see.
#[derive(Default)]
struct State {
    orders: VecDeque<Order>,
    /// Empty buffers.
    spare: Vec<Batch>,
    /// Bytes and number of the lines that are not written yet.
    waiting: (usize, u64),
    /// Bytes of lines that could not be written when that was tried.
    kept: usize,
    /// Since when the thread has been at work on one thing. Nanoseconds since boot.
    busy: Option<u64>,
    /// How many things it has done.
    done: u64,
    written: u64,
    last: u64,
    discarded: u64,
    excluded: u64,
    notices: Vec<Notice>,
    closed: Option<io::Result<()>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// There is something to do.
    ordered: Condvar,
    /// Something is done.
    progress: Condvar,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The daemon's side of such a thread.
pub struct WriterThread {
    shared: Arc<Shared>,
    output: Option<Output>,
    name: String,
    /// Since when the thread has not answered, once that was told. Nanoseconds since boot.
    stuck: Option<u64>,
    /// How much it had done when it was last waited for.
    seen: u64,
    discarded: u64,
    excluded: u64,
    notices: Vec<Notice>,
}

impl WriterThread {
    /// Starts the thread for an output, or for nothing but what else a disk can hold up. Returns when `first` has been
    /// run in it.
    ///
    /// # Errors
    /// The error of clone(2).
    pub fn start(
        outlet: Option<Outlet>,
        heartbeat: Option<Heartbeat>,
        first: impl FnOnce() + Send + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let this = Self {
            shared: shared.clone(),
            output: outlet.as_ref().map(Outlet::output),
            name: outlet.as_ref().map(Outlet::name).unwrap_or_default(),
            stuck: None,
            seen: u64::MAX,
            discarded: 0,
            excluded: 0,
            notices: Vec::new(),
        };
        let mut state = shared.state();
        state.busy = Some(boot_time());
        if let Some(outlet) = &outlet {
            state.count(outlet);
            state.waiting = outlet.kept();
        }
        drop(state);
        std::thread::Builder::new()
            .name("recorderd-log".into())
            .stack_size(STACK)
            .spawn(move || {
                first();
                shared.state().busy = None;
                shared.progress.notify_all();
                serve(&shared, outlet, heartbeat.as_ref());
            })?;
        this.wait(Duration::MAX);
        Ok(this)
    }

    /// Which output it has.
    pub fn output(&self) -> Option<Output> {
        self.output
    }

    /// What that is called.
    pub fn name(&self) -> String {
        self.name.clone()
    }

    /// Has whole lines written.
    pub fn write(&mut self, lines: Lines<'_>, now: Moment) {
        self.lines(lines, now, false);
    }

    /// Has those lines written that frame sessions ([`Class::Frame`]), and counts the others as left out.
    pub fn write_frames(&mut self, lines: Lines<'_>, now: Moment) {
        for (line, one) in lines.each() {
            match line.title().class {
                Class::Frame => self.write(one, now),
                Class::Act | Class::Bulk => self.excluded += 1,
            }
        }
    }

    /// Has a line about the recorder itself written.
    pub fn tell(&mut self, line: Lines<'_>, now: Moment) {
        self.lines(line, now, true);
    }

    fn lines(&mut self, lines: Lines<'_>, now: Moment, ahead: bool) {
        if lines.is_empty() {
            return;
        }
        let mut guard = self.shared.state();
        let state = &mut *guard;
        let length = lines.bytes().len();
        if state.waiting.0 + length > KEPT_MOST {
            self.discarded += lines.count();
            return;
        }
        state.waiting.0 += length;
        state.waiting.1 += lines.count();
        match state.orders.back_mut() {
            // A line is never in the file of a day before its own.
            Some(Order::Lines {
                batch,
                now: first,
                ahead: false,
            }) if !ahead
                && batch.lines().bytes().len() + length <= BATCH
                && first.real / DAY == now.real / DAY =>
            {
                batch.extend(lines);
            }
            _ => {
                let mut batch = state.spare.pop().unwrap_or_default();
                batch.extend(lines);
                state.orders.push_back(Order::Lines { batch, now, ahead });
            }
        }
        self.shared.ordered.notify_one();
        // For a disk on which nothing happens, or that takes nothing, nothing is to be had by waiting.
        let gets_on = guard.kept == 0 && guard.done != self.seen;
        if guard.waiting.0 > BEHIND && gets_on {
            let is_behind = |state: &mut State| state.waiting.0 > BEHIND;
            let waited = self
                .shared
                .progress
                .wait_timeout_while(guard, PATIENCE, is_behind);
            guard = waited.unwrap_or_else(PoisonError::into_inner).0;
            self.seen = guard.done;
        }
    }

    fn order(&self, order: Order) {
        let mut state = self.shared.state();
        let is_repeated = matches!(
            (&order, state.orders.back()),
            (Order::Beat(_), Some(Order::Beat(_)))
        );
        if is_repeated {
            state.orders.pop_back();
        }
        // Beyond that, the disk does not answer.
        if state.orders.len() < ORDERS {
            state.orders.push_back(order);
        }
        self.shared.ordered.notify_one();
    }

    /// Has everything up to `time` noted to be in the log, once all lines so far are.
    pub fn beat(&self, time: u64) {
        self.order(Order::Beat(time));
    }

    /// Has `time` noted as the end of an orderly exit, once all lines so far are in the log.
    pub fn end(&self, time: u64) {
        self.order(Order::End(time));
    }

    /// Has other limits and another policy from now on.
    pub fn follow(&self, limits: Limits, sync: Sync) {
        self.order(Order::Follow(limits, sync));
    }

    /// The host has another name from now on.
    pub fn rename(&self, name: &str) {
        self.order(Order::Rename(name.to_owned()));
    }

    /// Has the output opened again.
    pub fn reopen(&self) {
        self.order(Order::Reopen);
    }

    /// Whether so much waits to be written that no more acts can be taken.
    pub fn is_full(&self) -> bool {
        self.shared.state().waiting.0 >= KEPT
    }

    /// Whether everything has been written.
    pub fn is_empty(&self) -> bool {
        self.shared.state().waiting.0 == 0
    }

    /// What became of the lines.
    pub fn account(&self) -> Option<Account> {
        let state = self.shared.state();
        Some(Account {
            output: self.output?,
            written: state.written,
            lost: self.discarded + self.excluded + state.discarded + state.excluded,
            last: state.last,
        })
    }

    /// Lines that were given up.
    pub fn discarded(&self) -> u64 {
        self.discarded + self.shared.state().discarded
    }

    /// Looks whether the thread gets on. Tells whether there is reason to come back soon.
    pub fn tick(&mut self, now: Moment, ended: bool) -> bool {
        if ended {
            self.order(Order::Ended);
        }
        let mut state = self.shared.state();
        self.notices.append(&mut state.notices);
        let (busy, waits) = (state.busy, state.waiting.0 > 0);
        drop(state);
        if self.stuck.is_some() && busy != self.stuck && !waits {
            self.notices.push(Notice {
                since: self.stuck.take(),
                ..Notice::of(Reason::WriteResumed)
            });
        }
        let is_late = |since: &u64| now.boot >= since.saturating_add(SLOW_AT_ALL);
        if self.stuck.is_none() && busy.as_ref().is_some_and(is_late) {
            self.stuck = busy;
            self.notices.push(Notice {
                error: Some("no answer from the disk for a second".into()),
                ..Notice::of(Reason::WriteFailed)
            });
        }
        waits || self.stuck.is_some()
    }

    /// Something that happened since the last call.
    pub fn notice(&mut self) -> Option<Notice> {
        (!self.notices.is_empty()).then(|| Notice {
            output: self.output,
            ..self.notices.remove(0)
        })
    }

    /// Has it try a last time to write what is kept, and gives up what can't be written; a disk on which nothing
    /// happens for as long as `patience` lasts is not waited for.
    pub fn give_up(&mut self, now: Moment, patience: Duration) {
        self.order(Order::GiveUp(now, patience));
        if !self.wait(patience) {
            self.discarded += self.shared.state().waiting.1;
        }
    }

    /// Waits until all that was ordered is done. Gives up when nothing has been done for as long as `patience` lasts.
    fn wait(&self, patience: Duration) -> bool {
        let mut state = self.shared.state();
        while state.busy.is_some() || !state.orders.is_empty() {
            let done = state.done;
            let waited = self.shared.progress.wait_timeout(state, patience);
            let (next, time) = waited.unwrap_or_else(PoisonError::into_inner);
            state = next;
            if time.timed_out() && state.done == done {
                return false;
            }
        }
        true
    }
}

impl Chores for WriterThread {
    fn act(&self, act: Box<dyn FnOnce() + Send>) {
        if self.stuck.is_none() {
            self.order(Order::Do(act));
        }
    }

    fn close(&mut self, patience: Duration) -> io::Result<()> {
        self.order(Order::Close);
        self.wait(patience);
        let closed = self.shared.state().closed.take();
        closed.unwrap_or_else(|| Err(io::Error::other("no answer from the disk")))
    }
}

impl State {
    fn count(&mut self, outlet: &Outlet) {
        self.written = outlet.written;
        self.last = outlet.last;
        self.discarded = outlet.discarded;
        self.excluded = outlet.excluded;
    }
}

/// The thread's side: does what is ordered, and what is due, until the end of the process.
fn serve(shared: &Shared, mut outlet: Option<Outlet>, heartbeat: Option<&Heartbeat>) {
    let mut clock = Clock::new();
    let mut rest = LATER;
    loop {
        let order = shared.next(rest);
        let kept = outlet.as_ref().map(Outlet::kept).unwrap_or_default();
        clock.adjust();
        let now = clock.now();
        let mut ended = false;
        let mut written = None;
        let mut closed = None;
        match (order, &mut outlet) {
            (Some(Order::Lines { batch, now, ahead }), Some(outlet)) => {
                match ahead {
                    true => outlet.tell(batch.lines(), now),
                    false => outlet.write(batch.lines(), now),
                }
                written = Some(batch);
            }
            (Some(Order::Ended), _) => ended = true,
            (Some(Order::Follow(limits, sync)), Some(outlet)) => outlet.follow(limits, sync),
            (Some(Order::Rename(name)), Some(outlet)) => outlet.rename(&name),
            (Some(Order::Reopen), Some(outlet)) => {
                if let Err(error) = outlet.reopen() {
                    crate::report!("recorderd: the log can't be opened again: {error}");
                }
            }
            (Some(Order::GiveUp(now, patience)), Some(outlet)) => outlet.give_up(now, patience),
            (Some(Order::Close), outlet) => {
                closed = Some(outlet.as_mut().map_or(Ok(()), Outlet::close));
            }
            (Some(Order::Beat(time)), outlet) => {
                let is_written = outlet.as_ref().is_none_or(Outlet::is_empty);
                if let Some(heartbeat) = heartbeat.filter(|_| is_written) {
                    // Then the next start tells of a longer time.
                    let _ = heartbeat.beat(time);
                }
            }
            (Some(Order::End(time)), _) => {
                if let Some(Err(error)) = heartbeat.map(|heartbeat| heartbeat.end(time)) {
                    crate::report!("recorderd: {error}");
                }
            }
            (Some(Order::Do(act)), _) => act(),
            (_, None) | (None, _) => {}
        }
        rest = Duration::MAX;
        if let Some(outlet) = &mut outlet {
            if outlet.tick(now, ended) {
                rest = LATER;
            }
            rest = rest.min(outlet.rest());
            if outlet.tidy() {
                rest = Duration::ZERO;
            }
        }
        let mut state = shared.state();
        if let Some(outlet) = &mut outlet {
            state.count(outlet);
            let now = outlet.kept();
            state.waiting.0 = state.waiting.0 + now.0 - kept.0;
            state.waiting.1 = state.waiting.1 + now.1 - kept.1;
            state.kept = now.0;
            while let Some(notice) = outlet.notice() {
                state.notices.push(notice);
            }
        }
        if let Some(mut batch) = written {
            state.waiting.0 -= batch.lines().bytes().len();
            state.waiting.1 -= batch.lines().count();
            batch.clear();
            if state.spare.len() < SPARE && batch.capacity() <= 2 * BATCH {
                state.spare.push(batch);
            }
        }
        if closed.is_some() {
            state.closed = closed;
        }
        state.busy = None;
        state.done += 1;
        shared.progress.notify_all();
    }
}

impl Shared {
    /// Waits for what is to be done next, but no longer than `longest`.
    fn next(&self, longest: Duration) -> Option<Order> {
        let mut state = self.state();
        if state.orders.is_empty() {
            let idle = |state: &mut State| state.orders.is_empty();
            let waited = self.ordered.wait_timeout_while(state, longest, idle);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.busy = Some(boot_time());
        state.orders.pop_front()
    }
}
