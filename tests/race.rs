//! What is told of an open or a connect is what the kernel did, whatever the caller changes meanwhile.

use std::fs;

use crate::common::{self, Host, ONE, Outcome, PYTHON, Server, of_kind};
use libtest_mimic::Trial;
use serde_json::Value;

/// Does what this program's own arguments ask for, if they are of this file.
pub fn act(words: &[String]) -> bool {
    let is_ours = words.first().is_some_and(|mode| mode == SHARERS);
    if is_ours {
        println!("{SHARERS}");
        share();
    }
    is_ours
}

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    common::tests(
        module_path!(),
        &[
            ("a path that is rewritten during the call", rewritten),
            ("a path that is rewritten all the time", flickering),
            ("a link that is exchanged during the call", exchanged),
            ("a file that is renamed during the call", renamed),
            ("a file that is removed during the call", removed),
            ("a tracer that rewrites the path", traced),
            ("addresses that are rewritten all the time", addresses),
            ("a name that is rewritten during the call", name_rewritten),
            ("names that can be rewritten", rewritable_names),
            ("memory that takes turns, and that does not", sharers),
            ("flags that are rewritten during the call", flags),
            ("arguments that can be rewritten", arguments),
            ("a part of a failed exec that can be rewritten", failed_exec),
            ("what an argument points to", pointed_to),
            ("numbers of which a part counts", widths),
            ("calls that a filter answers", filtered),
            ("calls that a tracer answers", emulated),
            ("calls that a supervisor answers", supervised),
            ("calls that are taken back", taken_back),
        ],
    )
}

/// For all: `opened` says which file a descriptor is, as /proc has it. An open of a pipe for reading
/// lasts until another thread opens it for writing, so that what `meanwhile` does comes in between;
/// OPENS are the numbers of the system calls by which the C library opens.
const COMMON: &str = r#"
import ctypes, os, threading, time
libc = ctypes.CDLL(None)
def opened(descriptor):
    print(os.readlink(f"/proc/self/fd/{descriptor}"), flush=True)
OPENS = ("2", "56", "257")
def during_open(path, meanwhile, pipe):
    task = threading.get_native_id()
    def work():
        while open(f"/proc/self/task/{task}/syscall").read().split()[0] not in OPENS:
            time.sleep(0.001)
        meanwhile()
        os.close(os.open(pipe(), os.O_WRONLY))
    thread = threading.Thread(target=work)
    thread.start()
    opened(libc.open(path, os.O_RDONLY))
    thread.join()
"#;

/// Runs a script in a folder of its own; returns what it printed, and its opens of the name `name`.
fn session(script: &str) -> (Vec<String>, Vec<Value>) {
    let host = Host::shared();
    let folder = host.folder.shared();
    let here = folder.display();
    let printed = host.ssh(ONE, &format!("cd {here}; {PYTHON} -Ic '{COMMON}{script}'"));
    let printed = printed.lines().map(str::to_owned).collect();
    let lines = host.sessions(1).remove(0);
    let prefix = format!("{here}/");
    let opens = of_kind(&lines, "session.disk").into_iter().filter(|line| {
        line["operation"] == "open"
            && line["access"] == "read"
            && line["path"].as_str().unwrap().starts_with(&prefix)
    });
    (printed, opens.cloned().collect())
}

/// The one open, held against what /proc said of it; `requested_path` is what it must have been requested as.
fn one(script: &str, name: &str, requested: &str) -> Value {
    let (printed, opens) = session(script);
    assert_eq!(opens.len(), 1, "{opens:#?}");
    let line = &opens[0];
    let path = printed[0].strip_suffix(" (deleted)").unwrap_or(&printed[0]);
    assert!(path.ends_with(&format!("/{name}")), "{path}");
    assert_eq!(line["path"], path);
    assert_eq!(line["requested_path"], requested);
    assert_eq!(line["return_code"], 0);
    line.clone()
}

/// By another thread, after the kernel has read it
fn rewritten() -> Outcome {
    let script = r#"
os.mkfifo("pipe")
open("innocent", "w").close()
path = ctypes.create_string_buffer(b"pipe", 64)
def meanwhile():
    path.value = b"innocent"
during_open(path, meanwhile, lambda: "pipe")
"#;
    one(script, "pipe", "innocent");
    Ok(())
}

/// By another thread, whenever it comes to pass
fn flickering() -> Outcome {
    let script = r#"
for name in ("one", "two"):
    os.close(os.open(name, os.O_CREAT | os.O_WRONLY))
path = ctypes.create_string_buffer(b"one", 64)
done = False
def work():
    while not done:
        ctypes.memmove(path, b"two", 3)
        ctypes.memmove(path, b"one", 3)
thread = threading.Thread(target=work)
thread.start()
for _ in range(2000):
    descriptor = libc.open(path, os.O_RDONLY)
    if descriptor >= 0:
        opened(descriptor)
        os.close(descriptor)
done = True
thread.join()
"#;
    let (printed, opens) = session(script);
    let succeeded = opens.iter().filter(|line| line["return_code"] == 0);
    let paths: Vec<_> = succeeded
        .map(|line| line["path"].as_str().unwrap())
        .collect();
    assert!(printed.len() > 100);
    assert_eq!(paths, printed);
    Ok(())
}

/// The path is that of the file behind the link as it was
fn exchanged() -> Outcome {
    let script = r#"
os.mkfifo("pipe")
open("innocent", "w").close()
os.symlink("pipe", "link")
def meanwhile():
    os.symlink("innocent", "other")
    os.rename("other", "link")
during_open(b"link", meanwhile, lambda: "pipe")
"#;
    one(script, "pipe", "link");
    Ok(())
}

