//! The commands: a row for each, from which all else is made that knows them.

use super::failure::Done;
use super::line::Line;
use super::option::{
    CHOOSING, CONFIG, COUNT, FLAT, FOLLOW, FORCE, HELP, IDLE, JSON, KEY, PAGE, PLACES, READING,
    ROOT, Row, SERVICE, SPEED, START, TAKEN, TERMINAL, VERIFYING, VERSION,
};
use super::{check, daemon, install, metrics, print, read, record, seal};

/// What recorderd can be asked to do by one word.
pub struct Command {
    /// The word; empty for the daemon itself.
    pub name: &'static str,
    /// Ways to write it, each with a line of its own.
    pub forms: &'static [Form],
    /// What to say where a second word is needed and not there.
    pub second: &'static str,
}

/// One way to write a command.
pub struct Form {
    /// The second word, where forms differ by it.
    pub word: Option<&'static str>,
    /// What follows.
    pub parts: &'static [Part],
    /// What it does, in one line.
    pub meaning: &'static str,
    /// Does it.
    pub run: fn(Line) -> Done,
}

/// What follows a command.
pub enum Part {
    /// An option that can be left away.
    May(&'static Row),
    /// An option that makes this form what it is.
    With(&'static Row),
    /// An option that is needed, and what to say where it is not there.
    Needs(&'static Row, &'static str),
    /// Options that are shown elsewhere.
    Options(&'static [&'static Row]),
    /// A word that stands for something, and what to say where it is not there.
    Object(&'static str, &'static str),
    /// A command and its arguments, and what to say where there is none.
    Command(&'static str),
    /// One of the options of which each is a form.
    Either(&'static [&'static Row]),
}

const fn alone(name: &'static str, forms: &'static [Form]) -> Command {
    Command {
        name,
        forms,
        second: "",
    }
}

const fn form(parts: &'static [Part], meaning: &'static str, run: fn(Line) -> Done) -> Form {
    Form {
        word: None,
        parts,
        meaning,
        run,
    }
}

const fn named(word: &'static str, form: Form) -> Form {
    Form {
        word: Some(word),
        ..form
    }
}

const NO_SID: &str = "no SID is given; `recorderd sessions` shows them";

/// All of them, in the order in which they are shown: the daemon first, at the end what is asked
/// without a command.
static COMMANDS: [Command; 19] = [
    alone(
        "",
        &[form(
            &[Part::With(&CONFIG)],
            "record all SSH logins, in the foreground",
            daemon::run,
        )],
    ),
    alone(
        "record",
        &[form(
            &[
                Part::May(&CONFIG),
                Part::Command("no command is given; write it after `--`"),
            ],
            "record one command as a session of its own",
            record::run,
        )],
    ),
    alone(
        "check",
        &[
            form(
                &[Part::May(&JSON), Part::May(&CONFIG)],
                "tell how far this host can be recorded",
                check::run,
            ),
            form(
                &[Part::With(&SERVICE), Part::May(&JSON)],
                "the same, with no more rights than the service has",
                check::run,
            ),
        ],
    ),
    alone(
        "install",
        &[form(
            &[Part::May(&ROOT), Part::May(&FORCE)],
            "put program, config and service on this host",
            install::install,
        )],
    ),
    alone(
        "uninstall",
        &[form(
            &[Part::May(&ROOT), Part::May(&FORCE)],
            "take them away again; the log is kept",
            install::uninstall,
        )],
    ),
    Command {
        name: "config",
        forms: &[
            named(
                "--print-default",
                form(
                    &[],
                    "print every key of the config and its default",
                    print::defaults,
                ),
            ),
            named(
                "check",
                form(
                    &[Part::Object("FILE", "no file is given; name one")],
                    "tell what is wrong with a config",
                    check::config,
                ),
            ),
        ],
        second: "use --print-default, or check FILE",
    },
    alone(
        "metrics",
        &[form(
            &[Part::May(&CONFIG)],
            "the numbers of the recorder that runs, as OpenMetrics",
            metrics::run,
        )],
    ),
    alone(
        "schema",
        &[form(
            &[],
            "print the JSON Schema of the events",
            print::schema,
        )],
    ),
    alone(
        "man",
        &[form(&[], "print the manual page, for man(1)", print::man)],
    ),
    Command {
        name: "completions",
        forms: &[named(
            "bash",
            form(
                &[],
                "print what lets bash complete this command line",
                print::bash,
            ),
        )],
        second: "no shell is given; there are those for bash",
    },
    alone(
        "sessions",
        &[form(
            &[Part::Options(READING)],
            "the sessions of the log, a line each",
            read::sessions,
        )],
    ),
    alone(
        "show",
        &[form(
            &[
                Part::Object("SID", NO_SID),
                Part::May(&FLAT),
                Part::Options(READING),
            ],
            "a session as a tree of its processes, or by event",
            read::show,
        )],
    ),
    alone(
        "play",
        &[form(
            &[
                Part::Object("SID", NO_SID),
                Part::May(&SPEED),
                Part::May(&IDLE),
                Part::May(&START),
                Part::May(&TERMINAL),
                Part::Options(PLACES),
            ],
            "the output of a terminal, as it was",
            read::play,
        )],
    ),
    alone(
        "report",
        &[form(
            &[
                Part::Object("SID", NO_SID),
                Part::Needs(&PAGE, "no file is given; use -o FILE.html"),
                Part::Options(CHOOSING),
            ],
            "a session as a page that needs nothing else",
            read::report,
        )],
    ),
    alone(
        "tail",
        &[form(
            &[
                Part::May(&FOLLOW),
                Part::May(&COUNT),
                Part::Options(READING),
            ],
            "the last events, and with -f each further one",
            read::tail,
        )],
    ),
    alone(
        "search",
        &[form(
            &[
                Part::Object("TEXT", "no TEXT is given"),
                Part::Options(READING),
            ],
            "events with a text in a command, path or address",
            read::search,
        )],
    ),
    alone(
        "verify",
        &[form(
            &[Part::May(&KEY), Part::May(&TAKEN), Part::Options(VERIFYING)],
            "tell whether the log is what was sealed, and where it isn't",
            seal::verify,
        )],
    ),
    alone(
        "seal",
        &[form(
            &[Part::May(&CONFIG)],
            "print the first public key of the log's seal",
            seal::key,
        )],
    ),
    alone(
        "",
        &[form(&[Part::Either(&[&HELP, &VERSION])], "", daemon::run)],
    ),
];

/// All of them, in the order in which they are shown.
pub fn all() -> impl Iterator<Item = &'static Command> {
    COMMANDS.iter()
}

