//! Any bytes can be read: what the fuzzer kept, and mutations of the golden files.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a check that fails panics"
)]

use std::path::{Path, PathBuf};

use steplog_core::frame::{Found, Scan};

#[path = "../../fuzz/checks.rs"]
mod checks;

type Check = fn(&[u8]);

/// The checks, and the folders of what the fuzzer kept for them.
const CHECKS: [(&str, Check); 4] = [
    ("frame", checks::frame),
    ("record", checks::record),
    ("recovery", checks::recovery),
    ("table", checks::table),
];

/// Mutations of each kind.
const MUTATIONS: usize = 4_000;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The golden segments.
fn segments() -> Vec<Vec<u8>> {
    let mut segments = Vec::new();
    for folder in ["run", "damaged"] {
        for name in ["00000001.wal", "00000002.wal"] {
            let path = root().join("tests/golden").join(folder).join("wal/w-0001");
            segments.push(std::fs::read(path.join(name)).unwrap());
        }
    }
    segments
}

/// The records in them.
fn payloads() -> Vec<Vec<u8>> {
    let mut payloads = Vec::new();
    for (number, segment) in [1, 2].into_iter().zip(segments()) {
        for found in Scan::new(&segment, number) {
            if let Found::Frame { payload, .. } = found {
                payloads.push(payload.to_vec());
            }
        }
    }
    payloads
}

/// Folders, as the check of recovery takes them: segments as they are, and records by their length.
fn folders() -> Vec<Vec<u8>> {
    let segments = segments();
    let mut folders: Vec<Vec<u8>> = segments
        .iter()
        .map(|segment| [&[0], segment.as_slice()].concat())
        .collect();
    let short = payloads().into_iter().filter(|payload| payload.len() < 256);
    let framed = short.map(|payload| {
        let len = u8::try_from(payload.len()).unwrap();
        [&[len], payload.as_slice()].concat()
    });
    folders.push([vec![0x80], framed.flatten().collect()].concat());
    folders
}

/// The files of tables that the fuzzer begins with.
fn tables() -> Vec<Vec<u8>> {
    let folder = root().join("rust/fuzz/corpus/table");
    ["typed", "untyped", "short"]
        .map(|name| std::fs::read(folder.join(name)).unwrap())
        .into()
}

/// Numbers that look random, the same in each run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % end.max(1)
    }
}

fn mutate(bytes: &mut Vec<u8>, chance: &mut Chance) {
    for _ in 0..=chance.below(3) {
        let at = chance.below(bytes.len());
        let end = (at + 1 + chance.below(16)).min(bytes.len());
        match chance.below(6) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..end)),
            2 => bytes[at..end].fill(0),
            3 => bytes[at..end].fill(0xff),
            4 => {
                let piece = bytes[at..end].to_vec();
                let to = chance.below(bytes.len());
                bytes.splice(to..to, piece);
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << chance.below(8);
                }
            }
        }
    }
}

#[test]
fn what_the_fuzzer_kept_is_read() {
    for (name, check) in CHECKS {
        let kept = root().join("rust/fuzz/corpus").join(name);
        let mut count = 0;
        for entry in std::fs::read_dir(kept).unwrap() {
            check(&std::fs::read(entry.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count > 0, "{name}");
    }
}

#[test]
fn mutations_of_the_golden_files_are_read() {
    let mut chance = Chance(0x2545_f491_4f6c_dd1d);
    for ((_, check), seeds) in CHECKS
        .into_iter()
        .zip([segments(), payloads(), folders(), tables()])
    {
        for seed in &seeds {
            check(seed);
        }
        for _ in 0..MUTATIONS {
            let mut bytes = seeds[chance.below(seeds.len())].clone();
            mutate(&mut bytes, &mut chance);
            check(&bytes);
        }
    }
}

/// Writes the golden files as seeds for the fuzzer.
#[test]
#[ignore = "only when the golden files have changed"]
fn write_seeds() {
    for ((name, _), seeds) in CHECKS.into_iter().zip([segments(), payloads(), folders()]) {
        let folder = root().join("rust/fuzz/corpus").join(name);
        std::fs::create_dir_all(&folder).unwrap();
        for (number, seed) in seeds.iter().enumerate() {
            std::fs::write(folder.join(format!("golden-{number:02}")), seed).unwrap();
        }
    }
}