/// The path is the one that the file has then
fn renamed() -> Outcome {
    let script = r#"
os.mkdir("before")
os.mkfifo("before/pipe")
during_open(b"before/pipe", lambda: os.rename("before", "after"), lambda: "after/pipe")
"#;
    let line = one(script, "after/pipe", "before/pipe");
    assert!(line.get("path_links_unfollowed").is_none(), "{line}");
    Ok(())
}

/// The path is the one that the file had last
fn removed() -> Outcome {
    let script = r#"
os.mkfifo("pipe")
end = os.open("pipe", os.O_PATH)
def meanwhile():
    os.unlink("pipe")
    open("pipe", "w").close()
during_open(b"pipe", meanwhile, lambda: f"/proc/self/fd/{end}")
"#;
    let line = one(script, "pipe", "pipe");
    assert_eq!(line["deleted"], true);
    Ok(())
}

/// After the call's entry, before the kernel reads it
fn traced() -> Outcome {
    let script = r#"
for name in ("decoy", "taken"):
    os.close(os.open(name, os.O_CREAT | os.O_WRONLY))
path = ctypes.create_string_buffer(b"decoy", 64)
address = ctypes.addressof(path)
TRACEME, SYSCALL, OPTIONS, TRACESYSGOOD, INFO, ENTRY = 0, 24, 0x4200, 1, 0x420e, 1
child = os.fork()
if not child:
    libc.ptrace(TRACEME, 0, 0, 0)
    os.kill(os.getpid(), 19)
    opened(libc.open(path, os.O_RDONLY))
    os._exit(0)
os.waitpid(child, 0)
libc.ptrace(OPTIONS, child, 0, TRACESYSGOOD)
libc.ptrace(SYSCALL, child, 0, 0)
info = (ctypes.c_uint64 * 11)()
while not os.WIFEXITED(os.waitpid(child, 0)[1]):
    libc.ptrace(INFO, child, ctypes.sizeof(info), info)
    if info[0] & 0xff == ENTRY and address in info[4:6]:
        with open(f"/proc/{child}/mem", "wb", 0) as memory:
            memory.seek(address)
            memory.write(b"taken")
    libc.ptrace(SYSCALL, child, 0, 0)
"#;
    one(script, "taken", "taken");
    Ok(())
}

/// What a session says to run `script` in the folder `here`.
fn in_folder(host: &Host, here: &std::path::Path, script: &str) -> std::io::Result<String> {
    let place = host.folder.path().join("script.py");
    std::fs::write(&place, format!("{COMMON}{script}"))?;
    Ok(format!(
        "cd {}; {PYTHON} -I {}",
        here.display(),
        place.display()
    ))
}

/// Of connects over IPv4 and to local sockets, and of datagrams
fn addresses() -> Outcome {
    let script = r#"
import socket, struct
def listening(kind):
    s = socket.socket(socket.AF_INET, kind)
    s.bind(("127.0.0.1", 0))
    if kind == socket.SOCK_STREAM: s.listen(999)
    return s
def internet(port):
    return struct.pack("=H", 2) + struct.pack(">H", port) + bytes([127, 0, 0, 1]) + bytes(8)
def race(one, two, act):
    address = ctypes.create_string_buffer(one, 64)
    done = []
    def work():
        while not done:
            ctypes.memmove(address, two, len(two))
            ctypes.memmove(address, one, len(one))
    thread = threading.Thread(target=work)
    thread.start()
    for _ in range(300): act(address, len(one))
    done.append(1)
    thread.join()
def connected(family):
    def act(address, length):
        s = socket.socket(family)
        if libc.connect(s.fileno(), address, length) == 0:
            peer = s.getpeername()
            print(peer if family == 1 else peer[1])
        s.close()
    return act
servers = [listening(socket.SOCK_STREAM) for _ in range(2)]
race(*(internet(s.getsockname()[1]) for s in servers), connected(socket.AF_INET))
paths = [os.getcwd() + "/" + name for name in ("one", "two")]
locals = [socket.socket(socket.AF_UNIX) for _ in paths]
for s, path in zip(locals, paths):
    s.bind(path)
    s.listen(999)
race(*(struct.pack("=H", 1) + path.encode() + bytes(1) for path in paths), connected(socket.AF_UNIX))
abstract = [bytes(1) + b"recorded/race/" + name for name in (b"one", b"two")]
names = [socket.socket(socket.AF_UNIX) for _ in abstract]
for s, name in zip(names, abstract):
    s.bind(name)
    s.listen(999)
def named(address, length):
    s = socket.socket(socket.AF_UNIX)
    if libc.connect(s.fileno(), address, length) == 0:
        print(s.getpeername()[1:].decode())
    s.close()
race(*(struct.pack("=H", 1) + name for name in abstract), named)
"#;
    let host = Host::shared();
    let here = host.folder.shared();
    let run = in_folder(&host, &here, script)?;
    let printed = host.ssh(ONE, &run);
    let lines = host.sessions(1).remove(0);
    let path = here.display().to_string();
    let told: Vec<String> = lines
        .iter()
        .filter(|line| line["operation"] == 0 || line["event"] == "session.local_connect")
        .filter(|line| line["return_code"].as_i64().unwrap_or(0) == 0)
        .filter_map(|line| match &line["dst_port"] {
            Value::Number(port) => Some(port.to_string()),
            _ => line["path"]
                .as_str()
                .filter(|to| to.starts_with(&path))
                .or_else(|| line["abstract"].as_str())
                .map(str::to_owned),
        })
        .collect();
    let printed: Vec<_> = printed.lines().collect();
    assert!(printed.len() > 600, "{}", printed.len());
    assert_eq!(told, printed);
    Ok(())
}

