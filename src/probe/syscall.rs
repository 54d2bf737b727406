//! System calls, and the one hook that the ends of all of them pass. From there the kernel's table
//! `dispatch` leads to the program that looks at a call, if there is one.

use std::fs::File;
use std::io::{BufRead, BufReader};

use aya::Btf;
use aya::maps::{MapData, MapError, ProgramArray};
use aya::programs::tp_btf::BtfTracePointLink;
use aya::programs::{BtfTracePoint, ProgramError, ProgramFd};

/// The program at the hook.
pub const DISPATCHER: &str = "syscall_exit";

/// The hook, a tracepoint.
pub const TRACEPOINT: &str = "sys_exit";

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
    /// Of the constant `SYS_…` in libc.
    pub const fn new(constant: &'static str, number: libc::c_long) -> Self {
        Self {
            name: constant.split_at("SYS_".len()).1,
            number,
        }
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

/// Who looks at the ends of which calls.
pub struct Dispatcher {
    /// The kernel empties it when this is closed.
    table: ProgramArray<MapData>,
    hook: Option<(BtfTracePointLink, ProgramFd)>,
}

impl Dispatcher {
    /// Of nobody yet.
    pub fn new(table: ProgramArray<MapData>) -> Self {
        Self { table, hook: None }
    }

    /// Attaches it by `program`, if it is not.
    ///
    /// # Errors
    /// The kernel that refuses the program.
    pub fn attach(&mut self, program: &mut BtfTracePoint, btf: &Btf) -> Result<(), ProgramError> {
        if self.hook.is_none() {
            program.load(TRACEPOINT, btf)?;
            let id = program.attach()?;
            self.hook = Some((program.take_link(id)?, program.fd()?.try_clone()?));
        }
        Ok(())
    }

    /// The program that is at the hook, if it is.
    pub fn program(&self) -> Option<&ProgramFd> {
        self.hook.as_ref().map(|(_, program)| program)
    }

    /// Has `program` look at the end of a call.
    ///
    /// # Errors
    /// The kernel that refuses it.
    pub fn insert(&mut self, call: Call, program: &ProgramFd) -> Result<(), MapError> {
        self.table.set(call.number as u32, program, 0)
    }

    /// Has nobody look at it.
    pub fn remove(&mut self, call: Call) {
        // It fails only for what is not there.
        let _ = self.table.clear_index(&(call.number as u32));
    }
}
