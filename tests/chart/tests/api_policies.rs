//! The charts on a real API server: installed and upgraded with Helm, who is held back by the admission policies and who never is, and
//! what the roles let people do. One control plane for all of it, because starting one takes seconds.

#![allow(clippy::expect_used, clippy::panic, reason = "a test may fail loudly")]

mod live;
mod support;

use kube::Client;
use kube::api::Api;
use kube::api::DeleteParams;
use kube::api::DynamicObject;
use kube::api::Patch;
use kube::api::PatchParams;
use live::OPERATOR;
use live::apply;
use live::hands::PERSON;
use live::hands::create;
use live::hands::delete_dry;
use live::hands::everything_for;
use live::hands::machine;
use live::hands::merge;
use live::hands::policies_in_force;
use live::hands::refused;
use live::hands::tenant;
use live::rights;
use raidc_lab::Lab;
use serde_json::Value;
use serde_json::json;

#[tokio::test]
async fn the_charts_never_let_a_hand_do_harm_nor_hold_back_a_controller() {
    let lab = live::lab("chart-policies").await;
    live::install_crds(&lab).await;
    installed_and_upgraded(&lab).await;
    let admin = lab.client().expect("a client");
    everything_for(&admin, PERSON).await;
    everything_for(&admin, "system:serviceaccount:kuldiga:ci").await;
    live::namespace(&admin, "kuldiga", &[("raidc.dev/tenant", "kuldiga")]).await;
    live::namespace(&admin, "elsewhere", &[]).await;
    policies_in_force(&lab, &admin).await;
    what_the_operator_made(&lab, &admin).await;
    epochs(&lab, &admin).await;
    status(&lab, &admin).await;
    tenants_namespaces(&lab).await;
    deleting_a_tenants_namespace(&lab, &admin).await;
    rights::of_people(&lab, &admin).await;
    rights::of_the_operator(&admin).await;
    pods_of_the_operator(&lab, &admin).await;
    uninstalled(&lab).await;
}

async fn installed_and_upgraded(lab: &Lab) {
    let notes = live::install(lab, &["--create-namespace"]).await;
    assert!(
        notes.contains("WARNING: there is no ServiceMonitor kind"),
        "{notes}"
    );
    for absent in [
        "one replica",
        "KubeVirt is missing",
        "CDI is missing",
        "VolSync is missing",
        "kinds of RAIDC",
    ] {
        assert!(!notes.contains(absent), "the lab has it: {absent}\n{notes}");
    }
    let small = support::chart("raidc").join("ci/small-values.yaml");
    let notes = live::install(lab, &["--values", small.to_str().expect("a path in Unicode")]).await;
    for says in [
        "one replica",
        "mode is Never",
        "admissionPolicies.mode is Off",
        "networkPolicy.mode is Off",
    ] {
        assert!(notes.contains(says), "{says}\n{notes}");
    }
    live::install(lab, &["--reset-values"]).await;
}

async fn what_the_operator_made(lab: &Lab, admin: &Client) {
    let ours = machine("web", json!({"raidc.dev/server": "web"}), json!({}));
    let theirs = machine("pet", json!({}), json!({}));
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": "web-root", "namespace": "kuldiga", "labels": {"raidc.dev/server": "web"}},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    });
    let operator = live::client_as(lab, OPERATOR, &[]);
    apply(&operator, &ours)
        .await
        .expect("the operator makes machines");
    apply(admin, &theirs).await.expect("a machine of their own");
    apply(admin, &claim)
        .await
        .expect("the administrator breaks the glass");

    let person = live::client_as(lab, PERSON, &["kuldiga-it"]);
    let own = live::client_as(
        lab,
        "system:serviceaccount:kuldiga:ci",
        &["system:serviceaccounts"],
    );
    let says = "RAIDC made this for the virtual server web";
    for (who, client) in [("a person", &person), ("the tenant's own account", &own)] {
        refused(delete_dry(client, &ours).await, says, who);
        refused(delete_dry(client, &claim).await, says, who);
        refused(
            merge(client, &ours, json!({"spec": {"runStrategy": "Always"}})).await,
            says,
            who,
        );
        let unlabelled = json!({"metadata": {"labels": {"raidc.dev/server": null}}});
        refused(merge(client, &ours, unlabelled).await, says, who);
        let labelled = json!({"metadata": {"labels": {"raidc.dev/server": "web"}}});
        refused(merge(client, &theirs, labelled).await, says, who);
        refused(
            create(
                client,
                &machine("fake", json!({"raidc.dev/server": "web"}), json!({})),
            )
            .await,
            says,
            who,
        );
        delete_dry(client, &theirs)
            .await
            .expect("their own machine is their own");
    }
    // Whoever keeps the platform going is let through, whatever it does.
    for controller in [
        "system:serviceaccount:kubevirt:kubevirt-controller",
        "system:serviceaccount:cdi:cdi-sa",
        "system:serviceaccount:volsync-system:volsync",
        "system:serviceaccount:kube-system:generic-garbage-collector",
        "system:serviceaccount:kube-system:namespace-controller",
        "system:kube-controller-manager",
    ] {
        everything_for(admin, controller).await;
        let client = live::client_as(lab, controller, &[]);
        merge(
            &client,
            &ours,
            json!({"metadata": {"annotations": {"touched": controller}}}),
        )
        .await
        .expect(controller);
        merge(
            &client,
            &claim,
            json!({"metadata": {"annotations": {"touched": controller}}}),
        )
        .await
        .expect(controller);
        delete_dry(&client, &ours).await.expect(controller);
        delete_dry(&client, &claim).await.expect(controller);
    }
    delete_dry(admin, &ours)
        .await
        .expect("the administrator breaks the glass");
}