/// A limit that docs/limitations.md tells of: of what is changed by a path, where the kernel's own is not
/// known, the caller's memory at the end of the call tells it; but that it can be another one is told
fn name_rewritten() -> Outcome {
    let script = r#"
import fcntl, signal
for name in ("leased", "innocent"):
    with open(name, "w") as file: file.write("content")
holder = open("leased", "r+")
fcntl.fcntl(holder, fcntl.F_SETSIG, signal.SIGURG)
fcntl.fcntl(holder, fcntl.F_SETLEASE, fcntl.F_WRLCK)
path = ctypes.create_string_buffer(b"leased", 64)
task = threading.get_native_id()
def work():
    while open(f"/proc/self/task/{task}/syscall").read().split()[0] not in ("76", "45"):
        time.sleep(0.001)
    path.value = b"innocent"
    fcntl.fcntl(holder, fcntl.F_SETLEASE, fcntl.F_UNLCK)
thread = threading.Thread(target=work)
thread.start()
print(libc.truncate(path, ctypes.c_long(3)))
thread.join()
print(os.path.getsize("leased"), os.path.getsize("innocent"))
"#;
    let host = Host::shared();
    let folder = host.folder.shared();
    let here = folder.display();
    let printed = host.ssh(ONE, &format!("cd {here}; {PYTHON} -Ic '{COMMON}{script}'"));
    assert_eq!(printed, "0\n3 7\n");
    let lines = host.sessions(1).remove(0);
    let truncates: Vec<_> = of_kind(&lines, "session.disk")
        .into_iter()
        .filter(|line| line["operation"] == "truncate")
        .map(|line| (line["path"].as_str().unwrap(), &line["path_racy"]))
        .collect();
    assert_eq!(
        truncates,
        [(format!("{here}/innocent").as_str(), &Value::Bool(true))]
    );
    Ok(())
}

/// By a thread, by what has the same memory or the same page; also if that is gone by now
fn rewritable_names() -> Outcome {
    let script = r#"
import mmap, sys
def made(*names):
    for name in names:
        os.close(os.open(name, os.O_CREAT | os.O_WRONLY))
if sys.argv[1:]:
    os.unlink("program")
    threading.Thread(target=lambda: None).start()
    os.rename("thread", "other")
    os.symlink("content", "link")
    sys.exit()
made("alone", "spawned", "forked", "page", "mapped", "vforked", "memory", "program", "thread")
os.unlink("alone")
os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0)
os.unlink("spawned")
page = mmap.mmap(-1, mmap.PAGESIZE)
page.write(b"page\0")
libc.unlink(ctypes.byref(ctypes.c_char.from_buffer(page)))
with open("name", "w") as file: file.write("mapped" + chr(0))
with open("name", "r+b") as file: page = mmap.mmap(file.fileno(), 7, mmap.MAP_PRIVATE)
libc.unlink(ctypes.byref(ctypes.c_char.from_buffer(page)))
if not os.fork():
    os.unlink("forked")
    os._exit(0)
os.wait()
stack = ctypes.create_string_buffer(65536)
CLONE_VM, CLONE_VFORK, SIGCHLD = 0x100, 0x4000, 17
top = ctypes.c_void_p(ctypes.addressof(stack) + 65536 & ~15)
def clone(flags, function, argument):
    child = libc.clone(ctypes.cast(function, ctypes.c_void_p), top, flags | SIGCHLD, argument)
    os.waitpid(child, 0)
if not os.fork():
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    clone(CLONE_VM | CLONE_VFORK, libc.unlink, b"vforked")
    end.set()
    thread.join()
    os._exit(0)
os.wait()
clone(CLONE_VM, libc.usleep, 1)
os.unlink("memory")
os.execv(sys.executable, [sys.executable, "-I", sys.argv[0], "again"])
"#;
    let host = Host::shared();
    let here = host.folder.shared();
    let run = in_folder(&host, &here, script)?;
    let lines = host.did(ONE, &run);
    let told: Vec<_> = of_kind(&lines, "session.disk")
        .into_iter()
        .filter(|line| {
            ["unlink", "rename", "symlink"]
                .iter()
                .any(|it| line["operation"] == *it)
        })
        .map(|line| {
            let path = line["path"].as_str().unwrap().rsplit('/').next().unwrap();
            (path, line["path_racy"] == true, line["target_racy"] == true)
        })
        .collect();
    assert_eq!(
        told,
        [
            ("alone", false, false),
            ("spawned", false, false),
            ("page", true, false),
            ("mapped", true, false),
            ("forked", false, false),
            ("vforked", true, false),
            ("memory", true, false),
            ("program", false, false),
            ("thread", true, true),
            ("link", true, true),
        ]
    );
    Ok(())
}

/// What the test is run with to be the program of [`sharers`].
const SHARERS: &str = "sharers";

/// A process in the memory of this one, which begins with `act`; it is waited for if `flags` say so.
fn sharing(flags: i32, act: extern "C" fn(*mut libc::c_void) -> i32) -> i32 {
    let stack = Box::leak(vec![0u128; 4096].into_boxed_slice());
    let top = stack.as_mut_ptr_range().end;
    // SAFETY: the stack is the new process's alone, and stays.
    let child = unsafe {
        libc::clone(
            act,
            top.cast(),
            libc::CLONE_VM | flags | libc::SIGCHLD,
            std::ptr::null_mut(),
        )
    };
    assert!(child > 0);
    child
}

