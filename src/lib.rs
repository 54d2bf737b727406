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
pub mod claim;
pub mod cli;
pub mod config;
pub mod confine;
pub mod daemon;
pub mod event;
pub mod family;
pub mod host;
pub mod install;
pub mod inventory;
pub mod launch;
pub mod log;
pub mod manager;
pub mod metrics;
pub mod packed;
pub mod probe;
pub mod read;
pub mod recorder;
pub mod reload;
pub mod service;
pub mod session;
pub mod sink;
pub mod state;
pub mod throttle;

/// The numbers that the tests of all folders draw.
#[cfg(test)]
#[path = "../tests/common/random.rs"]
mod random;
