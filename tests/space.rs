//! A disk that takes no more, or fails, costs nothing that is not told. The log has a file system of its
//! own for that.

use std::fs;
use std::io::Read;
use std::path::PathBuf;
use std::process::{ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};

use crate::common::log::{
    commands, ended, ended_in, files, last_seen, lines_of, log, milliseconds, opens, status,
    statuses, totals,
};
use crate::common::volume::Volume;
use crate::common::{
    self, Folder, Host, ONE, Outcome, Process, TWO, binary, of_kind, patiently, printed, schema,
    write_config,
};
use libtest_mimic::Trial;
use serde_json::{Value, json};

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    let tests: &[common::Test] = &[
        ("evidence stays", evidence_stays),
        ("a full disk", a_full_disk),
        ("more than can be kept", more_than_can_be_kept),
        ("stopped with a full disk", stopped_with_a_full_disk),
        (
            "no space in the middle of a line",
            no_space_in_the_middle_of_a_line,
        ),
        (
            "a limit in the middle of a line",
            a_limit_in_the_middle_of_a_line,
        ),
        ("a quota", a_quota),
        ("a disk that fails", a_disk_that_fails),
        ("a disk that does not answer", a_disk_that_does_not_answer),
    ];
    let filesystems = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    common::tests_with(module_path!(), tests, |name| {
        let is_missing = name == "a quota" && !filesystems.contains("btrfs");
        is_missing.then_some("a kernel with btrfs")
    })
}

/// Whether the daemon has said that it can't write the log.
fn has_failed(host: &Host) -> bool {
    let failed = |line: &String| line.starts_with("recorderd: the log can't be written");
    host.daemon.errors().iter().any(failed)
}

fn on_a_small_disk() -> (Volume, Host) {
    let folder = Folder::new();
    let disk = Volume::new(&folder, "mount -t tmpfs -o size=4m tmpfs $log");
    let daemon = disk.daemon("");
    (disk, Host::serve(folder, daemon, ""))
}

/// The log says so while it is, and nothing is missing when it no longer is.
fn a_full_disk() -> Outcome {
    let (disk, host) = on_a_small_disk();
    disk.fill();
    host.ssh(ONE, &commands(2000));
    let failed = status(&disk.seen(), "write_failed");
    assert!(
        failed["error"].as_str().unwrap().contains("No space left"),
        "{failed}"
    );
    assert!(has_failed(&host));
    disk.run("rm $log/ballast && mount -o remount,size=64m $log");
    let lines = ended(&disk.seen(), host.port, 1).remove(0);
    for family in ["command", "process_exit"] {
        assert_eq!(totals(&lines, family), (2000, 0), "{family}");
    }
    let resumed = status(&disk.seen(), "write_resumed");
    assert!(failed["time"].as_str() >= resumed["from"].as_str());
    assert!(resumed["from"].as_str() < resumed["to"].as_str());
    assert_eq!(resumed["losses"], json!({}));
    Ok(())
}

/// What does not fit the memory either is counted, in the session whose it was.
fn more_than_can_be_kept() -> Outcome {
    const COUNT: usize = 60_000;
    let (disk, host) = on_a_small_disk();
    host.ssh(ONE, &opens(0));
    let all = |lines: &[Value]| {
        let (written, lost) = totals(lines, "disk");
        written + lost
    };
    let of_login = all(&ended(&disk.seen(), host.port, 1)[0]);
    disk.fill();
    host.ssh(ONE, &opens(COUNT));
    status(&disk.seen(), "write_failed");
    disk.run("rm $log/ballast && mount -o remount,size=128m $log");
    let lines = ended(&disk.seen(), host.port, 2).remove(1);
    assert_eq!(all(&lines), of_login + COUNT as u64);
    let lost = of_kind(&lines, "session.lost");
    let unwritten: Vec<_> = lost
        .iter()
        .filter(|line| line["cause"] == "write_failed")
        .collect();
    assert!(!unwritten.is_empty(), "all has fitted the memory");
    let end = lines.last().unwrap();
    for line in unwritten {
        assert!(
            end["session_start"].as_str() <= line["from"].as_str(),
            "{line}"
        );
        assert!(line["from"].as_str() <= line["to"].as_str(), "{line}");
        assert!(
            line["to"].as_str() <= end["session_stop"].as_str(),
            "{line}"
        );
    }
    Ok(())
}

