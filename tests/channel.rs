//! The channels of an SSH connection: each shell, command and subsystem that sshd runs for a client
//! is told, whatever sshd does before, and a login is one also without any.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::common::terminal::Terminal;
use crate::common::ways::place;
use crate::common::{
    self, Host, ONE, Openssh, Outcome, Process, Server, channel, command, end, expected, free_port,
    network, of_kind, patiently, plain, plains, printed, start,
};
use libtest_mimic::Trial;
use serde_json::{Value, json};

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    common::tests_on_each(
        module_path!(),
        // Without a home, so that no startup file adds to what is run.
        |openssh| Host::shared_by(&Server::of(openssh), CONFIG, ""),
        &[
            ("a terminal behind a listening sshd", behind_a_listener),
            ("a terminal behind a command", second_with_terminal),
            ("a terminal that changes its size", resized),
            ("~/.ssh/rc", rc),
            ("X11", x11),
            ("a forced command", forced),
            ("a long forced command", forced_with_much),
            ("a request that the client has made up", made_up),
            ("a subsystem", subsystem),
            ("a subsystem of sshd's own", own_subsystem),
            ("nothing but a login", nothing),
            ("a local socket without a channel", local_socket),
            ("a connection without a channel", connection),
            ("a port without a channel", port),
            ("without PAM and without a channel", without_pam),
            ("an sshd for one connection", for_one_connection),
            ("commands left out", excluded),
            ("what sshd connects to by itself", own_connects),
        ],
    )
}

const CONFIG: &str = "SetEnv HOME=/nonexistent
X11Forwarding yes
AcceptEnv LC_*";

/// Both kinds of logins: sshd serves root's itself, and others' in a process of theirs.
const LOGINS: [&str; 2] = [ONE, "root"];

/// An ssh to an account, with options.
fn ssh(host: &Host, login: &str, options: &[&str]) -> Command {
    let mut command = host.client("ssh");
    command.args(options).arg(format!("{login}@127.0.0.1"));
    command
}

