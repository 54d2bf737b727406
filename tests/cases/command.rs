//! Programs that are run, and what they are given.

use recorderd::abi::{Arguments, Environment, Kind, Losses, command_mark};

use super::Described;
use super::record::{Run, end, exited, head, record, refused, run, start};

pub fn command_case() -> Vec<Described> {
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

pub fn hostile_case() -> Vec<Described> {
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
                (fixed.ids.uid, fixed.ids.gid) = (u32::MAX, u32::MAX);
                (fixed.ids.euid, fixed.ids.egid) = (u32::MAX, u32::MAX);
                fixed.return_code = -4095;
                fixed.argv_missing = u32::MAX;
            }),
        ),
        end(Losses::default()),
    ]
}

pub fn exe_case() -> Vec<Described> {
    let shebang = b"python3\0-u\0./tool\0";
    vec![
        start(),
        ("a shell", run(1500, b"/bin/sh", b"sh\0", |_| {})),
        (
            "a link to a setuid file",
            run(1501, b"/bin/link", b"link\0", |c| {
                c.exe = b"/usr/bin/sudo";
                c.fixed.marks = command_mark::PRIVILEGED;
                (c.fixed.ids.euid, c.fixed.ids.egid) = (0, 0);
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

pub fn arguments_case() -> Vec<Described> {
    let part = |time, exec, offset, bytes: &[u8]| {
        let arguments = Arguments {
            record: head(Kind::Arguments, time),
            exec,
            offset,
            arguments_length: bytes.len() as u32,
        };
        record(arguments, bytes)
    };
    let ahead =
        |exec, length| move |run: &mut Run| (run.fixed.exec, run.fixed.argv_ahead) = (exec, length);
    // The block is cut anywhere, here inside a character.
    let first = [b"echo\0", &[b'x'; 8192 - 6][..], b"\xc3"].concat();
    vec![
        start(),
        ("a shell", run(1500, b"/bin/sh", b"sh\0", |_| {})),
        ("of a command that was lost", part(1501, 1, 8192, b"lost\0")),
        ("the second part", part(1502, 2, 8192, b"\xa9\0second\0th")),
        ("the third part", part(1503, 2, 8203, b"ird\0")),
        ("the command", run(1504, b"/bin/echo", &first, ahead(2, 15))),
        (
            "a part of another one that was lost",
            part(1505, 3, 8192, b"lost\0"),
        ),
        (
            "a command without further parts",
            run(1506, b"/bin/echo", b"echo\0short\0", ahead(4, 0)),
        ),
        (
            "a part of one more that was lost",
            part(1507, 5, 8192, b"lost\0"),
        ),
        (
            "a command whose further parts found no room in the ring",
            run(1508, b"/bin/echo", &first, |run| {
                ahead(6, 0)(run);
                run.fixed.argv_missing = 15;
            }),
        ),
        (
            "the second part of another one, of which the first was lost",
            part(1509, 7, 8198, b"lost\0"),
        ),
        (
            "that command",
            run(1510, b"/bin/echo", &first, ahead(7, 11)),
        ),
        end(Losses::default()),
    ]
}

pub fn exit_case() -> Vec<Described> {
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

pub fn environment_case() -> Vec<Described> {
    let text = b"USER=bob\0LOGNAME=alice\0SSH_USER_AUTH=/nowhere\0EMPTY=\0cut";
    let environment = Environment {
        record: head(Kind::Environment, 1499),
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
