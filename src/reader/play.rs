//! `recorderd play SID`: what was on a terminal of a session, as it was and when it was.

use std::borrow::Cow;
use std::fs;
use std::io::{self, IsTerminal, Write};
use std::ops::ControlFlow;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use base64::engine::{Engine, general_purpose::STANDARD};

use super::fault::Fault;
use super::show::one;
use crate::event::json;
use crate::reader::log::Source;

/// How to play.
#[derive(Clone, Copy, Debug)]
pub struct Play {
    /// How many times as fast.
    pub speed: f64,
    /// The longest wait, seconds.
    pub idle: f64,
    /// Where to begin, seconds.
    pub start: f64,
    /// Which of the terminals of the session, from 1 on.
    pub terminal: usize,
}

impl Default for Play {
    fn default() -> Self {
        Self {
            speed: 1.0,
            idle: f64::INFINITY,
            start: 0.0,
            terminal: 1,
        }
    }
}

/// How far a key jumps. Seconds.
const JUMP: f64 = 10.0;

/// All that a program may have left on, off again; the screen is empty.
const RESET: &[u8] =
    b"\x1b[?1049l\x1b[!p\x1b[?25h\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?2004l\x1b[0m";
const CLEAR: &[u8] = b"\x1b[H\x1b[2J\x1b[3J";

/// Output, and when it was. Seconds.
#[derive(Debug, PartialEq)]
struct Frame {
    time: f64,
    bytes: Vec<u8>,
}

/// Plays a terminal of the session whose id begins with `sid`.
pub fn run(sources: &[Source], sid: &str, play: &Play) -> Result<(), Fault> {
    let path = find(sources, sid, play.terminal)?;
    let text = fs::read(&path).map_err(|error| Fault::Page(path, error))?;
    let frames = frames(&String::from_utf8_lossy(&text));
    let done = match Keyboard::new() {
        Some(keyboard) if io::stdout().is_terminal() => show(&frames, play, &keyboard),
        _ => write(&frames, play),
    };
    match done {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Fault::Output(error)),
        _ => Ok(()),
    }
}

/// The recording beside the log of the session.
fn find(sources: &[Source], sid: &str, terminal: usize) -> Result<PathBuf, Fault> {
    let mut session = String::new();
    one(sources, sid, &mut |event| {
        session = event.text("sid").unwrap_or_default().into_owned();
        ControlFlow::Continue(())
    })?;
    let folders = sources.iter().filter_map(|source| match source {
        Source::File(path) => path.parent(),
        Source::Input => None,
    });
    let name = format!("sessions/{session}-{terminal}.cast");
    let mut paths = folders.map(|folder: &Path| folder.join(&name));
    let found = paths.find(|path| path.exists());
    found.ok_or(Fault::NoRecording(session, terminal))
}

/// The output of a recording. Lines that are none are passed over: the last one may be half written.
fn frames(text: &str) -> Vec<Frame> {
    let mut frames: Vec<Frame> = Vec::new();
    for line in text.lines() {
        let mut parts: Vec<&str> = Vec::new();
        if line.starts_with('[') {
            json::each(line, &mut |_, part| parts.push(part));
        }
        let [time, code, data] = parts[..] else {
            continue;
        };
        let (Ok(time), Some(data)) = (time.parse(), json::string(data)) else {
            continue;
        };
        match json::string(code).as_deref() {
            Some("o") => frames.push(Frame {
                time,
                bytes: Cow::into_owned(data).into_bytes(),
            }),
            // The bytes of the output in front of it.
            Some("b") => {
                if let (Some(last), Ok(bytes)) = (frames.last_mut(), STANDARD.decode(&*data)) {
                    last.bytes = bytes;
                }
            }
            Some("m") => frames.push(Frame {
                time,
                bytes: format!("\r\n[{data}]\r\n").into_bytes(),
            }),
            _ => {}
        }
    }
    frames
}

/// All of it at once.
fn write(frames: &[Frame], play: &Play) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for frame in frames.iter().filter(|frame| frame.time >= play.start) {
        out.write_all(&frame.bytes)?;
    }
    out.flush()
}

/// What is pressed.
enum Key {
    Pause,
    Step,
    Faster,
    Slower,
    Jump(f64),
    Quit,
}

fn show(frames: &[Frame], play: &Play, keyboard: &Keyboard) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let mut speed = play.speed;
    let (mut paused, mut next) = (false, 0);
    let mut time = play.start;
    draw(frames, time, &mut next, &mut out)?;
    while let Some(frame) = frames.get(next) {
        let mut left = (frame.time - time).max(0.0).min(play.idle);
        let shown = loop {
            let began = Instant::now();
            let wait = (!paused).then(|| Duration::from_secs_f64((left / speed).min(1e6)));
            let key = keyboard.key(wait)?;
            left -= began.elapsed().as_secs_f64() * if paused { 0.0 } else { speed };
            match key {
                None if paused => {}
                None => break true,
                Some(Key::Step) if paused => break true,
                Some(Key::Step) => {}
                Some(Key::Pause) => paused = !paused,
                Some(Key::Faster) => speed = (speed * 2.0).min(1024.0),
                Some(Key::Slower) => speed = (speed / 2.0).max(1.0 / 1024.0),
                Some(Key::Jump(by)) => {
                    time = (frame.time - left.max(0.0) + by).max(0.0);
                    break false;
                }
                Some(Key::Quit) => return out.write_all(RESET).and_then(|()| out.flush()),
            }
        };
        if shown {
            time = frame.time;
            out.write_all(&frame.bytes)?;
            next += 1;
        } else {
            draw(frames, time, &mut next, &mut out)?;
        }
        out.flush()?;
    }
    out.write_all(RESET)?;
    out.write_all(b"\r\n")?;
    out.flush()
}

