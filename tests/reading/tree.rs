//! A session as a tree of its processes.

use std::fs;

use serde_json::Value;

use super::{connected, count, fails, gives, lasted, recorded, shows};
use crate::common::{Folder, ONE, Outcome};

/// With a filter, what matches stands below the command that did it, which is named whether it matches or not
pub fn matching() -> Outcome {
    let recorded = recorded();
    let sid = recorded.sid();
    let path = "/etc/ld.so.cache";
    let of: Vec<_> = recorded
        .lines
        .iter()
        .filter(|line| line["path"] == path)
        .collect();
    assert!(of.len() > 3, "{of:?}");
    let shown = shows(&["show", sid, "--path", path]);
    assert!(!shown.contains("no command of its own"), "{shown}");
    assert_eq!(
        shown.matches(&format!("read {path}")).count(),
        of.len(),
        "{shown}"
    );
    for line in of {
        let command = recorded.first("session.command", |it| {
            it["pid"] == line["pid"] && it["return_code"] == 0
        });
        let heading = format!("{}  [{}]", command["path"].as_str().unwrap(), line["pid"]);
        let (before, after) = heading.split_once("  ").unwrap();
        assert!(
            shown.contains(before) && shown.contains(after),
            "{heading}: {shown}"
        );
    }
    Ok(())
}

