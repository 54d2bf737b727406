//! The config as operators write it, right and wrong.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use super::error::remedy;
use super::keys::{VARIABLE_LENGTH, children};
use super::*;
use crate::abi::VARIABLE_COUNT as VARIABLES;
use crate::base::{self, Family, Limits, Output, Sync};
use crate::random::Random;

const GUIDE_FILE: &str = "\
version: v3
teleport:
  nodename: graviton-node
  auth_token: abcd123-insecure-do-not-use-this
  auth_server: 127.0.0.1:3025
  proxy_server: 127.0.0.1:3080
  data_dir: /var/lib/teleport
proxy_service: {enabled: false}
auth_service: {enabled: false}
ssh_service:
  enabled: true
  enhanced_recording:
    enabled: true
    command_buffer_size: 8      # pages, a power of two; default 8
    disk_buffer_size: 128       # default 128
    network_buffer_size: 8      # default 8
    cgroup_path: /cgroup2       # default /cgroup2; mounted there if nothing is
    root_path: /teleport        # default /teleport; base of the session cgroups
";

fn guide_defaults() -> Config {
    Config {
        enabled: false,
        root_path: "/teleport".to_owned(),
        data_dir: PathBuf::from("/var/lib/teleport"),
        ..Config::default()
    }
}

fn config(text: &str) -> Config {
    let loaded = Config::parse("config.yaml", text.as_bytes());
    loaded.unwrap_or_else(|refused| panic!("{refused}")).config
}

fn errors(text: &str) -> Vec<String> {
    let loaded = Config::parse("config.yaml", text.as_bytes());
    loaded.expect_err("the text is refused").lines()
}

#[track_caller]
fn refused(text: &str, error: &str) {
    assert_eq!(errors(text), [error]);
}

#[test]
fn the_defaults_are_as_they_are_shown() {
    let shown = defaults::text();
    assert_eq!(config(&shown), Config::default());
    for key in super::shown() {
        let line = format!("\n{}: {}", key.name, key.default);
        assert!(shown.contains(line.trim_end()), "{line}");
        // An absent value leaves the default in its place, whatever that is.
        let is_optional = [
            "nodename",
            "cluster_name",
            "metrics_file",
            "backend",
            "btf_path",
        ]
        .contains(&key.name);
        assert_eq!(key.default.is_empty(), is_optional, "{}", key.name);
    }
    let commented = super::shown().iter().fold(shown, |text, key| {
        let [key, comment] = ["", "#"].map(|before| format!("\n{before}{}:", key.name));
        text.replace(&key, &comment)
    });
    assert_eq!(defaults::template(), commented);
    assert_eq!(config(&commented), Config::default());
}

/// The whole table of docs/config.md is made from the rows.
#[test]
fn the_docs_have_each_key() {
    let code = |text: &str| match text {
        "" => "–".to_owned(),
        _ => format!("`{text}`"),
    };
    let row = |key: &Key| {
        let guide = if key.guide == key.name { "" } else { key.guide };
        let counts = match key.reload {
            Reload::Follows => "at once",
            Reload::Restart => "after a restart",
        };
        let cells = [
            &code(key.name),
            &code(key.default),
            &code(guide),
            counts,
            key.meaning,
        ];
        format!("| {} |", cells.join(" | "))
    };
    let expected: Vec<_> = keys().map(row).collect();
    let docs = include_str!("../../docs/config.md");
    let rows: Vec<_> = docs.lines().filter(|it| it.starts_with("| `")).collect();
    assert_eq!(rows, expected, "it should be:\n{}", expected.join("\n"));
}

#[test]
fn each_key_and_mapping_is_there_once_and_explained() {
    for form in [|key: &Key| key.name, |key: &Key| key.guide] {
        let mut paths: Vec<_> = keys().map(form).collect();
        paths.sort_unstable();
        let count = paths.len();
        paths.dedup();
        assert_eq!(paths.len(), count);
        // No key is a mapping as well.
        for pair in paths.windows(2) {
            assert!(!pair[1].starts_with(&format!("{}.", pair[0])), "{pair:?}");
        }
    }
    for line in super::shown() {
        assert!(!line.meaning.is_empty(), "{}", line.name);
    }
    let names = super::shown().into_iter().map(|line| line.name);
    let tops: Vec<_> = names.collect();
    assert_eq!(tops, children(keys().map(|key| key.name), ""));
    refused(
        "exclude.disk.paths: []",
        &format!(
            "config.yaml:1: exclude.disk.paths: unknown key; known here: {}",
            tops.join(", ")
        ),
    );
}

