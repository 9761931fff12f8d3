//! What is in use: a measure that is called short is as short as the reason says, and at the nearest place. No I/O.

use raidc_planner::{Resource, Scenario, Server, WaitingOn};

use crate::fixture::{figures_refuted, id, reason, refuted, server, small};

#[test]
fn no_host_is_called_full_by_false_figures() {
    let mut fleet = small();
    fleet.servers.insert(id("a"), server(6, 1));
    fleet.servers.insert(id("b"), server(5, 1));
    let (fleet, made, on) = reason(&fleet, server(4, 1));
    assert!(
        matches!(
            on,
            WaitingOn::HostFull {
                asked: 4000,
                free: 3000,
                ..
            }
        ),
        "{on:?}"
    );
    figures_refuted(&fleet, &made, &on);
    // The other host has less: it is not the nearest.
    refuted(
        &fleet,
        &made,
        WaitingOn::HostFull {
            resource: Resource::Cpu,
            asked: 4000,
            free: 2000,
        },
    );
}

#[test]
fn no_ceiling_rack_or_store_is_called_full_by_false_figures() {
    let mut low = small();
    for site in low.sites.values_mut() {
        site.ceiling_percent = 50;
    }
    let (fleet, made, on) = reason(&low, server(5, 1));
    assert!(
        matches!(
            on,
            WaitingOn::SiteCeiling {
                used: 0,
                limit: 4000,
                asked: 5000,
                ..
            }
        ),
        "{on:?}"
    );
    figures_refuted(&fleet, &made, &on);
    let mut weak = small();
    for rack in weak.racks.values_mut() {
        rack.max_watts = Some(250);
    }
    let (fleet, made, on) = reason(&weak, server(4, 1));
    assert!(
        matches!(
            on,
            WaitingOn::RackWatts {
                asked: 200,
                headroom: 150,
                ..
            }
        ),
        "{on:?}"
    );
    figures_refuted(&fleet, &made, &on);
    let mut little = small();
    for (site, storage) in little.sites.values_mut().zip([100, 60]) {
        site.storage_mib = Some(storage);
    }
    let large = Server {
        storage_mib: 120,
        ..server(1, 1)
    };
    let (fleet, made, on) = reason(&little, large);
    assert_eq!(
        on,
        WaitingOn::Storage {
            site: "a".into(),
            asked: 120,
            free: 100
        }
    );
    figures_refuted(&fleet, &made, &on);
    refuted(
        &fleet,
        &made,
        WaitingOn::Storage {
            site: "b".into(),
            asked: 120,
            free: 60,
        },
    );
}

#[test]
fn no_reserve_is_called_short_by_false_figures() {
    let mut fleet = small();
    fleet.servers.insert(id("a"), server(6, 1));
    let (fleet, made, on) = reason(&fleet, server(4, 2));
    assert!(
        matches!(
            on,
            WaitingOn::ReserveForLoss {
                asked: 4000,
                free: 2000,
                ..
            }
        ),
        "{on:?}"
    );
    figures_refuted(&fleet, &made, &on);
    let lost = Scenario::Site("zz".into());
    refuted(
        &fleet,
        &made,
        WaitingOn::ReserveForLoss {
            lost,
            resource: Resource::Cpu,
            asked: 4000,
            free: 2000,
        },
    );
}
