//! Until when the recorder was at work, for the next one to know.

use crate::base::{Before, named};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const RUNNING: &[u8; 8] = b"running\n";
const STOPPED: &[u8; 8] = b"stopped\n";

/// A file whose time is that up to which everything is in the log.
pub struct Heartbeat {
    file: File,
    path: PathBuf,
}

impl Heartbeat {
    /// Begins, and tells of the recorder before this one, if there was one.
    ///
    /// # Errors
    /// What can't be opened or written, by name, and why.
    pub fn begin(data_dir: &Path) -> io::Result<(Self, Option<Before>)> {
        let path = data_dir.join("last_seen");
        let fault = |e: io::Error| named(&path, &e);
        let before = fs::metadata(&path).and_then(|file| file.modified()).ok();
        let before = before.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let before = before.map(|time| Before {
            until: u64::try_from(time.as_nanos()).unwrap_or(u64::MAX),
            stopped: fs::read(&path).is_ok_and(|content| content == STOPPED),
        });
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o640)
            .open(&path)
            .map_err(fault)?;
        file.write_all_at(RUNNING, 0).map_err(fault)?;
        Ok((Self { file, path }, before))
    }

    /// Everything up to `time`, in nanoseconds since 1970-01-01 UTC, is in the log.
    ///
    /// # Errors
    /// What can't be written, by name, and why.
    pub fn beat(&self, time: u64) -> io::Result<()> {
        let time: SystemTime = UNIX_EPOCH + Duration::from_nanos(time);
        self.file.set_modified(time).map_err(|e| self.fault(e))
    }

    /// Ends as it should.
    ///
    /// # Errors
    /// What can't be written, by name, and why.
    pub fn end(&self, time: u64) -> io::Result<()> {
        let written = self.file.write_all_at(STOPPED, 0);
        written.map_err(|e| self.fault(e))?;
        self.beat(time)
    }

    fn fault(&self, e: io::Error) -> io::Error {
        named(&self.path, &e)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_one_knows_how_this_one_ended() {
        let folder = std::env::temp_dir().join(format!("recorderd-beat-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let before = || {
            let (heartbeat, before) = Heartbeat::begin(&folder).unwrap();
            (
                heartbeat,
                before.map(|before| (before.until, before.stopped)),
            )
        };
        let (first, none) = before();
        assert_eq!(none, None);
        first.beat(1_700_000_000_123_000_000).unwrap();
        let (second, killed) = before();
        assert_eq!(killed, Some((1_700_000_000_123_000_000, false)));
        second.end(1_700_000_001_000_000_000).unwrap();
        assert_eq!(before().1, Some((1_700_000_001_000_000_000, true)));
        fs::remove_dir_all(&folder).unwrap();
    }
}
