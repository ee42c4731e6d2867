//! Where a project is served: a note beside its topics on disk with the address of HTTP, locked for as long as the
//! server lives. Whoever pushes by command finds the server by it, and does not append beside it.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use crate::error::ProjectError;
use crate::project::Project;
use crate::server_error::ServerError;

/// No topic's name begins with a dot.
const NOTE: &str = ".served-at";

/// Held while the project is served.
#[derive(Debug)]
pub(crate) struct ServedAt {
    _lock: Option<File>,
}

impl ServedAt {
    /// Notes that the project is served at this address of HTTP. Where another server noted itself, that stays.
    pub(crate) fn note(project: &Project, http: SocketAddr) -> Result<Self, ProjectError> {
        let Some(path) = path(project) else { return Ok(Self { _lock: None }) };
        let lock = write(&path, http).map_err(ProjectError::file("write", &path))?;
        Ok(Self { _lock: lock })
    }
}

/// The file with the address, locked; none where another server has it.
fn write(path: &Path, http: SocketAddr) -> io::Result<Option<File>> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
    if file.try_lock().is_err() {
        return Ok(None);
    }
    file.set_len(0)?;
    file.write_all(reachable(http).to_string().as_bytes())?;
    Ok(Some(file))
}

/// The address of HTTP at which the project is served just now; none where it is not.
pub(crate) fn served_at(project: &Project) -> Result<Option<SocketAddr>, ProjectError> {
    let Some(path) = path(project) else { return Ok(None) };
    let Ok(mut file) = File::options().read(true).open(&path) else { return Ok(None) };
    if file.try_lock_shared().is_ok() {
        return Ok(None);
    }
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(ProjectError::file("read", &path))?;
    let address = text.parse().map_err(|_| ServerError::NoServerAddress { file: path })?;
    Ok(Some(address))
}

fn path(project: &Project) -> Option<PathBuf> {
    Some(project.topics_folder()?.join(NOTE))
}

/// The address at which a server on this machine is reached that listens here.
fn reachable(bound: SocketAddr) -> SocketAddr {
    let ip = match bound.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, bound.port())
}
