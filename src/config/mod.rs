//! The file an operator writes: what its keys mean, their defaults, and what is wrong with it.
//!
//! It comes in two forms. The own form has every key at the top level. The guide's form is the
//! file that Teleport's public guide gives for enhanced session recording; a file is in that form
//! when it has one of [`guide::MARKS`] at its top level.

mod change;
mod choice;
pub mod defaults;
mod error;
mod filter;
mod guide;
mod keys;
mod reader;
mod table;
mod value;
mod yaml;

use std::fs::File;
use std::io::Read;
use std::path::Path;

pub use choice::{Choice, Overload};
use error::Cause;
pub use error::Refused;
pub use filter::{Filter, Pattern};
pub use keys::{Config, Shown, keys, shown};
use reader::Reader;
pub use table::{Key, Reload};

/// Largest config file, in bytes.
const FILE_LIMIT: usize = 1 << 20;

/// A config, and what its operator should know about it.
#[derive(Debug, PartialEq)]
pub struct Loaded {
    /// What was read.
    pub config: Config,
    /// Lines to show the operator; nothing in them is an error.
    pub notices: Vec<String>,
}

impl Config {
    /// Reads and parses the file at `path`.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn load(path: &Path) -> Result<Loaded, Refused> {
        let name = path.display().to_string();
        let mut bytes = Vec::new();
        // One byte over the limit is enough for `parse` to refuse the file.
        let read = File::open(path)
            .and_then(|file| file.take(FILE_LIMIT as u64 + 1).read_to_end(&mut bytes));
        match read {
            Ok(_) => Config::parse(&name, &bytes),
            Err(error) => Err(Refused {
                name,
                cause: Cause::Unreadable(error),
            }),
        }
    }

    /// Parses the content of a config file; `name` is the file's name in errors and notices.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn parse(name: &str, bytes: &[u8]) -> Result<Loaded, Refused> {
        let refused = |cause| Refused {
            name: name.to_owned(),
            cause,
        };
        if bytes.len() > FILE_LIMIT {
            return Err(refused(Cause::TooLarge));
        }
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let (valid, rest) = bytes.split_at(error.valid_up_to());
            refused(Cause::NotUtf8 {
                line: 1 + valid.iter().filter(|byte| **byte == b'\n').count(),
                byte: rest[0],
                offset: valid.len(),
            })
        })?;
        Reader::read(name, text)
    }
}

#[cfg(test)]
mod tests;
