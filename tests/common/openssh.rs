//! The OpenSSH servers that tests log in to: the distribution's and the newest one, listening or started
//! for each connection.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::{Arc, LazyLock, OnceLock};
use std::thread;

use libtest_mimic::Trial;

use super::{Folder, Host, Outcome, PYTHON, Process, printed, titled};

/// Where tests/openssh/fetch puts the newest one.
const CACHE: &str = "recorderd/openssh/newest";

/// A server's version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Openssh {
    Distribution,
    Newest,
}

/// How connections get to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// It listens.
    Port,
    /// `sshd -i` is started for each, as by inetd or a socket unit with `Accept=yes`.
    EachAtPort,
    /// By a local socket.
    EachAtSocket,
}

/// What is logged in to.
#[derive(Clone, Copy, Debug)]
pub struct Server<'a> {
    pub openssh: Openssh,
    pub door: Door,
    /// Lines for /etc/passwd that it and nobody else knows, as accounts of a directory are.
    pub accounts: &'a str,
}

/// Has ssh talk by the socket that it is given, as ssh asks with `ProxyUseFdpass`.
const CONNECT: &str = "import socket, sys
to = socket.socket(socket.AF_UNIX)
to.connect(sys.argv[1])
socket.send_fds(socket.socket(fileno=1), [b'.'], [to.fileno()])
";

/// Options by which a client gets to a server at the local socket in `folder`.
pub(super) fn by_socket(folder: &Path) -> [String; 2] {
    let script = folder.join("connect.py");
    fs::write(&script, CONNECT).unwrap();
    let [script, socket] = [script, folder.join("socket")];
    let command = format!("{PYTHON} {} {}", script.display(), socket.display());
    [
        format!("ProxyCommand={command}"),
        "ProxyUseFdpass=yes".into(),
    ]
}

impl Server<'_> {
    pub const USUAL: Self = Self::of(Openssh::Distribution);

    pub const fn of(openssh: Openssh) -> Self {
        Self {
            openssh,
            door: Door::Port,
            accounts: "",
        }
    }
}

impl Openssh {
    pub const ALL: [Self; 2] = [Self::Distribution, Self::Newest];

    /// Its folder, where it is not the distribution's; an error if it can't be had here.
    fn folder(self) -> Result<Option<PathBuf>, PathBuf> {
        if self == Self::Distribution {
            return Ok(None);
        }
        let variable = |name| std::env::var_os(name).map(PathBuf::from);
        let folder = match (variable("RECORDERD_OPENSSH"), variable("XDG_CACHE_HOME")) {
            (Some(folder), _) => folder.join("newest"),
            (None, Some(cache)) => cache.join(CACHE),
            (None, None) => variable("HOME")
                .unwrap_or_default()
                .join(".cache")
                .join(CACHE),
        };
        match folder.join("version").exists() {
            true => Ok(Some(folder)),
            false => Err(folder),
        }
    }

    fn is_there(self) -> bool {
        self.folder().is_ok()
    }

    pub fn sshd(self) -> PathBuf {
        match self.folder().unwrap() {
            Some(folder) => folder.join("sshd"),
            None => "/usr/sbin/sshd".into(),
        }
    }

    /// The name of the process that serves a connection.
    pub fn process(self) -> &'static str {
        match self {
            Self::Distribution => "sshd",
            Self::Newest => "sshd-session",
        }
    }

    /// What a test with it is called; that it can't be had here is said.
    fn title(self, test: &str) -> String {
        let title = match self {
            Self::Distribution => test.to_owned(),
            Self::Newest => format!("{test}, newest OpenSSH"),
        };
        if !self.is_there() {
            println!("skipped: {title}: needs what tests/openssh/fetch fetches");
        }
        title
    }

    /// Lines of its config that say where its parts are.
    fn parts(self) -> String {
        self.folder().unwrap().map_or_else(String::new, |folder| {
            let folder = folder.display();
            format!("SshdSessionPath {folder}/sshd-session\nSshdAuthPath {folder}/sshd-auth\n")
        })
    }
}

