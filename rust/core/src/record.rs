//! Records: what is appended to the log, one msgpack array each (`docs/format.md`).

use crate::error::{Error, Result};
use crate::metric::Metric;
use crate::steps::MAX_STEP;
use crate::summary::Summary;
use crate::value::{
    Cursor, Value, write_array_len, write_bin, write_bool, write_int, write_map_len, write_str,
    write_u64_fixed,
};

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

impl<'a> Record<'a> {
    /// Reads a record from its payload.
    ///
    /// # Errors
    /// The bytes are not a record of this format.
    pub fn parse(payload: &'a [u8]) -> Result<Self> {
        let mut cursor = Cursor::new(payload);
        let record = Self::read(&mut cursor)?;
        if cursor.is_empty() {
            Ok(record)
        } else {
            Err(Error::Malformed {
                what: "record: bytes after its end",
                at: cursor.at(),
            })
        }
    }

    fn read(cursor: &mut Cursor<'a>) -> Result<Self> {
        let len = cursor.array_len("record")?;
        let kind = cursor.u64("record kind")?;
        let expect = |wanted: usize, at: usize| {
            if len == wanted {
                Ok(())
            } else {
                Err(Error::Malformed {
                    what: "record length",
                    at,
                })
            }
        };
        Ok(match kind {
            kind::START => {
                expect(2, cursor.at())?;
                Self::Start(map(cursor, "run start")?)
            }
            kind::CONFIG => {
                expect(3, cursor.at())?;
                let (wall, entries) = timed_map(cursor, "config time", "config")?;
                Self::Config { wall, entries }
            }
            kind::HISTORY => {
                expect(6, cursor.at())?;
                Self::History(History {
                    step: step(cursor)?,
                    wall: cursor.i64("history time")?,
                    runtime: cursor.i64("history runtime")?,
                    commit: cursor.bool("commit")?,
                    values: raw_map(cursor)?,
                })
            }
            kind::SUMMARY => {
                expect(4, cursor.at())?;
                summary_of(cursor)?
            }
            kind::EXIT => {
                expect(3, cursor.at())?;
                Self::Exit {
                    wall: cursor.i64("exit time")?,
                    code: cursor.i64("exit code")?,
                }
            }
            kind::METRIC => {
                expect(4, cursor.at())?;
                Self::Metric {
                    wall: cursor.i64("metric time")?,
                    overwrite: cursor.bool("metric overwrite")?,
                    metric: Metric::from_value(&cursor.value("metric")?)?,
                }
            }
            kind::PREEMPTING => {
                expect(2, cursor.at())?;
                Self::Preempting {
                    wall: cursor.i64("preempting time")?,
                }
            }
            kind::FACTS => {
                expect(3, cursor.at())?;
                let (wall, facts) = timed_map(cursor, "facts time", "facts")?;
                Self::Facts { wall, facts }
            }
            kind::BASE => {
                expect(2, cursor.at())?;
                Self::Base(Summary::from_bytes(cursor.raw("base")?)?)
            }
            kind::FILE => {
                expect(4, cursor.at())?;
                file_of(cursor)?
            }
            kind::BLOB => {
                expect(5, cursor.at())?;
                blob_of(cursor)?
            }
            kind::SAMPLE => {
                expect(4, cursor.at())?;
                sample_of(cursor)?
            }
            kind::OUTPUT => {
                let is_taken = len == 5;
                expect(4 + usize::from(is_taken), cursor.at())?;
                output_of(cursor, is_taken)?
            }
            kind::ALERT => {
                expect(6, cursor.at())?;
                alert_of(cursor)?
            }
            kind::ARTIFACT => {
                expect(3, cursor.at())?;
                let (wall, said) = timed_map(cursor, "artifact time", "artifact")?;
                Self::Artifact { wall, said }
            }
            other => {
                for _ in 1..len {
                    cursor.raw_item("record of an unknown kind")?;
                }
                Self::Unknown(other)
            }
        })
    }
}

fn timed_map(
    cursor: &mut Cursor<'_>,
    when: &'static str,
    what: &'static str,
) -> Result<(i64, Value)> {
    Ok((cursor.i64(when)?, map(cursor, what)?))
}

fn summary_of<'a>(cursor: &mut Cursor<'a>) -> Result<Record<'a>> {
    let wall = cursor.i64("summary time")?;
    let mut deleted = Vec::new();
    for _ in 0..cursor.array_len("summary deletions")? {
        deleted.push(path(cursor)?);
    }
    let mut set = Vec::new();
    for _ in 0..cursor.array_len("summary writes")? {
        if cursor.array_len("summary write")? != 2 {
            return Err(Error::Malformed {
                what: "summary write",
                at: cursor.at(),
            });
        }
        let path = path(cursor)?;
        set.push((path, cursor.value("summary value")?));
    }
    Ok(Record::Summary { wall, deleted, set })
}

