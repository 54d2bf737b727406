//! One request to io_uring: what the self-test needs of it.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::Ordering;

use super::ring::Mapping;
use crate::base::owned;

/// From the kernel's linux/io_uring.h: IORING_OP_OPENAT, IORING_ENTER_GETEVENTS, and where the
/// submission queue and its entries are mapped (IORING_OFF_SQ_RING, IORING_OFF_SQES).
const OPENAT: u8 = 18;
const GETEVENTS: libc::c_ulong = 1;
const QUEUE: usize = 0;
const ENTRIES: usize = 0x1000_0000;

/// `struct io_uring_params`.
#[repr(C)]
#[derive(Default)]
struct Parameters {
    sq_entries: u32,
    cq_entries: u32,
    options: [u32; 8],
    /// `struct io_sqring_offsets`: head, tail, ring_mask, ring_entries, flags, dropped, array.
    submission: [u32; 10],
    completion: [u32; 10],
}

/// `struct io_uring_sqe`, as IORING_OP_OPENAT reads it.
#[repr(C)]
struct Entry {
    opcode: u8,
    flags: u8,
    priority: u16,
    folder: i32,
    offset: u64,
    path: u64,
    mode: u32,
    open_flags: i32,
    rest: [u64; 4],
}

/// Asks for a file to be opened for reading, and waits for the end of that, whatever it is.
///
/// # Errors
/// A kernel without io_uring, or that does not let us use it.
pub fn open(path: &CStr) -> io::Result<()> {
    let mut parameters = Parameters::default();
    // SAFETY: the kernel reads and fills the structure.
    let ring = owned(unsafe { libc::syscall(libc::SYS_io_uring_setup, 1, &raw mut parameters) })?;
    let [_, tail, _, _, _, _, array, ..] = parameters.submission.map(|offset| offset as usize);
    let queue = Mapping::new(ring.as_fd(), array + size_of::<u32>(), QUEUE, true)?;
    let entries = Mapping::new(ring.as_fd(), size_of::<Entry>(), ENTRIES, true)?;
    let entry = Entry {
        opcode: OPENAT,
        flags: 0,
        priority: 0,
        folder: libc::AT_FDCWD,
        offset: 0,
        path: path.as_ptr() as u64,
        mode: 0,
        open_flags: libc::O_RDONLY,
        rest: [0; 4],
    };
    // SAFETY: the structure is eight words, without padding.
    let words: [u64; 8] = unsafe { std::mem::transmute(entry) };
    for (index, word) in words.into_iter().enumerate() {
        entries.word(index * 8).store(word, Ordering::Relaxed);
    }
    // The first place of the queue holds the number of the entry: 0, as it is.
    queue.half_word(tail).store(1, Ordering::Release);
    let none = std::ptr::null::<u8>();
    // SAFETY: the path outlives the request, whose end is waited for.
    match unsafe {
        libc::syscall(
            libc::SYS_io_uring_enter,
            ring.as_raw_fd(),
            1,
            1,
            GETEVENTS,
            none,
            0,
        )
    } {
        1 => Ok(()),
        0 => Err(io::Error::other("the request was not taken")),
        _ => Err(io::Error::last_os_error()),
    }
}
