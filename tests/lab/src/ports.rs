//! Free ports on loopback, kept from other labs by file locks for as long as the lab lives. Does I/O.

use std::fs::{File, OpenOptions};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use crate::error::LabError;

/// Below the range from which Linux takes the ports of outgoing connections, so that no client can take ours
/// between our look and the server's start.
const FIRST: u16 = 21_000;
const LAST: u16 = 29_999;

/// Ports that belong to one lab until it is dropped.
#[derive(Debug)]
pub(crate) struct Ports {
    locks: Vec<File>,
    dir: PathBuf,
    next: u16,
}

impl Ports {
    /// `dir` is shared by all labs of the machine's user.
    pub(crate) fn new(dir: &Path) -> Result<Self, LabError> {
        std::fs::create_dir_all(dir).map_err(LabError::file("create", dir))?;
        Ok(Self {
            locks: Vec::new(),
            dir: dir.to_owned(),
            next: FIRST,
        })
    }

    /// A port that nobody listens on and no other lab has taken.
    pub(crate) fn take(&mut self) -> Result<u16, LabError> {
        while self.next <= LAST {
            let port = self.next;
            self.next += 1;
            let path = self.dir.join(port.to_string());
            let mut options = OpenOptions::new();
            let lock = options.create(true).truncate(false).write(true).open(&path);
            let lock = lock.map_err(LabError::file("open", path))?;
            if lock.try_lock().is_err() {
                continue;
            }
            if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
                self.locks.push(lock);
                return Ok(port);
            }
        }
        Err(LabError::Ports {
            from: FIRST,
            to: LAST,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_labs_never_get_the_same_port() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let mut one = Ports::new(dir.path()).expect("ports");
        let mut two = Ports::new(dir.path()).expect("ports");
        let mut all: Vec<u16> = (0..20)
            .map(|i| {
                if i % 2 == 0 { &mut one } else { &mut two }
                    .take()
                    .expect("a free port")
            })
            .collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 20);
    }

    #[test]
    fn a_port_that_someone_listens_on_is_not_given() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let port = Ports::new(dir.path())
            .and_then(|mut ports| ports.take())
            .expect("a free port");
        let _listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("it was free");
        let other = Ports::new(dir.path())
            .and_then(|mut ports| ports.take())
            .expect("a free port");
        assert_ne!(other, port);
    }
}
