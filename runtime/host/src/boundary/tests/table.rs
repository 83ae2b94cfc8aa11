//! The table of functions is what `wit/` says, no more and no less.

use std::collections::BTreeSet;
use std::path::Path;

use wit_parser::{Resolve, UnresolvedPackageGroup};

use super::super::{FUNCTIONS, FunctionId, Offer, offered};

/// What a tool exports and nothing imports.
const EXPORTS: [&str; 2] = ["wasi:cli/run", "wasi:http/incoming-handler"];

#[test]
fn the_table_is_exactly_the_functions_of_the_wit() {
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
    let mut resolve = Resolve { all_features: true, ..Resolve::default() };
    let mut groups = Vec::new();
    for folder in ["tool", "host", "deps"] {
        for entry in std::fs::read_dir(wit.join(folder)).expect("a folder of WIT") {
            let path = entry.expect("an entry").path();
            let text = std::fs::read_to_string(&path).expect("a WIT file");
            groups.push(UnresolvedPackageGroup::parse(&path, &text).map_err(|error| error.1).expect("our WIT parses"));
        }
    }
    let first = groups.pop().expect("more than one package");
    resolve.push_groups(first, groups).expect("the packages fit together");

    let mut expected = BTreeSet::new();
    for (_, interface) in &resolve.interfaces {
        let package = &resolve.packages[interface.package.expect("an interface has a package")].name;
        let name = format!("{}:{}/{}", package.namespace, package.name, interface.name.as_deref().unwrap_or_default());
        if !EXPORTS.contains(&name.as_str()) {
            expected.extend(interface.functions.keys().map(|function| format!("{name}.{function}")));
        }
    }
    let ours: BTreeSet<_> = FUNCTIONS.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(ours, expected);
}

#[test]
fn the_table_is_sorted_and_each_name_finds_itself() {
    assert!(FUNCTIONS.is_sorted_by(|a, b| a < b));
    for name in FUNCTIONS {
        let (interface, function) = name.split_once('.').expect("an interface and a function");
        assert_eq!(FunctionId::of(interface, function).name(), *name);
        let version = if interface.starts_with("wasi:") { "0.2.0" } else { "0.1.0" };
        assert_eq!(offered(&format!("{interface}@{version}")), Offer::Offered);
    }
}
