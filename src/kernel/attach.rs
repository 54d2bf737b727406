//! Puts the programs of a plan at their hooks, as far as this kernel has them.

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use aya::programs::cgroup_skb::CgroupSkbLink;
use aya::programs::fexit::FExitLink;
use aya::programs::tp_btf::BtfTracePointLink;
use aya::programs::{
    BtfTracePoint, CgroupAttachMode, CgroupSkb, CgroupSkbAttachType, FExit, Iter, Program,
    ProgramError, ProgramFd, ProgramInfo,
};
use aya::{Btf, BtfError, Ebpf};

use super::bpf;
use super::error::{ProbeError, chain};
use super::filesystem::Filesystem;
use super::plan::{Hook, PLANS, Place, Plan};
use super::syscall::{
    COMPAT_DISPATCHER, COMPAT_FUNCTION, Call, DISPATCHER, Dispatcher, Dispatchers, TRACEPOINT,
    WITNESS,
};
use crate::base::Backend;

/// What programs iterate over.
const PROCESSES: &str = "task";
const PROGRAMS: &str = "bpf_prog";

/// A program, and what it iterates over.
type Iteration = (&'static str, &'static str);

/// Finds the sessions that are open at the start.
const FINDER: Iteration = ("session_found", PROCESSES);

/// Compares the processes with the tables.
const CHECKER: Iteration = ("session_check", PROCESSES);

/// Tells how often others were skipped.
const LOOKER: Iteration = ("probe_missed", PROGRAMS);

/// Where the packets of all processes pass.
const EGRESS: &str = "cgroup2 egress";

/// The names that the description of the kernel's types has for the places of all plans.
pub fn places() -> impl Iterator<Item = String> {
    let of_hook = |hook: &Hook| -> Vec<String> {
        match hook.place {
            Place::Tracepoint(names) => names
                .iter()
                .map(|name| format!("btf_trace_{name}"))
                .collect(),
            Place::Exits(calls) => calls.iter().map(|call| call.function()).collect(),
            Place::Functions(names) => names.iter().map(|name| (*name).to_owned()).collect(),
            Place::Egress => Vec::new(),
        }
    };
    let hooks = PLANS.iter().flat_map(|plan| plan.hooks).flat_map(of_hook);
    hooks.chain([
        format!("btf_trace_{TRACEPOINT}"),
        format!("bpf_iter_{PROCESSES}"),
        format!("bpf_iter_{PROGRAMS}"),
        COMPAT_FUNCTION.to_owned(),
    ])
}

/// A plan at work.
#[derive(Default)]
pub struct Attached {
    tracepoints: Vec<BtfTracePointLink>,
    exits: Vec<Call>,
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
    dispatchers: &'a mut Dispatchers,
    /// Whether programs have copies.
    copies: bool,
}

/// A program of a plan, and all its hooks.
struct Part<'a> {
    hooks: &'static [Hook],
    program: &'a mut Program,
    /// Does the work where that is skipped; none where it is not, or where to do it twice is harmless.
    again: Option<&'a mut Program>,
    /// The program for 32-bit system calls, if the others are hooked one by one.
    compat: Option<&'a mut Program>,
    attached: Attached,
}

/// The programs that lead to others from the ends of calls, and their copies.
struct Passing<'a> {
    all: &'a mut Program,
    all_again: Option<&'a mut Program>,
    witness: &'a mut Program,
    compat: &'a mut Program,
    compat_again: Option<&'a mut Program>,
}

/// The copy of a program that the kernel may skip.
fn copy_of(name: &str) -> String {
    format!("{name}_again")
}

impl<'a> Attacher<'a> {
    /// For the programs of `object`, on the kernel that `btf` describes.
    pub fn new(
        object: &'a mut Ebpf,
        btf: &'a Btf,
        dispatchers: &'a mut Dispatchers,
        copies: bool,
    ) -> Self {
        Self {
            object,
            btf,
            dispatchers,
            copies,
        }
    }

    /// The program that looks at each process there is.
    ///
    /// # Errors
    /// The kernel that refuses it.
    pub fn finder(&mut self) -> Result<OwnedFd, ProbeError> {
        self.iterator(FINDER)
    }

