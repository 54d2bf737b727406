//! What the probes take of the stack: the kernel refuses a program whose longest chain of calls takes more than
//! 512 bytes, and not all kernels count as the one at hand does.

use std::collections::HashMap;

use object::{Object, ObjectSection, ObjectSymbol, RelocationTarget, SymbolKind};

const OBJECT: &[u8] = include_bytes!("../probes/recorderd.bpf.o");

/// What the kernel allows for one chain of calls (MAX_BPF_STACK), and what each function takes a multiple of.
const MOST: u32 = 512;
const UNIT: u32 = 32;

/// Opcodes of linux/bpf.h: a copy of a register, the addition of a number, and a call.
const COPY: u8 = 0xbf;
const ADD: u8 = 0x07;
const CALL: u8 = 0x85;
/// The register that points to the end of a function's part of the stack.
const FRAME: u8 = 10;

/// What a function takes itself, and what it calls, by section and offset.
struct Function {
    name: String,
    own: u32,
    calls: Vec<(usize, u64)>,
}

/// The part of the stack that these instructions reach.
fn stack_of(code: &[u8]) -> u32 {
    let mut copied = None;
    let mut most = 0;
    for instruction in code.chunks_exact(8) {
        let (target, source) = (instruction[1] & 15, instruction[1] >> 4);
        let offset = i32::from(i16::from_le_bytes([instruction[2], instruction[3]]));
        let number = i32::from_le_bytes(instruction[4..].try_into().unwrap());
        let reached = match (instruction[0], instruction[0] & 7) {
            (ADD, _) if copied == Some(target) => number,
            // Loads, and stores.
            (_, 1) if source == FRAME => offset,
            (_, 2 | 3) if target == FRAME => offset,
            _ => 0,
        };
        copied = (instruction[0] == COPY && source == FRAME).then_some(target);
        most = most.max(-reached);
    }
    (most as u32).next_multiple_of(UNIT).max(UNIT)
}

/// All functions, by section and offset.
fn functions() -> HashMap<(usize, u64), Function> {
    let file = object::File::parse(OBJECT).unwrap();
    let mut functions = HashMap::new();
    for symbol in file
        .symbols()
        .filter(|it| it.kind() == SymbolKind::Text && it.size() > 0)
    {
        let section = file
            .section_by_index(symbol.section_index().unwrap())
            .unwrap();
        let range = symbol.address()..symbol.address() + symbol.size();
        let code = section.data().unwrap();
        let mut calls = Vec::new();
        for (at, relocation) in section.relocations().filter(|(at, _)| range.contains(at)) {
            let RelocationTarget::Symbol(of) = relocation.target() else {
                continue;
            };
            if code[at as usize] != CALL {
                continue;
            }
            let of = file.symbol_by_index(of).unwrap();
            let number = code[at as usize + 4..][..4].try_into().unwrap();
            // From a section's beginning, the number of instructions counts from behind the call.
            let begins = match of.kind() {
                SymbolKind::Section => {
                    u64::from(i32::from_le_bytes(number).cast_unsigned() + 1) * 8
                }
                _ => of.address(),
            };
            calls.push((of.section_index().unwrap().0, begins));
        }
        let function = Function {
            name: symbol.name().unwrap().to_owned(),
            own: stack_of(&code[range.start as usize..range.end as usize]),
            calls,
        };
        functions.insert((section.index().0, symbol.address()), function);
    }
    functions
}

/// The longest chain of calls from a function on: what it takes, and who is in it.
fn longest(functions: &HashMap<(usize, u64), Function>, at: (usize, u64)) -> (u32, String) {
    let function = &functions[&at];
    let chains = function
        .calls
        .iter()
        .map(|called| longest(functions, *called));
    let (below, names) = chains.max().unwrap_or_default();
    let named = format!("{} {} {names}", function.name, function.own);
    (function.own + below, named)
}

#[test]
fn no_chain_of_calls_takes_more_than_the_kernel_allows() {
    let functions = functions();
    let chains: Vec<_> = functions
        .keys()
        .map(|at| longest(&functions, *at))
        .collect();
    let longest = chains.iter().max().unwrap();
    assert!(longest.0 > MOST / 2, "nothing was found: {longest:?}");
    let beyond: Vec<_> = chains.iter().filter(|(taken, _)| *taken > MOST).collect();
    assert!(beyond.is_empty(), "{beyond:#?}");
}

/// The count notices what it is there for.
#[test]
fn what_is_reached_is_counted() {
    // r1 = r10; r1 += -100, which makes 128; *(u64 *)(r10 - 200) = r2, 224.
    let by_address = [
        COPY, 0xa1, 0, 0, 0, 0, 0, 0, ADD, 1, 0, 0, 156, 255, 255, 255,
    ];
    let by_store = [0x7b, 0x2a, 56, 255, 0, 0, 0, 0];
    assert_eq!(stack_of(&by_address), 128);
    assert_eq!(stack_of(&[&by_address[..], &by_store].concat()), 224);
}
