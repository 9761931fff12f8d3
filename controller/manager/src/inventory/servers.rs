//! VirtualServers → the planner's servers. No I/O.

use std::collections::BTreeSet;

use kube::ResourceExt;
use raidc_crds::replication_policy::{ReplicationMode, SharedRiskRule, SpanningClass};
use raidc_crds::tenant::Service;
use raidc_crds::virtual_server::Power;
use raidc_crds::{ReplicationPolicy, Tenant, VirtualServer};
use raidc_planner::{Fleet, Placement, Server, ServerId, SiteName, SiteSet, Spread, State, TenantName};

use super::data::Data;
use super::granted;
use super::sizes::{last_known_size, size};
use super::spans::Spans;
use super::translate::{Note, Notes, Seen, created_at};
use super::{adopt, colocations, groups, stores::Backend};

/// A recovery time objective under this needs a reserve on a host that is on: hosts take minutes to wake.
const WARM_UNDER_SECONDS: i64 = 600;

/// What protects a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Protection {
    copies: i64,
    spread: Spread,
    warm: bool,
    /// Sites that any of its storage classes spans; `None` is any site.
    sites: Option<SiteSet>,
    /// The sites of each of its storage classes, of which one has to hold all copies; none is no such rule.
    site_sets: Vec<SiteSet>,
}

impl Protection {
    /// The storage itself keeps the copies, on volumes that span sites.
    fn is_synchronous(&self) -> bool {
        self.sites.is_some()
    }
}

/// Adds every server that can be placed, or has a place, to the fleet; says of the others why not.
///
/// Sites where something stands that needs nobody knows how much are named in the answer: nothing new may come there.
pub(crate) fn add(seen: &Seen, fleet: &mut Fleet, notes: &mut Notes) -> BTreeSet<SiteName> {
    let mut closed = BTreeSet::new();
    let data = Data::of(seen);
    let spans = Spans::of(seen);
    let readable = seen.servers.iter().map(|server| (server, true));
    let unreadable = seen.unreadable_servers.iter().map(|server| (server, false));
    for (server, is_readable) in readable.chain(unreadable) {
        let id = ServerId::new(server.namespace().unwrap_or_default(), server.name_any());
        let mut current = current(seen, &id, server);
        let granted = granted::recorded(seen, &id, server).map(|granted| granted::amounts(&granted));
        let mut problem = None;
        let mut remember = |note: Note| {
            problem.get_or_insert(note);
        };
        if !is_readable {
            remember(colocations::unreadable());
        }
        let tenant = match seen.entitled(&id.namespace, Service::VirtualServers) {
            Ok(tenant) => Some(tenant),
            Err(note) => {
                remember(note);
                seen.tenant_of(&id.namespace)
            }
        };
        let size = size(seen, server).unwrap_or_else(|note| {
            remember(note);
            last_known_size(server, granted)
        });
        // Of one that cannot be read in full, what it was granted counts, and not what can be read of what it asks for.
        let known = last_known_size(server, granted);
        let as_granted = is_readable || known.is_nothing() || size.needs() == known.needs();
        let size = if as_granted { size } else { known };
        if let Some(current) = current.as_ref().filter(|_| !is_readable && size.is_nothing()) {
            // Its pod, which is not counted as ours then, counts on its node; what was kept for it elsewhere cannot be told.
            closed.extend(current.copy_sites.iter().chain([&current.site]).cloned());
            notes.servers.insert(id, colocations::unreadable());
            continue;
        }
        let protection = protection(seen, server, tenant.map(AsRef::as_ref)).unwrap_or_else(|note| {
            remember(note);
            last_known_protection(current.as_ref())
        });
        if let Some(current) = current.as_mut().filter(|_| protection.is_synchronous()) {
            spans.correct(server, current, protection.copies, fleet);
        }
        let storage_mib = storage(server).unwrap_or_else(|note| {
            remember(note);
            granted.map_or(0, |granted| granted.storage_mib)
        });
        if current.is_none() && may_have_a_machine(seen, &data, &id, server) {
            remember(Note::new(
                "MachineUnreadable",
                "it has no recorded place, and its machine, which would say where it was made, cannot be read: ask the platform team; it goes on by itself when the machine can be read",
            ));
        }
        if current.is_none()
            && let Some(note) = no_image(seen, server)
        {
            remember(note);
        }
        let refused = problem.is_some();
        if let Some(note) = problem {
            notes.servers.insert(id.clone(), note);
        }
        // What has a place keeps counting for what it was last known to need; nothing new is let in on a guess, and
        // nothing that is being deleted.
        if current.is_none() && (refused || server.metadata.deletion_timestamp.is_some()) {
            continue;
        }
        fleet.servers.insert(
            id,
            Server {
                tenant: TenantName::from(tenant.map_or_else(String::new, |tenant| tenant.name_any())),
                tier: i64::from(server.spec.tier),
                created_at: created_at(server.as_ref()),
                cpu_milli: size.cpu_milli,
                memory_mib: size.memory_mib,
                overhead_mib: size.overhead_mib,
                storage_mib,
                running: server.spec.power == Power::On,
                copies: protection.copies,
                spread: protection.spread,
                warm: protection.warm,
                sites_allowed: both(sites_allowed(&server.spec.sites), protection.sites),
                site_sets: protection.site_sets,
                apart: groups::apart(server),
                together: groups::together(server),
                current,
                granted,
                released: false,
            },
        );
    }
    closed
}

