//! One act of each kind in a session of the recorder's own, before there are others: a program that
//! is attached and yet sees nothing is found by it.

use std::ffi::CStr;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, chroot};
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::object::{ProbeError, Probes};
use super::tables::{OWN_KEYS, Tables};
use super::uring;
use crate::abi::{
    ProcessEntry, SessionEntry, disk_operation, operation, path_note, privilege_operation, via,
};
use crate::base::boot_time;
use crate::family::{Body, Record, decode};

/// How long a connection to ourselves may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// There is no such file, and none can be made there.
const NOTHING: &str = "/proc/self/recorderd-nothing";
const NOTHING_TO_RING: &CStr = c"/proc/self/recorderd-nothing";

/// A file whose mode nobody can change.
const KEPT: &str = "/proc/self/status";

/// What a program has to see.
struct Act {
    program: &'static str,
    perform: fn() -> io::Result<()>,
    shows: fn(&Record<'_>) -> bool,
}

const ACTS: &[Act] = &[
    Act {
        program: "command_exec",
        perform: run,
        shows: |record| matches!(&record.body, Body::Command(command) if command.fixed.return_code == 0),
    },
    Act {
        program: "command_failed",
        perform: || refused(Command::new(NOTHING).status()),
        shows: |record| matches!(&record.body, Body::Command(command) if command.fixed.return_code < 0),
    },
    Act {
        program: "channel_act",
        perform: serve,
        shows: |record| matches!(&record.body, Body::Subsystem(_)),
    },
    Act {
        program: "disk_open",
        perform: || refused(File::open(NOTHING)),
        shows: |record| {
            matches!(&record.body, Body::Disk(it) if it.fixed.operation == disk_operation::OPEN)
                && !by_ring(record)
        },
    },
    // One act for both, of which one is at work.
    Act {
        program: "identity_file",
        perform: identify,
        shows: |record| matches!(record.body, Body::Identity(_)),
    },
    Act {
        program: "identity_write",
        perform: || Ok(()),
        shows: |record| matches!(record.body, Body::Identity(_)),
    },
    Act {
        program: "disk_change",
        perform: || refused(std::fs::remove_file(NOTHING)),
        shows: |record| matches!(&record.body, Body::Disk(it) if it.fixed.operation == disk_operation::UNLINK),
    },
    Act {
        program: "disk_name",
        perform: || {
            denied(std::fs::set_permissions(
                KEPT,
                Permissions::from_mode(0o444),
            ))
        },
        shows: |record| {
            matches!(&record.body, Body::Disk(it) if it.fixed.operation == disk_operation::CHMOD
                && it.path.notes & path_note::TYPED == 0)
        },
    },
    Act {
        program: "disk_map",
        perform: map,
        shows: |record| matches!(&record.body, Body::Disk(it) if it.fixed.operation == disk_operation::MAP),
    },
    Act {
        program: "network_state",
        perform: || listen().map(drop),
        shows: |record| matches!(&record.body, Body::Network(it) if it.operation == operation::LISTEN),
    },
    Act {
        program: "network_accept",
        perform: accept,
        shows: |record| matches!(&record.body, Body::Network(it) if it.operation == operation::ACCEPT),
    },
    Act {
        program: "network_connect",
        perform: || refused(UnixStream::connect(NOTHING)),
        shows: |record| matches!(&record.body, Body::LocalConnect(_)),
    },
    // One act for both: without the second, no record comes of the first.
    Act {
        program: "uring_submit",
        perform: || uring::open(NOTHING_TO_RING),
        shows: by_ring,
    },
    Act {
        program: "uring_complete",
        perform: || Ok(()),
        shows: by_ring,
    },
    Act {
        program: "network_socket",
        perform: frames,
        shows: |record| matches!(&record.body, Body::PacketSocket(_)),
    },
    Act {
        program: "network_local",
        perform: || refused(UnixDatagram::unbound()?.send_to(&[], NOTHING)),
        shows: |record| matches!(&record.body, Body::Send(it) if it.key.name_length > 0),
    },
    Act {
        program: "privilege_act",
        perform: || refused(chroot(NOTHING)),
        shows: |record| is_privilege(record, |of| !OF_OTHERS.contains(&of)),
    },
    Act {
        program: "privilege_host",
        perform: freeze,
        shows: |record| is_privilege(record, |of| of == privilege_operation::BPF_MAP_FREEZE),
    },
    Act {
        program: "privilege_file",
        perform: receive,
        shows: |record| is_privilege(record, |of| of == privilege_operation::RECVMSG),
    },
    Act {
        program: "privilege_signal",
        perform: signal,
        shows: |record| is_privilege(record, |of| of == privilege_operation::SIGNAL),
    },
    Act {
        program: "network_packet",
        perform: send,
        shows: |record| matches!(&record.body, Body::Send(it) if it.key.name_length == 0),
    },
];

/// Operations that other programs tell of than most.
const OF_OTHERS: [u32; 3] = [
    privilege_operation::RECVMSG,
    privilege_operation::SIGNAL,
    privilege_operation::BPF_MAP_FREEZE,
];

/// Not by a record, but by the kernel's table of processes these show that they see.
const LIFE: [&str; 2] = ["session_fork", "session_exit"];

/// What was found of each program that has an act.
pub struct Verdict {
    /// They saw what they have to see.
    pub heard: Vec<&'static str>,
    /// They did not.
    pub silent: Vec<&'static str>,
    /// They can't be tried here, for this reason.
    pub untried: Vec<(&'static str, String)>,
}

/// Acts, and tells which programs saw it. Logins must not be noticed yet.
///
/// # Errors
/// What keeps us from making a session.
pub fn selftest(probes: &mut Probes) -> Result<Verdict, ProbeError> {
    let pid = std::process::id();
    let mut verdict = Verdict {
        heard: Vec::new(),
        silent: Vec::new(),
        untried: Vec::new(),
    };
    let losses = probes.shared.losses();
    probes.shared.watch(0, pid);
    enter(probes, pid).map_err(|e| ProbeError::new("self-test", e))?;
    live(&mut probes.tables, &mut verdict.heard).map_err(|e| ProbeError::new("self-test", e))?;
    for act in ACTS {
        if let Err(error) = (act.perform)() {
            verdict.untried.push((act.program, error.to_string()));
        }
    }
    let tables = &mut probes.tables;
    let left = tables.leave(OWN_KEYS, pid);
    left.map_err(|e| ProbeError::new("self-test", e))?;
    let heard = &mut verdict.heard;
    for ring in &mut probes.rings {
        ring.scan(|_, bytes| {
            let Ok(record) = decode(bytes) else {
                return;
            };
            if let Body::Send(send) = &record.body {
                tables.take_sends(&send.key);
            }
            let shown = ACTS.iter().filter(|act| (act.shows)(&record));
            heard.extend(shown.map(|act| act.program));
        });
        ring.release(None);
    }
    let heard = &verdict.heard;
    verdict.untried.retain(|(name, _)| !heard.contains(name));
    for program in ACTS.iter().map(|act| act.program).chain(LIFE) {
        let untried = |(name, _): &(&str, String)| *name == program;
        if verdict.heard.contains(&program) || verdict.untried.iter().any(untried) {
            continue;
        }
        if probes.shared.losses() != losses {
            let reason = "a ring is too small for the self-test".to_owned();
            verdict.untried.push((program, reason));
        } else {
            verdict.silent.push(program);
        }
    }
    Ok(verdict)
}

/// Makes us the first process of a session, and that of a channel.
fn enter(probes: &mut Probes, pid: u32) -> Result<(), aya::maps::MapError> {
    let session = SessionEntry {
        time: boot_time(),
        // Not root's, of whose logins another process serves the connection.
        uid: 1,
        pid,
        ..SessionEntry::default()
    };
    let process = ProcessEntry {
        is_channel: 1,
        ..ProcessEntry::default()
    };
    probes.tables.begin(OWN_KEYS, session, process)
}

/// A process that comes and goes.
fn live(tables: &mut Tables, heard: &mut Vec<&'static str>) -> io::Result<()> {
    let (mut wait, go) = io::pipe()?;
    // SAFETY: the child calls nothing but read(2) and _exit(2).
    let pid = unsafe { libc::fork() };
    match pid {
        -1 => return Err(io::Error::last_os_error()),
        0 => {
            drop(go);
            let _ = wait.read(&mut [0]);
            // SAFETY: ends the child, with nothing of ours to be done in it.
            unsafe { libc::_exit(0) }
        }
        _ => {}
    }
    let key = pid as u32;
    let [fork, exit] = LIFE;
    if tables.processes.holds(key) {
        heard.push(fork);
    } else {
        let process = ProcessEntry {
            session: OWN_KEYS,
            ..ProcessEntry::default()
        };
        let inserted = tables.processes.insert(key, process);
        inserted.map_err(io::Error::other)?;
    }
    drop(go);
    // SAFETY: waits for our own child, and wants to know nothing of it.
    unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) };
    if !tables.processes.holds(key) {
        heard.push(exit);
    } else {
        tables.processes.remove(key).map_err(io::Error::other)?;
    }
    Ok(())
}