#[test]
fn required_is_a_list_of_families() {
    assert_eq!(config("").required, Family::CHOICES);
    assert_eq!(config("required: []").required, []);
    let two = [Family::Command, Family::Disk];
    assert_eq!(config("required: [command, disk]").required, two);
    refused(
        "required: [files]",
        "config.yaml:1: required: files is not a family; these are: \
         session, command, disk, network, privilege",
    );
    refused(
        "required: disk",
        "config.yaml:1: required: disk is not a list; write families as in \
         [session, command, disk, network, privilege]",
    );
}

#[test]
fn what_is_recorded_is_by_family_user_and_group() {
    assert_eq!(config("record:\nexclude:").filter, Filter::default());
    let text = "\
record:
  families: [command]
  users:
    deploy: []
    1001: [command, disk]
  groups: {admins: [privilege]}
";
    let named = |name: &str, families: &[Family]| (name.to_owned(), families.to_vec());
    let filter = config(text).filter;
    assert_eq!(filter.families, [Family::Command]);
    assert_eq!(
        filter.users,
        [
            named("deploy", &[]),
            named("1001", &[Family::Command, Family::Disk])
        ]
    );
    assert_eq!(filter.groups, [named("admins", &[Family::Privilege])]);
    refused(
        "record:\n  users:\n    ann: command",
        "config.yaml:3: users.ann: command is not a list; write families as in \
         [session, command, disk, network, privilege]",
    );
    refused(
        "record: {group: []}",
        "config.yaml:1: group: unknown key; did you mean groups?",
    );
}

#[test]
fn what_is_excluded_is_by_operation_and_path() {
    let text = "\
exclude:
  disk:
    operations: [open, mkdir]
    paths: [/proc/*, /dev/null]
    except: [/proc/kcore]
  privilege: {operations: [setuid, pivot_root]}
";
    let filter = config(text).filter;
    assert_eq!(filter.disk_operations, 1 << 0 | 1 << 6);
    assert_eq!(filter.privilege_operations, 1 << 1 | 1 << 22);
    let pattern = |begins: &str, whole| Pattern {
        begins: begins.to_owned(),
        whole,
    };
    assert_eq!(
        filter.paths,
        [pattern("/proc/", false), pattern("/dev/null", true)]
    );
    assert_eq!(filter.except, [pattern("/proc/kcore", true)]);
    for (paths, reason) in [
        (
            "proc/*",
            "proc/* is not an absolute path; begin it with \"/\"",
        ),
        (
            "/a/*/b",
            "/a/*/b has a * before its end; leave the rest away, or write several paths",
        ),
    ] {
        refused(
            &format!("exclude: {{disk: {{paths: [{paths}]}}}}"),
            &format!("config.yaml:1: paths: {reason}"),
        );
    }
    let long = format!("/{}", "x".repeat(64));
    refused(
        &format!("exclude: {{disk: {{except: [{long}]}}}}"),
        &format!(
            "config.yaml:1: except: {}... is longer than 64 bytes; cut it, and end it with *",
            &long[..60]
        ),
    );
    let most = [&long[..64]; 16];
    let text = format!("exclude: {{disk: {{paths: [{}]}}}}", most.join(", "));
    assert_eq!(config(&text).filter.paths, most.map(|it| pattern(it, true)));
    let many = ["/x"; 17].join(", ");
    refused(
        &format!("exclude: {{disk: {{paths: [{many}]}}}}"),
        "config.yaml:1: paths: 17 paths are too many; 16 is the most",
    );
    let error = &errors("exclude: {privilege: {operations: [none]}}")[0];
    let begins = "config.yaml:1: operations: none is not an operation; these are: setuid, ";
    assert!(error.starts_with(begins), "{error}");
}

#[test]
fn plan_is_one_of_two() {
    assert_eq!(config("").backend, None);
    assert_eq!(config("backend: fexit").backend, Some(base::Backend::Fexit));
    assert_eq!(
        config("backend: fentry").backend,
        Some(base::Backend::Fexit)
    );
    assert_eq!(
        config("backend: tracepoint").backend,
        Some(base::Backend::Tracepoint)
    );
    refused(
        "backend: kprobe",
        "config.yaml:1: backend: kprobe is not a backend; write fexit or tracepoint",
    );
}

