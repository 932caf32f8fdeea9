//! The maps of `configs/devices`, held to what their cases, their vendors' examples and their table say.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends by panicking, and so does what serves only tests"
)]

mod cases;
mod frames;
mod support;
mod table;
