//! Ways to have somebody else do it: what a daemon does on request is outside of the session, the
//! request is in it.

mod common;

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, ExitCode};

use common::ways::{PYTHON_ALONE, place, ran, wait_for};
use common::{Host, ONE, Outcome, Process, of_kind};
use libc::{O_CREAT, O_WRONLY};
use serde_json::{Value, json};

fn main() -> ExitCode {
    common::main_on(
        // Without a home, so that no startup file adds to what is run.
        || Host::with("SetEnv HOME=/nonexistent", ""),
        &[
            ("at", at),
            ("crontab", crontab),
            ("a service manager, a container engine and D-Bus", sockets),
        ],
    )
}

/// The files below a folder that are opened to be written, by name and program.
fn written(lines: &[Value], folder: &str) -> Vec<Value> {
    of_kind(lines, "session.disk")
        .into_iter()
        .filter(|line| line["path"].as_str().unwrap().starts_with(folder))
        .filter(|line| line["return_code"] == 0)
        .filter(|line| line["flags"].as_i64().unwrap() & i64::from(O_WRONLY | O_CREAT) != 0)
        .map(|line| json!([line["program"], line["path"]]))
        .collect()
}

/// Who was asked, and by the event of which path.
fn delegated(lines: &[Value]) -> Vec<Value> {
    of_kind(lines, "session.delegated")
        .into_iter()
        .map(|line| {
            let request = lines
                .iter()
                .find(|event| event["uid"] == line["request_uid"]);
            json!([line["delegate"], request.unwrap()["path"]])
        })
        .collect()
}

/// The job does not run in the session, that it was written does
fn at(host: &Host) -> Outcome {
    let place = place(host, "at");
    let done = place.join("done");
    let job = format!("/bin/echo from-at > {}", done.display());
    let _daemon = Process::spawn(Command::new("atd").arg("-f"));
    let script = format!("echo '{job}' | at now 2>/dev/null; :");
    let lines = host.did(ONE, &script);
    wait_for(&done, "from-at");
    assert!(ran(&lines).contains(&json!(["/usr/bin/at", "now"])));
    let spool = written(&lines, "/var/spool/cron/atjobs/a");
    assert_eq!(spool.len(), 1, "{lines:#?}");
    assert!(delegated(&lines).contains(&json!(["at", spool[0][1]])));
    assert!(!host.text().contains(r#"["from-at"]"#));
    Ok(())
}

/// A table of jobs is put where cron looks for it
fn crontab(host: &Host) -> Outcome {
    let script = "echo '0 0 31 2 * /bin/true never' | crontab -; crontab -r; :";
    let lines = host.did(ONE, script);
    assert_eq!(
        ran(&lines)[1..],
        [
            json!(["/usr/bin/crontab", "-"]),
            json!(["/usr/bin/crontab", "-r"])
        ]
    );
    let spool = written(&lines, "/var/spool/cron/crontabs/tmp.");
    assert_eq!(spool.len(), 1, "{lines:#?}");
    assert_eq!(delegated(&lines), [json!(["cron", spool[0][1]])]);
    Ok(())
}

/// Of each only the socket is here: that it is talked to is to be seen, not what is said
fn sockets(host: &Host) -> Outcome {
    let place = place(host, "sockets");
    let names = ["private", "docker.sock", "system_bus_socket"];
    let listeners = names.map(|name| UnixListener::bind(place.join(name)).unwrap());
    for name in names {
        let socket = place.join(name);
        fs::set_permissions(&socket, std::os::unix::fs::PermissionsExt::from_mode(0o666))?;
        let script = format!(
            "{PYTHON_ALONE} 'import socket; socket.socket(socket.AF_UNIX).connect(\"{}\")'; :",
            socket.display()
        );
        let lines = host.did(ONE, &script);
        let talked: Vec<&str> = of_kind(&lines, "session.local_connect")
            .into_iter()
            .filter(|line| line["program"] == "python3")
            .map(|line| line["path"].as_str().unwrap())
            .collect();
        assert_eq!(talked.iter().map(Path::new).collect::<Vec<_>>(), [&socket]);
    }
    drop(listeners);
    Ok(())
}
