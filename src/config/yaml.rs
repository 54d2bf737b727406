//! A YAML file as a small tree that knows the line of each key and value.
//!
//! Stricter than YAML, so that a file means the same to every reader: one document, no anchors,
//! aliases or tags, no key twice in a mapping, at most [`DEPTH_LIMIT`] levels.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::{self, Display, Formatter};

use saphyr_parser::{Event, Parser, ScalarStyle, StrInput};

/// Most levels that mappings and lists may nest, the top level counted.
pub const DEPTH_LIMIT: usize = 32;

/// Most characters of a value that an error repeats.
const SHOWN_LIMIT: usize = 60;

/// What is no tree of keys and values, and what to do about it.
#[derive(Debug, PartialEq)]
pub enum Flaw {
    /// What the parser says of it.
    NotYaml(String),
    SecondDocument,
    Anchor,
    Tag,
    Alias,
    TooDeep,
    /// This stands where a key has to.
    NoKey(String),
    /// A key, and the line on which it stands first.
    WrittenBefore(String, usize),
}

impl Display for Flaw {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotYaml(info) => write!(
                f,
                "not valid YAML: {info}; check the indentation and the quotes around this line"
            ),
            Self::SecondDocument => {
                f.write_str("a second document begins here; keep one and remove the \"---\"")
            }
            Self::Anchor => {
                f.write_str("an anchor (&) is not allowed; write the value out in each place")
            }
            Self::Tag => f.write_str("a tag (!) is not allowed; write the value without it"),
            Self::Alias => {
                f.write_str("an alias (*) is not allowed; write the value out in its place")
            }
            Self::TooDeep => write!(
                f,
                "more than {DEPTH_LIMIT} levels deep; remove the inner levels"
            ),
            Self::NoKey(shown) => write!(f, "{shown} is not a key; write a name"),
            Self::WrittenBefore(key, line) => {
                write!(
                    f,
                    "{key}: written before, on line {line}; remove one of them"
                )
            }
        }
    }
}

impl Error for Flaw {}

/// A flaw and its line in the file, from 1.
type Problem = (usize, Flaw);

/// One value.
#[derive(Debug, PartialEq)]
pub struct Node {
    /// Line on which the value begins, from 1.
    pub line: usize,
    /// What sort of value it is.
    pub kind: Kind,
}

/// What a value is.
#[derive(Debug, PartialEq)]
pub enum Kind {
    /// A single value; `plain` when it stands without quotes.
    Scalar { text: String, plain: bool },
    /// The items of a list.
    Sequence(Vec<Node>),
    /// Keys and their values, in the order of the file, each key once.
    Mapping(Vec<Entry>),
}

/// One key of a mapping.
#[derive(Debug, PartialEq)]
pub struct Entry {
    pub key: String,
    /// Line of the key, from 1.
    pub line: usize,
    pub value: Node,
}

impl Node {
    fn null(line: usize) -> Node {
        let kind = Kind::Scalar {
            text: String::new(),
            plain: true,
        };
        Node { line, kind }
    }

    /// True when nothing is written: an empty value or a YAML null.
    pub fn is_absent(&self) -> bool {
        match &self.kind {
            Kind::Scalar { text, plain } => {
                text.is_empty() || *plain && matches!(text.as_str(), "~" | "null" | "Null" | "NULL")
            }
            _ => false,
        }
    }

    /// The value as an error names it: a scalar as it is written, cut to one short line.
    pub fn describe(&self) -> String {
        match &self.kind {
            Kind::Scalar { text, plain: true } if text.is_empty() => "an empty value".to_owned(),
            Kind::Scalar { text, plain: true } => printable(text),
            Kind::Scalar { text, plain: false } => format!("\"{}\"", printable(text)),
            Kind::Sequence(_) => "a list".to_owned(),
            Kind::Mapping(_) => "a mapping".to_owned(),
        }
    }
}

/// `text` on one line, unprintable characters escaped, cut to a length fit for an error.
pub fn printable(text: &str) -> String {
    let mut shown = String::new();
    for (count, character) in text.chars().enumerate() {
        if count == SHOWN_LIMIT {
            shown.push_str("...");
            break;
        }
        match character {
            '"' | '\'' | '\\' => shown.push(character),
            _ => shown.extend(character.escape_debug()),
        }
    }
    shown
}

