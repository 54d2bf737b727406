//! A BPF ring buffer, read in place.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Memory shared with the kernel.
pub struct Mapping {
    start: NonNull<u8>,
    length: usize,
}

impl Mapping {
    /// Maps `length` bytes from `offset` on.
    ///
    /// # Errors
    /// What mmap(2) says.
    pub fn new(
        fd: BorrowedFd<'_>,
        length: usize,
        offset: usize,
        writable: bool,
    ) -> io::Result<Self> {
        let length = length.next_multiple_of(page_size());
        let protection = libc::PROT_READ | if writable { libc::PROT_WRITE } else { 0 };
        // SAFETY: a new mapping, at an address that the kernel chooses.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                length,
                protection,
                libc::MAP_SHARED,
                fd.as_raw_fd(),
                offset as libc::off_t,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or_else(io::Error::last_os_error)?;
        Ok(Self { start, length })
    }

    fn at(&self, offset: usize, length: usize) -> *mut u8 {
        assert!(offset + length <= self.length, "outside of the mapping");
        // SAFETY: inside the mapping.
        unsafe { self.start.as_ptr().add(offset) }
    }

    /// The 64-bit word at `offset`, a multiple of eight inside the mapping.
    pub fn word(&self, offset: usize) -> &AtomicU64 {
        // SAFETY: `at` checks the bounds; mappings are page-aligned and callers keep to multiples
        // of eight; the other side writes such words as a whole.
        unsafe { AtomicU64::from_ptr(self.at(offset & !7, 8).cast()) }
    }

    /// The 32-bit word at `offset`, a multiple of four inside the mapping.
    pub fn half_word(&self, offset: usize) -> &AtomicU32 {
        // SAFETY: as for `word`.
        unsafe { AtomicU32::from_ptr(self.at(offset & !3, 4).cast()) }
    }

    fn bytes(&self, offset: usize, length: usize) -> &[u8] {
        // SAFETY: `at` checks the bounds, and the kernel leaves a record alone until its space
        // is given back.
        unsafe { std::slice::from_raw_parts(self.at(offset, length), length) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: our own mapping, to which nothing refers any more.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.length) };
    }
}

/// Size of a page, in bytes.
pub fn page_size() -> usize {
    // SAFETY: asks for a constant.
    unsafe { libc::sysconf(libc::_SC_PAGESIZE) as usize }
}

/// From the kernel's linux/bpf.h: BPF_RINGBUF_BUSY_BIT, BPF_RINGBUF_DISCARD_BIT and
/// BPF_RINGBUF_HDR_SZ.
const BUSY: u32 = 1 << 31;
const DISCARDED: u32 = 1 << 30;
pub const HEADER: usize = 8;

/// The reader's side of a ring.
pub struct Ring {
    consumer: Mapping,
    producer: Mapping,
    size: usize,
    data: usize,
    scanned: u64,
}

impl Ring {
    /// Maps the ring buffer of `size` bytes behind `fd`.
    ///
    /// # Errors
    /// What mmap(2) says.
    pub fn map(fd: BorrowedFd<'_>, size: usize) -> io::Result<Self> {
        let page = page_size();
        Ok(Self {
            consumer: Mapping::new(fd, page, 0, true)?,
            // The data is mapped twice in a row, so that no record is ever in two parts.
            producer: Mapping::new(fd, page + 2 * size, page, false)?,
            size,
            data: page,
            scanned: 0,
        })
    }

    /// Capacity in bytes.
    pub fn size(&self) -> usize {
        self.size
    }

    /// How much is in it, in bytes.
    pub fn used(&self) -> usize {
        let read = self.consumer.word(0).load(Ordering::Relaxed);
        (self.producer.word(0).load(Ordering::Acquire) - read) as usize
    }

    /// Whether there is nothing that `scan` has not yet seen.
    pub fn is_empty(&self) -> bool {
        self.scanned == self.producer.word(0).load(Ordering::Acquire)
    }

    /// How full it is, in percent.
    pub fn fill(&self) -> u64 {
        self.used() as u64 * 100 / self.size as u64
    }

    fn offset(&self, position: u64) -> usize {
        self.data + (position as usize & (self.size - 1))
    }

    /// Calls `each` with the position and the bytes of every record not seen before. `false` if it
    /// stopped at one that a probe is still writing.
    pub fn scan(&mut self, mut each: impl FnMut(u64, &[u8])) -> bool {
        let end = self.producer.word(0).load(Ordering::Acquire);
        while self.scanned < end {
            let offset = self.offset(self.scanned);
            let header = self.producer.half_word(offset).load(Ordering::Acquire);
            if header & BUSY != 0 {
                return false;
            }
            let length = (header & !(BUSY | DISCARDED)) as usize;
            if header & DISCARDED == 0 {
                each(self.scanned, self.producer.bytes(offset + HEADER, length));
            }
            self.scanned += (length + HEADER).next_multiple_of(8) as u64;
        }
        true
    }

    /// The bytes of the record that `scan` found at `position`, until its space is given back.
    pub fn record(&self, position: u64) -> &[u8] {
        let offset = self.offset(position);
        let header = self.producer.half_word(offset).load(Ordering::Acquire);
        let length = (header & !(BUSY | DISCARDED)) as usize;
        self.producer.bytes(offset + HEADER, length)
    }

    /// Gives back the space of all before `position`, or of all that was seen.
    pub fn release(&mut self, position: Option<u64>) {
        self.consumer
            .word(0)
            .store(position.unwrap_or(self.scanned), Ordering::Release);
    }
}
