//! From a batch to what the stores take: blocks of points, and changes of the run's metadata.

use std::collections::HashMap;

use crate::batch;
use crate::console::{Console, Line};
use crate::error::{Error, Result};
use crate::native::{At, Block, Cell, Series};
use crate::path;
use crate::record::{Alert, History, Record};
use crate::summary::Summary;
use crate::value::Value;

/// How far a writer's records have come in each store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Records up to here are complete in every store and are trimmed.
    pub acknowledged: u64,
    /// Points up to here are in the table of appends.
    pub points: u64,
    /// Points up to here are in the table of patches.
    pub patches: u64,
    /// Samples of the system up to here are in their table.
    pub samples: u64,
    /// Of stdout and stderr: lines with smaller numbers are in their table.
    pub lines: (u64, u64),
}

/// An alert that its batch need not be kept for.
#[derive(Debug, Clone)]
pub struct OwnedAlert {
    /// As of [`Alert`].
    pub title: String,
    /// Likewise.
    pub text: String,
    /// Likewise.
    pub level: String,
    /// Likewise.
    pub wait_millis: i64,
}

impl From<Alert<'_>> for OwnedAlert {
    fn from(alert: Alert<'_>) -> Self {
        Self {
            title: alert.title.to_owned(),
            text: alert.text.to_owned(),
            level: alert.level.to_owned(),
            wait_millis: alert.wait_millis,
        }
    }
}

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// All of it.
    Bytes(Vec<u8>),
    /// What comes on its own.
    Blob {
        /// Its SHA-256.
        sha256: [u8; 32],
        /// Its length in bytes.
        size: u64,
    },
}

/// A key of a batch, for the index of keys.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeyStats {
    /// `1 << kind` of each kind of value seen.
    pub kinds: u32,
    /// Points in the batch.
    pub count: u64,
    /// Greatest step.
    pub last_step: i64,
}

/// What a batch comes to.
#[derive(Debug, Default)]
pub struct Decoded {
    /// Position behind which the batch begins.
    pub after: u64,
    /// Position of its last record.
    pub end: u64,
    /// Records taken in (not trimmed).
    pub records: u64,
    /// Of these, records of kinds unknown here.
    pub skipped: u64,
    /// Points whose step is greater than any before of their key.
    pub points: Block,
    /// All other points.
    pub patches: Block,
    /// Samples of the system: points whose step is their runtime.
    pub samples: Block,
    /// Lines of output that are finished.
    pub lines: Vec<Line>,
    /// What people are to be told, each with the record's position and time.
    pub alerts: Vec<(u64, i64, OwnedAlert)>,
    /// What was done with artifacts, in order, each with its time.
    pub artifacts: Vec<(i64, Value)>,
    /// The run start record's map.
    pub start: Option<Value>,
    /// Config updates, in order, each with its time.
    pub config: Vec<(i64, Value)>,
    /// Exit code, if the run ended.
    pub exit_code: Option<i64>,
    /// What the run is called from now on, in order, each with its time.
    pub facts: Vec<(i64, Value)>,
    /// The process said that it is about to be preempted.
    pub preempting: bool,
    /// Statistics of each key.
    pub keys: HashMap<String, KeyStats>,
    /// Files by name, each with when it was logged and what it holds.
    pub files: HashMap<String, (i64, Content)>,
    /// Wall clock of the first and last record that has one.
    pub walls: Option<(i64, i64)>,
    /// Greatest step, -1 without history.
    pub last_step: i64,
    /// No records at all: a sign of life.
    pub heartbeat: bool,
}

/// One writer's way from batches to blocks: keeps the last appended step of each key, so that every
/// point is known as an append or a patch, and the writer's summary.
#[derive(Debug)]
pub struct Decoder {
    series: Series,
    last_steps: HashMap<String, i64>,
    summary: Summary,
    console: Console,
}

impl Decoder {
    /// A decoder for a writer that the stores know nothing of.
    #[must_use]
    pub fn new(series: Series) -> Self {
        Self {
            series,
            last_steps: HashMap::new(),
            summary: Summary::default(),
            console: Console::default(),
        }
    }

    /// Goes on from what the stores hold: for each key the greatest step in the table of appends
    /// among positions that are acknowledged. Leaving out later ones makes a replay decide between
    /// append and patch exactly as the first time.
    ///
    /// # Errors
    /// `summary` is not a state of [`Summary::to_bytes`], or `console` none of [`Console::to_bytes`].
    pub fn restore(
        &mut self,
        last_steps: HashMap<String, i64>,
        summary: &[u8],
        console: &[u8],
    ) -> Result<()> {
        self.console = Console::from_bytes(console)?;
        self.summary = Summary::from_bytes(summary)?;
        self.last_steps = last_steps;
        Ok(())
    }

