//! One file of the log: maps it, reserves room in it, publishes frames.
//!
//! This is the one file with unsafe code. The soundness argument: a frame's bytes are written only
//! by the thread that reserved them (the reserve counter hands out each byte once), they are read
//! only behind an acquire load of the frame's head word, which is stored (release) after them, and
//! never written again. The file is cut only behind the last reserved byte, and its space has been
//! allocated before it is mapped, so an access never faults.
#![expect(
    unsafe_code,
    reason = "the log is written and read through shared memory"
)]

use std::borrow::Cow;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use memmap2::{MmapOptions, MmapRaw};

use crate::error::{Result, io_at};
use crate::frame::{
    FRAME_HEAD, Identity, SEGMENT_HEAD, framed_len, head_word, payload_len, segment_head,
};
use crate::platform;

/// How a segment's bytes reach the file.
#[derive(Debug)]
enum Store {
    /// Shared memory: a copy and a release store.
    Mapped(MmapRaw),
    /// One `write(2)` a record, on file systems where a full disk would be met as SIGBUS.
    Written(Mutex<()>),
}

/// Folders between a segment and the one that the user gave: writer, `wal`, run, and that one.
const FOLDERS: usize = 4;

/// Waits until a segment's name is on the disk, and those of the folders that it is in.
#[cfg(unix)]
fn sync_names(path: &Path) -> Result<()> {
    for folder in path.ancestors().skip(1).take(FOLDERS) {
        let named = if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            folder
        };
        File::open(named)
            .and_then(|folder| folder.sync_all())
            .map_err(io_at("sync", named))?;
    }
    Ok(())
}

/// Names reach the disk with their file here.
#[cfg(not(unix))]
fn sync_names(_path: &Path) -> Result<()> {
    Ok(())
}

/// One segment, open for appending.
///
/// Invariants: `reserved` only grows; every byte below `min(reserved, sealed_at)` belongs to one
/// frame; `sealed_at` is set once, to the offset of the first reservation that did not fit.
#[derive(Debug)]
pub(crate) struct Segment {
    path: PathBuf,
    file: File,
    number: u32,
    capacity: usize,
    store: Store,
    reserved: AtomicUsize,
    sealed_at: AtomicUsize,
    /// Everything below is published and on the disk.
    synced: AtomicUsize,
}

/// The answer to an append.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Appended {
    /// The frame begins at this offset.
    At(usize),
    /// The segment has no room; the next one must be taken.
    Full,
}

