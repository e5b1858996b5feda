//! Points as `Native` blocks of `ClickHouse`: the columns of the series tables, in their order.

use crate::console::Line;
use crate::error::{Error, Result};
use crate::value::{Cursor, Value};
use rmp::Marker;

/// What a point's value is; the numbers are stored in the column `kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A row without values.
    Marker = 0,
    /// None.
    Nil = 1,
    /// Boolean, in `i64` and `f64`.
    Bool = 2,
    /// Integer, exact in `i64`, nearest in `f64`.
    Int = 3,
    /// Float, in `f64`.
    Float = 4,
    /// Text.
    Str = 5,
    /// A list, as msgpack in `text`.
    List = 6,
    /// Integer outside int64: decimal in `text`, nearest in `f64`.
    BigInt = 7,
    /// An object, as msgpack in `text`.
    Object = 8,
}

/// The three columns that hold a value.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell<'a> {
    /// What the value is.
    pub kind: Kind,
    /// Column `f64`.
    pub float: f64,
    /// Column `i64`.
    pub int: i64,
    /// Column `text`.
    pub text: std::borrow::Cow<'a, [u8]>,
}

impl<'a> Cell<'a> {
    /// The cell of a row without values.
    pub const MARKER: Cell<'static> = Cell {
        kind: Kind::Marker,
        float: 0.0,
        int: 0,
        text: std::borrow::Cow::Borrowed(&[]),
    };

    /// The cell of a value's msgpack bytes.
    ///
    /// # Errors
    /// The bytes are not a leaf value.
    pub fn read(raw: &'a [u8]) -> Result<Self> {
        let cell = |kind, float, int| Cell {
            kind,
            float,
            int,
            text: (&[][..]).into(),
        };
        let mut cursor = Cursor::new(raw);
        Ok(match cursor.peek() {
            Some(Marker::F64) => match cursor.value("float")? {
                Value::Float(float) => cell(Kind::Float, float, 0),
                _ => {
                    return Err(Error::Malformed {
                        what: "float",
                        at: 0,
                    });
                }
            },
            Some(Marker::FixArray(_) | Marker::Array16 | Marker::Array32) => Cell {
                text: raw.into(),
                ..cell(Kind::List, 0.0, 0)
            },
            Some(Marker::FixMap(_) | Marker::Map16 | Marker::Map32) => Cell {
                text: raw.into(),
                ..cell(Kind::Object, 0.0, 0)
            },
            Some(Marker::FixStr(_) | Marker::Str8 | Marker::Str16 | Marker::Str32) => Cell {
                text: cursor.str("text")?.as_bytes().into(),
                ..cell(Kind::Str, 0.0, 0)
            },
            _ => match cursor.value("value")? {
                Value::Nil => cell(Kind::Nil, 0.0, 0),
                Value::Bool(value) => {
                    cell(Kind::Bool, f64::from(u8::from(value)), i64::from(value))
                }
                Value::Int(value) => {
                    #[expect(
                        clippy::cast_precision_loss,
                        reason = "the exact value is in the column i64"
                    )]
                    let nearest = value as f64;
                    cell(Kind::Int, nearest, value)
                }
                Value::Float(value) => cell(Kind::Float, value, 0),
                Value::BigInt(text) => {
                    let nearest = text.parse().unwrap_or(f64::NAN);
                    Cell {
                        text: text.into_bytes().into(),
                        ..cell(Kind::BigInt, nearest, 0)
                    }
                }
                _ => {
                    return Err(Error::Malformed {
                        what: "leaf value",
                        at: 0,
                    });
                }
            },
        })
    }
}

/// What all points of a block share.
#[derive(Debug, Clone)]
pub struct Series {
    /// The run's number in the metadata store.
    pub run: u64,
    /// Writer id.
    pub writer: String,
    /// The writer's label, empty for the only one.
    pub label: String,
    /// The writer's generation.
    pub generation: u32,
}

