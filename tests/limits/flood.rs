//! One session that fills whatever the recorder keeps on behalf of sessions, and a quiet one beside
//! it: the programs `flood FOLDER` and `quiet FOLDER`.

use std::any::Any;
use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use io_uring::{IoUring, opcode, types};

/// Connects at once: more than the kernel's tables have room for.
pub const CONNECTS: u32 = 21_000;
/// Of those, so many by one process.
const AT_ONCE: u32 = 1000;
/// Requests to io_uring at once.
pub const REQUESTS: u32 = 1100;
/// Peers of datagrams, by address and by name.
pub const PEERS: u32 = 100_000;
pub const NAMES: u32 = 30_000;
/// Commands with arguments of so many bytes.
const COMMANDS: u32 = 40;
const ARGUMENTS: usize = 1_900_000;

/// Each is a program of its own, and so is each of the commands.
pub const PARTS: [&str; 5] = ["connects", "requests", "datagrams", "names", "commands"];

/// What the quiet one does.
pub const QUIET_SENDS: u64 = 3;
pub const QUIET_CONNECTS: usize = 10;
pub const QUIET_OPENS: usize = 5;

/// Does all of it, tells so, and keeps what it has until its input ends.
pub fn flood(folder: &str) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    // SAFETY: our own socket. Nobody accepts: who connects behind the first waits.
    unsafe { libc::listen(listener.as_raw_fd(), 0) };
    let port = listener.local_addr()?.port();
    let mut children = Vec::new();
    for _ in 0..CONNECTS / AT_ONCE {
        children.push(part(&["connects", &port.to_string()])?);
    }
    children.push(part(&["requests", folder])?);
    children.push(part(&["datagrams"])?);
    children.push(part(&["names"])?);
    children.push(part(&["commands"])?);
    for child in &mut children {
        let mut done = [0];
        child.stdout.as_mut().unwrap().read_exact(&mut done)?;
    }
    println!("there");
    io::stdin().read_to_end(&mut Vec::new())?;
    for mut child in children {
        child.kill()?;
        child.wait()?;
    }
    Ok(())
}

fn part(words: &[&str]) -> io::Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(words).stdin(Stdio::piped());
    command.stdout(Stdio::piped()).spawn()
}

/// One part of it, of which `flood` is told when it is done.
pub fn run_part(words: &[String]) -> io::Result<()> {
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    // What goes with the process.
    let _kept: Box<dyn Any> = match words[..] {
        ["connects", port] => Box::new(connects(port.parse().unwrap())?),
        ["requests", folder] => Box::new(requests(folder)?),
        ["datagrams"] => Box::new(datagrams()?),
        ["names"] => Box::new(names()?),
        ["commands"] => Box::new(commands()?),
        _ => return Err(io::ErrorKind::InvalidInput.into()),
    };
    io::stdout().write_all(b"x")?;
    io::stdout().flush()?;
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// Connects that nobody answers.
fn connects(port: u16) -> io::Result<Vec<i32>> {
    let limit = libc::rlimit {
        rlim_cur: u64::from(2 * AT_ONCE),
        rlim_max: u64::from(2 * AT_ONCE),
    };
    // SAFETY: plain numbers.
    unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) };
    let address = libc::sockaddr_in {
        sin_family: libc::AF_INET as u16,
        sin_port: port.to_be(),
        sin_addr: libc::in_addr {
            s_addr: u32::from(Ipv4Addr::LOCALHOST).to_be(),
        },
        sin_zero: [0; 8],
    };
    (0..AT_ONCE)
        .map(|_| {
            // SAFETY: makes a socket, and connects it to an address of that length.
            let socket = unsafe {
                let flags = libc::SOCK_STREAM | libc::SOCK_NONBLOCK;
                let socket = libc::socket(libc::AF_INET, flags, 0);
                let length = size_of_val(&address) as u32;
                libc::connect(socket, (&raw const address).cast(), length);
                socket
            };
            match socket {
                -1 => Err(io::Error::last_os_error()),
                socket => Ok(socket),
            }
        })
        .collect()
}

/// Opens of a pipe that nobody writes to.
fn requests(folder: &str) -> io::Result<(IoUring, CString)> {
    let path = CString::new(format!("{folder}/pipe"))?;
    // SAFETY: a path that ends in a zero byte.
    unsafe { libc::mkfifo(path.as_ptr(), 0o600) };
    let mut ring = IoUring::new(REQUESTS.next_power_of_two())?;
    for _ in 0..REQUESTS {
        let open = opcode::OpenAt::new(types::Fd(libc::AT_FDCWD), path.as_ptr());
        let open = open.flags(libc::O_RDONLY).build();
        // SAFETY: the path is kept as long as the ring.
        unsafe { ring.submission().push(&open) }.map_err(io::Error::other)?;
    }
    ring.submit()?;
    Ok((ring, path))
}

fn datagrams() -> io::Result<()> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    for peer in 0..PEERS {
        let [_, a, b, c] = (peer + 1).to_be_bytes();
        socket.send_to(&[], SocketAddrV4::new(Ipv4Addr::new(127, a, b, c), 9))?;
    }
    Ok(())
}

/// Of which there is none.
fn names() -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    for name in 0..NAMES {
        let name = SocketAddr::from_abstract_name(format!("recorderd-none-{name}"))?;
        assert!(socket.send_to_addr(&[], &name).is_err());
    }
    Ok(())
}

/// One after the other by one process, each with arguments of its own.
fn commands() -> io::Result<()> {
    for _ in 0..2 {
        let mut word = Command::new(std::env::current_exe()?);
        word.args(["command", &COMMANDS.to_string()]);
        word.stdin(Stdio::null()).stdout(Stdio::null());
        assert!(word.status()?.success());
    }
    Ok(())
}

/// Runs itself, with one command less to go.
pub fn command(left: u32) -> io::Result<()> {
    if left == 0 {
        return Ok(());
    }
    let word = "abcdefghijklmnopqrstuvwxyz".as_bytes()[left as usize % 26];
    let text = String::from_utf8(vec![word; 100_000]).unwrap();
    let words = vec![text; ARGUMENTS / 100_000];
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["command", &(left - 1).to_string()]);
    Err(command.args(words).exec())
}

/// A little of each, all of which is to be seen.
pub fn quiet(folder: &str) -> io::Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    for _ in 0..QUIET_SENDS {
        socket.send_to(&[], "127.0.0.9:9")?;
    }
    let closed = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    for _ in 0..QUIET_CONNECTS {
        assert!(TcpStream::connect(closed).is_err());
    }
    let path = CString::new(format!("{folder}/file"))?;
    let mut ring = IoUring::new(8)?;
    for _ in 0..QUIET_OPENS {
        let open = opcode::OpenAt::new(types::Fd(libc::AT_FDCWD), path.as_ptr());
        // SAFETY: the path is there until the end of the request.
        unsafe { ring.submission().push(&open.build()) }.map_err(io::Error::other)?;
        ring.submit_and_wait(1)?;
        let opened = ring.completion().next().unwrap().result();
        assert!(opened >= 0);
    }
    drop(File::open("/etc/hostname")?);
    Ok(())
}
