//! What needs neither root nor a kernel.

mod cases;
mod common;
mod faults;
mod fields;
mod forger;
mod fuzz;
mod golden;
mod imports;
mod picture;
mod shown;
mod stack;
mod words;
