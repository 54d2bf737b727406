//! The config that changes nothing: to be read, or to begin with.

use std::fmt::Write;

use super::keys::shown;

/// Every key with its meaning and its default.
pub fn text() -> String {
    written("")
}

/// Every key, commented out, so that a later version's defaults apply.
pub fn template() -> String {
    written("#")
}

fn written(before: &str) -> String {
    let mut text = "# The config of recorderd. Each value is the default.\n".to_owned();
    for line in shown() {
        let colon = if line.default.is_empty() { ":" } else { ": " };
        let (name, default, meaning) = (line.name, line.default, line.meaning);
        let _ = write!(text, "\n# {meaning}\n{before}{name}{colon}{default}\n");
    }
    text
}
