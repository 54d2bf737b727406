//! What changes a process's rights, or reaches into others and the kernel.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::chroot;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use super::act::{Act, NOTHING, refused};
use super::describe::{Members, failure};
use super::members::{ids, incomplete, process};
use super::record::{split, take};
use super::{Body, Context, EventType, Malformed, Payload, Record};
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

/// What the self-test does.
pub(super) const ACTS: &[Act] = &[
    Act {
        program: "privilege_act",
        perform: || refused(chroot(NOTHING)),
        shows: |record| is_privilege(record, |of| !OF_OTHERS.contains(&of)),
    },
    Act {
        program: "privilege_host",
        perform: freeze,
        shows: |record| is_privilege(record, |of| of == operation::BPF_MAP_FREEZE),
    },
    Act {
        program: "privilege_file",
        perform: receive,
        shows: |record| is_privilege(record, |of| of == operation::RECVMSG),
    },
    Act {
        program: "privilege_signal",
        perform: signal,
        shows: |record| is_privilege(record, |of| of == operation::SIGNAL),
    },
];

/// Operations that other programs tell of than most.
const OF_OTHERS: [u32; 3] = [
    operation::RECVMSG,
    operation::SIGNAL,
    operation::BPF_MAP_FREEZE,
];

fn is_privilege(record: &Record<'_>, is_it: fn(u32) -> bool) -> bool {
    matches!(&record.body, Body::Privilege(it) if is_it(it.fixed.operation))
}

/// Of no map, which the kernel refuses.
fn freeze() -> io::Result<()> {
    const MAP_FREEZE: libc::c_int = 22;
    let nothing = [u64::from(u32::MAX); 1];
    // SAFETY: the kernel reads the words.
    unsafe {
        libc::syscall(
            libc::SYS_bpf,
            MAP_FREEZE,
            nothing.as_ptr(),
            size_of_val(&nothing),
        )
    };
    Ok(())
}

/// One that does nothing.
fn signal() -> io::Result<()> {
    // SAFETY: takes numbers.
    match unsafe { libc::kill(libc::getpid(), libc::SIGURG) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// A descriptor, by a socket without a peer: nobody knows who has sent it.
fn receive() -> io::Result<()> {
    let name = format!("recorderd-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(name.as_bytes())?;
    let receiver = UnixDatagram::bind_addr(&address)?;
    let sender = UnixDatagram::unbound()?;
    // SAFETY: plain numbers and pointers, of which none is no value.
    let (mut message, mut to): (libc::msghdr, libc::sockaddr_un) = unsafe { std::mem::zeroed() };
    to.sun_family = libc::AF_UNIX as libc::sa_family_t;
    for (place, byte) in to.sun_path[1..].iter_mut().zip(name.bytes()) {
        *place = byte as libc::c_char;
    }
    let mut byte = [0u8];
    let mut part = libc::iovec {
        iov_base: byte.as_mut_ptr().cast(),
        iov_len: 1,
    };
    // Its length; its level and type; the descriptor, and what fills up the last word.
    let mut control = [
        20u64,
        (libc::SCM_RIGHTS as u64) << 32 | libc::SOL_SOCKET as u64,
        sender.as_raw_fd() as u64,
    ];
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control) as _;
    message.msg_name = (&raw mut to).cast();
    message.msg_namelen = (size_of::<libc::sa_family_t>() + 1 + name.len()) as u32;
    // SAFETY: the kernel reads all that the message points to.
    if unsafe { libc::sendmsg(sender.as_raw_fd(), &raw const message, 0) } < 0 {
        return Err(io::Error::last_os_error());
    }
    message.msg_name = std::ptr::null_mut();
    message.msg_namelen = 0;
    // SAFETY: the kernel writes no more than the lengths allow.
    if unsafe {
        libc::recvmsg(
            receiver.as_raw_fd(),
            &raw mut message,
            libc::MSG_CMSG_CLOEXEC,
        )
    } < 0
    {
        return Err(io::Error::last_os_error());
    }
    if message.msg_controllen >= 20 {
        // SAFETY: the kernel has just made this descriptor for us.
        drop(unsafe { OwnedFd::from_raw_fd(control[2] as i32) });
    }
    Ok(())
}
