//! Tells whether a row is the last one again with other numbers: then the summary need not take in
//! the earlier one, which is most of what following a log costs.

use crate::error::Result;
use crate::path;
use crate::record::{HISTORY_HEAD, History};
use crate::value::NUMBER_BYTES;

/// The last row of a log that is not in the summary yet.
#[derive(Debug, Default)]
pub(crate) struct Repeat {
    payload: Vec<u8>,
    position: u64,
    step: i64,
    leaves: u64,
    /// Where the numbers of its values stand in the payload, in order.
    numbers: Vec<usize>,
}

/// The parts of a record's head that are not step, times and commit.
fn head_form(payload: &[u8]) -> Option<[u8; 5]> {
    let head = payload.first_chunk::<HISTORY_HEAD>()?;
    let [a, b, c, .., commit] = *head;
    matches!(commit, 0xc2 | 0xc3).then_some([a, b, c, head[11], head[20]])
}

fn step_of(payload: &[u8]) -> Option<i64> {
    let bytes = payload.get(3..11)?;
    i64::try_from(u64::from_be_bytes(bytes.try_into().ok()?)).ok()
}

impl Repeat {
    /// Keeps a row in mind; false when it is of a form that cannot be compared.
    pub(crate) fn learn(
        &mut self,
        payload: &[u8],
        position: u64,
        history: &History<'_>,
        leaves: u64,
    ) -> Result<bool> {
        self.payload.clear();
        let form = head_form(payload);
        if form != Some([0x96, 2, 0xcf, 0xcf, 0xcf]) || step_of(payload) != Some(history.step) {
            return Ok(false);
        }
        self.numbers.clear();
        path::numbers(history.values, HISTORY_HEAD, &mut self.numbers)?;
        self.payload.extend_from_slice(payload);
        (self.position, self.step, self.leaves) = (position, history.step, leaves);
        Ok(true)
    }

    /// Whether a row replaces every value of the kept one; it is kept in its place then, and its
    /// step and the number of its leaves are given.
    #[inline]
    pub(crate) fn replace(&mut self, payload: &[u8], position: u64) -> Option<(i64, u64)> {
        if payload.len() != self.payload.len() || payload.is_empty() {
            return None;
        }
        let step = step_of(payload)?;
        if step < self.step || head_form(payload) != head_form(&self.payload) {
            return None;
        }
        let mut from = HISTORY_HEAD;
        for &at in &self.numbers {
            let same = payload.get(from..at)? == self.payload.get(from..at)?;
            if !same || !matches!(payload.get(at)?, 0xcb | 0xd3) {
                return None;
            }
            from = at + NUMBER_BYTES;
        }
        if payload.get(from..)? != self.payload.get(from..)? {
            return None;
        }
        self.payload.copy_from_slice(payload);
        (self.position, self.step) = (position, step);
        Some((step, self.leaves))
    }

    /// The kept row and its position, which is forgotten by `forget`.
    pub(crate) fn kept(&self) -> Option<(u64, &[u8])> {
        (!self.payload.is_empty()).then_some((self.position, self.payload.as_slice()))
    }

    pub(crate) fn forget(&mut self) {
        self.payload.clear();
    }
}
