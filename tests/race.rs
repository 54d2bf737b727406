//! What is told of an open or a connect is what the kernel did, whatever the caller changes meanwhile.

mod common;

use std::process::ExitCode;

use common::{Host, ONE, Outcome, PYTHON, of_kind};
use serde_json::Value;

fn main() -> ExitCode {
    common::main(&[
        ("a path that is rewritten during the call", rewritten),
        ("a path that is rewritten all the time", flickering),
        ("a link that is exchanged during the call", exchanged),
        ("a file that is renamed during the call", renamed),
        ("a file that is removed during the call", removed),
        ("a tracer that rewrites the path", traced),
        ("addresses that are rewritten all the time", addresses),
        ("a name that is rewritten during the call", name_rewritten),
        ("names that can be rewritten", rewritable_names),
    ])
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
    let host = Host::start();
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

/// The one open, held against what /proc said of it; `typed` is what it must have been typed as.
fn one(script: &str, name: &str, typed: &str) -> Value {
    let (printed, opens) = session(script);
    assert_eq!(opens.len(), 1, "{opens:#?}");
    let line = &opens[0];
    let path = printed[0].strip_suffix(" (deleted)").unwrap_or(&printed[0]);
    assert!(path.ends_with(&format!("/{name}")), "{path}");
    assert_eq!(line["path"], path);
    assert_eq!(line["typed"], typed);
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
    assert!(line.get("path_unresolved").is_none(), "{line}");
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
    let host = Host::start();
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
    let host = Host::start();
    let folder = host.folder.shared();
    let here = folder.display();
    let printed = host.ssh(ONE, &format!("cd {here}; {PYTHON} -Ic '{COMMON}{script}'"));
    assert_eq!(printed, "0\n3 7\n");
    let lines = host.sessions(1).remove(0);
    let truncates: Vec<_> = of_kind(&lines, "session.disk")
        .into_iter()
        .filter(|line| line["operation"] == "truncate")
        .map(|line| (line["path"].as_str().unwrap(), &line["path_unsettled"]))
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
made("alone", "spawned", "forked", "page", "memory", "program", "thread")
os.unlink("alone")
os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0)
os.unlink("spawned")
page = mmap.mmap(-1, mmap.PAGESIZE)
page.write(b"page\0")
libc.unlink(ctypes.byref(ctypes.c_char.from_buffer(page)))
if not os.fork():
    os.unlink("forked")
    os._exit(0)
os.wait()
stack = ctypes.create_string_buffer(65536)
CLONE_VM, SIGCHLD = 0x100, 17
top = ctypes.c_void_p(ctypes.addressof(stack) + 65536 & ~15)
child = libc.clone(ctypes.cast(libc.usleep, ctypes.c_void_p), top, CLONE_VM | SIGCHLD, 1)
os.waitpid(child, 0)
os.unlink("memory")
os.execv(sys.executable, [sys.executable, "-I", sys.argv[0], "again"])
"#;
    let host = Host::start();
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
            (
                path,
                line["path_unsettled"] == true,
                line["target_unsettled"] == true,
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("alone", false, false),
            ("spawned", false, false),
            ("page", true, false),
            ("forked", false, false),
            ("memory", true, false),
            ("program", false, false),
            ("thread", true, true),
            ("link", true, true),
        ]
    );
    Ok(())
}
