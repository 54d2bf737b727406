//! What the probes and the daemon share. Made from probes/abi.h by probes/build.sh: change that.

// What has no comment in the header says what it is by its name.
#![allow(missing_docs)]

use super::layout;

// Lengths in bytes, and counts.
/// of a program's name as the kernel keeps it (TASK_COMM_LEN)
pub const PROGRAM_LENGTH: usize = 16;
pub const ADDRESS_LENGTH: usize = 16;
/// the longest name of a local socket (UNIX_PATH_MAX)
pub const LOCAL_NAME_LENGTH: usize = 108;
/// the longest name of a target, a module or a BPF program
pub const OBJECT_NAME_LENGTH: usize = 56;
/// the most of a DNS message that is copied: more than any question
pub const DNS_LENGTH: usize = 512;
/// the largest record: its strings are cut, and the cut counted, here
pub const RECORD_MAX: usize = 40960;
/// the largest record of an io_uring request under way
pub const REQUEST_LENGTH: usize = 4096;
/// the most of a command's arguments that is in its own record
pub const ARGV_FIRST: usize = 8192;
/// slots to build records in that each CPU has
pub const SLOTS_PER_CPU: usize = 4;
/// slots that all CPUs have beside them
pub const SPARE_SLOTS: usize = 16;
/// sessions that can be recorded at once
pub const SESSIONS_SIZE: usize = 16384;
/// processes that can be recorded at once
pub const PROCESSES_SIZE: usize = 131072;
/// classes of process ids, by their last bits
pub const PROCESS_COUNTS: usize = 32768;
/// processes that can be stopped at once
pub const HELD_SIZE: usize = 4096;
/// numbers that there are for accounts,
pub const SHARE_ACCOUNTS: usize = 256;
/// and for sessions, a power of two
pub const SHARE_SESSIONS: usize = 1024;
pub const SHARE_COUNT: usize = 1281;
/// one account may have so many times what is free of a table
pub const SHARE_OF_REST: usize = 8;
/// of the beginning of an environment variable to record
pub const VARIABLE_WORDS: usize = 4;
/// environment variables that can be asked for
pub const VARIABLE_COUNT: usize = 16;
/// of the beginning of a path
pub const PATTERN_WORDS: usize = 8;
pub const PATTERN_COUNT: usize = 32;
/// the most of a terminal's output that is in one record
pub const TERMINAL_LENGTH: usize = 32768;
/// bytes of output that a session may have at once,
pub const TERMINAL_BURST: usize = 8000000;
/// terminals that can be recorded at once, and their sessions
pub const TERMINAL_TERMINALS: usize = 4096;

// What stands where there is no such number.
/// a uid, gid or loginuid that is not known, or not set
pub const ID_NONE: u32 = 0xffffffff;
/// the audit session of what never logged in (AUDIT_SID_UNSET)
pub const AUDIT_UNSET: u32 = 0xffffffff;
/// a port or context id of AF_VSOCK (VMADDR_PORT_ANY)
pub const VSOCK_ANY: u32 = 0xffffffff;

/// What is counted, and left out, together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum Family {
    Session = 0,
    Command = 1,
    ProcessExit = 2,
    Disk = 3,
    Network = 4,
    NetworkResult = 5,
    Privilege = 6,
}

impl Family {
    /// How many there are.
    pub const COUNT: usize = 7;
    /// All of them.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Session,
        Self::Command,
        Self::ProcessExit,
        Self::Disk,
        Self::Network,
        Self::NetworkResult,
        Self::Privilege,
    ];
    /// The name of each, in the same order.
    pub const NAMES: [&str; 7] = [
        "session",
        "command",
        "process_exit",
        "disk",
        "network",
        "network_result",
        "privilege",
    ];

    /// The name of this one.
    pub const fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// The one of this number, if there is one.
    pub fn of(number: u32) -> Option<Self> {
        Self::ALL.get(number as usize).copied()
    }
}

/// The ring buffers: of how sessions begin and end, of programs and rights, of files, of sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum RingName {
    Session = 0,
    Command = 1,
    Disk = 2,
    Network = 3,
}

impl RingName {
    /// How many there are.
    pub const COUNT: usize = 4;
    /// All of them.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Session,
        Self::Command,
        Self::Disk,
        Self::Network,
    ];
    /// The name of each, in the same order.
    pub const NAMES: [&str; 4] = [
        "session",
        "command",
        "disk",
        "network",
    ];

    /// The name of this one.
    pub const fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// The one of this number, if there is one.
    pub fn of(number: u32) -> Option<Self> {
        Self::ALL.get(number as usize).copied()
    }
}

