//! The socket at which the recorder is asked for its metrics. Only root may.

use super::Form;
use crate::base::named;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Who connects is given the metrics, and asks nothing.
pub struct Control(UnixListener);

/// Where it is.
fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("control")
}

impl Control {
    /// Listens in `data_dir`, in place of a recorder before this one.
    ///
    /// # Errors
    /// What can't be created, by name, and why.
    pub fn listen(data_dir: &Path) -> io::Result<Self> {
        let path = path(data_dir);
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(named(&path, &e)),
            _ => {}
        }
        // There is no moment at which others could connect.
        // SAFETY: takes a number; there is one thread.
        let before = unsafe { libc::umask(0o177) };
        let listener = UnixListener::bind(&path);
        // SAFETY: the same.
        unsafe { libc::umask(before) };
        let listener = listener.map_err(|e| named(&path, &e))?;
        listener.set_nonblocking(true)?;
        Ok(Self(listener))
    }

    /// What becomes readable when somebody asks.
    pub fn descriptor(&self) -> RawFd {
        self.0.as_raw_fd()
    }

    /// Answers all who ask. The kernel has room for the answer, so that nobody is waited for.
    pub fn answer(&self, mut text: impl FnMut(Form) -> String) {
        while let Ok((mut stream, _)) = self.0.accept() {
            // Who asks and does not listen gets nothing.
            let _ = stream
                .set_nonblocking(true)
                .and_then(|()| stream.write_all(text(Form::OpenMetrics).as_bytes()));
        }
    }
}

/// Asks the recorder that has its log in `data_dir`.
///
/// # Errors
/// What can't be asked, by name, and why.
pub fn ask(data_dir: &Path) -> io::Result<String> {
    let path = path(data_dir);
    let mut text = String::new();
    UnixStream::connect(&path)
        .and_then(|mut stream| stream.read_to_string(&mut text))
        .map_err(|e| named(&path, &e))?;
    Ok(text)
}
