//! From the tree of a file to its config.

use super::error::{Cause, Fault, Hint, Problem, Refused, ValueError};
use super::keys::{children, join, keys};
use super::table::Key;
use super::value::{Wrong, boolean, mapping};
use super::yaml::{self, Entry, Kind, Node};
use super::{Config, Loaded, guide};
use crate::base::nearest;

/// Which keys a file has, and where.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    Own,
    Guide,
}

impl Form {
    fn of(entries: &[Entry]) -> Self {
        let is_mark = |entry: &Entry| guide::MARKS.contains(&entry.key.as_str());
        match entries.iter().any(is_mark) {
            true => Self::Guide,
            false => Self::Own,
        }
    }

    /// Where a key stands.
    fn path(self, key: &Key) -> &'static str {
        match self {
            Self::Own => key.name,
            Self::Guide => key.guide,
        }
    }

    fn default(self, key: &Key) -> &'static str {
        match self {
            Self::Own => key.default,
            Self::Guide => key.guide_default,
        }
    }

    /// Where the keys stand that have no effect.
    fn ignored(self) -> &'static [&'static str] {
        match self {
            Self::Own => &[],
            Self::Guide => guide::IGNORED,
        }
    }

    /// Where all keys stand that have an effect.
    fn used(self) -> impl Iterator<Item = &'static str> {
        let service = (self == Self::Guide).then_some(guide::SERVICE);
        service
            .into_iter()
            .chain(keys().map(move |key| self.path(key)))
    }

    /// What to do about a `key` that is unknown below `path`.
    fn hint(self, path: &str, key: &str) -> Hint {
        let moved = keys().filter(|key| key.guide != key.name);
        let paths = [guide::SERVICE]
            .into_iter()
            .chain(moved.map(|key| key.guide));
        for full in paths {
            let mut parents = full.match_indices('.').map(|(end, _)| &full[..end]);
            let parent = parents.find(|parent| {
                let rest = &full[parent.len() + 1..];
                rest.split('.').next() == Some(key)
            });
            if let Some(parent) = parent {
                return Hint::BelongsUnder(parent.to_owned());
            }
        }
        let mut known = children(self.used(), path);
        known.extend(children(self.ignored().iter().copied(), path));
        match nearest(known.iter().copied(), key) {
            Some(name) => Hint::DidYouMean(name),
            None => Hint::KnownHere(known),
        }
    }
}

/// Goes through the tree and gathers the config and everything wrong with it.
pub struct Reader {
    config: Config,
    form: Form,
    /// The guide's [`guide::SERVICE`].
    service_enabled: bool,
    /// Paths of the keys that are known and have no effect.
    ignored: Vec<String>,
    problems: Vec<Problem>,
}

impl Reader {
    /// What a file says, or what is wrong with it. `name` is the file's name in that.
    pub fn read(name: &str, text: &str) -> Result<Loaded, Refused> {
        let (root, flaws) = yaml::parse(text);
        let problem = |(line, flaw)| Problem {
            line,
            fault: Fault::Yaml(flaw),
        };
        let mut reader = Self {
            config: Config::default(),
            form: Form::Own,
            service_enabled: true,
            ignored: Vec::new(),
            problems: flaws.into_iter().map(problem).collect(),
        };
        if let Some(root) = root {
            reader.file(&root);
        }
        reader.finish(name)
    }

    fn file(&mut self, root: &Node) {
        let Kind::Mapping(entries) = &root.kind else {
            if !root.is_absent() {
                self.problem(root.line, Fault::NoMapping(root.describe()));
            }
            return;
        };
        self.form = Form::of(entries);
        for key in keys() {
            let default = self.form.default(key);
            if default != key.default {
                let (node, _) = yaml::parse(default);
                let done = node.map(|node| (key.set)(&mut self.config, &node, default));
                debug_assert!(matches!(done, Some(Ok(()))), "{}", key.name);
            }
        }
        self.level("", entries);
    }

    fn finish(mut self, name: &str) -> Result<Loaded, Refused> {
        if !self.problems.is_empty() {
            self.problems.sort_by_key(|problem| problem.line);
            return Err(Refused {
                name: name.to_owned(),
                cause: Cause::Problems(self.problems),
            });
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

    fn problem(&mut self, line: usize, fault: Fault) {
        self.problems.push(Problem { line, fault });
    }

    /// What stands in the mapping at `path`.
    fn level(&mut self, path: &str, entries: &[Entry]) {
        for entry in entries {
            let name = entry.key.as_str();
            let full = join(path, name);
            // A point in a name would lead to another level.
            let is_name = !name.contains('.');
            let mut used = keys().filter(|_| is_name);
            if let Some(key) = used.find(|key| self.form.path(key) == full) {
                self.key(key, entry);
            } else if is_name && full == guide::SERVICE && self.form == Form::Guide {
                self.service(entry);
            } else if is_name && !children(self.form.used(), &full).is_empty() {
                match mapping(&entry.value) {
                    Ok(entries) => self.level(&full, entries),
                    Err(error) => self.value(entry.line, name.to_owned(), error),
                }
            } else if is_name && self.form.ignored().contains(&full.as_str()) {
                self.ignored.push(full);
            } else {
                let key = name.to_owned();
                let hint = self.form.hint(path, name);
                self.problem(entry.line, Fault::Unknown { key, hint });
            }
        }
    }

    /// Reads the value of `entry` into its place; an absent value leaves the default there.
    fn key(&mut self, key: &Key, entry: &Entry) {
        if entry.value.is_absent() {
            return;
        }
        let default = self.form.default(key);
        match (key.set)(&mut self.config, &entry.value, default) {
            Ok(()) => {}
            Err(Wrong::Whole(error)) => self.value(entry.line, entry.key.clone(), error),
            Err(Wrong::Entries(wrong)) => {
                for (line, name, error) in wrong {
                    self.value(line, join(&entry.key, &name), error);
                }
            }
        }
    }

    fn service(&mut self, entry: &Entry) {
        if entry.value.is_absent() {
            return;
        }
        match boolean(&entry.value, "") {
            Ok(enabled) => self.service_enabled = enabled,
            Err(error) => self.value(entry.line, entry.key.clone(), error),
        }
    }

    fn value(&mut self, line: usize, key: String, error: ValueError) {
        self.problem(line, Fault::Value { key, error });
    }
}
