//! What session.start is to say, and what has to wait for it.

use crate::family::{Command, Share, strings};

/// Records of a session that wait for its start take at most this much memory. Bytes.
const BACKLOG: usize = 1 << 20;

/// Length of a record, in front of it.
type Length = u32;

/// A session that has yet to write its start.
#[derive(Default)]
pub struct Opening {
    /// Columns and rows.
    pub terminal: Option<(u16, u16)>,
    pub initial_command: Vec<Vec<u8>>,
    /// Records that wait, each behind its length.
    backlog: Vec<u8>,
}

impl Opening {
    /// Keeps a record, unless it would be too much.
    pub fn keep(&mut self, bytes: &[u8], share: &mut Share) -> bool {
        let length = size_of::<Length>() + bytes.len();
        if self.backlog.len() + length > BACKLOG || !share.take(length) {
            return false;
        }
        self.backlog
            .extend_from_slice(&(bytes.len() as Length).to_ne_bytes());
        self.backlog.extend_from_slice(bytes);
        true
    }

    /// All records that were kept. Their memory is given back.
    pub fn take(&mut self, share: &mut Share) -> Backlog {
        share.give(self.backlog.len());
        Backlog(std::mem::take(&mut self.backlog))
    }

    /// sshd runs the shell alone for a login, and `SHELL -c COMMAND` for a command.
    pub fn first_program(&mut self, command: &Command<'_>) {
        self.terminal = command.terminal_size();
        let mut argv = strings(command.argv).skip(1);
        if self.initial_command.is_empty()
            && let (Some(b"-c"), Some(command), None) = (argv.next(), argv.next(), argv.next())
        {
            self.initial_command.push(command.to_vec());
        }
    }
}

/// Records in the order in which they came.
pub struct Backlog(Vec<u8>);

impl Backlog {
    /// The bytes of each.
    pub fn records(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.0.as_slice();
        std::iter::from_fn(move || {
            let (length, tail) = rest.split_first_chunk()?;
            let (record, tail) = tail.split_at_checked(Length::from_ne_bytes(*length) as usize)?;
            rest = tail;
            Some(record)
        })
    }
}