/// The session of this login in which `text` stands, once it has ended.
fn session(host: &Host, login: &str, text: &str) -> Vec<Value> {
    host.session_with(&format!(r#""login":"{login}""#), text)
}

/// sshd's own listen comes first, and then nothing for as long as the client likes
fn behind_a_listener(host: &Host, _: Openssh) -> Outcome {
    for login in LOGINS {
        let forward = format!("{}:127.0.0.1:1", free_port());
        let mut ssh = ssh(host, login, &["-tt", "-R", &forward]);
        let (mut terminal, mut client) = Terminal::of(&mut ssh, 97, 31);
        terminal.types("/bin/echo behind-$((1 + 1))", "behind-2");
        terminal.types("exit", "logout");
        client.child.wait()?;
        let lines = session(host, login, r#""argv":["behind-2"]"#);
        assert_eq!(plain(&lines[0]), start(login, r#""size":"97:31","#));
        let shell = r#""type":"shell","tty":"<tty>","size":"97:31""#;
        assert_eq!(
            plains(&lines, "session.channel"),
            [channel(login, "bash", 0, shell)]
        );
        assert_eq!(plain(lines.last().unwrap()), end(login, true, "", &lines));
        // The C library finds out by UDP which address comes first.
        let mut listens = of_kind(&lines, "session.network");
        listens.retain(|line| line["protocol"] == "tcp");
        let listens: Vec<_> = listens.iter().map(|line| &line["operation"]).collect();
        // On both versions of IP, where the host has both.
        assert!(listens.iter().all(|operation| **operation == 2) && !listens.is_empty());
    }
    Ok(())
}

/// A client that shares its connection with others, until it is dropped.
pub struct Master {
    process: Process,
    socket: String,
}

impl Master {
    pub fn new(host: &Host, login: &str, folder: &Path, words: &[&str]) -> Self {
        let socket = format!("ControlPath={}", folder.join(login).display());
        let mut command = ssh(host, login, &["-M", "-o", &socket]);
        command.args(words).stdin(Stdio::piped());
        let process = Process::spawn(command.stdout(Stdio::piped()));
        patiently("the master to listen", || {
            let mut asks = ssh(host, login, &["-O", "check", "-o", &socket]);
            asks.output().unwrap().status.success().then_some(())
        });
        Self { process, socket }
    }

    /// A client by its connection.
    pub fn client(&self, host: &Host, login: &str) -> Command {
        ssh(host, login, &["-o", &self.socket])
    }

    pub fn end(mut self) {
        drop(self.process.child.stdin.take());
        self.process.child.wait().unwrap();
    }
}

/// The first channel has no terminal, the second has
fn second_with_terminal(host: &Host, _: Openssh) -> Outcome {
    let folder = place(host, "second");
    for login in LOGINS {
        let script = format!("/bin/true {login}-first; read line");
        let master = Master::new(host, login, &folder, &[&script]);
        // Until then, it may not be the first.
        patiently("the first channel", || {
            host.text().contains(&script).then_some(())
        });
        let mut second = ssh(host, login, &["-tt", "-o", &master.socket]);
        let (mut terminal, mut client) = Terminal::of(&mut second, 61, 17);
        terminal.types("/bin/echo second-$((1 + 1))", "second-2");
        terminal.types("exit", "logout");
        client.child.wait()?;
        printed(ssh(host, login, &["-o", &master.socket]).arg("/bin/true third"));
        master.end();
        let lines = host.session(&script);
        let asked = format!(r#""initial_command":["{script}"],"#);
        assert_eq!(plain(&lines[0]), start(login, &asked));
        assert_eq!(
            plains(&lines, "session.channel"),
            [
                channel(
                    login,
                    "bash",
                    0,
                    &format!(r#""type":"exec","command":"{script}""#)
                ),
                channel(
                    login,
                    "bash",
                    1,
                    r#""type":"shell","tty":"<tty>","size":"61:17""#
                ),
                channel(
                    login,
                    "bash",
                    2,
                    r#""type":"exec","command":"/bin/true third""#
                ),
            ]
        );
        assert_eq!(
            plain(lines.last().unwrap()),
            end(login, true, &asked, &lines)
        );
    }
    Ok(())
}

/// Each change is told, of the terminal that it is of
fn resized(host: &Host, openssh: Openssh) -> Outcome {
    for (login, first) in LOGINS.into_iter().zip([101, 201]) {
        // No two of them are the same.
        let sizes = [(first, 33), (first + 1, 33), (first + 1, 34)];
        let (mut terminal, mut client) = Terminal::of(&mut ssh(host, login, &["-tt"]), 80, 25);
        terminal.types("/bin/echo begun-$((1 + 1))", "begun-2");
        for (columns, rows) in sizes {
            terminal.resize(columns, rows);
            patiently("the size to arrive", || {
                let size = format!(r#""size":"{columns}:{rows}""#);
                host.text().contains(&size).then_some(())
            });
        }
        terminal.types("/bin/echo resized-$((1 + 1))", "resized-2");
        terminal.types("exit", "logout");
        client.child.wait()?;
        let lines = session(host, login, r#""argv":["resized-2"]"#);
        let program = openssh.process();
        let resize = |(columns, rows): (u16, u16)| {
            expected(
                "session.resize",
                "R4014I",
                login,
                &format!(
                    r#""pid":"<pid>","cgroup_id":"<cgroup_id>","program":"{program}","audit_session_id":"<audit_session_id>","channel":0,"tty":"<tty>","size":"{columns}:{rows}""#
                ),
            )
        };
        assert_eq!(plains(&lines, "session.resize"), sizes.map(resize));
        assert_eq!(plain(&lines[0]), start(login, r#""size":"80:25","#));
        let channel = of_kind(&lines, "session.channel")[0];
        let resizes = of_kind(&lines, "session.resize");
        assert!(resizes.iter().all(|resize| resize["tty"] == channel["tty"]));
    }
    Ok(())
}

/// A file of root's or of an account's in place for the test.
struct InPlace {
    path: PathBuf,
    before: Option<Vec<u8>>,
}

impl InPlace {
    fn new(path: &Path, text: &str) -> Self {
        let before = fs::read(path).ok();
        fs::write(path, text).unwrap();
        Self {
            path: path.to_owned(),
            before,
        }
    }
}

impl Drop for InPlace {
    fn drop(&mut self) {
        let _ = match &self.before {
            Some(before) => fs::write(&self.path, before),
            None => fs::remove_file(&self.path),
        };
    }
}

/// It is run by `sh -c` before the channel's command, and is none itself
fn rc(host: &Host, _: Openssh) -> Outcome {
    // sshd has its own for the whole host, by the same way.
    let _rc = InPlace::new(Path::new("/etc/ssh/sshrc"), "/bin/true from-rc\n");
    for login in LOGINS {
        let script = format!("/bin/true {login}-behind-rc; :");
        let lines = host.did(login, &script);
        let asked = format!(r#""initial_command":["{script}"],"#);
        assert_eq!(plain(&lines[0]), start(login, &asked));
        assert_eq!(
            plains(&lines, "session.channel"),
            [channel(
                login,
                "bash",
                0,
                &format!(r#""type":"exec","command":"{script}""#)
            )]
        );
        let commands = plains(&lines, "session.command");
        let place = |line: &String| commands.iter().position(|found| found == line);
        let rc = place(&command(login, "true", "/bin/true", &["from-rc"])).unwrap();
        let shell = place(&command(login, "bash", "/bin/bash", &["-c", &script])).unwrap();
        assert!(rc < shell, "{commands:#?}");
        assert_eq!(
            plain(lines.last().unwrap()),
            end(login, false, &asked, &lines)
        );
    }
    Ok(())
}

/// sshd listens for X11 and runs xauth before the shell
fn x11(host: &Host, _: Openssh) -> Outcome {
    for login in LOGINS {
        let mut ssh = ssh(host, login, &["-tt", "-Y"]);
        ssh.env("DISPLAY", "127.0.0.1:77");
        let (mut terminal, mut client) = Terminal::of(&mut ssh, 73, 19);
        terminal.types("/bin/echo $DISPLAY x11-$((1 + 1))", "x11-2");
        terminal.types("exit", "logout");
        client.child.wait()?;
        let lines = session(host, login, r#""x11-2"]"#);
        assert_eq!(plain(&lines[0]), start(login, r#""size":"73:19","#));
        let commands = of_kind(&lines, "session.command");
        let ran = |path: &str| commands.iter().position(|line| line["path"] == path);
        assert!(ran("/usr/bin/xauth") < ran("/bin/bash"), "{commands:#?}");
        let shell = r#""type":"shell","tty":"<tty>","size":"73:19""#;
        assert_eq!(
            plains(&lines, "session.channel"),
            [channel(login, "bash", 0, shell)]
        );
        assert_eq!(plain(lines.last().unwrap()), end(login, true, "", &lines));
    }
    Ok(())
}

/// What the client asks for in place of what is run
fn forced(host: &Host, openssh: Openssh) -> Outcome {
    let forced = Second::new(
        host,
        openssh,
        "forced",
        "ForceCommand /bin/true forced\nUsePAM yes",
    );
    for login in LOGINS {
        forced.ssh(host, login, &["/bin/true 'asked  for' é"]);
        let lines = forced.session(host, login, r#""requested_command""#);
        let asked = r#""initial_command":["/bin/true forced"],"#;
        assert_eq!(plain(&lines[0]), start(login, asked));
        assert_eq!(
            plains(&lines, "session.channel"),
            [channel(
                login,
                "bash",
                0,
                r#""type":"exec","command":"/bin/true forced","requested_command":"/bin/true 'asked  for' é""#
            )]
        );
        assert_eq!(
            plain(lines.last().unwrap()),
            end(login, false, asked, &lines)
        );
    }
    Ok(())
}

/// Behind 40 KB of other variables; and one too long to be told whole
fn forced_with_much(host: &Host, openssh: Openssh) -> Outcome {
    let config = "ForceCommand /bin/true much\nAcceptEnv LC_*\nUsePAM yes";
    let forced = Second::new(host, openssh, "much", config);
    for (length, is_cut) in [(5_000, false), (20_000, true)] {
        let asked = format!("/bin/true {}", "x".repeat(length));
        let mut options = Vec::new();
        for number in 0..20 {
            options.push("-o".to_owned());
            options.push(format!("SetEnv=LC_{number}={}", "y".repeat(2_000)));
        }
        options.push(asked.clone());
        let options: Vec<_> = options.iter().map(String::as_str).collect();
        forced.ssh(host, ONE, &options);
        let known = &asked[..asked.len().min(8_000)];
        let lines = forced.session(host, ONE, known);
        let channel = of_kind(&lines, "session.channel")[0];
        let told = channel["requested_command"].as_str().unwrap();
        assert_eq!(told, &asked[..told.len()]);
        assert_eq!(told.len() < asked.len(), is_cut);
        let mark = channel.get("requested_command_incomplete");
        assert_eq!(mark, is_cut.then_some(&json!(true)));
    }
    Ok(())
}

/// Where sshd takes the variable from a client: what it sets itself stands in its place, and where a shell is run
/// it is not sshd's word
fn made_up(host: &Host, openssh: Openssh) -> Outcome {
    let accepts = "AcceptEnv SSH_ORIGINAL_COMMAND\nUsePAM yes";
    let forces = format!("ForceCommand /bin/true forced\n{accepts}");
    let [asked, forced] = [("asked", accepts), ("forced-all-the-same", &forces)]
        .map(|(name, config)| Second::new(host, openssh, name, config));
    let made_up = ["-o", "SetEnv=SSH_ORIGINAL_COMMAND=made-up"];
    for login in LOGINS {
        let mut shell = asked.client(host, login, &[]);
        shell.args(made_up).output()?;
        let lines = asked.session(host, login, r#""session.channel""#);
        assert_eq!(
            plains(&lines, "session.channel"),
            [channel(login, "bash", 0, r#""type":"shell""#)]
        );
        forced.ssh(host, login, &[&made_up[..], &["/bin/true real"]].concat());
        let lines = forced.session(host, login, r#""session.channel""#);
        let told =
            r#""type":"exec","command":"/bin/true forced","requested_command":"/bin/true real""#;
        assert_eq!(
            plains(&lines, "session.channel"),
            [channel(login, "bash", 0, told)]
        );
    }
    Ok(())
}

/// A second sshd, with a config of its own.
struct Second {
    config: PathBuf,
    port: u16,
    _process: Option<Process>,
}

impl Second {
    fn new(host: &Host, openssh: Openssh, name: &str, config: &str) -> Self {
        Self::run(&mut Command::new(openssh.sshd()), host, name, config)
    }

    fn run(sshd: &mut Command, host: &Host, name: &str, config: &str) -> Self {
        let mut server = Self::configured(host, name, config);
        sshd.args(["-D", "-e", "-f"]).arg(&server.config);
        let mut process = Process::spawn(sshd.stdin(Stdio::null()));
        process.wait_for("Server listening");
        server._process = Some(process);
        server
    }

    fn configured(host: &Host, name: &str, config: &str) -> Self {
        let port = free_port();
        let folder = host.folder.path();
        let own = fs::read_to_string(folder.join("sshd_config")).unwrap();
        let own = own.replace(&format!("Port {}", host.port), &format!("Port {port}"));
        let mut own = own.replace("UsePAM yes", config);
        if config.contains("Subsystem") {
            own = own.replace("Subsystem sftp /usr/lib/openssh/sftp-server\n", "");
        }
        let path = folder.join(format!("{name}_config"));
        fs::write(&path, own).unwrap();
        Self {
            config: path,
            port,
            _process: None,
        }
    }

    /// An ssh to it: of two ports, the first counts.
    fn client(&self, host: &Host, login: &str, words: &[&str]) -> Command {
        let usual = host.client("ssh");
        let mut ssh = Command::new("ssh");
        ssh.args(["-p", &self.port.to_string()])
            .args(usual.get_args());
        ssh.args(&words[..words.len().saturating_sub(1)]);
        ssh.arg(format!("{login}@127.0.0.1")).args(words.last());
        ssh.stdin(Stdio::null());
        ssh
    }

    fn ssh(&self, host: &Host, login: &str, words: &[&str]) {
        printed(&mut self.client(host, login, words));
    }

    /// The session of this login at it in which `text` stands, once it has ended.
    fn session(&self, host: &Host, login: &str, text: &str) -> Vec<Value> {
        let at = format!(r#""login":"{login}","#);
        let local = format!(r#""addr.local":"127.0.0.1:{}","#, self.port);
        patiently(&format!("the session of {text}"), || {
            let log = host.text();
            let begins = |line: &&str| {
                line.contains(r#""event":"session.start""#)
                    && line.contains(&at)
                    && line.contains(&local)
            };
            log.lines().filter(begins).find_map(|start| {
                let sid = format!(r#""sid":{}"#, common::schema::check(start)["sid"]);
                let lines: Vec<_> = log.lines().filter(|line| line.contains(&sid)).collect();
                let is_over = lines.last()?.contains(r#""event":"session.end""#);
                let is_it = lines.iter().any(|line| line.contains(text));
                (is_over && is_it).then(|| lines.into_iter().map(common::schema::check).collect())
            })
        })
    }
}

/// A library that connects to all there is before sshd does, as modules of PAM and of the C library can.
const CONNECTS: &str = r#"
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

static void tcp(int port, int flags)
{
	struct sockaddr_in to = {AF_INET, htons(port), {htonl(INADDR_LOOPBACK)}};
	connect(socket(AF_INET, SOCK_STREAM | flags, 0), (void *)&to, sizeof(to));
}

static void local(const char *path, int flags)
{
	struct sockaddr_un to = {AF_UNIX};
	strcpy(to.sun_path, path);
	connect(socket(AF_UNIX, SOCK_STREAM | flags, 0), (void *)&to, sizeof(to));
}

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
	int (*next)(const char *, const char *, const struct addrinfo *, struct addrinfo **) =
		dlsym(RTLD_NEXT, "getaddrinfo");
	if (node && !strcmp(node, "127.1")) {
		tcp(WAITS, 0);
		tcp(GOES_ON, SOCK_NONBLOCK);
		local(FOLDER "/waits", 0);
		local(FOLDER "/closed", SOCK_NONBLOCK | SOCK_CLOEXEC);
		local(FOLDER "/kept", SOCK_NONBLOCK);
	}
	return next(node, service, hints, found);
}
"#;

/// In a login of root's, it is taken for a forwarding only where it looks like one
fn own_connects(host: &Host, openssh: Openssh) -> Outcome {
    let folder = place(host, "own-connects");
    let ports = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let [waits, goes_on, asked] = ports.each_ref().map(|it| it.local_addr().unwrap().port());
    let sockets = ["waits", "closed", "kept"].map(|name| folder.join(name));
    let locals = sockets.each_ref().map(|it| UnixListener::bind(it).unwrap());
    let (source, library) = (folder.join("connects.c"), folder.join("connects.so"));
    fs::write(&source, CONNECTS)?;
    let mut compiler = Command::new("cc");
    compiler.args([
        format!("-DWAITS={waits}"),
        format!("-DGOES_ON={goes_on}"),
        format!("-DFOLDER=\"{}\"", folder.display()),
    ]);
    compiler.args(["-shared", "-fPIC", "-o"]).arg(&library);
    printed(compiler.arg(&source));
    let mut sshd = Command::new(openssh.sshd());
    sshd.env("LD_PRELOAD", &library);
    let own = Second::run(&mut sshd, host, "own-connects", "UsePAM yes");
    let forward = format!("-W127.1:{asked}");
    let mut client = own.client(host, "root", &[&forward]);
    let mut client = Process::spawn(client.stdin(Stdio::piped()));
    // All of it was done.
    for listener in &ports {
        listener.accept()?;
    }
    for listener in &locals {
        listener.accept()?;
    }
    drop(client.child.stdin.take());
    client.child.wait()?;
    let lines = own.session(host, "root", &format!(r#""dst_port":{asked},"#));
    let told = |port| network("root", openssh.process(), "127.0.0.1", port, 4);
    assert_eq!(
        plains(&lines, "session.network"),
        [told(goes_on), told(asked)]
    );
    let paths: Vec<_> = of_kind(&lines, "session.local_connect")
        .into_iter()
        .map(|line| &line["path"])
        .collect();
    assert_eq!(paths, [&json!(sockets[2])]);
    Ok(())
}

/// sftp, as a client asks for it, and as it would run
fn subsystem(host: &Host, _: Openssh) -> Outcome {
    for login in LOGINS {
        let mut client = ssh(host, login, &["-s"]);
        // Nothing is asked of it, so that its name is all that there is.
        client.arg("sftp").output()?;
        let lines = session(host, login, r#""type":"subsystem""#);
        let server = "/usr/lib/openssh/sftp-server";
        let asked = format!(r#""initial_command":["{server}"],"#);
        assert_eq!(plain(&lines[0]), start(login, &asked));
        assert_eq!(
            plains(&lines, "session.channel"),
            [channel(
                login,
                "bash",
                0,
                &format!(r#""type":"subsystem","command":"{server}""#)
            )]
        );
    }
    Ok(())
}

/// No program is run for it
fn own_subsystem(host: &Host, openssh: Openssh) -> Outcome {
    let own = Second::new(
        host,
        openssh,
        "own",
        "Subsystem sftp internal-sftp\nUsePAM yes",
    );
    for login in LOGINS {
        let mut client = own.client(host, login, &["-s", "sftp"]);
        client.output()?;
        let lines = own.session(host, login, r#""type":"subsystem""#);
        assert_eq!(plain(&lines[0]), start(login, ""));
        let told = r#""type":"subsystem","command":"internal-sftp""#;
        assert_eq!(
            plains(&lines, "session.channel"),
            [channel(login, openssh.process(), 0, told)]
        );
        assert_eq!(plains(&lines, "session.command"), [""; 0]);
        assert_eq!(plain(lines.last().unwrap()), end(login, false, "", &lines));
    }
    Ok(())
}

/// The sessions of a login whose client has this port.
fn at_port(host: &Host, port: u16) -> Vec<Value> {
    let remote = format!(r#""addr.remote":"127.0.0.1:{port}""#);
    host.session_with(&remote, &remote)
}

/// Stays logged in by these options, without a channel, while `act` goes on; gives the session.
fn without_channel(host: &Host, login: &str, options: &[&str], act: impl FnOnce()) -> Vec<Value> {
    without_channel_at(host, host.port, login, options, act)
}

fn without_channel_at(
    host: &Host,
    port: u16,
    login: &str,
    options: &[&str],
    act: impl FnOnce(),
) -> Vec<Value> {
    let usual = host.client("ssh");
    let mut ssh = Command::new("ssh");
    ssh.args(["-p", &port.to_string()]).args(usual.get_args());
    // The client says which port is its own.
    ssh.args(["-N", "-o", "ServerAliveInterval=1"])
        .args(options)
        .arg(format!("{login}@127.0.0.1"));
    let arguments: Vec<_> = ssh.get_args().map(|word| word.to_owned()).collect();
    let mut ssh = Command::new("ssh");
    ssh.args(arguments.into_iter().map(|word| match word.to_str() {
        Some("LogLevel=ERROR") => "LogLevel=DEBUG3".into(),
        _ => word,
    }));
    let mut client = Process::spawn(ssh.stdin(Stdio::null()));
    // The answer to a sign of life, which sshd gives once the login is complete.
    client.wait_for("debug3: receive packet: type 82");
    let own = own_port(client.child.id(), port);
    act();
    client.stop();
    at_port(host, own)
}

/// The own port of the connection that a process has to another.
fn own_port(pid: u32, to: u16) -> u16 {
    let table = fs::read_to_string(format!("/proc/{pid}/net/tcp")).unwrap();
    let inodes: Vec<String> = fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .flatten()
        .filter_map(|file| fs::read_link(file.path()).ok())
        .filter_map(|link| {
            let link = link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
            Some(link.to_owned())
        })
        .collect();
    table
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .find_map(|fields| {
            let port = |end: &str| u16::from_str_radix(end.rsplit(':').next()?, 16).ok();
            let is_it =
                port(fields[2]) == Some(to) && inodes.iter().any(|inode| inode == fields[9]);
            is_it.then(|| port(fields[1])).flatten()
        })
        .expect("a connection")
}

/// Begins with the login and ends with the connection, whatever is done
fn nothing(host: &Host, _: Openssh) -> Outcome {
    for login in LOGINS {
        let lines = without_channel(host, login, &[], || ());
        assert_eq!(plain(&lines[0]), start(login, ""));
        assert_eq!(plain(lines.last().unwrap()), end(login, false, "", &lines));
        for event in ["session.channel", "session.command", "session.network"] {
            assert_eq!(plains(&lines, event), [""; 0]);
        }
    }
    Ok(())
}

/// What stands in each event of sshd as it carries for a client.
fn of_sshd(openssh: Openssh) -> String {
    let program = openssh.process();
    format!(
        r#""pid":"<pid>","cgroup_id":"<cgroup_id>","program":"{program}","audit_session_id":"<audit_session_id>""#
    )
}

/// `-L x:/run/docker.sock`: a container engine is driven so
fn local_socket(host: &Host, openssh: Openssh) -> Outcome {
    let folder = place(host, "local");
    for login in LOGINS {
        let (here, there) = (
            folder.join(format!("{login}-here")),
            folder.join("docker.sock"),
        );
        let _ = fs::remove_file(&there);
        let listener = UnixListener::bind(&there)?;
        printed(Command::new("chmod").arg("666").arg(&there));
        let forward = format!("{}:{}", here.display(), there.display());
        let lines = without_channel(host, login, &["-L", &forward], || {
            let mut near = UnixStream::connect(&here).unwrap();
            near.write_all(b"word").unwrap();
            let (mut far, _) = listener.accept().unwrap();
            let mut word = [0; 4];
            far.read_exact(&mut word).unwrap();
            assert_eq!(&word, b"word");
        });
        assert_eq!(plain(&lines[0]), start(login, ""));
        let connect = expected(
            "session.local_connect",
            "R4005I",
            login,
            &format!(
                r#"{},"path":"{}","return_code":0"#,
                of_sshd(openssh),
                there.display()
            ),
        );
        assert_eq!(plains(&lines, "session.local_connect"), [connect]);
        assert_eq!(plain(lines.last().unwrap()), end(login, false, "", &lines));
    }
    Ok(())
}

/// `-L`, to a port that answers and to one that does not
fn connection(host: &Host, openssh: Openssh) -> Outcome {
    for login in LOGINS {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let there = listener.local_addr()?.port();
        let refused = free_port();
        let [here, to_nobody] = [free_port(), free_port()];
        let forwards = [
            format!("127.0.0.1:{here}:127.0.0.1:{there}"),
            format!("127.0.0.1:{to_nobody}:127.0.0.1:{refused}"),
        ];
        let options = ["-L", &forwards[0], "-L", &forwards[1]];
        let lines = without_channel(host, login, &options, || {
            let mut near = TcpStream::connect(("127.0.0.1", here)).unwrap();
            near.write_all(b"word").unwrap();
            let (mut far, _) = listener.accept().unwrap();
            far.read_exact(&mut [0; 4]).unwrap();
            let mut nobody = TcpStream::connect(("127.0.0.1", to_nobody)).unwrap();
            // Closed once sshd has found nobody there.
            let _ = nobody.read(&mut [0; 1]);
        });
        assert_eq!(plain(&lines[0]), start(login, ""));
        let connect = |port: u16| common::network(login, openssh.process(), "127.0.0.1", port, 4);
        assert_eq!(
            plains(&lines, "session.network"),
            [connect(there), connect(refused)]
        );
        let results = of_kind(&lines, "session.network_result");
        let results: Vec<_> = results
            .iter()
            .map(|line| json!([line["dst_port"], line["result"]]))
            .collect();
        assert_eq!(results, [json!([there, 0]), json!([refused, -111])]);
        assert_eq!(plain(lines.last().unwrap()), end(login, false, "", &lines));
    }
    Ok(())
}

/// `-R`: sshd listens, and accepts
fn port(host: &Host, openssh: Openssh) -> Outcome {
    for login in LOGINS {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let (here, there) = (listener.local_addr()?.port(), free_port());
        let forward = format!("127.0.0.1:{there}:127.0.0.1:{here}");
        let lines = without_channel(host, login, &["-R", &forward], || {
            let mut near = patiently("sshd to listen", || {
                TcpStream::connect(("127.0.0.1", there)).ok()
            });
            near.write_all(b"word").unwrap();
            let (mut far, _) = listener.accept().unwrap();
            far.read_exact(&mut [0; 4]).unwrap();
        });
        assert_eq!(plain(&lines[0]), start(login, ""));
        let network = |rest: &str| {
            expected(
                "session.network",
                "T4002I",
                login,
                &format!("{},{rest}", of_sshd(openssh)),
            )
        };
        let told = plains(&lines, "session.network");
        let own = of_kind(&lines, "session.network")[1]["dst_port"]
            .as_u64()
            .unwrap();
        assert_eq!(
            told,
            [
                network(&format!(
                    r#""src_addr":"127.0.0.1","version":4,"operation":2,"action":0,"src_port":{there},"protocol":"tcp""#
                )),
                network(&format!(
                    r#""src_addr":"127.0.0.1","dst_addr":"127.0.0.1","dst_port":{own},"version":4,"operation":3,"action":0,"src_port":{there},"protocol":"tcp""#
                )),
            ]
        );
        assert_eq!(plain(lines.last().unwrap()), end(login, false, "", &lines));
    }
    Ok(())
}

/// A server where nothing but the process tree tells the session
fn without_pam(host: &Host, openssh: Openssh) -> Outcome {
    let server = Second::new(host, openssh, "no-pam", "UsePAM no");
    for login in LOGINS {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let (there, here) = (listener.local_addr()?.port(), free_port());
        let forward = format!("127.0.0.1:{here}:127.0.0.1:{there}");
        let lines = without_channel_at(host, server.port, login, &["-L", &forward], || {
            let mut near = TcpStream::connect(("127.0.0.1", here)).unwrap();
            near.write_all(b"word").unwrap();
            listener
                .accept()
                .unwrap()
                .0
                .read_exact(&mut [0; 4])
                .unwrap();
        });
        assert_eq!(plain(&lines[0]), start(login, ""));
        let connects = of_kind(&lines, "session.network");
        let connects: Vec<_> = connects
            .iter()
            .map(|line| json!([line["program"], line["operation"], line["dst_port"]]))
            .collect();
        assert_eq!(connects, [json!([openssh.process(), 0, there])]);
        let lines = without_channel_at(host, server.port, login, &[], || ());
        assert_eq!(plain(&lines[0]), start(login, ""));
        assert_eq!(lines.len(), 2 + of_kind(&lines, "session.disk").len());
    }
    Ok(())
}

/// As inetd and socket units begin it, with an audit id and without
fn for_one_connection(host: &Host, openssh: Openssh) -> Outcome {
    for (name, config) in [("inetd", "UsePAM yes"), ("inetd-no-pam", "UsePAM no")] {
        let server = Second::configured(host, name, config);
        let listener = TcpListener::bind(("127.0.0.1", server.port))?;
        for login in LOGINS {
            let word = format!("/bin/true {name}-{login}");
            std::thread::scope(|scope| {
                scope.spawn(|| server.ssh(host, login, &[&word]));
                let (connection, _) = listener.accept().unwrap();
                let mut sshd = Command::new(openssh.sshd());
                sshd.args(["-i", "-e", "-f"]).arg(&server.config);
                let input = std::os::fd::OwnedFd::from(connection.try_clone().unwrap());
                let output = std::os::fd::OwnedFd::from(connection);
                sshd.stdin(input).stdout(output).stderr(Stdio::null());
                // SAFETY: calls nothing but setsid(2).
                unsafe {
                    sshd.pre_exec(|| {
                        libc::setsid();
                        Ok(())
                    });
                }
                let mut sshd = sshd.spawn().unwrap();
                sshd.wait().unwrap();
            });
            let lines = server.session(host, login, &word);
            let asked = format!(r#""initial_command":["{word}"],"#);
            assert_eq!(plain(&lines[0]), start(login, &asked));
            assert_eq!(of_kind(&lines, "session.channel").len(), 1);
            assert_eq!(
                plain(lines.last().unwrap()),
                end(login, false, &asked, &lines)
            );
        }
    }
    Ok(())
}

/// The channels are told all the same
fn excluded(_: &Host, openssh: Openssh) -> Outcome {
    let host = Host::of(&Server::of(openssh), CONFIG, "record: {families: [disk]}");
    let folder = place(&host, "left-out");
    let master = Master::new(&host, ONE, &folder, &["/bin/true kept; read line"]);
    patiently("the first channel", || {
        host.text().contains("true kept").then_some(())
    });
    printed(ssh(&host, ONE, &["-o", &master.socket]).arg("/bin/true left"));
    master.end();
    let lines = host.session("/bin/true kept; read line");
    let exec = |command: &str| format!(r#""type":"exec","command":"{command}""#);
    assert_eq!(
        plains(&lines, "session.channel"),
        [
            channel(ONE, "bash", 0, &exec("/bin/true kept; read line")),
            channel(ONE, "bash", 1, &exec("/bin/true left")),
        ]
    );
    // What session.start tells is of the first.
    assert_eq!(of_kind(&lines, "session.command").len(), 1);
    Ok(())
}