/// How many lines were given up is told where space is kept aside, and again at the next start.
fn stopped_with_a_full_disk() -> Outcome {
    let folder = Folder::new();
    let disk = Volume::new(&folder, "mount -t tmpfs -o size=4m tmpfs $log");
    let config = write_config(folder.path(), "output: [file, stdout]");
    let mut command = disk.enter(binary());
    command.arg("--config").arg(config).stdout(Stdio::piped());
    let mut daemon = Process::spawn(&mut command);
    daemon.wait_for("ready");
    let stdout = Collected::of(daemon.child.stdout.take().unwrap());
    let mut host = Host::serve(folder, daemon, "");
    disk.fill();
    host.ssh(ONE, &commands(2000));
    let live = stdout.ended(host.port, 1).remove(0);
    assert_eq!(totals(&live, "command"), (2000, 0));
    assert!(has_failed(&host));
    assert_eq!(host.daemon.stop(), Some(0));
    let lines = log(&disk.seen());
    let stop = lines.last().unwrap();
    assert_eq!(stop["reason"], "stop");
    let discarded = stop["lines_discarded"].as_u64().unwrap();
    assert_eq!(stdout.log().len() as u64, lines.len() as u64 + discarded);
    let error = format!("recorderd: {discarded} events couldn't be written and are discarded");
    assert!(host.daemon.errors().contains(&error));
    disk.run("rm $log/ballast");
    host.daemon = disk.daemon("").into();
    let start = statuses(&log(&disk.seen()), "start").pop().unwrap();
    assert_eq!(start["previous"], "unclean");
    Ok(())
}

/// A file system that keeps no space aside takes a part of a line before it is full. What is missing
/// comes when there is space again, and nothing is there twice.
fn no_space_in_the_middle_of_a_line() -> Outcome {
    let folder = Folder::new();
    let mount = "truncate -s 16M $folder/image && mkfs.ext2 -q -F -b 1024 -m 0 $folder/image && \
                 mount -o loop $folder/image $log";
    let disk = Volume::new(&folder, mount);
    let daemon = disk.daemon("");
    let host = Host::serve(folder, daemon, "");
    disk.run("for i in 1 2 3; do head -c 300k /dev/zero >$log/ballast$i; done");
    disk.fill();
    let mut login = host.login(ONE, &commands(3000));
    patiently("the failure", || has_failed(&host).then_some(()));
    for round in 1..=3 {
        let file = files(&disk.seen()).remove(0);
        let whole = || fs::read(&file).unwrap();
        let before = whole().len();
        disk.run(&format!("rm $log/ballast{round}"));
        // It takes what there is, and then fails again.
        patiently("more of the log", || {
            let text = whole();
            (text.len() > before + (250 << 10) && text.ends_with(b"\n")).then_some(())
        });
    }
    assert!(login.child.wait()?.success());
    disk.run("rm $log/ballast");
    let lines = ended(&disk.seen(), host.port, 1).remove(0);
    for family in ["command", "process_exit"] {
        assert_eq!(totals(&lines, family), (3000, 0), "{family}");
    }
    let resumed = status(&disk.seen(), "write_resumed");
    assert_eq!(resumed["losses"], json!({}));
    Ok(())
}

/// A quota is like a full disk.
fn a_quota() -> Outcome {
    let folder = Folder::new();
    let mount = "truncate -s 256M $folder/image && mkfs.btrfs -q $folder/image 2>/dev/null && \
                 mount -o loop $folder/image $log && btrfs quota enable $log && \
                 btrfs qgroup limit 4M $log";
    let disk = Volume::new(&folder, mount);
    let daemon = disk.daemon("");
    let host = Host::serve(folder, daemon, "");
    host.ssh(ONE, &commands(5000));
    patiently("the failure", || has_failed(&host).then_some(()));
    let errors = host.daemon.errors().join("\n");
    assert!(errors.contains("(os error 122)"), "{errors}");
    disk.run("btrfs qgroup limit none $log");
    let lines = ended(&disk.seen(), host.port, 1).remove(0);
    for family in ["command", "process_exit"] {
        assert_eq!(totals(&lines, family), (5000, 0), "{family}");
    }
    status(&disk.seen(), "write_resumed");
    Ok(())
}

