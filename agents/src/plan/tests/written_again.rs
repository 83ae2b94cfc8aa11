use std::time::Duration;

use proptest::prelude::*;
use toolcell_core::ResultText;

use super::*;

/// JSON without references at its top that its own reader would take for one.
fn known() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|yes| yes.to_string()),
        any::<i64>().prop_map(|n| n.to_string()),
        "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,20})?(e[+-]?[0-9]{1,3})?",
        "\\PC{0,8}".prop_map(|text| quoted(&text)),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::btree_map("[$a-z]{1,4}", inner, 0..3).prop_map(|members| {
                let members: Vec<String> =
                    members.iter().map(|(name, value)| format!("{}:{value}", quoted(name))).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

fn quoted(text: &str) -> String {
    let mut out = String::new();
    toolcell_core::json::quote(text, &mut out);
    out
}

fn pointer() -> impl Strategy<Value = Arc<str>> {
    prop::collection::vec("[a-z~/]{0,3}", 0..3).prop_map(|tokens| {
        tokens.iter().fold(String::new(), |pointer, token| pointer + "/" + &toolcell_core::json::escaped(token)).into()
    })
}

/// What refers to steps before `before`; inside a list also to the item.
fn hole(before: usize, items: bool) -> BoxedStrategy<Template> {
    let mut holes = vec![pointer().prop_map(Template::Input).boxed()];
    if before > 0 {
        holes.push((0..before, pointer()).prop_map(|(step, pointer)| Template::Result(step, pointer)).boxed());
    }
    if items {
        holes.push(pointer().prop_map(Template::Item).boxed());
        holes.push(Just(Template::Index).boxed());
    }
    let value = known().prop_map(|text| Template::Value(text.into()));
    let text = prop::collection::vec(prop_oneof![value, prop::strategy::Union::new(holes.clone())], 0..3)
        .prop_map(Template::Text);
    holes.push(text.boxed());
    prop::strategy::Union::new(holes).boxed()
}

fn arguments(before: usize, items: bool) -> BoxedStrategy<Template> {
    let value = || known().prop_map(|text| Template::Value(text.into()));
    let list = (prop::collection::vec(value(), 0..2), hole(before, items)).prop_map(|(mut parts, hole)| {
        parts.push(hole);
        Template::Array(parts)
    });
    let member = prop_oneof![value().boxed(), hole(before, items), list.boxed()];
    (prop::collection::btree_map("[a-z]{1,3}", member, 0..3), hole(before, items))
        .prop_map(|(members, hole)| {
            let mut members: Vec<_> = members.into_iter().map(|(name, member)| (Arc::from(name), member)).collect();
            members.push(("zzzz".into(), hole));
            Template::Object(members)
        })
        .boxed()
}

fn condition(before: usize) -> BoxedStrategy<Condition> {
    let number = "-?[1-9][0-9]{0,25}(\\.[0-9]{1,9})?".prop_map(Arc::from);
    let test = prop_oneof![
        known().prop_map(|text| Test::Equals(text.into())),
        Just(Test::Exists),
        Just(Test::Empty),
        number.clone().prop_map(Test::MoreThan),
        number.prop_map(Test::LessThan),
    ];
    (hole(before, false), test)
        .prop_map(|(template, test)| Condition::Is(template, test))
        .prop_recursive(3, 8, 2, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 1..3).prop_map(Condition::All),
                prop::collection::vec(inner.clone(), 1..3).prop_map(Condition::Any),
                inner.prop_map(|inner| Condition::Not(Box::new(inner))),
            ]
        })
        .boxed()
}

fn step(n: usize) -> BoxedStrategy<Step> {
    let each = prop::option::of((
        hole(n, false).prop_filter("a text is no list", |hole| !matches!(hole, Template::Text(_))),
        prop::option::of(1..100_usize),
    ));
    (
        each,
        prop::option::of(condition(n)),
        any::<[bool; 3]>(),
        prop::option::of(1..3_600_000_u64),
        prop::option::of(known()),
        0..3_usize,
    )
        .prop_flat_map(move |(each, when, flags, timeout, fallback, criticality)| {
            let items = each.is_some();
            (arguments(n, items), prop::collection::vec(0..n.max(1), 0..3)).prop_map(move |(arguments, needs)| {
                let mut step = Step {
                    id: format!("s{n}").into(),
                    tool: "any.thing".into(),
                    needs,
                    arguments,
                    for_each: each.clone().map(|(over, concurrency)| ForEach { over, concurrency }),
                    when: when.clone(),
                    timeout: timeout.map(Duration::from_millis),
                    fallback: fallback.clone().map(ResultText::new),
                    criticality: [Criticality::Optional, Criticality::Required, Criticality::Critical][criticality],
                    key: flags[0].then(|| {
                        let part = if items { Template::Index } else { Template::Value("\"k\"".into()) };
                        Template::Text(vec![part])
                    }),
                    answer_at: flags[1].then(|| "/a~1b".into()),
                };
                let mut needs: Vec<usize> = step.needs.iter().copied().filter(|need| *need < n).collect();
                let mut take = |place: &mut usize| needs.push(*place);
                step.arguments.each_result(&mut take);
                step.for_each.iter_mut().for_each(|each| each.over.each_result(&mut take));
                step.when.iter_mut().for_each(|when| when.each_result(&mut take));
                needs.sort_unstable();
                needs.dedup();
                step.needs = needs;
                step
            })
        })
        .boxed()
}

fn plan() -> impl Strategy<Value = Plan> {
    let steps = (step(0), step(1), step(2), step(3), 1..5_usize).prop_map(|(a, b, c, d, count)| {
        let mut steps = vec![a, b, c, d];
        steps.truncate(count);
        steps
    });
    (
        steps,
        "\\PC{1,20}",
        prop::option::of("\\PC{1,20}"),
        1..10_001_usize,
        prop::option::of(1..100_000_u64),
        prop::option::of(known()),
        any::<[Option<u32>; 3]>(),
        prop::option::of(arguments(1, false)),
    )
        .prop_map(
            |(steps, name, description, concurrency, deadline, input, [calls, fuel, http_requests], output)| {
                let some = |n: Option<u32>| n.map(|n| u64::from(n) + 1);
                Plan {
                    name: name.into(),
                    description: description.map(Into::into),
                    steps,
                    concurrency,
                    deadline: deadline.map(Duration::from_millis),
                    budget: Budget { calls: some(calls), fuel: some(fuel), http_requests: some(http_requests) },
                    output,
                    input: input.map(Into::into),
                }
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(128) })]

    #[test]
    fn the_canonical_text_reads_back_as_the_same_plan(plan in plan()) {
        let text = canonical(&plan);
        let written = read(&text, Format::Json).map_err(|problems| TestCaseError::fail(format!("{problems}\n{text}")))?;
        match outline(&written) {
            Ok(back) => prop_assert_eq!(&back, &plan, "{}", text),
            // What random plans get wrong: a fallback without what others look for in it, a text that is measured.
            Err(problems) => for problem in problems.problems {
                let known = ["the fallback of", "`$text` makes a string"];
                prop_assert!(known.iter().any(|known| problem.message.starts_with(known)), "{}\n{}", problem, text);
            },
        }
    }
}

#[test]
fn a_plan_from_toml_survives_as_json() {
    let plan = toml(LEADS).expect("a plan");
    let text = canonical(&plan);
    assert_eq!(plan_of(&text, Format::Json).unwrap_or_else(|problems| panic!("{problems}\n{text}")), plan);
    assert_eq!(canonical(&plan_of(&text, Format::Json).expect("a plan")), text, "the second writing changes nothing");
}
