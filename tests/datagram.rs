//! Datagrams without a connection: one event for each peer in a period, and no send uncounted.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use crate::common::{self, Host, ONE, Outcome, of_kind, plains, sends, sent};
use libtest_mimic::Trial;
use serde_json::{Value, json};

/// The interpreter for small programs, with nothing of the account's own.
const PYTHON: &str = "/usr/bin/python3 -Ic";

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    common::tests(
        module_path!(),
        &[
            ("over IPv4, IPv6, and IPv4 by an IPv6 socket", versions),
            ("on a socket that is connected to another", connected),
            ("each is counted, over many periods", periods),
            ("each is counted where the ring is full", full_ring),
            ("what is sent outside of sessions", outside),
            ("ping sockets and raw sockets", ping_and_raw),
            ("the names of DNS queries", names),
            ("what the resolver asks", resolver),
        ],
    )
}

/// Runs a Python program in a session; returns what it printed, and the session.
fn session(host: &Host, login: &str, script: &str) -> (String, Vec<Value>) {
    let printed = host.ssh(login, &format!("{PYTHON} \"{script}\""));
    (printed, host.sessions(1).remove(0))
}

/// A host in a network of its own, with only a loopback device.
fn alone(host: &Host, before: &str, script: &str) -> (String, Vec<Value>) {
    let command = format!(
        "unshare -mn sh -c 'ip link set lo up; {before}; exec \"$0\" -Ic \"$1\"' /usr/bin/python3 \"{script}\""
    );
    let printed = host.ssh("root", &command);
    (printed, host.sessions(1).remove(0))
}

/// A socket that counts nothing by itself.
fn peer(address: &str) -> (UdpSocket, SocketAddr) {
    let peer = UdpSocket::bind(address).unwrap();
    let timeout = Some(Duration::from_millis(200));
    peer.set_read_timeout(timeout).unwrap();
    let address = peer.local_addr().unwrap();
    (peer, address)
}

/// How many datagrams have come.
fn received(peer: &UdpSocket) -> usize {
    std::iter::from_fn(|| peer.recv_from(&mut [0; 64]).ok()).count()
}

fn address(ip: &str, port: u16) -> SocketAddr {
    SocketAddr::new(ip.parse().unwrap(), port)
}

fn ports(printed: &str) -> Vec<u16> {
    let words = printed.split_whitespace();
    words.map(|word| word.parse().unwrap()).collect()
}

/// Written events of one kind, and their counts added up, for a peer.
fn total(lines: &[Value], port: u16) -> (usize, u64) {
    let to_peer = |event| {
        let lines = of_kind(lines, event).into_iter();
        lines.filter(move |line| line["dst_port"] == port)
    };
    let counts = to_peer("session.network_sends").map(|line| line["count"].as_u64().unwrap());
    (to_peer("session.network").count(), counts.sum())
}

fn versions() -> Outcome {
    let host = Host::shared();
    let ((four, to_four), (six, to_six)) = (peer("127.0.0.1:0"), peer("[::1]:0"));
    let script = format!(
        "import socket
f = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
m = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
for i in range(5): f.sendto(b'x', ('127.0.0.1', {four}))
for i in range(3): m.sendto(b'x', ('::ffff:127.0.0.1', {four}))
for i in range(2): s.sendmsg([b'x', b'y'], [], 0, ('::1', {six}))
print(*(socket.getsockname()[1] for socket in (f, m, s)))",
        four = to_four.port(),
        six = to_six.port()
    );
    let (printed, lines) = session(&host, ONE, &script);
    let [f, _, s] = ports(&printed)[..] else {
        panic!("{printed}");
    };
    assert_eq!((received(&four), received(&six)), (8, 2));
    assert_eq!(
        plains(&lines, "session.network"),
        [
            sent(ONE, [address("127.0.0.1", f), to_four], "udp", ""),
            sent(ONE, [address("::1", s), to_six], "udp", ""),
        ]
    );
    // One peer, whichever socket: the first event has the eighth of them.
    assert_eq!(
        plains(&lines, "session.network_sends"),
        [
            sends(ONE, to_four, "udp", "", 7),
            sends(ONE, to_six, "udp", "", 1),
        ]
    );
    for (count, first) in of_kind(&lines, "session.network_sends")
        .into_iter()
        .zip(of_kind(&lines, "session.network"))
    {
        assert_eq!(count["network_uid"], first["uid"]);
        assert_eq!(count["pid"], first["pid"]);
    }
    Ok(())
}

