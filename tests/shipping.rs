//! What ships events on, with the configurations in contrib: the real rsyslog, the real PostgreSQL.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::common::log::{self, opens};
use crate::common::{self, Folder, Host, ONE, Outcome, Process, binary, patiently};
use libtest_mimic::Trial;

const RSYSLOGD: &str = "/usr/sbin/rsyslogd";

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    common::tests_with(
        module_path!(),
        &[
            ("files", files),
            ("files in mid-write", files_in_mid_write),
            ("followers in mid-write", followers_in_mid_write),
            ("readers that take the lock", readers_that_take_the_lock),
            ("socket", socket),
            ("fleet", fleet),
        ],
        |name| {
            let needs = !name.starts_with("followers") && !name.starts_with("readers");
            (needs && !Path::new(RSYSLOGD).exists()).then_some("rsyslog")
        },
    )
}

/// Starts rsyslog with a configuration of contrib, changed where the test has other paths.
fn rsyslog(folder: &Path, name: &str, changes: &[(&str, &str)]) -> Process {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("contrib/rsyslog")
        .join(name);
    let mut config = fs::read_to_string(path).unwrap();
    for (from, to) in changes {
        assert!(config.contains(from), "{name}: {from}");
        config = config.replace(from, to);
    }
    let path = folder.join(name);
    fs::write(&path, config).unwrap();
    let mut command = Command::new(RSYSLOGD);
    command.arg("-n").arg("-f").arg(&path);
    command.arg("-i").arg(path.with_extension("pid"));
    Process::spawn(command.stdin(Stdio::null()))
}

/// Waits until a file has every line of the log, with arguments of a hundred kilobytes.
fn has_all(host: &Host, path: &Path) {
    let command = "/bin/true $(printf %0100000d 0); exit";
    host.ssh(ONE, command);
    host.session(command);
    patiently("every line", || {
        (fs::read_to_string(path).unwrap_or_default() == host.text()).then_some(())
    });
}

