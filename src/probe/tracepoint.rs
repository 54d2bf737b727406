//! Attaches a program to a tracepoint by a perf event: works on every kernel, and needs no
//! mounted tracefs.

use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// A tracefs of our own, not mounted anywhere, to read the ids of tracepoints from.
pub struct Tracefs(OwnedFd);

const FSCONFIG_CMD_CREATE: libc::c_ulong = 6;
const CLOEXEC: libc::c_ulong = 1;
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

fn owned(result: libc::c_long) -> io::Result<OwnedFd> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(result as i32) })
}

impl Tracefs {
    /// Makes the instance.
    ///
    /// # Errors
    /// What the kernel says: a kernel without tracefs, or lockdown.
    pub fn open() -> io::Result<Self> {
        // SAFETY: fsopen(2) reads one zero-terminated string.
        let context =
            owned(unsafe { libc::syscall(libc::SYS_fsopen, c"tracefs".as_ptr(), CLOEXEC) })?;
        // SAFETY: FSCONFIG_CMD_CREATE takes no key, value or number.
        let created = unsafe {
            libc::syscall(
                libc::SYS_fsconfig,
                context.as_raw_fd(),
                FSCONFIG_CMD_CREATE,
                0usize,
                0usize,
                0usize,
            )
        };
        if created < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: fsmount(2) takes a descriptor and two numbers.
        let mount =
            unsafe { libc::syscall(libc::SYS_fsmount, context.as_raw_fd(), CLOEXEC, 0usize) };
        Ok(Self(owned(mount)?))
    }

    /// The id of a tracepoint, given as the path of its id file: `events/syscalls/NAME/id`.
    ///
    /// # Errors
    /// Not found where the kernel has no such tracepoint.
    pub fn id(&self, path: &CStr) -> io::Result<u64> {
        // SAFETY: openat(2) reads one zero-terminated string.
        let file = unsafe {
            libc::openat(
                self.0.as_raw_fd(),
                path.as_ptr(),
                libc::O_RDONLY | libc::O_CLOEXEC,
            )
        };
        let mut text = String::new();
        File::from(owned(file.into())?).read_to_string(&mut text)?;
        text.trim().parse().map_err(io::Error::other)
    }
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
