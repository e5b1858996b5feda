//! One file of the log: reserves room in it, publishes frames, reads them.

use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::sync::atomic::{Ordering, compiler_fence};

use crate::error::{Result, io_at};
use crate::frame::{
    FRAME_HEAD, Identity, SEGMENT_HEAD, announced, framed_len, head_word, payload_len, segment_head,
};
use crate::memory::Map;
use crate::platform::{self, Span};
#[cfg(test)]
use crate::proof::stop::{Point, at as stopped};
use crate::sync::{AtomicUsize, Mutex};

/// Where an append can be stopped by a test.
#[cfg(not(test))]
enum Point {
    Reserved,
    Announced,
    Copied,
}

#[cfg(not(test))]
#[inline]
fn stopped(_at: Point) -> bool {
    false
}

/// How a segment's bytes reach the file.
#[derive(Debug)]
enum Store {
    /// Shared memory: a copy and a release store. The file is let go of once it has its length.
    Mapped(Map, Mutex<Option<File>>),
    /// One `write(2)` a record, on file systems where a full disk would be met as SIGBUS.
    Written {
        file: File,
        /// Whether bytes of a write that failed stand behind the last frame.
        is_torn: Mutex<bool>,
    },
}

/// Folders between a segment and the one that the user gave: writer, `wal`, run, and that one.
const FOLDERS: usize = 4;

/// Waits until a segment's name is on the disk, and those of the folders that it is in.
fn sync_names(path: &Path) -> Result<()> {
    for folder in path.ancestors().skip(1).take(FOLDERS) {
        let named = if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            folder
        };
        platform::sync_folder(named).map_err(io_at("sync", named))?;
    }
    Ok(())
}

/// Room behind a segment's capacity for a log's last record, should no other segment be had.
pub(crate) const LAST_ROOM: usize = 64;