    /// The program that compares each with the tables.
    ///
    /// # Errors
    /// The kernel that refuses it.
    pub fn checker(&mut self) -> Result<OwnedFd, ProbeError> {
        self.iterator(CHECKER)
    }

    /// The program that looks at each program there is.
    ///
    /// # Errors
    /// The kernel that refuses it, as those before 5.19 do.
    pub fn looker(&mut self) -> Result<OwnedFd, ProbeError> {
        self.iterator(LOOKER)
    }

    fn iterator(&mut self, (name, over): Iteration) -> Result<OwnedFd, ProbeError> {
        let error = |e: &dyn std::error::Error| ProbeError::new(name, chain(e));
        let program = self.object.program_mut(name);
        let program = program.ok_or_else(|| ProbeError::new(name, "not in the object"))?;
        let program: &mut Iter = program.try_into().map_err(|e: ProgramError| error(&e))?;
        unless_loaded(program.load(over, self.btf)).map_err(|e| error(&e))?;
        let program = program.fd().map_err(|e| error(&e))?;
        bpf::link(program).map_err(|e| error(&e))
    }

    /// Attaches every hook of each plan that this kernel has, in the way of its kind. A plan is attached
    /// only when all of it is loaded: to detach it takes long. For each plan, tells the program that the
    /// kernel refused, or the place that it lacks.
    ///
    /// # Errors
    /// An object that is not ours.
    pub fn attach(
        &mut self,
        plans: &[(&'static Plan, Backend)],
    ) -> Result<Vec<Result<Attached, ProbeError>>, ProbeError> {
        let btf = self.btf;
        let mut programs: HashMap<_, _> = self.object.programs_mut().collect();
        let mut take = |name: String| {
            let program = programs.remove(name.as_str());
            program.ok_or_else(|| ProbeError::new(name, "not in the object"))
        };
        let copies = self.copies;
        let mut passing = Passing {
            all_again: copies.then(|| take(copy_of(DISPATCHER))).transpose()?,
            all: take(DISPATCHER.to_owned())?,
            witness: take(WITNESS.to_owned())?,
            compat_again: copies
                .then(|| take(copy_of(COMPAT_DISPATCHER)))
                .transpose()?,
            compat: take(COMPAT_DISPATCHER.to_owned())?,
        };
        let iterations =
            [FINDER, CHECKER, LOOKER].map(|(name, over)| Ok((take(name.to_owned())?, over)));
        let iterations: Result<Vec<_>, ProbeError> = iterations.into_iter().collect();
        let mut parts = Vec::new();
        for (plan, kind) in plans {
            let mut of_plan = Vec::new();
            for hooks in plan.hooks.chunk_by(|one, next| one.program == next.program) {
                let name = hooks[0].program;
                if !hooks[0].is_of(*kind) {
                    continue;
                }
                let (own, compat) = match (hooks[0].place, kind) {
                    (Place::Exits(_), Backend::Fexit) => (
                        format!("{name}_fexit"),
                        Some(take(format!("{name}_compat"))?),
                    ),
                    _ => (name.to_owned(), None),
                };
                let is_guarded = match hooks[0].place {
                    Place::Tracepoint(_) => true,
                    Place::Exits(_) => *kind == Backend::Fexit,
                    Place::Functions(_) | Place::Egress => false,
                };
                let again = (copies && is_guarded).then(|| take(copy_of(&own)));
                of_plan.push(Part {
                    hooks,
                    program: take(own)?,
                    again: again.transpose()?,
                    compat,
                    attached: Attached::default(),
                });
            }
            parts.push(of_plan);
        }
        let mut put = |parts: Vec<Part<'_>>| {
            let mut attached = Attached::default();
            for mut part in parts {
                let done = part.attach(self.dispatchers, &mut passing, btf);
                attached.add(part.attached);
                if let Err(error) = done {
                    attached.withdraw(self.dispatchers);
                    return Err(error);
                }
            }
            Ok(attached)
        };
        let loaded = Part::load_all(parts, iterations?, btf).into_iter();
        Ok(loaded.map(|parts| parts.and_then(&mut put)).collect())
    }

    /// Takes a plan away.
    pub fn withdraw(&mut self, attached: Attached) {
        attached.withdraw(self.dispatchers);
    }
}

impl<'a> Part<'a> {
    /// The parts of each plan, once they are loaded. The verifier takes most of the time until we are
    /// ready, so each processor has a thread that loads one program after the other. Of a plan of which
    /// the kernel has refused one, no more are loaded. The iterators are needed later, and an error of
    /// theirs is told then.
    fn load_all(
        mut plans: Vec<Vec<Self>>,
        iterators: Vec<(&mut Program, &str)>,
        btf: &Btf,
    ) -> Vec<Result<Vec<Self>, ProbeError>> {
        let errors: Vec<_> = plans.iter().map(|_| Mutex::new(None)).collect();
        let mut parts = Vec::new();
        for (plan, error) in plans.iter_mut().zip(&errors) {
            let of_plan = plan.iter_mut().enumerate();
            parts.extend(of_plan.map(|(place, part)| (place, part, error)));
        }
        // What comes first in any plan tells most about the kernel.
        parts.sort_by_key(|(place, ..)| *place);
        let parts = Mutex::new(parts.into_iter());
        let iterators = Mutex::new(iterators.into_iter());
        let work = || {
            while let Some((place, part, error)) = locked(&parts).next() {
                if locked(error).is_none()
                    && let Err(refusal) = part.load(btf)
                {
                    let mut error = locked(error);
                    if error.as_ref().is_none_or(|(first, _)| place < *first) {
                        *error = Some((place, refusal));
                    }
                }
            }
            while let Some((program, over)) = locked(&iterators).next() {
                if let Program::Iter(program) = program {
                    let _ = program.load(over, btf);
                }
            }
        };
        thread::scope(|scope| {
            let processors = thread::available_parallelism().map_or(1, usize::from);
            let spawn = |_| thread::Builder::new().spawn_scoped(scope, work).ok();
            let helpers: Vec<_> = (1..processors).filter_map(spawn).collect();
            work();
            // The end of the scope would not wait until they have exited, and what confines the daemon later
            // does not reach them.
            for helper in helpers {
                let _ = helper.join();
            }
        });
        let refusals = errors.into_iter().map(Mutex::into_inner);
        let refusals = refusals.map(|error| error.unwrap_or_else(PoisonError::into_inner));
        let loaded = plans.into_iter().zip(refusals);
        loaded
            .map(|(parts, refusal)| refusal.map_or(Ok(parts), |(_, refusal)| Err(refusal)))
            .collect()
    }

