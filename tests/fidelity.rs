//! What really ran, from where, as whom, and how it ended: each field against what the host says.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use crate::common::log::milliseconds;
use crate::common::{self, Folder, Host, ONE, Outcome, account, device_number, of_kind};
use libtest_mimic::Trial;
use serde_json::{Value, json};

/// The interpreter for small programs, with nothing of the account's own.
const PYTHON: &str = "/usr/bin/python3 -Ic";

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    common::tests(
        module_path!(),
        &[
            (
                "the file, the folder and the ids of a command",
                file_and_ids,
            ),
            ("a symbolic link and a changed argv0", link_and_argv0),
            ("a script and its interpreter", script),
            ("chosen variables of the environment", environment),
            ("more variables than are looked at", many_variables),
            ("a program in memory, and a deleted one", memfd_and_deleted),
            ("a setuid program", setuid),
            ("the controlling terminal", terminal),
            ("how a process ends", ends),
            ("how a process with threads ends", threads_end),
            ("arguments of any length", long_arguments),
            (
                "listening, accepting, and what becomes of a connect",
                connections,
            ),
            ("local sockets", local_sockets),
        ],
    )
}

/// Runs one command line in a session of its own, and returns the session.
fn session(config: &str, command: &str) -> Vec<Value> {
    let host = Host::with("", config);
    let _ = host
        .client("ssh")
        .arg(format!("{ONE}@127.0.0.1"))
        .arg(command)
        .output()
        .unwrap();
    host.sessions(1).remove(0)
}

/// The command whose last argument is `word`.
fn ran<'a>(lines: &'a [Value], word: &str) -> &'a Value {
    of_kind(lines, "session.command")
        .into_iter()
        .find(|line| {
            let argv = line["argv"].as_array().unwrap();
            argv.last().is_some_and(|last| last == word)
        })
        .unwrap_or_else(|| panic!("{word} in {lines:#?}"))
}

/// A folder that the account can write to.
fn open_folder() -> Folder {
    let folder = Folder::new();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o1777)).unwrap();
    folder
}

fn file_and_ids() -> Outcome {
    let folder = open_folder();
    let place = folder.path().display();
    let lines = session("", &format!("cd {place}; /bin/echo here"));
    let line = ran(&lines, "here");
    let exe = fs::canonicalize("/bin/echo").unwrap();
    let file = fs::metadata(&exe).unwrap();
    let (uid, gid) = account(ONE);
    assert_eq!(line["argv0"], "/bin/echo");
    assert_eq!(line["exe"], exe.to_str().unwrap());
    assert_eq!(line["exe_device"], device_number(file.dev()));
    assert_eq!(line["exe_inode"], file.ino());
    assert_eq!(line["cwd"], place.to_string());
    assert_eq!(
        line["ids"],
        json!({"uid": uid, "gid": gid, "euid": uid, "egid": gid})
    );
    for absent in [
        "tty",
        "privileged",
        "environment",
        "interpreter",
        "exe_deleted",
    ] {
        assert!(line.get(absent).is_none(), "{line}");
    }
    Ok(())
}

fn link_and_argv0() -> Outcome {
    let folder = open_folder();
    let link = folder.path().join("innocent");
    symlink("/bin/echo", &link).unwrap();
    let lines = session("", &format!("exec -a another {} linked", link.display()));
    let line = ran(&lines, "linked");
    assert_eq!(line["path"], link.to_str().unwrap());
    assert_eq!(line["argv0"], "another");
    assert_eq!(
        line["exe"],
        fs::canonicalize("/bin/echo").unwrap().to_str().unwrap()
    );
    Ok(())
}

