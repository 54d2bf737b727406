//! Lines of a stream, through one buffer.

use std::io::{self, Read};
use std::ops::Range;

/// What is read at once, bytes.
const BLOCK: usize = 256 * 1024;

/// The longest line that is kept whole, bytes: the kernel's limit for arguments and environment
/// (6 MiB, execve(2)) with each byte as `\u00XX`, and more. A longer one is handed on in pieces.
const LONGEST: usize = 64 << 20;

/// Lines of a stream that may still grow.
pub struct Lines<R> {
    input: R,
    buffer: Vec<u8>,
    /// What has been read and not handed on.
    unread: Range<usize>,
    /// In front of here there is no end of a line.
    searched: usize,
    /// Lines handed on.
    count: u64,
}

impl<R: Read> Lines<R> {
    /// Nothing is read yet.
    pub fn new(input: R) -> Self {
        Self {
            input,
            buffer: vec![0; BLOCK],
            unread: 0..0,
            searched: 0,
            count: 0,
        }
    }

    /// The stream itself.
    pub fn input(&self) -> &R {
        &self.input
    }

    /// How many bytes were read and not handed on.
    pub fn unread(&self) -> usize {
        self.unread.len()
    }

    /// How many lines were handed on: the number of the last one, counted from 1.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The next whole line, without its end. `None` at the end of the stream, as it is now: it may
    /// be asked again.
    ///
    /// # Errors
    /// What the stream says.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> io::Result<Option<&[u8]>> {
        loop {
            let fresh = &self.buffer[self.searched..self.unread.end];
            if let Some(found) = memchr::memchr(b'\n', fresh) {
                let line = self.unread.start..self.searched + found;
                self.unread.start = line.end + 1;
                self.searched = self.unread.start;
                self.count += 1;
                return Ok(Some(&self.buffer[line]));
            }
            self.searched = self.unread.end;
            if self.unread.len() >= LONGEST {
                return Ok(self.rest());
            }
            if self.fill()? == 0 {
                return Ok(None);
            }
        }
    }

    /// What stands behind the end of the last whole line, if anything.
    pub fn rest(&mut self) -> Option<&[u8]> {
        if self.unread.is_empty() {
            return None;
        }
        let rest = self.unread.clone();
        self.unread = rest.end..rest.end;
        self.searched = rest.end;
        self.count += 1;
        Some(&self.buffer[rest])
    }

    fn fill(&mut self) -> io::Result<usize> {
        self.buffer.copy_within(self.unread.clone(), 0);
        self.unread = 0..self.unread.len();
        self.searched = self.unread.end;
        // A line longer than the block makes the buffer grow for as long as it is in there.
        if self.unread.end == self.buffer.len() {
            self.buffer.resize(2 * self.buffer.len(), 0);
        } else if self.unread.end < BLOCK {
            self.buffer.truncate(BLOCK);
            self.buffer.shrink_to_fit();
        }
        loop {
            match self.input.read(&mut self.buffer[self.unread.end..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(count) => {
                    self.unread.end += count;
                    return Ok(count);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives at most so many bytes at once.
    struct Drip<'a>(&'a [u8], usize);

    impl Read for Drip<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(into.len()).min(self.0.len());
            into[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    fn all(text: &[u8], piece: usize) -> Vec<Vec<u8>> {
        let mut lines = Lines::new(Drip(text, piece));
        let mut found = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            found.push(line.to_vec());
        }
        found.extend(lines.rest().map(<[u8]>::to_vec));
        assert_eq!(lines.count(), found.len() as u64);
        found
    }

    #[test]
    fn lines_are_whole_however_they_arrive() {
        let long = "x".repeat(3 * BLOCK + 7);
        let text = format!("a\n\n{long}\nb\n{long}{long}\nend");
        let expected: Vec<&str> = text.split('\n').collect();
        for piece in [1, 1000, BLOCK, usize::MAX] {
            assert!(
                all(text.as_bytes(), piece)
                    == expected.iter().map(|s| s.as_bytes()).collect::<Vec<_>>()
            );
        }
        assert!(all(b"", 1).is_empty());
        assert_eq!(all(b"\n", 1), [b""]);
    }

    #[test]
    fn the_buffer_is_as_small_again_after_a_long_line() {
        let text = format!("{}\n{}", "x".repeat(2 << 20), "y\n".repeat(BLOCK));
        let mut lines = Lines::new(text.as_bytes());
        while lines.next().unwrap().is_some() {}
        assert_eq!(lines.buffer.capacity(), BLOCK);
    }

    #[test]
    fn a_line_without_end_takes_no_more_memory_than_is_set_aside() {
        let mut lines = Lines::new(io::repeat(b'x').take(LONGEST as u64 + 7));
        let mut total = 0;
        while let Some(line) = lines.next().unwrap() {
            total += line.len();
        }
        total += lines.rest().map_or(0, <[u8]>::len);
        assert_eq!(total, LONGEST + 7);
        assert!(lines.buffer.capacity() <= 2 * LONGEST);
    }
}
