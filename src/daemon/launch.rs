//! One command as a session of its own, on a host with or without sshd.

use std::error::Error;
use std::ffi::{CString, OsStr, OsString};
use std::fmt;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::abi::{Endpoint, ProcessEntry, SessionEntry, login};
use crate::base::{Failed, boot_time};
use crate::daemon::{Signal, Waiter, signals};
use crate::kernel::OWN_KEYS;
use crate::pipeline::Pipeline;
use crate::session::Birth;

/// How long a command that was told to end may take, until it is killed.
const GRACE: Duration = Duration::from_secs(5);

/// Exit code of a command that can't be run, as shells have it.
const NOT_FOUND: i32 = 127;

/// Why a command can't be recorded.
#[derive(Debug)]
pub enum LaunchError {
    /// The operating system refuses something.
    Failed(Failed),
    /// The kernel's table of sessions takes no more.
    Table(aya::maps::MapError),
}

impl fmt::Display for LaunchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => error.fmt(f),
            Self::Table(error) => write!(f, "the kernel's table of sessions: {error}"),
        }
    }
}

impl Error for LaunchError {}

/// A program that PATH does not lead to.
#[derive(Debug)]
struct NoProgram {
    name: OsString,
    path: OsString,
}

impl fmt::Display for NoProgram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: no such program in PATH ({}); give its path",
            self.name.display(),
            self.path.display()
        )
    }
}

impl Error for NoProgram {}

/// A process that waits to become the command.
struct Child {
    pid: libc::pid_t,
    go: io::PipeWriter,
}

/// Runs `command` and records it until the last of its processes has gone. The command's own
/// output goes to standard error if `quiet`, so that standard output holds nothing but events.
/// Returns its exit code, or 128 and the number of the signal that ended it.
///
/// # Errors
/// What can't be run or recorded, and why.
pub fn run(
    mut pipeline: Pipeline,
    waiter: &Waiter,
    command: &[OsString],
    quiet: bool,
) -> Result<i32, LaunchError> {
    let program = match find(&command[0]) {
        Ok(program) => program,
        Err(error) => {
            crate::report!("recorderd: {error}");
            return Ok(NOT_FOUND);
        }
    };
    let child =
        spawn(&program, command, quiet).map_err(|e| LaunchError::Failed(Failed::new("fork", e)))?;
    begin(&mut pipeline, &child, command)?;
    let parted = pipeline.sink.part(|| {});
    let what = "can't start a thread for the log";
    parted.map_err(|e| LaunchError::Failed(Failed::new(what, e)))?;
    let pid = child.pid;
    // The child waits for this byte: it is gone only if the child is.
    let _ = { child.go }.write_all(&[0]);
    let mut next = pipeline.round(false);
    let mut status = None;
    let mut ends: Option<Instant> = None;
    // What the command has begun may go on without it, but not if the recorder is to end.
    while status.is_none() || (ends.is_none() && !pipeline.table.is_empty()) {
        let patience = ends.map_or(Duration::MAX, |ends| {
            ends.saturating_duration_since(Instant::now())
        });
        let (signal, woken) = waiter.wait(next, patience);
        match signal {
            // The terminal has told the command already.
            Some(Signal::Stop(libc::SIGINT)) => {}
            Some(Signal::Stop(_)) if ends.is_some() => ends = Some(Instant::now()),
            Some(Signal::Stop(signal)) => {
                ends = Some(Instant::now() + GRACE);
                tell(pid, signal, status);
            }
            Some(Signal::Child) => status = status.or(reap(pid)),
            Some(Signal::Reload) | None => {}
        }
        if ends.is_some_and(|ends| ends <= Instant::now()) {
            tell(pid, libc::SIGKILL, status);
            ends = Some(Instant::now() + GRACE);
        }
        next = pipeline.round(woken);
    }
    let status = status.unwrap_or(NOT_FOUND);
    pipeline.finish(Duration::MAX);
    pipeline.end_all(Duration::MAX);
    Ok(status)
}

