//! Whether a value with holes can fit a schema: what is known of it is checked whole, holes by what can come out of them.
//!
//! It speaks of the keywords that cards use, and lets pass what it does not know: the check of the call itself comes later and knows
//! all. A value of several forms (`oneOf`) is told against the form that it comes nearest to.

use std::collections::HashSet;

use serde_json::{Map, Value as Schema};
use toolcell_core::json::tokens;

use super::draft::Reader;
use super::holes::{Form, form};
use super::number::Decimal;
use super::problem::{MAX_PROBLEMS, SHOWN, Spot, Trail, shown};
use super::reach::{self, Reach};
use super::tree::{Member, Node, Value};

/// How many items of a list that stands in the file are tried for each reference to them. They tend to be alike.
const MAX_ITEMS_TRIED: usize = 64;

/// What does not fit.
pub(super) struct Misfit {
    pub(super) spot: Spot,
    pub(super) pointer: String,
    pub(super) message: String,
    /// Whether the value as a whole is of another type, so that another form was meant.
    other_type: bool,
}

/// What the items of a step's list are.
#[derive(Clone)]
pub(super) enum Item<'n, 't> {
    Unknown,
    Schemas(Vec<&'n Schema>),
    Nodes(&'n [Node<'t>]),
}

/// What is known of the results of steps.
pub(super) trait Results {
    /// The schema of a step's result, where it is known.
    fn schema(&self, step: usize) -> Option<&Schema>;
}

/// Checks the values of one step.
pub(super) struct Fit<'f, 'n, 't> {
    pub(super) reader: &'f Reader<'n, 't>,
    pub(super) results: &'f dyn Results,
    pub(super) item: Item<'f, 't>,
}

