//! A command line: what it asks for, and with what.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::{Arg, Parser};

use super::command::{self, Command, Form, Part};
use super::mistake::Mistake;
use super::option::{CONFIG, HELP, Row, Take, VERSION};
use crate::reader;
use crate::reader::log::Filter;

/// What stands on a command line, as the rows of the options have taken it.
#[derive(Default)]
pub struct Line {
    pub help: bool,
    pub version: bool,
    pub config: Option<PathBuf>,
    pub json: bool,
    pub color: reader::Color,
    pub service: bool,
    pub root: Option<PathBuf>,
    pub force: bool,
    pub flat: bool,
    pub follow: bool,
    pub count: Option<usize>,
    pub page: Option<PathBuf>,
    pub play: reader::Play,
    pub places: Vec<PathBuf>,
    pub filter: Filter,
    pub keys: Vec<String>,
    /// Milliseconds since 1970-01-01 UTC.
    pub taken: Option<i64>,
    /// What stands for the objects of the command.
    pub objects: Vec<OsString>,
    /// A command to run, and its arguments.
    pub command: Vec<OsString>,
    /// The names of the options that were given.
    given: Vec<&'static str>,
}

/// What is asked for.
pub enum Asked {
    /// What there is to ask for: of all commands, or of one.
    Help(Option<&'static Command>),
    Version,
    /// This form, with what stands on the line.
    Form(&'static Form, Box<Line>),
}

/// Reads a command line.
pub fn parse(mut parser: Parser) -> Result<Asked, Mistake> {
    let mut reading = Reading {
        line: Line::default(),
        command: None,
        form: None,
    };
    loop {
        let argument = match parser.next() {
            Ok(None) => break,
            Ok(Some(Arg::Value(value))) => {
                reading.value(value, &mut parser)?;
                continue;
            }
            Ok(Some(Arg::Short(letter))) => format!("-{letter}"),
            Ok(Some(Arg::Long(name))) => format!("--{name}"),
            Err(error) => return Err(reading.mistake(error)),
        };
        reading.option(&argument, &mut parser)?;
        if reading.line.help {
            return Ok(Asked::Help(reading.command));
        }
        if reading.line.version {
            return Ok(Asked::Version);
        }
    }
    reading.finish()
}

/// A command line that is being read.
struct Reading {
    line: Line,
    command: Option<&'static Command>,
    /// The form that a second word has chosen.
    form: Option<&'static Form>,
}

impl Reading {
    fn mistake(&self, error: lexopt::Error) -> Mistake {
        Mistake::line(self.command, error)
    }

    fn option(&mut self, name: &str, parser: &mut Parser) -> Result<(), Mistake> {
        if self.choose(name) {
            return Ok(());
        }
        let asked = [&HELP, &VERSION];
        let options: Vec<&Row> = match self.command {
            None => [&CONFIG].into_iter().chain(asked).collect(),
            Some(command) => command.options().chain(asked).collect(),
        };
        let Some(word) = options.iter().find_map(|row| row.word(name)) else {
            let error = lexopt::Error::UnexpectedOption(name.to_owned());
            return Err(self.mistake(error));
        };
        self.line.given.push(word.name);
        match word.take {
            Take::Switch(take) => {
                take(&mut self.line);
                Ok(())
            }
            Take::Value(take) => {
                let value = parser.value().map_err(|error| self.mistake(error))?;
                take(&mut self.line, name, value)
            }
        }
    }

    fn value(&mut self, value: OsString, parser: &mut Parser) -> Result<(), Mistake> {
        let Some(command) = self.command else {
            let command = value.to_str().filter(|name| !name.is_empty());
            self.command = command.and_then(command::called);
            return match self.command {
                Some(_) => Ok(()),
                None => Err(Mistake::UnknownCommand(value.to_string_lossy().into())),
            };
        };
        if value.to_str().is_some_and(|word| self.choose(word)) {
            return Ok(());
        }
        match self.form.or(command.first()) {
            Some(form) if form.takes_command() => {
                self.line.command.push(value);
                let rest = parser.raw_args().map_err(|error| self.mistake(error))?;
                self.line.command.extend(rest);
                Ok(())
            }
            Some(form) if self.line.objects.len() < form.objects() => {
                self.line.objects.push(value);
                Ok(())
            }
            _ => Err(self.mistake(lexopt::Error::UnexpectedArgument(value))),
        }
    }

    /// Takes the second word of a command that has one.
    fn choose(&mut self, word: &str) -> bool {
        if self.form.is_some() {
            return false;
        }
        let forms = self.command.map_or(&[][..], |command| command.forms);
        self.form = forms.iter().find(|form| form.word == Some(word));
        self.form.is_some()
    }

    /// The form that is asked for, if nothing is missing of it.
    fn finish(self) -> Result<Asked, Mistake> {
        let Some(command) = self.command else {
            let daemon = command::called("").and_then(Command::first);
            return match daemon {
                Some(form) if self.line.config.is_some() => {
                    Ok(Asked::Form(form, Box::new(self.line)))
                }
                _ => Err(Mistake::NoConfig),
            };
        };
        let Some(form) = self.form.or(command.first()) else {
            return Err(Mistake::missing(command.name, None, command.second));
        };
        if let Some(what) = self.line.lacks(form) {
            return Err(Mistake::missing(command.name, form.word, what));
        }
        Ok(Asked::Form(form, Box::new(self.line)))
    }
}

impl Line {
    /// What this form needs and has not.
    fn lacks(&self, form: &Form) -> Option<&'static str> {
        let mut objects = 0;
        form.parts.iter().find_map(|part| match part {
            Part::Object(_, what) => {
                objects += 1;
                (self.objects.len() < objects).then_some(*what)
            }
            Part::Command(what) => self.command.is_empty().then_some(*what),
            Part::Needs(row, what) => {
                let is_given = self.given.iter().any(|name| row.word(name).is_some());
                (!is_given).then_some(*what)
            }
            _ => None,
        })
    }
}
