//! What the ways out of a session have in common: what they run, told shortly.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::{Host, of_kind, patiently, schema};

/// The interpreter for what a shell can't do, with nothing of the account's own.
pub const PYTHON_ALONE: &str = "/usr/bin/python3 -Ic";

/// Beginning of a Python script that calls the kernel itself.
pub const KERNEL: &str = "import ctypes, os, sys, time
libc = ctypes.CDLL(None, use_errno=True)
";

/// Path and arguments of each command of a session, in the order in which they ran.
pub fn ran(lines: &[Value]) -> Vec<Value> {
    of_kind(lines, "session.command")
        .into_iter()
        .map(|line| {
            let argv = line["argv"].as_array().unwrap().clone();
            Value::Array([vec![line["path"].clone()], argv].concat())
        })
        .collect()
}

/// The last command whose last argument is `word`.
pub fn command_of<'a>(lines: &'a [Value], word: &str) -> &'a Value {
    of_kind(lines, "session.command")
        .into_iter()
        .rfind(|line| line["argv"].as_array().unwrap().last() == Some(&word.into()))
        .unwrap_or_else(|| panic!("{word} in {lines:#?}"))
}

/// What `program` opened in `folder`: path, flags and result.
pub fn opened(lines: &[Value], program: &str, folder: &Path) -> Vec<Value> {
    let folder = format!("{}/", folder.display());
    of_kind(lines, "session.disk")
        .into_iter()
        .filter(|line| line["program"] == program && !line["access"].is_null())
        .filter(|line| line["path"].as_str().unwrap().starts_with(&folder))
        .map(|line| {
            let name = line["path"].as_str().unwrap().strip_prefix(&folder);
            json!([name, line["flags"], line["return_code"]])
        })
        .collect()
}

/// Program, operation and far port of each connection of a session but those that are accepted.
pub fn connections(lines: &[Value]) -> Vec<Value> {
    of_kind(lines, "session.network")
        .into_iter()
        .map(|line| json!([line["program"], line["operation"], line["dst_port"]]))
        .collect()
}

/// A pipe with a name, for what waits until it is told to go on.
pub fn pipe(path: &Path) {
    let made = Command::new("mkfifo")
        .args(["-m", "666"])
        .arg(path)
        .status();
    assert!(made.unwrap().success());
}

/// Writes a line to whoever reads the pipe.
pub fn tell(path: &Path, word: &str) {
    let mut pipe = patiently(&format!("{} to be read", path.display()), || {
        let mut open = OpenOptions::new();
        open.write(true).custom_flags(libc::O_NONBLOCK);
        open.open(path).ok()
    });
    writeln!(pipe, "{word}").unwrap();
}

/// Waits until a file is there, and has this in it.
pub fn wait_for(path: &Path, text: &str) {
    patiently(&format!("{text} in {}", path.display()), || {
        fs::read_to_string(path)
            .is_ok_and(|found| found.contains(text))
            .then_some(())
    });
}

/// A folder for one way, in which every account may write.
pub fn place(host: &Host, name: &str) -> std::path::PathBuf {
    let folder = host.folder.path().join(name);
    fs::create_dir(&folder).unwrap();
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    fs::set_permissions(&folder, permissions).unwrap();
    folder.canonicalize().unwrap()
}

/// What a Python script needs that changes the recorder's maps.
pub const MAPS: &str = r#"
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
number = 321 if os.uname().machine == "x86_64" else 280
UPDATE, DELETE, NEXT_ID, BY_ID, INFO = 2, 3, 12, 14, 15
def bpf(command, *words):
    kept = ctypes.create_string_buffer(struct.pack("<" + "I" * len(words), *words).ljust(128, b"\0"), 128)
    result = libc.syscall(number, command, kept, 128)
    return result, kept.raw
def halves(buffer):
    address = ctypes.addressof(buffer)
    return address & 0xffffffff, address >> 32
def maps(name):
    last = 0
    while True:
        result, raw = bpf(NEXT_ID, last)
        if result: return
        last = struct.unpack_from("<I", raw, 4)[0]
        map, _ = bpf(BY_ID, last)
        info = ctypes.create_string_buffer(80)
        bpf(INFO, map, 80, *halves(info))
        if info.raw[24:40].rstrip(b"\0") == name: yield map, struct.unpack_from("<I", info.raw, 12)[0]
def delete(name, key):
    key = ctypes.create_string_buffer(key)
    return [bpf(DELETE, map, 0, *halves(key))[0] for map, _ in maps(name)]
def clear(name, key):
    key = ctypes.create_string_buffer(key)
    for map, size in maps(name):
        value = ctypes.create_string_buffer(b"\xff" * size)
        assert bpf(UPDATE, map, 0, *halves(key), *halves(value))[0] == 0
"#;

/// Waits for what the daemon says of a table; returns the line.
pub fn tampered(host: &Host, map: &str, text: &str) -> Value {
    patiently(map, || {
        let log = host.text();
        let said = format!(r#""reason":"tampered","map":"{map}","#);
        let line = log
            .lines()
            .find(|line| line.contains(&said) && line.contains(text))?;
        Some(schema::check(line))
    })
}
