//! Which addresses belong to the public internet.
//!
//! A list of what is public, not of what is bad, where the registry allows it:
//! IPv6 outside `2000::/3` is refused unless it carries a public IPv4 address.
//! Called on every resolved address before it is connected to. Ranges follow the
//! IANA special-purpose registries (RFC 6890 and its updates).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// IPv4 ranges that are not public: network, prefix length.
const V4_SPECIAL: &[(Ipv4Addr, u32)] = &[
    (Ipv4Addr::new(0, 0, 0, 0), 8),        // this network; 0.0.0.0 reaches loopback
    (Ipv4Addr::new(10, 0, 0, 0), 8),       // private
    (Ipv4Addr::new(100, 64, 0, 0), 10),    // carrier-grade NAT, tailnets, a cloud's metadata
    (Ipv4Addr::new(127, 0, 0, 0), 8),      // loopback
    (Ipv4Addr::new(168, 63, 129, 16), 32), // a cloud's host agent, not in any registry
    (Ipv4Addr::new(169, 254, 0, 0), 16),   // link-local, metadata services
    (Ipv4Addr::new(172, 16, 0, 0), 12),    // private
    (Ipv4Addr::new(192, 0, 0, 0), 24),     // protocol assignments
    (Ipv4Addr::new(192, 0, 2, 0), 24),     // documentation
    (Ipv4Addr::new(192, 88, 99, 0), 24),   // 6to4 relays
    (Ipv4Addr::new(192, 168, 0, 0), 16),   // private
    (Ipv4Addr::new(198, 18, 0, 0), 15),    // benchmarking
    (Ipv4Addr::new(198, 51, 100, 0), 24),  // documentation
    (Ipv4Addr::new(203, 0, 113, 0), 24),   // documentation
    (Ipv4Addr::new(224, 0, 0, 0), 4),      // multicast
    (Ipv4Addr::new(240, 0, 0, 0), 4),      // reserved, broadcast
];

/// IPv6 ranges inside `2000::/3` that are not public: network, prefix length.
const V6_SPECIAL: &[(Ipv6Addr, u32)] = &[
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23), // protocol assignments, Teredo
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32), // documentation
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16), // 6to4
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20), // documentation
];

/// Tells whether an address belongs to the public internet.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let bits = address.to_bits();
    !V4_SPECIAL.iter().any(|(network, length)| (bits ^ network.to_bits()).leading_zeros() >= *length)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(inner) = carried(address) {
        return is_public_v4(inner);
    }
    let bits = address.to_bits();
    let is_global = bits >> 125 == 1;
    is_global && !V6_SPECIAL.iter().any(|(network, length)| (bits ^ network.to_bits()).leading_zeros() >= *length)
}

/// Returns the IPv4 address that traffic to this IPv6 address ends up at.
fn carried(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let bits = address.to_bits();
    let low = Ipv4Addr::from_bits((bits & 0xffff_ffff) as u32);
    match address.segments() {
        // IPv4-mapped; the kernel sends it over IPv4.
        [0, 0, 0, 0, 0, 0xffff, _, _] => Some(low),
        // NAT64 with the well-known prefix, which DNS64 makes of every IPv4 host.
        [0x64, 0xff9b, 0, 0, 0, 0, _, _] => Some(low),
        // ISATAP tunnels, below any prefix.
        [_, _, _, _, 0 | 0x200, 0x5efe, _, _] => Some(low),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: bool) {
        assert_eq!(is_public(text.parse().unwrap()), expected, "{text}");
    }

    #[test]
    fn both_sides_of_every_ipv4_range() {
        for (network, length) in V4_SPECIAL {
            let first = network.to_bits();
            let last = first | u32::MAX.checked_shr(*length).unwrap_or(0);
            assert!(!is_public_v4(Ipv4Addr::from_bits(first)), "{network}");
            assert!(!is_public_v4(Ipv4Addr::from_bits(last)), "{network}/{length} last");
        }
        for outside in [
            "1.0.0.0",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "168.63.129.15",
            "168.63.129.17",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "191.255.255.255",
            "192.0.1.0",
            "192.0.3.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "198.51.99.255",
            "198.51.101.0",
            "203.0.112.255",
            "203.0.114.0",
            "223.255.255.255",
        ] {
            check(outside, true);
        }
    }

    #[test]
    fn ipv6_is_public_only_inside_global_unicast() {
        for (text, expected) in [
            ("::", false),
            ("::1", false),
            ("::2", false),
            ("fe80::1", false),
            ("fc00::1", false),
            ("fd12::1", false),
            ("fec0::1", false),
            ("ff02::1", false),
            ("100::1", false),
            ("5f00::1", false),
            ("1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", false),
            ("4000::", false),
            ("2001::1", false),
            ("2001:1ff:ffff::", false),
            ("2001:200::", true),
            ("2001:db8::1", false),
            ("2001:db7::1", true),
            ("2001:db9::1", true),
            ("2002:7f00:1::", false),
            ("2002:808:808::", false),
            ("2003::1", true),
            ("3fff::1", false),
            ("3ffe::1", true),
            ("3fff:1000::", true),
            ("2606:4700:4700::1111", true),
        ] {
            check(text, expected);
        }
    }

    #[test]
    fn carried_ipv4_addresses_are_judged_as_such() {
        for (prefix, suffix) in [("::ffff:", ""), ("64:ff9b::", ""), ("2606:4700::5efe:", ""), ("fe80::200:5efe:", "")]
        {
            check(&format!("{prefix}127.0.0.1{suffix}"), false);
            check(&format!("{prefix}169.254.169.254{suffix}"), false);
            check(&format!("{prefix}8.8.8.8{suffix}"), true);
        }
        // The local NAT64 prefix and IPv4-compatible addresses are refused altogether.
        check("64:ff9b:1::8.8.8.8", false);
        check("::8.8.8.8", false);
    }

    proptest! {
        #[test]
        fn what_the_standard_library_calls_special_is_never_public(bits in any::<u32>()) {
            let v4 = Ipv4Addr::from_bits(bits);
            let is_special = v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_multicast()
                || v4.is_broadcast() || v4.is_documentation() || v4.is_unspecified();
            prop_assert!(!(is_special && is_public(v4.into())));
        }

        #[test]
        fn an_ipv4_address_is_judged_the_same_in_every_form(bits in any::<u32>()) {
            let v4 = Ipv4Addr::from_bits(bits);
            let nat64 = Ipv6Addr::from_bits((0x64_ff9b_u128 << 96) | u128::from(bits));
            prop_assert_eq!(is_public(v4.into()), is_public(v4.to_ipv6_mapped().into()));
            prop_assert_eq!(is_public(v4.into()), is_public(nat64.into()));
        }

        #[test]
        fn no_private_address_passes(low in 0_u32..=0x00ff_ffff, which in 0_usize..16) {
            let (network, length) = V4_SPECIAL[which];
            let mask = u32::MAX.checked_shr(length).unwrap_or(0);
            prop_assert!(!is_public(Ipv4Addr::from_bits(network.to_bits() | (low & mask)).into()));
        }
    }
}
