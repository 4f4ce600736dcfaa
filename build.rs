//! Generates the gRPC types of `proto/`, with a compiler written in Rust: no
//! `protoc` is needed.

use std::error::Error;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    let files = ["proto/plimsoll/v1/decision.proto", "proto/plimsoll/v1/signals.proto"];
    for file in files {
        println!("cargo::rerun-if-changed={file}");
    }
    let descriptors = protox::compile(files, ["proto"])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    tonic_prost_build::configure()
        .file_descriptor_set_path(out.join("plimsoll.bin"))
        .compile_fds(descriptors)?;
    Ok(())
}
