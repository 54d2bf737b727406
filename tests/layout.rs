//! The Rust mirror of the records and maps is what the compiled object says of itself (its BTF).

use object::{Object, ObjectSection};
use recorderd::record::layout::{
    ALL, CAUSES, DISK_OPERATIONS, DISK_TEXTS, FAMILIES, LOGINS, PRIVILEGE_OPERATIONS, PROBES,
    ProcessEntry, RECORD_MAX, TABLES, TARGETS, TEXTS, command_mark, disk_operation, finding, kind,
    login, operation, path_note, privilege_operation, reader, send_mark, verdict, via,
};

const OBJECT: &[u8] = include_bytes!("../probes/recorderd.bpf.o");

/// A type of the BTF.
#[derive(Debug)]
struct Type {
    kind: u32,
    name: String,
    /// Size in bytes, or the type it refers to.
    size_or_type: u32,
    members: Vec<Member>,
}

#[derive(Debug)]
struct Member {
    name: String,
    of_type: u32,
    /// Offset in bits of a member, value of an enumerator, or length of an array.
    value: u32,
}

/// The types of an object by their id, which begins at 1.
struct Btf(Vec<Type>);

/// Kinds of types, from the kernel's linux/btf.h.
const INT: u32 = 1;
const POINTER: u32 = 2;
const ARRAY: u32 = 3;
const STRUCT: u32 = 4;
const UNION: u32 = 5;
const ENUM: u32 = 6;
const TYPEDEF: u32 = 8;
const VOLATILE: u32 = 9;
const CONST: u32 = 10;
const FUNCTION_TYPE: u32 = 13;
const VARIABLE: u32 = 14;
const SECTION: u32 = 15;
const DECLARATION_TAG: u32 = 17;
const ENUM64: u32 = 19;

impl Btf {
    fn of_object() -> Self {
        let file = object::File::parse(OBJECT).unwrap();
        Self::parse(file.section_by_name(".BTF").unwrap().data().unwrap())
    }

    /// Reads a section: a header of six words, the types, the strings.
    fn parse(section: &[u8]) -> Self {
        let word = |at: usize| {
            u32::from_le_bytes(section[at..].first_chunk().copied().unwrap_or_default())
        };
        assert_eq!(word(0) & 0xffff, 0xeb9f, "the magic number of BTF");
        let header = word(4) as usize;
        let strings = header + word(16) as usize;
        let name = |offset: u32| {
            let text = &section[strings + offset as usize..];
            let end = text.iter().position(|byte| *byte == 0).unwrap();
            String::from_utf8(text[..end].to_vec()).unwrap()
        };
        let member = |at: usize| Member {
            name: name(word(at)),
            of_type: word(at + 4),
            value: word(at + 8),
        };
        let enumerator = |at: usize| Member {
            name: name(word(at)),
            of_type: 0,
            value: word(at + 4),
        };
        let array = |at: usize| Member {
            name: String::new(),
            of_type: word(at),
            value: word(at + 8),
        };
        let mut at = header + word(8) as usize;
        let end = at + word(12) as usize;
        let mut types = Vec::new();
        while at < end {
            let information = word(at + 4);
            let (kind, count) = (information >> 24 & 31, information as usize & 0xffff);
            let list = at + 12;
            let (length, members) = match kind {
                STRUCT | UNION => (
                    12 * count,
                    (0..count).map(|index| member(list + 12 * index)).collect(),
                ),
                ENUM => (
                    8 * count,
                    (0..count)
                        .map(|index| enumerator(list + 8 * index))
                        .collect(),
                ),
                ARRAY => (12, vec![array(list)]),
                SECTION | ENUM64 => (12 * count, vec![]),
                FUNCTION_TYPE => (8 * count, vec![]),
                INT | VARIABLE | DECLARATION_TAG => (4, vec![]),
                _ => (0, vec![]),
            };
            types.push(Type {
                kind,
                name: name(word(at)),
                size_or_type: word(at + 8),
                members,
            });
            at = list + length;
        }
        Self(types)
    }

    fn find(&self, kind: u32, name: &str) -> &Type {
        self.0
            .iter()
            .find(|one| one.kind == kind && one.name == name)
            .unwrap_or_else(|| panic!("{name} is not in the BTF"))
    }

    /// Size in bytes.
    fn size(&self, id: u32) -> usize {
        let one = &self.0[id as usize - 1];
        match one.kind {
            INT | STRUCT | UNION | ENUM | ENUM64 => one.size_or_type as usize,
            POINTER => 8,
            ARRAY => self.size(one.members[0].of_type) * one.members[0].value as usize,
            TYPEDEF | VOLATILE | CONST => self.size(one.size_or_type),
            other => panic!("a member of kind {other}"),
        }
    }

