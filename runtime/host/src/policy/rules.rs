//! One rule of a file: whom it is for, and what it allows.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use toml::de::DeValue;
use toolcell_core::manifest::{
    Access, Callee, KvRequest, Reach, bound_to_one_host, is_config_key, is_guest_path, is_secret_name,
};
use toolcell_core::net::{Destination, Methods, Placement};
use toolcell_core::units::Bytes;
use toolcell_core::{Digest, Tenant};

use super::document::{limits, path};
use super::walk::{Fields, Value, Walk};
use super::{
    Allow, AllowedNetwork, AllowedSecret, Folder, Hint, KvQuota, PolicyError, Redirects, Rule, Signer, Source, Whom,
};
use crate::schema::inert;

/// The longest name of a rule, in bytes; denials and receipts carry it.
const MAX_RULE_NAME: usize = 100;

/// The longest name of a tenant, in bytes.
const MAX_TENANT: usize = 128;

pub(super) const SECRET_NAME: &str =
    "a secret's name has 1 to 64 ASCII letters, digits, `-`, `_` and `.`, and begins and ends with a letter or digit";

const KEYS: &[&str] = &[
    "name",
    "tools",
    "all-tools",
    "digests",
    "signers",
    "tenants",
    "limits",
    "mounts",
    "config",
    "network",
    "secrets",
    "kv",
    "call",
    "extended-engine",
    "confirm",
];

/// Reads a rule. `names` holds the places of the names so far.
pub(super) fn read(walk: &Walk<'_>, value: &Value<'_>, names: &mut BTreeMap<String, (PathBuf, usize)>) -> Option<Rule> {
    let fields = walk.table(value, "a rule", KEYS)?;
    let name = name(&fields, names);
    let whom = whom(&fields);
    let allow = allowed(&fields);
    let says = KEYS[KEYS.iter().position(|key| *key == "limits").unwrap_or_default()..].iter();
    if !says.clone().any(|key| fields.get(key).is_some()) {
        let says: Vec<&str> = says.copied().collect();
        fields.refuse(format_args!("the rule allows nothing: remove it, or give it one of {}", says.join(", ")));
    }
    Some(Rule {
        name: name?,
        source: Source::File { path: walk.file().to_owned(), line: fields.line() },
        whom: whom?,
        allow,
    })
}

fn name(fields: &Fields<'_, '_>, names: &mut BTreeMap<String, (PathBuf, usize)>) -> Option<String> {
    let value = fields.required("name", "`name = \"what it is for\"`; denials call the rule by it")?;
    let walk = fields.walk();
    let name = walk.checked(value, |text| {
        let fits = !text.trim().is_empty() && text.len() <= MAX_RULE_NAME && inert(text, MAX_RULE_NAME) == text;
        let rule = format!("a rule's name has 1 to {MAX_RULE_NAME} bytes, all of them visible on one line");
        if fits { Ok(text.to_owned()) } else { Err(rule) }
    })?;
    if let Some((file, line)) = names.get(&name) {
        let message = format!("another rule has this name: {}:{line}; denials name one rule", file.display());
        walk.refuse(value.span(), message);
        return None;
    }
    names.insert(name.clone(), (walk.file().to_owned(), fields.line()));
    Some(name)
}

fn whom(fields: &Fields<'_, '_>) -> Option<Whom> {
    const MISSING: &str = "the rule says not for whom: give it `tools`, `digests`, `signers` or `all-tools = true`";
    let walk = fields.walk();
    let keys = ["tools", "digests", "signers", "all-tools"].map(|key| fields.get(key));
    if keys.iter().all(Option::is_none) {
        fields.refuse(MISSING);
        return None;
    }
    let [tools, digests, signers, all] = keys;
    if let Some(all) = all {
        walk.only_true(all);
        if tools.is_some() {
            walk.refuse(all.span(), "`all-tools` and `tools` exclude each other: remove one");
        }
    }
    // A condition that is there and cannot be read must not become one that is absent: the whole is given up then.
    let condition = |value: Option<&Value<'_>>, holds: bool| value.is_some() && !holds;
    let whom = Whom {
        tools: tools.and_then(|value| walk.set(value, |entry| callee(walk, entry))),
        digests: digests.and_then(|value| walk.set(value, |entry| walk.parsed::<Digest>(entry))),
        signers: signers.and_then(|value| walk.set(value, |entry| walk.parsed::<Signer>(entry))),
        tenants: fields.get("tenants").and_then(|value| walk.set(value, |entry| tenant(walk, entry))),
    };
    let lost = condition(tools, whom.tools.is_some())
        || condition(digests, whom.digests.is_some())
        || condition(signers, whom.signers.is_some())
        || condition(fields.get("tenants"), whom.tenants.is_some());
    (!lost).then_some(whom)
}

