//! One recorder for a data_dir: two would write each login twice, and each would take the other for one that
//! has crashed.

use std::error::Error;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::base::named;

/// Held as long as the process lives; the kernel gives it back, however the process ends, and no child has it.
pub struct Claim(#[expect(dead_code, reason = "open as long as it is held")] File);

/// Why a data_dir can't be had.
#[derive(Debug)]
pub enum ClaimError {
    /// Another recorder has it: this process, if that is known.
    Taken(PathBuf, Option<libc::pid_t>),
    /// What can't be created, by name.
    Failed(io::Error),
}

impl fmt::Display for ClaimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taken(data_dir, pid) => {
                write!(f, "data_dir: {}: another recorderd", data_dir.display())?;
                if let Some(pid) = pid {
                    write!(f, ", process {pid},")?;
                }
                f.write_str(
                    " records to this directory already; stop that one, or name \
                     another data_dir in the config",
                )
            }
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl Error for ClaimError {}

impl Claim {
    /// Takes a data_dir, which is made if it is not there.
    ///
    /// # Errors
    /// Who has it already, or what can't be created, by name, and the remedy.
    pub fn take(data_dir: &Path) -> Result<Self, ClaimError> {
        let made = fs::create_dir_all(data_dir);
        made.map_err(|e| ClaimError::Failed(named(data_dir, &e)))?;
        let path = data_dir.join("lock");
        let fault = |e: io::Error| ClaimError::Failed(named(&path, &e));
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(fault)?;
        let mut lock = whole_file();
        // SAFETY: the kernel reads the structure.
        if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLK, &raw const lock) } == 0 {
            return Ok(Self(file));
        }
        let error = io::Error::last_os_error();
        if !matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) {
            return Err(fault(error));
        }
        // SAFETY: the kernel reads and writes the structure.
        let asked = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETLK, &raw mut lock) };
        // It has no id where it is in another namespace, or has ended in this moment.
        let pid = (asked == 0 && lock.l_pid > 0).then_some(lock.l_pid);
        Err(ClaimError::Taken(data_dir.into(), pid))
    }
}

fn whole_file() -> libc::flock {
    // SAFETY: the structure is plain numbers; zeros are the whole file.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = libc::F_WRLCK as libc::c_short;
    lock.l_whence = libc::SEEK_SET as libc::c_short;
    lock
}
