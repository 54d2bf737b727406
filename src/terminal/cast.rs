//! What was on a terminal, as asciicast v2: a line for each output and each change of its size.
//!
//! Bytes that are not UTF-8 are U+FFFD in their line, and a line behind it has them in base64, with a
//! code that players pass over. What is missing has a marker.

use std::io::Write;

use base64::engine::{Engine, general_purpose::STANDARD};
use line::{Buffer, string};

/// The code of a line that has the bytes of the output in front of it.
pub const BYTES: &str = "b";

/// What a marker for missing bytes begins with; their number stands in front of it.
pub const DROPPED: &str = " bytes of output are missing here";

/// The size of a terminal that has none.
const USUAL: (u16, u16) = (80, 24);

/// A recording that is being written.
pub struct Cast {
    /// When it began. Nanoseconds since boot.
    start: u64,
    /// When the last line is from.
    last: u64,
    size: (u16, u16),
    /// The beginning of a character whose other bytes are still to come.
    begun: Vec<u8>,
}

impl Cast {
    /// Begins one at the time `start`, in nanoseconds since boot, which is `real` seconds since 1970.
    pub fn begin(start: u64, real: u64, size: (u16, u16), out: &mut Buffer) -> Self {
        let size = shown(size);
        let (columns, rows) = size;
        let line = format!(
            "{{\"version\":2,\"width\":{columns},\"height\":{rows},\"timestamp\":{real}}}\n"
        );
        out.extend(line.as_bytes());
        Self {
            start,
            last: start,
            size,
            begun: Vec::new(),
        }
    }

    /// Takes the size that the terminal has at this time.
    pub fn size(&mut self, time: u64, size: (u16, u16), out: &mut Buffer) {
        let size = shown(size);
        if size != self.size {
            self.size = size;
            self.line(time, "r", format!("{}x{}", size.0, size.1).as_bytes(), out);
        }
    }

    /// Marks that so many bytes are missing.
    pub fn dropped(&mut self, time: u64, count: u64, out: &mut Buffer) {
        self.end(time, out);
        self.line(time, "m", format!("{count}{DROPPED}").as_bytes(), out);
    }

    /// Takes output.
    pub fn output(&mut self, time: u64, bytes: &[u8], out: &mut Buffer) {
        let mut joined = std::mem::take(&mut self.begun);
        let bytes = match joined.is_empty() {
            true => bytes,
            false => {
                joined.extend_from_slice(bytes);
                &joined
            }
        };
        let (whole, begun) = bytes.split_at(bytes.len() - unfinished(bytes));
        self.write(time, whole, out);
        self.begun = begun.to_vec();
    }

    /// Writes what is left of a character.
    pub fn end(&mut self, time: u64, out: &mut Buffer) {
        let begun = std::mem::take(&mut self.begun);
        self.write(time, &begun, out);
    }

    fn write(&mut self, time: u64, bytes: &[u8], out: &mut Buffer) {
        if bytes.is_empty() {
            return;
        }
        if !self.line(time, "o", bytes, out) {
            let encoded = STANDARD.encode(bytes);
            self.line(time, BYTES, encoded.as_bytes(), out);
        }
    }

    /// Tells whether it is all there. Records of two processors may be in another order than their times.
    fn line(&mut self, time: u64, code: &str, text: &[u8], out: &mut Buffer) -> bool {
        self.last = self.last.max(time);
        let micros = (self.last - self.start) / 1000;
        let mut begin = [0; 40];
        let mut room = &mut begin[..];
        let (seconds, rest) = (micros / 1_000_000, micros % 1_000_000);
        // It has room for the largest number.
        let _ = write!(room, "[{seconds}.{rest:06},\"{code}\",");
        let left = room.len();
        out.extend(&begin[..begin.len() - left]);
        let is_whole = string(out, text);
        out.extend(b"]\n");
        is_whole
    }
}

/// The size that a player shows.
fn shown(size: (u16, u16)) -> (u16, u16) {
    match size {
        (0, _) | (_, 0) => USUAL,
        size => size,
    }
}

/// How many bytes at the end may be the beginning of a character.
fn unfinished(bytes: &[u8]) -> usize {
    let last = bytes.iter().rev().take(3);
    let Some(place) = last.clone().position(|byte| byte & 0xc0 != 0x80) else {
        return 0;
    };
    let needed = match bytes[bytes.len() - 1 - place] {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => 1,
    };
    if needed > place + 1 { place + 1 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The output that a recording has, and how many lines of each code.
    fn read(text: &[u8]) -> (Vec<u8>, String) {
        let (mut all, mut codes) = (Vec::<u8>::new(), String::new());
        let mut before = 0;
        for line in std::str::from_utf8(text).unwrap().lines().skip(1) {
            let (_, code, data): (f64, String, String) = serde_json::from_str(line).unwrap();
            codes.push_str(&code);
            match code.as_str() {
                "o" => {
                    before = all.len();
                    all.extend_from_slice(data.as_bytes());
                }
                BYTES => {
                    all.truncate(before);
                    all.extend(STANDARD.decode(data).unwrap());
                }
                _ => {}
            }
        }
        (all, codes)
    }

    #[test]
    fn every_byte_comes_out_again_however_it_is_cut() {
        let text = "a\u{0}\u{1b}[2J\"\\\u{7f}ä€😀\u{fffd}".as_bytes();
        let broken = b"\xff\xe2\x82(\xf0\x9f\x98\xc0\x80\xed\xa0\x80\xf5";
        let whole = [text, broken, text].concat();
        for first in 0..=whole.len() {
            for second in first..=whole.len() {
                let mut out = Buffer::default();
                let mut cast = Cast::begin(0, 0, (80, 24), &mut out);
                for part in [&whole[..first], &whole[first..second], &whole[second..]] {
                    cast.output(1, part, &mut out);
                }
                cast.end(2, &mut out);
                assert_eq!(read(out.bytes()).0, whole);
            }
        }
    }

    #[test]
    fn a_character_in_two_parts_is_none_that_is_broken() {
        let mut out = Buffer::default();
        let mut cast = Cast::begin(0, 0, (80, 24), &mut out);
        for byte in "ä€😀".bytes() {
            cast.output(1, &[byte], &mut out);
        }
        cast.end(1, &mut out);
        assert_eq!(read(out.bytes()), ("ä€😀".into(), "ooo".to_owned()));
    }

    #[test]
    fn what_is_missing_stands_at_its_place() {
        let mut out = Buffer::default();
        let mut cast = Cast::begin(1_000_000_000, 7, (0, 0), &mut out);
        cast.output(1_000_000_000, b"a\xe2\x82", &mut out);
        cast.dropped(3_500_000_999, 12, &mut out);
        cast.size(2_000_000_000, (100, 30), &mut out);
        cast.size(4_000_000_000, (100, 30), &mut out);
        cast.output(4_000_000_000, b"b", &mut out);
        assert_eq!(
            std::str::from_utf8(out.bytes()).unwrap(),
            "{\"version\":2,\"width\":80,\"height\":24,\"timestamp\":7}\n\
             [0.000000,\"o\",\"a\"]\n\
             [2.500000,\"o\",\"\u{fffd}\"]\n\
             [2.500000,\"b\",\"4oI=\"]\n\
             [2.500000,\"m\",\"12 bytes of output are missing here\"]\n\
             [2.500000,\"r\",\"100x30\"]\n\
             [3.000000,\"o\",\"b\"]\n"
        );
    }
}
