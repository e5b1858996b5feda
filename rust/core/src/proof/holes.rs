//! Threads that are stopped between reserving and publishing when their process is killed.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use super::stop::{self, Fate, Point};
use super::{folder, log, payload, recovered};
use crate::wal::Mode;

const THREADS: u64 = 6;
const RECORDS: u64 = 300;
/// How the child learns what to do; without it, it does nothing.
const PLAN: &str = "plan";

/// Thread, and place in the order of its calls.
fn number(thread: u64, call: u64) -> u64 {
    thread * 1_000_000 + call
}

/// When a thread stops, if it does.
fn end(seed: u64, thread: u64) -> Option<(u64, Point)> {
    let chance = (seed * THREADS + thread).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    let points = [Point::Reserved, Point::Announced, Point::Copied];
    let stops = chance.is_multiple_of(3);
    stops.then(|| (chance % RECORDS, points[(chance / RECORDS % 3) as usize]))
}

fn write(seed: u64, thread: u64, wal: &crate::wal::Wal) {
    // What a killed process wrote to a file stays.
    let mut returned = File::create(format!("returned-{thread}")).unwrap();
    let end = end(seed, thread);
    for call in 0..RECORDS {
        if let Some((_, point)) = end.filter(|(at, _)| *at == call) {
            stop::next_append(point, Fate::Sleep);
        }
        let record = payload(number(thread, call), (call * 37 % 500) as usize);
        let position = wal.append(&record).unwrap();
        let mut line = position.to_le_bytes().to_vec();
        line.extend_from_slice(&number(thread, call).to_le_bytes());
        returned.write_all(&line).unwrap();
    }
}

#[test]
#[ignore = "it is a process of its own, which the test below kills"]
fn child() {
    let Ok(plan) = std::fs::read_to_string(PLAN) else {
        return;
    };
    let seed: u64 = plan.parse().unwrap();
    let log = log(Path::new("wal"), Mode::Auto);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                scope.spawn({
                    let wal = &log.wal;
                    move || write(seed, thread, wal)
                })
            })
            .collect();
        // The log is read and synced meanwhile, as its own thread does it.
        while threads.iter().filter(|thread| thread.is_finished()).count() + stop::sleeping()
            < threads.len()
        {
            drop(log.catch_up().unwrap());
            log.wal.prepare().unwrap();
            log.sync().unwrap();
        }
        std::io::stdout().write_all(b"ready\n").unwrap();
        loop {
            std::thread::park();
        }
    });
}

fn kill_one(seed: u64) -> usize {
    let dir = folder();
    std::fs::write(dir.path().join(PLAN), seed.to_string()).unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["proof::holes::child", "--exact", "--ignored", "--nocapture"])
        .current_dir(dir.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "ready"), "{seed}");
    child.kill().unwrap();
    child.wait().unwrap();

    let (records, damage) = recovered(&dir.path().join("wal"));
    assert_eq!(damage, [], "{seed}");
    let mut expected = Vec::new();
    for thread in 0..THREADS {
        let calls = end(seed, thread).map_or(RECORDS, |(at, _)| at);
        let returned = std::fs::read(dir.path().join(format!("returned-{thread}"))).unwrap();
        let returned = returned.as_chunks::<16>().0;
        assert_eq!(returned.len() as u64, calls, "{seed}");
        for line in returned {
            let [position, number] =
                [&line[..8], &line[8..]].map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap()));
            let call = number % 1_000_000;
            expected.push((position, payload(number, (call * 37 % 500) as usize)));
        }
    }
    expected.sort_unstable();
    assert_eq!(records, expected, "{seed}");
    (0..THREADS)
        .filter(|thread| end(seed, *thread).is_some())
        .count()
}

#[test]
fn every_record_whose_call_had_returned_is_there_around_the_holes() {
    let stopped: usize = (0..20).map(kill_one).sum();
    assert!((20..100).contains(&stopped), "{stopped}");
}
