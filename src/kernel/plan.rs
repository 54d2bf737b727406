//! Which programs serve which family of events, and at which hooks: all of it, as data.

use super::calls;
use super::syscall::Call;
use crate::base::{Backend, Family};

/// Where a program is attached.
#[derive(Clone, Copy, Debug)]
pub enum Place {
    /// A tracepoint with typed arguments, by the names it has had: the first that this kernel has.
    Tracepoint(&'static [&'static str]),
    /// The end of each of these system calls.
    Exits(&'static [Call]),
    /// The end of each of these functions of the kernel, where single functions can be hooked.
    Functions(&'static [&'static str]),
    /// What leaves the sockets of all processes, below the root of the hierarchy of cgroups.
    Egress,
}

/// A program and its place.
#[derive(Clone, Copy, Debug)]
pub struct Hook {
    /// Its name in the object. It may be in several hooks, of the same kind.
    pub program: &'static str,
    /// Where it is attached.
    pub place: Place,
    /// Whether a kernel without this place lacks what would have to be seen there, too.
    pub optional: bool,
    /// The kind of which alone it is; none if it is of both.
    pub only: Option<Backend>,
    /// What is not seen where the program is not at work, though the kernel does it.
    pub unseen: Option<&'static str>,
}

const fn needed(program: &'static str, place: Place) -> Hook {
    Hook {
        program,
        place,
        optional: false,
        only: None,
        unseen: None,
    }
}

const fn tracepoint(program: &'static str, names: &'static [&'static str]) -> Hook {
    needed(program, Place::Tracepoint(names))
}

const fn egress(program: &'static str) -> Hook {
    needed(program, Place::Egress)
}

const fn exits(program: &'static str, calls: &'static [Call]) -> Hook {
    needed(program, Place::Exits(calls))
}

/// What is told without it all the same, but for what is `unseen`.
const fn functions(
    program: &'static str,
    names: &'static [&'static str],
    unseen: &'static str,
) -> Hook {
    Hook {
        unseen: Some(unseen),
        ..optional(only(Backend::Fexit, program, Place::Functions(names)))
    }
}

const fn only(kind: Backend, program: &'static str, place: Place) -> Hook {
    Hook {
        only: Some(kind),
        ..needed(program, place)
    }
}

const fn optional(hook: Hook) -> Hook {
    Hook {
        optional: true,
        ..hook
    }
}

/// How a family is seen.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// What it sees.
    pub family: Family,
    /// All hooks that are needed for it.
    pub hooks: &'static [Hook],
    /// What happens on the host, belongs to the family, and is not seen.
    pub unseen: &'static [&'static str],
}

impl Hook {
    /// Whether hooks of this kind can be there.
    pub fn is_of(&self, kind: Backend) -> bool {
        self.only.is_none_or(|only| only == kind)
    }
}

impl Plan {
    /// Whether it is none without this program.
    pub fn needs(&self, program: &str) -> bool {
        let mut hooks = self.hooks.iter();
        hooks.any(|hook| hook.program == program && !hook.optional)
    }

    /// The kinds that make a difference to it, the better one first.
    pub fn kinds(&self) -> &'static [Backend] {
        let is_call = |hook: &Hook| matches!(hook.place, Place::Exits(_));
        match self.hooks.iter().any(is_call) {
            true => &Backend::ALL,
            false => &[Backend::Tracepoint],
        }
    }
}

/// Every plan, in the order of [`Family::CHOICES`]. Which calls each program looks at is in
/// probes/syscalls.tbl.
pub const PLANS: &[Plan] = &[
    Plan {
        family: Family::Session,
        hooks: &[
            tracepoint("session_fork", &["sched_process_fork"]),
            tracepoint("session_exit", &["sched_process_exit"]),
        ],
        unseen: &[],
    },
    Plan {
        family: Family::Command,
        hooks: &[
            tracepoint("command_exec", &["sched_process_exec"]),
            exits("command_failed", calls::COMMAND_FAILED),
            exits("channel_act", calls::CHANNEL_ACT),
            exits("terminal_read", calls::TERMINAL_READ),
        ],
        unseen: &[],
    },
    Plan {
        family: Family::Disk,
        hooks: &[
            exits("disk_open", calls::DISK_OPEN),
            optional(exits("disk_open", calls::DISK_OPEN_OPTIONAL)),
            // Nobody else's writes to pipes and sockets are to pay for it.
            only(
                Backend::Fexit,
                "identity_file",
                Place::Functions(&["generic_write_checks"]),
            ),
            only(
                Backend::Tracepoint,
                "identity_write",
                Place::Exits(calls::IDENTITY_WRITE),
            ),
            exits("disk_change", calls::DISK_CHANGE),
            optional(exits("disk_change", calls::DISK_CHANGE_OPTIONAL)),
            functions(
                "disk_name",
                &[
                    "security_path_unlink",
                    "security_path_rmdir",
                    "security_path_rename",
                    "security_path_link",
                    "security_path_symlink",
                    "security_path_mkdir",
                    "security_path_mknod",
                    "security_path_chmod",
                    "chown_common",
                    "security_path_truncate",
                    "security_sb_mount",
                    "security_sb_umount",
                    "security_move_mount",
                ],
                "names as the kernel resolves them, except for opens",
            ),
            exits("disk_map", calls::DISK_MAP),
            optional(exits("disk_map", calls::DISK_MAP_OPTIONAL)),
            optional(tracepoint(
                "uring_submit",
                &["io_uring_submit_req", "io_uring_submit_sqe"],
            )),
            optional(tracepoint("uring_complete", &["io_uring_complete"])),
        ],
        unseen: &["symbolic links in paths that aren't opened"],
    },
    Plan {
        family: Family::Network,
        hooks: &[
            tracepoint("network_state", &["inet_sock_set_state"]),
            exits("network_connect", calls::NETWORK_CONNECT),
            exits("network_accept", calls::NETWORK_ACCEPT),
            exits("network_socket", calls::NETWORK_SOCKET),
            exits("network_local", calls::NETWORK_LOCAL),
            egress("network_packet"),
        ],
        unseen: &[],
    },
    Plan {
        family: Family::Privilege,
        hooks: &[
            exits("privilege_act", calls::PRIVILEGE_ACT),
            optional(exits("privilege_act", calls::PRIVILEGE_ACT_OPTIONAL)),
            exits("privilege_host", calls::PRIVILEGE_HOST),
            optional(exits("privilege_host", calls::PRIVILEGE_HOST_OPTIONAL)),
            exits("privilege_file", calls::PRIVILEGE_FILE),
            tracepoint("privilege_signal", &["signal_generate"]),
        ],
        unseen: &[],
    },
];
