//! The log on disk: a file for each UTC day, and a link to today's.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};

use crate::event::date;

/// What is kept in memory while the disk takes nothing. Bytes.
const KEPT: usize = 16 << 20;

/// The link to today's file.
const LINK: &str = "events.log";

/// The log of one host.
pub struct Log {
    folder: PathBuf,
    file: File,
    day: u64,
    /// Lines that the disk has not taken yet; the first may be partly written.
    kept: Vec<u8>,
}

impl Log {
    /// Opens the file of `day`, counted from 1970-01-01 UTC, in `<data_dir>/log/<host>`.
    ///
    /// # Errors
    /// What can't be made or opened, by name, and why.
    pub fn open(data_dir: &Path, host: &str, day: u64) -> io::Result<Self> {
        let folder = data_dir.join("log").join(host);
        let file = open(&folder, day)?;
        Ok(Self {
            folder,
            file,
            day,
            kept: Vec::new(),
        })
    }

    /// The link to the file that is being written.
    pub fn link(&self) -> PathBuf {
        self.folder.join(LINK)
    }

    /// Appends whole lines to the file of `day`. A clock that is set back does not bring an older
    /// file back.
    ///
    /// # Errors
    /// What the operating system says. The lines are kept, as far as memory is set aside for
    /// them; the error says how many are not.
    pub fn write(&mut self, lines: &[u8], day: u64) -> io::Result<()> {
        if self.kept.is_empty() {
            // Where there can be no new file, the old one goes on.
            let rotated = match day > self.day {
                true => self.rotate(day),
                false => Ok(()),
            };
            let written = append(&mut self.file, lines);
            return self.keep(&lines[written.0..], written.1).and(rotated);
        }
        let written = append(&mut self.file, &self.kept);
        self.kept.drain(..written.0);
        if written.1.is_err() {
            return self.keep(lines, written.1);
        }
        self.write(lines, day)
    }

    fn keep(&mut self, lines: &[u8], result: io::Result<()>) -> io::Result<()> {
        let Err(error) = result else {
            return Ok(());
        };
        if self.kept.len() + lines.len() > KEPT {
            let lost = memchr::memchr_iter(b'\n', lines).count();
            return Err(io::Error::new(
                error.kind(),
                format!("{error}; {lost} events are lost"),
            ));
        }
        self.kept.extend_from_slice(lines);
        Err(error)
    }

    fn rotate(&mut self, day: u64) -> io::Result<()> {
        self.file = open(&self.folder, day)?;
        self.day = day;
        Ok(())
    }

    /// Opens the file again by its name.
    ///
    /// # Errors
    /// What can't be made or opened, by name, and why.
    pub fn reopen(&mut self) -> io::Result<()> {
        self.rotate(self.day)
    }
}

/// Writes as much as the disk takes; tells how much that was.
fn append(file: &mut File, bytes: &[u8]) -> (usize, io::Result<()>) {
    let mut written = 0;
    while written < bytes.len() {
        match file.write(&bytes[written..]) {
            Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
            Ok(count) => written += count,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return (written, Err(e)),
        }
    }
    (written, Ok(()))
}

fn open(folder: &Path, day: u64) -> io::Result<File> {
    let named =
        |path: &Path, e: io::Error| io::Error::new(e.kind(), format!("{}: {e}", path.display()));
    DirBuilder::new()
        .recursive(true)
        .mode(0o750)
        .create(folder)
        .map_err(|e| named(folder, e))?;
    let (year, month, day) = date(day);
    let name = format!("{year:04}-{month:02}-{day:02}.00:00:00.log");
    let path = folder.join(&name);
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o640)
        .open(&path)
        .map_err(|e| named(&path, e))?;
    // A new link takes the old one's place at once, so that `tail -F` never finds none.
    let link = folder.join(LINK);
    let new = folder.join(".events.log");
    match fs::remove_file(&new) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(named(&new, e)),
        _ => {}
    }
    symlink(&name, &new).map_err(|e| named(&new, e))?;
    fs::rename(&new, &link).map_err(|e| named(&link, e))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("recorderd-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        folder
    }

    #[test]
    fn each_day_has_its_file_and_the_link_follows() {
        let data = folder("days");
        let mut log = Log::open(&data, "host", 20_000).unwrap();
        log.write(b"one\n", 20_000).unwrap();
        assert_eq!(fs::read(log.link()).unwrap(), b"one\n");
        log.write(b"two\n", 20_001).unwrap();
        assert_eq!(fs::read(log.link()).unwrap(), b"two\n");
        log.write(b"three\n", 20_000).unwrap();
        assert_eq!(fs::read(log.link()).unwrap(), b"two\nthree\n");
        let old = data.join("log/host/2024-10-04.00:00:00.log");
        assert_eq!(fs::read(old).unwrap(), b"one\n");
        fs::remove_dir_all(&data).unwrap();
    }

    #[test]
    fn what_the_disk_refuses_is_written_later() {
        let data = folder("refused");
        let mut log = Log::open(&data, "host", 20_000).unwrap();
        let good = std::mem::replace(
            &mut log.file,
            OpenOptions::new().append(true).open("/dev/full").unwrap(),
        );
        assert!(log.write(b"one\n", 20_000).is_err());
        assert!(log.write(b"two\n", 20_000).is_err());
        log.file = good;
        log.write(b"three\n", 20_000).unwrap();
        assert_eq!(fs::read(log.link()).unwrap(), b"one\ntwo\nthree\n");
        fs::remove_dir_all(&data).unwrap();
    }

    #[test]
    fn a_moved_log_is_made_anew() {
        let data = folder("moved");
        let mut log = Log::open(&data, "host", 20_000).unwrap();
        fs::rename(data.join("log"), data.join("old")).unwrap();
        log.reopen().unwrap();
        log.write(b"one\n", 20_000).unwrap();
        assert_eq!(fs::read(log.link()).unwrap(), b"one\n");
        fs::remove_dir_all(&data).unwrap();
    }
}
