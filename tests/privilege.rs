//! session.privilege: each way in which a process changes its rights, or reaches into others and the
//! kernel.

use std::fs;
use std::process::Command;

use crate::common::{
    self, Folder, Host, ONE, Outcome, PYTHON, Process, account, expected, of_kind, patiently,
    plains,
};
use libtest_mimic::Trial;
use serde_json::Value;

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    common::tests(
        module_path!(),
        &[
            ("ids of root, and of who may not", ids),
            ("capabilities", capabilities),
            ("another process", targets),
            ("another process that may not be reached", refused_targets),
            ("namespaces", namespaces),
            ("another root", roots),
            ("a BPF program", bpf_program),
            ("modules and kernels", modules),
            ("BPF objects of others", bpf_objects),
            ("signals to the recorder", signals),
            ("signals to the guard", signals_to_the_guard),
            ("how the recorder runs", limits),
            ("clocks, and the host", host_wide),
            ("a restart that succeeds", restart),
            ("descriptors from outside", descriptors),
            ("the login's own mark", loginuid),
            ("nothing outside a session", outside),
        ],
    )
}

/// As the kernel has it in the flags of a file.
#[cfg(target_arch = "x86_64")]
const O_LARGEFILE: i32 = 0o100000;
/// As the kernel has it in the flags of a file, on arm64.
#[cfg(target_arch = "aarch64")]
const O_LARGEFILE: i32 = 0o400000;

/// What every script begins with.
const PRELUDE: &str = "
import ctypes, os, signal
libc = ctypes.CDLL(None, use_errno=True)
";

/// Runs a Python script as a session of an account of its own, and returns its lines and what it
/// printed.
fn session(login: &str, script: &str) -> (Vec<Value>, String) {
    let host = Host::shared();
    let script = format!("exec {PYTHON} -Ic '{PRELUDE}{script}'");
    let printed = host.ssh(login, &script);
    (host.sessions(1).remove(0), printed)
}

