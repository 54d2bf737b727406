//! What is recorded together, and by which ring it comes: a row for each family.

use std::fmt;

use crate::abi::{Family, RingName};

impl RingName {
    /// The name of its map.
    pub fn map(self) -> String {
        format!("{}_ring", self.name())
    }
}

impl Family {
    /// The family with which it is recorded or left out, and its ring.
    const fn row(self) -> (Self, RingName) {
        match self {
            Self::Session => (Self::Session, RingName::Session),
            Self::Command | Self::ProcessExit => (Self::Command, RingName::Command),
            Self::Disk => (Self::Disk, RingName::Disk),
            Self::Network | Self::NetworkResult => (Self::Network, RingName::Network),
            Self::Privilege => (Self::Privilege, RingName::Command),
        }
    }

    /// The one of [`Family::CHOICES`] with which it is recorded or left out.
    pub const fn choice(self) -> Self {
        self.row().0
    }

    /// The ring by which it comes.
    pub const fn ring(self) -> RingName {
        self.row().1
    }

    const CHOICE_COUNT: usize = Self::choices().1;

    /// Those that the config names, in the order in which they are attached.
    pub const CHOICES: [Self; Self::CHOICE_COUNT] = {
        let (all, _) = Self::choices();
        *all.first_chunk().expect("as many as were counted")
    };

    const fn choices() -> ([Self; Self::COUNT], usize) {
        let (mut choices, mut count, mut index) = (Self::ALL, 0, 0);
        while index < Self::COUNT {
            let family = Self::ALL[index];
            if family.choice() as usize == family as usize {
                choices[count] = family;
                count += 1;
            }
            index += 1;
        }
        (choices, count)
    }

    /// Those of which events are counted. Of how sessions begin and end, only losses are.
    pub fn counted() -> impl Iterator<Item = Self> + Clone {
        Self::ALL.into_iter().filter(|it| *it != Self::Session)
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The rings, and how full each is, in percent.
pub type Fill = [(&'static str, u64); RingName::ALL.len()];
