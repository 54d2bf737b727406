//! session.network is each connection that is begun in a session, by its programs or by sshd for it.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;

use crate::common::{
    self, Host, ONE, Outcome, PYTHON, Process, end, network, of_kind, patiently, plain, plains,
    start,
};
use libtest_mimic::Trial;
use serde_json::Value;

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    let tests: &[common::Test] = &[
        ("connections of a program", connections),
        ("a connection that is refused", refused),
        ("connects by several calls and threads", once),
        ("thousands of connects at once", crowd),
        ("connects of MPTCP", multipath),
        ("sockets that give up their peer", parted),
        ("forwarded connections", forwarded),
        ("forwarded connections of root", forwarded_for_root),
    ];
    let has_mptcp = fs::read_to_string("/proc/sys/net/mptcp/enabled").is_ok_and(|it| it == "1\n");
    common::tests_with(module_path!(), tests, |name| {
        (name == "connects of MPTCP" && !has_mptcp).then_some("a kernel with MPTCP")
    })
}

/// Listens on IPv4 and on IPv6; gives the ports too.
fn listeners() -> [(TcpListener, u16); 2] {
    ["127.0.0.1:0", "[::1]:0"].map(|address| {
        let listener = TcpListener::bind(address).unwrap();
        let port = listener.local_addr().unwrap().port();
        (listener, port)
    })
}

/// Over IPv4, IPv6, and IPv4 by a socket for IPv6
fn connections() -> Outcome {
    let host = Host::shared();
    let [(_four, four), (_six, six)] = listeners();
    let script = format!(
        ": </dev/tcp/127.0.0.1/{four}; : </dev/tcp/::1/{six}; : </dev/tcp/::ffff:127.0.0.1/{four}"
    );
    host.ssh(ONE, &script);
    let lines = host.sessions(1).remove(0);
    assert_eq!(
        plains(&lines, "session.network"),
        [
            network(ONE, "bash", "127.0.0.1", four, 4),
            network(ONE, "bash", "::1", six, 6),
            network(ONE, "bash", "127.0.0.1", four, 4),
        ]
    );
    Ok(())
}

/// Nobody listens
fn refused() -> Outcome {
    let host = Host::shared();
    let [(_four, four), _] = listeners();
    // A port that nobody else can listen on: the other end of a connection.
    let client = TcpStream::connect(("127.0.0.1", four))?;
    let port = client.local_addr()?.port();
    host.ssh(ONE, &format!(": </dev/tcp/127.0.0.1/{port} || :"));
    let lines = host.sessions(1).remove(0);
    assert_eq!(
        plains(&lines, "session.network"),
        [network(ONE, "bash", "127.0.0.1", port, 4)]
    );
    Ok(())
}

/// Prints what each connect gives, and the port of each listener that is made. One whose queue is full
/// answers nobody, until it is gone.
const CONNECTS: &str = r#"
import errno, select, socket, sys, threading
refusing = ("127.0.0.1", int(sys.argv[1]))
kept = []

def full():
    listener, queued = socket.socket(), socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    print(listener.getsockname()[1], flush=True)
    queued.connect(listener.getsockname())
    kept.append(queued)
    return listener

def connect(one, to):
    print(errno.errorcode[one.connect_ex(to)], flush=True)

def refused_later():
    listener, one = full(), socket.socket()
    to = listener.getsockname()
    one.setblocking(False)
    connect(one, to)
    connect(one, to)
    listener.close()
    select.select([], [one], [])
    return one, to

connect(socket.socket(), refusing)
one, to = refused_later()
connect(one, to)
one, to = refused_later()
print(errno.errorcode[one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)])
connect(one, to)
connect(one, ("255.255.255.255", 9))
listener, waiting = full(), socket.socket()
waiting.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, b"\x06" + bytes(15))
thread = threading.Thread(target=connect, args=(waiting, listener.getsockname()))
thread.start()
asked = " 0100007F:%04X 02 " % listener.getsockname()[1]
while asked not in open("/proc/net/tcp").read():
    pass
