//! Rights.

use recorderd::abi::{
    ID_NONE, Kind, Losses, PRIVILEGE_OPERATIONS, Privilege, ProcessIds, path_note,
};

use super::Described;
use super::record::{UID, end, head, record, run, start};

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
        record: head(Kind::Privilege, time),
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

pub fn privilege_case() -> Vec<Described> {
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

pub fn tampering_case() -> Vec<Described> {
    vec![
        start(),
        ("a shell", run(1500, b"/bin/sh", b"sh\0", |_| {})),
        (
            "a map by its id",
            privileged(1501, "bpf_map_get_fd_by_id", b"", |p| {
                p.object_id = 12;
                named(p, b"processes");
            }),
        ),
        (
            "a link that is none",
            privileged(1502, "bpf_link_detach", b"", |p| p.return_code = -22),
        ),
        (
            "a pin",
            privileged(1503, "bpf_obj_get", b"/sys/fs/bpf/x", |_| {}),
        ),
        (
            "a signal",
            privileged(1504, "signal", b"/usr/local/bin/recorderd", |p| {
                (p.target_pid, p.target, p.value) = (812, 3, 15);
                named(p, b"recorderd");
            }),
        ),
        (
            "a limit",
            privileged(1505, "prlimit", b"/usr/local/bin/recorderd", |p| {
                (p.target_pid, p.target, p.value) = (812, 3, 7);
                named(p, b"recorderd");
            }),
        ),
        (
            "a descriptor of another session",
            privileged(1506, "pidfd_getfd", b"/etc/shadow", |p| {
                (p.target_pid, p.target, p.flags) = (813, 2, 0x8000);
                named(p, b"tmux: server");
            }),
        ),
        (
            "descriptors of nobody knows whom",
            privileged(1507, "recvmsg", b"/etc/shadow", |p| p.value = 2),
        ),
        (
            "a clock",
            privileged(1508, "clock_settime", b"", |p| {
                p.time = 1_700_000_000_250_000_000;
            }),
        ),
        (
            "a clock before its time",
            privileged(1509, "settimeofday", b"", |p| {
                (p.time, p.return_code) = (-1, -22)
            }),
        ),
        (
            "a restart",
            privileged(1510, "reboot", b"", |p| {
                (p.value, p.return_code) = (0x0123_4567, -1)
            }),
        ),
        (
            "a name",
            privileged(1511, "sethostname", b"", |p| named(p, b"else\xff")),
        ),
        ("accounting ends", privileged(1512, "acct", b"", |_| {})),
        end(Losses::default()),
    ]
}
