//! One act of each kind in a session of the recorder's own, before there are others: a program that
//! is attached and yet sees nothing is found by it.

use std::ffi::CStr;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, chroot};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::object::{ProbeError, Probes};
use super::shared::boot_time;
use super::tables::Tables;
use super::uring;
use crate::record::layout::{
    ProcessEntry, SessionEntry, disk_operation, operation, path_note, via,
};
use crate::record::{Body, Record, decode};

/// The key of the session: above all audit session ids.
const KEY: u64 = 1 << 32;

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
        shows: |record| matches!(&record.body, Body::Privilege(_)),
    },
    Act {
        program: "network_packet",
        perform: send,
        shows: |record| matches!(&record.body, Body::Send(it) if it.key.name_length == 0),
    },
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
    enter(probes, pid).map_err(|e| ProbeError::new("self-test", e))?;
    live(&mut probes.tables, &mut verdict.heard).map_err(|e| ProbeError::new("self-test", e))?;
    for act in ACTS {
        if let Err(error) = (act.perform)() {
            verdict.untried.push((act.program, error.to_string()));
        }
    }
    let tables = &mut probes.tables;
    let left = tables
        .processes
        .remove(pid)
        .and_then(|()| tables.sessions.remove(&KEY));
    left.map_err(|e| ProbeError::new("self-test", e))?;
    let heard = &mut verdict.heard;
    for ring in &mut probes.rings {
        ring.scan(|_, bytes| {
            let Ok(record) = decode(bytes) else {
                return;
            };
            if let Body::Send(send) = &record.body {
                // It may be gone, where the self-test is not the first.
                let _ = tables.sends.remove(&send.key);
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

/// Makes us the first process of a session.
fn enter(probes: &mut Probes, pid: u32) -> Result<(), aya::maps::MapError> {
    let session = SessionEntry {
        time: boot_time(),
        // Not root's, of whose logins another process serves the connection.
        uid: 1,
        pid,
        ..SessionEntry::default()
    };
    probes.tables.begin(KEY, session)
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
            session: KEY,
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
