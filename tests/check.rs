//! What the daemon does without a hook, and what `recorderd check` tells of it.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::common::{self, Folder, Host, ONE, Outcome, Process, binary, write_config};
use libtest_mimic::Trial;
use miniz_oxide::deflate::compress_to_vec;
use object::{Object, ObjectSection, ObjectSymbol};
use recorderd::base::{Backend, Family};
use recorderd::kernel::plan::{Hook, PLANS};
use serde_json::Value;

const OBJECT: &[u8] = include_bytes!("../probes/recorderd.bpf.o");

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    common::tests(
        module_path!(),
        &[
            ("a host that is ready", ready),
            ("what it says to a person", text),
            ("when all calls are hooked", calls),
            ("a kernel without a hook", lacking),
            ("a hook that sees nothing", silent),
            ("a hook that may see nothing", spared),
            ("the life of processes is needed", without_life),
            ("the self-test is not recorded", unseen),
            ("a config that is wrong", wrong_config),
            ("as the service would", of_service),
            ("without root", without_root),
            ("a kernel that does not describe itself", without_btf),
        ],
    )
}

/// Runs `check`; returns its exit code and what it says to a machine.
fn check(program: &Path, config: &Path) -> (Option<i32>, Value) {
    let mut command = Command::new(program);
    command.args(["check", "--json", "--config"]).arg(config);
    answer(&command.output().unwrap())
}

fn answer(output: &Output) -> (Option<i32>, Value) {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {output:?}"));
    (output.status.code(), value)
}

fn recorded(report: &Value, family: &str) -> bool {
    report["families"][family]["recorded"].as_bool().unwrap()
}

/// Every program of every family is at work, and has been heard of in the self-test.
fn ready() -> Outcome {
    let folder = Folder::new();
    let config = write_config(folder.path(), "");
    let (code, report) = check(&binary(), &config);
    assert_eq!(
        (code, &report["state"]),
        (Some(0), &"ready".into()),
        "{report}"
    );
    for key in [
        "kernel",
        "architecture",
        "btf",
        "lsm",
        "lockdown",
        "privilege",
        "audit",
        "cgroup",
    ] {
        assert!(
            report[key].as_str().is_some_and(|it| !it.is_empty()),
            "{key}: {report}"
        );
    }
    for family in Family::CHOICES {
        let report = &report["families"][family.name()];
        assert_eq!(report["recorded"], true, "{family}");
        assert_eq!(report["not_tried"], serde_json::json!({}), "{family}");
        let programs: BTreeSet<_> = report["programs"].as_object().unwrap().keys().collect();
        let plan = PLANS.iter().find(|plan| plan.family == family).unwrap();
        let mut kinds = Backend::ALL.into_iter();
        let kind = kinds.find(|kind| report["backend"] == kind.name()).unwrap();
        let (planned, others): (Vec<&Hook>, Vec<&Hook>) =
            plan.hooks.iter().partition(|hook| hook.is_of(kind));
        let planned: BTreeSet<_> = planned.iter().map(|it| it.program.to_owned()).collect();
        assert_eq!(programs, planned.iter().collect(), "{family}");
        let unseen = report["not_seen"].as_array().unwrap();
        for what in plan.hooks.iter().filter_map(|hook| hook.unseen) {
            let is_missing = others.iter().any(|hook| hook.unseen == Some(what));
            assert_eq!(
                unseen.contains(&Value::from(what)),
                is_missing,
                "{family}: {what}"
            );
        }
    }
    // It leaves nothing behind but the config.
    assert_eq!(fs::read_dir(folder.path())?.count(), 1);
    Ok(())
}

/// The facts of the report, line by line.
fn text() -> Outcome {
    let output = Command::new(binary()).arg("check").output()?;
    let text = String::from_utf8(output.stdout)?;
    let release = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    assert!(
        text.starts_with(&format!("kernel        {release}")),
        "{text}"
    );
    assert!(
        text.contains("\nconfig        none given; the defaults\n"),
        "{text}"
    );
    assert!(
        text.contains("\ndisk          recorded; backend: "),
        "{text}"
    );
    assert!(text.ends_with("\nready\n"), "{text}");
    Ok(())
}

/// By the tracepoint plan: while somebody may be logged in, or at all times.
fn calls() -> Outcome {
    for (types, when) in [
        ("ssh", "while somebody is logged in"),
        ("su", "at all times"),
    ] {
        let folder = Folder::new();
        let more = format!("backend: tracepoint\nlogin_types: [{types}]");
        let (code, report) = check(&binary(), &write_config(folder.path(), &more));
        assert_eq!(code, Some(0), "{report}");
        let calls = report["calls"].as_str().unwrap();
        assert!(calls.contains(when), "{calls}");
    }
    Ok(())
}