    /// What the points of a block share.
    #[must_use]
    pub fn series(&self) -> &Series {
        &self.series
    }

    /// The writer's summary so far.
    #[must_use]
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// The writer's output so far.
    #[must_use]
    pub fn console(&self) -> &Console {
        &self.console
    }

    /// Decodes a batch. On an error the decoder is as it was.
    ///
    /// # Errors
    /// The body is not a batch, or larger than `limit` bytes decoded.
    pub fn decode(
        &mut self,
        body: &[u8],
        after: u64,
        progress: Progress,
        limit: usize,
    ) -> Result<Decoded> {
        let plain = batch::decompress(body, limit)?;
        let records = batch::read(&plain)?;
        if records.after != after {
            return Err(Error::Malformed {
                what: "batch: its start is not the request's",
                at: 0,
            });
        }
        let mut parsed = Vec::with_capacity(records.items.len());
        for (position, payload) in &records.items {
            if *position > progress.acknowledged {
                let record = Record::parse(payload)?;
                if let Record::History(history) = &record {
                    check(history)?;
                }
                parsed.push((*position, record));
            }
        }
        // Everything has been checked: from here on nothing fails half-way.
        let mut decoded = Decoded {
            after: records.after,
            end: records.end,
            last_step: -1,
            heartbeat: records.items.is_empty(),
            ..Decoded::default()
        };
        for (position, record) in parsed {
            self.summary.apply(position, &record)?;
            self.take(position, record, progress, &mut decoded)?;
        }
        // What a crash left in the table is not put there again.
        let (out, err) = progress.lines;
        let is_new = |line: &Line| line.number >= if line.stream == 2 { err } else { out };
        decoded.lines.retain(is_new);
        Ok(decoded)
    }

    fn take(
        &mut self,
        position: u64,
        record: Record<'_>,
        progress: Progress,
        into: &mut Decoded,
    ) -> Result<()> {
        into.records += 1;
        let mut seen =
            |wall: i64| into.walls = Some((into.walls.map_or(wall, |(first, _)| first), wall));
        match record {
            Record::Start(identity) => into.start = Some(identity),
            Record::Config { wall, entries } => {
                seen(wall);
                into.config.push((wall, entries));
            }
            Record::History(history) => {
                seen(history.wall);
                self.points(position, &history, progress, into)?;
            }
            Record::Summary { wall, .. } | Record::Metric { wall, .. } => seen(wall),
            Record::Facts { wall, facts } => {
                seen(wall);
                into.facts.push((wall, facts));
            }
            Record::File {
                wall,
                name,
                content,
            } => {
                seen(wall);
                let content = Content::Bytes(content.to_vec());
                into.files.insert(name.to_owned(), (wall, content));
            }
            Record::Blob {
                wall,
                name,
                sha256,
                size,
            } => {
                seen(wall);
                let content = Content::Blob { sha256, size };
                into.files.insert(name.to_owned(), (wall, content));
            }
            Record::Sample {
                wall,
                runtime,
                values,
            } => {
                seen(wall);
                let at = At {
                    step: runtime,
                    wall,
                    runtime,
                    position,
                };
                // What a crash left in a table is not put there again.
                if position > progress.samples {
                    sample(at, &values, &mut into.samples)?;
                }
            }
            Record::Preempting { wall } => {
                seen(wall);
                into.preempting = true;
            }
            Record::Exit { wall, code } => {
                seen(wall);
                into.exit_code = Some(code);
                // A signal's record stands before what was printed last.
                if code >= 0 {
                    self.console.flush(&mut into.lines);
                }
            }
            Record::Alert { wall, alert } => {
                seen(wall);
                into.alerts.push((position, wall, alert.into()));
            }
            Record::Artifact { wall, said } => {
                seen(wall);
                into.artifacts.push((wall, said));
            }
            Record::Output {
                wall, stream, text, ..
            } => {
                seen(wall);
                self.console.feed(stream, wall, text, &mut into.lines);
            }
            Record::Base(_) => {}
            Record::Unknown(_) => into.skipped += 1,
        }
        Ok(())
    }

