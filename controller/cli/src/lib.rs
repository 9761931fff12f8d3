//! The `raidc` command: the operator's own translation, planner and checker, for people and pipelines. Wiring of the commands.
//!
//! May import: raidc-crds, raidc-planner and what raidc-controller's inventory sees. Nobody imports this. Read [`run`] first. Only
//! [`documents`] (files) and [`cluster`] (lists of objects) do I/O beside what is printed here; nothing is ever written to a cluster.

pub mod args;
pub mod change;
pub mod cluster;
pub mod compare;
pub mod documents;
pub mod drain;
pub mod error;
pub mod explain;
pub mod kinds;
pub mod ledgers;
pub mod objects;
pub mod redact;
pub mod report;
pub mod schema;
pub mod shortage;
pub mod simulate;
pub mod snapshot;
pub mod table;
pub mod text;
pub mod world;
pub mod written;

use std::collections::BTreeSet;
use std::error::Error as _;
use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use clap::Parser;
use serde::Serialize;
use serde_json::{Map, Value, json};

use args::{Cli, Command, Output, Redact, Source};
use change::Applied;
use error::Error;
use kinds::{Id, Kind};
use objects::Objects;
use world::World;
use written::Written;

/// What a command says, and with which code it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// For standard output.
    pub text: String,
    /// 0; 2 when a plan changes something or a drain may begin; 3 when a drain is blocked.
    pub code: u8,
}

/// Reads the arguments of the process, does what they say and tells the exit code: 0, 1 for an error, 2 for a plan that changes
/// something or a drain that may begin, 3 for a drain that is blocked.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // clap ends with 2 by itself, which means "a change" here. What cannot be printed cannot be said either.
            drop(error.print());
            return ExitCode::from(u8::from(error.use_stderr()));
        }
    };
    let answer = run(&cli).and_then(|answer| {
        let mut out = std::io::stdout().lock();
        match out.write_all(answer.text.as_bytes()).and_then(|()| out.flush()) {
            // The reader has seen enough (`raidc … | head`).
            Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Error::Write(Box::new(error))),
            _ => Ok(answer.code),
        }
    });
    match answer {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            let mut text = format!("raidc: {error}");
            let mut source = error.source();
            while let Some(cause) = source {
                text.push_str("\n  because: ");
                text.push_str(&cause.to_string());
                source = cause.source();
            }
            drop(writeln!(std::io::stderr(), "{text}"));
            ExitCode::FAILURE
        }
    }
}

/// Does what the arguments say, without printing.
pub fn run(cli: &Cli) -> Result<Answer, Error> {
    match &cli.command {
        Command::Plan { source, all } => plan(source, *all, cli.output),
        Command::Explain { what, source } => {
            let loaded = Loaded::read(source)?;
            let id = Id::parse(what, loaded.namespace.as_deref()).map_err(Error::Usage)?;
            let explained = explain::explain(&loaded.world()?, &id)?;
            said(cli.output, &explained, || explain::text(&explained))
        }
        Command::Simulate { lose, source } => {
            let world = Loaded::read(source)?.world()?;
            let simulated = simulate::simulate(&world, lose)?;
            said(cli.output, &simulated, || simulate::text(&simulated))
        }
        Command::Drain { what, source } => {
            let id = Id::parse(what, None).map_err(Error::Usage)?;
            let drained = drain::drain(&Loaded::read(source)?.world()?, &id)?;
            let mut answer = said(cli.output, &drained, || drain::text(&drained))?;
            answer.code = drained.code();
            Ok(answer)
        }
        Command::Snapshot { source, redact } => {
            let loaded = Loaded::read(source)?;
            let objects = loaded.apply()?.objects;
            snapshot(&objects, &source.image_namespace, *redact, cli.output)
        }
    }
}

/// What the source names, read.
struct Loaded<'a> {
    source: &'a Source,
    base: Objects,
    written: Written,
    delete: BTreeSet<Id>,
    namespace: Option<String>,
    what: &'static str,
}

