//! How sessions begin, lose, hand on and end.

use recorderd::abi::{
    Channel, Disk, Environment, Head, Kind, Losses, SessionStart, command_mark, login,
};

use super::Described;
use super::record::{
    Run, UID, asked, connected, end, end_with, head, in_terminal, local, opened, program, record,
    refused, run, start, v4, v6,
};

pub fn excluded_case() -> Vec<Described> {
    vec![
        start(),
        ("a shell", run(1500, b"/bin/sh", b"sh\0", |_| {})),
        end_with(
            Losses::default(),
            std::array::from_fn(|family| family as u64 * 1000),
        ),
    ]
}

pub fn terminal_case() -> Vec<Described> {
    let interactive = |c: &mut Run| {
        in_terminal(c, 80, 25);
        of_channel(c);
    };
    vec![
        start(),
        (
            "a login shell",
            run(1500, b"/bin/bash", b"-bash\0", interactive),
        ),
        (
            "a command in it, after the window has grown",
            run(1600, b"/usr/bin/top", b"top\0-u\0root\0", |c| {
                in_terminal(c, 65_535, 65_535);
            }),
        ),
        end(Losses::default()),
    ]
}

pub fn initial_command_case() -> Vec<Described> {
    let argv = b"bash\0-c\0cat '/etc/caf\xe9'\0";
    vec![
        start(),
        (
            "a shell with a command",
            run(1500, b"/bin/bash", argv, of_channel),
        ),
        (
            "a later one is not the initial command",
            run(1600, b"/bin/sh", b"sh\0-c\0true\0", |_| {}),
        ),
        end(Losses::default()),
    ]
}

/// What a login server runs for a channel.
fn of_channel(run: &mut Run) {
    run.fixed.marks |= command_mark::CHANNEL;
}

pub fn channel_case() -> Vec<Described> {
    let channel = |kind, time, columns| Channel {
        record: Head {
            program: program(b"sshd"),
            ..head(kind, time)
        },
        leader: 5007,
        terminal: 136 << 20 | 3,
        rows: 25,
        columns,
        unused: 0,
    };
    vec![
        start(),
        (
            "~/.ssh/rc, which is no channel's",
            run(1400, b"/bin/sh", b"sh\0-c\0/bin/sh .ssh/rc\0", |_| {}),
        ),
        (
            "sshd connects, which tells of none",
            connected(1450, v4([192, 0, 2, 1], 40_000), v4([192, 0, 2, 1], 443)),
        ),
        (
            "a forced command in place of another that is not UTF-8",
            run(1500, b"/bin/bash", b"bash\0-c\0/bin/forced\0", |c| {
                in_terminal(c, 80, 25);
                of_channel(c);
                c.requested = b"cat caf\xe9\0";
            }),
        ),
        (
            "the same size again",
            record(channel(Kind::Resize, 1550, 80), b""),
        ),
        (
            "another size",
            record(channel(Kind::Resize, 1600, 132), b""),
        ),
        (
            "the size of a terminal of no channel",
            record(
                Channel {
                    leader: 1,
                    ..channel(Kind::Resize, 1650, 99)
                },
                b"",
            ),
        ),
        (
            "one of which the end of what was asked for is missing, where commands are left out",
            run(
                1700,
                b"/bin/bash",
                b"bash\0-c\0/usr/lib/sftp-server -R\0",
                |c| {
                    of_channel(c);
                    c.fixed.marks |= command_mark::REQUESTED_CUT | command_mark::EXCLUDED;
                    c.requested = b"long";
                },
            ),
        ),
        (
            "a subsystem of sshd's own",
            record(
                Channel {
                    terminal: 0,
                    ..channel(Kind::Subsystem, 1800, 0)
                },
                b"",
            ),
        ),
        end(Losses::default()),
    ]
}

