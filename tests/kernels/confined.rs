//! Runs in the guest: becomes a program that can make sockets of some families only, as a service of systemd
//! with `RestrictAddressFamilies=`. Arguments: the numbers of the families, `--`, the program and its arguments.

use std::ffi::{c_int, c_ulong};
use std::os::unix::process::CommandExt;
use std::process::Command;

#[cfg(target_arch = "x86_64")]
const SOCKET: u32 = 41;
#[cfg(target_arch = "aarch64")]
const SOCKET: u32 = 198;

/// A filter has no room for more.
const MOST: usize = 64;

const SET_NO_NEW_PRIVS: c_int = 38;
const SET_SECCOMP: c_int = 22;
const MODE_FILTER: c_ulong = 2;
const ALLOW: u32 = 0x7fff_0000;
/// With EAFNOSUPPORT.
const REFUSE: u32 = 0x0005_0000 | 97;

// Instructions of linux/bpf_common.h.
const LOAD: u16 = 0x20;
const EQUALS: u16 = 0x15;
const RETURN: u16 = 0x06;

#[repr(C)]
struct Instruction {
    code: u16,
    fits: u8,
    not: u8,
    value: u32,
}

#[repr(C)]
struct Filter {
    length: u16,
    instructions: *const Instruction,
}

unsafe extern "C" {
    fn prctl(option: c_int, ...) -> c_int;
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let numbers = arguments.by_ref().take_while(|word| word != "--");
    let families: Vec<u32> = numbers
        .map(|word| word.parse().expect("a family"))
        .collect();
    assert!(!families.is_empty() && families.len() < MOST);
    let instruction = |code, value, fits, not| Instruction {
        code,
        fits,
        not,
        value,
    };
    let count = families.len() as u8;
    let mut filter = vec![
        instruction(LOAD, 0, 0, 0),
        instruction(EQUALS, SOCKET, 0, count + 2),
        instruction(LOAD, 16, 0, 0),
    ];
    for (index, family) in families.iter().enumerate() {
        filter.push(instruction(EQUALS, *family, count - index as u8, 0));
    }
    filter.push(instruction(RETURN, REFUSE, 0, 0));
    filter.push(instruction(RETURN, ALLOW, 0, 0));
    let filter = Filter {
        length: filter.len() as u16,
        instructions: filter.as_ptr(),
    };
    let (yes, no): (c_ulong, c_ulong) = (1, 0);
    // SAFETY: the kernel reads the filter, which is there until the program is another.
    let set = unsafe {
        prctl(SET_NO_NEW_PRIVS, yes, no, no, no) == 0
            && prctl(SET_SECCOMP, MODE_FILTER, &raw const filter) == 0
    };
    assert!(set, "{}", std::io::Error::last_os_error());
    let program = arguments.next().expect("a program");
    panic!(
        "{program}: {}",
        Command::new(&program).args(arguments).exec()
    );
}
