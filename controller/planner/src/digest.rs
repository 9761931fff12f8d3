//! A digest of the decisions, so that two plans can be compared at a glance. No I/O.

use crate::plan::{Plan, Spot};

/// FNV-1a, 64 bits (offset basis and prime from the reference by Fowler, Noll and Vo). Not cryptographic: it tells
/// plans apart, it proves nothing.
pub(crate) struct Digest(u64);

impl Digest {
    /// The digest of where everything is, as 16 hexadecimal digits.
    pub(crate) fn of(plan: &Plan) -> String {
        let mut digest = Self(0xcbf2_9ce4_8422_2325);
        for (id, decided) in &plan.servers {
            digest.text(&id.namespace);
            digest.text(&id.name);
            digest.spot(Some(&decided.placement));
            digest.spot(decided.backup.as_ref());
            for site in &decided.copy_sites {
                digest.text(site.as_str());
            }
            digest.text("");
            // Where nothing waits the fleet says what each has.
            if decided.growth.is_some() {
                let granted = &decided.granted;
                for amount in [granted.cpu_milli, granted.memory_mib, granted.storage_mib] {
                    digest.bytes(&amount.to_le_bytes());
                }
            }
        }
        for (id, places) in &plan.colocations {
            digest.text(&id.namespace);
            digest.text(&id.name);
            for place in places {
                digest.text(&place.device);
                digest.text(place.rack.as_str());
                digest.bytes(&place.lowest_unit.to_le_bytes());
            }
        }
        for id in plan.waiting.keys() {
            digest.text(&id.to_string());
        }
        format!("{:016x}", digest.0)
    }

    fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    /// With a terminator, so that `ab` `c` and `a` `bc` differ.
    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
        self.bytes(&[0xff]);
    }

    fn spot(&mut self, spot: Option<&Spot>) {
        match spot {
            Some(spot) => {
                self.text(spot.site.as_str());
                self.text(spot.host.as_str());
            }
            None => self.bytes(&[0xfe]),
        }
    }
}