pub fn nothing_done_case() -> Vec<Described> {
    let start = SessionStart {
        record: head(Kind::SessionStart, 1000),
        local: v6("2001:db8::22", 22),
        remote: v6("::ffff:198.51.100.7", 50_000),
        uid: 0,
        connection_pid: 4000,
        login: login::SSH,
        title_length: 0,
        parent: 0,
        began: 0,
    };
    let second = ("again, of which nothing is known", end(Losses::default()).1);
    vec![
        ("root logs in", record(start, b"")),
        end(Losses::default()),
        second,
    ]
}

pub fn other_login_case() -> Vec<Described> {
    let cron = 3;
    let start = SessionStart {
        record: head(Kind::SessionStart, 1000),
        uid: UID,
        login: cron,
        ..SessionStart::default()
    };
    let text = b"LOGNAME=mallory\0";
    let environment = Environment {
        record: head(Kind::Environment, 1490),
        environment_length: text.len() as u32,
        unused: 0,
    };
    vec![
        ("cron begins a job", record(start, b"")),
        (
            "the environment, in which anybody may have put a name",
            record(environment, text),
        ),
        (
            "its shell",
            run(1500, b"/bin/sh", b"sh\0-c\0backup\0", |_| {}),
        ),
        end(Losses::default()),
    ]
}

pub fn lost_case() -> Vec<Described> {
    let lost = [
        [0, 0, 1, 0],
        [2, 3, 4, 0],
        [5, 0, 0, 0],
        [1 << 40, 0, 0, 0],
        [0, 6, 0, 0],
        [0, 0, 7, 0],
        [8, 9, 0, 0],
    ];
    vec![
        start(),
        ("a shell", run(1500, b"/bin/sh", b"sh\0", |_| {})),
        end(lost),
    ]
}

pub fn start_lost_case() -> Vec<Described> {
    vec![
        ("a shell", run(1500, b"/bin/sh", b"sh\0", |_| {})),
        end([[1, 0, 0, 0], [0; 4], [0; 4], [0; 4], [0; 4], [0; 4], [0; 4]]),
    ]
}

pub fn network_first_case() -> Vec<Described> {
    vec![
        start(),
        (
            "a port is forwarded, and no program is run",
            connected(1501, v4([127, 0, 0, 1], 40_000), v4([127, 0, 0, 1], 80)),
        ),
        end(Losses::default()),
    ]
}

pub fn backlog_case() -> Vec<Described> {
    vec![
        start(),
        ("before the shell", opened(1100, b"/etc/passwd", |_| {})),
        (
            "a shell that is not there",
            refused(1200, b"/bin/zsh", b"-zsh\0", libc::ENOENT),
        ),
        (
            "a shell that is, and tells the terminal",
            run(1300, b"/bin/sh", b"-sh\0", |c| {
                in_terminal(c, 132, 43);
            }),
        ),
        ("after it", opened(1400, b"/etc/profile", |_| {})),
        end(Losses::default()),
    ]
}

pub fn two_sessions_case() -> Vec<Described> {
    let of_other = |(_, mut bytes): Described| {
        let at = std::mem::offset_of!(Head, session);
        bytes[at] = 8;
        ("in the other session", bytes)
    };
    vec![
        start(),
        of_other(start()),
        of_other(("", run(1500, b"/bin/sh", b"sh\0", |_| {}))),
        ("a shell", run(1600, b"/bin/bash", b"bash\0", |_| {})),
        of_other(("", opened(1700, b"/tmp/other", |_| {}))),
        ("a file", opened(1700, b"/tmp/one", |_| {})),
        of_other(end(Losses::default())),
        end(Losses::default()),
    ]
}

