//! One file of policy: its version, what holds for every call, and where secrets and certificates are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use toml::de::{DeTable, DeValue};
use toolcell_core::limits::{LIMITS, Limit, Unit};
use toolcell_core::manifest::is_secret_name;

use super::problem::Collected;
use super::rules;
use super::walk::{Value, Walk};
use super::{ExtraCa, Policy, Review, SecretStore};
use crate::catalog::file::{self, Links};
use crate::schema::inert;

/// The version of the format that is read.
const VERSION: u64 = 1;

/// The most rules of a policy. A grant looks at each once.
const MAX_RULES: usize = 10_000;

/// The largest file of certificates, in bytes. All of Mozilla's fit into a quarter.
const MAX_CA_BYTES: u64 = 1 << 20;

/// The most mistakes in the TOML itself that are told of one file. Later ones follow from earlier ones.
const MAX_SYNTAX: usize = 10;

const KEYS: &[&str] = &["version", "require-approval", "extra-ca", "limits", "secret-store", "rule"];

/// A policy that is being read, file after file.
pub(super) struct Draft {
    policy: Policy,
    /// Where each rule's name stands.
    names: BTreeMap<String, (PathBuf, usize)>,
    /// What files set for every call, apart from defaults: of two files the smaller value holds.
    every_call: BTreeMap<Limit, u64>,
}

impl Draft {
    pub(super) fn new() -> Self {
        Self { policy: Policy::deny_all(), names: BTreeMap::new(), every_call: BTreeMap::new() }
    }

    pub(super) fn policy(self) -> Policy {
        self.policy
    }

    /// Takes in one file.
    pub(super) fn read(&mut self, file: &Path, text: &str, collected: &Collected) {
        let walk = Walk::new(file, text, collected);
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in errors.iter().take(MAX_SYNTAX) {
            walk.refuse(error.span().unwrap_or_default(), inert(error.message(), 200));
        }
        if !errors.is_empty() {
            return;
        }
        let fields = walk.fields(table.get_ref(), 0..0, "a policy", KEYS);
        let number =
            |version: &Value<'_>| version.get_ref().as_integer().and_then(|number| number.as_str().parse().ok());
        match fields.get("version") {
            Some(version) if number(version) == Some(VERSION) => {}
            Some(version) => {
                walk.refuse(version.span(), format_args!("this version is not known: write `version = {VERSION}`"));
                return;
            }
            None => {
                walk.refuse(0..0, format_args!("`version` is missing: begin the file with `version = {VERSION}`"));
                return;
            }
        }
        if let Some(value) = fields.get("require-approval")
            && walk.boolean(value) == Some(true)
        {
            self.policy.review = Review::Required;
        }
        if let Some(value) = fields.get("extra-ca") {
            self.extra_ca(&walk, value);
        }
        if let Some(value) = fields.get("limits") {
            for (limit, given) in limits(&walk, value, "[limits]") {
                let narrower = self.every_call.get(&limit).map_or(given, |other| given.min(*other));
                self.every_call.insert(limit, narrower);
                if let Ok(limits) = self.policy.limits.clone().with(limit, narrower) {
                    self.policy.limits = limits;
                }
            }
        }
        for store in fields.get("secret-store").map(|value| walk.list(value)).unwrap_or_default() {
            self.policy.secret_stores.extend(secret_store(&walk, store));
        }
        for value in fields.get("rule").map(|value| walk.list(value)).unwrap_or_default() {
            if self.policy.rules.len() >= MAX_RULES {
                walk.refuse(value.span(), format_args!("a policy has at most {MAX_RULES} rules"));
                break;
            }
            if let Some(rule) = rules::read(&walk, value, &mut self.names) {
                self.policy.rules.push(rule);
            }
        }
    }

    fn extra_ca(&mut self, walk: &Walk<'_>, value: &Value<'_>) {
        for entry in walk.list(value) {
            let read = walk.checked(entry, |text| {
                let path = walk.path(text);
                if self.policy.extra_ca.iter().any(|ca| ca.path == path) {
                    return Err("this file of certificates is named twice".to_owned());
                }
                certificates(path)
            });
            self.policy.extra_ca.extend(read);
        }
    }
}

fn certificates(path: PathBuf) -> Result<ExtraCa, String> {
    let (pem, _) = file::read(&path, Links::Follow, MAX_CA_BYTES)
        .map_err(|fault| format!("`{}` cannot be used: {fault}", path.display()))?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match read {
        Ok(certificates) if !certificates.is_empty() => Ok(ExtraCa { path, pem: pem.into() }),
        _ => Err(format!("`{}` holds no certificates in PEM form (`-----BEGIN CERTIFICATE-----`)", path.display())),
    }
}

