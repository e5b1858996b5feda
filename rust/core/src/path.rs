//! Paths of nested values as text: the keys of the server and of the summary.

use std::collections::HashMap;

use crate::error::Result;
use crate::value::{Cursor, Value};
use rmp::Marker;

/// Appends one segment to a path: segments are joined by `.`; `\` and `.` inside are escaped.
pub fn push_segment(path: &mut String, segment: &str) {
    if !path.is_empty() {
        path.push('.');
    }
    if segment.contains(['.', '\\']) {
        for letter in segment.chars() {
            if matches!(letter, '.' | '\\') {
                path.push('\\');
            }
            path.push(letter);
        }
    } else {
        path.push_str(segment);
    }
}

/// Joins segments to a path.
pub fn join<S: AsRef<str>>(segments: &[S]) -> String {
    let mut path = String::new();
    for segment in segments {
        push_segment(&mut path, segment.as_ref());
    }
    path
}

/// Whether a key is none of the user's: the automatic ones of a row, and the empty one.
#[must_use]
pub fn is_automatic(key: &str) -> bool {
    matches!(key, "" | "_step" | "_timestamp" | "_runtime" | "_label")
}

/// Splits a path into its segments, undoing the escapes.
#[must_use]
pub fn split(path: &str) -> Vec<String> {
    let mut segments = vec![String::new()];
    let mut letters = path.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '.' => segments.push(String::new()),
            '\\' => segments
                .last_mut()
                .into_iter()
                .for_each(|last| last.extend(letters.next())),
            other => segments
                .last_mut()
                .into_iter()
                .for_each(|last| last.push(other)),
        }
    }
    segments
}

/// Calls `leaf` with the path and the bytes of every leaf of a msgpack map.
///
/// Empty keys at the top and empty maps are no leaves; lists and objects are leaves.
///
/// # Errors
/// The bytes are not a map with text keys.
pub fn walk<'a>(map: &'a [u8], leaf: &mut impl FnMut(&str, &'a [u8])) -> Result<()> {
    let mut cursor = Cursor::new(map);
    let mut path = String::new();
    walk_map(&mut cursor, &mut path, leaf)
}

fn walk_map<'a>(
    cursor: &mut Cursor<'a>,
    path: &mut String,
    leaf: &mut impl FnMut(&str, &'a [u8]),
) -> Result<()> {
    let before = path.len();
    for _ in 0..cursor.map_len("values")? {
        push_segment(path, cursor.str("key")?);
        if is_tree(cursor) {
            walk_map(cursor, path, leaf)?;
        } else {
            leaf(path, cursor.raw("value")?);
        }
        path.truncate(before);
    }
    Ok(())
}

/// How many leaves [`walk`] would tell of.
///
/// # Errors
/// As [`walk`].
pub fn count(map: &[u8]) -> Result<u64> {
    count_map(&mut Cursor::new(map))
}

/// The first key of a map that is one object, such as a histogram, rather than a tree of values.
pub const TYPE_KEY: &str = "_type";

/// Whether a map with a tree of values is next.
fn is_tree(cursor: &Cursor<'_>) -> bool {
    if !matches!(
        cursor.peek(),
        Some(Marker::FixMap(_) | Marker::Map16 | Marker::Map32)
    ) {
        return false;
    }
    let mut ahead = cursor.clone();
    let is_filled = ahead.map_len("values").is_ok_and(|len| len > 0);
    !(is_filled && ahead.str("key").is_ok_and(|key| key == TYPE_KEY))
}

/// Whether a map's entries are a tree of values; see [`TYPE_KEY`].
#[must_use]
pub fn are_tree(entries: &[(String, Value)]) -> bool {
    entries.first().is_none_or(|(key, _)| key != TYPE_KEY)
}