/// The same by clone3, with `flags` as they stand in memory that others can have, or not.
fn sharing_by_clone3(memory: i32, act: extern "C" fn()) {
    let stack = Box::leak(vec![0u128; 4096].into_boxed_slice());
    let flags = (libc::CLONE_VM | libc::CLONE_VFORK) as u64;
    // Flags, pidfd, child_tid, parent_tid, exit_signal, stack and its size, tls.
    let arguments = [
        flags,
        0,
        0,
        0,
        libc::SIGCHLD as u64,
        stack.as_ptr() as u64,
        size_of_val(stack) as u64,
        0,
    ];
    // SAFETY: a page of its own, which stays.
    let place = unsafe {
        let place = libc::mmap(
            std::ptr::null_mut(),
            4096,
            3,
            memory | libc::MAP_ANONYMOUS,
            -1,
            0,
        );
        assert_ne!(place, libc::MAP_FAILED);
        place.cast::<[u64; 8]>().write(arguments);
        place
    };
    let child: i64;
    // SAFETY: the child has a stack of its own, never leaves this block, and is over when the parent goes on.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        std::arch::asm!(
            "syscall", "test rax, rax", "jnz 2f", "call {act}", "xor edi, edi", "mov eax, 60", "syscall", "2:",
            act = in(reg) act, inlateout("rax") libc::SYS_clone3 => child,
            in("rdi") place, in("rsi") size_of_val(&arguments), out("rcx") _, out("r11") _,
        );
    }
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        std::arch::asm!(
            "svc 0", "cbnz x0, 2f", "blr {act}", "mov x0, 0", "mov x8, 93", "svc 0", "2:",
            act = in(reg) act, in("x8") libc::SYS_clone3,
            inlateout("x0") place => child, in("x1") size_of_val(&arguments),
        );
    }
    assert!(child > 0, "{child}");
    // SAFETY: the child just made.
    unsafe { libc::waitpid(child as i32, std::ptr::null_mut(), 0) };
}

fn remove(name: &std::ffi::CStr) {
    // SAFETY: a string.
    unsafe { libc::unlink(name.as_ptr()) };
}

fn end(child: i32) {
    // SAFETY: a child, which is waited for.
    unsafe {
        libc::kill(child, libc::SIGKILL);
        libc::waitpid(child, std::ptr::null_mut(), libc::__WALL);
    }
}

/// Removes one file at each point, which is named by what other processes can do there.
fn share() {
    static CHILD: std::sync::atomic::AtomicI32 = std::sync::atomic::AtomicI32::new(0);
    use std::sync::atomic::Ordering::SeqCst;
    extern "C" fn wait(_: *mut libc::c_void) -> i32 {
        // SAFETY: waits for a signal.
        unsafe { libc::pause() };
        0
    }
    extern "C" fn alone(_: *mut libc::c_void) -> i32 {
        remove(c"waited-for");
        0
    }
    extern "C" fn survivor(_: *mut libc::c_void) -> i32 {
        remove(c"survivor");
        // SAFETY: this process, and the one that waits for it, which ends with that.
        unsafe {
            CHILD.store(libc::getpid(), SeqCst);
            libc::kill(libc::getppid(), libc::SIGKILL);
        }
        wait(std::ptr::null_mut())
    }
    extern "C" fn killed(_: *mut libc::c_void) -> i32 {
        sharing(libc::CLONE_VFORK, survivor);
        0
    }
    extern "C" fn last(_: *mut libc::c_void) -> i32 {
        CHILD.store(sharing(0, wait), SeqCst);
        remove(c"last");
        0
    }
    extern "C" fn fifth(_: *mut libc::c_void) -> i32 {
        sharing(libc::CLONE_VFORK, last);
        0
    }
    extern "C" fn fourth(_: *mut libc::c_void) -> i32 {
        sharing(libc::CLONE_VFORK, fifth);
        0
    }
    extern "C" fn third(_: *mut libc::c_void) -> i32 {
        sharing(libc::CLONE_VFORK, fourth);
        0
    }
    extern "C" fn second(_: *mut libc::c_void) -> i32 {
        sharing(libc::CLONE_VFORK, third);
        0
    }
    /// In a process of its own, of which nothing is known.
    fn apart(act: impl FnOnce()) {
        // SAFETY: this program has one thread.
        match unsafe { libc::fork() } {
            0 => {
                act();
                std::process::exit(0);
            }
            // SAFETY: the child just made.
            child => unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) },
        };
    }
    apart(|| {
        sharing(libc::CLONE_VFORK, alone);
        remove(c"waited");
    });
    extern "C" fn cloned() {
        remove(c"cloned");
    }
    extern "C" fn recloned() {
        remove(c"cloned-by-others");
    }
    apart(|| sharing_by_clone3(libc::MAP_PRIVATE, cloned));
    apart(|| sharing_by_clone3(libc::MAP_SHARED, recloned));
    apart(|| {
        let mut parameters = [0u8; 120];
        // SAFETY: the kernel fills what it was given.
        let ring = unsafe { libc::syscall(libc::SYS_io_uring_setup, 1, parameters.as_mut_ptr()) };
        assert!(ring >= 0, "{}", std::io::Error::last_os_error());
        remove(c"io-uring");
    });
    apart(|| {
        let mut context = 0u64;
        // SAFETY: the kernel fills the number.
        let made = unsafe { libc::syscall(libc::SYS_io_setup, 1, &mut context) };
        assert_eq!(made, 0, "{}", std::io::Error::last_os_error());
        remove(c"aio");
    });
    apart(|| {
        sharing(libc::CLONE_VFORK, second);
        remove(c"first");
        end(CHILD.load(SeqCst));
    });
    apart(|| {
        // What is left behind has this one for its parent.
        // SAFETY: asks for no memory.
        unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1) };
        sharing(libc::CLONE_VFORK, killed);
        remove(c"let-go");
        // SAFETY: all that is left below this process; the first has been killed.
        unsafe {
            libc::waitpid(-1, std::ptr::null_mut(), 0);
            end(CHILD.load(SeqCst));
        }
    });
}

