//! bpf(2), for what is attached again and again, when the loader is gone.

use crate::base::owned;
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use aya::Pod;
use aya::programs::ProgramFd;

/// The commands that a recorder which runs makes here, from linux/bpf.h.
pub const RAW_TRACEPOINT_OPEN: u32 = 17;
/// The other one.
pub const ITER_CREATE: u32 = 33;

/// Removes an element of a map, and tells what it was by then.
pub const MAP_LOOKUP_AND_DELETE_ELEM: u32 = 21;

/// Has an entry made only where there is none, from there, too.
pub const NOEXIST: u64 = 1;

// From there, too; only a start takes them.
const MAP_LOOKUP_ELEM: u32 = 1;
const LINK_CREATE: u32 = 28;
const TRACE_ITER: u32 = 28;

/// Attaches a program to its tracepoint, for as long as the descriptor is open.
///
/// # Errors
/// The error of the system call.
pub fn attach(program: &ProgramFd) -> io::Result<OwnedFd> {
    // Without a name, which takes two words, it is the tracepoint that the program is loaded for.
    bpf(RAW_TRACEPOINT_OPEN, [0, 0, number(program), 0])
}

/// What makes an iterator run a program.
///
/// # Errors
/// The error of the system call.
pub fn link(program: &ProgramFd) -> io::Result<OwnedFd> {
    bpf(LINK_CREATE, [number(program), 0, TRACE_ITER, 0])
}

/// An iterator that goes once through all there is, as it is read.
///
/// # Errors
/// The error of the system call.
pub fn iterator(link: &OwnedFd) -> io::Result<File> {
    bpf(ITER_CREATE, [number(link), 0, 0, 0]).map(File::from)
}

/// Removes an element of a hash table, and tells what it was by then.
///
/// # Errors
/// The error of the system call.
pub fn remove<K: Pod, V: Pod>(map: &impl AsFd, key: &K) -> io::Result<V> {
    let mut value = MaybeUninit::<V>::uninit();
    let attributes = [
        u64::from(number(map)),
        std::ptr::from_ref(key) as u64,
        value.as_mut_ptr() as u64,
        0,
    ];
    let size = size_of_val(&attributes);
    // SAFETY: the kernel reads the attributes and the key, and writes a value of the map's size, which is
    // that of `V` for all maps here.
    unsafe {
        let command = MAP_LOOKUP_AND_DELETE_ELEM;
        if libc::syscall(libc::SYS_bpf, command, attributes.as_ptr(), size) < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(value.assume_init())
    }
}

/// The value of a map behind the descriptor `map`, by its key.
///
/// # Errors
/// The error of the system call.
pub fn lookup<K, V>(map: RawFd, key: &K, value: &mut V) -> io::Result<()> {
    let attributes = [
        map as u64,
        (&raw const *key) as u64,
        (&raw mut *value) as u64,
        0,
    ];
    let size = size_of_val(&attributes);
    // SAFETY: the kernel reads the attributes and the key, and writes a value of the map's size.
    match unsafe { libc::syscall(libc::SYS_bpf, MAP_LOOKUP_ELEM, attributes.as_ptr(), size) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn number(fd: &impl AsFd) -> u32 {
    fd.as_fd().as_raw_fd() as u32
}

fn bpf(command: u32, attributes: [u32; 4]) -> io::Result<OwnedFd> {
    let size = size_of_val(&attributes);
    // SAFETY: the kernel reads the attributes, and each of these commands makes a descriptor.
    owned(unsafe { libc::syscall(libc::SYS_bpf, command, attributes.as_ptr(), size) })
}
