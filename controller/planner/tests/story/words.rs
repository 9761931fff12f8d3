//! Reading the sentences that describe a fleet. No I/O.

use raidc_planner::{
    Apart, ApartBy, Colocation, ColocationId, ColocationSpread, Device, Feed, Fleet, Host, HostName, Rack,
    RackName, Server, ServerId, Site, SiteName, SiteSet, Tenant, TenantName,
};

use super::Story;

/// The words of one sentence.
pub(crate) struct Words<'a>(std::iter::Peekable<std::str::SplitWhitespace<'a>>);

impl<'a> Words<'a> {
    pub(crate) fn of(line: &'a str) -> Self {
        Self(line.split_whitespace().peekable())
    }

    pub(crate) fn next(&mut self) -> Result<&'a str, String> {
        self.0
            .next()
            .ok_or_else(|| "the sentence ends too early".to_owned())
    }

    pub(crate) fn maybe(&mut self) -> Option<&'a str> {
        self.0.next()
    }

    pub(crate) fn number(&mut self) -> Result<i64, String> {
        let word = self.next()?;
        word.trim_end_matches('%')
            .parse()
            .map_err(|_| format!("{word} is no number"))
    }

    pub(crate) fn expect(&mut self, word: &str) -> Result<(), String> {
        let next = self.next()?;
        if next == word {
            Ok(())
        } else {
            Err(format!("{word} expected, not {next}"))
        }
    }

    /// A number and its unit, `GiB` or `TiB`, in MiB.
    fn mib(&mut self) -> Result<i64, String> {
        let number = self.number()?;
        match self.next()? {
            "GiB" => Ok(number * 1024),
            "TiB" => Ok(number * 1024 * 1024),
            unit => Err(format!("GiB or TiB, not {unit}")),
        }
    }
}

pub(crate) fn site(fleet: &mut Fleet, words: &mut Words<'_>) -> Result<(), String> {
    let name = words.next()?;
    let mut site = Site::default();
    site_words(&mut site, words)?;
    fleet.sites.insert(name.into(), site);
    Ok(())
}

/// `site talsi now ceiling 60`, `site talsi now shares substation/one`.
pub(crate) fn change_site(fleet: &mut Fleet, words: &mut Words<'_>) -> Result<(), String> {
    let site = fleet
        .sites
        .get_mut(&SiteName::from(words.next()?))
        .ok_or("there is no such site")?;
    words.expect("now")?;
    site_words(site, words)
}

fn site_words(site: &mut Site, words: &mut Words<'_>) -> Result<(), String> {
    while let Some(word) = words.maybe() {
        match word {
            "ceiling" => site.ceiling_percent = words.number()?,
            "overcommit" => site.cpu_overcommit_percent = words.number()?,
            "storage" => site.storage_mib = Some(words.mib()?),
            "shares" => {
                site.shared_risks.insert(words.next()?.into());
            }
            other => return Err(format!("a site has no {other}")),
        }
    }
    Ok(())
}

/// `rack talsi-r1 at talsi feeds 2 of 3680 W units 42 panels p1 p2 shares substation/one`.
pub(crate) fn rack(fleet: &mut Fleet, words: &mut Words<'_>) -> Result<(), String> {
    let name = words.next()?;
    words.expect("at")?;
    let mut rack = Rack {
        site: words.next()?.into(),
        ..Rack::default()
    };
    let mut panels = Vec::new();
    let (mut feeds, mut watts) = (2, 5000);
    while let Some(word) = words.maybe() {
        match word {
            "feeds" => {
                feeds = words.number()?;
                words.expect("of")?;
                watts = words.number()?;
                words.expect("W")?;
            }
            "units" => rack.units = words.number()?,
            "shares" => {
                rack.shared_risks.insert(words.next()?.into());
            }
            "panel" => panels.push(words.next()?.to_owned()),
            other => return Err(format!("a rack has no {other}")),
        }
    }
    for at in 0..usize::try_from(feeds).unwrap_or(0) {
        let letter = ["a", "b", "c", "d"].get(at).copied().unwrap_or("x");
        rack.feeds.push(Feed {
            name: letter.to_owned(),
            watts,
            panel: panels.get(at).cloned(),
        });
    }
    fleet.racks.insert(name.into(), rack);
    Ok(())
}

/// `4 hosts of 32 cores 256 GiB in talsi-r1 asleep idle 120 W max 400 W`: named after the rack, `-h1` and so on.
pub(crate) fn hosts(fleet: &mut Fleet, number: usize, words: &mut Words<'_>) -> Result<(), String> {
    words.expect("of")?;
    let cores = words.number()?;
    words.expect("cores")?;
    let memory_mib = words.mib()?;
    words.expect("in")?;
    let rack = RackName::from(words.next()?);
    let site = fleet
        .racks
        .get(&rack)
        .map(|rack| rack.site.clone())
        .ok_or("there is no such rack")?;
    let mut host = Host {
        site,
        rack: rack.clone(),
        cpu_milli: cores * 1000,
        memory_mib,
        idle_watts: 100,
        max_watts: 300,
        watts_known: true,
        powered: true,
        ..Host::default()
    };
    while let Some(word) = words.maybe() {
        match word {
            "asleep" => host.powered = false,
            "idle" => host.idle_watts = watts(words)?,
            "max" => host.max_watts = watts(words)?,
            other => return Err(format!("a host has no {other}")),
        }
    }
    let have = fleet.hosts.values().filter(|other| other.rack == rack).count();
    for at in 1..=number {
        fleet
            .hosts
            .insert(HostName::from(format!("{rack}-h{}", have + at)), host.clone());
    }
    Ok(())
}