/// Whether it may have a machine somewhere that nobody can read: deciding anew could move it.
fn may_have_a_machine(seen: &Seen, data: &Data<'_>, id: &ServerId, server: &VirtualServer) -> bool {
    seen.unreadable_vms.contains(id) || (seen.vms.is_none() && data.is_there(server))
}

/// Lets nothing new into these sites.
pub(crate) fn close(fleet: &mut Fleet, sites: BTreeSet<SiteName>) {
    for name in sites {
        if let Some(site) = fleet.sites.get_mut(&name)
            && site.state == State::Active
        {
            site.state = State::Cordoned;
        }
    }
}

/// Where the server is: what was decided last, or, when that was lost, what the world says.
fn current(seen: &Seen, id: &ServerId, server: &VirtualServer) -> Option<Placement> {
    if let Some(assumed) = seen.overlay.server(server) {
        return Some(assumed.clone());
    }
    recorded(server).or_else(|| {
        let vm = seen.vms.as_ref()?.get(id)?;
        adopt::placement(server, vm)
    })
}

/// What the status says; `None` when it names no site.
#[must_use]
pub fn recorded(server: &VirtualServer) -> Option<Placement> {
    let status = server.status.as_ref()?;
    let (site, rack) = (status.site.as_deref()?, status.rack.as_deref()?);
    Some(Placement {
        site: site.into(),
        rack: rack.into(),
        host: status.host.as_deref().map(Into::into),
        backup: status.reserved.as_ref().map(|r| r.host.as_str().into()),
        copy_sites: status.copy_sites.iter().map(|s| s.as_str().into()).collect(),
    })
}

/// What a backend's absence means, in the words of the object that needs it.
#[must_use]
pub fn backend_missing(backend: Backend, so: &str) -> Note {
    Note::new(
        "BackendUnavailable",
        format!(
            "{} is not installed in this cluster or cannot be read, {so}: ask the platform team; it goes on by itself when it is there",
            backend.name()
        ),
    )
}

/// The policy that protects a server: its own or its tenant's default.
#[must_use]
pub fn policy_name<'a>(server: &'a VirtualServer, tenant: Option<&'a Tenant>) -> Option<&'a str> {
    server
        .spec
        .policy
        .as_deref()
        .or_else(|| tenant.map(|tenant| tenant.spec.default_policy.as_str()))
}

