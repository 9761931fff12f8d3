//! A lab comes up, does not disturb others, and leaves nothing behind however it ends.

#![allow(clippy::expect_used, reason = "a test ends where its steps cannot go on")]

mod common;

use std::sync::mpsc::channel;
use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::api::{Api, DeleteParams, ListParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use raidc_lab::daemon::{self, LabState};
use raidc_lab::{AuditFilter, FaultSet, Lab, LabError, LabOptions, Profile, Running};
use rustix::process::{Pid, Signal, kill_process};

use common::{all_gone, eventually, light, name};

/// Runs the lab's program: whether it went well, and what it printed.
async fn raidc_lab(arguments: &[&str]) -> (bool, String, String) {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_raidc-lab"));
    let output = command.args(arguments).output().await.expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    (
        output.status.success(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

fn config_map(name: &str) -> ConfigMap {
    let mut map = ConfigMap::default();
    map.metadata.name = Some(name.to_owned());
    map
}

#[tokio::test]
async fn two_labs_side_by_side_see_nothing_of_each_other_and_leave_no_process_or_folder() {
    let (one, two) = tokio::join!(Lab::up(light("one")), Lab::up(light("two")));
    let (one, two) = (one.expect("one comes up"), two.expect("two comes up"));

    let maps = |lab: &Lab| Api::<ConfigMap>::namespaced(lab.client().expect("a client"), "default");
    maps(&one)
        .create(&PostParams::default(), &config_map("only-in-one"))
        .await
        .expect("it is taken");
    assert!(
        maps(&one)
            .get_opt("only-in-one")
            .await
            .expect("an answer")
            .is_some()
    );
    assert!(
        maps(&two)
            .get_opt("only-in-one")
            .await
            .expect("an answer")
            .is_none()
    );

    assert_eq!(
        one.helm(["list", "-A", "-o", "json"])
            .await
            .expect("Helm runs")
            .trim(),
        "[]"
    );
    let error = one
        .kubectl(["get", "nothing"])
        .await
        .expect_err("no such kind")
        .to_string();
    assert!(
        error.contains("kubectl get nothing") && error.contains("nothing"),
        "{error}"
    );

    let again = Lab::up(light("one")).await.err().expect("the name is taken");
    assert!(matches!(again, LabError::Held(_)), "{again}");

    let processes: Vec<Running> = [one.running(), two.running()].concat();
    assert_eq!(processes.len(), 8, "{processes:?}");
    let folders = [one.dir().to_owned(), two.dir().to_owned()];
    one.down().await.expect("it goes away");
    drop(two);
    all_gone(&processes).await;
    assert!(folders.iter().all(|folder| !folder.exists()), "{folders:?}");
}

#[tokio::test]
async fn a_lab_whose_test_panics_leaves_no_process_but_its_logs() {
    let (sender, receiver) = channel();
    let test = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let lab = Lab::up(light("panic")).await.expect("it comes up");
            sender
                .send((lab.running(), lab.dir().to_owned()))
                .expect("the test listens");
            panic!("as a failed assertion would");
        });
    });
    assert!(
        tokio::task::spawn_blocking(|| test.join())
            .await
            .expect("it was joined")
            .is_err()
    );
    let (processes, folder) = receiver.recv().expect("it came up");
    all_gone(&processes).await;
    assert!(folder.join("logs/kube-apiserver.log").exists());
    std::fs::remove_dir_all(folder).expect("it is ours");
}

#[tokio::test]
async fn a_killed_lab_leaves_no_process() {
    let options = LabOptions::new(name("killed")).profile(Profile::Light);
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_raidc-lab"));
    daemon::up(program, &options, |_| ()).await.expect("it comes up");
    let state = LabState::running(&options.name).expect("it runs");
    assert_eq!(state.parts.len(), 4, "{:?}", state.parts);

    let pid = i32::try_from(state.daemon.pid)
        .ok()
        .and_then(Pid::from_raw)
        .expect("a process id");
    kill_process(pid, Signal::KILL).expect("it is ours");
    all_gone(&state.parts).await;
    assert!(matches!(
        LabState::running(&options.name),
        Err(LabError::Unknown(_))
    ));
    daemon::down(&options.name).await.expect("what is left goes away");
    assert!(!options.folder().exists());
}