fn callee(walk: &Walk<'_>, value: &Value<'_>) -> Option<Callee> {
    walk.checked(value, |text| {
        if text.contains('*') || text == "any" || text == "all" {
            return Err(format!(
                "`{}` names no tool: there are no wildcards; name each component or tool, or write `all-tools = true`",
                inert(text, 80)
            ));
        }
        text.parse().map_err(|_| {
            format!("`{}` names no tool: write a component (`json`) or a full tool id (`json.query`)", inert(text, 80))
        })
    })
}

fn tenant(walk: &Walk<'_>, value: &Value<'_>) -> Option<String> {
    walk.checked(value, |text| {
        let fits =
            !text.is_empty() && text.len() <= MAX_TENANT && inert(text, MAX_TENANT) == text && !text.contains('*');
        let tenant = Tenant(text.into());
        let rule = format!("a tenant's name has 1 to {MAX_TENANT} visible bytes; there are no wildcards");
        if fits { Ok(tenant.0.as_ref().to_owned()) } else { Err(rule) }
    })
}

fn allowed(fields: &Fields<'_, '_>) -> Vec<Allow> {
    let walk = fields.walk();
    let mut allow = Vec::new();
    if let Some(value) = fields.get("limits") {
        allow.extend(limits(walk, value, "`limits`").into_iter().map(|(limit, value)| Allow::Limit(limit, value)));
    }
    let mut places = Vec::new();
    for entry in list(fields, "mounts") {
        if let Some(folder) = mount(walk, entry) {
            if places.contains(&folder.mount.guest) {
                walk.refuse(entry.span(), format_args!("the rule mounts two folders at {}", folder.mount.guest));
            }
            places.push(folder.mount.guest.clone());
            allow.push(Allow::Mount(folder));
        }
    }
    if let Some(value) = fields.get("config") {
        config(walk, value, &mut allow);
    }
    for entry in list(fields, "network") {
        allow.extend(network(walk, entry).into_iter().map(Allow::Network));
    }
    for entry in list(fields, "secrets") {
        allow.extend(secret(walk, entry).map(Allow::Secret));
    }
    allow.extend(fields.get("kv").and_then(|value| kv(walk, value)).map(Allow::Kv));
    if let Some(value) = fields.get("call") {
        let callees = walk.set(value, |entry| callee(walk, entry)).unwrap_or_default();
        allow.extend(callees.into_iter().map(Allow::Call));
    }
    if fields.get("extended-engine").is_some_and(|value| walk.only_true(value)) {
        allow.push(Allow::ExtendedEngine);
    }
    if let Some(value) = fields.get("confirm") {
        let hints = walk.set(value, |entry| hint(walk, entry)).unwrap_or_default();
        allow.extend(hints.into_iter().map(Allow::Confirm));
    }
    allow
}

fn list<'t>(fields: &Fields<'_, 't>, key: &str) -> &'t [Value<'t>] {
    fields.get(key).map(|value| fields.walk().list(value)).unwrap_or_default()
}

