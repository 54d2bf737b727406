//! Who is held: by cgroup, or one by one.

use std::fs;
use std::io;
use std::path::Path;

/// Freezes all processes of a cgroup, or lets them go on.
pub fn freeze(cgroup: &Path, frozen: bool) -> io::Result<()> {
    fs::write(cgroup.join("cgroup.freeze"), if frozen { "1" } else { "0" })
}

/// Lets a process go on that was stopped.
pub fn go_on(pid: u32) {
    // SAFETY: takes numbers. A process that is gone needs nothing.
    unsafe { libc::kill(pid as i32, libc::SIGCONT) };
}
