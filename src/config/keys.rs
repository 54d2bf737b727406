//! The keys: where each one stands, what it means, and its default.

use crate::base::nearest;

/// One key of the own form.
pub struct Key {
    /// As it is written.
    pub name: &'static str,
    /// The default, as it would be written; empty where there is none.
    pub default: &'static str,
    /// What it means, in one line.
    pub meaning: &'static str,
}

const fn key(name: &'static str, default: &'static str, meaning: &'static str) -> Key {
    Key {
        name,
        default,
        meaning,
    }
}

/// All keys of the own form, in the order in which they are shown.
pub const KEYS: &[Key] = &[
    key("enabled", "true", "false: nothing is recorded"),
    key(
        "data_dir",
        "/var/lib/recorderd",
        "the folder of the log and of the host's id",
    ),
    key(
        "command_buffer_size",
        "1024",
        "pages of the ring of commands, a power of two",
    ),
    key("disk_buffer_size", "2048", "the same of files"),
    key("network_buffer_size", "1024", "the same of connections"),
    key(
        "network_silence_seconds",
        "60",
        "datagrams of a process to one peer are one event for so long",
    ),
    key(
        "cgroup_path",
        "/cgroup2",
        "where cgroup2 is mounted; it is mounted there if nothing is",
    ),
    key(
        "root_path",
        "/recorderd",
        "the folder below it for the cgroups of sessions",
    ),
    key(
        "nodename",
        "",
        "server_hostname of every event; without it the host's name",
    ),
    key("cluster_name", "", "cluster_name of every event"),
    key("labels", "{}", "server_labels of every event"),
    key(
        "output",
        "file",
        "where events go, one or a list: file, the log in data_dir; stdout; syslog; journald",
    ),
    key(
        "syslog_socket",
        "/dev/log",
        "the socket of the syslog daemon, for output syslog",
    ),
    key(
        "journald_socket",
        "/run/systemd/journal/socket",
        "the socket of systemd's journal, for output journald",
    ),
    key(
        "metrics_file",
        "",
        "a file for the node exporter, such as /var/lib/node_exporter/recorderd.prom",
    ),
    key(
        "overload",
        "drop",
        "a session that outruns the daemon: drop, its events are lost and counted; throttle, it is held",
    ),
    key(
        "fsync",
        "interval",
        "lines are on the disk: interval, within a second; session-end; per-event",
    ),
    key(
        "log_file_size",
        "0",
        "a new file at this size, such as 500M; 0: at UTC midnight, or at an eighth of log_total_size",
    ),
    key(
        "log_total_size",
        "0",
        "the oldest files go when all are larger, and a summary stays; 0: never",
    ),
    key(
        "log_days",
        "0",
        "files go so long after their last line; 0: never",
    ),
    key(
        "environment",
        "[LD_PRELOAD, LD_LIBRARY_PATH, LD_AUDIT]",
        "variables shown with each command, at most 16",
    ),
    key(
        "required",
        "[session, command, disk, network, privilege]",
        "families without which recorderd does not start",
    ),
    key(
        "login_types",
        "[ssh]",
        "which logins are sessions: ssh, console, cron, at, su",
    ),
    key(
        "record",
        "{families: [session, command, disk, network, privilege], users: {}, groups: {}}",
        "what is recorded; users and groups: families of those, by name or number",
    ),
    key(
        "leave_out",
        "{disk: {operations: [], paths: [], except: []}, privilege: {operations: []}}",
        "what of it is counted and not written, such as paths: [/proc/*]",
    ),
    key(
        "plan",
        "",
        "fentry or portable; without it the better one that works is taken",
    ),
    key(
        "btf_path",
        "",
        "the kernel's types, only for a kernel that does not describe itself",
    ),
];

const NAMES: [&str; KEYS.len()] = {
    let mut names = [""; KEYS.len()];
    let mut index = 0;
    while index < KEYS.len() {
        names[index] = KEYS[index].name;
        index += 1;
    }
    names
};

/// The keys known in one mapping of the file.
pub struct Level {
    /// The keys that lead to the mapping, joined by dots; empty at the top level.
    pub path: &'static str,
    /// Keys that have a meaning here.
    pub used: &'static [&'static str],
    /// Keys of the guide's form that have no meaning on a host by itself.
    pub ignored: &'static [&'static str],
}