/// Why an event is missing.
pub mod loss {
    pub const RING_FULL: u32 = 0;
    pub const SLOTS_BUSY: u32 = 1;
    pub const TABLE_FULL: u32 = 2;
    pub const SHARE_FULL: u32 = 3;
    /// How many there are.
    pub const COUNT: usize = 4;
    /// The name of each.
    pub const NAMES: [&str; 4] = [
        "ring_full",
        "slots_busy",
        "table_full",
        "share_full",
    ];
}

/// What a record tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum Kind {
    SessionStart = 1,
    SessionEnd = 2,
    Environment = 3,
    Command = 4,
    Disk = 5,
    Network = 6,
    Arguments = 7,
    ProcessExit = 8,
    NetworkResult = 9,
    LocalConnect = 10,
    Privilege = 11,
    Send = 12,
    Dns = 13,
    Vsock = 14,
    PacketSocket = 15,
    Identity = 16,
    Subsystem = 17,
    Resize = 18,
}

impl Kind {
    /// How many there are.
    pub const COUNT: usize = 18;
    /// All of them.
    pub const ALL: [Self; Self::COUNT] = [
        Self::SessionStart,
        Self::SessionEnd,
        Self::Environment,
        Self::Command,
        Self::Disk,
        Self::Network,
        Self::Arguments,
        Self::ProcessExit,
        Self::NetworkResult,
        Self::LocalConnect,
        Self::Privilege,
        Self::Send,
        Self::Dns,
        Self::Vsock,
        Self::PacketSocket,
        Self::Identity,
        Self::Subsystem,
        Self::Resize,
    ];
    /// The name of each, in the same order.
    pub const NAMES: [&str; 18] = [
        "session_start",
        "session_end",
        "environment",
        "command",
        "disk",
        "network",
        "arguments",
        "process_exit",
        "network_result",
        "local_connect",
        "privilege",
        "send",
        "dns",
        "vsock",
        "packet_socket",
        "identity",
        "subsystem",
        "resize",
    ];

    /// The name of this one.
    pub const fn name(self) -> &'static str {
        Self::NAMES[self as usize - 1]
    }

    /// The one of this number, if there is one.
    pub fn of(number: u32) -> Option<Self> {
        let place = (number as usize).checked_sub(1)?;
        Self::ALL.get(place).copied()
    }
}

/// How it was asked for, if not by a system call of its own.
pub mod via {
    pub const IO_URING: u32 = 1;
    /// how it ended could not be seen
    pub const OUTCOME_UNKNOWN: u32 = 2;
    /// set by the daemon: later ones have been handed on already
    pub const LATE: u32 = 4;
    /// arguments can have been changed since the kernel read them
    pub const RACY: u32 = 8;
}

/// What is to be said of a path.
pub mod path_note {
    /// the beginning is missing: deeper than can be walked, or in no tree
    pub const CUT: u32 = 1;
    /// no longer linked into its directory
    pub const DELETED: u32 = 2;
    /// begins at a directory that could not be read
    pub const RELATIVE: u32 = 4;
    /// ends in what was requested, in which no symbolic link is followed
    pub const REQUESTED: u32 = 8;
    /// the call followed a link at the end of what was requested
    pub const FOLLOWED: u32 = 16;
    /// the process has another root than its mount namespace
    pub const CHROOT: u32 = 32;
    /// memory without a file
    pub const NONE: u32 = 64;
    /// what was requested can have been changed during the call
    pub const RACY: u32 = 128;
    /// begins at a mount that is not in the process's tree of mounts
    pub const DETACHED: u32 = 256;
}

/// Programs that the kernel may skip.
pub mod probe {
    pub const SESSION_FORK: u32 = 0;
    pub const SESSION_EXIT: u32 = 1;
    pub const COMMAND_EXEC: u32 = 2;
    pub const COMMAND_FAILED: u32 = 3;
    pub const CHANNEL_ACT: u32 = 4;
    pub const DISK_OPEN: u32 = 5;
    pub const DISK_CHANGE: u32 = 6;
    pub const DISK_MAP: u32 = 7;
    pub const URING_SUBMIT: u32 = 8;
    pub const URING_COMPLETE: u32 = 9;
    pub const NETWORK_STATE: u32 = 10;
    pub const NETWORK_CONNECT: u32 = 11;
    pub const NETWORK_ACCEPT: u32 = 12;
    pub const NETWORK_SOCKET: u32 = 13;
    pub const NETWORK_LOCAL: u32 = 14;
    pub const PRIVILEGE_ACT: u32 = 15;
    pub const PRIVILEGE_HOST: u32 = 16;
    pub const PRIVILEGE_FILE: u32 = 17;
    pub const PRIVILEGE_SIGNAL: u32 = 18;
    pub const SYSCALL_EXIT: u32 = 19;
    pub const COMPAT_EXIT: u32 = 20;
    pub const TERMINAL_READ: u32 = 21;
    /// without a copy: what it notes is told by other names, too
    pub const DISK_NAME: u32 = 22;
    /// How many there are.
    pub const COUNT: usize = 23;
    /// The name of each.
    pub const NAMES: [&str; 23] = [
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
        "terminal_read",
        "disk_name",
    ];
}

