//! The demo's last page, for a person. Prints to standard output.

use crate::cluster::Cluster;
use crate::recount::View;
use crate::servers;
use comfy_table::CellAlignment;
use comfy_table::Table;
use comfy_table::presets::ASCII_MARKDOWN;
use kube::ResourceExt;
use raidc_crds::VirtualServer;
use raidc_crds::condition;
use raidc_crds::virtual_server::CopyState;

/// Prints what there is: sites, copies, racks, what waits.
pub(crate) fn print(view: &View) {
    println!("\nVirtual servers per site");
    println!("{}", sites(view));
    println!(
        "\nWhere every protected server runs, where its copies are, and where it would start if its site were lost"
    );
    println!("{}", copies(view));
    println!("\nRacks, in watts (capacity: what is left after the strongest feed is lost, derated)");
    println!("{}", racks(view));
    waiting(view);
}

fn table(header: &[&str], numbers_from: usize) -> Table {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN).set_header(header);
    for column in table.column_iter_mut().skip(numbers_from) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn verdict(conditions: &[k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition], kind: &str) -> String {
    conditions
        .iter()
        .find(|c| c.type_ == kind)
        .map_or_else(|| "Unknown".to_owned(), |c| c.status.clone())
}

fn percent(part: i64, whole: i64) -> String {
    if whole == 0 {
        "-".to_owned()
    } else {
        format!("{} %", part * 100 / whole)
    }
}

fn sites(view: &View) -> Table {
    let header = [
        "site",
        "survives its loss",
        "hosts",
        "servers",
        "cores used",
        "memory used",
        "ceiling",
    ];
    let mut table = table(&header, 2);
    for site in &view.sites {
        let Some(status) = &site.status else { continue };
        let cores = status.cores_milli.clone().unwrap_or_default();
        let memory = status.memory_mib.clone().unwrap_or_default();
        table.add_row([
            site.name_any(),
            verdict(&status.conditions, condition::SURVIVES_SITE_LOSS),
            status.hosts.as_ref().map_or(0, |h| h.usable).to_string(),
            status.servers.unwrap_or(0).to_string(),
            percent(cores.used, cores.total),
            percent(memory.used, memory.total),
            format!("{} %", site.spec.ceiling_percent),
        ]);
    }
    table
}

fn copies(view: &View) -> Table {
    let mut table = table(
        &[
            "server",
            "policy",
            "runs at",
            "copies at",
            "copies",
            "would start on",
        ],
        6,
    );
    let protected = |s: &&VirtualServer| {
        s.status
            .as_ref()
            .is_some_and(|status| !status.copy_sites.is_empty())
    };
    for server in view.servers.iter().filter(protected) {
        let Some(status) = &server.status else { continue };
        let current = status
            .copies
            .iter()
            .filter(|c| c.state == CopyState::Current)
            .count();
        table.add_row([
            format!("{}/{}", server.namespace().unwrap_or_default(), server.name_any()),
            status.policy.clone().unwrap_or_default(),
            status.site.clone().unwrap_or_default(),
            status.copy_sites.join(", "),
            if current == status.copy_sites.len() {
                "current".to_owned()
            } else {
                "not yet".to_owned()
            },
            status
                .reserved
                .as_ref()
                .map_or_else(|| "-".to_owned(), |r| r.host.clone()),
        ]);
    }
    table
}

fn racks(view: &View) -> Table {
    let header = [
        "rack",
        "site",
        "capacity",
        "committed",
        "reserved for a loss",
        "headroom",
        "free units",
    ];
    let mut table = table(&header, 2);
    for rack in &view.racks {
        let power = rack
            .status
            .as_ref()
            .and_then(|s| s.power.clone())
            .unwrap_or_default();
        let free = rack.status.as_ref().and_then(|s| s.free_units).unwrap_or(0);
        table.add_row([
            rack.name_any(),
            rack.spec.site.clone(),
            power.capacity_watts.to_string(),
            power.committed_watts.to_string(),
            power.reserved_watts.to_string(),
            power.headroom_watts.to_string(),
            free.to_string(),
        ]);
    }
    table
}

fn waiting(view: &View) {
    let servers = view
        .servers
        .iter()
        .filter(|s| !servers::holds(s, condition::READY))
        .map(|s| servers::told(s, condition::READY));
    let colocations = view.colocations.iter().filter(|c| !servers::stands(c));
    let waits: Vec<_> = servers.chain(colocations.map(servers::colocation_told)).collect();
    if waits.is_empty() {
        println!("\nNothing waits: no server and no colocation.");
    } else {
        println!("\nWaiting");
        for told in waits {
            println!("  {told}");
        }
    }
}

/// How to look further.
pub(crate) fn further(cluster: &Cluster, servers: usize, colocations: usize) {
    println!(
        "\n{servers} virtual servers and {colocations} colocations are Ready. To look further:\n\n\
         \x20 export KUBECONFIG={}\n\
         \x20 alias kubectl={}\n\
         \x20 kubectl get raidc -A\n\
         \x20 kubectl explain virtualserver.spec\n\
         \x20 kubectl describe virtualserver -n kuldiga\n\
         \x20 kubectl get vms,datavolumes,replicationsources -A\n\n\
         `make demo-down` removes it all.",
        cluster.kubeconfig().display(),
        cluster.program("kubectl").display(),
    );
}
