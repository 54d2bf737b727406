//! Events as entries of systemd's journal, in its native protocol
//! (systemd.io/JOURNAL_NATIVE_PROTOCOL).

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::Path;

use super::socket::Socket;
use super::{Patience, each};
use crate::base::owned;
use crate::event::{LINE_MAX, Line, Lines};

/// What is the same in all entries: facility `authpriv`.
const SENDER: &[u8] = b"SYSLOG_IDENTIFIER=recorderd\nSYSLOG_FACILITY=10\n";

/// The socket of the journal.
pub struct Journald {
    socket: Socket,
    entry: Vec<u8>,
}

impl Journald {
    /// The socket at `path`.
    pub fn new(path: &Path) -> Self {
        Self {
            socket: Socket::new(path),
            entry: Vec::with_capacity(LINE_MAX),
        }
    }

    /// The socket.
    pub fn socket(&mut self) -> &mut Socket {
        &mut self.socket
    }

    /// Sends each line; tells how many bytes of them are sent.
    pub fn append(&mut self, lines: Lines<'_>, patience: &Patience) -> (usize, io::Result<()>) {
        each(lines, |line| {
            self.compose(line);
            match self.socket.send(&self.entry, None, patience) {
                Err(e) if matches!(e.raw_os_error(), Some(libc::EMSGSIZE | libc::ENOBUFS)) => {
                    sealed(&self.entry)
                        .and_then(|file| self.socket.send(b"", Some(&file), patience))
                }
                sent => sent,
            }
        })
    }

    /// No value has a line feed in it, so none needs the form that has its length in front.
    fn compose(&mut self, line: Line<'_>) {
        let severity: &[u8] = match line.title().is_warning() {
            true => b"4\n",
            false => b"6\n",
        };
        self.entry.clear();
        self.entry.shrink_to(LINE_MAX);
        for part in [
            SENDER,
            b"PRIORITY=",
            severity,
            b"RECORDERD_EVENT=",
            line.title().name.as_bytes(),
            b"\nRECORDERD_SID=",
            line.sid(),
            b"\nMESSAGE=",
            line.text(),
            b"\n",
        ] {
            self.entry.extend_from_slice(part);
        }
    }
}

/// A file in memory that nobody can change any more: the journal takes no other.
fn sealed(entry: &[u8]) -> io::Result<File> {
    // SAFETY: reads a string that ends in zero, and makes a descriptor.
    let descriptor = unsafe {
        libc::memfd_create(
            c"recorderd".as_ptr(),
            libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING,
        )
    };
    let mut file = File::from(owned(descriptor.into())?);
    file.write_all(entry)?;
    let seals = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_WRITE | libc::F_SEAL_SEAL;
    // SAFETY: takes numbers.
    match unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) } {
        0 => Ok(file),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;
    use std::time::Duration;

    use super::*;
    use crate::event::batch_of;
    use crate::family::EventType;

    #[test]
    fn each_event_has_its_severity_and_its_session() {
        const LOST: &str = r#"{"event":"session.lost","code":"R2001W","sid":"00000000-0000-4000-8000-000000000001"}"#;
        const RAN: &str = r#"{"event":"session.command","code":"T4000I","sid":"00000000-0000-4000-8000-000000000002"}"#;
        let path = std::env::temp_dir().join(format!("recorderd-journal-{}", std::process::id()));
        let reader = UnixDatagram::bind(&path).unwrap();
        let mut journald = Journald::new(&path);
        let lines = [LOST, RAN].map(|line| format!("{line}\n"));
        let titles = [EventType::Lost, EventType::Command].map(EventType::title);
        let batch = batch_of(&[(titles[0], &lines[0]), (titles[1], &lines[1])]);
        let (sent, done) = journald.append(batch.lines(), &Patience::new(Duration::ZERO));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(
            (sent, done.map_err(|e| e.kind())),
            (lines.concat().len(), Ok(()))
        );
        for (priority, event, sid, line) in
            [(4, "session.lost", 1, LOST), (6, "session.command", 2, RAN)]
        {
            let mut buffer = [0; 512];
            let length = reader.recv(&mut buffer).unwrap();
            let expected = format!(
                "SYSLOG_IDENTIFIER=recorderd\nSYSLOG_FACILITY=10\nPRIORITY={priority}\n\
                 RECORDERD_EVENT={event}\nRECORDERD_SID=00000000-0000-4000-8000-00000000000{sid}\nMESSAGE={line}\n"
            );
            assert_eq!(str::from_utf8(&buffer[..length]).unwrap(), expected);
        }
    }
}
