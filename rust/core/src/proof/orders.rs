//! Every order in which threads can append, rotate, read and close, as loom goes through them.
//!
//! These tests can fail, as was seen of each of these changes, one at a time: the store that publishes
//! a frame or the load of its head word made relaxed, the reservation made a load and a store, a
//! segment sealed by every append that does not fit, a rotation that does not look whether another
//! thread has done it.

use std::path::Path;
use std::sync::Arc;

use loom::model::Builder;
use loom::thread;

use super::{folder, identity};
use crate::drain::Drain;
use crate::error::Error;
use crate::frame::{SEGMENT_HEAD, framed_len};
use crate::segment::{Appended, Segment};
use crate::signal::Signal;
use crate::wal::{Mode, SegmentSizes, Wal};

/// A payload of 9 bytes: a frame of 24.
fn record(number: u8) -> [u8; 9] {
    [number; 9]
}

const FRAME: usize = 24;

/// Runs through the orders with at most this many switches that no thread asked for.
fn orders(switches: usize, test: impl Fn(&Path) + Sync + Send + 'static) {
    let dir = folder();
    let mut builder = Builder::new();
    builder.preemption_bound = Some(switches);
    builder.max_branches = 20_000;
    builder.check(move || {
        let wal = dir.path().join("wal");
        drop(std::fs::remove_dir_all(&wal));
        std::fs::create_dir(&wal).unwrap();
        test(&wal);
    });
}

fn segment(dir: &Path, frames: usize) -> Arc<Segment> {
    assert_eq!(framed_len(record(0).len()), FRAME);
    let capacity = SEGMENT_HEAD + frames * FRAME;
    Arc::new(Segment::create(dir, &identity(), 1, capacity, true).unwrap())
}

fn wal(dir: &Path, frames: usize) -> Arc<Wal> {
    let bytes = SEGMENT_HEAD + frames * FRAME + 8;
    let sizes = SegmentSizes {
        first_bytes: bytes,
        max_bytes: bytes,
        ..SegmentSizes::default()
    };
    Arc::new(
        Wal::create(
            dir,
            identity(),
            Mode::Auto,
            sizes,
            Arc::new(Signal::default()),
        )
        .unwrap(),
    )
}

#[test]
fn a_frame_is_seen_whole_or_not_at_all() {
    orders(4, |dir| {
        let segment = segment(dir, 2);
        let threads: Vec<_> = (1..3)
            .map(|number| {
                let segment = Arc::clone(&segment);
                thread::spawn(move || segment.append(&record(number)).unwrap())
            })
            .collect();
        for offset in [SEGMENT_HEAD, SEGMENT_HEAD + FRAME] {
            if let Some(payload) = segment.frame(offset).unwrap() {
                assert!(*payload == record(1) || *payload == record(2));
            }
        }
        for (number, thread) in (1..).zip(threads) {
            let Appended::At(offset) = thread.join().unwrap() else {
                panic!("there is room for both")
            };
            assert_eq!(*segment.frame(offset).unwrap().unwrap(), record(number));
        }
    });
}

#[test]
fn a_full_segment_ends_where_its_last_frame_does() {
    orders(4, |dir| {
        let segment = segment(dir, 2);
        let threads: Vec<_> = (0..2)
            .map(|thread| {
                let segment = Arc::clone(&segment);
                thread::spawn(move || {
                    let appended = [1, 2].map(|number| segment.append(&record(thread + number)));
                    let fitted = appended.map(|one| one.unwrap() != Appended::Full);
                    fitted.into_iter().filter(|fitted| *fitted).count()
                })
            })
            .collect();
        if let Some(end) = segment.sealed_at() {
            assert_eq!(end, SEGMENT_HEAD + 2 * FRAME);
        }
        let fitted: usize = threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum();
        assert_eq!(fitted, 2);
        assert_eq!(segment.sealed_at(), Some(SEGMENT_HEAD + 2 * FRAME));
        assert!(segment.frame(SEGMENT_HEAD + FRAME).unwrap().is_some());
        assert_eq!(segment.frame(SEGMENT_HEAD + 2 * FRAME).unwrap(), None);
    });
}

/// Reads on until there is no more; the records stand in the order of their positions.
fn advance(drain: &mut Drain, wal: &Wal) {
    let before = drain.last;
    drain.advance(wal).unwrap();
    assert!(drain.last >= before);
}

#[test]
fn the_drain_passes_every_record_of_every_segment_once() {
    orders(2, |dir| {
        let wal = wal(dir, 1);
        // Full, so that both threads want the next one.
        let first = wal.append(&record(1)).unwrap();
        let threads: Vec<_> = (2..4)
            .map(|number| {
                let wal = Arc::clone(&wal);
                thread::spawn(move || wal.append(&record(number)).unwrap())
            })
            .collect();
        let mut drain = Drain::default();
        wal.prepare().unwrap();
        advance(&mut drain, &wal);
        let mut positions: Vec<_> = threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect();
        positions.extend([first, wal.append(&record(4)).unwrap()]);
        positions.sort_unstable();
        positions.dedup();
        assert_eq!(positions.len(), 4);
        advance(&mut drain, &wal);
        assert_eq!((drain.records, Some(&drain.last)), (4, positions.last()));
    });
}

#[test]
fn a_record_is_in_before_the_end_or_refused() {
    orders(4, |dir| {
        let wal = wal(dir, 2);
        let thread = {
            let wal = Arc::clone(&wal);
            thread::spawn(move || match wal.append(&record(1)) {
                Ok(_) => 1,
                Err(Error::Closed) => 0,
                Err(error) => panic!("{error}"),
            })
        };
        wal.append(&record(2)).unwrap();
        wal.close().unwrap();
        let mut drain = Drain::default();
        advance(&mut drain, &wal);
        let appended = thread.join().unwrap();
        advance(&mut drain, &wal);
        assert_eq!(drain.records, appended + 1);
        let end = wal.current().sealed_at();
        assert_eq!(end, Some(drain.limit().offset));
    });
}

#[test]
fn a_record_is_seen_by_who_has_its_position() {
    orders(4, |dir| {
        let wal = wal(dir, 2);
        let (tell, told) = loom::sync::mpsc::channel();
        let thread = {
            let wal = Arc::clone(&wal);
            thread::spawn(move || tell.send(wal.append(&record(1)).unwrap()).unwrap())
        };
        let position = told.recv().unwrap();
        let mut drain = Drain::default();
        advance(&mut drain, &wal);
        assert_eq!((drain.records, drain.last), (1, position));
        assert!(wal.end() > position);
        thread.join().unwrap();
    });
}
