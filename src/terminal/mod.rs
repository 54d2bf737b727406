//! What was on the terminals of sessions: from a ring of its own to a file for each.

mod cast;
mod store;

use std::fmt::Write;
use std::io;
use std::path::Path;
use std::time::Duration;

use line::Buffer;
use rustc_hash::FxHashMap;
use sha2::{Digest, Sha256};

use crate::abi::{Head, TerminalOutput, read};
use crate::base::Limits;
use crate::event::Writer;
use crate::family::Stretch;
use crate::kernel::{Ring, Tables};
use crate::session::Table;
use cast::Cast;
use store::{FOLDER, Recording, Store};

/// How much is gathered before it is handed to the thread that writes it. Bytes.
const BATCH: usize = 64 << 10;

/// For how long a terminal is recorded until the log has a hash of that. Nanoseconds.
const STRETCH: u64 = 60 * 1_000_000_000;

/// All terminals that are being recorded.
pub struct Terminals {
    store: Store,
    /// Where in the ring records are that were not taken yet, with their times and sessions.
    waiting: Vec<(u64, u64, u64)>,
    /// By the keys of their sessions, in the order in which they began.
    sessions: FxHashMap<u64, Session>,
    /// When stretches were last looked at. Nanoseconds since boot.
    looked: u64,
}

#[derive(Default)]
struct Session {
    terminals: Vec<Terminal>,
    /// How many of them have begun.
    count: u64,
}

/// A terminal, and the recording of it.
struct Terminal {
    /// What tells it from others.
    terminal: u64,
    device: u32,
    cast: Cast,
    recording: Recording,
    /// The name of the file, in the folder of the host.
    file: String,
    /// Lines that are to be handed on.
    lines: Buffer,
    /// Whether another is in its place.
    is_over: bool,
    /// Bytes that are missing without a mark.
    unmarked: u64,
    part: Part,
}

/// What was recorded since the log had a hash.
#[derive(Default)]
struct Part {
    hash: Sha256,
    offset: u64,
    length: u64,
    bytes: u64,
    dropped: u64,
    /// Of the first and the last output. Nanoseconds since boot.
    times: Option<(u64, u64)>,
}

/// What it takes to write of sessions.
pub struct Place<'a> {
    /// Those that are open.
    pub table: &'a mut Table,
    /// What the probes keep.
    pub kernel: &'a mut Tables,
    /// Takes the lines.
    pub writer: &'a mut Writer,
}

impl Terminals {
    /// In the folder of a host, with a thread in which `first` is run before all else.
    ///
    /// # Errors
    /// The error of clone(2).
    pub fn start(host: &Path, limits: Limits, first: fn()) -> io::Result<Self> {
        Ok(Self {
            store: Store::start(host, limits, first)?,
            waiting: Vec::new(),
            sessions: FxHashMap::default(),
            looked: 0,
        })
    }

    /// Has other limits from now on.
    pub fn follow(&mut self, limits: Limits) {
        self.store.follow(limits);
    }

    /// Whether no record is left that was too young to be taken.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Takes note of all new records.
    pub fn scan(&mut self, ring: &mut Ring) {
        ring.scan(|position, bytes| {
            if let Some(head) = read::<Head>(bytes) {
                self.waiting.push((head.time, position, head.session));
            }
        });
    }

    /// Takes all records up to a time, in nanoseconds since boot.
    pub fn take(&mut self, until: u64, ring: &mut Ring, place: &mut Place<'_>) {
        self.take_if(ring, place, |time, _| time <= until);
        let first = self.waiting.iter().map(|(_, position, _)| *position).min();
        ring.release(first);
        for session in self.sessions.values_mut() {
            for terminal in &mut session.terminals {
                terminal.hand_on(&self.store);
            }
        }
    }

    fn take_if(&mut self, ring: &Ring, place: &mut Place<'_>, is_due: impl Fn(u64, u64) -> bool) {
        // Records of a terminal are in the ring in the order in which they were sent.
        let waiting = std::mem::take(&mut self.waiting);
        for (time, position, session) in waiting {
            match is_due(time, session) {
                true => self.record(ring.record(position), place),
                false => self.waiting.push((time, position, session)),
            }
        }
    }

    fn record(&mut self, record: &[u8], place: &mut Place<'_>) {
        let (Some(head), Some(fixed)) = (read::<Head>(record), read::<TerminalOutput>(record))
        else {
            return;
        };
        let behind = &record[size_of::<TerminalOutput>()..];
        let bytes = &behind[..behind.len().min(fixed.output_length as usize)];
        let Self {
            store, sessions, ..
        } = self;
        let session = sessions.entry(head.session).or_default();
        let is_same = |it: &Terminal| it.terminal == fixed.terminal && !it.is_over;
        let found = session.terminals.iter().position(is_same);
        // A terminal is given its first size before it is anybody's: the one in its place is over.
        if bytes.is_empty() && fixed.leader == 0 {
            if let Some(index) = found {
                session.terminals[index].drop(fixed.excluded);
                session.terminals[index].is_over = true;
            }
            return;
        }
        if bytes.is_empty() && found.is_none() {
            return;
        }
        let index = match found {
            Some(index) => index,
            None => {
                let Some(sid) = place.table.sid_or_new(&head, place.kernel, place.writer) else {
                    return;
                };
                session.count += 1;
                let sid = std::str::from_utf8(&sid).unwrap_or_default();
                let name = format!("{sid}-{}", session.count);
                let real = place.writer.clock.real(head.time) / 1_000_000_000;
                let terminal = Terminal::begin(&head, &fixed, real, &name, store);
                session.terminals.push(terminal);
                session.terminals.len() - 1
            }
        };
        session.terminals[index].take(head.time, &fixed, bytes, store);
    }

