//! Which programs serve which family of events, and at which hooks: all of it, as data.

use beside_libc::*;
use libc::*;

use super::syscall::Call;
use crate::base::{Family, Kind};

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
    pub only: Option<Kind>,
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
        ..optional(only(Kind::Fentry, program, Place::Functions(names)))
    }
}

const fn only(kind: Kind, program: &'static str, place: Place) -> Hook {
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

/// The calls of these numbers, by the names that they have in libc.
macro_rules! calls {
    ($($number:ident),*) => { &[$(Call::new(stringify!($number), $number)),*] };
}

/// Calls that libc calls otherwise, or has no number of, in its manner.
#[allow(non_upper_case_globals)]
mod beside_libc {
    use libc::c_long;

    pub const SYS_umount: c_long = libc::SYS_umount2;
    pub const SYS_setxattrat: c_long = 463;
    pub const SYS_removexattrat: c_long = 466;
    pub const SYS_open_tree_attr: c_long = 467;
    #[cfg(target_arch = "aarch64")]
    pub const SYS_kexec_file_load: c_long = 294;
    #[cfg(target_arch = "aarch64")]
    pub const SYS_fchmodat2: c_long = 452;
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
    pub fn is_of(&self, kind: Kind) -> bool {
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
    pub fn kinds(&self) -> &'static [Kind] {
        let is_call = |hook: &Hook| matches!(hook.place, Place::Exits(_));
        match self.hooks.iter().any(is_call) {
            true => &Kind::ALL,
            false => &[Kind::Portable],
        }
    }
}

/// Every plan, in the order of [`Family::ALL`]. An architecture as young as arm64 has no
/// `open` beside `openat`.
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
            exits("command_failed", calls![SYS_execve, SYS_execveat]),
            exits(
                "channel_act",
                calls![SYS_rt_sigaction, SYS_prctl, SYS_ioctl],
            ),
        ],
        unseen: &[],
    },
    Plan {
        family: Family::Disk,
        hooks: &[
            exits("disk_open", calls![SYS_openat, SYS_openat2]),
            #[cfg(target_arch = "x86_64")]
            exits("disk_open", calls![SYS_open, SYS_creat]),
            optional(exits("disk_open", calls![SYS_open_by_handle_at])),
            // Nobody else's writes to pipes and sockets are to pay for it.
            only(
                Kind::Fentry,
                "identity_file",
                Place::Functions(&["generic_write_checks"]),
            ),
            only(
                Kind::Portable,
                "identity_write",
                Place::Exits(calls![SYS_write]),
            ),
            exits(
                "disk_change",
                calls![
                    SYS_unlinkat,
                    SYS_renameat,
                    SYS_renameat2,
                    SYS_linkat,
                    SYS_symlinkat,
                    SYS_mkdirat,
                    SYS_mknodat,
                    SYS_fchmod,
                    SYS_fchmodat,
                    SYS_fchown,
                    SYS_fchownat,
                    SYS_truncate,
                    SYS_ftruncate,
                    SYS_setxattr,
                    SYS_lsetxattr,
                    SYS_fsetxattr,
                    SYS_removexattr,
                    SYS_lremovexattr,
                    SYS_fremovexattr,
                    SYS_mount,
                    SYS_umount,
                    SYS_open_tree,
                    SYS_move_mount,
                    SYS_fsmount,
                    SYS_fspick
                ],
            ),
            #[cfg(target_arch = "x86_64")]
            exits(
                "disk_change",
                calls![
                    SYS_unlink,
                    SYS_rmdir,
                    SYS_rename,
                    SYS_link,
                    SYS_symlink,
                    SYS_mkdir,
                    SYS_mknod,
                    SYS_chmod,
                    SYS_chown,
                    SYS_lchown
                ],
            ),
            // Kernels from before 5.12, 6.6, 6.13 and 6.15 have none of these.
            optional(exits(
                "disk_change",
                calls![
                    SYS_mount_setattr,
                    SYS_fchmodat2,
                    SYS_setxattrat,
                    SYS_removexattrat,
                    SYS_open_tree_attr
                ],
            )),
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
                "names as the kernel takes them, but for opens",
            ),
            exits("disk_map", calls![SYS_mmap, SYS_mprotect]),
            optional(exits("disk_map", calls![SYS_pkey_mprotect, SYS_shmat])),
            optional(tracepoint(
                "uring_submit",
                &["io_uring_submit_req", "io_uring_submit_sqe"],
            )),
            optional(tracepoint("uring_complete", &["io_uring_complete"])),
        ],
        unseen: &["links in paths of which only the name is left"],
    },
    Plan {
        family: Family::Network,
        hooks: &[
            tracepoint("network_state", &["inet_sock_set_state"]),
            exits("network_connect", calls![SYS_connect]),
            exits("network_accept", calls![SYS_accept4, SYS_accept]),
            exits("network_socket", calls![SYS_socket, SYS_listen]),
            exits(
                "network_local",
                calls![SYS_sendto, SYS_sendmsg, SYS_sendmmsg],
            ),
            egress("network_packet"),
        ],
        unseen: &[],
    },
    Plan {
        family: Family::Privilege,
        hooks: &[
            exits(
                "privilege_act",
                calls![
                    SYS_setuid,
                    SYS_setgid,
                    SYS_setreuid,
                    SYS_setregid,
                    SYS_setresuid,
                    SYS_setresgid,
                    SYS_capset,
                    SYS_ptrace,
                    SYS_unshare,
                    SYS_setns,
                    SYS_clone,
                    SYS_clone3,
                    SYS_chroot,
                    SYS_pivot_root
                ],
            ),
            // A kernel may be made without each of these.
            optional(exits(
                "privilege_act",
                calls![
                    SYS_process_vm_writev,
                    SYS_init_module,
                    SYS_finit_module,
                    SYS_delete_module,
                    SYS_kexec_load,
                    SYS_kexec_file_load
                ],
            )),
            exits(
                "privilege_host",
                calls![
                    SYS_bpf,
                    SYS_prlimit64,
                    SYS_setpriority,
                    SYS_sched_setparam,
                    SYS_sched_setscheduler,
                    SYS_sched_setattr,
                    SYS_sched_setaffinity,
                    SYS_clock_settime,
                    SYS_settimeofday,
                    SYS_clock_adjtime,
                    SYS_adjtimex,
                    SYS_reboot,
                    SYS_sethostname
                ],
            ),
            optional(exits(
                "privilege_host",
                calls![
                    SYS_pidfd_getfd,
                    SYS_process_madvise,
                    SYS_ioprio_set,
                    SYS_syslog,
                    SYS_acct
                ],
            )),
            exits("privilege_file", calls![SYS_recvmsg, SYS_recvmmsg]),
            tracepoint("privilege_signal", &["signal_generate"]),
        ],
        unseen: &[],
    },
];