impl Fit<'_, '_, '_> {
    /// Tells everything that cannot fit.
    pub(super) fn check(&self, node: &Node<'_>, schema: &Schema, trail: &Trail<'_>) {
        let mut misfits = Vec::new();
        self.fit(node, schema, trail, Holes::Meant, &mut misfits);
        for misfit in misfits {
            self.reader.collected.told(misfit.spot, misfit.pointer, misfit.message);
        }
    }

    fn fit(&self, node: &Node<'_>, schema: &Schema, trail: &Trail<'_>, holes: Holes, out: &mut Vec<Misfit>) {
        if out.len() > MAX_PROBLEMS {
            return;
        }
        if holes == Holes::Meant {
            match form(node, self.reader) {
                Ok(Form::Plain) => {}
                Ok(Form::Literal(inner)) => {
                    return self.fit(inner, schema, &Trail::Member(trail, "$literal"), Holes::None, out);
                }
                // Anything, or told where the template was read.
                Ok(Form::Input(_)) | Err(_) => return,
                Ok(Form::Index) => return typed(reach::INTEGER, "`$index` is", node, schema, trail, out),
                Ok(Form::Text(parts)) => {
                    typed(reach::STRING, "`$text` makes", node, schema, trail, out);
                    let trail = Trail::Member(trail, "$text");
                    for (n, part) in parts.iter().enumerate() {
                        self.fit(part, &Schema::Bool(true), &Trail::Item(&trail, n), Holes::Meant, out);
                    }
                    return;
                }
                Ok(Form::Result(name, pointer)) => return self.result(name, pointer, node, schema, trail, out),
                Ok(Form::Item(pointer)) => return self.of_item(pointer, node, schema, trail, out),
            }
        }
        let Schema::Object(keywords) = schema else {
            if schema.as_bool() == Some(false) {
                out.push(misfit(node, trail, "nothing may stand here: remove it".to_owned()));
            }
            return self.inside(node, None, trail, holes, out);
        };
        for choice in ["oneOf", "anyOf"] {
            if let Some(branches) = keywords.get(choice).and_then(Schema::as_array) {
                self.choice(node, branches, trail, holes, out);
            }
        }
        for each in keywords.get("allOf").and_then(Schema::as_array).into_iter().flatten() {
            self.fit(node, each, trail, holes, out);
        }
        let (is, takes) = (type_of(node), reach::types(schema));
        if is & takes == 0 {
            if !keywords.contains_key("oneOf") && !keywords.contains_key("anyOf") {
                let mut misfit =
                    misfit(node, trail, format!("{} belongs here, not {}", reach::words(takes), node.what()));
                misfit.other_type = true;
                out.push(misfit);
            }
            return;
        }
        self.named(node, keywords, trail, out);
        scalar(node, keywords, trail, out);
        if !keywords.contains_key("oneOf") && !keywords.contains_key("anyOf") {
            self.inside(node, Some(keywords), trail, holes, out);
        }
    }

    /// One of several forms.
    fn choice(&self, node: &Node<'_>, branches: &[Schema], trail: &Trail<'_>, holes: Holes, out: &mut Vec<Misfit>) {
        let mut nearest: Option<Vec<Misfit>> = None;
        let mut names: Vec<&str> = Vec::new();
        for branch in branches {
            let mut misfits = Vec::new();
            self.fit(node, branch, trail, holes, &mut misfits);
            if misfits.is_empty() {
                return;
            }
            let wanted = branch
                .get("const")
                .into_iter()
                .chain(branch.get("enum").and_then(Schema::as_array).into_iter().flatten());
            names.extend(wanted.filter_map(Schema::as_str));
            let mut keys =
                branch.get("required").and_then(Schema::as_array).into_iter().flatten().filter_map(Schema::as_str);
            let one_member = matches!(&node.value, Value::Object(members) if members.len() == 1);
            let meant = match &node.value {
                Value::Object(_) if one_member => keys.any(|key| node.member(key).is_some()),
                _ => false,
            };
            if meant {
                nearest = Some(misfits);
                break;
            }
            if !misfits.iter().any(|misfit| misfit.other_type && misfit.spot == node.spot())
                && nearest.as_ref().is_none_or(|nearest| misfits.len() < nearest.len())
            {
                nearest = Some(misfits);
            }
        }
        if let (Some(text), false) = (node.as_str(), names.is_empty()) {
            let meant = self.reader.nearest.or_all(text, &names);
            out.push(misfit(
                node,
                trail,
                format!("`{}` is none of the values that may stand here{meant}", shown(text, SHOWN)),
            ));
        } else if let Some(nearest) = nearest {
            out.extend(nearest);
        } else {
            let takes = branches.iter().fold(0, |all, branch| all | reach::types(branch));
            let mut misfit = misfit(node, trail, format!("{} belongs here, not {}", reach::words(takes), node.what()));
            misfit.other_type = true;
            out.push(misfit);
        }
    }

    fn named(&self, node: &Node<'_>, keywords: &Map<String, Schema>, trail: &Trail<'_>, out: &mut Vec<Misfit>) {
        let values: Vec<&Schema> = match (keywords.get("enum").and_then(Schema::as_array), keywords.get("const")) {
            (Some(values), _) => values.iter().collect(),
            (None, Some(value)) => vec![value],
            (None, None) => return,
        };
        // Names are what our schemas list; a list with anything else in it is left to the call.
        let fits = |value: &Schema| match (value, &node.value) {
            (Schema::String(name), _) => node.as_str() == Some(name),
            (Schema::Null, _) => matches!(node.value, Value::Null),
            (Schema::Bool(yes), _) => matches!(node.value, Value::Bool(own) if own == *yes),
            _ => true,
        };
        if values.iter().any(|value| fits(value)) {
            return;
        }
        let names: Vec<&str> = values.iter().filter_map(|value| value.as_str()).collect();
        let what = node.as_str().map_or_else(|| node.what().to_owned(), |text| format!("`{}`", shown(text, SHOWN)));
        let meant = self.reader.nearest.or_all(node.as_str().unwrap_or_default(), &names);
        out.push(misfit(node, trail, format!("{what} is none of the values that may stand here{meant}")));
    }

    /// What a list or table holds.
    fn inside(
        &self,
        node: &Node<'_>,
        keywords: Option<&Map<String, Schema>>,
        trail: &Trail<'_>,
        holes: Holes,
        out: &mut Vec<Misfit>,
    ) {
        const ANY: &Schema = &Schema::Bool(true);
        let keyword = |name: &str| keywords.and_then(|keywords| keywords.get(name));
        match &node.value {
            Value::Array(items) => {
                let prefix = keyword("prefixItems").and_then(Schema::as_array).map_or(&[][..], Vec::as_slice);
                let rest = keyword("items").unwrap_or(ANY);
                for (n, item) in items.iter().enumerate() {
                    self.fit(item, prefix.get(n).unwrap_or(rest), &Trail::Item(trail, n), holes, out);
                }
            }
            Value::Object(members) => self.members(node, members, keywords, trail, holes, out),
            _ => {}
        }
    }

    fn members(
        &self,
        node: &Node<'_>,
        members: &[Member<'_>],
        keywords: Option<&Map<String, Schema>>,
        trail: &Trail<'_>,
        holes: Holes,
        out: &mut Vec<Misfit>,
    ) {
        const ANY: &Schema = &Schema::Bool(true);
        let keyword = |name: &str| keywords.and_then(|keywords| keywords.get(name));
        let properties = keyword("properties").and_then(Schema::as_object);
        let rest = keyword("additionalProperties").unwrap_or(ANY);
        let mut meant: Vec<&str> = Vec::new();
        for member in members {
            let trail = &Trail::Member(trail, &member.name);
            match properties.and_then(|properties| properties.get(&*member.name)) {
                Some(property) => self.fit(&member.node, property, trail, holes, out),
                None if rest.as_bool() == Some(false) => {
                    let names: Vec<&str> = properties.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
                    meant.extend(self.reader.nearest.find(&member.name, names.iter().copied()));
                    let nearest = if names.is_empty() {
                        "; it takes none".to_owned()
                    } else {
                        self.reader.nearest.or_all(&member.name, &names)
                    };
                    out.push(Misfit {
                        spot: member.spot,
                        pointer: trail.pointer(),
                        message: format!("there is no `{}` here{nearest}", shown(&member.name, SHOWN)),
                        other_type: false,
                    });
                }
                None => self.fit(&member.node, rest, trail, holes, out),
            }
        }
        let required = keyword("required").and_then(Schema::as_array).into_iter().flatten().filter_map(Schema::as_str);
        // A name that somebody misspelled is not told to be missing too.
        for name in required.filter(|name| node.member(name).is_none() && !meant.contains(name)) {
            out.push(misfit(node, trail, format!("`{}` is missing here", shown(name, SHOWN))));
        }
    }

    fn result(
        &self,
        name: &str,
        pointer: &str,
        node: &Node<'_>,
        schema: &Schema,
        trail: &Trail<'_>,
        out: &mut Vec<Misfit>,
    ) {
        let Some(step) = self.reader.ids.get(name).copied() else { return };
        let path = tokens(pointer).unwrap_or_default();
        let spot = node.member("pointer").unwrap_or(node);
        let told = self.reader.steps().get(step);
        let goes_over = told.is_some_and(|step| step.member("for-each").is_some());
        // What stands in for a failed result must hold what is looked for in it.
        if let Some(fallback) = told.and_then(|step| step.member("fallback")).filter(|_| !goes_over)
            && find(fallback.member("$literal").unwrap_or(fallback), &path).is_none()
        {
            out.push(misfit(
                spot,
                trail,
                format!("the fallback of `{}` has nothing at `{}`", shown(name, SHOWN), shown(pointer, SHOWN)),
            ));
            return;
        }
        let Some(from) = self.results.schema(step) else { return };
        match reach::reach(from, &path) {
            Reach::Unknown => {}
            Reach::Schemas(found) => {
                comes(&found, &format!("the result of `{}`", shown(name, SHOWN)), node, schema, trail, out);
            }
            Reach::Never(token, names) => {
                let mut message =
                    format!("the result of `{}` never has `{}`", shown(name, SHOWN), shown(pointer, SHOWN));
                if goes_over && token.parse::<usize>().is_err() {
                    message
                        .push_str("; it is a list of results, one for each item, so a place such as `/0` comes first");
                } else if !names.is_empty() {
                    message.push_str(&self.reader.nearest.or_all(&token, &names));
                }
                out.push(misfit(spot, trail, message));
            }
        }
    }

    fn of_item(&self, pointer: &str, node: &Node<'_>, schema: &Schema, trail: &Trail<'_>, out: &mut Vec<Misfit>) {
        let path = tokens(pointer).unwrap_or_default();
        match &self.item {
            Item::Unknown => {}
            Item::Schemas(schemas) => {
                let mut found = Vec::new();
                let mut never = None;
                for item in schemas {
                    match reach::reach(item, &path) {
                        Reach::Unknown => return,
                        Reach::Schemas(schemas) => found.extend(schemas),
                        Reach::Never(token, names) => never = Some((token, names)),
                    }
                }
                match never.filter(|_| found.is_empty()) {
                    Some((token, names)) => {
                        let mut message = format!("an item of the list never has `{}`", shown(pointer, SHOWN));
                        if !names.is_empty() {
                            message.push_str(&self.reader.nearest.or_all(&token, &names));
                        }
                        out.push(misfit(node, trail, message));
                    }
                    None => comes(&found, "the item", node, schema, trail, out),
                }
            }
            Item::Nodes(items) => {
                for (n, item) in items.iter().enumerate().take(MAX_ITEMS_TRIED) {
                    let Ok(Form::Plain) = form(item, self.reader) else { continue };
                    let Some(value) = find(item, &path) else {
                        out.push(misfit(
                            node,
                            trail,
                            format!("item {n} of the list has nothing at `{}`", shown(pointer, SHOWN)),
                        ));
                        return;
                    };
                    let mut misfits = Vec::new();
                    self.fit(value, schema, trail, Holes::Meant, &mut misfits);
                    if let Some(first) = misfits.into_iter().next() {
                        out.push(misfit(
                            node,
                            trail,
                            format!("item {n} of the list does not fit here: {}", first.message),
                        ));
                        return;
                    }
                }
            }
        }
    }
}

