//! The two times of a record from one read of the clock.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Monotonic time since the run's start, and the wall clock as an offset to it that the writer's
/// thread renews: a record costs one clock read, and a clock that is set right shows within a tick.
#[derive(Debug)]
pub struct Clock {
    start: Instant,
    /// Runtime of the run before, when it goes on.
    before: i64,
    /// The wall clock at runtime 0.
    wall_at_start: AtomicI64,
}

/// The system's wall clock, nanoseconds since the epoch.
#[must_use]
pub fn wall_now() -> i64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the edge that reads the clock"
    )]
    let now = SystemTime::now();
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

impl Clock {
    /// Starts now, for a run that has run for `before`.
    #[must_use]
    pub fn start(before: Duration) -> Self {
        let before = i64::try_from(before.as_nanos()).unwrap_or(0);
        Self {
            start: Instant::now(),
            before,
            wall_at_start: AtomicI64::new(wall_now() - before),
        }
    }

    /// Nanoseconds that the run has run.
    #[inline]
    pub fn runtime(&self) -> i64 {
        let since = i64::try_from(self.start.elapsed().as_nanos()).unwrap_or(0);
        self.before.saturating_add(since)
    }

    /// The wall clock that belongs to a runtime, never before the epoch.
    #[inline]
    pub fn wall(&self, runtime: i64) -> u64 {
        u64::try_from(self.wall_at_start.load(Ordering::Relaxed) + runtime).unwrap_or(0)
    }

    /// Takes the system's wall clock anew.
    pub fn renew(&self) {
        self.wall_at_start
            .store(wall_now() - self.runtime(), Ordering::Relaxed);
    }
}
