//! A host to log in to: the real sshd on loopback, and a daemon that records it.

// Each file of tests uses a part of this.
#![allow(dead_code, unused_imports)]

pub mod daemon;
pub mod golden;
pub mod lines;
pub mod log;
pub mod openssh;
pub mod random;
pub mod schema;
pub mod terminal;
pub mod volume;
pub mod ways;

use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Mutex, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;

pub use daemon::Daemon;
pub use lines::*;
pub use openssh::{Door, Openssh, Server, Sshd, TestOfEach, tests_of_each, tests_on_each};

/// What a test returns.
pub type Outcome = Result<(), Failed>;

/// What a test is called, and what it does.
pub type Test = (&'static str, fn() -> Outcome);

/// Accounts of the tests, made by tests/setup.
pub const ONE: &str = "recorded-one";
pub const TWO: &str = "recorded-two";

/// For what a shell can't do.
pub const PYTHON: &str = "/usr/bin/python3";

/// A test on a host that several tests share.
pub type TestOn = (&'static str, fn(&Host) -> Outcome);

/// How long anything that happens at once may take on a loaded machine: a minute, or $RECORDERD_PATIENCE seconds.
static PATIENCE: LazyLock<Duration> = LazyLock::new(|| {
    let seconds = std::env::var("RECORDERD_PATIENCE").map_or(60, |text| text.parse().unwrap());
    Duration::from_secs(seconds)
});

/// The tests of a file, of which `module` is the path.
pub fn tests(module: &str, tests: &[Test]) -> Vec<Trial> {
    tests_with(module, tests, |_| None)
}

/// Tests of which one counts as ignored if this host lacks what `lacks` says of its name.
pub fn tests_with(
    module: &str,
    tests: &[Test],
    lacks: impl Fn(&str) -> Option<&'static str>,
) -> Vec<Trial> {
    let trial = |(name, test): &Test| {
        let title = titled(module, name);
        let lacks = lacks(name);
        if let Some(lacks) = lacks {
            println!("skipped: {title}: needs {lacks}");
        }
        trial_of(title, *test).with_ignored_flag(lacks.is_some())
    };
    tests.iter().map(trial).collect()
}

/// Tests that share a host, each with sessions of its own. The host goes with the last of them.
pub fn tests_on(module: &str, start: fn() -> Host, tests: &[TestOn]) -> Vec<Trial> {
    let host = Arc::new(OnceLock::new());
    let trial = |(name, test): &TestOn| {
        let (host, test) = (host.clone(), *test);
        trial_of(titled(module, name), move || test(host.get_or_init(start)))
    };
    tests.iter().map(trial).collect()
}

/// How long each test took.
static TIMES: Mutex<Vec<(Duration, String)>> = Mutex::new(Vec::new());

/// A test whose time is kept.
pub fn trial_of(title: String, test: impl FnOnce() -> Outcome + Send + 'static) -> Trial {
    let name = title.clone();
    let run = move || {
        let start = Instant::now();
        let outcome = test();
        TIMES.lock().unwrap().push((start.elapsed(), name));
        outcome
    };
    Trial::test(title, run)
}

/// Prints the tests that took longest.
fn print_times() {
    let mut times = TIMES.lock().unwrap();
    times.sort_by(|one, other| other.cmp(one));
    for (time, name) in times.iter().take(20) {
        println!("{:6.1} s  {name}", time.as_secs_f64());
    }
}

/// A test is called by its file and its name.
fn titled(module: &str, name: &str) -> String {
    let (_, file) = module.split_once("::").unwrap();
    format!("{file}::{name}")
}

/// Runs tests one after the other: those that one of the words of the command line names, or all. Without root
/// they count as ignored.
pub fn run(trials: impl Iterator<Item = Trial>) -> ExitCode {
    let (options, words): (Vec<_>, Vec<_>) = std::env::args().partition(|it| it.starts_with('-'));
    let mut arguments = Arguments::from_iter(words.iter().take(1).chain(&options));
    let is_named = |trial: &Trial| {
        let is_of = |word: &String| match arguments.exact {
            true => trial.name() == word,
            false => trial.name().contains(word),
        };
        words.len() == 1 || words[1..].iter().any(is_of)
    };
    let trials: Vec<_> = trials.filter(is_named).collect();
    arguments.test_threads = Some(1);
    let root = is_root();
    if !root {
        println!("skipped: needs root");
    }
    let trials = trials.into_iter().map(|trial| {
        let ignored = !root || trial.has_ignored_flag();
        trial.with_ignored_flag(ignored)
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    Daemon::end_idle();
    print_times();
    conclusion.exit_code()
}

fn is_root() -> bool {
    // SAFETY: takes nothing, changes nothing.
    unsafe { libc::geteuid() == 0 }
}

/// The binary under test: $RECORDERD, else the one that cargo has just built. Who runs it is alone: a daemon that
/// earlier tests have shared ends.
pub fn binary() -> PathBuf {
    Daemon::end_idle();
    std::env::var_os("RECORDERD")
        .map_or_else(|| env!("CARGO_BIN_EXE_recorderd").into(), PathBuf::from)
}

/// A folder that goes with the test.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        Self::within(&std::env::temp_dir())
    }

    pub fn within(folder: &Path) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let path = loop {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let path = folder.join(format!("recorderd-test-{}-{count}", std::process::id()));
            match fs::create_dir(&path) {
                Ok(()) => break path,
                // A test that was killed had the same process id.
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => panic!("{}: {e}", path.display()),
            }
        };
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A folder in it in which every account may write.
    pub fn shared(&self) -> PathBuf {
        let shared = self.0.join("shared");
        fs::create_dir(&shared).unwrap();
        fs::set_permissions(&shared, fs::Permissions::from_mode(0o777)).unwrap();
        shared.canonicalize().unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What a daemon that was killed has left for the next one.
        if let Ok(id) = fs::read_to_string(self.0.join("host_uuid")) {
            for folder in ["/run/recorderd", "/dev/shm/recorderd"] {
                let _ = fs::remove_file(Path::new(folder).join(format!("{}.seal", id.trim())));
            }
        }
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A process that is ended with the test.
pub struct Process {
    pub child: Child,
    /// What it has written to standard error so far.
    errors: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
}

impl Process {
    pub fn spawn(command: &mut Command) -> Self {
        // SAFETY: asks the kernel to end the child with the test.
        unsafe {
            command.pre_exec(|| {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM);
                Ok(())
            });
        }
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let errors = Arc::new(Mutex::new(Vec::new()));
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let into = errors.clone();
        let reader = std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                into.lock().unwrap().push(line);
            }
        });
        Self {
            child,
            errors,
            reader: Some(reader),
        }
    }

    pub fn errors(&self) -> Vec<String> {
        self.errors.lock().unwrap().clone()
    }

    /// All that it has written to standard error, once it has ended.
    pub fn errors_at_end(&mut self) -> Vec<String> {
        self.child.wait().unwrap();
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        self.errors()
    }

    /// Waits for a line on standard error that begins so.
    pub fn wait_for(&mut self, beginning: &str) -> String {
        patiently(&format!("a line `{beginning}...` on stderr"), || {
            let errors = self.errors();
            let found = errors.iter().find(|line| line.starts_with(beginning));
            if found.is_none() {
                let ended = self.child.try_wait().unwrap();
                assert!(ended.is_none(), "ended early, {ended:?}: {errors:#?}");
            }
            found.cloned()
        })
    }

    /// What the kernel tells of each file that it has open.
    pub fn open_files(&self) -> impl Iterator<Item = String> {
        let folder = format!("/proc/{}/fdinfo", self.child.id());
        let files = fs::read_dir(folder).unwrap().flatten();
        files.filter_map(|file| fs::read_to_string(file.path()).ok())
    }

    pub fn signal(&self, signal: i32) {
        // SAFETY: our own child, not yet waited for.
        unsafe { libc::kill(self.child.id() as i32, signal) };
    }

    /// Asks it to stop, and returns its exit code.
    pub fn stop(&mut self) -> Option<i32> {
        self.signal(libc::SIGTERM);
        // A test may have stopped it.
        self.signal(libc::SIGCONT);
        self.child.wait().unwrap().code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            self.stop();
        }
    }
}