/// Where a point stands in its run.
#[derive(Debug, Clone, Copy)]
pub struct At {
    /// Row.
    pub step: i64,
    /// Wall clock, nanoseconds since the epoch.
    pub wall: i64,
    /// Nanoseconds since the run's start.
    pub runtime: i64,
    /// Log position of the record.
    pub position: u64,
}

/// Gathers points column by column.
#[derive(Debug, Default)]
pub struct Block {
    rows: usize,
    last: u64,
    key: Vec<u8>,
    step: Vec<u8>,
    wall: Vec<u8>,
    runtime: Vec<u8>,
    kind: Vec<u8>,
    float: Vec<u8>,
    int: Vec<u8>,
    text: Vec<u8>,
    position: Vec<u8>,
}

impl Block {
    /// Points gathered.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Position of the last point, 0 when there is none.
    #[must_use]
    pub fn last_position(&self) -> u64 {
        self.last
    }

    /// Adds a point.
    pub fn push(&mut self, key: &str, at: At, cell: &Cell<'_>) {
        self.rows += 1;
        self.last = at.position;
        write_bytes(&mut self.key, key.as_bytes());
        self.step.extend_from_slice(&at.step.to_le_bytes());
        self.wall.extend_from_slice(&at.wall.to_le_bytes());
        self.runtime.extend_from_slice(&at.runtime.to_le_bytes());
        self.kind.push(cell.kind as u8);
        self.float.extend_from_slice(&cell.float.to_le_bytes());
        self.int.extend_from_slice(&cell.int.to_le_bytes());
        write_bytes(&mut self.text, &cell.text);
        self.position.extend_from_slice(&at.position.to_le_bytes());
    }

    /// The block in the `Native` format; no bytes when there are no points.
    #[must_use]
    pub fn finish(&self, series: &Series) -> Vec<u8> {
        let mut out = Vec::new();
        if self.rows == 0 {
            return out;
        }
        let constant = |value: &[u8]| value.repeat(self.rows);
        let text = |value: &str| {
            let mut one = Vec::new();
            write_bytes(&mut one, value.as_bytes());
            constant(&one)
        };
        let columns: [(&str, &str, &[&[u8]]); 13] = [
            ("run", "UInt64", &[&constant(&series.run.to_le_bytes())]),
            ("writer", "String", &[&text(&series.writer)]),
            ("label", "String", &[&text(&series.label)]),
            (
                "generation",
                "UInt32",
                &[&constant(&series.generation.to_le_bytes())],
            ),
            ("key", "String", &[&self.key]),
            ("step", "Int64", &[&self.step]),
            ("wall", "Int64", &[&self.wall]),
            ("runtime", "Int64", &[&self.runtime]),
            ("kind", "UInt8", &[&self.kind]),
            ("f64", "Float64", &[&self.float]),
            ("i64", "Int64", &[&self.int]),
            ("text", "String", &[&self.text]),
            ("position", "UInt64", &[&self.position]),
        ];
        write_columns(&mut out, self.rows, &columns);
        out
    }
}

/// Lines of output as a block, for their table; no bytes when there are none.
#[must_use]
pub fn lines_block(lines: &[Line], series: &Series) -> Vec<u8> {
    let mut out = Vec::new();
    if lines.is_empty() {
        return out;
    }
    let mut columns: [Vec<u8>; 10] = Default::default();
    let [
        run,
        writer,
        label,
        number,
        wall,
        stream,
        rewrites,
        text,
        plain,
        versions,
    ] = &mut columns;
    for line in lines {
        run.extend_from_slice(&series.run.to_le_bytes());
        write_bytes(writer, series.writer.as_bytes());
        write_bytes(label, series.label.as_bytes());
        number.extend_from_slice(&line.number.to_le_bytes());
        wall.extend_from_slice(&line.wall.to_le_bytes());
        stream.push(line.stream);
        rewrites.extend_from_slice(&line.rewrites.to_le_bytes());
        write_bytes(text, line.text.as_bytes());
        write_bytes(plain, line.plain.as_bytes());
        write_bytes(versions, line.versions.as_bytes());
    }
    let named: [(&str, &str, &[&[u8]]); 10] = [
        ("run", "UInt64", &[run]),
        ("writer", "String", &[writer]),
        ("label", "String", &[label]),
        ("number", "UInt64", &[number]),
        ("wall", "Int64", &[wall]),
        ("stream", "UInt8", &[stream]),
        ("rewrites", "UInt32", &[rewrites]),
        ("text", "String", &[text]),
        ("plain", "String", &[plain]),
        ("versions", "String", &[versions]),
    ];
    write_columns(&mut out, lines.len(), &named);
    out
}

