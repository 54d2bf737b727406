//! What the config leaves out is counted, and nothing else is missing.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::common::{self, Host, ONE, Outcome, PYTHON, TWO, of_kind};
use libtest_mimic::Trial;
use serde_json::Value;

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    common::tests(
        module_path!(),
        &[
            ("families", families),
            ("users and groups", users_and_groups),
            ("operations", operations),
            ("paths", paths),
            ("a path that leads elsewhere", paths_that_lead_elsewhere),
            ("a tree of mounts of their own", own_mounts),
            ("nothing by default", nothing_by_default),
        ],
    )
}

/// What was written and left out of a family, as session.end tells it.
fn counts(lines: &[Value], family: &str) -> (u64, u64) {
    let end = lines.last().unwrap();
    let lost = end["losses"][family].as_u64().unwrap();
    assert_eq!(lost, 0, "{end}");
    let excluded = end["excluded"][family].as_u64();
    (
        end["events"][family].as_u64().unwrap(),
        excluded.unwrap_or(0),
    )
}

/// Runs a script as the next session of a host.
fn session(host: &Host, login: &str, script: &str) -> Vec<Value> {
    let index = host.all_sessions().len();
    host.ssh(login, script);
    host.sessions(index + 1).remove(index)
}

/// How many files of a folder were told of.
fn told(lines: &[Value], folder: &str) -> usize {
    let disk = of_kind(lines, "session.disk");
    let of_folder = |line: &&Value| line["path"].as_str().unwrap().starts_with(folder);
    disk.into_iter().filter(of_folder).count()
}

/// A session goes without the families that it is not to have, but for its first command, which
/// session.start is made of. Written and left out are together what there is without a filter.
fn families() -> Outcome {
    let script = "for i in {1..50}; do /bin/true <&-; done; exit";
    let all = session(&Host::start(), ONE, script);
    for (kept, excluded) in [("command", "disk"), ("disk", "command")] {
        let host = Host::with("", &format!("record: {{families: [{kept}]}}"));
        let lines = session(&host, ONE, script);
        assert_eq!(counts(&lines, kept), counts(&all, kept));
        let first = u64::from(excluded == "command");
        let (made, _) = counts(&all, excluded);
        assert_eq!(counts(&lines, excluded), (first, made - first));
        let event = format!("session.{excluded}");
        assert_eq!(of_kind(&lines, &event).len() as u64, first);
        assert_eq!(lines[0]["initial_command"], all[0]["initial_command"]);
    }
    let host = Host::with("", "record: {families: [disk]}");
    let (made, _) = counts(&all, "process_exit");
    assert_eq!(
        counts(&session(&host, ONE, script), "process_exit"),
        (0, made)
    );
    Ok(())
}

/// An account has its own, else those of its groups, else those of all.
fn users_and_groups() -> Outcome {
    let config = format!(
        "record:\n  families: [command]\n  users: {{{ONE}: [disk]}}\n  \
         groups: {{{ONE}: [command], {TWO}: [command, disk], root: []}}"
    );
    let host = Host::with("", &config);
    let script = ": </dev/null; /bin/true; /bin/true";
    let recorded = |login| {
        let lines = session(&host, login, script);
        let commands = of_kind(&lines, "session.command").len();
        (commands > 1, told(&lines, "/dev/null") > 0)
    };
    assert_eq!(recorded(ONE), (false, true));
    assert_eq!(recorded(TWO), (true, true));
    assert_eq!(recorded("root"), (false, false));
    Ok(())
}

/// Each of a kind, in whatever family, and no other.
fn operations() -> Outcome {
    let config = "exclude: {disk: {operations: [mkdir]}, privilege: {operations: [unshare]}}";
    let host = Host::with("", config);
    let folder = host.folder.shared();
    let folder = folder.to_str().unwrap();
    let script = format!(
        r#"exec {PYTHON} -Ic '
import ctypes, os
libc = ctypes.CDLL(None)
for number in range(20):
    os.mkdir(f"{folder}/{{number}}")
    os.rmdir(f"{folder}/{{number}}")
    libc.unshare(0x04000000)
libc.chroot(b"absent")
'"#
    );
    let lines = session(&host, ONE, &script);
    let disk = of_kind(&lines, "session.disk");
    let of = |operation| {
        disk.iter()
            .filter(|line| line["operation"] == operation)
            .count()
    };
    assert_eq!((of("mkdir"), of("rmdir")), (0, 20));
    assert_eq!(counts(&lines, "disk").1, 20);
    assert_eq!(counts(&lines, "privilege"), (1, 20));
    Ok(())
}

