//! session.disk tells what is done to files beside opening them, by which names.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use crate::common::{
    self, Folder, Host, ONE, Outcome, PYTHON, account, done_in, file_operation, of_kind, printed,
};
use libtest_mimic::Trial;
use serde_json::Value;

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    common::tests(
        module_path!(),
        &[
            ("names in the working directory", names),
            ("whole paths", whole_paths),
            ("names below a descriptor", below_descriptor),
            ("links at the end of a path", followed),
            ("modes, owners, lengths", metadata),
            ("extended attributes", attributes),
            ("what can't be done", failed),
            ("mounts", mounts),
            ("mounts by the newer calls", newer_mounts),
            ("mounts that are nowhere", nowhere),
            ("a mount of another namespace", foreign),
            ("in another root", other_root),
            ("nothing from outside of a session", outside),
        ],
    )
}

/// Runs a Python script in a folder, as a session; returns the lines of it.
fn session(host: &Host, login: &str, folder: &Path, script: &str) -> Vec<Value> {
    let count = host.all_sessions().len();
    let script = format!("import os, ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n{script}");
    let here = folder.display();
    host.ssh(login, &format!("cd {here}; {PYTHON} -Ic '{script}'"));
    host.sessions(count + 1).remove(count)
}

/// A line of a program in Python, from what stands behind the return code.
fn line(login: &str, path: &str, return_code: i32, rest: &str) -> String {
    flagged(login, path, 0, return_code, rest)
}

/// A call with flags.
fn flagged(login: &str, path: &str, flags: u32, return_code: i32, rest: &str) -> String {
    let rest = format!(
        r#""path":"{path}","flags":{flags},"return_code":{return_code},"operation":{rest}"#
    );
    file_operation(login, "python3", &rest)
}

