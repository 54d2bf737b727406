//! Lines as the tests compare them, and as they expect them.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use recorderd::abi::Family;
use recorderd::family::EVENTS;
use serde_json::Value;

/// The lines of one kind.
pub fn of_kind<'a>(lines: &'a [Value], event: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["event"] == event).collect()
}

/// The line as text, with what differs from run to run replaced by its name in brackets, after it
/// was checked: ids, times, process ids, ports. What a command tells of its file and its process is
/// checked against the host and left out. Everything else is compared as it is.
pub fn plain(line: &Value) -> String {
    let mut line = line.clone();
    if line["event"] == "session.command" {
        check_command(&mut line);
    }
    let object = line.as_object_mut().unwrap();
    for (key, value) in object.iter_mut() {
        let text = value.as_str().unwrap_or_default();
        let stands_for = match key.as_str() {
            "uid" | "sid" | "server_id" | "network_uid" => {
                let id = uuid::Uuid::parse_str(text).unwrap();
                assert_eq!(id.get_version_num(), 4, "{key} {id}");
                format!("<{key}>")
            }
            "time" | "session_start" | "session_stop" => {
                assert!(text.len() == 24 && text.ends_with('Z'), "{key} {text}");
                format!("<{key}>")
            }
            "pid" | "ppid" | "cgroup_id" | "audit_session_id" | "ei" => {
                assert!(value.is_u64(), "{key} {value}");
                format!("<{key}>")
            }
            "addr.local" | "addr.remote" => {
                let (address, port) = text.rsplit_once(':').unwrap();
                assert!(port.parse::<u16>().unwrap() > 0);
                format!("{address}:<port>")
            }
            "server_hostname" | "server_version" => format!("<{key}>"),
            "tty" => {
                assert!(text.starts_with("pts/"), "{key} {text}");
                format!("<{key}>")
            }
            _ => continue,
        };
        *value = stands_for.into();
    }
    line.to_string()
}

/// Holds what a command tells beyond its path and arguments against what the host says, and takes it
/// out of the line.
fn check_command(line: &mut Value) {
    let path = line["path"].as_str().unwrap().to_owned();
    let mut take = |key: &str| line.as_object_mut().unwrap().shift_remove(key);
    let interpreter = take("interpreter");
    let argv0 = take("argv0").unwrap();
    take("argv0_base64");
    let name = path.rsplit('/').next().unwrap();
    assert!(
        [path.as_str(), name, &format!("-{name}")].contains(&argv0.as_str().unwrap())
            || interpreter.as_ref() == Some(&argv0),
        "{argv0} of {path}"
    );
    let exe = take("exe");
    let device = take("exe_device");
    let inode = take("exe_inode");
    if take("exe_base64").is_none()
        && let Some(exe) = &exe
    {
        let exe = Path::new(exe.as_str().unwrap());
        let file = fs::metadata(exe).unwrap();
        assert_eq!(inode.unwrap(), file.ino());
        assert_eq!(device.unwrap(), device_number(file.dev()));
        if Path::new(&path).is_absolute() && interpreter.is_none() {
            assert_eq!(exe, fs::canonicalize(&path).unwrap());
        }
    }
    let cwd = take("cwd").unwrap();
    assert!(Path::new(cwd.as_str().unwrap()).is_dir(), "{cwd}");
    if let Some(tty) = take("tty") {
        assert!(tty.as_str().unwrap().starts_with("pts/"), "{tty}");
    }
    let ids = take("ids").unwrap();
    let (uid, gid) = account(line["login"].as_str().unwrap());
    assert_eq!(
        ids,
        serde_json::json!({"uid": uid, "gid": gid, "euid": uid, "egid": gid})
    );
}

/// A device as the events have it.
pub fn device_number(device: u64) -> String {
    format!("{}:{}", libc::major(device), libc::minor(device))
}

/// The uid and gid of an account.
pub fn account(login: &str) -> (u32, u32) {
    let accounts = fs::read_to_string("/etc/passwd").unwrap();
    let fields: Vec<&str> = accounts
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields[0] == login)
        .unwrap();
    (fields[2].parse().unwrap(), fields[3].parse().unwrap())
}