/// Ourselves, as the one program that is sure to be there.
fn run() -> io::Result<()> {
    let mut command = Command::new("/proc/self/exe");
    command.arg("--version").env_clear().stdin(Stdio::null());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.status().map(drop)
}

/// As sshd begins to serve files for a channel itself; nothing changes.
fn serve() -> io::Result<()> {
    // SAFETY: takes and gives numbers, and sets what is set.
    let set = unsafe {
        let dumpable = libc::prctl(libc::PR_GET_DUMPABLE);
        libc::prctl(libc::PR_SET_DUMPABLE, dumpable)
    };
    match set {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// What has to fail.
fn refused<T>(result: io::Result<T>) -> io::Result<()> {
    match result {
        Ok(_) => Err(io::Error::other(format!("{NOTHING} is there"))),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e),
    }
}

/// What nobody may do.
fn denied(result: io::Result<()>) -> io::Result<()> {
    match result {
        Ok(()) => Err(io::Error::other(format!("{KEPT} was changed"))),
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => unfiltered(&e),
        Err(e) => Err(e),
    }
}

/// A filter of calls can refuse as the kernel would, and what it refuses never gets to the kernel's function:
/// where there is one, only what is heard of is known to be tried.
fn unfiltered(refusal: &io::Error) -> io::Result<()> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    match status.contains("\nSeccomp:\t2\n") {
        true => Err(io::Error::other(format!(
            "{refusal}; a filter of calls (seccomp) may have refused it"
        ))),
        false => Ok(()),
    }
}

