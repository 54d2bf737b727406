//! Sessions that do all they can: what is in the log and what is told as lost add up to what they did,
//! in each family and session.
//!
//! RECORDERD_RUNS, RECORDERD_OPENS, RECORDERD_CONNECTS and RECORDERD_COMMANDS are how often it is done
//! and how much of each; docs/loss.md has the longer run.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;

use crate::common::log::files;
use crate::common::{self, Host, ONE, Outcome, PYTHON, Process, TWO, patiently};
use libtest_mimic::Trial;
use serde_json::Value;

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    common::tests(
        module_path!(),
        &[
            ("rings of every size", rings_of_every_size),
            ("rings of the usual size", rings_of_the_usual_size),
        ],
    )
}

/// The sizes of rings, in pages.
const SIZES: [u32; 13] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096];

/// How much two processes of a session do together.
#[derive(Clone, Copy)]
struct Work {
    opens: u64,
    connects: u64,
    commands: u64,
}

const NONE: Work = Work {
    opens: 0,
    connects: 0,
    commands: 0,
};

impl Work {
    fn by_family(self) -> [(&'static str, u64); 5] {
        [
            ("disk", self.opens),
            ("network", self.connects),
            ("network_result", self.connects),
            ("command", self.commands),
            ("process_exit", self.commands),
        ]
    }
}

/// A number from the environment.
fn setting(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |value| value.parse().expect(name))
}

/// A server that refuses every connect, two processes' script, and a file to open.
struct Load {
    host: Host,
    script: String,
    _refusing: TcpListener,
}