/// What goes to the peer of the connect is told by the connect alone.
fn connected() -> Outcome {
    let host = Host::shared();
    let ((one, to_one), (two, to_two)) = (peer("127.0.0.1:0"), peer("127.0.0.1:0"));
    let script = format!(
        "import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect(('127.0.0.1', {one}))
s.send(b'x'); s.sendto(b'x', ('127.0.0.1', {one})); s.sendto(b'x', ('127.0.0.1', {two}))
print(s.getsockname()[1])",
        one = to_one.port(),
        two = to_two.port()
    );
    let (printed, lines) = session(&host, ONE, &script);
    let source = address("127.0.0.1", ports(&printed)[0]);
    assert_eq!((received(&one), received(&two)), (2, 1));
    let operation = |operation: u64| {
        let lines = of_kind(&lines, "session.network").into_iter();
        lines
            .filter(|line| line["operation"] == operation)
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(operation(0)[0]["dst_port"], to_one.port());
    assert_eq!(
        plains(&operation(1), "session.network"),
        [sent(ONE, [source, to_two], "udp", "")]
    );
    assert_eq!(plains(&lines, "session.network_sends"), [""; 0]);
    Ok(())
}

/// By two threads at once, for some seconds, with periods of one.
fn periods() -> Outcome {
    const EACH: u64 = 20_000;
    let host = Host::with("", "network_aggregation_seconds: 1");
    let (_peer, to_peer) = peer("127.0.0.1:0");
    let script = format!(
        "import socket, threading, time
def send():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for i in range({EACH}):
        s.sendto(b'x', ('127.0.0.1', {}))
        if i % 5000 == 0: time.sleep(1)
threads = [threading.Thread(target=send) for _ in range(2)]
for thread in threads: thread.start()
for thread in threads: thread.join()",
        to_peer.port()
    );
    let (_, lines) = session(&host, ONE, &script);
    let (events, counted) = total(&lines, to_peer.port());
    assert!(events > 2 && counted > 0, "{events} and {counted}");
    assert_eq!(events as u64 + counted, 2 * EACH);
    // The first periods are written down while the session lives.
    let end = |event| lines.iter().position(|line| line["event"] == event);
    assert!(end("session.network_sends") < lines.iter().rposition(|line| line["operation"] == 1));
    Ok(())
}

/// To more peers than the ring has room for, three to each, while nobody reads.
fn full_ring() -> Outcome {
    const PEERS: u64 = 200;
    let host = Host::with("", "network_buffer_size: 1");
    let script = format!(
        "import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for round in range(3):
    for i in range({PEERS}): s.sendto(b'x', ('127.9.0.' + str(i), 9))"
    );
    host.daemon.signal(libc::SIGSTOP);
    host.ssh(ONE, &format!("{PYTHON} \"{script}\""));
    host.daemon.signal(libc::SIGCONT);
    let lines = host.sessions(1).remove(0);
    let (events, counted) = total(&lines, 9);
    let lost = lines.last().unwrap()["losses"]["network"].as_u64().unwrap();
    assert!(lost > 0 && events > 0, "{lost} and {events}");
    // Local connects of the login may be among what was lost.
    let all = events as u64 + counted + lost;
    assert!((3 * PEERS..3 * PEERS + 10).contains(&all), "{all}");
    Ok(())
}

fn outside() -> Outcome {
    let host = Host::shared();
    let ((peer, to_peer), (own, _)) = (peer("127.0.0.1:0"), peer("127.0.0.1:0"));
    own.send_to(b"x", to_peer)?;
    let script = format!(
        "import socket
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', {}))",
        to_peer.port()
    );
    let (_, lines) = session(&host, ONE, &script);
    own.send_to(b"x", to_peer)?;
    assert_eq!(received(&peer), 3);
    assert_eq!(total(&lines, to_peer.port()), (1, 0));
    let to_peer = |line: &&Value| line["dst_port"] == to_peer.port();
    assert_eq!(host.log().iter().filter(to_peer).count(), 1);
    Ok(())
}

/// Echo requests, which the kernel itself answers; and a segment of TCP that a program has made.
fn ping_and_raw() -> Outcome {
    let host = Host::shared();
    let script = "import socket, struct
echo = b'\\x08\\0\\xf7\\xff\\0\\0\\0\\0'
p = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)
for i in range(4): p.sendto(echo, ('127.0.0.2', 0))
r = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
for i in range(3): r.sendto(echo, ('127.0.0.3', 0))
t = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
t.sendto(struct.pack('!HHIIBBHHH', 4321, 1234, 0, 0, 80, 2, 1, 0, 0), ('127.0.0.4', 0))
h = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
packet = struct.pack('!BBHHHBBH4s4sHHHH', 69, 0, 28, 0, 0, 64, 17, 0, b'\\x7f\\0\\0\\1', b'\\x7f\\0\\0\\5', 5000, 6000, 8, 0)
h.sendto(packet, ('127.0.0.5', 0))
s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
s.sendto(b'\\x80\\0\\0\\0\\0\\0\\0\\0', ('::1', 0))";
    // Quotes and backslashes pass two shells.
    let script = script.replace('\\', "\\\\");
    let permit = "echo 0 0 >/proc/sys/net/ipv4/ping_group_range";
    let (_, lines) = alone(&host, permit, &script);
    let home = |port| address("127.0.0.1", port);
    let raw = r#","raw":true"#;
    assert_eq!(
        plains(&lines, "session.network"),
        [
            sent("root", [home(0), address("127.0.0.2", 0)], "icmp", ""),
            sent("root", [home(0), address("127.0.0.3", 0)], "icmp", raw),
            sent("root", [home(4321), address("127.0.0.4", 1234)], "tcp", raw),
            sent("root", [home(5000), address("127.0.0.5", 6000)], "udp", raw),
            sent("root", [address("::1", 0); 2], "icmpv6", raw),
        ]
    );
    assert_eq!(
        plains(&lines, "session.network_sends"),
        [
            sends("root", address("127.0.0.2", 0), "icmp", "", 3),
            sends("root", address("127.0.0.3", 0), "icmp", raw, 2),
        ]
    );
    Ok(())
}

