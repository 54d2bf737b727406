//! Events as messages of RFC 5424 to the local socket of a syslog daemon.

use std::io;
use std::path::Path;

use super::socket::Socket;
use super::{Patience, line};

/// Facility `authpriv` with the severities `informational` and `warning` (RFC 5424, 6.2.1).
const INFORMATION: &[u8] = b"<86>1 ";
const WARNING: &[u8] = b"<84>1 ";

/// Longest name of a host in a message, in bytes (RFC 5424, 6).
const NAME: usize = 255;

/// The socket of a syslog daemon.
pub struct Syslog {
    socket: Socket,
    /// What is the same in all messages: ` HOSTNAME recorderd PID `.
    sender: Vec<u8>,
    message: Vec<u8>,
    /// Bytes and number of the events that were longer than a datagram, since that was asked.
    too_long: (u64, u64),
}

impl Syslog {
    /// The socket at `path`; messages come from `host`.
    pub fn new(path: &Path, host: &str) -> Self {
        let mut name: Vec<u8> = host.bytes().filter(u8::is_ascii_graphic).collect();
        name.truncate(NAME);
        let name = match name.is_empty() {
            true => "-",
            false => std::str::from_utf8(&name).unwrap_or("-"),
        };
        Self {
            socket: Socket::new(path),
            sender: format!(" {name} recorderd {} ", std::process::id()).into_bytes(),
            message: Vec::with_capacity(crate::event::LINE_MAX),
            too_long: (0, 0),
        }
    }

    /// The socket.
    pub fn socket(&mut self) -> &mut Socket {
        &mut self.socket
    }

    /// Sends each line; tells how many bytes of them are sent, or longer than can be.
    pub fn append(&mut self, lines: &[u8], patience: &Patience) -> (usize, io::Result<()>) {
        line::each(lines, |line| {
            self.compose(line);
            match self.socket.send(&self.message, None, patience) {
                Err(e) if e.raw_os_error() == Some(libc::EMSGSIZE) => {
                    self.too_long.0 += line.len() as u64;
                    self.too_long.1 += 1;
                    Ok(())
                }
                sent => sent,
            }
        })
    }

    fn compose(&mut self, line: &[u8]) {
        let priority = match line::is_warning(line) {
            true => WARNING,
            false => INFORMATION,
        };
        self.message.clear();
        self.message.shrink_to(crate::event::LINE_MAX);
        for part in [
            priority,
            line::value(line, "time"),
            &self.sender,
            line::value(line, "event"),
            b" - ",
            line.strip_suffix(b"\n").unwrap_or(line),
        ] {
            self.message.extend_from_slice(part);
        }
    }

    /// Bytes and number of the events that were too long since the last call.
    pub fn too_long(&mut self) -> (u64, u64) {
        std::mem::take(&mut self.too_long)
    }
}
