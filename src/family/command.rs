//! Programs that are run, and how their processes end.

use std::io;
use std::process::{self, Stdio};

use super::act::{Act, NOTHING, refused};
use super::describe::{Members, duration, failure, signal};
use super::members::{ids, process};
use super::record::{split, strings, take};
use super::{Body, Context, EventType, Malformed, Payload, Pending, channel};
use crate::abi::{self, Head, ProcessExit, command_mark};
use crate::base::{Text, Weight, page_size};
use crate::event::{Object, Uuid, device, json};

/// A program that was run, or could not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command<'a> {
    /// All that is not text.
    pub fixed: abi::Command,
    /// As executed.
    pub path: &'a [u8],
    /// The file that runs; empty where there is none.
    pub exe: &'a [u8],
    /// The working directory.
    pub cwd: &'a [u8],
    /// Of a script; else empty.
    pub interpreter: &'a [u8],
    /// `NAME=value` strings, each ended by a zero byte.
    pub environment: &'a [u8],
    /// What the client asked for, where a login server runs something else for its channel.
    pub requested: &'a [u8],
    /// argv[0] included, each ended by a zero byte.
    pub argv: &'a [u8],
}

impl Command<'_> {
    /// session.command, with all of its arguments, of which so many bytes are `missing` beyond those
    /// that the kernel has left out; returns the id of the event.
    fn line(&self, head: &Head, argv: &[u8], missing: u32, context: &mut Context<'_>) -> Uuid {
        let fixed = &self.fixed;
        let argv_missing = fixed.argv_missing.saturating_add(missing);
        context.line(EventType::Command, head.time, |object, _| {
            process(object, head);
            object.number("ppid", fixed.parent_pid);
            object.bytes("path", "path_base64", self.path);
            object.list("argv", "argv_base64", strings(argv).skip(1));
            object.number("return_code", fixed.return_code);
            if let Some(argv0) = strings(argv).next() {
                object.bytes("argv0", "argv0_base64", argv0);
            }
            if argv_missing > 0 {
                object.number("argv_missing", argv_missing);
            }
            file(object, self);
            object.bytes("cwd", "cwd_base64", self.cwd);
            if !self.interpreter.is_empty() {
                object.bytes("interpreter", "interpreter_base64", self.interpreter);
            }
            ids(object, "ids", &fixed.ids);
            if fixed.marks & command_mark::PRIVILEGED != 0 {
                object.boolean("privileged", true);
            }
            if fixed.marks & command_mark::COMPAT != 0 {
                object.boolean("compat", true);
            }
            if fixed.terminal != 0 {
                object.string("tty", &device::terminal(fixed.terminal));
            }
            environment(object, self);
        })
    }

    /// Columns and rows, if the process has a controlling terminal.
    pub fn terminal_size(&self) -> Option<(u16, u16)> {
        (self.fixed.terminal != 0).then_some((self.fixed.columns, self.fixed.rows))
    }
}

impl<'a> Payload<'a> for Command<'a> {
    fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let (fixed, mut rest) = split::<abi::Command>(bytes)?;
        let mut texts = [&[][..]; abi::text::COUNT - 1];
        for (text, length) in texts.iter_mut().zip(fixed.lengths) {
            (*text, rest) = take(rest, length)?;
        }
        let [path, exe, cwd, interpreter, environment] = texts;
        let (requested, rest) = take(rest, fixed.requested_length)?;
        let (argv, _) = take(rest, fixed.lengths[abi::text::COUNT - 1])?;
        Ok(Self {
            fixed,
            path,
            exe,
            cwd,
            interpreter,
            environment,
            requested: requested.strip_suffix(&[0]).unwrap_or(requested),
            argv,
        })
    }

    fn write(&self, head: &Head, context: &mut Context<'_>) -> Option<EventType> {
        let Pending {
            arguments, share, ..
        } = &mut *context.pending;
        let later = arguments.take(head.pid, self.fixed.exec, share);
        let missing = self.fixed.argv_ahead.saturating_sub(later.len() as u32);
        let all = (!later.is_empty()).then(|| [self.argv, &later].concat());
        let argv = all.as_deref().unwrap_or(self.argv);
        if channel::is_for_channel(self) {
            channel::write_of(head, self, argv, context);
        }
        if self.fixed.marks & command_mark::EXCLUDED != 0 {
            return Some(EventType::Channel);
        }
        let uid = self.line(head, argv, missing, context);
        if self.fixed.return_code == 0 {
            let Pending {
                commands, share, ..
            } = &mut *context.pending;
            commands.insert(head.pid, uid, share);
        }
        Some(EventType::Command)
    }

    fn forget(&self, head: &Head, pending: &mut Pending) {
        pending.commands.remove(&head.pid, &mut pending.share);
    }
}

/// Bytes of the arguments from `offset` on, of the command that `exec` tells from the others of the
/// process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Arguments<'a> {
    pub exec: u64,
    pub offset: u32,
    pub bytes: &'a [u8],
}

impl<'a> Payload<'a> for Arguments<'a> {
    fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let (fixed, rest) = split::<abi::Arguments>(bytes)?;
        Ok(Self {
            exec: fixed.exec,
            offset: fixed.offset,
            bytes: take(rest, fixed.arguments_length)?.0,
        })
    }

    fn write(&self, head: &Head, context: &mut Context<'_>) -> Option<EventType> {
        let Pending {
            arguments, share, ..
        } = &mut *context.pending;
        let command = (head.pid, self.exec);
        arguments.keep(command, self.offset, self.bytes, head.time, share);
        None
    }
}