/// Functions of the kernel for which the loader has no way, as helpers of numbers that no kernel
/// has: the daemon puts in the right instructions (src/kernel/kfunc.rs). Those of whole programs
/// are none where they can't be called around global functions.
pub mod kernel_function {
    pub const PROGRAM_PREEMPT_DISABLE: u32 = 32753;
    pub const PROGRAM_PREEMPT_ENABLE: u32 = 32754;
    pub const PROGRAM_IRQ_SAVE: u32 = 32755;
    pub const PROGRAM_IRQ_RESTORE: u32 = 32756;
    pub const PREEMPT_DISABLE: u32 = 32757;
    pub const PREEMPT_ENABLE: u32 = 32758;
}

/// Every record begins with this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Head {
    /// CLOCK_BOOTTIME, nanoseconds
    pub time: u64,
    pub session: u64,
    pub cgroup_id: u64,
    /// of the whole record, this head included
    pub length: u32,
    pub kind: u16,
    /// enum via
    pub via: u16,
    pub pid: u32,
    pub audit_session_id: u32,
    pub program: [u8; 16],
}

layout!(Head, 56);

/// One end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Endpoint {
    /// version 4 uses the first four bytes
    pub address: [u8; 16],
    /// host byte order
    pub port: u16,
    /// 4, 6, or 0 where there is none
    pub version: u8,
    pub unused: [u8; 5],
}

layout!(Endpoint, 24);

/// By which program somebody logs in.
pub mod login {
    pub const NONE: u32 = 0;
    /// sshd, dropbear
    pub const SSH: u32 = 1;
    /// login
    pub const CONSOLE: u32 = 2;
    /// cron, crond
    pub const CRON: u32 = 3;
    /// atd
    pub const AT: u32 = 4;
    /// su, where it is in no session
    pub const SU: u32 = 5;
    /// systemd, a unit that a session has asked for
    pub const SYSTEMD_RUN: u32 = 6;
    /// systemd otherwise, where a session may have asked for it
    pub const SYSTEMD: u32 = 7;
    /// the kernel itself, where a session may have named the program
    pub const KERNEL: u32 = 8;
    /// How many there are.
    pub const COUNT: usize = 9;
    /// The name of each.
    pub const NAMES: [&str; 9] = [
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
}

/// The title of sshd's process follows, where it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct SessionStart {
    pub record: Head,
    pub local: Endpoint,
    pub remote: Endpoint,
    /// the session from which the login came; 0 if it came from none
    pub parent: u64,
    /// when, if it was open already when it was found; else 0
    pub began: u64,
    pub uid: u32,
    /// the process that holds the connection
    pub connection_pid: u32,
    /// enum login
    pub login: u32,
    pub title_length: u32,
}

layout!(SessionStart, 136);

/// The last process of a session exited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct SessionEnd {
    pub record: Head,
    pub lost: [[u64; 4]; 7],
    pub excluded: [u64; 7],
}

layout!(SessionEnd, 336);

/// What sshd gave the first program of a session; the environment follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Environment {
    pub record: Head,
    pub environment_length: u32,
    pub unused: u32,
}

layout!(Environment, 64);

/// What sshd writes for the user about how they have proved who they are. It follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Identity {
    pub record: Head,
    pub identity_length: u32,
    pub unused: u32,
}

layout!(Identity, 64);

/// The strings that follow a command, in this order.
pub mod text {
    /// as executed
    pub const PATH: u32 = 0;
    /// the file that runs
    pub const EXE: u32 = 1;
    /// the working directory
    pub const CWD: u32 = 2;
    /// of a script
    pub const INTERPRETER: u32 = 3;
    /// the variables that the config names, each ended by a zero byte
    pub const ENVIRONMENT: u32 = 4;
    /// argv[0] included, each ended by a zero byte
    pub const ARGV: u32 = 5;
    /// How many there are.
    pub const COUNT: usize = 6;
    /// The name of each.
    pub const NAMES: [&str; 6] = [
        "path",
        "exe",
        "cwd",
        "interpreter",
        "environment",
        "argv",
    ];
}

/// What is to be said of a command.
pub mod command_mark {
    pub const EXE_DELETED: u32 = 1;
    /// this exec raised the process's privilege
    pub const PRIVILEGED: u32 = 2;
    /// more variables than are looked at
    pub const ENVIRONMENT_PARTIAL: u32 = 4;
    /// the beginning of exe or cwd is missing
    pub const PATH_INCOMPLETE: u32 = 8;
    /// a 32-bit program
    pub const COMPAT: u32 = 16;
    /// the one that a login server runs for a channel
    pub const CHANNEL: u32 = 32;
    /// the end of what was asked for there is missing
    pub const REQUESTED_CUT: u32 = 64;
    /// the config leaves out all but that there is a channel
    pub const EXCLUDED: u32 = 128;
}

