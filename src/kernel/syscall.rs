//! System calls, and the hooks that the ends of all of them pass, or of all of 32 bits. From there a
//! table of the kernel leads to the program that looks at a call, if there is one.

use std::error::Error;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::os::fd::OwnedFd;
use std::ptr;

use aya::Btf;
use aya::maps::{MapData, MapError, ProgramArray};
use aya::programs::fexit::FExitLink;
use aya::programs::{BtfTracePoint, FExit, Program, ProgramError, ProgramFd};

use super::bpf;
use super::inventory::program_at;

/// The program at the hook of all calls.
pub const DISPATCHER: &str = "syscall_exit";

/// That hook, a tracepoint.
pub const TRACEPOINT: &str = "sys_exit";

/// The program at the end of [`HEARD`].
pub const WITNESS: &str = "syscall_heard";

/// A call that hardly anybody else makes: glibc has the answer without one, from the vDSO.
const HEARD: Call = Call {
    name: "clock_getres",
    number: libc::SYS_clock_getres,
};

/// How often a hook is attached that is not heard of.
const ATTEMPTS: u32 = 3;

/// The program at the hook of those of 32 bits.
pub const COMPAT_DISPATCHER: &str = "compat_exit";

/// That hook, a function; of x86 since 6.9, and of older kernels that were mended since.
#[cfg(target_arch = "x86_64")]
pub const COMPAT_FUNCTION: &str = "ia32_sys_call";
/// That hook, a function.
#[cfg(target_arch = "aarch64")]
pub const COMPAT_FUNCTION: &str = "do_el0_svc_compat";

/// What the kernel puts before the name of a system call for its function.
#[cfg(target_arch = "x86_64")]
const FUNCTION: &str = "__x64_sys_";
#[cfg(target_arch = "aarch64")]
const FUNCTION: &str = "__arm64_sys_";

/// A system call.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// As the kernel calls it.
    pub name: &'static str,
    /// On this architecture.
    pub number: libc::c_long,
}

impl Call {
    /// The kernel's function without its prefix, and the numbers on x86-64 and arm64.
    pub const fn new(name: &'static str, [x86, arm64]: [libc::c_long; 2]) -> Self {
        let number = if cfg!(target_arch = "x86_64") {
            x86
        } else {
            arm64
        };
        Self { name, number }
    }

    /// The kernel's function for it.
    pub fn function(self) -> String {
        format!("{FUNCTION}{}", self.name)
    }

    /// Whether the kernel has that function, whatever it tells of its type.
    pub fn exists(self) -> bool {
        let Ok(symbols) = File::open("/proc/kallsyms") else {
            return true;
        };
        let function = self.function();
        let mut names = BufReader::new(symbols).lines().map_while(Result::ok);
        names.any(|line| line.split(' ').nth(2) == Some(&function))
    }
}

/// Who looks at the ends of which calls, by a hook of the type `Link`.
pub struct Dispatcher<Link> {
    /// The kernel empties it when this is closed.
    table: ProgramArray<MapData>,
    /// Of the table, which can be asked by it.
    descriptor: OwnedFd,
    /// What is in the table: the number of a call, and the id that the kernel gives its program.
    entries: Vec<(u32, u32)>,
    /// Those programs, by these ids.
    programs: Vec<(u32, ProgramFd)>,
    program: Option<ProgramFd>,
    /// Its copy, where it has one.
    again: Option<ProgramFd>,
    hook: Option<Link>,
    hook_again: Option<Link>,
}

/// Both: of all calls, and of those of 32 bits.
pub struct Dispatchers {
    /// By the tracepoint.
    pub all: Dispatcher<OwnedFd>,
    /// By the function.
    pub compat: Dispatcher<FExitLink>,
}

impl Dispatchers {
    /// Has nobody look at the end of a call.
    pub fn remove(&mut self, call: Call) {
        self.all.remove(call);
        self.compat.remove(call);
    }

    /// The programs that lead to others.
    pub fn programs(&self) -> impl Iterator<Item = (&'static str, &ProgramFd)> {
        let all = self
            .all
            .program
            .as_ref()
            .map(|program| (DISPATCHER, program));
        let compat = self.compat.program.as_ref();
        let compat = compat.map(|program| (COMPAT_DISPATCHER, program));
        all.into_iter().chain(compat)
    }
}

