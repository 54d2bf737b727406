//! What the probes and the daemon share, and how it is read from bytes.

#[rustfmt::skip]
mod generated;

pub use generated::*;
pub use generated::{
    disk_operation::NAMES as DISK_OPERATIONS, login::NAMES as LOGINS, loss::NAMES as CAUSES,
    privilege_operation::NAMES as PRIVILEGE_OPERATIONS, probe::NAMES as PROBES,
    target::NAMES as TARGETS,
};

/// The name of each [`Family`].
pub const FAMILIES: [&str; Family::COUNT] = Family::NAMES;
/// A number for each family.
pub type Counts = [u64; Family::COUNT];
/// Counts by family and cause.
pub type Losses = [[u64; loss::COUNT]; Family::COUNT];
/// How often each of [`PROBES`] was skipped.
pub type MissedCounts = [u64; probe::COUNT];

/// A type that is laid out as the C structure of the same meaning.
///
/// # Safety
/// The implementor is `repr(C)`, has no padding, and any bytes are a valid value of it.
pub unsafe trait Layout: Copy + 'static {}

/// Reads `T` from the beginning of `bytes`; `None` if they are too few.
pub fn read<T: Layout>(bytes: &[u8]) -> Option<T> {
    if bytes.len() < size_of::<T>() {
        return None;
    }
    // SAFETY: the length is checked above, and any bytes are a valid `Layout`.
    Some(unsafe { bytes.as_ptr().cast::<T>().read_unaligned() })
}

/// Of a structure without padding that has as many bytes in C.
macro_rules! layout {
    ($name:ident, $size:literal) => {
        const _: () = assert!(size_of::<$name>() == $size);

        // SAFETY: all fields are integers or arrays of them, and the generator has seen that there
        // is no padding between them.
        unsafe impl crate::abi::Layout for $name {}

        // SAFETY: as above; aya copies such values to and from the maps.
        unsafe impl aya::Pod for $name {}

        impl Default for $name {
            fn default() -> Self {
                // SAFETY: all fields are integers or arrays of them, so zero is a value.
                unsafe { std::mem::zeroed() }
            }
        }
    };
}
pub(crate) use layout;