/// The binary under test, changed.
fn changed(folder: &Folder, change: impl FnOnce(&mut Vec<u8>)) -> PathBuf {
    let mut bytes = fs::read(binary()).unwrap();
    change(&mut bytes);
    let path = folder.path().join("recorderd");
    fs::write(&path, bytes).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// Replaces one name by another of the same length, wherever it is.
fn rename(bytes: &mut [u8], old: &str, new: &str) {
    assert_eq!(old.len(), new.len());
    let places: Vec<_> = memchr::memmem::find_iter(bytes, old).collect();
    assert!(!places.is_empty(), "{old}");
    for place in places {
        bytes[place..place + old.len()].copy_from_slice(new.as_bytes());
    }
}

/// Makes a program of the object return at once.
fn silence(bytes: &mut [u8], program: &str) {
    const EXIT: u8 = 0x95;
    let packed = compress_to_vec(OBJECT, 9);
    let start = memchr::memmem::find(bytes, &packed).expect("the object is in the binary");
    let mut changed = OBJECT.to_vec();
    let file = object::File::parse(OBJECT).unwrap();
    let symbol = file.symbol_by_name(program).unwrap();
    let section = file
        .section_by_index(symbol.section_index().unwrap())
        .unwrap();
    let at = section.file_range().unwrap().0 + symbol.address();
    let code = &OBJECT[at as usize..][..symbol.size() as usize];
    let exit = code
        .chunks(8)
        .position(|instruction| instruction[0] == EXIT)
        .unwrap();
    let at = at as usize;
    let skip = u8::try_from(exit - 2).expect("an exit near the beginning");
    // r0 = 0; if r0 == 0 goto the exit: the verifier wants a way to what follows.
    changed[at..at + 8].copy_from_slice(&[0xb7, 0, 0, 0, 0, 0, 0, 0]);
    changed[at + 8..at + 16].copy_from_slice(&[0x15, 0, skip, 0, 0, 0, 0, 0]);
    // Packed harder, so that it fits in the place of the other.
    let repacked = compress_to_vec(&changed, 10);
    assert!(repacked.len() <= packed.len(), "{} bytes", repacked.len());
    bytes[start..start + repacked.len()].copy_from_slice(&repacked);
}

/// What the daemon says before it ends or is ready, and its exit code if it ends.
fn start(program: &Path, config: &Path) -> (Option<i32>, Vec<String>) {
    let mut command = Command::new(program);
    let mut daemon = Process::spawn(command.arg("--config").arg(config).stdin(Stdio::null()));
    let code = common::patiently("ready or the end", || {
        let ready = daemon.errors().iter().any(|line| line.starts_with("ready"));
        match daemon.child.try_wait().unwrap() {
            Some(status) => Some(status.code()),
            None => ready.then_some(None),
        }
    });
    daemon.stop();
    let errors = common::patiently("what it says", || {
        Some(daemon.errors()).filter(|errors| !errors.is_empty())
    });
    (code, errors)
}

/// What the recorder has said of itself in its log: at its start and at its end.
fn statuses(folder: &Folder) -> Vec<Value> {
    let id = fs::read_to_string(folder.path().join("host_uuid")).unwrap();
    let log = folder.path().join("log").join(id.trim()).join("events.log");
    let lines = fs::read_to_string(log).unwrap();
    let lines = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    let statuses: Vec<Value> = lines
        .filter(|line: &Value| line["event"] == "recorder.status")
        .collect();
    assert!(statuses.len() >= 2, "{statuses:?}");
    statuses
}

/// A family without which the config can do is left out, and said to be; else there is no start.
fn excluded(program: &Path, folder: &Folder, family: &str, reason: &str) -> Outcome {
    let config = write_config(folder.path(), "backend: tracepoint");
    let (code, report) = check(program, &config);
    assert_eq!(
        (code, &report["state"]),
        (Some(1), &"unable".into()),
        "{report}"
    );
    let fault = format!("{family} can't be recorded: {reason}");
    assert_eq!(report["faults"], serde_json::json!([fault]));
    let (code, errors) = start(program, &config);
    assert_eq!(
        (code, errors),
        (Some(1), vec![format!("recorderd: {fault}")])
    );

    let config = write_config(
        folder.path(),
        "backend: tracepoint\nrequired: [command, disk]",
    );
    let (code, report) = check(program, &config);
    assert_eq!(
        (code, &report["state"]),
        (Some(3), &"degraded".into()),
        "{report}"
    );
    assert_eq!(report["faults"], serde_json::json!([]));
    for other in Family::CHOICES {
        assert_eq!(recorded(&report, other.name()), other.name() != family);
    }
    let (code, errors) = start(program, &config);
    assert_eq!(code, None, "{errors:?}");
    let line = format!("recorderd: {family} is not recorded: {reason}");
    assert!(errors.contains(&line), "{errors:?}");
    for status in statuses(folder) {
        assert_eq!(status["not_recorded"], serde_json::json!({family: reason}));
    }
    Ok(())
}

/// As on a kernel that has no such tracepoint.
fn lacking() -> Outcome {
    let folder = Folder::new();
    let program = changed(&folder, |bytes| {
        rename(bytes, "inet_sock_set_state", "inet_sock_set_stale");
    });
    excluded(
        &program,
        &folder,
        "network",
        "tracepoint: probe network_state at inet_sock_set_stale: not in this kernel",
    )
}

/// As with an object whose program does nothing: it is attached, and would never tell.
fn silent() -> Outcome {
    let folder = Folder::new();
    let program = changed(&folder, |bytes| silence(bytes, "network_accept_body"));
    excluded(
        &program,
        &folder,
        "network",
        "tracepoint: attached, but never fired in the self-test: network_accept (at accept4, accept)",
    )
}

/// As on a kernel that does not tell the end of requests to io_uring: it costs no family, and is
/// told.
fn spared() -> Outcome {
    let folder = Folder::new();
    let program = changed(&folder, |bytes| {
        rename(bytes, "io_uring_complete", "io_uring_complain");
    });
    let (code, report) = check(
        &program,
        &write_config(folder.path(), "backend: tracepoint"),
    );
    assert_eq!(code, Some(0), "{report}");
    let disk = &report["families"]["disk"];
    assert!(
        disk["not_in_this_kernel"]
            .as_array()
            .unwrap()
            .contains(&"io_uring_complain".into()),
        "{report}"
    );
    let reason = "attached, but never fired in the self-test";
    assert_eq!(
        disk["not_tried"],
        serde_json::json!({ "uring_submit": reason })
    );
    Ok(())
}

/// Without knowing who belongs to a session, there is nothing to record, whatever is required.
fn without_life() -> Outcome {
    let folder = Folder::new();
    let program = changed(&folder, |bytes| {
        rename(bytes, "sched_process_fork", "sched_process_frog");
    });
    let config = write_config(folder.path(), "required: []");
    let (code, report) = check(&program, &config);
    assert_eq!(code, Some(1), "{report}");
    let fault = "session can't be recorded: tracepoint: probe session_fork at sched_process_frog: \
                 not in this kernel";
    assert_eq!(report["faults"], serde_json::json!([fault]));
    assert_eq!(start(&program, &config).0, Some(1));
    Ok(())
}

/// Neither in the log of the daemon nor in that of a recorded command.
fn unseen() -> Outcome {
    let mut host = Host::start();
    host.ssh(ONE, "exit");
    host.sessions(1);
    host.daemon.stop();
    // Other logins of this host are recorded too.
    let acts = |line: &&Value| {
        let line = line.to_string();
        line.contains("recorderd-nothing") || line.contains("/proc/self/exe")
    };
    assert_eq!(host.log().iter().find(acts), None);

    let recorded = Command::new(binary())
        .args(["record", "--", "true"])
        .output()?;
    let lines = String::from_utf8(recorded.stdout)?;
    let lines: Vec<Value> = lines.lines().map(common::schema::check).collect();
    assert_eq!(common::of_kind(&lines, "session.command").len(), 1);
    assert!(lines.iter().all(|line| line["sid"] == lines[0]["sid"]));
    assert_eq!(lines.iter().find(acts), None);
    Ok(())
}

/// The host is looked at all the same.
fn wrong_config() -> Outcome {
    let folder = Folder::new();
    let config = write_config(folder.path(), "disk_buffer_size: 7");
    let (code, report) = check(&binary(), &config);
    assert_eq!(
        (code, &report["config"]),
        (Some(2), &"wrong".into()),
        "{report}"
    );
    let fault = format!(
        "{}:3: disk_buffer_size: 7 is not a power of two; 8 is the nearest",
        config.display()
    );
    assert_eq!(report["faults"], serde_json::json!([fault]));
    assert!(recorded(&report, "disk"));
    Ok(())
}

/// It says so, and tries nothing.
fn without_root() -> Outcome {
    const NOBODY: u32 = 65534;
    let folder = Folder::new();
    let program = changed(&folder, |_| {});
    let mut command = Command::new(program);
    command.args(["check", "--json"]).uid(NOBODY).gid(NOBODY);
    let (code, report) = answer(&command.output()?);
    assert_eq!(
        (code, &report["state"]),
        (Some(1), &"unable".into()),
        "{report}"
    );
    let fault = "privilege: running as uid 65534, and loading BPF programs needs root; \
                 run it with sudo";
    assert_eq!(report["privilege"], fault);
    assert_eq!(report["families"], serde_json::json!({}));
    Ok(())
}

/// The config can name a file that does.
fn without_btf() -> Outcome {
    let folder = Folder::new();
    let btf = folder.path().join("btf");
    fs::copy("/sys/kernel/btf/vmlinux", &btf)?;
    let check = |config: &str| {
        let config = write_config(folder.path(), config);
        let script = "mount -t tmpfs none /sys/kernel/btf && exec \"$0\" \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", script]).arg(binary());
        command.args(["check", "--json", "--config"]).arg(config);
        answer(&command.output().unwrap())
    };
    let (code, report) = check("");
    assert_eq!(code, Some(1));
    let missing = report["btf"].as_str().unwrap();
    assert!(
        missing.starts_with("BTF: /sys/kernel/btf/vmlinux is missing"),
        "{missing}"
    );
    let (code, report) = check(&format!("btf_path: {}", btf.display()));
    assert_eq!(
        (code, &report["state"]),
        (Some(0), &"ready".into()),
        "{report}"
    );
    fs::write(&btf, "nonsense")?;
    let (code, report) = check(&format!("btf_path: {}", btf.display()));
    assert_eq!(code, Some(1));
    let fault = report["faults"][0].as_str().unwrap();
    assert!(fault.starts_with("BTF: "), "{fault}");
    Ok(())
}

