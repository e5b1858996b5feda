//! A logged value: its shape, and its msgpack bytes.

use rmp::Marker;

use crate::error::{Error, Result};

/// Type of the msgpack extension that holds an integer outside int64, as decimal text.
pub const BIG_INTEGER: i8 = 1;

/// Greatest number of its digits: what Python reads without being told to.
pub const MAX_DIGITS: usize = 4_300;

/// How deep containers may nest; user values beyond are refused by the encoder.
pub const MAX_DEPTH: usize = 64;

/// Items that room is made for at once. A length is a claim, and 72 of them may stand in one another:
/// those of a record of 12 MiB would come to tens of gigabytes.
const MAX_CLAIM: usize = 1_024;

/// One value as it was logged; nothing is rounded, widened or reordered.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Python's `None`.
    Nil,
    /// A boolean.
    Bool(bool),
    /// An integer within int64.
    Int(i64),
    /// An integer outside int64, as decimal text.
    BigInt(String),
    /// A float64; NaN payloads and the sign of zero are kept.
    Float(f64),
    /// Text.
    Str(String),
    /// A list.
    List(Vec<Self>),
    /// A mapping, in the order in which it was logged.
    Map(Vec<(String, Self)>),
}

impl Value {
    /// The entry of a map, if this is one and has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(entries) => entries
                .iter()
                .find(|(name, _)| name == key)
                .map(|(_, value)| value),
            _ => None,
        }
    }

    /// The text, if this is text.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The integer, if this is one within int64.
    #[must_use]
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// Appends the value's msgpack bytes.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Nil => write_nil(out),
            Self::Bool(value) => write_bool(out, *value),
            Self::Int(value) => write_int(out, *value),
            Self::BigInt(text) => write_big_integer(out, text),
            Self::Float(value) => write_float(out, *value),
            Self::Str(text) => write_str(out, text),
            Self::List(items) => {
                write_array_len(out, items.len());
                for item in items {
                    item.write(out);
                }
            }
            Self::Map(entries) => {
                write_map_len(out, entries.len());
                for (key, value) in entries {
                    write_str(out, key);
                    value.write(out);
                }
            }
        }
    }
}

/// Appends nil.
#[inline]
pub fn write_nil(out: &mut Vec<u8>) {
    out.push(0xc0);
}

/// Appends a boolean.
#[inline]
pub fn write_bool(out: &mut Vec<u8>, value: bool) {
    out.push(0xc2 | u8::from(value));
}

/// Size of a number in the forms that have always the same.
pub const NUMBER_BYTES: usize = 9;

#[inline]
fn number(marker: u8, bits: [u8; 8]) -> [u8; NUMBER_BYTES] {
    let [b0, b1, b2, b3, b4, b5, b6, b7] = bits;
    [marker, b0, b1, b2, b3, b4, b5, b6, b7]
}

/// A float64, bit for bit.
#[inline]
#[must_use]
pub fn number_float(value: f64) -> [u8; NUMBER_BYTES] {
    number(0xcb, value.to_be_bytes())
}

/// An integer in its longest form.
#[inline]
#[must_use]
pub fn number_int(value: i64) -> [u8; NUMBER_BYTES] {
    number(0xd3, value.to_be_bytes())
}

/// Appends a float64, bit for bit.
#[inline]
pub fn write_float(out: &mut Vec<u8>, value: f64) {
    out.extend_from_slice(&number_float(value));
}

/// Appends an integer in its shortest form.
#[inline]
pub fn write_int(out: &mut Vec<u8>, value: i64) {
    let [.., b6, b7] = value.to_be_bytes();
    if (-32..128).contains(&value) {
        out.push(b7);
    } else if i16::try_from(value).is_ok() {
        out.extend_from_slice(&[0xd1, b6, b7]);
    } else if let Ok(small) = i32::try_from(value) {
        out.push(0xd2);
        out.extend_from_slice(&small.to_be_bytes());
    } else {
        out.push(0xd3);
        out.extend_from_slice(&value.to_be_bytes());
    }
}

/// Appends an unsigned integer of fixed width (9 bytes), so that it can be overwritten in place.
#[inline]
pub fn write_u64_fixed(out: &mut Vec<u8>, value: u64) {
    out.push(0xcf);
    out.extend_from_slice(&value.to_be_bytes());
}

/// Appends text.
#[inline]
pub fn write_str(out: &mut Vec<u8>, text: &str) {
    write_len(out, text.len(), (0xa0, 32), Some(0xd9), 0xda, 0xdb);
    out.extend_from_slice(text.as_bytes());
}

/// Appends bytes.
pub fn write_bin(out: &mut Vec<u8>, bytes: &[u8]) {
    write_len(out, bytes.len(), (0, 0), Some(0xc4), 0xc5, 0xc6);
    out.extend_from_slice(bytes);
}

