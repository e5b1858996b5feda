//! Calls of the C library that nobody wraps.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;

/// Chooses the signal that tells of the end of a lease, from `fcntl.h`.
const F_SETSIG: libc::c_int = 10;

/// Whether a process has the file open for writing. Only such a file cannot be leased for reading.
pub(super) fn is_written(file: &File) -> bool {
    let fd = file.as_raw_fd();
    // Who opens the file in the meantime has a signal sent here: one that does nothing by default.
    // SAFETY: the descriptor is open, and the call touches no memory.
    unsafe { libc::fcntl(fd, F_SETSIG, libc::SIGURG) };
    // SAFETY: as above.
    let leased = unsafe { libc::fcntl(fd, libc::F_SETLEASE, libc::F_RDLCK) };
    if leased != 0 {
        return io::Error::last_os_error().raw_os_error() == Some(libc::EAGAIN);
    }
    // SAFETY: as above.
    unsafe { libc::fcntl(fd, libc::F_SETLEASE, libc::F_UNLCK) };
    false
}

unsafe extern "C" {
    static stdout: *mut libc::FILE;
}

/// Writes what C libraries have printed and the C library still keeps.
pub(super) fn flush_stdio() {
    // SAFETY: the C library sets it before any code of ours runs, and nobody else writes to it.
    let stream = unsafe { stdout };
    if !stream.is_null() {
        // SAFETY: it is the C library's own stream. What cannot be written stays there.
        unsafe { libc::fflush(stream) };
    }
}
