//! Nobody logged in, nothing slowed: the ends of all calls are hooked for as long as it takes, and who
//! comes after a quiet spell is recorded from the first act on.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::random::Random;
use crate::common::{
    self, Folder, Host, ONE, Outcome, PYTHON, Process, binary, of_kind, opened_in, patiently,
    plain, plains, printed, start_daemon,
};
use aya::maps::{Map, MapData, MapInfo, ProgramArray, loaded_maps};
use libtest_mimic::Trial;
use serde_json::{Value, json};

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    let tests: &[common::Test] = &[
        ("hooked while somebody is there", while_somebody_is_there),
        ("what keeps it hooked", what_keeps_it),
        ("logins after a quiet spell", after_a_spell),
        (
            "logins after a quiet spell of busy CPUs",
            after_a_busy_spell,
        ),
        ("late for all of a login", late_for_all),
        ("late for the beginning of a login", late_for_the_beginning),
        ("late for internal-sftp", late_for_sftp),
        (HELD_UP, held_up),
        ("held up at any stage", at_any_stage),
        ("a hook that is not run", not_run),
    ];
    common::tests_with(module_path!(), tests, |name| {
        (name == HELD_UP && !Path::new(TRACER).exists()).then_some("strace")
    })
}

const HELD_UP: &str = "held up behind a look that has found nobody";

const TRACER: &str = "/usr/bin/strace";

const PORTABLE: &str = "backend: tracepoint";

/// How long others may be logged in to this host, by servers of other tests.
const PATIENCE: Duration = Duration::from_secs(600);

/// Whether the daemon has the ends of all calls hooked.
fn is_hooked(daemon: &Process) -> bool {
    let is_hook = |text: String| text.lines().any(|line| line == "tp_name:\tsys_exit");
    daemon.open_files().any(is_hook)
}

