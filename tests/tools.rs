//! Every case of every first-party tool, through the host.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::Response;
use toolcell_build::cases::{self, Case, FailureView};
use toolcell_core::Outcome;
use toolcell_core::manifest::{Callee, Manifest, NetworkRequest};
use toolcell_core::net::Destination;
use toolcell_host::policy::{Allow, AllowedNetwork, AllowedSecret, Redirects, Rule};
use toolcell_host::secrets::{MappedSecrets, Secret, SecretStore, Stores};
use toolcell_host::{Pattern, Policy};

use crate::support::{Cell, checkout, deny_all, run};
use crate::upstream::{Asked, World};

#[test]
fn every_case_of_json_holds() {
    check("json");
}

#[test]
fn every_case_of_table_holds() {
    check("table");
}

#[test]
fn every_case_of_search_holds() {
    check("search");
}

#[test]
fn every_case_of_graph_holds() {
    check("graph");
}

#[test]
fn every_case_of_leads_holds() {
    check("leads");
}

#[test]
fn every_case_of_http_holds() {
    check("http");
}

#[test]
fn every_case_of_websearch_holds() {
    check("websearch");
}

#[test]
fn every_case_of_compute_holds() {
    check("compute");
}

#[test]
fn every_case_of_enrich_holds() {
    check("enrich");
}

#[test]
fn every_case_of_postgrest_holds() {
    check("postgrest");
}

#[test]
fn every_case_of_notify_holds() {
    check("notify");
}

/// Tools whose cases run above.
pub(crate) const CHECKED: &[&str] =
    &["compute", "enrich", "graph", "http", "json", "leads", "notify", "postgrest", "search", "table", "websearch"];

#[test]
fn no_first_party_tool_is_forgotten() {
    let mut folders: Vec<_> = fs::read_dir(checkout().join("tools-wasm"))
        .unwrap()
        .flatten()
        .filter(|entry| entry.path().join("tool.toml").exists())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    folders.sort();
    assert_eq!(folders, CHECKED);
}

#[test]
fn every_tool_describes_itself_to_a_model() {
    let folders: Vec<_> = CHECKED.iter().map(|name| format!("tools-wasm/{name}")).collect();
    let folders: Vec<_> = folders.iter().map(String::as_str).collect();
    let cell = Cell::with(&folders, deny_all());
    let snapshot = cell.host.snapshot();
    assert!(snapshot.tools().len() >= 35, "{}", snapshot.tools().len());
    for (component, tool) in snapshot.tools() {
        assert!(tool.signature.is_ok(), "{}: {:?}", tool.id, tool.signature);
        let docs = component.docs.as_ref().and_then(|docs| docs.tools.get(tool.id.within()));
        assert!(docs.is_some_and(|docs| docs.description.len() > 40), "{} says too little of itself", tool.id);
        let manifest = component.manifest.as_ref().unwrap();
        assert!(
            manifest.examples.iter().all(|example| component.tools.iter().any(|tool| tool.id.within() == example.tool))
        );
        assert!(component.notes.is_empty(), "{}: {:?}", component.name, component.notes);
    }
}

#[test]
fn every_example_of_a_manifest_is_accepted() {
    let folders: Vec<_> = CHECKED.iter().map(|name| format!("tools-wasm/{name}")).collect();
    let folders: Vec<_> = folders.iter().map(String::as_str).collect();
    let cell = Cell::with(&folders, deny_all());
    run(async {
        for component in cell.host.snapshot().components() {
            let examples = &component.manifest.as_ref().unwrap().examples;
            assert!(!examples.is_empty(), "{} has no example", component.name);
            for example in examples {
                let outcome = cell.call(&format!("{}.{}", component.name, example.tool), &example.arguments).await;
                // Without a mounted folder a tool may find nothing, and without a network it is denied; arguments that do
                // not fit are another matter.
                if let Some(failure) = outcome.verdict.failure() {
                    let kind = failure.kind.name();
                    let (name, description) = (&component.name, &example.description);
                    assert!(matches!(kind, "not-found" | "denied"), "{name}: {description}: {failure:?}");
                }
            }
        }
    });
}