/// What a process may do by its ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct ProcessIds {
    pub uid: u32,
    pub gid: u32,
    pub euid: u32,
    pub egid: u32,
}

layout!(ProcessIds, 16);

/// A program was run, or could not be. Its strings follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Command {
    pub record: Head,
    pub inode: u64,
    /// 12 bits of major number, 20 of minor
    pub device: u32,
    pub parent_pid: u32,
    pub return_code: i32,
    pub ids: ProcessIds,
    pub marks: u32,
    /// bytes of the arguments that could not be sent
    pub argv_missing: u32,
    /// device number of the controlling terminal; 0 where there is none
    pub terminal: u32,
    pub rows: u16,
    pub columns: u16,
    pub lengths: [u32; 6],
    /// bytes of the arguments that were sent before it
    pub argv_ahead: u32,
    /// as in struct arguments
    pub exec: u64,
    /// of a channel's, before the arguments: what the client asked for, if that is not what runs
    pub requested_length: u32,
    pub unused: u32,
}

layout!(Command, 152);

/// A login server serves a channel itself, or the terminal of one has another size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Channel {
    pub record: Head,
    /// the process that the channel is for
    pub leader: u32,
    /// as of a command
    pub terminal: u32,
    pub rows: u16,
    pub columns: u16,
    pub unused: u32,
}

layout!(Channel, 72);

/// A later part of the arguments of the command that this process sends next. The bytes follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Arguments {
    pub record: Head,
    /// tells it from the process's other execs
    pub exec: u64,
    /// in the block of all arguments
    pub offset: u32,
    pub arguments_length: u32,
}

layout!(Arguments, 72);

/// A process that ran a command of the session is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct ProcessExit {
    pub record: Head,
    /// since its last exec, nanoseconds
    pub duration: u64,
    /// of the whole process, up to its last switch, nanoseconds
    pub cpu_time: u64,
    /// resident, pages
    pub max_memory: u64,
    /// as wait(2) has it
    pub exit_code: u32,
    pub unused: u32,
}

layout!(ProcessExit, 88);

/// What is done to a file.
pub mod disk_operation {
    pub const OPEN: u16 = 0;
    /// an open that made the file
    pub const CREATE: u16 = 1;
    pub const UNLINK: u16 = 2;
    pub const RENAME: u16 = 3;
    pub const LINK: u16 = 4;
    pub const SYMLINK: u16 = 5;
    pub const MKDIR: u16 = 6;
    pub const RMDIR: u16 = 7;
    pub const MKNOD: u16 = 8;
    pub const CHMOD: u16 = 9;
    pub const CHOWN: u16 = 10;
    pub const TRUNCATE: u16 = 11;
    pub const SETXATTR: u16 = 12;
    pub const REMOVEXATTR: u16 = 13;
    pub const MOUNT: u16 = 14;
    pub const UMOUNT: u16 = 15;
    /// into memory, to be executed
    pub const MAP: u16 = 16;
    /// memory that is there, so that it can be executed
    pub const PROTECT: u16 = 17;
    pub const OPEN_TREE: u16 = 18;
    pub const FSMOUNT: u16 = 19;
    pub const FSPICK: u16 = 20;
    pub const MOUNT_SETATTR: u16 = 21;
    /// How many there are.
    pub const COUNT: usize = 22;
    /// The name of each.
    pub const NAMES: [&str; 22] = [
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
}

/// The strings that follow a file operation, in this order. What was requested is left out where it
/// is the same as the path, and where the path ends in it (PATH_REQUESTED).
pub mod disk_text {
    pub const PATH: u32 = 0;
    pub const PATH_REQUESTED: u32 = 1;
    /// the second path of a call that has two
    pub const TARGET: u32 = 2;
    pub const TARGET_REQUESTED: u32 = 3;
    /// of an extended attribute, or of a type of file system
    pub const NAME: u32 = 4;
    /// How many there are.
    pub const COUNT: usize = 5;
    /// The name of each.
    pub const NAMES: [&str; 5] = [
        "path",
        "path_requested",
        "target",
        "target_requested",
        "name",
    ];
}

/// A file operation, or the attempt at one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Disk {
    pub record: Head,
    pub return_code: i32,
    /// of the call
    pub flags: u32,
    /// DISK_TRUNCATE: the new length; DISK_MKNOD: the device, as mknod(2) takes it
    pub value: u64,
    pub owner: u32,
    pub group: u32,
    pub operation: u16,
    pub mode: u16,
    pub path_notes: u16,
    pub target_notes: u16,
    /// with PATH_REQUESTED what was requested has a length all the same
    pub lengths: [u16; 5],
    pub unused: [u16; 3],
}

