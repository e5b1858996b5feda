//! The rest of what was printed when a process was killed: it is in the files that its streams were led
//! into, and not in its log. It is appended to that, exactly once.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use crate::error::{Error, Result, io_at};
use crate::frame::{FRAME_HEAD, Identity, SEGMENT_HEAD, framed_len, read_segment_head};
use crate::printed::decode;
use crate::reader::{LogReader, segments};
use crate::record::{self, Record};
use crate::segment::{Appended, Segment, file_name, hidden};
use crate::wal::take_lock;

/// Bytes of one record.
const PIECE: usize = 256 << 10;
/// Room of one segment: it is read whole by whoever reads a log that is over.
const SEGMENT_BYTES: usize = 32 << 20;
/// What a piece is at most as a record: a byte of Windows-1252 may take three in UTF-8.
const MOST_BYTES: usize = FRAME_HEAD + 3 * PIECE + 64;

/// The files that streams are led into, by the streams' numbers.
#[must_use]
pub fn stream_file(number: u8) -> &'static str {
    if number == 1 {
        "stdout.raw"
    } else {
        "stderr.raw"
    }
}

/// Notes beside a stream's file which one it is.
///
/// # Errors
/// The folder cannot be written.
pub fn mark(path: &Path) -> io::Result<()> {
    let inode = std::fs::metadata(path)?.ino();
    std::fs::write(marked(path), inode.to_string())
}

/// Where that is noted.
#[must_use]
pub fn marked(path: &Path) -> PathBuf {
    path.with_extension("inode")
}

/// Whether this is the file that the process wrote, and no copy of it: the process may go on elsewhere,
/// and its log would have others of the segments that were put behind the copy's.
fn is_original(path: &Path, meta: &Metadata) -> bool {
    std::fs::read_to_string(marked(path)).is_ok_and(|noted| noted == meta.ino().to_string())
}

/// Bytes that were printed and not recorded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rests {
    /// What is in the logs now.
    pub taken: u64,
    /// What is left, since the folder is a copy.
    pub left: u64,
}

/// Appends to the logs of processes that are over what they had printed and not recorded. What they had
/// printed into another folder, of which this one is a copy, is left.
///
/// # Errors
/// A log cannot be read, or not be written.
pub fn take_rests(run_dir: &Path) -> Result<Rests> {
    let wal = run_dir.join("wal");
    let mut rests = Rests::default();
    for entry in std::fs::read_dir(&wal).map_err(io_at("read", &wal))? {
        let dir = entry.map_err(io_at("read", &wal))?.path();
        if [1, 2]
            .iter()
            .any(|number| dir.join(stream_file(*number)).is_file())
        {
            let found = take_rest(&dir)?;
            rests.taken += found.taken;
            rests.left += found.left;
        }
    }
    Ok(rests)
}