fn count_map(cursor: &mut Cursor<'_>) -> Result<u64> {
    let mut leaves = 0;
    for _ in 0..cursor.map_len("values")? {
        cursor.raw("key")?;
        if is_tree(cursor) {
            leaves += count_map(cursor)?;
        } else {
            cursor.raw("value")?;
            leaves += 1;
        }
    }
    Ok(leaves)
}

/// Whether a leaf is a number that has always the same size.
pub(crate) fn is_overwritable(raw: &[u8]) -> bool {
    matches!(raw, [0xcb | 0xd3, ..])
}

/// Adds where the numbers among the leaves stand that have always the same size; `base` is where
/// the map does.
///
/// # Errors
/// As [`walk`].
pub(crate) fn numbers(map: &[u8], base: usize, out: &mut Vec<usize>) -> Result<()> {
    numbers_of(&mut Cursor::new(map), base, out)
}

/// Calls `number` with the path and the value of each of these.
///
/// # Errors
/// As [`walk`].
pub(crate) fn walk_numbers(map: &[u8], number: &mut impl FnMut(&str, Value)) -> Result<()> {
    walk(map, &mut |path, raw| {
        if is_overwritable(raw)
            && let Ok(value) = Cursor::new(raw).value("number")
        {
            number(path, value);
        }
    })
}

fn numbers_of(cursor: &mut Cursor<'_>, base: usize, out: &mut Vec<usize>) -> Result<()> {
    for _ in 0..cursor.map_len("values")? {
        cursor.raw("key")?;
        if is_tree(cursor) {
            numbers_of(cursor, base, out)?;
            continue;
        }
        if matches!(cursor.peek(), Some(Marker::F64 | Marker::I64)) {
            out.push(base + cursor.at());
        }
        cursor.raw("value")?;
    }
    Ok(())
}

/// Beyond so many keys, looking each of them up one by one would cost more than an index.
const INDEX_FROM: usize = 32;

/// Merges `update` into `tree` path by path: a later value wins, maps merge, a leaf over a subtree
/// replaces it and the other way round, empty maps change nothing.
pub fn merge(tree: &mut Vec<(String, Value)>, update: Vec<(String, Value)>) {
    let indexed = update.len() > INDEX_FROM;
    let mut index: HashMap<String, usize> = HashMap::new();
    if indexed {
        let names = tree.iter().enumerate();
        index.extend(names.map(|(at, (name, _))| (name.clone(), at)));
    }
    for (key, value) in update {
        let found = if indexed {
            index.get(&key).copied()
        } else {
            tree.iter().position(|(name, _)| *name == key)
        };
        let existing = found
            .and_then(|at| tree.get_mut(at))
            .map(|(_, value)| value);
        let value = match (value, existing) {
            (Value::Map(entries), Some(Value::Map(existing)))
                if are_tree(&entries) && are_tree(existing) =>
            {
                merge(existing, entries);
                continue;
            }
            (Value::Map(entries), existing) if are_tree(&entries) => {
                let mut inner = Vec::new();
                merge(&mut inner, entries);
                if inner.is_empty() {
                    continue;
                }
                match existing {
                    Some(existing) => {
                        *existing = Value::Map(inner);
                        continue;
                    }
                    None => Value::Map(inner),
                }
            }
            (leaf, Some(existing)) => {
                *existing = leaf;
                continue;
            }
            (leaf, None) => leaf,
        };
        if indexed {
            index.insert(key.clone(), tree.len());
        }
        tree.push((key, value));
    }
}

