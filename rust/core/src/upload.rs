//! Sends a writer's records to the server, each exactly once, whatever the network does.
//!
//! The server says how far it has come; the log is read from there. An answer that never came is
//! asked for again with the same records, and the server trims what it has.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::error::Result;
use crate::progress::{Amount, Progress, State, UploadState};
use crate::reader::LogReader;
use crate::transport::{Follows, NoReply, Reply, Transport};

/// Most bytes of records in a batch, before compression, unless told otherwise: a fraction of a second of
/// work for both sides.
pub const BATCH_BYTES: usize = 4 << 20;
/// Where connections break off again and again, batches are not made smaller than this.
const LEAST_BATCH_BYTES: usize = 16 << 10;
/// Most records in a batch.
const BATCH_COUNT: usize = 50_000;

/// How an upload behaves.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Least time between batches of a live run: records gather meanwhile.
    pub gather: Duration,
    /// A sign of life is sent after this long without a batch.
    pub heartbeat: Duration,
    /// First wait after a failure; doubles up to `backoff_max`.
    pub backoff_min: Duration,
    /// Longest wait between attempts.
    pub backoff_max: Duration,
    /// Once closing: give up after this many failures in a row if the server never answered.
    pub attempts_unseen: u32,
    /// The writer is dead: tell the server so with the last batch.
    pub dead: bool,
    /// Most bytes of records in a batch, before compression; a single record may be larger.
    pub batch_bytes: usize,
    /// Count what the server has taken.
    pub counts: bool,
}

impl Pace {
    /// For a run that is being logged.
    #[must_use]
    pub fn live(heartbeat: Duration) -> Self {
        Self {
            gather: Duration::from_millis(100),
            heartbeat,
            backoff_min: Duration::from_millis(200),
            backoff_max: Duration::from_secs(15),
            attempts_unseen: 2,
            dead: false,
            batch_bytes: BATCH_BYTES,
            counts: true,
        }
    }

    /// For a folder that `steplog sync` sends.
    #[must_use]
    pub fn sync(dead: bool) -> Self {
        Self {
            gather: Duration::ZERO,
            attempts_unseen: 3,
            dead,
            counts: false,
            ..Self::live(Duration::from_secs(10))
        }
    }
}

/// What to do after an answer.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// Go on.
    Go,
    /// Wait and try again.
    Again {
        reason: String,
        after: Option<Duration>,
    },
    /// Another process is at it.
    Held {
        reason: String,
        after: Option<Duration>,
    },
    /// Refused for good.
    Stop { status: u16, reason: String },
    /// Too large: send fewer records at once.
    Halve,
}

/// One upload.
#[derive(Debug)]
pub struct Upload<T> {
    transport: T,
    reader: LogReader,
    progress: Arc<Progress>,
    wake: Arc<Notify>,
    blobs_asked: Arc<Notify>,
    pace: Pace,
    max_bytes: usize,
    /// `max_bytes` grows back to this: what a server has refused as too large is not tried again.
    most_bytes: usize,
    max_count: usize,
    failures: u32,
    seen: bool,
    /// Position up to which `State::taken` counts.
    counted: u64,
    jitter: u64,
}

impl<T: Transport> Upload<T> {
    /// An upload of the log that `reader` reads, as far as `progress` says that it is published.
    pub fn new(
        transport: T,
        reader: LogReader,
        progress: Arc<Progress>,
        wake: Arc<Notify>,
        pace: Pace,
    ) -> Self {
        let jitter = u64::from(std::process::id()) | 1;
        Self {
            transport,
            reader,
            progress,
            wake,
            blobs_asked: Arc::default(),
            pace,
            max_bytes: pace.batch_bytes,
            most_bytes: pace.batch_bytes,
            max_count: BATCH_COUNT,
            failures: 0,
            seen: false,
            counted: 0,
            jitter,
        }
    }

    /// Is notified when the server wants large files.
    pub fn blobs_asked(&self) -> Arc<Notify> {
        Arc::clone(&self.blobs_asked)
    }

