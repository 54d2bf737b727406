//! The side that seals: it sees each line that is in the file, and makes the checkpoints.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::key::{Secret, Verifier, wipe, wipe_stack};
use super::note::{Before, Checkpoint, Kind, key_name};
use super::page::Page;
use super::state::{NEXT, NEXT_FILE, Pending, SLOT, State};
use crate::base::{Clock, monotonic_time, named};
use crate::event::{Host, HostNames, Ids};
use crate::family::EventType;
use line::tree::{Tree, leaf};

/// No checkpoint is a longer line. Bytes.
pub const CHECKPOINT_MOST: u64 = 2048;

/// The file beside those of the log with the first checkpoint of each: they link a file to the chain when those
/// before it are gone.
pub const CHECKPOINTS: &str = "checkpoints";

/// The file in data_dir with the first public key of the chain.
pub const KEY: &str = "seal.pub";

/// The file in data_dir that has the state between a clean stop and the next start.
const STATE: &str = "seal.state";

/// So many lines have a checkpoint, whenever it was due.
const LINES_MOST: u64 = 4096;

/// How long it takes at most to the next checkpoint where nothing is written, unless it is due less often anyway.
const IDLE_MOST: Duration = Duration::from_secs(600);

/// How much of a file is read at a time. Bytes.
const BLOCK: usize = 64 << 10;

/// Makes the checkpoints of one log.
pub struct Sealer {
    data_dir: PathBuf,
    folder: PathBuf,
    server: String,
    host: Host,
    ids: Ids,
    clock: Clock,
    boot: String,
    interval: Duration,
    /// Two slots for states, of which one counts.
    page: Page,
    slot: usize,
    state: State,
    /// A checkpoint that is not yet in the file: its kind, and the state that there is with it.
    prepared: Option<(Kind, State, String)>,
    /// The first public key.
    first: Verifier,
    /// All lines of the file, and those behind the last checkpoint, with itself.
    tree: Tree,
    part: Tree,
    /// Up to where the file is hashed. Bytes.
    offset: u64,
    /// Nobody has closed the chain before this recorder.
    is_resumed: bool,
    /// When the last checkpoint was, and when the next one is due at the latest. Nanoseconds.
    last: u64,
    spacing: Duration,
}

/// The first public key, where a log in this data_dir has been sealed.
///
/// # Errors
/// What can't be read, by name, and why.
pub fn find(data_dir: &Path) -> io::Result<String> {
    let path = data_dir.join(KEY);
    fs::read_to_string(&path).map_err(|e| named(&path, &e))
}

impl Sealer {
    /// Goes on with the chain of the recorder before, or begins a new one. Lines name the host by `names`.
    ///
    /// # Errors
    /// What can't be read, written or had from the kernel, and why.
    pub fn begin(data_dir: &Path, names: &HostNames<'_>, interval: Duration) -> io::Result<Self> {
        let server = names.id;
        let folder = data_dir.join("log").join(server);
        let mut page = Page::open(&format!("{server}.seal"), 2 * SLOT)?;
        let mut found = choose(page.bytes(), &folder);
        if found.is_none() {
            found = stored(&data_dir.join(STATE), page.bytes());
        }
        let key = data_dir.join(KEY);
        let known = fs::read_to_string(&key).ok();
        let known = known.and_then(|text| Verifier::parse(&text));
        let (slot, state, first) = match (found, known) {
            (Some((slot, state)), Some(first)) => (slot, state, first),
            _ => {
                let file_key = Secret::random();
                let first = Verifier {
                    name: key_name(server),
                    public: file_key.public(),
                };
                fs::write(&key, format!("{first}\n")).map_err(|e| named(&key, &e))?;
                let state = State {
                    last: last_found(&folder),
                    ..State::default()
                };
                wipe(page.bytes());
                state.write(&mut page.bytes()[..SLOT], &Secret::random(), &file_key);
                (0, state, first)
            }
        };
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        Ok(Self {
            data_dir: data_dir.to_owned(),
            folder,
            server: server.to_owned(),
            host: Host::new(names),
            ids: Ids::new(),
            clock: Clock::new(),
            boot: match boot.trim() {
                "" => "unknown".to_owned(),
                boot => boot.to_owned(),
            },
            interval,
            page,
            slot,
            is_resumed: state.number > 0 && !state.is_closed,
            state,
            prepared: None,
            first,
            tree: Tree::default(),
            part: Tree::default(),
            offset: 0,
            last: 0,
            spacing: interval,
        })
    }

