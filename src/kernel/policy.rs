//! What the config has the probes record and leave out: three maps that the daemon writes, and the probes read.

use aya::Ebpf;
use aya::maps::{Array, HashMap, MapData};

use super::error::ProbeError;
use super::filter;
use super::object::typed;
use crate::abi::{Rules, Variables};
use crate::base::Accounts;
use crate::config::Filter;

/// Accounts of which a reload can say what is recorded, if the start did of fewer.
const USERS: usize = 1_024;

/// How many accounts a filter can name, when the maps were made for `filter`.
pub fn users_limit(filter: &Filter) -> usize {
    let (masks, _) = filter::users(filter, &Accounts::of_host());
    masks.len().max(USERS)
}

/// The maps, and what was written there last.
pub struct Policy {
    users: HashMap<MapData, u32, u64>,
    users_limit: usize,
    rules: Array<MapData, Rules>,
    variables: Array<MapData, Variables>,
    /// By uid.
    set_users: Vec<(u32, u64)>,
    set_rules: Rules,
    set_variables: Variables,
}

impl Policy {
    /// With nothing set. So many accounts have room.
    ///
    /// # Errors
    /// An object that is not ours.
    pub fn new(object: &mut Ebpf, users_limit: usize) -> Result<Self, ProbeError> {
        Ok(Self {
            users: typed(object, "users")?,
            users_limit,
            rules: typed(object, "rules")?,
            variables: typed(object, "variables")?,
            set_users: Vec::new(),
            set_rules: Rules::default(),
            set_variables: Variables::default(),
        })
    }

    /// Has these variables of environments recorded.
    ///
    /// # Errors
    /// What the kernel refuses, and why.
    pub fn show(&mut self, environment: &[String]) -> Result<(), ProbeError> {
        self.set_variables = wanted(environment);
        let set = self.variables.set(0, self.set_variables, 0);
        set.map_err(|e| ProbeError::new("map variables", e))
    }

    /// Has what `filter` leaves out left out, and tells whether that is anything.
    ///
    /// # Errors
    /// More accounts than there is room for; what the kernel refuses, and why.
    pub fn exclude(&mut self, filter: &Filter) -> Result<bool, ProbeError> {
        let (masks, unknown) = filter::users(filter, &Accounts::of_host());
        if masks.len() > self.users_limit {
            let why = format!(
                "it names {} accounts, and there is space for {}; restart recorderd",
                masks.len(),
                self.users_limit
            );
            return Err(ProbeError::new("record", why));
        }
        self.set_rules = filter::rules(filter);
        self.set_users = masks.iter().map(|(uid, mask)| (*uid, *mask)).collect();
        self.set_users.sort_unstable();
        let set = self.rules.set(0, self.set_rules, 0);
        set.map_err(|e| ProbeError::new("map rules", e))?;
        for line in unknown {
            crate::report!("recorderd: {line}; other sessions aren't affected");
        }
        let error = |e| ProbeError::new("map users", e);
        for (uid, mask) in &masks {
            self.users.insert(uid, mask, 0).map_err(error)?;
        }
        let known: Vec<u32> = self.users.keys().flatten().collect();
        for uid in known.iter().filter(|uid| !masks.contains_key(uid)) {
            self.users.remove(uid).map_err(error)?;
        }
        Ok(self.set_rules.families != 0 || masks.values().any(|mask| *mask != 0))
    }

    /// Bits of the families that a session of this user goes without.
    pub fn families_excluded(&self, uid: u32) -> u64 {
        let mask = self.users.get(&uid, 0);
        mask.unwrap_or(self.set_rules.families)
    }

    /// The maps that somebody else has changed, and whether that was put right.
    pub fn restore(&mut self) -> Vec<(&'static str, bool)> {
        let mut altered = Vec::new();
        let known = self.rules.get(&0, 0).ok();
        if known.is_some_and(|known| known != self.set_rules) {
            let restored = self.rules.set(0, self.set_rules, 0).is_ok();
            altered.push(("rules", restored));
        }
        let known = self.variables.get(&0, 0).ok();
        if known.is_some_and(|known| known != self.set_variables) {
            let restored = self.variables.set(0, self.set_variables, 0).is_ok();
            altered.push(("variables", restored));
        }
        let mut users: Vec<(u32, u64)> = self.users.iter().flatten().collect();
        users.sort_unstable();
        if users != self.set_users {
            let mut restored = true;
            users.retain(|(uid, _)| !self.has(*uid));
            for (uid, _) in users {
                restored &= self.users.remove(&uid).is_ok();
            }
            for (uid, mask) in &self.set_users {
                restored &= self.users.insert(uid, mask, 0).is_ok();
            }
            altered.push(("users", restored));
        }
        altered
    }

    fn has(&self, uid: u32) -> bool {
        let place = self.set_users.binary_search_by_key(&uid, |(uid, _)| *uid);
        place.is_ok()
    }
}

/// The names as the probes compare them.
fn wanted(environment: &[String]) -> Variables {
    let mut variables = Variables::default();
    for (variable, name) in variables.wanted.iter_mut().zip(environment) {
        let begins = name.bytes().chain([b'=']);
        let bytes = variable.name.as_flattened_mut().iter_mut();
        let masks = variable.mask.as_flattened_mut().iter_mut();
        for ((byte, mask), begin) in bytes.zip(masks).zip(begins) {
            *byte = begin;
            *mask = 0xff;
        }
    }
    variables
}
