//! The page of a session, opened in a browser: it shows the session, and nothing in it runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::{self, Folder, Host, ONE, Outcome, binary, printed};
use libtest_mimic::Trial;
use serde_json::{Value, json};

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    let version = Command::new("chromium").arg("--version").output();
    let has_browser = version.is_ok_and(|output| output.status.success());
    let tests: [common::Test; 3] = [
        ("a page to read", reading),
        ("nothing in it runs", hostile),
        ("what the page says", content),
    ];
    common::tests_with(module_path!(), &tests, |name| {
        (!has_browser && name != "what the page says").then_some("chromium")
    })
}

/// Arguments that would run if they were not text.
const HOSTILE: [&str; 8] = [
    "<script>alert(\"argument\")</script>",
    "</script><script>window.ran=1</script>",
    "--><script>window.ran=2</script><!--",
    "\"><img src=x onerror=window.ran=3>",
    "'><svg onload=window.ran=4>",
    "</title></style></code></b><iframe srcdoc='<script>top.ran=5</script>'></iframe>",
    "\u{2028}window.ran=6;//\u{2029}\u{202e}",
    "&lt;script&gt;window.ran=7&lt;/script&gt;\u{1b}[2J",
];

/// A log with a session that ran a program with these arguments.
struct Recorded {
    folder: Folder,
    log: PathBuf,
    sid: String,
}

fn recorded() -> Recorded {
    let host = Host::start();
    let folder = host.folder.shared();
    let words = HOSTILE.map(|word| format!("'{}'", word.replace('\'', r"'\''")));
    let script = format!(
        "cd {}; /bin/echo {} > '<b>out'; /bin/sh -c 'exit 3; :'; exec 3<>/dev/tcp/127.0.0.1/{}; /bin/cat /etc/hostname",
        folder.display(),
        words.join(" "),
        host.port
    );
    host.ssh(ONE, &script);
    let sid = host.sessions(1)[0][0]["sid"].as_str().unwrap().to_owned();
    let Host {
        folder, mut daemon, ..
    } = host;
    daemon.stop();
    let id = fs::read_to_string(folder.path().join("host_uuid")).unwrap();
    let log = folder.path().join("log").join(id.trim()).join("events.log");
    Recorded { folder, log, sid }
}

impl Recorded {
    fn page(&self) -> PathBuf {
        let page = self.folder.path().join("page.html");
        let mut report = Command::new(binary());
        report
            // A whole id would end the reading with the first session.end.
            .args(["report", &self.sid[..35], "--log"])
            .arg(&self.log)
            .arg("-o")
            .arg(&page);
        assert_eq!(printed(&mut report), "");
        page
    }

    /// Adds lines to the log, as of the session.
    fn add(&self, lines: &[Value]) {
        let mut log = fs::read_to_string(&self.log).unwrap();
        for line in lines {
            let mut line = line.clone();
            line["sid"] = self.sid.as_str().into();
            line["time"] = "2026-11-22T00:00:00.000Z".into();
            log = format!("{line}\n{log}");
        }
        fs::write(&self.log, log).unwrap();
    }
}

/// Opens a page in the browser and does what the steps say.
fn browse(page: &Path, steps: &[Value]) -> Value {
    let file = page.with_extension("json");
    fs::write(&file, json!(steps).to_string()).unwrap();
    let browser = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/report/browser");
    let mut command = Command::new(common::PYTHON);
    command.arg(browser).arg(page).arg(file);
    // To make the picture in docs/ anew.
    if let Some(picture) = std::env::var_os("SCREENSHOT") {
        command.arg(picture);
    }
    serde_json::from_str(&printed(&mut command)).unwrap()
}

