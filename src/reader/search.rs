//! `recorderd search TEXT`: every event with a text in it, in all days.

use crate::reader::log::Source;

use super::fault::Fault;
use super::output::{Form, Output};
use super::request::Request;
use super::{go_on, read};
use crate::family::describe;

/// Shows what the filter takes, one line each.
pub fn run(sources: &[Source], request: &Request, output: &mut Output) -> Result<(), Fault> {
    read(sources, &request.filter, &mut |event| {
        match output.form {
            Form::Json => output.json(event.line),
            _ => output.text(&describe::line(event)),
        }
        go_on(output)
    })
}
