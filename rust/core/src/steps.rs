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

/// The step rules: current step and whether its row is open, in one word.
#[derive(Debug, Default)]
pub struct Steps(AtomicU64);

impl Steps {
    /// The step of the next `log` call without one.
    pub fn current(&self) -> u64 {
        self.0.load(Ordering::Acquire) >> 1
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
        let mut packed = self.0.load(Ordering::Acquire);
        loop {
            let current = packed >> 1;
            let step = match step {
                None => current,
                Some(step) => match u64::try_from(step) {
                    Ok(step) if step >= current => step,
                    _ => return Err(Refused { step, current }),
                },
            };
            let next = if commit {
                (step + 1) << 1
            } else {
                (step << 1) | 1
            };
            match self
                .0
                .compare_exchange_weak(packed, next, Ordering::AcqRel, Ordering::Acquire)
            {
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
