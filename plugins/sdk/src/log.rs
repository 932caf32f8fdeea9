//! Lines for the people who run the hub. Not evidence: what must be kept is a sample or a status.
//!
//! In native builds, as in a driver's tests, lines go to standard error.

/// Something that needs a person.
pub fn error(message: &str) {
    write(1, message);
}

/// Something that may need a person.
pub fn warn(message: &str) {
    write(2, message);
}

/// What happened.
pub fn info(message: &str) {
    write(3, message);
}

/// For the driver's author. The message is built only when such lines are shown.
pub fn debug(message: impl FnOnce() -> String) {
    if is_shown(4) {
        write(4, &message());
    }
}

#[cfg(target_arch = "wasm32")]
fn write(level: u8, message: &str) {
    crate::bindings::tutin::log::log::write(level, message);
}

#[cfg(target_arch = "wasm32")]
fn is_shown(level: u8) -> bool {
    crate::bindings::tutin::log::log::shown() >= level
}

#[cfg(not(target_arch = "wasm32"))]
fn write(level: u8, message: &str) {
    eprintln!("log level {level}: {message}");
}

#[cfg(not(target_arch = "wasm32"))]
fn is_shown(_level: u8) -> bool {
    true
}
