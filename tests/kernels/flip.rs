//! Runs in the guest: removes and renames files in a folder, reached by a link, while another thread changes
//! the names in memory. Prints which names are gone, and which are there instead.

use std::ffi::{c_char, c_int};
use std::fs;
use std::io::{self, Error};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::thread;

const FOLDER: &str = "/tmp/names/folder";
const LINK: &str = "/tmp/names/link";
const COUNT: usize = 1000;

unsafe extern "C" {
    fn unlink(path: *const c_char) -> c_int;
    fn rename(path: *const c_char, target: *const c_char) -> c_int;
}

/// A path in memory, behind the link: a letter that flips, and a number.
struct Name(Vec<AtomicU8>);

impl Name {
    fn new(letter: char) -> Self {
        let text = format!("{LINK}/{letter}0000\0");
        Self(text.into_bytes().into_iter().map(AtomicU8::new).collect())
    }

    /// Between `a` and `b`, `d` and `g`.
    fn flip(&self) {
        self.0[LINK.len() + 1].fetch_xor(3, Ordering::Relaxed);
    }

    fn set(&self, number: usize) {
        let digits = format!("{number:04}");
        for (byte, digit) in self.0[LINK.len() + 2..].iter().zip(digits.bytes()) {
            byte.store(digit, Ordering::Relaxed);
        }
    }

    fn as_ptr(&self) -> *const c_char {
        self.0.as_ptr().cast()
    }
}

fn main() -> io::Result<()> {
    fs::create_dir_all(FOLDER)?;
    std::os::unix::fs::symlink(FOLDER, LINK)?;
    for number in 0..COUNT {
        for letter in ["a", "b"] {
            fs::write(format!("{FOLDER}/{letter}{number:04}"), "")?;
        }
    }
    let names = [Name::new('a'), Name::new('d')];
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                names.iter().for_each(Name::flip);
            }
        });
        let [path, target] = &names;
        for number in 0..COUNT {
            names.iter().for_each(|name| name.set(number));
            // SAFETY: a zero byte ends them, whatever their letters are.
            let result = match number % 2 {
                0 => unsafe { unlink(path.as_ptr()) },
                _ => unsafe { rename(path.as_ptr(), target.as_ptr()) },
            };
            assert_eq!(result, 0, "{}", Error::last_os_error());
        }
        is_over.store(true, Ordering::Relaxed);
    });
    for (kind, letters, is_there) in [("path", "ab", false), ("target", "dg", true)] {
        for letter in letters.chars() {
            let paths = (0..COUNT).map(|number| format!("{FOLDER}/{letter}{number:04}"));
            for path in paths.filter(|path| Path::new(path).exists() == is_there) {
                println!("{kind} {path}");
            }
        }
    }
    Ok(())
}
