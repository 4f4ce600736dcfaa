//! Generates the gRPC types of `proto/`, with a compiler written in Rust: no
//! `protoc` is needed.

use std::error::Error;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    let files = ["proto/plimsoll/v1/decision.proto", "proto/plimsoll/v1/signals.proto"];
    for file in files {
        println!("cargo::rerun-if-changed={file}");
    }
    // `plimsoll demo` has them built in.
    println!("cargo::rerun-if-changed=policies");
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_imports(true).include_source_info(true).open_files(files)?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    // What reflection serves. `compile_fds` itself writes none.
    std::fs::write(out.join("plimsoll.bin"), compiler.encode_file_descriptor_set())?;
    tonic_prost_build::configure()
        // Small maps: cheaper to fill than hash maps, and answers have one order.
        .btree_map(".plimsoll.v1")
        .compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
