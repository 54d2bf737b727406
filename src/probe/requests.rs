//! What the kernel keeps of requests to io_uring until they are complete.

use aya::maps::{HashMap, MapData};

use super::share::Shares;
use crate::record::layout::{Head, read, table, via};

/// REQUEST_LENGTH of probes/uring.bpf.c.
pub const REQUEST_LENGTH: usize = 4096;

/// `struct request`: the record, and whose share it is of.
pub type Request = [u8; REQUEST_LENGTH + size_of::<u64>()];

/// The table of such requests, by their address.
pub struct Requests(pub(super) HashMap<MapData, u64, Request>);

impl Requests {
    /// Takes out the records of the session `key`, which is over: their end has not been seen. Each
    /// gets `time`, in nanoseconds since boot, and the mark for that.
    pub fn take(&mut self, key: u64, time: u64, shares: &Shares) -> Vec<Request> {
        let mut taken = Vec::new();
        if shares.used(key, table::REQUESTS) == 0 {
            return taken;
        }
        let addresses: Vec<u64> = self.0.keys().flatten().collect();
        for address in addresses {
            let Ok(mut record) = self.0.get(&address, 0) else {
                continue;
            };
            let Some(head) = read::<Head>(&record).filter(|head| head.session == key) else {
                continue;
            };
            // It may be gone by now, which is as good.
            if self.0.remove(&address).is_ok() {
                let (_, uid) = record.split_at(REQUEST_LENGTH);
                let uid = uid.first_chunk().map_or(0, |uid| u32::from_ne_bytes(*uid));
                shares.give(key, uid, table::REQUESTS);
            }
            let marks = head.via | via::UNCONFIRMED as u16;
            let place = std::mem::offset_of!(Head, via);
            record[place..place + size_of_val(&marks)].copy_from_slice(&marks.to_ne_bytes());
            let place = std::mem::offset_of!(Head, time);
            record[place..place + size_of_val(&time)].copy_from_slice(&time.to_ne_bytes());
            taken.push(record);
        }
        taken
    }
}
