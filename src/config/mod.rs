//! The file an operator writes: what its keys mean, their defaults, and what is wrong with it.
//!
//! It comes in two forms. The own form has every key at the top level. The guide's form is the
//! file that Teleport's public guide gives for enhanced session recording; a file is in that form
//! when it has one of [`keys::GUIDE_MARKS`] at its top level.

mod change;
pub mod defaults;
mod filter;
mod keys;
mod reader;
mod value;
mod yaml;

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::{self, Family, Limits, Output, Sync};
pub use filter::{Filter, Pattern};
pub use keys::{KEYS, Key};
use reader::Reader;

/// Default size of the ring buffer for commands, in pages of 4 KiB (4 MiB): room for the longest
/// arguments that the kernel takes.
pub const COMMAND_BUFFER_PAGES: u32 = 1024;

/// Default size of the ring buffer for files, in pages of 4 KiB (8 MiB).
pub const DISK_BUFFER_PAGES: u32 = 2048;

/// Default size of the ring buffer for connections, in pages of 4 KiB (4 MiB): room for what is
/// done while the files before it are written.
pub const NETWORK_BUFFER_PAGES: u32 = 1024;

/// Largest size of one ring buffer, in pages of 4 KiB (256 MiB).
pub const BUFFER_PAGES_LIMIT: u32 = 65536;

/// Default of `network_silence_seconds`.
pub const NETWORK_SILENCE_SECONDS: u32 = 60;

/// Most of `network_silence_seconds`: a day.
pub const NETWORK_SILENCE_LIMIT: u32 = 86_400;

/// Most environment variables that can be shown.
pub const VARIABLES: usize = crate::abi::VARIABLE_COUNT;

/// Longest name of an environment variable that can be shown, in bytes.
pub const VARIABLE_LENGTH: usize = crate::abi::VARIABLE_WORDS * size_of::<u64>() - 1;

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
    /// What becomes of a session that makes more events than can be taken; default dropped.
    pub overload: Overload,
    /// When lines are brought to the disk; default within a second.
    pub fsync: Sync,
    /// Environment variables that session.command shows, by name: at most [`VARIABLES`], of at
    /// most [`VARIABLE_LENGTH`] bytes each.
    pub environment: Vec<String>,
    /// Families without which recording is not begun; default all.
    pub required: Vec<Family>,
    /// What is recorded of whose sessions, and what is left out.
    pub filter: Filter,
    /// Which logins are sessions: bits of [`LOGINS`](crate::abi::LOGINS); default those by
    /// SSH.
    pub logins: u64,
    /// Where the kernel's types are described, for a kernel that does not do so itself: an absolute
    /// path.
    pub btf_path: Option<PathBuf>,
    /// The one way to hook system calls; the best that works when `None`.
    pub plan: Option<base::Kind>,
}

/// What becomes of a session that makes more events than can be taken.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Overload {
    /// Its events are lost, and counted.
    Drop,
    /// It is held until what it has made is taken.
    Throttle,
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
            overload: Overload::Drop,
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
            let remedy = remedy(error.kind());
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
        Reader::read(name, text)
    }
}

/// What to do about a file that can't be read.
fn remedy(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::NotFound => "create it, or name another file with --config",
        ErrorKind::PermissionDenied => "make it readable to the user recorderd runs as",
        _ => "name a regular file with --config",
    }
}

#[cfg(test)]
mod tests;
