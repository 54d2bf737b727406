//! What docs/threat-model.md, docs/loss.md and docs/limitations.md say is shown by a test: the test is there, and each
//! way to hide something has one, or says that it has none.

use std::fs;
use std::path::{Path, PathBuf};

const TOP: &str = env!("CARGO_MANIFEST_DIR");
pub(crate) const THREATS: &str = include_str!("../docs/threat-model.md");
pub(crate) const LOSS: &str = include_str!("../docs/loss.md");
pub(crate) const LIMITATIONS: &str = include_str!("../docs/limitations.md");

/// What looks like a test's name, and is a line of the config.
const SETTING: &str = "overload: throttle";

/// The rows of a page's tables, without heads, as cells.
pub(crate) fn rows(page: &str) -> Vec<Vec<&str>> {
    let is_row = |line: &&str| line.starts_with("| ") && !line.ends_with("| test |");
    let cells = |line| {
        str::trim_matches(line, '|')
            .split(" | ")
            .map(str::trim)
            .collect()
    };
    page.lines().filter(is_row).map(cells).collect()
}

/// What is between backticks, each with the text before it.
fn quoted(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut parts = text.split('`');
    std::iter::from_fn(move || Some((parts.next()?, parts.next()?)))
}

/// Each test that a text names, as its file and its name; of files as a whole, without name. Behind a test others of
/// the same file can follow. Of a cell that has nothing but tests, each name that is none of a file counts as one.
pub(crate) fn named(text: &str, is_of_tests: bool) -> Vec<(String, Option<String>)> {
    let mut named: Vec<(String, Option<String>)> = Vec::new();
    let mut file = None;
    for (before, quoted) in quoted(text) {
        let is_file = |name: &str| Path::new(TOP).join(format!("tests/{name}.rs")).exists();
        let follows = is_of_tests || [",", ", ", " and "].contains(&before);
        if quoted.starts_with("tests/") || quoted.starts_with("src/") {
            // Of a command the program.
            let (path, _) = quoted.split_once(' ').unwrap_or((quoted, ""));
            named.push((path.to_owned(), None));
        } else if let Some((of, name)) = quoted.split_once(": ")
            && of
                .replace("::", "")
                .chars()
                .all(|it| it.is_ascii_lowercase() || it == '_')
            && (is_file(of) || of.contains("::"))
            && quoted != SETTING
        {
            file = Some(of);
            named.push((of.to_owned(), Some(name.to_owned())));
        } else if is_of_tests && is_file(quoted) {
            named.push((format!("tests/{quoted}.rs"), None));
        } else if let Some(file) = file.filter(|_| follows && !quoted.contains('=')) {
            named.push((file.to_owned(), Some(quoted.to_owned())));
        } else {
            file = None;
        }
    }
    named
}

/// The text of a module's tests: below tests/, or beside the code.
fn texts(module: &str) -> Vec<String> {
    let mut found = Vec::new();
    let inner = format!("src/{}", module.replace("::", "/"));
    for path in [
        format!("tests/{module}.rs"),
        format!("{inner}.rs"),
        format!("{inner}/tests.rs"),
    ] {
        found.extend(fs::read_to_string(Path::new(TOP).join(path)));
    }
    found
}

/// Whether a test of this name is there; `…` stands for what names nearby have in common.
pub(crate) fn is_there(file: &str, name: Option<&str>) -> bool {
    let Some(name) = name else {
        // `a/{b,c}.rs` are two.
        let (before, rest) = file.split_once('{').unwrap_or((file, "}"));
        let (middle, after) = rest.split_once('}').unwrap();
        let exists = |part| {
            let path: PathBuf = [TOP, &format!("{before}{part}{after}")].iter().collect();
            path.exists()
        };
        return middle.split(',').all(exists);
    };
    let as_text = match name.split_once('…') {
        Some(("", end)) => format!("{}\"", end),
        Some((begin, _)) => format!("\"{begin}"),
        None => format!("\"{name}\""),
    };
    let as_function = format!("fn {}()", name.replace([' ', ':'], "_").replace("__", "_"));
    let has = |text: &String| text.contains(&as_text) || text.contains(&as_function);
    texts(file).iter().any(has)
}

/// What of a page is in no table, without the line feeds and indents where it is cut.
pub(crate) fn prose(page: &str) -> String {
    let lines: Vec<_> = page
        .lines()
        .filter(|line| !line.starts_with("| "))
        .collect();
    lines.join(" ").replace("   ", " ")
}

/// What is named and is no test.
fn missing(page: &str) -> Vec<String> {
    let cells: Vec<_> = rows(page)
        .into_iter()
        .filter_map(|row| row.last().copied())
        .collect();
    let prose = prose(page);
    let all = cells
        .iter()
        .flat_map(|cell| named(cell, true))
        .chain(named(&prose, false));
    all.filter(|(file, name)| !is_there(file, name.as_deref()))
        .map(|(file, name)| format!("{file}: {}", name.unwrap_or_default()))
        .collect()
}

#[test]
fn each_test_that_is_named_is_there() {
    for page in [THREATS, LOSS, LIMITATIONS] {
        assert_eq!(missing(page), [""; 0]);
    }
}

#[test]
fn each_row_has_a_test_or_says_that_there_is_none() {
    for page in [THREATS, LOSS] {
        let rows = rows(page);
        assert!(rows.len() > 20);
        let lacks = |row: &&Vec<&str>| {
            let test = row.last().unwrap();
            named(test, true).is_empty() && !test.starts_with("none: ")
        };
        let lacking: Vec<_> = rows.iter().filter(lacks).collect();
        assert!(lacking.is_empty(), "{lacking:#?}");
    }
}

/// The comparison notices what it is there for.
#[test]
fn a_test_that_is_not_there_is_noticed() {
    let row = "| a way | `session: what outlives the client`, `an invented one` |\n\
               | another | `sink::invented: it` |\nProse, `session: not there`, `nor this`, and `origin`";
    let expected = [
        "session: an invented one",
        "sink::invented: it",
        "session: not there",
        "session: nor this",
    ];
    assert_eq!(missing(row), expected);
}
