//! Which events are wanted.

use std::net::{IpAddr, SocketAddr};

use memchr::memmem::Finder;

use crate::event::{Event, is_process, json};
use crate::family::family;

/// What seals the log.
const CHECKPOINT: &str = "recorder.checkpoint";

/// What an event must be to be wanted. Of each kind that is given, one must fit.
#[derive(Default)]
pub struct Filter {
    /// At or after; milliseconds since 1970-01-01 UTC.
    pub since: Option<i64>,
    /// Before; milliseconds since 1970-01-01 UTC.
    pub until: Option<i64>,
    /// `user`
    pub users: Vec<String>,
    /// `login`
    pub logins: Vec<String>,
    /// The beginning of `sid`.
    pub sessions: Vec<Text>,
    /// See [`Event::family`], or the name of the event.
    pub families: Vec<String>,
    /// A path, or a folder above it; see [`Text::path`].
    pub paths: Vec<Text>,
    /// An end of a connection.
    pub addresses: Vec<Network>,
    /// A text in a command, path or address.
    pub texts: Vec<Text>,
}

impl Filter {
    /// Whether anything is asked for.
    pub fn is_empty(&self) -> bool {
        self.since.is_none()
            && self.until.is_none()
            && self.users.is_empty()
            && self.logins.is_empty()
            && self.sessions.is_empty()
            && self.families.is_empty()
            && self.paths.is_empty()
            && self.addresses.is_empty()
            && self.texts.is_empty()
    }

    /// False only where the line can't be wanted, whatever is in it. Looks at its bytes as they are.
    pub fn may_match(&self, line: &[u8]) -> bool {
        [&self.sessions, &self.paths, &self.texts]
            .into_iter()
            .all(|texts| texts.is_empty() || texts.iter().any(|text| text.may_be_in(line)))
    }

    /// Whether the event is wanted.
    pub fn matches(&self, event: &Event<'_>) -> bool {
        let is = |key: &str, values: &[String]| {
            values.is_empty()
                || event
                    .text(key)
                    .is_some_and(|text| values.iter().any(|value| *value == *text))
        };
        self.since.is_none_or(|since| event.time >= since)
            && self.until.is_none_or(|until| event.time < until)
            && is("user", &self.users)
            && is("login", &self.logins)
            && self.is_of_session(event)
            && self.is_of_family(event)
            && (self.paths.is_empty() || self.has_path(event))
            && (self.addresses.is_empty() || self.has_address(event))
            && (self.texts.is_empty() || self.has_text(event))
    }

    fn is_of_session(&self, event: &Event<'_>) -> bool {
        self.sessions.is_empty()
            || event.text("sid").is_some_and(|sid| {
                let begins = |wanted: &Text| sid.starts_with(&wanted.text);
                self.sessions.iter().any(begins)
            })
    }

    fn is_of_family(&self, event: &Event<'_>) -> bool {
        let fits = |wanted: &String| {
            *wanted == family(event)
                || *wanted == event.name()
                || event.text("event").is_some_and(|name| *wanted == name)
        };
        match self.families.is_empty() {
            // They tell a person nothing: `verify` reads them.
            true => event.name() != CHECKPOINT,
            false => self.families.iter().any(fits),
        }
    }

    fn has_path(&self, event: &Event<'_>) -> bool {
        let mut found = false;
        for (key, value) in event.own() {
            if !matches!(
                key,
                "cwd"
                    | "argv"
                    | "initial_command"
                    | "command"
                    | "requested_command"
                    | "environment"
                    | "program"
            ) {
                json::strings(value, &mut |text| {
                    found |= self.paths.iter().any(|path| is_below(&text, &path.text));
                });
            }
        }
        found
    }

    fn has_address(&self, event: &Event<'_>) -> bool {
        let mut found = false;
        ends(event, &mut |address, port| {
            found |= self
                .addresses
                .iter()
                .any(|network| network.holds(address, port));
        });
        found
    }

    fn has_text(&self, event: &Event<'_>) -> bool {
        let mut found = false;
        let mut look = |text: &str| found |= self.texts.iter().any(|wanted| wanted.is_in(text));
        for (key, value) in event.own() {
            if !is_process(key) && !key.ends_with("_base64") {
                json::strings(value, &mut |text| look(&text));
            }
        }
        look(&words(event));
        ends(event, &mut |address, port| {
            if let Some(port) = port {
                look(&SocketAddr::new(address, port).to_string());
            }
        });
        found
    }
}

/// The path and the arguments of a command, or what was asked for, with a space between them.
fn words(event: &Event<'_>) -> String {
    let mut line = event.text("path").unwrap_or_default().into_owned();
    for key in ["argv", "initial_command"] {
        json::each(event.get(key).unwrap_or_default(), &mut |_, value| {
            if let Some(text) = json::string(value) {
                line.push(' ');
                line.push_str(&text);
            }
        });
    }
    line
}

