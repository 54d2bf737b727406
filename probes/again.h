/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/*
 * Where the kernel can preempt a program, it skips the same program for everybody else on that CPU
 * until the preempted run is over. So each has a second copy at its hook. The first says that it
 * was run; the second does the work where the first was not.
 */
#ifndef AGAIN_H
#define AGAIN_H

#include "ring.h"
#include "task.h"

/* What has been run first for a thread, by enum probe. */
struct led {
	__u8 probes[PROBE_SEATS];
};

/* The daemon makes another map of it where the kernel knows no such, and has no copies there. */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct led);
} led SEC(".maps");

/* How often the second copy of each program was run in place of the first. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, PROBE_COUNT);
	__type(key, __u32);
	__type(value, __u64);
} made_up SEC(".maps");

static __always_inline void make_up(__u32 probe, __u64 count)
{
	__u64 *made = bpf_map_lookup_elem(&made_up, &probe);

	if (made)
		__sync_fetch_and_add(made, count);
}

/* Since 5.15; before that, tracing programs can't keep anything with a task. */
static __always_inline int has_copies(void)
{
	struct control *control = shared();

	return IS_PLAIN && control && control->copies;
}

/*
 * Whether the first copy is to do the work. If it can't say so to the second, it leaves it to that:
 * then it counts as skipped. What is done in an interrupt has a seat of its own.
 */
static __always_inline int leads_in(__u32 probe, __u32 seat)
{
	struct led *of_task;

	if (!has_copies())
		return 1;
	of_task = bpf_task_storage_get(&led, bpf_get_current_task_btf(), NULL,
				       BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!of_task) {
		make_up(probe, -1);
		return 0;
	}
	of_task->probes[seat] = 1;
	return 1;
}

/* Whether the second copy is to do it. */
static __always_inline int follows_in(__u32 probe, __u32 seat)
{
	struct led *of_task;

	if (!has_copies())
		return 0;
	of_task = bpf_task_storage_get(&led, bpf_get_current_task_btf(), NULL, 0);
	if (of_task && of_task->probes[seat]) {
		of_task->probes[seat] = 0;
		return 0;
	}
	make_up(probe, 1);
	return 1;
}

/*
 * The first copy. On PREEMPT_RT there is no new memory for the storage of a task where it can't be
 * preempted: then there is some behind that, for the next time.
 */
#define LEAD_IN(probe, seat, statement)                                                            \
	({                                                                                         \
		int leads;                                                                         \
		run_begin();                                                                       \
		leads = leads_in(probe, seat);                                                     \
		if (leads)                                                                         \
			statement;                                                                 \
		run_end();                                                                         \
		if (IS_PLAIN && !leads)                                                            \
			bpf_task_storage_get(&led, bpf_get_current_task_btf(), NULL,               \
					     BPF_LOCAL_STORAGE_GET_F_CREATE);                      \
		0;                                                                                 \
	})
#define LEAD(probe, statement) LEAD_IN(probe, probe, statement)

/* The second. */
#define FOLLOW_IN(probe, seat, statement) RUN(if (follows_in(probe, seat)) statement)
#define FOLLOW(probe, statement) FOLLOW_IN(probe, probe, statement)

/* A program at a tracepoint, and its copy. What follows is the body. */
#define TRACEPOINT(place, program, probe)                                                          \
	static int program##_body(__u64 *context);                                                 \
	SEC("tp_btf/" place) int program(__u64 *context)                                           \
	{                                                                                          \
		return LEAD(probe, program##_body(context));                                       \
	}                                                                                          \
	SEC("tp_btf/" place) int program##_again(__u64 *context)                                   \
	{                                                                                          \
		return FOLLOW(probe, program##_body(context));                                     \
	}                                                                                          \
	static __always_inline int program##_body(__u64 *context)

#endif
