//! Compiles the storage messages without a system `protoc`.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let root = "../../proto";
    let file = "../../proto/strongroom/storage/v1/storage.proto";
    println!("cargo:rerun-if-changed={file}");
    let mut compiler = protox::Compiler::new([root])?;
    compiler.include_source_info(true).open_file(file)?;
    let descriptors = compiler.file_descriptor_set();
    prost_build::Config::new()
        .bytes(["."])
        .compile_fds(descriptors)?;
    Ok(())
}