    /// Has the program verified. Where the ends of calls are hooked one by one, each takes an instance
    /// of its own, which is attached as well.
    fn load(&mut self, btf: &Btf) -> Result<(), ProbeError> {
        for hook in self.hooks {
            match (&mut *self.program, hook.place) {
                (Program::BtfTracePoint(program), Place::Tracepoint(names)) => {
                    self.attached.tracepoint(hook, program, names, btf)?;
                    if let (Some(Program::BtfTracePoint(again)), Some((_, name))) =
                        (&mut self.again, self.attached.places.last())
                    {
                        let loaded = unless_loaded(again.load(name, btf));
                        loaded.map_err(|e| refused(hook, name, &e))?;
                    }
                }
                (Program::BtfTracePoint(program), Place::Exits(_)) => {
                    let loaded = unless_loaded(program.load(TRACEPOINT, btf));
                    loaded.map_err(|e| refused(hook, TRACEPOINT, &e))?;
                }
                (Program::CgroupSkb(program), Place::Egress) => {
                    unless_loaded(program.load()).map_err(|e| refused(hook, EGRESS, &e))?;
                }
                (Program::FExit(program), Place::Exits(calls)) => {
                    let again = match &mut self.again {
                        Some(Program::FExit(again)) => Some(again),
                        _ => None,
                    };
                    self.attached.calls(hook, (program, again), calls, btf)?;
                }
                (Program::FExit(program), Place::Functions(names)) => {
                    for name in names {
                        // Without it, no more is missing than where there is no such function.
                        if self
                            .attached
                            .function(hook, (program, None), name, btf)
                            .is_err()
                        {
                            self.attached.lack(hook, name)?;
                        }
                    }
                }
                _ => {
                    let reason = "of another type in the object";
                    return Err(ProbeError::new(hook.program, reason));
                }
            }
        }
        // A kernel that does not take it is no worse for all other calls.
        if let Some(Program::FExit(program)) = &mut self.compat
            && unless_loaded(program.load(COMPAT_FUNCTION, btf)).is_err()
        {
            self.compat = None;
        }
        let name = self.hooks[0].program;
        self.attached.count(name, self.program.info());
        Ok(())
    }

