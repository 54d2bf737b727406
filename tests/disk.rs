//! session.disk names the file that the kernel opened, however it was asked for.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};

use crate::common::{
    self, Host, ONE, Outcome, PYTHON, created, disk, of_kind, opened_in, plains, requested,
};
use base64::engine::{Engine, general_purpose::STANDARD};
use libc::{O_APPEND, O_CLOEXEC, O_CREAT, O_RDWR, O_TRUNC, O_WRONLY};
use libtest_mimic::Trial;

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    common::tests(
        module_path!(),
        &[
            ("every way to a file", ways),
            ("every way to open", flags),
            ("every call that opens", calls),
            ("a file by its handle", by_handle),
            ("names longer than others", long_names),
            ("deep below", deep),
            ("through mounts", mounted),
            ("a file that can't be opened", failed),
            ("names that are not text", bytes),
            ("a file that is gone", gone),
            ("files that threads open", threads),
        ],
    )
}

/// Relative to the folder, through links, by a descriptor: the path is the file's own
fn ways() -> Outcome {
    let host = Host::shared();
    let folder = host.folder.shared();
    fs::create_dir(folder.join("below"))?;
    fs::write(folder.join("file"), "")?;
    symlink("../file", folder.join("below/link"))?;
    symlink("below", folder.join("there"))?;
    let here = folder.display();
    let script = format!(
        r#"
        : < {here}/file
        : < {here}//below/.././file
        cd {here}; : < file
        cd below; : < ../file; : < link
        cd ../there; : < link; : < /proc/self/cwd/link; : < /proc/self/root{here}/file
        {PYTHON} -Ic 'import os; os.open("../file", 0, dir_fd=os.open(".", os.O_PATH))'
        "#
    );
    host.ssh(ONE, &script);
    let lines = host.sessions(1).remove(0);
    let [file, below] = ["file", "below"].map(|name| format!("{here}/{name}"));
    let by_shell = disk(ONE, "bash", &file, 0, 0);
    let by_path = disk(ONE, "python3", &below, libc::O_PATH | O_CLOEXEC, 0);
    assert_eq!(
        opened_in(&folder, &lines),
        [
            by_shell.clone(),
            requested(&by_shell, &format!("{here}//below/.././file")),
            requested(&by_shell, "file"),
            requested(&by_shell, "../file"),
            requested(&by_shell, "link"),
            requested(&by_shell, "link"),
            requested(&by_shell, "/proc/self/cwd/link"),
            requested(&by_shell, &format!("/proc/self/root{here}/file")),
            requested(&by_path, "."),
            requested(&disk(ONE, "python3", &file, O_CLOEXEC, 0), "../file"),
        ]
    );
    Ok(())
}

/// The flags that the program gave
fn flags() -> Outcome {
    let host = Host::shared();
    let folder = host.folder.shared();
    let file = folder.join("file").display().to_string();
    host.ssh(
        ONE,
        &format!(": > {file}; : > {file}; : >> {file}; : <> {file}; : < {file}"),
    );
    let lines = host.sessions(1).remove(0);
    let truncating = O_WRONLY | O_CREAT | O_TRUNC;
    assert_eq!(
        opened_in(&folder, &lines),
        [
            created(ONE, "bash", &file, truncating, "0666"),
            disk(ONE, "bash", &file, truncating, 0),
            disk(ONE, "bash", &file, O_WRONLY | O_CREAT | O_APPEND, 0),
            disk(ONE, "bash", &file, O_RDWR | O_CREAT, 0),
            disk(ONE, "bash", &file, 0, 0),
        ]
    );
    Ok(())
}

