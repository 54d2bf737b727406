//! Once a session runs, its records become lines without a single allocation.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::os::unix::net::UnixDatagram;

use common::golden::{NoKernel, records, writer};
use recorderd::abi::Head;
use recorderd::base::Sync;
use recorderd::event::Writer;
use recorderd::output::{Journald, Place, Sink, Syslog};
use recorderd::session::Table;

/// The system's allocator; it counts by thread, so that the tests don't count one another's.
struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: hands everything to the system's allocator, and counts in a place that needs none.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: as the caller promises.
        unsafe { System.realloc(memory, layout, size) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations for 10,000 records of a case, in a session that is open already. Each time around
/// they are of another process, if `fork`.
fn allocations(case: &str, fork: bool) -> usize {
    const PID: usize = std::mem::offset_of!(Head, pid);
    let mut records = records(case);
    // The last record ends the session.
    records.pop();
    let (mut table, mut writer) = (Table::default(), writer());
    let mut bytes = 0;
    let mut take = |record: &[u8]| {
        table.take(record, &mut NoKernel, &mut writer);
        // Its start waits for no channel then.
        table.tick(u64::MAX, &mut writer);
        if writer.lines().bytes().len() > Writer::BATCH {
            bytes += writer.lines().bytes().len();
            writer.clear();
        }
    };
    for record in &records {
        take(record);
    }
    let before = COUNT.get();
    // The first record starts the session.
    let (_, records) = records.split_first_mut().unwrap();
    let count = records.len();
    for index in 0..10_000 {
        let record = &mut records[index % count];
        if fork {
            let pid = 5008 + (index / count) as u32;
            record[PID..PID + 4].copy_from_slice(&pid.to_ne_bytes());
        }
        take(record);
    }
    let count = COUNT.get() - before;
    assert!(bytes > 10_000 * 200, "{case}: {bytes}");
    count
}

/// Commands, with hostile bytes among them.
#[test]
fn commands_need_no_allocation() {
    for case in ["command.hex", "hostile.hex", "exe.hex"] {
        assert_eq!(allocations(case, false), 0, "{case}");
    }
}

/// Processes that come, run a command and go.
#[test]
fn processes_need_no_allocation() {
    assert_eq!(allocations("exit.hex", true), 0);
}

/// Files.
#[test]
fn files_need_no_allocation() {
    for case in ["disk.hex", "file_operation.hex"] {
        assert_eq!(allocations(case, false), 0, "{case}");
    }
}

/// Connections and their results.
#[test]
fn connections_need_no_allocation() {
    for case in ["network.hex", "local.hex", "dns.hex"] {
        assert_eq!(allocations(case, false), 0, "{case}");
    }
}

/// Rights.
#[test]
fn privilege_needs_no_allocation() {
    assert_eq!(allocations("privilege.hex", false), 0);
}

/// Outputs that send each line by itself.
#[test]
fn outputs_need_no_allocation() {
    let folder = common::Folder::new();
    let [log, journal] = ["log", "journal"].map(|name| folder.path().join(name));
    let readers = [&log, &journal].map(|path| UnixDatagram::bind(path).unwrap());
    for reader in &readers {
        reader.set_nonblocking(true).unwrap();
    }
    let places = vec![
        Place::Syslog(Syslog::new(&log)),
        Place::Journald(Journald::new(&journal)),
    ];
    let mut sink = Sink::new(places, Sync::Interval);
    let (mut table, mut writer) = (Table::default(), writer());
    for record in records("disk.hex") {
        table.take(&record, &mut NoKernel, &mut writer);
    }
    let mut datagram = vec![0; 1 << 20];
    let mut bytes = 0;
    let mut round = |sink: &mut Sink| {
        for (_, line) in writer.lines().each() {
            sink.write(line, writer.clock.now());
            sink.tick(writer.clock.now(), false);
            for reader in &readers {
                bytes += reader.recv(&mut datagram).unwrap();
            }
        }
    };
    round(&mut sink);
    let before = COUNT.get();
    for _ in 0..100 {
        round(&mut sink);
    }
    assert_eq!(COUNT.get() - before, 0);
    assert!(bytes > 100 * 2 * writer.lines().bytes().len(), "{bytes}");
}

/// The count counts.
#[test]
fn an_allocation_is_seen() {
    let before = COUNT.get();
    drop(std::hint::black_box(Box::new(1)));
    assert_eq!(COUNT.get() - before, 1);
}
