//! What all other folders share, and what knows of none of them.

mod account;
mod accounts;
mod backend;
mod clock;
mod descriptor;
mod error;
mod family;
pub mod host;
mod ledger;
mod nearest;
mod notice;
mod output;
pub mod packed;
mod page;
pub mod quote;
mod reason;
pub mod stderr;
mod text;
mod time;

pub use crate::abi::{Family, RingName};
pub use account::{Names, login_name, name_in_title};
pub use accounts::Accounts;
pub use backend::{Backend, COMPAT};
pub use clock::{
    Clock, Moment, TIME_LENGTH, boot_time, date, monotonic_time, processor_time, real_time,
};
pub use descriptor::owned;
pub use error::{Failed, named};
pub use family::Fill;
pub use ledger::{ALL_CAUSES, Ledger};
pub use nearest::nearest;
pub use notice::{Before, Notice, Removed, Tampered};
pub use output::{Account, Limits, Output, Outputs, SUMMARY, Sync};
pub use page::page_size;
pub use reason::Reason;
pub use text::{Text, Weight};
pub use time::{instant, moment};
