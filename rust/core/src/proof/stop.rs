//! A thread that stops for good in the middle of an append.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Where an append can stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Point {
    /// The bytes are reserved.
    Reserved,
    /// The length that is to come stands in the frame's head.
    Announced,
    /// The payload is copied, and nothing is published.
    Copied,
}

/// What becomes of the thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It sleeps, until its process dies.
    Sleep,
    /// The append returns, as if another thread went on.
    Vanish,
}

thread_local! {
    static STOP: Cell<Option<(Point, Fate)>> = const { Cell::new(None) };
}

static SLEEPING: AtomicUsize = AtomicUsize::new(0);

/// How many threads of this process sleep.
pub(crate) fn sleeping() -> usize {
    SLEEPING.load(Ordering::Acquire)
}

/// Stops this thread's next append.
pub(crate) fn next_append(point: Point, fate: Fate) {
    STOP.set(Some((point, fate)));
}

/// Does something that is part of an append, and no append of a caller.
pub(crate) fn without<T>(work: impl FnOnce() -> T) -> T {
    let stop = STOP.take();
    let done = work();
    STOP.set(stop);
    done
}

/// True when the append must go no further.
pub(crate) fn at(point: Point) -> bool {
    match STOP.get() {
        Some((chosen, Fate::Vanish)) if chosen == point => {
            STOP.set(None);
            true
        }
        Some((chosen, Fate::Sleep)) if chosen == point => {
            SLEEPING.fetch_add(1, Ordering::Release);
            loop {
                std::thread::park();
            }
        }
        _ => false,
    }
}
