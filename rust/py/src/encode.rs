//! Python objects as msgpack: the types that need no conversion. Everything else is told apart and
//! left to `steplog._values`.

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use steplog_core::value::{
    self, MAX_DEPTH, MAX_DIGITS, write_array_len, write_big_integer, write_bool, write_float,
    write_int, write_nil, write_str,
};

use crate::error::classes::ArgumentTypeError;

/// Greatest length of a key in bytes.
const MAX_KEY_BYTES: usize = 1_024;
/// Greatest size of one value.
const MAX_VALUE_BYTES: usize = 1 << 20;

/// Why a value is not encoded here.
pub(crate) enum Stop {
    /// It is of a type that Python must convert first.
    Convert,
    /// It cannot be stored; the reason, for people.
    Skip(String),
    /// The caller's mistake.
    Error(PyErr),
}

impl From<PyErr> for Stop {
    fn from(error: PyErr) -> Self {
        Self::Error(error)
    }
}

/// Where values of nested dicts that cannot be stored are told of: they cost only themselves.
pub(crate) struct Losses<'a> {
    skipped: &'a mut Vec<(String, String)>,
    /// The keys down to the present dict, joined by dots.
    path: String,
}

impl<'a> Losses<'a> {
    pub(crate) fn new(skipped: &'a mut Vec<(String, String)>, key: &str) -> Self {
        Self {
            skipped,
            path: key.to_owned(),
        }
    }

    fn below(&mut self, key: &str) -> Losses<'_> {
        Losses {
            path: format!("{}.{key}", self.path),
            skipped: self.skipped,
        }
    }

    fn tell(&mut self, key: &str, reason: String) {
        self.skipped.push((format!("{}.{key}", self.path), reason));
    }
}

/// A map being written, whose length is known at its end.
#[derive(Default)]
pub(crate) struct MapHead {
    at: usize,
    wide: bool,
}

impl MapHead {
    pub(crate) fn begin(out: &mut Vec<u8>, most: usize) -> Self {
        let head = Self {
            at: out.len(),
            wide: most > 15,
        };
        if head.wide {
            out.extend_from_slice(&[0xdf, 0, 0, 0, 0]);
        } else {
            out.push(0x80);
        }
        head
    }

    pub(crate) fn end(&self, out: &mut [u8], count: usize) {
        let [.., b4, b5, b6, b7] = (count as u64).to_be_bytes();
        if self.wide {
            if let Some(bytes) = out.get_mut(self.at + 1..self.at + 5) {
                bytes.copy_from_slice(&[b4, b5, b6, b7]);
            }
        } else if let Some(byte) = out.get_mut(self.at) {
            *byte = 0x80 | b7;
        }
    }
}

/// Writes a key and gives its text; None: an empty key, which is dropped.
#[inline]
pub(crate) fn write_key<'a>(
    key: &'a Bound<'_, PyString>,
    out: &mut Vec<u8>,
) -> Result<Option<&'a str>, Stop> {
    let text = key.to_str().map_err(|_lone_surrogate| Stop::Convert)?;
    if text.is_empty() {
        return Ok(None);
    }
    if text.len() > MAX_KEY_BYTES {
        return Err(Stop::Skip("the key is over 1 kB".to_owned()));
    }
    write_str(out, text);
    Ok(Some(text))
}

/// Writes the value of a key, which has a limit of its own.
pub(crate) fn write_entry_value(
    value: &Bound<'_, PyAny>,
    out: &mut Vec<u8>,
    depth: usize,
    losses: Option<Losses<'_>>,
) -> Result<(), Stop> {
    let before = out.len();
    if let (Some(losses), Ok(dict)) = (losses, value.cast::<PyDict>()) {
        return write_tree(dict, out, depth, losses);
    }
    write_value(value, out, depth)?;
    if out.len() - before > MAX_VALUE_BYTES && !value.is_instance_of::<PyDict>() {
        return Err(Stop::Skip("the value is over 1 MiB".to_owned()));
    }
    Ok(())
}

