//! The kernel's tables without room: root fills what is left of them with entries that are nobody's.

use std::fs;
use std::process::Command;

use crate::common::ways::{MAPS, pipe, place, ran, tell};
use crate::common::{Host, ONE, Outcome, PYTHON, of_kind, patiently, printed};
use serde_json::{Value, json};

/// Fills a table of the recorder's until the kernel refuses more, with keys of `form` from `first` on; tells
/// with how many.
fn fill(host: &Host, table: &str, form: &str, first: &str) -> usize {
    let script = host.folder.path().join(format!("{table}.py"));
    // Other recorders may have tables of that name.
    let daemon = host.daemon.child.id();
    let text = format!(
        "{MAPS}
import glob
def ids(files):
    lines = [line for file in glob.glob(files) for line in open(file)]
    return {{line.split()[1] for line in lines if line.startswith('map_id:')}}
own = ids('/proc/{daemon}/fdinfo/*')
(map, size), = [one for one in maps(b'{table}') if ids('/proc/self/fdinfo/%d' % one[0]) <= own]
value = ctypes.create_string_buffer(size)
count = 0
while True:
    key = ctypes.create_string_buffer(struct.pack('{form}', ({first}) + count))
    if bpf(UPDATE, map, 0, *halves(key), *halves(value))[0]: break
    count += 1
assert ctypes.get_errno() == 7, ctypes.get_errno()
print(count)
"
    );
    fs::write(&script, text).unwrap();
    let count = printed(Command::new(PYTHON).arg("-I").arg(&script));
    count.trim().parse().unwrap()
}

/// The logins that found no room, each by its audit session id. No other recorder's table is full.
fn refused() -> Vec<u64> {
    let script = format!(
        "{MAPS}
for map, _ in maps(b'refused'):
    last = None
    while True:
        following = ctypes.create_string_buffer(8)
        if bpf(4, map, 0, *(halves(last) if last else (0, 0)), *halves(following))[0]: break
        last = following
        print(struct.unpack('<Q', last)[0])
"
    );
    let printed = printed(Command::new(PYTHON).args(["-Ic", &script]));
    printed.lines().map(|key| key.parse().unwrap()).collect()
}

/// What the recorder says of itself at its end.
fn stopped(mut host: Host) -> Value {
    assert_eq!(host.daemon.stop(), Some(0));
    let status = host.log().pop().unwrap();
    assert_eq!(status["reason"], "stop");
    status
}

/// Logins that find no room are counted one by one; who was there before is recorded on
pub fn sessions() -> Outcome {
    const LOGINS: usize = 3;
    let host = Host::start();
    let go_on = place(&host, "sessions").join("go-on");
    pipe(&go_on);
    let script = format!("read line < {}; /bin/true after; :", go_on.display());
    let mut before = host.login(ONE, &script);
    patiently("a session", || {
        (!host.all_sessions().is_empty()).then_some(())
    });
    let free = fill(&host, "sessions", "<Q", "1 << 62");
    assert_eq!(free, super::SESSIONS - 1);
    let logins = [(); LOGINS].map(|()| {
        let id = host.ssh(ONE, "cat /proc/self/sessionid");
        id.trim().parse::<u64>().unwrap()
    });
    tell(&go_on, "on");
    before.child.wait()?;
    let lines = host.session(&script);
    assert_eq!(
        ran(&lines),
        [
            json!(["/bin/bash", "-c", script]),
            json!(["/bin/true", "after"])
        ]
    );
    assert_eq!(host.all_sessions().len(), 1);
    // Others may log in to this host, too.
    let refused = refused();
    assert!(logins.iter().all(|login| refused.contains(login)));
    let status = stopped(host);
    assert_eq!(status["logins_dropped"], refused.len());
    assert_eq!(status["processes_dropped"], 0);
    Ok(())
}

/// Processes that find no room are counted with their session, and nothing else of it is missing
pub fn processes() -> Outcome {
    const COUNT: usize = 20;
    let host = Host::start();
    let go_on = place(&host, "processes").join("go-on");
    pipe(&go_on);
    let script = format!(
        "read line < {}; for ((i = 0; i < {COUNT}; i++)); do /bin/true; done; exec /bin/true last",
        go_on.display()
    );
    let mut client = host.login(ONE, &script);
    patiently("the shell", || {
        let log = host.text();
        log.contains(&format!(r#""argv":["-c",{}]"#, json!(script)))
            .then_some(())
    });
    fill(&host, "processes", "<I", "1 << 30");
    tell(&go_on, "on");
    client.child.wait()?;
    let lines = host.session(&script);
    assert_eq!(
        ran(&lines),
        [
            json!(["/bin/bash", "-c", script]),
            json!(["/bin/true", "last"])
        ]
    );
    let lost: Vec<_> = of_kind(&lines, "session.lost")
        .into_iter()
        .map(|line| (&line["family"], &line["cause"]))
        .collect();
    assert!(
        !lost.is_empty()
            && lost
                .iter()
                .all(|it| *it == (&json!("session"), &json!("table_full"))),
        "{lost:?}"
    );
    let counts = of_kind(&lines, "session.lost").into_iter();
    let count: u64 = counts.map(|line| line["count"].as_u64().unwrap()).sum();
    assert_eq!(count, COUNT as u64);
    let end = lines.last().unwrap();
    assert_eq!(end["losses"]["session"], COUNT);
    let status = stopped(host);
    assert_eq!(status["processes_dropped"], COUNT);
    assert_eq!(status["logins_dropped"], 0);
    Ok(())
}