/// What is made and removed, by a single name each: the path is the one of the folder and the name
fn names() -> Outcome {
    let host = Host::shared();
    let folder = host.folder.shared();
    let lines = session(
        &host,
        ONE,
        &folder,
        r#"
os.mkdir("folder", 0o750)
os.mkfifo("pipe", 0o640)
os.symlink("../nowhere", "link")
os.link("pipe", "second")
os.rename("second", "third")
os.rename("./third", "folder//fourth")
os.chdir("folder")
os.unlink("fourth")
os.unlink("../link")
os.chdir("..")
os.rmdir("folder")
"#,
    );
    let left: Vec<_> = fs::read_dir(&folder)?
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["pipe"]);
    let here = folder.display();
    let of = |name: &str, rest: &str| line(ONE, &format!("{here}/{name}"), 0, rest);
    assert_eq!(
        done_in(&folder, &lines),
        [
            of(
                "folder",
                r#""mkdir","requested_path":"folder","mode":"0750""#
            ),
            of("pipe", r#""mknod","requested_path":"pipe","mode":"10640""#),
            of(
                "link",
                r#""symlink","requested_path":"link","target":"../nowhere""#
            ),
            of(
                "pipe",
                &format!(
                    r#""link","requested_path":"pipe","target":"{here}/second","requested_target":"second""#
                ),
            ),
            of(
                "second",
                &format!(
                    r#""rename","requested_path":"second","target":"{here}/third","requested_target":"third""#
                ),
            ),
            of(
                "third",
                &format!(
                    r#""rename","requested_path":"./third","target":"{here}/folder/fourth","requested_target":"folder//fourth","target_links_unfollowed":true"#
                ),
            ),
            of("folder/fourth", r#""unlink","requested_path":"fourth""#),
            of("link", r#""unlink","requested_path":"../link""#),
            of("folder", r#""rmdir","requested_path":"folder""#),
        ]
    );
    Ok(())
}

/// Links in a whole path can't be told afterwards: it is as it was requested, and says so
fn whole_paths() -> Outcome {
    let host = Host::shared();
    let folder = host.folder.shared();
    let here = folder.display();
    let script = format!(
        r#"
os.mkdir("{here}/real")
os.symlink("real", "{here}/way")
os.mkdir("{here}/way/./below")
os.rmdir("{here}/way/../real/below")
"#
    );
    let lines = session(&host, ONE, &folder, &script);
    assert_eq!(fs::read_dir(folder.join("real"))?.count(), 0);
    let of = |name: &str, rest: &str| line(ONE, &format!("{here}/{name}"), 0, rest);
    assert_eq!(
        done_in(&folder, &lines),
        [
            of(
                "real",
                r#""mkdir","path_links_unfollowed":true,"mode":"0777""#
            ),
            of(
                "way",
                r#""symlink","path_links_unfollowed":true,"target":"real""#
            ),
            of(
                "way/below",
                &format!(
                    r#""mkdir","requested_path":"{here}/way/./below","path_links_unfollowed":true,"mode":"0777""#
                ),
            ),
            of(
                "way/../real/below",
                r#""rmdir","path_links_unfollowed":true"#
            ),
        ]
    );
    Ok(())
}

/// As `rm -r` works: the folder is known from its descriptor, wherever it has gone since
fn below_descriptor() -> Outcome {
    let host = Host::shared();
    let folder = host.folder.shared();
    let lines = session(
        &host,
        ONE,
        &folder,
        r#"
os.mkdir("a")
a = os.open("a", os.O_RDONLY)
os.rename("a", "b")
os.mkdir("folder", dir_fd=a)
os.symlink("x", "link", dir_fd=a)
os.rename("link", "moved", src_dir_fd=a, dst_dir_fd=a)
os.link("moved", "hard", src_dir_fd=a, dst_dir_fd=a, follow_symlinks=False)
os.unlink("hard", dir_fd=a)
os.rmdir("folder", dir_fd=a)
os.rename("moved", "../out", src_dir_fd=a, dst_dir_fd=a)
assert not libc.renameat2(a, b"../out", a, b"../b/in", 1)
here = os.open(".", os.O_RDONLY)
os.rename("in", "first", src_dir_fd=a, dst_dir_fd=here)
os.link("first", "second", src_dir_fd=here, dst_dir_fd=a, follow_symlinks=False)
assert not libc.renameat2(here, b"first", a, b"third", 1)
"#,
    );
    assert!(fs::symlink_metadata(folder.join("b/third"))?.is_symlink());
    let here = folder.display();
    let of = |flags: u32, name: &str, rest: &str| {
        flagged(ONE, &format!("{here}/{name}"), flags, 0, rest)
    };
    let two = |flags, name: &str, requested: &str, operation: &str, target: &str, given: &str| {
        let rest = format!(
            r#""{operation}","requested_path":"{requested}","target":"{here}/{target}","requested_target":"{given}""#
        );
        of(flags, name, &rest)
    };
    let unresolved = two(1, "out", "../out", "rename", "b/in", "../b/in");
    let unresolved = unresolved.strip_suffix('}').unwrap();
    assert_eq!(
        done_in(&folder, &lines)[2..],
        [
            of(
                0,
                "b/folder",
                r#""mkdir","requested_path":"folder","mode":"0777""#
            ),
            of(
                0,
                "b/link",
                r#""symlink","requested_path":"link","target":"x""#
            ),
            two(0, "b/link", "link", "rename", "b/moved", "moved"),
            two(0, "b/moved", "moved", "link", "b/hard", "hard"),
            of(0, "b/hard", r#""unlink","requested_path":"hard""#),
            of(0x200, "b/folder", r#""rmdir","requested_path":"folder""#),
            two(0, "b/moved", "moved", "rename", "out", "../out"),
            format!(r#"{unresolved},"target_links_unfollowed":true}}"#),
            two(0, "b/in", "in", "rename", "first", "first"),
            two(0, "first", "first", "link", "b/second", "second"),
            two(1, "first", "first", "rename", "b/third", "third"),
        ]
    );
    Ok(())
}

/// What a call does through a link at the end is marked, and what it does to the link is not
fn followed() -> Outcome {
    let host = Host::shared();
    let folder = host.folder.shared();
    let (_, group) = account(ONE);
    let lines = session(
        &host,
        ONE,
        &folder,
        r#"
os.close(os.open("file", os.O_CREAT, 0o600))
os.symlink("file", "link")
os.chmod("link", 0o640)
os.chown("link", -1, os.getgid())
os.lchown("link", os.getuid(), -1)
os.truncate("link", 5)
assert not libc.linkat(-100, b"link", -100, b"hard", 0x400)
os.link("link", "soft", follow_symlinks=False)
"#,
    );
    let file = fs::metadata(folder.join("file"))?;
    assert_eq!(
        (file.mode() & 0o7777, file.len(), file.nlink()),
        (0o640, 5, 2)
    );
    let owner = file.uid();
    let here = folder.display();
    let of = |flags: u32, rest: &str| flagged(ONE, &format!("{here}/link"), flags, 0, rest);
    let linked = |name: &str, mark: &str| {
        format!(
            r#""link","requested_path":"link"{mark},"target":"{here}/{name}","requested_target":"{name}""#
        )
    };
    let mark = r#","path_links_unfollowed":true"#;
    assert_eq!(
        done_in(&folder, &lines)[1..],
        [
            of(
                0,
                &format!(r#""chmod","requested_path":"link"{mark},"mode":"0640""#)
            ),
            of(
                0,
                &format!(r#""chown","requested_path":"link"{mark},"group":{group}"#)
            ),
            of(
                0,
                &format!(r#""chown","requested_path":"link","owner":{owner}"#)
            ),
            of(
                0,
                &format!(r#""truncate","requested_path":"link"{mark},"length":5"#)
            ),
            of(0x400, &linked("hard", mark)),
            of(0, &linked("soft", "")),
        ]
    );
    Ok(())
}

/// By a descriptor the path is the file's own, whatever it is called by then
fn metadata() -> Outcome {
    let host = Host::shared();
    let folder = host.folder.shared();
    let lines = session(
        &host,
        "root",
        &folder,
        r#"
file = os.open("file", os.O_CREAT | os.O_RDWR, 0o600)
os.rename("file", "moved")
os.fchmod(file, 0o4711)
os.fchown(file, 1234, 5678)
os.ftruncate(file, 1 << 33)
assert not libc.fchownat(file, b"", 9, -1, 0x1000)
os.chmod("moved", 0o600, dir_fd=os.open(".", os.O_PATH))
os.mknod("null", 0o20644, os.makedev(1, 3))
os.unlink("moved")
os.fchmod(file, 0)
"#,
    );
    assert_eq!(
        fs::metadata(folder.join("null"))?.rdev(),
        libc::makedev(1, 3)
    );
    let here = folder.display();
    let of = |flags: u32, name: &str, rest: &str| {
        flagged("root", &format!("{here}/{name}"), flags, 0, rest)
    };
    let gone = of(0, "moved", r#""chmod","mode":"0000""#);
    assert_eq!(
        done_in(&folder, &lines)[1..],
        [
            of(0, "moved", r#""chmod","mode":"4711""#),
            of(0, "moved", r#""chown","owner":1234,"group":5678"#),
            of(0, "moved", r#""truncate","length":8589934592"#),
            of(0x1000, "moved", r#""chown","owner":9"#),
            of(
                0,
                "moved",
                r#""chmod","requested_path":"moved","path_links_unfollowed":true,"mode":"0600""#
            ),
            of(
                0,
                "null",
                r#""mknod","requested_path":"null","mode":"20644","device":"1:3""#
            ),
            of(0, "moved", r#""unlink","requested_path":"moved""#),
            gone.replace(r#""return_code":0"#, r#""return_code":0,"deleted":true"#),
        ]
    );
    Ok(())
}

/// Set and removed, by path, without following a link, and by descriptor
fn attributes() -> Outcome {
    let host = Host::shared();
    let folder = host.folder.shared();
    let lines = session(
        &host,
        "root",
        &folder,
        r#"
file = os.open("file", os.O_CREAT)
os.symlink("file", "link")
os.setxattr("link", "trusted.one", b"1", os.XATTR_CREATE)
os.setxattr("link", "trusted.two", b"2", follow_symlinks=False)
os.setxattr(file, "trusted.three", b"3", os.XATTR_CREATE)
os.removexattr("link", "trusted.one")
os.removexattr("link", "trusted.two", follow_symlinks=False)
os.removexattr(file, "trusted.three")
"#,
    );
    let here = folder.display();
    let of = |flags: u32, name: &str, rest: &str| {
        flagged("root", &format!("{here}/{name}"), flags, 0, rest)
    };
    let link = |operation: &str, mark: &str, attribute: &str| {
        format!(r#""{operation}","requested_path":"link"{mark},"attribute":"trusted.{attribute}""#)
    };
    let mark = r#","path_links_unfollowed":true"#;
    assert_eq!(
        done_in(&folder, &lines)[1..],
        [
            of(1, "link", &link("setxattr", mark, "one")),
            of(0, "link", &link("setxattr", "", "two")),
            of(1, "file", r#""setxattr","attribute":"trusted.three""#),
            of(0, "link", &link("removexattr", mark, "one")),
            of(0, "link", &link("removexattr", "", "two")),
            of(0, "file", r#""removexattr","attribute":"trusted.three""#),
        ]
    );
    Ok(())
}

/// Each with its error, and the path as it was asked for
fn failed() -> Outcome {
    let host = Host::shared();
    let folder = host.folder.path().join("closed");
    fs::create_dir(&folder)?;
    fs::write(folder.join("file"), "")?;
    fs::set_permissions(folder.join("file"), fs::Permissions::from_mode(0o600))?;
    let folder = folder.canonicalize()?;
    let here = folder.display();
    let lines = session(
        &host,
        ONE,
        &folder,
        &format!(
            r#"
def attempt(call, *arguments):
    try:
        call(*arguments)
    except OSError:
        pass
attempt(os.unlink, "file")
attempt(os.rename, "{here}/file", "./other")
attempt(os.mkdir, "file")
attempt(os.rmdir, "absent")
attempt(os.chmod, "file", 0o777)
attempt(os.chown, "file", 0, 0)
attempt(os.truncate, "file", -1)
attempt(os.symlink, "", "link")
attempt(os.setxattr, "absent", "user.x", b"")
attempt(os.mknod, "disk", 0o60600, os.makedev(8, 0))
os.stat("file")
libc.unlink(None)
"#
        ),
    );
    let of =
        |name: &str, error: i32, rest: &str| line(ONE, &format!("{here}/{name}"), -error, rest);
    let done = done_in(folder.parent().unwrap(), &lines);
    assert_eq!(
        done,
        [
            of("file", libc::EACCES, r#""unlink","requested_path":"file""#),
            of(
                "file",
                libc::EACCES,
                &format!(r#""rename","target":"{here}/other","requested_target":"./other""#)
            ),
            of(
                "file",
                libc::EEXIST,
                r#""mkdir","requested_path":"file","mode":"0777""#
            ),
            of(
                "absent",
                libc::ENOENT,
                r#""rmdir","requested_path":"absent""#
            ),
            of(
                "file",
                libc::EPERM,
                r#""chmod","requested_path":"file","mode":"0777""#
            ),
            of(
                "file",
                libc::EPERM,
                r#""chown","requested_path":"file","owner":0,"group":0"#
            ),
            of(
                "file",
                libc::EINVAL,
                r#""truncate","requested_path":"file","length":-1"#
            ),
            of("link", libc::ENOENT, r#""symlink","requested_path":"link""#),
            of(
                "absent",
                libc::ENOENT,
                r#""setxattr","requested_path":"absent","attribute":"user.x""#
            ),
            of(
                "disk",
                libc::EACCES,
                r#""mknod","requested_path":"disk","mode":"60600","device":"8:0""#
            ),
            line(ONE, &here.to_string(), -libc::EFAULT, r#""unlink""#)
                .replace(r#""operation""#, r#""path_incomplete":true,"operation""#),
        ]
    );
    Ok(())
}

/// By each of the calls, in a mount namespace of its own
fn mounts() -> Outcome {
    let host = Host::shared();
    let folder = host.folder.shared();
    let script = r#"
assert not libc.unshare(0x20000)
assert not libc.mount(b"none", b"/", None, 0x44000, None)
os.mkdir("one")
os.mkdir("two")
assert not libc.mount(b"memory", b"one", b"tmpfs", 6, b"size=4k")
assert not libc.mount(b"one", b"two", None, 0x1000, None)
os.mkdir("one/below")
assert not libc.umount2(b"two", 2)
assert libc.umount2(b"two", 8)
tree = libc.syscall(428, -100, b"one", 1)
assert tree > 0
assert not libc.syscall(429, tree, b"", -100, b"two", 4)
os.chdir("two")
os.rmdir("below")
"#;
    let lines = session(&host, "root", &folder, script);
    let here = folder.display();
    let of = |flags: u32, path: &str, rest: &str| flagged("root", path, flags, 0, rest);
    let [one, two] = ["one", "two"].map(|name| format!("{here}/{name}"));
    let on = |name: &str| {
        format!(
            r#""target":"{here}/{name}","requested_target":"{name}","target_links_unfollowed":true"#
        )
    };
    let mark = r#","path_links_unfollowed":true"#;
    let made = |path: &str, requested: &str, mark: &str| {
        of(
            0,
            path,
            &format!(r#""mkdir","requested_path":"{requested}"{mark},"mode":"0777""#),
        )
    };
    let umount = |flags, return_code, mark: &str| {
        let rest = format!(r#""umount","requested_path":"two"{mark}"#);
        flagged("root", &two, flags, return_code, &rest)
    };
    assert_eq!(
        done_in(&folder, &lines),
        [
            made(&one, "one", ""),
            made(&two, "two", ""),
            of(
                6,
                "memory",
                &format!(r#""mount",{},"file_system":"tmpfs""#, on("one"))
            ),
            of(
                0x1000,
                &one,
                &format!(r#""mount","requested_path":"one"{mark},{}"#, on("two"))
            ),
            made(&format!("{one}/below"), "one/below", mark),
            umount(2, 0, mark),
            umount(8, -libc::EINVAL, ""),
            of(
                1,
                &one,
                &format!(r#""open_tree","requested_path":"one"{mark}"#)
            ),
            of(4, &two, &format!(r#""mount",{}"#, on("two"))),
            of(
                0,
                &format!("{two}/below"),
                r#""rmdir","requested_path":"below""#
            ),
        ]
    );
    let made_private = of_kind(&lines, "session.disk")
        .into_iter()
        .any(|line| line["path"] == "none" && line["target"] == "/" && line["flags"] == 0x44000);
    assert!(made_private);
    Ok(())
}

/// What was done with paths that are whole, of which this folder's is left out, and with others.
fn done<'a>(folder: &Path, lines: &'a [Value]) -> Vec<(&'a str, &'a str, bool)> {
    let here = format!("{}/", folder.display());
    of_kind(lines, "session.disk")
        .into_iter()
        .filter_map(|line| {
            let path = line["path"].as_str().unwrap();
            let operation = line["operation"].as_str().unwrap();
            match line["path_incomplete"] == true {
                true => Some((operation, path, false)),
                false => Some((operation, path.strip_prefix(&here)?, true)),
            }
        })
        .collect()
}

/// A file system that is made, put in place and taken away again
fn newer_mounts() -> Outcome {
    let host = Host::shared();
    let folder = host.folder.shared();
    let script = r#"
assert not libc.unshare(0x20000)
assert not libc.mount(b"none", b"/", None, 0x44000, None)
os.mkdir("one")
made = libc.syscall(430, b"tmpfs", 0)
assert not libc.syscall(431, made, 1, b"source", b"memory", 0)
assert not libc.syscall(431, made, 6, None, None, 0)
mount = libc.syscall(432, made, 1, 0)
os.mkdir("within", dir_fd=mount)
assert not libc.syscall(429, mount, b"", -100, b"one", 4)
os.mkdir("placed", dir_fd=mount)
libc.syscall(442, -100, b"one", 0x100, (ctypes.c_uint64 * 4)(2), 32)
assert libc.syscall(433, -100, b"one", 1) > 0
assert libc.syscall(428, -100, b"./one", 0) > 0
assert not libc.umount2(b"one", 2)
os.rmdir("placed", dir_fd=mount)
os.mkdir("detached", dir_fd=mount)
"#;
    let lines = session(&host, "root", &folder, script);
    assert_eq!(
        done(&folder, &lines),
        [
            ("mkdir", "one", true),
            ("mkdir", "within", false),
            ("mount", "one", true),
            ("mkdir", "one/placed", true),
            ("mount_setattr", "one", true),
            ("fspick", "one", true),
            ("open_tree", "one", true),
            ("umount", "one", true),
            ("rmdir", "placed", false),
            ("mkdir", "detached", false),
        ]
    );
    let made: Vec<_> = lines
        .iter()
        .filter(|line| line["operation"] == "fsmount")
        .map(|line| (&line["path"], &line["file_system"], &line["flags"]))
        .collect();
    assert_eq!(made, [(&"memory".into(), &"tmpfs".into(), &Value::from(1))]);
    Ok(())
}

/// A copy of a tree that is in no other, made by an account without rights: its paths are not the host's
fn nowhere() -> Outcome {
    let host = Host::shared();
    let folder = host.folder.shared();
    fs::create_dir_all(folder.join("tree/etc"))?;
    fs::write(folder.join("tree/etc/passwd"), "")?;
    fs::copy("/usr/bin/busybox", folder.join("tree/etc/busybox"))?;
    fs::set_permissions(folder.join("tree/etc"), fs::Permissions::from_mode(0o777))?;
    let script = r#"
import mmap
assert not libc.unshare(0x10020000)
tree = libc.syscall(428, -100, b"tree", 1)
assert tree > 0
os.open("etc/passwd", os.O_RDONLY, dir_fd=tree)
os.mkdir("etc/made", dir_fd=tree)
os.fchdir(tree)
os.open("etc/passwd", os.O_RDONLY)
os.rename("etc/made", "/tmp/absent") if os.path.exists("etc/absent") else None
os.rmdir("etc/../etc/made")
try: os.open("etc/absent", os.O_RDONLY)
except FileNotFoundError: pass
code = os.open("etc/busybox", os.O_RDONLY)
mmap.mmap(code, mmap.PAGESIZE, mmap.MAP_PRIVATE, 5)
if not os.fork():
    os.execv("etc/busybox", ["busybox", "true"])
os.wait()
if not os.fork():
    try: os.execv("etc/passwd", ["passwd"])
    except PermissionError: os._exit(0)
os.wait()
os.chroot(".")
os.open("/etc/passwd", os.O_RDONLY)
os.mkdir("/etc/rooted")
"#;
    let lines = session(&host, ONE, &folder, script);
    assert_eq!(
        done(&folder, &lines),
        [
            ("open_tree", "tree", true),
            ("open", "etc/passwd", false),
            ("mkdir", "etc/made", false),
            ("open", "etc/passwd", false),
            ("rmdir", "etc/../etc/made", false),
            ("open", "etc/absent", false),
            ("open", "etc/busybox", false),
            ("map", "etc/busybox", false),
            ("open", "etc/passwd", false),
            ("mkdir", "etc/rooted", false),
        ]
    );
    let commands: Vec<_> = of_kind(&lines, "session.command")
        .into_iter()
        .filter(|line| line["path_incomplete"] == true)
        .map(|line| (line["exe"].as_str(), line["cwd"].as_str().unwrap()))
        .collect();
    assert_eq!(commands, [(Some("etc/busybox"), ""), (None, "")]);
    let roots: Vec<_> = of_kind(&lines, "session.privilege")
        .into_iter()
        .filter(|line| line["operation"] == "chroot")
        .map(|line| {
            (
                line["path"].as_str().unwrap_or(""),
                &line["path_incomplete"],
            )
        })
        .collect();
    assert_eq!(roots, [("", &Value::Bool(true))]);
    Ok(())
}

/// A descriptor from outside of the process's own tree of mounts
fn foreign() -> Outcome {
    let host = Host::shared();
    let folder = host.folder.shared();
    let script = r#"
os.mkdir("one")
outside = os.open(".", os.O_PATH)
os.mkdir("below", dir_fd=outside)
assert not libc.unshare(0x20000)
os.rmdir("below", dir_fd=outside)
os.rmdir("one")
"#;
    let lines = session(&host, "root", &folder, script);
    let below = format!("{}/below", folder.display());
    assert_eq!(
        done(&folder, &lines),
        [
            ("mkdir", "one", true),
            ("open", &folder.display().to_string()[..0], true),
            ("mkdir", "below", true),
            ("rmdir", &below[1..], false),
            ("rmdir", "one", true),
        ]
        .into_iter()
        .filter(|told| !told.1.is_empty())
        .collect::<Vec<_>>()
    );
    Ok(())
}

/// Paths are those outside, and `..` above the other root is left standing
fn other_root() -> Outcome {
    let host = Host::shared();
    let folder = host.folder.shared();
    let script = r#"
os.mkdir("jail")
os.chroot("jail")
os.mkdir("/a")
os.chdir("/a")
os.mkdir("b")
os.mkdir("../c")
os.rmdir("/absent") if os.path.exists("/absent") else None
os.rmdir("/a/b")
"#;
    let lines = session(&host, "root", &folder, script);
    assert!(folder.join("jail/c").is_dir());
    let here = folder.display();
    let of = |name: &str, rest: &str| line("root", &format!("{here}/{name}"), 0, rest);
    assert_eq!(
        done_in(&folder, &lines)[1..],
        [
            of("jail/a", r#""mkdir","requested_path":"/a","mode":"0777""#),
            of("jail/a/b", r#""mkdir","requested_path":"b","mode":"0777""#),
            of(
                "jail/a/../c",
                r#""mkdir","requested_path":"../c","path_links_unfollowed":true,"mode":"0777""#
            ),
            of(
                "jail/a/b",
                r#""rmdir","requested_path":"/a/b","path_links_unfollowed":true"#
            ),
        ]
    );
    Ok(())
}

/// What other processes do to files while there is a session
fn outside() -> Outcome {
    let host = Host::shared();
    let folder = host.folder.shared();
    let here = folder.display();
    let script = "mkdir folder; mkfifo pipe; ln -s x link; ln pipe hard; mv hard moved; chmod 600 pipe; \
        chown 0 pipe; truncate -s 1 file; rm pipe; rmdir folder";
    let elsewhere = Folder::new();
    let inside = elsewhere.shared().join("inside");
    let mut login = host.login(ONE, &format!("read; mkdir {}", inside.display()));
    common::patiently("the session", || {
        (!host.all_sessions().is_empty()).then_some(())
    });
    printed(
        Command::new("sh")
            .arg("-ec")
            .arg(format!("cd {here}; {script}")),
    );
    drop(login.child.stdin.take());
    login.child.wait()?;
    let lines = host.sessions(1).remove(0);
    assert_eq!(done_in(&folder, &lines), [""; 0]);
    let operations: Vec<_> = of_kind(&lines, "session.disk")
        .into_iter()
        .map(|line| line["operation"].as_str().unwrap())
        .collect();
    assert!(operations.contains(&"mkdir"), "{operations:?}");
    Ok(())
}
