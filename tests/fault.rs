//! What goes wrong with the log, the disk or the daemon costs nothing that is not told. Each test
//! that needs a disk of its own has it in a mount namespace of its own.
//!
//! `RECORDERD_KILLS=50 cargo test --test fault -- killed` is the longer run of the test that kills
//! the daemon.

mod common;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use common::{
    Folder, Host, ONE, Outcome, Process, binary, of_kind, patiently, schema, start_daemon,
    write_config,
};
use recorderd::record::layout::FAMILIES;
use serde_json::{Value, json};

fn main() -> ExitCode {
    common::main(&[
        ("a full disk", a_full_disk),
        ("more than can be kept", more_than_can_be_kept),
        ("stopped with a full disk", stopped_with_a_full_disk),
        ("a disk that fails", a_disk_that_fails),
        ("no space in the middle of a line", a_part_of_a_line),
        ("a log that is removed", a_log_that_is_removed),
        ("killed under load", killed_under_load),
        ("stopped for a while under load", stopped_under_load),
        ("SIGHUP under load", hangup_under_load),
        ("a thousand rotations", a_thousand_rotations),
        ("the first status, whole", the_first_status),
    ])
}

/// A mount namespace in which the log has a file system of its own.
struct Disk {
    holder: Process,
    folder: PathBuf,
}

impl Disk {
    /// `mount` puts a file system on `$log`, in a script that has `$folder` as well.
    fn new(folder: &Folder, mount: &str) -> Self {
        let folder = folder.path().to_owned();
        let script = format!(
            "folder={0}; log={0}/log; mkdir -p $log && {mount} && echo mounted >&2 && \
             exec sleep infinity",
            folder.display()
        );
        let mut holder = Process::spawn(Command::new("unshare").args(["-m", "sh", "-c", &script]));
        holder.wait_for("mounted");
        Self { holder, folder }
    }

    fn enter(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg("-m")
            .arg("-t")
            .arg(self.holder.child.id().to_string());
        command.arg(program).stdin(Stdio::null());
        command
    }

    /// Runs a script with the file system.
    fn run(&self, script: &str) {
        let script = format!("folder={0}; log={0}/log; {script}", self.folder.display());
        let output = self.enter("sh").args(["-c", &script]).output().unwrap();
        assert!(output.status.success(), "{script}: {output:?}");
    }

    fn daemon(&self, config: &str) -> Process {
        let config = write_config(&self.folder, config);
        let mut daemon = Process::spawn(self.enter(binary()).arg("--config").arg(config));
        daemon.wait_for("ready");
        daemon
    }

    /// The folder of the test, as it is in there.
    fn seen(&self) -> PathBuf {
        let root = format!("/proc/{}/root", self.holder.child.id());
        PathBuf::from(root + self.folder.to_str().unwrap())
    }

    /// Leaves no space.
    fn fill(&self) {
        self.run("cat /dev/zero >$log/ballast 2>/dev/null; true");
    }
}

/// The files of the log, oldest first.
fn files(folder: &Path) -> Vec<PathBuf> {
    let host = fs::read_to_string(folder.join("host_uuid")).unwrap();
    let folder = folder.join("log").join(host.trim());
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<_> = entries.map(|entry| entry.path()).collect();
    files.retain(|file| file.is_file() && !file.is_symlink() && file.extension().is_some());
    files.sort();
    files
}

/// All whole lines, each held against the schema.
fn log(folder: &Path) -> Vec<Value> {
    let text: Vec<u8> = files(folder)
        .iter()
        .flat_map(|file| fs::read(file).unwrap())
        .collect();
    let end = text
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    let text = std::str::from_utf8(&text[..end]).unwrap();
    text.lines().map(schema::check).collect()
}

/// What the recorder says of itself for a reason.
fn statuses(lines: &[Value], reason: &str) -> Vec<Value> {
    let of_reason = |line: &Value| line["event"] == "recorder.status" && line["reason"] == reason;
    lines
        .iter()
        .filter(|line| of_reason(line))
        .cloned()
        .collect()
}

