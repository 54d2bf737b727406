//! A login over ssh is a session from its first event to its last, whatever kind of login it is.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Barrier;

use crate::common::terminal::Terminal;
use crate::common::ways::pipe;
use crate::common::{
    self, Host, ONE, Outcome, Server, TWO, command, disk, end, patiently, plain, plains, printed,
    start,
};
use aya::maps::{HashMap, IterableMap, Map, MapData};
use libtest_mimic::Trial;
use recorderd::abi::SessionEntry;
use recorderd::kernel::remove_over;

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    common::tests(
        module_path!(),
        &[
            ("a remote command", remote_command),
            ("a login with a terminal", terminal),
            ("two logins at once", two_logins),
            ("nothing from outside of a session", outside),
            ("what outlives the client", outliving),
            ("a login of root", root),
            ("who joins while a session is forgotten", joins_late),
            ("who joins at any time", joins_at_any_time),
        ],
    )
}

/// `ssh host command`
fn remote_command() -> Outcome {
    let host = Host::shared();
    host.ssh(ONE, "cat /etc/hostname");
    let lines = host.sessions(1).remove(0);
    let asked = r#""initial_command":["cat /etc/hostname"],"#;
    assert_eq!(plain(&lines[0]), start(ONE, asked));
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
    let last = lines.last().unwrap();
    assert_eq!(plain(last), end(ONE, false, asked, &lines));
    Ok(())
}

