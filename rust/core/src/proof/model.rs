//! What stands in the place of shared memory and of `ArcSwap` when loom runs the log: neither knows
//! loom, and without them it would not see what they order.
#![expect(unsafe_code, reason = "loom hands out cells as raw pointers")]

use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::frame::SEGMENT_HEAD;

/// Eight bytes of a map: a head word to some, a piece of a payload to others.
#[derive(Debug)]
struct Slot {
    word: AtomicU64,
    bytes: UnsafeCell<[u8; 8]>,
}

/// A map that never reaches its file. Loom ends a test that reads bytes while they are written, or
/// without having to see what was written.
#[derive(Debug)]
pub(crate) struct Map(Vec<Slot>);

// SAFETY: loom watches each access of the cells.
unsafe impl Sync for Map {}
// SAFETY: nothing in it belongs to a thread.
unsafe impl Send for Map {}

impl Map {
    #[expect(clippy::unnecessary_wraps, reason = "the real one can fail")]
    pub(crate) fn new(_file: &File, bytes: usize) -> io::Result<Self> {
        let slot = |_| Slot {
            word: AtomicU64::new(0),
            bytes: UnsafeCell::new([0; 8]),
        };
        Ok(Self((SEGMENT_HEAD / 8..bytes / 8).map(slot).collect()))
    }

    fn slots(&self, offset: usize) -> &[Slot] {
        let first = offset.checked_sub(SEGMENT_HEAD).map(|offset| offset / 8);
        first.and_then(|first| self.0.get(first..)).unwrap()
    }

    pub(crate) fn word(&self, offset: usize) -> Option<&AtomicU64> {
        self.slots(offset).first().map(|slot| &slot.word)
    }

    pub(crate) fn fill(&self, offset: usize, payload: &[u8]) {
        for (slot, piece) in self.slots(offset).iter().zip(payload.chunks(8)) {
            let mut bytes = [0; 8];
            bytes[..piece.len()].copy_from_slice(piece);
            // SAFETY: loom has seen that nobody else is at it.
            slot.bytes.with_mut(|cell| unsafe { *cell = bytes });
        }
    }

    pub(crate) fn bytes(&self, offset: usize, len: usize) -> Option<Cow<'_, [u8]>> {
        let slots = self.slots(offset).iter().take(len.div_ceil(8));
        // SAFETY: loom has seen that nobody writes it.
        let pieces = slots.map(|slot| slot.bytes.with(|cell| unsafe { *cell }));
        let mut bytes: Vec<u8> = pieces.flatten().collect();
        bytes.truncate(len);
        (bytes.len() == len).then_some(Cow::Owned(bytes))
    }

    pub(crate) fn populate(&self) -> bool {
        !self.0.is_empty()
    }

    #[expect(clippy::unnecessary_wraps, reason = "the real one can fail")]
    #[expect(clippy::unused_self, reason = "as the real one")]
    pub(crate) fn flush(&self, _from: usize, _len: usize) -> io::Result<()> {
        Ok(())
    }
}

/// A pointer that is swapped with the orders that arc-swap promises. Loom may switch threads at the
/// atomic, never while the list is held.
#[derive(Debug)]
pub(crate) struct ArcSwap<T> {
    all: Mutex<Vec<Arc<T>>>,
    current: AtomicUsize,
}

impl<T> ArcSwap<T> {
    pub(crate) fn new(first: Arc<T>) -> Self {
        Self {
            all: Mutex::new(vec![first]),
            current: AtomicUsize::new(0),
        }
    }

    fn at(&self, place: usize) -> Arc<T> {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&all[place])
    }

    pub(crate) fn load(&self) -> Arc<T> {
        self.at(self.current.load(Ordering::Acquire))
    }

    pub(crate) fn load_full(&self) -> Arc<T> {
        self.load()
    }

    pub(crate) fn swap(&self, next: Arc<T>) -> Arc<T> {
        let place = {
            let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
            all.push(next);
            all.len() - 1
        };
        self.at(self.current.swap(place, Ordering::AcqRel))
    }
}