impl<'a> Loaded<'a> {
    fn read(source: &'a Source) -> Result<Self, Error> {
        let documents = documents::read(&source.files)?;
        let mut namespace = source.namespace.clone();
        let (base, what) = if let Some(path) = &source.fleet {
            let documents = documents::read(std::slice::from_ref(path))?;
            (Objects::from_dump(documents), "the snapshot")
        } else if source.reads_cluster() {
            let (objects, of_context) = cluster::read(source.context.as_deref(), &source.image_namespace)?;
            namespace.get_or_insert(of_context);
            (objects, "the cluster")
        } else {
            (Objects::default(), "")
        };
        let written = written::check(documents, namespace.as_deref()).map_err(Error::Documents)?;
        let delete = source
            .delete
            .iter()
            .map(|text| Id::parse(text, namespace.as_deref()).map_err(Error::Usage))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            source,
            base,
            written,
            delete,
            namespace,
            what,
        })
    }

    fn apply(&self) -> Result<Applied, Error> {
        let mut applied = change::apply(&self.base, &self.written, &self.delete, self.source.prune)
            .map_err(Error::Documents)?;
        let servers = applied.objects.count(Kind::VirtualServer);
        if servers > 0 && !applied.objects.knows_images() {
            applied.assumed.push(
                "no DataSource is given, so it is not known which images there are: every image counts as there".to_owned(),
            );
        }
        if servers > 0 && applied.objects.kubevirt && applied.objects.count(Kind::Size) == 0 {
            applied.assumed.push(
                "no VirtualMachineClusterInstancetype is given, so no size is known: add the catalogue of sizes to the files".to_owned(),
            );
        }
        if applied.objects.count(Kind::Node) == 0 {
            applied.assumed.push(
                "no Node is given, so there is no host to put anything on: add Node documents (kubectl get nodes -o yaml), or start from --fleet \
                 or --cluster"
                    .to_owned(),
            );
        }
        Ok(applied)
    }

    /// The world before the change.
    fn before(&self) -> Result<World, Error> {
        checked(World::of(&self.base, &self.source.image_namespace))
    }

    /// The world with the change in it.
    fn world(&self) -> Result<World, Error> {
        let before = self.before()?;
        if self.written.objects.is_empty() && self.delete.is_empty() {
            return Ok(before);
        }
        self.after(&before, &self.apply()?)
    }

    fn after(&self, before: &World, applied: &Applied) -> Result<World, Error> {
        checked(World::after(
            before,
            &applied.objects,
            &self.source.image_namespace,
        ))
    }

    fn describe(&self) -> String {
        if self.what.is_empty() {
            return "nothing (the files are all there is)".to_owned();
        }
        let count = |kind, one| number(self.base.count(kind), one);
        format!(
            "{}: {}, {}, {}, {}, {}, {}",
            self.what,
            count(Kind::Site, "site"),
            count(Kind::Rack, "rack"),
            count(Kind::Node, "host"),
            count(Kind::Tenant, "tenant"),
            count(Kind::VirtualServer, "server"),
            count(Kind::Colocation, "colocation")
        )
    }
}

/// A number of things in words.
#[must_use]
pub fn number(number: usize, one: &str) -> String {
    raidc_planner::counted(i64::try_from(number).unwrap_or(i64::MAX), one)
}

fn checked(world: World) -> Result<World, Error> {
    if world.faults.is_empty() {
        Ok(world)
    } else {
        Err(Error::Refused(world.faults))
    }
}

fn plan(source: &Source, all: bool, output: Output) -> Result<Answer, Error> {
    if source.files.is_empty() && source.delete.is_empty() {
        return Err(Error::Usage(
            "nothing is to be changed: name files with -f, or what to take away with --delete".to_owned(),
        ));
    }
    let loaded = Loaded::read(source)?;
    let applied = loaded.apply()?;
    let before = loaded.before()?;
    let after = if applied.objects.items == loaded.base.items {
        before.clone()
    } else {
        loaded.after(&before, &applied)?
    };
    let mut report = compare::compare(&before, &after, &applied, all);
    report.base = loaded.describe();
    report.ignored.clone_from(&loaded.written.ignored);
    let mut answer = said(output, &report, || text::plan(&report))?;
    answer.code = if report.is_change { 2 } else { 0 };
    Ok(answer)
}

fn snapshot(
    objects: &Objects,
    image_namespace: &str,
    redact: Option<Redact>,
    output: Output,
) -> Result<Answer, Error> {
    let mut small = snapshot::of(objects, image_namespace);
    if let Some(whose) = redact {
        small = redact::of(&small, whose).0;
    }
    let items = small.items.values().map(sorted);
    let text = match output {
        Output::Json => {
            let list = json!({"apiVersion": "v1", "kind": "List", "items": items.collect::<Vec<_>>()});
            return said(Output::Json, &sorted(&list), String::new);
        }
        Output::Text => {
            let mut text = "# The fleet of RAIDC as one file: raidc plan -f CHANGE --fleet THIS\n".to_owned();
            for item in items {
                text += "---\n";
                text += &serde_saphyr::to_string(&item).map_err(|error| Error::Write(Box::new(error)))?;
            }
            text
        }
    };
    Ok(Answer { text, code: 0 })
}

/// Fields by name, whatever order the JSON library keeps.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut names: Vec<&String> = fields.keys().collect();
            names.sort();
            let of = |name: &String| (name.clone(), sorted(&fields[name]));
            names.into_iter().map(of).collect::<Map<_, _>>().into()
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

fn said<T: Serialize>(output: Output, value: &T, text: impl FnOnce() -> String) -> Result<Answer, Error> {
    let text = match output {
        Output::Text => text(),
        Output::Json => {
            serde_json::to_string_pretty(value).map_err(|error| Error::Write(Box::new(error)))? + "\n"
        }
    };
    Ok(Answer { text, code: 0 })
}
