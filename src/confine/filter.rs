//! The filter of system calls, in classic BPF: seccomp(2).

use std::io;

use libc::{BPF_ABS, BPF_JEQ, BPF_JMP, BPF_JSET, BPF_K, BPF_LD, BPF_RET, BPF_W, sock_filter};

use super::calls::{ALLOWED, CHECKED, OLDER, Rule};

// From linux/audit.h.
#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xc000_00b7;

// Where things are in struct seccomp_data, which is little-endian here.
const NUMBER_AT: u32 = 0;
const ARCHITECTURE_AT: u32 = 4;
const ARGUMENTS_AT: u32 = 16;

/// A call that is refused fails with EPERM: the recorder tells of it and goes on, which loses less
/// than to be ended.
const REFUSE: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;

/// Filters the calls of this thread from now on. The process must have given up gaining privileges.
///
/// # Errors
/// What the operating system says.
pub fn set() -> io::Result<()> {
    let mut filter = filter();
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: the kernel reads the program, and as many instructions as it says.
    super::succeeded(unsafe {
        libc::prctl(
            libc::PR_SET_SECCOMP,
            libc::SECCOMP_MODE_FILTER,
            &raw const program,
        )
    })
}

fn filter() -> Vec<sock_filter> {
    let mut filter = vec![
        load(ARCHITECTURE_AT),
        jump(BPF_JEQ, ARCHITECTURE, 1, 0),
        end(REFUSE),
        load(NUMBER_AT),
    ];
    for call in ALLOWED.iter().chain(OLDER) {
        filter.push(jump(BPF_JEQ, *call as u32, 0, 1));
        filter.push(end(libc::SECCOMP_RET_ALLOW));
    }
    for (call, argument, rule) in CHECKED {
        let check = check(*argument, rule);
        filter.push(jump(BPF_JEQ, *call as u32, 0, check.len() as u8));
        filter.extend(check);
    }
    filter.push(end(REFUSE));
    filter
}

/// Looks at one argument, and ends there.
fn check(argument: u32, rule: &Rule) -> Vec<sock_filter> {
    let mut filter = vec![load(ARGUMENTS_AT + 8 * argument)];
    match rule {
        Rule::OneOf(values) => {
            for value in *values {
                filter.push(jump(BPF_JEQ, *value, 0, 1));
                filter.push(end(libc::SECCOMP_RET_ALLOW));
            }
        }
        Rule::Without(bits) => {
            filter.push(jump(BPF_JSET, *bits, 1, 0));
            filter.push(end(libc::SECCOMP_RET_ALLOW));
        }
    }
    filter.push(end(REFUSE));
    filter
}

/// Loads a word of what is known of the call.
fn load(at: u32) -> sock_filter {
    instruction(BPF_LD | BPF_W | BPF_ABS, at, (0, 0))
}

/// Compares the loaded word with `value`, and passes over so many instructions if it fits, or not.
fn jump(comparison: u32, value: u32, fits: u8, not: u8) -> sock_filter {
    instruction(BPF_JMP | comparison | BPF_K, value, (fits, not))
}

fn end(verdict: u32) -> sock_filter {
    instruction(BPF_RET | BPF_K, verdict, (0, 0))
}

fn instruction(code: u32, k: u32, (jt, jf): (u8, u8)) -> sock_filter {
    sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    }
}
