//! Text of any origin, so that a terminal shows it and obeys nothing in it.

mod hidden;
mod planes;

use std::fmt::Write;

use hidden::is_hidden;

/// A word as a shell would take it: as it is if nothing in it needs quotes, else in quotes, and
/// where it has hidden characters or bytes that are not UTF-8 in `$'…'`, with those as escapes.
pub fn word(text: &[u8], into: &mut String) {
    let valid = std::str::from_utf8(text).ok();
    let bare = |c: char| {
        c.is_ascii_alphanumeric() || "@%+=:,./_-".contains(c) || !c.is_ascii() && !is_hidden(c)
    };
    match valid {
        Some(text) if !text.is_empty() && text.chars().all(bare) => into.push_str(text),
        Some(text) if !text.contains(is_hidden) => {
            into.push('\'');
            into.push_str(&text.replace('\'', "'\\''"));
            into.push('\'');
        }
        _ => {
            into.push_str("$'");
            for chunk in text.utf8_chunks() {
                chunk.valid().chars().for_each(|c| escaped(c, into));
                for byte in chunk.invalid() {
                    let _ = write!(into, "\\x{byte:02x}");
                }
            }
            into.push('\'');
        }
    }
}

fn escaped(c: char, into: &mut String) {
    let _ = match c {
        '\\' | '\'' => write!(into, "\\{c}"),
        '\n' => write!(into, "\\n"),
        '\r' => write!(into, "\\r"),
        '\t' => write!(into, "\\t"),
        c if !is_hidden(c) => write!(into, "{c}"),
        c if c.is_ascii() => write!(into, "\\x{:02x}", u32::from(c)),
        c if u32::from(c) < 0x10000 => write!(into, "\\u{:04x}", u32::from(c)),
        c => write!(into, "\\U{:08x}", u32::from(c)),
    };
}

/// A text that is no word of a command, with escapes for what is hidden.
pub fn plain(text: &str, into: &mut String) {
    for c in text.chars() {
        match is_hidden(c) {
            true => escaped(c, into),
            false => into.push(c),
        }
    }
}

/// JSON that means the same, with what is hidden as `\uXXXX`.
pub fn json(line: &str, into: &mut String) {
    for c in line.chars() {
        match is_hidden(c) {
            true => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(into, "\\u{unit:04x}");
                }
            }
            false => into.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn quoted(text: &[u8]) -> String {
        let mut out = String::new();
        word(text, &mut out);
        out
    }

    #[test]
    fn words_are_as_short_as_a_shell_allows() {
        assert_eq!(quoted(b""), "''");
        assert_eq!(quoted(b"--a=/b:c,d@e_1"), "--a=/b:c,d@e_1");
        assert_eq!(quoted("é🦀".as_bytes()), "é🦀");
        assert_eq!(quoted(b"a b"), "'a b'");
        assert_eq!(quoted(b"it's $HOME"), r"'it'\''s $HOME'");
        assert_eq!(quoted(b"\x1b[2J\n'\\"), r"$'\x1b[2J\n\'\\'");
        assert_eq!(
            quoted("\u{202e}\u{9b}\u{e0001}".as_bytes()),
            r"$'\u202e\u009b\U000e0001'"
        );
        assert_eq!(quoted(b"a\xff"), r"$'a\xff'");
    }

    #[test]
    fn a_shell_takes_words_for_what_they_were() {
        let mut every: Vec<Vec<u8>> = (1..=255).map(|byte| vec![b'a', byte, b'b']).collect();
        every.push("\u{202e}\u{9b}\u{e0001}é".into());
        for text in every {
            let script = format!("printf %s {}", quoted(&text));
            let mut bash = Command::new("bash");
            let output = bash.env("LC_ALL", "C.UTF-8").args(["-c", &script]).output();
            assert_eq!(output.unwrap().stdout, text, "{script}");
        }
    }

    #[test]
    fn nothing_hidden_is_left() {
        let every: String = (0..=0x10ffff).filter_map(char::from_u32).collect();
        for write in [plain, json, |text: &str, into: &mut String| {
            word(text.as_bytes(), into)
        }] {
            let mut out = String::new();
            write(&every, &mut out);
            assert!(!out.contains(is_hidden));
        }
        let mut out = String::new();
        json("\"\u{7f}\u{e0001}\"", &mut out);
        assert_eq!(out, r#""\u007f\udb40\udc01""#);
    }
}
