//! Values of which the config names one of a few.

use crate::base::{Backend, Family, Output, Sync};

/// A value that has a name in the config.
pub trait Choice: Copy + PartialEq + 'static {
    /// All of them, in the order in which errors name them.
    const ALL: &'static [Self];

    /// As the config has it.
    fn name(self) -> &'static str;

    /// What is accepted for that as well.
    fn alias(self) -> Option<&'static str> {
        None
    }
}

/// The value of this name.
pub fn named<T: Choice>(name: &str) -> Option<T> {
    let all = T::ALL.iter().copied();
    all.clone()
        .find(|it| it.name() == name || it.alias() == Some(name))
}

/// The names of all values.
pub fn names<T: Choice>() -> Vec<&'static str> {
    T::ALL.iter().map(|it| it.name()).collect()
}

/// What becomes of a session that makes more events than can be taken.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Overload {
    /// Its events are lost, and counted.
    Drop,
    /// It is held until what it has made is taken.
    Throttle,
}

impl Choice for Overload {
    const ALL: &'static [Self] = &[Self::Drop, Self::Throttle];

    fn name(self) -> &'static str {
        match self {
            Self::Drop => "drop",
            Self::Throttle => "throttle",
        }
    }
}

impl Choice for Sync {
    const ALL: &'static [Self] = &[Self::PerEvent, Self::Interval, Self::SessionEnd];

    fn name(self) -> &'static str {
        match self {
            Self::PerEvent => "per-event",
            Self::Interval => "interval",
            Self::SessionEnd => "session-end",
        }
    }
}

impl Choice for Backend {
    const ALL: &'static [Self] = &Backend::ALL;

    fn name(self) -> &'static str {
        self.name()
    }

    /// The kernel attaches programs of both types in the same way, and calls both by the name of one.
    fn alias(self) -> Option<&'static str> {
        (self == Self::Fexit).then_some("fentry")
    }
}

impl Choice for Family {
    const ALL: &'static [Self] = &Family::CHOICES;

    fn name(self) -> &'static str {
        self.name()
    }
}

impl Choice for Output {
    const ALL: &'static [Self] = &Output::ALL;

    fn name(self) -> &'static str {
        self.name()
    }
}
