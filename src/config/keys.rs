//! The keys: a row for each, from which all else is made that knows them.

use std::path::PathBuf;
use std::time::Duration;

use super::choice::Overload;
use super::filter::{
    ALL_FAMILIES, Filter, disk_operations, families, logins, patterns, privilege_operations, shares,
};
use super::table::{Key, Reload, default, table};
use super::value::{
    backend, boolean, cgroup_root, days, labels, name, optional_path, outputs, pages, path, policy,
    seconds, size, variables,
};
use crate::abi::{VARIABLE_COUNT, VARIABLE_WORDS};
use crate::base::{Backend, Family, Limits, Output, Sync};

/// Most pages of 4 KiB that a ring can have: 256 MiB.
const MOST_PAGES: u32 = 65_536;

/// A day.
const MOST_SECONDS: u32 = 86_400;

/// Smallest limit of the log, in bytes.
const LEAST_BYTES: u64 = 4096;

/// Longest name of an environment variable, in bytes.
pub(super) const VARIABLE_LENGTH: usize = VARIABLE_WORDS * size_of::<u64>() - 1;

table! {
    enabled: bool = {
        name: "enabled",
        guide: "ssh_service.enhanced_recording.enabled",
        guide_default: "false",
        default: "true",
        read: boolean,
        reload: Restart,
        meaning: "record sessions; false disables recording",
    }
    data_dir: PathBuf = {
        name: "data_dir",
        guide: "teleport.data_dir",
        guide_default: "/var/lib/teleport",
        default: "/var/lib/recorderd",
        read: path,
        reload: Restart,
        meaning: "directory of the log and of the host's ID",
    }
    // Room for the longest arguments that the kernel takes.
    command_buffer_pages: u32 = {
        name: "command_buffer_size",
        guide: "ssh_service.enhanced_recording.command_buffer_size",
        default: "1024",
        read: pages::<MOST_PAGES>,
        reload: Restart,
        meaning: "ring buffer of commands: a power of two, in pages of 4 KiB, or a size such as 4M",
    }
    disk_buffer_pages: u32 = {
        name: "disk_buffer_size",
        guide: "ssh_service.enhanced_recording.disk_buffer_size",
        default: "2048",
        read: pages::<MOST_PAGES>,
        reload: Restart,
        meaning: "ring buffer of file events: a power of two, in pages of 4 KiB, or a size such as 4M",
    }
    // Room for what is done while the files before it are written.
    network_buffer_pages: u32 = {
        name: "network_buffer_size",
        guide: "ssh_service.enhanced_recording.network_buffer_size",
        default: "1024",
        read: pages::<MOST_PAGES>,
        reload: Restart,
        meaning: "ring buffer of network events: a power of two, in pages of 4 KiB, or a size such as 4M",
    }
    network_aggregation: Duration = {
        name: "network_aggregation_seconds",
        default: "60",
        read: seconds::<MOST_SECONDS>,
        reload: Follows,
        meaning: "aggregation window: datagrams of a process to one peer are one event",
    }
    cgroup_path: PathBuf = {
        name: "cgroup_path",
        guide: "ssh_service.enhanced_recording.cgroup_path",
        default: "/cgroup2",
        read: path,
        reload: Restart,
        meaning: "mount point of cgroup2; recorderd mounts it if nothing is mounted there",
    }
    /// Begins with `/`, and has no `..`.
    root_path: String = {
        name: "root_path",
        guide: "ssh_service.enhanced_recording.root_path",
        guide_default: "/teleport",
        default: "/recorderd",
        read: cgroup_root,
        reload: Restart,
        meaning: "directory below cgroup_path for the cgroups of sessions",
    }
    nodename: Option<String> = {
        name: "nodename",
        guide: "teleport.nodename",
        default: "",
        read: name,
        reload: Restart,
        meaning: "server_hostname of every event; without it, the host name",
    }
    cluster_name: Option<String> = {
        name: "cluster_name",
        default: "",
        read: name,
        reload: Restart,
        meaning: "cluster_name of every event",
    }
    /// In the order of the file.
    labels: Vec<(String, String)> = {
        name: "labels",
        guide: "ssh_service.labels",
        default: "{}",
        read: labels,
        reload: Restart,
        meaning: "server_labels of every event",
    }
    /// At least one, none twice.
    output: Vec<Output> = {
        name: "output",
        default: "file",
        read: outputs,
        reload: Restart,
        meaning: "destinations of events, one or a list: file (the log in data_dir), stdout, syslog, journald",
    }
    syslog_socket: PathBuf = {
        name: "syslog_socket",
        default: "/dev/log",
        read: path,
        reload: Restart,
        meaning: "socket of the syslog daemon, for output syslog",
    }
    journald_socket: PathBuf = {
        name: "journald_socket",
        default: "/run/systemd/journal/socket",
        read: path,
        reload: Restart,
        meaning: "socket of systemd's journal, for output journald",
    }
    metrics_file: Option<PathBuf> = {
        name: "metrics_file",
        default: "",
        read: optional_path,
        reload: Restart,
        meaning: "metrics file for the node exporter, such as /var/lib/node_exporter/recorderd.prom",
    }
    overload: Overload = {
        name: "overload",
        default: "drop",
        read: policy,
        reload: Restart,
        meaning: "for a session with too many events: drop (drop and count events) or throttle (freeze the session)",
    }
    fsync: Sync = {
        name: "fsync",
        default: "interval",
        read: policy,
        reload: Follows,
        meaning: "when lines are synced to disk: interval (within a second), session-end or per-event",
    }
    log: Limits = .file_size {
        name: "log_file_size",
        default: "0",
        read: size::<LEAST_BYTES>,
        reload: Follows,
        meaning: "start a new log file at this size, such as 500M; 0: at UTC midnight, or at an eighth of log_total_size",
    }
    .total_size {
        name: "log_total_size",
        default: "0",
        read: size::<LEAST_BYTES>,
        reload: Follows,
        meaning: "remove the oldest log files above this total, such as 20G, and keep a summary of each; 0: never",
    }
    .days {
        name: "log_days",
        default: "0",
        read: days,
        reload: Follows,
        meaning: "remove a log file this many days after its last line, such as 90d; 0: never",
    }
    terminal: bool = {
        name: "terminal",
        default: "on",
        read: boolean,
        reload: Restart,
        meaning: "record the output of the terminals of SSH sessions, in log/<host>/sessions: on or off",
    }
    seal: bool = {
        name: "seal",
        default: "true",
        read: boolean,
        reload: Restart,
        meaning: "seal the log with signed checkpoints, for recorderd verify; false: don't",
    }
    seal_interval: Duration = {
        name: "seal_interval",
        default: "10",
        read: seconds::<MOST_SECONDS>,
        reload: Restart,
        meaning: "write a checkpoint this many seconds after the last one, if there are new lines",
    }
    environment: Vec<String> = {
        name: "environment",
        default: "[LD_PRELOAD, LD_LIBRARY_PATH, LD_AUDIT]",
        read: variables::<VARIABLE_COUNT, VARIABLE_LENGTH>,
        reload: Follows,
        meaning: "environment variables recorded with each command, at most 16",
    }
    required: Vec<Family> = {
        name: "required",
        default: ALL_FAMILIES,
        read: families,
        reload: Restart,
        meaning: "families without which recorderd doesn't start",
    }
    /// Bits by the place of each in [`LOGINS`](crate::abi::LOGINS).
    logins: u64 = {
        name: "login_types",
        default: "[ssh]",
        read: logins,
        reload: Restart,
        meaning: "types of logins to record: ssh, console, cron, at, su",
    }
    filter: Filter = .families {
        name: "record.families",
        default: ALL_FAMILIES,
        read: families,
        reload: Follows,
        meaning: "families to record for accounts that record.users and record.groups don't list",
    }
    .users {
        name: "record.users",
        default: "{}",
        read: shares,
        reload: Follows,
        meaning: "families to record for these accounts, by name or uid",
    }
    .groups {
        name: "record.groups",
        default: "{}",
        read: shares,
        reload: Follows,
        meaning: "families to record for the accounts of these groups, by name or gid",
    }
    .disk_operations {
        name: "exclude.disk.operations",
        default: "[]",
        read: disk_operations,
        reload: Follows,
        meaning: "operations of session.disk to exclude: counted and not written",
    }
    .paths {
        name: "exclude.disk.paths",
        default: "[]",
        read: patterns,
        reload: Follows,
        meaning: "paths of session.disk to exclude, such as /proc/*; at most 16",
    }
    .except {
        name: "exclude.disk.except",
        default: "[]",
        read: patterns,
        reload: Follows,
        meaning: "paths to record although exclude.disk.paths matches; at most 16",
    }
    .privilege_operations {
        name: "exclude.privilege.operations",
        default: "[]",
        read: privilege_operations,
        reload: Follows,
        meaning: "operations of session.privilege to exclude: counted and not written",
    }
    backend: Option<Backend> = {
        name: "backend",
        default: "",
        read: backend,
        reload: Restart,
        meaning: "how syscall exits are hooked: fexit or tracepoint; without it, the better one that works",
    }
    btf_path: Option<PathBuf> = {
        name: "btf_path",
        default: "",
        read: optional_path,
        reload: Restart,
        meaning: "file with the kernel's BTF, only for a kernel without BTF of its own",
    }
}

