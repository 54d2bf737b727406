/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/*
 * Shares of the kernel's tables: one session, or one account with all of its sessions, can't fill a
 * table so that nothing is left for others.
 */
#ifndef SHARE_H
#define SHARE_H

#include "ring.h"

/*
 * How many entries of each table are somebody's. By number: all, then the accounts, then the
 * sessions. Some sessions, and some accounts, have one share together; root has its own.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, SHARE_COUNT *TABLE_COUNT);
	__type(key, __u32);
	__type(value, __u64);
} shares SEC(".maps");

/* The number of an account, and of a session. */
#define account_number(uid) ((uid) ? 2 + (uid) % (SHARE_ACCOUNTS - 1) : 1)
#define session_number(session) (1 + SHARE_ACCOUNTS + ((session) & (SHARE_SESSIONS - 1)))

static __always_inline __u64 *share_at(__u32 number, __u32 table)
{
	number = number * TABLE_COUNT + table;
	return bpf_map_lookup_elem(&shares, &number);
}

/* How many they are: with `more`, how many more. */
static __always_inline __s64 share_count(__u32 number, __u32 table, __s64 more)
{
	__u64 *used = share_at(number, table);

	if (!used)
		return 0;
	if (more)
		__sync_fetch_and_add(used, more);
	return *(volatile __u64 *)used;
}

/* Counts one entry less. */
__noinline int share_give(__u64 session, __u32 uid, __u32 table)
{
	share_count(0, table, -1);
	share_count(account_number(uid), table, -1);
	share_count(session_number(session), table, -1);
	return 0;
}

/*
 * Counts one more entry of a table of `size` for a session of the account `uid`, and tells whether
 * there may be one. The less is free, the less one may have: the largest share is a multiple of
 * that, so that something is always left, and who has little finds room. A session may have what
 * its account has left of that. All is looked up twice, for want of stack.
 */
__noinline int share_take(__u64 session, __u32 uid, __u32 table, __u32 size)
{
	__s64 left = (__s64)size - share_count(0, table, 0);

	if (left <= 0 || share_count(account_number(uid), table, 0) +
				 share_count(session_number(session), table, 0) >=
			     SHARE_OF_REST * left)
		return 0;
	share_count(0, table, 1);
	share_count(account_number(uid), table, 1);
	share_count(session_number(session), table, 1);
	return 1;
}

/* The account of a session that is open. */
static __always_inline __u32 account_of(__u64 key)
{
	struct session *session = bpf_map_lookup_elem(&sessions, &key);

	return session ? session->uid : ID_NONE;
}

/*
 * Takes a share of a table that forgets what was not used for longest: there a share is of what is
 * put in for some time, until the daemon counts anew. What is refused is counted as lost.
 */
static __always_inline int share_take_note(__u64 session, __u32 table, __u32 size)
{
	if (share_take(session, account_of(session), table, size))
		return 1;
	lose(session, FAMILY_SESSION, LOSS_SHARE_FULL);
	return 0;
}

#endif
