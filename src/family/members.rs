//! What events of several families have in common.

use crate::abi::{AUDIT_UNSET, Head, ProcessIds, path_note, via};
use crate::event::Object;

/// What every event of a process has in common.
pub fn process(object: &mut Object<'_>, head: &Head) {
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
    if via & via::OUTCOME_UNKNOWN != 0 {
        object.boolean("outcome_unknown", true);
    }
    if via & via::LATE != 0 {
        object.boolean("late", true);
    }
    if via & via::RACY != 0 {
        object.boolean("arguments_racy", true);
    }
}

/// What is to be known of a path.
pub fn incomplete(object: &mut Object<'_>, notes: u32) {
    if notes & path_note::DELETED != 0 {
        object.boolean("deleted", true);
    }
    if notes & (path_note::CUT | path_note::RELATIVE) != 0 {
        object.boolean("path_incomplete", true);
    }
}

/// The ids of a process.
pub fn ids(object: &mut Object<'_>, key: &str, ids: &ProcessIds) {
    object.object(key, |object| {
        object.number("uid", ids.uid);
        object.number("gid", ids.gid);
        object.number("euid", ids.euid);
        object.number("egid", ids.egid);
    });
}