/// Of vfork, both sides are sure of their memory, unless there is a third one in it, or one of them is
/// killed meanwhile
fn sharers() -> Outcome {
    let host = Host::shared();
    let here = host.folder.shared();
    let program = here.join("program");
    fs::copy(std::env::current_exe()?, &program)?;
    let run = format!("cd {}; ./program {SHARERS}", here.display());
    let lines = host.did(ONE, &run);
    let told: Vec<_> = of_kind(&lines, "session.disk")
        .into_iter()
        .filter(|line| line["operation"] == "unlink")
        .map(|line| {
            let path = line["path"].as_str().unwrap().rsplit('/').next().unwrap();
            (path, line["path_racy"] == true)
        })
        .collect();
    assert_eq!(
        told,
        [
            ("waited-for", false),
            ("waited", false),
            ("cloned", false),
            ("cloned-by-others", true),
            ("io-uring", true),
            ("aio", true),
            ("last", true),
            ("first", true),
            ("survivor", true),
            ("let-go", true),
        ]
    );
    Ok(())
}

/// Of openat2, which has them in memory: what the kernel took tells who can read and write
fn flags() -> Outcome {
    let script = r#"
import struct
os.mkfifo("pipe")
def during(taken, left, other):
    how = ctypes.create_string_buffer(struct.pack("QQQ", taken, 0, 0), 24)
    task = threading.get_native_id()
    def work():
        while open(f"/proc/self/task/{task}/syscall").read().split()[0] != "437":
            time.sleep(0.001)
        ctypes.memmove(how, struct.pack("Q", left), 8)
        os.close(os.open("pipe", other))
    thread = threading.Thread(target=work)
    thread.start()
    os.close(libc.syscall(437, -100, b"pipe", how, 24))
    thread.join()
during(os.O_RDONLY, os.O_RDWR | os.O_APPEND, os.O_WRONLY | os.O_NONBLOCK)
during(os.O_WRONLY, os.O_RDONLY | os.O_EXCL, os.O_RDONLY | os.O_NONBLOCK)
"#;
    let host = Host::shared();
    let here = host.folder.shared();
    let lines = host.did(ONE, &in_folder(&host, &here, script)?);
    let pipe = format!("{}/pipe", here.display());
    let told: Vec<_> = of_kind(&lines, "session.disk")
        .into_iter()
        .filter(|line| line["path"] == pipe.as_str() && line["arguments_racy"] == true)
        .map(|line| (line["access"].as_str().unwrap(), line["flags"].as_i64()))
        .collect();
    let exclusive = libc::O_WRONLY | libc::O_EXCL;
    assert_eq!(told, [("read", Some(0)), ("write", Some(exclusive.into()))]);
    Ok(())
}

/// What is told from the caller's memory beside names says so where a thread can have changed it, and
/// nowhere else
fn arguments() -> Outcome {
    let script = r#"
import socket, struct
open("file", "w").close()
CLONE3, PIVOT, MODULE, BPF = 435, *{"x86_64": (155, 176, 321), "aarch64": (41, 106, 280)}[os.uname().machine]
def act(peer):
    libc.setxattr(b"file", b"user.attribute", b"", 0, 0)
    libc.mount(b"none", b"file", b"tmpfs", 0, None)
    libc.syscall(437, -100, b"absent", struct.pack("QQQ", 0, 0, 0), 24)
    libc.execve(b"absent", (ctypes.c_char_p * 2)(b"absent", None), None)
    libc.syscall(PIVOT, b"absent", b"absent")
    libc.syscall(MODULE, b"absent", 0)
    libc.syscall(CLONE3, ctypes.create_string_buffer(struct.pack("8Q", 0x4000000, *[1] * 7), 64), 64)
    libc.syscall(BPF, 5, ctypes.create_string_buffer(72), 72)
    for kind, address in ((socket.SOCK_STREAM, b"absent"), (socket.SOCK_DGRAM, peer)):
        with socket.socket(socket.AF_UNIX, kind) as one:
            name = struct.pack("H", 1) + address
            if kind == socket.SOCK_STREAM: libc.connect(one.fileno(), name, len(name))
            else: libc.sendto(one.fileno(), b"", 0, 0, name, len(name))
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as one:
        name = struct.pack("H", 10) + bytes(6)
        libc.connect(one.fileno(), name + bytes(20), 1)
act(b"nobody")
thread = threading.Thread(target=lambda: None)
thread.start()
thread.join()
act(b"another-nobody")
"#;
    let host = Host::shared();
    let here = host.folder.shared();
    let lines = host.did(ONE, &in_folder(&host, &here, script)?);
    let told: Vec<_> = lines
        .iter()
        .filter(|line| line["program"] == "python3")
        .filter(|line| {
            let path = line["path"].as_str().unwrap_or("");
            let is_named = |event| line["event"] == format!("session.{event}").as_str();
            line["return_code"].as_i64() < Some(0) && is_named("privilege")
                || ["setxattr", "mount"]
                    .iter()
                    .any(|it| line["operation"] == *it)
                || ["absent", "nobody"].iter().any(|it| path.ends_with(it))
                || (is_named("network") && line["return_code"].as_i64() < Some(0))
        })
        .map(|line| {
            let event = line["event"].as_str().unwrap();
            (
                event.strip_prefix("session.").unwrap(),
                line["operation"].as_str().unwrap_or(""),
                line["arguments_racy"] == true,
            )
        })
        .collect();
    let expected = [
        ("disk", "setxattr"),
        ("disk", "mount"),
        ("disk", "open"),
        ("command", ""),
        ("privilege", "pivot_root"),
        ("privilege", "delete_module"),
        ("privilege", "clone"),
        ("privilege", "bpf_prog_load"),
        ("local_connect", ""),
        ("local_send", ""),
        ("network", ""),
    ];
    let of = |can_be| expected.map(|(event, operation)| (event, operation, can_be));
    assert_eq!(told, [of(false), of(true)].concat());
    Ok(())
}

