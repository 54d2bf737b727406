//! From records to lines: tests/golden/NAME.hex has the records, NAME.json the lines that they
//! must give, byte for byte.
//!
//! After a change of the events, `BLESS=1 cargo test --test pure golden` writes the lines anew, to be
//! read over. After a change of the records, `cargo test --test pure golden -- --ignored` writes the
//! records anew, from the cases in tests/cases.

use std::fs;

use crate::cases::CASES;
use crate::cases::record::{opened, start};
use crate::common::golden::{NoKernel, ids, path, records, writer};
use crate::common::random::Random;
use crate::common::schema;
use recorderd::base::Clock;
use recorderd::event::{Host, HostNames, Writer};
use recorderd::session::Table;

/// Stands in the lines for the version, which changes with each release.
const VERSION: &str = "@VERSION@";

/// The lines of records.
fn lines(records: &[Vec<u8>]) -> String {
    let mut table = Table::default();
    let mut writer = writer();
    for record in records {
        table.take(record, &mut NoKernel, &mut writer);
    }
    let version = format!(r#""server_version":"{}""#, env!("CARGO_PKG_VERSION"));
    let text = std::str::from_utf8(writer.lines().bytes()).expect("lines are UTF-8");
    text.replace(&version, &format!(r#""server_version":"{VERSION}""#))
}

/// Byte for byte; and each line is as the schema says.
#[test]
fn each_input_gives_its_lines() {
    for (name, _) in CASES {
        let written = lines(&records(&format!("{name}.hex")));
        for line in written.lines() {
            schema::check(line);
        }
        let file = path(&format!("{name}.json"));
        if std::env::var_os("BLESS").is_some() {
            fs::write(&file, &written).unwrap();
        }
        assert_eq!(written, fs::read_to_string(&file).unwrap(), "{name}");
    }
}

/// What an output is told of a line is what stands in it.
#[test]
fn each_line_is_told_as_it_is() {
    let names = HostNames {
        hostname: "",
        ..HostNames::default()
    };
    let nameless = Writer::new(Host::new(&names), ids(), Clock::fixed(0));
    let mut count = 0;
    for (mut writer, names) in [(writer(), ["web-1", "web-2"]), (nameless, ["", "web-2"])] {
        for hostname in names {
            writer.rename(hostname);
            let mut table = Table::default();
            for (name, _) in CASES {
                for record in records(&format!("{name}.hex")) {
                    table.take(&record, &mut NoKernel, &mut writer);
                }
            }
            table.end_all(0, &mut NoKernel, &mut writer);
            for (line, one) in writer.lines().each() {
                let value: serde_json::Value = serde_json::from_slice(line.text()).unwrap();
                let told = |key: &str| value[key].as_str().unwrap_or_default().as_bytes();
                let title = line.title();
                assert_eq!(title.name.as_bytes(), told("event"));
                assert_eq!(title.is_warning(), told("code").ends_with(b"W"));
                assert_eq!(line.time(), told("time"));
                assert_eq!(line.sid(), told("sid"));
                assert_eq!(line.hostname(), hostname.as_bytes());
                assert_eq!(line.hostname(), told("server_hostname"));
                assert_eq!(one.bytes(), [line.text(), b"\n"].concat());
                assert_eq!(line.length(), one.bytes().len());
                count += 1;
            }
            writer.clear();
        }
    }
    assert!(count > 4 * CASES.len(), "{count}");
}

/// No file without a case, and no record that is out of date.
#[test]
fn the_inputs_are_what_the_cases_say() {
    for (name, case) in CASES {
        let file = records(&format!("{name}.hex"));
        let built: Vec<_> = case().into_iter().map(|(_, bytes)| bytes).collect();
        assert!(file == built, "{name}.hex: see the top of this file");
    }
    let files = fs::read_dir(path("")).unwrap().count();
    assert_eq!(files, 2 * CASES.len());
}

/// What is no record becomes no event, and is counted.
#[test]
fn what_no_probe_sends_is_counted() {
    let mut table = Table::default();
    for record in records("malformed.hex") {
        table.take(&record, &mut NoKernel, &mut writer());
    }
    assert_eq!(table.malformed, 4);
}

/// A session that opens files for ever, and runs nothing, is not kept in memory for ever.
#[test]
fn what_waits_for_the_start_is_bounded() {
    let (mut table, mut writer) = (Table::default(), writer());
    table.take(&start().1, &mut NoKernel, &mut writer);
    let mut waiting = 0;
    while writer.lines().is_empty() {
        let record = opened(1100, &[b'x'; 4096], |_| {});
        waiting += record.len();
        assert!(waiting < 2 << 20);
        table.take(&record, &mut NoKernel, &mut writer);
    }
    assert!(
        writer
            .lines()
            .bytes()
            .starts_with(b"{\"ei\":0,\"event\":\"session.start\"")
    );
    assert!(writer.lines().bytes().len() > waiting);
}

/// How often, and how long together, from the first moment to the last.
#[test]
fn how_a_session_was_held_is_told() {
    let (mut table, mut writer) = (Table::default(), writer());
    let second = 1_000_000_000;
    table.take(&start().1, &mut NoKernel, &mut writer);
    table.tick(10 * second, &mut writer);
    // What is noted again while it lasts is the same.
    for (since, until) in [(2 * second, 3 * second + 1_500), (4 * second, 5 * second)] {
        table.hold(7, since);
        table.hold(7, since + 1);
        table.go_on(7, until);
        table.go_on(7, until + second);
    }
    writer.clear();
    assert_eq!(writer.lines().bytes(), b"");
    table.settle(20 * second, &mut NoKernel, &mut writer);
    let text = str::from_utf8(writer.lines().bytes()).unwrap();
    let held: Vec<_> = text
        .lines()
        .filter(|line| line.contains("session.throttled"))
        .collect();
    schema::check(held[0]);
    let time = "2023-07-04T16:42:2";
    let end =
        format!(r#","count":2,"throttled_us":2000001,"from":"{time}2.000Z","to":"{time}5.000Z"}}"#);
    assert!(held.len() == 1 && held[0].ends_with(&end), "{text}");
}

/// Flips, cuts, stretches, or writes a number over what may be a length.
fn damage(random: &mut Random, bytes: &mut Vec<u8>) {
    let at = random.below(bytes.len());
    match random.below(5) {
        0 => bytes[at] ^= 1 << random.below(8),
        1 => bytes[at] = random.below(256) as u8,
        2 => bytes.truncate(at.max(1)),
        3 => bytes.extend_from_within(at..),
        _ => {
            let word = at.min(bytes.len().saturating_sub(4)) & !3;
            let near = (bytes.len() + 4).saturating_sub(random.below(9)) as u32;
            let values = [0, 1, near, 0x7fff_ffff, u32::MAX];
            let value = values[random.below(values.len())].to_ne_bytes();
            let end = bytes.len().min(word + 4);
            bytes[word..end].copy_from_slice(&value[..end - word]);
        }
    }
}

/// Whether the kernel can have sent what stands in the line; the schema knows these limits too.
fn can_be(line: &serde_json::Value) -> bool {
    let codes = ["return_code", "result"].map(|key| line[key].as_i64().unwrap_or(0));
    let paths = ["exe", "abstract"].map(|key| line[key].as_str().unwrap_or("/"));
    line["pid"] != 0
        && codes.iter().all(|code| (-4095..=0).contains(code))
        && paths.iter().all(|path| path.starts_with('/'))
        && (line["event"] != "session.disk" || disk_can_be(line))
        && [0, 1, 2, 3].contains(&line["operation"].as_u64().unwrap_or(0))
        && (line["event"] != "session.vsock" || line["operation"] != 1)
}

/// Damage can give an operation what only another one has.
fn disk_can_be(line: &serde_json::Value) -> bool {
    let operation = line["operation"].as_str().unwrap_or_default();
    let second = ["rename", "link", "symlink", "mount"];
    !operation.is_empty() && (line["target"].is_null() || second.contains(&operation))
}

/// Damaged records never panic, and every line they give is a line of JSON.
#[test]
fn damaged_records_give_whole_lines_or_none() {
    const RECORDS: usize = 200_000;
    let inputs = CASES
        .iter()
        .map(|(name, _)| records(&format!("{name}.hex")));
    let inputs: Vec<_> = inputs.collect();
    let (mut random, mut writer) = (Random(0x9e37_79b9_7f4a_7c15), writer());
    let (mut taken, mut malformed, mut lines) = (0, 0, 0);
    while taken < RECORDS {
        let mut table = Table::default();
        for mut record in inputs[random.below(inputs.len())].clone() {
            for _ in 0..random.below(4) {
                damage(&mut random, &mut record);
            }
            table.take(&record, &mut NoKernel, &mut writer);
            taken += 1;
        }
        table.tick(0, &mut writer);
        table.end_all(0, &mut NoKernel, &mut writer);
        malformed += table.malformed;
        let text = std::str::from_utf8(writer.lines().bytes()).expect("lines are UTF-8");
        assert!(text.is_empty() || text.ends_with('\n'));
        for line in text.lines() {
            lines += 1;
            let value: serde_json::Value = serde_json::from_str(line).expect(line);
            if lines % 50 == 0 && can_be(&value) {
                schema::check(line);
            }
        }
        writer.clear();
    }
    assert!(malformed > 10_000 && lines > 100_000, "{malformed} {lines}");
}

/// Writes the records of every case, in hex, each below a comment.
#[test]
#[ignore = "writes tests/golden/*.hex anew"]
fn write_the_inputs() {
    for (name, case) in CASES {
        let mut text = String::new();
        for (about, bytes) in case() {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            text.push_str(&format!("# {about}\n{hex}\n"));
        }
        fs::write(path(&format!("{name}.hex")), text).unwrap();
    }
}
