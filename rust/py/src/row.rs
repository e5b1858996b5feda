//! One `log` call as a history record, written over the last one of the same thread.
//!
//! A training loop logs the same keys in the same order again and again: then only the numbers
//! differ, and only they are written. Each number has nine bytes in a record for that reason.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFloat, PyInt, PyString};
use steplog_core::path::is_automatic;
use steplog_core::record::HistoryBuilder;
use steplog_core::value::{MAX_DEPTH, NUMBER_BYTES, number_float, number_int};

use crate::encode::{Losses, MapHead, Stop, write_entry_value, write_key};
use crate::error::classes::ArgumentTypeError;

/// Greatest size of what one call logs.
const MAX_ROW_BYTES: usize = 10 << 20;
/// More keys, or more bytes, are not kept for the next call.
const KEEP_KEYS: usize = 4_096;
const KEEP_BYTES: usize = 1 << 20;

/// One entry of the dict that was logged last.
struct Place {
    key: Py<PyString>,
    /// Where the entry begins, and where the text of its key does.
    start: usize,
    text: usize,
    /// Where its number stands, if its value is one.
    number: Option<usize>,
    is_kept: bool,
}

/// A record, and where its entries stand in it.
#[derive(Default)]
pub(crate) struct Row {
    bytes: Vec<u8>,
    head: MapHead,
    kept: usize,
    /// One for each entry of the last dict, or none at all.
    places: Vec<Place>,
    /// The time that the dict says, nanoseconds since the epoch.
    wall: Option<u64>,
}

/// A float or an integer within int64, as it stands in a record.
#[inline]
fn number(value: &Bound<'_, PyAny>) -> Option<[u8; NUMBER_BYTES]> {
    if let Ok(float) = value.cast::<PyFloat>() {
        return Some(number_float(float.value()));
    }
    let integer = value.cast_exact::<PyInt>().ok()?;
    integer.extract::<i64>().ok().map(number_int)
}

impl Row {
    /// The record.
    pub(crate) fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// The time of the row, where its values say it.
    pub(crate) fn wall(&self) -> Option<u64> {
        self.wall
    }

    /// Whether it is too large to be kept for the next call.
    pub(crate) fn is_large(&self) -> bool {
        self.bytes.capacity() > KEEP_BYTES
    }

    /// Encodes the values of one call. Values that cannot be stored are named in `skipped`, the rest
    /// is kept. After an error the row is unfinished, and good for another `write`.
    #[inline]
    pub(crate) fn write(
        &mut self,
        data: &Bound<'_, PyDict>,
        skipped: &mut Vec<(String, String)>,
    ) -> Result<(), Stop> {
        let len = data.len();
        self.wall = None;
        if self.places.len() != len || len == 0 {
            self.begin(len);
        }
        let mut same = self.places.len();
        for (at, (key, value)) in data.iter().enumerate() {
            if at < same {
                if self.overwrite(at, &key, &value) {
                    continue;
                }
                same = at;
                self.cut(at);
            }
            match self.append(&key, &value, skipped) {
                Ok(place) if len <= KEEP_KEYS => self.places.push(place),
                Ok(_too_many) => {}
                Err(stop) => {
                    self.places.clear();
                    return Err(stop);
                }
            }
        }
        if same < len || len == 0 {
            self.head.end(&mut self.bytes, self.kept);
        }
        Ok(())
    }

    fn begin(&mut self, len: usize) {
        self.places.clear();
        self.kept = 0;
        HistoryBuilder::begin(&mut self.bytes);
        self.head = MapHead::begin(&mut self.bytes, len);
    }

    /// Forgets the entries from `at` on.
    fn cut(&mut self, at: usize) {
        if let Some(place) = self.places.get(at) {
            self.bytes.truncate(place.start);
            self.places.truncate(at);
            self.kept = self.places.iter().filter(|place| place.is_kept).count();
        }
    }

    /// Writes a number over the one that was there; false when the entry is another one.
    #[inline]
    fn overwrite(&mut self, at: usize, key: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> bool {
        let Some(place) = self.places.get(at) else {
            return false;
        };
        let Some(stands) = place.number else {
            return false;
        };
        let is_same = key.as_ptr() == place.key.as_ptr() || {
            let text = self.bytes.get(place.text..stands);
            key.cast::<PyString>()
                .is_ok_and(|key| key.to_str().ok().map(str::as_bytes) == text)
        };
        let Some(new) = is_same.then(|| number(value)).flatten() else {
            return false;
        };
        let old = self.bytes.get_mut(stands..stands + NUMBER_BYTES);
        old.is_some_and(|old| {
            old.copy_from_slice(&new);
            true
        })
    }

    fn append(
        &mut self,
        key: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
        skipped: &mut Vec<(String, String)>,
    ) -> Result<Place, Stop> {
        let Ok(key) = key.cast::<PyString>() else {
            let name = key.get_type().name()?;
            let text = format!("log() takes a dict with str keys, got a key of type {name}");
            return Err(ArgumentTypeError::new_err(text).into());
        };
        let start = self.bytes.len();
        let mut place = Place {
            key: key.clone().unbind(),
            start,
            text: start,
            number: None,
            is_kept: false,
        };
        match self.append_entry(key, value, &mut place, skipped) {
            Ok(true) if self.bytes.len() <= MAX_ROW_BYTES => {
                place.is_kept = true;
                self.kept += 1;
                return Ok(place);
            }
            Ok(true) => skip(key, "the row is over 10 MiB".to_owned(), skipped),
            Ok(false) => {}
            Err(Stop::Skip(reason)) => skip(key, reason, skipped),
            Err(stop) => return Err(stop),
        }
        self.bytes.truncate(start);
        place.number = None;
        Ok(place)
    }

    /// False: an empty or automatic key, which is dropped.
    fn append_entry(
        &mut self,
        key: &Bound<'_, PyString>,
        value: &Bound<'_, PyAny>,
        place: &mut Place,
        skipped: &mut Vec<(String, String)>,
    ) -> Result<bool, Stop> {
        let Some(text) = write_key(key, &mut self.bytes)? else {
            return Ok(false);
        };
        if text.starts_with('_') && is_automatic(text) {
            if text == "_timestamp" {
                self.wall = Some(nanos(value)?);
            }
            return Ok(false);
        }
        let before = self.bytes.len();
        place.text = before - text.len();
        if let Some(number) = number(value) {
            place.number = Some(before);
            self.bytes.extend_from_slice(&number);
        } else {
            let is_tree = value.is_instance_of::<PyDict>();
            let losses = is_tree.then(|| Losses::new(skipped, text));
            write_entry_value(value, &mut self.bytes, MAX_DEPTH, losses)?;
        }
        Ok(true)
    }
}

/// Seconds since the epoch in nanoseconds.
fn nanos(value: &Bound<'_, PyAny>) -> Result<u64, Stop> {
    let seconds = value.extract::<f64>().unwrap_or(f64::NAN);
    let since = std::time::Duration::try_from_secs_f64(seconds);
    let nanos = since
        .ok()
        .and_then(|since| i64::try_from(since.as_nanos()).ok());
    nanos
        .map(i64::unsigned_abs)
        .ok_or_else(|| Stop::Skip("it must be seconds since the epoch".to_owned()))
}

fn skip(key: &Bound<'_, PyString>, reason: String, skipped: &mut Vec<(String, String)>) {
    skipped.push((key.to_string_lossy().into_owned(), reason));
}
