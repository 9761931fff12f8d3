//! The deletion of a server that does not match the schema: what was made for it goes as for any other. I/O.
//!
//! Name, namespace, UID and finalizer can always be read, and what was made for a server carries its UID. Disks go only where the
//! object itself says so in words that can be read: what it said earlier is no leave to destroy.

use jiff::Timestamp;
use kube::ResourceExt as _;
use kube::api::ApiResource;
use kube::api::DynamicObject;
use raidc_crds::VirtualServer;
use raidc_crds::virtual_server::DeletionPolicy;
use serde_json::Value;

use super::FINALIZER;
use super::delete;
use super::gather;
use crate::Class;
use crate::Ctx;
use crate::Error;
use crate::inventory::salvage;
use crate::reconcile::malformed::Ending;

/// Carries a deletion out, as far as it goes now.
///
/// # Errors
/// What may pass by itself.
pub async fn end(ctx: &Ctx, live: &DynamicObject, now: Timestamp) -> Result<Ending, Error> {
    if !live.finalizers().iter().any(|f| f == FINALIZER) {
        return Ok(Ending::Over);
    }
    let Some(server) = read(live) else {
        return Ok(Ending::Stuck("it cannot be told whose it is".to_owned()));
    };
    let world = gather::gather(ctx, &server);
    if let Some(waits_for) = delete::carry_out(ctx, &server, &world, now).await? {
        return Ok(Ending::Waits(waits_for));
    }
    let resource = ApiResource::erase::<VirtualServer>(&());
    match ctx.writer.remove_finalizer_of(&resource, live).await {
        Ok(()) => Ok(Ending::Over),
        Err(error) if error.class() == Class::Stalled => Ok(Ending::Stuck(format!(
            "what was made for it is gone, and the API server does not let go of it as it is ({})",
            error.chain()
        ))),
        Err(error) => Err(error),
    }
}

/// The server as far as it can be read, with disks that stay unless it says `Delete` itself.
fn read(live: &DynamicObject) -> Option<VirtualServer> {
    let object = serde_json::to_value(live).ok()?;
    let told: Option<DeletionPolicy> = object
        .pointer("/spec/deletionPolicy")
        .cloned()
        .and_then(|policy: Value| serde_json::from_value(policy).ok());
    let mut server = salvage::server(object)?;
    server.spec.deletion_policy = told.unwrap_or(DeletionPolicy::Retain);
    server.metadata.uid.is_some().then_some(server)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Decision;
    use crate::inventory::stores::{KubeVirtStores, Optional, Stores};
    use crate::inventory::watched::Watched;
    use crate::runtime::testing;

    const DELETED: &str = "2026-11-22T11:59:00Z";

    /// A server of an older schema, which knew no image and wrote disks in another way.
    fn older(policy: &Value) -> DynamicObject {
        serde_json::from_value(json!({
            "apiVersion": "raidc.dev/v1alpha1", "kind": "VirtualServer",
            "metadata": {"name": "web", "namespace": "kuldiga", "uid": "u-1", "deletionTimestamp": DELETED,
                "finalizers": [FINALIZER]},
            "spec": {"size": "m-4", "disks": "none", "deletionPolicy": policy},
        }))
        .expect("an object")
    }

    fn now() -> Timestamp {
        "2026-11-22T12:00:00Z".parse().expect("a time")
    }

    fn stores(machine: Option<&Value>) -> Stores {
        let machine = machine.map(|body| serde_json::from_value(body.clone()).expect("a machine"));
        let claim = json!({"metadata": {"name": "web-root", "namespace": "kuldiga", "uid": "c",
            "labels": {"raidc.dev/server": "web", "raidc.dev/server-uid": "u-1"}}});
        Stores {
            kubevirt: Optional::served_by(KubeVirtStores {
                vms: Watched::holding(machine),
                vmis: Watched::holding([]),
                instancetypes: Watched::holding([]),
            }),
            pvcs: Watched::holding([serde_json::from_value(claim).expect("a claim")]),
            ..Stores::default()
        }
    }

    #[tokio::test]
    async fn a_server_that_cannot_be_read_is_never_kept_from_being_deleted() {
        let machine = json!({"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "spec": {},
            "metadata": {"name": "web", "namespace": "kuldiga", "uid": "m", "resourceVersion": "7",
                "labels": {"raidc.dev/server": "web", "raidc.dev/server-uid": "u-1"}}});
        let (client, mut api) = testing::mock();
        let ctx = testing::ctx(client, stores(Some(&machine)), Decision::default());
        let live = older(&json!("Retain"));
        let answers = async {
            testing::answer(&mut api, 200, &machine).await;
            testing::answer(&mut api, 200, &machine).await
        };
        let (ending, (method, path, _)) = tokio::join!(end(&ctx, &live, now()), answers);
        assert_eq!(
            ending.expect("done"),
            Ending::Waits("the machine is stopping".to_owned())
        );
        assert!(
            method == "DELETE" && path.contains("/virtualmachines/web"),
            "{path}"
        );

        // The machine has gone: its finalizer goes, its disk stays, and the answer need not be a server.
        let (client, mut api) = testing::mock();
        let ctx = testing::ctx(client, stores(None), Decision::default());
        let answers = async {
            for kind in ["ReplicationSource", "ReplicationDestination"] {
                let list =
                    json!({"apiVersion": "v1", "kind": format!("{kind}List"), "metadata": {}, "items": []});
                testing::answer(&mut api, 200, &list).await;
            }
            testing::answer(&mut api, 200, &json!(live)).await
        };
        let (ending, (method, path, body)) = tokio::join!(end(&ctx, &live, now()), answers);
        assert_eq!(ending.expect("done"), Ending::Over);
        assert!(
            method == "PATCH" && path.contains("/virtualservers/web?"),
            "{method} {path}"
        );
        assert_eq!(body["metadata"]["uid"], "u-1");
        assert!(
            body["metadata"].get("finalizers").is_none() && body.get("spec").is_none(),
            "{body}"
        );
        drop(ctx);
        assert!(api.next_request().await.is_none(), "its disk was touched");
    }

    #[test]
    fn disks_of_a_server_that_cannot_be_read_never_go_unasked() {
        let policy = |policy: &Value| read(&older(policy)).expect("a server").spec.deletion_policy;
        assert_eq!(policy(&json!("Delete")), DeletionPolicy::Delete);
        for unclear in [
            json!("Gone"),
            json!(7),
            Value::Null,
            json!("delete"),
            json!("Retain"),
        ] {
            assert_eq!(policy(&unclear), DeletionPolicy::Retain, "{unclear}");
        }
    }
}
