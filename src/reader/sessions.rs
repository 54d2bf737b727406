//! `recorderd sessions`: a line for each session, in the order in which they ended, and then those
//! that are open.

use std::collections::HashMap;

use crate::reader::log::{Filter, Source};

use super::fault::Fault;
use super::output::{Form, Output};
use super::request::Request;
use super::summary::Summary;
use super::{go_on, read};
use crate::base::quote;
use crate::base::{Text, Weight};
use crate::family::describe::duration;

/// Shows the sessions that have an event which the filter takes. Each is forgotten at its end, so
/// that only open ones take memory.
pub fn run(sources: &[Source], request: &Request, output: &mut Output) -> Result<(), Fault> {
    let mut open: HashMap<String, (Summary, bool)> = HashMap::new();
    read(sources, &Filter::default(), &mut |event| {
        let Some(session) = event.text("sid") else {
            return go_on(output);
        };
        if !open.contains_key(&*session) {
            open.insert(session.to_string(), (Summary::new(event), false));
        }
        if let Some((summary, wanted)) = open.get_mut(&*session) {
            summary.add(event);
            *wanted = *wanted || request.filter.matches(event);
            if summary.end.is_some()
                && let Some((summary, true)) = open.remove(&*session)
            {
                show(&summary, output);
            }
        }
        go_on(output)
    })?;
    let mut open: Vec<Summary> = open
        .into_values()
        .filter_map(|(summary, wanted)| wanted.then_some(summary))
        .collect();
    open.sort_by(|a, b| (&a.begin, &a.session).cmp(&(&b.begin, &b.session)));
    for summary in &open {
        show(summary, output);
    }
    Ok(())
}

/// Columns: what they are called, and how wide they are.
const COLUMNS: [(&str, usize); 10] = [
    ("BEGIN (UTC)", 19),
    ("LASTED", 13),
    ("LOGIN", 12),
    ("FROM", 21),
    ("COMMANDS", 8),
    ("FILES", 7),
    ("NETWORK", 7),
    ("LOST", 6),
    ("SESSION", 36),
    ("USER", 0),
];

fn heading(output: &mut Output) {
    let mut text = Text::default();
    for (name, width) in COLUMNS {
        match name {
            "COMMANDS" | "FILES" | "NETWORK" | "LOST" => {
                text.column(Weight::Faint, &format!("{name:>width$}"), width)
            }
            "USER" => text.add(Weight::Faint, name),
            _ => text.column(Weight::Faint, name, width),
        };
    }
    output.text(&text);
}

fn show(summary: &Summary, output: &mut Output) {
    if output.form == Form::Json {
        return output.json(&summary.json());
    }
    if output.is_empty() {
        heading(output);
    }
    let printable = |value: &str| {
        let mut out = String::new();
        quote::plain(value, &mut out);
        out
    };
    let begin: String = printable(&summary.begin)
        .replacen('T', " ", 1)
        .chars()
        .take(19)
        .collect();
    let lasted = match (&summary.end, summary.is_whole) {
        (None, _) => "open".to_owned(),
        (Some(_), _) => duration(summary.milliseconds().saturating_mul(1000)),
    };
    let from = match (&summary.from, &summary.origin) {
        (Some(from), _) => from.clone(),
        // As much of it as `show` needs.
        (None, Some((origin, sid, _))) => {
            format!("{origin} {}", sid.chars().take(8).collect::<String>())
        }
        (None, None) => "-".to_owned(),
    };
    let number = |count: u64, column: usize| format!("{count:>width$}", width = COLUMNS[column].1);
    let lost = if summary.lost > 0 {
        Weight::Lost
    } else {
        Weight::Faint
    };
    let mut text = Text::default();
    text.column(Weight::Normal, &begin, COLUMNS[0].1)
        .column(Weight::Normal, &lasted, COLUMNS[1].1)
        .column(Weight::Strong, &printable(&summary.login), COLUMNS[2].1)
        .column(Weight::Normal, &printable(&from), COLUMNS[3].1)
        .column(Weight::Normal, &number(summary.commands, 4), COLUMNS[4].1)
        .column(Weight::Normal, &number(summary.files, 5), COLUMNS[5].1)
        .column(
            Weight::Normal,
            &number(summary.connections, 6),
            COLUMNS[6].1,
        )
        .column(lost, &number(summary.lost, 7), COLUMNS[7].1)
        .column(Weight::Faint, &printable(&summary.session), COLUMNS[8].1)
        .add(Weight::Normal, printable(&summary.user));
    output.text(&text);
}
