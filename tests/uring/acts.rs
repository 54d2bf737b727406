//! What the test does in a session, by system calls or through io_uring: the program `acts WAY FOLDER`.

#[path = "sockets.rs"]
mod sockets;

use std::ffi::CString;
use std::io;

use io_uring::squeue::{Entry, Flags};
use io_uring::{IoUring, opcode, types};
use libc::{AT_FDCWD, AT_REMOVEDIR, O_CREAT, O_PATH, O_RDONLY, O_WRONLY};

/// The ways, the system calls first.
pub const WAYS: [&str; 4] = ["calls", "inline", "workers", "polled"];

/// How many ends of requests a ring has room for, and how many are too many, in `overflow`.
pub const TOLD: usize = 16;
pub const UNTOLD: usize = 8;

/// How to act.
enum Way {
    Calls,
    Ring(Box<IoUring>, Flags),
}

impl Way {
    fn named(name: &str) -> io::Result<Self> {
        let mut builder = IoUring::builder();
        let flags = match name {
            "calls" => return Ok(Self::Calls),
            "workers" => Flags::ASYNC,
            "silent" => Flags::SKIP_SUCCESS,
            _ => Flags::empty(),
        };
        if name == "polled" {
            builder.setup_sqpoll(1000);
        }
        let ring = builder.build(8)?;
        ring.submitter().register_files(&[-1; 4])?;
        Ok(Self::Ring(Box::new(ring), flags))
    }

    /// Does it, by `call` or as `entry` says; returns 0, or a negative error.
    fn act(&mut self, call: impl FnOnce() -> i64, entry: impl FnOnce() -> Entry) -> i32 {
        match self {
            Self::Calls => match call() {
                -1 => -io::Error::last_os_error().raw_os_error().unwrap(),
                result => result.min(0) as i32,
            },
            Self::Ring(ring, flags) => {
                let entry = entry().flags(*flags);
                // SAFETY: what the entry points to lives until it is complete.
                unsafe { ring.submission().push(&entry).unwrap() };
                let silent = flags.contains(Flags::SKIP_SUCCESS);
                ring.submit_and_wait(usize::from(!silent)).unwrap();
                ring.completion()
                    .next()
                    .map_or(0, |end| end.result().min(0))
            }
        }
    }
}

fn path(text: &str) -> CString {
    CString::new(text).unwrap()
}

/// All acts in a folder, one after the other, with what came of each.
fn acts(way: &mut Way, folder: &str) {
    let directory = path(folder);
    // SAFETY: a path that ends in a zero byte.
    let directory = unsafe { libc::open(directory.as_ptr(), O_PATH) };
    std::env::set_current_dir(folder).unwrap();
    let mut results = Vec::new();
    for (from, name, flags) in [
        (AT_FDCWD, format!("{folder}/file"), O_RDONLY),
        (AT_FDCWD, "link".into(), O_RDONLY),
        (directory, "below/../file".into(), O_RDONLY),
        (AT_FDCWD, "new".into(), O_WRONLY | O_CREAT),
        (AT_FDCWD, "absent".into(), O_RDONLY),
        (directory, "absent".into(), O_RDONLY),
        (AT_FDCWD, format!("{folder}/absent/file"), O_RDONLY),
    ] {
        let name = path(&name);
        results.push(way.act(
            // SAFETY: a path that ends in a zero byte.
            || unsafe { libc::syscall(libc::SYS_openat, from, name.as_ptr(), flags, 0o644) },
            || {
                opcode::OpenAt::new(types::Fd(from), name.as_ptr())
                    .flags(flags)
                    .mode(0o644)
                    .build()
            },
        ));
    }
    let how = types::OpenHow::new().flags(O_RDONLY as u64);
    let name = path("link");
    results.push(way.act(
        // SAFETY: a path that ends in a zero byte, and the structure with its size.
        || unsafe {
            libc::syscall(
                libc::SYS_openat2,
                directory,
                name.as_ptr(),
                &raw const how,
                size_of_val(&how),
            )
        },
        || opcode::OpenAt2::new(types::Fd(directory), name.as_ptr(), &how).build(),
    ));
    for slot in [
        types::DestinationSlot::try_from_slot_target(2).unwrap(),
        types::DestinationSlot::auto_target(),
    ] {
        results.push(way.act(
            // SAFETY: a path that ends in a zero byte.
            || unsafe { libc::syscall(libc::SYS_openat, directory, name.as_ptr(), O_RDONLY) },
            || {
                opcode::OpenAt::new(types::Fd(directory), name.as_ptr())
                    .file_index(Some(slot))
                    .build()
            },
        ));
    }
    results.extend(changes(way, directory));
    results.extend(sockets::acts(way, folder));
    println!("{results:?}");
}