connect(socket.socket(), refusing)
thread.join()
"#;

/// Whichever call or thread sees its end
fn once() -> Outcome {
    let host = Host::shared();
    let [(_four, four), _] = listeners();
    let client = TcpStream::connect(("127.0.0.1", four))?;
    let refusing = client.local_addr()?.port();
    let script = host.folder.shared().join("connects.py");
    fs::write(&script, CONNECTS)?;
    let printed = host.ssh(ONE, &format!("{PYTHON} -I {} {refusing}", script.display()));
    let (ports, said): (Vec<_>, Vec<_>) = printed
        .lines()
        .partition(|line| line.parse::<u16>().is_ok());
    let later = ["EINPROGRESS", "EALREADY", "ECONNREFUSED"];
    let mut all = vec!["ECONNREFUSED"];
    all.extend(later.iter().chain(&later));
    all.extend(["ECONNABORTED", "ENETUNREACH", "ECONNREFUSED", "EINPROGRESS"]);
    assert_eq!(said, all);
    let lines = host.sessions(1).remove(0);
    let mut connects = of_kind(&lines, "session.network");
    connects.retain(|line| line["operation"] == 0);
    let told: Vec<_> = connects
        .iter()
        .map(|line| (line["dst_port"].to_string(), &line["return_code"]))
        .collect();
    let refusing = refusing.to_string();
    let begun = |port: &str| (port.to_owned(), &Value::Null);
    let unreachable = Value::from(-libc::ENETUNREACH);
    let mut expected = vec![begun(&refusing)];
    for port in &ports[..2] {
        expected.extend([begun(port), begun(port)]);
    }
    expected.push(("9".to_owned(), &unreachable));
    expected.extend([begun(ports[2]), begun(ports[2]), begun(&refusing)]);
    assert_eq!(told, expected);
    let results = of_kind(&lines, "session.network_result");
    assert_eq!(results.len(), expected.len() - 1);
    Ok(())
}

/// Connects by MPTCP in each way, prints what each gives, and the port that it was to.
const MULTIPATH: &str = r#"
import errno, select, socket, threading

def made():
    return socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)

def listening(one):
    one.bind(("127.0.0.1", 0))
    one.listen(5)
    return one, one.getsockname()

def connect(one, to):
    print(errno.errorcode.get(one.connect_ex(to), "0"), to[1])

tcp, to_tcp = listening(socket.socket())
both, to_both = listening(made())
refusing = socket.socket()
refusing.bind(("127.0.0.1", 0))
connect(made(), to_tcp)
connect(made(), to_both)
both.accept()
connect(made(), refusing.getsockname())
later = made()
later.setblocking(False)
connect(later, to_both)
select.select([], [later], [])
later.setblocking(True)
connect(later, to_both)
connect(made(), ("255.255.255.255", 9))
thread = threading.Thread(target=connect, args=(made(), to_tcp))
thread.start()
connect(made(), to_both)
thread.join()
"#;

