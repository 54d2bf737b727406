//! `user` names who logged in, not only to which account, where sshd exposes it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::common::{
    self, Door, Folder, Host, ONE, Openssh, Outcome, Process, Server, TWO, account, command, end,
    known_as, patiently, plain, plains, printed, start, start_daemon,
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
            ("whatever is asked for", everything),
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
    match client.child.stdin.take() {
        Some(stdin) => {
            drop(stdin);
            client.child.wait().unwrap();
        }
        None => drop(client.stop()),
    }
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
    let host = Host::of(&Server::of(openssh), EXPOSE, "");
    logs_in_as(&fingerprint(&host, "key.pub"), &host, ONE);
    Ok(())
}

/// The same of a login to root, which sshd serves in another way
fn key_of_root(openssh: Openssh) -> Outcome {
    let host = Host::of(&Server::of(openssh), EXPOSE, "");
    logs_in_as(&fingerprint(&host, "key.pub"), &host, "root");
    Ok(())
}

/// `ssh -N`, where no program is told of the identity
fn no_program(openssh: Openssh) -> Outcome {
    for login in [ONE, "root"] {
        let host = Host::of(&Server::of(openssh), EXPOSE, "");
        let mut ssh = host.client("ssh");
        let client = Process::spawn(ssh.args(["-N", &format!("{login}@127.0.0.1")]));
        let lines = stays(&host, client, 1);
        let identity = fingerprint(&host, "key.pub");
        let known = |line: String| known_as(&identity, login, &line);
        assert_eq!(plain(&lines[0]), known(start(login, "")));
        let last = lines.last().unwrap();
        assert_eq!(plain(last), known(end(login, false, "", &lines)));
    }
    Ok(())
}

/// The key id of the certificate
fn certificate(openssh: Openssh) -> Outcome {
    let folder = Folder::new();
    let authority = folder.path().join("authority");
    printed(
        Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(&authority),
    );
    let trust = format!(
        "{EXPOSE}\nAuthorizedKeysFile none\nTrustedUserCAKeys {}.pub",
        authority.display()
    );
    let host = Host::of(&Server::of(openssh), &trust, "");
    printed(
        Command::new("ssh-keygen")
            .args(["-q", "-I", "alice@example.com", "-n", ONE, "-s"])
            .arg(&authority)
            .arg(host.folder.path().join("key.pub")),
    );
    logs_in_as("alice@example.com", &host, ONE);
    Ok(())
}

/// The account, where sshd says no more
fn unknown(openssh: Openssh) -> Outcome {
    let host = Host::of(&Server::of(openssh), "", "");
    logs_in_as(ONE, &host, ONE);
    Ok(())
}

/// What the user's own programs write where sshd has written the identity: it is known before they run
fn tampering(openssh: Openssh) -> Outcome {
    let host = Host::of(&Server::of(openssh), EXPOSE, "");
    let other = host.folder.path().join("host_key.pub");
    let tamper = format!(
        "read kind key rest < {}; echo publickey $kind $key > $SSH_USER_AUTH; cat $SSH_USER_AUTH",
        other.display()
    );
    // The same again in a file of the user's own.
    let again = tamper.replace("$SSH_USER_AUTH", "/tmp/sshauth.own");
    for script in [tamper, again + "; rm /tmp/sshauth.own"] {
        let before = host.all_sessions().len();
        let written = host.ssh(ONE, &script);
        assert!(written.starts_with("publickey ssh-ed25519 "), "{written}");
        assert_known(&host, host.sessions(before + 1).remove(before), ONE);
    }
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
    logs_in(&Host::of(&Server::of(openssh), EXPOSE, ""), ONE, 12);
    Ok(())
}

/// Logs in so often to each account by a server that is started for each connection.
fn logs_in_by(openssh: Openssh, door: Door, count: usize) {
    let server = Server {
        door,
        ..Server::of(openssh)
    };
    let host = Host::of(&server, EXPOSE, "");
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

/// A forced command, X11, ports to be forwarded, a terminal, sftp by sshd itself in another root
fn everything(openssh: Openssh) -> Outcome {
    let jail = Folder::within(Path::new("/run"));
    // sshd writes there what it exposes, once this is its root.
    let folder = jail.path().join("tmp");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o1777)).unwrap();
    let config = format!(
        "{EXPOSE}\nX11Forwarding yes\nXAuthLocation /bin/true\nSubsystem sftp internal-sftp\n\
         Match User {TWO}\nChrootDirectory {}\nForceCommand internal-sftp\n\
         Match User root\nForceCommand /bin/echo forced\n",
        jail.path().display()
    );
    let host = Host::of(&Server::of(openssh), &config, "");
    let ways: [(&str, &str, &[&str]); 5] = [
        ("root", "ssh", &["true"]),
        (ONE, "ssh", &["-Y", "true"]),
        (ONE, "ssh", &["-R", "0:127.0.0.1:9", "true"]),
        (ONE, "ssh", &["-tt", "true"]),
        (TWO, "sftp", &[]),
    ];
    for (index, (login, program, words)) in ways.into_iter().enumerate() {
        let mut client = host.client(program);
        client.env("DISPLAY", "127.0.0.1:9").stdin(Stdio::null());
        printed(client.arg(format!("{login}@127.0.0.1")).args(words));
        assert_known(&host, host.sessions(index + 1).pop().unwrap(), login);
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
    let host = Host::of(&server, &config, "");
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
    logs_in(&Host::of(&server, EXPOSE, ""), &name, 1);
    let host = Host::of(&server, &format!("{EXPOSE}\nSetEnv LOGNAME={TWO}"), "");
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
        let host = Host::of(&server, "", "");
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
