//! What a line says about itself, as far as an output has to know it. The writer's own order of
//! keys is relied on.

use std::io;

use memchr::memmem;

use crate::event::Class;
use crate::family::EventType;

/// Sends one line after the other until one fails; tells how many bytes are behind it.
pub fn each(
    lines: &[u8],
    mut send: impl FnMut(&[u8]) -> io::Result<()>,
) -> (usize, io::Result<()>) {
    let mut sent = 0;
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        if let Err(error) = send(line) {
            return (sent, Err(error));
        }
        sent += line.len();
    }
    (sent, Ok(()))
}

/// The value of a key whose value is a string without escapes; empty where the key is not there.
pub fn value<'a>(line: &'a [u8], key: &str) -> &'a [u8] {
    let mut rest = line;
    while let Some(at) = memmem::find(rest, key.as_bytes()) {
        let behind = &rest[at + key.len()..];
        let is_key = at > 0 && rest[at - 1] == b'"';
        if let (true, Some(value)) = (is_key, behind.strip_prefix(b"\":\"")) {
            let end = memchr::memchr(b'"', value).unwrap_or(0);
            return &value[..end];
        }
        rest = behind;
    }
    b""
}

/// How it is kept; of a line that this build does not write, nothing is known.
pub fn class(line: &[u8]) -> Option<Class> {
    EventType::named(value(line, "event")).map(|event| event.title().class)
}

/// Whether it tells of losses and of how sessions begin and end, rather than of an act.
pub fn is_frame(line: &[u8]) -> bool {
    class(line) == Some(Class::Frame)
}

/// Whether it tells that something is missing.
pub fn is_warning(line: &[u8]) -> bool {
    value(line, "code").ends_with(b"W")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &[u8] = br#"{"ei":1,"event":"session.lost","uid":"1","code":"R2001W","user":"\"event\":\"x","sid":"2"}"#;

    #[test]
    fn values_are_found_by_their_keys() {
        assert_eq!(value(LINE, "event"), b"session.lost");
        assert_eq!(value(LINE, "sid"), b"2");
        assert_eq!(value(LINE, "vent"), b"");
        assert_eq!(value(b"", "event"), b"");
        assert!(is_frame(LINE) && is_warning(LINE));
        assert!(!is_frame(
            br#"{"ei":1,"event":"session.disk","code":"T4001I"}"#
        ));
    }
}
