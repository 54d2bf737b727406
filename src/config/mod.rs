//! The file an operator writes: what its keys mean, their defaults, and what is wrong with it.
//!
//! It comes in two forms. The own form has every key at the top level. The guide's form is the
//! file that Teleport's public guide gives for enhanced session recording; a file is in that form
//! when it has one of [`GUIDE_MARKS`] at its top level.

mod change;
pub mod defaults;
mod filter;
mod keys;
mod yaml;

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::probe::plan::{self, Family};
use crate::record::layout::{DISK_OPERATIONS, LOGINS, PRIVILEGE_OPERATIONS};
use crate::sink::{Limits, Output, Sync};
pub use filter::{Filter, Pattern};
use keys::{
    ENHANCED_RECORDING, GUIDE, GUIDE_MARKS, LEAVE_OUT, LEAVE_OUT_DISK, LEAVE_OUT_PRIVILEGE, Level,
    OWN, RECORD, SSH_SERVICE, TELEPORT,
};
pub use keys::{KEYS, Key};
use yaml::{Entry, Kind, Node, Problem};

/// Default size of the ring buffer for commands, in pages of 4 KiB (4 MiB): room for the longest
/// arguments that the kernel takes.
pub const COMMAND_BUFFER_PAGES: u32 = 1024;

/// Default size of the ring buffer for files, in pages of 4 KiB (8 MiB).
pub const DISK_BUFFER_PAGES: u32 = 2048;

/// Default size of the ring buffer for connections, in pages of 4 KiB (1 MiB).
pub const NETWORK_BUFFER_PAGES: u32 = 256;

/// Largest size of one ring buffer, in pages of 4 KiB (256 MiB).
pub const BUFFER_PAGES_LIMIT: u32 = 65536;

/// Default of `network_silence_seconds`.
pub const NETWORK_SILENCE_SECONDS: u32 = 60;

/// Most of `network_silence_seconds`: a day.
pub const NETWORK_SILENCE_LIMIT: u32 = 86_400;

/// Most environment variables that can be shown.
pub const VARIABLES: usize = crate::record::layout::VARIABLES;

/// Longest name of an environment variable that can be shown, in bytes.
pub const VARIABLE_LENGTH: usize = 31;

/// Smallest limit of the log, in bytes.
pub const SMALLEST_SIZE: u64 = 4096;

/// Largest config file, in bytes.
const FILE_LIMIT: usize = 1 << 20;

/// One parsed config.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Whether sessions are recorded; default true in the own form, false in the guide's.
    pub enabled: bool,
    /// Ring buffer for commands, in pages of 4 KiB: a power of two, at most
    /// [`BUFFER_PAGES_LIMIT`].
    pub command_buffer_pages: u32,
    /// Ring buffer for files, in pages of 4 KiB: a power of two, at most [`BUFFER_PAGES_LIMIT`].
    pub disk_buffer_pages: u32,
    /// Ring buffer for connections, in pages of 4 KiB: a power of two, at most
    /// [`BUFFER_PAGES_LIMIT`].
    pub network_buffer_pages: u32,
    /// For how long datagrams of one process to one peer are one event: whole seconds, from one to
    /// [`NETWORK_SILENCE_LIMIT`].
    pub network_silence: Duration,
    /// Where the cgroup2 file system is mounted: an absolute path, default `/cgroup2`.
    pub cgroup_path: PathBuf,
    /// Base of the session cgroups below `cgroup_path`: begins with `/`, has no `..`; default
    /// `/recorderd` in the own form, `/teleport` in the guide's.
    pub root_path: String,
    /// Where the log and the host's identity are kept: an absolute path, default
    /// `/var/lib/recorderd` in the own form, `/var/lib/teleport` in the guide's.
    pub data_dir: PathBuf,
    /// `server_hostname` of every event; the host's own name when `None`.
    pub nodename: Option<String>,
    /// `cluster_name` of every event; left out when `None`.
    pub cluster_name: Option<String>,
    /// `server_labels` of every event, in the order of the file.
    pub labels: Vec<(String, String)>,
    /// Where events go: at least one, none twice; default the log.
    pub output: Vec<Output>,
    /// Where the metrics are written for the node exporter: an absolute path.
    pub metrics_file: Option<PathBuf>,
    /// The socket of the syslog daemon: an absolute path, default `/dev/log`.
    pub syslog_socket: PathBuf,
    /// The socket of the journal: an absolute path, default `/run/systemd/journal/socket`.
    pub journald_socket: PathBuf,
    /// When a file of the log is full, and how long files are kept; default without limits.
    pub log: Limits,
    /// When lines are brought to the disk; default within a second.
    pub fsync: Sync,
    /// Environment variables that session.command shows, by name: at most [`VARIABLES`], of at
    /// most [`VARIABLE_LENGTH`] bytes each.
    pub environment: Vec<String>,
    /// Families without which recording is not begun; default all.
    pub required: Vec<Family>,
    /// What is recorded of whose sessions, and what is left out.
    pub filter: Filter,
    /// Which logins are sessions: bits of [`LOGINS`]; default those by SSH.
    pub logins: u64,
    /// Where the kernel's types are described, for a kernel that does not do so itself: an absolute
    /// path.
    pub btf_path: Option<PathBuf>,
    /// The one way to hook system calls; the best that works when `None`.
    pub plan: Option<plan::Kind>,
}

