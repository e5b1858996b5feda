//! Histograms of many float32 in one pass: counted by their first bits, and only then put into bins.
//!
//! The first bits of a float are its sign, its octave and where it is in that: 64 slots an octave.
//! The edges of the bins are those of slots, as near as they come to bins of equal width, so every
//! count is exact.

/// Sign, exponent and six bits of the fraction.
const BITS: u32 = 15;
const SHIFT: u32 = 32 - BITS;
const SLOTS: usize = 1 << BITS;
/// Of each sign, with those of infinities and NaN.
const HALF: usize = SLOTS / 2;
/// Of each sign, of finite floats.
const FINITE: usize = HALF - (1 << (BITS - 9));
const LANES: usize = 16;
const BLOCK: usize = 1024;

/// Counts of float32 by their first bits, of at most 2³² - 1 of them.
#[derive(Debug)]
pub struct Octaves {
    slots: Box<[u32]>,
    lows: [f32; LANES],
    highs: [f32; LANES],
}

impl Default for Octaves {
    fn default() -> Self {
        Self {
            slots: vec![0; SLOTS].into_boxed_slice(),
            lows: [f32::INFINITY; LANES],
            highs: [f32::NEG_INFINITY; LANES],
        }
    }
}

impl Octaves {
    /// Count more elements.
    #[expect(
        clippy::indexing_slicing,
        reason = "the shift leaves as many bits as there are slots"
    )]
    pub fn add(&mut self, elements: &[f32]) {
        let Ok(slots) = <&mut [u32; SLOTS]>::try_from(&mut *self.slots) else {
            return;
        };
        let mut found = [0; BLOCK];
        for block in elements.chunks(BLOCK) {
            let (chunks, rest) = block.as_chunks::<LANES>();
            for part in chunks {
                widen(&mut self.lows, &mut self.highs, part);
            }
            widen(&mut self.lows, &mut self.highs, rest);
            for (slot, &element) in found.iter_mut().zip(block) {
                *slot = (element + 0.0).to_bits() >> SHIFT; // no zero has a sign
            }
            for slot in found.get(..block.len()).unwrap_or_default() {
                slots[*slot as usize] += 1;
            }
        }
    }

    /// Counts and edges of so many bins of nearly equal width.
    ///
    /// None where elements are not finite, or lie so close together that they need finer slots.
    pub fn binned(&self, bins: usize) -> Option<(Vec<u64>, Vec<f64>)> {
        let low = self.lows.iter().copied().fold(f32::INFINITY, f32::min);
        let high = self.highs.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let (negative, positive) = self.slots.split_at_checked(HALF).map(|(a, b)| (b, a))?;
        let odd = |half: &[u32]| half.iter().skip(FINITE).any(|count| *count > 0);
        if low >= high || odd(negative) || odd(positive) {
            return None;
        }
        let (low, high) = (f64::from(low), f64::from(high));
        // In ascending order: of each slot its count, and the least that is above it.
        let below = negative.iter().enumerate().take(FINITE).rev();
        let above = positive.iter().enumerate().take(FINITE);
        let ordered = below
            .map(|(slot, count)| (*count, -start_of(slot)))
            .map(|(count, last)| (count, if last == 0.0 { 0.0 } else { last.next_up() }))
            .chain(above.map(|(slot, count)| (*count, start_of(slot + 1))));
        let mut counts = vec![0; bins];
        let mut edges = vec![low];
        let edge_at = |number: usize| {
            #[expect(clippy::cast_precision_loss, reason = "at most 512")]
            let part = number as f64 / bins as f64;
            low * (1.0 - part) + high * part
        };
        let mut before = f64::NEG_INFINITY;
        for (count, end) in ordered {
            let end = f64::from(end);
            // The end of the slot before is the nearer one to where a bin should end.
            while edges.len() < bins && end > low && is_nearer(before, end, edge_at(edges.len())) {
                if before <= *edges.last()? || before >= high {
                    return None;
                }
                edges.push(before);
            }
            *counts.get_mut(edges.len() - 1)? += u64::from(count);
            before = end;
        }
        if edges.len() < bins {
            return None;
        }
        edges.push(high);
        Some((counts, edges))
    }
}

#[inline]
fn widen(lows: &mut [f32; LANES], highs: &mut [f32; LANES], part: &[f32]) {
    for ((low, high), &element) in lows.iter_mut().zip(highs).zip(part) {
        *low = if element < *low { element } else { *low };
        *high = if element > *high { element } else { *high };
    }
}

/// The least magnitude of a slot.
fn start_of(slot: usize) -> f32 {
    u32::try_from(slot).map_or(f32::INFINITY, |slot| f32::from_bits(slot << SHIFT))
}

fn is_nearer(before: f64, end: f64, wanted: f64) -> bool {
    end >= wanted && wanted - before <= end - wanted
}

#[cfg(test)]
mod tests {
    #![expect(clippy::cast_precision_loss, reason = "the numbers are small")]
    use proptest::prelude::*;

    use super::*;

    fn binned(elements: &[f32], bins: usize) -> Option<(Vec<u64>, Vec<f64>)> {
        let mut octaves = Octaves::default();
        elements.chunks(700).for_each(|part| octaves.add(part));
        octaves.binned(bins)
    }

    proptest! {
        #[test]
        fn every_count_is_exact(
            mut elements in prop::collection::vec(
                prop_oneof![4 => -1.0_f32..1.0, 1 => -1e-6_f32..1e-6, 1 => Just(-0.0), 1 => Just(-0.5)],
                2..2000,
            ),
            shift in prop_oneof![Just(0.0_f32), -2.0_f32..2.0],
            bins in 1_usize..=64,
        ) {
            for element in &mut elements {
                *element += shift;
            }
            let Some((counts, edges)) = binned(&elements, bins) else {
                return Ok(());
            };
            prop_assert_eq!((counts.len(), edges.len()), (bins, bins + 1));
            prop_assert!(edges.windows(2).all(|pair| pair[0] < pair[1]));
            for (bin, count) in counts.iter().enumerate() {
                let inside = elements.iter().map(|one| f64::from(*one)).filter(|one| {
                    *one >= edges[bin] && (*one < edges[bin + 1] || bin + 1 == bins)
                });
                prop_assert_eq!(*count, inside.count() as u64);
            }
        }
    }

    #[test]
    fn bins_of_numbers_around_zero_have_nearly_equal_widths() {
        let elements: Vec<f32> = (-5000_i16..=5000)
            .map(|one| f32::from(one) / 5001.0)
            .collect();
        let (_, edges) = binned(&elements, 64).unwrap();
        let width = (edges[64] - edges[0]) / 64.0;
        for (number, edge) in edges.iter().enumerate() {
            assert!((edge - (edges[0] + width * number as f64)).abs() < width / 2.0);
        }
    }

    #[test]
    fn what_needs_finer_slots_or_is_not_finite_is_left_to_others() {
        let close: Vec<f32> = (0..100_u8).map(|one| 1.0 + f32::from(one) * 1e-6).collect();
        assert!(binned(&close, 64).is_none());
        assert!(binned(&[1.0, 2.0, f32::INFINITY], 2).is_none());
        assert!(binned(&[-1.0, f32::NAN, 2.0], 2).is_none());
        assert!(binned(&[3.0; 50], 4).is_none());
        assert!(binned(&[], 4).is_none());
    }
}
