//! The functions of the package as a guest calls them. Every argument is hostile until checked.
