//! Reads a writer's folder from a position on: what a crash left, or a log that is still growing.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use crate::batch::BatchBuilder;
use crate::error::{Error, Result, io_at};
use crate::frame::{
    self, FRAME_HEAD, Found, SEGMENT_HEAD, Scan, framed_len, hole_end, place, position,
};
use crate::progress::Amount;
use crate::record::read_seal;
use crate::segment::file_name;

/// A log that is still written is read in pieces of this size.
const PIECE: usize = 4 << 20;

/// Everything below this place is published: a growing log is never read beyond it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Limit {
    /// Segment number.
    pub segment: u32,
    /// Offset of the next frame.
    pub offset: usize,
}

/// Something in a log that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub path: PathBuf,
    /// Where in it.
    pub offset: usize,
    /// What is wrong.
    pub what: String,
}

/// What is left of a record whose write was cut short, at the end of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Torn {
    /// The file.
    pub path: PathBuf,
    /// Where in it.
    pub offset: usize,
    /// How much is left.
    pub bytes: usize,
}

/// Reads the records of one writer in log order.
#[derive(Debug)]
pub struct LogReader {
    dir: PathBuf,
    segment: u32,
    offset: usize,
    file: Option<File>,
    piece: Vec<u8>,
    piece_at: usize,
    damage: Vec<Damage>,
    torn: Vec<Torn>,
    incomplete: Vec<PathBuf>,
    /// Segments that are not there, as far as no later one was found to hold anything.
    missing: Vec<(u32, u32)>,
    /// Long stretches of zeros that nobody announced.
    gaps: Vec<Gap>,
    /// Sent in the place of the first record when that cannot be read: the server must know the run.
    start: Option<Vec<u8>>,
}

/// Where the run start record stands.
const START_AT: u64 = (1 << 32) | SEGMENT_HEAD as u64;