/// Keys at the top level that tell the guide's form from the own form.
pub const GUIDE_MARKS: [&str; 5] = [
    "version",
    "teleport",
    "ssh_service",
    "auth_service",
    "proxy_service",
];

/// The own form: every key at the top level.
pub const OWN: Level = Level {
    path: "",
    used: &NAMES,
    ignored: &[],
};

/// Top level of the guide's form.
pub const GUIDE: Level = Level {
    path: "",
    used: &[
        "teleport",
        "ssh_service",
        "cluster_name",
        "output",
        "syslog_socket",
        "journald_socket",
        "metrics_file",
        "overload",
        "fsync",
        "log_file_size",
        "log_total_size",
        "log_days",
        "environment",
        "required",
        "login_types",
        "record",
        "leave_out",
        "btf_path",
        "plan",
        "network_silence_seconds",
    ],
    ignored: &[
        "version",
        "auth_service",
        "proxy_service",
        "app_service",
        "db_service",
        "kubernetes_service",
        "windows_desktop_service",
        "linux_desktop_service",
        "discovery_service",
        "okta_service",
        "jamf_service",
        "plugin_service",
        "metrics_service",
        "tracing_service",
        "debug_service",
        "relay_service",
        "access_graph",
        "tenant_url",
    ],
};

/// `teleport` in the guide's form.
pub const TELEPORT: Level = Level {
    path: "teleport",
    used: &["nodename", "data_dir"],
    ignored: &[
        "auth_token",
        "auth_server",
        "auth_servers",
        "proxy_server",
        "relay_server",
        "join_params",
        "ca_pin",
        "advertise_ip",
        "log",
        "pid_file",
        "diag_addr",
        "connection_limits",
        "auth_connection_config",
        "shutdown_delay",
        "cache",
        "storage",
        "keys",
        "ciphers",
        "ciphersuites",
        "kex_algos",
        "mac_algos",
        "ca_signature_algo",
    ],
};

/// `ssh_service` in the guide's form.
pub const SSH_SERVICE: Level = Level {
    path: "ssh_service",
    used: &["enabled", "labels", "enhanced_recording"],
    ignored: &[
        "commands",
        "namespace",
        "listen_addr",
        "public_addr",
        "force_listen",
        "permit_user_env",
        "port_forwarding",
        "ssh_file_copy",
        "disable_create_host_user",
        "pam",
        "x11",
        "restricted_session",
        "aws",
        "azure",
        "gcp",
    ],
};

/// `ssh_service.enhanced_recording` in the guide's form.
pub const ENHANCED_RECORDING: Level = Level {
    path: "ssh_service.enhanced_recording",
    used: &[
        "enabled",
        "command_buffer_size",
        "disk_buffer_size",
        "network_buffer_size",
        "cgroup_path",
        "root_path",
    ],
    ignored: &[],
};

/// `record`, what is recorded of whose sessions.
pub const RECORD: Level = Level {
    path: "record",
    used: &["families", "users", "groups"],
    ignored: &[],
};

/// `leave_out`, what of it is not.
pub const LEAVE_OUT: Level = Level {
    path: "leave_out",
    used: &["disk", "privilege"],
    ignored: &[],
};

/// `leave_out.disk`
pub const LEAVE_OUT_DISK: Level = Level {
    path: "leave_out.disk",
    used: &["operations", "paths", "except"],
    ignored: &[],
};

/// `leave_out.privilege`
pub const LEAVE_OUT_PRIVILEGE: Level = Level {
    path: "leave_out.privilege",
    used: &["operations"],
    ignored: &[],
};

/// What to do about a `key` that is unknown in `level`.
pub fn hint(level: &Level, key: &str) -> String {
    let levels = [&SSH_SERVICE, &ENHANCED_RECORDING, &TELEPORT];
    if let Some(other) = levels.iter().find(|other| other.used.contains(&key)) {
        return format!("it belongs under {}", other.path);
    }
    let known = [level.used, level.ignored].concat();
    match nearest(known.iter().copied(), key) {
        Some(name) => format!("did you mean {name}?"),
        None => format!("known here: {}", known.join(", ")),
    }
}