/// Waits until nobody has been logged in for a while.
fn be_quiet(daemons: &[&Process]) {
    let start = Instant::now();
    while daemons.iter().any(|daemon| is_hooked(daemon)) {
        assert!(start.elapsed() < PATIENCE, "it stays hooked");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Waits for the hook, and until the daemon has gone on from there.
fn wait_for_hook(host: &Host) {
    patiently("the hook", || is_hooked(&host.daemon).then_some(()));
    assert_eq!(hooked_metric(host).as_deref(), Some("1"));
}

/// What the daemon says of it.
fn hooked_metric(host: &Host) -> Option<String> {
    let config = host.folder.path().join("config.yaml");
    let text = printed(
        Command::new(binary())
            .args(["metrics", "--config"])
            .arg(config),
    );
    let mut lines = text.lines();
    lines.find_map(|line| {
        Some(
            line.strip_prefix("recorderd_syscall_exit_hook_attached ")?
                .to_owned(),
        )
    })
}

fn while_somebody_is_there() -> Outcome {
    let host = Host::with("", PORTABLE);
    let mut login = host.login(ONE, "read");
    patiently("a session", || {
        (!host.all_sessions().is_empty()).then_some(())
    });
    wait_for_hook(&host);
    drop(login.child.stdin.take());
    be_quiet(&[&host.daemon]);
    host.daemon.signal(libc::SIGHUP);
    assert!(hooked_metric(&host).is_some());
    // Longer than it would stay hooked for nobody.
    let script = "/bin/sleep 12; /bin/cat /etc/hostname";
    let lines = host.did(ONE, script);
    assert!(is_hooked(&host.daemon));
    assert!(lines[0].get("recorded_since").is_none());
    let opened = of_kind(&lines, "session.disk");
    let is_last = |line: &&&Value| line["path"] == "/etc/hostname" && line["program"] == "cat";
    assert_eq!(opened.iter().filter(is_last).count(), 1);
    be_quiet(&[&host.daemon]);
    Ok(())
}

/// A session that has asked for jobs, which begin at any time, and types of logins that begin at once
fn what_keeps_it() -> Outcome {
    let host = Host::with("", PORTABLE);
    let spool = host.folder.shared().join("atjobs");
    fs::create_dir(&spool)?;
    host.did("root", &format!("echo : >{}/job", spool.display()));
    let folders = [Folder::new(), Folder::new()];
    let types = format!("{PORTABLE}\nlogin_types: [ssh, su]");
    let others = start_daemon(folders[0].path(), &types);
    let quiet = start_daemon(folders[1].path(), PORTABLE);
    be_quiet(&[&quiet]);
    assert!(is_hooked(&host.daemon));
    assert!(is_hooked(&others));
    Ok(())
}

/// The lines of a session as they are to be in each, whoever of its processes was first, with `text`
/// in place of what only this one has.
fn whole(lines: &[Value], text: &str) -> Vec<String> {
    let lines = lines
        .iter()
        .filter(|line| line["event"] != "session.process_exit");
    let mut lines: Vec<_> = lines
        .map(|line| plain(line).replace(text, "<text>"))
        .collect();
    lines.sort();
    lines
}

/// Ways to log in, with a word that no other login has.
const WAYS: [fn(&Host, &str); 3] = [
    |host, word| drop(host.ssh(ONE, &format!("exec /bin/cat /etc/hostname {word}"))),
    |host, word| sftp(host, ONE, word),
    |host, word| sftp(host, "root", word),
];

/// Fetches a file of that name, by sshd itself.
fn sftp(host: &Host, login: &str, word: &str) {
    let mut client = host.client("sftp");
    client.arg(format!("{login}@127.0.0.1:{word}"));
    printed(client.arg(host.folder.path().join("fetched")));
}

/// Several daemons record each login, as many as RECORDERD_TURNS says, each after a quiet spell of its
/// own; and before that one of each kind, when all is hooked.
fn spells(busy: bool) {
    let turns = std::env::var("RECORDERD_TURNS").map_or(3, |turns| turns.parse().unwrap());
    let host = Host::with("Subsystem sftp internal-sftp", PORTABLE);
    let more: Vec<_> = (0..2)
        .map(|_| {
            let folder = Folder::new();
            let daemon = start_daemon(folder.path(), PORTABLE);
            host.recorded_by(folder, daemon)
        })
        .collect();
    let hosts: Vec<_> = [&host].into_iter().chain(&more).collect();
    let shared = host.folder.shared();
    let log_in = |way: usize, turn: &str| -> Vec<Vec<String>> {
        let word = format!("{}/{turn}", shared.display());
        fs::write(&word, "").unwrap();
        WAYS[way](&host, &word);
        let local = format!(r#""addr.local":"127.0.0.1:{}","#, host.port);
        let lines = hosts.iter().map(|host| host.session_with(&local, &word));
        lines.map(|lines| whole(&lines, &word)).collect()
    };
    let hooked: Vec<_> = (0..WAYS.len())
        .map(|way| log_in(way, &format!("hooked-{way}")))
        .collect();
    for turn in 0..turns {
        let daemons: Vec<_> = hosts.iter().map(|host| &*host.daemon).collect();
        be_quiet(&daemons);
        let spin = || {
            let mut shell = Command::new("/bin/sh");
            Process::spawn(
                shell
                    .args(["-c", "while :; do :; done"])
                    .stdin(Stdio::null()),
            )
        };
        let count = if busy {
            2 * std::thread::available_parallelism().unwrap().get()
        } else {
            0
        };
        let _spinning: Vec<_> = (0..count).map(|_| spin()).collect();
        let way = turn % WAYS.len();
        let lines = log_in(way, &format!("turn-{turn}"));
        for (host, lines) in lines.iter().enumerate() {
            assert!(lines.len() > 2);
            assert_eq!(lines, &hooked[way][host], "turn {turn}, daemon {host}");
        }
    }
}

fn after_a_spell() -> Outcome {
    spells(false);
    Ok(())
}

fn after_a_busy_spell() -> Outcome {
    spells(true);
    Ok(())
}

/// It is told as not recorded until it was over; but for its commands, which are seen all the same
fn late_for_all() -> Outcome {
    let host = Host::with("", PORTABLE);
    let script = "/bin/cat /etc/hostname";
    let hooked = host.did(ONE, script);
    be_quiet(&[&host.daemon]);
    host.daemon.signal(libc::SIGSTOP);
    host.ssh(ONE, &format!("{script} "));
    host.daemon.signal(libc::SIGCONT);
    let lines = host.session(&format!("{script} "));
    let since = since(&lines);
    let exits = of_kind(&lines, "session.process_exit");
    assert!(since.as_str() > time(exits[0]), "{lines:#?}");
    assert_eq!(lines[0]["initial_command"], json!([format!("{script} ")]));
    let commands = |lines: &[Value]| {
        let lines = plains(lines, "session.command").into_iter();
        lines
            .map(|line| line.replace("hostname \"", "hostname\""))
            .collect::<Vec<_>>()
    };
    assert_eq!(commands(&lines), commands(&hooked));
    assert_eq!(of_kind(&lines, "session.disk"), [&Value::Null; 0]);
    Ok(())
}

/// What is done from then on is recorded
fn late_for_the_beginning() -> Outcome {
    // Without a home, so that no startup file of root's adds to it.
    let host = Host::with("SetEnv HOME=/nonexistent", PORTABLE);
    let script = "/bin/cat /etc/hostname; read word; /bin/cat /etc/passwd";
    for login in [ONE, "root"] {
        be_quiet(&[&host.daemon]);
        host.daemon.signal(libc::SIGSTOP);
        let script = format!("{script} # {login}");
        let mut client = host.login(login, &script);
        let mut output = BufReader::new(client.child.stdout.take().unwrap()).lines();
        output.next().unwrap()?;
        host.daemon.signal(libc::SIGCONT);
        wait_for_hook(&host);
        writeln!(client.child.stdin.take().unwrap(), "on")?;
        client.child.wait()?;
        let lines = host.session(&script);
        let since = since(&lines);
        let opened: Vec<_> = of_kind(&lines, "session.disk")
            .into_iter()
            .filter(|line| line["program"] == "cat")
            .collect();
        let first = opened.first().expect("what the second one opens");
        assert!(time(first) >= since.as_str(), "{lines:#?}");
        assert!(opened.iter().any(|line| line["path"] == "/etc/passwd"));
        assert!(opened.iter().all(|line| line["path"] != "/etc/hostname"));
        let ran: Vec<_> = of_kind(&lines, "session.command")
            .into_iter()
            .map(|line| line["argv"].clone())
            .collect();
        let cat = |file: &str| json!([file]);
        assert_eq!(
            ran,
            [
                json!(["-c", script]),
                cat("/etc/hostname"),
                cat("/etc/passwd")
            ]
        );
    }
    Ok(())
}

/// A session that runs no program: sshd itself acts for the user, and nothing but calls tells of it
fn late_for_sftp() -> Outcome {
    sftp_while(|daemon| {
        daemon.signal(libc::SIGSTOP);
        None
    })
}

/// A daemon that does not go on from the look itself: that time is not when it was hooked
fn held_up() -> Outcome {
    sftp_while(|daemon| {
        let pid = daemon.child.id();
        let mut tracer = Command::new(TRACER);
        tracer.args([
            "-qq",
            "-o",
            "/dev/null",
            "-e",
            "inject=bpf:delay_exit=60000000:when=2",
        ]);
        let tracer = Process::spawn(tracer.args(["-p", &pid.to_string()]));
        let of_process = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap();
        patiently("the tracer", || {
            (!of_process("status").contains("TracerPid:\t0\n")).then_some(())
        });
        // It looks again: twice, and by the second time it goes.
        daemon.signal(libc::SIGHUP);
        let call = format!("{} ", libc::SYS_bpf);
        patiently("the look", || {
            of_process("syscall").starts_with(&call).then_some(())
        });
        Some(tracer)
    })
}

/// Fetches a file by sftp once `hold` keeps the daemon from going on, itself or by a tracer, and another
/// one after.
fn sftp_while(hold: fn(&Process) -> Option<Process>) -> Outcome {
    let host = Host::with("Subsystem sftp internal-sftp", PORTABLE);
    let folder = host.folder.shared();
    for login in [ONE, "root"] {
        let names = ["before", "after"].map(|name| folder.join(format!("{login}-{name}")));
        for name in &names {
            fs::write(name, "text")?;
        }
        be_quiet(&[&host.daemon]);
        let tracer = hold(&host.daemon);
        let mut sftp = host.client("sftp");
        let mut client = Process::spawn(
            sftp.arg(format!("{login}@127.0.0.1"))
                .current_dir(host.folder.path())
                .stdin(Stdio::piped())
                .stdout(Stdio::null()),
        );
        let mut typed = client.child.stdin.take().unwrap();
        let mut fetch = |from: &Path| {
            let to = host.folder.path().join(from.file_name().unwrap());
            writeln!(typed, "get {}", from.display()).unwrap();
            patiently("the file", || {
                (fs::read_to_string(&to).ok()? == "text").then_some(())
            });
        };
        fetch(&names[0]);
        drop(tracer);
        host.daemon.signal(libc::SIGCONT);
        wait_for_hook(&host);
        fetch(&names[1]);
        drop(typed);
        client.child.wait()?;
        let local = format!(r#""addr.local":"127.0.0.1:{}","#, host.port);
        let after = names[1].display().to_string();
        let lines = host.session_with(&local, &after);
        let since = since(&lines);
        let opened = opened_in(&folder, &lines);
        assert_eq!(opened.len(), 1, "{opened:#?}");
        assert!(opened[0].contains(&after));
        assert!(time(&lines[0]) < since.as_str(), "{lines:#?}");
    }
    Ok(())
}

/// When a daemon is held up, of itself or of a session.
#[derive(Clone, Copy, Debug)]
enum Stage {
    Start,
    Birth,
    Middle,
    End,
    Stop,
}

/// Opens files for as long as its input is there, and says before each when that is. Nanoseconds.
const OPENS: &str = "
import itertools, select, sys, time
for number in itertools.count():
    print(time.time_ns(), flush=True)
    open(f'{sys.argv[1]}/{number}', 'w').close()
    if select.select([0], [], [], 0.003)[0]:
        break
";

/// Whatever the daemon is held up in: what it says to have recorded is there
fn at_any_stage() -> Outcome {
    const SEED: u64 = 19;
    let mut random = Random(SEED);
    let server = Host::with("SetEnv HOME=/nonexistent", PORTABLE);
    let shared = server.folder.shared();
    fs::write(shared.join("opens.py"), OPENS)?;
    let stages = [
        Stage::Start,
        Stage::Birth,
        Stage::Middle,
        Stage::End,
        Stage::Stop,
    ];
    for (round, stage) in stages.into_iter().cycle().take(10).enumerate() {
        let login = [ONE, "root"][round % 2];
        let held_after = Duration::from_millis(random.below(250) as u64);
        let about = format!("seed {SEED}, round {round}, {stage:?} after {held_after:?}, {login}");
        println!("{about}");
        held_at(stage, held_after, &server, &shared, login, &about)?;
    }
    Ok(())
}

fn held_at(
    stage: Stage,
    held_after: Duration,
    server: &Host,
    shared: &Path,
    login: &str,
    about: &str,
) -> Outcome {
    let folder = Folder::new();
    let opened = shared.join(format!("{stage:?}-{login}"));
    let _ = fs::remove_dir_all(&opened);
    printed(
        Command::new("install")
            .args(["-d", "-m", "1777"])
            .arg(&opened),
    );
    let config = common::write_config(folder.path(), PORTABLE);
    let mut command = Command::new(binary());
    command.arg("--config").arg(config).stdin(Stdio::null());
    let mut daemon = Process::spawn(&mut command);
    if matches!(stage, Stage::Start) {
        std::thread::sleep(held_after);
        daemon.signal(libc::SIGSTOP);
    } else {
        daemon.wait_for("ready");
    }
    let mut host = server.recorded_by(folder, daemon);
    let script = shared.join("opens.py");
    let command = format!("{PYTHON} -I {} {}", script.display(), opened.display());
    let mut client = server.login(login, &command);
    if matches!(stage, Stage::Birth) {
        std::thread::sleep(held_after);
        host.daemon.signal(libc::SIGSTOP);
    }
    let output = BufReader::new(client.child.stdout.take().unwrap());
    let mut said = output.lines().map(|line| line.unwrap().parse().unwrap());
    let mut times: Vec<u64> = said.by_ref().take(30).collect();
    // How many it has opened for certain before it ends.
    let mut certain = usize::MAX;
    match stage {
        Stage::Start | Stage::Birth => {}
        Stage::Middle | Stage::Stop => {
            host.daemon.signal(libc::SIGSTOP);
            times.extend(said.by_ref().take(60));
        }
        Stage::End => {
            host.daemon.signal(libc::SIGSTOP);
            drop(client.child.stdin.take());
            times.extend(said.by_ref());
            client.child.wait()?;
        }
    }
    if matches!(stage, Stage::Stop) {
        certain = times.len() - 1;
        assert_eq!(host.daemon.stop(), Some(0), "{about}");
    } else {
        host.daemon.signal(libc::SIGCONT);
        host.daemon.wait_for("ready");
    }
    times.extend(said.by_ref().take(60));
    drop(client.child.stdin.take());
    times.extend(said);
    client.child.wait()?;
    assert!(times.len() >= 30, "{about}");
    let is_it = |lines: &Vec<Value>| lines[0]["login"] == login;
    let lines = patiently(about, || {
        let lines = host.all_sessions().into_iter().find(is_it)?;
        let is_over = lines.last()?["event"] == "session.end" || matches!(stage, Stage::Stop);
        is_over.then_some(lines)
    });
    let since = lines[0]["recorded_since"].as_str().map_or(0, nanoseconds);
    let known = opened_in(&opened, &lines);
    let missing: Vec<_> = (0..times.len().min(certain))
        // One of the same millisecond can be from before.
        .filter(|number| times[*number] >= since + 1_000_000)
        .filter(|number| {
            let path = format!("\"path\":\"{}/{number}\"", opened.display());
            !known.iter().any(|line| line.contains(&path))
        })
        .collect();
    assert_eq!(missing, [0; 0], "{about}, recorded since {since}");
    let losses = &lines.last().unwrap()["losses"];
    assert!(losses.is_null() || losses["disk"] == 0, "{about}: {losses}");
    Ok(())
}

/// A time of the log in nanoseconds.
fn nanoseconds(time: &str) -> u64 {
    let text = printed(Command::new("date").args(["-d", time, "+%s%N"]));
    text.trim_end().parse().unwrap()
}

/// The kernel that attaches the hook and does not run it: the daemon says so, and ends
fn not_run() -> Outcome {
    let mut host = Host::with("", PORTABLE);
    be_quiet(&[&host.daemon]);
    // As if the hook were not run, the call by which the daemon looks is not heard of.
    table_of_calls(&host.daemon).clear_index(&(libc::SYS_clock_getres as u32))?;
    host.ssh(ONE, ":");
    let ended = patiently("the end of the daemon", || {
        host.daemon.child.try_wait().unwrap()
    });
    assert_eq!(ended.code(), Some(1));
    let expected = "recorderd: hook sys_exit: attached, but the kernel never executes it";
    let errors = host.daemon.errors_at_end();
    assert!(
        errors.iter().any(|line| line.starts_with(expected)),
        "{errors:#?}"
    );
    Ok(())
}

/// The kernel's table by which the hook of all calls leads on to other programs.
fn table_of_calls(daemon: &Process) -> ProgramArray<MapData> {
    let id = |text: String| {
        let mut lines = text.lines();
        let id = lines.find_map(|line| line.strip_prefix("map_id:\t"))?;
        id.parse().ok()
    };
    let ids: Vec<u32> = daemon.open_files().filter_map(id).collect();
    let is_table = |map: &MapInfo| map.name_as_str() == Some("dispatch") && ids.contains(&map.id());
    let table = loaded_maps().flatten().find(is_table).unwrap();
    let table = MapData::from_id(table.id()).unwrap();
    Map::ProgramArray(table).try_into().unwrap()
}

fn time(line: &Value) -> &str {
    line["time"].as_str().unwrap()
}

/// Since when all of the session is recorded, which did not begin with that.
fn since(lines: &[Value]) -> String {
    let since = &lines[0]["recorded_since"];
    since
        .as_str()
        .unwrap_or_else(|| panic!("{lines:#?}"))
        .to_owned()
}
