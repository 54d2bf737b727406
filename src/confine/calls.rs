//! The system calls of a recorder that runs.

use libc::c_long;

use crate::kernel::{ITER_CREATE, MAP_LOOKUP_AND_DELETE_ELEM, RAW_TRACEPOINT_OPEN};

/// What an argument has to be.
pub enum Rule {
    /// One of these.
    OneOf(&'static [u32]),
    /// Without these bits.
    Without(u32),
}

/// A call that is allowed only with some arguments: its number, the place of the argument, and what
/// the lower half of that has to be.
pub type Checked = (c_long, u32, Rule);

// Commands of bpf(2), from linux/bpf.h: what is done to a map that is open, questions about what is
// open, and what attaches a program to the tracepoint that it is loaded for, or has it run for each
// process. None makes or loads anything, or gets hold of what is of others.
const MAP_LOOKUP_ELEM: u32 = 1;
const MAP_UPDATE_ELEM: u32 = 2;
const MAP_DELETE_ELEM: u32 = 3;
const MAP_GET_NEXT_KEY: u32 = 4;
const OBJ_GET_INFO_BY_FD: u32 = 15;

/// From linux/perf_event.h.
const PERF_EVENT_IOC_DISABLE: u32 = 0x2401;

/// Allowed with these arguments.
pub const CHECKED: &[Checked] = &[
    (
        libc::SYS_bpf,
        0,
        Rule::OneOf(&[
            MAP_LOOKUP_ELEM,
            MAP_UPDATE_ELEM,
            MAP_DELETE_ELEM,
            MAP_GET_NEXT_KEY,
            OBJ_GET_INFO_BY_FD,
            RAW_TRACEPOINT_OPEN,
            MAP_LOOKUP_AND_DELETE_ELEM,
            ITER_CREATE,
        ]),
    ),
    // syslog, journald and the service manager.
    (libc::SYS_socket, 0, Rule::OneOf(&[libc::AF_UNIX as u32])),
    // Whether the guard has ended, without waiting for it.
    (libc::SYS_wait4, 2, Rule::OneOf(&[libc::WNOHANG as u32])),
    (libc::SYS_mmap, 2, Rule::Without(libc::PROT_EXEC as u32)),
    (libc::SYS_mprotect, 2, Rule::Without(libc::PROT_EXEC as u32)),
    (
        libc::SYS_ioctl,
        1,
        Rule::OneOf(&[
            PERF_EVENT_IOC_DISABLE,
            libc::FIONBIO as u32,
            libc::TCGETS as u32,
            libc::TIOCGWINSZ as u32,
        ]),
    ),
];

/// Allowed on every architecture, what is called often first.
pub const ALLOWED: &[c_long] = &[
    libc::SYS_epoll_pwait,
    libc::SYS_write,
    libc::SYS_read,
    libc::SYS_flock,
    libc::SYS_fallocate,
    libc::SYS_fdatasync,
    libc::SYS_fsync,
    // The log is brought to the disk by the kernel meanwhile.
    libc::SYS_io_setup,
    libc::SYS_io_submit,
    libc::SYS_io_getevents,
    libc::SYS_io_destroy,
    // Files: the log, the heartbeat, the cgroups of sessions, who logged in.
    libc::SYS_openat,
    libc::SYS_close,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_fstatfs,
    libc::SYS_statfs,
    libc::SYS_lseek,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_preadv,
    libc::SYS_pwritev,
    libc::SYS_ftruncate,
    libc::SYS_utimensat,
    libc::SYS_fcntl,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_readlinkat,
    libc::SYS_getdents64,
    libc::SYS_getcwd,
    libc::SYS_mkdirat,
    libc::SYS_unlinkat,
    libc::SYS_symlinkat,
    libc::SYS_linkat,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_copy_file_range,
    libc::SYS_sendfile,
    // Waiting.
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_ppoll,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_gettimeofday,
    libc::SYS_timerfd_create,
    libc::SYS_timerfd_settime,
    libc::SYS_eventfd2,
    libc::SYS_inotify_init1,
    libc::SYS_inotify_add_watch,
    libc::SYS_inotify_rm_watch,
    libc::SYS_futex,
    libc::SYS_sched_yield,
    libc::SYS_restart_syscall,
    // Local sockets, and what they were made with.
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept4,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_shutdown,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    // Signals to the processes of sessions.
    libc::SYS_kill,
    // Memory; journald takes long lines in some of its own.
    libc::SYS_memfd_create,
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    // Of itself.
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_getppid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_getrandom,
    libc::SYS_uname,
    libc::SYS_sysinfo,
    libc::SYS_umask,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_tgkill,
    libc::SYS_tkill,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// Older forms of the same, which arm64 does not have.
#[cfg(target_arch = "x86_64")]
pub const OLDER: &[c_long] = &[
    libc::SYS_epoll_wait,
    libc::SYS_open,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_access,
    libc::SYS_readlink,
    libc::SYS_mkdir,
    libc::SYS_rmdir,
    libc::SYS_unlink,
    libc::SYS_symlink,
    libc::SYS_link,
    libc::SYS_rename,
    libc::SYS_chmod,
    libc::SYS_dup2,
    libc::SYS_poll,
    libc::SYS_time,
];

/// Older forms of the same, of which there are none.
#[cfg(not(target_arch = "x86_64"))]
pub const OLDER: &[c_long] = &[];
