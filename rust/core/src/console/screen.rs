//! One stream as a terminal holds it: the lines that may still change.

use std::collections::VecDeque;

use unicode_width::UnicodeWidthChar as _;

use super::Line;
use crate::error::Result;
use crate::sgr::Style;
use crate::value::{Cursor, write_array_len, write_bool, write_int, write_str, write_u64_fixed};

/// Lines that the cursor can go back to; what is above them is finished.
pub(super) const WINDOW: usize = 64;
/// Letters of a line; what is behind them is counted.
pub(super) const MAX_LETTERS: usize = 16_384;
/// Bytes of what a line was before; of more the oldest are kept, and the newest.
pub(super) const MAX_VERSION_BYTES: usize = 16_384;
/// What is written to a line that was wiped out so long ago is another line: nobody redraws a bar so late.
const WIPED_NANOS: i64 = 1_000_000_000;

#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Row {
    pub(super) number: u64,
    pub(super) wall: i64,
    /// When it was written to last.
    pub(super) touched: i64,
    pub(super) letters: Vec<(char, Style)>,
    pub(super) cut: u64,
    pub(super) rewrites: u32,
    pub(super) versions: VecDeque<String>,
    pub(super) left_out: u64,
}

/// One stream, from the oldest line that may still change.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Screen {
    pub(super) rows: VecDeque<Row>,
    pub(super) row: usize,
    pub(super) column: usize,
    pub(super) style: Style,
    /// The cursor went back: what is written next over something writes it anew.
    pub(super) returned: bool,
    /// The beginning of an escape sequence whose rest is to come.
    pub(super) pending: String,
}

impl Screen {
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        write_array_len(out, 6);
        write_u64_fixed(out, self.row as u64);
        write_u64_fixed(out, self.column as u64);
        write_str(out, &self.style.params());
        write_bool(out, self.returned);
        write_str(out, &self.pending);
        write_array_len(out, self.rows.len());
        for row in &self.rows {
            write_array_len(out, 8);
            write_u64_fixed(out, row.number);
            write_int(out, row.wall);
            write_str(out, &row.text());
            write_u64_fixed(out, row.cut);
            write_u64_fixed(out, u64::from(row.rewrites));
            write_u64_fixed(out, row.left_out);
            write_array_len(out, row.versions.len());
            for version in &row.versions {
                write_str(out, version);
            }
            write_int(out, row.touched);
        }
    }

    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Self> {
        cursor.array_len("screen")?;
        let place = |number| usize::try_from(number).unwrap_or(0);
        let mut screen = Self {
            row: place(cursor.u64("row")?).min(WINDOW),
            column: place(cursor.u64("column")?).min(MAX_LETTERS),
            style: style_of(cursor.str("style")?),
            returned: cursor.bool("returned")?,
            pending: cursor.str("pending")?.to_owned(),
            ..Self::default()
        };
        for _ in 0..cursor.array_len("rows")? {
            let items = cursor.array_len("row")?;
            let mut row = Row {
                number: cursor.u64("number")?,
                wall: cursor.i64("wall")?,
                letters: letters_of(cursor.str("text")?),
                cut: cursor.u64("cut")?,
                rewrites: u32::try_from(cursor.u64("rewrites")?).unwrap_or(u32::MAX),
                left_out: cursor.u64("left out")?,
                ..Row::default()
            };
            for _ in 0..cursor.array_len("versions")? {
                row.versions.push_back(cursor.str("version")?.to_owned());
            }
            // Earlier ones did not say it.
            row.touched = if items > 7 {
                cursor.i64("when it was written to")?
            } else {
                i64::MAX
            };
            screen.rows.push_back(row);
        }
        Ok(screen)
    }
}

impl Row {
    /// The letters with their colours.
    fn text(&self) -> String {
        let mut out = String::with_capacity(self.letters.len());
        let mut style = Style::default();
        for &(letter, look) in &self.letters {
            if look != style {
                out.push_str("\x1b[0");
                let params = look.params();
                if !params.is_empty() {
                    out.push(';');
                    out.push_str(&params);
                }
                out.push('m');
                style = look;
            }
            if letter != SECOND_HALF {
                out.push(letter);
            }
        }
        if style != Style::default() {
            out.push_str("\x1b[0m");
        }
        out
    }