#[test]
fn btf_path_is_a_path() {
    assert_eq!(config("").btf_path, None);
    assert_eq!(config("btf_path: /btf").btf_path, Some("/btf".into()));
    refused(
        "btf_path: btf",
        "config.yaml:1: btf_path: btf is not an absolute path; begin it with \"/\"",
    );
}

#[test]
fn environment_is_a_list_of_names() {
    let parsed = |text: &str| {
        let parsed = Config::parse("config.yaml", text.as_bytes());
        parsed.map_err(|refused| refused.lines())
    };
    let names = |text: &str| parsed(text).unwrap().config.environment;
    assert_eq!(names(""), ["LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT"]);
    assert_eq!(names("environment: []"), [""; 0]);
    assert_eq!(names("environment: [PATH, A_1]"), ["PATH", "A_1"]);
    let longest = "X".repeat(VARIABLE_LENGTH);
    let most = vec![longest.clone(); VARIABLES];
    let list = |names: &[String]| format!("environment: [{}]", names.join(", "));
    assert_eq!(names(&list(&most)), most);
    assert_eq!(
        parsed(&list(&[most, vec!["A".into()]].concat())).unwrap_err(),
        [format!(
            "config.yaml:1: environment: {} names are too many; {VARIABLES} is the most",
            VARIABLES + 1
        )]
    );
    for wrong in [longest + "X", "''".to_owned(), "É".to_owned()] {
        let error = parsed(&list(&[wrong])).unwrap_err().remove(0);
        assert!(
            error.contains("is not a name of 1 to 31 letters"),
            "{error}"
        );
    }
    assert_eq!(
        parsed("environment: LD_PRELOAD").unwrap_err(),
        ["config.yaml:1: environment: LD_PRELOAD is not a list; \
             write names as in [LD_PRELOAD, LD_AUDIT]"]
    );
    assert_eq!(
        parsed("environment: [A, B=C]").unwrap_err(),
        [
            "config.yaml:1: environment: B=C is not a name of 1 to 31 letters, digits and \
             underscores; correct or remove it"
        ]
    );
}

#[test]
fn aggregation_is_some_seconds_up_to_a_day() {
    let silence = |text: &str| config(text).network_aggregation.as_secs();
    assert_eq!(silence("network_aggregation_seconds:"), 60);
    assert_eq!(silence("network_aggregation_seconds: 1"), 1);
    assert_eq!(silence("network_aggregation_seconds: 86400"), 86_400);
    for (value, shown) in [("0", "0"), ("-1", "-1"), ("86401", "86401"), ("1.5", "1.5")] {
        refused(
            &format!("network_aggregation_seconds: {value}"),
            &format!(
                "config.yaml:1: network_aggregation_seconds: {shown} is not a number of seconds from 1 \
                 to 86400; 60 is the default"
            ),
        );
    }
    refused(
        "network_aggregation_seconds: \"60\"",
        "config.yaml:1: network_aggregation_seconds: \"60\" is in quotes, so not a number; remove the \
         quotes",
    );
}

#[test]
fn the_guides_file_is_accepted_as_it_stands() {
    let loaded = Config::parse("config.yaml", GUIDE_FILE.as_bytes()).unwrap();
    let expected = Config {
        enabled: true,
        command_buffer_pages: 8,
        disk_buffer_pages: 128,
        network_buffer_pages: 8,
        nodename: Some("graviton-node".to_owned()),
        ..guide_defaults()
    };
    assert_eq!(loaded.config, expected);
    assert_eq!(
        loaded.notices,
        [
            "config.yaml: keys that have no effect on this host are ignored: version, \
                 teleport.auth_token, teleport.auth_server, teleport.proxy_server, \
                 proxy_service, auth_service"
        ]
    );
}

#[test]
fn the_guides_form_records_only_when_service_and_recording_are_enabled() {
    for (text, enabled) in [
        ("version: v3", false),
        ("ssh_service: {enabled: yes}", false),
        ("ssh_service: {enhanced_recording: {}}", false),
        ("ssh_service: {enhanced_recording: {enabled: }}", false),
        ("ssh_service: {enhanced_recording: {enabled: yes}}", true),
        (
            "ssh_service: {enabled: \"no\", enhanced_recording: {enabled: yes}}",
            false,
        ),
    ] {
        let expected = Config {
            enabled,
            ..guide_defaults()
        };
        assert_eq!(config(text), expected, "{text}");
    }
}

