//! The same cases that crds/tests judges offline, put to a real API server: the last word on CEL, patterns, bounds and examples is its own.
//! One control plane for all of it, because starting one takes seconds; each part says which object it is at when it fails.

#![allow(clippy::expect_used, clippy::panic, reason = "a test may fail loudly")]

mod live;
mod support;

use kube::Client;
use kube::api::Api;
use kube::api::DeleteParams;
use kube::api::DynamicObject;
use kube::api::Patch;
use kube::api::PatchParams;
use kube::api::PostParams;
use kube::api::ValidationDirective;
use serde_json::Value;
use std::collections::BTreeMap;
use support::cases;
use support::cases::Cases;
use support::cases::schema;

#[tokio::test]
async fn the_api_server_never_disagrees_with_our_schemas_cases_and_examples() {
    let lab = live::lab("chart-schemas").await;
    live::install_crds(&lab).await;
    let client = lab.client().expect("a client");
    live::namespace(&client, "kuldiga", &[]).await;
    let crds = cases::crds();
    for (kind, cases) in cases::all_cases() {
        accepted(&client, &cases).await;
        refused_by_rules(&client, &cases).await;
        refused_by_values(&client, &kind, &cases).await;
        refused_by_bounds(&client, &crds[&kind], &cases).await;
        unknown_fields(&client, &cases).await;
    }
    explained(&lab, &crds).await;
    examples(&lab, &client).await;
}

fn dry() -> PostParams {
    PostParams {
        dry_run: true,
        ..PostParams::default()
    }
}

fn object(value: &Value) -> DynamicObject {
    serde_json::from_value(value.clone()).expect("an object")
}

async fn create_dry(client: &Client, value: &Value) -> Result<DynamicObject, kube::Error> {
    live::api(client, value).create(&dry(), &object(value)).await
}

/// What the API server says against an object, or a panic if it takes it.
async fn refusal(client: &Client, value: &Value) -> String {
    match create_dry(client, value).await {
        Ok(_) => panic!("the API server takes {value}"),
        Err(error) => live::answer(error),
    }
}

/// Makes `before` with its status, tries to change it to `after`, and takes it away again. What says the same in its spec is a change of
/// the status.
async fn change(client: &Client, before: &Value, after: &Value) -> Result<(), String> {
    let api: Api<DynamicObject> = live::api(client, before);
    let name = cases::text(before, "/metadata/name");
    let made = api
        .create(&PostParams::default(), &object(before))
        .await
        .expect("before is accepted");
    let mut version = made.metadata.resource_version;
    if before.get("status").is_some() {
        let patch = Patch::Merge(serde_json::json!({"status": before["status"]}));
        let with = api
            .patch_status(name, &PatchParams::default(), &patch)
            .await
            .expect("status before");
        version = with.metadata.resource_version;
    }
    let mut next = object(after);
    next.metadata.resource_version = version;
    let done = if before["spec"] == after["spec"] && after.get("status").is_some() {
        let patch = Patch::Merge(serde_json::json!({"status": after["status"]}));
        api.patch_status(
            name,
            &PatchParams {
                dry_run: true,
                ..PatchParams::default()
            },
            &patch,
        )
        .await
    } else {
        api.replace(name, &dry(), &next).await
    };
    api.delete(name, &DeleteParams::default()).await.expect("it goes");
    done.map(drop).map_err(live::answer)
}

async fn accepted(client: &Client, cases: &Cases) {
    for (value, before) in cases.accepted() {
        let done = match &before {
            Some(before) => change(client, before, &value).await,
            None => create_dry(client, &value).await.map(drop).map_err(live::answer),
        };
        assert_eq!(done, Ok(()), "{value}");
    }
}

async fn refused_by_rules(client: &Client, cases: &Cases) {
    for rule in &cases.rules {
        for case in &rule.refuses {
            let value = cases.with(case);
            let said = match &rule.from {
                Some(from) => {
                    let done = change(client, &cases.with(from), &value).await;
                    done.expect_err(&format!("{}: {value}", rule.message))
                }
                None => refusal(client, &value).await,
            };
            assert!(said.contains(&rule.message), "{said}\n{value}");
        }
    }
}

async fn refused_by_values(client: &Client, kind: &str, cases: &Cases) {
    for value in &cases.values {
        for case in &value.refuses {
            let said = refusal(client, &cases.with(case)).await;
            let field = value
                .at
                .trim_end_matches("[]")
                .rsplit('.')
                .next()
                .expect("a field");
            assert!(said.contains(field), "{kind} {}: {said}", value.at);
        }
    }
}

