use super::*;

/// A plan of one step with these further lines.
fn one(lines: &str) -> String {
    format!("name = \"n\"\n[[step]]\nid = \"a\"\n{lines}\n")
}

/// Wrong plans, and a part of what is said of each.
fn wrong() -> Vec<(String, &'static str)> {
    let search = |arguments: &str| one(&format!("tool = \"web.search\"\narguments = {arguments}"));
    let behind = |lines: &str| {
        format!("{}tool = \"web.search\"\narguments = {{ query = \"q\" }}\n[[step]]\nid = \"b\"\n{lines}\n", one(""))
    };
    let each = |lines: &str| {
        format!(
            "name = \"n\"\n[[step]]\nid = \"c\"\ntool = \"list.concepts\"\narguments.topic = \"t\"\n[[step]]\nid = \"b\"\n{lines}\n"
        )
    };
    let any = |lines: &str| one(&format!("tool = \"any.thing\"\n{lines}"));
    vec![
        ("name = \"n\"".to_owned(), "there is no step"),
        (any("").replace("name = \"n\"", ""), "`name` is missing"),
        (
            any("").replace("name = \"n\"", "name = \"n\"\ninptu = 1"),
            "a plan has no key `inptu`; the nearest is `input`",
        ),
        (any("tiemout = \"1s\""), "a step has no key `tiemout`; the nearest is `timeout`"),
        (one("tool = \"web.serach\""), "no tool is called `web.serach`; did you mean `web.search`?"),
        (any("[[step]]\nid = \"a\"\ntool = \"any.thing\""), "the id `a` stands twice: step 1 has it already"),
        (any("").replace("\"a\"", "\"a b\""), "`a b` names no step"),
        (any("needs = [\"a\"]"), "the step needs itself"),
        (behind("tool = \"any.thing\"\nneeds = [\"a\", \"a\"]"), "`a` stands twice in `needs`"),
        (any("timeout = \"2h\""), "this is 1ms to 3600s"),
        (any("timeout = \"0s\""), "this is 1ms to"),
        (any("timeout = \"soon\""), "is not a duration"),
        (any("criticality = \"critcal\""), "`critcal` is no criticality; the nearest is `critical`"),
        (any("each-concurrency = 2"), "goes with `for-each`"),
        (any("for-each = 3"), "`for-each` is a list"),
        (any("for-each = [1]\neach-concurrency = 0"), "write a whole number from 1 to 10000"),
        (any("for-each = [{ \"$item\" = \"\" }]"), "cannot refer to its own items"),
        (any("arguments = 3"), "`arguments` is a table, not a number"),
        (any("arguments = { x = { \"$item\" = \"\" } }"), "the step has no `for-each`"),
        (any("arguments = { x = { \"$imput\" = \"\" } }"), "`$imput` is no reference; the nearest is `$input`"),
        (any("arguments = { x = { \"$input\" = \"topic\" } }"), "`topic` is no JSON pointer"),
        (any("arguments = { x = { \"$input\" = \"/a~2\" } }"), "is no JSON pointer"),
        (any("arguments = { x = { \"$input\" = \"\", y = 1 } }"), "`$input` stands alone in its table: remove `y`"),
        (any("arguments = { x = { \"$index\" = 1 } }"), "`{ \"$index\" = true }`"),
        (any("arguments = { x = { \"$result\" = \"aa\" } }"), "there is no step `aa`: name the `id` of a step"),
        (
            "name = \"n\"\n[[step]]\nid = \"find\"\ntool = \"any.thing\"\n[[step]]\nid = \"b\"\ntool = \"any.thing\"\nneeds = [\"fnid\"]"
                .to_owned(),
            "there is no step `fnid`; the nearest is `find`",
        ),
        (any("fallback = { x = { \"$input\" = \"\" } }"), "`fallback` is a value that is known beforehand"),
        (any("key = \"\""), "`key` is a text that is not empty"),
        (any("for-each = [1, 2]\nkey = \"k\""), "every item would have the same key"),
        (any("when = { value = 1 }"), "a condition is `value` with one of"),
        (any("when = { value = 1, exists = true, empty = true }"), "a condition is `value` with one of"),
        (any("when = { value = 1, more-than = \"1\" }"), "`more-than` is a number, not a string"),
        (any("when = { all = [] }"), "`all` is a list of at least one condition"),
        (any("when = { vlaue = 1, exists = true }"), "a condition has no key `vlaue`; the nearest is `value`"),
        (any("answer-at = \"x\""), "`x` is no place in the arguments"),
        (any("answer-at = \"/x/y\"\narguments = { z = 1 }"), "the arguments have nothing at `/x`"),
        (
            any("").replace("[[step]]", "budget = { cals = 1 }\n[[step]]"),
            "a budget has no key `cals`; the nearest is `calls`",
        ),
        (any("").replace("[[step]]", "output = { \"$item\" = \"\" }\n[[step]]"), "`output` goes over no list"),
        (search("{ qeury = \"q\" }"), "there is no `qeury` here; the nearest is `query`"),
        (search("{ }"), "`query` is missing here"),
        (one("tool = \"web.search\""), "`query` is missing here"),
        (search("{ query = 3 }"), "a string belongs here, not a number"),
        (search("{ query = \"q\", count = 51 }"), "51 is above the most, 50"),
        (search("{ query = \"q\", count = 1.5 }"), "a whole number or null belongs here, not a number"),
        (
            search("{ query = \"q\", order = \"newset\" }"),
            "`newset` is none of the values that may stand here; the nearest is `newest`",
        ),
        (search("{ query = { \"$literal\" = { x = 1 } } }"), "a string belongs here, not a table"),
        (
            search("{ query = \"q\", count = { \"$text\" = [\"5\"] } }"),
            "`$text` makes a string, and a whole number or null belongs here",
        ),
        (one("tool = \"text.join\"\narguments = { parts = [\"a\", 3] }"), "a string belongs here, not a number"),
        (
            one("tool = \"text.join\"\narguments = { parts = [], by = \"coma\" }"),
            "`coma` is none of the values that may stand here; the nearest is `comma`",
        ),
        (
            one("tool = \"text.join\"\narguments = { parts = [], by = { text = 3 } }"),
            "a string belongs here, not a number",
        ),
        (
            one("tool = \"list.concepts\"\nanswer-at = \"/confirmatoin\"\narguments = { topic = \"t\" }"),
            "the arguments never have `confirmatoin`; the nearest is `confirmation`",
        ),
        (
            behind("tool = \"any.thing\"\narguments = { x = { \"$result\" = \"a\", pointer = \"/result\" } }"),
            "the result of `a` never has `/result`; the nearest is `results`",
        ),
        (
            behind("tool = \"any.thing\"\narguments = { x = { \"$result\" = \"a\", pointer = \"/results/first\" } }"),
            "the result of `a` never has `/results/first`",
        ),
        (
            behind("tool = \"any.thing\"\nwhen = { value = { \"$result\" = \"a\", pointer = \"/x\" }, exists = true }"),
            "the result of `a` never has `/x`",
        ),
        (
            behind("tool = \"any.thing\"\nfor-each = { \"$result\" = \"a\" }"),
            "cannot stand here: it gives a table, and a list belongs here",
        ),
        (
            behind("tool = \"web.search\"\narguments = { query = { \"$result\" = \"a\", pointer = \"/results\" } }"),
            "it gives a list, and a string belongs here",
        ),
        (
            each(
                "tool = \"web.search\"\nfor-each = { \"$result\" = \"c\", pointer = \"/items\" }\narguments = { query = { \"$item\" = \"/id\" } }",
            ),
            "the item cannot stand here: it gives a whole number, and a string belongs here",
        ),
        (
            each(
                "tool = \"web.search\"\nfor-each = { \"$result\" = \"c\", pointer = \"/items\" }\narguments = { query = { \"$item\" = \"/nmae\" } }",
            ),
            "an item of the list never has `/nmae`; the nearest is `name`",
        ),
        (
            one(
                "tool = \"web.search\"\nfor-each = [{ q = \"x\" }, { q = 3 }]\narguments = { query = { \"$item\" = \"/q\" } }",
            ),
            "item 1 of the list does not fit here: a string belongs here, not a number",
        ),
        (
            one("tool = \"web.search\"\nfor-each = [{ q = \"x\" }]\narguments = { query = { \"$item\" = \"/w\" } }"),
            "item 0 of the list has nothing at `/w`",
        ),
        (
            each(
                "tool = \"web.search\"\nfor-each = [\"x\"]\narguments = { query = { \"$item\" = \"\" } }\n[[step]]\nid = \"z\"\ntool = \"any.thing\"\narguments = { x = { \"$result\" = \"b\", pointer = \"/results\" } }",
            ),
            "it is a list of results, one for each item",
        ),
        (
            any(
                "fallback = { x = 1 }\n[[step]]\nid = \"b\"\ntool = \"any.thing\"\narguments = { x = { \"$result\" = \"a\", pointer = \"/y\" } }",
            ),
            "the fallback of `a` has nothing at `/y`",
        ),
    ]
}

