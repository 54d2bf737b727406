//! The lines of one host's log, held against the checkpoints among them.

use memchr::memmem;

use super::finding::{Finding, What};
use crate::base::instant;
use crate::event::{Event, json};
use crate::seal::{Before, Checkpoint, Kind, Public, Tree, leaf};

/// How much later than it was due a checkpoint may be: a host can be busy. Seconds.
const SLACK: u64 = 60;

/// In the first so many bytes of a line its event is named.
const HEAD: usize = 64;

/// What is known of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Its name.
    pub file: String,
    /// How many lines it has.
    pub lines: u64,
    /// How many of them stand in front of its last checkpoint.
    pub sealed: u64,
    /// When that was.
    pub until: String,
    /// How many checkpoints it has.
    pub checkpoints: u64,
}

/// Takes a finding.
pub type Report<'a> = dyn FnMut(Finding) + 'a;

/// One host's log, line by line.
pub struct Chain {
    /// Keys that are known to be right: given, or named by a checkpoint that one of them has signed.
    vouched: Vec<Public>,
    /// Whether a key was given.
    has_key: bool,
    /// Whether lines come without the names of their files.
    is_stream: bool,
    account: Account,
    tree: Tree,
    /// The lines behind the last checkpoint, with it and without it.
    part: Tree,
    fresh: Tree,
    last: Option<Checkpoint>,
    /// In which line that was.
    at: u64,
    /// Whether the file has been found to differ before the last checkpoint.
    is_broken: bool,
    next_file: Option<Public>,
    /// Files that the recorder itself has removed.
    removed: Vec<String>,
    /// What stood in front of the first file that is here: the file, and the line that says so.
    wanted: Option<(Before, u64)>,
    /// First checkpoints that are listed beside the log.
    listed: Vec<Checkpoint>,
    present: Vec<String>,
    accounts: Vec<Account>,
}

impl Chain {
    /// Nothing is read yet. `keys` are those that the verifier has from elsewhere.
    pub fn new(keys: &[Public], is_stream: bool) -> Self {
        Self {
            vouched: keys.to_vec(),
            has_key: !keys.is_empty(),
            is_stream,
            account: Account::default(),
            tree: Tree::default(),
            part: Tree::default(),
            fresh: Tree::default(),
            last: None,
            at: 0,
            is_broken: false,
            next_file: None,
            removed: Vec::new(),
            wanted: None,
            listed: Vec::new(),
            present: Vec::new(),
            accounts: Vec::new(),
        }
    }

    /// Takes the list of first checkpoints that stands beside the log.
    pub fn list(&mut self, notes: &str) {
        let mut begin = 0;
        while begin < notes.len() {
            // Each is followed by an empty line.
            let text = notes[begin..].find("\n\n").map(|at| begin + at + 2);
            let end = text.and_then(|at| Some(at + notes[at..].find("\n\n")? + 1));
            let Some(end) = end else { return };
            if let Ok(checkpoint) = Checkpoint::open(&notes[begin..end]) {
                self.vouch(&checkpoint);
                self.listed.push(checkpoint);
            }
            begin = end + 1;
        }
    }

    /// What a right key has signed names the next right keys.
    fn vouch(&mut self, checkpoint: &Checkpoint) {
        if self.vouched.contains(&checkpoint.key) {
            self.vouched.extend(checkpoint.next_file);
        }
    }

    /// What is known of the files, in their order.
    pub fn accounts(&self) -> &[Account] {
        &self.accounts
    }

    /// The lines of another file come.
    pub fn begin(&mut self, file: &str, report: &mut Report<'_>) {
        self.end_file(report);
        self.account.file = file.to_owned();
        self.present.push(file.to_owned());
        (self.tree, self.part, self.fresh) = Default::default();
        self.at = 0;
        self.is_broken = false;
    }

    fn end_file(&mut self, report: &mut Report<'_>) {
        let account = std::mem::take(&mut self.account);
        if account.lines == 0 && account.file.is_empty() {
            return;
        }
        let behind = account.lines.saturating_sub(self.at);
        let is_rotated = |kind: Kind| kind == Kind::Close;
        match &self.last {
            _ if account.lines == 0 => {}
            _ if account.checkpoints == 0 => report(Finding {
                what: What::Missing,
                file: account.file.clone(),
                lines: (1, account.lines),
                times: Default::default(),
                text: "no checkpoint in this file".into(),
            }),
            Some(last) if is_rotated(last.kind) && behind > 0 && !self.is_stream => {
                report(tail(&account, last, self.at, behind));
            }
            _ => {}
        }
        self.accounts.push(account);
    }

