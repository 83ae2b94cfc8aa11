//! Attacks on the way from whoever made a component to the grant that it gets: its name, its bytes, its
//! signature, and what it brings along.
//!
//! Most use one guest, which tells the region that policy has set for it; without the grant it is told none. What is refused here is
//! refused before the guest has learnt, opened or sent anything.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer as _, SigningKey};
use toolcell_core::{Digest, Kind, Silent, ToolId, Toolbox as _};
use toolcell_host::catalog::State;
use toolcell_host::grant::Approval;
use toolcell_host::{Host, Policy};

use super::lab::{Lab, listed};
use super::{HOST_PANICS, component, limited};
use crate::support::run;

pub(super) const REGION: &str = include_str!("guests/region.wat");

/// What `b2sum` says of the component in `guests/region.wat`: minisign signs this and not the bytes.
const PREHASH: &str = "035da5a3fbd38eb8abad204c3bf87857389305fb3ec15757691ef2545b348cd7\
    8dd85172a7e590143c694202b05788111ae52d73d2051b9b6439936e3874fa19";

/// Grants the region to whom these lines of a rule name.
pub(super) fn regional(whom: &str) -> String {
    format!("[[rule]]\nname = \"regional\"\n{whom}\nconfig = {{ region = \"eu\" }}\n")
}

/// Writes a file of policy as an operator would.
pub(super) fn write_policy(folder: &Path, name: &str, text: &str) -> PathBuf {
    let file = folder.join(name);
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    file
}

/// The policy that a file with this text gives.
pub(super) fn policy(text: &str) -> Policy {
    let folder = tempfile::tempdir().unwrap();
    let file = write_policy(folder.path(), "policy.toml", &format!("version = 1\n{text}"));
    Policy::load(&file).unwrap_or_else(|problems| panic!("{problems}"))
}

/// The same component with other bytes.
fn other_bytes() -> Vec<u8> {
    let mut bytes = component(REGION);
    bytes.extend(b"\0\x06\x05other");
    bytes
}

/// A host over the lab's folder under a policy.
pub(super) fn open(lab: &Lab, text: &str) -> Host {
    let policy = policy(text);
    lab.open(limited(&[]), |settings| settings.policy = policy)
}

/// What the guest is told.
pub(super) fn region(lab: &Lab, host: &Host, name: &str) -> String {
    lab.result(host, &format!("{name}.region"), "{}")
}

fn looks(host: &Host) {
    (0..3).for_each(|_| drop(host.look()));
    assert_eq!(HOST_PANICS.load(std::sync::atomic::Ordering::SeqCst), 0);
}

#[test]
fn a_name_that_moves_to_other_bytes_loses_what_the_bytes_were_granted() {
    let lab = Lab::new();
    let (reviewed, moved) = (component(REGION), other_bytes());
    // The operator's name is a link, as deployments switch versions.
    let [first, second] = ["v1", "v2"].map(|version| lab.home.path().join(version));
    fs::write(&first, &reviewed).unwrap();
    fs::write(&second, &moved).unwrap();
    symlink(&first, lab.file("tool")).unwrap();
    let host = open(&lab, &regional(&format!("tools = [\"tool\"]\ndigests = [\"{}\"]", Digest::of(&reviewed))));
    assert_eq!(region(&lab, &host, "tool"), "\"eu\"");
    fs::remove_file(lab.file("tool")).unwrap();
    symlink(&second, lab.file("tool")).unwrap();
    looks(&host);
    assert_eq!(region(&lab, &host, "tool"), "null");
    // A caller who has pinned the bytes gets none of the new ones at all.
    let mut pinned = lab.prepare("tool.region", "{}");
    pinned.component = Some(Digest::of(&reviewed));
    let outcome = run(host.call(pinned, &Silent));
    assert!(outcome.verdict.failure().is_some(), "{:?}", outcome.verdict);
    fs::remove_file(lab.file("tool")).unwrap();
    symlink(&first, lab.file("tool")).unwrap();
    looks(&host);
    assert_eq!(region(&lab, &host, "tool"), "\"eu\"", "back at the reviewed bytes");
}

