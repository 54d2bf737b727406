//! `recorderd install` and `recorderd uninstall`.

use super::failure::{CANNOT, Done, cannot};
use super::line::Line;
use crate::install;

pub fn install(line: Line) -> Done {
    done(install::install(&request(line)))
}

pub fn uninstall(line: Line) -> Done {
    done(install::uninstall(&request(line)))
}

fn request(line: Line) -> install::Request {
    install::Request {
        root: line.root,
        force: line.force,
    }
}

/// Exit code of what may have left something to be done.
fn done(result: Result<bool, install::Fault>) -> Done {
    match result.map_err(cannot)? {
        true => Ok(0),
        false => Ok(CANNOT),
    }
}
