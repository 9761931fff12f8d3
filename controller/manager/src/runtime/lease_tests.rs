//! Two replicas never both hold the claim, whatever the network does.

use super::*;
use std::sync::atomic::{AtomicU64, Ordering};

/// A clock that only the test moves.
struct Hand {
    start: Instant,
    millis: AtomicU64,
}

impl Hand {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            start: Instant::now(),
            millis: AtomicU64::new(0),
        })
    }

    fn pass(&self, millis: u64) {
        self.millis.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Clock for Hand {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::UNIX_EPOCH
    }

    fn monotonic(&self) -> Instant {
        self.start + Duration::from_millis(self.millis.load(Ordering::SeqCst))
    }
}

/// A small generator, so that every run of the test is the same.
struct Dice(AtomicU64);

impl Dice {
    fn roll(&self, sides: u64) -> u64 {
        let mut x = self.0.load(Ordering::SeqCst);
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.0.store(x, Ordering::SeqCst);
        x % sides
    }
}

/// An API server that is slow, loses requests, and loses answers after having written.
#[derive(Clone)]
struct Bad {
    record: Arc<Mutex<Option<Record>>>,
    clock: Arc<Hand>,
    dice: Arc<Dice>,
    check: Arc<dyn Fn() + Send + Sync>,
}

impl Bad {
    async fn travel(&self) {
        for _ in 0..self.dice.roll(4) {
            self.clock.pass(self.dice.roll(900));
            (self.check)();
            tokio::task::yield_now().await;
        }
    }
}

impl Board for Bad {
    async fn read(&self) -> Result<Option<Record>, String> {
        self.travel().await;
        if self.dice.roll(10) == 0 {
            return Err("lost".to_owned());
        }
        let record = self.record.lock().unwrap().clone();
        self.travel().await;
        Ok(record)
    }

    async fn write(
        &self,
        holder: Option<&str>,
        ttl: Duration,
        over: Option<&Record>,
    ) -> Result<Record, Refused> {
        self.travel().await;
        if self.dice.roll(8) == 0 {
            return Err(Refused::Unknown("request lost".to_owned()));
        }
        let written = {
            let mut record = self.record.lock().unwrap();
            if record.as_ref().map(|r| &r.version) != over.map(|r| &r.version) {
                return Err(Refused::Conflict);
            }
            let next = record
                .as_ref()
                .map_or(1, |r| r.version.parse::<u64>().unwrap() + 1);
            let written = Record {
                holder: holder.map(str::to_owned),
                ttl,
                transitions: 0,
                version: next.to_string(),
            };
            *record = Some(written.clone());
            written
        };
        self.travel().await;
        if self.dice.roll(8) == 0 {
            return Err(Refused::Unknown("answer lost".to_owned()));
        }
        Ok(written)
    }
}

#[tokio::test]
async fn two_claimants_never_both_hold() {
    let mut led = [0, 0];
    for seed in 1..60_u64 {
        let clock = Hand::new();
        let claims = [Claim::default(), Claim::default()];
        let check: Arc<dyn Fn() + Send + Sync> = {
            let (claims, clock) = (claims.clone(), Arc::clone(&clock));
            Arc::new(move || {
                let now = clock.monotonic();
                let held = claims
                    .iter()
                    .filter(|claim| claim.remaining(now).is_some())
                    .count();
                assert!(held <= 1, "both hold the claim");
            })
        };
        let board = Bad {
            record: Arc::default(),
            clock: Arc::clone(&clock),
            dice: Arc::new(Dice(AtomicU64::new(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15)))),
            check,
        };
        let replica = |i: usize| {
            let (board, clock, claim) = (board.clone(), Arc::clone(&clock), claims[i].clone());
            async move {
                let mut led = 0;
                let clock_for_keeper: Arc<dyn Clock> = Arc::clone(&clock) as Arc<dyn Clock>;
                let mut keeper = Keeper::new(
                    board.clone(),
                    format!("replica-{i}"),
                    Duration::from_secs(15),
                    claim.clone(),
                    clock_for_keeper,
                );
                for _ in 0..150 {
                    keeper.step(true).await;
                    (board.check)();
                    led += usize::from(claim.remaining(clock.monotonic()).is_some());
                    // Now and then a replica hangs for longer than its claim, or stops in order.
                    match board.dice.roll(30) {
                        0 => clock.pass(16_000),
                        1 => keeper.release().await,
                        _ => clock.pass(board.dice.roll(3_000)),
                    }
                    (board.check)();
                    tokio::task::yield_now().await;
                }
                led
            }
        };
        let (a, b) = tokio::join!(replica(0), replica(1));
        led[0] += a;
        led[1] += b;
    }
    assert!(led[0] > 0 && led[1] > 0, "each must lead at times: {led:?}");
}

