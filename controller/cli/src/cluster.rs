//! The objects of a cluster. I/O: lists them by the kubeconfig; never writes, never watches.

use std::future::Future;
use std::time::Duration;

use kube::api::{Api, ApiResource, DynamicObject, ListParams, ObjectList};
use kube::config::KubeConfigOptions;
use kube::{Client, Config};
use raidc_crds::names;
use serde_json::json;

use crate::error::Error;
use crate::kinds::{Id, Kind};
use crate::objects::Objects;

/// How long the API server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// How long one page of a list may take.
const ANSWER: Duration = Duration::from_secs(30);
/// Objects per page.
const PAGE: u32 = 500;

/// What is read, with the pods that are over left out and only the machines that are ours.
const KINDS: [Kind; 11] = [
    Kind::Site,
    Kind::Rack,
    Kind::ReplicationPolicy,
    Kind::Tenant,
    Kind::VirtualServer,
    Kind::Colocation,
    Kind::Node,
    Kind::Pod,
    Kind::Machine,
    Kind::Size,
    Kind::Image,
];

/// What a list came to.
enum Listed {
    Objects(Vec<DynamicObject>),
    /// The kind is not served.
    Missing,
    /// The right to list it is missing.
    Forbidden,
}

/// Every object that matters, and the namespace of the kubeconfig's context.
pub fn read(context: Option<&str>, image_namespace: &str) -> Result<(Objects, String), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::Config(Box::new(error)))?;
    runtime.block_on(async {
        let config = config(context).await?;
        let namespace = config.default_namespace.clone();
        let client = Client::try_from(config).map_err(|error| Error::Config(Box::new(error)))?;
        Ok((all(&client, image_namespace).await?, namespace))
    })
}

async fn config(context: Option<&str>) -> Result<Config, Error> {
    let options = KubeConfigOptions {
        context: context.map(str::to_owned),
        ..KubeConfigOptions::default()
    };
    let config = match context {
        Some(_) => Config::from_kubeconfig(&options)
            .await
            .map_err(|error| Error::Config(Box::new(error))),
        None => Config::infer()
            .await
            .map_err(|error| Error::Config(Box::new(error))),
    };
    let mut config = config?;
    config.connect_timeout = Some(CONNECT);
    config.read_timeout = Some(ANSWER);
    Ok(config)
}

async fn all(client: &Client, image_namespace: &str) -> Result<Objects, Error> {
    let mut objects = Objects {
        whole: true,
        ..Objects::default()
    };
    let mut forbidden = Vec::new();
    for kind in KINDS {
        match list(client, kind, image_namespace).await? {
            Listed::Objects(found) => {
                for object in found {
                    let mut value = serde_json::to_value(object).map_err(|error| Error::Cluster {
                        what: kind.api().3.to_owned(),
                        source: Box::new(error),
                    })?;
                    value["apiVersion"] = json!(kind.api_version());
                    value["kind"] = json!(kind.name());
                    objects.items.insert(Id::of(kind, &value), value);
                }
            }
            Listed::Forbidden => forbidden.push(format!("list {}", resource(kind))),
            Listed::Missing if kind == Kind::Image => objects.cdi = false,
            Listed::Missing if matches!(kind, Kind::Machine | Kind::Size) => objects.kubevirt = false,
            Listed::Missing => {
                return Err(Error::Usage(format!(
                    "this cluster does not serve {}: RAIDC is not installed in it (see docs/install.md), or the kubeconfig names another \
                     cluster; offline, give files with -f or a snapshot with --fleet",
                    resource(kind)
                )));
            }
        }
    }
    if forbidden.is_empty() {
        Ok(objects)
    } else {
        Err(Error::Rights(forbidden))
    }
}

fn resource(kind: Kind) -> String {
    match kind.api() {
        ("", _, _, plural) => plural.to_owned(),
        (group, _, _, plural) => format!("{plural}.{group}"),
    }
}

async fn list(client: &Client, kind: Kind, image_namespace: &str) -> Result<Listed, Error> {
    let (group, version, name, plural) = kind.api();
    let resource = ApiResource {
        group: group.to_owned(),
        version: version.to_owned(),
        api_version: kind.api_version(),
        kind: name.to_owned(),
        plural: plural.to_owned(),
    };
    let api: Api<DynamicObject> = if kind == Kind::Image {
        Api::namespaced_with(client.clone(), image_namespace, &resource)
    } else {
        Api::all_with(client.clone(), &resource)
    };
    let mut params = ListParams::default().limit(PAGE);
    match kind {
        Kind::Machine => params = params.labels(names::SERVER_LABEL),
        Kind::Pod => params = params.fields("status.phase!=Succeeded,status.phase!=Failed"),
        _ => {}
    }
    let mut found = Vec::new();
    loop {
        let page = match within(plural, api.list(&params)).await? {
            Ok(page) => page,
            Err(kube::Error::Api(status)) if status.code == 403 => return Ok(Listed::Forbidden),
            Err(kube::Error::Api(status)) if status.code == 404 => return Ok(Listed::Missing),
            Err(error) => {
                return Err(Error::Cluster {
                    what: plural.to_owned(),
                    source: Box::new(error),
                });
            }
        };
        let next = page.metadata.continue_.filter(|next| !next.is_empty());
        found.extend(page.items);
        match next {
            Some(next) => params = params.continue_token(&next),
            None => return Ok(Listed::Objects(found)),
        }
    }
}

type Page = Result<ObjectList<DynamicObject>, kube::Error>;

async fn within(what: &str, ask: impl Future<Output = Page>) -> Result<Page, Error> {
    tokio::time::timeout(ANSWER, ask)
        .await
        .map_err(|_| Error::Timeout {
            what: what.to_owned(),
            seconds: ANSWER.as_secs(),
        })
}
