//! As many sessions and processes at once as the kernel's tables hold, without loss; and beyond that
//! the count of what is missing. RECORDERD_SESSIONS says how many sessions, of ten processes each; with
//! 10000 of them the tables are filled up, too.

mod flood;
mod full;
mod shares;

use std::collections::HashSet;
use std::ffi::CString;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::common::{self, Host, ONE, Outcome, Process, TWO, patiently, printed, schema};
use libtest_mimic::Trial;
use memchr::memmem::find;
use serde_json::Value;

/// Sizes of the kernel's tables: docs/limitations.md.
const SESSIONS: usize = 16_384;
const PROCESSES: usize = 131_072;

/// Processes of each session.
const EACH: usize = 10;

/// So many sessions end at once, so that the rings have room for their ends.
const BATCH: usize = 100;

/// Does what this program's own arguments ask for, if they are of this file.
pub fn act(words: &[String]) -> bool {
    if let [word, numbers @ .., program] = words
        && word == "crowd"
    {
        let numbers: Vec<_> = numbers
            .iter()
            .map(|number| number.parse().unwrap())
            .collect();
        crowd(numbers.try_into().unwrap(), Path::new(program)).unwrap();
        return true;
    }
    match words {
        [word, folder] if word == "flood" => flood::flood(folder).unwrap(),
        [word, folder] if word == "quiet" => flood::quiet(folder).unwrap(),
        [word, count] if word == "accepts" => shares::accepts(count.parse().unwrap()).unwrap(),
        [word] if word == "accept" => shares::accept_two().unwrap(),
        [word, count, path] if word == "opens" => {
            shares::opens(count.parse().unwrap(), path).unwrap();
        }
        [word, left, ..] if word == "command" => flood::command(left.parse().unwrap()).unwrap(),
        [word, ..] if flood::PARTS.contains(&word.as_str()) => flood::run_part(words).unwrap(),
        _ => return false,
    }
    true
}

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    common::tests_with(
        module_path!(),
        &[
            ("a session that fills all there is", floods),
            ("many sessions and processes at once", many),
            ("a table of sessions that is full", full::sessions),
            ("a table of processes that is full", full::processes),
            ("a share of processes", shares::processes_refused),
            ("a share of jobs", shares::jobs),
            ("a share of units", shares::units),
            ("a share of accepts", shares::acceptors),
            ("a share of those that are held", shares::held),
            ("more sessions than there is room for", too_many_sessions),
            ("more processes than there is room for", too_many_processes),
        ],
        |name| {
            (name.starts_with("more") && wanted() < 10_000).then_some("RECORDERD_SESSIONS=10000")
        },
    )
}

fn wanted() -> usize {
    std::env::var("RECORDERD_SESSIONS").map_or(200, |count| count.parse().unwrap())
}

