//! session.disk tells of code that is taken from elsewhere than the system's libraries.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::{
    self, Folder, Host, ONE, Outcome, PYTHON, file_operation, of_kind, patiently, plain, printed,
};
use libtest_mimic::Trial;
use serde_json::Value;

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    common::tests(
        module_path!(),
        &[
            ("libraries from elsewhere", libraries),
            ("memory that is executed", memory),
            ("memory that becomes code", protected),
            ("a mapping among many", among_many),
            ("through an overlay", overlay),
            (
                "where the system's are, in a tree of mounts of their own",
                own_mounts,
            ),
            ("nothing from outside of a session", outside),
        ],
    )
}

/// A copy of a library of the system.
fn library(folder: &Path, name: &str) -> PathBuf {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let libc = maps.lines().find_map(|line| line.split_once('/'));
    let path = maps
        .lines()
        .filter_map(|line| line.split_once('/'))
        .map(|(_, path)| Path::new("/").join(path))
        .find(|path| path.file_name().is_some_and(|name| name == "libc.so.6"))
        .unwrap_or_else(|| panic!("{libc:?}"));
    let copy = folder.join(name);
    fs::copy(path.with_file_name("libm.so.6"), &copy).unwrap();
    copy
}

/// The lines of what was mapped, as `plain` gives them.
fn mapped(lines: &[Value]) -> Vec<(u64, String)> {
    of_kind(lines, "session.disk")
        .into_iter()
        .filter(|line| line["operation"] == "map" || line["operation"] == "protect")
        .map(|line| (line["flags"].as_u64().unwrap(), plain(line)))
        .collect()
}

fn map(program: &str, path: &str, flags: u64, return_code: i32, mark: &str) -> String {
    let rest = format!(
        r#""path":"{path}","flags":{flags},"return_code":{return_code}{mark},"operation":"map""#
    );
    file_operation(ONE, program, &rest)
}

