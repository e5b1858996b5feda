//! One key of a summary.

use crate::aggregate::Aggregate;
use crate::error::{Error, Result};
use crate::metric::{Kept, Metric};
use crate::value::{Cursor, Value, write_array_len, write_int, write_str, write_u64_fixed};

/// Items of a leaf in a state: those of version 1, and all.
const OLD_ITEMS: usize = 6;
const ITEMS: usize = 9;
const EXPLICIT: i64 = 1;
const PENDING: i64 = 1 << 1;
const PLAIN: i64 = 1 << 2;

/// A value, with what decides whether a later one replaces it, and what all values before come to.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Leaf {
    /// Step of the history record, or -1 for an explicit write.
    pub(super) step: i64,
    /// Log position of the record.
    pub(super) position: u64,
    /// Wall clock of the record; orders explicit writes of different writers.
    pub(super) wall: i64,
    /// Written through `run.summary` rather than logged.
    pub(super) explicit: bool,
    pub(super) value: Value,
    /// An explicit write has ended what a definition says: the last value is shown.
    pub(super) plain: bool,
    /// The value is a logged one that `aggregate` does not hold yet: its row may replace it.
    pending: bool,
    aggregate: Aggregate,
    /// Step and value of the first value logged.
    first: Option<(i64, Value)>,
}

/// A logged value and where it stands.
#[derive(Debug)]
pub(super) struct Logged {
    pub(super) step: i64,
    pub(super) position: u64,
    pub(super) wall: i64,
    pub(super) value: Value,
}

impl Leaf {
    pub(super) fn logged(logged: Logged) -> Self {
        Self {
            step: logged.step,
            position: logged.position,
            wall: logged.wall,
            explicit: false,
            plain: false,
            pending: true,
            aggregate: Aggregate::default(),
            first: Some((logged.step, logged.value.clone())),
            value: logged.value,
        }
    }

    pub(super) fn written(position: u64, wall: i64, value: Value) -> Self {
        Self {
            step: -1,
            position,
            wall,
            explicit: true,
            value,
            plain: true,
            pending: false,
            aggregate: Aggregate::default(),
            first: None,
        }
    }

    /// Whether a value logged at (`step`, `position`) replaces this one. Within one writer the log
    /// position orders an explicit write against everything else.
    fn yields_to(&self, step: i64, position: u64) -> bool {
        if self.explicit {
            position > self.position
        } else {
            (step, position) >= (self.step, self.position)
        }
    }

    /// Takes in a logged value.
    pub(super) fn log(&mut self, logged: Logged) {
        self.see_first(logged.step, &logged.value);
        if self.yields_to(logged.step, logged.position) {
            self.settle(logged.step);
            self.pending = true;
            self.explicit = false;
            (self.step, self.position) = (logged.step, logged.position);
            (self.wall, self.value) = (logged.wall, logged.value);
        } else {
            // A late value: whether it replaces an earlier one of its row is not known any more.
            self.aggregate.add(&logged.value);
        }
    }

    fn see_first(&mut self, step: i64, value: &Value) {
        if self.first.as_ref().is_none_or(|(first, _)| step <= *first) {
            self.first = Some((step, value.clone()));
        }
    }

    /// The next value is one of `step`: the present one counts, unless it is of the same row.
    fn settle(&mut self, step: i64) {
        if std::mem::take(&mut self.pending) && step > self.step {
            self.aggregate.add(&self.value);
        }
    }

    /// What the numbers before a row come to, which has `value` at `step`; [`Leaf::check_in`] puts
    /// it back.
    pub(super) fn check_out(&mut self, step: i64, value: &Value) -> Aggregate {
        self.settle(step);
        self.see_first(step, value);
        self.aggregate
    }

    /// Puts back what [`Leaf::check_out`] gave, and what came after.
    pub(super) fn check_in(&mut self, aggregate: Aggregate) {
        self.aggregate = aggregate;
    }

    /// A leaf that has been followed elsewhere from its first value on.
    pub(super) fn followed(step: i64, value: Value) -> Self {
        Self {
            step: -1,
            position: 0,
            wall: 0,
            explicit: false,
            plain: false,
            pending: false,
            aggregate: Aggregate::default(),
            first: Some((step, value.clone())),
            value,
        }
    }

