//! All events of some sources, one after the other.

use std::fs::File;
use std::io::{self, Read};
use std::ops::ControlFlow;

use super::fault::Fault;
use super::files::Source;
use super::filter::Filter;
use super::lines::Lines;
use crate::event::Event;

/// Lines that are no events: cut off in writing, or of another origin.
#[derive(Default)]
pub struct Strays {
    count: u64,
    /// Source and number of the first.
    first: Option<(String, u64)>,
}

impl Strays {
    fn add(&mut self, source: &Source, line: u64) {
        self.count += 1;
        self.first.get_or_insert_with(|| (source.to_string(), line));
    }

    /// Tells of them, if there were any.
    pub fn notice(&self) -> Option<String> {
        let (source, line) = self.first.as_ref()?;
        Some(match self.count {
            1 => format!("{source}:{line}: skipped: not a complete event"),
            count => {
                format!("{count} lines skipped: not complete events; the first is {source}:{line}")
            }
        })
    }
}

/// Reads sources, and keeps count of what is no event in them.
pub struct Reader<'a> {
    /// Which events are wanted.
    pub filter: &'a Filter,
    /// What else was found.
    pub strays: Strays,
}

/// Takes an event; ends the reading with `Break`.
pub type Visit<'v> = dyn FnMut(&Event<'_>) -> ControlFlow<()> + 'v;

impl<'a> Reader<'a> {
    /// A reader of the events that `filter` takes.
    pub fn new(filter: &'a Filter) -> Self {
        Self {
            filter,
            strays: Strays::default(),
        }
    }

    /// Hands on all events of all sources. A file that is gone by now is passed over.
    ///
    /// # Errors
    /// What can't be read, by name.
    pub fn read(&mut self, sources: &[Source], visit: &mut Visit<'_>) -> Result<(), Fault> {
        for source in sources {
            let input = match open(source) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                opened => opened.map_err(|error| Fault::Source(source.clone(), error))?,
            };
            let mut lines = Lines::new(input);
            let mut flow = self.lines(source, &mut lines, visit)?;
            if flow.is_continue() {
                flow = self.rest(source, &mut lines, visit);
            }
            if flow.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Hands on the events in whole lines, up to where the source ends now.
    ///
    /// # Errors
    /// What can't be read, by name.
    pub fn lines<R: Read>(
        &mut self,
        source: &Source,
        lines: &mut Lines<R>,
        visit: &mut Visit<'_>,
    ) -> Result<ControlFlow<()>, Fault> {
        loop {
            let number = lines.count() + 1;
            let next = lines.next();
            match next.map_err(|error| Fault::Source(source.clone(), error))? {
                None => return Ok(ControlFlow::Continue(())),
                Some(line) => {
                    if self.line(source, number, line, visit).is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
            }
        }
    }

    /// Hands on what stands behind the last whole line.
    pub fn rest<R: Read>(
        &mut self,
        source: &Source,
        lines: &mut Lines<R>,
        visit: &mut Visit<'_>,
    ) -> ControlFlow<()> {
        let number = lines.count() + 1;
        match lines.rest() {
            None => ControlFlow::Continue(()),
            Some(line) => self.line(source, number, line, visit),
        }
    }

    fn line(
        &mut self,
        source: &Source,
        number: u64,
        line: &[u8],
        visit: &mut Visit<'_>,
    ) -> ControlFlow<()> {
        let line = line.trim_ascii();
        // A closer look at what can't be wanted would cost the speed.
        let looked_at = self.filter.may_match(line);
        let shaped = line.first() == Some(&b'{') && line.last() == Some(&b'}');
        if !looked_at && shaped || line.is_empty() {
            return ControlFlow::Continue(());
        }
        match Event::parse(line) {
            Some(event) if self.filter.matches(&event) => visit(&event),
            Some(_) => ControlFlow::Continue(()),
            None => {
                self.strays.add(source, number);
                ControlFlow::Continue(())
            }
        }
    }
}

fn open(source: &Source) -> io::Result<Box<dyn Read>> {
    Ok(match source {
        Source::Input => Box::new(io::stdin()),
        Source::File(path) => Box::new(File::open(path)?),
    })
}
