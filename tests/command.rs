//! session.command is what the kernel ran, whatever was typed.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use crate::common::{
    self, Host, ONE, Outcome, PYTHON, command, end, expected, failed_command, of_kind, plain,
    plains, start,
};
use base64::engine::{Engine, general_purpose::STANDARD};
use libtest_mimic::Trial;
use serde_json::json;

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    common::tests(
        module_path!(),
        &[
            ("200 commands", many),
            ("a command in disguise", disguised),
            ("a command that fails", failed),
            ("ways and arguments of a failed exec", failed_ways),
            ("arguments that JSON has to escape", escaped),
            ("bytes that are not text", bytes),
            ("a program run by a thread", thread),
            ("a first thread that exits first", left_behind),
        ],
    )
}

/// All of a script, in its order
fn many() -> Outcome {
    const SCRIPT: &str = "for ((i = 1; i <= 200; i++)); do /bin/true one-$i two-$i; done";
    let host = Host::shared();
    host.ssh(ONE, SCRIPT);
    let lines = host.sessions(1).remove(0);
    let mut ran = vec![command(ONE, "bash", "/bin/bash", &["-c", SCRIPT])];
    ran.extend((1..=200).map(|i| {
        let argv = [format!("one-{i}"), format!("two-{i}")];
        command(ONE, "true", "/bin/true", &[&argv[0], &argv[1]])
    }));
    assert_eq!(plains(&lines, "session.command"), ran);
    Ok(())
}

/// `base64 -d | sh` and `eval` hide from those who watch the terminal
fn disguised() -> Outcome {
    let hidden = STANDARD.encode("/bin/true from-base64\n");
    let script = format!(
        "echo {hidden} | base64 -d | sh; a=/bin/tr; b=ue; eval \"$a$b\" from-eval $(echo too)"
    );
    let host = Host::shared();
    host.ssh(ONE, &script);
    let lines = host.sessions(1).remove(0);
    let mut ran = plains(&lines, "session.command");
    // The two ends of the pipe run at the same time.
    ran[1..3].sort();
    assert_eq!(
        ran,
        [
            command(ONE, "bash", "/bin/bash", &["-c", &script]),
            command(ONE, "base64", "/usr/bin/base64", &["-d"]),
            command(ONE, "sh", "/usr/bin/sh", &[]),
            command(ONE, "true", "/bin/true", &["from-base64"]),
            command(ONE, "true", "/bin/true", &["from-eval", "too"]),
        ]
    );
    Ok(())
}