layout!(Disk, 104);

/// What was done with a connection.
pub mod operation {
    pub const CONNECT: u32 = 0;
    pub const SEND: u32 = 1;
    pub const LISTEN: u32 = 2;
    pub const ACCEPT: u32 = 3;
    /// The name of each.
    pub const NAMES: [&str; 4] = [
        "connect",
        "send",
        "listen",
        "accept",
    ];
}

/// A connection was begun or accepted, or a socket listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Network {
    pub record: Head,
    pub source: Endpoint,
    pub destination: Endpoint,
    /// tells it from all others that are open; 0 if no result follows
    pub connection: u64,
    pub operation: u32,
    /// IPPROTO_...
    pub protocol: u32,
    /// negative where a connect failed before anything was sent
    pub return_code: i32,
    pub unused: u32,
}

layout!(Network, 128);

/// What is to be said of a datagram.
pub mod send_mark {
    /// through a raw socket: the program wrote the protocol's header itself
    pub const RAW: u32 = 1;
}

/// Datagrams of one process to one peer in one period of silence. The peer is an address, or the
/// name of a local socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct SendsKey {
    pub session: u64,
    /// the period; CLOCK_BOOTTIME, nanoseconds
    pub ends: u64,
    /// the process; the same clock
    pub started: u64,
    pub pid: u32,
    pub protocol: u32,
    pub return_code: i32,
    /// enum send_mark
    pub marks: u32,
    pub destination: Endpoint,
    pub name_length: u32,
    pub name: [u8; 108],
}

layout!(SendsKey, 176);

/// What became of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Sends {
    /// those without an event of their own
    pub count: u64,
    /// one of them has an event
    pub is_told: u32,
    /// whose share it is of
    pub uid: u32,
}

layout!(Sends, 16);

/// The first datagram of a period; or any, where there is no room to count more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Send {
    pub record: Head,
    pub source: Endpoint,
    pub key: SendsKey,
    /// the table has an entry for the others
    pub is_counted: u64,
}

layout!(Send, 264);

/// A datagram to the DNS port. The message follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Dns {
    pub record: Head,
    pub source: Endpoint,
    pub destination: Endpoint,
    pub message_length: u32,
    pub unused: u32,
}

layout!(Dns, 112);

/// What became of a TCP connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct NetworkResult {
    pub record: Head,
    pub source: Endpoint,
    pub destination: Endpoint,
    pub connection: u64,
    /// nanoseconds
    pub duration: u64,
    /// 0, or a negative error
    pub result: i32,
    pub unused: u32,
}

layout!(NetworkResult, 128);

/// A local socket was connected to. The name follows: a path, or in the abstract namespace
/// anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct LocalConnect {
    pub record: Head,
    pub return_code: i32,
    pub is_abstract: u32,
    pub path_length: u32,
    pub path_notes: u32,
}

layout!(LocalConnect, 72);

/// What a login server has read from a terminal, to send it to its client. It follows. Where
/// nothing does, the terminal has got its size. It comes by a ring of its own, and has no kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct TerminalOutput {
    pub record: Head,
    /// what tells it from others of the session
    pub terminal: u64,
    /// bytes left out in front of it, since the last one
    pub excluded: u64,
    /// the device number of the terminal
    pub device: u32,
    /// the leader of its session of terminals; 0 where there is none (any more)
    pub leader: u32,
    pub rows: u16,
    pub columns: u16,
    pub output_length: u32,
}

layout!(TerminalOutput, 88);

/// A socket for virtual machines (AF_VSOCK) was connected, was accepted, or listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Vsock {
    pub record: Head,
    pub return_code: i32,
    pub operation: u32,
    /// the own context id
    pub context: u32,
    pub port: u32,
    pub peer_context: u32,
    pub peer_port: u32,
}

layout!(Vsock, 80);

/// A socket for frames of network devices (AF_PACKET) was made, or refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct PacketSocket {
    pub record: Head,
    pub return_code: i32,
    /// SOCK_...
    pub kind: u32,
    /// ETH_P_...
    pub protocol: u16,
    pub unused: [u16; 3],
}

layout!(PacketSocket, 72);

