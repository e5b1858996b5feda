//! How the first few keys of a log have gone, in as many means as a line of a terminal has room for.

use crate::error::Result;
use crate::path;
use crate::value::{Cursor, NUMBER_BYTES, Value};

/// Keys that are followed, the first ones.
const KEYS: usize = 10;
/// Greatest number of means of a key; there are at least half as many, once there are values enough.
pub const WIDTH: usize = 40;

/// The finite values of one key, in the order of the log, so many in each bin but the last.
#[derive(Debug, Clone)]
struct Trend {
    key: String,
    /// Sum and count.
    bins: Vec<(f64, u64)>,
    full: u64,
}

impl Trend {
    fn add(&mut self, value: f64) {
        if !value.is_finite() {
            return;
        }
        match self.bins.last_mut() {
            Some((sum, count)) if *count < self.full => {
                *sum += value;
                *count += 1;
            }
            _ => {
                if self.bins.len() == WIDTH {
                    self.halve();
                }
                self.bins.push((value, 1));
            }
        }
    }

    fn halve(&mut self) {
        let pairs = self.bins.chunks(2).map(|pair| {
            pair.iter()
                .fold((0.0, 0), |all, bin| (all.0 + bin.0, all.1 + bin.1))
        });
        self.bins = pairs.collect();
        self.full *= 2;
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "a mean is a float64; counts are far below 2^53"
    )]
    fn means(&self) -> Vec<f64> {
        let mean = |&(sum, count): &(f64, u64)| sum / count as f64;
        self.bins.iter().map(mean).collect()
    }
}

#[derive(Debug, Clone, Copy)]
enum Place {
    At(usize),
    Same(f64),
}

/// The trends of a log.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trends {
    trends: Vec<Trend>,
    /// Of the row that is expected again: where a number stands, or which it is, and its trend.
    places: Vec<(Place, usize)>,
}

impl Trends {
    /// Takes in a row.
    ///
    /// # Errors
    /// The row is malformed.
    pub(crate) fn take(&mut self, values: &[u8]) -> Result<()> {
        path::walk(values, &mut |key, raw| {
            if let Some(value) = number(raw)
                && let Some(number) = self.number_of(key)
                && let Some(trend) = self.trends.get_mut(number)
            {
                trend.add(value);
            }
        })
    }

    /// Expects a row of the form of the one that was taken in last again; its numbers stand at
    /// `numbers`.
    ///
    /// # Errors
    /// The row is malformed.
    pub(crate) fn expect(&mut self, values: &[u8], numbers: &[usize]) -> Result<()> {
        self.places.clear();
        let mut places = numbers.iter();
        path::walk(values, &mut |key, raw| {
            let place = if path::is_overwritable(raw) {
                places.next().map(|&at| Place::At(at))
            } else {
                number(raw).map(Place::Same)
            };
            if let Some(place) = place
                && let Some(number) = self.number_of(key)
            {
                self.places.push((place, number));
            }
        })
    }

    /// Takes in a row of the expected form.
    #[inline]
    pub(crate) fn again(&mut self, payload: &[u8]) {
        for &(place, trend) in &self.places {
            let value = match place {
                Place::At(at) => payload.get(at..at + NUMBER_BYTES).and_then(number),
                Place::Same(value) => Some(value),
            };
            if let (Some(value), Some(trend)) = (value, self.trends.get_mut(trend)) {
                trend.add(value);
            }
        }
    }

    fn number_of(&mut self, key: &str) -> Option<usize> {
        let found = self.trends.iter().position(|trend| trend.key == key);
        if found.is_some() || self.trends.len() == KEYS {
            return found;
        }
        self.trends.push(Trend {
            key: key.to_owned(),
            bins: Vec::new(),
            full: 1,
        });
        Some(self.trends.len() - 1)
    }

    /// Each key with its means, in the order of the log.
    pub(crate) fn means(&self) -> Vec<(String, Vec<f64>)> {
        let means = |trend: &Trend| (trend.key.clone(), trend.means());
        self.trends.iter().map(means).collect()
    }
}

/// A leaf that is a number.
#[expect(clippy::cast_precision_loss, reason = "drawn in eight steps")]
fn number(raw: &[u8]) -> Option<f64> {
    match raw {
        // Most of them, and found quickly.
        [0xcb, bits @ ..] => Some(f64::from_be_bytes(bits.try_into().ok()?)),
        [0xd3, bits @ ..] => Some(i64::from_be_bytes(bits.try_into().ok()?) as f64),
        _ => match Cursor::new(raw).value("number").ok()? {
            Value::Int(value) => Some(value as f64),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_of_values_comes_to_so_many_means() {
        let mut trend = Trend {
            key: String::new(),
            bins: Vec::new(),
            full: 1,
        };
        for value in 0..100_000_u32 {
            trend.add(f64::NAN);
            trend.add(f64::from(value));
            let means = trend.means();
            assert!(means.len() <= WIDTH && means.len() >= (value as usize + 1).min(WIDTH / 2));
            assert!(means.is_sorted(), "{means:?}");
        }
        let (sum, count) = trend
            .bins
            .iter()
            .fold((0.0, 0), |all, bin| (all.0 + bin.0, all.1 + bin.1));
        assert_eq!((sum, count), (4_999_950_000.0, 100_000));
    }
}
