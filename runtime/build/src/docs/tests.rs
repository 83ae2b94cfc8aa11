use super::*;

use toolcell_core::types::snake_case;

/// Writes files below a new folder.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for (path, text) in files {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().expect("below the folder")).expect("folders");
        std::fs::write(path, text).expect("written");
    }
    dir
}

fn docs_of(wit: &str) -> (Docs, Vec<DocsNote>) {
    let dir = folder(&[("wit/world.wit", wit)]);
    let extracted = extract(dir.path(), &[]).expect("extracts");
    let docs = extracted.json.map_or_else(Docs::default, |json| serde_json::from_slice(&json).expect("reads back"));
    (docs, extracted.notes)
}

#[test]
fn every_comment_lands_where_its_value_stands() {
    let (docs, notes) = docs_of(
        r"
package toolcell:sample@0.1.0;
interface shapes {
  /// A point in the plane.
  record point {
    /// To the right.
    x-axis: f64,
    y-axis: f64,
  }
  /// How to go.
  enum mode {
    /// On foot.
    walk,
    fly-high,
  }
  flags options { /// Less output.
    quiet }
  /// What came out.
  variant outcome {
    /// It is here.
    found(point),
    nothing,
  }
  /// Moves things.
  /// - `start-at`: where to begin
  /// - `how`: the way
  go: func(start-at: point, how: option<mode>, via: list<point>, pair: tuple<mode, u8>, opts: options, nested: result<point, string>) -> result<outcome, string>;
}
/// All about moving.
world sample {
  use shapes.{point};
  export shapes;
  /// Where everything begins.
  export origin: func() -> point;
}
",
    );
    assert_eq!(notes, []);
    assert_eq!(docs.component.as_deref(), Some("All about moving."));
    let origin = &docs.tools["origin"];
    assert_eq!(origin.description, "Where everything begins.");
    assert_eq!(origin.at["result"], "A point in the plane.");
    assert_eq!(origin.at["result/x_axis"], "To the right.");
    let go = &docs.tools["shapes.go"];
    assert_eq!(go.description, "Moves things.");
    for (place, text) in [
        ("params/start_at", "where to begin\n\nA point in the plane."),
        ("params/start_at/x_axis", "To the right."),
        ("params/how", "the way\n\nHow to go."),
        ("params/how/walk", "On foot."),
        ("params/via/[]", "A point in the plane."),
        ("params/via/[]/x_axis", "To the right."),
        ("params/pair/0", "How to go."),
        ("params/opts/quiet", "Less output."),
        ("params/nested/ok", "A point in the plane."),
        ("result", "What came out."),
        ("result/found", "It is here.\n\nA point in the plane."),
        ("result/found/x_axis", "To the right."),
    ] {
        assert_eq!(go.at.get(place).map(String::as_str), Some(text), "{place}");
    }
    assert!(!go.at.contains_key("params/via"), "a list has no docs of its own");
    assert!(!go.at.contains_key("params/how/fly-high"), "what has no comment has no place");
}

#[test]
fn the_contract_is_there_without_a_copy_and_its_failure_is_not_repeated() {
    let (docs, _) = docs_of(
        "package toolcell:t@0.1.0;\nworld t { use toolcell:tool/types@0.1.0.{failure}; import wasi:clocks/wall-clock@0.2.12;\n/// Does it.\nexport run: func() -> result<string, failure>; }",
    );
    assert_eq!(docs.tools["run"].description, "Does it.");
    assert!(docs.tools["run"].at.is_empty(), "{:?}", docs.tools["run"].at);
}

#[test]
fn a_folder_that_brings_a_package_keeps_its_own() {
    let dir = folder(&[
        ("wit/world.wit", "package a:b;\nworld w { use toolcell:tool/types@0.1.0.{mine};\nexport f: func() -> mine; }"),
        (
            "wit/deps/tool/tool.wit",
            "package toolcell:tool@0.1.0;\ninterface types {\n/// Mine.\nrecord mine { a: u8 } }",
        ),
    ]);
    let json = extract(dir.path(), &[]).expect("extracts").json.expect("has docs");
    let docs: Docs = serde_json::from_slice(&json).expect("reads back");
    assert_eq!(docs.tools["f"].at["result"], "Mine.");
}

#[test]
fn the_world_is_the_one_with_the_components_exports() {
    let wit = "package a:b@1.0.0;\ninterface i { /// In i.\n g: func(); }\n/// One.\nworld one { /// F of one.\n export f: func(); }\n/// Two.\nworld two { /// F of two.\n export f: func(); export i; }";
    let dir = folder(&[("wit/world.wit", wit)]);
    let chosen = |exports: &[&str]| {
        let exports: Vec<String> = exports.iter().map(|name| (*name).to_owned()).collect();
        extract(dir.path(), &exports).expect("extracts")
    };
    let component = |extracted: Extracted| {
        serde_json::from_slice::<Docs>(&extracted.json.expect("has docs")).expect("reads back").component
    };
    assert_eq!(component(chosen(&["f"])).as_deref(), Some("One."));
    assert_eq!(component(chosen(&["a:b/i@1.0.0", "f"])).as_deref(), Some("Two."));
    let none = chosen(&["other"]);
    assert!(none.json.is_none());
    assert_eq!(none.notes, [DocsNote::NoMatchingWorld { worlds: vec!["one".into(), "two".into()] }]);
}