    /// Name, offset and size of each member of a structure, and its own size.
    fn described(&self, name: &str) -> (Vec<(&str, usize, usize)>, usize) {
        let one = self.find(STRUCT, name);
        let members = one.members.iter().map(|member| {
            assert_eq!(member.value % 8, 0, "{name}.{} is a bit field", member.name);
            let offset = member.value as usize / 8;
            (member.name.as_str(), offset, self.size(member.of_type))
        });
        (members.collect(), one.size_or_type as usize)
    }

    /// Names and values of an enumeration.
    fn values(&self, name: &str) -> Vec<(&str, u64)> {
        let members = &self.find(ENUM, name).members;
        let value = |member: &Member| u64::from(member.value);
        members
            .iter()
            .map(|member| (member.name.as_str(), value(member)))
            .collect()
    }
}

/// The structures of which the mirror shows another picture.
fn differences(btf: &Btf) -> Vec<&'static str> {
    let same = |(name, fields, size): &&(&str, &[(&str, usize, usize)], usize)| {
        btf.described(name) == (fields.to_vec(), *size)
    };
    let different = ALL.iter().filter(|one| !same(one));
    different.map(|(name, ..)| *name).collect()
}

/// Every name, offset and size.
#[test]
fn every_structure_is_mirrored() {
    let btf = Btf::of_object();
    for (name, fields, size) in ALL {
        assert_eq!(btf.described(name), (fields.to_vec(), *size), "{name}");
    }
}

/// The mirror is read from and written to plain bytes.
#[test]
fn no_structure_has_padding() {
    for (name, fields, size) in ALL {
        let sum: usize = fields.iter().map(|(.., size)| size).sum();
        assert_eq!(sum, *size, "{name}");
    }
}

/// The comparison notices what it is there for.
#[test]
fn a_moved_renamed_or_resized_field_is_noticed() {
    assert_eq!(differences(&Btf::of_object()), [""; 0]);
    let moved = |change: fn(&mut Type)| {
        let mut btf = Btf::of_object();
        let is_disk = |one: &&mut Type| one.kind == STRUCT && one.name == "disk";
        change(btf.0.iter_mut().find(is_disk).unwrap());
        differences(&btf)
    };
    assert_eq!(moved(|disk| disk.members.swap(1, 2)), ["disk"]);
    assert_eq!(moved(|disk| disk.members[1].value += 32), ["disk"]);
    assert_eq!(moved(|disk| disk.members[1].name.push('s')), ["disk"]);
    assert_eq!(
        moved(|disk| disk.members[1].of_type = disk.members[0].of_type),
        ["disk"]
    );
    assert_eq!(moved(|disk| disk.size_or_type += 8), ["disk"]);
    assert_eq!(moved(|disk| drop(disk.members.pop())), ["disk"]);
}

/// Names and values that are lists on the Rust side, the count at their end included.
#[test]
fn lists_of_names_are_mirrored() {
    let btf = Btf::of_object();
    for (name, prefix, mirror) in [
        ("family", "FAMILY", &FAMILIES[..]),
        ("loss", "LOSS", &CAUSES),
        ("login", "LOGIN", &LOGINS),
        ("probe", "PROBE", &PROBES),
        ("table", "TABLE", &TABLES),
        ("disk_operation", "DISK", &DISK_OPERATIONS),
        ("privilege_operation", "PRIVILEGE", &PRIVILEGE_OPERATIONS),
    ] {
        let count = match prefix {
            "DISK" => "operation_count",
            _ => "count",
        };
        let expected: Vec<_> = mirror
            .iter()
            .chain(&[count])
            .map(|name| format!("{prefix}_{}", name.to_uppercase().replace('-', "_")))
            .collect();
        let expected: Vec<_> = expected.iter().map(String::as_str).zip(0..).collect();
        assert_eq!(btf.values(name), expected);
    }
}

