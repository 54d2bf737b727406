//! The service manager, if one started us: what it is told, as sd_notify(3) has it.

use crate::base::boot_time;
use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// Where the service manager listens, and how often it wants to hear of us.
pub struct Manager {
    link: Option<(UnixDatagram, SocketAddr)>,
    /// Half of the time after which it takes us for dead. Nanoseconds.
    every: Option<u64>,
    /// When it heard of us last. Nanoseconds since boot.
    heard: u64,
    failing: bool,
}

impl Manager {
    /// The one that the environment names; where none is, nobody is told anything.
    pub fn of_environment() -> Self {
        let link = env::var_os("NOTIFY_SOCKET").and_then(|name| {
            let link = connect(&name);
            if let Err(error) = &link {
                crate::report!("recorderd: NOTIFY_SOCKET: {}: {error}", name.display());
            }
            link.ok()
        });
        let number = |name: &str| env::var(name).ok()?.parse::<u64>().ok();
        // The variables may have been meant for a process that started us.
        let is_ours = env::var_os("WATCHDOG_PID").is_none()
            || number("WATCHDOG_PID") == Some(std::process::id().into());
        let limit = number("WATCHDOG_USEC").filter(|limit| *limit > 0 && is_ours);
        let every = limit.map(|limit| limit.saturating_mul(1_000) / 2);
        Self {
            every: every.filter(|_| link.is_some()),
            link,
            heard: 0,
            failing: false,
        }
    }

    /// Sessions are recorded, or the config has been read again.
    pub fn ready(&mut self) {
        self.heard = boot_time();
        self.tell("READY=1");
    }

    /// The config is read again.
    pub fn reloading(&mut self) {
        let mut now = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: the kernel writes the structure.
        unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) };
        let micros = now.tv_sec * 1_000_000 + now.tv_nsec / 1_000;
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
    }

    /// The recorder ends.
    pub fn stopping(&mut self) {
        self.tell("STOPPING=1");
    }

    /// The loop goes round: told as often as the manager wants to hear it.
    pub fn alive(&mut self) {
        let now = boot_time();
        if self.every.is_some_and(|every| now >= self.heard + every) {
            self.heard = now;
            self.tell("WATCHDOG=1");
        }
    }

    /// How long the loop may sleep.
    pub fn patience(&self) -> Duration {
        self.every.map_or(Duration::MAX, |every| {
            Duration::from_nanos((self.heard + every).saturating_sub(boot_time()))
        })
    }

    fn tell(&mut self, state: &str) {
        let Some((socket, address)) = &self.link else {
            return;
        };
        let sent = socket.send_to_addr(state.as_bytes(), address);
        if let (Err(error), false) = (&sent, self.failing) {
            crate::report!("recorderd: NOTIFY_SOCKET: {state}: {error}");
        }
        self.failing = sent.is_err();
    }
}

fn connect(name: &OsStr) -> io::Result<(UnixDatagram, SocketAddr)> {
    let address = match name.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    // A manager that does not listen must not hold us up.
    socket.set_nonblocking(true)?;
    Ok((socket, address))
}
