//! What was approved covers what is no wider, and nothing else: by examples both ways, and for grants that nobody thought of.

use std::collections::BTreeSet;
use std::fs::File;
use std::net::IpAddr;

use toolcell_core::net::{HostPattern, Scheme, Target};

use super::*;
use crate::grant::capability::Capability;

fn set<T: ToString>(lines: &[T]) -> BTreeSet<String> {
    lines.iter().map(ToString::to_string).collect()
}

#[track_caller]
fn covered(narrow: &str, wide: &[&str]) {
    assert_eq!(uncovered(&set(&[narrow]), &set(wide)), [""; 0], "{narrow} is no wider than {wide:?}");
}

#[track_caller]
fn wider(wide: &str, narrow: &[&str]) {
    assert_eq!(uncovered(&set(&[wide]), &set(narrow)), [wide], "{wide} is wider than {narrow:?}");
}

/// The first is narrower than the second, and not the other way round.
#[track_caller]
fn narrower(narrow: &str, wide: &str) {
    covered(narrow, &[wide]);
    wider(wide, &[narrow]);
}

#[test]
fn each_capability_is_covered_by_a_wider_one_of_its_kind_and_never_by_a_narrower_one() {
    for (narrow, wide) in [
        ("mount /data read-only", "mount /data read-write"),
        ("mount /my data read-only", "mount /my data read-write"),
        ("kv 9 keys, 1 KiB each, 1 MiB in all", "kv 10 keys, 1 KiB each, 1 MiB in all"),
        ("kv 9 keys, 1023 B each, 1 MiB in all", "kv 9 keys, 1 KiB each, 1 MiB in all"),
        ("kv 9 keys, 1 KiB each, 1000 KiB in all", "kv 9 keys, 1 KiB each, 1 MiB in all"),
        ("call json.query", "call json"),
        ("network GET https://a.example/", "network GET,POST https://a.example/"),
        ("network GET https://a.example/v1/", "network GET https://a.example/"),
        ("network GET https://a.example/v1/x", "network GET https://a.example/v1"),
        ("network GET https://b.a.example/", "network GET https://*.a.example/"),
        ("network GET https://a.example/", "network GET any public host by https"),
        ("network GET https://a.example/ at 10.1.0.0/16", "network GET https://a.example/ at 10.0.0.0/8"),
        ("network GET https://a.example/", "network GET https://a.example/ at 10.0.0.0/8"),
        ("network GET https://a.example/", "network GET https://a.example/ following redirects"),
        ("secret k to https://a.example/v1/ in header X-Key", "secret k to https://a.example/ in header X-Key"),
        (
            "secret k to https://a.example/v1/ in header authorization after \"Bearer \"",
            "secret k to https://a.example/ in header Authorization after \"Bearer \"",
        ),
    ] {
        narrower(narrow, wide);
    }
}

#[test]
fn what_only_looks_alike_covers_nothing() {
    for (one, other) in [
        ("mount /data read-only", "mount /data/more read-write"),
        ("mount /data/more read-only", "mount /data read-write"),
        ("config region", "config regions"),
        ("call json", "call json-2"),
        ("call json.query", "call js"),
        ("network GET https://a.example/v10", "network GET https://a.example/v1"),
        ("network GET https://a.example/", "network GET http://a.example/"),
        ("network GET https://a.example/", "network GET https://a.example:8443/"),
        ("network GET https://a.example/", "network GET https://*.a.example/"),
        ("network GET https://a.example.evil/", "network GET https://a.example/"),
        ("network GET https://a.example/ at 10.0.0.0/8", "network GET any public host by https"),
        ("secret k to https://a.example/ in header X-Key", "secret k to https://a.example/ in header Y-Key"),
        ("secret k to https://a.example/ in header X-Key", "secret k to https://a.example/ in query parameter X-Key"),
        ("secret k to https://a.example/ in header X-Key", "secret l to https://a.example/ in header X-Key"),
        ("secret k to https://a.example/ in header X-Key", "network GET,POST https://a.example/"),
        ("extended engine", "extended engines"),
        ("kv 1 keys, 1 B each, 1 B in all", "config kv"),
    ] {
        wider(one, &[other]);
        wider(other, &[one]);
    }
}

