//! The typed path against the dynamic one, through a real engine.
//!
//! The component's function takes bytes and hands back their own address as the place of its result, so a test can make it return
//! whatever it likes, any failure included, by writing the result's memory image as the argument.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use toolcell_core::Failure;
use toolcell_core::failure::Kind;
use toolcell_core::types::Signature;
use wasmtime::component::{Component, Func, Linker, Val};
use wasmtime::{Config, Engine, Store};

use super::{BOUNDS, json};
use crate::schema::{Conclusion, LiftBounds, LiftError, LowerError, conclude, fast_path, lower, shape};

/// Where the allocator of the component puts the first argument.
const BASE: u32 = 1_024;

const FAILURE: &str = r#"
    (type $problem' (record (field "pointer" string) (field "expected" string) (field "found" (option string)) (field "message" string)))
    (export $problem "problem" (type $problem'))
    (type $outage' (record (field "message" string) (field "retry-after-ms" (option u64)))) (export $outage "outage" (type $outage'))
    (type $question' (record (field "text" string) (field "choices" (list string)))) (export $question "question" (type $question'))
    (type $failure' (variant (case "invalid-argument" $problem) (case "unavailable" $outage) (case "not-found" string) (case "conflict" string)
        (case "denied" string) (case "needs-person" $question) (case "fatal" string)))
    (export $failure "failure" (type $failure'))"#;

struct Subject {
    store: Store<()>,
    function: Func,
    signature: Signature,
}

/// A component whose one function has these parameters and this result.
fn subject(params: &str, result: &str, flat: usize) -> Subject {
    let text = format!(
        r#"(component
            (core module $m
                (memory (export "memory") 64)
                (global $next (mut i32) (i32.const {BASE}))
                (func (export "realloc") (param i32 i32 i32 i32) (result i32)
                    (local $at i32)
                    (local.set $at (i32.and (i32.add (global.get $next) (i32.const 15)) (i32.const -16)))
                    (global.set $next (i32.add (local.get $at) (local.get 3)))
                    (local.get $at))
                (func (export "f") (param{}) (result i32) (global.set $next (i32.const {BASE})) (local.get 0)))
            (core instance $i (instantiate $m))
            {FAILURE}
            (func (export "f") {params} (result {result})
                (canon lift (core func $i "f") (memory $i "memory") (realloc (func $i "realloc")))))"#,
        " i32".repeat(flat)
    );
    let bytes = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}"));
    let signature = shape(&bytes).expect("is a component").exports[0].signature.clone().expect("is callable");
    let engine = Engine::new(Config::new().concurrency_support(false)).expect("an engine");
    let component = Component::from_binary(&engine, &bytes).expect("compiles");
    let mut store = Store::new(&engine, ());
    let instance = Linker::new(&engine).instantiate(&mut store, &component).expect("instantiates");
    let function = instance.get_func(&mut store, "f").expect("is exported");
    Subject { store, function, signature }
}

impl Subject {
    /// Calls on both paths, which must agree, and answers what they say.
    fn call(&mut self, arguments: &str, bounds: LiftBounds) -> Result<Conclusion, LiftError> {
        let arguments = json(arguments);
        let vals = lower(&self.signature, &arguments, 1 << 20).expect("fits");
        let mut results = [Val::Bool(false)];
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(self.function.call_async(&mut self.store, &vals, &mut results)).expect("returns");
        let dynamic = conclude(&self.signature, &results, bounds);
        let path = fast_path(&self.signature).expect("has a typed path");
        let typed = path.arguments(&arguments).expect("fits").into_owned();
        let typed = runtime.block_on(path.call(&mut self.store, &self.function, &typed, bounds)).expect("returns");
        assert_eq!(typed, dynamic);
        typed
    }

    fn image(&mut self, image: &[u8]) -> Result<Conclusion, LiftError> {
        self.call(&format!("{{\"x\":\"{}\"}}", STANDARD.encode(image)), BOUNDS)
    }
}

/// Writes the memory image of a result at [`BASE`]: fixed words first, then the texts they point to.
#[derive(Default)]
struct Image {
    words: Vec<u8>,
    texts: Vec<(usize, Vec<u8>)>,
}

impl Image {
    fn word(mut self, word: u32) -> Self {
        self.words.extend(word.to_le_bytes());
        self
    }

    fn text(mut self, text: &str) -> Self {
        self.texts.push((self.words.len(), text.as_bytes().to_vec()));
        self.words.extend([0; 8]);
        self
    }

    fn end(mut self) -> Vec<u8> {
        // The engine reads the whole record, so it is as large as the largest case.
        self.words.resize(self.words.len().max(64), 0);
        let mut all = self.words;
        for (at, text) in self.texts {
            let address = BASE + u32::try_from(all.len()).expect("small");
            all[at..at + 4].copy_from_slice(&address.to_le_bytes());
            all[at + 4..at + 8].copy_from_slice(&u32::try_from(text.len()).expect("small").to_le_bytes());
            all.extend(text);
        }
        all
    }
}

fn failed(conclusion: Result<Conclusion, LiftError>) -> Failure {
    match conclusion {
        Ok(Conclusion::Failure(failure)) => *failure,
        other => panic!("{other:?}"),
    }
}