fn script() -> Outcome {
    let folder = open_folder();
    let [inner, outer] = ["inner", "outer"].map(|name| folder.path().join(name));
    for (file, text) in [
        (&inner, "#!/bin/sh\n:\n".into()),
        (&outer, format!("#!{} x\n", inner.display())),
    ] {
        fs::write(file, text).unwrap();
        fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let [inner, outer] = [&inner, &outer].map(|file| file.to_str().unwrap());
    let lines = session("", &format!("{outer} scripted"));
    let line = ran(&lines, "scripted");
    assert_eq!(line["path"], outer);
    assert_eq!(line["interpreter"], "/bin/sh");
    assert_eq!(
        line["exe"],
        fs::canonicalize("/bin/sh").unwrap().to_str().unwrap()
    );
    assert_eq!(line["argv0"], "/bin/sh");
    assert_eq!(line["argv"], json!([inner, "x", outer, "scripted"]));
    Ok(())
}

fn environment() -> Outcome {
    let command = "LD_PRELOAD=/none.so OTHER=1 LD_PRELOADED=2 /bin/echo first; EMPTY= SHELL=x /bin/echo second";
    let lines = session("", command);
    assert_eq!(
        ran(&lines, "first")["environment"],
        json!({"LD_PRELOAD": "/none.so"})
    );
    let lines = session("environment: [EMPTY, OTHER]", command);
    assert_eq!(ran(&lines, "first")["environment"], json!({"OTHER": "1"}));
    assert_eq!(ran(&lines, "second")["environment"], json!({"EMPTY": ""}));
    Ok(())
}

/// The last one of some thousands, of every length in turn; and behind more bytes than are looked at
fn many_variables() -> Outcome {
    let script = "import os,sys
several = {'V%d' % i: 'LAST=no' + 'x' * (i % 97) for i in range(int(sys.argv[2]))}
os.execve('/bin/echo', ['echo', sys.argv[1]], {'FIRST': 'one', **several, 'LAST': 'two'})";
    for (name, count, environment, incomplete) in [
        (
            "some",
            6_000,
            json!({"FIRST": "one", "LAST": "two"}),
            json!(null),
        ),
        ("more", 12_000, json!({"FIRST": "one"}), json!(true)),
    ] {
        let command = format!("{PYTHON} \"{script}\" {name} {count}");
        let lines = session("environment: [FIRST, LAST]", &command);
        let line = ran(&lines, name);
        assert_eq!(line["environment"], environment);
        assert_eq!(line["environment_incomplete"], incomplete);
    }
    Ok(())
}

fn memfd_and_deleted() -> Outcome {
    let folder = open_folder();
    let copy = folder.path().join("copy");
    let script = "import os,shutil,sys
memory = os.memfd_create('hidden', 0)
os.write(memory, open('/bin/echo', 'rb').read())
if not os.fork(): os.execve(memory, ['echo', 'memory'], {})
os.wait()
shutil.copy('/bin/echo', sys.argv[1])
file = os.open(sys.argv[1], os.O_RDONLY)
os.unlink(sys.argv[1])
if not os.fork(): os.execve(file, ['echo', 'deleted'], {})
os.wait()";
    let lines = session("", &format!("{PYTHON} \"{script}\" {}", copy.display()));
    let memory = ran(&lines, "memory");
    assert_eq!(memory["exe"], "/memfd:hidden");
    assert_eq!(memory["exe_memfd"], true);
    assert!(memory.get("exe_deleted").is_none());
    let deleted = ran(&lines, "deleted");
    assert_eq!(deleted["exe"], copy.to_str().unwrap());
    assert_eq!(deleted["exe_deleted"], true);
    assert!(deleted.get("exe_memfd").is_none());
    Ok(())
}

fn setuid() -> Outcome {
    let folder = open_folder();
    let file = folder.path().join("as-root");
    fs::copy("/bin/echo", &file).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o4755)).unwrap();
    let lines = session("", &format!("{} raised", file.display()));
    let line = ran(&lines, "raised");
    let (uid, gid) = account(ONE);
    assert_eq!(line["privileged"], true);
    assert_eq!(
        line["ids"],
        json!({"uid": uid, "gid": gid, "euid": 0, "egid": gid})
    );
    Ok(())
}

