//! Connections and datagrams between addresses.

use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use super::act::Act;
use super::describe::{Members, duration, failure};
use super::members::process;
use super::record::split;
use super::sends::Sends;
use super::socket::local_name;
use super::{Body, Context, EventType, Malformed, Payload, Pending};
use crate::abi::{Endpoint, Head, Network, NetworkResult, Send, SendsKey, operation, send_mark};
use crate::base::{Text, Weight};
use crate::event::{Object, Subject, Writer, address, errno};

impl<'a> Payload<'a> for Network {
    fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        Ok(split(bytes)?.0)
    }

    fn write(&self, head: &Head, context: &mut Context<'_>) -> Option<EventType> {
        let uid = context.line(EventType::Network, head.time, |object, _| {
            process(object, head);
            let failed = self.operation == operation::CONNECT && self.return_code != 0;
            // Of a connect that failed, it may be no address at all.
            let has_peer =
                self.operation != operation::LISTEN && (self.destination.version > 0 || !failed);
            let destination = has_peer.then_some(&self.destination);
            ends(object, &self.source, destination, self.operation);
            protocol(object, self.protocol);
            if failed {
                object.number("return_code", self.return_code);
            }
        });
        if self.connection != 0 {
            let Pending {
                connects, share, ..
            } = &mut *context.pending;
            connects.insert(self.connection, uid, share);
        }
        Some(EventType::Network)
    }

    fn forget(&self, _: &Head, pending: &mut Pending) {
        pending
            .connects
            .remove(&self.connection, &mut pending.share);
    }
}

impl<'a> Payload<'a> for NetworkResult {
    fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        Ok(split(bytes)?.0)
    }

    fn write(&self, head: &Head, context: &mut Context<'_>) -> Option<EventType> {
        let Pending {
            connects, share, ..
        } = &mut *context.pending;
        let begun = connects.remove(&self.connection, share);
        context.line(EventType::NetworkResult, head.time, |object, _| {
            process(object, head);
            let source = address(&self.source);
            let destination = address(&self.destination);
            object.string("src_addr", source.host());
            if source.port() != 0 {
                object.number("src_port", source.port());
            }
            object.string("dst_addr", destination.host());
            object.number("dst_port", destination.port());
            object.number("version", destination.version());
            object.number("result", self.result);
            object.number("duration_us", self.duration / 1000);
            if let Some(begun) = &begun {
                object.string("network_uid", begun);
            }
        });
        Some(EventType::NetworkResult)
    }
}

/// session.network or session.local_send of the first datagram of a period.
impl<'a> Payload<'a> for Send {
    fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        Ok(split(bytes)?.0)
    }

    fn write(&self, head: &Head, context: &mut Context<'_>) -> Option<EventType> {
        let event = match is_local(&self.key) {
            true => EventType::LocalSend,
            false => EventType::Network,
        };
        let uid = context.line(event, head.time, |object, _| {
            process(object, head);
            if event == EventType::LocalSend {
                local(object, &self.key);
                return;
            }
            let destination = Some(&self.key.destination);
            ends(object, &self.source, destination, operation::SEND);
            protocol(object, self.key.protocol);
            raw(object, &self.key);
        });
        context.pending.sends.begin(self, Some(uid));
        Some(event)
    }

    fn forget(&self, _: &Head, pending: &mut Pending) {
        pending.sends.begin(self, None);
    }
}

impl Writer {
    /// session.network_sends: `count` datagrams had no event of their own.
    pub fn sends(&mut self, subject: &mut Subject, time: u64, sends: &Sends, count: u64) {
        let key = &sends.key;
        let title = EventType::NetworkSends.title();
        self.line(subject, title, time, |object, _| {
            process(object, &sends.head);
            if is_local(key) {
                local(object, key);
            } else {
                let destination = address(&key.destination);
                object.string("dst_addr", destination.host());
                object.number("dst_port", destination.port());
                object.number("version", destination.version());
                protocol(object, key.protocol);
                raw(object, key);
            }
            object.number("count", count);
            if let Some(begun) = &sends.begun {
                object.string("network_uid", begun);
            }
        });
    }
}

/// Both ends, or the own one of what has no peer, and what is done between them.
fn ends(
    object: &mut Object<'_>,
    source: &Endpoint,
    destination: Option<&Endpoint>,
    operation: u32,
) {
    let source = address(source);
    let destination = destination.map(address);
    object.string("src_addr", source.host());
    if let Some(destination) = &destination {
        object.string("dst_addr", destination.host());
        object.number("dst_port", destination.port());
    }
    // An IPv6 socket that is bound to no address sends from `::`, over IPv4 as well.
    object.number("version", destination.as_ref().unwrap_or(&source).version());
    object.number("operation", operation);
    object.number("action", 0);
    if source.port() != 0 {
        object.number("src_port", source.port());
    }
}

/// The name of a protocol, by the numbers of IANA; those that programs use by name.
fn protocol(object: &mut Object<'_>, number: u32) {
    let name = match number {
        1 => "icmp",
        6 => "tcp",
        17 => "udp",
        58 => "icmpv6",
        132 => "sctp",
        136 => "udplite",
        255 => "raw",
        262 => "mptcp",
        _ => {
            object.string("protocol", itoa::Buffer::new().format(number).as_bytes());
            return;
        }
    };
    object.string("protocol", name.as_bytes());
}

/// Whether it went to a local socket.
fn is_local(key: &SendsKey) -> bool {
    key.name_length > 0
}

fn local(object: &mut Object<'_>, key: &SendsKey) {
    let length = (key.name_length as usize).min(key.name.len());
    let name = &key.name[..length];
    match name.first() {
        Some(0) => local_name(object, true, name),
        _ => {
            let end = memchr::memchr(0, name).unwrap_or(length);
            local_name(object, false, &name[..end]);
        }
    }
    object.number("return_code", key.return_code);
}

fn raw(object: &mut Object<'_>, key: &SendsKey) {
    if key.marks & send_mark::RAW != 0 {
        object.boolean("raw", true);
    }
}

/// What a session.network does: `operation` of docs/events.md.
pub(super) fn describe_network(members: &mut Members<'_, '_>, text: &mut Text) -> Option<()> {
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

pub(super) fn describe_result(members: &mut Members<'_, '_>, text: &mut Text) -> Option<()> {
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

/// What the self-test does.
pub(super) const ACTS: &[Act] = &[
    Act {
        program: "network_state",
        perform: || listen().map(drop),
        shows: |record| matches!(&record.body, Body::Network(it) if it.operation == operation::LISTEN),
    },
    Act {
        program: "network_accept",
        perform: accept,
        shows: |record| matches!(&record.body, Body::Network(it) if it.operation == operation::ACCEPT),
    },
    Act {
        program: "network_packet",
        perform: send,
        shows: |record| matches!(&record.body, Body::Send(it) if it.key.name_length == 0),
    },
];

fn listen() -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
}

fn accept() -> io::Result<()> {
    let listener = listen()?;
    let _client = TcpStream::connect_timeout(&listener.local_addr()?, PATIENCE)?;
    listener.set_nonblocking(true)?;
    // The last step of the handshake may be under way yet.
    let ends = Instant::now() + PATIENCE;
    loop {
        match listener.accept() {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock && Instant::now() < ends => {
                thread::sleep(Duration::from_millis(1));
            }
            accepted => return accepted.map(drop),
        }
    }
}

fn send() -> io::Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.send_to(&[], socket.local_addr()?).map(drop)
}

/// How long a connection to ourselves may take.
const PATIENCE: Duration = Duration::from_secs(1);