/// The path or an argument, in a page that others may have
fn failed_exec() -> Outcome {
    let script = r#"
import mmap
pages = []
def shared(text):
    page = mmap.mmap(-1, mmap.PAGESIZE)
    page.write(text)
    pages.append(page)
    return ctypes.cast(ctypes.byref(ctypes.c_char.from_buffer(page)), ctypes.c_char_p)
def act(path, *words):
    libc.execve(path, (ctypes.c_char_p * (len(words) + 1))(*words, None), None)
act(b"/absent/0", b"zero", b"words")
act(shared(b"/absent/1"), b"one", b"word")
act(b"/absent/2", shared(b"two"), b"words")
act(b"/absent/3", b"three", shared(b"word"))
PRIVATE, SHARED, FIXED, ANONYMOUS = 2, 1, 16, 32
libc.mmap.restype = ctypes.c_void_p
def mapped(at, size, flags):
    return libc.mmap(ctypes.c_void_p(at), ctypes.c_size_t(size), 3, flags | ANONYMOUS, -1, None)
begin = mapped(None, 2 * mmap.PAGESIZE, PRIVATE)
end = mapped(begin + mmap.PAGESIZE, mmap.PAGESIZE, SHARED | FIXED)
def act_at(place, path, *words):
    array = (ctypes.c_char_p * (len(words) + 1)).from_address(place)
    array[:] = (*words, None)
    libc.execve(path, array, None)
act_at(begin, b"/absent/4", b"four", b"words")
act_at(end, b"/absent/5", b"five", b"words")
act_at(end - 16, b"/absent/6", b"six", b"more", b"words")
"#;
    let host = Host::shared();
    let here = host.folder.shared();
    let lines = host.did(ONE, &in_folder(&host, &here, script)?);
    let told: Vec<_> = of_kind(&lines, "session.command")
        .into_iter()
        .filter(|line| line["path"].as_str().unwrap().starts_with("/absent/"))
        .map(|line| {
            (
                line["path"].as_str().unwrap(),
                line["arguments_racy"] == true,
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("/absent/0", false),
            ("/absent/1", true),
            ("/absent/2", true),
            ("/absent/3", true),
            ("/absent/4", false),
            ("/absent/5", true),
            ("/absent/6", true)
        ]
    );
    Ok(())
}

/// In a page that others have too: the list of an exec's arguments, the descriptor or the path that bpf(2)
/// takes. Of a clock, what is to be changed: nothing, as it stands there
fn pointed_to() -> Outcome {
    let script = r#"
import mmap, struct
BPF, ADJTIMEX = {"x86_64": (321, 159), "aarch64": (280, 171)}[os.uname().machine]
page = mmap.mmap(-1, mmap.PAGESIZE)
shared = ctypes.addressof(ctypes.c_char.from_buffer(page))
def act(place):
    def at(data):
        own = ctypes.create_string_buffer(bytes(data), 256)
        if place is None: return own
        ctypes.memmove(place, own, 256)
        return ctypes.c_void_p(place)
    text = ctypes.create_string_buffer(b"absent", 64)
    address = ctypes.addressof(text)
    libc.execve(b"absent", at(struct.pack("2Q", address, 0)), None)
    table = libc.syscall(BPF, 0, at(struct.pack("4I", 2, 4, 8, 1)), 16)
    assert table >= 0
    assert libc.syscall(BPF, 7, at(struct.pack("2Q", address, 0)), 16) < 0
    key, value = (ctypes.create_string_buffer(8) for _ in range(2))
    entry = struct.pack("4Q", table, ctypes.addressof(key), ctypes.addressof(value), 0)
    assert libc.syscall(BPF, 2, at(entry), 32) == 0
    assert libc.syscall(ADJTIMEX, at(b"")) >= 0
act(None)
act(shared)
"#;
    let host = Host::shared();
    let here = host.folder.shared();
    let lines = host.did("root", &in_folder(&host, &here, script)?);
    let named = ["bpf_obj_get", "bpf_map_update_elem", "clock_adjtime"];
    let told: Vec<_> = lines
        .iter()
        .filter(|line| line["program"] == "python3")
        .filter_map(|line| {
            let operation = line["operation"].as_str().filter(|it| named.contains(it));
            let failed = line["event"] == "session.command" && line["return_code"] != 0;
            let what = operation.or(failed.then_some("exec"))?;
            Some((what, line["arguments_racy"] == true))
        })
        .collect();
    assert_eq!(
        told,
        [
            ("exec", false),
            ("bpf_obj_get", false),
            ("bpf_map_update_elem", false),
            ("exec", true),
            ("bpf_obj_get", true),
            ("bpf_map_update_elem", true),
            ("clock_adjtime", true),
        ]
    );
    Ok(())
}

/// What is above the bits of an argument, or of the number of the call, that the kernel takes
fn widths() -> Outcome {
    let script = r#"
ABOVE = 7 << 32
def call(number, *arguments):
    libc.syscall(*(ctypes.c_ulong(one) if isinstance(one, int) else one for one in (number + ABOVE, *arguments)))
MKDIRAT, MKNODAT, UNLINKAT, BPF = {"x86_64": (258, 259, 263, 321), "aarch64": (34, 33, 35, 280)}[os.uname().machine]
HERE = ABOVE + (1 << 32) - 100
call(MKDIRAT, HERE, b"made", ABOVE + 0x50000 + 0o700)
call(MKNODAT, HERE, b"null", ABOVE + 0o20600, ABOVE + 0x103)
call(UNLINKAT, HERE, b"made", ABOVE + 0x200)
call(437, HERE, b"null", b"\0" * 24, 24)
call(BPF, ABOVE + 5, b"\0" * 72, ABOVE + 72)
"#;
    let host = Host::shared();
    let here = host.folder.shared();
    let run = in_folder(&host, &here, script)?;
    let lines = host.did("root", &run);
    let below = here.display().to_string();
    let told: Vec<_> = of_kind(&lines, "session.disk")
        .into_iter()
        .filter_map(|line| {
            let name = line["path"].as_str()?.strip_prefix(&below)?;
            let of = |key: &str| line[key].as_str().unwrap_or("").to_owned();
            let result = line["return_code"].as_i64()?;
            Some((of("operation"), name, result, of("mode"), of("device")))
        })
        .filter(|told| told.0 != "open")
        .collect();
    let of = |operation: &str, name, mode: &str, device: &str| {
        (operation.into(), name, 0, mode.into(), device.into())
    };
    assert_eq!(
        told,
        [
            of("mkdir", "/made", "0700", ""),
            of("mknod", "/null", "20600", "1:3"),
            of("rmdir", "/made", "", ""),
        ]
    );
    let opens = of_kind(&lines, "session.disk").into_iter().filter(|line| {
        line["operation"] == "open" && line["path"] == format!("{below}/null").as_str()
    });
    assert_eq!(opens.count(), 1);
    let loads: Vec<_> = of_kind(&lines, "session.privilege")
        .into_iter()
        .map(|line| (&line["operation"], line["return_code"].as_i64() < Some(0)))
        .collect();
    assert_eq!(loads, [(&Value::from("bpf_prog_load"), true)]);
    Ok(())
}

/// Where the ends of calls are seen that were never made: what was answered with success is told, and
/// that it may not have been done. The plan `fexit` sees none of them.
const SEEN: &str = "backend: tracepoint";

/// What is told to have succeeded of these operations, and whether it says that this is not certain.
fn succeeded<'a>(lines: &'a [Value], operations: &[&str]) -> Vec<(&'a str, bool)> {
    let named = lines
        .iter()
        .filter(|line| operations.iter().any(|it| line["operation"] == *it));
    named
        .filter(|line| line["return_code"] == 0)
        .map(|line| {
            let operation = line["operation"].as_str().unwrap();
            (operation, line["outcome_unknown"] == true)
        })
        .collect()
}

