//! What the rows of the table of keys are made into.

use super::Config;
use super::value::Wrong;
use super::yaml::{self, Node};

/// One key of the config.
pub struct Key {
    /// Where it stands in the own form: names joined by dots.
    pub name: &'static str,
    /// Where it stands in the guide's form.
    pub(super) guide: &'static str,
    /// The default, as it would be written; empty where there is none.
    pub default: &'static str,
    /// The default in the guide's form.
    pub(super) guide_default: &'static str,
    /// What it means, in one line.
    pub meaning: &'static str,
    /// When another value counts.
    pub reload: Reload,
    /// Reads what is written, in place of this default.
    pub(super) set: fn(&mut Config, &Node, &str) -> Result<(), Wrong>,
    /// Whether two configs have the same value of it.
    pub(super) is_same: fn(&Config, &Config) -> bool,
    /// Takes the value of another config.
    pub(super) take: fn(&mut Config, &Config),
}

/// When a running recorder that reads its config again goes by another value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reload {
    /// From then on.
    Follows,
    /// From its next start.
    Restart,
}

/// A default, read as if it stood in a file.
pub(super) fn default<T, E>(text: &str, read: impl Fn(&Node, &str) -> Result<T, E>) -> T {
    let (node, _) = yaml::parse(text);
    let value = node.and_then(|node| read(&node, text).ok());
    value.expect("each default is a value of its key")
}

/// Makes `Config` and `KEYS` of the rows. A field has a row, or one for each of its own fields.
macro_rules! table {
    ($(
        $(#[$doc:meta])*
        $field:ident: $type:ident $(<$inner:ty>)? = $(
            $(.$part:ident)? {
                name: $name:literal,
                $(guide: $guide:literal, $(guide_default: $guide_default:literal,)?)?
                default: $default:expr,
                read: $read:expr,
                reload: $reload:ident,
                meaning: $meaning:literal,
            }
        )+
    )+) => {
        /// One parsed config.
        #[derive(Debug, Clone, PartialEq)]
        #[allow(missing_docs, reason = "each key has its meaning in its row")]
        pub struct Config {
            $($(#[$doc])* pub $field: $type $(<$inner>)?,)+
        }

        impl Default for Config {
            fn default() -> Self {
                Self { $($field: table!(@default $type, $([$($part)?] $default, $read;)+),)+ }
            }
        }

        /// All keys, those of a field together, in the order in which they are shown.
        const FIELDS: &[&[Key]] = &[$(&[$(Key {
            name: $name,
            guide: table!(@last $name $($guide)?),
            default: $default,
            guide_default: table!(@last $default $($(, $guide_default)?)?),
            meaning: $meaning,
            reload: Reload::$reload,
            set: |config, node, default| {
                config.$field$(.$part)? = $read(node, default)?;
                Ok(())
            },
            is_same: |one, other| one.$field$(.$part)? == other.$field$(.$part)?,
            take: |config, other| config.$field$(.$part)? = other.$field$(.$part)?.clone(),
        }),+]),+];
    };
    (@default $type:ident, [] $default:expr, $read:expr;) => { default($default, $read) };
    (@default $type:ident, $([$part:ident] $default:expr, $read:expr;)+) => {
        $type { $($part: default($default, $read)),+ }
    };
    (@last $first:expr) => { $first };
    (@last $first:literal $last:literal) => { $last };
    (@last $first:expr, $last:literal) => { $last };
}
pub(super) use table;
