//! What a line of a file says that is read again. The writer's own order of keys is relied on.

use memchr::memmem;

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
    }
}
