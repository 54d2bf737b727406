//! Arguments are those that the program was run with: all bytes of them, whoever changes them meanwhile.

mod common;

use std::fs;
use std::process::ExitCode;

use base64::engine::{Engine, general_purpose::STANDARD};
use common::{Host, ONE, Outcome, PYTHON, of_kind};
use serde_json::Value;

fn main() -> ExitCode {
    common::main(&[
        ("any bytes, of 1 byte to 2 MB", any_bytes),
        ("rewritten during the exec", rewritten),
    ])
}

/// Runs a Python program in a session; returns what it printed, and the commands of `path`.
fn session(script: &str, path: &str) -> (String, Vec<Value>) {
    let host = Host::start();
    let place = host.folder.shared().join("script.py");
    fs::write(&place, script).unwrap();
    let printed = host.ssh(ONE, &format!("{PYTHON} -I {}", place.display()));
    let lines = host.sessions(1).remove(0);
    let commands = of_kind(&lines, "session.command").into_iter();
    let commands = commands.filter(|line| line["path"] == path).cloned();
    (printed, commands.collect())
}

/// Of each length so many, with an empty one behind them
const SHAPES: [(usize, usize); 4] = [(1, 1), (4096, 1), (131_071, 1), (131_071, 15)];

/// Every value that an argument can have, and none at the same place in the next one.
fn bytes(length: usize, index: usize) -> Vec<u8> {
    (0..length)
        .map(|at| ((at * 7 + index + 191) % 255 + 1) as u8)
        .collect()
}

fn any_bytes() -> Outcome {
    let script = format!(
        "import os
for length, count in {SHAPES:?}:
    words = [bytes((at * 7 + index + 191) % 255 + 1 for at in range(length)) for index in range(count)]
    if not os.fork(): os.execv('/bin/true', [b'true', *words, b''])
    os.wait()"
    );
    let (_, commands) = session(&script, "/bin/true");
    assert_eq!(commands.len(), SHAPES.len());
    for (command, (length, count)) in commands.iter().zip(SHAPES) {
        let mut expected: Vec<_> = (0..count).map(|index| bytes(length, index)).collect();
        expected.push(Vec::new());
        assert!(command.get("argv_missing").is_none());
        let words = command["argv_base64"].as_array().unwrap();
        let decode = |word: &Value| STANDARD.decode(word.as_str().unwrap()).unwrap();
        let words: Vec<_> = words.iter().map(decode).collect();
        assert!(words == expected, "{count} of {length} bytes");
    }
    Ok(())
}

/// By somebody who shares the memory, all the time: the program itself tells what it was given
fn rewritten() -> Outcome {
    let script = "import ctypes, mmap, os, signal
libc = ctypes.CDLL(None)
memory = mmap.mmap(-1, 4096)
def address(at): return ctypes.addressof(ctypes.c_char.from_buffer(memory, at))
memory[0:2] = b'a\\0'; memory[8:12] = b'one\\0'
flipper = os.fork()
while not flipper: memory[8:11] = b'two'; memory[8:11] = b'one'
argv = (ctypes.c_void_p * 3)(address(0), address(8), None)
for _ in range(200):
    if not os.fork(): libc.execve(b'/bin/echo', argv, None); os._exit(1)
    os.wait()
os.kill(flipper, signal.SIGKILL)";
    let (printed, commands) = session(script, "/bin/echo");
    let words: Vec<_> = commands
        .iter()
        .map(|line| line["argv"][0].as_str().unwrap())
        .collect();
    assert_eq!(words, printed.lines().collect::<Vec<_>>());
    assert!(["one", "two"].iter().all(|word| words.contains(word)));
    Ok(())
}
