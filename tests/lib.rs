//! Scenario tests live in the test target.
