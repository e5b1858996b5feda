//! The log of a process that is over, behind which segments are put.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result, io_at};
use crate::frame::{FRAME_HEAD, Identity, SEGMENT_HEAD, framed_len, read_segment_head};
use crate::reader::segments;
use crate::record::MAX_RECORD_BYTES;
use crate::segment::{Appended, Segment, file_name, hidden};
use crate::wal::{LOCK, take_lock};

/// Room of one segment: it is read whole by whoever reads a log that is over.
pub(crate) const SEGMENT_BYTES: usize = 32 << 20;
const _: () = assert!(SEGMENT_HEAD + FRAME_HEAD + MAX_RECORD_BYTES < SEGMENT_BYTES);

/// Notes in the lock of a writer's folder which one it is.
///
/// # Errors
/// It cannot be written.
pub(crate) fn mark(lock: &File) -> io::Result<()> {
    lock.write_all_at(lock.metadata()?.ino().to_string().as_bytes(), 0)
}

/// Whether this is the folder that the process wrote, and no copy of it: the process may go on elsewhere,
/// and its log would have others of the segments that were put behind the copy's.
fn is_original(dir: &Path, lock: &File) -> bool {
    let noted = std::fs::read_to_string(dir.join(LOCK));
    noted
        .ok()
        .zip(lock.metadata().ok())
        .is_some_and(|(noted, meta)| noted == meta.ino().to_string())
}

/// Holds the writer's lock. Each segment is shown whole: whoever is killed while it is made has done
/// nothing.
pub(crate) struct DeadLog {
    dir: PathBuf,
    identity: Identity,
    last_number: u32,
    filling: Option<Segment>,
    /// Whether something may be put behind it.
    pub(crate) is_original: bool,
    _lock: File,
}

impl DeadLog {
    /// None where the process lives, another one is at it, or there is no log.
    pub(crate) fn open(dir: &Path) -> Result<Option<Self>> {
        let lock = match take_lock(dir) {
            Ok(lock) => lock,
            Err(Error::Locked { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let numbers = segments(dir)?;
        let head = numbers.iter().find_map(|number| {
            let mut head = [0; SEGMENT_HEAD];
            let file = File::open(dir.join(file_name(*number))).ok()?;
            file.read_exact_at(&mut head, 0).ok()?;
            read_segment_head(&head).ok()
        });
        let (Some((_, identity)), Some(last_number)) = (head, numbers.last()) else {
            return Ok(None);
        };
        Ok(Some(Self {
            dir: dir.to_path_buf(),
            identity,
            last_number: *last_number,
            filling: None,
            is_original: is_original(dir, &lock),
            _lock: lock,
        }))
    }

    /// Appends a record, which readers find after [`DeadLog::show`].
    pub(crate) fn append(&mut self, payload: &[u8]) -> Result<()> {
        let has_room =
            |segment: &Segment| segment.reserved() + framed_len(payload.len()) <= SEGMENT_BYTES;
        if !self.filling.as_ref().is_some_and(has_room) {
            self.show()?;
            self.filling = Some(self.make()?);
        }
        let Some(segment) = &self.filling else {
            return Ok(());
        };
        match segment.append(payload) {
            Ok(Appended::At(_)) => Ok(()),
            Ok(Appended::Full) => Err(Error::RecordTooLarge {
                bytes: payload.len(),
                limit: MAX_RECORD_BYTES,
            }),
            Err(error) => Err(io_at("write", segment.path())(error)),
        }
    }

    fn make(&mut self) -> Result<Segment> {
        let number = self.last_number + 1;
        let leftover = hidden(&self.dir.join(file_name(number)));
        match std::fs::remove_file(&leftover) {
            // Somebody was killed while making it.
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(io_at("remove", &leftover)(error)),
        }
        let made = Segment::create_hidden(&self.dir, &self.identity, number, SEGMENT_BYTES, false)?;
        self.last_number = number;
        Ok(made)
    }

    /// Lets readers find what was appended.
    pub(crate) fn show(&mut self) -> Result<()> {
        self.filling.take().map_or(Ok(()), |segment| segment.show())
    }
}
