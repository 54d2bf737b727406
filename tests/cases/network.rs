//! Connections, datagrams and sockets.

use recorderd::abi::{
    Dns, Endpoint, Kind, Losses, Network, NetworkResult, PacketSocket, Send, SendsKey, Vsock,
    operation, path_note, send_mark,
};

use super::Described;
use super::record::{TCP, connected, end, head, local, network, record, run, start, v4, v6};

const UDP: u32 = 17;

/// What became of the connect at the time `begun`.
fn result(time: u64, begun: u64, ends: [Endpoint; 2], result: i32) -> Vec<u8> {
    let [source, destination] = ends;
    let of = NetworkResult {
        record: head(Kind::NetworkResult, time),
        source,
        destination,
        connection: begun,
        duration: (time - begun) * 1_000_000 + 999,
        result,
        unused: 0,
    };
    record(of, b"")
}

/// The first datagram of a period of a minute.
fn sent(
    time: u64,
    [source, destination]: [Endpoint; 2],
    change: impl FnOnce(&mut SendsKey),
) -> Vec<u8> {
    let head = head(Kind::Send, time);
    let mut send = Send {
        record: head,
        source,
        key: SendsKey {
            session: head.session,
            started: 1_400_000_000,
            ends: 61_400_000_000,
            pid: head.pid,
            protocol: UDP,
            destination,
            ..SendsKey::default()
        },
        is_counted: 1,
    };
    change(&mut send.key);
    record(send, b"")
}

/// A message to the DNS port: a header with a question, then `question`.
fn queried(time: u64, [source, destination]: [Endpoint; 2], question: &[u8]) -> Vec<u8> {
    let message = [b"\xab\xcd\x01\0\0\x01\0\0\0\0\0\0", question].concat();
    let dns = Dns {
        record: head(Kind::Dns, time),
        source,
        destination,
        message_length: message.len() as u32,
        unused: 0,
    };
    record(dns, &message)
}

pub fn network_case() -> Vec<Described> {
    let mapped = |last, port| v6(&format!("::ffff:203.0.113.{last}"), port);
    let ends = [v4([172, 31, 34, 128], 40_000), v4([5, 9, 243, 187], 443)];
    let [source, destination] = ends;
    vec![
        start(),
        ("a shell", run(1500, b"/bin/sh", b"sh\0", |_| {})),
        ("version 4", connected(1501, source, destination)),
        ("it is connected", result(1502, 1501, ends, 0)),
        (
            "version 6",
            connected(
                1503,
                v6("2001:db8::1", 40_001),
                v6("2001:db8:0:1::2", 65_535),
            ),
        ),
        (
            "version 4 over a socket of version 6",
            connected(1504, mapped(1, 40_002), mapped(2, 80)),
        ),
        (
            "refused",
            result(
                1505,
                1504,
                [mapped(1, 40_002), mapped(2, 80)],
                -libc::ECONNREFUSED,
            ),
        ),
        (
            "a result whose connect was lost",
            result(1506, 1505, ends, -libc::ETIMEDOUT),
        ),
        (
            "no address yet",
            connected(1507, v6("::", 0), v6("::1", 22)),
        ),
        (
            "listens",
            network(1508, operation::LISTEN, [v6("::", 8080), v6("::", 0)], TCP),
        ),
        (
            "accepts version 4 over a socket of version 6",
            network(
                1509,
                operation::ACCEPT,
                [mapped(1, 8080), mapped(9, 50_000)],
                TCP,
            ),
        ),
        ("UDP", network(1510, operation::CONNECT, ends, UDP)),
        (
            "a protocol without a name",
            network(1511, operation::CONNECT, ends, 253),
        ),
        end(Losses::default()),
    ]
}

pub fn local_case() -> Vec<Described> {
    vec![
        start(),
        ("a shell", run(1500, b"/bin/sh", b"sh\0", |_| {})),
        ("a path", local(1501, b"/run/docker.sock", |_| {})),
        (
            "not there",
            local(1502, b"./sock\xff", |l| l.return_code = -libc::ENOENT),
        ),
        (
            "an abstract name",
            local(1503, b"\0bus \0\xfe", |l| l.is_abstract = 1),
        ),
        ("an empty one", local(1504, b"", |l| l.is_abstract = 1)),
        (
            "deleted, and deeper than can be walked",
            local(1505, b"/deep/sock", |l| {
                l.path_notes = path_note::DELETED | path_note::CUT;
            }),
        ),
        end(Losses::default()),
    ]
}

