//! The calls whose ends are looked at. Made from probes/syscalls.tbl by probes/build.sh: change that.

use super::syscall::Call;

/// Those of `command_failed`.
pub const COMMAND_FAILED: &[Call] = &[
    Call::new("execve", [59, 221]),
    Call::new("execveat", [322, 281]),
];

/// Those of `channel_act`.
pub const CHANNEL_ACT: &[Call] = &[
    Call::new("rt_sigaction", [13, 134]),
    Call::new("prctl", [157, 167]),
    Call::new("ioctl", [16, 29]),
];

/// Those of `disk_open`.
pub const DISK_OPEN: &[Call] = &[
    Call::new("openat", [257, 56]),
    Call::new("openat2", [437, 437]),
    #[cfg(target_arch = "x86_64")]
    Call { name: "open", number: 2 },
    #[cfg(target_arch = "x86_64")]
    Call { name: "creat", number: 85 },
];

/// Those of `disk_open` that a kernel may be made without.
pub const DISK_OPEN_OPTIONAL: &[Call] = &[
    Call::new("open_by_handle_at", [304, 265]),
];

/// Those of `identity_write`.
pub const IDENTITY_WRITE: &[Call] = &[
    Call::new("write", [1, 64]),
];

/// Those of `terminal_read`.
pub const TERMINAL_READ: &[Call] = &[
    Call::new("read", [0, 63]),
];

/// Those of `disk_change`.
pub const DISK_CHANGE: &[Call] = &[
    Call::new("unlinkat", [263, 35]),
    Call::new("renameat", [264, 38]),
    Call::new("renameat2", [316, 276]),
    Call::new("linkat", [265, 37]),
    Call::new("symlinkat", [266, 36]),
    Call::new("mkdirat", [258, 34]),
    Call::new("mknodat", [259, 33]),
    Call::new("fchmod", [91, 52]),
    Call::new("fchmodat", [268, 53]),
    Call::new("fchown", [93, 55]),
    Call::new("fchownat", [260, 54]),
    Call::new("truncate", [76, 45]),
    Call::new("ftruncate", [77, 46]),
    Call::new("setxattr", [188, 5]),
    Call::new("lsetxattr", [189, 6]),
    Call::new("fsetxattr", [190, 7]),
    Call::new("removexattr", [197, 14]),
    Call::new("lremovexattr", [198, 15]),
    Call::new("fremovexattr", [199, 16]),
    Call::new("mount", [165, 40]),
    Call::new("umount", [166, 39]),
    Call::new("open_tree", [428, 428]),
    Call::new("move_mount", [429, 429]),
    Call::new("fsmount", [432, 432]),
    Call::new("fspick", [433, 433]),
    #[cfg(target_arch = "x86_64")]
    Call { name: "unlink", number: 87 },
    #[cfg(target_arch = "x86_64")]
    Call { name: "rmdir", number: 84 },
    #[cfg(target_arch = "x86_64")]
    Call { name: "rename", number: 82 },
    #[cfg(target_arch = "x86_64")]
    Call { name: "link", number: 86 },
    #[cfg(target_arch = "x86_64")]
    Call { name: "symlink", number: 88 },
    #[cfg(target_arch = "x86_64")]
    Call { name: "mkdir", number: 83 },
    #[cfg(target_arch = "x86_64")]
    Call { name: "mknod", number: 133 },
    #[cfg(target_arch = "x86_64")]
    Call { name: "chmod", number: 90 },
    #[cfg(target_arch = "x86_64")]
    Call { name: "chown", number: 92 },
    #[cfg(target_arch = "x86_64")]
    Call { name: "lchown", number: 94 },
];

/// Those of `disk_change` that a kernel may be made without.
pub const DISK_CHANGE_OPTIONAL: &[Call] = &[
    Call::new("mount_setattr", [442, 442]),
    Call::new("fchmodat2", [452, 452]),
    Call::new("setxattrat", [463, 463]),
    Call::new("removexattrat", [466, 466]),
    Call::new("open_tree_attr", [467, 467]),
];

