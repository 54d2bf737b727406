//! What an unprivileged user can do about the recorder from within a session: nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::common::ways::ran;
use crate::common::{self, Host, ONE, Outcome, PYTHON};
use libtest_mimic::Trial;
use serde_json::{Value, json};

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    common::tests(
        module_path!(),
        &[
            ("the log can't be read", the_log_cant_be_read),
            ("the daemon can't be touched", the_daemon_cant_be_touched),
            ("its sockets can't be used", its_sockets_cant_be_used),
            ("its memory can't be filled", its_memory_cant_be_filled),
        ],
    )
}

/// Runs a program of Python as `user` in a session, and returns what it printed as JSON.
fn python(host: &Host, user: &str, name: &str, text: &str) -> Value {
    let path = host.folder.path().join(name);
    fs::write(&path, text).unwrap();
    let output = host.ssh(user, &format!("{PYTHON} {}", path.display()));
    serde_json::from_str(&output).unwrap_or_else(|error| panic!("{error}: {output}"))
}

/// Prints which errors come of some acts: null where one succeeds.
fn errors(acts: &[String]) -> String {
    format!(
        "import ctypes, errno, json, os, socket
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    if libc.syscall(number, *arguments) < 0:
        raise OSError(ctypes.get_errno(), '')
def error(act):
    try:
        act()
    except OSError as e:
        return errno.errorcode[e.errno]
print(json.dumps([{}]))",
        acts.iter()
            .map(|act| format!("error(lambda: {act})"))
            .collect::<Vec<_>>()
            .join(", ")
    )
}

/// As many times the same error.
fn all(error: &str, count: usize) -> Value {
    json!(vec![error; count])
}

/// Not by its name, not by its folder, and not by what the daemon has open.
fn the_log_cant_be_read() -> Outcome {
    let host = Host::start();
    host.did(ONE, "true");
    let folder = host.folder.path();
    let id = fs::read_to_string(folder.join("host_uuid"))?;
    let link = folder.join("log").join(id.trim()).join("events.log");
    let pid = host.daemon.child.id();
    let mut acts: Vec<_> = [&link, &fs::canonicalize(&link)?]
        .map(|path| format!("open('{}')", path.display()))
        .to_vec();
    acts.push(format!("open('{}', 'a')", link.display()));
    acts.push(format!("os.unlink('{}')", link.display()));
    acts.push(format!("os.truncate('{}', 0)", link.display()));
    acts.push(format!("os.listdir('/proc/{pid}/fd')"));
    let program = errors(&acts);
    assert_eq!(
        python(&host, ONE, "log.py", &program),
        all("EACCES", acts.len())
    );
    // Root can: the acts themselves are right.
    let text = errors(&[&acts[..3], &acts[5..]].concat());
    assert_eq!(
        python(&host, "root", "root.py", &text),
        json!([null, null, null, null])
    );
    Ok(())
}

fn the_daemon_cant_be_touched() -> Outcome {
    let mut host = Host::start();
    let pid = host.daemon.child.id();
    let signals = [libc::SIGTERM, libc::SIGKILL, libc::SIGSTOP, libc::SIGHUP, 0];
    let mut acts: Vec<_> = signals
        .map(|signal| format!("os.kill({pid}, {signal})"))
        .to_vec();
    // PTRACE_ATTACH is 16, BPF_MAP_GET_NEXT_ID is 12 and needs no fd.
    acts.push(format!("call({}, 16, {pid}, 0, 0)", libc::SYS_ptrace));
    acts.push(format!(
        "call({}, 12, (ctypes.c_uint * 3)(), 12)",
        libc::SYS_bpf
    ));
    let program = errors(&acts);
    assert_eq!(
        python(&host, ONE, "touch.py", &program),
        all("EPERM", acts.len())
    );
    let files = ["mem", "maps", "environ"].map(|name| format!("open('/proc/{pid}/{name}')"));
    assert_eq!(
        python(&host, ONE, "files.py", &errors(&files)),
        all("EACCES", 3)
    );
    let written = host.did(ONE, "cat /etc/hostname >/dev/null; :");
    assert_eq!(
        ran(&written).last(),
        Some(&json!(["/usr/bin/cat", "/etc/hostname"]))
    );
    assert_eq!(host.daemon.stop(), Some(0));
    Ok(())
}