/// How rights were changed, or another process or the kernel was reached into.
pub mod privilege_operation {
    pub const NONE: u32 = 0;
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
    pub const INIT_MODULE: u32 = 12;
    pub const FINIT_MODULE: u32 = 13;
    pub const DELETE_MODULE: u32 = 14;
    pub const BPF_PROG_LOAD: u32 = 15;
    pub const KEXEC_LOAD: u32 = 16;
    pub const KEXEC_FILE_LOAD: u32 = 17;
    pub const UNSHARE: u32 = 18;
    pub const SETNS: u32 = 19;
    pub const CLONE: u32 = 20;
    pub const CHROOT: u32 = 21;
    pub const PIVOT_ROOT: u32 = 22;
    pub const BPF_MAP_UPDATE_ELEM: u32 = 23;
    pub const BPF_MAP_DELETE_ELEM: u32 = 24;
    pub const BPF_MAP_LOOKUP_AND_DELETE_ELEM: u32 = 25;
    pub const BPF_MAP_FREEZE: u32 = 26;
    pub const BPF_MAP_UPDATE_BATCH: u32 = 27;
    pub const BPF_MAP_DELETE_BATCH: u32 = 28;
    pub const BPF_MAP_LOOKUP_AND_DELETE_BATCH: u32 = 29;
    pub const BPF_MAP_GET_FD_BY_ID: u32 = 30;
    pub const BPF_PROG_GET_FD_BY_ID: u32 = 31;
    pub const BPF_PROG_ATTACH: u32 = 32;
    pub const BPF_PROG_DETACH: u32 = 33;
    pub const BPF_PROG_TEST_RUN: u32 = 34;
    pub const BPF_RAW_TRACEPOINT_OPEN: u32 = 35;
    pub const BPF_LINK_CREATE: u32 = 36;
    pub const BPF_LINK_GET_FD_BY_ID: u32 = 37;
    pub const BPF_LINK_UPDATE: u32 = 38;
    pub const BPF_LINK_DETACH: u32 = 39;
    pub const BPF_BTF_GET_FD_BY_ID: u32 = 40;
    pub const BPF_OBJ_PIN: u32 = 41;
    pub const BPF_OBJ_GET: u32 = 42;
    pub const SIGNAL: u32 = 43;
    pub const PRLIMIT: u32 = 44;
    pub const SETPRIORITY: u32 = 45;
    pub const SCHED_SETSCHEDULER: u32 = 46;
    pub const SCHED_SETAFFINITY: u32 = 47;
    pub const IOPRIO_SET: u32 = 48;
    pub const PROCESS_MADVISE: u32 = 49;
    pub const PIDFD_GETFD: u32 = 50;
    pub const RECVMSG: u32 = 51;
    pub const CLOCK_SETTIME: u32 = 52;
    pub const SETTIMEOFDAY: u32 = 53;
    pub const CLOCK_ADJTIME: u32 = 54;
    pub const REBOOT: u32 = 55;
    pub const SETHOSTNAME: u32 = 56;
    pub const SYSLOG: u32 = 57;
    pub const ACCT: u32 = 58;
    /// How many there are.
    pub const COUNT: usize = 59;
    /// The name of each.
    pub const NAMES: [&str; 59] = [
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
}

/// Whose the other process is.
pub mod target {
    pub const UNKNOWN: u32 = 0;
    /// of the same session
    pub const SAME: u32 = 1;
    /// of another one
    pub const OTHER: u32 = 2;
    /// of none: what it does is not recorded
    pub const NONE: u32 = 3;
    /// The name of each.
    pub const NAMES: [&str; 4] = [
        "unknown",
        "same",
        "other",
        "none",
    ];
}

/// Another process or the kernel was reached into, or rights were changed. The path follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Privilege {
    pub record: Head,
    pub return_code: i32,
    pub operation: u32,
    /// ID_NONE where nothing changed
    pub old_ids: ProcessIds,
    pub ids: ProcessIds,
    /// as the call had them; ID_NONE leaves one as it is
    pub requested: [u32; 3],
    pub old_loginuid: u32,
    pub loginuid: u32,
    pub old_audit_session_id: u32,
    pub effective: u64,
    pub permitted: u64,
    pub inheritable: u64,
    /// written to the target
    pub bytes: u64,
    pub target_pid: u32,
    /// CLONE_NEW...
    pub namespaces: u32,
    /// BPF_PROG_TYPE_...
    pub program_type: u32,
    pub path_notes: u32,
    pub path_length: u32,
    /// of a BPF object
    pub object_id: u32,
    /// of the target, the module, the host or the BPF object
    pub name: [u8; 56],
    /// a signal, a resource, a clock, a command or a number of descriptors
    pub value: u64,
    /// that a clock was set to, nanoseconds; 0 where it is not known
    pub time: i64,
    /// enum target
    pub target: u32,
    /// of the file that was received
    pub flags: u32,
}

layout!(Privilege, 256);

