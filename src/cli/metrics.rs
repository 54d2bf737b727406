//! `recorderd metrics`.

use std::path::{Path, PathBuf};

use super::failure::{Done, cannot};
use super::line::Line;
use super::{print, start};
use crate::config::Config;
use crate::install::CONFIG;
use crate::metrics;

/// Asks the recorder that runs for its numbers.
pub fn run(line: Line) -> Done {
    let installed = || Some(PathBuf::from(CONFIG)).filter(|path| Path::exists(path));
    let path = line.config.or_else(installed);
    let config = path.map_or_else(|| Ok(Config::default()), |path| start::load(&path))?;
    let text = metrics::ask(&config.data_dir);
    let unanswered = |error| cannot(format!("recorderd is not running: {error}"));
    print::text(&text.map_err(unanswered)?)
}
