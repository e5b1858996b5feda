//! The step rules: which row a `log` call goes to.

use std::sync::atomic::{AtomicU64, Ordering};

/// Greatest step: the state packs it with one flag into 64 bits.
pub const MAX_STEP: i64 = (1 << 62) - 1;

/// Where a `log` call goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// The row.
    pub step: u64,
    /// Whether the call closes it.
    pub commit: bool,
}

/// A step that is smaller than the current one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// The step asked for.
    pub step: i64,
    /// The current step.
    pub current: u64,
}

/// What becomes of a step that is smaller than the current one.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum LateSteps {
    /// Its values are refused.
    #[default]
    Refuse,
    /// They are merged into its row, however old that is.
    Merge,
}

/// The step rules: current step and whether its row is open, in one word.
#[derive(Debug, Default)]
pub struct Steps {
    packed: AtomicU64,
    late: LateSteps,
}

impl Steps {
    /// At a step, with no row open.
    #[must_use]
    pub fn new(late: LateSteps, start: u64) -> Self {
        Self {
            packed: AtomicU64::new(start << 1),
            late,
        }
    }

    /// The step of the next `log` call without one.
    pub fn current(&self) -> u64 {
        self.packed.load(Ordering::Acquire) >> 1
    }

    /// Decides the row of a call, at once and without a lock: without a step the current row, closed
    /// unless `commit` is false; with one that row, open unless `commit` is true.
    ///
    /// # Errors
    /// The step is smaller than the current one.
    #[inline]
    pub fn claim(
        &self,
        step: Option<i64>,
        commit: Option<bool>,
    ) -> std::result::Result<Claim, Refused> {
        let commit = commit.unwrap_or(step.is_none());
        let mut packed = self.packed.load(Ordering::Acquire);
        loop {
            let current = packed >> 1;
            let step = match step {
                None => current,
                Some(step) => match u64::try_from(step) {
                    Ok(step) if step >= current => step,
                    // Its row has been closed, and stays so: the current one is not touched.
                    Ok(step) if self.late == LateSteps::Merge => {
                        return Ok(Claim { step, commit: true });
                    }
                    _ => return Err(Refused { step, current }),
                },
            };
            let next = if commit {
                (step + 1) << 1
            } else {
                (step << 1) | 1
            };
            match self.packed.compare_exchange_weak(
                packed,
                next,
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => return Ok(Claim { step, commit }),
                Err(seen) => packed = seen,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_follow_the_reference() {
        let steps = Steps::default();
        let claim = |step, commit| steps.claim(step, commit).map(|claim| claim.step);
        assert_eq!(claim(None, None), Ok(0));
        assert_eq!(claim(Some(10), None), Ok(10));
        assert_eq!(
            claim(None, None),
            Ok(10),
            "a call without a step joins the open row"
        );
        assert_eq!(steps.current(), 11);
        assert_eq!(
            claim(Some(10), None),
            Err(Refused {
                step: 10,
                current: 11
            })
        );
        assert_eq!(
            claim(Some(-1), None),
            Err(Refused {
                step: -1,
                current: 11
            })
        );
        assert_eq!(claim(Some(20), Some(true)), Ok(20));
        assert_eq!(steps.current(), 21);
        assert_eq!(claim(None, Some(false)), Ok(21));
        assert_eq!(claim(None, Some(false)), Ok(21));
        assert_eq!(steps.current(), 21);
    }

    #[test]
    fn a_late_step_is_merged_where_that_is_wanted() {
        let steps = Steps::new(LateSteps::Merge, 0);
        let claim = |step, commit| steps.claim(step, commit).map(|claim| claim.step);
        assert_eq!(claim(Some(10), Some(false)), Ok(10));
        assert_eq!(claim(Some(3), None), Ok(3));
        assert_eq!(claim(None, None), Ok(10), "the open row is still open");
        assert_eq!(claim(Some(10), Some(false)), Ok(10));
        assert_eq!(steps.current(), 11);
        assert!(claim(Some(-1), None).is_err());
    }

    #[test]
    fn threads_never_share_a_committed_step() {
        let steps = Steps::default();
        let mut all: Vec<u64> = std::thread::scope(|scope| {
            let handles: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        (0..1000)
                            .map(|_| steps.claim(None, None).unwrap().step)
                            .collect::<Vec<_>>()
                    })
                })
                .collect();
            handles
                .into_iter()
                .flat_map(|handle| handle.join().unwrap())
                .collect()
        });
        all.sort_unstable();
        assert_eq!(all, (0..4000).collect::<Vec<_>>());
    }
}
