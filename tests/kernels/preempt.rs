//! Runs in the guest: processes on its second CPU, where nobody else is. Some are preempted while a probe is at
//! work for them, and one beside them is not. What is made there is known exactly: each is moved there and back by
//! its parent, and makes no other calls in between than those that are counted.

use std::collections::VecDeque;
use std::ffi::{c_int, c_long, c_uint, c_void};
use std::fs::OpenOptions;
use std::io::Error;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use std::{env, fs, process, ptr, thread};

/// What ends all of them.
const OVER: &str = "/tmp/over";

/// A pipe that the victim waits at now and then, by the name of whom it waits for: its own is another.
const WAKE: &str = "/tmp/wake";

/// So many children of a storm are there at once.
const AT_ONCE: usize = 16;

/// So many at most are opened by one, as each stays open.
const OPENS_MAX: u64 = 20_000;

const SCHED_IDLE: c_int = 5;
const AT_FDCWD: c_int = -100;
const O_RDONLY: c_int = 0;
const O_NONBLOCK: c_int = 0o4000;
const FIRST_CPU: u64 = 1;
const SECOND_CPU: u64 = 2;

#[cfg(target_arch = "x86_64")]
mod number {
    use std::ffi::c_long;
    pub const OPENAT: c_long = 257;
    pub const SCHED_SETSCHEDULER: c_long = 144;
}
#[cfg(target_arch = "aarch64")]
mod number {
    use std::ffi::c_long;
    pub const OPENAT: c_long = 56;
    pub const SCHED_SETSCHEDULER: c_long = 119;
}

unsafe extern "C" {
    fn fork() -> c_int;
    fn wait(status: *mut c_int) -> c_int;
    fn mmap(at: *mut c_void, size: usize, rights: c_int, flags: c_int, file: c_int, from: c_long) -> *mut c_void;
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

/// Memory that parent and children share.
#[derive(Default)]
struct Stage {
    waiting: AtomicU64,
    has_begun: AtomicU64,
    is_over: AtomicU64,
    done: AtomicU64,
    may_leave: AtomicU64,
    made: AtomicU64,
}

impl Stage {
    fn new() -> &'static Self {
        // SAFETY: new pages of zeros (PROT_READ, PROT_WRITE; MAP_SHARED, MAP_ANONYMOUS), which stay.
        unsafe {
            let pages = mmap(ptr::null_mut(), size_of::<Self>(), 3, 0x21, -1, 0);
            assert_ne!(pages as isize, -1, "{}", Error::last_os_error());
            &*pages.cast()
        }
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst) != 0
    }
}

/// Without a call: whoever waits so is to be seen by no probe.
fn spin_until(word: &AtomicU64) {
    while word.load(Ordering::SeqCst) == 0 {
        std::hint::spin_loop();
    }
}

fn rest_until(is_so: impl Fn() -> bool) {
    while !is_so() {
        thread::sleep(Duration::from_millis(5));
    }
}

fn move_to(pid: c_int, cpu: u64) {
    // SAFETY: the kernel reads the mask.
    let set = unsafe { sched_setaffinity(pid, size_of_val(&cpu), &raw const cpu) };
    assert_eq!(set, 0, "{}", Error::last_os_error());
}

/// Whatever runs on this CPU goes before.
fn be_idle() {
    let priority: c_int = 0;
    // SAFETY: the kernel reads the number.
    let set = unsafe { syscall(number::SCHED_SETSCHEDULER, 0, SCHED_IDLE, &raw const priority) };
    assert_eq!(set, 0, "{}", Error::last_os_error());
}

/// One call, and nothing else: the file stays open.
fn open(path: &'static std::ffi::CStr) {
    // SAFETY: the kernel reads the path.
    let file = unsafe { syscall(number::OPENAT, AT_FDCWD, path.as_ptr(), O_RDONLY) };
    assert!(file >= 0, "{path:?}: {}", Error::last_os_error());
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

/// Has so many processes do this on the second CPU, until `is_over` or all are done; `meanwhile` on the first.
/// Returns how many calls they have made.
fn play(count: u64, idle: bool, act: impl Fn(&Stage), meanwhile: impl Fn(&Stage)) -> u64 {
    let stage = Stage::new();
    let mut children = Vec::new();
    for _ in 0..count {
        // SAFETY: there is one thread.
        let pid = unsafe { fork() };
        if pid != 0 {
            children.push(pid);
            continue;
        }
        if idle {
            be_idle();
        }
        stage.waiting.fetch_add(1, Ordering::SeqCst);
        spin_until(&stage.has_begun);
        act(stage);
        stage.done.fetch_add(1, Ordering::SeqCst);
        spin_until(&stage.may_leave);
        process::exit(0);
    }
    let all = |word: &AtomicU64| word.load(Ordering::SeqCst) == count;
    rest_until(|| all(&stage.waiting));
    children.iter().for_each(|pid| move_to(*pid, SECOND_CPU));
    stage.has_begun.store(1, Ordering::SeqCst);
    rest_until(|| {
        meanwhile(stage);
        stage.is_over.store(u64::from(Path::new(OVER).exists()), Ordering::SeqCst);
        all(&stage.done)
    });
    children.iter().for_each(|pid| move_to(*pid, FIRST_CPU));
    stage.may_leave.store(1, Ordering::SeqCst);
    // SAFETY: asks for nothing but how many are left.
    while unsafe { wait(ptr::null_mut()) } > 0 {}
    stage.made.load(Ordering::SeqCst)
}

/// Writes down how many calls were made, as a whole.
fn report(act: &str, made: u64) {
    fs::write("/tmp/made", made.to_string()).expect("/tmp/made");
    fs::rename("/tmp/made", format!("/tmp/made-{act}")).expect("/tmp/made");
}

fn main() {
    let argument = |index| env::args().nth(index).expect("an act, and how many");
    let act = argument(1);
    let count = argument(2).parse().expect("a number");
    let nothing = |_: &Stage| {};
    match act.as_str() {
        "opens" => {
            let opens = |stage: &Stage| {
                let mut made = 0;
                while !stage.is_over() {
                    if made < OPENS_MAX {
                        open(c"/test/other");
                        made += 1;
                    }
                }
                stage.made.fetch_add(made, Ordering::SeqCst);
            };
            report(&act, play(count, true, opens, nothing));
        }
        "sends" => {
            let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
            socket.connect("127.0.0.1:53").expect("an address");
            let sends = |stage: &Stage| {
                while !stage.is_over() {
                    send(&socket);
                }
            };
            play(count, true, sends, nothing);
        }
        "hogs" => {
            play(count, false, |stage| spin_until(&stage.is_over), nothing);
        }
        "victim" => {
            let opens = |stage: &Stage| {
                for number in 0..count {
                    open(if number % 4 == 3 { c"/tmp/rest" } else { c"/test/file" });
                }
                stage.made.fetch_add(count, Ordering::SeqCst);
            };
            // Whoever opens it for writing wakes whom waits for that.
            let wake = |_: &Stage| {
                let mut options = OpenOptions::new();
                drop(options.write(true).custom_flags(O_NONBLOCK).open(WAKE));
            };
            report(&act, play(1, false, opens, wake));
        }
        "storm" => {
            let mut children = VecDeque::new();
            for _ in 0..count {
                let mut command = Command::new("/test/preempt");
                children.push_back(command.args(["nothing", "0"]).spawn().expect("a child"));
                if children.len() == AT_ONCE {
                    children.pop_front().map(|mut child| child.wait());
                }
            }
            children.iter_mut().for_each(|child| drop(child.wait()));
        }
        "nothing" => {}
        other => panic!("{other}: no such act"),
    }
}
