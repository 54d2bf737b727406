//! What somebody else has changed in the kernel's tables: a look at all processes, in pieces, and at what
//! the daemon has set.

use std::fs::File;
use std::io::{self, Read};
use std::mem::size_of;
use std::os::fd::AsRawFd;

use super::bpf;
use super::object::Probes;
use super::syscall::{COMPAT_DISPATCHER, DISPATCHER};
use crate::abi::{Finding, read};

/// How much of a look is taken at once, so that the rings don't wait for it. Bytes.
const PIECE: usize = 256 * size_of::<Finding>();

/// A look at all processes that is under way.
pub struct Look {
    processes: File,
}

impl Look {
    /// Takes a piece of it; tells whether it is over.
    ///
    /// # Errors
    /// The error of the system call.
    pub fn take(&mut self, mut each: impl FnMut(&Finding)) -> io::Result<bool> {
        let mut piece = [0; PIECE];
        let length = self.processes.read(&mut piece)?;
        for bytes in piece[..length].chunks_exact(size_of::<Finding>()) {
            if let Some(finding) = read(bytes) {
                each(&finding);
            }
        }
        Ok(length == 0)
    }
}

impl Probes {
    /// Begins to look at each process: what is missing in the kernel's tables is put back.
    ///
    /// # Errors
    /// The error of the system call, now or when the program was loaded.
    pub fn look(&self) -> io::Result<Look> {
        let checker = self.checker.as_ref();
        let checker = checker.map_err(|error| io::Error::other(error.to_string()))?;
        let processes = bpf::iterator(checker)?;
        Ok(Look { processes })
    }

    /// The tables of settings that somebody else has changed since the last call, and whether that was
    /// put right.
    pub fn altered(&mut self) -> Vec<(&'static str, bool)> {
        let mut altered = Vec::new();
        if self.shared.restore() {
            altered.push(("control", true));
        }
        altered.extend(self.policy.restore());
        if let Some(dispatchers) = &mut self.dispatchers {
            let tables = [
                (DISPATCHER, dispatchers.all.restore()),
                (COMPAT_DISPATCHER, dispatchers.compat.restore()),
            ];
            let changed = tables
                .into_iter()
                .filter_map(|(name, done)| Some((name, done?)));
            altered.extend(changed);
        }
        if self.egress.has_lost() {
            altered.push(("egress", false));
        }
        altered
    }
}

/// The id of what is in a table of programs at `index`; none where nothing is.
pub(super) fn program_at(table: &impl AsRawFd, index: u32) -> Option<u32> {
    let mut id = 0u32;
    bpf::lookup(table.as_raw_fd(), &index, &mut id)
        .is_ok()
        .then_some(id)
}