/// A config, and what its operator should know about it.
#[derive(Debug, PartialEq)]
pub struct Loaded {
    /// What was read.
    pub config: Config,
    /// Lines to show the operator; nothing in them is an error.
    pub notices: Vec<String>,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            enabled: true,
            command_buffer_pages: COMMAND_BUFFER_PAGES,
            disk_buffer_pages: DISK_BUFFER_PAGES,
            network_buffer_pages: NETWORK_BUFFER_PAGES,
            network_silence: Duration::from_secs(NETWORK_SILENCE_SECONDS.into()),
            cgroup_path: PathBuf::from("/cgroup2"),
            root_path: "/recorderd".to_owned(),
            data_dir: PathBuf::from("/var/lib/recorderd"),
            nodename: None,
            cluster_name: None,
            labels: Vec::new(),
            output: vec![Output::File],
            metrics_file: None,
            syslog_socket: PathBuf::from("/dev/log"),
            journald_socket: PathBuf::from("/run/systemd/journal/socket"),
            log: Limits::default(),
            fsync: Sync::Interval,
            environment: ["LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT"]
                .map(str::to_owned)
                .to_vec(),
            required: Family::ALL.to_vec(),
            filter: Filter::default(),
            logins: 1 << 1,
            btf_path: None,
            plan: None,
        }
    }
}

impl Config {
    /// Reads and parses the file at `path`; the errors are lines to show the operator.
    pub fn load(path: &Path) -> Result<Loaded, Vec<String>> {
        let name = path.display().to_string();
        let mut bytes = Vec::new();
        // One byte over the limit is enough for `parse` to refuse the file.
        let read = File::open(path)
            .and_then(|file| file.take(FILE_LIMIT as u64 + 1).read_to_end(&mut bytes));
        if let Err(error) = read {
            let remedy = match error.kind() {
                ErrorKind::NotFound => "create it, or name another file with --config",
                ErrorKind::PermissionDenied => "make it readable to the user recorderd runs as",
                _ => "name a regular file with --config",
            };
            return Err(vec![format!("{name}: cannot be read: {error}; {remedy}")]);
        }
        Config::parse(&name, &bytes)
    }

    /// Parses the content of a config file; `name` is the file's name in errors and notices.
    pub fn parse(name: &str, bytes: &[u8]) -> Result<Loaded, Vec<String>> {
        if bytes.len() > FILE_LIMIT {
            return Err(vec![format!(
                "{name}: larger than {FILE_LIMIT} bytes; check that it is a config file"
            )]);
        }
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let (valid, rest) = bytes.split_at(error.valid_up_to());
            let line = 1 + valid.iter().filter(|byte| **byte == b'\n').count();
            vec![format!(
                "{name}:{line}: byte {:#04x} at offset {} is not UTF-8; save the file as UTF-8",
                rest[0],
                valid.len()
            )]
        })?;
        let (root, problems) = yaml::parse(text);
        let mut reader = Reader {
            config: Config::default(),
            service_enabled: true,
            ignored: Vec::new(),
            problems,
        };
        if let Some(root) = root {
            reader.file(&root);
        }
        reader.finish(name)
    }
}

/// Goes through the tree and gathers the config and everything wrong with it.
struct Reader {
    config: Config,
    /// The guide's `ssh_service.enabled`; without the service there is nothing to record.
    service_enabled: bool,
    /// Paths of the keys that are known and have no effect.
    ignored: Vec<String>,
    problems: Vec<Problem>,
}

