//! The config that changes nothing: to be read, or to begin with.

use std::fmt::Write;

use super::keys::KEYS;

/// Every key with its meaning and its default.
pub fn text() -> String {
    written("")
}

/// The same with each key commented out, so that a later version's defaults apply.
pub fn template() -> String {
    written("#")
}

fn written(before: &str) -> String {
    let mut text = "# The config of recorderd. Each value is the default.\n".to_owned();
    for key in KEYS {
        let value = match key.default {
            "" => String::new(),
            default => format!(" {default}"),
        };
        let _ = write!(text, "\n# {}\n{before}{}:{value}\n", key.meaning, key.name);
    }
    text
}
