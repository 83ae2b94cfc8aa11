//! Reads values with holes out of a file, and the conditions made of them.
//!
//! A table with a key that begins with `$` is a hole and nothing else: it has exactly the keys of its form. Whatever is
//! meant to stay as it is stands in `{ "$literal" = … }`.

use std::sync::Arc;

use toolcell_core::json::{quote, tokens};

use super::draft::Reader;
use super::problem::{SHOWN, Spot, Trail, shown};
use super::tree::{Node, Value};
use super::{Condition, Template, Test};

/// The holes there are.
const FORMS: &[&str] = &["$input", "$result", "$item", "$index", "$text", "$literal"];

/// The tests of a condition.
const TESTS: &[&str] = &["equals", "exists", "empty", "more-than", "less-than"];

/// What a node is.
pub(super) enum Form<'n, 't> {
    /// Itself, with whatever is in it.
    Plain,
    Literal(&'n Node<'t>),
    Input(&'n str),
    Result(&'n str, &'n str),
    Item(&'n str),
    Index,
    Text(&'n [Node<'t>]),
}

/// Whether `$item` and `$index` mean something here.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Items {
    Known,
    /// Not here, for the reason.
    Unknown(&'static str),
}

/// Tells holes from plain values.
///
/// # Errors
/// Where and why a hole has not the form of one.
pub(super) fn form<'n, 't>(node: &'n Node<'t>, reader: &Reader<'_, '_>) -> Result<Form<'n, 't>, (Spot, String)> {
    let Value::Object(members) = &node.value else { return Ok(Form::Plain) };
    let Some(hole) = members.iter().find(|member| member.name.starts_with('$')) else { return Ok(Form::Plain) };
    let name = shown(&hole.name, SHOWN);
    if !FORMS.contains(&&*hole.name) {
        let meant = reader.nearest.or_all(&hole.name, FORMS);
        return Err((
            hole.spot,
            format!("`{name}` is no reference{meant}; `{{ \"$literal\" = … }}` keeps such a key as it is"),
        ));
    }
    let further =
        members.iter().find(|other| other.name != hole.name && !(hole.name == "$result" && other.name == "pointer"));
    if let Some(further) = further {
        let further_name = shown(&further.name, SHOWN);
        let with = if hole.name == "$result" { "only with `pointer`" } else { "alone" };
        return Err((further.spot, format!("`{name}` stands {with} in its table: remove `{further_name}`")));
    }
    let pointer = |value: &'n Node<'t>| match value.as_str() {
        Some(text) if tokens(text).is_some() => Ok(text),
        Some(text) => Err((
            value.spot(),
            format!(
                "`{}` is no JSON pointer: write \"\" for the whole or begin with `/`, as in \"/items/0\"",
                shown(text, SHOWN)
            ),
        )),
        None => Err((
            value.spot(),
            format!("write a JSON pointer in quotes here, such as \"/items/0\", not {}", value.what()),
        )),
    };
    match &*hole.name {
        "$literal" => Ok(Form::Literal(&hole.node)),
        "$input" => pointer(&hole.node).map(Form::Input),
        "$item" => pointer(&hole.node).map(Form::Item),
        "$index" => match hole.node.value {
            Value::Bool(true) => Ok(Form::Index),
            _ => Err((hole.node.spot(), "write `{ \"$index\" = true }` for the item's place in the list".to_owned())),
        },
        "$text" => match &hole.node.value {
            Value::Array(parts) => Ok(Form::Text(parts)),
            _ => Err((hole.node.spot(), format!("`$text` is a list of parts, not {}", hole.node.what()))),
        },
        _ => {
            let Some(step) = hole.node.as_str() else {
                return Err((hole.node.spot(), format!("`$result` names a step in quotes, not {}", hole.node.what())));
            };
            let part = node.member("pointer").map_or(Ok(""), pointer)?;
            Ok(Form::Result(step, part))
        }
    }
}

/// A part of a template while it is read: text is only made for the largest part that has no holes.
enum Built {
    Known,
    Made(Template),
}

impl<'t> Reader<'_, 't> {
    /// Reads a template, and notes the steps that it refers to. None where there was a problem.
    pub(super) fn template(
        &self,
        node: &Node<'t>,
        trail: &Trail<'_>,
        items: Items,
        refers: &mut Vec<usize>,
    ) -> Option<Template> {
        self.build(node, trail, items, refers).map(|built| made(built, node))
    }

