//! The intersection of two grants: what a tool may do when another calls it.

use std::collections::BTreeMap;
use std::sync::Arc;

use toolcell_core::manifest::Callee;
use toolcell_core::net::HostPattern;

use super::{Grant, GrantedNetwork, GrantedSecret, words};
use crate::boundary::Mount;
use crate::policy::{KvQuota, Pattern, Redirects};

impl Grant {
    /// What both grants allow. What one has and the other has not is gone, without a word: whoever calls knows its own
    /// grant, and the tool that is called is told as it would be told without the rule.
    ///
    /// A folder is the same where it is held by the same descriptor at the same place. A store is each tool's own, so both
    /// must have one, and the narrower quota holds. Of limits each is the smaller.
    #[must_use]
    pub(crate) fn meet(&self, caller: &Self) -> Self {
        let both = |mount: &Mount| {
            let other = caller.mounts.iter().find(|other| other.is_same(mount))?;
            Some(Mount { access: mount.access.min(other.access), ..mount.clone() })
        };
        let config: BTreeMap<_, _> = self
            .config
            .iter()
            .filter(|(key, value)| caller.config.get(*key) == Some(value))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        let network =
            self.network.iter().flat_map(|ours| caller.network.iter().filter_map(|theirs| reach(ours, theirs)));
        let secrets = self.secrets.iter().filter_map(|ours| {
            let theirs =
                caller.secrets.iter().find(|theirs| theirs.from == ours.from && theirs.placement == ours.placement)?;
            let destination = ours.destination.meet(&theirs.destination)?;
            Some(GrantedSecret { destination, ..ours.clone() })
        });
        let kv = self.kv.zip(caller.kv).map(|(ours, theirs)| KvQuota {
            keys: ours.keys.min(theirs.keys),
            value_bytes: ours.value_bytes.min(theirs.value_bytes),
            total_bytes: ours.total_bytes.min(theirs.total_bytes),
        });
        let calls = self.calls.iter().flat_map(|ours| caller.calls.iter().filter_map(|theirs| callee(ours, theirs)));
        let mut met = Self {
            limits: self.limits.meet(&caller.limits),
            mounts: self.mounts.iter().filter_map(both).collect(),
            config: Arc::new(config),
            extended: self.extended && caller.extended,
            network: network.collect(),
            secrets: secrets.collect(),
            kv,
            calls: calls.collect(),
            hints_confirmed: self.hints_confirmed,
            keeps_results: self.keeps_results,
            mounted_by: self.mounted_by.clone(),
            rules: self.rules.clone(),
            refusals: self.refusals.clone(),
            lines: Vec::new(),
            inert: self.inert.clone(),
        };
        let calls: Vec<Callee> = met.calls.iter().filter_map(as_callee).collect();
        met.lines = words::lines(&met, &calls);
        met
    }
}

fn reach(ours: &GrantedNetwork, theirs: &GrantedNetwork) -> Option<GrantedNetwork> {
    let networks = |ours: &[ipnet::IpNet], theirs: &[ipnet::IpNet]| {
        let narrower = |a: &ipnet::IpNet, b: &ipnet::IpNet| match (a.contains(b), b.contains(a)) {
            (true, _) => Some(*b),
            (_, true) => Some(*a),
            (false, false) => None,
        };
        ours.iter().flat_map(|a| theirs.iter().filter_map(move |b| narrower(a, b))).collect()
    };
    // An entry for any public host reaches no other network, whatever it says beside.
    let named = |entry: &GrantedNetwork| entry.destination.host != HostPattern::AnyPublic;
    let redirects = if ours.redirects == theirs.redirects { ours.redirects } else { Redirects::default() };
    Some(GrantedNetwork {
        rule: ours.rule.clone(),
        destination: ours.destination.meet(&theirs.destination)?,
        methods: ours.methods.meet(&theirs.methods)?,
        networks: if named(ours) && named(theirs) { networks(&ours.networks, &theirs.networks) } else { Vec::new() },
        redirects,
    })
}

/// A pattern in the words of manifests. Calls are granted by name alone, so the others are in no grant.
fn as_callee(pattern: &Pattern) -> Option<Callee> {
    match pattern {
        Pattern::Component(name) => Some(Callee::Component(name.clone())),
        Pattern::Tool(id) => Some(Callee::Tool(id.clone())),
        Pattern::Any | Pattern::Digest(_) => None,
    }
}

/// The narrower of two patterns, where one is within the other.
fn callee(ours: &Pattern, theirs: &Pattern) -> Option<Pattern> {
    let within = |narrow: &Pattern, wide: &Pattern| match (narrow, wide) {
        (_, Pattern::Any) => true,
        (Pattern::Tool(tool), Pattern::Component(name)) => tool.component() == name.as_str(),
        (a, b) => a == b,
    };
    match (within(ours, theirs), within(theirs, ours)) {
        (true, _) => Some(ours.clone()),
        (_, true) => Some(theirs.clone()),
        (false, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use toolcell_core::Limits;
    use toolcell_core::manifest::Access;

    use super::*;

    fn network(url: &str, networks: &[&str]) -> GrantedNetwork {
        GrantedNetwork {
            rule: "a rule".to_owned(),
            destination: url.parse().expect("a destination"),
            methods: toolcell_core::net::Methods::parse(["GET"]).expect("methods"),
            networks: networks.iter().map(|net| net.parse().expect("a network")).collect(),
            redirects: Redirects::default(),
        }
    }

    #[test]
    fn a_tool_that_is_called_may_do_no_more_than_its_caller() {
        let folder = tempfile::tempdir().expect("a folder");
        let dir = Arc::new(File::open(folder.path()).expect("opens"));
        let mount = |guest: &str, access| Mount { guest: guest.to_owned(), dir: dir.clone(), access };
        let wide = Grant {
            mounts: [mount("/a", Access::ReadWrite), mount("/b", Access::ReadOnly)].into(),
            network: [network("https://api.example.com/", &["10.0.0.0/8"])].into(),
            kv: Some(KvQuota { keys: 5, value_bytes: 6, total_bytes: 7 }),
            calls: [Pattern::Component("json".parse().expect("a name"))].into(),
            ..Grant::empty(Limits::default())
        };
        let narrow = Grant {
            mounts: [mount("/a", Access::ReadOnly)].into(),
            network: [network("https://api.example.com/v1/", &["10.1.0.0/16", "192.168.0.0/16"])].into(),
            kv: Some(KvQuota { keys: 9, value_bytes: 1, total_bytes: 7 }),
            calls: [Pattern::Tool("json.query".parse().expect("an id"))].into(),
            ..Grant::empty(Limits::default())
        };
        for met in [wide.meet(&narrow), narrow.meet(&wide)] {
            assert_eq!(met.mounts.len(), 1);
            assert_eq!((met.mounts[0].guest.as_str(), met.mounts[0].access), ("/a", Access::ReadOnly));
            assert_eq!(met.network[..], [network("https://api.example.com/v1/", &["10.1.0.0/16"])]);
            assert_eq!(met.kv, Some(KvQuota { keys: 5, value_bytes: 1, total_bytes: 7 }));
            assert_eq!(met.calls[..], [Pattern::Tool("json.query".parse().expect("an id"))]);
        }
        let nothing = wide.meet(&Grant::empty(Limits::default()));
        assert!(nothing.mounts.is_empty() && nothing.network.is_empty() && nothing.kv.is_none());
        assert!(nothing.calls.is_empty() && nothing.lines.is_empty());
    }
}
