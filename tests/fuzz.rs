//! Whatever bytes come, nothing panics: records, configs and lines of a log, each damaged at random
//! from a corpus: tests/golden and tests/corpus.
//!
//! `RECORDERD_FUZZ=10000000 cargo test --release --test pure fuzz` is a longer run; `RECORDERD_SEED`
//! begins it elsewhere. A failure names both its seed and its round.

use std::fs;
use std::ops::ControlFlow;
use std::path::PathBuf;

use crate::common::golden::records;
use crate::common::random::Random;
use recorderd::config::Config;
use recorderd::family::decode;
use recorderd::reader::log::{Filter, Lines, Reader, Source};

/// How many inputs each test tries.
const ROUNDS: u64 = 20_000;

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().expect(variable))
}

/// Changes, cuts, stretches, or puts in a piece of another input.
fn damage(random: &mut Random, bytes: &mut Vec<u8>, other: &[u8]) {
    let at = random.below(bytes.len());
    match random.below(6) {
        _ if bytes.is_empty() => bytes.extend_from_slice(other),
        0 => bytes[at] ^= 1 << random.below(8),
        1 => bytes[at] = random.below(256) as u8,
        2 => bytes.truncate(at),
        3 => bytes.extend_from_within(at..),
        4 => drop(bytes.drain(at..(at + random.below(16)).min(bytes.len()))),
        _ => {
            let from = random.below(other.len());
            let piece = &other[from..(from + random.below(64)).min(other.len())];
            bytes.splice(at..at, piece.iter().copied());
        }
    }
}

/// Tries damaged inputs of a corpus; tells how many of them were taken for whole.
fn fuzz(corpus: &[Vec<u8>], mut is_whole: impl FnMut(&[u8]) -> bool) -> u64 {
    assert!(corpus.len() > 2);
    let (rounds, seed) = (
        number("RECORDERD_FUZZ", ROUNDS),
        number("RECORDERD_SEED", 1),
    );
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut whole = 0;
    for round in 0..rounds {
        let mut input = corpus[random.below(corpus.len())].clone();
        for _ in 0..random.below(5) {
            let other = random.below(corpus.len());
            damage(&mut random, &mut input, &corpus[other]);
        }
        let tried = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| is_whole(&input)));
        whole += u64::from(tried.unwrap_or_else(|_| panic!("seed {seed}, round {round}")));
    }
    // Otherwise the damage is such that nothing is tried, or that nothing is damaged.
    assert!(whole > rounds / 50 && whole < rounds, "{whole} of {rounds}");
    whole
}

fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(folder);
    let entries = fs::read_dir(folder).unwrap().flatten();
    let mut files: Vec<_> = entries.map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|other| other == extension));
    files.sort();
    files
}

/// What a probe sends.
#[test]
fn records_of_any_bytes() {
    let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
    let files = files("golden", "hex");
    let corpus: Vec<_> = files.iter().flat_map(|path| records(&name(path))).collect();
    fuzz(&corpus, |bytes| decode(bytes).is_ok());
}

/// What an operator writes.
#[test]
fn configs_of_any_bytes() {
    let files = files("corpus/config", "yaml");
    let corpus: Vec<_> = files.iter().map(|path| fs::read(path).unwrap()).collect();
    fuzz(&corpus, |bytes| match Config::parse("config.yaml", bytes) {
        Ok(_) => true,
        Err(refused) => {
            let errors = refused.lines();
            assert!(!errors.is_empty());
            let is_one_line = |error: &String| !error.contains(char::is_control);
            assert!(errors.iter().all(is_one_line), "{errors:?}");
            false
        }
    });
}

/// What is in a log, or is taken for one.
#[test]
fn lines_of_any_bytes() {
    let files = [files("golden", "json"), files("corpus/lines", "json")].concat();
    let corpus: Vec<_> = files.iter().map(|path| fs::read(path).unwrap()).collect();
    let filter = Filter::default();
    fuzz(&corpus, |bytes| {
        let (mut reader, mut lines) = (Reader::new(&filter), Lines::new(bytes));
        let mut events = 0;
        let mut visit = |event: &recorderd::reader::log::Event<'_>| {
            events += 1;
            let _ = (
                event.name(),
                recorderd::family::family(event),
                recorderd::family::is_loss(event),
                event.own().count(),
            );
            let _ = (event.text("path"), event.number("ei"), event.get("argv"));
            ControlFlow::Continue(())
        };
        let flow = reader
            .lines(&Source::Input, &mut lines, &mut visit)
            .unwrap();
        if flow.is_continue() {
            let _ = reader.rest(&Source::Input, &mut lines, &mut visit);
        }
        events > 0
    });
}
