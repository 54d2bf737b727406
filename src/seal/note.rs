//! A checkpoint, in the form of C2SP's tlog-checkpoint and signed-note: three lines that all such tools read, then
//! lines of our own, then the signature.

use std::error::Error;
use std::fmt::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::key::{self, Public, Secret};
use line::tree::Hash;

/// What the names of logs and keys begin with.
const PREFIX: &str = "recorderd/";

/// Why a checkpoint was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The first of a chain: nothing vouches for its key.
    First,
    /// The first of a file.
    Open,
    /// Lines have come, or it was time.
    Periodic,
    /// The first one of a recorder that goes on where another was killed.
    Resume,
    /// The last one of a file, behind which another one begins.
    Close,
    /// The last one of a recorder that is stopped.
    End,
}

const KINDS: [(Kind, &str); 6] = [
    (Kind::First, "first"),
    (Kind::Open, "open"),
    (Kind::Periodic, "periodic"),
    (Kind::Resume, "resume"),
    (Kind::Close, "close"),
    (Kind::End, "end"),
];

impl Kind {
    /// As it is written.
    pub fn name(self) -> &'static str {
        KINDS[self as usize].1
    }

    /// Whether nothing need come behind it for now.
    pub fn is_last(self) -> bool {
        matches!(self, Self::Close | Self::End)
    }

    /// Whether the key of a file has signed it, and not that of the checkpoint before.
    pub fn is_of_file(self) -> bool {
        matches!(self, Self::First | Self::Open)
    }
}

/// What a checkpoint says of another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Before {
    /// The file that it is about.
    pub file: String,
    /// How many lines that had.
    pub size: u64,
    /// The root of their tree.
    pub root: Hash,
}

/// What was in a file of the log at some moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// `server_id`
    pub server: String,
    /// The name of the file.
    pub file: String,
    /// How many lines stand in front of the checkpoint.
    pub size: u64,
    /// The root of their tree.
    pub root: Hash,
    /// Which of them is the first behind the part that the checkpoint before is about, counted from 0.
    pub from: u64,
    /// The root of a tree of the lines from there on.
    pub part: Hash,
    /// Which it is in its chain, counted from 0.
    pub number: u64,
    /// Why it was written.
    pub kind: Kind,
    /// The key that has signed it.
    pub key: Public,
    /// The key that is going to sign the next one of the file.
    pub next: Public,
    /// Of the first of a file, the key that is going to sign the first of the next file.
    pub next_file: Option<Public>,
    /// Of the first of a file, the last one of the file before; of a new chain, what was found there.
    pub before: Option<Before>,
    /// The time by the host's clock, RFC 3339.
    pub time: String,
    /// Which boot of the host, and milliseconds since then without those of suspend.
    pub boot: (String, u64),
    /// The next one comes within so many seconds.
    pub within: u64,
}

/// Why a text is no checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoteError {
    /// It has another form.
    Form,
    /// Its own key has not signed it.
    Signature,
}

impl fmt::Display for NoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Form => "it isn't a checkpoint of recorderd",
            Self::Signature => "its signature is invalid",
        })
    }
}

impl Error for NoteError {}

/// The name of the keys of a host.
pub fn key_name(server: &str) -> String {
    format!("{PREFIX}{server}")
}

impl Checkpoint {
    /// What is signed: lines, each with its end.
    pub fn text(&self) -> String {
        let encode = |bytes: &[u8]| STANDARD.encode(bytes);
        let mut text = format!(
            "{PREFIX}{}/{}\n{}\n{}\npart {} {}\nnumber {} {}\nkey {}\nnext {}\n",
            self.server,
            self.file,
            self.size,
            encode(&self.root),
            self.from,
            encode(&self.part),
            self.number,
            self.kind.name(),
            encode(&self.key),
            encode(&self.next),
        );
        if let Some(next) = &self.next_file {
            let _ = writeln!(text, "next_file {}", encode(next));
        }
        if let Some(before) = &self.before {
            let root = encode(&before.root);
            let _ = writeln!(text, "before {} {} {root}", before.file, before.size);
        }
        let (boot, milliseconds) = &self.boot;
        let _ = writeln!(
            text,
            "time {} {boot} {milliseconds} {}",
            self.time, self.within
        );
        text
    }

    /// The whole note, signed.
    pub fn signed(&self, secret: &Secret) -> String {
        let text = self.text();
        let name = key_name(&self.server);
        let mut bytes = key::id(&name, &self.key).to_vec();
        bytes.extend(secret.sign(text.as_bytes()));
        format!("{text}\n\u{2014} {name} {}\n", STANDARD.encode(bytes))
    }

