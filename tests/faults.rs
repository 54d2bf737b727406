//! Each fault of tests/mutants can be put in, and the test that has to notice it is there: whoever moves code or
//! renames a test learns here which faults name it.

use crate::shown::{LIMITATIONS, LOSS, THREATS, is_there, named, prose, rows};
use std::collections::HashSet;
use std::fs;
use std::path::Path;

const TOP: &str = env!("CARGO_MANIFEST_DIR");
const WITHOUT: &str = include_str!("mutants/without");
const CONTRIBUTING: &str = include_str!("../docs/contributing.md");

/// One entry of a list. tests/mutants/run says what its parts are.
struct Fault {
    what: String,
    file: String,
    tests: Vec<String>,
    before: String,
    after: String,
}

/// The entries of a list, which may begin with comments.
fn entries(list: &str) -> Vec<Fault> {
    let entry = |text: &str| {
        let (head, change) = text.split_once("\n---\n").expect(text);
        // What is put in may be nothing.
        let change = format!("{change}\n");
        let (before, after) = change.split_once("\n+++\n").expect(text);
        let fields = |name: &str| -> Vec<String> {
            let value = |line: &str| Some(line.strip_prefix(name)?.strip_prefix(": ")?.to_owned());
            let found: Vec<_> = head.lines().filter_map(value).collect();
            assert!(!found.is_empty(), "no line `{name}: `\n{text}");
            found
        };
        Fault {
            what: fields("fault").remove(0),
            file: fields("file").remove(0),
            tests: fields("test"),
            before: before.to_owned(),
            after: after.strip_suffix('\n').unwrap_or(after).to_owned(),
        }
    };
    list.split_terminator("\n===\n").map(entry).collect()
}

/// All faults.
fn faults() -> Vec<Fault> {
    let files = fs::read_dir(Path::new(TOP).join("tests/mutants")).unwrap();
    let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|it| it == "faults"));
    paths.sort();
    let texts = paths.iter().map(|path| fs::read_to_string(path).unwrap());
    texts.flat_map(|text| entries(&text)).collect()
}

/// Why a fault can't be played.
fn problem(fault: &Fault) -> Option<String> {
    let Ok(text) = fs::read_to_string(Path::new(TOP).join(&fault.file)) else {
        return Some(format!("there is no {}", fault.file));
    };
    let is_missing = |named: &&String| {
        let (program, test) = named.split_once(' ').unwrap();
        let parts = match program {
            "lib" => test.rsplit_once("::tests::"),
            _ => test.split_once("::"),
        };
        !parts.is_some_and(|(file, name)| is_there(file, Some(name)))
    };
    match text.matches(&fault.before).count() {
        _ if fault.before == fault.after => Some("it changes nothing".to_owned()),
        1 => fault
            .tests
            .iter()
            .find(is_missing)
            .map(|test| format!("there is no test {test}")),
        count => Some(format!("its text stands {count} times in {}", fault.file)),
    }
}

