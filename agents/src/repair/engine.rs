//! Finds the one reading of arguments in which every failing place fits.
//!
//! One walk down the schema, along the failing pointers. Where a value does not fit, every rule offers readings of it; each is tried
//! in its turn by the same walk, and counts where nothing in it is left unrepaired. One that counts is taken. Two that
//! differ are as good as none.

use std::collections::BTreeMap;

use serde_json::Value;
use toolcell_core::failure::Problem;
use toolcell_core::json::{Json, escaped, parse, quote, tokens};
use toolcell_core::{Arguments, Card, Change, ChangeKind, Effects};

use super::rules::{RULES, Site, case, format};
use super::schema::{self, Work, fits};
use super::{BOUNDS, Proposal, Why};

/// The most values and schemas that one repair looks at: some seconds of a slow machine, and arguments of any common size.
pub(super) const WORK: u64 = 8_000_000;

/// How many rules may follow each other at one value: a string that holds a list of one string that holds a number is three.
const MAX_DEPTH: u8 = 4;

/// The longest value that rules are tried on, in bytes of JSON text. Each of them reads it again.
const MAX_VALUE: usize = 1 << 20;

/// How many bytes that a rule reads count as one step of work.
const BYTES_PER_STEP: u64 = 16;

/// The longest excerpt of a value in a change, in bytes.
const MAX_EXCERPT: usize = 120;

/// Repairs arguments at the pointers of these problems.
pub(super) fn mend(card: &Card, arguments: &Arguments, problems: &[Problem]) -> Proposal {
    let nothing = |why| Proposal::Nothing { why };
    let Ok(root) = parse(arguments.as_str(), BOUNDS) else { return nothing(Why::Unreadable) };
    let mut mender = Mender {
        tool: card.id.as_str(),
        effects: card.effects,
        failing: problems.iter().map(|problem| (problem.pointer.as_str(), problem)).collect(),
        work: Work::of(WORK),
        changes: Vec::new(),
        settled: Vec::new(),
        left: Vec::new(),
    };
    let mut text = String::new();
    mender.value(&root, &card.arguments, &Place::root(), &mut text);
    mender.account();
    if mender.work.is_spent() {
        return nothing(Why::TooLarge);
    }
    let ambiguous: Vec<String> =
        mender.left.iter().filter(|left| left.several).map(|left| left.pointer.clone()).collect();
    if !ambiguous.is_empty() {
        return Proposal::Ambiguous { pointers: ambiguous };
    }
    if !mender.left.is_empty() || mender.changes.is_empty() {
        return nothing(Why::Unknown(mender.left.into_iter().map(|left| shown(left.pointer)).collect()));
    }
    // Whoever checks next is the host; what does not fit here is not even sent.
    let sound = parse(&text, BOUNDS).is_ok_and(|json| fits(&json, &card.arguments, &mut Work::of(WORK)));
    match Arguments::from_text(text) {
        Ok(changed) if sound && changed != *arguments => {
            Proposal::Changed { arguments: changed, changes: mender.changes }
        }
        Ok(_) => nothing(Why::Unknown(problems.iter().map(|problem| shown(problem.pointer.clone())).collect())),
        Err(_) => nothing(Why::TooLarge),
    }
}

/// Every reading of one value, whatever failed.
pub(super) fn readings(value: &Json<'_>, schema: &Value, name: Option<&str>) -> Vec<(String, Vec<ChangeKind>)> {
    let mut mender = Mender {
        tool: "",
        effects: Effects::Once,
        failing: BTreeMap::new(),
        work: Work::of(WORK),
        changes: Vec::new(),
        settled: Vec::new(),
        left: Vec::new(),
    };
    let place = Place { loose: true, frozen: true, name: name.map(str::to_owned), ..Place::root() };
    let (found, _) = mender.offers(value, schema, &place);
    found.into_iter().map(|found| (found.text, found.changes.iter().map(|change| change.kind).collect())).collect()
}

/// Where a value stood in the arguments as they came.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) pointer: String,
    /// Whether it is at or below a failing pointer.
    pub(super) loose: bool,
    /// Whether what is inside has no place of its own in the arguments as they came, and so shares this one.
    pub(super) frozen: bool,
    /// Whether the value goes elsewhere than it stood, so that what failed where it stood says nothing of it.
    pub(super) moved: bool,
    /// How many rules led here.
    pub(super) depth: u8,
    pub(super) name: Option<String>,
}

