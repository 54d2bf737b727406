//! Sockets beyond what is connected over the internet: connects of which nothing was sent, datagrams
//! to local sockets, sockets between virtual machines, and those for frames.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use crate::common::{self, Host, ONE, Outcome, PYTHON, expected, of_kind, plains, printed};
use libtest_mimic::Trial;
use serde_json::{Value, json};

/// For all: `connect` gives what connect(2) does, with an address as bytes.
const COMMON: &str = "import ctypes, os, socket, struct
libc = ctypes.CDLL(None, use_errno=True)
def connect(s, address, length=None):
    result = libc.connect(s.fileno(), address, len(address) if length is None else length)
    return result and -ctypes.get_errno()
def four(host, port): return struct.pack('=H', 2) + struct.pack('>H', port) + socket.inet_aton(host) + bytes(8)
def six(host, port): return struct.pack('=H', 10) + struct.pack('>H', port) + bytes(4) + socket.inet_pton(10, host) + bytes(4)
";

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    common::tests(
        module_path!(),
        &[
            ("connects of which nothing was sent", unsent),
            ("connects that are told of once", once),
            ("datagrams to local sockets", local),
            ("sockets between virtual machines", machines),
            ("sockets for frames", frames),
            ("outside of sessions", outside),
        ],
    )
}

/// Runs a Python program in a session; returns what it printed, and the session.
fn session(host: &Host, login: &str, before: &str, script: &str) -> (Vec<String>, Vec<Value>) {
    let place = host.folder.path().join("script.py");
    std::fs::write(&place, format!("{COMMON}{script}")).unwrap();
    std::fs::set_permissions(host.folder.path(), Permissions::from_mode(0o755)).unwrap();
    let printed = host.ssh(login, &format!("{before} {PYTHON} -I {}", place.display()));
    let printed = printed.lines().map(str::to_owned).collect();
    (printed, host.sessions(1).remove(0))
}

/// In a network of its own, with only a loopback device.
const ALONE: &str = "unshare -n sh -c 'ip link set lo up; exec \"$@\"' -";

/// Protocol, peer, result of each connect.
fn connects(lines: &[Value]) -> Vec<Value> {
    of_kind(lines, "session.network")
        .into_iter()
        .filter(|line| line["operation"] == 0)
        .map(|line| {
            json!([
                line["protocol"],
                line["dst_addr"],
                line["dst_port"],
                line["version"],
                line["return_code"]
            ])
        })
        .collect()
}

fn unsent() -> Outcome {
    let host = Host::shared();
    let script = "
def show(family, kind, address, length=None):
    print(connect(socket.socket(family, kind), address, length))
T, U = socket.SOCK_STREAM, socket.SOCK_DGRAM
show(2, T, four('192.0.2.1', 443))
show(2, U, four('192.0.2.1', 53))
show(10, T, six('2001:db8::1', 443))
show(10, T, six('::ffff:192.0.2.1', 80))
show(2, U, four('127.255.255.255', 7))
show(2, T, six('::1', 443))
show(2, T, four('127.0.0.1', 443), 15)
show(10, T, six('fe80::1', 22))
show(2, T, b'x' * 16)";
    let (printed, lines) = session(&host, "root", ALONE, script);
    let results: Vec<i64> = printed.iter().map(|line| line.parse().unwrap()).collect();
    let [u, a, f, i] = [
        libc::ENETUNREACH,
        libc::EACCES,
        libc::EAFNOSUPPORT,
        libc::EINVAL,
    ]
    .map(|error| -i64::from(error));
    assert_eq!(results, [u, u, u, u, a, f, i, i, f]);
    assert_eq!(
        connects(&lines),
        [
            json!(["tcp", "192.0.2.1", 443, 4, u]),
            json!(["udp", "192.0.2.1", 53, 4, u]),
            json!(["tcp", "2001:db8::1", 443, 6, u]),
            json!(["tcp", "192.0.2.1", 80, 4, u]),
            json!(["udp", "127.255.255.255", 7, 4, a]),
            json!(["tcp", "::1", 443, 6, f]),
            json!(["tcp", null, null, 4, i]),
            json!(["tcp", "fe80::1", 22, 6, i]),
            json!(["tcp", null, null, 4, f]),
        ]
    );
    assert_eq!(plains(&lines, "session.network_result"), [""; 0]);
    assert_eq!(
        plains(&lines, "session.network")[0],
        expected(
            "session.network",
            "T4002I",
            "root",
            r#""pid":"<pid>","cgroup_id":"<cgroup_id>","program":"python3","audit_session_id":"<audit_session_id>","src_addr":"0.0.0.0","dst_addr":"192.0.2.1","dst_port":443,"version":4,"operation":0,"action":0,"protocol":"tcp","return_code":-101"#
        )
    );
    Ok(())
}