/// Writes one value.
#[inline]
pub(crate) fn write_value(
    value: &Bound<'_, PyAny>,
    out: &mut Vec<u8>,
    depth: usize,
) -> Result<(), Stop> {
    if let Ok(float) = value.cast::<PyFloat>() {
        write_float(out, float.value());
    } else if let Ok(flag) = value.cast::<PyBool>() {
        write_bool(out, flag.is_true());
    } else if let Ok(integer) = value.cast::<PyInt>() {
        write_integer(integer, out)?;
    } else if let Ok(text) = value.cast::<PyString>() {
        write_str(out, text.to_str().map_err(|_lone_surrogate| Stop::Convert)?);
    } else if value.is_none() {
        write_nil(out);
    } else {
        write_container(value, out, depth)?;
    }
    Ok(())
}

fn write_integer(integer: &Bound<'_, PyInt>, out: &mut Vec<u8>) -> Result<(), Stop> {
    if let Ok(small) = integer.extract::<i64>() {
        write_int(out, small);
    } else {
        // `int.__repr__`: a subclass may spell itself otherwise.
        let plain = integer
            .py()
            .get_type::<PyInt>()
            .call_method1("__repr__", (integer,));
        let plain = plain.map_err(|_over_the_digit_limit| {
            Stop::Skip("the integer has too many digits".to_owned())
        })?;
        let text = plain.cast::<PyString>().map_err(PyErr::from)?.to_str()?;
        if text.trim_start_matches('-').len() > MAX_DIGITS {
            return Err(Stop::Skip("the integer has too many digits".to_owned()));
        }
        write_big_integer(out, text);
    }
    Ok(())
}

/// Writes a dict of values; those that cannot be stored are left out.
fn write_tree(
    dict: &Bound<'_, PyDict>,
    out: &mut Vec<u8>,
    depth: usize,
    mut losses: Losses<'_>,
) -> Result<(), Stop> {
    let Some(depth) = depth.checked_sub(1) else {
        return Err(too_deep());
    };
    let head = MapHead::begin(out, dict.len());
    let mut count = 0;
    for (key, value) in dict.iter() {
        let key = key.cast::<PyString>().map_err(|_not_text| Stop::Convert)?;
        let before = out.len();
        let written = match write_key(key, out) {
            Ok(None) => continue,
            Ok(Some(text)) => {
                let below = value.is_instance_of::<PyDict>().then(|| losses.below(text));
                write_entry_value(&value, out, depth, below)
            }
            Err(stop) => Err(stop),
        };
        match written {
            Ok(()) => count += 1,
            Err(Stop::Skip(reason)) => {
                out.truncate(before);
                losses.tell(&key.to_string_lossy(), reason);
            }
            Err(stop) => return Err(stop),
        }
    }
    head.end(out, count);
    Ok(())
}

fn too_deep() -> Stop {
    Stop::Skip(format!("it nests deeper than {MAX_DEPTH}"))
}

fn write_container(value: &Bound<'_, PyAny>, out: &mut Vec<u8>, depth: usize) -> Result<(), Stop> {
    let Some(depth) = depth.checked_sub(1) else {
        return Err(too_deep());
    };
    if let Ok(dict) = value.cast::<PyDict>() {
        let head = MapHead::begin(out, dict.len());
        let mut count = 0;
        for (key, value) in dict.iter() {
            let key = key.cast::<PyString>().map_err(|_not_text| Stop::Convert)?;
            if write_key(key, out)?.is_some() {
                write_entry_value(&value, out, depth, None)?;
                count += 1;
            }
        }
        head.end(out, count);
    } else if let Ok(list) = value.cast::<PyList>() {
        write_array_len(out, list.len());
        for item in list.iter() {
            write_value(&item, out, depth)?;
        }
    } else if let Ok(tuple) = value.cast::<PyTuple>() {
        write_array_len(out, tuple.len());
        for item in tuple.iter_borrowed() {
            write_value(&item, out, depth)?;
        }
    } else {
        return Err(Stop::Convert);
    }
    Ok(())
}

/// A Python object of plain types as a value of the core.
pub(crate) fn to_value(object: &Bound<'_, PyAny>) -> PyResult<value::Value> {
    let mut bytes = Vec::new();
    match write_value(object, &mut bytes, MAX_DEPTH) {
        Ok(()) => value::Cursor::new(&bytes)
            .value("value")
            .map_err(crate::error::to_py),
        Err(Stop::Error(error)) => Err(error),
        Err(Stop::Skip(reason)) => Err(ArgumentTypeError::new_err(reason)),
        Err(Stop::Convert) => {
            let text = format!("cannot store a value of type {}", object.get_type().name()?);
            Err(ArgumentTypeError::new_err(text))
        }
    }
}
