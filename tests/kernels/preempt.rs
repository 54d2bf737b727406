//! Runs in the guest, on its second CPU: programs that are preempted while a probe is at work for them, and
//! one beside them whose calls are counted. All but that one go on until the file OVER is there.

use std::ffi::{c_int, c_long, c_uint, c_void};
use std::fs::File;
use std::io::Error;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::Duration;
use std::{env, process, ptr, thread};

const OVER: &str = "/tmp/over";
const SCHED_IDLE: c_int = 5;

#[cfg(target_arch = "x86_64")]
const SYS_SCHED_SETSCHEDULER: c_long = 144;
#[cfg(target_arch = "aarch64")]
const SYS_SCHED_SETSCHEDULER: c_long = 119;

unsafe extern "C" {
    fn fork() -> c_int;
    fn wait(status: *mut c_int) -> c_int;
    fn sched_setaffinity(pid: c_int, size: usize, mask: *const u64) -> c_int;
    fn sendmmsg(socket: c_int, messages: *mut Message, count: c_uint, flags: c_uint) -> c_int;
    fn syscall(number: c_long, ...) -> c_long;
}

#[repr(C)]
struct Part {
    start: *const c_void,
    length: usize,
}

/// struct mmsghdr
#[repr(C)]
struct Message {
    name: *const c_void,
    name_length: u32,
    parts: *const Part,
    part_count: usize,
    control: *const c_void,
    control_length: usize,
    flags: c_int,
    sent: c_uint,
}

/// A question for the address of example.org.
const QUESTION: &[u8] = b"\0\x01\x01\0\0\x01\0\0\0\0\0\0\x07example\x03org\0\0\x01\0\x01";

fn is_over() -> bool {
    Path::new(OVER).exists()
}

/// Whatever runs on this CPU goes before.
fn be_idle() {
    let priority: c_int = 0;
    // SAFETY: the kernel reads the number.
    let set = unsafe { syscall(SYS_SCHED_SETSCHEDULER, 0, SCHED_IDLE, &raw const priority) };
    assert_eq!(set, 0, "{}", Error::last_os_error());
}

fn open(path: &str) {
    File::open(path).expect(path);
}

fn send(socket: &UdpSocket) {
    let part = Part {
        start: QUESTION.as_ptr().cast(),
        length: QUESTION.len(),
    };
    let mut messages: [Message; 64] = std::array::from_fn(|_| Message {
        name: ptr::null(),
        name_length: 0,
        parts: &raw const part,
        part_count: 1,
        control: ptr::null(),
        control_length: 0,
        flags: 0,
        sent: 0,
    });
    // SAFETY: all that the messages point to is there. That nobody answers is of no concern.
    unsafe { sendmmsg(socket.as_raw_fd(), messages.as_mut_ptr(), 64, 0) };
}

/// Has so many processes do this again and again.
fn repeat(count: usize, act: impl Fn()) {
    for _ in 0..count {
        // SAFETY: there is one thread.
        if unsafe { fork() } == 0 {
            while !is_over() {
                (0..64).for_each(|_| act());
            }
            process::exit(0);
        }
    }
    // SAFETY: asks for nothing but how many are left.
    while unsafe { wait(ptr::null_mut()) } > 0 {}
}

fn main() {
    let second = 2_u64;
    // SAFETY: the kernel reads the mask.
    let set = unsafe { sched_setaffinity(0, size_of_val(&second), &raw const second) };
    assert_eq!(set, 0, "{}", Error::last_os_error());
    let argument = |index| env::args().nth(index).expect("an act, and how many");
    let count = argument(2).parse().expect("a number");
    match argument(1).as_str() {
        "opens" => {
            be_idle();
            repeat(count, || open("/test/other"));
        }
        "sends" => {
            let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
            socket.connect("127.0.0.1:53").expect("an address");
            be_idle();
            repeat(count, || send(&socket));
        }
        "hogs" => repeat(count, || (0..1_000_000).for_each(|it| { std::hint::black_box(it); })),
        "victim" => {
            for number in 0..count {
                open("/test/file");
                if number % 4 == 3 {
                    thread::sleep(Duration::from_millis(1));
                }
            }
        }
        other => panic!("{other}: no such act"),
    }
}
