//! The log as it is read back: files in the order of their days, lines through a fixed buffer, and
//! the events in them. Needs no daemon, and takes lines of any origin: what is no event is counted
//! and left out.

mod fault;
mod files;
mod filter;
mod lines;
mod reader;

pub use crate::event::{Event, errno, is_common, is_process, json};
pub use fault::Fault;
pub use files::{Source, find, is_log};
pub use filter::{Filter, Network, Text};
pub use lines::Lines;
pub use reader::{Reader, Strays, Visit};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;
    use serde_json::Value;

    fn golden() -> Vec<Vec<u8>> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
        let files = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let json = files.filter(|path| path.extension().is_some_and(|end| end == "json"));
        let texts: Vec<Vec<u8>> = json.map(|path| std::fs::read(path).unwrap()).collect();
        let lines = texts
            .iter()
            .flat_map(|text| text.split(|byte| *byte == b'\n'));
        lines
            .filter(|line| !line.is_empty())
            .map(<[u8]>::to_vec)
            .collect()
    }

    fn strings(value: &Value, into: &mut Vec<String>) {
        match value {
            Value::String(text) => into.push(text.clone()),
            Value::Array(list) => list.iter().for_each(|value| strings(value, into)),
            Value::Object(object) => object.values().for_each(|value| strings(value, into)),
            _ => {}
        }
    }

    /// Another parser takes the same lines, and finds the same strings in them.
    #[test]
    fn damaged_lines_are_read_as_by_another_parser() {
        let lines = golden();
        assert!(lines.len() > 50);
        let mut random = Random(1);
        let mut taken = 0;
        for round in 0..40_000 {
            let mut line = lines[round % lines.len()].clone();
            for _ in 0..random.below(3) {
                let at = random.below(line.len());
                let other = &lines[random.below(lines.len())];
                match random.below(6) {
                    0 => line[at] = random.below(256) as u8,
                    1 => line.truncate(at),
                    2 => line.insert(at, b"{}[]\",:\\u0e-."[random.below(13)]),
                    3 => drop(line.remove(at)),
                    4 => drop(line.splice(at..at, *b"\\ud83e\\udd80")),
                    _ => {
                        drop(line.splice(at.., other[random.below(other.len())..].iter().copied()))
                    }
                }
                if line.is_empty() {
                    line.push(b' ');
                }
            }
            let ours = std::str::from_utf8(&line).ok().and_then(json::members);
            let shown = String::from_utf8_lossy(&line);
            match serde_json::from_slice::<Value>(&line) {
                Ok(Value::Object(object)) => {
                    let ours = ours.unwrap_or_else(|| panic!("refused: {shown}"));
                    // Of two members with the same key, the other parser keeps one.
                    if object.len() == ours.len() {
                        let (mut expected, mut found) = (Vec::new(), Vec::new());
                        object
                            .values()
                            .for_each(|value| strings(value, &mut expected));
                        for (_, value) in &ours {
                            json::strings(value, &mut |text| found.push(text.into_owned()));
                        }
                        assert_eq!(found.len(), expected.len(), "{shown}");
                        assert_eq!(found, expected, "{shown}");
                    }
                    taken += 1;
                }
                Ok(_) => assert!(ours.is_none(), "taken: {shown}"),
                // It refuses numbers that are too large, and half a surrogate pair.
                Err(error) => {
                    let text = error.to_string();
                    let stricter = text.contains("out of range")
                        || text.contains("surrogate")
                        || text.contains("hex escape");
                    assert!(ours.is_none() || stricter, "taken: {shown}: {text}");
                }
            }
            let _ = Event::parse(&line);
        }
        assert!(taken > 10_000, "{taken}");
    }

    /// A look at the bytes never says no where a look at the event says yes.
    #[test]
    fn nothing_that_fits_is_passed_over() {
        let lines = golden();
        let mut random = Random(2);
        let mut found = 0;
        for round in 0..20_000 {
            let line = &lines[round % lines.len()];
            let Some(event) = Event::parse(line) else {
                continue;
            };
            let mut texts = Vec::new();
            for (_, value) in event.own() {
                json::strings(value, &mut |text| texts.push(text.into_owned()));
            }
            let Some(text) = texts.get(random.below(texts.len())) else {
                continue;
            };
            let letters: Vec<char> = text.chars().collect();
            let from = random.below(letters.len());
            let to = from + random.below(letters.len() - from + 1);
            let part: String = letters[from..to].iter().collect();
            let filter = Filter {
                texts: vec![Text::new(&part)],
                paths: if text.starts_with('/') {
                    vec![Text::path(text)]
                } else {
                    Vec::new()
                },
                ..Filter::default()
            };
            if filter.matches(&event) {
                found += 1;
                assert!(filter.may_match(line), "{part:?} in {}", event.line);
            }
        }
        assert!(found > 10_000, "{found}");
    }
}
