//! A session as a tree of its processes.

use std::collections::HashMap;
use std::fmt::Write;
use std::ops::ControlFlow;

use crate::reader::log::{Event, is_common};

use super::summary::Summary;
use crate::family::describe::{path, shown};
use crate::family::{EventType, changes};

/// The processes of one session, and what each did. Opens that change nothing are only counted.
pub struct Tree {
    /// The session in short.
    pub summary: Summary,
    /// The first is the session itself, for what no process did.
    pub processes: Vec<Process>,
    /// How often files were opened that are only counted, and how often that failed. Only if asked for.
    pub opened: HashMap<String, (u64, u64)>,
    lists_opened: bool,
    /// Whether opens that change nothing are only counted.
    folds: bool,
    by_pid: HashMap<i64, usize>,
    /// Events by their `uid`, that may have an outcome yet: process, and place in it.
    by_uid: HashMap<u128, (usize, usize)>,
    /// Counts what is added.
    order: u64,
    /// The next `ei`.
    next: i64,
}

/// A process of the session.
#[derive(Default)]
pub struct Process {
    /// Its id in the host's namespace; 0 of the session itself.
    pub pid: i64,
    /// The kernel's name of it, when it ran the command that stands for it, or first did something.
    pub program: String,
    /// Its place in [`Tree::processes`] is less deep than this one's, or it is the session.
    pub parent: usize,
    /// What it did and which processes it began, in their order.
    pub entries: Vec<Entry>,
    /// Files opened, of those that are only counted.
    pub opened: u64,
    /// Files that could not be opened, of the same.
    pub refused: u64,
    order: u64,
    /// The order of the command that stands for it, and whether that could be run.
    command: Option<(u64, bool)>,
    /// That command, whether it is wanted or not.
    stands: Option<Box<str>>,
    is_parent: bool,
    /// Whether more is known of it than its id.
    has_acted: bool,
}

/// What a process did.
pub struct Entry {
    /// Grows with time through all processes.
    pub order: u64,
    /// What it is.
    pub what: What,
}

/// What an entry is.
pub enum What {
    /// An event without what is the same in all of the session, and what became of it: an event
    /// that names it.
    Event(Box<str>, Option<Box<str>>),
    /// Events of these numbers are not in the log.
    Gap(i64, i64),
    /// A process was begun.
    Process(usize),
}

/// A step through the tree.
pub enum Step<'a> {
    /// A process, and how deep it is; the session itself is 0 deep.
    Enter(usize, usize),
    /// What a process did, and how deep that is.
    Entry(usize, &'a Entry, usize),
    /// All of a process has been.
    Leave(usize, usize),
}

impl Tree {
    /// Begins with the first event of the session; it has to be added too. `lists_opened` says
    /// whether files that are only counted are kept by name, and `folds` whether any are only counted.
    pub fn new(event: &Event<'_>, lists_opened: bool, folds: bool) -> Self {
        Self {
            summary: Summary::new(event),
            processes: vec![Process::default()],
            opened: HashMap::new(),
            lists_opened,
            folds,
            by_pid: HashMap::new(),
            by_uid: HashMap::new(),
            order: 0,
            next: event.number("ei").unwrap_or(0),
        }
    }

    /// Adds an event; `wanted` says whether it is shown, or only tells where others belong.
    pub fn add(&mut self, event: &Event<'_>, wanted: bool) {
        self.summary.add(event);
        self.order += 1;
        if let Some(index) = event.number("ei") {
            if index > self.next {
                self.push(0, What::Gap(self.next, index - 1));
            }
            self.next = self.next.max(index.saturating_add(1));
        }
        let place = self.place(event);
        let what = EventType::of(event);
        if what == Some(EventType::ProcessExit)
            && let Some(pid) = event.number("pid")
        {
            self.by_pid.remove(&pid);
        }
        if !wanted {
            return;
        }
        if self.folds && what == Some(EventType::Disk) && !changes(event) {
            let process = &mut self.processes[place];
            let failed = event.number("return_code").is_some_and(|code| code < 0);
            match failed {
                true => process.refused += 1,
                false => process.opened += 1,
            }
            if self.lists_opened {
                let uses = self.opened.entry(path(event)).or_default();
                uses.0 += 1;
                uses.1 += u64::from(failed);
            }
            return;
        }
        if !self.is_outcome(event) {
            if let Some(uid) = id(&event.text("uid").unwrap_or_default()) {
                let entry = (place, self.processes[place].entries.len());
                self.by_uid.insert(uid, entry);
            }
            self.push(place, What::Event(kept(event), None));
        }
    }

    fn push(&mut self, place: usize, what: What) {
        let order = self.order;
        self.processes[place].entries.push(Entry { order, what });
    }

