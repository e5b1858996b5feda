//! JSON as Python writes it, with the bare tokens for NaN and the infinities, read from a piece of a file.

use std::borrow::Cow;

/// Lists and objects within each other.
const MAX_DEPTH: usize = 100;

/// Why reading stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// The piece ends before the value does.
    More,
    /// It is no JSON, or deeper than we read; at which byte of the piece.
    Wrong(&'static str, usize),
}

pub(super) type Read<T> = Result<T, Stop>;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell<'a> {
    Null,
    Bool(bool),
    /// As it stands.
    Int(&'a str),
    /// As it stands, or a bare token.
    Float(&'a str),
    Text(Cow<'a, str>),
    List(&'a str),
    /// As it stands, and its member `_type` where that is text.
    Object(&'a str, Option<Cow<'a, str>>),
}

/// Reads values from a piece of JSON.
#[derive(Debug, Clone)]
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    /// How far it has come.
    pub(super) at: usize,
}

const NAMES: [(&str, Cell<'static>); 6] = [
    ("null", Cell::Null),
    ("true", Cell::Bool(true)),
    ("false", Cell::Bool(false)),
    ("NaN", Cell::Float("NaN")),
    ("Infinity", Cell::Float("Infinity")),
    ("-Infinity", Cell::Float("-Infinity")),
];

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    fn wrong<T>(&self, what: &'static str) -> Read<T> {
        Err(Stop::Wrong(what, self.at))
    }

    /// The next byte that is no white space; it stays.
    pub(super) fn peek(&mut self) -> Read<u8> {
        loop {
            match self.bytes.get(self.at) {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                Some(byte) => return Ok(*byte),
                None => return Err(Stop::More),
            }
        }
    }

    /// Whether the next byte is this one, which is then taken.
    pub(super) fn takes(&mut self, byte: u8) -> Read<bool> {
        let is_it = self.peek()? == byte;
        self.at += usize::from(is_it);
        Ok(is_it)
    }

    pub(super) fn expect(&mut self, byte: u8, what: &'static str) -> Read<()> {
        if self.takes(byte)? {
            return Ok(());
        }
        self.wrong(what)
    }

    /// The next value, whole.
    pub(super) fn cell(&mut self) -> Read<Cell<'a>> {
        match self.peek()? {
            b'"' => self.text().map(Cell::Text),
            b'[' => self.nested().map(|(text, _)| Cell::List(text)),
            b'{' => self
                .nested()
                .map(|(text, of_type)| Cell::Object(text, of_type)),
            _ => self.plain(),
        }
    }

    /// A list or object, as it stands.
    fn nested(&mut self) -> Read<(&'a str, Option<Cow<'a, str>>)> {
        let start = self.at;
        let mut open: Vec<bool> = Vec::new();
        let mut of_type = None;
        let mut is_first = true;
        loop {
            let mut byte = self.peek()?;
            if let Some(is_object) = open.last().copied() {
                let end = if is_object { b'}' } else { b']' };
                if byte == end {
                    self.at += 1;
                    open.pop();
                    if open.is_empty() {
                        break;
                    }
                    is_first = false;
                    continue;
                }
                if !is_first {
                    self.expect(b',', "a comma is missing")?;
                    byte = self.peek()?;
                }
                if is_object {
                    let name = self.text()?;
                    self.expect(b':', "a colon is missing")?;
                    byte = self.peek()?;
                    if open.len() == 1 && byte == b'"' && name == "_type" {
                        of_type = Some(self.text()?);
                        is_first = false;
                        continue;
                    }
                }
            }
            is_first = matches!(byte, b'[' | b'{');
            if is_first {
                if open.len() == MAX_DEPTH {
                    return self.wrong("lists and objects are nested too deep");
                }
                open.push(byte == b'{');
                self.at += 1;
            } else if byte == b'"' {
                self.text()?;
            } else {
                self.plain()?;
            }
        }
        let whole = self.slice(start, self.at)?;
        Ok((whole, of_type))
    }

    fn slice(&self, start: usize, end: usize) -> Read<&'a str> {
        let bytes = self.bytes.get(start..end).unwrap_or_default();
        std::str::from_utf8(bytes)
            .map_err(|error| Stop::Wrong("text is not UTF-8", start + error.valid_up_to()))
    }

    fn plain(&mut self) -> Read<Cell<'a>> {
        let start = self.at;
        let rest = self.bytes.get(start..).unwrap_or_default();
        for (name, cell) in NAMES {
            if rest.starts_with(name.as_bytes()) {
                self.at += name.len();
                return Ok(cell);
            }
            if name.as_bytes().starts_with(rest) {
                return Err(Stop::More);
            }
        }
        let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
        let Some(len) = rest.iter().position(|byte| !is_part(byte)) else {
            return Err(Stop::More);
        };
        let text = self.slice(start, start + len)?;
        let Some(is_int) = number(text.as_bytes()) else {
            return self.wrong("this is no JSON value");
        };
        self.at += len;
        Ok(if is_int {
            Cell::Int(text)
        } else {
            Cell::Float(text)
        })
    }

    /// A text without its quotes.
    pub(super) fn text(&mut self) -> Read<Cow<'a, str>> {
        self.expect(b'"', "a text is missing")?;
        let start = self.at;
        let mut has_escapes = false;
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let Some(len) = rest
                .iter()
                .position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f))
            else {
                return Err(Stop::More);
            };
            self.at += len;
            match rest.get(len) {
                Some(b'"') => break,
                Some(b'\\') if rest.len() > len + 1 => {
                    has_escapes = true;
                    self.at += 2;
                }
                Some(b'\\') => return Err(Stop::More),
                _ => return self.wrong("a text has a control character"),
            }
        }
        let raw = self.slice(start, self.at)?;
        let found = if has_escapes {
            match unescaped(raw) {
                Some(text) => Cow::Owned(text),
                None => return Err(Stop::Wrong("a text has a wrong escape", start)),
            }
        } else {
            Cow::Borrowed(raw)
        };
        self.at += 1;
        Ok(found)
    }
}

