/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/*
 * Datagrams sent without a connection. A process that sends to a peer again and again has one event
 * for each period of silence; the rest is counted here, and the daemon fetches the count when the
 * period is over.
 */
#ifndef SEND_H
#define SEND_H

#include "share.h"

#define SENDS_SIZE 8192

/* Beyond these, or a share of them, each datagram has its own event. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SENDS_SIZE);
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

/* What becomes of a datagram. */
enum send_place {
	SEND_COUNTED, /* it has no event of its own */
	SEND_FIRST,   /* it has one, and those behind it are counted */
	SEND_ALONE,   /* it has one, and so have those behind it */
};

static __always_inline int send_place(struct sends_key *key)
{
	struct sends begun = {.is_told = 1};
	struct sends *sent = bpf_map_lookup_elem(&sends, key);
	int error;

	if (!sent) {
		begun.uid = account_of(key->session);
		if (!share_take(key->session, begun.uid, TABLE_SENDS, SENDS_SIZE))
			return SEND_ALONE;
		error = bpf_map_update_elem(&sends, key, &begun, BPF_NOEXIST);
		if (!error)
			return SEND_FIRST;
		share_give(key->session, begun.uid, TABLE_SENDS);
		sent = bpf_map_lookup_elem(&sends, key);
		if (!sent)
			return SEND_ALONE;
	}
	if (!sent->is_told) {
		sent->is_told = 1;
		return SEND_FIRST;
	}
	__sync_fetch_and_add(&sent->count, 1);
	return SEND_COUNTED;
}

/* Counts `more` datagrams behind one that has an event: with it, or as lost where that can't be. */
static __always_inline void sends_count(struct sends_key *key, __u64 more)
{
	struct sends *sent = bpf_map_lookup_elem(&sends, key);
	struct session *session;
	struct control *control = shared();

	if (sent) {
		__sync_fetch_and_add(&sent->count, more);
		return;
	}
	session = bpf_map_lookup_elem(&sessions, &key->session);
	if (session)
		__sync_fetch_and_add(&session->lost[FAMILY_NETWORK][LOSS_SHARE_FULL], more);
	if (control)
		__sync_fetch_and_add(&control->losses, more);
}

/* The event of the first one is lost: the next one has to tell the daemon of the count. */
static __always_inline void send_untold(struct sends_key *key)
{
	struct sends *sent = bpf_map_lookup_elem(&sends, key);

	if (sent)
		sent->is_told = 0;
}

#endif
