//! One writer of a run: the log, the step rules, and the threads behind it.

use std::mem::ManuallyDrop;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::background::{Shared, run_upload, spawn};
use crate::clock::Clock;
use crate::drain::Drain;
use crate::error::{Error, Result};
use crate::exit_status::{self, Ended};
use crate::frame::{Identity, SEGMENT_HEAD};
use crate::metric::Metric;
#[cfg(target_os = "linux")]
use crate::output::{self, Left, Log, Way};
use crate::progress::{BlobState, Progress, Stage, UploadState};
use crate::reader::{Limit, LogReader};
use crate::record::{self, HistoryBuilder};
use crate::signal::Signal;
use crate::standing;
use crate::steps::{LateSteps, Refused, Steps};
use crate::summary::Summary;
use crate::synced::{Head, Synced};
use crate::termination::Watched;
use crate::transport::{Http, Kind, Target};
use crate::upload::Pace;
use crate::value::Value;
use crate::wal::{Mode, SegmentSizes, Wal};

/// How a writer is opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// The writer's folder.
    pub dir: PathBuf,
    /// Run and writer.
    pub identity: Identity,
    /// The run start record's map.
    pub start: Value,
    /// Mapped or written.
    pub mode: Mode,
    /// Sizes of the segments.
    pub sizes: SegmentSizes,
    /// Longest time that a record stays unsynced.
    pub fsync: Duration,
    /// Where to upload to, if at all.
    pub target: Option<Target>,
    /// Sign of life.
    pub heartbeat: Duration,
    /// Most bytes of records in a batch, before compression.
    pub batch_bytes: usize,
    /// What becomes of smaller steps.
    pub late_steps: LateSteps,
    /// What the run came to before, when it goes on.
    pub past: Past,
}

/// What a run that goes on has come to.
#[derive(Debug, Clone, Default)]
pub struct Past {
    /// The first step that is free.
    pub next_step: u64,
    /// How long it has run.
    pub runtime: Duration,
    /// What this writer's label had come to where it goes on.
    pub base: Option<Summary>,
    /// The summary of other writers.
    pub others: Summary,
}

/// What a writer has done, in numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    /// Records in the log.
    pub records: u64,
    /// Rows in the log.
    pub rows: u64,
    /// Leaf values logged.
    pub values: u64,
    /// Records that could not be written and are lost.
    pub lost: u64,
    /// Position of the last record.
    pub last: u64,
    /// Position up to which the disk has it.
    pub synced: u64,
    /// Records that the disk has for sure.
    pub synced_records: u64,
    /// Position up to which the server has it.
    pub acknowledged: u64,
    /// Records that the server has.
    pub acknowledged_records: u64,
    /// The large files that the server wants.
    pub blobs: BlobState,
    /// Bytes of the other ones, as they are in the log.
    pub waiting_bytes: u64,
    /// Records that the server has taken in a second, over the last ten.
    pub rate: f64,
    /// What the upload does.
    pub upload: UploadState,
    /// The server's id.
    pub server: Option<String>,
    /// The last error of the disk.
    pub storage_error: Option<(i32, String)>,
    /// Whether the log is mapped.
    pub mapped: bool,
}

