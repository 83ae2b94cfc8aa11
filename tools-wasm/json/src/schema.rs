//! Validation against JSON Schema, by the `jsonschema` crate with all its resolvers left out.
//!
//! What this adds to the crate: no reference reaches a network or a file, patterns have bounds, the answer has a length
//! that a caller can read, and a pattern that could not be decided is a failure instead of a guess.
//!
//! One thing it does not bound, and leaves to the fuel of the call: a schema whose references fan out (`a` twice into `b`, `b` twice
//! into `c`, and so on) takes exponential time.

use std::fmt::{self, Write};

use jsonschema::error::ValidationErrorKind;
use jsonschema::{PatternOptions, ValidationError};
use serde_json::{Map, Number, Value};
use thiserror::Error;

use crate::document::Json;
use crate::hops;

/// How many violations an answer lists.
pub const MAX_PROBLEMS: usize = 100;
/// The largest document, in values, whose violations are all collected; of a larger one only the first is reported. The
/// crate holds all of them in memory at once, and a million would not fit.
pub const MAX_LISTED_VALUES: usize = 100_000;
/// The largest schema, in values. A compiled one takes a multiple of its text: a million would not fit into memory.
pub const MAX_SCHEMA_VALUES: usize = 200_000;
/// The most hops from subschema to subschema that apply to one value, one after the other. The crate recurses for each of them; measured
/// in a component with a stack of 1 MiB, with the dearest keyword (`unevaluatedProperties`), 600 pass and 800 do not.
pub const MAX_CHAIN: usize = 500;
/// The most hops on all levels of a document together. Measured likewise, with `oneOf` and a violation at the bottom: on 128 levels 16
/// hops each pass, and 19 do not.
pub const MAX_HOPS: usize = 2_000;
/// How long a message gets, in bytes.
const MAX_MESSAGE: usize = 400;
/// How often a pattern with look-around or back references may step back, for one string. Patterns without them never
/// do. Stops `(?=x)(a*)*b`.
const MAX_BACKTRACKS: usize = 100_000;
/// The largest compiled pattern, in bytes.
const MAX_COMPILED: usize = 1 << 20;

/// Whether a document fits a schema.
#[derive(Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The first [`MAX_PROBLEMS`] violations.
    pub problems: Vec<Problem>,
    /// How many there are in all; 0 means that the document fits. At most 1 beyond [`MAX_LISTED_VALUES`].
    pub total: usize,
}

/// One violation.
#[derive(Debug, PartialEq, Eq)]
pub struct Problem {
    /// JSON Pointer into the document.
    pub instance_pointer: String,
    /// JSON Pointer into the schema, references followed.
    pub schema_pointer: String,
    /// The keyword.
    pub keyword: String,
    /// A sentence, at most [`MAX_MESSAGE`] bytes.
    pub message: String,
}

/// Checks `document` against `schema`.
pub fn validate(document: Json<'_>, schema: Json<'_>) -> Result<Verdict, SchemaError> {
    if !matches!(schema, Json::Object(_) | Json::Bool(_)) {
        return Err(SchemaError::Kind { found: schema.kind() });
    }
    if schema.count() > MAX_SCHEMA_VALUES {
        return Err(SchemaError::Size);
    }
    let (chain, levels) = (hops::longest(&schema), document.depth() + 1);
    if chain.hops > MAX_CHAIN || chain.hops * levels > MAX_HOPS {
        return Err(SchemaError::Hops { at: chain.at, hops: chain.hops, levels });
    }
    let schema = into_value(schema);
    let patterns = PatternOptions::fancy_regex()
        .backtrack_limit(MAX_BACKTRACKS)
        .size_limit(MAX_COMPILED)
        .dfa_size_limit(MAX_COMPILED);
    let validator = jsonschema::options()
        .offline()
        .should_validate_formats(false)
        .with_pattern_options(patterns)
        .build(&schema)
        .map_err(|error| SchemaError::of(&error))?;

    let large = document.count() > MAX_LISTED_VALUES;
    let document = into_value(document);
    let mut verdict = Verdict { problems: Vec::new(), total: 0 };
    // The common answer first: it is several times cheaper than listing violations.
    if validator.is_valid(&document) {
        return Ok(verdict);
    }
    let errors: Box<dyn Iterator<Item = ValidationError<'_>>> = if large {
        Box::new(validator.validate(&document).err().into_iter())
    } else {
        Box::new(validator.iter_errors(&document))
    };
    for error in errors {
        if let ValidationErrorKind::BacktrackLimitExceeded { .. } | ValidationErrorKind::RegexEngineFailure { .. } =
            error.kind()
        {
            return Err(SchemaError::Undecided {
                schema_pointer: error.schema_path().as_str().to_owned(),
                instance_pointer: error.instance_path().as_str().to_owned(),
            });
        }
        verdict.total += 1;
        if verdict.problems.len() < MAX_PROBLEMS {
            verdict.problems.push(Problem {
                instance_pointer: error.instance_path().as_str().to_owned(),
                schema_pointer: error.schema_path().as_str().to_owned(),
                keyword: error.kind().keyword().to_owned(),
                message: shortened(&error),
            });
        }
    }
    Ok(verdict)
}

