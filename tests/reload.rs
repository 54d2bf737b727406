//! The config is read again at SIGHUP: what changes, what is told, and that nothing is lost by it.

use std::fs;
use std::path::PathBuf;

use crate::common::{
    self, Host, ONE, Outcome, TWO, of_kind, patiently, schema, text, write_config,
};
use libtest_mimic::Trial;
use serde_json::{Value, json};

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    common::tests(
        module_path!(),
        &[
            ("what can change does", what_can_change_does),
            ("the rest is named", the_rest_is_named),
            ("a mistake is refused", a_mistake_is_refused),
            ("under load", under_load),
        ],
    )
}

/// Has the daemon read this config, and returns the recorder.status that tells of it.
fn reload(host: &Host, config: &str) -> Value {
    let before = told(host).len();
    write_config(host.folder.path(), config);
    host.daemon.signal(libc::SIGHUP);
    patiently("the config to be read", || told(host).get(before).cloned())
}

/// All that was told of configs.
fn told(host: &Host) -> Vec<Value> {
    let text = host.text();
    let lines = text
        .lines()
        .filter(|line| line.contains(r#""reason":"config_"#));
    lines.map(schema::check).collect()
}

fn opened(lines: &[Value], path: &str) -> usize {
    let opens = of_kind(lines, "session.disk");
    opens.iter().filter(|line| line["path"] == path).count()
}

fn what_can_change_does() -> Outcome {
    let host = Host::start();
    let command = "LIBRARY=one cat /etc/hostname /etc/issue";
    let before = host.did(ONE, &format!("{command}; :"));
    assert_eq!(
        (
            opened(&before, "/etc/hostname"),
            opened(&before, "/etc/issue")
        ),
        (1, 1)
    );
    let status = reload(
        &host,
        &format!(
            "exclude: {{disk: {{paths: [/etc/hostname]}}}}\n\
             record: {{users: {{{TWO}: [command]}}}}\n\
             environment: [LIBRARY]\nfsync: per-event\n\
             network_aggregation_seconds: 5"
        ),
    );
    assert_eq!(status["reason"], "config_changed");
    assert_eq!(status.get("needs_restart"), None);
    let after = host.did(ONE, &format!("{command}; : :"));
    assert_eq!(
        (
            opened(&after, "/etc/hostname"),
            opened(&after, "/etc/issue")
        ),
        (0, 1)
    );
    let is_cat = |line: &&Value| line["path"] == "/usr/bin/cat";
    let cat = |lines: &[Value]| {
        of_kind(lines, "session.command")
            .into_iter()
            .find(is_cat)
            .cloned()
    };
    let environment = |lines| cat(lines).unwrap().get("environment").cloned();
    assert_eq!(environment(&before), None);
    assert_eq!(environment(&after), Some(json!({"LIBRARY": "one"})));
    let other = host.did(TWO, &format!("{command}; : : :"));
    assert!(of_kind(&other, "session.disk").is_empty() && cat(&other).is_some());
    // And back.
    assert_eq!(reload(&host, "")["reason"], "config_changed");
    let again = host.did(TWO, &format!("{command}; : : : :"));
    assert_eq!(
        (
            opened(&again, "/etc/hostname"),
            opened(&again, "/etc/issue")
        ),
        (1, 1)
    );
    // The newest file is not the only one any more.
    write_config(host.folder.path(), "log_file_size: 4K");
    host.daemon.signal(libc::SIGHUP);
    let id = fs::read_to_string(host.folder.path().join("host_uuid"))?;
    let folder = host.folder.path().join("log").join(id.trim());
    patiently("further files", || {
        host.ssh(ONE, command);
        (fs::read_dir(&folder).ok()?.count() > 3).then_some(())
    });
    Ok(())
}

fn the_rest_is_named() -> Outcome {
    let host = Host::start();
    let config = "nodename: other\ndisk_buffer_size: 16\noutput: stdout\nfsync: session-end";
    for _ in 0..2 {
        let status = reload(&host, config);
        assert_eq!(status["reason"], "config_changed");
        assert_eq!(
            status["needs_restart"],
            json!(["disk_buffer_size", "nodename", "output"])
        );
    }
    let line = "recorderd: the config was read again; restart recorderd to apply: \
                disk_buffer_size, nodename, output";
    assert!(host.daemon.errors().iter().any(|it| it == line));
    assert_ne!(host.did(ONE, "exit")[0]["server_hostname"], "other");
    Ok(())
}

fn a_mistake_is_refused() -> Outcome {
    let host = Host::with("", "exclude: {disk: {paths: [/etc/hostname]}}");
    let path: PathBuf = host.folder.path().join("config.yaml");
    let status = reload(&host, "exclude: {disk: {path: [/etc/issue]}}");
    let error = format!(
        "{}:3: path: unknown key; did you mean paths?",
        path.display()
    );
    assert_eq!(status["reason"], "config_refused");
    assert_eq!(status["error"], error.as_str());
    let line = format!("recorderd: the config is invalid; the previous config continues: {error}");
    patiently(&line, || host.daemon.errors().contains(&line).then_some(()));
    let goes_on = |command| {
        let lines = host.did(ONE, command);
        let opened = ["/etc/hostname", "/etc/issue"].map(|path| opened(&lines, path));
        assert_eq!(opened, [0, 1]);
    };
    goes_on("cat /etc/hostname /etc/issue; :");
    // There is no room in the kernel for what it says of so many accounts.
    let users = |count| {
        let users: Vec<String> = (0..count)
            .map(|uid| format!("{}: []", 4_000_000 + uid))
            .collect();
        format!("{{users: {{{}}}}}", users.join(", "))
    };
    let config = format!(
        "exclude: {{disk: {{paths: [/etc/issue]}}}}\nrecord: {}",
        users(1_025)
    );
    let status = reload(&host, &config);
    assert_eq!(status["reason"], "config_refused");
    let error = "record: it names 1025 accounts, and there is space for 1024; restart recorderd";
    assert_eq!(status["error"], error);
    goes_on("cat /etc/hostname /etc/issue; : :");
    let config = format!(
        "exclude: {{disk: {{paths: [/etc/hostname]}}}}\nrecord: {}",
        users(1_024)
    );
    assert_eq!(reload(&host, &config)["reason"], "config_changed");
    Ok(())
}

/// Each open is in the log or counted as left out, whatever the config was when it was made.
fn under_load() -> Outcome {
    const CHANGES: usize = 4;
    let host = Host::start();
    let enough = host.folder.path().join("enough");
    let command = format!(
        "i=0; while [[ ! -e {} ]]; do : </etc/hostname; ((++i)); done; echo $i",
        enough.display()
    );
    let mut client = host.login(ONE, &command);
    patiently("the first opens", || {
        (host.text().matches("/etc/hostname").count() > 100).then_some(())
    });
    for change in 0..CHANGES {
        let config = ["exclude: {disk: {paths: [/etc/host*]}}", ""][change % 2];
        assert_eq!(reload(&host, config)["reason"], "config_changed");
    }
    fs::write(&enough, "")?;
    let opens = text(client.child.stdout.take().unwrap());
    let opens: u64 = opens.trim().parse()?;
    client.child.wait()?;
    let lines = host.session(&command);
    let end = lines.last().unwrap();
    let excluded = end["excluded"]["disk"].as_u64().unwrap_or(0);
    let written = opened(&lines, "/etc/hostname") as u64;
    assert_eq!(written + excluded, opens, "{end}");
    assert!(excluded > 0 && written > 0, "{excluded} of {opens}");
    assert_eq!(end["losses"]["disk"], 0);
    Ok(())
}