pub fn socket_case() -> Vec<Described> {
    let failed = |time, ends: [Endpoint; 2], protocol, error: i32| {
        let [source, destination] = ends;
        let network = Network {
            record: head(Kind::Network, time),
            source,
            destination,
            connection: 0,
            operation: operation::CONNECT,
            protocol,
            return_code: -error,
            unused: 0,
        };
        record(network, b"")
    };
    let vsock = |time, operation, change: fn(&mut Vsock)| {
        let mut vsock = Vsock {
            record: head(Kind::Vsock, time),
            operation,
            context: 3,
            port: 1234,
            peer_context: 2,
            peer_port: u32::MAX - 1,
            ..Vsock::default()
        };
        change(&mut vsock);
        record(vsock, b"")
    };
    let packet = |time, kind, protocol, return_code| {
        let socket = PacketSocket {
            record: head(Kind::PacketSocket, time),
            kind,
            protocol,
            return_code,
            unused: [0; 3],
        };
        record(socket, b"")
    };
    let unbound = [v4([0; 4], 0), v6("::", 0)];
    vec![
        start(),
        ("a shell", run(1500, b"/bin/sh", b"sh\0", |_| {})),
        (
            "no way there",
            failed(
                1501,
                [unbound[0], v4([192, 0, 2, 9], 443)],
                TCP,
                libc::ENETUNREACH,
            ),
        ),
        (
            "an address of the other version",
            failed(
                1502,
                [unbound[0], v6("2001:db8::9", 53)],
                UDP,
                libc::EAFNOSUPPORT,
            ),
        ),
        (
            "version 4 by a socket of version 6",
            failed(
                1503,
                [unbound[1], v6("::ffff:192.0.2.9", 53)],
                UDP,
                libc::EACCES,
            ),
        ),
        (
            "no address",
            failed(1504, [unbound[1], Endpoint::default()], TCP, libc::EINVAL),
        ),
        ("to a host", vsock(1505, operation::CONNECT, |_| {})),
        (
            "to nobody, from an own port that there is not yet",
            vsock(1506, operation::CONNECT, |v| {
                (v.context, v.port, v.return_code) = (u32::MAX, u32::MAX, -libc::ENODEV);
            }),
        ),
        (
            "for all",
            vsock(1507, operation::LISTEN, |v| v.context = u32::MAX),
        ),
        ("from a host", vsock(1508, operation::ACCEPT, |_| {})),
        ("all frames", packet(1509, 3, 3, 0)),
        (
            "frames without their heads",
            packet(1510, 2, 0x0800, -libc::EPERM),
        ),
        (
            "of another kind",
            packet(1511, 10, 0, -libc::ESOCKTNOSUPPORT),
        ),
        end(Losses::default()),
    ]
}

pub fn datagram_case() -> Vec<Described> {
    let local = |time, name: &[u8], error: i32| {
        sent(time, [Endpoint::default(); 2], |key| {
            key.name[..name.len()].copy_from_slice(name);
            (key.name_length, key.return_code) = (name.len() as u32, -error);
            (key.protocol, key.ends) = (0, 2_000_000_000);
        })
    };
    let v6 = [v6("2001:db8::1", 40_001), v6("2001:db8:0:1::2", 65_535)];
    let v4 = |port| [v4([192, 0, 2, 1], 40_000), v4([198, 51, 100, 9], port)];
    vec![
        start(),
        ("a shell", run(1500, b"/bin/sh", b"sh\0", |_| {})),
        ("the first to a peer", sent(1501, v4(514), |_| {})),
        ("over version 6", sent(1502, v6, |_| {})),
        (
            "an echo request, of which there are no more",
            sent(1503, v4(0), |key| key.protocol = 1),
        ),
        (
            "through a raw socket, in a period that is shorter than the session",
            sent(1504, v4(80), |key| {
                (key.protocol, key.marks) = (TCP, send_mark::RAW);
                key.ends = 2_000_000_000;
            }),
        ),
        (
            "to a local socket, in an address of full length",
            local(1505, b"/dev/log\0\0\0x", 0),
        ),
        (
            "to one that is not there",
            local(1506, b"caf\xe9", libc::ENOENT),
        ),
        ("to one with an abstract name", local(1507, b"\0a\0b", 0)),
        (
            "to one with the longest name",
            local(1508, &[b'x'; 108], libc::ECONNREFUSED),
        ),
        end(Losses::default()),
    ]
}

pub fn dns_case() -> Vec<Described> {
    let v4 = [v4([192, 0, 2, 1], 40_000), v4([127, 0, 0, 53], 53)];
    let v6 = [v6("::1", 40_001), v6("::1", 53)];
    let name = b"\x07example\x03org\0";
    vec![
        start(),
        ("a shell", run(1500, b"/bin/sh", b"sh\0", |_| {})),
        (
            "an address of version 4",
            queried(1501, v4, &[name.as_slice(), b"\0\x01\0\x01"].concat()),
        ),
        (
            "an address of version 6, over version 6",
            queried(1502, v6, &[name.as_slice(), b"\0\x1c\0\x01"].concat()),
        ),
        (
            "labels of any bytes, and a type without a name",
            queried(1503, v4, b"\x04a.\\\n\x02\xff\"\0\xff\xfe\0\x01"),
        ),
        ("the root", queried(1504, v4, b"\0\0\x02\0\x01")),
        ("no question", queried(1505, v4, b"")),
        (
            "a pointer to itself",
            queried(1506, v4, b"\xc0\x0c\0\x01\0\x01"),
        ),
        end(Losses::default()),
    ]
}
