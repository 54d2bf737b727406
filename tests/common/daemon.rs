//! The daemon that records a host: one of the test's own, or the one that an earlier test has left.

use std::collections::HashSet;
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::{Folder, Process, log, start_daemon};

/// A daemon at work.
pub struct Daemon {
    /// There until it goes.
    process: Option<Process>,
    shared: Option<Shared>,
}

/// What one that is shared has beside its process.
struct Shared {
    folder: Folder,
    config: String,
    /// The bytes of its log that are other tests'.
    before: u64,
}

/// The one that nobody has at the moment. It goes before its folder.
static IDLE: Mutex<Option<(Process, Shared)>> = Mutex::new(None);

impl Daemon {
    /// Takes the one that an earlier test has left, if it has this config and all of its sessions have ended;
    /// else starts one.
    pub fn shared(config: &str) -> Self {
        let idle = IDLE.lock().unwrap().take();
        let idle = idle.filter(|(_, shared)| shared.config == config && shared.is_quiet());
        let (process, mut shared) = idle.unwrap_or_else(|| {
            let folder = Folder::new();
            let process = start_daemon(folder.path(), config);
            let config = config.to_owned();
            let shared = Shared {
                folder,
                config,
                before: 0,
            };
            (process, shared)
        });
        shared.before = log::size(shared.folder.path());
        Self {
            process: Some(process),
            shared: Some(shared),
        }
    }

    /// Ends the one that nobody has.
    pub fn end_idle() {
        let idle = IDLE.lock().unwrap().take();
        drop(idle);
    }

    /// Where it keeps its log, if that is not the folder of the test; and how many bytes of that are other tests'.
    pub fn log(&self) -> Option<(&Path, u64)> {
        let shared = self.shared.as_ref()?;
        Some((shared.folder.path(), shared.before))
    }
}

impl Shared {
    /// Waits a moment for sessions to end: to start another one takes longer.
    fn is_quiet(&self) -> bool {
        let start = Instant::now();
        loop {
            let text = log::text_from(self.folder.path(), self.before);
            if sids(&text, "session.start").is_subset(&sids(&text, "session.end")) {
                return true;
            }
            if start.elapsed() > Duration::from_millis(500) {
                return false;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// The ids of the sessions that have such an event, but of those that were there before the daemon: who has logged
/// in to this host for other reasons may stay.
fn sids<'a>(text: &'a str, event: &str) -> HashSet<&'a str> {
    let event = format!(r#""event":"{event}""#);
    let lines = text.lines().filter(|line| line.contains(&event));
    lines
        .filter(|line| !line.contains(r#""recorded_since":"#))
        .filter_map(|line| line.split_once(r#""sid":""#)?.1.split('"').next())
        .collect()
}

impl From<Process> for Daemon {
    fn from(process: Process) -> Self {
        Self {
            process: Some(process),
            shared: None,
        }
    }
}

impl Deref for Daemon {
    type Target = Process;

    fn deref(&self) -> &Process {
        self.process.as_ref().unwrap()
    }
}

impl DerefMut for Daemon {
    fn deref_mut(&mut self) -> &mut Process {
        self.process.as_mut().unwrap()
    }
}

impl Drop for Daemon {
    /// Leaves one that is shared to the next test, unless it has ended or the test has failed.
    fn drop(&mut self) {
        let process = self.process.take();
        let (Some(mut process), Some(shared)) = (process, self.shared.take()) else {
            return;
        };
        let is_running = process.child.try_wait().is_ok_and(|ended| ended.is_none());
        if is_running && !std::thread::panicking() {
            let before = IDLE.lock().unwrap().replace((process, shared));
            drop(before);
        } else {
            drop(process);
            drop(shared);
        }
    }
}
