//! JSON by hand, into a buffer that is there already. A package of its own, so that it alone can be
//! made for speed where the rest is made small: what is generic stays thin, since it is compiled
//! with its callers.

mod buffer;
mod object;

pub use buffer::Buffer;
pub use object::Object;
