//! Which steps were seen, to count rows: a row may be logged in several calls, and out of order.

use std::collections::VecDeque;

/// Runs of steps kept apart. Beyond, the two lowest become one, and a step that first comes into
/// the gap between them is taken for one seen before.
const MAX_RUNS: usize = 4_096;

/// A set of steps, as sorted runs of neighbours: one run for steps that are counted up by one.
#[derive(Debug, Default)]
pub(crate) struct StepSet {
    /// First and last step of each run; between two runs at least one step is missing.
    runs: VecDeque<(i64, i64)>,
}

impl StepSet {
    /// Adds a step; true when it was not there.
    #[inline]
    pub(crate) fn insert(&mut self, step: i64) -> bool {
        match self.runs.back_mut() {
            Some((_, last)) if step == *last => false,
            Some((_, last)) if step - 1 == *last => {
                *last = step;
                true
            }
            Some((_, last)) if step < *last => self.insert_among(step),
            _ => {
                self.runs.push_back((step, step));
                self.bound();
                true
            }
        }
    }

    fn insert_among(&mut self, step: i64) -> bool {
        // The first run that ends at the step before it, or later.
        let at = self.runs.partition_point(|&(_, last)| last < step - 1);
        let Some(&(first, last)) = self.runs.get(at) else {
            return false;
        };
        if first <= step && step <= last {
            return false;
        }
        if last == step - 1 {
            let next = self.runs.get(at + 1).copied();
            let joined = next.filter(|&(first, _)| first == step + 1);
            if joined.is_some() {
                self.runs.remove(at + 1);
            }
            self.put(at, (first, joined.map_or(step, |(_, last)| last)));
        } else if first == step + 1 {
            self.put(at, (step, last));
        } else {
            self.runs.insert(at, (step, step));
            self.bound();
        }
        true
    }

    fn put(&mut self, at: usize, run: (i64, i64)) {
        if let Some(place) = self.runs.get_mut(at) {
            *place = run;
        }
    }

    fn bound(&mut self) {
        if self.runs.len() > MAX_RUNS
            && let Some((first, _)) = self.runs.pop_front()
            && let Some(lowest) = self.runs.front_mut()
        {
            lowest.0 = first;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn it_is_a_set() {
        let mut state = 7_u64;
        let mut steps = StepSet::default();
        let mut all = BTreeSet::new();
        for _ in 0..20_000 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let step = i64::try_from(state >> 52).unwrap();
            assert_eq!(steps.insert(step), all.insert(step), "{step}");
        }
        let gaps = all
            .iter()
            .zip(all.iter().skip(1))
            .filter(|(a, b)| *b - *a > 1);
        assert_eq!(steps.runs.len(), gaps.count() + 1);
    }

    #[test]
    fn its_size_is_bounded_and_new_steps_are_still_counted() {
        let mut steps = StepSet::default();
        assert_eq!(
            (0..100_000).filter(|&at| steps.insert(at * 10)).count(),
            100_000
        );
        assert_eq!(steps.runs.len(), MAX_RUNS);
        assert!(steps.insert(999_985), "a gap that is kept");
        assert!(!steps.insert(999_990));
    }
}
