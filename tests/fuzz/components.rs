//! Components that no compiler would write: made of nothing by `wasm-smith`, or of real ones by `wasm-mutate` and by cutting and flipping.
//!
//! Each is read as the catalog reads it. Those that are worth it are dropped into the folder of a host with small limits, whatever the
//! reader has said, and called: the call ends in time as something that has a name, and never as a fault of the host. What
//! the reader refuses is never run.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use arbitrary::Unstructured;
use serde_json::Value;
use toolcell_core::limits::Limit;
use toolcell_core::{Arguments, CallId, Outcome, Silent, ToolCall, Toolbox as _};
use toolcell_host::catalog::State;
use toolcell_host::schema::{check_bodies, shape};
use toolcell_host::{Allow, Host, Pattern, Policy, Rule};
use wasm_mutate::WasmMutate;

use super::{Chance, fuzz};
use crate::support::{WIDTH, built, deny_all, run, settings};

/// What one function that takes and gives text and numbers needs of a core module.
const EXPORTS: &str = r#"(module
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) unreachable)
    (func (export "text") (param i32 i32) (result i32) unreachable)
    (func (export "text-done") (param i32) unreachable)
    (func (export "list") (param i32 i32) (result i32) unreachable)
    (func (export "sum") (param i32 i64 f32 f64) (result i64) unreachable))"#;

/// The component around such a module.
fn around() -> Vec<u8> {
    let module = EXPORTS.strip_prefix("(module").unwrap();
    let text = format!(
        r#"(component
            (core module $m {module}
            (core instance $i (instantiate $m))
            (func (export "text") (param "t" string) (result string)
                (canon lift (core func $i "text") (memory $i "memory") (realloc (func $i "realloc")) (post-return (func $i "text-done"))))
            (func (export "list") (param "l" (list (tuple char (option u64)))) (result (list (result string (error bool))))
                (canon lift (core func $i "list") (memory $i "memory") (realloc (func $i "realloc"))))
            (func (export "sum") (param "a" u16) (param "b" s64) (param "c" f32) (param "d" f64) (result u64)
                (canon lift (core func $i "sum"))))"#
    );
    wat::parse_str(text).unwrap()
}

/// The sections of a component, each with its id. What is no sequence of sections is one section with the rest.
fn sections(bytes: &[u8]) -> Vec<(u8, &[u8])> {
    let (mut sections, mut rest) = (Vec::new(), bytes.get(8..).unwrap_or_default());
    while let [id, after @ ..] = rest {
        let (mut length, mut used) = (0_usize, 0);
        for (index, byte) in after.iter().take(5).enumerate() {
            length |= usize::from(byte & 0x7f) << (7 * index);
            used = index + 1;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let end = (used + length).min(after.len());
        sections.push((*id, &after[used.min(end)..end]));
        rest = &after[end..];
    }
    sections
}

fn joined<'a>(sections: impl IntoIterator<Item = (u8, &'a [u8])>) -> Vec<u8> {
    let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
    for (id, body) in sections {
        bytes.push(id);
        let mut length = body.len();
        while length > 0x7f {
            bytes.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
            length >>= 7;
        }
        bytes.push(u8::try_from(length).unwrap());
        bytes.extend(body);
    }
    bytes
}

/// The id of a section that is a core module (Component Model, Binary.md).
const MODULE: u8 = 1;

/// A component with another module in the place of its largest one.
fn with_module(component: &[u8], module: &[u8]) -> Vec<u8> {
    let sections = sections(component);
    let at = largest(&sections);
    joined(sections.iter().enumerate().map(|(index, (id, body))| (*id, if index == at { module } else { body })))
}

fn largest(sections: &[(u8, &[u8])]) -> usize {
    let modules = sections.iter().enumerate().filter(|(_, (id, _))| *id == MODULE);
    modules.max_by_key(|(_, (_, body))| body.len()).expect("every component here has a module").0
}

/// A host over a folder of its own. It keeps no compiled code: none of it is ever wanted again.
struct Yard {
    host: Host,
    _home: tempfile::TempDir,
}

