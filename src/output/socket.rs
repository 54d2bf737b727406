//! A local socket for datagrams, which another daemon reads; it may come, go, and be busy.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use super::Patience;

/// How much the kernel may keep for the reader, if it lets us: the longest datagram. Bytes.
static ROOM: libc::c_int = 8 << 20;

/// A socket by its path.
pub struct Socket {
    path: PathBuf,
    open: Option<UnixDatagram>,
}

impl Socket {
    /// It is opened when something is sent.
    pub fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            open: None,
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens it again with the next datagram.
    pub fn reopen(&mut self) {
        self.open = None;
    }

    /// Sends a datagram, with a file if there is one.
    ///
    /// # Errors
    /// The error of sendmsg(2): `WouldBlock` if the reader is busy for longer than
    /// `patience` lasts.
    pub fn send(
        &mut self,
        datagram: &[u8],
        file: Option<&File>,
        patience: &Patience,
    ) -> io::Result<()> {
        let mut tried = false;
        loop {
            let socket = match &self.open {
                Some(socket) => socket,
                None => self.open.insert(connect(&self.path)?),
            };
            let sent = match file {
                None => socket.send(datagram).map(drop),
                Some(file) => send_file(socket.as_raw_fd(), file),
            };
            let Err(error) = sent else {
                return Ok(());
            };
            match error.raw_os_error() {
                Some(libc::EINTR) => {}
                Some(libc::EAGAIN) if patience.wait(socket.as_fd()) => {}
                // The reader was started again and has made another socket.
                Some(libc::ECONNREFUSED | libc::ECONNRESET | libc::ENOTCONN | libc::EPIPE) => {
                    self.open = None;
                    if std::mem::replace(&mut tried, true) {
                        return Err(error);
                    }
                }
                _ => return Err(error),
            }
        }
    }
}

fn connect(path: &Path) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    // SAFETY: the kernel reads one number; less room than that is what it has by itself.
    unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_SNDBUF,
            (&raw const ROOM).cast(),
            size_of_val(&ROOM) as libc::socklen_t,
        )
    };
    socket.connect(path)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Sends a datagram that has nothing but a file (SCM_RIGHTS, unix(7)).
fn send_file(socket: RawFd, file: &File) -> io::Result<()> {
    const LENGTH: u32 = size_of::<RawFd>() as u32;
    let descriptor = file.as_raw_fd();
    // SAFETY: the message and its one control message are within `room`, which is large enough and
    // aligned; the kernel reads both.
    unsafe {
        let mut room = [0u64; 8];
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_control = room.as_mut_ptr().cast();
        message.msg_controllen = libc::CMSG_SPACE(LENGTH) as _;
        let control = libc::CMSG_FIRSTHDR(&message);
        (*control).cmsg_level = libc::SOL_SOCKET;
        (*control).cmsg_type = libc::SCM_RIGHTS;
        (*control).cmsg_len = libc::CMSG_LEN(LENGTH) as _;
        libc::CMSG_DATA(control)
            .cast::<RawFd>()
            .write_unaligned(descriptor);
        match libc::sendmsg(socket, &message, libc::MSG_NOSIGNAL) {
            0.. => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}
