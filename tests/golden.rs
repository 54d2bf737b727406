//! From records to lines: tests/golden/NAME.hex has the records, NAME.json the lines that they
//! must give, byte for byte.
//!
//! After a change of the events, `BLESS=1 cargo test --test golden` writes the lines anew, to be
//! read over. After a change of the records, `cargo test --test golden -- --ignored` writes the
//! records anew, from the cases below.

mod common;

use std::fs;

use common::golden::{NoKernel, path, records, writer};
use common::random::Random;
use common::schema;
use recorderd::record::layout::{
    AUDIT_UNSET, Arguments, Command, Counts, DISK_OPERATIONS, Disk, Dns, Endpoint, Environment,
    Head, ID_NONE, Layout, LocalConnect, Losses, Network, NetworkResult, PRIVILEGE_OPERATIONS,
    PacketSocket, Privilege, ProcessExit, ProcessIds, Send, SendsKey, SessionEnd, SessionStart,
    Vsock, command_mark, kind, login, operation, path_note, send_mark, via,
};
use recorderd::session::Table;

/// No account has it, so that the login is the number on every host.
const UID: u32 = 4_000_000_000;

/// Stands in the lines for the version, which changes with each release.
const VERSION: &str = "@VERSION@";

/// What a record is, and its bytes.
type Described = (&'static str, Vec<u8>);

/// The name of a case's files, and what builds its records.
type Case = (&'static str, fn() -> Vec<Described>);

const CASES: &[Case] = &[
    ("command", command_case),
    ("hostile", hostile_case),
    ("exe", exe_case),
    ("arguments", arguments_case),
    ("exit", exit_case),
    ("disk", disk_case),
    ("file_operation", file_operation_case),
    ("network", network_case),
    ("uring", uring_case),
    ("local", local_case),
    ("socket", socket_case),
    ("privilege", privilege_case),
    ("datagram", datagram_case),
    ("dns", dns_case),
    ("terminal", terminal_case),
    ("initial_command", initial_command_case),
    ("environment", environment_case),
    ("nothing_done", nothing_done_case),
    ("lost", lost_case),
    ("left_out", left_out_case),
    ("start_lost", start_lost_case),
    ("network_first", network_first_case),
    ("backlog", backlog_case),
    ("two_sessions", two_sessions_case),
    ("nested_and_found", nested_and_found_case),
    ("delegated", delegated_case),
    ("job", job_case),
    ("other_login", other_login_case),
    ("malformed", malformed_case),
];

/// A head at so many milliseconds since boot; `record` fills in the length.
fn head(kind: u32, time: u64) -> Head {
    Head {
        time: time * 1_000_000,
        session: 7,
        cgroup_id: 2360,
        kind: kind as u16,
        via: 0,
        pid: 5007,
        audit_session_id: 7,
        program: program(b"curl"),
        length: 0,
    }
}

fn program(name: &[u8]) -> [u8; 16] {
    let mut program = [0; 16];
    program[..name.len()].copy_from_slice(name);
    program
}

/// The bytes that a probe sends: a structure, and the strings behind it.
fn record(fixed: impl Layout, strings: &[u8]) -> Vec<u8> {
    // SAFETY: a `Layout` has no padding, so each of its bytes has a value.
    let fixed =
        unsafe { std::slice::from_raw_parts((&raw const fixed).cast::<u8>(), size_of_val(&fixed)) };
    let mut bytes = [fixed, strings].concat();
    let length = bytes.len() as u32;
    let at = std::mem::offset_of!(Head, length);
    bytes[at..at + 4].copy_from_slice(&length.to_ne_bytes());
    bytes
}

fn v4(address: [u8; 4], port: u16) -> Endpoint {
    let mut endpoint = Endpoint {
        port,
        version: 4,
        ..Endpoint::default()
    };
    endpoint.address[..4].copy_from_slice(&address);
    endpoint
}

fn v6(address: &str, port: u16) -> Endpoint {
    Endpoint {
        address: address.parse::<std::net::Ipv6Addr>().unwrap().octets(),
        port,
        version: 6,
        ..Endpoint::default()
    }
}

fn start() -> Described {
    let start = SessionStart {
        record: head(kind::SESSION_START, 1000),
        local: v4([192, 0, 2, 1], 22),
        remote: v4([198, 51, 100, 7], 50_000),
        uid: UID,
        connection_pid: 4000,
        login: login::SSH,
        unused: 0,
        parent: 0,
        began: 0,
    };
    ("the session starts", record(start, b""))
}

fn end(lost: Losses) -> Described {
    end_with(lost, Counts::default())
}

fn end_with(lost: Losses, left_out: Counts) -> Described {
    let end = SessionEnd {
        record: head(kind::SESSION_END, 9000),
        lost,
        left_out,
    };
    ("the session ends", record(end, b""))
}

fn left_out_case() -> Vec<Described> {
    vec![
        start(),
        ("a shell", run(1500, b"/bin/sh", b"sh\0", |_| {})),
        end_with(
            Losses::default(),
            std::array::from_fn(|family| family as u64 * 1000),
        ),
    ]
}

/// The strings of a command, and what else differs.
struct Run<'a> {
    path: &'a [u8],
    exe: &'a [u8],
    cwd: &'a [u8],
    interpreter: &'a [u8],
    environment: &'a [u8],
    /// As in memory: argv[0] included, a zero byte behind each.
    argv: &'a [u8],
    fixed: Command,
}

/// A command at so many milliseconds since boot.
fn run(time: u64, path: &[u8], argv: &[u8], change: impl FnOnce(&mut Run)) -> Vec<u8> {
    let mut run = Run {
        path,
        exe: path,
        cwd: b"/home/alice",
        interpreter: b"",
        environment: b"",
        argv,
        fixed: Command {
            record: head(kind::COMMAND, time),
            inode: 1234,
            device: 254 << 20 | 1,
            parent_pid: 4985,
            uid: UID,
            gid: 100,
            euid: UID,
            egid: 100,
            ..Command::default()
        },
    };
    change(&mut run);
    let texts = [
        run.path,
        run.exe,
        run.cwd,
        run.interpreter,
        run.environment,
        run.argv,
    ];
    run.fixed.lengths = texts.map(|text| text.len() as u32);
    record(run.fixed, &texts.concat())
}

/// Of pts/3.
fn in_terminal(run: &mut Run, columns: u16, rows: u16) {
    run.fixed.terminal = 136 << 20 | 3;
    (run.fixed.columns, run.fixed.rows) = (columns, rows);
}

/// A command that the kernel refused.
fn refused(time: u64, path: &[u8], argv: &[u8], error: i32) -> Vec<u8> {
    run(time, path, argv, |run| {
        run.exe = b"";
        run.fixed.return_code = -error;
    })
}

fn exited(time: u64, change: impl FnOnce(&mut ProcessExit)) -> Vec<u8> {
    let mut exit = ProcessExit {
        record: head(kind::PROCESS_EXIT, time),
        duration: 1_234_567_890,
        cpu_time: 2_999,
        max_memory: 0,
        ..ProcessExit::default()
    };
    change(&mut exit);
    record(exit, b"")
}

fn opened(time: u64, path: &[u8], change: impl FnOnce(&mut Disk)) -> Vec<u8> {
    done(
        time,
        operation_of("open"),
        [path, b"", b"", b"", b""],
        change,
    )
}

/// A file operation by its name.
fn operation_of(name: &str) -> u16 {
    let index = DISK_OPERATIONS.iter().position(|one| *one == name);
    index.unwrap() as u16
}

/// A file operation with its strings: path and what was typed for it, target and the same, name.
fn done(time: u64, operation: u16, texts: [&[u8]; 5], change: impl FnOnce(&mut Disk)) -> Vec<u8> {
    let mut disk = Disk {
        record: head(kind::DISK, time),
        operation,
        lengths: texts.map(|text| text.len() as u16),
        ..Disk::default()
    };
    change(&mut disk);
    record(disk, &texts.concat())
}

/// The same with paths that end in what was typed, of so many bytes.
fn asked(
    time: u64,
    operation: &str,
    [path, target]: [(&[u8], u16); 2],
    change: impl FnOnce(&mut Disk),
) -> Vec<u8> {
    let texts = [path.0, b"", target.0, b"", b""];
    done(time, operation_of(operation), texts, |disk| {
        (disk.lengths[1], disk.lengths[3]) = (path.1, target.1);
        disk.path_notes = path_note::TYPED as u16;
        if !target.0.is_empty() {
            disk.target_notes = path_note::TYPED as u16;
        }
        change(disk);
    })
}

fn network(time: u64, operation: u32, ends: [Endpoint; 2], protocol: u32) -> Vec<u8> {
    let [source, destination] = ends;
    let network = Network {
        record: head(kind::NETWORK, time),
        source,
        destination,
        connection: time,
        operation,
        protocol,
        return_code: 0,
        unused: 0,
    };
    record(network, b"")
}

const TCP: u32 = 6;
const UDP: u32 = 17;

fn connected(time: u64, source: Endpoint, destination: Endpoint) -> Vec<u8> {
    network(time, operation::CONNECT, [source, destination], TCP)
}

/// What became of the connect at the time `begun`.
fn result(time: u64, begun: u64, ends: [Endpoint; 2], result: i32) -> Vec<u8> {
    let [source, destination] = ends;
    let of = NetworkResult {
        record: head(kind::NETWORK_RESULT, time),
        source,
        destination,
        connection: begun,
        duration: (time - begun) * 1_000_000 + 999,
        result,
        unused: 0,
    };
    record(of, b"")
}

fn local(time: u64, name: &[u8], change: impl FnOnce(&mut LocalConnect)) -> Vec<u8> {
    let mut local = LocalConnect {
        record: head(kind::LOCAL_CONNECT, time),
        path_length: name.len() as u32,
        ..LocalConnect::default()
    };
    change(&mut local);
    record(local, name)
}

fn privileged(
    time: u64,
    operation: &str,
    path: &[u8],
    change: impl FnOnce(&mut Privilege),
) -> Vec<u8> {
    let operation = PRIVILEGE_OPERATIONS
        .iter()
        .position(|known| *known == operation);
    let ids = ProcessIds {
        uid: UID,
        gid: 100,
        euid: UID,
        egid: 100,
    };
    let mut privilege = Privilege {
        record: head(kind::PRIVILEGE, time),
        operation: operation.unwrap() as u32,
        ids,
        old_ids: ProcessIds {
            uid: ID_NONE,
            ..ProcessIds::default()
        },
        path_length: path.len() as u32,
        ..Privilege::default()
    };
    change(&mut privilege);
    record(privilege, path)
}

fn named(privilege: &mut Privilege, name: &[u8]) {
    privilege.name[..name.len()].copy_from_slice(name);
}

fn privilege_case() -> Vec<Described> {
    vec![
        start(),
        ("a shell", run(1500, b"/bin/sh", b"sh\0", |_| {})),
        (
            "becomes root",
            privileged(1501, "setresuid", b"", |p| {
                (p.old_ids, p.ids.uid) = (p.ids, 0);
            }),
        ),
        (
            "what it was is not known",
            privileged(1502, "setgid", b"", |_| {}),
        ),
        (
            "may not become root",
            privileged(1503, "setreuid", b"", |p| {
                p.return_code = -1;
                p.requested = [ID_NONE, 0, 7];
            }),
        ),
        (
            "the login's mark",
            privileged(1504, "loginuid", b"", |p| {
                (p.loginuid, p.old_loginuid, p.old_audit_session_id) = (0, ID_NONE, 6);
            }),
        ),
        (
            "capabilities",
            privileged(1505, "capset", b"", |p| {
                (p.effective, p.permitted, p.inheritable) = (0x1ff_fffe_ffff, u64::MAX, 0);
            }),
        ),
        (
            "a process, whose file is gone",
            privileged(1506, "ptrace_attach", b"/usr/sbin/sshd", |p| {
                (p.target_pid, p.path_notes) = (812, path_note::DELETED);
                named(p, b"sshd");
            }),
        ),
        (
            "a process with names that are not text, in a path too deep",
            privileged(1507, "process_vm_writev", b"/\xff", |p| {
                (p.target_pid, p.bytes, p.path_notes) = (812, u64::MAX, path_note::CUT);
                named(p, b"\xf0\x9f");
            }),
        ),
        (
            "no such process",
            privileged(1508, "ptrace_seize", b"", |p| {
                (p.target_pid, p.return_code) = (ID_NONE, -3);
            }),
        ),
        (
            "a module",
            privileged(1509, "finit_module", b"/lib/modules/x.ko", |_| {}),
        ),
        (
            "a module from memory",
            privileged(1510, "init_module", b"", |p| p.return_code = -8),
        ),
        (
            "a module with the longest name",
            privileged(1511, "delete_module", b"", |p| p.name = [b'm'; 56]),
        ),
        (
            "a BPF program of a type to come",
            privileged(1512, "bpf_prog_load", b"", |p| {
                p.program_type = 999;
                named(p, b"probe");
            }),
        ),
        (
            "a BPF program without a name",
            privileged(1513, "bpf_prog_load", b"", |p| p.program_type = 2),
        ),
        (
            "a kernel",
            privileged(1514, "kexec_file_load", b"/boot/vmlinuz", |_| {}),
        ),
        (
            "every namespace",
            privileged(1515, "unshare", b"", |p| p.namespaces = 0x7e02_0080),
        ),
        (
            "a namespace of no kind",
            privileged(1516, "setns", b"", |p| p.return_code = -22),
        ),
        (
            "another root",
            privileged(1517, "chroot", b"/srv/caf\xe9", |_| {}),
        ),
        end(Losses::default()),
    ]
}

/// The first datagram of a period of a minute.
fn sent(
    time: u64,
    [source, destination]: [Endpoint; 2],
    change: impl FnOnce(&mut SendsKey),
) -> Vec<u8> {
    let head = head(kind::SEND, time);
    let mut send = Send {
        record: head,
        source,
        key: SendsKey {
            session: head.session,
            started: 1_400_000_000,
            ends: 61_400_000_000,
            pid: head.pid,
            protocol: UDP,
            destination,
            ..SendsKey::default()
        },
    };
    change(&mut send.key);
    record(send, b"")
}

/// A message to the DNS port: a header with a question, then `question`.
fn queried(time: u64, [source, destination]: [Endpoint; 2], question: &[u8]) -> Vec<u8> {
    let message = [b"\xab\xcd\x01\0\0\x01\0\0\0\0\0\0", question].concat();
    let dns = Dns {
        record: head(kind::DNS, time),
        source,
        destination,
        message_length: message.len() as u32,
        unused: 0,
    };
    record(dns, &message)
}

fn command_case() -> Vec<Described> {
    let argv = b"curl\0https://wttr.in\0";
    vec![
        start(),
        ("a shell", run(1500, b"/bin/bash", b"-bash\0", |_| {})),
        ("a program", run(2540, b"/usr/bin/curl", argv, |_| {})),
        (
            "a program that is not there",
            refused(3000, b"/usr/local/bin/curl", argv, libc::ENOENT),
        ),
        end(Losses::default()),
    ]
}

fn hostile_case() -> Vec<Described> {
    let path = b"/tmp/\"quoted\"\\\n\r\t\x1b[2J\x00\x7f";
    let controls: Vec<u8> = (1..=0x20).chain([0x7f, b'"', b'\\', b'/', 0]).collect();
    let utf8 = "ls\0\u{e9}\u{2028}\u{fffd}\u{1f980}\u{202e}\0".as_bytes();
    vec![
        start(),
        (
            "control characters and quotes",
            run(1500, path, b"\n\0", |_| {}),
        ),
        (
            "each control character in an argument",
            run(1501, b"/a", &[b"a\0", controls.as_slice()].concat(), |_| {}),
        ),
        ("not ASCII", run(1502, b"/bin/ls", utf8, |_| {})),
        (
            "not UTF-8, in the program's name as well",
            run(
                1503,
                b"/tmp/\xff\xfe",
                b"x\0\xc3\x28\0ok\0\xed\xa0\x80\0",
                |c| {
                    c.fixed.record.program = *b"\xf0\x9f\xa6456789abcde\xff\0";
                },
            ),
        ),
        (
            "empty arguments",
            run(1504, b"/bin/echo", b"echo\0\0\0x\0\0", |_| {}),
        ),
        ("no argv[0]", run(1505, b"/bin/true", b"", |_| {})),
        ("an empty argv[0]", run(1506, b"/bin/true", b"\0", |_| {})),
        ("no path", refused(1507, b"", b"sh\0", libc::EFAULT)),
        (
            "arguments that did not fit, the last one cut inside a character",
            run(1508, b"/bin/echo", b"echo\0abc\xc3", |c| {
                c.fixed.argv_missing = 100_000
            }),
        ),
        (
            "the largest numbers",
            run(1509, b"/bin/true", b"true\0", |c| {
                let fixed = &mut c.fixed;
                fixed.record.cgroup_id = u64::MAX;
                fixed.record.pid = u32::MAX;
                fixed.record.audit_session_id = u32::MAX - 1;
                fixed.record.program = *b"0123456789abcdef";
                (fixed.inode, fixed.device) = (u64::MAX, u32::MAX);
                (fixed.parent_pid, fixed.terminal) = (u32::MAX, u32::MAX);
                (fixed.uid, fixed.gid) = (u32::MAX, u32::MAX);
                (fixed.euid, fixed.egid) = (u32::MAX, u32::MAX);
                fixed.return_code = -4095;
                fixed.argv_missing = u32::MAX;
            }),
        ),
        end(Losses::default()),
    ]
}

fn disk_case() -> Vec<Described> {
    vec![
        start(),
        ("a shell", run(1500, b"/bin/sh", b"sh\0", |_| {})),
        ("for reading", opened(1501, b"/etc/hostname", |_| {})),
        (
            "for writing: O_WRONLY|O_CREAT|O_TRUNC|O_CLOEXEC",
            opened(1502, b"/tmp/new", |d| d.flags = 0o2001101),
        ),
        (
            "not allowed",
            opened(1503, b"/etc/shadow", |d| d.return_code = -13),
        ),
        (
            "deleted",
            opened(1504, b"/tmp/gone", |d| {
                d.path_notes = path_note::DELETED as u16;
            }),
        ),
        (
            "deeper than can be walked",
            opened(1505, b"/deep/down", |d| {
                d.path_notes = path_note::CUT as u16;
            }),
        ),
        (
            "relative to what could not be read",
            opened(1506, b"name", |d| {
                d.path_notes = (path_note::RELATIVE | path_note::DELETED) as u16;
            }),
        ),
        ("not UTF-8", opened(1507, b"/tmp/caf\xe9", |_| {})),
        ("no path", opened(1508, b"", |d| d.return_code = -14)),
        (
            "by a process without an audit session",
            opened(1509, b"/", |d| {
                d.record.audit_session_id = AUDIT_UNSET;
                d.flags = u32::MAX;
            }),
        ),
        (
            "typed as something else, for no access",
            done(
                1510,
                operation_of("open"),
                [b"/etc/hostname", b"../caf\xe9", b"", b"", b""],
                |d| d.flags = 3,
            ),
        ),
        (
            "created",
            opened(1511, b"/tmp/new", |d| {
                (d.operation, d.mode) = (operation_of("create"), 0o600);
                d.flags = 0o102;
            }),
        ),
        (
            "by its path only: O_PATH",
            opened(1512, b"/tmp", |d| d.flags = 0o10000000),
        ),
        end(Losses::default()),
    ]
}

fn file_operation_case() -> Vec<Described> {
    const NONE: (&[u8], u16) = (b"", 0);
    vec![
        start(),
        ("a shell", run(1500, b"/bin/sh", b"sh\0", |_| {})),
        (
            "a name in the working directory",
            asked(1501, "unlink", [(b"/home/alice/file", 4), NONE], |_| {}),
        ),
        (
            "by a path in which links may be",
            asked(1502, "unlink", [(b"/tmp/./file", 11), NONE], |_| {}),
        ),
        (
            "not there",
            asked(1503, "rmdir", [(b"/tmp/./folder", 13), NONE], |d| {
                (d.flags, d.return_code) = (0x200, -libc::ENOENT);
            }),
        ),
        (
            "two names",
            asked(
                1504,
                "rename",
                [(b"/home/alice/../old", 6), (b"/srv/caf\xe9", 4)],
                |d| d.flags = 1,
            ),
        ),
        (
            "two names in folders that could not be read, or were too deep",
            asked(1505, "link", [(b"old", 3), (b"/deep/a/new", 5)], |d| {
                d.path_notes |= path_note::RELATIVE as u16;
                d.target_notes |= path_note::CUT as u16;
            }),
        ),
        (
            "a symbolic link, and what it says",
            done(
                1506,
                operation_of("symlink"),
                [b"/home/alice/link", b"", b"../\"x\"", b"", b""],
                |d| {
                    (d.path_notes, d.lengths[1]) = (path_note::TYPED as u16, 4);
                },
            ),
        ),
        (
            "a folder in another root",
            asked(1507, "mkdir", [(b"/jail/a/../folder", 9), NONE], |d| {
                d.path_notes |= path_note::CHROOT as u16;
                d.mode = 0o1777;
            }),
        ),
        (
            "a device",
            asked(1508, "mknod", [(b"/home/alice/disk", 4), NONE], |d| {
                (d.mode, d.value) = (0o60640, 0x80_0812);
            }),
        ),
        (
            "a pipe",
            asked(1509, "mknod", [(b"/home/alice/pipe", 4), NONE], |d| {
                d.mode = 0o10600;
            }),
        ),
        (
            "a mode, through a link",
            asked(1510, "chmod", [(b"/home/alice/link", 4), NONE], |d| {
                d.path_notes |= path_note::FOLLOWED as u16;
                d.mode = 0o4755;
            }),
        ),
        (
            "an owner",
            opened(1511, b"/tmp/file", |d| {
                d.operation = operation_of("chown");
                (d.owner, d.group) = (0, u32::MAX);
            }),
        ),
        (
            "a group, of what has no name",
            opened(1512, b"/tmp/file", |d| {
                d.operation = operation_of("chown");
                (d.owner, d.group) = (u32::MAX, 100);
                d.path_notes = path_note::DELETED as u16;
            }),
        ),
        (
            "a length that can't be",
            opened(1513, b"/tmp/file", |d| {
                d.operation = operation_of("truncate");
                (d.value, d.return_code) = (u64::MAX, -libc::EINVAL);
            }),
        ),
        (
            "an attribute",
            done(
                1514,
                operation_of("setxattr"),
                [b"/tmp/file", b"", b"", b"", b"user.\xff"],
                |d| d.flags = 1,
            ),
        ),
        (
            "it goes",
            done(
                1515,
                operation_of("removexattr"),
                [b"/tmp/file", b"", b"", b"", b"user.x"],
                |_| {},
            ),
        ),
        (
            "a file system",
            done(
                1516,
                operation_of("mount"),
                [b"none", b"", b"/mnt", b"", b"tmpfs"],
                |d| {
                    (d.target_notes, d.lengths[3]) =
                        ((path_note::TYPED | path_note::FOLLOWED) as u16, 4);
                },
            ),
        ),
        (
            "the same folder elsewhere: MS_BIND",
            asked(1517, "mount", [(b"/srv", 4), (b"/mnt", 4)], |d| {
                d.flags = 4096
            }),
        ),
        (
            "it goes",
            asked(1518, "umount", [(b"/mnt", 4), NONE], |d| d.flags = 2),
        ),
        (
            "a mapping becomes code",
            opened(1519, b"/tmp/code", |d| {
                d.operation = operation_of("protect")
            }),
        ),
        (
            "memory without a file does",
            opened(1520, b"", |d| {
                d.operation = operation_of("protect");
                d.path_notes = path_note::NONE as u16;
            }),
        ),
        (
            "by a program with threads",
            asked(1521, "rename", [(b"/tmp/a", 6), (b"/tmp/b", 6)], |d| {
                d.path_notes |= path_note::UNSETTLED as u16;
                d.target_notes |= path_note::UNSETTLED as u16;
            }),
        ),
        end(Losses::default()),
    ]
}

fn uring_case() -> Vec<Described> {
    let through =
        |time, marks: u32| opened(time, b"/etc/hostname", |d| d.record.via = marks as u16);
    vec![
        start(),
        ("a shell", run(1500, b"/bin/sh", b"sh\0", |_| {})),
        ("opened through io_uring", through(1501, via::IO_URING)),
        (
            "the same, and what came of it was not seen",
            through(1502, via::IO_URING | via::UNCONFIRMED),
        ),
        end(Losses::default()),
    ]
}

fn exe_case() -> Vec<Described> {
    let shebang = b"python3\0-u\0./tool\0";
    vec![
        start(),
        ("a shell", run(1500, b"/bin/sh", b"sh\0", |_| {})),
        (
            "a link to a setuid file",
            run(1501, b"/bin/link", b"link\0", |c| {
                c.exe = b"/usr/bin/sudo";
                c.fixed.marks = command_mark::PRIVILEGED;
                (c.fixed.euid, c.fixed.egid) = (0, 0);
            }),
        ),
        (
            "a script, in a folder that is not UTF-8",
            run(1502, b"./tool", shebang, |c| {
                c.exe = b"/usr/bin/python3.11";
                c.cwd = b"/srv/caf\xe9";
                c.interpreter = b"/usr/bin/python3";
            }),
        ),
        (
            "of 32 bits",
            run(1503, b"/bin/old", b"old\0", |c| {
                c.exe = b"/usr/bin/old";
                c.fixed.marks = command_mark::COMPAT;
            }),
        ),
        (
            "in memory only",
            run(1503, b"/proc/self/fd/3", b"x\0", |c| {
                c.exe = b"/memfd:x";
                c.fixed.marks = command_mark::EXE_DELETED;
            }),
        ),
        (
            "deleted, and deeper than can be walked",
            run(1504, b"./gone", b"gone\0", |c| {
                c.exe = b"/deep/gone";
                c.fixed.marks = command_mark::EXE_DELETED | command_mark::PATH_INCOMPLETE;
            }),
        ),
        (
            "with variables, of which there are more",
            run(1505, b"/bin/ls", b"ls\0", |c| {
                c.environment = b"LD_PRELOAD=/tmp/\"x\".so\0LD_AUDIT=\0LD_LIBRARY_PATH=a=\xff\0";
                c.fixed.marks = command_mark::ENVIRONMENT_PARTIAL;
            }),
        ),
        end(Losses::default()),
    ]
}

fn arguments_case() -> Vec<Described> {
    let part = |time, offset, bytes: &[u8]| {
        let arguments = Arguments {
            record: head(kind::ARGUMENTS, time),
            offset,
            arguments_length: bytes.len() as u32,
        };
        record(arguments, bytes)
    };
    // The block is cut anywhere, here inside a character.
    let first = [b"echo\0", &[b'x'; 8192 - 6][..], b"\xc3"].concat();
    vec![
        start(),
        ("a shell", run(1500, b"/bin/sh", b"sh\0", |_| {})),
        ("of a command that was lost", part(1501, 8192, b"lost\0")),
        ("the second part", part(1502, 8192, b"\xa9\0second\0th")),
        ("the third part", part(1503, 8203, b"ird\0")),
        ("the command", run(1504, b"/bin/echo", &first, |_| {})),
        (
            "a part of another one that was lost",
            part(1505, 8192, b"lost\0"),
        ),
        (
            "a command without further parts",
            run(1506, b"/bin/echo", b"echo\0short\0", |_| {}),
        ),
        end(Losses::default()),
    ]
}

fn exit_case() -> Vec<Described> {
    vec![
        start(),
        ("a shell", run(1500, b"/bin/sh", b"sh\0", |_| {})),
        ("it ends well", exited(1600, |_| {})),
        (
            "another one, whose command was lost, does not",
            exited(1601, |e| e.exit_code = 255 << 8),
        ),
        ("another one", run(1602, b"/bin/cat", b"cat\0", |_| {})),
        (
            "another exec of the same process",
            run(1603, b"/bin/tac", b"tac\0", |_| {}),
        ),
        ("is ended by SIGTERM", exited(1604, |e| e.exit_code = 15)),
        (
            "another one by SIGSEGV, with a core dump",
            exited(1605, |e| {
                e.exit_code = 11 | 0x80;
                (e.duration, e.cpu_time, e.max_memory) = (u64::MAX, u64::MAX, 0);
            }),
        ),
        end(Losses::default()),
    ]
}

fn network_case() -> Vec<Described> {
    let mapped = |last, port| v6(&format!("::ffff:203.0.113.{last}"), port);
    let ends = [v4([172, 31, 34, 128], 40_000), v4([5, 9, 243, 187], 443)];
    let [source, destination] = ends;
    vec![
        start(),
        ("a shell", run(1500, b"/bin/sh", b"sh\0", |_| {})),
        ("version 4", connected(1501, source, destination)),
        ("it is connected", result(1502, 1501, ends, 0)),
        (
            "version 6",
            connected(
                1503,
                v6("2001:db8::1", 40_001),
                v6("2001:db8:0:1::2", 65_535),
            ),
        ),
        (
            "version 4 over a socket of version 6",
            connected(1504, mapped(1, 40_002), mapped(2, 80)),
        ),
        (
            "refused",
            result(
                1505,
                1504,
                [mapped(1, 40_002), mapped(2, 80)],
                -libc::ECONNREFUSED,
            ),
        ),
        (
            "a result whose connect was lost",
            result(1506, 1505, ends, -libc::ETIMEDOUT),
        ),
        (
            "no address yet",
            connected(1507, v6("::", 0), v6("::1", 22)),
        ),
        (
            "listens",
            network(1508, operation::LISTEN, [v6("::", 8080), v6("::", 0)], TCP),
        ),
        (
            "accepts version 4 over a socket of version 6",
            network(
                1509,
                operation::ACCEPT,
                [mapped(1, 8080), mapped(9, 50_000)],
                TCP,
            ),
        ),
        ("UDP", network(1510, operation::CONNECT, ends, UDP)),
        (
            "a protocol without a name",
            network(1511, operation::CONNECT, ends, 253),
        ),
        end(Losses::default()),
    ]
}

fn local_case() -> Vec<Described> {
    vec![
        start(),
        ("a shell", run(1500, b"/bin/sh", b"sh\0", |_| {})),
        ("a path", local(1501, b"/run/docker.sock", |_| {})),
        (
            "not there",
            local(1502, b"./sock\xff", |l| l.return_code = -libc::ENOENT),
        ),
        (
            "an abstract name",
            local(1503, b"\0bus \0\xfe", |l| l.is_abstract = 1),
        ),
        ("an empty one", local(1504, b"", |l| l.is_abstract = 1)),
        (
            "deleted, and deeper than can be walked",
            local(1505, b"/deep/sock", |l| {
                l.path_notes = path_note::DELETED | path_note::CUT;
            }),
        ),
        end(Losses::default()),
    ]
}

fn socket_case() -> Vec<Described> {
    let failed = |time, ends: [Endpoint; 2], protocol, error: i32| {
        let [source, destination] = ends;
        let network = Network {
            record: head(kind::NETWORK, time),
            source,
            destination,
            connection: 0,
            operation: operation::CONNECT,
            protocol,
            return_code: -error,
            unused: 0,
        };
        record(network, b"")
    };
    let vsock = |time, operation, change: fn(&mut Vsock)| {
        let mut vsock = Vsock {
            record: head(kind::VSOCK, time),
            operation,
            context: 3,
            port: 1234,
            peer_context: 2,
            peer_port: u32::MAX - 1,
            ..Vsock::default()
        };
        change(&mut vsock);
        record(vsock, b"")
    };
    let packet = |time, kind, protocol, return_code| {
        let socket = PacketSocket {
            record: head(kind::PACKET_SOCKET, time),
            kind,
            protocol,
            return_code,
            unused: [0; 3],
        };
        record(socket, b"")
    };
    let unbound = [v4([0; 4], 0), v6("::", 0)];
    vec![
        start(),
        ("a shell", run(1500, b"/bin/sh", b"sh\0", |_| {})),
        (
            "no way there",
            failed(
                1501,
                [unbound[0], v4([192, 0, 2, 9], 443)],
                TCP,
                libc::ENETUNREACH,
            ),
        ),
        (
            "an address of the other version",
            failed(
                1502,
                [unbound[0], v6("2001:db8::9", 53)],
                UDP,
                libc::EAFNOSUPPORT,
            ),
        ),
        (
            "version 4 by a socket of version 6",
            failed(
                1503,
                [unbound[1], v6("::ffff:192.0.2.9", 53)],
                UDP,
                libc::EACCES,
            ),
        ),
        (
            "no address",
            failed(1504, [unbound[1], Endpoint::default()], TCP, libc::EINVAL),
        ),
        ("to a host", vsock(1505, operation::CONNECT, |_| {})),
        (
            "to nobody, from an own port that there is not yet",
            vsock(1506, operation::CONNECT, |v| {
                (v.context, v.port, v.return_code) = (u32::MAX, u32::MAX, -libc::ENODEV);
            }),
        ),
        (
            "for all",
            vsock(1507, operation::LISTEN, |v| v.context = u32::MAX),
        ),
        ("from a host", vsock(1508, operation::ACCEPT, |_| {})),
        ("all frames", packet(1509, 3, 3, 0)),
        (
            "frames without their heads",
            packet(1510, 2, 0x0800, -libc::EPERM),
        ),
        (
            "of another kind",
            packet(1511, 10, 0, -libc::ESOCKTNOSUPPORT),
        ),
        end(Losses::default()),
    ]
}

fn datagram_case() -> Vec<Described> {
    let local = |time, name: &[u8], error: i32| {
        sent(time, [Endpoint::default(); 2], |key| {
            key.name[..name.len()].copy_from_slice(name);
            (key.name_length, key.return_code) = (name.len() as u32, -error);
            (key.protocol, key.ends) = (0, 2_000_000_000);
        })
    };
    let v6 = [v6("2001:db8::1", 40_001), v6("2001:db8:0:1::2", 65_535)];
    let v4 = |port| [v4([192, 0, 2, 1], 40_000), v4([198, 51, 100, 9], port)];
    vec![
        start(),
        ("a shell", run(1500, b"/bin/sh", b"sh\0", |_| {})),
        ("the first to a peer", sent(1501, v4(514), |_| {})),
        ("over version 6", sent(1502, v6, |_| {})),
        (
            "an echo request, of which there are no more",
            sent(1503, v4(0), |key| key.protocol = 1),
        ),
        (
            "through a raw socket, in a period that is shorter than the session",
            sent(1504, v4(80), |key| {
                (key.protocol, key.marks) = (TCP, send_mark::RAW);
                key.ends = 2_000_000_000;
            }),
        ),
        (
            "to a local socket, in an address of full length",
            local(1505, b"/dev/log\0\0\0x", 0),
        ),
        (
            "to one that is not there",
            local(1506, b"caf\xe9", libc::ENOENT),
        ),
        ("to one with an abstract name", local(1507, b"\0a\0b", 0)),
        (
            "to one with the longest name",
            local(1508, &[b'x'; 108], libc::ECONNREFUSED),
        ),
        end(Losses::default()),
    ]
}

fn dns_case() -> Vec<Described> {
    let v4 = [v4([192, 0, 2, 1], 40_000), v4([127, 0, 0, 53], 53)];
    let v6 = [v6("::1", 40_001), v6("::1", 53)];
    let name = b"\x07example\x03org\0";
    vec![
        start(),
        ("a shell", run(1500, b"/bin/sh", b"sh\0", |_| {})),
        (
            "an address of version 4",
            queried(1501, v4, &[name.as_slice(), b"\0\x01\0\x01"].concat()),
        ),
        (
            "an address of version 6, over version 6",
            queried(1502, v6, &[name.as_slice(), b"\0\x1c\0\x01"].concat()),
        ),
        (
            "labels of any bytes, and a type without a name",
            queried(1503, v4, b"\x04a.\\\n\x02\xff\"\0\xff\xfe\0\x01"),
        ),
        ("the root", queried(1504, v4, b"\0\0\x02\0\x01")),
        ("no question", queried(1505, v4, b"")),
        (
            "a pointer to itself",
            queried(1506, v4, b"\xc0\x0c\0\x01\0\x01"),
        ),
        end(Losses::default()),
    ]
}

fn terminal_case() -> Vec<Described> {
    let interactive = |c: &mut Run| in_terminal(c, 80, 25);
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

fn initial_command_case() -> Vec<Described> {
    let argv = b"bash\0-c\0cat '/etc/caf\xe9'\0";
    vec![
        start(),
        (
            "a shell with a command",
            run(1500, b"/bin/bash", argv, |_| {}),
        ),
        (
            "a later one is not the initial command",
            run(1600, b"/bin/sh", b"sh\0-c\0true\0", |_| {}),
        ),
        end(Losses::default()),
    ]
}

fn environment_case() -> Vec<Described> {
    let text = b"USER=bob\0LOGNAME=alice\0SSH_USER_AUTH=/nowhere\0EMPTY=\0cut";
    let environment = Environment {
        record: head(kind::ENVIRONMENT, 1499),
        environment_length: text.len() as u32,
        unused: 0,
    };
    vec![
        start(),
        (
            "the environment names the login, which the host does not know",
            record(environment, text),
        ),
        ("a shell", run(1500, b"/bin/sh", b"sh\0", |_| {})),
        end(Losses::default()),
    ]
}

fn nothing_done_case() -> Vec<Described> {
    let start = SessionStart {
        record: head(kind::SESSION_START, 1000),
        local: v6("2001:db8::22", 22),
        remote: v6("::ffff:198.51.100.7", 50_000),
        uid: 0,
        connection_pid: 4000,
        login: login::SSH,
        unused: 0,
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

fn other_login_case() -> Vec<Described> {
    let cron = 3;
    let start = SessionStart {
        record: head(kind::SESSION_START, 1000),
        uid: UID,
        login: cron,
        ..SessionStart::default()
    };
    let text = b"LOGNAME=mallory\0";
    let environment = Environment {
        record: head(kind::ENVIRONMENT, 1490),
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

fn lost_case() -> Vec<Described> {
    let lost = [
        [0, 0, 1],
        [2, 3, 4],
        [5, 0, 0],
        [1 << 40, 0, 0],
        [0, 6, 0],
        [0, 0, 7],
        [8, 9, 0],
    ];
    vec![
        start(),
        ("a shell", run(1500, b"/bin/sh", b"sh\0", |_| {})),
        end(lost),
    ]
}

fn start_lost_case() -> Vec<Described> {
    vec![
        ("a shell", run(1500, b"/bin/sh", b"sh\0", |_| {})),
        end([[1, 0, 0], [0; 3], [0; 3], [0; 3], [0; 3], [0; 3], [0; 3]]),
    ]
}

fn network_first_case() -> Vec<Described> {
    vec![
        start(),
        (
            "a port is forwarded, and no program is run",
            connected(1501, v4([127, 0, 0, 1], 40_000), v4([127, 0, 0, 1], 80)),
        ),
        end(Losses::default()),
    ]
}

fn backlog_case() -> Vec<Described> {
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

fn two_sessions_case() -> Vec<Described> {
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

fn nested_and_found_case() -> Vec<Described> {
    let of = |session: u64, parent: u64, began: u64| {
        let start = SessionStart {
            record: Head {
                session,
                ..head(kind::SESSION_START, 2000)
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

fn delegated_case() -> Vec<Described> {
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
            "a job that is read",
            opened(1505, b"/var/spool/cron/atjobs/a1", |_| {}),
        ),
        end(Losses::default()),
    ]
}

fn job_case() -> Vec<Described> {
    let of = |session: u64, mut bytes: Vec<u8>| {
        bytes[std::mem::offset_of!(Head, session)] = session as u8;
        bytes
    };
    let begun = |session: u64, login: u32, parent: u64| {
        let start = SessionStart {
            record: head(kind::SESSION_START, 2000),
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
        (
            "a job of a session that is not known",
            begun(10, login::AT, 6),
        ),
        ("what it runs", run_in(10)),
        ("its end", over(10)),
        end(Losses::default()),
    ]
}

fn malformed_case() -> Vec<Described> {
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
            "more typed than there is",
            asked(1502, "unlink", [(b"/tmp/file", 10), (b"", 0)], |_| {}),
        ),
        (
            "a kind that there is not",
            opened(1503, b"/tmp/file", |d| d.record.kind = 99),
        ),
        end(Losses::default()),
    ]
}

/// The lines of records.
fn lines(records: &[Vec<u8>]) -> String {
    let mut table = Table::default();
    let mut writer = writer();
    for record in records {
        table.take(record, &mut NoKernel, &mut writer);
    }
    let version = format!(r#""server_version":"{}""#, env!("CARGO_PKG_VERSION"));
    let text = std::str::from_utf8(writer.lines()).expect("lines are UTF-8");
    text.replace(&version, &format!(r#""server_version":"{VERSION}""#))
}

/// Byte for byte; and each line is as the schema says.
#[test]
fn each_input_gives_its_lines() {
    for (name, _) in CASES {
        let written = lines(&records(&format!("{name}.hex")));
        for line in written.lines() {
            schema::check(line);
        }
        let file = path(&format!("{name}.json"));
        if std::env::var_os("BLESS").is_some() {
            fs::write(&file, &written).unwrap();
        }
        assert_eq!(written, fs::read_to_string(&file).unwrap(), "{name}");
    }
}

/// No file without a case, and no record that is out of date.
#[test]
fn the_inputs_are_what_the_cases_say() {
    for (name, case) in CASES {
        let file = records(&format!("{name}.hex"));
        let built: Vec<_> = case().into_iter().map(|(_, bytes)| bytes).collect();
        assert!(file == built, "{name}.hex: see the top of this file");
    }
    let files = fs::read_dir(path("")).unwrap().count();
    assert_eq!(files, 2 * CASES.len());
}

/// What is no record becomes no event, and is counted.
#[test]
fn what_no_probe_sends_is_counted() {
    let mut table = Table::default();
    for record in records("malformed.hex") {
        table.take(&record, &mut NoKernel, &mut writer());
    }
    assert_eq!(table.malformed, 4);
}

/// A session that opens files for ever, and runs nothing, is not kept in memory for ever.
#[test]
fn what_waits_for_the_start_is_bounded() {
    let (mut table, mut writer) = (Table::default(), writer());
    table.take(&start().1, &mut NoKernel, &mut writer);
    let mut waiting = 0;
    while writer.lines().is_empty() {
        let record = opened(1100, &[b'x'; 4096], |_| {});
        waiting += record.len();
        assert!(waiting < 2 << 20);
        table.take(&record, &mut NoKernel, &mut writer);
    }
    assert!(
        writer
            .lines()
            .starts_with(b"{\"ei\":0,\"event\":\"session.start\"")
    );
    assert!(writer.lines().len() > waiting);
}

/// Flips, cuts, stretches, or writes a number over what may be a length.
fn damage(random: &mut Random, bytes: &mut Vec<u8>) {
    let at = random.below(bytes.len());
    match random.below(5) {
        0 => bytes[at] ^= 1 << random.below(8),
        1 => bytes[at] = random.below(256) as u8,
        2 => bytes.truncate(at.max(1)),
        3 => bytes.extend_from_within(at..),
        _ => {
            let word = at.min(bytes.len().saturating_sub(4)) & !3;
            let near = (bytes.len() + 4).saturating_sub(random.below(9)) as u32;
            let values = [0, 1, near, 0x7fff_ffff, u32::MAX];
            let value = values[random.below(values.len())].to_ne_bytes();
            let end = bytes.len().min(word + 4);
            bytes[word..end].copy_from_slice(&value[..end - word]);
        }
    }
}

/// Whether the kernel can have sent what stands in the line; the schema knows these limits too.
fn can_be(line: &serde_json::Value) -> bool {
    let codes = ["return_code", "result"].map(|key| line[key].as_i64().unwrap_or(0));
    let paths = ["exe", "abstract"].map(|key| line[key].as_str().unwrap_or("/"));
    line["pid"] != 0
        && codes.iter().all(|code| (-4095..=0).contains(code))
        && paths.iter().all(|path| path.starts_with('/'))
        && (line["event"] != "session.disk" || disk_can_be(line))
        && [0, 1, 2, 3].contains(&line["operation"].as_u64().unwrap_or(0))
        && (line["event"] != "session.vsock" || line["operation"] != 1)
}

/// Damage can give an operation what only another one has.
fn disk_can_be(line: &serde_json::Value) -> bool {
    let operation = line["operation"].as_str().unwrap_or_default();
    let second = ["rename", "link", "symlink", "mount"];
    !operation.is_empty() && (line["target"].is_null() || second.contains(&operation))
}

/// Damaged records never panic, and every line they give is a line of JSON.
#[test]
fn damaged_records_give_whole_lines_or_none() {
    const RECORDS: usize = 200_000;
    let inputs = CASES
        .iter()
        .map(|(name, _)| records(&format!("{name}.hex")));
    let inputs: Vec<_> = inputs.collect();
    let (mut random, mut writer) = (Random(0x9e37_79b9_7f4a_7c15), writer());
    let (mut taken, mut malformed, mut lines) = (0, 0, 0);
    while taken < RECORDS {
        let mut table = Table::default();
        for mut record in inputs[random.below(inputs.len())].clone() {
            for _ in 0..random.below(4) {
                damage(&mut random, &mut record);
            }
            table.take(&record, &mut NoKernel, &mut writer);
            taken += 1;
        }
        table.tick(0, &mut writer);
        table.end_all(0, &mut NoKernel, &mut writer);
        malformed += table.malformed;
        let text = std::str::from_utf8(writer.lines()).expect("lines are UTF-8");
        assert!(text.is_empty() || text.ends_with('\n'));
        for line in text.lines() {
            lines += 1;
            let value: serde_json::Value = serde_json::from_str(line).expect(line);
            if lines % 50 == 0 && can_be(&value) {
                schema::check(line);
            }
        }
        writer.clear();
    }
    assert!(malformed > 10_000 && lines > 100_000, "{malformed} {lines}");
}

/// Writes the records of every case, in hex, each below a comment.
#[test]
#[ignore = "writes tests/golden/*.hex anew"]
fn write_the_inputs() {
    for (name, case) in CASES {
        let mut text = String::new();
        for (about, bytes) in case() {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            text.push_str(&format!("# {about}\n{hex}\n"));
        }
        fs::write(path(&format!("{name}.hex")), text).unwrap();
    }
}
