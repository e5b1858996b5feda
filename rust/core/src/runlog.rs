//! A run's folder, read without a server: what was logged, merged to rows.

use std::path::{Path, PathBuf};

use crate::attempt::{Attempt, Part, parts};
use crate::error::{Result, io_at};
use crate::frame::place;
use crate::path::merge;
use crate::reader::{Damage, Limit, LogReader, Torn};
use crate::record::Record;
use crate::source::Source;
use crate::summary::{Summary, seconds};
use crate::value::{Cursor, Value};
use crate::wal::is_live;

/// One writer's log, looked through once.
#[derive(Debug, Clone)]
pub struct WriterLog {
    /// Writer id.
    pub writer: String,
    /// Its folder.
    pub dir: PathBuf,
    /// Whether a process writes it now.
    pub live: bool,
    /// The run start record's map, if it is there.
    pub start: Option<Value>,
    /// The writer's label.
    pub label: String,
    /// The writer's generation.
    pub generation: u32,
    /// Whether it goes on where its label had come to.
    pub resumed: bool,
    /// Its first step.
    pub start_step: i64,
    /// What later attempts have left of it.
    pub part: Part,
    /// Records that were read.
    pub records: u64,
    /// Position of the last record.
    pub last: u64,
    /// Where the log ends for a reader that must not run ahead of a live writer.
    pub limit: Limit,
    /// Exit code, once the writer has ended.
    pub exit_code: Option<i64>,
    /// Greatest step of a row, -1 without rows.
    pub last_step: i64,
    /// Whether the process said that it is about to be preempted.
    pub preempting: bool,
    /// Wall clock of the first and the last record that has one, nanoseconds since the epoch.
    pub walls: Option<(i64, i64)>,
    /// What is not as it was written.
    pub damage: Vec<Damage>,
    /// Records whose writes were cut short.
    pub torn: Vec<Torn>,
    /// Files of which all or the end is missing, while the log goes on behind them.
    pub incomplete: Vec<PathBuf>,
    /// Config of this writer, later values over earlier ones, each with when it was set.
    pub config: Vec<(String, (i64, Value))>,
    /// Summary of this writer.
    pub summary: Summary,
}

/// Where a history record stands, for sorting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    label: u32,
    step: i64,
    generation: u32,
    writer: u32,
    position: u64,
}

/// A run's folder.
#[derive(Debug)]
pub struct RunLog {
    /// Its writers, by id.
    pub writers: Vec<WriterLog>,
    entries: Vec<Entry>,
}

impl RunLog {
    /// Reads every record of every writer once.
    ///
    /// # Errors
    /// The folder has no log, or a file cannot be read. Damage is no error, it is reported.
    pub fn open(run_dir: &Path) -> Result<Self> {
        let wal = run_dir.join("wal");
        let mut dirs = Vec::new();
        for entry in std::fs::read_dir(&wal).map_err(io_at("read", &wal))? {
            let path = entry.map_err(io_at("read", &wal))?.path();
            if path.is_dir() {
                dirs.push(path);
            }
        }
        dirs.sort();
        let mut log = Self {
            writers: Vec::new(),
            entries: Vec::new(),
        };
        for dir in dirs {
            log.add(dir)?;
        }
        let mut labels: Vec<String> = log
            .writers
            .iter()
            .map(|writer| writer.label.clone())
            .collect();
        labels.sort();
        labels.dedup();
        for entry in &mut log.entries {
            let writer = log.writers.get(entry.writer as usize);
            let label = writer.and_then(|writer| labels.binary_search(&writer.label).ok());
            entry.label = label
                .and_then(|label| u32::try_from(label).ok())
                .unwrap_or(0);
            entry.generation = writer.map_or(0, |writer| writer.generation);
        }
        log.mask();
        log.entries.sort_unstable();
        Ok(log)
    }

    /// Leaves out what later attempts mask.
    fn mask(&mut self) {
        let attempts: Vec<_> = self.writers.iter().map(WriterLog::attempt).collect();
        let left = parts(&attempts);
        for (writer, part) in self.writers.iter_mut().zip(left) {
            writer.part = part;
        }
        let writers = &self.writers;
        self.entries.retain(|entry| {
            let writer = writers.get(entry.writer as usize);
            writer.is_some_and(|writer| entry.step < writer.part.end_step)
        });
    }