/// Tells where a hole of one type stands for another.
fn typed(gives: u8, what: &str, node: &Node<'_>, schema: &Schema, trail: &Trail<'_>, out: &mut Vec<Misfit>) {
    let takes = reach::types(schema);
    if gives & takes == 0 {
        out.push(misfit(
            node,
            trail,
            format!("{what} {}, and {} belongs here", reach::words(gives), reach::words(takes)),
        ));
    }
}

/// Tells where nothing of what a reference can give fits.
fn comes(found: &[&Schema], what: &str, node: &Node<'_>, schema: &Schema, trail: &Trail<'_>, out: &mut Vec<Misfit>) {
    let mut why = None;
    for given in found {
        match reach::never(given, schema, 8) {
            Some(reason) => why = Some(reason),
            None => return,
        }
    }
    if let Some(why) = why {
        out.push(misfit(node, trail, format!("{what} cannot stand here: {why}")));
    }
}

/// Whether `$` names mean something.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holes {
    Meant,
    None,
}

/// The bounds of numbers, texts and lists.
fn scalar(node: &Node<'_>, keywords: &Map<String, Schema>, trail: &Trail<'_>, out: &mut Vec<Misfit>) {
    let count = |name: &str| keywords.get(name).and_then(Schema::as_u64);
    let mut refuse = |message: String| out.push(misfit(node, trail, message));
    match &node.value {
        Value::Number(digits) => {
            let number = Decimal::new(digits);
            let bound = |name: &str| keywords.get(name).and_then(Schema::as_number).map(ToString::to_string);
            if let Some(least) = bound("minimum").filter(|least| number < Decimal::new(least)) {
                refuse(format!("{} is below the least, {least}", shown(digits, SHOWN)));
            }
            if let Some(most) = bound("maximum").filter(|most| number > Decimal::new(most)) {
                refuse(format!("{} is above the most, {most}", shown(digits, SHOWN)));
            }
        }
        Value::String(text) => {
            let length = || text.chars().count() as u64;
            if let Some(least) = count("minLength").filter(|least| length() < *least) {
                refuse(format!("this text has {} characters and needs {least}", length()));
            }
            if let Some(most) = count("maxLength").filter(|most| length() > *most) {
                refuse(format!("this text has {} characters and may have {most}", length()));
            }
            if let Some(pattern) = keywords.get("pattern").and_then(Schema::as_str)
                && matches(text, pattern) == Some(false)
            {
                refuse(format!("`{}` does not have the form that may stand here, `{pattern}`", shown(text, SHOWN)));
            }
        }
        Value::Array(items) => {
            let length = items.len() as u64;
            if let Some(least) = count("minItems").filter(|least| length < *least) {
                refuse(format!("this list has {length} items and needs {least}"));
            }
            if let Some(most) = count("maxItems").filter(|most| length > *most) {
                refuse(format!("this list has {length} items and may have {most}"));
            }
            let mut seen = HashSet::new();
            if keywords.get("uniqueItems") == Some(&Schema::Bool(true))
                && let Some(twice) = items.iter().filter_map(Node::as_str).find(|text| !seen.insert(*text))
            {
                refuse(format!("`{}` stands twice in this list", shown(twice, SHOWN)));
            }
        }
        _ => {}
    }
}

