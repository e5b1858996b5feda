//! Writes records.

use super::{Alert, MAX_BASE_BYTES, SEAL, SEAL_BYTES};
use crate::metric::Metric;
use crate::summary::Summary;
use crate::value::{
    Value, write_array_len, write_bin, write_bool, write_int, write_map_len, write_str,
    write_u64_fixed,
};

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
