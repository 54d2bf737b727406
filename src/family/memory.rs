//! The memory that is taken on behalf of sessions. It is one pool, of which each session, and each
//! account with all of its sessions, has a share.

use std::cell::{Cell, RefCell};
use std::hash::Hash;
use std::rc::Rc;

use rustc_hash::FxHashMap;

use crate::abi::SHARE_OF_REST;
use crate::event::Uuid;

/// For all sessions. Bytes.
const SIZE: usize = 32 << 20;

/// A session takes and gives back so many bytes at once.
const PIECE: usize = 1024;

/// What all sessions have.
#[derive(Default)]
struct Pool {
    used: Cell<usize>,
    accounts: RefCell<FxHashMap<u32, usize>>,
}

/// From which sessions take their memory.
#[derive(Default)]
pub struct Memory(Rc<Pool>);

impl Memory {
    /// Of a session of the account `uid`, which has nothing yet.
    pub fn share(&self, uid: u32) -> Share {
        Share {
            pool: Rc::clone(&self.0),
            account: uid,
            taken: 0,
            used: 0,
        }
    }
}

/// What a session has of the memory; it is given back when this is dropped.
pub struct Share {
    pool: Rc<Pool>,
    account: u32,
    /// From the pool.
    taken: usize,
    used: usize,
}

impl Share {
    /// Takes so many bytes, if the session may have them. The less is free, the less one may have, as
    /// in the kernel's tables: probes/share.h.
    pub fn take(&mut self, bytes: usize) -> bool {
        let wanted = (self.used + bytes).next_multiple_of(PIECE);
        if wanted > self.taken && !self.enlarge(wanted - self.taken) {
            return false;
        }
        self.used += bytes;
        true
    }

    fn enlarge(&mut self, bytes: usize) -> bool {
        let mut accounts = self.pool.accounts.borrow_mut();
        let account = accounts.entry(self.account).or_default();
        let used = self.pool.used.get() + bytes;
        let left = SIZE.saturating_sub(used);
        if *account + self.taken + bytes > SHARE_OF_REST * left {
            return false;
        }
        self.pool.used.set(used);
        *account += bytes;
        self.taken += bytes;
        true
    }

    /// Gives back so many bytes of those that were taken.
    pub fn give(&mut self, bytes: usize) {
        self.used -= bytes;
        // A piece is kept, so that who takes and gives by turns does not ask the pool each time.
        let kept = self.used.next_multiple_of(PIECE) + PIECE;
        if self.taken > kept {
            self.shrink(kept);
        }
    }

    fn shrink(&mut self, kept: usize) {
        let bytes = self.taken - kept;
        self.taken = kept;
        self.pool.used.set(self.pool.used.get() - bytes);
        let mut accounts = self.pool.accounts.borrow_mut();
        if let Some(account) = accounts.get_mut(&self.account) {
            *account -= bytes;
            if *account == 0 {
                accounts.remove(&self.account);
            }
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.shrink(0);
    }
}

/// Events that later ones refer to.
#[derive(Default)]
pub struct Events<Key>(FxHashMap<Key, Uuid>);

impl<Key: Eq + Hash> Events<Key> {
    /// What one takes, with the table that grows by doubling. Bytes.
    const EACH: usize = 3 * size_of::<(Key, Uuid)>();

    /// Keeps one, if there is room for it.
    pub fn insert(&mut self, key: Key, event: Uuid, share: &mut Share) {
        if let Some(place) = self.0.get_mut(&key) {
            *place = event;
        } else if share.take(Self::EACH) {
            self.0.insert(key, event);
        }
    }

    /// Takes one out.
    pub fn remove(&mut self, key: &Key, share: &mut Share) -> Option<Uuid> {
        let event = self.0.remove(key)?;
        share.give(Self::EACH);
        // A table does not become smaller by itself.
        if self.0.capacity() > 1024 && self.0.len() < self.0.capacity() / 8 {
            self.0.shrink_to(2 * self.0.len());
        }
        Some(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_takes_what_others_need() {
        let memory = Memory::default();
        let all = |share: &mut Share| {
            while share.take(PIECE) {}
            share.taken
        };
        let mut first = memory.share(1);
        assert!(all(&mut first) < SIZE * 5 / 6);
        // Other sessions of the account find room, and so do other accounts.
        let mut second = memory.share(1);
        assert!(all(&mut second) > SIZE / 32);
        let mut others: Vec<_> = (2..100).map(|uid| memory.share(uid)).collect();
        assert!(others.iter_mut().all(|share| share.take(PIECE)));
        drop((first, second, others));
        assert_eq!(memory.0.used.get(), 0);
        assert!(memory.0.accounts.borrow().is_empty());
    }

    #[test]
    fn events_that_have_no_room_are_not_kept() {
        let memory = Memory::default();
        let mut share = memory.share(1);
        let mut events = Events::default();
        let event = [b'0'; size_of::<Uuid>()];
        for key in 0..1_000_000u64 {
            events.insert(key, event, &mut share);
        }
        assert!(events.0.len() > 10_000 && events.0.len() * Events::<u64>::EACH < SIZE);
        for key in 0..1_000_000 {
            events.remove(&key, &mut share);
        }
        assert_eq!((share.used, events.0.capacity() < 2048), (0, true));
    }
}
