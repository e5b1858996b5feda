//! Waits until something was printed: by inotify, else by looking now and then.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::fs::inotify;

use super::source::above;

/// How often a file is looked at that cannot be watched.
const LOOK: Duration = Duration::from_millis(20);
/// How often the size of a terminal is looked at.
const SIZE: Duration = Duration::from_millis(250);
/// How often all is looked at, whatever is told.
const SURE: Duration = Duration::from_secs(5);

/// What is printed within so short a time is taken in one go, which costs those who print least.
const GATHER: Duration = Duration::from_millis(1);

/// A watched file.
pub(super) type Watched = i32;

/// Waits for files, terminals and other threads.
#[derive(Debug)]
pub(super) struct Watch {
    inotify: Option<OwnedFd>,
    waker: OwnedFd,
}

impl Watch {
    pub(super) fn new() -> io::Result<Self> {
        let flags = inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK;
        let inotify = inotify::init(flags).map(|made| above(&made));
        Ok(Self {
            // Users have few of them: without one files are looked at.
            inotify: inotify.ok().and_then(Result::ok),
            waker: above(&eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?)?,
        })
    }

    /// Watches a file; none when it must be looked at.
    pub(super) fn add(&self, path: &Path) -> Option<Watched> {
        let flags = inotify::WatchFlags::MODIFY | inotify::WatchFlags::CLOSE_WRITE;
        inotify::add_watch(self.inotify.as_ref()?, path, flags).ok()
    }

    pub(super) fn remove(&self, watched: Watched) {
        if let Some(inotify) = &self.inotify {
            // It may have gone with its file.
            let _gone = inotify::remove_watch(inotify, watched);
        }
    }

    /// Has the waiter look at everything.
    pub(super) fn wake(&self) {
        // It fails when it is set already.
        let _set = rustix::io::write(&self.waker, &1_u64.to_ne_bytes());
    }

    /// Waits, also for originals that took nothing, and gives the files that were written to in the order
    /// of that.
    pub(super) fn wait(
        &self,
        terminals: &[BorrowedFd<'_>],
        stuck: &[BorrowedFd<'_>],
        is_looked: bool,
    ) -> Vec<Watched> {
        let timeout = match (is_looked, terminals.is_empty()) {
            (true, _) => LOOK,
            (false, false) => SIZE,
            (false, true) => SURE,
        };
        let mut fds = vec![PollFd::new(&self.waker, PollFlags::IN)];
        if let Some(inotify) = &self.inotify {
            fds.push(PollFd::new(inotify, PollFlags::IN));
        }
        fds.extend(terminals.iter().map(|fd| PollFd::new(fd, PollFlags::IN)));
        fds.extend(stuck.iter().map(|fd| PollFd::new(fd, PollFlags::OUT)));
        // A signal ends the wait as well, and nothing is missed by looking once more.
        let _interrupted = poll(&mut fds, Timespec::try_from(timeout).ok().as_ref());
        let _unset = rustix::io::read(&self.waker, &mut [0_u8; 8]);
        self.written()
    }

    /// Waits a moment for more of what has just come; true when it is woken.
    pub(super) fn gather(&self) -> bool {
        let mut fds = [PollFd::new(&self.waker, PollFlags::IN)];
        poll(&mut fds, Timespec::try_from(GATHER).ok().as_ref()).is_ok_and(|ready| ready > 0)
    }

    fn written(&self) -> Vec<Watched> {
        let mut order = Vec::new();
        let Some(inotify) = &self.inotify else {
            return order;
        };
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = inotify::Reader::new(inotify, &mut buffer);
        while let Ok(event) = reader.next() {
            if !order.contains(&event.wd()) {
                order.push(event.wd());
            }
        }
        order
    }
}