#[test]
fn the_guides_form_takes_labels_and_the_own_top_level_keys() {
    let text = "\
ssh_service:
  labels: {role: leader, level: 7, empty: , tilde: ~, null: Null, quoted: '~'}
cluster_name: purple
output: stdout
";
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let expected = Config {
        labels: vec![
            pair("role", "leader"),
            pair("level", "7"),
            pair("empty", ""),
            pair("tilde", ""),
            pair("null", ""),
            pair("quoted", "~"),
        ],
        cluster_name: Some("purple".to_owned()),
        output: vec![Output::Stdout],
        ..guide_defaults()
    };
    assert_eq!(config(text), expected);
}

#[test]
fn the_own_form_has_every_key_at_the_top() {
    let text = "\
enabled: off
command_buffer_size: 0x10
disk_buffer_size: 0o100
network_buffer_size: +65536
network_aggregation_seconds: 0x10
cgroup_path: /sys/fs/cgroup
root_path: /a/b
data_dir: /srv/log
nodename: web-1
cluster_name: \"purple\"
labels:
  role: leader
output: [journald, file]
syslog_socket: /run/log.socket
journald_socket: /run/systemd/journal.audit/socket
metrics_file: /srv/metrics/recorderd.prom
fsync: session-end
overload: throttle
log_file_size: 500M
log_total_size: 2T
log_days: 90
terminal: off
seal: off
seal_interval: 60
";
    let expected = Config {
        enabled: false,
        command_buffer_pages: 16,
        disk_buffer_pages: 64,
        network_buffer_pages: 65536,
        network_aggregation: Duration::from_secs(16),
        cgroup_path: PathBuf::from("/sys/fs/cgroup"),
        root_path: "/a/b".to_owned(),
        data_dir: PathBuf::from("/srv/log"),
        nodename: Some("web-1".to_owned()),
        cluster_name: Some("purple".to_owned()),
        labels: vec![("role".to_owned(), "leader".to_owned())],
        output: vec![Output::Journald, Output::File],
        metrics_file: Some(PathBuf::from("/srv/metrics/recorderd.prom")),
        syslog_socket: PathBuf::from("/run/log.socket"),
        journald_socket: PathBuf::from("/run/systemd/journal.audit/socket"),
        fsync: Sync::SessionEnd,
        overload: Overload::Throttle,
        log: Limits {
            file_size: 500 << 20,
            total_size: 2 << 40,
            days: 90,
        },
        terminal: false,
        seal: false,
        seal_interval: Duration::from_secs(60),
        environment: Config::default().environment,
        required: Config::default().required,
        filter: Filter::default(),
        logins: Config::default().logins,
        btf_path: None,
        backend: None,
    };
    assert_eq!(config(text), expected);
}

#[test]
fn login_types_are_a_list_of_names() {
    assert_eq!(config("").logins, 1 << 1);
    assert_eq!(config("login_types: [ssh]").logins, 1 << 1);
    assert_eq!(config("login_types: [cron, su]").logins, 1 << 3 | 1 << 5);
    assert_eq!(config("login_types: []").logins, 0);
    refused(
        "login_types: [tty]",
        "config.yaml:1: login_types: tty is not a type of login; these are: ssh, console, cron, at, su",
    );
    refused(
        "login_types: ssh",
        "config.yaml:1: login_types: ssh is not a list; write types of logins as in [ssh]",
    );
}

