//! `recorderd show SID`: one session as a tree of processes, or event by event.

use std::fmt::Write;
use std::ops::ControlFlow;

use crate::reader::log::{Event, Filter, Source, Text as Wanted};
use line::Object;

use super::fault::Fault;
use super::output::{Form, Output};
use super::read;
use super::request::{Command, Request};
use super::summary::Summary;
use super::tree::{Entry, Process, Step, Tree, What};
use crate::base::quote;
use crate::base::{Text, Weight};
use crate::family::EventType;
use crate::family::describe::{self, duration};

/// Length of a `sid`.
const SID: usize = 36;

/// Shows the session whose id begins with `sid`.
pub fn run(
    sources: &[Source],
    sid: &str,
    request: &Request,
    output: &mut Output,
) -> Result<(), Fault> {
    if request.flat {
        return one(sources, sid, &mut |event| {
            match output.form {
                _ if !request.filter.matches(event) => {}
                Form::Json => output.json(event.line),
                _ => output.text(&describe::line(event)),
            }
            super::go_on(output)
        });
    }
    let tree = tree(sources, sid, request)?;
    let _ = match output.form {
        Form::Json => as_json(&tree, output),
        _ => as_text(&tree, output),
    };
    Ok(())
}

/// Hands on the events of the one session whose id begins with `sid`.
pub fn one(
    sources: &[Source],
    sid: &str,
    visit: &mut dyn FnMut(&Event<'_>) -> ControlFlow<()>,
) -> Result<(), Fault> {
    let filter = Filter {
        sessions: vec![Wanted::new(sid)],
        ..Filter::default()
    };
    let mut found: Option<String> = None;
    let mut other = None;
    read(sources, &filter, &mut |event| {
        let session = event.text("sid").unwrap_or_default();
        if *found.get_or_insert_with(|| session.to_string()) != session {
            other = Some(session.into_owned());
            return ControlFlow::Break(());
        }
        visit(event)?;
        // A whole id has no other session, and nothing comes behind its end.
        match sid.len() >= SID && EventType::of(event) == Some(EventType::End) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    })?;
    match (found, other) {
        (None, _) => Err(Fault::NoSession(sid.to_owned())),
        (Some(one), Some(other)) => Err(Fault::Sessions(sid.to_owned(), [one, other])),
        _ => Ok(()),
    }
}

/// The session whose id begins with `sid`, with the events that the filter takes.
pub fn tree(sources: &[Source], sid: &str, request: &Request) -> Result<Tree, Fault> {
    let lists_opened = matches!(request.command, Command::Report(..));
    // Who asks for a file wants to see it.
    let filter = &request.filter;
    let folds = filter.paths.is_empty() && filter.texts.is_empty() && filter.families.is_empty();
    let mut tree: Option<Tree> = None;
    one(sources, sid, &mut |event| {
        let wanted = request.filter.matches(event);
        tree.get_or_insert_with(|| Tree::new(event, lists_opened, folds))
            .add(event, wanted);
        ControlFlow::Continue(())
    })?;
    let mut tree = tree.ok_or_else(|| Fault::NoSession(sid.to_owned()))?;
    tree.join();
    Ok(tree)
}

/// What is to be said of a session as a whole: names and values.
pub fn head(summary: &Summary) -> Vec<(&'static str, Text)> {
    let printable = |value: &str| {
        let mut out = String::new();
        quote::plain(value, &mut out);
        out
    };
    let time = |value: &str| printable(value).replacen('T', " ", 1).replace('Z', "");
    let mut lines = Vec::new();
    let mut line = |name, weight, value: String| {
        let mut text = Text::default();
        text.add(weight, value);
        lines.push((name, text));
    };
    line("session", Weight::Strong, printable(&summary.session));
    let user = match summary.user == summary.login {
        true => String::new(),
        false => format!(", as {}", printable(&summary.user)),
    };
    line("login", Weight::Strong, printable(&summary.login) + &user);
    if let Some((origin, sid, is_inferred)) = &summary.origin {
        let likely = if *is_inferred { "likely " } else { "" };
        let value = format!("{}, {likely}for {}", printable(origin), printable(sid));
        line("origin", Weight::Normal, value);
    }
    if let Some(from) = &summary.from {
        line("from", Weight::Normal, printable(from));
    }
    let to = summary
        .to
        .as_deref()
        .map_or(String::new(), |to| format!(", {}", printable(to)));
    line("host", Weight::Normal, printable(&summary.host) + &to);
    let begin = time(&summary.begin);
    let missing = if summary.is_whole {
        ""
    } else {
        " or before; its beginning is not in the log"
    };
    line("begin", Weight::Normal, format!("{begin} UTC{missing}"));
    match &summary.end {
        Some(end) => {
            let lasted = duration(summary.milliseconds().saturating_mul(1000));
            line(
                "end",
                Weight::Normal,
                format!("{} UTC, after {lasted}", time(end)),
            );
        }
        None => line(
            "end",
            Weight::Normal,
            "still open, as far as the log goes".into(),
        ),
    }
    let mut counts = String::new();
    for (count, one, many) in [
        (summary.commands, "command", "commands"),
        (summary.files, "file event", "file events"),
        (summary.connections, "connection", "connections"),
    ] {
        let _ = write!(counts, "{count} {}, ", if count == 1 { one } else { many });
    }
    match summary.lost {
        0 => line("events", Weight::Normal, counts + "nothing lost"),
        lost => line("events", Weight::Lost, format!("{counts}{lost} LOST")),
    }
    lines
}

/// What stands for a process.
pub fn heading(process: &Process) -> Text {
    let mut text = Text::default();
    match (process.command(), process.stands()) {
        (Some(entry), _) => text = entry_text(entry),
        (None, Some(command)) => describe::details(&command, &mut text),
        (None, None) => {
            text.add(Weight::Normal, process.program.clone());
            text.add(Weight::Faint, ", which executed no command of its own");
        }
    }
    text.add(Weight::Faint, format!("  [{}]", process.pid));
    text
}

/// An entry, and what became of it.
pub fn entry_text(entry: &Entry) -> Text {
    let mut text = Text::default();
    match &entry.what {
        What::Process(_) => {}
        What::Gap(from, to) if from == to => {
            text.add(
                Weight::Lost,
                format!("LOST: event {from} is not in the log"),
            );
        }
        What::Gap(from, to) => {
            text.add(
                Weight::Lost,
                format!("LOST: events {from} to {to} are not in the log"),
            );
        }
        What::Event(event, outcome) => {
            if let Some(event) = Event::parse(event.as_bytes()) {
                describe::details(&event, &mut text);
            }
            let outcome = outcome
                .as_ref()
                .map(|outcome| Event::parse(outcome.as_bytes()));
            if let Some(outcome) = outcome.flatten() {
                text.add(Weight::Faint, ": ");
                describe::outcome(&outcome, &mut text);
            }
        }
    }
    text
}

/// When an entry was.
pub fn entry_time(entry: &Entry) -> String {
    match &entry.what {
        What::Event(event, _) => {
            Event::parse(event.as_bytes()).map_or(String::new(), |event| describe::time(&event))
        }
        _ => String::new(),
    }
}

/// How many files were opened that are not shown one by one, if any.
pub fn opened(process: &Process) -> Option<String> {
    let files = |count| if count == 1 { "file" } else { "files" };
    match (process.opened, process.refused) {
        (0, 0) => None,
        (0, refused) => Some(format!("could not open {refused} {}", files(refused))),
        (opened, 0) => Some(format!("opened {opened} {} to read", files(opened))),
        (opened, refused) => Some(format!(
            "opened {opened} {} to read, could not open {refused}",
            files(opened)
        )),
    }
}

fn as_text(tree: &Tree, output: &mut Output) -> ControlFlow<()> {
    for (name, value) in head(&tree.summary) {
        let mut text = Text::default();
        text.column(Weight::Faint, name, 8).0.extend(value.0);
        output.text(&text);
    }
    output.text(&Text::default());
    tree.walk(&mut |step| {
        let mut line = |time: String, depth: usize, rest: Text| {
            let mut text = Text::default();
            text.column(Weight::Faint, &time, 23);
            // Deeper ones are not moved further, so that a line stays a line.
            text.add(Weight::Normal, "  ".repeat(depth.min(40)))
                .0
                .extend(rest.0);
            output.text(&text);
        };
        match step {
            Step::Enter(0, _) => {}
            Step::Enter(place, depth) => {
                let process = &tree.processes[place];
                let first = process.command().or(process.entries.first());
                let time = first.map_or(String::new(), entry_time);
                line(time, depth - 1, heading(process));
            }
            Step::Entry(place, entry, depth) => {
                if !tree.processes[place].is_command(entry) {
                    line(entry_time(entry), depth, entry_text(entry));
                }
            }
            Step::Leave(place, depth) => {
                if let Some(opened) = opened(&tree.processes[place]) {
                    let mut text = Text::default();
                    text.add(Weight::Faint, opened);
                    line(String::new(), depth, text);
                }
            }
        }
        super::go_on(output)
    })
}

/// A line for the session, and one for each process, in the order of the tree.
fn as_json(tree: &Tree, output: &mut Output) -> ControlFlow<()> {
    output.json(&tree.summary.json());
    tree.walk(&mut |step| {
        if let Step::Enter(place, depth) = step {
            output.json(&process_json(&tree.processes[place], place, depth));
        }
        super::go_on(output)
    })
}

fn process_json(process: &Process, place: usize, depth: usize) -> String {
    let mut events = String::from("\"events\":[");
    for entry in &process.entries {
        let comma = if events.ends_with('[') { "" } else { "," };
        let _ = match &entry.what {
            What::Process(_) => Ok(()),
            What::Gap(from, to) => write!(
                events,
                "{comma}{{\"missing_from\":{from},\"missing_to\":{to}}}"
            ),
            What::Event(event, None) => write!(events, "{comma}{event}"),
            What::Event(event, Some(outcome)) => {
                let open = event.strip_suffix('}').unwrap_or(event);
                write!(events, "{comma}{open},\"outcome\":{outcome}}}")
            }
        };
    }
    events.push(']');
    Object::text(|object| {
        object.number("process", place as u64);
        if place > 0 {
            object.number("parent", process.parent as u64);
            object.number("depth", depth as u64);
            object.number("pid", process.pid);
            object.string("program", process.program.as_bytes());
            object.number("files_opened", process.opened);
            object.number("files_refused", process.refused);
        }
        object.members(events.as_bytes());
    })
}