/// `ssh host`, and then what is typed
fn terminal() -> Outcome {
    let host = Host::shared();
    let mut ssh = host.client("ssh");
    ssh.args(["-tt", &format!("{ONE}@127.0.0.1")]);
    let (mut terminal, mut client) = Terminal::of(&mut ssh, 97, 31);
    // The line as it is echoed does not hold the answer.
    terminal.types("/bin/echo ready-$((1 + 1))", "ready-2");
    terminal.types("/bin/stty size", "31 97");
    terminal.types("exit", "logout");
    client.child.wait()?;
    let lines = host.sessions(1).remove(0);
    assert_eq!(plain(&lines[0]), start(ONE, r#""size":"97:31","#));
    let commands = plains(&lines, "session.command");
    assert_eq!(commands[0], command(ONE, "bash", "/bin/bash", &[]));
    let requested = [
        command(ONE, "echo", "/bin/echo", &["ready-2"]),
        command(ONE, "stty", "/bin/stty", &["size"]),
    ];
    let found = commands.windows(2).any(|pair| pair == requested);
    assert!(found, "{commands:#?}");
    assert_eq!(plain(lines.last().unwrap()), end(ONE, true, "", &lines));
    Ok(())
}

/// Two accounts that take turns
fn two_logins() -> Outcome {
    const SCRIPT: &str = "while read tag; do /bin/echo $tag; done";
    let host = Host::shared();
    let users = [ONE, TWO];
    let mut logins = users.map(|user| host.login(user, SCRIPT));
    let mut answers = logins
        .each_mut()
        .map(|login| BufReader::new(login.child.stdout.take().unwrap()).lines());
    let tag = |user: &str, turn: usize| format!("{user}-{turn}");
    for turn in 0..100 {
        for (login, user) in logins.iter().zip(users) {
            let mut input = login.child.stdin.as_ref().unwrap();
            writeln!(input, "{}", tag(user, turn))?;
        }
        for (answers, user) in answers.iter_mut().zip(users) {
            assert_eq!(answers.next().unwrap()?, tag(user, turn));
        }
    }
    for login in &mut logins {
        drop(login.child.stdin.take());
        login.child.wait()?;
    }
    let mut sessions = host.sessions(2);
    sessions.sort_by_key(|lines| lines[0]["login"].to_string());
    for (lines, user) in sessions.iter().zip(users) {
        let mut expected = vec![command(user, "bash", "/bin/bash", &["-c", SCRIPT])];
        expected
            .extend((0..100).map(|turn| command(user, "echo", "/bin/echo", &[&tag(user, turn)])));
        assert_eq!(plains(lines, "session.command"), expected);
        for line in lines {
            assert_eq!(line["login"], user, "{line}");
            assert_eq!(line["sid"], lines[0]["sid"]);
        }
    }
    Ok(())
}

/// What is done outside of a session while there is one
fn outside() -> Outcome {
    const SCRIPT: &str = "/bin/true before; read; /bin/true after";
    let host = Host::shared();
    let folder = host.folder.shared();
    let mut login = host.login(ONE, SCRIPT);
    patiently("the session to be on record", || {
        let log = host.log();
        let begun = |line: &&serde_json::Value| line["argv"] == serde_json::json!(["before"]);
        log.iter().find(begun).map(|_| ())
    });
    let mark = format!("outside-{}", std::process::id());
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let _connection = TcpStream::connect(listener.local_addr()?)?;
    Command::new("/bin/true").arg(&mark).status()?;
    let uid = printed(Command::new("id").args(["-u", ONE]))
        .trim()
        .parse()?;
    Command::new("/bin/true").arg(&mark).uid(uid).status()?;
    Command::new(format!("/nonexistent/{mark}"))
        .status()
        .unwrap_err();
    // By a server of the user's own, who may call it as he likes, and has a connection.
    let server = folder.join("sshd");
    fs::copy("/bin/sh", &server)?;
    let script = format!("/bin/true {mark}; /bin/true {mark}");
    let input = TcpStream::connect(listener.local_addr()?)?;
    let mut served = Command::new(server);
    served.args(["-c", &script]).uid(uid);
    assert!(
        served
            .stdin(std::os::fd::OwnedFd::from(input))
            .status()?
            .success()
    );
    fs::write(folder.join(&mark), "")?;
    File::open(folder.join(&mark).join("missing")).unwrap_err();
    drop(login.child.stdin.take());
    login.child.wait()?;
    let lines = host.sessions(1).remove(0);
    assert_eq!(
        plains(&lines, "session.command"),
        [
            command(ONE, "bash", "/bin/bash", &["-c", SCRIPT]),
            command(ONE, "true", "/bin/true", &["before"]),
            command(ONE, "true", "/bin/true", &["after"]),
        ]
    );
    let port = listener.local_addr()?.port();
    for line in host.log() {
        assert!(!line.to_string().contains(&mark), "{line}");
        assert_ne!(line["dst_port"], port, "{line}");
        assert_ne!(line["pid"], std::process::id(), "{line}");
    }
    Ok(())
}

/// Processes that leave the login by each of the usual ways, and go on after it
fn outliving() -> Outcome {
    let host = Host::shared();
    let folder = host.folder.shared();
    let waits = |name: &str| {
        let pipe = folder.join(name);
        format!("read word < {}; /bin/true {name} $word; :", pipe.display())
    };
    let names = ["nohup", "setsid", "twice"];
    let [nohup, setsid, twice] = names.map(|name| {
        pipe(&folder.join(name));
        waits(name)
    });
    let script = format!(
        "exec </dev/null >/dev/null 2>&1
         nohup /bin/sh -c '{nohup}' &
         setsid /bin/sh -c '{setsid}' &
         ( ( /bin/sh -c '{twice}' & ) & )"
    );
    host.ssh(ONE, &script);
    // The client is gone; now they may go on.
    for name in names {
        let mut pipe = patiently(&format!("{name} to listen"), || {
            let mut open = OpenOptions::new();
            open.write(true).custom_flags(libc::O_NONBLOCK);
            open.open(folder.join(name)).ok()
        });
        writeln!(pipe, "late")?;
    }
    let lines = host.sessions(1).remove(0);
    let mut expected = vec![
        command(ONE, "bash", "/bin/bash", &["-c", &script]),
        command(ONE, "nohup", "/usr/bin/nohup", &["/bin/sh", "-c", &nohup]),
        command(
            ONE,
            "setsid",
            "/usr/bin/setsid",
            &["/bin/sh", "-c", &setsid],
        ),
    ];
    for script in [&nohup, &setsid, &twice] {
        expected.push(command(ONE, "sh", "/bin/sh", &["-c", script]));
    }
    for name in names {
        expected.push(command(ONE, "true", "/bin/true", &[name, "late"]));
    }
    expected.sort();
    let mut commands = plains(&lines, "session.command");
    commands.sort();
    assert_eq!(commands, expected);
    Ok(())
}

/// `ssh root@host command`: nothing of what PAM does for the login is in its session
fn root() -> Outcome {
    // Without a home, so that no startup file of root's adds to it.
    let host = Host::shared_by(&Server::USUAL, "SetEnv HOME=/nonexistent", "");
    host.ssh("root", "/bin/true");
    let lines = host.sessions(1).remove(0);
    let asked = r#""initial_command":["/bin/true"],"#;
    assert_eq!(plain(&lines[0]), start("root", asked));
    assert_eq!(
        plains(&lines, "session.command"),
        [
            command("root", "bash", "/bin/bash", &["-c", "/bin/true"]),
            command("root", "true", "/bin/true", &[]),
        ]
    );
    let last = lines.last().unwrap();
    assert_eq!(plain(last), end("root", false, asked, &lines));
    Ok(())
}

/// A table of sessions as the probes have it, without a probe.
fn sessions_table() -> HashMap<MapData, u64, SessionEntry> {
    HashMap::create(16, 0).unwrap()
}

fn entry(processes: u64) -> SessionEntry {
    SessionEntry {
        processes,
        uid: 7,
        ..SessionEntry::default()
    }
}

/// BPF_EXIST: nothing that is gone comes back by it, as where a probe counts somebody in.
const THERE: u64 = 2;

/// Behind the daemon's look that nobody is in it, and before it is removed: it stays, with who is in it
fn joins_late() -> Outcome {
    let mut sessions = sessions_table();
    sessions.insert(1, entry(0), 0)?;
    assert_eq!(sessions.get(&1, 0)?.processes, 0);
    sessions.insert(1, entry(1), THERE)?;
    assert!(remove_over(&mut sessions, 1).is_none());
    assert_eq!(sessions.get(&1, 0)?, entry(1));
    sessions.insert(1, entry(0), THERE)?;
    assert_eq!(remove_over(&mut sessions, 1), Some(entry(0)));
    assert!(sessions.get(&1, 0).is_err());
    Ok(())
}

/// By both at once, many times: whoever was counted in finds the entry, and nobody finds one that is gone
fn joins_at_any_time() -> Outcome {
    const ROUNDS: u64 = 20_000;
    let mut sessions = sessions_table();
    let mut joining = HashMap::try_from(Map::HashMap(MapData::from_fd(
        sessions.map().fd().as_fd().try_clone_to_owned()?,
    )?))?;
    let barrier = Barrier::new(2);
    let (mut stayed, mut gone) = (0, 0);
    std::thread::scope(|scope| -> Outcome {
        let joins = scope.spawn(|| {
            (0..ROUNDS)
                .map(|key| {
                    barrier.wait();
                    let joined = joining.insert(key, entry(1), THERE).is_ok();
                    barrier.wait();
                    joined
                })
                .collect::<Vec<_>>()
        });
        let mut removed = Vec::new();
        for key in 0..ROUNDS {
            sessions.insert(key, entry(0), 0)?;
            barrier.wait();
            if sessions.get(&key, 0).is_ok_and(|it| it.processes == 0) {
                remove_over(&mut sessions, key);
            }
            barrier.wait();
            let left = sessions.get(&key, 0).ok();
            removed.push(left.is_none());
            if left.is_some() {
                assert_eq!(left, Some(entry(1)));
                sessions.remove(&key)?;
            }
        }
        for (joined, removed) in joins.join().unwrap().into_iter().zip(removed) {
            assert_ne!(joined, removed);
            match joined {
                true => stayed += 1,
                false => gone += 1,
            }
        }
        Ok(())
    })?;
    println!("{stayed} joined, {gone} came too late");
    Ok(())
}