/// All of a folder but what is excepted, and one path of another.
fn paths() -> Outcome {
    let folder = common::Folder::new();
    let shared = folder.shared();
    let here = shared.to_str().unwrap();
    for name in ["out", "out-not", "kept"] {
        fs::write(shared.join(name), "")?;
    }
    fs::create_dir(shared.join("deep"))?;
    fs::write(shared.join("deep/one"), "")?;
    fs::write(shared.join("deep/two"), "")?;
    let config = format!(
        "exclude: {{disk: {{paths: [{here}/deep/*, {here}/out], except: [{here}/deep/t*]}}}}"
    );
    let host = Host::with("", &config);
    let script = format!(
        "cd {here}; for i in {{1..10}}; do : <out; : <out-not; : <kept; : <deep/one; : <deep/two; done"
    );
    let lines = session(&host, ONE, &script);
    for (path, count) in [
        ("out-not", 10),
        ("kept", 10),
        ("deep/one", 0),
        ("deep/two", 10),
        ("out", 10),
    ] {
        assert_eq!(told(&lines, &format!("{here}/{path}")), count, "{path}");
    }
    assert_eq!(counts(&lines, "disk").1, 20);
    Ok(())
}

/// A path that only was requested, and one of two, are told whatever they begin with.
fn paths_that_lead_elsewhere() -> Outcome {
    let folder = common::Folder::new();
    let shared = folder.shared();
    let here = shared.to_str().unwrap();
    fs::create_dir(shared.join("out"))?;
    fs::set_permissions(shared.join("out"), fs::Permissions::from_mode(0o777))?;
    fs::write(shared.join("kept"), "")?;
    let host = Host::with("", &format!("exclude: {{disk: {{paths: [{here}/out/*]}}}}"));
    let script = format!(
        "cd {here}; : <out/../kept; : <out/../absent; chmod 600 out/../kept 2>/dev/null; \
         : >out/file; mv out/file moved; ln -s /etc out/link; : <out/link/hostname"
    );
    let lines = session(&host, ONE, &script);
    let disk = of_kind(&lines, "session.disk");
    let operations: Vec<_> = disk
        .iter()
        .filter(|line| {
            line["path"].as_str().unwrap().starts_with(here) || line["path"] == "/etc/hostname"
        })
        .map(|line| line["operation"].as_str().unwrap())
        .collect();
    assert!(operations.contains(&"rename"), "{operations:?}");
    assert!(operations.contains(&"symlink"), "{operations:?}");
    assert_eq!(told(&lines, &format!("{here}/kept")), 1);
    assert_eq!(told(&lines, &format!("{here}/out/../absent")), 1);
    assert_eq!(told(&lines, "/etc/hostname"), 1);
    assert!(told(&lines, &format!("{here}/out/file")) > 0, "the rename");
    assert_eq!(counts(&lines, "disk").1, 1, "the file that was made");
    Ok(())
}

/// A rule is of the host's own paths: what somebody else has put there in a namespace is told.
fn own_mounts() -> Outcome {
    let folder = common::Folder::new();
    let shared = folder.shared();
    let here = shared.to_str().unwrap();
    for name in ["out", "hidden"] {
        fs::create_dir(shared.join(name))?;
        fs::write(shared.join(name).join("file"), "")?;
    }
    let host = Host::with("", &format!("exclude: {{disk: {{paths: [{here}/out/*]}}}}"));
    let script = format!(
        r#"{PYTHON} -Ic '
import ctypes, os
libc = ctypes.CDLL(None)
def look():
    for _ in range(10): os.close(os.open("{here}/out/file", os.O_RDONLY))
look()
assert not libc.unshare(0x10020000)
look()
assert not libc.mount(b"{here}/hidden", b"{here}/out", None, 0x1000, None)
look()
'"#
    );
    let lines = session(&host, ONE, &script);
    assert_eq!(told(&lines, &format!("{here}/out/file")), 20);
    assert_eq!(counts(&lines, "disk").1, 10);
    Ok(())
}

/// Where nothing is left out, nothing is said of it.
fn nothing_by_default() -> Outcome {
    let lines = session(&Host::start(), ONE, "exit");
    assert!(lines.last().unwrap().get("excluded").is_none());
    Ok(())
}
