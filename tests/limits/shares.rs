//! Each table of the kernel's that has shares: one account fills its own, and another is recorded as ever.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use io_uring::{IoUring, opcode, types};
use serde_json::{Value, json};

use crate::bypass_daemon::{asking, assert_origin, job, managers};
use crate::common::ways::{MAPS, PYTHON_ALONE, pipe, place, ran, tell, wait_for};
use crate::common::{self, Host, ONE, Outcome, PYTHON, Process, TWO, account, of_kind, patiently};
use crate::overload::{SMALL, is_stopped, processes};

/// What a session has lost in this family for want of a share, as it was told and as its end says.
fn refused(lines: &[Value], family: &str) -> u64 {
    let told = of_kind(lines, "session.lost")
        .into_iter()
        .filter(|line| line["family"] == family && line["cause"] == "share_full")
        .map(|line| line["count"].as_u64().unwrap())
        .sum();
    assert_eq!(lines.last().unwrap()["losses"][family], told);
    told
}

fn has_lost_nothing(lines: &[Value]) {
    let losses = lines.last().unwrap()["losses"].as_object().unwrap();
    assert!(losses.values().all(|lost| *lost == 0), "{losses:?}");
}

/// Has the account of the tests have more of a table than anybody may have, or takes that back.
fn fill(login: &str, table: usize, by: i64) {
    let (uid, _) = account(login);
    let script = format!(
        "{MAPS}
key = ctypes.create_string_buffer(struct.pack('<I', (2 + {uid} % 255) * 10 + {table}))
value = ctypes.create_string_buffer(8)
for map, _ in maps(b'shares'):
    assert bpf(1, map, 0, *halves(key), *halves(value))[0] == 0
    value.raw = struct.pack('<q', struct.unpack('<q', value.raw)[0] + {by})
    assert bpf(UPDATE, map, 0, *halves(key), *halves(value))[0] == 0
"
    );
    common::printed(Command::new(PYTHON).args(["-Ic", &script]));
}

