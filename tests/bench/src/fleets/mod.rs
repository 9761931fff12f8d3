//! The fleets that are measured. What is assumed beyond the data stands at the top of each file.

pub(crate) mod huawei;
pub(crate) mod openb;
pub(crate) mod synthetic;

use std::path::{Path, PathBuf};

use raidc_planner::{Apart, ApartBy, Feed, Fleet, Host, HostName, Rack, RackName, Site, SiteName};

use crate::dice::Dice;

/// The folder with the real traces: `RAIDC_DATA`, or `../shared/data` beside the repository or beside its parent.
pub(crate) fn data() -> Option<PathBuf> {
    if let Some(given) = std::env::var_os("RAIDC_DATA") {
        return Some(PathBuf::from(given)).filter(|path| path.is_dir());
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    ["../shared/data", "../../shared/data"]
        .into_iter()
        .map(|path| root.join(path))
        .find(|path| path.is_dir())
}

/// Four sites with the defaults: a ceiling of 75 per cent, no overcommit, no shared risk.
pub(crate) fn sites(fleet: &mut Fleet) -> Vec<SiteName> {
    let names: Vec<SiteName> = (0..4).map(|at| SiteName::from(format!("site-{at}"))).collect();
    for name in &names {
        fleet.sites.insert(name.clone(), Site::default());
    }
    names
}

/// A rack with its hosts. Two feeds; either alone, derated, carries `percent` of the hosts' draw at full load.
pub(crate) fn rack(
    fleet: &mut Fleet,
    name: &RackName,
    site: &SiteName,
    hosts: Vec<(HostName, Host)>,
    percent: i64,
) {
    let spec = Rack {
        site: site.clone(),
        ..Rack::default()
    };
    let full: i64 = hosts.iter().map(|(_, host)| host.max_watts).sum();
    let feed = |feed: &str| Feed {
        name: feed.to_owned(),
        watts: full * percent / spec.derate_percent,
        panel: None,
    };
    let feeds = vec![feed("a"), feed("b")];
    fleet.racks.insert(name.clone(), Rack { feeds, ..spec });
    for (host, spec) in hosts {
        let spec = Host {
            site: site.clone(),
            rack: name.clone(),
            ..spec
        };
        fleet.hosts.insert(host, spec);
    }
}

/// Racks of 24 hosts, each with power for 70 to 95 per cent of its hosts' nameplates, drawn; a nameplate is a third above
/// what the host draws at full load. (A rack for 70 per cent of what its hosts really draw could not carry the load that
/// is asked of it once a site is lost, whoever plans.)
pub(crate) fn racks_of_24(fleet: &mut Fleet, site: &SiteName, hosts: Vec<(HostName, Host)>, dice: &mut Dice) {
    let mut hosts = hosts.into_iter();
    for at in 0.. {
        let some: Vec<_> = hosts.by_ref().take(24).collect();
        if some.is_empty() {
            break;
        }
        let name = RackName::from(format!("{site}-r{at:03}"));
        rack(fleet, &name, site, some, dice.between(70, 95) * 4 / 3);
    }
}

/// What the hosts have and what the servers ask, in thousandths: cores, memory.
pub(crate) fn load(fleet: &Fleet) -> [i64; 2] {
    let mut room = [0i64; 2];
    for host in fleet.hosts.values() {
        room = [room[0] + host.cpu_milli, room[1] + host.memory_mib];
    }
    let mut asked = [0i64; 2];
    for server in fleet.servers.values() {
        asked = [
            asked[0] + server.cpu_milli,
            asked[1] + server.memory_mib + server.overhead_mib,
        ];
    }
    [0, 1].map(|d| asked[d] * 1000 / room[d].max(1))
}

/// A group that keeps apart, whatever else a group may say.
#[allow(
    clippy::needless_update,
    reason = "a field that the planner adds later keeps its default"
)]
pub(crate) fn apart(group: String, by: ApartBy) -> Apart {
    Apart {
        group,
        by,
        ..Apart::default()
    }
}
