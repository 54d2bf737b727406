//! Every event is in the log, or in the count of what was lost: never more, never less.

use std::fs;
use std::io::{BufRead, BufReader};

use crate::common::log::{commands, totals};
use crate::common::{self, Host, ONE, Outcome, PYTHON, of_kind, patiently, schema};
use libtest_mimic::Trial;
use recorderd::abi::{Command, ProcessExit};
use serde_json::Value;

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    common::tests(
        module_path!(),
        &[
            ("one command", one_command),
            ("a hundred commands", a_hundred_commands),
            ("five thousand commands", five_thousand_commands),
            ("twenty thousand opens", twenty_thousand_opens),
            (
                "commands in the smallest ring",
                commands_in_the_smallest_ring,
            ),
            ("opens in the smallest ring", opens_in_the_smallest_ring),
            (
                "losses of a session that goes on",
                losses_of_a_session_that_goes_on,
            ),
            ("20,000 plain commands fit 8 MiB", plain_commands_are_small),
            (
                "a noisy session beside a quiet one",
                a_noisy_session_beside_a_quiet_one,
            ),
            (
                "a stopped daemon loses nothing",
                a_stopped_daemon_loses_nothing,
            ),
        ],
    )
}

/// The smallest rings that there are.
const SMALLEST: &str = "command_buffer_size: 1\ndisk_buffer_size: 1\nnetwork_buffer_size: 1";

/// Runs a script as a session of its own, and returns its lines.
fn session(host: &Host, index: usize, script: &str) -> Vec<Value> {
    host.ssh(ONE, script);
    host.sessions(index + 1).remove(index)
}

fn counted(count: usize) -> Outcome {
    let host = Host::shared();
    let lines = session(&host, 0, &commands(count));
    for family in ["command", "process_exit"] {
        assert_eq!(totals(&lines, family), (count as u64, 0), "{family}");
    }
    Ok(())
}

/// `ssh host exit`: the shell alone.
fn one_command() -> Outcome {
    counted(1)
}

/// Each is there once.
fn a_hundred_commands() -> Outcome {
    counted(100)
}

/// Each is there once, however fast they come.
fn five_thousand_commands() -> Outcome {
    counted(5000)
}

/// A script that opens a file so many times, in one process.
fn opens(host: &Host, count: usize) -> (String, String) {
    let path = host.folder.path().join("opened");
    fs::write(&path, "").unwrap();
    let path = path.display().to_string();
    let script = format!("for ((i = 0; i < {count}; i++)); do : <{path}; done; exit");
    (script, path)
}

/// Each is there once.
fn twenty_thousand_opens() -> Outcome {
    let host = Host::shared();
    let (script, path) = opens(&host, 20_000);
    let lines = session(&host, 0, &script);
    let opened = of_kind(&lines, "session.disk");
    let opened = opened.iter().filter(|line| line["path"] == path.as_str());
    assert_eq!((opened.count(), totals(&lines, "disk").1), (20_000, 0));
    Ok(())
}

/// Runs commands as a session of its own while the daemon reads nothing.
fn unread_session(host: &Host, count: usize) -> Vec<Value> {
    host.daemon.signal(libc::SIGSTOP);
    host.ssh(ONE, &commands(count));
    host.daemon.signal(libc::SIGCONT);
    host.sessions(1).remove(0)
}

/// What finds no room is counted.
fn commands_in_the_smallest_ring() -> Outcome {
    let lines = unread_session(&Host::with("", SMALLEST), 500);
    for family in ["command", "process_exit"] {
        let (written, lost) = totals(&lines, family);
        assert!(written > 0 && lost > 0, "{family}: {written} and {lost}");
        assert_eq!(written + lost, 500, "{family}");
    }
    Ok(())
}

/// Counts while the daemon reads as fast as it can.
fn opens_in_the_smallest_ring() -> Outcome {
    let host = Host::with("", SMALLEST);
    // The login opens files as well: as many in a session that opens none of its own.
    let all = |lines: &[Value]| {
        let (written, lost) = totals(lines, "disk");
        written + lost
    };
    let of_login = all(&session(&host, 0, &opens(&host, 0).0));
    let lines = session(&host, 1, &opens(&host, 20_000).0);
    assert_eq!(all(&lines), of_login + 20_000);
    assert!(totals(&lines, "disk").1 > 0, "the ring has not overflowed");
    Ok(())
}