impl Reader {
    fn file(&mut self, root: &Node) {
        let Kind::Mapping(entries) = &root.kind else {
            if !root.is_absent() {
                let reason = "is not a mapping; write keys and values, such as \"enabled: true\"";
                self.problem(root.line, format!("{} {reason}", root.describe()));
            }
            return;
        };
        let is_mark = |entry: &Entry| GUIDE_MARKS.contains(&entry.key.as_str());
        if entries.iter().any(is_mark) {
            self.config.enabled = false;
            self.config.root_path = "/teleport".to_owned();
            self.config.data_dir = PathBuf::from("/var/lib/teleport");
            self.level(&GUIDE, entries);
        } else {
            self.level(&OWN, entries);
        }
    }

    fn finish(mut self, name: &str) -> Result<Loaded, Vec<String>> {
        if !self.problems.is_empty() {
            self.problems.sort_by_key(|problem| problem.line);
            let line = |problem: &Problem| format!("{name}:{}: {}", problem.line, problem.text);
            return Err(self.problems.iter().map(line).collect());
        }
        self.config.enabled &= self.service_enabled;
        let mut notices = Vec::new();
        if !self.ignored.is_empty() {
            let keys = self.ignored.join(", ");
            notices.push(format!(
                "{name}: keys that have no effect on this host are ignored: {keys}"
            ));
        }
        Ok(Loaded {
            config: self.config,
            notices,
        })
    }

    fn problem(&mut self, line: usize, text: String) {
        self.problems.push(Problem { line, text });
    }

    fn level(&mut self, level: &Level, entries: &[Entry]) {
        for entry in entries {
            let key = entry.key.as_str();
            if level.used.contains(&key) {
                self.key(level, entry);
            } else if !level.ignored.contains(&key) {
                let text = format!(
                    "{}: unknown key; {}",
                    yaml::printable(key),
                    keys::hint(level, key)
                );
                self.problem(entry.line, text);
            } else if level.path.is_empty() {
                self.ignored.push(key.to_owned());
            } else {
                self.ignored.push(format!("{}.{key}", level.path));
            }
        }
    }

    fn key(&mut self, level: &Level, entry: &Entry) {
        match entry.key.as_str() {
            "teleport" => self.section(&TELEPORT, entry),
            "ssh_service" => self.section(&SSH_SERVICE, entry),
            "enhanced_recording" => self.section(&ENHANCED_RECORDING, entry),
            "enabled" if level.path == SSH_SERVICE.path => {
                self.set(entry, boolean, |reader| &mut reader.service_enabled)
            }
            "enabled" => self.set(entry, boolean, |reader| &mut reader.config.enabled),
            "command_buffer_size" => self.set(
                entry,
                |node| pages(node, COMMAND_BUFFER_PAGES),
                |reader| &mut reader.config.command_buffer_pages,
            ),
            "disk_buffer_size" => self.set(
                entry,
                |node| pages(node, DISK_BUFFER_PAGES),
                |reader| &mut reader.config.disk_buffer_pages,
            ),
            "network_buffer_size" => self.set(
                entry,
                |node| pages(node, NETWORK_BUFFER_PAGES),
                |reader| &mut reader.config.network_buffer_pages,
            ),
            "network_silence_seconds" => {
                self.set(entry, silence, |reader| &mut reader.config.network_silence)
            }
            "cgroup_path" => self.set(entry, path, |reader| &mut reader.config.cgroup_path),
            "root_path" => self.set(entry, cgroup_root, |reader| &mut reader.config.root_path),
            "data_dir" => self.set(entry, path, |reader| &mut reader.config.data_dir),
            "nodename" => self.set(entry, name, |reader| &mut reader.config.nodename),
            "cluster_name" => self.set(entry, name, |reader| &mut reader.config.cluster_name),
            "environment" => self.set(entry, environment, |reader| &mut reader.config.environment),
            "required" => self.set(entry, families, |reader| &mut reader.config.required),
            "login_types" => self.set(
                entry,
                // The first stands for none.
                |node| {
                    filter::names(node, ("a type of login", "types of logins"), &LOGINS[1..])
                        .map(|bits| bits << 1)
                },
                |reader| &mut reader.config.logins,
            ),
            "record" => self.section(&RECORD, entry),
            "families" => self.set(entry, families, |reader| &mut reader.config.filter.families),
            "users" => self.shares(entry, |filter| &mut filter.users),
            "groups" => self.shares(entry, |filter| &mut filter.groups),
            "leave_out" => self.section(&LEAVE_OUT, entry),
            "disk" => self.section(&LEAVE_OUT_DISK, entry),
            "privilege" => self.section(&LEAVE_OUT_PRIVILEGE, entry),
            "operations" if level.path == LEAVE_OUT_DISK.path => self.set(
                entry,
                |node| filter::operations(node, &DISK_OPERATIONS),
                |reader| &mut reader.config.filter.disk_operations,
            ),
            "operations" => self.set(
                entry,
                // The first stands for none.
                |node| filter::operations(node, &PRIVILEGE_OPERATIONS[1..]).map(|bits| bits << 1),
                |reader| &mut reader.config.filter.privilege_operations,
            ),
            "paths" => self.set(entry, filter::patterns, |reader| {
                &mut reader.config.filter.paths
            }),
            "except" => self.set(entry, filter::patterns, |reader| {
                &mut reader.config.filter.except
            }),
            "plan" => self.set(entry, plan, |reader| &mut reader.config.plan),
            "btf_path" => self.set(
                entry,
                |node| path(node).map(Some),
                |reader| &mut reader.config.btf_path,
            ),
            "output" => self.set(entry, outputs, |reader| &mut reader.config.output),
            "metrics_file" => self.set(
                entry,
                |node| path(node).map(Some),
                |reader| &mut reader.config.metrics_file,
            ),
            "syslog_socket" => self.set(entry, path, |reader| &mut reader.config.syslog_socket),
            "journald_socket" => self.set(entry, path, |reader| &mut reader.config.journald_socket),
            "fsync" => self.set(entry, fsync, |reader| &mut reader.config.fsync),
            "log_file_size" => self.set(entry, size, |reader| &mut reader.config.log.file_size),
            "log_total_size" => self.set(entry, size, |reader| &mut reader.config.log.total_size),
            "log_days" => self.set(entry, days, |reader| &mut reader.config.log.days),
            // Only `labels` is left of the keys in use.
            _ => self.labels(entry),
        }
    }