impl<'a> Payload<'a> for ProcessExit {
    fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        Ok(split(bytes)?.0)
    }

    fn write(&self, head: &Head, context: &mut Context<'_>) -> Option<EventType> {
        let Pending {
            commands,
            arguments,
            share,
            ..
        } = &mut *context.pending;
        let command = commands.remove(&head.pid, share);
        arguments.forget(head.pid, share);
        context.line(EventType::ProcessExit, head.time, |object, _| {
            process(object, head);
            // The low seven bits are the signal, the eighth tells of a core dump: wait(2).
            match self.exit_code & 0x7f {
                0 => object.number("exit_code", self.exit_code >> 8 & 0xff),
                signal => {
                    object.number("signal", signal);
                    object.boolean("core_dumped", self.exit_code & 0x80 != 0);
                }
            }
            object.number("duration_us", self.duration / 1000);
            object.number("cpu_us", self.cpu_time / 1000);
            let memory = self.max_memory.saturating_mul(page_size() as u64);
            object.number("max_memory_kb", memory / 1024);
            if let Some(command) = &command {
                object.string("command_uid", command);
            }
        });
        Some(EventType::ProcessExit)
    }
}

/// The file that runs, if there is one.
fn file(object: &mut Object<'_>, command: &Command<'_>) {
    let fixed = &command.fixed;
    if !command.exe.is_empty() {
        object.bytes("exe", "exe_base64", command.exe);
        object.string("exe_device", &device::number(fixed.device));
        object.number("exe_inode", fixed.inode);
    }
    if fixed.marks & command_mark::EXE_DELETED != 0 {
        let memory = command.exe.starts_with(b"/memfd:");
        object.boolean(if memory { "exe_memfd" } else { "exe_deleted" }, true);
    }
    if fixed.marks & command_mark::PATH_INCOMPLETE != 0 {
        object.boolean("path_incomplete", true);
    }
}

/// The variables that the config asks for.
fn environment(object: &mut Object<'_>, command: &Command<'_>) {
    if !command.environment.is_empty() {
        object.object("environment", |variables| {
            for entry in strings(command.environment) {
                let end = memchr::memchr(b'=', entry).unwrap_or(entry.len());
                let (name, value) = entry.split_at(end);
                variables.member(name, value.strip_prefix(b"=").unwrap_or(value));
            }
        });
    }
    if command.fixed.marks & command_mark::ENVIRONMENT_PARTIAL != 0 {
        object.boolean("environment_incomplete", true);
    }
}

pub(super) fn describe_command(members: &mut Members<'_, '_>, text: &mut Text) -> Option<()> {
    let path = members.text("path")?;
    let mut line = members.word("path")?;
    members.words("argv", &mut line);
    text.add(Weight::Strong, line);
    failure(members, text);
    let name = path.rsplit('/').next().unwrap_or_default();
    let argv0 = members.text("argv0");
    let interpreter = members.text("interpreter");
    let usual = |argv0: &str| {
        argv0 == path
            || argv0.strip_prefix('-').unwrap_or(argv0) == name
            || Some(argv0) == interpreter.as_deref()
    };
    if argv0.is_some_and(|argv0| !usual(&argv0)) {
        let word = members.word("argv0")?;
        text.add(Weight::Normal, format!(", called {word}"));
    }
    if interpreter.is_some() {
        let word = members.word("interpreter")?;
        text.add(Weight::Normal, format!(", run by {word}"));
    } else if let Some(exe) = members.text("exe")
        && exe.rsplit('/').next() != Some(name)
        && let Some(exe) = members.word("exe")
    {
        text.add(Weight::Faint, format!(", file {exe}"));
    }
    members.shown.push("exe");
    members.shown.push("exe_base64");
    if members.is_true("privileged") {
        let user = members.event.get("ids").and_then(|ids| {
            let mut user = None;
            json::each(ids, &mut |key, value| {
                if key == Some("euid") {
                    user = Some(value);
                }
            });
            user
        });
        let user = user.map_or(String::new(), |user| format!(" as uid {user}"));
        text.add(Weight::Failed, format!(", privilege raised{user}"));
    }
    for (key, words) in [
        ("exe_memfd", "in memory only"),
        ("exe_deleted", "of a deleted file"),
    ] {
        if members.is_true(key) {
            text.add(Weight::Failed, format!(", {words}"));
        }
    }
    if let Some(missing) = members.number("argv_missing") {
        text.add(
            Weight::Lost,
            format!(", {missing} bytes of arguments missing"),
        );
    }
    Some(())
}

/// How a process ended.
pub(super) fn describe_exit(members: &mut Members<'_, '_>, text: &mut Text) -> Option<()> {
    let took = members.number("duration_us").map(duration);
    let took = took.map_or(String::new(), |took| format!(" after {took}"));
    match (members.number("exit_code"), members.number("signal")) {
        (Some(0), _) => text.add(Weight::Faint, format!("exit 0{took}")),
        (Some(code), _) => text.add(Weight::Failed, format!("exit {code}{took}")),
        (None, Some(number)) => text.add(Weight::Failed, format!("{}{took}", signal(number))),
        _ => return None,
    };
    if members.event.get("core_dumped") == Some("true") {
        text.add(Weight::Failed, ", core dumped");
    }
    Some(())
}

/// What the self-test does.
pub(super) const ACTS: &[Act] = &[
    Act {
        program: "command_exec",
        perform: run,
        shows: |record| matches!(&record.body, Body::Command(command) if command.fixed.return_code == 0),
    },
    Act {
        program: "command_failed",
        perform: || refused(process::Command::new(NOTHING).status()),
        shows: |record| matches!(&record.body, Body::Command(command) if command.fixed.return_code < 0),
    },
];

/// Ourselves, as the one program that is sure to be there.
fn run() -> io::Result<()> {
    let mut command = process::Command::new("/proc/self/exe");
    command.arg("--version").env_clear().stdin(Stdio::null());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.status().map(drop)
}
