//! `step_sync`: a row that has a metric and lacks its step metric is given the latest value of that,
//! 0 before there is one.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::error::Result;
use crate::metric::{Metric, Metrics};
use crate::path;
use crate::record;
use crate::value::{Cursor, Value};

/// A history record's head.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head {
    pub(crate) step: u64,
    pub(crate) commit: bool,
    pub(crate) wall: u64,
    pub(crate) runtime: u64,
}

/// Nil in msgpack.
const NIL: &[u8] = &[0xc0];

/// The row that is not closed yet.
#[derive(Debug)]
struct Open {
    head: Head,
    needed: BTreeSet<Arc<str>>,
    present: BTreeSet<Arc<str>>,
}

/// The definitions, the latest values of step metrics, and what the open row has and needs.
#[derive(Debug, Default)]
pub(crate) struct Synced {
    metrics: Metrics,
    /// For each key seen, its step metric; forgotten with every definition.
    step_metrics: HashMap<String, Option<Arc<str>>>,
    latest: HashMap<Arc<str>, Value>,
    open: Option<Open>,
    /// Rows before this step are closed.
    next: u64,
}

impl Synced {
    /// Takes in a definition. `latest` gives the last value of a key that was logged before.
    pub(crate) fn define(
        &mut self,
        metric: &Metric,
        overwrite: bool,
        latest: impl Fn(&str) -> Option<Value>,
    ) {
        self.metrics.define(metric, overwrite);
        self.step_metrics.clear();
        if let (true, Some(name)) = (metric.step_sync, &metric.step_metric) {
            let name = Arc::<str>::from(name.as_str());
            let value = latest(&name).unwrap_or(Value::Int(0));
            self.latest.entry(name).or_insert(value);
        }
    }

    /// Whether any row may need a value.
    pub(crate) fn is_wanted(&self) -> bool {
        !self.latest.is_empty()
    }

    /// Follows a row that is in the log; the records to append are put into `fills`. `late` has the
    /// keys of its values that are not ready yet.
    ///
    /// # Errors
    /// The values are malformed.
    pub(crate) fn take(
        &mut self,
        head: Head,
        values: &[u8],
        late: Option<&[u8]>,
        fills: &mut Vec<Vec<u8>>,
    ) -> Result<()> {
        if head.step < self.next {
            return Ok(()); // a late step: its row has been closed, and has what it needs
        }
        if self
            .open
            .as_ref()
            .is_some_and(|open| open.head.step != head.step)
        {
            self.close(fills);
        }
        let mut open = self.open.take().unwrap_or(Open {
            head,
            needed: BTreeSet::new(),
            present: BTreeSet::new(),
        });
        open.head = head;
        path::walk(values, &mut |key, raw| self.see(key, raw, &mut open))?;
        if let Some(late) = late {
            // Of a step metric that is late the row has no value yet, and needs none.
            path::walk(late, &mut |key, _| self.see(key, NIL, &mut open))?;
        }
        self.open = Some(open);
        if head.commit {
            self.close(fills);
        }
        Ok(())
    }

    fn see(&mut self, key: &str, raw: &[u8], open: &mut Open) {
        if let Some((name, latest)) = self.latest.get_key_value(key) {
            open.present.insert(Arc::clone(name));
            match Cursor::new(raw).value("step metric") {
                Ok(value) if value != Value::Nil && value != *latest => {
                    self.latest.insert(Arc::clone(name), value);
                }
                _ => {}
            }
        }
        if let Some(known) = self.step_metrics.get(key) {
            open.needed.extend(known.clone());
            return;
        }
        let metric = self.metrics.find(key).filter(|metric| metric.step_sync);
        let name = metric.and_then(|metric| metric.step_metric.as_deref());
        let name = name.filter(|name| *name != key).map(Arc::<str>::from);
        open.needed.extend(name.clone());
        self.step_metrics.insert(key.to_owned(), name);
    }

    /// The open row is complete, but for what this appends.
    pub(crate) fn close(&mut self, fills: &mut Vec<Vec<u8>>) {
        let Some(open) = self.open.take() else {
            return;
        };
        self.next = open.head.step + 1;
        let mut tree = Vec::new();
        for name in open.needed.difference(&open.present) {
            let latest = self.latest.get(name).cloned().unwrap_or(Value::Int(0));
            path::push_in_order(&mut tree, &path::split(name), latest);
        }
        if !tree.is_empty() {
            let Head {
                step,
                wall,
                runtime,
                ..
            } = open.head;
            fills.push(record::history(step, wall, runtime, true, &tree));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Record;

    fn metric(name: &str, step_metric: &str) -> Metric {
        Metric {
            name: name.to_owned(),
            step_metric: Some(step_metric.to_owned()),
            step_sync: true,
            ..Metric::default()
        }
    }

    fn take(synced: &mut Synced, step: u64, commit: bool, keys: &[(&str, i64)]) -> Vec<(i64, i64)> {
        let head = Head {
            step,
            commit,
            wall: 1,
            runtime: 2,
        };
        let mut tree = Vec::new();
        for (key, value) in keys {
            path::push_in_order(&mut tree, &path::split(key), Value::Int(*value));
        }
        let mut values = Vec::new();
        Value::Map(tree).write(&mut values);
        let mut fills = Vec::new();
        synced.take(head, &values, None, &mut fills).unwrap();
        fills.iter().map(|fill| filled(fill)).collect()
    }

    /// The step of a fill, and the value of `n.epoch` in it.
    fn filled(fill: &[u8]) -> (i64, i64) {
        let Record::History(history) = Record::parse(fill).unwrap() else {
            panic!("not history");
        };
        let values = Cursor::new(history.values).value("values").unwrap();
        let epoch = values.get("n").and_then(|n| n.get("epoch"));
        (history.step, epoch.and_then(Value::as_int).unwrap())
    }

    #[test]
    fn rows_are_given_the_latest_value_when_they_close() {
        let mut synced = Synced::default();
        assert!(!synced.is_wanted());
        synced.define(&metric("train/*", "n.epoch"), false, |_| None);
        assert!(synced.is_wanted());
        assert_eq!(take(&mut synced, 0, true, &[("train/x", 1)]), [(0, 0)]);
        assert_eq!(
            take(&mut synced, 1, true, &[("n.epoch", 7), ("train/x", 1)]),
            []
        );
        assert_eq!(take(&mut synced, 2, true, &[("other", 1)]), []);
        assert_eq!(take(&mut synced, 3, false, &[("train/x", 1)]), []);
        assert_eq!(take(&mut synced, 3, false, &[("train/y", 1)]), []);
        assert_eq!(take(&mut synced, 9, false, &[("train/y", 1)]), [(3, 7)]);
        assert_eq!(take(&mut synced, 9, true, &[("n.epoch", 8)]), []);
        assert_eq!(
            take(&mut synced, 4, true, &[("train/y", 1)]),
            [],
            "a late step"
        );
    }

    #[test]
    fn what_was_logged_before_the_definition_counts() {
        let mut synced = Synced::default();
        synced.define(&metric("a", "n.epoch"), false, |key| {
            (key == "n.epoch").then_some(Value::Int(5))
        });
        assert_eq!(take(&mut synced, 0, true, &[("a", 1)]), [(0, 5)]);
    }
}