/// The operations that have a name on the Rust side, too.
#[test]
fn privilege_operations_are_where_they_are() {
    for (operation, name) in [
        (privilege_operation::SETUID, "setuid"),
        (privilege_operation::SETGID, "setgid"),
        (privilege_operation::SETREUID, "setreuid"),
        (privilege_operation::SETREGID, "setregid"),
        (privilege_operation::SETRESUID, "setresuid"),
        (privilege_operation::SETRESGID, "setresgid"),
        (privilege_operation::LOGINUID, "loginuid"),
        (privilege_operation::CAPSET, "capset"),
        (privilege_operation::PTRACE_ATTACH, "ptrace_attach"),
        (privilege_operation::PTRACE_SEIZE, "ptrace_seize"),
        (privilege_operation::PROCESS_VM_WRITEV, "process_vm_writev"),
        (privilege_operation::DELETE_MODULE, "delete_module"),
        (privilege_operation::BPF_PROG_LOAD, "bpf_prog_load"),
        (privilege_operation::UNSHARE, "unshare"),
        (privilege_operation::SETNS, "setns"),
        (privilege_operation::CLONE, "clone"),
        (privilege_operation::BPF_MAP_FREEZE, "bpf_map_freeze"),
        (
            privilege_operation::BPF_MAP_UPDATE_ELEM,
            "bpf_map_update_elem",
        ),
        (
            privilege_operation::BPF_BTF_GET_FD_BY_ID,
            "bpf_btf_get_fd_by_id",
        ),
        (privilege_operation::BPF_OBJ_PIN, "bpf_obj_pin"),
        (privilege_operation::BPF_OBJ_GET, "bpf_obj_get"),
        (privilege_operation::SIGNAL, "signal"),
        (privilege_operation::PRLIMIT, "prlimit"),
        (privilege_operation::PROCESS_MADVISE, "process_madvise"),
        (privilege_operation::PIDFD_GETFD, "pidfd_getfd"),
        (privilege_operation::RECVMSG, "recvmsg"),
        (privilege_operation::CLOCK_SETTIME, "clock_settime"),
        (privilege_operation::SETTIMEOFDAY, "settimeofday"),
        (privilege_operation::CLOCK_ADJTIME, "clock_adjtime"),
        (privilege_operation::REBOOT, "reboot"),
        (privilege_operation::SETHOSTNAME, "sethostname"),
        (privilege_operation::SYSLOG, "syslog"),
    ] {
        assert_eq!(PRIVILEGE_OPERATIONS[operation as usize], name);
    }
    for (name, value) in [
        ("ssh", login::SSH),
        ("cron", login::CRON),
        ("at", login::AT),
        ("su", login::SU),
        ("systemd-run", login::SYSTEMD_RUN),
        ("systemd", login::SYSTEMD),
        ("kernel", login::KERNEL),
    ] {
        assert_eq!(LOGINS[value as usize], name);
    }
}

