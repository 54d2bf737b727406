//! An event in words. What is not known here is shown as it stands, so that nothing gets lost.

use std::borrow::Cow;

use base64::engine::{Engine, general_purpose::STANDARD};

use super::EventType;
use crate::base::{Text, Weight, quote};
use crate::event::{Event, errno, is_process, json};

/// Members of known events that are for machines, or say again what is shown already.
const QUIET: [&str; 24] = [
    "argv0_base64",
    "argv_base64",
    "code",
    "command_uid",
    "core_dumped",
    "cpu_us",
    "cwd",
    "cwd_base64",
    "enhanced_recording",
    "exe_device",
    "exe_inode",
    "ids",
    "initial_command_base64",
    "max_memory_kb",
    "network_uid",
    "path_base64",
    "ppid",
    "session_recording",
    "target_base64",
    "requested_target",
    "requested_target_base64",
    "tty",
    "requested_path",
    "requested_path_base64",
];

/// A line that says all: when, whose session, which process, what.
pub fn line(event: &Event<'_>) -> Text {
    let mut text = Text::default();
    text.column(Weight::Faint, &time(event), 23);
    text.column(
        Weight::Faint,
        &shown(event, "sid").chars().take(8).collect::<String>(),
        8,
    );
    text.column(Weight::Normal, &shown(event, "login"), 10);
    text.column(Weight::Normal, &process(event), 22);
    let name = event.name();
    let mut kind = String::new();
    quote::plain(&name, &mut kind);
    text.column(Weight::Faint, &kind, 14);
    details(event, &mut text);
    text
}

/// When it happened: `2023-07-04 16:42:21.000`, UTC.
pub fn time(event: &Event<'_>) -> String {
    let mut time = shown(event, "time").replacen('T', " ", 1);
    if time.ends_with('Z') {
        time.pop();
    }
    time
}

/// `curl[5007]`, or nothing where no process is named.
pub fn process(event: &Event<'_>) -> String {
    match event.number("pid") {
        Some(pid) => format!("{}[{pid}]", shown(event, "program")),
        None => String::new(),
    }
}

/// The text of a member, or an empty one.
pub fn shown(event: &Event<'_>, key: &str) -> String {
    let mut out = String::new();
    quote::plain(&event.text(key).unwrap_or_default(), &mut out);
    out
}

/// The path of an event as a word.
pub fn path(event: &Event<'_>) -> String {
    let shown = Vec::new();
    Members { event, shown }.word("path").unwrap_or_default()
}

