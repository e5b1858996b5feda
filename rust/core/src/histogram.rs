//! How numbers in memory are distributed: exact counts, without a copy.

use crate::octaves::Octaves;

/// Most bins of a histogram.
pub const MAX_BINS: usize = 512;
/// Slots of a table: a power of two, so that a masked index is in bounds, and more than bins.
const SLOTS: usize = 1024;
/// Tables that are counted into in turn: neighbours of one bin then do not wait for each other.
const TABLES: usize = 4;
const LANES: usize = 16;
/// Elements from which on one pass is worth its tables.
const MANY: usize = 1 << 16;
/// Elements after which the tables, whose slots have 32 bits, are added up.
const BLOCK: usize = 1 << 20;

/// A type of floats.
pub trait Real: Copy + PartialOrd + Into<f64> {
    /// The infinite one.
    const INFINITY: Self;
    /// The infinite one below all.
    const NEG_INFINITY: Self;
    /// Zero.
    const ZERO: Self;

    /// The nearest one.
    fn nearest(value: f64) -> Self;
    /// The lowest bits of `(self - low) * scale`, at least 0 and below 2²², cut to a whole number.
    fn slot(self, low: Self, scale: Self) -> u32;
    /// Count them by their first bits; false for a type whose first bits say too little.
    fn count_octaves(elements: &[Self], octaves: &mut Octaves) -> bool;
    /// `self + value * 0`: NaN as soon as one value was not finite.
    #[must_use]
    fn taint(self, value: Self) -> Self;
}

macro_rules! real {
    ($type:ident, $beside:literal, $count_octaves:expr) => {
        impl Real for $type {
            const INFINITY: Self = $type::INFINITY;
            const NEG_INFINITY: Self = $type::NEG_INFINITY;
            const ZERO: Self = 0.0;

            #[inline]
            #[expect(
                clippy::allow_attributes,
                reason = "the cast does nothing for one of the types"
            )]
            #[allow(
                clippy::cast_possible_truncation,
                reason = "to the nearest, as documented"
            )]
            fn nearest(value: f64) -> Self {
                value as Self
            }

            // The cast of Rust minds what no integer holds, which takes three times as long: a number
            // beside a float so large that it has no fraction is in that one's lowest bits.
            #[inline]
            #[expect(
                clippy::allow_attributes,
                reason = "the cast does nothing for one of the types"
            )]
            #[allow(
                clippy::cast_possible_truncation,
                reason = "the lowest bits, as documented"
            )]
            fn slot(self, low: Self, scale: Self) -> u32 {
                let at = (self - low) * scale;
                let nearest = (at + $beside) - $beside;
                let cut = if nearest > at { nearest - 1.0 } else { nearest };
                (cut + $beside).to_bits() as u32
            }

            fn count_octaves(elements: &[Self], octaves: &mut Octaves) -> bool {
                $count_octaves(elements, octaves)
            }

            #[inline]
            fn taint(self, value: Self) -> Self {
                self + value * 0.0
            }
        }
    };
}
real!(f32, 8_388_608.0, |elements, octaves: &mut Octaves| {
    octaves.add(elements);
    true
});
real!(f64, 4_503_599_627_370_496.0, |_, _| false);

/// A histogram.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    /// How many finite elements are in each bin; of none there is no bin.
    pub counts: Vec<u64>,
    /// One more than there are bins. A bin holds its lower edge, the last one its upper edge as well.
    pub edges: Vec<f64>,
    /// How many elements are no number.
    pub nan: u64,
    /// How many are infinite, and above zero.
    pub inf: u64,
    /// How many are infinite, and below zero.
    pub neg_inf: u64,
}

