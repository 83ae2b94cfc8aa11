//! The component's face: converts between the bindings' types and plain Rust, and decides nothing.

pub mod duration;

use duration::{ParseError, Span};
use toolcell::tool::types::Problem;

wit_bindgen::generate!({ path: "wit", world: "@NAME@", generate_all });

/// What the component exports.
pub struct Tool;

impl Guest for Tool {
    fn parse(text: String, default_unit: Option<Unit>) -> Result<Duration, Failure> {
        Span::parse(&text, default_unit.map(plain))
            .map(lift)
            .map_err(|error| refuse("/text".to_owned(), &error))
    }

    fn total(texts: Vec<String>, default_unit: Option<Unit>) -> Result<Duration, Failure> {
        let mut sum = Span::ZERO;
        for (index, text) in texts.iter().enumerate() {
            sum = Span::parse(text, default_unit.map(plain))
                .and_then(|span| sum.plus(span))
                .map_err(|error| refuse(format!("/texts/{index}"), &error))?;
        }
        Ok(lift(sum))
    }
}

// Natively the exports would be C symbols, and could take the place of a function of libc.
#[cfg(target_family = "wasm")]
export!(Tool);

fn lift(span: Span) -> Duration {
    Duration {
        milliseconds: span.milliseconds(),
        text: span.to_string(),
    }
}

fn plain(unit: Unit) -> duration::Unit {
    match unit {
        Unit::Milliseconds => duration::Unit::Milliseconds,
        Unit::Seconds => duration::Unit::Seconds,
        Unit::Minutes => duration::Unit::Minutes,
        Unit::Hours => duration::Unit::Hours,
        Unit::Days => duration::Unit::Days,
    }
}

/// Says which argument is wrong, what would have been right, and what stood there.
fn refuse(pointer: String, error: &ParseError) -> Failure {
    Failure::InvalidArgument(Problem {
        pointer,
        expected: error.expected().to_owned(),
        found: error.found().map(str::to_owned),
        message: error.to_string(),
    })
}
