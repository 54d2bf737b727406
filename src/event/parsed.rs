//! One line of the log as an event.

use std::borrow::Cow;
use std::io;

use super::json::{self, Member};
use crate::base::instant;

/// The members that every event has, before its own.
const COMMON: [&str; 18] = [
    "ei",
    "event",
    "uid",
    "code",
    "time",
    "cluster_name",
    "user",
    "login",
    "sid",
    "origin",
    "origin_sid",
    "origin_inferred",
    "namespace",
    "server_id",
    "server_hostname",
    "server_addr",
    "server_labels",
    "server_version",
];

/// The members that every event of a process has, before its own.
const PROCESS: [&str; 5] = [
    "pid",
    "cgroup_id",
    "program",
    "program_base64",
    "audit_session_id",
];

/// Whether a key is in every event.
pub fn is_common(key: &str) -> bool {
    COMMON.contains(&key)
}

/// Whether a key is in every event of a process.
pub fn is_process(key: &str) -> bool {
    PROCESS.contains(&key)
}

/// An event: a line that is a JSON object with `event` and `time`.
pub struct Event<'a> {
    /// The line as it stands in the log.
    pub line: &'a str,
    /// When it happened, milliseconds since 1970-01-01 UTC.
    pub time: i64,
    members: Vec<Member<'a>>,
}

impl<'a> Event<'a> {
    /// `None` where the line is no event.
    pub fn parse(line: &'a [u8]) -> Option<Self> {
        let line = std::str::from_utf8(line).ok()?;
        let mut event = Self {
            line,
            time: 0,
            members: json::members(line)?,
        };
        event.text("event")?;
        event.time = instant(&event.text("time")?)?;
        Some(event)
    }

    /// All members in their order.
    pub fn members(&self) -> &[Member<'a>] {
        &self.members
    }

    /// Those that not every event has, with those of a process.
    pub fn own(&self) -> impl Iterator<Item = Member<'a>> {
        self.members
            .iter()
            .copied()
            .filter(|(key, _)| !is_common(key))
    }

    /// The JSON of a member's value; of two with the same key, the first.
    pub fn get(&self, key: &str) -> Option<&'a str> {
        let found = self.members.iter().find(|member| member.0 == key);
        found.map(|member| member.1)
    }

    /// The value of a member that is a string.
    pub fn text(&self, key: &str) -> Option<Cow<'a, str>> {
        json::string(self.get(key)?)
    }

    /// The value of a member that is a whole number.
    pub fn number(&self, key: &str) -> Option<i64> {
        self.get(key)?.parse().ok()
    }

    /// The event's name without `session.` in front: `command`, `disk`.
    pub fn name(&self) -> Cow<'a, str> {
        let name = self.text("event").unwrap_or_default();
        match name {
            Cow::Borrowed(name) => name.strip_prefix("session.").unwrap_or(name).into(),
            Cow::Owned(name) => name.replacen("session.", "", 1).into(),
        }
    }
}

/// What an errno means, in words: of −2, `No such file or directory`.
pub fn errno(return_code: i64) -> String {
    let number = i32::try_from(return_code.saturating_neg()).unwrap_or(i32::MAX);
    let text = io::Error::from_raw_os_error(number).to_string();
    match text.rfind(" (os error") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_a_name_and_a_time() {
        for line in [
            r#"{"event":"session.disk"}"#,
            r#"{"time":"2023-07-04T16:42:21.000Z"}"#,
            r#"{"event":1,"time":"2023-07-04T16:42:21.000Z"}"#,
            r#"{"event":"session.disk","time":"today"}"#,
            "\u{feff}{}",
        ] {
            assert!(Event::parse(line.as_bytes()).is_none(), "{line}");
        }
        let line =
            br#"{"event":"session.disk","time":"2023-07-04T16:42:21.000Z","pid":7,"path":"/a"}"#;
        let event = Event::parse(line).unwrap();
        assert_eq!(event.name(), "disk");
        assert_eq!(
            event.own().collect::<Vec<_>>(),
            [("pid", "7"), ("path", "\"/a\"")]
        );
        assert!(Event::parse(b"{\"event\":\"a\xff\",\"time\":\"2023-07-04\"}").is_none());
    }

    #[test]
    fn errors_have_words() {
        assert_eq!(errno(-2), "No such file or directory");
        assert!(!errno(i64::MIN).is_empty());
    }
}
