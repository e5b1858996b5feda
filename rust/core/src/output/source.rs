//! What stands in the place of a stream: an append-only file, or a pseudo-terminal where the stream
//! is a terminal.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rustix::fs::FallocateFlags;
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{
    LocalModes, OptionalActions, OutputModes, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize,
};

use super::system;

/// No file of ours may take the place of a stream that is closed.
pub(super) const ABOVE_STREAMS: i32 = 3;

/// A file is freed in steps of this: whole blocks of every file system, and seldom: ext4 first writes to the
/// disk what it then frees, and holds up who writes.
const FREED: u64 = 64 << 20;

/// What tells files apart.
type Id = (u64, u64);

#[derive(Debug)]
enum Reader {
    File(File),
    Terminal(OwnedFd),
}

/// One stand-in, and its end that is put at the stream's number.
#[derive(Debug)]
pub(super) struct Source {
    reader: Reader,
    /// Gone once the stream has its original back: who else holds one is a child then.
    end: Mutex<Option<OwnedFd>>,
    id: Id,
    freed: Mutex<u64>,
}

impl Source {
    /// Makes an append-only file that must not be there yet.
    pub(super) fn file(path: &Path) -> io::Result<Self> {
        let end = OpenOptions::new()
            .append(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        Self::of_file(path, &end).inspect_err(|_| {
            // Nothing is in it; the error at hand says more than a second one would.
            drop(std::fs::remove_file(path));
        })
    }

    fn of_file(path: &Path, end: &File) -> io::Result<Self> {
        let reader = File::from(above(&File::open(path)?)?);
        Self::of(Reader::File(reader), above(end)?)
    }

    /// Makes a pseudo-terminal of the size of this one, which passes on what it is given as it is.
    pub(super) fn terminal(original: BorrowedFd<'_>) -> io::Result<Self> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let reader = above(&openpt(flags)?)?;
        unlockpt(&reader)?;
        let end = above(&ioctl_tiocgptpeer(&reader, flags)?)?;
        let mut modes = tcgetattr(original).or_else(|_| tcgetattr(&end))?;
        // The original does all this once more.
        modes.output_modes -= OutputModes::OPOST;
        modes.local_modes -= LocalModes::ECHO;
        tcsetattr(&end, OptionalActions::Now, &modes)?;
        rustix::io::ioctl_fionbio(&reader, true)?;
        let source = Self::of(Reader::Terminal(reader), end)?;
        source.follow_size(original);
        Ok(source)
    }

    fn of(reader: Reader, end: OwnedFd) -> io::Result<Self> {
        Ok(Self {
            id: id(end.as_fd())?,
            reader,
            end: Mutex::new(Some(end)),
            freed: Mutex::new(0),
        })
    }

    /// The file to read from, where it is one.
    pub(super) fn as_file(&self) -> Option<&File> {
        match &self.reader {
            Reader::File(file) => Some(file),
            Reader::Terminal(_) => None,
        }
    }

    /// The pseudo-terminal, where it is one.
    pub(super) fn as_terminal(&self) -> Option<BorrowedFd<'_>> {
        match &self.reader {
            Reader::File(_) => None,
            Reader::Terminal(terminal) => Some(terminal.as_fd()),
        }
    }

    /// Whether it is what a number stands for.
    pub(super) fn is_at(&self, number: BorrowedFd<'_>) -> bool {
        id(number).is_ok_and(|id| id == self.id)
    }

    /// Calls `put` with the end, if that is still there.
    pub(super) fn put_end(
        &self,
        put: impl FnOnce(BorrowedFd<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        let end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        end.as_ref().map_or(Ok(()), |end| put(end.as_fd()))
    }

    /// Lets go of the end.
    pub(super) fn close_end(&self) {
        drop(
            self.end
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
    }

    /// How much is in the file; 0 of a terminal.
    pub(super) fn size(&self) -> u64 {
        let meta = self.as_file().and_then(|file| file.metadata().ok());
        meta.map_or(0, |meta| meta.len())
    }

    /// Reads from a place of the file; 0 at its end.
    pub(super) fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        self.as_file().map_or(Ok(0), |file| {
            loop {
                match file.read_at(buffer, at) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    read => return read,
                }
            }
        })
    }

    /// Gives the space of what is not needed any more back to the disk, where that can be.
    pub(super) fn free(&self, to: u64) {
        let to = to / FREED * FREED;
        let mut freed = self.freed.lock().unwrap_or_else(PoisonError::into_inner);
        let (Some(file), true) = (self.as_file(), to > *freed) else {
            return;
        };
        // The end may be gone, and a file that is open for reading only frees nothing.
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        let punched = OpenOptions::new().write(true).open(path).and_then(|file| {
            let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            rustix::fs::fallocate(file, flags, *freed, to - *freed).map_err(io::Error::from)
        });
        // A file system without holes keeps all until the file is removed.
        drop(punched);
        *freed = to;
    }

    /// The file was emptied.
    pub(super) fn restart(&self) {
        *self.freed.lock().unwrap_or_else(PoisonError::into_inner) = 0;
    }

    /// Whether anybody can still write into it.
    pub(super) fn is_written(&self) -> bool {
        match &self.reader {
            Reader::File(file) => system::is_written(file),
            // A terminal that nobody writes to fails to be read: that is found there.
            Reader::Terminal(_) => true,
        }
    }

    /// Has the terminal as large as the original.
    pub(super) fn follow_size(&self, original: BorrowedFd<'_>) {
        let Some(terminal) = self.as_terminal() else {
            return;
        };
        let sizes = (tcgetwinsize(original), tcgetwinsize(terminal));
        if let (Ok(wanted), Ok(present)) = sizes
            && (wanted.ws_row, wanted.ws_col) != (present.ws_row, present.ws_col)
        {
            // A terminal without a size has children think of their own.
            let _refused = tcsetwinsize(terminal, wanted);
        }
    }
}

/// The same file under a number that no stream has.
pub(super) fn above(fd: &impl std::os::fd::AsFd) -> io::Result<OwnedFd> {
    Ok(rustix::io::fcntl_dupfd_cloexec(fd, ABOVE_STREAMS)?)
}

/// Whether two numbers stand for the same file.
pub(super) fn is_same(one: BorrowedFd<'_>, other: BorrowedFd<'_>) -> bool {
    id(one)
        .ok()
        .zip(id(other).ok())
        .is_some_and(|(one, other)| one == other)
}

fn id(fd: BorrowedFd<'_>) -> io::Result<Id> {
    let found = rustix::fs::fstat(fd)?;
    Ok((found.st_dev, found.st_ino))
}
