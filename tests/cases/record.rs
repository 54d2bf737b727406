//! The records that a probe sends, built.

use recorderd::abi::{
    Command, Counts, DISK_OPERATIONS, Disk, Endpoint, Head, Kind, Layout, LocalConnect, Losses,
    Network, ProcessExit, ProcessIds, SessionEnd, SessionStart, login, operation, path_note,
};

use super::Described;

/// No account has it, so that the login is the number on every host.
pub const UID: u32 = 4_000_000_000;

/// A head at so many milliseconds since boot; `record` fills in the length.
pub fn head(kind: Kind, time: u64) -> Head {
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

pub fn program(name: &[u8]) -> [u8; 16] {
    let mut program = [0; 16];
    program[..name.len()].copy_from_slice(name);
    program
}

/// The bytes that a probe sends: a structure, and the strings behind it.
pub fn record(fixed: impl Layout, strings: &[u8]) -> Vec<u8> {
    // SAFETY: a `Layout` has no padding, so each of its bytes has a value.
    let fixed =
        unsafe { std::slice::from_raw_parts((&raw const fixed).cast::<u8>(), size_of_val(&fixed)) };
    let mut bytes = [fixed, strings].concat();
    let length = bytes.len() as u32;
    let at = std::mem::offset_of!(Head, length);
    bytes[at..at + 4].copy_from_slice(&length.to_ne_bytes());
    bytes
}

pub fn v4(address: [u8; 4], port: u16) -> Endpoint {
    let mut endpoint = Endpoint {
        port,
        version: 4,
        ..Endpoint::default()
    };
    endpoint.address[..4].copy_from_slice(&address);
    endpoint
}

pub fn v6(address: &str, port: u16) -> Endpoint {
    Endpoint {
        address: address.parse::<std::net::Ipv6Addr>().unwrap().octets(),
        port,
        version: 6,
        ..Endpoint::default()
    }
}

pub fn start() -> Described {
    let start = SessionStart {
        record: head(Kind::SessionStart, 1000),
        local: v4([192, 0, 2, 1], 22),
        remote: v4([198, 51, 100, 7], 50_000),
        uid: UID,
        connection_pid: 4000,
        login: login::SSH,
        title_length: 0,
        parent: 0,
        began: 0,
    };
    ("the session starts", record(start, b""))
}

pub fn end(lost: Losses) -> Described {
    end_with(lost, Counts::default())
}

pub fn end_with(lost: Losses, excluded: Counts) -> Described {
    let end = SessionEnd {
        record: head(Kind::SessionEnd, 9000),
        lost,
        excluded,
    };
    ("the session ends", record(end, b""))
}

/// The strings of a command, and what else differs.
pub struct Run<'a> {
    pub path: &'a [u8],
    pub exe: &'a [u8],
    pub cwd: &'a [u8],
    pub interpreter: &'a [u8],
    pub environment: &'a [u8],
    /// With a zero byte behind it.
    pub requested: &'a [u8],
    /// As in memory: argv[0] included, a zero byte behind each.
    pub argv: &'a [u8],
    pub fixed: Command,
}

/// A command at so many milliseconds since boot.
pub fn run(time: u64, path: &[u8], argv: &[u8], change: impl FnOnce(&mut Run)) -> Vec<u8> {
    let mut run = Run {
        path,
        exe: path,
        cwd: b"/home/alice",
        interpreter: b"",
        environment: b"",
        requested: b"",
        argv,
        fixed: Command {
            record: head(Kind::Command, time),
            inode: 1234,
            device: 254 << 20 | 1,
            parent_pid: 4985,
            ids: ProcessIds {
                uid: UID,
                gid: 100,
                euid: UID,
                egid: 100,
            },
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
    run.fixed.requested_length = run.requested.len() as u32;
    let [path, exe, cwd, interpreter, environment, argv] = texts;
    let requested = run.requested;
    let texts = [path, exe, cwd, interpreter, environment, requested, argv];
    record(run.fixed, &texts.concat())
}

/// Of pts/3.
pub fn in_terminal(run: &mut Run, columns: u16, rows: u16) {
    run.fixed.terminal = 136 << 20 | 3;
    (run.fixed.columns, run.fixed.rows) = (columns, rows);
}

/// A command that the kernel refused.
pub fn refused(time: u64, path: &[u8], argv: &[u8], error: i32) -> Vec<u8> {
    run(time, path, argv, |run| {
        run.exe = b"";
        run.fixed.return_code = -error;
    })
}

pub fn exited(time: u64, change: impl FnOnce(&mut ProcessExit)) -> Vec<u8> {
    let mut exit = ProcessExit {
        record: head(Kind::ProcessExit, time),
        duration: 1_234_567_890,
        cpu_time: 2_999,
        max_memory: 0,
        ..ProcessExit::default()
    };
    change(&mut exit);
    record(exit, b"")
}

pub fn opened(time: u64, path: &[u8], change: impl FnOnce(&mut Disk)) -> Vec<u8> {
    done(
        time,
        operation_of("open"),
        [path, b"", b"", b"", b""],
        change,
    )
}

/// A file operation by its name.
pub fn operation_of(name: &str) -> u16 {
    let index = DISK_OPERATIONS.iter().position(|one| *one == name);
    index.unwrap() as u16
}

/// A file operation with its strings: path and what was requested for it, target and the same, name.
pub fn done(
    time: u64,
    operation: u16,
    texts: [&[u8]; 5],
    change: impl FnOnce(&mut Disk),
) -> Vec<u8> {
    let mut disk = Disk {
        record: head(Kind::Disk, time),
        operation,
        lengths: texts.map(|text| text.len() as u16),
        ..Disk::default()
    };
    change(&mut disk);
    record(disk, &texts.concat())
}

/// A file operation with paths that end in what was requested, of so many bytes.
pub fn asked(
    time: u64,
    operation: &str,
    [path, target]: [(&[u8], u16); 2],
    change: impl FnOnce(&mut Disk),
) -> Vec<u8> {
    let texts = [path.0, b"", target.0, b"", b""];
    done(time, operation_of(operation), texts, |disk| {
        (disk.lengths[1], disk.lengths[3]) = (path.1, target.1);
        disk.path_notes = path_note::REQUESTED as u16;
        if !target.0.is_empty() {
            disk.target_notes = path_note::REQUESTED as u16;
        }
        change(disk);
    })
}

pub fn network(time: u64, operation: u32, ends: [Endpoint; 2], protocol: u32) -> Vec<u8> {
    let [source, destination] = ends;
    let network = Network {
        record: head(Kind::Network, time),
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

pub const TCP: u32 = 6;

pub fn connected(time: u64, source: Endpoint, destination: Endpoint) -> Vec<u8> {
    network(time, operation::CONNECT, [source, destination], TCP)
}

pub fn local(time: u64, name: &[u8], change: impl FnOnce(&mut LocalConnect)) -> Vec<u8> {
    let mut local = LocalConnect {
        record: head(Kind::LocalConnect, time),
        path_length: name.len() as u32,
        ..LocalConnect::default()
    };
    change(&mut local);
    record(local, name)
}
