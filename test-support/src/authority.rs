//! An authority that signs certificates for tests, by `openssl`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// An authority, in a folder that is removed with it.
#[derive(Debug)]
pub struct Authority {
    folder: TempDir,
}

/// A certificate and its private key, in PEM.
#[derive(Clone, Debug)]
pub struct Signed {
    /// The file of the certificate.
    pub certificate: PathBuf,
    /// The file of the key.
    pub key: PathBuf,
}

const KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2";

impl Authority {
    /// A new one, that nobody knows.
    #[expect(clippy::new_without_default, reason = "it runs a program")]
    pub fn new() -> Self {
        let folder = TempDir::new().expect("a folder can be made");
        openssl(folder.path(), &format!("req -x509 {KEY} -subj /CN=authority -keyout ca.key -out ca.pem"));
        Self { folder }
    }

    /// The file of its own certificate.
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Signs a certificate for these names, as in `DNS:localhost,IP:127.0.0.1`; `file` is what its files are called.
    pub fn signs(&self, file: &str, names: &str) -> Signed {
        let constraints = "-addext basicConstraints=critical,CA:FALSE";
        openssl(
            self.folder.path(),
            &format!(
                "req -x509 {KEY} -CA ca.pem -CAkey ca.key -subj /CN={file} -addext subjectAltName={names} {constraints} -keyout {file}.key -out {file}.pem"
            ),
        );
        let path = |end: &str| self.folder.path().join(format!("{file}.{end}"));
        Signed { certificate: path("pem"), key: path("key") }
    }
}

impl Signed {
    /// The certificate and the key.
    pub fn read(&self) -> (Vec<u8>, Vec<u8>) {
        let read = |path: &Path| fs::read(path).expect("the file was written");
        (read(&self.certificate), read(&self.key))
    }
}

fn openssl(folder: &Path, arguments: &str) {
    let mut command = Command::new("openssl");
    command.args(arguments.split(' ')).current_dir(folder).stdout(Stdio::null()).stderr(Stdio::null());
    assert!(command.status().expect("openssl is installed").success(), "openssl {arguments}");
}
