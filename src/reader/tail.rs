//! `recorderd tail`: the last events, and with `-f` each further one when it happens.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::reader::log::{self, Event, Lines, Reader, Source, Strays, Visit, find};

use super::fault::Fault;
use super::output::{Form, Output};
use super::request::Request;
use super::{go_on, notice};
use crate::family::describe;

/// What is looked through first for the last events, bytes from the end.
const NEAR: u64 = 1 << 20;

/// How long it takes to see that there is more, milliseconds.
const PAUSE: i32 = 200;

/// Shows the last events that the filter takes, and then follows those that are written.
pub fn run(
    places: &[PathBuf],
    sources: &[Source],
    request: &Request,
    output: &mut Output,
) -> Result<(), Fault> {
    let mut reader = Reader::new(&request.filter);
    if request.follow && sources.contains(&Source::Input) {
        let mut live = |event: &Event<'_>| {
            show(event, output);
            output.flush();
            go_on(output)
        };
        reader.read(sources, &mut live)?;
        notice(&reader);
        return Ok(());
    }
    let followed = last(&mut reader, sources, request, output)?;
    notice(&reader);
    match followed {
        Some(followed) if request.follow => follow(followed, places, &mut reader, output),
        _ => Ok(()),
    }
}

fn show(event: &Event<'_>, output: &mut Output) {
    match output.form {
        Form::Json => output.json(event.line),
        _ => output.text(&describe::line(event)),
    }
}

/// The last lines, up to a number of them.
struct Kept {
    lines: VecDeque<String>,
    most: usize,
}

impl Kept {
    fn add(&mut self, event: &Event<'_>) -> ControlFlow<()> {
        self.lines.push_back(event.line.to_owned());
        if self.lines.len() > self.most {
            self.lines.pop_front();
        }
        ControlFlow::Continue(())
    }
}

/// Shows the last events of all sources; returns the file that may be followed.
fn last(
    reader: &mut Reader<'_>,
    sources: &[Source],
    request: &Request,
    output: &mut Output,
) -> Result<Option<Followed>, Fault> {
    let mut kept = Kept {
        lines: VecDeque::new(),
        most: request.count,
    };
    let mut followed = None;
    if let Some((Source::File(path), earlier)) = sources.split_last() {
        let length = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
        let mut file = Followed::open(path, length.saturating_sub(NEAR))?;
        file.read(reader, &mut |event| kept.add(event))?;
        if kept.lines.len() < request.count {
            kept.lines.clear();
            reader.strays = Strays::default();
            reader.read(earlier, &mut |event| kept.add(event))?;
            file = Followed::open(path, 0)?;
            file.read(reader, &mut |event| kept.add(event))?;
        }
        if !request.follow {
            let _ = file.rest(reader, &mut |event| kept.add(event));
        }
        followed = Some(file);
    } else {
        reader.read(sources, &mut |event| kept.add(event))?;
    }
    for line in &kept.lines {
        if let Some(event) = Event::parse(line.as_bytes()) {
            show(&event, output);
        }
    }
    Ok(followed)
}

/// Shows what is written from now on, for as long as somebody reads it.
fn follow(
    mut file: Followed,
    places: &[PathBuf],
    reader: &mut Reader<'_>,
    output: &mut Output,
) -> Result<(), Fault> {
    loop {
        output.flush();
        if !output.is_open() || !pause() {
            return Ok(());
        }
        let next = file.next(places);
        // What was still written to the file before the next one was begun.
        let mut live = |event: &Event<'_>| {
            show(event, output);
            go_on(output)
        };
        file.read(reader, &mut live)?;
        if let Some((path, begin)) = next {
            if path != file.path || begin == 0 {
                let _ = file.rest(reader, &mut live);
            }
            file = Followed::open(&path, begin)?;
        }
    }
}

/// Waits a moment; false if nobody reads the output any more.
fn pause() -> bool {
    let mut output = libc::pollfd {
        fd: libc::STDOUT_FILENO,
        events: 0,
        revents: 0,
    };
    // SAFETY: one descriptor, which is ours.
    unsafe { libc::poll(&mut output, 1, PAUSE) };
    output.revents & (libc::POLLERR | libc::POLLNVAL) == 0
}

/// A file that is read on where it grows.
struct Followed {
    path: PathBuf,
    source: Source,
    lines: Lines<File>,
}

impl Followed {
    /// Opens a file to read it from the first whole line that begins at `begin` or behind it.
    fn open(path: &Path, begin: u64) -> Result<Self, Fault> {
        let fault = |error| log::Fault::Source(Source::File(path.to_owned()), error);
        let mut file = File::open(path).map_err(fault)?;
        // The byte in front is read too: it tells whether a line begins there.
        let before = begin.checked_sub(1);
        if let Some(before) = before {
            file.seek(SeekFrom::Start(before)).map_err(fault)?;
        }
        let mut lines = Lines::new(file);
        if before.is_some() {
            lines.next().map_err(fault)?;
        }
        Ok(Self {
            path: path.to_owned(),
            source: Source::File(path.to_owned()),
            lines,
        })
    }

    fn read(&mut self, reader: &mut Reader<'_>, visit: &mut Visit<'_>) -> Result<(), Fault> {
        let _ = reader.lines(&self.source, &mut self.lines, visit)?;
        Ok(())
    }

    fn rest(&mut self, reader: &mut Reader<'_>, visit: &mut Visit<'_>) -> ControlFlow<()> {
        reader.rest(&self.source, &mut self.lines, visit)
    }

    /// Where to go on, if not here: in a file that was begun later, in another one of the same name,
    /// or in this one, from which something was cut.
    fn next(&self, places: &[PathBuf]) -> Option<(PathBuf, u64)> {
        let files = find(places, None).unwrap_or_default();
        let mut later = files
            .into_iter()
            .skip_while(|source| *source != self.source);
        if let Some(Source::File(path)) = later.nth(1) {
            return Some((path, 0));
        }
        let named = std::fs::metadata(&self.path).ok()?;
        let mut file = self.lines.input();
        let open = file.metadata().ok()?;
        let read = file.stream_position().ok()?;
        let whole = read.saturating_sub(self.lines.unread() as u64);
        if (named.dev(), named.ino()) != (open.dev(), open.ino()) {
            Some((self.path.clone(), 0))
        } else if open.len() < read {
            // The daemon cuts off a line without an end before it goes on.
            let begin = if open.len() < whole { 0 } else { whole };
            Some((self.path.clone(), begin))
        } else {
            None
        }
    }
}
