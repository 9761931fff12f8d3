//! The kinds that the command knows, and what identifies an object. No I/O.

use std::fmt;

use raidc_crds::names;
use serde_json::Value;

/// A kind that matters to where things go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Ours: a data centre.
    Site,
    /// Ours: a rack.
    Rack,
    /// Ours: a class of protection.
    ReplicationPolicy,
    /// Ours: a municipality.
    Tenant,
    /// Kubernetes': a host.
    Node,
    /// KubeVirt's: a size of the catalogue.
    Size,
    /// CDI's: an image of the catalogue.
    Image,
    /// Ours: a server.
    VirtualServer,
    /// Ours: a municipality's own hardware.
    Colocation,
    /// KubeVirt's: what says where a server is when its status was lost.
    Machine,
    /// Kubernetes': what others' pods take of the hosts.
    Pod,
    /// Ours: checked, never planned.
    Failover,
    /// Ours: checked, never planned.
    Drill,
}

impl Kind {
    /// Every one.
    pub const ALL: [Self; 13] = [
        Self::Site,
        Self::Rack,
        Self::ReplicationPolicy,
        Self::Tenant,
        Self::Node,
        Self::Size,
        Self::Image,
        Self::VirtualServer,
        Self::Colocation,
        Self::Machine,
        Self::Pod,
        Self::Failover,
        Self::Drill,
    ];

    /// Group (empty for Kubernetes' own), version, kind and plural.
    #[must_use]
    pub fn api(self) -> (&'static str, &'static str, &'static str, &'static str) {
        let ours = |kind, plural| (names::GROUP, names::VERSION, kind, plural);
        match self {
            Self::Site => ours("Site", "sites"),
            Self::Rack => ours("Rack", "racks"),
            Self::ReplicationPolicy => ours("ReplicationPolicy", "replicationpolicies"),
            Self::Tenant => ours("Tenant", "tenants"),
            Self::VirtualServer => ours("VirtualServer", "virtualservers"),
            Self::Colocation => ours("Colocation", "colocations"),
            Self::Failover => ours("Failover", "failovers"),
            Self::Drill => ours("Drill", "drills"),
            Self::Node => ("", "v1", "Node", "nodes"),
            Self::Pod => ("", "v1", "Pod", "pods"),
            Self::Size => (
                "instancetype.kubevirt.io",
                "v1beta1",
                "VirtualMachineClusterInstancetype",
                "virtualmachineclusterinstancetypes",
            ),
            Self::Machine => ("kubevirt.io", "v1", "VirtualMachine", "virtualmachines"),
            Self::Image => ("cdi.kubevirt.io", "v1beta1", "DataSource", "datasources"),
        }
    }

    /// Its name in YAML.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.api().2
    }

    /// `apiVersion` in YAML.
    #[must_use]
    pub fn api_version(self) -> String {
        match self.api() {
            ("", version, ..) => version.to_owned(),
            (group, version, ..) => format!("{group}/{version}"),
        }
    }

    /// The kind of a document; sizes and images in any version, because the fields that are read are the same in all.
    #[must_use]
    pub fn of(api_version: &str, kind: &str) -> Option<Self> {
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        Self::ALL.into_iter().find(|known| {
            let (own, _, name, _) = known.api();
            let any_version = matches!(known, Self::Size | Self::Image | Self::Machine);
            name == kind && own == group && (any_version || known.api_version() == api_version)
        })
    }

    /// The kind that a word of the command line means: singular, plural or short name, in any case.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        let word = word.to_lowercase();
        let short = match word.as_str() {
            "server" | "servers" | "vsrv" => Some(Self::VirtualServer),
            "colo" => Some(Self::Colocation),
            "rsite" => Some(Self::Site),
            "rrack" => Some(Self::Rack),
            "rpol" | "policy" => Some(Self::ReplicationPolicy),
            "rten" => Some(Self::Tenant),
            "host" => Some(Self::Node),
            _ => None,
        };
        short.or_else(|| {
            Self::ALL.into_iter().find(|kind| {
                let (_, _, name, plural) = kind.api();
                name.to_lowercase() == word || plural == word
            })
        })
    }

    /// Whether its objects are in a namespace.
    #[must_use]
    pub fn is_namespaced(self) -> bool {
        matches!(
            self,
            Self::VirtualServer | Self::Colocation | Self::Machine | Self::Pod | Self::Image
        )
    }

    /// Whether it is of our API group, so that its schema is known.
    #[must_use]
    pub fn is_ours(self) -> bool {
        self.api().0 == names::GROUP
    }
}

