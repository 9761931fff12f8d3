//! The language of the stories: one sentence a line, `#` starts a comment. No I/O.
//!
//! See tests/scenarios/README.md for the sentences.

mod say;
mod words;

use raidc_planner::{
    DemandId, DrainTarget, Fleet, HostName, HostUse, Plan, PlanOptions, RackName, Scenario, ServerId,
    SiteName, State, check, explain, plan, preflight_drain, simulate_loss,
};

use words::Words;

/// A story while it is told.
pub(crate) struct Story {
    pub(crate) fleet: Fleet,
    pub(crate) plan: Plan,
    pub(crate) out: String,
    /// Seconds since the story began: each demand is a second younger than the one before.
    pub(crate) age: i64,
}

/// Plays a story and returns what it says, or the line that makes no sense or does not hold.
pub(crate) fn tell(text: &str) -> Result<String, String> {
    let mut story = Story {
        fleet: Fleet::default(),
        plan: Plan::default(),
        out: String::new(),
        age: 0,
    };
    for (number, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        story
            .sentence(line)
            .map_err(|why| format!("line {}: {line}: {why}", number + 1))?;
    }
    Ok(story.out)
}

impl Story {
    pub(crate) fn sentence(&mut self, line: &str) -> Result<(), String> {
        let mut words = Words::of(line);
        match words.next()? {
            "plan" => self.decide(line),
            "check" => self.verify(line),
            "lose" => self.lose(line, words.next()?),
            "drain" => self.drain(line, words.next()?),
            "explain" => self.explain(line, words.next()?),
            "racks" => {
                self.heading(line);
                say::racks(self);
                Ok(())
            }
            "sites" => {
                self.heading(line);
                say::sites(self);
                Ok(())
            }
            "scenarios" => {
                self.heading(line);
                say::scenarios(self);
                Ok(())
            }
            "release" => self.release(words.next()?),
            "remove" => self.remove(words.next()?, words.next()?),
            "limit" => self.limit(&mut words),
            "site" if line.contains(" is ") => self.set_site(&mut words),
            "rack" if line.contains(" is ") => self.set_rack(&mut words),
            "host" if line.contains(" is ") => self.set_host(&mut words),
            "site" if line.contains(" now ") => words::change_site(&mut self.fleet, &mut words),
            "server" if line.contains(" now ") => words::change_server(&mut self.fleet, &mut words),
            "site" => words::site(&mut self.fleet, &mut words),
            "rack" => words::rack(&mut self.fleet, &mut words),
            "tenant" => words::tenant(&mut self.fleet, &mut words),
            "server" => words::servers(self, 1, &mut words),
            "colocation" => words::colocation(self, &mut words),
            number => {
                let number: usize = number.parse().map_err(|_| "unknown sentence".to_owned())?;
                match words.next()? {
                    "hosts" | "host" => words::hosts(&mut self.fleet, number, &mut words),
                    "servers" => words::servers(self, number, &mut words),
                    other => Err(format!("{number} of what: {other}?")),
                }
            }
        }
    }

    fn heading(&mut self, line: &str) {
        self.out.push_str("> ");
        self.out.push_str(line);
        self.out.push('\n');
    }

    fn decide(&mut self, line: &str) -> Result<(), String> {
        let options = PlanOptions {
            make_room_by_moves: line.contains("moving what runs"),
            ..PlanOptions::default()
        };
        let next = plan(&self.fleet, &options);
        let faults = check(&self.fleet, &next);
        if let Some(fault) = faults.first() {
            return Err(format!("{} fault(s), the first: {fault}", faults.len()));
        }
        self.heading(line);
        let same = next.id == self.plan.id;
        if line.ends_with("expect no change") {
            if !same || !next.moves.is_empty() {
                return Err(format!("it changes: {:?}", next.moves));
            }
            self.out.push_str("no change\n");
        } else {
            say::plan(&mut self.out, &self.fleet, &self.plan, &next);
        }
        next.feed_back(&mut self.fleet);
        self.plan = next;
        Ok(())
    }

    fn verify(&mut self, line: &str) -> Result<(), String> {
        self.heading(line);
        match check(&self.fleet, &self.plan).first() {
            None => self.out.push_str("no faults\n"),
            Some(fault) => return Err(fault.to_string()),
        }
        Ok(())
    }