impl Segment {
    /// Creates the file with its head. `mapped` segments are allocated, mapped and faulted in.
    pub(crate) fn create(
        dir: &Path,
        identity: &Identity,
        number: u32,
        capacity: usize,
        mapped: bool,
    ) -> Result<Self> {
        let path = dir.join(file_name(number));
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)
            .map_err(io_at("create", &path))?;
        let head = segment_head(identity, number);
        let made = file
            .write_all_at(&head, 0)
            .map_err(io_at("write", &path))
            .and_then(|()| {
                if !mapped {
                    return Ok(Store::Written(Mutex::new(())));
                }
                platform::allocate(&file, capacity).map_err(io_at("allocate space for", &path))?;
                let map = MmapOptions::new()
                    .len(capacity)
                    .map_raw(&file)
                    .map_err(io_at("map", &path))?;
                platform::populate(&map);
                Ok(Store::Mapped(map))
            });
        match made {
            Ok(store) => Ok(Self {
                path,
                file,
                number,
                capacity,
                store,
                reserved: AtomicUsize::new(SEGMENT_HEAD),
                sealed_at: AtomicUsize::new(usize::MAX),
                synced: AtomicUsize::new(0),
            }),
            Err(error) => {
                // Nothing was logged into it; the error at hand says more than a second one would.
                drop(std::fs::remove_file(&path));
                Err(error)
            }
        }
    }

    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the next frame would begin.
    pub(crate) fn reserved(&self) -> usize {
        self.reserved.load(Ordering::Acquire).min(self.capacity)
    }

    /// Where the segment ends, once it takes no more frames.
    pub(crate) fn sealed_at(&self) -> Option<usize> {
        let at = self.sealed_at.load(Ordering::Acquire);
        (at != usize::MAX).then_some(at)
    }

    /// Appends a frame: reserve, copy, publish. Lock-free when mapped.
    #[inline]
    pub(crate) fn append(&self, payload: &[u8]) -> io::Result<Appended> {
        let need = framed_len(payload.len());
        match &self.store {
            Store::Mapped(map) => {
                let offset = self.reserved.fetch_add(need, Ordering::AcqRel);
                if offset + need > self.capacity {
                    self.seal_from(offset);
                    return Ok(Appended::Full);
                }
                self.publish(map, offset, payload);
                Ok(Appended::At(offset))
            }
            Store::Written(lock) => self.write(lock, need, payload),
        }
    }

    /// Appends from a signal handler, where it is mapped and has room.
    pub(crate) fn append_in_handler(&self, payload: &[u8]) {
        let need = framed_len(payload.len());
        if let Store::Mapped(map) = &self.store {
            let offset = self.reserved.fetch_add(need, Ordering::AcqRel);
            if offset + need <= self.capacity {
                self.publish(map, offset, payload);
            } else {
                self.seal_from(offset);
            }
        }
    }

    #[cold]
    fn seal_from(&self, offset: usize) {
        // Reservations are handed out once: exactly one of those that do not fit begins inside.
        if offset <= self.capacity {
            self.sealed_at.store(offset, Ordering::Release);
        }
    }

    #[inline]
    fn publish(&self, map: &MmapRaw, offset: usize, payload: &[u8]) {
        let word = head_word(self.number, offset, payload).to_le();
        // SAFETY: `offset` and the frame's length were checked against the map's size.
        let head = unsafe { map.as_mut_ptr().add(offset) };
        // SAFETY: as above; the head takes the first 8 bytes.
        let body = unsafe { head.add(FRAME_HEAD) };
        // SAFETY: these bytes are this reservation's alone, and nobody reads them before the store below.
        unsafe { std::ptr::copy_nonoverlapping(payload.as_ptr(), body, payload.len()) };
        // SAFETY: a map is page-aligned and frames are at multiples of 8; the word is only ever
        // accessed atomically.
        let head = unsafe { AtomicU64::from_ptr(head.cast()) };
        head.store(word, Ordering::Release);
    }

    fn write(&self, lock: &Mutex<()>, need: usize, payload: &[u8]) -> io::Result<Appended> {
        let _one_at_a_time = lock.lock().unwrap_or_else(PoisonError::into_inner);
        let offset = self.reserved.load(Ordering::Acquire);
        if self.sealed_at().is_some() || offset + need > self.capacity {
            self.seal_from(offset);
            return Ok(Appended::Full);
        }
        let mut frame = Vec::with_capacity(need);
        frame.extend_from_slice(&head_word(self.number, offset, payload).to_le_bytes());
        frame.extend_from_slice(payload);
        frame.resize(need, 0);
        self.file.write_all_at(&frame, offset as u64)?;
        self.reserved.store(offset + need, Ordering::Release);
        Ok(Appended::At(offset))
    }

    /// Lets no more frames in.
    pub(crate) fn seal(&self) {
        match &self.store {
            Store::Mapped(_) => {
                let offset = self.reserved.fetch_add(self.capacity + 1, Ordering::AcqRel);
                self.seal_from(offset);
            }
            Store::Written(lock) => {
                let _one_at_a_time = lock.lock().unwrap_or_else(PoisonError::into_inner);
                if self.sealed_at().is_none() {
                    self.sealed_at
                        .store(self.reserved.load(Ordering::Acquire), Ordering::Release);
                }
            }
        }
    }

    /// The payload of the frame at `offset`, once it is published.
    pub(crate) fn frame(&self, offset: usize) -> io::Result<Option<Cow<'_, [u8]>>> {
        if offset >= self.sealed_at.load(Ordering::Acquire) || offset + FRAME_HEAD > self.capacity {
            return Ok(None);
        }
        match &self.store {
            Store::Mapped(map) => {
                // SAFETY: `offset` and the head's length were checked against the map's size.
                let head = unsafe { map.as_mut_ptr().add(offset) };
                // SAFETY: aligned as in `publish`; the word is only ever accessed atomically.
                let word = unsafe { AtomicU64::from_ptr(head.cast()) }.load(Ordering::Acquire);
                let len = payload_len(u64::from_le(word));
                if len == 0 || offset + FRAME_HEAD + len > self.capacity {
                    return Ok(None);
                }
                // SAFETY: checked against the map's size.
                let body = unsafe { head.add(FRAME_HEAD) };
                // SAFETY: published (acquire above), and never written again.
                Ok(Some(Cow::Borrowed(unsafe {
                    std::slice::from_raw_parts(body, len)
                })))
            }
            Store::Written(_) => {
                if offset >= self.reserved.load(Ordering::Acquire) {
                    return Ok(None);
                }
                let mut head = [0; FRAME_HEAD];
                self.file.read_exact_at(&mut head, offset as u64)?;
                let mut payload = vec![0; payload_len(u64::from_le_bytes(head))];
                self.file
                    .read_exact_at(&mut payload, (offset + FRAME_HEAD) as u64)?;
                Ok(Some(Cow::Owned(payload)))
            }
        }
    }

    /// Waits until what is published is on the disk. All below `settled` is published, so that it
    /// need not be looked at again.
    ///
    /// Only the pages that were written since are synced: a page that has been synced is faulted in
    /// again by the next append to it, and most of the segment has not been written yet.
    pub(crate) fn sync(&self, settled: usize) -> Result<()> {
        let from = self.synced.load(Ordering::Acquire);
        let to = self.reserved();
        match &self.store {
            Store::Mapped(map) if from < to => map.flush_range(from, to - from),
            Store::Mapped(_) => Ok(()),
            Store::Written(_) => self.file.sync_data(),
        }
        .map_err(io_at("sync", &self.path))?;
        if from == 0 {
            sync_names(&self.path)?;
        }
        self.synced.fetch_max(settled.min(to), Ordering::AcqRel);
        Ok(())
    }

    /// Gives back the space behind a sealed segment's end.
    pub(crate) fn cut(&self) -> Result<()> {
        match self.sealed_at() {
            Some(end) => self
                .file
                .set_len(end as u64)
                .map_err(io_at("cut", &self.path)),
            None => Ok(()),
        }
    }

    /// Removes the file of a segment that was prepared and never used.
    pub(crate) fn discard(&self) -> Result<()> {
        std::fs::remove_file(&self.path).map_err(io_at("remove", &self.path))
    }
}

/// The file name of a segment.
pub(crate) fn file_name(number: u32) -> String {
    format!("{number:08}.wal")
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