/// `show`, as a tree and by event
pub fn show() -> Outcome {
    let recorded = recorded();
    let (sid, lines) = (recorded.sid(), &recorded.lines);
    let time = |line: &Value| {
        line["time"]
            .as_str()
            .unwrap()
            .replace('T', " ")
            .replace('Z', "")
    };
    let with = |argument: &'static str| {
        move |line: &Value| {
            line["argv"]
                .as_array()
                .unwrap()
                .iter()
                .any(|a| a == argument)
        }
    };
    let command = |argument| recorded.first("session.command", with(argument));
    let path = |path: &'static str| move |line: &Value| line["path"] == path;
    let ended = |command: &Value| {
        let exit = recorded.first("session.process_exit", |exit| {
            exit["command_uid"] == command["uid"]
        });
        let took = exit["duration_us"].as_u64().unwrap();
        let took = match took / 1000 {
            0 => format!("{took} µs"),
            1..1000 => format!("{} ms", took / 1000),
            _ => format!("{}.{} s", took / 1_000_000, took / 100_000 % 10),
        };
        format!("exit {} after {took}", exit["exit_code"])
    };
    let [first, last] = [&lines[0], lines.last().unwrap()];
    let [bash, hello, sh, echo] = ["-c", "hello", "exit 3", "a b"].map(command);
    let [nonexistent, truth] = ["/nonexistent/x", "/bin/true"]
        .map(|program| recorded.first("session.command", path(program)));
    let write = recorded.first("session.disk", |line| line["flags"] == 577);
    let connect = recorded.first("session.network", |_| true);
    let script = recorded.script.replace('\'', r"'\''");
    let folder = bash["argv"][1]
        .as_str()
        .unwrap()
        .split([' ', ';'])
        .nth(1)
        .unwrap();
    let lasted = lasted(gives(&["sessions"])[0]["duration_ms"].as_u64().unwrap());
    let from = first["addr.remote"].as_str().unwrap();
    let to = first["addr.local"].as_str().unwrap();
    let shown = shows(&["show", sid]);
    // What is opened, and local sockets, differ from host to host.
    let mine = |line: &&str| {
        !line.contains(" to read") && !line.contains("could not open") && !line.contains("nscd")
    };
    let shown: Vec<&str> = shown.lines().filter(mine).collect();
    let expected = [
        format!("session  {sid}"),
        format!("login    {ONE}"),
        format!("from     {from}"),
        format!(
            "host     {}, {to}",
            first["server_hostname"].as_str().unwrap()
        ),
        format!("begin    {} UTC", time(first)),
        format!("end      {} UTC, after {lasted}", time(last)),
        format!(
            "events   6 commands, {} file events, {}, nothing lost",
            count(lines, &["disk"]),
            match connected(lines) {
                1 => "1 connection".to_owned(),
                many => format!("{many} connections"),
            }
        ),
        String::new(),
        format!(
            "{} login from {from} to {to}, to run '{script}'",
            time(first)
        ),
        format!("{} /bin/bash -c '{script}'  [{}]", time(bash), bash["pid"]),
        format!("{}   channel 0: exec '{script}'", time(bash)),
        format!(
            "{}   /bin/echo hello: {}  [{}]",
            time(hello),
            ended(hello),
            hello["pid"]
        ),
        format!("{}     create {folder}/out", time(write)),
        format!(
            "{}   /bin/sh -c 'exit 3', file /usr/bin/dash: {}  [{}]",
            time(sh),
            ended(sh),
            sh["pid"]
        ),
        format!(
            r"{}   /bin/echo '<script>x</script>' $'\x1b[2J' 'a b': {}  [{}]",
            time(echo),
            ended(echo),
            echo["pid"]
        ),
        format!(
            "{}   connect to 127.0.0.1:{}, tcp: connected after ",
            time(connect),
            recorded.port
        ),
        format!(
            "{}   /nonexistent/x: No such file or directory  [{}]",
            time(nonexistent),
            nonexistent["pid"]
        ),
        format!("{}   /bin/true: {}", time(truth), ended(truth)),
        format!("{} end of the session", time(last)),
    ];
    assert_eq!(shown.len(), expected.len(), "{shown:#?}");
    for (shown, expected) in shown.iter().zip(&expected) {
        let cut = expected
            .ends_with("after ")
            .then(|| shown.get(..expected.len()).unwrap_or(shown));
        assert_eq!(cut.unwrap_or(shown), expected);
    }
    // By event; a part of the id is enough.
    assert_eq!(gives(&["show", "--flat", &sid[..13]]), *lines);
    let flat = shows(&["show", "--flat", sid, "--family", "session"]);
    let begin = format!("login from {from} to {to}, to run '{script}'");
    let end = recorded.shown(last, "end of the session");
    let channel = recorded.shown(&lines[1], &format!("channel 0: exec '{script}'"));
    assert_eq!(flat, recorded.shown(first, &begin) + &channel + &end);
    // As JSON: the session, then each process with its events, each of them once.
    let tree = gives(&["show", sid]);
    assert_eq!(tree[0], gives(&["sessions"])[0]);
    let mut events = Vec::new();
    for process in &tree[1..] {
        for event in process["events"].as_array().unwrap() {
            events.push(&event["uid"]);
            events.extend(event.get("outcome").map(|outcome| &outcome["uid"]));
            assert!(process.get("pid").is_none_or(|pid| *pid == event["pid"]));
        }
    }
    let opened: u64 = tree[1..]
        .iter()
        .flat_map(|process| [&process["files_opened"], &process["files_refused"]])
        .filter_map(Value::as_u64)
        .sum();
    assert_eq!(events.len() as u64 + opened, lines.len() as u64);
    let of = |pid: &Value| tree.iter().find(|process| process["pid"] == *pid).unwrap();
    assert_eq!(of(&sh["pid"])["parent"], of(&bash["pid"])["process"]);
    assert_eq!(of(&bash["pid"])["depth"], 1);
    // What is told of a session that isn't there, or is more than one.
    let two = Folder::new();
    let two = two.path().join("log");
    let other = lines[0]
        .to_string()
        .replace(sid, &format!("{}0-0", &sid[..4]));
    fs::write(&two, format!("{}\n{other}\n", lines[0]))?;
    let two = two.to_str().unwrap();
    for flat in [&["--flat"][..], &[]] {
        fails(
            &[&["show", "nobody", "--log", two], flat].concat(),
            1,
            "nobody: no session in the log",
        );
    }
    fails(
        &["show", &sid[..4], "--log", two],
        1,
        "several sessions have",
    );
    Ok(())
}