pub fn nested_and_found_case() -> Vec<Described> {
    let of = |session: u64, parent: u64, began: u64| {
        let start = SessionStart {
            record: Head {
                session,
                ..head(Kind::SessionStart, 2000)
            },
            parent,
            began,
            uid: UID,
            ..SessionStart::default()
        };
        record(start, b"")
    };
    let within = |session: u64, mut bytes: Vec<u8>| {
        bytes[std::mem::offset_of!(Head, session)] = session as u8;
        bytes
    };
    let shell = run(3000, b"/bin/sh", b"sh\0-c\0true\0", |_| {});
    let over = || end(Losses::default()).1;
    vec![
        start(),
        ("a shell", run(1500, b"/bin/bash", b"bash\0", |_| {})),
        ("a login from it", of(8, 7, 0)),
        ("a login from a session that is not known", of(10, 6, 0)),
        ("a session that was found", of(9, 0, 500_000_000)),
        (
            "a shell in it, for which nobody has asked",
            within(9, shell),
        ),
        ("the login ends", within(8, over())),
        ("the other login ends", within(10, over())),
        end(Losses::default()),
    ]
}

pub fn delegated_case() -> Vec<Described> {
    let write = |d: &mut Disk| d.flags = libc::O_WRONLY as u32;
    vec![
        start(),
        ("a shell", run(1500, b"/bin/sh", b"sh\0", |_| {})),
        ("a socket", local(1501, b"/run/podman/podman.sock", |_| {})),
        (
            "one that does not answer",
            local(1502, b"/run/crio/crio.sock", |l| {
                l.return_code = -libc::ECONNREFUSED
            }),
        ),
        ("of a user", local(1503, b"/run/user/1000/bus", |_| {})),
        ("a job", opened(1504, b"/var/spool/cron/atjobs/a1", write)),
        (
            "a unit of the account's own",
            opened(1504, b"/home/one/.config/systemd/user/own.service", write),
        ),
        (
            "a job that is read",
            opened(1505, b"/var/spool/cron/atjobs/a1", |_| {}),
        ),
        end(Losses::default()),
    ]
}

pub fn job_case() -> Vec<Described> {
    let of = |session: u64, mut bytes: Vec<u8>| {
        bytes[std::mem::offset_of!(Head, session)] = session as u8;
        bytes
    };
    let begun = |session: u64, login: u32, parent: u64| {
        let start = SessionStart {
            record: head(Kind::SessionStart, 2000),
            parent,
            uid: UID,
            login,
            ..SessionStart::default()
        };
        of(session, record(start, b""))
    };
    let run_in = |session: u64| {
        let shell = run(3000, b"/bin/sh", b"sh\0-c\0backup\0", |_| {});
        of(session, shell)
    };
    let over = |session: u64| of(session, end(Losses::default()).1);
    vec![
        start(),
        ("a shell", run(1500, b"/bin/sh", b"sh\0", |_| {})),
        ("a job of at", begun(8, login::AT, 7)),
        ("what it runs", run_in(8)),
        ("its end", over(8)),
        ("a job of cron", begun(9, login::CRON, 7)),
        ("what it runs", run_in(9)),
        ("its end", over(9)),
        ("a unit", begun(11, login::SYSTEMD_RUN, 7)),
        ("what it runs", run_in(11)),
        ("its end", over(11)),
        ("what a manager begins", begun(12, login::SYSTEMD, 7)),
        ("what it runs", run_in(12)),
        ("its end", over(12)),
        (
            "a job of a session that is not known",
            begun(10, login::AT, 6),
        ),
        ("what it runs", run_in(10)),
        ("its end", over(10)),
        end(Losses::default()),
    ]
}

pub fn malformed_case() -> Vec<Described> {
    let whole = opened(1501, b"/tmp/file", |_| {});
    vec![
        start(),
        ("a shell", run(1500, b"/bin/sh", b"sh\0", |_| {})),
        ("cut", whole[..whole.len() - 1].to_vec()),
        (
            "a path longer than the record",
            opened(1502, b"/tmp/file", |d| d.lengths[0] += 1),
        ),
        (
            "more requested than there is",
            asked(1502, "unlink", [(b"/tmp/file", 10), (b"", 0)], |_| {}),
        ),
        (
            "a kind that there is not",
            opened(1503, b"/tmp/file", |d| d.record.kind = 99),
        ),
        end(Losses::default()),
    ]
}