impl Place {
    fn root() -> Self {
        Self { pointer: String::new(), loose: false, frozen: false, moved: false, depth: 0, name: None }
    }

    /// The place of a member or item.
    pub(super) fn inside(&self, token: &str, name: Option<&str>) -> Self {
        let pointer = if self.frozen { self.pointer.clone() } else { format!("{}/{}", self.pointer, escaped(token)) };
        Self { pointer, name: name.map(str::to_owned), ..self.clone() }
    }

    /// The same place, for a reading of what stands there.
    fn read(&self) -> Self {
        Self { frozen: true, loose: true, depth: self.depth + 1, ..self.clone() }
    }
}

/// A place for which there is no one reading.
#[derive(Clone, Debug)]
pub(super) struct Left {
    pub(super) pointer: String,
    /// Whether there are several.
    pub(super) several: bool,
}

/// A reading of a value that fits whole.
#[derive(Debug)]
struct Reading {
    text: String,
    changes: Vec<Change>,
    settled: Vec<String>,
}

/// The state of one walk.
pub(super) struct Mender<'p> {
    pub(super) tool: &'p str,
    pub(super) effects: Effects,
    failing: BTreeMap<&'p str, &'p Problem>,
    pub(super) work: Work,
    pub(super) changes: Vec<Change>,
    /// Pointers that a change made good although it stands elsewhere, such as the name that a member got.
    pub(super) settled: Vec<String>,
    pub(super) left: Vec<Left>,
}

/// How far the lists of a walk were.
#[derive(Clone, Copy)]
struct Mark {
    changes: usize,
    settled: usize,
    left: usize,
}

