//! From the tree of a file to its config.

use std::path::PathBuf;

use super::filter::{self, Filter};
use super::keys::{
    self, ENHANCED_RECORDING, GUIDE, GUIDE_MARKS, LEAVE_OUT, LEAVE_OUT_DISK, LEAVE_OUT_PRIVILEGE,
    Level, OWN, RECORD, SSH_SERVICE, TELEPORT,
};
use super::value::{
    boolean, cgroup_root, days, environment, families, fsync, name, outputs, overload, pages, path,
    plan, silence, size, text,
};
use super::yaml::{self, Entry, Kind, Node, Problem};
use super::{COMMAND_BUFFER_PAGES, Config, DISK_BUFFER_PAGES, Loaded, NETWORK_BUFFER_PAGES};
use crate::abi::{DISK_OPERATIONS, LOGINS, PRIVILEGE_OPERATIONS, login};
use crate::base::Family;

/// Goes through the tree and gathers the config and everything wrong with it.
pub struct Reader {
    config: Config,
    /// The guide's `ssh_service.enabled`; without the service there is nothing to record.
    service_enabled: bool,
    /// Paths of the keys that are known and have no effect.
    ignored: Vec<String>,
    problems: Vec<Problem>,
}

impl Reader {
    /// What a file says, or the lines that show its operator what is wrong with it. `name` is the
    /// file's name in them.
    pub fn read(name: &str, text: &str) -> Result<Loaded, Vec<String>> {
        let (root, problems) = yaml::parse(text);
        let mut reader = Self {
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
                    let types = &LOGINS[1..=login::SU as usize];
                    filter::names(node, ("a type of login", "types of logins"), types)
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
            "overload" => self.set(entry, overload, |reader| &mut reader.config.overload),
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
