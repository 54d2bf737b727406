//! Descriptors that system calls make.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

/// What a system call returned that makes a descriptor.
///
/// # Errors
/// What the call says.
pub fn owned(result: libc::c_long) -> io::Result<OwnedFd> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(result as i32) })
}
