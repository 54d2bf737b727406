use super::super::Birth;
use super::ending::ASKED;
use super::*;
use crate::abi::{Head, SendsKey, SessionStart};
use crate::base::Clock;
use crate::event::{Host, HostNames, Ids};

struct Known(SessionEntry);

impl Kernel for Known {
    fn session(&self, _: u64) -> Option<SessionEntry> {
        Some(self.0)
    }

    fn take_sends(&mut self, _: &SendsKey) -> u64 {
        0
    }

    fn counts_sends(&self, _: u64) -> bool {
        false
    }

    fn sends(&self, _: u64) -> Vec<SendsKey> {
        Vec::new()
    }

    fn note_table(&mut self, _: u64, _: &[u8]) {}

    fn check_tables(&mut self) {}

    fn has_table(&mut self, _: u64, _: u32) -> bool {
        true
    }
}

fn begun() -> (Table, Writer) {
    let host = Host::new(&HostNames::default());
    let mut writer = Writer::new(host, Ids::with(|pool| pool.fill(1)), Clock::fixed(0));
    let mut table = Table::default();
    let birth = Birth {
        time: 1,
        uid: 0,
        name: None,
        pid: 1,
        connection: Default::default(),
        parent: None,
        recorded_since: None,
        login: login::NONE,
    };
    table.insert(7, birth, Vec::new(), &mut writer);
    (table, writer)
}

fn text_of(writer: &Writer) -> String {
    String::from_utf8(writer.lines().bytes().to_vec()).unwrap()
}

#[test]
fn a_session_whose_end_was_lost_ends_when_its_records_are_taken() {
    let (mut table, mut writer) = begun();
    let mut entry = SessionEntry {
        processes: 1,
        ..SessionEntry::default()
    };
    assert!(!table.reconcile((100, 99), &mut Known(entry), &mut writer));
    (entry.processes, entry.ended) = (0, 1);
    entry.lost[1][0] = 3;
    for round in 200..300 {
        // The rings are held back.
        assert!(table.reconcile((round, 150), &mut Known(entry), &mut writer));
        assert!(!table.is_empty() && table.over().next().is_none());
    }
    assert!(!table.reconcile((301, 300), &mut Known(entry), &mut writer));
    assert!(table.is_empty());
    assert_eq!(table.over().collect::<Vec<_>>(), [7]);
    let lines = text_of(&writer);
    let lost = r#""family":"command","cause":"ring_full","count":3,"#;
    assert_eq!(lines.matches(lost).count(), 1, "{lines}");
    assert!(lines.lines().last().unwrap().contains("session.end"));
}

#[test]
fn a_session_that_lives_again_is_not_over() {
    let (mut table, mut writer) = begun();
    let ended = SessionEntry {
        ended: 1,
        ..SessionEntry::default()
    };
    assert!(table.reconcile((200, 150), &mut Known(ended), &mut writer));
    let alive = SessionEntry {
        processes: 1,
        ..ended
    };
    assert!(!table.reconcile((300, 299), &mut Known(alive), &mut writer));
    assert!(table.reconcile((400, 399), &mut Known(ended), &mut writer));
    assert!(!table.is_empty());
}

/// Ends session 7, which has asked for `jobs`, and begins one; how many of its lines say so.
fn told(table: &mut Table, writer: &mut Writer, jobs: u32) -> usize {
    let mut kernel = Known(SessionEntry {
        jobs,
        ..SessionEntry::default()
    });
    let session = table.sessions.remove(&7).unwrap();
    let origin = format!(r#""origin":"at","origin_sid":"{}""#, text(&session.sid));
    table.end((7, session), 10, &mut kernel, writer);
    let head = Head {
        session: 8,
        time: 20,
        ..Head::default()
    };
    let start = SessionStart {
        parent: 7,
        login: login::AT,
        ..SessionStart::default()
    };
    table.begin(&head, &start, b"", &mut kernel, writer);
    table.end_all(30, &mut kernel, writer);
    text_of(writer).matches(&origin).count()
}

/// Begins a session that was there at 10, and seen at 20; its start if that is written at once.
fn found(seen_since: Option<u64>) -> (Table, Option<String>) {
    let (mut table, mut writer) = begun();
    table.seen_since = seen_since;
    let head = Head {
        session: 8,
        time: 20_000_000,
        ..Head::default()
    };
    let start = SessionStart {
        began: 10_000_000,
        login: login::SSH,
        ..SessionStart::default()
    };
    let mut kernel = Known(SessionEntry::default());
    table.begin(&head, &start, b"", &mut kernel, &mut writer);
    let lines = text_of(&writer);
    (table, lines.lines().last().map(str::to_owned))
}

#[test]
fn a_session_that_was_there_tells_since_when_it_is_recorded() {
    let (_, start) = found(None);
    let times = r#""recorded_since":"1970-01-01T00:00:00.020Z""#;
    assert!(start.unwrap().contains(times));
    // Its first program is still to be seen.
    let (mut table, start) = found(Some(30_000_000));
    assert_eq!(start, None);
    let session = &table.sessions[&8];
    assert_eq!(session.deadline(), Some(3_030_000_000));
    assert_eq!(table.first_unopened(), Some(1));
    let (_, mut writer) = begun();
    table.end_all(40_000_000, &mut Known(SessionEntry::default()), &mut writer);
    let times = r#""recorded_since":"1970-01-01T00:00:00.030Z""#;
    assert!(text_of(&writer).contains(times));
}

#[test]
fn who_has_asked_for_jobs_is_remembered() {
    let (mut table, mut writer) = begun();
    assert_eq!(told(&mut table, &mut writer, 1), 2);
    let (mut table, mut writer) = begun();
    assert_eq!(told(&mut table, &mut writer, 0), 0);
    let (mut table, mut writer) = begun();
    table.asked = (100..100 + ASKED as u64)
        .map(|key| (key, writer.id()))
        .collect();
    assert_eq!(told(&mut table, &mut writer, 1), 2);
    assert_eq!(table.asked.len(), ASKED);
}

#[test]
fn a_session_that_ends_while_it_is_held_tells_so() {
    let (mut table, mut writer) = begun();
    for (since, until) in [(100_000_000, 100_007_000), (300_000_000, 300_000_500)] {
        table.hold(7, since);
        table.hold(7, since + 3);
        table.go_on(7, until);
    }
    table.go_on(7, 400_000_000);
    table.hold(7, 500_000_000);
    table.end_all(
        500_001_000,
        &mut Known(SessionEntry::default()),
        &mut writer,
    );
    let lines = text_of(&writer);
    let held = r#""event":"session.throttled""#;
    let held: Vec<_> = lines.lines().filter(|line| line.contains(held)).collect();
    let tail = r#","count":3,"throttled_us":8,"from":"1970-01-01T00:00:00.100Z","to":"1970-01-01T00:00:00.500Z"}"#;
    assert!(held.len() == 1 && held[0].ends_with(tail), "{lines}");
}

#[test]
fn what_has_begun_is_not_looked_at_again() {
    let (mut table, mut writer) = begun();
    assert!(table.tick(2, &mut writer));
    assert!(!table.tick(10_000_000_000, &mut writer));
    assert!(table.unopened.is_empty());
}