/// Maps: what the kernel knows of a session, by its key: the audit session id, or a number above
/// those.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct SessionEntry {
    pub time: u64,
    pub processes: u64,
    pub uid: u32,
    pub audit_session_id: u32,
    pub pid: u32,
    pub environment_sent: u32,
    pub connection_pid: u32,
    /// set before its session_end is sent; the daemon removes the entry
    pub ended: u32,
    /// enum login
    pub login: u32,
    /// it has asked for some, or may have
    pub jobs: u32,
    pub local: Endpoint,
    pub remote: Endpoint,
    pub parent: u64,
    pub began: u64,
    pub lost: [[u64; 4]; 7],
    /// bits of enum family
    pub families_excluded: u64,
    /// how many events were
    pub excluded: [u64; 7],
    /// of reading, in which it has last sent something,
    pub rounds: [u64; 7],
    /// and how much since that began, bytes
    pub sent: [u64; 7],
    /// how often a process came or went
    pub changes: u64,
}

layout!(SessionEntry, 520);

/// The kernel's tables that have a share for each session and account, and the sizes of those whose
/// size the daemon sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum Table {
    Sessions = 0,
    Processes = 1,
    Sends = 2,
    Connects = 3,
    Requests = 4,
    Tickets = 5,
    Names = 6,
    Held = 7,
    Jobs = 8,
    Units = 9,
}

impl Table {
    /// How many there are.
    pub const COUNT: usize = 10;
    /// All of them.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Sessions,
        Self::Processes,
        Self::Sends,
        Self::Connects,
        Self::Requests,
        Self::Tickets,
        Self::Names,
        Self::Held,
        Self::Jobs,
        Self::Units,
    ];
    /// The name of each, in the same order.
    pub const NAMES: [&str; 10] = [
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

    /// The name of this one.
    pub const fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// The one of this number, if there is one.
    pub fn of(number: u32) -> Option<Self> {
        Self::ALL.get(number as usize).copied()
    }
}

/// A terminal of a session; 0 stands for all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct TerminalKey {
    pub session: u64,
    pub terminal: u64,
}

layout!(TerminalKey, 16);

/// What may be recorded of a session, and what was left out of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct TerminalState {
    /// when that was counted last, microseconds since boot
    pub time: u64,
    /// bytes that may be sent by then
    pub budget: u64,
    /// bytes left out since the last record
    pub excluded: u64,
}

layout!(TerminalState, 24);

/// A file of at or cron that a session has written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct JobFile {
    pub inode: u64,
    pub device: u32,
    pub unused: u32,
}

layout!(JobFile, 16);

/// Who has written it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Job {
    pub session: u64,
    /// of the inode: it tells the file from a later one with the same number
    pub generation: u32,
    pub unused: u32,
}

layout!(Job, 16);

/// The beginning of a slot, in which a probe builds its record. The daemon reads it to learn how
/// old a record may be that has yet to reach its ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Claim {
    pub claims: u64,
    pub time: u64,
    /// for which it was claimed last
    pub session: u64,
    /// where
    pub cpu: u64,
    pub unused: [u64; 4],
}

layout!(Claim, 64);

/// Whose doing it is what a process does.
pub mod role {
    /// all it does is the user's doing
    pub const USER: u32 = 0;
    /// the login server's process of a login that has no other: only what it carries is
    pub const BROKER: u32 = 1;
    /// a child of a login server: whose doing it is will be seen
    pub const SERVED: u32 = 2;
    /// The name of each.
    pub const NAMES: [&str; 3] = [
        "user",
        "broker",
        "served",
    ];
}

/// The environment variables to record: the first bytes of each, its name and `=`, and a mask of
/// those bytes. A mask of zero ends the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Variable {
    pub name: [[u8; 8]; 4],
    pub mask: [[u8; 8]; 4],
}

layout!(Variable, 64);

/// All of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Variables {
    pub wanted: [Variable; 16],
}

layout!(Variables, 1024);

/// What a pattern of paths says.
pub mod verdict {
    /// there is no pattern, and none behind it
    pub const NONE: u32 = 0;
    pub const EXCLUDED: u32 = 1;
    pub const KEPT: u32 = 2;
    /// it is of other paths
    pub const OTHER: u32 = 3;
    /// The name of each.
    pub const NAMES: [&str; 4] = [
        "none",
        "excluded",
        "kept",
        "other",
    ];
}

/// The beginnings of paths: the first bytes, and a mask of those.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct PatternEntry {
    pub begins: [[u8; 8]; 8],
    pub mask: [[u8; 8]; 8],
    pub length: u32,
    /// the path has no more bytes
    pub whole: u32,
    /// PATTERN_EXCLUDED or PATTERN_KEPT; PATTERN_NONE ends the list
    pub verdict: u32,
    pub unused: u32,
}

layout!(PatternEntry, 144);

/// What the config leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Rules {
    /// bits of enum family
    pub families: u64,
    /// bits of the family's operations
    pub operations: [u64; 7],
    pub patterns: [PatternEntry; 32],
}

layout!(Rules, 4672);