#[test]
fn the_log_has_limits_that_make_sense() {
    assert_eq!(
        config("log_file_size: 0\nlog_days: 0").log,
        Limits::default()
    );
    for (word, sync) in [
        ("per-event", Sync::PerEvent),
        ("interval", Sync::Interval),
        ("session-end", Sync::SessionEnd),
    ] {
        assert_eq!(config(&format!("fsync: {word}")).fsync, sync);
    }
    for (word, overload) in [("drop", Overload::Drop), ("throttle", Overload::Throttle)] {
        assert_eq!(config(&format!("overload: {word}")).overload, overload);
    }
    for (written, size) in [
        ("4096", 4096),
        ("4K", 4096),
        ("1M", 1 << 20),
        ("3G", 3 << 30),
    ] {
        let text = format!("log_file_size: {written}\nlog_total_size: {written}");
        let log = config(&text).log;
        assert_eq!((log.file_size, log.total_size), (size, size));
    }
    refused(
        "log_file_size: 100",
        "config.yaml:1: log_file_size: 100 is less than 4096 bytes; write more, or 0 for no limit",
    );
    for wrong in ["-1", "5 MB", "1.5G", "M", "9223372036854775807T", "[]"] {
        let error = errors(&format!("log_total_size: {wrong}")).remove(0);
        assert!(error.contains("is not a size"), "{error}");
    }
    refused(
        "log_days: '7'",
        "config.yaml:1: log_days: \"7\" is not a number of days; write one, such as 90d, or 0 for no limit",
    );
    refused(
        "log_days: a week",
        "config.yaml:1: log_days: a week is not a number of days; write one, such as 90d, or 0 for no limit",
    );
    refused(
        "overload: wait",
        "config.yaml:1: overload: wait is not a policy; write drop or throttle",
    );
    refused(
        "fsync: always",
        "config.yaml:1: fsync: always is not a policy; write per-event, interval or session-end",
    );
}

#[test]
fn what_is_not_written_is_the_default() {
    for text in [
        "",
        "# nothing\n",
        "---\n",
        "{}",
        "\u{feff}enabled: true",
        "command_buffer_size: 0\r\ndisk_buffer_size: ~\r\nnetwork_buffer_size:\r\n",
        "enabled:\ncgroup_path: ''\nroot_path: null\nnodename: \"\"\nlabels:\noutput:\n",
    ] {
        assert_eq!(config(text), Config::default(), "{text:?}");
    }
}

#[test]
fn sizes_and_days_can_have_units() {
    let pages = (4 << 20) / base::page_size() as u32;
    assert_eq!(
        config("command_buffer_size: 4M").command_buffer_pages,
        pages
    );
    assert_eq!(config("disk_buffer_size: 4096K").disk_buffer_pages, pages);
    assert_eq!(config("log_days: 90d").log.days, 90);
    refused(
        "command_buffer_size: 4m",
        "config.yaml:1: command_buffer_size: 4m is not a number of pages; write a power of two, such as 1024, or a \
         size such as 4M",
    );
    refused(
        "disk_buffer_size: 3M",
        &format!(
            "config.yaml:1: disk_buffer_size: 3M is not a power of two; {} is the nearest",
            (4 << 20) / base::page_size()
        ),
    );
}

#[test]
fn sizes_that_cannot_be_are_refused() {
    for (value, reason) in [
        ("7", "7 is not a power of two; 8 is the nearest"),
        ("5", "5 is not a power of two; 4 is the nearest"),
        ("6", "6 is not a power of two; 8 is the nearest"),
        ("0x41", "0x41 is not a power of two; 64 is the nearest"),
        ("-8", "-8 is negative; write 0 for the default of 1024"),
        (
            "131072",
            "131072 is more than 65536 pages; 65536 is the most",
        ),
        (
            "99999999999999999999",
            "99999999999999999999 is more than 65536 pages; 65536 is the most",
        ),
        (
            "\"8\"",
            "\"8\" is in quotes, so not a number; remove the quotes",
        ),
        (
            "8.0",
            "8.0 is not a number of pages; write a power of two, such as 1024, or a size such as 4M",
        ),
        (
            "0x-8",
            "0x-8 is not a number of pages; write a power of two, such as 1024, or a size such as 4M",
        ),
        (
            "{pages: 8}",
            "a mapping is not a number of pages; write a power of two, such as 1024, or a size such as 4M",
        ),
        (
            "[8]",
            "a list is not a number of pages; write a power of two, such as 1024, or a size such as 4M",
        ),
    ] {
        let error = format!("config.yaml:2: command_buffer_size: {reason}");
        refused(&format!("\ncommand_buffer_size: {value}\n"), &error);
    }
}

