//! From what is asked and what there is to what is to be done, or to why nothing can be. No I/O.
//!
//! A refusal takes nothing away: a server that runs goes on running when its policy or size disappears.

use raidc_crds::ReplicationPolicy;
use raidc_crds::VirtualServer;
use raidc_crds::names;
use raidc_crds::tenant::Service;
use raidc_crds::virtual_server::Granted;
use raidc_crds::virtual_server::Power;

use super::gather::DiskSeen;
use super::gather::World;
use super::obstacles;
use super::place::Place;
use super::place::place;
use crate::executors::Owner;
use crate::executors::kubevirt::ApartFrom;
use crate::executors::kubevirt::FirstBoot;
use crate::executors::kubevirt::MAX_INLINE_USER_DATA;
use crate::executors::kubevirt::Size;
use crate::executors::kubevirt::user_data;
use crate::inventory::servers::policy_name;
use crate::inventory::tenancy::no_tenant;
use crate::reconcile::copies::evidence::Protection;

/// Why nothing (more) is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Only a person can end it.
    pub stalled: bool,
    /// One word in PascalCase.
    pub reason: String,
    /// What, why and what to do.
    pub message: String,
}

impl Refusal {
    pub(super) fn stalled(reason: &str, message: impl Into<String>) -> Self {
        Self {
            stalled: true,
            reason: reason.to_owned(),
            message: message.into(),
        }
    }

    pub(super) fn waits(reason: &str, message: impl Into<String>) -> Self {
        Self {
            stalled: false,
            reason: reason.to_owned(),
            message: message.into(),
        }
    }
}

/// A disk that is wanted.
#[derive(Clone, Debug)]
pub struct WantedDisk<'a> {
    /// What there is of it.
    pub seen: &'a DiskSeen,
    /// Size in MiB.
    pub mib: i64,
    /// It begins as a copy of the image.
    pub from_image: bool,
}

/// What is to be there.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// Whose.
    pub owner: Owner<'a>,
    /// Switched on.
    pub on: bool,
    /// Cores and memory.
    pub size: Size<'a>,
    /// Name of the image.
    pub image: &'a str,
    /// Root disk first.
    pub disks: Vec<WantedDisk<'a>>,
    /// Cloud-init.
    pub first_boot: FirstBoot<'a>,
    /// Interface and attachment.
    pub networks: Vec<(&'a str, &'a str)>,
    /// Anti-affinity group.
    pub apart: Option<ApartFrom<'a>>,
    /// Where.
    pub place: Place<'a>,
}

/// The names that children of this server carry.
#[must_use]
pub fn owner(server: &VirtualServer) -> Owner<'_> {
    Owner {
        namespace: server.metadata.namespace.as_deref().unwrap_or_default(),
        name: server.metadata.name.as_deref().unwrap_or_default(),
        uid: server.metadata.uid.as_deref().unwrap_or_default(),
    }
}

/// What the policy asks, as far as there is one.
#[must_use]
pub fn protection(policy: &ReplicationPolicy) -> Protection<'_> {
    let rpo = policy.spec.rpo.as_ref();
    Protection {
        policy: policy.metadata.name.as_deref().unwrap_or_default(),
        copies: usize::try_from(policy.spec.copies).unwrap_or(1),
        mode: policy.spec.mode.filter(|_| policy.spec.copies > 1),
        rpo: rpo.and_then(|rpo| Some((rpo.seconds().ok()?, rpo.0.as_str()))),
    }
}

/// Checks everything that one server asks for against what there is.
///
/// # Errors
/// The first thing in the way, in the order in which a person would want to hear of it.
pub fn validate<'a>(server: &'a VirtualServer, world: &'a World) -> Result<Wanted<'a>, Refusal> {
    let policy = subscribed(server, world)?;
    let size = size(server, world)?;
    let disks = disks(server, world)?;
    let first_boot = first_boot(server)?;
    let networks = networks(server)?;
    image(server, world)?;
    let place = place(server, world, policy)?;
    obstacles::in_the_way(server, world, &place)?;
    Ok(Wanted {
        owner: owner(server),
        on: server.spec.power == Power::On,
        size,
        image: &server.spec.image,
        disks,
        first_boot,
        networks,
        apart: server.spec.apart.as_ref().map(|a| ApartFrom {
            group: &a.group,
            domain: a.domain.as_deref(),
        }),
        place,
    })
}

fn subscribed<'a>(server: &'a VirtualServer, world: &'a World) -> Result<&'a ReplicationPolicy, Refusal> {
    let Some(tenant) = world.tenant.as_deref() else {
        let note = no_tenant(owner(server).namespace);
        return Err(Refusal::stalled(note.reason, note.message));
    };
    if !tenant.spec.services.contains(&Service::VirtualServers) {
        return Err(Refusal::stalled(
            "ServiceNotEnabled",
            "the tenant does not use virtual servers: the platform team can add VirtualServers to spec.services of the Tenant",
        ));
    }
    world.policy.as_deref().ok_or_else(|| {
        let name = policy_name(server, Some(tenant)).unwrap_or_default();
        Refusal::stalled(
            "UnknownPolicy",
            format!(
                "there is no ReplicationPolicy {name}: choose one of `kubectl get replicationpolicies`, or leave policy out for the \
                 tenant's default"
            ),
        )
    })
}

