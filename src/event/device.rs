//! Device numbers as text.

use std::fmt::Write;

/// The longest: two numbers of 32 bits and a colon.
const LENGTH: usize = 21;

/// Bits of the minor number in the kernel's own form (MINORBITS).
const MINOR_BITS: u32 = 20;

fn parts(device: u32) -> (u32, u32) {
    (device >> MINOR_BITS, device & ((1 << MINOR_BITS) - 1))
}

/// `major:minor`
pub fn number(device: u32) -> heapless::Vec<u8, LENGTH> {
    let (major, minor) = parts(device);
    pair(major, minor)
}

/// `major:minor` of a device in the form of mknod(2).
pub fn of_call(device: u64) -> heapless::Vec<u8, LENGTH> {
    // The kernel looks at 32 bits.
    let device = device & u64::from(u32::MAX);
    pair(libc::major(device), libc::minor(device))
}

/// Two numbers with a colon between them.
pub fn pair(one: u32, other: u32) -> heapless::Vec<u8, LENGTH> {
    let mut text = heapless::Vec::new();
    for part in [
        itoa::Buffer::new().format(one).as_bytes(),
        b":",
        itoa::Buffer::new().format(other).as_bytes(),
    ] {
        // Two numbers of ten digits fit.
        let _ = text.extend_from_slice(part);
    }
    text
}

/// The name of a terminal below /dev, by the numbers that Documentation/admin-guide/devices.txt
/// gives, else `major:minor`.
pub fn terminal(device: u32) -> heapless::Vec<u8, LENGTH> {
    match parts(device) {
        (136, minor) => text(format_args!("pts/{minor}")),
        (4, minor) if minor < 64 => text(format_args!("tty{minor}")),
        (4, minor) => text(format_args!("ttyS{}", minor - 64)),
        (204, minor) if minor >= 64 => text(format_args!("ttyAMA{}", minor - 64)),
        (5, 1) => text(format_args!("console")),
        (229, minor) => text(format_args!("hvc{minor}")),
        _ => number(device),
    }
}

fn text(arguments: std::fmt::Arguments<'_>) -> heapless::Vec<u8, LENGTH> {
    let mut text = heapless::String::new();
    // The longest text fits.
    let _ = text.write_fmt(arguments);
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_have_names() {
        let name = |major: u32, minor: u32| {
            String::from_utf8(terminal(major << 20 | minor).to_vec()).unwrap()
        };
        assert_eq!(name(136, 12), "pts/12");
        assert_eq!(name(4, 1), "tty1");
        assert_eq!(name(4, 64), "ttyS0");
        assert_eq!(name(204, 64), "ttyAMA0");
        assert_eq!(name(999, 7), "999:7");
    }

    #[test]
    fn devices_of_calls_are_the_same() {
        let device = libc::makedev(8, 300);
        assert_eq!(of_call(device), number(8 << 20 | 300));
        assert_eq!(of_call(u64::MAX), number(u32::MAX));
    }
}
