//! The rows of a table as `Native` blocks: a column `r` with the number of the row, then `c0`, `c1`, ….

use std::borrow::Cow;

use super::cells::Cell;
use super::columns::{Column, Kind};
use super::reader::{Reader, Sink};
use crate::error::{Error, Result};
use crate::native::{write_bytes, write_columns};

/// Of a block, unless a row alone is larger.
const BLOCK_ROWS: usize = 65_536;
const BLOCK_BYTES: usize = 16 << 20;

/// The second reading of the files of a table.
#[derive(Debug)]
pub struct Blocks {
    reader: Reader,
    block: Block,
}

impl Blocks {
    pub(super) fn new(columns: &[Column]) -> Self {
        let columns = columns.iter().map(Gathered::new).collect();
        Self {
            reader: Reader::new(),
            block: Block {
                columns,
                ..Block::default()
            },
        }
    }

    /// Takes the next piece of a file; answers the blocks that are full.
    ///
    /// # Errors
    /// The file is not the one of the first reading.
    pub fn feed(&mut self, piece: &[u8]) -> Result<Vec<Vec<u8>>> {
        self.reader.feed(piece, &mut self.block)?;
        Ok(std::mem::take(&mut self.block.full))
    }

    /// A file is over.
    ///
    /// # Errors
    /// It ends early.
    pub fn end_file(&mut self) -> Result<()> {
        std::mem::replace(&mut self.reader, Reader::new()).finish()?;
        Ok(())
    }

    /// The last block; no bytes where no rows are left.
    #[must_use]
    pub fn finish(&mut self) -> Vec<u8> {
        self.block.cut();
        self.block.full.pop().unwrap_or_default()
    }
}

#[derive(Debug, Default)]
struct Block {
    columns: Vec<Gathered>,
    rows: usize,
    bytes: usize,
    /// The number of the next row.
    next: u32,
    numbers: Vec<u8>,
    full: Vec<Vec<u8>>,
}

impl Sink for Block {
    fn row(&mut self, cells: &[Cell<'_>]) -> Result<()> {
        if cells.len() != self.columns.len() {
            return Err(changed());
        }
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            let before = column.data.len();
            column.push(cell).ok_or_else(changed)?;
            self.bytes += column.data.len() - before;
        }
        self.numbers.extend_from_slice(&self.next.to_le_bytes());
        self.next = self.next.checked_add(1).ok_or(Error::Table {
            what: "it has more than 4,294,967,295 rows",
            at: 0,
        })?;
        self.rows += 1;
        if self.rows == BLOCK_ROWS || self.bytes >= BLOCK_BYTES {
            self.cut();
        }
        Ok(())
    }
}

fn changed() -> Error {
    Error::Table {
        what: "the file is not what it was when it was read first",
        at: 0,
    }
}

impl Block {
    fn cut(&mut self) {
        if self.rows == 0 {
            return;
        }
        let names: Vec<(String, String)> = (0..self.columns.len())
            .map(|number| (format!("c{number}"), format!("d{number}")))
            .collect();
        let mut columns: Vec<(&str, &str, &[&[u8]])> = Vec::with_capacity(names.len() + 1);
        let numbers: [&[u8]; 1] = [&self.numbers];
        columns.push(("r", "UInt32", &numbers));
        let parts: Vec<[&[u8]; 2]> = self
            .columns
            .iter()
            .map(|column| [column.nulls.as_slice(), column.data.as_slice()])
            .collect();
        let digits: Vec<[&[u8]; 1]> = self
            .columns
            .iter()
            .map(|column| [column.digits.as_slice()])
            .collect();
        for (((column, name), part), beside) in
            self.columns.iter().zip(&names).zip(&parts).zip(&digits)
        {
            columns.push((&name.0, column.of_type(), part));
            if column.has_digits {
                columns.push((&name.1, "String", beside));
            }
        }
        let mut out = Vec::with_capacity(self.bytes + self.rows * (self.columns.len() + 4));
        write_columns(&mut out, self.rows, &columns);
        self.full.push(out);
        for column in &mut self.columns {
            column.nulls.clear();
            column.data.clear();
            column.digits.clear();
        }
        self.numbers.clear();
        (self.rows, self.bytes) = (0, 0);
    }
}

#[derive(Debug)]
struct Gathered {
    kind: Kind,
    has_digits: bool,
    nulls: Vec<u8>,
    data: Vec<u8>,
    digits: Vec<u8>,
}

impl Gathered {
    fn new(column: &Column) -> Self {
        Self {
            kind: column.kind,
            has_digits: column.has_digits,
            nulls: Vec::new(),
            data: Vec::new(),
            digits: Vec::new(),
        }
    }

