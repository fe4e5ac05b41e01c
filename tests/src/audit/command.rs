//! The command, on a data folder and beside a running endpoint.
