//! The state of the recorder itself: when it is told, and until when it was at work.

use crate::abi::MissedCounts;
use crate::base::{Before, Fill, Ledger, Notice, Reason, RingName};
use crate::event::Writer;
use crate::family::Status;
use crate::kernel::{self, Coverage, Probes, Skipped};
use crate::output::Sink;
use crate::session::Table;

/// How often the state is told at least. Nanoseconds.
const HOUR: u64 = 3_600_000_000_000;

/// How long after a loss it is told at the latest. Nanoseconds.
const MINUTE: u64 = 60_000_000_000;

/// How often the heartbeat is noted while records come. Nanoseconds.
const SECOND: u64 = 1_000_000_000;

/// What the parts of the recorder know.
pub struct Parts<'a> {
    /// The kernel's side.
    pub probes: &'a Probes,
    /// The sessions.
    pub table: &'a Table,
    /// Writes the events.
    pub writer: &'a mut Writer,
    /// Takes them.
    pub sink: &'a mut Sink,
}

/// What is told of the recorder, and when it was told last.
pub struct State {
    beat_at: u64,
    told_at: u64,
    checked_at: u64,
    lost: u64,
    missed: MissedCounts,
    fill: [u64; RingName::ALL.len()],
    not_recorded: Vec<(&'static str, String)>,
    fallbacks: Vec<(&'static str, String)>,
    seal_key: Option<String>,
}

impl State {
    /// Writes the first recorder.status, which tells of the recorder before this one.
    pub fn begin(before: Option<Before>, seal_key: Option<String>, parts: &mut Parts<'_>) -> Self {
        let of_family = |one: &Coverage| Some((one.family.name(), one.fault()?));
        let mut state = Self {
            beat_at: 0,
            told_at: 0,
            checked_at: 0,
            lost: 0,
            missed: MissedCounts::default(),
            fill: Default::default(),
            not_recorded: parts.probes.coverage.iter().filter_map(of_family).collect(),
            fallbacks: kernel::fallbacks(&parts.probes.coverage)
                .map(|(family, reason)| (family.name(), reason.to_owned()))
                .collect(),
            seal_key,
        };
        state.tell(&Notice::of(Reason::Start), before, parts);
        state
    }

    /// Notes how full the rings are.
    pub fn note(&mut self, probes: &Probes) {
        for (most, ring) in self.fill.iter_mut().zip(&probes.rings) {
            *most = (*most).max(ring.fill());
        }
    }

    /// The rings, and how full each was at most since the last status, in percent.
    pub fn fill(&self) -> Fill {
        named(self.fill)
    }

    /// Families that are seen by a worse plan than this kernel allows, and why.
    pub fn fallbacks(&self) -> &[(&'static str, String)] {
        &self.fallbacks
    }

    /// Whether probes were skipped since that was told.
    pub fn is_behind(&self, probes: &Probes) -> bool {
        probes.missed().counts != self.missed
    }

    /// Tells what is due. Everything up to `settled`, in nanoseconds since boot, has been taken
    /// from the rings.
    pub fn tick(&mut self, settled: u64, parts: &mut Parts<'_>) {
        let now = parts.writer.clock.now();
        if now.boot >= self.beat_at + SECOND {
            self.beat_at = now.boot;
            beat(settled, parts);
            if self.is_behind(parts.probes) {
                self.tell(&Notice::of(Reason::HookMissed), None, parts);
            }
        }
        if now.boot >= self.told_at + HOUR {
            self.tell(&Notice::of(Reason::Hourly), None, parts);
        } else if now.boot >= self.checked_at + MINUTE {
            self.checked_at = now.boot;
            if lost(parts) != self.lost {
                self.tell(&Notice::of(Reason::Losses), None, parts);
            }
        }
    }

    /// Writes recorder.status, ahead of what waits to be written. No other lines are in the writer.
    pub fn tell(&mut self, notice: &Notice, before: Option<Before>, parts: &mut Parts<'_>) {
        let now = parts.writer.clock.now();
        let missed = parts.probes.missed();
        let fill = std::mem::take(&mut self.fill);
        let ledger = parts.table.ledger();
        parts.writer.status(
            &Status {
                notice,
                before,
                seal_key: self
                    .seal_key
                    .as_deref()
                    .filter(|_| notice.reason == Reason::Start),
                sessions: parts.table.len(),
                ledger: &ledger,
                refused: parts.probes.shared.full(),
                missed: &missed.counts,
                missed_on: &missed.by_cpu,
                not_recorded: &self.not_recorded,
                fallbacks: &self.fallbacks,
                malformed: parts.table.malformed,
                written: parts.sink.written(),
                discarded: parts.sink.discarded(),
                outputs: parts.sink.accounts(),
                fill: named(fill),
            },
            now,
        );
        let line = parts.writer.lines();
        parts.sink.tell(line, now);
        parts.writer.clear();
        self.told_at = now.boot;
        self.lost = lost_of(parts, &ledger, &missed);
        self.missed = missed.counts;
    }

    /// Writes the last recorder.status, and notes that this was an orderly end.
    pub fn end(&mut self, parts: &mut Parts<'_>) {
        self.tell(&Notice::of(Reason::Stop), None, parts);
        // Else the next one tells since when something is missing.
        if parts.sink.discarded() == 0 {
            parts.sink.end(parts.writer.clock.now().real);
        }
    }
}

fn beat(settled: u64, parts: &Parts<'_>) {
    let unopened = parts.table.first_unopened().unwrap_or(u64::MAX);
    if settled > 0 {
        parts
            .sink
            .beat(parts.writer.clock.real(settled.min(unopened)));
    }
}

fn named(fill: [u64; RingName::ALL.len()]) -> Fill {
    std::array::from_fn(|ring| (RingName::ALL[ring].name(), fill[ring]))
}

fn lost(parts: &Parts<'_>) -> u64 {
    lost_of(parts, &parts.table.ledger(), &parts.probes.missed())
}

fn lost_of(parts: &Parts<'_>, ledger: &Ledger, missed: &Skipped) -> u64 {
    let (logins, processes) = parts.probes.shared.full();
    let missed = missed.counts.iter().sum::<u64>();
    let of_events = ledger.lost_at_all().saturating_add(missed);
    of_events
        + logins
        + processes
        + parts.table.malformed
        + parts
            .sink
            .accounts()
            .map(|account| account.lost)
            .sum::<u64>()
}
