//! How often the kernel ran neither a program nor its copy, because both were at work on the same CPU already.

use std::collections::HashMap;
use std::fs;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use aya::maps::{MapData, PerCpuArray};
use aya::programs::ProgramFd;

use super::bpf;
use crate::record::layout::{Missed, MissedCounts, PROBES, read};

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
        let mut by_cpu: HashMap<(usize, u32), u64> = HashMap::new();
        let looked = self.look();
        match &looked {
            Some(bytes) => {
                let entries = bytes
                    .chunks_exact(size_of::<Missed>())
                    .flat_map(read::<Missed>);
                for entry in entries {
                    if let Some(place) = self.programs.get(&entry.program) {
                        *by_cpu.entry((*place, entry.cpu)).or_default() += entry.count;
                    }
                }
            }
            None => {
                for (fd, place) in &self.descriptors {
                    *by_cpu.entry((*place, 0)).or_default() += missed(fd);
                }
            }
        }
        let mut sums = [0_u64; PROBES.len()];
        for ((place, _), count) in &by_cpu {
            sums[*place] += count;
        }
        for (place, sum) in sums.iter_mut().enumerate().filter(|(_, sum)| **sum > 0) {
            let made_up = self.made_up.get(&(place as u32), 0);
            for (cpu, count) in made_up.iter().flat_map(|counts| counts.iter()).enumerate() {
                *sum = sum.wrapping_sub(*count);
                if let Some(of_cpu) = by_cpu.get_mut(&(place, cpu as u32)) {
                    *of_cpu = left(of_cpu.wrapping_sub(*count));
                }
            }
        }
        let mut by_cpu: Vec<_> = by_cpu
            .into_iter()
            .map(|((place, cpu), count)| (place, cpu, count))
            .filter(|(place, _, count)| looked.is_some() && *count > 0 && left(sums[*place]) > 0)
            .collect();
        by_cpu.sort_unstable();
        Skipped {
            counts: sums.map(left),
            by_cpu,
        }
    }

    /// What it writes of all programs.
    fn look(&self) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut programs = bpf::iterator(self.looker.as_ref()?).ok()?;
        programs.read_to_end(&mut bytes).ok()?;
        Some(bytes)
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
