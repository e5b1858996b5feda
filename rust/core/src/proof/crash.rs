//! Any interleaving of log, rotate and sync, then a crash of any kind: what must be there is there,
//! as it was, and damage is reported where something is damaged.

use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::Index;

use super::power::{Lost, Synced};
use super::stop::{self, Fate, Point};
use super::{folder, log, payload, recovered};
use crate::background::Shared;
use crate::frame::{FRAME_HEAD, Found, SEGMENT_HEAD, Scan, place};
use crate::platform::Call;
use crate::proof::disk::Disk;
use crate::reader::Damage;
use crate::record::read_seal;
use crate::segment::{Segment, file_name};
use crate::wal::Mode;

#[derive(Debug, Clone, Copy)]
enum Step {
    Log(usize),
    /// A thread dies in its call.
    Die(usize, Point),
    /// A thread is held up in its call.
    Hang(usize, Point),
    /// It goes on.
    Return(Index),
    Prepare,
    Drain,
    Sync,
}

fn step() -> impl Strategy<Value = Step> {
    let point = prop_oneof![
        Just(Point::Reserved),
        Just(Point::Announced),
        Just(Point::Copied)
    ];
    prop_oneof![
        20 => (0_usize..700).prop_map(Step::Log),
        1 => (4000_usize..20_000).prop_map(Step::Log),
        1 => ((0_usize..700), point.clone()).prop_map(|(len, point)| Step::Die(len, point)),
        1 => ((0_usize..700), point).prop_map(|(len, point)| Step::Hang(len, point)),
        1 => any::<Index>().prop_map(Step::Return),
        1 => Just(Step::Prepare),
        2 => Just(Step::Drain),
        2 => Just(Step::Sync),
    ]
}

/// A log and what is known about it.
struct World {
    dir: tempfile::TempDir,
    disk: Arc<Disk>,
    log: Shared,
    synced: Synced,
    /// Records whose call has returned.
    returned: Vec<(u64, Vec<u8>)>,
    held: Vec<(Arc<Segment>, u64, Vec<u8>)>,
    number: u64,
}

impl World {
    fn new(mode: Mode) -> Self {
        let dir = folder();
        let disk = Disk::under(dir.path());
        let mut world = Self {
            log: log(dir.path(), mode),
            dir,
            disk,
            synced: Synced::default(),
            returned: Vec::new(),
            held: Vec::new(),
            number: 0,
        };
        // As the run start: a segment in which every call had died would look like one that was lost.
        world.run(Step::Log(0));
        world
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Log(len) => {
                let payload = self.payload(len);
                let position = self.log.wal.append(&payload).unwrap();
                self.returned.push((position, payload));
            }
            Step::Die(len, point) => {
                let _never_returns = self.stop(len, point);
            }
            Step::Hang(len, point) => {
                let held = self.stop(len, point);
                self.held.extend(held);
            }
            Step::Return(which) if !self.held.is_empty() => {
                let which = which.index(self.held.len());
                let (segment, position, payload) = self.held.swap_remove(which);
                segment.publish_late(place(position).1, &payload);
                self.returned.push((position, payload));
                self.returned.sort_unstable();
            }
            Step::Return(_) => {}
            Step::Prepare => self.log.wal.prepare().unwrap(),
            Step::Drain => drop(self.log.catch_up().unwrap()),
            Step::Sync => {
                self.log.sync().unwrap();
                self.synced.learn(self.dir.path(), &self.disk);
            }
        }
    }

    fn stop(&mut self, len: usize, point: Point) -> Option<(Arc<Segment>, u64, Vec<u8>)> {
        if !self.log.wal.is_mapped() {
            return None;
        }
        let payload = self.payload(len);
        stop::next_append(point, Fate::Vanish);
        let position = self.log.wal.append(&payload).unwrap();
        Some((self.log.wal.current(), position, payload))
    }

    fn payload(&mut self, len: usize) -> Vec<u8> {
        self.number += 1;
        payload(self.number, len)
    }

    /// The folder as it is: what SIGKILL leaves.
    fn copy(&self) -> tempfile::TempDir {
        let copy = folder();
        let all_reached_the_disk = || true;
        self.synced
            .cut(self.dir.path(), copy.path(), all_reached_the_disk);
        copy
    }

    fn check_kill(&self) {
        let copy = self.copy();
        assert_eq!(recovered(copy.path()), (self.returned.clone(), vec![]));
    }

    /// One file is cut short, at any byte.
    fn check_cut(&self, which: Index, at: Index) {
        let copy = self.copy();
        let segments = crate::reader::segments(copy.path()).unwrap();
        let segment = segments[which.index(segments.len())];
        let path = copy.path().join(file_name(segment));
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        let len = usize::try_from(file.metadata().unwrap().len()).unwrap();
        let cut = at.index(len + 1);
        file.set_len(cut as u64).unwrap();
        let (records, damage) = recovered(copy.path());
        let kept = |(position, payload): &&(u64, Vec<u8>)| {
            let (number, offset) = place(*position);
            number != segment || offset + FRAME_HEAD + payload.len() <= cut
        };
        let expected: Vec<_> = self.returned.iter().filter(kept).cloned().collect();
        assert_eq!(records, expected);
        let head_is_cut = (1..SEGMENT_HEAD).contains(&cut);
        let is_short = sealed_at(self.dir.path(), segment).is_some_and(|end| cut < end);
        let told = usize::from(head_is_cut) + usize::from(is_short);
        assert_eq!(damage.len(), told, "{damage:?}");
    }

    /// The power goes: each page that was not synced since reads as it was before, or as it is.
    fn check_power(&self, mut chance: u64) {
        let copy = folder();
        let lost = self.synced.cut(self.dir.path(), copy.path(), || {
            chance = chance
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            chance >> 63 == 0
        });
        let (records, damage) = recovered(copy.path());
        assert!(records.is_sorted_by(|one, two| one.0 < two.0));
        for record in &records {
            assert!(self.returned.contains(record), "made up: {record:?}");
        }
        let synced = self.log.progress.get().synced;
        for record in self.returned.iter().filter(|record| record.0 <= synced) {
            assert!(records.contains(record), "lost: {record:?}");
        }
        for damage in &damage {
            assert!(is_told_rightly(damage, &lost), "{damage:?} of {lost:?}");
        }
    }
}