/// The file has whole lines only, also then, and nothing is missing or twice in it after that.
fn a_limit_in_the_middle_of_a_line() -> Outcome {
    let host = Host::start();
    host.ssh(ONE, "exit");
    ended(host.folder.path(), host.port, 1);
    let file = files(host.folder.path()).remove(0);
    let limit = |bytes: u64| {
        let limit = libc::rlimit {
            rlim_cur: bytes,
            rlim_max: libc::RLIM_INFINITY,
        };
        let pid = host.daemon.child.id() as i32;
        // SAFETY: reads the structure; our own child.
        let done = unsafe { libc::prlimit(pid, libc::RLIMIT_FSIZE, &limit, std::ptr::null_mut()) };
        assert_eq!(done, 0);
    };
    let mut bytes = fs::metadata(&file).unwrap().len();
    for round in 1..=5 {
        // Somewhere in a line.
        bytes += 100_001 * round;
        limit(bytes);
        host.ssh(ONE, &commands(200 * round as usize));
        patiently("the failure", || {
            let errors = host.daemon.errors();
            let failed = |line: &&String| line.starts_with("recorderd: the log can't be written");
            (errors.iter().filter(failed).count() as u64 == round).then_some(())
        });
        let text = fs::read(&file).unwrap();
        assert!(text.len() as u64 <= bytes && text.ends_with(b"\n"));
        limit(libc::RLIM_INFINITY);
        let sessions = ended(host.folder.path(), host.port, 1 + round as usize);
        let lines = sessions.last().unwrap();
        assert_eq!(totals(lines, "command"), (200 * round, 0));
        bytes = fs::metadata(&file).unwrap().len();
    }
    Ok(())
}

/// A file system that becomes read-only because of an error, until it is repaired.
fn a_disk_that_fails() -> Outcome {
    let folder = Folder::new();
    let mount = "truncate -s 64M $folder/image && mkfs.ext4 -q -F $folder/image && \
                 mount -o loop,errors=remount-ro $folder/image $log";
    let disk = Volume::new(&folder, mount);
    let daemon = disk.daemon("fsync: per-event");
    let host = Host::serve(folder, daemon, "");
    host.ssh(ONE, &commands(100));
    let first = ended(&disk.seen(), host.port, 1).remove(0);
    // What is in the file is on the disk a moment later.
    let stop = milliseconds(first.last().unwrap()["session_stop"].as_str().unwrap());
    patiently("the heartbeat", || {
        (last_seen(&disk.seen()) > stop).then_some(())
    });
    disk.run(
        "device=$(awk -v place=$log '$2 == place { print $1 }' /proc/mounts); \
         echo 1 >/sys/fs/ext4/${device##*/}/trigger_fs_error",
    );
    host.ssh(ONE, &commands(200));
    patiently("the failure", || has_failed(&host).then_some(()));
    // It covers the old one: without either, the log would go on below them.
    disk.run(
        "cp $folder/image $folder/repaired; e2fsck -fy $folder/repaired >$folder/report; \
         test $? -lt 4 && mount -o loop $folder/repaired $log",
    );
    let sessions = ended(&disk.seen(), host.port, 2);
    for (lines, count) in sessions.iter().zip([100, 200]) {
        assert_eq!(totals(lines, "command"), (count, 0));
    }
    status(&disk.seen(), "write_resumed");
    Ok(())
}