/// Memory without a file.
fn anonymous(flags: u64) -> String {
    let line = map("python3", "", flags, 0, "");
    format!(r#"{},"anonymous":true}}"#, line.strip_suffix('}').unwrap())
}

/// What was mapped already, and became code.
fn protect(path: &str, return_code: i32, mark: &str) -> String {
    let line = map("python3", path, 0, return_code, mark);
    line.replace(r#""operation":"map""#, r#""operation":"protect""#)
}

/// Runs a script in a folder of its own, with `libc` and the names of its constants; returns the lines.
fn session(host: &Host, folder: &Path, script: &str) -> Vec<String> {
    let script = format!(
        r#"cd {here}; {PYTHON} -Ic '
import ctypes, mmap, os
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
READ, WRITE, EXEC = mmap.PROT_READ, mmap.PROT_WRITE, mmap.PROT_EXEC
PRIVATE, SHARED, FIXED, ANONYMOUS = 2, 1, 16, 32
PAGE = mmap.PAGESIZE
def file(name):
    it = os.open(name, os.O_CREAT | os.O_RDWR)
    os.truncate(it, PAGE)
    return it
{script}'"#,
        here = folder.display(),
    );
    let lines = host.did(ONE, &script);
    mapped(&lines).into_iter().map(|(_, line)| line).collect()
}

/// Preloaded, loaded by a path, and by one that is a file in memory; those of the system are not told
fn libraries() -> Outcome {
    let host = Host::shared();
    let folder = host.folder.shared();
    let preloaded = library(&folder, "preloaded.so");
    library(&folder, "loaded.so");
    let script = format!(
        r#"cd {here}; LD_PRELOAD={preloaded} /bin/true; {PYTHON} -Ic '
import ctypes, os
ctypes.CDLL("./loaded.so")
memory = os.memfd_create("hidden")
os.write(memory, open("loaded.so", "rb").read())
ctypes.CDLL(f"/proc/self/fd/{{memory}}")
for line in open("/proc/self/maps"):
    print(line, end="")
'"#,
        here = folder.display(),
        preloaded = preloaded.display(),
    );
    let maps = host.ssh(ONE, &script);
    let is_of_system = |path: &str| {
        ["/lib", "/usr/lib", "/usr/bin"]
            .iter()
            .any(|folder| path.starts_with(folder))
    };
    let executed = maps.lines().filter_map(|line| {
        let mut fields = line.split_whitespace();
        let rights = fields.nth(1)?;
        let path = fields.nth(3)?;
        (rights.contains('x') && path.starts_with('/') && !is_of_system(path)).then_some(path)
    });
    let loaded = folder.join("loaded.so").display().to_string();
    assert_eq!(executed.collect::<Vec<_>>(), ["/memfd:hidden", &loaded]);
    let lines = host.sessions(1).remove(0);
    let mapped = mapped(&lines);
    let flags: Vec<u64> = mapped.iter().map(|(flags, _)| *flags).collect();
    assert_eq!(flags.len(), 3, "{mapped:#?}");
    for flags in &flags {
        assert_eq!(*flags as i32 & libc::MAP_TYPE, libc::MAP_PRIVATE);
    }
    let preloaded = preloaded.display().to_string();
    let expected = [
        map("true", &preloaded, flags[0], 0, ""),
        map("python3", &loaded, flags[1], 0, ""),
        map(
            "python3",
            "/memfd:hidden",
            flags[2],
            0,
            r#","deleted":true"#,
        ),
    ];
    let lines: Vec<_> = mapped.into_iter().map(|(_, line)| line).collect();
    assert_eq!(lines, expected);
    Ok(())
}

/// Any file, by a program itself; and one that may not be
fn memory() -> Outcome {
    let host = Host::shared();
    let folder = host.folder.shared();
    let script = format!(
        r#"cd {here}; {PYTHON} -Ic '
import mmap, os
file = os.open("code", os.O_CREAT | os.O_RDWR)
os.truncate(file, 4096)
mmap.mmap(file, 4096, prot=mmap.PROT_READ)
mmap.mmap(file, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC)
mmap.mmap(file, 4096, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC)
closed = os.open("code", os.O_WRONLY)
try:
    mmap.mmap(closed, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC)
except PermissionError:
    pass
'"#,
        here = folder.display(),
    );
    host.ssh(ONE, &script);
    let lines = host.sessions(1).remove(0);
    let code = folder.join("code").display().to_string();
    let of = |flags: i32, return_code| map("python3", &code, flags as u64, return_code, "");
    let mapped: Vec<_> = mapped(&lines).into_iter().map(|(_, line)| line).collect();
    assert_eq!(
        mapped,
        [
            of(libc::MAP_SHARED, 0),
            of(libc::MAP_PRIVATE, 0),
            anonymous((libc::MAP_SHARED | libc::MAP_ANONYMOUS) as u64),
            of(libc::MAP_SHARED, -libc::EACCES),
        ]
    );
    Ok(())
}

/// By all the calls that can: each mapping of several, memory without a file once for each program
fn protected() -> Outcome {
    let host = Host::shared();
    let folder = host.folder.shared();
    let script = r#"
one, two = file("one"), file("two")
place = libc.mmap(None, 3 * PAGE, READ | WRITE, PRIVATE | ANONYMOUS, -1, 0)
libc.mmap(place, PAGE, READ | WRITE, PRIVATE | FIXED, one, 0)
libc.mmap(place + 2 * PAGE, PAGE, READ, SHARED | FIXED, two, 0)
assert libc.mprotect(place, 3 * PAGE, READ | WRITE) == 0
assert libc.mprotect(place, 3 * PAGE, READ | EXEC) == 0
assert libc.mprotect(place + PAGE, PAGE, READ | WRITE | EXEC) == 0
libc.mmap(None, PAGE, READ | EXEC, PRIVATE | ANONYMOUS, -1, 0)
memory = os.memfd_create("hidden")
os.truncate(memory, PAGE)
hidden = libc.mmap(None, PAGE, READ, SHARED, memory, 0)
PKEY_MPROTECT = {"x86_64": 329, "aarch64": 288}[os.uname().machine]
assert libc.syscall(PKEY_MPROTECT, ctypes.c_void_p(hidden), PAGE, EXEC, -1) == 0
closed = libc.mmap(None, PAGE, READ, SHARED, os.open("two", os.O_RDONLY), 0)
assert libc.mprotect(closed, PAGE, WRITE | EXEC) == -1
libc.shmat.restype = ctypes.c_void_p
segment = libc.shmget(0, PAGE, 0o700)
SHM_EXEC = 0o100000
attached = libc.shmat(segment, None, SHM_EXEC)
libc.shmctl(segment, 0, None)
READ_IMPLIES_EXEC = 0x400000
libc.personality(READ_IMPLIES_EXEC)
libc.mmap(None, PAGE, READ, PRIVATE, one, 0)
libc.personality(0)
libc.mmap(None, PAGE, READ, PRIVATE, one, 0)
if not os.fork():
    libc.mmap(None, PAGE, READ | EXEC, PRIVATE | ANONYMOUS, -1, 0)
    os.execv("/usr/bin/python3", ["python3", "-Ic", "import mmap; mmap.mmap(-1, 1, prot=5)"])
os.wait()
"#;
    let lines = session(&host, &folder, script);
    let here = folder.display();
    let [one, two] = ["one", "two"].map(|name| format!("{here}/{name}"));
    let exec = 0o100000;
    let shared = (libc::MAP_SHARED | libc::MAP_ANONYMOUS) as u64;
    let deleted = r#","deleted":true"#;
    assert_eq!(
        lines,
        [
            protect(&one, 0, ""),
            anonymous(0).replace("map", "protect"),
            protect(&two, 0, ""),
            protect("/memfd:hidden", 0, deleted),
            protect(&two, -libc::EACCES, ""),
            map("python3", "/SYSV00000000", exec, 0, deleted),
            map("python3", &one, libc::MAP_PRIVATE as u64, 0, ""),
            anonymous((libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as u64),
            anonymous(shared),
        ]
    );
    Ok(())
}

/// However many there are, and by addresses with a tag where the processor leaves those out
fn among_many() -> Outcome {
    const COUNT: usize = 3000;
    // So many are looked at of one call.
    const AT_ONCE: usize = 64;
    let host = Host::shared();
    let folder = host.folder.shared();
    let script = format!(
        r#"
names = [file("one"), file("two")]
maps = [libc.mmap(None, PAGE, READ, PRIVATE, names[at % 2], 0) for at in range({COUNT})]
for at in maps:
    assert libc.mprotect(at, PAGE, READ | EXEC) == 0
place = libc.mmap(None, {AT_ONCE} * PAGE, 0, PRIVATE | ANONYMOUS, -1, 0)
for at in range({AT_ONCE}):
    libc.mmap(place + at * PAGE, PAGE, READ, PRIVATE | FIXED, names[at % 2], 0)
assert libc.mprotect(place, {AT_ONCE} * PAGE, READ | EXEC) == 0
"#
    );
    let lines = session(&host, &folder, &script);
    let here = folder.display();
    let expected: Vec<_> = ["one", "two"]
        .map(|name| protect(&format!("{here}/{name}"), 0, ""))
        .into_iter()
        .cycle()
        .take(COUNT + AT_ONCE)
        .collect();
    assert_eq!(lines, expected);
    Ok(())
}

/// The path is the one that programs know, not that of the layer below
fn overlay() -> Outcome {
    let host = Host::shared();
    let folder = host.folder.shared();
    let script = format!(
        r#"cd {here}; mkdir lower upper work merged; truncate -s 4096 lower/code
unshare -m sh -c '
mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work none merged && {PYTHON} -Ic "
import ctypes, mmap, os, sys
libc = ctypes.CDLL(None)
code = os.open(sys.argv[1], os.O_RDONLY)
mmap.mmap(code, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC)
libc.mmap.restype = ctypes.c_void_p
place = libc.mmap(None, 4096, 1, 2, code, 0)
libc.mprotect(ctypes.c_void_p(place), 4096, 5)
" merged/code'"#,
        here = folder.display(),
    );
    let lines = host.did("root", &script);
    let code = folder.join("merged/code").display().to_string();
    let lines: Vec<_> = mapped(&lines).into_iter().map(|(_, line)| line).collect();
    let expected = [
        map("python3", &code, libc::MAP_SHARED as u64, 0, ""),
        protect(&code, 0, ""),
    ];
    assert_eq!(lines, expected.map(|line| line.replace(ONE, "root")));
    Ok(())
}

/// A file of root's that an account puts among the system's libraries, for itself alone
fn own_mounts() -> Outcome {
    let host = Host::shared();
    let folder = host.folder.shared();
    library(&folder, "libother.so");
    let script = format!(
        r#"
assert not libc.unshare(0x10020000)
assert not libc.mount(b"{here}", b"/usr/lib/openssh", None, 0x1000, None)
code = os.open("/usr/lib/openssh/libother.so", os.O_RDONLY)
libc.mmap(None, PAGE, READ | EXEC, PRIVATE, code, 0)
"#,
        here = folder.display()
    );
    let told = map("python3", "/usr/lib/openssh/libother.so", 2, 0, "");
    assert!(session(&host, &folder, &script).contains(&told));
    Ok(())
}

/// What other processes load while there is a session
fn outside() -> Outcome {
    let host = Host::shared();
    let folder = Folder::new();
    let preloaded = library(folder.path(), "preloaded.so");
    let mut login = host.login(ONE, "read");
    patiently("the session", || {
        (!host.all_sessions().is_empty()).then_some(())
    });
    printed(Command::new("true").env("LD_PRELOAD", preloaded));
    drop(login.child.stdin.take());
    login.child.wait()?;
    assert_eq!(mapped(&host.sessions(1).remove(0)), []);
    Ok(())
}
