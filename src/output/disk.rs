//! Files are brought to the disk by threads of the kernel, so that nobody waits for a slow one.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use libc::{c_long, c_ulong};

/// How many files can be on their way at once.
const MOST: usize = 64;

/// From linux/aio_abi.h: fdatasync(2), since Linux 4.18.
const IOCB_CMD_FDSYNC: u16 = 3;

/// struct iocb of linux/aio_abi.h, as little-endian hosts have it.
#[repr(C)]
#[derive(Default)]
struct Request {
    data: u64,
    key: u32,
    flags_of_write: u32,
    command: u16,
    priority: i16,
    file: u32,
    buffer: u64,
    length: u64,
    offset: i64,
    reserved: u64,
    flags: u32,
    event_file: u32,
}

/// struct io_event of linux/aio_abi.h.
#[repr(C)]
#[derive(Default)]
struct Event {
    data: u64,
    request: u64,
    result: i64,
    more: i64,
}

/// What is on its way to the disk.
pub struct Disk {
    /// Where requests are made; `None` where the kernel takes none.
    context: Option<c_ulong>,
    under_way: usize,
}

impl Disk {
    /// Prepares to bring files to the disk.
    pub fn new() -> Self {
        let mut context: c_ulong = 0;
        // SAFETY: the kernel writes the number of the context.
        let made = unsafe { libc::syscall(libc::SYS_io_setup, MOST as c_long, &raw mut context) };
        Self {
            context: (made == 0).then_some(context),
            under_way: 0,
        }
    }

    /// Whether nothing is on its way.
    pub fn is_idle(&self) -> bool {
        self.under_way == 0
    }

    /// Begins to bring a file to the disk, which may be closed meanwhile. Where the kernel does not
    /// do that for us, waits until it is there.
    ///
    /// # Errors
    /// The error of fdatasync(2), where the kernel does not do it for us.
    pub fn begin(&mut self, file: &File) -> io::Result<()> {
        let Some(context) = self.context.filter(|_| self.under_way < MOST) else {
            return file.sync_data();
        };
        let mut request = Request {
            command: IOCB_CMD_FDSYNC,
            file: file.as_raw_fd() as u32,
            ..Request::default()
        };
        let mut requests = [&raw mut request];
        // SAFETY: the kernel reads one request, and keeps no pointer to it.
        let begun = unsafe { libc::syscall(libc::SYS_io_submit, context, 1, &raw mut requests) };
        if begun != 1 {
            return file.sync_data();
        }
        self.under_way += 1;
        Ok(())
    }

    /// What became of a file that is no longer on its way.
    pub fn done(&mut self) -> Option<io::Result<()>> {
        self.take(0)
    }

    /// Waits until nothing is on its way, and tells what became of it.
    pub fn wait(&mut self) -> impl Iterator<Item = io::Result<()>> {
        std::iter::from_fn(|| self.take(1))
    }

    /// Takes one result, once there are `least`.
    fn take(&mut self, least: c_long) -> Option<io::Result<()>> {
        let context = self.context.filter(|_| self.under_way > 0)?;
        let mut event = Event::default();
        let forever: *const libc::timespec = std::ptr::null();
        // SAFETY: the kernel writes at most one event; with `least` of 0 it does not wait.
        let taken = unsafe {
            libc::syscall(
                libc::SYS_io_getevents,
                context,
                least,
                1 as c_long,
                &raw mut event,
                forever,
            )
        };
        match taken {
            1 => {}
            -1 if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => {
                return self.take(least);
            }
            _ => return None,
        }
        self.under_way -= 1;
        Some(match event.result {
            0.. => Ok(()),
            error => Err(io::Error::from_raw_os_error(-error as i32)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_arrives_once() {
        let path = std::env::temp_dir().join(format!("recorderd-disk-{}", std::process::id()));
        let file = File::create(&path).unwrap();
        std::fs::remove_file(path).unwrap();
        let mut disk = Disk::new();
        assert!(disk.context.is_some() && disk.done().is_none());
        for _ in 0..MOST {
            disk.begin(&file).unwrap();
        }
        drop(file);
        assert!(!disk.is_idle());
        assert_eq!(disk.wait().filter(Result::is_ok).count(), MOST);
        assert!(disk.is_idle() && disk.done().is_none());
    }

    #[test]
    fn what_has_no_disk_fails() {
        let (mut disk, (_, pipe)) = (Disk::new(), io::pipe().unwrap());
        let pipe = File::from(std::os::fd::OwnedFd::from(pipe));
        let begun = disk.begin(&pipe);
        assert_eq!(begun.unwrap_err().raw_os_error(), Some(libc::EINVAL));
    }
}
