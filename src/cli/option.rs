//! The options: a row for each, from which all else is made that knows them.

use std::ffi::OsString;
use std::time::{SystemTime, UNIX_EPOCH};

use super::line::Line;
use super::mistake::Mistake;
use crate::base::Family;
use crate::base::moment;
use crate::family::EVENTS;
use crate::reader::Color;
use crate::reader::log::{Network, Text};

/// Options with one meaning.
pub struct Row {
    /// In the order in which they are shown.
    pub words: &'static [Word],
    /// What is written behind each of them; nothing behind a switch.
    pub value: Option<&'static str>,
    /// What it means, in one line.
    pub meaning: &'static str,
}

/// One option.
pub struct Word {
    /// As it is shown, such as `--config` or `-n`.
    pub name: &'static str,
    /// As it can be written, too.
    pub alias: &'static str,
    /// What it is for.
    pub take: Take,
}

/// What an option changes of a command line.
#[derive(Clone, Copy)]
pub enum Take {
    /// A switch.
    Switch(fn(&mut Line)),
    /// One with a value; the name stands in what is wrong with it.
    Value(fn(&mut Line, &str, OsString) -> Result<(), Mistake>),
}

impl Row {
    /// As it is shown: the words, and the value.
    pub fn text(&self) -> String {
        let words: Vec<_> = self.words.iter().map(|word| word.name).collect();
        let words = words.join(", ");
        match self.value {
            None => words,
            Some(value) => format!("{words} {value}"),
        }
    }

    /// Whether a file is named behind it.
    pub fn takes_file(&self) -> bool {
        let is_file = |value: &str| {
            ["FILE", "PATH", "DIR"]
                .iter()
                .any(|it| value.starts_with(it))
        };
        self.value.is_some_and(is_file)
    }

    /// The word that is written so.
    pub fn word(&self, name: &str) -> Option<&'static Word> {
        let mut words = self.words.iter();
        words.find(|word| word.name == name || word.alias == name)
    }
}

const fn switch(name: &'static str, take: fn(&mut Line)) -> Word {
    Word {
        name,
        alias: name,
        take: Take::Switch(take),
    }
}

const fn value(
    name: &'static str,
    take: fn(&mut Line, &str, OsString) -> Result<(), Mistake>,
) -> Word {
    Word {
        name,
        alias: name,
        take: Take::Value(take),
    }
}

/// A word that can be written in another way as well.
const fn or(alias: &'static str, word: Word) -> Word {
    Word { alias, ..word }
}

const CONFIG_WORD: &[Word] = &[or(
    "-c",
    value("--config", |line, _, path| {
        line.config = Some(path.into());
        Ok(())
    }),
)];

/// The config to go by.
pub const CONFIG: Row = Row {
    words: CONFIG_WORD,
    value: Some("FILE"),
    meaning: "config file; without it, the defaults",
};

/// Of the config only where the log is.
const CONFIG_OF_LOG: Row = Row {
    words: CONFIG_WORD,
    value: Some("FILE"),
    meaning: "its data_dir; else /etc/recorderd.yaml, if there is one",
};

pub const HELP: Row = Row {
    words: &[or("-h", switch("--help", |line| line.help = true))],
    value: None,
    meaning: "print this help",
};

pub const VERSION: Row = Row {
    words: &[or("-V", switch("--version", |line| line.version = true))],
    value: None,
    meaning: "print the version",
};

pub const JSON: Row = Row {
    words: &[switch("--json", |line| line.json = true)],
    value: None,
    meaning: "print JSON instead of text",
};

pub const SERVICE: Row = Row {
    words: &[switch("--service", |line| line.service = true)],
    value: None,
    meaning: "check with the restrictions of the installed systemd unit",
};

pub const ROOT: Row = Row {
    words: &[value("--root", |line, _, path| {
        line.root = Some(path.into());
        Ok(())
    })],
    value: Some("DIR"),
    meaning: "directory of an image to use instead of this host",
};

