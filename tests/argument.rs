//! Arguments are those that the program was run with: all bytes of them, whoever changes them meanwhile.

use std::fs;
use std::io::{BufRead, BufReader};

use crate::common::{self, Host, ONE, Outcome, PYTHON, of_kind, text};
use base64::engine::{Engine, general_purpose::STANDARD};
use libtest_mimic::Trial;
use serde_json::Value;

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    common::tests(
        module_path!(),
        &[
            ("any bytes, of 1 byte to 2 MB", any_bytes),
            ("rewritten during the exec", rewritten),
            ("parts of lost commands", parts_of_lost_commands),
        ],
    )
}

/// Runs a Python program in a session; returns what it printed, and the commands of `path`.
fn session(script: &str, path: &str) -> (String, Vec<Value>) {
    let host = Host::shared();
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
seen = set()
for count in range(5000):
    if count >= 200 and len(seen) == 2: break
    reading, writing = os.pipe()
    if not os.fork(): os.dup2(writing, 1); libc.execve(b'/bin/echo', argv, None); os._exit(1)
    os.close(writing)
    word = os.read(reading, 100).decode(); os.close(reading)
    os.wait()
    seen.add(word); print(word, end='', flush=True)
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

/// Of a command whose later parts have filled the ring, so that it has no room itself: none of them
/// gets into the next command of the process
fn parts_of_lost_commands() -> Outcome {
    let host = Host::with("", "command_buffer_size: 64");
    // The wanted variables make the first command larger than the second.
    let script = "import os, sys
print('ready', flush=True); sys.stdin.readline()
variables = {name: 'x' * 4000 for name in ('LD_PRELOAD', 'LD_LIBRARY_PATH', 'LD_AUDIT')}
values = [f'a{number}=' + 'A' * 100_000 for number in range(18)]
os.execve('/bin/busybox', ['env', '-i', *values, '/bin/busybox', 'true', 'B' * 20_000], variables)";
    let place = host.folder.shared().join("script.py");
    fs::write(&place, script)?;
    let mut login = host.login(ONE, &format!("exec {PYTHON} -I {}", place.display()));
    let mut said = BufReader::new(login.child.stdout.take().unwrap());
    said.read_line(&mut String::new())?;
    host.daemon.signal(libc::SIGSTOP);
    drop(login.child.stdin.take());
    assert_eq!(text(said), "");
    assert!(login.child.wait()?.success(), "{:?}", login.errors());
    host.daemon.signal(libc::SIGCONT);
    let lines = host.sessions(1).remove(0);
    let commands = of_kind(&lines, "session.command");
    let first = commands.iter().filter(|line| line["argv"][0] == "-i");
    assert_eq!(first.count(), 0, "the first command is not lost");
    let second = commands
        .iter()
        .find(|line| line["argv"][0] == "true")
        .unwrap();
    let before = "/bin/busybox\0true\0".len();
    let argv = ["true".to_owned(), "B".repeat(8192 - before)];
    assert!(second["argv"] == Value::from(argv.to_vec()), "{second}");
    assert_eq!(second["argv_missing"], before + 20_001 - 8192);
    assert_eq!(lines.last().unwrap()["losses"]["command"], 1);
    Ok(())
}
