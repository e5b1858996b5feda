//! How much of a log the server does not have, against a limit.

use std::collections::VecDeque;

use crate::frame::place;

/// Sizes of the segments that hold something unsent. A segment counts whole.
#[derive(Debug)]
pub(crate) struct Unsent {
    limit: u64,
    /// Number and size, oldest first.
    segments: VecDeque<(u32, u64)>,
}

impl Unsent {
    pub(crate) fn new(limit: u64) -> Self {
        Self {
            limit,
            segments: VecDeque::new(),
        }
    }

    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }

    /// How large the next segment may be.
    pub(crate) fn room(&self) -> usize {
        let held: u64 = self.segments.iter().map(|(_, bytes)| bytes).sum();
        usize::try_from(self.limit.saturating_sub(held)).unwrap_or(usize::MAX)
    }

    pub(crate) fn add(&mut self, number: u32, bytes: usize) {
        if self.limit < u64::MAX {
            self.segments.push_back((number, bytes as u64));
        }
    }

    /// A segment that was added has been removed.
    pub(crate) fn remove(&mut self, number: u32) {
        self.segments.retain(|(kept, _)| *kept != number);
    }

    /// The server has everything up to `position`.
    pub(crate) fn sent(&mut self, position: u64) {
        let (segment, _) = place(position);
        self.segments.retain(|(number, _)| *number >= segment);
    }
}
