//! One object, member by member.

use base64::engine::{Engine, general_purpose::STANDARD};

use crate::buffer::{Buffer, copy};

/// Writes one JSON object at a time to the end of a buffer. Keys are written as they are: they
/// must need no escapes.
pub struct Object<'a> {
    out: &'a mut Buffer,
    /// What stands in front of the next member.
    separator: u8,
}

impl<'a> Object<'a> {
    /// Opens an object.
    pub fn open(out: &'a mut Buffer) -> Self {
        Self {
            out,
            separator: b'{',
        }
    }

    /// One object as text.
    pub fn text(fill: impl FnOnce(&mut Object<'_>)) -> String {
        let mut out = Buffer::default();
        let mut object = Object::open(&mut out);
        fill(&mut object);
        object.close();
        String::from_utf8_lossy(out.bytes()).into_owned()
    }

    /// Members alone, for [`Self::members`].
    pub fn bare(fill: impl FnOnce(&mut Object<'_>)) -> Vec<u8> {
        let mut out = Buffer::default();
        fill(&mut Object::open(&mut out));
        // Behind the brace.
        out.bytes().get(1..).unwrap_or_default().to_vec()
    }

    /// How many bytes are in the buffer that it is written to.
    pub fn length(&self) -> usize {
        self.out.length()
    }

    /// Closes the object.
    pub fn close(self) {
        if self.separator == b'{' {
            self.out.push(b'{');
        }
        self.out.push(b'}');
    }

    fn key(&mut self, key: &str) {
        let length = key.len();
        let room = self.out.room(length + 4);
        room[0] = self.separator;
        room[1] = b'"';
        copy(&mut room[2..length + 2], key.as_bytes());
        room[length + 2] = b'"';
        room[length + 3] = b':';
        self.separator = b',';
    }

    /// A whole number.
    pub fn number(&mut self, key: &str, value: impl itoa::Integer) {
        self.key(key);
        self.out
            .extend(itoa::Buffer::new().format(value).as_bytes());
    }

    /// `true` or `false`.
    pub fn boolean(&mut self, key: &str, value: bool) {
        self.key(key);
        self.out.extend(if value { b"true" } else { b"false" });
    }

    /// A string of any bytes; those that are not UTF-8 become U+FFFD.
    pub fn string(&mut self, key: &str, value: &[u8]) {
        self.key(key);
        string(self.out, value);
    }

    /// A string of any bytes. If they are not UTF-8, the companion field `KEY_base64` has all of them.
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
        self.items(key, values, |out, value| {
            out.extend(itoa::Buffer::new().format(value).as_bytes());
        });
    }

    fn items<T>(
        &mut self,
        key: &str,
        values: impl Iterator<Item = T>,
        mut write: impl FnMut(&mut Buffer, T),
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
        if !json.is_empty() {
            self.separate();
            self.out.extend(json);
        }
    }

    /// A string with a key that may need escapes.
    pub fn member(&mut self, key: &[u8], value: &[u8]) {
        self.separate();
        string(self.out, key);
        self.out.push(b':');
        string(self.out, value);
    }

    fn separate(&mut self) {
        self.out.push(self.separator);
        self.separator = b',';
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

/// Whether all bytes are ASCII and stand for themselves.
fn is_plain(value: &[u8]) -> bool {
    match value.last_chunk::<8>() {
        // It is looked at twice in part, unless the length is a multiple of eight.
        Some(last) => value.as_chunks().0.iter().chain([last]).all(are_plain),
        None => value
            .iter()
            .all(|byte| byte.is_ascii() && ESCAPES[*byte as usize] == 0),
    }
}

/// Whether eight bytes are plain, in the highest bit of each. Where a byte is found, the one above
/// it may be found for it, too, which makes no difference.
fn are_plain(bytes: &[u8; 8]) -> bool {
    const ONES: u64 = u64::MAX / 0xff;
    let word = u64::from_ne_bytes(*bytes);
    let below = |word: u64, byte: u8| word.wrapping_sub(ONES * u64::from(byte)) & !word;
    let is = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    (word | below(word, 0x20) | is(b'"') | is(b'\\') | is(0x7f)) & (ONES << 7) == 0
}

/// Writes a string. Tells whether it is all there: whether it is UTF-8.
pub fn string(out: &mut Buffer, value: &[u8]) -> bool {
    // Nearly every string.
    if is_plain(value) {
        let length = value.len();
        let room = out.room(length + 2);
        room[0] = b'"';
        copy(&mut room[1..length + 1], value);
        room[length + 1] = b'"';
        return true;
    }
    let mut is_whole = true;
    out.push(b'"');
    for chunk in value.utf8_chunks() {
        escaped(out, chunk.valid().as_bytes());
        if !chunk.invalid().is_empty() {
            is_whole = false;
            out.extend("\u{fffd}".as_bytes());
        }
    }
    out.push(b'"');
    is_whole
}

fn escaped(out: &mut Buffer, mut text: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    while let Some(at) = text.iter().position(|byte| ESCAPES[*byte as usize] != 0) {
        let byte = text[at];
        out.extend(&text[..at]);
        match ESCAPES[byte as usize] {
            b'u' => {
                let digits = [DIGITS[(byte >> 4) as usize], DIGITS[(byte & 15) as usize]];
                out.extend(b"\\u00");
                out.extend(&digits);
            }
            letter => out.extend(&[b'\\', letter]),
        }
        text = &text[at + 1..];
    }
    out.extend(text);
}

fn base64(out: &mut Buffer, value: &[u8]) {
    out.push(b'"');
    // The room is exactly what it takes.
    let _ = STANDARD.encode_slice(value, out.room(value.len().div_ceil(3) * 4));
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_comes_back_through_another_parser() {
        let every: Vec<u8> = (0..=127).collect();
        // All at once, and each in all places of strings that are looked at in different ways.
        let strings = every.iter().flat_map(|byte| {
            (0..20).map(|at| {
                let mut string = vec![b'x'; at.max(7) + at % 3];
                string.insert(at, *byte);
                string
            })
        });
        for string in strings.chain([every.clone()]) {
            let json = Object::text(|o| o.bytes("a", "a_base64", &string));
            let value: serde_json::Value = serde_json::from_str(&json).unwrap();
            assert_eq!(value["a"].as_str().unwrap().as_bytes(), string);
            assert!(value.get("a_base64").is_none());
            let is_escaped = string.iter().any(|byte| ESCAPES[*byte as usize] != 0);
            assert_eq!(json.contains('\\'), is_escaped, "{json}");
        }
    }

    #[test]
    fn bytes_that_are_not_utf8_have_a_twin() {
        let json = Object::text(|o| o.bytes("a", "a_base64", b"x\xff\"y"));
        assert_eq!(json, "{\"a\":\"x\u{fffd}\\\"y\",\"a_base64\":\"eP8ieQ==\"}");
        let values: [&[u8]; 3] = [b"", b"\xc3\x28", "\u{1f980}".as_bytes()];
        let json = Object::text(|o| o.list("a", "a_base64", values.into_iter()));
        assert_eq!(
            json,
            "{\"a\":[\"\",\"\u{fffd}(\",\"\u{1f980}\"],\"a_base64\":[\"\",\"wyg=\",\"8J+mgA==\"]}"
        );
    }

    #[test]
    fn commas_stand_between_members() {
        let json = Object::text(|o| {
            o.number("n", -1i32);
            o.members(b"");
            o.members(b"\"m\":1");
            o.boolean("b", true);
            o.object("o", |o| o.string("s", b"\x1b[0m\n"));
        });
        assert_eq!(json, r#"{"n":-1,"m":1,"b":true,"o":{"s":"\u001b[0m\n"}}"#);
        assert_eq!(Object::text(|o| o.object("o", |_| {})), r#"{"o":{}}"#);
        assert_eq!(Object::bare(|o| o.string("s", b"")), br#""s":"""#);
        assert!(Object::bare(|_| {}).is_empty());
    }
}
