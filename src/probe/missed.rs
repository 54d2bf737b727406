//! How often the kernel ran neither a program nor its copy, because both were at work on the same CPU already.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use aya::maps::{MapData, PerCpuArray};
use aya::programs::ProgramFd;

use super::bpf;
use crate::abi::{Missed, MissedCounts, PROBES, read};

/// Counts of one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// Since the start, in the order of [`PROBES`].
    pub counts: MissedCounts,
    /// The same by CPU, where the kernel tells: since 5.19. A thread can be moved to another between a
    /// program and its copy, and then counts on both.
    pub by_cpu: Vec<(usize, u32, u64)>,
}

/// Asks the kernel for them.
pub struct Skips {
    /// The programs at their hooks, by their ids, and which of [`PROBES`] each is.
    programs: HashMap<u32, usize>,
    descriptors: Vec<(ProgramFd, usize)>,
    /// Looks at all programs.
    looker: Option<OwnedFd>,
    /// How often the copy of each program was run in its place.
    made_up: PerCpuArray<MapData, u64>,
}

impl Skips {
    /// Of no program yet.
    pub fn new(made_up: PerCpuArray<MapData, u64>) -> Self {
        Self {
            programs: HashMap::new(),
            descriptors: Vec::new(),
            looker: None,
            made_up,
        }
    }

    /// Of these programs, by their names. Without `looker`, no CPU is told.
    pub fn of<'a>(
        &mut self,
        programs: impl Iterator<Item = (&'static str, &'a ProgramFd)>,
        looker: Option<OwnedFd>,
    ) {
        self.looker = looker;
        for (name, fd) in programs {
            let place = PROBES.iter().position(|probe| *probe == name);
            if let (Some(place), Ok(fd)) = (place, fd.try_clone()) {
                let id = told_of(&fd, "prog_id:").unwrap_or_default();
                self.programs.insert(id as u32, place);
                self.descriptors.push((fd, place));
            }
        }
    }

    /// What is counted now.
    pub fn count(&self) -> Skipped {
        let mut skipped = ByCpu::new();
        let looked = self.look();
        match &looked {
            Some(bytes) => {
                let entries = bytes.chunks_exact(size_of::<Missed>());
                for entry in entries.flat_map(read::<Missed>) {
                    if let Some(place) = self.programs.get(&entry.program) {
                        *skipped.entry((*place, entry.cpu)).or_default() += entry.count;
                    }
                }
            }
            None => {
                for (fd, place) in &self.descriptors {
                    *skipped.entry((*place, 0)).or_default() += missed(fd);
                }
            }
        }
        let made_up = |place: usize| {
            let counts = self.made_up.get(&(place as u32), 0);
            counts.map_or(Vec::new(), |counts| counts.to_vec())
        };
        let mut left = subtract(skipped, made_up);
        if looked.is_none() {
            left.by_cpu.clear();
        }
        left
    }

    /// What it writes of all programs.
    fn look(&self) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut programs = bpf::iterator(self.looker.as_ref()?).ok()?;
        programs.read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }
}

/// By which of [`PROBES`], and where.
type ByCpu = BTreeMap<(usize, u32), u64>;

/// What is left of what was skipped, of each program without what its copies have made up on each CPU.
fn subtract(mut skipped: ByCpu, made_up: impl Fn(usize) -> Vec<u64>) -> Skipped {
    let mut sums = MissedCounts::default();
    for ((place, _), count) in &skipped {
        sums[*place] += count;
    }
    for (place, sum) in sums.iter_mut().enumerate().filter(|(_, sum)| **sum > 0) {
        for (cpu, count) in made_up(place).into_iter().enumerate() {
            *sum = sum.wrapping_sub(count);
            if let Some(of_cpu) = skipped.get_mut(&(place, cpu as u32)) {
                *of_cpu = left(of_cpu.wrapping_sub(count));
            }
        }
    }
    let counts = sums.map(left);
    let all = skipped.into_iter();
    let by_cpu = all.map(|((place, cpu), count)| (place, cpu, count));
    Skipped {
        counts,
        by_cpu: by_cpu
            .filter(|(place, _, count)| *count > 0 && counts[*place] > 0)
            .collect(),
    }
}

/// A difference of counts, of which one may have been seen before its other half.
fn left(difference: u64) -> u64 {
    if (difference as i64) < 0 {
        0
    } else {
        difference
    }
}

/// How often the kernel did not run a program because it was at work on the same CPU already. Kernels
/// before 5.12 don't count that.
fn missed(fd: &ProgramFd) -> u64 {
    told_of(fd, "recursion_misses:").unwrap_or_default()
}

fn told_of(fd: &ProgramFd, what: &str) -> Option<u64> {
    let path = format!("/proc/self/fdinfo/{}", fd.as_fd().as_raw_fd());
    let text = fs::read_to_string(path).ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix(what));
    value?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_copies_have_made_up_is_not_missing() {
        let skipped = ByCpu::from([((1, 0), 5), ((1, 3), 7), ((2, 1), 4), ((9, 2), 1)]);
        let made_up = |place| match place {
            // One that the first copy has left to the second counts as skipped.
            1 => vec![5, u64::MAX, 0, 6],
            2 => vec![0, 4, 0, 0],
            // Counted on another CPU.
            _ => vec![1, 0, 0, 0],
        };
        let left = subtract(skipped, made_up);
        let mut counts = MissedCounts::default();
        counts[1] = 2;
        assert_eq!(left.counts, counts);
        assert_eq!(left.by_cpu, [(1, 3, 1)]);
    }
}
