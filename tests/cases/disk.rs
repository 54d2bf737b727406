//! What is done to files.

use recorderd::abi::{AUDIT_UNSET, Losses, path_note, via};

use super::Described;
use super::record::{asked, done, end, opened, operation_of, run, start};

pub fn disk_case() -> Vec<Described> {
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
            "requested as something else, for no access",
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

pub fn file_operation_case() -> Vec<Described> {
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
                    (d.path_notes, d.lengths[1]) = (path_note::REQUESTED as u16, 4);
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
                        ((path_note::REQUESTED | path_note::FOLLOWED) as u16, 4);
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
                d.path_notes |= path_note::RACY as u16;
                d.target_notes |= path_note::RACY as u16;
            }),
        ),
        end(Losses::default()),
    ]
}

pub fn uring_case() -> Vec<Described> {
    let through =
        |time, marks: u32| opened(time, b"/etc/hostname", |d| d.record.via = marks as u16);
    vec![
        start(),
        ("a shell", run(1500, b"/bin/sh", b"sh\0", |_| {})),
        ("opened through io_uring", through(1501, via::IO_URING)),
        (
            "the same, and what came of it was not seen",
            through(1502, via::IO_URING | via::OUTCOME_UNKNOWN),
        ),
        end(Losses::default()),
    ]
}