/// It is searched and folded
fn reading() -> Outcome {
    let recorded = recorded();
    let visible = json!({"evaluate": "[...document.querySelectorAll('#processes summary')].filter(e => e.checkVisibility()).length"});
    let rows = json!({"evaluate": "[...document.querySelectorAll('.row')].filter(e => e.checkVisibility()).map(e => e.textContent)"});
    let found = json!({"evaluate": "document.querySelector('output').textContent"});
    let seen = browse(
        &recorded.page(),
        &[
            visible.clone(),
            json!({"click": "#processes summary"}),
            visible.clone(),
            json!({"click": "#unfold"}),
            visible.clone(),
            json!({"click": "#fold"}),
            visible.clone(),
            json!({"click": "input"}),
            json!({"type": "EXIT 3"}),
            rows.clone(),
            found,
            json!({"evaluate": "(() => { const i = document.querySelector('input'); i.value = ''; i.dispatchEvent(new Event('input')); })()"}),
            json!({"click": "#unfold"}),
            visible,
        ],
    );
    assert_eq!(seen["complaints"], json!([]), "{seen}");
    let values = seen["values"].as_array().unwrap();
    // bash, echo, sh; cat takes the place of bash.
    assert_eq!([&values[0], &values[2]], [3, 3]);
    assert_eq!([&values[1], &values[3]], [1, 1], "folded");
    let rows: Vec<&str> = values[4]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row.as_str().unwrap())
        .collect();
    // The login, its channel, bash and sh; in the tree and in the time line.
    assert_eq!(rows.len(), 8, "{rows:#?}");
    assert!(rows.iter().all(|row| row.contains("exit 3")), "{rows:#?}");
    assert_eq!(values[5], "8 found");
    assert_eq!(values[6], Value::Null);
    assert_eq!(values[7], 3);
    Ok(())
}

/// What is in the session stays text, in every place of the page
fn hostile() -> Outcome {
    let recorded = recorded();
    let mut lines = Vec::new();
    for (index, text) in HOSTILE.iter().enumerate() {
        for event in [
            "start",
            "end",
            "command",
            "disk",
            "network",
            "local_connect",
            "lost",
            text,
        ] {
            let mut line = json!({
                "event": format!("session.{event}"), "pid": index, "count": 1, "flags": 1, "operation": 3,
                "argv": [text], "initial_command": [text], "environment": {*text: text}, *text: text
            });
            for key in [
                "user",
                "login",
                "server_hostname",
                "program",
                "addr.local",
                "addr.remote",
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
                "target",
            ] {
                line[key] = (*text).into();
            }
            lines.push(line.clone());
            line["flags"] = 0.into();
            line["operation"] = (*text).into();
            lines.push(line);
        }
    }
    recorded.add(&lines);
    let page = recorded.page();
    let state = [
        json!({"evaluate": "window.ran === undefined"}),
        json!({"evaluate": "[...new Set([...document.querySelectorAll('*')].map(e => e.tagName.toLowerCase()))].sort().join(' ')"}),
        json!({"evaluate": "[...new Set([...document.querySelectorAll('*')].flatMap(e => e.getAttributeNames()))].sort().join(' ')"}),
        json!({"evaluate": "document.scripts.length"}),
        json!({"evaluate": "document.body.textContent"}),
    ];
    let address = format!("file://{}", page.display());
    let seen = browse(&page, &state);
    let values = &seen["values"];
    assert_eq!(seen["dialogs"], json!([]));
    assert_eq!(seen["complaints"], json!([]));
    assert_eq!(seen["requests"], json!([address]));
    assert_eq!(values[0], true);
    assert_eq!(
        values[1],
        "a b body button code dd details dl dt h1 h2 head html input li meta nav output script section span style summary table tbody td th title tr ul"
    );
    assert_eq!(
        values[2],
        "aria-label charset class content href http-equiv id lang name open placeholder type"
    );
    assert_eq!(values[3], 1);
    let text = values[4].as_str().unwrap();
    for word in &HOSTILE[..6] {
        let word = word.replace('\'', r"'\''");
        assert!(text.contains(&word), "{word}");
    }
    assert!(text.contains(r"$'\u2028window.ran=6;//\u2029\u202e'"));
    assert!(text.contains(r"$'&lt;script&gt;window.ran=7&lt;/script&gt;\x1b[2J'"));
    // Were it not text, the policy of the page would still keep it from running; without both it runs.
    let references = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&amp;", "&"),
    ];
    let html = fs::read_to_string(&page)?;
    let open = references
        .iter()
        .fold(html, |html, (from, to)| html.replace(from, to));
    fs::write(&page, &open)?;
    let seen = browse(&page, &state[..1]);
    assert_eq!(
        (&seen["values"][0], &seen["dialogs"]),
        (&json!(true), &json!([]))
    );
    assert!(
        seen["complaints"]
            .to_string()
            .contains("Content Security Policy"),
        "{seen}"
    );
    let open = open.replace("Content-Security-Policy", "Nothing");
    // Hundreds of dialogs, one after the other, take longer than all the rest.
    fs::write(&page, open.replace("alert(", "void("))?;
    let seen = browse(&page, &state[..1]);
    assert_eq!(seen["values"][0], false);
    Ok(())
}

