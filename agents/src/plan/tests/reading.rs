use std::time::Duration;

use super::*;

#[test]
fn a_plan_has_everything_that_the_file_says_and_each_step_behind_its_needs() {
    let plan = toml(LEADS).unwrap_or_else(|problems| panic!("{problems}"));
    let order: Vec<&str> = plan.steps.iter().map(|step| &*step.id).collect();
    assert_eq!(order, ["concepts", "prepare", "search", "join"], "as near to the file as can be");
    for (n, step) in plan.steps.iter().enumerate() {
        assert!(step.needs.iter().all(|need| *need < n), "{}", step.id);
    }
    assert_eq!((plan.concurrency, plan.deadline), (8, Some(Duration::from_mins(5))));
    assert_eq!(plan.budget, Budget { calls: Some(500), fuel: None, http_requests: Some(100) });
    assert_eq!(plan.input.as_deref(), Some(r#"{"topic":"steel","deep":false}"#));
    let search = named(&plan, "search");
    assert_eq!(search.needs, [0, 1], "what is named and what is referred to");
    assert_eq!(search.for_each.as_ref().map(|each| each.concurrency), Some(Some(4)));
    assert_eq!(search.for_each.as_ref().map(|each| each.over.clone()), Some(Template::Result(0, "/items".into())));
    assert_eq!(search.criticality, Criticality::Optional);
    assert_eq!(search.timeout, Some(Duration::from_secs(10)));
    let Template::Object(arguments) = &search.arguments else { panic!("{:?}", search.arguments) };
    let names: Vec<&str> = arguments.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["query", "count", "order"], "in the order written");
    let concepts = named(&plan, "concepts");
    assert_eq!(concepts.answer_at.as_deref(), Some("/confirmation"));
    assert_eq!(
        concepts.fallback.as_ref().map(|fallback| fallback.get().to_owned()).as_deref(),
        Some(r#"{"items":[]}"#)
    );
    let kept = r#"{"$schema":"kept","when":"1979-05-27","big":9223372036854775807,"real":1.50,"six":16}"#;
    assert_eq!(named(&plan, "prepare").arguments, Template::Value(kept.into()));
}

#[test]
fn json_is_the_same_tree_and_keeps_every_digit() {
    let text = r#"{"$schema": "plan.schema.json", "name": "n", "step": [{"id": "a", "tool": "any.thing",
        "arguments": {"n": 1.000000000000000000001, "m": 18446744073709551616, "null": null}}]}"#;
    let plan = plan_of(text, Format::Json).unwrap_or_else(|problems| panic!("{problems}"));
    let kept = r#"{"n":1.000000000000000000001,"m":18446744073709551616,"null":null}"#;
    assert_eq!(plan.steps[0].arguments, Template::Value(kept.into()));
    assert_eq!((plan.concurrency, plan.deadline, plan.budget), (16, None, Budget::default()));
}

#[test]
fn every_place_is_line_and_column_in_both_forms() {
    let json = "{\"name\": \"ü\", \"step\": [\n  {\"id\": \"a\", \"tool\": \"any.thing\"},\n  {\"id\": \"b\", \"tol\": \"any.thing\", \"needs\": [\"a\", \"c,]\"]}]}";
    let problems = plan_of(json, Format::Json).expect_err("three problems").problems;
    let found: Vec<_> = problems.iter().map(|problem| (problem.line, problem.column, &*problem.pointer)).collect();
    assert_eq!(found, [(3, 3, "/step/1"), (3, 15, "/step/1/tol"), (3, 50, "/step/1/needs/1")], "{problems:?}");
    assert_eq!(problems[0].step.as_deref(), Some("b"));
    let problems = toml("name = \"n\"\n[[step]]\nid = \"a\"\ntool = \"any.thing\"\nneeds = [\"ä\", \"b\"]\n")
        .expect_err("two problems");
    let found: Vec<_> = problems.problems.iter().map(|problem| (problem.line, problem.column)).collect();
    assert_eq!(found, [(5, 10), (5, 15)]);
    assert_eq!(
        problems.problems[0].to_string(),
        "5:10: step `a`: there is no step `ä`: name the `id` of a step of this plan"
    );
}

#[test]
fn what_is_no_toml_or_json_is_told_with_its_place() {
    for (text, place) in
        [("name = ", "1:"), ("a = 1\na = 2", "2:1: this is not TOML: duplicate key"), ("[[step]\n", "1:")]
    {
        let problems = read(text, Format::Toml).expect_err(text).to_string();
        assert!(problems.starts_with(place), "{problems}");
    }
    for (text, place) in [
        ("", "1:1: "),
        ("{\"ä\": 1,\n\"b\": 2, \"b\": 3}", "2:9: this is not JSON: the name \"b\" stands twice"),
        ("{\"ä\": x}", "1:7: "),
    ] {
        let problems = read(text, Format::Json).expect_err(text).to_string();
        assert!(problems.starts_with(place), "{problems}");
    }
    let problems = read("a = [inf, nan, 99999999999999999999]", Format::Toml).expect_err("no such numbers").to_string();
    assert_eq!(problems.lines().count(), 3, "{problems}");
}

#[test]
fn a_picture_shows_conditions_lists_and_what_matters() {
    let graph = graph(&toml(LEADS).expect("a plan"));
    let mermaid = graph.to_mermaid();
    assert!(mermaid.contains("n0 -.-> n2") && mermaid.contains("n1 --> n2"), "{mermaid}");
    assert!(
        mermaid.contains("n2[[\"search<br/>web.search<br/>optional<br/>for each<br/>when\"]]:::optional"),
        "{mermaid}"
    );
    let dot = graph.to_dot();
    assert!(dot.contains("n0 -> n2 [style=dashed];") && dot.contains("shape=box3d, style=dotted"), "{dot}");
    assert!(dot.contains("color=\"#b00020\""), "{dot}");
}

#[test]
fn names_cannot_break_out_of_a_picture() {
    let hostile = "\"]; n0 --> x; <script>alert(1)</script> #quot; \\\" %%{init}%% \u{1b}[2J";
    let mut text = String::from("{\"name\":");
    toolcell_core::json::quote(hostile, &mut text);
    text.push_str(",\"step\":[{\"id\":\"a\",\"tool\":");
    toolcell_core::json::quote(hostile, &mut text);
    text.push_str("}]}");
    let plan = outline(&read(&text, Format::Json).expect("JSON")).unwrap_or_else(|problems| panic!("{problems}"));
    let graph = graph(&plan);
    let (mermaid, dot) = (graph.to_mermaid(), graph.to_dot());
    let label = mermaid.lines().find(|line| line.starts_with("  n0[")).expect("a node");
    assert!(label.ends_with("\"]") && !label.contains("script>") && label.matches('"').count() == 2, "{label}");
    assert!(!mermaid.contains('\u{1b}') && !dot.contains('\u{1b}'));
    let title = mermaid.lines().nth(1).expect("a title");
    assert!(!title.contains("<script>"), "{title}");
    for line in dot.lines() {
        let quotes = line.replace("\\\\", "").replace("\\\"", "").matches('"').count();
        assert!(quotes == 2 || quotes == 0, "{line}");
    }
}
