//! Classes of IP addresses: which of them may be dialled.
//!
//! Only [`Class::Public`] may, unless a grant names the network; metadata services have to be named one by one, because
//! a wide network that happens to hold one hands out the machine's own credentials. Pure. The tables are those of
//! IANA's special-purpose address registries (RFC 6890 and its updates), read strictly: what they do not call
//! globally reachable is not public here, and neither is IPv6 space that has not been allocated.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// What kind of place an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A host on the internet.
    Public,
    /// `0.0.0.0/8` and `::`: on many systems, this machine.
    Unspecified,
    /// This machine.
    Loopback,
    /// RFC 1918 and the unique-local addresses of RFC 4193.
    Private,
    /// The cable that this machine hangs on.
    LinkLocal,
    /// A service that gives whoever asks from this machine its credentials.
    Metadata,
    /// A carrier's own network (RFC 6598).
    Shared,
    /// Many hosts.
    Multicast,
    /// All hosts.
    Broadcast,
    /// Examples in texts.
    Documentation,
    /// Test beds (RFC 2544, RFC 5180).
    Benchmarking,
    /// 6to4, Teredo and local NAT64: what is dialled is decided by a relay that nobody vetted.
    Tunnel,
    /// Everything else that is not globally reachable.
    Reserved,
}

/// Metadata services of clouds, as their vendors document them.
const METADATA: [IpAddr; 12] = [
    // AWS, Google, Azure, Oracle, DigitalOcean, OpenStack and most others.
    v4(169, 254, 169, 254),
    // Credentials of tasks and pods on AWS.
    v4(169, 254, 170, 2),
    v4(169, 254, 170, 23),
    // Tencent; Scaleway; Alibaba; Oracle Classic.
    v4(169, 254, 0, 23),
    v4(169, 254, 42, 42),
    v4(100, 100, 100, 200),
    v4(192, 0, 0, 192),
    // Azure's wire server, in what is otherwise public space.
    v4(168, 63, 129, 16),
    // AWS, Google, Scaleway by IPv6.
    v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254]),
    v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23]),
    v6([0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254]),
    v6([0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42]),
];

/// The class of an address. One that carries an IPv4 address inside has the class of that one, and is never
/// more public than its own carrier.
pub fn class(address: IpAddr) -> Class {
    if METADATA.contains(&address) {
        return Class::Metadata;
    }
    match address {
        IpAddr::V4(address) => class_v4(address),
        IpAddr::V6(address) => class_v6(address),
    }
}

/// Whether an address may be dialled: because it is public, or because one of these networks has it.
pub fn may_dial(address: IpAddr, networks: &[IpNet]) -> Result<(), Class> {
    let class = class(address);
    let canonical = address.to_canonical();
    let named = match class {
        Class::Public => return Ok(()),
        // By itself, and in the family that it is dialled in.
        Class::Metadata => {
            networks.iter().any(|net| net.prefix_len() == net.max_prefix_len() && net.addr() == canonical)
        }
        // Nothing that a grant can mean: a connection needs one host at the other end.
        Class::Multicast | Class::Broadcast | Class::Unspecified => false,
        _ => networks.iter().any(|net| net.contains(&canonical)),
    };
    if named { Ok(()) } else { Err(class) }
}

#[allow(clippy::match_same_arms, reason = "one arm for each kind of entry in the registries")]
fn class_v4(address: Ipv4Addr) -> Class {
    match address.octets() {
        [0, ..] => Class::Unspecified,
        [127, ..] => Class::Loopback,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Class::Private,
        [169, 254, ..] => Class::LinkLocal,
        [100, 64..=127, ..] => Class::Shared,
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Class::Documentation,
        [198, 18 | 19, ..] => Class::Benchmarking,
        // 192.88.99.0/24 was the way into 6to4, and is deprecated (RFC 7526).
        [192, 88, 99, _] => Class::Tunnel,
        [192, 0, 0, _] => Class::Reserved,
        [224..=239, ..] => Class::Multicast,
        [255, 255, 255, 255] => Class::Broadcast,
        [240..=255, ..] => Class::Reserved,
        _ => Class::Public,
    }
}