    /// Puts it at its hooks.
    fn attach(
        &mut self,
        dispatchers: &mut Dispatchers,
        passing: &mut Passing<'_>,
        btf: &Btf,
    ) -> Result<(), ProbeError> {
        let attached = &mut self.attached;
        for hook in self.hooks {
            match (&mut *self.program, hook.place) {
                (Program::BtfTracePoint(program), Place::Tracepoint(names)) => {
                    // None of them is in this kernel.
                    if attached.places.is_empty() {
                        continue;
                    }
                    let error = |e: ProgramError| refused(hook, names[0], &e);
                    let id = program.attach().map_err(error)?;
                    attached
                        .tracepoints
                        .push(program.take_link(id).map_err(error)?);
                    attached.keep(hook.program, program.fd());
                    // What is attached later is run later.
                    if let Some(Program::BtfTracePoint(again)) = &mut self.again {
                        let id = again.attach().map_err(error)?;
                        let link = again.take_link(id).map_err(error)?;
                        attached.tracepoints.push(link);
                    }
                }
                (Program::BtfTracePoint(program), Place::Exits(calls)) => {
                    let error = |e: &dyn std::error::Error| refused(hook, TRACEPOINT, e);
                    let fd = program.fd().map_err(|e| error(&e))?;
                    let dispatcher = &mut dispatchers.all;
                    dispatcher
                        .attach(
                            (passing.all, passing.all_again.as_deref_mut()),
                            passing.witness,
                            btf,
                        )
                        .map_err(|e| error(&*e))?;
                    for call in calls {
                        dispatcher.insert(*call, fd).map_err(|e| error(&e))?;
                        attached.exits.push(*call);
                        attached.places.push((hook.program, call.name.to_owned()));
                    }
                    attached.keep(hook.program, Ok(fd));
                }
                (Program::CgroupSkb(program), Place::Egress) => attached.egress(hook, program)?,
                // The rest is attached as it is loaded.
                _ => {}
            }
        }
        // What is not seen without it, the coverage tells.
        let again = passing.compat_again.as_deref_mut();
        let _ = self.attach_compat(&mut dispatchers.compat, (passing.compat, again), btf);
        Ok(())
    }

