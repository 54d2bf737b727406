//! `recorderd report SID -o FILE.html`: one session as one page, that needs nothing else.
//!
//! All that comes from the session is text in the page, with its hidden characters as escapes and
//! `& < > " '` as references: never an attribute, never in the script. The policy of the page allows
//! the one script and the one style that are known by their hashes, and no network.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use base64::engine::{Engine, general_purpose::STANDARD};
use sha2::{Digest, Sha256};

use crate::reader::log::{Event, Source};

use super::fault::Fault;
use super::request::Request;
use super::show::{self, entry_text, entry_time, heading, opened};
use super::tree::{Entry, Step, Tree, What};
use crate::base::{Text, Weight};
use crate::family::{self, describe};

const STYLE: &str = include_str!("report.css");
const SCRIPT: &str = include_str!("report.js");

/// Folds inside one another, at most: browsers stop at 512 elements. What is deeper stands in the
/// innermost, and says how deep it is.
const DEPTH: usize = 100;

/// Writes the page of the session whose id begins with `sid`; `-` is standard output.
pub fn run(sources: &[Source], sid: &str, request: &Request, page: &Path) -> Result<(), Fault> {
    let tree = show::tree(sources, sid, request)?;
    let written = match page.as_os_str() == "-" {
        true => write(&tree, &mut BufWriter::new(io::stdout().lock())),
        // As readable as the log.
        false => OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o640)
            .open(page)
            .and_then(|file| write(&tree, &mut BufWriter::new(file))),
    };
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Fault::Page(page.to_owned(), error))
        }
        _ => Ok(()),
    }
}

fn write(tree: &Tree, out: &mut dyn Write) -> io::Result<()> {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text));
    let session = show::head(&tree.summary);
    write!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         style-src 'sha256-{}'; script-src 'sha256-{}'; base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>Session {}</title>\n<style>{STYLE}</style>\n\
         <h1>Recorded session</h1>\n<dl>\n",
        hash(STYLE),
        hash(SCRIPT),
        html(&session[0].1),
    )?;
    for (name, text) in &session {
        writeln!(out, "<dt>{name}</dt><dd><code>{}</code></dd>", html(text))?;
    }
    out.write_all(
        b"</dl>\n<nav><span id=\"tools\" hidden><input type=\"search\" placeholder=\"Search\" \
          aria-label=\"Search\"> <button id=\"unfold\">Unfold all</button> \
          <button id=\"fold\">Fold all</button> <output></output></span>\n\
          <a href=\"#processes\">Processes</a> <a href=\"#time\">Time line</a> \
          <a href=\"#files\">Files</a> <a href=\"#peers\">Peers</a></nav>\n",
    )?;
    processes(tree, out)?;
    let mut all: Vec<(usize, &Entry)> = Vec::new();
    for (place, process) in tree.processes.iter().enumerate() {
        let shown = process.entries.iter();
        all.extend(shown.map(|entry| (place, entry)));
    }
    all.retain(|(_, entry)| !matches!(entry.what, What::Process(_)));
    all.sort_by_key(|(_, entry)| entry.order);
    time_line(tree, &all, out)?;
    let changed = uses(&all, "disk");
    table(out, "files", "Files changed", &changed)?;
    read_only(tree, out)?;
    table(out, "peers", "Peers", &uses(&all, "network"))?;
    write!(out, "<script>{SCRIPT}</script>\n</html>\n")?;
    out.flush()
}

