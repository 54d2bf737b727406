//! One file of the log: whole lines or none, and space kept aside.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Space behind the end of the file, for telling that the disk is full when it is. Bytes.
pub const RESERVE: u64 = 64 << 10;

/// How much space is asked for at a time. Bytes.
const AHEAD: u64 = 1 << 20;

/// How much is written at a time, so that of much something fits where little does. Bytes.
const PIECE: usize = 256 << 10;

/// A file that is written to at its end.
pub struct LogFile {
    file: File,
    path: PathBuf,
    /// Where the last whole line ends. Bytes.
    end: u64,
    /// Up to where there is space already; `None` where the file system keeps none aside.
    provided: Option<u64>,
    /// A part of a line is behind the end, and could not be cut off.
    torn: bool,
}

/// What became of the file while it was open.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// It is where it was, and ends where it did, or later.
    Same,
    /// It has no name any more, with so many bytes in it.
    Removed(u64),
    /// It has another name, or another file has its name.
    Moved,
    /// So many bytes are gone from it.
    Truncated(u64),
}

impl LogFile {
    /// Opens or makes the file, and cuts off what is behind its last whole line; tells how many
    /// bytes that was.
    ///
    /// # Errors
    /// The error of opening, reading or truncating the file.
    pub fn open(path: &Path) -> io::Result<(Self, u64)> {
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o640)
            .open(path)?;
        let length = file.metadata()?.len();
        let end = whole(&file, length)?;
        let mut this = Self {
            file,
            path: path.to_owned(),
            end,
            provided: Some(0),
            torn: end < length,
        };
        // Where it can't be cut, it is ended by the next line.
        let _ = this.mend();
        let _ = this.provide(this.end + RESERVE);
        Ok((this, length - end))
    }

    /// Where the last whole line ends. Bytes.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Where the last whole line ends, behind what others have written. Bytes.
    ///
    /// # Errors
    /// What keeps a part of a line from being cut off.
    pub fn settle(&mut self) -> io::Result<u64> {
        self.mend()?;
        self.end = self.end.max(self.file.metadata()?.len());
        Ok(self.end)
    }

    /// Looks at what others have done to the file.
    ///
    /// # Errors
    /// The error of fstat(2) or lstat(2).
    pub fn look(&mut self) -> io::Result<Found> {
        let open = self.file.metadata()?;
        let named = match fs::symlink_metadata(&self.path) {
            Ok(named) => (named.dev(), named.ino()) == (open.dev(), open.ino()),
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound) => false,
            Err(e) if matches!(e.kind(), io::ErrorKind::NotADirectory) => false,
            Err(e) => return Err(e),
        };
        if !named && open.nlink() == 0 {
            return Ok(Found::Removed(self.end));
        }
        if !named {
            return Ok(Found::Moved);
        }
        if open.len() >= self.end {
            return Ok(Found::Same);
        }
        let missing = self.end - open.len();
        self.end = whole(&self.file, open.len())?;
        self.torn = self.end < open.len();
        self.provided = self.provided.and(Some(0));
        Ok(Found::Truncated(missing))
    }

    /// Appends whole lines; tells how many bytes of them are in the file, up to the end of a line.
    /// What is `urgent` may use the space that is kept aside.
    pub fn append(&mut self, lines: &[u8], urgent: bool) -> (usize, io::Result<()>) {
        let mut taken = 0;
        while taken < lines.len() {
            let piece = piece(&lines[taken..], PIECE);
            let (count, result) = self.append_piece(piece, urgent);
            taken += count;
            if result.is_err() {
                return (taken, result);
            }
        }
        (taken, Ok(()))
    }

    fn append_piece(&mut self, piece: &[u8], urgent: bool) -> (usize, io::Result<()>) {
        let ready = self.settle().and_then(|end| match urgent {
            true => Ok(()),
            false => self.provide(end + piece.len() as u64 + RESERVE),
        });
        if ready.is_err() {
            return (0, ready);
        }
        let mut written = 0;
        let result = loop {
            if written == piece.len() {
                break Ok(());
            }
            match self.file.write(&piece[written..]) {
                Ok(0) => break Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => written += count,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => break Err(e),
            }
        };
        let taken = memchr::memrchr(b'\n', &piece[..written]).map_or(0, |at| at + 1);
        self.end += taken as u64;
        self.torn = taken < written;
        if self.torn {
            let _ = self.mend();
        }
        (taken, result)
    }

    /// Cuts off a part of a line, or, in a file that can only grow, ends it.
    fn mend(&mut self) -> io::Result<()> {
        if !self.torn {
            return Ok(());
        }
        if self.file.set_len(self.end).is_err() {
            self.file.write_all(b"\n")?;
            self.end = self.file.metadata()?.len();
        }
        self.provided = self.provided.and(Some(0));
        self.torn = false;
        Ok(())
    }

    /// Has the file system keep space for the file up to `end`, and for some more if it can.
    fn provide(&mut self, end: u64) -> io::Result<()> {
        let Some(provided) = self.provided else {
            return Ok(());
        };
        if end <= provided {
            return Ok(());
        }
        for more in [AHEAD, 0] {
            let length = end + more - self.end;
            // SAFETY: takes numbers; the length of the file does not change.
            let done = unsafe {
                libc::fallocate(
                    self.file.as_raw_fd(),
                    libc::FALLOC_FL_KEEP_SIZE,
                    self.end as libc::off_t,
                    length as libc::off_t,
                )
            };
            if done == 0 {
                self.provided = Some(end + more);
                return Ok(());
            }
            let error = io::Error::last_os_error();
            match error.raw_os_error() {
                Some(libc::ENOSPC | libc::EDQUOT | libc::EFBIG) if more > 0 => {}
                Some(libc::EOPNOTSUPP | libc::ENOSYS | libc::EINVAL) => {
                    self.provided = None;
                    return Ok(());
                }
                _ => return Err(error),
            }
        }
        Ok(())
    }

    /// The file itself.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Gives back the space behind the end.
    pub fn release(&mut self) {
        if self.provided.take().is_some()
            && let Ok(now) = self.file.metadata()
        {
            // It goes when the file does.
            let _ = self.file.set_len(now.len());
        }
    }
}

/// Whole lines from the beginning of `lines`: as many as fit `most` bytes, but at least one.
pub fn piece(lines: &[u8], most: usize) -> &[u8] {
    if lines.len() <= most {
        return lines;
    }
    let end = memchr::memrchr(b'\n', &lines[..most])
        .or_else(|| memchr::memchr(b'\n', lines))
        .map_or(lines.len(), |at| at + 1);
    &lines[..end]
}

/// Where the last whole line ends in the first `length` bytes of a file.
fn whole(file: &File, length: u64) -> io::Result<u64> {
    let mut buffer = [0; 4096];
    let mut end = length;
    while end > 0 {
        let count = end.min(buffer.len() as u64) as usize;
        let start = end - count as u64;
        file.read_exact_at(&mut buffer[..count], start)?;
        if let Some(at) = memchr::memrchr(b'\n', &buffer[..count]) {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}