impl LogReader {
    /// Starts at the beginning.
    #[must_use]
    pub fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_path_buf(),
            segment: 1,
            offset: SEGMENT_HEAD,
            file: None,
            piece: Vec::new(),
            piece_at: 0,
            damage: Vec::new(),
            torn: Vec::new(),
            incomplete: Vec::new(),
            missing: Vec::new(),
            gaps: Vec::new(),
            start: None,
        }
    }

    /// The writer's folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Gives batches this run start record where the log's own is damaged.
    #[must_use]
    pub fn with_start(mut self, start: Option<Vec<u8>>) -> Self {
        self.start = start;
        self
    }

    /// The damage met so far.
    #[must_use]
    pub fn damage(&self) -> &[Damage] {
        &self.damage
    }

    /// The torn tails met so far: what a kill, a power failure or a cut file leaves.
    #[must_use]
    pub fn torn(&self) -> &[Torn] {
        &self.torn
    }

    /// Files of which all or the end is missing, while the log goes on behind them.
    #[must_use]
    pub fn incomplete(&self) -> &[PathBuf] {
        &self.incomplete
    }

    /// Goes behind the record at `after`; 0 is the beginning.
    ///
    /// # Errors
    /// The segment cannot be read.
    pub fn seek(&mut self, after: u64) -> Result<()> {
        let (segment, offset) = place(after);
        let mut fresh = Self::new(&self.dir);
        fresh.damage = std::mem::take(&mut self.damage);
        fresh.torn = std::mem::take(&mut self.torn);
        fresh.incomplete = std::mem::take(&mut self.incomplete);
        fresh.start = self.start.take();
        if after > 0 {
            fresh.segment = segment;
            fresh.offset = offset.next_multiple_of(8).max(SEGMENT_HEAD);
            if fresh.open()? {
                let mut head = [0; FRAME_HEAD];
                let len = match fresh.read_at(&mut head, offset)? {
                    FRAME_HEAD => frame::payload_len(u64::from_le_bytes(head)),
                    _ => 0,
                };
                let mut bytes = vec![0; FRAME_HEAD + len.min(crate::record::MAX_RECORD_BYTES)];
                fresh.read_at(&mut bytes, offset)?;
                fresh.offset += frame::checked(&bytes, offset, segment, offset)
                    .map_or(8, |payload| framed_len(payload.len()));
            }
        }
        *self = fresh;
        Ok(())
    }

    /// Whether the log goes as far as this position, by its files.
    pub(crate) fn goes_to(&self, at: u64) -> bool {
        let (segment, offset) = place(at);
        let len = std::fs::metadata(self.dir.join(file_name(segment))).map_or(0, |meta| meta.len());
        at == 0 || offset as u64 <= len
    }

    /// How much of the log there is up to a position.
    pub(crate) fn amount(&self, at: u64, limit: Limit) -> Result<Amount> {
        let mut amount = Amount::default();
        Self::new(&self.dir).read(Some(limit), |position, payload| {
            if position <= at {
                amount.records += 1;
                amount.bytes += payload.len() as u64;
            }
            position < at
        })?;
        Ok(amount)
    }

    fn path(&self) -> PathBuf {
        self.dir.join(file_name(self.segment))
    }

    fn read_at(&self, buffer: &mut [u8], offset: usize) -> Result<usize> {
        let Some(file) = &self.file else { return Ok(0) };
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match file.read_at(rest, (offset + filled) as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(io_at("read", &self.path())(error)),
            }
        }
        Ok(filled)
    }

    /// Opens the segment if it is there, and checks its head.
    fn open(&mut self) -> Result<bool> {
        if self.file.is_some() {
            return Ok(true);
        }
        let path = self.path();
        // A pipe of that name would be waited for.
        if std::fs::metadata(&path).is_ok_and(|meta| !meta.is_file()) {
            let what = "what is no file, where a segment should be,".to_owned();
            self.damage.push(Damage {
                path,
                offset: 0,
                what,
            });
            return Ok(false);
        }
        match File::open(&path) {
            Ok(file) => self.file = Some(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(io_at("open", &path)(error)),
        }
        let mut head = [0; SEGMENT_HEAD];
        let filled = self.read_at(&mut head, 0)?;
        let problem = match frame::read_segment_head(head.get(..filled).unwrap_or_default()) {
            Ok((number, _)) if number == self.segment => None,
            Ok((number, _)) => Some(format!("the head says segment {number}")),
            // A segment that was being prepared when its process died, or whose head had not reached
            // the disk when the power went: none of its records is missed for that.
            Err(_) if head.iter().all(|byte| *byte == 0) => None,
            // The place is told beside it.
            Err(Error::Malformed { what, .. }) => Some(what.to_owned()),
            Err(error) => Some(error.to_string()),
        };
        if let Some(what) = problem {
            self.damage.push(Damage {
                path,
                offset: 0,
                what,
            });
        }
        Ok(true)
    }

    /// The next segment number that exists, after this one.
    fn following(&self) -> Result<Option<u32>> {
        Ok(segments(&self.dir)?
            .into_iter()
            .find(|number| *number > self.segment))
    }

    /// Notes the segments between this one and the next that is there. Numbers are given without a gap,
    /// and a file that is not wanted any more leaves its number to the next one.
    fn note_missing(&mut self, next: u32) {
        let first = self.segment + u32::from(self.path().exists());
        if first < next {
            self.missing.push((first, next));
        }
    }

    /// Reports them, now that the log goes on behind them.
    fn tell_missing(&mut self) {
        for (first, next) in std::mem::take(&mut self.missing) {
            let path = self.dir.join(file_name(first));
            let what = match next - first {
                1 => "the segment is missing".to_owned(),
                count => format!("{count} segments are missing from here on"),
            };
            self.incomplete.push(path.clone());
            self.damage.push(Damage {
                path,
                offset: 0,
                what,
            });
        }
    }

    /// Looks whether a segment is there as far as a seal says that it goes.
    fn check_seal(&mut self, number: u32, end: usize) {
        let path = self.dir.join(file_name(number));
        // A missing one was told already.
        let Ok(len) = std::fs::metadata(&path).map(|meta| meta.len()) else {
            return;
        };
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        if self.incomplete.contains(&path) {
            return;
        }
        let gap = self.gaps.iter().find_map(|gap| {
            let len = end.min(gap.at + gap.len).saturating_sub(gap.at);
            (gap.segment == number && len >= GAP).then_some((gap.at, len, gap.is_told))
        });
        let (offset, what, is_told) = match gap {
            _ if len < end => {
                let what = format!("the segment ends too early, of {end} bytes,");
                (len, what, false)
            }
            Some((at, len, is_told)) => (at, without_record(len), is_told),
            None => return,
        };
        self.torn.retain(|torn| torn.path != path);
        self.incomplete.push(path.clone());
        if !is_told {
            self.damage.push(Damage { path, offset, what });
        }
    }

    fn go_to(&mut self, segment: u32) {
        self.segment = segment;
        self.offset = SEGMENT_HEAD;
        self.file = None;
        self.piece.clear();
    }

    /// Makes the bytes at `offset` available; false when the segment has no more below the limit.
    fn fill(&mut self, limit: Option<Limit>) -> Result<bool> {
        let inside = self.offset >= self.piece_at && self.offset < self.piece_at + self.piece.len();
        if inside && limit.is_none() {
            return Ok(true);
        }
        let len = self
            .file
            .as_ref()
            .map_or(Ok(0), |file| file.metadata().map(|meta| meta.len()));
        let len = usize::try_from(len.map_err(io_at("read", &self.path()))?).unwrap_or(usize::MAX);
        let end = match limit {
            Some(limit) if limit.segment == self.segment => len.min(limit.offset),
            _ => len,
        };
        if self.offset >= end {
            return Ok(false);
        }
        let mut want = end - self.offset;
        if limit.is_some() {
            // All frames below the limit are whole, so the log can be read piece by piece.
            let mut head = [0; FRAME_HEAD];
            self.read_at(&mut head, self.offset)?;
            let first = framed_len(frame::payload_len(u64::from_le_bytes(head)));
            want = want.min(PIECE.max(first));
        }
        let mut piece = std::mem::take(&mut self.piece);
        piece.clear();
        piece.resize(want, 0);
        let filled = self.read_at(&mut piece, self.offset)?;
        piece.truncate(filled);
        self.piece = piece;
        self.piece_at = self.offset;
        Ok(filled > 0)
    }

    /// Hands records to `take`, in order, until it answers false or there are no more. With a limit
    /// nothing beyond it is touched; without one the log is dead, and every frame that checks is found.
    ///
    /// # Errors
    /// A file cannot be read. Damage is no error: it is reported by [`LogReader::damage`].
    pub fn read(
        &mut self,
        limit: Option<Limit>,
        mut take: impl FnMut(u64, &[u8]) -> bool,
    ) -> Result<()> {
        loop {
            if limit
                .is_some_and(|limit| (self.segment, self.offset) >= (limit.segment, limit.offset))
            {
                return Ok(());
            }
            if self.open()? && self.fill(limit)? {
                if !self.scan(limit.is_some(), &mut take) {
                    return Ok(());
                }
                continue;
            }
            match self.following()? {
                Some(next) => {
                    self.note_missing(next);
                    self.go_to(next);
                }
                None => return Ok(()),
            }
        }
    }

    /// Scans the piece; false when `take` had enough.
    fn scan(&mut self, growing: bool, take: &mut impl FnMut(u64, &[u8]) -> bool) -> bool {
        let from = self.offset;
        let bytes = self.piece.get(from - self.piece_at..).unwrap_or_default();
        let end = from + bytes.len();
        let mut last_end = from;
        let mut seals = Vec::new();
        let (mut gaps, mut damaged_to) = (Vec::new(), from);
        let (path, segment) = (self.path(), self.segment);
        let gap = |(at, len), is_told| Gap {
            segment,
            at: from + at,
            len,
            is_told,
        };
        let mut is_enough = false;
        for found in Scan::from(bytes, self.segment, from) {
            match found {
                Found::Frame { offset, payload } => {
                    if let Some((at, len)) = gap_in(bytes, last_end - from, offset - from) {
                        if from + at >= damaged_to {
                            self.damage.push(Damage {
                                path: path.clone(),
                                offset: from + at,
                                what: without_record(len),
                            });
                        }
                        gaps.push(gap((at, len), true));
                    }
                    last_end = offset + framed_len(payload.len());
                    if let Some(seal) = read_seal(payload) {
                        seals.push(seal);
                    } else if !take(position(self.segment, offset), payload) {
                        is_enough = true;
                        break;
                    }
                }
                Found::Damage { offset, end } => {
                    let what = format!("{} bytes that are no record", end - offset);
                    damaged_to = end;
                    self.damage.push(Damage {
                        path: path.clone(),
                        offset,
                        what,
                    });
                }
                // A piece of a growing log may end inside a frame.
                Found::Torn { .. } if growing => {}
                Found::Torn { offset } => self.torn.push(Torn {
                    path: path.clone(),
                    offset,
                    bytes: end - offset,
                }),
            }
        }
        if !growing && !is_enough {
            let behind = gap_in(bytes, last_end - from, end - from);
            gaps.extend(behind.map(|found| gap(found, false)));
        }
        if last_end > from {
            self.tell_missing();
        }
        self.gaps.extend(gaps);
        for (number, end) in seals {
            self.check_seal(number, end);
        }
        // A growing log goes on behind its last whole frame; a dead segment was read whole.
        self.offset = if is_enough || (growing && last_end > from) {
            last_end
        } else {
            end
        };
        !is_enough
    }

    /// The payload of one record.
    ///
    /// # Errors
    /// The segment cannot be read.
    pub fn record(&mut self, at: u64) -> Result<Option<Vec<u8>>> {
        let (segment, offset) = place(at);
        if segment != self.segment {
            self.go_to(segment);
        }
        if !self.open()? {
            return Ok(None);
        }
        let mut head = [0; FRAME_HEAD];
        self.read_at(&mut head, offset)?;
        let len = frame::payload_len(u64::from_le_bytes(head)).min(crate::record::MAX_RECORD_BYTES);
        let mut bytes = vec![0; FRAME_HEAD + len];
        self.read_at(&mut bytes, offset)?;
        Ok(frame::checked(&bytes, offset, segment, offset).map(<[u8]>::to_vec))
    }

    /// The next batch behind `after`, empty when there is nothing.
    ///
    /// # Errors
    /// As [`LogReader::read`].
    pub fn batch(
        &mut self,
        after: u64,
        limit: Option<Limit>,
        max_bytes: usize,
        max_count: usize,
    ) -> Result<BatchBuilder> {
        let mut batch = BatchBuilder::new(after);
        let start = self.start.clone().filter(|_| after == 0);
        self.read(limit, |position, payload| {
            if let Some(start) = &start
                && batch.count() == 0
                && position > START_AT
            {
                batch.push(START_AT, start);
            }
            if position > after {
                batch.push(position, payload);
            }
            batch.bytes() < max_bytes && batch.count() < max_count
        })?;
        Ok(batch)
    }
}

