//! `user` names who logged in, not only to which account, where sshd exposes it.

mod common;

use std::process::{Command, ExitCode};

use common::{
    Folder, Host, ONE, Outcome, Process, command, end, known_as, patiently, plain, plains, printed,
    start,
};
use serde_json::Value;

fn main() -> ExitCode {
    common::main(&[
        ("a key", key),
        ("a key of root", key_of_root),
        ("a login that runs nothing", no_program),
        ("a certificate", certificate),
        ("no word from sshd", unknown),
        ("a false word from the user", tampering),
    ])
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
fn key() -> Outcome {
    let host = Host::with(EXPOSE, "");
    logs_in_as(&fingerprint(&host, "key.pub"), &host, ONE);
    Ok(())
}

/// The same of a login to root, which sshd serves in another way
fn key_of_root() -> Outcome {
    let host = Host::with(EXPOSE, "");
    logs_in_as(&fingerprint(&host, "key.pub"), &host, "root");
    Ok(())
}

/// `ssh -N`, where no program is told of the identity
fn no_program() -> Outcome {
    for login in [ONE, "root"] {
        let host = Host::with(EXPOSE, "");
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
fn certificate() -> Outcome {
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
    let host = Host::with(&trust, "");
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
fn unknown() -> Outcome {
    let host = Host::start();
    logs_in_as(ONE, &host, ONE);
    Ok(())
}

/// What the user's own programs write where sshd has written the identity
fn tampering() -> Outcome {
    let host = Host::with(EXPOSE, "");
    let other = host.folder.path().join("host_key.pub");
    let tamper = format!(
        "read kind key rest < {}; echo publickey $kind $key > $SSH_USER_AUTH; cat $SSH_USER_AUTH",
        other.display()
    );
    let [own, false_one] = ["key.pub", "host_key.pub"].map(|key| fingerprint(&host, key));
    // At once: at worst, the identity is gone before it is read.
    let written = host.ssh(ONE, &tamper);
    assert!(written.starts_with("publickey ssh-ed25519 "), "{written}");
    for line in host.sessions(1).remove(0) {
        assert!(line["user"] == *own || line["user"] == ONE, "{line}");
        assert_ne!(line["user"], *false_one);
    }
    // Later: it is known by then.
    let later = host.login(ONE, &format!("read; {tamper}; :"));
    for line in stays(&host, later, 2) {
        assert_eq!(line["user"], *own, "{line}");
    }
    Ok(())
}
