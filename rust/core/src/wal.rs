//! The write-ahead log of one writer: a row of segments, the next one prepared ahead.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use crate::dead_log::mark;
use crate::error::{Error, Result, io_at};
use crate::frame::{FRAME_HEAD, Identity, SEGMENT_HEAD, framed_len, position};
use crate::memory::ForkFlag;
use crate::platform;
use crate::record::{MAX_RECORD_BYTES, SEAL_BYTES, seal};
use crate::segment::{Appended, Segment};
use crate::signal::Signal;
use crate::sync::{ArcSwap, AtomicBool, Mutex, MutexGuard};
use crate::termination::{self, Latest};
use crate::unsent::Unsent;

/// How records reach the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Mapped where the file system allows it, written elsewhere.
    Auto,
    /// Always one `write(2)` a record.
    Written,
}

/// Sizes of the segments: small first, so that a short run costs nothing, then doubling; and of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentSizes {
    /// The first segment.
    pub first_bytes: usize,
    /// The greatest.
    pub max_bytes: usize,
    /// No further segment is made that brings those with unsent records over this.
    pub unsent_bytes: u64,
}

impl Default for SegmentSizes {
    fn default() -> Self {
        Self {
            first_bytes: 1 << 20,
            max_bytes: 64 << 20,
            unsent_bytes: u64::MAX,
        }
    }
}

/// Segments that are prepared are not made smaller than this where the disk is nearly full.
const LEAST: usize = 64 << 10;

/// After a call could have no segment, the next one that tries waits this long: it costs system calls.
const RETRY: Duration = Duration::from_millis(200);

/// Who takes the next segment. The lock is taken when a segment is full, never by an append that
/// fits; order: `rotation` before `queue`.
#[derive(Debug)]
struct Rotation {
    /// The segment that was current before: a signal handler may still be at it.
    previous: Option<Arc<Segment>>,
    next: Option<Arc<Segment>>,
    next_number: u32,
    next_bytes: usize,
    failed: Option<(Instant, i32, String)>,
    /// A full segment whose end is not in the log yet.
    unsealed: Option<Arc<Segment>>,
    unsent: Unsent,
    closed: bool,
}

