//! What is wrong with a command line, and what may have been meant.

use std::ffi::OsString;

use lexopt::Error;

use super::COMMANDS;
use super::completions::words_of;
use crate::base::nearest;

/// What to tell of a mistake in a command line of these words.
pub fn mistake(error: &Error, arguments: &[OsString]) -> String {
    let is_command = |word: &&OsString| names().any(|name| **word == *name);
    let command = arguments.iter().find(is_command);
    let command = command.and_then(|word| word.to_str()).unwrap_or_default();
    let told = match error {
        Error::UnexpectedArgument(word) if command.is_empty() => {
            let word = word.to_string_lossy();
            return match nearest(names(), &word) {
                Some(name) => format!("{word}: unknown command; did you mean {name}?"),
                None => {
                    let known: Vec<_> = names().collect();
                    format!("{word}: unknown command; there are {}", known.join(", "))
                }
            };
        }
        Error::UnexpectedArgument(word) => word.to_str(),
        Error::UnexpectedOption(option) => Some(option.as_str()),
        _ => None,
    };
    let known = words_of(command);
    match told.and_then(|word| nearest(known.into_iter(), word)) {
        Some(word) => format!("{error}; did you mean {word}?"),
        None => error.to_string(),
    }
}

/// The names of the commands, each once.
fn names() -> impl Iterator<Item = &'static str> {
    let before = |index: usize| COMMANDS[..index].last().map_or("", |it| it.name);
    let named = COMMANDS.iter().enumerate();
    named
        .filter(move |(index, it)| !it.name.is_empty() && it.name != before(*index))
        .map(|(_, it)| it.name)
}