fn size<'a>(server: &'a VirtualServer, world: &'a World) -> Result<Size<'a>, Refusal> {
    if !world.backends.kubevirt {
        return Err(Refusal::waits(
            "BackendUnavailable",
            "KubeVirt cannot be read now: it is not installed, or its lists are still being read",
        ));
    }
    if let Some(held) = &world.held {
        return Ok(held_size(held));
    }
    match (server.spec.size.as_deref(), server.spec.resources.as_ref()) {
        (Some(name), _) if world.size_exists => Ok(Size::Instancetype(name)),
        (Some(name), _) => Err(Refusal::stalled(
            "UnknownSize",
            format!(
                "there is no size {name}: choose one of `kubectl get virtualmachineclusterinstancetypes`, or say resources instead"
            ),
        )),
        (None, Some(resources)) => Ok(Size::Explicit {
            cores: resources.cores,
            memory_mib: resources
                .memory
                .mib()
                .map_err(|e| malformed("resources.memory", &e))?,
        }),
        (None, None) => Err(Refusal::stalled(
            "MalformedObject",
            "neither size nor resources is given: say one of them",
        )),
    }
}

/// What the server has while it waits for more.
fn held_size(held: &Granted) -> Size<'_> {
    match held.size.as_deref() {
        Some(name) => Size::Instancetype(name),
        None => Size::Explicit {
            cores: i32::try_from(held.cores_milli / 1000).unwrap_or(i32::MAX),
            memory_mib: held.memory_mib,
        },
    }
}

fn malformed(field: &str, error: &dyn std::fmt::Display) -> Refusal {
    Refusal::stalled("MalformedObject", format!("spec.{field}: {error}"))
}

fn disks<'a>(server: &VirtualServer, world: &'a World) -> Result<Vec<WantedDisk<'a>>, Refusal> {
    if !world.backends.cdi {
        return Err(Refusal::waits(
            "BackendUnavailable",
            "CDI cannot be read now: it is not installed, or its lists are still being read",
        ));
    }
    let mut wanted = Vec::new();
    for seen in &world.disks {
        let mib = seen
            .size
            .mib()
            .map_err(|e| malformed(&format!("disk {}", seen.name), &e))?;
        wanted.push(WantedDisk {
            seen,
            mib,
            from_image: seen.name == names::ROOT_DISK,
        });
    }
    if world.held.is_none() && wanted.len() != server.spec.disks.len() + 1 {
        return Err(Refusal::waits("NotRead", "the disks have not been read yet"));
    }
    Ok(wanted)
}

fn first_boot(server: &VirtualServer) -> Result<FirstBoot<'_>, Refusal> {
    let keys = &server.spec.ssh_keys;
    match &server.spec.cloud_init {
        Some(_) if !keys.is_empty() => Err(Refusal::stalled(
            "KeysAndCloudInit",
            "sshKeys and cloudInit cannot be combined, because RAIDC never reads the Secret: put the keys into its user data",
        )),
        Some(cloud_init) => Ok(FirstBoot::Secret(&cloud_init.secret_name)),
        None if user_data(keys).len() > MAX_INLINE_USER_DATA => Err(Refusal::stalled(
            "TooManyKeys",
            format!(
                "the sshKeys together are longer than the {MAX_INLINE_USER_DATA} bytes that KubeVirt takes: use fewer or shorter keys \
                 (ed25519), or put them into a Secret for cloudInit"
            ),
        )),
        None => Ok(FirstBoot::Keys(keys)),
    }
}

/// KubeVirt reads `namespace/name` in an attachment, and would bridge the machine into a network of another namespace. The schema
/// refuses that; an object from before it did is refused here.
fn networks(server: &VirtualServer) -> Result<Vec<(&str, &str)>, Refusal> {
    let plain = |name: &str| {
        let within = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-' || c == b'.';
        !name.is_empty() && name.bytes().all(within) && !name.starts_with(['-', '.'])
    };
    let all = &server.spec.networks;
    if let Some(wrong) = all.iter().find(|n| !plain(&n.attachment)) {
        return Err(Refusal::stalled(
            "ForeignNetwork",
            format!(
                "spec.networks: the attachment of {} is not the plain name of a NetworkAttachmentDefinition of this namespace, and a server \
                 is never joined to a network of another: write the name alone, without a namespace",
                wrong.name
            ),
        ));
    }
    Ok(all
        .iter()
        .map(|n| (n.name.as_str(), n.attachment.as_str()))
        .collect())
}

/// The image is needed only until the root disk has been made: an image that leaves the catalogue later disturbs nobody.
fn image(server: &VirtualServer, world: &World) -> Result<(), Refusal> {
    let root = world.disks.first();
    if root.is_some_and(|d| d.volume.is_some() || d.claim.is_some()) {
        return Ok(());
    }
    let name = &server.spec.image;
    let Some(image) = world.image.as_deref() else {
        return Err(Refusal::stalled(
            "UnknownImage",
            format!(
                "there is no image {name} in the catalogue: image cannot be changed, so delete the server and make it with another"
            ),
        ));
    };
    let ready = image
        .status
        .iter()
        .flat_map(|s| &s.conditions)
        .find(|c| c.type_ == "Ready");
    if ready.is_some_and(|c| c.status == "True") {
        return Ok(());
    }
    let why = ready.and_then(|c| c.message.as_deref()).unwrap_or_default();
    let message = format!("image {name} is in the catalogue and not ready yet");
    Err(Refusal::waits(
        "ImageNotReady",
        if why.is_empty() {
            message
        } else {
            format!("{message}: {why}")
        },
    ))
}
