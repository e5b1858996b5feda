//! A stream of this process that something of ours stands in for: what comes in there is forwarded
//! to where it would have gone.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::FileType;
use rustix::io::Errno;
use rustix::stdio;

use super::fatal::Place;
use super::source::{self, Source};
use super::watch::Watched;

/// `PIPE_BUF` of Linux.
const PIPE_PIECE: usize = 4096;
/// How long a terminal that takes nothing is waited for before it is tried again.
const FULL: Timespec = Timespec {
    tv_sec: 1,
    tv_nsec: 0,
};

/// What is at a stream's number now.
pub(super) fn present(number: u8) -> BorrowedFd<'static> {
    if number == 1 {
        stdio::stdout()
    } else {
        stdio::stderr()
    }
}

/// Puts a file at a stream's number.
pub(super) fn put(number: u8, fd: BorrowedFd<'_>) -> io::Result<()> {
    if number == 1 {
        stdio::dup2_stdout(fd)
    } else {
        stdio::dup2_stderr(fd)
    }
    .map_err(io::Error::from)
}

/// What was printed and could not be written to where it would have gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unforwarded {
    /// The stream's.
    pub number: u8,
    /// How much of it.
    pub bytes: u64,
    /// Why; 0 where its reader has stopped: it gets there if he goes on while this process lives.
    pub errno: i32,
}

/// One stream.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) id: u64,
    pub(super) number: u8,
    pub(super) source: Source,
    pub(super) original: OwnedFd,
    pub(super) watched: Option<Watched>,
    /// For handlers of signals.
    place: Place,
    /// How much of the file is forwarded; the forwarding thread's alone to change.
    forwarded: AtomicU64,
    /// Whether the original may take nothing for a while: it is no file.
    may_block: bool,
    is_stuck: AtomicBool,
    /// Nobody reads the original any more.
    is_deaf: AtomicBool,
    /// The error that the original has met, 0 for none, and the bytes that did not get there.
    error: AtomicI32,
    lost: AtomicU64,
    has_given_up: AtomicBool,
    /// Whether runs take it; else what children still print is only forwarded.
    is_active: AtomicBool,
    /// Nobody can print to its terminal any more.
    is_over: AtomicBool,
    /// What was read from its terminal is not forwarded yet; set before the terminal is read.
    is_forwarding: AtomicBool,
}

impl Stream {
    pub(super) fn new(
        (id, number): (u64, u8),
        source: Source,
        original: OwnedFd,
        watched: Option<Watched>,
    ) -> Self {
        let kind = rustix::fs::fstat(&original).map(|found| found.st_mode);
        let is_file = kind.is_ok_and(|mode| FileType::from_raw_mode(mode) == FileType::RegularFile);
        Self {
            id,
            number,
            may_block: !is_file,
            is_stuck: AtomicBool::new(false),
            place: Place::new(&source, original.as_fd(), number),
            source,
            original,
            watched,
            forwarded: AtomicU64::new(0),
            is_deaf: AtomicBool::new(false),
            error: AtomicI32::new(0),
            lost: AtomicU64::new(0),
            has_given_up: AtomicBool::new(false),
            is_active: AtomicBool::new(true),
            is_over: AtomicBool::new(false),
            is_forwarding: AtomicBool::new(false),
        }
    }

    pub(super) fn forwarded(&self) -> u64 {
        self.forwarded.load(Ordering::Acquire)
    }