#[test]
fn several_lines_cover_one_as_the_door_adds_them_up() {
    let both = "network GET,POST https://a.example/v1/";
    covered(both, &["network GET https://a.example/v1/", "network POST https://a.example/"]);
    covered("network GET https://a.example/", &[both, "network GET https://a.example/"]);
    wider(both, &["network GET https://a.example/v1/", "network POST https://a.example/v2/"]);
    wider(both, &["network GET https://a.example/v1/", "network PUT https://a.example/"]);
    let at = "network GET https://a.example/ at 10.1.0.0/16,192.168.1.0/24 following redirects";
    let there = "network GET https://a.example/ at 10.0.0.0/8";
    covered(at, &[there, "network GET https://a.example/ at 192.168.0.0/16 following redirects"]);
    wider(at, &[there, "network GET https://a.example/ at 192.168.0.0/16"]);
    wider(at, &[there, "network GET https://a.example/v1/ at 192.168.0.0/16 following redirects"]);
    // Of quotas each is held against one line: nobody approved the best of two.
    wider("kv 9 keys, 9 B each, 9 B in all", &["kv 9 keys, 1 B each, 9 B in all", "kv 1 keys, 9 B each, 9 B in all"]);
}

#[test]
fn a_line_that_is_not_written_so_covers_itself_alone() {
    for odd in [
        "",
        " ",
        "mount",
        "mount  read-write",
        "mount /data  read-write",
        "mount /data read-write ",
        "kv 010 keys, 1 KiB each, 1 MiB in all",
        "kv 10 keys, 1024 B each, 1 MiB in all",
        "kv 99999999999999999999 keys, 1 B each, 1 B in all",
        "network POST,GET https://a.example/",
        "network GET https://A.example/",
        "network GET https://a.example",
        "network GET https://a.example/ at 10.0.0.1/8,",
        "network GET https://*/ following redirects",
        "network * https://a.example/",
        "network GET any public host by ftp",
        "secret k to https://a.example/ in header Host",
        "secret k to https://a.example/ in header X-Key after \"",
        "secret k to https://a.example/ in header X-Key after \"\\\"",
        "call ..",
        "every capability",
    ] {
        covered(odd, &[odd]);
        assert_eq!(Capability::read(odd).map(|read| read.line()).filter(|line| line != odd), None, "{odd}");
        for plain in ["mount /data read-only", "kv 1 keys, 1 B each, 1 B in all", "network GET https://a.example/x"] {
            if odd != "mount  read-write" {
                wider(plain, &[odd]);
            }
        }
    }
}

#[test]
fn more_lines_than_anybody_reads_are_compared_by_their_text_alone() {
    let lines =
        |path: &str| set(&(0..2_000).map(|n| format!("network GET https://a.example/{path}{n}")).collect::<Vec<_>>());
    let (granted, approved) = (lines("v1/"), lines(""));
    assert_eq!(uncovered(&granted, &approved).len(), granted.len());
    assert!(uncovered(&approved, &approved).is_empty());
}

/// Numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        // SplitMix64, as its author gives it.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % sides as u64).expect("fewer sides than that")
    }

    fn some<T: Clone>(&mut self, of: &[T]) -> Vec<T> {
        of.iter().filter(|_| self.roll(2) == 0).cloned().collect()
    }

    fn one<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.roll(of.len())].clone()
    }
}

/// What grants are made of here: little enough that two of them often have to do with each other.
struct World {
    dirs: Vec<(String, Arc<File>)>,
    to: Vec<Destination>,
    targets: Vec<Target>,
}

