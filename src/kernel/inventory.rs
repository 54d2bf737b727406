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
    /// What the kernel says.
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
    /// What the kernel says, or said when the program was loaded.
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
        let known = self.rules.get(&0, 0).ok();
        if known.is_some_and(|known| known != self.settings.rules) {
            let restored = self.rules.set(0, self.settings.rules, 0).is_ok();
            altered.push(("rules", restored));
        }
        let known = self.variables.get(&0, 0).ok();
        if known.is_some_and(|known| known != self.settings.variables) {
            let restored = self.variables.set(0, self.settings.variables, 0).is_ok();
            altered.push(("variables", restored));
        }
        let mut users: Vec<(u32, u64)> = self.users.iter().flatten().collect();
        users.sort_unstable();
        if users != self.settings.users {
            let gone = users.iter().filter(|(uid, _)| !self.settings.has(*uid));
            let mut restored = true;
            for uid in gone.map(|(uid, _)| *uid).collect::<Vec<_>>() {
                restored &= self.users.remove(&uid).is_ok();
            }
            for (uid, mask) in &self.settings.users {
                restored &= self.users.insert(uid, mask, 0).is_ok();
            }
            altered.push(("users", restored));
        }
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
        let is_detached = self.egress.iter().any(is_detached);
        if is_detached && !std::mem::replace(&mut self.is_egress_told, is_detached) {
            altered.push(("egress", false));
        }
        altered
    }
}

/// What the daemon has set last.
#[derive(Default)]
pub struct Set {
    pub(super) rules: crate::abi::Rules,
    pub(super) variables: crate::abi::Variables,
    /// By uid.
    pub(super) users: Vec<(u32, u64)>,
}

impl Set {
    fn has(&self, uid: u32) -> bool {
        self.users
            .binary_search_by_key(&uid, |(uid, _)| *uid)
            .is_ok()
    }
}

/// The links of ours to cgroups: of all, only such can be detached by others.
pub(super) fn links_of_cgroups() -> Vec<i32> {
    let Ok(all) = std::fs::read_dir("/proc/self/fdinfo") else {
        return Vec::new();
    };
    let numbers = all
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.filter(|fd| of_link(*fd).is_some()).collect()
}

/// Whether a link of ours has no cgroup any more.
fn is_detached(fd: &i32) -> bool {
    of_link(*fd).is_none_or(|cgroup| cgroup == "0")
}

/// The cgroup of a link, as the kernel tells it.
fn of_link(fd: i32) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).ok()?;
    let value = |key| {
        text.lines()
            .find_map(|line| line.strip_prefix(key))
            .map(str::trim)
    };
    (value("link_type:") == Some("cgroup")).then_some(())?;
    value("cgroup_id:").map(str::to_owned)
}

/// The id of what is in a table of programs at `index`; none where nothing is.
pub(super) fn program_at(table: &impl AsRawFd, index: u32) -> Option<u32> {
    let mut id = 0u32;
    bpf::lookup(table.as_raw_fd(), &index, &mut id)
        .is_ok()
        .then_some(id)
}