/// Parses a whole file.
///
/// The tree is `None` when the file breaks off at an error; the problems then say why. Problems
/// that leave the rest readable come beside a tree.
pub fn parse(text: &str) -> (Option<Node>, Vec<Problem>) {
    // A byte order mark says how the file is encoded; it is no part of the first key.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut builder = Builder {
        parser: Parser::new_from_str(text),
        problems: Vec::new(),
    };
    let root = match builder.stream() {
        Ok(root) => Some(root),
        Err(problem) => {
            builder.problems.push(problem);
            None
        }
    };
    (root, builder.problems)
}

struct Builder<'text> {
    parser: Parser<'text, StrInput<'text>>,
    problems: Vec<Problem>,
}

impl<'text> Builder<'text> {
    fn problem(&mut self, line: usize, flaw: Flaw) {
        self.problems.push((line, flaw));
    }

    /// The next event and its line.
    fn next(&mut self) -> Result<(Event<'text>, usize), Problem> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, span.start.line())),
            Some(Err(error)) => {
                let flaw = Flaw::NotYaml(printable(error.info()));
                Err((error.marker().line(), flaw))
            }
            None => Ok((Event::StreamEnd, 1)),
        }
    }

    /// The root of the only document; a null when the file is empty.
    fn stream(&mut self) -> Result<Node, Problem> {
        let mut root = None;
        loop {
            let (event, line) = self.next()?;
            match event {
                Event::StreamEnd => break,
                Event::DocumentStart(_) if root.is_some() => {
                    self.problem(line, Flaw::SecondDocument);
                    break;
                }
                Event::DocumentStart(_) => {
                    let (event, line) = self.next()?;
                    root = Some(self.node(event, line, 1)?);
                }
                _ => {}
            }
        }
        Ok(root.unwrap_or_else(|| Node::null(1)))
    }

    /// The value that `event` begins, at level `depth`.
    fn node(&mut self, event: Event<'text>, line: usize, depth: usize) -> Result<Node, Problem> {
        if let Event::Scalar(_, _, anchor, tag)
        | Event::SequenceStart(anchor, tag)
        | Event::MappingStart(anchor, tag) = &event
        {
            if *anchor != 0 {
                self.problem(line, Flaw::Anchor);
            }
            if tag.is_some() {
                self.problem(line, Flaw::Tag);
            }
        }
        let kind = match event {
            Event::Scalar(text, style, ..) => Kind::Scalar {
                text: text.into_owned(),
                plain: style == ScalarStyle::Plain,
            },
            Event::SequenceStart(..) | Event::MappingStart(..) if depth > DEPTH_LIMIT => {
                return Err((line, Flaw::TooDeep));
            }
            Event::SequenceStart(..) => self.sequence(depth)?,
            Event::MappingStart(..) => self.mapping(depth)?,
            _ => {
                // Only an alias is left; it counts as absent, so that it makes one error, not two.
                self.problem(line, Flaw::Alias);
                return Ok(Node::null(line));
            }
        };
        Ok(Node { line, kind })
    }

    fn sequence(&mut self, depth: usize) -> Result<Kind, Problem> {
        let mut items = Vec::new();
        loop {
            let (event, line) = self.next()?;
            if matches!(event, Event::SequenceEnd) {
                return Ok(Kind::Sequence(items));
            }
            items.push(self.node(event, line, depth + 1)?);
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<Kind, Problem> {
        let mut entries = Vec::new();
        let mut first_lines = BTreeMap::new();
        loop {
            let (event, line) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                return Ok(Kind::Mapping(entries));
            }
            let key = self.node(event, line, depth + 1)?;
            let (event, value_line) = self.next()?;
            let value = self.node(event, value_line, depth + 1)?;
            let shown = key.describe();
            let key = match key.kind {
                Kind::Scalar { text, .. } if !text.is_empty() => text,
                _ => {
                    self.problem(line, Flaw::NoKey(shown));
                    continue;
                }
            };
            if let Some(first) = first_lines.get(&key) {
                let flaw = Flaw::WrittenBefore(shown, *first);
                self.problem(line, flaw);
                continue;
            }
            first_lines.insert(key.clone(), line);
            entries.push(Entry { key, line, value });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scalar(line: usize, text: &str, plain: bool) -> Node {
        let text = text.to_owned();
        Node {
            line,
            kind: Kind::Scalar { text, plain },
        }
    }

    fn entry(key: &str, line: usize, value: Node) -> Entry {
        let key = key.to_owned();
        Entry { key, line, value }
    }

    fn problems(text: &str) -> Vec<String> {
        let (_, problems) = parse(text);
        let line = |(line, flaw): Problem| format!("{line}: {flaw}");
        problems.into_iter().map(line).collect()
    }

    #[test]
    fn the_tree_knows_its_lines() {
        let (root, problems) = parse("# top\na: 1\nb:\n  c: \"2\"\n  d: [x, {y: z}]\n");
        assert_eq!(problems, []);
        let inmost = Node {
            line: 5,
            kind: Kind::Mapping(vec![entry("y", 5, scalar(5, "z", true))]),
        };
        let list = Node {
            line: 5,
            kind: Kind::Sequence(vec![scalar(5, "x", true), inmost]),
        };
        let inner = vec![entry("c", 4, scalar(4, "2", false)), entry("d", 5, list)];
        let inner = Node {
            line: 4,
            kind: Kind::Mapping(inner),
        };
        let outer = vec![entry("a", 2, scalar(2, "1", true)), entry("b", 3, inner)];
        let expected = Node {
            line: 2,
            kind: Kind::Mapping(outer),
        };
        assert_eq!(root, Some(expected));
    }

    #[test]
    fn an_empty_file_is_an_absent_value() {
        for text in ["", "\n\n", "# comment", "---", "---\n...\n", "~", "null"] {
            let (root, problems) = parse(text);
            assert!(root.is_some_and(|root| root.is_absent()), "{text:?}");
            assert_eq!(problems, [], "{text:?}");
        }
    }

    #[test]
    fn what_yaml_has_beyond_a_plain_tree_is_refused() {
        assert_eq!(
            problems("a: &x 1\nb: *x\nc: !!str 2\n"),
            [
                "1: an anchor (&) is not allowed; write the value out in each place",
                "2: an alias (*) is not allowed; write the value out in its place",
                "3: a tag (!) is not allowed; write the value without it",
            ]
        );
        assert_eq!(
            problems("a: 1\n---\nb: 2\n"),
            ["2: a second document begins here; keep one and remove the \"---\""]
        );
        assert_eq!(
            problems("a: 1\n[b]: 2\n\"\": 3\n"),
            [
                "2: a list is not a key; write a name",
                "3: \"\" is not a key; write a name",
            ]
        );
        assert_eq!(
            problems("a: 1\nb: {c: 2,\n  c: 3}\na: 4\n"),
            [
                "3: c: written before, on line 2; remove one of them",
                "4: a: written before, on line 1; remove one of them",
            ]
        );
    }

    #[test]
    fn a_file_that_is_not_yaml_is_refused_at_its_line() {
        let (root, problems) = parse("a: 1\nb: c: d\n");
        assert_eq!(root, None);
        let info = "mapping values are not allowed in this context".to_owned();
        let flaw = Flaw::NotYaml(info);
        let text = "not valid YAML: mapping values are not allowed in this context; \
                    check the indentation and the quotes around this line";
        assert_eq!(flaw.to_string(), text);
        assert_eq!(problems, [(2, flaw)]);
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert_eq!(problems(&nested(DEPTH_LIMIT)), [""; 0]);
        let error = "1: more than 32 levels deep; remove the inner levels";
        assert_eq!(problems(&nested(DEPTH_LIMIT + 1)), [error]);
        assert_eq!(problems(&"- ".repeat(1 << 19)), [error]);
    }

    #[test]
    fn shown_values_are_short_and_on_one_line() {
        assert_eq!(printable("a\nb\u{202e}'\"\\"), "a\\nb\\u{202e}'\"\\");
        assert_eq!(printable(&"x".repeat(61)), "x".repeat(60) + "...");
    }
}
