//! The seal of the log of a real daemon: tests/forger.rs has what is done to a log.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::Trial;
use serde_json::Value;
use sha2::{Digest, Sha512};

use crate::common::{
    Host, ONE, Outcome, Process, binary, log, patiently, printed, start_daemon, tests_with,
};
use recorderd::seal::{Checkpoint, Secret, Tree, leaf};

const CONFIG: &str = "seal_interval: 1";

/// Where Debian puts the sources of Go's own implementation.
const GO: &str = "/usr/share/gocode/src/golang.org/x/mod/sumdb/note";

pub fn tests() -> Vec<Trial> {
    tests_with(
        module_path!(),
        &[
            ("restarts and kills", restarts_and_kills),
            ("the first public key", first_key),
            ("nothing is sealed", nothing),
            ("a key that was taken", taken_key),
            ("by other tools", other_tools),
        ],
        |name| {
            let is_there = name != "by other tools" || Path::new(GO).exists();
            (!is_there).then_some("Go and its golang.org/x/mod, which tests/setup installs")
        },
    )
}

fn verified(folder: &Path, words: &[&str]) -> (Vec<Value>, i32) {
    let output = Command::new(binary())
        .args(["verify", "--json", "--log"])
        .arg(folder.join("log"))
        .args(words)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    (lines.collect(), output.status.code().unwrap())
}

fn key(folder: &Path) -> String {
    fs::read_to_string(folder.join("seal.pub")).unwrap()
}

/// The checkpoints of the newest file, and in which line each stands, counted from 0.
fn checkpoints(folder: &Path) -> Vec<(usize, Checkpoint)> {
    let file = log::files(folder).pop().unwrap();
    let text = fs::read_to_string(file).unwrap();
    let lines = text.lines().enumerate();
    let lines = lines.map(|(at, line)| (at, serde_json::from_str::<Value>(line).unwrap()));
    lines
        .filter(|(_, line)| line["event"] == "recorder.checkpoint")
        .map(|(at, line)| {
            let note = line["checkpoint"].as_str().unwrap();
            (at, Checkpoint::open(note).unwrap())
        })
        .collect()
}

fn wait_for_checkpoints(folder: &Path, count: usize) {
    patiently("checkpoints", || {
        (checkpoints(folder).len() >= count).then_some(())
    });
}

/// Killed at any moment and stopped, while somebody works: one chain.
fn restarts_and_kills() -> Outcome {
    let mut host = Host::with("", CONFIG);
    let folder = host.folder.path().to_owned();
    let go = folder.join("go");
    fs::write(&go, "")?;
    let work = format!("while [ -e {} ]; do sleep 0.01; done", go.display());
    let mut logins = Vec::new();
    for turn in 0..6 {
        logins.push(host.login(ONE, &work));
        let before = checkpoints(&folder).len();
        wait_for_checkpoints(&folder, before + 1);
        match turn % 3 {
            0 => drop(host.daemon.stop()),
            _ => {
                host.daemon.child.kill()?;
                host.daemon.child.wait()?;
            }
        }
        host.daemon = start_daemon(&folder, CONFIG).into();
    }
    fs::remove_file(&go)?;
    for mut login in logins {
        assert!(login.child.wait()?.success());
    }
    assert_eq!(host.daemon.stop(), Some(0));
    let (lines, code) = verified(&folder, &["--key", key(&folder).trim()]);
    assert_eq!(code, 0, "{lines:#?}");
    let kinds: Vec<_> = checkpoints(&folder)
        .iter()
        .map(|(_, checkpoint)| checkpoint.kind.name())
        .collect();
    assert_eq!(
        kinds.iter().filter(|kind| **kind == "first").count(),
        1,
        "{kinds:?}"
    );
    assert_eq!(
        kinds.iter().filter(|kind| **kind == "resume").count(),
        4,
        "{kinds:?}"
    );
    assert_eq!(
        kinds.iter().filter(|kind| **kind == "end").count(),
        3,
        "{kinds:?}"
    );
    Ok(())
}

