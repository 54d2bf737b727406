//! What the commands that read the log take on their command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use lexopt::prelude::*;

use super::output::Form;
use crate::base::moment;
use crate::log::{Filter, Network, Text};

/// Lines that `tail` begins with, where it isn't said how many.
const LINES: usize = 10;

/// What to show of a log, and how.
pub struct Request {
    pub(super) command: Command,
    /// `--log`: folders, files, or `-`.
    pub(super) places: Vec<PathBuf>,
    pub(super) config: Option<PathBuf>,
    pub(super) filter: Filter,
    pub(super) form: Form,
    /// `show --flat`
    pub(super) flat: bool,
    /// `tail -f`
    pub(super) follow: bool,
    /// `tail -n`
    pub(super) count: usize,
}

#[derive(PartialEq)]
pub(super) enum Command {
    Sessions,
    /// The beginning of a `sid`.
    Show(String),
    /// The same, and where the page goes.
    Report(String, PathBuf),
    Tail,
    Search,
}

impl Request {
    /// Whether a word of the command line is one of these commands.
    pub fn is_command(word: &OsString) -> bool {
        let commands = ["sessions", "show", "tail", "search", "report"];
        commands.iter().any(|command| *word == **command)
    }

    /// Reads what stands behind the command. `config` is the one named in front of it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(
        word: OsString,
        config: Option<PathBuf>,
        parser: &mut lexopt::Parser,
    ) -> Result<Self, lexopt::Error> {
        let word = word.string()?;
        let mut request = Self {
            command: Command::Sessions,
            places: Vec::new(),
            config,
            filter: Filter::default(),
            form: Form::for_standard_output(),
            flat: false,
            follow: false,
            count: LINES,
        };
        let takes_object = matches!(word.as_str(), "show" | "search" | "report");
        let (mut object, mut page) = (None, None);
        while let Some(argument) = parser.next()? {
            match argument {
                Short('f') | Long("follow") if word == "tail" => request.follow = true,
                Short('n') | Long("lines") if word == "tail" => {
                    request.count = parser.value()?.parse()?;
                }
                Short('o') | Long("output") if word == "report" => page = Some(parser.value()?),
                Long("flat") if word == "show" => request.flat = true,
                Value(value) if takes_object && object.is_none() => object = Some(value),
                Short('c') | Long("config") => request.config = Some(parser.value()?.into()),
                Long("log") => request.places.push(parser.value()?.into()),
                Long("json") if word != "report" => request.form = Form::Json,
                Long("plain") if word != "report" => request.form = Form::Plain,
                Long(option) => {
                    let option = option.to_owned();
                    if !request.filter(&option, parser)? {
                        return Err(Long(&option).unexpected());
                    }
                }
                _ => return Err(argument.unexpected()),
            }
        }
        let object = object.map(|object| object.to_string_lossy().into_owned());
        request.command = match (word.as_str(), object) {
            ("sessions", _) => Command::Sessions,
            ("tail", _) => Command::Tail,
            ("search", None) => return Err("search: no TEXT is given".into()),
            ("search", Some(text)) => {
                request.filter.texts.push(Text::new(&text));
                Command::Search
            }
            (_, None) => {
                return Err(
                    format!("{word}: no SID is given; `recorderd sessions` shows them").into(),
                );
            }
            ("show", Some(sid)) => Command::Show(sid),
            (_, Some(sid)) => {
                let page = page.ok_or("report: no file is given; use -o FILE.html")?;
                Command::Report(sid, page.into())
            }
        };
        Ok(request)
    }

    /// Takes an option that says which events are wanted; false where it is none.
    fn filter(&mut self, option: &str, parser: &mut lexopt::Parser) -> Result<bool, lexopt::Error> {
        let filter = &mut self.filter;
        let mut text = || -> Result<String, lexopt::Error> {
            Ok(parser.value()?.to_string_lossy().into_owned())
        };
        match option {
            "since" => filter.since = Some(time(option, &text()?)?),
            "until" => filter.until = Some(time(option, &text()?)?),
            "user" => filter.users.push(text()?),
            "login" => filter.logins.push(text()?),
            "session" => filter.sessions.push(Text::new(&text()?)),
            "family" => filter.families.push(text()?),
            "path" => filter.paths.push(Text::path(&text()?)),
            "address" => {
                let text = text()?;
                let network = Network::parse(&text).ok_or_else(|| {
                    format!(
                        "--address {text:?} is no address; write 192.0.2.1, 192.0.2.1:443, \
                         192.0.2.0/24 or [2001:db8::1]:443"
                    )
                })?;
                filter.addresses.push(network);
            }
            "text" => filter.texts.push(Text::new(&text()?)),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn time(option: &str, text: &str) -> Result<i64, lexopt::Error> {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = since_1970.map_or(0, |age| age.as_millis() as i64);
    moment(text, now).ok_or_else(|| {
        format!(
            "--{option} {text:?} is no time; write 2023-07-04, 2023-07-04T16:42, or 90s, 15m, 2h, \
             7d for how long ago"
        )
        .into()
    })
}