    /// Runs until everything is acknowledged, and no large file to be sent, after `finish`, the time is over, or the server refuses.
    ///
    /// # Errors
    /// The log cannot be read.
    pub async fn run(&mut self) -> Result<()> {
        if !self.connect().await? {
            return Ok(());
        }
        self.progress.update(|state| {
            let records = state.taken.records;
            state.rate.note(Instant::now(), records);
        });
        let mut last_sent = Instant::now();
        loop {
            let (behind, closing, blobs) = {
                let state = self.progress.get();
                let at = state.acknowledged;
                (state.last > at, state.closing, state.blobs.is_pending(at))
            };
            // The drain may still be behind when closing is set: its end is told by `drained`.
            let drained = self.progress.get().drained;
            let sent = closing.is_some() && drained && !behind;
            if sent && !blobs {
                if self.pace.dead {
                    self.send(Follows::NothingEver).await?;
                }
                return Ok(());
            }
            if closing.is_some_and(|deadline| Instant::now() >= deadline) {
                return Ok(());
            }
            if let (true, Some(deadline)) = (sent, closing) {
                let wait = deadline.saturating_duration_since(Instant::now());
                drop(tokio::time::timeout(wait, self.wake.notified()).await);
                continue;
            }
            if behind || last_sent.elapsed() >= self.pace.heartbeat {
                let next = self.send(Follows::More).await?;
                if next == Next::Go {
                    last_sent = Instant::now();
                }
                if !self.settle(next).await {
                    return Ok(());
                }
                if closing.is_none() {
                    tokio::time::sleep(self.pace.gather).await;
                }
            } else {
                let wait = self.pace.heartbeat.saturating_sub(last_sent.elapsed());
                // A wake-up or the time: both lead to the next look at the state.
                drop(tokio::time::timeout(wait, self.wake.notified()).await);
            }
        }
    }

    /// Asks how far the server has come, until it answers. False: the upload is over.
    async fn connect(&mut self) -> Result<bool> {
        loop {
            let next = match self.transport.position().await {
                Ok(reply) => self.judge(&reply, |progress, position| {
                    progress.acknowledged = position;
                }),
                Err(no_reply) => again(no_reply),
            };
            self.count(None)?;
            let connected = next == Next::Go;
            if !self.settle(next).await {
                return Ok(false);
            }
            if connected {
                let acknowledged = self.progress.get().acknowledged;
                self.reader.seek(acknowledged)?;
                return Ok(true);
            }
        }
    }

    /// Sends the next batch.
    async fn send(&mut self, mut follows: Follows) -> Result<Next> {
        let (after, limit, last) = {
            let state = self.progress.get();
            let last = (state.closing.is_some() && state.drained).then_some(state.last);
            (state.acknowledged, state.limit, last)
        };
        // The log of a dead writer may have holes and damage: there every frame is looked for.
        let limit = (!self.pace.dead).then_some(limit);
        let batch = self
            .reader
            .batch(after, limit, self.max_bytes, self.max_count)?
            .finish()?;
        let (end, count) = (batch.end, batch.count as u64);
        let sent = Amount {
            records: count,
            bytes: batch.payload_bytes,
        };
        if follows == Follows::More && last.is_some_and(|last| end >= last) {
            follows = Follows::Nothing;
        }
        let next = match self.transport.send(after, follows, batch.body).await {
            Ok(reply) if reply.status == 200 => self.judge(&reply, |state, position| {
                state.acknowledged = position;
                state.sent += count;
            }),
            Ok(reply) if reply.status == 413 && count > 1 => Next::Halve,
            Ok(reply) => {
                match self.judge(&reply, |state, position| state.acknowledged = position) {
                    // Asked for what it was sent: it would be refused again at once.
                    Next::Go if self.progress.get().acknowledged == after => Next::Again {
                        reason: format!("the server refuses the records that it asks for: {after}"),
                        after: reply.retry_after,
                    },
                    next => next,
                }
            }
            Err(no_reply) => {
                // A way that breaks off early may let less through.
                if self.failures > 0 {
                    self.max_bytes = (self.max_bytes / 2).max(LEAST_BATCH_BYTES);
                }
                again(no_reply)
            }
        };
        if next == Next::Go {
            self.max_bytes = (self.max_bytes * 2).min(self.most_bytes);
        }
        let acknowledged = self.progress.get().acknowledged;
        self.count((acknowledged == end).then_some((after, sent)))?;
        if acknowledged != end {
            // Not what was sent: read again from where the server stands.
            self.reader.seek(acknowledged)?;
        }
        if next == Next::Halve {
            self.max_bytes = (self.max_bytes / 2).max(1);
            self.most_bytes = self.max_bytes;
            self.max_count = (self.max_count / 2).max(1);
        }
        Ok(next)
    }

