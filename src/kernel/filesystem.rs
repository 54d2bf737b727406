//! A file system of the kernel's own, not mounted anywhere.

use crate::base::owned;
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// The root of an instance that only this process has.
pub struct Filesystem(OwnedFd);

const FSCONFIG_CMD_CREATE: libc::c_ulong = 6;
const CLOEXEC: libc::c_ulong = 1;

impl Filesystem {
    /// Makes an instance of the type `name`.
    ///
    /// # Errors
    /// The error of the system call: a kernel without it, or lockdown.
    pub fn open(name: &CStr) -> io::Result<Self> {
        // SAFETY: fsopen(2) reads one zero-terminated string.
        let context = owned(unsafe { libc::syscall(libc::SYS_fsopen, name.as_ptr(), CLOEXEC) })?;
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

    /// Its topmost folder.
    pub fn root(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
