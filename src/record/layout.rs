//! The mirror of `probes/record.h`: what the probes send, and the values of the maps they share.
//! `tests/layout.rs` compares every name, offset and size here with the BTF of the object.

/// A type that is laid out as the C structure of the same meaning.
///
/// # Safety
/// The implementor is `repr(C)`, has no padding, and any bytes are a valid value of it.
pub unsafe trait Layout: Copy + 'static {
    /// The C name of the structure.
    const NAME: &'static str;
    /// Name, offset and size of each field, in bytes.
    const FIELDS: &'static [(&'static str, usize, usize)];
}

/// Reads `T` from the beginning of `bytes`; `None` if they are too few.
pub fn read<T: Layout>(bytes: &[u8]) -> Option<T> {
    if bytes.len() < size_of::<T>() {
        return None;
    }
    // SAFETY: the length is checked above, and any bytes are a valid `Layout`.
    Some(unsafe { bytes.as_ptr().cast::<T>().read_unaligned() })
}

macro_rules! layout {
    ($($(#[$about:meta])* $c_name:literal $name:ident { $($field:ident: $type:ty,)* })*) => {
        $(
            $(#[$about])*
            #[allow(missing_docs)]
            #[derive(Clone, Copy, Debug, PartialEq, Eq)]
            #[repr(C)]
            pub struct $name { $(pub $field: $type,)* }

            // SAFETY: all fields are integers or arrays of them, and the test of the layout shows
            // that there is no padding between them.
            unsafe impl Layout for $name {
                const NAME: &'static str = $c_name;
                const FIELDS: &'static [(&'static str, usize, usize)] = &[
                    $((stringify!($field), std::mem::offset_of!($name, $field), size_of::<$type>()),)*
                ];
            }

            // SAFETY: as above; aya copies such values to and from the maps.
            unsafe impl aya::Pod for $name {}

            impl Default for $name {
                fn default() -> Self {
                    // SAFETY: all fields are integers or arrays of them, so zero is a value.
                    unsafe { std::mem::zeroed() }
                }
            }
        )*

        /// Every mirrored structure: C name, fields, size in bytes.
        pub const ALL: &[Described] = &[$(($c_name, $name::FIELDS, size_of::<$name>()),)*];
    };
}

/// C name, fields (name, offset, size) and size of one structure.
pub type Described = (&'static str, &'static [(&'static str, usize, usize)], usize);

layout! {
    /// The head of every record.
    "record" Head {
        time: u64,
        session: u64,
        cgroup_id: u64,
        length: u32,
        kind: u16,
        via: u16,
        pid: u32,
        audit_session_id: u32,
        program: [u8; PROGRAM_LENGTH],
    }

    /// One end of a connection.
    "endpoint" Endpoint {
        address: [u8; 16],
        port: u16,
        version: u8,
        unused: [u8; 5],
    }

    /// A login was seen for the first time.
    "session_start" SessionStart {
        record: Head,
        local: Endpoint,
        remote: Endpoint,
        parent: u64,
        began: u64,
        uid: u32,
        connection_pid: u32,
        login: u32,
        title_length: u32,
    }

    /// The last process of a session exited.
    "session_end" SessionEnd {
        record: Head,
        lost: Losses,
        left_out: Counts,
    }

    /// The environment of the first program; its bytes follow.
    "environment" Environment {
        record: Head,
        environment_length: u32,
        unused: u32,
    }

    /// What sshd writes of who has logged in; its bytes follow.
    "identity" Identity {
        record: Head,
        identity_length: u32,
        unused: u32,
    }

    /// A program was run, or could not be; its strings follow.
    "command" Command {
        record: Head,
        inode: u64,
        device: u32,
        parent_pid: u32,
        return_code: i32,
        ids: ProcessIds,
        marks: u32,
        argv_missing: u32,
        terminal: u32,
        rows: u16,
        columns: u16,
        lengths: [u32; TEXTS],
        argv_ahead: u32,
        exec: u64,
        requested_length: u32,
        unused: u32,
    }

    /// A login server serves a channel itself, or the terminal of one has another size.
    "channel" Channel {
        record: Head,
        leader: u32,
        terminal: u32,
        rows: u16,
        columns: u16,
        unused: u32,
    }

    /// A later part of the arguments of the next command of the same process; its bytes follow.
    "arguments" Arguments {
        record: Head,
        exec: u64,
        offset: u32,
        arguments_length: u32,
    }

    /// A process that ran a command is gone.
    "process_exit" ProcessExit {
        record: Head,
        duration: u64,
        cpu_time: u64,
        max_memory: u64,
        exit_code: u32,
        unused: u32,
    }

    /// A file operation, or the attempt at one; its strings follow.
    "disk" Disk {
        record: Head,
        return_code: i32,
        flags: u32,
        value: u64,
        owner: u32,
        group: u32,
        operation: u16,
        mode: u16,
        path_notes: u16,
        target_notes: u16,
        lengths: [u16; DISK_TEXTS],
        unused: [u16; 3],
    }

    /// A connection was begun or accepted, or a socket listens.
    "network" Network {
        record: Head,
        source: Endpoint,
        destination: Endpoint,
        connection: u64,
        operation: u32,
        protocol: u32,
        return_code: i32,
        unused: u32,
    }

    /// What became of a TCP connect.
    "network_result" NetworkResult {
        record: Head,
        source: Endpoint,
        destination: Endpoint,
        connection: u64,
        duration: u64,
        result: i32,
        unused: u32,
    }

    /// A local socket was connected to; its name follows.
    "local_connect" LocalConnect {
        record: Head,
        return_code: i32,
        is_abstract: u32,
        path_length: u32,
        path_notes: u32,
    }

    /// What a process may do by its ids.
    "ids" ProcessIds {
        uid: u32,
        gid: u32,
        euid: u32,
        egid: u32,
    }

    /// Another process or the kernel was reached into, or rights were changed; the path follows.
    "privilege" Privilege {
        record: Head,
        return_code: i32,
        operation: u32,
        old_ids: ProcessIds,
        ids: ProcessIds,
        requested: [u32; 3],
        old_loginuid: u32,
        loginuid: u32,
        old_audit_session_id: u32,
        effective: u64,
        permitted: u64,
        inheritable: u64,
        bytes: u64,
        target_pid: u32,
        namespaces: u32,
        program_type: u32,
        path_notes: u32,
        path_length: u32,
        object_id: u32,
        name: [u8; OBJECT_NAME_LENGTH],
        value: u64,
        time: i64,
        target: u32,
        flags: u32,
    }

    /// The key of the map `sends`: datagrams of one process to one peer in one period.
    "sends_key" SendsKey {
        session: u64,
        ends: u64,
        started: u64,
        pid: u32,
        protocol: u32,
        return_code: i32,
        marks: u32,
        destination: Endpoint,
        name_length: u32,
        name: [u8; LOCAL_NAME_LENGTH],
    }

    /// The value of the map `sends`.
    "sends" Sends {
        count: u64,
        is_told: u32,
        uid: u32,
    }

    /// The first datagram of a period.
    "send" Send {
        record: Head,
        source: Endpoint,
        key: SendsKey,
        is_counted: u64,
    }

    /// A datagram to the DNS port; its bytes follow.
    "dns" Dns {
        record: Head,
        source: Endpoint,
        destination: Endpoint,
        message_length: u32,
        unused: u32,
    }

    /// A socket for virtual machines was connected, was accepted, or listens.
    "vsock" Vsock {
        record: Head,
        return_code: i32,
        operation: u32,
        context: u32,
        port: u32,
        peer_context: u32,
        peer_port: u32,
    }

    /// A socket for frames of network devices was made, or refused.
    "packet_socket" PacketSocket {
        record: Head,
        return_code: i32,
        kind: u32,
        protocol: u16,
        unused: [u16; 3],
    }

    /// The value of the map `sessions`.
    "session" SessionEntry {
        time: u64,
        processes: u64,
        uid: u32,
        audit_session_id: u32,
        pid: u32,
        environment_sent: u32,
        connection_pid: u32,
        ended: u32,
        login: u32,
        jobs: u32,
        local: Endpoint,
        remote: Endpoint,
        parent: u64,
        began: u64,
        lost: Losses,
        families_left_out: u64,
        left_out: Counts,
        rounds: Counts,
        sent: Counts,
        changes: u64,
    }

    /// The value of the map `processes`.
    "process" ProcessEntry {
        session: u64,
        command_time: u64,
        login: u64,
        outer: u64,
        role: u8,
        emulated: u8,
        code_told: u8,
        shares_memory: u8,
        audit_session_id: u32,
        loginuid: u32,
        ids: ProcessIds,
        connecting: u32,
        is_channel: u32,
        unused: u32,
    }

    /// The key of the map `job_files`.
    "job_file" JobFile {
        inode: u64,
        device: u32,
        unused: u32,
    }

    /// The value of the map `job_files`.
    "job" Job {
        session: u64,
        generation: u32,
        unused: u32,
    }

    /// The beginning of an environment variable to record: its name and `=`, and a mask of those.
    "variable" Variable {
        name: [u8; 32],
        mask: [u8; 32],
    }

    /// The value of the map `variables`.
    "variables" Variables {
        wanted: [Variable; VARIABLES],
    }

    /// The beginnings of paths: the first bytes, and a mask of those.
    "pattern" PatternEntry {
        begins: [u8; PATTERN_LENGTH],
        mask: [u8; PATTERN_LENGTH],
        length: u32,
        whole: u32,
        verdict: u32,
        unused: u32,
    }

    /// The value of the map `rules`: what the config leaves out.
    "rules" Rules {
        families: u64,
        operations: Counts,
        patterns: [PatternEntry; PATTERNS],
    }

    /// The page of the map `control`.
    "control" Control {
        reader: u64,
        logins: u64,
        losses: u64,
        sessions_full: u64,
        processes_full: u64,
        round: u64,
        active: [u64; FAMILIES.len()],
        silence: u64,
        throttle: u64,
        held: u64,
        found: u64,
        jobs: u64,
        unhooked: u64,
        heard: u64,
        crowded: u64,
        goes_without: u64,
        mount_namespace: u64,
        sizes: Counts,
        spare_slots: u64,
        copies: u64,
        cpus: u64,
        helper: u64,
        missing: u64,
        adjust: u64,
        adjust_by: u64,
        adjust_changes: u64,
        recorder: [u64; 2],
    }

    /// What a look at a process finds.
    "finding" Finding {
        session: u64,
        pid: u32,
        kind: u32,
    }

    /// The value of the map `held`.
    "held" HeldEntry {
        session: u64,
        time: u64,
        uid: u64,
    }

    /// How often the kernel has skipped one of its programs on one of its CPUs.
    "missed" Missed {
        program: u32,
        cpu: u32,
        count: u64,
    }

    /// The beginning of a slot, in which a probe builds its record.
    "claim" Claim {
        claims: u64,
        time: u64,
        session: u64,
        cpu: u64,
        unused: [u64; 4],
    }
}

/// Length of a program's name as the kernel keeps it (TASK_COMM_LEN), in bytes.
pub const PROGRAM_LENGTH: usize = 16;
/// The longest name of a target, a module or a BPF program, in bytes.
pub const OBJECT_NAME_LENGTH: usize = 56;
/// A uid, gid or loginuid that is not known, or not set.
pub const ID_NONE: u32 = u32::MAX;
/// The longest name of a local socket (UNIX_PATH_MAX), in bytes.
pub const LOCAL_NAME_LENGTH: usize = 108;
/// A port or a context id of AF_VSOCK that there is not (VMADDR_PORT_ANY).
pub const VSOCK_ANY: u32 = u32::MAX;
/// The largest record, in bytes.
pub const RECORD_MAX: usize = 40960;
/// `enum table`: the kernel's tables that have shares.
pub const TABLES: [&str; 10] = [
    "sessions",
    "processes",
    "sends",
    "connects",
    "requests",
    "tickets",
    "names",
    "held",
    "jobs",
    "units",
];
/// The same by name, those that the daemon counts for.
pub mod table {
    #![allow(missing_docs)]
    pub const SESSIONS: usize = 0;
    pub const PROCESSES: usize = 1;
    pub const SENDS: usize = 2;
    pub const REQUESTS: usize = 4;
    pub const HELD: usize = 7;
    pub const JOBS: usize = 8;
    pub const UNITS: usize = 9;
}
/// SHARE_ACCOUNTS
pub const SHARE_ACCOUNTS: usize = 256;
/// SHARE_SESSIONS
pub const SHARE_SESSIONS: usize = 1024;
/// SHARE_OF_REST
pub const SHARE_OF_REST: usize = 8;
/// How many strings follow a command: TEXT_COUNT.
pub const TEXTS: usize = 6;
/// How many strings follow a file operation: DISK_TEXT_COUNT.
pub const DISK_TEXTS: usize = 5;
/// How many environment variables can be asked for.
pub const VARIABLES: usize = 16;
/// The audit session id of what never logged in (AUDIT_SID_UNSET).
pub const AUDIT_UNSET: u32 = u32::MAX;

/// `enum family`.
pub const FAMILIES: [&str; 7] = [
    "session",
    "command",
    "process_exit",
    "disk",
    "network",
    "network_result",
    "privilege",
];
/// `enum loss`.
pub const CAUSES: [&str; 4] = ["ring_full", "slots_busy", "table_full", "share_full"];
/// `enum login`: how somebody logs in, and behind [`login::SU`] what else begins a session.
pub const LOGINS: [&str; 9] = [
    "none",
    "ssh",
    "console",
    "cron",
    "at",
    "su",
    "systemd-run",
    "systemd",
    "kernel",
];
/// `enum disk_operation`.
pub const DISK_OPERATIONS: [&str; 22] = [
    "open",
    "create",
    "unlink",
    "rename",
    "link",
    "symlink",
    "mkdir",
    "rmdir",
    "mknod",
    "chmod",
    "chown",
    "truncate",
    "setxattr",
    "removexattr",
    "mount",
    "umount",
    "map",
    "protect",
    "open_tree",
    "fsmount",
    "fspick",
    "mount_setattr",
];
/// Length of a pattern of paths, in bytes.
pub const PATTERN_LENGTH: usize = 64;
/// How many patterns there can be.
pub const PATTERNS: usize = 32;
/// A number for each family.
pub type Counts = [u64; FAMILIES.len()];
/// Counts by family and cause.
pub type Losses = [[u64; CAUSES.len()]; FAMILIES.len()];

/// `enum kind`.
pub mod kind {
    #![allow(missing_docs)]
    pub const SESSION_START: u32 = 1;
    pub const SESSION_END: u32 = 2;
    pub const ENVIRONMENT: u32 = 3;
    pub const COMMAND: u32 = 4;
    pub const DISK: u32 = 5;
    pub const NETWORK: u32 = 6;
    pub const ARGUMENTS: u32 = 7;
    pub const PROCESS_EXIT: u32 = 8;
    pub const NETWORK_RESULT: u32 = 9;
    pub const LOCAL_CONNECT: u32 = 10;
    pub const PRIVILEGE: u32 = 11;
    pub const SEND: u32 = 12;
    pub const DNS: u32 = 13;
    pub const VSOCK: u32 = 14;
    pub const PACKET_SOCKET: u32 = 15;
    pub const IDENTITY: u32 = 16;
    pub const SUBSYSTEM: u32 = 17;
    pub const RESIZE: u32 = 18;
}

/// `enum privilege_operation`.
pub const PRIVILEGE_OPERATIONS: [&str; 59] = [
    "none",
    "setuid",
    "setgid",
    "setreuid",
    "setregid",
    "setresuid",
    "setresgid",
    "loginuid",
    "capset",
    "ptrace_attach",
    "ptrace_seize",
    "process_vm_writev",
    "init_module",
    "finit_module",
    "delete_module",
    "bpf_prog_load",
    "kexec_load",
    "kexec_file_load",
    "unshare",
    "setns",
    "clone",
    "chroot",
    "pivot_root",
    "bpf_map_update_elem",
    "bpf_map_delete_elem",
    "bpf_map_lookup_and_delete_elem",
    "bpf_map_freeze",
    "bpf_map_update_batch",
    "bpf_map_delete_batch",
    "bpf_map_lookup_and_delete_batch",
    "bpf_map_get_fd_by_id",
    "bpf_prog_get_fd_by_id",
    "bpf_prog_attach",
    "bpf_prog_detach",
    "bpf_prog_test_run",
    "bpf_raw_tracepoint_open",
    "bpf_link_create",
    "bpf_link_get_fd_by_id",
    "bpf_link_update",
    "bpf_link_detach",
    "bpf_btf_get_fd_by_id",
    "bpf_obj_pin",
    "bpf_obj_get",
    "signal",
    "prlimit",
    "setpriority",
    "sched_setscheduler",
    "sched_setaffinity",
    "ioprio_set",
    "process_madvise",
    "pidfd_getfd",
    "recvmsg",
    "clock_settime",
    "settimeofday",
    "clock_adjtime",
    "reboot",
    "sethostname",
    "syslog",
    "acct",
];

/// The same by name, those that events have fields of their own for.
pub mod privilege_operation {
    #![allow(missing_docs)]
    pub const SETUID: u32 = 1;
    pub const SETGID: u32 = 2;
    pub const SETREUID: u32 = 3;
    pub const SETREGID: u32 = 4;
    pub const SETRESUID: u32 = 5;
    pub const SETRESGID: u32 = 6;
    pub const LOGINUID: u32 = 7;
    pub const CAPSET: u32 = 8;
    pub const PTRACE_ATTACH: u32 = 9;
    pub const PTRACE_SEIZE: u32 = 10;
    pub const PROCESS_VM_WRITEV: u32 = 11;
    pub const DELETE_MODULE: u32 = 14;
    pub const BPF_PROG_LOAD: u32 = 15;
    pub const UNSHARE: u32 = 18;
    pub const SETNS: u32 = 19;
    pub const CLONE: u32 = 20;
    pub const BPF_MAP_UPDATE_ELEM: u32 = 23;
    pub const BPF_MAP_FREEZE: u32 = 26;
    pub const BPF_BTF_GET_FD_BY_ID: u32 = 40;
    pub const BPF_OBJ_PIN: u32 = 41;
    pub const BPF_OBJ_GET: u32 = 42;
    pub const SIGNAL: u32 = 43;
    pub const PRLIMIT: u32 = 44;
    pub const PROCESS_MADVISE: u32 = 49;
    pub const PIDFD_GETFD: u32 = 50;
    pub const RECVMSG: u32 = 51;
    pub const CLOCK_SETTIME: u32 = 52;
    pub const SETTIMEOFDAY: u32 = 53;
    pub const CLOCK_ADJTIME: u32 = 54;
    pub const REBOOT: u32 = 55;
    pub const SETHOSTNAME: u32 = 56;
    pub const SYSLOG: u32 = 57;
}

/// How often each of [`PROBES`] was skipped.
pub type MissedCounts = [u64; PROBES.len()];
/// Programs that the kernel may skip: `enum probe`.
pub const PROBES: [&str; 22] = [
    "session_fork",
    "session_exit",
    "command_exec",
    "command_failed",
    "channel_act",
    "disk_open",
    "disk_change",
    "disk_map",
    "uring_submit",
    "uring_complete",
    "network_state",
    "network_connect",
    "network_accept",
    "network_socket",
    "network_local",
    "privilege_act",
    "privilege_host",
    "privilege_file",
    "privilege_signal",
    "syscall_exit",
    "compat_exit",
    "disk_name",
];
/// `enum finding_kind`.
pub mod finding {
    #![allow(missing_docs)]
    pub const PRESENT: u32 = 0;
    pub const MISSING: u32 = 1;
    pub const CHANGED: u32 = 2;
    pub const COUNTED: u32 = 3;
}

/// `enum target`: the name of each, as an event has it.
pub const TARGETS: [&str; 4] = ["unknown", "same", "other", "none"];

/// `enum via`.
pub mod via {
    #![allow(missing_docs)]
    pub const IO_URING: u32 = 1;
    pub const UNCONFIRMED: u32 = 2;
    pub const LATE: u32 = 4;
    pub const UNSETTLED: u32 = 8;
}

/// Of `enum login`.
pub mod login {
    #![allow(missing_docs)]
    pub const NONE: u32 = 0;
    pub const SSH: u32 = 1;
    pub const CRON: u32 = 3;
    pub const AT: u32 = 4;
    pub const SU: u32 = 5;
    pub const SYSTEMD_RUN: u32 = 6;
    pub const SYSTEMD: u32 = 7;
    pub const KERNEL: u32 = 8;
}

/// `enum operation`.
pub mod operation {
    #![allow(missing_docs)]
    pub const CONNECT: u32 = 0;
    pub const SEND: u32 = 1;
    pub const LISTEN: u32 = 2;
    pub const ACCEPT: u32 = 3;
}

/// `enum disk_operation`, those that are asked for by name.
pub mod disk_operation {
    #![allow(missing_docs)]
    pub const OPEN: u16 = 0;
    pub const CREATE: u16 = 1;
    pub const UNLINK: u16 = 2;
    pub const RENAME: u16 = 3;
    pub const LINK: u16 = 4;
    pub const SYMLINK: u16 = 5;
    pub const MKDIR: u16 = 6;
    pub const MKNOD: u16 = 8;
    pub const CHMOD: u16 = 9;
    pub const CHOWN: u16 = 10;
    pub const TRUNCATE: u16 = 11;
    pub const SETXATTR: u16 = 12;
    pub const REMOVEXATTR: u16 = 13;
    pub const MOUNT: u16 = 14;
    pub const MAP: u16 = 16;
    pub const PROTECT: u16 = 17;
    pub const FSMOUNT: u16 = 19;
}

/// `enum send_mark`.
pub mod send_mark {
    #![allow(missing_docs)]
    pub const RAW: u32 = 1;
}

/// `enum command_mark`.
pub mod command_mark {
    #![allow(missing_docs)]
    pub const EXE_DELETED: u32 = 1;
    pub const PRIVILEGED: u32 = 2;
    pub const ENVIRONMENT_PARTIAL: u32 = 4;
    pub const PATH_INCOMPLETE: u32 = 8;
    pub const COMPAT: u32 = 16;
    pub const CHANNEL: u32 = 32;
    pub const REQUESTED_CUT: u32 = 64;
    pub const LEFT_OUT: u32 = 128;
}

/// `enum path_note`.
pub mod path_note {
    #![allow(missing_docs)]
    pub const CUT: u32 = 1;
    pub const DELETED: u32 = 2;
    pub const RELATIVE: u32 = 4;
    pub const TYPED: u32 = 8;
    pub const FOLLOWED: u32 = 16;
    pub const CHROOT: u32 = 32;
    pub const NONE: u32 = 64;
    pub const UNSETTLED: u32 = 128;
    pub const DETACHED: u32 = 256;
}

/// `enum verdict`.
pub mod verdict {
    #![allow(missing_docs)]
    pub const NONE: u32 = 0;
    pub const LEFT_OUT: u32 = 1;
    pub const KEPT: u32 = 2;
    pub const OTHER: u32 = 3;
}

/// `enum reader`.
pub mod reader {
    #![allow(missing_docs)]
    pub const ASLEEP: u64 = 0;
    pub const TIMED: u64 = 1;
    pub const WOKEN: u64 = 2;
}
