use toolcell_core::net::{Destination, Methods};

use super::*;

fn to(url: &str, methods: &[&str]) -> Reachable {
    Reachable {
        destination: url.parse().expect("a destination"),
        methods: Methods::parse(methods).expect("methods"),
        private: Vec::new(),
        redirects: Redirects::Return,
    }
}

fn any() -> Reachable {
    Reachable { destination: Destination::any_public(Scheme::Https), ..to("https://a.example/", &["GET"]) }
}

fn with(change: impl FnOnce(&mut Powers)) -> Powers {
    let mut powers = Powers::default();
    change(&mut powers);
    powers
}

const QUIET: Author = Author::Claims { hints: HINTS, confirmed: HINTS };
const HINTS: Hints = Hints { read_only: None, idempotent: None, destructive: None, open_world: None };

fn told(powers: &Powers) -> Vec<(Level, String)> {
    risks(powers, QUIET).into_iter().map(|risk| (risk.level, risk.sentence)).collect()
}

#[track_caller]
fn check(powers: &Powers, level: Level, words: &[&str]) {
    let told = told(powers);
    let found = told.iter().any(|(of, sentence)| *of == level && words.iter().all(|word| sentence.contains(word)));
    assert!(found, "{words:?}: {told:?}");
}

#[test]
fn what_can_do_nothing_has_no_risk() {
    assert!(told(&Powers::default()).is_empty());
    assert!(risks(&Powers::default(), Author::Silent).is_empty());
}

#[test]
fn what_reads_one_folder_or_gets_from_one_host_has_no_risk_by_itself() {
    let reads = with(|powers| powers.mounts.extend([("/docs".into(), Access::ReadOnly)]));
    assert!(told(&reads).is_empty());
    let gets = with(|powers| powers.network.extend([to("https://a.example/v1/", &["GET", "HEAD"])]));
    assert!(told(&gets).is_empty());
}

#[test]
fn each_risk_is_told_with_what_it_is_about() {
    check(
        &with(|powers| powers.mounts.extend([("/data".into(), Access::ReadWrite)])),
        Level::High,
        &["change and delete", "/data"],
    );
    check(&with(|powers| powers.network.extend([any()])), Level::High, &["every public host"]);
    let private = Reachable { private: vec!["10.0.0.0/8".into()], ..to("https://in.example/", &["GET"]) };
    check(&with(|powers| powers.network.extend([private])), Level::High, &["not public", "10.0.0.0/8"]);
    let many = to("https://*.example.com/", &["GET"]);
    check(&with(|powers| powers.network.extend([many])), Level::Medium, &["every host under", "*.example.com"]);
    let clear = to("http://a.example/", &["GET"]);
    check(&with(|powers| powers.network.extend([clear])), Level::Medium, &["in the clear", "http://a.example/"]);
    let writes = to("https://a.example/", &["GET", "DELETE"]);
    check(&with(|powers| powers.network.extend([writes])), Level::Medium, &["change things", "DELETE"]);
    let follows = Reachable { redirects: Redirects::Follow, ..to("https://a.example/", &["GET"]) };
    check(&with(|powers| powers.network.extend([follows])), Level::Low, &["redirects", "a.example"]);
    let secret = |url: &str| {
        let destination = url.parse().expect("a destination");
        with(|powers| powers.secrets.extend([("key".into(), destination)]))
    };
    check(&secret("https://a.example/"), Level::Medium, &["`key`", "rights"]);
    check(&secret("http://a.example/"), Level::High, &["`key`", "in the clear"]);
    check(&with(|powers| powers.calls.extend(["json.query".into()])), Level::Medium, &["can call json.query"]);
    check(&with(|powers| powers.engine = Engine::Extended), Level::Medium, &["garbage collection"]);
    check(&with(|powers| powers.raised.extend(["fuel 9 in place of 2".into()])), Level::Low, &["fuel 9"]);
}

#[test]
fn files_and_network_together_are_worse_than_either() {
    let both = with(|powers| {
        powers.mounts.insert(("/docs".into(), Access::ReadOnly));
        powers.network.insert(to("https://a.example/", &["GET"]));
        powers.kv = Kept::Values;
    });
    check(&both, Level::High, &["/docs", "can be carried to https://a.example/"]);
    check(&both, Level::Low, &["keeps values beyond a call"]);
}

#[test]
fn what_the_manifest_says_is_told_and_what_nobody_confirms_is_not_relied_on() {
    let of = |hints: Hints, confirmed: Hints| risks(&Powers::default(), Author::Claims { hints, confirmed });
    let claims = Hints { read_only: Some(true), destructive: Some(true), open_world: Some(true), ..HINTS };
    let found = of(claims, HINTS);
    assert_eq!(found[0].level, Level::High, "{found:?}");
    assert!(found[0].sentence.contains("destroy"), "{found:?}");
    assert!(found.iter().any(|risk| risk.sentence.contains("claims `read-only`")), "{found:?}");
    assert!(found.iter().any(|risk| risk.sentence.contains("others change")), "{found:?}");
    let confirmed = Hints { read_only: Some(true), ..HINTS };
    assert!(of(confirmed, confirmed).is_empty());
    let silent = with(|powers| powers.mounts.extend([("/docs".into(), Access::ReadOnly)]));
    assert!(risks(&silent, Author::Silent)[0].sentence.contains("no manifest"));
}

#[test]
fn the_highest_come_first_and_a_flood_is_counted() {
    let flood = with(|powers| {
        for number in 0..1_000 {
            powers.network.insert(to(&format!("http://h{number}.example/{}", "x".repeat(1_000)), &["POST"]));
            powers.mounts.insert((format!("/m{number}\u{1b}[2J"), Access::ReadWrite));
        }
    });
    let found = risks(&flood, Author::Silent);
    assert!(found.windows(2).all(|pair| pair[0].level >= pair[1].level), "{found:?}");
    assert!(found.iter().any(|risk| risk.sentence.contains("and 996 more")), "{found:?}");
    assert!(found.iter().all(|risk| risk.sentence.len() < 2_500 && !risk.sentence.contains('\u{1b}')), "{found:?}");
}
