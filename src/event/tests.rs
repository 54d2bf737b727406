use super::*;

static STATUS: Title = Title {
    name: "recorder.status",
    code: "R1000I",
    class: Class::Frame,
};

static COMMAND: Title = Title {
    name: "session.command",
    code: "T4000I",
    class: Class::Act,
};

const ID: &str = "01010101-0101-4101-8101-010101010101";

fn writer() -> Writer {
    let host = Host::new(&HostNames {
        hostname: "before",
        ..HostNames::default()
    });
    Writer::new(host, Ids::with(|pool| pool.fill(1)), Clock::fixed(0))
}

fn subject() -> Subject {
    Subject::new("some@where", "some", &[b's'; ID_LENGTH], None)
}

/// What is in the lines, one behind the other; and that what is known of each is there in its text.
fn written(writer: &Writer) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let lines = writer.lines().each().map(|(line, _)| {
        let all = text(line.text());
        for (key, value) in [
            ("event", text(line.title().name.as_bytes())),
            ("time", text(line.time())),
            ("server_hostname", text(line.hostname())),
        ] {
            assert!(all.contains(&format!("\"{key}\":\"{value}\"")), "{all}");
        }
        let sid = text(line.sid());
        assert_eq!(!sid.is_empty(), all.contains(&format!("\"sid\":\"{sid}\"")));
        all
    });
    lines.collect()
}

/// A line of the recorder itself, of that second.
fn of_host(index: u64, second: u64, hostname: &str) -> String {
    format!(
        "{{\"ei\":{index},\"event\":\"recorder.status\",\"uid\":\"{ID}\",\"code\":\"R1000I\",\
         \"time\":\"1970-01-01T00:00:0{second}.000Z\",\"namespace\":\"default\",\"server_id\":\"\",\
         \"server_hostname\":\"{hostname}\",\"server_version\":\"{}\"}}",
        env!("CARGO_PKG_VERSION")
    )
}

fn of_session(index: u64) -> String {
    format!(
        "{{\"ei\":{index},\"event\":\"session.command\",\"uid\":\"{ID}\",\"code\":\"T4000I\",\
         \"time\":\"1970-01-01T00:00:00.000Z\",\"user\":\"some@where\",\"login\":\"some\",\
         \"sid\":\"{}\",\"namespace\":\"default\",\"server_id\":\"\",\"server_hostname\":\"before\",\
         \"server_version\":\"{}\"}}",
        "s".repeat(ID_LENGTH),
        env!("CARGO_PKG_VERSION")
    )
}

#[test]
fn lines_of_the_host_are_counted_and_have_its_name_of_now() {
    let mut writer = writer();
    writer.host_line(&STATUS, 0, |_, _| ());
    writer.host_line(&STATUS, 1_000_000_000, |_, _| ());
    writer.rename("another");
    writer.host_line(&STATUS, 2_000_000_000, |_, _| ());
    let expected = [
        of_host(0, 0, "before"),
        of_host(1, 1, "before"),
        of_host(2, 2, "another"),
    ];
    assert_eq!(written(&writer), expected);
    writer.clear();
    assert_eq!(written(&writer), [""; 0]);
    assert_eq!(writer.lines().bytes(), b"");
    writer.host_line(&STATUS, 3_000_000_000, |_, _| ());
    assert_eq!(written(&writer), [of_host(3, 3, "another")]);
}

#[test]
fn what_is_taken_back_was_never_there() {
    let (mut writer, mut subject) = (writer(), subject());
    writer.line(&mut subject, &COMMAND, 0, |_, _| ());
    let mark = writer.mark(&subject);
    writer.line(&mut subject, &COMMAND, 0, |_, _| ());
    writer.line(&mut subject, &COMMAND, 0, |_, _| ());
    writer.go_back(mark, &mut subject);
    assert_eq!(written(&writer), [of_session(0)]);
    writer.line(&mut subject, &COMMAND, 0, |_, _| ());
    assert_eq!(written(&writer), [of_session(0), of_session(1)]);
}

#[test]
fn that_a_session_has_ended_is_told_once() {
    let mut writer = writer();
    assert!(!writer.has_ended());
    writer.ended = true;
    assert!(writer.has_ended());
    assert!(!writer.has_ended());
}

/// Each byte of a full record can take six as an escape, and is there once more in base64.
#[test]
fn the_longest_line_has_room() {
    let worst = 6 * RECORD_MAX + RECORD_MAX.div_ceil(3) * 4;
    assert!((16 * 1024..64 * 1024).contains(&(LINE_MAX - worst)));
    assert_eq!(Writer::BATCH, 65_536);
}
