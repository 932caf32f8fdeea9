//! Everything that is tested with the whole hub, or with a real peer, in one binary.
//!
//! `support` holds the peers, `scenarios` one file per promise of the hub, `cases` what is tested piece by piece.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends by panicking, and so does what serves only tests"
)]

mod cases;
mod scenarios;
mod support;
