//! What the kernel keeps of requests to io_uring until they are complete.

use aya::maps::{HashMap, MapData};

use crate::record::layout::{Head, read, via};

/// REQUEST_LENGTH of probes/uring.bpf.c.
pub const REQUEST_LENGTH: usize = 4096;

/// The table of such requests, by their address.
pub struct Requests(pub(super) HashMap<MapData, u64, [u8; REQUEST_LENGTH]>);

impl Requests {
    /// Takes out the records of the session `key`, which is over: their end has not been seen. Each
    /// gets `time`, in nanoseconds since boot, and the mark for that.
    pub fn take(&mut self, key: u64, time: u64, mut each: impl FnMut(&[u8])) {
        let addresses: Vec<u64> = self.0.keys().flatten().collect();
        for address in addresses {
            let Ok(mut record) = self.0.get(&address, 0) else {
                continue;
            };
            let Some(head) = read::<Head>(&record).filter(|head| head.session == key) else {
                continue;
            };
            // It may be gone by now, which is as good.
            let _ = self.0.remove(&address);
            let marks = head.via | via::UNCONFIRMED as u16;
            let place = std::mem::offset_of!(Head, via);
            record[place..place + size_of_val(&marks)].copy_from_slice(&marks.to_ne_bytes());
            let place = std::mem::offset_of!(Head, time);
            record[place..place + size_of_val(&time)].copy_from_slice(&time.to_ne_bytes());
            each(&record);
        }
    }
}
