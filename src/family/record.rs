//! From the bytes that a probe sends to a value.

use super::{Body, Context, EventType, Pending};
use crate::abi::{Head, Layout, read};

/// One record, borrowed from the ring it came by.
#[derive(Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// When, in which session, by which process.
    pub head: Head,
    /// What.
    pub body: Body<'a>,
}

/// What a record of one kind holds.
pub trait Payload<'a>: Sized {
    /// Reads it from the whole record, head included.
    ///
    /// # Errors
    /// [`Malformed`] if the bytes are not what a probe of this build sends.
    fn decode(bytes: &'a [u8]) -> Result<Self, Malformed>;

    /// Writes the lines that come of it. Returns the event it counts as; nothing if it is none by
    /// itself.
    fn write(&self, _: &Head, _: &mut Context<'_>) -> Option<EventType> {
        None
    }

    /// Takes back what later events would refer to: its lines can't be taken by any output.
    fn forget(&self, _: &Head, _: &mut Pending) {}
}

/// Why bytes are not a record.
#[derive(Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Fewer bytes than the record says it has, or than its kind needs.
    Short,
    /// A kind that no probe sends.
    Kind(u32),
    /// An operation of a privilege that no probe sends.
    Operation(u32),
}

/// Reads one record.
///
/// # Errors
/// [`Malformed`] if the bytes are not what a probe of this build sends.
pub fn decode(bytes: &[u8]) -> Result<Record<'_>, Malformed> {
    let head: Head = read(bytes).ok_or(Malformed::Short)?;
    let bytes = bytes.get(..head.length as usize).ok_or(Malformed::Short)?;
    let body = Body::decode(head.kind.into(), bytes)?;
    Ok(Record { head, body })
}

/// The strings of a block in which each is ended by a zero byte.
pub fn strings(block: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    let count = if block.is_empty() { 0 } else { usize::MAX };
    let block = block.strip_suffix(&[0]).unwrap_or(block);
    block.split(|byte| *byte == 0).take(count)
}

/// The structure that a record begins with, and what is behind it.
pub(super) fn split<T: Layout>(bytes: &[u8]) -> Result<(T, &[u8]), Malformed> {
    let value = read(bytes).ok_or(Malformed::Short)?;
    Ok((value, &bytes[size_of::<T>()..]))
}

/// So many bytes, and what is behind them.
pub(super) fn take(bytes: &[u8], length: u32) -> Result<(&[u8], &[u8]), Malformed> {
    bytes
        .split_at_checked(length as usize)
        .ok_or(Malformed::Short)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::{self, Kind};

    #[test]
    fn strings_keep_empty_ones() {
        let of = |block: &'static [u8]| strings(block).collect::<Vec<_>>();
        assert_eq!(of(b""), Vec::<&[u8]>::new());
        assert_eq!(of(b"\0"), [b""]);
        assert_eq!(of(b"ls\0"), [b"ls"]);
        assert_eq!(of(b"a\0\0b\0"), [b"a".as_slice(), b"", b"b"]);
        assert_eq!(of(b"a\0\0"), [b"a".as_slice(), b""]);
        assert_eq!(of(b"cut"), [b"cut"]);
    }

    #[test]
    fn a_length_beyond_the_bytes_is_refused() {
        let mut bytes = [0u8; size_of::<Head>()];
        assert_eq!(decode(&bytes), Err(Malformed::Kind(0)));
        bytes[24] = 255;
        assert_eq!(decode(&bytes), Err(Malformed::Short));
        assert_eq!(decode(&bytes[..40]), Err(Malformed::Short));
    }

    #[test]
    fn a_string_beyond_the_record_is_refused() {
        let mut bytes = [0u8; size_of::<abi::Disk>()];
        bytes[24..28].copy_from_slice(&(size_of::<abi::Disk>() as u32).to_ne_bytes());
        bytes[28] = Kind::Disk as u8;
        assert!(decode(&bytes).is_ok());
        bytes[std::mem::offset_of!(abi::Disk, lengths)] = 1;
        assert_eq!(decode(&bytes), Err(Malformed::Short));
    }
}