/// No such program, and one that may not be run
fn failed() -> Outcome {
    let host = Host::shared();
    let plain_file = host.folder.shared().join("plain");
    fs::write(&plain_file, "")?;
    let plain_file = plain_file.to_str().unwrap();
    let script = format!(
        "/nonexistent/x b; cd /usr; bin/nothing c 'd e'; {plain_file}; exec {PYTHON} -Ic '
import os
try:
    os.execv(\"/nonexistent/y\", [\"y\", \"b\"])
except FileNotFoundError:
    pass
'"
    );
    host.ssh(ONE, &script);
    let lines = host.sessions(1).remove(0);
    let python = script.split_once("-Ic '").unwrap().1.trim_end_matches('\'');
    assert_eq!(
        plains(&lines, "session.command"),
        [
            command(ONE, "bash", "/bin/bash", &["-c", &script]),
            failed_command(ONE, "bash", "/nonexistent/x", &["b"], -libc::ENOENT),
            failed_command(ONE, "bash", "bin/nothing", &["c", "d e"], -libc::ENOENT),
            failed_command(ONE, "bash", plain_file, &[], -libc::EACCES),
            command(ONE, "python3", PYTHON, &["-Ic", python]),
            failed_command(ONE, "python3", "/nonexistent/y", &["b"], -libc::ENOENT),
        ]
    );
    Ok(())
}

/// By each call, with more arguments than are read at once
fn failed_ways() -> Outcome {
    const SCRIPT: &str = r#"
import ctypes, os
libc = ctypes.CDLL(None)
EXECVEAT = {"x86_64": 322, "aarch64": 281}[os.uname().machine]
def array(*words):
    return (ctypes.c_char_p * (len(words) + 1))(*words, None)
libc.execve(b"/nonexistent/one", array(b"one", *[b"%d" % i for i in range(100)]), None)
libc.syscall(EXECVEAT, -100, b"/nonexistent/two", array(b"two", b"words"), None, 0)
libc.syscall(EXECVEAT, -100, b"/etc", array(b"etc"), None, 0)
"#;
    let host = Host::shared();
    let asked = format!("{PYTHON} -Ic '{SCRIPT}'");
    host.ssh(ONE, &asked);
    let lines = host.sessions(1).remove(0);
    let numbers: Vec<_> = (0..100).map(|i| i.to_string()).collect();
    let numbers: Vec<_> = numbers.iter().map(String::as_str).collect();
    let failed = |path, argv: &[&str], code: i32| failed_command(ONE, "python3", path, argv, -code);
    assert_eq!(
        plains(&lines, "session.command")[2..],
        [
            failed("/nonexistent/one", &numbers, libc::ENOENT),
            failed("/nonexistent/two", &["words"], libc::ENOENT),
            failed("/etc", &[], libc::EACCES),
        ]
    );
    Ok(())
}

/// Bytes as a word of bash.
fn word(bytes: &[u8]) -> String {
    let escapes: String = bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect();
    format!("$'{escapes}'")
}

/// Quotes, control characters, empty arguments, and text beyond ASCII
fn escaped() -> Outcome {
    let every: String = (1..=127).map(char::from).collect();
    let long = "long".repeat(1000);
    let argv = [
        "\"quoted\"",
        "two\nlines\r\n",
        "\ttab",
        "\x1b[31mred\x1b]0;title\x07",
        "\x7f",
        "back\\slash\\n",
        "",
        "\u{2028}\u{e9}\u{1f980}\u{feff}",
        "{\"event\":\"session.end\"}",
        &every,
        &long,
        "",
    ];
    let words = argv.map(|argument| word(argument.as_bytes())).join(" ");
    let script = format!("/bin/true {words}; :");
    let host = Host::shared();
    host.ssh(ONE, &script);
    let lines = host.sessions(1).remove(0);
    assert_eq!(
        plains(&lines, "session.command")[1..],
        [command(ONE, "true", "/bin/true", &argv)]
    );
    Ok(())
}

/// Bytes that are not UTF-8, in each place where the user can put them
fn bytes() -> Outcome {
    let host = Host::shared();
    let folder = host.folder.shared();
    let name = b"na\xffme";
    fs::copy("/bin/true", folder.join(OsStr::from_bytes(name)))?;
    let arguments: [&[u8]; 4] = [b"\xff\xfe", b"", b"caf\xc3\xa9", b"\xed\xa0\x80\n"];
    let words = arguments.map(word).join(" ");
    let script = format!("{}/{} {words}; : ", folder.display(), word(name));
    let requested = [script.as_bytes(), b"\xfe"].concat();
    let mut client = host.client("ssh");
    client
        .arg(format!("{ONE}@127.0.0.1"))
        .arg(OsStr::from_bytes(&requested));
    common::printed(&mut client);
    let lines = host.sessions(1).remove(0);
    let asked = format!(
        r#""initial_command":{},"initial_command_base64":{},"#,
        json!([String::from_utf8_lossy(&requested)]),
        json!([STANDARD.encode(&requested)])
    );
    assert_eq!(plain(&lines[0]), start(ONE, &asked));
    assert_eq!(
        plain(lines.last().unwrap()),
        end(ONE, false, &asked, &lines)
    );
    let path = [folder.as_os_str().as_bytes(), b"/", name].concat();
    let rest = format!(
        r#""pid":"<pid>","cgroup_id":"<cgroup_id>","program":"na{bad}me","program_base64":"{}","audit_session_id":"<audit_session_id>","ppid":"<ppid>","path":"{}/na{bad}me","path_base64":"{}","argv":{},"argv_base64":{},"return_code":0"#,
        STANDARD.encode(name),
        folder.display(),
        STANDARD.encode(path),
        json!(arguments.map(String::from_utf8_lossy)),
        json!(arguments.map(|argument| STANDARD.encode(argument))),
        bad = '\u{fffd}',
    );
    assert_eq!(
        plains(&lines, "session.command")[1..],
        [expected("session.command", "T4000I", ONE, &rest)]
    );
    Ok(())
}

/// A thread that is not the first of its process runs another program in its place
fn thread() -> Outcome {
    const SCRIPT: &str = r#"
import os, threading
def leave():
    os.execv("/bin/sh", ["sh", "-c", "/bin/true after; :"])
threading.Thread(target=leave).start()
threading.Event().wait()
"#;
    let host = Host::shared();
    let asked = format!("{PYTHON} -Ic '{SCRIPT}'");
    host.ssh(ONE, &asked);
    let lines = host.sessions(1).remove(0);
    assert_eq!(
        plains(&lines, "session.command"),
        [
            command(ONE, "bash", "/bin/bash", &["-c", &asked]),
            command(ONE, "python3", PYTHON, &["-Ic", SCRIPT]),
            command(ONE, "sh", "/bin/sh", &["-c", "/bin/true after; :"]),
            command(ONE, "true", "/bin/true", &["after"]),
        ]
    );
    let ran = of_kind(&lines, "session.command");
    assert_eq!(ran[1]["pid"], ran[2]["pid"]);
    assert_eq!(ran[2]["pid"], ran[3]["ppid"]);
    Ok(())
}

/// The code is the one that the parent is told, whichever thread's that is
fn left_behind() -> Outcome {
    const SCRIPT: &str = r#"
import ctypes, os, threading
leave = lambda code: ctypes.CDLL(None).syscall(60 if os.uname().machine == "x86_64" else 93, code)
def last():
    while "\nState:\tZ" not in open("/proc/self/status").read(): pass
    leave(3)
threading.Thread(target=last).start()
leave(7)
"#;
    let host = Host::shared();
    let code = host.ssh(ONE, &format!("{PYTHON} -c '{SCRIPT}'; echo $?"));
    let lines = host.sessions(1).remove(0);
    let exits = of_kind(&lines, "session.process_exit");
    let exit = exits.iter().find(|line| line["program"] != "bash").unwrap();
    assert_eq!(exit["exit_code"].to_string(), code.trim());
    Ok(())
}
