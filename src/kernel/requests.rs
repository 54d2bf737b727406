//! What the kernel keeps of requests to io_uring until they are complete.

use aya::maps::{HashMap, MapData};

use super::share::Shares;
use crate::abi::{Head, Request, Table, read, via};

/// The table of such requests, by their address.
pub struct Requests(pub(super) HashMap<MapData, u64, Request>);

impl Requests {
    /// Takes out the records of the session `key`, which is over: their end has not been seen. Each
    /// gets `time`, in nanoseconds since boot, and the mark for that.
    pub fn take(&mut self, key: u64, time: u64, shares: &Shares) -> Vec<Request> {
        let mut taken = Vec::new();
        if shares.used(key, Table::Requests) == 0 {
            return taken;
        }
        let addresses: Vec<u64> = self.0.keys().flatten().collect();
        for address in addresses {
            let Ok(mut request) = self.0.get(&address, 0) else {
                continue;
            };
            let Some(head) = read::<Head>(&request.record).filter(|head| head.session == key)
            else {
                continue;
            };
            // It may be gone by now, which is as good.
            if self.0.remove(&address).is_ok() {
                shares.give(key, request.uid as u32, Table::Requests);
            }
            let marks = head.via | via::OUTCOME_UNKNOWN as u16;
            let place = std::mem::offset_of!(Head, via);
            request.record[place..place + size_of_val(&marks)]
                .copy_from_slice(&marks.to_ne_bytes());
            let place = std::mem::offset_of!(Head, time);
            request.record[place..place + size_of_val(&time)].copy_from_slice(&time.to_ne_bytes());
            taken.push(request);
        }
        taken
    }
}