    /// Reads a note, and checks that the key that it names has signed it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn open(note: &str) -> Result<Self, NoteError> {
        let (this, text, signature) = Self::parse(note).ok_or(NoteError::Form)?;
        let name = key_name(&this.server);
        let (id, signature) = signature.split_first_chunk().ok_or(NoteError::Form)?;
        let signature: &[u8; 64] = signature.try_into().map_err(|_| NoteError::Form)?;
        let is_signed = *id == key::id(&name, &this.key)
            && key::is_signed(&this.key, text.as_bytes(), signature);
        is_signed.then_some(this).ok_or(NoteError::Signature)
    }

    fn parse(note: &str) -> Option<(Self, &str, Vec<u8>)> {
        let end = note.find("\n\n")?;
        let (text, rest) = (&note[..=end], &note[end + 2..]);
        let mut lines = text.lines().peekable();
        let (server, file) = lines.next()?.strip_prefix(PREFIX)?.split_once('/')?;
        let hash = |text: &str| <Hash>::try_from(STANDARD.decode(text).ok()?).ok();
        let size = lines.next()?.parse().ok()?;
        let root = hash(lines.next()?)?;
        let (from, part) = lines.next()?.strip_prefix("part ")?.split_once(' ')?;
        let (number, kind) = lines.next()?.strip_prefix("number ")?.split_once(' ')?;
        let kind = KINDS.iter().find(|(_, name)| *name == kind)?.0;
        let key = hash(lines.next()?.strip_prefix("key ")?)?;
        let next = hash(lines.next()?.strip_prefix("next ")?)?;
        let next_file = lines
            .next_if(|line| line.starts_with("next_file "))
            .map(|line| hash(&line["next_file ".len()..]));
        let before = lines
            .next_if(|line| line.starts_with("before "))
            .map(|line| {
                let mut words = line["before ".len()..].split(' ');
                Some(Before {
                    file: words.next()?.to_owned(),
                    size: words.next()?.parse().ok()?,
                    root: hash(words.next()?)?,
                })
            });
        let mut time = lines.next()?.strip_prefix("time ")?.split(' ');
        let this = Self {
            server: server.to_owned(),
            file: file.to_owned(),
            size,
            root,
            from: from.parse().ok()?,
            part: hash(part)?,
            number: number.parse().ok()?,
            kind,
            key,
            next,
            next_file: match next_file {
                Some(next) => Some(next?),
                None => None,
            },
            before: match before {
                Some(before) => Some(before?),
                None => None,
            },
            time: time.next()?.to_owned(),
            boot: (time.next()?.to_owned(), time.next()?.parse().ok()?),
            within: time.next()?.parse().ok()?,
        };
        let name = key_name(server);
        let signature = rest.strip_prefix("\u{2014} ")?.strip_prefix(&name)?;
        let signature = signature.strip_prefix(' ')?.strip_suffix('\n')?;
        let signature = STANDARD.decode(signature).ok()?;
        // One checkpoint has one form.
        (this.text() == text).then_some((this, text, signature))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    fn some(secret: &Secret) -> Checkpoint {
        Checkpoint {
            server: "2e906f8f-6a45-4b30-b76f-7535ada7267c".into(),
            file: "2026-12-01.00:00:00.log".into(),
            size: 7,
            root: [1; 32],
            from: 3,
            part: [2; 32],
            number: 5,
            kind: Kind::Open,
            key: secret.public(),
            next: [3; 32],
            next_file: Some([4; 32]),
            before: Some(Before {
                file: "2026-11-30.00:00:00.log".into(),
                size: 9,
                root: [5; 32],
            }),
            time: "2026-12-01T00:00:00.000Z".into(),
            boot: ("boot".into(), 12),
            within: 10,
        }
    }

    #[test]
    fn checkpoints_are_read_as_written() {
        let secret = Secret::random();
        for kind in KINDS {
            let mut checkpoint = some(&secret);
            checkpoint.kind = kind.0;
            if !kind.0.is_of_file() {
                (checkpoint.next_file, checkpoint.before) = (None, None);
            }
            let note = checkpoint.signed(&secret);
            assert_eq!(Checkpoint::open(&note), Ok(checkpoint), "{note}");
        }
    }

    #[test]
    fn what_was_changed_is_none() {
        let secret = Secret::random();
        let note = some(&secret).signed(&secret);
        let mut random = Random(1);
        for _ in 0..2000 {
            let mut bytes = note.clone().into_bytes();
            let at = random.below(bytes.len());
            match random.below(3) {
                0 => bytes[at] ^= 1 << random.below(7),
                1 => drop(bytes.remove(at)),
                _ => bytes.insert(at, b"0A \n+"[random.below(5)]),
            }
            if let Ok(text) = String::from_utf8(bytes)
                && text != note
            {
                assert!(Checkpoint::open(&text).is_err(), "{text}");
            }
        }
        let other = some(&Secret::random()).signed(&secret);
        assert_eq!(Checkpoint::open(&other), Err(NoteError::Signature));
    }
}
