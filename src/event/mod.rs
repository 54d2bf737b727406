//! The events of `docs/events.md`, each written as one line of JSON.

mod address;
mod device;
mod id;
mod json;
mod time;

pub use address::{Address, address};
pub use id::{Ids, Uuid};
pub use json::Object;
pub use time::{Clock, date};

use crate::probe::page_size;
use crate::record::layout::{
    AUDIT_UNSET, CAUSES, FAMILIES, Head, Losses, Network, NetworkResult, ProcessExit, command_mark,
    operation, path_note,
};
use crate::record::{Command, Disk, LocalConnect, strings};

/// The longest line that a record can become, in bytes: each byte of a full record as `\u00XX`
/// and once more in base64, and as much again for what is the same in all lines.
pub const LINE_MAX: usize = 160 * 1024;

/// What every line of this host has in common, as JSON members.
pub struct Host {
    before: Vec<u8>,
    after: Vec<u8>,
}

/// What tells this host from others. Empty strings are left out of the events.
#[derive(Default)]
pub struct HostNames<'a> {
    /// `cluster_name`
    pub cluster: &'a str,
    /// `server_id`
    pub id: &'a str,
    /// `server_hostname`
    pub hostname: &'a str,
    /// `server_labels`
    pub labels: &'a [(String, String)],
}

impl Host {
    /// Writes the members once, for all lines.
    pub fn new(names: &HostNames<'_>) -> Self {
        let optional = |object: &mut Object<'_>, key, value: &str| {
            if !value.is_empty() {
                object.string(key, value.as_bytes());
            }
        };
        Self {
            before: members(|object| optional(object, "cluster_name", names.cluster)),
            after: members(|object| {
                object.string("namespace", b"default");
                object.string("server_id", names.id.as_bytes());
                optional(object, "server_hostname", names.hostname);
                if !names.labels.is_empty() {
                    object.object("server_labels", |labels| {
                        for (key, value) in names.labels {
                            labels.member(key.as_bytes(), value.as_bytes());
                        }
                    });
                }
                object.string("server_version", env!("CARGO_PKG_VERSION").as_bytes());
            }),
        }
    }
}

/// JSON members without the braces around them.
fn members(fill: impl FnOnce(&mut Object<'_>)) -> Vec<u8> {
    let mut out = Vec::new();
    let mut object = Object::open(&mut out);
    fill(&mut object);
    out.remove(0);
    out
}

/// What every line of a session has in common.
pub struct Subject {
    members: Vec<u8>,
    next: u64,
}

impl Subject {
    /// `user` is the identity that logged in, `login` the Unix account, `sid` the session.
    pub fn new(user: &str, login: &str, sid: &Uuid) -> Self {
        Self {
            members: members(|object| {
                object.string("user", user.as_bytes());
                object.string("login", login.as_bytes());
                object.string("sid", sid);
            }),
            next: 0,
        }
    }
}

/// How a session began.
pub struct Start<'a> {
    /// Nanoseconds since boot.
    pub time: u64,
    /// `addr.local` and `addr.remote`, where there is a connection.
    pub connection: Option<(Address, Address)>,
    /// Columns and rows of the terminal, where there is one.
    pub terminal: Option<(u16, u16)>,
    /// The command that was asked for, where there is one.
    pub initial_command: &'a [Vec<u8>],
}

/// How a session ended, and what it was.
pub struct End<'a> {
    /// Nanoseconds since boot.
    pub start: u64,
    /// Nanoseconds since boot.
    pub stop: u64,
    /// Whether it had a terminal.
    pub interactive: bool,
    /// Whose session it was.
    pub user: &'a str,
    /// As in [`Start`].
    pub initial_command: &'a [Vec<u8>],
    /// Events written, by family.
    pub events: &'a [u64; FAMILIES.len()],
    /// Events lost, by family and cause.
    pub losses: &'a Losses,
}

/// Writes events to a buffer, from which a sink takes them.
pub struct Writer {
    host: Host,
    ids: Ids,
    /// Turns the kernel's time into the time of day.
    pub clock: Clock,
    out: Vec<u8>,
}

impl Writer {
    /// Lines are gathered up to this many bytes.
    pub const BATCH: usize = 64 * 1024;

    /// A writer with an empty buffer, large enough never to grow.
    pub fn new(host: Host, ids: Ids, clock: Clock) -> Self {
        Self {
            host,
            ids,
            clock,
            out: Vec::with_capacity(Self::BATCH + LINE_MAX),
        }
    }

    /// A new random id.
    pub fn id(&mut self) -> Uuid {
        self.ids.next()
    }

    /// The lines written since the last [`Self::clear`].
    pub fn lines(&self) -> &[u8] {
        &self.out
    }

    /// Forgets the lines.
    pub fn clear(&mut self) {
        self.out.clear();
    }