    fn points(
        &mut self,
        position: u64,
        history: &History<'_>,
        progress: Progress,
        into: &mut Decoded,
    ) -> Result<()> {
        let at = At {
            step: history.step,
            wall: history.wall,
            runtime: history.runtime,
            position,
        };
        into.last_step = into.last_step.max(history.step);
        let mut failed = None;
        let mut any = false;
        path::walk(history.values, &mut |key, raw| {
            if path::is_automatic(key) {
                return;
            }
            any = true;
            match Cell::read(raw) {
                Ok(cell) => self.point(key, at, &cell, progress, into),
                Err(error) => failed = Some(error),
            }
        })?;
        if !any {
            self.point("", at, &Cell::MARKER, progress, into);
        }
        failed.map_or(Ok(()), Err)
    }

    fn point(
        &mut self,
        key: &str,
        at: At,
        cell: &Cell<'_>,
        progress: Progress,
        into: &mut Decoded,
    ) {
        let append = match self.last_steps.get_mut(key) {
            Some(last) if at.step <= *last => false,
            Some(last) => {
                *last = at.step;
                true
            }
            None => {
                self.last_steps.insert(key.to_owned(), at.step);
                true
            }
        };
        // What a crash left in a table is not put there again.
        if append && at.position > progress.points {
            into.points.push(key, at, cell);
        } else if !append && at.position > progress.patches {
            into.patches.push(key, at, cell);
        }
        if !key.is_empty() {
            let stats = match into.keys.get_mut(key) {
                Some(stats) => stats,
                None => into.keys.entry(key.to_owned()).or_default(),
            };
            stats.kinds |= 1 << (cell.kind as u8);
            stats.count += 1;
            stats.last_step = stats.last_step.max(at.step);
        }
    }
}

fn sample(at: At, values: &[(&str, Value)], into: &mut Block) -> Result<()> {
    let mut raw = Vec::new();
    for (name, value) in values {
        raw.clear();
        value.write(&mut raw);
        into.push(name, at, &Cell::read(&raw)?);
    }
    Ok(())
}

