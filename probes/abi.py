#!/usr/bin/env python3
"""Writes the Rust side of probes/abi.h (src/abi/generated.rs).

Usage: abi.py CLANG OBJCOPY OUTPUT

What there is, in which order, and its comments come from the header; types, offsets, sizes and values
from the BTF that the compiler makes of it.
"""

import re
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

HEADER = Path(__file__).with_name("abi.h")

# Structures that have another name on the Rust side, where the plain one is that of what is decoded.
NAMES = {
    "record": "Head",
    "ids": "ProcessIds",
    "session": "SessionEntry",
    "process": "ProcessEntry",
    "pattern": "PatternEntry",
    "held": "HeldEntry",
}
# Enumerations that are types on the Rust side; of all others, each enumerator is a constant.
TYPES = ["family", "kind", "ring_name", "table"]
# Enumerations without a module of their own, and the type of their constants.
BARE = {"limit": "usize", "unset": "u32"}
# Constants of which fields have another width than 32 bits.
WIDTHS = {"disk_operation": "u16", "reader": "u64"}
# Names that are written otherwise than the enumerator.
SPELLED = {"LOGIN_SYSTEMD_RUN": "systemd-run"}

INT, ARRAY, STRUCT, ENUM, TYPEDEF, VOLATILE, CONST = 1, 3, 4, 6, 8, 9, 10


def definitions(text):
    """The structures and enumerations: keyword, name, comment, and the comments of the members."""
    token = re.compile(r"/\*.*?\*/|[A-Za-z_]\w*|[{}\[\]=;,+]|\d\w*|\n", re.S)
    text = re.sub(r"^#.*(\\\n.*)*$", "", text, flags=re.M)
    found, comment, words = [], "", []
    keyword = name = member = last = None
    docs, depth, line_has_member = {}, 0, False
    for word in token.findall(text):
        if word == "\n":
            line_has_member = False
        elif word.startswith("/*"):
            said = " ".join(re.sub(r"^\s*\*", "", line).strip() for line in word[2:-2].splitlines())
            said = said.strip()
            if depth and line_has_member and last:
                docs[last] = f"{docs.get(last, '')} {said}".strip()
            else:
                comment = said
        elif word == "{" and len(words) >= 2 and words[-2] in ("struct", "enum"):
            keyword, name, depth = words[-2], words[-1], 1
            about, comment, docs, words, member, last = comment, "", {}, [], None, None
        elif word == "}" and depth:
            found.append((keyword, name, about, docs))
            depth, words = 0, []
        elif word in ";,":
            words, member, comment = [], None, comment if depth else ""
        else:
            words.append(word)
            if depth and re.match(r"[A-Za-z_]", word):
                # Of a structure the last word ahead of brackets, of an enumeration the first.
                is_name = not member if keyword == "enum" else "[" not in words
                if is_name:
                    member = last = word
            line_has_member = bool(depth)
            if depth and comment and member:
                docs[member], comment = comment, ""
    return found


class Btf:
    """The types of an object by their ids, which begin at 1."""

    def __init__(self, section):
        magic, _, _, header, types, length, strings, _ = struct.unpack_from("<HBBIIIII", section)
        assert magic == 0xEB9F, "no BTF"
        self.section, self.strings = section, header + strings
        self.types = [None]
        at = header + types
        while at < header + types + length:
            name, information, size = struct.unpack_from("<III", section, at)
            kind, count = information >> 24 & 31, information & 0xFFFF
            at += 12
            members = []
            if kind in (STRUCT, 5):
                members = [struct.unpack_from("<III", section, at + 12 * i) for i in range(count)]
                at += 12 * count
            elif kind == ENUM:
                members = [struct.unpack_from("<II", section, at + 8 * i) for i in range(count)]
                at += 8 * count
            elif kind == ARRAY:
                members = struct.unpack_from("<III", section, at)
                at += 12
            elif kind == INT:
                members = struct.unpack_from("<I", section, at)
                at += 4
            else:
                at += {13: 8 * count, 14: 4, 15: 12 * count, 17: 4, 19: 12 * count}.get(kind, 0)
            self.types.append((kind, self.text(name), size, members))

    def text(self, offset):
        begin = self.strings + offset
        return self.section[begin : self.section.index(b"\0", begin)].decode()

    def find(self, kind, name):
        return next(one for one in self.types[1:] if one[0] == kind and one[1] == name)

    def rust(self, number):
        """The Rust type, and its size in bytes."""
        kind, name, size, members = self.types[number]
        if kind == INT:
            is_signed = members[0] >> 24 & 1 and name != "char"
            return f"{'i' if is_signed else 'u'}{8 * size}", size
        if kind == TYPEDEF and name == "letters":
            return "[u8; 8]", 8
        if kind in (TYPEDEF, VOLATILE, CONST):
            return self.rust(size)
        if kind == ARRAY:
            inner, width = self.rust(members[0])
            return f"[{inner}; {members[2]}]", width * members[2]
        if kind == STRUCT:
            return type_name(name), size
        sys.exit(f"abi.h: {name}: a type of kind {kind} can't be in a shared structure")


def type_name(name):
    return NAMES.get(name) or camel(name)


def camel(name):
    return "".join(part.capitalize() for part in name.split("_"))


def commented(text, indent=""):
    """As doc comment, in lines of at most 100 columns."""
    lines, line = [], ""
    for word in text.split():
        if line and len(indent) + len("/// ") + len(line) + 1 + len(word) > 100:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    return "".join(f"{indent}/// {one}\n" for one in [*lines, line] if one)


