//! Memory of which the program itself decides when, and with what, it is filled (userfaultfd), and that
//! it fills anew at once: what is told is what the kernel took.

use std::fs;

use crate::common::{self, Host, Outcome, PYTHON, of_kind};
use libtest_mimic::Trial;
use serde_json::{Value, json};

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    let tests: &[common::Test] = &[
        ("a path", a_path),
        ("an address", an_address),
        ("the name of a local socket", a_local_name),
        ("arguments", arguments),
        ("names", names),
    ];
    common::tests_with(module_path!(), tests, |_| {
        (!is_there()).then_some("userfaultfd")
    })
}

/// Whether the kernel has it, for root.
fn is_there() -> bool {
    // SAFETY: takes a number, and gives a descriptor or −1.
    let descriptor = unsafe { libc::syscall(libc::SYS_userfaultfd, libc::O_CLOEXEC) };
    // SAFETY: the descriptor is ours alone; −1 is refused.
    unsafe { libc::close(descriptor as i32) };
    descriptor >= 0
}

/// For all: `pages` gives pages that are empty until they are read. Then each gets its text, and
/// all pages that were read before it get what `after` says. `blocked` waits until the main thread
/// sleeps in a system call, which it does not while a page is being read.
const COMMON: &str = r#"
import ctypes, fcntl, mmap, os, socket, struct, threading, time
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
PAGE = mmap.PAGESIZE
USERFAULTFD = {"x86_64": 323, "aarch64": 282}[os.uname().machine]
API, REGISTER, COPY = 0xc018aa3f, 0xc020aa00, 0xc028aa03
main = threading.get_native_id()
def pages(texts, after, meanwhile):
    first = libc.mmap(None, len(texts) * PAGE, 3, 0x22, -1, 0)
    fd = libc.syscall(USERFAULTFD, os.O_CLOEXEC)
    fcntl.ioctl(fd, API, bytearray(struct.pack("QQQ", 0xaa, 0, 0)))
    fcntl.ioctl(fd, REGISTER, bytearray(struct.pack("QQQQ", first, len(texts) * PAGE, 1, 0)))
    def work():
        filled = []
        while len(filled) < len(texts):
            at = (struct.unpack_from("Q", os.read(fd, 32), 16)[0] - first) // PAGE
            for page in filled:
                ctypes.memmove(first + page * PAGE, after, len(after))
            filled.append(at)
            text = ctypes.create_string_buffer(texts[at], PAGE)
            fcntl.ioctl(fd, COPY, bytearray(
                struct.pack("QQQQq", first + at * PAGE, ctypes.addressof(text), PAGE, 0, 0)))
        meanwhile(lambda: ctypes.memmove(first, after, len(after)))
    threading.Thread(target=work, daemon=True).start()
    return [ctypes.c_void_p(first + at * PAGE) for at in range(len(texts))]
def blocked():
    while open(f"/proc/self/task/{main}/stat").read().rsplit(")", 1)[1].split()[0] != "S":
        time.sleep(0.001)
"#;

/// Runs a script in a folder of its own; returns the folder, what was printed, and the lines.
fn session(script: &str) -> (String, String, Vec<Value>) {
    let host = Host::shared();
    let here = host.folder.shared();
    let place = host.folder.path().join("script.py");
    fs::write(&place, format!("{COMMON}{script}")).unwrap();
    let run = format!("cd {}; {PYTHON} -I {}", here.display(), place.display());
    let printed = host.ssh("root", &run);
    let lines = host.sessions(1).remove(0);
    (here.display().to_string(), printed, lines)
}

/// Of an open that lasts until the path has become another one
fn a_path() -> Outcome {
    let script = r#"
os.mkfifo("pipe")
open("innocent", "w").close()
def meanwhile(rewrite):
    blocked()
    rewrite()
    os.close(os.open("pipe", os.O_WRONLY))
path, = pages([b"pipe"], b"innocent\0", meanwhile)
descriptor = libc.open(path, os.O_RDONLY)
print(os.readlink(f"/proc/self/fd/{descriptor}"))
"#;
    let (here, printed, lines) = session(script);
    assert_eq!(printed, format!("{here}/pipe\n"));
    let opens: Vec<_> = of_kind(&lines, "session.disk")
        .into_iter()
        .filter(|line| line["path"] == printed.trim_end() && line["access"] == "read")
        .collect();
    assert_eq!(opens.len(), 1, "{opens:#?}");
    assert_eq!(opens[0]["requested_path"], "innocent");
    assert_eq!(opens[0]["return_code"], 0);
    Ok(())
}

