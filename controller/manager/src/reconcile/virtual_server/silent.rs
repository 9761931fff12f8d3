//! What is said of a server whose host or whole site is not heard of. No I/O.
//!
//! What KubeVirt says of such a server is what it said before, so that it is not repeated: nobody knows how the server is. Nothing is
//! moved because of silence, and the words say so, because a server that is started elsewhere while it still runs destroys its data.

use jiff::Timestamp;
use raidc_crds::VirtualServer;
use raidc_planner::State;

use super::gather::World;
use super::report::Run;
use crate::inventory::silence::Silence;
use crate::reconcile::status::Outcome;

/// Reason of a server whose host is not heard of, while others of its site are.
pub(super) const HOST_UNREADABLE: &str = "HostUnreadable";

/// A host of which nothing can be known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SilentHost {
    /// Its node.
    pub node: String,
    /// Whether the server's machine has a run there; else it is only where the server was to be.
    pub has_run: bool,
    /// In which way.
    pub silence: Silence,
    /// Since when, if that is known.
    pub since: Option<Timestamp>,
}

impl SilentHost {
    /// The host and what is wrong with it, as a sentence's beginning.
    fn told(&self, site: &str) -> String {
        let since = self
            .since
            .map(|since| format!(" since {}", since.strftime("%Y-%m-%d %H:%M UTC")))
            .unwrap_or_default();
        let node = &self.node;
        match self.silence {
            Silence::Unheard => format!("host {node} at site {site} has not been heard of{since}"),
            Silence::NotReady => {
                format!("host {node} at site {site} has not been ready{since}, as it says itself")
            }
            Silence::Gone => format!("host {node} at site {site} is no longer in the cluster"),
        }
    }
}

/// What is said of a server whose host or site is out of sight; `None` when what is seen of it can be believed. A site that is not
/// understood (its object is malformed) is not out of sight: its hosts answer.
pub(super) fn unseen(server: &VirtualServer, world: &World, run: Run) -> Option<Outcome> {
    let site = server.status.as_ref()?.site.as_deref()?;
    let seen_last = match run {
        Run::Running => " (it ran when last seen)",
        Run::Stopped => " (it was stopped when last seen)",
        Run::Between => "",
    };
    match world.told.site {
        Some(State::Unknown) if world.sites.contains_key(site) => Some(dark_site(site, world, seen_last)),
        Some(State::Fenced) if run != Run::Running => Some(Outcome::reconciling(
            "SiteFenced",
            format!(
                "site {site} is fenced, so the server cannot run there{seen_last}; its place and its disks stay recorded as they are \
                 until the platform team takes the site back into use"
            ),
        )),
        _ => silent_host(site, world, run, seen_last),
    }
}

fn dark_site(site: &str, world: &World, seen_last: &str) -> Outcome {
    let host = world.silent.as_ref().map(|silent| silent.told(site));
    let host = host.map(|host| format!("{host}, and ")).unwrap_or_default();
    Outcome::reconciling(
        "HostsUnreadable",
        format!(
            "{host}no host of site {site} is ready or can be read, so how the server is now is not known{seen_last}; its place and its \
             disks stay recorded as they are, and nothing is moved without a Failover, because the server may still run there; it goes \
             on by itself when the site is back: ask the platform team to see to the power and the network of the site (kubectl \
             describe site {site}), or to fence it once it is proven to be off"
        ),
    )
}

/// Of a host that says that it is not ready, a machine that answers is believed: its kubelet speaks.
fn silent_host(site: &str, world: &World, run: Run, seen_last: &str) -> Option<Outcome> {
    let silent = world.silent.as_ref().filter(|silent| silent.has_run)?;
    if silent.silence == Silence::NotReady && run == Run::Running {
        return None;
    }
    let node = &silent.node;
    let what_to_do = match silent.silence {
        Silence::Unheard | Silence::NotReady => format!(
            "it goes on by itself when the host is back: ask the platform team to see to the host (kubectl describe node {node}); only \
             once the host is proven to be off may they give its node the taint node.kubernetes.io/out-of-service, which lets \
             Kubernetes start the server on another host of its rack"
        ),
        Silence::Gone => format!(
            "it goes on by itself when the host is back, or once Kubernetes has given up what it has of the server there: ask the \
             platform team whether {node} was taken out of the cluster on purpose, and is off"
        ),
    };
    Some(Outcome::reconciling(
        HOST_UNREADABLE,
        format!(
            "{}, so how the server is now is not known{seen_last}; its place and its disks stay recorded as they are, and nothing is \
             moved to another site without a Failover, because the server may still run there; {what_to_do}",
            silent.told(site)
        ),
    ))
}
