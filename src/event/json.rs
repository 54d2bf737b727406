//! JSON as it is read: the members of one object as slices of its line, without a tree.

use std::borrow::Cow;

/// Objects and lists inside one another, at most; what is deeper is refused.
pub const DEPTH: usize = 64;

/// A key as it stands between its quotes, and the JSON of its value.
pub type Member<'a> = (&'a str, &'a str);

/// The members of the one object that `text` is, in their order. `None` where it is none by
/// RFC 8259, or nested deeper than [`DEPTH`].
pub fn members(text: &str) -> Option<Vec<Member<'_>>> {
    let mut scanner = Scanner { text, at: 0 };
    let mut members = Vec::with_capacity(32);
    scanner.space();
    scanner.object(0, &mut |key, value| members.push((key, value)))?;
    scanner.space();
    (scanner.at == text.len()).then_some(members)
}

/// Hands on each element of a list, or each value of an object with its key.
pub fn each<'a>(value: &'a str, visit: &mut dyn FnMut(Option<&'a str>, &'a str)) {
    let mut scanner = Scanner { text: value, at: 0 };
    let _ = match value.as_bytes().first() {
        Some(b'{') => scanner.object(0, &mut |key, value| visit(Some(key), value)),
        Some(b'[') => scanner.list(0, &mut |value| visit(None, value)),
        _ => None,
    };
}

/// Hands on all strings in a value, however deep, but no keys.
pub fn strings<'a>(value: &'a str, visit: &mut dyn FnMut(Cow<'a, str>)) {
    match string(value) {
        Some(text) => visit(text),
        None => each(value, &mut |_, value| strings(value, visit)),
    }
}

/// The text of a value that is a string.
pub fn string(value: &str) -> Option<Cow<'_, str>> {
    let inner = value.strip_prefix('"')?.strip_suffix('"')?;
    Some(match memchr::memchr(b'\\', inner.as_bytes()) {
        None => Cow::Borrowed(inner),
        Some(_) => Cow::Owned(decoded(inner)),
    })
}

