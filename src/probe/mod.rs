//! The probes: loaded into the kernel, attached to their hooks, and read from their rings.

mod attach;
mod bpf;
mod coverage;
mod filesystem;
mod filter;
mod inventory;
mod kfunc;
mod missed;
mod object;
mod order;
pub mod plan;
mod preemption;
pub mod preflight;
mod presence;
mod processes;
mod requests;
mod ring;
mod selftest;
mod settings;
mod shared;
mod syscall;
mod tables;
mod types;
mod uring;

pub use bpf::{ITER_CREATE, MAP_LOOKUP_AND_DELETE_ELEM, RAW_TRACEPOINT_OPEN};
pub use coverage::{Coverage, fallbacks};
pub use inventory::Look;
pub use missed::Skipped;
pub use object::{ProbeError, Probes};
pub use order::Order;
pub use presence::can_wait;
pub use ring::{Ring, page_size};
pub use settings::{RingSizes, Settings};
pub use shared::{Shared, boot_time, real_time};
pub use tables::Tables;
