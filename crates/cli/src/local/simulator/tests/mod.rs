//! The script's words, the simulated answers, and both through the real SDK.

mod answers;
mod scripts;
mod sdk;