fn is_privilege(record: &Record<'_>, is_it: fn(u32) -> bool) -> bool {
    matches!(&record.body, Body::Privilege(it) if is_it(it.fixed.operation))
}

/// Of no map, which the kernel refuses.
fn freeze() -> io::Result<()> {
    const MAP_FREEZE: libc::c_int = 22;
    let nothing = [u64::from(u32::MAX); 1];
    // SAFETY: the kernel reads the words.
    unsafe {
        libc::syscall(
            libc::SYS_bpf,
            MAP_FREEZE,
            nothing.as_ptr(),
            size_of_val(&nothing),
        )
    };
    Ok(())
}

/// One that does nothing.
fn signal() -> io::Result<()> {
    // SAFETY: takes numbers.
    match unsafe { libc::kill(libc::getpid(), libc::SIGURG) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// A descriptor, by a socket without a peer: nobody knows who has sent it.
fn receive() -> io::Result<()> {
    let name = format!("recorderd-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(name.as_bytes())?;
    let receiver = UnixDatagram::bind_addr(&address)?;
    let sender = UnixDatagram::unbound()?;
    // SAFETY: plain numbers and pointers, of which none is no value.
    let (mut message, mut to): (libc::msghdr, libc::sockaddr_un) = unsafe { std::mem::zeroed() };
    to.sun_family = libc::AF_UNIX as libc::sa_family_t;
    for (place, byte) in to.sun_path[1..].iter_mut().zip(name.bytes()) {
        *place = byte as libc::c_char;
    }
    let mut byte = [0u8];
    let mut part = libc::iovec {
        iov_base: byte.as_mut_ptr().cast(),
        iov_len: 1,
    };
    // Its length; its level and type; the descriptor, and what fills up the last word.
    let mut control = [
        20u64,
        (libc::SCM_RIGHTS as u64) << 32 | libc::SOL_SOCKET as u64,
        sender.as_raw_fd() as u64,
    ];
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control) as _;
    message.msg_name = (&raw mut to).cast();
    message.msg_namelen = (size_of::<libc::sa_family_t>() + 1 + name.len()) as u32;
    // SAFETY: the kernel reads all that the message points to.
    if unsafe { libc::sendmsg(sender.as_raw_fd(), &raw const message, 0) } < 0 {
        return Err(io::Error::last_os_error());
    }
    message.msg_name = std::ptr::null_mut();
    message.msg_namelen = 0;
    // SAFETY: the kernel writes no more than the lengths allow.
    if unsafe {
        libc::recvmsg(
            receiver.as_raw_fd(),
            &raw mut message,
            libc::MSG_CMSG_CLOEXEC,
        )
    } < 0
    {
        return Err(io::Error::last_os_error());
    }
    if message.msg_controllen >= 20 {
        // SAFETY: the kernel has just made this descriptor for us.
        drop(unsafe { OwnedFd::from_raw_fd(control[2] as i32) });
    }
    Ok(())
}

fn by_ring(record: &Record<'_>) -> bool {
    u32::from(record.head.via) & via::IO_URING != 0
}

/// Of length 0, which the kernel refuses.
fn map() -> io::Result<()> {
    let file = File::open("/proc/self/status")?;
    // SAFETY: with any length, a new mapping where the kernel has room touches no other.
    let address = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            0,
            libc::PROT_EXEC,
            libc::MAP_PRIVATE,
            file.as_raw_fd(),
            0,
        )
    };
    match address {
        libc::MAP_FAILED => match io::Error::last_os_error() {
            error if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
            error => unfiltered(&error),
        },
        _ => Err(io::Error::other("a mapping of no length was made")),
    }
}

