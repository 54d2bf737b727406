/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/*
 * Datagrams sent without a connection. A process that sends to a peer again and again has one event
 * for each period of silence; the rest is counted here, and the daemon fetches the count when the
 * period is over.
 */
#ifndef SEND_H
#define SEND_H

#include "ring.h"

/* Beyond these, each datagram has its own event. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, struct sends_key);
	__type(value, struct sends);
} sends SEC(".maps");

/*
 * Fills in whose it is and when. Time is cut into periods from the start of the process on, so that
 * no entry of the table is touched any more once its period is over.
 */
static __always_inline void sends_period(struct sends_key *key, __u64 session)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct control *control = shared();
	__u64 silence = control ? control->silence : 1;

	key->session = session;
	key->pid = BPF_CORE_READ(task, tgid);
	key->started = BPF_CORE_READ(task, group_leader, start_boottime);
	key->ends = bpf_ktime_get_boot_ns() - key->started;
	key->ends = key->started + (key->ends / silence + 1) * silence;
}

/* Whether this one has its own event; if not, it is counted. */
static __noinline int is_first_send(struct sends_key *key)
{
	struct sends begun = {.is_told = 1};
	struct sends *sent = bpf_map_lookup_elem(&sends, key);

	if (!sent) {
		if ((int)bpf_map_update_elem(&sends, key, &begun, BPF_NOEXIST) != -EEXIST)
			return 1;
		sent = bpf_map_lookup_elem(&sends, key);
		if (!sent)
			return 1;
	}
	if (!sent->is_told) {
		sent->is_told = 1;
		return 1;
	}
	__sync_fetch_and_add(&sent->count, 1);
	return 0;
}

/* The event of the first one is lost: the next one has to tell the daemon of the count. */
static __always_inline void send_untold(struct sends_key *key)
{
	struct sends *sent = bpf_map_lookup_elem(&sends, key);

	if (sent)
		sent->is_told = 0;
}

#endif