#[test]
fn values_of_the_wrong_sort_are_refused() {
    refused(
        "output:\n- file\n-\n",
        "config.yaml:1: output: an empty value is not an output; these are: file, stdout, syslog, \
         journald",
    );
    for (text, error) in [
        (
            "enabled: maybe",
            "enabled: maybe is not a boolean; write true or false",
        ),
        (
            "enabled: [true]",
            "enabled: a list is not a boolean; write true or false",
        ),
        (
            "output: [file, stdout, file]",
            "output: file is there twice; remove one",
        ),
        (
            "output: []",
            "output: there is none in the list; write one of: file, stdout, syslog, journald",
        ),
        (
            "output: syslogd",
            "output: syslogd is not an output; these are: file, stdout, syslog, journald",
        ),
        (
            "data_dir: var/lib",
            "data_dir: var/lib is not an absolute path; begin it with \"/\"",
        ),
        (
            "cgroup_path: \"/a\\0\"",
            "cgroup_path: \"/a\\0\" has a NUL character in it; remove it",
        ),
        (
            "root_path: teleport",
            "root_path: teleport is not an absolute path; begin it with \"/\"",
        ),
        (
            "root_path: /a/../..",
            "root_path: /a/../.. leads upwards with \"..\"; write the path without it",
        ),
        (
            "nodename: {}",
            "nodename: a mapping is not text; write one value after the colon",
        ),
        (
            "labels: {role: [a]}",
            "labels.role: a list is not text; write one value after the colon",
        ),
        (
            "labels: leader",
            "labels: leader is not a mapping; write its keys below it, further indented",
        ),
        (
            "teleport: []",
            "teleport: a list is not a mapping; write its keys below it, further indented",
        ),
        (
            "- enabled",
            "a list is not a mapping; write keys and values, such as \"enabled: true\"",
        ),
        (
            "enabled",
            "enabled is not a mapping; write keys and values, such as \"enabled: true\"",
        ),
    ] {
        refused(text, &format!("config.yaml:1: {error}"));
    }
}

#[test]
fn unknown_keys_come_with_the_nearest_known_one() {
    refused(
        "comand_bufer_size: 8",
        "config.yaml:1: comand_bufer_size: unknown key; did you mean command_buffer_size?",
    );
    refused(
        "ssh_service:\n  lables: {}",
        "config.yaml:2: lables: unknown key; did you mean labels?",
    );
    refused(
        "ssh_service:\n  disk_buffer_size: 8",
        "config.yaml:2: disk_buffer_size: unknown key; \
             it belongs under ssh_service.enhanced_recording",
    );
    refused(
        "ssh_service:\n  enhanced_recording:\n    \"a\\nb\": 8",
        "config.yaml:3: a\\nb: unknown key; known here: enabled, command_buffer_size, \
             disk_buffer_size, network_buffer_size, cgroup_path, root_path",
    );
}

#[test]
fn every_error_is_listed_in_the_order_of_the_file() {
    let text = "\
ssh_service:
  enabled: 2
  enhanced_recording:
    enabled: true
    command_buffer_size: 7
    command_buffer_size: 8
    disk_buffer_size: !!int 8
    network_buffer_size: -1
output: none
";
    assert_eq!(
        errors(text),
        [
            "config.yaml:2: enabled: 2 is not a boolean; write true or false",
            "config.yaml:5: command_buffer_size: 7 is not a power of two; 8 is the nearest",
            "config.yaml:6: command_buffer_size: written before, on line 5; \
                 remove one of them",
            "config.yaml:7: a tag (!) is not allowed; write the value without it",
            "config.yaml:8: network_buffer_size: -1 is negative; \
                 write 0 for the default of 1024",
            "config.yaml:9: output: none is not an output; these are: file, stdout, syslog, journald",
        ]
    );
}

#[test]
fn bytes_that_are_not_text_are_refused() {
    let error = |bytes: &[u8]| Config::parse("config.yaml", bytes).unwrap_err().lines();
    assert_eq!(
        error(b"enabled: true\nnodename: \xff\n"),
        ["config.yaml:2: byte 0xff at offset 24 is not UTF-8; save the file as UTF-8"]
    );
    assert_eq!(
        error(&vec![b'#'; FILE_LIMIT + 1]),
        ["config.yaml: larger than 1048576 bytes; check that it is a config file"]
    );
    assert!(Config::parse("config.yaml", &vec![b'#'; FILE_LIMIT]).is_ok());
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let error = |path: &str| Config::load(Path::new(path)).unwrap_err().lines();
    assert_eq!(
        error("/nonexistent/config.yaml"),
        [
            "/nonexistent/config.yaml: cannot be read: No such file or directory \
                 (os error 2); create it, or name another file with --config"
        ]
    );
    assert_eq!(
        error("/"),
        ["/: cannot be read: Is a directory (os error 21); \
                 name a regular file with --config"]
    );
    // Not to root, who may run this.
    assert_eq!(
        remedy(ErrorKind::PermissionDenied),
        "make it readable to the user recorderd runs as"
    );
    // One that never ends.
    assert_eq!(
        error("/dev/zero"),
        ["/dev/zero: larger than 1048576 bytes; check that it is a config file"]
    );
}