fn listen() -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
}

fn accept() -> io::Result<()> {
    let listener = listen()?;
    let _client = TcpStream::connect_timeout(&listener.local_addr()?, PATIENCE)?;
    listener.set_nonblocking(true)?;
    // The last step of the handshake may be under way yet.
    let ends = Instant::now() + PATIENCE;
    loop {
        match listener.accept() {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock && Instant::now() < ends => {
                thread::sleep(Duration::from_millis(1));
            }
            accepted => return accepted.map(drop),
        }
    }
}

/// Writes a file as sshd does for a user, where it does.
fn identify() -> io::Result<()> {
    let path = format!("/tmp/sshauth.{}", boot_time());
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)?;
    std::fs::remove_file(path)?;
    file.write_all(b"\n")
}

/// Whether it may be made or not, it is told of.
fn frames() -> io::Result<()> {
    // SAFETY: takes numbers, and gives a descriptor or −1.
    let socket = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    if socket < 0 {
        return unfiltered(&io::Error::last_os_error());
    }
    // SAFETY: the descriptor is ours alone.
    drop(unsafe { OwnedFd::from_raw_fd(socket) });
    Ok(())
}

fn send() -> io::Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.send_to(&[], socket.local_addr()?).map(drop)
}

#[cfg(test)]
mod tests {
    use super::super::plan::PLANS;
    use super::{ACTS, LIFE};

    #[test]
    fn every_program_is_tried() {
        for hook in PLANS.iter().flat_map(|plan| plan.hooks) {
            let acts = ACTS.iter().map(|act| act.program);
            assert!(
                acts.chain(LIFE).any(|name| name == hook.program),
                "{}",
                hook.program
            );
        }
    }
}