    /// Counts what the server has: what was just sent behind a position, or else all anew.
    fn count(&mut self, sent: Option<(u64, Amount)>) -> Result<()> {
        let (limit, acknowledged) = {
            let state = self.progress.get();
            (state.limit, state.acknowledged)
        };
        if !self.pace.counts || acknowledged == self.counted {
            return Ok(());
        }
        let taken = match sent {
            Some((after, sent)) if after == self.counted => {
                let before = self.progress.get().taken;
                Amount {
                    records: before.records + sent.records,
                    bytes: before.bytes + sent.bytes,
                }
            }
            _ => self.reader.amount(acknowledged, limit)?,
        };
        self.counted = acknowledged;
        self.progress.update(|state| {
            state.taken = taken;
            state.rate.note(Instant::now(), taken.records);
        });
        Ok(())
    }

    /// Reads an answer; `took` records the position that a good one names.
    fn judge(&self, reply: &Reply, took: impl FnOnce(&mut State, u64)) -> Next {
        let body = reply.json();
        let number = |name: &str| body.get(name).and_then(serde_json::Value::as_u64);
        let (acknowledged, expected) = (number("acknowledged"), number("expected"));
        if let Some(position) = acknowledged.or(expected)
            && !self.is_ours(position)
        {
            return Next::Again {
                reason: format!(
                    "the server claims records that this log does not have: {position}"
                ),
                after: reply.retry_after,
            };
        }
        match (reply.status, acknowledged, expected) {
            (200, Some(position), _) | (409, _, Some(position)) => {
                let wanted = number("wanted");
                self.progress.update(|state| {
                    took(state, position);
                    state.server.clone_from(&reply.server);
                    state.blobs.wanted = wanted.unwrap_or(state.blobs.wanted);
                });
                if wanted.is_some_and(|wanted| wanted > 0) {
                    self.blobs_asked.notify_one();
                }
                Next::Go
            }
            (423, position, _) => {
                // What the other one has sent need not be sent again.
                if let Some(position) = position {
                    self.progress.update(|state| {
                        took(state, position);
                        state.server.clone_from(&reply.server);
                    });
                }
                Next::Held {
                    reason: reply.detail(),
                    after: reply.retry_after,
                }
            }
            (400..=499, _, _) if !matches!(reply.status, 408 | 409 | 425 | 429) => Next::Stop {
                status: reply.status,
                reason: reply.detail(),
            },
            _ => Next::Again {
                reason: reply.detail(),
                after: reply.retry_after,
            },
        }
    }

    /// Whether the log has a record at this position. One whose writer is dead may have lost its end after
    /// that was sent.
    fn is_ours(&self, position: u64) -> bool {
        self.pace.dead || position <= self.progress.get().last || self.reader.goes_to(position)
    }

    /// Acts on what an answer asks for. False: the upload is over.
    async fn settle(&mut self, next: Next) -> bool {
        let (reason, after) = match next {
            Next::Go => {
                self.failures = 0;
                self.seen = true;
                self.progress
                    .update(|state| state.upload = UploadState::Connected);
                return true;
            }
            Next::Halve => return true,
            Next::Stop { status, reason } => {
                let refused = UploadState::Refused { status, reason };
                self.progress.update(|state| state.upload = refused);
                if self.progress.get().closing.is_some() {
                    return false;
                }
                // The key file may be written later, the server replaced: look again now and then.
                self.pause(self.pace.backoff_max.min(Duration::from_secs(5)))
                    .await;
                return true;
            }
            Next::Held { reason, after } => {
                self.seen = true;
                (reason, after)
            }
            Next::Again { reason, after } => (reason, after),
        };
        self.failures += 1;
        self.progress
            .update(|state| state.upload = UploadState::Waiting { reason });
        let closing = self.progress.get().closing;
        let over = closing.is_some_and(|deadline| Instant::now() >= deadline);
        if over || (closing.is_some() && !self.seen && self.failures >= self.pace.attempts_unseen) {
            return false;
        }
        let wait = after.unwrap_or_else(|| self.backoff());
        self.pause(wait).await;
        true
    }