    fn add(&mut self, dir: PathBuf) -> Result<()> {
        let number = u32::try_from(self.writers.len()).unwrap_or(u32::MAX);
        let mut reader = LogReader::new(&dir);
        let mut writer = WriterLog {
            writer: dir
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default()
                .to_owned(),
            live: is_live(&dir),
            start: None,
            label: String::new(),
            generation: 0,
            resumed: false,
            start_step: 0,
            part: Part {
                end_step: i64::MAX,
                is_summed: true,
            },
            records: 0,
            last: 0,
            limit: Limit {
                segment: 1,
                offset: 0,
            },
            exit_code: None,
            last_step: -1,
            preempting: false,
            walls: None,
            damage: Vec::new(),
            torn: Vec::new(),
            incomplete: Vec::new(),
            config: Vec::new(),
            summary: Summary::default(),
            dir,
        };
        let entries = &mut self.entries;
        let mut failed = None;
        let mut garbled = Vec::new();
        reader.read(None, |position, payload| {
            writer.records += 1;
            writer.last = position;
            let (segment, offset) = place(position);
            writer.limit = Limit {
                segment,
                offset: offset + crate::frame::framed_len(payload.len()),
            };
            match Record::parse(payload) {
                Ok(record) => {
                    if let Err(error) = writer.summary.apply(position, &record) {
                        failed = Some(error);
                    }
                    if let Record::History(history) = &record {
                        entries.push(Entry {
                            label: 0,
                            step: history.step,
                            generation: 0,
                            writer: number,
                            position,
                        });
                    }
                    writer.take(record);
                }
                Err(error) => garbled.push((segment, offset, error.to_string())),
            }
            failed.is_none()
        })?;
        if let Some(error) = failed {
            return Err(error);
        }
        writer.damage = reader.damage().to_vec();
        writer.torn = reader.torn().to_vec();
        writer.incomplete = reader.incomplete().to_vec();
        for (segment, offset, what) in garbled {
            let path = writer.dir.join(crate::segment::file_name(segment));
            writer.damage.push(Damage { path, offset, what });
        }
        self.writers.push(writer);
        Ok(())
    }

    /// The summary over all writers.
    #[must_use]
    pub fn summary(&self) -> Summary {
        self.summary_of(|_| true)
    }

    /// The summary over the writers of one label, and over those of all others.
    #[must_use]
    pub fn summaries(&self, label: &str) -> (Summary, Summary) {
        (
            self.summary_of(|writer| writer.label == label),
            self.summary_of(|writer| writer.label != label),
        )
    }

    fn summary_of(&self, wanted: impl Fn(&WriterLog) -> bool) -> Summary {
        let mut merged = Summary::default();
        let summed = self.writers.iter().filter(|writer| writer.part.is_summed);
        for writer in summed.filter(|writer| wanted(writer)) {
            merged.absorb(&writer.summary);
        }
        merged
    }

    /// What the rows before a step come to, of the writers of one label or of all. What was written
    /// into the summary has no step, and is left out.
    ///
    /// # Errors
    /// A file cannot be read, or a row is malformed.
    pub fn summary_before(&self, end_step: i64, label: Option<&str>) -> Result<Summary> {
        let wanted: Vec<&WriterLog> = self
            .writers
            .iter()
            .filter(|writer| label.is_none_or(|label| writer.label == label))
            .collect();
        // Only those that had gone on before that step have others behind them there.
        let attempts: Vec<_> = wanted
            .iter()
            .map(|writer| Attempt {
                resumed: writer.resumed && writer.start_step <= end_step,
                ..writer.attempt()
            })
            .collect();
        let mut merged = Summary::default();
        for ((writer, attempt), part) in wanted.iter().zip(&attempts).zip(parts(&attempts)) {
            // Of one that was gone on from, the next begins with what it had come to.
            if part.is_summed {
                let end = end_step.min(writer.part.end_step);
                let begins = attempt.resumed || !writer.resumed;
                merged.absorb(&writer.summary_before(end, begins)?);
            }
        }
        Ok(merged)
    }

    /// The config over all writers.
    #[must_use]
    pub fn config(&self) -> Vec<(String, Value)> {
        // What a later attempt says of a key replaces what an earlier one said, and of processes
        // that live at once the later word counts.
        let mut said: Vec<_> = self
            .writers
            .iter()
            .flat_map(|writer| {
                let entries = writer.config.iter();
                entries.map(|(key, (wall, value))| ((writer.generation, *wall), key, value))
            })
            .collect();
        said.sort_by_key(|(when, ..)| *when);
        let mut merged: Vec<(String, Value)> = Vec::new();
        for (_, key, value) in said {
            set(&mut merged, key.clone(), value.clone());
        }
        merged
    }

