//! What stands behind a key: its value, or what is wrong with it and how to mend that.

use std::path::PathBuf;
use std::time::Duration;

use super::yaml::{Kind, Node};
use super::{
    BUFFER_PAGES_LIMIT, NETWORK_SILENCE_LIMIT, NETWORK_SILENCE_SECONDS, Overload, SMALLEST_SIZE,
    VARIABLE_LENGTH, VARIABLES,
};
use crate::base::{self, Family, Output, Sync};

pub fn boolean(node: &Node) -> Result<bool, String> {
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
    let shown = node.describe();
    Err(format!("{shown} is not a boolean; write true or false"))
}

/// A whole number, or nothing if it is something else.
pub fn number(node: &Node) -> Result<Option<i64>, String> {
    match &node.kind {
        Kind::Scalar { text, plain: true } => Ok(integer(text)),
        Kind::Scalar { plain: false, .. } => Err(format!(
            "{} is in quotes, so not a number; remove the quotes",
            node.describe()
        )),
        _ => Ok(None),
    }
}

pub fn silence(node: &Node) -> Result<Duration, String> {
    let seconds = number(node)?.and_then(|number| u32::try_from(number).ok());
    let seconds = seconds.filter(|seconds| (1..=NETWORK_SILENCE_LIMIT).contains(seconds));
    seconds
        .map(|seconds| Duration::from_secs(seconds.into()))
        .ok_or_else(|| {
            format!(
                "{} is not a number of seconds from 1 to {NETWORK_SILENCE_LIMIT}; \
             {NETWORK_SILENCE_SECONDS} is the default",
                node.describe()
            )
        })
}

