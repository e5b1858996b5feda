//! Tells whether a row is the last one again with other numbers: then the summary need not take in
//! the earlier one, which is most of what following a log costs; its numbers are added up here.

use crate::aggregate::Aggregate;
use crate::error::Result;
use crate::path;
use crate::record::{HISTORY_HEAD, History, Record};
use crate::summary::Summary;
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
    /// Of each of them, what those of earlier rows come to; None: the summary has that.
    before: Option<Vec<Aggregate>>,
}

/// The parts of a record's head that are not step, times and commit.
fn head_form(payload: &[u8]) -> Option<[u8; 5]> {
    let head = payload.first_chunk::<HISTORY_HEAD>()?;
    let [a, b, c, .., commit] = *head;
    matches!(commit, 0xc2 | 0xc3).then_some([a, b, c, head[7], head[16]])
}

fn step_of(payload: &[u8]) -> Option<i64> {
    let bytes = payload.get(3..7)?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?).into())
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
        self.forget();
        let form = head_form(payload);
        if form != Some([0x96, 2, 0xce, 0xcf, 0xcf]) || step_of(payload) != Some(history.step) {
            return Ok(false);
        }
        self.numbers.clear();
        path::numbers(history.values, HISTORY_HEAD, &mut self.numbers)?;
        self.payload.extend_from_slice(payload);
        (self.position, self.step, self.leaves) = (position, history.step, leaves);
        Ok(true)
    }

    /// Where the numbers of the kept row stand in its record, in order.
    pub(crate) fn numbers(&self) -> &[usize] {
        &self.numbers
    }

    /// Whether a row replaces every value of the kept one; it is kept in its place then, and its
    /// step and the number of its leaves are given.
    ///
    /// # Errors
    /// The kept row is malformed.
    #[inline]
    pub(crate) fn replace(
        &mut self,
        payload: &[u8],
        position: u64,
        summary: &mut Summary,
    ) -> Result<Option<(i64, u64)>> {
        let Some(step) = self.step_of_repeat(payload) else {
            return Ok(None);
        };
        if step > self.step {
            self.add_up(summary)?;
        }
        self.payload.copy_from_slice(payload);
        (self.position, self.step) = (position, step);
        Ok(Some((step, self.leaves)))
    }

    /// The step of a row that has the form of the kept one, and other numbers.
    #[inline]
    fn step_of_repeat(&self, payload: &[u8]) -> Option<i64> {
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
            if !same || payload.get(at)? != self.payload.get(at)? {
                return None;
            }
            from = at + NUMBER_BYTES;
        }
        (payload.get(from..)? == self.payload.get(from..)?).then_some(step)
    }

    /// Adds the numbers of the kept row to those before.
    #[inline]
    fn add_up(&mut self, summary: &mut Summary) -> Result<()> {
        let before = match &mut self.before {
            Some(before) => before,
            None => match Record::parse(&self.payload)? {
                Record::History(history) => self.before.insert(summary.check_out(&history)?),
                _ => return Ok(()),
            },
        };
        for (&at, aggregate) in self.numbers.iter().zip(before) {
            if let Some([marker, bits @ ..]) = self
                .payload
                .get(at..)
                .and_then(|tail| tail.first_chunk::<NUMBER_BYTES>())
            {
                if *marker == 0xcb {
                    aggregate.add_float(f64::from_be_bytes(*bits));
                } else {
                    aggregate.add_int(i64::from_be_bytes(*bits));
                }
            }
        }
        Ok(())
    }

    /// Takes the kept row, and what was added up before it, into the summary.
    ///
    /// # Errors
    /// The row is malformed.
    pub(crate) fn settle(&mut self, summary: &mut Summary) -> Result<()> {
        if self.payload.is_empty() {
            return Ok(());
        }
        let record = Record::parse(&self.payload)?;
        if let (Some(before), Record::History(history)) = (&self.before, &record) {
            summary.check_in(history.values, before)?;
        }
        summary.apply(self.position, &record)?;
        self.forget();
        Ok(())
    }

    fn forget(&mut self) {
        self.payload.clear();
        self.before = None;
    }
}
