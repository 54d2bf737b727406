//! What the build has packed into the binary.

use miniz_oxide::inflate::decompress_slice_iter_to_slice;

/// The JSON Schema of every line of the log.
pub static SCHEMA: Packed = Packed(include_bytes!(concat!(env!("OUT_DIR"), "/schema")));

/// The compiled object of the probes.
pub static OBJECT: Packed = Packed(include_bytes!(concat!(env!("OUT_DIR"), "/object")));

/// A file as `build.rs` writes it: its length in four bytes, and what deflate has made of it.
pub struct Packed(&'static [u8]);

impl Packed {
    /// The file. It has zeros where it is damaged, which can't be.
    pub fn unpack(&self) -> Vec<u8> {
        let (length, packed) = self.0.split_first_chunk().unwrap_or((&[0; 4], &[]));
        let mut file = vec![0; u32::from_ne_bytes(*length) as usize];
        let _ = decompress_slice_iter_to_slice(&mut file, [packed].into_iter(), false, true);
        file
    }
}
