//! Memory that others see too: the map of a segment's file, the page that tells a forked child.
//!
//! This is the one file of the log with unsafe code. The soundness argument: a frame's bytes are
//! written only by the thread that reserved them (the reserve counter hands out each byte once), they
//! are read only behind an acquire load of the frame's head word, which is stored (release) after
//! them, and never written again. The file is cut only behind the last reserved byte, and its space
//! has been allocated before it is mapped, so an access never faults.
#![expect(
    unsafe_code,
    reason = "the log is written and read through shared memory"
)]

#[cfg(not(all(test, feature = "loom")))]
use std::borrow::Cow;
#[cfg(not(all(test, feature = "loom")))]
use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::{MmapOptions, MmapRaw};

#[cfg(all(test, feature = "loom"))]
pub(crate) use crate::proof::model::Map;

/// The map of a segment's file, allocated as long as it is.
#[cfg(not(all(test, feature = "loom")))]
#[derive(Debug)]
pub(crate) struct Map(MmapRaw);

#[cfg(not(all(test, feature = "loom")))]
impl Map {
    pub(crate) fn new(file: &File, bytes: usize) -> io::Result<Self> {
        MmapOptions::new().len(bytes).map_raw(file).map(Self)
    }

    /// The word at `offset`, a multiple of 8: only ever accessed atomically, if it heads a frame.
    #[inline]
    pub(crate) fn word(&self, offset: usize) -> Option<&AtomicU64> {
        if !offset.is_multiple_of(8) || offset + 8 > self.0.len() {
            return None;
        }
        // SAFETY: checked against the map's size.
        let word = unsafe { self.0.as_mut_ptr().add(offset) };
        // SAFETY: a map is page-aligned and the offset a multiple of 8; it lives as long as `self`.
        Some(unsafe { AtomicU64::from_ptr(word.cast()) })
    }

    /// Copies a payload into the bytes that the caller has reserved.
    #[inline]
    pub(crate) fn fill(&self, offset: usize, payload: &[u8]) {
        if offset + payload.len() > self.0.len() {
            return;
        }
        // SAFETY: checked against the map's size.
        let body = unsafe { self.0.as_mut_ptr().add(offset) };
        // SAFETY: these bytes are one reservation's alone, and nobody reads them before its head word
        // is stored.
        unsafe { std::ptr::copy_nonoverlapping(payload.as_ptr(), body, payload.len()) };
    }

    /// A published payload.
    pub(crate) fn bytes(&self, offset: usize, len: usize) -> Option<Cow<'_, [u8]>> {
        if offset + len > self.0.len() {
            return None;
        }
        // SAFETY: checked against the map's size.
        let body = unsafe { self.0.as_mut_ptr().add(offset) };
        // SAFETY: published (the caller has loaded the head word), and never written again.
        Some(Cow::Borrowed(unsafe {
            std::slice::from_raw_parts(body, len)
        }))
    }

    /// Faults the pages in, writable, so that no append does; false where the system cannot.
    pub(crate) fn populate(&self) -> bool {
        #[cfg(target_os = "linux")]
        return self.0.advise(memmap2::Advice::PopulateWrite).is_ok();
        #[cfg(not(target_os = "linux"))]
        return false;
    }

    /// Waits until these bytes are on the disk.
    pub(crate) fn flush(&self, from: usize, len: usize) -> io::Result<()> {
        self.0.flush_range(from, len)
    }
}

/// Tells a forked child from its parent: the reserve counters are private memory while the mapped
/// pages are shared, so a child must never append.
#[derive(Debug)]
pub(crate) struct ForkFlag(MmapRaw);

impl ForkFlag {
    /// A page that reads as zero in a child. Other systems than Linux have no such page: there forks
    /// are told by the SDK's own hook.
    pub(crate) fn new() -> io::Result<Self> {
        let page = MmapOptions::new().len(8).map_anon()?;
        let page = MmapRaw::from(page);
        #[cfg(target_os = "linux")]
        // SAFETY: the range is this map's, anonymous and private, as the advice demands; what it
        // changes is seen in forked children only.
        unsafe {
            rustix::mm::madvise(
                page.as_mut_ptr().cast(),
                page.len(),
                rustix::mm::Advice::LinuxWipeOnFork,
            )
        }?;
        let flag = Self(page);
        flag.word().store(1, Ordering::Relaxed);
        Ok(flag)
    }

    fn word(&self) -> &AtomicU64 {
        // SAFETY: the map is page-aligned, at least 8 bytes, and only accessed through this.
        unsafe { AtomicU64::from_ptr(self.0.as_mut_ptr().cast()) }
    }

    /// Whether this process is a fork of the one that made the flag.
    #[inline]
    pub(crate) fn is_forked(&self) -> bool {
        self.word().load(Ordering::Relaxed) == 0
    }
}
