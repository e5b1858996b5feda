//! Records: what is appended to the log, one msgpack array each (`docs/format.md`).

mod encode;
mod parse;

use crate::metric::Metric;
use crate::summary::Summary;
use crate::value::Value;

pub(crate) use encode::{HISTORY_HEAD, signal_exit};
pub use encode::{
    HistoryBuilder, alert, artifact, base, blob, config, exit, facts, file, history, metric,
    output, preempting, sample, seal, start, summary,
};
pub use parse::read_seal;

/// Version of the record and segment formats.
pub const FORMAT: u16 = 1;

/// Greatest size of a record's payload: the row limit (10 MiB) and room for its frame of keys.
pub const MAX_RECORD_BYTES: usize = 12 << 20;

/// Greatest size of a file that is a record; a larger one lies beside the log.
const MAX_FILE_BYTES: usize = 1 << 20;

/// A base record is at most so large, unless a single value of it is larger.
const MAX_BASE_BYTES: usize = 1 << 20;

/// Kind numbers, the first item of a record's array.
pub mod kind {
    /// Run start.
    pub const START: u64 = 0;
    /// Config update.
    pub const CONFIG: u64 = 1;
    /// Values of a step.
    pub const HISTORY: u64 = 2;
    /// Explicit summary writes.
    pub const SUMMARY: u64 = 3;
    /// End of the run.
    pub const EXIT: u64 = 4;
    /// Metric definition.
    pub const METRIC: u64 = 5;
    /// The process is about to be preempted.
    pub const PREEMPTING: u64 = 6;
    /// The run is called otherwise.
    pub const FACTS: u64 = 7;
    /// What was before.
    pub const BASE: u64 = 8;
    /// A file of the run.
    pub const FILE: u64 = 9;
    /// A sample of the system.
    pub const SAMPLE: u64 = 10;
    /// What was printed.
    pub const OUTPUT: u64 = 11;
    /// Something that a person is to be told.
    pub const ALERT: u64 = 12;
    /// A large file of the run, which lies beside the log.
    pub const BLOB: u64 = 13;
    /// An artifact is logged, used or linked.
    pub const ARTIFACT: u64 = 14;
}

/// Kind of a seal, which is of the log, not of the run: readers keep it to themselves.
const SEAL: u8 = 15;

/// Bytes of a seal.
pub const SEAL_BYTES: usize = 20;

/// One record, its values still as bytes where most readers pass them on.
#[derive(Debug, Clone, PartialEq)]
pub enum Record<'a> {
    /// The run's identity, a map.
    Start(Value),
    /// Config keys that were set, a map.
    Config {
        /// Wall clock, nanoseconds since the epoch.
        wall: i64,
        /// Key to value.
        entries: Value,
    },
    /// Values logged at a step.
    History(History<'a>),
    /// Explicit summary writes.
    Summary {
        /// Wall clock, nanoseconds since the epoch.
        wall: i64,
        /// Paths removed, before the writes.
        deleted: Vec<Vec<String>>,
        /// Paths written.
        set: Vec<(Vec<String>, Value)>,
    },
    /// The run has ended.
    Exit {
        /// Wall clock, nanoseconds since the epoch.
        wall: i64,
        /// Exit code, 0 = success.
        code: i64,
    },
    /// A metric is defined.
    Metric {
        /// Wall clock, nanoseconds since the epoch.
        wall: i64,
        /// Whether it takes the place of an earlier definition rather than adding to it.
        overwrite: bool,
        /// The definition.
        metric: Metric,
    },
    /// The process is about to be preempted: an end that is no success is no failure either.
    Preempting {
        /// Wall clock, nanoseconds since the epoch.
        wall: i64,
    },
    /// The run is called otherwise than its start says: name, notes or tags.
    Facts {
        /// Wall clock, nanoseconds since the epoch.
        wall: i64,
        /// What changes, a map.
        facts: Value,
    },
    /// What the summary had come to where the run goes on, a state or a part of one.
    Base(Summary),
    /// A file of the run, whole; a later one of the same name takes its place.
    File {
        /// Wall clock, nanoseconds since the epoch.
        wall: i64,
        /// Its path in the run's `files` folder, see [`is_file_name`].
        name: &'a str,
        /// What it holds.
        content: &'a [u8],
    },
    /// A file of the run whose content lies beside the log; a later file of the same name, of either
    /// kind, takes its place.
    Blob {
        /// Wall clock, nanoseconds since the epoch.
        wall: i64,
        /// As of [`Record::File`].
        name: &'a str,
        /// SHA-256 of what it holds.
        sha256: [u8; 32],
        /// Its length in bytes.
        size: u64,
    },
    /// What the system was doing.
    Sample {
        /// Wall clock, nanoseconds since the epoch.
        wall: i64,
        /// Nanoseconds since the run's start.
        runtime: i64,
        /// Integers and floats by the names of what they measure; names are no paths.
        values: Vec<(&'a str, Value)>,
    },
    /// What was printed.
    Output {
        /// Wall clock, nanoseconds since the epoch.
        wall: i64,
        /// 1 for stdout, 2 for stderr.
        stream: u8,
        /// As it was written, with all its control characters.
        text: &'a str,
        /// Where it ends in the stream's file, if it was taken from that.
        taken: Option<u64>,
    },
    /// Something that a person is to be told.
    Alert {
        /// Wall clock, nanoseconds since the epoch.
        wall: i64,
        /// What it says.
        alert: Alert<'a>,
    },
    /// An artifact is logged, used or linked.
    Artifact {
        /// Wall clock, nanoseconds since the epoch.
        wall: i64,
        /// What was done with which, a map.
        said: Value,
    },
    /// A kind that this build does not know.
    Unknown(u64),
}

/// What a person is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alert<'a> {
    /// Alerts of one title are told at most once in `wait_millis`.
    pub title: &'a str,
    /// More of it.
    pub text: &'a str,
    /// `INFO`, `WARN` or `ERROR`.
    pub level: &'a str,
    /// Least time between two of this title, milliseconds.
    pub wait_millis: i64,
}