#[allow(clippy::match_same_arms, reason = "one arm for each kind of entry in the registries")]
fn class_v6(address: Ipv6Addr) -> Class {
    let carried = |high: u16, low: u16, otherwise: Class| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        match class(IpAddr::V4(Ipv4Addr::new(a, b, c, d))) {
            Class::Public => otherwise,
            worse => worse,
        }
    };
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Class::Unspecified,
        [0, 0, 0, 0, 0, 0, 0, 1] => Class::Loopback,
        // IPv4-mapped is the same host, dialled as IPv4. IPv4-compatible is deprecated (RFC 4291, section 2.5.5.1).
        [0, 0, 0, 0, 0, 0xffff, high, low] => carried(high, low, Class::Public),
        [0, 0, 0, 0, 0 | 0xffff, 0, high, low] => carried(high, low, Class::Reserved),
        // NAT64's well-known prefix reaches the host inside (RFC 6052); the local one reaches who knows what (RFC 8215).
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => carried(high, low, Class::Public),
        [0x64, 0xff9b, 1, _, _, _, high, low] => carried(high, low, Class::Tunnel),
        // 6to4 (RFC 3056) and Teredo (RFC 4380), where the client's address stands inverted.
        [0x2002, high, low, ..] => carried(high, low, Class::Tunnel),
        [0x2001, 0, _, _, _, _, high, low] => carried(!high, !low, Class::Tunnel),
        [0x2001, 2, 0, ..] => Class::Benchmarking,
        [0x2001, 0xdb8, ..] => Class::Documentation,
        [0x3fff, 0..=0x0fff, ..] => Class::Documentation,
        // The rest of 2001::/23: protocol assignments.
        [0x2001, 0..=0x01ff, ..] => Class::Reserved,
        // OpenStack's metadata service by link-local IPv6: fe80::a9fe:a9fe.
        [0xfe80, 0, 0, 0, 0, 0, 0xa9fe, 0xa9fe] => Class::Metadata,
        [0xfe80..=0xfebf, ..] => Class::LinkLocal,
        [0xfc00..=0xfdff, ..] => Class::Private,
        [0xff00..=0xffff, ..] => Class::Multicast,
        // Only 2000::/3 is allocated for hosts.
        [0x2000..=0x3fff, ..] => Class::Public,
        _ => Class::Reserved,
    }
}

impl Class {
    /// What it is, for a message: "a private address".
    pub fn words(self) -> &'static str {
        match self {
            Self::Public => "a public address",
            Self::Unspecified => "the unspecified address",
            Self::Loopback => "a loopback address",
            Self::Private => "a private address",
            Self::LinkLocal => "a link-local address",
            Self::Metadata => "a cloud's metadata service",
            Self::Shared => "an address of a carrier's own network",
            Self::Multicast => "a multicast address",
            Self::Broadcast => "the broadcast address",
            Self::Documentation => "an address for documentation",
            Self::Benchmarking => "an address for benchmarks",
            Self::Tunnel => "an address of a tunnel or translator",
            Self::Reserved => "a reserved address",
        }
    }

    /// What reaches an address of a class that is not public, for messages, as what follows [`Class::words`] and a comma.
    pub fn reached_by(self) -> &'static str {
        match self {
            Self::Multicast | Self::Broadcast | Self::Unspecified => "which is never dialled",
            Self::Metadata => "which only a rule that names this one address in `addresses` reaches",
            _ => "which only a rule that names its network in `addresses` reaches",
        }
    }
}

const fn v4(a: u8, b: u8, c: u8, d: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(a, b, c, d))
}

