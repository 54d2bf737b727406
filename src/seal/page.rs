//! Memory for keys: not swapped, not in a core file, not in a child; and where it can be, in a file of a file system
//! that is on no disk, so that the next recorder finds it when this one is killed.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::ptr::NonNull;

/// Where such files are: in the first of these that is in memory.
const FOLDERS: [&str; 2] = ["/run/recorderd", "/dev/shm/recorderd"];

/// From linux/magic.h: file systems in memory.
const IN_MEMORY: [i64; 2] = [0x0102_1994, 0x8584_58f6];

/// Some bytes of such memory.
pub struct Page {
    bytes: NonNull<u8>,
    length: usize,
    path: Option<PathBuf>,
}

// SAFETY: the memory belongs to this alone.
unsafe impl Send for Page {}

impl Page {
    /// Memory of this length, with what the recorder before has left there under this name.
    ///
    /// # Errors
    /// The error of mmap(2).
    pub fn open(name: &str, length: usize) -> io::Result<Self> {
        for folder in FOLDERS {
            let path = Path::new(folder).join(name);
            if let Ok(file) = shared(&path, length) {
                return Self::map(Some((&file, path)), length);
            }
        }
        // Then a recorder that is killed has no successor in the chain.
        Self::map(None, length)
    }

    fn map(file: Option<(&File, PathBuf)>, length: usize) -> io::Result<Self> {
        let (fd, flags) = match &file {
            Some((file, _)) => (file.as_raw_fd(), libc::MAP_SHARED),
            None => (-1, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS),
        };
        // SAFETY: new memory, at a place that the kernel chooses.
        let at = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                length,
                libc::PROT_READ | libc::PROT_WRITE,
                flags,
                fd,
                0,
            )
        };
        let bytes = match NonNull::new(at.cast()) {
            Some(bytes) if at != libc::MAP_FAILED => bytes,
            _ => return Err(io::Error::last_os_error()),
        };
        // SAFETY: of the memory just mapped. Where the kernel refuses it, the keys are as safe as all else.
        unsafe {
            libc::mlock(at, length);
            libc::madvise(at, length, libc::MADV_DONTFORK);
            libc::madvise(at, length, libc::MADV_DONTDUMP);
        }
        Ok(Self {
            bytes,
            length,
            path: file.map(|(_, path)| path),
        })
    }

    /// What is in it.
    pub fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: mapped for as long as this lives, and borrowed with it.
        unsafe { std::slice::from_raw_parts_mut(self.bytes.as_ptr(), self.length) }
    }

    /// Wipes it; nobody is to find anything there.
    pub fn forget(&mut self) {
        super::key::wipe(self.bytes());
        if let Some(path) = self.path.take() {
            let _ = fs::remove_file(path);
        }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // SAFETY: it was mapped so, and nobody has it any more.
        unsafe { libc::munmap(self.bytes.as_ptr().cast(), self.length) };
    }
}

fn shared(path: &Path, length: usize) -> io::Result<File> {
    let folder = path.parent().unwrap_or(path);
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
        _ => {}
    }
    let owner = fs::symlink_metadata(folder)?;
    if !owner.is_dir() || owner.uid() != 0 || owner.mode() & 0o077 != 0 {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path)?;
    // SAFETY: the structure is plain numbers, and is filled by the call.
    let mut system: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes one such structure.
    if unsafe { libc::fstatfs(file.as_raw_fd(), &raw mut system) } < 0 {
        return Err(io::Error::last_os_error());
    }
    #[allow(clippy::unnecessary_cast, reason = "the type differs by architecture")]
    if !IN_MEMORY.contains(&(system.f_type as i64)) {
        let _ = fs::remove_file(path);
        return Err(io::ErrorKind::Unsupported.into());
    }
    file.set_len(length as u64)?;
    Ok(file)
}
