//! The operator as a process: watches on every replica, decisions and writes on the one that leads, and an orderly end. I/O.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::Client;
use sha2::{Digest, Sha256};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::backoff::Backoff;
use super::clock::{Clock, SystemClock};
use super::config::{Config, ConsolidationMode};
use super::context::{Ctx, Decision};
use super::events::Events;
use super::health;
use super::lease::{Claim, Keeper, Lost};
use super::lease_api::LeaseBoard;
use super::metrics::Metrics;
use super::sent::Sent;
use super::words::Words;
use super::writer::Writer;
use crate::certify::{self, Certifier, Pace, Verdict};
use crate::consolidate::Consolidator;
use crate::inventory::migrations::MigrationStores;
use crate::inventory::probe;
use crate::inventory::stores::Stores;
use crate::placement::Placement;
use crate::reconcile;

/// How long reconciles under way may take to end when the process is asked to stop. Kubernetes kills after 30 s by default.
const GRACE: Duration = Duration::from_secs(15);
/// How long a connection to the API server may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long the API server may send nothing while something is awaited of it: a page of a list, the beginning of a watch, the next word
/// of one. Longer than any watch lasts (`WATCH_SECONDS`), so that only what is lost is given up; short enough that a list which hangs is soon tried again.
const SILENCE: Duration = Duration::from_secs(75);
/// How long kinds that decide nothing may be unread before this replica contends for the lease without them. Another replica that has
/// read everything contends at once.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long reading everything anew may take once this replica leads, before it gives the lease back: many times what the largest
/// lists take.
const RENEWAL: Duration = Duration::from_mins(2);
/// How long the watch of a kind that decisions need may fail before a leader gives the lease back.
const BLIND: Duration = Duration::from_mins(5);
/// The same for one that waits for the lease: it costs nothing to wait a little longer.
const DIM: Duration = Duration::from_mins(1);
/// How often a leader looks whether it still sees.
const SIGHT: Duration = Duration::from_secs(10);