/// The histogram of `len` elements, which `read` hands on in parts, as often as it is called.
///
/// Of many float32 the bins have nearly equal widths, else equal ones; there is one bin where there are
/// too few floats between the least and the greatest.
pub fn histogram<R: Real>(
    len: usize,
    bins: usize,
    mut read: impl FnMut(&mut dyn FnMut(&[R])),
) -> Histogram {
    if (MANY..u32::MAX as usize).contains(&len) {
        let mut octaves = Octaves::default();
        let mut is_counted = true;
        read(&mut |part| is_counted = is_counted && R::count_octaves(part, &mut octaves));
        if let Some((counts, edges)) = octaves.binned(bins).filter(|_| is_counted) {
            return Histogram {
                counts,
                edges,
                ..Histogram::default()
            };
        }
    }
    let mut extent = Extent::default();
    read(&mut |part| extent.add(part));
    let (nan, inf, neg_inf) = (extent.nan, extent.inf, extent.neg_inf);
    let (mut counts, mut edges) = (Vec::new(), Vec::new());
    if extent.low <= extent.high {
        let mut counter = Counter::new(extent, bins);
        read(&mut |part| counter.add(part));
        edges = counter.edges();
        counts = counter.counts();
    }
    Histogram {
        counts,
        edges,
        nan,
        inf,
        neg_inf,
    }
}

/// What the finite elements span, and how many are not finite.
#[derive(Clone, Copy, Debug)]
struct Extent<R> {
    /// The least finite element; above `high` when there is none.
    low: R,
    /// The greatest finite element.
    high: R,
    /// How many are no number.
    nan: u64,
    /// How many are infinite.
    inf: u64,
    /// How many are infinite, and below zero.
    neg_inf: u64,
}

impl<R: Real> Default for Extent<R> {
    fn default() -> Self {
        Self {
            low: R::INFINITY,
            high: R::NEG_INFINITY,
            nan: 0,
            inf: 0,
            neg_inf: 0,
        }
    }
}

impl<R: Real> Extent<R> {
    /// Take in more elements.
    fn add(&mut self, elements: &[R]) {
        let mut lows = [self.low; LANES];
        let mut highs = [self.high; LANES];
        let mut taints = [R::ZERO; LANES];
        let (chunks, rest) = elements.as_chunks::<LANES>();
        for chunk in chunks {
            let lanes = lows.iter_mut().zip(&mut highs).zip(&mut taints);
            for (((low, high), taint), &element) in lanes.zip(chunk) {
                *low = if element < *low { element } else { *low };
                *high = if element > *high { element } else { *high };
                *taint = taint.taint(element);
            }
        }
        if taints.iter().any(|taint| is_nan(*taint)) {
            self.add_one_by_one(elements);
            return;
        }
        for (low, high) in lows.into_iter().zip(highs) {
            self.low = if low < self.low { low } else { self.low };
            self.high = if high > self.high { high } else { self.high };
        }
        self.add_one_by_one(rest);
    }

    fn add_one_by_one(&mut self, elements: &[R]) {
        for &element in elements {
            if is_nan(element) {
                self.nan += 1;
            } else if element == R::INFINITY {
                self.inf += 1;
            } else if element == R::NEG_INFINITY {
                self.neg_inf += 1;
            } else {
                self.low = if element < self.low {
                    element
                } else {
                    self.low
                };
                self.high = if element > self.high {
                    element
                } else {
                    self.high
                };
            }
        }
    }

    fn is_clean(&self) -> bool {
        self.nan + self.inf + self.neg_inf == 0
    }
}

fn is_nan<R: Real>(value: R) -> bool {
    value.partial_cmp(&value).is_none()
}

/// Counts the finite elements of an extent in bins of equal width.
#[derive(Debug)]
struct Counter<R> {
    extent: Extent<R>,
    bins: usize,
    way: Way<R>,
    tables: Box<[[u32; SLOTS]; TABLES]>,
    unsettled: usize,
    counts: Vec<u64>,
}

/// How elements find their bin.
#[derive(Clone, Copy, Debug)]
enum Way<R> {
    /// There is one bin.
    One,
    /// By the type's own arithmetic.
    Own(R),
    /// By float64, of a part: the width of the widest range is no finite number.
    Wide { part: f64, scale: f64 },
}

