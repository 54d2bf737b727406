//! A session that makes more events than can be taken: what `overload` says becomes of it.

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::common::log::{commands, totals};
use crate::common::{
    self, Host, ONE, Outcome, PYTHON, Process, TWO, cgroup, of_kind, patiently, schema,
    start_daemon,
};
use libtest_mimic::Trial;
use serde_json::Value;

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    common::tests(
        module_path!(),
        &[
            ("opens, connects and commands", all_kinds),
            ("held, and others not", others_go_on),
            ("more processes than there is room", many_processes),
            ("who is stopped can be killed", stopped_and_killed),
            ("who is frozen can be killed", frozen_and_killed),
            (
                "who is stopped goes on without the daemon",
                stopped_and_left,
            ),
            ("who is frozen goes on without the daemon", frozen_and_left),
            (
                "who is frozen goes on with the next daemon",
                frozen_and_found,
            ),
            ("nobody is held without the guard", unguarded),
            ("a guard that was stopped goes on", guard_stopped),
        ],
    )
}

/// So small that whoever fills them is stopped before the daemon can freeze its session.
pub const SMALL: &str = "overload: throttle\n\
                     command_buffer_size: 8\ndisk_buffer_size: 8\nnetwork_buffer_size: 8";

/// So large that the daemon has frozen its session before.
const LARGE: &str = "overload: throttle\ndisk_buffer_size: 2048";

/// Bursts of opens, each of which fills a small ring, or more than a quarter of a large one.
const SMALL_BURSTS: &str = "1000 0 0 endless";
const LARGE_BURSTS: &str = "8000 0 0 endless";

/// As long as `WORK` sleeps.
const BETWEEN_BURSTS: Duration = Duration::from_millis(200);

/// Does so many opens, connects and commands in each of two processes; begins once it has a line to
/// read, and with `endless` does it again and again until there is a file `enough`.
const WORK: &str = r#"
import os, socket, sys, time
folder, port = sys.argv[1], int(sys.argv[2])
opens, connects, commands = (int(count) for count in sys.argv[3:6])
def work():
    for _ in range(opens):
        os.close(os.open(folder + "/file", os.O_RDONLY))
    for _ in range(connects):
        with socket.socket() as client:
            assert client.connect_ex(("127.0.0.1", port))
    for _ in range(commands):
        os.waitpid(os.posix_spawn("/bin/busybox", ["true"], {}), 0)
sys.stdin.readline()
for _ in range(2):
    if not os.fork():
        work()
        while sys.argv[6:] and not os.path.exists(folder + "/enough"):
            time.sleep(0.2)
            work()
        os._exit(0)
assert os.wait()[1] == os.wait()[1] == 0
"#;

/// A host on which sessions are held, and what makes one noisy.
struct Noise {
    host: Host,
    folder: PathBuf,
    refusing: TcpListener,
}

impl Noise {
    fn new(config: &str) -> Self {
        let host = Host::with("", config);
        let folder = host.folder.shared();
        fs::write(folder.join("file"), "").unwrap();
        fs::write(folder.join("work"), WORK).unwrap();
        // As long as it is there, nobody else gets the port that was its own.
        let refusing = TcpListener::bind("127.0.0.1:0").unwrap();
        // SAFETY: our own socket; it is bound, and does not listen any more.
        unsafe { libc::shutdown(std::os::fd::AsRawFd::as_raw_fd(&refusing), libc::SHUT_RDWR) };
        Self {
            host,
            folder,
            refusing,
        }
    }