/// One wrong value for each bound of a schema node, with the words that the API server has for it.
fn violations(node: &Value, have: &Value) -> Vec<(&'static str, Value)> {
    let mut found = Vec::new();
    let number = |bound: &str| node[bound].as_i64();
    if node["enum"].is_array() {
        found.push(("Unsupported value", Value::from("NeitherOfThese")));
    }
    if let Some(max) = number("maxLength") {
        found.push((
            "Too long",
            Value::from("a".repeat(usize::try_from(max).expect("a length") + 1)),
        ));
    }
    if number("minLength").is_some_and(|min| min > 0) {
        found.push(("should be at least", Value::from("")));
    }
    if let Some(min) = number("minimum") {
        found.push(("greater than or equal to", Value::from(min - 1)));
    }
    if let Some(max) = number("maximum") {
        found.push(("less than or equal to", Value::from(max + 1)));
    }
    if number("minItems").is_some_and(|min| min > 0) {
        found.push(("should have at least", Value::from(Vec::<Value>::new())));
    }
    if let (Some(max), Some(first)) = (number("maxItems"), have.get(0)) {
        let many = vec![first.clone(); usize::try_from(max).expect("a count") + 1];
        found.push(("must have at most", Value::from(many)));
    }
    found
}

/// The value at a schema path, taking the first of each list.
fn at<'a>(value: &'a mut Value, path: &str) -> Option<&'a mut Value> {
    let pointer = format!("/{}", path.replace("[]", ".0").replace('.', "/"));
    value.pointer_mut(&pointer)
}

async fn refused_by_bounds(client: &Client, crd: &Value, cases: &Cases) {
    let spec = &cases::schema_of(crd)["properties"]["spec"];
    let mut nodes = Vec::new();
    schema::walk(spec, "spec", &mut |path, node| {
        nodes.push((path.to_owned(), node.clone()));
    });
    let accepted = cases.accepted();
    for (path, node) in nodes {
        let holds = |value: &Value| at(&mut value.clone(), &path).is_some();
        let (holder, _) = accepted
            .iter()
            .find(|(value, _)| holds(value))
            .expect("crds/tests sees to it");
        let have = at(&mut holder.clone(), &path).expect("just found").clone();
        for (words, wrong) in violations(&node, &have) {
            let mut value = holder.clone();
            *at(&mut value, &path).expect("just found") = wrong;
            let said = refusal(client, &value).await;
            assert!(said.contains(words), "{path}: {said}");
        }
        for name in support::texts(&node["required"]) {
            let mut value = holder.clone();
            let fields = at(&mut value, &path)
                .and_then(Value::as_object_mut)
                .expect("an object");
            fields.remove(name);
            let said = refusal(client, &value).await;
            assert!(said.contains("Required value"), "{path}.{name}: {said}");
        }
    }
}

/// A misspelt field is refused where it is asked for strictly, as kubectl does.
async fn unknown_fields(client: &Client, cases: &Cases) {
    let mut value = cases.base.clone();
    value["spec"]["colour"] = "red".into();
    let params = PatchParams {
        dry_run: true,
        field_validation: Some(ValidationDirective::Strict),
        ..PatchParams::apply("test")
    };
    let name = cases::text(&value, "/metadata/name").to_owned();
    let done = live::api(client, &value)
        .patch(&name, &params, &Patch::Apply(&value))
        .await;
    let said = live::answer(done.expect_err("colour is no field"));
    assert!(said.contains("spec.colour"), "{said}");
}

/// `kubectl explain` knows every field of every kind.
async fn explained(lab: &raidc_lab::Lab, crds: &BTreeMap<String, Value>) {
    for crd in crds.values() {
        let name = cases::text(crd, "/spec/names/singular");
        let text = lab
            .kubectl(["explain", &format!("{name}.spec")])
            .await
            .expect("an explanation");
        assert!(
            !text.contains("<no description>") && !text.contains("Auto-generated"),
            "{text}"
        );
        let fields = cases::schema_of(crd)["properties"]["spec"]["properties"]
            .as_object()
            .expect("fields");
        for field in fields.keys() {
            assert!(text.contains(&format!("\n  {field}\t")), "{name} {field}: {text}");
        }
    }
}

/// The examples are taken as they are; and taken again, they change nothing, or GitOps would never come to rest.
async fn examples(lab: &raidc_lab::Lab, client: &Client) {
    for tenant in ["talsi", "liepaja", "ventspils", "saldus"] {
        live::namespace(client, tenant, &[]).await;
    }
    let folder = cases::repository().join("examples");
    let folder = folder.to_str().expect("a path in Unicode");
    let apply = ["apply", "--server-side", "--validate=strict", "-f", folder];
    lab.kubectl(apply).await.expect("the examples are taken");
    let versions = || async {
        let form = "jsonpath={range .items[*]}{.kind}/{.metadata.name}={.metadata.resourceVersion} {.metadata.generation}{\"\\n\"}{end}";
        lab.kubectl(["get", "raidc", "-A", "-o", form])
            .await
            .expect("a list")
    };
    // The default status is in what the API server reads, but not in what it stored at first: the next write stores it, once.
    lab.kubectl(apply).await.expect("the examples are taken again");
    let before = versions().await;
    assert!(before.lines().count() >= 60, "{before}");
    lab.kubectl(apply).await.expect("the examples are taken again");
    assert_eq!(
        versions().await,
        before,
        "applying the same files twice changes something"
    );
    let diff = lab.kubectl(["diff", "--server-side", "-f", folder]).await;
    assert!(diff.as_ref().is_ok_and(String::is_empty), "{diff:?}");
}
