//! Where events go, and what waits to go there.

mod disk;
mod file;
mod heartbeat;
mod journald;
mod line;
mod log;
mod notice;
mod outlet;
mod output;
mod patience;
mod socket;
mod stdout;
mod syslog;

use std::io;
use std::time::Duration;

use crate::event::Moment;

pub use heartbeat::{Before, Heartbeat};
pub use journald::Journald;
pub use log::{Limits, Log};
pub use notice::Notice;
use outlet::Outlet;
pub use outlet::Place;
pub use output::{Output, Outputs};
use patience::Patience;
pub use stdout::Stdout;
pub use syslog::Syslog;

/// When lines are brought from the kernel's memory to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sync {
    /// With every write.
    PerEvent,
    /// Within a second.
    Interval,
    /// When a session has ended.
    SessionEnd,
}

/// What became of the lines for one output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// Which.
    pub output: Output,
    /// Bytes that it took.
    pub written: u64,
    /// Lines that it did not get.
    pub lost: u64,
}

/// The outputs: each gets all lines, whatever becomes of the others.
pub struct Sink {
    outlets: Vec<Outlet>,
    full: Outputs,
}

impl Sink {
    /// At least one place; `sync` is for the log on disk.
    pub fn new(places: Vec<Place>, sync: Sync) -> Self {
        let outlets = places.into_iter().map(|place| Outlet::new(place, sync));
        Self {
            outlets: outlets.collect(),
            full: Outputs::default(),
        }
    }

    /// Has other limits and another policy for the log on disk from now on.
    pub fn follow(&mut self, limits: Limits, sync: Sync) {
        for outlet in &mut self.outlets {
            outlet.follow(limits, sync);
        }
    }

    /// What its outputs are called.
    pub fn name(&self) -> String {
        let names: Vec<_> = self.outlets.iter().map(Outlet::name).collect();
        names.join(", ")
    }

    /// Writes whole lines. An output that [is full](Self::full) gets no acts.
    pub fn write(&mut self, lines: &[u8], now: Moment) {
        for outlet in &mut self.outlets {
            match self.full.contains(outlet.output()) {
                true => outlet.write_frames(lines, now),
                false => outlet.write(lines, now),
            }
            if outlet.is_full() {
                self.full.insert(outlet.output());
            }
        }
    }

    /// Writes a line about the recorder itself, ahead of what waits where that can be.
    pub fn tell(&mut self, line: &[u8], now: Moment) {
        for outlet in &mut self.outlets {
            outlet.tell(line, now);
        }
    }

    /// The outputs for which so much waits that they get no more acts.
    pub fn full(&self) -> Outputs {
        self.full
    }

    /// Whether all are.
    pub fn is_full(&self) -> bool {
        let is_full = |outlet: &Outlet| self.full.contains(outlet.output());
        self.outlets.iter().all(is_full)
    }

    /// Tells whether one of those that were full has room again.
    pub fn has_recovered(&mut self) -> bool {
        let before = self.full;
        self.full = Outputs::default();
        for outlet in &self.outlets {
            if before.contains(outlet.output()) && outlet.is_full() {
                self.full.insert(outlet.output());
            }
        }
        self.full != before
    }

    /// Whether everything has been written everywhere.
    pub fn is_empty(&self) -> bool {
        self.outlets.iter().all(Outlet::is_empty)
    }

    /// Bytes written since the start, to all outputs.
    pub fn written(&self) -> u64 {
        self.outlets.iter().map(|outlet| outlet.written).sum()
    }

    /// Lines that were given up since the start, for all outputs.
    pub fn given_up(&self) -> u64 {
        self.outlets.iter().map(|outlet| outlet.given_up).sum()
    }

    /// What became of the lines since the start, by output.
    pub fn accounts(&self) -> impl Iterator<Item = Account> + Clone {
        self.outlets.iter().map(|outlet| Account {
            output: outlet.output(),
            written: outlet.written,
            lost: outlet.given_up + outlet.left_out,
        })
    }

    /// Does what is due: tries again what could not be written, and brings lines to the disk.
    /// `ended` if a session has ended. Tells whether there is reason to come back soon.
    pub fn tick(&mut self, now: Moment, ended: bool) -> bool {
        let outlets = self.outlets.iter_mut();
        outlets.fold(false, |again, outlet| outlet.tick(now, ended) | again)
    }

    /// Something that happened since the last call.
    pub fn notice(&mut self) -> Option<Notice> {
        self.outlets.iter_mut().find_map(Outlet::notice)
    }

    /// Opens the outputs again, because something else has moved them.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn reopen(&mut self) -> io::Result<()> {
        let mut done = Ok(());
        for outlet in &mut self.outlets {
            done = outlet.reopen().and(done);
        }
        done
    }

    /// Tries a last time to write what is kept, and gives up what can't be. A reader that is slow
    /// is waited for with `patience`.
    pub fn give_up(&mut self, now: Moment, patience: Duration) {
        for outlet in &mut self.outlets {
            outlet.give_up(now, patience);
        }
    }

    /// Waits until all lines are on the disk, and gives back the space that is kept aside.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn close(&mut self) -> io::Result<()> {
        let mut done = Ok(());
        for outlet in &mut self.outlets {
            done = outlet.close().and(done);
        }
        done
    }
}