/// The log, open for appending by any thread of this process.
#[derive(Debug)]
pub struct Wal {
    dir: PathBuf,
    identity: Identity,
    sizes: SegmentSizes,
    mapped: bool,
    /// Holds `lock` (flock) while the writer lives; None in a forked child.
    lock: Mutex<Option<File>>,
    fork: ForkFlag,
    current: ArcSwap<Segment>,
    /// The current segment once more, for signal handlers.
    latest: Latest,
    rotation: Mutex<Rotation>,
    /// Segments that the drain has not passed yet, oldest first; the last is the current one.
    queue: Mutex<VecDeque<Arc<Segment>>>,
    /// Told when a segment was taken and the next one must be prepared.
    wanted: Arc<Signal>,
    closed: AtomicBool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No code that holds one of these locks can panic half-way through a change.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Wal {
    /// Creates the writer's folder and its first segment.
    ///
    /// # Errors
    /// The folder exists with segments of another writer, is locked by a live process, or cannot be written.
    pub fn create(
        dir: &Path,
        identity: Identity,
        mode: Mode,
        sizes: SegmentSizes,
        wanted: Arc<Signal>,
    ) -> Result<Self> {
        Self::begin(dir, identity, mode, sizes, wanted, &[])
    }

    /// The same, with its first records: readers find all of them, or no log.
    ///
    /// # Errors
    /// As of [`Wal::create`].
    pub fn begin(
        dir: &Path,
        identity: Identity,
        mode: Mode,
        sizes: SegmentSizes,
        wanted: Arc<Signal>,
        records: &[Vec<u8>],
    ) -> Result<Self> {
        // A single record is found whole or not at all anyway, and costs no sync then.
        let is_hidden = records.len() > 1;
        let bytes: usize = records.iter().map(|record| framed_len(record.len())).sum();
        let first_bytes = if is_hidden {
            sizes.first_bytes.max(SEGMENT_HEAD + bytes)
        } else {
            sizes.first_bytes
        };
        let make = if is_hidden {
            Segment::create_hidden
        } else {
            Segment::create
        };
        identity.check()?;
        std::fs::create_dir_all(dir).map_err(io_at("create", dir))?;
        let lock_file = take_lock(dir)?;
        // Without it, nothing is put behind the log of a process that was killed.
        drop(mark(&lock_file));
        let mapped = mode == Mode::Auto && platform::can_map(dir);
        let fork = ForkFlag::new().map_err(io_at("map memory for", dir))?;
        let first = Arc::new(make(dir, &identity, 1, first_bytes, mapped)?);
        let mut unsent = Unsent::new(sizes.unsent_bytes);
        unsent.add(1, first_bytes);
        let rotation = Rotation {
            previous: None,
            next: None,
            next_number: 2,
            next_bytes: (sizes.first_bytes * 2).min(sizes.max_bytes),
            failed: None,
            unsealed: None,
            unsent,
            closed: false,
        };
        let log = Self {
            dir: dir.to_path_buf(),
            identity,
            sizes,
            mapped,
            lock: Mutex::new(Some(lock_file)),
            fork,
            queue: Mutex::new(VecDeque::from([Arc::clone(&first)])),
            latest: Latest::new(&first),
            current: ArcSwap::new(first),
            rotation: Mutex::new(rotation),
            wanted,
            closed: AtomicBool::new(false),
        };
        let begun = records.iter().try_for_each(|record| {
            let appended = log.append(record);
            appended.map(drop)
        });
        if is_hidden {
            begun.and_then(|()| log.current().show()).inspect_err(|_| {
                // Nobody has seen it; the error at hand says more than a second one would.
                drop(log.current().discard_hidden());
            })?;
        } else {
            begun?;
        }
        Ok(log)
    }

    /// The writer's folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Whether records go through mapped memory.
    pub fn is_mapped(&self) -> bool {
        self.mapped
    }

    /// Whether this process is a fork of the one that opened the log.
    #[inline]
    pub fn is_forked(&self) -> bool {
        self.fork.is_forked()
    }

    /// The log is at its end: lets go of its lock, and of the file that holds it.
    pub(crate) fn release_lock(&self) {
        drop(lock(&self.lock).take());
    }

    /// In a forked child: lets go of the parent's lock, which would otherwise be held until both have
    /// died. Elsewhere nothing happens.
    pub fn release_inherited_lock(&self) {
        if self.fork.is_forked() {
            drop(lock(&self.lock).take());
        }
    }

    /// Appends a record and returns its position. When this returns the record survives the death
    /// of the process. Takes no lock unless the segment is full.
    ///
    /// # Errors
    /// Closed, forked, the record is over the format's limit, or no segment can be had: then the
    /// record is lost, and the caller counts it.
    #[inline]
    pub fn append(&self, payload: &[u8]) -> Result<u64> {
        if self.fork.is_forked() {
            return Err(Error::Forked);
        }
        if payload.len() > MAX_RECORD_BYTES {
            return Err(Error::RecordTooLarge {
                bytes: payload.len(),
                limit: MAX_RECORD_BYTES,
            });
        }
        loop {
            let segment = self.current.load();
            match segment.append(payload) {
                Ok(Appended::At(offset)) => return Ok(position(segment.number(), offset)),
                Ok(Appended::Full) => self.rotate(segment.number(), payload.len())?,
                Err(error) => {
                    let errno = error.raw_os_error().unwrap_or(0);
                    return Err(Error::NoSegment {
                        errno,
                        reason: error.to_string(),
                    });
                }
            }
        }
    }

    /// Appends the log's last record, for which there is room also when no segment can be had.
    ///
    /// # Errors
    /// As [`Wal::append`].
    pub fn append_last(&self, payload: &[u8]) -> Result<u64> {
        let appended = self.append(payload);
        if !matches!(appended, Err(Error::NoSegment { .. })) {
            return appended;
        }
        let mut rotation = lock(&self.rotation);
        let segment = self.current.load();
        if let Some(offset) = segment.append_last(payload) {
            return Ok(position(segment.number(), offset));
        }
        // One that is written has no room of its own, but the next one has the rest of the block that
        // its head is in.
        let Some(next) = rotation.next.take() else {
            return appended;
        };
        segment.seal();
        self.take_up(rotation, next);
        self.append(payload)
    }

    /// Makes a segment the one that takes the appends.
    fn take_up(&self, mut rotation: MutexGuard<'_, Rotation>, next: Arc<Segment>) {
        lock(&self.queue).push_back(Arc::clone(&next));
        self.latest.set(&next);
        let before = rotation.previous.replace(self.current.swap(next));
        termination::release(before);
        drop(rotation);
        self.wanted.notify();
    }

    #[cold]
    fn rotate(&self, full: u32, payload_len: usize) -> Result<()> {
        let mut rotation = lock(&self.rotation);
        if rotation.closed {
            return Err(Error::Closed);
        }
        let current = self.current.load_full();
        if current.number() != full {
            // Whoever was there first did not know yet where the segment ends.
            if let Some(ended) = rotation.unsealed.take() {
                rotation.unsealed = seal_in(&current, ended);
            }
            return Ok(());
        }
        let room = SEGMENT_HEAD + framed_len(SEAL_BYTES) + framed_len(payload_len) + FRAME_HEAD;
        let next = match rotation.next.take() {
            Some(next) if next.capacity() >= room => next,
            small => {
                // Make it anew, with room for the record; one that cannot be removed stays, empty.
                if let Some(small) = small
                    && small.discard().is_ok()
                {
                    rotation.unsent.remove(small.number());
                    rotation.next_number = small.number();
                }
                rotation.next_bytes = rotation.next_bytes.max(room.next_power_of_two());
                self.make_in_call(&mut rotation, room)?
            }
        };
        rotation.unsealed = seal_in(&next, current);
        self.take_up(rotation, next);
        Ok(())
    }

    /// Makes the next segment, a smaller one where the disk has no room for it, but not below `least`.
    fn make(&self, rotation: &mut Rotation, least: usize) -> Result<Arc<Segment>> {
        let room = rotation.unsent.room() / 8 * 8;
        if room < least {
            return Err(Error::NoSegment {
                errno: libc::EDQUOT,
                reason: format!(
                    "the limit for records that are not sent yet, {} bytes, is reached",
                    rotation.unsent.limit()
                ),
            });
        }
        let mut bytes = rotation.next_bytes.next_multiple_of(8).min(room);
        let made = loop {
            let number = rotation.next_number;
            let made = Segment::create(&self.dir, &self.identity, number, bytes, self.mapped);
            match &made {
                Err(Error::Io { source, .. })
                    if source.kind() == ErrorKind::StorageFull && bytes / 2 >= least =>
                {
                    bytes = (bytes / 2).next_multiple_of(8);
                }
                // One that failed before, and could not be removed: readers find nothing in it.
                Err(Error::Io { source, .. }) if source.kind() == ErrorKind::AlreadyExists => {
                    rotation.next_number += 1;
                }
                _ => break made,
            }
        };
        match made {
            Ok(segment) => {
                rotation.failed = None;
                rotation.next_number += 1;
                rotation.unsent.add(segment.number(), bytes);
                rotation.next_bytes = (bytes * 2).min(self.sizes.max_bytes);
                Ok(Arc::new(segment))
            }
            Err(error) => {
                let errno = match &error {
                    Error::Io { source, .. } => source.raw_os_error().unwrap_or(0),
                    _ => 0,
                };
                let reason = error.to_string();
                Err(Error::NoSegment { errno, reason })
            }
        }
    }

    /// As [`Wal::make`], unless that has just failed a call.
    fn make_in_call(&self, rotation: &mut Rotation, least: usize) -> Result<Arc<Segment>> {
        if let Some((since, errno, reason)) = &rotation.failed
            && since.elapsed() < RETRY
        {
            return Err(Error::NoSegment {
                errno: *errno,
                reason: reason.clone(),
            });
        }
        let made = self.make(rotation, least);
        if let Err(Error::NoSegment { errno, reason }) = &made {
            rotation.failed = Some((Instant::now(), *errno, reason.clone()));
        }
        made
    }

    /// Makes the next segment ready, so that no append has to. Called by the writer's thread.
    ///
    /// # Errors
    /// It cannot be made now; appends go on until the current one is full.
    pub fn prepare(&self) -> Result<()> {
        let mut rotation = lock(&self.rotation);
        if rotation.closed || rotation.next.is_some() {
            return Ok(());
        }
        rotation.next = Some(self.make(&mut rotation, LEAST)?);
        Ok(())
    }

    /// The server has everything up to `position`: the limit for what is unsent counts it no more.
    pub(crate) fn sent(&self, position: u64) {
        lock(&self.rotation).unsent.sent(position);
    }

    /// Whether there is a limit for what is unsent.
    pub(crate) fn limits_unsent(&self) -> bool {
        self.sizes.unsent_bytes < u64::MAX
    }

    /// Appends from a signal handler: no lock, no allocation, nothing freed. Without a mapped
    /// segment that has room, nothing happens.
    pub(crate) fn append_in_handler(&self, payload: &[u8]) {
        if self.fork.is_forked() || self.is_closed() {
            return;
        }
        self.latest.append(payload);
    }

    /// Lets no more records in. What is published stays; records being appended at this moment are
    /// either in or refused with [`Error::Closed`].
    ///
    /// # Errors
    /// The segment that was prepared and never used cannot be removed.
    pub fn close(&self) -> Result<()> {
        let mut rotation = lock(&self.rotation);
        rotation.closed = true;
        self.closed.store(true, Ordering::Release);
        self.current.load().seal();
        rotation
            .next
            .take()
            .map_or(Ok(()), |unused| unused.discard())
    }

    /// Whether [`Wal::close`] was called.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// The oldest segment that is not passed yet.
    pub(crate) fn oldest(&self) -> Option<Arc<Segment>> {
        lock(&self.queue).front().map(Arc::clone)
    }

    /// The segments that are not passed yet, oldest first.
    pub(crate) fn unpassed(&self) -> Vec<Arc<Segment>> {
        lock(&self.queue).iter().map(Arc::clone).collect()
    }

    /// Where the next record will be, or one that is being appended now is.
    pub(crate) fn end(&self) -> u64 {
        let current = self.current.load();
        position(current.number(), current.reserved())
    }

    /// Forgets the oldest segment, unless it is the last.
    pub(crate) fn pass(&self) -> bool {
        let mut queue = lock(&self.queue);
        queue.len() > 1 && queue.pop_front().is_some()
    }

    /// The segment that takes the appends now.
    pub(crate) fn current(&self) -> Arc<Segment> {
        self.current.load_full()
    }
}

/// Says in a later segment where a full one ends, so that a reader can tell when a part of it is not
/// there. The full one comes back when that is not known yet: another thread is about to say it.
fn seal_in(later: &Segment, ended: Arc<Segment>) -> Option<Arc<Segment>> {
    let Some(end) = ended.sealed_at() else {
        return Some(ended);
    };
    let seal = seal(ended.number(), end);
    #[cfg(not(test))]
    let said = later.append(&seal);
    #[cfg(test)]
    let said = crate::proof::stop::without(|| later.append(&seal));
    // Without it no record is lost, and the next append tells what is wrong with the disk.
    drop(said);
    None
}

/// Name of the file that is locked while the writer lives.
pub(crate) const LOCK: &str = "lock";

/// Takes the writer's lock, which tells readers that the writer lives.
pub(crate) fn take_lock(dir: &Path) -> Result<File> {
    let path = dir.join(LOCK);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(io_at("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Locked {
            path: dir.to_path_buf(),
        }),
        // A file system without locks: the run is then taken for crashed while it lives, and revived
        // by its heartbeat.
        Err(TryLockError::Error(_unsupported)) => Ok(file),
    }
}