/// A program that waits for the end of its input, and has one page: of these a host has room for
/// very many.
fn write_waiter(path: &Path) {
    // read(0, sp, 1); exit(0)
    #[cfg(target_arch = "x86_64")]
    let (machine, code): (u16, &[u8]) = (
        62,
        b"\x31\xc0\x31\xff\x48\x89\xe6\xba\x01\0\0\0\x0f\x05\xb8\x3c\0\0\0\x31\xff\x0f\x05",
    );
    #[cfg(target_arch = "aarch64")]
    let (machine, code): (u16, &[u8]) = (
        183,
        b"\0\0\x80\xd2\xe1\x03\0\x91\x22\0\x80\xd2\xe8\x07\x80\xd2\x01\0\0\xd4\
          \0\0\x80\xd2\xa8\x0b\x80\xd2\x01\0\0\xd4",
    );
    const AT: u64 = 0x40_0000;
    let size = 120 + code.len() as u64;
    // Elf64_Ehdr and one Elf64_Phdr that is loaded, to be read and run: elf(5).
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0".to_vec();
    file.extend(machine.to_le_bytes());
    file.extend(1u32.to_le_bytes());
    file.extend([AT + 120, 64, 0].map(u64::to_le_bytes).concat());
    file.extend(0u32.to_le_bytes());
    file.extend([64u16, 56, 1, 0, 0, 0].map(u16::to_le_bytes).concat());
    file.extend([1u32, 5].map(u32::to_le_bytes).concat());
    file.extend(
        [0, AT, AT, size, size, 0x1000]
            .map(u64::to_le_bytes)
            .concat(),
    );
    file.extend(code);
    fs::write(path, file).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Makes sessions as sshd does, and has each run the program so many times; then ends a batch of them
/// for each byte of its input, and all at the end of that. Two accounts take turns, as one alone may
/// not have so many processes.
fn crowd([sessions, each, one, two]: [usize; 4], program: &Path) -> io::Result<()> {
    fs::write("/proc/self/comm", "sshd")?;
    let mut batches = Vec::new();
    for session in 0..sessions {
        if session % BATCH == 0 {
            batches.push(io::pipe()?);
        }
        let (input, _) = batches.last().unwrap();
        // SAFETY: this process has one thread.
        match unsafe { libc::fork() } {
            0 => {
                let done = login(
                    session,
                    each,
                    [one, two][session % 2],
                    program,
                    input.as_raw_fd(),
                );
                // SAFETY: ends the process at once.
                unsafe { libc::_exit(i32::from(done.is_err())) }
            }
            // SAFETY: our own child; where it goes wrong, what it should have run is missing.
            child => unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) },
        };
    }
    println!("there");
    for byte in io::stdin().lock().bytes() {
        byte?;
        batches.pop();
    }
    Ok(())
}

/// The monitor of one login, which stays until all that the user's side runs is at work.
fn login(session: usize, each: usize, uid: usize, program: &Path, input: i32) -> io::Result<()> {
    fs::write("/proc/self/loginuid", uid.to_string())?;
    let (mut at_work, user_side) = io::pipe()?;
    // SAFETY: this process has one thread.
    if unsafe { libc::fork() } != 0 {
        drop(user_side);
        at_work.read_to_end(&mut Vec::new())?;
        return Ok(());
    }
    let path = CString::new(program.as_os_str().as_bytes())?;
    let run = |number: usize| {
        let word = CString::new(format!("{session}-{number}")).unwrap();
        let argv = [path.as_ptr(), word.as_ptr(), std::ptr::null()];
        // SAFETY: strings that end in zero, and lists of them that end in a null pointer.
        unsafe { libc::execve(path.as_ptr(), argv.as_ptr(), argv[2..].as_ptr().cast()) };
    };
    // SAFETY: plain numbers.
    unsafe {
        let uid = uid as u32;
        libc::setresuid(uid, uid, uid);
        libc::dup2(input, 0);
    }
    // By its first act, still as sshd, the session is born.
    drop(File::open("/etc/passwd")?);
    for number in 1..each {
        // SAFETY: this process has one thread.
        match unsafe { libc::fork() } {
            0 => {
                run(number);
                return Err(io::Error::last_os_error());
            }
            -1 => return Err(io::Error::last_os_error()),
            _ => {}
        }
    }
    run(0);
    Err(io::Error::last_os_error())
}

/// What the log says of the sessions of a crowd, read once.
struct Log {
    lines: BufReader<File>,
    part: String,
    program: String,
    started: HashSet<String>,
    commands: HashSet<String>,
    lost: Vec<Value>,
    ends: Vec<Value>,
}