impl Dispatcher<OwnedFd> {
    /// Attaches it by `program`, if it is not, and has `witness` tell whether it is heard of.
    ///
    /// # Errors
    /// The kernel that refuses the programs.
    pub fn attach(
        &mut self,
        (program, again): (&mut Program, Option<&mut Program>),
        witness: &mut Program,
        btf: &Btf,
    ) -> Result<(), Box<dyn Error>> {
        if self.program.is_none() {
            let witness: &mut BtfTracePoint = witness.try_into()?;
            witness.load(TRACEPOINT, btf)?;
            self.insert(HEARD, witness.fd()?)?;
            let program: &mut BtfTracePoint = program.try_into()?;
            program.load(TRACEPOINT, btf)?;
            let program = program.fd()?.try_clone()?;
            self.hook = Some(bpf::attach(&program)?);
            self.program = Some(program);
            if let Some(again) = again {
                let again: &mut BtfTracePoint = again.try_into()?;
                again.load(TRACEPOINT, btf)?;
                let again = again.fd()?.try_clone()?;
                self.hook_again = Some(bpf::attach(&again)?);
                self.again = Some(again);
            }
        }
        Ok(())
    }

    /// Attaches its program, if there is one that is not, until it is at work. `heard` tells how often
    /// the witness was run.
    ///
    /// # Errors
    /// The error of the system call, or that the kernel does not run what it has attached.
    pub fn hook(&mut self, heard: impl Fn() -> u64) -> io::Result<()> {
        let (Some(program), None) = (&self.program, &self.hook) else {
            return Ok(());
        };
        for _ in 0..ATTEMPTS {
            let hook = bpf::attach(program)?;
            let before = heard();
            // SAFETY: asked for nothing, the kernel writes nothing.
            unsafe {
                libc::syscall(
                    HEARD.number,
                    libc::CLOCK_MONOTONIC,
                    ptr::null_mut::<libc::timespec>(),
                )
            };
            if heard() != before {
                self.hook = Some(hook);
                self.hook_again = self.again.as_ref().map(bpf::attach).transpose()?;
                return Ok(());
            }
        }
        let why = "attached, but the kernel never executes it; restart recorderd";
        Err(io::Error::other(why))
    }

    /// Detaches it.
    pub fn unhook(&mut self) {
        // The copy first: alone, it would do all the work.
        self.hook_again = None;
        self.hook = None;
    }

    /// Whether it has been attached, and whether it is now.
    pub fn is_hooked(&self) -> Option<bool> {
        self.program.as_ref().map(|_| self.hook.is_some())
    }
}

impl Dispatcher<FExitLink> {
    /// Attaches it by `program`, if it is not.
    ///
    /// # Errors
    /// The kernel that refuses the program, or has no such function.
    pub fn attach(
        &mut self,
        program: &mut FExit,
        again: Option<&mut FExit>,
        btf: &Btf,
    ) -> Result<(), ProgramError> {
        if self.hook.is_none() {
            program.load(COMPAT_FUNCTION, btf)?;
            // Of several at a function, the last that was attached is run first.
            if let Some(again) = again {
                again.load(COMPAT_FUNCTION, btf)?;
                let id = again.attach()?;
                self.hook_again = Some(again.take_link(id)?);
            }
            let id = program.attach()?;
            self.hook = Some(program.take_link(id)?);
            self.program = Some(program.fd()?.try_clone()?);
        }
        Ok(())
    }
}

impl<Link> Dispatcher<Link> {
    /// Of nobody yet.
    pub fn new(table: ProgramArray<MapData>, descriptor: OwnedFd) -> Self {
        Self {
            table,
            descriptor,
            entries: Vec::new(),
            programs: Vec::new(),
            program: None,
            again: None,
            hook: None,
            hook_again: None,
        }
    }

    /// Has `program` look at the end of a call.
    ///
    /// # Errors
    /// The kernel that refuses it.
    pub fn insert(&mut self, call: Call, program: &ProgramFd) -> Result<(), MapError> {
        let number = call.number as u32;
        self.table.set(number, program, 0)?;
        // A kernel that can't tell is not asked again.
        if let Some(id) = program_at(&self.descriptor, number) {
            self.entries.retain(|(known, _)| *known != number);
            self.entries.push((number, id));
            if !self.programs.iter().any(|(known, _)| *known == id)
                && let Ok(program) = program.try_clone()
            {
                self.programs.push((id, program));
            }
        }
        Ok(())
    }

    /// Whether what somebody else has changed in it was put right, if somebody has.
    pub fn restore(&mut self) -> Option<bool> {
        let mut restored = None;
        for (number, id) in &self.entries {
            if program_at(&self.descriptor, *number) == Some(*id) {
                continue;
            }
            let program = self.programs.iter().find(|(known, _)| known == id);
            let set = program.is_some_and(|(_, fd)| self.table.set(*number, fd, 0).is_ok());
            restored = Some(set && restored.unwrap_or(true));
        }
        restored
    }

    /// Has nobody look at it.
    fn remove(&mut self, call: Call) {
        self.entries
            .retain(|(number, _)| *number != call.number as u32);
        // It fails only for what is not there.
        let _ = self.table.clear_index(&(call.number as u32));
    }
}