/// Waits until the recorder has said it.
fn status(folder: &Path, reason: &str) -> Value {
    patiently(reason, || statuses(&log(folder), reason).pop())
}

/// The sessions of a server, each numbered from 0 without a gap.
fn sessions(lines: &[Value], port: u16) -> Vec<Vec<Value>> {
    let local = format!("127.0.0.1:{port}");
    let starts = lines
        .iter()
        .filter(|line| line["addr.local"] == local.as_str());
    let of = |start: &Value| -> Vec<Value> {
        lines
            .iter()
            .filter(|line| line["sid"] == start["sid"])
            .cloned()
            .collect()
    };
    let sessions: Vec<_> = starts.map(of).collect();
    for (index, line) in sessions.iter().flat_map(|lines| lines.iter().enumerate()) {
        assert_eq!(line["ei"], index, "a gap before {line}");
    }
    sessions
}

/// Waits until so many sessions have ended.
fn ended(folder: &Path, port: u16, count: usize) -> Vec<Vec<Value>> {
    patiently(&format!("{count} sessions"), || {
        let sessions = sessions(&log(folder), port);
        let has_end = |lines: &&Vec<Value>| lines.last().unwrap()["event"] == "session.end";
        (sessions.iter().filter(has_end).count() >= count).then_some(sessions)
    })
}

/// Written events and lost ones of a family: the lines have to agree with their end.
fn totals(lines: &[Value], family: &str) -> (u64, u64) {
    let end = lines.last().unwrap();
    let written = of_kind(lines, &format!("session.{family}")).len() as u64;
    assert_eq!(end["events"][family], written, "{end}");
    let lost = of_kind(lines, "session.lost");
    let of_family = lost.iter().filter(|line| line["family"] == family);
    let lost = of_family.map(|line| line["count"].as_u64().unwrap()).sum();
    assert_eq!(end["losses"][family], lost, "{end}");
    (written, lost)
}

/// A script that runs so many commands, the shell that runs it included.
fn commands(count: usize) -> String {
    format!("for ((i = 1; i < {count}; i++)); do /bin/true; done; exit")
}

/// A script that opens a file so often.
fn opens(count: usize) -> String {
    format!("for ((i = 0; i < {count}; i++)); do : </etc/hostname; done; exit")
}

fn on_a_small_disk() -> (Disk, Host) {
    let folder = Folder::new();
    let disk = Disk::new(&folder, "mount -t tmpfs -o size=4m tmpfs $log");
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
    let error = "recorderd: the log can't be written";
    assert!(
        host.daemon
            .errors()
            .iter()
            .any(|line| line.starts_with(error))
    );
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
    let (disk, mut host) = on_a_small_disk();
    disk.fill();
    host.ssh(ONE, &commands(2000));
    status(&disk.seen(), "write_failed");
    let before = log(&disk.seen()).len();
    assert_eq!(host.daemon.stop(), Some(0));
    let lines = log(&disk.seen());
    let stop = lines.last().unwrap();
    assert_eq!(stop["reason"], "stop");
    let given_up = stop["lines_given_up"].as_u64().unwrap();
    // Each command has two lines of its own.
    let in_log = lines.len() - of_kind(&lines, "recorder.status").len();
    assert!(
        in_log as u64 + given_up >= 2 * 2000,
        "{before} {in_log} {given_up}"
    );
    let error = format!("recorderd: {given_up} events could not be written and are lost");
    assert!(host.daemon.errors().contains(&error));
    disk.run("rm $log/ballast");
    host.daemon = disk.daemon("");
    let start = statuses(&log(&disk.seen()), "start").pop().unwrap();
    assert_eq!(start["previous"], "unclean");
    Ok(())
}