    /// Takes the next line, without its line feed.
    pub fn line(&mut self, line: &[u8], report: &mut Report<'_>) {
        self.account.lines += 1;
        if names(line, b"\"event\":\"recorder.checkpoint\"") {
            match open(line) {
                Some(checkpoint) => self.checkpoint(checkpoint, report),
                None => {
                    self.report(What::Forged, "a checkpoint isn't what was signed", report);
                }
            }
        } else if names(line, b"\"event\":\"recorder.status\"")
            && let Some(event) = Event::parse(line)
            && text_of(&event, "reason").is_some_and(|reason| reason == "log_expired")
        {
            self.removed.extend(text_of(&event, "file"));
        }
        let leaf = leaf(line);
        self.tree.push(leaf);
        self.part.push(leaf);
        if self.is_stream && self.at != self.account.lines {
            self.fresh.push(leaf);
        }
    }

    /// Something is wrong between the last checkpoint and this line.
    fn report(&self, what: What, text: &str, report: &mut Report<'_>) {
        self.report_until(what, text, "", report);
    }

    fn report_until(&self, what: What, text: &str, until: &str, report: &mut Report<'_>) {
        let from = self.last.as_ref().map_or("", |last| &last.time);
        report(Finding {
            what,
            file: self.account.file.clone(),
            lines: (self.at.max(1), self.account.lines),
            times: (from.to_owned(), until.to_owned()),
            text: text.to_owned(),
        });
    }

    fn checkpoint(&mut self, checkpoint: Checkpoint, report: &mut Report<'_>) {
        let is_first = checkpoint.kind.is_of_file();
        let until = checkpoint.time.clone();
        let is_here = |last: &Checkpoint| last.file == checkpoint.file;
        if self.is_stream && is_first && !self.last.as_ref().is_some_and(is_here) {
            self.account.lines -= 1;
            let fresh = std::mem::take(&mut self.fresh);
            let account = Account {
                // Lines of several hosts can come in one stream.
                file: format!("{}/{}", checkpoint.server, checkpoint.file),
                lines: fresh.size() + 1,
                ..Account::default()
            };
            self.account.lines -= fresh.size();
            if self.account.lines > 0 {
                self.end_file(report);
            }
            (self.account, self.is_broken, self.at) = (account, false, 0);
            (self.tree, self.part) = (fresh.clone(), fresh);
        }
        if !self.is_stream && checkpoint.file != self.account.file {
            let text = format!("this is a checkpoint of {}", checkpoint.file);
            self.report_until(What::File, &text, &until, report);
        }
        let is_linked = match is_first {
            true => self.link_file(&checkpoint, report),
            false => self.link(&checkpoint, report),
        };
        if is_linked {
            self.compare(&checkpoint, report);
        } else {
            self.is_broken = true;
        }
        self.vouch(&checkpoint);
        self.account.checkpoints += 1;
        self.account.sealed = self.account.lines - 1;
        self.account.until = until;
        self.next_file = checkpoint.next_file.or(self.next_file);
        self.last = Some(checkpoint);
        self.at = self.account.lines;
        (self.part, self.fresh) = Default::default();
    }

    /// Whether the first checkpoint of a file follows from what is known; what does not is reported.
    fn link_file(&mut self, checkpoint: &Checkpoint, report: &mut Report<'_>) -> bool {
        let until = &checkpoint.time;
        let is_known = self.next_file == Some(checkpoint.key)
            || self.vouched.contains(&checkpoint.key)
            || (self.last.is_none() && !self.has_key);
        if checkpoint.kind == Kind::First && !is_known {
            let text = "a new chain begins here: the recorder didn't go on with the one before (the host crashed, or \
                        its state was removed), and no --key vouches for the new one";
            self.report_until(What::Chain, text, until, report);
        } else if !is_known {
            let text = "the key of this file isn't the one that was named for it";
            self.report_until(What::Missing, text, until, report);
        }
        let before = &checkpoint.before;
        match (&self.last, before) {
            (Some(last), Some(before)) if checkpoint.kind == Kind::Open => {
                let here = (&last.file, last.size, last.root);
                if here != (&before.file, before.size, before.root) {
                    let text = format!(
                        "the file before was {} with {} lines; here it is {} with {}, or its lines differ",
                        before.file, before.size, last.file, last.size
                    );
                    self.report_until(What::File, &text, until, report);
                }
            }
            (None, Some(before)) => self.wanted = Some((before.clone(), self.account.lines)),
            _ => {}
        }
        // What is in the file can be compared whatever was in front of it.
        true
    }

    /// Whether a checkpoint follows the last one; that it does not is reported.
    fn link(&self, checkpoint: &Checkpoint, report: &mut Report<'_>) -> bool {
        let until = &checkpoint.time;
        let Some(last) = self
            .last
            .as_ref()
            .filter(|last| last.file == checkpoint.file)
        else {
            let text = "the first checkpoint of the file is missing";
            self.report_until(What::Missing, text, until, report);
            return false;
        };
        if last.next != checkpoint.key {
            let text = match checkpoint.number.checked_sub(last.number + 1) {
                Some(missing @ 1..) => format!("{missing} checkpoints are missing"),
                _ => "a checkpoint isn't signed by the key that the one before names".into(),
            };
            self.report_until(What::Missing, &text, until, report);
            return false;
        }
        let is_expected = last.boot.0 == checkpoint.boot.0
            && !last.kind.is_last()
            && checkpoint.kind != Kind::Resume;
        let gap = checkpoint.boot.1.saturating_sub(last.boot.1) / 1000;
        if is_expected && gap > last.within.saturating_add(SLACK) {
            let text = format!(
                "no checkpoint for {gap} s, though one was due within {} s",
                last.within
            );
            self.report_until(What::Gap, &text, until, report);
        }
        true
    }