/// The mappings of the own form that are shown on one line, and what they mean.
const MAPPINGS: [(&str, &str); 2] = [
    (
        "record",
        "families to record; users and groups, by name or number, override families",
    ),
    (
        "exclude",
        "events to exclude: counted and not written, such as {disk: {paths: [/proc/*]}}",
    ),
];

/// All keys, in the order in which they are shown.
pub fn keys() -> impl Iterator<Item = &'static Key> + Clone {
    FIELDS.iter().copied().flatten()
}

/// What is shown on one line: a key of the top level, or a mapping whole.
pub struct Shown {
    /// As it is written.
    pub name: &'static str,
    /// The default, as it would be written; empty where there is none.
    pub default: String,
    /// What it means, in one line.
    pub meaning: &'static str,
}

/// All of the own form that is shown on one line, in order.
pub fn shown() -> Vec<Shown> {
    let mut lines: Vec<Shown> = Vec::new();
    for key in keys() {
        let Some((name, _)) = key.name.split_once('.') else {
            lines.push(Shown {
                name: key.name,
                default: key.default.to_owned(),
                meaning: key.meaning,
            });
            continue;
        };
        if lines.last().is_none_or(|last| last.name != name) {
            let mapping = MAPPINGS.iter().find(|(mapping, _)| *mapping == name);
            lines.push(Shown {
                name,
                default: written(name),
                meaning: mapping.map_or("", |(_, meaning)| meaning),
            });
        }
    }
    lines
}

/// The default of what stands at `path`, be it a key or a mapping.
fn written(path: &str) -> String {
    if let Some(key) = keys().find(|key| key.name == path) {
        return key.default.to_owned();
    }
    let inner = children(keys().map(|key| key.name), path);
    let inner = inner
        .iter()
        .map(|name| format!("{name}: {}", written(&join(path, name))));
    format!("{{{}}}", inner.collect::<Vec<_>>().join(", "))
}

/// The names right below `path` in these paths, each once.
pub(super) fn children(paths: impl Iterator<Item = &'static str>, path: &str) -> Vec<&'static str> {
    let mut names = Vec::new();
    for full in paths {
        let rest = match path {
            "" => Some(full),
            _ => full
                .strip_prefix(path)
                .and_then(|rest| rest.strip_prefix('.')),
        };
        let name = rest.and_then(|rest| rest.split('.').next());
        names.extend(name.filter(|name| !names.contains(name)));
    }
    names
}

/// The path of what stands below another.
pub(super) fn join(path: &str, name: &str) -> String {
    match path {
        "" => name.to_owned(),
        _ => format!("{path}.{name}"),
    }
}
