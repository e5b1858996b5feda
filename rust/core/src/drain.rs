//! Follows the log as it is published: counts, and keeps the summary.

use std::sync::Arc;

use crate::error::{Result, io_at};
use crate::frame::{SEGMENT_HEAD, framed_len, position};
use crate::path;
use crate::reader::Limit;
use crate::record::{Record, read_seal};
use crate::repeat::Repeat;
use crate::segment::Segment;
use crate::stepset::StepSet;
use crate::summary::Summary;
use crate::trend::Trends;
use crate::wal::Wal;

/// Records read in one go: between two of them the next segment is prepared and the log is synced,
/// also while it grows faster than it is read.
const SLICE: usize = 1_024;

/// What has been read of a log.
#[derive(Debug)]
pub struct Drain {
    segment: Option<Arc<Segment>>,
    offset: usize,
    /// Position of the last record.
    pub last: u64,
    /// Records read.
    pub records: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
    /// Rows of the history records read: two calls with one step make one.
    pub rows: u64,
    steps: StepSet,
    /// Leaf values of history records read.
    pub values: u64,
    /// The writer's summary, without the row in `repeat`.
    summary: Summary,
    repeat: Repeat,
    trends: Trends,
    /// Length of the last row: only when two are alike in it, a third is expected to be.
    last_len: usize,
    passed: Vec<Arc<Segment>>,
}

impl Default for Drain {
    fn default() -> Self {
        Self {
            segment: None,
            offset: SEGMENT_HEAD,
            last: 0,
            records: 0,
            bytes: 0,
            rows: 0,
            steps: StepSet::default(),
            values: 0,
            summary: Summary::default(),
            repeat: Repeat::default(),
            trends: Trends::default(),
            last_len: 0,
            passed: Vec::new(),
        }
    }
}

impl Drain {
    /// Reads what is published, some records at most; true when there may be more.
    ///
    /// # Errors
    /// A segment that is written rather than mapped cannot be read back.
    pub fn advance(&mut self, wal: &Wal) -> Result<bool> {
        let mut left = SLICE;
        loop {
            let Some(segment) = self.segment.take().or_else(|| wal.oldest()) else {
                return Ok(false);
            };
            let ended = self.advance_in(&segment, &mut left);
            let passed = *ended.as_ref().unwrap_or(&false) && wal.pass();
            if passed {
                self.passed.push(segment);
                self.offset = SEGMENT_HEAD;
            } else {
                self.segment = Some(segment);
                return ended.map(|_| left == 0);
            }
        }
    }

    /// True when the segment is read to its end.
    fn advance_in(&mut self, segment: &Segment, left: &mut usize) -> Result<bool> {
        while *left > 0
            && let Some(payload) = segment
                .frame(self.offset)
                .map_err(io_at("read", segment.path()))?
        {
            *left -= 1;
            if read_seal(&payload).is_none() {
                self.last = position(segment.number(), self.offset);
                self.records += 1;
                self.bytes += payload.len() as u64;
                self.take(&payload)?;
            }
            self.offset += framed_len(payload.len());
        }
        Ok(segment.sealed_at().is_some_and(|end| self.offset >= end))
    }

    fn take(&mut self, payload: &[u8]) -> Result<()> {
        let replaced = self.repeat.replace(payload, self.last, &mut self.summary)?;
        if let Some((step, leaves)) = replaced {
            self.rows += u64::from(self.steps.insert(step));
            self.values += leaves;
            self.trends.again(payload);
            return Ok(());
        }
        self.repeat.settle(&mut self.summary)?;
        // Our own bytes: a record that does not parse is a bug, and it stays in the log for all to see.
        let Ok(record) = Record::parse(payload) else {
            return Ok(());
        };
        if let Record::History(history) = &record {
            let leaves = path::count(history.values)?;
            self.rows += u64::from(self.steps.insert(history.step));
            self.values += leaves;
            self.trends.take(history.values)?;
            let is_again = std::mem::replace(&mut self.last_len, payload.len()) == payload.len();
            // Of a late row it is not known which values it replaces.
            let is_next = history.step >= self.summary.last_step();
            if is_again && is_next && self.repeat.learn(payload, self.last, history, leaves)? {
                self.trends.expect(history.values, self.repeat.numbers())?;
                return Ok(());
            }
        }
        self.summary.apply(self.last, &record)
    }

    /// The writer's summary.
    ///
    /// # Errors
    /// A row is malformed.
    pub fn summary(&mut self) -> Result<&Summary> {
        self.repeat.settle(&mut self.summary)?;
        Ok(&self.summary)
    }

    /// How the first few keys have gone: each with at most [`crate::trend::WIDTH`] means, in the order of
    /// the log.
    #[must_use]
    pub fn trends(&self) -> Vec<(String, Vec<f64>)> {
        self.trends.means()
    }

    /// Where the next record will be.
    #[must_use]
    pub fn limit(&self) -> Limit {
        let segment = self.segment.as_ref().map_or(1, |segment| segment.number());
        Limit {
            segment,
            offset: self.offset,
        }
    }

    /// Where the next record will be, as a position.
    pub(crate) fn next(&self) -> u64 {
        let Limit { segment, offset } = self.limit();
        position(segment, offset)
    }

    /// Segments that are read to their end, oldest first; they can be synced and cut.
    pub(crate) fn passed(&self) -> &[Arc<Segment>] {
        &self.passed
    }

    /// Forgets the oldest of them, which are synced and cut.
    pub(crate) fn forget_passed(&mut self, count: usize) {
        self.passed.drain(..count.min(self.passed.len()));
    }
}