    fn lose(&mut self, line: &str, what: &str) -> Result<(), String> {
        let scenario: Scenario = what.parse().map_err(|error| format!("{error}"))?;
        self.heading(line);
        let loss = simulate_loss(&self.fleet, &self.plan, &scenario);
        say::loss(&mut self.out, &loss);
        Ok(())
    }

    fn drain(&mut self, line: &str, what: &str) -> Result<(), String> {
        let target = match what.split_once('/') {
            Some(("host", name)) => DrainTarget::Host(name.into()),
            Some(("rack", name)) => DrainTarget::Rack(name.into()),
            Some(("site", name)) => DrainTarget::Site(name.into()),
            _ => return Err("drain host/NAME, rack/NAME or site/NAME".to_owned()),
        };
        self.heading(line);
        let found = preflight_drain(&self.fleet, &target, &PlanOptions::default());
        say::drain(&mut self.out, &found);
        Ok(())
    }

    fn explain(&mut self, line: &str, what: &str) -> Result<(), String> {
        let demand = DemandId::try_from(what.to_owned())?;
        self.heading(line);
        self.out
            .push_str(&explain(&self.fleet, &self.plan, &demand).to_string());
        Ok(())
    }

    fn release(&mut self, what: &str) -> Result<(), String> {
        let mut released = 0;
        for (id, server) in &mut self.fleet.servers {
            let there = server.current.as_ref().is_some_and(|current| {
                current.site.as_str() == what
                    || current.host.as_ref().is_some_and(|host| host.as_str() == what)
            });
            if there || id.to_string() == what {
                server.released = server.current.is_some();
                released += 1;
            }
        }
        if released == 0 {
            Err("nothing is there".to_owned())
        } else {
            Ok(())
        }
    }

    fn remove(&mut self, kind: &str, name: &str) -> Result<(), String> {
        let there = match kind {
            "host" => self.fleet.hosts.remove(&HostName::from(name)).is_some(),
            "rack" => self.fleet.racks.remove(&RackName::from(name)).is_some(),
            "site" => self.fleet.sites.remove(&SiteName::from(name)).is_some(),
            "server" => self.fleet.servers.remove(&ServerId::from(name)).is_some(),
            _ => return Err(format!("remove a host, rack, site or server, not a {kind}")),
        };
        if there {
            Ok(())
        } else {
            Err(format!("there is no {kind} {name}"))
        }
    }

    fn limit(&mut self, words: &mut Words<'_>) -> Result<(), String> {
        words.expect("rack")?;
        let name = words.next()?;
        words.expect("to")?;
        let watts = words.number()?;
        let rack = self
            .fleet
            .racks
            .get_mut(&RackName::from(name))
            .ok_or("there is no such rack")?;
        rack.max_watts = Some(watts);
        Ok(())
    }

    fn set_site(&mut self, words: &mut Words<'_>) -> Result<(), String> {
        let site = self
            .fleet
            .sites
            .get_mut(&SiteName::from(words.next()?))
            .ok_or("there is no such site")?;
        words.expect("is")?;
        site.state = state(words.next()?)?;
        Ok(())
    }

    fn set_rack(&mut self, words: &mut Words<'_>) -> Result<(), String> {
        let rack = self
            .fleet
            .racks
            .get_mut(&RackName::from(words.next()?))
            .ok_or("there is no such rack")?;
        words.expect("is")?;
        rack.state = state(words.next()?)?;
        Ok(())
    }

    fn set_host(&mut self, words: &mut Words<'_>) -> Result<(), String> {
        let host = self
            .fleet
            .hosts
            .get_mut(&HostName::from(words.next()?))
            .ok_or("there is no such host")?;
        words.expect("is")?;
        host.usable = match words.next()? {
            "usable" => HostUse::Usable,
            "cordoned" => HostUse::Cordoned,
            "draining" => HostUse::Draining,
            "unready" => HostUse::NotReady,
            "unknown" => HostUse::Unknown,
            other => {
                return Err(format!(
                    "a host is usable, cordoned, draining, unready or unknown, not {other}"
                ));
            }
        };
        Ok(())
    }
}

fn state(word: &str) -> Result<State, String> {
    match word {
        "active" => Ok(State::Active),
        "cordoned" => Ok(State::Cordoned),
        "draining" => Ok(State::Draining),
        "fenced" => Ok(State::Fenced),
        "unknown" => Ok(State::Unknown),
        other => Err(format!(
            "active, cordoned, draining, fenced or unknown, not {other}"
        )),
    }
}