async fn epochs(lab: &Lab, admin: &Client) {
    let operator = live::client_as(lab, OPERATOR, &[]);
    let made = machine(
        "db",
        json!({"raidc.dev/server": "db"}),
        json!({"raidc.dev/epoch": "7"}),
    );
    apply(&operator, &made).await.expect("a machine with an epoch");
    let epoch = |value: Value| json!({"metadata": {"annotations": {"raidc.dev/epoch": value}}});
    let says = "the epoch of a machine never goes back: it is 7";
    for (who, client) in [("the operator", &operator), ("the administrator", admin)] {
        for wrong in [
            json!("6"),
            json!(null),
            json!("seven"),
            json!("-8"),
            json!("99999999999999999999"),
        ] {
            refused(merge(client, &made, epoch(wrong)).await, says, who);
        }
        merge(client, &made, epoch(json!("7")))
            .await
            .expect("the same epoch");
        merge(client, &made, json!({"spec": {"runStrategy": "Always"}}))
            .await
            .expect("the epoch is left alone");
        delete_dry(client, &made)
            .await
            .expect("an epoch never stands in the way of deleting");
    }
    merge(&operator, &made, epoch(json!("10")))
        .await
        .expect("a higher epoch, though not by the alphabet");
    // Machines that are not ours, and notes that are no epoch, are none of the policy's business.
    let pet = machine("pet", json!({}), json!({"raidc.dev/epoch": "soon"}));
    apply(admin, &pet).await.expect("a note");
    merge(admin, &pet, epoch(json!(null)))
        .await
        .expect("a note can go");
    // A machine that is being deleted may lose everything, or its finalizer could never come off.
    let finalizer = json!({"metadata": {"finalizers": ["example.com/wait"]}});
    merge(admin, &made, finalizer).await.expect("a finalizer");
    live::api(admin, &made)
        .delete("db", &DeleteParams::default())
        .await
        .expect("deleted");
    let bare = json!({"metadata": {"finalizers": null, "annotations": null}});
    merge(admin, &made, bare).await.expect("the finalizer comes off");
}

async fn status(lab: &Lab, admin: &Client) {
    let server = json!({
        "apiVersion": "raidc.dev/v1alpha1", "kind": "VirtualServer",
        "metadata": {"name": "web", "namespace": "kuldiga"}, "spec": {"size": "s-2", "image": "debian-13"},
    });
    apply(admin, &server).await.expect("a server");
    let write = async |client: &Client| {
        let patch = Patch::Merge(json!({"status": {"site": "talsi"}}));
        let api: Api<DynamicObject> = live::api(client, &server);
        api.patch_status("web", &PatchParams::default(), &patch)
            .await
            .map(drop)
            .map_err(live::answer)
    };
    let person = live::client_as(lab, PERSON, &[]);
    refused(
        write(&person).await,
        "only the operator writes status",
        "a person",
    );
    merge(&person, &server, json!({"spec": {"tier": 1}}))
        .await
        .expect("the spec is theirs");
    write(&live::client_as(lab, OPERATOR, &[]))
        .await
        .expect("the operator");
    write(admin).await.expect("the administrator breaks the glass");
}

async fn tenants_namespaces(lab: &Lab) {
    let person = live::client_as(lab, PERSON, &[]);
    for taken in [
        "raidc-system",
        "raidc-images",
        "kubevirt",
        "cdi",
        "volsync-system",
    ] {
        refused(create(&person, &tenant(taken)).await, "runs the platform", taken);
        let mut moved = tenant("aside");
        moved["spec"]["namespace"] = taken.into();
        refused(create(&person, &moved).await, "runs the platform", taken);
    }
    create(&person, &tenant("kuldiga")).await.expect("a municipality");
    let mut moved = tenant("kubevirt");
    moved["spec"]["namespace"] = "kuldiga".into();
    create(&person, &moved)
        .await
        .expect("the name is free, the namespace counts");
}

