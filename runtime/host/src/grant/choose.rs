//! Folders and settings, of which there is one at each place: what holds where several rules speak of the same place.
//!
//! What the operator says in person decides over files. Among equals the narrower access holds; and where two equals
//! contradict each other, neither holds, because whichever came first would be chance.

use std::collections::BTreeMap;

use super::{Meeting, Refusal, words};
use crate::boundary::Mount;
use crate::policy::{Allow, Folder, Rule, Source};

/// Those of the highest authority: what was said in person where anything was, else everything.
pub(super) fn by_authority<T>(said: Vec<T>, source: impl Fn(&T) -> &Source) -> Vec<T> {
    let in_person = said.iter().any(|entry| *source(entry) == Source::InPerson);
    said.into_iter().filter(|entry| !in_person || *source(entry) == Source::InPerson).collect()
}

impl<'a> Meeting<'a> {
    pub(super) fn mounts(&self, refusals: &mut Vec<Refusal>) -> Vec<(&'a Rule, Mount)> {
        let mut places: BTreeMap<&str, Vec<(&'a Rule, &'a Folder)>> = BTreeMap::new();
        for (rule, allow) in self.allowed() {
            if let Allow::Mount(folder) = allow {
                places.entry(&folder.mount.guest).or_default().push((rule, folder));
            }
        }
        let mut mounts: BTreeMap<&str, (&'a Rule, Mount)> = BTreeMap::new();
        for (guest, said) in places {
            let mut said = by_authority(said, |(rule, _)| &rule.source);
            let narrowest = said.iter().map(|(_, folder)| folder.mount.access).min();
            said.retain(|(_, folder)| Some(folder.mount.access) == narrowest);
            let Some((rule, folder)) = said.iter().copied().min_by(|a, b| a.0.name.cmp(&b.0.name)) else { continue };
            if let Some((other, _)) = said.iter().find(|(_, other)| other.identity != folder.identity) {
                refusals.push(contradiction(format!("the folder at {guest}"), rule, other, "another folder"));
                continue;
            }
            match self.met_mount(rule, folder) {
                Ok(mount) => drop(mounts.insert(guest, (rule, mount))),
                Err(refusal) => refusals.push(refusal),
            }
        }
        for request in self.manifest.iter().flat_map(|manifest| &manifest.capabilities.filesystem) {
            let what = format!("{} access to {}", words::access(request.access), request.guest);
            let toml = format!(
                "mounts = [{{ host = \"HOST_FOLDER\", guest = {:?}, access = \"{}\" }}]",
                request.guest,
                words::access(request.access)
            );
            match mounts.get(request.guest.as_str()) {
                Some((_, mount)) if mount.access >= request.access => {}
                Some(_) => refusals.push(self.not_allowed_because(what, "rules mount it read-only", toml)),
                None => {
                    let why = format!(
                        "the manifest requests it and no rule mounts it; `--mount HOST_FOLDER:{}` or",
                        request.guest
                    );
                    let (place, rule) = self.place_for(&toml);
                    let reason = format!("{why} `{toml}` in {place} would");
                    refusals.push(Refusal { what, reason, toml: Some(toml), rule });
                }
            }
        }
        mounts.into_values().collect()
    }

    pub(super) fn config(&self, refusals: &mut Vec<Refusal>) -> BTreeMap<String, String> {
        let mut keys: BTreeMap<&str, Vec<(&Rule, &str)>> = BTreeMap::new();
        for (rule, allow) in self.allowed() {
            if let Allow::Config { key, value } = allow {
                keys.entry(key).or_default().push((rule, value));
            }
        }
        let mut config = BTreeMap::new();
        for (key, said) in keys {
            let mut said = by_authority(said, |(rule, _)| &rule.source);
            said.sort_by(|a, b| (&a.0.name, a.1).cmp(&(&b.0.name, b.1)));
            let what = format!("config key `{key}`");
            let Some(&(rule, value)) = said.first() else { continue };
            if let Some((other, _)) = said.iter().find(|(_, other)| *other != value) {
                refusals.push(contradiction(what, rule, other, "another value"));
            } else if self.manifest.is_none_or(|manifest| manifest.capabilities.config.iter().any(|asked| asked == key))
            {
                config.insert(key.to_owned(), value.to_owned());
            } else {
                refusals.push(Self::not_requested(what, rule, "config"));
            }
        }
        for key in self.manifest.iter().flat_map(|manifest| &manifest.capabilities.config) {
            if !config.contains_key(key) {
                let toml = format!("config = {{ {} = \"VALUE\" }}", words::toml_key(key));
                refusals.push(self.not_allowed_because(
                    format!("config key `{key}`"),
                    "the manifest requests it and no rule sets it",
                    toml,
                ));
            }
        }
        config
    }

    /// A mount as narrow as both sides have it.
    fn met_mount(&self, rule: &Rule, folder: &Folder) -> Result<Mount, Refusal> {
        let mount = &folder.mount;
        let Some(manifest) = self.manifest else { return Ok(mount.clone()) };
        let folders = &manifest.capabilities.filesystem;
        let Some(requested) = folders.iter().find(|folder| folder.guest == mount.guest) else {
            let places: Vec<_> = folders.iter().map(|folder| folder.guest.as_str()).collect();
            let places = if places.is_empty() { "no folder at all".to_owned() } else { places.join(", ") };
            return Err(Refusal {
                what: format!("{} access to {}", words::access(mount.access), mount.guest),
                reason: format!(
                    "rule `{}` mounts it, but the manifest requests {places}; mount there, or have the author request it",
                    rule.name
                ),
                toml: None,
                rule: Some(rule.name.clone()),
            });
        };
        Ok(Mount { access: mount.access.min(requested.access), ..mount.clone() })
    }
}

/// Two rules that cannot both hold.
pub(super) fn contradiction(what: String, one: &Rule, other: &Rule, difference: &str) -> Refusal {
    Refusal {
        what,
        reason: format!(
            "the rules `{}` and `{}` contradict each other: the one gives {difference} than the other, so neither holds; remove one of the two",
            one.name, other.name
        ),
        toml: None,
        rule: Some(one.name.clone()),
    }
}