/// It is the same wherever it is told.
fn first_key() -> Outcome {
    let mut host = Host::with("", CONFIG);
    let folder = host.folder.path().to_owned();
    let config = folder.join("config.yaml");
    let printed = printed(
        Command::new(binary())
            .arg("seal")
            .arg("--config")
            .arg(&config),
    );
    let told = host.daemon.wait_for("recorderd: the log is sealed; ");
    let status = log::status(&folder, "start");
    assert_eq!(printed, key(&folder));
    assert!(told.ends_with(printed.trim()), "{told}");
    assert_eq!(status["seal_key"], printed.trim());
    wait_for_checkpoints(&folder, 1);
    // A log that is being written is whole, too.
    let (lines, code) = verified(&folder, &["--key", printed.trim()]);
    assert_eq!(code, 0, "{lines:#?}");
    let (lines, code) = verified(&folder, &[]);
    assert_eq!(
        (code, &lines.last().unwrap()["result"]),
        (3, &"no_key".into())
    );
    let other = "recorderd/other+00000000+AXIi+N1+Edu+teVlQc/A+6C+hvgeeIth0SjGPvAlYReI";
    assert_eq!(verified(&folder, &["--key", other]).1, 1);
    Ok(())
}

fn nothing() -> Outcome {
    let mut host = Host::with("", "seal: false");
    host.did(ONE, "true");
    assert_eq!(host.daemon.stop(), Some(0));
    let folder = host.folder.path();
    assert!(!host.text().contains("recorder.checkpoint"));
    assert!(!folder.join("seal.pub").exists());
    let (lines, code) = verified(folder, &[]);
    assert_eq!(code, 1, "{lines:#?}");
    let unsealed = lines.iter().filter(|line| line["finding"] == "missing");
    assert_eq!(unsealed.count(), 1, "{lines:#?}");
    Ok(())
}

/// The memory of the chain: the file of a file system in memory.
fn page(folder: &Path) -> PathBuf {
    let id = fs::read_to_string(folder.join("host_uuid")).unwrap();
    let name = format!("{}.seal", id.trim());
    let folders = ["/run/recorderd", "/dev/shm/recorderd"].map(|it| Path::new(it).join(&name));
    folders.into_iter().find(|path| path.exists()).unwrap()
}

/// The private keys that are there now, by their public ones.
fn keys(folder: &Path) -> Vec<Secret> {
    let bytes = fs::read(page(folder)).unwrap();
    // The places of docs/evidence.md's keys in src/seal/state.rs, in two slots.
    let places = [8, 40, 4104, 4136];
    let keys = places.map(|at| bytes[at..at + 32].try_into().unwrap());
    keys.into_iter()
        .filter(|key| *key != [0; 32])
        .map(Secret)
        .collect()
}

/// How often some bytes are in the memory of a process.
fn in_memory(process: &Process, wanted: &[u8]) -> usize {
    let id = process.child.id();
    let maps = fs::read_to_string(format!("/proc/{id}/maps")).unwrap();
    let memory = fs::File::open(format!("/proc/{id}/mem")).unwrap();
    let mut count = 0;
    let mut read = 0;
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let (from, to) = line.split_once(' ').unwrap().0.split_once('-').unwrap();
        let number = |text| u64::from_str_radix(text, 16).unwrap();
        let mut bytes = vec![0; (number(to) - number(from)) as usize];
        if memory.read_exact_at(&mut bytes, number(from)).is_ok() {
            read += bytes.len();
            count += memchr::memmem::find_iter(&bytes, wanted).count();
        }
    }
    assert!(read > 100_000, "{read}");
    count
}

