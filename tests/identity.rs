//! `user` names who logged in, not only to which account, where sshd exposes it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::channel::Master;
use crate::common::terminal::Terminal;
use crate::common::ways::place;
use crate::common::{
    self, Door, Folder, Host, ONE, Openssh, Outcome, Process, Server, TWO, account, channel,
    command, end, known_as, patiently, plain, plains, printed, start, start_daemon,
};
use libtest_mimic::Trial;
use serde_json::Value;

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    common::tests_of_each(
        module_path!(),
        &[
            ("a key", key),
            ("a key of root", key_of_root),
            ("a login that runs nothing", no_program),
            ("a certificate", certificate),
            ("no word from sshd", unknown),
            ("a false word from the user", tampering),
            ("each of many logins", many),
            ("a server for each connection", each_at_port),
            (
                "a server for each connection to a local socket",
                each_at_socket,
            ),
            ("each way of logging in", ways),
            ("each way, by a server for each connection", ways_at_port),
            ("each way, at a local socket", ways_at_socket),
            ("each way, by a certificate", ways_by_certificate),
            ("each channel of a connection", channels),
            ("an account of a directory", directory),
            ("a uid with two names", namesake),
            ("a title that is cut", cut),
            ("a login that was there before the daemon", found),
        ],
    )
}

const EXPOSE: &str = "ExposeAuthInfo yes";

/// The fingerprint of a key, as OpenSSH gives it.
fn fingerprint(host: &Host, name: &str) -> String {
    let key = host.folder.path().join(name);
    let text = printed(Command::new("ssh-keygen").arg("-lf").arg(key));
    text.split(' ').nth(1).unwrap().to_owned()
}

/// Stays logged in until the session, the last of so many, is on record; gives its lines.
fn stays(host: &Host, mut client: Process, count: usize) -> Vec<Value> {
    patiently("the session to be on record", || {
        (host.all_sessions().len() == count).then_some(())
    });
    drop(client.child.stdin.take());
    client.child.wait().unwrap();
    host.sessions(count).pop().unwrap()
}

/// Logs in as a key or certificate, and holds the session against that.
fn logs_in_as(identity: &str, host: &Host, login: &str) {
    let lines = stays(host, host.login(login, "read"), 1);
    let asked = r#""initial_command":["read"],"#;
    let known = |line: String| known_as(identity, login, &line);
    assert_eq!(plain(&lines[0]), known(start(login, asked)));
    assert_eq!(
        plains(&lines, "session.command")[0],
        known(command(login, "bash", "/bin/bash", &["-c", "read"]))
    );
    let last = lines.last().unwrap();
    assert_eq!(plain(last), known(end(login, false, asked, &lines)));
    for line in &lines {
        assert_eq!(line["user"], identity, "{line}");
    }
}

/// The fingerprint of the key
fn key(openssh: Openssh) -> Outcome {
    let host = Host::shared_by(&Server::of(openssh), EXPOSE, "");
    logs_in_as(&fingerprint(&host, "key.pub"), &host, ONE);
    Ok(())
}

/// A login to root, which sshd serves in another way
fn key_of_root(openssh: Openssh) -> Outcome {
    let host = Host::shared_by(&Server::of(openssh), EXPOSE, "");
    logs_in_as(&fingerprint(&host, "key.pub"), &host, "root");
    Ok(())
}

/// `ssh -N`, where no program is told of the identity
fn no_program(openssh: Openssh) -> Outcome {
    let host = Host::shared_by(&Server::of(openssh), EXPOSE, "");
    let mut clients = [ONE, "root"].map(|login| {
        let mut ssh = host.client("ssh");
        Process::spawn(ssh.args(["-N", &format!("{login}@127.0.0.1")]))
    });
    patiently("the sessions to be on record", || {
        (host.all_sessions().len() == 2).then_some(())
    });
    for client in &mut clients {
        client.stop();
    }
    let identity = fingerprint(&host, "key.pub");
    let mut sessions = host.sessions(2);
    sessions.sort_by_key(|lines| lines[0]["login"].as_str() == Some("root"));
    for (login, lines) in [ONE, "root"].into_iter().zip(sessions) {
        let known = |line: String| known_as(&identity, login, &line);
        assert_eq!(plain(&lines[0]), known(start(login, "")));
        let last = lines.last().unwrap();
        assert_eq!(plain(last), known(end(login, false, "", &lines)));
    }
    Ok(())
}

/// Who signs the certificates that a server trusts.
struct Authority(Folder);

impl Authority {
    fn new() -> Self {
        let authority = Self(Folder::new());
        printed(
            Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(authority.key()),
        );
        authority
    }

    fn key(&self) -> PathBuf {
        self.0.path().join("authority")
    }

