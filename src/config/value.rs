//! What stands behind a key: its value, or what is wrong with it and how to mend that.
//!
//! A reader is given the key's default, as it is written, for what falls back on it or names it.

use std::path::PathBuf;
use std::time::Duration;

use super::choice::{self, Choice};
use super::error::{Reason, ValueError};
use super::yaml::{Entry, Kind, Node, printable};
use crate::base::page_size;

/// A value, or what is wrong with it.
pub type Value<T> = Result<T, ValueError>;

/// What is wrong with the value of a key.
#[derive(Debug)]
pub enum Wrong {
    Whole(ValueError),
    /// Some entries of a mapping: the line and the name of each.
    Entries(Vec<(usize, String, ValueError)>),
}

impl From<ValueError> for Wrong {
    fn from(error: ValueError) -> Self {
        Self::Whole(error)
    }
}

pub fn boolean(node: &Node, _: &str) -> Value<bool> {
    // Quotes are allowed: the guide's files have "yes" and "no" in them.
    if let Kind::Scalar { text, .. } = &node.kind {
        match text.as_str() {
            "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => {
                return Ok(true);
            }
            "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => {
                return Ok(false);
            }
            _ => {}
        }
    }
    Err(ValueError::of(node, Reason::Boolean))
}

/// A whole number, or nothing if it is something else.
fn number(node: &Node) -> Value<Option<i64>> {
    match &node.kind {
        Kind::Scalar { text, plain: true } => Ok(integer(text)),
        Kind::Scalar { plain: false, .. } => Err(ValueError::of(node, Reason::Quoted)),
        _ => Ok(None),
    }
}

/// From one to `MOST` seconds.
pub fn seconds<const MOST: u32>(node: &Node, default: &str) -> Value<Duration> {
    let seconds = number(node)?.and_then(|number| u32::try_from(number).ok());
    let seconds = seconds.filter(|seconds| (1..=MOST).contains(seconds));
    seconds
        .map(|seconds| Duration::from_secs(seconds.into()))
        .ok_or_else(|| {
            let default = default.to_owned();
            ValueError::of(
                node,
                Reason::Seconds {
                    most: MOST,
                    default,
                },
            )
        })
}

/// A ring buffer size: a power of two up to `MOST` pages, also as bytes with a unit, or 0 for the default.
pub fn pages<const MOST: u32>(node: &Node, default: &str) -> Value<u32> {
    let wrong = |reason| Err(ValueError::of(node, reason));
    let shown = || default.to_owned();
    let in_bytes = match &node.kind {
        Kind::Scalar { text, plain: true }
            if text.ends_with(|end| UNITS.iter().any(|it| it.0 == end)) =>
        {
            bytes(text).map(|bytes| bytes.div_ceil(page_size() as u64) as i64)
        }
        _ => None,
    };
    let Some(number) = in_bytes.map_or_else(|| number(node), |pages| Ok(Some(pages)))? else {
        return wrong(Reason::Pages { default: shown() });
    };
    if number < 0 {
        return wrong(Reason::Negative { default: shown() });
    }
    match u32::try_from(number) {
        Ok(0) => default
            .parse()
            .or_else(|_| wrong(Reason::Pages { default: shown() })),
        Ok(number) if number <= MOST => {
            if number.is_power_of_two() {
                return Ok(number);
            }
            let above = number.next_power_of_two();
            let below = above / 2;
            let nearest = if number - below < above - number {
                below
            } else {
                above
            };
            wrong(Reason::PowerOfTwo { nearest })
        }
        _ => wrong(Reason::ManyPages { most: MOST }),
    }
}

/// A YAML integer: decimal with an optional sign, or unsigned after `0x` or `0o`.
pub fn integer(text: &str) -> Option<i64> {
    let (digits, radix) = if let Some(digits) = text.strip_prefix("0x") {
        (digits, 16)
    } else if let Some(digits) = text.strip_prefix("0o") {
        (digits, 8)
    } else {
        (text.strip_prefix(['-', '+']).unwrap_or(text), 10)
    };
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    // A number too large for 64 bits is as wrong as the largest one that is not.
    let number = i64::from_str_radix(digits, radix).unwrap_or(i64::MAX);
    Some(if text.starts_with('-') {
        -number
    } else {
        number
    })
}

pub fn text(node: &Node) -> Value<String> {
    match &node.kind {
        Kind::Scalar { .. } if node.is_absent() => Ok(String::new()),
        Kind::Scalar { text, .. } => Ok(text.clone()),
        _ => Err(ValueError::of(node, Reason::Text)),
    }
}

/// A text, or nothing.
pub fn name(node: &Node, _: &str) -> Value<Option<String>> {
    present(node, text)
}

/// Nothing where nothing is written, as it is by default.
fn present<T>(node: &Node, read: impl Fn(&Node) -> Value<T>) -> Value<Option<T>> {
    match node.is_absent() {
        true => Ok(None),
        false => read(node).map(Some),
    }
}

/// Text by name.
pub fn labels(node: &Node, _: &str) -> Result<Vec<(String, String)>, Wrong> {
    by_name(node, text)
}

/// What a mapping has behind its names.
pub fn by_name<T>(
    node: &Node,
    read: impl Fn(&Node) -> Value<T>,
) -> Result<Vec<(String, T)>, Wrong> {
    let (mut values, mut wrong) = (Vec::new(), Vec::new());
    for entry in mapping(node)? {
        match read(&entry.value) {
            Ok(value) => values.push((entry.key.clone(), value)),
            Err(error) => wrong.push((entry.line, printable(&entry.key), error)),
        }
    }
    match wrong.is_empty() {
        true => Ok(values),
        false => Err(Wrong::Entries(wrong)),
    }
}

