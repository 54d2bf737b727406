//! A log of 1 GB.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Stdio;

use super::{reads, recorded};
use crate::common::{Folder, Outcome, Process};

/// Whether so many bytes can be written to a folder.
pub fn has_room(folder: &Path, bytes: u64) -> bool {
    let path = std::ffi::CString::new(folder.as_os_str().as_bytes()).unwrap();
    // SAFETY: the structure is plain numbers, and is filled by the call.
    let (failed, of) = unsafe {
        let mut of: libc::statvfs = std::mem::zeroed();
        (libc::statvfs(path.as_ptr(), &mut of), of)
    };
    failed == 0 && of.f_bavail * of.f_frsize >= bytes
}

/// Memory stays the same however large the log, 1 GB; how fast it is read is only shown
pub fn large() -> Outcome {
    // A build that is not for release would take many minutes for all of it.
    let size: usize = if std::env::var_os("RECORDERD").is_some() {
        1 << 30
    } else {
        32 << 20
    };
    let folder = Folder::new();
    let sid = recorded().sid();
    let mut block: Vec<u8> = Vec::new();
    for line in &recorded().lines {
        writeln!(block, "{line}")?;
    }
    let places: Vec<usize> = memchr::memmem::find_iter(&block, sid.as_bytes()).collect();
    let file = folder.path().join("log");
    let mut log = std::io::BufWriter::with_capacity(1 << 20, File::create(&file)?);
    let count = size / block.len();
    for session in 0..count {
        // A session of its own each time.
        for place in &places {
            block[*place..*place + 8].copy_from_slice(format!("{session:08x}").as_bytes());
        }
        log.write_all(&block)?;
    }
    log.into_inner().map_err(|error| error.into_error())?;
    let first = format!("{:08x}{}", 0, &sid[8..]);
    let middle = format!("{:08x}{}", count / 2, &sid[8..]);
    let other = "no such text anywhere";
    let page = folder.path().join("page");
    let page = page.to_str().unwrap();
    for (command, lines) in [
        (&["sessions"][..], count),
        (&["search", other], 0),
        (&["search", other, "--path", "/etc"], 0),
        (
            &["search", "", "--session", &middle],
            recorded().lines.len(),
        ),
        (&["show", &middle[..20]], 2),
        (&["show", "--flat", &first], recorded().lines.len()),
        (&["tail", "-n", "1000"], 1000),
        (&["report", &middle, "-o", page], 0),
    ] {
        let start = std::time::Instant::now();
        let mut process = Process::spawn(
            reads(command)
                .arg("--log")
                .arg(&file)
                .stdout(Stdio::piped()),
        );
        let output = BufReader::new(process.child.stdout.take().unwrap());
        let shown = std::thread::spawn(move || output.lines().count());
        let mut most = 0;
        while process.child.try_wait()?.is_none() {
            most = peak(process.child.id()).unwrap_or(most);
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let seconds = start.elapsed().as_secs_f64();
        let megabytes = (size >> 20) as f64;
        println!(
            "{command:?}: {seconds:.2} s, {:.0} MB/s, at most {most} KiB",
            megabytes / seconds
        );
        assert!(most < 8 * 1024, "{command:?}: {most} KiB");
        let shown = shown.join().unwrap();
        assert!(
            shown >= lines && shown < lines.max(2) * 20,
            "{command:?}: {shown} lines"
        );
    }
    assert!(fs::read_to_string(page)?.contains(&middle));
    Ok(())
}

/// The most memory a process had resident so far, KiB.
fn peak(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}
