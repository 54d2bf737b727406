//! A login over ssh is a session from its first event to its last, whatever kind of login it is.

mod common;

use std::process::ExitCode;

use common::{Host, ONE, Outcome, command, disk, expected, plain, plains};

fn main() -> ExitCode {
    common::main(&[("a remote command", remote_command)])
}

/// `ssh host command`
fn remote_command() -> Outcome {
    let host = Host::start();
    host.ssh(ONE, "cat /etc/hostname");
    let lines = host.sessions(1).remove(0);
    assert_eq!(
        plain(&lines[0]),
        expected(
            "session.start",
            "T2000I",
            ONE,
            r#""addr.local":"127.0.0.1:<port>","addr.remote":"127.0.0.1:<port>","initial_command":["cat /etc/hostname"],"session_recording":"node""#
        )
    );
    assert_eq!(
        plains(&lines, "session.command"),
        [
            command(ONE, "bash", "/bin/bash", &["-c", "cat /etc/hostname"]),
            command(ONE, "cat", "/usr/bin/cat", &["/etc/hostname"]),
        ]
    );
    let opened = plains(&lines, "session.disk");
    assert!(
        opened.contains(&disk(ONE, "cat", "/etc/hostname", 0, 0)),
        "{opened:#?}"
    );
    Ok(())
}