impl Load {
    fn new(config: &str) -> Self {
        let host = Host::with("", config);
        let folder = host.folder.shared();
        fs::write(folder.join("file"), "").unwrap();
        // As long as it is there, nobody else gets the port that was its own.
        let refusing = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = refusing.local_addr().unwrap().port();
        // SAFETY: our own socket; it is bound, and does not listen any more.
        unsafe { libc::shutdown(std::os::fd::AsRawFd::as_raw_fd(&refusing), libc::SHUT_RDWR) };
        let script = format!(
            r#"
import os, socket, sys
opens, connects, commands = (int(count) // 2 for count in sys.argv[1:])
def work():
    for _ in range(opens):
        os.close(os.open("{}/file", os.O_RDONLY))
    for _ in range(connects):
        with socket.socket() as client:
            assert client.connect_ex(("127.0.0.1", {port}))
    for _ in range(commands):
        os.waitpid(os.posix_spawn("/bin/busybox", ["true"], {{}}), 0)
for _ in range(2):
    if not os.fork():
        work()
        os._exit(0)
assert os.wait()[1] == os.wait()[1] == 0
"#,
            folder.display()
        );
        fs::write(folder.join("load"), script).unwrap();
        Self {
            script: folder.join("load").display().to_string(),
            host,
            _refusing: refusing,
        }
    }

    fn begin(&self, user: &str, work: Work) -> Process {
        let Work {
            opens,
            connects,
            commands,
        } = work;
        let script = &self.script;
        let command = format!("{PYTHON} -I {script} {opens} {connects} {commands}");
        self.host.login(user, &command)
    }

    /// Does some work in a session of ONE, and other work in one of TWO at the same time. Returns what
    /// is known of both, beyond what the same session has that does nothing.
    fn both(&self, works: [Work; 2]) -> [Counts; 2] {
        let mut tally = Tally::default();
        let mut did = |works: [Work; 2]| {
            let logins = [(ONE, works[0]), (TWO, works[1])];
            let logins = logins.map(|(user, work)| self.begin(user, work));
            for mut login in logins {
                assert!(
                    login.child.wait().unwrap().success(),
                    "{:?}",
                    login.errors()
                );
            }
            patiently("the end of both sessions", || tally.read(&self.host));
            std::mem::take(&mut tally.ended)
        };
        let nothing = did([NONE; 2]);
        let mut all = did(works);
        [ONE, TWO].map(|user| all.remove(user).unwrap().beyond(&nothing[user]))
    }
}

/// Events of a session by family: all that there were, and those of them that were lost.
#[derive(Default)]
struct Counts(HashMap<String, (u64, u64)>);

impl Counts {
    fn beyond(&self, nothing: &Self) -> Self {
        let families = self.0.iter().map(|(family, (all, lost))| {
            let of_login = nothing.0[family].0;
            (family.clone(), (all.saturating_sub(of_login), *lost))
        });
        Self(families.collect())
    }
}

/// Reads a log as it grows, without keeping it.
#[derive(Default)]
struct Tally {
    log: Option<BufReader<File>>,
    line: String,
    /// Lines of each event and lost events of each family, by the id of the session with this server.
    sessions: HashMap<String, HashMap<String, u64>>,
    /// By the Unix account.
    ended: HashMap<String, Counts>,
}

impl Tally {
    /// Reads on; returns something once two sessions have ended.
    fn read(&mut self, host: &Host) -> Option<()> {
        let log = self.log.get_or_insert_with(|| {
            let file = files(host.folder.path()).pop().unwrap();
            BufReader::new(File::open(file).unwrap())
        });
        loop {
            // A part of a line stays until the rest of it is there.
            log.read_line(&mut self.line).unwrap();
            if !self.line.ends_with('\n') {
                return (self.ended.len() == 2).then_some(());
            }
            let line = std::mem::take(&mut self.line);
            let text = |key: &str| {
                let (_, rest) = line.split_once(&format!(r#""{key}":""#))?;
                rest.split_once('"').map(|(text, _)| text.to_owned())
            };
            let (Some(sid), Some(event)) = (text("sid"), text("event")) else {
                continue;
            };
            // Others may log in to this machine as well.
            if text("addr.local") == Some(format!("127.0.0.1:{}", host.port)) {
                self.sessions.insert(sid.clone(), HashMap::new());
            }
            let Some(seen) = self.sessions.get_mut(&sid) else {
                continue;
            };
            *seen.entry(event.clone()).or_default() += 1;
            if event == "session.lost" {
                let line: Value = serde_json::from_str(&line).unwrap();
                let family = line["family"].as_str().unwrap();
                *seen.entry(family.to_owned()).or_default() += line["count"].as_u64().unwrap();
            } else if event == "session.end" {
                let line: Value = serde_json::from_str(&line).unwrap();
                let login = line["login"].as_str().unwrap().to_owned();
                self.ended.insert(login, counts(&line, seen));
            }
        }
    }
}

/// What a session's end says, after it was held against the lines before it.
fn counts(end: &Value, seen: &HashMap<String, u64>) -> Counts {
    let of = |name: &str| seen.get(name).copied().unwrap_or_default();
    let families = end["events"].as_object().unwrap().iter();
    let counts = families.map(|(family, written)| {
        let written = written.as_u64().unwrap();
        let mut lines = of(&format!("session.{family}"));
        if family == "network" {
            lines += of("session.local_connect");
        }
        assert_eq!(written, lines, "{family}: {end}");
        let lost = end["losses"][family].as_u64().unwrap();
        assert_eq!(lost, of(family), "{family}: {end}");
        (family.clone(), (written + lost, lost))
    });
    Counts(counts.collect())
}

fn add_up(counts: &Counts, work: Work, what: &str) {
    for (family, made) in work.by_family() {
        assert_eq!(counts.0[family].0, made, "{family}, {what}");
    }
}

fn work(opens: u64, connects: u64, commands: u64) -> Work {
    Work {
        opens: setting("RECORDERD_OPENS", opens),
        connects: setting("RECORDERD_CONNECTS", connects),
        commands: setting("RECORDERD_COMMANDS", commands),
    }
}

/// The share of events that was lost, in percent, of each family that lost some.
fn shares(counts: &Counts) -> String {
    let families = NONE.by_family().map(|(family, _)| {
        let (all, lost) = counts.0[family];
        let share = 100.0 * lost as f64 / all.max(1) as f64;
        format!("{family} {share:.2} %")
    });
    families.join(", ")
}

/// None is missing without being told, however small the rings.
fn rings_of_every_size() -> Outcome {
    let all = work(4000, 1000, 100);
    let tenth = Work {
        opens: all.opens / 20 * 2,
        connects: all.connects / 20 * 2,
        commands: all.commands / 20 * 2,
    };
    let runs = setting("RECORDERD_RUNS", 1);
    for run in 1..=runs {
        // The daily run takes every other size.
        for pages in SIZES.iter().step_by(if runs > 1 { 1 } else { 2 }) {
            let config = ["command", "disk", "network"]
                .map(|ring| format!("{ring}_buffer_size: {pages}"))
                .join("\n");
            let [one, two] = Load::new(&config).both([all, tenth]);
            println!("run {run}, {pages} pages: lost: {}", shares(&one));
            add_up(&one, all, &format!("{pages} pages"));
            add_up(&two, tenth, &format!("{pages} pages, the second session"));
        }
    }
    Ok(())
}

/// No command and no connect is lost, nor anything of a quiet session beside it.
fn rings_of_the_usual_size() -> Outcome {
    let all = work(40_000, 2000, 600);
    let quiet = Work {
        commands: 1000,
        ..NONE
    };
    for run in 1..=setting("RECORDERD_RUNS", 1) {
        let [one, two] = Load::new("").both([all, quiet]);
        println!("run {run}, usual sizes: lost: {}", shares(&one));
        add_up(&one, all, "the usual sizes");
        add_up(&two, quiet, "the quiet session");
        for (family, _) in &all.by_family()[1..] {
            assert_eq!(one.0[*family].1, 0, "{family}");
        }
        for (family, (_, lost)) in &two.0 {
            assert_eq!(*lost, 0, "{family} of the quiet session");
        }
    }
    Ok(())
}