/// The text that `plain` gives a line of a family: what stands in every line, then `rest`.
pub fn expected(event: &str, code: &str, login: &str, rest: &str) -> String {
    format!(
        r#"{{"ei":"<ei>","event":"{event}","uid":"<uid>","code":"{code}","time":"<time>","user":"{login}","login":"{login}","sid":"<sid>","namespace":"default","server_id":"<server_id>","server_hostname":"<server_hostname>","server_version":"<server_version>",{rest}}}"#
    )
}

/// The session.start of a login over ssh, as `plain` gives it; `more` stands in it for what only
/// some have, with a comma at its end.
pub fn start(login: &str, more: &str) -> String {
    expected(
        "session.start",
        "T2000I",
        login,
        &format!(
            r#""addr.local":"127.0.0.1:<port>","addr.remote":"127.0.0.1:<port>",{more}"session_recording":"node""#
        ),
    )
}

/// The session.end of `lines`, as `plain` gives it, where nothing was lost.
pub fn end(login: &str, interactive: bool, more: &str, lines: &[Value]) -> String {
    let count = |family: Family| {
        let of_family = EVENTS.iter().filter(|row| row.family == Some(family));
        let counts = of_family.map(|row| of_kind(lines, row.title.name).len());
        format!(r#""{family}":{}"#, counts.sum::<usize>())
    };
    let counts = Family::counted().map(count).collect::<Vec<_>>().join(",");
    let none = Family::ALL
        .map(|family| format!(r#""{family}":0"#))
        .join(",");
    expected(
        "session.end",
        "T2004I",
        login,
        &format!(
            r#""enhanced_recording":true,"interactive":{interactive},"participants":["{login}"],"session_start":"<session_start>","session_stop":"<session_stop>",{more}"events":{{{counts}}},"losses":{{{none}}}"#
        ),
    )
}

/// A session.channel of a login over ssh, as `plain` gives it; `rest` is what stands behind its
/// number.
pub fn channel(login: &str, program: &str, number: u64, rest: &str) -> String {
    expected(
        "session.channel",
        "R4013I",
        login,
        &format!(
            r#""pid":"<pid>","cgroup_id":"<cgroup_id>","program":"{program}","audit_session_id":"<audit_session_id>","channel":{number},{rest}"#
        ),
    )
}

/// A session.command of a login over ssh, as `plain` gives it.
pub fn command(login: &str, program: &str, path: &str, argv: &[&str]) -> String {
    failed_command(login, program, path, argv, 0)
}

/// A command that could not be run.
pub fn failed_command(
    login: &str,
    program: &str,
    path: &str,
    argv: &[&str],
    return_code: i32,
) -> String {
    let argv = serde_json::to_string(argv).unwrap();
    expected(
        "session.command",
        "T4000I",
        login,
        &format!(
            r#""pid":"<pid>","cgroup_id":"<cgroup_id>","program":"{program}","audit_session_id":"<audit_session_id>","ppid":"<ppid>","path":"{path}","argv":{argv},"return_code":{return_code}"#
        ),
    )
}

/// A session.disk of a login over ssh, as `plain` gives it; `rest` is what stands behind what every
/// event of a process has.
pub fn file_operation(login: &str, program: &str, rest: &str) -> String {
    expected(
        "session.disk",
        "T4001I",
        login,
        &format!(
            r#""pid":"<pid>","cgroup_id":"<cgroup_id>","program":"{program}","audit_session_id":"<audit_session_id>",{rest}"#
        ),
    )
}

/// An open of what was there, or could not be opened, by its whole path.
pub fn disk(login: &str, program: &str, path: &str, flags: i32, return_code: i32) -> String {
    let access = match flags & libc::O_ACCMODE {
        _ if flags & libc::O_PATH != 0 => "path",
        libc::O_RDONLY => "read",
        libc::O_WRONLY => "write",
        _ => "read_write",
    };
    file_operation(
        login,
        program,
        &format!(
            r#""path":"{path}","flags":{flags},"return_code":{return_code},"operation":"open","access":"{access}""#
        ),
    )
}

/// An open that made the file, with this mode.
pub fn created(login: &str, program: &str, path: &str, flags: i32, mode: &str) -> String {
    let opened = disk(login, program, path, flags, 0);
    let opened = opened.replace(r#""operation":"open""#, r#""operation":"create""#);
    format!(r#"{},"mode":"{mode}"}}"#, opened.strip_suffix('}').unwrap())
}

/// An open that gives a path as it was requested, which is another one.
pub fn requested(line: &str, requested: &str) -> String {
    let (before, after) = line.split_once(r#","access":""#).unwrap();
    let (access, after) = after.split_once('"').unwrap();
    format!(r#"{before},"access":"{access}","requested_path":"{requested}"{after}"#)
}

/// A session.network of a login over ssh, as `plain` gives it.
pub fn network(login: &str, program: &str, address: &str, port: u16, version: u8) -> String {
    expected(
        "session.network",
        "T4002I",
        login,
        &format!(
            r#""pid":"<pid>","cgroup_id":"<cgroup_id>","program":"{program}","audit_session_id":"<audit_session_id>","src_addr":"{address}","dst_addr":"{address}","dst_port":{port},"version":{version},"operation":0,"action":0,"protocol":"tcp""#
        ),
    )
}

/// The session.network of a first datagram, as `plain` gives it. `more` stands behind the protocol,
/// with a comma before it.
pub fn sent(
    login: &str,
    [source, destination]: [SocketAddr; 2],
    protocol: &str,
    more: &str,
) -> String {
    let version = if source.is_ipv4() { 4 } else { 6 };
    let source_port = match source.port() {
        0 => String::new(),
        port => format!(r#""src_port":{port},"#),
    };
    expected(
        "session.network",
        "T4002I",
        login,
        &format!(
            r#""pid":"<pid>","cgroup_id":"<cgroup_id>","program":"python3","audit_session_id":"<audit_session_id>","src_addr":"{}","dst_addr":"{}","dst_port":{},"version":{version},"operation":1,"action":0,{source_port}"protocol":"{protocol}"{more}"#,
            source.ip(),
            destination.ip(),
            destination.port()
        ),
    )
}

/// The session.network_sends of those that had no event, as `plain` gives it.
pub fn sends(
    login: &str,
    destination: SocketAddr,
    protocol: &str,
    more: &str,
    count: u64,
) -> String {
    let version = if destination.is_ipv4() { 4 } else { 6 };
    expected(
        "session.network_sends",
        "R4008I",
        login,
        &format!(
            r#""pid":"<pid>","cgroup_id":"<cgroup_id>","program":"python3","audit_session_id":"<audit_session_id>","dst_addr":"{}","dst_port":{},"version":{version},"protocol":"{protocol}"{more},"count":{count},"network_uid":"<network_uid>""#,
            destination.ip(),
            destination.port()
        ),
    )
}

/// The lines of one kind, as `plain` gives them.
pub fn plains(lines: &[Value], event: &str) -> Vec<String> {
    of_kind(lines, event).into_iter().map(plain).collect()
}

/// What was opened in a folder, as `plain` gives it.
pub fn opened_in(folder: &Path, lines: &[Value]) -> Vec<String> {
    let operations = files_in(folder, lines).into_iter();
    operations
        .filter(|line| line.get("access").is_some())
        .map(plain)
        .collect()
}

/// What else was done in a folder, as `plain` gives it.
pub fn done_in(folder: &Path, lines: &[Value]) -> Vec<String> {
    let operations = files_in(folder, lines).into_iter();
    operations
        .filter(|line| line.get("access").is_none())
        .map(plain)
        .collect()
}

/// The events of files of which a path is in a folder.
fn files_in<'a>(folder: &Path, lines: &'a [Value]) -> Vec<&'a Value> {
    let folder = format!("{}/", folder.display());
    let is_in = |path: &Value| path.as_str().is_some_and(|path| path.starts_with(&folder));
    let mut lines = of_kind(lines, "session.disk");
    lines.retain(|line| is_in(&line["path"]) || is_in(&line["target"]));
    lines
}

/// A line that `plain` gives, of a login whose identity is known.
pub fn known_as(identity: &str, login: &str, line: &str) -> String {
    line.replace(
        &format!(r#""user":"{login}""#),
        &format!(r#""user":"{identity}""#),
    )
    .replace(
        &format!(r#""participants":["{login}"]"#),
        &format!(r#""participants":["{identity}"]"#),
    )
}
