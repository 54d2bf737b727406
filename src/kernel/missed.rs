//! How often the kernel ran neither a program nor its copy, because both were at work on the same CPU already.

use std::cell::RefCell;
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
    /// By probe and CPU, which the kernel reports since 5.19. A thread can move to another CPU between a
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
    floor: RefCell<Floor>,
}

impl Skips {
    /// Of no program yet.
    pub fn new(made_up: PerCpuArray<MapData, u64>) -> Self {
        Self {
            programs: HashMap::new(),
            descriptors: Vec::new(),
            looker: None,
            made_up,
            floor: RefCell::default(),
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
        // Notes what copies have done by now.
        self.count();
    }

    /// What is counted now.
    pub fn count(&self) -> Skipped {
        let before = self.made_up();
        let looked = self.look();
        let skipped = match &looked {
            Some(bytes) => {
                let entries = bytes.chunks_exact(size_of::<Missed>());
                let told = entries.flat_map(read::<Missed>).filter_map(|entry| {
                    let place = self.programs.get(&entry.program)?;
                    Some(((*place, entry.cpu), entry.count as i64))
                });
                summed(told)
            }
            None => {
                let told = self.descriptors.iter();
                summed(told.map(|(fd, place)| ((*place, 0), missed(fd) as i64)))
            }
        };
        let behind = self.made_up();
        let mut floor = self.floor.borrow_mut();
        floor.lower(&subtract(&skipped, &before));
        let mut left = floor.above(&subtract(&skipped, &behind));
        if looked.is_none() {
            left.by_cpu.clear();
        }
        left
    }

    /// How often copies were run in the place of their programs.
    fn made_up(&self) -> ByCpu {
        let of_place = |place: usize| {
            let counts = self.made_up.get(&(place as u32), 0);
            let counts = counts.map_or(Vec::new(), |counts| counts.to_vec());
            let counts = (0..).zip(counts).filter(|(_, count)| *count != 0);
            counts.map(move |(cpu, count)| ((place, cpu), count as i64))
        };
        summed((0..PROBES.len()).flat_map(of_place))
    }

    /// What it writes of all programs.
    fn look(&self) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut programs = bpf::iterator(self.looker.as_ref()?).ok()?;
        programs.read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }
}

/// By which of [`PROBES`], and where: on each CPU, and on [`ALL`].
type ByCpu = BTreeMap<(usize, u32), i64>;

/// All CPUs together.
const ALL: u32 = u32::MAX;

fn summed(counts: impl Iterator<Item = ((usize, u32), i64)>) -> ByCpu {
    let mut sums = ByCpu::new();
    for ((place, cpu), count) in counts {
        *sums.entry((place, cpu)).or_default() += count;
        *sums.entry((place, ALL)).or_default() += count;
    }
    sums
}

/// What was skipped without what copies have made up.
fn subtract(skipped: &ByCpu, made_up: &ByCpu) -> ByCpu {
    let mut left = skipped.clone();
    for (key, count) in made_up {
        *left.entry(*key).or_default() -= count;
    }
    left
}

/// What is left is no loss up to here. A copy is attached ahead of its program, and until that is there
/// it does all the work, in place of what the kernel never skipped; and so at the end of each call that
/// had begun by then. Without this, as many losses would not be told.
#[derive(Default)]
struct Floor(ByCpu);

impl Floor {
    /// `most` is at least what is left: what copies have made up was read first.
    fn lower(&mut self, most: &ByCpu) {
        for (key, count) in most {
            let lowest = self.0.entry(*key).or_default();
            *lowest = (*lowest).min(*count);
        }
    }

    /// `least` is at most what is left: what copies have made up was read last.
    fn above(&self, least: &ByCpu) -> Skipped {
        let mut skipped = Skipped::default();
        for (key, count) in least {
            let lowest = self.0.get(key).copied().unwrap_or_default();
            let lost = count.saturating_sub(lowest).try_into().unwrap_or(0);
            match *key {
                (place, ALL) => skipped.counts[place] = lost,
                (place, cpu) => skipped.by_cpu.push((place, cpu, lost)),
            }
        }
        let counts = &skipped.counts;
        let is_lost = |(place, _, lost): &(usize, u32, u64)| *lost > 0 && counts[*place] > 0;
        skipped.by_cpu.retain(is_lost);
        skipped
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

    /// What is told, when copies have made up `before` ahead of a look at what was skipped, and `behind`
    /// after that.
    fn told(floor: &mut Floor, before: &[Count], skipped: &[Count], behind: &[Count]) -> Skipped {
        let [before, skipped, behind] =
            [before, skipped, behind].map(|counts| summed(counts.iter().copied()));
        floor.lower(&subtract(&skipped, &before));
        floor.above(&subtract(&skipped, &behind))
    }

    type Count = ((usize, u32), i64);

    fn expected(counts: &[(usize, u64)], by_cpu: &[(usize, u32, u64)]) -> Skipped {
        let mut all = MissedCounts::default();
        for (place, count) in counts {
            all[*place] = *count;
        }
        let by_cpu = by_cpu.to_vec();
        Skipped {
            counts: all,
            by_cpu,
        }
    }

    #[test]
    fn what_copies_have_made_up_is_not_missing() {
        let skipped = [((1, 0), 5), ((1, 3), 7), ((2, 1), 4), ((9, 2), 1)];
        let made_up = [
            // One that the first copy has left to the second counts as skipped.
            ((1, 0), 5),
            ((1, 1), -1),
            ((1, 3), 6),
            ((2, 1), 4),
            // Counted on another CPU.
            ((9, 0), 1),
        ];
        assert_eq!(
            told(&mut Floor::default(), &made_up, &skipped, &made_up),
            expected(&[(1, 2)], &[(1, 1, 1), (1, 3, 1)])
        );
    }

    #[test]
    fn what_copies_did_before_their_programs_were_there_hides_nothing() {
        let mut floor = Floor::default();
        let nothing = expected(&[], &[]);
        let alone = [((5, 0), 3), ((5, 1), 2)];
        assert_eq!(told(&mut floor, &alone, &[], &alone), nothing);
        let skipped = [((5, 1), 4)];
        // Two of four are made up, and one of these while that is read.
        let before = [((5, 0), 3), ((5, 1), 3)];
        let behind = [((5, 0), 3), ((5, 1), 4)];
        let two = expected(&[(5, 2)], &[(5, 1, 2)]);
        assert_eq!(told(&mut floor, &before, &skipped, &behind), two);
        assert_eq!(told(&mut floor, &behind, &skipped, &behind), two);
    }

    #[test]
    fn what_is_made_up_while_it_is_read_is_never_told() {
        let mut floor = Floor::default();
        let nothing = expected(&[], &[]);
        let behind = [((5, 1), 9)];
        assert_eq!(told(&mut floor, &[], &[((5, 1), 4)], &behind), nothing);
        let skipped = [((5, 1), 10)];
        let one = expected(&[(5, 1)], &[(5, 1, 1)]);
        assert_eq!(told(&mut floor, &behind, &skipped, &behind), one);
    }
}
