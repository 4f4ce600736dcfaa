//! What is kept in `proto/generated` is what `proto/plimsoll/v1` says.
//!
//! The types are kept rather than built with the crate, since the compiler of
//! protos and all below it would be a third of the first build. It is written in
//! Rust: no `protoc` is needed.

#![allow(clippy::unwrap_used)]

use std::path::Path;

const FILES: [&str; 3] = [
    "proto/plimsoll/v1/decision.proto",
    "proto/plimsoll/v1/review.proto",
    "proto/plimsoll/v1/signals.proto",
];
const TYPES: &str = "plimsoll.v1.rs";
const DESCRIPTORS: &str = "plimsoll.v1.binpb";

/// Set by `make proto`: what is kept is written anew rather than compared.
const WRITE: &str = "PLIMSOLL_WRITE_PROTO";

#[test]
fn the_generated_types_are_those_of_the_protos() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let out = tempfile::tempdir().unwrap();
    generate(root, out.path());
    for name in [TYPES, DESCRIPTORS] {
        let generated = std::fs::read(out.path().join(name)).unwrap();
        let kept = root.join("proto/generated").join(name);
        if std::env::var_os(WRITE).is_some() {
            std::fs::write(kept, generated).unwrap();
        } else {
            let same = std::fs::read(&kept).is_ok_and(|kept| kept == generated);
            assert!(same, "{} is not what the protos say: run `make proto`", kept.display());
        }
    }
}

#[test]
fn every_proto_is_generated() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("proto/plimsoll/v1");
    let mut found: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| format!("proto/plimsoll/v1/{}", entry.unwrap().file_name().display()))
        .collect();
    found.sort();
    assert_eq!(found, FILES);
}

fn generate(root: &Path, out: &Path) {
    let mut compiler = protox::Compiler::new([root.join("proto")]).unwrap();
    let files = FILES.map(|file| root.join(file));
    compiler.include_imports(true).include_source_info(true).open_files(files).unwrap();
    // What reflection serves. `compile_fds` itself writes none.
    std::fs::write(out.join(DESCRIPTORS), compiler.encode_file_descriptor_set()).unwrap();
    tonic_prost_build::configure()
        // Small maps: cheaper to fill than hash maps, and answers have one order.
        .btree_map(".plimsoll.v1")
        .out_dir(out)
        .compile_fds(compiler.file_descriptor_set())
        .unwrap();
}
