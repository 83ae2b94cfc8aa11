//! Any plan, any mix of ends, any bounds.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
struct Shape {
    needs: Vec<prop::sample::Index>,
    tool: usize,
    once: bool,
    act: Act,
    span: u64,
    items: Option<(usize, usize)>,
    criticality: Criticality,
    timeout: bool,
}

fn shape() -> impl Strategy<Value = Shape> {
    let act = prop_oneof![
        6 => Just(Act::Ok("1".to_owned())),
        2 => Just(Act::Fail(Kind::Fatal)),
        1 => Just(Act::Ask),
        1 => Just(Act::Hang),
    ];
    let criticality = prop_oneof![4 => Just(Criticality::Required), 2 => Just(Criticality::Optional), 1 => Just(Criticality::Critical)];
    (
        prop::collection::vec(any::<prop::sample::Index>(), 0..3),
        0..3_usize,
        any::<bool>(),
        act,
        0..50_u64,
        prop::option::weighted(0.3, (0..6_usize, 1..4_usize)),
        criticality,
        any::<bool>(),
    )
        .prop_map(|(needs, tool, once, act, span, items, criticality, timeout)| Shape {
            needs,
            tool,
            once,
            act,
            span,
            items,
            criticality,
            timeout,
        })
}

fn shaped(shapes: &[Shape]) -> Vec<Step> {
    let build = |(n, shape): (usize, &Shape)| {
        let mut needs: Vec<usize> = shape.needs.iter().filter(|_| n > 0).map(|need| need.index(n)).collect();
        needs.sort_unstable();
        needs.dedup();
        let tool = format!("{}.t{}", if shape.once { "once" } else { "free" }, shape.tool);
        let mut step = step(&format!("s{n}"), &tool, &needs);
        if let Some((items, wide)) = shape.items {
            step = each(step, items, Some(wide));
        }
        step.criticality = shape.criticality;
        // Whatever hangs is ended by its timeout or by the run's deadline.
        step.timeout = shape.timeout.then_some(Duration::from_millis(70));
        step
    };
    shapes.iter().enumerate().map(build).collect()
}

fn place(key: &str) -> (usize, usize) {
    let (run, rest) = key.split_once(":s").expect("a derived key");
    let run = usize::from_str_radix(run, 16).expect("a run");
    (run, rest.split('[').next().expect("a step").parse().expect("a number"))
}

pub(super) fn virtually<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime")
        .block_on(work)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn order_bounds_and_ends_hold_under_any_mix(
        runs in prop::collection::vec((prop::collection::vec(shape(), 1..12), 1..5_usize, prop::option::weighted(0.2, 0..200_u64)), 1..4),
        (total, per_tenant, per_agent, per_tool) in (1..6_usize, 1..5_usize, 1..4_usize, 1..4_usize),
    ) {
        virtually(async {
            let shapes: Vec<Vec<Shape>> = runs.iter().map(|(shapes, ..)| shapes.clone()).collect();
            let script = shapes.clone();
            let stage = Stage::new(move |call| {
                let (run, step) = place(call.idempotency_key.as_deref().expect("every call has a key"));
                let shape = &script[run][step];
                (Duration::from_millis(shape.span), shape.act.clone())
            });
            let bounds = Bounds { total, per_tenant, per_agent, per_tool };
            let scheduler = scheduler(&stage, Arc::new(MemoryRuns::default()), bounds);
            let mut handles = Vec::new();
            for (n, (shapes, concurrency, cancel)) in runs.iter().enumerate() {
                let mut plan = plan(shaped(shapes));
                (plan.concurrency, plan.deadline) = (*concurrency, Some(Duration::from_secs(10)));
                let who = who(["a", "b"][n % 2], ["x", "y"][n / 2 % 2]);
                let handle = start(&scheduler, n as u64, plan, who).await;
                if let Some(after) = *cancel {
                    let cancel = handle.canceller();
                    tokio::spawn(async move {
                        tokio::time::sleep(Duration::from_millis(after)).await;
                        cancel.cancel();
                    });
                }
                handles.push(handle);
            }
            for (n, handle) in handles.into_iter().enumerate() {
                let end = handle.ended().await.expect("the store answers");
                assert!(end.makespan <= Duration::from_secs(10), "it ends");
                let open = end.steps.iter().any(|step| step.state.is_none());
                assert!(!open || end.state == RunState::Waiting, "a step that did not end waits for a person");
                assert_eq!(end.state == RunState::Waiting, !end.questions.is_empty());
                let most = |name: String| stage.most(&name);
                assert!(most(format!("run {}", run_id(n as u64))) <= runs[n].1);
                for (place, shape) in shapes[n].iter().enumerate() {
                    if let Some((_, wide)) = shape.items {
                        assert!(most(format!("step {}:s{place}", run_id(n as u64))) <= wide);
                    }
                }
            }
            for (name, most) in &stage.seen.lock().expect("free").most {
                let bound = match name.split(' ').next() {
                    Some("total") => total,
                    Some("tenant") => per_tenant,
                    Some("agent") => per_agent,
                    Some("tool") => per_tool,
                    _ => usize::MAX,
                };
                assert!(*most <= bound, "{name}: {most}");
            }
            assert_eq!(stage.seen.lock().expect("free").now.values().sum::<usize>(), 0, "nothing is left under way");
            let mut made = stage.made();
            // Each call is made behind the last call of every step that its step needs.
            let mut at: HashMap<(usize, usize), (usize, usize)> = HashMap::new();
            for (time, key) in made.iter().enumerate() {
                let span = at.entry(place(key)).or_insert((time, time));
                span.1 = time;
            }
            for (n, shapes) in shapes.iter().enumerate() {
                for (step, built) in shaped(shapes).iter().enumerate() {
                    for need in &built.needs {
                        if let (Some(own), Some(needed)) = (at.get(&(n, step)), at.get(&(n, *need))) {
                            assert!(needed.1 < own.0, "step {step} of run {n} begins behind {need}");
                        }
                    }
                }
            }
            let all = made.len();
            made.sort();
            made.dedup();
            assert_eq!(made.len(), all, "no call is made twice");
            assert_eq!(scheduler.shared.gate.remembered(), 0);
        });
    }
}
