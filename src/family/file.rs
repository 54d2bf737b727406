//! What is done to files.

use std::fmt::Write;
use std::fs::{File, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;

use super::act::{Act, NOTHING, refused, unfiltered};
use super::describe::{Members, failure};
use super::members::{incomplete, process};
use super::path::{Shown, shown};
use super::record::{split, take};
use super::{Body, Context, EventType, Malformed, Payload, Record, delegate};
use crate::abi::{self, DISK_OPERATIONS, Head, disk_operation as operation, path_note, via};
use crate::base::{Text, Weight};
use crate::event::{Event, Object, Uuid, device};

/// The owner or group that chown(2) leaves as it is.
const UNCHANGED: u32 = u32::MAX;

/// A file operation, or the attempt at one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disk<'a> {
    /// All that is not text.
    pub fixed: abi::Disk,
    /// What it was done to.
    pub path: Path<'a>,
    /// The second path, of what has two; else empty.
    pub target: Path<'a>,
    /// Of an extended attribute, or of a type of file system; else empty.
    pub name: &'a [u8],
}

/// A path of a file operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path<'a> {
    /// As the kernel knows it; or the directory that what was requested counts from, and that behind it.
    pub path: &'a [u8],
    /// What was requested; empty where that is not known, and where it is the path.
    pub requested: &'a [u8],
    /// Of [`abi::path_note`].
    pub notes: u32,
}

impl<'a> Payload<'a> for Disk<'a> {
    fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let (fixed, rest) = split::<abi::Disk>(bytes)?;
        let [path, path_requested, target, requested_target, name] = fixed.lengths;
        let (path, rest) = paths(rest, path, path_requested, fixed.path_notes)?;
        let (target, rest) = paths(rest, target, requested_target, fixed.target_notes)?;
        Ok(Self {
            fixed,
            path,
            target,
            name: take(rest, name.into())?.0,
        })
    }

    fn write(&self, head: &Head, context: &mut Context<'_>) -> Option<EventType> {
        let request = self.line(head, context);
        if let Some(name) = delegate::by_file(self) {
            delegate::write(head, name, &request, context);
        }
        Some(EventType::Disk)
    }
}

impl Disk<'_> {
    /// session.disk; returns the id of the event.
    fn line(&self, head: &Head, context: &mut Context<'_>) -> Uuid {
        // Taken out for the time, because the line borrows the writer.
        let [mut path_room, mut target_room] = std::mem::take(&mut context.writer.rooms);
        let fixed = &self.fixed;
        let path = shown(&self.path, &mut path_room);
        let target = shown(&self.target, &mut target_room);
        let uid = context.line(EventType::Disk, head.time, |object, _| {
            process(object, head);
            object.bytes("path", "path_base64", path.path);
            object.number("flags", fixed.flags);
            object.number("return_code", fixed.return_code);
            incomplete(object, self.path.notes);
            let operation = DISK_OPERATIONS.get(usize::from(fixed.operation));
            object.string("operation", operation.unwrap_or(&"").as_bytes());
            if let operation::OPEN | operation::CREATE = fixed.operation {
                object.string("access", access(fixed.flags).as_bytes());
            }
            let is_done = fixed.return_code == 0;
            if differs(&self.path, &path) {
                object.bytes(
                    "requested_path",
                    "requested_path_base64",
                    self.path.requested,
                );
            }
            if path.has_unfollowed_links && is_done {
                object.boolean("path_links_unfollowed", true);
            }
            if self.path.notes & path_note::RACY != 0 {
                object.boolean("path_racy", true);
            }
            if !self.target.path.is_empty() {
                object.bytes("target", "target_base64", target.path);
                if differs(&self.target, &target) {
                    object.bytes(
                        "requested_target",
                        "requested_target_base64",
                        self.target.requested,
                    );
                }
                if self.target.notes & (path_note::CUT | path_note::RELATIVE) != 0 {
                    object.boolean("target_incomplete", true);
                }
                if target.has_unfollowed_links && is_done {
                    object.boolean("target_links_unfollowed", true);
                }
                if self.target.notes & path_note::RACY != 0 {
                    object.boolean("target_racy", true);
                }
            }
            details(object, self);
        });
        context.writer.rooms = [path_room, target_room];
        uid
    }
}

/// A path and what was requested for it, which are one where the path ends in that.
fn paths(
    bytes: &[u8],
    path: u16,
    requested: u16,
    notes: u16,
) -> Result<(Path<'_>, &[u8]), Malformed> {
    let notes = u32::from(notes);
    let (path, rest) = take(bytes, path.into())?;
    let (requested, rest) = if notes & abi::path_note::REQUESTED == 0 {
        take(rest, requested.into())?
    } else {
        let base = path.len().checked_sub(requested.into());
        (&path[base.ok_or(Malformed::Short)?..], rest)
    };
    Ok((
        Path {
            path,
            requested,
            notes,
        },
        rest,
    ))
}

fn differs(path: &Path<'_>, shown: &Shown<'_>) -> bool {
    !path.requested.is_empty() && path.requested != shown.path
}

/// How a file is opened: open(2).
fn access(flags: u32) -> &'static str {
    let flags = flags.cast_signed();
    if flags & libc::O_PATH != 0 {
        return "path";
    }
    match flags & libc::O_ACCMODE {
        libc::O_RDONLY => "read",
        libc::O_WRONLY => "write",
        libc::O_RDWR => "read_write",
        _ => "none",
    }
}