    /// A config that trusts it alone.
    fn trusted(&self) -> String {
        format!(
            "{EXPOSE}\nAuthorizedKeysFile none\nTrustedUserCAKeys {}.pub",
            self.key().display()
        )
    }

    /// Gives the key of a host's clients a certificate for all accounts.
    fn certify(&self, host: &Host, key_id: &str) {
        printed(
            Command::new("ssh-keygen")
                .args(["-q", "-I", key_id, "-n", &format!("{ONE},{TWO},root"), "-s"])
                .arg(self.key())
                .arg(host.folder.path().join("key.pub")),
        );
    }
}

/// The key id of the certificate
fn certificate(openssh: Openssh) -> Outcome {
    let authority = Authority::new();
    let host = Host::shared_by(&Server::of(openssh), &authority.trusted(), "");
    authority.certify(&host, "alice@example.com");
    logs_in_as("alice@example.com", &host, ONE);
    Ok(())
}

/// The account, where sshd says no more
fn unknown(openssh: Openssh) -> Outcome {
    let host = Host::shared_by(&Server::of(openssh), "", "");
    logs_in_as(ONE, &host, ONE);
    Ok(())
}

/// What the user's own programs write where sshd has written the identity: it is known before they run
fn tampering(openssh: Openssh) -> Outcome {
    let host = Host::shared_by(&Server::of(openssh), EXPOSE, "");
    let other = host.folder.path().join("host_key.pub");
    let tamper = format!(
        "read kind key rest < {}; echo publickey $kind $key > $SSH_USER_AUTH; cat $SSH_USER_AUTH",
        other.display()
    );
    // Once more in a file of the user's own.
    let again = tamper.replace("$SSH_USER_AUTH", "/tmp/sshauth.own");
    let again = again + "; rm /tmp/sshauth.own";
    for script in [&tamper, &again] {
        let before = host.all_sessions().len();
        let written = host.ssh(ONE, script);
        assert!(written.starts_with("publickey ssh-ed25519 "), "{written}");
        assert_known(&host, host.sessions(before + 1).remove(before), ONE);
    }
    // Where sshd says nothing, nobody else does.
    let silent = Host::shared_by(&Server::of(openssh), "", "");
    let own = silent.folder.path().join("host_key.pub");
    let script = again.replace(&other.display().to_string(), &own.display().to_string());
    let written = silent.ssh(ONE, &script);
    assert!(written.starts_with("publickey ssh-ed25519 "), "{written}");
    let lines = silent.sessions(1).remove(0);
    assert!(lines.iter().all(|line| line["user"] == ONE), "{lines:#?}");
    Ok(())
}

/// Each line of a session names who logged in by the test's key, and to which account.
fn assert_known(host: &Host, lines: Vec<Value>, login: &str) {
    let identity = fingerprint(host, "key.pub");
    assert!(lines.len() > 2, "{lines:#?}");
    for line in lines {
        assert_eq!(
            [&line["user"], &line["login"]],
            [identity.as_str(), login],
            "{line}"
        );
    }
}

/// Logs in so many times.
fn logs_in(host: &Host, login: &str, times: usize) {
    let before = host.all_sessions().len();
    for _ in 0..times {
        host.ssh(login, "true");
    }
    for lines in host.sessions(before + times).drain(before..) {
        assert_known(host, lines, login);
    }
}

/// Every one of them, however soon its first program comes
fn many(openssh: Openssh) -> Outcome {
    logs_in(&Host::shared_by(&Server::of(openssh), EXPOSE, ""), ONE, 12);
    Ok(())
}

/// Logs in so often to each account by a server that is started for each connection.
fn logs_in_by(openssh: Openssh, door: Door, count: usize) {
    let server = Server {
        door,
        ..Server::of(openssh)
    };
    let host = Host::shared_by(&server, EXPOSE, "");
    for login in [ONE, "root"] {
        logs_in(&host, login, count);
    }
}

/// `sshd -i`, as a socket unit starts it
fn each_at_port(openssh: Openssh) -> Outcome {
    logs_in_by(openssh, Door::EachAtPort, 3);
    Ok(())
}

/// At a local socket, where no address tells of the connection
fn each_at_socket(openssh: Openssh) -> Outcome {
    logs_in_by(openssh, Door::EachAtSocket, 4);
    Ok(())
}

/// A client's way of logging in on a terminal, and what is told of it.
struct Way {
    login: &'static str,
    words: &'static [&'static str],
    /// What session.start has beside the size.
    asked: &'static str,
    /// What session.channel has before the size and behind it.
    channel: [&'static str; 2],
}