#[test]
fn an_expired_claim_is_not_held() {
    let claim = Claim::default();
    let now = Instant::now();
    assert_eq!(claim.remaining(now), None);
    claim.extend(now + Duration::from_secs(1));
    assert_eq!(claim.remaining(now), Some(Duration::from_secs(1)));
    assert_eq!(claim.remaining(now + Duration::from_secs(1)), None);
    claim.extend(now + Duration::from_secs(5));
    claim.end();
    assert_eq!(claim.remaining(now), None);
}

#[tokio::test]
async fn a_renewal_never_counts_from_its_answer() {
    struct Slow(Arc<Hand>);
    impl Board for Slow {
        async fn read(&self) -> Result<Option<Record>, String> {
            self.0.pass(4_000);
            Ok(None)
        }
        async fn write(
            &self,
            holder: Option<&str>,
            ttl: Duration,
            _: Option<&Record>,
        ) -> Result<Record, Refused> {
            self.0.pass(4_000);
            Ok(Record {
                holder: holder.map(str::to_owned),
                ttl,
                transitions: 0,
                version: "1".to_owned(),
            })
        }
    }
    let clock = Hand::new();
    let claim = Claim::default();
    let dynamic: Arc<dyn Clock> = Arc::clone(&clock) as Arc<dyn Clock>;
    let ttl = Duration::from_secs(15);
    Keeper::new(
        Slow(Arc::clone(&clock)),
        "me".to_owned(),
        ttl,
        claim.clone(),
        dynamic,
    )
    .step(true)
    .await;
    // Ten seconds from the start, eight of which the calls took.
    assert_eq!(claim.remaining(clock.monotonic()), Some(Duration::from_secs(2)));
}

#[tokio::test]
async fn who_does_not_see_never_takes_a_free_lease() {
    struct Free(Arc<AtomicU64>);
    impl Board for Free {
        async fn read(&self) -> Result<Option<Record>, String> {
            Ok(None)
        }
        async fn write(
            &self,
            holder: Option<&str>,
            ttl: Duration,
            _: Option<&Record>,
        ) -> Result<Record, Refused> {
            self.0.fetch_add(1, Ordering::SeqCst);
            Ok(Record {
                holder: holder.map(str::to_owned),
                ttl,
                transitions: 0,
                version: "1".to_owned(),
            })
        }
    }
    for sees in [false, true] {
        let taken = Arc::new(AtomicU64::new(0));
        let clock: Arc<dyn Clock> = Hand::new();
        let ttl = Duration::from_millis(50);
        let board = Free(Arc::clone(&taken));
        let mut keeper = Keeper::new(board, "me".to_owned(), ttl, Claim::default(), clock);
        let (leading, leads) = watch::channel(false);
        let (stop, stopping) = watch::channel(false);
        let metrics = Metrics::new();
        let kept = keeper.run(leading, &metrics, || sees, stopping);
        let ended = async {
            tokio::time::sleep(ttl).await;
            stop.send_replace(true);
            *leads.borrow()
        };
        let (kept, led) = tokio::join!(kept, ended);
        assert!(kept.is_ok());
        assert_eq!((led, taken.load(Ordering::SeqCst) > 0), (sees, sees));
    }
}
