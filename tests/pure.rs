//! What needs neither root nor a kernel.

mod cases;
mod common;
mod faults;
mod fields;
mod fuzz;
mod golden;
mod shown;
mod stack;