    /// Waits, but not beyond the deadline, and not on when `finish` is called meanwhile.
    async fn pause(&self, wait: Duration) {
        let until = Instant::now() + wait;
        let was_closing = self.progress.get().closing.is_some();
        loop {
            let closing = self.progress.get().closing;
            if closing.is_some() && !was_closing {
                return;
            }
            let end = closing.map_or(until, |deadline| deadline.min(until));
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            drop(tokio::time::timeout(left, self.wake.notified()).await);
        }
    }

    /// Doubles with each failure, with jitter so that many clients do not come back at once.
    fn backoff(&mut self) -> Duration {
        let closing = self.progress.get().closing.is_some();
        let top = if closing {
            Duration::from_secs(1)
        } else {
            self.pace.backoff_max
        };
        let full = self
            .pace
            .backoff_min
            .saturating_mul(1 << self.failures.min(10).saturating_sub(1))
            .min(top);
        // xorshift64: spreads, nothing more is asked of it.
        self.jitter ^= self.jitter << 13;
        self.jitter ^= self.jitter >> 7;
        self.jitter ^= self.jitter << 17;
        let percent = u32::try_from(50 + self.jitter % 51).unwrap_or(100);
        full * percent / 100
    }
}

fn again(no_reply: NoReply) -> Next {
    Next::Again {
        reason: no_reply.reason,
        after: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch;
    use crate::frame::Identity;
    use crate::reader::Limit;
    use crate::record;
    use crate::signal::Signal;
    use crate::value::Value;
    use crate::wal::{Mode, SegmentSizes, Wal};
    use proptest::prelude::*;
    use std::path::Path;

    /// What the network does to one request.
    #[derive(Debug, Clone, Copy)]
    enum Fault {
        None,
        DropRequest,
        DropAnswer,
        Status(u16),
        ForgetTo(usize),
    }

    /// A server that keeps every record once, behind a network that follows a script.
    struct FlakyTransport {
        stored: Vec<(u64, Vec<u8>)>,
        script: Vec<Fault>,
        limit: usize,
        /// Connections break off behind so many bytes.
        narrow: usize,
    }

    impl FlakyTransport {
        fn acknowledged(&self) -> u64 {
            self.stored.last().map_or(0, |(position, _)| *position)
        }

        fn reply(&self, status: u16, name: &str) -> Reply {
            let body = format!("{{\"{name}\": {}}}", self.acknowledged()).into_bytes();
            Reply {
                status,
                body,
                retry_after: None,
                server: Some("s".to_owned()),
            }
        }

        fn take(&mut self, after: u64, body: &[u8]) -> Reply {
            if after > self.acknowledged() {
                return self.reply(409, "expected");
            }
            let plain = batch::decompress(body, 1 << 24).unwrap();
            let records = batch::read(&plain).unwrap();
            if records.items.len() > self.limit {
                return self.reply(413, "none");
            }
            for (position, payload) in records.items {
                if position > self.acknowledged() {
                    self.stored.push((position, payload.to_vec()));
                }
            }
            self.reply(200, "acknowledged")
        }
    }

    impl Transport for &mut FlakyTransport {
        async fn position(&mut self) -> std::result::Result<Reply, NoReply> {
            Ok(self.reply(200, "acknowledged"))
        }

        async fn send(
            &mut self,
            after: u64,
            _follows: Follows,
            body: Vec<u8>,
        ) -> std::result::Result<Reply, NoReply> {
            let lost = Err(NoReply {
                reason: "reset".to_owned(),
            });
            if body.len() > self.narrow {
                return lost;
            }
            match self.script.pop().unwrap_or(Fault::None) {
                Fault::None => Ok(self.take(after, &body)),
                Fault::DropRequest => lost,
                Fault::DropAnswer => {
                    self.take(after, &body);
                    lost
                }
                Fault::Status(status) => Ok(Reply {
                    status,
                    ..Reply::default()
                }),
                Fault::ForgetTo(count) => {
                    // A server that was restored from an older backup.
                    self.stored.truncate(count);
                    Ok(self.take(after, &body))
                }
            }
        }
    }

    fn log(dir: &Path, count: u64) -> Vec<(u64, Vec<u8>)> {
        log_of(dir, count, || Value::Float(0.5))
    }

    fn log_of(dir: &Path, count: u64, mut value: impl FnMut() -> Value) -> Vec<(u64, Vec<u8>)> {
        let identity = Identity {
            run: "r".to_owned(),
            writer: "w".to_owned(),
        };
        let sizes = SegmentSizes {
            first_bytes: 4096,
            max_bytes: 8192,
            ..SegmentSizes::default()
        };
        let wal = Wal::create(
            dir,
            identity,
            Mode::Auto,
            sizes,
            Arc::new(Signal::default()),
        )
        .unwrap();
        let records = (0..count)
            .map(|step| {
                let bytes = record::history(step, 1, 1, true, &[("a".to_owned(), value())]);
                (wal.append(&bytes).unwrap(), bytes)
            })
            .collect();
        wal.close().unwrap();
        records
    }

    fn run(dir: &Path, server: &mut FlakyTransport, last: u64) -> Arc<Progress> {
        let limit = Limit {
            segment: u32::MAX,
            offset: 0,
        };
        let progress = Arc::new(Progress::new(limit, UploadState::Connecting));
        progress.update(|state| {
            state.last = last;
            state.drained = true;
            state.closing = Some(Instant::now() + Duration::from_secs(20));
        });
        let pace = Pace {
            backoff_min: Duration::ZERO,
            backoff_max: Duration::ZERO,
            ..Pace::sync(true)
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let reader = LogReader::new(dir);
        let mut upload = Upload::new(
            server,
            reader,
            Arc::clone(&progress),
            Arc::new(Notify::new()),
            pace,
        );
        upload.max_count = 7;
        runtime.block_on(upload.run()).unwrap();
        progress
    }

    fn fault() -> impl Strategy<Value = Fault> {
        prop_oneof![
            Just(Fault::None),
            Just(Fault::DropRequest),
            Just(Fault::DropAnswer),
            prop::sample::select(vec![423, 429, 500, 503]).prop_map(Fault::Status),
            (0_usize..60).prop_map(Fault::ForgetTo),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn every_record_arrives_once_whatever_the_network_does(script in prop::collection::vec(fault(), 0..40)) {
            let dir = tempfile::tempdir().unwrap();
            let records = log(dir.path(), 60);
            let mut server = FlakyTransport { stored: Vec::new(), script, limit: 5, narrow: usize::MAX };
            run(dir.path(), &mut server, records[59].0);
            prop_assert_eq!(server.stored, records);
        }
    }

    #[test]
    fn batches_get_smaller_until_they_come_through() {
        let dir = tempfile::tempdir().unwrap();
        let mut noise = 1_u64;
        let records = log_of(dir.path(), 60, || {
            let digits = std::iter::repeat_with(|| {
                noise = noise
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                format!("{:016x}", noise ^ (noise >> 33))
            });
            Value::Str(digits.take(625).collect())
        });
        let mut server = FlakyTransport {
            stored: Vec::new(),
            script: Vec::new(),
            limit: 99,
            narrow: 14_000,
        };
        run(dir.path(), &mut server, records[59].0);
        assert!(server.stored == records);
    }

    #[test]
    fn a_refusal_ends_the_upload_and_says_why() {
        let dir = tempfile::tempdir().unwrap();
        let records = log(dir.path(), 5);
        let mut server = FlakyTransport {
            stored: Vec::new(),
            script: vec![Fault::Status(426)],
            limit: 99,
            narrow: usize::MAX,
        };
        let progress = run(dir.path(), &mut server, records[4].0);
        assert_eq!(
            progress.get().upload,
            UploadState::Refused {
                status: 426,
                reason: "HTTP 426".to_owned()
            }
        );
        assert!(server.stored.is_empty());
    }
}
