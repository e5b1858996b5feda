//! Reads records.

use super::{Alert, History, MAX_FILE_BYTES, Record, SEAL, is_file_name, kind};
use crate::error::{Error, Result};
use crate::metric::Metric;
use crate::steps::MAX_STEP;
use crate::summary::Summary;
use crate::value::{Cursor, Value};

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

/// The segment and its end, where a payload is a seal.
#[must_use]
pub fn read_seal(payload: &[u8]) -> Option<(u32, usize)> {
    let rest = payload.strip_prefix(&[0x93, SEAL])?;
    let mut cursor = Cursor::new(rest);
    let number = cursor.u64("segment").ok()?;
    let end = cursor.u64("end").ok()?;
    Some((u32::try_from(number).ok()?, usize::try_from(end).ok()?))
}
