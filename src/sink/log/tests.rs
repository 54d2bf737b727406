//! The log on disk, as it is and as others leave it.

use std::io::Write;

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
        .map(|notice| (notice.reason, notice.bytes))
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
    assert_eq!(data.lines(), "line\nline\n");
    assert_eq!(reasons(&mut log), [("log_expired", Some(15))]);

    let oldest = data.folder().join(&data.files()[0].0);
    let file = OpenOptions::new().write(true).open(oldest).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(8 * DAY))
        .unwrap();
    let limits = Limits {
        days: 7,
        ..Limits::default()
    };
    let mut log = data.open(limits, FIRST_DAY + 4 * DAY);
    assert_eq!(data.lines(), "line\n");
    assert_eq!(reasons(&mut log), [("log_expired", Some(5))]);
    assert!(beside.exists());
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
