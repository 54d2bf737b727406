//! The probes: loaded into the kernel, attached to their hooks, and read from their rings.

mod attach;
mod object;
mod order;
pub mod plan;
mod preflight;
mod ring;
mod shared;
mod tracepoint;

pub use object::{ProbeError, Probes, RingSizes};
pub use order::Order;
pub use preflight::{preflight, preflight_logins};
pub use ring::{Ring, page_size};
pub use shared::{Shared, boot_time, real_time};