/// rsyslog follows the log, and sends it on; here to a file instead of another rsyslog.
fn following(folder: &Path) -> (Process, PathBuf) {
    let [data, out] = [folder, &folder.join("shipped")].map(|path| path.display().to_string());
    let action = format!(
        r#"template(name="event" type="string" string="%msg%\n")
           ruleset(name="recorderd") {{ action(type="omfile" file="{out}" template="event""#
    );
    let rsyslog = rsyslog(
        folder,
        "recorderd.conf",
        &[
            ("/var/lib/recorderd", &data),
            ("/var/spool/rsyslog", &data),
            ("ruleset(name=\"recorderd\") {\n", ""),
            (
                r#"  action(type="omrelp" target="log.example.com" port="2514" template="RSYSLOG_SyslogProtocol23Format""#,
                &action,
            ),
        ],
    );
    (rsyslog, out.into())
}

fn files() -> Outcome {
    let host = Host::start();
    let (_rsyslog, out) = following(host.folder.path());
    has_all(&host, &out);
    Ok(())
}

/// Shipped while a lot is written, to one file after the other.
fn files_in_mid_write() -> Outcome {
    let host = Host::with("", "log_file_size: 1M\ndisk_buffer_size: 16384");
    let (_rsyslog, out) = following(host.folder.path());
    host.did(ONE, &opens(10_000));
    let sorted = |text: String| {
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert!(log::files(host.folder.path()).len() > 4);
    // Of several files that are there at once, it does not say which comes first.
    patiently("every line", || {
        let shipped = fs::read_to_string(&out).unwrap_or_default();
        (sorted(shipped) == sorted(host.text())).then_some(())
    });
    Ok(())
}

/// A follower as Fluent Bit and Vector describe theirs: it reads what there is, a part at a time, hands on what
/// ends in a line feed, and holds back the rest until it has grown.
#[derive(Default)]
struct Follower {
    /// By device and inode: up to where it is read, and what is held back.
    files: HashMap<(u64, u64), (u64, Vec<u8>)>,
    shipped: Vec<u8>,
    held_back: usize,
}

impl Follower {
    fn read(&mut self, folder: &Path) {
        for path in log::files(folder) {
            let file = File::open(path).unwrap();
            let metadata = file.metadata().unwrap();
            let known = self.files.entry((metadata.dev(), metadata.ino()));
            let (offset, held) = known.or_default();
            let mut part = vec![0; 32 << 10];
            loop {
                let length = file.read_at(&mut part, *offset).unwrap();
                if length == 0 {
                    break;
                }
                *offset += length as u64;
                held.extend_from_slice(&part[..length]);
                let whole = held.iter().rposition(|byte| *byte == b'\n');
                let whole = whole.map_or(0, |at| at + 1);
                self.shipped.extend(held.drain(..whole));
                self.held_back += usize::from(!held.is_empty());
            }
        }
    }
}

/// All configurations name the files and not the links to them, and lose or tear no line.
fn followers_in_mid_write() -> Outcome {
    for name in [
        "rsyslog/recorderd.conf",
        "fluent-bit/recorderd.conf",
        "vector/recorderd.yaml",
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("contrib")
            .join(name);
        let config = fs::read_to_string(path)?;
        assert!(
            config.contains("/var/lib/recorderd/log/*-*/20*.log"),
            "{name}"
        );
    }
    let host = Host::with("", "log_file_size: 1M\ndisk_buffer_size: 16384");
    let folder = host.folder.path();
    let mut follower = Follower::default();
    for turn in 1..=20 {
        let command = format!(": {turn}; {}", opens(10_000));
        let mut login = host.login(ONE, &command);
        patiently("the session", || {
            for _ in 0..100 {
                follower.read(folder);
            }
            login.child.try_wait().unwrap()
        });
        assert!(login.child.wait()?.success());
        host.session(&command);
        follower.read(folder);
        if follower.held_back > 0 {
            break;
        }
    }
    assert!(follower.held_back > 0, "nothing was read in mid-line");
    println!("{} reads ended inside of a line", follower.held_back);
    assert_eq!(String::from_utf8(follower.shipped)?, host.text());
    Ok(())
}

fn flock(file: &File, operation: i32) {
    // SAFETY: takes numbers.
    assert_eq!(unsafe { libc::flock(file.as_raw_fd(), operation) }, 0);
}

/// Under a shared lock a file ends in a whole line at every moment.
fn readers_that_take_the_lock() -> Outcome {
    let host = Host::with("", "disk_buffer_size: 16384");
    let file = log::files(host.folder.path()).remove(0);
    let lock = File::open(file.with_file_name(".lock"))?;
    let mut sizes = BTreeSet::new();
    // Whoever reads all the time can hold up the writer, which then writes much at once.
    for turn in 1..=20 {
        read_under_lock(&host, &file, &lock, turn, &mut sizes)?;
        if sizes.len() > 20 {
            return Ok(());
        }
    }
    panic!("{sizes:?}");
}

/// Looks at the file's end while a session of its own is written to it.
fn read_under_lock(
    host: &Host,
    file: &Path,
    lock: &File,
    turn: usize,
    sizes: &mut BTreeSet<u64>,
) -> Outcome {
    let command = format!(": {turn}; {}", opens(10_000));
    let mut login = host.login(ONE, &command);
    patiently("the end of the session", || {
        for _ in 0..100 {
            flock(lock, libc::LOCK_SH);
            let length = fs::metadata(file).unwrap().len();
            let mut last = [0];
            let read = File::open(file)
                .unwrap()
                .read_exact_at(&mut last, length - 1);
            flock(lock, libc::LOCK_UN);
            read.unwrap();
            assert_eq!(last, *b"\n", "at {length}");
            sizes.insert(length);
        }
        login.child.try_wait().unwrap()
    });
    assert!(login.child.wait()?.success());
    let lines = host.session(&command);
    assert_eq!(log::totals(&lines, "disk").1, 0);
    Ok(())
}

/// recorderd sends its events to rsyslog.
fn socket() -> Outcome {
    let folder = Folder::new();
    let [socket, out] =
        ["socket", "shipped"].map(|name| folder.path().join(name).display().to_string());
    let _rsyslog = rsyslog(
        folder.path(),
        "socket.conf",
        &[
            ("/run/recorderd-syslog", &socket),
            ("/var/log/recorderd.json", &out),
        ],
    );
    // Only the file is sealed.
    let config = format!("seal: false\noutput: [file, syslog]\nsyslog_socket: {socket}");
    let host = Host::with("", &config);
    has_all(&host, Path::new(&out));
    Ok(())
}

/// Three hosts, and a central server that is stopped and started again.
fn fleet() -> Outcome {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/fleet/run");
    let output = Command::new(script)
        .env("RECORDERD", binary())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert_eq!(
        text.matches("the same in the database").count(),
        3,
        "{text}"
    );
    for note in ["before", "meanwhile", "after"] {
        assert!(
            text.contains(&format!("{note}: 50 commands of 50")),
            "{text}"
        );
    }
    Ok(())
}
