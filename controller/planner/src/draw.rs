//! The power model: what a server adds to the draw of its host. No I/O.

use crate::fleet::Host;

/// `cpu_milli` of `full_cpu_milli` virtual cores of a host whose draw rises by `dynamic_mw` from idle to full, in
/// milliwatts, rounded up.
///
/// Linear in the allocated virtual cores: a host whose virtual cores are all sold draws its maximum.
pub(crate) fn share_mw(cpu_milli: i64, full_cpu_milli: i64, dynamic_mw: i64) -> i64 {
    if full_cpu_milli <= 0 {
        return 0;
    }
    let product = cpu_milli.saturating_mul(dynamic_mw);
    product / full_cpu_milli + i64::from(product % full_cpu_milli != 0)
}

/// What a server with `cpu_milli` adds on `host` at a site with this overcommit, in milliwatts.
pub(crate) fn server_mw(cpu_milli: i64, host: &Host, overcommit_percent: i64) -> i64 {
    let full = host.cpu_milli.saturating_mul(overcommit_percent) / 100;
    share_mw(
        cpu_milli,
        full,
        host.max_watts
            .saturating_sub(host.idle_watts)
            .saturating_mul(1000),
    )
}
