//! session.network is each connection that is begun in a session, by its programs or by sshd for it.

mod common;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use common::{Host, ONE, Outcome, Process, end, network, patiently, plain, plains, start};

fn main() -> ExitCode {
    common::main(&[
        ("connections of a program", connections),
        ("a connection that is refused", refused),
        ("forwarded connections", forwarded),
        ("forwarded connections of root", forwarded_for_root),
    ])
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
    let host = Host::start();
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
    let host = Host::start();
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

/// Forwards to both listeners with `ssh -N -L`, and carries a word through each.
fn forwards(login: &str) {
    let host = Host::start();
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
