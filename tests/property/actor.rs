//! The program `actor FOLDER SEED ACTS`: does what it likes, and writes down what that was.

use std::ffi::{CString, c_int, c_void};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream, UdpSocket};
use std::os::unix::fs::OpenOptionsExt;
use std::ptr::null_mut;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use crate::common::random::Random;

/// Processes within processes, at most.
const DEPTH: usize = 3;

/// Of the stack of a process that shares memory. Bytes.
const STACK: usize = 256 * 1024;

struct Actor {
    folder: String,
    journal: File,
    random: Random,
    depth: usize,
    /// Tells what this process makes from what others make.
    name: String,
    next: usize,
}

/// Acts so often, in random ways.
pub fn act(folder: &str, [seed, acts]: [u64; 2]) -> io::Result<()> {
    let path = format!("{folder}/journal");
    let mut options = OpenOptions::new();
    let journal = options.append(true).create(true).mode(0o666).open(&path)?;
    let mut actor = Actor {
        folder: folder.to_owned(),
        journal,
        random: Random(seed),
        depth: 0,
        name: "0".to_owned(),
        next: 0,
    };
    actor.did("create", &path);
    let program = format!("{folder}/program");
    actor.did("open", &program);
    actor.did("map", &program);
    actor.some(acts as usize)
}

impl Actor {
    /// One line, whole whatever others write.
    fn write(&mut self, line: &str) {
        self.journal
            .write_all(format!("{line}\n").as_bytes())
            .unwrap();
    }

    fn did(&mut self, operation: &str, path: &str) {
        self.write(&format!("did {operation} {path}"));
    }

    fn tried(&mut self, path: &str) {
        self.write(&format!("tried {path}"));
    }

    /// A path that nobody else has.
    fn path(&mut self, kind: &str) -> String {
        self.next += 1;
        format!("{}/{kind}-{}.{}", self.folder, self.name, self.next)
    }

    /// The first and the last act of a new process, which are opens of files that are not there.
    fn acts_of_child(&mut self) -> [CString; 2] {
        let path = self.path("process");
        ["born", "last"].map(|act| {
            let path = format!("{path}-{act}");
            self.write(&format!("seen {path}"));
            CString::new(path).unwrap()
        })
    }

    fn some(&mut self, acts: usize) -> io::Result<()> {
        for _ in 0..acts {
            match self.random.below(13) {
                0 | 1 if self.depth < DEPTH => self.fork()?,
                2 => self.clone(libc::CLONE_VM),
                3 => self.clone(libc::CLONE_FILES | libc::CLONE_FS),
                4 => self.clone(libc::CLONE_VM | libc::CLONE_VFORK),
                5 => self.clone(libc::CLONE_PARENT),
                6 => self.exec()?,
                7 => self.files()?,
                8 => self.flip(),
                9 => self.rename(),
                10 => self.rights()?,
                11 => self.signal()?,
                12 => self.flood()?,
                _ => self.mounts()?,
            }
        }
        Ok(())
    }

    /// A process that does some of its own; its parent may be gone before it.
    fn fork(&mut self) -> io::Result<()> {
        let [born, last] = self.acts_of_child();
        let seed = self.random.below(usize::MAX) as u64;
        let leaves = self.random.below(3) == 0;
        let acts = self.random.below(6);
        self.next += 1;
        let name = format!("{}.{}", self.name, self.next);
        // SAFETY: this process has one thread.
        match unsafe { libc::fork() } {
            0 => {
                open(&born);
                if leaves {
                    // SAFETY: as above.
                    unsafe {
                        libc::setsid();
                        if libc::fork() != 0 {
                            libc::_exit(0);
                        }
                    }
                }
                (self.random, self.name, self.next) = (Random(seed), name, 0);
                self.depth += 1;
                let done = self.some(acts);
                open(&last);
                // SAFETY: ends the process.
                unsafe { libc::_exit(done.is_err().into()) }
            }
            -1 => Err(io::Error::last_os_error()),
            child => {
                wait(child);
                Ok(())
            }
        }
    }

    /// A process that has some things in common with this one.
    fn clone(&mut self, flags: c_int) {
        let acts = self.acts_of_child();
        let mut stack = vec![0u8; STACK];
        let top = stack.as_mut_ptr_range().end;
        let signal = if flags & libc::CLONE_PARENT != 0 {
            0
        } else {
            libc::SIGCHLD
        };
        // SAFETY: the stack and the acts outlive the child, which is waited for, or has copies.
        unsafe {
            let argument: *const [CString; 2] = &acts;
            let child = libc::clone(both, top.cast(), flags | signal, argument.cast_mut().cast());
            assert!(child > 0, "{}", io::Error::last_os_error());
            if flags & libc::CLONE_PARENT == 0 {
                wait(child);
            }
        }
    }

    /// Another program, by another name.
    fn exec(&mut self) -> io::Result<()> {
        let status = std::process::Command::new("/bin/busybox")
            .arg("true")
            .status()?;
        assert!(status.success());
        Ok(())
    }

    fn files(&mut self) -> io::Result<()> {
        let [from, to] = [self.path("file"), self.path("moved")];
        File::create(&from)?;
        self.did("create", &from);
        fs::rename(&from, &to)?;
        self.did("rename", &from);
        self.did("rename", &to);
        File::open(&to)?;
        self.did("open", &to);
        fs::remove_file(&to)?;
        self.did("unlink", &to);
        assert!(fs::remove_dir(&from).is_err());
        self.tried(&from);
        Ok(())
    }

