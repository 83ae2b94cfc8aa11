//! Arguments whose text is no JSON, or not only JSON.

use serde_json::Value;
use toolcell_core::json::quote;

use super::super::places::is_text;
use super::{Chance, Family, Group, Needs, Place, Right, Wrong};

pub(super) const FAMILIES: &[Family] = &[
    Family { name: "text-unclosed", group: Group::Text, make: unclosed },
    Family { name: "text-cut", group: Group::Text, make: cut },
    Family { name: "text-fenced", group: Group::Text, make: fenced },
    Family { name: "text-with-words", group: Group::Text, make: with_words },
    Family { name: "text-quoted", group: Group::Text, make: quoted },
    Family { name: "text-trailing-comma", group: Group::Text, make: trailing_comma },
    Family { name: "text-of-python", group: Group::Text, make: of_python },
    Family { name: "text-unquoted-names", group: Group::Text, make: unquoted_names },
    Family { name: "text-raw-newline", group: Group::Text, make: raw_newline },
    Family { name: "text-twice-same", group: Group::Text, make: |right, chance| twice(right, chance, Values::Same) },
    Family {
        name: "text-twice-different",
        group: Group::Text,
        make: |right, chance| twice(right, chance, Values::Different),
    },
    Family { name: "text-commented", group: Group::Text, make: commented },
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Values {
    Same,
    Different,
}

#[allow(clippy::unnecessary_wraps, reason = "it is the last word of families, which may have nothing to say")]
fn said(right: &Right<'_>, text: String, needs: Needs) -> Option<Wrong> {
    Some(right.said(text, "", needs))
}

/// Every value is there whole; only what closes is missing.
fn unclosed(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    let text = right.arguments.to_string();
    let closing = text.len() - text.trim_end_matches(['}', ']']).len();
    // Behind a digit nobody can tell whether more digits followed.
    let missing = 1 + chance.below(closing);
    let rest = text[..text.len() - missing].to_owned();
    let whole = !rest.ends_with(|c: char| c.is_ascii_digit());
    said(right, rest, if whole { Needs::Schema } else { Needs::Invention })
}

/// Cut somewhere in the middle, as by a limit of tokens. Whoever closes it has made something up.
fn cut(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    let text = right.arguments.to_string();
    let inner = text.trim_end_matches(['}', ']']).len();
    let at = (inner / 3 + chance.below(inner / 2 + 1)).min(inner - 1);
    let at = (0..=at).rev().find(|at| text.is_char_boundary(*at))?;
    said(right, text[..at].to_owned(), Needs::Invention)
}

fn fenced(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    let language = chance.of(&["json", "", "JSON"]);
    said(right, format!("```{language}\n{}\n```", right.arguments), Needs::Schema)
}

fn with_words(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    let json = right.arguments;
    let texts = [
        format!("Here are the arguments:\n{json}"),
        format!("{json}\n\nLet me know whether that is right."),
        format!("<tool_call>{json}</tool_call>"),
    ];
    said(right, chance.of(&texts), Needs::Schema)
}

/// The text of the arguments as one JSON string, once or twice.
fn quoted(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    let mut text = right.arguments.to_string();
    for _ in 0..=chance.below(2) {
        let mut outer = String::new();
        quote(&text, &mut outer);
        text = outer;
    }
    said(right, text, Needs::Schema)
}

fn trailing_comma(right: &Right<'_>, _: &mut Chance) -> Option<Wrong> {
    let text = right.arguments.to_string();
    (text != "{}").then(|| said(right, format!("{},}}", text.strip_suffix('}')?), Needs::Schema)).flatten()
}

/// Python's own notation of the same values. Only where no text has a quote or backslash of its own, so that there is one reading.
fn of_python(right: &Right<'_>, _: &mut Chance) -> Option<Wrong> {
    fn write(value: &Value, out: &mut String) {
        match value {
            Value::Null => out.push_str("None"),
            Value::Bool(true) => out.push_str("True"),
            Value::Bool(false) => out.push_str("False"),
            Value::Number(number) => out.push_str(&number.to_string()),
            Value::String(text) => out.extend(["'", text, "'"]),
            Value::Array(items) => {
                out.push('[');
                for (n, item) in items.iter().enumerate() {
                    out.push_str(if n > 0 { ", " } else { "" });
                    write(item, out);
                }
                out.push(']');
            }
            Value::Object(members) => {
                out.push('{');
                for (n, (name, value)) in members.iter().enumerate() {
                    out.extend([if n > 0 { ", " } else { "" }, "'", name, "': "]);
                    write(value, out);
                }
                out.push('}');
            }
        }
    }
    let json = right.arguments.to_string();
    if json.contains(['\'', '\\']) {
        return None;
    }
    let mut text = String::new();
    write(right.arguments, &mut text);
    said(right, text, Needs::Schema)
}

/// JavaScript's notation of the same values.
fn unquoted_names(right: &Right<'_>, _: &mut Chance) -> Option<Wrong> {
    let members = right.arguments.as_object().filter(|members| !members.is_empty())?;
    let members: Vec<String> = members.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    said(right, format!("{{{}}}", members.join(", ")), Needs::Schema)
}

/// A line's end in a string as it is, instead of its escape.
fn raw_newline(right: &Right<'_>, _: &mut Chance) -> Option<Wrong> {
    let text = right.arguments.to_string();
    // An escaped backslash before an n is none.
    (text.contains("\\n") && !text.contains("\\\\"))
        .then(|| said(right, text.replace("\\n", "\n"), Needs::Schema))
        .flatten()
}

/// A member twice: with the same value, which is one reading, or with two.
fn twice(right: &Right<'_>, chance: &mut Chance, values: Values) -> Option<Wrong> {
    let top = |place: &Place<'_>| {
        place.is_member() && place.parent.is_empty() && (values == Values::Same || is_text(place.schema))
    };
    let place = chance.pick(right.places().into_iter().filter(top).collect())?;
    let (value, needs) = match values {
        Values::Same => (place.value?.clone(), Needs::Schema),
        Values::Different => (Value::String(format!("{} too", place.value?.as_str()?)), Needs::Invention),
    };
    let text = right.arguments.to_string();
    let mut again = String::new();
    quote(&place.name, &mut again);
    let text = match chance.below(2) {
        0 => format!("{{{again}:{value},{}", text.strip_prefix('{')?),
        _ => format!("{},{again}:{value}}}", text.strip_suffix('}')?),
    };
    said(right, text, needs)
}

fn commented(right: &Right<'_>, chance: &mut Chance) -> Option<Wrong> {
    let text = right.arguments.to_string();
    let rest = text.strip_prefix('{')?;
    let comment = chance.of(&["/* as asked */ ", "// as asked\n", "# as asked\n"]);
    said(right, format!("{{{comment}{rest}"), Needs::Schema)
}
