//! What is done to files, as events.

use std::fmt::Write;

use super::act::{incomplete, process};
use super::path::{Shown, shown};
use super::{Object, Subject, Uuid, Writer, device};
use crate::abi::{DISK_OPERATIONS, Head, disk_operation as operation, path_note};
use crate::record::{Disk, Path};

/// The owner or group that chown(2) leaves as it is.
const UNCHANGED: u32 = u32::MAX;

impl Writer {
    /// session.disk; returns the id of the event.
    pub fn disk(&mut self, subject: &mut Subject, head: &Head, disk: &Disk<'_>) -> Uuid {
        // Taken out for the time, because the line borrows the writer.
        let [mut path_room, mut target_room] = std::mem::take(&mut self.rooms);
        let fixed = &disk.fixed;
        let path = shown(&disk.path, &mut path_room);
        let target = shown(&disk.target, &mut target_room);
        let name = ("session.disk", "T4001I");
        let uid = self.line(subject, name, head.time, |object, _| {
            process(object, head);
            object.bytes("path", "path_base64", path.path);
            object.number("flags", fixed.flags);
            object.number("return_code", fixed.return_code);
            incomplete(object, disk.path.notes);
            let operation = DISK_OPERATIONS.get(usize::from(fixed.operation));
            object.string("operation", operation.unwrap_or(&"").as_bytes());
            if let operation::OPEN | operation::CREATE = fixed.operation {
                object.string("access", access(fixed.flags).as_bytes());
            }
            let is_done = fixed.return_code == 0;
            if differs(&disk.path, &path) {
                object.bytes("typed", "typed_base64", disk.path.typed);
            }
            if path.is_unresolved && is_done {
                object.boolean("path_unresolved", true);
            }
            if disk.path.notes & path_note::UNSETTLED != 0 {
                object.boolean("path_unsettled", true);
            }
            if !disk.target.path.is_empty() {
                object.bytes("target", "target_base64", target.path);
                if differs(&disk.target, &target) {
                    object.bytes("target_typed", "target_typed_base64", disk.target.typed);
                }
                if disk.target.notes & (path_note::CUT | path_note::RELATIVE) != 0 {
                    object.boolean("target_incomplete", true);
                }
                if target.is_unresolved && is_done {
                    object.boolean("target_unresolved", true);
                }
                if disk.target.notes & path_note::UNSETTLED != 0 {
                    object.boolean("target_unsettled", true);
                }
            }
            details(object, disk);
        });
        self.rooms = [path_room, target_room];
        uid
    }
}

fn differs(path: &Path<'_>, shown: &Shown<'_>) -> bool {
    !path.typed.is_empty() && path.typed != shown.path
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
