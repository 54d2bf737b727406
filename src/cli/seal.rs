//! The seal of the log: `recorderd verify` and `recorderd seal`.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::failure::{CANNOT, DEGRADED, Done, cannot};
use super::line::Line;
use super::{print, start};
use crate::config::Config;
use crate::install::CONFIG;
use crate::reader::{self, Command, Form, Request, Verdict};
use crate::seal;

/// Tells whether the log is what was sealed.
pub fn verify(line: Line) -> Done {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |age| age.as_millis() as i64);
    let request = Request {
        command: Command::Verify,
        places: line.places,
        config: line.config,
        filter: line.filter,
        form: match line.json {
            true => Form::Json,
            false => Form::text(line.color),
        },
        flat: false,
        follow: false,
        count: 0,
        play: line.play,
    };
    let verdict = reader::verify(&request, &line.keys, line.taken.unwrap_or(now))?;
    Ok(match verdict {
        Verdict::Proven => 0,
        Verdict::Findings => CANNOT,
        Verdict::Unproven => DEGRADED,
    })
}

/// Prints the first public key.
pub fn key(line: Line) -> Done {
    let installed = || Some(PathBuf::from(CONFIG)).filter(|path| Path::exists(path));
    let path = line.config.or_else(installed);
    let config = path.map_or_else(|| Ok(Config::default()), |path| start::load(&path))?;
    let key = seal::find(&config.data_dir);
    let none = |error| {
        cannot(format!(
            "{error}; the log of this data_dir isn't sealed yet"
        ))
    };
    print::text(&key.map_err(none)?)
}