/// One segment, open for appending.
///
/// Invariants: `reserved` only grows; every byte below `min(reserved, sealed_at)` belongs to one
/// frame; `sealed_at` is set once, to the offset of the first reservation that did not fit.
#[derive(Debug)]
pub(crate) struct Segment {
    path: PathBuf,
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
        Self::create_at(&path.clone(), path, identity, number, capacity, mapped)
    }

    /// The same, but no reader finds it until [`Segment::show`].
    pub(crate) fn create_hidden(
        dir: &Path,
        identity: &Identity,
        number: u32,
        capacity: usize,
        mapped: bool,
    ) -> Result<Self> {
        let path = dir.join(file_name(number));
        if path.exists() {
            let there = io::Error::from(io::ErrorKind::AlreadyExists);
            return Err(io_at("create", &path)(there));
        }
        Self::create_at(&hidden(&path), path, identity, number, capacity, mapped)
    }

    /// Puts all that is in a hidden segment on the disk, then lets readers find it: after a kill or a
    /// power cut they find all of that or nothing.
    pub(crate) fn show(&self) -> Result<()> {
        let shown = match &self.store {
            Store::Mapped(map, _) => {
                let len = self.reserved();
                platform::sync_map(map, &self.path, Span { from: 0, len })
            }
            Store::Written { file, .. } => platform::sync_file(file, &self.path),
        }
        .and_then(|()| platform::rename(&hidden(&self.path), &self.path));
        shown.map_err(io_at("show", &self.path))
    }

    /// Removes the file of a segment that is still hidden.
    pub(crate) fn discard_hidden(&self) -> Result<()> {
        let made_at = hidden(&self.path);
        platform::remove(&made_at).map_err(io_at("remove", &made_at))
    }

    fn create_at(
        made_at: &Path,
        path: PathBuf,
        identity: &Identity,
        number: u32,
        capacity: usize,
        mapped: bool,
    ) -> Result<Self> {
        let file = platform::create(made_at).map_err(io_at("create", made_at))?;
        let head = segment_head(identity, number);
        let made = platform::write(&file, &path, &head, 0)
            .map_err(io_at("write", &path))
            .and_then(|()| {
                if !mapped {
                    let is_torn = Mutex::new(false);
                    return Ok(Store::Written { file, is_torn });
                }
                let size = capacity + LAST_ROOM;
                platform::allocate(&file, &path, size)
                    .map_err(io_at("allocate space for", &path))?;
                let map = platform::map(&file, &path, size).map_err(io_at("map", &path))?;
                Ok(Store::Mapped(map, Mutex::new(Some(file))))
            });
        match made {
            Ok(store) => Ok(Self {
                path,
                number,
                capacity,
                store,
                reserved: AtomicUsize::new(SEGMENT_HEAD),
                sealed_at: AtomicUsize::new(usize::MAX),
                synced: AtomicUsize::new(0),
            }),
            Err(error) => {
                // Nothing was logged into it; the error at hand says more than a second one would.
                drop(platform::remove(made_at));
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
        self.reserved.load(Ordering::Acquire).min(self.size())
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
            Store::Mapped(map, _) => {
                let offset = self.reserved.fetch_add(need, Ordering::AcqRel);
                if offset + need > self.capacity {
                    self.seal_from(offset);
                    return Ok(Appended::Full);
                }
                self.publish(map, offset, payload);
                Ok(Appended::At(offset))
            }
            Store::Written { file, is_torn } => self.write(file, is_torn, payload),
        }
    }

    /// Appends from a signal handler, where it is mapped and has room.
    pub(crate) fn append_in_handler(&self, payload: &[u8]) {
        let need = framed_len(payload.len());
        if let Store::Mapped(map, _) = &self.store {
            let offset = self.reserved.fetch_add(need, Ordering::AcqRel);
            if offset + need <= self.capacity {
                self.publish(map, offset, payload);
            } else {
                self.seal_from(offset);
            }
        }
    }

    /// Goes on with an append that a test has stopped.
    #[cfg(test)]
    pub(crate) fn publish_late(&self, offset: usize, payload: &[u8]) {
        if let Store::Mapped(map, _) = &self.store {
            self.publish(map, offset, payload);
        }
    }

    /// Appends a log's last record to a segment that is full. None when it is not full, or when its
    /// room is not on the disk: it is not mapped.
    pub(crate) fn append_last(&self, payload: &[u8]) -> Option<usize> {
        let Store::Mapped(map, _) = &self.store else {
            return None;
        };
        let (offset, need) = (self.sealed_at()?, framed_len(payload.len()));
        if offset + need > self.size() {
            return None;
        }
        self.publish(map, offset, payload);
        self.sealed_at.store(offset + need, Ordering::Release);
        Some(offset)
    }

    /// All that is mapped.
    fn size(&self) -> usize {
        self.capacity + LAST_ROOM
    }

    #[cold]
    fn seal_from(&self, offset: usize) {
        // Reservations are handed out once: exactly one of those that do not fit begins inside.
        if offset <= self.capacity {
            self.sealed_at.store(offset, Ordering::Release);
        }
    }

    #[inline]
    fn publish(&self, map: &Map, offset: usize, payload: &[u8]) {
        let word = head_word(self.number, offset, payload).to_le();
        if stopped(Point::Reserved) {
            return;
        }
        // The caller has seen that the frame fits.
        let Some(head) = map.word(offset) else { return };
        // Says how far the hole goes, should this thread die here.
        head.store(announced(payload.len()).to_le(), Ordering::Relaxed);
        compiler_fence(Ordering::Release);
        if stopped(Point::Announced) {
            return;
        }
        map.fill(offset + FRAME_HEAD, payload);
        if stopped(Point::Copied) {
            return;
        }
        head.store(word, Ordering::Release);
    }

    fn write(&self, file: &File, torn: &Mutex<bool>, payload: &[u8]) -> io::Result<Appended> {
        let need = framed_len(payload.len());
        let mut is_torn = torn.lock().unwrap_or_else(PoisonError::into_inner);
        let offset = self.reserved.load(Ordering::Acquire);
        if self.sealed_at().is_some() || offset + need > self.capacity {
            self.seal_from(offset);
            return Ok(Appended::Full);
        }
        let mut frame = Vec::with_capacity(need);
        frame.extend_from_slice(&head_word(self.number, offset, payload).to_le_bytes());
        frame.extend_from_slice(payload);
        frame.resize(need, 0);
        if *is_torn {
            // A shorter frame would leave the end of what is there behind it.
            platform::cut(file, &self.path, offset)?;
        }
        *is_torn = true;
        platform::write(file, &self.path, &frame, offset)?;
        *is_torn = false;
        self.reserved.store(offset + need, Ordering::Release);
        Ok(Appended::At(offset))
    }

    /// Lets no more frames in.
    pub(crate) fn seal(&self) {
        match &self.store {
            Store::Mapped(..) => {
                let offset = self.reserved.fetch_add(self.capacity + 1, Ordering::AcqRel);
                self.seal_from(offset);
            }
            Store::Written { file, is_torn, .. } => {
                let mut is_torn = is_torn.lock().unwrap_or_else(PoisonError::into_inner);
                let end = self.reserved.load(Ordering::Acquire);
                // What cannot be cut off is found, and told, as a torn tail.
                if *is_torn && platform::cut(file, &self.path, end).is_ok() {
                    *is_torn = false;
                }
                if self.sealed_at().is_none() {
                    self.sealed_at.store(end, Ordering::Release);
                }
            }
        }
    }

    /// The payload of the frame at `offset`, once it is published.
    pub(crate) fn frame(&self, offset: usize) -> io::Result<Option<Cow<'_, [u8]>>> {
        if offset >= self.sealed_at.load(Ordering::Acquire) || offset + FRAME_HEAD > self.size() {
            return Ok(None);
        }
        match &self.store {
            Store::Mapped(map, _) => {
                let word = map
                    .word(offset)
                    .map_or(0, |word| word.load(Ordering::Acquire));
                let len = payload_len(u64::from_le(word));
                Ok(map.bytes(offset + FRAME_HEAD, len).filter(|_| len > 0))
            }
            Store::Written { file, .. } => {
                if offset >= self.reserved.load(Ordering::Acquire) {
                    return Ok(None);
                }
                let mut head = [0; FRAME_HEAD];
                platform::read(file, &self.path, &mut head, offset)?;
                let mut payload = vec![0; payload_len(u64::from_le_bytes(head))];
                platform::read(file, &self.path, &mut payload, offset + FRAME_HEAD)?;
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
            Store::Mapped(map, _) if from < to => {
                let len = to - from;
                platform::sync_map(map, &self.path, Span { from, len })
            }
            Store::Mapped(..) => Ok(()),
            Store::Written { file, .. } => platform::sync_file(file, &self.path),
        }
        .map_err(io_at("sync", &self.path))?;
        if from == 0 {
            sync_names(&self.path)?;
        } else if from < to {
            // A file that somebody has removed takes all that is written, and keeps nothing.
            std::fs::symlink_metadata(&self.path).map_err(io_at("sync", &self.path))?;
        }
        self.synced.fetch_max(settled.min(to), Ordering::AcqRel);
        Ok(())
    }

    /// Gives back the space behind a sealed segment's end, and lets go of a mapped one's file.
    pub(crate) fn cut(&self) -> Result<()> {
        let Some(end) = self.sealed_at() else {
            return Ok(());
        };
        match &self.store {
            Store::Mapped(_, file) => {
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                let cut = match file.as_ref() {
                    Some(file) => platform::cut(file, &self.path, end),
                    None => Ok(()),
                };
                if cut.is_ok() {
                    drop(file.take());
                }
                cut
            }
            Store::Written { file, .. } => platform::cut(file, &self.path, end),
        }
        .map_err(io_at("cut", &self.path))
    }

    /// Removes the file of a segment that was prepared and never used.
    pub(crate) fn discard(&self) -> Result<()> {
        platform::remove(&self.path).map_err(io_at("remove", &self.path))
    }
}

/// Where a segment is that no reader is to find yet.
pub(crate) fn hidden(path: &Path) -> PathBuf {
    path.with_extension("new")
}

/// The file name of a segment.
pub(crate) fn file_name(number: u32) -> String {
    format!("{number:08}.wal")
}
