//! Acts by which the self-test makes events happen, each of which one program has to see.

use std::io;

use super::Record;

/// What a program has to see.
pub struct Act {
    /// The program.
    pub program: &'static str,
    /// Does it.
    pub perform: fn() -> io::Result<()>,
    /// Whether a record tells of it.
    pub shows: fn(&Record<'_>) -> bool,
}

/// There is no such file, and none can be made there.
pub const NOTHING: &str = "/proc/self/recorderd-nothing";

/// What has to fail.
pub fn refused<T>(result: io::Result<T>) -> io::Result<()> {
    match result {
        Ok(_) => Err(io::Error::other(format!("{NOTHING} is there"))),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e),
    }
}

/// A filter of calls can refuse as the kernel would, and what it refuses never gets to the kernel's function:
/// where there is one, only what is heard of is known to be tried.
pub fn unfiltered(refusal: &io::Error) -> io::Result<()> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    match status.contains("\nSeccomp:\t2\n") {
        true => Err(io::Error::other(format!(
            "{refusal}; a seccomp filter might have refused it"
        ))),
        false => Ok(()),
    }
}
