//! Whether an import is something we offer, decided by its name before anything is instantiated.

use toolcell_core::nearest::edits;

use super::functions::FUNCTIONS;

/// The version of WASI that is linked. A component built against any 0.2 links with it.
const WASI: &str = "0.2.12";

/// The version of `toolcell:host` and `toolcell:tool`.
const TOOLCELL: &str = "0.1.0";

/// Interfaces that are linked and have no functions in the table: only types, or only resources that no call can own.
const WITHOUT_FUNCTIONS: &[&str] = &["wasi:cli/terminal-input", "wasi:cli/terminal-output", "toolcell:tool/types"];

/// What we say to an import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Offer {
    /// It is linked.
    Offered,
    /// We have that interface in a version which does not fit; this is ours.
    OtherVersion(String),
    /// It belongs to WASI 0.3, which we do not speak.
    Wasi03,
    /// We have nothing of that name.
    Unknown {
        /// What it may have meant.
        nearest: Option<String>,
    },
}

/// What we say to an import of that full name, version included: `wasi:cli/environment@0.2.3`.
pub fn offered(interface: &str) -> Offer {
    let (name, version) = match interface.split_once('@') {
        Some((name, version)) => (name, Some(version)),
        None => (interface, None),
    };
    if name.starts_with("wasi:") && version.is_some_and(|version| version.starts_with("0.3.")) {
        return Offer::Wasi03;
    }
    if !ours().any(|ours| ours == name) {
        return Offer::Unknown { nearest: nearest(name).map(with_version) };
    }
    if version.is_some_and(|version| fits(version, version_of(name))) {
        Offer::Offered
    } else {
        Offer::OtherVersion(with_version(name))
    }
}

/// The interfaces that are linked, each once, without version.
fn ours() -> impl Iterator<Item = &'static str> {
    let mut last = "";
    let with_functions = FUNCTIONS.iter().filter_map(move |function| {
        let (interface, _) = function.split_once('.').expect("every name in the table has an interface");
        let is_new = interface != last;
        last = interface;
        is_new.then_some(interface)
    });
    with_functions.chain(WITHOUT_FUNCTIONS.iter().copied())
}

fn version_of(name: &str) -> &'static str {
    if name.starts_with("wasi:") { WASI } else { TOOLCELL }
}

fn with_version(name: &str) -> String {
    format!("{name}@{}", version_of(name))
}

/// Whether the linker takes the one for the other: the same minor version below 1.0, and no pre-release (those fit
/// nothing but themselves).
fn fits(wanted: &str, ours: &str) -> bool {
    fn series(version: &str) -> Option<(&str, &str)> {
        let mut parts = version.split('.');
        let (major, minor, patch) = (parts.next()?, parts.next()?, parts.next()?);
        let whole = parts.next().is_none() && !patch.is_empty() && patch.bytes().all(|byte| byte.is_ascii_digit());
        whole.then_some((major, minor))
    }
    series(wanted).is_some_and(|wanted| Some(wanted) == series(ours))
}

/// The interface of ours whose name differs least, if it is near enough to be meant. Interfaces have long names of several
/// words, and a wrong word is still a guess worth making: up to a third of the letters may differ, however many that is.
fn nearest(name: &str) -> Option<&'static str> {
    let edits = |ours| Some((edits(name, ours, name.len().max(ours.len()) / 3)?, ours));
    ours().filter_map(edits).min().map(|(_, ours)| ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_0_2_of_wasi_is_offered() {
        for import in [
            "wasi:cli/environment@0.2.0",
            "wasi:io/streams@0.2.3",
            "wasi:http/types@0.2.12",
            "wasi:cli/terminal-input@0.2.6",
            "toolcell:host/log@0.1.0",
            "toolcell:tool/types@0.1.0",
            "wasi:clocks/timezone@0.2.1",
            "wasi:sockets/tcp@0.2.99",
        ] {
            assert_eq!(offered(import), Offer::Offered, "{import}");
        }
    }

    #[test]
    fn other_versions_are_told_ours() {
        for import in [
            "wasi:cli/environment",
            "wasi:cli/environment@0.1.0",
            "wasi:cli/environment@1.0.0",
            "wasi:cli/environment@0.2.0-rc-2023",
            "wasi:cli/environment@0.2",
            "wasi:cli/environment@0.2.",
            "wasi:cli/environment@",
        ] {
            assert_eq!(offered(import), Offer::OtherVersion("wasi:cli/environment@0.2.12".to_owned()), "{import}");
        }
        assert_eq!(offered("toolcell:host/kv@0.2.0"), Offer::OtherVersion("toolcell:host/kv@0.1.0".to_owned()));
    }

    #[test]
    fn wasi_0_3_is_told_so() {
        assert_eq!(offered("wasi:cli/environment@0.3.0"), Offer::Wasi03);
        assert_eq!(offered("wasi:brand/new@0.3.1"), Offer::Wasi03);
    }

    #[test]
    fn what_is_unknown_is_told_the_nearest() {
        let nearest = |import: &str| match offered(import) {
            Offer::Unknown { nearest } => nearest,
            other => panic!("{other:?}"),
        };
        assert_eq!(nearest("wasi:cli/enviroment@0.2.0").as_deref(), Some("wasi:cli/environment@0.2.12"));
        assert_eq!(nearest("wasi:http/incoming-handler@0.2.0").as_deref(), Some("wasi:http/outgoing-handler@0.2.12"));
        assert_eq!(nearest("toolcell:host/secret@0.1.0").as_deref(), Some("toolcell:host/secrets@0.1.0"));
        for import in ["", "env", "acme:weather/forecast@1.0.0", &"x".repeat(1_000_000), "wasi:nn/tensor@0.2.0-rc"] {
            let near = nearest(import);
            assert!(near.is_none() || import.starts_with("wasi:"), "{near:?}");
        }
    }
}
