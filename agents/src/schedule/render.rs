//! Fills the holes of a plan with what is known now.
//!
//! Owns which value stands behind a hole, and reads each text at most once for all the templates that are rendered together. How
//! a hole is filled, the plan knows itself.

use std::collections::HashMap;
use std::sync::Arc;

use toolcell_core::json::{self, Json};
use toolcell_core::{Failure, Kind};

use crate::plan::{Condition, Origin, Plan, RenderError, Scope, Template, WithItem, parsed};

/// What the holes of some templates stand for.
pub(super) struct Values<'a> {
    plan: &'a Plan,
    input: Json<'a>,
    /// None where a step gives no result: whatever refers to that finds null.
    results: HashMap<usize, Option<Json<'a>>>,
}

impl Scope for Values<'_> {
    fn input(&self) -> &Json<'_> {
        &self.input
    }

    fn result(&self, step: usize) -> Option<&Json<'_>> {
        self.results.get(&step)?.as_ref()
    }

    fn item(&self) -> Option<(usize, &Json<'_>)> {
        None
    }
}

type Rendered<T> = Result<T, Box<Failure>>;

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
        let mut values = Self { plan, input: Json::Null, results: HashMap::new() };
        let mut with_input = false;
        let mut todo: Vec<&Template> = templates.into_iter().collect();
        while let Some(template) = todo.pop() {
            match template {
                Template::Input(_) if !with_input => {
                    with_input = true;
                    values.input = parsed(input, Origin::Input).map_err(|error| failure(plan, &error))?;
                }
                Template::Result(step, _) if !values.results.contains_key(step) => {
                    let read = result(*step).map(|text| parsed(text, Origin::Result(*step))).transpose();
                    values.results.insert(*step, read.map_err(|error| failure(plan, &error))?);
                }
                Template::Text(parts) | Template::Array(parts) => todo.extend(parts),
                Template::Object(members) => todo.extend(members.iter().map(|(_, value)| value)),
                _ => {}
            }
        }
        Ok(values)
    }

    /// Arguments and key of one call, for an item where there is one.
    pub(super) fn filled(
        &self,
        arguments: &Template,
        key: Option<&Template>,
        item: Option<(&str, u32)>,
    ) -> Rendered<(String, Option<String>)> {
        let Some((text, index)) = item else {
            return Ok((self.render(arguments)?, key.map(|key| self.render(key)).transpose()?.map(as_key)));
        };
        let value = self.told(parsed(text, Origin::Item))?;
        let scope = WithItem { scope: self, index: index as usize, item: &value };
        let key = key.map(|key| self.told(key.render(&scope))).transpose()?;
        Ok((self.told(arguments.render(&scope))?, key.map(as_key)))
    }

    /// Writes a template as JSON text.
    ///
    /// # Errors
    /// Where a pointer leads nowhere.
    pub(super) fn render(&self, template: &Template) -> Rendered<String> {
        self.told(template.render(self))
    }

    /// The same template with every hole filled but those of the item, so that a list of items reads a result once.
    ///
    /// # Errors
    /// Where a pointer leads nowhere.
    pub(super) fn bind(&self, template: &Template) -> Rendered<Template> {
        let all = |parts: &[Template]| parts.iter().map(|part| self.bind(part)).collect::<Rendered<Vec<_>>>();
        Ok(match template {
            Template::Input(_) | Template::Result(..) => Template::Value(self.render(template)?.into()),
            Template::Text(parts) => Template::Text(all(parts)?),
            Template::Array(parts) => Template::Array(all(parts)?),
            Template::Object(members) => Template::Object(
                members.iter().map(|(name, value)| Ok((name.clone(), self.bind(value)?))).collect::<Rendered<_>>()?,
            ),
            Template::Value(_) | Template::Item(_) | Template::Index => template.clone(),
        })
    }

    /// The texts of the items of a list.
    ///
    /// # Errors
    /// Where it is no list, or too long a one.
    pub(super) fn items(&self, list: &crate::plan::ForEach) -> Rendered<Vec<String>> {
        self.told(list.items(self))
    }

    /// Whether a condition holds.
    ///
    /// # Errors
    /// Where a value cannot be read.
    pub(super) fn holds(&self, condition: &Condition) -> Rendered<bool> {
        self.told(condition.holds(self))
    }

    fn told<T>(&self, rendered: Result<T, RenderError>) -> Rendered<T> {
        rendered.map_err(|error| failure(self.plan, &error))
    }
}

fn failure(plan: &Plan, error: &RenderError) -> Box<Failure> {
    let kind = match error {
        RenderError::Unreadable { .. } => Kind::InvalidJson,
        _ => Kind::InvalidArgument,
    };
    let failure = Failure::new(kind, error.describe(plan));
    Box::new(match error {
        RenderError::Nowhere { .. } => failure.hint("Correct the pointer, or guard the step with `when`."),
        _ => failure,
    })
}

/// A key that renders to no string stands as its JSON text.
fn as_key(text: String) -> String {
    match parsed(&text, Origin::Plan) {
        Ok(Json::String(key)) => key.into_owned(),
        _ => text,
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

/// Puts a string into an object or array that is there, at a pointer; none where there is no such place.
pub(super) fn put(arguments: &str, pointer: &Arc<str>, text: &str) -> Option<String> {
    let mut value = parsed(arguments, Origin::Plan).ok()?;
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
    fn an_answer_finds_its_place_or_none() {
        assert_eq!(put(r#"{"a":1.50}"#, &"/b".into(), "x").as_deref(), Some(r#"{"a":1.50,"b":"x"}"#));
        assert_eq!(put(r#"{"a":[1,2]}"#, &"/a/1".into(), "x").as_deref(), Some(r#"{"a":[1,"x"]}"#));
        for pointer in ["/a/b", "/c/d", "nothing"] {
            assert_eq!(put(r#"{"a":1}"#, &pointer.into(), "x"), None, "{pointer}");
        }
    }
}
