//! Ways through sshd: each login is a session, and what sshd carries for it is in it.
//!
//! `ssh -L` is in tests/network.rs, sftp and scp in tests/transfer.rs, what outlives the connection in
//! tests/session.rs.

use std::collections::HashSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::common::ways::{KERNEL, connections, pipe, place, ran, tell};
use crate::common::{
    self, Folder, Host, ONE, Outcome, PYTHON, Process, TWO, free_port, of_kind, patiently, printed,
};
use libtest_mimic::Trial;
use serde_json::{Value, json};

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    common::tests_on(
        module_path!(),
        // Without a home, so that no startup file adds to what is run.
        || Host::with("SetEnv HOME=/nonexistent", ""),
        &[
            ("a login from a session", nested),
            (
                "a login to a server that a session has started",
                server_of_a_session,
            ),
            (
                "three logins by one process of a login server",
                three_by_one,
            ),
            ("a login without PAM", without_pam),
            ("a login of root without PAM", root_without_pam),
            ("a login by dropbear", dropbear),
            ("a login that was there before the daemon", found),
            (
                "a login of root that was there before the daemon",
                root_found,
            ),
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
    assert_eq!(inner[0]["parent_sid"], outer[0]["sid"]);
    assert!(outer[0].get("parent_sid").is_none());
    Ok(())
}

/// A second sshd of this config, on a port of its own, which `start` is told.
fn second_sshd(host: &Host, name: &str, config: &str) -> (String, u16) {
    let port = free_port();
    let folder = host.folder.path();
    let own = fs::read_to_string(folder.join("sshd_config")).unwrap();
    let config = own
        .replace(&format!("Port {}", host.port), &format!("Port {port}"))
        .replace("UsePAM yes", config);
    let path = folder.join(name);
    fs::write(&path, config).unwrap();
    (path.display().to_string(), port)
}

/// Logs in at another port of the host.
fn ssh_at(host: &Host, port: u16, login: &str, command: &str) -> String {
    let mut ssh = host.client("ssh");
    // What comes first counts, so that the port has to come before the host's own.
    let arguments: Vec<_> = ssh.get_args().map(|word| word.to_owned()).collect();
    ssh = Command::new("ssh");
    ssh.args(["-p", &port.to_string()])
        .args(arguments)
        .stdin(Stdio::null());
    printed(ssh.arg(format!("{login}@127.0.0.1")).arg(command))
}

/// The session at another port in which a command was asked for.
fn session_at(host: &Host, port: u16, command: &str) -> Vec<Value> {
    let lines = host.session_at(port, command);
    assert_eq!(lines[0]["initial_command"], json!([command]));
    lines
}

/// It is a session of its own, and tells whose doing the server is
fn server_of_a_session(host: &Host) -> Outcome {
    let (config, port) = second_sshd(host, "inner_config", "UsePAM yes");
    let script = format!("/usr/sbin/sshd -D -e -f {config} 2>&1 & echo ready; read line; kill %1");
    let mut login = host.login("root", &script);
    patiently("the second sshd", || {
        TcpStream::connect(("127.0.0.1", port)).ok()
    });
    ssh_at(host, port, ONE, "/bin/true inner");
    drop(login.child.stdin.take());
    login.child.wait()?;
    let outer = host.session(&script);
    let inner = session_at(host, port, "/bin/true inner");
    assert_eq!(inner[0]["parent_sid"], outer[0]["sid"]);
    assert_eq!(ran(&inner)[1..], [json!(["/bin/true", "inner"])]);
    assert!(!ran(&outer).contains(&json!(["/bin/true", "inner"])));
    Ok(())
}

/// A process of a login server that has one audit id after the other: each of its sessions ends
fn three_by_one(host: &Host) -> Outcome {
    let script = format!(
        "{KERNEL}
libc.prctl(15, b\"sshd\")
if os.fork() == 0:
    for word in [\"first\", \"second\", \"third\"]:
        open(\"/proc/self/loginuid\", \"w\").write(\"0\")
        if os.fork() == 0:
            os.setsid()
            os.execv(\"/bin/true\", [\"true\", word + \"-of-one\"])
        os.wait()
    os._exit(0)
os.wait()"
    );
    printed(Command::new(PYTHON).args(["-Ic", &script]));
    for word in ["first", "second", "third"] {
        let lines = host.session_with("", &format!(r#""argv":["{word}-of-one"]"#));
        assert_eq!(of_kind(&lines, "session.command").len(), 1);
    }
    assert!(!host.text().contains(r#""reason":"tampered""#));
    Ok(())
}

/// Logs in to a server that sets no audit session id, three times at once, and holds each session
/// against what it did.
fn logs_in_without_audit_id(host: &Host, port: u16, login: &str, server: &str) {
    let words = ["first", "second", "third"];
    let script = |word: &str| format!("cat /etc/hostname; /bin/true {login}-{server}-{word}");
    std::thread::scope(|scope| {
        for word in words {
            scope.spawn(move || ssh_at(host, port, login, &script(word)));
        }
    });
    for word in words {
        let lines = session_at(host, port, &script(word));
        let commands = ran(&lines);
        assert!(
            commands.contains(&json!(["/usr/bin/cat", "/etc/hostname"])),
            "{commands:?}"
        );
        let last = json!(["/bin/true", format!("{login}-{server}-{word}")]);
        assert_eq!(commands.last(), Some(&last));
        assert!(lines.iter().all(|line| line["login"] == login));
        assert!(
            lines
                .iter()
                .all(|line| line.get("audit_session_id").is_none())
        );
        let accepted = lines[0]["addr.local"] == format!("127.0.0.1:{port}");
        assert!(accepted, "{}", lines[0]);
    }
    let sessions = host
        .text()
        .lines()
        .filter(|line| {
            line.contains("\"session.start\"")
                && line.contains(&format!(":{port}\",\"addr.remote\""))
        })
        .count();
    assert_eq!(sessions, words.len(), "sessions that nobody has begun");
}

fn without_pam_as(host: &Host, login: &str) {
    let (config, port) = second_sshd(host, &format!("{login}_config"), "UsePAM no");
    let mut sshd = Process::spawn(
        Command::new("/usr/sbin/sshd")
            .args(["-D", "-e", "-f", &config])
            .stdin(Stdio::null()),
    );
    sshd.wait_for("Server listening");
    logs_in_without_audit_id(host, port, login, "sshd");
}

/// `UsePAM no`: the process tree tells the session
fn without_pam(host: &Host) -> Outcome {
    without_pam_as(host, ONE);
    Ok(())
}

/// A login of root, where no process of its own is for the user's side
fn root_without_pam(host: &Host) -> Outcome {
    without_pam_as(host, "root");
    Ok(())
}

/// Another server, which knows nothing of audit session ids
fn dropbear(host: &Host) -> Outcome {
    let key = host
        .folder
        .path()
        .join("dropbear_key")
        .display()
        .to_string();
    printed(Command::new("dropbearkey").args(["-t", "ed25519", "-f", &key]));
    for login in [ONE, "root"] {
        let folder = match login {
            "root" => "/root/.ssh".into(),
            _ => format!("/home/{login}/.ssh"),
        };
        let _keys = Keys::allow(host, login, folder.into());
        let port = free_port();
        let _server = Process::spawn(
            Command::new("dropbear")
                .args([
                    "-F",
                    "-E",
                    "-r",
                    &key,
                    "-P",
                    "",
                    "-p",
                    &format!("127.0.0.1:{port}"),
                ])
                .stdin(Stdio::null()),
        );
        patiently("dropbear", || TcpStream::connect(("127.0.0.1", port)).ok());
        logs_in_without_audit_id(host, port, login, "dropbear");
    }
    Ok(())
}

/// dropbear looks for keys in one place only: a line there, which goes with the test.
struct Keys {
    file: std::path::PathBuf,
    before: Option<Vec<u8>>,
}

impl Keys {
    fn allow(host: &Host, login: &str, folder: std::path::PathBuf) -> Self {
        let file = folder.join("authorized_keys");
        let before = fs::read(&file).ok();
        let own = fs::read(host.folder.path().join("key.pub")).unwrap();
        printed(
            Command::new("install")
                .args(["-d", "-m", "700", "-o", login])
                .arg(&folder),
        );
        let lines = [before.as_deref().unwrap_or_default(), b"\n", &own].concat();
        fs::write(&file, lines).unwrap();
        printed(Command::new("chown").arg(login).arg(&file));
        printed(Command::new("chmod").arg("600").arg(&file));
        Self { file, before }
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        let _ = match &self.before {
            Some(before) => fs::write(&self.file, before),
            None => fs::remove_file(&self.file),
        };
    }
}

/// Stays logged in while a second daemon is started, which records what is done from then on.
fn found_by_second(host: &Host, login: &str) {
    let place = place(host, &format!("found-{login}"));
    pipe(&place.join("outer"));
    let job = format!(
        "read word < {}/outer; /bin/true {login}-orphan $word; :",
        place.display()
    );
    let script = format!(
        "(setsid /bin/sh -c '{job}' </dev/null >/dev/null 2>&1 &); /bin/true {login}-before; \
         echo ready; read line; /bin/true {login}-after; /bin/true {login}-last"
    );
    let mut client = host.login(login, &script);
    let mut answer = [0; 5];
    client
        .child
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut answer)
        .unwrap();
    let folder = Folder::new();
    let second = common::start_daemon(folder.path(), "");
    let second = host.recorded_by(folder, second);
    client
        .child
        .stdin
        .as_mut()
        .unwrap()
        .write_all(b"go\n")
        .unwrap();
    client.child.wait().unwrap();
    tell(&place.join("outer"), "late");
    let last = format!("{login}-last");
    let lines = patiently("the session that was found", || {
        let sessions = second.all_sessions();
        let lines = sessions
            .into_iter()
            .find(|lines| ran(lines).contains(&json!(["/bin/true", last])))?;
        (lines.last()?["event"] == "session.end").then_some(lines)
    });
    let mut commands = ran(&lines);
    commands.sort_by_key(|command| command.to_string());
    assert_eq!(
        commands,
        [
            json!(["/bin/true", format!("{login}-after")]),
            json!(["/bin/true", last]),
            json!(["/bin/true", format!("{login}-orphan"), "late"]),
        ]
    );
    assert_eq!(lines[0]["login"], login);
    let since = lines[0]["recorded_since"].as_str().unwrap();
    let time = |line: &Value| line["time"].as_str().unwrap().to_owned();
    assert!(
        time(&lines[0]).as_str() < since && since < time(&lines[1]).as_str(),
        "{lines:#?}"
    );
    // The first daemon has all of it.
    let whole = host.session(&script);
    assert!(whole[0].get("recorded_since").is_none());
    assert!(ran(&whole).contains(&json!(["/bin/true", format!("{login}-before")])));
}

fn found(host: &Host) -> Outcome {
    found_by_second(host, ONE);
    Ok(())
}

fn root_found(host: &Host) -> Outcome {
    found_by_second(host, "root");
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
    let mut commands: Vec<_> = ran(&lines)
        .into_iter()
        .filter(|command| command[0] == "/bin/true")
        .collect();
    // The first may still be at its beginning when the others come.
    commands.sort_by_key(ToString::to_string);
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
