//! The golden files (`tests/golden`): what we read is what they say, and what we write is they.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value as Json, json};
use steplog_core::frame::{Identity, place, read_segment_head};
use steplog_core::reader::{Damage, LogReader};
use steplog_core::record::{self, Record};
use steplog_core::signal::Signal;
use steplog_core::value::{Cursor, Value};
use steplog_core::wal::{Mode, SegmentSizes, Wal};

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;
/// Positions and payloads.
type Records = Vec<(u64, Vec<u8>)>;

/// The step whose integers stand in forms that are read, and that we do not write.
const FOREIGN_STEP: i64 = 2;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden")
}

fn wal_dir(folder: &str) -> PathBuf {
    golden().join(folder).join("wal").join("w-0001")
}

fn expected(folder: &str) -> Outcome<Json> {
    let text = std::fs::read(golden().join("expected.json"))?;
    let expected: Json = serde_json::from_slice(&text)?;
    Ok(expected.get(folder).cloned().ok_or("no such folder")?)
}

fn read(folder: &str) -> Outcome<(Records, Vec<Damage>)> {
    let mut reader = LogReader::new(&wal_dir(folder));
    let mut records = Records::new();
    reader.read(None, |position, payload| {
        records.push((position, payload.to_vec()));
        true
    })?;
    Ok((records, reader.damage().to_vec()))
}

fn tagged(value: &Value) -> Json {
    match value {
        Value::Nil => Json::Null,
        Value::Bool(value) => json!(value),
        Value::Int(value) => json!(format!("int:{value}")),
        Value::BigInt(text) => json!(format!("int:{text}")),
        Value::Float(value) => json!(format!("float:{:016x}", value.to_bits())),
        Value::Str(text) => json!(format!("str:{text}")),
        Value::List(items) => items.iter().map(tagged).collect(),
        Value::Map(entries) => entries
            .iter()
            .map(|(key, value)| (key.clone(), tagged(value)))
            .collect(),
    }
}

fn hex(bytes: &[u8]) -> String {
    let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.concat()
}

fn tagged_path(path: &[String]) -> Json {
    path.iter()
        .map(|segment| format!("str:{segment}"))
        .collect()
}

/// The kind, and the items behind it if we know the kind.
fn content(record: Record<'_>) -> Outcome<(u64, Option<Json>)> {
    let int = |number| tagged(&Value::Int(number));
    let words = |text: &str| tagged(&Value::Str(text.to_owned()));
    Ok(match record {
        Record::Start(identity) => (0, Some(json!([tagged(&identity)]))),
        Record::Config { wall, entries } => (1, Some(json!([int(wall), tagged(&entries)]))),
        Record::History(history) => {
            let values = tagged(&Cursor::new(history.values).value("history values")?);
            let [step, wall, runtime] = [history.step, history.wall, history.runtime].map(int);
            (
                2,
                Some(json!([step, wall, runtime, history.commit, values])),
            )
        }
        Record::Summary { wall, deleted, set } => {
            let deleted: Json = deleted.iter().map(|path| tagged_path(path)).collect();
            let set: Json = set
                .iter()
                .map(|(path, value)| json!([tagged_path(path), tagged(value)]))
                .collect();
            (3, Some(json!([int(wall), deleted, set])))
        }
        Record::Exit { wall, code } => (4, Some(json!([int(wall), int(code)]))),
        Record::Metric {
            wall,
            overwrite,
            metric,
        } => (
            5,
            Some(json!([int(wall), overwrite, tagged(&metric.to_value())])),
        ),
        Record::Preempting { wall } => (6, Some(json!([int(wall)]))),
        Record::Facts { wall, facts } => (7, Some(json!([int(wall), tagged(&facts)]))),
        Record::File {
            wall,
            name,
            content,
        } => (
            9,
            Some(json!([
                int(wall),
                words(name),
                format!("bin:{}", hex(content))
            ])),
        ),
        Record::Blob {
            wall,
            name,
            sha256,
            size,
        } => (
            13,
            Some(json!([
                int(wall),
                words(name),
                format!("bin:{}", hex(&sha256)),
                format!("int:{size}")
            ])),
        ),
        Record::Sample {
            wall,
            runtime,
            values,
        } => {
            let values = values.into_iter();
            let values = values
                .map(|(name, value)| (name.to_owned(), value))
                .collect();
            (
                10,
                Some(json!([
                    int(wall),
                    int(runtime),
                    tagged(&Value::Map(values))
                ])),
            )
        }
        Record::Output {
            wall,
            stream,
            text,
            taken,
        } => {
            let mut content = vec![int(wall), int(i64::from(stream)), words(text)];
            content.extend(taken.map(|taken| int(taken.cast_signed())));
            (11, Some(json!(content)))
        }
        Record::Alert { wall, alert } => (
            12,
            Some(json!([
                int(wall),
                words(alert.title),
                words(alert.text),
                words(alert.level),
                int(alert.wait_millis)
            ])),
        ),
        Record::Artifact { wall, said } => (14, Some(json!([int(wall), tagged(&said)]))),
        Record::Base(base) => (8, Some(json!([tagged(&Value::Map(base.to_map()))]))),
        Record::Unknown(kind) => (kind, None),
    })
}

