//! Every system call of the log fails in every way: training goes on, the status says it, what was
//! accepted is kept, and once the fault is gone the log goes on.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::disk::{Disk, Fault};
use super::{SMALL, folder, identity, log, payload, recovered};
use crate::error::Error;
use crate::platform::Call;
use crate::record;
use crate::steps::LateSteps;
use crate::value::Value;
use crate::wal::Mode;
use crate::writer::{Options, Past, Writer};

const MAPPED: [&[Call]; 10] = [
    &[Call::Create],
    &[Call::Write],
    &[Call::Allocate],
    &[Call::Map],
    &[Call::SyncMap],
    &[Call::SyncFolder],
    &[Call::Cut],
    &[Call::Remove],
    // A file that could not be made, nor taken away again.
    &[Call::Allocate, Call::Remove],
    &[Call::Map, Call::Remove],
];
const WRITTEN: [&[Call]; 8] = [
    &[Call::Create],
    &[Call::Write],
    &[Call::Read],
    &[Call::SyncFile],
    &[Call::SyncFolder],
    &[Call::Cut],
    &[Call::Remove],
    &[Call::Write, Call::Cut],
];
const FAULTS: [Fault; 6] = [
    Fault::Errno(libc::ENOSPC),
    Fault::Errno(libc::EIO),
    Fault::Errno(libc::EROFS),
    Fault::Errno(libc::EMFILE),
    Fault::Interrupted(3),
    Fault::Short,
];
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug, Clone, Copy)]
struct Case {
    mode: Mode,
    calls: &'static [Call],
    fault: Fault,
}

fn cases() -> Vec<Case> {
    let modes = [(Mode::Auto, &MAPPED[..]), (Mode::Written, &WRITTEN[..])];
    let mut cases = Vec::new();
    for (mode, rows) in modes {
        for calls in rows {
            for fault in FAULTS {
                if fault != Fault::Short || calls[0] == Call::Write {
                    cases.push(Case { mode, calls, fault });
                }
            }
        }
    }
    cases
}

fn open(dir: &Path, mode: Mode) -> crate::error::Result<Writer> {
    Writer::open(Options {
        dir: dir.to_path_buf(),
        identity: identity(),
        start: Value::Map(vec![]),
        mode,
        sizes: SMALL,
        fsync: Duration::from_secs(1),
        target: None,
        heartbeat: Duration::from_secs(10),
        batch_bytes: crate::upload::BATCH_BYTES,
        late_steps: LateSteps::Refuse,
        past: Past::default(),
    })
}

/// A training that logs, and what became of its records.
struct Training {
    case: Case,
    writer: Writer,
    disk: Arc<Disk>,
    accepted: Vec<(u64, Vec<u8>)>,
    lost: u64,
    started: Instant,
}

impl Training {
    /// Logs a record; true when it is in the log. Nothing but "lost" may come of it.
    fn log(&mut self) -> bool {
        let number = self.accepted.len() as u64 + self.lost;
        // Now and then one that the segment prepared is too small for.
        let len = if number % 50 == 49 { 20_000 } else { 100 };
        let payload = payload(number, len);
        match self.writer.append(&payload) {
            Ok(position) => {
                self.accepted.push((position, payload));
                true
            }
            Err(Error::NoSegment { .. }) => {
                self.lost += 1;
                false
            }
            Err(error) => panic!("{:?}: {error}", self.case),
        }
    }

    /// Goes on until it is so.
    fn until(&self, what: &str, so: impl Fn(&Self) -> bool) {
        while !so(self) {
            assert!(self.started.elapsed() < PATIENCE, "{:?}: {what}", self.case);
            self.writer.want_sync();
            std::thread::yield_now();
        }
    }

    /// Logs until this many records are accepted in a row.
    fn log_well(&mut self, count: usize) {
        let mut in_a_row = 0;
        while in_a_row < count {
            assert!(self.started.elapsed() < PATIENCE, "{:?}", self.case);
            in_a_row = if self.log() { in_a_row + 1 } else { 0 };
        }
        let last = self.accepted.last().map_or(0, |(position, _)| *position);
        self.until("synced", |training| {
            training.writer.progress().get().synced >= last
        });
    }

