//! The manual page, in the macros of man(7).

use std::fmt::Write;

use super::command::{self, Form};
use super::help::{AGAIN, EXIT, EXIT_OF_RECORD, LOG, RECORD, SUMMARY};
use super::option::READING;
use crate::config::shown;

/// When the command line changed last.
const DATE: &str = "2026-11-22";

/// The page.
pub fn page() -> String {
    let version = env!("CARGO_PKG_VERSION");
    let mut page = format!(".TH RECORDERD 8 {DATE} \"recorderd {version}\"\n");
    section(&mut page, "NAME", &[]);
    let _ = writeln!(page, "recorderd \\- {}", escaped(SUMMARY));
    section(&mut page, "SYNOPSIS", &[]);
    let forms = command::all().flat_map(|command| {
        let line = |form: &Form| format!("{} {}", command.name, form.text());
        command
            .forms
            .iter()
            .map(move |form| (line(form), form.meaning))
    });
    let forms: Vec<_> = forms.collect();
    for (index, (line, _)) in forms.iter().enumerate() {
        let before = if index == 0 { "" } else { ".br\n" };
        let _ = writeln!(page, "{before}.B recorderd\n{}", escaped(line.trim()));
    }
    section(&mut page, "COMMANDS", &[]);
    for (line, meaning) in forms.iter().filter(|(_, meaning)| !meaning.is_empty()) {
        item(&mut page, line.trim(), meaning);
    }
    section(&mut page, "READING THE LOG", &[LOG]);
    for row in READING {
        item(&mut page, &row.text(), row.meaning);
    }
    let _ = writeln!(page, ".PP\n{}", escaped(AGAIN));
    section(&mut page, "RECORDING A COMMAND", &[RECORD]);
    section(
        &mut page,
        "CONFIG",
        &["Each key has a default, here in parentheses."],
    );
    for key in shown() {
        let meaning = match key.default.as_str() {
            "" => key.meaning.to_owned(),
            default => format!("{} ({default})", key.meaning),
        };
        item(&mut page, key.name, &meaning);
    }
    section(&mut page, "EXIT STATUS", &[]);
    for (code, meaning) in EXIT {
        item(&mut page, code, meaning);
    }
    let _ = writeln!(page, ".PP\n{}", escaped(EXIT_OF_RECORD));
    section(&mut page, "FILES", &[]);
    item(&mut page, crate::install::CONFIG, "the config");
    item(
        &mut page,
        "/var/lib/recorderd",
        "the log, unless the config has another data_dir",
    );
    page
}

fn section(page: &mut String, title: &str, paragraphs: &[&str]) {
    let title = match title.contains(' ') {
        true => format!("\"{title}\""),
        false => title.to_owned(),
    };
    let _ = writeln!(page, ".SH {title}");
    for paragraph in paragraphs {
        let _ = writeln!(page, "{}", escaped(paragraph));
    }
}

fn item(page: &mut String, name: &str, meaning: &str) {
    let _ = writeln!(page, ".TP\n\\fB{}\\fR\n{}", escaped(name), escaped(meaning));
}

/// Text that is shown as it is.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    // A point or an apostrophe at the beginning of a line would be a macro.
    match text.starts_with(['.', '\'']) {
        true => format!("\\&{text}"),
        false => text,
    }
}