/// A thread that dies between reserving its bytes and announcing how many there are leaves zeros, but hardly
/// so many: where a segment that is known to be full has them, something was not written to the file.
const GAP: usize = 4096;

/// A stretch of at least [`GAP`] zeros.
#[derive(Debug, Clone, Copy)]
struct Gap {
    segment: u32,
    at: usize,
    len: usize,
    /// Whether it was reported: a record stands behind it.
    is_told: bool,
}

fn without_record(len: usize) -> String {
    format!("{len} bytes without a record")
}

/// The first stretch of at least so many zeros that is in no announced hole.
fn gap_in(bytes: &[u8], from: usize, to: usize) -> Option<(usize, usize)> {
    let (mut at, mut begin) = (from, from);
    while at < to && to - begin >= GAP {
        let word = bytes.get(at..to.min(at + FRAME_HEAD)).unwrap_or_default();
        let mut head = [0; FRAME_HEAD];
        head.iter_mut().zip(word).for_each(|(to, byte)| *to = *byte);
        let word = u64::from_le_bytes(head);
        if word == 0 {
            at += FRAME_HEAD;
            continue;
        }
        if at - begin >= GAP {
            break;
        }
        // An announced hole goes as far as it says; whatever else there is was told as damage.
        at = hole_end(word, at).unwrap_or(at + FRAME_HEAD);
        begin = at;
    }
    let len = at.min(to).saturating_sub(begin);
    (len >= GAP).then_some((begin, len))
}

