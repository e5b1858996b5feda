//! Calls that differ between systems, each with a fallback that is correct if slower.

use std::fs::File;
use std::io;
use std::path::Path;

use memmap2::MmapRaw;

/// Whether files of this folder can be mapped: only file systems that keep `fallocate`'s word, so
/// that a full disk is met when a segment is prepared and never as SIGBUS in the caller.
#[cfg(target_os = "linux")]
pub(crate) fn can_map(dir: &Path) -> bool {
    // ext2/3/4, xfs, tmpfs, overlayfs, from `statfs(2)`.
    const MAPPED: [u64; 4] = [0xef53, 0x5846_5342, 0x0102_1994, 0x794c_7630];
    rustix::fs::statfs(dir)
        .is_ok_and(|info| u64::try_from(info.f_type).is_ok_and(|kind| MAPPED.contains(&kind)))
}

/// Elsewhere records go through `write`.
#[cfg(not(target_os = "linux"))]
pub(crate) fn can_map(_dir: &Path) -> bool {
    false
}

/// Takes the space on the disk now.
#[cfg(target_os = "linux")]
pub(crate) fn allocate(file: &File, bytes: usize) -> io::Result<()> {
    rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, bytes as u64)
        .map_err(io::Error::from)
}

/// Never called: nothing is mapped here.
#[cfg(not(target_os = "linux"))]
pub(crate) fn allocate(file: &File, bytes: usize) -> io::Result<()> {
    file.set_len(bytes as u64)
}

/// Faults the pages in, writable, so that no append does. Kernels before 5.14 do not know the call:
/// there the first touch of each page pays, and nothing else changes.
#[cfg(target_os = "linux")]
pub(crate) fn populate(map: &MmapRaw) {
    let supported = map.advise(memmap2::Advice::PopulateWrite).is_ok();
    debug_assert!(supported || cfg!(not(test)), "this kernel populates");
}

/// A hint that does not exist here.
#[cfg(not(target_os = "linux"))]
pub(crate) fn populate(_map: &MmapRaw) {}
