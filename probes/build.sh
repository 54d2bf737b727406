#!/usr/bin/env bash
# Compiles the probes into the object that is committed beside them, and writes what abi.h and
# syscalls.tbl give for Rust and C (src/abi/generated.rs, src/kernel/calls.rs, syscalls.h). With --check,
# does so elsewhere and fails if the committed bytes differ, or if the sources are not formatted. With
# --draft, looks neither at warnings nor at the format.
set -euo pipefail
cd "$(dirname "$0")"

readonly clang=clang-14 objcopy=llvm-objcopy-14 format=clang-format-14
readonly packages=(clang-14 llvm-14 clang-format-14 libbpf-dev linux-libc-dev python3)

missing=()
for package in "${packages[@]}"; do
	dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
	echo "installing ${missing[*]}"
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

readonly flags=(-target bpf)

warn() {
	# Each file includes what it uses.
	local file
	for file in ./*.h ./*.bpf.c; do
		$clang "${flags[@]}" -I"/usr/include/$(uname -m)-linux-gnu" -Wall -Wextra -Wno-unused -Werror \
			-fsyntax-only -x c "$file"
	done
	$clang "${flags[@]}" -I"/usr/include/$(uname -m)-linux-gnu" -Wall -Wextra -Werror -fsyntax-only recorderd.bpf.c
}

compile() {
	# From a pipe, since the BTF would else hold the text of each line, for a fifth of the size.
	# 5.10 knows the instructions of v2, and not all of later ones.
	$clang "${flags[@]}" -I"/usr/include/$(uname -m)-linux-gnu" -E -P recorderd.bpf.c |
		$clang "${flags[@]}" -mcpu=v2 -O2 -g -w -fdebug-compilation-dir=. -x cpp-output -c - -o "$1"
	# No loader reads these relocations, which are for linking objects, or the names of blocks.
	$objcopy --strip-debug --remove-section .rel.BTF --remove-section .rel.BTF.ext \
		--wildcard --strip-symbol 'LBB*' "$1"
	# Nor has anybody use for the numbers of lines that stood nowhere but in the pipe.
	$objcopy --dump-section .BTF.ext="$1.ext" "$1"
	python3 - "$1.ext" <<-'END'
		import struct, sys
		with open(sys.argv[1], "r+b") as file:
		    section = bytearray(file.read())
		    header, line, length, relocation = struct.unpack_from("<I8xIII", section, 4)
		    struct.pack_into("<II", section, 20, 0, relocation - length)
		    del section[header + line : header + line + length]
		    file.seek(0)
		    file.truncate()
		    file.write(section)
	END
	$objcopy --update-section .BTF.ext="$1.ext" "$1"
	rm "$1.ext"
}

# What syscalls.tbl gives for C and for Rust.
calls() {
	python3 syscalls.py "$1" "$2"
}

# The Rust side of abi.h.
mirror() {
	python3 abi.py "$clang ${flags[*]} -I/usr/include/$(uname -m)-linux-gnu" "$objcopy" "$1"
}

if [ "${1:-}" = --check ]; then
	warn
	fresh=$(mktemp)
	trap 'rm -f "$fresh" "$fresh.rs"' EXIT
	compile "$fresh"
	cmp "$fresh" recorderd.bpf.o || { echo "recorderd.bpf.o is not what its sources give: run probes/build.sh"; exit 1; }
	calls "$fresh" "$fresh.rs"
	cmp "$fresh" syscalls.h && cmp "$fresh.rs" ../src/kernel/calls.rs || { echo "syscalls.h or src/kernel/calls.rs is not what syscalls.tbl gives: run probes/build.sh"; exit 1; }
	mirror "$fresh"
	cmp "$fresh" ../src/abi/generated.rs || { echo "src/abi/generated.rs is not what probes/abi.h gives: run probes/build.sh"; exit 1; }
	$format --dry-run --Werror ./*.c ./*.h
	echo "probes: the committed object is what its sources give"
elif [ "${1:-}" = --draft ]; then
	calls syscalls.h ../src/kernel/calls.rs
	mirror ../src/abi/generated.rs
	compile recorderd.bpf.o
else
	calls syscalls.h ../src/kernel/calls.rs
	warn
	$format -i ./*.c ./*.h
	mirror ../src/abi/generated.rs
	compile recorderd.bpf.o
	echo "probes: recorderd.bpf.o, $(stat -c %s recorderd.bpf.o) bytes"
fi
