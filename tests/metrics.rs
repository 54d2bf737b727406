//! The numbers of a recorder that runs, as those who watch it get them.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;

use crate::common::{
    self, Folder, Host, ONE, Outcome, Process, binary, free_port, of_kind, patiently, printed,
    write_config,
};
use libtest_mimic::Trial;
use serde_json::{Value, json};

/// Samples as a list of name, labels and value, from the parser of Prometheus' own client.
const PARSER: &str = "
import json, sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
families = text_string_to_metric_families(open(sys.argv[1]).read())
print(json.dumps([[s.name, s.labels, s.value] for f in families for s in f.samples]))
";

const EXPORTER: &str = "/usr/bin/prometheus-node-exporter";

/// As docs/events.md has them.
const FAMILIES: [&str; 7] = [
    "session",
    "command",
    "process_exit",
    "disk",
    "network",
    "network_result",
    "privilege",
];
const CAUSES: [&str; 5] = [
    "ring_full",
    "slots_busy",
    "table_full",
    "share_full",
    "write_failed",
];

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    common::tests_with(
        module_path!(),
        &[
            ("asked for", asked_for),
            ("by how somebody logged in", by_login),
            ("in a file", in_a_file),
            ("documented", documented),
            ("alerts", alerts),
            ("nobody but root", nobody_but_root),
            ("no recorder", no_recorder),
        ],
        |name| {
            let needed = ["/usr/bin/promtool", EXPORTER];
            if ["in a file", "alerts"].contains(&name)
                && needed.iter().any(|it| !Path::new(it).exists())
            {
                return Some("prometheus, prometheus-node-exporter");
            }
            let parser = Path::new("/usr/lib/python3/dist-packages/prometheus_client");
            (!parser.exists()).then_some("python3-prometheus-client")
        },
    )
}