    /// Attaches the one hook of 32-bit system calls, next to those of the others.
    fn attach_compat(
        &mut self,
        dispatcher: &mut Dispatcher<FExitLink>,
        (passing, again): (&mut Program, Option<&mut Program>),
        btf: &Btf,
    ) -> Result<(), Box<dyn std::error::Error>> {
        let Some(Program::FExit(program)) = &self.compat else {
            return Ok(());
        };
        let again = again.map(TryInto::try_into).transpose()?;
        dispatcher.attach(passing.try_into()?, again, btf)?;
        let fd = program.fd()?;
        for hook in self.hooks {
            if let Place::Exits(calls) = hook.place {
                for call in calls {
                    dispatcher.insert(*call, fd)?;
                    self.attached.exits.push(*call);
                }
            }
        }
        let name = self.hooks[0].program;
        self.attached.keep(name, Ok(fd));
        let place = COMPAT_FUNCTION.to_owned();
        self.attached.places.push((name, place));
        Ok(())
    }
}

impl Attached {
    fn withdraw(self, dispatchers: &mut Dispatchers) {
        for call in self.exits {
            dispatchers.remove(call);
        }
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

    /// Whether it sees calls of 32 bits by a hook of their own.
    pub fn sees_compat(&self) -> bool {
        self.places
            .iter()
            .any(|(_, place)| place == COMPAT_FUNCTION)
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

    /// The places of one program, as a list for people.
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

    /// Takes down how much of a program the verifier has looked at, of one instance.
    fn count(&mut self, name: &'static str, information: Result<ProgramInfo, ProgramError>) {
        let count = information
            .ok()
            .and_then(|it| it.verified_instruction_count());
        if let Some(count) = count
            && self.instructions_of(name).is_none()
        {
            self.instructions.push((name, count));
        }
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

    /// Every instance of each program that the kernel may skip.
    pub fn instances(&self) -> impl Iterator<Item = (&'static str, &ProgramFd)> {
        let programs = self.loaded.iter();
        programs.flat_map(|(name, fds)| fds.iter().map(move |fd| (*name, fd)))
    }

    fn tracepoint(
        &mut self,
        hook: &Hook,
        program: &mut BtfTracePoint,
        names: &[&'static str],
        btf: &Btf,
    ) -> Result<(), ProbeError> {
        for name in names {
            match unless_loaded(program.load(name, btf)) {
                Err(ProgramError::Btf(BtfError::UnknownBtfTypeName { .. })) => continue,
                loaded => loaded.map_err(|e| refused(hook, name, &e))?,
            }
            self.places.push((hook.program, (*name).to_owned()));
            return Ok(());
        }
        self.lack(hook, names[0])
    }

    fn egress(&mut self, hook: &Hook, program: &mut CgroupSkb) -> Result<(), ProbeError> {
        let error = |e: ProgramError| refused(hook, EGRESS, &e);
        let cgroups = Filesystem::open(c"cgroup2").map_err(|e| refused(hook, EGRESS, &e))?;
        let id = program
            .attach(
                cgroups.root(),
                CgroupSkbAttachType::Egress,
                // As a link it stands beside those of others.
                CgroupAttachMode::Single,
            )
            .map_err(error)?;
        self.egress.push(program.take_link(id).map_err(error)?);
        self.keep(hook.program, program.fd());
        self.places.push((hook.program, EGRESS.to_owned()));
        Ok(())
    }

    fn calls(
        &mut self,
        hook: &Hook,
        (program, mut again): (&mut FExit, Option<&mut FExit>),
        calls: &[Call],
        btf: &Btf,
    ) -> Result<(), ProbeError> {
        for call in calls {
            let function = call.function();
            let programs = (&mut *program, again.as_deref_mut());
            match self.function(hook, programs, &function, btf) {
                // That the kernel has the call, and tells nothing of it, must not make us blind to it.
                Err(ProgramError::Btf(BtfError::UnknownBtfTypeName { .. })) if !call.exists() => {
                    self.lack(hook, call.name)?;
                }
                hooked => hooked.map_err(|e| refused(hook, &function, &e))?,
            }
        }
        Ok(())
    }

    /// Each function has its own instance of the program. Of several at a function, the last that was
    /// attached is run first.
    fn function(
        &mut self,
        hook: &Hook,
        (program, again): (&mut FExit, Option<&mut FExit>),
        function: &str,
        btf: &Btf,
    ) -> Result<(), ProgramError> {
        let mut both: Vec<_> = again.into_iter().chain([&mut *program]).collect();
        for program in &mut both {
            let _ = program.unload();
            program.load(function, btf)?;
        }
        // Only then, so that the copy is alone for a moment and not while the other is verified.
        for program in both {
            let id = program.attach()?;
            self.functions.push(program.take_link(id)?);
        }
        self.keep(hook.program, program.fd());
        self.count(hook.program, program.info());
        self.places.push((hook.program, function.to_owned()));
        Ok(())
    }

    fn lack(&mut self, hook: &Hook, place: &'static str) -> Result<(), ProbeError> {
        if !hook.optional {
            return Err(refused(
                hook,
                place,
                &io::Error::other("not in this kernel"),
            ));
        }
        self.lacking.push(place);
        Ok(())
    }
}

fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A program that is loaded for a plan that was tried before is in the same place.
fn unless_loaded(loaded: Result<(), ProgramError>) -> Result<(), ProgramError> {
    match loaded {
        Err(ProgramError::AlreadyLoaded) => Ok(()),
        loaded => loaded,
    }
}

fn refused(hook: &Hook, place: &str, error: &dyn std::error::Error) -> ProbeError {
    ProbeError::new(format!("probe {} at {place}", hook.program), chain(error))
}