#[test]
fn a_granted_secret_arrives_at_its_place_and_the_tool_never_has_it() {
    type At = fn(&Asked) -> bool;
    const KEY: &str = "canary-3f9c2b7a1d";
    let header = |asked: &Asked, name: &str| asked.header(name).unwrap_or_default();
    let rows: [(&str, &str, &str, &str, At); 3] = [
        ("websearch", "web", r#"{"query": "sandbox"}"#, "https://api.search.brave.com", |asked| {
            asked.header("x-subscription-token").as_deref() == Some(KEY)
        }),
        ("compute", "answer", r#"{"question": "17!"}"#, "https://api.wolframalpha.com", |asked| {
            asked.target.contains(&format!("appid={KEY}"))
        }),
        ("enrich", "person", r#"{"email": "ada@example.com"}"#, "https://person.clearbit.com", |asked| {
            asked.header("authorization") == Some(format!("Bearer {KEY}"))
        }),
    ];
    for (name, tool, arguments, origin, arrived) in rows {
        let manifest = fs::read(checkout().join("tools-wasm").join(name).join("tool.toml")).unwrap();
        let manifest = Manifest::parse(&manifest).unwrap();
        let world = World::new();
        // It says back all that it was sent, as a message of an error: a tool would hand that on.
        let upstream = world.serve(origin, move |asked| {
            let echo = format!(
                "{} {} {}",
                asked.target,
                header(asked, "authorization"),
                header(asked, "x-subscription-token")
            );
            let body = serde_json::json!({ "error": { "message": echo }, "message": echo }).to_string();
            let answer = Response::builder().status(403).header("content-type", "application/json");
            answer.body(Bytes::from(body)).unwrap()
        });
        let mut mapped = MappedSecrets::new("the test");
        mapped.insert("the-key".parse().unwrap(), Secret::new(KEY.as_bytes().to_vec()).unwrap());
        let secrets: Arc<dyn SecretStore> = Arc::new(mapped);
        let cell = Cell::behind(world.door(), secrets, &[&format!("tools-wasm/{name}")]);
        let rule = |allow: Allow| Rule::new(Pattern::from(name.parse::<Callee>().unwrap()), allow);
        let mut policy = Policy::deny_all();
        for NetworkRequest { reach, methods, .. } in &manifest.capabilities.network {
            for destination in reach.destinations() {
                let (methods, redirects) = (methods.clone(), Redirects::Return);
                let allowed = AllowedNetwork { destination, methods, networks: Vec::new(), redirects };
                policy = policy.rule(rule(Allow::Network(allowed)));
            }
        }
        for secret in &manifest.capabilities.secrets {
            policy = policy.rule(rule(Allow::Secret(AllowedSecret {
                name: secret.name.clone(),
                from: "the-key".to_owned(),
                destination: secret.destination.clone(),
                placement: secret.placement.clone(),
            })));
        }
        cell.host.set_policy(policy);
        let outcome = run(cell.call(&format!("{name}.{tool}"), arguments));
        let asked = upstream.requests();
        assert!(asked.len() == 1 && arrived(&asked[0]), "{name}: {asked:?} {outcome:?}");
        let told = serde_json::to_string(&outcome).unwrap();
        assert!(!told.contains(KEY), "{name} was told its secret: {told}");
    }
}

fn check(name: &str) {
    let folder = checkout().join("tools-wasm").join(name);
    let cases = cases::load(&folder).unwrap();
    assert!(cases.len() >= 10, "{name} has only {} cases", cases.len());
    let manifest = Manifest::parse(&fs::read(folder.join("tool.toml")).unwrap()).unwrap();
    let world = World::new();
    let cell = Cell::behind(world.door(), Arc::new(Stores::default()), &[&format!("tools-wasm/{name}")]);
    let mut wrong = String::new();
    run(async {
        for case in &cases {
            // A case that writes gets a copy, so that running it twice gives the same.
            let scratch = tempfile::tempdir().unwrap();
            let mut policy = Policy::deny_all();
            for mount in &case.mounts {
                let place = scratch.path().join(mount.guest.trim_start_matches('/').replace('/', "_"));
                copy(&folder.join(&mount.host), &place);
                policy = policy.mount(Pattern::Any, &place, &mount.guest, mount.access).unwrap();
            }
            cell.host.set_policy(granting(policy, name, case, &manifest));
            let unforeseen = upstreams(&world, case, &folder);
            let outcome = cell.call(&format!("{name}.{}", case.tool), case.arguments.get()).await;
            let mut report = |problem: &dyn std::fmt::Display| {
                let _ = writeln!(wrong, "{}:{}: {}\n{problem}", case.file.display(), case.line, case.name);
            };
            if let Err(mismatch) = compare(case, &outcome) {
                report(&mismatch);
            }
            for problem in unforeseen.lock().unwrap().iter() {
                report(problem);
            }
        }
    });
    assert!(wrong.is_empty(), "\n{wrong}");
    println!("{name}: {} cases", cases.len());
}

