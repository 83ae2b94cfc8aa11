//! Owns the damage: answers that are like a scripted one and are not it, the same ones everywhere and always.

use serde_json::{Value, json};

/// Answers that are like `respond` and are not it.
pub(crate) fn answers(respond: &Value, chance: &mut Chance) -> Vec<Value> {
    /// How many bodies are damaged in each of the two ways.
    const DAMAGED: usize = 40;
    let with = |name: &str, value: Value| {
        let mut answer = respond.clone();
        answer[name] = value;
        answer
    };
    let statuses =
        [200, 201, 202, 204, 206, 301, 400, 401, 402, 403, 404, 409, 416, 418, 422, 429, 500, 501, 502, 503, 504, 599];
    let mut answers: Vec<_> = statuses.into_iter().map(|status| with("status", json!(status))).collect();
    let text = match &respond["body"] {
        Value::String(text) => text.clone(),
        body => body.to_string(),
    };
    let letters: Vec<char> = text.chars().collect();
    for _ in 0..DAMAGED {
        let mut damaged = letters.clone();
        let (from, to) = (chance.below(letters.len() + 1), chance.below(letters.len() + 1));
        match chance.below(3) {
            0 => damaged.truncate(from),
            1 => drop(damaged.drain(from.min(to)..from.max(to))),
            _ => damaged.insert(from, ['"', '{', ']', '\\', '\0', '\u{202e}', '9', ','][chance.below(8)]),
        }
        answers.push(with("body", Value::String(damaged.into_iter().collect())));
    }
    if let Ok(body) = serde_json::from_str::<Value>(&text) {
        for _ in 0..DAMAGED {
            let mut body = body.clone();
            let others = [
                json!(null),
                json!(-1.5),
                json!(u64::MAX),
                json!("\n"),
                json!("x".repeat(5000)),
                json!([]),
                json!([[{}]]),
                json!({}),
            ];
            *some_member(&mut body, chance) = others[chance.below(others.len())].clone();
            answers.push(with("body", Value::String(body.to_string())));
        }
    }
    answers
}

/// A member somewhere in a value, or the value itself.
fn some_member<'v>(value: &'v mut Value, chance: &mut Chance) -> &'v mut Value {
    let members = match value {
        Value::Array(items) => items.len(),
        Value::Object(members) => members.len(),
        _ => 0,
    };
    if members == 0 || chance.below(6) == 0 {
        return value;
    }
    let at = chance.below(members);
    let member = match value {
        Value::Array(items) => items.get_mut(at),
        Value::Object(members) => members.values_mut().nth(at),
        _ => None,
    };
    some_member(member.expect("it is below the number of members"), chance)
}

/// A generator with a fixed seed: the same storm everywhere and always (Knuth's MMIX constants).
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits fit") % bound.max(1)
    }
}