const METHODS: [&str; 3] = ["GET", "POST", "PUT"];

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let dir = |guest: &str| (guest.to_owned(), Arc::new(File::open(folder.path()).expect("opens")));
        let mut to: Vec<Destination> = [
            "https://api.example.com/",
            "https://api.example.com/v1",
            "https://api.example.com/v1/",
            "https://api.example.com/v1/x",
            "https://*.example.com/v1/",
            "https://10.0.0.1/",
            "http://api.example.com/",
        ]
        .map(|text| text.parse().expect("a destination"))
        .into();
        to.push(Destination::any_public(Scheme::Https));
        let target = |scheme, host, path| Target::parse(scheme, host, path).expect("a target");
        let mut targets = vec![target("https", "10.0.0.1", "/"), target("https", "other.example", "/v1/x")];
        for host in ["api.example.com", "b.example.com"] {
            for path in ["/", "/v1", "/v1/", "/v1/x", "/v1/x/y", "/v10"] {
                targets.extend([target("https", host, path), target("http", host, path)]);
            }
        }
        Self { dirs: ["/a", "/b", "/my c"].map(dir).into(), to, targets }
    }

    fn network(&self, dice: &mut Dice) -> GrantedNetwork {
        let mut methods = dice.some(&METHODS);
        if methods.is_empty() {
            methods.push("GET");
        }
        GrantedNetwork {
            rule: "a rule".to_owned(),
            destination: dice.one(&self.to),
            methods: Methods::parse(methods).expect("methods"),
            networks: dice
                .some(&["10.0.0.0/8", "10.1.0.0/16", "192.168.0.0/16"].map(|it| it.parse().expect("a network"))),
            redirects: dice.one(&[Redirects::Return, Redirects::Follow]),
        }
    }

    fn secret(&self, dice: &mut Dice) -> GrantedSecret {
        let name = dice.one(&["key", "other-key"]).to_owned();
        let header = |name: &str, prefix: &str| Placement::Header { name: name.to_owned(), prefix: prefix.to_owned() };
        let placements = [
            header("X-Key", ""),
            header("Authorization", "Bearer "),
            header("Authorization", "a \"quoted\" \\ word "),
            Placement::Query { name: "key".to_owned() },
            Placement::Basic { user: "me".to_owned() },
        ];
        let destination = dice.one(&self.to[..7]);
        GrantedSecret {
            rule: "a rule".to_owned(),
            from: name.clone(),
            name,
            destination,
            placement: dice.one(&placements),
        }
    }

    fn grant(&self, dice: &mut Dice) -> Grant {
        let mounts = dice.some(&self.dirs);
        let mounts = mounts.into_iter().map(|(guest, dir)| Mount {
            guest,
            dir,
            access: dice.one(&[Access::ReadOnly, Access::ReadWrite]),
        });
        let mounts: Vec<_> = mounts.collect();
        let config = dice.some(&["region", "unit", "a b"]);
        let calls = dice.some(&["json", "json.query", "text.count"]);
        let calls: Vec<Callee> = calls.into_iter().map(|text| text.parse().expect("a callee")).collect();
        let quota = |dice: &mut Dice| 1 + dice.roll(3) as u64;
        let mut grant = Grant {
            mounts: mounts.into(),
            config: Arc::new(config.into_iter().map(|key| (key.to_owned(), "value".to_owned())).collect()),
            network: (0..dice.roll(4)).map(|_| self.network(dice)).collect(),
            secrets: (0..dice.roll(3)).map(|_| self.secret(dice)).collect(),
            kv: (dice.roll(2) == 0).then(|| KvQuota {
                keys: quota(dice),
                value_bytes: quota(dice),
                total_bytes: quota(dice) << 10,
            }),
            extended: dice.roll(2) == 0,
            ..Grant::empty(Limits::default())
        };
        grant.lines = words::lines(&grant, &calls);
        grant.calls = calls.into_iter().map(Pattern::from).collect();
        grant
    }

    /// The same with one thing more, of whichever kind.
    fn widened(&self, grant: &Grant, dice: &mut Dice) -> (Grant, Vec<Callee>) {
        let (mut wide, mut calls) = (grant.clone(), Vec::new());
        let mut entry = self.network(dice);
        entry.networks.clear();
        match dice.roll(12) {
            0 => Arc::make_mut(&mut wide.config).insert("new".to_owned(), String::new()).map_or((), drop),
            1 => {
                let mount = Mount { guest: "/new".to_owned(), dir: self.dirs[0].1.clone(), access: Access::ReadOnly };
                wide.mounts = wide.mounts.iter().cloned().chain([mount]).collect();
            }
            2 if wide.mounts.iter().any(|mount| mount.access == Access::ReadOnly) => {
                let widen = |mount: &Mount| Mount { access: Access::ReadWrite, ..mount.clone() };
                wide.mounts = wide.mounts.iter().map(widen).collect();
            }
            3 => entry.methods = Methods::parse(["DELETE"]).expect("a method"),
            4 => entry.destination = "https://api.example.com:8443/".parse().expect("a destination"),
            5 => {
                entry.destination = dice.one(&self.to[..7]);
                entry.networks = vec!["172.16.0.0/12".parse().expect("a network")];
            }
            6 if grant.network.iter().all(|entry| entry.redirects == Redirects::Return) => {
                entry.redirects = Redirects::Follow;
            }
            7 => {
                let secret = GrantedSecret { name: "new-key".to_owned(), ..self.secret(dice) };
                wide.secrets = wide.secrets.iter().cloned().chain([secret]).collect();
            }
            8 => {
                let old = wide.kv.unwrap_or(KvQuota { keys: 0, value_bytes: 0, total_bytes: 0 });
                let [mut keys, mut value_bytes, mut total_bytes] = [old.keys, old.value_bytes, old.total_bytes];
                *[&mut keys, &mut value_bytes, &mut total_bytes][dice.roll(3)] += 1;
                wide.kv = Some(KvQuota { keys, value_bytes, total_bytes });
            }
            9 => calls.push(Callee::Component("text".parse().expect("a name"))),
            10 => calls.push(Callee::Tool("json-2.query".parse().expect("an id"))),
            11 if !wide.extended => wide.extended = true,
            // What there is not yet cannot be widened.
            _ => calls.push(Callee::Component("new".parse().expect("a name"))),
        }
        let is_new = entry.methods.covers("DELETE")
            || entry.destination.port == 8443
            || !entry.networks.is_empty()
            || (entry.redirects == Redirects::Follow
                && grant.network.iter().all(|entry| entry.redirects == Redirects::Return));
        if is_new {
            wide.network = wide.network.iter().cloned().chain([entry]).collect();
        }
        (wide, calls)
    }
}

