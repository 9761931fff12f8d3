//! Names and identities: newtypes, so that a rack can never be passed where a site is meant. No I/O.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Whether two names are the same. Those of a plan are mostly the fleet's own, so that their text need not be read;
/// `Arc` has no such shortcut for `str`.
fn same(one: &Arc<str>, other: &Arc<str>) -> bool {
    Arc::ptr_eq(one, other) || one == other
}

/// Makes a newtype of shared text for one kind of name: a plan repeats each name many times, and cloning shared text
/// copies no bytes.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[allow(clippy::derived_hash_with_manual_eq, reason = "equal as the text is, only sooner")]
        #[serde(from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                same(&self.0, &other.0)
            }
        }

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.as_str().to_owned()
            }
        }
    };
}

name!(
    /// A data centre: the name of a `Site`.
    SiteName
);
name!(
    /// The name of a `Rack`; unique over all sites.
    RackName
);
name!(
    /// The name of a host (a Kubernetes node).
    HostName
);
name!(
    /// The name of a `Tenant` (a municipality).
    TenantName
);
name!(
    /// Something several sites or racks depend on and lose together, such as `substation/kurzeme-1`.
    RiskName
);

/// Makes a `namespace/name` identity; in serialised form it is that one string, so that it can be a map key.
macro_rules! namespaced {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[allow(clippy::derived_hash_with_manual_eq, reason = "equal as the text is, only sooner")]
        #[serde(from = "String", into = "String")]
        pub struct $name {
            /// Namespace of the object.
            pub namespace: Arc<str>,
            /// Name of the object in its namespace.
            pub name: Arc<str>,
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                same(&self.name, &other.name) && same(&self.namespace, &other.namespace)
            }
        }

        impl $name {
            /// An identity from its two parts.
            pub fn new(namespace: impl Into<Arc<str>>, name: impl Into<Arc<str>>) -> Self {
                Self { namespace: namespace.into(), name: name.into() }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}/{}", self.namespace, self.name)
            }
        }

        /// Splits at the first slash; Kubernetes names hold none. Text without a slash has an empty namespace.
        impl From<String> for $name {
            fn from(text: String) -> Self {
                match text.split_once('/') {
                    Some((namespace, name)) => Self::new(namespace, name),
                    None => Self::new("", text),
                }
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self::from(text.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }
    };
}

namespaced!(
    /// A `VirtualServer`.
    ServerId
);
namespaced!(
    /// A `Colocation`.
    ColocationId
);

/// Anything that asks for room: a `VirtualServer` or a `Colocation`.
///
/// In text and as a map key: `server/kuldiga/registry`, `colocation/kuldiga/firewalls`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum DemandId {
    /// A virtual server.
    Server(ServerId),
    /// A tenant's own hardware in our racks.
    Colocation(ColocationId),
}

impl fmt::Display for DemandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(id) => write!(f, "server/{id}"),
            Self::Colocation(id) => write!(f, "colocation/{id}"),
        }
    }
}

impl From<DemandId> for String {
    fn from(id: DemandId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for DemandId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.split_once('/') {
            Some(("server", rest)) => Ok(Self::Server(ServerId::from(rest))),
            Some(("colocation", rest)) => Ok(Self::Colocation(ColocationId::from(rest))),
            _ => Err(format!(
                "{text:?} is neither server/NAMESPACE/NAME nor colocation/NAMESPACE/NAME"
            )),
        }
    }
}

impl From<ServerId> for DemandId {
    fn from(id: ServerId) -> Self {
        Self::Server(id)
    }
}

impl From<ColocationId> for DemandId {
    fn from(id: ColocationId) -> Self {
        Self::Colocation(id)
    }
}
