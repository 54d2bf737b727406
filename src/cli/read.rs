//! The commands that show a log.

use super::failure::Done;
use super::line::Line;
use crate::reader::log::Text;
use crate::reader::{self, Command, Form, Request};

/// Lines that `tail` begins with, where it isn't said how many.
const LINES: usize = 10;

pub fn sessions(line: Line) -> Done {
    run(line, Command::Sessions)
}

pub fn show(line: Line) -> Done {
    let sid = object(&line);
    run(line, Command::Show(sid))
}

pub fn play(line: Line) -> Done {
    let sid = object(&line);
    run(line, Command::Play(sid))
}

pub fn report(line: Line) -> Done {
    let (sid, page) = (object(&line), line.page.clone().unwrap_or_default());
    run(line, Command::Report(sid, page))
}

pub fn tail(line: Line) -> Done {
    run(line, Command::Tail)
}

pub fn search(mut line: Line) -> Done {
    let text = Text::new(&object(&line));
    line.filter.texts.push(text);
    run(line, Command::Search)
}

fn object(line: &Line) -> String {
    let object = line.objects.first();
    object.map_or_else(String::new, |it| it.to_string_lossy().into_owned())
}

fn run(line: Line, command: Command) -> Done {
    let form = match line.json {
        true => Form::Json,
        false => Form::text(line.color),
    };
    let request = Request {
        command,
        places: line.places,
        config: line.config,
        filter: line.filter,
        form,
        flat: line.flat,
        follow: line.follow,
        count: line.count.unwrap_or(LINES),
        play: line.play,
    };
    reader::run(&request)?;
    Ok(0)
}