const fn v6(s: [u16; 8]) -> IpAddr {
    IpAddr::V6(Ipv6Addr::new(s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn nets(texts: &[&str]) -> Vec<IpNet> {
        texts.iter().map(|text| text.parse().expect("a network")).collect()
    }

    #[test]
    fn every_special_range_has_its_class_up_to_its_edges() {
        for (address, expected) in [
            ("0.0.0.0", Class::Unspecified),
            ("0.255.255.255", Class::Unspecified),
            ("1.0.0.0", Class::Public),
            ("9.255.255.255", Class::Public),
            ("10.0.0.0", Class::Private),
            ("10.255.255.255", Class::Private),
            ("11.0.0.0", Class::Public),
            ("100.63.255.255", Class::Public),
            ("100.64.0.0", Class::Shared),
            ("100.127.255.255", Class::Shared),
            ("100.128.0.0", Class::Public),
            ("100.100.100.200", Class::Metadata),
            ("126.255.255.255", Class::Public),
            ("127.0.0.1", Class::Loopback),
            ("127.255.255.255", Class::Loopback),
            ("128.0.0.0", Class::Public),
            ("168.63.129.16", Class::Metadata),
            ("169.253.255.255", Class::Public),
            ("169.254.0.0", Class::LinkLocal),
            ("169.254.169.254", Class::Metadata),
            ("169.254.170.2", Class::Metadata),
            ("172.15.255.255", Class::Public),
            ("172.16.0.0", Class::Private),
            ("172.31.255.255", Class::Private),
            ("172.32.0.0", Class::Public),
            ("192.0.0.1", Class::Reserved),
            ("192.0.0.192", Class::Metadata),
            ("192.0.1.0", Class::Public),
            ("192.0.2.1", Class::Documentation),
            ("192.88.99.1", Class::Tunnel),
            ("192.168.0.0", Class::Private),
            ("192.169.0.0", Class::Public),
            ("198.17.255.255", Class::Public),
            ("198.18.0.0", Class::Benchmarking),
            ("198.19.255.255", Class::Benchmarking),
            ("198.20.0.0", Class::Public),
            ("198.51.100.9", Class::Documentation),
            ("203.0.113.9", Class::Documentation),
            ("223.255.255.255", Class::Public),
            ("224.0.0.1", Class::Multicast),
            ("239.255.255.255", Class::Multicast),
            ("240.0.0.0", Class::Reserved),
            ("255.255.255.254", Class::Reserved),
            ("255.255.255.255", Class::Broadcast),
            ("8.8.8.8", Class::Public),
            ("::", Class::Unspecified),
            ("::1", Class::Loopback),
            ("::2", Class::Unspecified),
            ("::8.8.8.8", Class::Reserved),
            ("::10.0.0.1", Class::Private),
            ("::ffff:8.8.8.8", Class::Public),
            ("::ffff:127.0.0.1", Class::Loopback),
            ("::ffff:0.0.0.0", Class::Unspecified),
            ("::ffff:169.254.169.254", Class::Metadata),
            ("::ffff:0:127.0.0.1", Class::Loopback),
            ("::ffff:0:8.8.8.8", Class::Reserved),
            ("64:ff9b::8.8.8.8", Class::Public),
            ("64:ff9b::10.0.0.1", Class::Private),
            ("64:ff9b::169.254.169.254", Class::Metadata),
            ("64:ff9b:1::8.8.8.8", Class::Tunnel),
            ("64:ff9b:1:2:3::10.0.0.1", Class::Private),
            ("64:ff9b:2::1", Class::Reserved),
            ("100::1", Class::Reserved),
            ("2001::f7f7:f7f7", Class::Tunnel),
            ("2001::1", Class::Reserved),
            ("2001:0:0:0:0:0:80ff:fffe", Class::Loopback),
            ("2001:2::1", Class::Benchmarking),
            ("2001:2:1::1", Class::Reserved),
            ("2001:10::1", Class::Reserved),
            ("2001:1ff::1", Class::Reserved),
            ("2001:200::1", Class::Public),
            ("2001:db8::1", Class::Documentation),
            ("2001:4860:4860::8888", Class::Public),
            ("2002:7f00:1::1", Class::Loopback),
            ("2002:a9fe:a9fe::", Class::Metadata),
            ("2002:808:808::1", Class::Tunnel),
            ("2606:4700::1111", Class::Public),
            ("3fff::1", Class::Documentation),
            ("3fff:fff::1", Class::Documentation),
            ("3fff:1000::1", Class::Public),
            ("4000::1", Class::Reserved),
            ("5f00::1", Class::Reserved),
            ("fc00::1", Class::Private),
            ("fdff::1", Class::Private),
            ("fd00:ec2::254", Class::Metadata),
            ("fd20:ce::254", Class::Metadata),
            ("fe80::1", Class::LinkLocal),
            ("febf::1", Class::LinkLocal),
            ("fe80::a9fe:a9fe", Class::Metadata),
            ("fec0::1", Class::Reserved),
            ("ff02::1", Class::Multicast),
            ("ffff::1", Class::Multicast),
        ] {
            assert_eq!(class(ip(address)), expected, "{address}");
        }
    }

    #[test]
    fn an_address_is_dialled_when_it_is_public_or_its_network_is_granted() {
        assert_eq!(may_dial(ip("8.8.8.8"), &[]), Ok(()));
        assert_eq!(may_dial(ip("10.1.2.3"), &[]), Err(Class::Private));
        assert_eq!(may_dial(ip("10.1.2.3"), &nets(&["10.0.0.0/8"])), Ok(()));
        assert_eq!(may_dial(ip("::ffff:10.1.2.3"), &nets(&["10.0.0.0/8"])), Ok(()));
        assert_eq!(may_dial(ip("11.0.0.1"), &nets(&["10.0.0.0/8"])), Ok(()));
        assert_eq!(may_dial(ip("192.168.0.1"), &nets(&["10.0.0.0/8"])), Err(Class::Private));
        assert_eq!(may_dial(ip("127.0.0.1"), &nets(&["127.0.0.0/8"])), Ok(()));
        assert_eq!(may_dial(ip("fd12::1"), &nets(&["fc00::/7"])), Ok(()));
        assert_eq!(may_dial(ip("2002:a00:1::1"), &nets(&["10.0.0.0/8"])), Err(Class::Private));
    }

    #[test]
    fn metadata_is_dialled_only_when_it_is_named_by_itself() {
        let metadata = ip("169.254.169.254");
        for wide in ["0.0.0.0/0", "169.254.0.0/16", "169.254.169.254/31"] {
            assert_eq!(may_dial(metadata, &nets(&[wide])), Err(Class::Metadata), "{wide}");
        }
        assert_eq!(may_dial(metadata, &nets(&["169.254.169.254/32"])), Ok(()));
        assert_eq!(may_dial(ip("::ffff:169.254.169.254"), &nets(&["169.254.169.254/32"])), Ok(()));
        assert_eq!(may_dial(ip("fd00:ec2::254"), &nets(&["fd00::/8"])), Err(Class::Metadata));
        assert_eq!(may_dial(ip("fd00:ec2::254"), &nets(&["fd00:ec2::254/128"])), Ok(()));
        assert_eq!(may_dial(ip("168.63.129.16"), &nets(&["168.0.0.0/8"])), Err(Class::Metadata));
    }

    #[test]
    fn what_is_not_one_host_cannot_be_granted() {
        let all = nets(&["0.0.0.0/0", "::/0"]);
        for address in ["0.0.0.0", "::", "224.0.0.1", "255.255.255.255", "ff02::1"] {
            assert!(may_dial(ip(address), &all).is_err(), "{address}");
        }
    }
}
