//! Whether an audit says exactly what is wrong with a table, whatever was planted in it, and mends only what may be mended.

mod books_under_test;
mod capacity;
mod command;
mod planted;
mod reading;
mod repairing;
mod wire;
