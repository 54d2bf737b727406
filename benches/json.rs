//! What a line costs, against serde_json writing the same line from the same record.
//!
//! Under Criterion nanoseconds; `json count EVENT (own|serde) N` writes N lines and nothing else, for a
//! tool that counts instructions.

// The tests use the rest of it.
#[allow(dead_code)]
#[path = "../tests/common/golden.rs"]
mod golden;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::str::from_utf8;

use criterion::Criterion;
use recorderd::abi::Head;
use recorderd::base::Clock;
use recorderd::event::{Ids, Subject, Uuid, Writer};
use recorderd::family::{Body, Command, Context, Memory, Pending, Record, decode, strings};
use serde::Serialize;

/// A line with the keys that all have, and its own.
macro_rules! line {
    ($name:ident { $($(#[$attribute:meta])* $field:ident: $type:ty,)* }) => {
        #[derive(Serialize)]
        struct $name<'a> {
            ei: u64,
            event: &'a str,
            uid: &'a str,
            code: &'a str,
            time: &'a str,
            cluster_name: &'a str,
            user: &'a str,
            login: &'a str,
            sid: &'a str,
            namespace: &'a str,
            server_id: &'a str,
            server_hostname: &'a str,
            server_labels: &'a BTreeMap<&'a str, &'a str>,
            server_version: &'a str,
            pid: u32,
            cgroup_id: u64,
            program: &'a str,
            audit_session_id: u32,
            $($(#[$attribute])* $field: $type,)*
        }
    };
}

line!(CommandLine {
    ppid: u32,
    path: &'a str,
    argv: Vec<&'a str>,
    return_code: i32,
    argv0: &'a str,
    exe: &'a str,
    exe_device: &'a str,
    exe_inode: u64,
    cwd: &'a str,
    ids: Owner,
});

line!(NetworkLine {
    src_addr: String,
    dst_addr: String,
    dst_port: u16,
    version: u8,
    operation: u32,
    action: u32,
    src_port: u16,
    protocol: &'a str,
});

#[derive(Serialize)]
struct Owner {
    uid: u32,
    gid: u32,
    euid: u32,
    egid: u32,
}

/// What [`golden::writer`] has, as serde writes it: host, session, ids and clock.
struct Serde {
    ids: Ids,
    clock: Clock,
    sid: String,
    labels: BTreeMap<&'static str, &'static str>,
    next: u64,
    out: Vec<u8>,
}

/// Fills in the keys that all have.
macro_rules! common {
    ($self:ident, $head:ident, $line:ident, $event:literal, $code:literal,
     { $($field:ident: $value:expr,)* }) => {{
        let uid = $self.ids.next();
        let time = $self.clock.text($head.time);
        let length = memchr::memchr(0, &$head.program).unwrap_or($head.program.len());
        let line = $line {
            ei: $self.next,
            event: $event,
            uid: from_utf8(&uid).unwrap(),
            code: $code,
            time: from_utf8(&time).unwrap(),
            cluster_name: "purple",
            user: "alice@example.com",
            login: "alice",
            sid: &$self.sid,
            namespace: "default",
            server_id: "531dc1de-c2c9-49bd-a0e3-4f4f3a523f5f",
            server_hostname: "web-1",
            server_labels: &$self.labels,
            server_version: env!("CARGO_PKG_VERSION"),
            pid: $head.pid,
            cgroup_id: $head.cgroup_id,
            program: from_utf8(&$head.program[..length]).unwrap(),
            audit_session_id: $head.audit_session_id,
            $($field: $value,)*
        };
        $self.next += 1;
        serde_json::to_writer(&mut $self.out, &line).unwrap();
        $self.out.push(b'\n');
    }};
}

impl Serde {
    fn new(sid: &Uuid, ids: Ids) -> Self {
        Self {
            ids,
            clock: Clock::fixed(1_688_488_940_000_000_000),
            sid: from_utf8(sid).unwrap().to_owned(),
            labels: BTreeMap::from([("role", "leader")]),
            next: 0,
            out: Vec::with_capacity(1 << 20),
        }
    }

    fn write(&mut self, record: &Record<'_>) {
        let head = &record.head;
        match &record.body {
            Body::Command(command) => self.command(head, command),
            Body::Network(network) => {
                let address = |bytes: [u8; 16]| {
                    std::net::Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3]).to_string()
                };
                common!(self, head, NetworkLine, "session.network", "T4002I", {
                    src_addr: address(network.source.address),
                    dst_addr: address(network.destination.address),
                    dst_port: network.destination.port,
                    version: 4,
                    operation: network.operation,
                    action: 0,
                    src_port: network.source.port,
                    protocol: "tcp",
                });
            }
            _ => unreachable!(),
        }
    }

    fn command(&mut self, head: &Head, command: &Command<'_>) {
        let text = |bytes| from_utf8(bytes).unwrap();
        let fixed = &command.fixed;
        let device = format!("{}:{}", fixed.device >> 20, fixed.device & 0xf_ffff);
        let mut argv = strings(command.argv).map(text);
        let argv0 = argv.next().unwrap();
        common!(self, head, CommandLine, "session.command", "T4000I", {
            ppid: fixed.parent_pid,
            path: text(command.path),
            argv: argv.collect(),
            return_code: fixed.return_code,
            argv0: argv0,
            exe: text(command.exe),
            exe_device: &device,
            exe_inode: fixed.inode,
            cwd: text(command.cwd),
            ids: Owner {
                uid: fixed.ids.uid,
                gid: fixed.ids.gid,
                euid: fixed.ids.euid,
                egid: fixed.ids.egid,
            },
        });
    }
}

/// Our own way, from the record to the line.
struct Own {
    writer: Writer,
    subject: Subject,
    pending: Pending,
}

impl Own {
    fn write(&mut self, record: &Record<'_>) {
        let mut context = Context {
            writer: &mut self.writer,
            subject: &mut self.subject,
            pending: &mut self.pending,
        };
        record.body.write(&record.head, &mut context);
    }
}

/// Both, in the same state.
fn both() -> (Own, Serde) {
    let mut writer = golden::writer();
    let sid = writer.id();
    let own = Own {
        subject: Subject::new("alice@example.com", "alice", &sid, None),
        pending: Pending::new(Memory::default().share(1)),
        writer,
    };
    let mut ids = golden::ids();
    ids.next();
    (own, Serde::new(&sid, ids))
}

/// A command and a connect, with the names they have in the results.
fn records() -> Vec<(&'static str, Vec<u8>)> {
    let find = |file: &str, is_wanted: fn(&Body<'_>) -> bool| {
        let mut records = golden::records(file).into_iter();
        records
            .find(|bytes| is_wanted(&decode(bytes).unwrap().body))
            .unwrap()
    };
    let ran = |body: &Body<'_>| match body {
        Body::Command(command) => strings(command.argv).count() > 1 && !command.exe.is_empty(),
        _ => false,
    };
    let connected = |body: &Body<'_>| matches!(body, Body::Network(_));
    vec![
        ("command", find("command.hex", ran)),
        ("network", find("network_first.hex", connected)),
    ]
}

fn main() {
    let records = records();
    let (mut own, mut serde) = both();
    for (_, bytes) in &records {
        let record = decode(bytes).unwrap();
        own.write(&record);
        serde.write(&record);
    }
    assert_eq!(
        from_utf8(own.writer.lines().bytes()).unwrap(),
        from_utf8(&serde.out).unwrap()
    );
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    if let ["count", event, who, count] = words[..] {
        let (_, bytes) = records.iter().find(|(name, _)| *name == event).unwrap();
        for _ in 0..count.parse().expect("a number of lines") {
            let record = decode(black_box(bytes)).unwrap();
            match who {
                "own" => own.write(&record),
                _ => serde.write(&record),
            }
            own.writer.clear();
            serde.out.clear();
        }
        return;
    }
    let mut criterion = Criterion::default().configure_from_args();
    for (name, bytes) in &records {
        let mut group = criterion.benchmark_group(*name);
        group.bench_function("own", |bencher| {
            bencher.iter(|| {
                own.write(&decode(black_box(bytes)).unwrap());
                own.writer.clear();
            })
        });
        group.bench_function("serde_json", |bencher| {
            bencher.iter(|| {
                serde.write(&decode(black_box(bytes)).unwrap());
                serde.out.clear();
            })
        });
    }
    criterion.final_summary();
}