    /// The letters alone.
    fn plain(&self) -> String {
        let letters = self.letters.iter().map(|&(letter, _)| letter);
        letters.filter(|&letter| letter != SECOND_HALF).collect()
    }

    /// Leaves no half of a letter on either side of a column at which something else begins.
    pub(super) fn part_at(&mut self, column: usize) {
        let is_parted = self
            .letters
            .get(column)
            .is_some_and(|&(letter, _)| letter == SECOND_HALF);
        if !is_parted {
            return;
        }
        for half in [column.checked_sub(1), Some(column)].into_iter().flatten() {
            if let Some(place) = self.letters.get_mut(half) {
                *place = BLANK;
            }
        }
    }

    pub(super) fn line(self, stream: u8) -> Line {
        let mut row = self;
        // What blanks have wiped out is not there.
        if row.rewrites > 0 {
            while row.letters.last().is_some_and(|&last| last == BLANK) {
                row.letters.pop();
            }
        }
        let mut text = row.text();
        let mut plain = row.plain();
        if row.cut > 0 {
            let note = format!(" … {} more letters", row.cut);
            text.push_str(&note);
            plain.push_str(&note);
        }
        if plain == text {
            plain.clear();
        }
        let mut versions: Vec<String> = std::mem::take(&mut row.versions).into();
        if row.left_out > 0 {
            let note = format!("… {} more …", row.left_out);
            versions.insert(versions.len() / 2, note);
        }
        Line {
            number: row.number,
            wall: row.wall,
            stream,
            rewrites: row.rewrites,
            text,
            plain,
            versions: versions.join("\n"),
        }
    }

    /// Whether there was something, which was wiped out for good.
    pub(super) fn is_wiped(&self, wall: i64) -> bool {
        self.rewrites > 0
            && wall.saturating_sub(self.touched) >= WIPED_NANOS
            && self.letters.iter().all(|&(letter, _)| letter == ' ')
    }

    /// Keeps what the line is, since it is about to be another.
    pub(super) fn keep_version(&mut self) {
        self.rewrites = self.rewrites.saturating_add(1);
        let text = self.plain();
        self.versions.push_back(text.trim_end().to_owned());
        let bytes =
            |versions: &VecDeque<String>| versions.iter().map(|one| one.len() + 1).sum::<usize>();
        while bytes(&self.versions) > MAX_VERSION_BYTES && self.versions.len() > 1 {
            self.versions.remove(self.versions.len() / 2);
            self.left_out += 1;
        }
    }
}

pub(super) const BLANK: (char, Style) = (' ', Style::NONE);

/// Stands in the second column of a letter that takes two.
pub(super) const SECOND_HALF: char = '\0';

/// Whether a terminal gives two columns to a letter, as to those of Chinese and most emoji.
pub(super) fn is_wide(letter: char) -> bool {
    letter >= '\u{1100}' && letter.width() == Some(2)
}

fn style_of(params: &str) -> Style {
    let mut style = Style::default();
    let codes: Vec<u16> = params
        .split(';')
        .filter_map(|code| code.parse().ok())
        .collect();
    style.apply(codes.iter().map(std::slice::from_ref));
    style
}

/// The letters of [`Row::text`].
fn letters_of(text: &str) -> Vec<(char, Style)> {
    let mut letters = Vec::new();
    let mut style = Style::default();
    for (number, part) in text.split("\x1b[").enumerate() {
        let mut rest = part;
        if number > 0 {
            let (params, behind) = part.split_once('m').unwrap_or(("", part));
            (style, rest) = (style_of(params), behind);
        }
        for letter in rest.chars() {
            letters.push((letter, style));
            if is_wide(letter) {
                letters.push((SECOND_HALF, style));
            }
        }
    }
    letters
}