fn file_of<'a>(cursor: &mut Cursor<'a>) -> Result<Record<'a>> {
    let (wall, name) = (cursor.i64("file time")?, file_name(cursor)?);
    let at = cursor.at();
    let content = cursor.bin("file content")?;
    if content.len() > MAX_FILE_BYTES {
        let what = "file: over 1 MiB";
        return Err(Error::Malformed { what, at });
    }
    Ok(Record::File {
        wall,
        name,
        content,
    })
}

fn blob_of<'a>(cursor: &mut Cursor<'a>) -> Result<Record<'a>> {
    let wall = cursor.i64("blob time")?;
    let name = file_name(cursor)?;
    let at = cursor.at();
    let sha256 = cursor.bin("blob hash")?;
    Ok(Record::Blob {
        wall,
        name,
        sha256: sha256.try_into().map_err(|_length| Error::Malformed {
            what: "blob hash",
            at,
        })?,
        size: cursor.u64("blob size")?,
    })
}

fn sample_of<'a>(cursor: &mut Cursor<'a>) -> Result<Record<'a>> {
    Ok(Record::Sample {
        wall: cursor.i64("sample time")?,
        runtime: cursor.i64("sample runtime")?,
        values: measures(cursor)?,
    })
}

fn file_name<'a>(cursor: &mut Cursor<'a>) -> Result<&'a str> {
    let at = cursor.at();
    let name = cursor.str("file name")?;
    if is_file_name(name) {
        Ok(name)
    } else {
        Err(Error::Malformed {
            what: "file name",
            at,
        })
    }
}

fn output_of<'a>(cursor: &mut Cursor<'a>, is_taken: bool) -> Result<Record<'a>> {
    let wall = cursor.i64("output time")?;
    let at = cursor.at();
    let stream = match cursor.u64("output stream")? {
        1 => 1,
        2 => 2,
        _ => {
            let what = "output stream";
            return Err(Error::Malformed { what, at });
        }
    };
    let text = cursor.str("output")?;
    let taken = is_taken.then(|| cursor.u64("output place")).transpose()?;
    Ok(Record::Output {
        wall,
        stream,
        text,
        taken,
    })
}

fn alert_of<'a>(cursor: &mut Cursor<'a>) -> Result<Record<'a>> {
    let wall = cursor.i64("alert time")?;
    let (title, text) = (cursor.str("alert title")?, cursor.str("alert text")?);
    let at = cursor.at();
    let level = cursor.str("alert level")?;
    let wait_millis = cursor.i64("alert wait")?;
    if !matches!(level, "INFO" | "WARN" | "ERROR") || wait_millis < 0 {
        return Err(Error::Malformed { what: "alert", at });
    }
    let alert = Alert {
        title,
        text,
        level,
        wait_millis,
    };
    Ok(Record::Alert { wall, alert })
}

fn measures<'a>(cursor: &mut Cursor<'a>) -> Result<Vec<(&'a str, Value)>> {
    let mut values = Vec::new();
    for _ in 0..cursor.map_len("sample")? {
        let at = cursor.at();
        let name = cursor.str("sample name")?;
        let value = cursor.value("sample value")?;
        if name.is_empty() || !matches!(value, Value::Int(_) | Value::Float(_)) {
            return Err(Error::Malformed { what: "sample", at });
        }
        values.push((name, value));
    }
    Ok(values)
}

fn map(cursor: &mut Cursor<'_>, what: &'static str) -> Result<Value> {
    match cursor.value(what)? {
        value @ Value::Map(_) => Ok(value),
        _ => Err(Error::Malformed {
            what,
            at: cursor.at(),
        }),
    }
}

/// A step: below 0 is none, which stands for "no step" in a summary; no writer counts beyond
/// `MAX_STEP`.
fn step(cursor: &mut Cursor<'_>) -> Result<i64> {
    let at = cursor.at();
    let step = cursor.i64("step")?;
    if !(0..=MAX_STEP).contains(&step) {
        return Err(Error::Malformed { what: "step", at });
    }
    Ok(step)
}

fn raw_map<'a>(cursor: &mut Cursor<'a>) -> Result<&'a [u8]> {
    let at = cursor.at();
    let bytes = cursor.raw("history values")?;
    Cursor::new(bytes)
        .map_len("history values")
        .map_err(|_wrong_type| Error::Malformed {
            what: "history values",
            at,
        })?;
    Ok(bytes)
}