/// Whether a live process holds the writer's lock.
#[must_use]
pub fn is_live(writer_dir: &Path) -> bool {
    let opened = OpenOptions::new().write(true).open(writer_dir.join(LOCK));
    opened.is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Found, Scan};
    use crate::platform::Call;
    use crate::proof::disk::{Disk, Fault};
    use crate::record::read_seal;

    const SMALL: SegmentSizes = SegmentSizes {
        first_bytes: 4096,
        max_bytes: 16_384,
        unsent_bytes: u64::MAX,
    };

    fn wal(dir: &Path, mode: Mode) -> Wal {
        let identity = Identity {
            run: "r".to_owned(),
            writer: "w".to_owned(),
        };
        Wal::create(dir, identity, mode, SMALL, Arc::new(Signal::default())).unwrap()
    }

    fn read_back(dir: &Path) -> Vec<Vec<u8>> {
        let mut names: Vec<_> = std::fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        names.retain(|path| path.extension().is_some_and(|ext| ext == "wal"));
        names.sort();
        let mut all = Vec::new();
        for (number, name) in (1..).zip(names) {
            let bytes = std::fs::read(name).unwrap();
            for found in Scan::new(&bytes, number) {
                match found {
                    Found::Frame { payload, .. } if read_seal(payload).is_some() => {}
                    Found::Frame { payload, .. } => all.push(payload.to_vec()),
                    Found::Damage { .. } | Found::Torn { .. } => {
                        panic!("damage in segment {number}")
                    }
                }
            }
        }
        all
    }

    #[test]
    fn records_of_many_threads_are_all_there_in_both_modes() {
        for mode in [Mode::Auto, Mode::Written] {
            let dir = tempfile::tempdir().unwrap();
            let wal = wal(dir.path(), mode);
            std::thread::scope(|scope| {
                for thread in 0..4_u32 {
                    let wal = &wal;
                    scope.spawn(move || {
                        for number in 0..500_u32 {
                            wal.append(
                                format!("{thread}:{number}:{}", "x".repeat((number % 90) as usize))
                                    .as_bytes(),
                            )
                            .unwrap();
                            if number % 7 == 0 {
                                wal.prepare().unwrap();
                            }
                        }
                    });
                }
            });
            wal.close().unwrap();
            assert!(matches!(wal.append(b"late"), Err(Error::Closed)));
            let back = read_back(dir.path());
            assert_eq!(back.len(), 2000, "{mode:?}");
            for thread in 0..4 {
                let prefix = format!("{thread}:");
                let numbers: Vec<u32> = back
                    .iter()
                    .map(|payload| std::str::from_utf8(payload).unwrap())
                    .filter(|text| text.starts_with(&prefix))
                    .map(|text| text.split(':').nth(1).unwrap().parse().unwrap())
                    .collect();
                assert_eq!(
                    numbers,
                    (0..500).collect::<Vec<_>>(),
                    "order within a thread"
                );
            }
        }
    }

    #[test]
    fn a_log_that_begins_with_several_records_has_all_of_them_or_is_not_there() {
        let records = [b"start".to_vec(), vec![7; 100_000], b"base".to_vec()];
        let begin = |dir: &Path, mode| {
            let identity = Identity {
                run: "r".to_owned(),
                writer: "w".to_owned(),
            };
            let wake = Arc::new(Signal::default());
            Wal::begin(dir, identity, mode, SMALL, wake, &records)
        };
        for (mode, sync) in [(Mode::Auto, Call::SyncMap), (Mode::Written, Call::SyncFile)] {
            let dir = tempfile::tempdir().unwrap();
            let disk = Disk::under(dir.path());
            for call in [Call::Create, Call::Write, sync, Call::Rename] {
                disk.fail(call, Fault::Errno(libc::EIO));
                begin(dir.path(), mode).unwrap_err();
                disk.mend();
                let left: Vec<_> = std::fs::read_dir(dir.path())
                    .unwrap()
                    .map(|entry| entry.unwrap().file_name())
                    .collect();
                assert_eq!(left, ["lock"], "{mode:?} {call:?}");
            }
            // What a reader finds at the last moment before it is shown.
            let (at, seen) = (dir.path().to_path_buf(), Arc::new(Mutex::new(None)));
            let found = Arc::clone(&seen);
            disk.meanwhile(Call::Rename, move || {
                *lock(&found) = Some(read_back(&at));
            });
            let wal = begin(dir.path(), mode).unwrap();
            assert_eq!(lock(&seen).take(), Some(vec![]), "{mode:?}");
            assert_eq!(read_back(dir.path()), records, "{mode:?}");
            wal.append(b"after").unwrap();
            wal.close().unwrap();
            assert_eq!(read_back(dir.path()).len(), 4, "{mode:?}");
            drop(wal);
            // A log that is there is never written over.
            begin(dir.path(), mode).unwrap_err();
            assert_eq!(read_back(dir.path()).len(), 4, "{mode:?}");
        }
    }

    #[test]
    fn a_record_larger_than_a_segment_gets_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let wal = wal(dir.path(), Mode::Auto);
        wal.prepare().unwrap();
        let large = vec![7; 100_000];
        wal.append(b"small").unwrap();
        wal.append(&large).unwrap();
        wal.append(b"after").unwrap();
        assert!(matches!(
            wal.append(&vec![0; MAX_RECORD_BYTES + 1]),
            Err(Error::RecordTooLarge { .. })
        ));
        wal.close().unwrap();
        assert_eq!(
            read_back(dir.path()),
            [b"small".to_vec(), large, b"after".to_vec()]
        );
    }

    #[test]
    fn a_second_writer_is_refused_while_the_first_lives() {
        let dir = tempfile::tempdir().unwrap();
        let first = wal(dir.path(), Mode::Auto);
        let identity = Identity {
            run: "r".to_owned(),
            writer: "w".to_owned(),
        };
        let second = Wal::create(
            dir.path(),
            identity,
            Mode::Auto,
            SMALL,
            Arc::new(Signal::default()),
        );
        assert!(matches!(second, Err(Error::Locked { .. })));
        assert!(is_live(dir.path()));
        drop(first);
        assert!(!is_live(dir.path()));
    }

    #[test]
    fn a_segment_that_cannot_be_made_loses_the_record_and_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::under(dir.path());
        let wal = wal(dir.path(), Mode::Auto);
        disk.fail(Call::Allocate, Fault::Errno(libc::ENOSPC));
        let mut lost = 0;
        for _ in 0..100 {
            match wal.append(&[1; 100]) {
                Ok(_) => {}
                Err(Error::NoSegment { errno, reason }) => {
                    assert!(reason.contains("00000002.wal"), "{reason}");
                    assert_eq!(errno, libc::ENOSPC);
                    lost += 1;
                }
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!(lost, 100 - (4096 - 256) / 112);
    }

    #[test]
    fn a_file_in_the_way_is_left_alone_and_costs_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let wal = wal(dir.path(), Mode::Auto);
        let taken = dir.path().join("00000002.wal");
        std::fs::write(&taken, b"in the way").unwrap();
        let positions: Vec<_> = (0..100).map(|_| wal.append(&[1; 100]).unwrap()).collect();
        assert!(positions.iter().all(|at| at >> 32 != 2) && positions[99] >> 32 == 3);
        assert_eq!(std::fs::read(taken).unwrap(), b"in the way");
    }
}