    /// Reads the value of `entry` into its place; an absent value leaves the default there.
    fn set<T>(
        &mut self,
        entry: &Entry,
        read: impl FnOnce(&Node) -> Result<T, String>,
        place: impl FnOnce(&mut Reader) -> &mut T,
    ) {
        if entry.value.is_absent() {
            return;
        }
        match read(&entry.value) {
            Ok(value) => *place(self) = value,
            Err(reason) => self.problem(entry.line, format!("{}: {reason}", entry.key)),
        }
    }

    /// The entries of a value that has to be a mapping; none when it is absent or something else.
    fn entries<'node>(&mut self, entry: &'node Entry) -> &'node [Entry] {
        if let Kind::Mapping(entries) = &entry.value.kind {
            return entries;
        }
        if !entry.value.is_absent() {
            let shown = entry.value.describe();
            let reason = "is not a mapping; write its keys below it, further indented";
            self.problem(entry.line, format!("{}: {shown} {reason}", entry.key));
        }
        &[]
    }

    fn section(&mut self, level: &Level, entry: &Entry) {
        let entries = self.entries(entry);
        self.level(level, entries);
    }

    /// Families by the name of an account or a group.
    fn shares(
        &mut self,
        entry: &Entry,
        place: impl Fn(&mut Filter) -> &mut Vec<(String, Vec<Family>)>,
    ) {
        for share in self.entries(entry) {
            match families(&share.value) {
                Ok(families) => {
                    place(&mut self.config.filter).push((share.key.clone(), families));
                }
                Err(reason) => {
                    let key = yaml::printable(&share.key);
                    self.problem(share.line, format!("{}.{key}: {reason}", entry.key));
                }
            }
        }
    }

    fn labels(&mut self, entry: &Entry) {
        for label in self.entries(entry) {
            match text(&label.value) {
                Ok(value) => self.config.labels.push((label.key.clone(), value)),
                Err(reason) => {
                    let key = yaml::printable(&label.key);
                    self.problem(label.line, format!("labels.{key}: {reason}"));
                }
            }
        }
    }
}

fn boolean(node: &Node) -> Result<bool, String> {
    // Quotes are allowed: the guide's files have "yes" and "no" in them.
    if let Kind::Scalar { text, .. } = &node.kind {
        match text.as_str() {
            "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => {
                return Ok(true);
            }
            "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => {
                return Ok(false);
            }
            _ => {}
        }
    }
    let shown = node.describe();
    Err(format!("{shown} is not a boolean; write true or false"))
}

