//! How far a writer's records have come, and who waits for it.

use std::collections::VecDeque;
use std::os::unix::net::UnixStream;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::reader::Limit;

/// What an upload is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UploadState {
    /// There is none: the run is offline.
    Off,
    /// The server has not answered yet.
    Connecting,
    /// The server answers.
    Connected,
    /// The server cannot be reached; trying again.
    Waiting {
        /// Why.
        reason: String,
    },
    /// The server refused for good.
    Refused {
        /// HTTP status.
        status: u16,
        /// Why.
        reason: String,
    },
}

/// A place that a record can reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Synced to the disk.
    Disk,
    /// Acknowledged by the server.
    Server,
    /// The writer's threads have done all they can.
    Done,
}

/// How much of a log, from its beginning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amount {
    /// Records.
    pub records: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
}

/// Large files of a writer, which are sent beside its records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BlobState {
    /// Contents that its records name and the server does not have.
    pub wanted: u64,
    /// Of records acknowledged up to here all that can be sent has been.
    pub settled: Option<u64>,
    /// Bytes of them that were sent.
    pub sent_bytes: u64,
    /// Why they are not taken at the moment.
    pub reason: Option<String>,
}

impl BlobState {
    /// Whether there may be some to send, of records acknowledged up to a position.
    #[must_use]
    pub fn is_pending(&self, acknowledged: u64) -> bool {
        self.wanted > 0 && self.settled != Some(acknowledged)
    }
}

/// The time that the rate is of.
const RATE_OVER: Duration = Duration::from_secs(10);

/// How fast something grows.
#[derive(Debug, Default)]
pub struct Rate(VecDeque<(Instant, u64)>);

impl Rate {
    /// It has grown to this.
    pub fn note(&mut self, now: Instant, count: u64) {
        self.forget(now);
        self.0.push_back((now, count));
    }

    /// How much it has grown in a second, over the last ten.
    pub fn per_second(&mut self, now: Instant) -> f64 {
        self.forget(now);
        match (self.0.front(), self.0.back()) {
            (Some((since, first)), Some((_, last))) if last > first => {
                let counted = f64::from(u32::try_from(last - first).unwrap_or(u32::MAX));
                counted / now.duration_since(*since).as_secs_f64().max(1e-3)
            }
            _ => 0.0,
        }
    }

    /// One that is older stays: it says what there was at the beginning of that time.
    fn forget(&mut self, now: Instant) {
        let is_old = |at: &(Instant, u64)| now.duration_since(at.0) > RATE_OVER;
        while self.0.get(1).is_some_and(is_old) {
            self.0.pop_front();
        }
    }
}

/// The state that threads share. A lock is held for a few instructions only.
#[derive(Debug)]
pub struct State {
    /// Everything below is published and drained.
    pub limit: Limit,
    /// Position of the last record drained.
    pub last: u64,
    /// Position of the last record known to be on the disk.
    pub synced: u64,
    /// Records up to there.
    pub synced_records: u64,
    /// Position of the last record that the server acknowledged.
    pub acknowledged: u64,
    /// How much that is; counted for runs that are being logged.
    pub taken: Amount,
    /// How fast the server takes records.
    pub rate: Rate,
    /// Records that this upload sent and the server acknowledged.
    pub sent: u64,
    /// The large files that they name.
    pub blobs: BlobState,
    /// Someone waits for the disk.
    pub sync_wanted: bool,
    /// Set by `finish`: the last moment for the upload.
    pub closing: Option<Instant>,
    /// The writer's thread has ended.
    pub drained: bool,
    /// The upload's thread has ended, or there is none.
    pub uploaded: bool,
    /// What the upload is doing.
    pub upload: UploadState,
    /// Id of the server that answered.
    pub server: Option<String>,
    /// The last error of the disk.
    pub storage_error: Option<(i32, String)>,
    waiters: Vec<(Stage, u64, UnixStream)>,
}

impl State {
    fn reached(&self, stage: Stage, position: u64) -> bool {
        match stage {
            Stage::Disk => self.synced >= position || self.drained,
            Stage::Server => {
                let refused = matches!(self.upload, UploadState::Refused { .. });
                self.acknowledged >= position || self.uploaded || refused
            }
            Stage::Done => self.drained && self.uploaded,
        }
    }
}

/// Shared progress.
#[derive(Debug)]
pub struct Progress {
    state: Mutex<State>,
    changed: Condvar,
}

impl Progress {
    /// Nothing published yet.
    #[must_use]
    pub fn new(limit: Limit, upload: UploadState) -> Self {
        let state = State {
            limit,
            last: 0,
            synced: 0,
            synced_records: 0,
            acknowledged: 0,
            taken: Amount::default(),
            rate: Rate::default(),
            sent: 0,
            blobs: BlobState::default(),
            sync_wanted: false,
            closing: None,
            drained: false,
            uploaded: upload == UploadState::Off,
            upload,
            server: None,
            storage_error: None,
            waiters: Vec::new(),
        };
        Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    /// The state, to look at.
    pub fn get(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state and wakes those whose wish came true.
    pub fn update<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.get();
        let answer = change(&mut state);
        let waiters = std::mem::take(&mut state.waiters);
        // Dropping our end is the message: the other end becomes readable.
        state.waiters = waiters
            .into_iter()
            .filter(|(stage, at, _)| !state.reached(*stage, *at))
            .collect();
        drop(state);
        self.changed.notify_all();
        answer
    }

    /// A socket that becomes readable when the stage is reached, or can no longer be.
    ///
    /// # Errors
    /// The system has no more descriptors.
    pub fn subscribe(&self, stage: Stage, position: u64) -> std::io::Result<UnixStream> {
        let (ours, theirs) = UnixStream::pair()?;
        self.update(|state| state.waiters.push((stage, position, ours)));
        Ok(theirs)
    }

    /// Blocks until the stage is reached, or can no longer be, or the time is over.
    pub fn wait(&self, stage: Stage, position: u64, timeout: Duration) -> bool {
        let (state, _) = self
            .changed
            .wait_timeout_while(self.get(), timeout, |state| !state.reached(stage, position))
            .unwrap_or_else(PoisonError::into_inner);
        state.reached(stage, position)
    }
}