/// What identifies an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Id {
    /// Kind.
    pub kind: Kind,
    /// Namespace; empty for what is cluster-wide.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl Id {
    /// An identity from its parts; the namespace of what is cluster-wide is dropped.
    #[must_use]
    pub fn new(kind: Kind, namespace: &str, name: &str) -> Self {
        let namespace = if kind.is_namespaced() { namespace } else { "" };
        Self {
            kind,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    /// The identity that an object of a known kind says it has.
    #[must_use]
    pub fn of(kind: Kind, object: &Value) -> Self {
        let word = |field: &str| object["metadata"][field].as_str().unwrap_or_default();
        Self::new(kind, word("namespace"), word("name"))
    }

    /// KIND/NAME or KIND/NAMESPACE/NAME as words of the command line.
    pub fn parse(text: &str, namespace: Option<&str>) -> Result<Self, String> {
        let mut parts = text.split('/');
        let wrong = || {
            format!(
                "{text:?} is not KIND/NAME or KIND/NAMESPACE/NAME: write for example virtualserver/register -n kuldiga"
            )
        };
        let (word, first) = parts.next().zip(parts.next()).ok_or_else(wrong)?;
        let kind = Kind::parse(word).ok_or_else(|| {
            format!(
                "{word:?} in {text:?} is no kind that is planned: write for example virtualserver/register"
            )
        })?;
        let second = parts.next();
        if first.is_empty() || second == Some("") || parts.next().is_some() {
            return Err(wrong());
        }
        match (kind.is_namespaced(), second, namespace) {
            (false, None, _) => Ok(Self::new(kind, "", first)),
            (false, Some(_), _) => Err(format!(
                "{text:?}: a {} is in no namespace: write {word}/NAME",
                kind.name()
            )),
            (true, Some(name), _) => Ok(Self::new(kind, first, name)),
            (true, None, Some(namespace)) => Ok(Self::new(kind, namespace, first)),
            (true, None, None) => Err(format!(
                "{text:?} says no namespace: add -n NAMESPACE, or write {word}/NAMESPACE/{first}"
            )),
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.kind.name())?;
        if !self.namespace.is_empty() {
            write!(f, "{}/", self.namespace)?;
        }
        f.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_never_means_another_kind() {
        for (text, want) in [
            ("virtualserver/a", Some((Kind::VirtualServer, "n", "a"))),
            ("VirtualServers/a", Some((Kind::VirtualServer, "n", "a"))),
            ("server/m/a", Some((Kind::VirtualServer, "m", "a"))),
            ("colo/a", Some((Kind::Colocation, "n", "a"))),
            ("rack/r1", Some((Kind::Rack, "", "r1"))),
            ("node/h1", Some((Kind::Node, "", "h1"))),
            ("rack/x/r1", None),
            ("server", None),
            ("server/", None),
            ("server/a/", None),
            ("server/a/b/c", None),
            ("banana/a", None),
        ] {
            let got = Id::parse(text, Some("n")).ok();
            let want = want.map(|(kind, namespace, name)| Id::new(kind, namespace, name));
            assert_eq!(got, want, "{text}");
        }
        assert!(Id::parse("server/a", None).is_err(), "no namespace is guessed");
    }

    #[test]
    fn every_kind_is_found_by_what_it_is_called() {
        for kind in Kind::ALL {
            assert_eq!(Kind::of(&kind.api_version(), kind.name()), Some(kind));
            assert_eq!(Kind::parse(kind.name()), Some(kind));
            assert_eq!(Kind::parse(kind.api().3), Some(kind));
        }
        assert_eq!(Kind::of("raidc.dev/v2", "Site"), None);
    }
}