/// One writer of a run.
#[derive(Debug)]
pub struct Writer {
    shared: Arc<Shared>,
    steps: Steps,
    target: Option<Target>,
    /// The summary of other writers of a run that goes on.
    others: Summary,
    threads: Mutex<Vec<(&'static str, JoinHandle<()>)>>,
    /// Whether rows must be followed, which puts their callers in a line.
    is_synced: AtomicBool,
    synced: Mutex<Synced>,
    watched: Mutex<Option<Watched<Shared>>>,
}

/// What became of a row.
#[derive(Debug)]
pub enum Logged {
    /// It is in the log.
    At {
        /// Its position.
        position: u64,
        /// Its row.
        step: u64,
        /// Nanoseconds since the run's start.
        runtime: u64,
    },
    /// Its step is smaller than the current one.
    Refused(Refused),
}

impl Writer {
    /// Creates the writer's folder, appends the run start record and starts the threads. Does not
    /// wait for the network.
    ///
    /// # Errors
    /// The folder cannot be written or is in use, the address cannot be used, no thread can be started.
    pub fn open(options: Options) -> Result<Self> {
        standing::keep_off();
        let wake_writer = Arc::new(Signal::default());
        let http = options
            .target
            .as_ref()
            .map(|target| Http::new(target, Kind::Live))
            .transpose()?;
        let mut records = vec![record::start(&options.start)];
        records.extend(options.past.base.iter().flat_map(record::base));
        let wal = Wal::begin(
            &options.dir,
            options.identity,
            options.mode,
            options.sizes,
            Arc::clone(&wake_writer),
            &records,
        )?;
        let upload = if http.is_some() {
            UploadState::Connecting
        } else {
            UploadState::Off
        };
        let shared = Arc::new(Shared {
            wal,
            clock: Clock::start(options.past.runtime),
            drain: Mutex::new(Drain::default()),
            progress: Arc::new(Progress::new(
                Limit {
                    segment: 1,
                    offset: SEGMENT_HEAD,
                },
                upload,
            )),
            wake_writer,
            wake_upload: Arc::new(Notify::new()),
            lost: AtomicU64::new(0),
            fsync: options.fsync,
        });
        let mut threads = Vec::new();
        let writer = Arc::clone(&shared);
        threads.push(spawn("steplog-writer", move || writer.run_writer())?);
        if let Some(http) = http {
            let reader = LogReader::new(&options.dir);
            let (progress, wake) = (
                Arc::clone(&shared.progress),
                Arc::clone(&shared.wake_upload),
            );
            let pace = Pace {
                batch_bytes: options.batch_bytes,
                ..Pace::live(options.heartbeat)
            };
            threads.push(spawn("steplog-upload", move || {
                run_upload(http, reader, &progress, wake, pace);
            })?);
        }
        Ok(Self {
            watched: Mutex::new(Some(Watched::new(Arc::clone(&shared)))),
            shared,
            steps: Steps::new(options.late_steps, options.past.next_step),
            others: options.past.others,
            target: options.target,
            threads: Mutex::new(threads),
            is_synced: AtomicBool::new(false),
            synced: Mutex::new(Synced::default()),
        })
    }

    /// Step of the next row that does not say its own.
    pub fn step(&self) -> u64 {
        self.steps.current()
    }

    /// Whether this process is a fork of the one that opened the writer.
    pub fn is_forked(&self) -> bool {
        self.shared.wal.is_forked()
    }

    /// Where the next record will be: another place than before whenever one was appended.
    pub fn end(&self) -> u64 {
        self.shared.wal.end()
    }

    /// As [`Wal::release_inherited_lock`].
    pub fn release_inherited_lock(&self) {
        self.shared.wal.release_inherited_lock();
    }

    /// Whether [`Writer::begin_finish`] was called.
    pub fn is_closed(&self) -> bool {
        self.shared.wal.is_closed()
    }

    /// Appends a record. When this returns it survives the death of the process.
    ///
    /// # Errors
    /// As [`Wal::append`]; a record that no segment could be had for is counted as lost.
    #[inline]
    pub fn append(&self, payload: &[u8]) -> Result<u64> {
        self.shared.append(payload)
    }

