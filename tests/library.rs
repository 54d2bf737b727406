//! session.disk tells of code that is taken from elsewhere than the system's libraries.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use common::{
    Folder, Host, ONE, Outcome, PYTHON, file_operation, of_kind, patiently, plain, printed,
};
use serde_json::Value;

fn main() -> ExitCode {
    common::main(&[
        ("libraries from elsewhere", libraries),
        ("memory that is executed", memory),
        ("nothing from outside of a session", outside),
    ])
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
        .filter(|line| line["operation"] == "map")
        .map(|line| (line["flags"].as_u64().unwrap(), plain(line)))
        .collect()
}

fn map(program: &str, path: &str, flags: u64, return_code: i32, mark: &str) -> String {
    let rest = format!(
        r#""path":"{path}","flags":{flags},"return_code":{return_code}{mark},"operation":"map""#
    );
    file_operation(ONE, program, &rest)
}

/// Preloaded, loaded by a path, and by one that is a file in memory; those of the system are not told
fn libraries() -> Outcome {
    let host = Host::start();
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
    let host = Host::start();
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
            of(libc::MAP_SHARED, -libc::EACCES),
        ]
    );
    Ok(())
}

/// What other processes load while there is a session
fn outside() -> Outcome {
    let host = Host::start();
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