/// A whole number, or nothing if it is something else.
fn number(node: &Node) -> Result<Option<i64>, String> {
    match &node.kind {
        Kind::Scalar { text, plain: true } => Ok(integer(text)),
        Kind::Scalar { plain: false, .. } => Err(format!(
            "{} is in quotes, so not a number; remove the quotes",
            node.describe()
        )),
        _ => Ok(None),
    }
}

fn silence(node: &Node) -> Result<Duration, String> {
    let seconds = number(node)?.and_then(|number| u32::try_from(number).ok());
    let seconds = seconds.filter(|seconds| (1..=NETWORK_SILENCE_LIMIT).contains(seconds));
    seconds
        .map(|seconds| Duration::from_secs(seconds.into()))
        .ok_or_else(|| {
            format!(
                "{} is not a number of seconds from 1 to {NETWORK_SILENCE_LIMIT}; \
             {NETWORK_SILENCE_SECONDS} is the default",
                node.describe()
            )
        })
}

/// A ring buffer size; `default` when it is 0.
fn pages(node: &Node, default: u32) -> Result<u32, String> {
    let shown = node.describe();
    let Some(number) = number(node)? else {
        return Err(format!(
            "{shown} is not a number of pages; write a power of two, such as {default}"
        ));
    };
    if number < 0 {
        return Err(format!(
            "{shown} is negative; write 0 for the default of {default}"
        ));
    }
    match u32::try_from(number) {
        Ok(0) => Ok(default),
        Ok(number) if number <= BUFFER_PAGES_LIMIT => {
            if number.is_power_of_two() {
                return Ok(number);
            }
            let above = number.next_power_of_two();
            let below = above / 2;
            let nearest = if number - below < above - number {
                below
            } else {
                above
            };
            Err(format!(
                "{shown} is not a power of two; {nearest} is the nearest"
            ))
        }
        _ => Err(format!(
            "{shown} is more than {BUFFER_PAGES_LIMIT} pages; {BUFFER_PAGES_LIMIT} is the most"
        )),
    }
}

/// A YAML integer: decimal with an optional sign, or unsigned after `0x` or `0o`.
fn integer(text: &str) -> Option<i64> {
    let (digits, radix) = if let Some(digits) = text.strip_prefix("0x") {
        (digits, 16)
    } else if let Some(digits) = text.strip_prefix("0o") {
        (digits, 8)
    } else {
        (text.strip_prefix(['-', '+']).unwrap_or(text), 10)
    };
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    // A number too large for 64 bits is as wrong as the largest one that is not.
    let number = i64::from_str_radix(digits, radix).unwrap_or(i64::MAX);
    Some(if text.starts_with('-') {
        -number
    } else {
        number
    })
}

fn text(node: &Node) -> Result<String, String> {
    match &node.kind {
        Kind::Scalar { .. } if node.is_absent() => Ok(String::new()),
        Kind::Scalar { text, .. } => Ok(text.clone()),
        _ => Err(format!(
            "{} is not text; write one value after the colon",
            node.describe()
        )),
    }
}

fn name(node: &Node) -> Result<Option<String>, String> {
    text(node).map(Some)
}

/// A list of names of environment variables.
fn environment(node: &Node) -> Result<Vec<String>, String> {
    let Kind::Sequence(items) = &node.kind else {
        let shown = node.describe();
        return Err(format!(
            "{shown} is not a list; write names as in [LD_PRELOAD, LD_AUDIT]"
        ));
    };
    if items.len() > VARIABLES {
        return Err(format!(
            "{} names are too many; {VARIABLES} is the most",
            items.len()
        ));
    }
    let name = |item: &Node| {
        let name = text(item)?;
        let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if name.is_empty() || name.len() > VARIABLE_LENGTH || !name.bytes().all(good) {
            return Err(format!(
                "{} is not a name of 1 to {VARIABLE_LENGTH} letters, digits and underscores; \
                 correct or remove it",
                item.describe()
            ));
        }
        Ok(name)
    };
    items.iter().map(name).collect()
}

