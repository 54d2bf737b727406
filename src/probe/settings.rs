//! What the config asks of the probes.

use std::path::Path;
use std::time::Duration;

use crate::base::{Kind, page_size};
use crate::config::{Config, Filter, Overload};

/// Sizes of the rings, in bytes: powers of two, and multiples of a page.
#[derive(Clone, Copy, Debug)]
pub struct RingSizes {
    /// Ring of session.command.
    pub command: usize,
    /// Ring of session.disk.
    pub disk: usize,
    /// Ring of session.network.
    pub network: usize,
}

impl RingSizes {
    /// From numbers of pages, as the config has them.
    pub fn from_pages(command: u32, disk: u32, network: u32) -> Self {
        let bytes = |pages: u32| pages as usize * page_size();
        Self {
            command: bytes(command),
            disk: bytes(disk),
            network: bytes(network),
        }
    }
}

/// What the probes are to do.
pub struct Settings<'a> {
    /// Of the rings.
    pub sizes: RingSizes,
    /// Names of the variables to record, as the config allows them.
    pub environment: &'a [String],
    /// For how long datagrams to one peer are one event.
    pub silence: Duration,
    /// Where the kernel's types are described.
    pub btf: &'a Path,
    /// The one kind of plan to take.
    pub plan: Option<Kind>,
    /// What is left out.
    pub filter: &'a Filter,
    /// Whether processes may be stopped that fill a ring.
    pub throttle: bool,
}

impl<'a> Settings<'a> {
    /// As the config has it.
    pub fn new(config: &'a Config, btf: &'a Path) -> Self {
        Self {
            sizes: RingSizes::from_pages(
                config.command_buffer_pages,
                config.disk_buffer_pages,
                config.network_buffer_pages,
            ),
            environment: &config.environment,
            silence: config.network_silence,
            btf,
            plan: config.plan,
            filter: &config.filter,
            throttle: config.overload == Overload::Throttle,
        }
    }
}
