//! The work that the benchmarks time: `load WORK ...` does it and prints the nanoseconds it took.
//!
//! `commands N` runs /bin/true N times; `commands N BYTES` runs this program, with an argument of so
//! many bytes, and opens nothing; `opens N` opens and closes a file; `connects N` connects over
//! loopback to itself, and accepts; `calls N` makes the cheapest system call. `logins N` makes N
//! sessions of two processes each, as sshd does, and keeps them until its input ends. `seal DIR N` writes N lines of 500
//! bytes to a log in DIR, and `plain DIR N` without a seal; they print the nanoseconds of processor time.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::{Command, exit};
use std::time::{Duration, Instant};

use recorderd::base::{Limits, processor_time};
use recorderd::event::HostNames;
use recorderd::output::Log;
use recorderd::seal::Sealer;

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn main() -> Outcome {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["commands", count] => timed(count, || run(&mut Command::new("/bin/true"))),
        ["commands", count, bytes] => {
            let argument = "x".repeat(bytes.parse()?);
            // It is static, so that a command is not a dozen opens as well.
            timed(count, || {
                run(Command::new("/proc/self/exe").args(["nothing", &argument]))
            })
        }
        ["nothing", ..] => Ok(()),
        ["opens", count] => timed(count, || File::open("/etc/passwd").map(drop)),
        ["connects", count] => connects(count),
        ["calls", count] => timed(count, || {
            std::hint::black_box(std::os::unix::process::parent_id());
            Ok(())
        }),
        ["seal", folder, count] => write_log(folder, count.parse()?, true),
        ["plain", folder, count] => write_log(folder, count.parse()?, false),
        ["logins", count, uid] => logins(count.parse()?, uid.parse()?),
        _ => Err(format!("no such work: {words:?}").into()),
    }
}

fn timed(count: &str, mut work: impl FnMut() -> io::Result<()>) -> Outcome {
    let count: u64 = count.parse()?;
    let start = Instant::now();
    for _ in 0..count {
        work()?;
    }
    println!("{}", start.elapsed().as_nanos());
    Ok(())
}

fn run(command: &mut Command) -> io::Result<()> {
    let status = command.status()?;
    match status.success() {
        true => Ok(()),
        false => Err(io::Error::other(status.to_string())),
    }
}

/// Both ends are here, so that no turn waits for another process, and no queue runs full.
fn connects(count: &str) -> Outcome {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    timed(count, || {
        let _stream = connect(address)?;
        listener.accept().map(drop)
    })
}

/// Ends with a reset, so that no port stays behind to run out of.
fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    let linger = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    // SAFETY: the option reads a structure of this type and size.
    let result = unsafe {
        libc::setsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_LINGER,
            (&raw const linger).cast(),
            size_of_val(&linger) as u32,
        )
    };
    match result {
        0 => Ok(stream),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Writes a log in batches as the daemon does.
fn write_log(folder: &str, count: usize, is_sealed: bool) -> Outcome {
    const BATCH: usize = 128;
    let names = HostNames {
        id: "bench",
        ..HostNames::default()
    };
    let folder = Path::new(folder);
    let mut log = Log::open(folder, names.id, Limits::default(), 0)?;
    if is_sealed {
        log.seal(Sealer::begin(folder, &names, Duration::from_secs(10))?)?;
    }
    let mut line = r#"{"ei":1,"event":"session.disk","server_id":"bench","path":""#.to_owned();
    line.extend(std::iter::repeat_n('x', 497 - line.len()));
    line.push_str("\"}\n");
    let lines = line.repeat(BATCH);
    let before = processor_time();
    for _ in 0..count.div_ceil(BATCH) {
        log.append(lines.as_bytes(), 0, false).1?;
    }
    println!("{}", processor_time() - before);
    log.close()?;
    Ok(())
}

fn until_input_ends() -> Outcome {
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// Each login is a process named sshd that takes an audit session id for the user, and the user's
/// side of it, which becomes the user, opens a file, and forks once.
fn logins(count: usize, uid: u32) -> Outcome {
    let mut alive = [0; 2];
    // SAFETY: the array has room for both ends.
    if unsafe { libc::pipe(alive.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error().into());
    }
    fs::write("/proc/self/comm", "sshd")?;
    for _ in 0..count {
        // SAFETY: this process has one thread.
        if unsafe { libc::fork() } == 0 {
            exit(i32::from(monitor(alive, uid).is_err()));
        }
    }
    // Each process of a session has written one byte once it is there.
    let mut there = 0;
    let mut bytes = [0; 4096];
    while there < 2 * count {
        // SAFETY: reads into an array of that length.
        let read = unsafe { libc::read(alive[0], bytes.as_mut_ptr().cast(), bytes.len()) };
        there += usize::try_from(read).map_err(|_| io::Error::last_os_error())?;
    }
    println!("{there}");
    io::stdout().flush()?;
    until_input_ends()?;
    // SAFETY: ends the group of this process, which is its own leader.
    unsafe { libc::kill(0, libc::SIGKILL) };
    Ok(())
}

/// Stays until the user's side has done its first act, by which the session is born.
fn monitor(alive: [i32; 2], uid: u32) -> Outcome {
    fs::write("/proc/self/loginuid", uid.to_string())?;
    let mut born = [0; 2];
    // SAFETY: this process has one thread, and the array has room for both ends.
    unsafe {
        if libc::pipe(born.as_mut_ptr()) != 0 {
            return Err(io::Error::last_os_error().into());
        }
        if libc::fork() != 0 {
            libc::close(born[1]);
            libc::read(born[0], [0u8].as_mut_ptr().cast(), 1);
            return Ok(());
        }
        libc::setresuid(uid, uid, uid);
        drop(File::open("/etc/passwd")?);
        libc::close(born[1]);
        libc::fork();
        libc::write(alive[1], [0u8].as_ptr().cast(), 1);
        loop {
            libc::pause();
        }
    }
}
