/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/* All probes in one object: they share their maps, and the daemon loads one file. */
#include "session.bpf.c"
#include "command.bpf.c"
#include "disk.bpf.c"
#include "network.bpf.c"

char LICENSE[] SEC("license") = "Dual MIT/GPL";