/// Those of `disk_map`.
pub const DISK_MAP: &[Call] = &[
    Call::new("mmap", [9, 222]),
    Call::new("mprotect", [10, 226]),
];

/// Those of `disk_map` that a kernel may be made without.
pub const DISK_MAP_OPTIONAL: &[Call] = &[
    Call::new("pkey_mprotect", [329, 288]),
    Call::new("shmat", [30, 196]),
];

/// Those of `network_connect`.
pub const NETWORK_CONNECT: &[Call] = &[
    Call::new("connect", [42, 203]),
];

/// Those of `network_accept`.
pub const NETWORK_ACCEPT: &[Call] = &[
    Call::new("accept4", [288, 242]),
    Call::new("accept", [43, 202]),
];

/// Those of `network_socket`.
pub const NETWORK_SOCKET: &[Call] = &[
    Call::new("socket", [41, 198]),
    Call::new("listen", [50, 201]),
];

/// Those of `network_local`.
pub const NETWORK_LOCAL: &[Call] = &[
    Call::new("sendto", [44, 206]),
    Call::new("sendmsg", [46, 211]),
    Call::new("sendmmsg", [307, 269]),
];

/// Those of `privilege_act`.
pub const PRIVILEGE_ACT: &[Call] = &[
    Call::new("setuid", [105, 146]),
    Call::new("setgid", [106, 144]),
    Call::new("setreuid", [113, 145]),
    Call::new("setregid", [114, 143]),
    Call::new("setresuid", [117, 147]),
    Call::new("setresgid", [119, 149]),
    Call::new("capset", [126, 91]),
    Call::new("ptrace", [101, 117]),
    Call::new("unshare", [272, 97]),
    Call::new("setns", [308, 268]),
    Call::new("clone", [56, 220]),
    Call::new("clone3", [435, 435]),
    Call::new("chroot", [161, 51]),
    Call::new("pivot_root", [155, 41]),
];

/// Those of `privilege_act` that a kernel may be made without.
pub const PRIVILEGE_ACT_OPTIONAL: &[Call] = &[
    Call::new("process_vm_writev", [311, 271]),
    Call::new("init_module", [175, 105]),
    Call::new("finit_module", [313, 273]),
    Call::new("delete_module", [176, 106]),
    Call::new("kexec_load", [246, 104]),
    Call::new("kexec_file_load", [320, 294]),
];

/// Those of `privilege_host`.
pub const PRIVILEGE_HOST: &[Call] = &[
    Call::new("bpf", [321, 280]),
    Call::new("prlimit64", [302, 261]),
    Call::new("setpriority", [141, 140]),
    Call::new("sched_setparam", [142, 118]),
    Call::new("sched_setscheduler", [144, 119]),
    Call::new("sched_setattr", [314, 274]),
    Call::new("sched_setaffinity", [203, 122]),
    Call::new("clock_settime", [227, 112]),
    Call::new("settimeofday", [164, 170]),
    Call::new("clock_adjtime", [305, 266]),
    Call::new("adjtimex", [159, 171]),
    Call::new("reboot", [169, 142]),
    Call::new("sethostname", [170, 161]),
];

/// Those of `privilege_host` that a kernel may be made without.
pub const PRIVILEGE_HOST_OPTIONAL: &[Call] = &[
    Call::new("pidfd_getfd", [438, 438]),
    Call::new("process_madvise", [440, 440]),
    Call::new("ioprio_set", [251, 30]),
    Call::new("syslog", [103, 116]),
    Call::new("acct", [163, 89]),
];

/// Those of `privilege_file`.
pub const PRIVILEGE_FILE: &[Call] = &[
    Call::new("recvmsg", [47, 212]),
    Call::new("recvmmsg", [299, 243]),
];
