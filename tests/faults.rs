//! Each fault of tests/mutants can be put in, and the test that has to notice it is there: whoever moves code or
//! renames a test learns here which faults name it.

use crate::shown::is_there;
use std::collections::HashSet;
use std::fs;
use std::path::Path;

const TOP: &str = env!("CARGO_MANIFEST_DIR");
const CONTRIBUTING: &str = include_str!("../docs/contributing.md");

/// One entry of a list. tests/mutants/run says what its parts are.
struct Fault {
    what: String,
    file: String,
    test: String,
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
        let field = |name: &str| {
            let value = |line: &str| Some(line.strip_prefix(name)?.strip_prefix(": ")?.to_owned());
            let found = head.lines().find_map(value);
            found.unwrap_or_else(|| panic!("no line `{name}: `\n{text}"))
        };
        Fault {
            what: field("fault"),
            file: field("file"),
            test: field("test"),
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
    let (program, test) = fault.test.split_once(' ')?;
    let (file, name) = match program {
        "lib" => test.rsplit_once("::tests::")?,
        _ => test.split_once("::")?,
    };
    match text.matches(&fault.before).count() {
        _ if fault.before == fault.after => Some("it changes nothing".to_owned()),
        1 if is_there(file, Some(name)) => None,
        1 => Some(format!("there is no test {}", fault.test)),
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
