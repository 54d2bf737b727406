//! What changes a process's rights, or reaches into others and the kernel.

use super::describe::{Members, failure};
use super::members::{ids, incomplete, process};
use super::record::{split, take};
use super::{Context, EventType, Malformed, Payload};
use crate::abi::{
    self, Head, ID_NONE, PRIVILEGE_OPERATIONS, TARGETS, privilege_operation as operation,
};
use crate::base::{Clock, Text, Weight, quote};
use crate::event::Object;

/// Rights that were changed, or another process or the kernel that was reached into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Privilege<'a> {
    /// All that is not the path.
    pub fixed: abi::Privilege,
    /// Of the target's program, the module, the kernel or the new root; empty where there is none.
    pub path: &'a [u8],
}

impl<'a> Payload<'a> for Privilege<'a> {
    fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let (fixed, rest) = split::<abi::Privilege>(bytes)?;
        if !(1..PRIVILEGE_OPERATIONS.len()).contains(&(fixed.operation as usize)) {
            return Err(Malformed::Operation(fixed.operation));
        }
        let (path, _) = take(rest, fixed.path_length)?;
        Ok(Self { fixed, path })
    }

    fn write(&self, head: &Head, context: &mut Context<'_>) -> Option<EventType> {
        let fixed = &self.fixed;
        context.line(EventType::Privilege, head.time, |object, clock| {
            process(object, head);
            let name = PRIVILEGE_OPERATIONS[fixed.operation as usize];
            object.string("operation", name.as_bytes());
            object.number("return_code", fixed.return_code);
            ids(object, "ids", &fixed.ids);
            details(object, self, clock);
            incomplete(object, fixed.path_notes);
        });
        Some(EventType::Privilege)
    }
}

/// What only some operations have.
fn details(object: &mut Object<'_>, privilege: &Privilege<'_>, clock: &mut Clock) {
    let fixed = &privilege.fixed;
    let path = privilege.path;
    let length = memchr::memchr(0, &fixed.name).unwrap_or(fixed.name.len());
    let name = &fixed.name[..length];
    match fixed.operation {
        operation::SETUID..=operation::SETRESGID => {
            if fixed.return_code != 0 {
                requested(object, fixed.operation, &fixed.requested);
            } else if fixed.old_ids.uid != ID_NONE {
                ids(object, "old_ids", &fixed.old_ids);
            }
        }
        operation::LOGINUID => {
            object.number("loginuid", fixed.loginuid);
            object.number("old_loginuid", fixed.old_loginuid);
            object.number("old_audit_session_id", fixed.old_audit_session_id);
        }
        operation::CAPSET => object.object("capabilities", |object| {
            object.string("effective", &capabilities(fixed.effective));
            object.string("permitted", &capabilities(fixed.permitted));
            object.string("inheritable", &capabilities(fixed.inheritable));
        }),
        operation::PTRACE_ATTACH..=operation::PROCESS_VM_WRITEV => {
            target(object, privilege, name, path);
            if fixed.operation == operation::PROCESS_VM_WRITEV {
                object.number("bytes", fixed.bytes);
            }
        }
        operation::SIGNAL..=operation::PROCESS_MADVISE => {
            target(object, privilege, name, path);
            match fixed.operation {
                operation::SIGNAL => object.number("signal", fixed.value),
                operation::PRLIMIT => object.number("resource", fixed.value),
                _ => {}
            }
        }
        operation::PIDFD_GETFD | operation::RECVMSG => {
            target(object, privilege, name, b"");
            if fixed.operation == operation::RECVMSG {
                object.number("descriptors", fixed.value);
            }
            if !path.is_empty() {
                object.bytes("path", "path_base64", path);
                object.number("flags", fixed.flags);
            }
        }
        operation::BPF_MAP_UPDATE_ELEM..=operation::BPF_BTF_GET_FD_BY_ID => {
            if !name.is_empty() {
                object.bytes("name", "name_base64", name);
            }
            if fixed.object_id != 0 {
                object.number("object_id", fixed.object_id);
            }
        }
        operation::CLOCK_SETTIME..=operation::CLOCK_ADJTIME => {
            object.number("clock", fixed.value);
            if let Ok(time) = u64::try_from(fixed.time)
                && time != 0
            {
                object.string("to", &clock.text_of(time));
            }
        }
        operation::REBOOT | operation::SYSLOG => object.number("command", fixed.value),
        operation::SETHOSTNAME => object.bytes("name", "name_base64", name),
        operation::DELETE_MODULE => object.bytes("name", "name_base64", name),
        operation::BPF_PROG_LOAD => {
            object.bytes("name", "name_base64", name);
            program_type(object, fixed.program_type);
        }
        operation::UNSHARE..=operation::CLONE => namespaces(object, fixed.namespaces),
        _ if !path.is_empty() => object.bytes("path", "path_base64", path),
        _ => {}
    }
}