/// What a test is called, and what it does with a server.
pub type TestOfEach = (&'static str, fn(Openssh) -> Outcome);

/// Each test with both servers. Those with one that can't be had here count as ignored.
pub fn tests_of_each(module: &str, tests: &[TestOfEach]) -> Vec<Trial> {
    let both = tests
        .iter()
        .flat_map(|test| Openssh::ALL.map(|openssh| (*test, openssh)));
    let trial = |((name, test), openssh): (TestOfEach, Openssh)| {
        let title = titled(module, &openssh.title(name));
        super::trial_of(title, move || test(openssh)).with_ignored_flag(!openssh.is_there())
    };
    both.map(trial).collect()
}

/// What a test is called, and what it does on a host with a server.
pub type TestOnEach = (&'static str, fn(&Host, Openssh) -> Outcome);

/// Tests that share a host of each server, with sessions of their own.
pub fn tests_on_each(module: &str, start: fn(Openssh) -> Host, tests: &[TestOnEach]) -> Vec<Trial> {
    let trials = Openssh::ALL.into_iter().flat_map(|openssh| {
        let host = Arc::new(OnceLock::new());
        let trials = tests.iter().map(move |(name, test)| {
            let (host, test) = (host.clone(), *test);
            let act = move || test(host.get_or_init(|| start(openssh)), openssh);
            let title = titled(module, &openssh.title(name));
            super::trial_of(title, act).with_ignored_flag(!openssh.is_there())
        });
        trials.collect::<Vec<_>>()
    });
    trials.collect()
}

/// The keys of servers and of their clients, and the public parts. To make them takes as long as a login.
static KEYS: LazyLock<Vec<(String, Vec<u8>)>> = LazyLock::new(|| {
    let folder = Folder::new();
    let made = ["key", "host_key"].map(|name| {
        let path = folder.path().join(name);
        let mut keygen = Command::new("ssh-keygen");
        printed(
            keygen
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(path),
        );
        [name.to_owned(), format!("{name}.pub")]
    });
    let read = |name: String| {
        let text = fs::read(folder.path().join(&name)).unwrap();
        (name, text)
    };
    made.into_iter().flatten().map(read).collect()
});

/// A server at work.
pub struct Sshd {
    /// 0 where it is at a local socket.
    pub port: u16,
    /// Listens; else each is started by a thread that ends with the test.
    _process: Option<Process>,
}

impl Server<'_> {
    /// Starts it with keys and a config in `folder`, which begins with these lines: what comes first counts.
    pub(super) fn start(&self, folder: &Path, more: &str) -> Sshd {
        for (name, text) in KEYS.iter() {
            // The server reads the public part as the account.
            let mode = if name.ends_with(".pub") { 0o644 } else { 0o600 };
            let mut open = OpenOptions::new();
            open.create_new(true).write(true).mode(mode);
            let mut file = open.open(folder.join(name)).unwrap();
            file.write_all(text).unwrap();
        }
        fs::create_dir_all("/run/sshd").unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        self.configure(folder, more, port);
        match self.door {
            Door::Port => {
                drop(listener);
                let mut sshd = Process::spawn(self.command(folder).arg("-D").stdin(Stdio::null()));
                sshd.wait_for("Server listening");
                return Sshd {
                    port,
                    _process: Some(sshd),
                };
            }
            Door::EachAtPort => self.serve_each(folder, move || {
                listener.accept().map(|(stream, _)| stream.into())
            }),
            Door::EachAtSocket => {
                let listener = UnixListener::bind(folder.join("socket")).unwrap();
                self.serve_each(folder, move || {
                    listener.accept().map(|(stream, _)| stream.into())
                });
            }
        }
        Sshd {
            port: if self.door == Door::EachAtPort {
                port
            } else {
                0
            },
            _process: None,
        }
    }

    fn configure(&self, folder: &Path, more: &str, port: u16) {
        let parts = self.openssh.parts();
        // sshd refuses a second line for a subsystem.
        let subsystem = match more.contains("Subsystem sftp") {
            true => "",
            false => "Subsystem sftp /usr/lib/openssh/sftp-server",
        };
        let path = folder.join("sshd_config");
        let folder = folder.display();
        // What comes first counts, so a test's lines come before the usual ones; but what is behind a
        // Match is only for whom that matches.
        let (first, last) = more.split_at(more.find("Match ").unwrap_or(more.len()));
        let config = format!(
            "{first}\n\
             {parts}\
             Port {port}\n\
             ListenAddress 127.0.0.1\n\
             HostKey {folder}/host_key\n\
             AuthorizedKeysFile {folder}/key.pub\n\
             StrictModes no\n\
             UsePAM yes\n\
             PermitRootLogin yes\n\
             PidFile none\n\
             {subsystem}\n\
             {last}\n"
        );
        fs::write(path, config).unwrap();
    }

    /// With its config, and in a mount namespace of its own where it knows accounts of its own.
    fn command(&self, folder: &Path) -> Command {
        let sshd = self.openssh.sshd();
        let config = folder.join("sshd_config");
        let mut command = if self.accounts.is_empty() {
            Command::new(sshd)
        } else {
            for (name, more) in [
                ("passwd", self.accounts.to_owned()),
                ("shadow", self.shadow()),
            ] {
                let known = fs::read_to_string(Path::new("/etc").join(name)).unwrap();
                fs::write(folder.join(name), known + &more).unwrap();
            }
            let script = "for name in passwd shadow; do mount --bind $0/$name /etc/$name || exit; done; exec \"$@\"";
            let mut command = Command::new("unshare");
            command.args(["--mount", "sh", "-c", script]).arg(folder);
            command.arg(sshd);
            command
        };
        command.arg("-e").arg("-f").arg(config);
        command
    }

    /// Accounts without a password, that are not locked.
    fn shadow(&self) -> String {
        let names = self
            .accounts
            .lines()
            .filter_map(|line| line.split(':').next());
        names
            .map(|name| format!("{name}:*:19000:0:99999:7:::\n"))
            .collect()
    }

    fn serve_each(&self, folder: &Path, accept: impl Fn() -> io::Result<OwnedFd> + Send + 'static) {
        let mut command = self.command(folder);
        command.arg("-i");
        let words: Vec<_> = [command.get_program()]
            .into_iter()
            .chain(command.get_args())
            .map(OsStr::to_owned)
            .collect();
        let errors = File::create(folder.join("sshd.log")).unwrap();
        thread::spawn(move || {
            while let Ok(stream) = accept() {
                // Goes at once, and with it our end of the connection. Its environment is as bare as a
                // service's.
                let mut command = Command::new(&words[0]);
                command.env_clear();
                command
                    .args(&words[1..])
                    .stdin(stream.try_clone().unwrap())
                    .stdout(stream);
                let sshd = command.stderr(errors.try_clone().unwrap()).spawn();
                thread::spawn(move || sshd.unwrap().wait());
            }
        });
    }
}
