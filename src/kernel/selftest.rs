//! One act of each kind in a session of the recorder's own, before there are others: a program that
//! is attached and yet sees nothing is found by it.

use std::ffi::CStr;
use std::io::{self, Read};
use std::panic::resume_unwind;
use std::thread;

use super::error::ProbeError;
use super::object::Probes;
use super::tables::{OWN_KEYS, Tables};
use super::uring;
use crate::abi::{ProcessEntry, SessionEntry};
use crate::base::boot_time;
use crate::family::{Act, Body, EVENTS, by_ring, decode};

/// There is no such file, and none can be made there.
const NOTHING_TO_RING: &CStr = c"/proc/self/recorderd-nothing";

/// Acts of the ring: one for both programs, because without the second, no record comes of the first.
const RING_ACTS: &[Act] = &[
    Act {
        program: "uring_submit",
        perform: open_by_ring,
        shows: by_ring,
    },
    Act {
        program: "uring_complete",
        perform: || Ok(()),
        shows: by_ring,
    },
];

/// The kernel's workers for a ring have the rights of who asked, and last some seconds longer than its requests,
/// but no longer than the thread that asked.
fn open_by_ring() -> io::Result<()> {
    let asks = thread::Builder::new().spawn(|| uring::open(NOTHING_TO_RING))?;
    asks.join().unwrap_or_else(|panic| resume_unwind(panic))
}

/// All of them.
fn acts() -> impl Iterator<Item = &'static Act> {
    EVENTS.iter().flat_map(|row| row.acts).chain(RING_ACTS)
}

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
    for act in acts() {
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
            let shown = acts().filter(|act| (act.shows)(&record));
            heard.extend(shown.map(|act| act.program));
        });
        ring.release(None);
    }
    probes
        .terminal_ring
        .scan(|_, _| heard.push("terminal_read"));
    probes.terminal_ring.release(None);
    let tables = &mut probes.tables;
    tables.terminals_clear(OWN_KEYS);
    let heard = &verdict.heard;
    verdict.untried.retain(|(name, _)| !heard.contains(name));
    for program in acts().map(|act| act.program).chain(LIFE) {
        let untried = |(name, _): &(&str, String)| *name == program;
        if verdict.heard.contains(&program) || verdict.untried.iter().any(untried) {
            continue;
        }
        if probes.shared.losses() != losses {
            let reason = "a ring buffer is too small for the self-test".to_owned();
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

#[cfg(test)]
mod tests {
    use super::super::plan::PLANS;
    use super::{LIFE, acts};

    #[test]
    fn every_program_is_tried() {
        for hook in PLANS.iter().flat_map(|plan| plan.hooks) {
            let acts = acts().map(|act| act.program);
            assert!(
                acts.chain(LIFE).any(|name| name == hook.program),
                "{}",
                hook.program
            );
        }
    }
}
