//! Standard output: text with or without colors, or JSON.

use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

use crate::base::{Text, Weight, quote};

/// How events are shown.
#[derive(Clone, Copy, PartialEq)]
pub enum Form {
    /// For a person, in colors.
    Colored,
    /// For a person, without.
    Plain,
    /// A line of JSON for each.
    Json,
}

/// When text has colors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Color {
    /// On a terminal, unless $NO_COLOR says otherwise (no-color.org).
    #[default]
    Auto,
    /// Wherever it goes.
    Always,
    /// Nowhere.
    Never,
}

impl Form {
    /// Text for standard output.
    pub fn text(color: Color) -> Self {
        let is_set = |name| std::env::var_os(name).is_some_and(|found| !found.is_empty());
        let is_dumb = || std::env::var_os("TERM").is_some_and(|found| found == "dumb");
        let has_colors = match color {
            Color::Auto => io::stdout().is_terminal() && !is_set("NO_COLOR") && !is_dumb(),
            Color::Always => true,
            Color::Never => false,
        };
        if has_colors {
            Self::Colored
        } else {
            Self::Plain
        }
    }
}

/// Where it all goes.
pub struct Output {
    /// How it is shown.
    pub form: Form,
    to: BufWriter<StdoutLock<'static>>,
    error: Option<io::Error>,
    is_empty: bool,
}

impl Output {
    /// Standard output.
    pub fn new(form: Form) -> Self {
        Self {
            form,
            to: BufWriter::with_capacity(64 * 1024, io::stdout().lock()),
            error: None,
            is_empty: true,
        }
    }

    /// Whether what is written still gets anywhere.
    pub fn is_open(&self) -> bool {
        self.error.is_none()
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.is_empty
    }

    fn write(&mut self, bytes: &[u8]) {
        self.is_empty = false;
        if self.error.is_none() {
            self.error = self.to.write_all(bytes).err();
        }
    }

    /// A line of JSON; on a terminal with nothing hidden in it.
    pub fn json(&mut self, line: &str) {
        if io::stdout().is_terminal() {
            let mut safe = String::with_capacity(line.len());
            quote::json(line, &mut safe);
            self.write(safe.as_bytes());
        } else {
            self.write(line.as_bytes());
        }
        self.write(b"\n");
    }

    /// A line of text.
    pub fn text(&mut self, text: &Text) {
        for (weight, piece) in &text.0 {
            // Select graphic rendition: ECMA-48, 8.3.117.
            let on = match weight {
                _ if self.form != Form::Colored => "",
                Weight::Normal => "",
                Weight::Faint => "\x1b[2m",
                Weight::Strong => "\x1b[1m",
                Weight::Failed => "\x1b[33m",
                Weight::Lost => "\x1b[1;31m",
            };
            self.write(on.as_bytes());
            self.write(piece.as_bytes());
            if !on.is_empty() {
                self.write(b"\x1b[0m");
            }
        }
        self.write(b"\n");
    }

    /// Hands on what is held back.
    pub fn flush(&mut self) {
        if self.error.is_none() {
            self.error = self.to.flush().err();
        }
    }

    /// Ends it.
    ///
    /// # Errors
    /// What could not be written. That nobody reads any more is no error.
    pub fn finish(mut self) -> io::Result<()> {
        self.flush();
        match self.error {
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
            _ => Ok(()),
        }
    }
}