    /// Makes folders by a name that another thread changes all the time.
    fn flip(&mut self) {
        let mut path = self.path("flip").into_bytes();
        path.extend(b"-a\0");
        let bytes: Arc<Vec<AtomicU8>> = Arc::new(path.into_iter().map(AtomicU8::new).collect());
        let at = bytes.len() - 2;
        let is_done = Arc::new(AtomicBool::new(false));
        let (flipped, until) = (bytes.clone(), is_done.clone());
        let flipper = std::thread::spawn(move || {
            while !until.load(Ordering::Relaxed) {
                for letter in *b"ab" {
                    flipped[at].store(letter, Ordering::Relaxed);
                }
            }
        });
        let text: Vec<u8> = bytes
            .iter()
            .map(|byte| byte.load(Ordering::Relaxed))
            .collect();
        let beginning = String::from_utf8(text[..at].to_vec()).unwrap();
        for _ in 0..20 {
            // SAFETY: the bytes end in zero, and are as plain ones.
            let made = unsafe { libc::mkdir(bytes.as_ptr().cast(), 0o755) };
            for letter in ["a", "b"] {
                let path = format!("{beginning}{letter}");
                if made == 0 && fs::remove_dir(&path).is_ok() {
                    self.did("mkdir", &path);
                    self.did("rmdir", &path);
                } else {
                    self.tried(&path);
                }
            }
        }
        is_done.store(true, Ordering::Relaxed);
        flipper.join().unwrap();
    }

    /// Has itself another name.
    fn rename(&mut self) {
        let name = format!("n{}", self.random.below(10_000));
        self.write(&format!("name {name}"));
        let name = CString::new(name).unwrap();
        // SAFETY: a string that ends in zero.
        unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
    }

    fn rights(&mut self) -> io::Result<()> {
        // SAFETY: plain numbers.
        unsafe {
            let (uid, gid) = (libc::getuid(), libc::getgid());
            libc::setresuid(uid, uid, uid);
            libc::setresgid(gid, gid, gid);
            libc::setresuid(0, 0, 0);
            libc::setsid();
            libc::setpgid(0, 0);
        }
        self.mounts()
    }

    /// A child that is killed in the middle of what it does.
    fn signal(&mut self) -> io::Result<()> {
        let (mut at_work, ready) = io::pipe()?;
        let path = self.path("killed");
        self.write(&format!("seen {path}"));
        let path = CString::new(path).unwrap();
        // SAFETY: this process has one thread.
        match unsafe { libc::fork() } {
            0 => {
                open(&path);
                let _ = (&ready).write_all(b"x");
                loop {
                    // SAFETY: waits.
                    unsafe { libc::pause() };
                }
            }
            child => {
                io::Read::read_exact(&mut at_work, &mut [0])?;
                let signals = [libc::SIGKILL, libc::SIGTERM, libc::SIGABRT];
                // SAFETY: our own child.
                unsafe { libc::kill(child, signals[self.random.below(signals.len())]) };
                wait(child);
                Ok(())
            }
        }
    }

    fn flood(&mut self) -> io::Result<()> {
        match self.random.below(3) {
            0 => {
                for _ in 0..1000 {
                    File::open("/etc/hostname")?;
                }
            }
            1 => {
                let socket = UdpSocket::bind("0.0.0.0:0")?;
                for _ in 0..500 {
                    let [a, b, c, _] = (self.random.below(1 << 31) as u32).to_be_bytes();
                    socket.send_to(&[], SocketAddrV4::new(Ipv4Addr::new(127, a, b, c), 9))?;
                }
            }
            _ => {
                for _ in 0..100 {
                    assert!(TcpStream::connect("127.0.0.1:1").is_err());
                }
            }
        }
        Ok(())
    }

    /// Opens a file by another place, in a child with mounts of its own, where that is allowed.
    fn mounts(&mut self) -> io::Result<()> {
        let [born, last] = self.acts_of_child();
        let [from, to] = [self.path("from"), self.path("to")];
        for folder in [&from, &to] {
            fs::create_dir(folder)?;
            self.did("mkdir", folder);
        }
        let [below, there] = [&from, &to].map(|folder| format!("{folder}/file"));
        File::create(&below)?;
        self.did("create", &below);
        self.did("open", &there);
        self.did("mount", &from);
        self.did("mount", &to);
        self.tried(&there);
        self.tried(&from);
        self.tried(&to);
        let [from, to, there] = [from, to, there].map(|path| CString::new(path).unwrap());
        // SAFETY: this process has one thread; strings that end in zero.
        match unsafe { libc::fork() } {
            0 => unsafe {
                open(&born);
                libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS);
                libc::mount(
                    from.as_ptr(),
                    to.as_ptr(),
                    null_mut(),
                    libc::MS_BIND,
                    null_mut(),
                );
                open(&there);
                open(&last);
                libc::_exit(0)
            },
            child => wait(child),
        }
        Ok(())
    }
}

fn open(path: &CString) {
    // SAFETY: a string that ends in zero.
    unsafe {
        let file = libc::open(path.as_ptr(), libc::O_RDONLY);
        if file >= 0 {
            libc::close(file);
        }
    }
}

/// The whole life of a process that may have the memory of another: only calls of the system.
extern "C" fn both(argument: *mut c_void) -> c_int {
    // SAFETY: `clone` gives it.
    let acts = unsafe { &*argument.cast::<[CString; 2]>() };
    acts.iter().for_each(open);
    0
}

fn wait(child: c_int) {
    // SAFETY: our own child.
    unsafe { libc::waitpid(child, null_mut(), 0) };
}
