//! What the operator leaves out: families, of all or of some users' sessions; operations; paths.

use super::value::text;
use super::yaml::{Kind, Node};
use crate::abi::{PATTERN_COUNT, PATTERN_WORDS};
use crate::base::Family;

/// Length of a pattern of paths, in bytes.
const PATTERN_LENGTH: usize = PATTERN_WORDS * size_of::<u64>();

/// What is recorded, and what of it is left out.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    /// Families of a session of anybody who is not named below; default all.
    pub families: Vec<Family>,
    /// The same by account: a name, or a uid.
    pub users: Vec<(String, Vec<Family>)>,
    /// The same by group: a name, or a gid. An account in several has the families of all of them;
    /// one that is named itself, those.
    pub groups: Vec<(String, Vec<Family>)>,
    /// File operations that are left out: bits by their place in
    /// [`crate::abi::DISK_OPERATIONS`].
    pub disk_operations: u64,
    /// The same of [`crate::abi::PRIVILEGE_OPERATIONS`].
    pub privilege_operations: u64,
    /// Paths of file operations that are left out.
    pub paths: Vec<Pattern>,
    /// Those of them that are not.
    pub except: Vec<Pattern>,
}

impl Default for Filter {
    fn default() -> Self {
        Self {
            families: Family::ALL.to_vec(),
            users: Vec::new(),
            groups: Vec::new(),
            disk_operations: 0,
            privilege_operations: 0,
            paths: Vec::new(),
            except: Vec::new(),
        }
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

/// A list of operations out of `known`, as bits.
pub fn operations(node: &Node, known: &[&str]) -> Result<u64, String> {
    names(node, ("an operation", "operations"), known)
}

/// A list of names out of `known`, as bits; of what, is said by `one` and `many`.
pub fn names(node: &Node, (one, many): (&str, &str), known: &[&str]) -> Result<u64, String> {
    let Kind::Sequence(items) = &node.kind else {
        let shown = node.describe();
        return Err(format!(
            "{shown} is not a list; write {many} as in [{}]",
            known[0]
        ));
    };
    let mut bits = 0;
    for item in items {
        let name = text(item)?;
        let place = known.iter().position(|known| *known == name);
        let place = place.ok_or_else(|| {
            format!(
                "{} is not {one}; these are: {}",
                item.describe(),
                known.join(", ")
            )
        })?;
        bits |= 1 << place;
    }
    Ok(bits)
}

/// A list of paths, each of which may end in `*`.
pub fn patterns(node: &Node) -> Result<Vec<Pattern>, String> {
    let Kind::Sequence(items) = &node.kind else {
        let shown = node.describe();
        return Err(format!(
            "{shown} is not a list; write paths as in [/proc/*, /dev/null]"
        ));
    };
    if items.len() > PATTERN_COUNT / 2 {
        return Err(format!(
            "{} paths are too many; {} is the most",
            items.len(),
            PATTERN_COUNT / 2
        ));
    }
    items.iter().map(pattern).collect()
}

fn pattern(node: &Node) -> Result<Pattern, String> {
    let path = text(node)?;
    let shown = node.describe();
    let (begins, whole) = match path.strip_suffix('*') {
        Some(begins) => (begins, false),
        None => (path.as_str(), true),
    };
    let reason = if !begins.starts_with('/') {
        "is not an absolute path; begin it with \"/\"".to_owned()
    } else if begins.contains('*') {
        "has a * before its end; leave the rest away, or write several paths".to_owned()
    } else if begins.len() > PATTERN_LENGTH {
        format!("is longer than {PATTERN_LENGTH} bytes; cut it, and end it with *")
    } else {
        return Ok(Pattern {
            begins: begins.to_owned(),
            whole,
        });
    };
    Err(format!("{shown} {reason}"))
}
