//! The rest of what was printed when a process was killed: it is in the files that its streams were led
//! into, and not in its log. It is appended to that, exactly once.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::UNIX_EPOCH;

use crate::dead_log::DeadLog;
use crate::error::{Result, io_at};
use crate::printed::decode;
use crate::reader::LogReader;
use crate::record::{self, Record};

/// Bytes of one record.
const PIECE: usize = 256 << 10;

/// The files that streams are led into, by the streams' numbers.
#[must_use]
pub fn stream_file(number: u8) -> &'static str {
    if number == 1 {
        "stdout.raw"
    } else {
        "stderr.raw"
    }
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
    let Some(mut log) = DeadLog::open(dir)? else {
        return Ok(rests);
    };
    let mut found = Taken::read(dir)?;
    for number in [1, 2] {
        let path = dir.join(stream_file(number));
        match File::open(&path) {
            Ok(file) if log.is_original => {
                rests.taken += take(&mut log, number, &file, &mut found, &path)?;
            }
            Ok(file) => {
                let end = file.metadata().map_err(io_at("read", &path))?.len();
                rests.left += end.saturating_sub(*found.of(number));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(io_at("open", &path)(error)),
        }
    }
    log.show()?;
    Ok(rests)
}

/// Behind which place of each stream's file nothing is in the log, and when that was.
struct Taken {
    up_to: [u64; 2],
    wall: u64,
}

impl Taken {
    fn read(dir: &Path) -> Result<Self> {
        let mut found = Self {
            up_to: [0; 2],
            wall: 0,
        };
        LogReader::new(dir).read(None, |_, payload| {
            if let Ok(Record::Output {
                wall,
                stream,
                taken: Some(taken),
                ..
            }) = Record::parse(payload)
            {
                found.wall = found.wall.max(wall.unsigned_abs());
                *found.of(stream) = taken;
            }
            true
        })?;
        Ok(found)
    }

    fn of(&mut self, number: u8) -> &mut u64 {
        let [stdout, stderr] = &mut self.up_to;
        if number == 1 { stdout } else { stderr }
    }
}

/// Takes what is in a stream's file and not in the log.
fn take(log: &mut DeadLog, number: u8, file: &File, found: &mut Taken, path: &Path) -> Result<u64> {
    let meta = file.metadata().map_err(io_at("read", path))?;
    let end = meta.len();
    let written = meta.modified().ok();
    let written = written.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let written = written.and_then(|since| u64::try_from(since.as_nanos()).ok());
    let wall = found.wall.max(written.unwrap_or(0));
    let mut at = *found.of(number);
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
        log.append(&record::output(wall, number, &text, Some(at)))?;
    }
    Ok(at - begin)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;
    use std::sync::Arc;

    use crate::dead_log::SEGMENT_BYTES;
    use crate::frame::Identity;
    use crate::reader::segments;
    use crate::segment::{file_name, hidden};
    use crate::signal::Signal;
    use crate::wal::{Mode, SegmentSizes, Wal, take_lock};

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
