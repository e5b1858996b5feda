//! A person's regex, matched in time linear in the text, whatever the regex is.

use regex::{Regex, RegexBuilder};

use crate::error::{Error, Result};

/// Longest source text: what a person types into a search field.
const MAX_SOURCE_BYTES: usize = 1000;
/// Greatest compiled size: room for some twenty `\w`, each of which is all of Unicode's letters.
const MAX_COMPILED_BYTES: usize = 1 << 20;

/// A compiled regex without look-around and back-references, which cannot be matched in linear time.
#[derive(Debug, Clone)]
pub struct Pattern {
    regex: Regex,
}

impl Pattern {
    /// Compiles a regex.
    ///
    /// # Errors
    /// `source` is no regex of this kind, or over the limits of its size.
    pub fn new(source: &str) -> Result<Self> {
        if source.len() > MAX_SOURCE_BYTES {
            return Err(Error::Pattern {
                reason: format!("it is longer than {MAX_SOURCE_BYTES} bytes"),
            });
        }
        let mut builder = RegexBuilder::new(source);
        builder
            .size_limit(MAX_COMPILED_BYTES)
            .dfa_size_limit(MAX_COMPILED_BYTES);
        let regex = builder.build().map_err(|error| Error::Pattern {
            reason: reason_of(&error),
        })?;
        Ok(Self { regex })
    }

    /// Whether the pattern is found anywhere in the text.
    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }
}

/// The reason on one line: a syntax error comes with a drawing of the regex before it.
fn reason_of(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(source: &str) -> String {
        Pattern::new(source).unwrap_err().to_string()
    }

    #[test]
    fn finds_anywhere_unless_anchored() {
        assert!(Pattern::new("b+").unwrap().is_match("abba"));
        assert!(!Pattern::new("^b+$").unwrap().is_match("abba"));
        assert!(Pattern::new(r"(?i)É\d$").unwrap().is_match("é7"));
    }

    #[test]
    fn nested_repetition_costs_no_more_than_the_text_is_long() {
        let text = "a".repeat(1 << 20) + "!";
        assert!(!Pattern::new("^(a+)+$").unwrap().is_match(&text));
    }

    #[test]
    fn refuses_what_is_no_regex_or_too_large() {
        assert_eq!(reason("("), "not a regex: unclosed group");
        assert!(reason("(?=a)").contains("look-around"));
        assert!(reason(&"a".repeat(1001)).contains("longer than 1000 bytes"));
        assert!(reason("((a{200}){200}){200}").contains("size limit"));
    }
}
