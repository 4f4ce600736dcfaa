//! Says what the build reads that the compiler doesn't see. The gRPC types are
//! not built here but kept in `proto/generated`: `make proto` writes them.

fn main() {
    // `plimsoll demo` has the policies built in.
    println!("cargo::rerun-if-changed=policies");
}