pub const FORCE: Row = Row {
    words: &[switch("--force", |line| line.force = true)],
    value: None,
    meaning: "also replace or remove a program or service that differs from this version",
};

pub const FLAT: Row = Row {
    words: &[switch("--flat", |line| line.flat = true)],
    value: None,
    meaning: "print one line for each event instead of the tree",
};

pub const FOLLOW: Row = Row {
    words: &[or("--follow", switch("-f", |line| line.follow = true))],
    value: None,
    meaning: "print each further event when it happens",
};

pub const COUNT: Row = Row {
    words: &[or(
        "--lines",
        value("-n", |line, name, count| {
            let text = text(&count);
            let count = text.parse().ok();
            line.count = Some(count.ok_or_else(|| {
                Mistake::value(name, &text, "number of lines", "write one, such as 20")
            })?);
            Ok(())
        }),
    )],
    value: Some("COUNT"),
    meaning: "number of last events; 10 by default",
};

/// A number of a player that is more than nothing.
fn positive(name: &str, value: &OsString) -> Result<f64, Mistake> {
    let text = text(value);
    let number = text
        .parse()
        .ok()
        .filter(|it: &f64| *it > 0.0 && it.is_finite());
    number
        .ok_or_else(|| Mistake::value(name, &text, "number above 0", "write one, such as 2 or 0.5"))
}

pub const SPEED: Row = Row {
    words: &[value("--speed", |line, name, speed| {
        line.play.speed = positive(name, &speed)?;
        Ok(())
    })],
    value: Some("N"),
    meaning: "play N times as fast",
};

pub const IDLE: Row = Row {
    words: &[value("--idle", |line, name, idle| {
        line.play.idle = positive(name, &idle)?;
        Ok(())
    })],
    value: Some("SECONDS"),
    meaning: "longest wait between two outputs",
};

pub const START: Row = Row {
    words: &[value("--start", |line, name, start| {
        line.play.start = positive(name, &start)?;
        Ok(())
    })],
    value: Some("SECONDS"),
    meaning: "start at this time of the recording",
};

pub const TERMINAL: Row = Row {
    words: &[value("--terminal", |line, name, terminal| {
        let text = text(&terminal);
        let number = text.parse().ok().filter(|it| *it > 0);
        line.play.terminal = number.ok_or_else(|| {
            Mistake::value(name, &text, "number of a terminal", "write one, such as 2")
        })?;
        Ok(())
    })],
    value: Some("N"),
    meaning: "terminal of the session; 1 by default",
};

pub const PAGE: Row = Row {
    words: &[or(
        "--output",
        value("-o", |line, _, path| {
            line.page = Some(path.into());
            Ok(())
        }),
    )],
    value: Some("FILE.html"),
    meaning: "file of the HTML report; `-` is standard output",
};

const LOG: Row = Row {
    words: &[value("--log", |line, _, place| {
        line.places.push(place.into());
        Ok(())
    })],
    value: Some("PATH"),
    meaning: "a file, a folder, or `-` for standard input; can be given again",
};

const TIMES: Row = Row {
    words: &[
        value("--since", |line, name, text| {
            line.filter.since = Some(time(name, &text)?);
            Ok(())
        }),
        value("--until", |line, name, text| {
            line.filter.until = Some(time(name, &text)?);
            Ok(())
        }),
    ],
    value: Some("TIME"),
    meaning: "2023-07-04, 2023-07-04T16:42 (UTC), today, yesterday, or 90s, 15m, 2h, 7d ago",
};

const WHO: Row = Row {
    words: &[
        value("--user", |line, _, name| {
            line.filter.users.push(text(&name));
            Ok(())
        }),
        value("--login", |line, _, name| {
            line.filter.logins.push(text(&name));
            Ok(())
        }),
    ],
    value: Some("NAME"),
    meaning: "who logged in; the Unix account",
};

const SESSION: Row = Row {
    words: &[value("--session", |line, _, sid| {
        line.filter.sessions.push(Text::new(&text(&sid)));
        Ok(())
    })],
    value: Some("SID"),
    meaning: "or its beginning",
};

