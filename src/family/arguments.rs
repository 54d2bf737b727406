//! Later parts of the arguments of commands, which come ahead of them.

use rustc_hash::FxHashMap;

use super::memory::Share;
use crate::abi;

/// Where the first later part begins.
const ARGV_FIRST: u32 = abi::ARGV_FIRST as u32;

/// A command comes so long after its later parts at most, or is lost. Nanoseconds.
const LATEST: u64 = 1_000_000_000;

/// What one process has sent.
struct Later {
    /// Of which command.
    exec: u64,
    bytes: Vec<u8>,
}

impl Later {
    /// What it takes of the memory.
    fn size(length: usize) -> usize {
        3 * size_of::<(u32, Self)>() + length
    }
}

/// By process.
#[derive(Default)]
pub struct Arguments(FxHashMap<u32, Later>);

impl Arguments {
    /// Keeps a part until its command comes, if there is room for it. `time` is when it was sent, in
    /// nanoseconds since boot, as `exec` is.
    pub fn keep(
        &mut self,
        (pid, exec): (u32, u64),
        offset: u32,
        bytes: &[u8],
        time: u64,
        share: &mut Share,
    ) {
        if offset == ARGV_FIRST {
            self.forget(pid, share);
        }
        let kept = self.0.get(&pid).filter(|later| later.exec == exec);
        let length = kept.map_or(0, |later| later.bytes.len());
        // Without the part before it, it is of no use.
        if offset as usize != ARGV_FIRST as usize + length {
            return;
        }
        let size = match length {
            0 => Later::size(bytes.len()),
            _ => bytes.len(),
        };
        if !share.take(size) {
            let lost = |(_, later): (&u32, &Later)| later.exec.saturating_add(LATEST) < time;
            let lost: Vec<_> = self
                .0
                .iter()
                .filter(|it| lost(*it))
                .map(|it| *it.0)
                .collect();
            lost.into_iter().for_each(|pid| self.forget(pid, share));
            if !share.take(size) {
                return;
            }
        }
        let new = || Later {
            exec,
            bytes: Vec::new(),
        };
        let later = self.0.entry(pid).or_insert_with(new);
        later.bytes.extend_from_slice(bytes);
    }

    /// Those of a command, and none of another one of the process.
    pub fn take(&mut self, pid: u32, exec: u64, share: &mut Share) -> Vec<u8> {
        let Some(later) = self.0.remove(&pid) else {
            return Vec::new();
        };
        share.give(Later::size(later.bytes.len()));
        match later.exec == exec {
            true => later.bytes,
            false => Vec::new(),
        }
    }

    /// Drops those of a process.
    pub fn forget(&mut self, pid: u32, share: &mut Share) {
        if let Some(later) = self.0.remove(&pid) {
            share.give(Later::size(later.bytes.len()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::memory::Memory;
    use super::*;

    #[test]
    fn parts_are_of_one_command() {
        let mut share = Memory::default().share(1);
        let mut arguments = Arguments::default();
        arguments.keep((7, 10), ARGV_FIRST, b"first ", 11, &mut share);
        arguments.keep((7, 10), ARGV_FIRST + 6, b"second", 12, &mut share);
        assert_eq!(arguments.take(7, 10, &mut share), b"first second");
        arguments.keep((7, 20), ARGV_FIRST, b"of a lost command", 21, &mut share);
        assert_eq!(arguments.take(7, 30, &mut share), b"");
        arguments.keep((7, 40), ARGV_FIRST, b"x", 41, &mut share);
        arguments.keep((7, 40), ARGV_FIRST + 2, b"behind a gap", 42, &mut share);
        assert_eq!(arguments.take(7, 40, &mut share), b"x");
    }

    #[test]
    fn parts_of_lost_commands_make_room() {
        let mut share = Memory::default().share(1);
        let mut arguments = Arguments::default();
        let part = vec![0; 1 << 20];
        for pid in 0..1000 {
            arguments.keep((pid, 1), ARGV_FIRST, &part, 2, &mut share);
        }
        assert!(arguments.0.len() < 32);
        arguments.keep(
            (1000, LATEST + 2),
            ARGV_FIRST,
            &part,
            LATEST + 3,
            &mut share,
        );
        assert_eq!(arguments.0.len(), 1);
        assert_eq!(arguments.take(1000, LATEST + 2, &mut share), part);
    }
}
