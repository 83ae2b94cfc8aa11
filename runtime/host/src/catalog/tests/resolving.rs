//! From names to tools, on a whole catalog.

use super::*;

const CALC: &str = "component\nfn add\nfn ops.add\nfn ops.mul\nno stream-it\nfn other.mul\nfn ops.neg";

#[test]
fn full_ids_mean_themselves_and_short_forms_the_only_thing_they_can() {
    let house = house(&[
        ("calc.wasm", CALC),
        ("hash.wasm", "component\nfn hash"),
        ("text.wasm", "component\nfn lines.count"),
        ("single.wasm", "component\nfn add"),
        ("single-b.wasm", "component\nfn hash"),
    ]);
    let snapshot = house.catalog.snapshot();
    for (name, id) in [
        ("calc.add", "calc.add"),
        ("calc.ops.add", "calc.ops.add"),
        ("calc.neg", "calc.ops.neg"),
        ("neg", "calc.ops.neg"),
        ("text", "text.lines.count"),
        ("count", "text.lines.count"),
        ("text.count", "text.lines.count"),
        ("single", "single.add"),
        ("single-b", "single-b.hash"),
    ] {
        let (component, index) = snapshot.resolve(name, None).expect(name);
        assert_eq!(component.tools[index].id.as_str(), id, "{name}");
        assert_eq!(component.tool(id).map(|tool| tool.id.as_str()), Some(id));
    }
    for (name, candidates) in [
        ("add", &["calc.add", "calc.ops.add", "single.add"][..]),
        ("calc.mul", &["calc.ops.mul", "calc.other.mul"]),
        ("hash", &["hash.hash", "single-b.hash"]),
    ] {
        let failure = house.fails(name);
        assert_eq!(failure.kind, Kind::UnknownTool);
        assert_eq!(failure.hints, candidates.iter().map(|id| format!("Write `{id}`.")).collect::<Vec<_>>(), "{name}");
    }
    let sorted: Vec<_> = snapshot.tools().map(|(_, tool)| tool.id.clone()).collect();
    assert!(sorted.is_sorted(), "{sorted:?}");
}

#[test]
fn what_cannot_be_resolved_says_why_and_what_was_meant() {
    let house = house(&[("calc.wasm", CALC), ("json.wasm", "component\nfn query\nfn merge")]);
    let digest = Digest::of(CALC.as_bytes());
    let snapshot = house.catalog.snapshot();
    assert!(snapshot.resolve("calc.add", Some(digest)).is_ok());
    let wrong = snapshot.resolve("calc.add", Some(Digest::of(b"other"))).map(drop).expect_err("another component");
    assert_eq!(wrong.kind, Kind::WrongDigest);
    let failure = house.fails("calc.stream-it");
    assert_eq!(
        (failure.kind, &*failure.message),
        (Kind::NotCallable, "`calc.stream-it` cannot be called: it takes a stream")
    );
    for (name, hints) in [
        ("json.qurey", &["json.query"][..]),
        ("jsn.query", &["json.query"]),
        ("quer", &["json.query"]),
        ("jsom", &["json"]),
        ("json", &["json.merge", "json.query"]),
        ("json.nothing-like-it", &["json.merge", "json.query"]),
        ("nothing.like-it", &[]),
        ("", &[]),
        (".", &[]),
    ] {
        let failure = house.fails(name);
        assert_eq!(failure.kind, Kind::UnknownTool, "{name}");
        assert_eq!(
            failure.hints,
            hints.iter().map(|hint| format!("Did you mean `{hint}`?")).collect::<Vec<_>>(),
            "{name}"
        );
    }
    let failure = house.fails(&"\u{1b}".repeat(1_000_000));
    assert!(failure.message.len() < 200 && !failure.message.contains('\u{1b}'), "{failure}");
}