/// Whoever fills the log, what matters of a session before is kept, and each file that goes is told.
fn evidence_stays() -> Outcome {
    let folder = Folder::new();
    // Standard output has no checkpoints.
    let config = "seal: false\noutput: [file, stdout]\nlog_file_size: 1M\nlog_total_size: 4M\ndisk_buffer_size: 16384";
    let config = write_config(folder.path(), config);
    let mut command = Command::new(binary());
    command.arg("--config").arg(config).stdout(Stdio::piped());
    let mut daemon = Process::spawn(&mut command);
    daemon.wait_for("ready");
    let stdout = Collected::of(daemon.child.stdout.take().unwrap());
    let mut host = Host::serve(folder, daemon, "");
    let folder = host.folder.path().to_owned();
    let script = "cat /etc/hostname; : >file; chmod 600 file; exit";
    let shared = host.folder.shared();
    host.ssh(ONE, &format!("cd {}; {script}", shared.display()));
    host.ssh(TWO, &opens(20_000));
    host.ssh(TWO, &commands(1000));
    let sessions = stdout.ended(host.port, 3);
    assert_eq!(host.daemon.stop(), Some(0));
    let bulk = [
        "session.disk",
        "session.process_exit",
        "session.network",
        "session.local",
        "session.dns",
    ];
    let matters = |line: &&Value| {
        !bulk
            .iter()
            .any(|bulk| line["event"].as_str().unwrap().starts_with(bulk))
    };
    let expected: Vec<_> = sessions[0].iter().filter(matters).cloned().collect();
    assert_eq!(of_kind(&expected, "session.command").len(), 3);
    let full = files(&folder);
    let summary = full[0].with_file_name("summary");
    let mut summaries: Vec<_> = fs::read_dir(summary)?
        .map(|file| file.unwrap().path())
        .collect();
    summaries.sort();
    let lines = |files: &[PathBuf]| -> Vec<Value> {
        let texts = files.iter().map(|file| fs::read_to_string(file).unwrap());
        texts
            .flat_map(|text| text.lines().map(schema::check).collect::<Vec<_>>())
            .collect()
    };
    let kept = lines(&summaries);
    let of_first = |line: &&Value| line["sid"] == expected[0]["sid"];
    assert_eq!(
        kept.iter().filter(of_first).cloned().collect::<Vec<_>>(),
        expected
    );
    let size = |files: &[PathBuf]| {
        files
            .iter()
            .map(|file| fs::metadata(file).unwrap().len())
            .sum::<u64>()
    };
    assert!(size(&full) + size(&summaries) <= 5 << 20);
    let all = stdout.log();
    let expired = statuses(&all, "log_expired");
    let gone: u64 = expired
        .iter()
        .map(|line| line["lines"].as_u64().unwrap())
        .sum();
    // What is told of the last file can't be in it.
    assert_eq!(gone as usize + lines(&full).len(), all.len());
    let first = &expired[0];
    assert_eq!(
        first["file"],
        summaries[0].file_name().unwrap().to_str().unwrap()
    );
    assert!(
        first["file_sids"]
            .as_array()
            .unwrap()
            .contains(&expected[0]["sid"])
    );
    let of_file = &all[..first["lines"].as_u64().unwrap() as usize];
    assert_eq!(first["from"], of_file[0]["time"]);
    assert_eq!(first["to"], of_file.last().unwrap()["time"]);
    assert!(of_file.contains(expected.last().unwrap()));
    // The reading commands have both.
    let shown = printed(
        Command::new(binary())
            .args(["search", "--json", "--log"])
            .arg(folder.join("log"))
            .arg("hostname"),
    );
    assert!(
        shown.contains(expected[0]["sid"].as_str().unwrap()),
        "{shown:.2000}"
    );
    Ok(())
}

/// A file system on which nothing can be written until it is thawed, which it is with the test.
struct Frozen<'a>(&'a Volume);

impl<'a> Frozen<'a> {
    fn new(disk: &'a Volume) -> Self {
        disk.run("fsfreeze -f $log");
        Self(disk)
    }
}

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        self.0.run("fsfreeze -u $log");
    }
}

