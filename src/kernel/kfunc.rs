//! Functions of the kernel that the loader can't call. The probes call a helper by a number that no kernel has;
//! before they are loaded, that instruction becomes a call of the function, or nothing where the kernel has
//! none.

use super::types;
use crate::abi::kernel_function;

/// From the kernel's linux/bpf.h: a call, the register that says of what, and BPF_PSEUDO_KFUNC_CALL.
const CALL: u8 = 0x85;
const OF_FUNCTION: u8 = 2 << 4;

/// `r0 = 0`
const NOTHING: [u8; INSTRUCTION] = [0xb7, 0, 0, 0, 0, 0, 0, 0];

/// Length of an instruction, and what they are aligned to in the object. Bytes.
const INSTRUCTION: usize = 8;

/// Since when the verifier lets a program call global functions while it can't be preempted.
pub const WHOLE_RUN: (u32, u32) = (6, 18);

/// The number in the probes, the function, and the first kernel to call it there.
const CALLS: [(u32, &str, (u32, u32)); 6] = [
    (
        kernel_function::PROGRAM_PREEMPT_DISABLE,
        "bpf_preempt_disable",
        WHOLE_RUN,
    ),
    (
        kernel_function::PROGRAM_PREEMPT_ENABLE,
        "bpf_preempt_enable",
        WHOLE_RUN,
    ),
    (
        kernel_function::PROGRAM_IRQ_SAVE,
        "bpf_local_irq_save",
        WHOLE_RUN,
    ),
    (
        kernel_function::PROGRAM_IRQ_RESTORE,
        "bpf_local_irq_restore",
        WHOLE_RUN,
    ),
    (
        kernel_function::PREEMPT_DISABLE,
        "bpf_preempt_disable",
        (0, 0),
    ),
    (
        kernel_function::PREEMPT_ENABLE,
        "bpf_preempt_enable",
        (0, 0),
    ),
];

/// Makes the calls in `object` what they are on a kernel of this version, which `btf` describes.
pub fn resolve(object: &mut [u8], btf: &[u8], version: (u32, u32)) {
    let calls = CALLS.map(|(number, function, since)| {
        let function = types::function(btf, function).filter(|_| version >= since);
        let instruction = function.map_or(NOTHING, |id| call(OF_FUNCTION, id));
        (call(0, number), instruction)
    });
    for place in object.chunks_exact_mut(INSTRUCTION) {
        if let Some((_, instruction)) = calls.iter().find(|(call, _)| call == place) {
            place.copy_from_slice(instruction);
        }
    }
}

fn call(of: u8, number: u32) -> [u8; INSTRUCTION] {
    let mut instruction = [CALL, of, 0, 0, 0, 0, 0, 0];
    instruction[4..].copy_from_slice(&number.to_le_bytes());
    instruction
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::packed::OBJECT;

    /// How many instructions of the object are these.
    fn count(object: &[u8], wanted: [u8; INSTRUCTION]) -> usize {
        let places = object.chunks_exact(INSTRUCTION);
        places.filter(|place| **place == wanted).count()
    }

    #[test]
    fn every_call_is_resolved() {
        let mut object = OBJECT.unpack();
        for (number, function, _) in CALLS {
            assert!(count(&object, call(0, number)) > 0, "{function}");
        }
        resolve(&mut object, &[], (7, 3));
        for (number, _, _) in CALLS {
            assert_eq!(count(&object, call(0, number)), 0);
        }
        assert_eq!(count(&object, call(OF_FUNCTION, 0)), 0);
    }
}
