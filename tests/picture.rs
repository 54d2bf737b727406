//! docs/architecture.svg is the picture of docs/architecture.txt, and that names files and directories that exist.

use std::path::Path;
use std::process::Command;

use crate::common::PYTHON;

const TOP: &str = env!("CARGO_MANIFEST_DIR");
const TEXT: &str = include_str!("../docs/architecture.txt");

#[test]
fn the_picture_is_current() {
    let script = Path::new(TOP).join("docs/architecture");
    let output = Command::new(PYTHON).arg(script).arg("--check").output();
    let output = output.unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn the_picture_names_what_is_there() {
    let words = TEXT.split([' ', ',', '\n']);
    let paths = words.filter(|it| it.starts_with("src/") || it.starts_with("probes/"));
    let paths: Vec<_> = paths.map(|it| it.trim_end_matches("/*.bpf.c")).collect();
    assert!(paths.len() > 5, "{paths:?}");
    for path in paths {
        assert!(Path::new(TOP).join(path).exists(), "{path}");
    }
}
