//! Attacks through other tools: round in circles, down without end, and to what the caller itself may not have.

use serde_json::{Value, json};
use toolcell_core::Limit;

use super::outside::{AMPLE, Site, denied, get};

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
    // The one that ends it has gone out: what is left for another tool is never less than one.
    let sent = struck.outcome.receipt.as_ref().unwrap().receipt.used.http_requests;
    assert_eq!((upstream.connections(), sent), (6, 6));
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