/// The tree, which folds.
fn processes(tree: &Tree, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(b"<section id=\"processes\"><h2>Processes</h2>\n<ul>\n")?;
    let mut result = Ok(());
    let _ = tree.walk(&mut |step| {
        result = match step {
            Step::Enter(0, _) | Step::Leave(0, _) => Ok(()),
            Step::Enter(place, depth) => {
                let process = &tree.processes[place];
                let first = process.command().or(process.entries.first());
                let time = first.map_or(String::new(), entry_time);
                let (time, text) = (stamp(&time), html(&heading(process)));
                match depth > DEPTH {
                    true => writeln!(out, "<li class=\"row\">{time}{text}, {depth} deep</li>"),
                    false => writeln!(
                        out,
                        "<li><details class=\"process\" open><summary class=\"row\">{time}{text}</summary><ul>"
                    ),
                }
            }
            Step::Entry(place, entry, _) if tree.processes[place].is_command(entry) => Ok(()),
            Step::Entry(_, entry, _) => {
                let (time, text) = (entry_time(entry), html(&entry_text(entry)));
                writeln!(out, "<li class=\"row\">{}{text}</li>", stamp(&time))
            }
            Step::Leave(place, depth) => {
                let opened = opened(&tree.processes[place]).map_or(String::new(), |opened| {
                    format!("<li class=\"row faint\">{opened}</li>")
                });
                let end = if depth > DEPTH { "" } else { "</ul></details></li>" };
                writeln!(out, "{opened}{end}")
            }
        };
        match result {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    });
    result?;
    out.write_all(b"</ul></section>\n")
}

/// All that is kept, in the order of time.
fn time_line(tree: &Tree, all: &[(usize, &Entry)], out: &mut dyn Write) -> io::Result<()> {
    out.write_all(
        b"<section id=\"time\"><h2>Time line</h2>\n\
          <table><tr><th>Time (UTC)</th><th>Process</th><th>What</th></tr>\n",
    )?;
    for (place, entry) in all {
        let process = &tree.processes[*place];
        let name = match place {
            0 => String::new(),
            _ => escaped(&format!("{}[{}]", process.program, process.pid)),
        };
        writeln!(
            out,
            "<tr class=\"row\"><td class=\"time\">{}</td><td class=\"name\">{name}</td><td>{}</td></tr>",
            escaped(&entry_time(entry)),
            html(&entry_text(entry))
        )?;
    }
    out.write_all(b"</table></section>\n")
}

/// How often something was done.
struct Use {
    what: String,
    first: String,
    count: u64,
    failed: u64,
}

/// What was done in events of a family, each once, in the order of time.
fn uses(all: &[(usize, &Entry)], family: &str) -> Vec<Use> {
    let mut found: Vec<Use> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for (_, entry) in all {
        let What::Event(event, outcome) = &entry.what else {
            continue;
        };
        let Some(event) = Event::parse(event.as_bytes()) else {
            continue;
        };
        if family::family(&event) != family || family::is_loss(&event) {
            continue;
        }
        let outcome = outcome
            .as_ref()
            .and_then(|outcome| Event::parse(outcome.as_bytes()));
        let result = outcome.and_then(|outcome| outcome.number("result"));
        let failed = result
            .or_else(|| event.number("return_code"))
            .is_some_and(|code| code < 0);
        let mut text = Text::default();
        describe::details(&event, &mut text);
        let what = html(&text);
        let place = *places.entry(what.clone()).or_insert_with(|| {
            found.push(Use {
                what,
                first: entry_time(entry),
                count: 0,
                failed: 0,
            });
            found.len() - 1
        });
        found[place].count += 1;
        found[place].failed += u64::from(failed);
    }
    found
}

fn table(out: &mut dyn Write, id: &str, title: &str, uses: &[Use]) -> io::Result<()> {
    writeln!(out, "<section id=\"{id}\"><h2>{title}</h2>")?;
    if uses.is_empty() {
        return out.write_all(b"<p>None are on record.</p></section>\n");
    }
    out.write_all(
        b"<table><tr><th>First (UTC)</th><th>Times</th><th>Failed</th><th>What</th></tr>\n",
    )?;
    for Use {
        what,
        first,
        count,
        failed,
    } in uses
    {
        writeln!(
            out,
            "<tr class=\"row\"><td class=\"time\">{}</td><td>{count}</td><td>{failed}</td><td>{what}</td></tr>",
            escaped(first)
        )?;
    }
    out.write_all(b"</table></section>\n")
}

/// Files that were opened and not changed, by name.
fn read_only(tree: &Tree, out: &mut dyn Write) -> io::Result<()> {
    let mut files: Vec<_> = tree.opened.iter().collect();
    files.sort();
    write!(
        out,
        "<section id=\"opened\"><h2>Files opened to read</h2>\n\
         <details><summary>{} files</summary>\n<table><tr><th>Times</th><th>Failed</th><th>File</th></tr>\n",
        files.len()
    )?;
    for (path, (count, failed)) in files {
        let path = escaped(path);
        writeln!(
            out,
            "<tr class=\"row\"><td>{count}</td><td>{failed}</td><td>{path}</td></tr>"
        )?;
    }
    out.write_all(b"</table></details></section>\n")
}

fn stamp(time: &str) -> String {
    match time.is_empty() {
        true => String::new(),
        false => format!("<span class=\"time\">{}</span> ", escaped(time)),
    }
}

fn html(text: &Text) -> String {
    let mut out = String::new();
    for (weight, piece) in &text.0 {
        let (open, close) = match weight {
            Weight::Normal => ("", ""),
            Weight::Faint => ("<span class=\"faint\">", "</span>"),
            Weight::Strong => ("<b>", "</b>"),
            Weight::Failed => ("<span class=\"failed\">", "</span>"),
            Weight::Lost => ("<span class=\"lost\">", "</span>"),
        };
        out.push_str(open);
        out.push_str(&escaped(piece));
        out.push_str(close);
    }
    out
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}
