//! Rows of a table as JSON text.
//!
//! Integers have all their digits, floats the shortest text that reads back equal, always with a point
//! or an exponent; NaN and the infinities are the bare tokens that Python's json reads and writes.

use serde_json::ser::{CompactFormatter, Formatter as _};

/// A part of what rows hold. Texts lie one after the other elsewhere: here is where each ends.
#[derive(Debug, Clone, Copy)]
enum Token {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(usize),
    Digits(usize),
    OpenList,
    OpenMap,
    Close,
}

/// How far it has been filled: what was added later can be taken back.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    tokens: usize,
    texts: usize,
}

/// Rows as they are gathered: a list for each, with a value for each column. In a map texts and values
/// alternate.
#[derive(Debug, Default)]
pub struct Rows {
    tokens: Vec<Token>,
    texts: String,
}

/// A list or map that is being written.
struct Level {
    is_map: bool,
    count: usize,
}

impl Rows {
    /// Adds what Python calls `None`.
    pub fn add_null(&mut self) {
        self.tokens.push(Token::Null);
    }

    /// Adds a boolean.
    pub fn add_bool(&mut self, value: bool) {
        self.tokens.push(Token::Bool(value));
    }

    /// Adds an integer within int64.
    pub fn add_int(&mut self, value: i64) {
        self.tokens.push(Token::Int(value));
    }

    /// Adds an integer of any size, by its digits.
    pub fn add_digits(&mut self, digits: &str) {
        self.texts.push_str(digits);
        self.tokens.push(Token::Digits(self.texts.len()));
    }

    /// Adds a float.
    pub fn add_float(&mut self, value: f64) {
        self.tokens.push(Token::Float(value));
    }

    /// Adds a text, or the key of a map's next value.
    pub fn add_text(&mut self, text: &str) {
        self.texts.push_str(text);
        self.tokens.push(Token::Text(self.texts.len()));
    }

    /// Begins a list.
    pub fn open_list(&mut self) {
        self.tokens.push(Token::OpenList);
    }

    /// Begins a map.
    pub fn open_map(&mut self) {
        self.tokens.push(Token::OpenMap);
    }

    /// Ends the list or map that was begun last.
    pub fn close(&mut self) {
        self.tokens.push(Token::Close);
    }

    /// Where the next value begins.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark {
            tokens: self.tokens.len(),
            texts: self.texts.len(),
        }
    }

    /// Takes back what was added since.
    pub fn cut(&mut self, mark: Mark) {
        self.tokens.truncate(mark.tokens);
        self.texts.truncate(mark.texts);
    }

    /// The rows as JSON arrays, with commas between them. NaN is null in the columns that say so.
    #[must_use]
    pub fn to_json(&self, nan_is_null: &[bool]) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.tokens.len() * 8 + self.texts.len());
        let mut levels: Vec<Level> = vec![Level {
            is_map: false,
            count: 0,
        }];
        let mut text_start = 0;
        for token in &self.tokens {
            if matches!(token, Token::Close) {
                let is_map = levels.pop().is_some_and(|level| level.is_map);
                out.push(if is_map { b'}' } else { b']' });
                continue;
            }
            let is_cell = levels.len() == 2;
            let mut column = 0;
            if let Some(level) = levels.last_mut() {
                column = level.count;
                if level.is_map && column % 2 == 1 {
                    out.push(b':');
                } else if column > 0 {
                    out.push(b',');
                }
                level.count += 1;
            }
            match *token {
                Token::Null | Token::Close => out.extend_from_slice(b"null"),
                Token::Bool(true) => out.extend_from_slice(b"true"),
                Token::Bool(false) => out.extend_from_slice(b"false"),
                Token::Int(value) => write_int(&mut out, value),
                Token::Float(value) => {
                    let is_null =
                        is_cell && value.is_nan() && nan_is_null.get(column) == Some(&true);
                    write_float(&mut out, value, is_null);
                }
                Token::Text(end) | Token::Digits(end) => {
                    let text = self.texts.get(text_start..end).unwrap_or_default();
                    text_start = end;
                    if matches!(token, Token::Text(_)) {
                        write_text(&mut out, text);
                    } else {
                        out.extend_from_slice(text.as_bytes());
                    }
                }
                Token::OpenList | Token::OpenMap => {
                    let is_map = matches!(token, Token::OpenMap);
                    out.push(if is_map { b'{' } else { b'[' });
                    levels.push(Level { is_map, count: 0 });
                }
            }
        }
        out
    }
}