impl Yard {
    fn new(components: &[Vec<u8>], policy: Policy) -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("tools")).unwrap();
        for (number, bytes) in components.iter().enumerate() {
            fs::write(home.path().join(format!("tools/c{number}.wasm")), bytes).unwrap();
        }
        let mut settings = settings(home.path(), policy, WIDTH);
        settings.code_cache = None;
        let host = Host::open(settings).unwrap();
        (0..2).for_each(|_| drop(host.look()));
        Self { host, _home: home }
    }

    fn call(&self, component: usize, tool: &str, arguments: &str) -> Outcome {
        let arguments = Arguments::from_text(arguments).unwrap();
        let call = ToolCall::new(CallId(component as u128 + 1), format!("c{component}.{tool}"), arguments);
        run(self.host.call(call, &Silent))
    }

    fn is_broken(&self, component: usize) -> bool {
        matches!(self.host.snapshot().component(&format!("c{component}")).unwrap().state, State::Broken(_))
    }
}

/// The engine with everything that a rule can allow.
fn extended(policy: Policy) -> Policy {
    policy.rule(Rule::new(Pattern::Any, Allow::ExtendedEngine))
}

/// That engine, and small limits.
fn small() -> Policy {
    [(Limit::Fuel, 20_000_000), (Limit::Time, 1_000), (Limit::Memory, 16 << 20)]
        .into_iter()
        .fold(extended(deny_all()), |policy, (limit, value)| policy.limit(limit, value).unwrap())
}

/// What reading or calling one component may take at most, with the compiler in it; a busy machine is allowed for.
const BOUNDED: Duration = Duration::from_secs(20);

/// Reads, drops in and calls components. Says how the calls ended.
fn strike(components: &[Vec<u8>], calls: &[(&str, &str)]) -> BTreeMap<String, usize> {
    let yard = Yard::new(components, small());
    let mut ends = BTreeMap::new();
    for (number, bytes) in components.iter().enumerate() {
        // The catalog refuses what the reader refuses, and what no engine of the host could run.
        let broken = yard.is_broken(number);
        assert!(broken || shape(bytes).is_ok(), "it is listed and {:?}", shape(bytes).err());
        for (tool, arguments) in calls {
            let began = Instant::now();
            let outcome = yard.call(number, tool, arguments);
            assert!(began.elapsed() < BOUNDED, "{:?} for {:?}", began.elapsed(), outcome.verdict);
            let kind = outcome.verdict.failure().map_or("completed", |failure| failure.kind.name());
            assert_ne!(kind, "host-fault", "{:?}", outcome.verdict);
            assert!(
                !broken || ["broken-component", "unknown-tool"].contains(&kind),
                "it is broken and ended as {kind}"
            );
            let receipt = outcome.receipt.expect("every call has a receipt").receipt;
            assert_eq!(&*receipt.verdict, outcome.verdict.name());
            *ends.entry(kind.to_owned()).or_default() += 1;
        }
    }
    ends
}

fn merge(all: &mut BTreeMap<String, usize>, some: BTreeMap<String, usize>) {
    for (kind, count) in some {
        *all.entry(kind).or_default() += count;
    }
}