    /// The rows, one per label and step, in that order.
    #[must_use]
    pub fn rows(&self) -> Rows {
        let readers = self
            .writers
            .iter()
            .map(|writer| (LogReader::new(&writer.dir), writer.label.clone()))
            .collect();
        Rows {
            readers,
            entries: self.entries.clone(),
            next: 0,
        }
    }

    /// How many rows there are.
    #[must_use]
    pub fn row_count(&self) -> usize {
        let mut count = 0;
        let mut before = None;
        for entry in &self.entries {
            let row = Some((entry.label, entry.step));
            count += usize::from(row != before);
            before = row;
        }
        count
    }
}

fn set<T>(entries: &mut Vec<(String, T)>, key: String, value: T) {
    match entries.iter_mut().find(|(name, _)| *name == key) {
        Some((_, existing)) => *existing = value,
        None => entries.push((key, value)),
    }
}

impl WriterLog {
    /// The log as it can be uploaded.
    #[must_use]
    pub fn source(&self) -> Source {
        Source {
            dir: self.dir.clone(),
            limit: self.limit,
            last: self.last,
            is_live: self.live,
        }
    }

    fn attempt(&self) -> Attempt<'_> {
        Attempt {
            label: &self.label,
            generation: self.generation,
            resumed: self.resumed,
            start_step: self.start_step,
        }
    }

    /// The first step that is free behind what is left of it.
    #[must_use]
    pub fn next_step(&self) -> i64 {
        let next = (self.last_step + 1).max(self.start_step);
        next.min(self.part.end_step)
    }

    /// What its rows before a step come to, and what it began with, if it counts.
    fn summary_before(&self, end_step: i64, begins: bool) -> Result<Summary> {
        let mut summary = Summary::default();
        let mut failed = None;
        LogReader::new(&self.dir).read(None, |position, payload| {
            let applied = match Record::parse(payload) {
                Ok(Record::Base(mut base)) if begins => {
                    base.retain_logged();
                    summary.apply(position, &Record::Base(base))
                }
                Ok(record @ Record::Metric { .. }) => summary.apply(position, &record),
                Ok(record @ Record::History(history)) if history.step < end_step => {
                    summary.apply(position, &record)
                }
                // What does not parse was told when the folder was opened.
                _ => Ok(()),
            };
            failed = applied.err();
            failed.is_none()
        })?;
        failed.map_or(Ok(summary), Err)
    }

    fn take(&mut self, record: Record<'_>) {
        let wall = match record {
            Record::Start(identity) => {
                let label = identity.get("label").and_then(Value::as_str);
                label.unwrap_or_default().clone_into(&mut self.label);
                let generation = identity
                    .get("generation")
                    .and_then(Value::as_int)
                    .unwrap_or(0);
                self.generation = u32::try_from(generation).unwrap_or(0);
                self.resumed = identity.get("resumed") == Some(&Value::Bool(true));
                let start_step = identity.get("start_step").and_then(Value::as_int);
                self.start_step = start_step.unwrap_or(0);
                let wall = identity.get("wall_nanos").and_then(Value::as_int);
                self.start = Some(identity);
                wall
            }
            Record::Config { wall, entries } => {
                if let Value::Map(entries) = entries {
                    for (key, value) in entries {
                        set(&mut self.config, key, (wall, value));
                    }
                }
                Some(wall)
            }
            Record::History(history) => {
                self.last_step = self.last_step.max(history.step);
                Some(history.wall)
            }
            Record::Summary { wall, .. }
            | Record::Metric { wall, .. }
            | Record::File { wall, .. }
            | Record::Blob { wall, .. }
            | Record::Sample { wall, .. }
            | Record::Output { wall, .. }
            | Record::Alert { wall, .. }
            | Record::Artifact { wall, .. } => Some(wall),
            Record::Facts { wall, facts } => {
                if let (Some(Value::Map(start)), Value::Map(entries)) = (&mut self.start, facts) {
                    for (key, value) in entries {
                        set(start, key, value);
                    }
                }
                Some(wall)
            }
            Record::Preempting { wall } => {
                self.preempting = true;
                Some(wall)
            }
            Record::Exit { wall, code } => {
                self.exit_code = Some(code);
                Some(wall)
            }
            Record::Base(_) | Record::Unknown(_) => None,
        };
        if let Some(wall) = wall {
            self.walls = Some((self.walls.map_or(wall, |(first, _)| first), wall));
        }
    }
}

/// Merges records to rows, one row at a time.
#[derive(Debug)]
pub struct Rows {
    readers: Vec<(LogReader, String)>,
    entries: Vec<Entry>,
    next: usize,
}

