//! The question of a DNS query (RFC 1035, sections 4.1 and 5.1), out of bytes that anybody can have
//! made.

use super::members::process;
use super::record::{split, take};
use super::{Context, EventType, Malformed, Payload};
use crate::abi::{self, Endpoint, Head};
use crate::event::address;

/// A datagram to the DNS port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Dns<'a> {
    pub source: Endpoint,
    pub destination: Endpoint,
    /// Its beginning, without the headers of IP and UDP.
    pub message: &'a [u8],
}

impl<'a> Payload<'a> for Dns<'a> {
    fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let (fixed, rest) = split::<abi::Dns>(bytes)?;
        Ok(Self {
            source: fixed.source,
            destination: fixed.destination,
            message: take(rest, fixed.message_length)?.0,
        })
    }

    /// session.dns, if the datagram is a query.
    fn write(&self, head: &Head, context: &mut Context<'_>) -> Option<EventType> {
        let question = Question::of(self.message)?;
        context.line(EventType::Dns, head.time, |object, _| {
            process(object, head);
            object.bytes("name", "name_base64", &question.name);
            object.string("type", question.kind().as_bytes());
            let (source, destination) = (address(&self.source), address(&self.destination));
            object.string("src_addr", source.host());
            object.number("src_port", source.port());
            object.string("dst_addr", destination.host());
            object.number("dst_port", destination.port());
            object.number("version", destination.version());
        });
        Some(EventType::Dns)
    }
}

/// Length of the header that every message has, in bytes.
const HEADER: usize = 12;

/// The longest name in a message, in bytes, and each of them with a backslash before it.
const NAME: usize = 255;
const TEXT: usize = 2 * NAME;

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Question {
    /// Labels with dots between them, `.` for the root. A dot or a backslash inside a label has a
    /// backslash before it; all other bytes are as they were sent.
    name: heapless::Vec<u8, TEXT>,
    kind: u16,
}

/// Types of records by their numbers at IANA; those that are asked for in practice.
const KINDS: &[(u16, &str)] = &[
    (1, "A"),
    (2, "NS"),
    (5, "CNAME"),
    (6, "SOA"),
    (12, "PTR"),
    (13, "HINFO"),
    (15, "MX"),
    (16, "TXT"),
    (28, "AAAA"),
    (29, "LOC"),
    (33, "SRV"),
    (35, "NAPTR"),
    (43, "DS"),
    (44, "SSHFP"),
    (46, "RRSIG"),
    (47, "NSEC"),
    (48, "DNSKEY"),
    (52, "TLSA"),
    (64, "SVCB"),
    (65, "HTTPS"),
    (99, "SPF"),
    (251, "IXFR"),
    (252, "AXFR"),
    (255, "ANY"),
    (256, "URI"),
    (257, "CAA"),
];

impl Question {
    /// The first question of a message; `None` if the bytes are not a query, or end before its end.
    fn of(message: &[u8]) -> Option<Self> {
        let (header, mut rest) = message.split_at_checked(HEADER)?;
        let is_answer = header[2] & 0x80 != 0;
        let questions = u16::from_be_bytes([header[4], header[5]]);
        if is_answer || questions == 0 {
            return None;
        }
        let mut name = heapless::Vec::new();
        let mut length = 0;
        loop {
            let (count, tail) = rest.split_first()?;
            let count = usize::from(*count);
            // The two highest bits are a pointer to an earlier name, and there is none.
            if count > 63 {
                return None;
            }
            let (label, tail) = tail.split_at_checked(count)?;
            rest = tail;
            length += 1 + count;
            if length > NAME {
                return None;
            }
            if count == 0 {
                break;
            }
            if !name.is_empty() {
                name.push(b'.').ok()?;
            }
            for byte in label {
                if matches!(byte, b'.' | b'\\') {
                    name.push(b'\\').ok()?;
                }
                name.push(*byte).ok()?;
            }
        }
        if name.is_empty() {
            name.push(b'.').ok()?;
        }
        let (kind, _class) = rest.get(..4)?.split_first_chunk::<2>()?;
        Some(Self {
            name,
            kind: u16::from_be_bytes(*kind),
        })
    }