/// Whether a text has the form of one of the patterns that the schemas of tools use; none of another pattern.
fn matches(text: &str, pattern: &str) -> Option<bool> {
    let decimal = |digits: &str, most: usize| {
        digits.len() <= most
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && (digits == "0" || (!digits.is_empty() && !digits.starts_with('0')))
    };
    match pattern {
        "^(NaN|-?Infinity)$" => Some(matches!(text, "NaN" | "Infinity" | "-Infinity")),
        "^-?(0|[1-9][0-9]{0,18})$" => Some(decimal(text.strip_prefix('-').unwrap_or(text), 19)),
        "^(0|[1-9][0-9]{0,19})$" => Some(decimal(text, 20)),
        _ => None,
    }
}

fn misfit(node: &Node<'_>, trail: &Trail<'_>, message: String) -> Misfit {
    Misfit { spot: node.spot(), pointer: trail.pointer(), message, other_type: false }
}

/// The types that a node's value is of.
fn type_of(node: &Node<'_>) -> u8 {
    match &node.value {
        Value::Null => reach::NULL,
        Value::Bool(_) => reach::BOOLEAN,
        Value::Number(digits) if Decimal::new(digits).is_whole() => reach::INTEGER,
        Value::Number(_) => reach::FRACTION,
        Value::String(_) => reach::STRING,
        Value::Array(_) => reach::ARRAY,
        Value::Object(_) => reach::OBJECT,
    }
}

/// The node at a pointer's tokens.
fn find<'n, 't>(node: &'n Node<'t>, tokens: &[String]) -> Option<&'n Node<'t>> {
    tokens.iter().try_fold(node, |here, token| match &here.value {
        Value::Array(items) => {
            let plain = token == "0" || (!token.starts_with('0') && token.bytes().all(|byte| byte.is_ascii_digit()));
            items.get(token.parse::<usize>().ok().filter(|_| plain)?)
        }
        _ => here.member(token),
    })
}
