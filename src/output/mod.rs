//! Where events go, and what waits to go there.

mod disk;
mod file;
mod heartbeat;
mod journald;
mod log;
mod outlet;
mod patience;
mod retention;
mod socket;
mod stdout;
mod stored;
mod syslog;
mod thread;

use crate::base::stderr::Chores;
use crate::base::{Account, Limits, Moment, Notice, Output, Outputs, Sync};
use crate::event::{Line, Lines};
use crate::seal::Sealer;
use std::io;
use std::time::Duration;

pub use heartbeat::Heartbeat;
pub use journald::Journald;
pub use log::Log;
use outlet::Outlet;
pub use outlet::Place;
use patience::Patience;
pub use stdout::Stdout;
pub use syslog::Syslog;
pub use thread::WriterThread;

/// Sends one line after the other until one fails; tells how many bytes are behind it.
fn each(
    lines: Lines<'_>,
    mut send: impl FnMut(Line<'_>) -> io::Result<()>,
) -> (usize, io::Result<()>) {
    let mut sent = 0;
    for (line, _) in lines.each() {
        if let Err(error) = send(line) {
            return (sent, Err(error));
        }
        sent += line.length();
    }
    (sent, Ok(()))
}

/// Where an output is served.
enum Hand {
    /// By the daemon's own thread.
    Here(Box<Outlet>),
    /// By a thread of its own, since a disk can hold it up.
    Apart(WriterThread),
}

/// The outputs: each gets all lines, whatever becomes of the others.
pub struct Sink {
    hands: Vec<Hand>,
    full: Outputs,
    heartbeat: Option<Heartbeat>,
    /// For what else a disk can hold up, where no output has a thread.
    chores: Option<WriterThread>,
}

impl Hand {
    fn output(&self) -> Option<Output> {
        match self {
            Self::Here(outlet) => Some(outlet.output()),
            Self::Apart(thread) => thread.output(),
        }
    }

    fn is_full(&self) -> bool {
        match self {
            Self::Here(outlet) => outlet.is_full(),
            Self::Apart(thread) => thread.is_full(),
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Here(outlet) => outlet.is_empty(),
            Self::Apart(thread) => thread.is_empty(),
        }
    }

    fn account(&self) -> Option<Account> {
        match self {
            Self::Here(outlet) => Some(outlet.account()),
            Self::Apart(thread) => thread.account(),
        }
    }

    /// Whether it is in a set; of a thread without an output nothing is asked.
    fn is_in(&self, outputs: Outputs) -> bool {
        self.output().is_some_and(|output| outputs.contains(output))
    }
}

impl Sink {
    /// At least one place; `sync` is for the log on disk.
    pub fn new(places: Vec<Place>, sync: Sync) -> Self {
        let outlets = places.into_iter().map(|place| Outlet::new(place, sync));
        Self {
            hands: outlets.map(|outlet| Hand::Here(Box::new(outlet))).collect(),
            full: Outputs::default(),
            heartbeat: None,
            chores: None,
        }
    }

    /// Keeps the time up to which everything is written.
    pub fn keep(&mut self, heartbeat: Option<Heartbeat>) {
        self.heartbeat = heartbeat;
    }

    /// Has the log sealed from now on, before it [has a thread](Self::part).
    ///
    /// # Errors
    /// The error of reading what is in the log already.
    pub fn seal(&mut self, sealer: Sealer) -> io::Result<()> {
        for hand in &mut self.hands {
            if let Hand::Here(outlet) = hand
                && outlet.output() == Output::File
            {
                return outlet.seal(sealer);
            }
        }
        Ok(())
    }

    /// The host has another name from now on.
    pub fn rename(&mut self, name: &str) {
        for hand in &mut self.hands {
            match hand {
                Hand::Here(outlet) => outlet.rename(name),
                Hand::Apart(thread) => thread.rename(name),
            }
        }
    }

    /// Has threads do from now on what a disk can hold up. `first` is run in each before all else.
    ///
    /// # Errors
    /// The error of clone(2).
    pub fn part(&mut self, first: fn()) -> io::Result<()> {
        let heartbeat = &mut self.heartbeat;
        for index in 0..self.hands.len() {
            if matches!(&self.hands[index], Hand::Here(outlet) if outlet.can_wait())
                && let Hand::Here(outlet) = self.hands.remove(index)
            {
                let is_log = outlet.output() == Output::File;
                let heartbeat = if is_log { heartbeat.take() } else { None };
                let thread = WriterThread::start(Some(*outlet), heartbeat, first)?;
                self.hands.insert(index, Hand::Apart(thread));
            }
        }
        if self.thread().is_none() {
            let heartbeat = self.heartbeat.take();
            self.chores = Some(WriterThread::start(None, heartbeat, first)?);
        }
        Ok(())
    }

    /// The thread for what a disk can hold up beside the outputs: that of the log, if it has one.
    fn thread(&self) -> Option<&WriterThread> {
        let threads = self.hands.iter().filter_map(|hand| match hand {
            Hand::Apart(thread) if thread.output() == Some(Output::File) => Some(thread),
            _ => None,
        });
        threads.chain(&self.chores).next()
    }

    /// Does something that a disk can hold up: at once, unless there is a thread for it.
    pub fn act(&self, act: impl FnOnce() + Send + 'static) {
        match self.thread() {
            Some(thread) => thread.act(Box::new(act)),
            None => act(),
        }
    }

    /// Notes that everything up to `time`, in nanoseconds since 1970-01-01 UTC, is in the log, once it is there.
    pub fn beat(&self, time: u64) {
        let is_log =
            |hand: &Hand| matches!(hand, Hand::Apart(_)) && hand.output() == Some(Output::File);
        if !self
            .hands
            .iter()
            .all(|hand| is_log(hand) || hand.is_empty())
        {
            return;
        }
        match (self.thread(), &self.heartbeat) {
            (Some(thread), _) => thread.beat(time),
            // Then the next start tells of a longer time.
            (None, Some(heartbeat)) => drop(heartbeat.beat(time)),
            (None, None) => {}
        }
    }

    /// Notes that this was an orderly end.
    pub fn end(&self, time: u64) {
        match (self.thread(), &self.heartbeat) {
            (Some(thread), _) => thread.end(time),
            (None, Some(heartbeat)) => {
                if let Err(error) = heartbeat.end(time) {
                    crate::report!("recorderd: {error}");
                }
            }
            (None, None) => {}
        }
    }

    /// Has other limits and another policy for the log on disk from now on.
    pub fn follow(&mut self, limits: Limits, sync: Sync) {
        for hand in &mut self.hands {
            match hand {
                Hand::Here(outlet) => outlet.follow(limits, sync),
                Hand::Apart(thread) => thread.follow(limits, sync),
            }
        }
    }

    /// What its outputs are called.
    pub fn name(&self) -> String {
        let names = self.hands.iter().map(|hand| match hand {
            Hand::Here(outlet) => outlet.name(),
            Hand::Apart(thread) => thread.name(),
        });
        names.collect::<Vec<_>>().join(", ")
    }

    /// Writes whole lines. An output that [is full](Self::full) gets no acts.
    pub fn write(&mut self, lines: Lines<'_>, now: Moment) {
        for hand in &mut self.hands {
            match (hand.is_in(self.full), &mut *hand) {
                (true, Hand::Here(outlet)) => outlet.write_frames(lines, now),
                (true, Hand::Apart(thread)) => thread.write_frames(lines, now),
                (false, Hand::Here(outlet)) => outlet.write(lines, now),
                (false, Hand::Apart(thread)) => thread.write(lines, now),
            }
            if hand.is_full()
                && let Some(output) = hand.output()
            {
                self.full.insert(output);
            }
        }
    }

    /// Writes a line about the recorder itself, ahead of what waits where that can be.
    pub fn tell(&mut self, line: Lines<'_>, now: Moment) {
        for hand in &mut self.hands {
            match hand {
                Hand::Here(outlet) => outlet.tell(line, now),
                Hand::Apart(thread) => thread.tell(line, now),
            }
        }
    }

    /// The outputs for which so much waits that they get no more acts.
    pub fn full(&self) -> Outputs {
        self.full
    }

    /// Whether all are.
    pub fn is_full(&self) -> bool {
        self.hands.iter().all(|hand| hand.is_in(self.full))
    }

    /// Tells whether one of those that were full has room again.
    pub fn has_recovered(&mut self) -> bool {
        let before = self.full;
        self.full = Outputs::default();
        for hand in &self.hands {
            if hand.is_in(before)
                && hand.is_full()
                && let Some(output) = hand.output()
            {
                self.full.insert(output);
            }
        }
        self.full != before
    }

    /// Bytes written since the start, to all outputs.
    pub fn written(&self) -> u64 {
        self.accounts().map(|account| account.written).sum()
    }

    /// Lines that were given up since the start, for all outputs.
    pub fn discarded(&self) -> u64 {
        let discarded = self.hands.iter().map(|hand| match hand {
            Hand::Here(outlet) => outlet.discarded,
            Hand::Apart(thread) => thread.discarded(),
        });
        discarded.sum()
    }

    /// What became of the lines since the start, by output.
    pub fn accounts(&self) -> impl Iterator<Item = Account> + Clone {
        self.hands.iter().filter_map(Hand::account)
    }

    /// Does what is due: tries again what could not be written, and brings lines to the disk.
    /// `ended` if a session has ended. Tells whether there is reason to come back soon.
    pub fn tick(&mut self, now: Moment, ended: bool) -> bool {
        let mut again = false;
        for hand in &mut self.hands {
            again |= match hand {
                Hand::Here(outlet) => outlet.tick(now, ended),
                Hand::Apart(thread) => thread.tick(now, ended),
            };
        }
        if let Some(thread) = &mut self.chores {
            again |= thread.tick(now, false);
        }
        again
    }

    /// Something that happened since the last call.
    pub fn notice(&mut self) -> Option<Notice> {
        self.hands.iter_mut().find_map(|hand| match hand {
            Hand::Here(outlet) => outlet.notice(),
            Hand::Apart(thread) => thread.notice(),
        })
    }

    /// Opens the outputs again, because something else has moved them.
    ///
    /// # Errors
    /// The error of opening an output. A thread reports its own errors.
    pub fn reopen(&mut self) -> io::Result<()> {
        let mut done = Ok(());
        for hand in &mut self.hands {
            match hand {
                Hand::Here(outlet) => done = outlet.reopen().and(done),
                Hand::Apart(thread) => thread.reopen(),
            }
        }
        done
    }

    /// Tries a last time to write what is kept, and gives up what can't be. A reader that is slow
    /// is waited for with `patience`, and a disk as long as it gets on.
    pub fn give_up(&mut self, now: Moment, patience: Duration) {
        for hand in &mut self.hands {
            match hand {
                Hand::Here(outlet) => outlet.give_up(now, patience),
                Hand::Apart(thread) => thread.give_up(now, patience),
            }
        }
    }

    /// Waits until all lines are on the disk, as long as it gets on, and gives back the space that is kept aside.
    ///
    /// # Errors
    /// The error of the last sync.
    pub fn close(&mut self, patience: Duration) -> io::Result<()> {
        let mut done = Ok(());
        for hand in &mut self.hands {
            done = match hand {
                Hand::Here(outlet) => outlet.close(),
                Hand::Apart(thread) => thread.close(patience),
            }
            .and(done);
        }
        if let Some(thread) = &mut self.chores {
            done = thread.close(patience).and(done);
        }
        done
    }
}
