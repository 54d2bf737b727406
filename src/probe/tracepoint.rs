//! Attaches a program to a tracepoint by a perf event: works on every kernel, and needs no
//! mounted tracefs.

use std::ffi::CString;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use super::filesystem::Filesystem;
use crate::descriptor::owned;

const PERF_TYPE_TRACEPOINT: u32 = 2;
const PERF_FLAG_FD_CLOEXEC: libc::c_ulong = 8;
const PERF_EVENT_IOC_ENABLE: u64 = 0x2400;
const PERF_EVENT_IOC_SET_BPF: u64 = 0x4004_2408;

/// The first published form of `struct perf_event_attr` (PERF_ATTR_SIZE_VER0), which is enough.
#[repr(C)]
#[derive(Default)]
struct PerfEventAttributes {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup_events: u32,
    breakpoint_type: u32,
    breakpoint_address: u64,
}

/// The id of the tracepoint at the end of a system call.
///
/// # Errors
/// Not found where the kernel has no such tracepoint.
pub fn exit_of(call: &str, tracefs: &Filesystem) -> io::Result<u64> {
    let path = CString::new(format!("events/syscalls/sys_exit_{call}/id"))?;
    let mut text = String::new();
    tracefs.file(&path)?.read_to_string(&mut text)?;
    text.trim().parse().map_err(io::Error::other)
}

/// Attaches `program` to the tracepoint `id`, on every CPU, until the result is dropped.
///
/// # Errors
/// What the kernel says of the perf event.
pub fn attach(program: BorrowedFd<'_>, id: u64) -> io::Result<OwnedFd> {
    let attributes = PerfEventAttributes {
        kind: PERF_TYPE_TRACEPOINT,
        size: size_of::<PerfEventAttributes>() as u32,
        config: id,
        sample_period: 1,
        ..Default::default()
    };
    // SAFETY: the kernel reads `size` bytes of the attributes.
    let event = owned(unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            &raw const attributes,
            -1,
            0,
            -1,
            PERF_FLAG_FD_CLOEXEC,
        )
    })?;
    for (request, argument) in [
        (PERF_EVENT_IOC_SET_BPF, program.as_raw_fd()),
        (PERF_EVENT_IOC_ENABLE, 0),
    ] {
        // SAFETY: both requests take a number.
        if unsafe { libc::ioctl(event.as_raw_fd(), request as _, argument) } < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(event)
}