    /// Ends the recordings of a session whose last process has exited, at a time in nanoseconds since boot.
    pub fn end(&mut self, key: u64, time: u64, ring: &Ring, place: &mut Place<'_>) {
        self.take_if(ring, place, |_, session| session == key);
        let Some(session) = self.sessions.remove(&key) else {
            return;
        };
        for mut terminal in session.terminals {
            if !terminal.is_over {
                terminal.drop(place.kernel.forget_terminal(key, terminal.terminal));
            }
            terminal.mark(time);
            terminal.cast.end(time, &mut terminal.lines);
            terminal.part.times.get_or_insert((time, time));
            terminal.tell(key, &self.store, place);
            self.store.close(terminal.recording);
        }
        place.kernel.forget_terminal(key, 0);
    }

    /// Has the log tell of what was recorded for long enough. `now` is in nanoseconds since boot.
    pub fn tick(&mut self, now: u64, place: &mut Place<'_>) {
        if now < self.looked.saturating_add(STRETCH / 60) {
            return;
        }
        self.looked = now;
        self.tell(now, place);
    }

    fn tell(&mut self, now: u64, place: &mut Place<'_>) {
        for (key, session) in &mut self.sessions {
            for terminal in &mut session.terminals {
                let since = terminal.part.times.map(|(first, _)| first);
                if since.is_some_and(|since| now >= since.saturating_add(STRETCH)) {
                    terminal.tell(*key, &self.store, place);
                }
            }
        }
    }

    /// Has the log tell of all that is recorded, and waits until that is written, as long as it gets on within
    /// `patience`.
    pub fn finish(&mut self, place: &mut Place<'_>, patience: Duration) {
        self.tell(u64::MAX, place);
        if let Err(error) = self.store.finish(patience) {
            crate::report!("recorderd: recordings of terminals can't be written: {error}");
        }
    }
}

impl Terminal {
    fn begin(head: &Head, fixed: &TerminalOutput, real: u64, name: &str, store: &Store) -> Self {
        let mut lines = Buffer::default();
        let size = (fixed.columns, fixed.rows);
        let cast = Cast::begin(head.time, real, size, &mut lines);
        Self {
            terminal: fixed.terminal,
            device: fixed.device,
            cast,
            recording: store.create(name),
            file: format!("{FOLDER}/{name}.cast"),
            lines,
            is_over: false,
            unmarked: 0,
            part: Part::default(),
        }
    }

    fn take(&mut self, time: u64, fixed: &TerminalOutput, bytes: &[u8], store: &Store) {
        self.drop(fixed.excluded);
        self.part.times.get_or_insert((time, time)).1 = time;
        if self.recording.has_failed() || !store.has_room() {
            self.drop(bytes.len() as u64);
            return;
        }
        self.mark(time);
        self.cast
            .size(time, (fixed.columns, fixed.rows), &mut self.lines);
        self.cast.output(time, bytes, &mut self.lines);
        self.part.bytes += bytes.len() as u64;
        if self.lines.length() >= BATCH {
            self.hand_on(store);
        }
    }

    /// Takes note that so many bytes are missing.
    fn drop(&mut self, count: u64) {
        self.part.dropped += count;
        self.unmarked += count;
    }

    /// Marks where they are.
    fn mark(&mut self, time: u64) {
        match std::mem::take(&mut self.unmarked) {
            0 => {}
            count => self.cast.dropped(time, count, &mut self.lines),
        }
    }

    /// Has the lines written to the file.
    fn hand_on(&mut self, store: &Store) {
        let lines = self.lines.bytes();
        if lines.is_empty() {
            return;
        }
        self.part.hash.update(lines);
        self.part.length += lines.len() as u64;
        store.append(&self.recording, lines);
        self.lines.truncate(0, 2 * BATCH);
    }

    /// Tells the log of what was recorded since it was told last.
    fn tell(&mut self, key: u64, store: &Store, place: &mut Place<'_>) {
        self.hand_on(store);
        let next = Part {
            offset: self.part.offset + self.part.length,
            ..Part::default()
        };
        let part = std::mem::replace(&mut self.part, next);
        let Some(times) = part.times else {
            return;
        };
        let mut sha256 = String::with_capacity(64);
        for byte in part.hash.finalize() {
            // A string takes all.
            let _ = write!(sha256, "{byte:02x}");
        }
        let stretch = Stretch {
            device: self.device,
            file: &self.file,
            place: (part.offset, part.length),
            sha256: &sha256,
            bytes: part.bytes,
            dropped: part.dropped,
            times,
        };
        place.table.stretch(key, &stretch, place.writer);
    }
}