fn terminal() -> Outcome {
    let host = Host::shared();
    let output = host
        .client("ssh")
        .arg("-tt")
        .arg(format!("{ONE}@127.0.0.1"))
        .arg("tty; /bin/echo typed")
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let name = printed.lines().next().unwrap().trim_end();
    let lines = host.sessions(1).remove(0);
    let tty = &ran(&lines, "typed")["tty"];
    assert_eq!(format!("/dev/{}", tty.as_str().unwrap()), name);
    Ok(())
}

fn ends() -> Outcome {
    let lines = session(
        "",
        "/bin/true zero; /bin/sh -c 'exit 3; : three'; /bin/sh -c 'kill -9 $$; : nine'; exit 4",
    );
    let exits = of_kind(&lines, "session.process_exit");
    let end_of = |word: &str| {
        let uid = &ran(&lines, word)["uid"];
        *exits
            .iter()
            .find(|exit| exit["command_uid"] == *uid)
            .unwrap()
    };
    assert_eq!(end_of("zero")["exit_code"], 0);
    assert_eq!(end_of("exit 3; : three")["exit_code"], 3);
    let killed = end_of("kill -9 $$; : nine");
    assert_eq!(
        (&killed["signal"], &killed["core_dumped"]),
        (&json!(9), &json!(false))
    );
    assert!(killed.get("exit_code").is_none());
    let shell = of_kind(&lines, "session.command")[0];
    let last = exits.last().unwrap();
    assert_eq!(
        (&last["exit_code"], &last["command_uid"]),
        (&json!(4), &shell["uid"])
    );
    assert!(last["duration_us"].as_u64() > killed["duration_us"].as_u64());
    assert!(last["max_memory_kb"].as_u64() > Some(500));
    let end = lines.last().unwrap();
    let [from, to] =
        ["session_start", "session_stop"].map(|key| milliseconds(end[key].as_str().unwrap()));
    // Both are cut to milliseconds.
    assert!(
        last["duration_us"].as_i64().unwrap() <= (to - from + 1) * 1000,
        "{last} {end}"
    );
    Ok(())
}

/// The first thread is gone when the last one ends, by itself or with all others; what the parent is told is true.
fn threads_end() -> Outcome {
    let script = r#"
import ctypes, os, sys, threading, time
libc = ctypes.CDLL(None)
EXIT, EXIT_ALL = {"x86_64": (60, 231), "aarch64": (93, 94)}[os.uname().machine]
first = os.getpid()
def burn():
    while time.thread_time() < 0.05: pass
def last():
    libc.prctl(15, b"another", 0, 0, 0)
    while open(f"/proc/self/task/{first}/stat").read().rsplit(") ")[1][0] != "Z": time.sleep(0.001)
    libc.syscall(EXIT_ALL if sys.argv[1] == "all" else EXIT, 5)
burning = threading.Thread(target=burn)
burning.start()
burning.join()
threading.Thread(target=last).start()
libc.syscall(EXIT, 3)
"#;
    let host = Host::shared();
    let place = host.folder.path().join("threads.py");
    fs::write(&place, script)?;
    let run = format!("/usr/bin/python3 -I {}", place.display());
    let command = format!("{run} all; echo $?; {run} each; echo $?");
    let printed = host.ssh(ONE, &command);
    let told: Vec<u64> = printed.lines().map(|code| code.parse().unwrap()).collect();
    let lines = host.session(&command);
    let exits = of_kind(&lines, "session.process_exit");
    let ends = ["all", "each"].map(|word| {
        let uid = &ran(&lines, word)["uid"];
        let mut ends = exits.iter().filter(|exit| exit["command_uid"] == *uid);
        let end = ends.next().unwrap();
        assert!(ends.next().is_none(), "{exits:#?}");
        // The thread that is gone had as much.
        assert!(end["cpu_us"].as_u64() >= Some(50_000), "{end}");
        assert_eq!(end["program"], "python3");
        end["exit_code"].as_u64().unwrap()
    });
    assert_eq!(told[0], 5);
    assert_eq!(ends.as_slice(), told);
    Ok(())
}

