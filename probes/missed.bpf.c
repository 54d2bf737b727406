/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/*
 * How often the kernel has skipped a program, and on which CPU: what it tells of a program in /proc
 * is the sum. Those that can't be asked in this way are told by that.
 */
#include "again.h"

/* The most CPUs that are looked at. */
#define CPUS_MAX 1024

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* What a map has that keeps something for each CPU: where, as CPUs count it. */
struct bpf_array {
	void *pptrs[0];
};

struct u64_stats {
	__u64 v;
};

struct bpf_prog_stats {
	struct u64_stats misses;
};

/* Before 5.17 */
struct bpf_prog_stats___plain {
	__u64 misses;
};

struct bpf_prog_aux___id {
	__u32 id;
};

struct bpf_prog___stats {
	struct bpf_prog_aux___id *aux;
	void *stats;
};

#pragma clang attribute pop

/* Where a CPU has the count, of which `stats` is what is the same on all of them. */
static __always_inline void *misses_at(__u64 stats)
{
	struct bpf_prog_stats *counted = (void *)stats;
	struct bpf_prog_stats___plain *plain = (void *)stats;

	if (bpf_core_field_exists(counted->misses))
		return (void *)&counted->misses;
	return (void *)&plain->misses;
}

SEC("iter/bpf_prog")
int probe_missed(__u64 *context)
{
	struct bpf_iter_meta *meta = (void *)context[0];
	struct bpf_prog___stats *program = (void *)context[1];
	struct bpf_array *array = (void *)address_of(&made_up);
	struct control *control = shared();
	struct seq_file *seq = meta->seq;
	struct missed missed = {};
	__u64 stats, common = 0;
	__u32 zero = 0;

	if (!program || !control)
		return 0;
	missed.program = BPF_CORE_READ(program, aux, id);
	stats = (__u64)BPF_CORE_READ(program, stats);
	bpf_probe_read_kernel(&common, sizeof(common), &array->pptrs);
	for (__u32 cpu = 0; cpu < CPUS_MAX; cpu++) {
		void *here;

		if (cpu >= control->cpus)
			break;
		here = bpf_map_lookup_percpu_elem(&made_up, &zero, cpu);
		if (!here)
			continue;
		missed.cpu = cpu;
		if (bpf_probe_read_kernel(&missed.count, sizeof(missed.count),
					  misses_at(stats + address_of(here) - common)))
			missed.count = 0;
		if (missed.count)
			bpf_seq_write(seq, &missed, sizeof(missed));
	}
	return 0;
}