    /// Reads a value that is known as it stands, as JSON text. `what` names it in messages.
    pub(super) fn known(&self, node: &Node<'t>, trail: &Trail<'_>, what: &str) -> Option<String> {
        const NOWHERE: Items = Items::Unknown("there is no item here");
        match self.build(node, trail, NOWHERE, &mut Vec::new())? {
            Built::Known => Some(known_text(node)),
            Built::Made(_) => {
                self.refuse(node, trail, || {
                    format!("{what} is a value that is known beforehand: it has no references")
                });
                None
            }
        }
    }

    fn build(&self, node: &Node<'t>, trail: &Trail<'_>, items: Items, refers: &mut Vec<usize>) -> Option<Built> {
        let form = match form(node, self) {
            Ok(form) => form,
            Err((spot, message)) => {
                self.collected.add(spot, trail, || message);
                return None;
            }
        };
        let item = |template| match items {
            Items::Known => Some(Built::Made(template)),
            Items::Unknown(why) => {
                self.refuse(node, trail, || why.to_owned());
                None
            }
        };
        match form {
            Form::Literal(_) => Some(Built::Known),
            Form::Input(pointer) => Some(Built::Made(Template::Input(pointer.into()))),
            Form::Item(pointer) => item(Template::Item(pointer.into())),
            Form::Index => item(Template::Index),
            Form::Result(name, pointer) => {
                let step = self.step_named(name, node.member("$result").unwrap_or(node), trail)?;
                refers.push(step);
                Some(Built::Made(Template::Result(step, pointer.into())))
            }
            Form::Text(parts) => {
                let trail = Trail::Member(trail, "$text");
                Some(Built::Made(Template::Text(self.parts(parts, &trail, items, refers)?.0)))
            }
            Form::Plain => match &node.value {
                Value::Array(parts) => match self.parts(parts, trail, items, refers)? {
                    (_, true) => Some(Built::Known),
                    (parts, false) => Some(Built::Made(Template::Array(parts))),
                },
                Value::Object(members) => {
                    let (mut built, mut whole) = (Vec::with_capacity(members.len()), true);
                    for member in members {
                        match self.build(&member.node, &Trail::Member(trail, &member.name), items, refers) {
                            Some(part) => built.push((member, part)),
                            None => whole = false,
                        }
                    }
                    if !whole {
                        return None;
                    }
                    if built.iter().all(|(_, part)| matches!(part, Built::Known)) {
                        return Some(Built::Known);
                    }
                    let made =
                        built.into_iter().map(|(member, part)| (Arc::from(&*member.name), made(part, &member.node)));
                    Some(Built::Made(Template::Object(made.collect())))
                }
                _ => Some(Built::Known),
            },
        }
    }

