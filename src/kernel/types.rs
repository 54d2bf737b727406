//! The kernel's description of its types (BTF), cut down to those that the probes and their places
//! name: there are a hundred thousand, and each name is looked for among all of them. The format is
//! that of Documentation/bpf/btf.rst of the kernel.

use std::collections::HashSet;

use memchr::{memchr, memmem};

/// Length of the header as far as it is read, and of a type without what its kind adds. Bytes.
const HEADER: usize = 24;
const TYPE: usize = 12;

/// How the header begins: magic number, version, flags; and its own length, by which it differs from
/// that of section .BTF.ext.
const MAGIC: [u32; 2] = [0x1_eb9f, HEADER as u32];

/// Stands for a type that is left out: a declaration without a name. All others keep their numbers.
const STUB: [u32; 3] = [0, FORWARD << 24, 0];

const POINTER: u32 = 2;
const ARRAY: u32 = 3;
const STRUCT: u32 = 4;
const UNION: u32 = 5;
const ENUM: u32 = 6;
const FORWARD: u32 = 7;
const FUNCTION: u32 = 12;
const PROTOTYPE: u32 = 13;
const ENUM64: u32 = 19;

/// How much of a type is kept.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Extent {
    Nothing,
    /// All but members: what is known of what is only pointed to.
    Shell,
    Whole,
}

/// Where the parts of a description are, behind its header.
struct Sections<'a> {
    header: &'a [u8],
    types: &'a [u8],
    strings: &'a [u8],
}

impl<'a> Sections<'a> {
    fn of(btf: &'a [u8]) -> Option<Self> {
        let header = btf.get(..number(btf, 4)? as usize)?;
        let part = |at| {
            let from = header.len().checked_add(number(btf, at)? as usize)?;
            btf.get(from..from.checked_add(number(btf, at + 4)? as usize)?)
        };
        Some(Self {
            header: header.get(..HEADER).map(|_| header)?,
            types: part(8)?,
            strings: part(16)?,
        })
    }

    fn name(&self, offset: u32) -> Option<&'a [u8]> {
        let rest = self.strings.get(offset as usize..)?;
        Some(&rest[..memchr(0, rest)?])
    }
}

/// One type.
struct Type<'a> {
    name: u32,
    kind: u32,
    bytes: &'a [u8],
}

impl<'a> Type<'a> {
    fn first_of(types: &'a [u8]) -> Option<Self> {
        let information = number(types, 4)?;
        let (kind, count) = (information >> 24 & 0x1f, information as usize & 0xffff);
        let added = match kind {
            // int, variable, tag of a declaration
            1 | 14 | 17 => 4,
            ARRAY => 12,
            // and a section of data
            STRUCT | UNION | ENUM64 | 15 => 12 * count,
            ENUM | PROTOTYPE => 8 * count,
            // and typedef, volatile, const, restrict, function, float, tag
            POINTER | FORWARD..=12 | 16 | 18 => 0,
            _ => return None,
        };
        Some(Self {
            name: number(types, 0)?,
            kind,
            bytes: types.get(..TYPE + added)?,
        })
    }

    /// The types of which it consists, or which it points to.
    fn parts(&self) -> impl Iterator<Item = u32> {
        let (numbers, step, at) = match self.kind {
            // Of what, and of which type the index is.
            ARRAY => (&self.bytes[TYPE..TYPE + 8], 4, 0),
            // Members: name, type, offset.
            STRUCT | UNION => (&self.bytes[TYPE..], 12, 4),
            // What is returned, and parameters: name, type.
            PROTOTYPE => (&self.bytes[8..], 8, 0),
            // typedef, volatile, const, restrict, tag
            POINTER | 8..=11 | 18 => (&self.bytes[8..TYPE], 4, 0),
            _ => (&[][..], 4, 0),
        };
        let parts = numbers.chunks(step);
        parts.filter_map(move |part| number(part, at))
    }

    fn has_members(&self) -> bool {
        matches!(self.kind, STRUCT | UNION | ENUM | ENUM64)
    }

