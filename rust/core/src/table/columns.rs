//! What the columns of a table hold, found out from all of its cells.

use super::blocks::Blocks;
use super::cells::Cell;
use super::reader::{Reader, Sink};
use crate::error::{Error, Result};

/// What a column is stored as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `Int64`.
    Int,
    /// `Float64`.
    Float,
    /// `UInt8`, 0 or 1.
    Bool,
    /// `String`.
    Text,
    /// `Int64`, microseconds since the epoch.
    Time,
    /// `String`: the JSON text of objects that stand for a file.
    Media,
    /// `String`: JSON text.
    Json,
}

impl Kind {
    /// The name in the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Int => "int",
            Self::Float => "float",
            Self::Bool => "bool",
            Self::Text => "text",
            Self::Time => "time",
            Self::Media => "media",
            Self::Json => "json",
        }
    }
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What it is stored as.
    pub kind: Kind,
    /// Its type as the file says it, such as `number`; empty where it does not.
    pub said: String,
    /// Whether a `String` column beside it has the digits of integers that a float cannot hold.
    pub has_digits: bool,
}

/// What cells of a column were seen.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "a set")]
struct Seen {
    bool: bool,
    int: bool,
    /// An integer that a float cannot hold.
    long: bool,
    /// An integer outside int64.
    huge: bool,
    float: bool,
    /// A number that is no time in milliseconds.
    timeless: bool,
    text: bool,
    media: bool,
    json: bool,
}

/// Integers up to here are floats, too.
const EXACT: u64 = 1 << 53;
/// Milliseconds: some 285,000 years on either side of 1970.
const MOST_MILLIS: u64 = 9_000_000_000_000_000;

impl Seen {
    fn take(&mut self, cell: &Cell<'_>) {
        match cell {
            Cell::Null => (),
            Cell::Bool(_) => self.bool = true,
            Cell::Int(text) => {
                self.int = true;
                if text.len() > 15 {
                    let value = text.parse::<i64>().ok().map(i64::unsigned_abs);
                    self.long |= value.is_none_or(|value| value > EXACT);
                    self.timeless |= value.is_none_or(|value| value > MOST_MILLIS);
                    self.huge |= value.is_none();
                }
            }
            Cell::Float(text) => {
                self.float = true;
                let value = text.parse().unwrap_or(f64::NAN);
                self.timeless |= value.is_nan() || value.abs() > 9e15;
            }
            Cell::Text(_) => self.text = true,
            Cell::List(_) => self.json = true,
            Cell::Object(_, of_type) => {
                let is_media = of_type.as_deref().is_some_and(|one| one.ends_with("-file"));
                self.media |= is_media;
                self.json |= !is_media;
            }
        }
    }

    fn kind(self, said: &str) -> Kind {
        let numbers = self.int || self.float;
        match (self.bool, numbers, self.text, self.media, self.json) {
            (false, false, false, false, false) => match said {
                "number" => Kind::Float,
                "boolean" => Kind::Bool,
                "string" => Kind::Text,
                "timestamp" => Kind::Time,
                _ if said.ends_with("-file") => Kind::Media,
                _ => Kind::Json,
            },
            (true, false, false, false, false) => Kind::Bool,
            (false, true, false, false, false) => {
                if said == "timestamp" && !self.timeless {
                    Kind::Time
                } else if self.float || self.huge {
                    Kind::Float
                } else {
                    Kind::Int
                }
            }
            (false, false, true, false, false) => Kind::Text,
            (false, false, false, true, false) => Kind::Media,
            _ => Kind::Json,
        }
    }
}

#[derive(Debug, Default)]
struct Cells {
    seen: Vec<Seen>,
}

impl Sink for Cells {
    fn row(&mut self, cells: &[Cell<'_>]) -> Result<()> {
        self.seen
            .resize(self.seen.len().max(cells.len()), Seen::default());
        for (seen, cell) in self.seen.iter_mut().zip(cells) {
            seen.take(cell);
        }
        Ok(())
    }
}

/// The first reading of the files of a table.
#[derive(Debug)]
pub struct Scan {
    reader: Reader,
    cells: Cells,
    names: Option<Vec<String>>,
    said: Vec<String>,
    rows: u64,
}

impl Default for Scan {
    fn default() -> Self {
        Self {
            reader: Reader::new(),
            cells: Cells::default(),
            names: None,
            said: Vec::new(),
            rows: 0,
        }
    }
}

impl Scan {
    /// Takes the next piece of a file.
    ///
    /// # Errors
    /// It is no table, or one that is larger than we read.
    pub fn feed(&mut self, piece: &[u8]) -> Result<()> {
        self.reader.feed(piece, &mut self.cells)
    }

    /// A file is over; another one may follow, with more rows of the same columns.
    ///
    /// # Errors
    /// It ends early, or has other columns than the ones before.
    pub fn end_file(&mut self) -> Result<()> {
        let mut reader = std::mem::replace(&mut self.reader, Reader::new());
        self.rows += reader.finish()?;
        let names = reader.names.unwrap_or_default();
        match &self.names {
            Some(before) if *before != names => {
                return Err(Error::Table {
                    what: "its columns are not those of the increments before",
                    at: 0,
                });
            }
            Some(_) => (),
            None => {
                self.said = names
                    .iter()
                    .map(|name| said_of(reader.types.as_ref(), name))
                    .collect();
                self.names = Some(names);
            }
        }
        Ok(())
    }

    /// Rows of all files.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The columns, when all files are over.
    #[must_use]
    pub fn columns(&self) -> Vec<Column> {
        let seen = self.cells.seen.iter().copied();
        let seen = seen.chain(std::iter::repeat(Seen::default()));
        let named = self.names.iter().flatten().zip(&self.said);
        named
            .zip(seen)
            .map(|((name, said), seen)| {
                let kind = seen.kind(said);
                Column {
                    name: name.clone(),
                    kind,
                    said: said.clone(),
                    has_digits: kind == Kind::Float && seen.long,
                }
            })
            .collect()
    }

    /// The second reading, of the same files in the same order.
    #[must_use]
    pub fn blocks(&self) -> Blocks {
        Blocks::new(&self.columns())
    }
}

/// The type of a column by `column_types`; of an optional one that of what may be there.
fn said_of(types: Option<&serde_json::Value>, name: &str) -> String {
    let find = || {
        let found = types?.get("params")?.get("type_map")?.get(name)?;
        let of = |one: &serde_json::Value| Some(one.get("wb_type")?.as_str()?.to_owned());
        let said = of(found)?;
        if said != "union" {
            return Some(said);
        }
        let members = found.get("params")?.get("allowed_types")?.as_array()?;
        let mut kinds = members.iter().filter_map(of).filter(|one| one != "none");
        match (kinds.next(), kinds.next()) {
            (Some(one), None) => Some(one),
            _ => Some(said),
        }
    };
    find().unwrap_or_default()
}