/// creat, openat2 with its restrictions, a path only, and a file that never has a name
fn calls() -> Outcome {
    let host = Host::shared();
    let folder = host.folder.shared();
    let here = folder.display();
    let script = format!(
        r#"cd {here}; {PYTHON} -Ic '
import ctypes, os, struct
libc = ctypes.CDLL(None)
assert libc.creat(b"file", 0o640) > 0
os.mkdir("below")
how = struct.pack("QQQ", os.O_RDWR | os.O_CREAT, 0o600, 8)
assert libc.syscall(437, -100, b"below/../new", how, len(how)) > 0
assert libc.syscall(437, -100, b"/new", struct.pack("QQQ", 0, 0, 0x10), 24) > 0
assert libc.syscall(437, -100, b"below/../../out", how, len(how)) < 0
os.open("file", os.O_PATH)
temporary = os.open(".", os.O_TMPFILE | os.O_WRONLY, 0o604)
print(os.fstat(temporary).st_ino)
'"#
    );
    let inode = host.ssh(ONE, &script);
    let lines = host.sessions(1).remove(0);
    let [file, new] = ["file", "new"].map(|name| format!("{here}/{name}"));
    let python = "python3";
    let creating = O_WRONLY | O_CREAT | O_TRUNC;
    let made = created(ONE, python, &new, O_RDWR | O_CREAT, "0600");
    let outside = format!("{here}/below/../../out");
    let temporary = format!("{here}/#{}", inode.trim());
    let flags = libc::O_TMPFILE | O_WRONLY | O_CLOEXEC;
    let temporary = requested(&created(ONE, python, &temporary, flags, "0604"), ".");
    assert_eq!(
        opened_in(&folder, &lines),
        [
            requested(&created(ONE, python, &file, creating, "0640"), "file"),
            requested(&made, "below/../new"),
            requested(&disk(ONE, python, &new, 0, 0), "/new"),
            requested(
                &disk(ONE, python, &outside, O_RDWR | O_CREAT, -libc::EXDEV),
                "below/../../out"
            ),
            requested(
                &disk(ONE, python, &file, libc::O_PATH | O_CLOEXEC, 0),
                "file"
            ),
            temporary.replace(r#""return_code":0"#, r#""return_code":0,"deleted":true"#),
        ]
    );
    Ok(())
}

/// A hundred and forty folders, which no single call could name, and more than can be walked
fn deep() -> Outcome {
    let host = Host::shared();
    let folder = host.folder.shared();
    let script = format!(
        r#"cd {here}; {PYTHON} -Ic '
import os
for depth in range(200):
    if depth in (140, 199):
        os.close(os.open("file", os.O_CREAT | os.O_WRONLY))
        print(os.getcwd())
        os.spawnv(os.P_WAIT, "/bin/true", ["true", "deep"])
    os.mkdir("dddd" * 10)
    os.chdir("dddd" * 10)
'"#,
        here = folder.display()
    );
    let printed = host.ssh(ONE, &script);
    let [whole, deeper] = [0, 1].map(|index| printed.lines().nth(index).unwrap());
    let lines = host.sessions(1).remove(0);
    let opened: Vec<_> = of_kind(&lines, "session.disk")
        .into_iter()
        .filter(|line| line["operation"] == "create" && line["requested_path"] == "file")
        .collect();
    assert_eq!(opened.len(), 2);
    assert_eq!(opened[0]["path"], format!("{whole}/file"));
    assert!(opened[0].get("path_incomplete").is_none());
    let path = opened[1]["path"].as_str().unwrap();
    assert!(path.starts_with("/ddd"), "{path}");
    assert!(format!("{deeper}/file").ends_with(path));
    assert_eq!(opened[1]["path_incomplete"], true);
    // The working directory of a command is walked in the same way.
    let ran = of_kind(&lines, "session.command");
    let [first, second] = ran[ran.len() - 2..] else {
        panic!("no commands")
    };
    assert_eq!(first["cwd"], whole);
    assert!(first.get("path_incomplete").is_none());
    let path = second["cwd"].as_str().unwrap();
    assert!(path.starts_with("/ddd") && deeper.ends_with(path), "{path}");
    assert_eq!(second["path_incomplete"], true);
    Ok(())
}

/// A bind mount and an overlay, in a mount namespace of their own
fn mounted() -> Outcome {
    let host = Host::shared();
    let folder = host.folder.shared();
    let script = format!(
        r#"cd {here}; {PYTHON} -Ic '
import ctypes, os
libc = ctypes.CDLL(None)
assert not libc.unshare(0x20000)
assert not libc.mount(b"none", b"/", None, 0x44000, None)
for name in ("low", "high", "work", "bound", "merged", "low/below"):
    os.mkdir(name)
os.close(os.open("low/below/file", os.O_CREAT))
assert not libc.mount(b"low/below", b"bound", None, 0x1000, None)
options = b"lowerdir=low,upperdir=high,workdir=work"
assert not libc.mount(b"overlay", b"merged", b"overlay", 0, options)
for name in ("bound/file", "merged/below/file", "merged/below/../new"):
    opened = os.open(name, os.O_CREAT | os.O_WRONLY)
    print(os.readlink(f"/proc/self/fd/{{opened}}"))
'"#,
        here = folder.display()
    );
    let printed = host.ssh("root", &script);
    let there: Vec<_> = printed.lines().collect();
    let lines = host.sessions(1).remove(0);
    let here = folder.display();
    let flags = O_CREAT | O_WRONLY | O_CLOEXEC;
    let open = |path: &str, name: &str| requested(&disk("root", "python3", path, flags, 0), name);
    let new = created("root", "python3", there[2], flags, "0777");
    let [bound, below] = ["bound/file", "merged/below/file"].map(|name| format!("{here}/{name}"));
    assert_eq!(there[..2], [&bound, &below]);
    assert_eq!(
        opened_in(&folder, &lines)[1..],
        [
            open(&bound, "bound/file"),
            open(&below, "merged/below/file"),
            requested(&new, "merged/below/../new"),
        ]
    );
    Ok(())
}

/// Of a file system that is a program: longer ones than others take, and all of them told
fn long_names() -> Outcome {
    let host = Host::shared();
    let folder = host.folder.shared();
    let server = r#"
def answer(unique, error, data=b""):
    os.write(device, struct.pack("IiQ", 16 + len(data), -error, unique) + data)
def attributes(node):
    mode = 0o40755 if node == 1 else 0o100644
    return struct.pack("6Q10I", node, 0, 0, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)
def serve():
    while True:
        try: request = os.read(device, 1 << 20)
        except OSError: return
        _, code, unique, node = struct.unpack_from("IIQQ", request)
        if code == 26:
            answer(unique, 0, struct.pack("4IHHIIHHI7I", 7, 31, 0, 0, 0, 0, 4096, 1, *[0] * 10))
        elif code == 1:
            answer(unique, 0, struct.pack("4Q2I", 2, 0, 0, 0, 0, 0) + attributes(2))
        elif code == 3:
            answer(unique, 0, struct.pack("Q2I", 0, 0, 0) + attributes(node))
        elif code in (14, 27):
            answer(unique, 0, struct.pack("Q2I", 0, 0, 0))
        elif code not in (2, 42):
            answer(unique, 0 if code in (18, 25, 29) else 38)
"#;
    let script = format!(
        r#"cd {here}; {PYTHON} -Ic '
import ctypes, os, struct
libc = ctypes.CDLL(None)
assert not libc.unshare(0x20000)
assert not libc.mount(b"none", b"/", None, 0x44000, None)
os.mkdir("fuse")
device = os.open("/dev/fuse", os.O_RDWR)
options = f"fd={{device}},rootmode=40000,user_id=0,group_id=0".encode()
assert not libc.mount(b"none", b"fuse", b"fuse", 0, options)
{server}
child = os.fork()
if not child:
    libc.prctl(1, 9)
    serve()
    os._exit(0)
for length in {LONG:?}:
    os.close(os.open("fuse/" + "n" * length, os.O_RDONLY))
assert not libc.umount2(b"fuse", 2)
os.close(device)
os.waitpid(child, 0)
'"#,
        here = folder.display()
    );
    host.ssh("root", &script);
    let lines = host.sessions(1).remove(0);
    let names: Vec<_> = LONG
        .iter()
        .map(|length| format!("{}/fuse/{}", folder.display(), "n".repeat(*length)))
        .collect();
    let opened: Vec<_> = of_kind(&lines, "session.disk")
        .into_iter()
        .filter(|line| line["operation"] == "open" && line["return_code"] == 0)
        .map(|line| line["path"].as_str().unwrap())
        .filter(|path| path.contains("/fuse/"))
        .collect();
    assert_eq!(opened, names);
    Ok(())
}

/// Lengths of names about those that fit a byte, and the longest that FUSE has always taken, bytes.
const LONG: [usize; 6] = [254, 255, 256, 257, 300, 1023];

/// No path at all is requested then
fn by_handle() -> Outcome {
    let host = Host::shared();
    let folder = host.folder.shared();
    let here = folder.display();
    fs::write(folder.join("file"), "")?;
    let script = format!(
        r#"cd {here}; {PYTHON} -Ic '
import ctypes, os
libc = ctypes.CDLL(None)
handle = ctypes.create_string_buffer(136)
handle[0] = 128
mount = ctypes.c_int()
assert not libc.name_to_handle_at(-100, b"file", handle, ctypes.byref(mount), 0)
os.rename("file", "moved")
assert libc.open_by_handle_at(os.open(".", os.O_RDONLY), handle, os.O_WRONLY) > 0
assert libc.open_by_handle_at(-1, handle, os.O_RDONLY) < 0
'"#
    );
    host.ssh("root", &script);
    let lines = host.sessions(1).remove(0);
    let moved = disk("root", "python3", &format!("{here}/moved"), O_WRONLY, 0);
    assert_eq!(opened_in(&folder, &lines), [moved]);
    let nowhere = disk("root", "python3", "", 0, -libc::EBADF);
    let nowhere = nowhere.replace(r#""operation""#, r#""path_incomplete":true,"operation""#);
    assert!(plains(&lines, "session.disk").contains(&nowhere));
    Ok(())
}

/// No such file, and one that is not for this account
fn failed() -> Outcome {
    let host = Host::shared();
    let folder = host.folder.shared();
    let secret = folder.join("secret");
    fs::write(&secret, "")?;
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600))?;
    let here = folder.display();
    let relative = &folder.to_str().unwrap()[1..];
    let script = format!(
        r#"
        : < {here}/absent; : < {here}/secret
        cd {here}; : < absent; : < secret
        cd /; : < {relative}/absent
        {PYTHON} -Ic '
import os
here = os.open("{here}", os.O_RDONLY)
try:
    os.open("absent", os.O_RDONLY, dir_fd=here)
except FileNotFoundError:
    pass
'"#
    );
    host.ssh(ONE, &script);
    let lines = host.sessions(1).remove(0);
    let absent = format!("{here}/absent");
    let secret = format!("{here}/secret");
    let in_shell = |path: &str, error: i32| disk(ONE, "bash", path, 0, -error);
    assert_eq!(
        opened_in(&folder, &lines),
        [
            in_shell(&absent, libc::ENOENT),
            in_shell(&secret, libc::EACCES),
            requested(&in_shell(&absent, libc::ENOENT), "absent"),
            requested(&in_shell(&secret, libc::EACCES), "secret"),
            requested(
                &in_shell(&absent, libc::ENOENT),
                &format!("{relative}/absent")
            ),
            requested(
                &disk(ONE, "python3", &absent, O_CLOEXEC, -libc::ENOENT),
                "absent"
            ),
        ]
    );
    Ok(())
}

