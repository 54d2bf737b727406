#!/usr/bin/env python3
"""Makes of syscalls.tbl what C and Rust know of system calls.

Usage: syscalls.py HEADER RUST   writes both files (probes/build.sh does)
       syscalls.py --numbers     puts the numbers of Linux into the table, from the package
                                 system-calls (pip install system-calls), and lines it up
"""

import sys
from pathlib import Path

TABLE = Path(__file__).with_name("syscalls.tbl")
NATIVE = {"x86_64": "X86", "arm64": "ARM64"}
COMPAT = {"i386": "x86_64", "arm": "arm64"}
# In front of the rest of a line: the numbers on these, and the program.
COLUMNS = {"calls": ["x86_64", "i386", "arm64", "arm"], "32 bits": ["i386", "arm"]}
# From here on, a call has one number on all architectures.
COMMON = 424
# The first argument is 1.
PLACES = "directory path target_directory target content flags mode value owner name".split()


class Call:
    def __init__(self, section, words, where):
        self.name, count = words[0], len(COLUMNS[section])
        self.numbers = {
            column: None if word == "-" else int(word)
            for column, word in zip(COLUMNS[section], words[1 : 1 + count])
        }
        rest = words[1 + count :]
        if section == "calls":
            self.program, self.is_optional = rest[0].rstrip("?"), rest[0].endswith("?")
            rest = rest[1:]
        self.operation = next((word for word in rest if word.isupper()), None)
        self.flags = {word for word in rest if word.islower() and "=" not in word}
        self.roles = dict(word.split("=") for word in rest if "=" in word)
        unknown = set(self.roles) - {*PLACES, "other", "may_be_empty", "target_may_be_empty", "entry"}
        if section == "calls" and (unknown or self.flags - {"follows", "native"}):
            sys.exit(f"{where}: {' '.join(unknown | self.flags)} says nothing of a call")

    def constants(self):
        """The names of its numbers in C, by architecture."""
        native = {one: self.numbers[one] for one in NATIVE if self.numbers[one] is not None}
        if len(native) == 2 and min(native.values()) >= COMMON:
            return dict.fromkeys(NATIVE, self.name.upper())
        return {one: f"{NATIVE[one]}_{self.name.upper()}" for one in native}


def read():
    """The calls of each section."""
    calls, section = {one: [] for one in COLUMNS}, None
    for number, line in enumerate(TABLE.read_text().splitlines(), 1):
        words = line.split("#")[0].split()
        if line.startswith("["):
            section = line.strip("[]")
        elif words:
            calls[section].append(Call(section, words, f"{TABLE.name}:{number}"))
    return calls["calls"], calls["32 bits"]


def macro(comment, name, lines):
    body = " \\\n".join(f"\t{line}" for line in lines)
    return f"/* {comment} */\n#define {name} \\\n{body}\n"


