//! Compiles the protos without a system `protoc`, and skips the derived `Debug` of every message
//! that has a field marked `debug_redact`: its `Debug` is written by hand in `src/redact.rs`, so
//! that a forgotten one does not compile.

use std::{error::Error, fs, path::PathBuf};

use protox::prost_reflect::{DescriptorPool, MessageDescriptor, Value};

const ROOT: &str = "../../proto";
const FILES: [&str; 5] = [
    "strongroom/secrets/v1/secrets.proto",
    "strongroom/access/v1/access.proto",
    "strongroom/admin/v1/admin.proto",
    "strongroom/raft/v1/raft.proto",
    "strongroom/replication/v1/replication.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    for file in FILES {
        println!("cargo:rerun-if-changed={ROOT}/{file}");
    }
    let mut compiler = protox::Compiler::new([ROOT])?;
    compiler
        .include_source_info(true)
        .include_imports(true)
        .open_files(FILES)?;
    let encoded = compiler.encode_file_descriptor_set();
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    fs::write(out.join("descriptor_set.bin"), &encoded)?;

    let pool = DescriptorPool::decode(encoded.as_slice())?;
    let redacted: Vec<String> = pool
        .all_messages()
        .filter(has_redacted_field)
        .map(|message| format!(".{}", message.full_name()))
        .collect();
    tonic_prost_build::configure()
        .btree_map(".")
        .bytes(".strongroom.raft.v1")
        .bytes(".strongroom.replication.v1")
        .skip_debug(redacted)
        .compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}

fn has_redacted_field(message: &MessageDescriptor) -> bool {
    message.fields().any(|field| {
        let options = field.options();
        let redact = options.get_field_by_name("debug_redact");
        matches!(redact.as_deref(), Some(Value::Bool(true)))
    })
}