/// Half a surrogate pair becomes U+FFFD.
fn decoded(inner: &str) -> String {
    let mut text = String::with_capacity(inner.len());
    let mut parts = inner.split('\\');
    text.push_str(parts.next().unwrap_or_default());
    let mut high: Option<u32> = None;
    while let Some(part) = parts.next() {
        let Some(letter) = part.chars().next() else {
            // Two backslashes in a row are one, and what stands behind them has none.
            high = None;
            text.push('\\');
            text.push_str(parts.next().unwrap_or_default());
            continue;
        };
        let plain = match letter {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let digits = part.get(1..5).unwrap_or_default();
                let unit = u32::from_str_radix(digits, 16).unwrap_or(0xfffd);
                let rest = part.get(5..).unwrap_or_default();
                match (high.take(), unit) {
                    (Some(high), 0xdc00..0xe000) => {
                        let both = 0x10000 + ((high - 0xd800) << 10) + (unit - 0xdc00);
                        // The first half stands there as U+FFFD already.
                        text.pop();
                        text.push(char::from_u32(both).unwrap_or('\u{fffd}'));
                    }
                    (_, unit) => text.push(char::from_u32(unit).unwrap_or('\u{fffd}')),
                }
                if (0xd800..0xdc00).contains(&unit) && rest.is_empty() {
                    high = Some(unit);
                }
                text.push_str(rest);
                continue;
            }
            same => same,
        };
        high = None;
        text.push(plain);
        text.push_str(part.get(letter.len_utf8()..).unwrap_or_default());
    }
    text
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// What stands between the quotes of a string.
    fn string(&mut self) -> Option<&'a str> {
        self.take(b'"')?;
        let start = self.at;
        loop {
            match self.peek()? {
                b'"' => break,
                b'\\' => {
                    self.at += 1;
                    match self.peek()? {
                        b'u' => {
                            let digits = self.text.as_bytes().get(self.at + 1..self.at + 5)?;
                            if !digits.iter().all(u8::is_ascii_hexdigit) {
                                return None;
                            }
                            self.at += 5;
                        }
                        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => self.at += 1,
                        _ => return None,
                    }
                }
                0..0x20 => return None,
                _ => self.at += 1,
            }
        }
        let inner = self.text.get(start..self.at);
        self.at += 1;
        inner
    }

    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }

    fn number(&mut self) -> Option<()> {
        let _ = self.take(b'-');
        if self.take(b'0').is_none() {
            self.digits()?;
        }
        if self.take(b'.').is_some() {
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Some(())
    }

    fn value(&mut self, depth: usize) -> Option<&'a str> {
        let start = self.at;
        match self.peek()? {
            b'"' => self.string().map(drop)?,
            b'{' => self.object(depth + 1, &mut |_, _| {})?,
            b'[' => self.list(depth + 1, &mut |_| {})?,
            b'-' | b'0'..=b'9' => self.number()?,
            _ => {
                let rest = &self.text.as_bytes()[self.at..];
                let words: [&[u8]; 3] = [b"true", b"false", b"null"];
                self.at += words.iter().find(|word| rest.starts_with(word))?.len();
            }
        }
        self.text.get(start..self.at)
    }

    fn object(&mut self, depth: usize, visit: &mut dyn FnMut(&'a str, &'a str)) -> Option<()> {
        self.items(depth, (b'{', b'}'), &mut |scanner| {
            let key = scanner.string()?;
            scanner.space();
            scanner.take(b':')?;
            scanner.space();
            visit(key, scanner.value(depth)?);
            Some(())
        })
    }

    fn list(&mut self, depth: usize, visit: &mut dyn FnMut(&'a str)) -> Option<()> {
        self.items(depth, (b'[', b']'), &mut |scanner| {
            visit(scanner.value(depth)?);
            Some(())
        })
    }

    fn items(
        &mut self,
        depth: usize,
        (open, close): (u8, u8),
        item: &mut dyn FnMut(&mut Self) -> Option<()>,
    ) -> Option<()> {
        if depth >= DEPTH {
            return None;
        }
        self.take(open)?;
        self.space();
        if self.take(close).is_some() {
            return Some(());
        }
        loop {
            item(self)?;
            self.space();
            if self.take(close).is_some() {
                return Some(());
            }
            self.take(b',')?;
            self.space();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    /// All strings of a value in the order in which they stand.
    fn reference(value: &Value, into: &mut Vec<String>) {
        match value {
            Value::String(text) => into.push(text.clone()),
            Value::Array(list) => list.iter().for_each(|value| reference(value, into)),
            Value::Object(object) => object.values().for_each(|value| reference(value, into)),
            _ => {}
        }
    }

    fn ours(members: &[Member<'_>]) -> Vec<String> {
        let mut found = Vec::new();
        for (_, value) in members {
            strings(value, &mut |text| found.push(text.into_owned()));
        }
        found
    }

    #[test]
    fn strings_are_what_another_parser_says() {
        for line in [
            r#"{}"#,
            r#" { "a" : [ ] , "b" : { } } "#,
            r#"{"a":"\"\\\/\b\f\n\r\t\u0041\\u0042\\\\n","b":["\ud83e\udd80","é\u00e9"]}"#,
            r#"{"a":{"b":[1,-0.5e+7,true,false,null,["x",{"y":"z"}]]},"c":"d"}"#,
            r#"{"a":"\\","b":"\\\"","c":"\u005c\u005c"}"#,
        ] {
            let mut expected = Vec::new();
            reference(&serde_json::from_str(line).unwrap(), &mut expected);
            assert_eq!(ours(&members(line).unwrap()), expected, "{line}");
        }
        let halves =
            members(r#"{"a":"\ud83e","b":"\udd80x\ud83ey\udd80","c":"\ud83e\ud83e\udd80"}"#);
        let expected = ["\u{fffd}", "\u{fffd}x\u{fffd}y\u{fffd}", "\u{fffd}🦀"];
        assert_eq!(ours(&halves.unwrap()), expected);
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for line in [
            "",
            "{",
            "}",
            "[]",
            "1",
            "null",
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a":1,}"#,
            r#"{,}"#,
            r#"{"a":01}"#,
            r#"{"a":1.}"#,
            r#"{"a":-}"#,
            r#"{"a":1e}"#,
            r#"{"a":"\x"}"#,
            r#"{"a":"\u12g4"}"#,
            r#"{"a":"\u12"#,
            "{\"a\":\"\n\"}",
            r#"{"a":tru}"#,
            r#"{a:1}"#,
            r#"{"a":1}{}"#,
            r#"{"a":[1 2]}"#,
            r#"{"a":"b"#,
            r#"{"a":"b\"#,
        ] {
            assert!(members(line).is_none(), "{line}");
            assert!(serde_json::from_str::<Value>(line).map_or(true, |v| !v.is_object()));
        }
        let nested = |depth| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
        assert!(members(&nested(DEPTH)).is_some());
        assert!(members(&nested(DEPTH + 1)).is_none());
        assert!(members(&nested(1_000_000)).is_none());
    }
}