/// Of a connect to a server that has no room yet
fn an_address() -> Outcome {
    let script = r#"
def listening():
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen(0)
    return server
def address(server):
    return struct.pack("=H", 2) + struct.pack(">H", server.getsockname()[1]) + bytes([127, 0, 0, 1]) + bytes(8)
taken, innocent = listening(), listening()
full = socket.create_connection(taken.getsockname())
def meanwhile(rewrite):
    blocked()
    rewrite()
    taken.accept()
    taken.accept()
name, = pages([address(taken)], address(innocent), meanwhile)
client = socket.socket()
assert libc.connect(client.fileno(), name, 16) == 0
print(client.getpeername()[1])
"#;
    let (_, printed, lines) = session(script);
    let port: u64 = printed.trim().parse()?;
    let begun = of_kind(&lines, "session.network");
    let ports = begun.iter().filter(|line| line["operation"] == 0);
    assert_eq!(
        ports.map(|line| &line["dst_port"]).collect::<Vec<_>>(),
        [port, port]
    );
    let results: Vec<_> = of_kind(&lines, "session.network_result")
        .into_iter()
        .map(|line| json!([line["dst_port"], line["result"]]))
        .collect();
    assert_eq!(results, [json!([port, 0]), json!([port, 0])]);
    Ok(())
}

/// The address of a local socket
fn a_local_name() -> Outcome {
    let script = r#"
def listening(path):
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen(0)
    return server
taken, innocent = listening("taken"), listening("innocent")
full = socket.socket(socket.AF_UNIX)
full.connect("taken")
def meanwhile(rewrite):
    blocked()
    rewrite()
    taken.accept()
    taken.accept()
family = struct.pack("=H", 1)
name, = pages([family + b"taken"], family + b"innocent\0", meanwhile)
client = socket.socket(socket.AF_UNIX)
assert libc.connect(client.fileno(), name, 2 + len("innocent") + 1) == 0
print(client.getpeername())
"#;
    let (here, printed, lines) = session(script);
    assert_eq!(printed, "taken\n");
    let names = of_kind(&lines, "session.local_connect").into_iter();
    let names: Vec<_> = names
        .filter_map(|line| line["path"].as_str()?.strip_prefix(&format!("{here}/")))
        .collect();
    assert_eq!(names, ["taken", "taken"]);
    Ok(())
}

/// Of a program that is run: its path, and each of its arguments
fn arguments() -> Outcome {
    let script = r#"
path, name, one, two = pages([b"/bin/echo", b"echo", b"one", b"two"], b"innocent\0", lambda _: None)
arguments = (ctypes.c_void_p * 4)(name, one, two, None)
libc.execve(path, arguments, None)
"#;
    let (_, printed, lines) = session(script);
    assert_eq!(printed, "one two\n");
    let run = of_kind(&lines, "session.command");
    let run = run.last().unwrap();
    assert_eq!(run["path"], "/bin/echo");
    assert_eq!(run["argv0"], "echo");
    assert_eq!(run["argv"], serde_json::json!(["one", "two"]));
    Ok(())
}

/// Of what is changed by a path, where the kernel's own is not known, the caller's memory tells what is left
/// there, and the mark that it can be another name
fn names() -> Outcome {
    let script = r#"
open("taken", "w").close()
path, target = pages([b"taken", b"other"], b"innocent\0", lambda _: None)
assert libc.rename(path, target) == 0
print(os.listdir())
"#;
    let (here, printed, lines) = session(script);
    assert_eq!(printed, "['other']\n");
    let renames: Vec<_> = of_kind(&lines, "session.disk")
        .into_iter()
        .filter(|line| line["operation"] == "rename")
        .collect();
    assert_eq!(renames.len(), 1, "{renames:#?}");
    let told = ["path", "target"].map(|key| {
        assert_eq!(renames[0][format!("{key}_racy")], true);
        renames[0][key]
            .as_str()
            .unwrap()
            .strip_prefix(&format!("{here}/"))
            .unwrap()
    });
    // Which of both the kernel reads first is its own affair; the other one stays as it was read.
    let either = [["innocent", "other"], ["taken", "innocent"]];
    assert!(either.contains(&told), "{told:?}");
    Ok(())
}
