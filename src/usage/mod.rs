//! The command line as its user sees it: told once, for the help, the manual page and the shell.

mod completions;
mod man;
mod mistake;

pub use completions::bash;
pub use man::page;
pub use mistake::mistake;

use std::fmt::Write;

/// What recorderd can be asked to do.
struct Command {
    /// The first word; empty for the daemon itself.
    name: &'static str,
    /// What follows; `[OPTIONS]` stands for those of reading.
    arguments: &'static str,
    meaning: &'static str,
}

const fn command(name: &'static str, arguments: &'static str, meaning: &'static str) -> Command {
    Command {
        name,
        arguments,
        meaning,
    }
}

const SUMMARY: &str = "records every SSH session on this host, from the kernel, as JSON lines";

const COMMANDS: [Command; 18] = [
    command(
        "",
        "--config FILE",
        "record all SSH logins, in the foreground",
    ),
    command(
        "record",
        "[--config FILE] -- COMMAND",
        "record one command as a session of its own",
    ),
    command(
        "check",
        "[--json] [--config FILE]",
        "tell how far this host can be recorded",
    ),
    command(
        "check",
        "--service [--json]",
        "the same, with no more rights than the service has",
    ),
    command(
        "install",
        "[--root DIR] [--force]",
        "put program, config and service on this host",
    ),
    command(
        "uninstall",
        "[--root DIR] [--force]",
        "take them away again; the log stays",
    ),
    command(
        "config",
        "--print-default",
        "print every key of the config and its default",
    ),
    command("config", "check FILE", "tell what is wrong with a config"),
    command(
        "metrics",
        "[--config FILE]",
        "the numbers of the recorder that runs, as OpenMetrics",
    ),
    command("schema", "", "print the JSON Schema of the events"),
    command("man", "", "print the manual page, for man(1)"),
    command(
        "completions",
        "bash",
        "print what lets bash complete this command line",
    ),
    command(
        "sessions",
        "[OPTIONS]",
        "the sessions of the log, a line each",
    ),
    command(
        "show",
        "SID [--flat] [OPTIONS]",
        "a session as a tree of its processes, or by event",
    ),
    command(
        "report",
        "SID -o FILE.html [OPTIONS]",
        "a session as a page that needs nothing else",
    ),
    command(
        "tail",
        "[-f] [-n COUNT] [OPTIONS]",
        "the last events, and with -f each further one",
    ),
    command(
        "search",
        "TEXT [OPTIONS]",
        "events with a text in a command, path or address",
    ),
    command("", "--help | --version", ""),
];

const RECORD: &str = "Without a config, `record` writes events to standard output, and the \
    command's own output goes to\nstandard error.";

const READING: &str = "The log is read from the files of its days, without the daemon:";

/// The options of reading, and what they mean.
const OPTIONS: [(&str, &str); 10] = [
    (
        "--config FILE",
        "its data_dir; else /etc/recorderd.yaml, if there is one",
    ),
    (
        "--log PATH",
        "a file, a folder, or `-` for standard input; can be given again",
    ),
    (
        "--since, --until TIME",
        "2023-07-04, 2023-07-04T16:42 (UTC), or 90s, 15m, 2h, 7d for how long ago",
    ),
    ("--user, --login NAME", "who logged in; the Unix account"),
    ("--session SID", "or its beginning"),
    (
        "--family NAME",
        "session, command, disk, network, privilege, or an event's name",
    ),
    ("--path PATH", "this file, or what is below this folder"),
    (
        "--address ADDRESS",
        "192.0.2.1, 192.0.2.1:443, 192.0.2.0/24",
    ),
    ("--text TEXT", "as in search"),
    (
        "--json, --plain",
        "JSON, or text without colours; else text on a terminal and JSON elsewhere",
    ),
];

const AGAIN: &str = "Of options given more than once, one must fit.";

const EXIT: [(&str, &str); 4] = [
    ("0", "done"),
    ("1", "this host can't be recorded, or the log not be read"),
    ("2", "wrong command line or config"),
    (
        "3",
        "of `check`: not all families can be recorded, but those that the config requires",
    ),
];

const EXIT_OF_RECORD: &str = "`record` exits as its command does.";

/// What `--help` prints.
pub fn help() -> String {
    let mut text = format!("recorderd {SUMMARY}.\n\n{}", commands());
    let _ = write!(text, "\n{RECORD}\n\n{READING}\n");
    for (option, meaning) in OPTIONS {
        let _ = writeln!(text, "  {option:<24}{meaning}");
    }
    let _ = write!(text, "{AGAIN}\n\nExit codes:\n");
    for (code, meaning) in EXIT {
        let _ = writeln!(text, "  {code}  {meaning}");
    }
    let _ = writeln!(text, "{EXIT_OF_RECORD}");
    text
}

/// What it can be asked to do, a line each.
pub fn commands() -> String {
    let mut text = String::from("Usage:\n");
    for command in &COMMANDS {
        let line = format!("recorderd {} {}", command.name, command.arguments).replace("  ", " ");
        let _ = writeln!(
            text,
            "{}",
            format!("  {line:<46}{}", command.meaning).trim_end()
        );
    }
    text
}