fn check(history: &History<'_>) -> Result<()> {
    let mut failed = None;
    path::walk(history.values, &mut |_, raw| {
        if let Err(error) = Cell::read(raw) {
            failed = Some(error);
        }
    })?;
    failed.map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::BatchBuilder;
    use crate::record;

    const LIMIT: usize = 1 << 20;

    fn decoder() -> Decoder {
        Decoder::new(Series {
            run: 1,
            writer: "w".to_owned(),
            label: String::new(),
            generation: 0,
        })
    }

    fn batch(after: u64, rows: &[(u64, u64, &str)]) -> Vec<u8> {
        let mut builder = BatchBuilder::new(after);
        for (position, step, key) in rows {
            let values = [((*key).to_owned(), Value::Int(1))];
            builder.push(*position, &record::history(*step, 1, 1, true, &values));
        }
        builder.finish().unwrap().body
    }

    #[test]
    fn later_steps_are_appends_and_the_rest_are_patches() {
        let body = batch(
            0,
            &[
                (8, 0, "a"),
                (16, 1, "a"),
                (24, 1, "a"),
                (32, 0, "b"),
                (40, 0, "a"),
            ],
        );
        let decoded = decoder()
            .decode(&body, 0, Progress::default(), LIMIT)
            .unwrap();
        assert_eq!((decoded.points.rows(), decoded.patches.rows()), (3, 2));
        assert_eq!(
            (
                decoded.points.last_position(),
                decoded.patches.last_position()
            ),
            (32, 40)
        );
        assert_eq!(decoded.keys["a"].count, 4);
        assert_eq!((decoded.records, decoded.last_step), (5, 1));
    }

    #[test]
    fn replay_after_a_crash_between_the_tables_completes_and_never_doubles() {
        let body = batch(0, &[(8, 0, "a"), (16, 0, "a"), (24, 1, "a")]);
        let progress = Progress {
            acknowledged: 0,
            points: 24,
            ..Progress::default()
        };
        let mut again = decoder();
        again.restore(HashMap::new(), b"", b"").unwrap();
        let decoded = again.decode(&body, 0, progress, LIMIT).unwrap();
        assert_eq!((decoded.points.rows(), decoded.patches.rows()), (0, 1));
    }

    #[test]
    fn lines_are_given_once_also_after_a_crash() {
        let mut builder = BatchBuilder::new(0);
        for position in 1..=100 {
            let text = format!("{position}\r{position}!\n");
            builder.push(position * 8, &record::output(1, 2, &text, None));
        }
        let body = builder.finish().unwrap().body;
        let mut first = decoder();
        let decoded = first.decode(&body, 0, Progress::default(), LIMIT).unwrap();
        assert_eq!(decoded.lines.len(), 36);
        assert_eq!(first.console().open().len(), 64);
        let progress = Progress {
            lines: (0, 30),
            ..Progress::default()
        };
        let again = decoder().decode(&body, 0, progress, LIMIT).unwrap();
        assert_eq!(again.lines, decoded.lines[30..]);
        let mut on = decoder();
        on.restore(HashMap::new(), b"", &first.console().to_bytes())
            .unwrap();
        let mut builder = BatchBuilder::new(800);
        builder.push(808, &record::exit(1, 0));
        let end = on
            .decode(
                &builder.finish().unwrap().body,
                800,
                Progress::default(),
                LIMIT,
            )
            .unwrap();
        assert_eq!(end.lines.len(), 64);
        assert_eq!(end.lines[63].text, "100!");
        assert_eq!(on.console().count(), 100);
    }

    #[test]
    fn samples_are_points_of_their_own_table_and_are_not_doubled() {
        let values = [("cpu", Value::Float(12.5)), ("gpu.0.temp", Value::Int(41))];
        let mut builder = BatchBuilder::new(0);
        for (position, runtime) in [(8, 100), (16, 200)] {
            builder.push(position, &record::sample(1, runtime, &values));
        }
        let body = builder.finish().unwrap().body;
        for (samples, rows, last) in [(0, 4, 16), (8, 2, 16), (16, 0, 0)] {
            let progress = Progress {
                samples,
                ..Progress::default()
            };
            let decoded = decoder().decode(&body, 0, progress, LIMIT).unwrap();
            assert_eq!(
                (decoded.samples.rows(), decoded.samples.last_position()),
                (rows, last)
            );
            assert_eq!((decoded.points.rows(), decoded.last_step), (0, -1));
            assert!(decoded.keys.is_empty());
        }
        let words = record::sample(1, 1, &[("cpu", Value::Str("much".to_owned()))]);
        assert!(Record::parse(&words).is_err());
    }

    #[test]
    fn acknowledged_records_are_trimmed() {
        let body = batch(0, &[(8, 0, "a"), (16, 1, "a")]);
        let mut decoder = decoder();
        let progress = Progress {
            acknowledged: 8,
            points: 8,
            ..Progress::default()
        };
        decoder
            .restore(HashMap::from([("a".to_owned(), 0)]), b"", b"")
            .unwrap();
        let decoded = decoder.decode(&body, 0, progress, LIMIT).unwrap();
        assert_eq!(
            (decoded.records, decoded.points.rows(), decoded.end),
            (1, 1, 16)
        );
    }

    #[test]
    fn an_error_leaves_the_decoder_as_it_was() {
        let mut decoder = decoder();
        let mut builder = BatchBuilder::new(0);
        builder.push(
            8,
            &record::history(0, 1, 1, true, &[("a".to_owned(), Value::Int(1))]),
        );
        builder.push(16, &[0x92, 2, 0xc0]);
        let body = builder.finish().unwrap().body;
        assert!(
            decoder
                .decode(&body, 0, Progress::default(), LIMIT)
                .is_err()
        );
        assert_eq!(decoder.summary(), &Summary::default());
        let good = batch(0, &[(8, 0, "a")]);
        assert!(
            decoder
                .decode(&good, 4, Progress::default(), LIMIT)
                .is_err()
        );
        let decoded = decoder
            .decode(&good, 0, Progress::default(), LIMIT)
            .unwrap();
        assert_eq!(decoded.points.rows(), 1);
    }

    #[test]
    fn empty_rows_leave_a_marker_and_empty_batches_are_heartbeats() {
        let mut builder = BatchBuilder::new(0);
        builder.push(8, &record::history(0, 1, 1, true, &[]));
        let body = builder.finish().unwrap().body;
        let mut decoder = decoder();
        let decoded = decoder
            .decode(&body, 0, Progress::default(), LIMIT)
            .unwrap();
        assert_eq!((decoded.points.rows(), decoded.keys.len()), (1, 0));
        let empty = BatchBuilder::new(8).finish().unwrap().body;
        assert!(
            decoder
                .decode(&empty, 8, Progress::default(), LIMIT)
                .unwrap()
                .heartbeat
        );
    }
}
