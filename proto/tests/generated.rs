//! The checked-in code is what the `.proto` files generate; `BLESS=1` writes it again.

use std::path::{Path, PathBuf};
use std::{env, fs};

use prost::Message;

const FILES: [&str; 2] = ["twinstore/v1/feature_store.proto", "feast/serving/ServingService.proto"];

fn generate(into: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("proto");
    let mut descriptors = protox::compile(FILES, [root]).expect("the .proto files compile");
    tonic_prost_build::configure()
        .out_dir(into)
        .compile_fds(descriptors.clone())
        .expect("code can be generated");
    // The code generator writes no descriptors; comments would make them four times as large.
    descriptors.file.iter_mut().for_each(|file| file.source_code_info = None);
    fs::write(into.join("twinstore.bin"), descriptors.encode_to_vec()).expect("the folder takes a file");
}

#[test]
fn the_checked_in_code_is_what_the_proto_files_generate() {
    let checked_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/generated");
    if env::var_os("BLESS").is_some() {
        generate(&checked_in);
    }
    let fresh = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("generated");
    fs::create_dir_all(&fresh).unwrap();
    generate(&fresh);
    for file in ["twinstore.v1.rs", "feast.serving.rs", "feast.types.rs", "twinstore.bin"] {
        let same = fs::read(checked_in.join(file)).unwrap() == fs::read(fresh.join(file)).unwrap();
        assert!(same, "{file} is not what the .proto files say: run BLESS=1 cargo test -p twinstore-proto");
    }
}