    /// Reads every part, and says whether all are known; then none of them is made.
    fn parts(
        &self,
        parts: &[Node<'t>],
        trail: &Trail<'_>,
        items: Items,
        refers: &mut Vec<usize>,
    ) -> Option<(Vec<Template>, bool)> {
        let (mut built, mut whole) = (Vec::with_capacity(parts.len()), true);
        for (n, part) in parts.iter().enumerate() {
            match self.build(part, &Trail::Item(trail, n), items, refers) {
                Some(part) => built.push(part),
                None => whole = false,
            }
        }
        if !whole {
            return None;
        }
        let in_text = matches!(trail, Trail::Member(_, "$text"));
        if !in_text && built.iter().all(|part| matches!(part, Built::Known)) {
            return Some((Vec::new(), true));
        }
        Some((built.into_iter().zip(parts).map(|(part, node)| made(part, node)).collect(), false))
    }

    /// Reads a condition.
    pub(super) fn condition(
        &self,
        node: &Node<'t>,
        trail: &Trail<'_>,
        items: Items,
        refers: &mut Vec<usize>,
    ) -> Option<Condition> {
        const KEYS: &[&str] = &["value", "equals", "exists", "empty", "more-than", "less-than", "all", "any", "not"];
        let members = self.table(node, trail, "a condition", KEYS)?;
        if members.iter().any(|member| !KEYS.contains(&&*member.name)) {
            return None;
        }
        let several = |refers: &mut Vec<usize>, name: &str, node: &Node<'t>| {
            let trail = Trail::Member(trail, name);
            match &node.value {
                Value::Array(parts) if !parts.is_empty() => {
                    let read: Vec<_> = parts
                        .iter()
                        .enumerate()
                        .map(|(n, part)| self.condition(part, &Trail::Item(&trail, n), items, refers))
                        .collect();
                    read.into_iter().collect::<Option<Vec<_>>>()
                }
                _ => {
                    self.refuse(node, &trail, || format!("`{name}` is a list of at least one condition"));
                    None
                }
            }
        };
        if let [only] = members {
            match &*only.name {
                "all" => return several(refers, "all", &only.node).map(Condition::All),
                "any" => return several(refers, "any", &only.node).map(Condition::Any),
                "not" => {
                    let inner = self.condition(&only.node, &Trail::Member(trail, "not"), items, refers)?;
                    return Some(Condition::Not(Box::new(inner)));
                }
                _ => {}
            }
        }
        let mut tests = members.iter().filter(|member| TESTS.contains(&&*member.name));
        let (Some(value), Some(test), None, 2) = (node.member("value"), tests.next(), tests.next(), members.len())
        else {
            self.refuse(node, trail, || {
                "a condition is `value` with one of `equals`, `exists`, `empty`, `more-than` and `less-than`, or one of \
                 `all`, `any` and `not` alone"
                    .to_owned()
            });
            return None;
        };
        let value = self.template(value, &Trail::Member(trail, "value"), items, refers);
        let (name, node) = (&*test.name, &test.node);
        let trail = Trail::Member(trail, name);
        let plain = |test| value.clone().map(|value| Condition::Is(value, test));
        match (name, &node.value) {
            ("equals", _) => plain(Test::Equals(self.known(node, &trail, "`equals`")?.into())),
            ("exists" | "empty", Value::Bool(yes)) => {
                let is = plain(if name == "exists" { Test::Exists } else { Test::Empty })?;
                Some(if *yes { is } else { Condition::Not(Box::new(is)) })
            }
            ("more-than", Value::Number(digits)) => plain(Test::MoreThan(Arc::from(&**digits))),
            ("less-than", Value::Number(digits)) => plain(Test::LessThan(Arc::from(&**digits))),
            _ => {
                let wanted = if matches!(name, "exists" | "empty") { "`true` or `false`" } else { "a number" };
                self.refuse(node, &trail, || format!("`{name}` is {wanted}, not {}", node.what()));
                None
            }
        }
    }
}

fn made(built: Built, node: &Node<'_>) -> Template {
    match built {
        Built::Known => Template::Value(known_text(node).into()),
        Built::Made(template) => template,
    }
}

/// The JSON text of a value without references, `$literal` taken off.
fn known_text(node: &Node<'_>) -> String {
    let mut out = String::new();
    write_known(node, &mut out);
    out
}

fn write_known(node: &Node<'_>, out: &mut String) {
    match &node.value {
        Value::Array(items) => {
            out.push('[');
            for (n, item) in items.iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                write_known(item, out);
            }
            out.push(']');
        }
        Value::Object(members) => {
            if let [only] = &members[..]
                && only.name == "$literal"
            {
                only.node.json().write(out);
                return;
            }
            out.push('{');
            for (n, member) in members.iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                quote(&member.name, out);
                out.push(':');
                write_known(&member.node, out);
            }
            out.push('}');
        }
        _ => node.json().write(out),
    }
}
