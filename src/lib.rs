//! recorderd: every SSH login on a host as a recorded session, from the kernel to a line of JSON.
//!
//! The modules stand in the order of the flow: probe, record, session, event, sink.

#![warn(missing_docs)]

pub mod config;
pub mod daemon;
pub mod event;
pub mod host;
pub mod launch;
pub mod probe;
pub mod record;
pub mod recorder;
pub mod session;
pub mod sink;
