//! The lab's own certificate authorities, certificates and keys. Writes files, mode 0600.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, date_time_ymd,
};

use crate::error::LabError;

/// Where every certificate of a lab lies.
#[derive(Clone, Debug)]
pub(crate) struct Pki {
    dir: PathBuf,
}

/// One authority with its key.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
}

/// What a certificate is for.
enum Use<'a> {
    /// Someone who calls: common name and groups.
    Client { name: &'a str, groups: &'a [&'a str] },
    /// A server on loopback, also known by these names.
    Server { name: &'a str, names: &'a [&'a str] },
}

impl Pki {
    /// Makes all of them in `dir`.
    pub(crate) fn create(dir: &Path) -> Result<Self, LabError> {
        std::fs::create_dir_all(dir).map_err(LabError::file("create", dir))?;
        let pki = Self { dir: dir.to_owned() };

        let cluster = pki.authority("ca")?;
        let kubernetes = [
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            "localhost",
        ];
        pki.issue(
            &cluster,
            "apiserver",
            &Use::Server {
                name: "kube-apiserver",
                names: &kubernetes,
            },
        )?;
        pki.issue(
            &cluster,
            "admin",
            &Use::Client {
                name: "admin",
                groups: &["system:masters"],
            },
        )?;
        for name in ["kube-controller-manager", "kube-scheduler"] {
            pki.issue(
                &cluster,
                name,
                &Use::Client {
                    name: &format!("system:{name}"),
                    groups: &[],
                },
            )?;
        }

        let front = pki.authority("front-proxy-ca")?;
        pki.issue(
            &front,
            "front-proxy-client",
            &Use::Client {
                name: "front-proxy-client",
                groups: &[],
            },
        )?;

        let etcd = pki.authority("etcd-ca")?;
        pki.issue(
            &etcd,
            "etcd",
            &Use::Server {
                name: "etcd",
                names: &["localhost"],
            },
        )?;
        pki.issue(
            &etcd,
            "etcd-client",
            &Use::Client {
                name: "kube-apiserver",
                groups: &[],
            },
        )?;

        let kubevirt = pki.authority("kubevirt-ca")?;
        let virt_api = ["virt-api.kubevirt.svc", "virt-api.kubevirt", "localhost"];
        pki.issue(
            &kubevirt,
            "virt-api",
            &Use::Server {
                name: "virt-api.kubevirt.svc",
                names: &virt_api,
            },
        )?;
        let handler = Use::Client {
            name: "kubevirt.io:system:client:virt-handler",
            groups: &[],
        };
        pki.issue(&kubevirt, "virt-handler-client", &handler)?;
        let metrics = Use::Server {
            name: "virt-controller.kubevirt.svc",
            names: &["localhost"],
        };
        pki.issue(&kubevirt, "virt-controller", &metrics)?;

        let tokens = key("service accounts")?;
        pki.write("sa.key", &tokens.serialize_pem())?;
        pki.write("sa.pub", &tokens.public_key_pem())?;
        Ok(pki)
    }

    /// Those that another process made in `dir`.
    pub(crate) fn at(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    /// Path of a file, as the parts want it on their command lines.
    pub(crate) fn path(&self, file: &str) -> String {
        self.dir.join(file).display().to_string()
    }

    /// Text of a certificate.
    pub(crate) fn text(&self, file: &str) -> Result<String, LabError> {
        let path = self.dir.join(file);
        std::fs::read_to_string(&path).map_err(LabError::file("read", path))
    }

    fn authority(&self, name: &str) -> Result<Authority, LabError> {
        let mut params = base(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::CrlSign,
        ];
        let key = key(name)?;
        let certificate = params.self_signed(&key).map_err(failed(name))?;
        self.write(&format!("{name}.crt"), &certificate.pem())?;
        self.write(&format!("{name}.key"), &key.serialize_pem())?;
        Ok(Authority {
            issuer: Issuer::new(params, key),
        })
    }

    fn issue(&self, by: &Authority, file: &str, purpose: &Use<'_>) -> Result<(), LabError> {
        let mut params = match purpose {
            Use::Client { name, groups } => {
                let mut params = base(name);
                for group in *groups {
                    params.distinguished_name.push(DnType::OrganizationName, *group);
                }
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
                params
            }
            Use::Server { name, names } => {
                let mut params = base(name);
                for name in *names {
                    let name = (*name).try_into().map_err(failed(file))?;
                    params.subject_alt_names.push(SanType::DnsName(name));
                }
                params
                    .subject_alt_names
                    .push(SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)));
                // etcd calls itself with its serving certificate, so both uses.
                params.extended_key_usages = vec![
                    ExtendedKeyUsagePurpose::ServerAuth,
                    ExtendedKeyUsagePurpose::ClientAuth,
                ];
                params
            }
        };
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let key = key(file)?;
        let certificate = params.signed_by(&key, &by.issuer).map_err(failed(file))?;
        self.write(&format!("{file}.crt"), &certificate.pem())?;
        self.write(&format!("{file}.key"), &key.serialize_pem())
    }

    fn write(&self, file: &str, text: &str) -> Result<(), LabError> {
        write_private(&self.dir.join(file), text)
    }
}

/// Writes a file that only its owner can read.
pub(crate) fn write_private(path: &Path, text: &str) -> Result<(), LabError> {
    let mut options = std::fs::OpenOptions::new();
    let file = options
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(path);
    let mut file = file.map_err(LabError::file("write", path))?;
    file.write_all(text.as_bytes())
        .map_err(LabError::file("write", path))
}

/// A lab lives for hours; these dates only keep clocks that are set wrong from mattering.
fn base(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2099, 1, 1);
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn key(of: &str) -> Result<KeyPair, LabError> {
    KeyPair::generate().map_err(failed(of))
}

fn failed(of: &str) -> impl FnOnce(rcgen::Error) -> LabError {
    let of = of.to_owned();
    move |source| LabError::Certificate { of, source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn keys_are_readable_by_their_owner_only() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let pki = Pki::create(dir.path()).expect("certificates");
        for file in [
            "ca.key",
            "sa.key",
            "admin.key",
            "front-proxy-client.key",
            "virt-api.key",
        ] {
            let mode = std::fs::metadata(pki.path(file))
                .expect("it exists")
                .permissions()
                .mode();
            assert_eq!(mode & 0o077, 0, "{file}");
        }
        assert!(pki.text("sa.pub").expect("it exists").contains("PUBLIC KEY"));
    }
}
