//! JSON by hand, into a buffer that is there already.

use base64::engine::{Engine, general_purpose::STANDARD};

/// Writes one JSON object at a time to the end of a buffer. Keys are written as they are: they
/// must need no escapes.
pub struct Object<'a> {
    out: &'a mut Vec<u8>,
    empty: bool,
}

impl<'a> Object<'a> {
    /// Opens an object.
    pub fn open(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, empty: true }
    }

    /// Closes the object.
    pub fn close(self) {
        self.out.push(b'}');
    }

    fn comma(&mut self) {
        if !self.empty {
            self.out.push(b',');
        }
        self.empty = false;
    }

    fn key(&mut self, key: &str) {
        self.comma();
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    /// A whole number.
    pub fn number(&mut self, key: &str, value: impl itoa::Integer) {
        self.key(key);
        self.out
            .extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }

    /// `true` or `false`.
    pub fn boolean(&mut self, key: &str, value: bool) {
        self.key(key);
        self.out
            .extend_from_slice(if value { b"true" } else { b"false" });
    }

    /// A string of any bytes; those that are not UTF-8 become U+FFFD.
    pub fn string(&mut self, key: &str, value: &[u8]) {
        self.key(key);
        string(self.out, value);
    }

    /// The same, and where that loses bytes the key's twin `KEY_base64` with all of them.
    pub fn bytes(&mut self, key: &str, twin: &str, value: &[u8]) {
        self.key(key);
        if !string(self.out, value) {
            self.key(twin);
            base64(self.out, value);
        }
    }

    /// A list of strings of any bytes, and the twin in base64 where one of them is not UTF-8.
    pub fn list<'b>(
        &mut self,
        key: &str,
        twin: &str,
        values: impl Iterator<Item = &'b [u8]> + Clone,
    ) {
        let mut is_whole = true;
        self.items(key, values.clone(), |out, value| {
            is_whole &= string(out, value);
        });
        if !is_whole {
            self.items(twin, values, base64);
        }
    }

    /// A list of whole numbers.
    pub fn numbers(&mut self, key: &str, values: impl Iterator<Item = i32>) {
        self.key(key);
        self.out.push(b'[');
        for (index, value) in values.enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            self.out
                .extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
        }
        self.out.push(b']');
    }

    fn items<'b>(
        &mut self,
        key: &str,
        values: impl Iterator<Item = &'b [u8]>,
        mut write: impl FnMut(&mut Vec<u8>, &[u8]),
    ) {
        self.key(key);
        self.out.push(b'[');
        for (index, value) in values.enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            write(self.out, value);
        }
        self.out.push(b']');
    }

    /// Members that are JSON already: `"key":value,"key":value`, or nothing.
    pub fn members(&mut self, json: &[u8]) {
        if json.is_empty() {
            return;
        }
        self.comma();
        self.out.extend_from_slice(json);
    }

    /// A string with a key that may need escapes.
    pub fn member(&mut self, key: &[u8], value: &[u8]) {
        self.comma();
        string(self.out, key);
        self.out.push(b':');
        string(self.out, value);
    }

    /// An object as a value.
    pub fn object(&mut self, key: &str, fill: impl FnOnce(&mut Object<'_>)) {
        self.key(key);
        let mut inner = Object::open(self.out);
        fill(&mut inner);
        inner.close();
    }
}

/// For each byte: 0 if it stands for itself in a string, `u` for \u00XX, else the letter behind
/// the backslash (RFC 8259, section 7).
const ESCAPES: [u8; 256] = {
    let mut escapes = [0; 256];
    let mut byte = 0;
    while byte < 0x20 {
        escapes[byte] = b'u';
        byte += 1;
    }
    escapes[0x7f] = b'u';
    escapes[b'"' as usize] = b'"';
    escapes[b'\\' as usize] = b'\\';
    escapes[b'\n' as usize] = b'n';
    escapes[b'\r' as usize] = b'r';
    escapes[b'\t' as usize] = b't';
    escapes
};

/// Whether a byte is ASCII, and stands for itself.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0;
    while byte < 0x80 {
        plain[byte] = ESCAPES[byte] == 0;
        byte += 1;
    }
    plain
};

/// Tells whether it is all there: whether it is UTF-8.
fn string(out: &mut Vec<u8>, value: &[u8]) -> bool {
    let mut is_whole = true;
    out.push(b'"');
    // Nearly every string: it takes one look at each byte.
    if value.iter().all(|byte| PLAIN[*byte as usize]) {
        out.extend_from_slice(value);
    } else {
        for chunk in value.utf8_chunks() {
            escaped(out, chunk.valid().as_bytes());
            if !chunk.invalid().is_empty() {
                is_whole = false;
                out.extend_from_slice("\u{fffd}".as_bytes());
            }
        }
    }
    out.push(b'"');
    is_whole
}

fn escaped(out: &mut Vec<u8>, mut text: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    while let Some(at) = text.iter().position(|byte| ESCAPES[*byte as usize] != 0) {
        let byte = text[at];
        out.extend_from_slice(&text[..at]);
        match ESCAPES[byte as usize] {
            b'u' => {
                let digits = [DIGITS[(byte >> 4) as usize], DIGITS[(byte & 15) as usize]];
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&digits);
            }
            letter => out.extend_from_slice(&[b'\\', letter]),
        }
        text = &text[at + 1..];
    }
    out.extend_from_slice(text);
}

fn base64(out: &mut Vec<u8>, value: &[u8]) {
    out.push(b'"');
    let start = out.len();
    out.resize(start + value.len().div_ceil(3) * 4, 0);
    let written = STANDARD.encode_slice(value, &mut out[start..]).unwrap_or(0);
    out.truncate(start + written);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(fill: impl FnOnce(&mut Object<'_>)) -> String {
        let mut out = Vec::new();
        let mut object = Object::open(&mut out);
        fill(&mut object);
        object.close();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_byte_comes_back_through_another_parser() {
        let every: Vec<u8> = (0..=127).collect();
        let json = written(|o| o.bytes("a", "a_base64", &every));
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["a"].as_str().unwrap().as_bytes(), every);
        assert!(value.get("a_base64").is_none());
    }

    #[test]
    fn bytes_that_are_not_utf8_have_a_twin() {
        let json = written(|o| o.bytes("a", "a_base64", b"x\xff\"y"));
        assert_eq!(json, "{\"a\":\"x\u{fffd}\\\"y\",\"a_base64\":\"eP8ieQ==\"}");
        let values: [&[u8]; 3] = [b"", b"\xc3\x28", "\u{1f980}".as_bytes()];
        let json = written(|o| o.list("a", "a_base64", values.into_iter()));
        assert_eq!(
            json,
            "{\"a\":[\"\",\"\u{fffd}(\",\"\u{1f980}\"],\"a_base64\":[\"\",\"wyg=\",\"8J+mgA==\"]}"
        );
    }

    #[test]
    fn commas_stand_between_members() {
        let json = written(|o| {
            o.number("n", -1i32);
            o.members(b"");
            o.members(b"\"m\":1");
            o.boolean("b", true);
            o.object("o", |o| o.string("s", b"\x1b[0m\n"));
        });
        assert_eq!(json, r#"{"n":-1,"m":1,"b":true,"o":{"s":"\u001b[0m\n"}}"#);
    }
}
