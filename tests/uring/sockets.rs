//! What the program does with sockets.

use std::ffi::c_void;
use std::io;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;
use std::ptr;

use io_uring::{IoUring, opcode, types};
use libc::{AF_INET, AF_UNIX, SOCK_DGRAM, SOCK_STREAM};

use super::Way;

/// An address and its length.
type Address = (libc::sockaddr_storage, u32);

fn internet(port: u16, family: i32) -> Address {
    // SAFETY: all zero is an address of no family.
    let mut storage: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
    let address: *mut libc::sockaddr_in = (&raw mut storage).cast();
    // SAFETY: an address of any family has room for one of this.
    unsafe {
        (*address).sin_family = family as u16;
        (*address).sin_port = port.to_be();
        (*address).sin_addr.s_addr = 0x7f00_0001u32.to_be();
    }
    (storage, size_of::<libc::sockaddr_in>() as u32)
}

fn local(path: &Path) -> Address {
    // SAFETY: as above.
    let mut storage: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
    let address: *mut libc::sockaddr_un = (&raw mut storage).cast();
    let path = path.to_str().unwrap().as_bytes();
    // SAFETY: as above; the paths are short.
    unsafe {
        (*address).sun_family = AF_UNIX as u16;
        for (to, from) in (*address).sun_path.iter_mut().zip(path) {
            *to = from.cast_signed();
        }
    }
    (storage, (2 + path.len() + 1) as u32)
}

fn socket(family: i32, kind: i32) -> i32 {
    // SAFETY: makes a descriptor.
    unsafe { libc::socket(family, kind, 0) }
}

fn connect(way: &mut Way, (address, size): &Address) -> i32 {
    let family = i32::from(address.ss_family);
    let family = if family == AF_UNIX { AF_UNIX } else { AF_INET };
    let socket = socket(family, SOCK_STREAM);
    let pointer = ptr::from_ref(address).cast();
    way.act(
        // SAFETY: an address and its size.
        || unsafe { libc::syscall(libc::SYS_connect, socket, pointer, *size) },
        || opcode::Connect::new(types::Fd(socket), pointer, *size).build(),
    )
}

fn accept(way: &mut Way, listener: &TcpListener) -> i32 {
    let listener = listener.as_raw_fd();
    let none = ptr::null_mut::<c_void>();
    way.act(
        // SAFETY: no address is asked for.
        || unsafe { libc::syscall(libc::SYS_accept4, listener, none, none, 0) },
        || opcode::Accept::new(types::Fd(listener), ptr::null_mut(), ptr::null_mut()).build(),
    )
}

/// One byte to an address.
fn send(way: &mut Way, (address, size): &mut Address) -> i32 {
    let socket = socket(address.ss_family.into(), SOCK_DGRAM);
    let mut byte = libc::iovec {
        iov_base: b"x".as_ptr().cast_mut().cast(),
        iov_len: 1,
    };
    // SAFETY: all zero is a message without anything.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_name = ptr::from_mut(address).cast();
    message.msg_namelen = *size;
    message.msg_iov = &raw mut byte;
    message.msg_iovlen = 1;
    let message = &raw const message;
    way.act(
        // SAFETY: the message and what it points to live until the end of the call.
        || unsafe { libc::syscall(libc::SYS_sendmsg, socket, message, 0) },
        || opcode::SendMsg::new(types::Fd(socket), message).build(),
    )
}

/// All acts, one after the other.
pub fn acts(way: &mut Way, folder: &str) -> Vec<i32> {
    let folder = Path::new(folder);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
    let stream = folder.join("stream");
    let packets = folder.join("packets");
    let _stream = UnixListener::bind(&stream).unwrap();
    let _packets = UnixDatagram::bind(&packets).unwrap();
    vec![
        connect(way, &internet(port, AF_INET)),
        accept(way, &listener),
        // No such address can be connected to from a socket for IPv4.
        connect(way, &internet(port, libc::AF_INET6)),
        send(
            way,
            &mut internet(datagrams.local_addr().unwrap().port(), AF_INET),
        ),
        connect(way, &local(&stream)),
        connect(way, &local(&folder.join("absent"))),
        send(way, &mut local(&packets)),
        send(way, &mut local(&folder.join("absent"))),
    ]
}

/// One request that accepts two connections.
pub fn accept_twice() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut ring = IoUring::new(8).unwrap();
    let accept = opcode::AcceptMulti::new(types::Fd(listener.as_raw_fd())).build();
    // SAFETY: it points to nothing.
    unsafe { ring.submission().push(&accept).unwrap() };
    ring.submit().unwrap();
    for _ in 0..2 {
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        ring.submit_and_wait(1).unwrap();
        let accepted = ring.completion().next().unwrap().result();
        assert!(accepted >= 0, "{}", io::Error::from_raw_os_error(-accepted));
        println!("{}", client.local_addr().unwrap().port());
    }
}

/// Makes two sockets for frames, the second in a slot of the ring's own, and prints what came of it.
pub fn frames() {
    let mut ring = IoUring::new(8).unwrap();
    ring.submitter().register_files(&[-1; 4]).unwrap();
    let slot = types::DestinationSlot::auto_target();
    let make =
        |kind, protocol: u16| opcode::Socket::new(libc::AF_PACKET, kind, protocol.to_be().into());
    for make in [
        make(libc::SOCK_RAW, 3),
        make(SOCK_DGRAM, 0x806).file_index(Some(slot)),
    ] {
        // SAFETY: it points to nothing.
        unsafe { ring.submission().push(&make.build()).unwrap() };
        ring.submit_and_wait(1).unwrap();
        println!("{}", ring.completion().next().unwrap().result().min(0));
    }
}
