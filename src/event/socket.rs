//! Sockets that are not of the internet, as events.

use super::act::{incomplete, process};
use super::{Object, Subject, Uuid, Writer};
use crate::abi::{Head, PacketSocket, VSOCK_ANY, Vsock, operation};
use crate::record::LocalConnect;

impl Writer {
    /// session.local_connect; returns the id of the event.
    pub fn local_connect(
        &mut self,
        subject: &mut Subject,
        head: &Head,
        local: &LocalConnect<'_>,
    ) -> Uuid {
        let name = ("session.local_connect", "R4005I");
        self.line(subject, name, head.time, |object, _| {
            process(object, head);
            local_name(object, local.is_abstract, local.path);
            object.number("return_code", local.return_code);
            incomplete(object, local.path_notes);
        })
    }

    /// session.vsock
    pub fn vsock(&mut self, subject: &mut Subject, vsock: &Vsock) {
        let head = &vsock.record;
        let name = ("session.vsock", "R4011I");
        self.line(subject, name, head.time, |object, _| {
            process(object, head);
            object.number("operation", vsock.operation);
            object.number("return_code", vsock.return_code);
            let mut known = |key, number| {
                if number != VSOCK_ANY {
                    object.number(key, number);
                }
            };
            known("src_cid", vsock.context);
            known("src_port", vsock.port);
            if vsock.operation != operation::LISTEN {
                known("dst_cid", vsock.peer_context);
                known("dst_port", vsock.peer_port);
            }
        });
    }

    /// session.packet_socket
    pub fn packet_socket(&mut self, subject: &mut Subject, socket: &PacketSocket) {
        let head = &socket.record;
        let name = ("session.packet_socket", "R4012I");
        self.line(subject, name, head.time, |object, _| {
            process(object, head);
            match socket.kind.cast_signed() {
                libc::SOCK_DGRAM => object.string("type", b"dgram"),
                libc::SOCK_RAW => object.string("type", b"raw"),
                other => object.string("type", itoa::Buffer::new().format(other).as_bytes()),
            }
            object.number("protocol", socket.protocol);
            object.number("return_code", socket.return_code);
        });
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
