//! What ships events on, with the configurations in contrib: the real rsyslog, the real PostgreSQL.

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use common::{Folder, Host, ONE, Outcome, Process, binary, patiently};

const RSYSLOGD: &str = "/usr/sbin/rsyslogd";

fn main() -> ExitCode {
    common::main_with(
        &[("files", files), ("socket", socket), ("fleet", fleet)],
        |_| (!Path::new(RSYSLOGD).exists()).then_some("rsyslog"),
    )
}

/// Starts rsyslog with a configuration of contrib, changed where the test has other paths.
fn rsyslog(folder: &Path, name: &str, changes: &[(&str, &str)]) -> Process {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("contrib/rsyslog")
        .join(name);
    let mut config = fs::read_to_string(path).unwrap();
    for (from, to) in changes {
        assert!(config.contains(from), "{name}: {from}");
        config = config.replace(from, to);
    }
    let path = folder.join(name);
    fs::write(&path, config).unwrap();
    let mut command = Command::new(RSYSLOGD);
    command.arg("-n").arg("-f").arg(&path);
    command.arg("-i").arg(path.with_extension("pid"));
    Process::spawn(command.stdin(Stdio::null()))
}

/// Waits until a file has every line of the log, with arguments of a hundred kilobytes.
fn has_all(host: &Host, path: &Path) {
    let command = "/bin/true $(printf %0100000d 0); exit";
    host.ssh(ONE, command);
    host.session(command);
    patiently("every line", || {
        (fs::read_to_string(path).unwrap_or_default() == host.text()).then_some(())
    });
}

/// rsyslog follows the log, and sends it on; here to a file instead of another rsyslog.
fn files() -> Outcome {
    let host = Host::start();
    let folder = host.folder.path();
    let [data, out] = [folder, &folder.join("shipped")].map(|path| path.display().to_string());
    let action = format!(
        r#"template(name="event" type="string" string="%msg%\n")
           ruleset(name="recorderd") {{ action(type="omfile" file="{out}" template="event""#
    );
    let _rsyslog = rsyslog(
        folder,
        "recorderd.conf",
        &[
            ("/var/lib/recorderd", &data),
            ("/var/spool/rsyslog", &data),
            ("ruleset(name=\"recorderd\") {\n", ""),
            (
                r#"  action(type="omrelp" target="log.example.com" port="2514" template="RSYSLOG_SyslogProtocol23Format""#,
                &action,
            ),
        ],
    );
    has_all(&host, Path::new(&out));
    Ok(())
}

/// recorderd sends its events to rsyslog.
fn socket() -> Outcome {
    let folder = Folder::new();
    let [socket, out] =
        ["socket", "shipped"].map(|name| folder.path().join(name).display().to_string());
    let _rsyslog = rsyslog(
        folder.path(),
        "socket.conf",
        &[
            ("/run/recorderd-syslog", &socket),
            ("/var/log/recorderd.json", &out),
        ],
    );
    let config = format!("output: [file, syslog]\nsyslog_socket: {socket}");
    let host = Host::with("", &config);
    has_all(&host, Path::new(&out));
    Ok(())
}

/// Three hosts, and a central server that is stopped and started again.
fn fleet() -> Outcome {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/fleet/run");
    let output = Command::new(script)
        .env("RECORDERD", binary())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert_eq!(
        text.matches("the same in the database").count(),
        3,
        "{text}"
    );
    for note in ["before", "meanwhile", "after"] {
        assert!(
            text.contains(&format!("{note}: 50 commands of 50")),
            "{text}"
        );
    }
    Ok(())
}
