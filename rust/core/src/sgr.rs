//! How letters look on a terminal: the parameters of `ESC [ … m`.

/// A colour of letters or of what is behind them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Color {
    #[default]
    Default,
    Index(u8),
    Rgb(u8, u8, u8),
}

/// How a letter looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Style {
    /// Bit n: parameter n (1 bold to 9 struck out) is on.
    flags: u16,
    letters: Color,
    behind: Color,
}

impl Style {
    /// As letters look that nothing was said of.
    pub(crate) const NONE: Self = Self {
        flags: 0,
        letters: Color::Default,
        behind: Color::Default,
    };
}

const BOLD: u16 = 1;
const FAINT: u16 = 2;

impl Style {
    /// Applies parameters; a colour's parts may be joined by colons or stand by themselves.
    pub(crate) fn apply<'a>(&mut self, params: impl IntoIterator<Item = &'a [u16]>) {
        let mut params = params.into_iter();
        while let Some(param) = params.next() {
            let Some((&code, parts)) = param.split_first() else {
                continue;
            };
            match code {
                0 => *self = Self::default(),
                1..=9 => self.flags |= 1 << code,
                22 => self.flags &= !(1 << BOLD | 1 << FAINT),
                23..=29 => self.flags &= !(1 << (code - 20)),
                30..=37 => self.letters = index(code - 30),
                40..=47 => self.behind = index(code - 40),
                90..=97 => self.letters = index(code - 82),
                100..=107 => self.behind = index(code - 92),
                39 => self.letters = Color::Default,
                49 => self.behind = Color::Default,
                38 | 48 => {
                    let mut rest = parts.iter().copied();
                    let mut next = || {
                        rest.next()
                            .or_else(|| params.next().and_then(|one| one.first().copied()))
                    };
                    let Some(color) = extended(&mut next) else {
                        continue;
                    };
                    *(if code == 38 {
                        &mut self.letters
                    } else {
                        &mut self.behind
                    }) = color;
                }
                _ => {}
            }
        }
    }

    /// The parameters that make this look of none, without the escape; empty for none.
    pub(crate) fn params(self) -> String {
        let mut codes: Vec<String> = (1..=9_u16)
            .filter(|bit| self.flags & (1 << bit) != 0)
            .map(|bit| bit.to_string())
            .collect();
        codes.extend(spelled(self.letters, 30));
        codes.extend(spelled(self.behind, 40));
        codes.join(";")
    }
}

fn index(number: u16) -> Color {
    Color::Index(number.to_le_bytes()[0])
}

fn extended(next: &mut impl FnMut() -> Option<u16>) -> Option<Color> {
    let mut byte = || next().map(|number| number.to_le_bytes()[0]);
    match byte()? {
        5 => Some(Color::Index(byte()?)),
        2 => Some(Color::Rgb(byte()?, byte()?, byte()?)),
        _ => None,
    }
}

fn spelled(color: Color, base: u16) -> Option<String> {
    match color {
        Color::Default => None,
        Color::Index(number @ 0..=7) => Some((base + u16::from(number)).to_string()),
        Color::Index(number @ 8..=15) => Some((base + 52 + u16::from(number)).to_string()),
        Color::Index(number) => Some(format!("{};5;{number}", base + 8)),
        Color::Rgb(red, green, blue) => Some(format!("{};2;{red};{green};{blue}", base + 8)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(text: &str) -> String {
        let params: Vec<Vec<u16>> = text
            .split(';')
            .map(|param| param.split(':').map(|part| part.parse().unwrap()).collect())
            .collect();
        let mut style = Style::default();
        style.apply(params.iter().map(Vec::as_slice));
        style.params()
    }

    #[test]
    fn parameters_come_to_a_look_and_back() {
        for (given, left) in [
            ("1;31", "1;31"),
            ("1;31;0", ""),
            ("1;2;22;4;24", ""),
            ("38;5;9", "91"),
            ("38;5;196;48;2;1;2;3", "38;5;196;48;2;1;2;3"),
            ("48:2:1:2:3", "48;2;1;2;3"),
            ("97;107", "97;107"),
            ("31;39;38", ""),
            ("999;3", "3"),
        ] {
            assert_eq!(look(given), left, "{given}");
            if !left.is_empty() {
                assert_eq!(look(left), left);
            }
        }
    }
}