/// A block; each column as its name, its type, and the parts of its data.
pub(crate) fn write_columns(out: &mut Vec<u8>, rows: usize, columns: &[(&str, &str, &[&[u8]])]) {
    write_varint(out, columns.len());
    write_varint(out, rows);
    for (name, of_type, parts) in columns {
        write_bytes(out, name.as_bytes());
        write_bytes(out, of_type.as_bytes());
        for part in *parts {
            out.extend_from_slice(part);
        }
    }
}

/// Bytes behind their length.
pub(crate) fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    write_varint(out, bytes.len());
    out.extend_from_slice(bytes);
}

/// Unsigned LEB128.
fn write_varint(out: &mut Vec<u8>, mut number: usize) {
    loop {
        let [low, ..] = number.to_le_bytes();
        number >>= 7;
        if number == 0 {
            out.push(low & 0x7f);
            return;
        }
        out.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn block_has_the_documented_bytes() {
        let series = Series {
            run: 7,
            writer: "w".to_owned(),
            label: String::new(),
            generation: 0,
        };
        let mut block = Block::default();
        assert!(block.finish(&series).is_empty());
        let mut raw = Vec::new();
        Value::Float(-0.0).write(&mut raw);
        let at = At {
            step: 1,
            wall: 2,
            runtime: 3,
            position: 4,
        };
        block.push("loss", at, &Cell::read(&raw).unwrap());
        let bytes = block.finish(&series);
        assert_eq!(&bytes[..12], b"\x0d\x01\x03run\x06UInt64"[..12].as_ref());
        assert!(
            bytes
                .windows(16)
                .any(|window| window == b"key\x06String\x04loss\x04")
        );
        assert!(bytes.ends_with(b"\x08position\x06UInt64\x04\0\0\0\0\0\0\0"));
        assert_eq!((block.rows(), block.last_position()), (1, 4));
    }

    #[test]
    fn cells_keep_every_kind() {
        let read = |value: Value| {
            let mut raw = Vec::new();
            value.write(&mut raw);
            let cell = Cell::read(&raw).unwrap();
            (
                cell.kind,
                cell.float.to_bits(),
                cell.int,
                cell.text.into_owned(),
            )
        };
        let nan = f64::from_bits(0x7ff8_dead_beef_0001);
        assert_eq!(
            read(Value::Float(nan)),
            (Kind::Float, nan.to_bits(), 0, vec![])
        );
        assert_eq!(read(Value::Int(i64::MIN)).2, i64::MIN);
        assert_eq!(
            read(Value::Bool(true)),
            (Kind::Bool, 1.0_f64.to_bits(), 1, vec![])
        );
        let big = "-123456789012345678901234567890";
        assert_eq!(read(Value::BigInt(big.to_owned())).3, big.as_bytes());
        assert_eq!(read(Value::List(vec![Value::Nil])).3, [0x91, 0xc0]);
        assert_eq!(read(Value::Str("é".to_owned())).3, "é".as_bytes());
        assert_eq!(read(Value::Nil).0, Kind::Nil);
    }

    #[test]
    fn varints_are_leb128() {
        let mut out = Vec::new();
        write_varint(&mut out, 300);
        write_varint(&mut out, 0);
        assert_eq!(out, [0xac, 0x02, 0x00]);
    }
}
