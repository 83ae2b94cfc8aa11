//! What a good policy comes to.

use super::*;

#[test]
fn a_whole_policy_says_what_it_says() {
    let desk = Desk::new();
    let policy = desk.load(WHOLE).expect("reads");
    assert_eq!(policy.review(), Review::Required);
    assert_eq!(policy.limits().get(Limit::Fuel), 1_000_000_000);
    assert_eq!(policy.limits().get(Limit::Memory), 128 << 20);
    assert_eq!(policy.limits().get(Limit::Time), 10_000);
    assert_eq!(policy.extra_ca()[0].path, desk.at("ca.pem"));
    assert_eq!(policy.secret_stores().len(), 3);
    let age = SecretStore::Age { file: desk.at("secrets.age"), identity: desk.at("identity.txt") };
    assert_eq!(policy.secret_stores()[2], age);
    assert!(policy.tenant_matters());
    let rule = &policy.rules()[0];
    let (search, json) = ("search.query".parse().expect("an id"), "json.query".parse().expect("an id"));
    let (digest, tenant) = (Digest::of(b"abc"), toolcell_core::Tenant("acme".into()));
    let asked = |tool| policy.signers(&Subject { tool, component: digest, signers: &[], tenant: &tenant }).len();
    assert_eq!((asked(&search), asked(&json)), (1, 0), "only a rule for the tool asks for a signature");
    assert_eq!(rule.name, "search the docs");
    assert_eq!(rule.source, Source::File { path: desk.at("policy.toml"), line: 18 });
    assert_eq!(rule.whom.tools.as_ref().map(BTreeSet::len), Some(2));
    // One limit, mount, setting, secret and quota, three destinations, two callees, two hints, one engine.
    assert_eq!(rule.allow.len(), 5 + 3 + 2 + 2 + 1);
    let follows = |allow: &&Allow| matches!(allow, Allow::Network(network) if network.redirects == Redirects::Follow);
    let Some(Allow::Network(network)) = rule.allow.iter().find(follows) else { panic!("a network") };
    let shown: Vec<_> = network.networks.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["10.0.0.0/8", "192.168.0.1/32"]);
}

#[test]
fn the_smallest_policy_allows_nothing() {
    let policy = Desk::new().load("version = 1\n").expect("reads");
    assert!(policy.rules().is_empty() && policy.review() == Review::NotRequired && !policy.tenant_matters());
    assert_eq!(policy.digest(), Policy::deny_all().digest());
}

#[test]
fn a_folder_is_read_whole_in_the_order_of_names() {
    let desk = Desk::new();
    let rule = |name: &str| {
        format!(
            "version = 1\n[limits]\nfuel = {}\n[[rule]]\nname = \"{name}\"\nall-tools = true\nextended-engine = true\n",
            name.len()
        )
    };
    desk.write("policy.d/20-b.toml", rule("second"));
    let first = desk.write("elsewhere.toml", rule("the first one"));
    std::os::unix::fs::symlink(first, desk.at("policy.d/10-a.toml")).expect("a link");
    desk.write("policy.d/.10-a.toml.swp", "not policy");
    let policy = Policy::load(&desk.at("policy.d")).expect("reads");
    let names: Vec<_> = policy.rules().iter().map(|rule| rule.name.as_str()).collect();
    assert_eq!(names, ["the first one", "second"]);
    assert_eq!(policy.limits().get(Limit::Fuel), 6, "of two files the smaller value holds");

    desk.write("policy.d/30-c.toml", rule("second"));
    desk.write("policy.d/notes.txt", "");
    let problems = Policy::load(&desk.at("policy.d")).expect_err("a name twice").to_string();
    assert!(problems.contains("30-c.toml:5:8: another rule has this name: "), "{problems}");
    assert!(
        problems.contains("20-b.toml:4;") && problems.contains("notes.txt: a folder of policy holds"),
        "{problems}"
    );
}

#[test]
fn an_empty_folder_and_a_missing_file_are_no_policy() {
    let desk = Desk::new();
    assert!(Policy::load(&desk.at("docs")).expect_err("empty").to_string().contains("holds no `*.toml`"));
    assert!(Policy::load(&desk.at("none.toml")).expect_err("missing").to_string().contains("is not there"));
}

#[test]
fn a_file_that_others_can_write_to_is_refused() {
    let desk = Desk::new();
    let path = desk.write("policy.toml", "version = 1\n");
    assert!(Policy::load(&path).is_ok());
    for mode in [0o664, 0o646, 0o666] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("sets");
        let problems = Policy::load(&path).expect_err("writable").to_string();
        assert!(problems.contains("chmod go-w"), "{problems}");
    }
    desk.write("policy.d/a.toml", "version = 1\n");
    fs::set_permissions(desk.at("policy.d"), fs::Permissions::from_mode(0o777)).expect("sets");
    assert!(Policy::load(&desk.at("policy.d")).is_err());
}

#[test]
fn what_cannot_be_a_file_of_policy_is_refused_at_bounded_cost() {
    let desk = Desk::new();
    assert!(desk.load(vec![b'#'; (1 << 20) + 1]).expect_err("too large").to_string().contains("at most 1048576"));
    assert!(desk.load([0xff, 0xfe]).expect_err("no text").to_string().contains("not UTF-8"));
    assert!(Policy::load(Path::new("/dev/zero")).expect_err("a device").to_string().contains("a device"));
}

#[test]
fn the_digest_is_of_what_is_said_and_not_of_how() {
    let desk = Desk::new();
    let digest = |text: &str| desk.load(text).expect(text).digest();
    let rule =
        |name: &str, tools: &str| format!("[[rule]]\nname = \"{name}\"\ntools = {tools}\nextended-engine = true\n");
    let (a, b) = (rule("a", "[\"x\", \"y\"]"), rule("b", "[\"z\"]"));
    let whole = digest(&format!("version = 1\n{a}{b}"));
    assert_eq!(whole, digest(&format!("# a comment\nversion=1\n\n{b}{}", rule("a", "[\"y\", \"x\"]"))));
    for other in [
        format!("version = 1\n{a}"),
        format!("version = 1\nrequire-approval = true\n{a}{b}"),
        format!("version = 1\n{a}{}", rule("b", "[\"y\"]")),
        format!("version = 1\n{a}{}", rule("c", "[\"z\"]")),
        format!("version = 1\nlimits = {{ fuel = 1 }}\n{a}{b}"),
        format!("version = 1\nextra-ca = [\"ca.pem\"]\n{a}{b}"),
    ] {
        assert_ne!(whole, digest(&other), "{other}");
    }
    assert_eq!(desk.load(WHOLE).expect("reads").digest(), desk.load(WHOLE).expect("reads").digest());
}