/// What only some operations have.
fn details(object: &mut Object<'_>, disk: &Disk<'_>) {
    let fixed = &disk.fixed;
    match fixed.operation {
        operation::CREATE | operation::MKDIR | operation::CHMOD => mode(object, fixed.mode),
        operation::MKNOD => {
            mode(object, fixed.mode);
            if let libc::S_IFCHR | libc::S_IFBLK = u32::from(fixed.mode) & libc::S_IFMT {
                object.string("device", &device::of_call(fixed.value));
            }
        }
        operation::CHOWN => {
            for (key, id) in [("owner", fixed.owner), ("group", fixed.group)] {
                if id != UNCHANGED {
                    object.number(key, id);
                }
            }
        }
        operation::TRUNCATE => object.number("length", fixed.value.cast_signed()),
        operation::SETXATTR | operation::REMOVEXATTR => {
            object.bytes("attribute", "attribute_base64", disk.name);
        }
        operation::MOUNT | operation::FSMOUNT if !disk.name.is_empty() => {
            object.bytes("file_system", "file_system_base64", disk.name);
        }
        operation::MAP | operation::PROTECT if disk.path.notes & path_note::NONE != 0 => {
            object.boolean("anonymous", true);
        }
        _ => {}
    }
}

/// In octal, as chmod(1) takes it.
fn mode(object: &mut Object<'_>, mode: u16) {
    let mut text = heapless::String::<6>::new();
    // Sixteen bits have at most six digits.
    let _ = write!(text, "{mode:04o}");
    object.string("mode", text.as_bytes());
}

pub(super) fn describe(members: &mut Members<'_, '_>, text: &mut Text) -> Option<()> {
    let path = members.word("path")?;
    let flags = members.number("flags").unwrap_or(0);
    let operation = members.word("operation");
    let access = members.text("access");
    if matches!(operation.as_deref(), Some("create" | "mkdir")) {
        members.shown.push("mode");
    }
    let verb = match (operation, access.as_deref()) {
        (Some(operation), _) if !is_open(members.event) => operation,
        (_, Some("path" | "none")) => "open".into(),
        _ if flags & i64::from(libc::O_ACCMODE) == i64::from(libc::O_WRONLY) => "write".into(),
        _ if flags & CHANGING != 0 => "read and write".into(),
        _ => "read".into(),
    };
    text.add(Weight::Normal, format!("{verb} "));
    text.add(Weight::Strong, path);
    if let Some(target) = members.word("target") {
        text.add(Weight::Normal, " to ");
        text.add(Weight::Strong, target);
    }
    failure(members, text);
    if members.is_true("deleted") {
        text.add(Weight::Normal, ", deleted");
    }
    Some(())
}

/// Whether a session.disk changes a file, or wants to: it is no open, or one for writing.
pub fn changes(disk: &Event<'_>) -> bool {
    let flags = disk.number("flags").unwrap_or(0);
    let path = disk.text("path").unwrap_or_default();
    // Written to by nearly every program, and no file of anybody's.
    let device = matches!(&*path, "/dev/null" | "/dev/tty") || path.starts_with("/dev/pts/");
    !is_open(disk) || flags & CHANGING != 0 && !device
}

/// O_WRONLY, O_RDWR, O_CREAT and O_TRUNC: the same on both architectures.
const CHANGING: i64 = (libc::O_WRONLY | libc::O_RDWR | libc::O_CREAT | libc::O_TRUNC) as i64;

fn is_open(disk: &Event<'_>) -> bool {
    disk.text("operation")
        .is_none_or(|operation| operation == "open")
}

/// What the self-test does.
pub(super) const ACTS: &[Act] = &[
    Act {
        program: "disk_open",
        perform: || refused(File::open(NOTHING)),
        shows: |record| {
            matches!(&record.body, Body::Disk(it) if it.fixed.operation == operation::OPEN)
                && !by_ring(record)
        },
    },
    Act {
        program: "disk_change",
        perform: || refused(std::fs::remove_file(NOTHING)),
        shows: |record| matches!(&record.body, Body::Disk(it) if it.fixed.operation == operation::UNLINK),
    },
    Act {
        program: "disk_name",
        perform: || {
            denied(std::fs::set_permissions(
                KEPT,
                Permissions::from_mode(0o444),
            ))
        },
        shows: |record| {
            matches!(&record.body, Body::Disk(it) if it.fixed.operation == operation::CHMOD
                && it.path.notes & path_note::REQUESTED == 0)
        },
    },
    Act {
        program: "disk_map",
        perform: map,
        shows: |record| matches!(&record.body, Body::Disk(it) if it.fixed.operation == operation::MAP),
    },
];

/// A file whose mode nobody can change.
const KEPT: &str = "/proc/self/status";

/// What nobody may do.
fn denied(result: io::Result<()>) -> io::Result<()> {
    match result {
        Ok(()) => Err(io::Error::other(format!("{KEPT} was changed"))),
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => unfiltered(&e),
        Err(e) => Err(e),
    }
}

/// Of length 0, which the kernel refuses.
fn map() -> io::Result<()> {
    let file = File::open("/proc/self/status")?;
    // SAFETY: with any length, a new mapping where the kernel has room touches no other.
    let address = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            0,
            libc::PROT_EXEC,
            libc::MAP_PRIVATE,
            file.as_raw_fd(),
            0,
        )
    };
    match address {
        libc::MAP_FAILED => match io::Error::last_os_error() {
            error if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
            error => unfiltered(&error),
        },
        _ => Err(io::Error::other("a mapping of no length was made")),
    }
}

/// Whether a record is of a request to io_uring.
pub fn by_ring(record: &Record<'_>) -> bool {
    u32::from(record.head.via) & via::IO_URING != 0
}
