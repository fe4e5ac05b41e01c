//! The designs of others, each reduced to the rule in which its failure lies, in words of our own: what it looks at before a call, and
//! what it writes after one.

mod admission;
mod booking;
mod lifetime;

pub use admission::{
    AfterTheFact, BypassedRoute, EveryLimitCounts, NoDefaultYet, OpenWithoutPolicy, OwnFieldOnly, PerProcess, ShrunkHold, WholeWindow,
};
pub use booking::{AsNeeded, CacheForFree, CacheTwice, EndIsReadTwice, NegativeCache, Receipts, StreamsOnly, WholeNumbers};
pub use lifetime::{
    DestructiveDrain, LifetimeSpend, Reseeded, ResetWithoutDate, ShortHolds, SilentBuffer, UnreleasedHolds, UnwrittenSpend,
};
