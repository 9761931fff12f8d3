//! Kubernetes' amounts as integers, and what KubeVirt needs beside the guest. No I/O.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use raidc_crds::quantity::{self, MIB};

/// Rounding: what is offered is rounded down, what is asked for is rounded up, so that nothing is promised twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Round {
    /// For what a node offers.
    Down,
    /// For what a pod or a server asks for.
    Up,
}

/// Thousandths of a core; `None` when the text is no amount or does not fit.
pub(crate) fn milli(quantity: &Quantity, round: Round) -> Option<i64> {
    i64::try_from(thousandths(&quantity.0, round)?).ok()
}

/// MiB; `None` when the text is no amount or does not fit.
pub(crate) fn mib(quantity: &Quantity, round: Round) -> Option<i64> {
    let thousandths = thousandths(&quantity.0, round)?;
    let unit = 1000 * i128::from(MIB);
    let mib = match round {
        Round::Down => thousandths.div_euclid(unit),
        Round::Up => thousandths.div_euclid(unit) + i128::from(thousandths.rem_euclid(unit) != 0),
    };
    i64::try_from(mib).ok()
}

/// Thousandths of whatever the amount counts. The kinds' own reader rounds up; what is below is the negative of that.
fn thousandths(text: &str, round: Round) -> Option<i128> {
    match (round, text.strip_prefix('-')) {
        (Round::Up, _) => quantity::milli(text),
        (Round::Down, None) => quantity::milli(&format!("-{text}")).map(|negative| -negative),
        (Round::Down, Some(positive)) => quantity::milli(positive).map(|positive| -positive),
    }
}

/// The named amount of a resource list, or 0 when it is not there or cannot be read.
pub(crate) fn of(
    list: Option<&BTreeMap<String, Quantity>>,
    name: &str,
    read: fn(&Quantity, Round) -> Option<i64>,
    round: Round,
) -> i64 {
    list.and_then(|list| list.get(name))
        .and_then(|quantity| read(quantity, round))
        .unwrap_or(0)
}

/// MiB that KubeVirt keeps for itself beside the guest's memory, rounded up.
///
/// As KubeVirt 1.7 computes it (`GetMemoryOverhead` in virt-controller, amd64): page tables of a 512th of the guest, 220 MiB for its own
/// processes, 8 MiB per virtual core, 8 MiB for the I/O thread, 32 MiB of video memory; plus 1 MiB against rounding. A cluster that
/// sets `additionalGuestMemoryOverheadRatio` takes more.
#[must_use]
pub fn overhead_mib(guest_mib: i64, vcpus: i64) -> i64 {
    const PROCESSES: i64 = 25 + 100 + 25 + 40 + 30;
    const IO_THREAD: i64 = 8;
    const VIDEO: i64 = 32;
    const PER_VCPU: i64 = 8;
    let page_tables = guest_mib.max(0) / 512 + 1;
    PROCESSES + IO_THREAD + VIDEO + page_tables + PER_VCPU.saturating_mul(vcpus.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn q(text: &str) -> Quantity {
        Quantity(text.to_owned())
    }

    #[test]
    fn cores_are_never_rounded_in_our_favour() {
        assert_eq!(milli(&q("3920m"), Round::Down), Some(3920));
        assert_eq!(milli(&q("4"), Round::Down), Some(4000));
        assert_eq!(milli(&q("0.1"), Round::Up), Some(100));
        assert_eq!(milli(&q("1k"), Round::Down), Some(1_000_000));
        assert_eq!(milli(&q("1500u"), Round::Down), Some(1));
        assert_eq!(milli(&q("1500u"), Round::Up), Some(2));
        assert_eq!(milli(&q("nonsense"), Round::Down), None);
    }

    #[test]
    fn memory_is_never_rounded_in_our_favour() {
        assert_eq!(mib(&q("16Gi"), Round::Down), Some(16384));
        assert_eq!(mib(&q("1000k"), Round::Down), Some(0));
        assert_eq!(mib(&q("1000k"), Round::Up), Some(1));
        assert_eq!(mib(&q("-1Gi"), Round::Down), Some(-1024));
        assert_eq!(mib(&q("1.5Gi"), Round::Up), Some(1536));
        assert_eq!(mib(&q("Gi"), Round::Up), None);
        assert_eq!(mib(&q(""), Round::Up), None);
    }

    #[test]
    fn overhead_is_never_less_than_kubevirts_own() {
        // KubeVirt 1.7 for 4 virtual cores and 16 GiB: 32 MiB page tables + 220 + 32 + 8 + 32.
        assert!(overhead_mib(16384, 4) >= 32 + 220 + 32 + 8 + 32);
        assert!(overhead_mib(-5, -5) > 0);
    }
}
