//! A JSON array of objects as a table. It owns the order of columns (first appearance) and what becomes of each JSON
//! type; it refuses anything that is not an object a row, and a key that an object has twice. Rows stream into columns:
//! no tree of values is built.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::kind::{Shape, shape_of};
use crate::refusal::{Refusal, quoted};
use crate::source::Reading;
use crate::table::{Draft, Table};
use crate::{MAX_CELLS, MAX_COLUMNS, MAX_ROWS};

/// Reads a whole text; `pointer` is where it stands in the arguments.
pub(crate) fn read(text: &str, reading: &Reading, pointer: &str) -> Result<Table, Refusal> {
    let refused = |message: String| Refusal::invalid(pointer, "a JSON array of objects", message);
    if text.trim_start().starts_with('{') {
        return Err(refused("The JSON is one object; put the rows into an array: [{…}, {…}]".to_owned()));
    }
    let mut rows =
        Rows { draft: Draft::with_text(text.len()), places: HashMap::new(), count: 0, nulls: &reading.null_values };
    let mut parser = serde_json::Deserializer::from_str(text);
    AllRows(&mut rows)
        .deserialize(&mut parser)
        .and_then(|()| parser.end())
        .map_err(|error| refused(format!("The JSON rows cannot be read: {error}")))?;
    let count = rows.count;
    Ok(rows.draft.finish(count))
}

struct Rows<'n> {
    draft: Draft,
    places: HashMap<String, usize>,
    count: usize,
    nulls: &'n [String],
}

impl Rows<'_> {
    /// Objects mostly repeat the keys of the one before in the same order, so the place that `guess` names comes first.
    fn place(&mut self, key: &str, guess: usize) -> Result<usize, String> {
        if guess < self.draft.width() && self.draft.name(guess) == key {
            return Ok(guess);
        }
        if let Some(place) = self.places.get(key) {
            return Ok(*place);
        }
        let place = self.draft.width();
        if place == MAX_COLUMNS || (place + 1) * (self.count + 1) > MAX_CELLS {
            return Err(format!(
                "row {} brings column {}, and a table has at most {MAX_COLUMNS} columns and {MAX_CELLS} cells",
                self.count + 1,
                place + 1
            ));
        }
        self.draft.add_column(key.to_owned(), self.count);
        self.places.insert(key.to_owned(), place);
        Ok(place)
    }

    fn push(&mut self, place: usize, raw: &RawValue) -> Result<(), serde_json::Error> {
        let raw = raw.get();
        let (text, shape) = match raw.as_bytes().first() {
            Some(b'n') => {
                self.draft.push_null(place);
                return Ok(());
            }
            Some(b'"') => {
                let text: Cow<'_, str> = if raw.contains('\\') {
                    Cow::Owned(serde_json::from_str(raw)?)
                } else {
                    Cow::Borrowed(&raw[1..raw.len() - 1])
                };
                // JSON says what is a number and what is text; only dates have no type of their own.
                let shape = match shape_of(&text) {
                    shape @ (Shape::Date | Shape::ZonedTime | Shape::LocalTime) => shape,
                    _ => Shape::Text,
                };
                (text, shape)
            }
            Some(b'{' | b'[') => (Cow::Borrowed(raw), Shape::Text),
            _ => (Cow::Borrowed(raw), shape_of(raw)),
        };
        if self.nulls.iter().any(|null| *null == text) {
            self.draft.push_null(place);
        } else {
            self.draft.push(place, &text, shape);
        }
        Ok(())
    }
}

struct AllRows<'a, 'n>(&'a mut Rows<'n>);

impl<'de> DeserializeSeed<'de> for AllRows<'_, '_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for AllRows<'_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an array of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<(), A::Error> {
        while rows.next_element_seed(OneRow(self.0))?.is_some() {}
        Ok(())
    }
}

struct OneRow<'a, 'n>(&'a mut Rows<'n>);

impl<'de> DeserializeSeed<'de> for OneRow<'_, '_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for OneRow<'_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object, one for each row")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        let rows = self.0;
        let most = MAX_ROWS.min(MAX_CELLS / rows.draft.width().max(1));
        if rows.count >= most {
            return Err(A::Error::custom(format!("more than {most} rows")));
        }
        let mut guess = 0;
        while let Some(key) = object.next_key::<Key<'de>>()? {
            let place = rows.place(&key.0, guess).map_err(A::Error::custom)?;
            if rows.draft.depth(place) > rows.count {
                return Err(A::Error::custom(format!("row {} has the key {} twice", rows.count + 1, quoted(&key.0))));
            }
            let raw: &RawValue = object.next_value()?;
            rows.push(place, raw).map_err(A::Error::custom)?;
            guess = place + 1;
        }
        rows.count += 1;
        let count = rows.count;
        rows.draft.end_row(count);
        Ok(())
    }
}

/// A key, borrowed where it holds no escape.
struct Key<'de>(Cow<'de, str>);

impl<'de> serde::Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Key<'de>;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a key")
            }
            fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(key)))
            }
            fn visit_str<E>(self, key: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(key.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    fn table(text: &str) -> Result<Table, Refusal> {
        read(text, &Reading::default(), "/source/inline")
    }

    #[test]
    fn keys_may_come_in_any_order_and_be_missing() {
        let table = table(r#"[{"a":1,"b":"x"},{"b":"y\n\u00fc"},{"c":true,"a":2.50}]"#).unwrap();
        let names: Vec<&str> = table.columns().iter().map(crate::Column::name).collect();
        assert_eq!(names, ["a", "b", "c"]);
        assert_eq!(table.cell(0, 1), None);
        assert_eq!(table.cell(0, 2), Some("2.50"));
        assert_eq!(table.cell(1, 1), Some("y\nü"));
        assert_eq!(table.cell(2, 0), None);
        assert_eq!(table.columns()[0].kind(), Kind::Number);
    }

    #[test]
    fn a_string_of_digits_is_text_and_one_with_a_date_is_a_date() {
        let table = table(r#"[{"a":"5","b":"2026-01-01","c":[1,{"x":2}],"d":null}]"#).unwrap();
        let kinds: Vec<Kind> = table.columns().iter().map(crate::Column::kind).collect();
        assert_eq!(kinds, [Kind::Text, Kind::Date, Kind::Text, Kind::Empty]);
        assert_eq!(table.cell(2, 0), Some(r#"[1,{"x":2}]"#));
    }

    #[test]
    fn what_is_not_an_array_of_objects_is_refused_with_its_place() {
        for (text, part) in [
            (r#"{"a":1}"#, "one object"),
            ("[1]", "line 1 column 2"),
            (r#"[{"a":1},"#, "EOF"),
            (r#"[{"a":1}] x"#, "trailing"),
            (r#"[{"a":1,"a":2}]"#, "row 1 has the key \"a\" twice"),
            ("", "EOF"),
            ("nonsense", "line 1"),
        ] {
            let message = table(text).unwrap_err().to_string();
            assert!(message.contains(part), "{text}: {message}");
        }
    }

    #[test]
    fn depth_does_not_reach_the_stack() {
        let deep = format!("[{{\"a\":{}{}}}]", "[".repeat(500_000), "]".repeat(500_000));
        assert_eq!(table(&deep).unwrap().rows(), 1);
        assert!(table(&"[".repeat(500_000)).is_err());
    }
}
