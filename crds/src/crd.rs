//! The CRDs as they are installed: what the derive makes, plus what it cannot say. No I/O.

use crate::Colocation;
use crate::Drill;
use crate::Failover;
use crate::Rack;
use crate::ReplicationPolicy;
use crate::Site;
use crate::Tenant;
use crate::VirtualServer;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSON;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaPropsOrArray;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaPropsOrBool;
use kube::CustomResourceExt;

/// Value of `observedGeneration` before the controller has looked.
pub(crate) fn not_observed() -> i64 {
    -1
}

/// Every CRD of RAIDC, in the order in which a newcomer should read them.
#[must_use]
pub fn all() -> Vec<CustomResourceDefinition> {
    [
        VirtualServer::crd(),
        Colocation::crd(),
        Tenant::crd(),
        ReplicationPolicy::crd(),
        Site::crd(),
        Rack::crd(),
        Failover::crd(),
        Drill::crd(),
    ]
    .into_iter()
    .map(finish)
    .collect()
}

/// Status defaults to "not looked at" (an object without status counts as healthy for Flux and Argo CD), and optional fields
/// are left out rather than null, because a null that Git sends back is a difference.
fn finish(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    for version in &mut crd.spec.versions {
        let Some(schema) = version
            .schema
            .as_mut()
            .and_then(|s| s.open_api_v3_schema.as_mut())
        else {
            continue;
        };
        without_null(schema);
        if let Some(status) = schema.properties.as_mut().and_then(|p| p.get_mut("status")) {
            status.default = Some(JSON(serde_json::json!({"observedGeneration": not_observed()})));
        }
    }
    crd
}

fn without_null(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    if let Some(values) = schema.enum_.as_mut() {
        values.retain(|v| !v.0.is_null());
    }
    for child in schema.properties.iter_mut().flat_map(|p| p.values_mut()) {
        without_null(child);
    }
    match schema.items.as_mut() {
        Some(JSONSchemaPropsOrArray::Schema(item)) => without_null(item),
        Some(JSONSchemaPropsOrArray::Schemas(items)) => items.iter_mut().for_each(without_null),
        None => {}
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = schema.additional_properties.as_mut() {
        without_null(values);
    }
}