#[test]
fn each_mistake_is_told_with_its_cause_and_what_to_write() {
    for (text, said) in wrong() {
        let told = told(&text);
        assert!(told.contains(said), "{text}\n-> {told}\n   not: {said}");
        assert_eq!(told.lines().count(), 1, "nothing else is wrong with\n{text}\n-> {told}");
    }
}

#[test]
fn all_problems_come_at_once_and_in_the_order_of_the_file() {
    let text = "nam = \"n\"\n[[step]]\nid = \"a\"\ntool = \"web.serach\"\nneeds = [\"b\"]\n[[step]]\nid = \"b\"\ntool = \"web.search\"\nneeds = [\"a\"]\narguments = { query = 1, cuont = 2 }\n";
    let told = told(text);
    let lines: Vec<&str> = told.lines().map(|line| line.split(':').next().unwrap_or_default()).collect();
    assert_eq!(lines, ["1", "1", "2", "4", "10", "10"], "{told}");
    assert!(told.contains("these steps need each other in a circle: `a` needs `b` needs `a`"), "{told}");
}

#[test]
fn a_flood_is_counted_and_not_told() {
    let mut text = String::from("name = \"n\"\n");
    for n in 0..500 {
        use std::fmt::Write as _;
        let _ = writeln!(text, "[[step]]\nid = \"s{n}\"\ntool = \"any.thing\"\nneeds = [\"nobody{n}\"]");
    }
    let problems = toml(&text).expect_err("a flood");
    assert_eq!((problems.problems.len(), problems.more), (MAX_PROBLEMS, 400));
    assert!(problems.to_string().ends_with("\nand 400 more"));
}

