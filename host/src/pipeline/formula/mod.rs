//! The formulas between a signal and what a regime asks for, one small file per subject.
//!
//! They are plain functions of numbers, so that each one can be held against a published vector and against the text that
//! it comes from. The chain decides which of them apply, and in which order.
//!
//! Invariant: everything here is computed in f64 and nothing is rounded between steps; a result that makes no sense is
//! `None`, never a number that looks like one.

pub mod calibration;
pub mod flare;
pub mod flow;
pub mod mass;
pub mod nitrogen;
pub mod oxygen;
pub mod signal;
pub mod standard;
pub mod statistics;
pub mod sum;
pub mod water;

#[cfg(test)]
mod tests;

use crate::method::Constants;

impl Default for Constants {
    fn default() -> Self {
        Constants { zero_celsius: 273.15, standard_celsius: 0.0, pressure: 101_325.0, molar_volume: 22.414 }
    }
}

/// A number that is one: `None` for NaN and infinities.
fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}