impl Log {
    fn of(host: &Host, program: &Path) -> Self {
        let folder = host.folder.path();
        let id = fs::read_to_string(folder.join("host_uuid")).unwrap();
        let path = folder.join("log").join(id.trim()).join("events.log");
        Self {
            lines: BufReader::new(File::open(path).unwrap()),
            part: String::new(),
            program: format!(r#""path":"{}","argv":[""#, program.display()),
            started: HashSet::new(),
            commands: HashSet::new(),
            lost: Vec::new(),
            ends: Vec::new(),
        }
    }

    /// Takes what has been written since.
    fn read(&mut self) {
        while self.lines.read_line(&mut self.part).unwrap() > 0 && self.part.ends_with('\n') {
            let line = std::mem::take(&mut self.part);
            let sid = || {
                schema::check(&line)["sid"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned()
            };
            if let Some((_, argv)) = line.split_once(&self.program) {
                assert!(self.commands.insert(argv.split('"').next().unwrap().into()));
                let (_, sid) = line.split_once(r#""sid":""#).unwrap();
                self.started.insert(sid.split('"').next().unwrap().into());
            } else if line.contains(r#""event":"session.lost""#) && self.started.contains(&sid()) {
                self.lost.push(schema::check(&line));
            } else if line.contains(r#""event":"session.end""#) && self.started.contains(&sid()) {
                self.ends.push(schema::check(&line));
            }
        }
    }
}

/// What stays as it is on the host, when the test is over.
struct PidMax(Option<String>);

impl PidMax {
    const PATH: &'static str = "/proc/sys/kernel/pid_max";

    /// Has the kernel give ids to at least so many processes.
    fn at_least(count: usize) -> Self {
        let before = fs::read_to_string(Self::PATH).unwrap();
        if before.trim().parse::<usize>().unwrap() >= count {
            return Self(None);
        }
        fs::write(Self::PATH, count.to_string()).unwrap();
        Self(Some(before))
    }
}

impl Drop for PidMax {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _ = fs::write(Self::PATH, before);
        }
    }
}

/// What is in the log once so many sessions of so many processes were there at once and have ended;
/// and what the recorder said of itself at last.
fn log_of(sessions: usize, each: usize) -> (Log, Value) {
    let mut host = Host::start();
    let program = host.folder.path().canonicalize().unwrap().join("waiter");
    write_waiter(&program);
    let mut log = Log::of(&host, &program);
    let _pid_max = PidMax::at_least(2 * sessions * each + 16_384);
    let [one, two] = [ONE, TWO].map(|login| printed(Command::new("id").args(["-u", login])));
    let numbers = [
        &sessions.to_string(),
        &each.to_string(),
        one.trim(),
        two.trim(),
    ];
    let mut crowd = Command::new(std::env::current_exe().unwrap());
    crowd.arg("crowd").args(numbers).arg(&program);
    let mut crowd = Process::spawn(crowd.stdin(Stdio::piped()).stdout(Stdio::piped()));
    let mut said = String::new();
    BufReader::new(crowd.child.stdout.take().unwrap())
        .read_line(&mut said)
        .unwrap();
    assert_eq!(said, "there\n", "{:?}", crowd.errors());
    patiently("the first command of the crowd", || {
        log.read();
        (!log.commands.is_empty()).then_some(())
    });
    let mut there = 0;
    // The daemon may be behind, and is so as long as more comes.
    while log.commands.len() > there {
        there = log.commands.len();
        std::thread::sleep(std::time::Duration::from_secs(5));
        log.read();
    }
    let mut input = crowd.child.stdin.take().unwrap();
    println!("{} sessions, {there} commands", log.started.len());
    let mut alive = sessions;
    while alive > 0 {
        input.write_all(b"x").unwrap();
        alive -= (alive - 1) % BATCH + 1;
        patiently("a batch of sessions to end", || {
            log.read();
            (log.ends.len() + alive >= log.started.len()).then_some(())
        });
    }
    drop(input);
    crowd.child.wait().unwrap();
    patiently("the last session to end", || {
        log.read();
        (log.ends.len() == log.started.len()).then_some(())
    });
    host.daemon.stop();
    let status = host.text();
    let status = status
        .lines()
        .rfind(|line| line.contains(r#""reason":"stop""#));
    (log, schema::check(status.unwrap()))
}

/// Holds every end against a session of which nothing is missing.
fn assert_whole(log: &Log, each: usize) {
    assert_eq!(log.lost, [Value::Null; 0]);
    for end in &log.ends {
        assert_eq!(end["events"]["command"], each, "{end}");
        let lost = end["losses"].as_object().unwrap().values();
        assert_eq!(lost.filter_map(Value::as_u64).sum::<u64>(), 0, "{end}");
    }
}

/// Each begins, runs its commands and ends, and nothing is lost
fn many() -> Outcome {
    let sessions = wanted();
    let (log, status) = log_of(sessions, EACH);
    assert_eq!(log.started.len(), sessions);
    assert_eq!(log.commands.len(), sessions * EACH);
    assert_whole(&log, EACH);
    assert_eq!(status["logins_dropped"], 0);
    assert_eq!(status["processes_dropped"], 0);
    Ok(())
}

/// Those that find no room are counted, and of the others nothing is missing
fn too_many_sessions() -> Outcome {
    let sessions = SESSIONS + 100;
    let (log, status) = log_of(sessions, 1);
    assert!(log.started.len() <= SESSIONS);
    assert_eq!(log.commands.len(), log.started.len());
    assert_whole(&log, 1);
    let refused = status["logins_dropped"].as_u64().unwrap() as usize;
    assert_eq!(log.started.len() + refused, sessions);
    Ok(())
}

/// What runs in a session for which there is no room is counted there
fn too_many_processes() -> Outcome {
    let (sessions, each) = (20, PROCESSES / 20 + 10);
    let (log, status) = log_of(sessions, each);
    assert_eq!(log.started.len(), sessions);
    let sum = |lines: &[Value], count: fn(&Value) -> &Value| {
        let counts = lines.iter().filter_map(|line| count(line).as_u64());
        counts.sum::<u64>() as usize
    };
    let lost = sum(&log.ends, |end| &end["losses"]["session"]);
    assert!(lost >= sessions * each - PROCESSES);
    assert_eq!(log.commands.len() + lost, sessions * each);
    let run = sum(&log.ends, |end| &end["events"]["command"]);
    assert_eq!(run, log.commands.len());
    let told: Vec<_> = log
        .lost
        .iter()
        .filter(|line| line["family"] == "session")
        .cloned()
        .collect();
    let causes = ["share_full", "table_full"].map(Value::from);
    assert!(told.iter().all(|line| causes.contains(&line["cause"])));
    assert_eq!(sum(&told, |line| &line["count"]), lost);
    assert!(status["processes_dropped"].as_u64().unwrap() as usize >= lost);
    Ok(())
}

/// So much memory the daemon takes at most, with its rings. Kilobytes.
const MEMORY: u64 = 96 * 1024;

/// What the recorder tells of itself at one moment.
fn metrics(host: &Host) -> String {
    let config = host.folder.path().join("config.yaml");
    let mut command = Command::new(common::binary());
    printed(command.args(["metrics", "--config"]).arg(config))
}

/// A number in it, by the beginning of its line.
fn number(metrics: &str, sample: &str) -> u64 {
    let value = metrics.lines().find_map(|line| line.strip_prefix(sample));
    value.expect(sample).trim().parse().unwrap()
}

/// Neither takes the daemon's memory or time, nor anything from who is beside it
fn floods() -> Outcome {
    let host = Host::start();
    let folder = host.folder.shared();
    let program = folder.join("program");
    fs::copy(std::env::current_exe()?, &program)?;
    fs::write(folder.join("file"), "")?;
    let (program, folder) = (program.display(), folder.display());
    let mut flood = host.login(ONE, &format!("{program} flood {folder}"));
    let mut said = String::new();
    BufReader::new(flood.child.stdout.take().unwrap()).read_line(&mut said)?;
    assert_eq!(said, "there\n", "{:?}", flood.errors());
    let quiet = host.did(TWO, &format!("{program} quiet {folder}"));
    drop(flood.child.stdin.take());
    assert!(flood.child.wait()?.success(), "{:?}", flood.errors());
    let tally = patiently("the end of the flood", || Tally::of(&host, ONE));
    println!("{tally:?}");

    let all = |kind: &str| common::of_kind(&quiet, kind);
    let end = all("session.end")[0];
    let lost = end["losses"].as_object().unwrap().values();
    assert_eq!(lost.filter_map(Value::as_u64).sum::<u64>(), 0, "{end}");
    let sends: Vec<_> = all("session.network_sends");
    assert_eq!(sends.len(), 1);
    assert_eq!(sends[0]["count"], flood::QUIET_SENDS - 1);
    assert_eq!(all("session.network_result").len(), flood::QUIET_CONNECTS);
    let by_ring = |line: &&&Value| line["via"] == "io_uring";
    let opens: Vec<_> = all("session.disk");
    let opens: Vec<_> = opens.iter().filter(by_ring).collect();
    assert_eq!(opens.len(), flood::QUIET_OPENS);
    let outcome_unknown = |line: &&&&Value| line.get("outcome_unknown").is_some();
    assert_eq!(opens.iter().filter(outcome_unknown).count(), 0, "{opens:?}");

    // And a socket that listens.
    let made = flood::PEERS + flood::NAMES + flood::CONNECTS + 1;
    assert_eq!(tally.written + tally.counted + tally.lost, u64::from(made));
    // A connect that is lost itself has none.
    let connects = u64::from(flood::CONNECTS);
    let may_lack = connects.saturating_sub(tally.ring_full)..=connects;
    assert!(may_lack.contains(&tally.results), "{tally:?}");
    let status = fs::read_to_string(format!("/proc/{}/status", host.daemon.child.id()))?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse::<u64>()?;
    println!("memory: {peak} kB");
    assert!(peak < MEMORY, "{peak} kB");
    // What is not made for speed takes several times as long. It has what a debugger needs.
    let is_for_debugging = find(&fs::read(common::binary())?, b".debug_info").is_some();
    let bound = if is_for_debugging { "1.0" } else { "0.05" };
    let rounds = "recorderd_round_cpu_seconds";
    // Asking takes a round as well.
    let metrics = metrics(&host);
    let short = number(&metrics, &format!("{rounds}_bucket{{le=\"{bound}\"}}"));
    let count = number(&metrics, &format!("{rounds}_count"));
    println!("rounds: {count}, of those within {bound} s: {short}");
    assert_eq!(short, count);
    Ok(())
}

/// What the log says of the network events of a session, read without keeping it.
#[derive(Debug, Default)]
struct Tally {
    /// Events of what was asked for.
    written: u64,
    /// Datagrams without an event of their own.
    counted: u64,
    lost: u64,
    /// Of those, for which the ring had no room.
    ring_full: u64,
    /// Results of connects, and results that are lost.
    results: u64,
}

impl Tally {
    /// Of the only session of an account, once it has ended.
    fn of(host: &Host, login: &str) -> Option<Self> {
        let mut tally = Self::default();
        let login = format!(r#""login":"{login}""#);
        let mut is_over = false;
        let file = common::log::files(host.folder.path()).pop().unwrap();
        for line in BufReader::new(File::open(file).unwrap()).lines() {
            let line = line.unwrap();
            if !line.contains(&login) {
                continue;
            }
            let event = line.split(r#""event":""#).nth(1).unwrap();
            let number = |key: &str| {
                let (_, rest) = line.split_once(&format!(r#""{key}":"#)).unwrap();
                rest.split([',', '}'])
                    .next()
                    .unwrap()
                    .parse::<u64>()
                    .unwrap()
            };
            match event.split('"').next().unwrap() {
                "session.network" | "session.local_send" => tally.written += 1,
                "session.network_sends" => tally.counted += number("count"),
                "session.lost" if line.contains(r#""family":"network","#) => {
                    tally.lost += number("count");
                    if line.contains(r#""cause":"ring_full""#) {
                        tally.ring_full += number("count");
                    }
                }
                "session.network_result" => tally.results += 1,
                "session.lost" if line.contains(r#""family":"network_result","#) => {
                    tally.results += number("count");
                }
                "session.end" => is_over = true,
                _ => {}
            }
        }
        is_over.then_some(tally)
    }
}