impl<R: Real> Counter<R> {
    /// Of what an extent spans, which has finite elements, in 1 to [`MAX_BINS`] bins; of one bin where
    /// there are too few floats between the least and the greatest.
    fn new(extent: Extent<R>, bins: usize) -> Self {
        let bins = bins.clamp(1, MAX_BINS);
        let (low, high): (f64, f64) = (extent.low.into(), extent.high.into());
        let part = if (high - low).is_finite() { 1.0 } else { 0.25 };
        #[expect(clippy::cast_precision_loss, reason = "at most 512")]
        let scale = bins as f64 / (high * part - low * part);
        let own = R::nearest(scale);
        let (own_scale, own_width): (f64, f64) = (own.into(), R::nearest(high - low).into());
        let is_own = own_width.is_finite() && own_scale.is_finite();
        let way = if high <= low || !scale.is_finite() {
            Way::One
        } else if is_own && own_scale > f64::from(f32::MIN_POSITIVE) {
            Way::Own(own)
        } else {
            Way::Wide { part, scale }
        };
        let bins = if matches!(way, Way::One) { 1 } else { bins };
        Self {
            extent,
            bins,
            way,
            tables: Box::new([[0; SLOTS]; TABLES]),
            unsettled: 0,
            counts: vec![0; bins],
        }
    }

    /// Count more of the elements.
    fn add(&mut self, elements: &[R]) {
        for block in elements.chunks(BLOCK) {
            match self.way {
                Way::Own(scale) if self.extent.is_clean() => self.add_block(block, scale),
                way => block.iter().for_each(|element| self.add_one(*element, way)),
            }
            self.unsettled += block.len();
            if self.unsettled >= BLOCK {
                self.settle();
            }
        }
    }

    fn add_block(&mut self, block: &[R], scale: R) {
        let low = self.extent.low;
        let mut slots = [0; 1024];
        for part in block.chunks(slots.len()) {
            for (slot, element) in slots.iter_mut().zip(part) {
                *slot = element.slot(low, scale);
            }
            let (fours, rest) = slots
                .get(..part.len())
                .unwrap_or_default()
                .as_chunks::<TABLES>();
            let [first, second, third, fourth] = &mut *self.tables;
            for [one, two, three, four] in fours {
                increment(first, *one);
                increment(second, *two);
                increment(third, *three);
                increment(fourth, *four);
            }
            for slot in rest {
                increment(first, *slot);
            }
        }
    }

    fn add_one(&mut self, element: R, way: Way<R>) {
        if is_nan(element) || element == R::INFINITY || element == R::NEG_INFINITY {
            return;
        }
        let slot = match way {
            Way::One => 0,
            Way::Own(scale) => element.slot(self.extent.low, scale),
            Way::Wide { part, scale } => {
                let (element, low): (f64, f64) = (element.into(), self.extent.low.into());
                (element * part).slot(low * part, scale)
            }
        };
        let [first, ..] = &mut *self.tables;
        increment(first, slot);
    }

    /// What is behind the last bin, as the greatest element is, belongs to it.
    fn settle(&mut self) {
        let last = self.bins - 1;
        for table in self.tables.iter_mut() {
            for (slot, count) in table.iter_mut().enumerate() {
                if let Some(sum) = self.counts.get_mut(slot.min(last)) {
                    *sum += u64::from(*count);
                }
                *count = 0;
            }
        }
        self.unsettled = 0;
    }

    fn edges(&self) -> Vec<f64> {
        let (low, high): (f64, f64) = (self.extent.low.into(), self.extent.high.into());
        #[expect(clippy::cast_precision_loss, reason = "at most 512")]
        let part = |number: usize| number as f64 / self.bins as f64;
        (0..=self.bins)
            .map(|number| low * (1.0 - part(number)) + high * part(number))
            .collect()
    }

    /// How many elements are in each bin.
    fn counts(mut self) -> Vec<u64> {
        self.settle();
        self.counts
    }
}

#[inline]
#[expect(clippy::indexing_slicing, reason = "the mask keeps it in bounds")]
fn increment(table: &mut [u32; SLOTS], slot: u32) {
    table[slot as usize & (SLOTS - 1)] += 1;
}

#[cfg(test)]
mod tests {
    #![expect(clippy::cast_precision_loss, reason = "the numbers are small")]
    use proptest::prelude::*;

    use super::*;

    fn count<R: Real>(elements: &[R], bins: usize) -> (Extent<R>, Vec<u64>) {
        let mut extent = Extent::default();
        elements.chunks(37).for_each(|part| extent.add(part));
        let mut counter = Counter::new(extent, bins);
        elements.chunks(29).for_each(|part| counter.add(part));
        (extent, counter.counts())
    }

