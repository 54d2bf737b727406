//! `recorderd check` and `recorderd config check`.

use std::path::Path;

use super::failure::{CANNOT, DEGRADED, Done, USAGE, cannot};
use super::line::Line;
use super::{print, start};
use crate::check::service;
use crate::check::{self, State};
use crate::config::Config;

/// Tells how far this host can be recorded.
pub fn run(line: Line) -> Done {
    let path = line.config.as_deref();
    let json = line.json;
    if line.service {
        return Err(cannot(service::check(path, json)));
    }
    let loaded = path.map_or_else(|| Ok(Config::default()), start::load);
    let wrong = loaded.is_err();
    let (config, validity) = match loaded {
        Ok(config) => {
            let validity = check::validity(path, &config);
            (config, Ok(validity))
        }
        Err(failure) => (Config::default(), Err(failure.lines())),
    };
    let report = check::check(&config, validity);
    print::text(&if json { report.json() } else { report.text() })?;
    Ok(match report.state {
        _ if wrong => USAGE,
        State::Ready => 0,
        State::Degraded => DEGRADED,
        State::Unable => CANNOT,
    })
}

/// Tells what is wrong with a config.
pub fn config(line: Line) -> Done {
    let path = line.objects.first().map(Path::new).unwrap_or(Path::new(""));
    let config = start::load(path)?;
    print::text(&(check::validity(Some(path), &config) + "\n"))
}
