//! The network and secrets: what two destinations and two sets of methods meet in, and what a question is answered.

use toolcell_core::net::Target;

use super::*;

fn network(entry: &str) -> String {
    format!("network = [{{ {entry} }}]")
}

fn asking(entry: &str) -> Manifest {
    manifest(&format!("[capabilities]\n{}", network(entry)))
}

fn lines(asked: &str, allowed: &str) -> Vec<String> {
    met(Some(&asking(asked)), &policy(&rule("a", &network(allowed)))).lines
}

#[test]
fn requests_meet_rules_in_the_narrower_of_both() {
    for (asked, allowed, granted) in [
        (
            r#"url = "https://a.example/v1/", methods = ["GET"]"#,
            r#"url = "https://a.example/", methods = ["GET", "PUT"]"#,
            "network GET https://a.example/v1/",
        ),
        (
            r#"url = "https://a.example/", methods = ["GET", "PUT"]"#,
            r#"url = "https://a.example/v1/", methods = ["GET"]"#,
            "network GET https://a.example/v1/",
        ),
        (
            r#"url = "https://*.a.example/", methods = ["GET"]"#,
            r#"url = "https://x.a.example/", methods = ["GET"]"#,
            "network GET https://x.a.example/",
        ),
        (
            r#"any-public-host = ["https"], methods = ["GET"]"#,
            r#"url = "https://a.example/", methods = ["GET"]"#,
            "network GET https://a.example/",
        ),
        (
            r#"url = "https://a.example/", methods = ["GET"]"#,
            r#"any-public-host = ["https"], methods = ["GET"]"#,
            "network GET https://a.example/",
        ),
        (
            r#"url = "https://a.example/", methods = ["GET"]"#,
            r#"url = "https://a.example/", methods = ["GET"], addresses = ["10.0.0.0/8"], redirects = "follow""#,
            "network GET https://a.example/ at 10.0.0.0/8 following redirects",
        ),
    ] {
        assert_eq!(lines(asked, allowed), [granted], "{asked} and {allowed}");
    }
    for (asked, allowed) in [
        (r#"url = "https://a.example/", methods = ["GET"]"#, r#"url = "http://a.example/", methods = ["GET"]"#),
        (r#"url = "https://a.example/", methods = ["GET"]"#, r#"url = "https://a.example:8443/", methods = ["GET"]"#),
        (
            r#"url = "https://a.example/", methods = ["GET"]"#,
            r#"url = "https://a.example.evil.example/", methods = ["GET"]"#,
        ),
        (r#"url = "https://a.example/", methods = ["GET"]"#, r#"url = "https://*.a.example/", methods = ["GET"]"#),
        (r#"url = "https://a.example/v1/", methods = ["GET"]"#, r#"url = "https://a.example/v10/", methods = ["GET"]"#),
        (r#"url = "https://a.example/", methods = ["GET"]"#, r#"url = "https://a.example/", methods = ["POST"]"#),
    ] {
        let none: [&str; 0] = [];
        assert_eq!(lines(asked, allowed), none, "{asked} and {allowed}");
    }
}

#[test]
fn what_is_granted_only_in_part_is_told_with_what_is_missing() {
    let asked = asking(r#"url = "https://a.example/", methods = ["GET", "PUT"]"#);
    let grant = met(Some(&asked), &policy(&rule("docs", &network(r#"url = "https://a.example/", methods = ["GET"]"#))));
    let refusal = &grant.refusals[0];
    assert_eq!(refusal.what, "network PUT https://a.example/");
    assert!(refusal.reason.contains("only a part"), "{refusal:?}");
    let line = r#"network = [{ url = "https://a.example/", methods = ["PUT"] }]"#;
    assert_eq!((refusal.toml.as_deref(), refusal.rule.as_deref()), (Some(line), Some("docs")));
    assert!(refusal.reason.contains("in the rule `docs`, joined with its own `network`, would"), "{refusal:?}");
    let shared = rule("docs", &network(r#"url = "https://a.example/", methods = ["GET"]"#))
        .replace("[\"search\"]", "[\"search\", \"json\"]");
    let shared = met(Some(&asked), &policy(&shared));
    assert_eq!(shared.refusals[0].rule, None, "the line would widen what others may do");
    let nobody = met(Some(&asked), &Policy::deny_all());
    assert!(nobody.refusals[0].reason.contains("a [[rule]] with `tools = [\"search\"]`"), "{:?}", nobody.refusals);
}

#[test]
fn a_secret_needs_both_sides_in_name_place_and_placement() {
    let asked =
        manifest("[capabilities]\nsecrets = [{ name = \"key\", url = \"https://a.example/v1/\", header = \"X-Key\" }]");
    let of = |entry: &str| met(Some(&asked), &policy(&rule("a", &format!("secrets = [{{ {entry} }}]"))));
    let grant = of(r#"name = "key", from = "mine", url = "https://a.example/", header = "X-Key""#);
    assert_eq!(grant.lines, ["secret key to https://a.example/v1/ in header X-Key"]);
    assert_eq!(grant.refusals, []);
    for other in [
        r#"name = "other", from = "mine", url = "https://a.example/", header = "X-Key""#,
        r#"name = "key", from = "mine", url = "https://b.example/", header = "X-Key""#,
        r#"name = "key", from = "mine", url = "https://a.example/v2/", header = "X-Key""#,
        r#"name = "key", from = "mine", url = "https://a.example/", header = "X-Other""#,
        r#"name = "key", from = "mine", url = "https://a.example/", header = "X-Key", prefix = "Bearer ""#,
        r#"name = "key", from = "mine", url = "https://a.example/", query = "X-Key""#,
    ] {
        let grant = of(other);
        assert!(grant.secrets.is_empty(), "{other}");
        assert_eq!(grant.refusals.len(), 2, "{:?}", grant.refusals);
    }
}

#[test]
fn two_secrets_never_stand_at_one_place_of_a_request() {
    let secret = |from: &str, url: &str, place: &str| {
        format!("secrets = [{{ name = \"key\", from = \"{from}\", url = \"https://a.example{url}\", {place} }}]")
    };
    let of = |one: String, other: String| met(None, &policy(&[rule("a", &one), rule("b", &other)].concat()));
    let header = "header = \"X-Key\"";
    let two = of(secret("x", "/", header), secret("y", "/v1/", "header = \"x-key\""));
    assert!(two.secrets.is_empty());
    assert_eq!(two.refusals.len(), 2, "{:?}", two.refusals);
    let basic = of(secret("x", "/", "basic = \"me\""), secret("y", "/", "header = \"Authorization\""));
    assert!(basic.secrets.is_empty(), "basic authentication is a header too");
    let same = of(secret("x", "/", header), secret("x", "/v1/", header));
    assert_eq!(same.lines, ["secret key to https://a.example/ in header X-Key"]);
    assert_eq!(of(secret("x", "/", header), secret("y", "/", "query = \"key\"")).secrets.len(), 2);
    assert_eq!(of(secret("x", "/v1/", header), secret("y", "/v2/", header)).secrets.len(), 2);
    assert_eq!(of(secret("x", "/", header), secret("x", "/", header)).secrets.len(), 1);
}

#[test]
fn a_question_is_answered_by_rule_or_with_what_would_help() {
    let asked = asking(r#"url = "https://a.example/", methods = ["GET", "PUT"]"#);
    let grant = met(Some(&asked), &policy(&rule("docs", &network(r#"url = "https://a.example/", methods = ["GET"]"#))));
    let decide = |method: &str, host: &str| {
        let target = Target::parse("https", host, "/x?q=1").expect("a target");
        grant.decide(&Question::Request { method, target: &target })
    };
    let rule = Some("docs".to_owned());
    let line = "network GET https://a.example/ (if all its addresses are public)".to_owned();
    assert_eq!(decide("GET", "a.example"), Decision::Granted { rule, line });
    let Decision::Refused { reasons } = decide("PUT", "a.example") else { panic!("granted") };
    assert!(reasons[0].contains("grants GET there, and not PUT") && reasons[1].contains("[\"PUT\"]"), "{reasons:?}");
    let Decision::Refused { reasons } = decide("GET", "b.example") else { panic!("granted") };
    assert!(reasons[0].contains("no entry of the grant covers https://b.example"), "{reasons:?}");
    assert!(matches!(grant.decide(&Question::Secret("key")), Decision::Refused { .. }));
    assert!(matches!(grant.decide(&Question::Mount("/docs")), Decision::Refused { .. }));
    let mounted = met(None, &mounted(Access::ReadOnly));
    let line = "mount /docs read-only".to_owned();
    assert_eq!(mounted.decide(&Question::Mount("/docs")), Decision::Granted { rule: Some("in person".into()), line });
}

#[test]
fn a_question_about_an_address_is_answered_as_the_request_would_be() {
    let decide = |host: &str, more: &str| {
        let entry = format!("url = \"https://{host}/\", methods = [\"GET\"]");
        let allowed = policy(&rule("inside", &network(&format!("{entry}{more}"))));
        let target = Target::parse("https", host, "/").expect("a target");
        met(Some(&asking(&entry)), &allowed).decide(&Question::Request { method: "GET", target: &target })
    };
    let wide = ", addresses = [\"10.0.0.0/8\", \"169.254.0.0/16\"]";
    for (host, more, told) in [
        ("8.8.8.8", "", Ok("network GET https://8.8.8.8/")),
        ("10.1.2.3", wide, Ok("network GET https://10.1.2.3/")),
        (
            "db.example",
            wide,
            Ok("network GET https://db.example/ (if all its addresses are public or in 10.0.0.0/8, 169.254.0.0/16)"),
        ),
        ("10.1.2.3", "", Err("a private address, which only a rule that names its network in `addresses` reaches")),
        ("169.254.169.254", wide, Err("which only a rule that names this one address in `addresses` reaches")),
        ("224.0.0.1", "", Err("a multicast address, which is never dialled")),
    ] {
        match (decide(host, more), told) {
            (Decision::Granted { line, .. }, Ok(told)) => assert_eq!(line, told),
            (Decision::Refused { reasons }, Err(told)) => assert!(reasons[0].ends_with(told), "{reasons:?}"),
            (decided, told) => panic!("{host}: {decided:?}, {told:?}"),
        }
    }
}

#[test]
fn a_secret_at_two_places_of_a_request_is_told_with_both() {
    let twice = rule(
        "api",
        "secrets = [{ name = \"key\", from = \"key\", url = \"https://a.example/\", header = \"apikey\" }, { name = \"key\", from = \"key\", url = \"https://a.example/\", header = \"Authorization\", prefix = \"Bearer \" }]",
    );
    let Decision::Granted { rule, line } = met(None, &policy(&twice)).decide(&Question::Secret("key")) else {
        panic!("refused")
    };
    assert_eq!(rule.as_deref(), Some("api"));
    assert_eq!(line.matches("secret key to https://a.example/ in header").count(), 2, "{line}");
}
