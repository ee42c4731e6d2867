//! A server of buckets as S3 has them: versitygw, over a folder of its own. It keeps its word that of several writers who
//! create an object one wins, which most small servers do not.

use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::{env, fs};

use tempfile::TempDir;

use crate::port::free_port;
use crate::wait::eventually;

/// The only bucket.
const BUCKET: &str = "features";
const SECRET: &str = "of-this-test-alone";

/// A server of one bucket that ends with the test.
#[derive(Debug)]
pub struct BucketServer {
    /// Where it listens.
    pub port: u16,
    folder: TempDir,
    child: Child,
}

impl BucketServer {
    /// Starts one with an empty bucket. The binary is the one that `TWINSTORE_VERSITYGW` names.
    pub fn start() -> Self {
        let binary =
            env::var_os("TWINSTORE_VERSITYGW").expect("TWINSTORE_VERSITYGW is set: run `make buckets`");
        let (folder, port) = (TempDir::new().unwrap(), free_port());
        fs::create_dir(folder.path().join(BUCKET)).unwrap();
        let mut command = Command::new(binary);
        command.args(["--port", &format!("127.0.0.1:{port}"), "--quiet", "posix"]).arg(folder.path());
        command.env("ROOT_ACCESS_KEY", BUCKET).env("ROOT_SECRET_KEY", SECRET);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().unwrap();
        eventually("the server of buckets listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Self { port, folder, child }
    }

    /// An address for logs in the bucket.
    pub fn url(&self, prefix: &str) -> String {
        format!("s3://{BUCKET}/{prefix}")
    }

    /// The environment of a process that reaches the server at a port, its own or that of a proxy in front of it.
    pub fn environment(&self, port: u16) -> [(&'static str, String); 5] {
        [
            ("AWS_ACCESS_KEY_ID", BUCKET.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ENDPOINT", format!("http://127.0.0.1:{port}")),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
        ]
    }

    /// The file of an object.
    pub fn file(&self, object: &str) -> PathBuf {
        self.folder.path().join(BUCKET).join(object)
    }
}

impl Drop for BucketServer {
    fn drop(&mut self) {
        // It may have ended by itself, and what failed then was said.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
