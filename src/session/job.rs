//! Tables of cron that sessions write: of at the kernel tells whose a job is, of cron the table of
//! its account has to.

use std::ffi::OsStr;
use std::fs::symlink_metadata;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::abi::{JobFile, disk_operation};
use crate::base::Names;
use crate::family::Disk;

/// Where cron has the table of each account, under its name: on Debian, on RHEL.
const FOLDERS: [&str; 2] = ["/var/spool/cron/crontabs/", "/var/spool/cron/"];

/// The file that was opened, put into its place, or removed, if it is where cron has tables.
pub fn table_path<'a>(disk: &Disk<'a>) -> Option<&'a [u8]> {
    let path = match disk.fixed.operation {
        disk_operation::OPEN | disk_operation::CREATE | disk_operation::UNLINK => disk.path.path,
        disk_operation::RENAME => disk.target.path,
        _ => return None,
    };
    let is_there = disk.fixed.return_code == 0 && path.starts_with(FOLDERS[1].as_bytes());
    is_there.then_some(path)
}

/// The uid of the account whose table is at this path, and the table's file.
pub fn table_at(path: &[u8]) -> Option<(u32, JobFile)> {
    // Another path could lead to a file system of the user's, which never answers.
    let name = FOLDERS.iter().find_map(|folder| {
        let name = path.strip_prefix(folder.as_bytes())?;
        (!name.contains(&b'/')).then_some(name)
    })?;
    let (owner, file) = look(Path::new(OsStr::from_bytes(path)))?;
    let is_of = |known: &str| name == known.as_bytes();
    let names = Names::of_host();
    names.of(owner).any(is_of).then_some((owner, file))
}

/// The file that is the table of an account now.
pub fn table_of(uid: u32) -> Option<JobFile> {
    let names = Names::of_host();
    let mut paths = names
        .of(uid)
        .flat_map(|name| FOLDERS.map(|folder| Path::new(folder).join(name)));
    paths.find_map(|path| look(&path)).map(|(_, file)| file)
}

/// Owner and file.
fn look(path: &Path) -> Option<(u32, JobFile)> {
    let metadata = symlink_metadata(path).ok()?;
    let device = metadata.dev();
    let file = JobFile {
        inode: metadata.ino(),
        // As the kernel has it: MKDEV of linux/kdev_t.h.
        device: libc::major(device) << 20 | libc::minor(device),
        unused: 0,
    };
    Some((metadata.uid(), file))
}