fn is_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// All addresses in an event: with the port that is written with it, or in the member that is named
/// after it (`dst_addr`, `dst_port`).
fn ends(event: &Event<'_>, visit: &mut dyn FnMut(IpAddr, Option<u16>)) {
    for (key, value) in event.own() {
        // What begins like neither an address nor a list of them is most of a log.
        if !value.starts_with(['"', '[', '{']) || matches!(key, "argv" | "environment") {
            continue;
        }
        json::strings(value, &mut |text| {
            if !text.starts_with(|c: char| c.is_ascii_hexdigit() || c == ':' || c == '[') {
                return;
            }
            if let Ok(both) = text.parse::<SocketAddr>() {
                visit(both.ip(), Some(both.port()));
            } else if let Ok(address) = text.parse() {
                let port = key
                    .strip_suffix("_addr")
                    .and_then(|end| event.number(&format!("{end}_port")))
                    .and_then(|port| port.try_into().ok());
                visit(address, port);
            }
        });
    }
}

/// A text to look for.
pub struct Text {
    text: String,
    anywhere: Finder<'static>,
    /// The longest part of the text that stands in a line as it is, whichever way the line shows
    /// what is around it.
    part: Finder<'static>,
}

impl Text {
    /// A path without the slash at its end.
    pub fn path(path: &str) -> Self {
        Self::new(path.trim_end_matches('/'))
    }

    /// Any text.
    pub fn new(text: &str) -> Self {
        // Spaces, colons and brackets can stand between members of the line, the others are
        // escaped there.
        let apart = |c: char| " :[]\"\\".contains(c) || c.is_control();
        let part = text.split(apart).max_by_key(|part| part.len());
        Self {
            text: text.to_owned(),
            anywhere: Finder::new(text).into_owned(),
            part: Finder::new(part.unwrap_or_default()).into_owned(),
        }
    }

    fn is_in(&self, text: &str) -> bool {
        self.anywhere.find(text.as_bytes()).is_some()
    }

    /// False only where the text is in no string of the line.
    fn may_be_in(&self, line: &[u8]) -> bool {
        self.part.find(line).is_some() || has_coded_letters(line)
    }
}

/// Whether something in the line may be escaped that needs no escape, as some writers of JSON do.
fn has_coded_letters(line: &[u8]) -> bool {
    memchr::memchr_iter(b'\\', line).any(|at| matches!(line.get(at + 1), Some(b'u' | b'/')))
}

/// Addresses that have a beginning in common, and perhaps a port.
#[derive(Debug, PartialEq)]
pub struct Network {
    /// As IPv6, with the bits outside of `mask` zero.
    bits: u128,
    mask: u128,
    port: Option<u16>,
}

