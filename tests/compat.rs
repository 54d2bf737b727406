//! Calls of 32 bits, the ends of which are not looked at: what is seen of them, and what is not
//! (docs/limitations.md).

mod common;

use std::process::ExitCode;

#[cfg(target_arch = "x86_64")]
use common::{Host, ONE, Outcome, PYTHON, of_kind};

fn main() -> ExitCode {
    common::main(&[
        #[cfg(target_arch = "x86_64")]
        ("of a program of 64 bits", calls),
    ])
}

/// `call` makes one by int 0x80, with pointers into the lowest 4 GiB.
#[cfg(target_arch = "x86_64")]
const SCRIPT: &str = r#"
import ctypes, os, socket, struct, sys
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
low = libc.mmap(None, ctypes.c_size_t(8192), 7, 0x62, -1, ctypes.c_long(0))
code = bytes.fromhex("53 89f8 89f3 87d1 4489c6 4489cf cd80 5b c3")
ctypes.memmove(low, code, len(code))
enter = ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_int] * 6)(low)
used = 4096
def at(data):
    global used
    ctypes.memmove(low + used, data, len(data))
    used += len(data) + 8 & ~7
    return low + used - (len(data) + 8 & ~7)
def call(number, *arguments):
    print(enter(number, *arguments, *[0] * (5 - len(arguments))))
os.chdir(sys.argv[1])
for name in ("there", "gone"): os.close(os.open(name, os.O_CREAT))
l = socket.socket(); l.bind(("127.0.0.1", 0)); l.listen()
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(("127.0.0.1", 0))
w = socket.socket(socket.AF_UNIX); w.bind("local"); w.listen()
def internet(s): return at(struct.pack("=H", 2) + struct.pack(">H", s.getsockname()[1]) + bytes([127, 0, 0, 1]) + bytes(8))
t, d, c = socket.socket(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM), socket.socket(socket.AF_UNIX)
open, unlink, chroot, connect, sendmsg, execve = 5, 10, 61, 362, 370, 11
print(l.getsockname()[1], u.getsockname()[1])
call(open, at(b"there"), 0)
call(unlink, at(b"gone"))
call(connect, t.fileno(), internet(l), 16)
call(connect, c.fileno(), at(struct.pack("=H", 1) + b"local\0"), 8)
sys.stdout.flush()
child = os.fork()
if not child:
    byte = at(struct.pack("=II", at(b"x"), 1))
    enter(sendmsg, d.fileno(), at(struct.pack("=7I", internet(u), 16, byte, 1, 0, 0, 0)), 0, 0, 0)
    enter(execve, at(b"/nowhere/program"), 0, 0, 0, 0)
    enter(chroot, at(b"/nowhere"), 0, 0, 0, 0)
    path = at(b"/bin/true")
    enter(execve, path, at(struct.pack("=II", path, 0)), 0, 0, 0)
    os._exit(1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"#;

#[cfg(target_arch = "x86_64")]
fn calls() -> Outcome {
    let host = Host::start();
    let folder = host.folder.shared();
    let place = host.folder.path().join("script.py");
    std::fs::write(&place, SCRIPT)?;
    let (place, here) = (place.display(), folder.display());
    let printed = host.ssh(ONE, &format!("{PYTHON} -I {place} {here}"));
    let lines = host.sessions(1).remove(0);
    let (ports, results) = printed.split_once('\n').unwrap();
    let ports: Vec<u64> = ports
        .split(' ')
        .map(|port| port.parse())
        .collect::<Result<_, _>>()?;
    // All have succeeded.
    let results: Vec<i32> = results
        .lines()
        .map(|line| line.parse())
        .collect::<Result<_, _>>()?;
    assert!(results[0] > 2, "{printed}");
    assert_eq!(results[1..], [0, 0, 0, 0], "{printed}");
    // Seen: the connection, the datagram, and the program that was run.
    let networks = of_kind(&lines, "session.network").into_iter();
    let networks: Vec<_> = networks
        .filter(|line| line["operation"] != 2)
        .map(|line| (line["operation"].as_u64(), line["dst_port"].as_u64()))
        .collect();
    assert_eq!(
        networks,
        [(Some(0), Some(ports[0])), (Some(1), Some(ports[1]))]
    );
    let ran = |path: &str| {
        let commands = of_kind(&lines, "session.command").into_iter();
        commands.filter(|line| line["path"] == path).count()
    };
    assert_eq!(ran("/bin/true"), 1);
    // Not seen: all that only the exit of its call would have told.
    assert_eq!(ran("/nowhere/program"), 0);
    let local = format!("{here}/local");
    let connects = of_kind(&lines, "session.local_connect").into_iter();
    assert_eq!(connects.filter(|line| line["path"] == *local).count(), 0);
    let privileges = of_kind(&lines, "session.privilege").into_iter();
    assert_eq!(
        privileges
            .filter(|line| line["operation"] == "chroot")
            .count(),
        0
    );
    let files: Vec<_> = of_kind(&lines, "session.disk")
        .into_iter()
        .filter(|line| {
            let path = line["path"].as_str().unwrap();
            [format!("{here}/there"), format!("{here}/gone")].contains(&path.to_owned())
        })
        .map(|line| line["operation"].as_str().unwrap())
        .collect();
    assert_eq!(files, ["create", "create"]);
    Ok(())
}