/// The values of one `log` call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct History<'a> {
    /// The row that the values belong to.
    pub step: i64,
    /// Wall clock, nanoseconds since the epoch.
    pub wall: i64,
    /// Nanoseconds since the run's start.
    pub runtime: i64,
    /// Whether the call closed its row.
    pub commit: bool,
    /// The msgpack map of values, nested as logged.
    pub values: &'a [u8],
}

/// Whether this is the path of a file in a run: of at most 255 bytes, in names joined by `/`, none of them
/// empty, `.` or `..`, without control characters and backslashes.
#[must_use]
pub fn is_file_name(name: &str) -> bool {
    let is_plain = |part: &str| !matches!(part, "" | "." | "..");
    name.len() <= 255
        && name.split('/').all(is_plain)
        && !name.contains(|char: char| char.is_control() || char == '\\')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::MAX_STEP;

    #[test]
    fn a_history_record_has_what_it_was_given_at_any_step() {
        let values = vec![("loss".to_owned(), Value::Float(0.5))];
        let map = {
            let mut map = Vec::new();
            Value::Map(values.clone()).write(&mut map);
            map
        };
        let [least, greatest] = [u64::from(u32::MAX), MAX_STEP.unsigned_abs()];
        for (step, head) in [(0, 26), (least, 26), (least + 1, 30), (greatest, 30)] {
            let bytes = history(step, 11, 13, true, &values);
            let Record::History(back) = Record::parse(&bytes).unwrap() else {
                panic!("not history")
            };
            assert_eq!(back.step.unsigned_abs(), step);
            assert_eq!((back.wall, back.runtime, back.commit), (11, 13, true));
            assert_eq!(back.values, map);
            assert_eq!(bytes.len(), head + map.len());
        }
    }

    #[test]
    fn a_step_that_no_writer_comes_to_is_refused() {
        for step in [MAX_STEP.unsigned_abs() + 1, i64::MAX.unsigned_abs()] {
            assert!(Record::parse(&history(step, 11, 13, true, &[])).is_err());
        }
    }

    #[test]
    fn every_kind_comes_back() {
        let identity = Value::Map(vec![("run".to_owned(), Value::Str("a".to_owned()))]);
        assert_eq!(
            Record::parse(&start(&identity)).unwrap(),
            Record::Start(identity.clone())
        );
        let parsed = config(3, &identity);
        assert_eq!(
            Record::parse(&parsed).unwrap(),
            Record::Config {
                wall: 3,
                entries: identity.clone()
            }
        );
        let deleted = vec![vec!["x".to_owned()]];
        let set = vec![(vec!["a".to_owned(), "b".to_owned()], Value::Int(4))];
        let bytes = summary(5, &deleted, &set);
        assert_eq!(
            Record::parse(&bytes).unwrap(),
            Record::Summary {
                wall: 5,
                deleted,
                set
            }
        );
        let named = Value::Map(vec![("name".to_owned(), Value::Str("a".to_owned()))]);
        let defined = Metric::from_value(&named).unwrap();
        assert_eq!(
            Record::parse(&metric(7, true, &defined)).unwrap(),
            Record::Metric {
                wall: 7,
                overwrite: true,
                metric: defined
            }
        );
        assert_eq!(
            Record::parse(&facts(4, &identity)).unwrap(),
            Record::Facts {
                wall: 4,
                facts: identity.clone()
            }
        );
        assert_eq!(
            Record::parse(&artifact(4, &identity)).unwrap(),
            Record::Artifact {
                wall: 4,
                said: identity.clone()
            }
        );
        assert_eq!(
            Record::parse(&preempting(9)).unwrap(),
            Record::Preempting { wall: 9 }
        );
        assert_eq!(
            Record::parse(&signal_exit(8, 15)).unwrap(),
            Record::Exit { wall: 8, code: -15 }
        );
        assert_eq!(
            Record::parse(&exit(6, -9)).unwrap(),
            Record::Exit { wall: 6, code: -9 }
        );
    }

    #[test]
    fn unknown_kinds_are_kept_apart_and_garbage_is_refused() {
        assert_eq!(
            Record::parse(&[0x92, 99, 0xc0]).unwrap(),
            Record::Unknown(99)
        );
        for garbage in [
            &[][..],
            &[0xc0],
            &[0x92, 2, 0xc0],
            &[0x93, 4, 1, 0xc3],
            &[0x93, 4, 1, 1, 1],
            &[0x96, 2, 0xff, 1, 1, 0xc3, 0x80],
        ] {
            assert!(Record::parse(garbage).is_err(), "{garbage:?}");
        }
    }
}
