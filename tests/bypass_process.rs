//! Ways to leave one's parent, group, terminal, cgroup or name: the process stays in its session.
//!
//! `setsid`, `nohup` and the double fork are in tests/session.rs (`what outlives the client`), the
//! exec by a thread that is not the first in tests/command.rs.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use crate::common::ways::{KERNEL, PYTHON_ALONE, command_of, pipe, place, ran, tell, wait_for};
use crate::common::{
    self, Host, ONE, Outcome, Process, cgroup, command, of_kind, patiently, plains,
};
use libtest_mimic::Trial;
use serde_json::{Value, json};

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    common::tests_on(
        module_path!(),
        // Without a home, so that no startup file adds to what is run.
        || Host::with("SetEnv HOME=/nonexistent", ""),
        &[
            ("disown", disown),
            ("vfork", vfork),
            ("a child of a thread", child_of_thread),
            ("a child of one's parent", clone_parent),
            ("orphans and a subreaper", subreaper),
            ("another cgroup", other_cgroup),
            ("a child in another cgroup", clone_into_cgroup),
            ("a cgroup without the right", forbidden_cgroup),
            ("another name", renamed),
            ("a program named sshd", named_sshd),
            ("a server of tmux", tmux),
            ("a server of screen", screen),
            #[cfg(target_arch = "x86_64")]
            ("another session's process by ptrace", injected),
        ],
    )
}

/// Numbers of system calls that Python has no function for.
#[cfg(target_arch = "x86_64")]
const CLONE: u32 = 56;
#[cfg(not(target_arch = "x86_64"))]
const CLONE: u32 = 220;
const CLONE3: u32 = 435;

fn python(script: &str) -> String {
    format!("{PYTHON_ALONE} '{KERNEL}{script}'")
}

/// The shell of a session and what it ran: the commands of `python(script)`.
fn shell_and_python(asked: &str, script: &str) -> Vec<Value> {
    vec![
        json!(["/bin/bash", "-c", asked]),
        json!(["/usr/bin/python3", "-Ic", format!("{KERNEL}{script}")]),
    ]
}

/// A job that its shell no longer knows
fn disown(host: &Host) -> Outcome {
    let place = place(host, "disown");
    pipe(&place.join("go"));
    let job = format!(
        "read word < {}/go; /bin/true disowned $word; :",
        place.display()
    );
    let script = format!("exec </dev/null >/dev/null 2>&1; /bin/sh -c '{job}' & disown -a");
    host.ssh(ONE, &script);
    tell(&place.join("go"), "late");
    assert_eq!(
        plains(&host.session(&script), "session.command"),
        [
            command(ONE, "bash", "/bin/bash", &["-c", &script]),
            command(ONE, "sh", "/bin/sh", &["-c", &job]),
            command(ONE, "true", "/bin/true", &["disowned", "late"]),
        ]
    );
    Ok(())
}

/// A child that borrows its parent's memory until it runs a program
fn vfork(host: &Host) -> Outcome {
    let script = "os.waitpid(os.posix_spawn(\"/bin/true\", [\"true\", \"spawned\"], {}), 0)";
    let asked = python(script);
    let lines = host.did(ONE, &asked);
    let mut expected = shell_and_python(&asked, script);
    expected.push(json!(["/bin/true", "spawned"]));
    assert_eq!(ran(&lines), expected);
    Ok(())
}

