#!/usr/bin/env bash
# Compiles the probes into the object that is committed beside them. With --check, compiles them
# elsewhere and fails if the committed bytes differ, or if the sources are not formatted.
set -euo pipefail
cd "$(dirname "$0")"

readonly clang=clang-14 strip=llvm-strip-14 format=clang-format-14
readonly packages=(clang-14 llvm-14 clang-format-14 libbpf-dev linux-libc-dev)

missing=()
for package in "${packages[@]}"; do
	dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
	echo "installing ${missing[*]}"
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

compile() {
	# 5.10 knows the instructions of v2, and not all of later ones.
	$clang -target bpf -mcpu=v2 -O2 -g -Wall -Wextra -Werror \
		-fdebug-compilation-dir=. -I"/usr/include/$(uname -m)-linux-gnu" \
		-c recorderd.bpf.c -o "$1"
	# No loader reads these relocations: they are for linking objects, and a quarter of the size.
	$strip --strip-debug --remove-section .rel.BTF --remove-section .rel.BTF.ext "$1"
}

if [ "${1:-}" = --check ]; then
	fresh=$(mktemp)
	trap 'rm -f "$fresh"' EXIT
	compile "$fresh"
	cmp "$fresh" recorderd.bpf.o || { echo "recorderd.bpf.o is not what its sources give: run probes/build.sh"; exit 1; }
	$format --dry-run --Werror ./*.c ./*.h
	echo "probes: the committed object is what its sources give"
else
	$format -i ./*.c ./*.h
	compile recorderd.bpf.o
	echo "probes: recorderd.bpf.o, $(stat -c %s recorderd.bpf.o) bytes"
fi