    /// The first public key of the chain.
    pub fn key(&self) -> String {
        self.first.to_string()
    }

    /// The host has another name from now on.
    pub fn rename(&mut self, name: &str) {
        self.host.rename(name);
    }

    /// Whether the chain has no checkpoint yet.
    pub fn is_new(&self) -> bool {
        self.state.number == 0
    }

    /// From now on this file is written, of which `end` bytes are whole lines.
    ///
    /// # Errors
    /// The error of reading it.
    pub fn follow(&mut self, name: &str, file: &File, end: u64) -> io::Result<()> {
        self.prepared = None;
        self.part = Tree::default();
        match self.state.file == name && self.state.offset <= end {
            true => {
                self.tree = self.state.tree.clone();
                self.offset = self.state.offset;
            }
            false => {
                name.clone_into(&mut self.state.file);
                self.state.is_open = false;
                self.tree = Tree::default();
                self.offset = 0;
            }
        }
        self.catch_up(file, end)
    }

    /// These lines are in the file now, which ends at `end`.
    ///
    /// # Errors
    /// The error of reading what others have written there.
    pub fn take(&mut self, lines: &[u8], file: &File, end: u64) -> io::Result<()> {
        if self.offset + lines.len() as u64 == end {
            self.push(lines);
            return Ok(());
        }
        self.catch_up(file, end)
    }

