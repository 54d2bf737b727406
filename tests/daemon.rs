//! The daemon as an operator meets it: its command line, its config, its log, its signals.

mod manager;
mod record;

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};

use crate::common::{
    self, Folder, Host, ONE, Outcome, Process, TWO, binary, cgroup, of_kind, patiently, plains,
    schema, start_daemon, write_config,
};
use libtest_mimic::Trial;
use recorderd::config::Config;
use serde_json::{Value, json};

/// Shows what calls return.
const TRACER: &str = "/usr/bin/strace";

/// Needs a tracer.
const WOKEN: &str = "woken by each ring";

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    common::tests_with(
        module_path!(),
        &[
            ("help and version", help_and_version),
            ("the schema of the events", schema_of_the_events),
            ("config: defaults and check", config_defaults_and_check),
            ("wrong command lines", wrong_command_lines),
            ("wrong configs", wrong_configs),
            ("switched off", switched_off),
            ("without root", without_root),
            ("the guide's file", the_guides_file),
            ("the log on disk", the_log_on_disk),
            ("names in every event", names_in_every_event),
            ("another name of the host", another_name),
            ("ring sizes", ring_sizes),
            (WOKEN, woken_by_each_ring),
            ("a cgroup for each session", a_cgroup_for_each_session),
            ("cgroups that are left", cgroups_that_are_left),
            ("service manager", manager::service_manager),
            ("watchdog", manager::watchdog),
            ("stopped by SIGTERM", stopped_by_sigterm),
            ("stopped by SIGINT", stopped_by_sigint),
            ("a moved log", a_moved_log),
            ("events on standard output", events_on_standard_output),
            ("the host keeps its id", the_host_keeps_its_id),
            ("two daemons at once", two_daemons_at_once),
            ("record: events", record::all_events),
            ("record: exit codes", record::exit_codes),
            ("record: unknown programs", record::unknown_programs),
            ("record: what is left out", record::excluded),
            ("record: into the log", record::into_the_log),
            ("record: a command that ignores SIGTERM", record::ignored),
            ("record: an interactive shell", record::interactive),
        ],
        |name| (name == WOKEN && !Path::new(TRACER).exists()).then_some("strace"),
    )
}

fn recorderd(arguments: &[&str]) -> Output {
    let mut command = Command::new(binary());
    command.args(arguments).stdin(Stdio::null());
    command.output().unwrap()
}