/// The entries of a value that has to be a mapping; none where it is absent.
pub fn mapping(node: &Node) -> Value<&[Entry]> {
    match &node.kind {
        Kind::Mapping(entries) => Ok(entries),
        _ if node.is_absent() => Ok(&[]),
        _ => Err(ValueError::of(node, Reason::Mapping)),
    }
}

/// The items of a value that has to be a list; `what` they are, and an example.
pub fn list<'node>(
    node: &'node Node,
    what: &'static str,
    example: impl FnOnce() -> String,
) -> Value<&'node [Node]> {
    match &node.kind {
        Kind::Sequence(items) => Ok(items),
        _ => {
            let example = example();
            Err(ValueError::of(node, Reason::List { what, example }))
        }
    }
}

/// At most `MOST` names of environment variables, of at most `LONGEST` bytes each.
pub fn variables<const MOST: usize, const LONGEST: usize>(
    node: &Node,
    _: &str,
) -> Value<Vec<String>> {
    let items = list(node, "names", || "LD_PRELOAD, LD_AUDIT".to_owned())?;
    if items.len() > MOST {
        let (what, most) = ("names", MOST);
        return Err(ValueError::shown(
            items.len().to_string(),
            Reason::Many { what, most },
        ));
    }
    let name = |item: &Node| {
        let name = text(item)?;
        let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if name.is_empty() || name.len() > LONGEST || !name.bytes().all(good) {
            return Err(ValueError::of(item, Reason::Variable { longest: LONGEST }));
        }
        Ok(name)
    };
    items.iter().map(name).collect()
}

/// One of a few; `what` is said of each of them.
fn one<T: Choice>(node: &Node, what: &'static str) -> Value<T> {
    let value = text(node).ok().and_then(|name| choice::named(&name));
    value.ok_or_else(|| {
        let known = choice::names::<T>();
        ValueError::of(node, Reason::Choice { what, known })
    })
}

/// What is done in one of a few ways.
pub fn policy<T: Choice>(node: &Node, _: &str) -> Value<T> {
    one(node, "a policy")
}

/// A way to hook system calls.
pub fn backend<T: Choice>(node: &Node, _: &str) -> Value<Option<T>> {
    present(node, |node| one(node, "a backend"))
}

fn absolute(node: &Node) -> Value<String> {
    let text = text(node)?;
    if !text.starts_with('/') {
        return Err(ValueError::of(node, Reason::Relative));
    }
    if text.contains('\0') {
        return Err(ValueError::of(node, Reason::Nul));
    }
    Ok(text)
}

pub fn path(node: &Node, _: &str) -> Value<PathBuf> {
    absolute(node).map(PathBuf::from)
}

/// A path, or nothing.
pub fn optional_path(node: &Node, _: &str) -> Value<Option<PathBuf>> {
    present(node, absolute).map(|path| path.map(PathBuf::from))
}

pub fn cgroup_root(node: &Node, _: &str) -> Value<String> {
    let text = absolute(node)?;
    if text.split('/').any(|component| component == "..") {
        return Err(ValueError::of(node, Reason::Upwards));
    }
    Ok(text)
}

/// A number of bytes, with or without a unit, at least `LEAST`; 0 is no limit.
pub fn size<const LEAST: u64>(node: &Node, _: &str) -> Value<u64> {
    let wrong = |_| ValueError::of(node, Reason::Size);
    match bytes(&text(node).map_err(wrong)?) {
        Some(size) if (1..LEAST).contains(&size) => {
            Err(ValueError::of(node, Reason::SmallSize { least: LEAST }))
        }
        Some(size) => Ok(size),
        None => Err(ValueError::of(node, Reason::Size)),
    }
}

/// Units of sizes, and the powers of two that they are.
const UNITS: [(char, u32); 4] = [('K', 10), ('M', 20), ('G', 30), ('T', 40)];

/// A number of bytes, with a unit or without.
fn bytes(text: &str) -> Option<u64> {
    let (digits, shift) = UNITS
        .iter()
        .find_map(|(unit, shift)| Some((text.strip_suffix(*unit)?, *shift)))
        .unwrap_or((text, 0));
    let number = u64::try_from(integer(digits)?).ok()?;
    number.checked_mul(1 << shift)
}

/// A number of days, with `d` behind it or without; 0 is no limit.
pub fn days(node: &Node, _: &str) -> Value<u64> {
    let number = match &node.kind {
        Kind::Scalar { text, plain: true } => integer(text.strip_suffix('d').unwrap_or(text)),
        _ => None,
    };
    number
        .and_then(|number| u64::try_from(number).ok())
        .ok_or_else(|| ValueError::of(node, Reason::Days))
}

/// One of a few, or a list of them, none twice.
pub fn outputs<T: Choice>(node: &Node, _: &str) -> Value<Vec<T>> {
    let items = match &node.kind {
        Kind::Sequence(items) => items,
        _ => std::slice::from_ref(node),
    };
    let known = choice::names::<T>();
    let mut outputs = Vec::new();
    for item in items {
        let name = match &item.kind {
            Kind::Scalar { text, .. } => text.as_str(),
            _ => "",
        };
        match choice::named(name) {
            None => {
                let what = "an output";
                return Err(ValueError::of(item, Reason::Item { what, known }));
            }
            Some(output) if outputs.contains(&output) => {
                return Err(ValueError::of(item, Reason::Twice));
            }
            Some(output) => outputs.push(output),
        }
    }
    match outputs.is_empty() {
        true => Err(ValueError::of(node, Reason::NoItem { known })),
        false => Ok(outputs),
    }
}