/// Whatever the program calls to learn how its connect ended, and whatever socket comes next
fn once() -> Outcome {
    let host = Host::shared();
    let script = "
import select
closed = socket.socket(); closed.bind(('127.0.0.1', 0)); port = closed.getsockname()[1]
there = four('127.0.0.1', port)
def wait(s):
    select.select([], [s], [])
def polled(ask):
    s = socket.socket(); s.setblocking(False)
    print(connect(s, there)); wait(s); print(ask(s)); s.close()
print(connect(socket.socket(), there))
polled(lambda s: -s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
polled(lambda s: connect(s, there))
s = socket.socket(); print(connect(s, four('192.0.2.1', 80))); print(connect(s, there)); print(connect(s, four('192.0.2.1', 80)))
l = socket.socket(); l.bind(('127.0.0.1', 0)); l.listen(); listening = four('127.0.0.1', l.getsockname()[1])
s = socket.socket(); s.setblocking(False)
print(connect(s, listening)); wait(s); print(connect(s, listening)); print(connect(s, listening))
print(port); print(l.getsockname()[1])";
    let (printed, lines) = session(&host, "root", ALONE, script);
    let numbers: Vec<i64> = printed.iter().map(|line| line.parse().unwrap()).collect();
    let [refused, progress, unreachable, connected] = [
        libc::ECONNREFUSED,
        libc::EINPROGRESS,
        libc::ENETUNREACH,
        libc::EISCONN,
    ]
    .map(|error| -i64::from(error));
    let (results, ports) = numbers.split_at(11);
    assert_eq!(
        results,
        [
            refused,
            progress,
            refused,
            progress,
            refused,
            unreachable,
            refused,
            unreachable,
            progress,
            0,
            connected
        ]
    );
    let told = |port: &i64, error: Option<i64>| {
        let host = if error.is_some() {
            "192.0.2.1"
        } else {
            "127.0.0.1"
        };
        json!(["tcp", host, port, 4, error])
    };
    assert_eq!(
        connects(&lines),
        [
            told(&ports[0], None),
            told(&ports[0], None),
            told(&ports[0], None),
            told(&80, Some(unreachable)),
            told(&ports[0], None),
            told(&80, Some(unreachable)),
            told(&ports[1], None),
        ]
    );
    assert_eq!(of_kind(&lines, "session.network_result").len(), 5);
    Ok(())
}

/// A session.local_send or its count, as `plain` gives it.
fn sent(event: &str, code: &str, name: &str, return_code: i32, more: &str) -> String {
    expected(
        event,
        code,
        ONE,
        &format!(
            r#""pid":"<pid>","cgroup_id":"<cgroup_id>","program":"python3","audit_session_id":"<audit_session_id>",{name},"return_code":{return_code}{more}"#
        ),
    )
}

/// By each call that takes an address; what is sent by a connected socket has its connect
fn local() -> Outcome {
    let host = Host::shared();
    let script = "
os.chdir('SHARED')
l = socket.socket(1, socket.SOCK_DGRAM); l.bind('log')
a = socket.socket(1, socket.SOCK_DGRAM); a.bind(b'\\0recorded/name')
s = socket.socket(1, socket.SOCK_DGRAM)
path = os.getcwd() + '/log'
print(path)
for _ in range(3): s.sendto(b'x', path)
s.sendmsg([b'x', b'y'], [], 0, 'log')
s.sendto(b'x', b'\\0recorded/name')
for _ in range(2):
    try: s.sendto(b'x', '/nowhere/log')
    except OSError as error: print(-error.errno)
class Vector(ctypes.Structure): _fields_ = [('base', ctypes.c_char_p), ('length', ctypes.c_size_t)]
class Message(ctypes.Structure): _fields_ = [('name', ctypes.c_char_p), ('name_length', ctypes.c_uint), ('vectors', ctypes.POINTER(Vector)), ('count', ctypes.c_size_t), ('control', ctypes.c_void_p), ('control_length', ctypes.c_size_t), ('flags', ctypes.c_size_t), ('sent', ctypes.c_size_t)]
vector = Vector(b'x', 1)
name = struct.pack('=H', 1) + path.encode()
other = struct.pack('=H', 1) + b'./log' + bytes(60)
messages = (Message * 3)(*(Message(name, length, ctypes.pointer(vector), 1, None, 0, 0, 0) for name, length in ((name, len(name)), (other, 40), (name, len(name)))))
print(libc.sendmmsg(s.fileno(), messages, 3, 0))
c = socket.socket(1, socket.SOCK_DGRAM); c.connect('log'); c.send(b'x'); os.write(c.fileno(), b'x')
t = socket.socket(1, socket.SOCK_STREAM)
try: t.sendto(b'x', path)
except OSError: pass
l.setblocking(False)
received = 0
try:
    while l.recv(9): received += 1
except BlockingIOError: print(received)";
    let script = script.replace("SHARED", host.folder.shared().to_str().unwrap());
    let (printed, lines) = session(&host, ONE, "", &script);
    let [path, first, second, at_once, received] = &printed[..] else {
        panic!("{printed:?}");
    };
    assert_eq!([first, second, at_once, received], ["-2", "-2", "3", "9"]);
    let named = |name: &str| format!(r#""path":"{name}""#);
    let send =
        |name: &str, return_code| sent("session.local_send", "R4010I", name, return_code, "");
    assert_eq!(
        plains(&lines, "session.local_send"),
        [
            send(&named(path), 0),
            send(&named("log"), 0),
            send(r#""abstract":"recorded/name""#, 0),
            send(&named("/nowhere/log"), -libc::ENOENT),
            send(&named("./log"), 0),
        ]
    );
    let count = |name: &str, return_code, count| {
        let more = format!(r#","count":{count},"network_uid":"<network_uid>""#);
        sent("session.network_sends", "R4008I", name, return_code, &more)
    };
    let mut counts = plains(&lines, "session.network_sends");
    counts.sort_unstable();
    assert_eq!(
        counts,
        [
            count(&named("/nowhere/log"), -libc::ENOENT, 1),
            count(&named(path), 0, 4),
        ]
    );
    let connects = of_kind(&lines, "session.local_connect");
    assert!(connects.iter().any(|line| line["path"] == **path));
    Ok(())
}

/// What a socket tells of its own address is what is written
fn machines() -> Outcome {
    let host = Host::shared();
    let script = "
l = socket.socket(40, socket.SOCK_STREAM); l.bind((socket.VMADDR_CID_ANY, 7654)); l.listen()
s = socket.socket(40, socket.SOCK_STREAM); s.setblocking(False)
print(connect(s, struct.pack('=HHIII', 40, 0, 7654, 1, 0)), s.getsockname()[1])
print(connect(socket.socket(40, socket.SOCK_STREAM), struct.pack('=HHIII', 40, 0, 7654, 1, 0), 8))";
    let (printed, lines) = session(&host, ONE, "", script);
    let (result, port) = printed[0].split_once(' ').unwrap();
    let told: Vec<Value> = of_kind(&lines, "session.vsock")
        .into_iter()
        .map(|line| {
            json!([
                line["operation"],
                line["return_code"],
                line["src_port"],
                line["dst_cid"],
                line["dst_port"]
            ])
        })
        .collect();
    let result: i64 = result.parse()?;
    let port: u64 = port.parse()?;
    assert_eq!(
        told,
        [
            json!([2, 0, 7654, null, null]),
            json!([0, result, port, 1, 7654]),
            json!([0, -libc::EINVAL, null, null, null]),
        ]
    );
    assert_eq!(
        plains(&lines, "session.vsock")[0],
        expected(
            "session.vsock",
            "R4011I",
            ONE,
            r#""pid":"<pid>","cgroup_id":"<cgroup_id>","program":"python3","audit_session_id":"<audit_session_id>","operation":2,"return_code":0,"src_port":7654"#
        )
    );
    Ok(())
}

/// Made, and refused
fn frames() -> Outcome {
    let script = "
for kind, protocol in ((socket.SOCK_RAW, 3), (socket.SOCK_DGRAM | socket.SOCK_NONBLOCK, 0x806)):
    print(-ctypes.get_errno() if libc.socket(17, kind, socket.htons(protocol)) < 0 else 0)
socket.socket(2, socket.SOCK_DGRAM)";
    for (login, result) in [("root", 0), (ONE, -libc::EPERM)] {
        let host = Host::shared();
        let (printed, lines) = session(&host, login, "", script);
        assert_eq!(printed, [result.to_string(), result.to_string()]);
        let socket = |kind, protocol| {
            expected(
                "session.packet_socket",
                "R4012I",
                login,
                &format!(
                    r#""pid":"<pid>","cgroup_id":"<cgroup_id>","program":"python3","audit_session_id":"<audit_session_id>","type":"{kind}","protocol":{protocol},"return_code":{result}"#
                ),
            )
        };
        assert_eq!(
            plains(&lines, "session.packet_socket"),
            [socket("raw", 3), socket("dgram", 0x806)]
        );
    }
    Ok(())
}

/// Nobody's: it leaves nothing
fn outside() -> Outcome {
    let host = Host::shared();
    let script = format!(
        "{COMMON}
s = socket.socket(1, socket.SOCK_DGRAM)
try: s.sendto(b'x', '/nowhere/outside')
except OSError: pass
socket.socket(17, socket.SOCK_DGRAM)
l = socket.socket(40, socket.SOCK_STREAM); l.bind((socket.VMADDR_CID_ANY, 7655)); l.listen()
print(connect(socket.socket(), six('::1', 443)))"
    );
    let result = printed(std::process::Command::new("/usr/bin/python3").args(["-Ic", &script]));
    assert_eq!(result.trim(), "-97");
    host.ssh(ONE, "true");
    host.sessions(1);
    let all = host.log();
    for event in ["local_send", "packet_socket", "vsock", "network"] {
        assert_eq!(plains(&all, &format!("session.{event}")), [""; 0]);
    }
    Ok(())
}
