//! What a chain of checkpoints goes on from: in memory, and between a clean stop and the next start in a file.

use std::ops::Range;

use sha2::{Digest, Sha256};

use super::key::Secret;
use super::note::Before;
use line::tree::{Hash, Tree};

/// Room for one state. Bytes.
pub const SLOT: usize = 4096;

const MAGIC: &[u8; 8] = b"RSEAL 1\n";

/// Where the keys are, behind [`MAGIC`]: of the next checkpoint, and of the first one of the next file.
pub const NEXT: Range<usize> = 8..40;
pub const NEXT_FILE: Range<usize> = 40..72;

/// Where the length of what follows stands, and what follows.
const LENGTH: Range<usize> = 72..80;
const BODY: usize = 80;

/// A line that may stand in the file, or not: whether it does says which of two states counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Where in the file, and how long with its line feed. Bytes.
    pub place: (u64, u64),
    /// Its SHA-256 hash.
    pub hash: Hash,
}

/// All of it, but for the keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The larger, the later.
    pub order: u64,
    /// Which checkpoint of the chain is the next one, counted from 0.
    pub number: u64,
    /// The file that is written.
    pub file: String,
    /// Where in it the lines end that the last checkpoint is about. Bytes.
    pub offset: u64,
    /// The tree of these lines.
    pub tree: Tree,
    /// Whether the file has a checkpoint.
    pub is_open: bool,
    /// Whether the last checkpoint was one of the end.
    pub is_closed: bool,
    /// The last checkpoint.
    pub last: Option<Before>,
    /// The line by which this state came about.
    pub pending: Option<Pending>,
}

impl State {
    /// Writes it and the keys to a slot.
    pub fn write(&self, slot: &mut [u8], next: &Secret, next_file: &Secret) {
        let mut body = Vec::with_capacity(SLOT);
        let mut number = |value: u64| body.extend(value.to_le_bytes());
        number(self.order);
        number(self.number);
        number(self.offset);
        number(self.tree.size());
        number(u64::from(self.is_open) | u64::from(self.is_closed) << 1);
        body.extend(self.tree.peaks().iter().flatten());
        text(&mut body, &self.file);
        let last = self.last.as_ref();
        text(&mut body, last.map_or("", |last| &last.file));
        if let Some(last) = last {
            body.extend(last.size.to_le_bytes());
            body.extend(last.root);
        }
        body.push(self.pending.is_some().into());
        if let Some(pending) = &self.pending {
            body.extend(pending.place.0.to_le_bytes());
            body.extend(pending.place.1.to_le_bytes());
            body.extend(pending.hash);
        }
        slot[..8].copy_from_slice(MAGIC);
        slot[NEXT].copy_from_slice(&next.0);
        slot[NEXT_FILE].copy_from_slice(&next_file.0);
        slot[LENGTH].copy_from_slice(&(body.len() as u64).to_le_bytes());
        let end = BODY + body.len();
        slot[BODY..end].copy_from_slice(&body);
        let sum = Sha256::digest(&slot[..end]);
        slot[end..end + sum.len()].copy_from_slice(&sum);
    }

    /// Reads what was written to a slot as a whole.
    pub fn read(slot: &[u8]) -> Option<Self> {
        let rest = slot.strip_prefix(MAGIC)?;
        let length = u64::from_le_bytes(slot.get(LENGTH)?.try_into().ok()?);
        let end = BODY + usize::try_from(length).ok().filter(|it| *it < SLOT)?;
        let sum = rest.get(end - MAGIC.len()..)?.first_chunk::<32>()?;
        (Sha256::digest(slot.get(..end)?)[..] == *sum).then_some(())?;
        let mut body = Body(&slot[BODY..end]);
        let (order, number, offset) = (body.number()?, body.number()?, body.number()?);
        let (size, flags) = (body.number()?, body.number()?);
        let peaks = (0..size.count_ones()).map(|_| body.hash());
        let tree = Tree::of(size, peaks.collect::<Option<_>>()?)?;
        let file = body.text()?;
        let of = body.text()?;
        let last = match of.is_empty() {
            true => None,
            false => Some(Before {
                file: of,
                size: body.number()?,
                root: body.hash()?,
            }),
        };
        let pending = match body.take(1)? {
            [0] => None,
            _ => Some(Pending {
                place: (body.number()?, body.number()?),
                hash: body.hash()?,
            }),
        };
        Some(Self {
            order,
            number,
            file,
            offset,
            tree,
            is_open: flags & 1 != 0,
            is_closed: flags & 2 != 0,
            last,
            pending,
        })
    }
}

fn text(body: &mut Vec<u8>, text: &str) {
    // The names of files of the log are shorter.
    let bytes = &text.as_bytes()[..text.len().min(255)];
    body.push(bytes.len() as u8);
    body.extend(bytes);
}

struct Body<'a>(&'a [u8]);

impl<'a> Body<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    fn hash(&mut self) -> Option<Hash> {
        self.take(32)?.try_into().ok()
    }

    fn text(&mut self) -> Option<String> {
        let length = self.take(1)?[0];
        String::from_utf8(self.take(length.into())?.to_vec()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;
    use crate::seal::leaf;

    #[test]
    fn states_are_read_as_written() {
        let mut random = Random(3);
        let keys = [Secret::random(), Secret::random()];
        for count in 0..200 {
            let mut tree = Tree::default();
            (0..count).for_each(|it| tree.push(leaf(&[it as u8])));
            let state = State {
                order: count,
                number: 7 * count,
                file: "2026-12-01.00:00:00.log".into(),
                offset: 1 << 40,
                last: (count % 2 == 0).then(|| Before {
                    file: "file".into(),
                    size: count,
                    root: tree.root(),
                }),
                tree,
                is_open: count % 3 == 0,
                is_closed: count % 5 == 0,
                pending: (count % 7 == 0).then_some(Pending {
                    place: (1, count),
                    hash: [9; 32],
                }),
            };
            let mut slot = [0xff; SLOT];
            state.write(&mut slot, &keys[0], &keys[1]);
            assert_eq!(State::read(&slot), Some(state));
            assert_eq!(
                (&slot[NEXT], &slot[NEXT_FILE]),
                (&keys[0].0[..], &keys[1].0[..])
            );
            // What was written in part is none.
            let length = u64::from_le_bytes(slot[LENGTH].try_into().unwrap()) as usize;
            slot[random.below(BODY + length)] ^= 1 << random.below(8);
            assert_eq!(State::read(&slot), None);
        }
        assert_eq!(State::read(&[0; SLOT]), None);
        assert_eq!(State::read(b""), None);
    }
}
