//! Standard output, which somebody else may be slow to read.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};

use super::Patience;

/// Standard output.
pub struct Stdout {
    file: File,
    is_socket: bool,
    can_wait: bool,
}

impl Stdout {
    /// Opens it so that writing never waits; for all others that have it, it stays as it is.
    ///
    /// # Errors
    /// It is closed.
    pub fn open() -> io::Result<Self> {
        let file: File = io::stdout().as_fd().try_clone_to_owned()?.into();
        let kind = file.metadata()?.file_type();
        let again = (kind.is_fifo() || kind.is_char_device()).then(|| {
            let mut options = OpenOptions::new();
            options.write(true);
            options.custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
            options.open("/proc/self/fd/1")
        });
        let again = again.and_then(Result::ok);
        let is_socket = kind.is_socket();
        Ok(Self {
            // That of a file on a disk, and where it can't be opened a second time.
            can_wait: again.is_none() && !is_socket,
            file: again.unwrap_or(file),
            is_socket,
        })
    }

    /// Whether writing can wait.
    pub fn can_wait(&self) -> bool {
        self.can_wait
    }

    /// Writes as much as it takes; tells how many bytes that was.
    pub fn append(&mut self, bytes: &[u8], patience: &Patience) -> (usize, io::Result<()>) {
        let mut written = 0;
        while written < bytes.len() {
            match self.write(&bytes[written..]) {
                Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
                Ok(count) => written += count,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e)
                    if e.kind() == io::ErrorKind::WouldBlock
                        && patience.wait(self.file.as_fd()) => {}
                Err(e) => return (written, Err(e)),
            }
        }
        (written, Ok(()))
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.is_socket {
            return self.file.write(bytes);
        }
        let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        // SAFETY: the kernel reads so many bytes.
        let sent = unsafe {
            libc::send(
                self.file.as_raw_fd(),
                bytes.as_ptr().cast(),
                bytes.len(),
                flags,
            )
        };
        usize::try_from(sent).map_err(|_| io::Error::last_os_error())
    }
}
