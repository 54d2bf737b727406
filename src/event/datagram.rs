//! What is sent without a connection, as events.

use super::act::{ends, process, protocol};
use super::dns::Question;
use super::socket::local_name;
use super::{Object, Subject, Uuid, Writer, address};
use crate::abi::{Head, Send, SendsKey, operation, send_mark};
use crate::record::Dns;

/// One process and one peer in one period.
pub struct Sends {
    /// The kernel's name for it.
    pub key: SendsKey,
    /// Of the first datagram.
    pub head: Head,
    /// The id of its event; `None` if that was lost.
    pub begun: Option<Uuid>,
}

impl Writer {
    /// session.network or session.local_send of the first datagram of a period; returns the id of
    /// the event.
    pub fn send(&mut self, subject: &mut Subject, send: &Send) -> Uuid {
        let head = &send.record;
        if is_local(&send.key) {
            let name = ("session.local_send", "R4010I");
            return self.line(subject, name, head.time, |object, _| {
                process(object, head);
                local(object, &send.key);
            });
        }
        let name = ("session.network", "T4002I");
        self.line(subject, name, head.time, |object, _| {
            process(object, head);
            ends(
                object,
                &send.source,
                Some(&send.key.destination),
                operation::SEND,
            );
            protocol(object, send.key.protocol);
            raw(object, &send.key);
        })
    }

    /// session.network_sends: `count` datagrams had no event of their own.
    pub fn sends(&mut self, subject: &mut Subject, time: u64, sends: &Sends, count: u64) {
        let key = &sends.key;
        let name = ("session.network_sends", "R4008I");
        self.line(subject, name, time, |object, _| {
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

    /// session.dns, if the datagram is a query; tells whether it is.
    pub fn dns(&mut self, subject: &mut Subject, head: &Head, dns: &Dns<'_>) -> bool {
        let Some(question) = Question::of(dns.message) else {
            return false;
        };
        let name = ("session.dns", "R4006I");
        self.line(subject, name, head.time, |object, _| {
            process(object, head);
            object.bytes("name", "name_base64", &question.name);
            object.string("type", question.kind().as_bytes());
            let (source, destination) = (address(&dns.source), address(&dns.destination));
            object.string("src_addr", source.host());
            object.number("src_port", source.port());
            object.string("dst_addr", destination.host());
            object.number("dst_port", destination.port());
            object.number("version", destination.version());
        });
        true
    }
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
