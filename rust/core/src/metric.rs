//! Metric definitions: what `define_metric` says of a key, or of all keys with a prefix.

use crate::error::{Error, Result};
use crate::value::{Cursor, Value};

/// What the summary keeps of a key, in the order in which it shows them.
pub const KEEPS: [&str; 6] = ["min", "max", "mean", "best", "first", "last"];
const MIN: u8 = 1;
const MAX: u8 = 1 << 1;
const MEAN: u8 = 1 << 2;
const BEST: u8 = 1 << 3;
const FIRST: u8 = 1 << 4;
const LAST: u8 = 1 << 5;

/// One definition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metric {
    /// A key, segments escaped and joined; with `*` at its end every key that begins so.
    pub name: String,
    /// The key that is the x axis of this one.
    pub step_metric: Option<String>,
    /// Whether a row without `step_metric` is given its latest value.
    pub step_sync: bool,
    /// Whether the page shows no chart of it.
    pub hidden: bool,
    /// Whether the summary leaves it out.
    pub none: bool,
    /// Whether the greatest value is the best one.
    pub maximize: Option<bool>,
    /// Bits of [`KEEPS`]; without any the summary has the last value itself.
    pub(crate) keeps: u8,
}

impl Metric {
    /// Reads a definition.
    ///
    /// # Errors
    /// It is not one.
    pub fn from_value(value: &Value) -> Result<Self> {
        let malformed = |what| Error::Malformed { what, at: 0 };
        let flag = |name| match value.get(name) {
            None | Some(Value::Nil | Value::Bool(false)) => Ok(false),
            Some(Value::Bool(true)) => Ok(true),
            Some(_) => Err(malformed("metric: a flag")),
        };
        let name = value.get("name").and_then(Value::as_str);
        let name = name.ok_or(malformed("metric: its name"))?;
        let mut metric = Self {
            name: name.to_owned(),
            step_metric: value
                .get("step_metric")
                .and_then(Value::as_str)
                .map(str::to_owned),
            step_sync: flag("step_sync")?,
            hidden: flag("hidden")?,
            maximize: match value.get("goal").and_then(Value::as_str) {
                None => None,
                Some("minimize") => Some(false),
                Some("maximize") => Some(true),
                Some(_) => return Err(malformed("metric: its goal")),
            },
            ..Self::default()
        };
        match value.get("summary") {
            None | Some(Value::Nil) => {}
            Some(Value::List(kept)) => {
                for one in kept {
                    let one = one.as_str().ok_or(malformed("metric: its summary"))?;
                    if one == "none" {
                        metric.none = true;
                        continue;
                    }
                    let bit = KEEPS.iter().position(|keep| *keep == one);
                    metric.keeps |= 1 << bit.ok_or(malformed("metric: its summary"))?;
                }
            }
            Some(_) => return Err(malformed("metric: its summary")),
        }
        Ok(metric)
    }

    /// The definition as [`Metric::from_value`] reads it.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let text = |text: &str| Value::Str(text.to_owned());
        let mut summary: Vec<Value> = KEEPS
            .iter()
            .enumerate()
            .filter(|(bit, _)| self.keeps & (1 << bit) != 0)
            .map(|(_, keep)| text(keep))
            .collect();
        if self.none {
            summary.push(text("none"));
        }
        let goal = self.maximize.map_or(Value::Nil, |maximize| {
            text(if maximize { "maximize" } else { "minimize" })
        });
        let entries = [
            ("name", text(&self.name)),
            (
                "step_metric",
                self.step_metric.as_deref().map_or(Value::Nil, text),
            ),
            ("step_sync", Value::Bool(self.step_sync)),
            ("hidden", Value::Bool(self.hidden)),
            ("summary", Value::List(summary)),
            ("goal", goal),
        ];
        Value::Map(entries.map(|(key, value)| (key.to_owned(), value)).into())
    }

    /// Takes in a later definition of the same name: flags are only switched on, a summary ends an
    /// earlier `none`, the rest replaces what was there.
    fn add(&mut self, later: &Self) {
        if later.step_metric.is_some() {
            self.step_metric.clone_from(&later.step_metric);
        }
        self.step_sync |= later.step_sync;
        self.hidden |= later.hidden;
        self.none = later.none || (self.none && later.keeps == 0);
        self.keeps |= later.keeps;
        self.maximize = later.maximize.or(self.maximize);
    }

    fn fits(&self, key: &str) -> bool {
        self.name
            .strip_suffix('*')
            .is_some_and(|prefix| key.starts_with(prefix) && !key.starts_with('_'))
    }

    /// Whether the summary shows an object of what it keeps, rather than the last value.
    #[must_use]
    pub fn is_aggregated(&self) -> bool {
        self.keeps != 0
    }

    /// Of `KEEPS` those that the summary has; `best` is the smallest unless the goal is to maximize.
    pub(crate) fn kept(&self) -> impl Iterator<Item = (&'static str, Kept)> {
        let best = if self.maximize == Some(true) {
            Kept::Max
        } else {
            Kept::Min
        };
        let all = [
            (MIN, Kept::Min),
            (MAX, Kept::Max),
            (MEAN, Kept::Mean),
            (BEST, best),
            (FIRST, Kept::First),
            (LAST, Kept::Last),
        ];
        let keeps = self.keeps;
        let named = KEEPS.into_iter().zip(all);
        named.filter_map(move |(name, (bit, kept))| (keeps & bit != 0).then_some((name, kept)))
    }
}