/// The command of a name.
pub fn called(name: &str) -> Option<&'static Command> {
    all().find(|command| command.name == name)
}

/// The names, in the order in which they are shown.
pub fn names() -> impl Iterator<Item = &'static str> {
    all()
        .map(|command| command.name)
        .filter(|name| !name.is_empty())
}

impl Command {
    /// The form that is asked for where no second word says which.
    pub fn first(&self) -> Option<&'static Form> {
        self.forms.iter().find(|form| form.word.is_none())
    }

    /// The rows of all options it takes, a row that is in several forms once for each.
    pub fn options(&self) -> impl Iterator<Item = &'static Row> + use<> {
        let parts = self.forms.iter().flat_map(|form| form.parts);
        parts.flat_map(Part::options).copied()
    }
}

impl Form {
    /// What follows the command, as it is shown.
    pub fn text(&self) -> String {
        let parts = self.parts.iter().map(Part::text);
        let words = self.word.map(str::to_owned).into_iter().chain(parts);
        words.collect::<Vec<_>>().join(" ")
    }

    /// How many objects it takes.
    pub fn objects(&self) -> usize {
        let objects = self
            .parts
            .iter()
            .filter(|part| matches!(part, Part::Object(..)));
        objects.count()
    }

    /// Whether a command and its arguments follow.
    pub fn takes_command(&self) -> bool {
        self.parts
            .iter()
            .any(|part| matches!(part, Part::Command(_)))
    }
}

impl Part {
    /// The options of which it consists.
    pub fn options(&'static self) -> &'static [&'static Row] {
        match self {
            Self::May(row) | Self::With(row) | Self::Needs(row, _) => std::slice::from_ref(row),
            Self::Options(rows) | Self::Either(rows) => rows,
            Self::Object(..) | Self::Command(_) => &[],
        }
    }

    fn text(&self) -> String {
        match self {
            Self::May(row) => format!("[{}]", row.text()),
            Self::With(row) | Self::Needs(row, _) => row.text(),
            Self::Options(_) => "[OPTIONS]".to_owned(),
            Self::Object(name, _) => (*name).to_owned(),
            Self::Command(_) => "-- COMMAND".to_owned(),
            Self::Either(rows) => rows
                .iter()
                .map(|row| row.text())
                .collect::<Vec<_>>()
                .join(" | "),
        }
    }
}