fn path(cursor: &mut Cursor<'_>) -> Result<Vec<String>> {
    let len = cursor.array_len("summary path")?;
    let mut segments = Vec::new();
    for _ in 0..len {
        segments.push(cursor.str("summary path")?.to_owned());
    }
    if segments.is_empty() {
        return Err(Error::Malformed {
            what: "summary path",
            at: cursor.at(),
        });
    }
    Ok(segments)
}

/// Builds history records in a buffer that is used again and again.
///
/// The values are encoded first, then the step is claimed and written in place: a value that turns
/// out not to be storable costs no step.
#[derive(Debug)]
pub struct HistoryBuilder;

/// Bytes of a history record before its map, for steps of 32 bits: array head, kind, step, two
/// times, commit.
pub(crate) const HISTORY_HEAD: usize = 1 + 1 + 5 + 9 + 9 + 1;
/// What a greater step takes more.
const WIDE: usize = 4;

impl HistoryBuilder {
    /// Clears `out` and leaves room for the head of a history record; the map of values follows.
    #[inline]
    pub fn begin(out: &mut Vec<u8>) {
        out.clear();
        out.extend_from_slice(&[0; Self::VALUES_AT]);
    }

    /// Writes the head with step, times and commit; the record is what is returned.
    #[inline]
    pub fn complete(out: &mut [u8], step: u64, wall: u64, runtime: u64, commit: bool) -> &[u8] {
        let Some(head) = out.first_chunk_mut::<{ Self::VALUES_AT }>() else {
            return &[];
        };
        head[11] = 0xcf;
        head[12..20].copy_from_slice(&wall.to_be_bytes());
        head[20] = 0xcf;
        head[21..29].copy_from_slice(&runtime.to_be_bytes());
        head[29] = 0xc2 | u8::from(commit);
        if let Ok(step) = u32::try_from(step) {
            head[WIDE..7].copy_from_slice(&[0x96, 2, 0xce]);
            head[7..11].copy_from_slice(&step.to_be_bytes());
            out.get(WIDE..).unwrap_or_default()
        } else {
            head[..3].copy_from_slice(&[0x96, 2, 0xcf]);
            head[3..11].copy_from_slice(&step.to_be_bytes());
            out
        }
    }

    /// Where the map of values begins in the buffer.
    pub const VALUES_AT: usize = WIDE + HISTORY_HEAD;
}

/// Encodes a run start record.
#[must_use]
pub fn start(identity: &Value) -> Vec<u8> {
    let mut out = vec![0x92, 0];
    identity.write(&mut out);
    out
}

/// Encodes a config record.
#[must_use]
pub fn config(wall: u64, entries: &Value) -> Vec<u8> {
    let mut out = vec![0x93, 1];
    write_u64_fixed(&mut out, wall);
    entries.write(&mut out);
    out
}

/// Encodes a summary record.
#[must_use]
pub fn summary(wall: u64, deleted: &[Vec<String>], set: &[(Vec<String>, Value)]) -> Vec<u8> {
    let mut out = vec![0x94, 3];
    write_u64_fixed(&mut out, wall);
    write_array_len(&mut out, deleted.len());
    for path in deleted {
        write_path(&mut out, path);
    }
    write_array_len(&mut out, set.len());
    for (path, value) in set {
        write_array_len(&mut out, 2);
        write_path(&mut out, path);
        value.write(&mut out);
    }
    out
}

fn write_path(out: &mut Vec<u8>, path: &[String]) {
    write_array_len(out, path.len());
    for segment in path {
        write_str(out, segment);
    }
}

/// Encodes a metric definition record.
#[must_use]
pub fn metric(wall: u64, overwrite: bool, metric: &Metric) -> Vec<u8> {
    let mut out = vec![0x94, 5];
    write_u64_fixed(&mut out, wall);
    write_bool(&mut out, overwrite);
    metric.to_value().write(&mut out);
    out
}

/// Encodes a preempting record.
#[must_use]
pub fn preempting(wall: u64) -> Vec<u8> {
    let mut out = vec![0x92, 6];
    write_u64_fixed(&mut out, wall);
    out
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

/// Encodes a file record.
#[must_use]
pub fn file(wall: u64, name: &str, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len() + name.len() + 32);
    out.extend_from_slice(&[0x94, 9]);
    write_u64_fixed(&mut out, wall);
    write_str(&mut out, name);
    write_bin(&mut out, content);
    out
}

/// Encodes a blob record.
#[must_use]
pub fn blob(wall: u64, name: &str, sha256: &[u8; 32], size: u64) -> Vec<u8> {
    let mut out = vec![0x95, 13];
    write_u64_fixed(&mut out, wall);
    write_str(&mut out, name);
    write_bin(&mut out, sha256);
    write_u64_fixed(&mut out, size);
    out
}

