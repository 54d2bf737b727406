//! What a running recorder can follow of another config.

use super::Config;
use super::keys::keys;
use super::table::Reload;

impl Config {
    /// The config of a recorder that runs with this one and is given another, and the keys whose
    /// values differ all the same: those count only from the next start.
    pub fn follow(&self, other: &Config) -> (Config, Vec<&'static str>) {
        let mut config = other.clone();
        let mut differing = Vec::new();
        for key in keys().filter(|key| key.reload == Reload::Restart) {
            if !(key.is_same)(self, other) {
                (key.take)(&mut config, self);
                differing.push(key.name);
            }
        }
        (config, differing)
    }
}