/// A ring buffer size; `default` when it is 0.
pub fn pages(node: &Node, default: u32) -> Result<u32, String> {
    let shown = node.describe();
    let Some(number) = number(node)? else {
        return Err(format!(
            "{shown} is not a number of pages; write a power of two, such as {default}"
        ));
    };
    if number < 0 {
        return Err(format!(
            "{shown} is negative; write 0 for the default of {default}"
        ));
    }
    match u32::try_from(number) {
        Ok(0) => Ok(default),
        Ok(number) if number <= BUFFER_PAGES_LIMIT => {
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
            Err(format!(
                "{shown} is not a power of two; {nearest} is the nearest"
            ))
        }
        _ => Err(format!(
            "{shown} is more than {BUFFER_PAGES_LIMIT} pages; {BUFFER_PAGES_LIMIT} is the most"
        )),
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

pub fn text(node: &Node) -> Result<String, String> {
    match &node.kind {
        Kind::Scalar { .. } if node.is_absent() => Ok(String::new()),
        Kind::Scalar { text, .. } => Ok(text.clone()),
        _ => Err(format!(
            "{} is not text; write one value after the colon",
            node.describe()
        )),
    }
}

pub fn name(node: &Node) -> Result<Option<String>, String> {
    text(node).map(Some)
}

/// A list of names of environment variables.
pub fn environment(node: &Node) -> Result<Vec<String>, String> {
    let Kind::Sequence(items) = &node.kind else {
        let shown = node.describe();
        return Err(format!(
            "{shown} is not a list; write names as in [LD_PRELOAD, LD_AUDIT]"
        ));
    };
    if items.len() > VARIABLES {
        return Err(format!(
            "{} names are too many; {VARIABLES} is the most",
            items.len()
        ));
    }
    let name = |item: &Node| {
        let name = text(item)?;
        let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if name.is_empty() || name.len() > VARIABLE_LENGTH || !name.bytes().all(good) {
            return Err(format!(
                "{} is not a name of 1 to {VARIABLE_LENGTH} letters, digits and underscores; \
                 correct or remove it",
                item.describe()
            ));
        }
        Ok(name)
    };
    items.iter().map(name).collect()
}

/// A list of names of families.
pub fn families(node: &Node) -> Result<Vec<Family>, String> {
    let known = Family::ALL.map(Family::name).join(", ");
    let Kind::Sequence(items) = &node.kind else {
        let shown = node.describe();
        return Err(format!(
            "{shown} is not a list; write families as in [{known}]"
        ));
    };
    let family = |item: &Node| {
        let name = text(item)?;
        let mut all = Family::ALL.into_iter();
        all.find(|family| family.name() == name)
            .ok_or_else(|| format!("{} is not a family; these are: {known}", item.describe()))
    };
    items.iter().map(family).collect()
}

/// A way to hook system calls.
pub fn plan(node: &Node) -> Result<Option<base::Kind>, String> {
    let all = base::Kind::ALL;
    let kind = text(node)
        .ok()
        .and_then(|text| all.into_iter().find(|kind| kind.name() == text));
    kind.map(Some).ok_or_else(|| {
        let known = all.map(base::Kind::name).join(" or ");
        format!("{} is not a plan; write {known}", node.describe())
    })
}

pub fn absolute(node: &Node) -> Result<String, String> {
    let text = text(node)?;
    let shown = node.describe();
    if !text.starts_with('/') {
        return Err(format!(
            "{shown} is not an absolute path; begin it with \"/\""
        ));
    }
    if text.contains('\0') {
        return Err(format!("{shown} has a NUL character in it; remove it"));
    }
    Ok(text)
}

pub fn path(node: &Node) -> Result<PathBuf, String> {
    absolute(node).map(PathBuf::from)
}

pub fn cgroup_root(node: &Node) -> Result<String, String> {
    let text = absolute(node)?;
    if text.split('/').any(|component| component == "..") {
        let shown = node.describe();
        return Err(format!(
            "{shown} leads upwards with \"..\"; write the path without it"
        ));
    }
    Ok(text)
}

pub fn overload(node: &Node) -> Result<Overload, String> {
    match &node.kind {
        Kind::Scalar { text, .. } if text == "drop" => Ok(Overload::Drop),
        Kind::Scalar { text, .. } if text == "throttle" => Ok(Overload::Throttle),
        _ => {
            let shown = node.describe();
            Err(format!("{shown} is not a policy; write drop or throttle"))
        }
    }
}

pub fn fsync(node: &Node) -> Result<Sync, String> {
    match &node.kind {
        Kind::Scalar { text, .. } if text == "per-event" => Ok(Sync::PerEvent),
        Kind::Scalar { text, .. } if text == "interval" => Ok(Sync::Interval),
        Kind::Scalar { text, .. } if text == "session-end" => Ok(Sync::SessionEnd),
        _ => {
            let shown = node.describe();
            Err(format!(
                "{shown} is not a policy; write per-event, interval or session-end"
            ))
        }
    }
}

/// A number of bytes, with or without a unit; 0 is no limit.
pub fn size(node: &Node) -> Result<u64, String> {
    let shown = node.describe();
    let reason = format!("{shown} is not a size; write a number of bytes, or one such as 500M");
    let text = text(node).map_err(|_| reason.clone())?;
    let units = [("K", 10), ("M", 20), ("G", 30), ("T", 40)];
    let (digits, shift) = units
        .iter()
        .find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, *shift)))
        .unwrap_or((&text, 0));
    let number = integer(digits).and_then(|number| u64::try_from(number).ok());
    let size = number.and_then(|number| number.checked_mul(1 << shift));
    match size {
        Some(size) if (1..SMALLEST_SIZE).contains(&size) => Err(format!(
            "{shown} is less than {SMALLEST_SIZE} bytes; write more, or 0 for no limit"
        )),
        Some(size) => Ok(size),
        None => Err(reason),
    }
}

/// A number of days; 0 is no limit.
pub fn days(node: &Node) -> Result<u64, String> {
    let number = match &node.kind {
        Kind::Scalar { text, plain: true } => integer(text),
        _ => None,
    };
    number
        .and_then(|number| u64::try_from(number).ok())
        .ok_or_else(|| {
            let shown = node.describe();
            format!("{shown} is not a number of days; write one, or 0 for no limit")
        })
}

/// One output, or a list of them.
pub fn outputs(node: &Node) -> Result<Vec<Output>, String> {
    let items = match &node.kind {
        Kind::Sequence(items) => items,
        _ => std::slice::from_ref(node),
    };
    let known = Output::ALL.map(Output::name).join(", ");
    let mut outputs = Vec::new();
    for item in items {
        let name = match &item.kind {
            Kind::Scalar { text, .. } => text.as_str(),
            _ => "",
        };
        let found = Output::ALL.into_iter().find(|output| output.name() == name);
        let shown = item.describe();
        match found {
            None => return Err(format!("{shown} is not an output; these are: {known}")),
            Some(output) if outputs.contains(&output) => {
                return Err(format!("{shown} is there twice; remove one"));
            }
            Some(output) => outputs.push(output),
        }
    }
    match outputs.is_empty() {
        true => Err(format!("there is none in the list; write one of: {known}")),
        false => Ok(outputs),
    }
}