    /// Logs a row: claims its step, completes the record that a [`HistoryBuilder`] began, and
    /// appends it. When this returns it survives the death of the process. `wall` is the row's time,
    /// nanoseconds since the epoch, where it is not now; `late` is a map of the row's keys whose values
    /// [`Writer::log_late`] will log.
    ///
    /// # Errors
    /// As [`Writer::append`].
    #[inline]
    pub fn log(
        &self,
        record: &mut [u8],
        step: Option<i64>,
        commit: Option<bool>,
        wall: Option<u64>,
        late: Option<&[u8]>,
    ) -> Result<Logged> {
        if self.is_closed() {
            return Err(Error::Closed);
        }
        let synced = self
            .is_synced
            .load(Ordering::Acquire)
            .then(|| self.synced());
        let claim = match self.steps.claim(step, commit) {
            Ok(claim) => claim,
            Err(refused) => return Ok(Logged::Refused(refused)),
        };
        let clock = &self.shared.clock;
        let runtime = clock.runtime();
        let wall = wall.unwrap_or_else(|| clock.wall(runtime));
        let runtime = runtime.unsigned_abs();
        let completed = HistoryBuilder::complete(record, claim.step, wall, runtime, claim.commit);
        let position = self.append(completed)?;
        if let Some(mut synced) = synced {
            let head = Head {
                step: claim.step,
                commit: claim.commit,
                wall,
                runtime,
            };
            let values = record.get(HistoryBuilder::VALUES_AT..).unwrap_or_default();
            self.fill(|fills| synced.take(head, values, late, fills))?;
        }
        Ok(Logged::At {
            position,
            step: claim.step,
            runtime,
        })
    }

    /// Logs values that were not ready when their row was logged, under its step and time.
    ///
    /// # Errors
    /// As [`Writer::append`].
    pub fn log_late(&self, record: &mut [u8], step: u64, runtime: u64) -> Result<u64> {
        let wall = self.shared.clock.wall(i64::try_from(runtime).unwrap_or(0));
        self.append(HistoryBuilder::complete(record, step, wall, runtime, true))
    }

    fn synced(&self) -> MutexGuard<'_, Synced> {
        self.synced.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fill(&self, wanted: impl FnOnce(&mut Vec<Vec<u8>>) -> Result<()>) -> Result<()> {
        let mut fills = Vec::new();
        wanted(&mut fills)?;
        for fill in fills {
            self.append(&fill)?;
        }
        Ok(())
    }

    /// Defines a metric, for the summary, the rows to come and the server.
    ///
    /// # Errors
    /// As [`Writer::append`]; the log cannot be read back.
    pub fn define(&self, metric: &Metric, overwrite: bool) -> Result<u64> {
        let mut synced = self.synced();
        let position = self.append(&record::metric(self.wall(), overwrite, metric))?;
        let summary = self.summary()?;
        synced.define(metric, overwrite, |key| summary.last(key).cloned());
        self.is_synced.store(synced.is_wanted(), Ordering::Release);
        Ok(position)
    }

    /// Has the run take what is printed on a stream, see [`output::take`].
    ///
    /// # Errors
    /// As of that.
    #[cfg(target_os = "linux")]
    pub fn take_output(&self, number: u8) -> Result<Way> {
        if self.is_forked() {
            return Err(Error::Forked);
        }
        output::take(number, &self.as_log())
    }

    /// Has the run take no more of it, see [`output::leave`]. Of a forked child's parent nothing changes.
    #[cfg(target_os = "linux")]
    pub fn leave_output(&self, timeout: Duration) -> Left {
        if self.is_forked() {
            return Left::default();
        }
        output::leave(&self.as_log(), timeout)
    }

    #[cfg(target_os = "linux")]
    fn as_log(&self) -> Arc<dyn Log> {
        Arc::<Shared>::clone(&self.shared)
    }

    /// The wall clock for records that are not history.
    pub fn wall(&self) -> u64 {
        self.shared.clock.wall(self.shared.clock.runtime())
    }

    /// The wall clock, and nanoseconds since the run's start, at one moment.
    pub fn now(&self) -> (u64, u64) {
        let runtime = self.shared.clock.runtime();
        (self.shared.clock.wall(runtime), runtime.unsigned_abs())
    }

