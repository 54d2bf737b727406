//! recorderd: every SSH login on a host as a recorded session, from the kernel to a line of JSON.
//!
//! What each module is, and which others it may import, stands in docs/design.md.

#![warn(missing_docs)]

/// Writes a line to standard error, with escapes for what a terminal would obey or not show.
#[macro_export]
macro_rules! report {
    ($($text:tt)*) => {
        $crate::base::stderr::say(&format!($($text)*))
    };
}

pub mod abi;
pub mod base;
pub mod check;
pub mod cli;
pub mod config;
pub mod confine;
pub mod daemon;
pub mod event;
pub mod family;
pub mod install;
pub mod kernel;
pub mod metrics;
pub mod output;
pub mod pipeline;
pub mod reader;
pub mod seal;
pub mod session;
pub mod terminal;
pub mod throttle;

/// The numbers that the tests of all folders draw.
#[cfg(test)]
#[path = "../tests/common/random.rs"]
mod random;
