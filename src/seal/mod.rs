//! The seal of the log: a Merkle tree over the lines of each file, and signed checkpoints of it in the log itself.
//! docs/evidence.md says what that proves.

mod key;
mod note;
mod page;
mod sealer;
mod state;

pub use key::{Public, Secret, Verifier};
pub use line::tree::{Hash, Tree, leaf};
pub use note::{Before, Checkpoint, Kind, NoteError};
pub use sealer::{CHECKPOINT_MOST, CHECKPOINTS, KEY, Sealer, find};
