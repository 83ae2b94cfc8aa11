//! Attacks through other tools: round in circles, down without end, and to what the caller itself may not have.

use serde_json::{Value, json};
use toolcell_core::receipt::Used;
use toolcell_core::{CallId, Limit};
use toolcell_host::receipts;

use super::outside::{AMPLE, Site, denied, get};
use crate::upstream::Upstream;

/// The attacker may call two others; each of them may do so too.
const CIRCLE: &str = r#"
[[rule]]
name = "circle"
tools = ["guest", "other", "third"]
call = ["guest", "other", "third"]
"#;

/// The arguments of a `call` of a tool with these arguments.
fn to(tool: &str, arguments: &Value) -> Value {
    json!({ "tool": tool, "arguments": arguments.to_string() })
}

#[test]
fn calls_do_not_go_round_in_circles() {
    let site = Site::new(CIRCLE).and("other");
    let own = site.strike("call", &to("guest.attacks.call", &to("guest.attacks.burn", &json!({ "units": 1 }))));
    assert!(own.failure().message.contains("NotGranted"), "{:?}", own.failure());
    let reasons: Vec<_> = denied(&own).iter().map(|attempt| attempt.reason.clone()).collect();
    assert!(reasons.iter().any(|reason| reason.contains("already calling")), "{reasons:?}");
    let wide = to("other.attacks.call", &to("guest.attacks.call", &to("other.attacks.burn", &json!({ "units": 1 }))));
    let struck = site.strike("call", &wide);
    assert!(struck.failure().message.contains("already calling"), "{:?}", struck.failure());
    // By another function of the same component, too, which is no circle but uses what the caller has left.
    let straight = site.strike("call", &to("guest.attacks.burn", &json!({ "units": 4 })));
    assert!(straight.result().is_string());
    site.arena.serves();
}

#[test]
fn calls_within_calls_end_at_their_depth() {
    let site = Site::new(&format!("{CIRCLE}limits = {{ call-depth = 2 }}\n")).and("other").and("third");
    let burn = to("third.attacks.burn", &json!({ "units": 4 }));
    assert!(site.strike("call", &burn).result().is_string(), "one within another is allowed");
    let deep = site.strike("call", &to("other.attacks.call", &burn));
    assert!(deep.failure().message.contains("call-depth-limit"), "{:?}", deep.failure());
    site.arena.serves();
}