#[test]
fn a_name_that_moves_after_its_approval_is_inert() {
    let lab = Lab::new();
    let reviewed = component(REGION);
    lab.drop_in("tool", &reviewed);
    let host = open(&lab, &format!("require-approval = true\n{}", regional("tools = [\"tool\"]")));
    let approval = |component: Digest, manifest: Option<Digest>, lines: &[&str]| {
        let lines: BTreeSet<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        let tool: ToolId = "tool.region".parse().unwrap();
        host.set_approvals(BTreeMap::from([(tool, Approval { component, manifest, lines })]));
    };
    let inert = |why: &str| {
        let outcome = lab.call(&host, "tool.region", "{}");
        let failure = outcome.verdict.failure().unwrap_or_else(|| panic!("{why}: it ran"));
        assert_eq!(failure.kind, Kind::NotGranted, "{failure:?}");
        assert!(failure.message.contains(why), "{failure:?}");
        let receipt = outcome.receipt.unwrap().receipt;
        assert_eq!((receipt.used.fuel, receipt.used.host_calls), (0, 0), "nothing of it has run");
    };
    inert("there is none");
    approval(Digest::of(&reviewed), None, &["config region"]);
    assert_eq!(region(&lab, &host, "tool"), "\"eu\"");
    approval(Digest::of(&reviewed), None, &[]);
    inert("wider than what was approved");
    approval(Digest::of(&reviewed), Some(Digest::of(b"a manifest")), &["config region"]);
    inert("another manifest");
    approval(Digest::of(&reviewed), None, &["config region"]);
    lab.drop_in("tool", &other_bytes());
    looks(&host);
    inert("other bytes");
    // The approved bytes with another manifest beside them: what is asked for is part of what was reviewed.
    lab.drop_in("tool", &reviewed);
    fs::write(
        lab.home.path().join("tools/tool.toml"),
        "name = \"tool\"\nversion = \"1.0.0\"\n[capabilities]\nconfig = [\"region\"]\n",
    )
    .unwrap();
    looks(&host);
    inert("another manifest");
}

#[test]
fn a_name_that_looks_like_a_granted_one_is_granted_nothing() {
    let lab = Lab::new();
    let bytes = component(REGION);
    lab.drop_in("vault", &bytes);
    // No names at all: other scripts, other cases, what some file systems or eyes take for the same.
    let never = [
        "v\u{430}ult",
        "vau\u{131}t",
        "VAULT",
        "Vault",
        "vault.",
        "vault ",
        " vault",
        "vault\u{200b}",
        "vault\u{ad}",
        "\u{202e}tluav",
        "vault.wasm",
        "vault\u{301}",
        "\u{ff56}ault",
        ".vault",
        "va/ult",
    ];
    for name in never.into_iter().filter(|name| !name.contains('/')) {
        lab.drop_in(name, &bytes);
    }
    // Names in their own right, which somebody in a hurry reads as the other one.
    let alike = ["vau1t", "vauit", "vaults", "vault-", "vault_", "v-ault", "vault0", "vault-region", "vvault"];
    for name in alike {
        lab.drop_in(name, &bytes);
        // The author's claim to be somebody else counts for nothing.
        let claim = "name = \"vault\"\nversion = \"1.0.0\"\n[capabilities]\nconfig = [\"region\"]\n";
        fs::write(lab.home.path().join(format!("tools/{name}.toml")), claim).unwrap();
    }
    for whom in ["tools = [\"vault\"]", "tools = [\"vault.region\"]"] {
        let host = open(&lab, &regional(whom));
        assert_eq!(region(&lab, &host, "vault"), "\"eu\"");
        for name in alike {
            assert_eq!(region(&lab, &host, name), "null", "{name} under {whom}");
        }
        let serving: BTreeSet<String> =
            listed(&host).into_iter().filter(|(_, reason)| reason.is_none()).map(|(name, _)| name).collect();
        assert_eq!(serving, alike.into_iter().chain(["vault"]).map(str::to_owned).collect());
        for name in never {
            let outcome = lab.call(&host, &format!("{name}.region"), "{}");
            assert!(outcome.verdict.failure().is_some(), "{name:?} is called");
        }
        // A short form that any of them could mean is nobody's.
        assert!(lab.call(&host, "region", "{}").verdict.failure().is_some());
        looks(&host);
    }
}