fn lines(grant: &Grant) -> BTreeSet<String> {
    grant.lines.iter().cloned().collect()
}

#[test]
fn what_two_grants_share_is_covered_by_each_of_them() {
    let (world, mut dice) = (World::new(), Dice(1));
    let mut shared = 0;
    for _ in 0..3_000 {
        let (a, b) = (world.grant(&mut dice), world.grant(&mut dice));
        let met = a.meet(&b);
        for grant in [&a, &b] {
            assert_eq!(uncovered(&met.lines, &lines(grant)), [""; 0], "{:?}\n{:?}", a.lines, b.lines);
        }
        assert_eq!(uncovered(&a.lines, &lines(&a)), [""; 0]);
        shared += usize::from(!met.lines.is_empty());
    }
    assert!(shared > 1_000, "only {shared} had anything in common");
}

#[test]
fn a_grant_with_one_thing_more_is_never_covered_by_the_one_without() {
    let (world, mut dice) = (World::new(), Dice(2));
    for _ in 0..3_000 {
        let narrow = world.grant(&mut dice);
        let (mut wide, mut calls) = world.widened(&narrow, &mut dice);
        calls.extend(narrow.lines.iter().filter_map(|line| line.strip_prefix("call ")?.parse::<Callee>().ok()));
        wide.lines = words::lines(&wide, &calls);
        assert_ne!(uncovered(&wide.lines, &lines(&narrow)), [""; 0], "{:?}\n{:?}", wide.lines, narrow.lines);
        // The other way round nothing is missing, so what was approved still says what it said.
        let kv = |line: &&String| !line.starts_with("kv ");
        let approved: BTreeSet<String> = narrow.lines.iter().filter(kv).cloned().collect();
        assert_eq!(uncovered(&approved, &lines(&wide)), [""; 0], "{:?}\n{:?}", wide.lines, narrow.lines);
    }
}