/// One of the things that a summary keeps of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    /// The smallest number.
    Min,
    /// The greatest number.
    Max,
    /// The mean of the numbers.
    Mean,
    /// The value of the smallest step.
    First,
    /// The value of the greatest step.
    Last,
}

/// The definitions of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metrics {
    all: Vec<Metric>,
}

impl Metrics {
    /// Adds a definition to an earlier one of the same name, or puts it in its place.
    pub fn define(&mut self, metric: &Metric, overwrite: bool) {
        match self.all.iter_mut().find(|one| one.name == metric.name) {
            Some(found) if overwrite => found.clone_from(metric),
            Some(found) => found.add(metric),
            None => self.all.push(metric.clone()),
        }
    }

    /// The definition of a key: its own, else that with the longest prefix.
    #[must_use]
    pub fn find(&self, key: &str) -> Option<&Metric> {
        let own = self.all.iter().find(|metric| metric.name == key);
        own.or_else(|| {
            let fitting = self.all.iter().filter(|metric| metric.fits(key));
            fitting.max_by_key(|metric| metric.name.len())
        })
    }

    /// Every definition, in the order in which they were made.
    pub fn iter(&self) -> impl Iterator<Item = &Metric> {
        self.all.iter()
    }

    /// Takes in the definitions of another writer.
    pub(crate) fn absorb(&mut self, other: &Self) {
        for metric in &other.all {
            self.define(metric, false);
        }
    }

    /// All of them, each as [`Metric::to_value`].
    #[must_use]
    pub fn to_value(&self) -> Value {
        Value::List(self.all.iter().map(Metric::to_value).collect())
    }

    pub(crate) fn read(cursor: &mut Cursor<'_>) -> Result<Self> {
        let mut metrics = Self::default();
        for _ in 0..cursor.array_len("metrics")? {
            metrics
                .all
                .push(Metric::from_value(&cursor.value("metric")?)?);
        }
        Ok(metrics)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric(name: &str, summary: &[&str]) -> Metric {
        let summary = summary.iter().map(|one| Value::Str((*one).to_owned()));
        let entries = [
            ("name", Value::Str(name.to_owned())),
            ("summary", Value::List(summary.collect())),
        ];
        let entries = entries.map(|(key, value)| (key.to_owned(), value));
        Metric::from_value(&Value::Map(entries.into())).unwrap()
    }

    fn names(metrics: &Metrics, key: &str) -> Vec<&'static str> {
        let found = metrics.find(key).unwrap();
        found.kept().map(|(name, _)| name).collect()
    }

    #[test]
    fn definitions_add_up_as_in_the_reference() {
        let mut metrics = Metrics::default();
        metrics.define(&metric("a", &["max"]), false);
        metrics.define(&metric("a", &["none"]), false);
        assert!(metrics.find("a").unwrap().none);
        metrics.define(&metric("a", &["min"]), false);
        assert!(!metrics.find("a").unwrap().none);
        assert_eq!(names(&metrics, "a"), ["min", "max"]);
        metrics.define(&metric("a", &["last"]), true);
        assert_eq!(names(&metrics, "a"), ["last"]);
    }

    #[test]
    fn an_own_definition_wins_over_the_longest_prefix() {
        let mut metrics = Metrics::default();
        metrics.define(&metric("*", &["first"]), false);
        metrics.define(&metric("train/*", &["max"]), false);
        metrics.define(&metric("train/loss", &["min"]), false);
        assert_eq!(names(&metrics, "train/loss"), ["min"]);
        assert_eq!(names(&metrics, "train/acc"), ["max"]);
        assert_eq!(names(&metrics, "val"), ["first"]);
        assert!(metrics.find("_hidden").is_none());
    }

    #[test]
    fn it_comes_back_and_garbage_is_refused() {
        let full = Value::Map(
            [
                ("name", Value::Str("a".to_owned())),
                ("step_metric", Value::Str("epoch".to_owned())),
                ("step_sync", Value::Bool(true)),
                ("hidden", Value::Bool(true)),
                (
                    "summary",
                    Value::List(vec![
                        Value::Str("best".to_owned()),
                        Value::Str("none".to_owned()),
                    ]),
                ),
                ("goal", Value::Str("maximize".to_owned())),
            ]
            .map(|(key, value)| (key.to_owned(), value))
            .into(),
        );
        assert_eq!(Metric::from_value(&full).unwrap().to_value(), full);
        for (key, value) in [
            ("name", Value::Int(1)),
            ("goal", Value::Str("up".to_owned())),
        ] {
            let garbage = Value::Map(vec![(key.to_owned(), value)]);
            assert!(Metric::from_value(&garbage).is_err());
        }
    }
}