/// Draws the screen as it was at a time.
fn draw(frames: &[Frame], time: f64, next: &mut usize, out: &mut dyn Write) -> io::Result<()> {
    *next = frames.partition_point(|frame| frame.time < time);
    out.write_all(RESET)?;
    out.write_all(CLEAR)?;
    for frame in &frames[..*next] {
        out.write_all(&frame.bytes)?;
    }
    out.flush()
}

/// A terminal from which each key comes at once. It is as before when this is dropped.
struct Keyboard {
    before: libc::termios,
}

impl Keyboard {
    fn new() -> Option<Self> {
        let input = io::stdin().as_raw_fd();
        // SAFETY: plain numbers, which the call fills.
        let mut before: libc::termios = unsafe { std::mem::zeroed() };
        // SAFETY: as above.
        if unsafe { libc::tcgetattr(input, &mut before) } != 0 {
            return None;
        }
        let mut plain = before;
        plain.c_lflag &= !(libc::ICANON | libc::ECHO | libc::ISIG);
        // SAFETY: reads the structure.
        unsafe { libc::tcsetattr(input, libc::TCSANOW, &plain) };
        Some(Self { before })
    }

    /// The next key that means something, if one is pressed within `wait`.
    fn key(&self, wait: Option<Duration>) -> io::Result<Option<Key>> {
        let ends = wait.map(|wait| Instant::now() + wait);
        loop {
            let left = ends.map(|ends| ends.saturating_duration_since(Instant::now()));
            // A wait that is too long for the call is cut, and goes on.
            let timeout = left.map_or(-1, |it| it.as_micros().div_ceil(1000).min(60_000) as i32);
            let mut poll = libc::pollfd {
                fd: io::stdin().as_raw_fd(),
                events: libc::POLLIN,
                revents: 0,
            };
            // SAFETY: one structure is read and written.
            if unsafe { libc::poll(&mut poll, 1, timeout) } == 0 {
                match ends {
                    Some(ends) if ends > Instant::now() => continue,
                    _ => return Ok(None),
                }
            }
            let mut bytes = [0; 8];
            // SAFETY: the kernel writes at most as many bytes as there is room for.
            let count = unsafe { libc::read(poll.fd, bytes.as_mut_ptr().cast(), bytes.len()) };
            let pressed = &bytes[..count.max(0) as usize];
            let key = match pressed {
                [] | b"q" | b"\x03" | b"\x1b" => Key::Quit,
                b" " => Key::Pause,
                b"." => Key::Step,
                b"+" => Key::Faster,
                b"-" => Key::Slower,
                b"\x1b[C" => Key::Jump(JUMP),
                b"\x1b[D" => Key::Jump(-JUMP),
                _ => continue,
            };
            return Ok(Some(key));
        }
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        // SAFETY: reads the structure.
        unsafe { libc::tcsetattr(io::stdin().as_raw_fd(), libc::TCSANOW, &self.before) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_bytes_come_back_and_what_is_missing_is_shown() {
        let text = "{\"version\":2,\"width\":80,\"height\":24}\n\
                    [0.5,\"o\",\"a\\u001b\\r\\n\"]\n\
                    [1.25,\"o\",\"\u{fffd}x\"]\n\
                    [1.25,\"b\",\"/3g=\"]\n\
                    [2.0,\"r\",\"100x30\"]\n\
                    [3.0,\"m\",\"7 bytes of output are missing here\"]\n\
                    [4.0,\"o\",\"half";
        let frame = |time, bytes: &[u8]| Frame {
            time,
            bytes: bytes.to_vec(),
        };
        assert_eq!(
            frames(text),
            [
                frame(0.5, b"a\x1b\r\n"),
                frame(1.25, b"\xffx"),
                frame(3.0, b"\r\n[7 bytes of output are missing here]\r\n"),
            ]
        );
    }

    #[test]
    fn a_jump_draws_what_was_there() {
        let frames: Vec<_> = (0..4u8)
            .map(|second| Frame {
                time: second.into(),
                bytes: vec![b'a' + second],
            })
            .collect();
        let (mut out, mut next) = (Vec::new(), 9);
        draw(&frames, 2.0, &mut next, &mut out).unwrap();
        assert_eq!((out, next), ([RESET, CLEAR, b"ab"].concat(), 2));
    }
}