/// Appends the head of an array; its items follow.
#[inline]
pub fn write_array_len(out: &mut Vec<u8>, len: usize) {
    write_len(out, len, (0x90, 16), None, 0xdc, 0xdd);
}

/// Appends the head of a map; its keys and values follow in turn.
#[inline]
pub fn write_map_len(out: &mut Vec<u8>, len: usize) {
    write_len(out, len, (0x80, 16), None, 0xde, 0xdf);
}

/// Appends an integer outside int64.
pub fn write_big_integer(out: &mut Vec<u8>, text: &str) {
    write_len(out, text.len(), (0, 0), Some(0xc7), 0xc8, 0xc9);
    out.push(BIG_INTEGER.to_be_bytes()[0]);
    out.extend_from_slice(text.as_bytes());
}

#[inline]
fn write_len(out: &mut Vec<u8>, len: usize, fix: (u8, usize), m8: Option<u8>, m16: u8, m32: u8) {
    // Lengths are bounded by the row limit (10 MiB), far below 2^32.
    let [.., b4, b5, b6, b7] = (len as u64).to_be_bytes();
    match m8 {
        _ if len < fix.1 => out.push(fix.0 | b7),
        Some(marker) if len < 256 => out.extend_from_slice(&[marker, b7]),
        _ if len < 65_536 => out.extend_from_slice(&[m16, b6, b7]),
        _ => out.extend_from_slice(&[m32, b4, b5, b6, b7]),
    }
}