fn watts(words: &mut Words<'_>) -> Result<i64, String> {
    let watts = words.number()?;
    words.expect("W")?;
    Ok(watts)
}

/// `tenant kuldiga servers 4 cores 16 watts 400 units 3`.
pub(crate) fn tenant(fleet: &mut Fleet, words: &mut Words<'_>) -> Result<(), String> {
    let name = words.next()?;
    let mut tenant = Tenant::default();
    while let Some(word) = words.maybe() {
        let quota = &mut tenant.quota;
        match word {
            "servers" => quota.servers = Some(words.number()?),
            "cores" => quota.cpu_milli = Some(words.number()? * 1000),
            "memory" => quota.memory_mib = Some(words.mib()?),
            "storage" => quota.storage_mib = Some(words.mib()?),
            "watts" => quota.watts = Some(words.number()?),
            "units" => quota.rack_units = Some(words.number()?),
            other => return Err(format!("a quota has no {other}")),
        }
    }
    fleet.tenants.insert(name.into(), tenant);
    Ok(())
}

/// The sizes of the stories: cores and GiB.
fn size(word: &str) -> Option<(i64, i64)> {
    match word {
        "s-2" => Some((2, 8)),
        "m-4" => Some((4, 16)),
        "l-8" => Some((8, 32)),
        "xl-16" => Some((16, 64)),
        "xxl-32" => Some((32, 128)),
        _ => None,
    }
}

/// `server kuldiga/registry m-4 gold tier 1 apart db by rack only talsi,liepaja disk 100 GiB off`; with a number in
/// front several, named `-1` and so on. bronze keeps one copy, silver two, gold two and starts at once.
pub(crate) fn servers(story: &mut Story, number: usize, words: &mut Words<'_>) -> Result<(), String> {
    let id = ServerId::from(words.next()?);
    let mut server = Server {
        tenant: TenantName::from(&*id.namespace),
        ..Server::default()
    };
    story.fleet.tenants.entry(server.tenant.clone()).or_default();
    server_words(&mut server, words)?;
    for at in 1..=number {
        story.age += 1;
        let name = if number == 1 {
            id.name.to_string()
        } else {
            format!("{}-{at}", id.name)
        };
        let spec = Server {
            created_at: story.age,
            ..server.clone()
        };
        story
            .fleet
            .servers
            .insert(ServerId::new(id.namespace.clone(), name), spec);
    }
    Ok(())
}

/// `server kuldiga/registry now gold`, `… now l-8`.
pub(crate) fn change_server(fleet: &mut Fleet, words: &mut Words<'_>) -> Result<(), String> {
    let server = fleet
        .servers
        .get_mut(&ServerId::from(words.next()?))
        .ok_or("there is no such server")?;
    words.expect("now")?;
    server_words(server, words)
}

fn server_words(server: &mut Server, words: &mut Words<'_>) -> Result<(), String> {
    while let Some(word) = words.maybe() {
        match word {
            "bronze" => (server.copies, server.warm) = (1, false),
            "silver" => (server.copies, server.warm) = (2, false),
            "gold" => (server.copies, server.warm) = (2, true),
            "copies" => server.copies = words.number()?,
            "tier" => server.tier = words.number()?,
            "disk" => server.storage_mib = words.mib()?,
            "off" => server.running = false,
            "on" => server.running = true,
            "only" => {
                let sites: SiteSet = words.next()?.split(',').map(SiteName::from).collect();
                server.sites_allowed = Some(sites);
            }
            "apart" => {
                let group = words.next()?.to_owned();
                words.expect("by")?;
                let by = match words.next()? {
                    "host" => ApartBy::Host,
                    "rack" => ApartBy::Rack,
                    "site" => ApartBy::Site,
                    other => return Err(format!("by host, rack or site, not {other}")),
                };
                server.apart = Some(Apart {
                    group,
                    by,
                    domain: None,
                });
            }
            word => {
                let (cores, gib) = size(word).ok_or_else(|| format!("a server has no {word}"))?;
                (server.cpu_milli, server.memory_mib, server.overhead_mib) = (cores * 1000, gib * 1024, 256);
            }
        }
    }
    Ok(())
}

/// `colocation kuldiga/firewalls spread site devices 2 of 1 U 120 W feeds 2 only talsi`.
pub(crate) fn colocation(story: &mut Story, words: &mut Words<'_>) -> Result<(), String> {
    let id = ColocationId::from(words.next()?);
    let tenant = TenantName::from(&*id.namespace);
    story.fleet.tenants.entry(tenant.clone()).or_default();
    story.age += 1;
    let mut colocation = Colocation {
        tenant,
        created_at: story.age,
        ..Colocation::default()
    };
    let (mut number, mut device) = (1, Device::default());
    while let Some(word) = words.maybe() {
        match word {
            "spread" => {
                colocation.spread = match words.next()? {
                    "rack" => ColocationSpread::Rack,
                    "site" => ColocationSpread::Site,
                    other => return Err(format!("spread rack or site, not {other}")),
                };
            }
            "devices" => {
                number = words.number()?;
                words.expect("of")?;
                device.units = words.number()?;
                words.expect("U")?;
                device.watts = watts(words)?;
            }
            "feeds" => device.feeds = words.number()?,
            "only" => colocation.sites_allowed = Some(words.next()?.split(',').map(SiteName::from).collect()),
            other => return Err(format!("a colocation has no {other}")),
        }
    }
    for at in 1..=number {
        colocation.devices.push(Device {
            name: format!("d{at}"),
            ..device.clone()
        });
    }
    story.fleet.colocations.insert(id, colocation);
    Ok(())
}