/// Why the process ended.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    /// No cluster was found.
    #[error("no cluster to talk to: set KUBECONFIG, or run in a pod with a service account ({0})")]
    NoCluster(#[source] Box<kube::config::InferConfigError>),
    /// The client could not be made.
    #[error("the client could not be made: {0}")]
    Client(#[source] Box<kube::Error>),
    /// The pages could not be served.
    #[error("health and metrics could not be served: {0}")]
    Health(#[source] std::io::Error),
    /// Signals could not be listened to.
    #[error("signals could not be listened to: {0}")]
    Signal(#[source] std::io::Error),
    /// Another replica leads now.
    #[error(transparent)]
    Lost(#[from] Lost),
    /// What is known may be of any age.
    #[error("the lease was given back because these cannot be read: {0}; another replica may see more")]
    Blind(String),
    /// A part of the operator ended by itself, which none should.
    #[error("{0} ended by itself; this process ends so that it starts clean")]
    Part(&'static str),
}

/// Runs until it is told to stop (SIGTERM, SIGINT), or cannot go on.
///
/// # Errors
/// See [`Ended`]; the process should then be started again.
pub async fn run(config: Config) -> Result<(), Ended> {
    let kubeconfig = kube::Config::infer()
        .await
        .map_err(|error| Ended::NoCluster(Box::new(error)))?;
    let client =
        Client::try_from(bounded(kubeconfig, SILENCE)).map_err(|error| Ended::Client(Box::new(error)))?;
    let config = Arc::new(config);
    let metrics = Arc::new(Metrics::new());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let stores = Stores {
        moves: MigrationStores::wanted(config.consolidation == ConsolidationMode::Execute),
        ..Stores::default()
    };
    let (stop_all, stopping) = watch::channel(false);

    let mut parts: JoinSet<Result<(), Ended>> = JoinSet::new();
    {
        let (stores, metrics, stop) = (stores.clone(), Arc::clone(&metrics), stopping.clone());
        let address = config.listen;
        parts.spawn(async move {
            health::serve(address, stores, metrics, stop)
                .await
                .map_err(Ended::Health)
        });
    }
    stores.start(&client, &metrics);
    if !config.tenant_pull_secrets.is_empty() {
        stores.start_service_accounts(&client, &metrics);
    }
    tokio::spawn(probe::run(client.clone(), stores.clone(), Arc::clone(&metrics)));

    let claim = Claim::default();
    let me = identity(&config, clock.now());
    let board = LeaseBoard::new(
        client.clone(),
        &config.namespace,
        &config.lease_name,
        Timestamp::now,
    );
    let ttl = Duration::from_secs(u64::from(config.lease_seconds));
    let mut keeper = Keeper::new(board, me.clone(), ttl, claim.clone(), Arc::clone(&clock));
    let (leading, leads) = watch::channel(false);
    let (seeing, sees) = watch::channel(false);
    {
        let stores = stores.clone();
        tokio::spawn(async move {
            stores.until_read(PATIENCE).await;
            seeing.send_replace(true);
        });
    }
    // The lease outlives the work: it is given back only after the last write.
    let (stop_lease, lease_stopping) = watch::channel(false);
    let mut lease = {
        let (metrics, stores) = (Arc::clone(&metrics), stores.clone());
        tokio::spawn(async move {
            // Who cannot see does not contend: another replica may see, and would wait behind a lease that is renewed for nothing.
            let sees = || *sees.borrow() && stores.lost(DIM).is_empty();
            let kept = keeper.run(leading, &metrics, sees, lease_stopping).await;
            keeper.release().await;
            kept
        })
    };
    let leader = Leader {
        writer: Writer::new(client.clone(), claim, Arc::clone(&clock), Arc::clone(&metrics)),
        client,
        config,
        metrics,
        clock,
        stores,
        me,
    };
    let mut work = tokio::spawn(leader.work(leads, stopping));

    let mut terminate = signal(SignalKind::terminate()).map_err(Ended::Signal)?;
    let mut worked = None;
    let ended = tokio::select! {
        _ = terminate.recv() => Ok(()),
        _ = tokio::signal::ctrl_c() => Ok(()),
        // Without the claim nothing can be written any more: there is nothing to end in order.
        kept = &mut lease => return Err(match kept {
            Ok(Err(lost)) => Ended::Lost(lost),
            _ => Ended::Part("the leader lease"),
        }),
        Some(part) = parts.join_next() => Err(match part {
            Ok(Err(ended)) => ended,
            _ => Ended::Part("the health server"),
        }),
        ended = &mut work => {
            worked = Some(());
            Err(match ended {
                Ok(Err(ended)) => ended,
                _ => Ended::Part("a controller"),
            })
        }
    };
    tracing::info!("stopping");
    stop_all.send_replace(true);
    if worked.is_none() && tokio::time::timeout(GRACE, &mut work).await.is_err() {
        tracing::warn!("not everything ended in time; what was under way is unknown to this process");
    }
    stop_lease.send_replace(true);
    if tokio::time::timeout(GRACE / 3, &mut lease).await.is_err() {
        tracing::warn!("the lease could not be released in time; it runs out by itself");
    }
    ended
}

/// What the replica that leads works with.
struct Leader {
    client: Client,
    config: Arc<Config>,
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
    stores: Stores,
    writer: Writer,
    me: String,
}

impl Leader {
    /// Waits until this replica leads and has read everything anew, since what it saw before may lack what the last leader did; then
    /// decides and reconciles until `stop` says so. Ends early when any part of the work does.
    ///
    /// # Errors
    /// [`Ended::Blind`] when what decisions need cannot be read.
    async fn work(
        self,
        mut leads: watch::Receiver<bool>,
        mut stop: watch::Receiver<bool>,
    ) -> Result<(), Ended> {
        let ready = async {
            if leads.wait_for(|leads| *leads).await.is_err() {
                // The lease task has ended, which ends the process where it is awaited.
                std::future::pending::<()>().await;
            }
            self.stores.renew(RENEWAL).await.map_err(|old| blind(&old))
        };
        tokio::select! {
            ready = ready => ready?,
            stopped = stop.wait_for(|stop| *stop) => {
                drop(stopped);
                return Ok(());
            }
        }
        let (publish, plan) = watch::channel(Arc::new(Decision::default()));
        let (tell, verdict) = watch::channel(Arc::new(Verdict::default()));
        let certifier = Certifier {
            plan: plan.clone(),
            publish: tell,
            metrics: Arc::clone(&self.metrics),
            clock: Arc::clone(&self.clock),
            consolidation: self.config.consolidation,
            look: Arc::new(certify::look),
            pace: Pace {
                every: Duration::from_secs(u64::from(self.config.certify_seconds)),
                ..Pace::default()
            },
        };
        let placement = Placement {
            stores: self.stores.clone(),
            writer: self.writer.clone(),
            metrics: Arc::clone(&self.metrics),
            clock: Arc::clone(&self.clock),
            config: Arc::clone(&self.config),
            publish,
        };
        let ctx = Arc::new(Ctx {
            recorder: Events::new(self.client.clone(), &self.me, self.writer.clone()),
            client: self.client,
            clock: self.clock,
            writer: self.writer,
            stores: self.stores,
            plan,
            verdict,
            metrics: self.metrics,
            backoff: Backoff::default(),
            config: self.config,
            sent: Sent::default(),
            words: Words::default(),
        });
        let mut tasks = reconcile::start::all(&ctx, &stop);
        tasks.spawn(placement.run(stop.clone()));
        tasks.spawn(certifier.run(stop.clone()));
        if ctx.stores.moves.wanted {
            tasks.spawn(Consolidator::new(Arc::clone(&ctx)).run(stop.clone()));
        }
        loop {
            tokio::select! {
                ended = tasks.join_next() => {
                    if ended.is_none() || !*stop.borrow() {
                        return Ok(());
                    }
                }
                () = tokio::time::sleep(SIGHT) => {
                    let lost = ctx.stores.lost(BLIND);
                    if !lost.is_empty() {
                        return Err(blind(&lost));
                    }
                }
            }
        }
    }
}

fn blind(kinds: &[&'static str]) -> Ended {
    Ended::Blind(kinds.join(", "))
}

/// The same cluster, with an end to every wait for it.
fn bounded(mut kubeconfig: kube::Config, silence: Duration) -> kube::Config {
    kubeconfig.connect_timeout = Some(CONNECT);
    kubeconfig.read_timeout = Some(silence);
    // Silence counts from a question on, not from when its connection was last used.
    kubeconfig.reset_reader_on_write = true;
    kubeconfig
}

/// The name of this process in the lease: no two processes ever share one, so that none takes another's claim for its own.
fn identity(config: &Config, now: Timestamp) -> String {
    let host = config
        .identity
        .clone()
        .or_else(|| std::env::var("HOSTNAME").ok())
        .unwrap_or_else(|| "raidc-controller".to_owned());
    let unique = Sha256::digest(format!("{host}/{}/{now:?}", std::process::id()));
    let [a, b, c, d, ..] = <[u8; 32]>::from(unique);
    format!("{host}_{:08x}", u32::from_be_bytes([a, b, c, d]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::Api;
    use kube::api::ListParams;
    use raidc_crds::Site;

    #[tokio::test]
    async fn a_list_that_hangs_is_never_waited_for_without_end() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap())
            .parse()
            .unwrap();
        // Takes every connection and never says a word.
        let mute = tokio::spawn(async move {
            let mut taken = Vec::new();
            while let Ok((connection, _)) = listener.accept().await {
                taken.push(connection);
            }
        });
        let config = bounded(kube::Config::new(url), Duration::from_millis(100));
        let sites = Api::<Site>::all(Client::try_from(config).unwrap());
        let params = ListParams::default();
        let listed = tokio::time::timeout(Duration::from_secs(30), sites.list(&params)).await;
        assert!(matches!(listed, Ok(Err(_))), "{listed:?}");
        mute.abort();
    }
}