    /// Hashes what is in the file up to `end`. Of a file that was cut, all is hashed anew.
    ///
    /// # Errors
    /// The error of reading it.
    pub fn catch_up(&mut self, file: &File, end: u64) -> io::Result<()> {
        if end < self.offset {
            (self.tree, self.part, self.offset) = (Tree::default(), Tree::default(), 0);
        }
        let mut block = Vec::new();
        while self.offset < end {
            let at = self.offset + block.len() as u64;
            let more = BLOCK.min(usize::try_from(end - at).unwrap_or(BLOCK));
            let length = block.len();
            block.resize(length + more, 0);
            file.read_exact_at(&mut block[length..], at)?;
            let whole = memchr::memrchr(b'\n', &block).map_or(0, |at| at + 1);
            self.push(&block[..whole]);
            block.drain(..whole);
            if whole == 0 && more == 0 {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
        Ok(())
    }

    fn push(&mut self, lines: &[u8]) {
        let mut rest = lines;
        while let Some(at) = memchr::memchr(b'\n', rest) {
            let leaf = leaf(&rest[..at]);
            self.tree.push(leaf);
            self.part.push(leaf);
            rest = &rest[at + 1..];
        }
        self.offset += lines.len() as u64;
    }

    /// Whether there are lines that no checkpoint is about.
    fn is_behind(&self) -> bool {
        self.part.size() > u64::from(self.state.is_open)
    }

    /// How long it takes until a checkpoint is due.
    pub fn rest(&self) -> Duration {
        if !self.state.is_open {
            return match self.tree.size() {
                0 => Duration::MAX,
                _ => Duration::ZERO,
            };
        }
        if self.part.size() > LINES_MOST || self.is_resumed {
            return Duration::ZERO;
        }
        let wait = match self.is_behind() {
            true => self.interval,
            false => self.spacing,
        };
        let gone = monotonic_time().saturating_sub(self.last);
        wait.saturating_sub(Duration::from_nanos(gone))
    }

    /// The line of the next checkpoint, if there is anything that it could be about. Where the file has none yet, it
    /// is the first of that, and else of this kind.
    pub fn prepare(&mut self, kind: Kind) -> Option<Vec<u8>> {
        let line = self.prepare_on_stack(kind);
        // A key that was moved has left copies there.
        wipe_stack();
        line
    }

    #[inline(never)]
    fn prepare_on_stack(&mut self, kind: Kind) -> Option<Vec<u8>> {
        if self.tree.size() == 0 {
            return None;
        }
        let kind = match () {
            () if self.state.number == 0 => Kind::First,
            () if !self.state.is_open => Kind::Open,
            () if self.is_resumed => Kind::Resume,
            () => kind,
        };
        let spacing = match self.is_behind() {
            true => self.interval,
            false => (self.spacing * 2).min(IDLE_MOST.max(self.interval)),
        };
        let (own, file) = (self.secret(NEXT), self.secret(NEXT_FILE));
        let next = Secret::random();
        let next_file = kind.is_of_file().then(Secret::random);
        let secret = if kind.is_of_file() { &file } else { &own };
        let root = self.tree.root();
        self.clock.adjust();
        let now = self.clock.now();
        let time = self.clock.text_of(now.real);
        let checkpoint = Checkpoint {
            server: self.server.clone(),
            file: self.state.file.clone(),
            size: self.tree.size(),
            root,
            from: self.tree.size() - self.part.size(),
            part: self.part.root(),
            number: self.state.number,
            kind,
            key: secret.public(),
            next: next.public(),
            next_file: next_file.as_ref().map(Secret::public),
            before: self.state.last.clone().filter(|_| kind.is_of_file()),
            time: String::from_utf8_lossy(&time).into_owned(),
            boot: (self.boot.clone(), monotonic_time() / 1_000_000),
            within: spacing.as_secs(),
        };
        let note = checkpoint.signed(secret);
        let title = EventType::Checkpoint.title();
        let uid = self.ids.next();
        let line = self
            .host
            .line(self.state.number, title, &uid, &time, |object| {
                object.string("kind", kind.name().as_bytes());
                object.string("checkpoint", note.as_bytes());
            });
        let state = State {
            order: self.state.order + 1,
            number: self.state.number + 1,
            file: self.state.file.clone(),
            offset: self.offset,
            tree: self.tree.clone(),
            is_open: true,
            is_closed: kind.is_last(),
            last: Some(Before {
                file: self.state.file.clone(),
                size: self.tree.size(),
                root,
            }),
            pending: Some(Pending {
                place: (self.offset, line.len() as u64),
                hash: Sha256::digest(&line).into(),
            }),
        };
        let other = self.other();
        state.write(other, &next, next_file.as_ref().unwrap_or(&file));
        self.spacing = spacing;
        self.prepared = Some((kind, state, note));
        Some(line)
    }

    /// The line is in the file. Tells what kind it was.
    pub fn commit(&mut self) -> Option<Kind> {
        let (kind, state, note) = self.prepared.take()?;
        let own = self.slot * SLOT;
        wipe(&mut self.page.bytes()[own..own + SLOT]);
        self.slot = 1 - self.slot;
        self.state = state;
        self.part = Tree::default();
        self.is_resumed = false;
        self.last = monotonic_time();
        if kind.is_of_file()
            && let Err(error) = self.list(&note)
        {
            crate::report!("recorderd: {error}; verify needs the files before this one");
        }
        Some(kind)
    }

    /// The line could not be written.
    pub fn abort(&mut self) {
        self.prepared = None;
        wipe(self.other());
    }

    /// Keeps the chain for the next start, on the disk, and nothing of it in memory.
    ///
    /// # Errors
    /// What can't be written, by name, and why.
    pub fn end(mut self) -> io::Result<()> {
        let path = self.data_dir.join(STATE);
        let own = self.slot * SLOT;
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)
            .map_err(|e| named(&path, &e))?;
        let written = file.write_all(&self.page.bytes()[own..own + SLOT]);
        let written = written.and_then(|()| file.sync_all());
        written.map_err(|e| named(&path, &e))?;
        self.page.forget();
        Ok(())
    }

    fn list(&self, note: &str) -> io::Result<()> {
        let path = self.folder.join(CHECKPOINTS);
        let open = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o640)
            .open(&path);
        let written = open.and_then(|mut file| file.write_all(format!("{note}\n").as_bytes()));
        written.map_err(|e| named(&path, &e))
    }

    fn secret(&mut self, which: std::ops::Range<usize>) -> Secret {
        let slot = self.slot * SLOT;
        let mut secret = Secret([0; 32]);
        let bytes = &self.page.bytes()[slot + which.start..slot + which.end];
        secret.0.copy_from_slice(bytes);
        secret
    }

    fn other(&mut self) -> &mut [u8] {
        let at = (1 - self.slot) * SLOT;
        &mut self.page.bytes()[at..at + SLOT]
    }
}

/// The state that counts of two: the later one, if the line by which it came about is in its file.
fn choose(slots: &[u8], folder: &Path) -> Option<(usize, State)> {
    let [one, other] = [0, 1].map(|slot| {
        let state = State::read(&slots[slot * SLOT..(slot + 1) * SLOT])?;
        Some((slot, state))
    });
    let (earlier, later) = match (one, other) {
        (Some(one), Some(other)) if one.1.order < other.1.order => (one, other),
        (Some(one), Some(other)) => (other, one),
        (one, other) => return one.or(other),
    };
    let pending = later.1.pending.as_ref();
    let is_written = pending.is_some_and(|it| is_there(&folder.join(&later.1.file), it));
    Some(if is_written { later } else { earlier })
}

