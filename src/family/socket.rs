//! Sockets that are not of the internet.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixStream};

use super::act::{Act, NOTHING, refused, unfiltered};
use super::describe::{Members, failure};
use super::members::{incomplete, process};
use super::record::{split, take};
use super::{Body, Context, EventType, Malformed, Payload, delegate};
use crate::abi::{self, Head, PacketSocket, VSOCK_ANY, Vsock, operation};
use crate::base::{Text, Weight};
use crate::event::Object;

/// A local socket that was connected to, or could not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct LocalConnect<'a> {
    pub return_code: i32,
    pub is_abstract: bool,
    pub path: &'a [u8],
    pub path_notes: u32,
}

impl<'a> Payload<'a> for LocalConnect<'a> {
    fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let (fixed, rest) = split::<abi::LocalConnect>(bytes)?;
        Ok(Self {
            return_code: fixed.return_code,
            is_abstract: fixed.is_abstract != 0,
            path: take(rest, fixed.path_length)?.0,
            path_notes: fixed.path_notes,
        })
    }

    fn write(&self, head: &Head, context: &mut Context<'_>) -> Option<EventType> {
        let request = context.line(EventType::LocalConnect, head.time, |object, _| {
            process(object, head);
            local_name(object, self.is_abstract, self.path);
            object.number("return_code", self.return_code);
            incomplete(object, self.path_notes);
        });
        if let Some(name) = delegate::by_socket(self) {
            delegate::write(head, name, &request, context);
        }
        Some(EventType::LocalConnect)
    }
}

impl<'a> Payload<'a> for Vsock {
    fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        Ok(split(bytes)?.0)
    }

    fn write(&self, head: &Head, context: &mut Context<'_>) -> Option<EventType> {
        context.line(EventType::Vsock, head.time, |object, _| {
            process(object, head);
            object.number("operation", self.operation);
            object.number("return_code", self.return_code);
            let mut known = |key, number| {
                if number != VSOCK_ANY {
                    object.number(key, number);
                }
            };
            known("src_cid", self.context);
            known("src_port", self.port);
            if self.operation != operation::LISTEN {
                known("dst_cid", self.peer_context);
                known("dst_port", self.peer_port);
            }
        });
        Some(EventType::Vsock)
    }
}

impl<'a> Payload<'a> for PacketSocket {
    fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        Ok(split(bytes)?.0)
    }

    fn write(&self, head: &Head, context: &mut Context<'_>) -> Option<EventType> {
        context.line(EventType::PacketSocket, head.time, |object, _| {
            process(object, head);
            match self.kind.cast_signed() {
                libc::SOCK_DGRAM => object.string("type", b"dgram"),
                libc::SOCK_RAW => object.string("type", b"raw"),
                other => object.string("type", itoa::Buffer::new().format(other).as_bytes()),
            }
            object.number("protocol", self.protocol);
            object.number("return_code", self.return_code);
        });
        Some(EventType::PacketSocket)
    }
}

/// The name of a local socket, as `ss` and /proc/net/unix show those that are in no file system: an
/// abstract one without the zero byte that it begins with.
pub(super) fn local_name(object: &mut Object<'_>, is_abstract: bool, name: &[u8]) {
    match (is_abstract, name.split_first()) {
        (true, Some((_, rest))) => object.bytes("abstract", "abstract_base64", rest),
        _ => object.bytes("path", "path_base64", name),
    }
}

/// A local socket was connected to, or could not be.
pub(super) fn describe_connect(members: &mut Members<'_, '_>, text: &mut Text) -> Option<()> {
    local(members, text, "connect to ")
}

/// A first datagram was sent to one.
pub(super) fn describe_send(members: &mut Members<'_, '_>, text: &mut Text) -> Option<()> {
    local(members, text, "send to ")
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

/// What the self-test does.
pub(super) const ACTS: &[Act] = &[
    Act {
        program: "network_connect",
        perform: || refused(UnixStream::connect(NOTHING)),
        shows: |record| matches!(&record.body, Body::LocalConnect(_)),
    },
    Act {
        program: "network_socket",
        perform: frames,
        shows: |record| matches!(&record.body, Body::PacketSocket(_)),
    },
    Act {
        program: "network_local",
        perform: || refused(UnixDatagram::unbound()?.send_to(&[], NOTHING)),
        shows: |record| matches!(&record.body, Body::Send(it) if it.key.name_length > 0),
    },
];

/// Whether it may be made or not, it is told of.
fn frames() -> io::Result<()> {
    // SAFETY: takes numbers, and gives a descriptor or −1.
    let socket = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    if socket < 0 {
        return unfiltered(&io::Error::last_os_error());
    }
    // SAFETY: the descriptor is ours alone.
    drop(unsafe { OwnedFd::from_raw_fd(socket) });
    Ok(())
}
