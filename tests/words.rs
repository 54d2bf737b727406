//! README, docs/ and the changelog use the field's terms, in short sentences. `tests/words/replaced` lists the words to
//! avoid, and `tests/words/allowed` the places where one of them is right.

use std::fs;
use std::path::{Path, PathBuf};

const TOP: &str = env!("CARGO_MANIFEST_DIR");
const REPLACED: &str = include_str!("words/replaced");
const ALLOWED: &str = include_str!("words/allowed");

/// The highest mean number of words in the sentences of a file.
const MEAN: usize = 18;
/// The highest number of words in a sentence: 25 is the rule, and this the limit.
const LONGEST: usize = 30;
/// Fewer words are a label or a table cell, not a sentence.
const SHORTEST: usize = 5;
/// A sentence that starts with one of these doesn't start with its subject.
const STARTS: [&str; 5] = ["of", "what", "who", "whence", "so"];

/// One word of the text. Inline code is a word without letters, so that no phrase matches it.
struct Word {
    text: String,
    line: usize,
}

type Sentence = Vec<Word>;

/// Paragraphs, list items and cells, each as its lines. Code blocks and comments are left out.
fn blocks(page: &str) -> Vec<Vec<(usize, String)>> {
    let mut blocks = vec![Vec::new()];
    let (mut is_code, mut was_blank) = (false, true);
    for (number, line) in (1..).zip(page.lines()) {
        let text = line.trim_start();
        if text.starts_with("```") {
            is_code = !is_code;
            continue;
        }
        let is_indented = was_blank && line.starts_with("    ");
        was_blank = text.is_empty() || is_indented;
        if is_code || is_indented || text.starts_with("<!--") {
            continue;
        }
        let item = text.trim_start_matches(|it: char| it.is_ascii_digit());
        let starts = text.is_empty()
            || ["- ", "| ", "#", "|-"]
                .iter()
                .any(|it| text.starts_with(it))
            || (item.starts_with(". ") && item != text);
        if starts {
            blocks.push(Vec::new());
        }
        if text.starts_with('|') {
            let cells = text.trim_matches('|').split(" | ");
            blocks.extend(cells.map(|cell| vec![(number, cell.to_owned())]));
            blocks.push(Vec::new());
        } else {
            let text = text.trim_start_matches(['#', '-']).trim_start();
            blocks.last_mut().unwrap().push((number, text.to_owned()));
        }
    }
    blocks
}

/// A block's words, sentence by sentence.
fn sentences(block: &[(usize, String)]) -> Vec<Sentence> {
    let mut sentences = vec![Sentence::new()];
    let (mut is_code, mut is_link) = (false, false);
    let mut word = String::new();
    let characters = block
        .iter()
        .flat_map(|(line, text)| text.chars().chain(['\n']).map(|it| (*line, it)));
    for (line, it) in characters {
        match it {
            '`' => {
                is_code = !is_code;
                if is_code {
                    word.push('`');
                }
            }
            _ if is_code => {}
            '(' if word.ends_with(']') => is_link = true,
            ')' if is_link => is_link = false,
            _ if is_link => {}
            it if !it.is_whitespace() => word.push(it),
            _ => {
                let ends = word
                    .trim_end_matches(['*', ')', '"', ']'])
                    .ends_with(['.', '?', '!']);
                let text =
                    word.trim_matches(|it: char| !it.is_alphanumeric() && !"`/".contains(it));
                if !text.is_empty() {
                    let text = text.to_lowercase();
                    sentences.last_mut().unwrap().push(Word { text, line });
                }
                if ends && !sentences.last().unwrap().is_empty() {
                    sentences.push(Sentence::new());
                }
                word.clear();
            }
        }
    }
    sentences.retain(|sentence| !sentence.is_empty());
    sentences
}

/// The positions of a phrase in a sentence. A word of the phrase with `!` in front must not follow.
fn found(sentence: &Sentence, phrase: &str) -> Vec<std::ops::Range<usize>> {
    let mut words = sentence.iter().map(|word| word.text.as_str());
    if !words.any(|word| phrase.split(' ').next() == Some(word)) {
        return Vec::new();
    }
    let phrase: Vec<_> = phrase.split_whitespace().collect();
    let length = phrase.iter().filter(|it| !it.starts_with('!')).count();
    let fits = |at: &usize| {
        let mut next = *at;
        phrase.iter().all(|wanted| {
            let word = sentence.get(next).map(|word| word.text.as_str());
            match wanted.strip_prefix('!') {
                Some(others) => !others.split('/').any(|other| Some(other) == word),
                None => {
                    next += 1;
                    word == Some(wanted)
                }
            }
        })
    };
    let all = 0..sentence.len();
    all.filter(fits).map(|at| at..at + length).collect()
}