/// A length of time: `850 µs`, `12 ms`, `1.2 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`.
pub fn duration(microseconds: i64) -> String {
    let microseconds = microseconds.max(0);
    let seconds = microseconds / 1_000_000;
    match seconds {
        0 if microseconds < 1_000 => format!("{microseconds} µs"),
        0 => format!("{} ms", microseconds / 1_000),
        1..60 => format!("{seconds}.{} s", microseconds / 100_000 % 10),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

/// The members of an event, of which those are noted that have been shown.
pub struct Members<'e, 'a> {
    /// Of this one.
    pub event: &'e Event<'a>,
    /// The keys of those that need not be shown any more.
    pub shown: Vec<&'static str>,
}

impl<'a> Members<'_, 'a> {
    /// The value of a string.
    pub fn text(&mut self, key: &'static str) -> Option<Cow<'a, str>> {
        let text = self.event.text(key)?;
        self.shown.push(key);
        Some(text)
    }

    /// The value of a whole number.
    pub fn number(&mut self, key: &'static str) -> Option<i64> {
        let number = self.event.number(key)?;
        self.shown.push(key);
        Some(number)
    }

    /// Whether the value is `true`.
    pub fn is_true(&mut self, key: &'static str) -> bool {
        let is_true = self.event.get(key) == Some("true");
        if is_true {
            self.shown.push(key);
        }
        is_true
    }

    /// A name as a word; with all its bytes where they are not UTF-8.
    pub fn word(&mut self, key: &'static str) -> Option<String> {
        let text = self.text(key)?;
        let twin = self.event.text(&format!("{key}_base64"));
        let mut out = String::new();
        match twin.and_then(|twin| STANDARD.decode(twin.as_bytes()).ok()) {
            Some(bytes) => quote::word(&bytes, &mut out),
            None => quote::word(text.as_bytes(), &mut out),
        }
        Some(out)
    }

    /// A list of words, each after a space.
    pub fn words(&mut self, key: &'static str, out: &mut String) {
        let Some(list) = self.event.get(key).filter(|list| list.starts_with('[')) else {
            return;
        };
        self.shown.push(key);
        let twin = self.event.get(&format!("{key}_base64"));
        json::each(twin.unwrap_or(list), &mut |_, value| {
            let text = json::string(value).unwrap_or(Cow::Borrowed(value));
            out.push(' ');
            match twin.and_then(|_| STANDARD.decode(text.as_bytes()).ok()) {
                Some(bytes) => quote::word(&bytes, out),
                None => quote::word(text.as_bytes(), out),
            }
        });
    }

    /// Address and port of an end.
    pub fn end(&mut self, address: &'static str, port: &'static str) -> Option<String> {
        let mut out = String::new();
        quote::plain(&self.text(address)?, &mut out);
        if let Some(port) = self.number(port) {
            out = match out.contains(':') {
                true => format!("[{out}]:{port}"),
                false => format!("{out}:{port}"),
            };
        }
        Some(out)
    }
}

/// What happened, without when and where.
pub fn details(event: &Event<'_>, text: &mut Text) {
    tell(event, &[], text);
}

/// What became of another event, without what that one says.
pub fn outcome(event: &Event<'_>, text: &mut Text) {
    tell(
        event,
        &["src_addr", "src_port", "dst_addr", "dst_port"],
        text,
    );
}

fn tell(event: &Event<'_>, said: &[&'static str], text: &mut Text) {
    let mut members = Members {
        event,
        shown: said.to_vec(),
    };
    let describe = EventType::of(event).and_then(|it| it.row().describe);
    let known = describe.and_then(|describe| describe(&mut members, text));
    if known.is_none() {
        let mut name = String::new();
        quote::plain(&event.name(), &mut name);
        text.add(Weight::Normal, name);
    }
    rest(&members, known.is_some(), text);
}

/// What the event has besides, as `key=value`.
fn rest(members: &Members<'_, '_>, known: bool, text: &mut Text) {
    for (key, value) in members.event.own() {
        let quiet = known && QUIET.contains(&key);
        if is_process(key) || quiet || known && members.shown.contains(&key) {
            continue;
        }
        let mut out = String::from(" ");
        quote::plain(key, &mut out);
        out.push('=');
        match (key, json::string(value)) {
            ("mode", Some(text)) => out.push_str(&permissions(&text)),
            (_, Some(text)) => quote::word(text.as_bytes(), &mut out),
            ("signal", None) => out.push_str(&signal(value.parse().unwrap_or(0))),
            (_, None) => quote::plain(value, &mut out),
        }
        text.add(Weight::Normal, out);
    }
}

/// A mode without the bits that tell the type of the file, which the operation tells.
fn permissions(mode: &str) -> String {
    let bits = u32::from_str_radix(mode, 8);
    bits.map_or_else(
        |_| mode.to_owned(),
        |bits| format!("{:04o}", bits & !libc::S_IFMT),
    )
}

/// Names of signals by number, from 1 on: the same on both architectures (signal(7)).
const SIGNALS: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

/// A signal by its name, or by its number where it has none.
pub fn signal(number: i64) -> String {
    let place = usize::try_from(number)
        .ok()
        .and_then(|number| number.checked_sub(1));
    let name = place.and_then(|place| SIGNALS.get(place));
    name.map_or_else(|| format!("signal {number}"), |name| format!("SIG{name}"))
}

/// All events that a session.end says were lost.
pub fn losses(end: &Event<'_>) -> i64 {
    let mut sum = 0i64;
    json::each(end.get("losses").unwrap_or_default(), &mut |_, value| {
        sum = sum.saturating_add(value.parse().unwrap_or(0));
    });
    sum
}

/// Why it failed, if it did.
pub fn failure(members: &mut Members<'_, '_>, text: &mut Text) {
    if let Some(code @ ..0) = members.number("return_code") {
        text.add(Weight::Failed, format!(": {}", errno(code)));
    }
}