    /// The bytes of the type without its members.
    fn shell(&self) -> impl Iterator<Item = u8> {
        let information = number(self.bytes, 4).unwrap_or_default() & !0xffff;
        let head = [
            &self.bytes[..4],
            &information.to_ne_bytes(),
            &self.bytes[8..TYPE],
        ];
        head.concat().into_iter()
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + 4)?;
    Some(u32::from_ne_bytes(bytes.try_into().ok()?))
}

/// The description that begins somewhere in an object file.
pub fn description_in(object: &[u8]) -> Option<&[u8]> {
    let begin = MAGIC.iter().flat_map(|number| number.to_ne_bytes());
    let begin: Vec<u8> = begin.collect();
    Some(&object[memmem::find(object, &begin)?..])
}

/// Every name in a description.
pub fn names(btf: &[u8]) -> HashSet<&[u8]> {
    let strings = Sections::of(btf).map_or(&[][..], |sections| sections.strings);
    let mut names: HashSet<_> = strings.split(|byte| *byte == 0).map(plain).collect();
    names.remove(&[][..]);
    names
}

/// What a map of the object's has as its type that keeps something with each task, as the length of an array
/// (BPF_MAP_TYPE_TASK_STORAGE), and the type that every kernel knows (BPF_MAP_TYPE_HASH).
const TASK_STORAGE: u32 = 29;
const HASH: u32 = 1;

/// Makes the map in an object a plain one that keeps something with each task, for kernels without such.
pub fn make_plain(object: &mut [u8]) {
    let Some(description) = description_in(object) else {
        return;
    };
    let Some(sections) = Sections::of(description) else {
        return;
    };
    let begin = sections.types.as_ptr() as usize - object.as_ptr() as usize;
    let (mut rest, mut places) = (sections.types, Vec::new());
    while let Some(one) = Type::first_of(rest) {
        let at = begin + sections.types.len() - rest.len() + TYPE + 8;
        // What, by what, and how many.
        if one.kind == ARRAY && number(one.bytes, TYPE + 8) == Some(TASK_STORAGE) {
            places.push(at);
        }
        rest = &rest[one.bytes.len()..];
    }
    for place in places {
        object[place..place + 4].copy_from_slice(&HASH.to_le_bytes());
    }
}

/// The number of the function of this name in a description, if it has one.
pub fn function(btf: &[u8], name: &str) -> Option<u32> {
    let sections = Sections::of(btf)?;
    let mut rest = sections.types;
    // The first is void, which has no description.
    for number in 1.. {
        let one = Type::first_of(rest)?;
        if one.kind == FUNCTION && sections.name(one.name)? == name.as_bytes() {
            return Some(number);
        }
        rest = &rest[one.bytes.len()..];
    }
    None
}

/// The name without what tells variants of a type apart.
fn plain(name: &[u8]) -> &[u8] {
    &name[..memmem::find(name, b"___").unwrap_or(name.len())]
}