/// By a seccomp filter that gives errno 0
fn filtered() -> Outcome {
    let script = r#"
import struct
MODULE, UNLINK, MOUNT = {"x86_64": (175, 263, 165), "aarch64": (105, 35, 40)}[os.uname().machine]
def step(code, yes, no, value):
    return struct.pack("HBBI", code, yes, no, value)
numbers = (MODULE, UNLINK, MOUNT)
program = step(0x20, 0, 0, 0)
for index, number in enumerate(numbers):
    program += step(0x15, len(numbers) - index, 0, number)
program += step(0x06, 0, 0, 0x7fff0000) + step(0x06, 0, 0, 0x00050000)
code = ctypes.create_string_buffer(program, len(program))
os.unlink("before")
assert not libc.prctl(38, 1, 0, 0, 0)
filter = struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(code))
assert not libc.prctl(22, 2, filter, 0, 0)
assert libc.syscall(MODULE, None, 0, b"") == 0
assert libc.syscall(UNLINK, -100, b"/etc/passwd", 0) == 0
assert libc.syscall(MOUNT, b"/etc", b"/usr", None, 0x1000, None) == 0
assert libc.rmdir(b"absent") < 0
"#;
    let host = Host::shared_by(&Server::USUAL, "", SEEN);
    let here = host.folder.shared();
    fs::write(here.join("before"), "")?;
    let run = in_folder(&host, &here, script)?;
    let lines = host.did(ONE, &run);
    assert_eq!(
        succeeded(&lines, &["init_module", "unlink", "mount"]),
        [
            ("unlink", false),
            ("init_module", true),
            ("unlink", true),
            ("mount", true),
        ]
    );
    let failed = lines.iter().find(|line| line["operation"] == "rmdir");
    let failed = failed.expect("what has failed");
    assert!(failed.get("outcome_unknown").is_none(), "{failed}");
    Ok(())
}

/// By PTRACE_SYSEMU, with which the tracer gives the result
fn emulated() -> Outcome {
    let script = r#"
import signal
TRACEME, CONT, SYSEMU, GETREGS, SETREGS = 0, 7, 31, 12, 13
child = os.fork()
if not child:
    libc.ptrace(TRACEME, 0, 0, 0)
    os.kill(os.getpid(), signal.SIGSTOP)
    os._exit(libc.syscall(263, -100, b"/etc/passwd", 0))
os.waitpid(child, 0)
registers = (ctypes.c_ulong * 27)()
number = 0
while number != 263:
    assert not libc.ptrace(SYSEMU, child, 0, 0)
    os.waitpid(child, 0)
    assert not libc.ptrace(GETREGS, child, 0, ctypes.byref(registers))
    number = registers[15]
registers[10] = 0
assert not libc.ptrace(SETREGS, child, 0, ctypes.byref(registers))
assert not libc.ptrace(CONT, child, 0, 0)
assert os.waitpid(child, 0)[1] == 0
"#;
    // Another architecture's registers are set in another way.
    if cfg!(not(target_arch = "x86_64")) {
        return Ok(());
    }
    let host = Host::shared_by(&Server::USUAL, "", SEEN);
    let here = host.folder.shared();
    let run = in_folder(&host, &here, script)?;
    let lines = host.did(ONE, &run);
    assert_eq!(succeeded(&lines, &["unlink"]), [("unlink", true)]);
    Ok(())
}

