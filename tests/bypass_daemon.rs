//! Ways to have somebody else do it: the request is in the session, and what at, cron and systemd do
//! on request says whose it was.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::ways::{PYTHON_ALONE, pipe, place, ran, tell, wait_for};
use crate::common::{self, Host, ONE, Outcome, PYTHON, Process, TWO, of_kind, printed};
use libc::{O_CREAT, O_WRONLY};
use libtest_mimic::Trial;
use serde_json::{Value, json};

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    common::tests_on(
        module_path!(),
        // Without a home, so that no startup file adds to what is run.
        || Host::with("SetEnv HOME=/nonexistent", ""),
        &[
            ("at", at),
            ("crontab", crontab),
            ("crontab of another account", crontab_of_another),
            ("a table that is none", forged_table),
            ("jobs of nobody's session", jobs_of_nobody),
            ("systemd", systemd),
            ("systemd that nobody's session has asked", systemd_of_nobody),
            ("a container engine and D-Bus", sockets),
            ("what others run later", places),
            ("units that are put in place", units),
            ("programs that the kernel runs", kernel_helpers),
            ("a program that the kernel runs for a session", core_handler),
        ],
    )
}

/// The files below a folder that are opened to be written, by name and program.
fn written(lines: &[Value], folder: &str) -> Vec<Value> {
    of_kind(lines, "session.disk")
        .into_iter()
        .filter(|line| line["path"].as_str().unwrap().starts_with(folder))
        .filter(|line| line["return_code"] == 0)
        .filter(|line| line["flags"].as_i64().unwrap() & i64::from(O_WRONLY | O_CREAT) != 0)
        .map(|line| json!([line["program"], line["path"]]))
        .collect()
}

/// Who was asked, and by the event of which path.
fn delegated(lines: &[Value]) -> Vec<Value> {
    of_kind(lines, "session.delegated")
        .into_iter()
        .map(|line| {
            let request = lines
                .iter()
                .find(|event| event["uid"] == line["request_uid"]);
            json!([line["delegate"], request.unwrap()["path"]])
        })
        .collect()
}

