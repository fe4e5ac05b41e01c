//! This ledger beside other ways of keeping calls within a budget, on the same requests.
//!
//! Two questions, two kinds of run. *What do calls of seconds do to the design?* is asked in virtual time: requests arrive, calls take
//! their time and stores are a network away, on a clock that jumps from event to event, so that the same seed gives the same result. *What
//! do threads do to the implementation?* is asked by races in real time, with nothing between hold and settlement: nowhere else is a window
//! of a microsecond ever met.
//!
//! This project's part is what ships: the four steps and the sweep, on the ledger in memory, or on DynamoDB where the feature `embedded` is
//! on. The others are at their best documented settings, each said where it is built, in `designs`.

mod compare;
mod contender;
mod design;
mod designs;
mod plot;
mod report;
mod run;
mod text;
mod traffic;
mod world;

pub use compare::{Options, compare};
pub use design::Failed;
pub use plot::svg;
pub use report::{BoundRow, RaceRow, Report, Row};