/// Inodes of the sockets that a process has open.
fn sockets(pid: u32) -> Vec<String> {
    let files = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
    let targets = files.filter_map(|file| fs::read_link(file.path()).ok());
    targets
        .filter_map(|target| {
            let name = target.to_str()?.strip_prefix("socket:[")?;
            Some(name.strip_suffix(']')?.to_owned())
        })
        .collect()
}

/// Those of its sockets that have a name belong to root alone, and it listens on no port.
fn its_sockets_cant_be_used() -> Outcome {
    let host = Host::start();
    let own = sockets(host.daemon.child.id());
    let is_own = |inode: &str| own.iter().any(|own| own == inode);
    let lines = |table: &str| fs::read_to_string(format!("/proc/net/{table}")).unwrap();
    for table in ["tcp", "tcp6", "udp", "udp6", "raw", "raw6"] {
        let text = lines(table);
        let inodes = text
            .lines()
            .filter_map(|line| line.split_whitespace().nth(9));
        assert_eq!(inodes.filter(|it| is_own(it)).count(), 0, "{table}");
    }
    let mut named = Vec::new();
    for line in lines("unix").lines() {
        let fields: Vec<_> = line.split_whitespace().collect();
        let (Some(inode), Some(name)) = (fields.get(6), fields.get(7)) else {
            continue;
        };
        if is_own(inode) {
            assert!(name.starts_with('/'), "{name}: anybody could use it");
            let mode = fs::metadata(Path::new(name))?.permissions().mode();
            assert_eq!(mode & 0o7, 0, "{name}");
            let act = format!("socket.socket(socket.AF_UNIX).connect('{name}')");
            let error = python(&host, ONE, "connect.py", &errors(&[act]));
            assert_eq!(error, all("EACCES", 1), "{name}");
            named.push((*name).to_owned());
        }
    }
    // It listens at one, of those that have a name.
    let control = host.folder.path().join("control");
    assert_eq!(named, [control.to_str().unwrap()]);
    Ok(())
}

/// Memory of the daemon that is its own, in KiB.
fn memory(host: &Host) -> u64 {
    let path = format!("/proc/{}/status", host.daemon.child.id());
    let status = fs::read_to_string(path).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    line.unwrap().trim_end_matches("kB").trim().parse().unwrap()
}

/// Whatever is done in a session, and however much of it: what the daemon keeps is bounded.
fn its_memory_cant_be_filled() -> Outcome {
    const MOST: u64 = 16 << 10;
    let host = Host::start();
    host.did(ONE, "true");
    let before = memory(&host);
    let program = "import json, os, socket, subprocess
for i in range(20000):
    try:
        os.open('/nothing/%d/' % i + 'x' * 3000, 0)
    except OSError:
        pass
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range(20000):
    udp.sendto(b'x', ('127.%d.%d.9' % (i >> 8 & 255, i & 255), 9))
for i in range(50):
    subprocess.run(['/bin/true'] + ['x' * 100000] * 15)
children = []
for i in range(300):
    pid = os.fork()
    if pid == 0:
        os.execv('/bin/sleep', ['sleep', '5'])
    children.append(pid)
for pid in children:
    os.waitpid(pid, 0)
print(json.dumps('done'))
";
    assert_eq!(python(&host, ONE, "fill.py", program), "done");
    let lines = host.session_with("", "fill.py");
    let end = lines.last().unwrap();
    let told = |family: &str| {
        let count = |key: &str| end[key][family].as_u64().unwrap();
        count("events") + count("losses")
    };
    // The shell, the program, and those that it runs.
    assert_eq!(told("command"), 2 + 50 + 300);
    // Those of the program itself, and of what is run.
    assert!(told("disk") > 20_000 && told("network") == 20_000, "{end}");
    let after = memory(&host);
    println!("{before} KiB before, {after} KiB after");
    assert!(
        after < before + MOST,
        "{before} KiB before, {after} KiB after"
    );
    Ok(())
}