#[test]
fn bytes_and_texts_come_back_as_they_are() {
    let mut subject = subject(r#"(param "x" (list u8))"#, "(list u8)", 2);
    let text = Image::default().text("any \u{0} bytes").end();
    assert_eq!(subject.image(&text), Ok(Conclusion::Value("\"YW55IAAgYnl0ZXM=\"".into())));
    let tight = |bytes| LiftBounds { bytes, values: 10 };
    let arguments = format!("{{\"x\":\"{}\"}}", STANDARD.encode(&text));
    assert!(subject.call(&arguments, tight(18)).is_ok());
    assert!(matches!(subject.call(&arguments, tight(17)), Err(LiftError::Over { .. })));
    let mut subject = self::subject(r#"(param "x" (list u8)) (param "y" string)"#, "string", 4);
    let arguments =
        format!("{{\"y\":\"\\n\",\"x\":\"{}\"}}", STANDARD.encode(Image::default().text("a\"b\u{1b}").end()));
    assert_eq!(subject.call(&arguments, BOUNDS), Ok(Conclusion::Value("\"a\\\"b\\u001b\"".into())));
}

#[test]
fn texts_as_errors_are_classified() {
    let mut subject = subject(r#"(param "x" (list u8))"#, "(result (list u8) (error string))", 2);
    assert_eq!(subject.image(&Image::default().word(0).text("ok").end()), Ok(Conclusion::Value("\"b2s=\"".into())));
    for (text, kind) in [
        ("Not Found: /a", Kind::NotFound),
        ("upstream: rate limit reached", Kind::Unavailable),
        ("the request timed out", Kind::Unavailable),
        ("open: Permission denied", Kind::Refused),
        ("table `a` already exists", Kind::Conflict),
        ("foundation not foundering", Kind::ToolFailed),
        ("bad input", Kind::ToolFailed),
        ("", Kind::ToolFailed),
    ] {
        let failure = failed(subject.image(&Image::default().word(1).text(text).end()));
        assert_eq!(failure.kind, kind, "{text}");
        assert!(!failure.message.is_empty());
    }
    let failure = failed(
        subject.image(&Image::default().word(1).text(&format!("\u{1b}]52;c;x\u{7}{}", "y".repeat(10_000))).end()),
    );
    assert!(
        failure.message.starts_with("\\u{1b}]52;c;x\\u{7}yyy") && failure.message.len() <= 4_096,
        "{}",
        failure.message
    );
}

#[test]
fn each_case_of_the_failure_variant_becomes_its_kind() {
    let mut subject = subject(r#"(param "x" (list u8))"#, "(result (list u8) (error $failure))", 2);
    // A result of 8-byte alignment: tag, padding, then the failure's own tag and padding.
    let image = |case| Image::default().word(1).word(0).word(case).word(0);
    let failure =
        failed(subject.image(&image(0).text("/path").text("a path").word(1).text("\u{202e}x").text("No.").end()));
    assert_eq!((failure.kind, failure.message.as_str()), (Kind::InvalidArgument, "No."));
    assert_eq!(failure.problems[0].pointer, "/path");
    assert_eq!(failure.problems[0].found.as_deref(), Some("\\u{202e}x"));
    let failure = failed(subject.image(&image(0).text("no pointer").text("a path").word(0).text("").text("").end()));
    assert_eq!((failure.problems[0].pointer.as_str(), failure.problems[0].found.as_deref()), ("", None));
    assert_eq!(failure.message, "(the whole): expected a path");
    let failure = failed(subject.image(&image(1).text("Later.").word(1).word(0).word(250).word(0).end()));
    assert_eq!((failure.kind, failure.retry_after_ms), (Kind::Unavailable, Some(250)));
    let failure = failed(subject.image(&image(1).text("Later.").word(1).word(0).word(u32::MAX).word(u32::MAX).end()));
    assert_eq!(failure.retry_after_ms, Some(86_400_000));
    for (case, kind) in [(2, Kind::NotFound), (3, Kind::Conflict), (4, Kind::Refused), (6, Kind::Fatal)] {
        let failure = failed(subject.image(&image(case).text("Why.").end()));
        assert_eq!((failure.kind, failure.message.as_str()), (kind, "Why."));
    }
    let failure = failed(subject.image(&image(5).text("Which one?").word(0).word(0).end()));
    let question = failure.question.expect("a question");
    assert_eq!((failure.kind, question.text.as_str(), question.choices.len()), (Kind::NeedsPerson, "Which one?", 0));
}

#[test]
fn wrong_arguments_meet_the_same_problems_on_both_paths() {
    let subject = subject(r#"(param "x" (list u8)) (param "y" string)"#, "(list u8)", 4);
    let path = fast_path(&subject.signature).expect("has a typed path");
    for text in [
        "{}",
        "[]",
        "{\"x\":\"AA==\"}",
        "{\"x\":\"?\",\"y\":1}",
        "{\"x\":\"AA==\",\"y\":\"\",\"z\":1}",
        "{\"X\":\"\",\"y\":\"\"}",
        "null",
    ] {
        let arguments = json(text);
        let (typed, dynamic) = (path.arguments(&arguments), lower(&subject.signature, &arguments, 1_000));
        assert_eq!(typed.expect_err(text), dynamic.expect_err(text));
    }
    // A mistake beside very many bytes is still a mistake, not a limit.
    let text = format!("{{\"x\":\"{}\",\"z\":1}}", "AAAA".repeat(1 << 20));
    assert!(matches!(path.arguments(&json(&text)), Err(LowerError::Problems(problems)) if problems.len() == 2));
}

#[test]
fn only_signatures_of_bytes_and_texts_take_the_typed_path() {
    for (params, result, flat, typed) in [
        (r#"(param "x" (list u8))"#, "string", 2, true),
        (r#"(param "x" string)"#, "(list u8)", 2, true),
        (r#"(param "x" string)"#, "string", 2, true),
        (r#"(param "x" (list u8))"#, "(result (list u8))", 2, false),
        (r#"(param "x" (list u8)) (param "y" u32)"#, "string", 3, false),
        (r#"(param "x" (list u16))"#, "string", 2, false),
    ] {
        assert_eq!(fast_path(&subject(params, result, flat).signature).is_some(), typed, "{params} {result}");
    }
}