fn write_int(out: &mut Vec<u8>, value: i64) {
    // Writing into memory never fails.
    drop(CompactFormatter.write_i64(out, value));
}

fn write_float(out: &mut Vec<u8>, value: f64, is_null: bool) {
    if value.is_finite() {
        drop(CompactFormatter.write_f64(out, value));
        return;
    }
    let text: &[u8] = match (is_null, value.is_nan(), value > 0.0) {
        (true, ..) => b"null",
        (false, true, _) => b"NaN",
        (false, false, true) => b"Infinity",
        (false, false, false) => b"-Infinity",
    };
    out.extend_from_slice(text);
}

fn write_text(out: &mut Vec<u8>, text: &str) {
    drop(serde_json::to_writer(out, text));
}

#[cfg(test)]
mod tests {
    use super::Rows;
    use proptest::prelude::*;

    fn json(rows: &Rows) -> String {
        String::from_utf8(rows.to_json(&[])).unwrap_or_default()
    }

    #[test]
    fn rows_are_lists_with_commas_between_them() {
        let mut rows = Rows::default();
        rows.open_list();
        rows.add_int(i64::MIN);
        rows.add_float(1.0);
        rows.add_text("a\"\n\u{7f}é");
        rows.add_bool(false);
        rows.close();
        rows.open_list();
        rows.add_digits("123456789012345678901234567890");
        rows.open_map();
        rows.add_text("k");
        rows.open_list();
        rows.close();
        rows.add_text("l");
        rows.add_null();
        rows.close();
        rows.close();
        assert_eq!(
            json(&rows),
            "[-9223372036854775808,1.0,\"a\\\"\\n\u{7f}é\",false],\
             [123456789012345678901234567890,{\"k\":[],\"l\":null}]"
        );
    }

    #[test]
    fn floats_have_a_point_or_an_exponent_or_are_bare_tokens() {
        let mut rows = Rows::default();
        rows.open_list();
        for value in [
            -0.0,
            1e16,
            5e-324,
            0.1,
            f64::NAN,
            f64::INFINITY,
            -f64::INFINITY,
        ] {
            rows.add_float(value);
        }
        rows.close();
        let text = json(&rows);
        assert_eq!(text, "[-0.0,1e+16,5e-324,0.1,NaN,Infinity,-Infinity]");
    }

    #[test]
    fn nan_is_null_in_the_cells_of_columns_that_say_so() {
        let mut rows = Rows::default();
        rows.open_list();
        rows.add_float(f64::NAN);
        rows.add_float(f64::NAN);
        rows.open_list();
        rows.add_float(f64::NAN);
        rows.close();
        rows.close();
        let text = String::from_utf8(rows.to_json(&[true, false, true])).unwrap_or_default();
        assert_eq!(text, "[null,NaN,[NaN]]");
    }

    #[test]
    fn what_is_cut_leaves_nothing() {
        let mut rows = Rows::default();
        rows.open_list();
        rows.add_text("kept");
        let mark = rows.mark();
        rows.open_list();
        rows.add_text("cut");
        rows.cut(mark);
        rows.add_text("then");
        rows.close();
        assert_eq!(json(&rows), "[\"kept\",\"then\"]");
    }

    proptest! {
        #[test]
        fn finite_floats_read_back_bit_for_bit(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            let mut rows = Rows::default();
            rows.open_list();
            rows.add_float(value);
            rows.close();
            let text = json(&rows);
            let inner = text.trim_matches(|c| c == '[' || c == ']');
            prop_assert!(inner.contains(['.', 'e']));
            prop_assert_eq!(inner.parse::<f64>().map(f64::to_bits), Ok(bits));
        }

        #[test]
        fn texts_read_back(text in any::<String>()) {
            let mut rows = Rows::default();
            rows.open_list();
            rows.add_text(&text);
            rows.close();
            let read: Vec<String> = serde_json::from_str(&json(&rows)).unwrap_or_default();
            prop_assert_eq!(read, vec![text]);
        }
    }
}