/// Exit code, standard output, standard error.
fn parts(output: &Output) -> (Option<i32>, &str, &str) {
    let text = |bytes| std::str::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

/// The whole lines of a file so far, each held against the schema.
fn events(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let whole = text
        .split_inclusive('\n')
        .filter(|line| line.ends_with('\n'));
    whole.map(|line| schema::check(line.trim_end())).collect()
}

/// Both go to standard output, and end well.
fn help_and_version() -> Outcome {
    for flag in ["--help", "-h"] {
        let output = recorderd(&[flag]);
        let (code, text, errors) = parts(&output);
        assert_eq!((code, errors), (Some(0), ""));
        assert!(
            text.starts_with("recorderd records every SSH session"),
            "{text}"
        );
    }
    let version = concat!("recorderd ", env!("CARGO_PKG_VERSION"), "\n");
    for flag in ["--version", "-V"] {
        assert_eq!(parts(&recorderd(&[flag])), (Some(0), version, ""));
    }
    Ok(())
}

/// The binary has with it what the documentation has.
fn schema_of_the_events() -> Outcome {
    let schema = include_str!("../docs/events.schema.json");
    assert_eq!(parts(&recorderd(&["schema"])), (Some(0), schema, ""));
    Ok(())
}

/// What is printed is a config, and wrong.yaml is answered as the daemon would.
fn config_defaults_and_check() -> Outcome {
    let output = recorderd(&["config", "--print-default"]);
    let (code, text, errors) = parts(&output);
    assert_eq!((code, errors), (Some(0), ""));
    let folder = Folder::new();
    let path = folder.path().join("config.yaml").display().to_string();
    fs::write(&path, text)?;
    let valid = format!("{path} is valid\n");
    let check = |path: &str| recorderd(&["config", "check", path]);
    assert_eq!(parts(&check(&path)), (Some(0), valid.as_str(), ""));
    fs::write(&path, text.replace("enabled: true", "enabled: perhaps"))?;
    let error =
        format!("recorderd: {path}:4: enabled: perhaps is not a boolean; write true or false\n");
    assert_eq!(parts(&check(&path)), (Some(2), "", error.as_str()));
    Ok(())
}

/// Each is answered with one line.
fn wrong_command_lines() -> Outcome {
    for (arguments, error) in [
        (&["--nonsense"][..], "invalid option '--nonsense'"),
        (&["config"], "config: use --print-default, or check FILE"),
        (
            &["config", "check"],
            "config check: no file is given; name one",
        ),
        (&["schema", "all"], "unexpected argument \"all\""),
        (&["--config"], "missing argument for option '--config'"),
        (
            &["record"],
            "record: no command is given; write it after `--`",
        ),
        (
            &["record", "--"],
            "record: no command is given; write it after `--`",
        ),
    ] {
        let line = format!("recorderd: {error}; see recorderd --help\n");
        let output = recorderd(arguments);
        assert_eq!(
            parts(&output),
            (Some(2), "", line.as_str()),
            "{arguments:?}"
        );
    }
    Ok(())
}

/// Every error is shown with its line and a remedy, and nothing is begun.
fn wrong_configs() -> Outcome {
    let folder = Folder::new();
    let text = "comand_buffer_size: 8\ndisk_buffer_size: 7\noutput: rsyslog";
    let path = write_config(folder.path(), text).display().to_string();
    let lines = format!(
        "recorderd: {path}:3: comand_buffer_size: unknown key; did you mean command_buffer_size?\n\
         recorderd: {path}:4: disk_buffer_size: 7 is not a power of two; 8 is the nearest\n\
         recorderd: {path}:5: output: rsyslog is not an output; these are: file, stdout, syslog, journald\n"
    );
    let missing = format!("{path}.missing");
    let absent = format!(
        "recorderd: {missing}: cannot be read: No such file or directory (os error 2); \
         create it, or name another file with --config\n"
    );
    for (path, lines) in [(&path, &lines), (&missing, &absent)] {
        let output = recorderd(&["--config", path]);
        assert_eq!(parts(&output), (Some(2), "", lines.as_str()));
        let output = recorderd(&["record", "--config", path, "--", "true"]);
        assert_eq!(parts(&output), (Some(2), "", lines.as_str()));
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    Ok(())
}

/// It says why it does nothing.
fn switched_off() -> Outcome {
    let folder = Folder::new();
    let path = write_config(folder.path(), "enabled: false")
        .display()
        .to_string();
    let line = format!("recorderd: {path}: recording is disabled (enabled: false)\n");
    assert_eq!(
        parts(&recorderd(&["--config", &path])),
        (Some(0), "", line.as_str())
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    Ok(())
}

/// It says what is missing, before it writes anything.
fn without_root() -> Outcome {
    const NOBODY: u32 = 65534;
    let folder = Folder::new();
    // Where the checkout is may be closed to others.
    let program = folder.path().join("recorderd");
    fs::copy(binary(), &program).unwrap();
    let config = write_config(folder.path(), "");
    let mut command = Command::new(program);
    command.arg("--config").arg(config).uid(NOBODY).gid(NOBODY);
    assert_eq!(
        parts(&command.output().unwrap()),
        (
            Some(1),
            "",
            "recorderd: privilege: running as uid 65534, and loading BPF programs needs root; \
             run it with sudo\n"
        )
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    Ok(())
}

/// Starts `recorderd --config FILE`, once `change` has had its way, and waits until it records.
fn start(config: &Path, change: impl FnOnce(&mut Command)) -> Process {
    let mut command = Command::new(binary());
    command.arg("--config").arg(config).stdin(Stdio::null());
    change(&mut command);
    let mut daemon = Process::spawn(&mut command);
    daemon.wait_for("ready");
    daemon
}

/// The file of the public guide is taken as it stands, but for the places on this host.
fn the_guides_file() -> Outcome {
    let folder = Folder::new();
    let (path, cgroup) = (folder.path().join("teleport.yaml"), cgroup());
    let text = format!(
        "version: v3
teleport:
  nodename: graviton-node
  auth_token: abcd123-insecure-do-not-use-this
  auth_server: 127.0.0.1:3025
  proxy_server: 127.0.0.1:3080
  data_dir: {}
proxy_service: {{enabled: false}}
auth_service: {{enabled: false}}
ssh_service:
  enabled: true
  enhanced_recording:
    enabled: true
    command_buffer_size: 8      # pages, a power of two; default 8
    disk_buffer_size: 128       # default 128
    network_buffer_size: 8      # default 8
    cgroup_path: {}
    root_path: /teleport        # default /teleport
",
        folder.path().display(),
        cgroup.display()
    );
    fs::write(&path, text).unwrap();
    let is_new = !cgroup.join("teleport").exists();
    let _root = is_new.then(|| Root("/teleport".into()));
    let daemon = start(&path, |_| {});
    let host = Host::serve(folder, daemon, "");
    host.ssh(ONE, "exit");
    let lines = host.sessions(1).remove(0);
    assert!(
        lines
            .iter()
            .all(|line| line["server_hostname"] == "graviton-node")
    );
    let notice = format!(
        "recorderd: {}: keys that have no effect on this host are ignored: version, \
         teleport.auth_token, teleport.auth_server, teleport.proxy_server, proxy_service, \
         auth_service",
        path.display()
    );
    let ready = format!("ready: recording SSH sessions to {}", link(&host).display());
    assert_eq!(host.daemon.errors()[..2], [notice, ready]);
    assert_eq!(rings(&host.daemon), in_bytes([8, 128, 8]));
    Ok(())
}

/// The link to the file of today.
fn link(host: &Host) -> PathBuf {
    let id = fs::read_to_string(host.folder.path().join("host_uuid")).unwrap();
    let folder = host.folder.path().join("log").join(id.trim());
    folder.join("events.log")
}

fn today() -> String {
    let output = Command::new("date").args(["-u", "+%F"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// One file for each day below the host's id, for root and its group alone, and a link to today's.
fn the_log_on_disk() -> Outcome {
    let before = today();
    let host = Host::start();
    host.ssh(ONE, "exit");
    let lines = host.sessions(1).remove(0);
    let link = link(&host);
    let name = fs::read_link(&link).unwrap().display().to_string();
    // The test may run at midnight.
    let names = [before, today()].map(|day| format!("{day}.00:00:00.log"));
    assert!(names.contains(&name), "{name}");
    let mode = fs::metadata(&link).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o640);
    let id = link.parent().unwrap().file_name().unwrap();
    assert!(
        lines
            .iter()
            .all(|line| line["server_id"] == id.to_str().unwrap())
    );
    let ready = format!("ready: recording SSH sessions to {}", link.display());
    assert_eq!(host.daemon.errors()[0], ready);
    Ok(())
}

/// What the config calls the host stands in every event.
fn names_in_every_event() -> Outcome {
    let host = Host::with(
        "",
        "nodename: web-1\ncluster_name: purple\nlabels: {role: leader, 'a \"b\"': \"c\\n\"}",
    );
    host.ssh(ONE, "cat /etc/hostname");
    let lines = host.sessions(1).remove(0);
    assert!(lines.len() > 4);
    for line in lines {
        assert_eq!(line["server_hostname"], "web-1");
        assert_eq!(line["cluster_name"], "purple");
        assert_eq!(
            line["server_labels"],
            json!({"role": "leader", "a \"b\"": "c\n"})
        );
        assert_eq!(line["server_version"], env!("CARGO_PKG_VERSION"));
    }
    Ok(())
}

/// As cloud-init sets it when the daemon is there already. That it has one of its own is the namespace's doing.
fn another_name() -> Outcome {
    let folder = Folder::new();
    let messages = folder.path().join("syslog");
    let socket = UnixDatagram::bind(&messages)?;
    let config = format!(
        "output: [file, syslog]\nsyslog_socket: {}",
        messages.display()
    );
    let path = write_config(folder.path(), &config);
    let daemon = start(&path, |command| {
        // SAFETY: the child does nothing else.
        unsafe {
            command.pre_exec(|| match libc::unshare(libc::CLONE_NEWUTS) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            });
        }
    });
    let host = Host::serve(folder, daemon, "");
    let mut names = Vec::new();
    for name in ["first-boot", "ip-10-0-0-1"] {
        let namespace = format!("--uts=/proc/{}/ns/uts", host.daemon.child.id());
        let status = Command::new("nsenter")
            .args([&namespace, "hostname", name])
            .status()?;
        assert!(status.success());
        host.ssh(ONE, "exit");
        let lines = host.sessions(names.len() + 1).pop().unwrap();
        assert!(
            lines.iter().all(|line| line["server_hostname"] == name),
            "{lines:#?}"
        );
        names.push(name);
    }
    let mut message = vec![0; 1 << 20];
    let mut told = Vec::new();
    socket.set_nonblocking(true)?;
    patiently("syslog", || {
        while let Ok(length) = socket.recv(&mut message) {
            let text = String::from_utf8_lossy(&message[..length]);
            if text.contains(" session.start ") {
                told.push(text.split(' ').nth(2).unwrap().to_owned());
            }
        }
        (told.len() == names.len()).then_some(())
    });
    assert_eq!(told, names);
    Ok(())
}

/// Sizes of the rings in bytes, the smallest first: these numbers of pages, and the rings of the
/// sessions' own life and of terminals.
fn in_bytes(pages: [u32; 3]) -> Vec<u64> {
    // SAFETY: asks for a constant.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) as u64 };
    let mut sizes = pages.map(|count| u64::from(count) * page).to_vec();
    sizes.extend([2 << 20, 1 << 20]);
    sizes.sort_unstable();
    sizes
}

/// A `root_path` that goes with the test, but for cgroups in which another daemon's sessions run.
struct Root(String);

impl Root {
    fn new() -> Self {
        Self(format!("/recorderd-test-{}", std::process::id()))
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let base = cgroup().join(&self.0[1..]);
        for cgroup in fs::read_dir(&base).into_iter().flatten().flatten() {
            let _ = fs::remove_dir(cgroup.path());
        }
        let _ = fs::remove_dir(base);
    }
}

/// The size in bytes of what a daemon has open, if that is a ring buffer, as the kernel tells it.
fn ring(file: &str) -> Option<u64> {
    const RINGBUF: &str = "27";
    let value = |key| {
        let of_key = |line: &str| Some(line.strip_prefix(key)?.trim().to_owned());
        file.lines().find_map(of_key)
    };
    let is_ring = value("map_type:")? == RINGBUF;
    is_ring.then(|| value("max_entries:")?.parse().ok())?
}

/// The sizes of all of them.
fn rings(daemon: &Process) -> Vec<u64> {
    let mut sizes: Vec<u64> = daemon.open_files().filter_map(|it| ring(&it)).collect();
    sizes.sort_unstable();
    sizes
}

/// Whether it waits for so long that only a wake-up is soon enough. By proc(5), its fourth argument
/// is the timeout of epoll_wait(2) in milliseconds.
fn is_resting(pid: u32) -> bool {
    let call = fs::read_to_string(format!("/proc/{pid}/syscall")).unwrap();
    let timeout = call.split(' ').nth(4).and_then(|it| it.strip_prefix("0x"));
    timeout
        .is_some_and(|it| u64::from_str_radix(it, 16).is_ok_and(|it| (1000..=5000).contains(&it)))
}

/// What comes after a quiet spell is not left until the daemon looks by itself.
fn woken_by_each_ring() -> Outcome {
    const PAGES: [u64; 3] = [16, 64, 32];
    let [command, disk, network] = PAGES;
    let host = Host::with(
        "",
        &format!(
            "command_buffer_size: {command}\ndisk_buffer_size: {disk}\nnetwork_buffer_size: {network}"
        ),
    );
    let pid = host.daemon.child.id();
    let trace = host.folder.path().join("trace");
    let mut tracer = Command::new(TRACER);
    tracer.args(["-qq", "-e", "trace=epoll_wait,epoll_pwait", "-o"]);
    let _tracer = Process::spawn(tracer.arg(&trace).args(["-p", &pid.to_string()]));
    let traced = || fs::read_to_string(&trace).unwrap_or_default();
    patiently("the tracer", || {
        host.daemon.signal(libc::SIGHUP);
        (!traced().is_empty()).then_some(())
    });
    let has_woken = |size: u64| {
        let folder = format!("/proc/{pid}/fdinfo");
        let mut files = fs::read_dir(folder).unwrap().flatten();
        // A descriptor can be closed before it is looked at.
        let text = |file: &fs::DirEntry| fs::read_to_string(file.path()).unwrap_or_default();
        let file = files.find(|file| ring(&text(file)) == Some(size));
        let number = file.unwrap().file_name().into_string().unwrap();
        traced().contains(&format!("u64={number}}}"))
    };
    let of_pages = |pages: u64| pages * 4096;
    // That of terminals is smaller.
    let sessions = *rings(&host.daemon)
        .iter()
        .rfind(|size| !PAGES.map(of_pages).contains(size))
        .unwrap();
    let mut login = host.login(ONE, "while read -r line; do eval \"$line\"; done");
    patiently("a login to wake it", || has_woken(sessions).then_some(()));
    let mut typed = login.child.stdin.take().unwrap();
    for (pages, act) in [
        (command, "/bin/true"),
        (disk, ": </etc/hostname"),
        (network, ": >/dev/udp/127.0.0.1/9"),
    ] {
        patiently(act, || {
            if has_woken(of_pages(pages)) {
                return Some(());
            }
            // While it reads by itself, nothing wakes it.
            if is_resting(pid) {
                writeln!(typed, "{act}").unwrap();
            }
            None
        });
    }
    Ok(())
}

/// A size that is written is the size in the kernel; one that is not is the default.
fn ring_sizes() -> Outcome {
    let folder = Folder::new();
    let sizes = "command_buffer_size: 1\ndisk_buffer_size: 2\nnetwork_buffer_size: 4";
    let daemon = start_daemon(folder.path(), sizes);
    assert_eq!(rings(&daemon), in_bytes([1, 2, 4]));
    drop(daemon);
    let daemon = start_daemon(folder.path(), "command_buffer_size: 0");
    let config = Config::default();
    assert_eq!(
        rings(&daemon),
        in_bytes([
            config.command_buffer_pages,
            config.disk_buffer_pages,
            config.network_buffer_pages
        ])
    );
    Ok(())
}

/// A session that lasts until it is told to end.
struct Login {
    client: Child,
    input: ChildStdin,
    output: BufReader<std::process::ChildStdout>,
}

impl Login {
    /// Logs in, runs a command, and returns once that is done.
    fn open(host: &Host, command: &str) -> Self {
        let mut client = host
            .client("ssh")
            .arg(format!("{ONE}@127.0.0.1"))
            .arg(format!("{command}; echo done; read line"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut login = Self {
            input: client.stdin.take().unwrap(),
            output: BufReader::new(client.stdout.take().unwrap()),
            client,
        };
        let mut line = String::new();
        login.output.read_line(&mut line).unwrap();
        assert_eq!(line, "done\n");
        login
    }

    fn close(mut self) {
        self.input.write_all(b"\n").unwrap();
        assert!(self.client.wait().unwrap().success());
    }
}

/// Gives a process mounts of its own, so that what it mounts leaves the host alone.
fn own_mounts(command: &mut Command) {
    // SAFETY: two system calls, in the process to be.
    unsafe {
        command.pre_exec(|| {
            let (none, flags) = (std::ptr::null(), libc::MS_REC | libc::MS_PRIVATE);
            if libc::unshare(libc::CLONE_NEWNS) != 0
                || libc::mount(none, c"/".as_ptr(), none, flags, none.cast()) != 0
            {
                return Err(std::io::Error::last_os_error());
            }
            Ok(())
        });
    }
}

/// The cgroups of a process, once they are not those of the server any more, or are where logind
/// has put the process.
fn moved_to(pid: &Value) -> String {
    patiently("the move", || {
        let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
        let before = fs::read_to_string("/proc/self/cgroup").unwrap();
        (text != before || in_login_scope(&text)).then_some(text)
    })
}

fn in_login_scope(cgroups: &str) -> bool {
    cgroups.contains("/session-") && cgroups.contains(".scope")
}

/// Where nothing is mounted, cgroup2 is mounted; each session is in a cgroup that has its name,
/// and that goes with it. What logind has put into a scope stays there.
fn a_cgroup_for_each_session() -> Outcome {
    let (root, folder) = (Root::new(), Folder::new());
    let (root, mount) = (root.0.as_str(), folder.path().join("mounted/here"));
    let text = format!(
        "data_dir: {}\ncgroup_path: {}\nroot_path: {root}\n",
        folder.path().display(),
        mount.display()
    );
    let path = folder.path().join("config.yaml");
    fs::write(&path, text).unwrap();
    let daemon = start(&path, own_mounts);
    let pid = daemon.child.id();
    let mounts = fs::read_to_string(format!("/proc/{pid}/mounts")).unwrap();
    let line = format!("cgroup2 {} cgroup2 rw,nosuid,nodev,noexec", mount.display());
    assert!(mounts.contains(&line), "{mounts}");
    let host = Host::serve(folder, daemon, "");
    let base = PathBuf::from(format!("/proc/{pid}/root{}{root}", mount.display()));
    for index in 0.. {
        let login = Login::open(&host, "true");
        let shell = patiently("the shell", || {
            let lines = host.all_sessions().into_iter().nth(index)?;
            of_kind(&lines, "session.command").first().cloned().cloned()
        });
        let sid = shell["sid"].as_str().unwrap();
        let cgroups = moved_to(&shell["pid"]);
        assert_eq!(base.join(sid).is_dir(), !in_login_scope(&cgroups));
        login.close();
        host.sessions(index + 1);
        patiently("the end of the cgroup", || {
            (!base.join(sid).exists()).then_some(())
        });
        let own = format!("0::{root}/{sid}\n");
        if in_login_scope(&cgroups) || cgroups.contains(&own) {
            break;
        }
        // Another daemon on this host may have moved it after ours, into a cgroup of its own.
        assert!(!cgroups.contains(root) && index < 200, "{cgroups}");
    }
    Ok(())
}

/// What a recorder that was killed has left is removed, as soon as nobody is in it.
fn cgroups_that_are_left() -> Outcome {
    let (root, folder) = (Root::new(), Folder::new());
    let config = format!("root_path: {}", root.0);
    let daemon = start_daemon(folder.path(), &config);
    let mut host = Host::serve(folder, daemon, "");
    let base = cgroup().join(&root.0[1..]);
    let [left, used] = ["left", "used"].map(|name| base.join(name));
    fs::create_dir(&left)?;
    fs::create_dir(&used)?;
    let mut somebody = Process::spawn(Command::new("sleep").arg("infinity"));
    let pid = somebody.child.id().to_string();
    fs::write(used.join("cgroup.procs"), pid)?;
    assert_eq!(host.daemon.stop(), Some(0));
    host.daemon = start_daemon(host.folder.path(), &config).into();
    assert!(!left.exists() && used.exists());
    somebody.child.kill()?;
    somebody.child.wait()?;
    host.ssh(ONE, "exit");
    patiently("the end of the other", || (!used.exists()).then_some(()));
    Ok(())
}

/// What was done before the signal is in the log, to the end of the last line.
fn stopped_by(signal: i32) -> Outcome {
    let mut host = Host::start();
    let login = Login::open(&host, "cat /etc/hostname >/dev/null");
    host.daemon.signal(signal);
    assert_eq!(host.daemon.child.wait().unwrap().code(), Some(0));
    assert!(fs::read_to_string(link(&host)).unwrap().ends_with('\n'));
    let lines = host.all_sessions().remove(0);
    let has = |event: &str, path: &str| of_kind(&lines, event).iter().any(|l| l["path"] == path);
    assert!(has("session.command", "/usr/bin/cat"), "{lines:#?}");
    assert!(has("session.disk", "/etc/hostname"), "{lines:#?}");
    login.close();
    Ok(())
}

/// As a service manager stops it.
fn stopped_by_sigterm() -> Outcome {
    stopped_by(libc::SIGTERM)
}

/// As a terminal stops it.
fn stopped_by_sigint() -> Outcome {
    stopped_by(libc::SIGINT)
}

/// SIGHUP has it make a new file; nothing gets lost between the two.
fn a_moved_log() -> Outcome {
    let mut host = Host::start();
    host.ssh(ONE, "exit");
    host.sessions(1);
    let link = link(&host);
    let file = fs::canonicalize(&link).unwrap();
    let moved = file.with_extension("moved");
    let login = Login::open(&host, "true");
    fs::rename(&file, &moved).unwrap();
    host.daemon.signal(libc::SIGHUP);
    patiently("a new file", || link.exists().then_some(()));
    login.close();
    host.ssh(TWO, "exit");
    patiently("the last session", || {
        let lines = events(&link);
        let ended = of_kind(&lines, "session.end");
        ended.iter().any(|line| line["login"] == TWO).then_some(())
    });
    let mode = fs::metadata(&link).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o640);
    assert!(!events(&moved).iter().any(|line| line["login"] == TWO));
    assert_eq!(host.daemon.stop(), Some(0));
    // Together they are the log that one file would have been, which `sessions` checks.
    let both = [fs::read(&moved).unwrap(), fs::read(&link).unwrap()].concat();
    fs::write(&link, both).unwrap();
    assert_eq!(host.sessions(3).len(), 3);
    Ok(())
}

/// `output: stdout` leaves the disk alone.
fn events_on_standard_output() -> Outcome {
    let folder = Folder::new();
    let config = write_config(folder.path(), "output: stdout");
    let path = folder.path().join("output");
    let daemon = start(&config, |command| {
        command.stdout(File::create(&path).unwrap());
    });
    let host = Host::serve(folder, daemon, "");
    host.ssh(ONE, "exit");
    let local = format!("127.0.0.1:{}", host.port);
    let lines = patiently("the session", || {
        let lines = events(&path);
        let start = lines.iter().find(|l| l["addr.local"] == local.as_str())?;
        let of_session = lines.iter().filter(|line| line["sid"] == start["sid"]);
        let lines: Vec<_> = of_session.cloned().collect();
        (lines.last()?["event"] == "session.end").then_some(lines)
    });
    assert_eq!(lines[0]["event"], "session.start");
    assert_eq!(of_kind(&lines, "session.command").len(), 1);
    assert!(!host.folder.path().join("log").exists());
    let ready = "ready: recording SSH sessions to standard output";
    assert_eq!(host.daemon.errors()[0], ready);
    Ok(())
}

/// The id is made once; the log of a later start is appended to the same file.
fn the_host_keeps_its_id() -> Outcome {
    let mut host = Host::start();
    host.ssh(ONE, "exit");
    host.sessions(1);
    let id = fs::read_to_string(host.folder.path().join("host_uuid")).unwrap();
    assert_eq!(host.daemon.stop(), Some(0));
    host.daemon = start_daemon(host.folder.path(), "").into();
    host.ssh(ONE, "exit");
    let sessions = host.sessions(2);
    assert!(
        sessions
            .iter()
            .flatten()
            .all(|line| line["server_id"] == id.trim())
    );
    Ok(())
}

/// Each has the whole session.
fn two_daemons_at_once() -> Outcome {
    let (root, folder) = (Root::new(), Folder::new());
    let host = Host::start();
    let second = start_daemon(folder.path(), &format!("root_path: {}", root.0));
    let second = host.recorded_by(folder, second);
    host.ssh(ONE, "cat /etc/hostname; id -u");
    let of_first = host.sessions(1).remove(0);
    let of_second = second.sessions(1).remove(0);
    assert_ne!(of_first[0]["sid"], of_second[0]["sid"]);
    for event in ["session.command", "session.disk", "session.end"] {
        // Two processes that act at once may be seen in either order.
        let sorted = |lines| {
            let mut lines = plains(lines, event);
            lines.sort();
            lines
        };
        assert_eq!(sorted(&of_first), sorted(&of_second));
    }
    assert_eq!(of_kind(&of_first, "session.command").len(), 3);
    Ok(())
}