/// The socket of TCP that the kernel makes for one is not told beside it
fn multipath() -> Outcome {
    let host = Host::shared();
    let script = host.folder.shared().join("multipath.py");
    fs::write(&script, MULTIPATH)?;
    let printed = host.ssh(ONE, &format!("{PYTHON} -I {}", script.display()));
    let said: Vec<_> = printed
        .lines()
        .map(|line| line.split_once(' ').unwrap())
        .collect();
    let (tcp, both, refusing) = (said[0].1, said[1].1, said[2].1);
    let (first, last) = said.split_at(6);
    assert_eq!(
        first,
        [
            ("0", tcp),
            ("0", both),
            ("ECONNREFUSED", refusing),
            ("EINPROGRESS", both),
            ("0", both),
            ("ENETUNREACH", "9"),
        ]
    );
    let lines = host.sessions(1).remove(0);
    let operations = of_kind(&lines, "session.network");
    assert!(
        operations
            .iter()
            .filter(|line| line["operation"] != 2)
            .all(|line| line["protocol"] == "mptcp")
    );
    let mut listens: Vec<_> = operations
        .iter()
        .filter(|line| line["operation"] == 2)
        .map(|line| {
            (
                line["protocol"].as_str().unwrap(),
                line["src_port"].to_string(),
            )
        })
        .collect();
    listens.sort();
    assert_eq!(
        listens,
        [("mptcp", both.to_owned()), ("tcp", tcp.to_owned())]
    );
    assert_eq!(
        operations
            .iter()
            .filter(|line| line["operation"] == 3)
            .count(),
        1
    );
    let results = of_kind(&lines, "session.network_result");
    let mut told: Vec<_> = operations
        .iter()
        .filter(|line| line["operation"] == 0)
        .map(|line| {
            let of_this = |result: &&&Value| result["network_uid"] == line["uid"];
            let result = results
                .iter()
                .find(of_this)
                .map(|it| it["result"].to_string());
            (
                line["dst_port"].to_string(),
                line["return_code"].to_string(),
                result,
            )
        })
        .collect();
    let begun =
        |port: &str, result: i32| (port.to_owned(), "null".to_owned(), Some(result.to_string()));
    let mut expected = vec![
        begun(tcp, 0),
        begun(both, 0),
        begun(refusing, -libc::ECONNREFUSED),
        begun(both, 0),
        ("9".to_owned(), (-libc::ENETUNREACH).to_string(), None),
    ];
    expected.extend(last.iter().map(|(_, port)| begun(port, 0)));
    assert_eq!(results.len(), expected.len() - 1);
    // Two threads come in any order.
    told.sort();
    expected.sort();
    assert_eq!(told, expected);
    Ok(())
}

/// Connects sockets of each kind, and takes their peers away; what each gives has to be 0.
const PARTED: &str = r#"
import ctypes, os, socket, sys
connect = ctypes.CDLL(None).connect

def part(one):
    print(connect(one.fileno(), bytes(28), 28))

udp, six, listener, local = (socket.socket(*one) for one in [(2, 2), (10, 2), (2, 1), (1, 2)])
udp.bind(("127.0.0.1", 0))
six.bind(("::1", 0))
listener.bind(("127.0.0.1", 0))
listener.listen(5)
local.bind(sys.argv[1])
for peer in [udp, six, listener, local]:
    one = socket.socket(peer.family, peer.type)
    one.connect(peer.getsockname())
    part(one)
    part(one)
one = socket.socket(2, 2)
part(one)
for peer in [udp, six, listener]:
    print(peer.getsockname()[1])
"#;

/// That the peer is gone is no connect
fn parted() -> Outcome {
    let host = Host::shared();
    let folder = host.folder.shared();
    let (script, local) = (folder.join("parted.py"), folder.join("local"));
    fs::write(&script, PARTED)?;
    let printed = host.ssh(
        ONE,
        &format!("{PYTHON} -I {} {}", script.display(), local.display()),
    );
    let said: Vec<_> = printed.lines().collect();
    assert_eq!(said[..9], ["0"; 9]);
    let lines = host.sessions(1).remove(0);
    let ports: Vec<_> = of_kind(&lines, "session.network")
        .into_iter()
        .filter(|line| line["operation"] == 0)
        .map(|line| line["dst_port"].to_string())
        .collect();
    assert_eq!(ports, said[9..]);
    let paths: Vec<_> = of_kind(&lines, "session.local_connect")
        .into_iter()
        .filter(|line| line["program"] == "python3")
        .map(|line| (line["path"].as_str(), line["return_code"].as_i64()))
        .collect();
    assert_eq!(paths, [(local.to_str(), Some(0))]);
    Ok(())
}

