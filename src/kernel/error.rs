//! Why a probe can't be had.

use std::fmt;

/// What could not be loaded or attached, and why.
#[derive(Clone, Debug)]
pub struct ProbeError {
    what: String,
    why: String,
}

impl ProbeError {
    pub(super) fn new(what: impl Into<String>, why: impl fmt::Display) -> Self {
        Self {
            what: what.into(),
            why: why.to_string(),
        }
    }
}

impl fmt::Display for ProbeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.why)
    }
}

impl std::error::Error for ProbeError {}

/// An error with all that caused it, in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text.replace('\n', " | ")
}
