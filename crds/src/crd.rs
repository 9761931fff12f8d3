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
use serde_json::Value;
use std::collections::BTreeMap;

/// 2⁵³: up to here every whole number has a float of its own.
const LARGEST_WHOLE: f64 = 9_007_199_254_740_992.0;

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

/// Every CRD as it is written to a file, by its name: whole numbers without a fraction, as the API server gives them back, so that
/// a difference shown by GitOps tools is a real one.
#[must_use]
pub fn documents() -> Vec<(String, Value)> {
    all()
        .into_iter()
        .map(|crd| {
            let name = crd.metadata.name.clone().unwrap_or_default();
            // A CRD is plain data with text keys: it has a JSON form.
            let mut document = serde_json::to_value(crd).unwrap_or_default();
            whole_numbers(&mut document);
            (name, document)
        })
        .collect()
}

/// Status defaults to "not looked at" (an object without status counts as healthy for Flux and Argo CD), optional fields are left
/// out rather than null, because a null that Git sends back is a difference, and conditions have the bounds that Kubernetes
/// gives them, which the derived schema lacks.
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
            if let Some(conditions) = status.properties.as_mut().and_then(|p| p.get_mut("conditions"))
                && let Some(JSONSchemaPropsOrArray::Schema(condition)) = conditions.items.as_mut()
                && let Some(fields) = condition.properties.as_mut()
            {
                bound_condition(fields);
            }
        }
    }
    crd
}

/// The bounds of `meta/v1` Condition, and descriptions short enough to be read.
fn bound_condition(fields: &mut BTreeMap<String, JSONSchemaProps>) {
    let mut set = |name: &str, description: &str, change: &dyn Fn(&mut JSONSchemaProps)| {
        if let Some(field) = fields.get_mut(name) {
            field.description = Some(description.to_owned());
            change(field);
        }
    };
    set("type", "type of the condition, such as Ready.", &|f| {
        f.min_length = Some(1);
        f.max_length = Some(316);
    });
    set(
        "status",
        "status: True, False, or Unknown when nobody can tell.",
        &|f| {
            let words = ["True", "False", "Unknown"];
            f.enum_ = Some(words.into_iter().map(|w| JSON(Value::from(w))).collect());
        },
    );
    set("reason", "reason in one word, for programs.", &|f| {
        f.min_length = Some(1);
        f.max_length = Some(1024);
        f.pattern = Some("^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$".to_owned());
    });
    set(
        "message",
        "message for people: what, why, and what to do.",
        &|f| {
            f.max_length = Some(32_768);
        },
    );
    set(
        "lastTransitionTime",
        "lastTransitionTime is when the status last changed.",
        &|_| {},
    );
    set(
        "observedGeneration",
        "observedGeneration is the generation of the spec that the condition speaks of.",
        &|f| {
            f.minimum = Some(0.0);
        },
    );
}

fn whole_numbers(value: &mut Value) {
    match value {
        Value::Number(number) => {
            if let Some(float) = number.as_f64().filter(|_| number.is_f64())
                && float.fract() == 0.0
                && float.abs() < LARGEST_WHOLE
            {
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "whole and in range, as just checked"
                )]
                let whole = float as i64;
                *number = whole.into();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(whole_numbers),
        Value::Object(fields) => fields.values_mut().for_each(whole_numbers),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
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
