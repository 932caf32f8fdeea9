//! This crate has only its test target, `main.rs`.
