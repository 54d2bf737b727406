//! What lines are made of: JSON by hand, into room that is there already, and ids. A package of its
//! own, so that it alone can be made for speed where the rest is made small. What is generic is
//! compiled with its callers, and so stays thin.

mod buffer;
mod id;
mod json;
pub mod tree;

pub use buffer::Buffer;
pub use id::{Ids, Uuid};
pub use json::{Object, string};
