//! What is done through io_uring gives the events of the system calls that do the same.

mod acts;

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::{self, Host, ONE, Outcome, of_kind, plain, printed};
use acts::{TOLD, UNTOLD, WAYS};
use libtest_mimic::Trial;
use serde_json::{Value, json};

/// Does what this program's own arguments ask for, if they are of this file.
pub fn act(words: &[String]) -> bool {
    acts::run(words)
}

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    common::tests(
        module_path!(),
        &[
            ("each act by each way", ways),
            ("ends that are not told", untold),
            ("a request that accepts again and again", multishot),
            ("sockets for frames", frames),
            ("outside of sessions", outside),
        ],
    )
}

/// The program that acts, where every account can run it.
fn program(host: &Host) -> PathBuf {
    let program = host.folder.path().join("acts");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    program
}

/// A folder for the program to act in.
fn folder(host: &Host) -> PathBuf {
    let folder = host.folder.shared();
    fs::write(folder.join("file"), "").unwrap();
    fs::create_dir(folder.join("below")).unwrap();
    symlink("file", folder.join("link")).unwrap();
    for name in ["file", "below"] {
        fs::set_permissions(folder.join(name), Permissions::from_mode(0o777)).unwrap();
    }
    folder
}

/// What the program did, from the name of the program on: in the folder, and with sockets but for
/// ports and listening; with the mark of io_uring taken out, and whether it was there.
fn done(lines: &[Value], folder: &Path) -> Vec<(bool, String)> {
    let folder = format!("{}/", folder.display());
    let in_folder = |line: &&Value| line["path"].as_str().unwrap_or("").starts_with(&folder);
    let disk = of_kind(lines, "session.disk").into_iter().filter(in_folder);
    let sockets = [
        "session.network",
        "session.local_connect",
        "session.local_send",
    ];
    let sockets = lines.iter().filter(|line| {
        sockets.iter().any(|event| line["event"] == *event)
            && line["operation"] != 2
            && line["program"] == "acts"
    });
    disk.chain(sockets)
        .map(|line| {
            let mut line: Value = serde_json::from_str(&plain(line)).unwrap();
            let object = line.as_object_mut().unwrap();
            object.retain(|key, _| !key.ends_with("_port"));
            let via = object.shift_remove("via");
            let line = line.to_string();
            let (_, line) = line.split_once(r#""program":"#).unwrap();
            (via.is_some_and(|via| via == "io_uring"), line.to_owned())
        })
        .collect()
}

/// Inline, by the kernel's workers, and polled for: but for the mark all is as by system calls
fn ways() -> Outcome {
    let host = Host::shared();
    let folder = folder(&host);
    let program = program(&host);
    let mut expected = None;
    for (index, way) in WAYS.iter().enumerate() {
        let command = format!("{} acts {way} {}", program.display(), folder.display());
        let results = host.ssh(ONE, &command);
        let lines = host.sessions(index + 1).remove(index);
        let (vias, done): (Vec<_>, Vec<_>) = done(&lines, &folder).into_iter().unzip();
        // What it changes by a descriptor, it opens by a system call for itself.
        let through = |line: &String| {
            *way != "calls" && line.contains(r#""acts""#) && !line.contains("read_write")
        };
        let through: Vec<_> = done.iter().map(through).collect();
        assert_eq!(vias, through, "{way}: {done:#?}");
        let done = (results, done.join("\n"));
        let expected = expected.get_or_insert_with(|| done.clone());
        assert_eq!(&done, expected, "{way}");
        for made in ["new", "stream", "packets"] {
            fs::remove_file(folder.join(made))?;
        }
    }
    Ok(())
}

/// By a ring without room for them, or at the wish of the program: nothing is lost all the same
fn untold() -> Outcome {
    let host = Host::shared();
    let folder = folder(&host);
    let program = program(&host);
    let mut outcome_unknown = Vec::new();
    for (index, way) in ["overflow", "silent"].iter().enumerate() {
        let command = format!("{} acts {way} {}", program.display(), folder.display());
        host.ssh(ONE, &command);
        let lines = host.sessions(index + 1).remove(index);
        let file = folder.join("file").display().to_string();
        let opens = of_kind(&lines, "session.disk")
            .into_iter()
            .filter(|line| line["path"] == *file && line["operation"] == "open")
            .filter(|line| line["requested_path"].is_null() && line["via"] == "io_uring");
        outcome_unknown.push(
            opens
                .map(|line| line["outcome_unknown"] == true)
                .collect::<Vec<_>>(),
        );
    }
    let count = |wanted: bool, of: &[bool]| of.iter().filter(|one| **one == wanted).count();
    assert_eq!(count(false, &outcome_unknown[0]), TOLD);
    assert_eq!(count(true, &outcome_unknown[0]), UNTOLD);
    assert_eq!(outcome_unknown[1], [true]);
    Ok(())
}

/// Each connection is told
fn multishot() -> Outcome {
    let host = Host::shared();
    let program = program(&host);
    let ports = host.ssh(ONE, &format!("{} acts multishot /", program.display()));
    let lines = host.sessions(1).remove(0);
    let accepts = of_kind(&lines, "session.network").into_iter();
    let accepts = accepts.filter(|line| line["operation"] == 3 && line["via"] == "io_uring");
    let peers: Vec<String> = accepts.map(|line| line["dst_port"].to_string()).collect();
    assert_eq!(peers, ports.lines().collect::<Vec<_>>());
    Ok(())
}

/// Made, and refused
fn frames() -> Outcome {
    let host = Host::shared();
    let program = program(&host);
    for (login, result) in [("root", 0), (ONE, -libc::EPERM)] {
        let command = format!("{} acts frames none", program.display());
        host.ssh(login, &command);
        let all = host.sessions(1 + usize::from(login == ONE));
        let lines = all.iter().find(|lines| lines[0]["login"] == login).unwrap();
        let told: Vec<_> = of_kind(lines, "session.packet_socket")
            .into_iter()
            .map(|line| {
                json!([
                    line["type"],
                    line["protocol"],
                    line["return_code"],
                    line["via"]
                ])
            })
            .collect();
        let socket = |kind, protocol| json!([kind, protocol, result, "io_uring"]);
        assert_eq!(told, [socket("raw", 3), socket("dgram", 0x806)]);
    }
    Ok(())
}

/// Nobody's: it leaves nothing
fn outside() -> Outcome {
    let host = Host::shared();
    let folder = folder(&host);
    for way in WAYS {
        printed(
            Command::new(program(&host))
                .arg("acts")
                .arg(way)
                .arg(&folder),
        );
        for made in ["stream", "packets"] {
            fs::remove_file(folder.join(made))?;
        }
    }
    host.ssh(ONE, "true");
    let lines = host.sessions(1).remove(0);
    assert!(of_kind(&lines, "session.disk").len() > 1);
    assert_eq!(done(&host.log(), &folder), []);
    Ok(())
}
