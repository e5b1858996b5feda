//! The file of a table, piece by piece: its columns, their types as it says them, and its rows.

use super::cells::{Cell, Cursor, Read, Stop};
use crate::error::{Error, Result};

/// Columns of a table.
pub const MAX_COLUMNS: usize = 10_000;
/// Of a row, and of what else the file says, as JSON.
pub const MAX_ROW_BYTES: usize = 64 << 20;

/// What is done with a file.
pub(super) trait Sink {
    fn row(&mut self, cells: &[Cell<'_>]) -> Result<()>;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Begin,
    FirstMember,
    Member,
    FirstRow,
    Row,
    End,
}

/// A file that is being read.
#[derive(Debug)]
pub(super) struct Reader {
    state: State,
    buffer: Vec<u8>,
    /// Where the buffer begins in the file.
    start: u64,
    rows: u64,
    has_data: bool,
    /// Cells of each row.
    width: Option<usize>,
    /// The names of the columns.
    pub(super) names: Option<Vec<String>>,
    /// The member `column_types`.
    pub(super) types: Option<serde_json::Value>,
}

impl Reader {
    pub(super) fn new() -> Self {
        Self {
            state: State::Begin,
            buffer: Vec::new(),
            start: 0,
            rows: 0,
            has_data: false,
            width: None,
            names: None,
            types: None,
        }
    }

    /// Takes the next piece of the file.
    pub(super) fn feed(&mut self, piece: &[u8], sink: &mut impl Sink) -> Result<()> {
        let mut bytes = std::mem::take(&mut self.buffer);
        bytes.extend_from_slice(piece);
        let mut cursor = Cursor::new(&bytes);
        let mut cells = Vec::new();
        loop {
            let done = cursor.at;
            match self.step(&mut cursor, &mut cells, sink) {
                Ok(result) => result?,
                Err(Stop::Wrong(what, at)) => return Err(self.wrong(what, at)),
                Err(Stop::More) => {
                    cells.clear();
                    self.start += done as u64;
                    bytes.drain(..done);
                    break;
                }
            }
        }
        if bytes.len() > MAX_ROW_BYTES {
            return Err(self.wrong("a row is larger than 64 MiB", 0));
        }
        self.buffer = bytes;
        Ok(())
    }

    /// The file is over: how many rows it has.
    pub(super) fn finish(&mut self) -> Result<u64> {
        if self.state != State::End {
            return Err(self.wrong("the file ends early", self.buffer.len()));
        }
        if self.names.is_none() {
            return Err(self.wrong("it has no `columns`", 0));
        }
        if !self.has_data {
            return Err(self.wrong("it has no `data`", 0));
        }
        Ok(self.rows)
    }

    fn wrong(&self, what: &'static str, at: usize) -> Error {
        Error::Table {
            what,
            at: self.start + at as u64,
        }
    }

    fn step<'a>(
        &mut self,
        cursor: &mut Cursor<'a>,
        cells: &mut Vec<Cell<'a>>,
        sink: &mut impl Sink,
    ) -> Read<Result<()>> {
        match self.state {
            State::Begin => {
                cursor.expect(b'{', "it is no JSON object")?;
                self.state = State::FirstMember;
            }
            State::FirstMember | State::Member => self.member(cursor)?,
            State::FirstRow | State::Row => return self.row(cursor, cells, sink),
            State::End => {
                cursor.peek()?;
                return Err(Stop::Wrong("something follows the table", cursor.at));
            }
        }
        Ok(Ok(()))
    }

    fn member(&mut self, cursor: &mut Cursor<'_>) -> Read<()> {
        if cursor.takes(b'}')? {
            self.state = State::End;
            return Ok(());
        }
        if self.state == State::Member {
            cursor.expect(b',', "a comma is missing")?;
        }
        let at = cursor.at;
        let name = cursor.text()?;
        cursor.expect(b':', "a colon is missing")?;
        let is_again = match name.as_ref() {
            "data" => self.has_data,
            "columns" => self.names.is_some(),
            _ => false,
        };
        if is_again {
            return Err(Stop::Wrong("`columns` or `data` is there twice", at));
        }
        if name == "data" {
            cursor.expect(b'[', "`data` is no list")?;
            (self.state, self.has_data) = (State::FirstRow, true);
            return Ok(());
        }
        let start = cursor.at;
        match (name.as_ref(), cursor.cell()?) {
            ("columns", Cell::List(text)) => self.take_names(text, start)?,
            ("columns", _) => return Err(Stop::Wrong("`columns` is no list", start)),
            ("column_types", Cell::Object(text, _)) => {
                // What cannot be read here is found out from the cells.
                self.types = serde_json::from_str(text).ok();
            }
            _ => (),
        }
        self.state = State::Member;
        Ok(())
    }

    fn take_names(&mut self, text: &str, at: usize) -> Read<()> {
        let mut cursor = Cursor::new(text.as_bytes());
        let mut names = Vec::new();
        cursor.expect(b'[', "`columns` is no list")?;
        while !cursor.takes(b']')? {
            if !names.is_empty() {
                cursor.expect(b',', "a comma is missing")?;
            }
            names.push(match cursor.cell()? {
                Cell::Text(name) => name.into_owned(),
                Cell::Int(name) | Cell::Float(name) => name.to_owned(),
                Cell::Null => "null".to_owned(),
                Cell::Bool(name) => name.to_string(),
                _ => return Err(Stop::Wrong("the name of a column is no text", at)),
            });
        }
        if names.len() > MAX_COLUMNS {
            return Err(Stop::Wrong("it has more than 10,000 columns", at));
        }
        if self.width.is_some_and(|width| width != names.len()) {
            return Err(Stop::Wrong("its rows have not a cell for each column", at));
        }
        self.width = Some(names.len());
        self.names = Some(names);
        Ok(())
    }

    fn row<'a>(
        &mut self,
        cursor: &mut Cursor<'a>,
        cells: &mut Vec<Cell<'a>>,
        sink: &mut impl Sink,
    ) -> Read<Result<()>> {
        if cursor.takes(b']')? {
            self.state = State::Member;
            return Ok(Ok(()));
        }
        if self.state == State::Row {
            cursor.expect(b',', "a comma is missing")?;
        }
        cursor.expect(b'[', "a row is no list")?;
        let most = self.width.unwrap_or(MAX_COLUMNS);
        cells.clear();
        while !cursor.takes(b']')? {
            if !cells.is_empty() {
                cursor.expect(b',', "a comma is missing")?;
            }
            cells.push(cursor.cell()?);
            if cells.len() > most {
                break;
            }
        }
        let width = *self.width.get_or_insert(cells.len());
        if cells.len() != width {
            return Ok(Err(Error::TableRow {
                row: self.rows,
                cells: cells.len(),
                columns: width,
            }));
        }
        let result = sink.row(cells);
        self.rows += 1;
        self.state = State::Row;
        Ok(result)
    }
}
