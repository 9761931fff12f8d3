//! The checker finds whatever breaks a rule: sound plans with one thing made wrong in them. No I/O.

// A fixture that is not as expected ends the test, also outside of the test's own function; changes to a plan are
// written as short closures.
#![allow(
    clippy::expect_used,
    clippy::drop_non_drop,
    clippy::semicolon_if_nothing_returned,
    clippy::too_many_lines,
    clippy::similar_names,
    clippy::needless_pass_by_value
)]

mod copies;
mod devices;
mod fixture;
#[allow(dead_code)] // shared with the other property tests; not all of it is used here
#[path = "../fleets/mod.rs"]
mod fleets;
mod growth;
mod ledgers;
mod losses;
mod moves;
mod places;
mod power;
mod reasons;
mod records;
mod room;
mod together;