impl Network {
    /// Takes `192.0.2.1`, `192.0.2.1:443`, `192.0.2.0/24`, `2001:db8::1`, `[2001:db8::1]:443` and
    /// `2001:db8::/32`.
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(both) = text.parse::<SocketAddr>() {
            return Some(Self {
                bits: bits(both.ip()),
                mask: u128::MAX,
                port: Some(both.port()),
            });
        }
        let (address, length) = text.split_once('/').unwrap_or((text, ""));
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let length: u32 = match text.contains('/') {
            true => length.parse().ok().filter(|length| *length <= most)?,
            false => most,
        };
        let mask = u128::MAX.checked_shl(most - length).unwrap_or(0);
        // Of an IPv4 address, all that stands before its own 32 bits counts.
        Some(Self {
            bits: bits(address) & mask,
            mask,
            port: None,
        })
    }

    fn holds(&self, address: IpAddr, port: Option<u16>) -> bool {
        bits(address) & self.mask == self.bits && (self.port.is_none() || self.port == port)
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(filter: &Filter, line: &str) -> bool {
        let wanted = filter.matches(&Event::parse(line.as_bytes()).unwrap());
        assert!(!wanted || filter.may_match(line.as_bytes()), "{line}");
        wanted && filter.may_match(line.as_bytes())
    }

    fn line(rest: &str) -> String {
        format!(
            r#"{{"event":"session.command","time":"2023-07-04T16:42:21.000Z","user":"alice","login":"web","sid":"86aca627-971d","server_hostname":"needle","pid":1,"program":"needle",{rest}}}"#
        )
    }

    fn has(text: &str, rest: &str) -> bool {
        let filter = Filter {
            texts: vec![Text::new(text)],
            ..Filter::default()
        };
        found(&filter, &line(rest))
    }

    #[test]
    fn text_is_found_as_it_was_and_not_as_it_is_written() {
        assert!(has("a\"b\\c\n\u{1b}é", r#""path":"xa\"b\\c\n\u001bé""#));
        assert!(has("<é/>", r#""path":"\u003c\u00e9\/\u003e""#));
        assert!(has(
            "rm -rf /tmp/a b",
            r#""path":"/bin/rm","argv":["-rf","/tmp/a","b"]"#
        ));
        assert!(has(
            "192.0.2.1:443",
            r#""dst_addr":"192.0.2.1","dst_port":443"#
        ));
        assert!(has(
            "[2001:db8::1]:443",
            r#""dst_addr":"2001:db8::1","dst_port":443"#
        ));
        assert!(has(
            "evil.so",
            r#""environment":{"LD_PRELOAD":"/tmp/evil.so"}"#
        ));
        assert!(has("", r#""path":"x""#));
        assert!(has(" ", r#""path":"/bin/a","argv":["b"]"#));
        assert!(!has("nb", r#""path":"a\nb""#));
        assert!(!has(
            "needle",
            r#""path":"/bin/pin","path_base64":"needle""#
        ));
        assert!(!has("u001b", r#""path":"\u001b""#));
    }

    #[test]
    fn each_kind_must_fit() {
        let text = |value: &str| vec![Text::new(value)];
        let own = |value: &str| vec![value.to_owned(), "other".to_owned()];
        let fits = |filter: Filter| found(&filter, &line(r#""path":"/etc/ssh/a""#));
        assert!(fits(Filter::default()));
        assert!(fits(Filter {
            users: own("alice"),
            logins: own("web"),
            ..Filter::default()
        }));
        assert!(!fits(Filter {
            users: own("alice"),
            logins: own("alice"),
            ..Filter::default()
        }));
        assert!(fits(Filter {
            sessions: text("86aca"),
            ..Filter::default()
        }));
        assert!(!fits(Filter {
            sessions: text("6aca"),
            ..Filter::default()
        }));
        assert!(fits(Filter {
            families: own("command"),
            ..Filter::default()
        }));
        assert!(fits(Filter {
            families: own("session.command"),
            ..Filter::default()
        }));
        assert!(!fits(Filter {
            families: own("disk"),
            ..Filter::default()
        }));
        for path in ["/etc/ssh/a", "/etc/ssh/a/", "/etc/ssh", "/etc/", "/"] {
            assert!(
                fits(Filter {
                    paths: vec![Text::path(path)],
                    ..Filter::default()
                }),
                "{path}"
            );
        }
        for path in ["/etc/ss", "/etc/ssh/a/b", "etc"] {
            assert!(
                !fits(Filter {
                    paths: vec![Text::path(path)],
                    ..Filter::default()
                }),
                "{path}"
            );
        }
        let at = crate::base::instant("2023-07-04T16:42:21Z");
        assert!(fits(Filter {
            since: at,
            ..Filter::default()
        }));
        assert!(!fits(Filter {
            until: at,
            ..Filter::default()
        }));
    }

    #[test]
    fn addresses_are_compared_as_numbers() {
        let holds = |network: &str, address: &str, port: Option<u16>| {
            Network::parse(network)
                .unwrap()
                .holds(address.parse().unwrap(), port)
        };
        assert!(holds("192.0.2.1", "192.0.2.1", Some(1)));
        assert!(holds("192.0.2.1", "::ffff:192.0.2.1", None));
        assert!(holds("192.0.2.0/24", "192.0.2.255", None));
        assert!(!holds("192.0.2.0/24", "192.0.3.0", None));
        assert!(holds("0.0.0.0/0", "255.255.255.255", None));
        assert!(!holds("0.0.0.0/0", "2001:db8::1", None));
        assert!(holds("::/0", "2001:db8::1", None));
        assert!(holds("2001:db8::/32", "2001:db8:ffff::1", None));
        assert!(holds("[::1]:22", "::1", Some(22)));
        assert!(!holds("192.0.2.1:22", "192.0.2.1", Some(23)));
        assert!(!holds("192.0.2.1:22", "192.0.2.1", None));
        for wrong in [
            "",
            "a",
            "192.0.2.1/33",
            "192.0.2.1/",
            "::/129",
            "192.0.2.1:99999",
        ] {
            assert_eq!(Network::parse(wrong), None, "{wrong}");
        }
        let filter = Filter {
            addresses: vec![Network::parse("198.51.100.7:50000").unwrap()],
            ..Filter::default()
        };
        assert!(found(
            &filter,
            &line(r#""addr.remote":"198.51.100.7:50000""#)
        ));
        assert!(found(
            &filter,
            &line(r#""answers":[{"a":"198.51.100.7:50000"}]"#)
        ));
        assert!(!found(
            &filter,
            &line(r#""src_addr":"198.51.100.7","src_port":1"#)
        ));
    }
}