/// Of one byte, of a page, of 128 KiB less the zero byte, and all that the kernel takes together.
fn long_arguments() -> Outcome {
    for (length, count) in [(1, 1), (4096, 1), (131_071, 1), (131_071, 15), (1, 200_000)] {
        let script = format!(
            "import os; os.execv('/bin/true', ['true'] + ['a' * {length}] * {count} + ['last'])"
        );
        let lines = session("", &format!("{PYTHON} \"{script}\""));
        let line = ran(&lines, "last");
        assert!(line.get("argv_missing").is_none());
        let argv = line["argv"].as_array().unwrap();
        assert_eq!(argv.len(), count + 1);
        let whole = "a".repeat(length);
        assert!(argv[..count].iter().all(|word| word == &whole));
    }
    Ok(())
}

fn connections() -> Outcome {
    let script = "import socket
s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen(1)
c = socket.create_connection(s.getsockname()); a, peer = s.accept()
print(s.getsockname()[1], peer[1])
n = socket.socket()
try: n.connect(('127.0.0.1', 1))
except OSError as e: print(e.errno)
u = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); u.connect(('::1', 53)); print(u.getsockname()[1])";
    let host = Host::shared();
    let printed = host.ssh(ONE, &format!("{PYTHON} \"{script}\""));
    let numbers: Vec<u64> = printed
        .split_whitespace()
        .map(|word| word.parse().unwrap())
        .collect();
    let [server, client, refused, datagram] = numbers[..] else {
        panic!("{printed}");
    };
    let lines = host.sessions(1).remove(0);
    let shown: Vec<Value> = of_kind(&lines, "session.network")
        .into_iter()
        .map(|line| {
            json!([
                line["operation"],
                line["protocol"],
                line["src_addr"],
                line["src_port"],
                line["dst_addr"],
                line["dst_port"],
                line["version"]
            ])
        })
        .collect();
    let here = "127.0.0.1";
    assert_eq!(
        shown,
        [
            json!([2, "tcp", here, server, null, null, 4]),
            json!([0, "tcp", here, null, here, server, 4]),
            json!([3, "tcp", here, server, here, client, 4]),
            json!([0, "tcp", here, null, here, 1, 4]),
            json!([0, "udp", "::1", datagram, "::1", 53, 6]),
        ]
    );
    let begun = of_kind(&lines, "session.network");
    let results: Vec<Value> = of_kind(&lines, "session.network_result")
        .into_iter()
        .map(|line| json!([line["result"], line["dst_port"], line["network_uid"]]))
        .collect();
    assert_eq!(
        results,
        [
            json!([0, server, begun[1]["uid"]]),
            json!([-(refused as i64), 1, begun[3]["uid"]]),
        ]
    );
    for result in of_kind(&lines, "session.network_result") {
        assert!(result["duration_us"].as_u64() > Some(0), "{result}");
    }
    let connected = of_kind(&lines, "session.network_result")[0];
    assert_eq!(connected["src_port"], client);
    Ok(())
}

fn local_sockets() -> Outcome {
    let folder = open_folder();
    let place = folder.path().display();
    let script = "import os,socket,sys
os.chdir(sys.argv[1])
def connect(name):
    try: socket.socket(socket.AF_UNIX).connect(name)
    except OSError: pass
s = socket.socket(socket.AF_UNIX); s.bind('here'); s.listen(1)
os.symlink('here', 'link')
connect('link')
a = socket.socket(socket.AF_UNIX); a.bind('\\0in no folder'); a.listen(1)
connect('\\0in no folder')
connect('missing')";
    let lines = session("", &format!("{PYTHON} \"{script}\" {place}"));
    let shown: Vec<Value> = of_kind(&lines, "session.local_connect")
        .into_iter()
        .filter(|line| line["program"] == "python3")
        .map(|line| json!([line["path"], line["abstract"], line["return_code"]]))
        .collect();
    assert_eq!(
        shown,
        [
            json!([format!("{place}/here"), null, 0]),
            json!([null, "in no folder", 0]),
            json!(["missing", null, -libc::ENOENT]),
        ]
    );
    Ok(())
}
