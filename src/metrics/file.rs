//! The metrics as a file, for the node exporter of Prometheus.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::Form;
use crate::output::Sink;

/// How often it is written. Nanoseconds.
const EVERY: u64 = 15_000_000_000;

/// A file that everybody may read.
pub struct MetricsFile {
    path: PathBuf,
    /// When it was written last. Nanoseconds since boot.
    written: Option<u64>,
    failing: Arc<AtomicBool>,
}

impl MetricsFile {
    /// It is written at the next tick.
    pub fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            written: None,
            failing: Arc::default(),
        }
    }

    /// Has it written, if that is due at `now`, in nanoseconds since boot.
    pub fn tick(&mut self, now: u64, sink: &Sink, text: impl FnOnce(Form) -> String) {
        if self.written.is_some_and(|written| now < written + EVERY) {
            return;
        }
        self.written = Some(now);
        let (path, failing, text) = (self.path.clone(), self.failing.clone(), text(Form::Text));
        sink.act(move || {
            let result = write(&path, &text);
            let was_failing = failing.swap(result.is_err(), Relaxed);
            if let (Err(error), false) = (result, was_failing) {
                let path = path.display();
                crate::report!(
                    "recorderd: could not write metrics file {path}: {error}; recording continues"
                );
            }
        });
    }
}

/// A reader has the old one or the new one, never a part.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut new = path.to_owned().into_os_string();
    new.push(".new");
    let mut file = File::create(&new)?;
    file.set_permissions(Permissions::from_mode(0o644))?;
    file.write_all(text.as_bytes())?;
    fs::rename(&new, path)
}
