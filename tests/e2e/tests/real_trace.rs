//! Five hundred servers with the sizes of a real cluster trace, asked for by one municipality and four neighbours: none is left
//! out without a true reason.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use raidc_crds::condition::PLACED;
use raidc_e2e::World;
use raidc_e2e::certificate;
use raidc_e2e::install;
use raidc_e2e::servers;
use raidc_lab::FleetSpec;
use std::fmt::Write as _;
use std::time::Duration;

const SERVERS: usize = 500;
/// Servers of one `kubectl apply`, which has an end in time: all of them at once may take minutes on a busy machine.
const BATCH: usize = 100;
const WITHIN: Duration = Duration::from_mins(7);
const TENANTS: [&str; 5] = ["riga", "jurmala", "ogre", "sigulda", "cesis"];

/// Milli-cores and MiB of the first tasks of the trace, or nothing where the trace is absent.
fn sizes() -> Option<Vec<(i64, i64)>> {
    let trace = install::repository().join("../shared/data/openb/openb_pod_list_default.csv");
    let text = std::fs::read_to_string(trace).ok()?;
    let size = |line: &str| {
        let mut fields = line.split(',').skip(1);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    // Every sixteenth task, so that the sample has the whole trace's mix and not its first day's.
    Some(
        text.lines()
            .skip(1)
            .step_by(16)
            .filter_map(size)
            .take(SERVERS)
            .collect(),
    )
}

#[test]
fn real_sizes_leave_no_server_unexplained() {
    let Some(sizes) = sizes() else {
        println!("skipped: ../shared/data/openb is not here");
        return;
    };
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let fleet = FleetSpec::sized(4, 4, 8, 64, 512);
        let mut world = World::with("real-trace", fleet.clone()).await.unwrap();
        let mut yaml = String::from(
            "{apiVersion: v1, kind: Namespace, metadata: {name: raidc-images}}\n---\n\
             {apiVersion: raidc.dev/v1alpha1, kind: ReplicationPolicy, metadata: {name: silver}, spec: {copies: 2, mode: Async, rpo: 12h}}\n---\n\
             {apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: debian-13, namespace: raidc-images, annotations: {cdi.kubevirt.io/storage.bind.immediate.requested: 'true'}}, spec: {storageClassName: fast-site-1, accessModes: [ReadWriteOnce], volumeMode: Block, resources: {requests: {storage: 2Gi}}}}\n---\n\
             {apiVersion: cdi.kubevirt.io/v1beta1, kind: DataSource, metadata: {name: debian-13, namespace: raidc-images}, spec: {source: {pvc: {name: debian-13, namespace: raidc-images}}}}\n",
        );
        for site in &fleet.sites {
            let _ = writeln!(
                yaml,
                "---\n{{apiVersion: raidc.dev/v1alpha1, kind: Site, metadata: {{name: {}}}, spec: {{storage: {{class: {}, snapshotClass: sim-snapshots}}}}}}",
                site.name, site.storage_class
            );
            for rack in &site.racks {
                let _ = writeln!(
                    yaml,
                    "---\n{{apiVersion: raidc.dev/v1alpha1, kind: Rack, metadata: {{name: {}}}, spec: {{site: {}, feeds: [{{name: a, volts: 230, amps: 63, panel: {}-a}}, {{name: b, volts: 230, amps: 63, panel: {}-b}}], hostDefaults: {{idleWatts: {}, maxWatts: {}}}}}}}",
                    rack.name, site.name, rack.name, rack.name, rack.idle_watts, rack.max_watts
                );
            }
        }
        for tenant in TENANTS {
            let _ = writeln!(
                yaml,
                "---\n{{apiVersion: raidc.dev/v1alpha1, kind: Tenant, metadata: {{name: {tenant}}}, spec: {{displayName: {tenant}, defaultPolicy: silver}}}}"
            );
        }
        let mut batches = vec![String::new(); sizes.len().div_ceil(BATCH)];
        for (number, (milli, mib)) in sizes.iter().enumerate() {
            // One municipality has half of all servers, its four neighbours share the rest.
            let tenant = if number % 2 == 0 { TENANTS[0] } else { TENANTS[1 + (number / 2) % 4] };
            let cores = (milli + 999) / 1000;
            let _ = writeln!(
                batches[number / BATCH],
                "---\n{{apiVersion: raidc.dev/v1alpha1, kind: VirtualServer, metadata: {{name: task-{number:03}, namespace: {tenant}}}, spec: {{resources: {{cores: {}, memory: {}Mi}}, image: debian-13}}}}",
                cores.clamp(1, 512),
                (*mib).max(128)
            );
        }
        world.start_controller("a").unwrap();
        world.cluster.apply(&yaml).await.unwrap();
        for tenant in TENANTS {
            let look = ["get", "namespace", tenant];
            servers::retried("see the tenant's namespace", || world.cluster.kubectl(&look)).await.unwrap();
        }
        let asked = std::time::Instant::now();
        for machines in &batches {
            servers::retried("apply a batch of servers", || world.cluster.apply(machines)).await.unwrap();
        }
        println!("applied in {} s", asked.elapsed().as_secs());
        let servers = servers::until(&world.cluster, "every server is placed or told why not", WITHIN, |seen| {
            if seen.len() < sizes.len() {
                return Err(format!("{} of {} are there", seen.len(), sizes.len()));
            }
            let silent = seen.iter().find(|s| {
                let conditions = s.status.as_ref().map(|t| t.conditions.as_slice()).unwrap_or_default();
                !conditions.iter().any(|c| c.type_ == PLACED && (c.status == "True" || !c.message.is_empty()))
            });
            silent.map_or(Ok(()), |s| Err(servers::told(s, PLACED)))
        })
        .await
        .unwrap();
        let placed = servers.iter().filter(|s| servers::holds_now(s, PLACED)).count();
        println!("{placed} of {} placed after {} s", servers.len(), asked.elapsed().as_secs());
        // The fleet has several times the room that the sample needs: whoever waits here waits for no true reason.
        assert_eq!(placed, servers.len());
        certificate::verify(&world.cluster).await.unwrap();
    });
}