/// By another thread, to which a filter hands them (SECCOMP_RET_USER_NOTIF)
fn supervised() -> Outcome {
    let script = r#"
import fcntl, struct
SECCOMP, UNLINK = {"x86_64": (317, 263), "aarch64": (277, 35)}[os.uname().machine]
def step(code, yes, no, value):
    return struct.pack("HBBI", code, yes, no, value)
program = step(0x20, 0, 0, 0) + step(0x15, 1, 0, UNLINK)
program += step(0x06, 0, 0, 0x7fff0000) + step(0x06, 0, 0, 0x7fc00000)
code = ctypes.create_string_buffer(program, len(program))
filter = struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(code))
asked = threading.Event()
def supervise():
    asked.wait()
    for result in ((0, 0), (0, -2)):
        request = bytearray(80)
        fcntl.ioctl(listener, 0xc0502100, request)
        fcntl.ioctl(listener, 0xc0182101, request[:8] + struct.pack("qiI", *result, 0))
supervisor = threading.Thread(target=supervise)
supervisor.start()
assert not libc.prctl(38, 1, 0, 0, 0)
listener = libc.syscall(SECCOMP, 1, 8, filter)
assert listener > 0
asked.set()
assert libc.syscall(UNLINK, -100, b"/etc/passwd", 0) == 0
assert libc.syscall(UNLINK, -100, b"/etc/group", 0) < 0
supervisor.join()
"#;
    let host = Host::shared_by(&Server::USUAL, "", SEEN);
    let here = host.folder.shared();
    let run = in_folder(&host, &here, script)?;
    let lines = host.did(ONE, &run);
    assert_eq!(succeeded(&lines, &["unlink"]), [("unlink", true)]);
    let failed = lines
        .iter()
        .find(|line| line["return_code"] == -2 && line["operation"] == "unlink");
    let failed = failed.expect("what was answered with an error");
    assert!(failed.get("outcome_unknown").is_none(), "{failed}");
    Ok(())
}

/// By a tracer at their beginning, with or without a filter, or by the program itself
/// (PR_SET_SYSCALL_USER_DISPATCH): of what was never made, nothing is told
fn taken_back() -> Outcome {
    let script = r#"
import mmap, signal, struct
TRACEME, CONT, GETREGS, SETREGS, SYSCALL, OPTIONS = 0, 7, 12, 13, 24, 0x4200
UNLINK = 263
def step(code, yes, no, value):
    return struct.pack("HBBI", code, yes, no, value)
def filtered():
    program = step(0x20, 0, 0, 0) + step(0x15, 1, 0, UNLINK)
    program += step(0x06, 0, 0, 0x7fff0000) + step(0x06, 0, 0, 0x7ff00000)
    code = ctypes.create_string_buffer(program, len(program))
    filter = struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(code))
    assert not libc.prctl(38, 1, 0, 0, 0)
    assert not libc.prctl(22, 2, filter, 0, 0)
def traced(prepare, option, go):
    child = os.fork()
    if not child:
        libc.ptrace(TRACEME, 0, 0, 0)
        os.kill(os.getpid(), signal.SIGSTOP)
        prepare()
        os._exit(libc.syscall(UNLINK, -100, b"/etc/passwd", 0))
    os.waitpid(child, 0)
    assert not libc.ptrace(OPTIONS, child, 0, option)
    registers = (ctypes.c_ulong * 27)()
    registers[15] = 0
    while registers[15] != UNLINK:
        assert not libc.ptrace(go, child, 0, 0)
        os.waitpid(child, 0)
        assert not libc.ptrace(GETREGS, child, 0, ctypes.byref(registers))
    registers[15], registers[10] = 2**64 - 1, 0
    assert not libc.ptrace(SETREGS, child, 0, ctypes.byref(registers))
    assert not libc.ptrace(CONT, child, 0, 0)
    assert os.waitpid(child, 0)[1] == 0
traced(filtered, 0x80, CONT)
traced(lambda: None, 1, SYSCALL)
# Calls from this page are the program's own to answer.
signal.signal(signal.SIGSYS, lambda *_: None)
libc.mmap.restype = ctypes.c_void_p
page = libc.mmap(ctypes.c_void_p(0x100000), 4096, 7, 0x32 | 0x100000, -1, 0)
assert page == 0x100000
code = b"\x89\xf8\x48\x89\xf7\x48\x89\xd6\x89\xca\x0f\x05\xc3"
ctypes.memmove(page, code, len(code))
act = ctypes.CFUNCTYPE(ctypes.c_long, ctypes.c_long, ctypes.c_long, ctypes.c_char_p, ctypes.c_long)(page)
assert act(UNLINK, -100, b"real", 0) == 0
blocked = ctypes.create_string_buffer(b"\1", 1)
behind = page + 4096
assert not libc.prctl(59, 1, ctypes.c_ulong(behind), ctypes.c_ulong(2**47 - behind), blocked)
assert act(UNLINK, -100, b"/etc/passwd", 0) == UNLINK
assert not libc.prctl(59, 0, 0, 0, 0)
"#;
    // Another architecture's registers are set in another way.
    if cfg!(not(target_arch = "x86_64")) {
        return Ok(());
    }
    let host = Host::shared_by(&Server::USUAL, "", SEEN);
    let here = host.folder.shared();
    fs::write(here.join("real"), "")?;
    let run = in_folder(&host, &here, script)?;
    let lines = host.did(ONE, &run);
    assert_eq!(succeeded(&lines, &["unlink"]), [("unlink", false)]);
    Ok(())
}