    /// What the summary shows: the last value, or what a definition keeps; None: nothing.
    pub(super) fn shown(&self, metric: Option<&Metric>) -> Option<Value> {
        let Some(metric) = metric.filter(|_| !self.plain) else {
            return Some(self.value.clone());
        };
        if metric.none {
            return None;
        }
        if !metric.is_aggregated() {
            return Some(self.value.clone());
        }
        let mut all = self.aggregate;
        if self.pending {
            all.add(&self.value);
        }
        let mut entries = Vec::new();
        for (name, kept) in metric.kept() {
            let value = match kept {
                Kept::Min => all.min(),
                Kept::Max => all.max(),
                Kept::Mean => all.mean(),
                Kept::First => self.first.as_ref().map(|(_, value)| value.clone()),
                Kept::Last => Some(self.value.clone()),
            };
            entries.extend(value.map(|value| (name.to_owned(), value)));
        }
        if all.nan() > 0 {
            entries.push(("nan".to_owned(), Value::Int(all.nan())));
        }
        // What is no number has no extremes: then the last value is better than nothing.
        Some(if entries.is_empty() {
            self.value.clone()
        } else {
            Value::Map(entries)
        })
    }

    /// Takes in another writer's leaf of the same key: of two values the later one stays, by step
    /// for logged values, by wall clock when one was written explicitly or the steps are equal.
    pub(super) fn absorb(&mut self, other: &Self) {
        let stays = if self.explicit || other.explicit {
            self.wall > other.wall
        } else {
            (self.step, self.wall) > (other.step, other.wall)
        };
        let mut settled = other.clone();
        settled.settle(i64::MAX);
        self.settle(i64::MAX);
        if !stays {
            // Both values are in the aggregate from here on.
            (self.step, self.position, self.wall) = (other.step, other.position, other.wall);
            (self.explicit, self.value) = (other.explicit, other.value.clone());
        }
        self.plain |= other.plain;
        self.aggregate.absorb(&settled.aggregate);
        let earlier = match (&self.first, &other.first) {
            (Some((mine, _)), Some((theirs, _))) => theirs < mine,
            (None, Some(_)) => true,
            _ => false,
        };
        if earlier {
            self.first.clone_from(&other.first);
        }
    }

    pub(super) fn write(&self, key: &str, out: &mut Vec<u8>) {
        write_array_len(out, ITEMS);
        write_str(out, key);
        write_int(out, self.step);
        write_u64_fixed(out, self.position);
        write_int(out, self.wall);
        let flags = [
            (self.explicit, EXPLICIT),
            (self.pending, PENDING),
            (self.plain, PLAIN),
        ];
        let set = flags.iter().filter(|(is_set, _)| *is_set);
        write_int(out, set.map(|(_, flag)| flag).sum());
        self.value.write(out);
        self.aggregate.write(out);
        let nothing = (-1, Value::Nil);
        let (step, value) = self.first.as_ref().unwrap_or(&nothing);
        write_int(out, *step);
        value.write(out);
    }

    /// Reads [`Leaf::write`], or what version 1 wrote, which has no aggregates.
    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<(String, Self)> {
        let items = cursor.array_len("summary leaf")?;
        if items != ITEMS && items != OLD_ITEMS {
            return Err(Error::Malformed {
                what: "summary leaf",
                at: cursor.at(),
            });
        }
        let key = cursor.str("summary key")?.to_owned();
        let (step, position) = (cursor.i64("summary step")?, cursor.u64("summary position")?);
        let wall = cursor.i64("summary time")?;
        if items == OLD_ITEMS {
            let explicit = cursor.bool("summary kind")?;
            let value = cursor.value("summary value")?;
            let logged = Logged {
                step,
                position,
                wall,
                value,
            };
            return Ok(if explicit {
                (key, Self::written(position, wall, logged.value))
            } else {
                (key, Self::logged(logged))
            });
        }
        let flags = cursor.i64("summary kind")?;
        let value = cursor.value("summary value")?;
        let aggregate = Aggregate::read(cursor)?;
        let first = (cursor.i64("first step")?, cursor.value("first value")?);
        let leaf = Self {
            step,
            position,
            wall,
            explicit: flags & EXPLICIT != 0,
            value,
            plain: flags & PLAIN != 0,
            pending: flags & PENDING != 0,
            aggregate,
            first: (first.0 >= 0).then_some(first),
        };
        Ok((key, leaf))
    }
}