fn mount(walk: &Walk<'_>, value: &Value<'_>) -> Option<Folder> {
    let fields = walk.table(value, "a mount", &["host", "guest", "access"])?;
    let host = fields.required("host", "`host = \"./docs\"`");
    let guest = fields.required("guest", "`guest = \"/docs\"`");
    let access = fields.required("access", "`access = \"read-only\"` or \"read-write\"");
    let access = access.and_then(|value| {
        walk.checked(value, |text| match text {
            "read-only" => Ok(Access::ReadOnly),
            "read-write" => Ok(Access::ReadWrite),
            _ => Err("access is \"read-only\" or \"read-write\"".to_owned()),
        })
    });
    let guest = guest.and_then(|value| {
        let fits = |text: &str| {
            let message = "give an absolute path such as `/data`, without `.`, `..`, `//` or a trailing `/`";
            if is_guest_path(text) { Ok(text.to_owned()) } else { Err(message.to_owned()) }
        };
        walk.checked(value, fits)
    });
    let (place, host) = (host?.span(), path(walk, host?)?);
    match Folder::open(&host, &guest?, access?) {
        Ok(folder) => Some(folder),
        Err(error @ PolicyError::NotAFolder { .. }) => {
            walk.refuse(place, format_args!("{error}; a relative path begins at the folder of this file"));
            None
        }
        Err(error) => {
            walk.refuse(place, error);
            None
        }
    }
}

fn config(walk: &Walk<'_>, value: &Value<'_>, allow: &mut Vec<Allow>) {
    let DeValue::Table(table) = value.get_ref() else {
        walk.refuse(value.span(), "`config` is a table of settings: `{ region = \"eu\" }`");
        return;
    };
    if table.is_empty() {
        walk.refuse(value.span(), "`config` sets nothing: remove it, or set something");
    }
    for (key, value) in table {
        if !is_config_key(key.get_ref()) {
            walk.refuse(key.span(), "a setting's name has 1 to 64 characters, none of them a control character");
            continue;
        }
        if let Some(text) = walk.string(value) {
            allow.push(Allow::Config { key: key.get_ref().to_string(), value: text.to_owned() });
        }
    }
}

/// One entry becomes one destination, or one for each scheme of `any-public-host`.
fn network(walk: &Walk<'_>, value: &Value<'_>) -> Vec<AllowedNetwork> {
    const KEYS: &[&str] = &["url", "any-public-host", "methods", "addresses", "redirects"];
    let Some(fields) = walk.table(value, "a network entry", KEYS) else { return Vec::new() };
    let (url, any) = (fields.get("url"), fields.get("any-public-host"));
    let destination = url.map(|value| walk.parsed::<Destination>(value));
    let schemes: Option<Vec<String>> =
        any.map(|value| walk.list(value).iter().filter_map(|entry| walk.string(entry)).map(str::to_owned).collect());
    // What is wrong with either has its own place; only their being both there or neither is the entry's.
    let unreadable = matches!(destination, Some(None)) || schemes.as_ref().is_some_and(Vec::is_empty);
    let reach = Reach::of(destination.flatten(), schemes).map_err(|message| {
        if !unreadable {
            walk.refuse(any.filter(|_| url.is_none()).map_or(value.span(), Value::span), message);
        }
    });
    let methods = fields.required("methods", "`methods = [\"GET\"]`").and_then(|value| methods(walk, value));
    let networks = fields.get("addresses").and_then(|value| {
        if any.is_some() {
            walk.refuse(value.span(), "`addresses` goes with `url` only: any public host has public addresses");
        }
        walk.set(value, |entry| walk.checked(entry, network_of))
    });
    let redirects = fields.get("redirects").and_then(|value| {
        walk.checked(value, |text| match text {
            "return" => Ok(Redirects::Return),
            "follow" => Ok(Redirects::Follow),
            _ => Err("redirects are \"return\", so that the tool gets them, or \"follow\"".to_owned()),
        })
    });
    let (Ok(reach), Some(methods)) = (reach, methods) else { return Vec::new() };
    let entry = |destination| AllowedNetwork {
        destination,
        methods: methods.clone(),
        networks: networks.iter().flatten().copied().collect(),
        redirects: redirects.unwrap_or_default(),
    };
    reach.destinations().into_iter().map(entry).collect()
}