/// All that is done to files beside opening them, some of it in vain; it leaves the folder as it was.
fn changes(way: &mut Way, directory: i32) -> Vec<i32> {
    let [made, other, name, file, content] =
        ["made", "below/other", "user.name", "file", "any/where"].map(path);
    let [made, other, name, file, content] =
        [&made, &other, &name, &file, &content].map(|name| name.as_ptr());
    let (here, there) = (types::Fd(AT_FDCWD), types::Fd(directory));
    let value = b"value".as_ptr().cast();
    // SAFETY: a path that ends in a zero byte.
    let open = unsafe { libc::open(file, libc::O_RDWR) };
    // SAFETY, for all of them: paths that end in a zero byte, a value and its length.
    vec![
        way.act(
            || unsafe { libc::syscall(libc::SYS_mkdirat, directory, made, 0o750) },
            || opcode::MkDirAt::new(there, made).mode(0o750).build(),
        ),
        way.act(
            || unsafe { libc::syscall(libc::SYS_mkdirat, AT_FDCWD, made, 0o700) },
            || opcode::MkDirAt::new(here, made).mode(0o700).build(),
        ),
        way.act(
            || unsafe { libc::syscall(libc::SYS_unlinkat, AT_FDCWD, made, AT_REMOVEDIR) },
            || {
                opcode::UnlinkAt::new(here, made)
                    .flags(AT_REMOVEDIR)
                    .build()
            },
        ),
        way.act(
            || unsafe { libc::syscall(libc::SYS_symlinkat, content, directory, made) },
            || opcode::SymlinkAt::new(there, content, made).build(),
        ),
        way.act(
            || unsafe { libc::syscall(libc::SYS_renameat2, AT_FDCWD, made, directory, other, 1) },
            || {
                opcode::RenameAt::new(here, made, there, other)
                    .flags(1)
                    .build()
            },
        ),
        way.act(
            || unsafe { libc::syscall(libc::SYS_unlinkat, directory, other, 0) },
            || opcode::UnlinkAt::new(there, other).build(),
        ),
        way.act(
            || unsafe { libc::syscall(libc::SYS_linkat, directory, file, AT_FDCWD, made, 0) },
            || opcode::LinkAt::new(there, file, here, made).build(),
        ),
        way.act(
            || unsafe { libc::syscall(libc::SYS_unlinkat, AT_FDCWD, made, 0) },
            || opcode::UnlinkAt::new(here, made).build(),
        ),
        way.act(
            || unsafe { libc::syscall(libc::SYS_unlinkat, AT_FDCWD, made, 0) },
            || opcode::UnlinkAt::new(here, made).build(),
        ),
        way.act(
            || unsafe { libc::syscall(libc::SYS_setxattr, file, name, value, 5, 0) },
            || opcode::SetXattr::new(name, value, file, 5).build(),
        ),
        way.act(
            || unsafe { libc::syscall(libc::SYS_fsetxattr, open, name, value, 5, 0) },
            || opcode::FSetXattr::new(types::Fd(open), name, value, 5).build(),
        ),
        way.act(
            || unsafe { libc::syscall(libc::SYS_ftruncate, open, 4096) },
            || opcode::Ftruncate::new(types::Fd(open), 4096).build(),
        ),
    ]
}

/// Opens a file so often that the ring has no room to tell of the last [`UNTOLD`].
fn overflow(folder: &str) {
    let mut ring = IoUring::new(UNTOLD as u32).unwrap();
    let file = path(&format!("{folder}/file"));
    let open = opcode::OpenAt::new(types::Fd(AT_FDCWD), file.as_ptr()).build();
    for _ in 0..TOLD / UNTOLD + 1 {
        for _ in 0..UNTOLD {
            // SAFETY: the path lives until the end of the program.
            unsafe { ring.submission().push(&open).unwrap() };
        }
        ring.submit().unwrap();
    }
}

/// Runs the program if these are its arguments.
pub fn run(arguments: &[String]) -> bool {
    let [acts_, way, folder] = arguments else {
        return false;
    };
    if acts_ != "acts" {
        return false;
    }
    match way.as_str() {
        "overflow" => overflow(folder),
        "multishot" => sockets::accept_twice(),
        "frames" => sockets::frames(),
        way => acts(&mut Way::named(way).unwrap(), folder),
    }
    true
}