/// A list of names of families.
fn families(node: &Node) -> Result<Vec<Family>, String> {
    let known = Family::ALL.map(Family::name).join(", ");
    let Kind::Sequence(items) = &node.kind else {
        let shown = node.describe();
        return Err(format!(
            "{shown} is not a list; write families as in [{known}]"
        ));
    };
    let family = |item: &Node| {
        let name = text(item)?;
        let mut all = Family::ALL.into_iter();
        all.find(|family| family.name() == name)
            .ok_or_else(|| format!("{} is not a family; these are: {known}", item.describe()))
    };
    items.iter().map(family).collect()
}

/// A way to hook system calls.
fn plan(node: &Node) -> Result<Option<plan::Kind>, String> {
    let all = plan::Kind::ALL;
    let kind = text(node)
        .ok()
        .and_then(|text| all.into_iter().find(|kind| kind.name() == text));
    kind.map(Some).ok_or_else(|| {
        let known = all.map(plan::Kind::name).join(" or ");
        format!("{} is not a plan; write {known}", node.describe())
    })
}

fn absolute(node: &Node) -> Result<String, String> {
    let text = text(node)?;
    let shown = node.describe();
    if !text.starts_with('/') {
        return Err(format!(
            "{shown} is not an absolute path; begin it with \"/\""
        ));
    }
    if text.contains('\0') {
        return Err(format!("{shown} has a NUL character in it; remove it"));
    }
    Ok(text)
}

fn path(node: &Node) -> Result<PathBuf, String> {
    absolute(node).map(PathBuf::from)
}

fn cgroup_root(node: &Node) -> Result<String, String> {
    let text = absolute(node)?;
    if text.split('/').any(|component| component == "..") {
        let shown = node.describe();
        return Err(format!(
            "{shown} leads upwards with \"..\"; write the path without it"
        ));
    }
    Ok(text)
}

fn fsync(node: &Node) -> Result<Sync, String> {
    match &node.kind {
        Kind::Scalar { text, .. } if text == "per-event" => Ok(Sync::PerEvent),
        Kind::Scalar { text, .. } if text == "interval" => Ok(Sync::Interval),
        Kind::Scalar { text, .. } if text == "session-end" => Ok(Sync::SessionEnd),
        _ => {
            let shown = node.describe();
            Err(format!(
                "{shown} is not a policy; write per-event, interval or session-end"
            ))
        }
    }
}

/// A number of bytes, with or without a unit; 0 is no limit.
fn size(node: &Node) -> Result<u64, String> {
    let shown = node.describe();
    let reason = format!("{shown} is not a size; write a number of bytes, or one such as 500M");
    let text = text(node).map_err(|_| reason.clone())?;
    let units = [("K", 10), ("M", 20), ("G", 30), ("T", 40)];
    let (digits, shift) = units
        .iter()
        .find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, *shift)))
        .unwrap_or((&text, 0));
    let number = integer(digits).and_then(|number| u64::try_from(number).ok());
    let size = number.and_then(|number| number.checked_mul(1 << shift));
    match size {
        Some(size) if (1..SMALLEST_SIZE).contains(&size) => Err(format!(
            "{shown} is less than {SMALLEST_SIZE} bytes; write more, or 0 for no limit"
        )),
        Some(size) => Ok(size),
        None => Err(reason),
    }
}

/// A number of days; 0 is no limit.
fn days(node: &Node) -> Result<u64, String> {
    let number = match &node.kind {
        Kind::Scalar { text, plain: true } => integer(text),
        _ => None,
    };
    number
        .and_then(|number| u64::try_from(number).ok())
        .ok_or_else(|| {
            let shown = node.describe();
            format!("{shown} is not a number of days; write one, or 0 for no limit")
        })
}

/// One output, or a list of them.
fn outputs(node: &Node) -> Result<Vec<Output>, String> {
    let items = match &node.kind {
        Kind::Sequence(items) => items,
        _ => std::slice::from_ref(node),
    };
    let known = Output::ALL.map(Output::name).join(", ");
    let mut outputs = Vec::new();
    for item in items {
        let name = match &item.kind {
            Kind::Scalar { text, .. } => text.as_str(),
            _ => "",
        };
        let found = Output::ALL.into_iter().find(|output| output.name() == name);
        let shown = item.describe();
        match found {
            None => return Err(format!("{shown} is not an output; these are: {known}")),
            Some(output) if outputs.contains(&output) => {
                return Err(format!("{shown} is there twice; remove one"));
            }
            Some(output) => outputs.push(output),
        }
    }
    match outputs.is_empty() {
        true => Err(format!("there is none in the list; write one of: {known}")),
        false => Ok(outputs),
    }
}

#[cfg(test)]
mod tests;
