//! What the numbers logged for a key come to: smallest, greatest, mean. NaNs are counted and left
//! out, so that one of them does not hide all others.

use std::cmp::Ordering;

use crate::error::Result;
use crate::value::{Cursor, Value, write_array_len, write_float, write_int};

/// Numbers seen so far. Integers and floats are kept apart, so that no integer is rounded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Aggregate {
    sum: f64,
    count: i64,
    nan: i64,
    floats: (f64, f64),
    ints: (i64, i64),
}

impl Default for Aggregate {
    fn default() -> Self {
        Self {
            sum: 0.0,
            count: 0,
            nan: 0,
            floats: (f64::INFINITY, f64::NEG_INFINITY),
            ints: (i64::MAX, i64::MIN),
        }
    }
}

/// The nearest float64.
#[expect(
    clippy::cast_precision_loss,
    reason = "the mean is a float64, as in the reference"
)]
fn nearest(value: i64) -> f64 {
    value as f64
}

/// Compares exactly, where a conversion of the integer would round.
fn compare(int: i64, float: f64) -> Ordering {
    match nearest(int).partial_cmp(&float) {
        Some(Ordering::Equal) if float < 9_223_372_036_854_775_808.0 => {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "a whole number within int64: it equals a rounded one"
            )]
            let whole = float as i64;
            int.cmp(&whole)
        }
        Some(Ordering::Equal) => Ordering::Less,
        found => found.unwrap_or(Ordering::Equal),
    }
}

impl Aggregate {
    #[inline]
    pub(crate) fn add_float(&mut self, value: f64) {
        if value.is_nan() {
            self.nan += 1;
            return;
        }
        self.sum += value;
        self.count += 1;
        if value < self.floats.0 || self.floats.0 > self.floats.1 {
            self.floats.0 = value;
        }
        if value > self.floats.1 {
            self.floats.1 = value;
        }
    }

    #[inline]
    pub(crate) fn add_int(&mut self, value: i64) {
        self.sum += nearest(value);
        self.count += 1;
        self.ints = (self.ints.0.min(value), self.ints.1.max(value));
    }

    /// Takes in a value, if it is a number.
    pub(crate) fn add(&mut self, value: &Value) {
        match value {
            Value::Float(value) => self.add_float(*value),
            Value::Int(value) => self.add_int(*value),
            Value::BigInt(text) => {
                if let Ok(value) = text.parse() {
                    self.add_float(value);
                }
            }
            _ => {}
        }
    }

    /// Takes in the numbers of another one.
    pub(crate) fn absorb(&mut self, other: &Self) {
        self.sum += other.sum;
        self.count += other.count;
        self.nan += other.nan;
        self.floats = (
            self.floats.0.min(other.floats.0),
            self.floats.1.max(other.floats.1),
        );
        self.ints = (self.ints.0.min(other.ints.0), self.ints.1.max(other.ints.1));
    }

    fn either(&self, int: i64, float: f64, wanted: Ordering) -> Option<Value> {
        let has_ints = self.ints.0 <= self.ints.1;
        let has_floats = self.floats.0 <= self.floats.1;
        match (has_ints, has_floats) {
            (false, false) => None,
            (true, true) if compare(int, float) == wanted => Some(Value::Int(int)),
            (true, false) => Some(Value::Int(int)),
            _ => Some(Value::Float(float)),
        }
    }

    /// The smallest number, infinities included.
    pub(crate) fn min(&self) -> Option<Value> {
        self.either(self.ints.0, self.floats.0, Ordering::Less)
    }

    /// The greatest number, infinities included.
    pub(crate) fn max(&self) -> Option<Value> {
        self.either(self.ints.1, self.floats.1, Ordering::Greater)
    }

    /// The mean, added up in the order of the log.
    pub(crate) fn mean(&self) -> Option<Value> {
        (self.count > 0).then(|| Value::Float(self.sum / nearest(self.count)))
    }

    /// How many NaNs were left out.
    pub(crate) fn nan(&self) -> i64 {
        self.nan
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        if (self.count, self.nan) == (0, 0) {
            return write_array_len(out, 0);
        }
        write_array_len(out, 7);
        write_float(out, self.sum);
        write_int(out, self.count);
        write_int(out, self.nan);
        write_float(out, self.floats.0);
        write_float(out, self.floats.1);
        write_int(out, self.ints.0);
        write_int(out, self.ints.1);
    }

    pub(crate) fn read(cursor: &mut Cursor<'_>) -> Result<Self> {
        if cursor.array_len("summary numbers")? == 0 {
            return Ok(Self::default());
        }
        Ok(Self {
            sum: cursor.f64("sum")?,
            count: cursor.i64("count")?,
            nan: cursor.i64("count of NaN")?,
            floats: (cursor.f64("least float")?, cursor.f64("greatest float")?),
            ints: (
                cursor.i64("least integer")?,
                cursor.i64("greatest integer")?,
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[Value]) -> Aggregate {
        let mut aggregate = Aggregate::default();
        for value in values {
            aggregate.add(value);
        }
        aggregate
    }

    #[test]
    fn nan_neither_poisons_nor_disappears() {
        let found = of(&[Value::Float(f64::NAN), Value::Int(3), Value::Float(0.5)]);
        assert_eq!(found.min(), Some(Value::Float(0.5)));
        assert_eq!(found.max(), Some(Value::Int(3)));
        assert_eq!(found.mean(), Some(Value::Float(1.75)));
        assert_eq!(found.nan(), 1);
        assert_eq!(of(&[Value::Float(f64::NAN)]).max(), None);
        assert_eq!(of(&[Value::Str("x".to_owned())]).mean(), None);
    }

    #[test]
    fn great_integers_are_compared_exactly() {
        let float = Value::Float(9_007_199_254_740_992.0);
        let found = of(&[Value::Int(9_007_199_254_740_993), float.clone()]);
        assert_eq!(found.max(), Some(Value::Int(9_007_199_254_740_993)));
        assert_eq!(found.min(), Some(float));
        let beyond = Value::Float(9_223_372_036_854_775_808.0);
        assert_eq!(
            of(&[Value::Int(i64::MAX), beyond.clone()]).max(),
            Some(beyond)
        );
        let big = Value::BigInt("9223372036854775808".to_owned());
        assert_eq!(
            of(&[big]).min(),
            Some(Value::Float(9_223_372_036_854_775_808.0))
        );
    }

    #[test]
    fn infinities_count() {
        let found = of(&[Value::Float(f64::INFINITY)]);
        assert_eq!(found.min(), Some(Value::Float(f64::INFINITY)));
        assert_eq!(found.max(), found.min());
    }

    #[test]
    fn it_comes_back_and_merges() {
        let (one, two) = (
            of(&[Value::Int(1)]),
            of(&[Value::Float(2.0), Value::Int(9)]),
        );
        for aggregate in [one, two, Aggregate::default()] {
            let mut bytes = Vec::new();
            aggregate.write(&mut bytes);
            assert_eq!(
                Aggregate::read(&mut Cursor::new(&bytes)).unwrap(),
                aggregate
            );
        }
        let mut both = one;
        both.absorb(&two);
        assert_eq!(both, of(&[Value::Int(1), Value::Float(2.0), Value::Int(9)]));
    }
}