#[test]
fn damaged_files_give_errors_and_never_a_panic() {
    const PIECES: [&[u8]; 24] = [
        b"&a ",
        b"*a",
        b"!!int ",
        b"[",
        b"]",
        b"{",
        b"}",
        b": ",
        b"- ",
        b"? ",
        b"\"",
        b"'",
        b"|\n",
        b">-\n",
        b"\n",
        b"\r",
        b"\t",
        b"---\n",
        b"...\n",
        b"%TAG ! x\n",
        b"#",
        b"\0",
        b"\xff",
        b"\xef\xbb\xbf",
    ];
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut accepted = 0;
    for _ in 0..20_000 {
        let mut bytes = GUIDE_FILE.as_bytes().to_vec();
        for _ in 0..1 + random.below(6) {
            let start = random.below(bytes.len());
            let end = (start + random.below(40)).min(bytes.len());
            match random.below(4) {
                0 => bytes[start] = random.below(256) as u8,
                1 => drop(bytes.drain(start..end)),
                2 => bytes.extend_from_within(start..end),
                _ => {
                    let piece = PIECES[random.below(PIECES.len())];
                    drop(bytes.splice(start..start, piece.iter().copied()));
                }
            }
        }
        match Config::parse("config.yaml", &bytes) {
            Ok(loaded) => {
                accepted += 1;
                assert!(loaded.config.root_path.starts_with('/'));
                assert!(loaded.config.command_buffer_pages.is_power_of_two());
            }
            Err(refused) => {
                let errors = refused.lines();
                assert!(!errors.is_empty());
                for error in errors {
                    assert!(error.starts_with("config.yaml:"), "{error}");
                    assert!(!error.contains(char::is_control), "{error}");
                }
            }
        }
    }
    assert!((500..19_500).contains(&accepted), "{accepted}");
}

/// Of a config in which each key has another value
#[test]
fn a_running_recorder_follows_what_it_can() {
    let own = Config::default();
    let other = config(
        "enabled: off\ncommand_buffer_size: 16\ndisk_buffer_size: 64\nnetwork_buffer_size: 32\n\
         network_aggregation_seconds: 16\ncgroup_path: /sys/fs/cgroup\nroot_path: /a\n\
         data_dir: /srv/log\nnodename: web-1\ncluster_name: purple\nlabels: {role: leader}\n\
         output: [journald]\nsyslog_socket: /run/log\njournald_socket: /run/journal\n\
         required: [command]\nlogin_types: [ssh, su]\nbtf_path: /btf\nbackend: tracepoint\n\
         metrics_file: /srv/metrics\nfsync: session-end\noverload: throttle\nlog_days: 90\n\
         environment: [HOME]\nrecord: {families: [disk]}\nexclude: {disk: {paths: [/proc/*]}}",
    );
    let (followed, keys) = own.follow(&other);
    let expected = Config {
        network_aggregation: Duration::from_secs(16),
        fsync: Sync::SessionEnd,
        log: other.log,
        environment: vec!["HOME".to_owned()],
        filter: other.filter.clone(),
        ..Config::default()
    };
    assert_ne!(other.log, own.log);
    assert_ne!(other.filter, own.filter);
    assert_eq!(followed, expected);
    assert_eq!(
        keys,
        [
            "enabled",
            "data_dir",
            "command_buffer_size",
            "disk_buffer_size",
            "network_buffer_size",
            "cgroup_path",
            "root_path",
            "nodename",
            "cluster_name",
            "labels",
            "output",
            "syslog_socket",
            "journald_socket",
            "metrics_file",
            "overload",
            "required",
            "login_types",
            "backend",
            "btf_path",
        ]
    );
    // What is given again differs in those that it does not follow, and nothing else.
    assert_eq!(followed.follow(&other), (expected, keys));
    assert_eq!(other.follow(&other), (other.clone(), Vec::new()));
}
