//! The numbers of the standard streams, where a program has closed some of them: the next file that is
//! opened would get such a number, and whatever is printed there would be written into it.

use std::os::fd::{AsRawFd as _, BorrowedFd, IntoRawFd as _, OwnedFd, RawFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::stdio;

/// Keeps files of ours off the numbers 0, 1 and 2: those that are closed lead to what can be read where one
/// writes and written where one reads, so that whoever uses them meets `EBADF`, as before. Children that are
/// started do not have them.
pub fn keep_off() {
    let streams: [(RawFd, BorrowedFd<'_>, OFlags); 3] = [
        (0, stdio::stdin(), OFlags::WRONLY),
        (1, stdio::stdout(), OFlags::RDONLY),
        (2, stdio::stderr(), OFlags::RDONLY),
    ];
    for (number, stream, access) in streams {
        if rustix::io::fcntl_getfd(stream) == Err(Errno::BADF) {
            hold(number, access);
        }
    }
}

fn hold(number: RawFd, access: OFlags) {
    let flags = access | OFlags::CLOEXEC;
    let Ok(opened) = rustix::fs::open("/dev/null", flags, Mode::empty()) else {
        return; // what is opened next gets it: there is nothing else
    };
    let held = if opened.as_raw_fd() == number {
        Ok(opened)
    } else {
        rustix::io::fcntl_dupfd_cloexec(&opened, number)
    };
    // Another thread may have been quicker: the number is not free any more.
    if let Ok(held) = held
        && held.as_raw_fd() == number
    {
        let _for_good: RawFd = OwnedFd::into_raw_fd(held);
    }
}

/// Whether nothing can be written to a stream: it is closed, or was when it was kept off.
#[must_use]
pub fn is_closed(stream: BorrowedFd<'_>) -> bool {
    rustix::fs::fcntl_getfl(stream).map_or(true, |flags| flags & OFlags::ACCMODE == OFlags::RDONLY)
}
