//! A session in one line.

use crate::family::{EventType, Sum};
use crate::reader::log::Event;
use line::Object;

/// What all events of a session say together.
#[derive(Default)]
pub struct Summary {
    /// `sid`
    pub session: String,
    /// `user`
    pub user: String,
    /// `login`
    pub login: String,
    /// `server_hostname`
    pub host: String,
    /// Of a job: `origin`, `origin_sid`, and `origin_inferred`.
    pub origin: Option<(String, String, bool)>,
    /// `addr.remote`
    pub from: Option<String>,
    /// `addr.local`
    pub to: Option<String>,
    /// The JSON of `initial_command`.
    pub asked: Option<String>,
    /// The time of session.start, else of its first event here, as it stands in the log.
    pub begin: String,
    /// The begin in milliseconds since 1970-01-01 UTC.
    first: i64,
    last: i64,
    /// Whether its session.start is here.
    pub is_whole: bool,
    /// The time of session.end; `None` while it is open.
    pub end: Option<String>,
    /// Events that count as [`Sum::Commands`].
    pub commands: u64,
    /// As [`Sum::Files`].
    pub files: u64,
    /// As [`Sum::Connections`].
    pub connections: u64,
    /// Events that are not in the log.
    pub lost: u64,
    next: i64,
}

/// Whether an attempt to connect has not failed, as far as its own event tells.
fn has_connected(event: &Event<'_>) -> bool {
    let pending = -i64::from(libc::EINPROGRESS);
    let code = event.number("return_code");
    code.is_none_or(|code| code >= 0 || code == pending)
}

impl Summary {
    /// Begins with the first event of the session that is here.
    pub fn new(event: &Event<'_>) -> Self {
        let text = |key| event.text(key).unwrap_or_default().into_owned();
        Self {
            session: text("sid"),
            user: text("user"),
            login: text("login"),
            host: text("server_hostname"),
            origin: event.get("origin").map(|_| {
                let is_inferred = event.get("origin_inferred") == Some("true");
                (text("origin"), text("origin_sid"), is_inferred)
            }),
            begin: text("time"),
            first: event.time,
            last: event.time,
            is_whole: EventType::of(event) == Some(EventType::Start),
            next: event.number("ei").unwrap_or(0),
            ..Self::default()
        }
    }

    /// Adds an event, the first one too.
    pub fn add(&mut self, event: &Event<'_>) {
        let text = |key| event.text(key).map(|text| text.into_owned());
        self.last = self.last.max(event.time);
        if let Some(index) = event.number("ei") {
            // What has no line and is told of by no session.lost could not be written.
            let gap = index.saturating_sub(self.next).max(0);
            self.lost = self.lost.saturating_add(gap as u64);
            self.next = self.next.max(index.saturating_add(1));
        }
        let what = EventType::of(event);
        match what.and_then(|what| what.row().sum) {
            Some(Sum::Commands) => self.commands += 1,
            Some(Sum::Files) => self.files += 1,
            Some(Sum::Connections) if has_connected(event) => self.connections += 1,
            Some(Sum::Connections) => {}
            None => {}
        }
        match what {
            Some(EventType::Start) => {
                (self.from, self.to) = (text("addr.remote"), text("addr.local"));
                self.asked = event.get("initial_command").map(str::to_owned);
            }
            Some(EventType::Lost) => {
                let count = event.number("count").unwrap_or(0).max(0);
                self.lost = self.lost.saturating_add(count as u64);
            }
            Some(EventType::End) => {
                self.end = text("time");
                if let Some(begin) = text("session_start")
                    && let Some(first) = crate::base::instant(&begin)
                {
                    (self.begin, self.first) = (begin, first);
                }
            }
            _ => {}
        }
    }

    /// Milliseconds from its beginning to its end, or to what is known of it.
    pub fn milliseconds(&self) -> i64 {
        self.last.saturating_sub(self.first).max(0)
    }

    /// A line of JSON.
    pub fn json(&self) -> String {
        Object::text(|object| self.members(object))
    }

    fn members(&self, object: &mut Object<'_>) {
        let mut optional = |key, value: Option<&str>| {
            if let Some(value) = value {
                object.string(key, value.as_bytes());
            }
        };
        optional("sid", Some(&self.session));
        optional("user", Some(&self.user));
        optional("login", Some(&self.login));
        let origin = self.origin.as_ref();
        optional("origin", origin.map(|(origin, ..)| origin.as_str()));
        optional("origin_sid", origin.map(|(_, sid, _)| sid.as_str()));
        optional("server_hostname", Some(&self.host));
        optional("addr.remote", self.from.as_deref());
        optional("addr.local", self.to.as_deref());
        if origin.is_some_and(|(.., is_inferred)| *is_inferred) {
            object.boolean("origin_inferred", true);
        }
        if let Some(asked) = &self.asked {
            object.members(format!("\"initial_command\":{asked}").as_bytes());
        }
        object.string("session_start", self.begin.as_bytes());
        if let Some(end) = &self.end {
            object.string("session_stop", end.as_bytes());
        }
        object.boolean("open", self.end.is_none());
        object.boolean("start_missing", !self.is_whole);
        object.number("duration_ms", self.milliseconds());
        object.number("commands", self.commands);
        object.number("files", self.files);
        object.number("connections", self.connections);
        object.number("lost", self.lost);
    }
}
