//! `recorderd record`.

use super::failure::{Done, cannot};
use super::line::Line;
use super::start;
use crate::base::Output;
use crate::base::host;
use crate::config::Config;
use crate::daemon::launch;
use crate::kernel::preflight;
use crate::session::Table;

/// Records one command; exits as it does.
pub fn run(line: Line) -> Done {
    let path = line.config.as_deref();
    let config = match path {
        Some(path) => start::load(path)?,
        None => Config {
            output: vec![Output::Stdout],
            ..Config::default()
        },
    };
    let btf = preflight::btf(config.btf_path.as_deref());
    preflight::preflight(&btf).map_err(cannot)?;
    let id = match path {
        Some(_) => host::id(&config.data_dir).map_err(cannot)?,
        None => host::new_id(),
    };
    let (pipeline, waiter) = start::pipeline(&config, &btf, &id, Table::new(None))?;
    let quiet = config.output.contains(&Output::Stdout);
    let status = launch::run(pipeline, &waiter, &line.command, quiet).map_err(cannot)?;
    Ok(status as u8)
}
