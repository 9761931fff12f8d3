//! Command lines of the real control plane: etcd, API server, controller-manager, scheduler. No I/O.

use std::path::Path;

use crate::certs::Pki;
use crate::parts::Parts;
use crate::process::Spec;

/// Ports of one control plane on 127.0.0.1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ControlPlanePorts {
    pub(crate) etcd: u16,
    pub(crate) etcd_peer: u16,
    pub(crate) api: u16,
    pub(crate) controllers: u16,
    pub(crate) scheduler: u16,
}

/// Everything that the command lines depend on.
pub(crate) struct ControlPlane<'a> {
    pub(crate) parts: &'a Parts,
    pub(crate) pki: &'a Pki,
    /// The lab's folder.
    pub(crate) dir: &'a Path,
    pub(crate) ports: ControlPlanePorts,
}

impl ControlPlane<'_> {
    fn spec(&self, part: &'static str, args: Vec<String>) -> Spec {
        Spec {
            part,
            program: self.parts.bin(part),
            args,
            env: Vec::new(),
            restart: false,
        }
    }

    fn file(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }

    /// etcd. Nothing that a lab holds must survive a power cut, so it need not wait for the disk.
    pub(crate) fn etcd(&self) -> Spec {
        let client = format!("https://127.0.0.1:{}", self.ports.etcd);
        let peer = format!("http://127.0.0.1:{}", self.ports.etcd_peer);
        let pki = |file| self.pki.path(file);
        self.spec(
            "etcd",
            vec![
                "--name=lab".into(),
                format!("--data-dir={}", self.file("etcd")),
                format!("--listen-client-urls={client}"),
                format!("--advertise-client-urls={client}"),
                format!("--listen-peer-urls={peer}"),
                format!("--initial-advertise-peer-urls={peer}"),
                format!("--initial-cluster=lab={peer}"),
                format!("--cert-file={}", pki("etcd.crt")),
                format!("--key-file={}", pki("etcd.key")),
                format!("--trusted-ca-file={}", pki("etcd-ca.crt")),
                "--client-cert-auth".into(),
                "--unsafe-no-fsync".into(),
                "--quota-backend-bytes=4294967296".into(),
                "--auto-compaction-mode=periodic".into(),
                "--auto-compaction-retention=5m".into(),
                "--log-level=warn".into(),
            ],
        )
    }

    /// The API server, with RBAC and the audit log on.
    pub(crate) fn api_server(&self) -> Spec {
        let pki = |file| self.pki.path(file);
        self.spec(
            "kube-apiserver",
            vec![
                format!("--etcd-servers=https://127.0.0.1:{}", self.ports.etcd),
                format!("--etcd-cafile={}", pki("etcd-ca.crt")),
                format!("--etcd-certfile={}", pki("etcd-client.crt")),
                format!("--etcd-keyfile={}", pki("etcd-client.key")),
                "--bind-address=127.0.0.1".into(),
                "--advertise-address=127.0.0.1".into(),
                format!("--secure-port={}", self.ports.api),
                "--endpoint-reconciler-type=none".into(),
                "--service-cluster-ip-range=10.96.0.0/16".into(),
                "--allow-privileged=true".into(),
                "--authorization-mode=Node,RBAC".into(),
                "--anonymous-auth=false".into(),
                "--profiling=false".into(),
                format!("--client-ca-file={}", pki("ca.crt")),
                format!("--tls-cert-file={}", pki("apiserver.crt")),
                format!("--tls-private-key-file={}", pki("apiserver.key")),
                format!("--service-account-key-file={}", pki("sa.pub")),
                format!("--service-account-signing-key-file={}", pki("sa.key")),
                "--service-account-issuer=https://kubernetes.default.svc".into(),
                format!("--requestheader-client-ca-file={}", pki("front-proxy-ca.crt")),
                "--requestheader-allowed-names=front-proxy-client".into(),
                "--requestheader-username-headers=X-Remote-User".into(),
                "--requestheader-group-headers=X-Remote-Group".into(),
                "--requestheader-extra-headers-prefix=X-Remote-Extra-".into(),
                format!("--proxy-client-cert-file={}", pki("front-proxy-client.crt")),
                format!("--proxy-client-key-file={}", pki("front-proxy-client.key")),
                format!("--audit-policy-file={}", self.file("audit-policy.yaml")),
                format!("--audit-log-path={}", self.file("audit.log")),
                // One file for the lab's whole life: a rotated log would count too few writes.
                "--audit-log-maxsize=1000000".into(),
                // There is one API server, and it goes away with the lab.
                "--shutdown-delay-duration=0s".into(),
                "--v=1".into(),
            ],
        )
    }

    /// The controller-manager, without what needs a network or a cloud.
    pub(crate) fn controllers(&self) -> Spec {
        let pki = |file| self.pki.path(file);
        let config = self.file("controller-manager.kubeconfig");
        self.spec(
            "kube-controller-manager",
            vec![
                format!("--kubeconfig={config}"),
                format!("--authentication-kubeconfig={config}"),
                format!("--authorization-kubeconfig={config}"),
                "--bind-address=127.0.0.1".into(),
                format!("--secure-port={}", self.ports.controllers),
                format!("--cert-dir={}", self.file("run")),
                "--leader-elect=false".into(),
                "--use-service-account-credentials".into(),
                format!("--service-account-private-key-file={}", pki("sa.key")),
                format!("--root-ca-file={}", pki("ca.crt")),
                format!("--cluster-signing-cert-file={}", pki("ca.crt")),
                format!("--cluster-signing-key-file={}", pki("ca.key")),
                "--controllers=*,-nodeipam,-route".into(),
                "--kube-api-qps=400".into(),
                "--kube-api-burst=800".into(),
                "--v=1".into(),
            ],
        )
    }

    /// The scheduler.
    pub(crate) fn scheduler(&self) -> Spec {
        let config = self.file("scheduler.kubeconfig");
        self.spec(
            "kube-scheduler",
            vec![
                format!("--kubeconfig={config}"),
                format!("--authentication-kubeconfig={config}"),
                format!("--authorization-kubeconfig={config}"),
                "--bind-address=127.0.0.1".into(),
                format!("--secure-port={}", self.ports.scheduler),
                format!("--cert-dir={}", self.file("run")),
                "--leader-elect=false".into(),
                "--kube-api-qps=400".into(),
                "--kube-api-burst=800".into(),
                "--v=1".into(),
            ],
        )
    }
}
