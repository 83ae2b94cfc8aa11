//! The ground truth: right calls of the first-party tools, from their own cases, on the real host.
//!
//! Owns the host and the servers that answer in the place of the internet, and what each right call gives. It refuses cases that
//! expect a failure, write into a mount, or are too large to be got wrong in an interesting way.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use http::Response;
use serde_json::Value;
use toolcell_build::cases::{self, Case, Expect, Request};
use toolcell_core::manifest::{Access, Manifest};
use toolcell_core::{
    Arguments, CallId, Card, Digest, Directory, Effects, Events, Failure, Kind, Outcome, Tenant, ToolCall, Toolbox,
};
use toolcell_host::schema::{input_schema, output_schema};
use toolcell_host::secrets::Stores;
use toolcell_host::{Pattern, Policy};

use crate::support::{Cell, checkout};
use crate::tools::{CHECKED, compare, granting};
use crate::upstream::{Asked, World};

/// A guest of the tests, for what no first-party tool takes: bytes.
const GUEST: &str = "tests/guests/echo";

/// Right calls of the guest, and what they give.
const GUEST_CALLS: &[(&str, &str, &str)] = &[
    ("echo.bytes", r#"{"value": "PDw/Pz8+Pg=="}"#, r#""PDw/Pz8+Pg==""#),
    ("echo.bytes", r#"{"value": "+/+/YQ=="}"#, r#""+/+/YQ==""#),
    ("echo.bytes", r#"{"value": "YSB0ZXh0IQ=="}"#, r#""YSB0ZXh0IQ==""#),
];

/// Defaults that no case says, by tool: saying them changes nothing, and they are large numbers.
const DEFAULTS: &[(&str, &str, u64)] =
    &[("http.fetch", "max_bytes", 1_048_576), ("http.read-page", "max_characters", 50_000)];

/// Longer arguments, in bytes of JSON, are left out.
const MAX_ARGUMENTS: usize = 4_096;

/// The tools, where they run, and what is right.
pub(crate) struct Ground {
    cell: Arc<Cell>,
    /// Its servers live as long as it does.
    world: World,
    scene: Arc<Mutex<Scene>>,
    /// Every right call, those of the first-party tools first.
    pub(crate) truths: Vec<Truth>,
    /// How many of them are of first-party tools.
    pub(crate) first_party: usize,
    /// What a caller may know of the tools.
    pub(crate) cards: Arc<Cards>,
}

/// A right call, and what it gives.
#[derive(Clone)]
pub(crate) struct Truth {
    /// The tool's card.
    pub(crate) card: Arc<Card>,
    /// The case's name; with the tool's id it is unique.
    pub(crate) name: String,
    /// The right arguments.
    pub(crate) arguments: Value,
    /// The right result.
    pub(crate) result: Value,
    /// What it is expected to give.
    expect: Option<Case>,
    scene: Scene,
    policy: Policy,
}

/// What the servers say.
#[derive(Clone, Default)]
struct Scene {
    upstream: Vec<cases::Upstream>,
    folder: PathBuf,
}

impl Ground {
    /// Builds the tools, starts the host and makes every right call once.
    pub(crate) async fn lay() -> Self {
        let folders: Vec<String> = CHECKED.iter().map(|name| format!("tools-wasm/{name}")).collect();
        let folders: Vec<&str> = folders.iter().map(String::as_str).chain([GUEST]).collect();
        let world = World::new();
        let cell = Arc::new(Cell::behind(world.door(), Arc::new(Stores::default()), &folders));
        let cards = Arc::new(Cards::of(&cell));
        let scene = Arc::<Mutex<Scene>>::default();
        let mut ground = Self { cell, world, scene, truths: Vec::new(), first_party: 0, cards };
        for name in CHECKED {
            let folder = checkout().join("tools-wasm").join(name);
            let manifest = Manifest::parse(&std::fs::read(folder.join("tool.toml")).unwrap()).unwrap();
            for case in cases::load(&folder).unwrap() {
                ground.admit(name, case, &folder, &manifest);
            }
        }
        ground.first_party = ground.truths.len();
        for (number, (tool, arguments, result)) in GUEST_CALLS.iter().enumerate() {
            ground.truths.push(Truth {
                card: ground.cards.card(tool, &Tenant::default()).unwrap(),
                name: format!("guest {number}"),
                arguments: serde_json::from_str(arguments).unwrap(),
                result: serde_json::from_str(result).unwrap(),
                expect: None,
                scene: Scene::default(),
                policy: Policy::deny_all(),
            });
        }
        for (tool, option, value) in DEFAULTS {
            let plain = |truth: &&Truth| truth.card.id.as_str() == *tool && truth.arguments.get("options").is_none();
            let mut truth = ground.truths.iter().find(plain).expect("a case without options").clone();
            truth.arguments["options"] = serde_json::json!({ *option: value });
            truth.name = format!("{}; its default said", truth.name);
            ground.truths.push(truth);
        }
        ground.open_servers();
        ground.call_every_truth().await;
        ground
    }

    fn admit(&mut self, name: &str, case: Case, folder: &std::path::Path, manifest: &Manifest) {
        let writes = case.mounts.iter().any(|mount| mount.access != Access::ReadOnly);
        let arguments: Result<Value, _> = serde_json::from_str(case.arguments.get());
        let Ok(arguments @ Value::Object(_)) = arguments else { return };
        if matches!(case.expect, Expect::Failure(_)) || writes || case.arguments.get().len() > MAX_ARGUMENTS {
            return;
        }
        let mut policy = Policy::deny_all();
        for mount in &case.mounts {
            policy = policy.mount(Pattern::Any, &folder.join(&mount.host), &mount.guest, mount.access).unwrap();
        }
        let policy = granting(policy, name, &case, manifest);
        let card = self.cards.card(&format!("{name}.{}", case.tool), &Tenant::default()).unwrap();
        let scene = Scene { upstream: case.upstream.clone(), folder: folder.to_owned() };
        let name = case.name.clone();
        self.truths.push(Truth { card, name, arguments, result: Value::Null, expect: Some(case), scene, policy });
    }

    /// One server for each origin. What it says is the scene's.
    fn open_servers(&self) {
        let origins =
            self.truths.iter().flat_map(|truth| &truth.scene.upstream).map(|upstream| upstream.origin.clone());
        for origin in origins.collect::<std::collections::BTreeSet<_>>() {
            let scene = self.scene.clone();
            self.world.serve(&origin.clone(), move |asked| {
                let scene = scene.lock().unwrap();
                let Asked { method, target, headers, body } = asked;
                let upstream = scene.upstream.iter().find(|upstream| upstream.origin == origin);
                let answer =
                    upstream.and_then(|upstream| upstream.answer(Request { method, target, headers, body }).ok());
                let Some(answer) = answer else {
                    // Nobody foresaw it: a wrong call has asked for something else.
                    return Response::builder().status(404).body(Bytes::new()).unwrap();
                };
                // Without one of its own a server says the time, and the result of a call would change from second to second.
                let mut response = Response::builder().status(answer.status);
                if !answer.headers.keys().any(|name| name.eq_ignore_ascii_case("date")) {
                    response = response.header("date", "Thu, 01 Jan 2026 00:00:00 GMT");
                }
                for (name, value) in &answer.headers {
                    response = response.header(name, value);
                }
                response.body(answer.body(&scene.folder).unwrap().into()).unwrap()
            });
        }
    }

    async fn call_every_truth(&mut self) {
        for n in 0..self.truths.len() {
            self.set(n);
            let truth = &self.truths[n];
            let outcome = self
                .host()
                .call(self.call(truth.card.id.as_str(), &truth.arguments.to_string()), &toolcell_core::Silent)
                .await;
            let result = outcome.verdict.result().map(|result| serde_json::from_str(result.get()).unwrap());
            match &truth.expect {
                Some(case) => {
                    let held = compare(case, &outcome);
                    held.unwrap_or_else(|mismatch| panic!("{} {}: {mismatch}", truth.card.id, truth.name));
                    self.truths[n].result = result.expect("the case expects a result");
                }
                None => assert_eq!(result.as_ref(), Some(&truth.result), "{} {}", truth.card.id, truth.name),
            }
        }
    }

    /// Grants what a truth needs, and has the servers say what it expects.
    pub(crate) fn set(&self, truth: usize) {
        let truth = &self.truths[truth];
        self.cell.host.set_policy(truth.policy.clone());
        *self.scene.lock().unwrap() = truth.scene.clone();
    }

    /// The bare host.
    pub(crate) fn host(&self) -> Bare {
        Bare(self.cell.clone())
    }

    /// A call of a caller of its own.
    pub(crate) fn call(&self, tool: &str, arguments: &str) -> ToolCall {
        ToolCall {
            caller: "evaluation".to_owned(),
            ..ToolCall::new(self.cell.id(), tool, Arguments::from_text(arguments).unwrap())
        }
    }
}

/// The host as a toolbox that can be shared.
#[derive(Clone)]
pub(crate) struct Bare(Arc<Cell>);

#[async_trait]
impl Toolbox for Bare {
    async fn call(&self, call: ToolCall, events: &dyn Events) -> Outcome {
        self.0.host.call(call, events).await
    }

    fn cancel(&self, call: CallId) -> bool {
        self.0.host.cancel(call)
    }
}

/// The cards of the tools, with the effects that their manifests claim: the operator of an evaluation vouches for its own tools.
pub(crate) struct Cards(BTreeMap<String, Arc<Card>>);

impl Cards {
    fn of(cell: &Cell) -> Self {
        let mut cards = BTreeMap::new();
        for (component, tool) in cell.host.snapshot().tools() {
            let signature = tool.signature.as_ref().unwrap();
            let docs = component.docs.as_ref().and_then(|docs| docs.tools.get(tool.id.within()));
            let manifest = component.manifest.as_ref().unwrap();
            let hints = manifest.hints_of(tool.id.within());
            let effects = match (hints.read_only, hints.idempotent) {
                (Some(true), _) => Effects::ReadOnly,
                (_, Some(true)) => Effects::Idempotent,
                _ => Effects::Once,
            };
            let card = Card {
                id: tool.id.clone(),
                component: component.digest,
                version: None,
                category: None,
                description: docs.map(|docs| docs.description.clone()),
                arguments: Arc::new(input_schema(signature, docs)),
                result: Arc::new(output_schema(signature, docs)),
                examples: Vec::new(),
                effects,
                grant: Digest::of(b"evaluation"),
                secrets: false,
                keeps_results: false,
            };
            cards.insert(tool.id.as_str().to_owned(), Arc::new(card));
        }
        Self(cards)
    }
}

impl Directory for Cards {
    fn card(&self, tool: &str, _: &Tenant) -> Result<Arc<Card>, Box<Failure>> {
        let unknown = || Box::new(Failure::new(Kind::UnknownTool, format!("no tool is called `{tool}`")));
        self.0.get(tool).cloned().ok_or_else(unknown)
    }

    fn cards(&self, _: &Tenant) -> Vec<Arc<Card>> {
        self.0.values().cloned().collect()
    }
}