/// Encodes a sample of the system.
#[must_use]
pub fn sample(wall: u64, runtime: u64, values: &[(&str, Value)]) -> Vec<u8> {
    let mut out = vec![0x94, 10];
    write_u64_fixed(&mut out, wall);
    write_u64_fixed(&mut out, runtime);
    write_map_len(&mut out, values.len());
    for (name, value) in values {
        write_str(&mut out, name);
        value.write(&mut out);
    }
    out
}

/// Encodes what was printed on a stream: 1 is stdout, 2 stderr; `taken` is where it ends in the
/// stream's file, if it was taken from that.
#[must_use]
pub fn output(wall: u64, stream: u8, text: &str, taken: Option<u64>) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 32);
    out.extend_from_slice(&[0x94 + u8::from(taken.is_some()), 11]);
    write_u64_fixed(&mut out, wall);
    write_int(&mut out, i64::from(stream));
    write_str(&mut out, text);
    if let Some(taken) = taken {
        write_u64_fixed(&mut out, taken);
    }
    out
}

/// Encodes an alert.
#[must_use]
pub fn alert(wall: u64, alert: &Alert<'_>) -> Vec<u8> {
    let mut out = vec![0x96, 12];
    write_u64_fixed(&mut out, wall);
    write_str(&mut out, alert.title);
    write_str(&mut out, alert.text);
    write_str(&mut out, alert.level);
    write_int(&mut out, alert.wait_millis);
    out
}

/// Encodes a seal: segment `number` ended at `end`.
#[must_use]
pub fn seal(number: u32, end: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(SEAL_BYTES);
    out.extend_from_slice(&[0x93, SEAL]);
    write_u64_fixed(&mut out, u64::from(number));
    write_u64_fixed(&mut out, end as u64);
    out
}

/// The segment and its end, where a payload is a seal.
#[must_use]
pub fn read_seal(payload: &[u8]) -> Option<(u32, usize)> {
    let rest = payload.strip_prefix(&[0x93, SEAL])?;
    let mut cursor = Cursor::new(rest);
    let number = cursor.u64("segment").ok()?;
    let end = cursor.u64("end").ok()?;
    Some((u32::try_from(number).ok()?, usize::try_from(end).ok()?))
}

/// Encodes a facts record.
#[must_use]
pub fn facts(wall: u64, facts: &Value) -> Vec<u8> {
    at_a_time(7, wall, facts)
}

/// Encodes an artifact record.
#[must_use]
pub fn artifact(wall: u64, said: &Value) -> Vec<u8> {
    at_a_time(14, wall, said)
}

fn at_a_time(kind: u8, wall: u64, map: &Value) -> Vec<u8> {
    let mut out = vec![0x93, kind];
    write_u64_fixed(&mut out, wall);
    map.write(&mut out);
    out
}

/// Encodes an exit record.
#[must_use]
pub fn exit(wall: u64, code: i64) -> Vec<u8> {
    let mut out = vec![0x93, 4];
    write_u64_fixed(&mut out, wall);
    write_int(&mut out, code);
    out
}

/// An exit record of a process that a signal ends, for its handler: nothing is allocated.
#[must_use]
pub(crate) fn signal_exit(wall: u64, signal: i8) -> [u8; 12] {
    let mut out = [0; 12];
    out[0] = 0x93;
    out[1] = 4;
    out[2] = 0xcf;
    out[3..11].copy_from_slice(&wall.to_be_bytes());
    // A small negative integer stands in one byte.
    out[11] = (-signal).to_be_bytes()[0];
    out
}

/// Encodes what a summary had come to, in as many records as it takes.
#[must_use]
pub fn base(summary: &Summary) -> Vec<Vec<u8>> {
    let encoded = |part: &Summary| {
        let mut out = vec![0x92, 8];
        out.extend_from_slice(&part.to_bytes());
        out
    };
    summary.parts(MAX_BASE_BYTES).iter().map(encoded).collect()
}

/// Encodes a history record from values.
#[must_use]
pub fn history(
    step: u64,
    wall: u64,
    runtime: u64,
    commit: bool,
    values: &[(String, Value)],
) -> Vec<u8> {
    let mut out = Vec::new();
    HistoryBuilder::begin(&mut out);
    write_map_len(&mut out, values.len());
    for (key, value) in values {
        write_str(&mut out, key);
        value.write(&mut out);
    }
    HistoryBuilder::complete(&mut out, step, wall, runtime, commit).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

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