    /// The summary, with everything logged before this call.
    ///
    /// # Errors
    /// The log cannot be read back.
    pub fn summary(&self) -> Result<Summary> {
        let mut drain = self.shared.catch_up()?;
        let mut whole = self.others.clone();
        whole.absorb(drain.summary()?);
        Ok(whole)
    }

    /// How the first few keys have gone, with everything logged before this call; see
    /// [`Drain::trends`].
    ///
    /// # Errors
    /// The log cannot be read back.
    pub fn trends(&self) -> Result<Vec<(String, Vec<f64>)>> {
        Ok(self.shared.catch_up()?.trends())
    }

    /// The numbers, with everything logged before this call, unless the log cannot be read back: then
    /// they say so.
    pub fn status(&self) -> Status {
        let drain = self.shared.catch_up().unwrap_or_else(|error| {
            self.shared.storage_failed(&error);
            self.shared.drain()
        });
        let mut state = self.shared.progress.get();
        Status {
            records: drain.records,
            rows: drain.rows,
            values: drain.values,
            lost: self.shared.lost.load(Ordering::Relaxed),
            last: drain.last,
            synced: state.synced,
            synced_records: state.synced_records,
            acknowledged: state.acknowledged,
            acknowledged_records: state.taken.records,
            blobs: state.blobs.clone(),
            waiting_bytes: drain.bytes.saturating_sub(state.taken.bytes),
            rate: state.rate.per_second(Instant::now()),
            upload: state.upload.clone(),
            server: state.server.clone(),
            storage_error: state.storage_error.clone(),
            mapped: self.shared.wal.is_mapped(),
        }
    }

    /// How far records have come; for waiting.
    pub fn progress(&self) -> &Progress {
        &self.shared.progress
    }

    /// Asks for a sync now instead of within the interval.
    pub fn want_sync(&self) {
        self.shared
            .progress
            .update(|state| state.sync_wanted = true);
        self.shared.wake_writer.notify();
    }

