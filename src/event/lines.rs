//! Whole lines on their way to the outputs, and what an output has to know of each beside its bytes.

use super::Title;
use crate::base::TIME_LENGTH;

/// Length of the id of a session, in bytes.
pub const ID_LENGTH: usize = size_of::<line::Uuid>();

/// What is known of a line since it was written. Places are counted in bytes from its beginning.
#[derive(Clone, Copy, Debug)]
pub struct Label {
    /// The event that it is.
    pub title: &'static Title,
    /// How long it is, with the line feed.
    pub length: u32,
    /// Where the time of the event begins.
    pub time: u32,
    /// Where the id of its session begins; 0 where it has none.
    pub sid: u32,
    /// Where the name of the host begins, and how long it is.
    pub hostname: (u32, u32),
}

/// One line.
#[derive(Clone, Copy)]
pub struct Line<'a> {
    label: &'a Label,
    bytes: &'a [u8],
}

impl<'a> Line<'a> {
    /// The event that it is.
    pub fn title(&self) -> &'static Title {
        self.label.title
    }

    /// All of it, without the line feed.
    pub fn text(&self) -> &'a [u8] {
        self.bytes.strip_suffix(b"\n").unwrap_or(self.bytes)
    }

    /// How long it is, with the line feed.
    pub fn length(&self) -> usize {
        self.bytes.len()
    }

    /// The time of the event.
    pub fn time(&self) -> &'a [u8] {
        self.part(self.label.time, TIME_LENGTH)
    }

    /// The id of its session; empty where it has none.
    pub fn sid(&self) -> &'a [u8] {
        match self.label.sid {
            0 => b"",
            at => self.part(at, ID_LENGTH),
        }
    }

    /// The name of the host, as it stands in the line; empty where that has none.
    pub fn hostname(&self) -> &'a [u8] {
        let (at, length) = self.label.hostname;
        self.part(at, length as usize)
    }

    fn part(&self, at: u32, length: usize) -> &'a [u8] {
        let at = at as usize;
        self.bytes.get(at..at + length).unwrap_or_default()
    }
}

/// Whole lines one behind the other.
#[derive(Clone, Copy, Default)]
pub struct Lines<'a> {
    labels: &'a [Label],
    bytes: &'a [u8],
    /// So much of the first line is written already. Bytes.
    begun: usize,
}

impl<'a> Lines<'a> {
    /// The lines with these labels.
    pub(super) fn new(labels: &'a [Label], bytes: &'a [u8]) -> Self {
        Self {
            labels,
            bytes,
            begun: 0,
        }
    }

    /// All of them.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.labels.len() as u64
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Each by itself, to be given on.
    pub fn each(self) -> impl Iterator<Item = (Line<'a>, Self)> {
        let mut rest = self;
        std::iter::from_fn(move || {
            let (label, labels) = rest.labels.split_first()?;
            let (bytes, behind) = rest.bytes.split_at(label.length as usize - rest.begun);
            let one = Self {
                labels: &rest.labels[..1],
                bytes,
                begun: rest.begun,
            };
            rest = Self::new(labels, behind);
            Some((Line { label, bytes }, one))
        })
    }

    /// What is left of them when so many bytes are written.
    pub fn behind(self, written: usize) -> Self {
        let mut begun = self.begun + written;
        let mut labels = self.labels;
        while let Some((first, rest)) = labels.split_first()
            && first.length as usize <= begun
        {
            begun -= first.length as usize;
            labels = rest;
        }
        Self {
            labels,
            bytes: &self.bytes[written..],
            begun,
        }
    }
}

/// Lines that wait.
#[derive(Default)]
pub struct Batch {
    labels: Vec<Label>,
    bytes: Vec<u8>,
    begun: usize,
}

impl Batch {
    /// The lines.
    pub fn lines(&self) -> Lines<'_> {
        Lines {
            labels: &self.labels,
            bytes: &self.bytes,
            begun: self.begun,
        }
    }

    /// Puts lines behind the others.
    pub fn extend(&mut self, lines: Lines<'_>) {
        if self.labels.is_empty() {
            self.begun = lines.begun;
        }
        self.labels.extend_from_slice(lines.labels);
        self.bytes.extend_from_slice(lines.bytes);
    }

    /// Forgets the first bytes, which are written.
    pub fn remove(&mut self, written: usize) {
        let rest = self.lines().behind(written);
        let (labels, begun) = (self.labels.len() - rest.labels.len(), rest.begun);
        self.labels.drain(..labels);
        self.bytes.drain(..written);
        self.begun = begun;
        self.labels.shrink_to(2 * self.labels.len());
        self.bytes.shrink_to(2 * self.bytes.len());
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.labels.clear();
        self.bytes.clear();
        self.begun = 0;
    }

    /// For how many bytes of lines it has room.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::event::Class;

    static TITLE: Title = Title {
        name: "session.disk",
        code: "T4001I",
        class: Class::Bulk,
    };

    /// Lines of any text.
    pub fn batch(text: &str) -> Batch {
        let lines = text.split_inclusive('\n');
        batch_of(&lines.map(|line| (&TITLE, line)).collect::<Vec<_>>())
    }

    /// Lines of these events.
    pub fn batch_of(lines: &[(&'static Title, &str)]) -> Batch {
        let mut batch = Batch::default();
        for (title, line) in lines {
            let place = |key: &str| {
                let key = format!("\"{key}\":\"");
                let at = line.find(&key)? + key.len();
                Some((at as u32, line[at..].find('"')? as u32))
            };
            batch.labels.push(Label {
                title,
                length: line.len() as u32,
                time: place("time").unwrap_or_default().0,
                sid: place("sid").unwrap_or_default().0,
                hostname: place("server_hostname").unwrap_or_default(),
            });
            batch.bytes.extend_from_slice(line.as_bytes());
        }
        batch
    }

    #[test]
    fn what_is_left_of_lines_is_known_by_bytes() {
        let whole = batch("one\ntwo\nthree\n");
        for written in 0..=14 {
            let rest = whole.lines().behind(written);
            let count = rest.bytes().iter().filter(|byte| **byte == b'\n').count();
            assert_eq!(rest.count(), count as u64, "{written}");
            let parts: Vec<_> = rest.each().map(|(line, _)| line.text().to_vec()).collect();
            assert_eq!(parts.len(), count);
            let text = parts.iter().map(|part| part.len() + 1).sum::<usize>();
            assert_eq!(text, 14 - written);
            let mut batch = batch("one\ntwo\nthree\n");
            batch.remove(written);
            assert_eq!(batch.lines().bytes(), rest.bytes());
            let mut other = Batch::default();
            other.extend(rest);
            other.extend(whole.lines());
            assert_eq!(other.lines().count(), count as u64 + 3);
            other.remove(14 - written);
            assert_eq!(other.lines().bytes(), whole.lines().bytes());
            assert_eq!(other.lines().count(), 3);
        }
    }
}
