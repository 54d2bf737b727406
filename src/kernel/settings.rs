//! What the config asks of the probes.

use std::path::Path;
use std::time::Duration;

use crate::base::{Backend, RingName, page_size};
use crate::config::{Config, Filter, Overload};

/// Room for the life of 16,384 sessions at once, without their environments. Bytes.
const SESSION_RING: usize = 2 << 20;

/// Some milliseconds of the output of a fast program. Bytes.
const TERMINAL_RING: usize = 1 << 20;

/// The size of a ring, in bytes: a power of two, and a multiple of a page.
fn ring_size(config: &Config, ring: RingName) -> usize {
    let pages = match ring {
        RingName::Session => return SESSION_RING,
        RingName::Command => config.command_buffer_pages,
        RingName::Disk => config.disk_buffer_pages,
        RingName::Network => config.network_buffer_pages,
    };
    pages as usize * page_size()
}

/// What the probes are to do.
pub struct Settings<'a> {
    /// Of the rings, in bytes, in the order of [`RingName::ALL`].
    pub sizes: [usize; RingName::ALL.len()],
    /// Of the ring of terminals, in bytes; 0 if none is recorded.
    pub terminal_size: usize,
    /// Names of the variables to record, as the config allows them.
    pub environment: &'a [String],
    /// For how long datagrams to one peer are one event.
    pub silence: Duration,
    /// Where the kernel's types are described.
    pub btf: &'a Path,
    /// The one kind of plan to take.
    pub backend: Option<Backend>,
    /// What is left out.
    pub filter: &'a Filter,
    /// Whether processes may be stopped that fill a ring.
    pub throttle: bool,
}

impl<'a> Settings<'a> {
    /// As the config has it.
    pub fn new(config: &'a Config, btf: &'a Path) -> Self {
        Self {
            sizes: RingName::ALL.map(|ring| ring_size(config, ring)),
            terminal_size: if config.terminal { TERMINAL_RING } else { 0 },
            environment: &config.environment,
            silence: config.network_aggregation,
            btf,
            backend: config.backend,
            filter: &config.filter,
            throttle: config.overload == Overload::Throttle,
        }
    }
}