/// The rings are read all the same: another output gets everything at once, and the log what fits the memory
/// when the disk answers again. What does not fit is told.
fn a_disk_that_does_not_answer() -> Outcome {
    const COUNT: usize = 45_000;
    let folder = Folder::new();
    let mount = "truncate -s 256M $folder/image && mkfs.ext4 -q -F $folder/image && \
                 mount -o loop $folder/image $log && touch $log/seen $folder/last_seen && \
                 mount --bind $log/seen $folder/last_seen";
    let disk = Volume::new(&folder, mount);
    let config = write_config(
        folder.path(),
        "output: [file, stdout]\nfsync: per-event\ndisk_buffer_size: 16384",
    );
    // Standard error is a file on the same disk, as under OpenRC.
    let mut command = disk.enter("sh");
    let script = r#"exec "$0" --config "$1" 2>"$2/log/errors""#;
    command.args(["-c", script]).arg(binary()).arg(config);
    command.arg(folder.path()).stdout(Stdio::piped());
    let mut daemon = Process::spawn(&mut command);
    let errors = || fs::read_to_string(disk.seen().join("log/errors")).unwrap_or_default();
    patiently("ready", || errors().starts_with("ready").then_some(()));
    let stdout = Collected::of(daemon.child.stdout.take().unwrap());
    let host = Host::serve(folder, daemon, "");
    host.ssh(ONE, &commands(10));
    ended(&disk.seen(), host.port, 1);
    let frozen = Frozen::new(&disk);
    host.ssh(ONE, &commands(1000));
    let before = files(&disk.seen())
        .iter()
        .map(|file| fs::metadata(file).unwrap().len())
        .sum::<u64>();
    let live = stdout.ended(host.port, 2).remove(1);
    for family in ["command", "process_exit"] {
        assert_eq!(totals(&live, family), (1000, 0), "{family}");
    }
    let failed = patiently("write_failed", || {
        statuses(&stdout.log(), "write_failed").pop()
    });
    assert_eq!(failed["output"], "file");
    assert_eq!(failed["error"], "no answer from the disk for a second");
    host.ssh(ONE, &opens(COUNT));
    let flood = stdout.ended(host.port, 3).remove(2);
    assert!(of_kind(&flood, "session.disk").len() > COUNT);
    let end = flood.last().unwrap();
    assert_eq!(end["losses"]["disk"], 0, "one of the two has it");
    let now = files(&disk.seen())
        .iter()
        .map(|file| fs::metadata(file).unwrap().len())
        .sum::<u64>();
    assert_eq!(now, before, "the disk was written to");
    drop(frozen);
    // What only standard output has is missing between the numbers of the events.
    let of = |sid: &Value| -> Vec<Value> {
        let mut lines = log(&disk.seen());
        lines.retain(|line| line["sid"] == *sid);
        lines
    };
    let late = patiently("the end of the session", || {
        let lines = of(&flood[0]["sid"]);
        let is_over = lines.last()?["event"] == "session.end";
        is_over.then_some(lines)
    });
    assert_eq!(of(&live[0]["sid"]), live);
    let written = of_kind(&late, "session.disk").len();
    let lost = of_kind(&late, "session.lost");
    let lost = lost
        .iter()
        .filter(|line| line["family"] == "disk" && line["output"] == "file");
    let lost: u64 = lost.map(|line| line["count"].as_u64().unwrap()).sum();
    assert!(lost > 0, "all has fitted the memory");
    assert_eq!(
        written as u64 + lost,
        of_kind(&flood, "session.disk").len() as u64
    );
    let resumed = status(&disk.seen(), "write_resumed");
    assert_eq!(resumed["output"], "file");
    assert_eq!(resumed["outputs"]["stdout"]["lines_lost"], 0);
    patiently("what was to be said", || {
        errors().contains("no answer from the disk").then_some(())
    });
    let stop = milliseconds(flood.last().unwrap()["session_stop"].as_str().unwrap());
    patiently("the heartbeat", || {
        (last_seen(&disk.seen()) > stop).then_some(())
    });
    Ok(())
}

/// What a process has written to standard output so far.
struct Collected(Arc<Mutex<Vec<u8>>>);

impl Collected {
    fn of(mut stream: ChildStdout) -> Self {
        let text = Arc::new(Mutex::new(Vec::new()));
        let into = text.clone();
        std::thread::spawn(move || {
            let mut buffer = vec![0; 1 << 16];
            while let Ok(length @ 1..) = stream.read(&mut buffer) {
                into.lock().unwrap().extend_from_slice(&buffer[..length]);
            }
        });
        Self(text)
    }

    /// All whole lines so far.
    fn text(&self) -> String {
        let mut text = self.0.lock().unwrap().clone();
        let whole = text.iter().rposition(|byte| *byte == b'\n');
        text.truncate(whole.map_or(0, |end| end + 1));
        String::from_utf8(text).unwrap()
    }

    fn log(&self) -> Vec<Value> {
        lines_of(&self.text())
    }

    fn ended(&self, port: u16, count: usize) -> Vec<Vec<Value>> {
        ended_in(|| self.text(), port, count)
    }
}
