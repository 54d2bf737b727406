//! The commands that show a log: `sessions`, `show`, `play`, `tail`, `search` and `report`.

mod fault;
pub mod log;
mod output;
mod play;
mod report;
mod request;
mod search;
mod sessions;
mod show;
mod summary;
mod tail;
mod tree;
mod verify;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

pub use fault::Fault;
pub use output::{Color, Form};
pub use play::Play;
pub use request::{Command, Request};
pub use verify::Verdict;

use crate::base::Output as Sink;
use crate::config::Config;
use crate::install::CONFIG;
use log::{Filter, Reader, Source, find};

use output::Output;

/// Does what is asked for.
///
/// # Errors
/// What keeps it from being done. That nobody reads the output any more is none.
pub fn run(request: &Request) -> Result<(), Fault> {
    let places = places(request)?;
    let since = match request.command {
        Command::Tail | Command::Search => request.filter.since,
        // A session is shown whole, so that its beginning is needed.
        _ => None,
    };
    let sources = find(&places, since)?;
    let mut output = Output::new(request.form);
    match &request.command {
        Command::Sessions => sessions::run(&sources, request, &mut output)?,
        Command::Show(sid) => show::run(&sources, sid, request, &mut output)?,
        Command::Play(sid) => return play::run(&sources, sid, &request.play),
        Command::Report(sid, page) => report::run(&sources, sid, request, page)?,
        Command::Tail => tail::run(&places, &sources, request, &mut output)?,
        Command::Search => search::run(&sources, request, &mut output)?,
        Command::Verify => {}
    }
    if output.is_empty()
        && !request.filter.is_empty()
        && !matches!(request.command, Command::Report(..))
    {
        crate::report!("recorderd: {}", nothing(&request.filter));
    }
    output.finish().map_err(Fault::Output)
}

/// Verifies the log against its checkpoints. `keys` are public keys or files of them; `taken` is when the copy was
/// made, in milliseconds since 1970-01-01 UTC.
///
/// # Errors
/// What keeps it from being done.
pub fn verify(request: &Request, keys: &[String], taken: i64) -> Result<Verdict, Fault> {
    let keys = verify::keys(keys)?;
    let sources = find(&places(request)?, None)?;
    let mut output = Output::new(request.form);
    let verdict = verify::run(&sources, request, &keys, taken, &mut output)?;
    output.finish().map_err(Fault::Output)?;
    Ok(verdict)
}

/// That nothing matches, and what may have been meant.
fn nothing(filter: &Filter) -> &'static str {
    match filter.users.is_empty() {
        true => "no event matches",
        false => {
            "no event matches; --user compares the SSH identity (a key's fingerprint, or a certificate's ID), and \
             --login the account"
        }
    }
}

/// Where the log is: as said, else as the config says, else where the daemon keeps it.
fn places(request: &Request) -> Result<Vec<PathBuf>, Fault> {
    if !request.places.is_empty() {
        return Ok(request.places.clone());
    }
    let config = match &request.config {
        None if !Path::new(CONFIG).exists() => Config::default(),
        path => {
            let path = path.as_deref().unwrap_or(Path::new(CONFIG));
            let config = Config::load(path).map_err(Fault::Config)?.config;
            if !config.output.contains(&Sink::File) {
                return Err(Fault::NoFiles(path.to_owned()));
            }
            config
        }
    };
    Ok(vec![config.data_dir.join("log")])
}

/// Hands on the events of all sources that the filter takes, and tells of lines that are none.
fn read(
    sources: &[Source],
    filter: &Filter,
    visit: &mut crate::reader::log::Visit<'_>,
) -> Result<(), Fault> {
    let mut reader = Reader::new(filter);
    let done = reader.read(sources, visit);
    notice(&reader);
    Ok(done?)
}

fn notice(reader: &Reader<'_>) {
    if let Some(notice) = reader.strays.notice() {
        crate::report!("recorderd: {notice}");
    }
}

/// Goes on for as long as somebody reads the output.
fn go_on(output: &Output) -> ControlFlow<()> {
    match output.is_open() {
        true => ControlFlow::Continue(()),
        false => ControlFlow::Break(()),
    }
}