    /// Appends the exit record, lets nothing more in, and lets the threads come to their end:
    /// everything on the disk, and at the server unless `deadline` passes.
    ///
    /// # Errors
    /// Closed already; the exit record is lost (the end goes on all the same).
    pub fn begin_finish(&self, exit_code: i64, deadline: Duration) -> Result<()> {
        if self.is_closed() {
            return Err(Error::Closed);
        }
        let filled = self.fill(|fills| {
            self.synced().close(fills);
            Ok(())
        });
        drop(
            self.watched
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
        let exit = record::exit(self.wall(), exit_code);
        let exit = self.shared.count_lost(self.shared.wal.append_last(&exit));
        let closed = self.shared.wal.close();
        self.shared
            .progress
            .update(|state| state.closing = Some(Instant::now() + deadline));
        self.shared.wake_writer.notify();
        self.shared.wake_upload.notify_one();
        filled.and(exit.and(closed))
    }

    /// After the end at interpreter exit: should the process end with another status than the exit
    /// record says, another record says it, and the server is told if it has everything else.
    pub fn expect_exit(&self, exit_code: i64) {
        exit_status::watch(self.ended(exit_code));
    }

    /// Of a writer that has come to its end: the program did not end as was said, but with this.
    ///
    /// # Errors
    /// The log cannot be written.
    pub fn correct_exit(&self, exit_code: i32) -> Result<()> {
        exit_status::correct_now(self.ended(i64::from(exit_code)), exit_code)
    }

    fn ended(&self, code: i64) -> Ended {
        let (limit, is_sent) = {
            let state = self.shared.progress.get();
            (state.limit, state.acknowledged >= state.last)
        };
        Ended {
            dir: self.shared.wal.dir().to_path_buf(),
            limit,
            code,
            target: self.target.clone().filter(|_| is_sent),
        }
    }

    /// Waits for the threads after [`Writer::begin_finish`]; true when they came to their end.
    ///
    /// # Errors
    /// A thread died: a bug.
    pub fn join(&self, timeout: Duration) -> Result<bool> {
        if !self.shared.progress.wait(Stage::Done, 0, timeout) {
            return Ok(false);
        }
        let threads =
            std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for (name, handle) in threads {
            handle.join().map_err(|_panicked| Error::Thread { name })?;
        }
        Ok(true)
    }
}

impl Drop for Writer {
    /// A writer that is dropped unfinished leaves its records and no exit record: a crashed run. In a
    /// forked child the threads do not exist, and nothing is touched.
    fn drop(&mut self) {
        if self.is_forked() {
            // The handles name threads of the parent, or by now, at the same addresses, new ones
            // of this process: detaching those would take them away from their owner.
            let threads = self.threads.get_mut();
            for thread in threads.unwrap_or_else(PoisonError::into_inner).drain(..) {
                let _kept = ManuallyDrop::new(thread);
            }
        } else if !self.is_closed() {
            #[cfg(target_os = "linux")]
            let _nobody_to_tell = self.leave_output(Duration::ZERO);
            drop(self.shared.wal.close());
            self.shared
                .progress
                .update(|state| state.closing = Some(Instant::now()));
            self.shared.wake_writer.notify();
            self.shared.wake_upload.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(dir: PathBuf) -> Options {
        Options {
            dir,
            identity: Identity {
                run: "r".to_owned(),
                writer: "w".to_owned(),
            },
            start: Value::Map(vec![("run".to_owned(), Value::Str("r".to_owned()))]),
            mode: Mode::Auto,
            sizes: SegmentSizes::default(),
            fsync: Duration::from_secs(1),
            target: None,
            heartbeat: Duration::from_secs(10),
            batch_bytes: crate::upload::BATCH_BYTES,
            late_steps: LateSteps::Refuse,
            past: Past::default(),
        }
    }

    #[test]
    fn finish_leaves_everything_on_the_disk_and_cuts_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let writer = Writer::open(options(dir.path().to_path_buf())).unwrap();
        let bytes = record::history(0, 1, 1, true, &[("a".to_owned(), Value::Int(3))]);
        let position = writer.append(&bytes).unwrap();
        assert_eq!(
            Value::Map(writer.summary().unwrap().to_map()).get("a"),
            Some(&Value::Int(3))
        );
        writer.begin_finish(0, Duration::from_secs(5)).unwrap();
        assert!(writer.join(Duration::from_secs(10)).unwrap());
        assert!(writer.progress().get().synced > position);
        assert!(matches!(writer.append(&bytes), Err(Error::Closed)));
        let status = writer.status();
        assert_eq!(
            (status.records, status.rows, status.values, status.lost),
            (3, 1, 1, 0)
        );
        assert!(
            std::fs::metadata(dir.path().join("00000001.wal"))
                .unwrap()
                .len()
                < 1000
        );
        assert!(!dir.path().join("00000002.wal").exists());
    }

    #[test]
    fn finish_waits_for_a_call_that_is_under_way() {
        use crate::proof::stop::{self, Fate, Point};
        let dir = tempfile::tempdir().unwrap();
        let writer = Writer::open(options(dir.path().to_path_buf())).unwrap();
        let bytes = record::history(0, 1, 1, true, &[("a".to_owned(), Value::Int(3))]);
        stop::next_append(Point::Copied, Fate::Vanish);
        let position = writer.append(&bytes).unwrap();
        writer.begin_finish(0, Duration::from_secs(5)).unwrap();
        let soon = Duration::from_millis(20);
        assert!(!writer.join(soon).unwrap());
        let (_, offset) = crate::frame::place(position);
        writer.shared.wal.current().publish_late(offset, &bytes);
        assert!(writer.join(Duration::from_secs(10)).unwrap());
        // The start, the row and the exit, which stands behind it.
        assert_eq!(writer.status().records, 3);
    }
}