const FAMILY: Row = Row {
    words: &[value("--family", |line, option, name| {
        let name = text(&name);
        let is_family = Family::CHOICES.iter().any(|family| family.name() == name);
        let is_event = EVENTS.iter().any(|row| {
            let full = row.title.name;
            full == name || full.strip_prefix("session.") == Some(&name)
        });
        if !is_family && !is_event {
            let remedy = "write session, command, disk, network or privilege, or an event such as session.disk";
            return Err(Mistake::value(option, &name, "family", remedy));
        }
        line.filter.families.push(name);
        Ok(())
    })],
    value: Some("NAME"),
    meaning: "session, command, disk, network, privilege, or an event's name",
};

const PATH: Row = Row {
    words: &[value("--path", |line, _, path| {
        line.filter.paths.push(Text::path(&text(&path)));
        Ok(())
    })],
    value: Some("PATH"),
    meaning: "this file, or what is below this folder",
};

const ADDRESS: Row = Row {
    words: &[value("--address", |line, name, address| {
        let address = text(&address);
        let remedy = "write 192.0.2.1, 192.0.2.1:443, 192.0.2.0/24 or [2001:db8::1]:443";
        let network = Network::parse(&address);
        let network = network.ok_or_else(|| Mistake::value(name, &address, "address", remedy))?;
        line.filter.addresses.push(network);
        Ok(())
    })],
    value: Some("ADDRESS"),
    meaning: "192.0.2.1, 192.0.2.1:443, 192.0.2.0/24",
};

const TEXT: Row = Row {
    words: &[value("--text", |line, _, wanted| {
        line.filter.texts.push(Text::new(&text(&wanted)));
        Ok(())
    })],
    value: Some("TEXT"),
    meaning: "as in search",
};

const COLOUR: Row = Row {
    words: &[value("--color", |line, name, when| {
        let when = text(&when);
        line.color = match when.as_str() {
            "auto" => Color::Auto,
            "always" => Color::Always,
            "never" => Color::Never,
            _ => {
                return Err(Mistake::value(
                    name,
                    &when,
                    "choice",
                    "write auto, always or never",
                ));
            }
        };
        Ok(())
    })],
    value: Some("WHEN"),
    meaning: "auto, always or never; auto is on a terminal",
};

pub const KEY: Row = Row {
    words: &[value("--key", |line, _, key| {
        line.keys.push(text(&key));
        Ok(())
    })],
    value: Some("FILE|KEY"),
    meaning: "public key that `recorderd seal` printed; can be given again",
};

pub const TAKEN: Row = Row {
    words: &[value("--taken", |line, name, text| {
        line.taken = Some(time(name, &text)?);
        Ok(())
    })],
    value: Some("TIME"),
    meaning: "when a copy of the log was made; by default now",
};

/// What verify takes beside, to know which log.
pub const VERIFYING: &[&Row] = &[&CONFIG_OF_LOG, &LOG, &JSON, &COLOUR];

/// What the commands take that read the log, in the order in which it is shown.
pub const READING: &[&Row] = &[
    &CONFIG_OF_LOG,
    &LOG,
    &TIMES,
    &WHO,
    &SESSION,
    &FAMILY,
    &PATH,
    &ADDRESS,
    &TEXT,
    &JSON,
    &COLOUR,
];

/// Those of them that say where the log is.
pub const PLACES: &[&Row] = READING.split_at(2).0;

/// Those of them that choose events, for a command whose output has a form of its own.
pub const CHOOSING: &[&Row] = READING.split_at(READING.len() - 2).0;

fn text(value: &OsString) -> String {
    value.to_string_lossy().into_owned()
}

fn time(name: &str, value: &OsString) -> Result<i64, Mistake> {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = since_1970.map_or(0, |age| age.as_millis() as i64);
    let text = text(value);
    let remedy = "write 2023-07-04, 2023-07-04T16:42, today, yesterday, or 90s, 15m, 2h, 7d for how long ago";
    moment(&text, now).ok_or_else(|| Mistake::value(name, &text, "time", remedy))
}
