//! Fills the holes of a plan with what is known now.
//!
//! Owns which value stands behind a hole, and reads each text at most once for all the templates that are rendered together.

use std::collections::HashMap;
use std::sync::Arc;

use toolcell_core::json::{self, Json};
use toolcell_core::{Failure, Kind};

use crate::plan::{Condition, Plan, Template, Test};

/// What the holes of some templates stand for.
pub(super) struct Values<'a> {
    plan: &'a Plan,
    input: Option<Json<'a>>,
    /// None where a step gives no result: whatever refers to that finds null.
    results: HashMap<usize, Option<Json<'a>>>,
}

/// The item that a step is done for.
pub(super) struct Item<'a> {
    value: Json<'a>,
    index: u32,
}

type Rendered<T> = Result<T, Box<Failure>>;

const BOUNDS: json::Bounds = json::Bounds { bytes: u64::MAX, values: u64::MAX, depth: u64::MAX };

/// Reads a JSON text that another part of the process wrote.
///
/// # Errors
/// Where it is none, or is nested deeper than any arguments may be.
pub(super) fn read<'a>(text: &'a str, what: &str) -> Rendered<Json<'a>> {
    json::parse(text, BOUNDS)
        .map_err(|error| Box::new(Failure::new(Kind::InvalidJson, format!("{what} cannot be read as JSON: {error}"))))
}