fn parsed(path: &Path) -> Vec<Value> {
    let mut python = Command::new(common::PYTHON);
    let output = python.args(["-c", PARSER]).arg(path).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The value of the only sample with this name and label.
fn value(samples: &[Value], name: &str, label: &str, is: &str) -> u64 {
    // Nobody logs in otherwise here.
    let by_ssh = |sample: &Value| sample[1].get("login_type").is_none_or(|it| it == "ssh");
    let fits = |sample: &&Value| {
        sample[0] == name && by_ssh(sample) && (label.is_empty() || sample[1][label] == is)
    };
    let found: Vec<_> = samples.iter().filter(fits).collect();
    assert_eq!(found.len(), 1, "{name} {label}={is}: {found:?}");
    found[0][2].as_f64().unwrap() as u64
}

fn ask(host: &Host) -> Vec<Value> {
    let folder = host.folder.path();
    let mut command = Command::new(binary());
    command
        .args(["metrics", "--config"])
        .arg(folder.join("config.yaml"));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let path = folder.join("metrics");
    fs::write(&path, output.stdout).unwrap();
    parsed(&path)
}

fn written(samples: &[Value], output: &str) -> u64 {
    value(samples, "recorderd_written_bytes_total", "output", output)
}

/// They agree with the log.
fn asked_for() -> Outcome {
    let folder = Folder::new();
    let path = folder.path().join("socket");
    let socket = UnixDatagram::bind(&path).unwrap();
    std::thread::spawn(move || while socket.recv(&mut [0]).is_ok() {});
    // Only the file is sealed.
    let config = format!(
        "seal: false\noutput: [file, syslog]\nsyslog_socket: {}",
        path.display()
    );
    let host = Host::with("", &config);
    let lines = host.did(ONE, "for i in 1 2 3; do /bin/true; done; exit");
    assert_eq!(of_kind(&lines, "session.command").len(), 4);
    let mut login = host.login(ONE, "echo open; cat");
    let samples = patiently("numbers that agree with the log", || {
        let samples = ask(&host);
        let log = host.log();
        let families = [("command", "session.command"), ("disk", "session.disk")];
        let agree = families.iter().all(|(family, event)| {
            value(&samples, "recorderd_events_total", "family", family)
                == of_kind(&log, event).len() as u64
        });
        let agree = agree && written(&samples, "file") == written(&samples, "syslog");
        (agree && value(&samples, "recorderd_sessions", "", "") > 0).then_some(samples)
    });
    // Each cause of each family has a number of its own.
    let lost = samples.iter().filter(|sample| {
        sample[0] == "recorderd_dropped_events_total" && sample[1]["login_type"] == "ssh"
    });
    let lost: Vec<_> = lost
        .map(|sample| ["family", "cause"].map(|label| sample[1][label].as_str().unwrap()))
        .map(|[family, cause]| (family, cause))
        .collect();
    let of = |cause| FAMILIES.map(|family| (family, cause));
    assert_eq!(lost, CAUSES.map(of).as_flattened());
    let size: u64 = host.text().len() as u64;
    let of_file = written(&samples, "file");
    assert!(of_file > 0 && of_file <= size);
    let lost = |output| {
        value(
            &samples,
            "recorderd_output_dropped_lines_total",
            "output",
            output,
        )
    };
    assert_eq!((lost("file"), lost("syslog")), (0, 0));
    for ring in ["session", "command", "disk", "network"] {
        assert!(value(&samples, "recorderd_ring_buffer_fill_ratio", "ring", ring) <= 100);
    }
    let ssh = ("login_type", "ssh");
    let count = value(
        &samples,
        "recorderd_event_latency_seconds_count",
        ssh.0,
        ssh.1,
    );
    assert!(count >= lines.len() as u64 - 2, "{count}");
    let all = value(
        &samples,
        "recorderd_event_latency_seconds_bucket",
        "le",
        "+Inf",
    );
    assert_eq!(all, count);
    login.stop();
    Ok(())
}

/// Apart from one another, each with the labels of all.
fn by_login() -> Outcome {
    let host = Host::with("", "login_types: [ssh, su]");
    host.did(ONE, "/bin/true; exit");
    printed(Command::new("su").args(["-s", "/bin/sh", "-c", "/bin/true; :", ONE]));
    let commands = |samples: &[Value]| {
        ["ssh", "console", "cron", "at", "su"].map(|login| {
            let labels = json!({"family": "command", "login_type": login});
            let is = |it: &&Value| it[0] == "recorderd_events_total" && it[1] == labels;
            samples.iter().find(is).unwrap()[2].as_f64().unwrap()
        })
    };
    let samples = patiently("the commands of su", || {
        let samples = ask(&host);
        (commands(&samples)[4] == 2.0).then_some(samples)
    });
    assert_eq!(commands(&samples), [2.0, 0.0, 0.0, 0.0, 2.0]);
    let lost = json!({"family": "disk", "cause": "ring_full", "login_type": "su"});
    assert!(samples.contains(&json!(["recorderd_dropped_events_total", lost, 0])));
    Ok(())
}

/// The real node exporter serves all of the file, and Prometheus' own checker finds nothing to better.
fn in_a_file() -> Outcome {
    let folder = Folder::new();
    let path = folder.path().join("recorderd.prom");
    let host = Host::with("", &format!("metrics_file: {}", path.display()));
    patiently("the file", || path.exists().then_some(()));
    // The exporter runs as somebody else.
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o644);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    let text = fs::read_to_string(&path).unwrap();
    let check = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(fs::File::open(&path)?)
        .output()?;
    assert!(
        check.status.success() && check.stderr.is_empty(),
        "{check:?}\n{text}"
    );

    let port = free_port();
    let mut exporter = Process::spawn(Command::new(EXPORTER).args([
        "--collector.disable-defaults",
        "--collector.textfile",
        &format!("--collector.textfile.directory={}", folder.path().display()),
        &format!("--web.listen-address=127.0.0.1:{port}"),
    ]));
    let served = patiently("the node exporter", || {
        let mut get = Command::new("curl");
        let url = format!("http://127.0.0.1:{port}/metrics");
        let output = get.args(["--silent", "--fail", &url]).output().ok()?;
        output
            .status
            .success()
            .then(|| String::from_utf8(output.stdout).unwrap())
    });
    exporter.stop();
    assert!(
        served.contains("\nnode_textfile_scrape_error 0\n"),
        "{served}"
    );
    let ours = |text: &str| -> BTreeSet<String> {
        text.lines()
            .filter(|line| line.contains("recorderd_"))
            .map(sorted_labels)
            .collect()
    };
    let mut missing: Vec<_> = ours(&text).difference(&ours(&served)).cloned().collect();
    // A time in seconds comes back as a float, and a sum of 0.000 as 0.
    missing.retain(|line| line.starts_with('#') || !line.contains("_seconds"));
    missing.retain(|line| !line.starts_with("recorderd_ring_buffer_fill_ratio"));
    // What has no sample here is not served.
    missing.retain(|line| match line.strip_prefix("# ") {
        Some(head) => {
            let name = head.split(' ').nth(1).unwrap();
            text.lines().any(|line| line.starts_with(name))
        }
        None => true,
    });
    assert_eq!(missing, [""; 0]);
    drop(host);
    Ok(())
}

