//! session.terminal: where the recording of a terminal is, and what it has to be.

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;

use super::EventType;
use super::act::Act;
use super::describe::Members;
use crate::base::{Text, Weight};
use crate::event::{Subject, Writer, device};

/// A stretch of a recording.
#[derive(Clone, Copy, Debug)]
pub struct Stretch<'a> {
    /// The device number of the terminal.
    pub device: u32,
    /// The file, in the folder of the host.
    pub file: &'a str,
    /// Where the stretch begins in it, and how long it is. Bytes.
    pub place: (u64, u64),
    /// What it has to be, in hexadecimal digits.
    pub sha256: &'a str,
    /// Bytes of output that are in it.
    pub bytes: u64,
    /// Bytes of output that are missing.
    pub dropped: u64,
    /// Of the first and the last output. Nanoseconds since boot.
    pub times: (u64, u64),
}

impl Writer {
    /// session.terminal
    pub fn stretch(&mut self, subject: &mut Subject, time: u64, stretch: &Stretch<'_>) {
        let title = EventType::Terminal.title();
        self.line(subject, title, time, |object, clock| {
            object.string("tty", &device::terminal(stretch.device));
            object.string("file", stretch.file.as_bytes());
            object.number("file_offset", stretch.place.0);
            object.number("file_length", stretch.place.1);
            object.string("sha256", stretch.sha256.as_bytes());
            object.number("bytes", stretch.bytes);
            object.number("bytes_dropped", stretch.dropped);
            object.string("from", &clock.text(stretch.times.0));
            object.string("to", &clock.text(stretch.times.1));
        });
    }
}

pub(super) fn describe(members: &mut Members<'_, '_>, text: &mut Text) -> Option<()> {
    let (tty, file) = (members.word("tty")?, members.word("file")?);
    let bytes = members.number("bytes")?;
    text.add(Weight::Strong, "terminal");
    text.add(Weight::Normal, format!(" {tty}: {bytes} bytes in {file}"));
    let dropped = members.number("bytes_dropped")?;
    if dropped > 0 {
        text.add(Weight::Lost, format!(", {dropped} bytes dropped"));
    }
    Some(())
}

/// What the self-test does. Its record comes by a ring of its own.
pub(super) const ACTS: &[Act] = &[Act {
    program: "terminal_read",
    perform: see,
    shows: |_| false,
}];

/// Writes to a terminal, and reads that as a login server does.
fn see() -> io::Result<()> {
    let mut options = OpenOptions::new();
    let options = options
        .read(true)
        .write(true)
        .custom_flags(libc::O_NOCTTY | libc::O_NONBLOCK);
    let mut ours = options.open("/dev/ptmx")?;
    let (unlock, flags) = (0, libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC);
    // SAFETY: reads a number, and makes a descriptor.
    let theirs = unsafe {
        libc::ioctl(ours.as_raw_fd(), libc::TIOCSPTLCK as _, &raw const unlock);
        libc::ioctl(ours.as_raw_fd(), libc::TIOCGPTPEER as _, flags)
    };
    let mut theirs = std::fs::File::from(crate::base::owned(theirs.into())?);
    theirs.write_all(b"\n")?;
    for _ in 0..ATTEMPTS {
        match ours.read(&mut [0; 4]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            done => return done.map(drop),
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    Err(io::ErrorKind::TimedOut.into())
}

/// How often to ask for what was written, which a thread of the kernel brings.
const ATTEMPTS: u32 = 1000;
