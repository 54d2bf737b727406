//! A place where a log is not what was sealed.

use crate::event::Object;

/// What is wrong there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Lines are not those that were sealed.
    Changed,
    /// A checkpoint is not what was signed.
    Forged,
    /// Checkpoints are missing, or are those of another chain.
    Missing,
    /// A file is missing, or another one is in its place.
    File,
    /// A chain begins for which no key vouches.
    Chain,
    /// For some time there was no checkpoint.
    Gap,
    /// Behind the last checkpoint are lines that have none, or there is none that was due.
    Tail,
}

impl What {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Forged => "forged",
            Self::Missing => "missing",
            Self::File => "file",
            Self::Chain => "chain",
            Self::Gap => "gap",
            Self::Tail => "tail",
        }
    }
}

/// One such place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What is wrong.
    pub what: What,
    /// In which file.
    pub file: String,
    /// Between which lines, counted from 1.
    pub lines: (u64, u64),
    /// Between which times, of the checkpoints around it; empty where there is none.
    pub times: (String, String),
    /// The same for a person.
    pub text: String,
}

impl Finding {
    /// As a line of JSON.
    pub fn json(&self) -> String {
        Object::text(|object| {
            object.string("finding", self.what.name().as_bytes());
            object.string("file", self.file.as_bytes());
            object.number("from_line", self.lines.0);
            object.number("to_line", self.lines.1);
            object.string("from", self.times.0.as_bytes());
            object.string("to", self.times.1.as_bytes());
            object.string("text", self.text.as_bytes());
        })
    }

    /// As a line of text.
    pub fn text(&self) -> String {
        let time = match (self.times.0.as_str(), self.times.1.as_str()) {
            ("", "") => String::new(),
            ("", to) => format!(" (until {to})"),
            (from, "") => format!(" (since {from})"),
            (from, to) => format!(" ({from} to {to})"),
        };
        let (from, to) = self.lines;
        format!("{}:{from}-{to}{time}: {}", self.file, self.text)
    }
}
