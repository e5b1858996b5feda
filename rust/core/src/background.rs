//! The threads behind a log: `steplog-writer` prepares segments, follows the log and syncs it;
//! `steplog-upload` sends it. Lock order: `drain` before `Progress`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::blobs::Blobs;
use crate::clock::Clock;
use crate::drain::Drain;
use crate::error::{Error, Result};
use crate::frame::position;
use crate::progress::{Progress, UploadState};
use crate::reader::LogReader;
use crate::record;
use crate::signal::Signal;
use crate::source::Source;
use crate::standing;
use crate::termination;
use crate::transport::{Http, Kind, Target};
use crate::upload::{Pace, Upload};
use crate::value::Value;
use crate::wal::Wal;

/// How often the writer's thread looks at the log.
const TICK: Duration = Duration::from_millis(50);
/// How often it sees to the handler of signals that end the process.
const KEEP: Duration = Duration::from_secs(1);
/// How long the end waits for calls that were under way: their threads may be out of turn.
const LAST_CALLS: Duration = Duration::from_secs(1);

/// What the callers of a log and its threads share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) wal: Wal,
    pub(crate) clock: Clock,
    pub(crate) drain: Mutex<Drain>,
    pub(crate) progress: Arc<Progress>,
    pub(crate) wake_writer: Arc<Signal>,
    pub(crate) wake_upload: Arc<Notify>,
    pub(crate) lost: AtomicU64,
    pub(crate) fsync: Duration,
}

impl AsRef<Wal> for Shared {
    fn as_ref(&self) -> &Wal {
        &self.wal
    }
}

#[cfg(target_os = "linux")]
impl crate::output::Log for Shared {
    fn dir(&self) -> &std::path::Path {
        self.wal.dir()
    }

    fn put(&self, number: u8, text: &str, taken: Option<u64>) -> Result<u64> {
        let wall = self.clock.wall(self.clock.runtime());
        self.append(&record::output(wall, number, text, taken))
    }
}

impl Shared {
    /// As [`Wal::append`]; a record that no segment could be had for is counted as lost.
    #[inline]
    pub(crate) fn append(&self, payload: &[u8]) -> Result<u64> {
        self.count_lost(self.wal.append(payload))
    }

    #[inline]
    pub(crate) fn count_lost(&self, appended: Result<u64>) -> Result<u64> {
        if let Err(error @ Error::NoSegment { .. }) = &appended {
            self.lost.fetch_add(1, Ordering::Relaxed);
            self.storage_failed(error);
        }
        appended
    }

    pub(crate) fn drain(&self) -> MutexGuard<'_, Drain> {
        self.drain.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads some of what is published and tells the upload; true when there may be more.
    fn advance(&self) -> Result<(MutexGuard<'_, Drain>, bool)> {
        let mut drain = self.drain();
        let before = drain.last;
        let more = drain.advance(&self.wal)?;
        if drain.last != before {
            let (limit, last) = (drain.limit(), drain.last);
            self.progress.update(|state| {
                state.limit = limit;
                state.last = last;
            });
            self.wake_upload.notify_one();
        }
        Ok((drain, more))
    }

