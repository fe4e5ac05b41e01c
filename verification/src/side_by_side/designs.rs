//! The designs that are compared.

#[cfg(feature = "embedded")]
pub mod embedded;
#[cfg(feature = "limitador")]
pub mod limitador;
pub mod published;
pub mod read_then_write;
pub mod this_ledger;