#[tokio::test]
async fn the_audit_log_never_misses_a_write_and_never_counts_a_read() {
    let lab = Lab::up(light("audit")).await.expect("it comes up");
    let client = lab.client().expect("a client");
    let account = "system:serviceaccount:raidc-system:writer";
    lab.kubectl(["-n", "raidc-system", "create", "serviceaccount", "writer"])
        .await
        .expect("it is made");
    lab.kubectl([
        "create",
        "clusterrolebinding",
        "writer",
        "--clusterrole=edit",
        "--serviceaccount=raidc-system:writer",
    ])
    .await
    .expect("it is made");

    // The API server's authorizer learns of a binding by a watch, hence soon.
    let question = ["auth", "can-i", "create", "configmaps", "--as", account];
    eventually("the account's rights", Duration::from_secs(30), || async {
        lab.kubectl(question)
            .await
            .map(drop)
            .map_err(|error| error.to_string())
    })
    .await;

    let path = lab
        .service_account_kubeconfig("raidc-system", "writer")
        .await
        .expect("a kubeconfig");
    let file = Kubeconfig::read_from(&path).expect("a kubeconfig");
    let config = kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
        .await
        .expect("a configuration");
    let theirs: kube::Client = config.try_into().expect("a client");
    let since = jiff::Timestamp::now();
    let maps: Api<ConfigMap> = Api::namespaced(theirs.clone(), "default");
    for i in 0..3 {
        maps.create(&PostParams::default(), &config_map(&format!("m{i}")))
            .await
            .expect("it is taken");
    }
    maps.list(&ListParams::default()).await.expect("a list");
    maps.delete("m0", &DeleteParams::default())
        .await
        .expect("it is deleted");
    let refused = Api::<Namespace>::all(theirs)
        .delete("kubevirt", &DeleteParams::default())
        .await;
    assert!(refused.is_err(), "RBAC is on");
    Api::<ConfigMap>::namespaced(client, "default")
        .create(&PostParams::default(), &config_map("by-admin"))
        .await
        .expect("it is taken");

    assert_eq!(lab.writes_by(account, since).expect("the log"), 5);
    assert_eq!(
        lab.writes_by(account, jiff::Timestamp::now()).expect("the log"),
        0
    );
    let all = AuditFilter {
        user: Some(account.to_owned()),
        since: Some(since),
        mutating: false,
    };
    let counts = lab.audit_counts(&all).expect("the log");
    let count = |verb: &str, what: &str, code| counts.get(&(verb.to_owned(), what.to_owned(), code)).copied();
    assert_eq!(count("create", "configmaps", 201), Some(3), "{counts:?}");
    assert_eq!(count("delete", "configmaps", 200), Some(1), "{counts:?}");
    assert_eq!(count("delete", "namespaces", 403), Some(1), "{counts:?}");
    assert_eq!(
        count("list", "configmaps", 200),
        Some(1),
        "reads of our own accounts are kept: {counts:?}"
    );
    let entries = lab
        .audit(&AuditFilter::writes_by(account, since))
        .expect("the log");
    assert!(
        entries
            .iter()
            .all(|entry| entry.time >= since && !entry.resource.is_empty()),
        "{entries:?}"
    );
    lab.down().await.expect("it goes away");
}

#[tokio::test]
async fn a_fault_for_a_site_that_does_not_exist_is_refused() {
    let lab = Lab::up(light("faults")).await.expect("it comes up");
    let faults = lab.faults().expect("the switches");
    assert_eq!(
        faults.current().await.expect("they are there"),
        FaultSet::default()
    );
    faults.site_off("site-2").await.expect("it exists");
    faults.node_off("site-1-r1-h2").await.expect("it exists");
    faults
        .import_error("kuldiga/web-root")
        .await
        .expect("any name will do");
    let error = faults
        .site_off("site-3")
        .await
        .expect_err("it does not exist")
        .to_string();
    assert!(error.contains("site-1, site-2"), "{error}");
    assert!(faults.node_off("site-1-r1-h3").await.is_err());
    let set = faults.current().await.expect("they are there");
    assert!(
        set.site_off.contains("site-2") && set.node_off.len() == 1 && set.import_error.len() == 1,
        "{set:?}"
    );
    faults.clear().await.expect("it is taken");
    assert_eq!(
        faults.current().await.expect("they are there"),
        FaultSet::default()
    );
    lab.down().await.expect("it goes away");
}

#[tokio::test]
async fn the_program_never_claims_a_lab_that_is_gone() {
    let lab = name("program");
    let fleet = tempfile::NamedTempFile::new().expect("a temporary file");
    let yaml = serde_saphyr::to_string(&light("program").fleet).expect("plain data");
    std::fs::write(fleet.path(), yaml).expect("room for it");
    let path = fleet.path().display().to_string();
    let (good, out, err) = raidc_lab(&["up", &lab, "--profile", "light", "--fleet", &path]).await;
    assert!(good && out.contains("control plane ready in"), "{out}\n{err}");

    let (_, kubeconfig, _) = raidc_lab(&["kubeconfig", &lab]).await;
    assert!(std::path::Path::new(&kubeconfig).is_file(), "{kubeconfig}");
    let (_, nodes, err) = raidc_lab(&["exec", &lab, "kubectl", "get", "nodes", "-o", "name"]).await;
    assert_eq!(nodes.lines().count(), 4, "{nodes}\n{err}");
    let (_, theirs, err) = raidc_lab(&["account", &lab, "raidc-system/default"]).await;
    let (good, _, refused) =
        raidc_lab(&["exec", &lab, "kubectl", "--kubeconfig", &theirs, "get", "secrets"]).await;
    assert!(
        !good && refused.contains("raidc-system:default"),
        "RBAC is on: {refused}\n{err}"
    );
    let (_, status, _) = raidc_lab(&["status", &lab]).await;
    assert!(
        status.contains("ready, 2 sites, 4 hosts") && status.contains("kube-apiserver"),
        "{status}"
    );
    assert!(raidc_lab(&["site-off", &lab, "site-1"]).await.0);
    let (good, _, err) = raidc_lab(&["site-off", &lab, "talsi"]).await;
    assert!(!good && err.contains("no site `talsi`"), "{err}");
    let (good, _, err) = raidc_lab(&["up", &lab]).await;
    assert!(!good && err.contains("already up"), "{err}");

    let parts = LabState::running(&lab).expect("it runs").parts;
    assert!(raidc_lab(&["down", &lab]).await.0);
    assert!(parts.iter().all(|part| !part.is_alive()), "{parts:?}");
    let (good, _, err) = raidc_lab(&["kubeconfig", &lab]).await;
    assert!(!good && err.contains("there is no lab"), "{err}");
    assert!(!LabOptions::new(lab).folder().exists());
}
