//! Migrations are embedded at compile time; a new file must rebuild the crate. Hatchet's messages are made into code: by
//! protox, so that nobody needs protoc.

use std::error::Error;
use std::path::{Path, PathBuf};

const PROTO: &str = "src/engine/hatchet/proto";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=migrations");
    println!("cargo:rerun-if-changed={PROTO}");
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    // What the program speaks, and what the double in tests/hatchet answers with: that one is no part of the program.
    generate(&out.join("hatchet_client"), true)?;
    generate(&out.join("hatchet_server"), false)
}

fn generate(folder: &Path, client: bool) -> Result<(), Box<dyn Error>> {
    let files = ["dispatcher.proto", "events.proto", "workflows.proto", "admin.proto"];
    let descriptors = protox::compile(files, [PROTO])?;
    std::fs::create_dir_all(folder)?;
    tonic_prost_build::configure()
        .build_client(client)
        .build_server(!client)
        .build_transport(false)
        .emit_rerun_if_changed(false)
        .out_dir(folder)
        .include_file("mod.rs")
        .compile_fds(descriptors)?;
    Ok(())
}
