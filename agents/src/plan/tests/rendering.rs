use super::*;

const INPUT: &str = r#"{"topic":"steel","n":1.50,"big":9007199254740993,"none":null,"list":[],"s":""}"#;

fn scope() -> Texts<'static> {
    Texts::new(INPUT)
        .and_then(|texts| texts.with_result(0, r#"{"items":[{"id":7,"name":"a\"b"},"x"],"n":18446744073709551616}"#))
        .expect("JSON")
}

fn template(json: &str) -> Template {
    let text = format!(
        r#"{{"name":"n","step":[{{"id":"a","tool":"t"}},{{"id":"b","tool":"t","for-each":{{"$input":""}},"arguments":{{"x":{json}}}}}]}}"#
    );
    let plan = outline(&read(&text, Format::Json).expect("JSON")).unwrap_or_else(|problems| panic!("{problems}"));
    match plan.steps[1].arguments.clone() {
        Template::Object(mut members) => members.remove(0).1,
        Template::Value(text) => Template::Value(text[5..text.len() - 1].into()),
        other => panic!("{other:?}"),
    }
}

fn condition(json: &str) -> Condition {
    let text = format!(r#"{{"name":"n","step":[{{"id":"a","tool":"t"}},{{"id":"b","tool":"t","when":{json}}}]}}"#);
    let plan = outline(&read(&text, Format::Json).expect("JSON")).unwrap_or_else(|problems| panic!("{problems}"));
    plan.steps[1].when.clone().expect("a condition")
}

#[test]
fn holes_are_filled_with_every_digit() {
    let item = parsed(r#"{"k":[1e400]}"#, Origin::Item).expect("JSON");
    let texts = scope();
    let scope = WithItem { scope: &texts, index: 3, item: &item };
    for (json, rendered) in [
        (r#"{"$input":"/n"}"#, "1.50"),
        (r#"{"$result":"a","pointer":"/n"}"#, "18446744073709551616"),
        (r#"{"$result":"a","pointer":"/items/0"}"#, r#"{"id":7,"name":"a\"b"}"#),
        (r#"{"$item":"/k/0"}"#, "1e400"),
        (r#"{"$index":true}"#, "3"),
        (
            r#"{"$text":["n=",{"$input":"/n"}," ",{"$result":"a","pointer":"/items/0/name"},[1],{"$index":true}]}"#,
            r#""n=1.50 a\"b[1]3""#,
        ),
        (r#"[1,{"b":2,"a":{"$input":"/none"}}]"#, r#"[1,{"b":2,"a":null}]"#),
        (r#"{"$literal":{"$input":"/n"}}"#, r#"{"$input":"/n"}"#),
        (r#"{"a":{"$literal":{"$x":1}},"b":1.0}"#, r#"{"a":{"$x":1},"b":1.0}"#),
    ] {
        assert_eq!(template(json).render(&scope).as_deref(), Ok(rendered), "{json}");
    }
}

#[test]
fn a_pointer_that_leads_nowhere_names_both_places() {
    let texts = scope();
    let error = template(r#"{"a/b":[0,{"$result":"a","pointer":"/items/9"}]}"#).render(&texts).expect_err("nowhere");
    let expected = RenderError::Nowhere {
        place: "/a~1b/1".to_owned(),
        source_of: Origin::Result(0),
        pointer: "/items/9".to_owned(),
    };
    assert_eq!(error, expected);
    assert_eq!(error.to_string(), "at `/a~1b/1`: the result of step 1 has nothing at `/items/9`");
    let plan = outline(&read("name = \"n\"\nstep = [{ id = \"first\", tool = \"t\" }]", Format::Toml).expect("TOML"))
        .expect("a plan");
    assert!(error.describe(&plan).contains("step `first`"));
    assert_eq!(template(r#"{"$item":""}"#).render(&texts), Err(RenderError::NoItem { place: String::new() }));
    assert_eq!(
        Template::Result(9, "/x/y".into()).render(&texts).as_deref(),
        Ok("null"),
        "a step without a result gives null"
    );
}

#[test]
fn a_text_that_grows_too_long_is_refused() {
    let texts = scope();
    let many = Template::Array(vec![Template::Result(0, "".into()); 10_000]);
    assert_eq!(many.render_within(&texts, 1_000), Err(RenderError::TooLong { most: 1_000 }));
    let text = Template::Text(vec![Template::Input("/topic".into()); 10_000]);
    assert_eq!(text.render_within(&texts, 1_000), Err(RenderError::TooLong { most: 1_000 }));
    assert!(matches!(Texts::new("{"), Err(RenderError::Unreadable { source_of: Origin::Input, .. })));
}

#[test]
fn the_items_of_a_list_are_its_texts() {
    let texts = scope();
    let items = |over| ForEach { over, concurrency: None }.items(&texts);
    assert_eq!(
        items(Template::Result(0, "/items".into())),
        Ok(vec![r#"{"id":7,"name":"a\"b"}"#.to_owned(), "\"x\"".to_owned()])
    );
    assert_eq!(items(Template::Array(vec![Template::Input("/n".into())])), Ok(vec!["1.50".to_owned()]));
    assert_eq!(items(Template::Input("/topic".into())), Err(RenderError::NotAList { what: "a string" }));
    assert_eq!(items(Template::Result(9, "".into())), Err(RenderError::NotAList { what: "null" }));
}

#[test]
fn conditions_compare_exactly_and_a_missing_value_is_only_empty() {
    let texts = scope();
    for (json, holds) in [
        (r#"{"value":{"$input":"/n"},"equals":1.5}"#, true),
        (r#"{"value":{"$input":"/n"},"equals":15e-1}"#, true),
        (r#"{"value":{"$input":"/big"},"equals":9007199254740992}"#, false),
        (r#"{"value":{"$input":"/big"},"more-than":9007199254740992}"#, true),
        (r#"{"value":{"$input":"/big"},"less-than":9007199254740993.5}"#, true),
        (r#"{"value":{"$input":"/topic"},"more-than":0}"#, false),
        (r#"{"value":{"$input":"/nowhere"},"equals":null}"#, false),
        (r#"{"value":{"$input":"/nowhere"},"exists":true}"#, false),
        (r#"{"value":{"$input":"/nowhere"},"exists":false}"#, true),
        (r#"{"value":{"$input":"/nowhere"},"empty":true}"#, true),
        (r#"{"value":["a",{"$input":"/nowhere"}],"empty":true}"#, true),
        (r#"{"value":{"$input":"/none"},"exists":true}"#, false),
        (r#"{"value":{"$input":"/none"},"equals":null}"#, true),
        (r#"{"value":{"$input":"/list"},"empty":true}"#, true),
        (r#"{"value":{"$input":"/s"},"empty":true}"#, true),
        (r#"{"value":{"$input":"/n"},"empty":true}"#, false),
        (r#"{"value":{"$result":"a","pointer":"/items/0"},"equals":{"name":"a\"b","id":7.0}}"#, true),
        (r#"{"all":[{"value":1,"exists":true},{"value":{"$input":"/x"},"exists":true}]}"#, false),
        (r#"{"any":[{"value":{"$input":"/x"},"exists":true},{"value":1,"exists":true}]}"#, true),
        (r#"{"not":{"value":1,"exists":true}}"#, false),
    ] {
        assert_eq!(condition(json).holds(&texts), Ok(holds), "{json}");
    }
}