/// A file system that becomes read-only because of an error, until it is repaired.
fn a_disk_that_fails() -> Outcome {
    let folder = Folder::new();
    let mount = "truncate -s 64M $folder/image && mkfs.ext4 -q -F $folder/image && \
                 mount -o loop,errors=remount-ro $folder/image $log";
    let disk = Disk::new(&folder, mount);
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
    patiently("the failure", || {
        let failed = |line: &String| line.starts_with("recorderd: the log can't be written");
        host.daemon.errors().iter().any(failed).then_some(())
    });
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

/// The file has whole lines only, also then, and nothing is missing or twice in it after that.
fn a_part_of_a_line() -> Outcome {
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
            (errors.iter().filter(failed).count() as u64 >= round).then_some(())
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

/// The log goes on in a new one, which says how much is gone.
fn a_log_that_is_removed() -> Outcome {
    let host = Host::start();
    let folder = host.folder.path();
    host.ssh(ONE, &commands(50));
    ended(folder, host.port, 1);
    let before = log(folder);
    let gone: u64 = files(folder)
        .iter()
        .map(|file| fs::metadata(file).unwrap().len())
        .sum();
    fs::remove_dir_all(folder.join("log")).unwrap();
    host.ssh(ONE, &commands(60));
    let lines = ended(folder, host.port, 1).remove(0);
    assert_eq!(totals(&lines, "command"), (60, 0));
    assert_eq!(status(folder, "log_removed")["bytes"], gone);
    assert_eq!(totals(&sessions(&before, host.port)[0], "command"), (50, 0));
    Ok(())
}

/// What was not written is what came last, and the next start says since when.
fn killed_under_load() -> Outcome {
    let rounds = std::env::var("RECORDERD_KILLS").map_or(3, |rounds| rounds.parse().unwrap());
    let mut host = Host::start();
    let notes = host.folder.shared().join("notes");
    let script = format!(
        "i=0; while [ -e {0}.go ]; do i=$((i + 1)); echo $EPOCHREALTIME >>{0}; /bin/true $i; done",
        notes.display()
    );
    let go = PathBuf::from(format!("{}.go", notes.display()));
    for round in 1..=rounds {
        fs::write(&go, "").unwrap();
        fs::write(&notes, "").unwrap();
        fs::set_permissions(&notes, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
        let login = host.login(ONE, &script);
        let noted = || fs::read_to_string(&notes).unwrap();
        patiently("some commands", || {
            (noted().lines().count() > 50).then_some(())
        });
        // At any moment of a second.
        let wait = u64::from(std::process::id().wrapping_mul(round * 7919) % 1000);
        std::thread::sleep(std::time::Duration::from_millis(wait));
        host.daemon.signal(libc::SIGKILL);
        host.daemon.child.wait().unwrap();
        host.daemon = start_daemon(host.folder.path(), "");
        fs::remove_file(&go).unwrap();
        drop(login);
        let lines = log(host.folder.path());
        let start = statuses(&lines, "start").pop().unwrap();
        assert_eq!(start["previous"], "unclean");
        let from = milliseconds(start["from"].as_str().unwrap());
        let sessions = sessions(&lines, host.port);
        // The same login is found open by the next daemon, which has a session of its own for it.
        let is_whole = |lines: &&Vec<Value>| lines[0]["recorded_since"].is_null();
        let of_round = sessions.iter().rfind(is_whole).unwrap();
        let recorded = of_kind(of_round, "session.command");
        let numbers = recorded
            .iter()
            .filter(|line| line["path"] == "/bin/true")
            .map(|line| line["argv"][0].as_str().unwrap().parse::<usize>().unwrap());
        let numbers: Vec<_> = numbers.collect();
        let count = numbers.len();
        assert_eq!(numbers, (1..=count).collect::<Vec<_>>(), "round {round}");
        // The one after the first that is missing began after it.
        if let Some(noted) = noted().lines().nth(count + 1) {
            let noted = (noted.parse::<f64>().unwrap() * 1000.0) as i64;
            assert!(noted >= from, "round {round}: {noted} and {start}");
        }
        assert!(count > 0, "round {round}");
    }
    Ok(())
}

/// Up to when everything is on the disk. Milliseconds since 1970-01-01 UTC.
fn last_seen(folder: &Path) -> i64 {
    let seen = fs::metadata(folder.join("last_seen")).unwrap();
    seen.mtime() * 1000 + seen.mtime_nsec() / 1_000_000
}

fn milliseconds(time: &str) -> i64 {
    recorderd::log::instant(time).unwrap()
}

/// Runs commands as a session while something happens to the daemon.
fn during(count: usize, config: &str, happens: impl Fn(&Host)) -> (Host, Vec<Value>) {
    let host = Host::with("", config);
    let mut login = host.login(ONE, &commands(count));
    let folder = host.folder.path();
    patiently("some commands", || {
        (of_kind(&log(folder), "session.command").len() > 50).then_some(())
    });
    happens(&host);
    assert!(login.child.wait().unwrap().success());
    let lines = ended(folder, host.port, 1).remove(0);
    (host, lines)
}

/// The rings hold what happens meanwhile.
fn stopped_under_load() -> Outcome {
    let (_host, lines) = during(3000, "", |host| {
        host.daemon.signal(libc::SIGSTOP);
        std::thread::sleep(std::time::Duration::from_secs(3));
        host.daemon.signal(libc::SIGCONT);
    });
    for family in ["command", "process_exit"] {
        assert_eq!(totals(&lines, family), (3000, 0), "{family}");
    }
    Ok(())
}

/// However often.
fn hangup_under_load() -> Outcome {
    let (_host, lines) = during(3000, "", |host| {
        for _ in 0..100 {
            host.daemon.signal(libc::SIGHUP);
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    });
    for family in ["command", "process_exit"] {
        assert_eq!(totals(&lines, family), (3000, 0), "{family}");
    }
    Ok(())
}

/// All files together, in the order of their names, are the log.
fn a_thousand_rotations() -> Outcome {
    let folder = Folder::within(Path::new("/dev/shm"));
    let daemon = start_daemon(folder.path(), "log_file_size: 4096");
    let host = Host::serve(folder, daemon, "");
    host.ssh(ONE, &opens(10_000));
    let folder = host.folder.path();
    let lines = ended(folder, host.port, 1).remove(0);
    assert!(totals(&lines, "disk").0 > 10_000 && totals(&lines, "disk").1 == 0);
    let files = files(folder);
    assert!(files.len() > 1000, "{}", files.len());
    for text in files.iter().map(|file| fs::read_to_string(file).unwrap()) {
        // A line that is longer has a file of its own.
        assert!(text.len() <= 4096 || text.lines().count() == 1, "{text}");
    }
    let link = files[0].with_file_name("events.log");
    assert_eq!(link.canonicalize().unwrap(), *files.last().unwrap());
    Ok(())
}

/// Nothing has happened yet.
fn the_first_status() -> Outcome {
    let host = Host::start();
    let mut line = log(host.folder.path()).remove(0);
    for key in [
        "uid",
        "time",
        "server_id",
        "server_hostname",
        "server_version",
    ] {
        line.as_object_mut().unwrap().shift_remove(key).unwrap();
    }
    let none: serde_json::Map<_, _> = FAMILIES[1..]
        .iter()
        .map(|family| ((*family).to_owned(), json!(0)))
        .collect();
    let expected = json!({
        "ei": 0, "event": "recorder.status", "code": "R2002I", "namespace": "default",
        "reason": "start", "sessions": 0, "events": none, "losses": {},
        "logins_not_recorded": 0, "processes_not_recorded": 0, "hook_missed": {},
        "malformed_records": 0, "lines_given_up": 0, "bytes_written": 0,
        "ring_fill": {"session": 0, "command": 0, "disk": 0, "network": 0},
    });
    assert_eq!(line, expected);
    Ok(())
}