#[test]
fn the_caller_pays_for_what_it_has_others_do() {
    let site = Site::new(&format!("{CIRCLE}limits = {{ fuel = 200_000_000 }}\n")).and("other");
    let used = |units: u64| {
        let struck = site.strike("call", &to("other.attacks.burn", &json!({ "units": units })));
        struck.result();
        struck.outcome.receipt.as_ref().unwrap().receipt.used
    };
    let (little, much) = (used(4), used(40_000_000));
    assert!(much.fuel > little.fuel + 20_000_000, "{} and {}", little.fuel, much.fuel);
    assert_eq!(much.nested_calls, 1);
    // One call after the other never gets more than the first would have had.
    let on = json!({ "tool": "other.attacks.burn", "arguments": r#"{ "units": 40000000 }"# });
    let struck = site.strike("call-on", &on);
    assert_eq!(struck.failure().kind.name(), "fuel-limit", "{:?}", struck.outcome.verdict);
    let fuel = struck.outcome.receipt.as_ref().unwrap().receipt.used.fuel;
    assert!(fuel <= 200_000_000, "{fuel}");
    // A callee that never ends takes the caller with it.
    let endless = site.strike("call", &to("other.attacks.burn", &json!({ "units": "18446744073709551615" })));
    assert_eq!(endless.failure().kind.name(), "fuel-limit", "{:?}", endless.outcome.verdict);
    site.arena.serves();
}

#[test]
fn a_flood_of_calls_ends_at_its_limit() {
    let site = Site::new(&format!("{CIRCLE}limits = {{ nested-calls = 10 }}\n")).and("other").and("third");
    let on = |tool: &str, arguments: &str| json!({ "tool": tool, "arguments": arguments });
    for flood in [
        on("other.attacks.burn", r#"{ "units": 1 }"#),
        // Each of these makes calls of its own, which count as well.
        on("other.attacks.call", &to("third.attacks.burn", &json!({ "units": 1 })).to_string()),
    ] {
        let struck = site.strike("call-on", &flood);
        let kind = struck.outcome.verdict.failure().map(|failure| failure.kind.name());
        let ended = kind.map_or_else(|| struck.result().to_string(), str::to_owned);
        assert!(ended.contains("nested-calls-limit") || ended.contains("Failed"), "{flood}: {ended}");
        let used = struck.outcome.receipt.as_ref().unwrap().receipt.used.nested_calls;
        assert!(used <= 10, "{flood}: {used}");
    }
    site.arena.serves();
}

#[test]
fn requests_of_others_count_as_the_callers_own() {
    let rules = r#"
[[rule]]
name = "both"
tools = ["guest", "other"]
network = [{ url = "http://api.example.com/", methods = ["GET", "POST"] }]
call = ["other"]
"#;
    let site = Site::new(&format!("{AMPLE}http-requests = 5\n{rules}")).and("other");
    let upstream = site.world.serve("http://api.example.com", |_| http::Response::new("x".into()));
    let request = json!({ "request": get("http://api.example.com/") });
    let on = json!({ "tool": "other.attacks.send", "arguments": request.to_string() });
    let struck = site.strike("call-on", &on);
    struck.ended_as("http-requests-limit", &site.arena);
    let sent = struck.outcome.receipt.as_ref().unwrap().receipt.used.http_requests;
    assert_eq!((upstream.connections(), sent), (5, 5));
    site.arena.serves();
}

/// Three tools that may call each other and send, within these limits, and the one server there is.
fn three(limits: &str) -> (Site, Upstream) {
    let rules = r#"
[[rule]]
name = "all"
tools = ["guest", "other", "third"]
network = [{ url = "http://api.example.com/", methods = ["GET", "POST"] }]
call = ["guest", "other", "third"]
"#;
    let site = Site::new(&format!("{AMPLE}{limits}\n{rules}")).and("other").and("third");
    let upstream = site.world.serve("http://api.example.com", |_| http::Response::new("0123456789".into()));
    (site, upstream)
}

/// What each call of a tool used that another call made, the first one first.
fn used_by(site: &Site, tool: &str, parent: CallId) -> Vec<(CallId, Used)> {
    let order = receipts::Order::OldestFirst;
    let filter = receipts::Filter { tool: Some(tool.to_owned()), order, ..receipts::Filter::default() };
    let entries = receipts::list(&site.home().join("receipts"), filter).unwrap().map(Result::unwrap);
    let receipts = entries.map(|sealed| sealed.receipt).filter(|receipt| receipt.parent == Some(parent));
    receipts.map(|receipt| (receipt.call, receipt.used)).collect()
}

#[test]
fn calls_three_levels_deep_send_no_more_than_the_first_may() {
    let send = json!({ "request": get("http://api.example.com/") });
    // The outermost may send two; its callees could send as many themselves. Who asks for the third ends, and so does whoever has
    // no more to give.
    for way in ["call", "call-on"] {
        let (site, upstream) = three("http-requests = 2");
        let struck = site.strike(way, &to("other.attacks.call-on", &to("third.attacks.send", &send)));
        let told = struck.outcome.verdict.failure().map_or_else(|| struck.told(), |failure| failure.message.clone());
        assert!(told.contains("http-requests-limit"), "{way}: {told}");
        assert_eq!((upstream.connections(), upstream.requests().len()), (2, 2), "{way}");
        // What each level used is what it was charged for those below it.
        let receipt = &struck.outcome.receipt.as_ref().unwrap().receipt;
        assert_eq!(receipt.used.http_requests, 2, "{way}");
        let others = used_by(&site, "other", receipt.call);
        assert_eq!(others.iter().map(|(_, used)| used.http_requests).sum::<u64>(), 2, "{way}");
        let thirds: Vec<_> = others.iter().flat_map(|(call, _)| used_by(&site, "third", *call)).collect();
        assert_eq!(thirds.iter().map(|(_, used)| used.http_requests).sum::<u64>(), 2, "{way}");
        assert!(thirds.len() > 2, "the third was refused, and has a receipt");
        assert_eq!(receipt.used.nested_calls, (others.len() + thirds.len()) as u64, "{way}");
        let received: u64 = thirds.iter().map(|(_, used)| used.http_received_bytes).sum();
        assert_eq!((receipt.used.http_received_bytes, received), (20, 20), "{way}");
        site.arena.serves();
    }
}

#[test]
fn nothing_goes_out_for_a_call_that_has_nothing_left_to_give() {
    let send = json!({ "request": get("http://api.example.com/") });
    let (site, upstream) = three("http-requests = 1");
    // The one request of the first call is spent by the first callee; the second callee gets none of its own.
    let struck = site.strike("call-on", &to("other.attacks.send", &send));
    struck.ended_as("http-requests-limit", &site.arena);
    assert_eq!((upstream.connections(), upstream.requests().len()), (1, 1));
    let call = struck.outcome.receipt.as_ref().unwrap().receipt.call;
    let used: Vec<_> = used_by(&site, "other", call).into_iter().map(|(_, used)| used.http_requests).collect();
    assert_eq!(used, [1, 0]);
    // The same for bytes: ten came, and the eleventh is one too many for whoever asks for it.
    let (site, upstream) = three("http-received-bytes = \"15 B\"");
    let struck = site.strike("call-on", &to("other.attacks.send", &send));
    struck.ended_as("http-received-bytes-limit", &site.arena);
    assert_eq!(upstream.connections(), 2);
    assert!(struck.outcome.receipt.as_ref().unwrap().receipt.used.http_received_bytes <= 15);
    site.arena.serves();
}

#[test]
fn calls_of_calls_count_for_every_call_above_them_and_no_further() {
    let (site, _upstream) = three("nested-calls = 5");
    // Each call of the second makes one of the third: two and two and one, and the sixth is never made.
    let burn = to("third.attacks.burn", &json!({ "units": 4 }));
    let struck = site.strike("call-on", &to("other.attacks.call", &burn));
    struck.ended_as("nested-calls-limit", &site.arena);
    let receipt = &struck.outcome.receipt.as_ref().unwrap().receipt;
    let others = used_by(&site, "other", receipt.call);
    let thirds: usize = others.iter().map(|(call, _)| used_by(&site, "third", *call).len()).sum();
    assert_eq!((receipt.used.nested_calls, others.len(), thirds), (5, 3, 2));
    site.arena.serves();
}

#[test]
fn a_callee_gives_nothing_that_the_caller_lacks() {
    let rules = r#"
[[rule]]
name = "may call"
tools = ["guest"]
call = ["other"]

[[rule]]
name = "may do"
tools = ["other"]
network = [{ url = "http://api.example.com/", methods = ["GET"] }]
secrets = [{ name = "key", from = "key", url = "https://api.example.com/", header = "x-key" }]
kv = { keys = 10, value-bytes = "1 KiB", total-bytes = "10 KiB" }
"#;
    let site = Site::with(rules, &[("key", "canary-7b1f0c-abcdef")]).and("other");
    let upstream = site.world.serve("http://api.example.com", |_| http::Response::new("inside".into()));
    let request = json!({ "request": get("http://api.example.com/") });
    let direct = site.arena.strike_by(site.arena.cell.prepare("other.attacks.send", &request.to_string()));
    assert_eq!(direct.result()["body"], "inside");
    let through = site.strike("call", &to("other.attacks.send", &request));
    assert!(through.failure().message.contains("HttpRequestDenied"), "{:?}", through.failure());
    assert_eq!((upstream.requests().len(), site.world.dialled().len()), (1, 1), "it went out through the callee");
    let through = site.strike("call", &to("other.attacks.secret", &json!({ "name": "key" })));
    assert_eq!(through.result(), json!("false"));
    let through = site.strike("call", &to("other.attacks.set", &json!({ "key": "k", "bytes": 1 })));
    assert!(through.failure().message.contains("NotGranted"), "{:?}", through.failure());
    // Nor does it get more time, fuel or memory: the limits are those of the caller.
    site.arena.serves();
}

#[test]
fn a_tool_that_is_not_granted_is_not_called() {
    let rules = "[[rule]]\nname = \"one\"\ntools = [\"guest\"]\ncall = [\"other.attacks.burn\"]\n";
    let site = Site::new(rules).and("other").and("third");
    assert!(site.strike("call", &to("other.attacks.burn", &json!({ "units": 4 }))).result().is_string());
    for tool in
        ["other.attacks.say", "third.attacks.burn", "healthy.echo", "guest.attacks.burn", "burn", "other.attacks.*"]
    {
        let struck = site.strike("call", &to(tool, &json!({ "units": 4, "text": "x" })));
        assert_eq!(struck.failure().kind.name(), "tool-failed", "{tool}");
    }
    let struck = site.strike("call", &to("third.attacks.burn", &json!({ "units": 4 })));
    assert!(
        denied(&struck).iter().any(|attempt| attempt.reason.contains("third.attacks.burn")),
        "{:?}",
        denied(&struck)
    );
    for (tool, arguments) in [
        ("", "{}"),
        ("other.attacks.burn\0", "{}"),
        ("../other.attacks.burn", "{}"),
        ("\u{1b}]0;other\u{7}", "{}"),
        ("other.attacks.burn", "{"),
        ("other.attacks.burn", "{\"units\": 1, \"units\": 2}"),
        ("other.attacks.burn", &"[".repeat(100_000)),
        (&"x".repeat(1 << 20), "{}"),
    ] {
        let struck = site.strike("call", &json!({ "tool": tool, "arguments": arguments }));
        let failure = struck.failure();
        assert_eq!(failure.kind.name(), "tool-failed", "{failure:?}");
        assert!(failure.message.len() < 4_000 && !failure.message.contains(['\0', '\u{1b}', '\u{7}']), "{failure:?}");
        assert!(!struck.told().contains('\u{1b}'));
    }
    assert_eq!(site.arena.cell.host.explain("guest.attacks.call").unwrap().limits().get(Limit::CallDepth), 4);
    site.arena.serves();
}
