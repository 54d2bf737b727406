//! What is wrong with a command line, and what may have been meant.

use std::error::Error;
use std::fmt::{self, Display, Formatter};

use super::command::{self, Command};
use super::completions::words_of;
use crate::base::nearest;

/// What is wrong with a command line.
#[derive(Debug)]
pub enum Mistake {
    UnknownCommand(String),
    /// Neither a command nor a config.
    NoConfig,
    /// A command, as it is written, and what it lacks.
    Missing {
        command: String,
        what: &'static str,
    },
    /// What the parser says of it, and what may have been meant.
    Line {
        error: lexopt::Error,
        meant: Option<&'static str>,
    },
    /// The value of an option.
    Value {
        option: String,
        value: String,
        /// What it is not.
        what: &'static str,
        remedy: &'static str,
    },
}

impl Mistake {
    pub fn missing(command: &str, word: Option<&str>, what: &'static str) -> Self {
        let words = [Some(command), word].into_iter().flatten();
        Self::Missing {
            command: words.collect::<Vec<_>>().join(" "),
            what,
        }
    }

    /// Of a line with this command, or without one.
    pub fn line(command: Option<&Command>, error: lexopt::Error) -> Self {
        let word = match &error {
            lexopt::Error::UnexpectedArgument(word) => word.to_str(),
            lexopt::Error::UnexpectedOption(option) => Some(option.as_str()),
            _ => None,
        };
        let known = words_of(command.map_or("", |command| command.name));
        // A word that is known, and wrong where it stands, was meant as it is.
        let meant = word.filter(|word| !known.contains(word));
        let meant = meant.and_then(|word| nearest(known.into_iter(), word));
        Self::Line { error, meant }
    }

    pub fn value(option: &str, value: &str, what: &'static str, remedy: &'static str) -> Self {
        Self::Value {
            option: option.to_owned(),
            value: value.to_owned(),
            what,
            remedy,
        }
    }
}

impl Display for Mistake {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let meant = match self {
            Self::UnknownCommand(word) => {
                write!(f, "{word}: unknown command")?;
                let meant = nearest(command::names(), word);
                if meant.is_none() {
                    let known: Vec<_> = command::names().collect();
                    write!(f, "; there are {}", known.join(", "))?;
                }
                meant
            }
            Self::NoConfig => {
                f.write_str("no config is given; use --config FILE")?;
                None
            }
            Self::Missing { command, what } => {
                write!(f, "{command}: {what}")?;
                None
            }
            Self::Line { error, meant } => {
                error.fmt(f)?;
                *meant
            }
            Self::Value {
                option,
                value,
                what,
                remedy,
            } => {
                write!(f, "{option} {value:?} is no {what}; {remedy}")?;
                None
            }
        };
        match meant {
            Some(word) => write!(f, "; did you mean {word}? See recorderd --help"),
            None => f.write_str("; see recorderd --help"),
        }
    }
}

impl Error for Mistake {}