/// A policy that also grants the settings and the network that a case has.
pub(crate) fn granting(mut policy: Policy, name: &str, case: &Case, manifest: &Manifest) -> Policy {
    let rule = |allow: Allow| Rule::new(Pattern::from(name.parse::<Callee>().unwrap()), allow);
    for (key, value) in &case.config {
        policy = policy.rule(rule(Allow::Config { key: key.clone(), value: value.clone() }));
    }
    for allowed in network(case, manifest) {
        policy = policy.rule(rule(Allow::Network(allowed)));
    }
    policy
}

/// What a case's call may do on the network: what the manifest asks for, at the origins that the case has.
fn network(case: &Case, manifest: &Manifest) -> Vec<AllowedNetwork> {
    let asked = |NetworkRequest { reach, methods, .. }: &NetworkRequest| {
        reach.destinations().into_iter().map(|to| (to, methods.clone())).collect::<Vec<_>>()
    };
    let asked: Vec<_> = manifest.capabilities.network.iter().flat_map(asked).collect();
    let mut allowed = Vec::new();
    for upstream in &case.upstream {
        let origin: Destination = format!("{}/", upstream.origin).parse().unwrap();
        let met: Vec<_> = asked.iter().filter_map(|(to, methods)| Some((to.meet(&origin)?, methods))).collect();
        assert!(!met.is_empty(), "the manifest requests nothing at {}", upstream.origin);
        allowed.extend(met.into_iter().map(|(destination, methods)| AllowedNetwork {
            destination,
            methods: methods.clone(),
            networks: Vec::new(),
            redirects: Redirects::Return,
        }));
    }
    allowed
}

/// Servers in the place of a case's origins. The list is of requests that the case does not foresee.
fn upstreams(world: &World, case: &Case, folder: &Path) -> Arc<Mutex<Vec<String>>> {
    let unforeseen = Arc::new(Mutex::new(Vec::new()));
    for upstream in &case.upstream {
        let (problems, upstream, folder) = (unforeseen.clone(), upstream.clone(), folder.to_owned());
        world.serve(&upstream.origin.clone(), move |asked| {
            let Asked { method, target, headers, body } = asked;
            match upstream.answer(cases::Request { method, target, headers, body }) {
                Ok(answer) => {
                    let mut response = Response::builder().status(answer.status);
                    for (name, value) in &answer.headers {
                        response = response.header(name, value);
                    }
                    response.body(answer.body(&folder).unwrap().into()).unwrap()
                }
                Err(problem) => {
                    problems.lock().unwrap().push(problem);
                    Response::builder().status(599).body(Bytes::new()).unwrap()
                }
            }
        });
    }
    unforeseen
}

/// Holds what came out against what the case expects.
pub(crate) fn compare(case: &Case, outcome: &Outcome) -> Result<(), cases::Mismatch> {
    let value = outcome.verdict.result().map(|result| serde_json::from_str(result.get()).unwrap());
    let seen = match (&value, outcome.verdict.failure()) {
        (Some(value), _) => Ok(value),
        (None, failure) => {
            let failure = failure.unwrap();
            let pointer = failure.problems.first().map(|problem| problem.pointer.as_str());
            Err(FailureView { kind: failure.kind.name(), pointer, message: &failure.message })
        }
    };
    cases::check(&case.expect, case.tolerance, seen)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap_or_else(|error| panic!("{}: {error}", from.display())).flatten() {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
