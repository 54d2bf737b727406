//! What the daemon has taken from itself once it records, and that it lacks nothing of it.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::common::{
    self, Folder, Host, ONE, Outcome, PYTHON, Process, TWO, patiently, start_daemon,
};
use libtest_mimic::Trial;
use recorderd::confine::confine;

const TRACER: &str = "/usr/bin/strace";

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    let lacks =
        |name: &str| (name == LACKS_NOTHING && !Path::new(TRACER).exists()).then_some("strace");
    common::tests_with(
        module_path!(),
        &[
            ("what is kept", what_is_kept),
            ("what is forbidden is refused", forbidden),
            (LACKS_NOTHING, lacks_nothing),
        ],
        lacks,
    )
}

const LACKS_NOTHING: &str = "nothing that it does is refused";

/// CAP_KILL and CAP_BPF.
const KEPT: u64 = 1 << 5 | 1 << 39;

fn what_is_kept() -> Outcome {
    let folder = Folder::new();
    let daemon = start_daemon(folder.path(), "");
    let folder = format!("/proc/{}/task", daemon.child.id());
    // Those of the log and of recordings are among them: each has rights of its own. Of those that have helped with the
    // start, which were waited for, the kernel may still have an entry.
    let threads = patiently("three threads", || {
        let threads = fs::read_dir(&folder).unwrap();
        let threads: Vec<_> = threads.map(|thread| thread.unwrap().path()).collect();
        for thread in &threads {
            let name = fs::read_to_string(thread.join("comm")).unwrap_or_default();
            assert!(!name.starts_with("iou-wrk"), "{name}");
        }
        (threads.len() == 3).then_some(threads)
    });
    for thread in threads {
        let status = fs::read_to_string(thread.join("status"))?;
        let value = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key));
            line.unwrap_or_else(|| panic!("no {key}")).trim().to_owned()
        };
        for set in ["CapInh:", "CapAmb:"] {
            assert_eq!(value(set), format!("{:016x}", 0), "{set}");
        }
        for set in ["CapPrm:", "CapEff:", "CapBnd:"] {
            assert_eq!(value(set), format!("{KEPT:016x}"), "{set}");
        }
        assert_eq!(
            (value("NoNewPrivs:"), value("Seccomp:")),
            ("1".into(), "2".into())
        );
    }
    Ok(())
}

/// One call, and what it returns.
type Call = (&'static str, fn() -> libc::c_long);

// SAFETY: all of the following calls are given strings that end in zero, or plain numbers.

/// None of these fails with EPERM in a process of root that is not confined.
const FORBIDDEN: &[Call] = &[
    ("fork", || unsafe { libc::fork() }.into()),
    ("execve", || {
        let none = [std::ptr::null()];
        unsafe { libc::execve(c"/nothing".as_ptr(), none.as_ptr(), none.as_ptr()) }.into()
    }),
    ("socket of the network", || {
        unsafe { libc::socket(libc::AF_INET, libc::SOCK_STREAM, 0) }.into()
    }),
    ("memory to run", || {
        memory(libc::PROT_READ | libc::PROT_EXEC)
    }),
    ("memory that becomes code", || {
        // SAFETY: memory of its own, that nobody uses.
        let address = memory(libc::PROT_READ | libc::PROT_WRITE) as *mut libc::c_void;
        unsafe { libc::mprotect(address, 4096, libc::PROT_READ | libc::PROT_EXEC) }.into()
    }),
    ("input for a terminal", || {
        unsafe { libc::ioctl(-1, libc::TIOCSTI, c"".as_ptr()) }.into()
    }),
    ("bpf: BPF_PROG_LOAD", || bpf(5)),
    ("bpf: BPF_PROG_GET_FD_BY_ID", || bpf(13)),
    ("bpf: BPF_MAP_GET_FD_BY_ID", || bpf(14)),
    ("bpf: BPF_LINK_CREATE", || bpf(28)),
    ("personality", || unsafe {
        libc::syscall(libc::SYS_personality, 0xffff_ffffu32)
    }),
    ("setpriority", || {
        unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 0) }.into()
    }),
    ("to wait for a child", || {
        unsafe { libc::wait4(-1, std::ptr::null_mut(), 0, std::ptr::null_mut()) }.into()
    }),
    ("chroot", || {
        unsafe { libc::chroot(c"/nothing".as_ptr()) }.into()
    }),
];

const ALLOWED: &[Call] = &[
    ("local socket", || {
        unsafe { libc::socket(libc::AF_UNIX, libc::SOCK_DGRAM, 0) }.into()
    }),
    ("memory", || memory(libc::PROT_READ | libc::PROT_WRITE)),
    ("whether a child has ended", || {
        let none = std::ptr::null_mut();
        let ended = unsafe { libc::wait4(-1, none, libc::WNOHANG, std::ptr::null_mut()) };
        let has_none = io::Error::last_os_error().raw_os_error() == Some(libc::ECHILD);
        if has_none { 0 } else { ended.into() }
    }),
    ("file", || {
        unsafe { libc::open(c"/etc/passwd".as_ptr(), libc::O_RDONLY) }.into()
    }),
];

