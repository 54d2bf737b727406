//! What is wrong with a config, and what to do about it.

use std::error::Error;
use std::fmt::{self, Display, Formatter};
use std::io::{self, ErrorKind};

use super::FILE_LIMIT;
use super::yaml::{Flaw, Node, printable};

/// A config that is refused whole.
#[derive(Debug)]
pub struct Refused {
    /// The file's name.
    pub(super) name: String,
    pub(super) cause: Cause,
}

/// Why a config is refused.
#[derive(Debug)]
pub(super) enum Cause {
    Unreadable(io::Error),
    TooLarge,
    /// The first byte that is no text, where it is.
    NotUtf8 {
        line: usize,
        byte: u8,
        offset: usize,
    },
    /// At least one, in the order of the file.
    Problems(Vec<Problem>),
}

/// One thing wrong with the file.
#[derive(Debug)]
pub struct Problem {
    /// Line in the file, from 1.
    pub line: usize,
    pub fault: Fault,
}

/// What is wrong in a line of the file.
#[derive(Debug)]
pub enum Fault {
    Yaml(Flaw),
    /// The whole is no mapping but this.
    NoMapping(String),
    Unknown {
        key: String,
        hint: Hint,
    },
    Value {
        key: String,
        error: ValueError,
    },
}

/// What may have been meant by an unknown key.
#[derive(Debug)]
pub enum Hint {
    BelongsUnder(String),
    DidYouMean(&'static str),
    KnownHere(Vec<&'static str>),
}

/// What is wrong with a value.
#[derive(Debug)]
pub struct ValueError {
    /// The value, or the part of it that is wrong.
    shown: String,
    reason: Reason,
}

/// Why a value can't be taken, and what to write instead.
#[derive(Debug)]
pub enum Reason {
    Boolean,
    Text,
    Quoted,
    Seconds {
        most: u32,
        default: String,
    },
    Pages {
        default: String,
    },
    Negative {
        default: String,
    },
    PowerOfTwo {
        nearest: u32,
    },
    ManyPages {
        most: u32,
    },
    Size,
    SmallSize {
        least: u64,
    },
    Days,
    /// `what` is the name of one choice.
    Choice {
        what: &'static str,
        known: Vec<&'static str>,
    },
    /// `what` is the name of one item of a list.
    Item {
        what: &'static str,
        known: Vec<&'static str>,
    },
    Twice,
    NoItem {
        known: Vec<&'static str>,
    },
    /// `what` are the items.
    List {
        what: &'static str,
        example: String,
    },
    Mapping,
    Many {
        what: &'static str,
        most: usize,
    },
    Variable {
        longest: usize,
    },
    Relative,
    Nul,
    Upwards,
    Star,
    LongPath {
        most: usize,
    },
}

impl Refused {
    /// Lines to show the operator, one for each thing that is wrong.
    pub fn lines(&self) -> Vec<String> {
        let name = &self.name;
        match &self.cause {
            Cause::Unreadable(error) => {
                let remedy = remedy(error.kind());
                vec![format!("{name}: cannot be read: {error}; {remedy}")]
            }
            Cause::TooLarge => vec![format!(
                "{name}: larger than {FILE_LIMIT} bytes; check that it is a config file"
            )],
            Cause::NotUtf8 { line, byte, offset } => vec![format!(
                "{name}:{line}: byte {byte:#04x} at offset {offset} is not UTF-8; save the file as UTF-8"
            )],
            Cause::Problems(problems) => {
                let line = |it: &Problem| format!("{name}:{}: {}", it.line, it.fault);
                problems.iter().map(line).collect()
            }
        }
    }
}

impl Display for Refused {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines().join("; "))
    }
}

impl Error for Refused {}

/// What to do about a file that can't be read.
pub(super) fn remedy(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::NotFound => "create it, or name another file with --config",
        ErrorKind::PermissionDenied => "make it readable to the user recorderd runs as",
        _ => "name a regular file with --config",
    }
}

