//! Large plans, many runs, bounds and turns.

use super::*;

#[tokio::test(start_paused = true)]
async fn the_batch_of_the_field_takes_hardly_longer_than_it_must() {
    for wide in [1, 8, 16, 50, 285] {
        let stage = Stage::new(|_| (Duration::from_millis(2_500), Act::Ok("[]".to_owned())));
        let mut batch = plan((0..57).map(|n| each(step(&format!("c{n}"), "t.search", &[]), 5, None)).collect());
        batch.concurrency = wide;
        let end = run(&stage, batch).await;
        let ideal = Duration::from_millis(2_500) * u32::try_from(285_usize.div_ceil(wide)).expect("small");
        assert_eq!(end.state, RunState::Completed);
        assert!(end.makespan <= ideal.mul_f64(1.05), "{wide}: {:?} for {ideal:?}", end.makespan);
        assert_eq!(stage.made().len(), 285, "no call is made twice");
    }
}

type Shape = fn(usize) -> Vec<Step>;

#[tokio::test]
async fn a_hundred_thousand_steps_cost_as_much_each_as_a_few() {
    let shapes: [(&str, Shape); 3] = [
        ("wide", |n| (0..n).map(|n| step(&n.to_string(), "t.t", &[])).collect()),
        ("chain", |n| {
            (0..n).map(|n| step(&n.to_string(), "t.t", &n.checked_sub(1).into_iter().collect::<Vec<_>>())).collect()
        }),
        ("list", |n| vec![each(step("l", "t.t", &[]), n, None)]),
    ];
    for (name, shape) in shapes {
        let mut each = Vec::new();
        for size in [1_000_u32, 100_000] {
            let stage = Stage::new(|_| ok());
            let mut large = plan(shape(size as usize));
            large.concurrency = 64;
            let before = std::time::Instant::now();
            let end = run(&stage, large).await;
            each.push(before.elapsed() / size);
            assert_eq!(end.state, RunState::Completed);
            assert_eq!(end.totals.used.calls, u64::from(size));
        }
        println!("{name}: {each:?} a step");
        // Far from anything that grows with the number of steps, and far enough from a busy machine's noise.
        assert!(each[1] < each[0] * 10 + Duration::from_micros(100), "{name}: {each:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_small_run_beside_a_huge_one_takes_its_turn() {
    let stage = Stage::new(|_| (Duration::from_millis(10), Act::Ok("1".to_owned())));
    let bounds = Bounds { total: 8, ..WIDE };
    let scheduler = scheduler(&stage, Arc::new(MemoryRuns::default()), bounds);
    let huge = start(&scheduler, 1, plan(vec![each(step("l", "t.t", &[]), 20_000, None)]), who("a", "x")).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = stage.ended().len();
    let small = plan(vec![step("a", "t.t", &[]), step("b", "t.t", &[0]), step("c", "t.t", &[1])]);
    let end = start(&scheduler, 2, small, who("b", "y")).await.ended().await.expect("the store answers");
    assert_eq!(end.state, RunState::Completed);
    // Three calls, each behind at most the calls that were under way and those whose turn came first.
    assert!(stage.ended().len() - before <= 3 * 2 * 8 + 8, "{}", stage.ended().len() - before);
    huge.cancel();
    assert_eq!(huge.ended().await.expect("the store answers").state, RunState::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn a_full_tool_keeps_nobody_from_another_and_everybody_gets_it() {
    let stage = Stage::new(|_| (Duration::from_millis(10), Act::Ok("1".to_owned())));
    let bounds = Bounds { total: 6, per_tenant: 4, per_agent: 3, per_tool: 2 };
    let scheduler = scheduler(&stage, Arc::new(MemoryRuns::default()), bounds);
    let mut handles = Vec::new();
    for n in 0..6 {
        let steps = vec![
            each(step("busy", "t.busy", &[]), 40, None),
            each(step("free", &format!("t.free{}", n % 2), &[]), 40, Some(2)),
        ];
        let who = who(["a", "b"][n % 2], ["x", "y", "z"][n % 3]);
        handles.push(start(&scheduler, n as u64, plan(steps), who).await);
    }
    for handle in handles {
        assert_eq!(handle.ended().await.expect("the store answers").state, RunState::Completed);
    }
    for (name, most) in [("total", 6), ("tenant a", 4), ("agent a/x", 3), ("tool t.busy", 2), ("tool t.free0", 2)] {
        assert_eq!(stage.most(name), most, "{name} is used to the full and never beyond");
    }
    assert_eq!(scheduler.shared.gate.remembered(), 0);
}