fn is_there(path: &Path, pending: &Pending) -> bool {
    let (at, length) = pending.place;
    let mut line = vec![0; length.min(CHECKPOINT_MOST) as usize];
    let read = File::open(path).and_then(|file| file.read_exact_at(&mut line, at));
    read.is_ok() && Sha256::digest(&line)[..] == pending.hash
}

/// The state that a clean stop has left. What was read is overwritten, and goes.
fn stored(path: &Path, page: &mut [u8]) -> Option<(usize, State)> {
    let mut bytes = fs::read(path).ok()?;
    let state = State::read(&bytes);
    if state.is_some() {
        let length = bytes.len().min(SLOT);
        wipe(page);
        page[..length].copy_from_slice(&bytes[..length]);
    }
    wipe(&mut bytes);
    if let Ok(mut file) = OpenOptions::new().write(true).open(path) {
        let _ = file.write_all(&bytes).and_then(|()| file.sync_all());
    }
    let _ = fs::remove_file(path);
    Some((0, state?))
}

/// The first checkpoint of the last file that has any: what a new chain can say of the one before.
fn last_found(folder: &Path) -> Option<Before> {
    let notes = fs::read_to_string(folder.join(CHECKPOINTS)).ok()?;
    let begin = notes
        .trim_end()
        .rfind("\nrecorderd/")
        .map_or(0, |at| at + 1);
    let last = Checkpoint::open(notes.get(begin..)?.strip_suffix('\n')?).ok()?;
    Some(Before {
        file: last.file,
        size: last.size,
        root: last.root,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    /// A file as the log has it, and the checkpoints in it.
    fn notes(file: &Path) -> Vec<Checkpoint> {
        let text = fs::read_to_string(file).unwrap();
        let lines = text
            .lines()
            .filter(|line| line.contains("recorder.checkpoint"));
        let notes = lines.map(|line| {
            let note = line.split("\"checkpoint\":\"").nth(1).unwrap();
            note.trim_end_matches("\"}").replace("\\n", "\n")
        });
        notes.map(|note| Checkpoint::open(&note).unwrap()).collect()
    }

    /// Before, in and behind the writing of a checkpoint: each is signed by the key that the one before it names.
    #[test]
    fn a_recorder_that_is_killed_at_any_moment_goes_on() {
        // SAFETY: takes nothing, changes nothing.
        if unsafe { libc::geteuid() } != 0 {
            println!("skipped: needs root for a folder in /run or /dev/shm");
            return;
        }
        let server = format!("recorderd-test-sealer-{}", std::process::id());
        let data = std::env::temp_dir().join(&server);
        let folder = data.join("log").join(&server);
        fs::create_dir_all(&folder).unwrap();
        let name = "2026-12-01.00:00:00.log";
        let path = folder.join(name);
        let open = || {
            let options = OpenOptions::new()
                .read(true)
                .append(true)
                .create(true)
                .open(&path);
            options.unwrap()
        };
        let end = |file: &File| file.metadata().unwrap().len();
        let mut random = Random(1);
        let mut killed = [0; 3];
        for _ in 0..60 {
            let mut file = open();
            let names = HostNames {
                id: &server,
                ..HostNames::default()
            };
            let mut sealer = Sealer::begin(&data, &names, Duration::from_secs(10)).unwrap();
            sealer.follow(name, &file, end(&file)).unwrap();
            loop {
                file.write_all(b"{}\n").unwrap();
                sealer.take(b"{}\n", &file, end(&file)).unwrap();
                let line = sealer.prepare(Kind::Periodic).unwrap();
                let moment = random.below(6);
                if moment == 0 {
                    killed[0] += 1;
                    break;
                }
                file.write_all(&line).unwrap();
                if moment == 1 {
                    killed[1] += 1;
                    break;
                }
                sealer.commit().unwrap();
                sealer.take(&line, &file, end(&file)).unwrap();
                if moment == 2 {
                    killed[2] += 1;
                    break;
                }
            }
        }
        assert!(killed.iter().all(|count| *count > 5), "{killed:?}");
        let notes = notes(&path);
        for (number, pair) in notes.windows(2).enumerate() {
            assert_eq!(pair[1].number, number as u64 + 1);
            assert_eq!(pair[1].key, pair[0].next, "{number}");
            assert_eq!(pair[1].from, pair[0].size, "{number}");
        }
        Page::open(&format!("{server}.seal"), 2 * SLOT)
            .unwrap()
            .forget();
        fs::remove_dir_all(&data).unwrap();
    }
}
