//! `recorderd verify`: whether a log is what was sealed.

mod chain;
mod finding;

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use memchr::memmem;

use super::Request;
use super::fault::Fault;
use super::log::{Lines, Source};
use super::output::{Form, Output};
use crate::base::{SUMMARY, Text, Weight, quote};
use crate::event::Object;
use crate::seal::{CHECKPOINTS, Verifier};
use chain::Chain;
use finding::Finding;

/// How a log stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is what was sealed, and the key was given.
    Proven,
    /// It differs in places.
    Findings,
    /// Nothing differs, but nothing is sealed, or no key was given.
    Unproven,
}

/// Reads keys: each argument is one, or a file with one on each line.
///
/// # Errors
/// Which is none, or can't be read.
pub fn keys(arguments: &[String]) -> Result<Vec<Verifier>, Fault> {
    let mut keys = Vec::new();
    for argument in arguments {
        if let Some(key) = Verifier::parse(argument) {
            keys.push(key);
            continue;
        }
        let path = PathBuf::from(argument);
        let text = fs::read_to_string(&path).map_err(|e| Fault::Key(argument.clone(), Some(e)))?;
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let key = Verifier::parse(line);
            keys.push(key.ok_or_else(|| Fault::Key(argument.clone(), None))?);
        }
    }
    Ok(keys)
}

/// Verifies the log in these sources, and tells what was found.
///
/// # Errors
/// What can't be read.
pub fn run(
    sources: &[Source],
    request: &Request,
    keys: &[Verifier],
    taken: i64,
    output: &mut Output,
) -> Result<Verdict, Fault> {
    let keys: Vec<_> = keys.iter().map(|key| key.public).collect();
    let mut findings = 0u64;
    let mut found = |output: &mut Output, finding: &Finding| {
        findings += 1;
        match request.form {
            Form::Json => output.json(&finding.json()),
            _ => output.text(&Text(vec![(Weight::Lost, quoted(&finding.text()))])),
        }
    };
    let mut chains: Vec<(String, Chain)> = Vec::new();
    let mut current = String::new();
    for source in sources {
        let place = Place::of(source);
        let input: Box<dyn Read> = match source {
            Source::Input => Box::new(io::stdin().lock()),
            Source::File(path) => match File::open(path) {
                Ok(file) => Box::new(file),
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                Err(e) => return Err(super::log::Fault::Source(source.clone(), e).into()),
            },
        };
        if let Some((folder, name)) = &place.file {
            if folder.ends_with(SUMMARY) {
                continue;
            }
            current = folder.display().to_string();
            let chain = chain_of(&mut chains, &current, || {
                let mut chain = Chain::new(&keys, false);
                chain.list(&fs::read_to_string(folder.join(CHECKPOINTS)).unwrap_or_default());
                chain
            });
            chain.begin(name, &mut |finding| found(output, &finding));
        }
        let mut lines = Lines::new(input);
        let fault = |error| super::log::Fault::Source(source.clone(), error);
        loop {
            let line = match lines.next().map_err(fault)? {
                Some(line) => line,
                None => match lines.rest() {
                    Some(line) => line,
                    None => break,
                },
            };
            if place.file.is_none()
                && let Some(server) = server(line)
                && server != current.as_bytes()
            {
                current = String::from_utf8_lossy(server).into_owned();
            }
            let chain = chain_of(&mut chains, &current, || Chain::new(&keys, true));
            chain.line(line, &mut |finding| found(output, &finding));
        }
    }
    let mut checkpoints = 0;
    for (_, chain) in &mut chains {
        chain.finish(taken, &mut |finding| found(output, &finding));
    }
    for account in chains.iter().flat_map(|(_, chain)| chain.accounts()) {
        checkpoints += account.checkpoints;
        match request.form {
            Form::Json => output.json(&Object::text(|object| {
                object.string("file", account.file.as_bytes());
                object.number("lines", account.lines);
                object.number("sealed", account.sealed);
                object.string("until", account.until.as_bytes());
                object.number("checkpoints", account.checkpoints);
            })),
            _ => output.text(&Text(vec![(Weight::Normal, quoted(&described(account)))])),
        }
    }
    let (verdict, name, text) = match () {
        () if findings > 0 => (
            Verdict::Findings,
            "findings",
            match findings {
                1 => "1 place differs from what was sealed".to_owned(),
                _ => format!("{findings} places differ from what was sealed"),
            },
        ),
        () if checkpoints == 0 => (
            Verdict::Unproven,
            "unsealed",
            "nothing here is sealed".to_owned(),
        ),
        () if keys.is_empty() => (
            Verdict::Unproven,
            "no_key",
            "consistent, but not proven: give the key that `recorderd seal` printed with --key"
                .to_owned(),
        ),
        () => (
            Verdict::Proven,
            "proven",
            "proven: every sealed line is what was written".to_owned(),
        ),
    };
    match request.form {
        Form::Json => output.json(&Object::text(|object| {
            object.string("result", name.as_bytes());
            object.number("findings", findings);
        })),
        _ => output.text(&Text(vec![(Weight::Strong, text)])),
    }
    Ok(verdict)
}

/// The log of this name; one that is new is begun.
fn chain_of<'a>(
    chains: &'a mut Vec<(String, Chain)>,
    name: &str,
    begin: impl FnOnce() -> Chain,
) -> &'a mut Chain {
    let known = chains.iter().position(|(of, _)| of == name);
    let place = known.unwrap_or_else(|| {
        chains.push((name.to_owned(), begin()));
        chains.len() - 1
    });
    &mut chains[place].1
}

fn quoted(text: &str) -> String {
    let mut safe = String::new();
    quote::plain(text, &mut safe);
    safe
}

fn described(account: &chain::Account) -> String {
    let chain::Account {
        file,
        lines,
        sealed,
        until,
        ..
    } = account;
    match until.as_str() {
        "" => format!("{file}: {lines} lines, not sealed"),
        until => format!("{file}: {lines} lines, {sealed} sealed until {until}"),
    }
}

/// Where lines come from.
struct Place {
    /// Of a file of a log as the recorder writes it: its folder and its name.
    file: Option<(PathBuf, String)>,
}

impl Place {
    fn of(source: &Source) -> Self {
        let file = match source {
            Source::Input => None,
            Source::File(path) => path
                .file_name()
                .and_then(|name| name.to_str())
                .filter(|name| super::log::is_log(name))
                .map(|name| {
                    let folder = path.parent().unwrap_or(Path::new(""));
                    (folder.to_owned(), name.to_owned())
                }),
        };
        Self { file }
    }
}

/// Whose line it is.
fn server(line: &[u8]) -> Option<&[u8]> {
    const KEY: &[u8] = b"\"server_id\":\"";
    let value = &line[memmem::find(line, KEY)? + KEY.len()..];
    Some(&value[..memchr::memchr(b'"', value)?])
}
