//! An event in words. What is not known here is shown as it stands, so that nothing gets lost.

use std::borrow::Cow;

use base64::engine::{Engine, general_purpose::STANDARD};

use super::output::{Text, Weight};
use crate::base::quote;
use crate::log::{Event, errno, is_process, json};

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
    "target_typed",
    "target_typed_base64",
    "tty",
    "typed",
    "typed_base64",
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
struct Members<'e, 'a> {
    event: &'e Event<'a>,
    shown: Vec<&'static str>,
}

impl<'a> Members<'_, 'a> {
    fn text(&mut self, key: &'static str) -> Option<Cow<'a, str>> {
        let text = self.event.text(key)?;
        self.shown.push(key);
        Some(text)
    }

    fn number(&mut self, key: &'static str) -> Option<i64> {
        let number = self.event.number(key)?;
        self.shown.push(key);
        Some(number)
    }

    fn is_true(&mut self, key: &'static str) -> bool {
        let is_true = self.event.get(key) == Some("true");
        if is_true {
            self.shown.push(key);
        }
        is_true
    }

    /// A name as a word; with all its bytes where they are not UTF-8.
    fn word(&mut self, key: &'static str) -> Option<String> {
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
    fn words(&mut self, key: &'static str, out: &mut String) {
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
    fn end(&mut self, address: &'static str, port: &'static str) -> Option<String> {
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

/// The same of what became of another event, without what that one says.
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
    let known = match &*event.name() {
        "start" => start(&mut members, text),
        "end" => end(&mut members, text),
        "command" => command(&mut members, text),
        "channel" => channel(&mut members, text),
        "resize" => resize(&mut members, text),
        "process_exit" => process_exit(&mut members, text),
        "disk" => disk(&mut members, text),
        "network" => network(&mut members, text),
        "network_result" => network_result(&mut members, text),
        "local_connect" => local(&mut members, text, "connect to "),
        "local_send" => local(&mut members, text, "send to "),
        "lost" => lost(&mut members, text),
        "privilege" => privilege(&mut members, text),
        _ => None,
    };
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
        match json::string(value) {
            Some(text) => quote::word(text.as_bytes(), &mut out),
            None => quote::plain(value, &mut out),
        }
        text.add(Weight::Normal, out);
    }
}

fn start(members: &mut Members<'_, '_>, text: &mut Text) -> Option<()> {
    text.add(Weight::Strong, "login");
    for (key, word) in [("addr.remote", "from"), ("addr.local", "to")] {
        if let Some(end) = members.word(key) {
            text.add(Weight::Normal, format!(" {word} {end}"));
        }
    }
    if let Some(size) = members.word("size") {
        text.add(Weight::Normal, format!(", terminal {size}"));
    }
    asked(members, text);
    Some(())
}

fn asked(members: &mut Members<'_, '_>, text: &mut Text) {
    let mut words = String::new();
    members.words("initial_command", &mut words);
    if !words.is_empty() {
        text.add(Weight::Normal, format!(", to run{words}"));
    }
}

fn end(members: &mut Members<'_, '_>, text: &mut Text) -> Option<()> {
    text.add(Weight::Strong, "end of the session");
    members.shown.extend([
        "events",
        "initial_command",
        "interactive",
        "losses",
        "participants",
        "participants_base64",
        "session_start",
        "session_stop",
    ]);
    let lost = losses(members.event);
    if lost > 0 {
        text.add(Weight::Lost, format!(", {lost} events lost"));
    }
    Some(())
}

/// All events that a session.end says were lost.
pub fn losses(end: &Event<'_>) -> i64 {
    let mut sum = 0i64;
    json::each(end.get("losses").unwrap_or_default(), &mut |_, value| {
        sum = sum.saturating_add(value.parse().unwrap_or(0));
    });
    sum
}

fn command(members: &mut Members<'_, '_>, text: &mut Text) -> Option<()> {
    let path = members.text("path")?;
    let mut line = members.word("path")?;
    members.words("argv", &mut line);
    text.add(Weight::Strong, line);
    failure(members, text);
    let name = path.rsplit('/').next().unwrap_or_default();
    let argv0 = members.text("argv0");
    let interpreter = members.text("interpreter");
    let usual = |argv0: &str| {
        argv0 == path
            || argv0.strip_prefix('-').unwrap_or(argv0) == name
            || Some(argv0) == interpreter.as_deref()
    };
    if argv0.is_some_and(|argv0| !usual(&argv0)) {
        let word = members.word("argv0")?;
        text.add(Weight::Normal, format!(", called {word}"));
    }
    if interpreter.is_some() {
        let word = members.word("interpreter")?;
        text.add(Weight::Normal, format!(", run by {word}"));
    } else if let Some(exe) = members.text("exe")
        && exe.rsplit('/').next() != Some(name)
        && let Some(exe) = members.word("exe")
    {
        text.add(Weight::Faint, format!(", file {exe}"));
    }
    members.shown.push("exe");
    members.shown.push("exe_base64");
    if members.is_true("privileged") {
        let user = members.event.get("ids").and_then(|ids| {
            let mut user = None;
            json::each(ids, &mut |key, value| {
                if key == Some("euid") {
                    user = Some(value);
                }
            });
            user
        });
        let user = user.map_or(String::new(), |user| format!(" as uid {user}"));
        text.add(Weight::Failed, format!(", privilege raised{user}"));
    }
    for (key, words) in [
        ("exe_memfd", "in memory only"),
        ("exe_deleted", "of a deleted file"),
    ] {
        if members.is_true(key) {
            text.add(Weight::Failed, format!(", {words}"));
        }
    }
    if let Some(missing) = members.number("argv_missing") {
        text.add(
            Weight::Lost,
            format!(", {missing} bytes of arguments missing"),
        );
    }
    Some(())
}

/// What the client asked for on its connection.
fn channel(members: &mut Members<'_, '_>, text: &mut Text) -> Option<()> {
    let number = members.number("channel")?;
    let kind = members.word("type")?;
    text.add(Weight::Strong, format!("channel {number}: {kind}"));
    if let Some(command) = members.word("command") {
        text.add(Weight::Normal, format!(" {command}"));
    }
    if let Some(requested) = members.word("requested_command") {
        text.add(Weight::Normal, format!(", asked for {requested}"));
    }
    if let Some(size) = members.word("size") {
        text.add(Weight::Normal, format!(", terminal {size}"));
    }
    members.shown.push("command_base64");
    members.shown.push("requested_command_base64");
    Some(())
}

fn resize(members: &mut Members<'_, '_>, text: &mut Text) -> Option<()> {
    let number = members.number("channel")?;
    let size = members.word("size")?;
    text.add(
        Weight::Normal,
        format!("terminal of channel {number} is {size}"),
    );
    Some(())
}

/// How a process ended.
fn process_exit(members: &mut Members<'_, '_>, text: &mut Text) -> Option<()> {
    let took = members.number("duration_us").map(duration);
    let took = took.map_or(String::new(), |took| format!(" after {took}"));
    match (members.number("exit_code"), members.number("signal")) {
        (Some(0), _) => text.add(Weight::Faint, format!("exit 0{took}")),
        (Some(code), _) => text.add(Weight::Failed, format!("exit {code}{took}")),
        (None, Some(signal)) => text.add(Weight::Failed, format!("signal {signal}{took}")),
        _ => return None,
    };
    if members.event.get("core_dumped") == Some("true") {
        text.add(Weight::Failed, ", core dumped");
    }
    Some(())
}

fn failure(members: &mut Members<'_, '_>, text: &mut Text) {
    if let Some(code @ ..0) = members.number("return_code") {
        text.add(Weight::Failed, format!(": {}", errno(code)));
    }
}

/// Whether a session.disk changes a file, or wants to: it is no open, or one for writing.
pub fn changes(disk: &Event<'_>) -> bool {
    let flags = disk.number("flags").unwrap_or(0);
    let path = disk.text("path").unwrap_or_default();
    // Written to by nearly every program, and no file of anybody's.
    let device = matches!(&*path, "/dev/null" | "/dev/tty") || path.starts_with("/dev/pts/");
    !is_open(disk) || flags & CHANGING != 0 && !device
}

/// O_WRONLY, O_RDWR, O_CREAT and O_TRUNC: the same on both architectures.
const CHANGING: i64 = (libc::O_WRONLY | libc::O_RDWR | libc::O_CREAT | libc::O_TRUNC) as i64;

fn is_open(disk: &Event<'_>) -> bool {
    disk.text("operation")
        .is_none_or(|operation| operation == "open")
}

fn disk(members: &mut Members<'_, '_>, text: &mut Text) -> Option<()> {
    let path = members.word("path")?;
    let flags = members.number("flags").unwrap_or(0);
    let operation = members.word("operation");
    let access = members.text("access");
    if matches!(operation.as_deref(), Some("create" | "mkdir")) {
        members.shown.push("mode");
    }
    let verb = match (operation, access.as_deref()) {
        (Some(operation), _) if !is_open(members.event) => operation,
        (_, Some("path" | "none")) => "open".into(),
        _ if flags & i64::from(libc::O_ACCMODE) == i64::from(libc::O_WRONLY) => "write".into(),
        _ if flags & CHANGING != 0 => "read and write".into(),
        _ => "read".into(),
    };
    text.add(Weight::Normal, format!("{verb} "));
    text.add(Weight::Strong, path);
    if let Some(target) = members.word("target") {
        text.add(Weight::Normal, " to ");
        text.add(Weight::Strong, target);
    }
    failure(members, text);
    if members.is_true("deleted") {
        text.add(Weight::Normal, ", deleted");
    }
    Some(())
}

/// What a session.network does: `operation` of docs/events.md.
fn network(members: &mut Members<'_, '_>, text: &mut Text) -> Option<()> {
    let own = members.end("src_addr", "src_port");
    let peer = members.end("dst_addr", "dst_port");
    let (verb, first, second) = match members.number("operation")? {
        0 => ("connect to", peer, None),
        1 => ("send to", peer, None),
        2 => ("listen on", own, None),
        3 => ("accept from", peer, own),
        _ => return None,
    };
    text.add(Weight::Normal, format!("{verb} "));
    text.add(Weight::Strong, first?);
    if let Some(second) = second {
        text.add(Weight::Normal, format!(" on {second}"));
    }
    if let Some(protocol) = members.word("protocol") {
        text.add(Weight::Normal, format!(", {protocol}"));
    }
    members.shown.push("version");
    match members.number("action") {
        Some(1) => text.add(Weight::Failed, ", denied"),
        _ => text,
    };
    failure(members, text);
    Some(())
}

fn network_result(members: &mut Members<'_, '_>, text: &mut Text) -> Option<()> {
    let took = members.number("duration_us").map(duration);
    let took = took.map_or(String::new(), |took| format!(" after {took}"));
    match members.number("result")? {
        0 => text.add(Weight::Faint, format!("connected{took}")),
        result => text.add(Weight::Failed, format!("{}{took}", errno(result))),
    };
    if !members.shown.contains(&"dst_addr")
        && let Some(peer) = members.end("dst_addr", "dst_port")
    {
        text.add(Weight::Faint, format!(", {peer}"));
    }
    members.shown.extend(["src_addr", "src_port", "version"]);
    Some(())
}

fn local(members: &mut Members<'_, '_>, text: &mut Text, verb: &'static str) -> Option<()> {
    let name = match members.word("abstract") {
        Some(name) => format!("@{name}"),
        None => members.word("path")?,
    };
    text.add(Weight::Normal, verb);
    text.add(Weight::Strong, name);
    failure(members, text);
    Some(())
}

fn privilege(members: &mut Members<'_, '_>, text: &mut Text) -> Option<()> {
    let operation = members.word("operation")?;
    text.add(Weight::Failed, operation);
    if let Some(path) = members.word("path") {
        text.add(Weight::Strong, format!(" {path}"));
    }
    failure(members, text);
    // What it became is the news here.
    if let Some(ids) = members.event.get("ids") {
        let mut out = String::from(" ids=");
        quote::plain(ids, &mut out);
        text.add(Weight::Normal, out);
    }
    Some(())
}

fn lost(members: &mut Members<'_, '_>, text: &mut Text) -> Option<()> {
    let (family, cause) = (members.word("family")?, members.word("cause")?);
    let count = members.number("count")?;
    text.add(Weight::Lost, format!("LOST: {count} of {family}, {cause}"));
    Some(())
}