impl Rows {
    /// The next row: values nested as logged, later ones over earlier, then `_step`, `_timestamp`,
    /// `_runtime` and, when there is one, `_label`.
    ///
    /// # Errors
    /// A file cannot be read, or a record has changed since the folder was opened.
    pub fn next_row(&mut self) -> Result<Option<Vec<(String, Value)>>> {
        let Some(first) = self.entries.get(self.next).copied() else {
            return Ok(None);
        };
        let mut row = Vec::new();
        let mut timestamp = Value::Nil;
        let mut runtime = Value::Nil;
        let mut label = String::new();
        while let Some(entry) = self.entries.get(self.next).copied() {
            if (entry.label, entry.step) != (first.label, first.step) {
                break;
            }
            self.next += 1;
            let Some((reader, name)) = self.readers.get_mut(entry.writer as usize) else {
                continue;
            };
            label.clone_from(name);
            let Some(payload) = reader.record(entry.position)? else {
                continue;
            };
            let Record::History(history) = Record::parse(&payload)? else {
                continue;
            };
            timestamp = Value::Float(seconds(history.wall));
            runtime = Value::Float(seconds(history.runtime));
            if let Value::Map(mut values) = Cursor::new(history.values).value("history values")? {
                values.retain(|(key, _)| !key.is_empty() && key != "_step" && key != "_runtime");
                if let Some(at) = values.iter().position(|(key, _)| key == "_timestamp") {
                    timestamp = values.swap_remove(at).1;
                }
                merge(&mut row, values);
            }
        }
        row.push(("_step".to_owned(), Value::Int(first.step)));
        row.push(("_timestamp".to_owned(), timestamp));
        row.push(("_runtime".to_owned(), runtime));
        if !label.is_empty() {
            row.push(("_label".to_owned(), Value::Str(label)));
        }
        Ok(Some(row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Identity;
    use crate::record;
    use crate::signal::Signal;
    use crate::wal::{Mode, SegmentSizes, Wal};
    use std::sync::Arc;

    fn write(run: &Path, writer: &str, label: &str, steps: &[(u64, i64)]) {
        let dir = run.join("wal").join(writer);
        let identity = Identity {
            run: "r".to_owned(),
            writer: writer.to_owned(),
        };
        let wal = Wal::create(
            &dir,
            identity,
            Mode::Auto,
            SegmentSizes {
                first_bytes: 4096,
                max_bytes: 8192,
                ..SegmentSizes::default()
            },
            Arc::new(Signal::default()),
        )
        .unwrap();
        let start = Value::Map(vec![("label".to_owned(), Value::Str(label.to_owned()))]);
        wal.append(&record::start(&start)).unwrap();
        for (step, value) in steps {
            let nested = Value::Map(vec![("x".to_owned(), Value::Int(*value))]);
            wal.append(&record::history(
                *step,
                2_000_000_000,
                500_000_000,
                true,
                &[("n".to_owned(), nested)],
            ))
            .unwrap();
        }
        wal.append(&record::exit(1, 3)).unwrap();
        wal.close().unwrap();
    }

    #[test]
    fn rows_are_merged_by_label_and_step_in_order() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "b", "two", &[(0, 7)]);
        write(dir.path(), "a", "one", &[(5, 1), (3, 2), (5, 3)]);
        std::fs::write(dir.path().join("wal").join("foreign"), b"x").unwrap();
        let log = RunLog::open(dir.path()).unwrap();
        assert_eq!(log.row_count(), 3);
        let mut rows = log.rows();
        let mut seen = Vec::new();
        while let Some(row) = rows.next_row().unwrap() {
            let row = Value::Map(row);
            let value = row.get("n").and_then(|nested| nested.get("x")).cloned();
            seen.push((
                row.get("_label").cloned(),
                row.get("_step").and_then(Value::as_int),
                value,
            ));
            assert_eq!(row.get("_timestamp"), Some(&Value::Float(2.0)));
            assert_eq!(row.get("_runtime"), Some(&Value::Float(0.5)));
        }
        let label = |text: &str| Some(Value::Str(text.to_owned()));
        assert_eq!(
            seen,
            [
                (label("one"), Some(3), Some(Value::Int(2))),
                (label("one"), Some(5), Some(Value::Int(3))),
                (label("two"), Some(0), Some(Value::Int(7))),
            ]
        );
        assert_eq!(log.writers[0].exit_code, Some(3));
        assert!(!log.writers[0].live);
    }

    #[test]
    fn a_folder_without_a_log_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        assert!(RunLog::open(dir.path()).is_err());
    }
}
