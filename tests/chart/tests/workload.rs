//! The Deployment and what stands around it.

#![allow(clippy::expect_used, clippy::panic, reason = "a test may fail loudly")]

mod support;

use serde_json::Value;
use serde_json::json;
use support::of_kind;
use support::one;

fn pod(objects: &[Value]) -> &Value {
    &one(objects, "Deployment", "raidc-controller")["spec"]["template"]["spec"]
}

#[test]
fn no_pod_needs_more_than_the_restricted_standard() {
    for (file, objects) in support::all_rendered() {
        let pod = pod(&objects);
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true, "{file}");
        assert_eq!(
            pod["securityContext"]["seccompProfile"],
            json!({"type": "RuntimeDefault"}),
            "{file}"
        );
        for field in ["hostNetwork", "hostPID", "hostIPC", "volumes", "hostUsers"] {
            assert!(pod.get(field).is_none(), "{file}: {field}");
        }
        for container in pod["containers"].as_array().expect("containers") {
            let context = &container["securityContext"];
            assert_eq!(context["allowPrivilegeEscalation"], false, "{file}");
            assert_eq!(context["readOnlyRootFilesystem"], true, "{file}");
            assert_eq!(context["capabilities"], json!({"drop": ["ALL"]}), "{file}");
        }
    }
    let large = support::all_rendered()
        .into_iter()
        .find(|(file, _)| file == "large-values.yaml");
    let (_, objects) = large.expect("large-values.yaml");
    assert!(
        pod(&objects)["securityContext"].get("runAsUser").is_none(),
        "null leaves the user to the platform"
    );
}

#[test]
fn replicas_never_prefer_one_site() {
    for (file, objects) in support::all_rendered() {
        let selector = &one(&objects, "Deployment", "raidc-controller")["spec"]["selector"]["matchLabels"];
        let spread = &pod(&objects)["topologySpreadConstraints"][0];
        assert_eq!(spread["topologyKey"], "topology.kubernetes.io/zone", "{file}");
        assert_eq!(&spread["labelSelector"]["matchLabels"], selector, "{file}");
        let labels =
            &one(&objects, "Deployment", "raidc-controller")["spec"]["template"]["metadata"]["labels"];
        for (key, value) in selector.as_object().expect("labels") {
            assert_eq!(
                &labels[key], value,
                "{file}: the Deployment would not find its own pods"
            );
        }
        assert!(pod(&objects)["affinity"]["podAntiAffinity"].is_object(), "{file}");
    }
}

#[test]
fn a_drain_never_takes_all_replicas_and_never_waits_for_a_broken_one() {
    let objects = support::rendered();
    let budget = one(&objects, "PodDisruptionBudget", "raidc-controller");
    assert_eq!(budget["spec"]["maxUnavailable"], 1);
    assert_eq!(budget["spec"]["unhealthyPodEvictionPolicy"], "AlwaysAllow");
    let single = support::template("raidc", &["--set", "replicas=1"]).expect("it renders");
    assert_eq!(
        of_kind(&single, "PodDisruptionBudget").len(),
        0,
        "a budget of one would block every drain"
    );
}

#[test]
fn the_environment_never_names_a_role_or_flag_that_does_not_exist() {
    let objects = support::rendered();
    let env = pod(&objects)["containers"][0]["env"]
        .as_array()
        .expect("env")
        .clone();
    let get = |name: &str| {
        let entry = env
            .iter()
            .find(|e| e["name"] == name)
            .unwrap_or_else(|| panic!("no {name}"));
        entry["value"].as_str().unwrap_or_default().to_owned()
    };
    for role in ["RAIDC_ADMIN_ROLE", "RAIDC_VIEWER_ROLE", "RAIDC_CATALOGUE_ROLE"] {
        one(&objects, "ClusterRole", &get(role));
    }
    one(&objects, "Namespace", &get("RAIDC_IMAGE_NAMESPACE"));
    assert!(["json", "text"].contains(&get("RAIDC_LOG_FORMAT").as_str()));
    assert!(get("RAIDC_LISTEN").ends_with(":8080"));
    let ports = &pod(&objects)["containers"][0]["ports"];
    assert_eq!(ports[0]["containerPort"], 8080);
    for probe in ["livenessProbe", "readinessProbe"] {
        assert_eq!(
            pod(&objects)["containers"][0][probe]["httpGet"]["port"],
            ports[0]["name"],
            "{probe}"
        );
    }
}

#[test]
fn the_network_is_never_open_to_more_than_dns_and_the_api_server() {
    let objects = support::rendered();
    let spec = &one(&objects, "NetworkPolicy", "raidc-controller")["spec"];
    assert_eq!(spec["policyTypes"], json!(["Ingress", "Egress"]));
    let ports: Vec<_> = spec["egress"]
        .as_array()
        .expect("egress")
        .iter()
        .flat_map(|rule| rule["ports"].as_array().expect("every rule names its ports"))
        .map(|port| port["port"].as_i64().expect("a number"))
        .collect();
    assert_eq!(ports, [53, 53, 443, 6443]);
}

#[test]
fn a_service_monitor_is_never_rendered_where_its_kind_is_missing() {
    let count = |more: &[&str]| {
        let objects = support::template("raidc", more).expect("it renders");
        of_kind(&objects, "ServiceMonitor").len()
    };
    assert_eq!(count(&[]), 0);
    assert_eq!(
        count(&["--api-versions", "monitoring.coreos.com/v1/ServiceMonitor"]),
        1
    );
    assert_eq!(count(&["--set", "metrics.serviceMonitor.mode=Always"]), 1);
    let never = ["--set", "metrics.serviceMonitor.mode=Never"];
    let available = ["--api-versions", "monitoring.coreos.com/v1/ServiceMonitor"];
    assert_eq!(count(&[never, available].concat()), 0);
}

#[test]
fn every_policy_is_bound_and_nothing_is_left_when_they_are_off() {
    for (file, objects) in support::all_rendered() {
        let policies = of_kind(&objects, "ValidatingAdmissionPolicy");
        let bindings = of_kind(&objects, "ValidatingAdmissionPolicyBinding");
        assert_eq!(
            policies.len(),
            if file.starts_with("small") { 0 } else { 5 },
            "{file}"
        );
        assert_eq!(policies.len(), bindings.len(), "{file}");
        let actions = if file.starts_with("large") {
            json!(["Warn", "Audit"])
        } else {
            json!(["Deny"])
        };
        for binding in bindings {
            let name = binding["spec"]["policyName"].as_str().expect("a name");
            one(&objects, "ValidatingAdmissionPolicy", name);
            assert_eq!(binding["spec"]["validationActions"], actions, "{file} {name}");
        }
    }
}

#[test]
fn no_object_lacks_the_labels_by_which_it_is_found() {
    for (file, objects) in support::all_rendered() {
        for object in &objects {
            let labels = &object["metadata"]["labels"];
            assert_eq!(
                labels["app.kubernetes.io/part-of"], "raidc",
                "{file}: {}",
                object["metadata"]["name"]
            );
        }
    }
}
