//! Groups of servers that stay apart or together, in the planner's words. No I/O.
//!
//! A group is known by its name within its tenant: the namespaces of two tenants never share one. That a group stays apart
//! on hosts is also asked of Kubernetes (`executors/kubevirt.rs`); everything else is the plan's.

use raidc_crds::VirtualServer;
use raidc_crds::virtual_server::{ApartBy, TogetherBy};
use raidc_planner::{Apart, Together, Waiting, WaitingOn};

/// The group that the server stays apart from.
pub(super) fn apart(server: &VirtualServer) -> Option<Apart> {
    let apart = server.spec.apart.as_ref()?;
    Some(Apart {
        group: apart.group.clone(),
        by: match apart.by {
            ApartBy::Host => raidc_planner::ApartBy::Host,
            ApartBy::Rack => raidc_planner::ApartBy::Rack,
            ApartBy::Site => raidc_planner::ApartBy::Site,
        },
        domain: apart.domain.clone(),
    })
}

/// The group that the server stays with.
pub(super) fn together(server: &VirtualServer) -> Option<Together> {
    let together = server.spec.together.as_ref()?;
    Some(Together {
        group: together.group.clone(),
        by: match together.by {
            TogetherBy::Host => raidc_planner::ApartBy::Host,
            TogetherBy::Rack => raidc_planner::ApartBy::Rack,
            TogetherBy::Site => raidc_planner::ApartBy::Site,
        },
    })
}

/// What else the one who waits should know: the host that is full is the only one because its group is there. Without a number, which
/// would be another with each host that comes.
pub(super) fn beside(waiting: &Waiting) -> Option<&'static str> {
    let by_group = waiting.considered.refused.contains_key("TogetherGroup");
    let said = matches!(waiting.on, WaitingOn::TogetherGroup { .. });
    (by_group && !said).then_some(
        "; its group stays together, so that no host elsewhere will do: make the group or its members smaller, or the rule wider",
    )
}

#[cfg(test)]
#[path = "groups_tests.rs"]
mod tests;
