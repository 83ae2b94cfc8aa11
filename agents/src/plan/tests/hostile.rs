use std::fmt::Write as _;
use std::time::Instant;

use proptest::prelude::*;

use super::*;

/// A plan of many steps; `needs` says which steps each needs.
fn many(count: usize, format: Format, needs: impl Fn(usize) -> Option<usize>) -> String {
    let mut text = String::from(if format == Format::Json { "{\"name\":\"n\",\"step\":[" } else { "name = \"n\"\n" });
    for n in 0..count {
        let need = needs(n).map(|need| format!("\"s{need}\"")).unwrap_or_default();
        let _ = match format {
            Format::Json => write!(
                text,
                "{}{{\"id\":\"s{n}\",\"tool\":\"web.search\",\"needs\":[{need}],\"arguments\":{{\"query\":\"q{n}\",\"count\":3}}}}",
                if n > 0 { "," } else { "" }
            ),
            Format::Toml => write!(
                text,
                "[[step]]\nid = \"s{n}\"\ntool = \"web.search\"\nneeds = [{need}]\narguments = {{ query = \"q{n}\", count = 3 }}\n"
            ),
        };
    }
    if format == Format::Json {
        text.push_str("]}");
    }
    text
}

#[test]
fn a_hundred_thousand_steps_are_checked_wide_and_in_a_chain_either_way_round() {
    const COUNT: usize = 100_000;
    for (what, needs) in [
        ("wide", (|_| None) as fn(usize) -> Option<usize>),
        ("chain", |n| n.checked_sub(1)),
        ("chain backwards", |n| (n + 1 < COUNT).then_some(n + 1)),
    ] {
        let text = many(COUNT, Format::Json, needs);
        let began = Instant::now();
        let plan = plan_of(&text, Format::Json).unwrap_or_else(|problems| panic!("{what}: {problems}"));
        println!("{what}: read and checked in {:?}", began.elapsed());
        assert_eq!(plan.steps.len(), COUNT);
        assert!(plan.steps.iter().enumerate().all(|(n, step)| step.needs.iter().all(|need| *need < n)), "{what}");
    }
    let text = many(COUNT, Format::Toml, |n| n.checked_sub(1));
    let began = Instant::now();
    assert_eq!(toml(&text).map(|plan| plan.steps.len()), Ok(COUNT));
    println!("TOML: read and checked in {:?}", began.elapsed());
}

#[test]
fn a_circle_of_a_hundred_thousand_steps_is_told_in_a_line() {
    const COUNT: usize = 100_000;
    let text = many(COUNT, Format::Json, |n| Some((n + 1) % COUNT));
    let problems = plan_of(&text, Format::Json).expect_err("a circle");
    assert_eq!((problems.problems.len(), problems.more), (1, 0));
    assert!(problems.problems[0].message.contains("(100000 steps in all)"), "{problems}");
    let text = many(1_000, Format::Json, |n| Some(n ^ 1));
    let problems = plan_of(&text, Format::Json).expect_err("many circles");
    assert_eq!((problems.problems.len(), problems.more), (100, 400));
}

#[test]
fn misspelled_names_in_a_large_plan_cost_little() {
    let text = many(50_000, Format::Json, |_| None).replace("\"needs\":[]", "\"needs\":[\"t1\"]");
    let problems = plan_of(&text, Format::Json).expect_err("unknown names");
    assert_eq!((problems.problems.len(), problems.more), (100, 49_900));
}

#[test]
fn deep_and_huge_input_is_refused() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = format!("{{\"name\":{}1{}}}", open.repeat(100_000), close.repeat(100_000));
        assert!(read(&deep, Format::Json).is_err());
    }
    for text in [
        "[".repeat(100_000),
        "{a=".repeat(100_000),
        format!("{}a = 1", "a.".repeat(100_000)),
        format!("x = {}", "[".repeat(100_000)),
    ] {
        let text = format!("name = \"n\"\nb = {text}");
        assert!(read(&text, Format::Toml).is_err());
    }
    let long = "x".repeat(1 << 20);
    let told = told(&format!(
        "name = \"{long}\"\n[[step]]\nid = \"{long}\"\ntool = \"{long}\"\nneeds = [\"{long}\"]\n{long} = 1\n"
    ));
    assert!(told.len() < 5_000, "{} bytes", told.len());
    let problems = read(&" ".repeat(MAX_BYTES + 1), Format::Json).expect_err("too large").to_string();
    assert!(problems.contains("at most 64 MiB"), "{problems}");
}

#[test]
fn what_nests_as_deep_as_it_may_goes_all_the_way() {
    let nested = |depth: usize, open: &str, inner: &str, close: &str| open.repeat(depth) + inner + &close.repeat(depth);
    // The file, the list of steps and the step come first; a hole is one level more.
    let (deepest, hole) = (MAX_DEPTH - 4, "{\"$input\":\"\"}");
    let arguments = nested(deepest, "{\"a\":", hole, "}");
    let when = nested(deepest - 1, "{\"not\":", "{\"value\":1,\"exists\":true}", "}");
    let text = format!(
        "{{\"name\":\"n\",\"step\":[{{\"id\":\"a\",\"tool\":\"any.thing\",\"when\":{when},\"arguments\":{arguments}}}]}}"
    );
    let plan = plan_of(&text, Format::Json).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(plan_of(&canonical(&plan), Format::Json).as_ref(), Ok(&plan));
    let texts = Texts::new("1").expect("JSON");
    assert_eq!(plan.steps[0].arguments.render(&texts), Ok(nested(deepest, "{\"a\":", "1", "}")));
    assert!(plan.steps[0].when.as_ref().is_some_and(|when| when.holds(&texts).is_ok()));
    assert!(read(&text.replace(hole, "[[]]").replace("[[]]", "[[[]]]"), Format::Json).is_err());
}

#[test]
fn nothing_in_a_message_acts_in_a_terminal() {
    let problems = toml("name = \"n\"\n[[step]]\nid = \"a\\u001b[2J\"\ntool = \"any.thing\"\nneeds = [\"\\u202e\\u0007\"]\n\"\\u001b\" = 1\n").expect_err("hostile names");
    for problem in &problems.problems {
        assert!(!problem.to_string().contains(|c: char| c.is_control() || c == '\u{202e}'), "{problem}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn garbage_never_panics(text in "\\PC{0,60}") {
        for format in [Format::Toml, Format::Json] {
            let _ = plan_of(&text, format);
        }
    }

    #[test]
    fn a_plan_with_something_cut_or_put_in_never_panics(at in 0..LEADS.len(), length in 0..40_usize, put in "[\\[\\]{}\"=,$a-z0-9\n./~-]{0,6}") {
        let mut text = LEADS.to_owned();
        text.replace_range(at..(at + length).min(LEADS.len()), &put);
        if let Ok(plan) = toml(&text) {
            prop_assert_eq!(plan_of(&canonical(&plan), Format::Json), Ok(plan));
        }
        let json = canonical(&toml(LEADS).expect("a plan"));
        let at = at % json.len();
        let mut text = json.clone();
        text.replace_range(at..(at + length).min(json.len()), &put);
        let _ = plan_of(&text, Format::Json);
    }
}
