//! The summary of one writer: for each path the last value logged, and explicit writes in order.

use std::collections::{BTreeMap, BTreeSet};

use crate::aggregate::Aggregate;
use crate::error::{Error, Result};
use crate::metric::Metrics;
use crate::path;
use crate::record::{History, Record};
use crate::value::{Cursor, Value, write_array_len, write_int, write_str, write_u64_fixed};

mod leaf;

use leaf::{Leaf, Logged};

/// Version of [`Summary::to_bytes`]; version 1 had neither definitions nor aggregates, 2 no `wholes`.
const STATE: u64 = 3;

/// The record that closes the row with the greatest step: source of the automatic keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct LastRow {
    step: i64,
    position: u64,
    wall: i64,
    runtime: i64,
}

/// A writer's summary, fed record by record in log order.
///
/// Invariant: no path in `leaves` is a prefix of another.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Summary {
    leaves: BTreeMap<String, Leaf>,
    last: Option<LastRow>,
    metrics: Metrics,
    /// Keys that a mapping was written to: its members go when one below is logged.
    wholes: BTreeSet<String>,
}

impl Summary {
    /// Takes in one record; kinds that do not touch the summary change nothing.
    ///
    /// # Errors
    /// A history record's values are malformed.
    pub fn apply(&mut self, position: u64, record: &Record<'_>) -> Result<()> {
        match record {
            Record::History(history) => self.apply_history(position, history),
            Record::Summary { wall, deleted, set } => {
                for segments in deleted {
                    self.remove(&path::join(segments));
                }
                for (segments, value) in set {
                    self.set(&path::join(segments), position, *wall, value.clone());
                }
                Ok(())
            }
            Record::Metric {
                metric, overwrite, ..
            } => {
                self.metrics.define(metric, *overwrite);
                if metric.is_aggregated() {
                    self.obey_again(&metric.name);
                }
                Ok(())
            }
            Record::Base(before) => {
                self.begin_with(before);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A definition that comes after an explicit write counts for what was written, too.
    fn obey_again(&mut self, name: &str) {
        let prefix = name.strip_suffix('*').unwrap_or(name);
        let below = self.leaves.range_mut(prefix.to_owned()..);
        for (key, leaf) in below.take_while(|(key, _)| key.starts_with(prefix)) {
            let found = leaf.plain.then(|| self.metrics.find(key)).flatten();
            if found.is_some_and(|metric| metric.name == name) {
                leaf.plain = false;
            }
        }
    }

    /// Goes on from what was before: all that comes is later.
    fn begin_with(&mut self, before: &Self) {
        let mut before = before.clone();
        for leaf in before.leaves.values_mut() {
            leaf.position = 0;
        }
        if let Some(last) = &mut before.last {
            last.position = 0;
        }
        self.absorb(&before);
    }

    /// Leaves out what was written rather than logged.
    pub fn retain_logged(&mut self) {
        self.leaves.retain(|_, leaf| !leaf.explicit);
        self.wholes.clear();
    }

    /// Summaries of at most about `max_bytes` each that come to this one together.
    pub(crate) fn parts(&self, max_bytes: usize) -> Vec<Self> {
        let mut part = Self {
            last: self.last,
            metrics: self.metrics.clone(),
            leaves: BTreeMap::new(),
            wholes: self.wholes.clone(),
        };
        let (mut parts, mut bytes) = (Vec::new(), 0);
        let mut encoded = Vec::new();
        for (key, leaf) in &self.leaves {
            encoded.clear();
            leaf.write(key, &mut encoded);
            if bytes > 0 && bytes + encoded.len() > max_bytes {
                parts.push(std::mem::take(&mut part));
                bytes = 0;
            }
            bytes += encoded.len();
            part.leaves.insert(key.clone(), leaf.clone());
        }
        parts.push(part);
        parts
    }

    /// The last value of a key, whatever a definition makes of it.
    #[must_use]
    pub fn last(&self, key: &str) -> Option<&Value> {
        self.leaves.get(key).map(|leaf| &leaf.value)
    }

    /// The metric definitions.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The greatest step of a row, -1 without rows.
    pub(crate) fn last_step(&self) -> i64 {
        self.last.map_or(-1, |last| last.step)
    }

    /// Of each number of fixed width in a row that is not applied yet, what the numbers before it
    /// come to. Whoever follows the row's keys puts them back with [`Summary::check_in`].
    pub(crate) fn check_out(&mut self, history: &History<'_>) -> Result<Vec<Aggregate>> {
        let mut out = Vec::new();
        path::walk_numbers(history.values, &mut |key, value| {
            if path::is_automatic(key) {
                out.push(Aggregate::default());
                return;
            }
            self.end_whole(key);
            if let Some(leaf) = self.leaves.get_mut(key) {
                out.push(leaf.check_out(history.step, &value));
            } else {
                self.insert(key, Leaf::followed(history.step, value));
                out.push(Aggregate::default());
            }
        })?;
        Ok(out)
    }

    /// Puts back what the numbers of a row's keys have come to without that row.
    pub(crate) fn check_in(&mut self, values: &[u8], aggregates: &[Aggregate]) -> Result<()> {
        let mut aggregates = aggregates.iter();
        path::walk_numbers(values, &mut |key, _| {
            if let (Some(aggregate), Some(leaf)) = (aggregates.next(), self.leaves.get_mut(key)) {
                leaf.check_in(*aggregate);
            }
        })
    }

    fn apply_history(&mut self, position: u64, history: &History<'_>) -> Result<()> {
        let row = LastRow {
            step: history.step,
            position,
            wall: history.wall,
            runtime: history.runtime,
        };
        if self
            .last
            .is_none_or(|last| (last.step, last.position) <= (row.step, row.position))
        {
            self.last = Some(row);
        }
        let mut failed = None;
        path::walk(
            history.values,
            &mut |key, raw| match Cursor::new(raw).value("summary value") {
                Ok(Value::Nil) => {}
                Ok(value) => self.log(key, history, position, value),
                Err(error) => failed = Some(error),
            },
        )?;
        failed.map_or(Ok(()), Err)
    }

    fn log(&mut self, key: &str, history: &History<'_>, position: u64, value: Value) {
        if path::is_automatic(key) {
            return;
        }
        let logged = Logged {
            step: history.step,
            position,
            wall: history.wall,
            value,
        };
        self.end_whole(key);
        match self.leaves.get_mut(key) {
            Some(existing) => existing.log(logged),
            None => self.insert(key, Leaf::logged(logged)),
        }
    }

    /// Something logged at `key` takes the place of a mapping that was written above it.
    fn end_whole(&mut self, key: &str) {
        if self.wholes.is_empty() {
            return;
        }
        for (at, _) in key.match_indices('.') {
            if let Some(above) = key.get(..at)
                && self.wholes.contains(above)
            {
                self.remove(above);
                return;
            }
        }
    }

    fn set(&mut self, key: &str, position: u64, wall: i64, value: Value) {
        self.remove(key);
        if matches!(value, Value::Map(_)) {
            self.wholes.insert(key.to_owned());
        }
        self.set_leaves(key, position, wall, value);
    }

    /// A mapping is written leaf by leaf, so that one of its members can be written again alone.
    fn set_leaves(&mut self, key: &str, position: u64, wall: i64, value: Value) {
        match value {
            Value::Map(entries) if !entries.is_empty() && path::are_tree(&entries) => {
                for (segment, value) in entries {
                    let mut below = key.to_owned();
                    path::push_segment(&mut below, &segment);
                    self.set_leaves(&below, position, wall, value);
                }
            }
            value => self.insert(key, Leaf::written(position, wall, value)),
        }
    }

    fn insert(&mut self, key: &str, leaf: Leaf) {
        for (at, _) in key.match_indices('.') {
            if let Some(ancestor) = key.get(..at) {
                self.leaves.remove(ancestor);
            }
        }
        self.remove_below(key);
        self.leaves.insert(key.to_owned(), leaf);
    }

    fn remove(&mut self, key: &str) {
        self.leaves.remove(key);
        self.remove_below(key);
    }

    fn remove_below(&mut self, key: &str) {
        let prefix = format!("{key}.");
        if !self.wholes.is_empty() {
            self.wholes
                .retain(|whole| whole != key && !whole.starts_with(&prefix));
        }
        let below: Vec<String> = self
            .leaves
            .range(prefix.clone()..)
            .take_while(|(name, _)| name.starts_with(&prefix))
            .map(|(name, _)| name.clone())
            .collect();
        for name in below {
            self.leaves.remove(&name);
        }
    }

    /// The summary as a nested map, with `_step`, `_timestamp` and `_runtime` of the last row.
    #[must_use]
    pub fn to_map(&self) -> Vec<(String, Value)> {
        let mut tree = Vec::new();
        for (key, leaf) in &self.leaves {
            if let Some(value) = leaf.shown(self.metrics.find(key)) {
                path::push_in_order(&mut tree, &path::split(key), value);
            }
        }
        if let Some(last) = self.last {
            tree.push(("_step".to_owned(), Value::Int(last.step)));
            tree.push(("_timestamp".to_owned(), Value::Float(seconds(last.wall))));
            tree.push(("_runtime".to_owned(), Value::Float(seconds(last.runtime))));
        }
        tree
    }

    /// Takes in another writer's summary: of two values for a path the later one stays, by step for
    /// logged values, by wall clock when one of them was written explicitly or the steps are equal.
    /// Aggregates and definitions are those of both.
    pub fn absorb(&mut self, other: &Self) {
        self.metrics.absorb(&other.metrics);
        self.wholes.extend(other.wholes.iter().cloned());
        for (key, leaf) in &other.leaves {
            match self.leaves.get_mut(key) {
                Some(existing) => existing.absorb(leaf),
                None => self.insert(key, leaf.clone()),
            }
        }
        if other.last.map(|last| (last.step, last.wall))
            > self.last.map(|last| (last.step, last.wall))
        {
            self.last = other.last;
        }
    }

    /// The state as bytes, for a store that goes on later.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        write_array_len(&mut out, 5);
        write_u64_fixed(&mut out, STATE);
        match self.last {
            Some(last) => {
                write_array_len(&mut out, 4);
                write_int(&mut out, last.step);
                write_u64_fixed(&mut out, last.position);
                write_int(&mut out, last.wall);
                write_int(&mut out, last.runtime);
            }
            None => write_array_len(&mut out, 0),
        }
        write_array_len(&mut out, self.leaves.len());
        for (key, leaf) in &self.leaves {
            leaf.write(key, &mut out);
        }
        self.metrics.to_value().write(&mut out);
        write_array_len(&mut out, self.wholes.len());
        for key in &self.wholes {
            write_str(&mut out, key);
        }
        out
    }

    /// Reads [`Summary::to_bytes`]; no bytes at all are an empty summary.
    ///
    /// # Errors
    /// The bytes are not such a state.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let mut summary = Self::default();
        if bytes.is_empty() {
            return Ok(summary);
        }
        let mut cursor = Cursor::new(bytes);
        let (len, state) = (
            cursor.array_len("summary state")?,
            cursor.u64("summary state")?,
        );
        if !matches!((len, state), (5, STATE) | (4, 2) | (3, 1)) {
            return Err(Error::Malformed {
                what: "summary state",
                at: 0,
            });
        }
        if cursor.array_len("summary row")? == 4 {
            summary.last = Some(LastRow {
                step: cursor.i64("summary step")?,
                position: cursor.u64("summary position")?,
                wall: cursor.i64("summary time")?,
                runtime: cursor.i64("summary runtime")?,
            });
        }
        for _ in 0..cursor.array_len("summary leaves")? {
            let (key, leaf) = Leaf::read(&mut cursor)?;
            summary.leaves.insert(key, leaf);
        }
        if state > 1 {
            summary.metrics = Metrics::read(&mut cursor)?;
        }
        if state == STATE {
            for _ in 0..cursor.array_len("summary keys")? {
                summary.wholes.insert(cursor.str("summary key")?.to_owned());
            }
        }
        Ok(summary)
    }
}

/// Nanoseconds as float seconds, the form of `_timestamp` and `_runtime`.
#[must_use]
pub fn seconds(nanos: i64) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a float64 second keeps 0.2 µs until 2100"
    )]
    let seconds = nanos as f64 / 1e9;
    seconds
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record;

    fn log(summary: &mut Summary, position: u64, step: u64, values: &[(&str, Value)]) {
        let values: Vec<_> = values
            .iter()
            .map(|(k, v)| ((*k).to_owned(), v.clone()))
            .collect();
        let bytes = record::history(step, 5_000_000_000, 1_000_000_000, true, &values);
        summary
            .apply(position, &Record::parse(&bytes).unwrap())
            .unwrap();
    }

    fn set(summary: &mut Summary, position: u64, path: &[&str], value: Value) {
        let path: Vec<String> = path.iter().map(|segment| (*segment).to_owned()).collect();
        let record = Record::Summary {
            wall: 6,
            deleted: Vec::new(),
            set: vec![(path, value)],
        };
        summary.apply(position, &record).unwrap();
    }

    fn get(summary: &Summary, key: &str) -> Option<Value> {
        Value::Map(summary.to_map()).get(key).cloned()
    }

    #[test]
    fn last_step_wins_and_none_changes_nothing() {
        let mut summary = Summary::default();
        log(&mut summary, 8, 5, &[("a", Value::Int(1))]);
        log(
            &mut summary,
            16,
            3,
            &[("a", Value::Int(2)), ("b", Value::Int(3))],
        );
        log(&mut summary, 24, 6, &[("a", Value::Nil)]);
        assert_eq!(get(&summary, "a"), Some(Value::Int(1)));
        assert_eq!(get(&summary, "b"), Some(Value::Int(3)));
        assert_eq!(get(&summary, "_step"), Some(Value::Int(6)));
        assert_eq!(get(&summary, "_timestamp"), Some(Value::Float(5.0)));
    }

    #[test]
    fn explicit_writes_and_logged_values_follow_the_log() {
        let mut summary = Summary::default();
        log(&mut summary, 8, 9, &[("best", Value::Int(1))]);
        set(&mut summary, 16, &["best"], Value::Int(7));
        assert_eq!(get(&summary, "best"), Some(Value::Int(7)));
        log(&mut summary, 24, 9, &[("best", Value::Int(2))]);
        assert_eq!(get(&summary, "best"), Some(Value::Int(2)));
        summary
            .apply(
                32,
                &Record::Summary {
                    wall: 1,
                    deleted: vec![vec!["best".to_owned()]],
                    set: Vec::new(),
                },
            )
            .unwrap();
        assert_eq!(get(&summary, "best"), None);
    }

    #[test]
    fn leaves_and_subtrees_replace_each_other() {
        let mut summary = Summary::default();
        let nested = Value::Map(vec![
            ("c".to_owned(), Value::Int(2)),
            ("d".to_owned(), Value::Int(3)),
        ]);
        log(&mut summary, 8, 0, &[("a", nested)]);
        set(&mut summary, 16, &["a", "c"], Value::Int(9));
        let expected = vec![
            ("c".to_owned(), Value::Int(9)),
            ("d".to_owned(), Value::Int(3)),
        ];
        assert_eq!(get(&summary, "a"), Some(Value::Map(expected)));
        log(&mut summary, 24, 1, &[("a", Value::Int(4))]);
        assert_eq!(get(&summary, "a"), Some(Value::Int(4)));
    }

    #[test]
    fn a_logged_tree_replaces_a_mapping_that_was_written() {
        let mapping = || {
            Value::Map(vec![
                ("c".to_owned(), Value::Int(1)),
                ("d".to_owned(), Value::Int(2)),
            ])
        };
        let logged = || Value::Map(vec![("c".to_owned(), Value::Int(5))]);
        let mut summary = Summary::default();
        set(&mut summary, 8, &["a"], mapping());
        set(&mut summary, 16, &["a", "e"], Value::Int(3));
        let mut summary = Summary::from_bytes(&summary.to_bytes()).unwrap();
        log(&mut summary, 24, 0, &[("a", logged())]);
        assert_eq!(get(&summary, "a"), Some(logged()));
        // What was logged merges again.
        log(
            &mut summary,
            32,
            1,
            &[("a", Value::Map(vec![("d".to_owned(), Value::Int(6))]))],
        );
        let both = vec![
            ("c".to_owned(), Value::Int(5)),
            ("d".to_owned(), Value::Int(6)),
        ];
        assert_eq!(get(&summary, "a"), Some(Value::Map(both)));
        // A later write of something else leaves nothing to be replaced.
        set(&mut summary, 40, &["a"], mapping());
        set(&mut summary, 48, &["a"], Value::Int(1));
        set(&mut summary, 56, &["a", "d"], Value::Int(2));
        log(&mut summary, 64, 2, &[("a", logged())]);
        let both = vec![
            ("c".to_owned(), Value::Int(5)),
            ("d".to_owned(), Value::Int(2)),
        ];
        assert_eq!(get(&summary, "a"), Some(Value::Map(both)));
    }

    #[test]
    fn state_comes_back_and_goes_on() {
        let mut summary = Summary::default();
        log(
            &mut summary,
            8,
            0,
            &[
                ("a", Value::Float(f64::INFINITY)),
                ("t", Value::Str("x".to_owned())),
            ],
        );
        set(&mut summary, 16, &["b.c"], Value::List(vec![Value::Int(1)]));
        let back = Summary::from_bytes(&summary.to_bytes()).unwrap();
        assert_eq!(back, summary);
        assert_eq!(Summary::from_bytes(b"").unwrap(), Summary::default());
        assert!(Summary::from_bytes(b"junk").is_err());
    }

    #[test]
    fn writers_merge_by_step_then_time() {
        let (mut one, mut two) = (Summary::default(), Summary::default());
        log(
            &mut one,
            8,
            10,
            &[("a", Value::Int(1)), ("x", Value::Int(1))],
        );
        log(&mut two, 8, 11, &[("a", Value::Int(2))]);
        for (mut first, second) in [(one.clone(), &two), (two.clone(), &one)] {
            first.absorb(second);
            assert_eq!(get(&first, "a"), Some(Value::Int(2)));
            assert_eq!(get(&first, "x"), Some(Value::Int(1)));
            assert_eq!(get(&first, "_step"), Some(Value::Int(11)));
        }
    }
}
