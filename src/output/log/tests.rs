//! The log on disk, as it is and as others leave it.

use std::io::Write;
use std::time::SystemTime;

use super::*;

const SECOND_DAY: u64 = 20_001 * DAY;
const FIRST_DAY: u64 = SECOND_DAY - 1;

struct Data(PathBuf);

impl Data {
    fn new(name: &str) -> Self {
        // In memory, where there is such a place: a thousand files take a disk long to keep.
        let memory = Path::new("/dev/shm");
        let base = match memory.is_dir() {
            true => memory.to_owned(),
            false => std::env::temp_dir(),
        };
        let folder = base.join(format!("recorderd-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        Self(folder)
    }

    fn open(&self, limits: Limits, now: u64) -> Log {
        Log::open(&self.0, "host", limits, now).unwrap()
    }

    fn folder(&self) -> PathBuf {
        self.0.join("log/host")
    }

    /// The files of the log, oldest first, by their names.
    fn files(&self) -> Vec<(String, String)> {
        let read = |name| {
            (
                text(name),
                fs::read_to_string(self.folder().join(text(name))).unwrap(),
            )
        };
        names(&self.folder()).into_iter().map(read).collect()
    }

    /// All lines, in the order of the names of their files.
    fn lines(&self) -> String {
        self.files().into_iter().map(|(_, text)| text).collect()
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn write(log: &mut Log, line: &str, now: u64) {
    let (taken, result) = log.append(line.as_bytes(), now, false);
    result.unwrap();
    assert_eq!(taken, line.len());
}

fn reasons(log: &mut Log) -> Vec<(&'static str, Option<u64>)> {
    log.notices()
        .map(|notice| (notice.reason.name(), notice.bytes))
        .collect()
}

#[test]
fn each_day_has_its_file_and_the_link_follows() {
    let data = Data::new("days");
    let mut log = data.open(Limits::default(), FIRST_DAY);
    write(&mut log, "one\n", FIRST_DAY);
    assert_eq!(fs::read(log.link()).unwrap(), b"one\n");
    write(&mut log, "two\n", SECOND_DAY);
    assert_eq!(fs::read(log.link()).unwrap(), b"two\n");
    // The clock is set back, by an hour and by a year.
    write(&mut log, "three\n", SECOND_DAY - 3600);
    write(&mut log, "four\n", SECOND_DAY - 365 * DAY);
    let files = data.files();
    assert_eq!(files[0], ("2024-10-04.00:00:00.log".into(), "one\n".into()));
    assert_eq!(
        files[1],
        (
            "2024-10-05.00:00:00.log".into(),
            "two\nthree\nfour\n".into()
        )
    );
    assert_eq!(files.len(), 2);
    assert_eq!(reasons(&mut log), []);
}

#[test]
fn the_next_start_goes_on_with_the_newest_file() {
    let data = Data::new("again");
    write(
        &mut data.open(Limits::default(), SECOND_DAY),
        "one\n",
        SECOND_DAY,
    );
    // The clock is set back between the two.
    write(
        &mut data.open(Limits::default(), FIRST_DAY),
        "two\n",
        FIRST_DAY,
    );
    assert_eq!(data.lines(), "one\ntwo\n");
    assert_eq!(data.files().len(), 1);
}

#[test]
fn a_full_file_is_followed_by_one_that_sorts_behind_it() {
    let data = Data::new("size");
    let limits = Limits {
        file_size: 8,
        ..Limits::default()
    };
    let mut log = data.open(limits, FIRST_DAY - 1);
    // The clock goes on, stands still, and is set back.
    for (line, now) in [
        ("1\n22\n333\n", FIRST_DAY - 1),
        ("4444\n", FIRST_DAY - 1),
        ("longer than a file\n", FIRST_DAY - 3600),
        ("5\n", FIRST_DAY),
        ("6\n", SECOND_DAY),
    ] {
        write(&mut log, line, now);
    }
    let texts: Vec<_> = data.files().into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts[..3], ["1\n22\n", "333\n", "4444\n"]);
    assert_eq!(texts[3..], ["longer than a file\n", "5\n6\n"]);
    assert_eq!(fs::read(log.link()).unwrap(), b"5\n6\n");
    assert!(
        data.files()
            .iter()
            .all(|(_, text)| text.len() <= 8 || text.lines().count() == 1)
    );
}

#[test]
fn a_thousand_rotations_keep_every_line_in_order() {
    let data = Data::new("thousand");
    let limits = Limits {
        file_size: 16,
        ..Limits::default()
    };
    let mut log = data.open(limits, FIRST_DAY);
    let mut all = String::new();
    for line in 0..2000 {
        let line = format!("line {line}\n");
        // The clock stands still.
        write(&mut log, &line, FIRST_DAY);
        all += &line;
    }
    assert!(data.files().len() >= 1000);
    assert_eq!(data.lines(), all);
}

#[test]
fn a_part_of_a_line_is_cut_off_at_the_next_start() {
    let data = Data::new("cut");
    write(
        &mut data.open(Limits::default(), FIRST_DAY),
        "one\n",
        FIRST_DAY,
    );
    let append = |text: &str| {
        let name = data.files().pop().unwrap().0;
        let mut file = OpenOptions::new()
            .append(true)
            .open(data.folder().join(name))
            .unwrap();
        file.write_all(text.as_bytes()).unwrap();
    };
    append(&"x".repeat(10_000));
    let mut log = data.open(Limits::default(), FIRST_DAY);
    assert_eq!(reasons(&mut log), [("line_cut", Some(10_000))]);
    write(&mut log, "two\n", FIRST_DAY);
    assert_eq!(data.lines(), "one\ntwo\n");
    // And where the next start is on another day.
    append("three");
    let mut log = data.open(Limits::default(), SECOND_DAY);
    assert_eq!(reasons(&mut log), [("line_cut", Some(5))]);
    write(&mut log, "four\n", SECOND_DAY);
    assert_eq!(data.lines(), "one\ntwo\nfour\n");
}

#[test]
fn a_log_that_others_change_is_written_all_the_same() {
    let data = Data::new("changed");
    let mut log = data.open(Limits::default(), FIRST_DAY);
    write(&mut log, "one\n", FIRST_DAY);
    let current = || data.folder().join(data.files().pop().unwrap().0);

    fs::rename(current(), data.0.join("moved")).unwrap();
    write(&mut log, "two\n", FIRST_DAY);
    assert_eq!(fs::read(data.0.join("moved")).unwrap(), b"one\n");
    assert_eq!(
        (data.lines().as_str(), reasons(&mut log)),
        ("two\n", vec![("log_moved", None)])
    );

    fs::remove_file(current()).unwrap();
    write(&mut log, "three\n", FIRST_DAY);
    assert_eq!(data.lines(), "three\n");
    assert_eq!(reasons(&mut log), [("log_removed", Some(4))]);

    fs::remove_dir_all(data.0.join("log")).unwrap();
    write(&mut log, "four\n", FIRST_DAY);
    assert_eq!(fs::read(log.link()).unwrap(), b"four\n");
    assert_eq!(reasons(&mut log), [("log_removed", Some(6))]);

    OpenOptions::new()
        .write(true)
        .open(current())
        .unwrap()
        .set_len(2)
        .unwrap();
    write(&mut log, "five\n", FIRST_DAY);
    assert_eq!(data.lines(), "five\n");
    assert_eq!(reasons(&mut log), [("log_truncated", Some(3))]);
}

#[test]
fn two_writers_do_not_disturb_one_another() {
    let data = Data::new("two");
    let limits = Limits {
        file_size: 64,
        ..Limits::default()
    };
    let mut one = data.open(limits, FIRST_DAY);
    let mut two = data.open(limits, FIRST_DAY);
    for index in 0..100 {
        write(&mut one, &format!("one {index}\n"), FIRST_DAY);
        write(&mut two, &format!("two {index}\n"), FIRST_DAY);
    }
    one.close().unwrap();
    drop(one);
    write(&mut two, "two 100\n", FIRST_DAY);
    let mut lines: Vec<_> = data.lines().lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 201);
    lines.sort();
    lines.dedup();
    assert_eq!(lines.len(), 201);
    assert_eq!(
        (reasons(&mut two), data.lines().ends_with('\n')),
        (vec![], true)
    );
}

#[test]
fn old_files_go_and_others_stay() {
    let data = Data::new("expired");
    let mut log = data.open(Limits::default(), FIRST_DAY);
    for day in 0..5 {
        write(&mut log, "line\n", FIRST_DAY + day * DAY);
    }
    let beside = data.folder().join("2024-01-01.notes.log");
    fs::write(&beside, "not ours").unwrap();
    let limits = Limits {
        total_size: 12,
        ..Limits::default()
    };
    let mut log = data.open(limits, FIRST_DAY + 4 * DAY);
    while log.tidy() {}
    assert_eq!(data.lines(), "line\nline\n");
    assert_eq!(reasons(&mut log), [("log_expired", Some(5)); 3]);

    let oldest = data.folder().join(&data.files()[0].0);
    let file = OpenOptions::new().write(true).open(oldest).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(8 * DAY))
        .unwrap();
    let limits = Limits {
        days: 7,
        ..Limits::default()
    };
    let mut log = data.open(limits, FIRST_DAY + 4 * DAY);
    while log.tidy() {}
    assert_eq!(data.lines(), "line\n");
    assert_eq!(reasons(&mut log), [("log_expired", Some(5))]);
    assert!(beside.exists());

    // The file in use stays, however large it is.
    let limits = Limits {
        total_size: 1,
        ..Limits::default()
    };
    let mut log = data.open(limits, FIRST_DAY + 4 * DAY);
    while log.tidy() {}
    assert_eq!(data.lines(), "line\n");
    assert_eq!(reasons(&mut log), []);
}

fn event(name: &str, login: &str, sid: u32, second: u64, more: &str) -> String {
    format!(
        r#"{{"ei":0,"event":"{name}","uid":"u","time":"2024-10-04T00:00:{second:02}.000Z","login":"{login}","sid":"{sid}","more":"{more}"}}"#
    ) + "\n"
}

/// Of who fills the log, with opens or with commands, a part stays; of who is quiet all that matters does.
#[test]
fn of_files_that_go_everybody_has_a_share_that_stays() {
    let data = Data::new("summary");
    let limits = Limits {
        file_size: 16_384,
        total_size: 65_536,
        ..Limits::default()
    };
    let mut log = data.open(limits, FIRST_DAY);
    let quiet = [
        event("session.start", "quiet", 1, 1, ""),
        event("session.command", "quiet", 1, 2, "one"),
        event("session.disk", "quiet", 1, 3, "no command"),
        event("session.privilege", "quiet", 1, 4, ""),
        event("session.end", "quiet", 1, 5, ""),
    ];
    write(&mut log, &quiet.concat(), FIRST_DAY);
    let flood = |log: &mut Log, kind: &str, count: u64| {
        for index in 0..count {
            let line = event(
                kind,
                "noisy",
                2 + index as u32 % 3,
                index % 60,
                &"x".repeat(300),
            );
            write(log, &line, FIRST_DAY);
            while log.tidy() {}
        }
    };
    let summary = data.folder().join("summary");
    let kept = || {
        let names = names(&summary).into_iter();
        let texts = names.map(|name| fs::read_to_string(summary.join(text(name))).unwrap());
        texts.collect::<String>()
    };
    flood(&mut log, "session.command", 30);
    flood(&mut log, "session.disk", 300);
    let quiet = quiet.map(|line| {
        if line.contains("no command") {
            String::new()
        } else {
            line
        }
    });
    let text = kept();
    assert!(text.starts_with(&quiet.concat()), "{text:.2000}");
    assert!(text.len() <= 16_384 && text.contains("noisy") && !text.contains("session.disk"));
    let notices: Vec<_> = log.notices().collect();
    let first = notices[0].removed.as_ref().unwrap();
    assert_eq!(first.file, "2024-10-04.00:00:00.log");
    assert_eq!(first.first, "2024-10-04T00:00:00.000Z");
    assert_eq!(
        (first.sessions, &first.sids[..]),
        (4, &["1", "2", "3", "4"].map(str::to_owned)[..])
    );
    assert_eq!(first.lines_kept, text.lines().count() as u64);
    let removed = notices
        .iter()
        .map(|notice| notice.removed.as_ref().unwrap().lines)
        .sum::<u64>();
    assert_eq!(removed + data.lines().lines().count() as u64, 335);
    // Who goes on for long enough with what stays pushes out even that, which is told.
    flood(&mut log, "session.command", 600);
    assert!(!kept().contains("quiet"));
    let of_summary = |notice: &Notice| {
        notice.removed.as_ref().unwrap().file == "summary/2024-10-04.00:00:00.log"
    };
    let gone = log.notices().find(of_summary).unwrap();
    assert_eq!(gone.removed.unwrap().lines, first.lines_kept);
}

#[test]
fn only_names_of_the_log_are_taken_for_such() {
    assert_eq!(time("2024-10-05.00:00:00.log"), Some(SECOND_DAY));
    assert_eq!(time("2024-10-05.23:59:59.log"), Some(SECOND_DAY + DAY - 1));
    for name in [
        "",
        "events.log",
        "2024-10-05.24:00:00.log",
        "2024-02-30.00:00:00.log",
        "2024-10-05.00:00:00.log.gz",
        "2024-10-05 00:00:00.log",
        "+024-10-05.00:00:00.log",
        "2024-10-0\u{e9}.00:00:00.log",
    ] {
        assert_eq!(time(name), None, "{name}");
    }
}