#[test]
fn each_fault_can_be_put_in_and_has_its_test() {
    let problems: Vec<_> = faults()
        .iter()
        .filter_map(|fault| Some(format!("{}: {}", fault.what, problem(fault)?)))
        .collect();
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn no_fault_is_there_twice_and_their_number_is_told() {
    let faults = faults();
    let mut seen = HashSet::new();
    let mut is_new = |fault: &Fault| {
        let change = [&fault.file, &fault.before, &fault.after].map(String::clone);
        seen.insert(vec![fault.what.clone()]) & seen.insert(change.to_vec())
    };
    let twice: Vec<_> = faults
        .iter()
        .filter(|fault| !is_new(fault))
        .map(|fault| &fault.what)
        .collect();
    assert!(twice.is_empty(), "{twice:#?}");
    let number = format!("the {} faults", faults.len());
    assert!(CONTRIBUTING.contains(&number), "{number}");
}

/// A test that a page names: its file and its name; of files as a whole, without name.
type Named = (String, Option<String>);

/// Whether it is this test of a fault; `…` stands for what names nearby have in common.
fn is_test(test: &str, (file, name): &Named) -> bool {
    let (_, test) = test.split_once(' ').unwrap();
    let (of, is) = match test.split_once("::tests::") {
        Some((module, function)) => (module, function.replace('_', " ")),
        None => test
            .split_once("::")
            .map(|(of, is)| (of, is.to_owned()))
            .unwrap(),
    };
    match name {
        None => *file == format!("tests/{of}.rs"),
        Some(_) if file != of => false,
        Some(name) => match name.split_once('…') {
            Some((begin, end)) => is.starts_with(begin) && is.ends_with(end),
            None => [name.replace(':', ""), name.clone()]
                .iter()
                .any(|it| is == *it || is.replace('_', " ") == *it),
        },
    }
}

/// The promises of the pages that no fault breaks, by the first test that shows each.
fn unbroken(pages: &[(&str, &str)], faults: &[Fault]) -> Vec<String> {
    let mut unbroken = Vec::new();
    for (title, page) in pages {
        let cells = rows(page)
            .into_iter()
            .map(|row| named(row.last().unwrap(), true));
        let prose = prose(page);
        let single = named(&prose, false).into_iter().map(|test| vec![test]);
        // Of files as a whole prose tells other things.
        let single = single.filter(|tests| tests[0].1.is_some());
        for tests in cells.chain(single).filter(|tests| !tests.is_empty()) {
            let is_broken = |by: &String| tests.iter().any(|test| is_test(by, test));
            if !faults.iter().flat_map(|fault| &fault.tests).any(is_broken) {
                let (file, name) = &tests[0];
                let name = name.as_ref().map(|name| format!(": {name}"));
                unbroken.push(format!("{title} {file}{}", name.unwrap_or_default()));
            }
        }
    }
    unbroken.sort();
    unbroken.dedup();
    unbroken
}

/// tests/mutants/without has the others, each below the reason, and no more.
#[test]
fn each_promise_is_broken_by_a_fault() {
    let pages = [
        ("threat-model", THREATS),
        ("loss", LOSS),
        ("limitations", LIMITATIONS),
    ];
    let mut listed: Vec<_> = WITHOUT.lines().collect();
    listed.retain(|line| !line.is_empty() && !line.starts_with('#'));
    listed.sort_unstable();
    let found = unbroken(&pages, &faults());
    let of = |some: &[&str], but: &[&str]| -> Vec<String> {
        let is_more = |it: &&&str| !but.contains(*it);
        some.iter()
            .filter(is_more)
            .map(|it| (*it).to_owned())
            .collect()
    };
    let found: Vec<_> = found.iter().map(String::as_str).collect();
    assert_eq!(of(&found, &listed), [""; 0], "no fault breaks these");
    assert_eq!(
        of(&listed, &found),
        [""; 0],
        "a fault breaks these, or they are promised no more"
    );
}

/// The comparison notices what it is there for.
#[test]
fn a_promise_that_nothing_breaks_is_noticed() {
    let page = "| a way | `session: one`, `another` |\n| a second | `session: a third` |\n\
                | a third | `fuzz` |\n| a fourth | none: it can't |\nProse, `session: … of two`.";
    let faults = entries(
        "fault: a\nfile: a\ntest: pure words::it\ntest: host session::another\n---\na\n+++\nb\n===\n\
         fault: b\nfile: a\ntest: host session::each of two\n---\na\n+++\nc\n===\n",
    );
    let expected = ["page session: a third", "page tests/fuzz.rs"];
    assert_eq!(unbroken(&[("page", page)], &faults), expected);
}

/// The comparison notices what it is there for.
#[test]
fn a_fault_that_can_not_be_put_in_is_noticed() {
    let list = "# Of this file.\n\
        fault: a\nfile: Cargo.toml\ntest: pure faults::it\n---\nautotests = false\n+++\n===\n\
        fault: b\nfile: Cargo.toml\ntest: host session::it\n---\n[[test]]\n+++\nno\n===\n\
        fault: c\nfile: none\ntest: host session::it\n---\none\n+++\nno\n===\n";
    let problems: Vec<_> = entries(list).iter().map(problem).collect();
    let expected = [
        "there is no test pure faults::it",
        "its text stands 3 times in Cargo.toml",
        "there is no none",
    ];
    let expected = expected.map(|it| Some(it.to_owned()));
    assert_eq!(problems, expected);
}