    /// Compares the lines with a checkpoint that follows the last one.
    fn compare(&mut self, checkpoint: &Checkpoint, report: &mut Report<'_>) {
        // The first one of a new chain is about all of the file.
        let tree = match checkpoint.kind {
            Kind::First => &self.tree,
            _ => &self.part,
        };
        let sealed = checkpoint.size.wrapping_sub(checkpoint.from);
        let here = tree.size();
        let text = match () {
            () if sealed != here => format!("{sealed} lines were sealed here; there are {here}"),
            () if tree.root() != checkpoint.part => {
                format!("one or more of these {here} lines are not what was sealed")
            }
            () if !self.is_broken
                && (self.tree.size(), self.tree.root()) != (checkpoint.size, checkpoint.root) =>
            {
                "the lines of the file before here are not what was sealed".to_owned()
            }
            () => return,
        };
        self.is_broken = true;
        self.report_until(What::Changed, &text, &checkpoint.time, report);
    }

    /// There are no more lines; the copy was made at `taken`, milliseconds since 1970-01-01 UTC.
    pub fn finish(&mut self, taken: i64, report: &mut Report<'_>) {
        let account = self.account.clone();
        let behind = account.lines.saturating_sub(self.at);
        self.end_file(report);
        if let Some((before, line)) = &self.wanted
            && !self.removed.contains(&before.file)
        {
            report(Finding {
                what: What::File,
                file: self
                    .accounts
                    .first()
                    .map_or_else(String::new, |it| it.file.clone()),
                lines: (1, *line),
                times: Default::default(),
                text: format!(
                    "the file before, {} with {} lines, is missing, and no recorder.status tells that it was removed",
                    before.file, before.size
                ),
            });
        }
        // Files in front of the oldest one went before it, as the last of them is accounted for.
        let oldest = self.present.iter().min().cloned().unwrap_or_default();
        for listed in &self.listed {
            if !self.is_stream
                && listed.file > oldest
                && self.vouched.contains(&listed.key)
                && !self.present.contains(&listed.file)
                && !self.removed.contains(&listed.file)
            {
                report(Finding {
                    what: What::File,
                    file: listed.file.clone(),
                    lines: (0, 0),
                    times: (listed.time.clone(), String::new()),
                    text: "the file is missing, and no recorder.status tells that it was removed"
                        .into(),
                });
            }
        }
        let Some(last) = &self.last else { return };
        if account.checkpoints == 0 {
            return;
        }
        let due = instant(&last.time).unwrap_or(0)
            + i64::try_from((last.within + SLACK) * 1000).unwrap_or(i64::MAX);
        match last.kind {
            // It was reported with its file.
            Kind::Close if behind > 0 && !self.is_stream => {}
            Kind::Close | Kind::End if behind > 0 => report(tail(&account, last, self.at, behind)),
            Kind::End => {}
            Kind::Close => report(Finding {
                text: "the file that was begun behind this one is missing".into(),
                ..tail(&account, last, self.at, 0)
            }),
            _ if taken > due => report(Finding {
                text: format!(
                    "the last checkpoint is of {}, and another one was due within {} s: the log was cut, or the \
                     recorder killed",
                    last.time, last.within
                ),
                ..tail(&account, last, self.at, behind)
            }),
            _ => {}
        }
    }
}

fn tail(account: &Account, last: &Checkpoint, at: u64, behind: u64) -> Finding {
    Finding {
        what: What::Tail,
        file: account.file.clone(),
        lines: (at, account.lines),
        times: (last.time.clone(), String::new()),
        text: format!("{behind} lines behind the last checkpoint aren't sealed"),
    }
}

fn names(line: &[u8], event: &[u8]) -> bool {
    memmem::find(&line[..line.len().min(HEAD)], event).is_some()
}

/// The checkpoint in a line, if its own key has signed it.
pub fn open(line: &[u8]) -> Option<Checkpoint> {
    let event = Event::parse(line)?;
    let checkpoint = Checkpoint::open(&text_of(&event, "checkpoint")?).ok()?;
    let is_same = text_of(&event, "kind")? == checkpoint.kind.name();
    is_same.then_some(checkpoint)
}

fn text_of(event: &Event<'_>, key: &str) -> Option<String> {
    let (_, value) = event.own().find(|(name, _)| *name == key)?;
    let mut found = None;
    json::strings(value, &mut |text| found = Some(text.into_owned()));
    found
}