/// The description `btf` with nothing but the types of these names, and what they consist of. `None`
/// if it is not one that can be read.
pub fn cut_down(btf: &[u8], names: &HashSet<&[u8]>) -> Option<Vec<u8>> {
    let sections = Sections::of(btf)?;
    let (mut types, mut rest) = (Vec::new(), sections.types);
    let mut open = Vec::new();
    while !rest.is_empty() {
        let (offset, one) = (sections.types.len() - rest.len(), Type::first_of(rest)?);
        rest = &rest[one.bytes.len()..];
        types.push((offset as u32, Extent::Nothing));
        if one.name > 0 && names.contains(plain(sections.name(one.name)?)) {
            open.push((types.len() as u32, Extent::Whole));
        }
    }
    let at = |offset: u32| Type::first_of(&sections.types[offset as usize..]);
    while let Some((number, extent)) = open.pop() {
        // The first is void, which has no description.
        let Some((offset, kept)) = types.get_mut((number as usize).wrapping_sub(1)) else {
            continue;
        };
        if *kept >= extent {
            continue;
        }
        *kept = extent;
        let one = at(*offset)?;
        let of_parts = match one.kind {
            POINTER => Extent::Shell,
            _ if one.has_members() && extent == Extent::Shell => continue,
            _ => extent,
        };
        open.extend(one.parts().map(|part| (part, of_parts)));
    }
    let mut out = Vec::with_capacity(btf.len() / 2);
    out.extend_from_slice(sections.header);
    for (offset, extent) in types {
        let one = at(offset)?;
        match extent {
            Extent::Nothing => out.extend(STUB.iter().flat_map(|number| number.to_ne_bytes())),
            Extent::Shell if one.has_members() => out.extend(one.shell()),
            _ => out.extend_from_slice(one.bytes),
        }
    }
    let length = (out.len() - sections.header.len()) as u32;
    out.extend_from_slice(sections.strings);
    // Where the types begin, their length, and where the strings begin.
    let places = [0, length, length];
    for (number, place) in places.iter().zip(out[8..].chunks_exact_mut(4)) {
        place.copy_from_slice(&number.to_ne_bytes());
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRINGS: &[u8] = b"\0int\0word\0wanted___old\0other\0member\0";
    const INT: u32 = 1;
    const WORD: u32 = 5;
    const WANTED: u32 = 10;
    const OTHER: u32 = 23;
    const MEMBER: u32 = 29;

    /// int; typedef word; two structures, the first with an array of pointers to the second; and one
    /// that nothing refers to.
    const TYPES: [&[u32]; 7] = [
        &[INT, 1 << 24, 4, 32],
        &[WORD, 8 << 24, 1],
        &[WANTED, 4 << 24 | 2, 12, MEMBER, 2, 0, MEMBER, 6, 32],
        &[OTHER, 4 << 24 | 1, 4, MEMBER, 7, 0],
        &[0, 2 << 24, 4],
        &[0, 3 << 24, 0, 5, 1, 2],
        &[OTHER, 4 << 24, 0],
    ];

    fn bytes(types: &[&[u32]]) -> Vec<u8> {
        let length = types.concat().len() as u32 * 4;
        let strings = STRINGS.len() as u32;
        let header = [0, length, length, strings];
        let numbers = MAGIC.into_iter().chain(header).chain(types.concat());
        let mut bytes: Vec<u8> = numbers.flat_map(u32::to_ne_bytes).collect();
        bytes.extend_from_slice(STRINGS);
        bytes
    }

    #[test]
    fn keeps_what_is_named_and_what_that_contains() {
        let cut = cut_down(&bytes(&TYPES), &[&b"wanted"[..]].into());
        let [int, word, wanted, _, pointer, array, _] = TYPES;
        let shell = [OTHER, 4 << 24, 4];
        let kept = [int, word, wanted, &shell, pointer, array, &STUB];
        assert_eq!(cut, Some(bytes(&kept)));
    }

    #[test]
    fn one_map_of_the_object_keeps_something_with_tasks() {
        let object = crate::base::packed::OBJECT.unpack();
        let mut plain = object.clone();
        make_plain(&mut plain);
        let changed = object
            .iter()
            .zip(&plain)
            .filter(|(one, other)| one != other);
        assert_eq!(
            changed.collect::<Vec<_>>(),
            [(&(TASK_STORAGE as u8), &(HASH as u8))]
        );
    }

    #[test]
    fn tells_functions_by_their_names() {
        let types: [&[u32]; 4] = [
            &[INT, 1 << 24, 4, 32],
            &[0, 13 << 24, 0],
            &[WORD, 12 << 24, 2],
            &[OTHER, 12 << 24, 2],
        ];
        assert_eq!(function(&bytes(&types), "other"), Some(4));
        assert_eq!(function(&bytes(&types), "int"), None);
        assert_eq!(function(&bytes(&types)[..90], "other"), None);
    }

    #[test]
    fn names_all_but_the_empty_one_without_their_variant() {
        let all = ["int", "word", "wanted", "other", "member"];
        let all = all.map(str::as_bytes).into();
        let object = [b"other sections", &bytes(&[])[..]].concat();
        assert_eq!(description_in(&object).map(names), Some(all));
    }

    #[test]
    fn says_none_of_what_is_no_description() {
        let whole = bytes(&TYPES);
        let wanted = [&b"wanted"[..]].into();
        for length in 0..whole.len() {
            assert_eq!(cut_down(&whole[..length], &wanted), None, "{length} bytes");
        }
        for at in 0..whole.len() {
            for byte in [0, 0x7f, 0xff] {
                let mut other = whole.clone();
                other[at] = byte;
                cut_down(&other, &wanted);
                names(&other);
            }
        }
    }
}