/// A table of limits, each in its own unit: fuel and counts as numbers, sizes as `"128 MiB"`, times as `"10s"`.
pub(super) fn limits(walk: &Walk<'_>, value: &Value<'_>, what: &str) -> Vec<(Limit, u64)> {
    let known: Vec<String> = LIMITS.iter().filter(|row| row.per_call).map(|row| row.name.replace('_', "-")).collect();
    let mut set = Vec::new();
    let DeValue::Table(table) = value.get_ref() else {
        walk.refuse(value.span(), format_args!("{what} is a table of limits, such as `{{ fuel = 1_000_000_000 }}`"));
        return set;
    };
    if table.is_empty() {
        walk.refuse(value.span(), format_args!("{what} sets nothing: remove it, or set a limit"));
    }
    for (key, value) in table {
        let name: &str = key.get_ref();
        let Some(limit) = Limit::named(&name.replace('-', "_")).filter(|_| !name.contains('_')) else {
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            walk.refuse(key.span(), walk.unknown(name, what, &known));
            continue;
        };
        let given = match limit.row().unit {
            Unit::Fuel | Unit::Count => walk.number(value),
            Unit::Bytes => walk.bytes(value),
            Unit::Millis => walk.millis(value),
        };
        let Some(given) = given else { continue };
        match toolcell_core::Limits::default().with(limit, given) {
            Ok(_) => set.push((limit, given)),
            Err(error) => walk.refuse(value.span(), error),
        }
    }
    set
}

fn secret_store(walk: &Walk<'_>, value: &Value<'_>) -> Option<SecretStore> {
    const ONE: &str = "a secret store is exactly one of `environment = { name = \"VARIABLE\" }`, `file = \"secrets.toml\"` and `age = \"secrets.age\"` with `identity`";
    let fields = walk.table(value, "a secret store", &["environment", "file", "age", "identity"])?;
    let (environment, file, age) = (fields.get("environment"), fields.get("file"), fields.get("age"));
    let identity = fields.get("identity");
    if let (Some(identity), None) = (identity, age) {
        walk.refuse(identity.span(), "`identity` goes with `age` only");
        return None;
    }
    match (environment, file, age) {
        (Some(names), None, None) => variables(walk, names).map(SecretStore::Environment),
        (None, Some(file), None) => path(walk, file).map(SecretStore::File),
        (None, None, Some(file)) => {
            let identity = fields.required("identity", "`identity = \"identity.txt\"`")?;
            Some(SecretStore::Age { file: path(walk, file)?, identity: path(walk, identity)? })
        }
        _ => {
            fields.refuse(ONE);
            None
        }
    }
}

/// Names of secrets with the environment variables that hold them.
fn variables(walk: &Walk<'_>, value: &Value<'_>) -> Option<BTreeMap<String, String>> {
    let DeValue::Table(table) = value.get_ref() else {
        walk.refuse(value.span(), "`environment` is a table of names: `{ brave-key = \"BRAVE_API_KEY\" }`");
        return None;
    };
    let mut names = BTreeMap::new();
    for (key, value) in table {
        let name: &str = key.get_ref();
        if !is_secret_name(name) {
            walk.refuse(key.span(), super::rules::SECRET_NAME);
            continue;
        }
        let variable = walk.checked(value, |text| {
            let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
            let fits =
                (1..=256).contains(&text.len()) && text.bytes().all(word) && !text.as_bytes()[0].is_ascii_digit();
            if fits {
                Ok(text.to_owned())
            } else {
                Err("name an environment variable: letters, digits and `_`".to_owned())
            }
        });
        names.extend(variable.map(|variable| (name.to_owned(), variable)));
    }
    if table.is_empty() {
        walk.refuse(value.span(), "the table is empty: name at least one secret, or remove the store");
    }
    (!names.is_empty()).then_some(names)
}

/// A path as the file means it.
pub(super) fn path(walk: &Walk<'_>, value: &Value<'_>) -> Option<PathBuf> {
    walk.checked(value, |text| {
        if text.is_empty() || text.contains('\0') {
            Err("write the path of a file, relative to this file's folder or absolute".to_owned())
        } else {
            Ok(walk.path(text))
        }
    })
}