/// Puts a value into a tree that is filled in the order of its paths: one with the same first
/// segments can only be the last.
pub fn push_in_order(tree: &mut Vec<(String, Value)>, segments: &[String], value: Value) {
    let Some((first, rest)) = segments.split_first() else {
        return;
    };
    if rest.is_empty() {
        tree.push((first.clone(), value));
        return;
    }
    if let Some((name, Value::Map(below))) = tree.last_mut()
        && name == first
    {
        push_in_order(below, rest, value);
        return;
    }
    let mut below = Vec::new();
    push_in_order(&mut below, rest, value);
    tree.push((first.clone(), Value::Map(below)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn split_undoes_join(segments in prop::collection::vec("[a.\\\\/é]{1,5}", 1..5)) {
            prop_assert_eq!(split(&join(&segments)), segments);
        }
    }

    #[test]
    fn large_updates_merge_as_small_ones_do() {
        let entries = |from: i64, to: i64| -> Vec<(String, Value)> {
            (from..to)
                .map(|n| (format!("k{}", n % 70), Value::Int(n)))
                .collect()
        };
        let mut one_by_one = Vec::new();
        for entry in entries(0, 100) {
            merge(&mut one_by_one, vec![entry]);
        }
        let mut at_once = Vec::new();
        merge(&mut at_once, entries(0, 40));
        merge(&mut at_once, entries(40, 100));
        assert_eq!(at_once, one_by_one);
        assert_eq!(at_once.len(), 70);
    }

    fn map(entries: &[(&str, Value)]) -> Vec<(String, Value)> {
        entries
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.clone()))
            .collect()
    }

    #[test]
    fn literal_dots_and_nesting_stay_apart() {
        let nested = map(&[("x", Value::Int(1))]);
        let tree = Value::Map(map(&[("n", Value::Map(nested)), ("n.x", Value::Int(2))]));
        let mut bytes = Vec::new();
        tree.write(&mut bytes);
        let mut seen = Vec::new();
        walk(&bytes, &mut |path, raw| {
            seen.push((path.to_owned(), raw.to_vec()));
        })
        .unwrap();
        assert_eq!(
            seen,
            [("n.x".to_owned(), vec![1]), ("n\\.x".to_owned(), vec![2])]
        );
    }

    #[test]
    fn an_object_is_one_leaf() {
        let object = |count: i64| {
            Value::Map(map(&[
                (TYPE_KEY, Value::Str("histogram".to_owned())),
                ("values", Value::List(vec![Value::Int(count)])),
            ]))
        };
        let mut tree = map(&[
            ("h", object(1)),
            ("n", Value::Map(map(&[("h", object(2))]))),
        ]);
        let mut bytes = Vec::new();
        Value::Map(tree.clone()).write(&mut bytes);
        let mut seen = Vec::new();
        walk(&bytes, &mut |path, raw| {
            seen.push((path.to_owned(), Cursor::new(raw).value("object").unwrap()));
        })
        .unwrap();
        assert_eq!(
            seen,
            [("h".to_owned(), object(1)), ("n.h".to_owned(), object(2))]
        );
        assert_eq!(count(&bytes).unwrap(), 2);
        merge(&mut tree, map(&[("h", object(3))]));
        assert_eq!(tree[0].1, object(3));
        merge(
            &mut tree,
            map(&[("h", Value::Map(map(&[("x", Value::Int(1))])))]),
        );
        assert_eq!(tree[0].1, Value::Map(map(&[("x", Value::Int(1))])));
    }

    #[test]
    fn leaves_and_subtrees_replace_each_other() {
        let mut tree = map(&[
            ("a", Value::Int(1)),
            ("b", Value::Map(map(&[("c", Value::Int(2))]))),
        ]);
        merge(
            &mut tree,
            map(&[("a", Value::Map(map(&[("x", Value::Int(3))])))]),
        );
        merge(
            &mut tree,
            map(&[("b", Value::Map(map(&[("d", Value::Int(4))])))]),
        );
        merge(
            &mut tree,
            map(&[("b", Value::Map(Vec::new())), ("e", Value::Map(Vec::new()))]),
        );
        let b = map(&[("c", Value::Int(2)), ("d", Value::Int(4))]);
        assert_eq!(
            tree,
            map(&[
                ("a", Value::Map(map(&[("x", Value::Int(3))]))),
                ("b", Value::Map(b))
            ])
        );
        merge(&mut tree, map(&[("b", Value::Nil)]));
        assert_eq!(tree[1].1, Value::Nil);
    }
}
