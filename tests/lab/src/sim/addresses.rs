//! Addresses and MACs that stay the same for as long as their object lives. No I/O.

use super::value::hash;

/// A pod's address, in 10.128.0.0/9, from its identity. Two of ten thousand pods may share one; nothing routes them.
pub(crate) fn pod(uid: &str) -> String {
    let bits = hash(uid);
    format!(
        "10.{}.{}.{}",
        128 + (bits >> 16 & 0x7f),
        bits >> 8 & 0xff,
        (bits & 0xff) % 254 + 1
    )
}

/// A guest's address on a network of its own, in 172.16.0.0/12.
pub(crate) fn guest(uid: &str, network: &str) -> String {
    let bits = hash(&format!("{uid}/{network}"));
    format!(
        "172.{}.{}.{}",
        16 + (bits >> 16 & 0xf),
        bits >> 8 & 0xff,
        (bits & 0xff) % 254 + 1
    )
}

/// A locally administered MAC for an interface whose definition names none.
pub(crate) fn mac(uid: &str, interface: &str) -> String {
    let bits = hash(&format!("{uid}/{interface}")).to_be_bytes();
    format!(
        "02:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}",
        bits[0], bits[1], bits[2], bits[3], bits[4]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_never_changes_with_time_and_is_a_valid_one() {
        assert_eq!(pod("a"), pod("a"));
        assert_ne!(pod("a"), pod("b"));
        for uid in ["a", "b", "c", "d"] {
            assert!(pod(uid).parse::<std::net::Ipv4Addr>().is_ok());
            assert!(guest(uid, "lan").parse::<std::net::Ipv4Addr>().is_ok());
            assert_eq!(mac(uid, "lan").len(), 17);
        }
    }
}