async fn deleting_a_tenants_namespace(lab: &Lab, admin: &Client) {
    let body = |name: &str| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    let person = live::client_as(lab, PERSON, &[]);
    for (who, client) in [("a person", &person), ("the administrator", admin)] {
        refused(
            delete_dry(client, &body("kuldiga")).await,
            "this deletes every server and disk of the tenant kuldiga",
            who,
        );
        delete_dry(client, &body("elsewhere"))
            .await
            .expect("not a tenant's");
    }
    delete_dry(&live::client_as(lab, OPERATOR, &[]), &body("kuldiga"))
        .await
        .expect("the operator has asked the Tenant");
    let confirm = |name: &str| json!({"metadata": {"annotations": {"raidc.dev/confirm-deletion": name}}});
    merge(admin, &body("kuldiga"), confirm("talsi"))
        .await
        .expect("an annotation");
    refused(
        delete_dry(&person, &body("kuldiga")).await,
        "if that is meant",
        "another's name confirms nothing",
    );
    merge(admin, &body("kuldiga"), confirm("kuldiga"))
        .await
        .expect("an annotation");
    delete_dry(&person, &body("kuldiga")).await.expect("confirmed");

    // Once confirmed, it goes to its end: no policy holds back the controllers that empty it.
    live::namespace(admin, "gone", &[("raidc.dev/tenant", "gone")]).await;
    let mut inside = machine(
        "web",
        json!({"raidc.dev/server": "web"}),
        json!({"raidc.dev/epoch": "3"}),
    );
    inside["metadata"]["namespace"] = "gone".into();
    apply(admin, &inside).await.expect("a machine");
    merge(admin, &body("gone"), confirm("gone"))
        .await
        .expect("an annotation");
    lab.kubectl(["delete", "namespace", "gone", "--timeout=60s"])
        .await
        .expect("it goes");
}

/// Kubernetes' own check of the restricted standard, on the pod that the Deployment asks for.
async fn pods_of_the_operator(lab: &Lab, admin: &Client) {
    let restricted = [("pod-security.kubernetes.io/enforce", "restricted")];
    live::namespace(admin, "strict", &restricted).await;
    let deployment = lab
        .kubectl([
            "get",
            "deployment",
            "raidc-controller",
            "-n",
            "raidc-system",
            "-o",
            "json",
        ])
        .await;
    let deployment: Value = serde_json::from_str(&deployment.expect("the Deployment")).expect("JSON");
    let mut spec = deployment["spec"]["template"]["spec"].clone();
    spec["serviceAccountName"] = "default".into();
    spec["serviceAccount"] = "default".into();
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "controller", "namespace": "strict"}, "spec": spec,
    });
    // It comes a moment after the namespace.
    live::becomes("the namespace's service account is there", || async {
        let account = ["get", "serviceaccount", "default", "-n", "strict"];
        lab.kubectl(account).await.is_ok()
    })
    .await;
    create(admin, &pod)
        .await
        .expect("the restricted standard takes the operator's pod");
    let mut careless = pod;
    careless["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = true.into();
    refused(
        create(admin, &careless).await,
        "violates PodSecurity",
        "the standard is really enforced",
    );
}

async fn uninstalled(lab: &Lab) {
    lab.helm(["uninstall", "raidc", "--namespace", support::NAMESPACE])
        .await
        .expect("uninstalled");
    lab.helm(["uninstall", "raidc-crds", "--namespace", support::NAMESPACE])
        .await
        .expect("uninstalled");
    let left = lab
        .kubectl(["get", "virtualservers", "-A", "-o", "name"])
        .await
        .expect("the kinds are still served");
    assert!(
        left.contains("virtualserver.raidc.dev/web"),
        "the CRDs and their objects stay: {left}"
    );
    lab.kubectl(["get", "namespace", "raidc-images"])
        .await
        .expect("the image catalogue stays");
    let policies = [
        "get",
        "validatingadmissionpolicies,validatingadmissionpolicybindings",
        "-o",
        "name",
    ];
    let left = lab.kubectl(policies).await.expect("a list");
    assert!(!left.contains("raidc"), "{left}");
    let again = live::client_as(lab, OPERATOR, &[]);
    let pet = machine("pet", json!({}), json!({}));
    live::becomes("the account's rights went with the chart", || async {
        let said = delete_dry(&again, &pet).await;
        said.is_err_and(|said| said.contains("forbidden"))
    })
    .await;
}
