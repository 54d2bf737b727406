//! The capabilities of a recorder that runs.

use std::fs;
use std::io;

// From linux/capability.h.
const KILL: u32 = 5;
const SYS_PTRACE: u32 = 19;
const BPF: u32 = 39;
const LAST: u32 = 63;
const VERSION: u32 = 0x2008_0522;

/// What it always needs: the kernel's tables, and signals to the processes of sessions.
const NEEDED: [u32; 2] = [BPF, KILL];

/// The header of capset(2).
#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

/// One half of the sets of capset(2).
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Half {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Gives up all others, those that a program could be given by being run included.
///
/// # Errors
/// The error of prctl(2) or capset(2).
pub fn keep_needed() -> io::Result<()> {
    let mut kept = NEEDED.iter().fold(0u64, |set, bit| set | 1 << bit);
    if hides_processes(&fs::read_to_string("/proc/self/mounts")?) {
        kept |= 1 << SYS_PTRACE;
    }
    kept &= held()?;
    for capability in (0..=LAST).filter(|bit| kept >> bit & 1 == 0) {
        // Where it is refused, whoever started us has seen to it: there is nothing to run anyway.
        // SAFETY: plain numbers.
        unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) };
    }
    let half = |part: u64| Half {
        effective: part as u32,
        permitted: part as u32,
        inheritable: 0,
    };
    let header = header();
    let sets = [half(kept), half(kept >> 32)];
    // SAFETY: the kernel reads the header and two halves.
    let done = unsafe { libc::syscall(libc::SYS_capset, &raw const header, sets.as_ptr()) };
    super::succeeded(done as i32)
}

/// Those that are permitted now.
fn held() -> io::Result<u64> {
    let header = header();
    let mut sets = [Half::default(); 2];
    // SAFETY: the kernel reads the header, and writes two halves.
    let done = unsafe { libc::syscall(libc::SYS_capget, &raw const header, sets.as_mut_ptr()) };
    super::succeeded(done as i32)?;
    Ok(u64::from(sets[0].permitted) | u64::from(sets[1].permitted) << 32)
}

fn header() -> Header {
    Header {
        version: VERSION,
        pid: 0,
    }
}

/// Whether /proc shows a process only to those who may trace it: proc(5), hidepid.
fn hides_processes(mounts: &str) -> bool {
    mounts.lines().any(|line| {
        let fields: Vec<_> = line.split(' ').collect();
        fields.get(1) == Some(&"/proc") && line.contains("hidepid=")
    })
}

#[cfg(test)]
mod tests {
    use super::hides_processes;

    #[test]
    fn a_proc_that_hides_processes_is_told_by_its_options() {
        let plain = "proc /proc proc rw,nosuid 0 0\n";
        assert!(!hides_processes(plain));
        assert!(!hides_processes("proc /jail/proc proc rw,hidepid=2 0 0\n"));
        let hiding = "proc /proc proc rw,hidepid=invisible 0 0\n";
        assert!(hides_processes(&format!("{plain}{hiding}")));
    }
}