/// Names that are not UTF-8, and names that JSON has to escape
fn bytes() -> Outcome {
    let host = Host::shared();
    let folder = host.folder.shared();
    let here = folder.display();
    let names: [&[u8]; 2] = [b"not\xffutf8", b"\"\n\\\x1b"];
    for name in names {
        fs::write(folder.join(OsStr::from_bytes(name)), "")?;
    }
    let script = format!(": < {here}/$'not\\xffutf8'; : < {here}/$'\\x22\\n\\\\\\x1b'");
    host.ssh(ONE, &script);
    let lines = host.sessions(1).remove(0);
    let whole = [folder.as_os_str().as_bytes(), b"/", names[0]].concat();
    let twin = format!(
        r#""path":"{here}/not{}utf8","path_base64":"{}""#,
        '\u{fffd}',
        STANDARD.encode(whole)
    );
    assert_eq!(
        opened_in(&folder, &lines),
        [
            disk(ONE, "bash", "<path>", 0, 0).replace(r#""path":"<path>""#, &twin),
            disk(ONE, "bash", &format!(r#"{here}/\"\n\\\u001b"#), 0, 0),
        ]
    );
    Ok(())
}

/// A file that has no name any more keeps the one it had
fn gone() -> Outcome {
    let host = Host::shared();
    let folder = host.folder.shared();
    let file = folder.join("file").display().to_string();
    host.ssh(
        ONE,
        &format!("exec 5<>{file}; rm {file}; : < /proc/self/fd/5"),
    );
    let lines = host.sessions(1).remove(0);
    let opened = requested(&disk(ONE, "bash", &file, 0, 0), "/proc/self/fd/5");
    assert_eq!(
        opened_in(&folder, &lines),
        [
            created(ONE, "bash", &file, O_RDWR | O_CREAT, "0666"),
            opened.replace(r#""return_code":0"#, r#""return_code":0,"deleted":true"#),
        ]
    );
    Ok(())
}

/// Each of many threads, all as the one process that they are
fn threads() -> Outcome {
    let host = Host::shared();
    let folder = host.folder.shared();
    let here = folder.display();
    let script = format!(
        r#"{PYTHON} -Ic '
import os, threading
def work(number):
    for file in range(10):
        os.open(f"{here}/{{number}}-{{file}}", os.O_CREAT)
for thread in [threading.Thread(target=work, args=(number,)) for number in range(8)]:
    thread.start()
'"#
    );
    host.ssh(ONE, &script);
    let lines = host.sessions(1).remove(0);
    let mut expected = Vec::new();
    for number in 0..8 {
        for file in 0..10 {
            let path = format!("{here}/{number}-{file}");
            let flags = O_CREAT | O_CLOEXEC;
            expected.push(created(ONE, "python3", &path, flags, "0777"));
        }
    }
    expected.sort();
    let mut opened = opened_in(&folder, &lines);
    opened.sort();
    assert_eq!(opened, expected);
    let python = of_kind(&lines, "session.command")[1]["pid"].clone();
    for line in of_kind(&lines, "session.disk") {
        assert!(
            line["program"] != "python3" || line["pid"] == python,
            "{line}"
        );
    }
    Ok(())
}
