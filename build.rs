//! Packs the object of the probes, which is a quarter of the binary otherwise, behind its length.

use std::{env, fs, path::Path};

fn main() {
    const OBJECT: &str = "probes/recorderd.bpf.o";
    println!("cargo::rerun-if-changed={OBJECT}");
    let object = fs::read(OBJECT).expect(OBJECT);
    let mut packed = (object.len() as u32).to_ne_bytes().to_vec();
    packed.extend(miniz_oxide::deflate::compress_to_vec(&object, 9));
    let folder = env::var_os("OUT_DIR").expect("cargo gives OUT_DIR");
    let path = Path::new(&folder).join("recorderd.bpf.o.deflate");
    fs::write(&path, packed).expect("OUT_DIR can be written to");
}
