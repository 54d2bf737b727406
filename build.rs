//! Packs the object of the probes and the schema, which are a fifth of the binary otherwise.

use std::{env, fs, path::Path};

fn main() {
    let files = [
        ("object", "probes/recorderd.bpf.o"),
        ("schema", "docs/events.schema.json"),
    ];
    let folder = env::var_os("OUT_DIR").expect("cargo gives OUT_DIR");
    for (name, path) in files {
        println!("cargo::rerun-if-changed={path}");
        let file = fs::read(path).expect(path);
        let length = u32::try_from(file.len()).expect("files are below 4 GiB");
        let mut packed = length.to_ne_bytes().to_vec();
        packed.extend(miniz_oxide::deflate::compress_to_vec(&file, 9));
        fs::write(Path::new(&folder).join(name), packed).expect("OUT_DIR can be written to");
    }
}