/// A shell, a command, X11, ports to be forwarded; and a command that a `Match` block forces, in place of each.
const WAYS: [Way; 6] = [
    Way {
        login: ONE,
        words: &[],
        asked: "",
        channel: ["shell", ""],
    },
    Way {
        login: ONE,
        words: &["/bin/echo asked"],
        asked: r#""initial_command":["/bin/echo asked"],"#,
        channel: ["exec", r#","command":"/bin/echo asked""#],
    },
    Way {
        login: ONE,
        words: &["-Y", "/bin/echo asked"],
        asked: r#""initial_command":["/bin/echo asked"],"#,
        channel: ["exec", r#","command":"/bin/echo asked""#],
    },
    Way {
        login: ONE,
        words: &["-R", "0:127.0.0.1:9"],
        asked: "",
        channel: ["shell", ""],
    },
    Way {
        login: "root",
        words: &[],
        asked: r#""initial_command":["/bin/echo forced"],"#,
        channel: ["exec", r#","command":"/bin/echo forced""#],
    },
    Way {
        login: "root",
        words: &["-Y", "-R", "0:127.0.0.1:9", "/bin/echo asked"],
        asked: r#""initial_command":["/bin/echo forced"],"#,
        channel: [
            "exec",
            r#","command":"/bin/echo forced","requested_command":"/bin/echo asked""#,
        ],
    },
];

/// Logs in by each way, and by sftp of sshd's own in another root; holds the lines against what is true.
fn logs_in_by_each(server: &Server, config: &str, identity: impl FnOnce(&Host) -> String) {
    let jail = Folder::within(Path::new("/run"));
    // sshd writes there what it exposes, once this is its root.
    let folder = jail.path().join("tmp");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o1777)).unwrap();
    let config = format!(
        "{config}\nX11Forwarding yes\nXAuthLocation /bin/true\nSubsystem sftp internal-sftp\n\
         Match User {TWO}\nChrootDirectory {}\nForceCommand internal-sftp\n\
         Match User root\nForceCommand /bin/echo forced\n",
        jail.path().display()
    );
    let host = Host::shared_by(server, &config, "");
    let identity = identity(&host);
    // A local socket has no address.
    let at = |line: String| match server.door {
        Door::EachAtSocket => line.replace(ADDRESSES, ""),
        _ => line,
    };
    let mut count = 0;
    let mut holds = |login: &str, told: &str, interactive, asked: &str, channel: String| {
        count += 1;
        let lines = host.sessions(count).pop().unwrap();
        let known = |line: String| at(known_as(&identity, login, &line));
        assert_eq!(plain(&lines[0]), known(start(login, told)));
        assert_eq!(plains(&lines, "session.channel"), [known(channel)]);
        let last = lines.last().unwrap();
        let ends = end(login, interactive, asked, &lines);
        assert_eq!(plain(last), known(ends));
        for line in &lines {
            let names = [
                line["user"].as_str().unwrap(),
                line["login"].as_str().unwrap(),
            ];
            assert_eq!(names, [identity.as_str(), login], "{line}");
        }
    };
    for (columns, way) in (90..).zip(WAYS) {
        let mut client = host.client("ssh");
        client.env("DISPLAY", "127.0.0.1:9");
        client.args(["-tt", &format!("{}@127.0.0.1", way.login)]);
        let (mut terminal, mut client) = Terminal::of(client.args(way.words), columns, 30);
        let [kind, rest] = way.channel;
        if kind == "shell" {
            terminal.types("exit", "logout");
        }
        client.child.wait().unwrap();
        let size = format!(r#""size":"{columns}:30""#);
        let told = format!(r#""type":"{kind}","tty":"<tty>",{size}{rest}"#);
        let start = format!("{size},{}", way.asked);
        let channel = channel(way.login, "bash", 0, &told);
        holds(way.login, &start, true, way.asked, channel);
    }
    printed(host.client("sftp").arg(format!("{TWO}@127.0.0.1")));
    let told = r#""type":"subsystem","command":"internal-sftp""#;
    let channel = channel(TWO, server.openssh.process(), 0, told);
    holds(TWO, "", false, "", channel);
}

/// What stands in session.start of a connection by TCP.
const ADDRESSES: &str = r#""addr.local":"127.0.0.1:<port>","addr.remote":"127.0.0.1:<port>","#;

fn by_key(openssh: Openssh, door: Door) {
    let server = Server {
        door,
        ..Server::of(openssh)
    };
    logs_in_by_each(&server, EXPOSE, |host| fingerprint(host, "key.pub"));
}

/// The whole of what is told of each: who, to which account, what for, on which terminal
fn ways(openssh: Openssh) -> Outcome {
    by_key(openssh, Door::Port);
    Ok(())
}

/// sshd as a socket unit starts it
fn ways_at_port(openssh: Openssh) -> Outcome {
    by_key(openssh, Door::EachAtPort);
    Ok(())
}

/// sshd where no address tells of the connection
fn ways_at_socket(openssh: Openssh) -> Outcome {
    by_key(openssh, Door::EachAtSocket);
    Ok(())
}

/// sshd with logins by the key id of a certificate
fn ways_by_certificate(openssh: Openssh) -> Outcome {
    let authority = Authority::new();
    logs_in_by_each(&Server::of(openssh), &authority.trusted(), |host| {
        authority.certify(host, "alice@example.com");
        "alice@example.com".into()
    });
    Ok(())
}

/// One connection carries several
fn channels(openssh: Openssh) -> Outcome {
    let host = Host::shared_by(&Server::of(openssh), EXPOSE, "");
    let folder = place(&host, "channels");
    for (index, login) in [ONE, "root"].into_iter().enumerate() {
        let first = format!("/bin/true {login}-first; read line");
        let master = Master::new(&host, login, &folder, &[&first]);
        // Until then, it may not be the first.
        patiently("the first channel", || {
            host.text().contains(&first).then_some(())
        });
        let mut second = master.client(&host, login);
        let (_terminal, mut client) = Terminal::of(second.args(["-tt", "/bin/true"]), 62, 18);
        client.child.wait()?;
        printed(master.client(&host, login).arg("/bin/false || true"));
        master.end();
        let lines = host.sessions(index + 1).remove(index);
        let known = |line: String| known_as(&fingerprint(&host, "key.pub"), login, &line);
        let told = [
            format!(r#""type":"exec","command":"{first}""#),
            r#""type":"exec","tty":"<tty>","size":"62:18","command":"/bin/true""#.into(),
            r#""type":"exec","command":"/bin/false || true""#.into(),
        ];
        let told = (0..).zip(told);
        let told: Vec<_> = told
            .map(|(number, told)| known(channel(login, "bash", number, &told)))
            .collect();
        assert_eq!(plains(&lines, "session.channel"), told);
        assert_known(&host, lines, login);
    }
    Ok(())
}

/// An account that no file of this host has.
const DIRECTORY: &str = "directory-one";

/// Runs a program, and has sshd itself carry files, where no program's environment tells the name.
fn named(openssh: Openssh, name: &str, uid: u32) {
    let account = format!("{name}:x:{uid}:{uid}::/:/bin/bash\n");
    let server = Server {
        accounts: &account,
        ..Server::of(openssh)
    };
    let config = format!("{EXPOSE}\nSubsystem sftp internal-sftp\nSetEnv LOGNAME={TWO}");
    let host = Host::shared_by(&server, &config, "");
    logs_in(&host, name, 1);
    let mut sftp = host.client("sftp");
    printed(sftp.arg(format!("{name}@127.0.0.1")));
    let lines = host.sessions(2).remove(1);
    assert_eq!(plains(&lines, "session.command"), [""; 0]);
    assert_known(&host, lines, name);
}

/// The name that sshd has, and no number
fn directory(openssh: Openssh) -> Outcome {
    named(openssh, DIRECTORY, 20_001);
    Ok(())
}

/// The name that was logged in by, whichever the file has first
fn namesake(openssh: Openssh) -> Outcome {
    named(openssh, "namesake", account(ONE).0);
    named(openssh, "toor", 0);
    Ok(())
}

/// Where sshd has no room for the name, the environment tells it, unless that is another's
fn cut(openssh: Openssh) -> Outcome {
    let name = "directory-".repeat(12);
    let account = format!("{name}:x:20001:20001::/:/bin/bash\n");
    let server = Server {
        door: Door::EachAtPort,
        accounts: &account,
        ..Server::of(openssh)
    };
    logs_in(&Host::shared_by(&server, EXPOSE, ""), &name, 1);
    let host = Host::shared_by(&server, &format!("{EXPOSE}\nSetEnv LOGNAME={TWO}"), "");
    host.ssh(&name, "true");
    assert_known(&host, host.sessions(1).remove(0), "20001");
    Ok(())
}

/// Its title is still to be seen
fn found(openssh: Openssh) -> Outcome {
    let accounts = format!("{DIRECTORY}:x:20001:20001::/:/bin/bash\ntoor:x:0:0::/:/bin/bash\n");
    let server = Server {
        accounts: &accounts,
        ..Server::of(openssh)
    };
    for login in [DIRECTORY, "toor"] {
        let host = Host::shared_by(&server, "", "");
        let client = host.login(login, "read; true");
        patiently("the first daemon to know the session", || {
            (host.all_sessions().len() == 1).then_some(())
        });
        let folder = Folder::new();
        let daemon = start_daemon(folder.path(), "");
        let late = host.recorded_by(folder, daemon);
        let lines = stays(&late, client, 1);
        assert!(lines[0]["recorded_since"].is_string(), "{}", lines[0]);
        for line in &lines {
            assert_eq!([&line["user"], &line["login"]], [login; 2], "{line}");
        }
    }
    Ok(())
}
