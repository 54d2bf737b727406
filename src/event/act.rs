//! What the processes of a session do, as events.

use super::privilege::ids;
use super::{Object, Subject, Uuid, Writer, address, device};
use crate::abi::{
    AUDIT_UNSET, Endpoint, Head, Network, NetworkResult, ProcessExit, command_mark, operation,
    path_note, via,
};
use crate::base::page_size;
use crate::record::{Command, strings};

impl Writer {
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

    /// session.network; returns the id of the event.
    pub fn network(&mut self, subject: &mut Subject, network: &Network) -> Uuid {
        let head = &network.record;
        let name = ("session.network", "T4002I");
        self.line(subject, name, head.time, |object, _| {
            process(object, head);
            let failed = network.operation == operation::CONNECT && network.return_code != 0;
            // Of a connect that failed, it may be no address at all.
            let has_peer = network.operation != operation::LISTEN
                && (network.destination.version > 0 || !failed);
            let destination = has_peer.then_some(&network.destination);
            ends(object, &network.source, destination, network.operation);
            protocol(object, network.protocol);
            if failed {
                object.number("return_code", network.return_code);
            }
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

    /// session.delegated: by what the event with the id `request` tells, the session can have
    /// asked `name` to do something.
    pub fn delegated(&mut self, subject: &mut Subject, head: &Head, name: &str, request: &Uuid) {
        let event = ("session.delegated", "R4009I");
        self.line(subject, event, head.time, |object, _| {
            process(object, head);
            object.string("delegate", name.as_bytes());
            object.string("request_uid", request);
        });
    }
}

/// Both ends, or the own one of what has no peer, and what is done between them.
pub fn ends(
    object: &mut Object<'_>,
    source: &Endpoint,
    destination: Option<&Endpoint>,
    operation: u32,
) {
    let source = address(source);
    let destination = destination.map(address);
    object.string("src_addr", source.host());
    if let Some(destination) = &destination {
        object.string("dst_addr", destination.host());
        object.number("dst_port", destination.port());
    }
    // An IPv6 socket that is bound to no address sends from `::`, over IPv4 as well.
    object.number("version", destination.as_ref().unwrap_or(&source).version());
    object.number("operation", operation);
    object.number("action", 0);
    if source.port() != 0 {
        object.number("src_port", source.port());
    }
}

/// The name of a protocol, by the numbers of IANA; those that programs use by name.
pub fn protocol(object: &mut Object<'_>, number: u32) {
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
pub(super) fn incomplete(object: &mut Object<'_>, notes: u32) {
    if notes & path_note::DELETED != 0 {
        object.boolean("deleted", true);
    }
    if notes & (path_note::CUT | path_note::RELATIVE) != 0 {
        object.boolean("path_incomplete", true);
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

/// What every event of a process has in common.
pub(super) fn process(object: &mut Object<'_>, head: &Head) {
    let length = memchr::memchr(0, &head.program).unwrap_or(head.program.len());
    object.number("pid", head.pid);
    object.number("cgroup_id", head.cgroup_id);
    object.bytes("program", "program_base64", &head.program[..length]);
    if head.audit_session_id != AUDIT_UNSET {
        object.number("audit_session_id", head.audit_session_id);
    }
    let via = u32::from(head.via);
    if via & via::IO_URING != 0 {
        object.string("via", b"io_uring");
    }
    if via & via::UNCONFIRMED != 0 {
        object.boolean("unconfirmed", true);
    }
    if via & via::LATE != 0 {
        object.boolean("late", true);
    }
    if via & via::UNSETTLED != 0 {
        object.boolean("arguments_unsettled", true);
    }
}
