//! Switching a machine off while nothing else of its server can be carried out. I/O: writes through the writer.
//!
//! A refusal takes nothing away and changes nothing, with this one exception: Off needs no place, no size and no policy, and a machine that
//! cannot be stopped is worse than one that cannot be changed.

use raidc_crds::VirtualServer;
use raidc_crds::virtual_server::Power;

use super::gather::World;
use super::report::Run;
use super::report::run;
use crate::Ctx;
use crate::Error;
use crate::executors::kubevirt;

/// Field manager of the power state alone. What is sent is that one field, so that every other field stays as it was applied last; the next
/// whole body takes the field back.
const MANAGER: &str = "raidc/power";

/// Stops the server's machine, if it was asked to be off and is not told so yet. True when it was told now.
///
/// # Errors
/// What the writer says.
pub(super) async fn off(ctx: &Ctx, server: &VirtualServer, world: &World) -> Result<bool, Error> {
    let Some(machine) = world.machine.as_deref() else {
        return Ok(false);
    };
    let told = machine.spec.run_strategy.as_deref() == Some(kubevirt::HALTED);
    if server.spec.power != Power::Off || told {
        return Ok(false);
    }
    ctx.writer
        .apply_spec_part(MANAGER, machine, kubevirt::halted())
        .await?;
    Ok(true)
}

/// What is said of it behind a refusal; empty when nothing was asked or nothing is there.
pub(super) fn told(server: &VirtualServer, world: &World) -> &'static str {
    let ends = server.metadata.deletion_timestamp.is_some();
    if server.spec.power != Power::Off || world.machine.is_none() || ends {
        return "";
    }
    match run(world.machine.as_deref(), world.instance.as_deref()) {
        Run::Stopped => "; it is stopped, as asked",
        Run::Running | Run::Between => "; it is being stopped, as asked",
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{minimal, of, placed, running, server};
    use super::*;
    use crate::Decision;
    use crate::inventory::stores::Stores;
    use crate::runtime::testing;
    use serde_json::{Value, json};

    fn machine(strategy: &str) -> Value {
        json!({"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine",
            "metadata": {"name": "web", "namespace": "kuldiga", "uid": "m-1"},
            "spec": {"runStrategy": strategy, "instancetype": {"name": "m-4"}, "template": {"spec": {"hostname": "web"}}}})
    }

    fn asked(power: &str) -> VirtualServer {
        let mut spec = minimal();
        spec["power"] = json!(power);
        server(&spec, &placed())
    }

    #[tokio::test]
    async fn a_server_that_is_refused_never_runs_on_when_it_was_switched_off() {
        let (client, mut api) = testing::mock();
        let ctx = testing::ctx(client, Stores::default(), Decision::default());
        let mut world = running();
        world.size_exists = false;
        world.machine = of(machine("Always"));
        let off_now = asked("Off");
        let halted = machine("Halted");
        let answers = testing::answer(&mut api, 200, &halted);
        let (told, sent) = tokio::join!(off(&ctx, &off_now, &world), answers);
        assert!(told.expect("done"));
        assert_eq!(sent.0, "PATCH");
        assert!(sent.1.contains("fieldManager=raidc%2Fpower"), "{}", sent.1);
        assert_eq!(
            sent.2,
            json!({"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine",
                "metadata": {"name": "web", "namespace": "kuldiga", "uid": "m-1"}, "spec": {"runStrategy": "Halted"}}),
            "a field that is not sent stays, and a machine that has gone is not made"
        );
    }

    #[tokio::test]
    async fn nothing_is_sent_that_was_not_asked_or_is_so_already() {
        let (client, mut api) = testing::mock();
        let ctx = testing::ctx(client, Stores::default(), Decision::default());
        let mut world = running();
        world.machine = of(machine("Always"));
        assert!(!off(&ctx, &asked("On"), &world).await.expect("done"));
        world.machine = of(machine("Halted"));
        assert!(!off(&ctx, &asked("Off"), &world).await.expect("done"));
        world.machine = None;
        assert!(!off(&ctx, &asked("Off"), &world).await.expect("done"));
        drop(ctx);
        assert!(api.next_request().await.is_none(), "a call was made");
    }
}
