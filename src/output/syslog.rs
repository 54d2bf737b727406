//! Events as messages of RFC 5424 to the local socket of a syslog daemon.

use std::io;
use std::path::Path;

use super::socket::Socket;
use super::{Patience, each};
use crate::event::{LINE_MAX, Line, Lines};

/// Facility `authpriv` with the severities `informational` and `warning` (RFC 5424, 6.2.1).
const INFORMATION: &[u8] = b"<86>1 ";
const WARNING: &[u8] = b"<84>1 ";

/// Longest name of a host in a message, in bytes (RFC 5424, 6).
const NAME: usize = 255;

/// The socket of a syslog daemon.
pub struct Syslog {
    socket: Socket,
    /// What is the same in all messages: ` recorderd PID `.
    sender: Vec<u8>,
    message: Vec<u8>,
    /// Bytes and number of the events that were longer than a datagram, since that was asked.
    too_long: (u64, u64),
}

impl Syslog {
    /// The socket at `path`.
    pub fn new(path: &Path) -> Self {
        Self {
            socket: Socket::new(path),
            sender: format!(" recorderd {} ", std::process::id()).into_bytes(),
            message: Vec::with_capacity(LINE_MAX),
            too_long: (0, 0),
        }
    }

    /// The socket.
    pub fn socket(&mut self) -> &mut Socket {
        &mut self.socket
    }

    /// Sends each line; tells how many bytes of them are sent, or longer than can be.
    pub fn append(&mut self, lines: Lines<'_>, patience: &Patience) -> (usize, io::Result<()>) {
        each(lines, |line| {
            self.compose(line);
            match self.socket.send(&self.message, None, patience) {
                Err(e) if e.raw_os_error() == Some(libc::EMSGSIZE) => {
                    self.too_long.0 += line.length() as u64;
                    self.too_long.1 += 1;
                    Ok(())
                }
                sent => sent,
            }
        })
    }

    fn compose(&mut self, line: Line<'_>) {
        let priority = match line.title().is_warning() {
            true => WARNING,
            false => INFORMATION,
        };
        self.message.clear();
        self.message.shrink_to(LINE_MAX);
        for part in [priority, line.time(), b" "] {
            self.message.extend_from_slice(part);
        }
        // The host's own name, which can change.
        let name = line.hostname().iter();
        let name = name.copied().filter(u8::is_ascii_graphic).take(NAME);
        let before = self.message.len();
        self.message.extend(name);
        if self.message.len() == before {
            self.message.push(b'-');
        }
        for part in [
            self.sender.as_slice(),
            line.title().name.as_bytes(),
            b" - ",
            line.text(),
        ] {
            self.message.extend_from_slice(part);
        }
    }

    /// Bytes and number of the events that were too long since the last call.
    pub fn too_long(&mut self) -> (u64, u64) {
        std::mem::take(&mut self.too_long)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;
    use std::time::Duration;

    use super::*;
    use crate::event::batch_of;
    use crate::family::EventType;

    /// Head and text of each message, as RFC 5424 has them.
    #[test]
    fn each_event_has_its_severity_and_its_head() {
        const LOST: &str = r#"{"event":"session.lost","code":"R2001W","time":"2026-01-02T03:04:05.006Z","server_hostname":"web\u00e9-1"}"#;
        const RAN: &str =
            r#"{"event":"session.command","code":"T4000I","time":"2026-01-02T03:04:05.007Z"}"#;
        let path = std::env::temp_dir().join(format!("recorderd-syslog-{}", std::process::id()));
        let reader = UnixDatagram::bind(&path).unwrap();
        let mut syslog = Syslog::new(&path);
        let lines = [LOST, RAN].map(|line| format!("{line}\n"));
        let titles = [EventType::Lost, EventType::Command].map(EventType::title);
        let batch = batch_of(&[(titles[0], &lines[0]), (titles[1], &lines[1])]);
        let (sent, done) = syslog.append(batch.lines(), &Patience::new(Duration::ZERO));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(
            (sent, done.map_err(|e| e.kind())),
            (lines.concat().len(), Ok(()))
        );
        let id = std::process::id();
        for expected in [
            format!(
                "<84>1 2026-01-02T03:04:05.006Z web\\u00e9-1 recorderd {id} session.lost - {LOST}"
            ),
            format!("<86>1 2026-01-02T03:04:05.007Z - recorderd {id} session.command - {RAN}"),
        ] {
            let mut buffer = [0; 512];
            let length = reader.recv(&mut buffer).unwrap();
            assert_eq!(str::from_utf8(&buffer[..length]).unwrap(), expected);
        }
    }
}
