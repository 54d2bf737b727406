//! A terminal, and a program that runs in it.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::{Arc, Mutex};

use super::{Process, patiently};

/// A terminal to log in from, and what is to be seen on it.
pub struct Terminal {
    keyboard: File,
    screen: Arc<Mutex<String>>,
}

impl Terminal {
    /// Starts a program that has it as its terminal.
    pub fn of(program: &mut Command, columns: u16, rows: u16) -> (Self, Process) {
        let (terminal, theirs) = Self::new(columns, rows);
        program.stdin(theirs.try_clone().unwrap()).stdout(theirs);
        // SAFETY: the child makes its standard input its controlling terminal.
        unsafe {
            program.pre_exec(|| {
                libc::setsid();
                libc::ioctl(0, libc::TIOCSCTTY, 0);
                Ok(())
            });
        }
        (terminal, Process::spawn(program))
    }

    /// Also gives the side that a program has as its terminal.
    fn new(columns: u16, rows: u16) -> (Self, OwnedFd) {
        let (mut ours, mut theirs) = (-1, -1);
        let size = size(columns, rows);
        let (name, settings) = (std::ptr::null_mut(), std::ptr::null());
        // SAFETY: makes two descriptors, and reads the size.
        let made = unsafe { libc::openpty(&mut ours, &mut theirs, name, settings, &size) };
        assert_eq!(made, 0);
        // SAFETY: they are ours alone.
        let (ours, theirs) = unsafe { (File::from_raw_fd(ours), OwnedFd::from_raw_fd(theirs)) };
        let screen = Arc::new(Mutex::new(String::new()));
        let (mut output, into) = (ours.try_clone().unwrap(), screen.clone());
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // It fails once the other side is closed.
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                let text = String::from_utf8_lossy(&bytes[..count]).into_owned();
                into.lock().unwrap().push_str(&text);
            }
        });
        let keyboard = ours;
        (Self { keyboard, screen }, theirs)
    }

    /// Types a line, and waits until `answer` is to be seen.
    pub fn types(&mut self, line: &str, answer: &str) {
        writeln!(self.keyboard, "{line}").unwrap();
        patiently(answer, || {
            self.screen.lock().unwrap().contains(answer).then_some(())
        });
    }

    /// Gives it another size, of which the program in front is told.
    pub fn resize(&self, columns: u16, rows: u16) {
        let size = size(columns, rows);
        // SAFETY: reads the size.
        let set = unsafe { libc::ioctl(self.keyboard.as_raw_fd(), libc::TIOCSWINSZ, &size) };
        assert_eq!(set, 0);
    }
}

fn size(columns: u16, rows: u16) -> libc::winsize {
    libc::winsize {
        ws_col: columns,
        ws_row: rows,
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
}