    fn line(
        &mut self,
        subject: &mut Subject,
        (event, code): (&str, &str),
        time: u64,
        fill: impl FnOnce(&mut Object<'_>, &mut Clock),
    ) -> Uuid {
        let uid = self.ids.next();
        let mut object = Object::open(&mut self.out);
        object.number("ei", subject.next);
        object.string("event", event.as_bytes());
        object.string("uid", &uid);
        object.string("code", code.as_bytes());
        object.string("time", &self.clock.text(time));
        object.members(&self.host.before);
        object.members(&subject.members);
        object.members(&self.host.after);
        fill(&mut object, &mut self.clock);
        object.close();
        self.out.push(b'\n');
        subject.next += 1;
        uid
    }

    /// session.start
    pub fn start(&mut self, subject: &mut Subject, start: &Start<'_>) {
        self.line(
            subject,
            ("session.start", "T2000I"),
            start.time,
            |object, _| {
                if let Some((local, remote)) = &start.connection {
                    object.string("addr.local", local.with_port().as_bytes());
                    object.string("addr.remote", remote.with_port().as_bytes());
                }
                if let Some((columns, rows)) = start.terminal {
                    object.string("size", &size(columns, rows));
                }
                initial_command(object, start.initial_command);
                object.string("session_recording", b"node");
            },
        );
    }

    /// session.end
    pub fn end(&mut self, subject: &mut Subject, end: &End<'_>) {
        self.line(
            subject,
            ("session.end", "T2004I"),
            end.stop,
            |object, clock| {
                object.boolean("enhanced_recording", true);
                object.boolean("interactive", end.interactive);
                let user = [end.user.as_bytes()];
                object.list("participants", "participants_base64", user.into_iter());
                object.string("session_start", &clock.text(end.start));
                object.string("session_stop", &clock.text(end.stop));
                initial_command(object, end.initial_command);
                object.object("events", |object| {
                    for (family, count) in FAMILIES.iter().zip(end.events).skip(1) {
                        object.number(family, *count);
                    }
                });
                object.object("losses", |object| {
                    for (family, causes) in FAMILIES.iter().zip(end.losses) {
                        let count = causes.iter().copied().fold(0, u64::saturating_add);
                        object.number(family, count);
                    }
                });
            },
        );
    }

    /// session.lost: `count` events of a family did not reach the log.
    pub fn lost(
        &mut self,
        subject: &mut Subject,
        time: u64,
        (family, cause): (usize, usize),
        count: u64,
    ) {
        self.line(subject, ("session.lost", "R2001W"), time, |object, _| {
            object.string("family", FAMILIES[family].as_bytes());
            object.string("cause", CAUSES[cause].as_bytes());
            object.number("count", count);
        });
    }

    /// session.command, with all of its arguments; returns the id of the event.
    pub fn command(
        &mut self,
        subject: &mut Subject,
        head: &Head,
        command: &Command<'_>,
        argv: &[u8],
    ) -> Uuid {
        let fixed = &command.fixed;
        let name = ("session.command", "T4000I");
        self.line(subject, name, head.time, |object, _| {
            process(object, head);
            object.number("ppid", fixed.parent_pid);
            object.bytes("path", "path_base64", command.path);
            object.list("argv", "argv_base64", strings(argv).skip(1));
            object.number("return_code", fixed.return_code);
            if let Some(argv0) = strings(argv).next() {
                object.bytes("argv0", "argv0_base64", argv0);
            }
            if fixed.argv_missing > 0 {
                object.number("argv_missing", fixed.argv_missing);
            }
            file(object, command);
            object.bytes("cwd", "cwd_base64", command.cwd);
            if !command.interpreter.is_empty() {
                object.bytes("interpreter", "interpreter_base64", command.interpreter);
            }
            object.object("ids", |ids| {
                ids.number("uid", fixed.uid);
                ids.number("gid", fixed.gid);
                ids.number("euid", fixed.euid);
                ids.number("egid", fixed.egid);
            });
            if fixed.marks & command_mark::PRIVILEGED != 0 {
                object.boolean("privileged", true);
            }
            if fixed.terminal != 0 {
                object.string("tty", &device::terminal(fixed.terminal));
            }
            environment(object, command);
        })
    }

    /// session.process_exit of the process that ran the command with the id `command`.
    pub fn process_exit(
        &mut self,
        subject: &mut Subject,
        exit: &ProcessExit,
        command: Option<&Uuid>,
    ) {
        let name = ("session.process_exit", "R4003I");
        self.line(subject, name, exit.record.time, |object, _| {
            process(object, &exit.record);
            // The low seven bits are the signal, the eighth tells of a core dump: wait(2).
            match exit.exit_code & 0x7f {
                0 => object.number("exit_code", exit.exit_code >> 8 & 0xff),
                signal => {
                    object.number("signal", signal);
                    object.boolean("core_dumped", exit.exit_code & 0x80 != 0);
                }
            }
            object.number("duration_us", exit.duration / 1000);
            object.number("cpu_us", exit.cpu_time / 1000);
            let memory = exit.max_memory.saturating_mul(page_size() as u64);
            object.number("max_memory_kb", memory / 1024);
            if let Some(command) = command {
                object.string("command_uid", command);
            }
        });
    }

    /// session.disk
    pub fn disk(&mut self, subject: &mut Subject, head: &Head, disk: &Disk<'_>) {
        let name = ("session.disk", "T4001I");
        self.line(subject, name, head.time, |object, _| {
            process(object, head);
            object.bytes("path", "path_base64", disk.path);
            object.number("flags", disk.flags);
            object.number("return_code", disk.return_code);
            incomplete(object, disk.path_notes);
        });
    }

    /// session.network; returns the id of the event.
    pub fn network(&mut self, subject: &mut Subject, network: &Network) -> Uuid {
        let head = &network.record;
        let name = ("session.network", "T4002I");
        self.line(subject, name, head.time, |object, _| {
            process(object, head);
            let source = address(&network.source);
            let destination = address(&network.destination);
            let listens = network.operation == operation::LISTEN;
            object.string("src_addr", source.host());
            if !listens {
                object.string("dst_addr", destination.host());
                object.number("dst_port", destination.port());
            }
            object.number("version", source.version().min(destination.version()));
            object.number("operation", network.operation);
            object.number("action", 0);
            if source.port() != 0 {
                object.number("src_port", source.port());
            }
            protocol(object, network.protocol);
        })
    }

    /// session.network_result of the connect with the id `begun`.
    pub fn network_result(
        &mut self,
        subject: &mut Subject,
        result: &NetworkResult,
        begun: Option<&Uuid>,
    ) {
        let head = &result.record;
        let name = ("session.network_result", "R4004I");
        self.line(subject, name, head.time, |object, _| {
            process(object, head);
            let source = address(&result.source);
            let destination = address(&result.destination);
            object.string("src_addr", source.host());
            if source.port() != 0 {
                object.number("src_port", source.port());
            }
            object.string("dst_addr", destination.host());
            object.number("dst_port", destination.port());
            object.number("version", destination.version());
            object.number("result", result.result);
            object.number("duration_us", result.duration / 1000);
            if let Some(begun) = begun {
                object.string("network_uid", begun);
            }
        });
    }

    /// session.local_connect
    pub fn local_connect(&mut self, subject: &mut Subject, head: &Head, local: &LocalConnect<'_>) {
        let name = ("session.local_connect", "R4005I");
        self.line(subject, name, head.time, |object, _| {
            process(object, head);
            // As `ss` and /proc/net/unix show names that are in no file system.
            match (local.is_abstract, local.path.split_first()) {
                (true, Some((_, rest))) => {
                    object.bytes("abstract", "abstract_base64", rest);
                }
                _ => object.bytes("path", "path_base64", local.path),
            }
            object.number("return_code", local.return_code);
            incomplete(object, local.path_notes);
        });
    }
}

/// The name of a protocol, by the numbers of IANA; those that programs use by name.
fn protocol(object: &mut Object<'_>, number: u32) {
    let name = match number {
        1 => "icmp",
        6 => "tcp",
        17 => "udp",
        58 => "icmpv6",
        132 => "sctp",
        136 => "udplite",
        255 => "raw",
        262 => "mptcp",
        _ => {
            object.string("protocol", itoa::Buffer::new().format(number).as_bytes());
            return;
        }
    };
    object.string("protocol", name.as_bytes());
}

/// What is to be known of a path.
fn incomplete(object: &mut Object<'_>, notes: u32) {
    if notes & path_note::DELETED != 0 {
        object.boolean("deleted", true);
    }
    if notes & (path_note::CUT | path_note::RELATIVE) != 0 {
        object.boolean("path_incomplete", true);
    }
}

/// The file that runs.
fn file(object: &mut Object<'_>, command: &Command<'_>) {
    let fixed = &command.fixed;
    if command.exe.is_empty() {
        return;
    }
    object.bytes("exe", "exe_base64", command.exe);
    object.string("exe_device", &device::number(fixed.device));
    object.number("exe_inode", fixed.inode);
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

fn process(object: &mut Object<'_>, head: &Head) {
    let length = memchr::memchr(0, &head.program).unwrap_or(head.program.len());
    object.number("pid", head.pid);
    object.number("cgroup_id", head.cgroup_id);
    object.bytes("program", "program_base64", &head.program[..length]);
    if head.audit_session_id != AUDIT_UNSET {
        object.number("audit_session_id", head.audit_session_id);
    }
}

fn initial_command(object: &mut Object<'_>, command: &[Vec<u8>]) {
    if !command.is_empty() {
        object.list(
            "initial_command",
            "initial_command_base64",
            command.iter().map(Vec::as_slice),
        );
    }
}

fn size(columns: u16, rows: u16) -> heapless::Vec<u8, 11> {
    let mut text = heapless::Vec::new();
    for part in [
        itoa::Buffer::new().format(columns).as_bytes(),
        b":",
        itoa::Buffer::new().format(rows).as_bytes(),
    ] {
        // Two numbers of at most five digits fit.
        let _ = text.extend_from_slice(part);
    }
    text
}