/// The two parts of each entry of a list.
fn entries<'a>(list: &'a str, separator: &str) -> Vec<(&'a str, &'a str)> {
    let lines = list
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| line.split_once(separator).expect(line))
        .collect()
}

/// The faults of a page, and the mean number of words in its sentences. Removes each allowance that it uses from `unused`.
fn faults(file: &str, page: &str, unused: &mut Vec<(&str, &str)>) -> (Vec<String>, f64) {
    let mut faults = Vec::new();
    let (replaced, allowances) = (entries(REPLACED, " = "), entries(ALLOWED, ": "));
    let all: Vec<_> = blocks(page).iter().flat_map(|it| sentences(it)).collect();
    for sentence in &all {
        let (first, length) = (&sentence[0], sentence.len());
        let place = |line: usize| format!("{file}:{line}");
        if length > LONGEST {
            let start: Vec<_> = sentence[..5].iter().map(|it| it.text.as_str()).collect();
            let (place, start) = (place(first.line), start.join(" "));
            faults.push(format!("{place}: {length} words in “{start} …”: split it"));
        }
        if length >= SHORTEST && STARTS.contains(&first.text.as_str()) {
            let (place, text) = (place(first.line), &first.text);
            faults.push(format!(
                "{place}: starts with “{text}”: put the subject first"
            ));
        }
        let mut allowed = Vec::new();
        for entry in allowances.iter().filter(|it| it.0 == file) {
            let places = found(sentence, entry.1);
            if !places.is_empty() {
                unused.retain(|it| it != entry);
                allowed.extend(places);
            }
        }
        for (phrase, better) in &replaced {
            for at in found(sentence, phrase) {
                let is_allowed =
                    |it: &std::ops::Range<usize>| it.start <= at.start && at.end <= it.end;
                if !allowed.iter().any(is_allowed) {
                    let place = place(sentence[at.start].line);
                    let phrase = phrase.split(" !").next().unwrap();
                    faults.push(format!("{place}: “{phrase}”: write {better}"));
                }
            }
        }
    }
    let lengths = all.iter().map(Vec::len).filter(|it| *it >= SHORTEST);
    let (count, sum) = lengths.fold((0, 0), |(count, sum), length| (count + 1, sum + length));
    let mean = sum as f64 / f64::max(count as f64, 1.0);
    if mean > MEAN as f64 {
        faults.push(format!(
            "{file}: {mean:.1} words a sentence, of at most {MEAN}"
        ));
    }
    (faults, mean)
}

/// The pages with their text; only the unreleased part of the changelog.
fn pages() -> Vec<(String, String)> {
    let top = Path::new(TOP);
    let mut paths: Vec<PathBuf> = fs::read_dir(top.join("docs"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "md"))
        .collect();
    paths.extend([top.join("README.md"), top.join("CHANGELOG.md")]);
    paths.sort();
    let page = |path: &PathBuf| {
        let name = path.strip_prefix(top).unwrap().display().to_string();
        let mut text = fs::read_to_string(path).unwrap();
        if name == "CHANGELOG.md" {
            let released = text.match_indices("\n## ").nth(1);
            text.truncate(released.map_or(text.len(), |(at, _)| at));
        }
        (name, text)
    };
    paths.iter().map(page).collect()
}

#[test]
fn words_and_sentences_are_plain() {
    let mut unused = entries(ALLOWED, ": ");
    let mut all = Vec::new();
    for (file, page) in pages() {
        let (faults, mean) = faults(&file, &page, &mut unused);
        println!("{file}: {mean:.1} words a sentence");
        all.extend(faults);
    }
    for (file, phrase) in unused {
        all.push(format!(
            "tests/words/allowed: {file}: “{phrase}” is not there"
        ));
    }
    assert!(all.is_empty(), "{} faults:\n{}", all.len(), all.join("\n"));
}

/// The check reports each kind of fault, and nothing in code.
#[test]
fn private_words_and_long_sentences_are_noticed() {
    let page = "# Folder\n\nA [thing](folder.md) in the\nfolder. Of these, `folder` is a good one.\n\n\
                \x20   a folder of code\n\n```\nfolder\n```\n\n| a | cell with a folder |\n|---|---|\n\n- Such as it\n  is.\n";
    let (mut found, _) = faults("page", page, &mut Vec::new());
    found.sort();
    let folder = |line: usize| format!("page:{line}: “folder”: write directory");
    let starts = "page:4: starts with “of”: put the subject first".to_owned();
    assert_eq!(found, [folder(12), folder(1), starts, folder(4)]);
    let long = vec!["word"; LONGEST + 1].join(" ");
    let (long, mean) = faults("page", &long, &mut Vec::new());
    assert_eq!((long.len(), mean as usize), (2, LONGEST + 1));
}