    /// Reads every record whose append had returned before this call.
    pub(crate) fn catch_up(&self) -> Result<MutexGuard<'_, Drain>> {
        let end = self.wal.end();
        loop {
            let (drain, more) = self.advance()?;
            if !more || drain.next() >= end {
                return Ok(drain);
            }
        }
    }

    pub(crate) fn storage_failed(&self, error: &Error) {
        let errno = match error {
            Error::Io { source, .. } => source.raw_os_error().unwrap_or(0),
            Error::NoSegment { errno, .. } => *errno,
            _ => 0,
        };
        self.progress
            .update(|state| state.storage_error = Some((errno, error.to_string())));
    }

    /// Syncs the log; what is drained by now is then known to be on the disk.
    pub(crate) fn sync(&self) -> Result<()> {
        // One look at all of them: the drain, which others move on, passes segments meanwhile.
        let (passed, unpassed, limit, last, records) = {
            let drain = self.drain();
            let (passed, unpassed) = (drain.passed().to_vec(), self.wal.unpassed());
            (passed, unpassed, drain.limit(), drain.last, drain.records)
        };
        for segment in &passed {
            segment.sync(segment.capacity())?;
            segment.cut()?;
        }
        self.drain().forget_passed(passed.len());
        for segment in unpassed {
            let is_drained = segment.number() == limit.segment;
            segment.sync(if is_drained { limit.offset } else { 0 })?;
        }
        self.progress.update(|state| {
            state.synced = last;
            state.synced_records = records;
        });
        Ok(())
    }

    /// Whether a closed log is read to its end: no call is under way any more.
    fn is_read(&self) -> bool {
        let end = self.wal.current();
        let limit = self.drain().limit();
        end.sealed_at() == Some(limit.offset) && limit.segment == end.number()
    }

    /// What the server has: where it has all of a segment that takes no more, that one as well.
    fn sent_up_to(&self, acknowledged: u64) -> u64 {
        let (last, read) = {
            let drain = self.drain();
            (drain.last, drain.limit())
        };
        if acknowledged >= last && self.is_read() {
            position(read.segment + 1, 0)
        } else {
            acknowledged
        }
    }

    pub(crate) fn run_writer(&self) {
        let mut synced = Instant::now();
        let mut kept = Instant::now();
        // The first look comes at once: a fast program fills the first segment within milliseconds.
        let mut more = true;
        let mut closing_since = None;
        loop {
            if !more {
                self.wake_writer.wait(TICK);
            }
            self.clock.renew();
            let (closing, wanted, acknowledged) = {
                let state = self.progress.get();
                (
                    state.closing.is_some(),
                    state.sync_wanted,
                    state.acknowledged,
                )
            };
            if self.wal.limits_unsent() {
                self.wal.sent(self.sent_up_to(acknowledged));
            }
            if !closing && kept.elapsed() >= KEEP {
                termination::keep();
                kept = Instant::now();
            }
            if closing {
                closing_since.get_or_insert_with(Instant::now);
            }
            let unsynced = self
                .follow(closing || wanted, &mut more)
                .unwrap_or_else(|error| {
                    self.storage_failed(&error);
                    false
                });
            if closing_since.is_some_and(|since| since.elapsed() < LAST_CALLS) && !self.is_read() {
                more = true;
                self.wake_writer.wait(Duration::from_millis(1));
                continue;
            }
            if closing || wanted || (unsynced && synced.elapsed() >= self.fsync) {
                if let Err(error) = self.sync() {
                    self.storage_failed(&error);
                }
                synced = Instant::now();
            }
            if closing {
                if let Err(error) = self.wal.current().cut() {
                    self.storage_failed(&error);
                }
                self.wal.release_lock();
                self.progress.update(|state| state.drained = true);
                self.wake_upload.notify_one();
                return;
            }
        }
    }

    /// Prepares the next segment and reads on: all that is in the log when `everything` is wanted,
    /// else a slice. True when some of what is read is not synced.
    fn follow(&self, everything: bool, more: &mut bool) -> Result<bool> {
        *more = false;
        if everything {
            // Whoever wants a sync asks again when more comes; nothing is missed by this order.
            self.progress.update(|state| state.sync_wanted = false);
        }
        let prepared = self.wal.prepare();
        let drain = if everything {
            self.catch_up()?
        } else {
            let (drain, left) = self.advance()?;
            *more = left;
            drain
        };
        prepared?;
        Ok(drain.last > self.progress.get().synced)
    }
}

/// Sends a writer's records and large files to the end, on this thread.
pub(crate) fn run_upload(
    http: Http,
    reader: LogReader,
    progress: &Arc<Progress>,
    wake: Arc<Notify>,
    pace: Pace,
) {
    let dir = reader.dir().to_path_buf();
    let store = http.clone();
    let mut upload = Upload::new(http, reader, Arc::clone(progress), Arc::clone(&wake), pace);
    let asked = upload.blobs_asked();
    let mut blobs = Blobs::new(store, &dir, Arc::clone(progress), asked, wake);
    let both = async {
        tokio::select! {
            ended = upload.run() => ended,
            () = blobs.run() => Ok(()), // it never ends
        }
    };
    let refused = |reason: String| UploadState::Refused { status: 0, reason };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let failed = match runtime {
        Ok(runtime) => {
            let ended = runtime.block_on(both);
            // A disk that does not answer must not keep the end back.
            runtime.shutdown_background();
            ended.err().map(|error| refused(error.to_string()))
        }
        Err(error) => Some(refused(error.to_string())),
    };
    progress.update(|state| {
        if let Some(failed) = failed {
            state.upload = failed;
        }
        state.uploaded = true;
    });
}

pub(crate) fn spawn(
    name: &'static str,
    body: impl FnOnce() + Send + 'static,
) -> Result<(&'static str, JoinHandle<()>)> {
    standing::keep_off();
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(body)
        .map(|handle| (name, handle))
        .map_err(|source| Error::Io {
            action: "start the thread",
            path: name.into(),
            source,
        })
}

/// Starts the thread that uploads a writer's folder. The log of a live writer is read up to `limit`.
/// `start` takes the place of a run start record that cannot be read.
///
/// # Errors
/// The address cannot be used, or no thread can be started.
pub fn start_sync(
    target: &Target,
    source: &Source,
    start: Option<&Value>,
    deadline: Instant,
) -> Result<Arc<Progress>> {
    let progress = Arc::new(Progress::new(source.limit, UploadState::Connecting));
    progress.update(|state| {
        state.last = source.last;
        state.drained = true;
        state.closing = Some(deadline);
    });
    let kind = if source.is_live {
        Kind::Sync
    } else {
        Kind::Dead
    };
    let http = Http::new(target, kind)?;
    let shared = Arc::clone(&progress);
    let pace = Pace::sync(!source.is_live);
    let reader = LogReader::new(&source.dir).with_start(start.map(record::start));
    spawn("steplog-upload", move || {
        run_upload(http, reader, &shared, Arc::new(Notify::new()), pace);
    })?;
    Ok(progress)
}
