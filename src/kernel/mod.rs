//! The probes: loaded into the kernel, attached to their hooks, and read from their rings.

mod attach;
mod bpf;
#[rustfmt::skip]
mod calls;
mod coverage;
mod egress;
mod error;
mod filesystem;
mod filter;
mod inventory;
mod kfunc;
mod missed;
mod object;
mod order;
pub mod plan;
mod policy;
mod preemption;
pub mod preflight;
mod presence;
mod processes;
mod requests;
mod ring;
mod selftest;
mod settings;
mod share;
mod shared;
mod syscall;
mod tables;
mod types;
mod uring;

pub use bpf::{ITER_CREATE, MAP_LOOKUP_AND_DELETE_ELEM, RAW_TRACEPOINT_OPEN};
pub use coverage::{Coverage, fallbacks};
pub use error::ProbeError;
pub use inventory::Look;
pub use missed::Skipped;
pub use object::Probes;
pub use order::Order;
pub use presence::can_wait;
pub use ring::Ring;
pub use settings::Settings;
pub use share::Shares;
pub use shared::Shared;
pub use tables::{OWN_KEYS, Tables, remove_over};