    pub(super) fn is_active(&self) -> bool {
        self.is_active.load(Ordering::Acquire)
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    /// Nothing more comes from its terminal.
    pub(super) fn end(&self) {
        self.is_over.store(true, Ordering::Release);
    }

    /// Reads from its terminal what is to be forwarded next; see `has_forwarded`.
    pub(super) fn read_terminal(
        &self,
        terminal: BorrowedFd<'_>,
        buffer: &mut [u8],
    ) -> Result<usize, Errno> {
        self.is_forwarding.store(true, Ordering::SeqCst);
        let read = rustix::io::read(terminal, buffer);
        if !matches!(read, Ok(1..)) {
            self.has_forwarded();
        }
        read
    }

    /// What was read last is forwarded.
    pub(super) fn has_forwarded(&self) {
        self.is_forwarding.store(false, Ordering::SeqCst);
    }

    /// Whether its terminal has been given something that is not forwarded yet.
    pub(super) fn has_unread(&self) -> bool {
        let Some(terminal) = self.source.as_terminal() else {
            return false;
        };
        let mut fds = [PollFd::from_borrowed_fd(terminal, PollFlags::IN)];
        let ready = poll(&mut fds, Some(&Timespec::default()));
        // Asked for after the terminal: what is no more there is forwarded, or about to be.
        let [fd] = fds;
        ready.is_ok() && fd.revents().contains(PollFlags::IN)
            || self.is_forwarding.load(Ordering::SeqCst)
    }

    /// Whether both go to the same file or pipe.
    pub(super) fn is_mixed_with(&self, other: &Self) -> bool {
        source::is_same(self.original.as_fd(), other.original.as_fd())
    }

    /// Whether the program's stream still leads here.
    pub(super) fn is_present(&self) -> bool {
        self.source.is_at(present(self.number))
    }

    /// Puts our end in the original's place.
    pub(super) fn put_in_place(&self) -> io::Result<()> {
        self.source.put_end(|end| put(self.number, end))
    }

    /// Gives the program its original back, unless it has put something else there.
    pub(super) fn give_back(&self) -> io::Result<()> {
        if self.is_present() {
            put(self.number, self.original.as_fd())
        } else {
            Ok(())
        }
    }

    /// Where the original fails, the program has it back, and so meets that itself; true when it is so from
    /// now on.
    pub(super) fn give_up(&self) -> bool {
        let is_new = self.error.load(Ordering::Acquire) != 0
            && self.is_active()
            && !self.has_given_up.swap(true, Ordering::AcqRel);
        if !is_new || !self.is_present() {
            return false;
        }
        let is_back = put(self.number, self.original.as_fd()).is_ok();
        self.source.close_end();
        is_back
    }

    /// What did not get to the original since this was last asked.
    pub(super) fn take_lost(&self) -> Option<Unforwarded> {
        let bytes = self.lost.swap(0, Ordering::AcqRel);
        (bytes > 0).then(|| Unforwarded {
            number: self.number,
            bytes,
            errno: self.error.load(Ordering::Acquire),
        })
    }

    /// What has not got to the original yet.
    pub(super) fn waiting(&self) -> Option<Unforwarded> {
        let bytes = self.source.size().saturating_sub(self.forwarded());
        (bytes > 0 && self.source.as_file().is_some()).then_some(Unforwarded {
            number: self.number,
            bytes,
            errno: 0,
        })
    }

    fn lose(&self, count: usize) {
        self.lost.fetch_add(count as u64, Ordering::AcqRel);
    }

    fn meet(&self, error: Errno, is_deaf: bool) {
        self.is_deaf.store(is_deaf, Ordering::Relaxed);
        self.error.store(error.raw_os_error(), Ordering::Release);
    }

    /// No run takes it any more.
    pub(super) fn retire(&self) {
        self.is_active.store(false, Ordering::Release);
        self.source.close_end();
    }

    /// The file was emptied: what is in it now is new.
    pub(super) fn restart(&self) {
        self.forwarded.store(0, Ordering::Release);
        self.place.restart();
        self.source.restart();
    }

    /// Forwards a piece of the file that ends at most at `to`, and says where it ended: sooner where the
    /// original takes no more now.
    pub(super) fn forward(&self, to: u64, buffer: &mut [u8]) -> u64 {
        let at = self.forwarded();
        let len = usize::try_from(to.saturating_sub(at)).unwrap_or(usize::MAX);
        let len = len.min(buffer.len());
        let read = self
            .source
            .read_at(buffer.get_mut(..len).unwrap_or_default(), at);
        let Some(piece) = read.ok().and_then(|len| buffer.get(..len)) else {
            return at;
        };
        if !self.place.claim(at + piece.len() as u64) {
            return at;
        }
        let end = at + self.write_now(piece) as u64;
        self.place.done(end);
        self.forwarded.store(end, Ordering::Release);
        self.is_stuck
            .store(end < at + piece.len() as u64, Ordering::Release);
        end
    }

    /// Whether the original takes no more now.
    pub(super) fn is_stuck(&self) -> bool {
        self.is_stuck.load(Ordering::Acquire)
    }

    /// Writes what the original takes now, and gives how much that is. One that nobody reads any more
    /// takes everything; what a full disk does not take is lost there, and only there.
    fn write_now(&self, bytes: &[u8]) -> usize {
        let mut done = 0;
        while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
            if self.is_deaf.load(Ordering::Relaxed) {
                break;
            }
            if self.may_block && !self.is_ready() {
                return done;
            }
            // So much a pipe with room takes at once.
            let piece = rest.get(..PIPE_PIECE).filter(|_| self.may_block);
            match rustix::io::write(&self.original, piece.unwrap_or(rest)) {
                Ok(count) => done += count,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return done,
                Err(error) => {
                    let is_full = matches!(error, Errno::NOSPC | Errno::DQUOT | Errno::FBIG);
                    self.meet(error, !is_full);
                    break;
                }
            }
        }
        self.lose(bytes.len() - done);
        bytes.len()
    }

    fn is_ready(&self) -> bool {
        let mut fds = [PollFd::new(&self.original, PollFlags::OUT)];
        // What cannot be asked is tried.
        poll(&mut fds, Some(&Timespec::default())).map_or(true, |ready| ready > 0)
    }

    /// Writes to the original terminal, which may block, as it would have blocked the child.
    pub(super) fn write(&self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() && !self.is_deaf.load(Ordering::Relaxed) {
            match rustix::io::write(&self.original, rest) {
                Ok(count) => rest = rest.get(count..).unwrap_or_default(),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    let mut fds = [PollFd::new(&self.original, PollFlags::OUT)];
                    let _interrupted = poll(&mut fds, Some(&FULL));
                }
                Err(error) => self.meet(error, true),
            }
        }
        self.lose(rest.len());
    }
}