fn methods(walk: &Walk<'_>, value: &Value<'_>) -> Option<Methods> {
    let entries = walk.list(value);
    let words: Vec<&str> = entries.iter().filter_map(|entry| walk.string(entry)).collect();
    if words.len() < entries.len() || words.is_empty() {
        return None;
    }
    Methods::parse(words).map_err(|error| walk.refuse(value.span(), error)).ok()
}

/// `10.0.0.0/8`, or one address.
fn network_of(text: &str) -> Result<IpNet, String> {
    const HOW: &str = "write a network such as \"10.0.0.0/8\", or one address";
    let network = match text.parse::<IpAddr>() {
        Ok(address) => IpNet::from(address),
        Err(_) => text.parse::<IpNet>().map_err(|_| HOW.to_owned())?,
    };
    if network.prefix_len() == 0 {
        return Err(format!("a network of every address is none; {HOW}"));
    }
    if network.trunc() != network {
        return Err(format!("`{network}` has bits beyond its prefix; write `{}`", network.trunc()));
    }
    Ok(network)
}

fn secret(walk: &Walk<'_>, value: &Value<'_>) -> Option<AllowedSecret> {
    const KEYS: &[&str] = &["name", "from", "url", "header", "prefix", "query", "basic"];
    let fields = walk.table(value, "a secret", KEYS)?;
    let named = |text: &str| if is_secret_name(text) { Ok(text.to_owned()) } else { Err(SECRET_NAME.to_owned()) };
    let name = fields.required("name", "`name = \"api-key\"`, as the manifest calls it");
    let name = name.and_then(|value| walk.checked(value, named));
    let from = fields.required("from", "`from = \"api-key\"`, its name in the secret stores");
    let from = from.and_then(|value| walk.checked(value, named));
    let url = fields.required("url", "`url = \"https://api.example.com/\"`, where it goes to");
    let destination = url.and_then(|value| {
        walk.checked(value, |text| {
            let destination: Destination = text.parse().map_err(|error| format!("{error}"))?;
            bound_to_one_host(&destination).map(|()| destination)
        })
    });
    let mut readable = true;
    let mut text = |key| {
        let value = fields.get(key)?;
        let text = walk.string(value).map(str::to_owned);
        readable &= text.is_some();
        text
    };
    let placement = Placement::from_keys(text("header"), text("prefix"), text("query"), text("basic"));
    let placement = placement.map_err(|error| {
        if readable {
            fields.refuse(error);
        }
    });
    let placement = placement.ok();
    Some(AllowedSecret { name: name?, from: from?, destination: destination?, placement: placement? })
}

fn kv(walk: &Walk<'_>, value: &Value<'_>) -> Option<KvQuota> {
    let fields = walk.table(value, "`kv`", &["keys", "value-bytes", "total-bytes"])?;
    let keys = fields.required("keys", "`keys = 1000`").and_then(|value| walk.number(value));
    let each = fields.required("value-bytes", "`value-bytes = \"64 KiB\"`").and_then(|value| walk.bytes(value));
    let total = fields.required("total-bytes", "`total-bytes = \"8 MiB\"`").and_then(|value| walk.bytes(value));
    let (keys, value_bytes, total_bytes) = (keys?, each?, total?);
    // The same bounds as for whoever asks: a rule beyond them could never be used up.
    if let Err(problem) = KvRequest::new(keys, Bytes(value_bytes), Bytes(total_bytes), String::new()) {
        fields.refuse(problem);
        return None;
    }
    Some(KvQuota { keys, value_bytes, total_bytes })
}

fn hint(walk: &Walk<'_>, value: &Value<'_>) -> Option<Hint> {
    walk.checked(value, |text| match text {
        "read-only" => Ok(Hint::ReadOnly),
        "idempotent" => Ok(Hint::Idempotent),
        "keeps-results" => Ok(Hint::KeepsResults),
        _ => {
            Err("only the hints \"read-only\" and \"idempotent\" can be confirmed, and \"keeps-results\" said"
                .to_owned())
        }
    })
}