/// The other process, and whose it is.
fn target(object: &mut Object<'_>, privilege: &Privilege<'_>, name: &[u8], exe: &[u8]) {
    let fixed = &privilege.fixed;
    if fixed.target_pid != 0 {
        object.number("target_pid", fixed.target_pid);
    }
    if !name.is_empty() {
        object.bytes("target_program", "target_program_base64", name);
    }
    if !exe.is_empty() {
        object.bytes("target_exe", "target_exe_base64", exe);
    }
    if let (Some(whose), 1..) = (TARGETS.get(fixed.target as usize), fixed.target) {
        object.string("target_session", whose.as_bytes());
    }
}

/// The ids that the call was given; as many as it takes.
fn requested(object: &mut Object<'_>, operation: u32, requested: &[u32; 3]) {
    let count = match operation {
        operation::SETUID | operation::SETGID => 1,
        operation::SETREUID | operation::SETREGID => 2,
        _ => 3,
    };
    object.numbers("requested", requested[..count].iter().map(|id| *id as i32));
}

/// As in /proc/PID/status: 16 hexadecimal digits.
fn capabilities(set: u64) -> [u8; 16] {
    std::array::from_fn(|digit| b"0123456789abcdef"[(set >> (60 - 4 * digit) & 15) as usize])
}

/// By the bits of clone(2), and the names in /proc/PID/ns.
fn namespaces(object: &mut Object<'_>, flags: u32) {
    const NAMES: [(u32, &[u8]); 8] = [
        (0x0000_0080, b"time"),
        (0x0002_0000, b"mnt"),
        (0x0200_0000, b"cgroup"),
        (0x0400_0000, b"uts"),
        (0x0800_0000, b"ipc"),
        (0x1000_0000, b"user"),
        (0x2000_0000, b"pid"),
        (0x4000_0000, b"net"),
    ];
    let named = NAMES.iter().filter(|(flag, _)| flags & flag != 0);
    object.list("namespaces", "", named.map(|(_, name)| *name));
}

/// By `enum bpf_prog_type` of the kernel's linux/bpf.h, whose names never change.
fn program_type(object: &mut Object<'_>, number: u32) {
    const NAMES: [&str; 33] = [
        "unspec",
        "socket_filter",
        "kprobe",
        "sched_cls",
        "sched_act",
        "tracepoint",
        "xdp",
        "perf_event",
        "cgroup_skb",
        "cgroup_sock",
        "lwt_in",
        "lwt_out",
        "lwt_xmit",
        "sock_ops",
        "sk_skb",
        "cgroup_device",
        "sk_msg",
        "raw_tracepoint",
        "cgroup_sock_addr",
        "lwt_seg6local",
        "lirc_mode2",
        "sk_reuseport",
        "flow_dissector",
        "cgroup_sysctl",
        "raw_tracepoint_writable",
        "cgroup_sockopt",
        "tracing",
        "struct_ops",
        "ext",
        "lsm",
        "sk_lookup",
        "syscall",
        "netfilter",
    ];
    match NAMES.get(number as usize) {
        Some(name) => object.string("program_type", name.as_bytes()),
        None => object.string(
            "program_type",
            itoa::Buffer::new().format(number).as_bytes(),
        ),
    }
}

pub(super) fn describe(members: &mut Members<'_, '_>, text: &mut Text) -> Option<()> {
    let operation = members.word("operation")?;
    text.add(Weight::Failed, operation);
    if let Some(path) = members.word("path") {
        text.add(Weight::Strong, format!(" {path}"));
    }
    failure(members, text);
    // What it became is the news here.
    if let Some(ids) = members.event.get("ids") {
        let mut out = String::from(" ids=");
        quote::plain(ids, &mut out);
        text.add(Weight::Normal, out);
    }
    Some(())
}