/// Root reads the keys from the memory of the daemon, and signs with them what was before.
fn taken_key() -> Outcome {
    let mut host = Host::with("", CONFIG);
    let folder = host.folder.path().to_owned();
    host.did(ONE, "true");
    wait_for_checkpoints(&folder, 2);
    let stolen = patiently("a key of the next checkpoint", || {
        let last = checkpoints(&folder).pop()?.1;
        let found = keys(&folder)
            .into_iter()
            .find(|key| key.public() == last.next)?;
        Some((last.number, found))
    });
    assert!(
        in_memory(&host.daemon, &stolen.1.0) > 0,
        "the search finds nothing"
    );
    // As soon as it has signed, it is nowhere.
    let number = || checkpoints(&folder).pop().unwrap().1.number;
    patiently("another checkpoint", || (number() > stolen.0).then_some(()));
    patiently("the key to be gone", || {
        (in_memory(&host.daemon, &stolen.1.0) == 0).then_some(())
    });
    assert_eq!(number(), stolen.0 + 1, "it was there until the next one");
    let expanded = Sha512::digest(stolen.1.0);
    for wanted in [&stolen.1.0[..], &expanded[..32], &expanded[32..]] {
        assert_eq!(in_memory(&host.daemon, wanted), 0);
    }
    assert!(!keys(&folder).iter().any(|key| key.0 == stolen.1.0));
    assert_eq!(host.daemon.stop(), Some(0));
    let (lines, code) = verified(&folder, &["--key", key(&folder).trim()]);
    assert_eq!(code, 0, "{lines:#?}");

    // A line in front of an earlier checkpoint is another, and that checkpoint is signed again.
    let file = log::files(&folder).pop().unwrap();
    let mut lines: Vec<String> = fs::read_to_string(&file)?
        .lines()
        .map(str::to_owned)
        .collect();
    let found = checkpoints(&folder);
    let (at, mut forged) = found
        .into_iter()
        .rfind(|(_, it)| it.number <= stolen.0 && it.size > it.from + 1)
        .expect("a checkpoint with lines in front of it");
    let victim = at - 1;
    lines[victim] = lines[victim].replace("\"ei\":", "\"ei\": ");
    let tree_of = |lines: &[String]| {
        let mut tree = Tree::default();
        lines
            .iter()
            .for_each(|line| tree.push(leaf(line.as_bytes())));
        tree.root()
    };
    forged.part = tree_of(&lines[forged.from as usize..at]);
    forged.root = tree_of(&lines[..at]);
    let mut line: Value = serde_json::from_str(&lines[at])?;
    let own = forged.key;
    forged.key = stolen.1.public();
    line["checkpoint"] = forged.signed(&stolen.1).into();
    let signed = line.clone();
    // The same under the name of the key that had signed it.
    forged.key = own;
    line["checkpoint"] = forged.signed(&stolen.1).into();
    for forged in [signed, line] {
        lines[at] = forged.to_string();
        fs::write(&file, lines.join("\n") + "\n")?;
        let (found, code) = verified(&folder, &["--key", key(&folder).trim()]);
        assert_eq!(code, 1, "{found:#?}");
        let tells = |line: &&Value| {
            let [from, to] = ["from_line", "to_line"].map(|key| line[key].as_u64().unwrap_or(0));
            (from..=to).contains(&(victim as u64 + 1))
        };
        assert!(found.iter().any(|line| tells(&line)), "{found:#?}");
    }
    Ok(())
}

/// Go's implementation of notes and trees, and a script with openssl, find the same checkpoints.
fn other_tools() -> Outcome {
    let mut host = Host::with("", CONFIG);
    let folder = host.folder.path().to_owned();
    host.did(ONE, "true");
    wait_for_checkpoints(&folder, 3);
    assert_eq!(host.daemon.stop(), Some(0));
    let file = log::files(&folder).pop().unwrap();
    let count = checkpoints(&folder).len();
    let check = |file: &Path| {
        let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/seal");
        let mut go = Command::new("go");
        go.arg("run").arg(programs.join("check.go"));
        go.envs([("GO111MODULE", "off"), ("GOPATH", "/usr/share/gocode")]);
        go.env("GOCACHE", std::env::temp_dir().join("recorderd-go"));
        [go, Command::new(programs.join("check.py"))].map(|mut command| {
            let output = command
                .arg(folder.join("seal.pub"))
                .arg(file)
                .output()
                .unwrap();
            (
                output.status.success(),
                String::from_utf8_lossy(&output.stdout).into_owned(),
            )
        })
    };
    assert_eq!(check(&file), [(); 2].map(|()| (true, format!("{count}\n"))));
    let other = folder.join("other.log");
    fs::write(
        &other,
        fs::read_to_string(&file)?.replacen("\"ei\":", "\"ei\": ", 1),
    )?;
    assert_eq!(check(&other), [(); 2].map(|()| (false, String::new())));
    Ok(())
}