fn begin(pipeline: &mut Pipeline, child: &Child, command: &[OsString]) -> Result<(), LaunchError> {
    // SAFETY: takes nothing, changes nothing.
    let uid = unsafe { libc::getuid() };
    let pid = child.pid as u32;
    let time = boot_time();
    let key = OWN_KEYS + u64::from(pid);
    let entry = SessionEntry {
        time,
        uid,
        pid,
        families_excluded: pipeline.probes().families_excluded(uid),
        ..SessionEntry::default()
    };
    let tables = &mut pipeline.probes().tables;
    tables
        .begin(key, entry, ProcessEntry::default())
        .map_err(LaunchError::Table)?;
    let birth = Birth {
        time,
        uid,
        name: None,
        pid,
        connection: (Endpoint::default(), Endpoint::default()),
        parent: None,
        recorded_since: None,
        login: login::NONE,
    };
    let command = command
        .iter()
        .map(|word| word.as_bytes().to_vec())
        .collect();
    pipeline
        .table
        .insert(key, birth, command, &mut pipeline.writer);
    Ok(())
}

/// The file that a shell would run for `name`.
fn find(name: &OsStr) -> Result<PathBuf, NoProgram> {
    if name.as_bytes().contains(&b'/') {
        return Ok(name.into());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut files = std::env::split_paths(&path).map(|folder| folder.join(name));
    let found = files.find(|file| is_program(file));
    found.ok_or_else(|| NoProgram {
        name: name.into(),
        path,
    })
}

fn is_program(file: &Path) -> bool {
    let Ok(path) = CString::new(file.as_os_str().as_bytes()) else {
        return false;
    };
    // SAFETY: a string that ends in zero.
    file.is_file() && unsafe { libc::access(path.as_ptr(), libc::X_OK) } == 0
}

/// Forks the process that will be the command, once it is told to go.
fn spawn(program: &Path, command: &[OsString], quiet: bool) -> io::Result<Child> {
    let path = CString::new(program.as_os_str().as_bytes())?;
    let words = command
        .iter()
        .map(|word| CString::new(word.as_bytes()))
        .collect::<Result<Vec<_>, _>>()?;
    let mut argv: Vec<_> = words.iter().map(|word| word.as_ptr()).collect();
    argv.push(std::ptr::null());
    let (mut wait, go) = io::pipe()?;
    // SAFETY: there is one thread, so the child is a whole copy.
    let pid = unsafe { libc::fork() };
    match pid {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            drop(go);
            // SAFETY: unblocks what the recorder blocks, and becomes the command; all strings and
            // the list end in zero.
            unsafe {
                libc::sigprocmask(libc::SIG_UNBLOCK, &signals(), std::ptr::null_mut());
                libc::signal(libc::SIGPIPE, libc::SIG_DFL);
                libc::signal(libc::SIGXFSZ, libc::SIG_DFL);
                if quiet {
                    libc::dup2(io::stderr().as_raw_fd(), libc::STDOUT_FILENO);
                }
                if wait.read_exact(&mut [0]).is_ok() {
                    libc::execv(path.as_ptr(), argv.as_ptr());
                    let error = io::Error::last_os_error();
                    crate::report!(
                        "recorderd: {}: can't be executed: {error}",
                        program.display()
                    );
                }
                libc::_exit(NOT_FOUND)
            }
        }
        pid => Ok(Child { pid, go }),
    }
}

/// Sends a signal to our child, which has no exit code yet; once it has, the number can be another's.
fn tell(pid: libc::pid_t, signal: i32, status: Option<i32>) {
    if status.is_none() {
        // SAFETY: takes numbers.
        unsafe { libc::kill(pid, signal) };
    }
}

/// The exit code of our child, if it has one yet.
fn reap(pid: libc::pid_t) -> Option<i32> {
    let mut status = 0;
    // SAFETY: the kernel writes one number.
    if unsafe { libc::waitpid(pid, &mut status, libc::WNOHANG) } != pid {
        return None;
    }
    Some(if libc::WIFSIGNALED(status) {
        128 + libc::WTERMSIG(status)
    } else {
        libc::WEXITSTATUS(status)
    })
}