#[test]
fn no_request_is_allowed_by_what_is_covered_and_not_by_what_covers_it() {
    let (world, mut dice) = (World::new(), Dice(3));
    let only = |network: Vec<GrantedNetwork>| {
        let mut grant = Grant { network: network.into(), ..Grant::empty(Limits::default()) };
        grant.lines = words::lines(&grant, &[]);
        grant
    };
    let address: IpAddr = "10.1.2.3".parse().expect("an address");
    // Of all entries for a request the addresses add up, unless an entry names no host.
    let reaches = |grant: &Grant, method: &str, target: &Target| {
        let mut there = grant.network.iter().filter(|it| it.methods.covers(method) && it.destination.covers(target));
        there.any(|it| {
            it.destination.host != HostPattern::AnyPublic && it.networks.iter().any(|net| net.contains(&address))
        })
    };
    let mut compared = 0;
    for _ in 0..20_000 {
        let narrow = only((0..=dice.roll(2)).map(|_| world.network(&mut dice)).collect());
        let wide = only((0..=dice.roll(4)).map(|_| world.network(&mut dice)).collect());
        if !uncovered(&narrow.lines, &lines(&wide)).is_empty() {
            continue;
        }
        compared += 1;
        for (method, target) in METHODS.iter().flat_map(|method| world.targets.iter().map(move |it| (method, it))) {
            let may =
                |grant: &Grant| matches!(grant.decide(&Question::Request { method, target }), Decision::Granted { .. });
            assert!(!may(&narrow) || may(&wide), "{method} {target}: {:?}\n{:?}", narrow.lines, wide.lines);
            assert!(
                !reaches(&narrow, method, target) || reaches(&wide, method, target),
                "{method} {target} at {address}: {:?}\n{:?}",
                narrow.lines,
                wide.lines
            );
        }
    }
    assert!(compared > 500, "only {compared} pairs were covered");
}

#[test]
fn every_line_of_a_grant_is_understood_and_none_that_was_damaged_is_taken_for_another() {
    let (world, mut dice) = (World::new(), Dice(4));
    for _ in 0..1_000 {
        for line in &world.grant(&mut dice).lines {
            assert_eq!(Capability::read(line).expect(line).line(), *line);
            let mut damaged = line.clone().into_bytes();
            let at = dice.roll(damaged.len());
            match dice.roll(3) {
                0 => damaged[at] = b' ' + u8::try_from(dice.roll(95)).expect("a printable character"),
                1 => damaged.truncate(at),
                _ => damaged.extend_from_within(at..),
            }
            let damaged = String::from_utf8(damaged).expect("ASCII");
            assert!(uncovered(&set(&[&damaged]), &set(&[&damaged])).is_empty());
            if let Some(read) = Capability::read(&damaged) {
                assert_eq!(read.line(), damaged);
            }
        }
    }
}

#[test]
fn two_lines_that_would_be_shown_alike_are_told_apart() {
    let at = |count: u32| GrantedNetwork {
        rule: "a rule".to_owned(),
        destination: "https://api.example.com/".parse().expect("a destination"),
        methods: Methods::parse(["GET"]).expect("a method"),
        networks: (0..count).map(|n| format!("10.{}.{}.0/24", n / 256, n % 256).parse().expect("a network")).collect(),
        redirects: Redirects::Return,
    };
    let line = |count| {
        let grant = Grant { network: [at(count)].into(), ..Grant::empty(Limits::default()) };
        words::lines(&grant, &[]).remove(0)
    };
    let (few, more) = (line(1_000), line(1_001));
    assert!(few.len() <= 4_096 && more.len() <= 4_096 && few != more, "{few}");
    wider(&more, &[&few]);
    covered(&few, &[&few]);
}