    fn check<R: Real + std::fmt::Debug>(elements: &[R], bins: usize) -> Result<(), TestCaseError> {
        let all: Vec<f64> = elements.iter().map(|element| (*element).into()).collect();
        let finite: Vec<f64> = all.iter().copied().filter(|one| one.is_finite()).collect();
        let (extent, counts) = count(elements, bins);
        let total: u64 = counts.iter().sum();
        prop_assert_eq!(total, finite.len() as u64);
        let left_out = extent.nan + extent.inf + extent.neg_inf;
        prop_assert_eq!(total + left_out, all.len() as u64);
        prop_assert_eq!(
            extent.nan,
            all.iter().filter(|one| one.is_nan()).count() as u64
        );
        if finite.is_empty() {
            return Ok(());
        }
        let low = finite.iter().copied().fold(f64::INFINITY, f64::min);
        let high = finite.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        prop_assert_eq!((extent.low.into(), extent.high.into()), (low, high));
        // Of each bin: no fewer than are inside by more than rounding, no more than are near.
        let bins = counts.len();
        let (mut near, mut inside) = (vec![0; bins], vec![0; bins]);
        for one in finite {
            let at = (one * 0.25 - low * 0.25) / (high * 0.25 - low * 0.25) * bins as f64;
            for bin in 0..bins {
                let (from, to) = (bin as f64, (bin + 1) as f64);
                let slack = 1e-4 * bins as f64;
                near[bin] += u64::from(bins == 1 || (at >= from - slack && at <= to + slack));
                inside[bin] += u64::from(at > from + slack && at < to - slack);
            }
        }
        for bin in 0..bins {
            prop_assert!(inside[bin] <= counts[bin] && counts[bin] <= near[bin]);
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn counts_are_those_of_one_by_one(
            elements in prop::collection::vec(any::<f32>(), 0..300),
            bins in 1_usize..=MAX_BINS,
        ) {
            check(&elements, bins)?;
            let wide: Vec<f64> = elements.iter().map(|one| f64::from(*one)).collect();
            check(&wide, bins)?;
        }

        #[test]
        fn ordinary_numbers_and_odd_ones(
            elements in prop::collection::vec(
                prop_oneof![20 => -3.0_f64..3.0, 1 => any::<f64>()], 0..300,
            ),
            bins in 1_usize..=100,
        ) {
            check(&elements, bins)?;
        }
    }

    #[test]
    fn many_elements_are_all_counted_whatever_they_are() {
        let mut elements: Vec<f32> = (0..200_000_u32)
            .map(|number| {
                f32::from_bits(0x3f00_0000 + number * 37) * if number % 2 == 0 { 1.0 } else { -1.0 }
            })
            .collect();
        let all = |elements: &[f32]| {
            histogram::<f32>(elements.len(), 64, |each| {
                elements.chunks(999).for_each(&mut *each);
            })
        };
        let found = all(&elements);
        assert_eq!(found.counts.iter().sum::<u64>(), 200_000);
        assert_eq!((found.counts.len(), found.edges.len()), (64, 65));
        elements[5] = f32::NAN;
        elements[6] = f32::NEG_INFINITY;
        let odd = all(&elements);
        assert_eq!(odd.counts.iter().sum::<u64>(), 199_998);
        assert_eq!((odd.nan, odd.inf, odd.neg_inf), (1, 0, 1));
        elements.fill(0.25);
        let equal = all(&elements);
        assert_eq!(
            (equal.counts, equal.edges),
            (vec![200_000], vec![0.25, 0.25])
        );
        assert_eq!(all(&[]), Histogram::default());
    }

    #[test]
    fn the_greatest_is_in_the_last_bin() {
        let elements: Vec<f32> = (0..=64_u8).map(f32::from).collect();
        let (_, counts) = count(&elements, 64);
        assert_eq!((counts[0], counts[62], counts[63]), (1, 1, 2));
    }

    #[test]
    fn equal_elements_have_one_bin() {
        assert_eq!(count(&[2.5_f64; 100], 64).1, [100]);
    }
}