/// Where a segment ended, if a later one says so.
fn sealed_at(dir: &Path, segment: u32) -> Option<usize> {
    let later = crate::reader::segments(dir).unwrap();
    let mut later = later.into_iter().filter(|number| *number > segment);
    later.find_map(|number| {
        let bytes = std::fs::read(dir.join(file_name(number))).unwrap();
        let mut found = Scan::new(&bytes, number);
        found.find_map(|found| match found {
            Found::Frame { payload, .. } => read_seal(payload)
                .filter(|(number, _)| *number == segment)
                .map(|(_, end)| end),
            _ => None,
        })
    })
}

/// Whether something was lost where damage is reported.
fn is_told_rightly(damage: &Damage, lost: &[Lost]) -> bool {
    let len = damage
        .what
        .split(' ')
        .next()
        .and_then(|len| len.parse().ok());
    let end = damage.offset + len.unwrap_or(SEGMENT_HEAD);
    lost.iter().any(|lost| {
        lost.path.file_name() == damage.path.file_name()
            && lost.bytes.start < end
            && damage.offset < lost.bytes.end
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn what_must_be_there_after_a_crash_is_there(
        is_mapped in prop::bool::weighted(0.8),
        steps in prop::collection::vec(step(), 1..80),
        which in any::<Index>(),
        at in any::<Index>(),
        chance in any::<[u64; 4]>(),
    ) {
        let mut world = World::new(if is_mapped { Mode::Auto } else { Mode::Written });
        for step in steps {
            world.run(step);
        }
        world.check_kill();
        world.check_cut(which, at);
        for chance in chance {
            world.check_power(chance);
        }
    }
}

/// Another thread reads on while the log is synced: what it passes is not on the disk yet.
#[test]
fn a_segment_that_is_passed_during_a_sync_does_not_count_as_synced() {
    let world = Arc::new(World::new(Mode::Auto));
    let fill = |world: &World, from: u64| {
        for number in from..from + 30 {
            world.log.wal.append(&payload(number, 200)).unwrap();
        }
    };
    fill(&world, 0);
    drop(world.log.catch_up().unwrap());
    let other = Arc::clone(&world);
    world.disk.meanwhile(Call::SyncMap, move || {
        fill(&other, 100);
        drop(other.log.catch_up().unwrap());
    });
    let last = world.log.catch_up().unwrap().last;
    world.log.sync().unwrap();
    assert_eq!(world.log.progress.get().synced, last);
    let (segment, offset) = place(last);
    let path = world.dir.path().join(file_name(segment));
    assert!(world.disk.take_made().iter().any(|(call, at, span)| {
        *call == Call::SyncMap && *at == path && span.from + span.len > offset
    }));
}