impl Mender<'_> {
    /// Writes the value, repaired where that is allowed and possible. Whatever is not possible is noted.
    pub(super) fn value(&mut self, value: &Json<'_>, schema: &Value, place: &Place, out: &mut String) {
        let place = &Place { loose: place.loose || self.fails(&place.pointer), ..place.clone() };
        if !place.loose && !self.fails_below(&place.pointer) {
            return value.write(out);
        }
        if fits(value, schema, &mut self.work) {
            let told =
                if place.frozen || place.moved { None } else { self.failing.get(place.pointer.as_str()).copied() };
            return match told {
                Some(problem) => self.told(value, schema, place, problem, out),
                None if place.frozen || !self.fails_below(&place.pointer) => value.write(out),
                None => self.parts(value, schema, place, out),
            };
        }
        let mark = self.mark();
        let start = out.len();
        let walked = walks(value, schema);
        if walked {
            self.parts(value, schema, place, out);
            if !place.loose || self.work.is_spent() {
                return;
            }
        } else if !place.loose {
            return value.write(out);
        }
        let whole = walked && self.left.len() == mark.left;
        let text = out.split_off(start);
        let (changes, settled, left) = self.rewind(mark);
        let (mut found, doubtful) = self.offers(value, schema, place);
        if whole {
            // The walk is the plainer way to what a rule may also have found.
            found.retain(|reading| reading.text != text);
            found.push(Reading { text, changes, settled });
        }
        match (found.len(), found.pop()) {
            (1, Some(reading)) if !doubtful => {
                out.push_str(&reading.text);
                self.changes.extend(reading.changes);
                self.settled.extend(reading.settled);
            }
            (0, _) if !doubtful => {
                value.write(out);
                if left.is_empty() {
                    self.note(place, false);
                }
                self.left.extend(left);
            }
            _ => {
                value.write(out);
                self.note(place, true);
            }
        }
    }

    /// The readings of a value that fit whole, and whether one more was ambiguous in itself.
    fn offers(&mut self, value: &Json<'_>, schema: &Value, place: &Place) -> (Vec<Reading>, bool) {
        let (mut found, mut doubtful): (Vec<Reading>, bool) = (Vec::new(), false);
        if place.depth >= MAX_DEPTH {
            return (found, doubtful);
        }
        let before = value.to_text();
        if before.len() > MAX_VALUE {
            return (found, doubtful);
        }
        // The choices of a schema are read one by one, since a rule looks at one type.
        let sites = std::iter::once(schema).chain(schema::choices(schema));
        let mut tried: Vec<String> = vec![before.clone()];
        for schema_of in sites {
            for rule in RULES {
                let mut offers = Vec::new();
                (rule.offer)(&Site { value, schema: schema_of, name: place.name.as_deref() }, &mut offers);
                for offer in offers {
                    if tried.contains(&offer) || !self.work.take(1 + offer.len() as u64 / BYTES_PER_STEP) {
                        continue;
                    }
                    tried.push(offer.clone());
                    let Ok(read) = parse(&offer, BOUNDS) else { continue };
                    let mark = self.mark();
                    let mut text = String::new();
                    self.value(&read, schema, &place.read(), &mut text);
                    let (mut changes, settled, left) = self.rewind(mark);
                    doubtful |= left.iter().any(|left| left.several);
                    if left.is_empty() && found.iter().all(|reading| reading.text != text) {
                        changes.insert(0, change(place, rule.kind, Some(&before), Some(&text)));
                        found.push(Reading { text, changes, settled });
                    }
                }
            }
        }
        (found, doubtful)
    }

    fn parts(&mut self, value: &Json<'_>, schema: &Value, place: &Place, out: &mut String) {
        match value {
            Json::Object(members) => match object_schema(value, schema) {
                Some(schema) => self.members(members, schema, place, out),
                None => value.write(out),
            },
            Json::Array(items) => self.items(items, schema, place, out),
            other => other.write(out),
        }
    }

    fn items(&mut self, items: &[Json<'_>], schema: &Value, place: &Place, out: &mut String) {
        let prefix = schema.get("prefixItems").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let distinct = schema.get("uniqueItems") == Some(&Value::Bool(true));
        let short = (items.len() as u64) < schema.get("minItems").and_then(Value::as_u64).unwrap_or(0);
        let long = !prefix.is_empty() && items.len() > prefix.len();
        let mut seen: Vec<String> = Vec::new();
        out.push('[');
        let mut first = true;
        for (index, item) in items.iter().enumerate() {
            let inside = place.inside(&index.to_string(), None);
            let mut text = item.to_text();
            // The second of two flags that are the same says nothing.
            if distinct && (inside.loose || self.fails(&inside.pointer)) && seen.contains(&text) {
                self.changes.push(change(&inside, ChangeKind::Removed, Some(&text), None));
                continue;
            }
            match prefix.get(index).or_else(|| schema.get("items")) {
                Some(schema) if !long => {
                    text.clear();
                    self.value(item, schema, &inside, &mut text);
                }
                _ => {}
            }
            if !first {
                out.push(',');
            }
            first = false;
            out.push_str(&text);
            if distinct && seen.len() < BOUND_DISTINCT {
                seen.push(text);
            }
        }
        out.push(']');
        if short || long {
            self.note(place, false);
        }
    }

    /// A value that fits the schema, and that the tool refused: what it says was expected may name a format or some names.
    fn told(&mut self, value: &Json<'_>, schema: &Value, place: &Place, problem: &Problem, out: &mut String) {
        let mut offers = Vec::new();
        if let Json::String(text) = value {
            let listed = problem.expected.rsplit_once("one of").map(|(_, rest)| rest);
            let listed = listed.and_then(|rest| rest.split_once(':')).map(|(_, names)| names);
            if let Some(names) = listed.filter(|names| !names.contains('…')) {
                let trim = |name: &'_ str| -> String { name.trim().trim_matches(['"', '`', '\'']).to_owned() };
                let names: Vec<String> = names.split(',').map(trim).filter(|name| !name.is_empty()).collect();
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                case::offers_among(text, &names, &mut offers);
            } else if let Some(form) = format::spoken_of(&problem.expected) {
                offers.extend(form.readings(text).into_iter().map(|text| format!("\"{text}\"")));
            }
        }
        let before = value.to_text();
        offers.retain(|offer| {
            *offer != before && parse(offer, BOUNDS).is_ok_and(|read| fits(&read, schema, &mut self.work))
        });
        offers.dedup();
        match offers.as_slice() {
            [one] => {
                out.push_str(one);
                let kind = if schema.get("format").is_none() && problem.expected.contains("one of") {
                    ChangeKind::Case
                } else {
                    ChangeKind::Format
                };
                self.changes.push(change(place, kind, Some(&before), Some(one)));
            }
            other => {
                self.note(place, !other.is_empty());
                value.write(out);
            }
        }
    }

    /// Notes every failing pointer that no change has to do with.
    fn account(&mut self) {
        let covers = |a: &str, b: &str| a == b || b.strip_prefix(a).is_some_and(|rest| rest.starts_with('/'));
        for pointer in self.failing.keys() {
            let changed = self.changes.iter().any(|c| covers(&c.pointer, pointer) || covers(pointer, &c.pointer));
            let settled = self.settled.iter().any(|other| covers(other, pointer));
            let noted = self.left.iter().any(|left| covers(&left.pointer, pointer) || covers(pointer, &left.pointer));
            if !changed && !settled && !noted {
                self.left.push(Left { pointer: (*pointer).to_owned(), several: false });
            }
        }
    }

    pub(super) fn fails(&self, pointer: &str) -> bool {
        self.failing.contains_key(pointer)
    }

    fn fails_below(&self, pointer: &str) -> bool {
        let below = format!("{pointer}/");
        self.failing.range(below.as_str()..).next().is_some_and(|(other, _)| other.starts_with(&below))
    }

    pub(super) fn note(&mut self, place: &Place, several: bool) {
        self.left.push(Left { pointer: place.pointer.clone(), several });
    }

    /// Whether a value can be made to fit; nothing is written or noted.
    pub(super) fn can(&mut self, value: &Json<'_>, schema: &Value, place: &Place) -> bool {
        let mark = self.mark();
        self.value(value, schema, place, &mut String::new());
        let (_, _, left) = self.rewind(mark);
        left.is_empty()
    }

    fn mark(&self) -> Mark {
        Mark { changes: self.changes.len(), settled: self.settled.len(), left: self.left.len() }
    }

    fn rewind(&mut self, mark: Mark) -> (Vec<Change>, Vec<String>, Vec<Left>) {
        let (changes, settled) = (self.changes.split_off(mark.changes), self.settled.split_off(mark.settled));
        (changes, settled, self.left.split_off(mark.left))
    }
}

