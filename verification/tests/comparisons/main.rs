//! The commands that compare and measure.

#[cfg(test)]
mod commands;