fn protection(seen: &Seen, server: &VirtualServer, tenant: Option<&Tenant>) -> Result<Protection, Note> {
    let Some(name) = policy_name(server, tenant) else {
        return Err(Note::new(
            "UnknownPolicy",
            "it names no policy and belongs to no Tenant that has a default one: set spec.policy",
        ));
    };
    let Some(policy) = seen.policies.iter().find(|policy| policy.name_any() == name) else {
        return Err(Note::new(
            "UnknownPolicy",
            format!(
                "policy {name} does not exist: choose one of those that \"kubectl get replicationpolicies\" lists"
            ),
        ));
    };
    of_policy(policy)
}

fn of_policy(policy: &ReplicationPolicy) -> Result<Protection, Note> {
    let spec = &policy.spec;
    let rto = spec
        .failover
        .rto
        .as_ref()
        .map(raidc_crds::Duration::seconds)
        .transpose()
        .map_err(|wrong| {
            let name = policy.name_any();
            Note::new(
                "MalformedPolicy",
                format!("policy {name}: failover.rto: {wrong}; ask the platform team to correct it"),
            )
        })?;
    // Every copy is a replica of one volume, and that is of one class.
    let sync = spec
        .sync
        .as_ref()
        .filter(|_| spec.mode == Some(ReplicationMode::Sync));
    let classes = sync.map_or(&[][..], |sync| &sync.storage_classes);
    let sites_of = |class: &SpanningClass| class.sites.iter().map(|site| site.as_str().into()).collect();
    let site_sets: Vec<SiteSet> = classes.iter().map(sites_of).collect();
    let sites = sync.map(|_| site_sets.iter().flatten().cloned().collect());
    Ok(Protection {
        copies: i64::from(spec.copies),
        spread: match spec.shared_risks {
            SharedRiskRule::Avoid => Spread::SharedRisk,
            SharedRiskRule::Ignore => Spread::Site,
        },
        warm: rto.is_some_and(|seconds| seconds < WARM_UNDER_SECONDS),
        sites,
        site_sets,
    })
}

/// As many copies as it has, where it has them: a policy that cannot be read changes nothing.
fn last_known_protection(current: Option<&Placement>) -> Protection {
    let copies = current.map_or(0, |placement| placement.copy_sites.len());
    Protection {
        copies: i64::try_from(copies).unwrap_or(0) + 1,
        spread: Spread::Site,
        warm: false,
        sites: None,
        site_sets: Vec::new(),
    }
}

fn storage(server: &VirtualServer) -> Result<i64, Note> {
    let spec = &server.spec;
    let disks = spec.disks.iter().map(|disk| (disk.name.as_str(), &disk.size));
    let mut sum = 0_i64;
    for (name, size) in [("root", &spec.root_disk.size)].into_iter().chain(disks) {
        let size = size
            .mib()
            .map_err(|wrong| Note::new("MalformedObject", format!("size of disk {name}: {wrong}")))?;
        sum = sum.saturating_add(size);
    }
    Ok(sum)
}

fn no_image(seen: &Seen, server: &VirtualServer) -> Option<Note> {
    let name = &server.spec.image;
    match &seen.images {
        None => Some(backend_missing(Backend::Cdi, "so no disk can be made")),
        Some(images) if images.contains(name) => None,
        Some(_) => Some(Note::new(
            "UnknownImage",
            format!(
                "image {name} is not in the catalogue: choose one of those that \"kubectl get datasources\" lists in the image namespace, and make a new server, because the image of a server cannot be changed"
            ),
        )),
    }
}

/// The sites as written; none means any.
pub(crate) fn sites_allowed(sites: &[String]) -> Option<SiteSet> {
    (!sites.is_empty()).then(|| sites.iter().map(|site| site.as_str().into()).collect())
}

fn both(a: Option<SiteSet>, b: Option<SiteSet>) -> Option<SiteSet> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.into_iter().filter(|site| b.contains(site)).collect()),
        (one, None) | (None, one) => one,
    }
}
