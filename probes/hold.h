/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/*
 * Overload: a process that fills a ring faster than the daemon reads is stopped before it returns
 * to its program, and goes on when the daemon lets it. Only for programs that trace: others can't
 * send signals.
 */
#ifndef HOLD_H
#define HOLD_H

#include "share.h"

#define SIGCONT 18
#define SIGSTOP 19

/* Processes that are stopped, by process id. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct held);
} held SEC(".maps");

/* What a session has sent of one family since the daemon began to read. */
static __noinline __u64 sent(__u64 session, __u32 family)
{
	struct session *sender = bpf_map_lookup_elem(&sessions, &session);
	struct control *control = shared();

	if (!sender || !control || family >= FAMILY_COUNT)
		return 0;
	return sender->rounds[family] == control->round ? sender->sent[family] : 0;
}

/* Not inlined: the kernel allows 512 bytes of stack for the longest chain of calls. Returns an
 * error if there is no new entry for it. */
static __noinline int process_stop(__u64 session, __u64 uid)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	struct held entry = {.session = session, .uid = uid};
	struct control *control;
	int error;

	/* It may have been killed. */
	if (bpf_send_signal(SIGSTOP))
		return -1;
	/* Behind the signal, so that the daemon does not let it go before it is stopped. */
	entry.time = bpf_ktime_get_boot_ns();
	error = bpf_map_update_elem(&held, &pid, &entry, BPF_NOEXIST);
	control = shared();
	if (error && error != -EEXIST)
		bpf_send_signal(SIGCONT);
	else if (control)
		__sync_fetch_and_add(&control->held, 1);
	return error;
}

/* How much waits in the ring of this number, bytes. */
static __always_inline __u64 waiting(__u64 ring)
{
	if (ring == RING_DISK)
		return bpf_ringbuf_query(&disk_ring, BPF_RB_AVAIL_DATA);
	if (ring == RING_NETWORK)
		return bpf_ringbuf_query(&network_ring, BPF_RB_AVAIL_DATA);
	return bpf_ringbuf_query(&command_ring, BPF_RB_AVAIL_DATA);
}

/*
 * Stops the current process, if the ring of the family is half full, and its session has sent more
 * since the daemon began to read than its part of what is left for all. A global function, which
 * the verifier looks at once.
 */
int hold(__u64 session, __u64 family)
{
	struct control *control = shared();
	__u64 size, used, uid, own = 0, sessions = 0;

	if (!control || !control->throttle || family >= FAMILY_COUNT)
		return 0;
	size = control->sizes[family];
	used = waiting(control->rings[family]);
	if (used < size / 2)
		return 0;
	/* Sessions are counted by the first family of a ring. */
	for (__u32 other = FAMILY_COUNT; other-- > 0;) {
		if (control->rings[other] == control->rings[family]) {
			own += sent(session, other);
			sessions = control->active[other];
		}
	}
	/*
	 * Of the quarter that is counted by now, and half of what `has_room` keeps for others less;
	 * where the ring is full up to that, of half of what is kept.
	 */
	if (own * (sessions + 1) < (used < size - size / 8 ? size / 4 - size / 16 : size / 16))
		return 0;
	uid = account_of(session);
	if (share_take(session, uid, TABLE_HELD, HELD_SIZE) && process_stop(session, uid))
		share_give(session, uid, TABLE_HELD);
	return 0;
}

/* Sends what the current process has done; whoever else it is told of is not stopped for it. */
static __always_inline long act_send(struct slot *slot, void *ring, __u32 family, int urgent)
{
	struct record *record = (struct record *)slot->record;
	__u64 session = record->session;
	__u32 pid = record->pid;
	long error;

	error = record_send(slot, ring, family, urgent);
	if (pid == bpf_get_current_pid_tgid() >> 32)
		hold(session, family);
	return error;
}

#endif