/// Names and values that are constants on the Rust side.
#[test]
fn constants_are_mirrored() {
    let btf = Btf::of_object();
    let same = |name: &str, mirror: &[(&str, u32)]| {
        let mirror: Vec<_> = mirror
            .iter()
            .map(|(name, value)| (*name, u64::from(*value)))
            .collect();
        assert_eq!(btf.values(name), mirror);
    };
    same(
        "kind",
        &[
            ("KIND_SESSION_START", kind::SESSION_START),
            ("KIND_SESSION_END", kind::SESSION_END),
            ("KIND_ENVIRONMENT", kind::ENVIRONMENT),
            ("KIND_COMMAND", kind::COMMAND),
            ("KIND_DISK", kind::DISK),
            ("KIND_NETWORK", kind::NETWORK),
            ("KIND_ARGUMENTS", kind::ARGUMENTS),
            ("KIND_PROCESS_EXIT", kind::PROCESS_EXIT),
            ("KIND_NETWORK_RESULT", kind::NETWORK_RESULT),
            ("KIND_LOCAL_CONNECT", kind::LOCAL_CONNECT),
            ("KIND_PRIVILEGE", kind::PRIVILEGE),
            ("KIND_SEND", kind::SEND),
            ("KIND_DNS", kind::DNS),
            ("KIND_VSOCK", kind::VSOCK),
            ("KIND_PACKET_SOCKET", kind::PACKET_SOCKET),
            ("KIND_IDENTITY", kind::IDENTITY),
            ("KIND_SUBSYSTEM", kind::SUBSYSTEM),
            ("KIND_RESIZE", kind::RESIZE),
        ],
    );
    same(
        "via",
        &[
            ("VIA_IO_URING", via::IO_URING),
            ("VIA_UNCONFIRMED", via::UNCONFIRMED),
            ("VIA_LATE", via::LATE),
            ("VIA_UNSETTLED", via::UNSETTLED),
        ],
    );
    same(
        "path_note",
        &[
            ("PATH_CUT", path_note::CUT),
            ("PATH_DELETED", path_note::DELETED),
            ("PATH_RELATIVE", path_note::RELATIVE),
            ("PATH_TYPED", path_note::TYPED),
            ("PATH_FOLLOWED", path_note::FOLLOWED),
            ("PATH_CHROOT", path_note::CHROOT),
            ("PATH_NONE", path_note::NONE),
            ("PATH_UNSETTLED", path_note::UNSETTLED),
            ("PATH_DETACHED", path_note::DETACHED),
        ],
    );
    same(
        "command_mark",
        &[
            ("COMMAND_EXE_DELETED", command_mark::EXE_DELETED),
            ("COMMAND_PRIVILEGED", command_mark::PRIVILEGED),
            (
                "COMMAND_ENVIRONMENT_PARTIAL",
                command_mark::ENVIRONMENT_PARTIAL,
            ),
            ("COMMAND_PATH_INCOMPLETE", command_mark::PATH_INCOMPLETE),
            ("COMMAND_COMPAT", command_mark::COMPAT),
            ("COMMAND_CHANNEL", command_mark::CHANNEL),
            ("COMMAND_REQUESTED_CUT", command_mark::REQUESTED_CUT),
            ("COMMAND_LEFT_OUT", command_mark::LEFT_OUT),
        ],
    );
    same(
        "operation",
        &[
            ("OPERATION_CONNECT", operation::CONNECT),
            ("OPERATION_SEND", operation::SEND),
            ("OPERATION_LISTEN", operation::LISTEN),
            ("OPERATION_ACCEPT", operation::ACCEPT),
        ],
    );
    same("send_mark", &[("SEND_RAW", send_mark::RAW)]);
    same(
        "finding_kind",
        &[
            ("FINDING_PRESENT", finding::PRESENT),
            ("FINDING_MISSING", finding::MISSING),
            ("FINDING_CHANGED", finding::CHANGED),
            ("FINDING_COUNTED", finding::COUNTED),
        ],
    );
    let targets = TARGETS.map(|name| format!("TARGET_{}", name.to_uppercase()));
    let targets: Vec<_> = targets.iter().map(String::as_str).zip(0..).collect();
    assert_eq!(btf.values("target"), targets);
    same(
        "verdict",
        &[
            ("PATTERN_NONE", verdict::NONE),
            ("PATTERN_LEFT_OUT", verdict::LEFT_OUT),
            ("PATTERN_KEPT", verdict::KEPT),
            ("PATTERN_OTHER", verdict::OTHER),
        ],
    );
    same(
        "reader",
        &[
            ("READER_ASLEEP", reader::ASLEEP as u32),
            ("READER_TIMED", reader::TIMED as u32),
            ("READER_WOKEN", reader::WOKEN as u32),
        ],
    );
    // The daemon puts in processes that are the user's, and leaves others to the probes.
    same(
        "role",
        &[
            ("ROLE_USER", ProcessEntry::default().role.into()),
            ("ROLE_BROKER", 1),
            ("ROLE_SERVED", 2),
        ],
    );
    // `decode` takes the strings of a command in this order.
    same(
        "text",
        &[
            ("TEXT_PATH", 0),
            ("TEXT_EXE", 1),
            ("TEXT_CWD", 2),
            ("TEXT_INTERPRETER", 3),
            ("TEXT_ENVIRONMENT", 4),
            ("TEXT_ARGV", 5),
            ("TEXT_COUNT", TEXTS as u32),
        ],
    );
    // `decode` takes the strings of a file operation in this order.
    same(
        "disk_text",
        &[
            ("DISK_PATH", 0),
            ("DISK_PATH_TYPED", 1),
            ("DISK_TARGET", 2),
            ("DISK_TARGET_TYPED", 3),
            ("DISK_NAME", 4),
            ("DISK_TEXT_COUNT", DISK_TEXTS as u32),
        ],
    );
    for (name, value) in [
        ("open", disk_operation::OPEN),
        ("create", disk_operation::CREATE),
        ("unlink", disk_operation::UNLINK),
        ("rename", disk_operation::RENAME),
        ("mkdir", disk_operation::MKDIR),
        ("mknod", disk_operation::MKNOD),
        ("chmod", disk_operation::CHMOD),
        ("chown", disk_operation::CHOWN),
        ("truncate", disk_operation::TRUNCATE),
        ("setxattr", disk_operation::SETXATTR),
        ("removexattr", disk_operation::REMOVEXATTR),
        ("mount", disk_operation::MOUNT),
        ("map", disk_operation::MAP),
        ("protect", disk_operation::PROTECT),
        ("fsmount", disk_operation::FSMOUNT),
    ] {
        assert_eq!(DISK_OPERATIONS[usize::from(value)], name);
    }
    let (slot, _) = btf.described("slot");
    let record = slot.iter().find(|(name, ..)| *name == "record");
    assert_eq!(record.map(|(.., size)| *size), Some(RECORD_MAX));
}