    fn of_type(&self) -> &'static str {
        match self.kind {
            Kind::Int | Kind::Time => "Nullable(Int64)",
            Kind::Float => "Nullable(Float64)",
            Kind::Bool => "Nullable(UInt8)",
            Kind::Text | Kind::Media | Kind::Json => "Nullable(String)",
        }
    }

    /// None: the cell is not what the first reading has seen.
    fn push(&mut self, cell: &Cell<'_>) -> Option<()> {
        let mut digits = "";
        match (self.kind, cell) {
            (Kind::Int | Kind::Time | Kind::Float, Cell::Null) => {
                self.data.extend_from_slice(&[0; 8]);
            }
            (_, Cell::Null) => self.data.push(0),
            (Kind::Int, Cell::Int(text)) => {
                let value: i64 = text.parse().ok()?;
                self.data.extend_from_slice(&value.to_le_bytes());
            }
            (Kind::Time, Cell::Int(text) | Cell::Float(text)) => {
                self.data.extend_from_slice(&micros(text)?.to_le_bytes());
            }
            (Kind::Float, Cell::Float(text)) => {
                let value: f64 = text.parse().ok()?;
                self.data.extend_from_slice(&value.to_le_bytes());
            }
            (Kind::Float, Cell::Int(text)) => {
                let value: f64 = text.parse().ok()?;
                self.data.extend_from_slice(&value.to_le_bytes());
                let is_exact = text.len() <= 15
                    || text
                        .parse::<i64>()
                        .is_ok_and(|value| value.unsigned_abs() <= 1 << 53);
                digits = if is_exact { "" } else { text };
            }
            (Kind::Bool, Cell::Bool(value)) => self.data.push(u8::from(*value)),
            (Kind::Text, Cell::Text(text)) => write_bytes(&mut self.data, text.as_bytes()),
            (Kind::Media, Cell::Object(text, _)) => write_bytes(&mut self.data, text.as_bytes()),
            (Kind::Json, cell) => write_bytes(&mut self.data, as_json(cell).as_bytes()),
            _ => return None,
        }
        self.nulls.push(u8::from(*cell == Cell::Null));
        if self.has_digits {
            write_bytes(&mut self.digits, digits.as_bytes());
        }
        Some(())
    }
}

/// Milliseconds as microseconds.
fn micros(text: &str) -> Option<i64> {
    if let Ok(millis) = text.parse::<i64>() {
        return millis.checked_mul(1000);
    }
    let micros = (text.parse::<f64>().ok()? * 1000.0).round();
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the first reading has seen that it is within"
    )]
    (micros.abs() < 9e18).then_some(micros as i64)
}

