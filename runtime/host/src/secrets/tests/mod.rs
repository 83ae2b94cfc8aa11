//! Stores as an operator meets them, and redaction as an upstream that echoes would try it.

use std::sync::Arc;

use super::*;

mod files;
mod redaction;

fn name(text: &str) -> SecretName {
    text.parse().expect("a name")
}

fn secret(bytes: &[u8]) -> Secret {
    Secret::new(bytes.to_vec()).expect("a secret")
}

fn value(secret: &Secret) -> Vec<u8> {
    let mut out = Vec::new();
    secret.expose(&mut |bytes| out.extend_from_slice(bytes));
    out
}

#[test]
fn the_first_store_that_knows_a_name_answers() {
    let mut first = MappedSecrets::new("environment");
    first.insert(name("shared"), secret(b"first value"));
    let mut second = MappedSecrets::new("vault");
    second.insert(name("shared"), secret(b"second value"));
    second.insert(name("only.here"), secret(b"third value"));
    let stores = Stores::new([Arc::new(first) as Arc<dyn SecretStore>, Arc::new(second)]);
    assert_eq!(value(&stores.find(&name("shared")).expect("known")), b"first value");
    assert_eq!(value(&stores.find(&name("only.here")).expect("known")), b"third value");
    assert_eq!(stores.names(), [name("only.here"), name("shared")]);
    assert_eq!(stores.reload().expect("nothing to read"), Reload::Unchanged);
}

#[test]
fn a_missing_secret_names_the_stores_and_no_value() {
    let mut store = MappedSecrets::new("environment");
    store.insert(name("known"), secret(b"hunter2hunter2"));
    let debug = format!("{store:?}");
    let stores = Stores::new([Arc::new(store) as Arc<dyn SecretStore>]);
    let error = stores.find(&name("unknown")).expect_err("missing").to_string();
    assert!(error.contains("`unknown`") && error.contains("environment"), "{error}");
    assert!(!(error + &debug + &format!("{stores:?}")).contains("hunter2"));
    let nowhere = Stores::default().find(&name("any")).expect_err("missing").to_string();
    assert!(nowhere.contains("no store of secrets is configured"), "{nowhere}");
}