/// How many items of a list are compared with each other.
const BOUND_DISTINCT: usize = 1_024;

/// The schema by which the members of an object are looked at: its own, or that of the choice whose case it names.
fn object_schema<'s>(value: &Json<'_>, schema: &'s Value) -> Option<&'s Value> {
    if schema.get("properties").is_some() {
        return Some(schema);
    }
    let Json::Object(members) = value else { return None };
    let objects = || schema::choices(schema).iter().filter(|choice| choice.get("properties").is_some());
    let named = |choice: &&Value| {
        schema::only_member(choice).is_some_and(|(case, _)| matches!(members.as_slice(), [(name, _)] if name == case))
    };
    // A choice of one object, such as an object or null, is that object.
    objects().find(named).or_else(|| objects().next().filter(|_| objects().nth(1).is_none()))
}

/// Whether the walk can go into the parts of this value.
fn walks(value: &Json<'_>, schema: &Value) -> bool {
    match value {
        Json::Object(_) => object_schema(value, schema).is_some(),
        Json::Array(_) => schema.get("items").is_some() || schema.get("prefixItems").is_some(),
        _ => false,
    }
}

/// A change at a place.
pub(super) fn change(place: &Place, kind: ChangeKind, before: Option<&str>, after: Option<&str>) -> Change {
    Change { pointer: place.pointer.clone(), kind, before: before.map(cut), after: after.map(cut) }
}

/// A text cut to the length of an excerpt, ending in `…` where it was longer.
pub(super) fn cut(text: &str) -> String {
    if text.len() <= MAX_EXCERPT {
        return text.to_owned();
    }
    let end = (0..=MAX_EXCERPT - '…'.len_utf8()).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{}…", &text[..end])
}

/// Writes a member.
pub(super) fn write_name(name: &str, out: &mut String) {
    if !out.ends_with('{') {
        out.push(',');
    }
    quote(name, out);
    out.push(':');
}

fn shown(pointer: String) -> String {
    let depth = tokens(&pointer).map_or(0, |tokens| tokens.len());
    if depth == 0 { "the whole".to_owned() } else { pointer }
}