#[test]
fn each_tool_is_asked_for_once_and_none_for_an_outline() {
    let mut text = String::from("name = \"n\"\n");
    for n in 0..50 {
        use std::fmt::Write as _;
        let _ = writeln!(text, "[[step]]\nid = \"s{n}\"\ntool = \"any.thing\"");
    }
    let (tools, written) = (Tools::default(), read(&text, Format::Toml).expect("TOML"));
    assert!(check(&written, &tools, &Tenant::default()).is_ok());
    assert_eq!(tools.asked.load(Ordering::Relaxed), 1);
    assert!(outline(&read(&text.replace("any.thing", "no.such"), Format::Toml).expect("TOML")).is_ok());
}

#[test]
fn the_schema_takes_what_is_right_and_each_wrong_plan_is_refused_by_one_of_both() {
    let schema: Value = serde_json::from_str(schema()).expect("JSON");
    assert!(jsonschema::draft202012::meta::is_valid(&schema));
    let validator = jsonschema::draft202012::new(&schema).expect("a schema");
    let value = |text: &str| {
        let mut value = serde_json::to_value(::toml::from_str::<::toml::Table>(text).expect("TOML")).expect("JSON");
        dates(&mut value);
        value
    };
    let errors: Vec<String> =
        validator.iter_errors(&value(LEADS)).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert_eq!(errors, [""; 0]);
    let canonical: Value = serde_json::from_str(&canonical(&toml(LEADS).expect("a plan"))).expect("JSON");
    assert!(validator.is_valid(&canonical), "what is written again fits too");
    let refused = wrong().iter().filter(|(text, _)| !validator.is_valid(&value(text))).count();
    assert!(refused >= 25, "the schema alone refuses {refused} of {}", wrong().len());
    for (text, _) in wrong() {
        assert!(!validator.is_valid(&value(&text)) || toml(&text).is_err(), "{text}");
    }
}

/// TOML's dates become tables of one member on their way through serde.
fn dates(value: &mut Value) {
    match value {
        Value::Object(members) => {
            if let Some(date) = members.get("$__toml_private_datetime").cloned() {
                *value = date;
            } else {
                members.values_mut().for_each(dates);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(dates),
        _ => {}
    }
}
