//! What the operator leaves out: families, of all or of some users' sessions; operations; paths.

use super::Config;
use super::choice;
use super::error::{Reason, ValueError};
use super::value::{Value, Wrong, by_name, list, text};
use super::yaml::Node;
use crate::abi::{
    DISK_OPERATIONS, LOGINS, PATTERN_COUNT, PATTERN_WORDS, PRIVILEGE_OPERATIONS, login,
};
use crate::base::Family;

/// Length of a pattern of paths, in bytes.
const PATTERN_LENGTH: usize = PATTERN_WORDS * size_of::<u64>();

/// What is recorded, and what of it is left out.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    /// Families of a session of anybody who is not named below.
    pub families: Vec<Family>,
    /// Families by account: a name, or a uid.
    pub users: Vec<(String, Vec<Family>)>,
    /// Families by group: a name, or a gid. An account in several groups has the families of all of them;
    /// one that is named itself, those.
    pub groups: Vec<(String, Vec<Family>)>,
    /// File operations that are left out: bits by their place in [`DISK_OPERATIONS`].
    pub disk_operations: u64,
    /// Excluded privilege operations: bits by their place in [`PRIVILEGE_OPERATIONS`].
    pub privilege_operations: u64,
    /// Paths of file operations that are left out.
    pub paths: Vec<Pattern>,
    /// Those of them that are not.
    pub except: Vec<Pattern>,
}

impl Default for Filter {
    fn default() -> Self {
        Config::default().filter
    }
}

/// One path, or all that begin alike.
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern {
    /// The beginning, at most [`PATTERN_LENGTH`] bytes.
    pub begins: String,
    /// Whether the path has to be that and no more.
    pub whole: bool,
}

/// All families, as the config has them.
pub const ALL_FAMILIES: &str = {
    const LENGTH: usize = {
        let (mut length, mut index) = (0, 0);
        while index < Family::CHOICES.len() {
            length += ", ".len() + Family::CHOICES[index].name().len();
            index += 1;
        }
        length
    };
    const TEXT: [u8; LENGTH] = {
        let mut text = [b'['; LENGTH];
        let (mut end, mut index) = (1, 0);
        while index < Family::CHOICES.len() {
            let (_, rest) = text.split_at_mut(end);
            let name = Family::CHOICES[index].name().as_bytes();
            rest.split_at_mut(name.len()).0.copy_from_slice(name);
            end += name.len();
            index += 1;
            if index < Family::CHOICES.len() {
                text[end] = b',';
                text[end + 1] = b' ';
                end += 2;
            }
        }
        text[end] = b']';
        text
    };
    match std::str::from_utf8(&TEXT) {
        Ok(text) => text,
        Err(_) => panic!("names are text"),
    }
};

/// A list of names of families.
pub fn families(node: &Node, _: &str) -> Value<Vec<Family>> {
    let known = choice::names::<Family>();
    let items = list(node, "families", || known.join(", "))?;
    let family = |item: &Node| {
        choice::named(&text(item)?).ok_or_else(|| {
            let (what, known) = ("a family", known.clone());
            ValueError::of(item, Reason::Item { what, known })
        })
    };
    items.iter().map(family).collect()
}

/// Families by the name of an account or a group.
pub fn shares(node: &Node, default: &str) -> Result<Vec<(String, Vec<Family>)>, Wrong> {
    by_name(node, |node| families(node, default))
}

/// A list of file operations, as bits.
pub fn disk_operations(node: &Node, _: &str) -> Value<u64> {
    bits(node, "an operation", "operations", &DISK_OPERATIONS)
}

/// A list of changes of identity and the like, as bits.
pub fn privilege_operations(node: &Node, _: &str) -> Value<u64> {
    // The first stands for none.
    let known = &PRIVILEGE_OPERATIONS[1..];
    bits(node, "an operation", "operations", known).map(|bits| bits << 1)
}

/// A list of types of logins, as bits.
pub fn logins(node: &Node, _: &str) -> Value<u64> {
    // The first stands for none.
    let known = &LOGINS[1..=login::SU as usize];
    bits(node, "a type of login", "types of logins", known).map(|bits| bits << 1)
}

/// A list of names out of `known`, as bits; `one` and `many` say of what.
fn bits(node: &Node, one: &'static str, many: &'static str, known: &[&'static str]) -> Value<u64> {
    let mut bits = 0;
    for item in list(node, many, || known[0].to_owned())? {
        let name = text(item)?;
        let place = known.iter().position(|known| *known == name);
        let place = place.ok_or_else(|| {
            let (what, known) = (one, known.to_vec());
            ValueError::of(item, Reason::Item { what, known })
        })?;
        bits |= 1 << place;
    }
    Ok(bits)
}

/// A list of paths, each of which may end in `*`.
pub fn patterns(node: &Node, _: &str) -> Value<Vec<Pattern>> {
    let items = list(node, "paths", || "/proc/*, /dev/null".to_owned())?;
    if items.len() > PATTERN_COUNT / 2 {
        let (what, most) = ("paths", PATTERN_COUNT / 2);
        let count = items.len().to_string();
        return Err(ValueError::shown(count, Reason::Many { what, most }));
    }
    items.iter().map(pattern).collect()
}

fn pattern(node: &Node) -> Value<Pattern> {
    let path = text(node)?;
    let (begins, whole) = match path.strip_suffix('*') {
        Some(begins) => (begins, false),
        None => (path.as_str(), true),
    };
    let reason = if !begins.starts_with('/') {
        Reason::Relative
    } else if begins.contains('*') {
        Reason::Star
    } else if begins.len() > PATTERN_LENGTH {
        let most = PATTERN_LENGTH;
        Reason::LongPath { most }
    } else {
        return Ok(Pattern {
            begins: begins.to_owned(),
            whole,
        });
    };
    Err(ValueError::of(node, reason))
}
