//! The Lease as the API server keeps it. I/O.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use serde_json::json;

use super::lease::{Board, Record, Refused};

/// Field manager of the Lease.
const MANAGER: &str = "raidc/lease";

/// The Lease of this operator.
pub struct LeaseBoard {
    api: Api<Lease>,
    name: String,
    /// The wall clock is only written for people; nobody judges by it.
    now: fn() -> Timestamp,
}

impl LeaseBoard {
    /// The Lease `name` in `namespace`.
    #[must_use]
    pub fn new(client: Client, namespace: &str, name: &str, now: fn() -> Timestamp) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            name: name.to_owned(),
            now,
        }
    }
}

fn record(lease: &Lease) -> Record {
    let spec = lease.spec.as_ref();
    let seconds = spec.and_then(|spec| spec.lease_duration_seconds).unwrap_or(0);
    Record {
        holder: spec
            .and_then(|spec| spec.holder_identity.clone())
            .filter(|holder| !holder.is_empty()),
        ttl: Duration::from_secs(u64::try_from(seconds).unwrap_or(0)),
        transitions: spec.and_then(|spec| spec.lease_transitions).unwrap_or(0),
        version: lease.resource_version().unwrap_or_default(),
    }
}

fn refused(error: &kube::Error) -> Refused {
    match error {
        kube::Error::Api(status) if status.is_conflict() || status.is_already_exists() => Refused::Conflict,
        other => Refused::Unknown(other.to_string()),
    }
}

impl Board for LeaseBoard {
    async fn read(&self) -> Result<Option<Record>, String> {
        self.api
            .get_opt(&self.name)
            .await
            .map(|lease| lease.as_ref().map(record))
            .map_err(|error| error.to_string())
    }

    async fn write(
        &self,
        holder: Option<&str>,
        ttl: Duration,
        over: Option<&Record>,
    ) -> Result<Record, Refused> {
        let now = MicroTime((self.now)());
        let mut spec = json!({
            "holderIdentity": holder.unwrap_or_default(),
            "leaseDurationSeconds": i32::try_from(ttl.as_secs()).unwrap_or(i32::MAX),
            "renewTime": now,
        });
        let before = over.and_then(|record| record.holder.as_deref());
        if holder.is_some() && before != holder {
            spec["acquireTime"] = json!(now);
            spec["leaseTransitions"] = json!(over.map_or(0, |record| record.transitions.saturating_add(1)));
        }
        let written = if let Some(over) = over {
            // The version makes this compare and swap: the API server refuses when anyone wrote in between.
            let body = json!({"metadata": {"resourceVersion": over.version}, "spec": spec});
            let params = PatchParams {
                field_manager: Some(MANAGER.to_owned()),
                ..PatchParams::default()
            };
            self.api.patch(&self.name, &params, &Patch::Merge(&body)).await
        } else {
            let lease: Lease = serde_json::from_value(json!({"metadata": {"name": self.name}, "spec": spec}))
                .map_err(|error| Refused::Unknown(error.to_string()))?;
            let params = PostParams {
                field_manager: Some(MANAGER.to_owned()),
                ..PostParams::default()
            };
            self.api.create(&params, &lease).await
        };
        written
            .map(|lease| record(&lease))
            .map_err(|error| refused(&error))
    }
}
