//! A BPF ring buffer, read in place.

use crate::base::page_size;
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
    /// The error of mmap(2).
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

/// From the kernel's linux/bpf.h: BPF_RINGBUF_BUSY_BIT, BPF_RINGBUF_DISCARD_BIT and
/// BPF_RINGBUF_HDR_SZ.
const BUSY: u32 = 1 << 31;
const DISCARDED: u32 = 1 << 30;
pub const HEADER: usize = 8;

/// Of records that are being written, room is made for so many.
const BUSY_AT_ONCE: usize = 64;

/// The reader's side of a ring.
pub struct Ring {
    consumer: Mapping,
    producer: Mapping,
    size: usize,
    data: usize,
    scanned: u64,
    /// Records before that which a probe was still writing.
    busy: Vec<u64>,
}

impl Ring {
    /// Maps the ring buffer of `size` bytes behind `fd`.
    ///
    /// # Errors
    /// The error of mmap(2).
    pub fn map(fd: BorrowedFd<'_>, size: usize) -> io::Result<Self> {
        let page = page_size();
        Ok(Self {
            consumer: Mapping::new(fd, page, 0, true)?,
            // The data is mapped twice in a row, so that no record is ever in two parts.
            producer: Mapping::new(fd, page + 2 * size, page, false)?,
            size,
            data: page,
            scanned: 0,
            busy: Vec::with_capacity(BUSY_AT_ONCE),
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
        self.busy.is_empty() && self.scanned == self.producer.word(0).load(Ordering::Acquire)
    }

    /// How full it is, in percent.
    pub fn fill(&self) -> u64 {
        self.used() as u64 * 100 / self.size as u64
    }

    fn offset(&self, position: u64) -> usize {
        self.data + (position as usize & (self.size - 1))
    }

    fn header(&self, position: u64) -> u32 {
        let offset = self.offset(position);
        self.producer.half_word(offset).load(Ordering::Acquire)
    }

    /// Calls `each` with the position and the bytes of every record not seen before. One that a probe
    /// is still writing is passed over until it is complete.
    pub fn scan(&mut self, mut each: impl FnMut(u64, &[u8])) {
        let mut busy = std::mem::take(&mut self.busy);
        busy.retain(|position| !self.take(*position, &mut each));
        let end = self.producer.word(0).load(Ordering::Acquire);
        while self.scanned < end {
            let position = self.scanned;
            if !self.take(position, &mut each) {
                busy.push(position);
            }
            // The length is there before the record.
            let length = (self.header(position) & !(BUSY | DISCARDED)) as usize;
            self.scanned += (length + HEADER).next_multiple_of(8) as u64;
        }
        self.busy = busy;
    }

    /// Whether the record there is complete; then it is `each`'s, unless it was discarded.
    fn take(&self, position: u64, each: &mut impl FnMut(u64, &[u8])) -> bool {
        let header = self.header(position);
        if header & BUSY != 0 {
            return false;
        }
        if header & DISCARDED == 0 {
            each(position, self.record(position));
        }
        true
    }

    /// The bytes of the record that `scan` found at `position`, until its space is given back.
    pub fn record(&self, position: u64) -> &[u8] {
        let length = (self.header(position) & !(BUSY | DISCARDED)) as usize;
        self.producer.bytes(self.offset(position) + HEADER, length)
    }

    /// Gives back the space of all before `position`, or of all that was seen, up to what is not
    /// complete.
    pub fn release(&mut self, position: Option<u64>) {
        let position = position.unwrap_or(self.scanned);
        let busy = self.busy.iter().copied().min();
        self.consumer.word(0).store(
            busy.map_or(position, |busy| busy.min(position)),
            Ordering::Release,
        );
    }
}

#[cfg(test)]
pub mod tests {
    use crate::base::owned;
    use std::os::fd::{AsFd, OwnedFd};

    use super::*;

    /// So many bytes to be mapped.
    pub fn memory(length: usize) -> OwnedFd {
        // SAFETY: makes a descriptor.
        let fd = owned(unsafe { libc::memfd_create(c"memory".as_ptr(), 0) }.into()).unwrap();
        // SAFETY: changes the length of what is ours.
        unsafe { libc::ftruncate(fd.as_raw_fd(), length as libc::off_t) };
        fd
    }

    /// The probes' side of a ring, for as much as fits it once.
    pub struct Producer {
        data: Mapping,
        end: usize,
    }

    impl Producer {
        pub fn new() -> (Self, Ring) {
            let (page, size) = (page_size(), 4 * page_size());
            let fd = memory(2 * page + 2 * size);
            let ring = Ring::map(fd.as_fd(), size).unwrap();
            let data = Mapping::new(fd.as_fd(), page + size, page, true).unwrap();
            (Self { data, end: 0 }, ring)
        }

        /// Reserves a record; returns where.
        pub fn reserve(&mut self, bytes: &[u8]) -> usize {
            let at = page_size() + self.end;
            let header = self.data.half_word(at);
            header.store(bytes.len() as u32 | BUSY, Ordering::SeqCst);
            for (index, word) in bytes.chunks_exact(8).enumerate() {
                let word = u64::from_ne_bytes(word.try_into().unwrap());
                let place = self.data.word(at + HEADER + 8 * index);
                place.store(word, Ordering::SeqCst);
            }
            self.end += bytes.len() + HEADER;
            self.data.word(0).store(self.end as u64, Ordering::SeqCst);
            at
        }

        /// Completes it.
        pub fn commit(&self, at: usize) {
            let header = self.data.half_word(at);
            header.fetch_and(!BUSY, Ordering::SeqCst);
        }
    }

    #[test]
    fn what_is_not_complete_holds_nothing_up_and_keeps_its_space() {
        let (mut producer, mut ring) = Producer::new();
        let places: Vec<_> = (0..4u8).map(|it| producer.reserve(&[it; 16])).collect();
        let seen = |ring: &mut Ring| {
            let mut seen = Vec::new();
            ring.scan(|position, bytes| seen.push((position, bytes[0])));
            seen
        };
        producer.commit(places[0]);
        producer.commit(places[2]);
        assert_eq!(seen(&mut ring), [(0, 0), (48, 2)]);
        assert!(!ring.is_empty());
        ring.release(None);
        assert_eq!(ring.used(), 3 * 24);
        producer.commit(places[3]);
        assert_eq!(seen(&mut ring), [(72, 3)]);
        producer.commit(places[1]);
        assert_eq!(seen(&mut ring), [(24, 1)]);
        ring.release(Some(24));
        assert_eq!(ring.used(), 3 * 24);
        ring.release(None);
        assert!(ring.is_empty() && ring.used() == 0);
        assert_eq!(seen(&mut ring), []);
    }
}