const CALLS: &[(&str, &str)] = &[
    ("text", r#"{ "t": "abc \u0000 \ud83c\udf89" }"#),
    ("list", r#"{ "l": [["a", null], ["\u00e9", "18446744073709551615"]] }"#),
    ("sum", r#"{ "a": 65535, "b": "-9223372036854775808", "c": "NaN", "d": 1e300 }"#),
];

#[test]
fn modules_made_by_chance_end_as_something_that_has_a_name() {
    let around = around();
    let exports = wat::parse_str(EXPORTS).unwrap();
    let mut ends = BTreeMap::new();
    // A host for each ten: opening one costs more than most calls.
    fuzz("modules by chance, ten each", 14, |_, chance| {
        let mut components = Vec::new();
        while components.len() < 10 {
            let config = wasm_smith::Config {
                exports: Some(exports.clone()),
                max_imports: 0,
                min_funcs: 4,
                max_instructions: 60,
                max_memory32_bytes: 1 << 24,
                max_table_elements: 10_000,
                gc_enabled: chance.once_in(12),
                exceptions_enabled: chance.once_in(12),
                memory64_enabled: chance.once_in(12),
                threads_enabled: chance.once_in(12),
                max_memories: 1 + chance.below(2),
                ..wasm_smith::Config::default()
            };
            let bytes = chance.bytes(6_000);
            // Not every run of bytes is a module; the next one is.
            if let Ok(module) = wasm_smith::Module::new(config, &mut Unstructured::new(&bytes)) {
                components.push(with_module(&around, &module.to_bytes()));
            }
        }
        merge(&mut ends, strike(&components, CALLS));
    });
    eprintln!("      they end as {ends:?}");
    assert!(ends.len() >= 4, "all of them end alike: {ends:?}");
}

#[test]
fn components_made_by_chance_are_read_or_refused() {
    let mut read = 0;
    fuzz("components by chance", 600, |_, chance| {
        let bytes = chance.bytes(3_000);
        let Ok(component) = wasm_smith::Component::new(wasm_smith::Config::default(), &mut Unstructured::new(&bytes))
        else {
            return;
        };
        let bytes = component.to_bytes();
        read += usize::from(looked_at(&bytes));
    });
    assert!(read > 20, "only {read} were read");
}

/// Reads a component in both ways in which it is read before a compiler sees it; whether both took it.
fn looked_at(bytes: &[u8]) -> bool {
    let began = Instant::now();
    let shape = shape(bytes);
    let bodies = check_bodies(bytes);
    assert!(began.elapsed() < BOUNDED, "{:?}", began.elapsed());
    for error in [shape.as_ref().err(), bodies.as_ref().err()].into_iter().flatten() {
        let text = error.to_string();
        assert!(text.len() < 2_000 && !text.chars().any(char::is_control), "{text:?}");
    }
    if let Ok(shape) = &shape {
        for export in &shape.exports {
            let id = export.id();
            assert!(id.chars().all(|c| c.is_ascii_alphanumeric() || "-_.[]".contains(c)), "{id:?}");
        }
    }
    shape.is_ok() && bodies.is_ok()
}

/// Real components, as toolchains make them, and some that were written by hand.
fn real() -> Vec<Vec<u8>> {
    let text = |text: &str| wat::parse_str(text).unwrap();
    vec![
        fs::read(built("tests/guests/echo")).unwrap(),
        text(include_str!("../red_team/guests/arguments.wat")),
        text(include_str!("../red_team/guests/host.wat")),
        text(include_str!("../red_team/guests/region.wat")),
        fs::read(built("tools-wasm/json")).unwrap(),
    ]
}

/// Cuts, flips, swaps and repeats, at the level of bytes or of sections.
fn torn(component: &[u8], donor: &[u8], chance: &mut Chance) -> Vec<u8> {
    const PIECES: &[&[u8]] = &[
        b"\0",
        b"\x7f",
        b"\x80\x01",
        b"\xff\xff\xff\xff\x0f",
        b"\0asm",
        b"\x01\0\0\0",
        b"\x0d\0\x01\0",
        b"\x40",
        b"\x0b",
        b"\x70",
        b"\x6f",
        b"\x01\x73",
    ];
    let mut bytes = component.to_vec();
    match chance.below(5) {
        0 => {
            let mut sections = sections(component);
            for _ in 0..=chance.below(3) {
                let (a, b) = (chance.below(sections.len()), chance.below(sections.len()));
                match chance.below(4) {
                    0 => sections.swap(a, b),
                    1 => sections.insert(a, sections[b]),
                    2 if sections.len() > 1 => drop(sections.remove(a)),
                    _ => sections[a].0 = u8::try_from(chance.below(14)).unwrap(),
                }
            }
            bytes = joined(sections);
        }
        1 => {
            let mut sections = sections(component);
            let others = self::sections(donor);
            let at = chance.below(sections.len());
            sections[at] = others[chance.below(others.len())];
            bytes = joined(sections);
        }
        // Small sections are where the types are; the large ones are code.
        2 => {
            let sections = sections(component);
            let small: Vec<usize> =
                (0..sections.len()).filter(|at| (1..400).contains(&sections[*at].1.len())).collect();
            let at = small[chance.below(small.len())];
            let mut body = sections[at].1.to_vec();
            chance.damage(&mut body, PIECES);
            bytes = joined(
                sections
                    .iter()
                    .enumerate()
                    .map(|(n, (id, whole))| (*id, if n == at { body.as_slice() } else { *whole })),
            );
        }
        3 => bytes.truncate(chance.below(component.len())),
        _ => chance.damage(&mut bytes, PIECES),
    }
    bytes
}

#[test]
fn torn_components_are_read_or_refused() {
    let real = real();
    let mut read = 0;
    fuzz("torn components", 2_000, |number, chance| {
        // The last one is the largest; it has its turn now and then.
        let component = if number % 32 == 0 { &real[4] } else { &real[number % 4] };
        read += usize::from(looked_at(&torn(component, &real[chance.below(4)], chance)));
    });
    assert!(read > 100, "only {read} were read");
}

#[test]
fn torn_components_that_can_still_be_called_harm_nothing() {
    let real = real();
    let mut ends = BTreeMap::new();
    fuzz("torn components called, twenty each", 4, |number, chance| {
        let calls: [(&str, &str); 3] = [("text", r#"{ "value": "abc" }"#), ("well", "{}"), ("region", "{}")];
        // Two of three are chosen from what can be read, since the reader is tried enough elsewhere.
        let mut components = Vec::new();
        while components.len() < 20 {
            let component = &real[if number % 4 == 0 { 0 } else { 1 + chance.below(3) }];
            let bytes = torn(component, &real[chance.below(4)], chance);
            if shape(&bytes).is_ok() || components.len() % 3 == 0 {
                components.push(bytes);
            }
        }
        merge(&mut ends, strike(&components, &calls));
    });
    eprintln!("      they end as {ends:?}");
    assert!(ends.contains_key("completed") && ends.contains_key("broken-component"), "{ends:?}");
}

/// What `wasm-mutate` makes of a module: a few mutations one after the other.
fn mutated(module: &[u8], chance: &mut Chance, keep: Keep) -> Option<Vec<u8>> {
    let mut bytes = module.to_vec();
    let mut changed = false;
    for _ in 0..=chance.below(3) {
        let mut mutate = WasmMutate::default();
        mutate.seed(chance.next()).fuel(300).preserve_semantics(keep == Keep::Meaning);
        let next = mutate.run(&bytes).ok().and_then(|mut made| made.next()).and_then(Result::ok);
        if let Some(next) = next {
            bytes = next;
            changed = true;
        }
    }
    changed.then_some(bytes)
}

#[derive(Clone, Copy, PartialEq)]
enum Keep {
    Meaning,
    Nothing,
}

#[test]
fn mutated_modules_in_real_components_harm_nothing_and_mean_the_same_where_they_must() {
    let real = real();
    let (mut ends, mut same) = (BTreeMap::new(), 0);
    fuzz("mutated modules, four each", 4, |number, chance| {
        let (component, tool, arguments, answer) = if number == 3 {
            let arguments = r#"{ "document": "{\"a\":1}", "patch": "{\"a\":null}" }"#;
            (&real[4], "merge", arguments, Value::from("{}"))
        } else {
            (&real[0], "text", r#"{ "value": "the same" }"#, Value::from("the same"))
        };
        let sections = sections(component);
        let module = sections[largest(&sections)].1;
        let mut made = |keep: Keep, count: usize| -> Vec<Vec<u8>> {
            let tried = (0..count * 4).filter_map(|_| mutated(module, chance, keep));
            tried.take(count).map(|module| with_module(component, &module)).collect()
        };
        let changed = made(Keep::Nothing, 2);
        let kept = made(Keep::Meaning, 2);
        for bytes in &changed {
            looked_at(bytes);
        }
        merge(&mut ends, strike(&changed, &[(tool, arguments)]));
        let yard = Yard::new(&kept, extended(deny_all()));
        for number in 0..kept.len() {
            let outcome = yard.call(number, tool, arguments);
            // A mutation may add what no engine of the host has; it may not change what is computed.
            if let Some(result) = outcome.verdict.result() {
                same += 1;
                assert_eq!(serde_json::from_str::<Value>(result.get()).unwrap(), answer);
            } else {
                let kind = outcome.verdict.failure().map_or("", |failure| failure.kind.name());
                assert_eq!(kind, "broken-component", "{:?}", outcome.verdict);
            }
        }
    });
    eprintln!("      they end as {ends:?}; {same} gave the same answer");
    assert!(same > 0, "no mutation that keeps the meaning could be called");
}