def structure(btf, name, about, docs):
    _, _, size, members = btf.find(STRUCT, name)
    fields, at = [], 0
    for text, number, bits in members:
        field = btf.text(text)
        rust, width = btf.rust(number)
        if bits != 8 * at:
            sys.exit(f"abi.h: struct {name} has padding before {field}: fill it with `unused`")
        at += width
        fields.append(commented(docs.get(field, ""), "    ") + f"    pub {field}: {rust},\n")
    if at != size:
        sys.exit(f"abi.h: struct {name} has padding at its end: fill it with `unused`")
    return (
        f"{commented(about)}#[derive(Clone, Copy, Debug, PartialEq, Eq)]\n#[repr(C)]\n"
        f"pub struct {type_name(name)} {{\n{''.join(fields)}}}\n\nlayout!({type_name(name)}, {size});\n"
    )


def short_names(values):
    """The enumerators without what all of them begin with."""
    prefix = values[0][0]
    for name, _ in values:
        while not name.startswith(prefix):
            prefix = prefix[:-1]
    prefix = prefix[: prefix.rindex("_") + 1]
    return [(name, name[len(prefix) :], value) for name, value in values]


def enumeration(btf, name, about, docs):
    values = [(btf.text(text), value) for text, value in btf.find(ENUM, name)[3]]
    if name in BARE:
        kind = BARE[name]
        number = (lambda value: f"{value:#x}") if kind == "u32" else str
        return commented(about).replace("///", "//") + "".join(
            f"{commented(docs.get(one, ''))}pub const {one}: {kind} = {number(value)};\n"
            for one, value in values
        )
    count = next((value for one, value in values if one.endswith("_COUNT")), None)
    members = short_names([one for one in values if not one[0].endswith("_COUNT")])
    names = [SPELLED.get(one, short.lower()) for one, short, _ in members]
    is_list = [value for *_, value in members] == list(range(len(members)))
    if name in TYPES:
        return type_of(camel(name), about, docs, members, names)
    kind = WIDTHS.get(name, "u32")
    lines = [
        f"{commented(docs.get(one, ''), '    ')}    pub const {short}: {kind} = {value};\n"
        for one, short, value in members
    ]
    if count is not None:
        lines.append(f"    /// How many there are.\n    pub const COUNT: usize = {count};\n")
    if is_list and len(members) > 1:
        lines.append("    /// The name of each.\n" + names_of(names, "NAMES"))
    return f"{commented(about)}pub mod {name} {{\n{''.join(lines)}}}\n"


def names_of(names, what):
    rows = "".join(f'        "{name}",\n' for name in names)
    return f"    pub const {what}: [&str; {len(names)}] = [\n{rows}    ];\n"


def type_of(name, about, docs, members, names):
    shorts = [camel(short.lower()) for _, short, _ in members]
    lines = [
        f"{commented(docs.get(one, ''), '    ')}    {short} = {value},\n"
        for (one, _, value), short in zip(members, shorts)
    ]
    all_of = "".join(f"        Self::{short},\n" for short in shorts)
    first = members[0][2]
    minus, place = "", "Self::ALL.get(number as usize).copied()"
    if first:
        minus = f" - {first}"
        place = f"let place = (number as usize).checked_sub({first})?;\n        Self::ALL.get(place).copied()"
    if [value for *_, value in members] != list(range(first, first + len(members))):
        sys.exit(f"abi.h: enum {name} has gaps, and is a type on the Rust side")
    return f"""{commented(about)}#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum {name} {{
{''.join(lines)}}}

impl {name} {{
    /// How many there are.
    pub const COUNT: usize = {len(members)};
    /// All of them.
    pub const ALL: [Self; Self::COUNT] = [
{all_of}    ];
    /// The name of each, in the same order.
{names_of(names, "NAMES")}
    /// The name of this one.
    pub const fn name(self) -> &'static str {{
        Self::NAMES[self as usize{minus}]
    }}

    /// The one of this number, if there is one.
    pub fn of(number: u32) -> Option<Self> {{
        {place}
    }}
}}
"""


def main(clang, objcopy, output):
    found = definitions(HEADER.read_text())
    # What nobody refers to is not in the BTF.
    keep = "".join(f"{keyword} {name} m{at};" for at, (keyword, name, *_) in enumerate(found))
    source = f'#include "{HEADER.resolve()}"\nstruct keep {{ {keep} }} keep;\n'
    with tempfile.TemporaryDirectory() as folder:
        compiled, section = f"{folder}/abi.o", f"{folder}/btf"
        subprocess.run([*clang.split(), "-g", "-w", "-x", "c", "-c", "-", "-o", compiled], input=source, text=True, check=True)
        subprocess.run([objcopy, "--dump-section", f".BTF={section}", compiled], check=True)
        btf = Btf(Path(section).read_bytes())
    text = (
        "//! What the probes and the daemon share. Made from probes/abi.h by probes/build.sh: change that.\n\n"
        "// What has no comment in the header says what it is by its name.\n"
        "#![allow(missing_docs)]\n\n"
        "use super::layout;\n"
    )
    for keyword, name, about, docs in found:
        kind = structure if keyword == "struct" else enumeration
        text += "\n" + kind(btf, name, about, docs)
    # Only now: what can't be made leaves what is there.
    Path(output).write_text(text)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
