/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/*
 * What was on a terminal, and its size. It has a ring of its own, and of what a session shows only
 * so much is taken, so that events never want for room.
 */
#ifndef TERMINAL_H
#define TERMINAL_H

#include "ring.h"

/* By terminal, what was left out; by session, what may still be sent. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, TERMINAL_TERMINALS);
	__type(key, struct terminal_key);
	__type(value, struct terminal_state);
} terminals SEC(".maps");

/* The leader of the session of terminals whose terminal this is, or 0. */
static __always_inline __u32 leader_of(struct tty_struct *tty)
{
	struct tty_struct___bare *bare = (void *)tty;
	struct pid *pid = bpf_core_field_exists(bare->session) ? BPF_CORE_READ(bare, session)
							       : BPF_CORE_READ(tty, ctrl.session);
	__u64 numbers = (__u64)pid + bpf_core_field_offset(struct pid, numbers);

	return pid ? BPF_CORE_READ((struct upid *)numbers, nr) : 0;
}

static __always_inline __u32 terminal_device(struct tty_struct *tty)
{
	return BPF_CORE_READ(tty, driver, major) << 20 |
	       (BPF_CORE_READ(tty, driver, minor_start) + BPF_CORE_READ(tty, index));
}

/* The entry of a terminal, or of a session. */
static __noinline struct terminal_state *terminal_state(__u64 session, __u64 terminal)
{
	struct terminal_key key = {.session = session, .terminal = terminal};
	struct terminal_state *state = bpf_map_lookup_elem(&terminals, &key);
	struct terminal_state fresh = {.budget = TERMINAL_BURST};

	if (state)
		return state;
	fresh.time = bpf_ktime_get_boot_ns() / 1000;
	bpf_map_update_elem(&terminals, &key, &fresh, BPF_NOEXIST);
	return bpf_map_lookup_elem(&terminals, &key);
}

/*
 * Whether so many more bytes may be sent for the session: a byte each microsecond, and what was
 * saved up by then. The second half of the ring is for those that have sent little of late. Only
 * one process of a session reads its terminals.
 */
__noinline int terminal_allows(__u64 session, __u64 length)
{
	struct terminal_state *state = terminal_state(session, 0);
	struct control *control = shared();
	__u64 now = bpf_ktime_get_boot_ns() / 1000;
	__u64 budget;

	if (!state || !control)
		return 0;
	budget = state->budget + (now - state->time);
	if (budget > TERMINAL_BURST)
		budget = TERMINAL_BURST;
	state->time = now;
	state->budget = budget;
	if (budget < length ||
	    (budget < TERMINAL_BURST / 2 &&
	     bpf_ringbuf_query(&terminal_ring, BPF_RB_AVAIL_DATA) > control->terminal_size / 2))
		return 0;
	state->budget = budget - length;
	return 1;
}

/* Puts what is at `from` in the memory of the process behind the record in a slot. */
__noinline int terminal_fill(__u32 index, __u64 from, __u64 length)
{
	struct slot *slot = slot_at(index);

	if (!slot || length > TERMINAL_LENGTH)
		return -1;
	return bpf_probe_read_user(slot->record + sizeof(struct terminal_output), length,
				   (void *)from);
}

/* Sends the record in a slot, and gives the slot back; returns an error if there was no room. */
__noinline int terminal_output(__u32 index)
{
	__u64 used = bpf_ringbuf_query(&terminal_ring, BPF_RB_AVAIL_DATA);
	struct control *control = shared();
	struct slot *slot = slot_at(index);
	struct record *record;
	long error = -1;
	__u64 length, flags;

	if (!slot || !control)
		return -1;
	record = (struct record *)slot->record;
	length = slot->length;
	if (length < sizeof(struct terminal_output) ||
	    length > sizeof(struct terminal_output) + TERMINAL_LENGTH)
		length = sizeof(struct terminal_output);
	record->length = length;
	flags = wakeup(used, control->terminal_size, 0);
	error = output(&terminal_ring, record, length, flags);
	/* Nothing was woken: the next record has to try again. */
	if (error && flags == BPF_RB_FORCE_WAKEUP)
		control->reader = READER_ASLEEP;
	slot_release(slot);
	return error;
}

/*
 * Sends `length` bytes at `from`, which have come out of the terminal `of`, or without any its
 * size. What can't be sent is counted with the next that is.
 */
__noinline int terminal_send(__u64 session, __u64 of, __u64 from, __u64 length)
{
	struct terminal_state *state;
	struct terminal_output *head;
	struct control *control = shared();
	struct tty_struct *tty = (void *)of;
	__u64 excluded, taken = length;
	struct slot *slot;

	if (!control || !control->terminal_size)
		return 0;
	state = terminal_state(session, of);
	if (!state) {
		lose(session, FAMILY_SESSION, LOSS_TABLE_FULL);
		return 0;
	}
	excluded = state->excluded;
	state->excluded = excluded + length;
	if (length && !terminal_allows(session, length))
		return 0;
	if (taken > TERMINAL_LENGTH)
		taken = TERMINAL_LENGTH;
	slot = slot_claim(session);
	if (!slot)
		return 0;
	record_start(slot, session, 0, sizeof(*head) + taken, 1);
	head = (struct terminal_output *)slot->record;
	head->terminal = of;
	head->excluded = excluded;
	head->device = terminal_device(tty);
	head->leader = leader_of(tty);
	head->rows = BPF_CORE_READ(tty, winsize.ws_row);
	head->columns = BPF_CORE_READ(tty, winsize.ws_col);
	head->output_length = taken;
	if (taken && terminal_fill(slot->index, from, taken)) {
		slot_release(slot);
		return 0;
	}
	if (!terminal_output(slot->index))
		state->excluded = length - taken;
	return 0;
}

#endif