/// The ids of a process, as JSON.
fn ids_of(uid: u32, gid: u32, euid: u32, egid: u32) -> String {
    format!(r#"{{"uid":{uid},"gid":{gid},"euid":{euid},"egid":{egid}}}"#)
}

/// A session.privilege of a login over ssh, as `plain` gives it.
fn privilege(login: &str, operation: &str, return_code: i32, ids: &str, rest: &str) -> String {
    expected(
        "session.privilege",
        "R4007I",
        login,
        &format!(
            r#""pid":"<pid>","cgroup_id":"<cgroup_id>","program":"python3","audit_session_id":"<audit_session_id>","operation":"{operation}","return_code":{return_code},"ids":{ids}{rest}"#
        ),
    )
}

/// What root did, whose ids are all 0.
fn of_root(operation: &str, return_code: i32, rest: &str) -> String {
    privilege("root", operation, return_code, &ids_of(0, 0, 0, 0), rest)
}

/// The lines of a script run by root.
fn run_by_root(script: &str) -> Vec<String> {
    plains(&session("root", script).0, "session.privilege")
}

/// Each change with the ids before and after; none for a call that changes nothing.
fn ids() -> Outcome {
    let lines = run_by_root(
        "
os.setgid(0)
os.setresgid(-1, -1, -1)
os.setregid(-1, 7)
os.setresgid(8, 8, 0)
os.setgid(9)
os.setreuid(-1, 5)
os.setreuid(-1, 0)
os.setresuid(6, 6, 6)
",
    );
    let change = |operation, old: [u32; 4], new: [u32; 4]| {
        let [old, new] = [old, new].map(|[uid, gid, euid, egid]| ids_of(uid, gid, euid, egid));
        privilege("root", operation, 0, &new, &format!(r#","old_ids":{old}"#))
    };
    assert_eq!(
        lines,
        [
            change("setregid", [0, 0, 0, 0], [0, 0, 0, 7]),
            change("setresgid", [0, 0, 0, 7], [0, 8, 0, 8]),
            change("setgid", [0, 8, 0, 8], [0, 9, 0, 9]),
            change("setreuid", [0, 9, 0, 9], [0, 9, 5, 9]),
            change("setreuid", [0, 9, 5, 9], [0, 9, 0, 9]),
            change("setresuid", [0, 9, 0, 9], [6, 9, 6, 9]),
        ]
    );
    let (lines, _) = session(
        ONE,
        "
for call, ids in [(libc.setuid, [0]), (libc.setregid, [-1, 0]), (libc.setresuid, [-1, 0, -1])]:
    assert call(*ids) == -1
",
    );
    let (uid, gid) = account(ONE);
    let refused = |operation, requested: &str| {
        let ids = ids_of(uid, gid, uid, gid);
        let rest = format!(r#","requested":{requested}"#);
        privilege(ONE, operation, -libc::EPERM, &ids, &rest)
    };
    assert_eq!(
        plains(&lines, "session.privilege"),
        [
            refused("setuid", "[0]"),
            refused("setregid", "[-1,0]"),
            refused("setresuid", "[-1,0,-1]"),
        ]
    );
    Ok(())
}

/// The sets that the process has after the call, as /proc shows them.
fn capabilities() -> Outcome {
    let (lines, printed) = session(
        "root",
        r#"
header = (ctypes.c_uint32 * 2)(0x20080522, 0)
sets = (ctypes.c_uint32 * 6)()
libc.capget(header, sets)
sets[0] &= ~3
sets[1] &= ~1
sets[2] = 2
assert libc.capset(header, sets) == 0
for line in open("/proc/self/status"):
    if line[:6] in ("CapInh", "CapPrm", "CapEff"): print(line.split()[1])
sets[1] |= 1
assert libc.capset(header, sets) == -1
"#,
    );
    let sets: Vec<&str> = printed.lines().collect();
    assert!(sets[0].ends_with("0002"), "{sets:?}");
    let rest = format!(
        r#","capabilities":{{"effective":"{}","permitted":"{}","inheritable":"{}"}}"#,
        sets[2], sets[1], sets[0]
    );
    assert_eq!(
        plains(&lines, "session.privilege"),
        [
            of_root("capset", 0, &rest),
            of_root("capset", -libc::EPERM, &rest),
        ]
    );
    Ok(())
}

/// A child that is another program, and what is done to it.
const TARGET: &str = r#"
ATTACH, DETACH, SEIZE = 16, 17, 0x4206
def start():
    there, here = os.pipe()
    child = os.fork()
    if not child:
        os.execv("/bin/sleep", ["sleep", "1000"])
    os.close(here)
    os.read(there, 1)
    return child
def end(child):
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
"#;

/// The target is named by what the kernel knows of it, where nothing was done as well.
fn targets() -> Outcome {
    let script = r#"
child = start()
assert libc.ptrace(ATTACH, child, 0, 0) == 0
os.waitpid(child, 0)
assert libc.ptrace(DETACH, child, 0, 0) == 0
assert libc.ptrace(SEIZE, child, 0, 0) == 0
class Part(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]
def write(address):
    text = ctypes.create_string_buffer(5)
    here, there = Part(ctypes.addressof(text), 5), Part(address, 5)
    return libc.process_vm_writev(child, ctypes.byref(here), 1, ctypes.byref(there), 1, 0)
maps = open(f"/proc/{child}/maps")
stack, = [int(line.split("-")[0], 16) for line in maps if "[stack]" in line]
assert write(stack) == 5
assert write(8) == -1
end(child)
assert libc.ptrace(ATTACH, child, 0, 0) == -1
print(child)
"#;
    let (lines, printed) = session("root", &[TARGET, script].concat());
    let target = target(printed.trim(), "same");
    let gone = format!(r#","target_pid":{}"#, printed.trim());
    let write = |return_code, bytes| {
        let rest = format!(r#"{target},"bytes":{bytes}"#);
        of_root("process_vm_writev", return_code, &rest)
    };
    assert_eq!(
        plains(&lines, "session.privilege"),
        [
            of_root("ptrace_attach", 0, &target),
            of_root("ptrace_seize", 0, &target),
            write(0, 5),
            write(-libc::EFAULT, 0),
            of_root("ptrace_attach", -libc::ESRCH, &gone),
        ]
    );
    Ok(())
}

/// What a line says of a child that sleeps.
fn target(pid: &str, session: &str) -> String {
    let sleep = fs::canonicalize("/bin/sleep").unwrap();
    format!(
        r#","target_pid":{pid},"target_program":"sleep","target_exe":"{}","target_session":"{session}""#,
        sleep.display()
    )
}

/// Who may not attach is told all the same, and of whom.
fn refused_targets() -> Outcome {
    let mut sleep = Command::new("/bin/sleep").arg("1000").spawn()?;
    let pid = sleep.id();
    let script = format!("assert libc.ptrace(16, {pid}, 0, 0) == -1");
    let (lines, _) = session(ONE, &script);
    sleep.kill()?;
    sleep.wait()?;
    let (uid, gid) = account(ONE);
    let ids = ids_of(uid, gid, uid, gid);
    assert_eq!(
        plains(&lines, "session.privilege"),
        [privilege(
            ONE,
            "ptrace_attach",
            -libc::EPERM,
            &ids,
            &target(&pid.to_string(), "none")
        )]
    );
    Ok(())
}

/// Those that a call makes or enters. A process in one of them is named by its number on the host.
fn namespaces() -> Outcome {
    let script = r#"
MNT, UTS, PID, NET = 0x20000, 0x04000000, 0x20000000, 0x40000000
before = os.open("/proc/self/ns/uts", os.O_RDONLY)
assert libc.unshare(0) == 0
assert libc.unshare(0x200) == 0
assert libc.unshare(UTS | NET) == 0
assert libc.setns(before, 0) == 0
assert libc.setns(before, UTS) == 0
assert libc.setns(before, NET) == -1
assert libc.syscall(56 if os.uname().machine == "x86_64" else 220, MNT | PID | signal.SIGCHLD, 0, 0, 0, 0) > 0 or os._exit(0)
os.wait()
sizes = (ctypes.c_uint64 * 8)(UTS, 0, 0, 0, signal.SIGCHLD)
assert libc.syscall(435, sizes, 64) > 0 or os._exit(0)
os.wait()
assert libc.unshare(PID) == 0
there, here = os.pipe()
if not os.fork():
    child = start()
    assert child == 2
    os.write(here, b".")
    signal.sigwait([signal.SIGUSR1])
    libc.ptrace(ATTACH, child, 0, 0)
    os.waitpid(child, 0)
    os._exit(0)
os.read(there, 1)
children = lambda pid: open(f"/proc/{pid}/task/{pid}/children").read().split()
outer, = children(os.getpid())
print(*children(outer))
os.kill(int(outer), signal.SIGUSR1)
os.wait()
"#;
    let mask = "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])";
    let (lines, printed) = session("root", &[TARGET, mask, script].concat());
    let of = |operation, return_code, names: &str| {
        let rest = format!(r#","namespaces":[{names}]"#);
        of_root(operation, return_code, &rest)
    };
    assert_eq!(
        plains(&lines, "session.privilege"),
        [
            of("unshare", 0, r#""uts","net""#),
            of("setns", 0, r#""uts""#),
            of("setns", 0, r#""uts""#),
            of("setns", -libc::EINVAL, r#""uts""#),
            of("clone", 0, r#""mnt","pid""#),
            of("clone", 0, r#""uts""#),
            of("unshare", 0, r#""pid""#),
            of_root("ptrace_attach", 0, &target(printed.trim(), "same")),
        ]
    );
    Ok(())
}

/// By its own path where the call has worked, as requested where it has not.
fn roots() -> Outcome {
    let folder = Folder::new();
    let place = folder.path().canonicalize()?;
    let place = place.display();
    let script = format!(
        r#"
os.chdir("{place}")
assert libc.chroot(b"absent") == -1
assert libc.pivot_root(b"absent", b".") == -1
assert libc.chroot(b"../{name}/.") == 0
"#,
        name = folder.path().file_name().unwrap().display()
    );
    let path = |path: &str| format!(r#","path":"{path}""#);
    assert_eq!(
        run_by_root(&script),
        [
            of_root("chroot", -libc::ENOENT, &path("absent")),
            of_root("pivot_root", -libc::ENOENT, &path("absent")),
            of_root("chroot", 0, &path(&place.to_string())),
        ]
    );
    Ok(())
}

/// Its type and name, as the kernel took them, or as they were asked for. Other uses of bpf(2) are
/// none.
fn bpf_program() -> Outcome {
    let lines = run_by_root(
        r#"
number = 321 if os.uname().machine == "x86_64" else 280
BPF_MAP_CREATE, BPF_PROG_LOAD = 0, 5
# r0 = 0, exit
code = ctypes.create_string_buffer(bytes.fromhex("b700000000000000 9500000000000000"), 16)
license = ctypes.create_string_buffer(b"GPL")
def load(kind, count, name):
    text = ctypes.create_string_buffer(128)
    words, longs = (ctypes.c_uint32 * 32).from_buffer(text), (ctypes.c_uint64 * 16).from_buffer(text)
    words[0], words[1], longs[1], longs[2] = kind, count, ctypes.addressof(code), ctypes.addressof(license)
    text[48 : 48 + len(name)] = name
    return libc.syscall(number, BPF_PROG_LOAD, text, 128)
SOCKET_FILTER, XDP = 1, 6
assert load(SOCKET_FILTER, 2, b"looks_harmless") >= 0
assert load(XDP, 1, b"") == -1
assert libc.syscall(number, BPF_MAP_CREATE, (ctypes.c_uint32 * 8)(2, 4, 4, 1), 32) >= 0
"#,
    );
    let program = |name, kind| format!(r#","name":"{name}","program_type":"{kind}""#);
    assert_eq!(
        lines,
        [
            of_root(
                "bpf_prog_load",
                0,
                &program("looks_harmless", "socket_filter")
            ),
            of_root("bpf_prog_load", -libc::EINVAL, &program("", "xdp")),
        ]
    );
    Ok(())
}

/// What is done to objects that are there, by descriptors and by ids. What only asks is none.
fn bpf_objects() -> Outcome {
    let folder = Folder::new();
    let absent = folder.path().join("absent");
    let (lines, printed) = session(
        "root",
        &format!(
            r#"
import struct
number = 321 if os.uname().machine == "x86_64" else 280
def bpf(command, *parts):
    text = b"".join(parts).ljust(128, b"\0")
    kept = ctypes.create_string_buffer(text, 128)
    return libc.syscall(number, command, kept, 128)
word = lambda number: struct.pack("<I", number)
def address(*numbers):
    kept.append((ctypes.c_uint32 * len(numbers))(*numbers))
    return struct.pack("<Q", ctypes.addressof(kept[-1]))
kept = []
ARRAY, HASH = 2, 1
map = bpf(0, word(HASH), word(4), word(4), word(8), word(0), word(0), word(0), b"tables_of_mine")
assert map >= 0
key, value = address(7), address(8)
element = [word(map), word(0), key, value]
assert bpf(2, *element) == 0
assert bpf(1, *element) == 0
assert bpf(3, *element[:3]) == 0
assert bpf(3, *element[:3]) == -1
assert bpf(2, *element) == 0
info = (ctypes.c_uint32 * 16)()
assert bpf(15, word(map), word(64), struct.pack("<Q", ctypes.addressof(info))) == 0
assert bpf(14, word(info[1])) >= 0
assert bpf(14, word(0xffffffff)) == -1
assert bpf(13, word(0xffffffff)) == -1
assert bpf(30, word(0xffffffff)) == -1
assert bpf(19, word(0xffffffff)) == -1
assert bpf(34, word(map)) == -1
path = ctypes.create_string_buffer(b"{absent}")
assert bpf(7, struct.pack("<Q", ctypes.addressof(path))) == -1
batch = struct.pack("<QQ", 0, 0) + key + value + word(1) + word(map)
print(info[1], bpf(26, batch))
assert bpf(22, word(map)) == 0
"#,
            absent = absent.display()
        ),
    );
    let mut words = printed.split_whitespace();
    let id = words.next().unwrap();
    let batch: i32 = words.next().unwrap().parse()?;
    let of_map = |operation, code| {
        let named = format!(r#","name":"tables_of_mine","object_id":{id}"#);
        of_root(operation, code, if code == 0 { &named } else { "" })
    };
    let of_none = |operation| of_root(operation, -libc::ENOENT, r#","object_id":4294967295"#);
    let mut expected = vec![
        of_map("bpf_map_update_elem", 0),
        of_map("bpf_map_delete_elem", 0),
        of_map("bpf_map_delete_elem", -libc::ENOENT),
        of_map("bpf_map_update_elem", 0),
        of_map("bpf_map_get_fd_by_id", 0),
        of_none("bpf_map_get_fd_by_id"),
        of_none("bpf_prog_get_fd_by_id"),
        of_none("bpf_link_get_fd_by_id"),
        of_none("bpf_btf_get_fd_by_id"),
        of_root("bpf_link_detach", -libc::EINVAL, ""),
        of_root(
            "bpf_obj_get",
            -libc::ENOENT,
            &format!(r#","path":"{}""#, absent.display()),
        ),
    ];
    if batch == 0 {
        expected.push(of_map("bpf_map_update_batch", 0));
    }
    expected.push(of_map("bpf_map_freeze", 0));
    let mut told = plains(&lines, "session.privilege");
    if batch != 0 {
        told.retain(|line| !line.contains("bpf_map_update_batch"));
    }
    assert_eq!(told, expected);
    Ok(())
}

/// What a line says of the daemon.
fn daemon_target(host: &Host) -> String {
    outside_target(host.daemon.child.id())
}

/// What a line says of a process of no session.
fn outside_target(pid: u32) -> String {
    let exe = fs::read_link(format!("/proc/{pid}/exe")).unwrap();
    let comm = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap();
    format!(
        r#","target_pid":{pid},"target_program":"{}","target_exe":"{}","target_session":"none""#,
        comm.trim(),
        exe.display()
    )
}

/// By whatever call, also one that a shell makes itself; the last one ends the recorder, and is on record.
fn signals() -> Outcome {
    let mut host = Host::start();
    let target = daemon_target(&host);
    let pid = host.daemon.child.id();
    let script = format!(
        r#"
import time
CONT, TERM, QUEUE = 18, 15, -1
x86 = os.uname().machine == "x86_64"
os.kill({pid}, CONT)
os.kill({pid}, 0)
os.kill(os.getpid(), CONT)
os.kill(1, 0)
signal.pidfd_send_signal(os.pidfd_open({pid}), CONT)
assert libc.syscall(234 if x86 else 131, {pid}, {pid}, CONT) == 0
information = (ctypes.c_int * 32)(CONT, 0, QUEUE)
assert libc.syscall(129 if x86 else 138, {pid}, CONT, information) == 0
"#
    );
    let script = format!("{PYTHON} -Ic '{PRELUDE}{script}'; kill -TERM {pid}; exit 0");
    host.ssh("root", &script);
    assert_eq!(host.daemon.child.wait()?.code(), Some(0));
    let lines = host.all_sessions().remove(0);
    let sent = |program: &str, signal: i32| {
        of_root("signal", 0, &format!(r#"{target},"signal":{signal}"#)).replace("python3", program)
    };
    let told: Vec<_> = of_kind(&lines, "session.privilege")
        .into_iter()
        .filter(|line| line["operation"] == "signal")
        .map(|line| (line["program"].clone(), line["signal"].clone()))
        .collect();
    let shell = told.last().unwrap().0.as_str().unwrap().to_owned();
    assert_ne!(shell, "python3");
    let plain = plains(&lines, "session.privilege");
    let expected: Vec<_> = [("python3", 18); 4]
        .into_iter()
        .chain([(shell.as_str(), 15)])
        .map(|(program, signal)| sent(program, signal))
        .collect();
    assert_eq!(plain, expected);
    Ok(())
}

/// The process that lets go of who is held is the recorder's as much as the daemon is.
fn signals_to_the_guard() -> Outcome {
    let host = Host::with("", "overload: throttle");
    let guard = crate::overload::guard(&host) as u32;
    host.ssh(
        "root",
        &format!("exec {PYTHON} -Ic 'import os; os.kill({guard}, 18)'"),
    );
    let lines = host.sessions(1).remove(0);
    let expected = of_root(
        "signal",
        0,
        &format!(r#"{},"signal":18"#, outside_target(guard)),
    );
    assert_eq!(plains(&lines, "session.privilege"), [expected]);
    Ok(())
}

/// Only of the recorder: of any other process nothing is told.
fn limits() -> Outcome {
    let host = Host::with("", "overload: throttle");
    let pids = [host.daemon.child.id(), crate::overload::guard(&host) as u32];
    let [daemon, guard] = pids;
    let script = format!(
        r#"
import resource
for pid in [os.getpid(), {daemon}, {guard}]:
    now = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, now)
    os.setpriority(os.PRIO_PROCESS, pid, os.getpriority(os.PRIO_PROCESS, pid))
    os.sched_setaffinity(pid, os.sched_getaffinity(pid))
    os.sched_setscheduler(pid, os.sched_getscheduler(pid), os.sched_getparam(pid))
"#
    );
    host.ssh("root", &format!("exec {PYTHON} -Ic '{PRELUDE}{script}'"));
    let lines = host.sessions(1).remove(0);
    let expected = pids.map(|pid| {
        let target = outside_target(pid);
        [
            of_root("prlimit", 0, &format!(r#"{target},"resource":7"#)),
            of_root("setpriority", 0, &target),
            of_root("sched_setaffinity", 0, &target),
            of_root("sched_setscheduler", 0, &target),
        ]
    });
    assert_eq!(plains(&lines, "session.privilege"), expected.concat());
    Ok(())
}

/// Of a process id namespace, whose first process the kernel ends for it: the call has no end that could be seen.
fn restart() -> Outcome {
    let (lines, printed) = session(
        "root",
        r#"
import sys
assert not libc.unshare(0x20000000)
child = os.fork()
if not child:
    os.execv(sys.executable, [sys.executable, "-Ic", "import ctypes; ctypes.CDLL(None).reboot(0x1234567)"])
print(os.waitpid(child, 0)[1])
sys.stdout.flush()
os.execv("/bin/true", ["true", "after"])
"#,
    );
    assert_eq!(printed, format!("{}\n", libc::SIGHUP));
    let told = of_kind(&lines, "session.privilege").into_iter();
    let told: Vec<_> = told.map(|line| &line["operation"]).collect();
    assert_eq!(told, ["unshare"]);
    let commands = of_kind(&lines, "session.command").into_iter();
    let commands: Vec<_> = commands.map(|line| line["argv"].to_string()).collect();
    assert!(
        commands.iter().any(|argv| argv.contains("reboot")),
        "{commands:?}"
    );
    assert_eq!(commands.last().unwrap(), r#"["after"]"#);
    Ok(())
}

/// Each attempt of an account without rights; what only asks is none.
fn host_wide() -> Outcome {
    let (lines, printed) = session(
        ONE,
        r#"
x86 = os.uname().machine == "x86_64"
def call(name, x86_number, arm64_number, *arguments):
    assert libc.syscall(x86_number if x86 else arm64_number, *arguments) == -1
    print(name, ctypes.get_errno())
at = lambda *numbers: (ctypes.c_int64 * 26)(*numbers)
call("clock_settime", 227, 112, 0, at(1700000000, 250000000))
call("settimeofday", 164, 170, at(1700000000, 500000), None)
call("clock_adjtime", 305, 266, 0, at(0x100, 1))
assert libc.clock_adjtime(0, at()) >= 0
call("adjtimex", 159, 171, at(0x4000))
call("reboot", 169, 142, 0xfee1dead, 672274793, 0x1234567, None)
call("sethostname", 170, 161, b"elsewhere and more", 9)
call("syslog", 103, 116, 5, None, 0)
libc.klogctl(10, None, 0)
call("acct", 163, 89, b"/tmp/nothing")
"#,
    );
    let (uid, gid) = account(ONE);
    let ids = ids_of(uid, gid, uid, gid);
    let expected: Vec<String> = printed
        .lines()
        .map(|line| line.split_once(' ').unwrap())
        .filter(|(_, error)| *error != "38")
        .map(|(name, error)| {
            let (name, rest) = match name {
                "clock_settime" => (name, r#","clock":0,"to":"2023-11-14T22:13:20.250Z""#),
                "settimeofday" => (name, r#","clock":0,"to":"2023-11-14T22:13:20.500Z""#),
                "clock_adjtime" | "adjtimex" => ("clock_adjtime", r#","clock":0"#),
                "reboot" => (name, r#","command":19088743"#),
                "sethostname" => (name, r#","name":"elsewhere""#),
                "syslog" => (name, r#","command":5"#),
                _ => (name, r#","path":"/tmp/nothing""#),
            };
            privilege(ONE, name, -error.parse::<i32>().unwrap(), &ids, rest)
        })
        .collect();
    let told = plains(&lines, "session.privilege");
    let told: Vec<_> = told
        .into_iter()
        .filter(|line| !line.contains(r#""return_code":-38"#))
        .collect();
    assert_eq!(told, expected);
    assert!(expected.len() >= 6, "{printed}");
    Ok(())
}

/// What a process of no session has open, by a message and by a pidfd; and what one of the same session
/// has, which is not told.
fn descriptors() -> Outcome {
    let folder = Folder::new();
    let place = folder.path().canonicalize()?;
    let (file, socket) = (place.join("kept"), place.join("socket"));
    fs::write(&file, "kept")?;
    let sender = format!(
        r#"
import array, os, socket
kept = os.open("{}", os.O_RDONLY)
listener = socket.socket(socket.AF_UNIX)
listener.bind("{}")
listener.listen()
os.write(2, b"listens %d\n" % kept)
peer, _ = listener.accept()
socket.send_fds(peer, [b"x"], [kept, 2])
peer.recv(1)
socket.send_fds(peer, [b"x"], [kept])
peer.recv(1)
"#,
        file.display(),
        socket.display()
    );
    let mut outside = Process::spawn(Command::new(PYTHON).args(["-Ic", &sender]));
    let line = outside.wait_for("listens");
    let kept = line.split(' ').nth(1).unwrap();
    let pid = outside.child.id();
    let (lines, _) = session(
        "root",
        &format!(
            r#"
import socket, threading
one, other = socket.socketpair()
socket.send_fds(one, [b"x"], [0])
assert len(socket.recv_fds(other, 1, 4)[1]) == 1
peer = socket.socket(socket.AF_UNIX)
peer.connect("{}")
assert len(socket.recv_fds(peer, 1, 4)[1]) == 2
assert libc.syscall(438, os.pidfd_open({pid}), {kept}, 0) >= 0
assert libc.syscall(438, os.pidfd_open({pid}), 999, 0) == -1
peer.send(b"x")
# From here on, the message can be another by the time it is looked at.
thread = threading.Thread(target=lambda: None)
thread.start()
thread.join()
assert len(socket.recv_fds(peer, 1, 4)[1]) == 1
peer.send(b"x")
"#,
            socket.display()
        ),
    );
    let from = format!(r#","target_pid":{pid},"target_program":"python3","target_session":"none""#);
    let path = format!(r#","path":"{}","flags":{}"#, file.display(), O_LARGEFILE);
    assert_eq!(
        plains(&lines, "session.privilege"),
        [
            of_root("recvmsg", 0, &format!(r#"{from},"descriptors":2{path}"#)),
            of_root("pidfd_getfd", 0, &format!("{from}{path}")),
            of_root("pidfd_getfd", -libc::EBADF, &from),
            of_root("recvmsg", 0, &format!(r#"{from},"descriptors":1{path}"#)).replace(
                r#""audit_session_id":"<audit_session_id>""#,
                r#""audit_session_id":"<audit_session_id>","arguments_racy":true"#,
            ),
        ]
    );
    Ok(())
}

/// A call that this kernel is made without leaves nothing: the guests of tests/kernels have them.
fn modules() -> Outcome {
    let folder = Folder::new();
    let file = folder.path().join("x.ko");
    fs::write(&file, "no module")?;
    let file = file.canonicalize()?;
    let (lines, printed) = session(
        "root",
        &format!(
            r#"
x86 = os.uname().machine == "x86_64"
file = os.open("{}", os.O_RDONLY)
for name, x86_number, arm64_number, arguments in [
    ("finit_module", 313, 273, [file, b"", 0]),
    ("init_module", 175, 105, [b"none", 4, b""]),
    ("delete_module", 176, 106, [b"nothing", 0]),
    ("kexec_load", 246, 104, [0, 99, 0, 0]),
    ("kexec_file_load", 320, 294, [file, file, 0, 0, 0]),
]:
    assert libc.syscall(x86_number if x86 else arm64_number, *arguments) == -1
    print(name, ctypes.get_errno())
"#,
            file.display()
        ),
    );
    let path = format!(r#","path":"{}""#, file.display());
    let expected: Vec<String> = printed
        .lines()
        .map(|line| line.split_once(' ').unwrap())
        .map(|(name, error)| (name, error.parse::<i32>().unwrap()))
        .map(|(name, error)| {
            let rest = match name {
                "finit_module" | "kexec_file_load" => &path,
                "delete_module" => r#","name":"nothing""#,
                _ => "",
            };
            of_root(name, -error, rest)
        })
        .collect();
    assert_eq!(plains(&lines, "session.privilege"), expected);
    Ok(())
}

/// What a process changes of its own is told at its next fork, exec or exit. Its session stays the
/// same.
fn loginuid() -> Outcome {
    let (lines, printed) = session(
        "root",
        r#"
print(open("/proc/self/sessionid").read(), flush=True)
open("/proc/self/loginuid", "w").write("4294967295")
open("/proc/self/loginuid", "w").write("77")
print(open("/proc/self/sessionid").read(), flush=True)
os.spawnv(os.P_WAIT, "/bin/true", ["true"])
open("/proc/self/loginuid", "w").write("78")
os.execv("/bin/sh", ["sh", "-c", "cat /proc/self/sessionid; echo 79 > /proc/self/loginuid"])
"#,
    );
    let told = of_kind(&lines, "session.privilege");
    let old: u64 = printed.split_whitespace().next().unwrap().parse()?;
    let new: u64 = printed.split_whitespace().nth(1).unwrap().parse()?;
    let last: u64 = printed.split_whitespace().nth(2).unwrap().parse()?;
    let mark = |to: u32, from: u32, old: u64| {
        of_root(
            "loginuid",
            0,
            &format!(r#","loginuid":{to},"old_loginuid":{from},"old_audit_session_id":{old}"#),
        )
    };
    assert_ne!(new, old);
    assert_eq!(
        plains(&lines, "session.privilege"),
        [
            mark(77, 0, old),
            mark(78, 77, new).replace(r#""program":"python3""#, r#""program":"sh""#),
            mark(79, 78, last).replace(r#""program":"python3""#, r#""program":"sh""#),
        ]
    );
    assert_eq!(told[0]["audit_session_id"], new);
    let ran = of_kind(&lines, "session.command");
    let ran = ran.iter().find(|it| it["path"] == "/bin/true").unwrap();
    assert_eq!(ran["audit_session_id"], new);
    Ok(())
}

/// The acts by a process of no session, beside one that does none.
fn outside() -> Outcome {
    let host = Host::shared();
    let mut login = host.login(ONE, "read; exit");
    patiently("the session", || host.all_sessions().pop());
    let script = r#"
child = start()
libc.ptrace(ATTACH, child, 0, 0)
os.waitpid(child, 0)
end(child)
libc.unshare(0x04000000)
libc.setns(os.open("/proc/self/ns/uts", os.O_RDONLY), 0)
libc.chroot(b"absent")
libc.setresuid(5, 5, 5)
"#;
    let acts = [PRELUDE, TARGET, script].concat();
    let done = Command::new(PYTHON).args(["-Ic", &acts]).status()?;
    assert!(done.success());
    login.child.stdin.take();
    login.child.wait()?;
    assert_eq!(
        plains(&host.sessions(1).remove(0), "session.privilege"),
        [""; 0]
    );
    let all = host.log();
    assert_eq!(of_kind(&all, "session.privilege"), [] as [&Value; 0]);
    Ok(())
}
