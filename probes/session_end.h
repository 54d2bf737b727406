/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/* How a session ends. */
#ifndef SESSION_END_H
#define SESSION_END_H

#include "filter.h"
#include "share.h"

/* Counts a process out of a session. Behind the last one goes its end. */
static __noinline int process_leave(__u64 key)
{
	struct session *session = bpf_map_lookup_elem(&sessions, &key);
	struct session_end *end;
	struct slot *slot;

	if (!session)
		return 0;
	share_give(key, session->uid, TABLE_PROCESSES);
	__sync_fetch_and_add(&session->processes, -1);
	__sync_fetch_and_add(&session->changes, 1);
	if (*(volatile __u64 *)&session->processes)
		return 0;
	slot = record_begin(key, FAMILY_SESSION, KIND_SESSION_END, sizeof(*end));
	/* The daemon removes the entry: it is how it learns of an end whose record is lost. */
	session->ended = 1;
	if (slot) {
		end = (struct session_end *)slot->record;
		__builtin_memcpy(end->lost, session->lost, sizeof(end->lost));
		__builtin_memcpy(end->excluded, session->excluded, sizeof(end->excluded));
		record_send(slot, &session_ring, FAMILY_SESSION, 1);
	}
	return 0;
}

#endif
