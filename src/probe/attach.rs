//! Puts the programs of a plan at their hooks, as far as this kernel has them.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::thread;

use aya::programs::cgroup_skb::CgroupSkbLink;
use aya::programs::fexit::FExitLink;
use aya::programs::tp_btf::BtfTracePointLink;
use aya::programs::{
    BtfTracePoint, CgroupAttachMode, CgroupSkb, CgroupSkbAttachType, FExit, Iter, Program,
    ProgramError, ProgramFd, TracePoint,
};
use aya::{Btf, BtfError, Ebpf};

use super::filesystem::Filesystem;
use super::object::{ProbeError, chain};
use super::plan::{Hook, Kind, Place, Plan};
use super::tracepoint;

/// The program that finds the sessions that are open at the start.
const FINDER: &str = "session_found";

/// How often it looks at most. Each time finds the children of what the time before has found.
const LOOKS: usize = 16;

/// What the kernel puts before the name of a system call for its function.
#[cfg(target_arch = "x86_64")]
const FUNCTION: &str = "__x64_sys_";
#[cfg(target_arch = "aarch64")]
const FUNCTION: &str = "__arm64_sys_";

/// A plan at work, until it is dropped.
#[derive(Default)]
pub struct Attached {
    tracepoints: Vec<BtfTracePointLink>,
    exits: Vec<OwnedFd>,
    egress: Vec<CgroupSkbLink>,
    functions: Vec<FExitLink>,
    /// The programs and their places.
    pub places: Vec<(&'static str, String)>,
    /// Places that this kernel lacks, and with them what would be seen there.
    pub lacking: Vec<&'static str>,
    /// How many instructions of each program the verifier has looked at, where the kernel tells:
    /// since 5.16.
    pub instructions: Vec<(&'static str, u32)>,
    loaded: Vec<(&'static str, Vec<ProgramFd>)>,
}

/// Loads and attaches programs of one object.
pub struct Attacher<'a> {
    object: &'a mut Ebpf,
    btf: &'a Btf,
    tracefs: Filesystem,
}

impl<'a> Attacher<'a> {
    /// For the programs of `object`, on the kernel that `btf` describes.
    ///
    /// # Errors
    /// A kernel without tracefs, or whose lockdown forbids it.
    pub fn new(object: &'a mut Ebpf, btf: &'a Btf) -> Result<Self, ProbeError> {
        Ok(Self {
            object,
            btf,
            tracefs: Filesystem::open(c"tracefs").map_err(|e| ProbeError::new("tracefs", e))?,
        })
    }

    /// Readers of the program that looks at each process there is: each looks once.
    ///
    /// # Errors
    /// The kernel that refuses it.
    pub fn finders(&mut self) -> Result<Vec<File>, ProbeError> {
        let error = |e: &dyn std::error::Error| ProbeError::new(FINDER, chain(e));
        let program = self.object.program_mut(FINDER);
        let program: &mut Iter = program
            .ok_or_else(|| ProbeError::new(FINDER, "not in the object"))?
            .try_into()
            .map_err(|e: ProgramError| error(&e))?;
        program.load("task", self.btf).map_err(|e| error(&e))?;
        (0..LOOKS)
            .map(|_| {
                let id = program.attach().map_err(|e| error(&e))?;
                let link = program.take_link(id).map_err(|e| error(&e))?;
                link.into_file().map_err(|e| error(&e))
            })
            .collect()
    }

    /// Attaches every hook of `plan` that this kernel has, in the way of `kind`. The verifier takes
    /// most of the time until we are ready, so each program has a thread.
    ///
    /// # Errors
    /// The program that the kernel refused, or the place that it lacks.
    pub fn attach(&mut self, plan: &Plan, kind: Kind) -> Result<Attached, ProbeError> {
        let (btf, tracefs) = (self.btf, &self.tracefs);
        let mut programs: HashMap<_, _> = self.object.programs_mut().collect();
        let mut work = Vec::new();
        for hooks in plan.hooks.chunk_by(|one, next| one.program == next.program) {
            let name = match (hooks[0].place, kind) {
                (Place::Exits(_), Kind::Fentry) => format!("{}_fexit", hooks[0].program),
                _ => hooks[0].program.to_owned(),
            };
            let program = programs.remove(name.as_str());
            work.push((
                hooks,
                program.ok_or_else(|| ProbeError::new(name, "not in the object"))?,
            ));
        }
        thread::scope(|scope| {
            let mut threads = Vec::new();
            for (hooks, program) in work {
                let one = move || Attached::of(hooks, program, btf, tracefs);
                let thread = thread::Builder::new().spawn_scoped(scope, one);
                threads.push(thread.map_err(|e| ProbeError::new("thread", e))?);
            }
            let mut attached = Attached::default();
            for thread in threads {
                let one = thread.join();
                attached.add(one.map_err(|_| ProbeError::new("thread", "has panicked"))??);
            }
            Ok(attached)
        })
    }
}

impl Attached {
    /// One program at all its hooks.
    fn of(
        hooks: &[Hook],
        program: &mut Program,
        btf: &Btf,
        tracefs: &Filesystem,
    ) -> Result<Self, ProbeError> {
        let mut attached = Self::default();
        for hook in hooks {
            match (&mut *program, hook.place) {
                (Program::BtfTracePoint(program), Place::Tracepoint(names)) => {
                    attached.tracepoint(hook, program, names, btf)?;
                }
                (Program::TracePoint(program), Place::Exits(calls)) => {
                    attached.exits(hook, program, calls, tracefs)?;
                }
                (Program::CgroupSkb(program), Place::Egress) => attached.egress(hook, program)?,
                (Program::FExit(program), Place::Exits(calls)) => {
                    attached.functions(hook, program, calls, btf, tracefs)?;
                }
                _ => {
                    let reason = "of another type in the object";
                    return Err(ProbeError::new(hook.program, reason));
                }
            }
        }
        let information = program.info().ok();
        if let Some(count) = information.and_then(|it| it.verified_instruction_count()) {
            attached.instructions.push((hooks[0].program, count));
        }
        Ok(attached)
    }

    fn add(&mut self, other: Self) {
        self.tracepoints.extend(other.tracepoints);
        self.exits.extend(other.exits);
        self.egress.extend(other.egress);
        self.functions.extend(other.functions);
        self.places.extend(other.places);
        self.lacking.extend(other.lacking);
        self.instructions.extend(other.instructions);
        self.loaded.extend(other.loaded);
    }

    /// Every program once, in the order of the plan.
    pub fn programs(&self) -> impl Iterator<Item = &'static str> {
        let mut programs: Vec<_> = self.places.iter().map(|(program, _)| *program).collect();
        programs.dedup();
        programs.into_iter()
    }

    /// The places of one program.
    pub fn places_at(&self, program: &str) -> impl Iterator<Item = &str> + Clone {
        let places = self.places.iter().filter(move |(name, _)| *name == program);
        places.map(|(_, place)| place.as_str())
    }

    /// The same as a list to read.
    pub fn places_of(&self, program: &str) -> String {
        self.places_at(program).collect::<Vec<_>>().join(", ")
    }

    /// How many instructions of one program the verifier has looked at, if the kernel tells.
    pub fn instructions_of(&self, program: &str) -> Option<u32> {
        let mut counts = self.instructions.iter();
        counts
            .find(|(name, _)| *name == program)
            .map(|(_, count)| *count)
    }

    /// Keeps a program at hand, to ask the kernel how often it was not run.
    fn keep(&mut self, name: &'static str, program: Result<&ProgramFd, ProgramError>) {
        let Some(fd) = program.ok().and_then(|fd| fd.try_clone().ok()) else {
            return;
        };
        match self.loaded.iter_mut().find(|(other, _)| *other == name) {
            Some((_, fds)) => fds.push(fd),
            None => self.loaded.push((name, vec![fd])),
        }
    }

    /// The programs, and how often the kernel did not run each because it was at work on the same
    /// CPU already. Kernels before 5.12 don't count that.
    pub fn missed(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let programs = self.loaded.iter();
        programs.map(|(name, fds)| (*name, fds.iter().map(missed).sum()))
    }

    fn tracepoint(
        &mut self,
        hook: &Hook,
        program: &mut BtfTracePoint,
        names: &[&'static str],
        btf: &Btf,
    ) -> Result<(), ProbeError> {
        for name in names {
            let error = |e: ProgramError| refused(hook, name, &e);
            match program.load(name, btf) {
                Err(ProgramError::Btf(BtfError::UnknownBtfTypeName { .. })) => continue,
                // For the plan that was tried before, in the same place.
                Err(ProgramError::AlreadyLoaded) => {}
                loaded => loaded.map_err(error)?,
            }
            let id = program.attach().map_err(error)?;
            self.tracepoints.push(program.take_link(id).map_err(error)?);
            self.keep(hook.program, program.fd());
            self.places.push((hook.program, (*name).to_owned()));
            return Ok(());
        }
        self.lack(hook, names[0])
    }

    fn exits(
        &mut self,
        hook: &Hook,
        program: &mut TracePoint,
        calls: &[&'static str],
        tracefs: &Filesystem,
    ) -> Result<(), ProbeError> {
        for call in calls {
            let error = |e: &dyn std::error::Error| refused(hook, call, e);
            match program.load() {
                Err(ProgramError::AlreadyLoaded) => {}
                loaded => {
                    loaded.map_err(|e| error(&e))?;
                    self.keep(hook.program, program.fd());
                }
            }
            let fd = program.fd().map_err(|e| error(&e))?;
            match tracepoint::exit_of(call, tracefs) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => self.lack(hook, call)?,
                id => {
                    let id = id.map_err(|e| error(&e))?;
                    let link = tracepoint::attach(fd.as_fd(), id).map_err(|e| error(&e))?;
                    self.exits.push(link);
                    self.places.push((hook.program, (*call).to_owned()));
                }
            }
        }
        Ok(())
    }

    fn egress(&mut self, hook: &Hook, program: &mut CgroupSkb) -> Result<(), ProbeError> {
        let place = "cgroup2 egress";
        let error = |e: ProgramError| refused(hook, place, &e);
        let cgroups = Filesystem::open(c"cgroup2").map_err(|e| refused(hook, place, &e))?;
        match program.load() {
            Err(ProgramError::AlreadyLoaded) => {}
            loaded => {
                loaded.map_err(error)?;
                self.keep(hook.program, program.fd());
            }
        }
        let id = program
            .attach(
                cgroups.root(),
                CgroupSkbAttachType::Egress,
                // As a link it stands beside those of others.
                CgroupAttachMode::Single,
            )
            .map_err(error)?;
        self.egress.push(program.take_link(id).map_err(error)?);
        self.places.push((hook.program, place.to_owned()));
        Ok(())
    }

    fn functions(
        &mut self,
        hook: &Hook,
        program: &mut FExit,
        calls: &[&'static str],
        btf: &Btf,
        tracefs: &Filesystem,
    ) -> Result<(), ProbeError> {
        for call in calls {
            let function = format!("{FUNCTION}{call}");
            let error = |e: ProgramError| refused(hook, &function, &e);
            // Each function has its own instance of the program.
            let _ = program.unload();
            match program.load(&function, btf) {
                // That the kernel has the call, and not by this name, must not make us blind to it.
                Err(ProgramError::Btf(BtfError::UnknownBtfTypeName { .. }))
                    if tracepoint::exit_of(call, tracefs).is_err() =>
                {
                    self.lack(hook, call)?;
                    continue;
                }
                loaded => loaded.map_err(error)?,
            }
            let id = program.attach().map_err(error)?;
            self.functions.push(program.take_link(id).map_err(error)?);
            self.keep(hook.program, program.fd());
            self.places.push((hook.program, function));
        }
        Ok(())
    }

    fn lack(&mut self, hook: &Hook, place: &'static str) -> Result<(), ProbeError> {
        if !hook.optional {
            return Err(refused(
                hook,
                place,
                &io::Error::other("no such place in this kernel"),
            ));
        }
        self.lacking.push(place);
        Ok(())
    }
}

fn missed(fd: &ProgramFd) -> u64 {
    let path = format!("/proc/self/fdinfo/{}", fd.as_fd().as_raw_fd());
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let mut lines = text.lines();
    let count = lines.find_map(|line| line.strip_prefix("recursion_misses:"));
    let count = count.and_then(|count| count.trim().parse().ok());
    count.unwrap_or(0)
}

fn refused(hook: &Hook, place: &str, error: &dyn std::error::Error) -> ProbeError {
    ProbeError::new(format!("probe {} at {place}", hook.program), chain(error))
}