    fn log_badly(&mut self) {
        for call in self.case.calls {
            self.disk.fail(*call, self.case.fault);
        }
        let mut calls = 0;
        while calls < 200 || self.disk.failed() == 0 {
            assert!(self.started.elapsed() < PATIENCE, "{:?}", self.case);
            self.log();
            self.writer.want_sync();
            calls += 1;
        }
    }

    fn check_status(&self) {
        let is_interrupted = matches!(self.case.fault, Fault::Interrupted(_));
        // A file that is too much and cannot be removed takes nothing from anybody.
        let must_tell = !is_interrupted && self.case.calls != [Call::Remove];
        if must_tell {
            self.until("told", |training| {
                training.writer.status().storage_error.is_some()
            });
        }
        let status = self.writer.status();
        assert_eq!(status.lost, self.lost, "{:?}", self.case);
        if let Fault::Errno(errno) = self.case.fault
            && let Some((told, _)) = status.storage_error
        {
            assert_eq!(told, errno, "{:?}", self.case);
        }
        if is_interrupted {
            assert_eq!(
                (self.lost, status.storage_error),
                (0, None),
                "{:?}",
                self.case
            );
        }
    }
}

fn run(case: Case) {
    let dir = folder();
    let disk = Disk::under(dir.path());
    let writer = open(dir.path(), case.mode).unwrap();
    let mut training = Training {
        case,
        writer,
        disk,
        accepted: Vec::new(),
        lost: 0,
        started: Instant::now(),
    };
    training.log_well(20);
    training.log_badly();
    training.check_status();
    training.disk.mend();
    training.log_well(150);
    let Training {
        writer,
        mut accepted,
        ..
    } = training;
    writer.begin_finish(0, Duration::from_secs(5)).unwrap();
    assert!(writer.join(PATIENCE).unwrap(), "{case:?}");
    assert!(writer.progress().get().synced > accepted.last().unwrap().0);

    let (mut records, damage) = recovered(dir.path());
    assert_eq!(damage, [], "{case:?}");
    let exit = records.pop().map(|(_, payload)| payload);
    let is_exit = exit.is_some_and(|exit| exit.starts_with(&record::exit(0, 0)[..2]));
    assert!(is_exit, "{case:?}");
    accepted.insert(0, (256, record::start(&Value::Map(vec![]))));
    accepted[0].0 |= 1 << 32;
    assert_eq!(records, accepted, "{case:?}");
}

#[test]
fn training_goes_on_whatever_call_fails() {
    let cases = cases();
    let shares: Vec<_> = cases.chunks(cases.len().div_ceil(4)).collect();
    std::thread::scope(|scope| {
        for share in shares {
            scope.spawn(move || share.iter().copied().for_each(run));
        }
    });
}

#[test]
fn a_writer_that_cannot_be_opened_leaves_nothing_in_the_way() {
    for mode in [Mode::Auto, Mode::Written] {
        for call in [Call::Create, Call::Write, Call::Allocate, Call::Map] {
            if mode == Mode::Written && matches!(call, Call::Allocate | Call::Map) {
                continue;
            }
            let dir = folder();
            let disk = Disk::under(dir.path());
            disk.fail(call, Fault::Errno(libc::EIO));
            let failed = open(dir.path(), mode);
            assert!(matches!(failed, Err(Error::Io { .. })), "{call:?}");
            disk.mend();
            open(dir.path(), mode).unwrap();
        }
    }
}

/// What a write that failed has left is gone before the next record takes its place.
#[test]
fn half_a_record_leaves_nothing_behind_a_shorter_one() {
    let dir = folder();
    let disk = Disk::under(dir.path());
    let log = log(dir.path(), Mode::Written);
    disk.fail(Call::Write, Fault::Short);
    log.wal.append(&payload(1, 500)).unwrap_err();
    assert_eq!(recovered(dir.path()), (vec![], vec![]));
    disk.mend();
    let record = payload(2, 50);
    let position = log.wal.append(&record).unwrap();
    assert_eq!(recovered(dir.path()), (vec![(position, record)], vec![]));
}