/// Losses where they were, processes of any depth, and all of it without a script
fn content() -> Outcome {
    let folder = Folder::new();
    let log = folder.path().join("log");
    let line = |index: u64, rest: &str| {
        let minute = index / 60 % 60;
        format!(
            r#"{{"ei":{index},"event":"session.{rest},"time":"2026-11-22T00:{minute:02}:00Z","login":"alice","sid":"s-1"}}"#
        ) + "\n"
    };
    let mut lines: String = (0..400)
        .map(|index| {
            line(
                index,
                &format!(
                    r#"command","pid":{},"ppid":{index},"path":"/bin/p{index}""#,
                    index + 1
                ),
            )
        })
        .collect();
    lines += &line(
        400,
        r#"lost","family":"disk","cause":"ring_full","count":7"#,
    );
    lines += &line(401, r#"command","pid":1000,"ppid":1,"path":"/bin/before""#);
    lines += &line(412, r#"command","pid":1001,"ppid":1,"path":"/bin/after""#);
    lines += &line(413, r#"disk","pid":1001,"path":"/etc/shadow","flags":0"#);
    fs::write(&log, lines)?;
    let report = |page: &Path| {
        let mut report = Command::new(binary());
        report
            .args(["report", "s-1", "--log"])
            .arg(&log)
            .arg("-o")
            .arg(page);
        report
    };
    let page = printed(&mut report(Path::new("-")));
    let file = folder.path().join("page.html");
    assert_eq!(printed(&mut report(&file)), "");
    assert_eq!(fs::read_to_string(&file)?, page);
    let time_line = &page[page.find("id=\"time\"").unwrap()..page.find("id=\"files\"").unwrap()];
    let place = |text: &str| time_line.find(text).unwrap_or_else(|| panic!("no {text}"));
    let order = [
        "/bin/p399",
        "LOST: 7 of disk, ring_full",
        "/bin/before",
        "LOST: events 402 to 411 are not in the log",
        "/bin/after",
    ];
    assert!(order.map(place).is_sorted());
    assert!(page.contains("17 LOST") && page.contains("/etc/shadow"));
    for (open, close) in [
        ("<details", "</details>"),
        ("<summary", "</summary>"),
        ("<ul", "</ul>"),
        ("<li", "</li>"),
        ("<section", "</section>"),
        ("<table", "</table>"),
    ] {
        assert_eq!(
            page.matches(open).count(),
            page.matches(close).count(),
            "{open}"
        );
    }
    let (mut depth, mut deepest) = (0, 0);
    for part in page.split("<details").skip(1) {
        depth += 1;
        deepest = deepest.max(depth);
        depth -= part.matches("</details>").count();
    }
    assert_eq!((depth, deepest), (0, 100));
    for index in 0..400 {
        assert_eq!(
            page.matches(&format!("<b>/bin/p{index}</b>")).count(),
            2,
            "{index}"
        );
    }
    Ok(())
}