    /// Adds an event that names another to that one, if it is there: `command_uid`, `network_uid`.
    fn is_outcome(&mut self, event: &Event<'_>) -> bool {
        for (key, _) in event.own().filter(|(key, _)| key.ends_with("_uid")) {
            let of = event.text(key).and_then(|of| id(&of));
            if let Some((process, entry)) = of.and_then(|of| self.by_uid.remove(&of))
                && let Some(entry) = self.processes[process].entries.get_mut(entry)
                && let What::Event(_, outcome) = &mut entry.what
            {
                *outcome = Some(kept(event));
                return true;
            }
        }
        false
    }

    /// The process that an event is of.
    fn place(&mut self, event: &Event<'_>) -> usize {
        let Some(pid) = event.number("pid") else {
            return 0;
        };
        let place = self.process(pid);
        if !self.processes[place].has_acted {
            self.processes[place].has_acted = true;
            self.processes[place].program = shown(event, "program");
        }
        // What a process did before its first command tells nothing of its parent.
        if let Some(parent) = event.number("ppid").map(|parent| self.process(parent))
            && self.processes[place].parent == 0
            && !(self.processes[place].is_parent && self.is_below(parent, place))
            && parent != place
        {
            self.processes[place].parent = parent;
            self.processes[parent].is_parent = true;
        }
        if EventType::of(event) == Some(EventType::Command) {
            let process = &mut self.processes[place];
            let runs = event.number("return_code").is_none_or(|code| code >= 0);
            // A shell tries one folder after the other.
            if process
                .command
                .is_none_or(|(_, other_runs)| runs && !other_runs)
            {
                process.command = Some((self.order, runs));
                process.stands = Some(kept(event));
                process.program = shown(event, "program");
            }
        }
        place
    }

    fn process(&mut self, pid: i64) -> usize {
        let new = self.processes.len();
        let place = *self.by_pid.entry(pid).or_insert(new);
        if place == new {
            self.processes.push(Process {
                pid,
                order: self.order,
                ..Process::default()
            });
        }
        place
    }

    fn is_below(&self, mut place: usize, other: usize) -> bool {
        while place != 0 && place != other {
            place = self.processes[place].parent;
        }
        place == other
    }

    /// Puts each process that has something to show into its parent. To be called once all is added.
    pub fn join(&mut self) {
        self.by_pid = HashMap::new();
        self.by_uid = HashMap::new();
        // Of some only the id is known, as it is of the one that began the first.
        for place in 1..self.processes.len() {
            let parent = self.processes[place].parent;
            if !self.processes[parent].has_acted {
                self.processes[place].parent = 0;
            }
        }
        let mut has_content = vec![false; self.processes.len()];
        has_content[0] = true;
        for place in 1..self.processes.len() {
            let process = &self.processes[place];
            let mut at = place;
            if process.entries.is_empty() && process.opened + process.refused == 0 {
                continue;
            }
            while !has_content[at] {
                has_content[at] = true;
                at = self.processes[at].parent;
            }
        }
        for place in (1..self.processes.len()).filter(|place| has_content[*place]) {
            let Process { parent, order, .. } = self.processes[place];
            let what = What::Process(place);
            self.processes[parent].entries.push(Entry { order, what });
        }
        for process in &mut self.processes {
            process.entries.sort_by_key(|entry| entry.order);
        }
    }

    /// Goes through all of it, depth first.
    pub fn walk(&self, visit: &mut dyn FnMut(Step<'_>) -> ControlFlow<()>) -> ControlFlow<()> {
        visit(Step::Enter(0, 0))?;
        let mut path = vec![(0, 0)];
        while let Some(depth) = path.len().checked_sub(1) {
            let (process, next) = &mut path[depth];
            let process = *process;
            match self.processes[process].entries.get(*next) {
                None => {
                    visit(Step::Leave(process, depth))?;
                    path.pop();
                }
                Some(entry) => {
                    *next += 1;
                    match entry.what {
                        What::Process(place) => {
                            visit(Step::Enter(place, depth + 1))?;
                            path.push((place, 0));
                        }
                        _ => visit(Step::Entry(process, entry, depth))?,
                    }
                }
            }
        }
        ControlFlow::Continue(())
    }
}

impl Process {
    /// The first command it ran, or else could not run, which stands for it. Not there if it isn't
    /// wanted.
    pub fn command(&self) -> Option<&Entry> {
        let (order, _) = self.command?;
        let found = self
            .entries
            .binary_search_by_key(&order, |entry| entry.order);
        self.entries.get(found.ok()?)
    }

