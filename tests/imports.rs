//! Imports in `src/` go one way: docs/design.md lists its folders and files from top to bottom, and each of them
//! imports only what stands below it there.

use std::fs;
use std::path::{Path, PathBuf};

const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
const DESIGN: &str = include_str!("../docs/design.md");

/// What may import everything, what is a crate of its own, and what only tests have.
const ROOT: &str = "lib";
const CRATE: &str = "line";
const OF_TESTS: &str = "random";

/// The list, from bottom to top.
fn order() -> Vec<&'static str> {
    let (_, layout) = DESIGN.split_once("\n## Layout\n").expect("a layout");
    let rows = layout.lines().filter_map(|line| line.strip_prefix("| `"));
    let mut names: Vec<_> = rows
        .map(|row| row.split('`').next().unwrap_or_default())
        .map(|name| name.trim_end_matches(".rs").trim_end_matches('/'))
        .collect();
    names.reverse();
    names
}

/// Every source file below a folder.
fn files(folder: &Path, into: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, into);
        } else if path.extension().is_some_and(|it| it == "rs") {
            into.push(path);
        }
    }
}

/// The folder or file directly in `src/` that a file belongs to.
fn top(path: &Path) -> String {
    let inside = path.strip_prefix(SOURCES).unwrap();
    let first = Path::new(inside.iter().next().unwrap());
    first.file_stem().unwrap().to_str().unwrap().to_owned()
}

/// What a line imports by the name of this crate: the folders or files directly in `src/`.
fn imported<'a>(line: &'a str, of_crate: &str) -> Vec<&'a str> {
    let code = line.split("//").next().unwrap_or_default();
    let word = |text: &'a str| {
        let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
        &text[..end.unwrap_or(text.len())]
    };
    let mut found = Vec::new();
    for (at, _) in code.match_indices(of_crate) {
        let is_word = !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$');
        let behind = &code[at + of_crate.len()..];
        match behind.strip_prefix('{') {
            // rustfmt would spread a longer list over lines, so that one line is not all of it.
            Some(list) if is_word => found.extend(list.split(',').map(|one| word(one.trim()))),
            None if is_word => found.push(word(behind)),
            _ => {}
        }
    }
    found.retain(|name| !name.is_empty());
    found
}

/// What a file may not import, with the line, and both names.
fn wrong(path: &Path, text: &str, order: &[&str]) -> Vec<String> {
    let from = top(path);
    let place = |name: &str| order.iter().position(|it| *it == name);
    let of_crate = match from.as_str() {
        "main" => "recorderd::",
        _ => "crate::",
    };
    let mut wrong = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for to in imported(line, of_crate) {
            // A macro of the crate's stands at its root.
            let is_below = to == "report" || to == OF_TESTS || place(to) <= place(&from);
            if !is_below || (place(to).is_none() && to != "report" && to != OF_TESTS) {
                let file = path.strip_prefix(SOURCES).unwrap().display();
                wrong.push(format!(
                    "src/{file}:{}: {from} imports {to}, which is not below it in docs/design.md",
                    index + 1
                ));
            }
        }
    }
    wrong
}

#[test]
fn each_folder_imports_only_those_below_it() {
    let order = order();
    let mut all = Vec::new();
    files(Path::new(SOURCES), &mut all);
    all.retain(|path| top(path) != ROOT);
    let mut tops: Vec<_> = all.iter().map(|path| top(path)).collect();
    tops.sort();
    tops.dedup();
    let mut listed: Vec<_> = order.iter().map(|name| (*name).to_owned()).collect();
    listed.sort();
    assert_eq!(tops, listed, "docs/design.md lists each of them once");
    let wrong: Vec<_> = all
        .iter()
        .filter(|path| top(path) != CRATE)
        .flat_map(|path| wrong(path, &fs::read_to_string(path).unwrap(), &order))
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn an_import_of_what_stands_above_is_found() {
    let order = ["base", "event", "output"];
    let path = |name: &str| Path::new(SOURCES).join(name);
    let text = "use crate::base::Clock;\n// crate::output\nuse crate::output::Sink;\nfn f() { crate::report!(\"\") }\n";
    assert_eq!(
        wrong(&path("event/act.rs"), text, &order),
        ["src/event/act.rs:3: event imports output, which is not below it in docs/design.md"]
    );
    assert_eq!(wrong(&path("output/mod.rs"), text, &order), [""; 0]);
    assert_eq!(
        wrong(&path("base/mod.rs"), "use crate::{base, event};", &order),
        ["src/base/mod.rs:1: base imports event, which is not below it in docs/design.md"]
    );
    assert_eq!(
        wrong(&path("output.rs"), "use crate::gone::It;", &order),
        ["src/output.rs:1: output imports gone, which is not below it in docs/design.md"]
    );
}
