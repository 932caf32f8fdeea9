//! A disk that fails on request: preloaded into the hub (`LD_PRELOAD`), it stands between the program and the system.
//!
//! `FAULTY_DISK_DIR` names the folder whose files are affected, `FAULTY_DISK_MODE` a file with the fault. It is read at
//! each call, so that a test switches it while the hub runs:
//!
//! - `ok`;
//! - `full`: writes fail with ENOSPC;
//! - `short`: a write takes half of its bytes, the next fails with ENOSPC;
//! - `write`: writes and truncations fail with EIO;
//! - `sync`: what was written cannot be made durable, EIO.
//!
//! Invariant: a call that no fault concerns reaches the system unchanged, and nothing of a refused one does.

#![cfg(all(target_os = "linux", target_pointer_width = "64"))]
#![allow(
    unsafe_code,
    reason = "the C library's functions are replaced by name, and file descriptors asked for their paths"
)]

mod fault;

use std::sync::atomic::{AtomicBool, Ordering};

use fault::Fault;
use libc::{
    EIO, ENOSPC, SYS_fdatasync, SYS_fsync, SYS_ftruncate, SYS_pwrite64, SYS_write, c_int, c_long, c_void, off_t,
    size_t, ssize_t,
};

/// Whether the write before this one was cut short.
static CUT: AtomicBool = AtomicBool::new(false);

/// As in `write(2)`.
///
/// # Safety
/// As there: `bytes` must point to `count` readable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn write(file: c_int, bytes: *const c_void, count: size_t) -> ssize_t {
    match admitted(file, count) {
        // SAFETY: the caller's own arguments, of which the count can only have become less.
        Ok(count) => unsafe { libc::syscall(SYS_write, file, bytes, count) as ssize_t },
        Err(code) => refuse(code) as ssize_t,
    }
}

/// As in `pwrite(2)`.
///
/// # Safety
/// As there: `bytes` must point to `count` readable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pwrite(file: c_int, bytes: *const c_void, count: size_t, at: off_t) -> ssize_t {
    match admitted(file, count) {
        // SAFETY: the caller's own arguments, of which the count can only have become less.
        Ok(count) => unsafe { libc::syscall(SYS_pwrite64, file, bytes, count, at) as ssize_t },
        Err(code) => refuse(code) as ssize_t,
    }
}

/// The same: offsets have 64 bits anyway.
///
/// # Safety
/// As in `pwrite(2)`: `bytes` must point to `count` readable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pwrite64(file: c_int, bytes: *const c_void, count: size_t, at: off_t) -> ssize_t {
    // SAFETY: the caller's own arguments.
    unsafe { pwrite(file, bytes, count, at) }
}

/// As in `fsync(2)`.
#[unsafe(no_mangle)]
pub extern "C" fn fsync(file: c_int) -> c_int {
    match fault::of(file) {
        Some(Fault::Sync) => refuse(EIO) as c_int,
        // SAFETY: takes a number, and refuses a wrong one.
        _ => unsafe { libc::syscall(SYS_fsync, file) as c_int },
    }
}

/// As in `fdatasync(2)`.
#[unsafe(no_mangle)]
pub extern "C" fn fdatasync(file: c_int) -> c_int {
    match fault::of(file) {
        Some(Fault::Sync) => refuse(EIO) as c_int,
        // SAFETY: takes a number, and refuses a wrong one.
        _ => unsafe { libc::syscall(SYS_fdatasync, file) as c_int },
    }
}

/// As in `ftruncate(2)`.
#[unsafe(no_mangle)]
pub extern "C" fn ftruncate(file: c_int, length: off_t) -> c_int {
    match fault::of(file) {
        Some(Fault::Write) => refuse(EIO) as c_int,
        // SAFETY: takes numbers, and refuses wrong ones.
        _ => unsafe { libc::syscall(SYS_ftruncate, file, length) as c_int },
    }
}

/// The same: lengths have 64 bits anyway.
#[unsafe(no_mangle)]
pub extern "C" fn ftruncate64(file: c_int, length: off_t) -> c_int {
    ftruncate(file, length)
}

/// How many of the bytes may be written, or why none.
fn admitted(file: c_int, count: size_t) -> Result<size_t, c_int> {
    match fault::of(file) {
        None | Some(Fault::Sync) => Ok(count),
        Some(Fault::Full) => Err(ENOSPC),
        Some(Fault::Write) => Err(EIO),
        Some(Fault::Short) if count < 2 || CUT.fetch_xor(true, Ordering::SeqCst) => Err(ENOSPC),
        Some(Fault::Short) => Ok(count / 2),
    }
}

fn refuse(code: c_int) -> c_long {
    // SAFETY: the place of this thread's error number is always there.
    unsafe { *libc::__errno_location() = code };
    -1
}