/// Reads msgpack from a slice, knowing where it is.
#[derive(Debug, Clone)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// Starts at the beginning of `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Where the next byte is.
    #[must_use]
    pub fn at(&self) -> usize {
        self.at
    }

    /// Whether everything has been read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.at >= self.bytes.len()
    }

    fn malformed<T>(&self, what: &'static str) -> Result<T> {
        Err(Error::Malformed { what, at: self.at })
    }

    fn take(&mut self, len: usize, what: &'static str) -> Result<&'a [u8]> {
        let end = self.at.checked_add(len);
        match end.and_then(|end| self.bytes.get(self.at..end)) {
            Some(slice) => {
                self.at += len;
                Ok(slice)
            }
            None => self.malformed(what),
        }
    }

    fn be<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N]> {
        let slice = self.take(N, what)?;
        <[u8; N]>::try_from(slice).or_else(|_| self.malformed(what))
    }

    fn len(&mut self, width: usize, what: &'static str) -> Result<usize> {
        let slice = self.take(width, what)?;
        Ok(slice
            .iter()
            .fold(0, |total, byte| (total << 8) | usize::from(*byte)))
    }

    fn marker(&mut self, what: &'static str) -> Result<Marker> {
        let [byte] = self.be::<1>(what)?;
        Ok(Marker::from_u8(byte))
    }

    /// The next marker, without moving.
    #[must_use]
    pub fn peek(&self) -> Option<Marker> {
        self.bytes.get(self.at).map(|byte| Marker::from_u8(*byte))
    }

    /// Reads the head of an array.
    ///
    /// # Errors
    /// The bytes are not an array.
    pub fn array_len(&mut self, what: &'static str) -> Result<usize> {
        match self.marker(what)? {
            Marker::FixArray(len) => Ok(usize::from(len)),
            Marker::Array16 => self.len(2, what),
            Marker::Array32 => self.len(4, what),
            _ => self.malformed(what),
        }
    }

    /// Reads the head of a map.
    ///
    /// # Errors
    /// The bytes are not a map.
    pub fn map_len(&mut self, what: &'static str) -> Result<usize> {
        match self.marker(what)? {
            Marker::FixMap(len) => Ok(usize::from(len)),
            Marker::Map16 => self.len(2, what),
            Marker::Map32 => self.len(4, what),
            _ => self.malformed(what),
        }
    }

    /// Reads text.
    ///
    /// # Errors
    /// The bytes are not text, or not UTF-8.
    pub fn str(&mut self, what: &'static str) -> Result<&'a str> {
        let len = match self.marker(what)? {
            Marker::FixStr(len) => usize::from(len),
            Marker::Str8 => self.len(1, what)?,
            Marker::Str16 => self.len(2, what)?,
            Marker::Str32 => self.len(4, what)?,
            _ => return self.malformed(what),
        };
        let slice = self.take(len, what)?;
        std::str::from_utf8(slice).or_else(|_| self.malformed(what))
    }

    /// Reads bytes.
    ///
    /// # Errors
    /// They are none.
    pub fn bin(&mut self, what: &'static str) -> Result<&'a [u8]> {
        let len = match self.marker(what)? {
            Marker::Bin8 => self.len(1, what)?,
            Marker::Bin16 => self.len(2, what)?,
            Marker::Bin32 => self.len(4, what)?,
            _ => return self.malformed(what),
        };
        self.take(len, what)
    }

    /// Reads an unsigned integer of any width.
    ///
    /// # Errors
    /// The bytes are not an integer, or it is negative.
    pub fn u64(&mut self, what: &'static str) -> Result<u64> {
        if self.peek() == Some(Marker::U64) {
            self.at += 1;
            return Ok(u64::from_be_bytes(self.be(what)?));
        }
        let number = self.i64(what)?;
        u64::try_from(number).or_else(|_| self.malformed(what))
    }

    /// Reads an integer within int64.
    ///
    /// # Errors
    /// The bytes are not an integer, or it is outside int64.
    pub fn i64(&mut self, what: &'static str) -> Result<i64> {
        match self.value(what)? {
            Value::Int(number) => Ok(number),
            _ => self.malformed(what),
        }
    }

    /// Reads a float64.
    ///
    /// # Errors
    /// The bytes are not a float.
    pub fn f64(&mut self, what: &'static str) -> Result<f64> {
        match self.value(what)? {
            Value::Float(number) => Ok(number),
            _ => self.malformed(what),
        }
    }

    /// Reads a boolean.
    ///
    /// # Errors
    /// The bytes are not a boolean.
    pub fn bool(&mut self, what: &'static str) -> Result<bool> {
        match self.marker(what)? {
            Marker::True => Ok(true),
            Marker::False => Ok(false),
            _ => self.malformed(what),
        }
    }

    /// Reads any value.
    ///
    /// # Errors
    /// The bytes are cut short, nest too deep, or hold something that is not a value.
    pub fn value(&mut self, what: &'static str) -> Result<Value> {
        self.value_at(what, MAX_DEPTH + 8)
    }

    fn value_at(&mut self, what: &'static str, depth: usize) -> Result<Value> {
        let Some(depth) = depth.checked_sub(1) else {
            return self.malformed(what);
        };
        let start = self.at;
        Ok(match self.marker(what)? {
            Marker::Null => Value::Nil,
            Marker::True => Value::Bool(true),
            Marker::False => Value::Bool(false),
            Marker::FixPos(number) => Value::Int(i64::from(number)),
            Marker::FixNeg(number) => Value::Int(i64::from(number)),
            Marker::U8 => Value::Int(i64::from(u8::from_be_bytes(self.be(what)?))),
            Marker::U16 => Value::Int(i64::from(u16::from_be_bytes(self.be(what)?))),
            Marker::U32 => Value::Int(i64::from(u32::from_be_bytes(self.be(what)?))),
            Marker::U64 => {
                let number = u64::from_be_bytes(self.be(what)?);
                i64::try_from(number).map_or_else(|_| Value::BigInt(number.to_string()), Value::Int)
            }
            Marker::I8 => Value::Int(i64::from(i8::from_be_bytes(self.be(what)?))),
            Marker::I16 => Value::Int(i64::from(i16::from_be_bytes(self.be(what)?))),
            Marker::I32 => Value::Int(i64::from(i32::from_be_bytes(self.be(what)?))),
            Marker::I64 => Value::Int(i64::from_be_bytes(self.be(what)?)),
            Marker::F32 => Value::Float(f64::from(f32::from_be_bytes(self.be(what)?))),
            Marker::F64 => Value::Float(f64::from_be_bytes(self.be(what)?)),
            Marker::FixStr(_) | Marker::Str8 | Marker::Str16 | Marker::Str32 => {
                self.at = start;
                Value::Str(self.str(what)?.to_owned())
            }
            Marker::FixArray(_) | Marker::Array16 | Marker::Array32 => {
                self.at = start;
                let len = self.array_len(what)?;
                let mut items = Vec::with_capacity(len.min(MAX_CLAIM));
                for _ in 0..len {
                    items.push(self.value_at(what, depth)?);
                }
                Value::List(items)
            }
            Marker::FixMap(_) | Marker::Map16 | Marker::Map32 => {
                self.at = start;
                let len = self.map_len(what)?;
                let mut entries = Vec::with_capacity(len.min(MAX_CLAIM));
                for _ in 0..len {
                    let key = self.str(what)?.to_owned();
                    entries.push((key, self.value_at(what, depth)?));
                }
                Value::Map(entries)
            }
            marker => {
                self.at = start;
                self.big_integer(marker, what)?
            }
        })
    }

    fn big_integer(&mut self, marker: Marker, what: &'static str) -> Result<Value> {
        self.at += 1;
        let len = match marker {
            Marker::FixExt1 => 1,
            Marker::FixExt2 => 2,
            Marker::FixExt4 => 4,
            Marker::FixExt8 => 8,
            Marker::FixExt16 => 16,
            Marker::Ext8 => self.len(1, what)?,
            Marker::Ext16 => self.len(2, what)?,
            Marker::Ext32 => self.len(4, what)?,
            _ => return self.malformed(what),
        };
        let kind = i8::from_be_bytes(self.be(what)?);
        let slice = self.take(len, what)?;
        let digits = slice.strip_prefix(b"-").unwrap_or(slice);
        let is_sized = (1..=MAX_DIGITS).contains(&digits.len());
        if kind != BIG_INTEGER || !is_sized || !digits.iter().all(u8::is_ascii_digit) {
            return self.malformed(what);
        }
        match std::str::from_utf8(slice) {
            Ok(text) => Ok(Value::BigInt(text.to_owned())),
            Err(_) => self.malformed(what),
        }
    }

    /// Skips one value and returns its bytes.
    ///
    /// # Errors
    /// As [`Cursor::value`].
    pub fn raw(&mut self, what: &'static str) -> Result<&'a [u8]> {
        let start = self.at;
        self.skip(what, MAX_DEPTH + 8)?;
        Ok(self.bytes.get(start..self.at).unwrap_or_default())
    }

    /// A record's bytes: an array of values, of which some may be bytes.
    ///
    /// # Errors
    /// It is none.
    pub fn raw_record(&mut self, what: &'static str) -> Result<&'a [u8]> {
        let start = self.at;
        for _ in 0..self.array_len(what)? {
            self.raw_item(what)?;
        }
        Ok(self.bytes.get(start..self.at).unwrap_or_default())
    }

    /// The bytes of an item of a record.
    ///
    /// # Errors
    /// As [`Cursor::raw`].
    pub fn raw_item(&mut self, what: &'static str) -> Result<&'a [u8]> {
        match self.peek() {
            Some(Marker::Bin8 | Marker::Bin16 | Marker::Bin32) => self.bin(what),
            _ => self.raw(what),
        }
    }

    fn skip(&mut self, what: &'static str, depth: usize) -> Result<()> {
        let Some(depth) = depth.checked_sub(1) else {
            return self.malformed(what);
        };
        match self.peek() {
            Some(Marker::FixArray(_) | Marker::Array16 | Marker::Array32) => {
                for _ in 0..self.array_len(what)? {
                    self.skip(what, depth)?;
                }
            }
            Some(Marker::FixMap(_) | Marker::Map16 | Marker::Map32) => {
                for _ in 0..self.map_len(what)? {
                    self.str(what)?;
                    self.skip(what, depth)?;
                }
            }
            Some(Marker::FixStr(_) | Marker::Str8 | Marker::Str16 | Marker::Str32) => {
                self.str(what)?;
            }
            _ => {
                self.value_at(what, 1)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Nil),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::Int),
            any::<u64>().prop_map(|bits| Value::Float(f64::from_bits(bits))),
            ".{0,40}".prop_map(Value::Str),
            "-?[0-9]{20,300}".prop_map(Value::BigInt),
        ];
        leaf.prop_recursive(4, 64, 20, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..20).prop_map(Value::List),
                prop::collection::vec((".{0,9}", inner), 0..20).prop_map(Value::Map),
            ]
        })
    }

    proptest! {
        #[test]
        fn value_comes_back_bit_for_bit(value in value()) {
            let mut bytes = Vec::new();
            value.write(&mut bytes);
            let mut cursor = Cursor::new(&bytes);
            let back = cursor.value("value").unwrap();
            prop_assert!(cursor.is_empty());
            let mut again = Vec::new();
            back.write(&mut again);
            prop_assert_eq!(&bytes, &again);
            prop_assert_eq!(Cursor::new(&bytes).raw("value").unwrap(), &bytes[..]);
        }

        #[test]
        fn garbage_is_an_error_and_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let read = Cursor::new(&bytes).value("value").is_ok();
            let skipped = Cursor::new(&bytes).raw("value").is_ok();
            prop_assert_eq!(read, skipped);
        }
    }

    #[test]
    fn lengths_take_the_documented_markers() {
        for (len, marker) in [
            (31, 0xbf),
            (32, 0xd9),
            (255, 0xd9),
            (256, 0xda),
            (65_536, 0xdb),
        ] {
            let mut out = Vec::new();
            write_str(&mut out, &"x".repeat(len));
            assert_eq!(out[0], marker, "{len}");
        }
    }

    #[test]
    fn deep_nesting_is_refused() {
        let bytes = vec![0x91; 100_000];
        assert!(Cursor::new(&bytes).value("value").is_err());
    }
}