#[test]
fn interfaces_that_share_a_name_are_not_described() {
    let dir = folder(&[
        (
            "wit/world.wit",
            "package a:b;\nworld w { export x:one/ops; export x:two/ops; /// Fine.\n export f: func(); }",
        ),
        ("wit/deps/one.wit", "package x:one;\ninterface ops { /// One.\n run: func(); }"),
        ("wit/deps/two.wit", "package x:two;\ninterface ops { /// Two.\n go: func(); }"),
    ]);
    let extracted = extract(dir.path(), &[]).expect("extracts");
    let docs: Docs = serde_json::from_slice(&extracted.json.expect("has docs")).expect("reads back");
    assert_eq!(docs.tools.keys().collect::<Vec<_>>(), ["f"]);
    assert_eq!(extracted.notes, [DocsNote::AmbiguousInterface { name: "ops".into() }]);
}

#[test]
fn malformed_wit_names_file_line_and_column() {
    for (wit, place) in [
        ("package a:b;\nworld w {\n  export f: func(x: nosuch);\n}", "world.wit:3:21"),
        ("package a:b;\nworld w {\n  exprt f: func();\n}", "world.wit:3:3"),
        ("package a:b;\nworld w {\n  use no:where/types.{x};\n}", "world.wit:3:"),
        ("package a:b;\nworld w { export f: func() -> \u{1}; }", "world.wit:2:"),
    ] {
        let dir = folder(&[("wit/world.wit", wit)]);
        let error = extract(dir.path(), &[]).expect_err("refused").to_string();
        assert!(error.contains(place), "{place}: {error}");
    }
}

#[test]
fn hostile_wit_is_bounded() {
    // Each level names the one below eight times: 8^20 places.
    let mut wit = String::from("package a:b;\ninterface i {\n/// Leaf.\nrecord r0 { a: u8 }\n");
    for level in 1..=20 {
        let fields: Vec<String> = (0..8).map(|n| format!("/// Field.\nf{n}: r{}", level - 1)).collect();
        wit.extend(["record r", &level.to_string(), " { ", &fields.join(", "), " }\n"]);
    }
    wit.push_str("/// Runs.\nrun: func(x: r20) -> r20;\n}\nworld w { export i; }");
    let (docs, notes) = docs_of(&wit);
    let run = &docs.tools["i.run"];
    assert_eq!(run.description, "Runs.");
    assert!(run.at.len() <= MAX_DOCS_PATHS);
    assert!(run.at.contains_key("params/x/f7/f7"), "shallow places win");
    assert!(matches!(notes[..], [DocsNote::Cut { .. }]), "{notes:?}");

    let deep =
        format!("package a:b;\nworld w {{ export f: func(x: {}u8{}); }}", "list<".repeat(50_000), ">".repeat(50_000));
    let dir = folder(&[("wit/world.wit", &deep)]);
    assert!(matches!(extract(dir.path(), &[]), Err(WitError::Malformed { .. })));
    let dir = folder(&[("wit/world.wit", &" ".repeat(9 << 20))]);
    assert!(matches!(extract(dir.path(), &[]), Err(WitError::TooLarge { .. })));
    let dir = folder(&[("wit/readme.md", "no wit")]);
    assert!(matches!(extract(dir.path(), &[]), Err(WitError::NoWit { .. })));
    let dir = folder(&[]);
    assert_eq!(extract(dir.path(), &[]).expect("extracts").notes, [DocsNote::NoWit]);
}

#[test]
fn docs_over_their_size_lose_deep_places_first() {
    let long = "\"quoted\" ".repeat(1_500);
    let mut docs = Docs { version: 1, ..Docs::default() };
    for tool in 0..10 {
        let mut at = BTreeMap::new();
        at.insert("params/a".to_owned(), long.clone());
        at.insert("params/a/b".to_owned(), long.clone());
        docs.tools.insert(snake_case(&format!("tool-{tool}")), ToolDocs { description: "Short.".into(), at });
    }
    let dropped = fit(&mut docs);
    assert!(dropped > 0);
    assert!(serde_json::to_vec(&docs).expect("JSON").len() <= MAX_DOCS_BYTES);
    assert!(docs.tools.values().all(|tool| tool.description == "Short."));
    let shallow = docs.tools.values().filter(|tool| tool.at.contains_key("params/a")).count();
    let deep = docs.tools.values().filter(|tool| tool.at.contains_key("params/a/b")).count();
    assert!(shallow == 10 && deep < 10, "{shallow} {deep}");
}
