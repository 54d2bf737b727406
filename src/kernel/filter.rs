//! What the config leaves out, as the probes compare it.

use std::collections::{BTreeMap, BTreeSet};

use crate::abi::{PatternEntry, Rules, verdict};
use crate::base::{Accounts, Family};
use crate::config::{Filter, Pattern};

/// Bits of the families that are left out where these are recorded. The life of a session never is.
fn excluded(recorded: &BTreeSet<&str>) -> u64 {
    let is_excluded = |family: &Family| {
        let family = family.choice();
        family != Family::Session && !recorded.contains(family.name())
    };
    let excluded = Family::ALL.into_iter().filter(is_excluded);
    excluded.fold(0, |bits, family| bits | 1 << family as u64)
}

fn names(families: &[Family]) -> BTreeSet<&'static str> {
    families.iter().map(|family| family.name()).collect()
}

/// What is left out of all sessions.
pub fn rules(filter: &Filter) -> Rules {
    let mut rules = Rules {
        families: excluded(&names(&filter.families)),
        ..Rules::default()
    };
    rules.operations[Family::Disk as usize] = filter.disk_operations;
    rules.operations[Family::Privilege as usize] = filter.privilege_operations;
    // The first that fits decides.
    let except = filter.except.iter().map(|it| (it, verdict::KEPT));
    let paths = filter.paths.iter().map(|it| (it, verdict::EXCLUDED));
    for (entry, (pattern, verdict)) in rules.patterns.iter_mut().zip(except.chain(paths)) {
        *entry = pattern_entry(pattern, verdict);
    }
    rules
}

fn pattern_entry(pattern: &Pattern, verdict: u32) -> PatternEntry {
    let begins = pattern.begins.as_bytes();
    let mut entry = PatternEntry {
        length: begins.len() as u32,
        whole: pattern.whole.into(),
        verdict,
        ..PatternEntry::default()
    };
    entry.begins.as_flattened_mut()[..begins.len()].copy_from_slice(begins);
    entry.mask.as_flattened_mut()[..begins.len()].fill(0xff);
    entry
}

/// What is left out of the sessions of some users, by uid; and a line for each name that this host
/// does not know.
pub fn users(filter: &Filter, accounts: &Accounts) -> (BTreeMap<u32, u64>, Vec<String>) {
    let mut unknown = Vec::new();
    let mut recorded: BTreeMap<u32, BTreeSet<&str>> = BTreeMap::new();
    for (name, families) in &filter.groups {
        match accounts.members(name) {
            Some(members) => {
                for uid in members {
                    recorded.entry(uid).or_default().extend(names(families));
                }
            }
            None => unknown.push(format!(
                "record.groups: {name} isn't a group in /etc/group; correct it, or use its number"
            )),
        }
    }
    for (name, families) in &filter.users {
        match accounts.uid(name) {
            Some(uid) => {
                recorded.insert(uid, names(families));
            }
            None => unknown.push(format!(
                "record.users: {name} isn't an account in /etc/passwd; correct it, or use its number"
            )),
        }
    }
    let masks = recorded.iter().map(|(uid, names)| (*uid, excluded(names)));
    (masks.collect(), unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(names: &[&str]) -> u64 {
        let bit = |name: &&str| 1 << Family::NAMES.iter().position(|it| it == name).unwrap();
        names.iter().map(bit).sum()
    }

    #[test]
    fn a_user_goes_before_groups_and_groups_add_up() {
        let accounts = Accounts::parse(
            "root:x:0:0::/:\nann:x:1000:1000::/:\nben:x:1001:100::/:\n",
            "users:x:100:\nstaff:x:50:ann,ben,gone\n",
        );
        let filter = Filter {
            families: vec![Family::Command, Family::Network],
            users: vec![
                ("ann".into(), vec![]),
                ("7".into(), vec![Family::Disk]),
                ("nobody".into(), vec![]),
            ],
            groups: vec![
                ("staff".into(), vec![Family::Disk]),
                ("100".into(), vec![Family::Command]),
                ("none".into(), vec![]),
            ],
            ..Filter::default()
        };
        assert_eq!(rules(&filter).families, bits(&["disk", "privilege"]));
        let (masks, unknown) = users(&filter, &accounts);
        let all = excluded(&BTreeSet::new());
        let command = bits(&["command", "process_exit"]);
        assert_eq!(
            masks,
            BTreeMap::from([
                (7, all & !bits(&["disk"])),
                (1000, all),
                (1001, all & !command & !bits(&["disk"])),
            ])
        );
        assert_eq!(unknown.len(), 2, "{unknown:?}");
    }

    #[test]
    fn exceptions_come_first() {
        let pattern = |begins: &str, whole| Pattern {
            begins: begins.into(),
            whole,
        };
        let rules = rules(&Filter {
            paths: vec![pattern("/proc/", false)],
            except: vec![pattern("/proc/kcore", true)],
            ..Filter::default()
        });
        let [kept, out, end, ..] = rules.patterns;
        assert_eq!(
            (kept.verdict, kept.whole, kept.length),
            (verdict::KEPT, 1, 11)
        );
        assert_eq!(
            (out.verdict, out.whole, out.length),
            (verdict::EXCLUDED, 0, 6)
        );
        assert_eq!(
            (
                &out.begins.as_flattened()[..7],
                &out.mask.as_flattened()[..7]
            ),
            (&b"/proc/\0"[..], &[255, 255, 255, 255, 255, 255, 0][..])
        );
        assert_eq!(end.verdict, verdict::NONE);
    }
}