/// Asks until there is an answer.
pub fn patiently<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        // An answer can take long.
        let is_last = start.elapsed() >= *PATIENCE;
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(!is_last, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A server to log in to, and the daemon that records its sessions.
pub struct Host {
    /// 0 of one at a local socket.
    pub port: u16,
    pub daemon: Daemon,
    sshd: Option<Sshd>,
    /// Goes last: a daemon of the test's own would write to it again.
    pub folder: Folder,
}

impl Host {
    pub fn start() -> Self {
        Self::with("", "")
    }

    /// With a daemon that earlier tests have used and later ones will: for what does not change it, and does not
    /// look at its beginning or its end. The log is what the daemon has written since.
    pub fn shared() -> Self {
        Self::shared_by(&Server::USUAL, "", "")
    }

    /// With another server, and further lines for sshd's config and for ours.
    pub fn shared_by(server: &Server<'_>, sshd_config: &str, config: &str) -> Self {
        let daemon = Daemon::shared(config);
        Self::serve_by(server, Folder::new(), daemon, sshd_config)
    }

    /// With further lines for sshd's config and for ours.
    pub fn with(sshd_config: &str, config: &str) -> Self {
        Self::of(&Server::USUAL, sshd_config, config)
    }

    /// With another server.
    pub fn of(server: &Server<'_>, sshd_config: &str, config: &str) -> Self {
        let folder = Folder::new();
        let daemon = start_daemon(folder.path(), config);
        Self::serve_by(server, folder, daemon.into(), sshd_config)
    }

    /// With a daemon that keeps its log in `folder`.
    pub fn serve(folder: Folder, daemon: Process, sshd_config: &str) -> Self {
        Self::serve_by(&Server::USUAL, folder, daemon.into(), sshd_config)
    }

    fn serve_by(server: &Server<'_>, folder: Folder, daemon: Daemon, sshd_config: &str) -> Self {
        let sshd = server.start(folder.path(), sshd_config);
        Self {
            port: sshd.port,
            folder,
            daemon,
            sshd: Some(sshd),
        }
    }

    /// What a second daemon records of this server, with its log in `folder`.
    pub fn recorded_by(&self, folder: Folder, daemon: Process) -> Self {
        Self {
            folder,
            port: self.port,
            daemon: daemon.into(),
            sshd: None,
        }
    }

    /// A client command, with options that need no configuration: `ssh`, `scp` or `sftp`.
    pub fn client(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let port = if program == "ssh" { "-p" } else { "-P" };
        if self.port == 0 {
            let options = openssh::by_socket(self.folder.path());
            command.args(options.iter().flat_map(|option| ["-o", option]));
        }
        command
            .args(["-F", "none", port, &self.port.max(1).to_string()])
            .arg("-i")
            .arg(self.folder.path().join("key"));
        for option in [
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "LogLevel=ERROR",
            "IdentitiesOnly=yes",
            "BatchMode=yes",
        ] {
            command.args(["-o", option]);
        }
        command.stdin(Stdio::null());
        command
    }

    /// Runs a command over ssh; returns what it printed.
    pub fn ssh(&self, user: &str, command: &str) -> String {
        let output = self
            .client("ssh")
            .arg(format!("{user}@127.0.0.1"))
            .arg(command)
            .output()
            .unwrap();
        assert!(output.status.success(), "ssh {command}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Starts a command over ssh, to talk with it over its standard input and output.
    pub fn login(&self, user: &str, command: &str) -> Process {
        Process::spawn(
            self.client("ssh")
                .arg(format!("{user}@127.0.0.1"))
                .arg(command)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped()),
        )
    }

    /// The whole log so far, as it stands.
    pub fn text(&self) -> String {
        match self.daemon.log() {
            Some((folder, before)) => log::text_from(folder, before),
            None => log::text(self.folder.path()),
        }
    }

    /// The log line by line, each held against the schema.
    pub fn log(&self) -> Vec<Value> {
        log::lines_of(&self.text())
    }

    /// Runs a command over ssh in a session of its own; returns the lines of that.
    pub fn did(&self, user: &str, command: &str) -> Vec<Value> {
        self.ssh(user, command);
        self.session(command)
    }

    /// Waits until the session whose shell was given this command has ended; returns its lines.
    pub fn session(&self, command: &str) -> Vec<Value> {
        self.session_at(self.port, command)
    }

    /// The session of a login at another port.
    pub fn session_at(&self, port: u16, command: &str) -> Vec<Value> {
        let local = format!(r#""addr.local":"127.0.0.1:{port}","#);
        let given = format!(r#""argv":["-c",{}]"#, Value::from(command));
        self.session_with(&local, &given)
    }

    /// Waits until a session has ended whose start holds one text, and any line the other; returns
    /// its lines.
    pub fn session_with(&self, start: &str, text: &str) -> Vec<Value> {
        patiently(&format!("the session of {text}"), || {
            let log = self.text();
            let mut found = log.lines().filter(|line| line.contains(text));
            found.find_map(|line| {
                let sid = format!(r#""sid":{}"#, schema::check(line)["sid"]);
                let lines: Vec<_> = log.lines().filter(|line| line.contains(&sid)).collect();
                let is_over = lines.last()?.contains(r#""event":"session.end""#);
                (is_over && lines[0].contains(start))
                    .then(|| lines.into_iter().map(schema::check).collect())
            })
        })
    }

    /// Waits until `count` sessions of this server have ended; returns the lines of each, in the
    /// order in which they began, each numbered from 0 without a gap, start first and end last.
    pub fn sessions(&self, count: usize) -> Vec<Vec<Value>> {
        patiently(&format!("{count} sessions"), || {
            // To check each line takes long.
            if log::count_ends(&self.text()) < count {
                return None;
            }
            let sessions = self.all_sessions();
            let ended = |lines: &&Vec<Value>| lines.last().unwrap()["event"] == "session.end";
            (sessions.iter().filter(ended).count() >= count).then_some(sessions)
        })
    }

    /// All sessions that are there now, without waiting.
    pub fn all_sessions(&self) -> Vec<Vec<Value>> {
        let mut sessions = log::by_session(self.log());
        let local = match self.port {
            0 => Value::Null,
            port => format!("127.0.0.1:{port}").into(),
        };
        sessions.retain(|lines| lines[0]["addr.local"] == local);
        for lines in &sessions {
            assert_eq!(lines[0]["event"], "session.start");
            for (index, line) in lines.iter().enumerate() {
                assert_eq!(line["ei"], index, "a gap before {line}");
                assert!(
                    line["event"] != "session.end" || index == lines.len() - 1,
                    "something after {line}"
                );
            }
        }
        sessions
    }
}

/// Starts a daemon that writes to `folder`, and waits until it is ready.
pub fn start_daemon(folder: &Path, config: &str) -> Process {
    let path = write_config(folder, config);
    let mut daemon = Process::spawn(
        Command::new(binary())
            .arg("--config")
            .arg(&path)
            .stdin(Stdio::null()),
    );
    daemon.wait_for("ready");
    daemon
}

/// Writes a config of the own form that keeps to `folder`, and returns its path.
pub fn write_config(folder: &Path, config: &str) -> PathBuf {
    let path = folder.join("config.yaml");
    let text = format!(
        "data_dir: {}\ncgroup_path: {}\n{config}\n",
        folder.display(),
        cgroup().display()
    );
    fs::write(&path, text).unwrap();
    path
}

/// Where cgroup2 is mounted already, so that tests mount nothing on the host.
pub fn cgroup() -> PathBuf {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    mounts
        .lines()
        .map(|line| line.split(' ').collect::<Vec<_>>())
        .find(|fields| fields[2] == "cgroup2")
        .map_or_else(|| "/cgroup2".into(), |fields| fields[1].into())
}

/// A port of loopback on which nobody listens.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// All that a process prints, once it has succeeded.
pub fn printed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Reads a stream to its end, as text.
pub fn text(mut stream: impl Read) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}