/// The lines of the job in which a program was run with this word, once it has ended.
pub fn job(host: &Host, word: &str) -> Vec<Value> {
    host.session_with(r#""origin":"#, &format!(r#""argv":["{word}"]"#))
}

/// Holds each line of a job against whose it is.
pub fn assert_origin(job: &[Value], by: &str, login: &str, asked: &[Value], is_inferred: bool) {
    for line in job {
        assert_eq!(line["origin"], by, "{line}");
        assert_eq!(line["origin_sid"], asked[0]["sid"], "{line}");
        let expected = is_inferred.then_some(Value::Bool(true));
        assert_eq!(line.get("origin_inferred"), expected.as_ref(), "{line}");
        assert_eq!(line["login"], login, "{line}");
    }
    assert_eq!(job[0]["login_type"], by);
    assert_eq!(job[0]["parent_sid"], asked[0]["sid"]);
    assert!(asked.iter().all(|line| line.get("origin").is_none()));
}

/// A job of at says whose it is, while the session is open and after it
fn at(host: &Host) -> Outcome {
    let place = place(host, "at");
    let go_on = place.join("go-on");
    pipe(&go_on);
    let mut daemon = Process::spawn(Command::new("atd").arg("-f"));
    for (word, then) in [
        ("from-at-within", format!("read line < {}", go_on.display())),
        ("from-at-after", ":".into()),
    ] {
        let is_within = then != ":";
        if !is_within {
            daemon.stop();
        }
        let done = place.join(word);
        let request = format!("/bin/echo {word} > {}", done.display());
        let script = format!("echo '{request}' | at now 2>/dev/null; {then}");
        let mut client = host.login(ONE, &script);
        if is_within {
            wait_for(&done, word);
            tell(&go_on, "on");
        }
        client.child.wait()?;
        let lines = host.session(&script);
        if !is_within {
            daemon = Process::spawn(Command::new("atd").arg("-f"));
            wait_for(&done, word);
        }
        assert!(ran(&lines).contains(&json!(["/usr/bin/at", "now"])));
        let spool = written(&lines, "/var/spool/cron/atjobs/a");
        assert_eq!(spool.len(), 1, "{lines:#?}");
        assert!(delegated(&lines).contains(&json!(["at", spool[0][1]])));
        let job = job(host, word);
        assert_origin(&job, "at", ONE, &lines, false);
        assert_eq!(ran(&job).last(), Some(&json!(["/bin/echo", word])));
    }
    Ok(())
}

/// Runs cron for its jobs of `@reboot`, as if the host had just been started.
fn cron() -> Process {
    let mut shell = Command::new("unshare");
    shell.args([
        "-m",
        "/bin/sh",
        "-c",
        "mount -t tmpfs none /run && exec cron -f",
    ]);
    Process::spawn(&mut shell)
}

/// A job of cron says whose table it is likely to be from, until the table is another one
fn crontab(host: &Host) -> Outcome {
    let place = place(host, "crontab");
    let (first, second) = (place.join("first"), place.join("second"));
    let line = format!("@reboot /bin/echo from-cron > {}", first.display());
    let script = format!("echo '{line}' | crontab -; :");
    let lines = host.did(ONE, &script);
    assert_eq!(ran(&lines)[1..], [json!(["/usr/bin/crontab", "-"])]);
    let spool = written(&lines, "/var/spool/cron/crontabs/tmp.");
    assert_eq!(spool.len(), 1, "{lines:#?}");
    // It is written, and then put in place.
    let told = json!(["cron", spool[0][1]]);
    assert_eq!(delegated(&lines), [told.clone(), told]);
    let daemon = cron();
    wait_for(&first, "from-cron");
    drop(daemon);
    let job = job(host, "from-cron");
    assert_origin(&job, "cron", ONE, &lines, true);
    assert_eq!(ran(&job)[1], json!(["/bin/echo", "from-cron"]));

    // Outside of any session.
    run_outside(&place, ONE, "from-nobody", &second)?;
    host.did(ONE, "crontab -r; :");
    // One job more is recorded.
    let nobody = host.session_with(r#""login_type":"cron""#, r#""argv":["from-nobody"]"#);
    assert_eq!(ran(&nobody)[1], json!(["/bin/echo", "from-nobody"]));
    assert!(nobody.iter().all(|line| line.get("origin").is_none()));
    Ok(())
}

/// Whose table it is counts, not who has written it
fn crontab_of_another(host: &Host) -> Outcome {
    let place = place(host, "another");
    let done = place.join("done");
    let job_line = format!("@reboot /bin/echo for-another > {}", done.display());
    let script = format!("echo '{job_line}' | crontab -u {TWO} -; :");
    let lines = host.did("root", &script);
    let daemon = cron();
    wait_for(&done, "for-another");
    drop(daemon);
    host.did("root", &format!("crontab -u {TWO} -r; :"));
    assert_origin(&job(host, "for-another"), "cron", TWO, &lines, true);
    Ok(())
}

/// In a mount namespace of one's own a table can be anybody's, and cron does not look there
fn forged_table(host: &Host) -> Outcome {
    let place = place(host, "forged");
    let done = place.join("done");
    let table = format!("/var/spool/cron/crontabs/{TWO}");
    let script = format!(
        "mkdir -p {0}/own/crontabs; unshare -rm sh -c \
         'mount --bind {0}/own /var/spool/cron; echo forged > {table}'",
        place.display()
    );
    let lines = host.did(ONE, &script);
    assert_eq!(written(&lines, &table), [json!(["sh", table])]);
    run_outside(&place, TWO, "after-forging", &done)?;
    host.did("root", &format!("crontab -u {TWO} -r; :"));
    assert!(!host.text().contains("after-forging"));
    Ok(())
}

/// Has cron run a job of the account that no session has asked for.
fn run_outside(place: &Path, login: &str, word: &str, done: &Path) -> Outcome {
    let table = place.join("table");
    let job = format!("@reboot /bin/echo {word} > {}\n", done.display());
    fs::write(&table, job)?;
    printed(Command::new("crontab").args(["-u", login]).arg(&table));
    let _daemon = cron();
    wait_for(done, word);
    Ok(())
}

/// Outside of any session both leave nothing
fn jobs_of_nobody(host: &Host) -> Outcome {
    let place = place(host, "nobody");
    let (at_done, cron_done) = (place.join("at"), place.join("cron"));
    let job = format!("/bin/echo at-of-nobody > {}", at_done.display());
    let _daemon = Process::spawn(Command::new("atd").arg("-f"));
    let line = format!("echo '{job}' | at now 2>/dev/null");
    printed(Command::new("su").args(["-s", "/bin/sh", "-c", &line, ONE]));
    wait_for(&at_done, "at-of-nobody");
    run_outside(&place, ONE, "cron-of-nobody", &cron_done)?;
    host.did(ONE, "crontab -r; /bin/true loud-word; :");
    assert!(host.text().contains("loud-word"));
    assert!(!host.text().contains("-of-nobody"));
    Ok(())
}

/// systemd's managers, as far as they matter here: a stand-in with their names, their place among the
/// processes and the wire format. tests/machine/delegated has the real ones.
const SYSTEMD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/bypass_daemon/systemd");

/// Both managers, the host's and that of an account, and the program with which they are asked.
pub fn managers(host: &Host, name: &str, login: &str) -> (PathBuf, Process) {
    let place = place(host, name);
    fs::copy(SYSTEMD, place.join("ask")).unwrap();
    let mut manager = Command::new(PYTHON);
    manager.arg(SYSTEMD).arg("manage").arg(&place).arg(login);
    let mut managers = Process::spawn(&mut manager);
    managers.wait_for("ready");
    (place, managers)
}

/// What asks one of them to run a unit that has `word` written; `call` is the method and the unit.
pub fn asking(place: &Path, manager: &str, call: &str, word: &str) -> String {
    let place = place.display();
    format!("{PYTHON} -I {place}/ask call {place}/{manager} {call} {word}")
}

/// A unit says who has asked for it, also by its timer, and in a piece
fn systemd(host: &Host) -> Outcome {
    let (place, _managers) = managers(host, "systemd", ONE);
    let long = format!("{}.service", "l".repeat(240));
    for (login, manager, call, word, by) in [
        (
            "root",
            "system",
            "StartTransientUnit run-u1.service",
            "of-system",
            "systemd-run",
        ),
        (
            "root",
            "system",
            "StartTransientUnit run-u2.timer",
            "of-timer",
            "systemd-run",
        ),
        (
            ONE,
            "user",
            "StartTransientUnit run-r3.service",
            "of-user",
            "systemd-run",
        ),
        (
            ONE,
            "user",
            &format!("StartTransientUnit {long}"),
            "of-long",
            "systemd-run",
        ),
        (
            ONE,
            "user",
            "StartTransientUnit _x.service",
            "of-whole whole",
            "systemd-run",
        ),
        (ONE, "user", "StartUnit own.service", "of-start", "systemd"),
        (
            ONE,
            "user",
            "StartTransientUnit nothing",
            "of-nothing",
            "systemd",
        ),
    ] {
        let script = asking(&place, manager, call, word);
        let lines = host.did(login, &format!("{script}; :"));
        let word = word.split(' ').next().unwrap();
        wait_for(&place.join(word), word);
        let job = job(host, word);
        assert_origin(&job, by, login, &lines, by == "systemd");
        assert_eq!(ran(&job), [json!(["/bin/echo", word])]);
    }
    Ok(())
}

/// Of the host's manager only new units that root asks for are told, and of any only what a session asks
fn systemd_of_nobody(host: &Host) -> Outcome {
    // An account none of whose sessions has asked its manager before.
    let (place, _managers) = managers(host, "systemd-of-nobody", TWO);
    for manager in ["system", "user"] {
        let script = asking(
            &place,
            manager,
            "StartTransientUnit out.service",
            &format!("nobody-asked-{manager}"),
        );
        printed(Command::new("sh").args(["-c", &script]));
        wait_for(&place.join(format!("nobody-asked-{manager}")), "nobody");
    }
    for (login, call) in [
        ("root", "StartUnit sshd.service"),
        (ONE, "StartTransientUnit refused.service"),
    ] {
        let word = format!("nobody-told-{login}");
        let script = asking(&place, "system", call, &word);
        host.did(login, &format!("{script}; :"));
        wait_for(&place.join(&word), &word);
    }
    let script = asking(
        &place,
        "system",
        "StartTransientUnit run-u9.service",
        "told",
    );
    host.did("root", &format!("{script}; :"));
    job(host, "told");
    let text = host.text();
    let told = text
        .lines()
        .find(|line| line.contains(r#""argv":["nobody-"#));
    assert_eq!(told, None);
    Ok(())
}

/// Of each only the socket is here: that it is talked to is to be seen, not what is said
fn sockets(host: &Host) -> Outcome {
    let place = place(host, "sockets");
    let names = ["docker.sock", "system_bus_socket"];
    let listeners = names.map(|name| UnixListener::bind(place.join(name)).unwrap());
    for name in names {
        let socket = place.join(name);
        fs::set_permissions(&socket, std::os::unix::fs::PermissionsExt::from_mode(0o666))?;
        let script = format!(
            "{PYTHON_ALONE} 'import socket; socket.socket(socket.AF_UNIX).connect(\"{}\")'; :",
            socket.display()
        );
        let lines = host.did(ONE, &script);
        let talked: Vec<&str> = of_kind(&lines, "session.local_connect")
            .into_iter()
            .filter(|line| line["program"] == "python3")
            .map(|line| line["path"].as_str().unwrap())
            .collect();
        assert_eq!(talked.iter().map(Path::new).collect::<Vec<_>>(), [&socket]);
    }
    drop(listeners);
    Ok(())
}

/// Files are told by whoever runs them at some later time
fn places(host: &Host) -> Outcome {
    let files = [
        ("at", "/etc/cron.hourly/job", "cron"),
        ("rc", "/etc/rc.local", "init"),
        ("hook", "/etc/network/if-up.d/hook", "ifupdown"),
        ("preload", "/etc/ld.so.preload", "ld.so"),
        ("pam", "/etc/pam.d/sshd", "pam"),
        ("sudo", "/etc/sudoers.d/own", "sudo"),
        ("profile", "/etc/profile.d/own.sh", "shell"),
        ("udev", "/etc/udev/rules.d/99-own.rules", "udev"),
        ("generator", "/run/systemd/system-generators/own", "systemd"),
        (
            "dispatcher",
            "/etc/NetworkManager/dispatcher.d/own",
            "NetworkManager",
        ),
        ("logrotate", "/etc/logrotate.d/own", "logrotate"),
        ("apt", "/etc/apt/apt.conf.d/99own", "apt"),
        ("motd", "/etc/update-motd.d/99-own", "motd"),
        ("sshrc", "/etc/ssh/sshrc", "sshd"),
        ("rc of a home", "/run/home/one/.ssh/rc", "sshd"),
        ("bashrc", "/run/home/one/.bashrc", "shell"),
    ];
    let write = |(_, path, _): &(&str, &str, &str)| {
        format!(
            "mkdir -p {}; echo > {path}; ",
            Path::new(path).parent().unwrap().display()
        )
    };
    let script: String = files.iter().map(write).collect();
    let expected = files.map(|(_, path, delegate)| json!([delegate, path]));
    let script = format!(
        "unshare -m sh -ec 'mount -t tmpfs none /etc; mount -t tmpfs none /run; {script} \
         echo > /etc/hosts; cat /etc/rc.local'; :"
    );
    assert_eq!(delegated(&host.did("root", &script)), expected);
    Ok(())
}

/// Whatever call puts them there, and drop-ins and links in `.wants` alike
fn units(host: &Host) -> Outcome {
    let unit = "/etc/systemd/system";
    let script = format!(
        "mkdir -p {unit}/own.service.d {unit}/multi-user.target.wants /run/x.d /run/systemd/user; \
         echo > /etc/a; mv /etc/a {unit}/moved.service; \
         echo > /etc/b; ln /etc/b {unit}/linked.service; \
         ln -s /run/c {unit}/link.service; \
         ln -s ../moved.service {unit}/multi-user.target.wants/moved.service; \
         echo > {unit}/own.service.d/own.conf; \
         mv /run/x.d /run/systemd/user/x.service.d; \
         echo > /lib/systemd/dropped; \
         chmod 755 {unit}/moved.service; \
         mv {unit}/moved.service /etc/moved; \
         mkdir /run/own; mount --bind /run/own {unit}"
    );
    // Which of both paths a line has first.
    let place = |line: &Value, lines: &[Value]| {
        let request = lines
            .iter()
            .find(|event| event["uid"] == line["request_uid"]);
        let request = request.unwrap();
        let place = request
            .get("target")
            .filter(|_| request["operation"] != "symlink");
        json!([
            line["delegate"],
            request["operation"],
            place.unwrap_or(&request["path"])
        ])
    };
    let script = format!(
        "unshare -m sh -ec 'mount -t tmpfs none /etc; mount -t tmpfs none /run; \
         mount -t tmpfs none /usr/lib/systemd; {script}'; :"
    );
    let lines = host.did("root", &script);
    let told: Vec<_> = of_kind(&lines, "session.delegated")
        .into_iter()
        .map(|line| place(line, &lines))
        .collect();
    let at = |operation: &str, place: &str| json!(["systemd", operation, place]);
    let of = |operation: &str, name: &str| at(operation, &format!("{unit}/{name}"));
    assert_eq!(
        told,
        [
            // As the place where all of it is mounted holds such places.
            at("mount", "/usr/lib/systemd"),
            of("rename", "moved.service"),
            of("link", "linked.service"),
            of("symlink", "link.service"),
            of("symlink", "multi-user.target.wants/moved.service"),
            of("create", "own.service.d/own.conf"),
            at("rename", "/run/systemd/user/x.service.d"),
            at("create", "/usr/lib/systemd/dropped"),
            of("chmod", "moved.service"),
            at("mount", unit),
        ]
    );
    Ok(())
}

/// Files of the kernel's own: only opened, since what is written there is everybody's
fn kernel_helpers(host: &Host) -> Outcome {
    let place = place(host, "kernel");
    let root = place.display();
    let script = format!(
        "mkdir -p {root}/binfmt_misc; : > {root}/binfmt_misc/register; : > {root}/release_agent; \
         cat /proc/sys/kernel/core_pattern > /dev/null; : > /proc/sys/kernel/core_pattern; \
         mkdir {root}/cgroup; mount -t cgroup2 none {root}/cgroup; mkdir {root}/cgroup/of-test; \
         echo 1 > {root}/cgroup/of-test/cgroup.freeze; echo 1 > {root}/cgroup/of-test/cgroup.kill; \
         rmdir {root}/cgroup/of-test; umount {root}/cgroup; : > /sys/power/state; :"
    );
    let lines = host.did("root", &script);
    let expected = [
        format!("{root}/binfmt_misc/register"),
        format!("{root}/release_agent"),
        "/proc/sys/kernel/core_pattern".to_owned(),
        format!("{root}/cgroup/of-test/cgroup.freeze"),
        format!("{root}/cgroup/of-test/cgroup.kill"),
        "/sys/power/state".to_owned(),
    ];
    assert_eq!(
        delegated(&lines),
        expected.map(|path| json!(["kernel", path]))
    );
    Ok(())
}

/// The host's pattern for dumps, which is what it was once this is gone.
struct Pattern(String);

const PATTERN: &str = "/proc/sys/kernel/core_pattern";

impl Drop for Pattern {
    fn drop(&mut self) {
        let _ = fs::write(PATTERN, &self.0);
    }
}

/// What it does is a session that says whose it was
fn core_handler(host: &Host) -> Outcome {
    let place = place(host, "core");
    let (handler, done) = (place.join("handler"), place.join("done"));
    fs::write(
        &handler,
        format!("#!/bin/sh\n/bin/echo from-kernel > {}\n", done.display()),
    )?;
    fs::set_permissions(&handler, fs::Permissions::from_mode(0o755))?;
    let _pattern = Pattern(fs::read_to_string(PATTERN)?);
    let script = format!(
        "echo '|{}' > {PATTERN}; sh -c 'ulimit -c unlimited; kill -SEGV $$'; :",
        handler.display()
    );
    let lines = host.did("root", &script);
    wait_for(&done, "from-kernel");
    let job = job(host, "from-kernel");
    assert_origin(&job, "kernel", "root", &lines, true);
    assert_eq!(ran(&job).last(), Some(&json!(["/bin/echo", "from-kernel"])));
    Ok(())
}