fn take_rest(dir: &Path) -> Result<Rests> {
    let mut rests = Rests::default();
    let _lock = match take_lock(dir) {
        Ok(lock) => lock,
        // It lives, or another process is at it.
        Err(Error::Locked { .. }) => return Ok(rests),
        Err(error) => return Err(error),
    };
    let Some(mut log) = DeadLog::open(dir)? else {
        return Ok(rests);
    };
    for number in [1, 2] {
        let path = dir.join(stream_file(number));
        match File::open(&path) {
            Ok(file) => {
                let meta = file.metadata().map_err(io_at("read", &path))?;
                if is_original(&path, &meta) {
                    rests.taken += log.take(number, &file, (&path, &meta))?;
                } else {
                    rests.left += meta.len().saturating_sub(*log.taken_of(number));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(io_at("open", &path)(error)),
        }
    }
    log.show()?;
    Ok(rests)
}

/// The log of a process that is over, behind which segments are put. Each is shown whole: whoever is
/// killed while it is made has done nothing.
struct DeadLog {
    dir: PathBuf,
    identity: Identity,
    last_number: u32,
    /// How far each stream's file is in the log.
    taken: [u64; 2],
    wall: u64,
    filling: Option<Segment>,
}

impl DeadLog {
    /// None where there is no log to be put behind.
    fn open(dir: &Path) -> Result<Option<Self>> {
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
        let mut log = Self {
            dir: dir.to_path_buf(),
            identity,
            last_number: *last_number,
            taken: [0; 2],
            wall: 0,
            filling: None,
        };
        LogReader::new(dir).read(None, |_, payload| {
            if let Ok(Record::Output {
                wall,
                stream,
                taken: Some(taken),
                ..
            }) = Record::parse(payload)
            {
                log.wall = log.wall.max(wall.unsigned_abs());
                *log.taken_of(stream) = taken;
            }
            true
        })?;
        Ok(Some(log))
    }

    fn taken_of(&mut self, number: u8) -> &mut u64 {
        let [stdout, stderr] = &mut self.taken;
        if number == 1 { stdout } else { stderr }
    }

    /// Takes what is in a stream's file and not in the log.
    fn take(&mut self, number: u8, file: &File, of: (&Path, &Metadata)) -> Result<u64> {
        let (path, meta) = of;
        let end = meta.len();
        let written = meta.modified().ok();
        let written = written.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        let written = written.and_then(|since| u64::try_from(since.as_nanos()).ok());
        let wall = self.wall.max(written.unwrap_or(0));
        let mut at = *self.taken_of(number);
        if at > end {
            // It was emptied since.
            at = 0;
        }
        let begin = at;
        let mut buffer = vec![0; PIECE];
        while at < end {
            let len = PIECE.min(usize::try_from(end - at).unwrap_or(PIECE));
            let piece = buffer.get_mut(..len).unwrap_or_default();
            file.read_exact_at(piece, at).map_err(io_at("read", path))?;
            let (text, used) = decode(piece, at + len as u64 == end);
            at += used as u64;
            self.append(&record::output(wall, number, &text, Some(at)))?;
        }
        Ok(at - begin)
    }

    fn append(&mut self, payload: &[u8]) -> Result<()> {
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
                limit: MOST_BYTES,
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
    fn show(&mut self) -> Result<()> {
        self.filling.take().map_or(Ok(()), |segment| segment.show())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use crate::signal::Signal;
    use crate::wal::{Mode, SegmentSizes, Wal};

    fn killed(dir: &Path, records: &[Vec<u8>]) {
        let identity = Identity {
            run: "r".to_owned(),
            writer: "w".to_owned(),
        };
        let (sizes, wake) = (SegmentSizes::default(), Arc::new(Signal::default()));
        let wal = Wal::begin(dir, identity, Mode::Auto, sizes, wake, records).unwrap();
        wal.prepare().unwrap();
        // As a kill leaves it: nothing is sealed, and the next segment is there.
        drop(wal);
    }

    fn stream_of(dir: &Path, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(dir.join(name), content).unwrap();
        mark(&dir.join(name)).unwrap();
    }

    fn taken(run: &Path) -> u64 {
        let rests = take_rests(run).unwrap();
        assert_eq!(rests.left, 0);
        rests.taken
    }

    fn printed(dir: &Path) -> Vec<(u8, String, Option<u64>)> {
        let mut found = Vec::new();
        let mut reader = LogReader::new(dir);
        reader
            .read(None, |_, payload| {
                if let Ok(Record::Output {
                    stream,
                    text,
                    taken,
                    ..
                }) = Record::parse(payload)
                {
                    found.push((stream, text.to_owned(), taken));
                }
                true
            })
            .unwrap();
        assert_eq!((reader.damage(), reader.incomplete()), (&[][..], &[][..]));
        found
    }

    fn writer_of(run: &Path) -> PathBuf {
        let dir = run.join("wal").join("w");
        std::fs::create_dir_all(&dir).unwrap();
        dir
    }

    #[test]
    fn the_rest_is_taken_once_and_what_comes_later_too() {
        let run = tempfile::tempdir().unwrap();
        let dir = writer_of(run.path());
        killed(&dir, &[record::output(1, 1, "one\n", Some(4))]);
        stream_of(&dir, "stdout.raw", "one\ntwo\ncaf\u{e9}\n");
        stream_of(&dir, "stderr.raw", b"caf\xe9");
        assert_eq!(taken(run.path()), 14);
        let mut expected = vec![
            (1, "one\n".to_owned(), Some(4)),
            (1, "two\ncafé\n".to_owned(), Some(14)),
            (2, "café".to_owned(), Some(4)),
        ];
        assert_eq!(printed(&dir), expected);
        assert_eq!(taken(run.path()), 0);
        stream_of(&dir, "stdout.raw", "one\ntwo\ncaf\u{e9}\nmore");
        assert_eq!(taken(run.path()), 4);
        expected.push((1, "more".to_owned(), Some(18)));
        assert_eq!(printed(&dir), expected);
        // A child has emptied it.
        stream_of(&dir, "stdout.raw", "new");
        assert_eq!(taken(run.path()), 3);
        expected.push((1, "new".to_owned(), Some(3)));
        assert_eq!(printed(&dir), expected);
    }

    #[test]
    fn nothing_is_taken_of_a_writer_that_lives_or_has_no_log() {
        let run = tempfile::tempdir().unwrap();
        let dir = writer_of(run.path());
        stream_of(&dir, "stdout.raw", "text");
        assert_eq!(taken(run.path()), 0);
        killed(&dir, &[]);
        let lock = take_lock(&dir).unwrap();
        assert_eq!(taken(run.path()), 0);
        drop(lock);
        assert_eq!(taken(run.path()), 4);
    }

    #[test]
    fn who_is_killed_in_the_middle_has_taken_nothing() {
        let run = tempfile::tempdir().unwrap();
        let dir = writer_of(run.path());
        killed(&dir, &[]);
        let half = hidden(&dir.join(file_name(3)));
        std::fs::write(&half, b"half of a segment").unwrap();
        stream_of(&dir, "stdout.raw", "text");
        assert_eq!(taken(run.path()), 4);
        assert_eq!(printed(&dir), [(1, "text".to_owned(), Some(4))]);
        assert!(!half.exists());
    }

    #[test]
    fn a_long_rest_is_several_segments() {
        let run = tempfile::tempdir().unwrap();
        let dir = writer_of(run.path());
        killed(&dir, &[]);
        let line = "a line that is printed again and again\n";
        let text = line.repeat((2 * SEGMENT_BYTES + 1000) / line.len());
        stream_of(&dir, "stdout.raw", &text);
        assert_eq!(taken(run.path()), text.len() as u64);
        let found = printed(&dir);
        let whole: String = found.iter().map(|(_, text, _)| text.as_str()).collect();
        assert!(whole == text);
        assert_eq!(segments(&dir).unwrap(), [1, 2, 3, 4, 5]);
    }
}