impl Display for Fault {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Yaml(flaw) => flaw.fmt(f),
            Self::NoMapping(shown) => write!(
                f,
                "{shown} is not a mapping; write keys and values, such as \"enabled: true\""
            ),
            Self::Unknown { key, hint } => write!(f, "{}: unknown key; {hint}", printable(key)),
            Self::Value { key, error } => write!(f, "{key}: {error}"),
        }
    }
}

impl Display for Hint {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::BelongsUnder(path) => write!(f, "it belongs under {path}"),
            Self::DidYouMean(key) => write!(f, "did you mean {key}?"),
            Self::KnownHere(keys) => write!(f, "known here: {}", keys.join(", ")),
        }
    }
}

impl ValueError {
    /// Of a value that is shown as it is written.
    pub fn of(node: &Node, reason: Reason) -> Self {
        Self::shown(node.describe(), reason)
    }

    pub fn shown(shown: String, reason: Reason) -> Self {
        Self { shown, reason }
    }
}

impl Display for ValueError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let shown = &self.shown;
        match &self.reason {
            Reason::Boolean => write!(f, "{shown} is not a boolean; write true or false"),
            Reason::Text => write!(f, "{shown} is not text; write one value after the colon"),
            Reason::Quoted => write!(
                f,
                "{shown} is in quotes, so not a number; remove the quotes"
            ),
            Reason::Seconds { most, default } => write!(
                f,
                "{shown} is not a number of seconds from 1 to {most}; {default} is the default"
            ),
            Reason::Pages { default } => write!(
                f,
                "{shown} is not a number of pages; write a power of two, such as {default}, or a size such as 4M"
            ),
            Reason::Negative { default } => write!(
                f,
                "{shown} is negative; write 0 for the default of {default}"
            ),
            Reason::PowerOfTwo { nearest } => {
                write!(f, "{shown} is not a power of two; {nearest} is the nearest")
            }
            Reason::ManyPages { most } => {
                write!(f, "{shown} is more than {most} pages; {most} is the most")
            }
            Reason::Size => write!(
                f,
                "{shown} is not a size; write a number of bytes, or one such as 500M"
            ),
            Reason::SmallSize { least } => write!(
                f,
                "{shown} is less than {least} bytes; write more, or 0 for no limit"
            ),
            Reason::Days => write!(
                f,
                "{shown} is not a number of days; write one, such as 90d, or 0 for no limit"
            ),
            Reason::Choice { what, known } => {
                write!(f, "{shown} is not {what}; write {}", alternatives(known))
            }
            Reason::Item { what, known } => {
                write!(f, "{shown} is not {what}; these are: {}", known.join(", "))
            }
            Reason::Twice => write!(f, "{shown} is there twice; remove one"),
            Reason::NoItem { known } => write!(
                f,
                "there is none in the list; write one of: {}",
                known.join(", ")
            ),
            Reason::List { what, example } => {
                write!(f, "{shown} is not a list; write {what} as in [{example}]")
            }
            Reason::Mapping => write!(
                f,
                "{shown} is not a mapping; write its keys below it, further indented"
            ),
            Reason::Many { what, most } => {
                write!(f, "{shown} {what} are too many; {most} is the most")
            }
            Reason::Variable { longest } => write!(
                f,
                "{shown} is not a name of 1 to {longest} letters, digits and underscores; \
                 correct or remove it"
            ),
            Reason::Relative => write!(f, "{shown} is not an absolute path; begin it with \"/\""),
            Reason::Nul => write!(f, "{shown} has a NUL character in it; remove it"),
            Reason::Upwards => write!(
                f,
                "{shown} leads upwards with \"..\"; write the path without it"
            ),
            Reason::Star => write!(
                f,
                "{shown} has a * before its end; leave the rest away, or write several paths"
            ),
            Reason::LongPath { most } => write!(
                f,
                "{shown} is longer than {most} bytes; cut it, and end it with *"
            ),
        }
    }
}

impl Error for ValueError {}

/// The names as a sentence has them: a, b or c.
fn alternatives(names: &[&str]) -> String {
    match names {
        [before @ .., last] if !before.is_empty() => format!("{} or {last}", before.join(", ")),
        _ => names.concat(),
    }
}