/// Whether a number is written as an integer; None: it is no number.
fn number(text: &[u8]) -> Option<bool> {
    let digits = |at: usize| {
        let rest = text.get(at..).unwrap_or_default();
        rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
    };
    let mut at = usize::from(text.first() == Some(&b'-'));
    let whole = digits(at);
    if whole == 0 || (whole > 1 && text.get(at) == Some(&b'0')) {
        return None;
    }
    at += whole;
    let is_int = at == text.len();
    if text.get(at) == Some(&b'.') {
        let fraction = digits(at + 1);
        if fraction == 0 {
            return None;
        }
        at += 1 + fraction;
    }
    if matches!(text.get(at), Some(b'e' | b'E')) {
        at += 1;
        at += usize::from(matches!(text.get(at), Some(b'+' | b'-')));
        let exponent = digits(at);
        if exponent == 0 {
            return None;
        }
        at += exponent;
    }
    (at == text.len()).then_some(is_int)
}

/// A text with its escapes resolved; half of a surrogate pair, which no text can have, is U+FFFD.
fn unescaped(raw: &str) -> Option<String> {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let mut chars = after.chars();
        out.push(match chars.next()? {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'u' => {
                let high = unit(chars.as_str())?;
                chars = chars.as_str().get(4..)?.chars();
                let low = chars.as_str().strip_prefix("\\u").and_then(unit);
                let both = [high, low.unwrap_or(0)];
                match char::decode_utf16(both).next() {
                    Some(Ok(one)) => {
                        if one.len_utf16() == 2 {
                            chars = chars.as_str().get(6..)?.chars();
                        }
                        one
                    }
                    _ => char::REPLACEMENT_CHARACTER,
                }
            }
            one @ ('"' | '\\' | '/') => one,
            _ => return None,
        });
        rest = chars.as_str();
    }
    out.push_str(rest);
    Some(out)
}

fn unit(text: &str) -> Option<u16> {
    let digits = text.get(..4)?;
    let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex.then(|| u16::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Read<Cell<'_>> {
        Cursor::new(text.as_bytes()).cell()
    }

    #[test]
    fn values_are_what_they_say() {
        assert_eq!(read(" null,"), Ok(Cell::Null));
        assert_eq!(read("-12]"), Ok(Cell::Int("-12")));
        assert_eq!(read("1e5,"), Ok(Cell::Float("1e5")));
        assert_eq!(read("-Infinity"), Ok(Cell::Float("-Infinity")));
        assert_eq!(
            read(r#""a\n\ud83d\ude00\ud800x""#),
            Ok(Cell::Text("a\n😀\u{fffd}x".into()))
        );
        assert_eq!(
            read(r#"[1,{"a":[NaN]},[]] "#),
            Ok(Cell::List(r#"[1,{"a":[NaN]},[]]"#))
        );
        let object = r#"{"path":"x","_type":"image-file"}"#;
        assert_eq!(
            read(object),
            Ok(Cell::Object(object, Some("image-file".into())))
        );
        assert_eq!(
            read(r#"{"a":{"_type":"b"}}"#),
            Ok(Cell::Object(r#"{"a":{"_type":"b"}}"#, None))
        );
    }

    #[test]
    fn a_value_that_goes_on_is_waited_for() {
        for text in [
            "", " ", "12", "-", "nul", "-Inf", "\"a", "\"a\\", "[1,", "{\"a\"", "{",
        ] {
            assert_eq!(read(text), Err(Stop::More), "{text}");
        }
    }

    #[test]
    fn what_is_no_json_is_wrong() {
        for text in [
            "01,",
            "1.,",
            ".5,",
            "1e,",
            "+1,",
            "--1,",
            "nil,",
            "[1 2]",
            "[,1]",
            "[1,]",
            "{1:2}",
            "{\"a\" 1}",
            "\"\u{1}\"",
            r#""\x""#,
            r#""\u12g4""#,
            "]",
            "{\"a\":1,}",
            "[1}",
        ] {
            assert!(matches!(read(text), Err(Stop::Wrong(..))), "{text}");
        }
        let deep = "[".repeat(MAX_DEPTH + 1);
        assert!(matches!(read(&deep), Err(Stop::Wrong(..))));
        assert!(matches!(
            Cursor::new(b"\"\xff\"").cell(),
            Err(Stop::Wrong(_, 1))
        ));
    }
}