/// Name, type and server of each query.
fn asked(lines: &[Value]) -> Vec<Value> {
    of_kind(lines, "session.dns")
        .into_iter()
        .map(|line| {
            json!([
                line["name"],
                line["type"],
                line["dst_addr"],
                line["dst_port"]
            ])
        })
        .collect()
}

/// Connected or not, by whichever call; what is no query is none.
fn names() -> Outcome {
    let host = Host::shared();
    let script = "import os, socket
def query(name, type):
    labels = b''.join(bytes([len(label)]) + label for label in name)
    return b'ab' + bytes([1, 0, 0, 1] + [0] * 6) + labels + bytes([0, type >> 8, type & 255, 0, 1])
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.sendto(query([b'one', b'example'], 1), ('127.7.0.1', 53))
c = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); c.connect(('127.7.0.2', 53))
os.write(c.fileno(), query([b'two', b'example'], 28))
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.sendmsg([query([b'three'], 15)[:9], query([b'three'], 15)[9:]], [], 0, ('::1', 53))
s.sendto(query([b'x' * 63] * 3 + [b'y' * 61], 65), ('::ffff:127.7.0.3', 53))
u.sendto(b'x', ('127.7.0.1', 53))
u.sendto(b'', ('127.7.0.1', 53))
u.sendto(os.urandom(4) + bytes([0, 1] + [0] * 6 + [255] * 600), ('127.7.0.1', 53))
u.sendto(query([b'other', b'port'], 1), ('127.7.0.1', 54))
print(u.getsockname()[1])";
    let (printed, lines) = session(&host, ONE, script);
    let longest = format!(
        "{}{}",
        format!("{}.", "x".repeat(63)).repeat(3),
        "y".repeat(61)
    );
    assert_eq!(
        asked(&lines),
        [
            json!(["one.example", "A", "127.7.0.1", 53]),
            json!(["two.example", "AAAA", "127.7.0.2", 53]),
            json!(["three", "MX", "::1", 53]),
            json!([longest, "HTTPS", "127.7.0.3", 53]),
        ]
    );
    assert_eq!(
        plains(&lines, "session.dns")[0],
        common::expected(
            "session.dns",
            "R4006I",
            ONE,
            &format!(
                r#""pid":"<pid>","cgroup_id":"<cgroup_id>","program":"python3","audit_session_id":"<audit_session_id>","name":"one.example","type":"A","src_addr":"127.0.0.1","src_port":{},"dst_addr":"127.7.0.1","dst_port":53,"version":4"#,
                printed.trim()
            )
        )
    );
    Ok(())
}

/// glibc's, against what a server has been asked.
fn resolver() -> Outcome {
    let host = Host::shared();
    let script = "import socket, threading
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); server.bind(('127.0.0.1', 53))
def serve():
    while True:
        query, client = server.recvfrom(512)
        print(query[12:].split(b'\\0')[0][1:].replace(b'\\4', b'.').decode(), query[query.index(b'\\0', 12) + 2], flush=True)
        server.sendto(query[:2] + b'\\x81\\x83' + query[4:], client)
threading.Thread(target=serve, daemon=True).start()
try: socket.getaddrinfo('recorded.test', 80)
except OSError: pass";
    let script = script.replace('\\', "\\\\");
    let place = host.folder.path().join("resolv.conf");
    std::fs::write(&place, "nameserver 127.0.0.1\n")?;
    let before = format!("mount --bind {} /etc/resolv.conf", place.display());
    let (printed, lines) = alone(&host, &before, &script);
    let served: Vec<Value> = printed
        .lines()
        .map(|line| match line.split_once(' ').unwrap() {
            (name, "1") => json!([name, "A", "127.0.0.1", 53]),
            (name, "28") => json!([name, "AAAA", "127.0.0.1", 53]),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(served.len(), 2, "{printed}");
    assert_eq!(asked(&lines), served);
    Ok(())
}
