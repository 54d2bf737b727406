//! A file that is carried to or from the host is in its session, whatever carries it.

use std::fs;
use std::path::Path;

use crate::common::{
    self, Folder, Host, ONE, Outcome, Server, command, created, disk, end, opened_in, plain,
    plains, printed, requested, start,
};
use libc::{O_CREAT, O_NONBLOCK, O_RDONLY, O_TRUNC, O_WRONLY};
use libtest_mimic::Trial;

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    common::tests(
        module_path!(),
        &[
            ("sftp-server", sftp_server),
            ("internal-sftp", internal_sftp),
            ("internal-sftp in a chroot", chroot),
            ("scp", scp),
            ("scp by its old protocol", old_scp),
        ],
    )
}

const SERVER: &str = "/usr/lib/openssh/sftp-server";

/// Fetches `there` from a folder and puts it back as `back` with sftp; for the server the folder is
/// `path`.
fn sftp(host: &Host, login: &str, folder: &Path, path: &str) {
    fs::write(folder.join("there"), "text").unwrap();
    let here = host.folder.path().join("here").display().to_string();
    let batch = host.folder.path().join("batch");
    let commands = format!("get {path}/there {here}\nput {here} {path}/back\n");
    fs::write(&batch, commands).unwrap();
    let mut client = host.client("sftp");
    client.arg("-b").arg(batch);
    printed(client.arg(format!("{login}@127.0.0.1")));
    assert_eq!(fs::read(folder.join("back")).unwrap(), b"text");
}

/// What `program` opens for that.
fn carried(login: &str, program: &str, folder: &Path, path: &str) -> [String; 2] {
    let [there, back] = ["there", "back"].map(|name| format!("{}/{name}", folder.display()));
    let flags = O_WRONLY | O_CREAT | O_TRUNC;
    let opened = [
        (disk(login, program, &there, O_RDONLY, 0), "there"),
        (created(login, program, &back, flags, "0644"), "back"),
    ];
    opened.map(|(line, name)| match folder == Path::new(path) {
        true => line,
        false => requested(&line, &format!("{path}/{name}")),
    })
}

/// A program of its own
fn sftp_server() -> Outcome {
    let host = Host::shared();
    let folder = host.folder.shared();
    sftp(&host, ONE, &folder, folder.to_str().unwrap());
    let lines = host.sessions(1).remove(0);
    let asked = format!(r#""initial_command":["{SERVER}"],"#);
    assert_eq!(plain(&lines[0]), start(ONE, &asked));
    assert_eq!(
        plains(&lines, "session.command"),
        [
            command(ONE, "bash", "/bin/bash", &["-c", SERVER]),
            command(ONE, "sftp-server", SERVER, &[]),
        ]
    );
    let path = folder.to_str().unwrap();
    assert_eq!(
        opened_in(&folder, &lines),
        carried(ONE, "sftp-server", &folder, path)
    );
    Ok(())
}

/// No program at all: sshd's own process carries the files to and fro.
fn internal(config: &str, login: &str, folder: &Path, path: &str) {
    let host = Host::shared_by(
        &Server::USUAL,
        &format!("{config}\nSubsystem sftp internal-sftp"),
        "",
    );
    sftp(&host, login, folder, path);
    let lines = host.sessions(1).remove(0);
    assert_eq!(plain(&lines[0]), start(login, ""));
    assert_eq!(plains(&lines, "session.command"), [""; 0]);
    assert_eq!(
        opened_in(folder, &lines),
        carried(login, "sshd", folder, path)
    );
    let last = lines.last().unwrap();
    assert_eq!(plain(last), end(login, false, "", &lines));
}

/// Of an account without rights, and of root, whose login has no process of its own
fn internal_sftp() -> Outcome {
    for login in [ONE, "root"] {
        let folder = Folder::new();
        let shared = folder.shared();
        internal("", login, &shared, shared.to_str().unwrap());
    }
    Ok(())
}

/// In a folder that sshd makes the root of all: the path is still the one outside
fn chroot() -> Outcome {
    // sshd asks that nobody but root may write in any folder above it.
    let jail = Folder::within(Path::new("/run"));
    let shared = jail.shared();
    let config = format!("ChrootDirectory {}", jail.path().display());
    internal(&config, ONE, &shared, "/shared");
    Ok(())
}

/// Fetches a file and puts it back with scp, each in a session of its own. `program` opens it with
/// these flags; `ran` gives all commands of a session, from the old option and the path.
fn copies(options: &[&str], program: &str, flags: [i32; 2], ran: fn(&str, &str) -> Vec<String>) {
    let host = Host::shared();
    let folder = host.folder.shared();
    fs::write(folder.join("there"), "text").unwrap();
    let remote = |name: &str| format!("{ONE}@127.0.0.1:{}/{name}", folder.display());
    let here = host.folder.path().join("here").display().to_string();
    for [from, to] in [[remote("there"), here.clone()], [here, remote("back")]] {
        printed(host.client("scp").args(options).args([from, to]));
    }
    assert_eq!(fs::read(folder.join("back")).unwrap(), b"text");
    let sessions = host.sessions(2);
    let [there, back] = ["there", "back"].map(|name| format!("{}/{name}", folder.display()));
    let fetched = disk(ONE, program, &there, flags[0], 0);
    let put = created(ONE, program, &back, flags[1], "0644");
    let files = [("-f", there, fetched), ("-t", back, put)];
    for (lines, (option, path, opened)) in sessions.iter().zip(files) {
        assert_eq!(plains(lines, "session.command"), ran(option, &path));
        assert_eq!(opened_in(&folder, lines), [opened]);
    }
}

/// By the protocol of sftp, as scp does today
fn scp() -> Outcome {
    let flags = [O_RDONLY, O_WRONLY | O_CREAT];
    copies(&[], "sftp-server", flags, |_, _| {
        vec![
            command(ONE, "bash", "/bin/bash", &["-c", SERVER]),
            command(ONE, "sftp-server", SERVER, &[]),
        ]
    });
    Ok(())
}

/// By its own, as older ones do
fn old_scp() -> Outcome {
    let flags = [O_RDONLY | O_NONBLOCK, O_WRONLY | O_CREAT];
    copies(&["-O"], "scp", flags, |option, path| {
        let asked = format!("scp {option} {path}");
        vec![
            command(ONE, "bash", "/bin/bash", &["-c", &asked]),
            command(ONE, "scp", "/usr/bin/scp", &[option, path]),
        ]
    });
    Ok(())
}
