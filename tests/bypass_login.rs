//! Ways through sshd: each login is a session, and what sshd carries for it is in it.
//!
//! `ssh -L` is in tests/network.rs, sftp and scp in tests/transfer.rs, what outlives the connection in
//! tests/session.rs.

mod common;

use std::collections::HashSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use common::ways::{connections, place, ran};
use common::{Host, ONE, Outcome, Process, TWO, patiently, printed};
use serde_json::{Value, json};

fn main() -> ExitCode {
    common::main_on(
        Host::start,
        &[
            ("a login from a session", nested),
            ("several channels of one connection", multiplexed),
            ("ssh -R", remote_forward),
            ("ssh -D", dynamic_forward),
            ("hundreds of logins", many),
        ],
    )
}

/// The client's key where an account can use it.
fn key_for(host: &Host, login: &str, folder: &Path) -> String {
    let key = folder.join("key").display().to_string();
    fs::copy(host.folder.path().join("key"), &key).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    printed(Command::new("chown").args([login, &key]));
    key
}

/// What is typed to log in to the host from itself.
fn ssh_from_within(host: &Host, key: &str) -> String {
    format!(
        "ssh -F none -p {} -i {key} -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
         -o LogLevel=ERROR -o BatchMode=yes",
        host.port
    )
}

/// To another account of the same host: a session of its own
fn nested(host: &Host) -> Outcome {
    let place = place(host, "nested");
    let ssh = ssh_from_within(host, &key_for(host, ONE, &place));
    let script = format!("{ssh} {TWO}@127.0.0.1 /bin/true nested; :");
    let outer = host.did(ONE, &script);
    let inner = host.session("/bin/true nested");
    assert_eq!(
        ran(&inner),
        [
            json!(["/bin/bash", "-c", "/bin/true nested"]),
            json!(["/bin/true", "nested"]),
        ]
    );
    assert!(inner.iter().all(|line| line["login"] == TWO));
    assert_eq!(ran(&outer).len(), 2);
    assert_eq!(connections(&outer), [json!(["ssh", 0, host.port])]);
    Ok(())
}

/// ControlMaster: what is asked for later is of the login that began the connection
fn multiplexed(host: &Host) -> Outcome {
    let socket = place(host, "multiplexed").join("socket");
    let socket = format!("ControlPath={}", socket.display());
    let target = format!("{ONE}@127.0.0.1");
    let mut master = Process::spawn(
        host.client("ssh")
            .args(["-M", "-o", &socket, &target, "/bin/true first; read line"])
            .stdin(Stdio::piped()),
    );
    patiently("the master to listen", || {
        let client = host
            .client("ssh")
            .args(["-O", "check", "-o", &socket, &target])
            .output();
        client.unwrap().status.success().then_some(())
    });
    for word in ["second", "third"] {
        let script = format!("/bin/true {word}; :");
        printed(host.client("ssh").args(["-o", &socket, &target, &script]));
    }
    drop(master.child.stdin.take());
    master.child.wait()?;
    let lines = host.session("/bin/true first; read line");
    let commands: Vec<_> = ran(&lines)
        .into_iter()
        .filter(|command| command[0] == "/bin/true")
        .collect();
    assert_eq!(
        commands,
        [
            json!(["/bin/true", "first"]),
            json!(["/bin/true", "second"]),
            json!(["/bin/true", "third"]),
        ]
    );
    Ok(())
}

/// Stays logged in with these options and an empty command, does `act`, and gives the session.
fn forwarding(host: &Host, options: &[&str], word: &str, act: impl FnOnce()) -> Vec<Value> {
    let script = format!("echo ready; read {word}");
    let mut client = Process::spawn(
        host.client("ssh")
            .args(options)
            .arg(format!("{ONE}@127.0.0.1"))
            .arg(&script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped()),
    );
    let mut answer = [0; 5];
    client
        .child
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut answer)
        .unwrap();
    act();
    drop(client.child.stdin.take());
    client.child.wait().unwrap();
    host.session(&script)
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// Sends a word from one end to the other.
fn carries(near: &mut TcpStream, far: &mut TcpStream) {
    near.write_all(b"word").unwrap();
    let mut word = [0; 4];
    far.read_exact(&mut word).unwrap();
    assert_eq!(&word, b"word");
}

/// sshd listens on the host for the client
fn remote_forward(host: &Host) -> Outcome {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let (here, there) = (listener.local_addr()?.port(), free_port());
    let forward = format!("127.0.0.1:{there}:127.0.0.1:{here}");
    let lines = forwarding(host, &["-R", &forward], "remote", || {
        let mut near = TcpStream::connect(("127.0.0.1", there)).unwrap();
        let (mut far, _) = listener.accept().unwrap();
        carries(&mut near, &mut far);
    });
    let connections = connections(&lines);
    assert_eq!(connections[0], json!(["sshd", 2, null]));
    assert_eq!(
        (&connections[1][0], &connections[1][1]),
        (&json!("sshd"), &json!(3))
    );
    assert_eq!(connections.len(), 2, "{connections:?}");
    Ok(())
}

/// sshd connects to what the client names only then
fn dynamic_forward(host: &Host) -> Outcome {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let (there, here) = (listener.local_addr()?.port(), free_port());
    let lines = forwarding(
        host,
        &["-D", &format!("127.0.0.1:{here}")],
        "dynamic",
        || {
            let mut near = TcpStream::connect(("127.0.0.1", here)).unwrap();
            // SOCKS 5 (RFC 1928): no authentication; connect to an IPv4 address.
            near.write_all(&[5, 1, 0]).unwrap();
            near.read_exact(&mut [0; 2]).unwrap();
            let [high, low] = there.to_be_bytes();
            near.write_all(&[5, 1, 0, 1, 127, 0, 0, 1, high, low])
                .unwrap();
            near.read_exact(&mut [0; 10]).unwrap();
            let (mut far, _) = listener.accept().unwrap();
            carries(&mut near, &mut far);
        },
    );
    assert_eq!(connections(&lines), [json!(["sshd", 0, there])]);
    Ok(())
}

/// From four clients at a time, as many as RECORDERD_LOGINS says; each session begins, runs its command, and ends
fn many(host: &Host) -> Outcome {
    let count = std::env::var("RECORDERD_LOGINS").map_or(200, |count| count.parse().unwrap());
    let mark = format!("one-of-{}-", host.port);
    std::thread::scope(|scope| {
        for client in 0..4 {
            let mark = &mark;
            scope.spawn(move || {
                for number in (client..count).step_by(4) {
                    host.ssh(ONE, &format!("exec /bin/true {mark}{number}"));
                }
            });
        }
    });
    let logged = |event: &str| -> Vec<Value> {
        let (event, text) = (format!(r#""event":"{event}""#), host.text());
        let lines = text.lines().filter(|line| line.contains(&event));
        lines
            .filter(|line| line.contains(&mark))
            .map(common::schema::check)
            .collect()
    };
    let ends = patiently("the last session to end", || {
        let ends = logged("session.end");
        (ends.len() == count).then_some(ends)
    });
    let commands = |lines: &[Value]| -> HashSet<String> {
        lines
            .iter()
            .map(|line| line["initial_command"].to_string())
            .collect()
    };
    assert_eq!(commands(&ends).len(), count);
    assert_eq!(commands(&logged("session.start")), commands(&ends));
    for end in ends {
        assert!(end["events"]["command"] == 2, "{end}");
        let lost = end["losses"].as_object().unwrap().values();
        assert_eq!(lost.filter_map(Value::as_u64).sum::<u64>(), 0, "{end}");
    }
    Ok(())
}