def header(calls, compat):
    text = [
        "/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */\n"
        "/* The numbers of system calls. Made from syscalls.tbl by build.sh: change that. */\n"
        "/* clang-format off */\n#ifndef SYSCALLS_H\n#define SYSCALLS_H\n"
    ]
    numbers = {}
    for call in calls:
        for architecture, constant in call.constants().items():
            numbers[constant] = call.numbers[architecture]
    for call in compat:
        if "-/SEVERAL" in call.roles.values():
            numbers[f"I386_{call.name.upper()}"] = call.numbers["i386"]
    rows = "".join(f"\t{constant} = {number},\n" for constant, number in numbers.items())
    text.append(
        "/*\n * Without the name of an architecture, a number is the same on all. With one, it may be another\n"
        " * call's on the other, but not of those that one program compares with both.\n */\n"
        f"enum {{\n{rows}}};\n"
    )

    entries = []
    for call in calls:
        if call.program != "disk_change":
            continue
        fields = [call.operation]
        fields += [f".{place} = {call.roles[place]}" for place in PLACES if place in call.roles]
        fields += [".follows = 1"] if "follows" in call.flags else []
        for role in ("other", "may_be_empty", "target_may_be_empty"):
            fields += [f".{role} = {call.roles[role]}"] if role in call.roles else []
        for constant in dict.fromkeys(call.constants().values()):
            entries.append(f"[{constant}] = {{{', '.join(fields)}}},")
    text.append(macro("What the calls of disk_change do, by number: entries of struct change_call.", "DISK_CHANGE_CALLS", entries))

    for program in ("privilege_act", "privilege_host"):
        for architecture, prefix in NATIVE.items():
            known = [call for call in calls if call.program == program and architecture in call.constants()]
            known.sort(key=lambda call: call.numbers[architecture])
            cases = {}
            for call in known:
                cases.setdefault(call.operation, []).append(f"case {call.constants()[architecture]}:")
            lines = [f"{' '.join(those)} return {operation};" for operation, those in cases.items()]
            text.append(macro(f"The operation of each call of {program}.", f"{prefix}_{program.upper()}_CASES", lines))

    by_name = {call.name: call for call in calls}
    otherwise = {(call.name, one): call for call in compat for one in COMPAT if one in call.roles}
    for architecture, native in COMPAT.items():
        entries = {}
        for call in calls:
            number = call.numbers[architecture]
            if number is None or "native" in call.flags or (call.name, architecture) in otherwise:
                continue
            if native in call.constants():
                entries[number] = f"{{{call.constants()[native]}, AS_THEY_ARE}}"
        for (name, one), call in otherwise.items():
            if one == architecture:
                target, form = call.roles[one].split("/")
                number = "0" if target == "-" else by_name[target].constants()[native]
                entries[call.numbers[one]] = f"{{{number}, {form}}}"
        lines = [f"[{number}] = {entry}," for number, entry in sorted(entries.items())]
        name = f"{architecture.upper()}_CALLS"
        text.append(macro("Which call of 64 bits each is: entries of struct compat_call.", name, lines))
    text.append("#endif\n")
    return "\n".join(text)


def rust(calls):
    text = [
        "//! The calls whose ends are looked at. Made from probes/syscalls.tbl by probes/build.sh: change that.\n\n"
        "use super::syscall::Call;\n"
    ]
    groups = {}
    for call in calls:
        if call.program != "-":
            groups.setdefault((call.program, call.is_optional), []).append(call)
    for (program, is_optional), those in groups.items():
        rows = []
        for call in those:
            name = call.roles.get("entry", call.name)
            x86, arm64 = (call.numbers[one] for one in NATIVE)
            if None in (x86, arm64):
                architecture = "aarch64" if x86 is None else "x86_64"
                number = arm64 if x86 is None else x86
                rows.append(f'    #[cfg(target_arch = "{architecture}")]\n')
                rows.append(f'    Call {{ name: "{name}", number: {number} }},\n')
            else:
                rows.append(f'    Call::new("{name}", [{x86}, {arm64}]),\n')
        about = f"/// Those of `{program}`{' that a kernel may be made without' if is_optional else ''}.\n"
        name = program.upper() + ("_OPTIONAL" if is_optional else "")
        text.append(f"{about}pub const {name}: &[Call] = &[\n{''.join(rows)}];\n")
    return "\n".join(text)


def put_numbers():
    """Also tells what changes, and what no architecture has."""
    import system_calls

    known, section, lines = system_calls.syscalls(), None, []
    for line in TABLE.read_text().splitlines():
        words = line.split()
        if line.startswith("["):
            section = line.strip("[]")
        elif words and not line.startswith("#"):
            columns = COLUMNS[section]
            old = words[1 : 1 + len(columns)]
            new = []
            for column in columns:
                try:
                    new.append(str(known.get(words[0], column)))
                except system_calls.NotSupportedSystemCall:
                    new.append("-")
            if set(new) == {"-"}:
                sys.exit(f"{words[0]} is no call of Linux")
            if old != new:
                print(f"{words[0]}: {' '.join(old)} -> {' '.join(new)}")
            line = f"{words[0]:<19}" + "".join(f"{number:>4} " for number in new)
            rest = words[1 + len(columns) :]
            if section == "calls":
                line += f" {rest[0]:<16}"
                rest = rest[1:]
            line = f"{line} {' '.join(rest)}".rstrip()
        lines.append(line + "\n")
    TABLE.write_text("".join(lines))


def main(arguments):
    if arguments == ["--numbers"]:
        return put_numbers()
    if len(arguments) != 2:
        sys.exit(__doc__)
    calls, compat = read()
    Path(arguments[0]).write_text(header(calls, compat))
    Path(arguments[1]).write_text(rust(calls))


if __name__ == "__main__":
    main(sys.argv[1:])