/// A key as minisign has it. The seed and the number that names it are independent of each other, as they are there.
struct Key {
    number: [u8; 8],
    secret: SigningKey,
}

impl Key {
    fn new(seed: u8, number: u8) -> Self {
        Self { number: [number; 8], secret: SigningKey::from_bytes(&[seed; 32]) }
    }

    /// As it stands in policy.
    fn public(&self) -> String {
        STANDARD.encode([b"Ed".as_slice(), &self.number, self.secret.verifying_key().as_bytes()].concat())
    }

    /// A file of a signature: `ED` before a hash, `Ed` before the bytes themselves.
    fn sign(&self, form: [u8; 2], signed: &[u8], comment: &str) -> String {
        let signature = self.secret.sign(signed).to_bytes();
        let global = self.secret.sign(&[signature.as_slice(), comment.as_bytes()].concat()).to_bytes();
        let first = STANDARD.encode([form.as_slice(), &self.number, &signature].concat());
        let second = STANDARD.encode(global);
        format!("untrusted comment: a test\n{first}\ntrusted comment: {comment}\n{second}\n")
    }
}

fn prehash() -> Vec<u8> {
    PREHASH
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

#[test]
fn a_signature_that_is_stripped_moved_forged_or_downgraded_counts_for_nothing() {
    let lab = Lab::new();
    let (bytes, key) = (component(REGION), Key::new(7, 1));
    let beside = |name: &str| lab.home.path().join(format!("tools/{name}.wasm.minisig"));
    lab.drop_in("tool", &bytes);
    lab.drop_in("other", &other_bytes());
    let text = regional(&format!("signers = [\"{}\"]", key.public()));
    let told = |signature: Option<&[u8]>| {
        let _ = fs::remove_file(beside("tool"));
        if let Some(signature) = signature {
            fs::write(beside("tool"), signature).unwrap();
        }
        region(&lab, &open(&lab, &text), "tool")
    };
    let good = key.sign(*b"ED", &prehash(), "tool.wasm");
    assert_eq!(
        told(Some(good.as_bytes())),
        "\"eu\"",
        "the honest signature; where the text format's compiler has changed, `b2sum` of the component gives the new PREHASH"
    );
    let stranger = Key::new(8, 1);
    let lines: Vec<&str> = good.lines().collect();
    let forged = [
        // The older form, which an attacker would offer who can have short texts signed.
        ("downgraded", key.sign(*b"Ed", &bytes, "tool.wasm")),
        ("the older form over the hash", key.sign(*b"Ed", &prehash(), "tool.wasm")),
        ("the new form over the bytes", key.sign(*b"ED", &bytes, "tool.wasm")),
        ("relabelled", good.replace("\nRUQ", "\nRWQ")),
        ("for other bytes", key.sign(*b"ED", &prehash().into_iter().rev().collect::<Vec<_>>(), "tool.wasm")),
        ("by a stranger with the key's number", stranger.sign(*b"ED", &prehash(), "tool.wasm")),
        ("with another comment", good.replace("comment: tool.wasm", "comment: all.wasm")),
        ("without its comment's signature", lines[..3].join("\n")),
        ("with the comment's signature of another", {
            let other = stranger.sign(*b"ED", &prehash(), "tool.wasm");
            [&lines[..3], &[other.lines().last().unwrap()]].concat().join("\n")
        }),
        ("twice, the false one first", format!("{}{good}", stranger.sign(*b"ED", &prehash(), "tool.wasm"))),
        ("the key itself", format!("untrusted comment: minisign public key\n{}\n", key.public())),
        ("empty", String::new()),
        ("zeros", "\0".repeat(300)),
        ("too large", format!("{good}{}", " ".repeat(1 << 20))),
    ];
    for (what, signature) in &forged {
        assert_eq!(told(Some(signature.as_bytes())), "null", "{what}");
    }
    assert_eq!(told(Some(&[0xff; 400])), "null");
    assert_eq!(told(None), "null", "stripped");
    // A good signature of one file lies beside another one.
    fs::write(beside("other"), &good).unwrap();
    assert_eq!(region(&lab, &open(&lab, &text), "other"), "null", "for another digest");
    // What is beside it need not even be a file.
    fs::create_dir(beside("tool")).unwrap();
    assert_eq!(region(&lab, &open(&lab, &text), "tool"), "null", "a folder");
    fs::remove_dir(beside("tool")).unwrap();
    symlink("/dev/zero", beside("tool")).unwrap();
    assert_eq!(region(&lab, &open(&lab, &text), "tool"), "null", "a device without end");
}

#[test]
fn a_signature_goes_with_the_bytes_it_was_made_for() {
    let lab = Lab::new();
    let key = Key::new(7, 1);
    lab.drop_in("tool", &component(REGION));
    let signature = lab.home.path().join("tools/tool.wasm.minisig");
    fs::write(&signature, key.sign(*b"ED", &prehash(), "tool.wasm")).unwrap();
    let host = open(&lab, &regional(&format!("signers = [\"{}\"]", key.public())));
    assert_eq!(region(&lab, &host, "tool"), "\"eu\"");
    // Swapped while the host runs, the signature left where it is.
    lab.drop_in("tool", &other_bytes());
    looks(&host);
    assert_eq!(region(&lab, &host, "tool"), "null");
    // A second key in the rule is an alternative, and one more condition of the rule is one more condition.
    for (whom, told) in [
        (format!("signers = [\"{}\", \"{}\"]", Key::new(9, 9).public(), key.public()), "\"eu\""),
        (format!("signers = [\"{}\"]", Key::new(9, 9).public()), "null"),
        (format!("signers = [\"{}\"]\ntools = [\"else\"]", key.public()), "null"),
        (format!("signers = [\"{}\"]\ndigests = [\"{}\"]", key.public(), Digest::of(b"else")), "null"),
    ] {
        lab.drop_in("tool", &component(REGION));
        assert_eq!(region(&lab, &open(&lab, &regional(&whom)), "tool"), told, "{whom}");
    }
}

#[test]
fn a_size_that_lies_costs_nothing_and_is_refused() {
    let lab = Lab::new();
    let honest = component(REGION);
    // A section that claims four gibibytes, one that claims less than it has, and one that claims more than the file.
    let claims = |at: usize, claim: &[u8]| [&honest[..at], claim, &honest[at + 1..]].concat();
    lab.drop_in("huge", &claims(9, &[0xff, 0xff, 0xff, 0xff, 0x0f]));
    lab.drop_in("less", &claims(9, &[honest[9] - 1]));
    lab.drop_in("more", &claims(9, &[0x7f]));
    lab.drop_in("longer", &[honest.as_slice(), &[0; 64]].concat());
    lab.drop_in("shorter", &honest[..honest.len() - 1]);
    // A file of a hundred gibibytes that takes no room on the disk.
    lab.drop_in("sparse", &honest);
    fs::OpenOptions::new().write(true).open(lab.file("sparse")).unwrap().set_len(100 << 30).unwrap();
    // One without an end, and one that says it is empty.
    symlink("/dev/zero", lab.file("endless")).unwrap();
    symlink("/proc/self/status", lab.file("process")).unwrap();
    for beside in ["toml", "wasm.minisig"] {
        let file = fs::File::create(lab.home.path().join(format!("tools/beside.{beside}"))).unwrap();
        file.set_len(100 << 30).unwrap();
    }
    lab.drop_in("beside", &honest);
    lab.drop_in("tool", &honest);
    let began = std::time::Instant::now();
    let key = Key::new(7, 1);
    let host = open(&lab, &regional(&format!("signers = [\"{}\"]", key.public())));
    assert!(began.elapsed() < std::time::Duration::from_secs(10), "{:?}", began.elapsed());
    let snapshot = host.snapshot();
    for name in ["huge", "less", "more", "longer", "shorter", "sparse", "beside"] {
        match snapshot.component(name).map(|listed| &listed.state) {
            Some(State::Broken(reason)) => assert!(reason.to_string().len() <= 1_024, "{name}: {reason}"),
            other => panic!("`{name}` is not refused: {other:?}"),
        }
    }
    // A device is no file, and what never has the size that it says never settles: neither is read as a component.
    assert!(snapshot.component("endless").is_none());
    assert!(matches!(snapshot.component("process").unwrap().state, State::Settling));
    assert_eq!(region(&lab, &host, "tool"), "null");
    // A policy without an end is refused like any other file that is no policy.
    let policy = write_policy(lab.home.path(), "policy.toml", "version = 1\n");
    fs::OpenOptions::new().write(true).open(&policy).unwrap().set_len(100 << 30).unwrap();
    assert!(Policy::load(&policy).is_err());
    assert!(Policy::load(Path::new("/dev/zero")).is_err());
}

#[test]
fn a_tool_that_ships_its_own_policy_is_granted_nothing_by_it() {
    let lab = Lab::new();
    let all = format!(
        "version = 1\nrequire-approval = false\n{}{}",
        regional("all-tools = true"),
        "[[rule]]\nname = \"out\"\nall-tools = true\nnetwork = [{ any-public-host = [\"https\"], methods = [\"GET\"] }]\n"
    );
    let with = |name: &str, data: &[u8]| {
        let mut section = vec![u8::try_from(name.len()).unwrap()];
        section.extend(name.as_bytes());
        section.extend(data);
        let mut bytes = component(REGION);
        bytes.push(0);
        let mut length = section.len();
        while length > 0x7f {
            bytes.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
            length >>= 7;
        }
        bytes.push(u8::try_from(length).unwrap());
        bytes.extend(section);
        bytes
    };
    for (name, section) in
        [("policy-section", "toolcell:policy"), ("grant-section", "toolcell:grant"), ("plain", "policy")]
    {
        lab.drop_in(name, &with(section, all.as_bytes()));
    }
    // A manifest can only ask, and one that tries to allow is none.
    let asks = "name = \"tool\"\nversion = \"1.0.0\"\n[capabilities]\nconfig = [\"region\"]\n[[capabilities.network]]\nurl = \"https://evil.example/\"\nmethods = [\"GET\"]\nreason = \"Because.\"\n";
    lab.drop_in("asks", &with("toolcell:manifest", asks.as_bytes()));
    lab.drop_in(
        "rules",
        &with("toolcell:manifest", format!("{asks}[[rule]]\nname = \"a\"\nall-tools = true\n").as_bytes()),
    );
    // Files that it brings along.
    lab.drop_in("files", &component(REGION));
    for file in ["policy.toml", "files.policy.toml", "files.wasm.toml", "policy", "toolcell.lock", "files.lock"] {
        write_policy(&lab.home.path().join("tools"), file, &all);
    }
    fs::create_dir(lab.home.path().join("tools/policy.d")).unwrap();
    write_policy(&lab.home.path().join("tools/policy.d"), "all.toml", &all);
    let host = open(&lab, "");
    for name in ["policy-section", "grant-section", "plain", "asks", "files"] {
        assert_eq!(region(&lab, &host, name), "null", "{name}");
        let grant = host.explain(&format!("{name}.region")).unwrap();
        assert!(grant.lines().is_empty() && grant.network().is_empty(), "{name}: {:?}", grant.lines());
    }
    let snapshot = host.snapshot();
    assert!(matches!(snapshot.component("rules").unwrap().state, State::Broken(_)));
    // Nothing that lies among the tools has become the operator's word either.
    let host = open(&lab, &format!("require-approval = true\n{}", regional("tools = [\"files\"]")));
    assert!(
        lab.call(&host, "files.region", "{}").verdict.failure().is_some_and(|failure| failure.kind == Kind::NotGranted)
    );
}