    /// The name of the type, or `TYPE` and its number (RFC 3597).
    fn kind(&self) -> heapless::String<9> {
        let mut text = heapless::String::new();
        // The longest, TYPE65535, fits.
        let _ = match KINDS.iter().find(|(kind, _)| *kind == self.kind) {
            Some((_, name)) => text.push_str(name),
            None => text
                .push_str("TYPE")
                .and_then(|()| text.push_str(itoa::Buffer::new().format(self.kind))),
        };
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A query for a name in the form it has in a message.
    fn query(name: &[u8], kind: u16) -> Vec<u8> {
        let header = [0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        [&header, name, &kind.to_be_bytes(), &[0, 1]].concat()
    }

    fn asked(message: &[u8]) -> Option<(Vec<u8>, String)> {
        let question = Question::of(message)?;
        Some((question.name.to_vec(), question.kind().as_str().to_owned()))
    }

    fn some(name: &[u8], kind: &str) -> Option<(Vec<u8>, String)> {
        Some((name.to_vec(), kind.to_owned()))
    }

    #[test]
    fn questions_are_read() {
        let name = b"\x07example\x03org\0";
        assert_eq!(asked(&query(name, 1)), some(b"example.org", "A"));
        assert_eq!(asked(&query(name, 28)), some(b"example.org", "AAAA"));
        assert_eq!(
            asked(&query(name, 65535)),
            some(b"example.org", "TYPE65535")
        );
        assert_eq!(asked(&query(b"\0", 2)), some(b".", "NS"));
        // More questions, or an OPT record, stand behind it.
        let mut more = query(name, 16);
        more.extend_from_slice(b"\0\0\x29\x10\0");
        assert_eq!(asked(&more), some(b"example.org", "TXT"));
    }

    #[test]
    fn labels_of_any_bytes_stay_apart() {
        let name = b"\x03a.b\x02\\\0\x03\xff\n\"\0";
        let text = b"a\\.b.\\\\\0.\xff\n\"";
        assert_eq!(asked(&query(name, 1)), some(text, "A"));
        let longest = [b"\x3f".as_slice(), &[b'.'; 63]].concat().repeat(3);
        let longest = [longest.as_slice(), b"\x3d", &[b'.'; 61], b"\0"].concat();
        assert_eq!(longest.len(), NAME);
        let (name, _) = asked(&query(&longest, 1)).unwrap();
        assert_eq!(name.len(), 2 * 250 + 3);
    }

    #[test]
    fn what_is_no_query_is_nothing() {
        let name = b"\x07example\0";
        let whole = query(name, 1);
        for length in 0..whole.len() {
            assert_eq!(asked(&whole[..length]), None, "{length} bytes");
        }
        let with = |at: usize, byte: u8| {
            let mut message = whole.clone();
            message[at] = byte;
            asked(&message)
        };
        assert_eq!(with(2, 0x81), None, "an answer");
        assert_eq!(with(5, 0), None, "no question");
        assert_eq!(with(HEADER, 0xc0), None, "a pointer");
        let long = [b"\x3f".as_slice(), &[b'x'; 63]].concat().repeat(4);
        assert_eq!(asked(&query(&[&long[..], b"\0"].concat(), 1)), None);
    }

    /// A question comes out only of bytes that have it in them.
    #[test]
    fn hostile_bytes_are_harmless() {
        const MESSAGES: usize = 100_000;
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut below = |limit: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % limit as u64) as usize
        };
        let mut read = 0;
        for _ in 0..MESSAGES {
            let labels = below(6);
            let mut name = Vec::new();
            for _ in 0..labels {
                let most = if below(8) == 0 { 256 } else { 20 };
                let length = below(most);
                name.push(length as u8);
                name.extend((0..length).map(|_| below(256) as u8));
            }
            name.push(0);
            let mut message = query(&name, below(300) as u16);
            for _ in 0..below(3) {
                let at = below(message.len());
                match below(3) {
                    0 => message[at] = below(256) as u8,
                    1 => message.truncate(at.max(1)),
                    _ => message[at] ^= 1 << below(8),
                }
            }
            if let Some((name, kind)) = asked(&message) {
                read += 1;
                let plain = name.iter().filter(|byte| **byte != b'\\').count();
                assert!(plain <= message.len() && (1..=TEXT).contains(&name.len()));
                assert!(kind.bytes().all(|byte| byte.is_ascii_alphanumeric()));
            }
        }
        assert!((5_000..MESSAGES).contains(&read), "{read}");
    }
}
