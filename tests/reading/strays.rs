//! Logs in which there is something else than events, or than a terminal should get.

use std::fs;

use super::{reads, recorded};
use crate::common::Folder;
use crate::common::Outcome;

/// Lines that are no events are left out and told of, wherever they are
pub fn strays() -> Outcome {
    let event = r#"{"event":"x.y","time":"2023-07-01T00:00:00Z","sid":"s"}"#;
    let folder = Folder::new();
    let file = folder.path().join("log");
    let name = file.to_str().unwrap();
    let read = |lines: &str| -> (usize, String) {
        fs::write(&file, lines).unwrap();
        let output = reads(&["tail", "--log", name]).output().unwrap();
        assert!(output.status.success());
        let shown = String::from_utf8(output.stdout).unwrap();
        (
            shown.lines().count(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    assert_eq!(read(&format!("{event}\n\n{event}")), (2, String::new()));
    assert_eq!(
        read(&format!("{event}\nnonsense\n{event}\n")),
        (
            2,
            format!("recorderd: {name}:2: skipped: not a complete event\n")
        )
    );
    let cut = &event[..20];
    assert_eq!(
        read(&format!("\u{1b}[2J\n{event}\n\0\n{{}}\n[]\n{cut}")),
        (
            1,
            format!("recorderd: 5 lines skipped: not complete events; the first is {name}:1\n")
        )
    );
    Ok(())
}

/// One of each kind that a terminal obeys, or that nobody sees: controls, directions, blank letters and
/// symbols, fillers, selectors, joiners, spaces, tags, and what no standard gives a meaning.
const HIDDEN: &str = "\u{7f}\u{9b}\u{a0}\u{ad}\u{34f}\u{115f}\u{1160}\u{1680}\u{17b4}\u{180b}\u{2007}\u{200b}\
    \u{200d}\u{2028}\u{202e}\u{2062}\u{2066}\u{2800}\u{3000}\u{3164}\u{e000}\u{fe0f}\u{feff}\u{ffa0}\u{fff9}\
    \u{fffc}\u{1bca0}\u{1d159}\u{1d173}\u{e0041}\u{e0100}\u{f0000}\u{378}";

/// Nothing from a log reaches a terminal as a command to it, or passes unseen
pub fn harmless() -> Outcome {
    let hostile = format!("\\u001b]0;x\\u0007\\r{HIDDEN}");
    let hostile = hostile.as_str();
    let member = |key: &str| format!(r#""{key}":"{hostile}""#);
    let mut lines = String::new();
    for event in [
        "start",
        "end",
        "command",
        "process_exit",
        "disk",
        "network",
        "network_result",
        "local_connect",
        "lost",
        hostile,
    ] {
        let members: Vec<String> = [
            "user",
            "login",
            "sid",
            "server_hostname",
            "program",
            "addr.remote",
            "addr.local",
            "size",
            "path",
            "argv0",
            "exe",
            "interpreter",
            "src_addr",
            "dst_addr",
            "protocol",
            "abstract",
            "family",
            "cause",
            "operation",
            "target",
            "via",
            hostile,
        ]
        .map(member)
        .to_vec();
        for numbers in [
            r#""operation":0,"result":0"#,
            r#""operation":2"#,
            r#""operation":3"#,
            r#""x":0"#,
        ] {
            lines += &format!(
                "{{\"event\":\"session.{event}\",\"time\":\"2023-07-01T00:00:00Z\",{numbers},\"pid\":1,\"count\":1,\"exit_code\":0,\"argv\":[\"{hostile}\"],\"initial_command\":[\"{hostile}\"],{}}}\n",
                members.join(",")
            );
        }
    }
    let folder = Folder::new();
    let file = folder.path().join("log");
    fs::write(&file, lines)?;
    for command in [&["sessions"][..], &["tail", "-n", "1000"], &["search", ""]] {
        let output = reads(command)
            .args(["--color=never", "--log"])
            .arg(&file)
            .output()?;
        let shown = String::from_utf8(output.stdout)?;
        assert!(output.stderr.is_empty() && shown.lines().count() > 1);
        is_plain(&shown);
    }
    let session = folder.path().join("session");
    let started = |event: &str, member: &str| {
        format!(
            "{{\"event\":\"session.{event}\",\"sid\":\"one\",\"time\":\"2023-07-01T00:00:00Z\",\"pid\":1,{member}}}\n"
        )
    };
    fs::write(
        &session,
        started("start", &member("user"))
            + &started(
                "command",
                &format!("{},\"argv\":[\"{hostile}\"]", member("path")),
            ),
    )?;
    let page = folder.path().join("page");
    let page = page.to_str().unwrap();
    for command in [&["show", "one"][..], &["report", "one", "-o", page]] {
        let output = reads(command).arg("--log").arg(&session).output()?;
        assert!(output.status.success(), "{output:?}");
        let shown = match command[0] {
            "report" => fs::read_to_string(page)?,
            _ => String::from_utf8(output.stdout)?,
        };
        is_plain(&shown);
        for escape in HIDDEN.chars().map(u32::from) {
            let escape = match escape {
                0..0x80 => format!("\\x{escape:02x}"),
                0x80..0x10000 => format!("\\u{escape:04x}"),
                _ => format!("\\U{escape:08x}"),
            };
            assert!(shown.matches(&escape).count() >= 2, "{escape}: {shown}");
        }
    }
    // What it says itself of a file.
    let named = folder.path().join(format!("log{HIDDEN}"));
    let output = reads(&["tail", "--log"]).arg(named).output()?;
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr)?;
    assert!(told.contains("log\\x7f\\u009b\\u00a0"), "{told}");
    is_plain(&told);
    Ok(())
}

fn is_plain(shown: &str) {
    let hidden = |c: char| c != '\n' && (c.is_control() || HIDDEN.contains(c));
    assert!(!shown.contains(hidden), "{shown:?}");
}

/// A log in which something is wrong with every other line: each command reads to its end
pub fn any_lines() -> Outcome {
    let folder = Folder::new();
    let mut state = 1;
    let mut random = |below: usize| {
        // Numbers of SplitMix64, the same in each run.
        state = u64::wrapping_add(state, 0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ mixed >> 31) % below as u64) as usize
    };
    let lines: Vec<Vec<u8>> = recorded()
        .lines
        .iter()
        .map(|line| line.to_string().into_bytes())
        .collect();
    let mut log = Vec::new();
    for _ in 0..200 {
        for line in &lines {
            let mut line = line.clone();
            for _ in 0..random(3) {
                let (at, other) = (random(line.len()), &lines[random(lines.len())]);
                match random(5) {
                    0 => line[at] = random(256) as u8,
                    1 => line.truncate(at.max(1)),
                    2 => line.insert(at, b"{}[]\",:\\"[random(8)]),
                    3 => drop(line.splice(at.., other[random(other.len())..].iter().copied())),
                    // Another event's value for a key.
                    _ => {
                        let text = String::from_utf8_lossy(&line).replace("\"path\":", "\"pid\":");
                        line = text.into_bytes();
                    }
                }
                if line.is_empty() {
                    line.push(b'x');
                }
            }
            log.extend_from_slice(&line);
            log.push(b'\n');
        }
    }
    let file = folder.path().join("log");
    fs::write(&file, log)?;
    let sid = recorded().sid();
    let page = folder.path().join("page");
    let page = page.to_str().unwrap();
    // Some of the ids are another session's by now; so an end is no failure.
    for command in [
        &["sessions"][..],
        &["sessions", "--json"],
        &["tail", "-n", "100000"],
        &["search", "e", "--address", "127.0.0.0/8"],
        &["show", sid],
        &["show", sid, "--json"],
        &["show", sid, "--flat"],
        &["report", sid, "-o", page],
    ] {
        let output = reads(command).arg("--log").arg(&file).output()?;
        let errors = String::from_utf8(output.stderr)?;
        assert!(
            output.status.success(),
            "{command:?}: {} {errors}",
            output.status
        );
        assert!(errors.contains("lines skipped"), "{errors}");
        String::from_utf8(output.stdout)?;
    }
    Ok(())
}
