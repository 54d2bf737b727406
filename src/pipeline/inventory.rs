//! The daemon's knowledge against the kernel's tables, now and then: somebody with the right to may have
//! changed them.

use std::mem;

use rustc_hash::FxHashMap;

use crate::abi::{Finding, SessionEntry, finding_kind};
use crate::base::{Family, Notice, Tampered};
use crate::kernel::{Look, Probes};
use crate::session::{Kernel, Table};

/// How long after one look the next one begins. Nanoseconds.
const APART: u64 = 5_000_000_000;

/// Processes of one session that a notice names.
const NAMED: usize = 16;

/// What is known between the looks.
#[derive(Default)]
pub struct Inventory {
    next: u64,
    under_way: Option<UnderWay>,
    /// How many more processes a session counts than there are, and how often that had changed by then;
    /// by the look before.
    surplus: FxHashMap<u64, (i64, u64)>,
    /// Processes that were put back: their sessions count them twice.
    put_back: FxHashMap<u64, i64>,
}

/// A look that has begun.
struct UnderWay {
    look: Look,
    /// How often the processes of each session had changed by then.
    changes: FxHashMap<u64, u64>,
    present: FxHashMap<u64, i64>,
    found: Vec<Finding>,
}

impl Inventory {
    /// Goes on with the look, or begins one when it is time. Returns what was changed by somebody else.
    pub fn tick(&mut self, now: u64, probes: &mut Probes, table: &Table) -> Vec<Notice> {
        let mut notices = Vec::new();
        match &mut self.under_way {
            None if now < self.next || table.is_empty() => {}
            None => {
                self.next = now + APART;
                let altered = probes.altered();
                notices.extend(altered.into_iter().map(|(map, is_restored)| {
                    Notice::tampered(Tampered {
                        map,
                        is_restored,
                        ..Tampered::default()
                    })
                }));
                self.under_way = probes.look().ok().map(|look| UnderWay {
                    look,
                    changes: changes(probes, table),
                    present: FxHashMap::default(),
                    found: Vec::new(),
                });
            }
            Some(under_way) => {
                let UnderWay {
                    look,
                    present,
                    found,
                    ..
                } = under_way;
                let is_over = look.take(|finding| match finding.kind {
                    finding_kind::PRESENT => *present.entry(finding.session).or_default() += 1,
                    _ => found.push(*finding),
                });
                if is_over.unwrap_or(true)
                    && let Some(under_way) = self.under_way.take()
                {
                    self.compare(under_way, probes, table, &mut notices);
                }
            }
        }
        notices
    }

    /// Whether it is to go on soon.
    pub fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }

    fn compare(
        &mut self,
        under_way: UnderWay,
        probes: &mut Probes,
        table: &Table,
        notices: &mut Vec<Notice>,
    ) {
        let of_kinds = [
            (finding_kind::MISSING, "processes"),
            (finding_kind::CHANGED, "processes"),
            (finding_kind::COUNTED, "process_counts"),
        ];
        for (kind, map) in of_kinds {
            let mut by_session: FxHashMap<u64, Vec<u32>> = FxHashMap::default();
            for found in under_way.found.iter().filter(|found| found.kind == kind) {
                by_session.entry(found.session).or_default().push(found.pid);
            }
            for (key, mut pids) in by_session {
                // They may never have been in; if somebody has taken them out, they are counted twice.
                if kind == finding_kind::MISSING && has_refused(probes, key) {
                    continue;
                }
                if kind == finding_kind::MISSING {
                    *self.put_back.entry(key).or_default() += pids.len() as i64;
                }
                let count = pids.len() as u64;
                pids.truncate(NAMED);
                notices.push(Notice::tampered(Tampered {
                    map,
                    sid: table.sid(key),
                    pids,
                    count,
                    is_restored: true,
                }));
            }
        }
        let before = mem::take(&mut self.surplus);
        let mut missing = 0;
        for (key, changes) in under_way.changes {
            let present = under_way.present.get(&key).copied().unwrap_or_default();
            let Some(entry) = probes.tables.session(key) else {
                if let Some(entry) = table.entry(key) {
                    let entry = SessionEntry {
                        processes: present as u64,
                        families_excluded: probes.families_excluded(entry.uid),
                        ..entry
                    };
                    notices.push(Notice::tampered(Tampered {
                        map: "sessions",
                        sid: table.sid(key),
                        is_restored: probes.tables.sessions.insert(key, entry, 0).is_ok(),
                        ..Tampered::default()
                    }));
                }
                continue;
            };
            let surplus = entry.processes as i64 - present;
            if surplus == 0 || entry.ended != 0 || entry.changes != changes {
                continue;
            }
            if surplus > 0 {
                missing = key;
            }
            if before.get(&key) != Some(&(surplus, changes)) {
                self.surplus.insert(key, (surplus, changes));
                continue;
            }
            let unexplained = surplus - self.put_back.remove(&key).unwrap_or_default();
            if unexplained > 0 {
                notices.push(Notice::tampered(Tampered {
                    map: "processes",
                    sid: table.sid(key),
                    count: unexplained as u64,
                    is_restored: false,
                    ..Tampered::default()
                }));
            }
            probes.shared.adjust(key, -surplus, changes);
        }
        self.put_back.retain(|key, _| table.sid(*key).is_some());
        probes.shared.missing(missing);
    }
}

/// Whether a session has lost processes because there was no room for them: they get in when there is.
fn has_refused(probes: &Probes, key: u64) -> bool {
    let refused = |entry: SessionEntry| {
        let [_, _, table_full, share_full] = entry.lost[Family::Session as usize];
        table_full + share_full > 0
    };
    probes.tables.session(key).is_some_and(refused)
}

fn changes(probes: &Probes, table: &Table) -> FxHashMap<u64, u64> {
    let of = |key: u64| {
        let entry = probes.tables.session(key);
        (key, entry.map_or(0, |entry| entry.changes))
    };
    table.keys().map(of).collect()
}