/// It is run by systemd-run with what the unit and its drop-ins take from a process; both stand-ins here
fn of_service() -> Outcome {
    let folder = Folder::new();
    let unit = folder.path().join("unit");
    fs::write(
        &unit,
        format!(
            "# /etc/systemd/system/recorderd.service\n{}\n# drop-in\n[Service]\nTimeoutStartSec=9\nNice=5\n",
            include_str!("../src/install/recorderd.service")
        ),
    )?;
    let stand_in = |name: &str, script: &str| {
        let path = folder.path().join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n"))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))
    };
    stand_in(
        "systemctl",
        &format!(
            "[ \"$*\" = 'cat recorderd.service' ] && cat {}",
            unit.display()
        ),
    )?;
    stand_in("systemd-run", "printf '%s\\n' \"$@\"; exit 3")?;
    let run = || {
        let mut command = Command::new(binary());
        command.args(["check", "--service", "--json", "--config", "some.yaml"]);
        let path = format!("{}:/usr/bin:/bin", folder.path().display());
        command
            .env("PATH", path)
            .current_dir(folder.path())
            .output()
    };
    let output = run()?;
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let text = String::from_utf8(output.stdout)?;
    let words: Vec<_> = text.lines().collect();
    assert_eq!(words[..4], ["--quiet", "--wait", "--pipe", "--collect"]);
    let config = folder.path().canonicalize()?.join("some.yaml");
    let program = binary().canonicalize()?;
    let command = [
        &program,
        Path::new("check"),
        Path::new("--json"),
        Path::new("--config"),
        &config,
    ];
    let (properties, rest) = words[4..].split_at(words.len() - 4 - command.len());
    assert_eq!(rest.iter().map(Path::new).collect::<Vec<_>>(), command);
    let properties: Vec<_> = properties
        .chunks(2)
        .map(|pair| {
            assert_eq!(pair[0], "--property");
            pair[1]
        })
        .collect();
    assert_eq!(
        (properties[0], properties[properties.len() - 1]),
        ("OOMScoreAdjust=-900", "Nice=5")
    );
    assert!(properties.contains(&"RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_PACKET"));
    assert!(properties.contains(&"SystemCallArchitectures=native"));
    fs::remove_file(&unit)?;
    let output = run()?;
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr)?;
    assert!(
        error.ends_with("; `recorderd install` puts the service on the host\n"),
        "{error}"
    );
    Ok(())
}
