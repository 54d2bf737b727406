//! The command line: what can be asked for, what is wrong with it, and who does it.
//!
//! [`command`] and [`option`] have a row for each command and option; the parser, help, manual page
//! and completions are made from those.

mod check;
mod command;
mod completions;
mod daemon;
mod failure;
mod help;
mod install;
mod line;
mod man;
mod metrics;
mod mistake;
mod option;
mod print;
mod read;
mod record;
mod seal;
mod start;

use std::io::Write;
use std::process::ExitCode;

use failure::{Done, Failure, USAGE};
use line::Asked;

/// Does what the command line asks for.
pub fn run() -> ExitCode {
    match asked() {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            for line in failure.lines() {
                crate::report!("recorderd: {line}");
            }
            ExitCode::from(failure.code())
        }
    }
}

fn asked() -> Done {
    if std::env::args_os().len() < 2 {
        crate::report!("recorderd: no command is given");
        let _ = write!(std::io::stderr(), "\n{}\n", help::usage(command::all()));
        crate::report!("See recorderd --help");
        return Ok(USAGE);
    }
    match line::parse(lexopt::Parser::from_env()).map_err(Failure::from)? {
        Asked::Help(None) => print::text(&help::all()),
        Asked::Help(Some(command)) => print::text(&help::of(command)),
        Asked::Version => print::version(),
        Asked::Form(form, line) => (form.run)(*line),
    }
}