    /// The event of the command that stands for it, even if that isn't wanted.
    pub fn stands(&self) -> Option<Event<'_>> {
        Event::parse(self.stands.as_ref()?.as_bytes())
    }

    /// Whether an entry of it stands for it.
    pub fn is_command(&self, entry: &Entry) -> bool {
        self.command.is_some_and(|(order, _)| order == entry.order)
    }
}

/// What is worth keeping of an event, as JSON.
fn kept(event: &Event<'_>) -> Box<str> {
    let mut out = String::with_capacity(event.line.len());
    for (key, value) in event.members() {
        if !is_common(key) || matches!(*key, "ei" | "event" | "uid" | "time") {
            let before = if out.is_empty() { '{' } else { ',' };
            let _ = write!(out, "{before}\"{key}\":{value}");
        }
    }
    out.push('}');
    out.into_boxed_str()
}

fn id(text: &str) -> Option<u128> {
    uuid::Uuid::try_parse(text).ok().map(|id| id.as_u128())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(events: &[&str]) -> Tree {
        let lines: Vec<String> = events
            .iter()
            .map(|rest| format!(r#"{{"time":"2023-07-04T00:00:00Z","sid":"s",{rest}}}"#))
            .collect();
        let mut tree = Tree::new(&Event::parse(lines[0].as_bytes()).unwrap(), false, true);
        for line in &lines {
            tree.add(&Event::parse(line.as_bytes()).unwrap(), true);
        }
        tree.join();
        tree
    }

    /// Which processes there are, with their depth.
    fn shape(tree: &Tree) -> Vec<(i64, usize)> {
        let mut found = Vec::new();
        let _ = tree.walk(&mut |step| {
            if let Step::Enter(place, depth) = step {
                found.push((tree.processes[place].pid, depth));
            }
            ControlFlow::Continue(())
        });
        found
    }

    #[test]
    fn processes_are_below_those_that_began_them() {
        let found = tree(&[
            r#""event":"session.command","pid":1,"ppid":9"#,
            r#""event":"session.disk","pid":2,"path":"/out","flags":1"#,
            r#""event":"session.command","pid":2,"ppid":1"#,
            r#""event":"session.command","pid":3,"ppid":2"#,
            r#""event":"session.process_exit","pid":2"#,
            r#""event":"session.command","pid":2,"ppid":3"#,
            r#""event":"session.command","pid":4,"ppid":6"#,
            r#""event":"session.command","pid":6,"ppid":1"#,
            r#""event":"session.command","pid":7,"ppid":77"#,
            r#""event":"session.disk","pid":5,"path":"/in","flags":0"#,
        ]);
        let expected = [
            (0, 0),
            (1, 1),
            (2, 2),
            (3, 3),
            (2, 4),
            (6, 2),
            (4, 3),
            (7, 1),
            (5, 1),
        ];
        assert_eq!(shape(&found), expected);
        let last = found.processes.last().unwrap();
        assert_eq!((last.opened, last.refused, last.entries.len()), (1, 0, 0));
    }

    #[test]
    fn no_process_is_below_itself() {
        let found = tree(&[
            r#""event":"session.disk","pid":1,"path":"/a","flags":1"#,
            r#""event":"session.command","pid":2,"ppid":1"#,
            r#""event":"session.command","pid":1,"ppid":2"#,
            r#""event":"session.command","pid":3,"ppid":3"#,
        ]);
        assert_eq!(shape(&found), [(0, 0), (1, 1), (2, 2), (3, 1)]);
    }

    #[test]
    fn a_chain_of_any_length_is_walked() {
        let lines: Vec<String> = (1..100_000)
            .map(|pid| {
                format!(
                    r#""event":"session.command","pid":{pid},"ppid":{}"#,
                    pid - 1
                )
            })
            .collect();
        let found = tree(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(shape(&found).last(), Some(&(99_999, 99_999)));
    }

    #[test]
    fn an_outcome_stands_with_its_event() {
        const UID: &str = "01010101-0101-4101-8101-010101010101";
        let found = tree(&[
            &format!(r#""event":"session.network","pid":1,"ei":0,"uid":"{UID}""#),
            &format!(r#""event":"session.network_result","pid":1,"ei":1,"network_uid":"{UID}""#),
            &format!(r#""event":"session.network_result","pid":1,"ei":4,"network_uid":"{UID}""#),
        ]);
        let entries = &found.processes[1].entries;
        assert_eq!(entries.len(), 2);
        assert!(
            matches!(&entries[0].what, What::Event(_, Some(result)) if result.contains("_result"))
        );
        let gap = &found.processes[0].entries.last().unwrap().what;
        assert!(matches!(gap, What::Gap(2, 3)));
        assert_eq!(found.summary.lost, 2);
    }
}