impl<'a> Values<'a> {
    /// Reads what `templates` refer to.
    ///
    /// # Errors
    /// Where the input or a result cannot be read.
    pub(super) fn behind<'t>(
        plan: &'a Plan,
        input: &'a str,
        result: impl Fn(usize) -> Option<&'a str>,
        templates: impl IntoIterator<Item = &'t Template>,
    ) -> Rendered<Self> {
        let mut values = Self { plan, input: None, results: HashMap::new() };
        let mut todo: Vec<&Template> = templates.into_iter().collect();
        while let Some(template) = todo.pop() {
            match template {
                Template::Input(_) if values.input.is_none() => values.input = Some(read(input, "the run's input")?),
                Template::Result(step, _) if !values.results.contains_key(step) => {
                    let name = || format!("the result of step `{}`", plan.steps[*step].id);
                    let read = result(*step).map(|text| read(text, &name())).transpose()?;
                    values.results.insert(*step, read);
                }
                Template::Text(parts) | Template::Array(parts) => todo.extend(parts),
                Template::Object(members) => todo.extend(members.iter().map(|(_, value)| value)),
                _ => {}
            }
        }
        Ok(values)
    }

    /// The value of a hole; the error says where there is none.
    fn hole<'v>(&'v self, template: &Template, item: Option<&'v Item<'a>>) -> Rendered<&'v Json<'a>> {
        let (whole, pointer, name) = match template {
            Template::Input(pointer) => (self.input.as_ref(), pointer, "the run's input".to_owned()),
            Template::Result(step, pointer) => match self.results.get(step) {
                Some(Some(result)) => {
                    (Some(result), pointer, format!("the result of step `{}`", self.plan.steps[*step].id))
                }
                _ => return Ok(&Json::Null),
            },
            Template::Item(pointer) => (item.map(|item| &item.value), pointer, "the item".to_owned()),
            _ => return Ok(&Json::Null),
        };
        whole.and_then(|whole| whole.at(pointer)).ok_or_else(|| {
            let message = format!("the plan refers to `{pointer}` in {name}, and there is nothing there");
            Box::new(
                Failure::new(Kind::InvalidArgument, message)
                    .hint("Correct the pointer, or guard the step with `when`."),
            )
        })
    }

    /// Arguments and key of one call, for an item where there is one.
    pub(super) fn filled(
        &self,
        arguments: &Template,
        key: Option<&Template>,
        item: Option<(&str, u32)>,
    ) -> Result<(String, Option<String>), Box<Failure>> {
        let item = match item {
            Some((text, index)) => Some(Item { value: read(text, "the item")?, index }),
            None => None,
        };
        let text = self.render(arguments, item.as_ref())?;
        let key = match key {
            None => None,
            Some(key) => {
                let text = self.render(key, item.as_ref())?;
                // A key that renders to no string stands as its JSON text.
                Some(match read(&text, "the key")? {
                    Json::String(key) => key.into_owned(),
                    _ => text.clone(),
                })
            }
        };
        Ok((text, key))
    }

    /// Writes a template as JSON text.
    ///
    /// # Errors
    /// Where a pointer leads nowhere.
    pub(super) fn render(&self, template: &Template, item: Option<&Item<'a>>) -> Rendered<String> {
        let mut out = String::new();
        self.write(template, item, &mut out)?;
        Ok(out)
    }

    fn write(&self, template: &Template, item: Option<&Item<'a>>, out: &mut String) -> Rendered<()> {
        match template {
            Template::Value(text) => out.push_str(text),
            Template::Input(_) | Template::Result(..) | Template::Item(_) => self.hole(template, item)?.write(out),
            Template::Index => out.push_str(&item.map_or(0, |item| item.index).to_string()),
            Template::Text(parts) => {
                let mut whole = String::new();
                for part in parts {
                    let text = self.render(part, item)?;
                    match read(&text, "a part of a text")? {
                        Json::String(text) => whole.push_str(&text),
                        _ => whole.push_str(&text),
                    }
                }
                json::quote(&whole, out);
            }
            Template::Array(parts) => {
                out.push('[');
                for (n, part) in parts.iter().enumerate() {
                    if n > 0 {
                        out.push(',');
                    }
                    self.write(part, item, out)?;
                }
                out.push(']');
            }
            Template::Object(members) => {
                out.push('{');
                for (n, (name, value)) in members.iter().enumerate() {
                    if n > 0 {
                        out.push(',');
                    }
                    json::quote(name, out);
                    out.push(':');
                    self.write(value, item, out)?;
                }
                out.push('}');
            }
        }
        Ok(())
    }

    /// The same template with every hole filled but those of the item, so that a list of items reads a result once.
    ///
    /// # Errors
    /// Where a pointer leads nowhere.
    pub(super) fn bind(&self, template: &Template) -> Rendered<Template> {
        let all = |parts: &[Template]| parts.iter().map(|part| self.bind(part)).collect::<Rendered<Vec<_>>>();
        Ok(match template {
            Template::Input(_) | Template::Result(..) => Template::Value(self.render(template, None)?.into()),
            Template::Text(parts) => Template::Text(all(parts)?),
            Template::Array(parts) => Template::Array(all(parts)?),
            Template::Object(members) => Template::Object(
                members.iter().map(|(name, value)| Ok((name.clone(), self.bind(value)?))).collect::<Rendered<_>>()?,
            ),
            Template::Value(_) | Template::Item(_) | Template::Index => template.clone(),
        })
    }

    /// Whether a condition holds.
    pub(super) fn holds(&self, condition: &Condition) -> bool {
        match condition {
            Condition::All(all) => all.iter().all(|one| self.holds(one)),
            Condition::Any(any) => any.iter().any(|one| self.holds(one)),
            Condition::Not(one) => !self.holds(one),
            Condition::Is(template, test) => {
                let text = self.render(template, None).ok();
                let value = text.as_deref().and_then(|text| read(text, "a value").ok());
                passes(value.as_ref(), test)
            }
        }
    }
}

/// The templates that a condition looks at.
pub(super) fn looked_at(condition: &Condition) -> Vec<&Template> {
    match condition {
        Condition::Is(template, _) => vec![template],
        Condition::All(all) | Condition::Any(all) => all.iter().flat_map(looked_at).collect(),
        Condition::Not(one) => looked_at(one),
    }
}