fn as_json<'a>(cell: &'a Cell<'_>) -> Cow<'a, str> {
    match cell {
        Cell::Null => "null".into(),
        Cell::Bool(true) => "true".into(),
        Cell::Bool(false) => "false".into(),
        Cell::Int(text) | Cell::Float(text) | Cell::List(text) | Cell::Object(text, _) => {
            (*text).into()
        }
        Cell::Text(text) => serde_json::Value::from(text.as_ref()).to_string().into(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Column, Kind, Scan};
    use super::*;

    /// Reads files by pieces of a size: the columns, the rows and the blocks.
    fn read(files: &[&str], size: usize) -> Result<(Vec<Column>, u64, Vec<Vec<u8>>)> {
        let mut scan = Scan::default();
        for file in files {
            for piece in file.as_bytes().chunks(size) {
                scan.feed(piece)?;
            }
            scan.end_file()?;
        }
        let mut blocks = scan.blocks();
        let mut found = Vec::new();
        for file in files {
            for piece in file.as_bytes().chunks(size) {
                found.extend(blocks.feed(piece)?);
            }
            blocks.end_file()?;
        }
        found.push(blocks.finish());
        Ok((scan.columns(), scan.rows(), found))
    }

    fn kinds(data: &str, width: usize) -> Vec<Kind> {
        let names: Vec<String> = (0..width).map(|number| format!("\"{number}\"")).collect();
        let file = format!(r#"{{"data":{data},"columns":[{}]}}"#, names.join(","));
        let (columns, _, _) = read(&[&file], 7).unwrap();
        columns.iter().map(|column| column.kind).collect()
    }

    #[test]
    fn a_file_is_the_documented_block() {
        let file = r#"{"columns":["a","b"],"data":[[1,"x"],[null,null]],"more":{"a":[1]}}"#;
        for size in 1..file.len() {
            let (_, rows, blocks) = read(&[file], size).unwrap();
            let expected = b"\x03\x02\x01r\x06UInt32\0\0\0\0\x01\0\0\0\
                \x02c0\x0fNullable(Int64)\0\x01\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\
                \x02c1\x10Nullable(String)\0\x01\x01x\0";
            assert_eq!((rows, blocks), (2, vec![expected.to_vec()]), "{size}");
        }
    }

    #[test]
    fn kinds_are_those_of_all_cells() {
        use Kind::{Bool, Float, Int, Json, Media, Text};
        let data = r#"[[1,1,true,"a",{"_type":"image-file"},1],[2,NaN,null,"b",null,"a"]]"#;
        assert_eq!(kinds(data, 6), [Int, Float, Bool, Text, Media, Json]);
        assert_eq!(kinds("[[1,9223372036854775808,[]]]", 3), [Int, Float, Json]);
        assert_eq!(kinds("[]", 1), [Json]);
    }

    #[test]
    fn said_types_decide_where_cells_cannot() {
        let types = r#"{"wb_type":"typedDict","params":{"type_map":{"t":{"wb_type":"union","params":{"allowed_types":[{"wb_type":"none"},{"wb_type":"timestamp"}]}},"n":{"wb_type":"number"}}}}"#;
        let file = format!(
            r#"{{"column_types":{types},"columns":["t","n"],"data":[[1500,null],[0.5,null]]}}"#
        );
        let (columns, _, blocks) = read(&[&file], 50).unwrap();
        let found: Vec<_> = columns
            .iter()
            .map(|one| (one.kind, one.said.as_str()))
            .collect();
        assert_eq!(found, [(Kind::Time, "timestamp"), (Kind::Float, "number")]);
        let micros = [1_500_000_i64.to_le_bytes(), 500_i64.to_le_bytes()].concat();
        assert!(blocks[0].windows(16).any(|window| window == micros));
    }

    #[test]
    fn integers_that_no_float_holds_keep_their_digits() {
        let file = r#"{"columns":["a"],"data":[[9007199254740993],[0.5]]}"#;
        let (columns, _, blocks) = read(&[file], 9).unwrap();
        assert!(columns[0].has_digits);
        assert!(blocks[0].ends_with(b"\x02d0\x06String\x109007199254740993\0"));
    }

    #[test]
    fn increments_are_one_table() {
        let [first, second] =
            ["[[1]]", "[[2.5],[3]]"].map(|data| format!(r#"{{"columns":["a"],"data":{data}}}"#));
        let (columns, rows, _) = read(&[&first, &second], 100).unwrap();
        assert_eq!((columns[0].kind, rows), (Kind::Float, 3));
        let other = r#"{"columns":["b"],"data":[]}"#;
        assert!(read(&[&first, other], 100).is_err());
    }

    #[test]
    fn what_is_no_table_is_refused() {
        for (file, why) in [
            ("[]", "it is no JSON object (byte 0)"),
            ("", "the file ends early (byte 0)"),
            ("{}", "it has no `columns` (byte 2)"),
            (r#"{"columns":[]}"#, "it has no `data` (byte 14)"),
            (
                r#"{"columns":["a"],"data":[[1],[1,2,3]]}"#,
                "row 1 has 2 cells, there are 1 columns",
            ),
            (
                r#"{"columns":["a"],"data":[[]]}"#,
                "row 0 has 0 cells, there are 1 columns",
            ),
            (
                r#"{"data":[[1,2]],"columns":["a"]}"#,
                "its rows have not a cell for each column (byte 26)",
            ),
            (
                r#"{"columns":["a"],"data":[1]}"#,
                "a row is no list (byte 25)",
            ),
            (
                r#"{"columns":["a"],"data":[[1]]"#,
                "the file ends early (byte 29)",
            ),
            (
                r#"{"columns":["a"],"data":[]}x"#,
                "something follows the table (byte 27)",
            ),
            (
                r#"{"columns":[[]],"data":[]}"#,
                "the name of a column is no text (byte 11)",
            ),
        ] {
            let found = read(&[file], 1000).unwrap_err().to_string();
            assert_eq!(found, why, "{file}");
        }
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(bytes in r#"[\[\]{},:"a1\.e\\ -]{0,40}"#, size in 1_usize..9) {
            let file = format!(r#"{{"columns":["a","b"],"data":[[1,2],[3,{bytes}]]}}"#);
            let [whole, cut] = [1000, size].map(|size| {
                read(&[&file], size).map_err(|error| error.to_string())
            });
            prop_assert_eq!(whole, cut);
        }
    }
}
