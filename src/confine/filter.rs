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
/// The error of prctl(2).
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel does with a call of this architecture and number, whose arguments have these lower halves.
    fn verdict_of(architecture: u32, number: libc::c_long, arguments: [u32; 6]) -> u32 {
        let filter = filter();
        let mut at = 0;
        let mut loaded = 0;
        loop {
            let sock_filter { code, jt, jf, k } = filter[at];
            at += 1;
            let (value, is_jump) = match u32::from(code) {
                code if code == BPF_LD | BPF_W | BPF_ABS => {
                    loaded = match k {
                        0 => number as u32,
                        4 => architecture,
                        _ => {
                            assert_eq!(k % 8, 0, "half of an argument");
                            arguments[k as usize / 8 - 2]
                        }
                    };
                    continue;
                }
                code if code == BPF_JMP | BPF_JEQ | BPF_K => (loaded == k, true),
                code if code == BPF_JMP | BPF_JSET | BPF_K => (loaded & k != 0, true),
                code => {
                    assert_eq!(code, BPF_RET | BPF_K);
                    (false, false)
                }
            };
            if !is_jump {
                return k;
            }
            at += usize::from(if value { jt } else { jf });
        }
    }

    fn is_allowed(number: libc::c_long, arguments: [u32; 6]) -> bool {
        match verdict_of(ARCHITECTURE, number, arguments) {
            libc::SECCOMP_RET_ALLOW => true,
            verdict => {
                assert_eq!(verdict, 0x0005_0001, "EPERM, and nothing else");
                false
            }
        }
    }

    /// Which of these values an argument may have.
    fn of_argument(number: libc::c_long, place: usize, values: &[u32]) -> Vec<u32> {
        let allowed = |value: &u32| {
            // What the others are makes no difference.
            [0, u32::MAX].map(|other| {
                let mut arguments = [other; 6];
                arguments[place] = *value;
                is_allowed(number, arguments)
            })
        };
        let mut values = values.to_vec();
        values.retain(|value| {
            let [one, other] = allowed(value);
            assert_eq!(one, other, "{number}: {value}");
            one
        });
        values
    }

    #[test]
    fn by_argument() {
        let all: Vec<u32> = (0..64).collect();
        assert_eq!(
            of_argument(libc::SYS_bpf, 0, &all),
            [1, 2, 3, 4, 15, 17, 21, 33]
        );
        assert_eq!(of_argument(libc::SYS_socket, 0, &all), [1]);
        assert_eq!(of_argument(libc::SYS_wait4, 2, &all), [1]);
        for call in [libc::SYS_mmap, libc::SYS_mprotect] {
            let runs = |bits: &u32| bits & 4 != 0;
            let expected: Vec<u32> = all.iter().copied().filter(|bits| !runs(bits)).collect();
            assert_eq!(of_argument(call, 2, &all), expected);
        }
        let requests = [
            0x2400, 0x2401, 0x2402, 0x5401, 0x5402, 0x5412, 0x5413, 0x5421,
        ];
        assert_eq!(
            of_argument(libc::SYS_ioctl, 1, &requests),
            [0x2401, 0x5401, 0x5413, 0x5421]
        );
    }

    #[test]
    fn by_number() {
        let checked: Vec<_> = CHECKED.iter().map(|(call, ..)| *call).collect();
        let listed: Vec<_> = ALLOWED.iter().chain(OLDER).copied().collect();
        for number in 0..1024 {
            // As commands and families, none of them is allowed.
            let is_free = is_allowed(number, [u32::MAX; 6]);
            assert_eq!(is_free, listed.contains(&number), "{number}");
            assert!(!is_free || !checked.contains(&number), "{number}");
        }
        for call in [
            libc::SYS_execve,
            libc::SYS_execveat,
            libc::SYS_clone,
            libc::SYS_clone3,
            libc::SYS_ptrace,
            libc::SYS_prctl,
            libc::SYS_seccomp,
            libc::SYS_setns,
            libc::SYS_unshare,
            libc::SYS_mount,
            libc::SYS_init_module,
            libc::SYS_pkey_mprotect,
            libc::SYS_io_uring_setup,
            libc::SYS_perf_event_open,
        ] {
            assert!(!is_allowed(call, [0; 6]), "{call}");
        }
    }

    #[test]
    fn of_another_architecture() {
        // Those of 32 bits: read is 3 on x86, and 63 on both of ARM.
        for other in [0x4000_0003, 0x4000_0028, ARCHITECTURE ^ 1] {
            for call in ALLOWED {
                assert_eq!(verdict_of(other, *call, [0; 6]), REFUSE);
            }
        }
        // What x32 has for the same.
        let x32 = 0x4000_0000;
        assert!(ALLOWED.iter().all(|call| !is_allowed(call | x32, [0; 6])));
    }
}