/// A process that is forked, and one that borrows memory, by a thread that is not the first
fn child_of_thread(host: &Host) -> Outcome {
    let script = "import threading
def spawn():
  if not os.fork(): os.execv(\"/bin/true\", [\"true\", \"forked\"])
  os.wait()
  os.waitpid(os.posix_spawn(\"/bin/true\", [\"true\", \"spawned\"], {}), 0)
thread = threading.Thread(target=spawn)
thread.start()
thread.join()";
    let asked = python(script);
    let lines = host.did(ONE, &asked);
    let mut expected = shell_and_python(&asked, script);
    expected.push(json!(["/bin/true", "forked"]));
    expected.push(json!(["/bin/true", "spawned"]));
    assert_eq!(ran(&lines), expected);
    let python = &of_kind(&lines, "session.command")[1]["pid"];
    for word in ["forked", "spawned"] {
        assert_eq!(command_of(&lines, word)["ppid"], *python);
    }
    Ok(())
}

/// CLONE_PARENT: the child is its parent's sibling, and a child of sshd's
fn clone_parent(host: &Host) -> Outcome {
    let script = format!(
        "if libc.syscall({CLONE}, 0x8000 | 17, 0, 0, 0, 0) == 0: \
         os.execv(\"/bin/true\", [\"true\", \"sibling\"])"
    );
    let asked = python(&script);
    let lines = host.did(ONE, &asked);
    let mut expected = shell_and_python(&asked, &script);
    expected.push(json!(["/bin/true", "sibling"]));
    assert_eq!(ran(&lines), expected);
    let sibling = command_of(&lines, "sibling");
    assert_eq!(
        sibling["ppid"],
        of_kind(&lines, "session.command")[1]["ppid"]
    );
    Ok(())
}

/// A daemon takes the orphans of its session for its own
fn subreaper(host: &Host) -> Outcome {
    let script = "libc.prctl(36, 1)
daemon = os.getpid()
if not os.fork():
  if not os.fork():
    while os.getppid() != daemon: time.sleep(.01)
    os.execv(\"/bin/true\", [\"true\", \"adopted\"])
  os._exit(0)
try:
  while True: os.wait()
except ChildProcessError: pass";
    let asked = python(script);
    let lines = host.did(ONE, &asked);
    let mut expected = shell_and_python(&asked, script);
    expected.push(json!(["/bin/true", "adopted"]));
    assert_eq!(ran(&lines), expected);
    let daemon = &of_kind(&lines, "session.command")[1]["pid"];
    assert_eq!(command_of(&lines, "adopted")["ppid"], *daemon);
    Ok(())
}

/// A cgroup that goes with the test.
struct Cgroup(std::path::PathBuf);

impl Cgroup {
    fn new(name: &str) -> Self {
        let path = cgroup().join(format!("{name}-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

/// Waits until the daemon has moved the session into the cgroup that it makes for it.
const SETTLED: &str = "until [[ $(</proc/$$/cgroup) == */recorderd/* ]]; do :; done";

/// root moves itself
fn other_cgroup(host: &Host) -> Outcome {
    let cgroup = Cgroup::new("moved");
    let script = format!(
        "{SETTLED}; echo $$ > {}/cgroup.procs; /bin/true moved; :",
        cgroup.0.display()
    );
    let lines = host.did("root", &script);
    let moved = command_of(&lines, "moved");
    assert_eq!(moved["cgroup_id"], fs::metadata(&cgroup.0)?.ino());
    Ok(())
}

/// CLONE_INTO_CGROUP
fn clone_into_cgroup(host: &Host) -> Outcome {
    let cgroup = Cgroup::new("cloned");
    let script = format!(
        "import struct
arguments = struct.pack(\"11Q\", 0x200000000, 0, 0, 0, 17, 0, 0, 0, 0, 0, os.open(\"{}\", os.O_RDONLY))
if libc.syscall({CLONE3}, arguments, len(arguments)) == 0: \
         os.execv(\"/bin/true\", [\"true\", \"cloned\"])
os.wait()",
        cgroup.0.display()
    );
    let lines = host.did("root", &format!("{SETTLED}; {}", python(&script)));
    let cloned = command_of(&lines, "cloned");
    assert_eq!(cloned["cgroup_id"], fs::metadata(&cgroup.0)?.ino());
    Ok(())
}

/// An account without rights stays where it is, and what it tried is to be seen
fn forbidden_cgroup(host: &Host) -> Outcome {
    let procs = cgroup().join("cgroup.procs");
    let script = format!("echo $$ > {}; /bin/true forbidden; :", procs.display());
    let lines = host.did(ONE, &script);
    assert_eq!(ran(&lines)[1], json!(["/bin/true", "forbidden"]));
    let procs = fs::canonicalize(&procs)?;
    let refused = of_kind(&lines, "session.disk").into_iter().any(|line| {
        line["path"] == procs.to_str().unwrap() && line["return_code"] == -libc::EACCES
    });
    assert!(refused, "{lines:#?}");
    Ok(())
}

/// A process that calls itself sshd, and whose child leads a terminal session of its own
fn renamed(host: &Host) -> Outcome {
    let script = "libc.prctl(15, b\"sshd\")
if not os.fork():
  os.setsid()
  open(\"/etc/hostname\")
  os.execv(\"/bin/true\", [\"true\", \"renamed\"])
os.wait()";
    for login in [ONE, "root"] {
        let asked = format!("{}; : {login}", python(script));
        let lines = host.did(login, &asked);
        let mut expected = shell_and_python(&asked, script);
        expected.push(json!(["/bin/true", "renamed"]));
        assert_eq!(ran(&lines), expected);
        let opened = of_kind(&lines, "session.disk")
            .into_iter()
            .any(|line| line["program"] == "sshd" && line["path"] == "/etc/hostname");
        assert!(opened, "{lines:#?}");
    }
    Ok(())
}

fn named_sshd(host: &Host) -> Outcome {
    let place = place(host, "named");
    let program = place.join("sshd");
    fs::copy("/bin/sh", &program)?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    let program = program.to_str().unwrap();
    for login in [ONE, "root"] {
        let script = format!("{program} -c 'setsid /bin/true inner; :'; : {login}");
        let lines = host.did(login, &script);
        assert_eq!(
            ran(&lines),
            [
                json!(["/bin/bash", "-c", script]),
                json!([program, "-c", "setsid /bin/true inner; :"]),
                json!(["/usr/bin/setsid", "/bin/true", "inner"]),
                json!(["/bin/true", "inner"]),
            ]
        );
    }
    Ok(())
}

/// What a session ran at last, without what keeps the host's list of terminals.
fn last_three(lines: &[Value]) -> Vec<Value> {
    let mut commands = ran(lines);
    commands.retain(|command| !command[0].as_str().unwrap().ends_with("/utempter"));
    commands.split_off(commands.len() - 3)
}

fn typed_to_shell(word: &str) -> [Value; 3] {
    [
        json!(["/bin/sh"]),
        json!(["/bin/true", word]),
        json!(["/bin/echo", word]),
    ]
}

/// The server began in one session. What is typed to it from another session it does in its own;
/// there, only the talking to it is to be seen.
fn tmux(host: &Host) -> Outcome {
    let place = place(host, "tmux");
    let socket = place.join("socket");
    let tmux = format!("tmux -f /dev/null -S {}", socket.display());
    let begin = format!(
        "cd {}; {tmux} new-session -d -s one /bin/sh",
        place.display()
    );
    host.ssh(ONE, &begin);
    let mut attached = Process::spawn(
        host.client("ssh")
            .args([
                "-tt",
                &format!("{ONE}@127.0.0.1"),
                &format!("{tmux} attach"),
            ])
            .env("TERM", "xterm")
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::null()),
    );
    patiently("a client of tmux", || {
        let clients = format!("{tmux} list-clients");
        (!host.ssh(ONE, &clients).is_empty()).then_some(())
    });
    let typed = "/bin/true typed > done; /bin/echo typed >> done; exit\n";
    let mut keyboard = attached.child.stdin.take().unwrap();
    std::io::Write::write_all(&mut keyboard, typed.as_bytes())?;
    wait_for(&place.join("done"), "typed");
    attached.child.wait()?;
    let lines = host.session(&begin);
    assert_eq!(last_three(&lines), typed_to_shell("typed"));
    let other = host.session(&format!("{tmux} attach"));
    assert_eq!(ran(&other).len(), 2, "{:#?}", ran(&other));
    let talked = of_kind(&other, "session.local_connect")
        .into_iter()
        .any(|line| line["path"] == socket.to_str().unwrap() && line["return_code"] == 0);
    assert!(talked, "{other:#?}");
    Ok(())
}

/// A terminal with the keys stuffed in from outside
fn screen(host: &Host) -> Outcome {
    let place = place(host, "screen");
    let screen = format!(
        "cd {}; SCREENDIR=$PWD/sockets screen -c /dev/null -S one",
        place.display()
    );
    let begin = format!(
        "umask 077; mkdir {}/sockets; {screen} -d -m /bin/sh",
        place.display()
    );
    host.ssh(ONE, &begin);
    let typed =
        format!("{screen} -X stuff '/bin/true stuffed > done; /bin/echo stuffed >> done; exit\n'");
    patiently("screen to listen", || {
        let client = host
            .client("ssh")
            .arg(format!("{ONE}@127.0.0.1"))
            .arg(&typed)
            .status();
        client.unwrap().success().then_some(())
    });
    wait_for(&place.join("done"), "stuffed");
    assert_eq!(last_three(&host.session(&begin)), typed_to_shell("stuffed"));
    Ok(())
}

/// One session makes another one's process of the same account run a program: it runs in the
/// session of the process.
#[cfg(target_arch = "x86_64")]
fn injected(host: &Host) -> Outcome {
    let place = place(host, "injected");
    // Any process may trace it, where the kernel would let only its parents.
    let victim = "libc.prctl(0x59616d61, ctypes.c_ulong(-1))
open(sys.argv[1], \"w\").write(f\"{os.getpid()}\\n\")
sys.stdin.read()";
    let asked = format!("{} {}/victim", python(victim), place.display());
    let mut login = host.login(ONE, &asked);
    let file = place.join("victim");
    wait_for(&file, "\n");
    let pid = fs::read_to_string(&file)?.trim().to_owned();
    // Its registers, by their place in user_regs_struct: it is to return into another system call.
    let script = "import struct
pid = int(sys.argv[1])
def trace(request, address, data):
  if libc.ptrace(request, pid, ctypes.c_void_p(address), data) < 0: raise OSError(ctypes.get_errno())
trace(16, 0, None)
os.waitpid(pid, 0)
registers = (ctypes.c_ulonglong * 27)()
trace(12, 0, registers)
stack = registers[19] - 4096 & ~15
block = b\"/bin/true\".ljust(16, bytes(1)) + b\"injected\".ljust(16, bytes(1)) + struct.pack(\"3Q\", stack, stack + 16, 0)
for i in range(0, len(block), 8):
  trace(5, stack + i, ctypes.c_void_p(int.from_bytes(block[i:i + 8], \"little\")))
registers[10], registers[14], registers[13], registers[12] = 59, stack, stack + 32, 0
registers[16] -= 2
registers[15] = 2**64 - 1
trace(13, 0, registers)
trace(17, 0, None)";
    let attacker = format!("{} {pid}", python(script));
    let other = host.did(ONE, &attacker);
    login.child.wait()?;
    let lines = host.session(&asked);
    assert_eq!(ran(&lines).last(), Some(&json!(["/bin/true", "injected"])));
    assert_eq!(ran(&other).len(), 2, "{other:#?}");
    let reached: Vec<_> = of_kind(&other, "session.privilege")
        .into_iter()
        .map(|line| {
            [
                &line["operation"],
                &line["target_pid"],
                &line["target_session"],
            ]
            .map(Value::to_string)
        })
        .collect();
    assert_eq!(reached, [[r#""ptrace_attach""#, &pid, r#""other""#]]);
    Ok(())
}