/// A process of a session, or one that may turn out to be, by its process id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct ProcessEntry {
    /// 0 if it is in none
    pub session: u64,
    /// of its last exec in the session; 0 if it had none
    pub command_time: u64,
    /// of a child of a login server, the key for a login without audit id
    pub login: u64,
    /// the session that it was in before its own login; 0 if it was in none
    pub outer: u64,
    pub role: u8,
    /// its calls can have been answered by a tracer
    pub emulated: u8,
    /// that its program executes memory without a file
    pub code_told: u8,
    /// its program has had threads, or processes in its memory
    pub shares_memory: u8,
    /// these three as last seen; this is 0 if they never were
    pub audit_session_id: u32,
    pub loginuid: u32,
    pub ids: ProcessIds,
    /// what tells the socket of a connect call that is told of; 0 if none
    pub connecting: u32,
    /// a login server has begun it for a channel, and nothing is told of that yet
    pub is_channel: u32,
    pub unused: u32,
}

layout!(ProcessEntry, 72);

/// A request to io_uring that is not complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Request {
    /// what is longer is sent at once, its end outcome_unknown
    pub record: [u8; 4096],
    /// whose share it is of
    pub uid: u64,
}

layout!(Request, 4104);

/// A process that is stopped until what it did is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct HeldEntry {
    pub session: u64,
    pub time: u64,
    /// whose share it is of
    pub uid: u64,
}

layout!(HeldEntry, 24);

/// How often the kernel has skipped one of its programs on one of its CPUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Missed {
    /// its id
    pub program: u32,
    pub cpu: u32,
    pub count: u64,
}

layout!(Missed, 16);

/// What the daemon does about the rings.
pub mod reader {
    /// wake it for the next record
    pub const ASLEEP: u64 = 0;
    /// it looks by itself; wake it when a ring is a quarter full
    pub const TIMED: u64 = 1;
    /// it is on its way
    pub const WOKEN: u64 = 2;
    /// The name of each.
    pub const NAMES: [&str; 3] = [
        "asleep",
        "timed",
        "woken",
    ];
}

/// What a look at a process finds.
pub mod finding_kind {
    /// it is in the table of processes, as it should
    pub const PRESENT: u32 = 0;
    /// it was not, and is now
    pub const MISSING: u32 = 1;
    /// its entry said something else, and does no more
    pub const CHANGED: u32 = 2;
    /// it was not counted among those whose ids end in the same bits, and is
    pub const COUNTED: u32 = 3;
    /// The name of each.
    pub const NAMES: [&str; 4] = [
        "present",
        "missing",
        "changed",
        "counted",
    ];
}

/// What it finds of which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Finding {
    pub session: u64,
    pub pid: u32,
    pub kind: u32,
}

layout!(Finding, 16);

/// One page shared with the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Control {
    pub reader: u64,
    /// bits of enum login that are noticed: none before every hook is attached
    pub logins: u64,
    /// counts up with every loss, so that one look tells whether there was any
    pub losses: u64,
    /// logins that found no room in the table of sessions
    pub sessions_full: u64,
    /// processes that found no room in the table of processes
    pub processes_full: u64,
    /// how often the daemon has begun to read the rings
    pub round: u64,
    /// sessions that have sent something since, counted as for each of them
    pub active: [u64; 7],
    /// for how long sends to one peer are one event, nanoseconds
    pub silence: u64,
    /// set if a process that fills a ring is to be stopped
    pub throttle: u64,
    /// counts up with every process that was stopped
    pub held: u64,
    /// processes that were put into the table because they were there already
    pub found: u64,
    /// set once a session has asked for some, or may have
    pub jobs: u64,
    /// set while the ends of calls may not be seen: nobody is logged in
    pub unhooked: u64,
    /// counts up with every call by which the daemon looks for its hook
    pub heard: u64,
    /// set once the seat of an awaited connect was taken
    pub crowded: u64,
    /// set once a session may go without a family
    pub goes_without: u64,
    /// the host's, by its inode
    pub mount_namespace: u64,
    /// of the families, of enum ring_name
    pub rings: [u64; 7],
    /// of the families' rings, bytes
    pub sizes: [u64; 7],
    /// the first of the slots that are of no CPU
    pub spare_slots: u64,
    /// set where programs have copies at their hooks
    pub copies: u64,
    /// that there can be
    pub cpus: u64,
    /// the session that has named a program of the kernel's last
    pub helper: u64,
    /// a session with fewer entries of processes than it counts
    pub missing: u64,
    /// the key of a session whose count of processes is wrong,
    pub adjust: u64,
    /// by how much, negative where it is too high,
    pub adjust_by: u64,
    /// unless it has changed since
    pub adjust_changes: u64,
    /// the processes of the daemon and its guard; 0 if there is none
    pub recorder: [u64; 2],
    /// of the ring of terminals, bytes; 0 if none is recorded
    pub terminal_size: u64,
}

layout!(Control, 384);