/// A sample with its labels in the order of their names, as the exporter has them.
fn sorted_labels(line: &str) -> String {
    match (line.split_once('{'), line.starts_with('#')) {
        (Some((name, rest)), false) => {
            let (labels, value) = rest.split_once('}').unwrap();
            let mut labels: Vec<_> = labels.split(',').collect();
            labels.sort_unstable();
            format!("{name}{{{}}}{value}", labels.join(","))
        }
        _ => line.to_owned(),
    }
}

/// The page for operators has each metric, with its type and meaning.
fn documented() -> Outcome {
    let host = Host::start();
    let text = printed(
        Command::new(binary())
            .args(["metrics", "--config"])
            .arg(host.folder.path().join("config.yaml")),
    );
    let value = |kind: &str| -> Vec<(String, String)> {
        let lines = text.lines().filter_map(|line| line.strip_prefix(kind));
        let pairs = lines.map(|line| line.split_once(' ').unwrap());
        pairs
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    };
    let types = value("# TYPE ");
    let rows = value("# HELP ")
        .into_iter()
        .zip(types)
        .map(|((name, help), (again, kind))| {
            assert_eq!(name, again);
            let end = match kind.as_str() {
                "counter" => "_total",
                "info" => "_info",
                _ => "",
            };
            format!("| `{name}{end}` | {kind} | {help} |")
        });
    let docs = include_str!("../docs/metrics.md");
    let found = docs
        .lines()
        .filter(|line| line.starts_with("| `recorderd_"));
    // The labels stand between the type and the meaning.
    let found = found.map(|line| {
        let cells: Vec<_> = line.split(" | ").collect();
        format!("{} | {} | {}", cells[0], cells[1], cells[3])
    });
    assert_eq!(found.collect::<Vec<_>>(), rows.collect::<Vec<_>>());
    Ok(())
}

/// The rules in contrib speak of metrics that there are, and fire as their own test says.
fn alerts() -> Outcome {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/prometheus");
    for arguments in [
        ["check", "rules", "alerts.yml"],
        ["test", "rules", "alerts.test.yml"],
    ] {
        printed(
            Command::new("promtool")
                .args(arguments)
                .current_dir(&folder),
        );
    }
    let rules = fs::read_to_string(folder.join("alerts.yml"))?;
    let docs = include_str!("../docs/metrics.md");
    let words = rules.split(|c: char| !c.is_ascii_lowercase() && c != '_');
    let named: BTreeSet<_> = words
        .filter(|word| word.starts_with("recorderd_"))
        .collect();
    assert!(named.len() > 5, "{named:?}");
    for name in named {
        assert!(docs.contains(&format!("| `{name}` |")), "{name}");
    }
    Ok(())
}

fn nobody_but_root() -> Outcome {
    let host = Host::start();
    let socket = host.folder.path().join("control");
    assert_eq!(fs::metadata(&socket).unwrap().mode() & 0o777, 0o600);
    let script = format!(
        "import socket; socket.socket(socket.AF_UNIX).connect('{}')",
        socket.display()
    );
    let mut command = Command::new("setpriv");
    command.args([
        "--reuid",
        ONE,
        "--clear-groups",
        common::PYTHON,
        "-c",
        &script,
    ]);
    let output = command.output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("PermissionError"), "{error}");
    ask(&host);
    Ok(())
}

fn no_recorder() -> Outcome {
    let folder = Folder::new();
    let config = write_config(folder.path(), "");
    let mut command = Command::new(binary());
    let output = command
        .args(["metrics", "--config"])
        .arg(config)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    let reason = "/control: No such file or directory (os error 2)\n";
    assert!(error.ends_with(reason), "{error}");
    Ok(())
}
