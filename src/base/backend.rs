//! How the ends of system calls are hooked.

use std::fmt;

/// What one kind does not see on every host.
pub const COMPAT: &str = "system calls of 32-bit programs";

/// How the ends of system calls are hooked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// At the function of each call (fexit). It costs no other call anything.
    Fexit,
    /// At the tracepoint that all of them pass, and that every kernel has. While it is hooked, every
    /// call of every process takes the kernel's slow way.
    Tracepoint,
}

impl Backend {
    /// Both, the better one first.
    pub const ALL: [Self; 2] = [Self::Fexit, Self::Tracepoint];

    /// As the config has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fexit => "fexit",
            Self::Tracepoint => "tracepoint",
        }
    }

    /// What is not seen by it of the ends of calls.
    pub fn unseen(self) -> &'static [&'static str] {
        match self {
            Self::Fexit => &["system calls that a seccomp filter refuses", COMPAT],
            Self::Tracepoint => &[],
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
