//! One file that an installation puts on a host.

use crate::base::named;
use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// What is in it.
pub enum Content {
    /// These bytes.
    Bytes(Vec<u8>),
    /// Nothing: it is a link to this.
    Link(&'static str),
    /// This line, beside others that are not ours.
    Line(Vec<u8>),
}

/// A file, by its place and what is in it.
pub struct Item {
    pub path: PathBuf,
    mode: u32,
    content: Content,
}

/// How a file is found.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    Absent,
    Same,
    Different,
}

impl Item {
    /// A file of this mode; that of a link or a line is not changed.
    pub fn new(path: impl Into<PathBuf>, mode: u32, content: Content) -> Self {
        Self {
            path: path.into(),
            mode,
            content,
        }
    }

    /// What is at its place.
    ///
    /// # Errors
    /// What can't be inspected, by name, and why.
    pub fn look(&self) -> io::Result<Found> {
        let same = match &self.content {
            Content::Bytes(bytes) => fs::read(&self.path).map(|found| found == *bytes),
            Content::Link(target) => {
                fs::symlink_metadata(&self.path).map(|_| points_to(&self.path, target))
            }
            Content::Line(line) => match fs::read(&self.path) {
                Ok(text) if has_line(&text, line) => Ok(true),
                Ok(_) => return Ok(Found::Absent),
                Err(e) => Err(e),
            },
        };
        match same {
            Ok(true) => Ok(Found::Same),
            Ok(false) => Ok(Found::Different),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(Found::Absent),
            Err(e) => Err(self.fault(e)),
        }
    }

    /// Puts it there: whole or not at all, in place of what was there.
    ///
    /// # Errors
    /// What can't be written, by name, and why.
    pub fn put(&self) -> io::Result<()> {
        self.try_put().map_err(|e| self.fault(e))
    }

    fn try_put(&self) -> io::Result<()> {
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder)?;
        }
        match &self.content {
            Content::Bytes(bytes) => self.replace(|new| write(new, self.mode, bytes)),
            Content::Link(target) => self.replace(|new| {
                let _ = fs::remove_file(new);
                symlink(target, new)
            }),
            Content::Line(line) => self.edit(|mut text| {
                if !text.is_empty() && !text.ends_with(b"\n") {
                    text.push(b'\n');
                }
                text.extend_from_slice(line);
                text
            }),
        }
    }

    /// Takes it away again.
    ///
    /// # Errors
    /// What can't be removed, by name, and why.
    pub fn take(&self) -> io::Result<()> {
        self.try_take().map_err(|e| self.fault(e))
    }

    fn try_take(&self) -> io::Result<()> {
        let Content::Line(line) = &self.content else {
            return fs::remove_file(&self.path);
        };
        self.edit(|text| {
            let lines = text.split_inclusive(|byte| *byte == b'\n');
            lines.filter(|it| it != line).flatten().copied().collect()
        })
    }

    /// Changes the text that is there; its mode stays.
    fn edit(&self, change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> io::Result<()> {
        let mode = fs::metadata(&self.path)?.permissions().mode() & 0o7777;
        let text = change(fs::read(&self.path)?);
        self.replace(|new| write(new, mode, &text))
    }

    /// Has a new file made, and puts it in place of what is there.
    fn replace(&self, make: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
        let new = self.path.with_extension("new");
        make(&new)?;
        fs::rename(&new, &self.path)
    }

    fn fault(&self, e: io::Error) -> io::Error {
        named(&self.path, &e)
    }
}

fn points_to(path: &Path, target: &str) -> bool {
    fs::read_link(path).is_ok_and(|found| found == Path::new(target))
}

fn has_line(text: &[u8], line: &[u8]) -> bool {
    text.split_inclusive(|byte| *byte == b'\n')
        .any(|it| it == line)
}

/// Writes a file that nobody has open yet, and brings it to the disk.
fn write(path: &Path, mode: u32, bytes: &[u8]) -> io::Result<()> {
    let _ = fs::remove_file(path);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)?;
    // The umask does not count.
    file.set_permissions(Permissions::from_mode(mode))?;
    file.write_all(bytes)?;
    file.sync_all()
}
