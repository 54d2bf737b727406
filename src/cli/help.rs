//! What `--help` prints: of all commands, or of one.

use std::fmt::Write;

use super::command::{self, Command};
use super::option::{READING, Row};

pub const SUMMARY: &str = "records every SSH session on this host, from the kernel, as JSON lines";

pub const RECORD: &str = "Without a config, `record` writes events to standard output, and the \
    command's own output goes to\nstandard error.";

pub const LOG: &str = "The log is read from the files of its days, without the daemon:";

pub const AGAIN: &str = "Of options given more than once, one must fit.";

pub const EXIT: [(&str, &str); 4] = [
    ("0", "done"),
    ("1", "this host can't be recorded, or the log not be read"),
    ("2", "wrong command line or config"),
    (
        "3",
        "of `check`: not all families can be recorded, but those that the config requires",
    ),
];

pub const EXIT_OF_RECORD: &str = "`record` exits as its command does.";

/// What `--help` prints.
pub fn all() -> String {
    let mut text = format!("recorderd {SUMMARY}.\n\n{}", usage(command::all()));
    let _ = write!(text, "\n{RECORD}\n\n{LOG}\n");
    options(&mut text, READING.iter().copied());
    let _ = write!(text, "{AGAIN}\n\nExit codes:\n");
    for (code, meaning) in EXIT {
        let _ = writeln!(text, "  {code}  {meaning}");
    }
    let _ = writeln!(text, "{EXIT_OF_RECORD}");
    text
}

/// What `COMMAND --help` prints.
pub fn of(command: &'static Command) -> String {
    let mut text = usage([command].into_iter());
    let mut rows: Vec<&Row> = Vec::new();
    for row in command.options() {
        if !rows.iter().any(|it| it.text() == row.text()) {
            rows.push(row);
        }
    }
    if !rows.is_empty() {
        text.push('\n');
        options(&mut text, rows.into_iter());
    }
    text
}

/// What recorderd can be asked to do, a line each.
pub fn usage(commands: impl Iterator<Item = &'static Command>) -> String {
    let mut text = String::from("Usage:\n");
    for command in commands {
        for form in command.forms {
            let line = format!("recorderd {} {}", command.name, form.text());
            let line = line.replace("  ", " ");
            let line = format!("  {line:<46}{}", form.meaning);
            let _ = writeln!(text, "{}", line.trim_end());
        }
    }
    text
}

fn options(text: &mut String, rows: impl Iterator<Item = &'static Row>) {
    for row in rows {
        let _ = writeln!(text, "  {:<24}{}", row.text(), row.meaning);
    }
}