/// The segment numbers of a writer's folder, ascending.
///
/// # Errors
/// The folder cannot be read.
pub fn segments(dir: &Path) -> Result<Vec<u32>> {
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(io_at("read", dir))? {
        let name = entry.map_err(io_at("read", dir))?.file_name();
        let number = name
            .to_str()
            .and_then(|name| name.strip_suffix(".wal"))
            .and_then(|name| name.parse::<u32>().ok());
        numbers.extend(number);
    }
    numbers.sort_unstable();
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Identity;
    use crate::signal::Signal;
    use crate::wal::{Mode, SegmentSizes, Wal};
    use std::sync::Arc;

    fn filled(dir: &Path, count: u32) -> Vec<u64> {
        let identity = Identity {
            run: "r".to_owned(),
            writer: "w".to_owned(),
        };
        let sizes = SegmentSizes {
            first_bytes: 4096,
            max_bytes: 8192,
            ..SegmentSizes::default()
        };
        let wal = Wal::create(
            dir,
            identity,
            Mode::Auto,
            sizes,
            Arc::new(Signal::default()),
        )
        .unwrap();
        let positions = (0..count)
            .map(|n| wal.append(format!("record {n}").as_bytes()).unwrap())
            .collect();
        wal.close().unwrap();
        positions
    }

    fn all(reader: &mut LogReader, limit: Option<Limit>) -> Vec<u64> {
        let mut seen = Vec::new();
        reader
            .read(limit, |position, _| {
                seen.push(position);
                true
            })
            .unwrap();
        seen
    }

    #[test]
    fn reads_across_segments_and_from_any_record() {
        let dir = tempfile::tempdir().unwrap();
        let positions = filled(dir.path(), 600);
        assert!(segments(dir.path()).unwrap().len() > 2);
        let mut reader = LogReader::new(dir.path());
        assert_eq!(all(&mut reader, None), positions);
        for skip in [1, 161, 500, 600] {
            reader.seek(positions[skip - 1]).unwrap();
            assert_eq!(all(&mut reader, None), positions[skip..]);
        }
        assert!(reader.damage().is_empty());
    }

    #[test]
    fn stops_at_the_limit_and_goes_on_from_there() {
        let dir = tempfile::tempdir().unwrap();
        let positions = filled(dir.path(), 600);
        let mut reader = LogReader::new(dir.path());
        let (segment, offset) = place(positions[300]);
        assert_eq!(
            all(&mut reader, Some(Limit { segment, offset })),
            positions[..300]
        );
        assert_eq!(
            all(
                &mut reader,
                Some(Limit {
                    segment: 99,
                    offset: 0
                })
            ),
            positions[300..]
        );
    }

    #[test]
    fn batches_are_bounded_and_join() {
        let dir = tempfile::tempdir().unwrap();
        let positions = filled(dir.path(), 100);
        let mut reader = LogReader::new(dir.path());
        let mut after = 0;
        let mut count = 0;
        loop {
            let batch = reader.batch(after, None, 1 << 20, 7).unwrap();
            if batch.count() == 0 {
                break;
            }
            count += batch.count();
            after = batch.end();
        }
        assert_eq!((count, after), (100, positions[99]));
    }

    #[test]
    fn damage_is_reported_with_its_place_and_the_rest_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let mut positions = filled(dir.path(), 20);
        let path = dir.path().join("00000001.wal");
        let mut bytes = std::fs::read(&path).unwrap();
        let (_, offset) = place(positions[5]);
        bytes[offset + FRAME_HEAD] ^= 0x40;
        std::fs::write(&path, &bytes).unwrap();
        std::fs::write(dir.path().join("notes.txt"), b"foreign").unwrap();
        std::fs::write(dir.path().join("00000002.wal"), b"").unwrap();
        std::fs::write(dir.path().join("00000003.wal"), [0; 1000]).unwrap();
        let mut reader = LogReader::new(dir.path());
        positions.remove(5);
        assert_eq!(all(&mut reader, None), positions);
        assert_eq!(reader.damage().len(), 1);
        assert_eq!(
            (&reader.damage()[0].path, reader.damage()[0].offset),
            (&path, offset)
        );
    }

    #[test]
    fn what_is_cut_or_emptied_in_the_middle_is_told_of() {
        let dir = tempfile::tempdir().unwrap();
        let positions = filled(dir.path(), 600);
        let path = dir.path().join(file_name(2));
        let whole = std::fs::read(&path).unwrap();
        assert!(positions.iter().any(|position| place(*position).0 == 3));
        let empty: &[u8] = &[];
        let zeros = vec![0; whole.len()];
        let half = whole.get(..whole.len() / 16 * 8).unwrap();
        // As a copy into a file that was given its whole length first.
        let quarter = whole.len() / 32 * 8;
        let mut tail = whole.clone();
        tail[quarter..].fill(0);
        let mut middle = whole.clone();
        let behind = quarter + GAP + 512;
        assert!(behind + 512 < whole.len());
        middle[quarter..behind].fill(0);
        for (left, at) in [
            (empty, 0),
            (&whole[..SEGMENT_HEAD], SEGMENT_HEAD),
            (half, half.len()),
            (&zeros, SEGMENT_HEAD),
            (&tail, quarter),
            (&middle, quarter),
        ] {
            std::fs::write(&path, left).unwrap();
            let mut reader = LogReader::new(dir.path());
            all(&mut reader, None);
            let told: Vec<_> = reader
                .damage()
                .iter()
                .map(|it| (&it.path, it.offset))
                .collect();
            assert_eq!(told, [(&path, at)]);
            assert_eq!(reader.incomplete(), std::slice::from_ref(&path));
            assert!(reader.torn().is_empty());
        }
        std::fs::write(&path, &whole).unwrap();
        std::fs::write(dir.path().join(file_name(99)), b"").unwrap();
        let mut reader = LogReader::new(dir.path());
        assert_eq!(all(&mut reader, None), positions);
        assert!(reader.damage().is_empty());
    }

    #[test]
    fn segments_that_are_gone_are_told_of() {
        let dir = tempfile::tempdir().unwrap();
        let positions = filled(dir.path(), 1600);
        let last = *segments(dir.path()).unwrap().last().unwrap();
        assert!(last > 5);
        for gone in [1, 3, 4] {
            std::fs::remove_file(dir.path().join(file_name(gone))).unwrap();
        }
        let mut reader = LogReader::new(dir.path());
        let left: Vec<u64> = positions
            .into_iter()
            .filter(|position| ![1, 3, 4].contains(&place(*position).0))
            .collect();
        assert_eq!(all(&mut reader, None), left);
        let told: Vec<(PathBuf, &str)> = reader
            .damage()
            .iter()
            .map(|damage| (damage.path.clone(), damage.what.as_str()))
            .collect();
        let path = |number| dir.path().join(file_name(number));
        assert_eq!(
            told,
            [
                (path(1), "the segment is missing"),
                (path(3), "2 segments are missing from here on")
            ]
        );
    }
}