fn memory(protection: i32) -> libc::c_long {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: memory of its own, that nobody uses.
    unsafe { libc::mmap(std::ptr::null_mut(), 4096, protection, flags, -1, 0) as libc::c_long }
}

/// Without rights, the kernel says that there is none of those numbers before it says that it may not be: only the
/// filter answers with EPERM.
fn bpf(command: u32) -> libc::c_long {
    let attributes = [0xffu8; 72];
    // SAFETY: the kernel reads so many bytes.
    unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            attributes.as_ptr(),
            size_of_val(&attributes),
        )
    }
}

fn is_refused(call: fn() -> libc::c_long) -> bool {
    let done = call();
    done < 0 && io::Error::last_os_error().raw_os_error() == Some(libc::EPERM)
}

/// Does something in a process of its own, and returns its exit code.
fn apart(act: impl FnOnce() -> i32) -> i32 {
    // SAFETY: the child does what it has to, and ends without the test.
    match unsafe { libc::fork() } {
        0 => unsafe { libc::_exit(act()) },
        pid => {
            let mut status = 0;
            // SAFETY: our own child.
            assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
            assert!(libc::WIFEXITED(status), "{status:x}");
            libc::WEXITSTATUS(status)
        }
    }
}

fn forbidden() -> Outcome {
    const GOOD: i32 = 0;
    const UNCONFINED: i32 = 1;
    for (name, call) in FORBIDDEN {
        if *name != "fork" {
            let free = apart(|| is_refused(*call).into());
            assert_eq!(free, 0, "{name} is refused to anybody");
        }
        let code = apart(|| match confine() {
            Ok(()) if is_refused(*call) => GOOD,
            _ => UNCONFINED,
        });
        assert_eq!(code, GOOD, "{name}");
    }
    for (name, call) in ALLOWED {
        let code = apart(|| match confine() {
            Ok(()) if call() >= 0 => GOOD,
            _ => UNCONFINED,
        });
        assert_eq!(code, GOOD, "{name}");
    }
    Ok(())
}

/// Goes the ways of a daemon under the eyes of a tracer.
fn lacks_nothing() -> Outcome {
    let mut host = Host::with(
        "ExposeAuthInfo yes",
        "log_file_size: 16K\nlog_total_size: 64K\nfsync: per-event\nnetwork_aggregation_seconds: 1\n\
         overload: throttle\ndisk_buffer_size: 8",
    );
    let trace = host.folder.path().join("trace");
    let mut tracer = Process::spawn(
        Command::new(TRACER)
            .args(["-f", "-qq", "-o"])
            .arg(&trace)
            .args(["-p", &host.daemon.child.id().to_string()])
            .stdin(Stdio::null()),
    );
    let traced = || fs::read_to_string(&trace).unwrap_or_default();
    patiently("the tracer", || {
        host.daemon.signal(libc::SIGHUP);
        (!traced().is_empty()).then_some(())
    });
    // Names, datagrams that are counted, enough lines for several files, and more than the ring holds.
    let script = format!(
        "for i in 1 2 3 4 5 6 7 8; do /bin/cat /etc/hostname /etc/passwd >/dev/null; done; \
         {PYTHON} -c 'import socket; s = socket.socket(2, 2); \
         [s.sendto(b\"x\", (\"127.0.0.1\", 9)) for _ in range(3)]; \
         [open(\"/etc/passwd\").close() for _ in range(3000)]'"
    );
    for user in [ONE, TWO] {
        host.ssh(user, &script);
    }
    host.ssh("root", &script);
    // Whom it holds, it lets go: by a signal, or by the cgroup.
    patiently("a session that is held", || {
        host.ssh(ONE, &script);
        let lets_go = |line: &str| {
            (line.contains(" kill(") && line.ends_with("SIGCONT) = 0"))
                || line.contains("/cgroup.freeze\"")
        };
        traced().lines().any(lets_go).then_some(())
    });
    let log = host.folder.path().join("log");
    let link = fs::read_link(log.join("events.log"))?;
    let folder = log.join(link.parent().unwrap());
    let files = || fs::read_dir(&folder).map_or(0, |files| files.count());
    patiently("several files", || (files() > 3).then_some(()));
    // A log that others move and remove.
    patiently("a log to move", || {
        let current = fs::canonicalize(folder.join("events.log")).ok()?;
        fs::rename(current, host.folder.path().join("moved")).ok()
    });
    host.ssh(ONE, "exit");
    patiently("another file", || {
        folder.join("events.log").exists().then_some(())
    });
    // The recorder may begin a file in it meanwhile.
    patiently("a folder without files", || {
        fs::remove_dir_all(&folder).ok()
    });
    host.ssh(ONE, "exit");
    patiently("another folder", || {
        folder.join("events.log").exists().then_some(())
    });
    assert_eq!(host.daemon.stop(), Some(0));
    tracer.child.wait()?;
    let text = traced();
    assert!(text.contains("exit_group(0"), "the end was not traced");
    let is_refused = |line: &&str| line.contains("EPERM") || line.contains("EACCES");
    let refused: Vec<_> = text.lines().filter(is_refused).collect();
    assert_eq!(refused, [""; 0]);
    Ok(())
}
