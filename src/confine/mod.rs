//! What the recorder takes from itself once it records: docs/hardening.md says why.

mod calls;
mod capability;
mod filter;

use std::io;

use crate::base::Failed;

/// Gives up the capabilities and the system calls that a running recorder has no use for. There is
/// no way back, and no program can be run any more.
///
/// # Errors
/// What the kernel refuses, and why; what was given up before that stays so.
pub fn confine() -> Result<(), Failed> {
    let named = |what: &'static str| move |e: io::Error| Failed::new(what, e);
    capability::keep_needed().map_err(named("capabilities"))?;
    // SAFETY: plain numbers.
    succeeded(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) })
        .map_err(named("no_new_privs"))?;
    filter::set().map_err(named("seccomp"))
}

fn succeeded(result: i32) -> io::Result<()> {
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