fn passes(value: Option<&Json<'_>>, test: &Test) -> bool {
    let number = |value: Option<&Json<'_>>| match value {
        Some(Json::Number(digits)) => digits.parse::<f64>().ok(),
        _ => None,
    };
    match test {
        Test::Exists => value.is_some_and(|value| *value != Json::Null),
        Test::Empty => match value {
            None | Some(Json::Null | Json::Bool(false)) => true,
            Some(Json::String(text)) => text.is_empty(),
            Some(Json::Array(items)) => items.is_empty(),
            Some(Json::Object(members)) => members.is_empty(),
            Some(_) => false,
        },
        Test::Equals(text) => match (value, read(text, "a value")) {
            (Some(value), Ok(other)) => equal(value, &other),
            _ => false,
        },
        Test::MoreThan(bound) => number(value).is_some_and(|number| number > *bound),
        Test::LessThan(bound) => number(value).is_some_and(|number| number < *bound),
    }
}

fn equal(one: &Json<'_>, other: &Json<'_>) -> bool {
    match (one, other) {
        (Json::Number(one), Json::Number(other)) => one == other || decimal(one) == decimal(other),
        (Json::Array(one), Json::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| equal(one, other))
        }
        (Json::Object(one), Json::Object(members)) => {
            one.len() == members.len()
                && one.iter().all(|(name, value)| other.member(name).is_some_and(|other| equal(value, other)))
        }
        _ => one == other,
    }
}

/// A number without the freedom of writing it: its sign, its digits without zeros at the ends, and the power of ten of the
/// last one. None where the exponent itself is beyond 64 bits.
fn decimal(text: &str) -> Option<(bool, String, i64)> {
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let exponent = exponent.parse::<i64>().ok()?.checked_sub(i64::try_from(fraction.len()).ok()?)?;
    let significant = digits.trim_start_matches('0');
    let trimmed = significant.trim_end_matches('0');
    if trimmed.is_empty() {
        return Some((false, String::new(), 0));
    }
    let zeros = i64::try_from(significant.len() - trimmed.len()).ok()?;
    Some((negative, trimmed.to_owned(), exponent.checked_add(zeros)?))
}

/// Puts a string into an object or array that is there, at a pointer; none where there is no such place.
pub(super) fn put(arguments: &str, pointer: &Arc<str>, text: &str) -> Option<String> {
    let mut value = json::parse(arguments, BOUNDS).ok()?;
    let said = Json::String(text.to_owned().into());
    if let Some(place) = value.at_mut(pointer) {
        *place = said;
        return Some(value.to_text());
    }
    let (above, _) = pointer.rsplit_once('/')?;
    let name = json::tokens(pointer)?.pop()?;
    match value.at_mut(above)? {
        Json::Object(members) => members.push((name.into(), said)),
        _ => return None,
    }
    Some(value.to_text())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_equal_as_numbers_with_every_digit() {
        for (one, other, same) in [
            ("1", "1.0", true),
            ("1", "1e0", true),
            ("100", "1E+2", true),
            ("-0", "0.00", true),
            ("0.10", "1e-1", true),
            ("9007199254740993", "9007199254740992", false),
            ("-1", "1", false),
            ("1e99999999999999999999", "1", false),
        ] {
            assert_eq!(equal(&Json::Number(one), &Json::Number(other)), same, "{one} {other}");
        }
    }

    #[test]
    fn an_answer_finds_its_place_or_none() {
        assert_eq!(put(r#"{"a":1.50}"#, &"/b".into(), "x").as_deref(), Some(r#"{"a":1.50,"b":"x"}"#));
        assert_eq!(put(r#"{"a":[1,2]}"#, &"/a/1".into(), "x").as_deref(), Some(r#"{"a":[1,"x"]}"#));
        for pointer in ["/a/b", "/c/d", "nothing"] {
            assert_eq!(put(r#"{"a":1}"#, &pointer.into(), "x"), None, "{pointer}");
        }
    }
}
