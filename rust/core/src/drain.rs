//! Follows the log as it is published: counts, and keeps the summary.

use std::sync::Arc;

use crate::error::{Result, io_at};
use crate::frame::{SEGMENT_HEAD, framed_len, position};
use crate::path;
use crate::reader::Limit;
use crate::record::Record;
use crate::segment::Segment;
use crate::summary::Summary;
use crate::wal::Wal;

/// What has been read of a log.
#[derive(Debug)]
pub struct Drain {
    segment: Option<Arc<Segment>>,
    offset: usize,
    /// Position of the last record.
    pub last: u64,
    /// Records read.
    pub records: u64,
    /// History records read.
    pub rows: u64,
    /// Leaf values of history records read.
    pub values: u64,
    /// The writer's summary.
    pub summary: Summary,
    passed: Vec<Arc<Segment>>,
}

impl Default for Drain {
    fn default() -> Self {
        Self {
            segment: None,
            offset: SEGMENT_HEAD,
            last: 0,
            records: 0,
            rows: 0,
            values: 0,
            summary: Summary::default(),
            passed: Vec::new(),
        }
    }
}

impl Drain {
    /// Reads all that is published.
    ///
    /// # Errors
    /// A segment that is written rather than mapped cannot be read back.
    pub fn advance(&mut self, wal: &Wal) -> Result<()> {
        loop {
            let Some(segment) = self.segment.take().or_else(|| wal.oldest()) else {
                return Ok(());
            };
            let ended = self.advance_in(&segment);
            let passed = *ended.as_ref().unwrap_or(&false) && wal.pass();
            if passed {
                self.passed.push(segment);
                self.offset = SEGMENT_HEAD;
            } else {
                self.segment = Some(segment);
                return ended.map(|_| ());
            }
        }
    }

    /// True when the segment is read to its end.
    fn advance_in(&mut self, segment: &Segment) -> Result<bool> {
        while let Some(payload) = segment
            .frame(self.offset)
            .map_err(io_at("read", segment.path()))?
        {
            self.last = position(segment.number(), self.offset);
            self.records += 1;
            // Our own bytes: a record that does not parse is a bug, and it stays in the log for all to see.
            if let Ok(record) = Record::parse(&payload) {
                if let Record::History(history) = &record {
                    self.rows += 1;
                    path::walk(history.values, &mut |_, _| self.values += 1)?;
                }
                self.summary.apply(self.last, &record)?;
            }
            self.offset += framed_len(payload.len());
        }
        Ok(segment.sealed_at().is_some_and(|end| self.offset >= end))
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

    /// Segments read to their end since the last call; they can be synced and cut.
    pub(crate) fn take_passed(&mut self) -> Vec<Arc<Segment>> {
        std::mem::take(&mut self.passed)
    }
}