/// They are told before the session ends, and what the end tells is their sum.
fn losses_of_a_session_that_goes_on() -> Outcome {
    let host = Host::with("", SMALLEST);
    host.daemon.signal(libc::SIGSTOP);
    let script = "for ((i = 0; i < 500; i++)); do /bin/true; done; echo; read";
    let mut login = host.login(ONE, script);
    BufReader::new(login.child.stdout.take().unwrap()).read_line(&mut String::new())?;
    host.daemon.signal(libc::SIGCONT);
    let lost = |lines: &[Value]| {
        let lost = of_kind(lines, "session.lost").into_iter();
        let commands = lost.filter(|line| line["family"] == "command");
        commands.map(|line| line["count"].as_u64().unwrap()).sum()
    };
    let told: u64 = patiently("the losses", || {
        let told = lost(host.all_sessions().first()?);
        (told > 0).then_some(told)
    });
    assert_eq!(of_kind(&host.all_sessions()[0], "session.end").len(), 0);
    drop(login.child.stdin.take());
    let lines = host.sessions(1).remove(0);
    let end = lines.last().unwrap();
    assert_eq!((told, lost(&lines)), (told, told), "{end}");
    assert_eq!(end["losses"]["command"], told);
    assert_eq!(totals(&lines, "command"), (501 - told, told));
    Ok(())
}

/// A session that fills the rings leaves room for another that does little.
fn a_noisy_session_beside_a_quiet_one() -> Outcome {
    let host = Host::with("", "command_buffer_size: 16\ndisk_buffer_size: 16");
    // As long as somebody is there, calls stay hooked.
    let mut somebody = host.login(ONE, "read");
    patiently("somebody", || {
        (!host.all_sessions().is_empty()).then_some(())
    });
    host.daemon.signal(libc::SIGSTOP);
    host.ssh(ONE, &commands(1_000));
    host.ssh(ONE, &commands(4));
    host.daemon.signal(libc::SIGCONT);
    drop(somebody.child.stdin.take());
    let sessions = host.sessions(3).split_off(1);
    let lost = |lines: &[Value]| ["command", "process_exit", "disk"].map(|f| totals(lines, f).1);
    let noisy = lost(&sessions[0]);
    assert!(noisy.iter().all(|lost| *lost > 0), "{noisy:?} lost");
    assert_eq!(lost(&sessions[1]), [0; 3]);
    assert_eq!(totals(&sessions[1], "command"), (4, 0));
    Ok(())
}

/// A command with two arguments of usual length, and the exit of its process, with what the ring
/// adds to each.
fn plain_commands_are_small() -> Outcome {
    const HEADER: usize = 8;
    let strings = [
        "/usr/bin/ls",
        "/usr/bin/ls",
        "/home/alice",
        "ls\0-l\0/etc\0",
    ];
    let command = size_of::<Command>() + strings.concat().len();
    let in_ring = |bytes: usize| (HEADER + bytes).next_multiple_of(8);
    let bytes = in_ring(command) + in_ring(size_of::<ProcessExit>());
    assert!(20_000 * bytes <= 8 << 20, "{bytes} bytes");
    Ok(())
}

/// Counts for real, while nobody reads.
fn a_stopped_daemon_loses_nothing() -> Outcome {
    const COUNT: usize = 20_000;
    let config = "command_buffer_size: 2048\nrecord: {families: [command]}";
    let host = Host::with("", config);
    let script = format!(
        r#"exec {PYTHON} -Ic '
import os
for _ in range({COUNT}):
    os.waitpid(os.posix_spawn("/bin/true", ["true", "-l", "/etc"], {{}}), 0)
'"#
    );
    host.daemon.signal(libc::SIGSTOP);
    host.ssh(ONE, &script);
    host.daemon.signal(libc::SIGCONT);
    let end = patiently("the end of the session", || {
        let text = host.text();
        let end = text.lines().last()?;
        let is_end = end.contains(r#""event":"session.end""#);
        is_end.then(|| schema::check(end))
    });
    let run = r#""path":"/bin/true","argv":["-l","/etc"],"return_code":0"#;
    let text = host.text();
    assert_eq!(
        text.lines().filter(|line| line.contains(run)).count(),
        COUNT
    );
    let exit = r#""event":"session.process_exit""#;
    let exits = text.lines().filter(|line| line.contains(exit)).count();
    assert!(exits > COUNT, "{exits}");
    for (family, lost) in end["losses"].as_object().unwrap() {
        assert_eq!(*lost, 0, "{family}");
    }
    Ok(())
}