/// Waits for as many connects at once as it is told, and gives up the first half; of the others none is
/// ever answered, until the listener is gone.
const CROWD: &str = r#"
import resource, select, socket, sys
count = int(sys.argv[1])
most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (count + 100, most))
listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen(0)
queued = socket.create_connection(listener.getsockname())
waiting = [socket.socket() for _ in range(count)]
for one in waiting:
    one.setblocking(False)
    one.connect_ex(listener.getsockname())
for one in waiting[: count // 2]:
    one.close()
listener.close()
poll = select.poll()
for one in waiting[count // 2 :]:
    poll.register(one)
left = count - count // 2
while left:
    for number, _ in poll.poll():
        poll.unregister(number)
        left -= 1
"#;

/// More than have a seat each: by chance, several hundred of them find theirs taken
fn crowd() -> Outcome {
    const COUNT: usize = 2_000;
    let host = Host::shared();
    let script = host.folder.shared().join("crowd.py");
    fs::write(&script, CROWD)?;
    host.ssh(ONE, &format!("{PYTHON} -I {} {COUNT}", script.display()));
    let lines = host.sessions(1).remove(0);
    let mut expected: Vec<_> = of_kind(&lines, "session.network")
        .into_iter()
        .filter(|line| line["operation"] == 0)
        .zip(
            std::iter::once(0).chain((0..COUNT).map(|number| match number {
                0..1_000 => -libc::ECANCELED,
                _ => -libc::ECONNREFUSED,
            })),
        )
        .map(|(line, result)| (line["uid"].as_str().unwrap(), i64::from(result)))
        .collect();
    let mut results: Vec<_> = of_kind(&lines, "session.network_result")
        .into_iter()
        .map(|line| {
            let uid = line["network_uid"].as_str().unwrap();
            (uid, line["result"].as_i64().unwrap())
        })
        .collect();
    expected.sort_unstable();
    results.sort_unstable();
    assert_eq!(expected.len(), 1 + COUNT);
    assert_eq!(results, expected);
    Ok(())
}

/// Forwards to both listeners with `ssh -N -L`, and carries a word through each.
fn forwards(login: &str) {
    let host = Host::shared();
    let listeners = listeners();
    let [(_, four), (_, six)] = &listeners;
    let sockets = ["four", "six"].map(|name| host.folder.path().join(name));
    let targets = [format!("127.0.0.1:{four}"), format!("[::1]:{six}")];
    let mut ssh = host.client("ssh");
    ssh.arg("-N");
    for (socket, target) in sockets.iter().zip(targets) {
        ssh.arg("-L").arg(format!("{}:{target}", socket.display()));
    }
    let mut client = Process::spawn(ssh.arg(format!("{login}@127.0.0.1")));
    for (socket, (listener, _)) in sockets.iter().zip(&listeners) {
        let connect = || UnixStream::connect(socket).ok();
        let mut near = patiently("ssh to listen", connect);
        let (mut far, _) = listener.accept().unwrap();
        near.write_all(b"word").unwrap();
        let mut word = [0; 4];
        far.read_exact(&mut word).unwrap();
        assert_eq!(&word, b"word");
    }
    client.stop();
    let lines = host.sessions(1).remove(0);
    assert_eq!(plain(&lines[0]), start(login, ""));
    assert_eq!(
        plains(&lines, "session.network"),
        [
            network(login, "sshd", "127.0.0.1", *four, 4),
            network(login, "sshd", "::1", *six, 6),
        ]
    );
    assert_eq!(plains(&lines, "session.command"), [""; 0]);
    let last = lines.last().unwrap();
    assert_eq!(plain(last), end(login, false, "", &lines));
}

/// Of an account without rights: its own sshd connects
fn forwarded() -> Outcome {
    forwards(ONE);
    Ok(())
}

/// Of root, whose login has no process of its own
fn forwarded_for_root() -> Outcome {
    forwards("root");
    Ok(())
}