/// The record's bytes as we write them.
fn encoded(payload: &[u8]) -> Outcome<Vec<u8>> {
    Ok(match Record::parse(payload)? {
        Record::Start(identity) => record::start(&identity),
        Record::Config { wall, entries } => record::config(wall.try_into()?, &entries),
        Record::History(history) if history.step != FOREIGN_STEP => {
            let values = Cursor::new(history.values).value("history values")?;
            let Value::Map(values) = values else {
                return Err("the values of a history record are a map".into());
            };
            let (step, wall) = (history.step.try_into()?, history.wall.try_into()?);
            record::history(
                step,
                wall,
                history.runtime.try_into()?,
                history.commit,
                &values,
            )
        }
        Record::Summary { wall, deleted, set } => record::summary(wall.try_into()?, &deleted, &set),
        Record::Exit { wall, code } => record::exit(wall.try_into()?, code),
        Record::Metric {
            wall,
            overwrite,
            metric,
        } => record::metric(wall.try_into()?, overwrite, &metric),
        Record::Preempting { wall } => record::preempting(wall.try_into()?),
        Record::Facts { wall, facts } => record::facts(wall.try_into()?, &facts),
        Record::File {
            wall,
            name,
            content,
        } => record::file(wall.try_into()?, name, content),
        Record::Blob {
            wall,
            name,
            sha256,
            size,
        } => record::blob(wall.try_into()?, name, &sha256, size),
        Record::Sample {
            wall,
            runtime,
            values,
        } => record::sample(wall.try_into()?, runtime.try_into()?, &values),
        Record::Output {
            wall,
            stream,
            text,
            taken,
        } => record::output(wall.try_into()?, stream, text, taken),
        Record::Alert { wall, alert } => record::alert(wall.try_into()?, &alert),
        Record::Artifact { wall, said } => record::artifact(wall.try_into()?, &said),
        Record::Base(base) => record::base(&base).concat(),
        Record::History(_) | Record::Unknown(_) => payload.to_vec(),
    })
}

#[test]
fn every_record_and_damage_is_found() -> Outcome {
    for folder in ["run", "damaged"] {
        let expected = expected(folder)?;
        let (records, damage) = read(folder)?;
        let mut found = Vec::new();
        for (position, payload) in &records {
            let (kind, content) = content(Record::parse(payload)?)?;
            let mut record = json!({"position": position, "kind": kind});
            if let Some(content) = content {
                record["content"] = content;
            }
            found.push(record);
        }
        assert_eq!(json!(found), expected["records"], "{folder}");
        let mut damages = Vec::new();
        for damage in expected["damages"].as_array().into_iter().flatten() {
            let at = |what: &str| damage[what].as_u64().ok_or("not a number");
            damages.push(Damage {
                path: wal_dir(folder).join(format!("{:08}.wal", at("segment")?)),
                offset: at("offset")?.try_into()?,
                what: format!("{} bytes that are no record", at("end")? - at("offset")?),
            });
        }
        assert_eq!(damage, damages, "{folder}");
    }
    Ok(())
}

#[test]
fn the_same_records_are_written_as_the_same_bytes() -> Outcome {
    let segments = ["00000001.wal", "00000002.wal"];
    let golden: Vec<Vec<u8>> = segments
        .iter()
        .map(|name| std::fs::read(wal_dir("run").join(name)))
        .collect::<Result<_, _>>()?;
    let (records, _) = read("run")?;
    for mode in [Mode::Auto, Mode::Written] {
        let dir = tempfile::tempdir()?;
        let identity = Identity {
            run: "golden".to_owned(),
            writer: "w-0001".to_owned(),
        };
        // The first segment is as full as it can be: the next record begins the second.
        let sizes = SegmentSizes {
            first_bytes: golden.first().map_or(0, Vec::len),
            max_bytes: 1 << 20,
            ..SegmentSizes::default()
        };
        let wal = Wal::create(
            dir.path(),
            identity.clone(),
            mode,
            sizes,
            Arc::new(Signal::default()),
        )?;
        for (position, payload) in &records {
            assert_eq!(
                wal.append(&encoded(payload)?)?,
                *position,
                "{:?}",
                place(*position)
            );
        }
        wal.close()?;
        for (name, golden) in segments.iter().zip(&golden) {
            let mut written = std::fs::read(dir.path().join(name))?;
            let mut golden = golden.clone();
            // What is reserved behind the last record is zero, and as long as it happens to be.
            let len = written.len().max(golden.len());
            written.resize(len, 0);
            golden.resize(len, 0);
            assert_eq!(written, golden, "{name}, {mode:?}");
            assert_eq!(read_segment_head(&written)?.1, identity);
        }
    }
    Ok(())
}
