//! session.privilege: each way in which a process changes its rights, or reaches into others and the
//! kernel.

mod common;

use std::fs;
use std::process::{Command, ExitCode};

use common::{Folder, Host, ONE, Outcome, PYTHON, account, expected, of_kind, patiently, plains};
use serde_json::Value;

fn main() -> ExitCode {
    common::main(&[
        ("ids of root, and of who may not", ids),
        ("capabilities", capabilities),
        ("another process", targets),
        ("another process that may not be reached", refused_targets),
        ("namespaces", namespaces),
        ("another root", roots),
        ("a BPF program", bpf_program),
        ("modules and kernels", modules),
        ("the login's own mark", loginuid),
        ("nothing outside a session", outside),
    ])
}

/// What every script begins with.
const PRELUDE: &str = "
import ctypes, os, signal
libc = ctypes.CDLL(None, use_errno=True)
";

/// Runs a Python script as a session of an account of its own, and returns its lines and what it
/// printed.
fn session(login: &str, script: &str) -> (Vec<Value>, String) {
    let host = Host::start();
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

/// The same of root, whose ids are all 0.
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
sets[0] &= ~1
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
    let target = target(printed.trim());
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
fn target(pid: &str) -> String {
    let sleep = fs::canonicalize("/bin/sleep").unwrap();
    format!(
        r#","target_pid":{pid},"target_program":"sleep","target_exe":"{}""#,
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
            &target(&pid.to_string())
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
            of_root("ptrace_attach", 0, &target(printed.trim())),
        ]
    );
    Ok(())
}

/// By its own path where the call has worked, as typed where it has not.
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
print(open("/proc/self/sessionid").read())
open("/proc/self/loginuid", "w").write("4294967295")
open("/proc/self/loginuid", "w").write("77")
print(open("/proc/self/sessionid").read())
os.spawnv(os.P_WAIT, "/bin/true", ["true"])
open("/proc/self/loginuid", "w").write("78")
"#,
    );
    let told = of_kind(&lines, "session.privilege");
    let old: u64 = printed.split_whitespace().next().unwrap().parse()?;
    let new: u64 = printed.split_whitespace().nth(1).unwrap().parse()?;
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
        [mark(77, 0, old), mark(78, 77, new)]
    );
    assert_eq!(told[0]["audit_session_id"], new);
    let ran = of_kind(&lines, "session.command");
    let last = ran.last().unwrap();
    assert_eq!(
        (&last["path"], &last["audit_session_id"]),
        (&"/bin/true".into(), &new.into())
    );
    Ok(())
}

/// The same acts by a process of no session, beside one that does none.
fn outside() -> Outcome {
    let host = Host::start();
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