/// Has the daemon look at the kernel's tables, and waits until it has.
fn looks(host: &Host) {
    let before = || host.text().matches(r#""map":"rules""#).count();
    // The second one begins behind the end of the first.
    for _ in 0..2 {
        let seen = before();
        let script = format!("{MAPS}clear(b'rules', struct.pack('<I', 0))");
        common::printed(Command::new(PYTHON).args(["-Ic", &script]));
        patiently("a look at the tables", || (before() > seen).then_some(()));
    }
}

/// A process for which there is no room is counted once, and recorded from when there is
pub fn processes_refused() -> Outcome {
    const PROCESSES: usize = 1;
    let host = Host::start();
    let place = place(&host, "refused");
    let (begin, again) = (place.join("begin"), place.join("again"));
    let there = place.join("there");
    pipe(&begin);
    pipe(&again);
    let script = format!(
        "read line < {}; {PYTHON_ALONE} 'import os
open(\"{}\", \"w\").write(\"there\")
for line in iter(open(\"{}\").readline, \"\"):
    os.spawnv(os.P_WAIT, \"/bin/true\", [\"true\", line.strip()])'; :",
        begin.display(),
        there.display(),
        again.display()
    );
    let mut client = host.login(ONE, &script);
    patiently("its session", || {
        host.text()
            .contains(&format!(r#""argv":["-c",{}]"#, Value::from(&*script)))
            .then_some(())
    });
    fill(ONE, PROCESSES, 1 << 20);
    tell(&begin, "begin");
    wait_for(&there, "there");
    let mut again = File::create(&again)?;
    writeln!(again, "unseen")?;
    let quiet = host.did(TWO, "/bin/true quiet; :");
    assert_eq!(ran(&quiet)[1..], [json!(["/bin/true", "quiet"])]);
    has_lost_nothing(&quiet);
    looks(&host);
    fill(ONE, PROCESSES, -(1 << 20));
    patiently("a process that is recorded again", || {
        writeln!(again, "seen").unwrap();
        host.text().contains(r#""argv":["seen"]"#).then_some(())
    });
    drop(again);
    client.child.wait()?;
    let lines = host.session(&script);
    let ran = ran(&lines);
    assert!(
        ran[1..]
            .iter()
            .all(|it| *it == json!(["/bin/true", "seen"])),
        "{ran:?}"
    );
    assert_eq!(refused(&lines, "session"), 1);
    let of_processes = r#""reason":"tampered","map":"processes""#;
    assert!(
        !host.text().contains(of_processes),
        "taken for somebody's doing"
    );
    // What is known of it is its own.
    assert_eq!(of_kind(&lines, "session.privilege"), [] as [&Value; 0]);
    Ok(())
}

/// More files than are noted in all, in a folder named as that of at, push nobody's job out
pub fn jobs() -> Outcome {
    const FILES: usize = 5000;
    const NOTES: usize = 1024;
    let host = Host::with("SetEnv HOME=/nonexistent", "");
    let place = place(&host, "jobs");
    let spool = place.join("at");
    fs::create_dir(&spool)?;
    fs::set_permissions(&spool, fs::Permissions::from_mode(0o777))?;
    let done = place.join("done");
    let ask = format!(
        "echo '/bin/echo beside > {}' | at now 2>/dev/null; :",
        done.display()
    );
    let asked = host.did(TWO, &ask);
    has_lost_nothing(&asked);
    let flood = format!(
        "{PYTHON_ALONE} 'import os
for number in range({FILES}):
    os.close(os.open(\"{}/%d\" % number, os.O_WRONLY | os.O_CREAT))'; :",
        spool.display()
    );
    let flood = host.did(ONE, &flood);
    let _daemon = Process::spawn(Command::new("atd").arg("-f"));
    wait_for(&done, "beside");
    let job = job(&host, "beside");
    assert_origin(&job, "at", TWO, &asked, false);
    let refused = refused(&flood, "session") as usize;
    assert!((FILES - NOTES..FILES).contains(&refused), "{refused}");
    Ok(())
}

/// More units than are noted in all push nobody's unit out
pub fn units() -> Outcome {
    const UNITS: usize = 5000;
    const NOTES: usize = 1024;
    let host = Host::with("SetEnv HOME=/nonexistent", "");
    let (place, _managers) = managers(&host, "units", ONE);
    let (other, _others) = managers(&host, "others", TWO);
    let halt = |folder: &Path, signal| {
        let folder = folder.as_os_str().as_encoded_bytes();
        let is_of = |arguments: &[u8]| {
            let words: Vec<_> = arguments.split(|byte| *byte == 0).collect();
            words.contains(&&b"manage"[..]) && words.contains(&folder)
        };
        for pid in processes(is_of) {
            // SAFETY: takes numbers; processes of this test.
            unsafe { libc::kill(pid, signal) };
        }
    };
    // It has been asked, and has done nothing yet.
    halt(&other, libc::SIGSTOP);
    let ask = asking(
        &other,
        "user",
        "StartTransientUnit run-r1.service",
        "beside",
    );
    let mut asks = host.login(TWO, &format!("{ask}; :"));
    patiently("a unit that is asked for", || {
        let text = host.text();
        let is_asked = |line: &&str| {
            line.contains("session.local_connect") && line.contains(other.to_str().unwrap())
        };
        text.lines().any(|line| is_asked(&line)).then_some(())
    });
    // Nor has this one, whose sockets take some hundred requests each.
    halt(&place, libc::SIGSTOP);
    let flood = format!(
        "{PYTHON} -I {0}/ask flood {0}/user {UNITS}; :",
        place.display()
    );
    let flood = host.did(ONE, &flood);
    halt(&place, libc::SIGKILL);
    halt(&other, libc::SIGCONT);
    asks.child.wait()?;
    let asked = host.session(&format!("{ask}; :"));
    has_lost_nothing(&asked);
    let job = job(&host, "beside");
    assert_origin(&job, "systemd-run", TWO, &asked, false);
    let refused = refused(&flood, "session") as usize;
    assert!((UNITS - NOTES..UNITS).contains(&refused), "{refused}");
    Ok(())
}

/// Requests that accept again and again through io_uring: `accepts COUNT`, which keeps them until its input ends.
pub fn accepts(count: u32) -> io::Result<()> {
    const AT_ONCE: u32 = 4096;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut rings = Vec::new();
    for number in 0..count {
        if number % AT_ONCE == 0 {
            rings.push(IoUring::new(AT_ONCE)?);
        }
        let ring = rings.last_mut().unwrap();
        let accept = accept(&listener, number);
        // SAFETY: it points to nothing.
        unsafe { ring.submission().push(&accept) }.map_err(io::Error::other)?;
        if number % AT_ONCE == AT_ONCE - 1 || number == count - 1 {
            ring.submit()?;
        }
    }
    println!("there");
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

fn accept(listener: &TcpListener, number: u32) -> io_uring::squeue::Entry {
    let listener = types::Fd(listener.as_raw_fd());
    let accept = opcode::AcceptMulti::new(listener).build();
    accept.user_data(number.into())
}

/// Accepts two connections by one of them as soon as it has a line to read, and prints the ports that they come
/// from: `accept`.
pub fn accept_two() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut ring = IoUring::new(8)?;
    // SAFETY: it points to nothing.
    unsafe { ring.submission().push(&accept(&listener, 0)) }.map_err(io::Error::other)?;
    ring.submit()?;
    println!("there");
    io::stdin().read_line(&mut String::new())?;
    for _ in 0..2 {
        let client = TcpStream::connect(listener.local_addr()?)?;
        ring.submit_and_wait(1)?;
        assert!(ring.completion().next().unwrap().result() >= 0);
        println!("{}", client.local_addr()?.port());
    }
    Ok(())
}

/// More requests that accept again and again than are known at once take no other one's place
pub fn acceptors() -> Outcome {
    const REQUESTS: u64 = 20_000;
    const ACCEPTORS: u64 = 4096;
    let host = Host::start();
    let folder = host.folder.shared();
    let program = folder.join("program");
    fs::copy(std::env::current_exe()?, &program)?;
    let quiet = format!("{} accept", program.display());
    let flood = format!("{} accepts {REQUESTS}", program.display());
    let [mut beside, mut noisy] = [(TWO, &quiet), (ONE, &flood)].map(|(login, command)| {
        let mut client = host.login(login, command);
        let mut lines = BufReader::new(client.child.stdout.take().unwrap()).lines();
        assert_eq!(
            lines.next().unwrap().unwrap(),
            "there",
            "{:?}",
            client.errors()
        );
        (client, lines)
    });
    beside.0.child.stdin.take().unwrap().write_all(b"\n")?;
    let ports: Vec<_> = beside.1.map(Result::unwrap).collect();
    let lines = host.session(&quiet);
    has_lost_nothing(&lines);
    let accepted: Vec<_> = of_kind(&lines, "session.network")
        .into_iter()
        .filter(|line| line["via"] == "io_uring")
        .map(|line| line["dst_port"].to_string())
        .collect();
    assert_eq!(accepted, ports);
    assert_eq!(ports.len(), 2);
    drop(noisy.0.child.stdin.take());
    noisy.0.child.wait()?;
    let refused = refused(&host.session(&flood), "network");
    assert!(
        (REQUESTS - ACCEPTORS..REQUESTS).contains(&refused),
        "{refused}"
    );
    Ok(())
}

/// Processes of which each opens a file twice when its input ends, and waits to be killed: `opens COUNT PATH`.
pub fn opens(count: u32, path: &str) -> io::Result<()> {
    let (mut input, output) = io::pipe()?;
    for _ in 0..count {
        // SAFETY: this process has one thread.
        match unsafe { libc::fork() } {
            0 => {
                drop(output);
                input.read_to_end(&mut Vec::new())?;
                for _ in 0..2 {
                    drop(File::open(path)?);
                }
                // SAFETY: waits.
                unsafe { libc::pause() };
                return Ok(());
            }
            -1 => return Err(io::Error::last_os_error()),
            _ => {}
        }
    }
    println!("there");
    io::stdout().flush()?;
    io::stdin().read_to_end(&mut Vec::new())?;
    drop(output);
    // SAFETY: waits.
    unsafe { libc::pause() };
    Ok(())
}

/// A session has more processes to be held than all may have: another one's is held, and loses nothing
pub fn held() -> Outcome {
    const COUNT: usize = 4500;
    const HELD: usize = 4096;
    const OPENS: usize = 500;
    let host = Host::with("", SMALL);
    let folder = host.folder.shared();
    let program = folder.join("program");
    fs::copy(std::env::current_exe()?, &program)?;
    fs::write(folder.join("file"), "")?;
    let (program, file) = (program.display(), folder.join("file"));
    let flood = format!("exec {program} opens {COUNT} {}", file.display());
    let mut flood = host.login(ONE, &flood);
    let mut said = String::new();
    BufReader::new(flood.child.stdout.take().unwrap()).read_line(&mut said)?;
    assert_eq!(said, "there\n", "{:?}", flood.errors());
    let work = format!(
        "exec {PYTHON_ALONE} 'import os, sys
print(\"there\", flush=True)
sys.stdin.readline()
for _ in range({OPENS}):
    os.close(os.open(\"{}\", os.O_RDONLY))'",
        file.display()
    );
    let mut quiet = host.login(TWO, &work);
    let mut said = String::new();
    BufReader::new(quiet.child.stdout.take().unwrap()).read_line(&mut said)?;
    assert_eq!(said, "there\n", "{:?}", quiet.errors());
    host.daemon.signal(libc::SIGSTOP);
    let daemon = host.daemon.child.id() as i32;
    patiently("a daemon that is stopped", || {
        is_stopped(daemon).then_some(())
    });
    drop(flood.child.stdin.take());
    let opens = file.as_os_str().as_encoded_bytes();
    let noisy = || processes(|it| it.split(|byte| *byte == 0).any(|word| word == opens));
    let killed = Killed(noisy);
    // All have acted, and whoever could be is stopped.
    let stopped = patiently("all of the flood", || {
        let all = noisy();
        let waits = |pid: &&i32| {
            let call = fs::read_to_string(format!("/proc/{pid}/syscall")).unwrap_or_default();
            call.split(' ').next() == Some(&libc::SYS_pause.to_string())
        };
        let stopped = all.iter().filter(|pid| is_stopped(**pid)).count();
        let waiting = all.iter().filter(waits).count();
        (stopped + waiting > COUNT).then_some(stopped)
    });
    println!("{stopped} are stopped");
    quiet.child.stdin.take().unwrap().write_all(b"\n")?;
    let is_work = |it: &[u8]| {
        it.windows(12).any(|part| part == b"sys.stdin.re") && it.starts_with(b"/usr/bin/python3")
    };
    patiently("the other one to be stopped", || {
        processes(is_work).into_iter().any(is_stopped).then_some(())
    });
    assert!((HELD / 2..HELD).contains(&stopped), "{stopped}");
    host.daemon.signal(libc::SIGCONT);
    assert!(quiet.child.wait()?.success());
    let lines = host.session(&work);
    has_lost_nothing(&lines);
    let opened = of_kind(&lines, "session.disk").into_iter();
    assert_eq!(
        opened
            .filter(|line| line["path"] == file.to_str().unwrap())
            .count(),
        OPENS
    );
    drop(killed);
    flood.child.wait()?;
    Ok(())
}

/// Processes that are killed with the test, also with one that fails.
struct Killed<F: Fn() -> Vec<i32>>(F);

impl<F: Fn() -> Vec<i32>> Drop for Killed<F> {
    fn drop(&mut self) {
        for pid in (self.0)() {
            // SAFETY: takes numbers; processes of this test.
            unsafe { libc::kill(pid, libc::SIGKILL) };
        }
    }
}