/// Why a schema cannot be used.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum SchemaError {
    /// It is no schema at all.
    #[error("a JSON Schema is an object, true or false, not {found}")]
    Kind {
        /// What it is.
        found: &'static str,
    },
    /// It is too large to be compiled.
    #[error("the schema has more than {MAX_SCHEMA_VALUES} values")]
    Size,
    /// Subschemas lead to one another for too long without a step into the document.
    #[error(
        "at {at:?} of the schema begins a chain of {hops} references and subschemas for one value, and the document has {levels} levels; not more than {MAX_CHAIN} hops are followed, nor {MAX_HOPS} on all levels together. Refer to the end of the chain directly"
    )]
    Hops {
        /// JSON Pointer into the schema.
        at: String,
        /// How many hops the chain has.
        hops: usize,
        /// How many levels the document has.
        levels: usize,
    },
    /// A reference leads out of the schema, or nowhere.
    #[error(
        "{cause}. References are resolved within the schema only, nothing is fetched: put the other schema below $defs"
    )]
    Reference {
        /// What the resolver says.
        cause: String,
    },
    /// It breaks the rules of its dialect.
    #[error("at {at:?} of the schema: {cause}")]
    Invalid {
        /// JSON Pointer into the schema.
        at: String,
        /// What is wrong there.
        cause: String,
    },
    /// A pattern took too long on a string.
    #[error(
        "the pattern at {schema_pointer:?} of the schema takes more than {MAX_BACKTRACKS} steps back on a string below {instance_pointer:?} of the document; write it without look-around, back references or nested repetition"
    )]
    Undecided {
        /// JSON Pointer into the schema.
        schema_pointer: String,
        /// JSON Pointer into the document.
        instance_pointer: String,
    },
}

impl SchemaError {
    fn of(error: &ValidationError<'_>) -> Self {
        let cause = shortened(error);
        match error.kind() {
            ValidationErrorKind::Referencing(_) => Self::Reference { cause },
            // Here the schema is the instance, of its meta-schema.
            _ => Self::Invalid { at: error.instance_path().as_str().to_owned(), cause },
        }
    }
}

/// The same document as the crate wants it. Consumes its argument bit by bit, so that the two never stand in memory as
/// a whole together.
fn into_value(json: Json<'_>) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(value),
        Json::Number(text) => {
            let number: Number = text.parse().expect("the reader admits numbers of RFC 8259 only");
            Value::Number(number)
        }
        Json::String(text) => Value::String(text.into_owned()),
        Json::Array(elements) => Value::Array(elements.into_iter().map(into_value).collect()),
        Json::Object(members) => {
            let mut map = Map::with_capacity(members.len());
            map.extend(members.into_iter().map(|(name, value)| (name.into_owned(), into_value(value))));
            Value::Object(map)
        }
    }
}

/// The message of an error, which may quote a value of any size, written no further than it will be read.
fn shortened(error: &ValidationError<'_>) -> String {
    let mut message = Bounded(String::new());
    match write!(message, "{error}") {
        Ok(()) => message.0,
        Err(fmt::Error) => message.0 + "…",
    }
}

