//! What proves the log: seams where it can be stopped and its disk can fail, and the tests that do.
#![cfg_attr(
    feature = "loom",
    expect(dead_code, reason = "loom runs `orders` and no other test")
)]

#[cfg(not(feature = "loom"))]
mod crash;
pub(crate) mod disk;
#[cfg(not(feature = "loom"))]
mod faults;
#[cfg(not(feature = "loom"))]
mod holes;
#[cfg(feature = "loom")]
pub(crate) mod model;
#[cfg(feature = "loom")]
mod orders;
#[cfg(not(feature = "loom"))]
mod power;
pub(crate) mod stop;

use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;

use crate::background::Shared;
use crate::clock::Clock;
use crate::drain::Drain;
use crate::frame::{Identity, SEGMENT_HEAD};
use crate::progress::{Progress, UploadState};
use crate::reader::{Damage, Limit, LogReader};
use crate::record;
use crate::signal::Signal;
use crate::value::Value;
use crate::wal::{Mode, SegmentSizes, Wal};

/// Segments that a test fills quickly.
const SMALL: SegmentSizes = SegmentSizes {
    first_bytes: 4096,
    max_bytes: 16_384,
    unsent_bytes: u64::MAX,
};

/// A folder in memory where the system has one: these tests sync a great deal.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap()
}

fn identity() -> Identity {
    Identity {
        run: "r".to_owned(),
        writer: "w".to_owned(),
    }
}

/// A log without the threads behind it: a test does their work, when it wants it done.
fn log(dir: &Path, mode: Mode) -> Shared {
    let wake_writer = Arc::new(Signal::default());
    let wal = Wal::create(dir, identity(), mode, SMALL, Arc::clone(&wake_writer)).unwrap();
    let limit = Limit {
        segment: 1,
        offset: SEGMENT_HEAD,
    };
    Shared {
        wal,
        clock: Clock::start(Duration::ZERO),
        drain: Mutex::new(Drain::default()),
        progress: Arc::new(Progress::new(limit, UploadState::Off)),
        wake_writer,
        wake_upload: Arc::new(Notify::new()),
        lost: AtomicU64::new(0),
        fsync: Duration::from_secs(1),
    }
}

/// A record that is like no other, about as long as asked for.
fn payload(number: u64, len: usize) -> Vec<u8> {
    let text = format!("{number} ").repeat(len / 3);
    let values = [("text".to_owned(), Value::Str(text))];
    record::history(number, 1, 1, true, &values)
}

/// Everything that a reader finds in a folder that nobody writes any more.
fn recovered(dir: &Path) -> (Vec<(u64, Vec<u8>)>, Vec<Damage>) {
    let mut reader = LogReader::new(dir);
    let mut records = Vec::new();
    reader
        .read(None, |position, payload| {
            records.push((position, payload.to_vec()));
            true
        })
        .unwrap();
    (records, reader.damage().to_vec())
}
