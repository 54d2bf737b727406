//! What is printed as it is: texts that are made from the tables, or packed into the program.

use std::io::Write;

use super::failure::{Done, during};
use super::line::Line;
use super::{completions, man as page};
use crate::base::packed::SCHEMA;
use crate::config::defaults as config;

/// Standard output may be closed early, as by `head`.
pub fn text(text: &str) -> Done {
    let written = std::io::stdout().write_all(text.as_bytes());
    written.map_err(during("standard output"))?;
    Ok(0)
}

pub fn version() -> Done {
    text(concat!("recorderd ", env!("CARGO_PKG_VERSION"), "\n"))
}

pub fn defaults(_: Line) -> Done {
    text(&config::text())
}

pub fn schema(_: Line) -> Done {
    text(&String::from_utf8_lossy(&SCHEMA.unpack()))
}

pub fn man(_: Line) -> Done {
    text(&page::page())
}

pub fn bash(_: Line) -> Done {
    text(&completions::bash())
}