struct Bounded(String);

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = MAX_MESSAGE - '…'.len_utf8() - self.0.len();
        let fitting = text.floor_char_boundary(room);
        self.0.push_str(&text[..fitting]);
        if fitting < text.len() { Err(fmt::Error) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::read;

    fn check(document: &str, schema: &str) -> Result<Verdict, SchemaError> {
        validate(read(document).unwrap(), read(schema).unwrap())
    }

    fn fits(document: &str, schema: &str) -> bool {
        check(document, schema).unwrap().total == 0
    }

    #[test]
    fn a_violation_names_both_places_the_keyword_and_the_cause() {
        let schema = r##"{"properties":{"a/b":{"items":{"$ref":"#/$defs/n"}}},"$defs":{"n":{"type":"integer"}}}"##;
        let verdict = check(r#"{"a/b":[1,"x"]}"#, schema).unwrap();
        let [problem] = &verdict.problems[..] else { panic!("{verdict:?}") };
        assert_eq!(problem.instance_pointer, "/a~1b/1");
        assert_eq!(problem.schema_pointer, "/$defs/n/type");
        assert_eq!(problem.keyword, "type");
        assert_eq!(problem.message, "\"x\" is not of type \"integer\"");
    }

    #[test]
    fn numbers_are_compared_exactly_whatever_their_size_and_spelling() {
        assert!(fits("1.0", r#"{"type":"integer","const":1,"enum":[1e0]}"#));
        assert!(!fits("9007199254740993", r#"{"const":9007199254740992}"#));
        assert!(!fits("123456789012345678901234567890", r#"{"maximum":123456789012345678901234567889}"#));
        assert!(fits("123456789012345678901234567890", r#"{"type":"integer","multipleOf":10}"#));
        assert!(fits("0.3", r#"{"multipleOf":0.1}"#));
        assert!(!fits("[1,1.0]", r#"{"uniqueItems":true}"#));
        assert!(fits("0.1000000000000000000001", r#"{"exclusiveMinimum":0.1}"#));
    }

    #[test]
    fn numbers_with_huge_exponents_cost_little() {
        for number in ["1e999999999999999", "-1e999999999999999", "1e-999999999999999"] {
            for schema in [
                r#"{"type":"integer"}"#,
                r#"{"multipleOf":0.01}"#,
                r#"{"multipleOf":1e-300}"#,
                r#"{"maximum":10,"minimum":-10}"#,
                r#"{"enum":[1,1e999999999999998]}"#,
            ] {
                check(number, schema).unwrap();
            }
            check(&format!("[{number},{number}]"), r#"{"uniqueItems":true}"#).unwrap();
            let _ = check("5", &format!(r#"{{"maximum":{number},"minimum":{number}}}"#));
            let _ = check("5", &format!(r#"{{"multipleOf":{number}}}"#));
            let _ = check("[5]", &format!(r#"{{"minItems":{number}}}"#));
        }
    }

    #[test]
    fn no_reference_leaves_the_schema() {
        for reference in [
            "http://localhost:1234/integer.json",
            "https://example.com/schema",
            "file:///etc/hostname",
            "other.json",
            "#/$defs/absent",
            "#absent",
        ] {
            let error = check("1", &format!(r#"{{"$ref":"{reference}"}}"#)).unwrap_err();
            assert!(matches!(error, SchemaError::Reference { .. }), "{reference}: {error:?}");
            assert!(error.to_string().contains("nothing is fetched"), "{error}");
        }
        let error = check("1", r#"{"$schema":"https://example.com/dialect"}"#).unwrap_err();
        assert!(error.to_string().contains("https://example.com/dialect"), "{error}");
        let own = r#"{"$ref":"https://json-schema.org/draft/2020-12/schema"}"#;
        assert!(fits(r#"{"type":"string"}"#, own) && !fits(r#"{"type":1}"#, own));
    }

    #[test]
    fn a_wrong_schema_is_refused_with_its_place() {
        for (schema, expected) in [
            ("1", "a JSON Schema is an object, true or false, not a number"),
            (r#"{"properties":{"a":{"type":"strin"}}}"#, "at \"/properties/a/type\" of the schema"),
            (r#"{"pattern":"("}"#, "at \"/pattern\" of the schema"),
            (r#"{"minLength":-1}"#, "at \"/minLength\" of the schema"),
            (r#"{"pattern":"(a{1000}){1000}"}"#, "at \"/pattern\" of the schema"),
        ] {
            let error = check("\"a\"", schema).expect_err(schema).to_string();
            assert!(error.contains(expected), "{schema}: {error}");
        }
    }

    #[test]
    fn a_schema_too_large_to_compile_is_refused() {
        let schema = format!(r#"{{"enum":[{}0]}}"#, "1,".repeat(MAX_SCHEMA_VALUES));
        assert_eq!(check("1", &schema), Err(SchemaError::Size));
    }

    #[test]
    fn references_that_only_lead_to_each_other_end() {
        for schema in [
            r##"{"$ref":"#"}"##,
            r##"{"allOf":[{"$ref":"#"},{"$ref":"#"}]}"##,
            r##"{"not":{"$ref":"#"}}"##,
            r##"{"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}}}"##,
            r##"{"$dynamicRef":"#x","$dynamicAnchor":"x"}"##,
            r##"{"anyOf":[{"$dynamicRef":"#x"}],"$dynamicAnchor":"x","unevaluatedProperties":{"$ref":"#"}}"##,
            r##"{"if":{"$ref":"#"},"then":{"$ref":"#"},"else":{"$ref":"#"}}"##,
        ] {
            for document in ["1", "{\"a\":[{}]}"] {
                let _ = check(document, schema);
            }
        }
    }

    #[test]
    fn a_chain_that_the_stack_could_not_bear_is_refused_with_its_beginning() {
        let schema = |hops: usize| {
            let definitions: Vec<_> = (1..hops).map(|n| format!(r##""{n}":{{"$ref":"#/$defs/{}"}}"##, n + 1)).collect();
            let last = r#"{"items":{"type":"integer"}}"#;
            format!(r##"{{"allOf":[{{"$ref":"#/$defs/1"}}],"$defs":{{{},"{hops}":{last}}}}}"##, definitions.join(","))
        };
        // The hop into `allOf` is one of them.
        assert!(fits("[1]", &schema(MAX_CHAIN - 1)));
        let error = check("[1]", &schema(MAX_CHAIN)).unwrap_err();
        assert_eq!(error, SchemaError::Hops { at: String::new(), hops: MAX_CHAIN + 1, levels: 2 });
        assert!(error.to_string().contains("a chain of 501 references"), "{error}");
        let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
        assert!(check(&deep, &schema(18)).is_ok());
        let error = check(&deep, &schema(19)).unwrap_err();
        assert_eq!(error, SchemaError::Hops { at: String::new(), hops: 20, levels: 101 });
    }

    #[test]
    fn a_pattern_that_steps_back_for_ever_is_a_failure_and_not_a_guess() {
        let document = format!("[\"{}\"]", "a".repeat(60));
        for schema in [
            r#"{"items":{"pattern":"^(?:(?=a)a|aa|a)+(?=b)b$"}}"#,
            r#"{"items":{"not":{"pattern":"^(?:(?=a)a|aa|a)+(?=b)b$"}}}"#,
        ] {
            match check(&document, schema) {
                Err(SchemaError::Undecided { schema_pointer, .. }) => assert!(schema_pointer.starts_with("/items")),
                other => panic!("{schema}: {other:?}"),
            }
        }
    }

    #[test]
    fn answers_stay_short_however_wrong_the_document() {
        let document = format!("[{}]", vec![format!("\"{}\"", "é".repeat(10_000)); 500].join(","));
        let verdict = check(&document, r#"{"items":{"type":"integer"}}"#).unwrap();
        assert_eq!((verdict.total, verdict.problems.len()), (500, MAX_PROBLEMS));
        assert!(verdict.problems.iter().all(|problem| problem.message.len() <= MAX_MESSAGE));
    }

    #[test]
    fn of_a_very_large_document_the_first_violation_is_reported() {
        let document = format!("[{}0]", "0,".repeat(MAX_LISTED_VALUES));
        let verdict = check(&document, r#"{"items":{"type":"string"}}"#).unwrap();
        assert_eq!((verdict.total, verdict.problems[0].instance_pointer.as_str()), (1, "/0"));
    }

    #[test]
    fn an_object_with_the_private_name_of_the_number_type_stays_an_object() {
        let document = r#"{"$serde_json::private::Number":"7"}"#;
        assert!(fits(document, r#"{"type":"object","minProperties":1}"#));
        assert!(!fits(document, r#"{"type":"number"}"#));
        assert!(fits(document, &format!(r#"{{"const":{document}}}"#)));
    }
}