    /// A session that does `work` as soon as it is recorded.
    fn begin(&self, work: &str) -> Process {
        let local = format!(r#""addr.local":"127.0.0.1:{}""#, self.host.port);
        let sessions = || self.host.text().matches(&local).count();
        let before = sessions();
        let port = self.refusing.local_addr().unwrap().port();
        let folder = self.folder.display();
        let command = format!("exec {PYTHON} -I {folder}/work {folder} {port} {work}");
        let mut login = self.host.login(ONE, &command);
        patiently("a session", || (sessions() > before).then_some(()));
        login.child.stdin.take().unwrap().write_all(b"\n").unwrap();
        login
    }

    /// What is told of the first session so far, but for its opens.
    fn told(&self) -> Vec<Value> {
        let text = self.host.text();
        let local = format!(r#""addr.local":"127.0.0.1:{}""#, self.host.port);
        let start = text.lines().find(|line| line.contains(&local)).unwrap();
        let sid = schema::check(start)["sid"].to_string();
        let is_told = |line: &&str| line.contains(&sid) && !line.contains(r#""session.disk""#);
        text.lines().filter(is_told).map(schema::check).collect()
    }

    /// The processes that make the noise.
    fn processes(&self) -> Vec<i32> {
        let script = self.script();
        processes(|arguments| arguments.split(|byte| *byte == 0).any(|it| it == script))
    }

    fn script(&self) -> Vec<u8> {
        self.folder.join("work").into_os_string().into_vec()
    }

    fn kill(&self) {
        self.processes().into_iter().for_each(kill);
        patiently("the end of all of them", || {
            self.processes().is_empty().then_some(())
        });
    }

    /// Stops the daemon.
    fn pause(&self) {
        self.host.daemon.signal(libc::SIGSTOP);
        let daemon = self.host.daemon.child.id() as i32;
        patiently("a daemon that is stopped", || {
            is_stopped(daemon).then_some(())
        });
    }

    /// Stops the daemon, and waits until the noise is stopped for want of room.
    fn stop(&self) {
        self.pause();
        patiently("a process that is stopped", || {
            self.is_stopped().then_some(())
        });
    }

    /// Whether a process is stopped: one of them, or the shell that begins them.
    fn is_stopped(&self) -> bool {
        let script = self.script();
        let named = processes(|it| it.windows(script.len()).any(|part| part == script));
        named.into_iter().any(is_stopped)
    }

    /// Stops the daemon while the first session is frozen; returns what tells whether it is.
    fn freeze(&self) -> impl Fn() -> bool + use<> {
        let sid = self.told()[0]["sid"].clone();
        let cgroup = cgroup().join("recorderd").join(sid.as_str().unwrap());
        let is_frozen = move || {
            let events = fs::read_to_string(cgroup.join("cgroup.events"));
            events.is_ok_and(|events| events.contains("frozen 1"))
        };
        let mut pause = BETWEEN_BURSTS;
        patiently("a session that is frozen", || {
            // It is frozen as soon as the daemon sees what it has done meanwhile: a burst or two, for which
            // a slow machine takes longer.
            self.pause();
            std::thread::sleep(pause);
            pause += BETWEEN_BURSTS / 2;
            self.host.daemon.signal(libc::SIGCONT);
            (0..10_000).any(|_| is_frozen()).then_some(())?;
            self.pause();
            if !is_frozen() || self.is_stopped() {
                pause = BETWEEN_BURSTS;
                self.host.daemon.signal(libc::SIGCONT);
                return None;
            }
            Some(())
        });
        is_frozen
    }

    /// Has the endless noise come to its end.
    fn is_enough(&self, login: &mut Process) {
        fs::write(self.folder.join("enough"), "").unwrap();
        let status = login.child.wait().unwrap();
        assert!(status.success(), "{:?}", login.errors());
    }
}

/// The processes whose arguments are those that are meant.
pub fn processes(is_meant: impl Fn(&[u8]) -> bool) -> Vec<i32> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let meant = processes.filter_map(|process| {
        let arguments = fs::read(process.path().join("cmdline")).ok()?;
        let pid = process.file_name().to_str()?.parse().ok()?;
        is_meant(&arguments).then_some(pid)
    });
    meant.collect()
}

/// Whether a signal has stopped a process.
pub fn is_stopped(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| rest.starts_with('T'))
}

fn kill(pid: i32) {
    // SAFETY: takes numbers; processes of these tests.
    unsafe { libc::kill(pid, libc::SIGKILL) };
}

/// The process that lets go of who is held when the daemon is gone.
pub fn guard(host: &Host) -> i32 {
    let of_daemon = format!(" {} ", host.daemon.child.id());
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let mut guards = processes.filter_map(|process| {
        let stat = fs::read_to_string(process.path().join("stat")).ok()?;
        // The parent follows the name and the state.
        let (_, rest) = stat.split_once("(recorderd-guard) ")?;
        rest[1..].starts_with(&of_daemon).then_some(())?;
        process.file_name().to_str()?.parse().ok()
    });
    guards.next().expect("a guard")
}

/// How often a session was held, as far as that is told.
fn held(lines: &[Value]) -> u64 {
    let held = of_kind(lines, "session.throttled");
    for line in &held {
        assert!(line["from"].as_str() <= line["to"].as_str(), "{line}");
        assert!(line["throttled_us"].as_u64() > Some(0), "{line}");
    }
    held.iter()
        .map(|line| line["count"].as_u64().unwrap())
        .sum()
}

fn has_lost_nothing(lines: &[Value]) {
    for (family, lost) in lines.last().unwrap()["losses"].as_object().unwrap() {
        assert_eq!(*lost, 0, "{family}");
    }
}

/// Two processes at full speed, and rings that have no room for more than a few dozen records: each is there,
/// once.
fn all_kinds() -> Outcome {
    const WORK: [(&str, u64); 5] = [
        ("disk", 8000),
        ("network", 2000),
        ("network_result", 2000),
        ("command", 200),
        ("process_exit", 200),
    ];
    let noise = Noise::new(SMALL);
    for work in ["0 0 0", "4000 1000 100"] {
        assert!(noise.begin(work).child.wait()?.success());
    }
    let sessions = noise.host.sessions(2);
    for (family, made) in WORK {
        let [nothing, all] = [0, 1].map(|index| totals(&sessions[index], family));
        assert_eq!((all.0 - nothing.0, all.1), (made, 0), "{family}");
    }
    has_lost_nothing(&sessions[1]);
    assert!(held(&sessions[1]) > 0, "never held");
    Ok(())
}

/// A session beside one that is held does what it wants.
fn others_go_on() -> Outcome {
    const COUNT: usize = 500;
    let noise = Noise::new(SMALL);
    let mut noisy = noise.begin("200 20 2 endless");
    patiently("a session that is held", || {
        (held(&noise.told()) > 0).then_some(())
    });
    noise.host.ssh(TWO, &commands(COUNT));
    assert!(noisy.child.try_wait()?.is_none(), "the noise is over");
    noise.is_enough(&mut noisy);
    let sessions = noise.host.sessions(2);
    let [noisy, quiet] = [ONE, TWO].map(|login| {
        let mut found = sessions.iter().filter(|lines| lines[0]["login"] == login);
        found.next().unwrap()
    });
    has_lost_nothing(quiet);
    assert_eq!(totals(quiet, "command"), (COUNT as u64, 0));
    has_lost_nothing(noisy);
    let [begin, end] = [&quiet[0], quiet.last().unwrap()].map(|line| line["time"].as_str());
    let meanwhile = |line: &&&Value| line["from"].as_str() <= end && line["to"].as_str() >= begin;
    let held = of_kind(noisy, "session.throttled");
    assert!(
        held.iter().filter(meanwhile).count() > 0,
        "not held meanwhile: {held:#?}"
    );
    Ok(())
}

/// More processes at once than the ring has room for, each of them a command with files of its own,
/// while nobody reads.
fn many_processes() -> Outcome {
    const COUNT: u64 = 200;
    let noise = Noise::new(SMALL);
    // By its arguments it is found among the processes.
    let program = format!("/bin/true {}/work", noise.folder.display());
    let script = format!("read; for ((i = 0; i < {COUNT}; i++)); do {program} & done; wait");
    let mut login = noise.host.login(ONE, &script);
    patiently("a session", || {
        (!noise.host.all_sessions().is_empty()).then_some(())
    });
    noise.pause();
    login.child.stdin.take().unwrap().write_all(b"\n")?;
    patiently("a process that is stopped", || {
        noise.is_stopped().then_some(())
    });
    noise.host.daemon.signal(libc::SIGCONT);
    assert!(login.child.wait()?.success());
    let lines = noise.host.sessions(1).remove(0);
    has_lost_nothing(&lines);
    assert_eq!(totals(&lines, "command"), (COUNT + 1, 0));
    assert!(held(&lines) > 0, "never held");
    Ok(())
}

/// A session that was ended while it was held: its log says so, and lacks nothing.
fn ends(noise: Noise, mut noisy: Process) -> Outcome {
    noise.kill();
    noise.host.daemon.signal(libc::SIGCONT);
    assert!(!noisy.child.wait()?.success());
    let lines = patiently("the end of the session", || {
        let lines = noise.told();
        (lines.last()?["event"] == "session.end").then_some(lines)
    });
    assert!(
        held(&lines) > 0,
        "not told: {:?}",
        of_kind(&lines, "session.throttled")
    );
    has_lost_nothing(&lines);
    assert_eq!(totals(&lines, "process_exit"), (1, 0));
    Ok(())
}

fn stopped_and_killed() -> Outcome {
    let noise = Noise::new(SMALL);
    let noisy = noise.begin(SMALL_BURSTS);
    noise.stop();
    ends(noise, noisy)
}

fn frozen_and_killed() -> Outcome {
    let noise = Noise::new(LARGE);
    let noisy = noise.begin(LARGE_BURSTS);
    let _ = noise.freeze();
    ends(noise, noisy)
}

/// A daemon that is killed leaves nobody held.
fn stopped_and_left() -> Outcome {
    let noise = Noise::new(SMALL);
    let mut noisy = noise.begin(SMALL_BURSTS);
    // A service manager that ends all of the daemon's cgroup does not end the guard.
    let cgroups = fs::read_to_string(format!("/proc/{}/cgroup", guard(&noise.host)))?;
    assert!(
        cgroups
            .lines()
            .any(|line| line.starts_with("0::") && line.ends_with("/recorderd")),
        "{cgroups}"
    );
    noise.stop();
    kill(noise.host.daemon.child.id() as i32);
    noise.is_enough(&mut noisy);
    Ok(())
}

fn frozen_and_left() -> Outcome {
    let noise = Noise::new(LARGE);
    let mut noisy = noise.begin(LARGE_BURSTS);
    let _ = noise.freeze();
    kill(noise.host.daemon.child.id() as i32);
    noise.is_enough(&mut noisy);
    Ok(())
}

/// Nor does the next daemon, if the guard was killed as well.
fn frozen_and_found() -> Outcome {
    let mut noise = Noise::new(LARGE);
    let mut noisy = noise.begin(LARGE_BURSTS);
    let is_frozen = noise.freeze();
    for pid in [guard(&noise.host), noise.host.daemon.child.id() as i32] {
        kill(pid);
    }
    noise.host.daemon.child.wait()?;
    assert!(is_frozen(), "somebody else has let go of it");
    noise.host.daemon = start_daemon(noise.host.folder.path(), LARGE).into();
    noise.is_enough(&mut noisy);
    Ok(())
}

/// Without a guard nobody could let go of who is held when the daemon is gone: the daemon says so, and counts
/// what is lost instead.
fn unguarded() -> Outcome {
    let mut noise = Noise::new(SMALL);
    let guard = guard(&noise.host);
    kill(guard);
    noise
        .host
        .daemon
        .wait_for("recorderd: overload: throttle: the throttle supervisor ended");
    assert!(noise.begin("0 0 0").child.wait()?.success());
    assert!(noise.begin("4000 0 0").child.wait()?.success());
    let sessions = noise.host.sessions(2);
    let [nothing, all] = [0, 1].map(|index| totals(&sessions[index], "disk"));
    assert_eq!(all.0 + all.1, nothing.0 + nothing.1 + 8000);
    assert_eq!(held(&sessions[0]) + held(&sessions[1]), 0);
    assert!(!Path::new(&format!("/proc/{guard}")).exists());
    Ok(())
}

/// It lets go of who is held when the daemon is gone, as if nothing had been
fn guard_stopped() -> Outcome {
    let noise = Noise::new(SMALL);
    let guard = guard(&noise.host);
    // SAFETY: takes numbers; a process of this test's.
    unsafe { libc::kill(guard, libc::SIGSTOP) };
    patiently("the guard to go on", || (!is_stopped(guard)).then_some(()));
    let mut noisy = noise.begin("4000 0 0");
    assert!(noisy.child.wait()?.success());
    let told = noise.host.sessions(1).remove(0);
    assert!(held(&told) > 0);
    let errors = noise.host.daemon.errors();
    assert!(
        !errors.iter().any(|line| line.contains("guard")),
        "{errors:?}"
    );
    Ok(())
}
