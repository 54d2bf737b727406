//! The loop that joins the parts: one thread, one epoll set. What a disk can hold up is done elsewhere.

pub mod claim;
pub mod launch;
pub mod manager;
pub mod reload;

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::time::Duration;

use crate::base::owned;
use crate::kernel::ProbeError;
use crate::pipeline::{Next, Pipeline};
use manager::Manager;
use reload::Reload;

/// How long a record is too young to be handed on.
const NOW: Duration = Duration::from_millis(2);
/// How long events may gather before they are taken to the log.
const SOON: Duration = Duration::from_millis(50);
/// How often to look without being woken: a loss wakes nobody.
const IDLE: Duration = Duration::from_secs(5);
/// How often to look while a session is open, where the kernel may skip a probe.
const WATCH: Duration = Duration::from_secs(1);
/// How long what waits for its time may wait longer.
const LATER: Duration = Duration::from_millis(250);

/// How long an output whose reader is slow, or a disk that does not answer, is waited for at the end.
pub const LAST: Duration = Duration::from_secs(5);

/// What the loop heard of.
pub enum Signal {
    /// SIGTERM or SIGINT, by number.
    Stop(i32),
    /// SIGHUP
    Reload,
    /// SIGCHLD: a child has ended, was stopped, or goes on.
    Child,
}

/// Descriptors to wait for.
pub struct Waiter {
    epoll: OwnedFd,
    signals: OwnedFd,
}

impl Waiter {
    /// Waits for signals, which no longer interrupt, and for `descriptors`.
    ///
    /// # Errors
    /// The error of epoll_create1(2), epoll_ctl(2) or signalfd(2).
    pub fn new(descriptors: impl Iterator<Item = RawFd>) -> io::Result<Self> {
        // SAFETY: makes a descriptor.
        let epoll = owned(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) }.into())?;
        let signals = block_signals()?;
        add(&epoll, signals.as_raw_fd(), libc::EPOLLIN as u32)?;
        for descriptor in descriptors {
            // Only the moment of a wake-up counts: the loop knows of what it has left in a ring.
            add(&epoll, descriptor, (libc::EPOLLIN | libc::EPOLLET) as u32)?;
        }
        Ok(Self { epoll, signals })
    }

    /// Waits for one more.
    ///
    /// # Errors
    /// The error of epoll_ctl(2).
    pub fn add(&self, descriptor: RawFd) -> io::Result<()> {
        add(
            &self.epoll,
            descriptor,
            (libc::EPOLLIN | libc::EPOLLET) as u32,
        )
    }

    /// Waits for a wake-up, a signal, or the time that `next` stands for, at most for `longest`.
    /// Tells of the signal, and whether a probe asked to be read.
    pub fn wait(&self, next: Next, longest: Duration) -> (Option<Signal>, bool) {
        let usual = match next {
            Next::More => Duration::ZERO,
            Next::Now => NOW,
            Next::Soon => SOON,
            Next::Later => LATER,
            Next::Watching => WATCH,
            Next::Woken => IDLE,
        };
        // Rounded up, so that it is over when the wait is.
        let timeout = usual.min(longest).as_micros().div_ceil(1_000) as i32;
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; 8];
        // SAFETY: the kernel writes at most as many events as there is room for.
        let count = unsafe {
            libc::epoll_wait(
                self.epoll.as_raw_fd(),
                events.as_mut_ptr(),
                events.len() as i32,
                timeout,
            )
        };
        let ready = &events[..count.max(0) as usize];
        let is_signal = |event: &libc::epoll_event| event.u64 == self.signals.as_raw_fd() as u64;
        let woken = ready.iter().any(|event| !is_signal(event));
        let signal = ready.iter().any(is_signal).then(|| self.signal()).flatten();
        (signal, woken)
    }

    fn signal(&self) -> Option<Signal> {
        // SAFETY: the structure is plain numbers, and is filled by the call.
        let mut signal: libc::signalfd_siginfo = unsafe { std::mem::zeroed() };
        // SAFETY: the kernel writes one such structure.
        let length = unsafe {
            libc::read(
                self.signals.as_raw_fd(),
                (&raw mut signal).cast(),
                size_of_val(&signal),
            )
        };
        match signal.ssi_signo as i32 {
            _ if length < 0 => None,
            libc::SIGHUP => Some(Signal::Reload),
            libc::SIGCHLD => Some(Signal::Child),
            number => Some(Signal::Stop(number)),
        }
    }
}

/// Records until SIGTERM or SIGINT, then takes what is left to the log.
///
/// # Errors
/// What keeps us from recording on: the next start may do better.
pub fn run(
    mut pipeline: Pipeline,
    waiter: &Waiter,
    manager: &mut Manager,
    reload: &mut Reload,
) -> Result<(), ProbeError> {
    let mut next = pipeline.round(false);
    let done = loop {
        manager.alive();
        let (signal, woken) = waiter.wait(next, manager.patience());
        match signal {
            // Who has come in the meantime is told of as that.
            Some(Signal::Stop(_)) => break pipeline.attend(),
            Some(Signal::Reload) => {
                manager.reloading();
                if let Err(error) = pipeline.sink.reopen() {
                    crate::report!("recorderd: the log can't be opened again: {error}");
                }
                reload.again(&mut pipeline);
                manager.ready();
            }
            Some(Signal::Child) => pipeline.child_ended(),
            None => {}
        }
        if let Err(error) = pipeline.attend() {
            break Err(error);
        }
        next = pipeline.round(woken);
    };
    manager.stopping();
    pipeline.finish(LAST);
    done
}

fn add(epoll: &OwnedFd, descriptor: RawFd, events: u32) -> io::Result<()> {
    let mut event = libc::epoll_event {
        events,
        u64: descriptor as u64,
    };
    // SAFETY: the kernel reads the structure.
    let added = unsafe {
        libc::epoll_ctl(
            epoll.as_raw_fd(),
            libc::EPOLL_CTL_ADD,
            descriptor,
            &mut event,
        )
    };
    if added < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// The signals that the loop hears of; a child of the recorder has to unblock them again.
pub fn signals() -> libc::sigset_t {
    // SAFETY: the set is filled by the calls.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGCHLD] {
            libc::sigaddset(&mut set, signal);
        }
        set
    }
}

fn block_signals() -> io::Result<OwnedFd> {
    let set = signals();
    // SAFETY: reads the set. A limit on the size of files is an error like others.
    unsafe {
        libc::sigprocmask(libc::SIG_BLOCK, &set, std::ptr::null_mut());
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
    }
    // SAFETY: reads the set, and makes a descriptor.
    owned(unsafe { libc::signalfd(-1, &set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) }.into())
}
