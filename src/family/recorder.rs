//! What the recorder says of itself.

use super::EventType;
use crate::abi::{Family, MissedCounts, PROBES};
use crate::base::{ALL_CAUSES, Account, Before, Fill, Ledger, Moment, Notice, Removed};
use crate::event::{Object, Writer};

/// Of docs/events.schema.json: another one when a field changes its name, type or meaning, or is no more.
const SCHEMA_VERSION: u32 = 1;

/// The state of the recorder.
pub struct Status<'a, Outputs> {
    /// Why it is told now.
    pub notice: &'a Notice,
    /// The recorder before this one, where that is the reason.
    pub before: Option<Before>,
    /// The first public key of the log's seal, where that is told.
    pub seal_key: Option<&'a str>,
    /// Sessions that are open.
    pub sessions: usize,
    /// Events since the start.
    pub ledger: &'a Ledger,
    /// Logins and processes that found no room in the kernel's tables since the start.
    pub refused: (u64, u64),
    /// How often each of [`PROBES`] was not run, since the start.
    pub missed: &'a MissedCounts,
    /// How often each was not run by CPU, as far as that is known: which of them, where, how often.
    pub missed_on: &'a [(usize, u32, u64)],
    /// Families that can't be recorded on this host, and why.
    pub not_recorded: &'a [(&'static str, String)],
    /// Families that are seen by a worse plan than this kernel allows, and why.
    pub fallbacks: &'a [(&'static str, String)],
    /// Records that could not be read since the start.
    pub malformed: u64,
    /// Bytes written to the log since the start.
    pub written: u64,
    /// Lines that were given up since the start.
    pub discarded: u64,
    /// What became of the lines since the start, by output.
    pub outputs: Outputs,
    /// The rings, and how full each was at most since the last status, in percent.
    pub fill: Fill,
}

impl Writer {
    /// recorder.status
    pub fn status(
        &mut self,
        status: &Status<'_, impl Iterator<Item = Account> + Clone>,
        now: Moment,
    ) {
        let notice = status.notice;
        self.host_line(EventType::Status.title(), now.boot, |object, clock| {
            object.string("reason", notice.reason.name().as_bytes());
            if let Some(output) = notice.output {
                object.string("output", output.name().as_bytes());
            }
            if let Some(error) = &notice.error {
                object.string("error", error.as_bytes());
            }
            if !notice.needs_restart.is_empty() {
                let keys = notice.needs_restart.iter().map(|key| key.as_bytes());
                object.list("needs_restart", "", keys);
            }
            let optional = [("bytes", notice.bytes), ("files", notice.files)];
            for (key, value) in optional {
                if let Some(value) = value {
                    object.number(key, value);
                }
            }
            if let Some(removed) = &notice.removed {
                object.string("file", removed.file.as_bytes());
            }
            if let Some(tampered) = &notice.tampered {
                object.string("map", tampered.map.as_bytes());
                if let Some(sid) = &tampered.sid {
                    object.string("target_sid", sid);
                }
                if !tampered.pids.is_empty() {
                    let pids = tampered.pids.iter().map(|pid| *pid as i32);
                    object.numbers("target_pids", pids);
                }
                if tampered.count > 0 {
                    object.number("entries", tampered.count);
                }
                object.boolean("restored", tampered.is_restored);
            }
            if let Some(before) = status.before {
                object.string(
                    "previous",
                    match before.stopped {
                        true => b"clean".as_slice(),
                        false => b"unclean",
                    },
                );
            }
            let since = notice.since.map(|since| clock.real(since));
            if let Some(from) = status.before.map(|before| before.until).or(since) {
                object.string("from", &clock.text_of(from));
                object.string("to", &clock.text_of(now.real));
            }
            if let Some(removed) = &notice.removed {
                remains(object, removed);
            }
            if let Some(key) = status.seal_key {
                object.string("seal_key", key.as_bytes());
            }
            object.number("schema_version", SCHEMA_VERSION);
            object.number("sessions", status.sessions);
            object.object("events", |object| {
                for family in Family::counted() {
                    object.number(family.name(), status.ledger.events[family as usize]);
                }
            });
            losses(object, status.ledger);
            object.number("logins_dropped", status.refused.0);
            object.number("processes_dropped", status.refused.1);
            missed(object, status.missed);
            if !status.missed_on.is_empty() {
                object.object("missed_probes_cpus", |object| {
                    for counts in status.missed_on.chunk_by(|one, next| one.0 == next.0) {
                        object.object(PROBES[counts[0].0], |object| {
                            for (_, cpu, count) in counts {
                                object.number(itoa::Buffer::new().format(*cpu), *count);
                            }
                        });
                    }
                });
            }
            reasons(object, "not_recorded", status.not_recorded);
            reasons(object, "backend_fallback", status.fallbacks);
            object.number("malformed_records", status.malformed);
            object.number("lines_discarded", status.discarded);
            object.number("bytes_written", status.written);
            if status.outputs.clone().nth(1).is_some() {
                object.object("outputs", |object| {
                    for account in status.outputs.clone() {
                        object.object(account.output.name(), |object| {
                            object.number("bytes_written", account.written);
                            object.number("lines_lost", account.lost);
                        });
                    }
                });
            }
            object.object("ring_fill", |object| {
                for (ring, percent) in status.fill {
                    object.number(ring, percent);
                }
            });
        });
    }
}

/// By program; what is 0 is left out.
pub(super) fn missed(object: &mut Object<'_>, counts: &MissedCounts) {
    object.object("missed_probes", |object| {
        for (program, count) in PROBES.iter().zip(counts).filter(|(_, count)| **count > 0) {
            object.number(program, *count);
        }
    });
}

/// What was in a file that was removed, and how much of it is kept.
fn remains(object: &mut Object<'_>, removed: &Removed) {
    if !removed.first.is_empty() {
        object.string("from", removed.first.as_bytes());
        object.string("to", removed.last.as_bytes());
    }
    object.number("lines", removed.lines);
    object.number("lines_kept", removed.lines_kept);
    object.number("file_sessions", removed.sessions);
    let sids = removed.sids.iter().map(|sid| sid.as_bytes());
    object.list("file_sids", "", sids);
}

/// By family; left out where there is none.
fn reasons(object: &mut Object<'_>, key: &str, reasons: &[(&'static str, String)]) {
    if !reasons.is_empty() {
        object.object(key, |object| {
            for (family, reason) in reasons {
                object.string(family, reason.as_bytes());
            }
        });
    }
}

/// By family and cause; what is 0 is left out.
fn losses(object: &mut Object<'_>, ledger: &Ledger) {
    object.object("losses", |object| {
        for family in Family::ALL {
            if ledger.lost_of(family) == 0 {
                continue;
            }
            object.object(family.name(), |object| {
                for (cause, count) in ALL_CAUSES.iter().zip(ledger.losses(family)) {
                    if count > 0 {
                        object.number(cause, count);
                    }
                }
            });
        }
    });
}
