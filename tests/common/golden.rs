//! Records from the files in tests/golden, and a writer that writes the same each time.

use std::path::PathBuf;

use recorderd::abi::{SendsKey, SessionEntry};
use recorderd::base::Clock;
use recorderd::event::{Host, HostNames, Ids, Writer};
use recorderd::session::Kernel;

/// A kernel that knows no session, and has counted as many datagrams as their port says.
pub struct NoKernel;

impl Kernel for NoKernel {
    fn session(&self, _: u64) -> Option<SessionEntry> {
        None
    }

    fn take_sends(&mut self, key: &SendsKey) -> u64 {
        key.destination.port.into()
    }

    fn counts_sends(&self, _: u64) -> bool {
        true
    }

    fn sends(&self, session: u64) -> Vec<SendsKey> {
        // Of a datagram whose event was lost.
        let mut key = SendsKey {
            session,
            pid: 5009,
            ends: 8_000_000_000,
            protocol: 17,
            ..SendsKey::default()
        };
        (key.destination.version, key.destination.port) = (4, 7);
        vec![key]
    }

    fn note_table(&mut self, _: u64, _: &[u8]) {}

    fn check_tables(&mut self) {}

    fn has_table(&mut self, key: u64, _: u32) -> bool {
        key == 7
    }
}

/// A file in tests/golden.
pub fn path(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "golden", name]
        .iter()
        .collect()
}

/// The records of a file: one in hex on each line, beside comments that begin with `#`.
pub fn records(name: &str) -> Vec<Vec<u8>> {
    let text = std::fs::read_to_string(path(name)).unwrap();
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16);
            let bytes = line.as_bytes().chunks(2).map(byte);
            bytes.collect::<Result<_, _>>().expect("hex")
        })
        .collect()
}

/// A writer for which the ids count up, and the host was booted at 2023-07-04 16:42:20 UTC.
pub fn writer() -> Writer {
    let host = Host::new(&HostNames {
        cluster: "purple",
        id: "531dc1de-c2c9-49bd-a0e3-4f4f3a523f5f",
        hostname: "web-1",
        labels: &[("role".into(), "leader".into())],
    });
    Writer::new(host, ids(), Clock::fixed(1_688_488_940_000_000_000))
}

/// Ids that count up.
pub fn ids() -> Ids {
    Ids::with(|pool| {
        for (index, id) in pool.chunks_mut(16).enumerate() {
            id.fill(index as u8);
        }
    })
}
